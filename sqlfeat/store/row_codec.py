"""One packed row of typed values: how features lie in an online store (format 1).

A row of n columns is ``ceil(n / 8)`` bytes of a bitmap (bit i is set where column i is null), then the fixed slots of
all columns in their order, little-endian and without padding, then the tails of those columns that have one:

==========================================  ==================================================================
type                                        slot
==========================================  ==================================================================
BOOLEAN                                     1 byte
integers, FLOAT, DOUBLE                     their own width; a float's bits as they are (NaN, -0.0, infinities)
DATE                                        4 bytes: days since 1970
TIME, TIMESTAMP, TIMESTAMPTZ (all units)    8 bytes: in the type's own unit, since midnight or since 1970 in UTC
DECIMAL up to 18 digits                     8 bytes: the unscaled number
wider DECIMAL, HUGEINT                      16 bytes: the unscaled number
INTERVAL                                    16 bytes: months (4), days (4), nanoseconds (8)
VARCHAR, ENUM, UUID, JSON, BLOB, BIT        4 bytes: the length of the tail, which is UTF-8 or the bytes themselves
LIST, ARRAY, MAP                            4 bytes: the length of the tail: a count (4), then each element as a row
STRUCT                                      4 bytes: the length of the tail, which is a row of the fields
==========================================  ==================================================================

Rows are encoded a column at a time, without a loop over rows, and decoded one by one by a function that is made for
their schema: to Python's values, or *plain*, as numbers that DuckDB keeps (a DECIMAL as the whole number of its
smallest units, a DATE as days, an instant as its number, an INTERVAL as months, days and microseconds), which is what
compiled expressions take. Which rows there are, and where they lie, is not known here.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.errors import RunError

FORMAT_VERSION = 1
_COUNT = struct.Struct("<I")
_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY_ZERO = dt.date(1970, 1, 1).toordinal()
FOREVER = 2**63 - 1
"""The 64-bit number of the instant ``infinity``; ``-infinity`` is its negative."""

_EXACT = Context(prec=60)
Row = tuple[Any, ...]


class Decode(Protocol):
    """Gives the values of the row that starts at a place of some bytes."""

    def __call__(self, data: bytes, start: int = 0) -> Row: ...


class Interval(NamedTuple):
    """An INTERVAL: calendar months, days, and microseconds, each with its own sign."""

    months: int
    days: int
    microseconds: int


@dataclass(frozen=True)
class Column:
    """A column of rows: its name and its Arrow type."""

    name: str
    type: pa.DataType


class RowCodec:
    """Encodes and decodes rows of some columns.

    Raises:
        RunError: ``no-row-form`` for a type that has no place in a row (UNION, BIGNUM).
    """

    def __init__(self, columns: Sequence[Column], *, plain: bool = False) -> None:
        self.columns = tuple(columns)
        self._slots = [slot_of(column.name, column.type, plain=plain) for column in self.columns]
        self._filled = [slot for slot in self._slots if slot.format]  # all but those of type NULL
        self._bitmap = (len(self.columns) + 7) // 8
        self._struct = struct.Struct(f"<{self._bitmap}s{''.join(slot.format for slot in self._slots)}")
        fields: list[tuple[Any, ...]] = [("bitmap", "u1", (self._bitmap,))]
        fields += [(f"c{i}", slot.numpy) for i, slot in enumerate(self._slots) if slot.numpy]
        self._record = np.dtype(fields)
        self.decode = self._decoder()

    @classmethod
    def of(cls, schema: pa.Schema, *, plain: bool = False) -> RowCodec:
        """The codec of a table's rows."""
        return cls([Column(field.name, field.type) for field in schema], plain=plain)

    # -- many rows at once -----------------------------------------------------------------------------------------

    def encode(self, table: pa.Table) -> pa.Array:
        """The rows of a table with these columns, as an array of binaries."""
        arrays = [_whole(table.column(place)) for place in range(len(self.columns))]
        return self.encode_arrays(arrays, table.num_rows)

    def encode_arrays(self, arrays: Sequence[pa.Array], rows: int) -> pa.Array:
        """The same of one array for each column."""
        record = np.zeros(rows, self._record)
        tails = []
        for place, (slot, array) in enumerate(zip(self._slots, arrays, strict=True)):
            if array.null_count:
                missing = np.asarray(array.is_null().to_numpy(zero_copy_only=False))
                record["bitmap"][:, place >> 3] |= missing.astype(np.uint8) << np.uint8(place & 7)
            if slot.tail is not None:
                tail = slot.tail(array)
                tail = pc.fill_null(tail, b"") if tail.null_count else tail
                record[f"c{place}"] = pc.binary_length(tail).to_numpy(zero_copy_only=False)
                tails.append(tail)
            elif slot.numbers is not None:
                record[f"c{place}"] = slot.numbers(array)
        size = self._record.itemsize
        fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, [None, pa.py_buffer(record)])
        if not tails:
            return fixed.cast(pa.binary())
        return pc.binary_join_element_wise(fixed.cast(pa.binary()), *tails, pa.scalar(b"", pa.binary()))

    # -- one row ---------------------------------------------------------------------------------------------------

    def size(self, data: bytes, start: int = 0) -> int:
        """The number of bytes of the row that starts there."""
        slots = self._struct.unpack_from(data, start)[1:]
        lengths = (value for slot, value in zip(self._filled, slots, strict=True) if slot.tail is not None)
        return self._struct.size + int(sum(lengths))

    def _decoder(self) -> Decode:
        """A function from bytes to values, written for these columns: what is fixed comes out of one unpacking."""
        count = len(self.columns)
        names = [f"v{i}" for i, slot in enumerate(self._slots) if slot.format]
        space: dict[str, Any] = {"unpack": self._struct.unpack_from, "none": bytes(self._bitmap), "null": None}
        lines = ["def decode(data, start=0):"]
        if len(names) == count and all(slot.value is None for slot in self._slots):
            lines += ["    row = unpack(data, start)", "    if row[0] == none: return row[1:]"]
            lines.append(f"    {', '.join(['bitmap', *names])}, = row")
        else:
            lines.append(f"    {', '.join(['bitmap', *names])}, = unpack(data, start)")
        lines += [f"    v{i} = null" for i, slot in enumerate(self._slots) if not slot.format]
        if any(slot.tail for slot in self._slots):
            lines.append(f"    at = start + {self._struct.size}")
        lines += ["    missing = 0 if bitmap == none else int.from_bytes(bitmap, 'little')"]
        for i, slot in enumerate(self._slots):
            if slot.value is None:
                continue
            space[f"value{i}"] = slot.value
            if slot.tail is not None:
                lines += [f"    end = at + v{i}", f"    v{i} = value{i}(data, at, end)", "    at = end"]
            else:
                lines.append(f"    v{i} = value{i}(v{i}) if not missing & {1 << i} else null")
        lines.append("    if missing:")
        lines += [f"        if missing & {1 << i}: v{i} = null" for i in range(count)] or ["        pass"]
        lines.append(f"    return ({', '.join(f'v{i}' for i in range(count))}{',' if count == 1 else ''})")
        exec("\n".join(lines), space)
        decode: Decode = space["decode"]
        return decode


