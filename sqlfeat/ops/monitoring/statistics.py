"""How far two distributions are from each other, and whether that can be chance. Arrays of counts in, numbers out.

Rows of one day resemble each other, so they are not so many independent draws: how much less they tell is measured on
the baseline's own days (the design effect of Rao and Scott, 1981), and the test of Pearson's chi-squared is corrected
by it. The tests hold every function against SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PSEUDO_COUNT = 0.5
"""What is added to every bin before logarithms are taken, as if that part of a row had been seen in it."""
LEAST_EXPECTED = 5.0
"""Bins in which fewer rows are expected are put together before they are tested."""


def shares(counts: Floats, pseudo: float = 0.0) -> Floats:
    """The counts as shares of their sum."""
    filled = np.asarray(counts, dtype=np.float64) + pseudo
    total = filled.sum()
    return np.asarray(filled / total if total else filled, dtype=np.float64)


def psi(baseline: Floats, current: Floats) -> float:
    """The population stability index: the symmetric Kullback-Leibler divergence of two histograms, in nats."""
    there = (baseline > 0) | (current > 0)
    before, after = shares(baseline[there], PSEUDO_COUNT), shares(current[there], PSEUDO_COUNT)
    return float(np.sum((after - before) * np.log(after / before)))


def jensen_shannon(baseline: Floats, current: Floats) -> float:
    """The Jensen-Shannon distance to base 2: 0 for the same shares, 1 where they have nothing in common."""
    before, after = shares(baseline), shares(current)
    middle = (before + after) / 2
    divergence = (_relative_entropy(before, middle) + _relative_entropy(after, middle)) / 2
    return math.sqrt(max(divergence, 0.0))


def _relative_entropy(of: Floats, to: Floats) -> float:
    there = of > 0
    return float(np.sum(of[there] * np.log2(of[there] / to[there])))


def kolmogorov_smirnov(baseline: Floats, current: Floats) -> float:
    """The greatest distance of the two cumulative distributions at the bins' edges."""
    return float(np.max(np.abs(np.cumsum(shares(current)) - np.cumsum(shares(baseline))), initial=0.0))


def wasserstein(baseline: Floats, current: Floats, widths: Floats) -> float:
    """The area between the two cumulative distributions, each taken as straight within a bin of the given width."""
    gaps = np.cumsum(shares(current)) - np.cumsum(shares(baseline))
    before = np.concatenate([[0.0], gaps[:-1]])
    return float(np.sum(widths * _mean_distance(before, gaps)))


def _mean_distance(start: Floats, end: Floats) -> Floats:
    """The mean of ``|x|`` on a straight way from ``start`` to ``end``."""
    crosses = start * end < 0
    whole = np.abs(start + end) / 2
    span = np.where(crosses, np.abs(end - start), 1.0)
    return np.asarray(np.where(crosses, (start**2 + end**2) / (2 * span), whole), dtype=np.float64)


# -- tests -------------------------------------------------------------------------------------------------------------


def chi_squared(baseline: Floats, current: Floats) -> tuple[float, int]:
    """Pearson's chi-squared of two samples, and its degrees of freedom; thin bins are put together first."""
    table = _thick(np.stack([baseline, current]).astype(np.float64))
    totals, rows = table.sum(axis=0), table.sum(axis=1)
    if table.shape[1] < 2 or not rows.all():
        return 0.0, 0
    expected = rows[:, None] * totals[None, :] / rows.sum()
    return float(np.sum((table - expected) ** 2 / expected)), table.shape[1] - 1


def _thick(table: Floats) -> Floats:
    """The table without its empty columns, thin ones added to the thinnest of the others."""
    table = table[:, table.sum(axis=0) > 0]
    rows = table.sum(axis=1)
    while table.shape[1] > 2:
        totals = table.sum(axis=0)
        thinnest = int(np.argmin(totals))
        if totals[thinnest] * rows.min() / max(rows.sum(), 1.0) >= LEAST_EXPECTED:
            break
        rest = np.delete(table, thinnest, axis=1)
        rest[:, int(np.argmin(rest.sum(axis=0)))] += table[:, thinnest]
        table = rest
    return table


@dataclass(frozen=True)
class Design:
    """How rows hang together: the design ``effect`` (how many times more blocks of rows differ than as many independent
    rows would), in how many independent ways they do (``freedom``, None where nothing is known), and from how many
    blocks that was found.
    """

    effect: float = 1.0
    freedom: float | None = None
    blocks: int = 0


