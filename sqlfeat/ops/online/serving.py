"""What requests are answered from between two refreshes: a snapshot, plans bound to it, models, and their names.

It is bound together under a lock and read without one. It holds its snapshot for as long as anybody is answered from
it: the snapshot is closed when the last one has gone.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import ProjectError
from sqlfeat.ops.definition import definition_of, feature_fingerprints
from sqlfeat.ops.online.entities import AskedColumns, Columns
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.ops.online.one_key import FoundReads
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.reading import FOUND, views_of
from sqlfeat.ops.online.request import Answer, BoundPlan, RequestPlan, plan_of
from sqlfeat.ops.online.scoring import Scorer
from sqlfeat.ops.online.shown import Shown, json_of
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_sets import training_set, training_sets
from sqlfeat.ops.transforms import with_parameters
from sqlfeat.store import registry
from sqlfeat.store.online import Snapshot
from sqlfeat.store.registry import ModelVersion

_MOST_ASKED = 200
"""How many ways of asking for columns are kept; a stranger may ask for them in any order."""


class Planned:
    """A plan bound to a snapshot, with the names that answers have."""

    def __init__(self, plan: BoundPlan, keys: Mapping[str, Typed]) -> None:
        self.bound = plan
        self.plan: RequestPlan = plan.plan
        self.keys = keys
        self.names = tuple(plan.outputs)
        self.slow = plan.slow
        self._as_json = Shown([typed.arrow for typed in plan.outputs.values()], json_of)
        self._labels = labels_of(plan.plan)
        self._all_found = dict.fromkeys(self._labels.values(), FOUND)

    def shown(self, answer: Answer) -> dict[str, Any]:
        """An answer's values by name, as JSON has them."""
        return dict(zip(self.names, self._as_json(answer.values), strict=True))

    def statuses(self, answer: Answer) -> dict[str, str]:
        """What became of each lookup, by the name of its view."""
        if type(answer.reads) is FoundReads:
            return self._all_found.copy()
        return {self._labels[name]: read.status for name, read in answer.reads.items()}

    def event_times(self, answer: Answer) -> dict[str, int | None]:
        """Of what time the row was that each lookup found, by the name of its view."""
        return {self._labels[name]: read.event_time for name, read in answer.reads.items()}

    @property
    def views(self) -> list[PublishedView]:
        """The published views that its lookups read."""
        return list({view.table: view for view in map(self.bound.view_of, self._labels)}.values())


@dataclass(frozen=True)
class ServedModel:
    """A version that is served: its plan, bound to the snapshot, and the model itself."""

    version: ModelVersion
    planned: Planned
    scorer: Scorer


