"""Time zones as tables: what the clocks there showed, from an instant on, and what instant a local time meant.

A table is made of what DuckDB gives (``engine.duckdb.zones``), with its gaps and overlaps and its rules for years to
come; where it ends nothing is covered. Instants and local times are microseconds since 1970.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlfeat.compiler.expressions.running.errors import NotCovered
from sqlfeat.compiler.expressions.running.instants import is_infinite


@dataclass(frozen=True)
class Offsets:
    """What is added from each start on, until ``end``; the starts are rising, and equal offsets never follow."""

    starts: Sequence[int]
    offsets: Sequence[int]
    end: int

    def added(self, value: int) -> int:
        """A finite value with the offset that holds for it."""
        place = bisect_right(self.starts, value)
        if not place or value >= self.end:
            if is_infinite(value):
                return value
            raise NotCovered
        return value + self.offsets[place - 1]


@dataclass(frozen=True)
class Zone:
    """A time zone: from instants to local times, and back."""

    name: str
    there: Offsets = field(repr=False)
    back: Offsets = field(repr=False)

    def local(self, instant: int) -> int:
        return self.there.added(instant)

    def instant(self, local: int) -> int:
        return self.back.added(local)


def unread(name: str) -> Zone:
    """A zone without its table, for who only asks whether an expression is compiled."""
    nothing = Offsets((), (), 0)
    return Zone(name, nothing, nothing)
