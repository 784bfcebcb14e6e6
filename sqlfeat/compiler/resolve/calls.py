"""Functions, scalar ones and those of many rows.

They are told apart by the name that is written in the text, and their arguments are taken in the order of the text,
since sqlglot renames the ones and moves the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from sqlfeat.compiler.algebra import AggregateCall, Call, Constant, Expression, SortKey, Span
from sqlfeat.compiler.resolve import types
from sqlfeat.compiler.resolve.errors import NOWHERE, Unresolved, hull
from sqlfeat.compiler.resolve.functions import AGGREGATES, DEFAULTED, UNITS
from sqlfeat.compiler.resolve.grammar import refuse_more, where
from sqlfeat.compiler.resolve.nodes import Handler, call, json_path, span_of, type_of
from sqlfeat.compiler.resolve.results import result_type
from sqlfeat.compiler.resolve.rewrite import columns_in
from sqlfeat.compiler.resolve.scope import Scope

if TYPE_CHECKING:
    from sqlfeat.compiler.resolve.expressions import Expressions

_QUOTED = re.compile(r"\s*\(\s*'")
_LAMBDAS = {"list_transform": 1, "list_filter": 1, "list_reduce": 2}


def function(expressions: Expressions, tree: exp.Expr, scope: Scope, first: tuple[Expression, ...] = ()) -> Expression:
    """A function by the name that is written, with its arguments as they are written."""
    own = span_of(tree)
    name = expressions.name_of(tree)
    if name in AGGREGATES:
        made = aggregate(expressions, tree, name, own, scope, first)
        _refuse_outer(made)
        return made
    arguments = [*first, *_lambda_arguments(expressions, name, tree, scope, first)]
    if name == "struct_extract" and len(arguments) == 2:
        key = arguments[1]
        if isinstance(key, Constant) and isinstance(key.value, str):
            return expressions.field(arguments[0], key.value, hull(own, *[argument.span for argument in arguments]))
    return call(hull(own, *[argument.span for argument in arguments]), name, arguments)


def _refuse_outer(made: AggregateCall) -> None:
    """An aggregate of nothing but an outer query's columns is an aggregate of that query."""
    levels = {column.level for argument in made.arguments for column in columns_in(argument)}
    if levels and 0 not in levels:
        raise Unresolved("an aggregate over the columns of an outer query", made.span)


def _trees(tree: exp.Expr) -> list[exp.Expr]:
    """A function's arguments as sqlglot has them, without what it made up."""
    found: list[exp.Expr] = []
    defaulted = isinstance(tree, DEFAULTED)
    for key, value in tree.args.items():
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, exp.Expr):
                continue
            made_up = defaulted and isinstance(part, exp.Literal | exp.Boolean) and "start" not in part.meta
            if made_up or (key == "unit" and isinstance(part, exp.Var)):
                continue
            found.append(part)
    return found


def _unit(expressions: Expressions, tree: exp.Expr) -> list[Expression]:
    """The unit of date_trunc and the like, which sqlglot keeps apart from the arguments."""
    unit = tree.args.get("unit")
    if not isinstance(unit, exp.Var):
        return []
    plain = _QUOTED.match(expressions.text, span_of(tree).end) is not None
    if unit.name.lower() not in UNITS or not plain:
        raise Unresolved("a unit of time that is no literal", span_of(tree))
    return [Constant(NOWHERE, unit.name.lower())]


def _lambda_arguments(
    expressions: Expressions, name: str, tree: exp.Expr, scope: Scope, first: tuple[Expression, ...]
) -> list[Expression]:
    trees = _trees(tree)
    lambdas = [part for part in trees if isinstance(part, exp.Lambda)]
    if not lambdas:
        return [*_unit(expressions, tree), *in_order(expressions, trees, scope)]
    plain = in_order(expressions, [part for part in trees if not isinstance(part, exp.Lambda)], scope)
    source = [*first, *plain][0]
    bodies = []
    for part in lambdas:
        names = [parameter.name.casefold() for parameter in part.expressions]
        values = parameters(name, names, source, [*first, *plain][1:])
        bodies.append(expressions.resolve(part.this, scope.with_parameters(dict(zip(names, values, strict=True)))))
    return [*plain[: 1 - len(first)], *bodies, *plain[1 - len(first) :]]


def parameters(name: str, names: Sequence[str], source: Expression, others: Sequence[Expression]) -> list[Expression]:
    one = Call(source.span, "element", (source,), types.element(type_of(source)))
    elements = _LAMBDAS.get(name, 1)
    values: list[Expression] = [one]
    if elements == 2:
        values = [Call(source.span, "accumulated", (source, *others)), one]
    values = [*values, Call(source.span, "index", (source,), "BIGINT")]
    if len(names) > len(values):
        raise Unresolved(f"a lambda of {len(names)} parameters", source.span)
    return values[: len(names)]


