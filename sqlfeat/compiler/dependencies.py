"""Which columns of which nodes each field of a resolved query depends on.

``direct``: the value passes through or is computed from them. ``indirect``: they decide which rows there are, or which
rows a value is computed from (conditions, keys, order). Nothing is known here of models, windows or lookups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlfeat.compiler.algebra import (
    Aggregate,
    AggregateCall,
    Bound,
    Call,
    Column,
    Constant,
    Distinct,
    Expression,
    Filter,
    Join,
    Limit,
    Project,
    Recursion,
    Recursive,
    Relation,
    Reshaped,
    Rows,
    Scan,
    SetOperation,
    Span,
    Subquery,
    TableFunction,
    Unknown,
    WindowCall,
    Windows,
)

Leaf = tuple[str, str]
"""A node's id and the name of one of its columns."""

Leaves = frozenset[Leaf]
NONE: Leaves = frozenset()


@dataclass(frozen=True)
class Uses:
    """What one value depends on."""

    direct: Leaves = NONE
    indirect: Leaves = NONE

    @property
    def all(self) -> Leaves:
        return self.direct | self.indirect


@dataclass(frozen=True)
class Traced:
    """What each field of a relation depends on, and what decides which rows there are."""

    fields: tuple[Uses, ...]
    rows: Leaves = NONE

    @property
    def all(self) -> Leaves:
        return union([uses.all for uses in self.fields]) | self.rows


Fields = Sequence[Uses]
PickField = Callable[[Leaf, str], Leaf | None]
"""A column that stands for several others: which of them one of its fields is."""


def union(parts: Iterable[Leaves]) -> Leaves:
    found: set[Leaf] = set()
    for part in parts:
        found |= part
    return frozenset(found)


