"""Rows that a user hands over: a file, an Arrow table, or a data frame of pandas, polars or whoever speaks Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq

from sqlfeat.errors import UsageError

BATCH_ROWS = 65_536
FILE_ENDINGS = (".parquet", ".csv", ".csv.gz", ".arrow", ".feather", ".ipc")
Rows: TypeAlias = Any
"""A path, a ``pyarrow.Table``, or a data frame that exports itself through ``__arrow_c_stream__``."""


def table_of(rows: Rows) -> pa.Table:
    """The rows as an Arrow table; raises :class:`UsageError` for what cannot be read as one."""
    if isinstance(rows, str | Path):
        return read_rows(Path(rows))
    if isinstance(rows, pa.Table):
        return rows
    try:
        if type(rows).__module__.split(".")[0] == "pandas":
            return pa.Table.from_pandas(rows, preserve_index=False)
        if hasattr(rows, "__arrow_c_stream__"):
            return pa.table(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        what = "The rows cannot be read as columns of one type each."
        raise UsageError("bad-rows", what, details=[reason]) from error
    what = f"Rows cannot be read from a {type(rows).__name__}."
    raise UsageError("bad-rows", what, hint="give a path, a pyarrow.Table or a data frame of pandas or polars.")


def stream_of(path: Path) -> pa.RecordBatchReader:
    """The rows of a file as :func:`read_rows` has them, a bounded number at a time.

    Raises:
        UsageError: it is not there, or of no known format. What is damaged further in is found while it is read.
    """
    with _reading(path):
        if is_csv(path):
            return pa_csv.open_csv(path, convert_options=_texts(path))
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(BATCH_ROWS))
        if path.suffix in (".arrow", ".feather", ".ipc"):
            stored = pa.ipc.open_file(pa.OSFile(str(path)))
            batches = (stored.get_batch(place) for place in range(stored.num_record_batches))
            return pa.RecordBatchReader.from_batches(stored.schema, batches)
    raise _unknown_format(path)


class FileRows:
    """A file's rows as a stream for the engine, which tells of failures in its own words: ``failure`` keeps ours."""

    def __init__(self, path: Path) -> None:
        self.failure: UsageError | None = None
        opened = stream_of(path)
        self.reader = pa.RecordBatchReader.from_batches(opened.schema, self._checked(opened, path))

    def _checked(self, batches: pa.RecordBatchReader, path: Path) -> Iterator[pa.RecordBatch]:
        try:
            with _reading(path):
                yield from batches
        except UsageError as error:
            self.failure = error
            raise


def is_csv(path: Path) -> bool:
    """Whether a file holds text only, so that what its values are has to be said by whoever reads it."""
    return path.name.endswith((".csv", ".csv.gz"))


def read_rows(path: Path) -> pa.Table:
    """The rows of a Parquet, Arrow or CSV file; the values of a CSV stay text, so that nothing is guessed."""
    with _reading(path):
        if is_csv(path):
            return pa_csv.read_csv(path, convert_options=_texts(path))
        if path.suffix == ".parquet":
            return pq.ParquetFile(path).read()
        if path.suffix in (".arrow", ".feather", ".ipc"):
            return pa_feather.read_table(path)
    raise _unknown_format(path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UsageError("no-such-file", f"There is no file {path}.") from None
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise UsageError("cannot-read", f"{path} cannot be read.", details=[reason]) from error


def _unknown_format(path: Path) -> UsageError:
    what = f"Rows cannot be read from {path.name!r}."
    return UsageError("bad-rows", what, hint="give a .parquet, .arrow or .csv file.")


def _texts(path: Path) -> pa_csv.ConvertOptions:
    """Every column of a CSV as text, an empty field as null."""
    with pa_csv.open_csv(path) as reader:
        names = reader.schema.names
    types = {name: pa.string() for name in names}
    return pa_csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
