"""What a version has predicted, as files have it: those that ``sqlfeat predict --out`` writes, or anybody else's.

Each has the keys, the as-of time and the predictions of the version's training set under their names; where there are
columns ``model`` and ``version``, rows of others are left out. Files may lie anywhere, so they are read a bounded
number of rows at a time and handed to an engine of their own. Texts, as of a CSV, are read as what they are to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlfeat.base.names import did_you_mean, literal, quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.manifest import TrainingSetPlan
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.errors import UsageError
from sqlfeat.ops.given_rows import FILE_ENDINGS, FileRows
from sqlfeat.store.registry import ModelVersion

_INSTANT = pa.timestamp("us", "UTC")
_MEMORY = "500MB"
_OWNERS = ("model", "version")


def means_files(current: str) -> bool:
    """Whether this is the path of a file or a folder, and no name of a table."""
    return "/" in current or current.endswith(FILE_ENDINGS) or Path(current).exists()


@dataclass(frozen=True)
class PredictedFiles:
    """The predictions of a version in files; ``names`` are the columns of its predictions."""

    version: ModelVersion
    plan: TrainingSetPlan
    names: tuple[str, ...]
    place: Path
    files: tuple[Path, ...]
    kind: str

    @property
    def told(self) -> str:
        many = len(self.files) > 1 or self.place.is_dir()
        where = (
            f"{self.place}, {len(self.files)} file{'s' if len(self.files) != 1 else ''}" if many else str(self.place)
        )
        return f"what {self.version.reference} predicted ({where})"

    def last(self) -> datetime | None:
        """The as-of time of the newest prediction."""
        newest = [pc.max(rows[self.plan.as_of]).as_py() for rows in self._rows() if rows.num_rows]
        return max((one.astimezone(UTC) for one in newest if one is not None), default=None)

    def count(self, start: datetime | None, end: datetime | None) -> int:
        """How many there are in a period."""
        return sum(rows.num_rows for rows in self._rows(start, end))

    def write(self, file: Path, start: datetime | None, end: datetime | None) -> Sequence[str]:
        """Write those of a period as Parquet; there are no inputs beside them."""
        parts = self._rows(start, end)
        first = next(parts)
        with pq.ParquetWriter(file, first.schema) as writer:
            writer.write_table(first)
            for rows in parts:
                writer.write_table(rows.cast(first.schema))
        return []

    def _rows(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[pa.Table]:
        """Keys, as-of times and predictions, file by file; at least one table."""
        connection = Connection(memory_limit=_MEMORY, threads=1)
        try:
            for file in self.files:
                given = FileRows(file)
                self._refuse_lacking(file, given.reader.schema.names)
                sql = self._sql(given.reader.schema.names, start, end)
                for batch in given.reader:
                    connection.register("given", pa.table(batch))
                    yield connection.arrow(sql)
                connection.register("given", given.reader.schema.empty_table())
                yield connection.arrow(sql)
        except SqlProblem as problem:
            what = f"The predictions in {file} cannot be read: {problem.what.rstrip('.')}."
            raise UsageError("bad-current", what) from problem
        finally:
            connection.close()

    def _sql(self, there: Sequence[str], start: datetime | None, end: datetime | None) -> str:
        types = {one.name: one.type for one in self.plan.outputs}
        time = f"cast({quote(self.plan.as_of)} as timestamptz)"
        items = [f"cast({quote(key)} as {types[key]}) as {quote(key)}" for key in self.plan.named("key")]
        items += [f"{time} as {quote(self.plan.as_of)}"]
        items += [f"cast({quote(name)} as double) as {quote(name)}" for name in self.names]
        bounds = [f"{time} >= timestamptz {literal(start.isoformat())}"] if start else []
        bounds += [f"{time} < timestamptz {literal(end.isoformat())}"] if end else []
        if set(_OWNERS) <= set(there):
            bounds += [f"model = {literal(self.version.name)}", f"cast(version as int) = {self.version.version}"]
        return f"select {', '.join(items)} from given where {' and '.join(bounds) or 'true'}"

    def _refuse_lacking(self, file: Path, there: Sequence[str]) -> None:
        wanted = [*self.plan.named("key"), self.plan.as_of, *self.names]
        lacking = next((name for name in wanted if name not in there), None)
        if lacking is not None:
            what = f"{file} has no column {lacking!r}, so it has no predictions of {self.version.reference}."
            hint = did_you_mean(lacking, there) or f"sqlfeat predict {self.version.name} --out FILE writes such files."
            raise UsageError("bad-current", what, hint=hint)


def files_of(place: Path) -> tuple[Path, ...]:
    """The file, or those of a folder and below that are no hidden ones.

    Raises:
        UsageError: ``bad-current`` where there is none.
    """
    if place.is_file():
        return (place,)
    found = sorted(one for one in place.rglob("*") if one.is_file() and one.name.endswith(FILE_ENDINGS))
    shown = tuple(one for one in found if not any(part.startswith(".") for part in one.relative_to(place).parts))
    if not shown:
        what = f"There are no predictions in {place}." if place.is_dir() else f"There is no file or folder {place}."
        raise UsageError("bad-current", what, hint="sqlfeat predict NAME --out FILE.parquet writes predictions.")
    return shown
