"""Numbers: operators and functions, their types and their code."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlfeat.compiler.expressions import types
from sqlfeat.compiler.expressions.casts import as_double, cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import errors
from sqlfeat.compiler.expressions.running import numbers as running
from sqlfeat.compiler.expressions.typed import NULL, Constant, Node, call, settled
from sqlfeat.compiler.expressions.types import FLOATS, INTEGERS, SIGNED, bounds, decimal, literal_integer, literal_text
from sqlfeat.compiler.resolve import numbers

_WIDEST = 38


def operate(operator: str, left: Node, right: Node) -> Node:
    """``+ - * / // %`` of two numbers."""
    left, right = _numbers(operator, left, right)
    if operator == "/":
        return _divide(left, right)
    kind = _kind(operator, left, right)
    if kind in INTEGERS:
        return _whole(operator, cast(left, kind), cast(right, kind), kind)
    if kind in FLOATS:
        return _floating(operator, cast(left, kind), cast(right, kind), kind)
    return _exact(operator, left, right, kind)


def _numbers(operator: str, left: Node, right: Node) -> tuple[Node, Node]:
    """Both sides as numbers: text that is written out becomes what stands beside it."""
    for node in (left, right):
        if not types.is_number(node.type) and not literal_text(node):
            raise NotCompiled(f"{left.type} {operator} {right.type}")
    if literal_text(left) or literal_text(right):
        raise NotCompiled(f"text in {operator}")
    return left, right


def _value(node: Node) -> object:
    return node.value if isinstance(node, Constant) and node.literal == "integer" else node


def _kind(operator: str, left: Node, right: Node) -> str:
    kind = numbers.arithmetic(operator, [left.type, right.type], [_value(left), _value(right)])
    if kind is None or (decimal(kind) and "HUGEINT" in (left.type, right.type)):
        raise NotCompiled(f"{left.type} {operator} {right.type}")
    return kind


def _divide(left: Node, right: Node) -> Node:
    kind = "FLOAT" if "FLOAT" in (left.type, right.type) and "DOUBLE" not in (left.type, right.type) else "DOUBLE"
    left, right = settled(cast(left, kind)), settled(cast(right, kind))
    if isinstance(right, Constant) and right.value:
        made = call("DOUBLE", "{0} / {1}", left, right)
    else:
        made = call("DOUBLE", running.divided, left, right, quick="{0} / {1}")
    return _single(made) if kind == "FLOAT" else made


def _single(node: Node) -> Node:
    return call("FLOAT", running.single, node)


def _whole(operator: str, left: Node, right: Node, kind: str) -> Node:
    if operator in "+-*":
        low, high = bounds(kind)
        template = f"{{t}} if {low} <= ({{t}} := {{0}} {operator} {{1}}) <= {high} else {{h0}}({{0}}, {{1}})"
        return call(kind, template, left, right, safe=False, held=(running.too_large,))
    positive = isinstance(right, Constant) and right.value is not None and right.value > 0
    if operator == "%":
        if positive:
            return call(kind, "{0} % {1} if {0} >= 0 else -(-{0} % {1})", left, right)
        quick = "{0} % {1} if {0} >= 0 and {1} > 0 else {h0}({0}, {1})"
        return call(kind, running.remainder, left, right, safe=False, held=(running.remainder,), quick=quick)
    if positive:
        return call(kind, "{0} // {1} if {0} >= 0 else -(-{0} // {1})", left, right)
    return _in_bounds(call(kind, running.quotient, left, right, safe=False), kind)


def _in_bounds(node: Node, kind: str) -> Node:
    """A whole number that may be one too large for its type: the least one divided by -1."""
    low, high = bounds(kind)
    template = f"{{0}} if {low} <= {{0}} <= {high} else {{h0}}({{0}}, -1)"
    return call(kind, template, node, safe=False, held=(running.too_large,))


def _floating(operator: str, left: Node, right: Node, kind: str) -> Node:
    if operator in "+-*":
        made = call("DOUBLE", f"{{0}} {operator} {{1}}", left, right)
    elif operator == "%":
        made = call("DOUBLE", running.modulo, left, right)
    else:
        made = call("DOUBLE", running.divided_strictly, left, right, safe=False)
    return _single(made) if kind == "FLOAT" else made


