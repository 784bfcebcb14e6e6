"""Values with parts: lists, structs, maps, rows, and what takes a part out of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import Call, Constant, Expression, Field, Subquery
from sqlfeat.compiler.resolve import calls, types
from sqlfeat.compiler.resolve.errors import NOWHERE, hull
from sqlfeat.compiler.resolve.nodes import Handler, call, span_of, type_of
from sqlfeat.compiler.resolve.scope import Scope

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.expressions import Expressions


def _bracket(expressions: Expressions, tree: exp.Bracket, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    if len(tree.expressions) != 1:
        return expressions.unknown(tree, scope)
    index = tree.expressions[0]
    if isinstance(index, exp.Slice):
        ends = [index.this, index.expression]
        ends += [index.args["step"]] if index.args.get("step") is not None else []
        parts = [expressions.resolve(end, scope) if end is not None else Constant(NOWHERE, None) for end in ends]
        return Call(hull(inner.span, *[p.span for p in parts]), "[:]", (inner, *parts), type_of(inner))
    if isinstance(index, exp.Literal) and index.is_string:
        span = hull(inner.span, span_of(index))
        if types.is_struct(type_of(inner)):
            return expressions.field(inner, index.name, span)
        return call(span, "[]", [inner, Constant(span_of(index), index.name)])
    key = expressions.resolve(index, scope)
    if (
        key.span == NOWHERE
        and isinstance(key, Constant)
        and isinstance(key.value, int)
        and not isinstance(key.value, bool)
    ):
        key = Constant(NOWHERE, key.value + 1)  # sqlglot counts from nought, DuckDB from one
    return call(hull(inner.span, key.span), "[]", [inner, key])


def _array(expressions: Expressions, tree: exp.Array, scope: Scope) -> Expression:
    own = span_of(tree)
    if len(tree.expressions) == 1:
        only = tree.expressions[0]
        if isinstance(only, exp.Query):
            relation = expressions.queries.subquery(only, scope)
            item = relation.fields[0].type
            return Subquery(hull(own, relation.span), "array", relation, type=f"{item}[]" if item else None)
        if isinstance(only, exp.Comprehension):
            return _comprehension(expressions, only, scope)
    members = calls.in_order(expressions, tree.expressions, scope)
    return call(hull(own, *[member.span for member in members]), "list_value", members)


def _comprehension(expressions: Expressions, tree: exp.Comprehension, scope: Scope) -> Expression:
    source = expressions.resolve(tree.args["iterator"], scope)
    names = [tree.expression.name.casefold()]
    if tree.args.get("position") is not None:
        names.append(tree.args["position"].name.casefold())

    def inside(part: exp.Expr) -> Expression:
        values = calls.parameters("list_transform", names, source, ())
        return expressions.resolve(part, scope.with_parameters(dict(zip(names, values, strict=True))))

    condition = tree.args.get("condition")
    if condition is not None:
        keep = inside(condition)
        source = Call(hull(source.span, keep.span), "list_filter", (source, keep), type_of(source))
    body = inside(tree.this)
    return call(hull(source.span, body.span), "list_transform", [source, body])


def _struct(expressions: Expressions, tree: exp.Struct, scope: Scope) -> Expression:
    names, values = [], []
    for part in tree.expressions:
        named = isinstance(part, exp.PropertyEQ)
        names.append(part.this.name if named else part.alias_or_name)
        values.append(expressions.resolve(part.expression if named else part, scope))
    fields = [Field(name, type_of(value)) for name, value in zip(names, values, strict=True)]
    keys = [Constant(NOWHERE, name) for name in names]
    arguments: list[Expression] = []
    for key, value in zip(keys, values, strict=True):
        arguments += [key, value]
    span = hull(span_of(tree), *[value.span for value in values])
    return Call(span, "struct_pack", tuple(arguments), types.struct_of(fields))


def _tuple(expressions: Expressions, tree: exp.Tuple, scope: Scope) -> Expression:
    members = expressions.many(tree.expressions, scope)
    return Call(hull(*[member.span for member in members]), "row", tuple(members))


def _to_map(expressions: Expressions, tree: exp.ToMap, scope: Scope) -> Expression:
    parts: list[Expression] = []
    for pair in tree.this.expressions:
        parts += expressions.many([pair.this, pair.expression] if isinstance(pair, exp.PropertyEQ) else [pair], scope)
    return call(hull(*[part.span for part in parts]), "{}", parts)


def _unnest(expressions: Expressions, tree: exp.Expr, scope: Scope) -> Expression:
    """``unnest`` in a list; of a struct it is several columns, which only a SELECT's list can have."""
    inner = expressions.resolve(tree.this if tree.this is not None else tree.expressions[0], scope)
    return Call(hull(span_of(tree), inner.span), "unnest", (inner,), types.element(type_of(inner)))


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Bracket: _bracket,
    exp.Array: _array,
    exp.Struct: _struct,
    exp.Tuple: _tuple,
    exp.ToMap: _to_map,
    exp.Explode: _unnest,
    exp.Unnest: _unnest,
}
