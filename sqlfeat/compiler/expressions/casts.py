"""Casts, written and implied: from which type to which, and by what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions import types
from sqlfeat.compiler.expressions.code import folded
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import casts as running
from sqlfeat.compiler.expressions.running import instants, numbers, parsing
from sqlfeat.compiler.expressions.typed import Call, Constant, Node, call
from sqlfeat.compiler.expressions.types import (
    BOOLEAN,
    DATE,
    FLOATS,
    INTEGERS,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    bounds,
    decimal,
    element,
)  # fmt: skip


def cast(node: Node, target: str, *, tries: bool = False) -> Node:
    """A value in another type; ``tries``: NULL where it cannot be."""
    if node.type == target:
        return node if not isinstance(node, Constant) else Constant(target, node.value)
    if isinstance(node, Constant) and node.value is None:
        return Constant(target, None)
    rule = _rule(node.type, target)
    if rule is None:
        raise NotCompiled(f"a cast from {node.type} to {target}")
    made = rule(node, target)
    if isinstance(made, Call):
        if tries and not made.safe:
            assert callable(made.python)
            made = Call(made.type, _tried(made.python), made.arguments, made.strict, total=False, safe=True)
        return folded(made)
    return made


_TRIED: dict[Callable[..., Any], Callable[..., Any]] = {}


def _tried(function: Callable[..., Any]) -> Callable[..., Any]:
    return _TRIED.setdefault(function, running.tried(function))


def as_double(node: Node) -> Node:
    """A number as a DOUBLE, as functions of floats take it."""
    if not types.is_number(node.type):
        raise NotCompiled(f"a {node.type} as a number")
    return cast(node, "DOUBLE")


def as_text(node: Node) -> Node:
    return cast(node, TEXT)


Rule = Callable[[Node, str], Node]


def _rule(source: str, target: str) -> Rule | None:
    if source in INTEGERS:
        return _of_integer(target)
    if decimal(source):
        return _of_decimal(target)
    found = _RULES.get((source, target))
    if found is not None:
        return found
    if source in FLOATS:
        return _of_float(target)
    if source == TEXT:
        return _of_text(target)
    if source == BOOLEAN:
        return _of_boolean(target)
    if element(source) and element(target):
        return _of_list
    return None


def _of_list(node: Node, target: str) -> Node:
    """A list of whole numbers as one of wider ones is the same list; one that is written out is cast by its values."""
    one, other = element(node.type), element(target)
    assert one is not None and other is not None
    if isinstance(node, Constant):
        values = [cast(Constant(one, value), other) for value in node.value]
        if all(isinstance(value, Constant) for value in values):
            return Constant(target, [value.value for value in values if isinstance(value, Constant)])
    if one in INTEGERS and other in INTEGERS:
        low, high = bounds(one)
        if bounds(other)[0] <= low and high <= bounds(other)[1]:
            return call(target, "{0}", node)
    raise NotCompiled(f"a cast from {node.type} to {target}")


# -- from numbers ------------------------------------------------------------------------------------------------------


def _of_integer(target: str) -> Rule | None:
    if target in INTEGERS:
        return _integer_to_integer
    if target in FLOATS:
        return _integer_to_float
    if decimal(target):
        return _integer_to_decimal
    return {
        TEXT: lambda node, _: call(TEXT, "str({0})", node),
        BOOLEAN: lambda node, _: call(BOOLEAN, "{0} != 0", node),
    }.get(target)


def _integer_to_integer(node: Node, target: str) -> Node:
    (low, high), own = bounds(target), bounds(node.type)
    if low <= own[0] and own[1] <= high:
        return call(target, "{0}", node)
    return call(target, running.checked, node, *_given(low, high, target), safe=False)


def _given(*values: object) -> tuple[Node, ...]:
    """Constants that a function of ours takes beside its arguments."""
    return tuple(Constant("", value) for value in values)


def _integer_to_float(node: Node, target: str) -> Node:
    if target == "FLOAT":
        return call(target, numbers.single_of_integer, node)
    if types.bits(node.type) == 128:
        return call(target, numbers.double_of_hugeint, node)
    return call(target, "float({0})", node)


def _integer_to_decimal(node: Node, target: str) -> Node:
    width, scale = decimal(target) or (0, 0)
    limit, own = 10 ** (width - scale), bounds(node.type)
    if -limit < own[0] and own[1] < limit:
        return call(target, f"{{0}} * {10**scale}" if scale else "{0}", node)
    return call(target, running.units_of_integer, node, *_given(10**scale, limit, target), safe=False)


def _of_decimal(target: str) -> Rule | None:
    if target in INTEGERS:
        return _decimal_to_integer
    if decimal(target):
        return _decimal_to_decimal
    return {
        "DOUBLE": _decimal_to_double,
        "FLOAT": lambda node, _: call(
            "FLOAT", running.single_of_units, node, *_given((decimal(node.type) or (0, 0))[1])
        ),
        TEXT: _decimal_to_text,
        BOOLEAN: lambda node, _: call(BOOLEAN, "{0} != 0", node),
    }.get(target)


def _decimal_to_integer(node: Node, target: str) -> Node:
    scale = (decimal(node.type) or (0, 0))[1]
    low, high = bounds(target)
    return call(target, running.integer_of_units, node, *_given(10**scale, low, high, target), safe=False)


def _decimal_to_double(node: Node, target: str) -> Node:
    scale = (decimal(node.type) or (0, 0))[1]
    return call(target, f"{{0}} / {10**scale}", node)


def _decimal_to_single(node: Node, target: str) -> Node:
    return call(target, running.single_of_units, node, *_given((decimal(node.type) or (0, 0))[1]))


def _decimal_to_decimal(node: Node, target: str) -> Node:
    own_width, own_scale = decimal(node.type) or (0, 0)
    width, scale = decimal(target) or (0, 0)
    if scale >= own_scale:
        power = 10 ** (scale - own_scale)
        if own_width - own_scale <= width - scale:
            return call(target, f"{{0}} * {power}" if power > 1 else "{0}", node)
        return call(target, running.widened, node, *_given(power, 10**width, target), safe=False)
    return call(target, running.rescaled, node, *_given(10 ** (own_scale - scale), 10**width, target), safe=False)


def _decimal_to_text(node: Node, target: str) -> Node:
    width, scale = decimal(node.type) or (0, 0)
    if not scale:
        return call(TEXT, "str({0})", node)
    return call(TEXT, running.text_of_units, node, *_given(scale, width == scale))


def _of_float(target: str) -> Rule | None:
    if target in INTEGERS:
        return _float_to_integer
    if decimal(target):
        return _float_to_decimal
    return None


def _float_to_integer(node: Node, target: str) -> Node:
    return call(target, running.integer_of_float, node, *_given(*bounds(target), target), safe=False)


def _float_to_decimal(node: Node, target: str) -> Node:
    width, scale = decimal(target) or (0, 0)
    given = _given(float(10**scale), float(10**width), target)
    return call(target, running.units_of_float, node, *given, safe=False)


# -- from text and truth -----------------------------------------------------------------------------------------------


def _of_text(target: str) -> Rule | None:
    if target in INTEGERS:
        return lambda node, _: call(target, running.integer_of_text, node, *_given(*bounds(target), target), safe=False)
    if decimal(target):
        return lambda node, _: call(target, running.units_of_text, node, *_given(*(decimal(target) or ())), safe=False)
    function = _FROM_TEXT.get(target)
    return (lambda node, _: call(target, function, node, safe=False)) if function else None


_FROM_TEXT: dict[str, Callable[..., Any]] = {
    "DOUBLE": running.double_of_text,
    "FLOAT": running.float_of_text,
    BOOLEAN: running.boolean_of_text,
    DATE: parsing.date_of_text,
    TIME: parsing.time_of_text,
    TIMESTAMP: parsing.timestamp_of_text,
    TIMESTAMPTZ: parsing.instant_of_text,
}


def _of_boolean(target: str) -> Rule | None:
    if target in INTEGERS:
        return lambda node, _: call(target, "int({0})", node)
    if target in FLOATS:
        return lambda node, _: call(target, "float({0})", node)
    if target == TEXT:
        return lambda node, _: call(TEXT, "('true' if {0} else 'false')", node)
    return None


# -- from times --------------------------------------------------------------------------------------------------------


def _to_midnight(node: Node, target: str) -> Node:
    return call(target, instants.midnight, node)


_RULES: dict[tuple[str, str], Rule] = {
    ("FLOAT", "DOUBLE"): lambda node, target: call(target, "{0}", node),
    ("DOUBLE", "FLOAT"): lambda node, target: call(target, running.single_of_double, node, safe=False),
    ("DOUBLE", BOOLEAN): lambda node, target: call(target, "{0} != 0", node),
    ("FLOAT", BOOLEAN): lambda node, target: call(target, "{0} != 0", node),
    ("DOUBLE", TEXT): lambda node, target: call(target, running.text_of_double, node),
    ("FLOAT", TEXT): lambda node, target: call(target, running.text_of_single, node),
    (DATE, TIMESTAMP): _to_midnight,
    (DATE, TIMESTAMPTZ): _to_midnight,
    (TIMESTAMP, TIMESTAMPTZ): lambda node, target: call(target, "{0}", node),
    (TIMESTAMPTZ, TIMESTAMP): lambda node, target: call(target, "{0}", node),
    (TIMESTAMP, DATE): lambda node, target: call(target, instants.date_of, node),
    (TIMESTAMPTZ, DATE): lambda node, target: call(target, instants.date_of, node),
    (TIMESTAMP, TIME): lambda node, target: call(target, instants.time_of, node, total=False),
    (DATE, TEXT): lambda node, target: call(target, instants.text_of_date, node),
    (TIME, TEXT): lambda node, target: call(target, instants.text_of_time, node),
    (TIMESTAMP, TEXT): lambda node, target: call(target, instants.text_of_timestamp, node),
    (TIMESTAMPTZ, TEXT): lambda node, target: call(target, instants.text_of_instant, node),
}