def _exact(operator: str, left: Node, right: Node, kind: str) -> Node:
    """Decimals: whole numbers of their smallest units."""
    width, scale = decimal(kind) or (0, 0)
    if operator == "*":
        one, other = _as_decimal(left), _as_decimal(right)
        return _limited(call(kind, "{0} * {1}", one, other), kind, width < _sum_of_widths(one, other))
    if operator == "%":
        return call(kind, running.remainder, cast(left, kind), cast(right, kind), safe=False)
    one, other = (_scaled(_as_decimal(node), width, scale) for node in (left, right))
    return _limited(call(kind, f"{{0}} {operator} {{1}}", one, other), kind, width == _WIDEST)


def _as_decimal(node: Node) -> Node:
    """A whole number as a decimal without places."""
    return replace(settled(node), type=f"DECIMAL({_DIGITS[node.type]},0)") if node.type in INTEGERS else node


_DIGITS = {
    "TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 38, "UTINYINT": 3, "USMALLINT": 5,
    "UINTEGER": 10, "UBIGINT": 20,
}  # fmt: skip


def _sum_of_widths(left: Node, right: Node) -> int:
    return (decimal(left.type) or (0, 0))[0] + (decimal(right.type) or (0, 0))[0]


def _scaled(node: Node, width: int, scale: int) -> Node:
    """With so many places; in the widest type there may be no room for them."""
    if width == _WIDEST:
        return cast(node, f"DECIMAL({width},{scale})")
    power = 10 ** (scale - (decimal(node.type) or (0, 0))[1])
    return node if power == 1 else call(node.type, f"{{0}} * {power}", node)


def _limited(node: Node, kind: str, checked: bool) -> Node:
    if not checked:
        return node
    limit = 10 ** (decimal(kind) or (0, 0))[0]
    template = f"{{0}} if {-limit} < {{0}} < {limit} else {{h0}}({{0}}, 0)"
    return call(kind, template, node, safe=False, held=(running.too_large,))


def negative(node: Node) -> Node:
    if literal_integer(node):
        assert isinstance(node, Constant)
        return integer_literal(-node.value)
    if node.type in SIGNED:
        low, _ = bounds(node.type)
        template = f"-{{0}} if {{0}} != {low} else {{h0}}(0, {{0}})"
        return call(node.type, template, node, safe=False, held=(running.too_large,))
    if node.type in FLOATS or decimal(node.type):
        return call(node.type, "-{0}", node)
    raise NotCompiled(f"-{node.type}")


def integer_literal(value: int) -> Constant:
    for name in ("INTEGER", "BIGINT", "HUGEINT"):
        low, high = bounds(name)
        if low <= value <= high:
            return Constant(name, value, "integer")
    raise NotCompiled("a number that is that long")


def positive(node: Node) -> Node:
    if types.is_number(node.type):
        return settled(node)
    raise NotCompiled(f"+{node.type}")


# -- bits --------------------------------------------------------------------------------------------------------------


def bitwise(operator: str) -> Callable[[list[Node]], Node]:
    sign = {"xor": "^"}.get(operator, operator)

    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 2)
        kind = types.common(arguments, operator)
        if kind not in SIGNED:
            raise NotCompiled(f"{operator} of {kind}")
        left, right = (cast(node, kind) for node in arguments)
        if operator in ("<<", ">>"):
            if kind == "HUGEINT":
                raise NotCompiled(f"{operator} of {kind}")
            function = running.shifted_left if operator == "<<" else running.shifted_right
            size = Constant("", types.bits(kind))
            return call(kind, function, left, right, size, safe=operator == ">>")
        return call(kind, f"{{0}} {sign} {{1}}", left, right)

    return bind


def _bit_count(arguments: list[Node]) -> Node:
    node = _only(arguments)
    if node.type not in SIGNED[:4]:
        raise NotCompiled(f"bit_count of {node.type}")
    return call("TINYINT", f"({{0}} & {2 ** types.bits(node.type) - 1}).bit_count()", node)


# -- functions ---------------------------------------------------------------------------------------------------------


def _only(arguments: list[Node]) -> Node:
    _expect(arguments, 1)
    return arguments[0]


def _expect(arguments: list[Node], *counts: int) -> None:
    if len(arguments) not in counts:
        raise NotCompiled(f"{len(arguments)} arguments")
    if any(node.type == NULL for node in arguments):
        raise NotCompiled("a bare NULL as an argument")