class Serving:
    """One snapshot, and what has been bound to it."""

    def __init__(self, session: Session, snapshot: Snapshot, engine: Rowwise) -> None:
        self.number = snapshot.number
        self.snapshot = snapshot
        self.views: list[PublishedView] = list(views_of(snapshot).values())
        self.plans: dict[str, Planned] = {}
        self.models: dict[str, ServedModel] = {}
        self._asked: dict[Columns, AskedColumns] = {}
        self._session = session
        self._engine = engine
        self._lock = threading.Lock()
        self.let_go = weakref.finalize(self, snapshot.close)
        self.let_go.atexit = False

    def planned(self, name: str) -> Planned:
        """A training set's plan."""
        known = self.plans.get(name)
        if known is None:
            with self._lock:
                known = self.plans[name] = self.bind(self._plan_of_set(name))
        return known

    def _plan_of_set(self, name: str) -> RequestPlan:
        """What the project says; where it cannot, as without its sources, what was said when this was published."""
        try:
            return plan_of_set(self._session, name)
        except ProjectError:
            plans = self.snapshot.manifest.get("plans", {})
            if name not in plans:
                raise
            return RequestPlan.from_dict(plans[name])

    def model(self, reference: str) -> ServedModel:
        """The version that a reference meant when it was looked up first, or at the last refresh."""
        known = self.models.get(reference)
        if known is None:
            version = registry.resolve(self._session.spec.registry, reference)
            known = self.models[reference] = self.loaded(version)
        return known

    def loaded(self, version: ModelVersion) -> ServedModel:
        """A version with its model and its plan; one that is there already is not read again."""
        with self._lock:
            for known in list(self.models.values()):
                if (known.version.name, known.version.version) == (version.name, version.version):
                    return known
            planned = self.bind(plan_of_version(self._session, version))
            return ServedModel(version, planned, Scorer(version, planned.bound.outputs))

    def take_over(self, other: Serving) -> None:
        """Bind all that another one has; raises where this snapshot does not serve it."""
        for name in list(other.plans):
            self.plans[name] = self.bind(self._plan_of_set(name))
        moved: dict[int, ServedModel] = {}
        for reference, model in list(other.models.items()):
            if id(model) not in moved:
                moved[id(model)] = ServedModel(model.version, self.bind(model.planned.plan), model.scorer)
            self.models[reference] = moved[id(model)]

    def bind(self, plan: RequestPlan) -> Planned:
        kinds = self._engine.arrow_types(list(plan.keys.values()))
        keys = {name: Typed(kind, kinds[kind]) for name, kind in plan.keys.items()}
        return Planned(BoundPlan(plan, self.snapshot, self.views, self._engine), keys)

    def arrow_types(self, types: Sequence[str]) -> dict[str, pa.DataType]:
        """The Arrow types of DuckDB's."""
        return self._engine.arrow_types(types)

    def asked(self, columns: Columns) -> AskedColumns:
        """How some columns of views are read, as the project defines them now."""
        known = self._asked.get(columns)
        if known is None:
            with self._lock:
                if len(self._asked) >= _MOST_ASKED:
                    self._asked.clear()
                known = self._asked[columns] = AskedColumns.of(columns, self.views, self._engine)
        return known


def plan_of_set(session: Session, name: str) -> RequestPlan:
    """The serving plan of a training set, with what was fitted on the newest that is kept of it.

    Only a whole set of today's definition will do; where there is none, what hangs on transforms is left out.
    """
    model, manifest = session.training_set(name), session.manifest
    id_ = _newest(session, model) if model.transforms else None
    return plan_of(model_fitted_on(session, name, id_), feature_fingerprints(model, manifest), fitted_on=id_)


def _newest(session: Session, model: CompiledModel) -> str | None:
    definition = definition_of(model, session.manifest)
    for listed in training_sets(session, model.name, verify=False):
        found = listed.kept.training_set
        if found is not None and found.manifest["definition"] == definition and found.manifest["outputs"] is None:
            return found.id
    return None


def model_fitted_on(session: Session, name: str, id_: str | None) -> CompiledModel:
    """A training set with the parameters that were fitted on a kept one; as it is written where that is None.

    Raises:
        StoreError: the set is not there any more, or it is damaged.
    """
    model = session.training_set(name)
    if id_ is None:
        return model
    return with_parameters(model, training_set(session, name, id_).manifest["transforms"])


def plan_of_version(session: Session, version: ModelVersion) -> RequestPlan:
    """The serving plan that a version was registered with; of older ones the project's, with what was fitted."""
    if version.plan:
        return RequestPlan.from_dict(version.plan)
    model = with_parameters(session.training_set(version.training_set["name"]), version.transforms)
    return plan_of(model, version.features)


def labels_of(plan: RequestPlan) -> dict[str, str]:
    """A lookup's view; with the keys' expressions where a view is looked up more than once."""
    views = [lookup.view for lookup in plan.lookups]
    inside = {lookup.name: lookup.view for lookup in plan.lookups}
    labels: dict[str, str] = {}
    for lookup in plan.lookups:
        label = lookup.view
        if views.count(label) > 1:
            keys = ", ".join(f"{key}={sql}" for key, sql in lookup.keys).replace('"', "")
            for name, view in inside.items():
                keys = keys.replace(name, view)
            label = f"{label}({keys})"
        labels[lookup.name] = label if label not in labels.values() else f"{label}#{len(labels)}"
    return labels