# -- types -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slot:
    """How a column lies in a row: its place in the fixed part, and what makes numbers or a tail of an array of it.

    ``value`` makes a Python value of what was unpacked, or of ``(data, start, end)`` of the tail; ``plain`` a plain
    one, where what was unpacked is none.
    """

    format: str
    numpy: Any
    numbers: Callable[[pa.Array], Any] | None = None
    tail: Callable[[pa.Array], pa.Array] | None = None
    value: Callable[..., Any] | None = None
    plain: Callable[..., Any] | None = None


_INTEGERS = {
    pa.int8(): "b", pa.int16(): "h", pa.int32(): "i", pa.int64(): "q",
    pa.uint8(): "B", pa.uint16(): "H", pa.uint32(): "I", pa.uint64(): "Q",
    pa.float32(): "f", pa.float64(): "d",
}  # fmt: skip


def slot_of(name: str, kind: pa.DataType, *, plain: bool = False) -> Slot:
    """How a column of a type lies in a row."""
    nested = _nested(name, kind, plain)
    slot = _slot(name, kind) if nested is None else nested
    if not plain or nested is not None or slot.tail is not None:
        return slot
    return replace(slot, value=slot.plain)


def _slot(name: str, kind: pa.DataType) -> Slot:
    plain = _INTEGERS.get(kind)
    if plain is not None:
        return Slot(plain, f"<{plain}" if plain not in "bB" else plain, _numbers)
    if pa.types.is_null(kind):
        return Slot("", None)
    if pa.types.is_boolean(kind):
        return Slot("?", "u1", lambda array: _numbers(array.cast(pa.uint8())))
    if pa.types.is_date32(kind):
        return Slot("i", "<i4", lambda array: _numbers(array.cast(pa.int32())), value=_date)
    if pa.types.is_time64(kind):
        return Slot("q", "<i8", lambda array: _numbers(array.cast(pa.int64())), value=_time_of(kind))
    if pa.types.is_timestamp(kind):
        return Slot("q", "<i8", lambda array: _numbers(array.cast(pa.int64())), value=_timestamp_of(kind))
    if pa.types.is_decimal128(kind):
        return _decimal(kind)
    if pa.types.is_interval(kind):
        return Slot("16s", "V16", _sixteen, value=_interval, plain=_interval)
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Slot("I", "<u4", tail=lambda array: array.cast(pa.string()).cast(pa.binary()), value=_text)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return Slot("I", "<u4", tail=lambda array: array.cast(pa.binary()), value=_bytes)
    raise RunError(
        "no-row-form",
        f"The column {name!r} is of type {kind}, which an online store cannot keep.",
        hint="leave it out of the feature view, or cast it to text.",
    )


