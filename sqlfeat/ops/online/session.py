"""Features and predictions of single requests, from the newest snapshot and the models that aliases mean.

A session looks at the store and the registry when it is told to (``refresh``), and changes over between two requests:
whoever is being answered is answered from what was there when the request came.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import pyarrow as pa

from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import UsageError
from sqlfeat.ops.definition import feature_fingerprints
from sqlfeat.ops.online.given import microseconds, plain_of
from sqlfeat.ops.online.publish import online_store
from sqlfeat.ops.online.reading import views_of
from sqlfeat.ops.online.request import Answer, BoundPlan, RequestPlan, plan_of, refuse_missing
from sqlfeat.ops.session import Session
from sqlfeat.ops.transforms import with_parameters
from sqlfeat.store import codecs, registry
from sqlfeat.store.online import Snapshot
from sqlfeat.store.plain_values import to_arrow, to_json
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import Floats, Input

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ServedFeatures:
    """The model inputs of some request rows: by name for each row, and what became of each lookup."""

    snapshot: int
    names: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    statuses: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class ServedPredictions:
    """The predictions of some request rows: a number, or the likeliest class with the probability of each."""

    snapshot: int
    name: str
    version: int
    predictions: tuple[Any, ...]
    probabilities: tuple[Mapping[str, float], ...] | None


@dataclass(frozen=True)
class _Model:
    """A version that is served: its plan, bound to the snapshot, and the model itself."""

    version: ModelVersion
    codec: Any
    model: Any
    plan: BoundPlan
    inputs: tuple[tuple[int, Input], ...]


class ServeSession:
    """Answers requests in this process; any thread may ask.

    Raises:
        StoreError: ``no-snapshot`` where nothing is published yet.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._store = online_store(session)
        self._engine = Rowwise()
        self._lock = threading.Lock()
        self._snapshot: Snapshot = self._store.open()
        self._plans: dict[str, BoundPlan] = {}
        self._models: dict[tuple[str, int], _Model] = {}

    @property
    def snapshot(self) -> int:
        """The number of the snapshot that requests are answered from."""
        return self._snapshot.number

    def refresh(self) -> bool:
        """Look for a newer snapshot and go over to it; whether there was one."""
        newest = self._store.newest()
        if newest is None or newest <= self._snapshot.number:
            return False
        fresh = self._store.open()
        if fresh.number <= self._snapshot.number:
            fresh.close()
            return False
        with self._lock:  # the old one stays mapped for those who are reading it, until nobody has it any more
            self._snapshot, self._plans, self._models = fresh, {}, {}
        return True

    def features(self, training_set: str, rows: Sequence[Row], *, at: datetime | None = None) -> ServedFeatures:
        """The model inputs that a training set's SELECT gives for request rows, as of now, ``at``, or their own time.

        A row has the columns that ``request_columns`` names; its as-of time may stand in it. What is more is ignored.
        Values are Python's or JSON's (``given``); those that come back are as JSON has them.

        Raises:
            UsageError: ``unknown-training-set``, ``bad-request-value``, ``before-snapshot``, ``not-published``.
            RunError: ``missing-request-column``, ``expression-failed``.
        """
        plan = self._plan(training_set)
        answers = self._answers(plan, rows, at)
        kinds = [typed.arrow for typed in plan.outputs.values()]
        names = tuple(plan.outputs)
        shown = tuple(
            {name: to_json(value, kind) for name, value, kind in zip(names, one.values, kinds, strict=True)}
            for one in answers
        )
        return ServedFeatures(plan.snapshot.number, names, shown, tuple(one.statuses for one in answers))

    def predict(self, reference: str, rows: Sequence[Row], *, at: datetime | None = None) -> ServedPredictions:
        """Predictions of a registered model (``NAME``, ``NAME@alias``, ``NAME@3``) for request rows.

        Raises:
            StoreError: there is no such model or version, or it is damaged.
        """
        one = self._model(reference)
        answers = self._answers(one.plan, rows, at)
        found = _predicted(one, answers)
        output = one.version.signature.output
        if found.ndim == 1:
            predictions, probabilities = tuple(float(value) for value in found), None
        else:
            classes = list(output.classes or ())
            predictions = tuple(classes[int(place)] for place in np.argmax(found, axis=1))
            probabilities = tuple(
                {str(name): float(value) for name, value in zip(classes, row, strict=True)} for row in found
            )
        number = one.plan.snapshot.number
        return ServedPredictions(number, one.version.name, one.version.version, predictions, probabilities)

    def request_columns(self, training_set: str) -> dict[str, str]:
        """The columns that a request for a training set's features must carry, and their DuckDB types."""
        return dict(self._plan(training_set).plan.columns)

    def slow(self, training_set: str) -> dict[str, str]:
        """What of a training set's SELECT an in-memory DuckDB is asked for at every request, and why."""
        return self._plan(training_set).slow

    def close(self) -> None:
        """Let go of the snapshot."""
        self._snapshot.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- plans and models ------------------------------------------------------------------------------------------

    def _plan(self, name: str) -> BoundPlan:
        plan = self._plans.get(name)
        if plan is None:
            with self._lock:
                model = self._session.training_set(name)
                marks = feature_fingerprints(model, self._session.manifest)
                plan = self._plans[name] = self._bound(plan_of(model, marks))
        return plan

    def _bound(self, plan: RequestPlan) -> BoundPlan:
        return BoundPlan(plan, self._snapshot, list(views_of(self._snapshot).values()), self._engine)

    def _model(self, reference: str) -> _Model:
        version = registry.resolve(self._session.spec.registry, reference)
        known = self._models.get((version.name, version.version))
        if known is not None:
            return known
        with self._lock:
            plan = self._bound(self._plan_of_version(version))
            places = {name: place for place, name in enumerate(plan.outputs)}
            inputs = tuple((places[one.name], one) for one in version.signature.inputs)
            codec, model = codecs.codec_named(version.codec), registry.read_model(version)
            made = _Model(version, codec, model, plan, inputs)
            self._models[version.name, version.version] = made
        return made

    def _plan_of_version(self, version: ModelVersion) -> RequestPlan:
        """The project's plan, with the parameters that were fitted for the version."""
        name = version.training_set["name"]
        model = with_parameters(self._session.training_set(name), version.transforms)
        return plan_of(model, version.features)

    # -- rows ------------------------------------------------------------------------------------------------------

    def _answers(self, plan: BoundPlan, rows: Sequence[Row], at: datetime | None) -> list[Answer]:
        column, _ = plan.plan.as_of
        now = microseconds(at) if at is not None else None
        given, instants = [], []
        for row in rows:
            refuse_missing(plan.plan, row)
            given.append({name: plain_of(name, row[name], plan.typed[name]) for name in plan.plan.columns})
            if now is None and row.get(column) is not None:
                instants.append(_instant(column, row[column]))
            else:
                instants.append(now if now is not None else microseconds(self._session.clock.now()))
        return plan.answer(given, instants)


def _instant(column: str, value: Any) -> int:
    try:
        return microseconds(value)
    except (TypeError, ValueError, OverflowError):
        what = f"{column} is {value!r:.60}, which is no instant."
        raise UsageError("bad-request-value", what, hint="write it in ISO 8601: 2024-05-01T12:00:00Z") from None


def _predicted(one: _Model, answers: Sequence[Answer]) -> Floats:
    """What a model gives for the inputs of some rows."""
    columns = {
        known.name: to_arrow([answer.values[place] for answer in answers], one.plan.outputs[known.name].arrow)
        for place, known in one.inputs
    }
    return codecs.predict(one.codec, one.model, one.version.signature.inputs, pa.table(columns))
