"""Spans of time as projects write them."""

from __future__ import annotations

import pytest

from sqlfeat.spec.duration import Duration


@pytest.mark.parametrize(
    ("text", "microseconds", "suffix"),
    [
        ("7 days", 7 * 86_400_000_000, "7d"),
        ("1 Day", 86_400_000_000, "1d"),
        ("90min", 5_400_000_000, "90min"),
        ("5 ms", 5_000, "5ms"),
        ("5 m", 300_000_000, "5min"),
        ("3 s", 3_000_000, "3s"),
        ("3 us", 3, "3us"),
        ("2 hrs", 7_200_000_000, "2h"),
        ("0 seconds", 0, "0s"),
    ],
)
def test_spans_of_fixed_length_are_microseconds(text, microseconds, suffix):
    assert Duration.parse(text) == Duration(0, microseconds, suffix)


def test_months_and_years_are_calendar_months():
    assert Duration.parse("2 months") == Duration(2, 0, "2mo")
    assert Duration.parse("1 year").months == 12
    assert Duration.parse("1 quarter").months == 3


@pytest.mark.parametrize(
    ("text", "shown", "sql"),
    [
        ("1 week", "7 days", "to_microseconds(604800000000)"),
        ("60 minutes", "1 hour", "to_microseconds(3600000000)"),
        ("18 months", "18 months", "to_months(18)"),
        ("24 months", "2 years", "to_months(24)"),
    ],
)
def test_equal_spans_are_shown_alike(text, shown, sql):
    assert (str(Duration.parse(text)), Duration.parse(text).sql()) == (shown, sql)


@pytest.mark.parametrize("text", ["", "7", "days", "-1 day", "7 dayz", "1.5 days", "7 days ago", "٧ days", 7, None])
def test_what_is_no_span_says_what_is_expected(text):
    with pytest.raises(ValueError, match="write '<n> <unit>' with one of seconds, minutes"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["999999999999 days", "1000000 years", f"{'9' * 5000} seconds"])
def test_a_span_longer_than_time_is_refused(text):
    with pytest.raises(ValueError, match="longer than time itself"):
        Duration.parse(text)
