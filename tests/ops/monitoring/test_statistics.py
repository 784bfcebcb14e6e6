"""The statistics, held against SciPy's and against what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from sqlfeat.ops.monitoring import statistics

counts = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(lambda found: sum(found) > 0)


@st.composite
def pairs(draw):
    size = draw(st.integers(2, 12))
    one = st.lists(st.integers(0, 500), min_size=size, max_size=size).filter(lambda found: sum(found) > 0)
    return np.array(draw(one), float), np.array(draw(one), float)


@given(pairs())
def test_jensen_shannon_is_that_of_scipy(pair):
    assert pytest.approx(jensenshannon(*pair, base=2), abs=1e-7) == statistics.jensen_shannon(*pair)


@given(pairs())
def test_psi_is_the_sum_of_both_relative_entropies(pair):
    there = (pair[0] > 0) | (pair[1] > 0)
    before, after = (one[there] + 0.5 for one in pair)

    assert pytest.approx(stats.entropy(before, after) + stats.entropy(after, before), abs=1e-9) == statistics.psi(*pair)


@given(pairs())
def test_kolmogorov_smirnov_of_bins_is_that_of_values_in_their_place(pair):
    values = [np.repeat(np.arange(len(one)), one.astype(int)) for one in pair]

    found = statistics.kolmogorov_smirnov(*pair)

    assert pytest.approx(stats.ks_2samp(*values, method="asymp").statistic, abs=1e-9) == found


@given(pairs(), st.integers(0, 2**32))
def test_wasserstein_is_the_area_between_the_two_lines(pair, seed):
    widths = np.random.default_rng(seed).uniform(0, 3, len(pair[0]))
    edges = np.concatenate([[0], np.cumsum(widths)])
    grid = np.linspace(0, edges[-1], 40_001)
    lines = [np.interp(grid, edges, np.concatenate([[0], np.cumsum(statistics.shares(one))])) for one in pair]

    found = statistics.wasserstein(*pair, widths)

    assert pytest.approx(np.trapezoid(np.abs(lines[0] - lines[1]), grid), abs=1e-3) == found


@given(st.lists(st.integers(30, 500), min_size=2, max_size=9), st.integers(0, 2**32))
def test_chi_squared_of_thick_bins_is_that_of_scipy(before, seed):
    after = np.random.default_rng(seed).integers(30, 500, len(before))

    statistic, freedom = statistics.chi_squared(np.array(before, float), after.astype(float))

    expected = stats.chi2_contingency(np.stack([before, after]), correction=False)
    assert pytest.approx((expected.statistic, expected.dof)) == (statistic, freedom)


def test_thin_bins_are_put_together_before_they_are_tested():
    statistic, freedom = statistics.chi_squared(np.array([100.0, 1, 0, 2, 0]), np.array([100.0, 0, 1, 1, 0]))

    assert (freedom, statistic < 1) == (1, True)


@given(st.floats(0.001, 2_000), st.integers(1, 300))
def test_the_tail_of_chi_squared_is_that_of_scipy(value, freedom):
    assert pytest.approx(stats.chi2.sf(value, freedom), rel=1e-7, abs=1e-12) == statistics.chi_squared_tail(
        value, freedom
    )


@given(st.floats(0.001, 1_000), st.integers(1, 60), st.integers(1, 2_000))
def test_the_tail_of_f_is_that_of_scipy(value, above, below):
    assert pytest.approx(stats.f.sf(value, above, below), rel=1e-7, abs=1e-12) == statistics.f_tail(value, above, below)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_those_of_scipy(values):
    assert pytest.approx(stats.false_discovery_control(values, method="bh")) == statistics.adjusted(values)


def test_no_values_need_no_adjustment():
    assert statistics.adjusted([]) == []


def test_the_design_effect_of_independent_rows_is_near_one():
    random = np.random.default_rng(3)
    blocks = np.stack([random.multinomial(500, [0.2, 0.3, 0.5]) for _ in range(400)]).astype(float)

    assert pytest.approx(1.0, abs=0.12) == statistics.design_of(blocks).effect


def test_the_design_effect_counts_rows_that_come_in_equal_tens_as_one():
    random = np.random.default_rng(3)
    blocks = 10 * np.stack([random.multinomial(50, [0.2, 0.3, 0.5]) for _ in range(400)]).astype(float)

    assert pytest.approx(10, rel=0.1) == statistics.design_of(blocks).effect


def test_as_many_false_alarms_come_as_were_asked_for_when_days_differ():
    """Days have their own mean: tested as independent rows half of the quiet weeks would be alarms."""
    random = np.random.default_rng(11)

    def week(days):
        means = random.normal(0, 0.3, days)
        return np.stack([np.histogram(random.normal(mean, 1, 100), [-9, -1, -0.3, 0.3, 1, 9])[0] for mean in means])

    plain, corrected = 0, 0
    for _ in range(300):
        before, after = week(56).astype(float), week(7).astype(float).sum(axis=0)
        blocks = before.reshape(8, 7, 5).sum(axis=1)
        design = statistics.design_of(blocks)
        plain += statistics.significance(before.sum(axis=0), after) < 0.05
        corrected += statistics.significance(before.sum(axis=0), after, design) < 0.05

    assert (plain > 75, corrected <= 30) == (True, True)


@given(counts)
def test_nothing_is_far_from_itself(found):
    same = np.array(found, float)

    measured = statistics.psi(same, same), statistics.jensen_shannon(same, same), statistics.significance(same, same)

    assert pytest.approx((0, 0, 1), abs=1e-7) == measured
