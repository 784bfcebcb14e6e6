"""Predict: the training set's SELECT over rows of today, a registered model over what it gives, a Parquet file.

The model sees what it saw in training: its version's own inputs, types and categories, of features that are still
defined as they were; another definition is refused by name. Rows keep the order in which they were assembled.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.files import sha256
from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops.events import notify
from sqlfeat.ops.given_rows import Rows, table_of
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import assemble
from sqlfeat.store import codecs, registry
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import PROBABILITIES, Floats, Output
from sqlfeat.store.training_set import TrainingSet

RESERVED = ("prediction", "model", "version")
"""What predictions add to the columns that they carry along."""


@dataclass(frozen=True)
class Prediction:
    """Predictions that were written: how many rows, where, and by which version."""

    rows: int
    path: Path
    name: str
    version: int
    seconds: float
    columns: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The prediction in the shape of ``--json``."""
        return {
            "rows": self.rows,
            "path": str(self.path),
            "name": self.name,
            "version": self.version,
            "seconds": round(self.seconds, 3),
            "columns": list(self.columns),
        }


def predict(
    session: Session,
    reference: str,
    *,
    at: datetime | None = None,
    rows: Rows | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    out: Path | None = None,
) -> Prediction:
    """Score label rows, or ``rows`` (a table, a data frame or a file), with a registered model's version."""
    started = session.clock.monotonic()
    if out is not None and out.suffix != ".parquet":
        raise UsageError(
            "bad-out", f"Predictions are written as Parquet, not as {out.name!r}.", hint="--out FILE.parquet"
        )
    version = registry.resolve(session.spec.registry, reference)
    model = registry.read_model(version)
    refuse_changed_definition(session, version)
    request = None if rows is None else table_of(rows)
    table = assemble(session, version.training_set["name"], at=at, rows=request, start=start, end=end)
    assembled = session.clock.monotonic()
    facts = {"training set": version.training_set["name"], "rows": table.num_rows}
    session.listener(Event("step", name="assemble", seconds=assembled - started, facts=facts))
    folder = out.parent if out is not None else session.spec.target_path / "predictions" / version.name
    path = _write(version, model, table, folder, out)
    ended = session.clock.monotonic()
    told = {"model": version.name, "version": f"v{version.version}", "rows": table.num_rows}
    session.listener(Event("step", name="predict", seconds=ended - assembled, facts=told))
    columns = tuple(pq.read_schema(path).names)
    prediction = Prediction(table.num_rows, path, version.name, version.version, ended - started, columns)
    notify(session, "predictions_written", prediction.as_dict())
    return prediction


def refuse_changed_definition(session: Session, version: ModelVersion) -> None:
    """Raise where the project defines the version's training set otherwise than it was when the model learned."""
    name = version.training_set["name"]
    present = session.training_set_definition(name)
    if present["definition"] == version.training_set["definition"]:
        return
    changes = _changes(version.features, present["features"])
    commit = f" or check out commit {version.git['commit'][:12]}" if version.git else ""
    raise RunError(
        "definition-changed",
        f"{version.reference} was trained on another definition of {name} than the project has now.",
        details=changes or [f"the SELECT of {name} changed; its features did not"],
        hint=f"train it again: sqlfeat train {version.hook}{commit}.",
    )


def _changes(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    changed = [f"the feature {name} changed" for name in sorted(then.keys() & now.keys()) if then[name] != now[name]]
    gone = [f"the feature {name} is not used any more" for name in sorted(then.keys() - now.keys())]
    new = [f"the feature {name} is new" for name in sorted(now.keys() - then.keys())]
    return [*changed, *gone, *new]


def carried_columns(training_set: TrainingSet) -> list[str]:
    """The columns that predictions carry along; raises where one has a name that predictions need themselves."""
    roles = ("key", "as_of", "passthrough")
    carried = [column.name for column in training_set.columns if column.role in roles]
    taken = next((name for name in carried if name.lower() in RESERVED), None)
    if taken is not None:
        raise RunError(
            "reserved-name",
            f"The column {taken!r} of {training_set.name} has a name that predictions use themselves.",
            hint=f"give it another in the SELECT: {taken} as ….",
        )
    return carried


def _write(version: ModelVersion, model: Any, table: pa.Table, folder: Path, out: Path | None) -> Path:
    """Predict and write a bounded number of rows at a time; the file gets its name when it is whole.

    Without ``out`` that name is the version and a hash of the file, so the same predictions are the same file.
    """
    starts = range(0, max(table.num_rows, 1), codecs.ROWS_AT_ONCE)
    chunks = (_predicted(version, model, table.slice(start, codecs.ROWS_AT_ONCE)) for start in starts)
    first = next(chunks)
    with _temporary_file(folder) as temporary:
        with pq.ParquetWriter(temporary, first.schema) as writer:
            writer.write_table(first)
            for chunk in chunks:
                writer.write_table(chunk)
        final = out or folder / f"v{version.version}-{sha256(temporary)[:16]}.parquet"
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(final)
    return final


@contextmanager
def _temporary_file(folder: Path) -> Iterator[Path]:
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


def _predicted(version: ModelVersion, model: Any, table: pa.Table) -> pa.Table:
    codec = codecs.codec_named(version.codec)
    found = codecs.predict(codec, model, version.signature.inputs, table)
    carried = {name: table.column(name) for name in version.carried}
    own = {
        **_prediction_columns(version.signature.output, found),
        "model": pa.repeat(version.name, table.num_rows),
        "version": pa.repeat(pa.scalar(version.version, pa.int32()), table.num_rows),
    }
    return pa.table({**carried, **own})


def _prediction_columns(output: Output, found: Floats) -> dict[str, pa.Array]:
    """``prediction``: a probability or a number; with several classes the likeliest, after one column for each."""
    if output.kind != PROBABILITIES:
        return {"prediction": pa.array(found, pa.float64())}
    classes = list(output.classes or ())
    columns = {f"probability_{one}": pa.array(found[:, place]) for place, one in enumerate(classes)}
    return {**columns, "prediction": pa.array(classes).take(pa.array(np.argmax(found, axis=1)))}
