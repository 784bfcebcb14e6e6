"""Lists and structs: elements, fields, and the functions of feature code over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions import types
from sqlfeat.compiler.expressions.casts import cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import lists as running
from sqlfeat.compiler.expressions.typed import NULL, Call, Constant, Node, call, settled
from sqlfeat.compiler.expressions.types import INTEGERS, SIGNED, TEXT, decimal, element
from sqlfeat.compiler.resolve.types import struct_fields

Binder = Callable[[list[Node]], Node]

_PLAIN = (TEXT, "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def field(node: Node, name: str) -> Node:
    """A field of a struct; NULL of a struct that is NULL."""
    fields = struct_fields(node.type) if node.type.startswith("STRUCT(") and node.type.endswith(")") else []
    found = next((own for own in fields if own.name.casefold() == name.casefold()), None)
    if found is None or found.type is None:
        raise NotCompiled(f"the field {name!r} of {node.type}")
    return call(found.type, "{0}[{1}]", node, Constant("", found.name), total=False)


def _element(node: Node) -> str:
    kind = element(node.type)
    if kind is None or kind == NULL:
        raise NotCompiled(f"{node.type} as a list")
    return kind


def _comparable(node: Node) -> str:
    kind = _element(node)
    if kind not in _PLAIN and kind not in INTEGERS and decimal(kind) is None:
        raise NotCompiled(f"lists of {kind} here")
    return kind


def _expect(arguments: list[Node], *counts: int) -> None:
    if len(arguments) not in counts:
        raise NotCompiled(f"{len(arguments)} arguments")


def _value(arguments: list[Node]) -> Node:
    """``[a, b]``."""
    if not arguments:
        raise NotCompiled("an empty list")
    kind = types.common(arguments, "a list")
    if kind == NULL:
        raise NotCompiled("a list of nothing but NULL")
    parts = tuple(Constant(kind, None) if node.type == NULL else settled(cast(node, kind)) for node in arguments)
    template = f"[{', '.join(f'{{{index}}}' for index in range(len(parts)))}]"
    return Call(f"{kind}[]", template, parts, strict=False)


def subscript(arguments: list[Node]) -> Node:
    """``list[i]``, ``list_extract``: 1-based, negative from the end, NULL outside."""
    _expect(arguments, 2)
    node, index = arguments
    if index.type not in SIGNED[:4]:
        raise NotCompiled(f"[{index.type}]")
    if node.type == TEXT:
        return call(TEXT, running.letter_at, node, index)
    return call(_element(node), running.item, node, index, total=False)


def _length(arguments: list[Node]) -> Node:
    _expect(arguments, 1)
    node = arguments[0]
    if node.type != TEXT:
        _element(node)
    return call("BIGINT", "len({0})", node)


def _contains(arguments: list[Node]) -> Node:
    _expect(arguments, 2)
    node, value = arguments
    if node.type == TEXT and value.type == TEXT:
        return call("BOOLEAN", "{1} in {0}", node, value)
    if isinstance(value, Constant) and value.value == "":
        raise NotCompiled("empty text in a list")  # DuckDB's optimizer takes contains(list, '') for true
    return call("BOOLEAN", "{1} in {0}", node, _searched(node, value))


def _searched(node: Node, value: Node) -> Node:
    kind = _comparable(node)
    if types.common((Constant(kind, 0), value), "a list") != kind or value.type == NULL:
        raise NotCompiled(f"{value.type} in {node.type}")
    return cast(value, kind)


def _position(arguments: list[Node]) -> Node:
    _expect(arguments, 2)
    node, value = arguments
    if not isinstance(value, Constant):
        raise NotCompiled("the position of what is not written out")
    return call("INTEGER", running.position, node, _searched(node, value), total=False)


def _has(function: Callable[..., Any]) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 2)
        one, other = arguments
        if _comparable(one) != _comparable(other):
            raise NotCompiled(f"{one.type} beside {other.type}")
        return call("BOOLEAN", function, one, other)

    return bind


def _aggregate(result: Callable[[str], str | None], function: Callable[..., Any]) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 1)
        kind = result(_element(arguments[0]))
        if kind is None:
            raise NotCompiled(f"this of {arguments[0].type}")
        return call(kind, function, arguments[0], total=False)

    return bind


def _sum_type(kind: str) -> str | None:
    shape = decimal(kind)
    if shape is not None:
        return f"DECIMAL(38,{shape[1]})"
    return "HUGEINT" if kind in SIGNED[:4] else None


def _least_type(kind: str) -> str | None:
    return kind if kind in _PLAIN or kind in INTEGERS or decimal(kind) else None


def _average_type(kind: str) -> str | None:
    return "DOUBLE" if kind in SIGNED[:3] else None


def _joined(arguments: list[Node]) -> Node:
    _expect(arguments, 2)
    node, separator = arguments
    if node.type != "VARCHAR[]" or separator.type != TEXT:
        raise NotCompiled("a list of anything but text as one text")
    return call(TEXT, running.joined, node, separator)


def _sorted(arguments: list[Node]) -> Node:
    _expect(arguments, 1)
    _comparable(arguments[0])
    return call(arguments[0].type, running.ordered, arguments[0])


FUNCTIONS: dict[str, Binder] = {
    "list_value": _value, "list_pack": _value, "[]": subscript, "list_extract": subscript, "len": _length,
    "length": _length, "array_length": _length, "list_contains": _contains, "contains": _contains,
    "list_position": _position, "list_has_any": _has(running.has_any), "list_has_all": _has(running.has_all),
    "list_sum": _aggregate(_sum_type, running.total), "list_min": _aggregate(_least_type, running.least),
    "list_max": _aggregate(_least_type, running.greatest), "list_avg": _aggregate(_average_type, running.mean),
    "list_count": _aggregate(lambda kind: "BIGINT", running.count), "array_to_string": _joined,
    "list_sort": _sorted,
}  # fmt: skip
_ALIASES = {
    "array_extract": "list_extract", "list_element": "list_extract", "array_contains": "list_contains",
    "list_has": "list_contains", "array_has": "list_contains", "list_indexof": "list_position",
    "array_position": "list_position", "array_indexof": "list_position", "array_has_any": "list_has_any",
    "array_has_all": "list_has_all", "array_sort": "list_sort",
}  # fmt: skip
FUNCTIONS |= {name: FUNCTIONS[other] for name, other in _ALIASES.items()}