class Tracer:
    """Follows the fields of relations down to the nodes that they are read from; shared relations once."""

    def __init__(self, pick: PickField | None = None) -> None:
        self._pick = pick
        self._known: dict[tuple[int, tuple[int, ...]], Traced] = {}
        self._kept: list[object] = []  # what ids were taken of must live as long as they are compared
        self._recursive: dict[str, Traced] = {}

    def relation(self, node: Relation, outer: tuple[Fields, ...] = ()) -> Traced:
        """``outer`` are the rows that the relation is evaluated for, nearest first."""
        key = (id(node), tuple(id(row) for row in outer))
        if self._recursive or key not in self._known:
            found = _RELATIONS[type(node)](self, node, outer)
            if self._recursive:
                return found
            self._kept.append((node, outer))
            self._known[key] = found
        return self._known[key]

    def uses(self, node: Expression, row: Fields, outer: tuple[Fields, ...]) -> Uses:
        """What a value depends on, over a row and the rows further out."""
        if isinstance(node, Column):
            return (row, *outer)[node.level][node.index]
        if isinstance(node, Constant):
            return Uses()
        if isinstance(node, Call):
            if node.name == "struct_extract" and self._pick is not None:
                picked = self._picked(node, row, outer)
                if picked is not None:
                    return picked
            return self._together(node.arguments, row, outer)
        if isinstance(node, Unknown):
            return self._together(node.inputs, row, outer)
        if isinstance(node, AggregateCall):
            return self._aggregate(node, row, outer)
        if isinstance(node, WindowCall):
            return self._window(node, row, outer)
        assert isinstance(node, Subquery), node
        return self._subquery(node, row, outer)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _together(self, nodes: Sequence[Expression], row: Fields, outer: tuple[Fields, ...]) -> Uses:
        if len(nodes) == 1:
            return self.uses(nodes[0], row, outer)
        found = [self.uses(node, row, outer) for node in nodes]
        return Uses(union(uses.direct for uses in found), union(uses.indirect for uses in found))

    def _picked(self, node: Call, row: Fields, outer: tuple[Fields, ...]) -> Uses | None:
        inner, name = node.arguments
        if not isinstance(name, Constant) or self._pick is None:
            return None
        uses = self.uses(inner, row, outer)
        if len(uses.direct) != 1:
            return None
        leaf = self._pick(next(iter(uses.direct)), str(name.value))
        return Uses(frozenset({leaf}), uses.indirect) if leaf is not None else None

    def _aggregate(self, node: AggregateCall, row: Fields, outer: tuple[Fields, ...]) -> Uses:
        value = self._together(node.arguments, row, outer)
        deciding = [key.expression for key in node.order] + ([node.filter] if node.filter is not None else [])
        return Uses(value.direct, value.indirect | self._together(deciding, row, outer).all)

    def _window(self, node: WindowCall, row: Fields, outer: tuple[Fields, ...]) -> Uses:
        value = self._aggregate(node.function, row, outer)
        deciding = [*node.partition, *(key.expression for key in node.order), *_offsets(node)]
        return Uses(value.direct, value.indirect | self._together(deciding, row, outer).all)

    def _subquery(self, node: Subquery, row: Fields, outer: tuple[Fields, ...]) -> Uses:
        found = self.relation(node.relation, (row, *outer))
        if node.kind == "exists":
            return Uses(NONE, found.rows)
        operand = self.uses(node.operand, row, outer) if node.operand is not None else Uses()
        values = union(uses.direct for uses in found.fields)
        deciding = union(uses.indirect for uses in found.fields) | found.rows
        return Uses(operand.direct | values, operand.indirect | deciding)

    # -- relations -----------------------------------------------------------------------------------------------------

    def _scan(self, node: Scan, outer: tuple[Fields, ...]) -> Traced:
        return Traced(tuple(Uses(frozenset({(node.node, own.name)})) for own in node.fields))

    def _rows(self, node: Rows, outer: tuple[Fields, ...]) -> Traced:
        columns = zip(*node.rows, strict=True) if node.rows and node.rows[0] else ()
        return Traced(tuple(self._together(column, (), outer) for column in columns))

    def _table_function(self, node: TableFunction, outer: tuple[Fields, ...]) -> Traced:
        uses = self._together(node.arguments, (), outer)
        return Traced((uses,) * len(node.fields), NONE)

    def _project(self, node: Project, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        return Traced(tuple(self.uses(value, source.fields, outer) for value in node.expressions), source.rows)

    def _filter(self, node: Filter, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        return Traced(source.fields, source.rows | self.uses(node.condition, source.fields, outer).all)

    def _aggregated(self, node: Aggregate, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        keys = [self.uses(key, source.fields, outer) for key in node.keys]
        by = union(key.all for key in keys)
        found = [self.uses(value, source.fields, outer) for value in node.aggregates]
        grouped = [Uses(uses.direct, uses.indirect | by) for uses in found]
        return Traced((*keys, *grouped), source.rows | by)

    def _windows(self, node: Windows, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        added = tuple(self.uses(window, source.fields, outer) for window in node.windows)
        return Traced((*source.fields, *added), source.rows)

    def _join(self, node: Join, outer: tuple[Fields, ...]) -> Traced:
        left = self.relation(node.left, outer)
        right = self.relation(node.right, (left.fields, *outer) if node.lateral else outer)
        both = (*left.fields, *right.fields)
        rows = left.rows | right.rows
        if node.condition is not None:
            rows |= self.uses(node.condition, both, outer).all
        return Traced(left.fields if node.kind in ("semi", "anti") else both, rows)

    def _distinct(self, node: Distinct, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        deciding = [*node.on, *(key.expression for key in node.order)]
        return Traced(source.fields, source.rows | self._together(deciding, source.fields, outer).all)

    def _limit(self, node: Limit, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        keys = [key.expression for key in node.order]
        return Traced(source.fields, source.rows | self._together(keys, source.fields, outer).all)

    def _set_operation(self, node: SetOperation, outer: tuple[Fields, ...]) -> Traced:
        left, right = self.relation(node.left, outer), self.relation(node.right, outer)
        if node.kind != "union":
            return Traced(left.fields, left.rows | right.all)
        return Traced(_merged(left.fields, right.fields), left.rows | right.rows)

    def _recursive_cte(self, node: Recursive, outer: tuple[Fields, ...]) -> Traced:
        """Turn by turn until nothing new is found."""
        found = self.relation(node.anchor, outer)
        before = self._recursive.get(node.name)
        try:
            while True:
                self._recursive = {**self._recursive, node.name: found}
                step = self.relation(node.step, outer)
                more = Traced(_merged(found.fields, step.fields), found.rows | step.rows)
                if more == found:
                    return found
                found = more
        finally:
            rest = {name: own for name, own in self._recursive.items() if name != node.name}
            self._recursive = rest if before is None else {**rest, node.name: before}

    def _recursion(self, node: Recursion, outer: tuple[Fields, ...]) -> Traced:
        return self._recursive[node.name]

    def _reshaped(self, node: Reshaped, outer: tuple[Fields, ...]) -> Traced:
        source = self.relation(node.input, outer)
        fields = [self._together(values, source.fields, outer) for values in node.sources]
        by = union(fields[index].all for index in node.keys)
        if node.whole:
            fields = [
                uses if index in node.keys else replace(uses, indirect=uses.indirect | by)
                for index, uses in enumerate(fields)
            ]
        return Traced(tuple(fields), source.rows | by)


def _offsets(node: WindowCall) -> list[Expression]:
    bounds: tuple[Bound, ...] = (node.frame.start, node.frame.end)
    return [bound.offset for bound in bounds if isinstance(bound.offset, Expression)]


def _merged(one: Fields, other: Fields) -> tuple[Uses, ...]:
    return tuple(Uses(a.direct | b.direct, a.indirect | b.indirect) for a, b in zip(one, other, strict=True))


_RELATIONS: Mapping[type[Relation], Callable[..., Traced]] = {
    Scan: Tracer._scan,
    Rows: Tracer._rows,
    TableFunction: Tracer._table_function,
    Project: Tracer._project,
    Filter: Tracer._filter,
    Aggregate: Tracer._aggregated,
    Windows: Tracer._windows,
    Join: Tracer._join,
    Distinct: Tracer._distinct,
    Limit: Tracer._limit,
    SetOperation: Tracer._set_operation,
    Recursive: Tracer._recursive_cte,
    Recursion: Tracer._recursion,
    Reshaped: Tracer._reshaped,
}


# -- where a value is written ------------------------------------------------------------------------------------------


def written_at(node: Relation, index: int) -> Span:
    """Where a field's value is computed; what only passes a column on is looked through, down to the nodes."""
    named = node.span
    while True:
        value, inside = _source(node, index)
        if value is not None:
            named = value.span
        if inside is None:
            return named
        node, index = inside


def _source(node: Relation, index: int) -> tuple[Expression | None, tuple[Relation, int] | None]:
    """What is written for a field, and the field that it only passes on, if it does."""
    if isinstance(node, Project):
        return _passed(node.expressions[index], node.input)
    if isinstance(node, Filter | Limit | Distinct):
        return None, (node.input, index)
    if isinstance(node, Windows):
        width = len(node.input.fields)
        return (None, (node.input, index)) if index < width else (node.windows[index - width], None)
    if isinstance(node, Join):
        width = len(node.left.fields)
        return None, ((node.left, index) if index < width else (node.right, index - width))
    if isinstance(node, Aggregate):
        values: tuple[Expression, ...] = (*node.keys, *node.aggregates)
        return _passed(values[index], node.input)
    if isinstance(node, SetOperation):
        return None, (node.left, index)
    if isinstance(node, Recursive):
        return None, (node.anchor, index)
    if isinstance(node, Reshaped):
        return (node.sources[index][0] if node.sources[index] else None), None
    return None, None


def _passed(value: Expression, source: Relation) -> tuple[Expression, tuple[Relation, int] | None]:
    if isinstance(value, Column) and value.level == 0:
        return value, (source, value.index)
    return value, None
