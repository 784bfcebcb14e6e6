"""In what direction a distribution has moved: up or down, wider or narrower, towards a category.

A difference in one direction shows long before a whole histogram looks otherwise. Rows are scored by the group of bins
that they are in: numbers by normal scores (van der Waerden's, for the middle) and their squares (Klotz', for the
spread), a category by whether it is that. Scores have the deviation 1 in the baseline, so a difference of their means
is one in deviations, and outliers do not carry it away. How much means of so many windows vary is taken from the
baseline's own blocks of windows, so what rows of a day have in common counts as that. Knows counts alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from sqlfeat.ops.monitoring.statistics import Floats, chi_squared_tail, f_tail
from sqlfeat.ops.monitoring.variation import LEAST_BLOCKS, LEAST_ROWS, SHIFT, SPREAD, block_length, incident_in

_LEAST_SHARE = 0.01
"""Rarer categories have no contrast of their own: they are seen when they come and go."""


class Contrast:
    """One direction: the scores of the groups, and how their mean varies in the baseline, but for an incident.

    It was chosen as the most telling of ``tried``, which its chances allow for.
    """

    def __init__(self, name: str, scores: Floats, windows: Floats, length: int, *, group: int | None = None) -> None:
        self.name, self.group, self.tried = name, group, 1
        self._scores = scores
        sums, rows = windows @ scores, windows.sum(axis=1)
        incident = incident_in(_against_others(sums, rows, np.ones(len(rows), bool), length)[1], length)
        kept = np.ones(len(rows), bool)
        if incident is not None:
            kept[incident] = False
        self._sums, self._rows, self._kept = sums, rows, kept
        self._mean = float(sums[kept].sum() / rows[kept].sum())

    def effect(self, counts: Floats) -> float:
        """By how much the mean score is another one, in the measure's own unit."""
        return self._told(self._distance(counts))

    def most(self, length: int) -> float | None:
        """The greatest effect of so many windows in a row against the others; None where there are too few."""
        whole, found = _against_others(self._sums, self._rows, self._kept, length)
        known = found[whole & ~np.isnan(found)]
        return self._told(float(known.max())) if len(known) else None

    def chance(self, counts: Floats, length: int) -> float:
        """The chance that so many windows of the baseline's kind differ as much: Student's t over its blocks."""
        rows = float(counts.sum())
        variance, freedom = self._variance(length)
        variance = max(variance, 1.0 / rows) * (1.0 + length / max(int(self._kept.sum()), 1))
        value = self._distance(counts) ** 2 / variance
        likely = chi_squared_tail(value, 1.0) if freedom is None else f_tail(value, 1.0, freedom)
        return min(likely * self.tried, 1.0)

    def _distance(self, counts: Floats) -> float:
        return float(counts @ self._scores / counts.sum()) - self._mean

    def _told(self, distance: float) -> float:
        """The distance of a spread as the share by which a deviation has changed; that of a shift as it is."""
        if self.name == SHIFT:
            return abs(distance)
        return abs(math.sqrt(max(1.0 + math.sqrt(2.0) * distance, 0.0)) - 1.0)

    def _variance(self, length: int) -> tuple[float, float | None]:
        """That of the mean of so many windows, from means of shorter blocks, and its degrees of freedom."""
        block = block_length(len(self._rows), length)
        count = len(self._rows) // block
        first = len(self._rows) - count * block  # what is oldest is left out
        sums, rows = (part[first:].reshape(count, block).sum(axis=1) for part in (self._sums, self._rows))
        whole = self._kept[first:].reshape(count, block).all(axis=1) & (rows > 0)
        sums, rows = sums[whole], rows[whole]
        count = len(rows)
        if count < LEAST_BLOCKS:
            return 0.0, None
        away = sums / rows - sums.sum() / rows.sum()
        between = float((away**2 * rows).sum() / rows.sum()) * count / (count - 1)
        if len(self._rows) < 2 * length:  # there are no other periods that could show how far days follow each other
            between *= _by_memory(away)
        return between * block / length, float(count - 1)


def shifts_and_spreads(windows: Sequence[Sequence[int]], now: Floats, length: int, *, ordered: bool) -> list[Contrast]:
    """The contrasts of a column whose baseline has these counts of groups, window by window.

    ``ordered`` groups are of numbers. Of categories that one is taken whose share has changed most, beside its chance.
    """
    counts = np.array(windows, float) if windows else np.zeros((0, 1))
    whole = counts.sum(axis=0)
    total = float(whole.sum())
    if total < LEAST_ROWS or not now.sum():
        return []
    if ordered:
        scores = _normal_scores(whole)
        return [Contrast(name, own, counts, length) for name, own in scores.items()]
    shares = whole / total
    common = [place for place, share in enumerate(shares) if _LEAST_SHARE <= share <= 1 - _LEAST_SHARE]
    found = [
        Contrast(SHIFT, _standard((np.arange(len(shares)) == place) * 1.0, shares), counts, length, group=place)
        for place in common
    ]
    if not found:
        return []
    best = min(found, key=lambda one: (one.chance(now, length), -one.effect(now)))
    best.tried = max(len(found) - 1, 1)  # the last share follows from the others
    return [best]


def _normal_scores(whole: Floats) -> dict[str, Floats]:
    """Scores for the middle and for the spread, as far as the groups are enough to tell."""
    total, filled = float(whole.sum()), int(np.count_nonzero(whole))
    if filled < 2:
        return {}
    shares = whole / total
    ranks = np.clip(np.cumsum(shares) - shares / 2, 0.5 / total, 1 - 0.5 / total)
    middle = _standard(np.array([NormalDist().inv_cdf(float(rank)) for rank in ranks]), shares)
    if filled < 3:
        return {SHIFT: middle}
    square = middle**2
    square = square - float(shares @ (square * middle)) * middle
    return {SHIFT: middle, SPREAD: _standard(square, shares)}


def _by_memory(away: Floats) -> float:
    """How many times more a mean of blocks varies because each is like the one before (Bartlett, for a first order)."""
    square = float((away**2).sum())
    alike = max(float((away[1:] * away[:-1]).sum()) / square, 0.0) if square else 0.0
    return (1.0 + alike) / (1.0 - min(alike, 0.9))


def _standard(scores: Floats, shares: Floats) -> Floats:
    """The scores with the mean 0 and the deviation 1."""
    away = scores - float(shares @ scores)
    deviation = math.sqrt(float(shares @ away**2))
    return np.asarray(away / deviation if deviation > 1e-9 else away * 0.0, dtype=np.float64)


def _against_others(sums: Floats, rows: Floats, kept: Floats, length: int) -> tuple[Floats, Floats]:
    """Of every so many windows in a row: whether all of them are kept, and their distance from the other kept ones.

    Distances are NaN where there are too few rows to say.
    """
    days = len(rows)
    if days < 2 * length:
        return np.zeros(0, bool), np.zeros(0)
    running = [np.concatenate([[0.0], np.cumsum(part)]) for part in (sums, rows, sums * kept, rows * kept, kept)]
    own_sums, own_rows, usual_sums, usual_rows, whole = (part[length:] - part[:-length] for part in running)
    rest_sums, rest_rows = running[2][-1] - usual_sums, running[3][-1] - usual_rows
    known = (own_rows >= LEAST_ROWS) & (rest_rows > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.abs(own_sums / own_rows - rest_sums / rest_rows)
    return whole == length, np.where(known, found, np.nan)
