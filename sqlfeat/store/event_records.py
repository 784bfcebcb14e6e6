"""The events of an entity as an online store keeps them: columns in the order of time, what is in doubt, and tiles.

**Record** (format 3): how many events there are, n, and how many of them are in doubt, m (4 bytes each); a byte for
each column that can be null (1: some are) and one for each lane (``store.event_tiles``: its numbers at an edge); then

- the event times, 8 bytes each: microseconds since 1970;
- of those in doubt their places (4 each), the instants from which and those until which they count (8 each): all others
  count at every instant from that of the snapshot on;
- column by column, where some values are null, n bytes that say which are there; then n values as they lie in a row,
  or, where these have no fixed width, n ends (4 each) and the bytes of all;
- lane by lane, where there are tiles: at every edge of a tile, that before the first included, counts (4 each) or sums
  (8 each number); or, level by level, the extremes.

Records are encoded for all entities at once, and read in place: a window reads the pieces that it needs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.store.event_tiles import NOWHERE, TILE, Lane, Tiling
from sqlfeat.store.row_codec import FOREVER, Slot, slot_of

_HEAD = struct.Struct("<II")
_NO_TIMES: tuple[int, ...] = ()
TIMES = 3
"""The first columns of a table of events: the event time, and from and until when it counts."""
Starts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EventColumn:
    """A column of events, and whether it can be null."""

    name: str
    type: pa.DataType
    nullable: bool = True


class EventCodec:
    """The events of an entity; ``columns`` are the three times, then those that are kept as they are."""

    def __init__(self, columns: Sequence[EventColumn], lanes: Sequence[Lane] = ()) -> None:
        self.columns = tuple(columns)
        self.lanes = tuple(lanes)
        self._slots = [slot_of(column.name, column.type, plain=True) for column in columns]
        self._kept = list(zip(self.columns, self._slots, strict=True))[TIMES:]
        self._places = {column.name: place for place, column in enumerate(columns)}
        self.layout = Layout(self._kept, self.lanes)

    # -- many records at once --------------------------------------------------------------------------------------

    def encode(self, table: pa.Table, starts: Starts, as_of: int = -FOREVER) -> pa.Array:
        """The records of entities whose events lie together; ``table`` has the columns.

        They are read at ``as_of`` at the earliest: which events count for sure from then on is found out here.
        """
        arrays = [_whole(table.column(place)) for place in range(len(self.columns))]
        events, known, until = (np.ascontiguousarray(_plain_numbers(array)) for array in arrays[:TIMES])
        doubtful = (known >= as_of) | (until != FOREVER)
        doubts = np.flatnonzero(doubtful)
        doubt_edges = np.searchsorted(doubts, starts)
        numbers = {c.name: s.numbers(a) for (c, s), a in zip(self._kept, arrays[TIMES:], strict=True) if s.numbers}
        flags: list[npt.NDArray[np.uint8]] = []
        pieces = [
            _stretches(events, starts),
            *_in_doubt(doubts, known, until, starts, doubt_edges),
        ]
        there: dict[str, npt.NDArray[np.bool_]] = {}
        for (column, slot), array in zip(self._kept, arrays[TIMES:], strict=True):
            if column.nullable:
                there[column.name] = array.is_valid().to_numpy(zero_copy_only=False)
                flag, validity = _validity(there[column.name], starts)
                flags.append(flag)
                pieces.append(validity)
            pieces += _column_pieces(slot, array, numbers.get(column.name), starts)
        for flag, lane in self._written_lanes(arrays, numbers, there, Tiling(starts)):
            flags.append(flag)
            pieces.append(lane)
        heads = np.stack([np.diff(starts), np.diff(doubt_edges)], axis=1).astype("<u4")
        count = np.arange(len(starts))
        first = [_stretches(heads, count)]
        if flags:
            first.append(_stretches(np.stack(flags, axis=1), count))
        return pc.binary_join_element_wise(*first, *pieces, pa.scalar(b"", pa.large_binary())).cast(pa.binary())

    def _written_lanes(self, arrays: Sequence[pa.Array], numbers: Any, there: Any, tiling: Tiling) -> Any:
        for lane in self.lanes:
            kept = there.get(lane.argument)
            if kept is not None and kept.all():
                kept = None
            if lane.filter is not None:
                passing = pc.fill_null(arrays[self._places[lane.filter]].cast(pa.bool_()), False)
                passing = passing.to_numpy(zero_copy_only=False)
                kept = passing if kept is None else kept & passing
            if lane.kind in ("min", "max") and _lies_elsewhere(self.layout.slots[str(lane.argument)]):
                some = arrays[self._places[str(lane.argument)]].take(pa.array(tiling.chosen))
                order = pc.array_sort_indices(some).to_numpy().astype(np.int64)
                written = tiling.places(lane, order, kept)
                yield written.words, _binaries(written.data, written.edges)
                continue
            values = numbers[lane.argument] if lane.kind != "count" else None
            written = tiling.of(lane, values, kept, _neutral(lane.kind, values))
            yield written.words, _binaries(written.data, written.edges)

    # -- one record ------------------------------------------------------------------------------------------------

    def decode(self, data: bytes) -> EventBlock:
        """The events of one entity."""
        return EventBlock(data, self.layout)

    @property
    def empty(self) -> EventBlock:
        """The events of an entity that has none."""
        return EventBlock(_HEAD.pack(0, 0) + bytes(self.layout.flags), self.layout)


class Layout:
    """What follows what in a record."""

    def __init__(self, columns: Sequence[tuple[EventColumn, Slot]], lanes: Sequence[Lane]) -> None:
        self.columns = columns
        self.lanes = lanes
        self.flags = sum(column.nullable for column, _ in columns) + len(lanes)
        self.slots = {column.name: slot for column, slot in columns}
        self._widths = [(c.name, c.nullable, _width(s.numpy) if s.numpy else 0, s.tail is not None) for c, s in columns]
        self._sizes = [
            (lane, 4 if lane.kind == "count" else 8, _width_of_extreme(self.slots[str(lane.argument)]))
            if lane.argument is not None
            else (lane, 4, 0)
            for lane in lanes
        ]

    def places(self, data: bytes, count: int, doubts: int) -> tuple[dict[str, tuple[int, int]], list[tuple[int, int]]]:
        """Where the columns begin: validity (0: none is null) and values; of lanes their numbers an edge, and where."""
        flag = _HEAD.size
        at = flag + self.flags + 8 * count + 20 * doubts
        columns, lanes = {}, []
        for name, nullable, width, has_tail in self._widths:
            validity = 0
            if nullable:
                if data[flag]:
                    validity = at
                    at += count
                flag += 1
            columns[name] = (validity, at)
            if has_tail and count:
                at += 4 * count + int.from_bytes(data[at + 4 * count - 4 : at + 4 * count], "little")
            else:
                at += count * width
        tiles = count // TILE
        for lane, size, width in self._sizes:
            words = data[flag]
            flag += 1
            lanes.append((words, at))
            if words:
                if lane.kind in ("count", "sum"):
                    at += (tiles + 1) * words * size
                else:
                    level = tiles
                    while level:
                        at += level * width
                        level //= TILE
        return columns, lanes


class EventBlock:
    """The events of one entity, in the order of aggregates; what is asked for is read when it is asked for."""

    __slots__ = ("_columns", "_known", "_lanes", "_layout", "_memory", "_read", "count", "data", "doubts", "events")

    def __init__(self, data: bytes, layout: Layout) -> None:
        self.data = data
        self._layout = layout
        self.count, self.doubts = _HEAD.unpack_from(data)
        self._memory = memoryview(data)
        start = _HEAD.size + layout.flags
        self.events: Sequence[int] = self._memory[start : start + 8 * self.count].cast("q")
        self._columns, self._lanes = layout.places(data, self.count, self.doubts)
        self._known: dict[str, Any] = {}
        self._read: list[tuple[int, Any] | None] = [None] * len(self._lanes)

    @property
    def in_doubt(self) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """The places of the events that may not count at every instant, and from and until when each does."""
        if not self.doubts:
            return _NO_TIMES, _NO_TIMES, _NO_TIMES
        at, m = _HEAD.size + self._layout.flags + 8 * self.count, self.doubts
        memory = self._memory
        return (
            memory[at : at + 4 * m].cast("I"),
            memory[at + 4 * m : at + 12 * m].cast("q"),
            memory[at + 12 * m : at + 20 * m].cast("q"),
        )

    def is_there(self, name: str) -> memoryview | None:
        """A byte for each value of a column: 0 where it is null; None where none is."""
        validity, _ = self._columns[name]
        return self._memory[validity : validity + self.count] if validity else None

    def has_nulls(self, name: str) -> bool:
        """Whether a value of a column is null."""
        return self._columns[name][0] != 0

    def numbers(self, name: str) -> memoryview | None:
        """The values of a column as numbers, whatever stands where one is null; None where plain values are others."""
        known = self._known.get(name)
        if known is None:
            slot = self._layout.slots[name]
            if slot.tail is not None or slot.value is not None or not slot.numpy:
                return None
            start = self._columns[name][1]
            end = start + self.count * _width(slot.numpy)
            known = self._known[name] = self._memory[start:end].cast(_format(slot.format))
        found: memoryview = known
        return found

    def is_true(self, name: str) -> Sequence[Any]:
        """For each event whether a column is true."""
        numbers = self.numbers(name) if self._layout.slots[name].format == "?" else None  # where null, it is False
        if numbers is not None:
            return numbers
        return [bool(value) for value in self.values(name)]

    def values(self, name: str, first: int = 0, end: int | None = None) -> list[Any]:
        """The values of a column at some places, plain."""
        end = self.count if end is None else end
        found = self._raw(name, first, end)
        there = self.is_there(name)
        if there is None:
            return found
        return [value if known else None for value, known in zip(found, there[first:end], strict=True)]

    def _raw(self, name: str, first: int, end: int) -> list[Any]:
        numbers = self.numbers(name)
        if numbers is not None:
            return numbers[first:end].tolist()
        slot, (_, start) = self._layout.slots[name], self._columns[name]
        if slot.tail is None:
            if slot.value is None:
                return [None] * (end - first)
            width = _width(slot.numpy)
            values = struct.iter_unpack(f"<{slot.format}", self.data[start + first * width : start + end * width])
            return [slot.value(one) for (one,) in values]
        assert slot.value is not None
        ends = self._memory[start : start + 4 * self.count].cast("I")
        data, base = self.data, start + 4 * self.count
        begins = [ends[first - 1] if first else 0, *ends[first : max(end - 1, first)]]
        pairs = zip(begins, ends[first:end], strict=False)
        return [slot.value(data, base + begin, base + stop) for begin, stop in pairs]

    def lane(self, place: int | None) -> tuple[int, Any]:
        """How many numbers a lane, by its place among all, has at an edge (0: it has no tiles), and the numbers."""
        if place is None:
            return 0, None
        known = self._read[place]
        if known is None:
            known = self._read[place] = self._lane(place)
        return known

    def _lane(self, place: int) -> tuple[int, Any]:
        words, at = self._lanes[place]
        if not words:
            return 0, None
        lane, tiles = self._layout.lanes[place], self.count // TILE
        if lane.kind == "count":
            return words, self._memory[at : at + 4 * (tiles + 1)].cast("I")
        slot = self._layout.slots[str(lane.argument)]
        if lane.kind == "sum":
            numbers = self._memory[at : at + 8 * words * (tiles + 1)]
            return words, numbers.cast(_format("d" if slot.format in "fd" else "q"))
        size, level = 0, tiles
        while level:
            size += level
            level //= TILE
        form = "I" if _lies_elsewhere(slot) else slot.format
        return words, self._memory[at : at + size * _width_of_extreme(slot)].cast(_format(form))

    def at_places(self, name: str) -> Callable[[Any], list[Any]] | None:
        """What gives the values at places; None where the extremes of a column lie in its tiles themselves."""
        if not _lies_elsewhere(self._layout.slots[name]):
            return None
        return lambda places: [self._raw(name, place, place + 1)[0] for place in places if place != NOWHERE]


def _lies_elsewhere(slot: Slot) -> bool:
    """Whether plain values are not the numbers of their slots, so that tiles have the places of extremes."""
    return slot.tail is not None or slot.value is not None


def _width_of_extreme(slot: Slot) -> int:
    return 4 if _lies_elsewhere(slot) else _width(slot.numpy)


def _format(text: str) -> Any:
    """The form of numbers, as memory is cast to it."""
    return text


@cache
def _width(kind: str) -> int:
    """The bytes of a value of fixed width."""
    return int(np.dtype(kind).itemsize)


# -- encoding ----------------------------------------------------------------------------------------------------------


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _plain_numbers(array: pa.Array) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = array.to_numpy(zero_copy_only=False).astype("<i8", copy=False)
    return found


def _neutral(kind: str, numbers: Any) -> Any:
    """What changes nothing: neither a sum nor an extreme."""
    if numbers is None or kind == "sum" or numbers.dtype.kind == "V":
        return 0
    if numbers.dtype.kind == "f":
        return np.inf if kind == "min" else -np.inf
    limits = np.iinfo(numbers.dtype)
    return limits.max if kind == "min" else limits.min


def _validity(there: npt.NDArray[np.bool_], starts: Starts) -> tuple[npt.NDArray[np.uint8], pa.Array]:
    """For each entity whether a value is null, and the bytes that say which are there, where one is."""
    if there.all():
        return np.zeros(len(starts) - 1, np.uint8), _binaries(np.zeros(0, np.uint8), np.zeros(len(starts), np.int64))
    missing = ~np.logical_and.reduceat(there, starts[:-1])
    counts = np.diff(starts)
    data = there if missing.all() else there[np.repeat(missing, counts)]
    edges = np.concatenate([[0], np.cumsum(np.where(missing, counts, 0))])
    return missing.astype(np.uint8), _binaries(data.view(np.uint8), edges)


def _in_doubt(
    doubts: npt.NDArray[np.int64],
    known: npt.NDArray[np.int64],
    until: npt.NDArray[np.int64],
    starts: Starts,
    edges: Starts,
) -> list[pa.Array]:
    if not len(doubts):
        return []
    places = (doubts - np.repeat(starts[:-1], np.diff(edges))).astype("<u4")
    return [_stretches(places, edges), _stretches(known[doubts], edges), _stretches(until[doubts], edges)]


def _column_pieces(slot: Slot, array: pa.Array, numbers: Any, starts: Starts) -> list[pa.Array]:
    """The bytes of each entity's stretch of a column."""
    if slot.tail is None:
        if numbers is None:
            return []
        return [_stretches(np.ascontiguousarray(numbers).astype(slot.numpy, copy=False), starts)]
    tails = pc.fill_null(slot.tail(array), b"").cast(pa.large_binary())
    offsets = np.frombuffer(tails.buffers()[1], "<i8", len(tails) + 1, tails.offset * 8)
    counts = np.diff(starts)
    ends = (offsets[1:] - np.repeat(offsets[starts[:-1]], counts)).astype("<u4")
    data = tails.buffers()[2]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return [_stretches(ends, starts), _binaries(raw, offsets[starts])]


def _stretches(rows: npt.NDArray[Any], edges: npt.NDArray[Any]) -> pa.Array:
    """The bytes of the stretches of some rows between edges."""
    width = rows.dtype.itemsize * (rows.shape[1] if rows.ndim > 1 else 1)
    return _binaries(np.ascontiguousarray(rows).reshape(-1).view(np.uint8), edges * width)


def _binaries(data: npt.NDArray[np.uint8], edges: npt.NDArray[Any]) -> pa.Array:
    """The stretches of some bytes between edges, as binaries and without a copy."""
    offsets = np.ascontiguousarray(edges, "<i8")
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    )