def _nested(name: str, kind: pa.DataType, plain: bool) -> Slot | None:
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        codec = RowCodec([Column(field.name, field.type) for field in fields], plain=plain)
        return Slot("I", "<u4", tail=lambda array: _struct_rows(codec, array), value=_struct_value(codec))
    if pa.types.is_map(kind):
        pair = RowCodec([Column("key", kind.key_type), Column("value", kind.item_type)], plain=plain)
        return Slot("I", "<u4", tail=lambda array: _map_rows(pair, array), value=_map_value(pair))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        element = RowCodec([Column(name, kind.value_type)], plain=plain)
        return Slot("I", "<u4", tail=lambda array: _list_rows(element, array), value=_list_value(element))
    return None


def _decimal(kind: pa.DataType) -> Slot:
    power = Decimal(1).scaleb(-kind.scale)
    if kind.precision <= 18:
        return Slot("q", "<i8", lambda array: _sixteen(array).view("<i8")[::2], value=lambda n: _scaled(n, power))
    return Slot("16s", "V16", _sixteen, value=lambda data: _scaled(_unscaled(data), power), plain=_unscaled)


def _unscaled(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _scaled(number: int, power: Decimal) -> Decimal:
    return _EXACT.multiply(Decimal(number), power)


# -- arrays to numbers and tails ---------------------------------------------------------------------------------------


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one array."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _numbers(array: pa.Array) -> Any:
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(0, array.type))
    return array.to_numpy(zero_copy_only=False)


def _sixteen(array: pa.Array) -> Any:
    """The values of a type of 16 bytes, as they lie in memory; zeros for null."""
    values = np.frombuffer(array.buffers()[1], "V16", len(array), array.offset * 16)
    if array.null_count:
        values = values.copy()
        values[array.is_null().to_numpy(zero_copy_only=False)] = np.zeros(1, "V16")
    return values


def _struct_rows(codec: RowCodec, array: pa.Array) -> pa.Array:
    rows = codec.encode_arrays(array.flatten(), len(array))
    return pc.if_else(array.is_valid(), rows, pa.scalar(None, pa.binary())) if array.null_count else rows


