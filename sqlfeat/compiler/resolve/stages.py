"""A SELECT's expressions over the stages that compute them: groups first, then windows, then the rest.

Every expression is resolved over the row of FROM; here its aggregates and window functions are taken out, and what is
left names the columns of the stage before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from sqlfeat.compiler.algebra import (
    Aggregate,
    AggregateCall,
    Call,
    Column,
    Constant,
    Expression,
    Field,
    Relation,
    Span,
    Subquery,
    WindowCall,
    Windows,
)
from sqlfeat.compiler.resolve.errors import Unresolved
from sqlfeat.compiler.resolve.rewrite import Rewriter, inner


def shape(node: Expression) -> Hashable:
    """Equal for expressions that say the same; a subquery is equal to itself only."""
    kind = type(node)
    if kind is Column:
        assert isinstance(node, Column)
        return ("column", node.index, node.level)
    if kind is Constant:
        assert isinstance(node, Constant)
        return ("constant", type(node.value), node.value, node.type)
    if kind is Call:
        assert isinstance(node, Call)
        return (node.name, node.type, *[shape(argument) for argument in node.arguments])
    if kind is AggregateCall:
        assert isinstance(node, AggregateCall)
        order = [(shape(key.expression), key.descending, key.nulls_first) for key in node.order]
        condition = shape(node.filter) if node.filter else None
        arguments = [shape(argument) for argument in node.arguments]
        return ("aggregate", node.name, node.distinct, node.ignore_nulls, condition, *order, None, *arguments)
    return id(node)


def has_aggregate(node: Expression) -> bool:
    """Whether an aggregate that is no window function stands in an expression, subqueries left aside."""
    if isinstance(node, AggregateCall):
        return True
    if isinstance(node, WindowCall):
        return any(has_aggregate(part) for part in _of_window(node))
    return any(has_aggregate(part) for part in inner(node))


def has_window(node: Expression) -> bool:
    return isinstance(node, WindowCall) or any(has_window(part) for part in inner(node))


def _of_window(node: WindowCall) -> list[Expression]:
    """What a window function reads: everything inside it, but not the function as an aggregate."""
    return [*inner(node.function), *(part for part in inner(node) if part is not node.function)]


class Groups:
    """GROUP BY: its keys, and the aggregates that the rest of the SELECT asks of each group."""

    def __init__(self, keys: Sequence[Expression], sets: tuple[tuple[int, ...], ...]) -> None:
        self._keys = tuple(keys)
        self._sets = sets
        self._aggregates: list[AggregateCall] = []
        self._positions: dict[Hashable, int] = {}
        for index, key in enumerate(keys):
            self._positions.setdefault(shape(key), index)
        self._columns = {key.index: i for i, key in enumerate(keys) if isinstance(key, Column) and key.level == 0}
        self._rewriter = Rewriter(self._instead)
        self._aliased: Callable[[Column], Expression | None] | None = None

    def over(self, node: Expression) -> Expression:
        """The expression over the row of a group."""
        return self._rewriter.expression(node)

    def condition(self, node: Expression, aliased: Callable[[Column], Expression | None]) -> Expression:
        """HAVING over the row of a group: a column that is no key may be meant as an alias of the list."""
        self._aliased = aliased
        try:
            return self._rewriter.expression(node)
        finally:
            self._aliased = None

    def relation(self, source: Relation, span: Span) -> Aggregate:
        keys = [Field("", getattr(key, "type", None)) for key in self._keys]
        found = [Field("", aggregate.type) for aggregate in self._aggregates]
        return Aggregate(span, (*keys, *found), source, self._keys, tuple(self._aggregates), self._sets)

    def _instead(self, node: Expression, level: int) -> Expression | None:
        if level:
            return self._inside(node, level)
        position = self._positions.get(shape(node)) if not isinstance(node, Constant) else None
        if position is not None:
            return Column(node.span, position, 0, getattr(node, "type", None))
        if isinstance(node, AggregateCall):
            if any(has_aggregate(part) for part in inner(node)):
                raise Unresolved("an aggregate of an aggregate", node.span)
            self._aggregates.append(node)
            position = len(self._keys) + len(self._aggregates) - 1
            self._positions[shape(node)] = position
            return Column(node.span, position, 0, node.type)
        if isinstance(node, WindowCall):
            return self._window(node)
        if isinstance(node, Column) and node.level == 0:
            alias = self._aliased(node) if self._aliased is not None else None
            if alias is None:
                raise Unresolved("a column that is neither grouped by nor aggregated", node.span)
            self._aliased, before = None, self._aliased
            made = self._rewriter.expression(alias)
            self._aliased = before
            return made
        return None

    def _inside(self, node: Expression, level: int) -> Expression | None:
        """A subquery's mention of the row outside of it: one of the keys."""
        if isinstance(node, Column) and node.level == level:
            if node.index not in self._columns:
                raise Unresolved("a column that is neither grouped by nor aggregated", node.span)
            return replace(node, index=self._columns[node.index])
        return None

    def _window(self, node: WindowCall) -> WindowCall:
        function = node.function
        over = self._rewriter.expression
        keys = tuple(replace(key, expression=over(key.expression)) for key in node.order)
        inside = tuple(replace(key, expression=over(key.expression)) for key in function.order)
        frame = self._rewriter.frame(node.frame, 0)
        return replace(
            node,
            function=replace(
                function,
                arguments=tuple(over(argument) for argument in function.arguments),
                order=inside,
                filter=over(function.filter) if function.filter else None,
            ),
            partition=tuple(over(part) for part in node.partition),
            order=keys,
            frame=frame,
        )


class WindowStage:
    """The window functions of a SELECT: each becomes a column after those of its input."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._windows: list[WindowCall] = []
        self._positions: dict[int, int] = {}
        self._rewriter = Rewriter(self._instead)

    def over(self, node: Expression) -> Expression:
        return self._rewriter.expression(node)

    def relation(self, source: Relation, span: Span) -> Relation:
        if not self._windows:
            return source
        added = tuple(Field("", window.type) for window in self._windows)
        return Windows(span, (*source.fields, *added), source, tuple(self._windows))

    def _instead(self, node: Expression, level: int) -> Expression | None:
        if isinstance(node, Subquery) or level:
            return node if level else self._subquery(node)
        if isinstance(node, WindowCall):
            if id(node) not in self._positions:
                self._positions[id(node)] = self._width + len(self._windows)
                self._windows.append(node)
            return Column(node.span, self._positions[id(node)], 0, node.type)
        return None

    def _subquery(self, node: Expression) -> Expression:
        """A subquery names columns of the input, which keep their positions; only its operand may hold a window."""
        assert isinstance(node, Subquery)
        if node.operand is None:
            return node
        operand = self._rewriter.expression(node.operand)
        return node if operand is node.operand else replace(node, operand=operand)
