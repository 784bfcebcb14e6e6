"""Plain values (``store.row_codec``) to Arrow and back, to packed rows one by one, and to what JSON has for them."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.store.row_codec import FOREVER, Column, RowCodec, slot_of

_EXACT = Context(prec=60)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def to_arrow(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Plain values as an array of their type."""
    if pa.types.is_date32(kind):
        return pa.array(values, pa.int32()).view(kind)
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return pa.array(values, pa.int64()).view(kind)
    if pa.types.is_decimal128(kind):
        power = Decimal(1).scaleb(-kind.scale)
        return pa.array([None if v is None else _EXACT.multiply(Decimal(v), power) for v in values], kind)
    if pa.types.is_interval(kind):
        made = [None if v is None else pa.MonthDayNano([v[0], v[1], v[2] * 1000]) for v in values]
        return pa.array(made, kind)
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        columns = [to_arrow([None if v is None else v[f.name] for v in values], f.type) for f in fields]
        return pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array([v is None for v in values]))
    if pa.types.is_map(kind):
        pairs = [[] if v is None else list(v.items()) for v in values]
        keys = to_arrow([key for one in pairs for key, _ in one], kind.key_type)
        items = to_arrow([item for one in pairs for _, item in one], kind.item_type)
        return pa.MapArray.from_arrays(_offsets(values, pairs), keys, items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        made = to_arrow([element for v in values for element in v or ()], kind.value_type)
        lists = pa.ListArray.from_arrays(_offsets(values, [v or () for v in values]), made)
        return lists.cast(kind) if lists.type != kind else lists
    return pa.array(values, kind)


def _offsets(values: Sequence[Any], lists: Sequence[Sequence[Any]]) -> pa.Array:
    """Where each list begins; a null one begins nowhere."""
    ends = np.cumsum([0, *map(len, lists)])
    return pa.array(
        [*(None if v is None else int(end) for v, end in zip(values, ends, strict=False)), int(ends[-1])], pa.int32()
    )


def from_arrow(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """The values of a column, plain."""
    codec = RowCodec([Column("", column.type)], plain=True)
    rows = codec.encode(pa.table([column], names=[""]))
    return [codec.decode(data)[0] for data in rows.to_pylist()]


def packer_of(columns: Sequence[Column]) -> Callable[[Sequence[Any]], bytes] | None:
    """What packs one row of plain values, as :class:`RowCodec` packs many; None where a column is nested."""
    slots = [slot_of(column.name, column.type) for column in columns]
    made = [_packed_value(column.type) for column in columns]
    if any(pack is None for pack in made):
        return None
    size = (len(columns) + 7) // 8
    layout = struct.Struct(f"<{size}s{''.join(slot.format for slot in slots)}")
    steps = [(place, slot.format, slot.tail is not None, made[place]) for place, slot in enumerate(slots)]

    def pack(values: Sequence[Any]) -> bytes:
        missing, fixed, tails = 0, [], []
        for (place, form, has_tail, convert), value in zip(steps, values, strict=True):
            if value is None:
                missing |= 1 << place
                if form:
                    fixed.append(b"" if form == "16s" else 0)
            elif has_tail:
                assert convert is not None
                tail = convert(value)
                fixed.append(len(tail))
                tails.append(tail)
            else:
                fixed.append(value if convert is _as_it_is else convert(value))  # type: ignore[misc]
        return b"".join([layout.pack(missing.to_bytes(size, "little"), *fixed), *tails])

    return pack


def _packed_value(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What makes a slot's number, or a tail, of a plain value; None for nested ones."""
    if pa.types.is_nested(kind):
        return None
    if pa.types.is_interval(kind):
        return lambda value: struct.pack("<iiq", value[0], value[1], value[2] * 1000)
    if pa.types.is_decimal128(kind) and kind.precision > 18:
        return lambda value: value.to_bytes(16, "little", signed=True)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return str.encode
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def to_json(value: Any, kind: pa.DataType) -> Any:
    """A plain value as JSON has it: instants and dates as ISO 8601, decimals and what JSON's numbers lack as text."""
    if value is None:
        return None
    if pa.types.is_floating(kind):
        if value != value:
            return "NaN"
        return ("Infinity" if value > 0 else "-Infinity") if value in (float("inf"), float("-inf")) else value
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return _calendar(value, kind)
    if pa.types.is_decimal128(kind):
        return str(_EXACT.multiply(Decimal(value), Decimal(1).scaleb(-kind.scale)))
    if pa.types.is_struct(kind):
        return {f.name: to_json(value[f.name], f.type) for f in (kind.field(i) for i in range(kind.num_fields))}
    if pa.types.is_map(kind):
        return {str(key): to_json(item, kind.item_type) for key, item in value.items()}
    if pa.types.is_nested(kind):
        return [to_json(element, kind.value_type) for element in value]
    if isinstance(value, bytes):
        return value.hex()
    if pa.types.is_time64(kind):
        seconds, rest = divmod(value, 1_000_000)
        fraction = f".{rest:06}" if rest else ""
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
    if isinstance(value, tuple):
        return {"months": value[0], "days": value[1], "microseconds": value[2]}
    return value


def _calendar(value: int, kind: pa.DataType) -> str:
    if pa.types.is_date32(kind):
        if abs(value) >= 2**31 - 1:
            return "infinity" if value > 0 else "-infinity"
        try:
            return (_EPOCH + dt.timedelta(days=value)).date().isoformat()
        except OverflowError:
            return f"{value} days"
    if abs(value) >= FOREVER:
        return "infinity" if value > 0 else "-infinity"
    scale = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(kind.unit)
    try:
        instant = _EPOCH + dt.timedelta(microseconds=value * scale if scale else value // 1000)
    except OverflowError:
        return f"{value} {kind.unit}"
    text = instant.replace(tzinfo=None).isoformat(timespec="microseconds" if instant.microsecond else "seconds")
    return f"{text}Z" if kind.tz else text
