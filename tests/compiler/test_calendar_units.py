"""How long months and years can be: never shorter, never longer than any that the calendar has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.compiler.algebra import Interval
from sqlfeat.compiler.calendar_units import (
    DAY,
    HOUR,
    grain_of,
    interval_range,
    longest,
    microseconds,
    months_range,
    plus_months,
    spelled,
    unit_named,
)


@given(st.dates(date(1600, 1, 1), date(2400, 1, 1)), st.integers(-2400, 2400))
@settings(max_examples=300, deadline=None)
def test_no_month_is_longer_or_shorter_than_its_range(start, months):
    distance = (plus_months(start, months) - start).days * DAY
    shortest, most = months_range(months)

    assert shortest <= distance <= most


@pytest.mark.parametrize(("months", "shortest", "most"), [(1, 28, 31), (-1, -31, -28), (2, 59, 62), (0, 0, 0)])
def test_a_few_months_are_exact(months, shortest, most):
    assert months_range(months) == (shortest * DAY, most * DAY)


def test_an_interval_adds_up_its_parts():
    assert interval_range(Interval(0, 1, -HOUR)) == (23 * HOUR, 23 * HOUR)
    assert interval_range(Interval(1, 1)) == (29 * DAY, 32 * DAY)


def test_units_have_many_names():
    assert [unit_named(word) for word in ("days", "D", "mons", "hour", "fortnight")] == [
        "day",
        "day",
        "month",
        "hour",
        None,
    ]
    assert (longest("week"), grain_of("week"), longest("month"), grain_of("minute")) == (
        7 * DAY, DAY, 31 * DAY, 60_000_000,
    )  # fmt: skip


def test_an_instant_counts_from_the_epoch_in_utc():
    assert microseconds(date(1970, 1, 2)) == DAY
    assert microseconds(datetime(1969, 12, 31, 23, tzinfo=UTC)) == -HOUR
    assert microseconds(datetime(1970, 1, 1) + timedelta(microseconds=7)) == 7


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (DAY - 1, "24 hours"),
        (DAY, "24 hours"),
        (2 * DAY, "2 days"),
        (HOUR + 1, "1 hour and 1 microsecond"),
        (1, "1 microsecond"),
        (90 * 60 * 1_000_000, "1 hour and 30 minutes"),
    ],
)
def test_a_distance_reads_as_one_says_it(distance, words):
    assert spelled(distance) == words