def _list_rows(element: RowCodec, array: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.uint32)
    return joined_lists(lengths, element.encode_arrays([array.flatten()], int(lengths.sum())))


def _map_rows(pair: RowCodec, array: pa.Array) -> pa.Array:
    there = array.filter(array.is_valid()) if array.null_count else array
    offsets = there.offsets.to_numpy()
    first, last = (int(offsets[0]), int(offsets[-1])) if len(there) else (0, 0)
    lengths = np.zeros(len(array), np.uint32)
    lengths[array.is_valid().to_numpy(zero_copy_only=False)] = np.diff(offsets)
    keys, values = there.keys.slice(first, last - first), there.items.slice(first, last - first)
    return joined_lists(lengths, pair.encode_arrays([keys, values], last - first))


def joined_lists(lengths: Any, rows: pa.Array) -> pa.Array:
    """The tails of lists: how many elements each has, and their rows; ``rows`` are those of all lists in order."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), rows), pa.scalar(b"", pa.binary()))
    counts = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4), len(lengths), [None, pa.py_buffer(lengths.astype("<u4"))]
    )
    return pc.binary_join_element_wise(counts.cast(pa.binary()), joined, pa.scalar(b"", pa.binary()))


# -- what was unpacked to values ---------------------------------------------------------------------------------------


def _date(days: int) -> Any:
    """A date; an infinite one, or one that Python has none for, as its number of days."""
    try:
        return dt.date.fromordinal(days + _DAY_ZERO)
    except (ValueError, OverflowError):
        return days


def _time_of(kind: pa.DataType) -> Callable[[int], Any]:
    ticks = {"us": 1, "ns": 1000}[kind.unit]

    def value(number: int) -> Any:
        seconds, microseconds = divmod(number // ticks, 1_000_000)
        if seconds >= 86_400:  # 24:00:00
            return dt.timedelta(seconds=seconds, microseconds=microseconds)
        return dt.time(seconds // 3600, seconds // 60 % 60, seconds % 60, microseconds)

    return value


def _timestamp_of(kind: pa.DataType) -> Callable[[int], Any]:
    """An instant as Python's datetime; what it has no datetime for (infinities, nanoseconds) as its number."""
    epoch = _EPOCH_UTC if kind.tz else _EPOCH
    scale = {"s": 1_000_000, "ms": 1000, "us": 1}.get(kind.unit)

    def value(number: int) -> Any:
        if scale is None and number % 1000:
            return number
        try:
            return epoch + dt.timedelta(microseconds=number * scale if scale else number // 1000)
        except OverflowError:
            return number

    return value


def _interval(data: bytes) -> Interval:
    months, days, nanoseconds = struct.unpack("<iiq", data)
    return Interval(months, days, nanoseconds // 1000)


def _text(data: bytes, start: int, end: int) -> str:
    return str(data[start:end], "utf-8")


def _bytes(data: bytes, start: int, end: int) -> bytes:
    return bytes(data[start:end])


def _struct_value(codec: RowCodec) -> Callable[[bytes, int, int], Any]:
    names = [column.name for column in codec.columns]

    def value(data: bytes, start: int, end: int) -> Any:
        if start == end:
            return None
        return dict(zip(names, codec.decode(data, start), strict=True))

    return value


def _list_value(element: RowCodec) -> Callable[[bytes, int, int], Any]:
    return lambda data, start, end: [row[0] for row in _elements(element, data, start, end)]


def _map_value(pair: RowCodec) -> Callable[[bytes, int, int], Mapping[Any, Any]]:
    return lambda data, start, end: dict(_elements(pair, data, start, end))


def _elements(codec: RowCodec, data: bytes, start: int, end: int) -> list[Row]:
    if start == end:
        return []
    (count,) = _COUNT.unpack_from(data, start)
    start += _COUNT.size
    rows = []
    for _ in range(count):
        rows.append(codec.decode(data, start))
        start += codec.size(data, start)
    return rows
