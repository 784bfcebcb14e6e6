"""How a baseline varies by itself, and what is measured of all rows together: volume, freshness, duplicates, schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from sqlfeat.engine.profile import Profile
from sqlfeat.ops.monitoring import statistics
from sqlfeat.ops.monitoring.figures import percent, span
from sqlfeat.ops.monitoring.results import BREACH, OK, WARN, Measure
from sqlfeat.ops.monitoring.statistics import Design, Floats
from sqlfeat.spec.monitor import MonitorSpec

LEAST_ROWS = 30
"""Of fewer rows nothing is said."""
WARNED = 0.5
"""The share of a threshold from which on is warned."""
_BLOCKS, _LEAST_BLOCKS = 16, 4
_TREND = 21
SECONDS = {"hour": 3_600.0, "day": 86_400.0, "week": 604_800.0, "month": 2_678_400.0}


def judged(measure: Measure, chance: float) -> Measure:
    """The measure with its level: past its threshold, past what the baseline shows itself, and more than chance."""
    value, threshold = measure.value, measure.threshold
    unlikely = measure.adjusted is None or measure.adjusted < chance
    if value is None or threshold is None or not unlikely or value < (measure.own or 0.0) or not value:
        return replace(measure, level=OK)
    level = BREACH if value >= threshold else WARN if value >= threshold * WARNED else OK
    return replace(measure, level=level)


class Windows:
    """The counts of a baseline, window by window: how they vary among themselves."""

    def __init__(self, counts: Sequence[Sequence[int]]) -> None:
        self._counts = np.array(counts, float) if counts else np.zeros((0, 1))
        self._designs: dict[int, Design] = {}
        self._most: dict[tuple[str, int], float | None] = {}

    def design(self, length: int) -> Design:
        """How rows of blocks hang together; blocks are as long as the period, but there are sixteen if there can be."""
        days = len(self._counts)
        block = max(1, min(length, days // _BLOCKS))
        if block not in self._designs:
            count = days // block
            first = days - count * block  # what is oldest is left out
            blocks = self._counts[first:].reshape(count, block, -1).sum(axis=1) if count else self._counts
            self._designs[block] = statistics.design_of(blocks) if count >= _LEAST_BLOCKS else Design()
        return self._designs[block]

    def most(self, effect: Callable[[Floats, Floats], float], length: int) -> float | None:
        """The greatest effect of so many windows in a row against the others; None where there are too few."""
        key = (effect.__name__, length)
        if key not in self._most:
            self._most[key] = self._greatest(effect, length)
        return self._most[key]

    def _greatest(self, effect: Callable[[Floats, Floats], float], length: int) -> float | None:
        days = len(self._counts)
        if days < 2 * length or not self._counts.sum():
            return None
        total = self._counts.sum(axis=0)
        sums = np.concatenate([np.zeros((1, self._counts.shape[1])), np.cumsum(self._counts, axis=0)])
        found = []
        for start in range(days - length + 1):
            some = sums[start + length] - sums[start]
            if some.sum() >= LEAST_ROWS and (total - some).sum() > 0:
                found.append(effect(total - some, some))
        return max(found, default=None)


def measures_of_rows(baseline: Profile, current: Profile, spec: MonitorSpec, until: datetime | None) -> list[Measure]:
    """Volume, freshness and duplicates."""
    measures = [_volume(baseline, current, spec), _freshness(baseline, current, spec, until)]
    if current.duplicates is not None:
        share = current.duplicates / current.rows if current.rows else 0.0
        own = baseline.duplicates / baseline.rows if baseline.duplicates and baseline.rows else None
        text = f"{percent(share)} of the rows are there twice: they have the keys and the time of another one."
        measures.append(judged(Measure("duplicates", share, spec.duplicates, own=own, text=text), 1.0))
    return [one if one.level != OK else replace(one, text="") for one in measures if one is not None]


def _volume(baseline: Profile, current: Profile, spec: MonitorSpec) -> Measure | None:
    """Rows per window against their mean or their trend, whichever is nearer; windows at the ends of
    the baseline may be cut, and are left out.
    """
    usual = np.array(baseline.window_rows[1:-1] if len(baseline.starts) > 4 else baseline.window_rows, float)
    if not len(usual) or not usual.mean():
        return None
    length = length_in_windows(baseline, current)
    mean = current.rows / length
    own = None
    if len(usual) >= 2 * length:
        means = np.convolve(usual, np.ones(length) / length, mode="valid")
        rest = (usual.sum() - means * length) / (len(usual) - length)
        own = max((_factor(then, other) for then, other in zip(means, rest, strict=True)), default=None)
    value = min(_factor(mean, float(usual.mean())), _factor(mean, _by_trend(baseline, current) or float(usual.mean())))
    text = f"There are {mean:,.0f} rows a {baseline.window}, and {usual.mean():,.0f} before."
    return judged(Measure("volume", value, spec.volume, own=own, text=text), 1.0)


def length_in_windows(baseline: Profile, current: Profile) -> int:
    """How many of the baseline's windows the rows are of, though they may be counted in other ones."""
    share = SECONDS[current.window] / SECONDS[baseline.window]
    return max(round(len(current.starts) * share), 1)


def _by_trend(baseline: Profile, current: Profile) -> float | None:
    """Rows per window as a steady growth would have them; None where the baseline is too short to tell."""
    if len(baseline.starts) < _TREND or not current.starts:
        return None
    first = baseline.starts[0]
    then, now = (np.array([(one - first).total_seconds() for one in side.starts]) for side in (baseline, current))
    slope, level = np.polyfit(then[1:-1], np.log(np.array(baseline.window_rows[1:-1], float)), 1)
    with np.errstate(over="ignore"):
        expected = float(np.mean(np.exp(level + slope * now)))
    return expected if math.isfinite(expected) else None


def _factor(one: float, other: float) -> float:
    """By what share the greater of two numbers is greater."""
    low, high = sorted((one, other))
    return high / low - 1 if low > 0 else math.inf if high > 0 else 0.0


def _freshness(baseline: Profile, current: Profile, spec: MonitorSpec, until: datetime | None) -> Measure | None:
    """How old the newest row is at the end of the period, in seconds; by default twice the longest usual silence."""
    newest = current.end or baseline.end
    if until is None or newest is None:
        return None
    silence = max(until - newest, timedelta()).total_seconds()
    if spec.freshness is not None:
        most = spec.freshness.microseconds / 1e6
    else:
        gaps = [(b - a).total_seconds() for a, b in zip(baseline.starts, baseline.starts[1:], strict=False)]
        most = 2 * max(gaps, default=SECONDS[baseline.window])
    text = f"The newest row is {span(silence)} old at the end of the period."
    return judged(Measure("freshness", silence, most, text=text), 1.0)


def schema_measures(baseline: Profile, current: Profile) -> list[Measure]:
    """Columns that are gone, or of another kind."""
    found = []
    for one in baseline.columns:
        now = current.column(one.name)
        if now is None:
            found.append(Measure("schema", 1.0, 0.0, BREACH, text=f"The column {one.name} is gone."))
        elif now.shape.kind != one.shape.kind:
            text = f"The column {one.name} has become {now.shape.type}, and was {one.shape.type}."
            found.append(Measure("schema", 1.0, 0.0, BREACH, text=text))
    return found
