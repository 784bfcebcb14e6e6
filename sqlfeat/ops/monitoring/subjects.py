"""What can be watched: a feature view, a training set, a registered model; its rows in any period, and its baseline.

Of a feature view the rows themselves are looked at; of a training set what its definition gives for label rows of the
period; of a model the same, and what the version predicts for them. Both lie in a file for as long as
they are looked at. Knows where rows come from, not what is found in them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.base.names import did_you_mean, literal, quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.rewriting import ref_token, token_of
from sqlfeat.engine.base import RowsRequest
from sqlfeat.engine.profile import Profile, ProfileRequest
from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops.evaluation import predicted_columns
from sqlfeat.ops.features import make_views
from sqlfeat.ops.monitoring import profiles
from sqlfeat.ops.monitoring.predicted import (
    FEATURES,
    FOUND,
    LOG,
    PREDICTIONS,
    Predicted,
    chosen,
    complete,
    prediction_names,
)
from sqlfeat.ops.monitoring.results import FEATURE, LABEL, PREDICTION
from sqlfeat.ops.predict import refuse_changed_definition
from sqlfeat.ops.session import Session
from sqlfeat.ops.splits import label_of, open_labels
from sqlfeat.ops.training_files import even
from sqlfeat.ops.training_set import assemble_in_pieces, horizon_of, make_upstream
from sqlfeat.ops.training_sets import folder_of
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.hook import discover_hooks
from sqlfeat.spec.monitor import MonitorSpec
from sqlfeat.store import codecs, registry
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.training_set import UNSPLIT, WHOLE, TrainingSet
from sqlfeat.store.training_sets import find

MODEL, TRAINING_SET, FEATURE_VIEW = "model", "training_set", "feature_view"
_ASKED = {LOG: ("volume", "duplicates"), PREDICTIONS: ()}
"""What says nothing of a log beside a training set: how often is asked is up to those who ask."""
_UNSEEN = ("test", "validation", WHOLE, "train")
"""On which split predictions are what they will be: the first of these that there is."""


@dataclass(frozen=True)
class Rows:
    """Rows to be looked at, as the engine has them, and what of them is profiled.

    ``file`` holds them where they are in one; ``known_until`` is the last as-of time whose label is known by now.
    ``inputs_where`` are the rows whose inputs are known; of ``untold`` measures nothing is said.
    """

    source: str
    request: ProfileRequest
    roles: Mapping[str, str]
    file: Path | None = None
    known_until: datetime | None = None
    inputs_where: str = "true"
    untold: tuple[str, ...] = ()

    def where(self, condition: str) -> Rows:
        """Some of the rows."""
        return replace(self, request=replace(self.request, where=f"({self.request.where}) and ({condition})"))


@dataclass(frozen=True)
class Baseline:
    """What is compared with: profiles that were kept, and the rows themselves where they are still there.

    ``predictions`` is the profile of a model's predictions, ``split`` on which it was taken.
    """

    source: str
    profile: Profile
    rows: Rows | None = None
    predictions: Profile | None = None
    split: str = ""


@dataclass(frozen=True)
class Subject:
    """Something that is watched: what it is called, and what it is to be watched for."""

    session: Session
    name: str
    kind: str
    reference: str
    spec: MonitorSpec
    model: CompiledModel
    version: ModelVersion | None = None
    training_set: TrainingSet | None = None
    known_at: datetime | None = None
    predicted: Predicted | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def current(self) -> str:
        """What of a model is looked at: ``log``, ``predictions`` or ``features``."""
        return self.predicted.kind if self.predicted is not None else FEATURES if self.version is not None else ""

    @property
    def current_told(self) -> str:
        """What is looked at, in words."""
        if self.predicted is not None:
            return self.predicted.told
        return f"what {self.reference} gives for {self.model.name}" if self.version else f"rows of {self.reference}"

    # -- when ------------------------------------------------------------------------------------------------------

    def last(self) -> datetime | None:
        """The time of the newest row that can be looked at."""
        return self.predicted.last() if self.predicted is not None else self.last_row()

    def last_row(self) -> datetime | None:
        """The time of the newest row that there is."""
        plan = self.model.training_set
        if plan is None:
            relation, time = ref_token(self.model.name), self.model.time.event_time
        else:
            relation, time = token_of(plan.labels), plan.as_of
        if time is None:
            return None
        moment = f"epoch_us(max(cast({quote(time)} as timestamptz)))"
        found = self.session.engine.arrow(f"select {moment} as last from {relation}").column(0)[0].as_py()
        return None if found is None else _instant(found)

    # -- rows ------------------------------------------------------------------------------------------------------

    @contextmanager
    def rows(self, start: datetime | None, end: datetime | None) -> Iterator[Rows]:
        """The rows of a period."""
        if self.model.training_set is None:
            yield self._of_view(start, end)
        elif self.predicted is not None:
            with self._predicted(self.predicted, start, end) as rows:
                yield rows
        else:
            with self._assembled(start, end) as rows:
                yield rows

    def _of_view(self, start: datetime | None, end: datetime | None) -> Rows:
        model, time = self.model, self.model.time
        aside = {*model.keys, time.event_time, time.available_at, *time.tie_breaker, *time.unique_key}
        columns = tuple((one.name, one.type) for one in model.columns if one.name not in aside)
        moment = f"cast({quote(time.event_time)} as timestamptz)" if time.event_time else ""
        request = ProfileRequest(
            columns=columns,
            time=time.event_time,
            keys=(*model.keys, *(name for name in (time.available_at, *time.tie_breaker) if name)),
            where=_between(moment, start, end),
            duplicates=model.window_view is None,
            hold=model.window_view is not None,
        )
        return Rows(ref_token(model.name), request, dict.fromkeys((name for name, _ in columns), FEATURE))

    @contextmanager
    def _assembled(self, start: datetime | None, end: datetime | None) -> Iterator[Rows]:
        """Rows by the definition, with what the version predicts, in a file for as long as they are looked at."""
        with self._files(1) as (file,):
            predicted = _write(file, self.version, self._pieces(start, end))
            own, there = self._request(), pq.read_schema(file).names
            columns = [one for one in own.columns if one[0] in there and one[0] not in predicted]
            columns += [(name, "DOUBLE") for name in predicted]
            roles = {**self._roles(), **dict.fromkeys(predicted, PREDICTION)}
            source, request = f"read_parquet({literal(str(file))})", replace(own, columns=tuple(columns))
            yield Rows(source, request, roles, file, self._known_until())

    @contextmanager
    def _predicted(self, predicted: Predicted, start: datetime | None, end: datetime | None) -> Iterator[Rows]:
        """What was really predicted, with the labels that are known by now, in a file of the same kind."""
        plan, version, horizon = self.model.training_set, self.version, horizon_of(self.session, self.model)
        assert plan is not None and version is not None
        with self._files(3) as (made, given, file):
            there = predicted.write(made, start, end)
            lacking = [one.name for one in version.signature.inputs if one.name not in there]
            wanted = [*plan.named("key"), plan.as_of, *plan.named("label"), *lacking]
            first, last = (self._moved(start, horizon, "-"), self._moved(end, horizon, "+"))
            _write(given, None, (_some(one, wanted) for one in self._pieces(first, last)))
            done = complete(self.session, plan, made, given, lacking, file, horizon=horizon, known_at=self.known_at)
            own, names = self._request(), prediction_names(version)
            kept = {*there, *lacking, *plan.named("label")}
            columns = [one for one in own.columns if one[0] in kept] + [(name, "DOUBLE") for name in names]
            roles = {**self._roles(), **dict.fromkeys(names, PREDICTION)}
            request = replace(own, columns=tuple(columns), computed={}, duplicates=predicted.kind != LOG)
            if lacking and done.found < done.rows:
                self.notes.append(
                    f"{done.rows - done.found:,} of {done.rows:,} predictions are of rows that {self.model.name} does "
                    "not have: their inputs are not looked at."
                )
            where = FOUND if lacking else "true"
            yield Rows(f"read_parquet({literal(str(file))})", request, roles, file, None, where, _ASKED[predicted.kind])

    @contextmanager
    def _files(self, count: int) -> Iterator[list[Path]]:
        """Names of files beside the target, which are gone afterwards."""
        target = self.session.target.path
        assert target is not None
        files = [target.parent / f".monitor.{secrets.token_hex(6)}.parquet" for _ in range(count)]
        try:
            yield files
        finally:
            for file in files:
                file.unlink(missing_ok=True)

    def _pieces(self, start: datetime | None, end: datetime | None) -> Iterator[pa.RecordBatchReader]:
        wanted = RowsRequest(start=start, end=end)
        return assemble_in_pieces(self.session, self.model.name, wanted, (), self._transforms)

    def _moved(self, instant: datetime | None, span: Duration | None, sign: str) -> datetime | None:
        """An instant and a span more, or less; a microsecond beyond it at the least."""
        if instant is None:
            return None
        length = span.sql() if span else "interval 0 seconds"
        sql = f"timestamptz {literal(instant.isoformat())} {sign} {length} {sign} interval 1 microsecond"
        return _instant(self.session.engine.arrow(f"select epoch_us({sql}) as moved").column(0)[0].as_py())

    @property
    def _transforms(self) -> Mapping[str, Any]:
        if self.version is not None:
            return self.version.transforms
        return self.training_set.manifest.get("transforms", {}) if self.training_set else {}

    def _known_until(self) -> datetime | None:
        horizon = horizon_of(self.session, self.model)
        if self.known_at is None or horizon is None:
            return self.known_at
        sql = f"select epoch_us(timestamptz {literal(self.known_at.isoformat())} - {horizon.sql()}) as until"
        return _instant(self.session.engine.arrow(sql).column(0)[0].as_py())

    def _request(self) -> ProfileRequest:
        plan = self.model.training_set
        assert plan is not None
        names = {one.name for one in self.training_set.columns} if self.training_set else None
        outputs = [one for one in plan.outputs if names is None or one.name in names]
        still_open = open_labels(plan, horizon_of(self.session, self.model), self.known_at)
        label = label_of(plan, still_open)
        computed = {plan.named("label")[0]: label} if label and still_open else {}
        return replace(profiles.request_of(outputs, computed), window="day")

    def _roles(self) -> dict[str, str]:
        plan = self.model.training_set
        assert plan is not None
        return {one.name: LABEL if one.role == "label" else FEATURE for one in plan.outputs}

    # -- what it is compared with ----------------------------------------------------------------------------------

    def baseline(self) -> Baseline | None:
        """The profiles of what was learned from; None for a view, which has learned nothing."""
        if self.model.training_set is None:
            return None
        kept = profiles.of_version(self.version) if self.version else {}
        inputs, predictions = kept.get(profiles.INPUTS, {}), kept.get(profiles.PREDICTIONS, {})
        if not inputs and self.training_set is not None:
            inputs = profiles.of_training_set(self.training_set)
        split = next((name for name in ("train", WHOLE, *inputs) if name in inputs), None)
        unseen = next((name for name in _UNSEEN if name in predictions), "")
        rows = self._kept_rows(split or self._learned())
        if split is None and rows is not None:
            found = self.session.engine.profile(rows.source, replace(rows.request, window=None))
            return Baseline(self._told(self._learned()), found, rows, predictions.get(unseen), unseen)
        if split is None:
            raise RunError(
                "no-baseline",
                f"Nothing is kept of what {self.reference} learned from, so there is nothing to compare with.",
                hint="--against previous, or --against 2024-01-01..2024-02-01; or train it again.",
            )
        return Baseline(self._told(split), inputs[split], rows, predictions.get(unseen), unseen)

    def _learned(self) -> str:
        splits = self.training_set.splits if self.training_set else {}
        return next((name for name in ("train", WHOLE) if name in splits), next(iter(splits), WHOLE))

    def _told(self, split: str) -> str:
        named = self.version.training_set if self.version else None
        id_ = named["id"] if named else self.training_set.id if self.training_set else ""
        name = named["name"] if named else self.name
        return f"training set {name}@{id_[:12]}{'' if split == WHOLE else f', split {split}'}"

    def _kept_rows(self, split: str) -> Rows | None:
        """The rows of a split, where the training set is still kept."""
        if self.training_set is None or split == UNSPLIT or f"{split}.parquet" not in self.training_set.files:
            return None
        file, target = self.training_set.file(split), self.session.target.path
        readable = [self.session.spec.root, *([target.parent] if target else [])]
        if not any(file.resolve().is_relative_to(folder.resolve()) for folder in readable):
            return None
        request = profiles.request_of(self.training_set.columns)
        source = f"read_parquet({literal(str(file))})"
        return Rows(source, request, self._roles(), file)


# -- which is meant ----------------------------------------------------------------------------------------------------


def subject_of(session: Session, reference: str, known_at: datetime) -> Subject:
    """What a name means: a registered model (``NAME@3``), a training set (``NAME@ID``), or a feature view."""
    name = reference.partition("@")[0]
    if name in registry.model_names(session.spec.registry):
        return _model(session, reference, known_at)
    model = session.outline.models.get(name)
    if model is not None and model.materialized == "training_set":
        return _training_set(session, reference, known_at)
    if model is not None and model.materialized == "feature_view" and "@" not in reference:
        make_views(session, [model.id])
        own = session.manifest.models[name]
        if own.time.event_time is None:
            raise UsageError("not-monitored", f"{name} has no event time, so it has no periods to compare.")
        return Subject(session, name, FEATURE_VIEW, name, own.config.monitor, own)
    known = [*registry.model_names(session.spec.registry), *_watched(session)]
    if model is not None:
        what = f"{name} is materialized as {model.materialized}; feature views and training sets are watched."
        raise UsageError("not-monitored", what, hint=did_you_mean(name, known))
    what = f"{name!r} is no registered model, training set or feature view."
    raise UsageError("unknown-model", what, hint=did_you_mean(name, known))


def _watched(session: Session) -> list[str]:
    kinds = ("training_set", "feature_view")
    return [one.name for one in session.outline.models.values() if one.materialized in kinds]


def _training_set(session: Session, reference: str, known_at: datetime) -> Subject:
    name = reference.partition("@")[0]
    model = session.training_set(name)
    kept = find(folder_of(session), reference)
    make_upstream(session, model)
    return Subject(
        session, name, TRAINING_SET, f"{name}@{kept.id}", model.config.monitor, model, None, kept, known_at
    )  # fmt: skip


def _model(session: Session, reference: str, known_at: datetime) -> Subject:
    version = registry.resolve(session.spec.registry, reference)
    refuse_changed_definition(session, version)
    model = session.training_set(version.training_set["name"])
    hooks = discover_hooks(session.spec.hooks, session.spec.root).trainers
    spec = hooks[version.hook].monitor if version.hook in hooks else MonitorSpec()
    try:
        kept = find(folder_of(session), f"{version.training_set['name']}@{version.training_set['id']}")
    except StoreError:
        kept = None
    make_upstream(session, model)
    own = spec.over(model.config.monitor)
    return Subject(session, version.name, MODEL, version.reference, own, model, version, kept, known_at)


# -- what was really predicted -----------------------------------------------------------------------------------------


def with_current(subject: Subject, current: str | None, since: datetime | None, until: datetime | None) -> Subject:
    """The subject, with what of it is looked at: of a model what was really predicted, where there is any.

    Where no period is asked for, predictions count from as long before the definition's newest row on.

    Raises:
        UsageError: ``bad-current``.
    """
    version, plan = subject.version, subject.model.training_set
    if version is None or plan is None:
        if current is None:
            return subject
        what = f"{subject.name} is no registered model, so there is nothing to choose for --current."
        raise UsageError("bad-current", what, hint="leave out --current: its rows are looked at.")
    newest = subject.last_row() if current is None and since is None and until is None else None
    after = newest - timedelta(microseconds=subject.spec.period.microseconds) if newest is not None else since
    return replace(subject, predicted=chosen(subject.session, version, plan, current, after, until))


# -- pieces ------------------------------------------------------------------------------------------------------------


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _between(moment: str, start: datetime | None, end: datetime | None) -> str:
    bounds = [f"{moment} >= timestamptz {literal(start.isoformat())}"] if start else []
    bounds += [f"{moment} < timestamptz {literal(end.isoformat())}"] if end else []
    return " and ".join(bounds) or "true"


def _some(reader: pa.RecordBatchReader, names: Sequence[str]) -> pa.RecordBatchReader:
    """Some of the columns."""
    schema = pa.schema([reader.schema.field(name) for name in names])
    return pa.RecordBatchReader.from_batches(schema, (batch.select(list(names)) for batch in reader))


def _write(file: Path, version: ModelVersion | None, pieces: Iterator[pa.RecordBatchReader]) -> list[str]:
    """Write the rows, with their predictions if there is a version; which columns these are."""

    def scored(table: pa.Table) -> tuple[pa.Table, list[str]]:
        if version is None:
            return table, []
        found = codecs.predict(codec, model, version.signature.inputs, table)
        columns = predicted_columns(version.signature.output, found)
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values, pa.float64()))
        return table, list(columns)

    if version is not None:
        model, codec = registry.read_model(version), codecs.codec_named(version.codec)
    first = next(pieces)
    empty, names = scored(first.schema.empty_table())
    with pq.ParquetWriter(file, empty.schema) as writer:
        for reader in chain([first], pieces):
            for table in even(reader, reader.schema, codecs.ROWS_AT_ONCE):
                writer.write_table(scored(table)[0])
    return names
