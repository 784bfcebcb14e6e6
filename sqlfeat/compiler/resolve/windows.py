"""Window functions: OVER, named windows, frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from sqlfeat.compiler.algebra import (
    AggregateCall,
    Bound,
    Constant,
    Expression,
    Frame,
    Interval,
    SortKey,
    WindowCall,
)
from sqlfeat.compiler.resolve import calls
from sqlfeat.compiler.resolve.errors import Unresolved, hull
from sqlfeat.compiler.resolve.expressions import Expressions
from sqlfeat.compiler.resolve.grammar import refuse_more
from sqlfeat.compiler.resolve.nodes import span_of
from sqlfeat.compiler.resolve.scope import Scope

Windows = Mapping[str, exp.Expr]
_UNBOUNDED = Bound(False, None)
_CURRENT = Bound(False, 0)


@dataclass
class _Over:
    """What OVER says, a window that it names included."""

    partition: tuple[Expression, ...] = ()
    order: tuple[SortKey, ...] = ()
    spec: exp.Expr | None = None


def window_call(tree: exp.Window, scope: Scope, expressions: Expressions, named: Windows) -> WindowCall:
    """A function OVER a window."""
    refuse_more(tree)
    function = _function(tree.this, scope, expressions)
    over = _over(tree, scope, expressions, named)
    frame = _frame(over.spec, scope, expressions) if over.spec is not None else _default(bool(over.order))
    parts = [*over.partition, *(key.expression for key in over.order)]
    parts += [b.offset for b in (frame.start, frame.end) if isinstance(b.offset, Expression)]
    span = hull(function.span, *[part.span for part in parts])
    return WindowCall(span, function, over.partition, over.order, frame, function.type)


def _function(tree: exp.Expr, scope: Scope, expressions: Expressions) -> AggregateCall:
    """What stands before OVER: an aggregate, or a function that only windows have."""
    if isinstance(tree, exp.IgnoreNulls | exp.RespectNulls):
        inner = _function(tree.this, scope, expressions)
        ignore = isinstance(tree, exp.IgnoreNulls) and not isinstance(tree.this, exp.AnyValue)
        return replace(inner, ignore_nulls=ignore)
    if isinstance(tree, exp.Filter):
        inner = _function(tree.this, scope, expressions)
        condition = expressions.resolve(tree.expression.this, scope)
        return replace(inner, span=hull(inner.span, condition.span), filter=condition)
    if isinstance(tree, exp.WithinGroup):
        found = expressions.resolve(tree, scope)
        if isinstance(found, AggregateCall):
            return found
    if not isinstance(tree, exp.Func):
        raise Unresolved("what stands before OVER", span_of(tree))
    return calls.aggregate(expressions, tree, expressions.name_of(tree), span_of(tree), scope)


def _over(tree: exp.Expr, scope: Scope, expressions: Expressions, named: Windows) -> _Over:
    base = _Over()
    alias = tree.args.get("alias")
    if alias is not None:
        window = named.get(alias.name.casefold())
        if window is None:
            raise Unresolved(f"no window {alias.name!r}", span_of(alias))
        rest = {name: own for name, own in named.items() if name != alias.name.casefold()}
        base = _over(window, scope, expressions, rest)
    partition = tuple(expressions.many(tree.args.get("partition_by") or [], scope))
    order = tree.args.get("order")
    keys = tuple(calls.sort_key(expressions, key, scope) for key in order.expressions) if order is not None else ()
    return _Over(partition or base.partition, keys or base.order, tree.args.get("spec") or base.spec)


def _default(ordered: bool) -> Frame:
    return Frame("range", _UNBOUNDED, _CURRENT if ordered else Bound(True, None))


def _frame(spec: exp.Expr, scope: Scope, expressions: Expressions) -> Frame:
    refuse_more(spec)
    unit = str(spec.args.get("kind") or "range").lower()
    start = _bound(spec.args.get("start"), spec.args.get("start_side"), scope, expressions)
    if spec.args.get("end") is None:
        end = _CURRENT
    else:
        end = _bound(spec.args.get("end"), spec.args.get("end_side"), scope, expressions)
    exclude = spec.args.get("exclude")
    words = exclude.name if isinstance(exclude, exp.Expr) else exclude
    spelled = str(words).lower() if words else None
    return Frame(unit, start, end, None if spelled == "no others" else spelled)


def _bound(value: exp.Expr | str | None, side: str | None, scope: Scope, expressions: Expressions) -> Bound:
    following = str(side or "").lower() == "following"
    if isinstance(value, str) or value is None:
        word = str(value or "").upper()
        if word == "CURRENT ROW":
            return _CURRENT
        if word == "UNBOUNDED":
            return Bound(following, None)
        raise Unresolved(f"a frame that begins or ends with {word!r}")
    offset = expressions.resolve(value, scope)
    if isinstance(offset, Constant) and isinstance(offset.value, int | float | Interval):
        return Bound(following, offset.value)
    return Bound(following, offset)
