"""What type two numbers become together, side by side or in arithmetic, as DuckDB has it."""

from __future__ import annotations

import re
from collections.abc import Sequence

SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
FLOATS = ("FLOAT", "DOUBLE")
_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_BITS |= {f"U{name}": bits for name, bits in _BITS.items()}
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 38}
_DIGITS |= {"UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_MOST = 38
_NARROW = 18
"""So many digits a DECIMAL has at most, and one of 64 bits."""


def decimal(name: str) -> tuple[int, int] | None:
    """Width and scale of ``DECIMAL(w,s)``."""
    match = _DECIMAL.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def is_number(name: str | None) -> bool:
    return name is not None and (name in _BITS or name in FLOATS or decimal(name) is not None)


def _as_decimal(name: str) -> tuple[int, int] | None:
    return (_DIGITS[name], 0) if name in _DIGITS else decimal(name)


def together(one: str, other: str) -> str | None:
    """The type of a column that holds numbers of both types."""
    if one == other:
        return one
    for order in (SIGNED, UNSIGNED):
        if one in order and other in order:
            return order[max(order.index(one), order.index(other))]
    floating = _floating(one, other)
    if floating:
        return floating
    first, second = _as_decimal(one), _as_decimal(other)
    if first is None or second is None or (one in _BITS and other in _BITS):
        return None
    scale = max(first[1], second[1])
    if "HUGEINT" in (one, other):
        return f"DECIMAL({_MOST},{scale})"
    width = max(first[0] - first[1], second[0] - second[1]) + scale
    return f"DECIMAL({width},{scale})" if width <= _MOST else None


def _floating(one: str, other: str) -> str | None:
    if not (is_number(one) and is_number(other)):
        return None
    return "DOUBLE" if "DOUBLE" in (one, other) else "FLOAT" if "FLOAT" in (one, other) else None


def adapted(types: Sequence[str | None], values: Sequence[object]) -> list[str | None]:
    """The types where a whole number that is written out takes the type of the whole numbers beside it, if it fits.

    ``values`` are the literals' own, and anything else for what is no literal.
    """
    others = {kind for kind, value in zip(types, values, strict=True) if not _is_whole(value)} - {'"NULL"'}
    if len(others) != 1:
        return list(types) if not any(map(_is_whole, values)) or not others or None in others else _mixed(types, values)
    beside = others.pop()
    if beside not in _BITS:
        return list(types)
    return [
        beside if _is_whole(value) and fits(value, beside) else kind for kind, value in zip(types, values, strict=True)
    ]


def _mixed(types: Sequence[str | None], values: Sequence[object]) -> list[str | None]:
    """Several types beside literals: sure only where the literals are narrower than one of the others anyway."""
    others = [kind for kind, value in zip(types, values, strict=True) if not _is_whole(value) and kind != '"NULL"']
    if all(kind in SIGNED[2:] or kind in FLOATS or (kind and decimal(kind)) for kind in others):
        return list(types)
    return [None] * len(types)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def fits(value: object, name: str) -> bool:
    """Whether a whole number is one of an integer type."""
    assert isinstance(value, int)
    bits = _BITS[name]
    low, high = (0, 2**bits) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return bool(low <= value < high)


def arithmetic(operator: str, types: Sequence[str | None], values: Sequence[object]) -> str | None:
    """The type of ``+`` (and ``-``), ``*``, ``/``, ``//`` or ``%`` of two numbers."""
    one, other = adapted(types, values) if operator != "/" else types
    if one is None or other is None or not is_number(one) or not is_number(other):
        return None
    floating = _floating(one, other)
    if operator == "/":
        return floating or "DOUBLE"
    if floating or (one in _BITS and other in _BITS):
        return together(one, other)
    first, second = _as_decimal(one), _as_decimal(other)
    if operator == "//" or first is None or second is None:
        return "DOUBLE" if operator == "//" else None
    if operator == "%":
        return None if "HUGEINT" in (one, other) else together(one, other)
    return _product(first, second) if operator == "*" else _sum(first, second)


def _sum(one: tuple[int, int], other: tuple[int, int]) -> str:
    scale = max(one[1], other[1])
    width = max(one[0] - one[1], other[0] - other[1]) + scale + 1
    return f"DECIMAL({min(width, _MOST)},{scale})"


def _product(one: tuple[int, int], other: tuple[int, int]) -> str | None:
    width, scale = one[0] + other[0], one[1] + other[1]
    if width > _NARROW and one[0] <= _NARROW and other[0] <= _NARROW:
        width = _NARROW
    width = min(width, _MOST)
    return f"DECIMAL({width},{scale})" if scale <= width else None
