"""The events of pushes as runs read them: immutable Parquet files in a folder, whatever store they were pushed to.

Knows keys, numbers and files, and neither LMDB nor Redis.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.files import sync_folder
from sqlfeat.store.plain_values import to_arrow
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


def entity(key: bytes) -> bytes:
    """A key as it lies here, before a number."""
    return key if len(key) <= LONGEST else b"\xff" + hashlib.sha256(key).digest()


def event_named(number: bytes) -> str:
    return f"the event {int.from_bytes(number, 'big')}"


def table_of_events(schema: pa.Schema, rows: Sequence[tuple[int, bool, bytes]]) -> pa.Table:
    decode = RowCodec.of(schema, plain=True).decode
    columns = list(zip(*(decode(row) for _, _, row in rows), strict=True))
    arrays = [to_arrow(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    numbers, said = pa.array([row[0] for row in rows], pa.int64()), pa.array([row[1] for row in rows])
    return pa.table([*arrays, said, numbers], names=[*schema.names, SAID, NUMBERED])


def write_segment(folder: Path, table: pa.Table, last: int) -> None:
    """A file with its events, whole or not there."""
    folder.mkdir(exist_ok=True)
    first = min(table.column(NUMBERED).to_pylist())
    _write(folder / f"{first:020}-{last:020}.parquet", table)
    sync_folder(folder)
    sync_folder(folder.parent)


def replace_segment(file: Path, table: pa.Table) -> None:
    """Put fewer rows in the place of a file's, whole or not at all."""
    _write(file, table)
    sync_folder(file.parent)


def _write(file: Path, table: pa.Table) -> None:
    temporary = file.parent / f".{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        pq.write_table(table, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def numbers_of(file: Path) -> tuple[int, int]:
    """The numbers of the first and the last event of a file."""
    first, _, last = file.stem.partition("-")
    return int(first), int(last)


def segments_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
