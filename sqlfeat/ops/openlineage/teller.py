"""What is told of one session: its operations and nodes as events, from the outermost one's beginning to its end.

It is loaded where somebody is to be told, so that nobody else waits for what it needs.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar

from sqlfeat.base.withheld import Withheld
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.code_state import withheld_of
from sqlfeat.ops.openlineage import events
from sqlfeat.ops.openlineage.datasets import Datasets, job_sql
from sqlfeat.ops.openlineage.delivery import Delivery
from sqlfeat.ops.openlineage.events import ABORT, COMPLETE, FAIL, START, Job, facet
from sqlfeat.ops.results import Event, RunResult
from sqlfeat.ops.session import Session
from sqlfeat.spec.openlineage import OpenLineageSpec
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.training_set import TrainingSet

Result = TypeVar("Result")


@dataclass
class Operation:
    """An operation under way: its run, and its job."""

    run: str
    job: Job
    facets: Mapping[str, Any]


def _words(error: BaseException) -> str:
    return error.what if isinstance(error, SqlfeatError) else type(error).__name__


@dataclass
class _Node:
    """A node under way."""

    run: str
    job: Job
    inputs: list[dict[str, Any]] = field(default_factory=list)


class Teller:
    """What is told of one session, from its outermost operation's beginning to its end."""

    def __init__(self, session: Session, said: OpenLineageSpec) -> None:
        self._session, self._said = session, said
        self._delivery = Delivery(said)
        self._stack: list[Operation] = []
        self._nodes: dict[str, _Node] = {}
        self._problem: str | None = None
        self._withheld: Withheld | None = None
        self._datasets: tuple[object, Datasets] | None = None
        self._listener = session.listener
        session.listener = self._hear

    def guarded(self, tell: Callable[[], Result]) -> Result | None:
        """Tell something; what goes wrong is kept, and stops nothing."""
        try:
            return tell()
        except Exception as error:  # noqa: BLE001 (the edge of what is told: what it is told of goes on)
            self._problem = self._problem or f"{type(error).__name__}: {error}"
            return None

    def hidden(self, value: Any) -> Any:
        """The same without what may be secret."""
        if self._withheld is None:
            self._withheld = withheld_of(self._session.spec)
        return self._withheld.hidden_in(value)

    # -- operations ------------------------------------------------------------------------------------------------

    def begin(self, kind: str, name: str) -> Operation:
        spec = self._session.spec
        named = f"{spec.name}.{kind}.{name}" if name else f"{spec.name}.{kind}"
        operation = Operation(str(uuid.uuid4()), self._job(named, kind), self._about(self._above()))
        self._stack.append(operation)
        self._send(START, operation.run, operation.job, operation.facets)
        return operation

    def ended(self, operation: Operation | None, result: object) -> None:
        """Tell how an operation ended that has given something."""
        if isinstance(result, RunResult) and result.failed:
            failed = next(one for one in result.results if one.status == "failed")
            text = failed.error.what if failed.error is not None else f"{failed.name} failed."
            self.end(operation, FAIL, events.failure(self.hidden(text)))
            return
        inputs, outputs = self._made(result)
        self.end(operation, COMPLETE, {}, inputs, outputs)

    def failed(self, operation: Operation | None, error: BaseException) -> None:
        """Tell that an operation has ended with an error."""
        ending = FAIL if isinstance(error, SqlfeatError) else ABORT
        self.end(operation, ending, events.failure(self.hidden(_words(error))))

    def end(
        self, operation: Operation | None, kind: str, more: Mapping[str, Any], inputs: Any = (), outputs: Any = ()
    ) -> None:
        if operation is not None:
            self._send(kind, operation.run, operation.job, {**operation.facets, **more}, inputs, outputs)

    def leave(self, operation: Operation | None) -> bool:
        """Leave an operation; whether it was the outermost, and all is told."""
        if operation in self._stack:
            self._stack.remove(operation)
        if self._stack:
            return False
        self._session.listener = self._listener
        problem = self._delivery.close() or self._problem
        if problem is not None:
            self._session.log(f"warning: not all OpenLineage events were sent: {problem}.")
        return True

    def _made(self, result: object) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What an operation has read and written itself; of a run its nodes are told of."""
        if isinstance(result, TrainingSet):
            model = self._data.model(result.name)
            return self._data.inputs(model.parents), [self._data.training_set(result, as_output=True)]
        if isinstance(result, ModelVersion):
            return self._data.of_version(result)
        views = getattr(result, "views", None)
        if views is not None:
            models = [self._data.model(name) for name in views]
            rows = {name: record.rows for name, record in self._session.engine.records().items()}
            return (
                self._data.inputs([one.id for one in models]),
                [self._data.online(one, rows.get(one.id)) for one in models],
            )
        return [], []

    # -- nodes -----------------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        self._listener(event)
        if event.resource_type != "test" and event.kind in ("start", "end"):
            self.guarded(lambda: self._node(event))

    def _node(self, event: Event) -> None:
        result = event.result
        id_ = f"{'seed' if event.resource_type == 'seed' else 'model'}.{event.name}"
        if event.kind == "start":
            self._begin_node(id_)
            return
        if result is None or result.status not in ("built", "failed"):
            return
        node = self._nodes.pop(id_, None) or self._begin_node(id_)
        self._nodes.pop(id_, None)
        about = self._about(self._above())
        if result.status == "failed":
            text = result.error.what if result.error is not None else result.reason
            self._send(FAIL, node.run, node.job, {**about, **events.failure(self.hidden(text))}, node.inputs)
            return
        made = self._data.seed(id_, result.rows) if id_.startswith("seed.") else self._data.output(
            self._data.model(event.name), result.rows
        )  # fmt: skip
        self._send(COMPLETE, node.run, node.job, about, node.inputs, [made])

    def _begin_node(self, id_: str) -> _Node:
        name = f"{self._session.spec.name}.{id_}"
        inputs: list[dict[str, Any]] = []
        more: Mapping[str, Any] = {}
        if id_.startswith("model."):
            model = self._data.model(id_.removeprefix("model."))
            inputs = self._data.inputs(model.parents)
            sql = with_relations(model.sql, lambda node: node.split(".", 1)[1]).text
            more = job_sql(model, self.hidden(sql))
        node = self._nodes[id_] = _Node(str(uuid.uuid4()), self._job(name, "model", more), inputs)
        self._send(START, node.run, node.job, self._about(self._above()), inputs)
        return node

    # -- pieces ----------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> Datasets:
        manifest = self._session.manifest  # which is another one once a model has asked again
        if self._datasets is None or self._datasets[0] is not manifest:
            self._datasets = (manifest, Datasets(self._session))
        return self._datasets[1]

    def _job(self, name: str, kind: str, more: Mapping[str, Any] | None = None) -> Job:
        type_ = facet("JobTypeJobFacet", processingType="BATCH", integration="SQLFEAT", jobType=kind.upper())
        return Job(self._said.namespace or self._session.spec.name, name, {"jobType": type_, **(more or {})})

    def _above(self) -> dict[str, Any]:
        """The run that what begins now is part of: the operation around it, or whoever called the command."""
        root = self._stack[0] if self._stack else None
        called = _called_by(os.environ.get("OPENLINEAGE_PARENT_ID", ""))
        if root is None:
            return events.parent(*called) if called else {}
        inner = self._stack[-1]
        outermost = called or (root.run, (root.job.namespace, root.job.name))
        return events.parent(inner.run, (inner.job.namespace, inner.job.name), outermost)

    def _about(self, above: Mapping[str, Any]) -> dict[str, Any]:
        engine = facet(
            "ProcessingEngineRunFacet",
            version=version("duckdb"),
            name="duckdb",
            openlineageAdapterVersion=version("sqlfeat"),
        )
        return {"processing_engine": engine, **above}

    def _send(
        self, kind: str, run: str, job: Job, facets: Mapping[str, Any], inputs: Any = (), outputs: Any = ()
    ) -> None:
        at = self._session.clock.now()
        self._delivery.send(events.run_event(kind, at, run, job, facets, inputs, outputs))


def _called_by(text: str) -> tuple[str, tuple[str, str]] | None:
    """``namespace/job/run`` as a scheduler gives it."""
    names, _, run = text.rpartition("/")
    namespace, _, job = names.rpartition("/")
    try:
        return (str(uuid.UUID(run)), (namespace, job)) if namespace and job else None
    except ValueError:
        return None
