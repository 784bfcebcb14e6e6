"""Predict: the training set's SELECT over rows of today, a registered model over what it gives, Parquet or a table.

The model sees what it saw in training: its version's own inputs, types and categories, of features that are still
defined as they were; another definition is refused by name. Rows keep the order in which they were assembled; a bounded
number of them is in memory at a time, from the label rows to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.clock import Clock
from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.manifest import Manifest
from sqlfeat.engine.base import RowsRequest
from sqlfeat.errors import RunError, SqlfeatError, UsageError
from sqlfeat.ops.events import notify
from sqlfeat.ops.given_rows import FILE_ENDINGS, FileRows, Rows, table_of
from sqlfeat.ops.narrowing import key_columns
from sqlfeat.ops.predictions import PREDICTED_AT, destination_of, staged, sync
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_files import even
from sqlfeat.ops.training_set import assemble_in_pieces, in_utc
from sqlfeat.store import codecs, registry
from sqlfeat.store.codecs.codec import Explaining
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import PROBABILITIES, Floats, Input, InputRows, Output
from sqlfeat.store.training_set import TrainingSet

RESERVED = ("prediction", "model", "version", PREDICTED_AT)
"""What predictions add to the columns that they carry along."""
CONTRIBUTION = "contribution_"
BASE = "base"
CONTRIBUTIONS_AT_ONCE = 2**22
"""Numbers that are computed at a time."""


@dataclass(frozen=True)
class Prediction:
    """Predictions that were written: how many rows, where, and by which version.

    ``path`` is the file, the folder that got one more, or the database that holds ``table``.
    """

    rows: int
    path: Path
    name: str
    version: int
    seconds: float
    columns: tuple[str, ...]
    table: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The prediction in the shape of ``--json``."""
        return {
            "rows": self.rows,
            "path": str(self.path),
            "table": self.table,
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
    table: str | None = None,
    incremental: bool = False,
    contributions: bool = False,
) -> Prediction:
    """Score label rows, or ``rows`` (a table, a data frame, a file or a node's name), with a registered version.

    Predictions go into ``out`` or into a ``table`` of the target. With ``incremental`` that is a folder or a table to
    which rows are added that this version has not scored there: rows of other keys or another as-of time.
    ``contributions`` says what each input adds to the raw score.
    """
    started = session.clock.monotonic()
    version = registry.resolve(session.spec.registry, reference)
    destination = destination_of(session, version.name, out, table, incremental=incremental)
    scoring = Scoring(version, registry.read_model(version), contributions=contributions)
    refuse_changed_definition(session, version)
    with destination.held():
        destination.check(version, scoring.columns)
        given = _given(session, rows)
        without = destination.scored(version, _identity(session, version)) if incremental else None
        request = RowsRequest(rows=given.rows, at=in_utc(at), start=in_utc(start), end=in_utc(end), without=without)
        with staged(destination.folder) as file:
            assembled = _Assembled(_pieces(session, version, request, given), session.clock)
            prepared = session.clock.monotonic() - started - assembled.seconds
            written = _write(file, scoring, assembled)
            path = destination.keep(version, file, written)
    seconds = session.clock.monotonic() - started
    assembling = prepared + assembled.seconds
    facts = {"training set": version.training_set["name"], "rows": written}
    session.listener(Event("step", name="assemble", seconds=assembling, facts=facts))
    told = {"model": version.name, "version": f"v{version.version}", "rows": written}
    session.listener(Event("step", name="predict", seconds=seconds - assembling, facts=told))
    columns = scoring.columns if table is None else (*scoring.columns, PREDICTED_AT)
    prediction = Prediction(written, path, version.name, version.version, seconds, columns, table)
    notify(session, "predictions_written", prediction.as_dict())
    return prediction


# -- which rows --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Given:
    """Request rows as the engine takes them, the nodes that must be made for them, and the file that they come from."""

    rows: pa.Table | pa.RecordBatchReader | str | None = None
    nodes: tuple[str, ...] = ()
    file: FileRows | None = None


