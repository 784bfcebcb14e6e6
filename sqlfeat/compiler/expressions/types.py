"""DuckDB's types as the binder needs them: families, ranges, and what several become together."""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.typed import NULL, Constant, Node
from sqlfeat.compiler.resolve import numbers

SIGNED, UNSIGNED, FLOATS = numbers.SIGNED, numbers.UNSIGNED[:4], numbers.FLOATS
INTEGERS = (*SIGNED, *UNSIGNED)
TEXT, BOOLEAN, DATE, TIME, INTERVAL = "VARCHAR", "BOOLEAN", "DATE", "TIME", "INTERVAL"
TIMESTAMP, TIMESTAMPTZ = "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"
INSTANTS = (TIMESTAMP, TIMESTAMPTZ)
_TIMES = (DATE, TIMESTAMP, TIMESTAMPTZ)
_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_BITS |= {f"U{name}": bits for name, bits in _BITS.items()}

decimal = numbers.decimal
"""Width and scale of ``DECIMAL(w,s)``; None for another type."""


def bits(type_name: str) -> int:
    return _BITS[type_name]


def bounds(type_name: str) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    size = _BITS[type_name]
    return (0, 2**size - 1) if type_name.startswith("U") else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)


def is_number(type_name: str) -> bool:
    return type_name in INTEGERS or type_name in FLOATS or decimal(type_name) is not None


def element(type_name: str) -> str | None:
    """The type of a list's elements; None for another type."""
    return type_name[:-2] if type_name.endswith("[]") else None


def literal_integer(node: Node) -> bool:
    return isinstance(node, Constant) and node.literal == "integer"


def literal_text(node: Node) -> bool:
    return isinstance(node, Constant) and node.literal == "string"


def common(nodes: Sequence[Node], what: str, *, compared: bool = False) -> str:
    """The type that these values have together; refused where it is not sure.

    ``compared``: the values are only compared, so it is enough to know which kind of number they become.
    """
    plain = [node for node in nodes if node.type != NULL and not literal_integer(node) and not literal_text(node)]
    found: str | None = None
    for node in plain:
        found = node.type if found is None else _together(found, node.type, what)
    whole = [node for node in nodes if literal_integer(node)]
    narrow = found in UNSIGNED or (found in INTEGERS and _BITS[str(found)] < 32)
    mixed = len({node.type for node in plain}) > 1 and found not in FLOATS
    if (narrow or mixed) and whole and len(nodes) > 2 and not compared:
        raise NotCompiled(f"numbers and more beside {found} in {what}")
    for node in whole:
        assert isinstance(node, Constant)
        if found in INTEGERS and numbers.fits(node.value, found):
            continue
        found = node.type if found is None else _together(found, node.type, what)
    if found is not None:
        return found
    return TEXT if any(map(literal_text, nodes)) else NULL


def _together(one: str, other: str, what: str) -> str:
    if one == other:
        return one
    if one in _TIMES and other in _TIMES:
        return _TIMES[max(_TIMES.index(one), _TIMES.index(other))]
    made = numbers.together(one, other) if is_number(one) and is_number(other) else None
    if made is None:
        raise NotCompiled(f"{one} beside {other} in {what}")
    return made
