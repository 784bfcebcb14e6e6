"""DuckDB's types as text: taken apart, put together, and what becomes of them in expressions.

A type that is not sure is None; one that is said must be what DuckDB says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from sqlglot import exp

from sqlfeat.compiler.algebra import Field
from sqlfeat.compiler.resolve import numbers
from sqlfeat.compiler.resolve.keywords import quoted

_NAMES = {
    exp.DType.INT: "INTEGER", exp.DType.BIGINT: "BIGINT", exp.DType.SMALLINT: "SMALLINT", exp.DType.UINT: "UINTEGER",
    exp.DType.INT128: "HUGEINT", exp.DType.UINT128: "UHUGEINT", exp.DType.UBIGINT: "UBIGINT",
    exp.DType.TINYINT: "TINYINT",
    exp.DType.USMALLINT: "USMALLINT", exp.DType.UTINYINT: "UTINYINT", exp.DType.DOUBLE: "DOUBLE",
    exp.DType.FLOAT: "FLOAT", exp.DType.TEXT: "VARCHAR", exp.DType.BOOLEAN: "BOOLEAN", exp.DType.VARBINARY: "BLOB",
    exp.DType.UUID: "UUID", exp.DType.JSON: "JSON", exp.DType.TIME: "TIME", exp.DType.BIT: "BIT",
    exp.DType.DATE: "DATE",
    exp.DType.INTERVAL: "INTERVAL", exp.DType.TIMESTAMP: "TIMESTAMP", exp.DType.TIMESTAMPNTZ: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE", exp.DType.TIMESTAMP_S: "TIMESTAMP_S",
    exp.DType.TIMESTAMP_MS: "TIMESTAMP_MS", exp.DType.TIMESTAMP_NS: "TIMESTAMP_NS", exp.DType.VARCHAR: "VARCHAR",
    exp.DType.TIMETZ: "TIME WITH TIME ZONE", exp.DType.BIGNUM: "BIGNUM",
}  # fmt: skip


def written(tree: exp.DataType) -> str | None:
    """The type that a cast names."""
    kind = tree.this
    if kind in (exp.DType.ARRAY, exp.DType.LIST):
        inner = written(tree.expressions[0]) if tree.expressions else None
        size = tree.args.get("values")
        if inner is None:
            return None
        return f"{inner}[{size[0].this}]" if size else f"{inner}[]"
    if kind == exp.DType.DECIMAL:
        numbers = [int(parameter.this.name) for parameter in tree.expressions]
        width, scale = (*numbers, 0)[:2] if numbers else (18, 3)
        return f"DECIMAL({width},{scale})"
    if kind == exp.DType.STRUCT:
        fields = [(part.name, written(part.args["kind"])) for part in tree.expressions if part.args.get("kind")]
        return struct_of(Field(*own) for own in fields) if len(fields) == len(tree.expressions) else None
    if kind == exp.DType.MAP and len(tree.expressions) == 2:
        key, value = (written(part) for part in tree.expressions)
        return f"MAP({key}, {value})" if key and value else None
    return _NAMES.get(kind)


def struct_of(fields: Iterable[Field]) -> str | None:
    """A STRUCT of these fields, as DuckDB spells it; None where a type, or whether to quote a name, is not known."""
    parts = []
    for own in fields:
        if own.type is None:
            return None
        parts.append(f"{quoted(own.name)} {own.type}")
    return f"STRUCT({', '.join(parts)})" if parts else None


def is_list(type_name: str | None) -> bool:
    return type_name is not None and type_name.endswith("]")


def has_fields(type_name: str) -> bool:
    """Whether ``value.name`` is something of a value of this type."""
    return type_name.startswith(("STRUCT(", "MAP(", "UNION(", "VARIANT", "JSON")) and not type_name.endswith("]")


def is_struct(type_name: str | None) -> bool:
    return type_name is not None and type_name.startswith("STRUCT(") and type_name.endswith(")")


def element(type_name: str | None) -> str | None:
    """The type of a list's elements."""
    if type_name is None or not type_name.endswith("]"):
        return None
    return type_name[: type_name.rindex("[")]


def map_value(type_name: str | None) -> str | None:
    """The type of a map's values."""
    if type_name is None or not type_name.startswith("MAP("):
        return None
    parts = _parts(type_name[len("MAP(") : -1])
    return parts[1] if len(parts) == 2 else None


def struct_fields(type_name: str) -> list[Field]:
    """The fields of ``STRUCT(…)``."""
    found = []
    for part in _parts(type_name[len("STRUCT(") : -1]):
        if part.startswith('"'):
            end = 1
            while part[end] != '"' or part[end + 1 : end + 2] == '"':
                end += 2 if part[end] == '"' else 1
            found.append(Field(part[1:end].replace('""', '"'), part[end + 1 :].strip()))
        else:
            name, _, rest = part.partition(" ")
            found.append(Field(name, rest.strip()))
    return found


def struct_field(type_name: str | None, name: str) -> str | None:
    """The type of a struct's field."""
    if not is_struct(type_name) or type_name is None:
        return None
    return next((own.type for own in struct_fields(type_name) if own.name.casefold() == name.casefold()), None)


def _parts(text: str) -> list[str]:
    """What stands between the commas at the top level of a type's brackets."""
    parts, depth, quote, start = [], 0, "", 0
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def common(names: Sequence[str | None]) -> str | None:
    """The type that values of these types become together (CASE, COALESCE, UNION)."""
    found = [name for name in names if name != '"NULL"']
    if not found:
        return names[0] if names else None
    first = found[0]
    for other in found[1:]:
        if first != other:
            first = _together(first, other)
    return first


def _together(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return None
    if one in _TIMES and other in _TIMES:
        return _TIMES[max(_TIMES.index(one), _TIMES.index(other))]
    if one.endswith("[]") and other.endswith("[]"):
        inner = _together(element(one), element(other))
        return f"{inner}[]" if inner else None
    return numbers.together(one, other)


def of_literal(value: object) -> str | None:
    """The type that DuckDB gives a literal without a type of its own."""
    if value is None:
        return '"NULL"'
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, str):
        return "VARCHAR"
    if isinstance(value, int):
        for name, bits in (("INTEGER", 31), ("BIGINT", 63), ("HUGEINT", 127)):
            if -(2**bits) <= value < 2**bits:
                return name
        return None
    if isinstance(value, float):
        return "DOUBLE"
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        scale = -exponent if isinstance(exponent, int) else 0
        width = max(len(value.as_tuple().digits), scale + 1 if abs(value) < 1 else 0)
        return f"DECIMAL({width},{scale})" if width <= 38 else None
    return None