def of_double(
    python: Callable[..., Any], count: int = 1, *, quick: Callable[..., Any] | None = None
) -> Callable[[list[Node]], Node]:
    """A function of DOUBLEs that gives a DOUBLE; ``quick``: Python's own, which raises where C gives NaN or inf."""

    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, count)
        return call("DOUBLE", python, *map(as_double, arguments), quick=quick)

    return bind


def _logarithm(arguments: list[Node]) -> Node:
    _expect(arguments, 1, 2)
    if len(arguments) == 1:
        return call("DOUBLE", running.logarithm10, as_double(arguments[0]), quick=math.log10)
    return call("DOUBLE", running.logarithm_of, *map(as_double, arguments))


def _absolute(arguments: list[Node]) -> Node:
    node = _only(arguments)
    if node.type in SIGNED:
        low, _ = bounds(node.type)
        template = f"abs({{0}}) if {{0}} != {low} else {{h0}}(0, {{0}})"
        return call(node.type, template, node, safe=False, held=(running.too_large,))
    if types.is_number(node.type):
        return call(node.type, "abs({0})", node)
    raise NotCompiled(f"abs of {node.type}")


def _sign(arguments: list[Node]) -> Node:
    node = _only(arguments)
    if decimal(node.type):
        node = cast(node, "DOUBLE")
    if not types.is_number(node.type):
        raise NotCompiled(f"sign of {node.type}")
    return call("TINYINT", "({0} > 0) - ({0} < 0)", node)


def _places(arguments: list[Node], name: str) -> int | Node:
    """The number of places: known or a node."""
    if len(arguments) == 1:
        return 0
    node = arguments[1]
    if isinstance(node, Constant) and isinstance(node.value, int) and node.type in ("INTEGER", "SMALLINT", "TINYINT"):
        return node.value
    if node.type not in ("INTEGER", "SMALLINT", "TINYINT"):
        raise NotCompiled(f"{name} to {node.type}")
    return node


def _round(arguments: list[Node]) -> Node:
    _expect(arguments, 1, 2)
    node, places = arguments[0], _places(arguments, "round")
    if node.type in FLOATS:
        return _round_float(node, places, bare=len(arguments) == 1)
    if not isinstance(places, int):
        raise NotCompiled("round to places that are not known")
    if node.type in SIGNED:
        if places >= 0:
            return settled(node)
        raise NotCompiled("round of whole numbers before the point")
    if decimal(node.type):
        return _round_decimal(node, places, bare=len(arguments) == 1)
    raise NotCompiled(f"round of {node.type}")


def _round_float(node: Node, places: int | Node, *, bare: bool) -> Node:
    if bare:
        return call(node.type, running.rounded, node)
    if not isinstance(places, int):
        made = call("DOUBLE", running.rounded_by, node, places)
    elif 0 <= places <= 22:
        made = call("DOUBLE", running.rounded_with, node, Constant("", 10.0**places))
    elif places > 22:
        raise NotCompiled("round to that many places")
    else:
        made = call("DOUBLE", running.rounded_before, node, Constant("", -places))
    return _single(made) if node.type == "FLOAT" else made


def _round_decimal(node: Node, places: int, *, bare: bool) -> Node:
    width, scale = decimal(node.type) or (0, 0)
    if places < 0:
        raise NotCompiled("round of decimals before the point")
    if places >= scale:
        return settled(node)
    return call(f"DECIMAL({width},{places})", running.half_up, node, Constant("", 10 ** (scale - places)))


def _trunc(arguments: list[Node]) -> Node:
    _expect(arguments, 1, 2)
    node, places = arguments[0], _places(arguments, "trunc")
    if not isinstance(places, int) or places < 0:
        raise NotCompiled("trunc before the point")
    if node.type == "DOUBLE":
        if len(arguments) == 1:
            return call("DOUBLE", running.truncated, node)
        return call("DOUBLE", running.truncated_to, node, Constant("", places))
    if node.type in SIGNED:
        return settled(node)
    shape = decimal(node.type)
    if shape is None:
        raise NotCompiled(f"trunc of {node.type}")
    width, scale = shape
    if places >= scale:
        return settled(node)
    return call(f"DECIMAL({width},{places})", running.cut, node, Constant("", 10 ** (scale - places)))


