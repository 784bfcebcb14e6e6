"""Windows as of an instant, from the events that a snapshot keeps of an entity (TIME semantics, section 3).

Each aggregate is that of the offline plans, to the last bit: integers and decimals exactly, sums and means of floats
correctly rounded, the others by their order. Values are plain (``store.row_codec``).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.base import EVENT_AT, KNOWN_AT, UNTIL_AT
from sqlfeat.engine.duckdb.exact import rounded, rounded_mean, rounded_sum
from sqlfeat.engine.duckdb.windows import bounds_of, scale_of
from sqlfeat.ops.online.calendar import FOREVER, before
from sqlfeat.ops.online.published import PublishedWindows
from sqlfeat.store.entity_records import EventBlock

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
_FLOATS = {"FLOAT", "DOUBLE"}
_PLAINLY_ORDERED = (*_INTEGERS, "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "TIME")
NOTHING = EventBlock.empty()
_FEW = 128
"""So many events are looked at one by one."""


@dataclass(frozen=True)
class _Edges:
    upper: int
    lower: int


class OnlineWindows:
    """The aggregates of one view that are computed here; ``left`` are those that only the engine computes."""

    def __init__(self, windows: PublishedWindows) -> None:
        self._windows = windows
        self._made: dict[str, tuple[Any, _Compute]] = {}
        self._spans: dict[Any, tuple[Any, Any]] = {}
        self.left: list[WindowAggregate] = []
        for aggregate in windows.aggregates:
            compute = _compute_of(aggregate, windows.types)
            if compute is None:
                self.left.append(aggregate)
            else:
                bounds = bounds_of(aggregate)
                upper, lower = (None if bound is None else bound.spans for bound in bounds)
                spans = self._spans.setdefault(bounds, (upper, lower))  # one for equal ones: known by its identity
                self._made[aggregate.call.token] = (spans, compute)

    def values(self, block: EventBlock | None, t: int, tokens: Sequence[str], *, strict: bool) -> dict[str, Any]:
        """The values of some tokens at an instant, over the events of an entity (None: it has none)."""
        found: dict[str, Any] = {}
        inside: dict[int, Sequence[int]] = {}
        times = _Times.of(block, t, strict=strict)
        events = block or NOTHING
        for token in tokens:
            spans, compute = self._made[token]
            places = inside.get(id(spans))
            if places is None:
                places = inside[id(spans)] = times.inside(*spans)
            found[token] = compute(events, places)
        return found


_Compute = Callable[[EventBlock, Sequence[int]], Any]


@dataclass(frozen=True)
class _Times:
    """The times of an entity's events, and which of them exist at the asked instant."""

    events: Sequence[int]
    exists: Sequence[bool] | None
    t: int
    strict: bool

    @classmethod
    def of(cls, block: EventBlock | None, t: int, *, strict: bool) -> _Times:
        if block is None or not block.count:
            return cls((), None, t, strict)
        if block.count <= _FEW:
            return cls(block.integers(EVENT_AT), _existing(block, t, strict=strict), t, strict)
        known, until = block.numbers(KNOWN_AT), block.numbers(UNTIL_AT)
        exists = (known < t) & (until >= t) if strict else (known <= t) & (until > t)
        if until.max() == FOREVER:
            exists |= (until == FOREVER) & ((known < t) if strict else (known <= t))
        return cls(block.integers(EVENT_AT), None if exists.all() else exists.tolist(), t, strict)

    def inside(self, upper: Any, lower: Any) -> Sequence[int]:
        """The positions of the events in a window, in their order."""
        end = self.t
        for span in upper or ():
            end = before(end, span)
        last = (bisect_left if self.strict else bisect_right)(self.events, end)
        first = 0
        if lower is not None:
            begin = self.t
            for span in lower:
                begin = before(begin, span)
            first = (bisect_left if self.strict else bisect_right)(self.events, begin)
        if self.exists is None:
            return range(first, last)
        return [place for place in range(first, last) if self.exists[place]]


