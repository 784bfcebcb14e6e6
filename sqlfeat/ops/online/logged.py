"""What a session tells the log of an answer: the rows as they were asked and answered, under their request's id.

The log keeps the values that the model saw, to the last bit, with the plan that made them; so ``verification`` can
compute them again. Nothing is known here of headers, tokens or connections.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from sqlfeat.errors import UsageError
from sqlfeat.ops.online.entities import EntityReader, ViewRead
from sqlfeat.ops.online.given import plain_of
from sqlfeat.ops.online.serving import Planned, ServedModel, Serving
from sqlfeat.store.serving_log import VIEWS, LoggedRow, RowKind, ServingLog

IN_PROCESS = "python"
"""The route of what was asked in this process."""


@dataclass(frozen=True)
class Asking:
    """Who asks: the id of a request, the way by which it came, and when it began (by ``perf_counter``)."""

    request_id: str
    route: str = IN_PROCESS
    started: float = field(default_factory=perf_counter)


class Logging:
    """A session's answers on their way into a log."""

    def __init__(self, log: ServingLog) -> None:
        self.log = log
        self._kinds: weakref.WeakKeyDictionary[Any, dict[Any, RowKind]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def asking(self, given: Asking | str | None) -> Asking | None:
        """Who asks, if the request is among those that are logged."""
        if given is None:
            given = self.log.new_id()
        one = Asking(given) if isinstance(given, str) else given
        return one if self.log.wants(one.request_id) else None

    def keep(
        self,
        asking: Asking,
        serving: Serving,
        planned: Planned,
        rows: Sequence[Mapping[str, Any]],
        answers: Sequence[Any],
        model: ServedModel | None = None,
        predictions: Sequence[Any] | None = None,
        probabilities: Sequence[Mapping[str, float]] | None = None,
    ) -> None:
        """Hand over the rows of a training set's plan, with what was predicted from them."""
        kind = self._kind(serving, planned, model)
        seconds, now = perf_counter() - asking.started, self.log.now()
        made = []
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            prediction = predictions[number] if predictions is not None else None
            likely = probabilities[number] if probabilities is not None else None
            made.append(
                LoggedRow(
                    asking.request_id,
                    number,
                    asking.route,
                    now,
                    answer.at,
                    seconds,
                    [_key(name, row.get(name), planned) for name, _ in kind.keys],
                    [answer.request[name] for name, _ in kind.request],
                    answer.values,
                    planned.statuses(answer),
                    planned.event_times(answer),
                    float(prediction) if prediction is not None and likely is None else None,
                    str(prediction) if prediction is not None and likely is not None else None,
                    likely,
                )
            )
        self.log.offer(kind, made)

    def keep_entities(self, asking: Asking, serving: Serving, found: ViewRead, at: int) -> None:
        """Hand over the rows of a view, looked up for entities whose keys are given row by row."""
        view, columns = found.of.view, found.of.columns
        kind = self._kind_of_view(serving, view, found.of)
        seconds, now = perf_counter() - asking.started, self.log.now()
        places = {column: place for place, column in enumerate(columns)}
        names = [name for name, _ in kind.features]
        made = []
        for number, (values, read) in enumerate(zip(found.keys, found.reads, strict=True)):
            picked = [read.values[places[name]] if name in places else None for name in names]
            times = {view: read.event_time}
            made.append(
                LoggedRow(
                    asking.request_id, number, asking.route, now, at, seconds, (), values, picked,
                    {view: read.status}, times, asked=list(columns),
                )
            )  # fmt: skip
        self.log.offer(kind, made)

    # -- kinds -----------------------------------------------------------------------------------------------------

    def _kind(self, serving: Serving, planned: Planned, model: ServedModel | None) -> RowKind:
        version = None if model is None else (model.version.name, model.version.version)
        with self._lock:
            known = self._kinds.setdefault(planned, {}).get(version)
            if known is None:
                known = self._kinds[planned][version] = _kind_of(serving, planned, version)
        return known

    def _kind_of_view(self, serving: Serving, view: str, one: EntityReader) -> RowKind:
        with self._lock:
            known = self._kinds.setdefault(serving, {}).get(view)
            if known is None:
                known = self._kinds[serving][view] = _kind_of_view(serving, view, one)
        return known


def _key(name: str, value: Any, planned: Planned) -> Any:
    """A key that the request brought along; what is none of its type was not asked for, and is left out."""
    try:
        return plain_of(name, value, planned.keys[name])
    except UsageError:
        return None


def _kind_of(serving: Serving, planned: Planned, version: tuple[str, int] | None) -> RowKind:
    typed, outputs = planned.bound.typed, planned.bound.outputs
    return RowKind(
        subject=planned.plan.training_set,
        training_set=planned.plan.training_set,
        model=version[0] if version else None,
        version=version[1] if version else None,
        snapshot=serving.number,
        snapshot_as_of=serving.snapshot.manifest["as_of"],
        keys=tuple((name, one.arrow) for name, one in planned.keys.items()),
        request=tuple((name, typed[name].arrow) for name in planned.plan.columns),
        features=tuple((name, one.arrow) for name, one in outputs.items()),
        about={
            "plan": planned.plan.as_dict(),
            "model": version[0] if version else None,
            "version": version[1] if version else None,
            "snapshot": serving.number,
            "as_of": serving.snapshot.manifest["as_of"],
            "views": {view.table: view.as_dict() for view in planned.views},
        },
    )


def _kind_of_view(serving: Serving, name: str, one: EntityReader) -> RowKind:
    view = one.reader.view
    columns = list(view.features)
    made = serving.arrow_types([view.types[column] for column in columns])
    return RowKind(
        subject=f"{VIEWS}/{name}",
        training_set=None,
        model=None,
        version=None,
        snapshot=serving.number,
        snapshot_as_of=view.as_of,
        keys=(),
        request=tuple((key, typed.arrow) for key, typed in one.keys.items()),
        features=tuple((column, made[view.types[column]]) for column in columns),
        about={
            "view": name,
            "snapshot": serving.number,
            "as_of": view.as_of,
            "views": {view.table: view.as_dict()},
        },
    )
