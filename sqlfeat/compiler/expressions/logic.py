"""Comparisons, truth of three values, and what chooses between values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlfeat.compiler.expressions import types
from sqlfeat.compiler.expressions.casts import cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import numbers as running
from sqlfeat.compiler.expressions.running.intervals import normalized
from sqlfeat.compiler.expressions.typed import (
    NULL,
    Call,
    Choice,
    Constant,
    First,
    Junction,
    Node,
    call,
    is_null,
    settled,
)
from sqlfeat.compiler.expressions.types import (
    BOOLEAN,
    DATE,
    FLOATS,
    INSTANTS,
    INTEGERS,
    INTERVAL,
    TEXT,
    TIME,
)  # fmt: skip

_SIGNS = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_ORDERED = (TEXT, BOOLEAN, DATE, TIME, *INSTANTS)


def compare(operator: str, left: Node, right: Node) -> Node:
    """``= <> < <= > >=`` of two values."""
    if is_null(left) or is_null(right):
        _comparable((left, right), operator)
        return Constant(BOOLEAN, None)
    kind = _comparable((left, right), operator)
    return _compared(operator, _as(left, kind), _as(right, kind), kind)


def _comparable(nodes: Sequence[Node], what: str) -> str:
    """The type in which values are compared."""
    kind = types.common(nodes, what, compared=True)
    if kind == NULL:
        return kind
    if kind not in _ORDERED and kind != INTERVAL and not types.is_number(kind):
        raise NotCompiled(f"{what} of {kind}")
    if kind == TEXT and any(node.type not in (TEXT, NULL) for node in nodes):
        raise NotCompiled(f"{what} of text and something else")
    return kind


def _as(node: Node, kind: str) -> Node:
    """A value in the type of a comparison; whole numbers need none, since Python's are exact."""
    if node.type in INTEGERS and kind in INTEGERS:
        return settled(node)
    return settled(cast(node, kind))


def _compared(operator: str, left: Node, right: Node, kind: str) -> Node:
    sign = _SIGNS[operator]
    if kind == INTERVAL:
        return call(BOOLEAN, f"{{h0}}({{0}}) {sign} {{h0}}({{1}})", left, right, held=(normalized,))
    if kind not in FLOATS:
        return call(BOOLEAN, f"{{0}} {sign} {{1}}", left, right)
    return call(BOOLEAN, _float_template(operator, left, right), left, right)


def _float_template(operator: str, left: Node, right: Node) -> str:
    """NaN equals NaN and is greater than all else. A constant that is none needs less."""
    sign = _SIGNS[operator]
    plain_left, plain_right = _never_nan(left), _never_nan(right)
    if plain_left and plain_right:
        return f"{{0}} {sign} {{1}}"
    if operator in ("=", "<>"):
        if plain_left or plain_right:
            return f"{{0}} {sign} {{1}}"
        equal = "({0} == {1} or ({0} != {0} and {1} != {1}))"
        return equal if operator == "=" else f"not {equal}"
    if operator in (">", ">="):
        if plain_left:
            return f"{{0}} {sign} {{1}}"
        if plain_right:
            return f"({{0}} {sign} {{1}} or {{0}} != {{0}})"
        if operator == ">=":
            return "({0} >= {1} or {0} != {0})"
        return "({0} > {1} or ({0} != {0} and {1} == {1}))"
    if plain_right:
        return f"{{0}} {sign} {{1}}"
    if plain_left:
        return f"({{0}} {sign} {{1}} or {{1}} != {{1}})"
    if operator == "<=":
        return "({0} <= {1} or {1} != {1})"
    return "({0} < {1} or ({1} != {1} and {0} == {0}))"


def _never_nan(node: Node) -> bool:
    if isinstance(node, Constant):
        return bool(node.value == node.value)
    return isinstance(node, Call) and node.python == "float({0})"


# -- truth -------------------------------------------------------------------------------------------------------------


def condition(node: Node) -> Node:
    """A value as a condition."""
    if node.type == BOOLEAN:
        return node
    if node.type == NULL:
        return Constant(BOOLEAN, None)
    if node.type in INTEGERS:
        return cast(settled(node), BOOLEAN)
    raise NotCompiled(f"{node.type} as a condition")


def junction(word: str, left: Node, right: Node) -> Node:
    parts: list[Node] = []
    for node in map(condition, (left, right)):
        parts += node.arguments if isinstance(node, Junction) and node.word == word else [node]
    return Junction(BOOLEAN, word, tuple(parts))


def negation(node: Node) -> Node:
    return call(BOOLEAN, "not {0}", condition(node))


def null_test(node: Node, *, negated: bool) -> Node:
    if isinstance(node, Constant):
        return Constant(BOOLEAN, (node.value is None) != negated)
    template = "{0} is not None" if negated else "{0} is None"
    return Call(BOOLEAN, template, (settled(node),), strict=False)


def truth_test(node: Node, value: bool, *, negated: bool) -> Node:
    if isinstance(node, Constant):
        return Constant(BOOLEAN, (condition(node).value is value) != negated)  # type: ignore[union-attr]
    template = f"{{0}} is {'not ' if negated else ''}{value}"
    return Call(BOOLEAN, template, (condition(node),), strict=False)


