"""The files of a training set: one a split, in the order of the rows, the same bytes for the same rows.

Row groups have one size whatever batches the engine gives; the footer says which set it is, and what every column is
for. What belongs to which part is told from outside, as SQL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sqlfeat.base.files import canonical_json, writing_to
from sqlfeat.errors import UsageError
from sqlfeat.store.training_set import OutputColumn

OUT_FORMATS = (".parquet", ".arrow", ".csv")
ROW_GROUP = 122_880
METADATA = "sqlfeat"
"""The key of what a Parquet or Arrow file says of itself; each column has its own under the same name."""


@dataclass(frozen=True)
class Footer:
    """What a file says of itself: the set that it is of, and the version that wrote it."""

    id: str
    name: str
    sqlfeat: str
    columns: tuple[OutputColumn, ...]

    def schema(self, schema: pa.Schema, part: str | None) -> pa.Schema:
        """The schema with the set's name in its metadata, and each column's role in the field's."""
        roles = {column.name: column for column in self.columns}
        fields = []
        for field in schema:
            column = roles.get(field.name)
            if column is not None:
                told = {"role": column.role, "kind": column.kind, "type": column.type, "feature": column.feature}
                field = field.with_metadata({METADATA: canonical_json(told)})
            fields.append(field)
        own = {
            "id": self.id,
            "name": self.name,
            "split": part,
            "sqlfeat": self.sqlfeat,
            "columns": [{"name": column.name, "type": column.type, "role": column.role} for column in self.columns],
        }
        return pa.schema(fields, metadata={METADATA: canonical_json(own)})


def write_part(path: Path, reader: pa.RecordBatchReader, footer: Footer, part: str) -> int:
    """Write a split's rows as Parquet; how many they are."""
    schema = footer.schema(reader.schema, part)
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in even(reader, reader.schema):
            writer.write_table(table.cast(schema), row_group_size=ROW_GROUP)
            rows += table.num_rows
    return rows


def even(batches: Iterable[pa.RecordBatch], schema: pa.Schema, size: int = ROW_GROUP) -> Iterator[pa.Table]:
    """The rows in pieces of one size, each in one chunk, however they come."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= size:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, size).combine_chunks()
            waiting = table.slice(size).to_batches()
            count -= size
    if count:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def write_whole(path: Path, reader: pa.RecordBatchReader, footer: Footer) -> None:
    """Write all rows into one ``.parquet``, ``.arrow`` or ``.csv``, whole or not at all."""
    schema = footer.schema(reader.schema, None)
    _write(path, schema, (table.cast(schema) for table in even(reader, reader.schema)))


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as ``.parquet``, ``.arrow`` or ``.csv``, whole or not at all."""
    check_out(path)
    _write(path, table.schema, even(table.to_batches(), table.schema))


def check_out(path: Path | None) -> None:
    """Raise :class:`UsageError` for a file of an ending that is not written."""
    if path is not None and path.suffix not in OUT_FORMATS:
        raise UsageError("bad-out", f"{path.name!r} ends in none of {', '.join(OUT_FORMATS)}.")


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened(temporary, path.suffix, schema) as writer:
                for table in tables:
                    writer.write_table(table)
            temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


def _opened(path: Path, suffix: str, schema: pa.Schema) -> Any:
    """A writer of a kind of file, as a context manager."""
    if suffix == ".parquet":
        return pq.ParquetWriter(path, schema, compression="zstd")
    if suffix == ".arrow":
        return pa.ipc.new_file(str(path), schema)
    return pyarrow.csv.CSVWriter(path, schema)