def _given(session: Session, rows: Rows | None) -> _Given:
    """What rows mean: a file where there is one of that name, else a node of the project."""
    if rows is None:
        return _Given()
    if not isinstance(rows, str | Path):
        return _Given(table_of(rows))
    path, name, outline = Path(rows), str(rows), session.outline
    if not path.is_file() and (node := _node(outline, name)) is not None:
        model = outline.models.get(name)
        if model is not None and model.materialized in ("training_set", "ephemeral"):
            what = f"{name} is materialized as {model.materialized}, so it has no rows that can be read."
            raise UsageError("not-a-relation", what, hint="give a view, a table, a seed, a source or a file.")
        kind = "source" if node.startswith("source.") else "ref"
        return _Given(f"{kind}.{name}", (node,))
    if not path.is_file() and not path.name.endswith(FILE_ENDINGS):
        names = [*outline.models, *(node.split(".", 1)[1] for node in (*outline.seeds, *outline.sources))]
        what = f"{name!r} is no file, and no model, seed or source of this project."
        raise UsageError("no-such-file", what, hint=did_you_mean(name, names))
    file = FileRows(path)
    return _Given(file.reader, file=file)


def _node(outline: Manifest, name: str) -> str | None:
    nodes = (f"source.{name}", f"seed.{name}", f"model.{name}")
    return next((node for node in nodes if node in outline.graph.nodes), None)


def _identity(session: Session, version: ModelVersion) -> dict[str, str]:
    """What a row is scored once for, key by key and as-of time: column of predictions → column of the label rows."""
    model = session.training_set(version.training_set["name"])
    plan = model.training_set
    assert plan is not None
    try:
        own = key_columns(model)
    except UsageError as error:
        raise UsageError(
            "incremental-keys",
            f"Which rows are new is told by the keys, and not every key of {model.name} is a column of its label rows.",
            model.place("keys"),
            "compute it in the label model, or leave out --incremental.",
        ) from error
    named = {name.casefold(): name for name in plan.named("key")}
    return {
        **{named[key.casefold()]: column for key, column in zip(model.config.keys, own, strict=True)},
        plan.as_of: plan.as_of,
    }


def _pieces(
    session: Session, version: ModelVersion, request: RowsRequest, given: _Given
) -> Iterator[pa.RecordBatchReader]:
    try:
        name = version.training_set["name"]
        yield from assemble_in_pieces(session, name, request, given.nodes, version.transforms)
    except SqlfeatError as error:
        if given.file is not None and given.file.failure is not None:
            raise given.file.failure from error
        raise


class _Assembled:
    """The assembled rows as they are asked for, and the seconds that passed until they came."""

    def __init__(self, pieces: Iterator[pa.RecordBatchReader], clock: Clock) -> None:
        self.seconds = 0.0
        self._pieces = pieces
        self._clock = clock
        self._piece = self._timed(lambda: next(pieces))
        self.schema: pa.Schema = self._piece.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while self._piece is not None:
            while (batch := self._timed(lambda: next(self._piece, None))) is not None:
                yield batch
            self._piece = self._timed(lambda: next(self._pieces, None))

    def _timed(self, ask: Callable[[], Any]) -> Any:
        started = self._clock.monotonic()
        try:
            return ask()
        finally:
            self.seconds += self._clock.monotonic() - started


# -- whether the version fits ------------------------------------------------------------------------------------------


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
        raise _reserved(taken, training_set.name)
    return carried


def _reserved(name: str, training_set: str) -> RunError:
    return RunError(
        "reserved-name",
        f"The column {name!r} of {training_set} has a name that predictions use themselves.",
        hint=f"give it another in the SELECT: {name} as ….",
    )


# -- scores ------------------------------------------------------------------------------------------------------------


