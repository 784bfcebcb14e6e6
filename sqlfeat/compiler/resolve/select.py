"""One SELECT as a chain of relations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import (
    Call,
    Column,
    Distinct,
    Expression,
    Field,
    Filter,
    Project,
    Relation,
    SortKey,
    Span,
)
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.errors import NOWHERE, Unresolved, hull
from sqlfeat.compiler.resolve.grammar import refuse_more
from sqlfeat.compiler.resolve.grouping import grouping
from sqlfeat.compiler.resolve.naming import name_of
from sqlfeat.compiler.resolve.nodes import span_of, type_of
from sqlfeat.compiler.resolve.scope import Scope
from sqlfeat.compiler.resolve.stages import Groups, WindowStage, has_aggregate, has_window, shape

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.query import Resolver


_NO_ALIASES = ("EXPORT_STATE", "ARRAY")


@dataclass
class Output:
    """A column of the list: its name and its value over the row of the present stage."""

    name: str
    value: Expression
    aliased: bool


class Select:
    """A SELECT while it is being resolved."""

    def __init__(self, resolver: Resolver, tree: exp.Select, outer: Scope | None) -> None:
        refuse_more(tree)
        self.resolver = resolver
        self.tree = tree
        self.outer = outer
        self.row = resolver.sources.row(tree, outer)
        windows = {window.name.casefold(): window for window in tree.args.get("windows") or []}
        self.scope = replace(Scope.of(self.row, outer), aliased=self._alias, windows=windows)
        self._aliases: dict[str, int] = {}
        for index, item in enumerate(tree.expressions):
            if isinstance(item, exp.Alias):
                self._aliases.setdefault(item.alias.casefold(), index)
        self._items: dict[int, list[Output]] = {}
        self._visible = len(tree.expressions)

    def relation(self) -> Relation:
        tree, resolve = self.tree, self.resolver.expressions.resolve
        before = self.resolver.expressions.aggregates
        source = self._filtered(self.row.relation, tree.args.get("where"), "where")
        outputs = [output for index in range(len(tree.expressions)) for output in self.item(index)]
        if not outputs and source.fields:  # those of a relation of which no column is known are none
            raise Unresolved("a SELECT without columns", _whole(tree))
        having, qualify = (
            resolve(clause.this, self.scope) if clause is not None else None
            for clause in (tree.args.get("having"), tree.args.get("qualify"))
        )
        on, keys = self._distinct_on(outputs), self._order(outputs)
        rest = [part for part in (having, qualify) if part is not None]
        rest += [output.value for output in outputs] + on + [key.expression for key in keys]
        stage = _Stage(outputs, having, qualify, on, keys)
        plain = self.resolver.expressions.aggregates == before
        if (
            tree.args.get("group") is not None
            or having is not None
            or (not plain and any(has_aggregate(part) for part in rest))
        ):
            found = grouping(tree.args.get("group"), self)
            groups = Groups(found.keys, found.sets)
            stage.having, condition = None, stage.having
            stage.apply(groups.over)
            if condition is not None:
                stage.having = groups.condition(condition, self._alias_of)
            source = groups.relation(source, _whole(tree))
            if stage.having is not None:
                source = Filter(stage.having.span, source.fields, source, stage.having, "having")
        if not plain and any(has_window(part) for part in stage.parts()):
            windows = WindowStage(len(source.fields))
            stage.apply(windows.over)
            source = windows.relation(source, _whole(tree))
        if stage.qualify is not None:
            source = Filter(stage.qualify.span, source.fields, source, stage.qualify, "qualify")
        return self._listed(source, stage)

    def _filtered(self, source: Relation, clause: exp.Expr | None, name: str) -> Relation:
        if clause is None:
            return source
        condition = self.resolver.expressions.resolve(clause.this, self.scope)
        return Filter(condition.span, source.fields, source, condition, name)

    # -- the list ----------------------------------------------------------------------------------------------------

    def item(self, index: int) -> list[Output]:
        """The columns that an item of the list gives; a star gives several."""
        if index not in self._items:
            visible, self._visible = self._visible, index
            try:
                self._items[index] = self._resolve_item(self.tree.expressions[index])
            finally:
                self._visible = visible
        return self._items[index]

    def _resolve_item(self, tree: exp.Expr) -> list[Output]:
        alias = tree.args["alias"] if isinstance(tree, exp.Alias) else None
        bare = tree.this if alias is not None else tree
        self._refuse_glued(bare, alias)
        stars = self.resolver.stars
        if stars.is_several(bare):
            found = stars.expand_item(bare, alias, self.scope)
            return [Output(name, value, alias is not None) for name, value in found]
        value = self.resolver.expressions.resolve(bare, self.scope)
        if isinstance(value, Call) and value.name == "unnest":
            fields = self._unnested(bare, value)
            if fields is not None:
                return fields
        name = alias.name if alias is not None else self._name(bare, value)
        if value.span == NOWHERE and alias is not None:
            value = _placed(value, span_of(alias))
        return [Output(name, value, alias is not None)]

    def _name(self, tree: exp.Expr, value: Expression) -> str:
        text = self.resolver.text
        if isinstance(tree, exp.Column) and isinstance(value, Column) and value.level == 0:
            own = self.row.field(value.index).name
            if own.casefold() == tree.name.casefold():
                return own
        name = name_of(tree, text, self.resolver.expressions.name_of)
        return name or text[max(0, value.span.start) : max(0, value.span.end)]

    def _refuse_glued(self, bare: exp.Expr, alias: exp.Expr | None) -> None:
        """``0x1F`` is no 0 called x1F, and some words after an expression are no alias but say more of it."""
        if alias is not None and not alias.args.get("quoted") and alias.name.upper() in _NO_ALIASES:
            raise Unresolved(f"{alias.name} after an expression", span_of(alias))
        if alias is not None and isinstance(bare, exp.Literal) and span_of(bare).end == span_of(alias).start:
            raise Unresolved("a number that cannot be read", hull(span_of(bare), span_of(alias)))

    def _unnested(self, tree: exp.Expr, value: Call) -> list[Output] | None:
        """``unnest`` of a struct: a column for each field; of a list nothing in particular."""
        recursive = False
        for part in tree.args.get("expressions") or []:
            said = isinstance(part, exp.PropertyEQ | exp.Kwarg) and part.this.name.casefold() == "recursive"
            if not said or not isinstance(part.expression, exp.Boolean):
                raise Unresolved("unnest with more arguments", value.span)
            recursive = bool(part.expression.this)
        inner = value.arguments[0]
        known = type_of(inner)
        written = isinstance(inner, Call) and inner.name == "list_value"
        if (types.is_list(known) or written) and not recursive:
            return None
        if not types.is_struct(known) or known is None:
            raise Unresolved("unnest of what may be a list or a struct", value.span)
        return [
            Output(own.name, part, False)
            for own, part in _struct_parts(inner, known, recursive, self.resolver.expressions.field)
        ]

    def _alias(self, name: str, span: Span) -> Expression | None:
        """What an alias of this SELECT means, where only earlier items are seen."""
        index = self._aliases.get(name)
        if index is None or index >= self._visible:
            return None
        outputs = self.item(index)
        if len(outputs) != 1:
            raise Unresolved("the alias of several columns", span)
        return outputs[0].value

    def _alias_of(self, column: Column) -> Expression | None:
        """What a bare name means as an alias, although there is a column of that name."""
        name = self.row.field(column.index).name.casefold()
        written = self.resolver.text[column.span.start : column.span.end].strip('"').casefold()
        return self._alias(name, column.span) if written == name else None

    # -- DISTINCT, ORDER BY, LIMIT -----------------------------------------------------------------------------------

    def _distinct_on(self, outputs: Sequence[Output]) -> list[Expression]:
        distinct = self.tree.args.get("distinct")
        on = distinct.args.get("on") if distinct is not None else None
        if on is None:
            return []
        trees = on.expressions if isinstance(on, exp.Tuple) else [on.this if isinstance(on, exp.Paren) else on]
        return [value for tree in trees for value in self._key(tree, outputs)]

    def _order(self, outputs: Sequence[Output]) -> list[SortKey]:
        order = self.tree.args.get("order")
        keys = []
        for key in order.expressions if order is not None else []:
            bare = key.this if isinstance(key, exp.Ordered) else key
            for value in self._key(bare, outputs):
                keys.append(SortKey(value, bool(key.args.get("desc")), bool(key.args.get("nulls_first"))))
        return keys

    def _key(self, tree: exp.Expr, outputs: Sequence[Output]) -> list[Expression]:
        """An item of ORDER BY or DISTINCT ON: an output by number or alias, else any expression."""
        if (isinstance(tree, exp.Var) and tree.name.upper() == "ALL") or isinstance(tree, exp.Star):
            return [output.value for output in outputs]
        if isinstance(tree, exp.Literal) and not tree.is_string and tree.name.isdigit():
            index = int(tree.name) - 1
            if not 0 <= index < len(outputs):
                raise Unresolved(f"there is no output column {tree.name}", span_of(tree))
            return [outputs[index].value]
        if isinstance(tree, exp.Column) and not tree.table:
            for output in outputs:
                if output.aliased and output.name.casefold() == tree.name.casefold():
                    return [output.value]
        return [self.resolver.expressions.resolve(tree, self.scope)]

    def _listed(self, source: Relation, stage: _Stage) -> Relation:
        """The list over the last stage, and what comes after it."""
        tree = self.tree
        distinct = tree.args.get("distinct") is not None
        limited = tree.args.get("limit") is not None or tree.args.get("offset") is not None
        values = [output.value for output in stage.outputs]
        fields = [Field(output.name, type_of(output.value)) for output in stage.outputs]
        width = len(values)
        wanted = bool(stage.on) or limited
        on = [self._position(value, values, distinct and not stage.on) for value in stage.on]
        keys = stage.keys if wanted else []
        order = [self._position(key.expression, values, distinct and not stage.on) for key in keys]
        fields += [Field("", type_of(value)) for value in values[width:]]
        whole = _whole(tree)
        relation: Relation = Project(whole, tuple(fields), source, _placed_all(values, whole))

        def column(position: int, span: Span) -> Column:
            return Column(span, position, 0, fields[position].type)

        sorted_by = tuple(
            SortKey(column(position, key.expression.span), key.descending, key.nulls_first)
            for position, key in zip(order, keys, strict=True)
        )
        if distinct:
            by = tuple(column(position, value.span) for position, value in zip(on, stage.on, strict=True))
            relation = Distinct(whole, relation.fields, relation, by, sorted_by if by else ())
        relation = self.resolver.limited(tree, relation, sorted_by)
        if len(values) > width:
            kept = tuple(column(index, values[index].span) for index in range(width))
            relation = Project(whole, tuple(fields[:width]), relation, _placed_all(kept, whole))
        return relation

    def _position(self, value: Expression, values: list[Expression], listed: bool) -> int:
        """Where a key stands in the list; one that does not is added to it, unless only what is listed may be."""
        wanted = shape(value)
        for index, own in enumerate(values):
            if own is value or shape(own) == wanted:
                return index
        if listed:
            raise Unresolved("an ORDER BY of what SELECT DISTINCT does not list", value.span)
        values.append(value)
        return len(values) - 1


@dataclass
class _Stage:
    """The expressions of a SELECT, over the row of the stage that has been reached."""

    outputs: list[Output]
    having: Expression | None
    qualify: Expression | None
    on: list[Expression]
    keys: list[SortKey]

    def apply(self, over: Callable[[Expression], Expression]) -> None:
        """Move on to the next stage."""
        self.outputs = [Output(output.name, over(output.value), output.aliased) for output in self.outputs]
        self.having = over(self.having) if self.having is not None else None
        self.qualify = over(self.qualify) if self.qualify is not None else None
        self.on = [over(value) for value in self.on]
        self.keys = [SortKey(over(key.expression), key.descending, key.nulls_first) for key in self.keys]

    def parts(self) -> list[Expression]:
        found = [part for part in (self.qualify,) if part is not None]
        return [*found, *(o.value for o in self.outputs), *self.on, *(key.expression for key in self.keys)]


def _struct_parts(
    value: Expression, type_name: str, recursive: bool, field: Callable[[Expression, str, Span], Expression]
) -> list[tuple[Field, Expression]]:
    """The fields of a struct, those of structs in it too if ``recursive``."""
    found = []
    for own in types.struct_fields(type_name):
        part = field(value, own.name, value.span)
        if recursive and own.type is not None and types.is_struct(own.type):
            found += _struct_parts(part, own.type, recursive, field)
        elif recursive and types.is_list(own.type):
            raise Unresolved("a recursive unnest of lists", value.span)
        else:
            found.append((own, part))
    return found


def _whole(tree: exp.Select) -> Span:
    """Where a SELECT's list stands."""
    spans = [
        span_of(node) for item in tree.expressions for node in item.find_all(exp.Identifier, exp.Literal, exp.Star)
    ]
    return hull(*spans)


def _placed(value: Expression, span: Span) -> Expression:
    """A value of which no position is known, at a place nearby."""
    return replace(value, span=span) if value.span == NOWHERE else value


def _placed_all(values: Sequence[Expression], span: Span) -> tuple[Expression, ...]:
    return tuple(_placed(value, span) for value in values)
