"""Which prepared events are inside a window: a run of settled ones that are all known, and single ones beside it.

Of an entity's settled events, in the order of event time, all up to some position are known at the asked instant: the
last one until which even the latest is. From a window's far edge to there they are a run, whose totals and extremes are
read without reading them. After it stand the newest events, of which some are known and some are not, and among the
passing ones those that may not have been replaced yet: they are looked at one by one (TIME semantics, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sqlfeat.engine.duckdb.columns import ColumnFolder, Positions
from sqlfeat.engine.duckdb.effects import ALL_ENDED, ALL_KNOWN, ENDS, INSTANT, KNOWN, NO_END, PASSING, SETTLED
from sqlfeat.engine.duckdb.extremes import Looks
from sqlfeat.engine.duckdb.search import Instants, last_in_range
from sqlfeat.engine.duckdb.windows import Bound

Parts = Mapping[str, ColumnFolder]


@dataclass(frozen=True)
class Asked:
    """Asked instants with the edges of their windows, and where the events of each one's entity lie in each part."""

    instants: Instants
    edges: Mapping[Bound, Instants]
    ranges: Mapping[str, tuple[Positions, Positions]]
    strict: bool

    def taken(self, rows: Positions | slice) -> Asked:
        """Some of them."""
        edges = {bound: instants[rows] for bound, instants in self.edges.items()}
        ranges = {part: (start[rows], count[rows]) for part, (start, count) in self.ranges.items()}
        return Asked(self.instants[rows], edges, ranges, self.strict)


@dataclass(frozen=True)
class Singles:
    """Events of one part that are inside by themselves: the asked instant's number, rising, and the position."""

    part: str
    owners: Positions
    positions: Positions


@dataclass(frozen=True)
class Inside:
    """What is inside one window at every asked instant: settled events after ``first`` up to ``last``, and singles."""

    first: Positions
    last: Positions
    singles: tuple[Singles, ...]

    @cached_property
    def looks(self) -> Looks:
        """Where to look for the extremes of the settled ones."""
        return Looks.of(self.first + 1, self.last)


class Runs:
    """The windows of some asked instants; every position is searched once."""

    def __init__(self, asked: Asked, parts: Parts) -> None:
        self._asked = asked
        self._parts = parts
        self._late = KNOWN in parts[SETTLED].schema.names
        self._found: dict[tuple[str, str, Bound | None], Positions] = {}
        self._inside: dict[tuple[Bound | None, Bound | None], Inside] = {}

    def inside(self, upper: Bound | None, lower: Bound | None) -> Inside:
        """What the windows between two edges hold; None is the asked instant, or the beginning of time."""
        if (upper, lower) not in self._inside:
            first, last = self._run(upper, lower)
            singles = tuple(self._singles(part, *span) for part, span in self._doubtful(upper, lower).items())
            self._inside[upper, lower] = Inside(first, last, singles)
        return self._inside[upper, lower]

    def doubtful(self, upper: Bound | None, lower: Bound | None) -> int:
        """How many events have to be looked at one by one."""
        spans = self._doubtful(upper, lower).values()
        return sum(int(np.maximum(last - first, 0).sum()) for first, last in spans)

    def _run(self, upper: Bound | None, lower: Bound | None) -> tuple[Positions, Positions]:
        first, last = self._between(SETTLED, upper, lower)
        if self._late:
            last = np.minimum(last, self._at(SETTLED, ALL_KNOWN, None))
        return first, np.maximum(first, last)

    def _doubtful(self, upper: Bound | None, lower: Bound | None) -> dict[str, tuple[Positions, Positions]]:
        """The spans of positions, the first one left out, that hold what is not certainly inside or outside."""
        spans = {}
        if self._late:
            first, last = self._between(SETTLED, upper, lower)
            spans[SETTLED] = (np.maximum(first, self._at(SETTLED, ALL_KNOWN, None)), last)
        if PASSING in self._parts:
            first, last = self._between(PASSING, upper, lower)
            spans[PASSING] = (np.maximum(first, self._at(PASSING, ALL_ENDED, None)), last)
        return spans

    def _between(self, part: str, upper: Bound | None, lower: Bound | None) -> tuple[Positions, Positions]:
        start, _ = self._asked.ranges[part]
        return self._at(part, INSTANT, lower) if lower else start - 1, self._at(part, INSTANT, upper)

    def _at(self, part: str, column: str, bound: Bound | None) -> Positions:
        """The last position whose instant in a column is not after an edge."""
        key = (part, column, bound)
        if key not in self._found:
            asked = self._asked.edges[bound] if bound else self._asked.instants
            if column == ALL_ENDED:
                asked = np.minimum(asked, NO_END - 1)
            times = self._parts[part].instants(column)
            self._found[key] = last_in_range(times, *self._asked.ranges[part], asked, self._asked.strict)
        return self._found[key]

    def _singles(self, part: str, first: Positions, last: Positions) -> Singles:
        """Of the events in some spans those that are known and not replaced."""
        counts = np.maximum(last - first, 0)
        ends = np.cumsum(counts)
        owners = np.repeat(np.arange(len(counts)), counts)
        positions = np.arange(len(owners)) - np.repeat(ends - counts - first - 1, counts)
        folder, at = self._parts[part], self._asked.instants[owners]
        known = folder.instants(KNOWN).take(positions, mode="clip")
        inside = known < at if self._asked.strict else known <= at
        if part == PASSING:
            until, at = folder.instants(ENDS).take(positions, mode="clip"), np.minimum(at, NO_END - 1)
            inside &= until >= at if self._asked.strict else until > at
        return Singles(part, owners[inside], positions[inside])
