"""A table as a folder of plain column files, mapped into memory.

A column of numbers or instants is one file of its values; text is a file of offsets and one of bytes; a column with
nulls has a file of one byte a row beside it. Columns that are gathered together lie in packs, row by row, so that a
row's values are one or two lines of memory apart and not one each. ``columns.json`` is written last and holds the
number of rows and the size of every file: a folder without it, or with another size, is not one. Nothing is compressed,
so that a gather touches just the pages that it needs. Everything here can be made again from the view's table.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.base.files import write_atomically
from sqlfeat.engine.duckdb.plans import IN_ORDER

FORMAT_VERSION = 2
MANIFEST = "columns.json"
_WIDTHS = {1: "u1", 2: "i2", 4: "i4", 8: "i8", 16: "V16"}
_PACK = 128
"""Bytes of a row of a pack at most: two lines of memory."""
BLOCK = 8_192
"""Rows that are gathered and turned into columns before they leave the nearest cache."""

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class _Writer:
    """Appends the batches of one column to its files; of one in a pack only what says which values are null."""

    def __init__(self, folder: Path, number: int, kind: pa.DataType, *, packed: bool) -> None:
        self.kind = kind
        self.packed = packed
        self.stem = f"c{number}"
        self.folder = folder
        self.text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        self.files: dict[str, BinaryIO] = {}
        self.rows = 0
        self.bytes = 0
        self.nulls = 0

    def append(self, column: pa.Array) -> None:
        if column.null_count or self.nulls:
            if not self.nulls:
                self._file("valid").write(b"\x01" * self.rows)
            self._file("valid").write(validity(column).tobytes())
            self.nulls += column.null_count
        if self.text:
            self._append_text(column)
        elif not self.packed:
            self._file("data").write(_raw(column).tobytes())
        self.rows += len(column)

    def _append_text(self, column: pa.Array) -> None:
        large = column.cast(pa.large_string())
        _, offsets, data = large.buffers()
        edges = np.frombuffer(offsets, "i8")[large.offset : large.offset + len(large) + 1] if len(large) else None
        if edges is None:
            return
        if not self.rows:
            self._file("offsets").write(np.zeros(1, "i8").tobytes())
        self._file("offsets").write((edges[1:] - edges[0] + self.bytes).tobytes())
        if data is not None:
            self._file("data").write(memoryview(data)[edges[0] : edges[-1]])
        self.bytes += int(edges[-1] - edges[0])

    def finish(self) -> dict[str, Any]:
        if not self.packed:
            self._file("data")
        if self.text and not self.rows:
            self._file("offsets").write(np.zeros(1, "i8").tobytes())
        return {"stem": self.stem, "sizes": {part: _closed(file) for part, file in self.files.items()}}

    def _file(self, part: str) -> BinaryIO:
        if part not in self.files:
            self.files[part] = (self.folder / f"{self.stem}.{part}").open("wb")
        return self.files[part]


class _PackWriter:
    """Appends batches, row by row, of columns of fixed width that lie together: (number, dtype, offset in a row)."""

    def __init__(self, folder: Path, number: int, members: Sequence[tuple[int, str, int]], width: int) -> None:
        self.stem = f"p{number}"
        self.members = members
        self.width = width
        self.file = (folder / f"{self.stem}.data").open("wb")

    def append(self, batch: pa.RecordBatch) -> None:
        rows = np.zeros(batch.num_rows * self.width, np.uint8)
        for number, dtype, offset in self.members:
            strided(rows, batch.num_rows, dtype, offset, self.width)[:] = _raw(batch.column(number)).view(dtype)
        self.file.write(rows.data)

    def finish(self) -> dict[str, Any]:
        return {"stem": self.stem, "width": self.width, "members": self.members, "sizes": {"data": _closed(self.file)}}


def _closed(file: BinaryIO) -> int:
    """The size of a file that is written whole and safe on the disk."""
    file.flush()
    os.fsync(file.fileno())
    size = file.tell()
    file.close()
    return size


def strided(rows: npt.NDArray[Any], count: int, dtype: str, offset: int, width: int) -> npt.NDArray[Any]:
    """One column inside rows of fixed width, without a copy."""
    return np.ndarray((count,), dtype, rows, offset, (width,))


def _raw(column: pa.Array) -> npt.NDArray[Any]:
    """The values of a column of fixed width as they are written; booleans take a byte each."""
    if pa.types.is_boolean(column.type):
        return bits(column.buffers()[1], column)
    return values(column, dtype_of(column.type))


def dtype_of(kind: pa.DataType) -> str:
    """The numpy type of a column of fixed width as it is written."""
    return "u1" if pa.types.is_boolean(kind) else _WIDTHS[kind.bit_width // 8]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _packs(schema: pa.Schema, together: Sequence[str]) -> list[tuple[list[tuple[int, str, int]], int]]:
    """The packs of the columns that are gathered together: members, and the width of a row; wide ones first."""
    numbers = [schema.get_field_index(name) for name in together if not _is_text(schema.field(name).type)]
    members = sorted(((n, dtype_of(schema.field(n).type)) for n in numbers), key=lambda m: -np.dtype(m[1]).itemsize)
    packs: list[tuple[list[tuple[int, str, int]], int]] = []
    for number, dtype in members:
        size = np.dtype(dtype).itemsize
        if not packs or packs[-1][1] + size > _PACK:
            packs.append(([], 0))
        inside, width = packs[-1]
        packs[-1] = ([*inside, (number, dtype, width)], width + size)
    return [(inside, -(-width // 8) * 8) for inside, width in packs]


def values(column: pa.Array, dtype: str) -> npt.NDArray[Any]:
    """The raw values of an array of fixed width, without a copy; what stands where a null is does not matter.

    (``numpy.asarray`` of an Arrow array imports pandas where it is installed, which costs more than a lookup.)
    """
    buffer = column.buffers()[1]
    if buffer is None:
        return np.zeros(len(column), dtype)
    return np.frombuffer(buffer, dtype)[column.offset : column.offset + len(column)]


def bits(buffer: pa.Buffer | None, column: pa.Array) -> npt.NDArray[np.uint8]:
    """The bits of a buffer of an array, a byte each; all set where there is no buffer."""
    if buffer is None:
        return np.ones(len(column), np.uint8)
    unpacked = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
    return unpacked[column.offset : column.offset + len(column)]


def validity(column: pa.Array) -> npt.NDArray[np.uint8]:
    """One byte a row: whether there is a value."""
    return bits(column.buffers()[0] if column.null_count else None, column)


def storable(kind: pa.DataType) -> bool:
    """Whether a column of an Arrow type can be kept in such a folder."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return True
    fixed = pa.types.is_primitive(kind) or pa.types.is_decimal128(kind)
    return bool(fixed and kind.bit_width // 8 in _WIDTHS)


def write_columns(folder: Path, reader: pa.RecordBatchReader, together: Sequence[str] = ()) -> int:
    """Write a stream of batches as a folder of columns, whole or not at all; gives the number of rows.

    ``together`` are columns that are mostly gathered at the same positions.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    writers: list[_Writer] = []
    packs: list[_PackWriter] = []
    try:
        packed = _packs(reader.schema, together)
        inside = {number for members, _ in packed for number, *_ in members}
        writers = [_Writer(temporary, i, f.type, packed=i in inside) for i, f in enumerate(reader.schema)]
        packs = [_PackWriter(temporary, i, members, width) for i, (members, width) in enumerate(packed)]
        for batch in reader:
            for writer, column in zip(writers, batch.columns, strict=True):
                writer.append(column)
            for pack in packs:
                pack.append(batch)
        rows = writers[0].rows if writers else 0
        body: dict[str, Any] = {"format": FORMAT_VERSION, "rows": rows}
        body["columns"] = [writer.finish() for writer in writers]
        body["packs"] = [pack.finish() for pack in packs]
        body["schema"] = reader.schema.serialize().to_pybytes().hex()
        write_atomically(temporary / MANIFEST, json.dumps(body))
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        for file in [*(file for writer in writers for file in writer.files.values()), *(pack.file for pack in packs)]:
            file.close()
        shutil.rmtree(temporary, ignore_errors=True)
    return rows


@dataclass(frozen=True)
class Column:
    """One column, mapped: its values (or offsets and bytes), and its flags of validity where it has nulls.

    ``place`` is the number of its pack and the offset in it, where it lies in one.
    """

    kind: pa.DataType
    data: npt.NDArray[Any]
    valid: npt.NDArray[np.uint8] | None
    text: pa.Array | None
    place: tuple[int, int] | None = None


@dataclass(frozen=True)
class Pack:
    """Columns that lie together, mapped: their rows as bytes, and the mapping."""

    rows: npt.NDArray[Any]
    mapped: mmap.mmap | None

    @property
    def is_large(self) -> bool:
        """Whether it is better read from its begin to its end."""
        return self.rows.nbytes > IN_ORDER

    def take(self, positions: Positions) -> npt.NDArray[Any]:
        """Some rows."""
        return self.rows.take(positions, mode="clip")

    def in_order(self, positions: Positions) -> npt.NDArray[Any]:
        """The same of many rows over a large file: from its begin to its end, letting go of what has been read."""
        taken = np.empty(len(positions), self.rows.dtype)
        order = np.argsort(positions)
        for begin in range(0, len(order), BLOCK):
            places = order[begin : begin + BLOCK]
            rising = np.clip(positions[places], 0, len(self.rows) - 1)
            taken[places] = self.rows.take(rising)
            if self.mapped is not None:
                width = self.rows.dtype.itemsize
                _release(self.mapped, int(rising[0]) * width, (int(rising[-1]) + 1) * width)
        return taken


def _release(mapped: mmap.mmap, begin: int, end: int) -> None:
    """Take a stretch of a mapping out of this process's memory, where the system can."""
    if hasattr(mmap, "MADV_DONTNEED"):
        first = begin // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.madvise(mmap.MADV_DONTNEED, first, min(end, len(mapped)) - first)


class ColumnFolder:
    """A folder of columns, open for gathering. Files are mapped when their column is first asked for.

    Raises:
        FileNotFoundError, ValueError: it is not there, or not whole.
    """

    def __init__(self, folder: Path) -> None:
        body = json.loads((folder / MANIFEST).read_text())
        if body["format"] != FORMAT_VERSION:
            raise ValueError(f"{folder} has another format")
        self.rows: int = body["rows"]
        self.schema: pa.Schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(body["schema"])))
        self._folder = folder
        self._shapes: Sequence[Mapping[str, Any]] = body["columns"]
        self._packs: Sequence[Mapping[str, Any]] = body["packs"]
        self._places = {
            number: (place, offset) for place, pack in enumerate(self._packs) for number, _, offset in pack["members"]
        }
        self._open: dict[str, Column] = {}
        self._open_packs: dict[int, Pack] = {}
        self._maps: list[mmap.mmap] = []
        for shape in (*self._shapes, *self._packs):
            for part, size in shape["sizes"].items():
                if (folder / f"{shape['stem']}.{part}").stat().st_size != size:
                    raise ValueError(f"{folder} is not whole")

    def column(self, name: str) -> Column:
        """A column by its name."""
        if name not in self._open:
            number = self.schema.get_field_index(name)
            self._open[name] = self._mapped(number, self.schema.field(number).type)
        return self._open[name]

    def instants(self, name: str) -> npt.NDArray[np.int64]:
        """A column of instants as microseconds since 1970."""
        return self.column(name).data

    def pack(self, number: int) -> Pack:
        """A pack by its number."""
        if number not in self._open_packs:
            shape = self._packs[number]
            width = f"V{shape['width']}"
            mapped = self._bytes(shape, "data") if shape["sizes"]["data"] else None
            rows = np.zeros(1, width) if mapped is None else np.frombuffer(mapped, width)
            self._open_packs[number] = Pack(rows, mapped)
        return self._open_packs[number]

    def release(self) -> None:
        """Let go of the memory of large files that are mapped: what is needed again comes from the system's cache."""
        for mapped in self._maps:
            if len(mapped) > IN_ORDER:
                _release(mapped, 0, len(mapped))

    def _mapped(self, number: int, kind: pa.DataType) -> Column:
        shape = self._shapes[number]
        valid = self._map(shape, "valid", "u1") if "valid" in shape["sizes"] else None
        if _is_text(kind):
            offsets, data = self._map(shape, "offsets", "i8"), self._map(shape, "data", "u1")
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
            text = pa.Array.from_buffers(pa.large_string(), self.rows, buffers)
            return Column(kind, data, valid, text)
        place = self._places.get(number)
        if place is None:
            return Column(kind, self._map(shape, "data", dtype_of(kind)), valid, None)
        rows = self.pack(place[0]).rows
        data = strided(rows, len(rows), dtype_of(kind), place[1], rows.dtype.itemsize)
        return Column(kind, data, valid, None, place)

    def _map(self, shape: Mapping[str, Any], part: str, dtype: str) -> npt.NDArray[Any]:
        if not shape["sizes"][part]:
            return np.zeros(1, dtype)
        return np.frombuffer(self._bytes(shape, part), dtype)

    def _bytes(self, shape: Mapping[str, Any], part: str) -> mmap.mmap:
        """A file, mapped. Several threads may open columns at once, so each gets its own and not the last one made."""
        with (self._folder / f"{shape['stem']}.{part}").open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return mapped


def as_int64(column: pa.ChunkedArray, missing: int) -> npt.NDArray[np.int64]:
    """A column of instants or 64-bit integers as integers, with ``missing`` for null."""
    pieces = []
    for chunk in column.chunks:
        numbers = values(chunk, "i8")
        pieces.append(np.where(validity(chunk), numbers, missing) if chunk.null_count else numbers)
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