def _towards(function: Callable[[float], float], template: str) -> Callable[[list[Node]], Node]:
    """floor and ceil."""

    def bind(arguments: list[Node]) -> Node:
        node = _only(arguments)
        shape = decimal(node.type)
        if shape is not None:
            kind = f"DECIMAL({shape[0]},0)"
            return call(kind, template.format(power=10 ** shape[1], value="{0}") if shape[1] else "{0}", node)
        if node.type in FLOATS:
            return call(node.type, function, node)
        return call("DOUBLE", "{0}", as_double(node))

    return bind


def _greatest_divisor(arguments: list[Node]) -> Node:
    left, right = _two_whole(arguments, "gcd")
    return call("BIGINT", _gcd, left, right, safe=False)


def _gcd(left: int, right: int) -> int:
    low = -(2**63)
    if low in (left, right):
        raise errors.NotCovered
    return math.gcd(left, right)


def _least_multiple(arguments: list[Node]) -> Node:
    left, right = _two_whole(arguments, "lcm")
    return call("BIGINT", _lcm, left, right, safe=False)


def _lcm(left: int, right: int) -> int:
    if -(2**63) in (left, right):
        raise errors.NotCovered
    made = math.lcm(left, right)
    return made if made < 2**63 else running.too_large(left, right)


def _two_whole(arguments: list[Node], name: str) -> tuple[Node, Node]:
    _expect(arguments, 2)
    for node in arguments:
        if node.type not in SIGNED[:4]:
            raise NotCompiled(f"{name} of {node.type}")
    return cast(arguments[0], "BIGINT"), cast(arguments[1], "BIGINT")


def _factorial(arguments: list[Node]) -> Node:
    node = _only(arguments)
    if node.type not in SIGNED[:3]:
        raise NotCompiled(f"factorial of {node.type}")
    return call("HUGEINT", running.factorial, cast(node, "INTEGER"), safe=False)


def _tested(template: str) -> Callable[[list[Node]], Node]:
    """isnan, isinf, isfinite of floats."""

    def bind(arguments: list[Node]) -> Node:
        node = _only(arguments)
        if node.type not in FLOATS:
            node = as_double(node)
        return call("BOOLEAN", template, node)

    return bind


def _modulo(arguments: list[Node]) -> Node:
    _expect(arguments, 2)
    return operate("%", *arguments)


_OF_DOUBLES: dict[str, tuple[Callable[..., Any], Callable[..., Any] | None]] = {
    "sqrt": (running.root, math.sqrt), "ln": (running.logarithm, math.log), "log2": (running.logarithm2, math.log2),
    "log10": (running.logarithm10, math.log10), "exp": (running.exponential, math.exp),
    "sin": (running.sine, math.sin), "cos": (running.cosine, math.cos), "tan": (running.tangent, math.tan),
    "asin": (running.arcsine, math.asin), "acos": (running.arccosine, math.acos), "atan": (math.atan, None),
    "cot": (running.cotangent, None), "sinh": (running.hyperbolic_sine, math.sinh),
    "cosh": (running.hyperbolic_cosine, math.cosh), "tanh": (math.tanh, None), "asinh": (math.asinh, None),
    "cbrt": (math.cbrt, None), "degrees": (math.degrees, None), "radians": (math.radians, None),
    "even": (running.even, None),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[list[Node]], Node]] = {
    "abs": _absolute, "sign": _sign, "round": _round, "trunc": _trunc, "mod": _modulo,
    "floor": _towards(running.floored, "{value} // {power}"),
    "ceil": _towards(running.ceiled, "-(-{value} // {power})"), "log": _logarithm,
    "pow": of_double(running.power, 2, quick=math.pow), "atan2": of_double(math.atan2, 2),
    "gcd": _greatest_divisor, "lcm": _least_multiple, "factorial": _factorial, "bit_count": _bit_count,
    "&": bitwise("&"), "|": bitwise("|"), "xor": bitwise("xor"), "<<": bitwise("<<"), ">>": bitwise(">>"),
    "isnan": _tested("{0} != {0}"),
    "pi": lambda arguments: Constant("DOUBLE", math.pi) if not arguments else _only([]),
}  # fmt: skip
FUNCTIONS |= {name: of_double(code, quick=quick) for name, (code, quick) in _OF_DOUBLES.items()}
FUNCTIONS |= {"**": FUNCTIONS["pow"], "power": FUNCTIONS["pow"], "ceiling": FUNCTIONS["ceil"]}
FUNCTIONS |= {"greatest_common_divisor": FUNCTIONS["gcd"], "least_common_multiple": FUNCTIONS["lcm"]}
