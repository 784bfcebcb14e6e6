"""One expression of SQL over the row that it sees.

Every handler knows one kind of sqlglot's nodes; those of literals, operators, functions and of values with parts are in
modules of their own. Here are names, subqueries, and what is not understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlglot import exp

from sqlfeat.compiler.algebra import Call, Constant, Expression, Relation, Span, Subquery, Unknown
from sqlfeat.compiler.resolve import calls, nested, operators, types
from sqlfeat.compiler.resolve.errors import Unresolved, hull
from sqlfeat.compiler.resolve.functions import BINARY, RENAMED, UNNAMED
from sqlfeat.compiler.resolve.nodes import Handler, call, span_of, type_of
from sqlfeat.compiler.resolve.scope import Scope


class Queries(Protocol):
    """Whoever resolves whole queries: for subqueries, and for what a SELECT adds to its expressions."""

    text: str

    def subquery(self, tree: exp.Expr, scope: Scope) -> Relation: ...

    def window(self, tree: exp.Window, scope: Scope) -> Expression: ...

    def star(self, tree: exp.Expr, scope: Scope) -> list[tuple[str, Expression]]: ...

    def reach(self, depth: int) -> None: ...


class Expressions:
    """Resolves expressions; what belongs to whole queries is asked of ``queries``.

    ``aggregates`` counts the functions of many rows that were found so far, those of windows too.
    """

    def __init__(self, queries: Queries) -> None:
        self.queries = queries
        self.text = queries.text
        self.aggregates = 0

    def resolve(self, tree: exp.Expr, scope: Scope) -> Expression:
        handler = _HANDLERS.get(type(tree))
        if handler is not None:
            return handler(self, tree, scope)
        operator = BINARY.get(type(tree))
        if operator is not None and "start" not in tree.meta:
            return operators.binary(self, tree, operator, scope)
        if operator is not None or isinstance(tree, exp.Func):
            return calls.function(self, tree, scope)
        return self.unknown(tree, scope)

    def many(self, trees: Sequence[exp.Expr], scope: Scope) -> list[Expression]:
        return [self.resolve(tree, scope) for tree in trees]

    def _column(self, tree: exp.Column, scope: Scope) -> Expression:
        if isinstance(tree.this, exp.Star):
            raise Unresolved("a star inside an expression", span_of(tree.this))
        if isinstance(tree.this, exp.PositionalColumn):
            raise Unresolved("a column by its number", hull(*[span_of(part) for part in tree.find_all(exp.Identifier)]))
        parts = [part for part in (tree.args.get(key) for key in ("catalog", "db", "table", "this")) if part]
        return self.dotted(parts, scope)

    def dotted(self, parts: Sequence[exp.Expr], scope: Scope) -> Expression:
        """A dotted name: a column, and fields of it."""
        span = hull(*[span_of(part) for part in parts])
        names = [part.name for part in parts]
        found = scope.find(names, span)
        if found is None:
            niladic = _NILADIC.get(names[0].lower()) if len(names) == 1 and not parts[0].args.get("quoted") else None
            if niladic:
                return Call(span, niladic[0], (), niladic[1])
            raise Unresolved(f"no column {'.'.join(names)!r} here", span)
        self.queries.reach(found.depth)
        node = found.expression
        for name in names[found.taken :]:
            node = self.field(node, name, span)
        return node

    def field(self, node: Expression, name: str, span: Span) -> Expression:
        """A field of a struct."""
        known = type_of(node)
        if known is not None and not types.has_fields(known):
            raise Unresolved(f"{name!r} of a value without fields", span)
        if types.is_struct(known) and types.struct_field(known, name) is None:
            raise Unresolved(f"no field {name!r} here", span)
        if known is not None and known.startswith("MAP("):
            return call(span, "[]", [node, Constant(span, name)])
        field_type = types.struct_field(known, name)
        return Call(span, "struct_extract", (node, Constant(span, name)), field_type)

    def _identifier(self, tree: exp.Expr, scope: Scope) -> Expression:
        return self.dotted([tree], scope)

    def _dot(self, tree: exp.Dot, scope: Scope) -> Expression:
        parts = list(tree.flatten()) if not isinstance(tree.expression, exp.Func) else []
        if parts and all(isinstance(part, exp.Identifier) for part in parts):
            return self.dotted(parts, scope)
        if isinstance(tree.expression, exp.Func):
            return self._method(tree, scope)
        inner = self.resolve(tree.this, scope)
        name = tree.expression
        return self.field(inner, name.name, hull(inner.span, span_of(name)))

    def _method(self, tree: exp.Dot, scope: Scope) -> Expression:
        """``x.f(…)``: f with x as its first argument, unless x is a schema."""
        function = tree.expression
        prefix = tree.this
        if isinstance(prefix, exp.Identifier):
            if scope.find([prefix.name], span_of(prefix)) is None:
                if prefix.name.lower() in ("main", "pg_catalog", "system"):
                    return self.resolve(function, scope)
                return self.unknown(function, scope)  # somebody's own, in a schema of theirs
            first = self.dotted([prefix], scope)
        else:
            first = self.resolve(prefix, scope)
        return calls.function(self, function, scope, (first,))

    def _paren(self, tree: exp.Paren, scope: Scope) -> Expression:
        return self.resolve(tree.this, scope)

    def name_of(self, tree: exp.Expr) -> str:
        """What DuckDB calls a function: what is written, or the usual one of two names."""
        own = span_of(tree)
        if own.start >= 0:
            name = self.text[own.start : own.end].strip('"').lower()
            if name.isidentifier():
                return RENAMED.get(name, name)
        if type(tree) in UNNAMED:
            return UNNAMED[type(tree)]
        name = tree.name if isinstance(tree, exp.Anonymous) else tree.sql_name()  # type: ignore[attr-defined]
        return RENAMED.get(name.lower(), name.lower())

    def _subquery(self, tree: exp.Expr, scope: Scope) -> Expression:
        relation = self.queries.subquery(tree, scope)
        if len(relation.fields) == 1:
            return Subquery(relation.span, "scalar", relation, type=relation.fields[0].type)
        return Subquery(relation.span, "scalar", relation, type=types.struct_of(relation.fields))

    def _exists(self, tree: exp.Exists, scope: Scope) -> Expression:
        if not isinstance(tree.this, exp.Query):
            return self.unknown(tree, scope)
        relation = self.queries.subquery(tree.this, scope)
        return Subquery(relation.span, "exists", relation, type="BOOLEAN")

    def _window(self, tree: exp.Window, scope: Scope) -> Expression:
        return self.queries.window(tree, scope)

    def _columns(self, tree: exp.Expr, scope: Scope) -> Expression:
        found = self.queries.star(tree, scope)
        if len(found) != 1:
            raise Unresolved("several columns where one is meant", span_of(tree))
        return found[0][1]

    def _refused(self, tree: exp.Expr, scope: Scope) -> Expression:
        raise Unresolved(f"{type(tree).__name__} in SQL", span_of(tree))

    def unknown(self, tree: exp.Expr, scope: Scope) -> Expression:
        """What is not understood, with all that it reads."""
        inputs: list[Expression] = []
        for part in tree.iter_expressions():
            if isinstance(part, exp.DataType | exp.Var | exp.JSONPath):
                continue
            inputs.append(self.resolve(part, scope))
        return Unknown(hull(span_of(tree), *[part.span for part in inputs]), type(tree).__name__, tuple(inputs))


_NILADIC: Mapping[str, tuple[str, str | None]] = {
    "current_date": ("current_date", "DATE"), "current_timestamp": ("now", "TIMESTAMP WITH TIME ZONE"),
    "localtimestamp": ("localtimestamp", "TIMESTAMP"), "current_time": ("current_time", None),
    "localtime": ("localtime", None), "user": ("current_user", "VARCHAR"), "current_user": ("current_user", "VARCHAR"),
    "session_user": ("session_user", "VARCHAR"), "current_schema": ("current_schema", "VARCHAR"),
    "current_database": ("current_database", "VARCHAR"), "current_catalog": ("current_catalog", "VARCHAR"),
}  # fmt: skip

_HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Column: Expressions._column,
    exp.Identifier: Expressions._identifier,
    exp.Dot: Expressions._dot,
    exp.Paren: Expressions._paren,
    exp.Subquery: Expressions._subquery,
    exp.Select: Expressions._subquery,
    exp.Union: Expressions._subquery,
    exp.Intersect: Expressions._subquery,
    exp.Except: Expressions._subquery,
    exp.Exists: Expressions._exists,
    exp.Window: Expressions._window,
    exp.Columns: Expressions._columns,
    exp.Alias: Expressions._refused,
    exp.Aliases: Expressions._refused,
    exp.Placeholder: Expressions._refused,
    exp.Parameter: Expressions._refused,
    exp.PositionalColumn: Expressions._refused,
    exp.Star: Expressions._refused,
    exp.Lambda: Expressions._refused,
    **operators.HANDLERS,
    **calls.HANDLERS,
    **nested.HANDLERS,
}
