"""In what direction a distribution has moved: beside SciPy's t-test, what effects mean, and how often it is chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sqlfeat.ops.monitoring.comparison import compare
from sqlfeat.ops.monitoring.contrasts import shifts_and_spreads
from sqlfeat.ops.monitoring.wording import findings_of
from sqlfeat.spec.monitor import MonitorSpec
from tests.made.watched import profiled, quiet, together

EDGES = np.linspace(-2, 2, 15)
DAYS, A_DAY = 56, 200


def days_of(random, days: int = DAYS, *, mood: float = 0.0, shift: float = 0.0, wide: float = 1.0):
    """Counts of groups day by day, of normal numbers; what a day has in common has the deviation ``mood``."""
    moods = random.normal(0, mood, days) if mood else np.zeros(days)
    values = (moods[:, None] + random.normal(0, 1, (days, A_DAY))) * wide + shift
    return np.stack([np.bincount(np.searchsorted(EDGES, day), minlength=len(EDGES) + 1) for day in values])


def contrasts(before, now, length: int = 7, *, ordered: bool = True):
    counts = np.asarray(now, float).reshape(-1, before.shape[1]).sum(axis=0)
    found = shifts_and_spreads([tuple(day) for day in before], counts, length, ordered=ordered)
    return {one.name: one for one in found}, counts


@given(st.integers(0, 10_000), st.floats(0.3, 1.0))
def test_of_single_days_the_chance_is_that_of_a_t_test(seed, mood):
    random = np.random.default_rng(seed)
    before, now = days_of(random, 11, mood=mood), days_of(random, 1, mood=mood)

    found, counts = contrasts(before, now, 1)

    shift = found["shift"]
    means = [float(day @ shift._scores / day.sum()) for day in before]
    expected = stats.ttest_ind([float(counts @ shift._scores / counts.sum())], means).pvalue
    assert shift.chance(counts, 1) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mood", [0.0, 0.2])
def test_what_is_chance_is_called_so_as_often_as_it_should_be(mood):
    found = {"shift": [], "spread": []}
    for seed in range(300):
        random = np.random.default_rng(seed)
        both = days_of(random, DAYS + 7, mood=mood)
        named, counts = contrasts(both[:DAYS], both[DAYS:])
        for name, one in named.items():
            found[name].append(one.chance(counts, 7))

    for chances in found.values():
        assert 0.01 < np.mean(np.array(chances) < 0.05) < 0.1
        assert np.mean(np.array(chances) < 0.001) < 0.01


@pytest.mark.parametrize("shift", [-0.5, 0.25, 1.0])
def test_a_shift_is_one_in_deviations(shift):
    random = np.random.default_rng(1)

    found, counts = contrasts(days_of(random, mood=0.05), days_of(random, 70, shift=shift))

    assert found["shift"].effect(counts) == pytest.approx(abs(shift), rel=0.1)


@pytest.mark.parametrize("wide", [0.7, 0.9, 1.2])
def test_a_spread_is_the_share_by_which_the_deviation_has_changed(wide):
    random = np.random.default_rng(1)

    found, counts = contrasts(days_of(random), days_of(random, 70, wide=wide))

    assert found["spread"].effect(counts) == pytest.approx(abs(wide - 1), abs=0.07)
    assert found["shift"].effect(counts) < 0.05


def test_of_categories_the_one_whose_share_has_changed_most_is_taken():
    random = np.random.default_rng(1)
    before = random.multinomial(A_DAY, [0.5, 0.3, 0.15, 0.05], DAYS)
    now = random.multinomial(A_DAY, [0.5, 0.22, 0.23, 0.05], 70)

    found, counts = contrasts(before, now, ordered=False)

    share = before[:, 2].sum() / before.sum()
    assert (found["shift"].group, found["shift"].tried) == (2, 3)
    moved = counts[2] / counts.sum() - share
    assert found["shift"].effect(counts) == pytest.approx(moved / np.sqrt(share * (1 - share)))


def test_an_incident_is_no_part_of_what_is_compared_with():
    random = np.random.default_rng(2)
    before = days_of(random, mood=0.05)
    before[21:28] = days_of(random, 7, mood=0.05, shift=2.0)

    found, counts = contrasts(before, days_of(random, 7, shift=0.5))

    assert found["shift"].effect(counts) == pytest.approx(0.5, abs=0.1)
    assert found["shift"].most(7) < 0.2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_hardly_any_groups_little_can_be_said(count):
    before = np.zeros((DAYS, 4), int)
    before[:, :count] = 50

    found, _ = contrasts(before, before[:7])

    assert list(found) == {0: [], 1: [], 2: ["shift"]}[count]


def quarter(rows):
    """The rows with amounts that are larger by a quarter of a deviation of their logarithms."""
    return {**rows, "amount": np.array(rows["amount"]) * np.exp(0.5 * 0.25)}


def test_a_quarter_of_a_deviation_is_found_in_a_week_of_many_rows():
    usual = profiled(quiet(56, a_day=200))
    week = quarter(quiet(7, first=56, a_day=200))

    result = compare(usual, profiled(week, usual), MonitorSpec())

    findings = findings_of(result.columns, result.measures)
    assert [(one.about, one.kind) for one in findings] == [("amount", "shift")]
    assert findings[0].text.startswith("amount has moved by 0.2")


def test_half_a_deviation_is_found_after_an_incident():
    rows = quiet(56, a_day=100)
    ill = (np.arange(5_600) >= 2_100) & (np.arange(5_600) < 2_800)
    rows["amount"] = np.where(ill, rows["amount"] * np.e, rows["amount"])
    usual = profiled(rows)
    week = quarter(quarter(quiet(7, first=56)))

    result = compare(usual, profiled(week, usual), MonitorSpec())

    amount = next(one for one in result.columns if one.name == "amount")
    assert (amount.level, amount.first_seen is not None) == ("breach", True)


def test_of_one_distribution_one_measure_speaks_and_the_gravest_does():
    usual = profiled(quiet(56))
    far = {**quiet(7, first=56), "amount": quiet(7, first=56)["amount"] * 3}

    amount = next(one for one in compare(usual, profiled(far, usual), MonitorSpec()).columns if one.name == "amount")

    assert [one.name for one in amount.measures if one.level == "breach" and one.text] == ["psi"]
    assert amount.measure("shift").level == "breach"


def test_the_day_on_which_a_small_shift_began_is_named():
    usual = profiled(quiet(56, a_day=400))
    calm, moved = quiet(4, first=56, a_day=400), quiet(4, first=60, a_day=400)
    moved["amount"] = moved["amount"] * np.exp(0.5 * 0.9)
    week = together(calm, moved)

    result = compare(usual, profiled(week, usual), MonitorSpec())

    amount = next(one for one in result.columns if one.name == "amount")
    assert (amount.level, f"{amount.first_seen:%m-%d}") == ("breach", "03-01")