def _existing(block: EventBlock, t: int, *, strict: bool) -> Sequence[bool] | None:
    """Which of few events exist at an instant; None where all do."""
    known, until = block.integers(KNOWN_AT), block.integers(UNTIL_AT)
    last = t - 1 if strict else t
    if max(known) <= last < min(until):
        return None
    return [start <= last and (last < end or end == FOREVER) for start, end in zip(known, until, strict=True)]


# -- aggregates --------------------------------------------------------------------------------------------------------


def _compute_of(aggregate: WindowAggregate, types: Mapping[str, str]) -> _Compute | None:
    """What computes an aggregate over the events at some positions; None where only the engine does."""
    if aggregate.order_by or aggregate.modifier or len(aggregate.arguments) > 1:
        return None
    argument = aggregate.arguments[0] if aggregate.arguments else "*"
    if argument == "*":
        return _counted(aggregate) if aggregate.function == "count" and not aggregate.distinct else None
    kind = types.get(argument)
    reduce = _reduction(aggregate, kind) if kind is not None else None
    if reduce is None:
        return None
    condition, distinct = aggregate.filter, aggregate.distinct
    keep_nulls = aggregate.function in ("first", "last", "list", "array_agg")

    def compute(block: EventBlock, places: Sequence[int]) -> Any:
        values = block.values(argument)
        passing = block.values(condition) if condition else None
        if passing is not None:
            places = [place for place in places if passing[place]]
        found = _picked(values, places)
        if not keep_nulls and block.has_nulls(argument):
            found = [value for value in found if value is not None]
        return reduce(list(dict.fromkeys(map(_one_zero, found))) if distinct else found)

    return compute


def _picked(values: list[Any], places: Sequence[int]) -> list[Any]:
    """The values at some places."""
    if isinstance(places, range):
        return values[places.start : places.stop]
    return [values[place] for place in places]


def _one_zero(value: Any) -> Any:
    """Equal values as one: -0.0 as 0.0, every NaN as the same."""
    if isinstance(value, float):
        return math.nan if value != value else value + 0.0
    return value


def _counted(aggregate: WindowAggregate) -> _Compute:
    condition = aggregate.filter

    def count(block: EventBlock, places: Sequence[int]) -> int:
        if condition is None:
            return len(places)
        passing = block.values(condition)
        return sum(1 for place in places if passing[place])

    return count


def _reduction(aggregate: WindowAggregate, kind: str) -> Callable[[list[Any]], Any] | None:
    name = aggregate.function
    if name == "count":
        return len if not aggregate.distinct or _plainly_equal(kind) else None
    whole = kind in _INTEGERS or kind == "BOOLEAN"
    exact = whole or kind.startswith("DECIMAL")
    if aggregate.distinct:
        return None
    if name == "sum":
        if kind in _FLOATS:
            return lambda values: rounded_sum(values) if values else None
        return (lambda values: sum(values) if values else None) if exact else None
    if name in ("avg", "mean"):
        if kind in _FLOATS:
            return lambda values: rounded_mean(values) if values else None
        unit = 10 ** scale_of(kind)
        return (
            (lambda values: rounded(Fraction(sum(values), len(values) * unit)) if values else None) if exact else None
        )
    if name in ("min", "max") and (kind in _PLAINLY_ORDERED or kind.startswith("DECIMAL")):
        pick = min if name == "min" else max
        return lambda values: pick(values) if values else None
    if name in ("min", "max") and kind in _FLOATS:
        return _least if name == "min" else _greatest
    if name in ("first", "last"):
        place = 0 if name == "first" else -1
        return lambda values: values[place] if values else None
    if name in ("list", "array_agg"):
        return lambda values: values or None
    return None


def _plainly_equal(kind: str) -> bool:
    return kind in (*_PLAINLY_ORDERED, *_FLOATS) or kind.startswith("DECIMAL")


def _least(values: list[float]) -> float | None:
    """The least number; NaN is greater than all."""
    if _has_nan(values):
        values = [value for value in values if value == value] or [math.nan]
    return min(values) + 0.0 if values else None


def _greatest(values: list[float]) -> float | None:
    if not values:
        return None
    return math.nan if _has_nan(values) else max(values) + 0.0


def _has_nan(values: list[float]) -> bool:
    total = sum(values)
    return total != total and any(map(math.isnan, values))  # infinities of both signs add up to NaN too
