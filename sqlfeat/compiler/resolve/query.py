"""A query of SQL as relations: SELECT, set operations, VALUES, CTEs.

The order in which a SELECT means what it says: FROM, WHERE, groups, HAVING, windows, QUALIFY, the list, DISTINCT,
ORDER BY with LIMIT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sqlfeat.compiler.algebra import (
    Column,
    Constant,
    Expression,
    Field,
    Limit,
    Project,
    Recursion,
    Recursive,
    Relation,
    Rows,
    SetOperation,
    SortKey,
    Span,
)
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.aliases import renamed
from sqlfeat.compiler.resolve.errors import Unresolved, hull
from sqlfeat.compiler.resolve.expressions import Expressions
from sqlfeat.compiler.resolve.grammar import refuse_more
from sqlfeat.compiler.resolve.nodes import span_of, type_of
from sqlfeat.compiler.resolve.scope import Scope
from sqlfeat.compiler.resolve.select import Select
from sqlfeat.compiler.resolve.sources import Sources
from sqlfeat.compiler.resolve.stars import Stars
from sqlfeat.compiler.resolve.windows import window_call

SEVERAL = (exp.Union, exp.Intersect, exp.Except)


@dataclass
class Cte:
    """A CTE: its text until it is used, then its relation; ``depth`` is that of the query that it is written in."""

    tree: exp.CTE
    scope: Scope | None
    known: Mapping[str, Cte]
    recursive: bool
    relation: Relation | None = None
    correlated: bool = False
    standing: Recursion | None = None

    @property
    def depth(self) -> int:
        return self.scope.depth + 1 if self.scope else 0


@dataclass
class Resolver:
    """Resolves the queries of one text; lives as long as :func:`sqlfeat.compiler.resolve.resolve` runs."""

    text: str
    nodes: Mapping[str, Sequence[Field]]
    reached: set[int] = field(default_factory=set)
    ctes: Mapping[str, Cte] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lowered = self.text.lower()
        self.expressions = Expressions(self)
        self.sources = Sources(self)
        self.stars = Stars(self)

    # -- what expressions ask ----------------------------------------------------------------------------------------

    def reach(self, depth: int) -> None:
        self.reached.add(depth)

    def subquery(self, tree: exp.Expr, scope: Scope) -> Relation:
        return self.query(tree, scope)

    def star(self, tree: exp.Expr, scope: Scope) -> list[tuple[str, Expression]]:
        return self.stars.expand(tree, scope)

    def window(self, tree: exp.Window, scope: Scope) -> Expression:
        return window_call(tree, scope, self.expressions, scope.windows)

    # -- queries -----------------------------------------------------------------------------------------------------

    def query(self, tree: exp.Expr, outer: Scope | None) -> Relation:
        """The relation of a query, evaluated for a row of ``outer``."""
        before = self.ctes
        try:
            self._declare(tree, outer)
            return self._body(tree, outer)
        finally:
            self.ctes = before

    def _body(self, tree: exp.Expr, outer: Scope | None) -> Relation:
        if isinstance(tree, exp.Select):
            return Select(self, tree, outer).relation()
        if isinstance(tree, SEVERAL):
            return self._ended(tree, self._set_operation(tree, outer), outer)
        if isinstance(tree, exp.Subquery):
            return self._ended(tree, self.sources.inside(tree, outer), outer)
        if isinstance(tree, exp.Values):
            return self.values(tree, outer)
        if isinstance(tree, exp.Pivot):
            return self.sources.statement(tree, outer)
        if isinstance(tree, exp.Table):
            return self.sources.alone(tree, outer)
        raise Unresolved(f"{type(tree).__name__} as a query", span_of(tree))

    def values(self, tree: exp.Values, outer: Scope | None) -> Rows:
        """Rows written out."""
        refuse_more(tree)
        scope = Scope.of(None, outer)
        rows = []
        for item in tree.expressions:
            members = item.expressions if isinstance(item, exp.Tuple) else [item]
            rows.append(tuple(self.expressions.many(members, scope)))
        width = len(rows[0])
        if any(len(row) != width for row in rows):
            raise Unresolved("rows of different lengths")
        kinds = [types.common([type_of(row[index]) for row in rows]) for index in range(width)]
        span = hull(*[value.span for row in rows for value in row])
        return Rows(span, tuple(Field(f"col{i}", kind) for i, kind in enumerate(kinds)), tuple(rows))

    # -- CTEs --------------------------------------------------------------------------------------------------------

    def _declare(self, tree: exp.Expr, outer: Scope | None) -> None:
        """Make the CTEs of a query known; each is resolved when it is first used."""
        clause = tree.args.get("with_")
        if clause is None:
            return
        refuse_more(clause)
        recursive = bool(clause.args.get("recursive"))
        known = dict(self.ctes)
        for cte in clause.expressions:
            if not isinstance(cte, exp.CTE):
                raise Unresolved("a CTE that cannot be read", span_of(cte))
            if cte.args.get("key_expressions"):
                raise Unresolved("a recursive CTE with USING KEY", span_of(cte.args["alias"].this))
            refuse_more(cte)
            known[cte.alias.casefold()] = Cte(cte, outer, dict(known), recursive)
        self.ctes = known

    def cte(self, name: str, span: Span, scope: Scope | None) -> Relation | None:
        """The relation of a CTE, the same object each time."""
        found = self.ctes.get(name.casefold())
        if found is None:
            return None
        if found.standing is not None:
            return found.standing
        if found.relation is None:
            self._resolve_cte(found)
        depth = scope.depth + 1 if scope else 0
        if found.correlated and depth != found.depth:
            raise Unresolved("a CTE that reads the row outside of its query, used deeper inside", span)
        return found.relation

    def _resolve_cte(self, cte: Cte) -> None:
        before, reached = self.ctes, self.reached
        self.ctes, self.reached = cte.known, set()
        try:
            body = cte.tree.this
            if cte.recursive and _mentions(body, cte.tree.alias):
                relation = self._recursive(cte)
            else:
                relation = self.query(body, cte.scope)
            cte.relation = renamed(relation, cte.tree)
            cte.correlated = any(depth < cte.depth for depth in self.reached)
        finally:
            self.ctes, self.reached = before, reached | self.reached

    def _recursive(self, cte: Cte) -> Relation:
        body = cte.tree.this
        if not isinstance(body, exp.Union) or _mentions(body.this, cte.tree.alias):
            raise Unresolved("a recursive CTE that is not `anchor UNION step`", span_of(cte.tree.args["alias"].this))
        if body.args.get("by_name"):
            raise Unresolved("a recursive CTE with BY NAME", span_of(cte.tree.args["alias"].this))
        refuse_more(body)
        self._declare(body, cte.scope)
        name = cte.tree.alias
        anchor = renamed(self.query(body.this, cte.scope), cte.tree)
        cte.standing = Recursion(anchor.span, anchor.fields, name)
        self.ctes = {**self.ctes, name.casefold(): cte}
        try:
            step = self.query(body.expression, cte.scope)
        finally:
            cte.standing = None
        if len(step.fields) != len(anchor.fields):
            raise Unresolved("sides of a recursive CTE with different numbers of columns", step.span)
        fields = tuple(
            Field(own.name, own.type if own.type == other.type else None)
            for own, other in zip(anchor.fields, step.fields, strict=True)
        )
        every = not body.args.get("distinct")
        return Recursive(hull(anchor.span, step.span), fields, name, anchor, step, every)

    # -- set operations ----------------------------------------------------------------------------------------------

    def _set_operation(self, tree: exp.Expr, outer: Scope | None) -> Relation:
        refuse_more(tree)
        left, right = self.query(tree.this, outer), self.query(tree.args["expression"], outer)
        if tree.args.get("by_name"):
            left, right = _by_name(left, right)
        if len(left.fields) != len(right.fields):
            raise Unresolved("sides of a set operation with different numbers of columns", right.span)
        kind = "union" if isinstance(tree, exp.Union) else "intersect" if isinstance(tree, exp.Intersect) else "except"
        fields = tuple(
            Field(one.name, types.common([one.type, other.type]))
            for one, other in zip(left.fields, right.fields, strict=True)
        )
        every = not tree.args.get("distinct")
        return SetOperation(hull(left.span, right.span), fields, left, right, kind, every)

    def _ended(self, tree: exp.Expr, relation: Relation, outer: Scope | None) -> Relation:
        """ORDER BY and LIMIT after a set operation or a query in parentheses."""
        if not (tree.args.get("limit") or tree.args.get("offset")):
            return relation
        keys: list[SortKey] = []
        order = tree.args.get("order")
        for key in order.expressions if order is not None else []:
            keys.append(_output_key(key, relation))
        return self.limited(tree, relation, tuple(keys))

    def limited(self, tree: exp.Expr, relation: Relation, order: tuple[SortKey, ...]) -> Relation:
        """LIMIT and OFFSET over rows in an order."""
        limit, offset = tree.args.get("limit"), tree.args.get("offset")
        if limit is not None:
            refuse_more(limit)
        if limit is None and offset is None:
            return relation
        if isinstance(limit, exp.Fetch):
            size = limit.args.get("count")
        else:
            size = limit.expression if limit is not None else None
        skipped = offset.expression if offset is not None else None
        for part in (size, skipped):
            if part is not None and not (isinstance(part, exp.Literal) and part.name.replace(".", "").isdigit()):
                raise Unresolved("a LIMIT that is not a number", span_of(part))
        options = limit.args.get("limit_options") if limit is not None else None
        share = options is not None and any(options.args.get(word) for word in ("percent", "with_ties"))
        count = int(size.name) if size is not None and size.name.isdigit() and not share else None
        start = int(skipped.name) if skipped is not None else 0
        return Limit(relation.span, relation.fields, relation, order, count, offset=start, share=share)


def _output_key(key: exp.Expr, relation: Relation) -> SortKey:
    """An item of a set operation's ORDER BY: an output column by number or name."""
    tree = key.this if isinstance(key, exp.Ordered) else key
    position = None
    if isinstance(tree, exp.Literal) and not tree.is_string and tree.name.isdigit():
        position = int(tree.name) - 1
    elif isinstance(tree, exp.Column) and not tree.table and not isinstance(tree.this, exp.Star):
        folded = tree.name.casefold()
        position = next((i for i, own in enumerate(relation.fields) if own.name.casefold() == folded), None)
    span = hull(*[span_of(part) for part in tree.find_all(exp.Identifier, exp.Literal)])
    if position is None or not 0 <= position < len(relation.fields):
        raise Unresolved("an ORDER BY of a set operation that is no output column", span)
    own = Column(span, position, 0, relation.fields[position].type)
    return SortKey(own, bool(key.args.get("desc")), bool(key.args.get("nulls_first")))


def _by_name(left: Relation, right: Relation) -> tuple[Relation, Relation]:
    """Both sides of BY NAME with the same columns in the same order; what one has not is null."""
    names = [own.name for own in left.fields]
    folded = {name.casefold() for name in names}
    names += [own.name for own in right.fields if own.name.casefold() not in folded]
    return _aligned(left, names), _aligned(right, names)


def _aligned(relation: Relation, names: Sequence[str]) -> Relation:
    index = {own.name.casefold(): i for i, own in reversed(list(enumerate(relation.fields)))}
    expressions: list[Expression] = []
    fields = []
    for name in names:
        position = index.get(name.casefold())
        if position is None:
            expressions.append(Constant(relation.span, None))
            fields.append(Field(name, '"NULL"'))
        else:
            kind = relation.fields[position].type
            expressions.append(Column(relation.span, position, 0, kind))
            fields.append(Field(name, kind))
    return Project(relation.span, tuple(fields), relation, tuple(expressions))


def _mentions(tree: exp.Expr, name: str) -> bool:
    """Whether a query reads a relation of this name."""
    return any(not table.db and table.name.casefold() == name.casefold() for table in tree.find_all(exp.Table))
