"""Features and predictions of single requests, from the newest snapshot and the models that aliases mean.

A session looks at the store and the registry when it is told to (``refresh``), and changes over between two requests:
whoever is being answered is answered from what was there when the request came. What a newer snapshot cannot answer
of that which is asked already is left where it is, with a problem to tell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np

from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import SqlfeatError, StoreError, UsageError
from sqlfeat.ops.online.entities import AskedColumns, Columns, EntityFeatures, ViewRead
from sqlfeat.ops.online.fetching import Steps, at_once
from sqlfeat.ops.online.given import microseconds
from sqlfeat.ops.online.logged import Asking, Logging
from sqlfeat.ops.online.publish import online_store
from sqlfeat.ops.online.push import Pushed, Pusher
from sqlfeat.ops.online.reading import EXPIRED, FOUND, MISSING
from sqlfeat.ops.online.request import Answer, RequestPlan
from sqlfeat.ops.online.serving import Planned, Serving
from sqlfeat.ops.session import Session
from sqlfeat.store import registry
from sqlfeat.store.serving_log import ServingLog

__all__ = ["EXPIRED", "FOUND", "MISSING", "EntityFeatures", "ServeSession", "ServedFeatures", "ServedPredictions"]

Row = Mapping[str, Any]
P = ParamSpec("P")
T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = ("no-such-version", "no-such-registered-model")


@dataclass(frozen=True)
class ServedFeatures:
    """The model inputs of some request rows: by name for each row, and by view what became of each lookup.

    ``fitted_on`` is the id of the training set whose parameters its transforms have; None where it has none, or where
    no set of its definition is kept: then they are left out.
    """

    snapshot: int
    names: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    statuses: tuple[Mapping[str, str], ...]
    fitted_on: str | None = None


@dataclass(frozen=True)
class ServedPredictions:
    """The predictions of some request rows: a number, or the likeliest class with the probability of each."""

    snapshot: int
    name: str
    version: int
    predictions: tuple[Any, ...]
    probabilities: tuple[Mapping[str, float], ...] | None
    statuses: tuple[Mapping[str, str], ...] = ()


class Given(NamedTuple):
    """What requests for features are given: the number of the snapshot, the plan, and an answer for each row."""

    snapshot: int
    planned: Planned
    answers: Sequence[Answer]


def _is_gone(snapshot: Any) -> bool:
    """Whether a read has found that the store does not have it any more."""
    return getattr(snapshot, "is_gone", False)


def _from_what_is_there(
    ask: Callable[Concatenate[ServeSession, P], Steps[T]],
) -> Callable[Concatenate[ServeSession, P], Steps[T]]:
    """Asks again where the snapshot has been collected meanwhile, and there is a newer one."""

    @wraps(ask)
    def asked(session: ServeSession, /, *args: P.args, **named: P.kwargs) -> Steps[T]:
        try:
            return (yield from ask(session, *args, **named))
        except StoreError as error:
            if error.code != "snapshot-gone" or not session._found_again():
                raise
        return (yield from ask(session, *args, **named))

    return asked


class ServeSession:
    """Answers requests in this process; any thread may ask.

    Raises:
        StoreError: ``no-snapshot`` where nothing is published yet.
    """

    def __init__(self, session: Session, log: ServingLog | None = None) -> None:
        self._session = session
        self._log = Logging(log) if log is not None else None
        self._pusher: Pusher | None = None
        self._pushing = threading.Lock()
        self._store = online_store(session)
        self._engine = Rowwise()
        self._refreshing = threading.Lock()
        self._passed_over: int | None = None
        self._snapshot_problem: SqlfeatError | None = None
        self._lost: SqlfeatError | None = None
        self._registry_problems: tuple[SqlfeatError, ...] = ()
        newest = self._store.newest()
        snapshot = self._store.open()
        self._note_passed_over(snapshot, newest)
        self._serving = Serving(session, snapshot, self._engine)

    @property
    def snapshot(self) -> int:
        """The number of the snapshot that requests are answered from."""
        return self._serving.number

    @property
    def as_of(self) -> datetime:
        """The instant of that snapshot."""
        return _EPOCH + timedelta(microseconds=self._serving.snapshot.manifest["as_of"])

    @property
    def problems(self) -> tuple[SqlfeatError, ...]:
        """What keeps the session from the newest snapshot, or from what an alias means."""
        own = (self._store.problem, self._lost, self._snapshot_problem)
        return (*(problem for problem in own if problem is not None), *self._registry_problems)

    @property
    def ready(self) -> bool:
        """Whether requests can be answered: a store outside of this process may be down, or have come back empty."""
        return self._store.problem is None and self._lost is None and not _is_gone(self._serving.snapshot)

    def refresh(self) -> bool:
        """Go over to a newer snapshot, and to what references to models mean now; whether anything is other."""
        with self._refreshing:
            moved = self._refresh_snapshot()
            return self._refresh_models() or moved

    def features(
        self,
        training_set: str,
        rows: Sequence[Row],
        *,
        at: datetime | None = None,
        request_id: str | Asking | None = None,
    ) -> ServedFeatures:
        """The model inputs that a training set's SELECT gives for request rows, as of now, ``at``, or their own time.

        A row has the columns that ``request_columns`` names; its as-of time may stand in it. What is more is ignored.
        Values are Python's or JSON's (``given``); those that come back are as JSON has them. Where a log is kept,
        ``request_id`` is what it calls this request; it makes one up otherwise.

        Raises:
            UsageError: ``unknown-training-set``, ``bad-request-value``, ``before-snapshot``, ``not-published``.
            RunError: ``missing-request-column``, ``expression-failed``.
        """
        snapshot, planned, answers = at_once(self.features_steps(training_set, rows, at, request_id))
        shown = tuple(map(planned.shown, answers))
        statuses = tuple(map(planned.statuses, answers))
        return ServedFeatures(snapshot, planned.names, shown, statuses, planned.plan.fitted_on)

    @_from_what_is_there
    def features_steps(
        self, training_set: str, rows: Sequence[Row], at: datetime | None, request_id: str | Asking | None
    ) -> Steps[Given]:
        """What ``features`` shows, step by step."""
        serving = self._serving  # held to the end, and its snapshot with it
        asking = self._log.asking(request_id) if self._log is not None else None
        planned = serving.planned(training_set)
        answers = yield from self._answers(planned, rows, at)
        if self._log is not None and asking is not None:
            self._log.keep(asking, serving, planned, rows, answers)
        return Given(serving.number, planned, answers)

    def predict(
        self, reference: str, rows: Sequence[Row], *, at: datetime | None = None, request_id: str | Asking | None = None
    ) -> ServedPredictions:
        """Predictions of a registered model (``NAME``, ``NAME@alias``, ``NAME@3``) for request rows.

        What a reference means is looked up once, and again at every ``refresh``.

        Raises:
            StoreError: there is no such model or version, or it is damaged.
        """
        return at_once(self.predict_steps(reference, rows, at=at, request_id=request_id))

    @_from_what_is_there
    def predict_steps(
        self, reference: str, rows: Sequence[Row], *, at: datetime | None = None, request_id: str | Asking | None = None
    ) -> Steps[ServedPredictions]:
        """``predict``, step by step."""
        serving = self._serving
        asking = self._log.asking(request_id) if self._log is not None else None
        one = serving.model(reference)
        answers = yield from self._answers(one.planned, rows, at)
        statuses = tuple(map(one.planned.statuses, answers))  # before the model has emptied the processor's caches
        found = one.scorer.listed([answer.values for answer in answers])
        predictions, probabilities = _told(found, one.version)
        if self._log is not None and asking is not None:
            self._log.keep(asking, serving, one.planned, rows, answers, one, predictions, probabilities)
        version = one.version
        return ServedPredictions(serving.number, version.name, version.version, predictions, probabilities, statuses)

    def look_up(
        self,
        features: Sequence[tuple[str, str]],
        entities: Mapping[str, Sequence[Any]],
        *,
        at: datetime | None = None,
        request_id: str | Asking | None = None,
    ) -> list[EntityFeatures]:
        """Columns of published views (view, column) for entities, whose keys are given column by column.

        Raises:
            UsageError: ``not-published``, ``unknown-feature``, ``bad-request-value``, ``before-snapshot``.
            RunError: ``missing-request-column`` where a view's key is not given.
        """
        asked, found = at_once(self.look_up_steps(tuple(features), entities, at=at, request_id=request_id))
        return asked.listed(found)

    @_from_what_is_there
    def look_up_steps(
        self,
        features: Columns,
        entities: Mapping[str, Sequence[Any]],
        *,
        at: datetime | None = None,
        request_id: str | Asking | None = None,
    ) -> Steps[tuple[AskedColumns, list[ViewRead]]]:
        """``look_up``, step by step and view by view."""
        serving = self._serving
        t = microseconds(at if at is not None else self._session.clock.now())
        log, asking = self._log, self._log.asking(request_id) if self._log is not None else None
        asked = serving.asked(features)
        found = yield from asked.reading(serving.snapshot, entities, t)
        if log is not None and asking is not None:
            for one in found:
                log.keep_entities(asking, serving, one, t)
        return asked, found

    def plan_of(self, reference: str) -> RequestPlan:
        """How requests for a model's predictions are answered: by what it was trained on."""
        return self._serving.model(reference).planned.plan

    def request_columns(self, training_set: str) -> dict[str, str]:
        """The columns that a request for a training set's features must carry, and their DuckDB types."""
        return dict(self._serving.planned(training_set).plan.columns)

    def outputs(self, training_set: str) -> dict[str, str]:
        """The model inputs that a training set gives, and their DuckDB types."""
        planned = self._serving.planned(training_set)
        return {name: kind for name, (_, kind) in planned.plan.outputs.items()}

    def fitted_on(self, training_set: str) -> str | None:
        """The id of the set whose parameters the training set's transforms have, if any."""
        return self._serving.planned(training_set).plan.fitted_on

    def features_of(self, training_set: str) -> list[tuple[str, str]]:
        """The columns of views that a training set looks up."""
        lookups = self._serving.planned(training_set).plan.lookups
        return list(dict.fromkeys((lookup.view, column) for lookup in lookups for column in lookup.columns))

    def as_of_column(self, training_set: str) -> tuple[str, str]:
        """The column in which a request row may bring its own time, and its DuckDB type."""
        return self._serving.planned(training_set).plan.as_of

    def model(self, reference: str) -> registry.ModelVersion:
        """The version that a reference means."""
        return self._serving.model(reference).version

    def slow(self, training_set: str) -> dict[str, str]:
        """What of a training set's SELECT an in-memory DuckDB is asked for at every request, and why."""
        return dict(self._serving.planned(training_set).slow)

    def push(self, view: str, rows: Sequence[Row], *, as_feast: bool = False) -> Pushed:
        """Push new rows of the source that a view is made of: this process and all others see them at once.

        ``as_feast``: their times are named as a Feast client writes them, ``event_timestamp`` and ``created``.

        Raises:
            UsageError: ``not-pushable``, ``unknown-view``, ``bad-push-row``.
            StoreError: they could not be kept.
        """
        with self._pushing:
            if self._pusher is None:
                self._pusher = Pusher(self._session)
        return self._pusher.write(view, rows) if as_feast else self._pusher.push(view, rows)

    def slow_of_all(self) -> dict[str, dict[str, str]]:
        """The same of every training set that the snapshot serves."""
        found = {}
        for model in self._session.manifest.models.values():
            if model.materialized == "training_set":
                with suppress(SqlfeatError):
                    found[model.name] = self.slow(model.name)
        return found

    def close(self) -> None:
        """Let go of the snapshot."""
        self._serving.let_go()
        self._engine.close()
        if self._pusher is not None:
            self._pusher.close()
        if self._log is not None:
            self._log.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- going over ------------------------------------------------------------------------------------------------

    def _refresh_snapshot(self) -> bool:
        newest, current = self._store.newest(), self._serving
        if self._store.is_remote:
            what = f"Snapshot {current.number} is not there any more, and no other: the store was emptied."
            self._lost = None if newest else StoreError("no-snapshot", what, hint="publish again: sqlfeat publish.")
        begins_anew = _is_gone(current.snapshot) or (newest is not None and newest < current.number)
        if newest is None or newest == self._passed_over or (newest <= current.number and not begins_anew):
            return False
        try:
            snapshot = self._store.open()
        except SqlfeatError as error:  # all of them are damaged; this one is mapped already
            if error.code == "online-store-down":
                raise
            self._passed_over, self._snapshot_problem = newest, error
            return False
        self._note_passed_over(snapshot, newest)
        if snapshot.number <= current.number and not begins_anew:
            snapshot.close()
            return False
        fresh = Serving(self._session, snapshot, self._engine)
        try:
            fresh.take_over(self._serving)
        except SqlfeatError as error:
            self._passed_over, self._snapshot_problem = newest, error
            return False
        self._serving = fresh
        return True

    def _found_again(self) -> bool:
        """Whether there is a snapshot to read after one that is gone."""
        self.refresh()
        return not _is_gone(self._serving.snapshot)

    def _note_passed_over(self, snapshot: Any, newest: int | None) -> None:
        errors: Sequence[SqlfeatError] = getattr(snapshot, "passed_over", ())
        self._passed_over = newest if errors else None
        self._snapshot_problem = errors[0] if errors else None

    def _refresh_models(self) -> bool:
        serving, folder = self._serving, self._session.spec.registry
        moved, problems = False, []
        for reference, known in list(serving.models.items()):
            try:
                number, _ = registry.number_of(folder, reference)
                if number != known.version.version:
                    serving.models[reference] = serving.loaded(registry.resolve(folder, reference))
                    moved = True
            except SqlfeatError as error:
                if error.code in _GONE:
                    serving.models.pop(reference, None)
                    moved = True
                else:
                    problems.append(error)
        self._registry_problems = tuple(problems)
        return moved

    # -- rows ------------------------------------------------------------------------------------------------------

    def _answers(self, planned: Planned, rows: Sequence[Row], at: datetime | None) -> Steps[list[Answer]]:
        bound = planned.bound
        column, _ = planned.plan.as_of
        told = microseconds(at) if at is not None else None
        given, instants = [], []
        for row in rows:
            given.append(bound.taken(row))
            if told is not None:
                instants.append(told)
            elif row.get(column) is not None:
                instants.append(_instant(column, row[column]))
            else:
                instants.append(microseconds(self._session.clock.now()))
        return bound.answering(given, instants)


def _instant(column: str, value: Any) -> int:
    try:
        return microseconds(value)
    except (TypeError, ValueError, OverflowError):
        what = f"{column} is {value!r:.60}, which is no instant."
        raise UsageError("bad-request-value", what, hint="write it in ISO 8601: 2024-05-01T12:00:00Z") from None


def _told(
    found: Sequence[Any], version: registry.ModelVersion
) -> tuple[tuple[Any, ...], tuple[Mapping[str, float], ...] | None]:
    """What a model gave as numbers; where it gave probabilities as the likeliest classes, and the probabilities."""
    if not found or isinstance(found[0], float):
        return tuple(found), None
    classes = list(version.signature.output.classes or ())
    names = [str(name) for name in classes]
    likely = tuple(dict(zip(names, row, strict=True)) for row in found)
    return tuple(classes[int(place)] for place in np.argmax(found, axis=1)), likely
