"""What may come out otherwise from run to run, with the same data: aggregates and ranks that hang on the order of rows.

These are notes, no verdicts (TIME semantics, section 6). Only what is sure to be in order is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import AggregateCall, Column, Expression, Limit, SortKey, Span, WindowCall

_ORDERED_WINDOWS = frozenset({"row_number", "lag", "lead", "first_value", "last_value", "nth_value", "ntile"})
_EXACT = frozenset({"sum", "avg", "favg", "fsum"})
_FLOATS = ("DOUBLE", "FLOAT")


@dataclass(frozen=True)
class Note:
    """One thing that hangs on the order of rows, or on chance."""

    message: str
    span: Span


def of_aggregate(call: AggregateCall, span: Span) -> Note | None:
    """An aggregate over the rows of a group, in whatever order they come."""
    where = call.span if call.span.start >= 0 else span
    if call.name in purity.ORDERED_AGGREGATES and not call.order:
        return Note(f"{call.name} takes rows in whatever order they come: give it an ORDER BY.", where)
    if call.name in purity.FLOAT_AGGREGATES and not call.order and _adds_floats(call):
        return Note(f"The last bits of {call.name} over floats hang on the order of rows: use a DECIMAL.", where)
    return None


def _adds_floats(call: AggregateCall) -> bool:
    if call.name not in _EXACT:
        return True
    types = [getattr(argument, "type", None) for argument in call.arguments]
    return any(type_name in _FLOATS for type_name in types)


def of_window(call: WindowCall, unique: Sequence[frozenset[int]]) -> Note | None:
    """A window function whose value hangs on which of two equal rows comes first."""
    if not call.order:
        return of_aggregate(call.function, call.span)
    by_rows = call.function.name in _ORDERED_WINDOWS or call.frame.unit == "rows"
    if not by_rows or in_order((*call.partition, *_expressions(call.order)), unique):
        return None
    return Note(f"{call.function.name} over rows that may be equal in the order: add a unique column to it.", call.span)


def of_limit(limit: Limit) -> Note | None:
    """Some rows, whichever come first."""
    if limit.order and not limit.sample:
        return None
    return Note("Which rows these are is left to chance: give an ORDER BY.", limit.span)


def in_order(expressions: Sequence[Expression], unique: Sequence[frozenset[int]]) -> bool:
    """Whether no two rows are equal in these."""
    columns = {e.index for e in expressions if isinstance(e, Column) and e.level == 0}
    return any(key <= columns for key in unique)


def _expressions(order: Sequence[SortKey]) -> tuple[Expression, ...]:
    return tuple(key.expression for key in order)
