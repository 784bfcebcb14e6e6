"""Windows as of an instant, from the events that a snapshot keeps of an entity (TIME semantics, section 3).

Each aggregate is that of the offline plans, to the last bit: integers and decimals exactly, sums and means of floats
correctly rounded, the others by their order. Values are plain (``store.row_codec``). Counts, sums and extremes read the
tiles between the edges of a window and the events beside them (``store.event_tiles``), so a long window costs what a
short one does; what depends on every event reads those of the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.duckdb.exact import rounded_mean, rounded_sum
from sqlfeat.engine.duckdb.windows import bounds_of, scale_of
from sqlfeat.ops.online.published import PublishedWindows
from sqlfeat.ops.online.standing import Events, PushedEvent, Scope, Standing
from sqlfeat.store.event_records import EventBlock, EventColumn
from sqlfeat.store.event_tiles import TILE, Lane
from sqlfeat.store.row_codec import slot_of

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
_FLOATS = {"FLOAT", "DOUBLE"}
_PLAINLY_ORDERED = (*_INTEGERS, "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "TIME")
_LAST = TILE - 1
_SHIFT = TILE.bit_length() - 1


# -- the windows of a view ---------------------------------------------------------------------------------------------

_Compute = Callable[[Scope], Any]


class OnlineWindows:
    """The aggregates of one view that are computed here; ``left`` are those that only the engine computes."""

    def __init__(self, windows: PublishedWindows, empty: EventBlock) -> None:
        self._made: dict[str, tuple[Any, _Compute]] = {}
        self._spans: dict[Any, tuple[Any, Any]] = {}
        self._nothing = Events(empty)
        self.left: list[WindowAggregate] = []
        for aggregate in windows.aggregates:
            compute = _compute_of(aggregate, windows)
            if compute is None:
                self.left.append(aggregate)
            else:
                bounds = bounds_of(aggregate)
                upper, lower = (None if bound is None else bound.spans for bound in bounds)
                spans = self._spans.setdefault(bounds, (upper, lower))  # one for equal ones: known by its identity
                self._made[aggregate.call.token] = (spans, compute)

    def values(self, events: Events | None, t: int, tokens: Sequence[str], *, strict: bool) -> dict[str, Any]:
        """The values of some tokens at an instant, over the events of an entity (None: it has none)."""
        standing = Standing(events or self._nothing, t, strict=strict)
        found: dict[str, Any] = {}
        scopes: dict[int, Scope] = {}
        for token in tokens:
            spans, compute = self._made[token]
            scope = scopes.get(id(spans))
            if scope is None:
                scope = scopes[id(spans)] = standing.inside(*spans)
            found[token] = compute(scope)
        return found


def lanes_of(
    read: Iterable[EventColumn], aggregates: Iterable[WindowAggregate], types: Mapping[str, str]
) -> tuple[Lane, ...]:
    """The tiles that some windows read."""
    columns = {column.name: column for column in read}
    found: dict[Lane, None] = {}
    for aggregate in aggregates:
        argument, condition = _argument(aggregate), aggregate.filter
        if not _is_tiled(aggregate, types) or (condition is not None and types.get(condition) != "BOOLEAN"):
            continue
        if condition is not None or (argument is not None and columns[argument].nullable):
            found[Lane("count", argument, condition)] = None
        kind = {"mean": "sum", "avg": "sum"}.get(aggregate.function, aggregate.function)
        if kind != "count" and (kind == "sum" or _is_number(columns[str(argument)])):
            found[Lane(kind, argument, condition)] = None
    return tuple(found)


def _is_number(column: EventColumn) -> bool:
    """Whether plain values of a column lie as they are, so that the extremes of tiles do too."""
    slot = slot_of(column.name, column.type, plain=True)
    return slot.tail is None and slot.value is None


def _is_tiled(aggregate: WindowAggregate, types: Mapping[str, str]) -> bool:
    if aggregate.order_by or aggregate.modifier or aggregate.distinct or len(aggregate.arguments) > 1:
        return False
    kind = types.get(_argument(aggregate) or "", "")
    if aggregate.function == "count":
        return True
    if aggregate.function in ("sum", "avg", "mean"):
        return _is_exact(kind) or kind in _FLOATS
    return aggregate.function in ("min", "max") and (
        kind in (*_PLAINLY_ORDERED, *_FLOATS) or kind.startswith("DECIMAL")
    )


def _argument(aggregate: WindowAggregate) -> str | None:
    """The column that an aggregate reads; None for all rows."""
    return aggregate.arguments[0] if aggregate.arguments and aggregate.arguments[0] != "*" else None


def _is_exact(kind: str) -> bool:
    return kind in _INTEGERS or kind == "BOOLEAN" or kind.startswith("DECIMAL")


# -- aggregates --------------------------------------------------------------------------------------------------------


def _compute_of(aggregate: WindowAggregate, windows: PublishedWindows) -> _Compute | None:
    """What computes an aggregate over the events of a scope; None where only the engine does."""
    if aggregate.order_by or aggregate.modifier or len(aggregate.arguments) > 1:
        return None
    argument, name = _argument(aggregate), aggregate.function
    kind = windows.types.get(argument) if argument is not None else None
    if argument is None:
        return _Counted(None, aggregate.filter, windows.lanes) if name == "count" and not aggregate.distinct else None
    if kind is None:
        return None
    if aggregate.distinct:
        return _distinct(argument, aggregate.filter) if name == "count" and _plainly_equal(kind) else None
    if name == "count":
        return _Counted(argument, aggregate.filter, windows.lanes)
    if name in ("sum", "avg", "mean") and (_is_exact(kind) or kind in _FLOATS):
        return _Sum(argument, aggregate.filter, windows.lanes, kind, is_mean=name != "sum")
    if name in ("min", "max") and _is_tiled(aggregate, windows.types):
        return _Extreme(argument, aggregate.filter, windows.lanes, name, is_float=kind in _FLOATS)
    if name in ("first", "last"):
        return _at_the_end(argument, aggregate.filter, first=name == "first")
    if name in ("list", "array_agg"):
        return lambda scope: _in_order(scope, argument, aggregate.filter) or None
    return None


def _plainly_equal(kind: str) -> bool:
    return kind in (*_PLAINLY_ORDERED, *_FLOATS) or kind.startswith("DECIMAL")


class _Kept:
    """The events of a scope that an aggregate takes: where its argument is not null, and its filter is true."""

    def __init__(self, argument: str | None, condition: str | None, lanes: Sequence[Lane]) -> None:
        self._argument = argument
        self._filter = condition
        self._lanes = {lane.kind: n for n, lane in enumerate(lanes) if lane == Lane(lane.kind, argument, condition)}
        self._counts = self._lanes.get("count")

    def values(self, block: EventBlock, first: int, end: int) -> Iterable[Any]:
        """The values at some places that are taken."""
        assert self._argument is not None
        numbers = block.numbers(self._argument)
        if numbers is None:
            found = block.values(self._argument, first, end)
            if self._filter is not None:
                found = list(compress(found, block.is_true(self._filter)[first:end]))
            return [value for value in found if value is not None] if block.has_nulls(self._argument) else found
        there = block.is_there(self._argument)
        if there is None:
            if self._filter is None:
                return numbers[first:end]
            return compress(numbers[first:end], block.is_true(self._filter)[first:end])
        if self._filter is None:
            return compress(numbers[first:end], there[first:end])
        passing = block.is_true(self._filter)[first:end]
        return compress(compress(numbers[first:end], passing), compress(there[first:end], passing))

    def count(self, block: EventBlock, first: int, end: int) -> int:
        """How many they are."""
        there = block.is_there(self._argument) if self._argument is not None else None
        if there is None and self._filter is None:
            return end - first
        words, edges = block.lane(self._counts)
        low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
        if not words or low >= high:
            return self._counted(block, there, first, end)
        beside = self._counted(block, there, first, low << _SHIFT) + self._counted(block, there, high << _SHIFT, end)
        found: int = edges[high] - edges[low] + beside
        return found

    def _counted(self, block: EventBlock, there: Any, first: int, end: int) -> int:
        if self._filter is None:
            return sum(there[first:end])
        passing = block.is_true(self._filter)[first:end]
        return sum(passing if there is None else compress(there[first:end], passing))

    def pushed(self, scope: Scope) -> list[Any]:
        """The values of pushed events that are taken; those of no column as True."""
        found = [one.row for one in scope.pushed]
        if self._filter is not None:
            found = [row for row in found if scope.value(self._filter, row)]
        if self._argument is None:
            return [True] * len(found)
        values = (scope.value(self._argument, row) for row in found)
        return [value for value in values if value is not None]


class _Counted(_Kept):
    """``count``."""

    def __call__(self, scope: Scope) -> int:
        block, found = scope.block, 0
        for first, end in scope.runs:
            found += self.count(block, first, end)
        return found + len(self.pushed(scope)) if scope.pushed else found


class _Sum(_Kept):
    """``sum`` and ``avg``: of exact numbers exactly, of doubles with one rounding."""

    def __init__(
        self, argument: str, condition: str | None, lanes: Sequence[Lane], kind: str, *, is_mean: bool
    ) -> None:
        super().__init__(argument, condition, lanes)
        self._sums = self._lanes.get("sum")
        self._is_float = kind in _FLOATS
        self._is_mean = is_mean
        self._unit = 10 ** scale_of(kind) if is_mean and not self._is_float else 1

    def __call__(self, scope: Scope) -> Any:
        block, count = scope.block, 0
        parts: list[Any] = []
        for first, end in scope.runs:
            count += self.count(block, first, end)
            self._add(parts, block, first, end)
        if scope.pushed:
            found = self.pushed(scope)
            count += len(found)
            parts += found
        if not count:
            return None
        if self._is_float:
            return rounded_mean(parts, count) if self._is_mean else rounded_sum(parts)
        return sum(parts) / (count * self._unit) if self._is_mean else sum(parts)

    def _add(self, parts: list[Any], block: EventBlock, first: int, end: int) -> None:
        """Numbers that add up to what the events at some places do."""
        words, edges = block.lane(self._sums)
        low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
        if not words or low >= high:
            parts += self.values(block, first, end)
            return
        parts += self.values(block, first, low << _SHIFT)
        parts += self.values(block, high << _SHIFT, end)
        if words == 1:
            parts += (edges[high], -edges[low])
        elif self._is_float:
            parts += edges[high * words : (high + 1) * words]
            parts += [-number for number in edges[low * words : (low + 1) * words]]
        else:
            for place in range(words):
                parts.append((edges[high * words + place] - edges[low * words + place]) << (32 * place))


class _Extreme(_Kept):
    """``min`` and ``max``; NaN is the greatest number."""

    def __init__(
        self, argument: str, condition: str | None, lanes: Sequence[Lane], name: str, *, is_float: bool
    ) -> None:
        super().__init__(argument, condition, lanes)
        self._levels = self._lanes.get(name)
        self._is_float = is_float
        self._is_least = name == "min"

    def __call__(self, scope: Scope) -> Any:
        block, count = scope.block, 0
        found: list[Any] = []
        for first, end in scope.runs:
            count += self.count(block, first, end)
            self._add(found, block, first, end)
        if scope.pushed:
            pushed = self.pushed(scope)
            count += len(pushed)
            found += pushed
        if not count:
            return None
        if self._is_float:
            return _least(found) if self._is_least else _greatest(found)
        return min(found) if self._is_least else max(found)

    def _add(self, found: list[Any], block: EventBlock, first: int, end: int) -> None:
        """The extreme of the events at some places is among what is added."""
        words, levels = block.lane(self._levels)
        low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
        if not words or low >= high:
            found += self.values(block, first, end)
            return
        found += self.values(block, first, low << _SHIFT)
        found += self.values(block, high << _SHIFT, end)
        begin, size = 0, block.count >> _SHIFT
        while True:
            first, end = low, high
            low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
            if low >= high:
                found += levels[begin + first : begin + end]
                return
            found += levels[begin + first : begin + (low << _SHIFT)]
            found += levels[begin + (high << _SHIFT) : begin + end]
            begin, size = begin + size, size >> _SHIFT


def _least(values: list[float]) -> float | None:
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


def _distinct(argument: str, condition: str | None) -> _Compute:
    kept = _Kept(argument, condition, ())

    def count(scope: Scope) -> int:
        found: set[Any] = set()
        for first, end in scope.runs:
            found.update(kept.values(scope.block, first, end))
        found.update(kept.pushed(scope))
        return len(set(map(_one_zero, found)))

    return count


def _one_zero(value: Any) -> Any:
    """Equal values as one: -0.0 as 0.0, every NaN as the same."""
    if isinstance(value, float):
        return math.nan if value != value else value + 0.0
    return value


def _in_order(scope: Scope, argument: str, condition: str | None) -> list[Any]:
    """The values of the events in their order, nulls among them."""
    found: list[Any] = []
    for piece in scope.in_order():
        if isinstance(piece, PushedEvent):
            if condition is None or scope.value(condition, piece.row):
                found.append(scope.value(argument, piece.row))
            continue
        values = scope.block.values(argument, *piece)
        found += values if condition is None else compress(values, scope.block.is_true(condition)[slice(*piece)])
    return found


def _at_the_end(argument: str, condition: str | None, *, first: bool) -> _Compute:
    """``first`` and ``last``: only the one event is read."""

    def found(scope: Scope) -> Any:
        pieces = list(scope.in_order())
        for piece in pieces if first else reversed(pieces):
            if isinstance(piece, PushedEvent):
                if condition is None or scope.value(condition, piece.row):
                    return scope.value(argument, piece.row)
                continue
            begin, end = piece
            if condition is not None:
                passing = [bool(one) for one in scope.block.is_true(condition)[begin:end]]
                if True not in passing:
                    continue
                place = passing.index(True) if first else len(passing) - 1 - passing[::-1].index(True)
                return scope.block.values(argument, begin + place, begin + place + 1)[0]
            if begin < end:
                return scope.block.values(argument, *((begin, begin + 1) if first else (end - 1, end)))[0]
        return None

    return found
