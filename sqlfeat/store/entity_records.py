"""What an online store keeps under an entity's key: its key's bytes, and the rows that can hold.

**Key** (format 1): a zero byte, then the row of the key columns (``store.row_codec``); equal keys give equal bytes, and
no two others do: ``-0.0`` is written as ``0.0``, every NaN as the same.

**States**: a count (4 bytes), then so many rows of the instant from which each is usable, its event time (both 8
bytes, microseconds since 1970) and its features, the earliest first.

Everything is encoded for all entities at once.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.errors import RunError
from sqlfeat.store.row_codec import Column, Row, RowCodec, joined_lists, slot_of

_COUNT = struct.Struct("<I")
Starts = npt.NDArray[np.int64]


def first_of_each(keys: pa.Array) -> Starts:
    """Where each run of equal keys begins, and the end of the last."""
    if not len(keys):
        return np.zeros(1, np.int64)
    changes = pc.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1)).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.flatnonzero(changes) + 1, [len(keys)]]).astype(np.int64)


class KeyCodec:
    """An entity's key as bytes."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._codec = RowCodec(columns)
        self._floats = [place for place, column in enumerate(columns) if pa.types.is_floating(column.type)]
        self._schema = pa.schema([(column.name, column.type) for column in columns])
        self._packs = [_pack_of(column.type) for column in columns]
        self._is_plain = not any(self._packs)
        formats = "".join(slot_of(column.name, column.type).format for column in columns)
        self._struct = struct.Struct(f"<{1 + (len(self._packs) + 7) // 8}x{formats}")

    def encode(self, table: pa.Table) -> pa.Array:
        """The keys of a table that has these columns first."""
        columns = [table.column(place) for place in range(len(self._schema))]
        for place in self._floats:
            kind = columns[place].type
            plain = pc.add(columns[place], pa.scalar(0.0, kind))  # -0.0 + 0.0 is 0.0
            columns[place] = pc.if_else(pc.is_nan(plain), pa.scalar(float("nan"), kind), plain)
        rows = self._codec.encode(pa.table(columns, schema=self._schema)) if columns else None
        if rows is None:
            return pa.array([b"\0"] * table.num_rows, pa.binary())
        zero = pa.scalar(b"\0", pa.binary())
        return pc.binary_join_element_wise(zero, rows, pa.scalar(b"", pa.binary()))

    def encode_one(self, values: Sequence[Any]) -> bytes:
        """One key of plain values of the columns' types, none of them null."""
        if self._is_plain:
            return self._struct.pack(*values)
        fixed, tails = [], []
        for pack, value in zip(self._packs, values, strict=True):
            value = pack(value) if pack is not None else value
            if isinstance(value, _Tail):
                fixed.append(len(value))
                tails.append(value)
            else:
                fixed.append(value)
        return b"".join([self._struct.pack(*fixed), *tails])


class _Tail(bytes):
    """Bytes that come after the fixed part of a key."""


def _pack_of(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What makes a slot's number, or a tail, of a plain value."""
    if pa.types.is_floating(kind):
        return lambda value: math.nan if value != value else value + 0.0
    if pa.types.is_decimal128(kind) and kind.precision > 18:
        return lambda value: value.to_bytes(16, "little", signed=True)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return lambda value: _Tail(value.encode())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _Tail
    if pa.types.is_nested(kind) or pa.types.is_interval(kind):
        raise RunError(
            "no-row-form", f"An entity's key is of type {kind}.", hint="cast it to text: what is looked up by is plain."
        )
    return None


class StateCodec:
    """The rows of an entity that can hold, one after the other; they are decoded plain."""

    def __init__(self, features: Sequence[Column]) -> None:
        times = [Column("usable_at", pa.int64()), Column("event_at", pa.int64())]
        self._codec = RowCodec([*times, *features], plain=True)
        self.single = _single([*times, *features])

    def encode(self, table: pa.Table, starts: Starts) -> pa.Array:
        """The records of entities whose rows lie together; ``table`` has the times, then the features."""
        return joined_lists(np.diff(starts), self._codec.encode(table))

    def decode(self, data: bytes) -> list[Row]:
        """The rows: usable from, event time, features."""
        decode = self._codec.decode
        (count,) = _COUNT.unpack_from(data)
        if count == 1:
            return [decode(data, 4)]
        rows, start = [], 4
        for _ in range(count):
            rows.append(decode(data, start))
            start += self._codec.size(data, start)
        return rows


class Single(NamedTuple):
    """How a record of one row of numbers without a null is read at once: an entity mostly has no other.

    Records that are ``size`` bytes long are unpacked to a count, a bitmap, and the row; the bitmap is ``no_nulls``.
    ``format`` is what ``struct`` calls such a record, and ``values`` how many it is unpacked to.
    """

    size: int
    unpack: Callable[[bytes], Row]
    no_nulls: bytes
    format: str
    values: int


def _single(columns: Sequence[Column]) -> Single | None:
    slots = [slot_of(column.name, column.type, plain=True) for column in columns]
    if not all(slot.format and slot.value is None and slot.tail is None for slot in slots):
        return None
    bitmap = (len(columns) + 7) // 8
    text = f"I{bitmap}s{''.join(slot.format for slot in slots)}"
    form = struct.Struct(f"<{text}")
    return Single(form.size, form.unpack, bytes(bitmap), text, 2 + len(slots))
