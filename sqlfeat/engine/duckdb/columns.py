"""A table as a folder of plain column files, mapped into memory and gathered from by position.

A column of numbers or instants is one file of its values; text is a file of offsets and one of bytes; a column with
nulls has a file of one byte a row beside it. ``columns.json`` is written last and holds the number of rows and the size
of every file: a folder without it, or with another size, is not one. Nothing is compressed, so that a gather touches
just the pages that it needs. Everything here can be made again from the view's table.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.base.files import write_atomically

FORMAT_VERSION = 1
MANIFEST = "columns.json"
_WIDTHS = {1: "u1", 2: "i2", 4: "i4", 8: "i8", 16: "V16"}
_BLOCK = 65_536

Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class _Writer:
    """Appends the batches of one column to its files."""

    def __init__(self, folder: Path, number: int, kind: pa.DataType) -> None:
        self.kind = kind
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
        elif pa.types.is_boolean(self.kind):
            self._file("data").write(bits(column.buffers()[1], column).tobytes())
        else:
            self._file("data").write(values(column, "V" + str(column.type.bit_width // 8)).tobytes())
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
        self._file("data")
        if self.text and not self.rows:
            self._file("offsets").write(np.zeros(1, "i8").tobytes())
        sizes = {}
        for part, file in self.files.items():
            file.flush()
            os.fsync(file.fileno())
            sizes[part] = file.tell()
            file.close()
        return {"stem": self.stem, "sizes": sizes}

    def _file(self, part: str) -> BinaryIO:
        if part not in self.files:
            self.files[part] = (self.folder / f"{self.stem}.{part}").open("wb")
        return self.files[part]


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


def write_columns(folder: Path, reader: pa.RecordBatchReader) -> int:
    """Write a stream of batches as a folder of columns, whole or not at all; gives the number of rows."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        writers = [_Writer(temporary, i, field.type) for i, field in enumerate(reader.schema)]
        for batch in reader:
            for writer, column in zip(writers, batch.columns, strict=True):
                writer.append(column)
        shapes = [writer.finish() for writer in writers]
        rows = writers[0].rows if writers else 0
        body: dict[str, Any] = {"format": FORMAT_VERSION, "rows": rows, "columns": shapes}
        body["schema"] = reader.schema.serialize().to_pybytes().hex()
        write_atomically(temporary / MANIFEST, json.dumps(body))
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return rows


@dataclass(frozen=True)
class Column:
    """One column, mapped: its values (or offsets and bytes), and its flags of validity where it has nulls."""

    kind: pa.DataType
    data: npt.NDArray[Any]
    valid: npt.NDArray[np.uint8] | None
    text: pa.Array | None

    def gather(self, positions: Positions, found: Flags) -> pa.Array:
        """The values at these positions; null where not ``found``."""
        flags = found
        if self.valid is not None:
            flags = found & self.valid.take(positions, mode="clip").view(np.bool_)
        if self.text is not None:
            indices = pa.array(positions, mask=~flags)
            return self.text.take(indices)
        found_values = self.data.take(positions, mode="clip")
        nulls = None if flags.all() else pa.py_buffer(np.packbits(flags, bitorder="little"))
        if pa.types.is_boolean(self.kind):
            packed = pa.py_buffer(np.packbits(found_values, bitorder="little"))
            return pa.Array.from_buffers(self.kind, len(flags), [nulls, packed])
        return pa.Array.from_buffers(self.kind, len(flags), [nulls, pa.py_buffer(found_values)])


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
        self._open: dict[str, Column] = {}
        for shape in self._shapes:
            for part, size in shape["sizes"].items():
                if (folder / f"{shape['stem']}.{part}").stat().st_size != size:
                    raise ValueError(f"{folder} is not whole")

    def column(self, name: str) -> Column:
        """A column by its name."""
        if name not in self._open:
            number = self.schema.get_field_index(name)
            self._open[name] = self._mapped(self._shapes[number], self.schema.field(number).type)
        return self._open[name]

    def instants(self, name: str) -> npt.NDArray[np.int64]:
        """A column of instants as microseconds since 1970."""
        return self.column(name).data

    def _mapped(self, shape: Mapping[str, Any], kind: pa.DataType) -> Column:
        def mapped(part: str, dtype: str) -> npt.NDArray[Any]:
            if not shape["sizes"][part]:
                return np.zeros(1, dtype)
            return np.memmap(self._folder / f"{shape['stem']}.{part}", dtype, "r")

        valid = mapped("valid", "u1") if "valid" in shape["sizes"] else None
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            offsets, data = mapped("offsets", "i8"), mapped("data", "u1")
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
            text = pa.Array.from_buffers(pa.large_string(), self.rows, buffers)
            return Column(kind, data, valid, text)
        if pa.types.is_boolean(kind):
            return Column(kind, mapped("data", "u1"), valid, None)
        dtype = "i8" if kind.bit_width == 64 else _WIDTHS[kind.bit_width // 8]
        return Column(kind, mapped("data", dtype), valid, None)


def gather_all(
    folder: ColumnFolder, names: Sequence[str], positions: Positions, found: Flags, workers: ThreadPoolExecutor
) -> list[pa.ChunkedArray]:
    """Several columns at the same positions, block by block so that positions stay in the cache."""
    columns = [folder.column(name) for name in names]
    blocks = [slice(start, start + _BLOCK) for start in range(0, max(1, len(positions)), _BLOCK)]

    def gather(block: slice) -> list[pa.Array]:
        return [column.gather(positions[block], found[block]) for column in columns]

    gathered = list(workers.map(gather, blocks))
    return [pa.chunked_array([block[i] for block in gathered]) for i in range(len(columns))]


def as_int64(column: pa.ChunkedArray, missing: int) -> npt.NDArray[np.int64]:
    """A column of instants or 64-bit integers as integers, with ``missing`` for null."""
    pieces = []
    for chunk in column.chunks:
        numbers = values(chunk, "i8")
        pieces.append(np.where(validity(chunk), numbers, missing) if chunk.null_count else numbers)
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
