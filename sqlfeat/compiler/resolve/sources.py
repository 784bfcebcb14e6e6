"""FROM: relations, joins, and what stands to the left of what."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import (
    Call,
    Column,
    Expression,
    Field,
    Join,
    Limit,
    Relation,
    Rows,
    Scan,
    Span,
    TableFunction,
)
from sqlfeat.compiler.parse import node_of
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.aliases import renamed
from sqlfeat.compiler.resolve.errors import NOWHERE, Unresolved, hull
from sqlfeat.compiler.resolve.grammar import refuse_more, where
from sqlfeat.compiler.resolve.nodes import span_of, type_of
from sqlfeat.compiler.resolve.reshape import pivot_clause, pivot_statement
from sqlfeat.compiler.resolve.rewrite import Rewriter
from sqlfeat.compiler.resolve.scope import Binding, Merged, Row, Scope

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.query import Resolver

_KINDS = {"": "inner", "INNER": "inner", "CROSS": "cross", "SEMI": "semi", "ANTI": "anti", "OUTER": "inner"}
_SIDES = {"LEFT": "left", "RIGHT": "right", "FULL": "full"}


class Sources:
    """Resolves what FROM names."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver

    # -- the whole of FROM -------------------------------------------------------------------------------------------

    def row(self, tree: exp.Select, outer: Scope | None) -> Row:
        """The row that a SELECT's FROM gives."""
        clause = tree.args.get("from_")
        if clause is None:
            return Row(Rows(NOWHERE, (), ((),)), ())
        row = self._list(clause.this, tree.args.get("joins") or [], outer)
        sample = tree.args.get("sample")
        return replace(row, relation=_sampled(row.relation, sample)) if sample is not None else row

    def _list(self, first: exp.Expr, joins: Sequence[exp.Join], outer: Scope | None) -> Row:
        """A list of relations with commas between them; each may be a chain of joins."""
        chains: list[tuple[exp.Expr, list[exp.Join]]] = [(first, [])]
        for join in joins:
            if _is_comma(join):
                chains.append((join.this, []))
            else:
                chains[-1][1].append(join)
        row: Row | None = None
        for start, chain in chains:
            if row is None:
                row = self._chain(start, chain, outer)
            else:
                right, lateral = self._beside(row, outer, start, chain)
                row = _joined(row, right, "cross", None, lateral=lateral)
        assert row is not None
        return row

    def _chain(self, first: exp.Expr, joins: Sequence[exp.Join], outer: Scope | None) -> Row:
        row = self._item(first, outer)
        for join in [*(first.args.get("joins") or []), *joins] if isinstance(first, exp.Table) else joins:
            row = self._join(row, join, outer)
        return row

    def _beside(self, left: Row, outer: Scope | None, first: exp.Expr, joins: Sequence[exp.Join]) -> tuple[Row, bool]:
        """What stands to the right of a row, which it may read: then it is lateral."""
        plain = isinstance(first, exp.Table) and isinstance(first.this, exp.Identifier)
        if plain and not joins and not first.args.get("joins") and not first.args.get("pivots"):
            return self._chain(first, (), outer), False
        before, self.resolver.reached = self.resolver.reached, set()
        scope = Scope.of(left, outer)
        try:
            right = self._chain(first, joins, scope)
            reached = self.resolver.reached
        finally:
            self.resolver.reached = before | self.resolver.reached
        if scope.depth in reached:
            self.resolver.reached.discard(scope.depth)
            return right, True
        if any(depth < scope.depth for depth in reached):
            right = replace(right, relation=_nearer(right.relation))
        return right, False

    # -- joins -------------------------------------------------------------------------------------------------------

    def _join(self, left: Row, join: exp.Join, outer: Scope | None) -> Row:
        refuse_more(join)
        side, kind, method = (str(join.args.get(name) or "").upper() for name in ("side", "kind", "method"))
        if kind not in _KINDS or side not in ("", *_SIDES) or method not in ("", "NATURAL", "POSITIONAL", "ASOF"):
            raise Unresolved(f"a {side} {kind} {method} JOIN", span_of(join.this))
        right, lateral = self._beside(left, outer, join.this, ())
        name = _SIDES.get(side) or ("positional" if method == "POSITIONAL" else _KINDS[kind])
        merged, condition = self._condition(left, right, join, name, outer, natural=method == "NATURAL")
        row = _joined(left, right, name, condition, lateral=lateral, asof=method == "ASOF")
        return replace(row, merged=merged) if merged is not None else row

    def _condition(
        self, left: Row, right: Row, join: exp.Join, kind: str, outer: Scope | None, *, natural: bool
    ) -> tuple[tuple[Merged, ...] | None, Expression | None]:
        using = [(part.name, span_of(part)) for part in join.args.get("using") or []]
        if natural:
            names = [name for name in _names(left) if any(n.casefold() == name.casefold() for n in _names(right))]
            using = [(name, span_of(join.this)) for name in dict.fromkeys(names)]
            if not using:
                raise Unresolved("a NATURAL JOIN of relations without a common column", span_of(join.this))
        if using:
            return self._using(left, right, using, kind, asof=str(join.args.get("method") or "").upper() == "ASOF")
        on = join.args.get("on")
        if on is None:
            return None, None
        both = _joined(left, right, "inner", None)
        return None, self.resolver.expressions.resolve(on, Scope.of(both, outer))

    def _using(
        self, left: Row, right: Row, using: Sequence[tuple[str, Span]], kind: str, *, asof: bool
    ) -> tuple[tuple[Merged, ...], Expression]:
        """USING: the condition, and the columns that have become one."""
        width = len(left.relation.fields)
        groups = [*left.merged, *(_shifted(own, width) for own in right.merged)]
        both = _joined(left, right, "inner", None)
        conditions: list[Expression] = []
        for index, (name, span) in enumerate(using):
            one, other = left.named(name.casefold(), span), right.named(name.casefold(), span)
            if one is None or other is None:
                raise Unresolved(f"no column {name!r} on both sides", span)
            own, others = _group(left, name, 0), _group(right, name, width)
            operator = ">=" if asof and index == len(using) - 1 else "="
            sides = [both.merged_column(group, span) for group in (own, others)]
            conditions.append(Call(span, operator, tuple(sides), "BOOLEAN"))
            groups = [group for group in groups if group.name != own.name]
            parts = {"right": others.parts, "full": (*own.parts, *others.parts)}.get(kind, own.parts)
            if kind in ("semi", "anti"):
                groups.append(own)
            else:
                groups.append(Merged(own.name, own.positions | others.positions, parts))
        if kind in ("semi", "anti"):
            groups = list(left.merged)
        condition = conditions[0]
        if len(conditions) > 1:
            condition = Call(hull(*[part.span for part in conditions]), "and", tuple(conditions), "BOOLEAN")
        return tuple(groups), condition

    # -- one relation ------------------------------------------------------------------------------------------------

    def _item(self, tree: exp.Expr, outer: Scope | None) -> Row:
        """One relation of FROM under its name."""
        if isinstance(tree, exp.Table | exp.Subquery | exp.Lateral | exp.Unnest | exp.Values):
            refuse_more(tree)
        if isinstance(tree, exp.Table):
            row = self._table(tree, outer)
        elif isinstance(tree, exp.Subquery):
            row = self._subquery(tree, outer)
        elif isinstance(tree, exp.Lateral):
            row = self._lateral(tree, outer)
        elif isinstance(tree, exp.Unnest):
            row = self._function_row(tree, self._unnest(tree, outer), "unnest")
        elif isinstance(tree, exp.Values):
            row = self.bound(self.resolver.values(tree, outer), tree, "")
        else:
            raise Unresolved(f"{type(tree).__name__} in FROM", span_of(tree))
        for pivot in tree.args.get("pivots") or []:
            relation = pivot_clause(self.resolver, row, pivot, outer)
            row = self.bound(relation, pivot, row.bindings[0].name if row.bindings else "")
        sample = tree.args.get("sample")
        return replace(row, relation=_sampled(row.relation, sample)) if sample is not None else row

    def bound(self, relation: Relation, tree: exp.Expr, name: str, schema: str = "") -> Row:
        """A relation under the alias that a tree gives it, else under a name of its own."""
        alias = tree.args.get("alias")
        spelled = alias.name if isinstance(alias, exp.TableAlias) and alias.this is not None else ""
        relation = renamed(relation, tree)
        return Row(relation, (Binding.of(spelled or name, relation.fields, "" if spelled else schema),))

    def _table(self, tree: exp.Table, outer: Scope | None) -> Row:
        if tree.args.get("ordinality"):
            raise Unresolved("WITH ORDINALITY of this", where(tree))
        if isinstance(tree.this, exp.Func):
            name = self.resolver.expressions.name_of(tree.this)
            relation = self._table_function(tree.this, name, outer)
            return self._function_row(tree, relation, name)
        span = hull(*[span_of(part) for part in (tree.args.get("db"), tree.this) if part is not None])
        node = node_of(tree)
        if node is not None:
            try:
                fields = self.resolver.nodes[node]
            except KeyError as error:
                raise Unresolved(f"the columns of {node} are not known", span) from error
            return self.bound(Scan(span, tuple(fields), node), tree, tree.name, tree.db)
        if not tree.db:
            found = self.resolver.cte(tree.name, span, outer)
            if found is not None:
                return self.bound(found, tree, tree.name)
            with contextlib.suppress(KeyError):  # a model by its bare name: only where the engine has not been asked
                node = f"ref.{tree.name}"
                return self.bound(Scan(span, tuple(self.resolver.nodes[node]), node), tree, tree.name)
        raise Unresolved(f"{tree.name!r} is neither a ref(), a source() nor a CTE", span)

    def _subquery(self, tree: exp.Subquery, outer: Scope | None) -> Row:
        inside = tree.this
        if isinstance(inside, exp.Table | exp.Values | exp.Lateral | exp.Unnest) and not tree.args.get("with_"):
            row = self._chain(inside, tree.args.get("joins") or [], outer)
            return self.bound(row.relation, tree, "") if tree.args.get("alias") else row
        relation = self.resolver.query(inside, outer) if not _is_ended(tree) else self.resolver.query(tree, outer)
        row = self.bound(relation, tree, "")
        for join in tree.args.get("joins") or []:
            row = self._join(row, join, outer)
        return row

    def inside(self, tree: exp.Subquery, outer: Scope | None) -> Relation:
        """The relation of a query in parentheses."""
        inside = tree.this
        if tree.args.get("joins") or (isinstance(inside, exp.Table) and inside.args.get("joins")):
            raise Unresolved("a join in parentheses as a query", span_of(inside))
        return self.resolver.query(inside, outer)

    def alone(self, tree: exp.Table, outer: Scope | None) -> Relation:
        """A relation that is a query by itself."""
        return self._chain(tree, (), outer).relation

    def statement(self, tree: exp.Pivot, outer: Scope | None) -> Relation:
        """PIVOT or UNPIVOT as a query."""
        return pivot_statement(self.resolver, self._item(tree.this, outer), tree, outer)

    def _lateral(self, tree: exp.Lateral, outer: Scope | None) -> Row:
        inside = tree.this
        if isinstance(inside, exp.Subquery):
            return self.bound(self.resolver.query(inside.this, outer), tree, "")
        if isinstance(inside, exp.Unnest | exp.Explode):
            return self._function_row(tree, self._unnest(inside, outer), "unnest")
        if isinstance(inside, exp.Func):
            name = self.resolver.expressions.name_of(inside)
            return self._function_row(tree, self._table_function(inside, name, outer), name)
        raise Unresolved("LATERAL of this", span_of(inside))

    # -- functions ---------------------------------------------------------------------------------------------------

    def _function_row(self, tree: exp.Expr, relation: Relation, name: str) -> Row:
        """A function under its alias, which is also the name of its one column; the function's own is still heard."""
        alias = tree.args.get("alias")
        names = alias.args.get("columns") or [] if isinstance(alias, exp.TableAlias) else []
        if isinstance(alias, exp.TableAlias) and alias.this is not None and not names:
            first, *rest = relation.fields
            relation = replace(relation, fields=(Field(alias.name, first.type), *rest))
            row = self.bound(relation, tree, name)
            [binding] = row.bindings
            return replace(row, bindings=(replace(binding, names={name: 0, **binding.names}),))
        return self.bound(relation, tree, name)

    def _table_function(self, tree: exp.Expr, name: str, outer: Scope | None) -> Relation:
        if name in ("unnest", "explode"):
            return self._unnest(tree, outer)
        if name not in ("range", "generate_series"):
            raise Unresolved(f"the columns that {name}() gives are not known", span_of(tree))
        made = self.resolver.expressions.resolve(tree, Scope.of(None, outer))
        arguments = made.arguments if isinstance(made, Call) else ()
        kinds = {type_of(argument) for argument in arguments}
        kind = "BIGINT" if kinds <= {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"} else None
        first = type_of(arguments[0]) if arguments else None
        if first in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
            kind = first
        return TableFunction(made.span, (Field(name, kind),), name, arguments)

    def _unnest(self, tree: exp.Expr, outer: Scope | None) -> Relation:
        """``unnest(list)`` in FROM; of several lists several columns."""
        scope = Scope.of(None, outer)
        trees = tree.expressions if isinstance(tree, exp.Unnest) else [tree.this]
        arguments = self.resolver.expressions.many(trees, scope)
        fields = []
        for argument in arguments:
            known = type_of(argument)
            if not types.is_list(known) and not (isinstance(argument, Call) and argument.name == "list_value"):
                raise Unresolved("unnest of what may be no list", argument.span)
            fields.append(Field("unnest", types.element(known)))
        if len(arguments) != 1:
            raise Unresolved("unnest of several lists in FROM", span_of(tree))
        if tree.args.get("offset"):
            offset = tree.args["offset"]
            fields.append(Field(offset.name if isinstance(offset, exp.Expr) else "ordinality", "BIGINT"))
        span = hull(span_of(tree), *[argument.span for argument in arguments])
        return TableFunction(span, tuple(fields), "unnest", tuple(arguments))


def _is_comma(join: exp.Join) -> bool:
    return not any(join.args.get(name) for name in ("on", "using", "side", "kind", "method"))


def _is_ended(tree: exp.Subquery) -> bool:
    return any(tree.args.get(name) for name in ("limit", "offset", "with_", "order"))


def _names(row: Row) -> list[str]:
    return [own.name for binding in row.bindings for own in binding.fields]


def _group(row: Row, name: str, shift: int) -> Merged:
    """The columns that a bare name means on one side, by their position in the joined row."""
    folded = name.casefold()
    merged = row.group(folded)
    if merged is None:
        position = next(p for p in (binding.position(folded) for binding in row.bindings) if p is not None)
        merged = Merged(folded, frozenset({position}), (position,))
    return _shifted(merged, shift)


def _shifted(merged: Merged, by: int) -> Merged:
    if not by:
        return merged
    return Merged(merged.name, frozenset(p + by for p in merged.positions), tuple(p + by for p in merged.parts))


def _joined(
    left: Row, right: Row, kind: str, condition: Expression | None, *, lateral: bool = False, asof: bool = False
) -> Row:
    width = len(left.relation.fields)
    one_sided = kind in ("semi", "anti")
    fields = left.relation.fields if one_sided else (*left.relation.fields, *right.relation.fields)
    span = hull(left.relation.span, right.relation.span, *([condition.span] if condition is not None else []))
    relation = Join(span, fields, left.relation, right.relation, kind, condition, asof, lateral)
    if one_sided:
        return Row(relation, left.bindings, left.merged)
    bindings = (*left.bindings, *(replace(own, start=own.start + width) for own in right.bindings))
    return Row(relation, bindings, (*left.merged, *(_shifted(own, width) for own in right.merged)))


def _nearer(relation: Relation) -> Relation:
    """The relation where the row next to it is no longer counted, since it does not read it."""

    def instead(node: Expression, level: int) -> Expression | None:
        if isinstance(node, Column) and node.level > level:
            return replace(node, level=node.level - 1)
        return None

    return Rewriter(instead).relation(relation, 1)


def _sampled(relation: Relation, sample: exp.Expr) -> Relation:
    size = sample.args.get("size")
    count = int(size.name) if isinstance(size, exp.Literal) and size.name.isdigit() else None
    return Limit(relation.span, relation.fields, relation, (), count, True)
