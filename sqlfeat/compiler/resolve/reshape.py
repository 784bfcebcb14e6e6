"""PIVOT and UNPIVOT, as clauses of FROM and as statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import AggregateCall, Column, Constant, Expression, Field, Relation, Reshaped
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.errors import Unresolved, hull
from sqlfeat.compiler.resolve.grammar import refuse_more
from sqlfeat.compiler.resolve.naming import name_of
from sqlfeat.compiler.resolve.nodes import span_of, type_of
from sqlfeat.compiler.resolve.rewrite import columns_in, inner
from sqlfeat.compiler.resolve.scope import Row, Scope
from sqlfeat.compiler.resolve.stages import has_aggregate

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.query import Resolver


def pivot_clause(resolver: Resolver, row: Row, tree: exp.Pivot, outer: Scope | None) -> Relation:
    """``FROM t PIVOT (…)`` or ``UNPIVOT (…)``."""
    refuse_more(tree)
    fields = tree.args.get("fields") or []
    if tree.args.get("unpivot"):
        if len(fields) != 1 or not isinstance(fields[0], exp.In):
            raise Unresolved("this UNPIVOT", row.relation.span)
        values = [name for part in tree.expressions for name in _names(part)]
        nulls = bool(tree.args.get("include_nulls"))
        return _Unpivot(resolver, row, outer, nulls).relation(fields[0].expressions, fields[0].this.name, values)
    return _Pivot(resolver, row, outer).relation(fields, tree.expressions, tree.args.get("group"))


def pivot_statement(resolver: Resolver, row: Row, tree: exp.Pivot, outer: Scope | None) -> Relation:
    """``PIVOT t ON …`` or ``UNPIVOT t ON …``."""
    refuse_more(tree)
    if tree.args.get("unpivot"):
        into = tree.args.get("into")
        name = into.this.name if into is not None else "name"
        values = [part.name for part in into.expressions] if into is not None else ["value"]
        nulls = bool(tree.args.get("include_nulls"))
        return _Unpivot(resolver, row, outer, nulls).relation(tree.expressions, name, values)
    return _Pivot(resolver, row, outer).relation(tree.expressions, tree.args.get("using") or [], tree.args.get("group"))


def _names(tree: exp.Expr) -> list[str]:
    return [part.name for part in tree.expressions] if isinstance(tree, exp.Tuple) else [tree.name]


@dataclass
class _Values:
    """An aggregate of a PIVOT: the end of its columns' names, what it reads, the type it gives."""

    suffix: str
    reads: tuple[Expression, ...]
    type: str | None