class Scoring:
    """A version's model over assembled rows: ``columns`` are the names of what comes out.

    Raises:
        UsageError: ``no-contributions`` where they are asked for and the model's library has none.
    """

    def __init__(self, version: ModelVersion, model: Any, *, contributions: bool = False) -> None:
        self._version = version
        self._model = model
        self._codec = codecs.codec_named(version.codec)
        self._contributions = contributions
        if contributions and not isinstance(self._codec, Explaining):
            raise UsageError(
                "no-contributions",
                f"{version.reference} is a model of {version.codec}, which does not say what each input contributes.",
                hint="leave out --contributions.",
            )
        self.columns = self._names()

    def _names(self) -> tuple[str, ...]:
        output, inputs = self._version.signature.output, self._version.signature.inputs
        classes = output.classes or () if output.kind == PROBABILITIES else ()
        names = [f"probability_{one}" for one in classes] + ["prediction", "model", "version"]
        if self._contributions:
            names += contribution_names(inputs)
        seen = {*names, PREDICTED_AT}
        taken = next((name for name in self._version.carried if name.lower() in seen), None)
        if taken is not None:
            raise _reserved(taken, self._version.training_set["name"])
        return (*self._version.carried, *names)

    def scored(self, table: pa.Table) -> pa.Table:
        """What identifies the rows, and what the model gives for them."""
        version = self._version
        found = codecs.predict(self._codec, self._model, version.signature.inputs, table)
        columns = {
            **{name: table.column(name) for name in version.carried},
            **_prediction_columns(version.signature.output, found),
            "model": pa.repeat(version.name, table.num_rows),
            "version": pa.repeat(pa.scalar(version.version, pa.int32()), table.num_rows),
        }
        if self._contributions:
            columns |= self._contributed(table, found)
        return pa.table(columns)

    def _contributed(self, table: pa.Table, found: Floats) -> dict[str, pa.Array]:
        """What each input adds to the raw score; of several classes to that of the one that is predicted."""
        assert isinstance(self._codec, Explaining)
        inputs = self._version.signature.inputs
        most = max(1, CONTRIBUTIONS_AT_ONCE // ((len(inputs) + 1) * (found.shape[1] if found.ndim > 1 else 1)))
        parts = []
        for start in range(0, table.num_rows, most):
            added = self._codec.contributions(self._model, InputRows(table.slice(start, most), inputs))
            chosen = np.zeros(len(added), dtype=np.intp)
            if added.shape[1] > 1:
                chosen = np.argmax(found[start : start + most], axis=1)
            parts.append(added[np.arange(len(added)), chosen])
        own = np.concatenate([*parts, np.empty((0, len(inputs) + 1))])
        return {name: pa.array(own[:, place]) for place, name in enumerate(contribution_names(inputs))}


def contribution_names(inputs: Sequence[Input]) -> list[str]:
    """The columns of contributions: one for each input, and what the model says without any."""
    return [f"{CONTRIBUTION}{name}" for name in (*(one.name for one in inputs), BASE)]


def _prediction_columns(output: Output, found: Floats) -> dict[str, pa.Array]:
    """``prediction``: a probability or a number; with several classes the likeliest, after one column for each."""
    if output.kind != PROBABILITIES:
        return {"prediction": pa.array(found, pa.float64())}
    classes = list(output.classes or ())
    columns = {f"probability_{one}": pa.array(found[:, place]) for place, one in enumerate(classes)}
    return {**columns, "prediction": pa.array(classes).take(pa.array(np.argmax(found, axis=1)))}


def _write(file: Path, scoring: Scoring, assembled: _Assembled) -> int:
    """Score and write a bounded number of rows at a time; how many they are."""
    tables = even(assembled, assembled.schema, codecs.ROWS_AT_ONCE)
    scored = scoring.scored(next(tables, assembled.schema.empty_table()))
    rows = 0
    with pq.ParquetWriter(file, scored.schema) as writer:
        for piece in chain([scored], (scoring.scored(table) for table in tables)):
            writer.write_table(piece)
            rows += piece.num_rows
    sync(file)
    return rows
