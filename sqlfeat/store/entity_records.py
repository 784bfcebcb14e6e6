"""What an online store keeps under an entity's key: its key's bytes, the rows that can hold, the events of windows.

**Key** (format 1): a zero byte, then the row of the key columns (``store.row_codec``); equal keys give equal bytes, and
no two others do: ``-0.0`` is written as ``0.0``, every NaN as the same.

**States**: a count (4 bytes), then so many rows of the instant from which each is usable, its event time (both 8
bytes, microseconds since 1970) and its features, the earliest first.

**Events**: a count n (4 bytes), then column by column, as one array of n values each: those of fixed width as they lie
in a row; of others n ends (4 bytes each) and then the bytes of all. A column that can be null has n bytes before it
that say which values are there.

Everything is encoded for all entities at once.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.errors import RunError
from sqlfeat.store.row_codec import Column, Row, RowCodec, Slot, joined_lists, slot_of

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


@dataclass(frozen=True)
class EventColumn:
    """A column of events, and whether it can be null."""

    name: str
    type: pa.DataType
    nullable: bool = True


class EventCodec:
    """The events of an entity, column by column."""

    def __init__(self, columns: Sequence[EventColumn]) -> None:
        self.columns = tuple(columns)
        self._slots = [slot_of(column.name, column.type, plain=True) for column in columns]

    def encode(self, table: pa.Table, starts: Starts) -> pa.Array:
        """The records of entities whose events lie together; ``table`` has these columns."""
        counts = np.diff(starts).astype("<u4")
        pieces = [_stretches(counts.view(np.uint8), np.arange(len(counts) + 1) * 4)]
        for place, (column, slot) in enumerate(zip(self.columns, self._slots, strict=True)):
            array = table.column(place).combine_chunks()
            array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
            if column.nullable:
                there = array.is_valid().cast(pa.uint8()).to_numpy(zero_copy_only=False)
                pieces.append(_stretches(there, starts))
            pieces += _column_pieces(slot, array, starts)
        return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary())).cast(pa.binary())

    def decode(self, data: bytes) -> EventBlock:
        """The events of one entity."""
        return EventBlock(data, self.columns, self._slots)


class EventBlock:
    """The events of one entity, in the order of aggregates; a column is read when it is asked for."""

    def __init__(self, data: bytes, columns: Sequence[EventColumn], slots: Sequence[Slot]) -> None:
        self._data = data
        (self.count,) = _COUNT.unpack_from(data)
        self._columns = columns
        self._slots = slots
        self._known: dict[str, Any] = {}

    @classmethod
    def empty(cls) -> EventBlock:
        """The events of an entity that has none, whatever is asked of them."""
        return _NoEvents(_COUNT.pack(0), (), ())

    @cached_property
    def _places(self) -> Mapping[str, tuple[Slot, int | None, int]]:
        """Where the validity and the values of each column begin."""
        places, at, n = {}, 4, self.count
        for column, slot in zip(self._columns, self._slots, strict=True):
            validity = at if column.nullable else None
            at += n if column.nullable else 0
            places[column.name] = (slot, validity, at)
            if slot.tail is None:
                at += n * _width(slot.numpy) if slot.numpy else 0
            else:
                at += 4 * n + (int.from_bytes(self._data[at + 4 * n - 4 : at + 4 * n], "little") if n else 0)
        return places

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """The values of a column of fixed width, whatever stands where one is null."""
        slot, _, start = self._places[name]
        return np.frombuffer(self._data, slot.numpy, self.count, start)

    def integers(self, name: str) -> Sequence[int]:
        """The values of a column of 64 bits, for looking at single ones."""
        _, _, start = self._places[name]
        return memoryview(self._data)[start : start + 8 * self.count].cast("q")

    def there(self, name: str) -> npt.NDArray[np.bool_] | None:
        """Which values of a column are not null; None where all are."""
        _, validity, _ = self._places[name]
        return None if validity is None else np.frombuffer(self._data, np.bool_, self.count, validity)

    def has_nulls(self, name: str) -> bool:
        """Whether a value of a column is null."""
        there = self.there(name)
        return there is not None and not there.all()

    def values(self, name: str) -> list[Any]:
        """The values of a column, plain."""
        if name not in self._known:
            slot, _, start = self._places[name]
            there = self.there(name)
            if slot.tail is None:
                found = self.numbers(name).tolist()
                if slot.value is not None:
                    raw = [bytes(one) for one in found] if slot.format == "16s" else found
                    found = [slot.value(one) for one in raw]
                elif slot.format == "?":
                    found = [bool(one) for one in found]
            else:
                assert slot.value is not None
                ends = np.frombuffer(self._data, "<u4", self.count, start).tolist()
                base = start + 4 * self.count
                found = [slot.value(self._data, base + a, base + b) for a, b in zip([0, *ends], ends, strict=False)]
            if there is not None:
                found = [one if known else None for one, known in zip(found, there.tolist(), strict=True)]
            self._known[name] = found
        known: list[Any] = self._known[name]
        return known


class _NoEvents(EventBlock):
    """No events: every column is empty."""

    def has_nulls(self, name: str) -> bool:
        """No."""
        return False

    def values(self, name: str) -> list[Any]:
        """Nothing."""
        return []


@cache
def _width(kind: str) -> int:
    """The bytes of a value of fixed width."""
    return int(np.dtype(kind).itemsize)


def _column_pieces(slot: Slot, array: pa.Array, starts: Starts) -> list[pa.Array]:
    """The bytes of each entity's stretch of a column."""
    if slot.tail is None:
        if slot.numbers is None:
            return []
        numbers = np.ascontiguousarray(slot.numbers(array)).astype(slot.numpy, copy=False)
        return [_stretches(numbers.view(np.uint8), starts * numbers.dtype.itemsize)]
    tails = pc.fill_null(slot.tail(array), b"").cast(pa.large_binary())
    offsets = np.frombuffer(tails.buffers()[1], "<i8", len(tails) + 1, tails.offset * 8)
    counts = np.diff(starts)
    ends = (offsets[1:] - np.repeat(offsets[starts[:-1]], counts)).astype("<u4")
    data = tails.buffers()[2]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return [_stretches(ends.view(np.uint8), starts * 4), _stretches(raw, offsets[starts])]


def _stretches(data: npt.NDArray[np.uint8], edges: npt.NDArray[Any]) -> pa.Array:
    """The stretches of some bytes between edges, as binaries and without a copy."""
    offsets = np.ascontiguousarray(edges, "<i8")
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    )