class _Pivot:
    def __init__(self, resolver: Resolver, row: Row, outer: Scope | None) -> None:
        self.resolver = resolver
        self.row = row
        self.scope = Scope.of(row, outer)

    def relation(self, on: Sequence[exp.Expr], using: Sequence[exp.Expr], group: exp.Expr | None) -> Relation:
        """One field for each group column, then one for each value (or pair of values) and aggregate."""
        if not on:
            raise Unresolved("a PIVOT without ON", self.row.relation.span)
        lists = [self._list(part) for part in on]
        aggregates = self._aggregates(using)
        pivoted = tuple(column for column, _ in lists)
        keys = self._keys(group, [*pivoted, *(read for made in aggregates for read in made.reads)])
        fields = [Field(name, type_of(key)) for name, key in keys]
        sources: list[tuple[Expression, ...]] = [(key,) for _, key in keys]
        for values in product(*[names for _, names in lists]):
            for made in aggregates:
                fields.append(Field("_".join([*values, *([made.suffix] if made.suffix else [])]), made.type))
                sources.append((*pivoted, *made.reads))
        span = hull(self.row.relation.span, *[column.span for column in pivoted])
        return Reshaped(span, tuple(fields), self.row.relation, tuple(sources), tuple(range(len(keys))), True)

    def _list(self, tree: exp.Expr) -> tuple[Expression, list[str]]:
        """The expression whose values become columns, and what these are called."""
        if not isinstance(tree, exp.In) or not tree.expressions:
            span = hull(*[span_of(part) for part in tree.find_all(exp.Identifier)])
            raise Unresolved("a PIVOT whose columns depend on the data: say which values with IN (…)", span)
        names = []
        for part in tree.expressions:
            bare = part.this if isinstance(part, exp.PivotAlias) else part
            if isinstance(part, exp.PivotAlias):
                names.append(part.args["alias"].name)
            elif isinstance(bare, exp.Literal):
                names.append(bare.name)
            elif isinstance(bare, exp.Null | exp.Boolean):
                names.append("NULL" if isinstance(bare, exp.Null) else str(bool(bare.this)).lower())
            else:
                raise Unresolved("a value of PIVOT that is not plain", span_of(bare))
        return self.resolver.expressions.resolve(tree.this, self.scope), names

    def _aggregates(self, using: Sequence[exp.Expr]) -> list[_Values]:
        if not using:
            return [_Values("", (), "BIGINT")]
        found = []
        for part in using:
            bare = part.this if isinstance(part, exp.Alias) else part
            value = self.resolver.expressions.resolve(bare, self.scope)
            if not has_aggregate(value):
                raise Unresolved("a PIVOT without an aggregate", value.span)
            suffix = part.alias if isinstance(part, exp.Alias) else ""
            if not suffix and len(using) > 1:
                suffix = name_of(bare, self.resolver.text, self.resolver.expressions.name_of)
            found.append(_Values(suffix, tuple(_reads(value)), type_of(value)))
        return found

    def _keys(self, group: exp.Expr | None, used: Sequence[Expression]) -> list[tuple[str, Expression]]:
        """The columns that group the rows: those that are named, else all that nothing else uses."""
        if group is not None:
            keys = []
            for part in group.expressions:
                value = self.resolver.expressions.resolve(part, self.scope)
                name = self.row.field(value.index).name if isinstance(value, Column) else part.name
                keys.append((name, value))
            return keys
        taken = {node.index for use in used for node in columns_in(use) if node.level == 0}
        span = self.row.relation.span
        return [
            (own.name, self.row.column(index, span))
            for index, own in enumerate(self.row.relation.fields)
            if index not in taken
        ]


class _Unpivot:
    def __init__(self, resolver: Resolver, row: Row, outer: Scope | None, nulls: bool) -> None:
        self.resolver = resolver
        self.row = row
        self.nulls = nulls
        self.scope = Scope.of(row, outer)

    def relation(self, columns: Sequence[exp.Expr], name: str, values: Sequence[str]) -> Relation:
        """The columns that stay, then the name of what each row comes from, then its values."""
        groups = [group for tree in columns for group in self._groups(tree)]
        if any(len(group) != len(values) for group in groups):
            raise Unresolved("an UNPIVOT of groups of different lengths", self.row.relation.span)
        taken = {node.index for group in groups for value in group for node in columns_in(value) if node.level == 0}
        span = self.row.relation.span
        kept = [i for i in range(len(self.row.relation.fields)) if i not in taken]
        fields = [*(self.row.field(index) for index in kept), Field(name, "VARCHAR")]
        sources: list[tuple[Expression, ...]] = [(self.row.column(index, span),) for index in kept]
        sources.append((Constant(span, None),))
        for position, value_name in enumerate(values):
            members = tuple(group[position] for group in groups)
            fields.append(Field(value_name, types.common([type_of(member) for member in members])))
            sources.append(members)
        made = () if self.nulls else tuple(range(len(fields) - len(values), len(fields)))
        return Reshaped(span, tuple(fields), self.row.relation, tuple(sources), (), False, made)

    def _groups(self, tree: exp.Expr) -> list[tuple[Expression, ...]]:
        """The columns that an item of the list names, taken together where it is a tuple."""
        if isinstance(tree, exp.Alias | exp.PivotAlias):
            tree = tree.this
        if isinstance(tree, exp.Tuple):
            return [tuple(self.resolver.expressions.many(tree.expressions, self.scope))]
        if self.resolver.stars.is_several(tree):
            return [(value,) for _, value in self.resolver.stars.expand_item(tree, None, self.scope)]
        return [(self.resolver.expressions.resolve(tree, self.scope),)]


def _reads(value: Expression) -> list[Expression]:
    """What the aggregates in an expression read."""
    if isinstance(value, AggregateCall):
        return inner(value)
    return [read for part in inner(value) for read in _reads(part)]
