"""How a baseline varies by itself: what happened once is an incident and does not count, what comes back does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.ops.monitoring import statistics
from sqlfeat.ops.monitoring.comparison import compare
from sqlfeat.ops.monitoring.results import Measure
from sqlfeat.ops.monitoring.variation import Windows, incident_in, judged, usual_most
from sqlfeat.spec.monitor import MonitorSpec
from tests.made.watched import profiled, quiet

DAYS = 56


def shares(*shares_of_first: float):
    """Days of a hundred rows in two bins, the share of the first given."""
    return [(round(100 * share), 100 - round(100 * share)) for share in shares_of_first]


def waves(days: int = DAYS) -> list[float]:
    return [0.5 + 0.02 * (-1) ** day for day in range(days)]


def with_weeks(*first_days: int) -> list[float]:
    """Days that are alike but for weeks that begin on these."""
    found = waves()
    for first in first_days:
        found[first : first + 7] = [0.9] * 7
    return found


@pytest.mark.parametrize("first", [0, 21, 49])
@pytest.mark.parametrize("length", [1, 3, 7])
def test_a_week_that_was_otherwise_once_is_no_measure_of_what_is_usual(first, length):
    windows = Windows(shares(*with_weeks(first)), statistics.psi)

    assert windows.most(length) < 0.2


def test_what_comes_back_is_a_rhythm():
    windows = Windows(shares(*with_weeks(7, 35)), statistics.psi)

    assert windows.most(7) > 0.5


def test_weekends_are_a_rhythm_too():
    days = [0.8 if day % 7 >= 5 else 0.5 for day in range(DAYS)]

    assert Windows(shares(*days), statistics.psi).most(1) > 0.1


def test_too_few_windows_tell_nothing_of_incidents():
    assert incident_in(np.array([0.1] * 10 + [9.0]), 1) is None


def test_an_incident_that_is_most_of_the_baseline_is_none():
    days = waves()[:20] + [0.9] * 26

    assert Windows(shares(*days), statistics.psi).most(7) > 0.3


@given(st.lists(st.floats(0, 10) | st.just(float("nan")), max_size=60), st.integers(1, 7))
def test_what_is_usual_is_one_of_the_effects_and_never_beyond_the_greatest(values, length):
    effects = np.array(values)
    most = usual_most(effects, length)

    known = [one for one in values if one == one]
    assert (most is None) == (not known)
    assert most is None or (most in known and most <= max(known))


def test_rows_of_an_incident_do_not_make_others_look_alike():
    without = Windows(shares(*waves()), statistics.psi).design(7)
    ill = Windows(shares(*with_weeks(21)), statistics.psi).design(7)

    assert ill.effect == pytest.approx(without.effect, rel=0.5)


def test_drift_is_found_though_the_baseline_has_an_incident():
    rows = quiet(DAYS)
    ill = (np.arange(DAYS * 100) // 100 >= 21) & (np.arange(DAYS * 100) // 100 < 28)
    rows["amount"] = np.where(ill, rows["amount"] * 4, rows["amount"])
    week = quiet(7, first=DAYS)
    before = profiled(rows)

    same = compare(before, profiled(week, before), MonitorSpec())
    moved = compare(before, profiled({**week, "amount": week["amount"] * 1.6}, before), MonitorSpec())

    assert [one.name for one in same.columns if one.level != "ok"] == []
    assert [one.name for one in moved.columns if one.level == "breach"] == ["amount"]


@pytest.mark.parametrize(
    ("value", "adjusted", "own", "level"),
    [
        (0.25, 0.001, None, "breach"),
        (0.25, 0.04, None, "warn"),
        (0.25, 0.06, None, "ok"),
        (0.15, 0.001, None, "warn"),
        (0.15, 0.04, None, "ok"),
        (0.25, 0.001, 0.3, "ok"),
        (0.05, 0.001, None, "ok"),
    ],
)
def test_a_level_needs_an_effect_that_is_not_usual_and_not_chance(value, adjusted, own, level):
    measure = Measure("psi", value, 0.2, own=own, p_value=adjusted, adjusted=adjusted)

    assert judged(measure, 0.01).level == level