def in_order(expressions: Expressions, trees: Sequence[exp.Expr], scope: Scope) -> list[Expression]:
    """Arguments in the order of the text."""
    found: list[tuple[int, Expression]] = []
    last = -1
    for tree in trees:
        if isinstance(tree, exp.Columns) and tree.args.get("unpack"):
            made = [node for _, node in expressions.queries.star(tree, scope)]
        elif isinstance(tree, exp.PropertyEQ | exp.Kwarg):
            raise Unresolved("a named argument", where(tree))
        elif isinstance(tree, exp.JSONPath):
            made = [Constant(NOWHERE, json_path(tree))]
        elif isinstance(tree, exp.Var):
            made = [Constant(span_of(tree), tree.name)]
        else:
            made = [expressions.resolve(tree, scope)]
        for node in made:
            last = node.span.start if node.span.start >= 0 else last
            found.append((last, node))
    return [node for _, node in sorted(found, key=lambda pair: pair[0])]


def _position(expressions: Expressions, tree: exp.StrPosition, scope: Scope) -> Expression:
    if "start" in tree.meta:
        return function(expressions, tree, scope)
    parts = expressions.many([tree.this, tree.args["substr"]], scope)
    return call(hull(*[part.span for part in parts]), "strpos", parts)


def _trim(expressions: Expressions, tree: exp.Trim, scope: Scope) -> Expression:
    """``trim(both 'x' from y)`` is ``trim(y, 'x')``."""
    parts = expressions.many([part for part in (tree.this, tree.expression) if part is not None], scope)
    side = str(tree.args.get("position") or "").lower()
    name = {"leading": "ltrim", "trailing": "rtrim"}.get(side, "trim")
    if span_of(tree).start >= 0:
        name = expressions.name_of(tree)
    return call(hull(span_of(tree), *[part.span for part in parts]), name, parts)


def aggregate(
    expressions: Expressions, tree: exp.Expr, name: str, own: Span, scope: Scope, first: tuple[Expression, ...] = ()
) -> AggregateCall:
    """An aggregate function with DISTINCT, ORDER BY and LIMIT inside its parentheses."""
    trees: list[exp.Expr] = []
    order: list[SortKey] = []
    distinct = ignore = False
    expressions.aggregates += 1
    waiting = _trees(tree)
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, exp.Order):
            order += [sort_key(expressions, key, scope) for key in part.expressions]
            waiting[:0] = [part.this] if part.this is not None else []
        elif isinstance(part, exp.Distinct):
            distinct = True
            waiting[:0] = part.expressions
        elif isinstance(part, exp.Limit):
            waiting[:0] = [part.this]
        elif isinstance(part, exp.IgnoreNulls | exp.RespectNulls):
            ignore = isinstance(part, exp.IgnoreNulls)
            waiting[:0] = [part.this]
        elif not isinstance(part, exp.Star):
            trees.append(part)
    lambdas = any(isinstance(part, exp.Lambda) for part in trees)
    if lambdas:
        raise Unresolved("a lambda inside an aggregate", own)
    arguments = (*first, *in_order(expressions, trees, scope))
    span = hull(own, *[argument.span for argument in arguments], *[key.expression.span for key in order])
    type_name = result_type(name, [type_of(argument) for argument in arguments], arguments)
    return AggregateCall(span, name, arguments, distinct, tuple(order), None, ignore, type_name)


def sort_key(expressions: Expressions, tree: exp.Expr, scope: Scope) -> SortKey:
    if isinstance(tree, exp.Ordered):
        refuse_more(tree)
    else:
        return SortKey(expressions.resolve(tree, scope))
    nulls_first = bool(tree.args.get("nulls_first"))
    return SortKey(expressions.resolve(tree.this, scope), bool(tree.args.get("desc")), nulls_first)


def _filter(expressions: Expressions, tree: exp.Filter, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    condition = expressions.resolve(tree.expression.this, scope)
    if not isinstance(inner, AggregateCall):
        return expressions.unknown(tree, scope)
    return AggregateCall(
        hull(inner.span, condition.span), inner.name, inner.arguments, inner.distinct, inner.order, condition,
        inner.ignore_nulls, inner.type,
    )  # fmt: skip


def _within_group(expressions: Expressions, tree: exp.WithinGroup, scope: Scope) -> Expression:
    inner = expressions.resolve(tree.this, scope)
    keys = [sort_key(expressions, key, scope) for key in tree.expression.expressions]
    if not isinstance(inner, AggregateCall) or len(keys) != 1:
        return expressions.unknown(tree, scope)
    key = keys[0]
    span = hull(inner.span, key.expression.span)
    arguments = (key.expression, *inner.arguments)
    type_name = result_type(inner.name, [type_of(argument) for argument in arguments], arguments)
    order = () if inner.name in ("quantile_cont", "quantile_disc") and not key.descending else (key,)
    return AggregateCall(span, inner.name, arguments, inner.distinct, order, inner.filter, False, type_name)


def _nulls(expressions: Expressions, tree: exp.Expr, scope: Scope) -> Expression:
    """IGNORE NULLS around a function."""
    inner = expressions.resolve(tree.this, scope)
    if not isinstance(inner, AggregateCall) or isinstance(tree.this, exp.AnyValue):
        return inner
    ignore = isinstance(tree, exp.IgnoreNulls)
    return AggregateCall(
        inner.span, inner.name, inner.arguments, inner.distinct, inner.order, inner.filter, ignore, inner.type
    )


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.StrPosition: _position,
    exp.Trim: _trim,
    exp.Filter: _filter,
    exp.WithinGroup: _within_group,
    exp.IgnoreNulls: _nulls,
    exp.RespectNulls: _nulls,
}
