"""Where predictions go: a file of their own, a folder to which files are added, or a table in the target.

All of them get rows that were written and synced elsewhere, in one step: a rename, or a transaction. What was scored
already is read from the destination itself, so there is no list beside it that could disagree.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.files import FolderLock, sha256
from sqlfeat.base.names import check_name, literal, quote
from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops.session import Session
from sqlfeat.store.registry import ModelVersion

PREDICTED_AT = "predicted_at"
"""The column of a table that says when its rows were written; a file's bytes are to be the same the next time."""
_BATCH_ROWS = 65_536
_HASH_LENGTH = 16


class Destination(Protocol):
    """A place for predictions, of one version at a time."""

    folder: Path
    """Where files are written before they are kept."""

    def held(self) -> AbstractContextManager[object]:
        """Nobody else adds to the place for as long as this lasts."""
        ...

    def check(self, version: ModelVersion, columns: Sequence[str]) -> None:
        """Raise where rows of these columns cannot be added to those that are there."""
        ...

    def scored(self, version: ModelVersion, columns: Mapping[str, str]) -> pa.RecordBatchReader | str | None:
        """What the version has scored: prediction's column → name that is wanted; None where nothing is to be left out.

        Rows, or the SQL that gives them.
        """
        ...

    def keep(self, version: ModelVersion, file: Path, rows: int) -> Path:
        """Take the rows of a whole file, which is gone then; where they are to be found."""
        ...


def destination_of(
    session: Session, name: str, out: Path | None, table: str | None, *, incremental: bool
) -> Destination:
    """The place that is meant; raises :class:`UsageError` where none can be."""
    default = session.spec.target_path / "predictions" / name
    if table is not None and out is not None:
        raise UsageError("bad-out", "Predictions go into a table or into a file, not both.", hint="--table or --out.")
    if table is not None:
        return _Table(session, default, check_name("table", table, None), append=incremental)
    if incremental:
        if out is None or (out.suffix and not out.is_dir()) or out.is_file():
            raise UsageError(
                "bad-out",
                "--incremental adds to what is there, so it needs a place that lasts: a table or a folder.",
                hint="--table NAME or --out FOLDER.",
            )
        return _Folder(out)
    if out is not None and out.suffix != ".parquet":
        what = f"Predictions are written as Parquet, not as {out.name!r}."
        raise UsageError("bad-out", what, hint="--out FILE.parquet, or a folder with --incremental.")
    return _File(out.parent if out is not None else default, out)


class _File:
    """One file; without a name it is called by its version and a hash, so the same rows are the same file."""

    def __init__(self, folder: Path, file: Path | None) -> None:
        self.folder = folder
        self._file = file

    def held(self) -> AbstractContextManager[object]:
        return nullcontext()

    def check(self, version: ModelVersion, columns: Sequence[str]) -> None:
        """It is replaced."""

    def scored(self, version: ModelVersion, columns: Mapping[str, str]) -> None:
        return None

    def keep(self, version: ModelVersion, file: Path, rows: int) -> Path:
        final = self._file or self.folder / f"v{version.version}-{sha256(file)[:_HASH_LENGTH]}.parquet"
        file.replace(final)
        return final


