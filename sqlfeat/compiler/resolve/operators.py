"""Literals, operators and what SQL has words for instead of functions: CASE, CAST, IN, BETWEEN, INTERVAL, EXTRACT."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import Call, Constant, Expression, Interval, Subquery
from sqlfeat.compiler.resolve import calls, literals, types
from sqlfeat.compiler.resolve.errors import NOWHERE, Unresolved, hull
from sqlfeat.compiler.resolve.functions import COMPARISONS, UNITS
from sqlfeat.compiler.resolve.nodes import Handler, call, json_path, span_of, type_of
from sqlfeat.compiler.resolve.scope import Scope

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.expressions import Expressions


def _literal(expressions: Expressions, tree: exp.Literal, scope: Scope) -> Expression:
    span = span_of(tree)
    return Constant(span, tree.name if tree.is_string else literals.number(tree.name))


def _boolean(expressions: Expressions, tree: exp.Boolean, scope: Scope) -> Expression:
    return Constant(NOWHERE, bool(tree.this))


def _null(expressions: Expressions, tree: exp.Null, scope: Scope) -> Expression:
    return Constant(NOWHERE, None)


def _raw(expressions: Expressions, tree: exp.RawString, scope: Scope) -> Expression:
    return Constant(span_of(tree), tree.name)


def _interval(expressions: Expressions, tree: exp.Interval, scope: Scope) -> Expression:
    amount, unit = tree.this, tree.args.get("unit")
    name = unit.name if unit is not None else None
    if isinstance(unit, exp.IntervalSpan) or amount is None:
        return expressions.unknown(tree, scope)
    bare = amount.this if isinstance(amount, exp.Paren) else amount
    negative = isinstance(bare, exp.Neg)
    literal = bare.this if negative else bare
    if isinstance(literal, exp.Literal):
        cut = "start" not in literal.meta  # sqlglot took number and unit out of the string, or the string is a number
        within = cut and tree.args.get("fraction_in_string")
        value = literals.interval(literal.name, name, whole=not within)
        if value is not None and not (cut and literals.has_odd_interval(expressions.text)):
            return Constant(span_of(literal), literals.negative(value) if negative else value, "INTERVAL")
        return Call(span_of(literal), "cast", (Constant(span_of(literal), literal.name),), "INTERVAL")
    inner = expressions.resolve(amount, scope)
    plural = f"to_{(name or 'unit').lower().removesuffix('s')}s"
    return Call(inner.span, plural, (inner,), "INTERVAL")


def _cast(expressions: Expressions, tree: exp.Cast, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    type_name = types.written(tree.args["to"])
    name = "try_cast" if isinstance(tree, exp.TryCast) else "cast"
    if isinstance(inner, Constant) and inner.type is None and type_name:
        plain, value = literals.cast(inner.value, type_name)
        if plain:
            return Constant(inner.span, value, type_name)
    return Call(inner.span, name, (inner,), type_name)


def _negative(expressions: Expressions, tree: exp.Neg, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    if isinstance(inner, Constant) and not isinstance(inner.value, bool):
        if isinstance(inner.value, Interval):
            return Constant(inner.span, literals.negative(inner.value), inner.type)
        if isinstance(inner.value, int | float | Decimal):
            return Constant(inner.span, -inner.value, inner.type)
    return call(inner.span, "neg", [inner])


def binary(expressions: Expressions, tree: exp.Expr, operator: str, scope: Scope) -> Expression:
    left, right = tree.this, tree.args["expression"]
    if operator in COMPARISONS and isinstance(right, exp.Any | exp.All):
        return _quantified(expressions, tree, operator, scope)
    if operator in ("->", "->>"):
        one = expressions.resolve(left, scope)
        path = json_path(right)
        other = Constant(NOWHERE, path) if path else expressions.resolve(right, scope)
    else:
        one, other = expressions.resolve(left, scope), expressions.resolve(right, scope)
    made: Expression = call(hull(one.span, other.span), operator, [one, other])
    return call(made.span, "not", [made]) if tree.args.get("negate") else made


def _quantified(expressions: Expressions, tree: exp.Expr, operator: str, scope: Scope) -> Expression:
    operand, right = expressions.resolve(tree.this, scope), tree.args["expression"]
    query = right.this
    if isinstance(query, exp.Paren):
        query = query.this
    kind = "any" if isinstance(right, exp.Any) else "all"
    if not isinstance(query, exp.Query):
        other = expressions.resolve(query, scope)
        span = hull(operand.span, other.span)
        return Call(span, f"{operator} {kind}", (operand, other), "BOOLEAN")
    relation = expressions.queries.subquery(query, scope)
    return Subquery(hull(operand.span, relation.span), kind, relation, operand, operator, "BOOLEAN")


def _not(expressions: Expressions, tree: exp.Not, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    if isinstance(tree.this, exp.Is) and isinstance(inner, Call) and inner.name == "is_null":
        return Call(inner.span, "is_not_null", inner.arguments, "BOOLEAN")
    return Call(inner.span, "not", (inner,), "BOOLEAN")


def _is(expressions: Expressions, tree: exp.Is, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    if isinstance(tree.expression, exp.Null):
        return Call(inner.span, "is_null", (inner,), "BOOLEAN")
    if isinstance(tree.expression, exp.Boolean):
        other = Constant(NOWHERE, bool(tree.expression.this))
        return Call(inner.span, "is_not_distinct", (inner, other), "BOOLEAN")
    return expressions.unknown(tree, scope)


def _in(expressions: Expressions, tree: exp.In, scope: Scope) -> Expression:
    operand = expressions.resolve(tree.this, scope)
    query = tree.args.get("query")
    if query is not None:
        relation = expressions.queries.subquery(query, scope)
        return Subquery(hull(operand.span, relation.span), "in", relation, operand, "=", "BOOLEAN")
    if tree.args.get("unnest") is not None:
        return expressions.unknown(tree, scope)
    field = tree.args.get("field")
    trees = [field] if field is not None else tree.expressions
    members = calls.in_order(expressions, trees, scope)
    name = "list_contains" if field is not None else "in"
    arguments = [*members, operand] if field is not None else [operand, *members]
    return Call(hull(operand.span, *[m.span for m in members]), name, tuple(arguments), "BOOLEAN")


def _between(expressions: Expressions, tree: exp.Between, scope: Scope) -> Expression:
    if tree.args.get("symmetric"):
        return expressions.unknown(tree, scope)
    parts = expressions.many([tree.this, tree.args["low"], tree.args["high"]], scope)
    return Call(hull(*[part.span for part in parts]), "between", tuple(parts), "BOOLEAN")


def _case(expressions: Expressions, tree: exp.Case, scope: Scope) -> Expression:
    operand = expressions.resolve(tree.this, scope) if tree.this is not None else None
    arguments: list[Expression] = []
    for branch in tree.args["ifs"]:
        condition = expressions.resolve(branch.this, scope)
        if operand is not None:
            condition = Call(hull(operand.span, condition.span), "=", (operand, condition), "BOOLEAN")
        arguments += [condition, expressions.resolve(branch.args["true"], scope)]
    default = tree.args.get("default")
    arguments.append(expressions.resolve(default, scope) if default is not None else Constant(NOWHERE, None))
    return call(hull(*[argument.span for argument in arguments]), "case", arguments)


def _if(expressions: Expressions, tree: exp.If, scope: Scope) -> Expression:
    condition, value = expressions.resolve(tree.this, scope), expressions.resolve(tree.args["true"], scope)
    other = tree.args.get("false")
    default = expressions.resolve(other, scope) if other is not None else Constant(NOWHERE, None)
    return call(hull(condition.span, value.span, default.span), "case", [condition, value, default])


def _at_time_zone(expressions: Expressions, tree: exp.AtTimeZone, scope: Scope) -> Expression:
    value, zone = expressions.resolve(tree.this, scope), expressions.resolve(tree.args["zone"], scope)
    return call(hull(value.span, zone.span), "timezone", [zone, value])


def _collate(expressions: Expressions, tree: exp.Collate, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    return Call(inner.span, "collate", (inner,), type_of(inner))


def _escape(expressions: Expressions, tree: exp.Escape, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    escape = expressions.resolve(tree.expression, scope)
    span = hull(inner.span, escape.span)
    like = inner.arguments[0] if isinstance(inner, Call) and inner.name == "not" else inner
    if not isinstance(like, Call) or like.name not in ("like", "ilike"):
        return expressions.unknown(tree, scope)
    made = Call(span, f"{like.name}_escape", (*like.arguments, escape), "BOOLEAN")
    return made if like is inner else Call(span, "not", (made,), "BOOLEAN")


def _extract(expressions: Expressions, tree: exp.Extract, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.expression, scope)
    if tree.this.name.lower() not in UNITS:
        raise Unresolved(f"{tree.this.name!r} as a part of a time", inner.span)
    return call(inner.span, "date_part", [Constant(NOWHERE, tree.this.name.lower()), inner])


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.RawString: _raw,
    exp.ByteString: _raw,
    exp.Interval: _interval,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Neg: _negative,
    exp.Not: _not,
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.Case: _case,
    exp.If: _if,
    exp.AtTimeZone: _at_time_zone,
    exp.Collate: _collate,
    exp.Escape: _escape,
    exp.Extract: _extract,
}
