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

SHIFT, SPREAD = "shift", "spread"
"""The measures of a single direction."""
LEAST_ROWS = 30
"""Of fewer rows nothing is said."""
WARNED = 0.5
"""The share of a threshold from which on is warned."""
WARNED_CHANCE = 5.0
"""How many times the chance of an alarm is still worth a warning."""
_BLOCKS, LEAST_BLOCKS = 16, 4
_TREND = 21
_STRANGE, _SIGMA = 5.0, 1.4826
"""How many deviations (the MAD times that of a normal distribution) from the median something is strange."""
_LEAST_EFFECTS, _LEFT = 12, 0.4
"""So many effects are needed to tell, and that share of them must be left without an incident."""
SECONDS = {"hour": 3_600.0, "day": 86_400.0, "week": 604_800.0, "month": 2_678_400.0}


def judged(measure: Measure, chance: float) -> Measure:
    """The measure with its level: past its threshold, past what the baseline shows itself, and more than chance.

    Half of the threshold is worth a warning, and so is a whole one that may be chance a little more easily; but not
    where a small effect is looked for in one direction.
    """
    value, threshold, likely = measure.value, measure.threshold, measure.adjusted or 0.0
    if value is None or threshold is None or value < (measure.own or 0.0) or not value:
        return replace(measure, level=OK)
    if likely < chance and value >= threshold * WARNED:
        return replace(measure, level=BREACH if value >= threshold else WARN)
    most = chance * (1.0 if measure.name in (SHIFT, SPREAD) else WARNED_CHANCE)
    worth_a_look = value >= threshold and likely < most
    return replace(measure, level=WARN if worth_a_look else OK)


class Windows:
    """The counts of a baseline, window by window, and what an ``effect`` says of how they vary among themselves.

    What was so once, and otherwise than ever before or after, is an incident: it does not count as how a baseline
    varies. What comes back is a rhythm, and does.
    """

    def __init__(self, counts: Sequence[Sequence[int]], effect: Callable[[Floats, Floats], float]) -> None:
        self._counts = np.array(counts, float) if counts else np.zeros((0, 1))
        self._effect = effect
        self._designs: dict[int, Design] = {}
        self._effects: dict[int, Floats] = {}

    def design(self, length: int) -> Design:
        """How rows of blocks hang together; blocks are as long as the period, but there are sixteen if there can be."""
        days = len(self._counts)
        block = block_length(days, length)
        if block not in self._designs:
            count = days // block
            first = days - count * block  # what is oldest is left out
            blocks = self._counts[first:].reshape(count, block, -1).sum(axis=1) if count else self._counts
            own = incident_in(self._of(length), length)
            if own is not None:
                starts = first + block * np.arange(count)
                blocks = blocks[(starts + block <= own.start) | (starts >= own.stop)]
            self._designs[block] = statistics.design_of(blocks) if len(blocks) >= LEAST_BLOCKS else Design()
        return self._designs[block]

    def most(self, length: int) -> float | None:
        """The greatest effect of so many windows in a row against the others; None where there are too few."""
        return usual_most(self._of(length), length)

    def _of(self, length: int) -> Floats:
        """The effect of every so many windows in a row, by the first of them; NaN where there is too little to say."""
        if length not in self._effects:
            self._effects[length] = self._found(length)
        return self._effects[length]

    def _found(self, length: int) -> Floats:
        days = len(self._counts)
        if days < 2 * length or not self._counts.sum():
            return np.array([])
        total = self._counts.sum(axis=0)
        sums = np.concatenate([np.zeros((1, self._counts.shape[1])), np.cumsum(self._counts, axis=0)])
        found = np.full(days - length + 1, np.nan)
        for start in range(len(found)):
            some = sums[start + length] - sums[start]
            if some.sum() >= LEAST_ROWS and (total - some).sum() > 0:
                found[start] = self._effect(total - some, some)
        return found


def block_length(windows: int, length: int) -> int:
    """Of how many windows a block is: as many as the period has, but there are sixteen blocks if there can be."""
    return max(1, min(length, windows // _BLOCKS))


def usual_most(effects: Floats, length: int) -> float | None:
    """The greatest of these effects, but for those of an incident."""
    own = incident_in(effects, length)
    if own is not None:
        starts = np.arange(len(effects))
        effects = effects[(starts + length <= own.start) | (starts >= own.stop)]
    return None if np.isnan(effects).all() else float(np.nanmax(effects))


def incident_in(effects: Floats, length: int) -> slice | None:
    """The windows of an incident, by the effects of so many in a row: outliers (by median and MAD) in a single stretch.

    None where there is none, where what is strange comes back, or where too little would be left to tell.
    """
    known = effects[~np.isnan(effects)]
    if len(known) < max(_LEAST_EFFECTS, 3 * length):
        return None
    median = float(np.median(known))
    spread = _SIGMA * float(np.median(np.abs(known - median)))
    strange = np.flatnonzero(effects > median + _STRANGE * spread)
    if not len(strange) or (np.diff(strange) > length).any():
        return None
    stretch = slice(int(strange[0]), int(strange[-1]) + length)
    left = sum(start + length <= stretch.start or start >= stretch.stop for start in range(len(effects)))
    return stretch if left >= _LEFT * len(effects) else None


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
        own = usual_most(np.array([_factor(then, other) for then, other in zip(means, rest, strict=True)]), length)
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