def design_of(blocks: Floats) -> Design:
    """The design of a baseline whose blocks have these counts, a row for each block.

    Each block is compared with all of them together. The mean of its chi-squared by degree of freedom is the effect;
    the eigenvalues of the covariance say in how many ways blocks differ (Satterthwaite's degrees of freedom).
    """
    total = blocks.sum(axis=0)
    everything = float(total.sum())
    there = total > 0
    blocks = blocks[(blocks.sum(axis=1) > 0) & (blocks.sum(axis=1) < everything)]
    count = len(blocks)
    if count < 2 or there.sum() < 2:
        return Design()
    rows = blocks.sum(axis=1, keepdims=True)
    expected = rows * total[there] / everything
    gaps = (blocks[:, there] - expected) / np.sqrt(expected * (1 - rows / everything))
    covariance = gaps.T @ gaps / count
    trace, freedom = float(np.trace(covariance)), int(there.sum()) - 1
    squares = float(np.sum(covariance**2)) - trace**2 / count
    squares *= count**2 / ((count - 1) * (count + 2))
    ways = trace**2 / squares if squares > 0 else float(freedom)
    return Design(max(1.0, trace / freedom), min(max(ways, 1.0), float(freedom)), count)


def significance(baseline: Floats, current: Floats, design: Design | None = None) -> float:
    """The chance that two samples of one distribution differ as much as these.

    What is not known of the design, because it was found from few blocks, is allowed for: the distribution is F.
    """
    statistic, freedom = chi_squared(baseline, current)
    if not freedom:
        return 1.0
    if design is None or design.freedom is None:
        return chi_squared_tail(statistic, freedom)
    ways = min(design.freedom, float(freedom))
    return f_tail(statistic / design.effect / freedom, ways, ways * (design.blocks - 1))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's: of all with a value up to q, no more than the share q is expected to be chance."""
    order = np.argsort(np.asarray(p_values, dtype=np.float64), kind="stable")
    count = len(p_values)
    found = [1.0] * count
    least = 1.0
    for rank in range(count, 0, -1):
        position = int(order[rank - 1])
        least = min(least, p_values[position] * count / rank)
        found[position] = least
    return found


# -- distributions -----------------------------------------------------------------------------------------------------


def chi_squared_tail(value: float, freedom: float) -> float:
    """The chance that a chi-squared variable is greater."""
    return _upper_gamma(freedom / 2, value / 2)


def f_tail(value: float, above: float, below: float) -> float:
    """The chance that a variable of Fisher's F distribution is greater."""
    if value <= 0:
        return 1.0
    return _beta(below / (below + above * value), below / 2, above / 2)


_TINY, _PRECISE, _STEPS = 1e-300, 1e-15, 10_000


def _upper_gamma(shape: float, value: float) -> float:
    """The regularized upper incomplete gamma function: a series below the mean, a continued fraction (Lentz) above."""
    if value <= 0:
        return 1.0
    front = math.exp(-value + shape * math.log(value) - math.lgamma(shape))
    if value < shape + 1:
        term = total = 1 / shape
        for step in range(1, _STEPS):
            term *= value / (shape + step)
            total += term
            if term < total * _PRECISE:
                break
        return max(0.0, 1 - total * front)
    under = value + 1 - shape
    ratio, inverse = 1 / _TINY, 1 / under
    fraction = inverse
    for step in range(1, _STEPS):
        factor = -step * (step - shape)
        under += 2
        inverse = 1 / _away(factor * inverse + under)
        ratio = _away(under + factor / ratio)
        fraction *= ratio * inverse
        if abs(ratio * inverse - 1) < _PRECISE:
            break
    return front * fraction


def _beta(value: float, left: float, right: float) -> float:
    """The regularized incomplete beta function."""
    if value <= 0 or value >= 1:
        return float(value >= 1)
    front = math.exp(
        math.lgamma(left + right)
        - math.lgamma(left)
        - math.lgamma(right)
        + left * math.log(value)
        + right * math.log1p(-value)
    )
    if value < (left + 1) / (left + right + 2):
        return front * _beta_fraction(value, left, right) / left
    return 1 - front * _beta_fraction(1 - value, right, left) / right


def _beta_fraction(value: float, left: float, right: float) -> float:
    ratio = 1.0
    inverse = 1 / _away(1 - (left + right) * value / (left + 1))
    fraction = inverse
    for step in range(1, _STEPS):
        even = step * (right - step) * value / ((left + 2 * step - 1) * (left + 2 * step))
        odd = -(left + step) * (left + right + step) * value / ((left + 2 * step) * (left + 2 * step + 1))
        for factor in (even, odd):
            inverse = 1 / _away(1 + factor * inverse)
            ratio = _away(1 + factor / ratio)
            fraction *= ratio * inverse
        if abs(ratio * inverse - 1) < _PRECISE:
            break
    return fraction


def _away(value: float) -> float:
    """The value, away from zero."""
    return value if abs(value) > _TINY else _TINY