class _Folder:
    """A folder of files, each with what one time of asking has added: ``NAME-vVERSION-HASH.parquet``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def held(self) -> AbstractContextManager[object]:
        return FolderLock(self.folder)

    def check(self, version: ModelVersion, columns: Sequence[str]) -> None:
        for file in self._files(version)[:1]:
            _refuse_other_columns(str(self.folder), pq.read_schema(file).names, columns)

    def scored(self, version: ModelVersion, columns: Mapping[str, str]) -> pa.RecordBatchReader | None:
        files = self._files(version)
        if not files:
            return None
        schema = pa.schema([pq.read_schema(files[0]).field(name).with_name(as_) for name, as_ in columns.items()])

        def batches() -> Iterator[pa.RecordBatch]:
            for file in files:
                for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS, columns=list(columns)):
                    yield batch.select(list(columns)).rename_columns(list(columns.values())).cast(schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def keep(self, version: ModelVersion, file: Path, rows: int) -> Path:
        if not rows and self._files(version):
            file.unlink()
        else:
            file.replace(self.folder / f"{_prefix(version)}{sha256(file)[:_HASH_LENGTH]}.parquet")
        return self.folder

    def _files(self, version: ModelVersion) -> list[Path]:
        return sorted(self.folder.glob(f"{_prefix(version)}*.parquet"))


class _Table:
    """A table in the target, in the schema in which people read models."""

    def __init__(self, session: Session, folder: Path, name: str, *, append: bool) -> None:
        self.folder = folder
        self._session = session
        self._name = name
        self._append = append

    def held(self) -> AbstractContextManager[object]:
        return nullcontext()  # the target is open for one process alone

    def check(self, version: ModelVersion, columns: Sequence[str]) -> None:
        outline, name = self._session.outline, self._name.casefold()
        shown = [model.config.alias or model.name for model in outline.models.values()]
        if name in {one.casefold() for one in (*outline.models, *shown, *(s.name for s in outline.seeds.values()))}:
            what = f"{self._name} is a node of this project, so predictions cannot take its name."
            raise UsageError("relation-in-the-way", what, hint="--table with another name.")
        there = self._session.engine.predictions(self._name)
        if there is not None and self._append:
            names = self._session.engine.arrow(f"select * from {there} limit 0").column_names
            _refuse_other_columns(f"The table {self._name}", names, [*columns, PREDICTED_AT])

    def scored(self, version: ModelVersion, columns: Mapping[str, str]) -> str | None:
        there = self._session.engine.predictions(self._name)
        if there is None or not self._append:
            return None
        named = ", ".join(f"{quote(name)} as {quote(as_)}" for name, as_ in columns.items())
        return f"select {named} from {there} where model = {literal(version.name)} and version = {version.version}"

    def keep(self, version: ModelVersion, file: Path, rows: int) -> Path:
        engine = self._session.engine
        if rows or engine.predictions(self._name) is None or not self._append:
            stored = pq.ParquetFile(file)
            written_at = self._session.clock.now().astimezone(UTC)
            reader = pa.RecordBatchReader.from_batches(
                stored.schema_arrow.append(pa.field(PREDICTED_AT, pa.timestamp("us", "UTC"))),
                (_dated(batch, written_at) for batch in stored.iter_batches(_BATCH_ROWS)),
            )
            engine.write_predictions(self._name, reader, append=self._append)
        file.unlink()
        path = self._session.target.path
        assert path is not None
        return path


def _prefix(version: ModelVersion) -> str:
    return f"{version.name}-v{version.version}-"


def _dated(batch: pa.RecordBatch, instant: datetime) -> pa.RecordBatch:
    value = pa.scalar(instant, pa.timestamp("us", "UTC"))
    return batch.append_column(PREDICTED_AT, pa.repeat(value, batch.num_rows))


def _refuse_other_columns(place: str, there: Sequence[str], new: Sequence[str]) -> None:
    if list(there) == list(new):
        return
    gone, more = [name for name in there if name not in new], [name for name in new if name not in there]
    raise RunError(
        "other-columns",
        f"{place} holds predictions with other columns than these would have.",
        details=[*(f"{name} is missing in what is new" for name in gone), *(f"{name} is new" for name in more)]
        or ["they stand in another order"],
        hint="choose another place, or leave out --incremental, which makes a table anew.",
    )


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """The name of a file to write in a folder, which is gone afterwards unless it was kept."""
    temporary = folder / f".predictions.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            "cannot-write",
            f"Predictions cannot be written to {folder}: {error.strerror or error}.",
            hint="is there room on the disk, and may you write into this folder?",
        ) from error


def sync(file: Path) -> None:
    """Make what was written durable, before it gets its name."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
