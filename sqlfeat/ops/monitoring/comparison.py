"""Two profiles compared, column by column: what has moved, by how much, and whether that is more than chance.

A column has drifted where its effect passes both its threshold and whatever the baseline's own windows of the same
length show among themselves, and where chance is unlikely once it is counted how much was tested. Knows profiles and
thresholds, not where either comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np

from sqlfeat.engine.profile import CATEGORICAL, NUMERIC, ColumnProfile, Counted, Profile, Shape
from sqlfeat.ops.monitoring import statistics
from sqlfeat.ops.monitoring.contrasts import Contrast, shifts_and_spreads
from sqlfeat.ops.monitoring.figures import interval
from sqlfeat.ops.monitoring.results import (
    BREACH,
    FEATURE,
    OK,
    WARN,
    Bin,
    ColumnResult,
    Measure,
    Point,
    Summary,
    worst,
)
from sqlfeat.ops.monitoring.statistics import Floats
from sqlfeat.ops.monitoring.variation import (
    LEAST_ROWS,
    SHIFT,
    SPREAD,
    WARNED,
    Windows,
    judged,
    length_in_windows,
    measures_of_rows,
)
from sqlfeat.ops.monitoring.wording import sentence_of
from sqlfeat.spec.monitor import MonitorSpec

_LOST_SHARE, _LOST_ROWS = 0.02, 20
_SEEN_AT = 0.001
"""How unlikely chance must be for a single day to count as the first one on which something is visible."""
_TRAILING = (1, 3, 7)
_OF_DISTRIBUTION = ("psi", SHIFT, SPREAD)
_GROWS = 8


@dataclass(frozen=True)
class Compared:
    """What two profiles show of columns and of all rows."""

    columns: tuple[ColumnResult, ...]
    measures: tuple[Measure, ...]

    @property
    def level(self) -> str:
        return worst([*(one.level for one in self.columns), *(one.level for one in self.measures)])


def compare(
    baseline: Profile,
    current: Profile,
    spec: MonitorSpec,
    roles: Mapping[str, str] | None = None,
    *,
    until: datetime | None = None,
    whole: bool = True,
) -> Compared:
    """Compare the columns that both profiles have; ``roles`` says which are predictions and labels.

    ``current`` is counted in the bins of ``baseline``. ``until`` is the end of the period, for freshness. Without
    ``whole`` nothing is said of rows, only of columns.
    """
    length = length_in_windows(baseline, current)
    pairs = [(one, now) for one in baseline.columns if (now := current.column(one.name)) is not None]
    found = [
        _Column(before, now, baseline, current, length, spec, (roles or {}).get(before.name, FEATURE))
        for before, now in pairs
        if before.name not in spec.ignore
    ]
    tested = [(column, place) for column in found for place in column.tested]
    chances = statistics.adjusted([column.measures[place].p_value or 0.0 for column, place in tested])
    for (column, place), chance in zip(tested, chances, strict=True):
        column.measures[place] = judged(replace(column.measures[place], adjusted=chance), spec.chance)
    results = sorted((column.result() for column in found), key=_gravest)
    return Compared(tuple(results), tuple(measures_of_rows(baseline, current, spec, until)) if whole else ())


def _gravest(one: ColumnResult) -> tuple[int, float, str]:
    weight = max((measure.weight for measure in one.measures if measure.level == one.level), default=0.0)
    return (-(OK, WARN, BREACH).index(one.level), -weight, one.name)


# -- one column --------------------------------------------------------------------------------------------------------


class _Column:
    """One column under comparison."""

    def __init__(
        self,
        before: ColumnProfile,
        now: ColumnProfile,
        baseline: Profile,
        current: Profile,
        length: int,
        spec: MonitorSpec,
        role: str,
    ) -> None:
        self.before, self.now = before, now
        self.baseline, self.current = baseline, current
        self.length, self.spec, self.role = length, spec, role
        self.shape: Shape = before.shape
        self.enough = min(before.whole.rows, now.whole.rows) >= LEAST_ROWS
        self.windows = Windows([one.counts for one in before.windows] if self.shape.bins else [], statistics.psi)
        self.missing = Windows([_presence(one) for one in before.windows], _change)
        self.contrasts: dict[str, Contrast] = {}
        self.measures: list[Measure] = self._missing()
        if not _only_grows(before):
            self.contrasts = self._directions()
            self.measures = [*self._distribution(), *self._moved(), *self.measures, *self._outside()]

    @property
    def tested(self) -> list[int]:
        """The places of the measures that are left to chance."""
        return [place for place, one in enumerate(self.measures) if one.p_value is not None]

    def _distribution(self) -> list[Measure]:
        if not self.shape.bins or not self._values:
            return []
        before, now = self._grouped
        value = statistics.psi(before, now)
        chance = statistics.significance(before, now, self.windows.design(self.length)) if self.enough else 1.0
        own = self.windows.most(self.length)
        return [Measure("psi", value, self.spec.threshold("psi", self.shape.name), OK, own, chance)]

    def _directions(self) -> dict[str, Contrast]:
        if not self.shape.bins or not self._values:
            return {}
        counts, ordered = [one.counts for one in self.before.windows], self.shape.kind == NUMERIC
        return {one.name: one for one in shifts_and_spreads(counts, self._grouped[1], self.length, ordered=ordered)}

    def _moved(self) -> list[Measure]:
        """How far the middle and the spread have moved, or the share of a category."""
        now = self._grouped[1] if self.contrasts else np.zeros(0)
        return [
            Measure(
                one.name,
                one.effect(now),
                self.spec.threshold(one.name, self.shape.name),
                own=one.most(self.length),
                p_value=one.chance(now, self.length) if self.enough else 1.0,
            )
            for one in self.contrasts.values()
        ]

    def _missing(self) -> list[Measure]:
        before, now = (np.array(_presence(one.whole), float) for one in (self.before, self.now))
        if not before.sum() or not now.sum():
            return []
        value = _change(before, now)
        chance = statistics.significance(before, now, self.missing.design(self.length)) if self.enough else 1.0
        own = self.missing.most(self.length)
        return [Measure("missing", value, self.spec.threshold("missing", self.shape.name), OK, own, chance)]

    def _outside(self) -> list[Measure]:
        """Rows with a value that the baseline has not: out of its range, or of no category of its."""
        counts = self.now.whole.counts
        if not self._values or (self.shape.kind == CATEGORICAL and not self.shape.complete):
            return []
        name = "new_categories" if self.shape.kind == CATEGORICAL else "range"
        outside = counts[-1] if self.shape.kind == CATEGORICAL else counts[0] + counts[-1]
        total, seen = sum(counts), sum(self.before.whole.counts)
        design = self.windows.design(self.length)
        alone = replace(design, freedom=1.0 if design.freedom is not None else None)
        chance = statistics.significance(
            np.array([seen, 0.0]), np.array([total - outside, outside], float), alone
        )  # fmt: skip
        threshold = self.spec.threshold(name, self.shape.name)
        return [Measure(name, outside / total, threshold, OK, None, chance if self.enough else 1.0)]

    @property
    def _values(self) -> bool:
        """Whether both sides have a value to compare."""
        return bool(self.shape.bins and sum(self.before.whole.counts) and sum(self.now.whole.counts))

    @property
    def _grouped(self) -> tuple[Floats, Floats]:
        before, now = (self.shape.grouped(one.whole.counts) for one in (self.before, self.now))
        return np.array(before, float), np.array(now, float)

    # -- what is told ----------------------------------------------------------------------------------------------

    def result(self) -> ColumnResult:
        level = worst([one.level for one in self.measures])
        told = tuple(one if one.level == OK or self._said_by_another(one) else self._told(one) for one in self.measures)
        lost = self._lost()
        return ColumnResult(
            name=self.shape.name,
            role=self.role,
            type=self.now.shape.type,
            kind=self.shape.kind,
            level=level,
            baseline=_summary(self.before),
            current=_summary(self.now),
            measures=told,
            statistics=self._statistics(),
            bins=_bins(self.before, self.now),
            timeline=tuple(self._timeline()),
            lost_categories=lost,
            first_seen=self._first_seen() if level != OK else None,
        )

    def _said_by_another(self, measure: Measure) -> bool:
        """Whether another measure of the same distribution, as grave, says already that it has moved."""
        places = [one.name for one in self.measures if one.level != OK and one.name in _OF_DISTRIBUTION]
        if measure.name not in places:
            return False
        gravest = worst([one.level for one in self.measures if one.name in places])
        first = next(one.name for one in self.measures if one.name in places and one.level == gravest)
        return measure.name != first

    def _told(self, measure: Measure) -> Measure:
        return replace(measure, text=sentence_of(measure, self.role, self.before, self.now))

    def _statistics(self) -> dict[str, float | None]:
        if not self._values:
            return {}
        before, now = self._grouped
        statistic, freedom = statistics.chi_squared(before, now)
        design = self.windows.design(self.length)
        found: dict[str, float | None] = {
            "psi": statistics.psi(before, now),
            "jensen_shannon": statistics.jensen_shannon(before, now),
            "chi_squared": statistic,
            "degrees_of_freedom": float(freedom),
            "design_effect": design.effect,
        }
        if self.shape.kind == NUMERIC:
            fine, there = (np.array(one.whole.counts, float) for one in (self.before, self.now))
            found["kolmogorov_smirnov"] = statistics.kolmogorov_smirnov(fine, there)
            deviation = self.before.whole.deviation
            area = statistics.wasserstein(fine, there, _widths(self.shape, self.before.whole, self.now.whole))
            found["wasserstein"] = area / deviation if deviation else None
        return found

    def _lost(self) -> tuple[str, ...]:
        """Categories that were common, and of which there is not one now."""
        if self.shape.kind != CATEGORICAL or not self._values:
            return ()
        before, now = self.before.whole.counts, self.now.whole.counts
        total, rows = int(np.sum(before)), int(np.sum(now))
        return tuple(
            name
            for name, then, there in zip(self.shape.categories, before, now, strict=False)
            if not there and then / total >= _LOST_SHARE and then / total * rows >= _LOST_ROWS
        )

    def _timeline(self) -> list[Point]:
        whole = np.array(self.shape.grouped(self.before.whole.counts), float) if self.shape.bins else None
        points = []
        for side, profile, column in (("baseline", self.baseline, self.before), ("current", self.current, self.now)):
            for start, one in zip(profile.starts, column.windows, strict=True):
                psi = None
                if whole is not None and any(one.counts) and whole.sum():
                    counts = np.array(one.counts, float)
                    rest = whole - counts if side == "baseline" else whole
                    psi = statistics.psi(rest, counts) if rest.sum() > 0 else None
                missing = one.missing / one.rows if one.rows else None
                points.append(Point(start, side, one.rows, missing, one.mean, psi))
        return points

    def _first_seen(self) -> datetime | None:
        """The first window at whose end the drift could be seen, alone or with those before it."""
        whole = np.array(self.shape.grouped(self.before.whole.counts), float) if self.shape.bins else np.array([])
        presence = np.array(_presence(self.before.whole), float)
        for end in range(1, len(self.now.windows) + 1):
            for back in _TRAILING:
                if back > end:
                    continue
                some = self.now.windows[end - back : end]
                counts = _together([one.counts for one in some])
                there = _together([_presence(one) for one in some])
                seen = self._visible(self.windows, whole, counts, statistics.psi, "psi", back)
                if (
                    seen
                    or self._seen_to_move(counts, back)
                    or self._new_in(counts)
                    or self._visible(self.missing, presence, there, _change, "missing", back)
                ):
                    return self.current.starts[end - 1]
        return self.current.starts[0] if self.current.starts else None

    def _seen_to_move(self, counts: Floats, length: int) -> bool:
        """Whether what has moved has moved in these windows already."""
        for measure in self.measures:
            if measure.name not in self.contrasts or measure.level == OK or counts.sum() < LEAST_ROWS:
                continue
            one = self.contrasts[measure.name]
            bound = max(
                (measure.threshold or 0.0) * (WARNED if measure.level == WARN else 1.0), one.most(length) or 0.0
            )
            if one.effect(counts) >= bound and one.chance(counts, length) < _SEEN_AT:
                return True
        return False

    def _new_in(self, counts: Floats) -> bool:
        """Whether values that the baseline has not are too many among these to be chance."""
        measure = next((one for one in self.measures if one.name in ("range", "new_categories")), None)
        if measure is None or measure.level == OK or not counts.sum():
            return False
        outside = float(counts[-1] + (counts[0] if self.shape.kind == NUMERIC else 0.0))
        total, seen = float(counts.sum()), float(sum(self.before.whole.counts))
        likely = statistics.significance(np.array([seen, 0.0]), np.array([total - outside, outside]))
        return outside / total >= (measure.threshold or 0.0) * WARNED and likely < _SEEN_AT

    def _visible(
        self,
        windows: Windows,
        before: Floats,
        now: Floats,
        effect: Callable[[Floats, Floats], float],
        name: str,
        length: int,
    ) -> bool:
        measure = next((one for one in self.measures if one.name == name and one.level != OK), None)
        if name == "psi" and measure is None:  # what is new is seen in the distribution too
            measure = next((one for one in self.measures if one.name != "missing" and one.level != OK), None)
        if measure is None or not now.sum() or not before.sum():
            return False
        threshold = self.spec.threshold(name, self.shape.name)
        bound = max(threshold * (WARNED if measure.level == WARN else 1.0), windows.most(length) or 0.0)
        likely = statistics.significance(before, now, windows.design(length))
        return effect(before, now) >= bound and likely < _SEEN_AT


def _only_grows(before: ColumnProfile) -> bool:
    """Whether these are numbers that grow from window to window, as those of orders do: they tell the time."""
    if len(before.windows) < _GROWS or not before.shape.type.upper().endswith(("INT", "INTEGER")):
        return False
    means = [one.mean for one in before.windows]
    return all(one is not None and other is not None and one < other for one, other in pairwise(means))


def _presence(one: Counted) -> tuple[int, int]:
    return (one.missing, one.rows - one.missing)


def _together(counts: Sequence[Sequence[int]]) -> Floats:
    return np.asarray(np.sum(np.array(counts, float), axis=0), dtype=np.float64)


def _change(before: Floats, now: Floats) -> float:
    """By how much the first share has changed."""
    return float(abs(now[0] / now.sum() - before[0] / before.sum()))


def _summary(one: ColumnProfile) -> Summary:
    whole = one.whole
    return Summary(
        rows=whole.rows,
        nulls=whole.nulls,
        nans=whole.nans,
        mean=whole.mean,
        deviation=whole.deviation,
        minimum=whole.minimum,
        maximum=whole.maximum,
        median=one.quantile(0.5),
    )


def _bins(before: ColumnProfile, now: ColumnProfile) -> tuple[Bin, ...]:
    """The groups as bars; those in which there is nothing on either side are left out."""
    shape = before.shape
    if not shape.bins:
        return ()
    then, there = (statistics.shares(np.array(shape.grouped(one.whole.counts), float)) for one in (before, now))
    starts = (0, *shape.groups[:-1])
    bars = []
    for place, (start, end) in enumerate(zip(starts, shape.groups, strict=True)):
        shares = float(then[place]), float(there[place])
        if not any(shares):
            continue
        if shape.kind == CATEGORICAL:
            names = shape.categories[start:end]
            label = names[0] if len(names) == 1 and end <= len(shape.categories) else "others"
            bars.append(Bin(label, *shares))
            continue
        low = shape.edges[start - 1] if start else None
        high = shape.edges[end - 1] if end <= len(shape.edges) else None
        bars.append(Bin(interval(low, high), *shares, low, high))
    return tuple(bars)


def _widths(shape: Shape, before: Counted, now: Counted) -> Floats:
    """How wide each bin is; the outer ones reach to the least and the greatest value."""
    low = min(value for value in (shape.edges[0], before.minimum, now.minimum) if value is not None)
    high = max(value for value in (shape.edges[-1], before.maximum, now.maximum) if value is not None)
    return np.diff(np.array([low, *shape.edges, high], float))
