"""Windows as of an instant, from the events that a snapshot keeps of an entity (TIME semantics, section 3).

Each aggregate is that of the offline plans, to the last bit: integers and decimals exactly, sums and means of floats
correctly rounded, the others by their order. Values are plain (``store.row_codec``). Counts, sums and extremes read the
tiles between the edges of a window and the events beside them (``store.event_tiles``), so a long window costs what a
short one does; what depends on every event reads those of the window.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.duckdb.windows import bounds_of
from sqlfeat.ops.online import whole_aggregates as whole
from sqlfeat.ops.online.published import PublishedWindows
from sqlfeat.ops.online.standing import Events, Scope, Standing
from sqlfeat.ops.online.tiled_aggregates import FLOATS, Counted, Extreme, Sum
from sqlfeat.ops.online.whole_aggregates import Compute
from sqlfeat.store.event_records import EventBlock, EventColumn
from sqlfeat.store.event_tiles import Lane

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
_PLAINLY_ORDERED = (*_INTEGERS, "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "TIME")


# -- the windows of a view ---------------------------------------------------------------------------------------------


class OnlineWindows:
    """The aggregates of one view that are computed here; ``left`` are those that only the engine computes.

    ``agreed`` are the quantiles and deviations that the engine is known to round as they are rounded here.
    """

    def __init__(self, windows: PublishedWindows, empty: EventBlock, agreed: Collection[str] = ()) -> None:
        self._made: dict[str, tuple[Any, Compute]] = {}
        self._spans: dict[Any, tuple[Any, Any]] = {}
        self._nothing = Events(empty)
        self.left: list[WindowAggregate] = []
        for aggregate in windows.aggregates:
            compute = _compute_of(aggregate, windows, agreed)
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
        if kind != "count":
            found[Lane(kind, argument, condition)] = None
    return tuple(found)


def _is_tiled(aggregate: WindowAggregate, types: Mapping[str, str]) -> bool:
    if aggregate.order_by or aggregate.modifier or aggregate.distinct or len(aggregate.arguments) > 1:
        return False
    kind = types.get(_argument(aggregate) or "", "")
    if aggregate.function == "count":
        return True
    if aggregate.function in ("sum", "avg", "mean"):
        return _is_exact(kind) or kind in FLOATS
    return aggregate.function in ("min", "max") and (kind in (*_PLAINLY_ORDERED, *FLOATS) or kind.startswith("DECIMAL"))


def _argument(aggregate: WindowAggregate) -> str | None:
    """The column that an aggregate reads; None for all rows."""
    return aggregate.arguments[0] if aggregate.arguments and aggregate.arguments[0] != "*" else None


def _is_exact(kind: str) -> bool:
    return kind in _INTEGERS or kind == "BOOLEAN" or kind.startswith("DECIMAL")


# -- aggregates --------------------------------------------------------------------------------------------------------


def _compute_of(aggregate: WindowAggregate, windows: PublishedWindows, agreed: Collection[str]) -> Compute | None:
    """What computes an aggregate over the events of a scope; None where only the engine does."""
    if aggregate.order_by or aggregate.modifier:
        return None
    argument, name, condition = _argument(aggregate), aggregate.function, aggregate.filter
    kind = windows.types.get(argument) if argument is not None else None
    if argument is None:
        return Counted(None, condition, windows.lanes) if name == "count" and not aggregate.distinct else None
    if kind is None:
        return None
    if aggregate.distinct:
        return whole.distinct(argument, condition) if name == "count" and _is_plain(kind) else None
    if len(aggregate.arguments) > 1:
        return _of_two(aggregate, argument, kind, windows.types, agreed)
    if name == "count":
        return Counted(argument, condition, windows.lanes)
    if name in ("sum", "avg", "mean") and (_is_exact(kind) or kind in FLOATS):
        return Sum(argument, condition, windows.lanes, kind, is_mean=name != "sum")
    if name in ("min", "max") and _is_tiled(aggregate, windows.types):
        return Extreme(argument, condition, windows.lanes, name, is_float=kind in FLOATS)
    if name in ("first", "last"):
        return whole.at_the_end(argument, condition, first=name == "first")
    if name in ("list", "array_agg"):
        return lambda scope: whole.in_order(scope, argument, condition) or None
    if name in ("bool_or", "bool_and") and kind == "BOOLEAN":
        return whole.is_any(argument, condition, every=name == "bool_and")
    if name in agreed and name != "quantile_disc":
        return whole.computed(aggregate, argument, kind)
    return _of_two(aggregate, argument, kind, windows.types, agreed) if name == "string_agg" else None


def _of_two(
    aggregate: WindowAggregate, argument: str, kind: str, types: Mapping[str, str], agreed: Collection[str]
) -> Compute | None:
    """The same of an aggregate that has, or may have, a second argument."""
    name, condition = aggregate.function, aggregate.filter
    if len(aggregate.arguments) > 2:
        return None
    if name in ("quantile_cont", "quantile_disc") and name in agreed and _is_plain(kind):
        return whole.quantile(aggregate, argument, kind)
    if name in ("string_agg", "group_concat", "listagg") and kind == "VARCHAR":
        separator = whole.separator_of(aggregate)
        return None if separator is None else whole.joined(argument, condition, separator)
    if name in ("arg_max", "arg_min") and _is_plain(types.get(aggregate.arguments[1], "")):
        return whole.at_extreme(argument, aggregate.arguments[1], condition, greatest=name == "arg_max")
    return None


def _is_plain(kind: str) -> bool:
    """Whether plain values of a type are equal, and ordered, as DuckDB has them."""
    return kind in (*_PLAINLY_ORDERED, *FLOATS) or kind.startswith("DECIMAL")
