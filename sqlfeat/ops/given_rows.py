"""Rows that a user hands over: a file, an Arrow table, or a data frame of pandas, polars or whoever speaks Arrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq

from sqlfeat.errors import UsageError

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


def is_csv(path: Path) -> bool:
    """Whether a file holds text only, so that what its values are has to be said by whoever reads it."""
    return path.name.endswith((".csv", ".csv.gz"))


def read_rows(path: Path) -> pa.Table:
    """The rows of a Parquet, Arrow or CSV file; the values of a CSV stay text, so that nothing is guessed."""
    try:
        if is_csv(path):
            return _read_csv(path)
        if path.suffix == ".parquet":
            return pq.ParquetFile(path).read()
        if path.suffix in (".arrow", ".feather", ".ipc"):
            return pa_feather.read_table(path)
    except FileNotFoundError:
        raise UsageError("no-such-file", f"There is no file {path}.") from None
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise UsageError("cannot-read", f"{path} cannot be read.", details=[reason]) from error
    raise UsageError(
        "bad-rows", f"Rows cannot be read from {path.name!r}.", hint="give a .parquet, .arrow or .csv file."
    )


def _read_csv(path: Path) -> pa.Table:
    with pa_csv.open_csv(path) as reader:
        names = reader.schema.names
    options = pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, null_values=[""], strings_can_be_null=True
    )
    return pa_csv.read_csv(path, convert_options=options)
