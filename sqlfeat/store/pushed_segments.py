"""The events of pushes as runs read them: immutable Parquet files in a folder, whatever store they were pushed to.

``SOURCE.TABLE/FIRST-LAST.sealed.parquet`` has events of a source between two numbers, and a checksum of all its bytes
inside, so that it comes and goes as one file. Knows keys, numbers and files, and neither LMDB nor Redis.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.files import sync_folder
from sqlfeat.errors import StoreError
from sqlfeat.store.plain_values import to_arrow
from sqlfeat.store.pushed import checked, opened
from sqlfeat.store.row_codec import RowCodec

FOLDER = "pushes"
"""The folder with what was pushed, inside that of the online store."""
LONGEST = 480
"""Of a longer key the hash is kept: a number follows it, and LMDB takes 511 bytes."""
SAID = "__sqlfeat_said"
"""The column of the files that tells whether a row said itself when it became known."""
NUMBERED = "__sqlfeat_number"
"""The column of the files with the number of each row: the instant of its push, in microseconds, or shortly after."""
NUMBER = struct.Struct(">Q")
HEAD = struct.Struct("<IQ?")
_SEALED = ".sealed.parquet"
_MARK = "sqlfeat:sha256"
_NO_SUM = b"0" * 64
_SUM = re.compile(_MARK.encode() + rb".{1,4}?([0-9a-f]{64})", re.DOTALL)
"""The checksum stands in the file's own metadata; it is that of the bytes with zeros in its place."""
_whole: dict[Path, tuple[int, int]] = {}
"""Files that this process has found to be whole: of what size and time."""


def entity(key: bytes) -> bytes:
    """A key as it lies here, before a number."""
    return key if len(key) <= LONGEST else b"\xff" + hashlib.sha256(key).digest()


def event_named(number: bytes) -> str:
    return f"the event {int.from_bytes(number, 'big')}"


class Segments:
    """All files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Whether there is any."""
        return any(self.folder.glob("*/*.parquet"))

    def of(self, source: str) -> list[Path]:
        """Those of a source, the oldest first."""
        return sorted(path for path in (self.folder / source).glob("*.parquet") if not path.name.startswith("."))

    def all(self) -> dict[str, list[Path]]:
        """Those of each source that has some.

        Raises:
            StoreError: ``damaged-push`` where one is not what was written.
        """
        inner = sorted(path for path in self.folder.iterdir() if path.is_dir()) if self.folder.is_dir() else []
        found = {path.name: files for path in inner if (files := self.of(path.name))}
        for files in found.values():
            for file in files:
                check_segment(file)
        return found

    def last(self) -> int:
        """The number up to which there are events, 0 without any."""
        files = self.folder.glob("*/*.parquet")
        return max((numbers_of(file)[1] for file in files if not file.name.startswith(".")), default=0)

    def has(self, source: str, numbers: Iterable[int]) -> list[bool]:
        """Whether there is a file for each of some events."""
        ranges = [numbers_of(file) for file in self.of(source)]
        return [any(first <= number <= last for first, last in ranges) for number in numbers]

    def write(self, events: Iterable[tuple[bytes, bytes]], forms: Mapping[int, bytes], last: int) -> list[int]:
        """Write events, sealed by their numbers, that are in no file yet; ``last`` is up to where these are all.

        Gives the numbers of those that are not what was written, which are left out.
        """
        groups: dict[int, list[tuple[int, bool, bytes]]] = {}
        damaged = []
        for key, value in events:
            data = checked(key, value)
            number = int.from_bytes(key, "big")
            if data is None:
                damaged.append(number)
                continue
            form, _, said = HEAD.unpack_from(data)
            groups.setdefault(form, []).append((number, said, data[HEAD.size :]))
        written: dict[str, list[pa.Table]] = {}
        for form, rows in groups.items():
            source, schema = json.loads(forms[form])
            covered = max((numbers_of(file)[1] for file in self.of(source)), default=0)
            left = sorted(row for row in rows if row[0] > covered)
            if left:
                table = table_of_events(pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(schema))), left)
                written.setdefault(source, []).append(table)
        for source, tables in written.items():
            write_segment(self.folder / source, pa.concat_tables(tables, promote_options="permissive"), last)
        return damaged


def damage_of(key: bytes, value: bytes) -> StoreError | None:
    """What is wrong with an event as it waits for a run."""
    try:
        opened(key, value, event_named(key))
    except StoreError as error:
        return error
    return None


def table_of_events(schema: pa.Schema, rows: Sequence[tuple[int, bool, bytes]]) -> pa.Table:
    decode = RowCodec.of(schema, plain=True).decode
    columns = list(zip(*(decode(row) for _, _, row in rows), strict=True))
    arrays = [to_arrow(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    numbers, said = pa.array([row[0] for row in rows], pa.int64()), pa.array([row[1] for row in rows])
    return pa.table([*arrays, said, numbers], names=[*schema.names, SAID, NUMBERED])


# -- one file ----------------------------------------------------------------------------------------------------------


def write_segment(folder: Path, table: pa.Table, last: int) -> None:
    """A file with its events, whole or not there."""
    folder.mkdir(exist_ok=True)
    first = min(table.column(NUMBERED).to_pylist())
    _write(folder / f"{first:020}-{last:020}{_SEALED}", table)
    sync_folder(folder)
    sync_folder(folder.parent)


def replace_segment(file: Path, table: pa.Table) -> None:
    """Put fewer rows in the place of a file's, whole or not at all."""
    _write(file, table)
    sync_folder(file.parent)


def check_segment(file: Path) -> None:
    """Raise where a file is not what was written; each is read for that once. Older ones bear no checksum."""
    status = file.stat()
    if not file.name.endswith(_SEALED) or _whole.get(file) == (status.st_size, status.st_mtime_ns):
        return
    data = file.read_bytes()
    told = _sum_in(data)
    if told is None or told[0] != _sum_of(data, told[1]):
        raise StoreError(
            "damaged-push",
            f"{file} is not what was written: its checksum does not match.",
            hint="bring it back from a copy; or delete it, push again what was pushed then, and sqlfeat publish.",
        )
    _whole[file] = (status.st_size, status.st_mtime_ns)


def numbers_of(file: Path) -> tuple[int, int]:
    """The numbers of the first and the last event of a file."""
    first, _, last = file.name.partition(".")[0].partition("-")
    return int(first), int(last)


def _write(file: Path, table: pa.Table) -> None:
    temporary = file.parent / f".{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        with temporary.open("wb") as stream:
            stream.write(_sealed(table))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _sealed(table: pa.Table) -> bytes:
    """A table as a file with its checksum in it."""
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_MARK: _NO_SUM.decode()})
    data = stream.getvalue()
    told = _sum_in(data)
    assert told is not None
    return data[: told[1]] + _sum_of(data, told[1]) + data[told[1] + 64 :]


def _sum_in(data: bytes) -> tuple[bytes, int] | None:
    """The checksum that a file bears, and where."""
    start = data.rfind(_MARK.encode())
    found = _SUM.match(data, start) if start >= 0 else None
    return None if found is None else (found[1], found.start(1))


def _sum_of(data: bytes, place: int) -> bytes:
    digest = hashlib.sha256(data[:place])
    digest.update(_NO_SUM)
    digest.update(data[place + 64 :])
    return digest.hexdigest().encode()