def distinct(left: Node, right: Node, *, negated: bool) -> Node:
    """IS [NOT] DISTINCT FROM."""
    if is_null(left) or is_null(right):
        return null_test(right if is_null(left) else left, negated=not negated)
    kind = _comparable((left, right), "IS DISTINCT FROM")
    one, other = _as(left, kind), _as(right, kind)
    if kind == INTERVAL:
        raise NotCompiled("IS DISTINCT FROM of intervals")
    equal = "({0} == {1} or ({0} != {0} and {1} != {1}))" if kind in FLOATS else "{0} == {1}"
    return Call(BOOLEAN, equal if negated else f"not ({equal})", (one, other), strict=False)


def between(value: Node, low: Node, high: Node) -> Node:
    kind = _comparable((value, low, high), "BETWEEN")
    if is_null(value):
        return Constant(BOOLEAN, None)
    value, low, high = (node if is_null(node) else _as(node, kind) for node in (value, low, high))
    parts = [
        Constant(BOOLEAN, None) if is_null(one) or is_null(other) else _compared(sign, one, other, kind)
        for sign, one, other in ((">=", value, low), ("<=", value, high))
    ]
    return Junction(BOOLEAN, "and", tuple(parts))


def member(value: Node, others: Sequence[Node]) -> Node:
    """IN (…)."""
    kind = _comparable((value, *others), "IN")
    if is_null(value):
        return Constant(BOOLEAN, None)
    value = _as(value, kind)
    made = [None if is_null(node) else _as(node, kind) for node in others]
    values = [node.value for node in made if isinstance(node, Constant)]
    if len(values) == len([node for node in made if node]) and kind not in (*FLOATS, INTERVAL) and values:
        found: Node = call(BOOLEAN, "{0} in {h0}", value, held=(frozenset(values),))
        return found if None not in made else Junction(BOOLEAN, "or", (found, Constant(BOOLEAN, None)))
    parts = [Constant(BOOLEAN, None) if node is None else _compared("=", value, node, kind) for node in made]
    return parts[0] if len(parts) == 1 else Junction(BOOLEAN, "or", tuple(parts))


# -- choices -----------------------------------------------------------------------------------------------------------


def choice(branches: Sequence[tuple[Node, Node]], default: Node) -> Node:
    """CASE."""
    values = [*(value for _, value in branches), default]
    kind = _together(values, "CASE")
    made = tuple((condition(test), _choose(value, kind)) for test, value in branches)
    return Choice(kind, made, _choose(default, kind))


def _together(values: Sequence[Node], what: str) -> str:
    kind = types.common(values, what)
    if kind == NULL:
        raise NotCompiled(f"{what} of nothing but NULL")
    return kind


def _choose(node: Node, kind: str) -> Node:
    return Constant(kind, None) if is_null(node) else settled(cast(node, kind))


def first(arguments: list[Node]) -> Node:
    """COALESCE."""
    if not arguments:
        raise NotCompiled("coalesce of nothing")
    kind = _together(arguments, "coalesce")
    made = [_choose(node, kind) for node in arguments if not is_null(node)]
    return made[0] if len(made) == 1 else First(kind, tuple(made))


def null_if(arguments: list[Node]) -> Node:
    if len(arguments) != 2:
        raise NotCompiled(f"nullif of {len(arguments)} arguments")
    left, right = arguments
    if left.type == NULL:
        raise NotCompiled("nullif of NULL")
    own = settled(left)
    equal = compare("=", left, right)
    return Choice(own.type, ((equal, Constant(own.type, None)),), own)


def extreme(name: str) -> Callable[[list[Node]], Node]:
    """greatest, least: of the values that are not NULL."""
    functions: tuple[Callable[..., Any], Callable[..., Any]] = (running.least, running.least_float)
    if name == "greatest":
        functions = (running.greatest, running.greatest_float)

    def bind(arguments: list[Node]) -> Node:
        if not arguments:
            raise NotCompiled(f"{name} of nothing")
        kind = _together(arguments, name)
        if kind not in _ORDERED and not types.is_number(kind):
            raise NotCompiled(f"{name} of {kind}")
        made = tuple(_choose(node, kind) for node in arguments)
        function = functions[kind in FLOATS]
        found = Call(kind, function, made, strict=False, total=False)
        return call(kind, "{0} + 0.0", found) if kind == "FLOAT" else found  # a FLOAT loses the sign of its zero

    return bind


def when(arguments: list[Node]) -> Node:
    """``if(condition, value, otherwise)``."""
    if len(arguments) not in (2, 3):
        raise NotCompiled(f"if of {len(arguments)} arguments")
    default = arguments[2] if len(arguments) == 3 else Constant(NULL, None, "null")
    return choice([(arguments[0], arguments[1])], default)


FUNCTIONS: dict[str, Callable[[list[Node]], Node]] = {
    "coalesce": first, "ifnull": first, "nullif": null_if, "greatest": extreme("greatest"), "least": extreme("least"),
    "if": when,
}  # fmt: skip
