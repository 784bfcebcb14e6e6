"""Run and build: make what is missing or changed, in DAG order, each node all or nothing.

A node that fails leaves what was there, and what is below it is skipped; the others go on. ``build`` runs the data
tests of a node before anything below it is made, and a failed test stops what is below as a failed node does.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.manifest import CompiledTest
from sqlfeat.engine.base import Record
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.data_tests import run_test, selected_tests
from sqlfeat.ops.plan import PlannedNode, Planner, checked_plan
from sqlfeat.ops.results import Event, NodeResult, RunResult
from sqlfeat.ops.session import Session


def run(
    session: Session, select: Sequence[str] = (), exclude: Sequence[str] = (), *, full_refresh: bool = False
) -> RunResult:
    """Make the selected models, and the seeds that they read.

    Raises:
        ProjectError, UsageError: nothing was run. What fails while it runs is told in the result.
    """
    ids = session.outline.graph.select(select, exclude)
    models = [node for node in ids if node.startswith("model.")]
    seeds = {node for node in session.outline.graph.ancestors(models) if node.startswith("seed.")}
    chosen = [node for node in session.outline.graph.order() if node in seeds or node in set(models)]
    return _Run(session, chosen, ()).all(full_refresh=full_refresh)


def build(
    session: Session, select: Sequence[str] = (), exclude: Sequence[str] = (), *, full_refresh: bool = False
) -> RunResult:
    """Make the selected seeds and models and run their tests, stopping below a failure."""
    ids = session.outline.graph.select(select, exclude)
    chosen = [node for node in ids if node.startswith(("model.", "seed."))]
    return _Run(session, chosen, selected_tests(session, select, exclude)).all(full_refresh=full_refresh)


def run_planned(session: Session, ids: Sequence[str]) -> RunResult:
    """Make these nodes, given in DAG order."""
    return _Run(session, ids, ()).all(full_refresh=False)


class _Run:
    """One run under way: what has ended, and what must not be begun."""

    def __init__(self, session: Session, ids: Sequence[str], tests: Sequence[CompiledTest]) -> None:
        self.session = session
        self.ids = ids
        self.waiting = list(tests)
        self.results: list[NodeResult] = []
        self.stopped: dict[str, str] = {}
        self.done: set[str] = set()

    def all(self, *, full_refresh: bool) -> RunResult:
        session = self.session
        started = session.clock.monotonic()
        session.manifest.raise_errors([*self.ids, *(test.id for test in self.waiting)])
        engine = session.prepared(self.ids)
        planner = Planner(session.manifest, engine)
        plan = checked_plan(planner, self.ids, full_refresh=full_refresh)
        self.total = len(plan.nodes) + len(self.waiting)
        session.listener(Event("plan", total=self.total))
        planned = {node.id for node in plan.nodes}
        self.done |= {p for test in self.waiting for p in test.parents if p not in planned}
        self._run_ready_tests()
        for node in plan.nodes:
            self._one(node, full_refresh)
            self._run_ready_tests()
        return RunResult(tuple(self.results), session.clock.monotonic() - started)

    def _one(self, node: PlannedNode, full_refresh: bool) -> None:
        blocked = next((p for p in self._parents(node.id) if p in self.stopped), None)
        if blocked is not None:
            self.stopped[node.id] = self.stopped[blocked]
            self._end(NodeResult(node.name, node.resource_type, "skipped", reason=self.stopped[blocked]), node)
            return
        if self._is_deferred(node):
            node = self._asked_again(node, full_refresh)
        if node.action == "unchanged":
            record = self.session.engine.records()[node.id]
            self.done.add(node.id)
            self._end(NodeResult(node.name, node.resource_type, "unchanged", record.rows, 0.0, node.reason), node)
            return
        self._build(node)

    def _build(self, node: PlannedNode) -> None:
        session = self.session
        self._start(node.name, node.resource_type)
        started = session.clock.monotonic()
        record = Record(node.id, node.fingerprint, node.data_version, None, session.clock.now(), 0.0)
        try:
            if node.resource_type == "seed":
                record = session.engine.build_seed(session.manifest.seeds[node.id], record)
            else:
                record = session.engine.build_model(session.manifest.models[node.name], record)
        except SqlfeatError as error:
            self.stopped[node.id] = f"{node.name} failed"
            seconds = session.clock.monotonic() - started
            self._end(NodeResult(node.name, node.resource_type, "failed", None, seconds, node.reason, error), node)
            return
        self.done.add(node.id)
        self._end(NodeResult(node.name, node.resource_type, "built", record.rows, record.seconds, node.reason), node)

    def _is_deferred(self, node: PlannedNode) -> bool:
        model = self.session.manifest.models.get(node.name)
        return node.resource_type == "model" and model is not None and model.deferred

    def _asked_again(self, node: PlannedNode, full_refresh: bool) -> PlannedNode:
        """A model that asks ``run_query`` is compiled again once its parents stand as this run leaves them."""
        manifest = self.session.recompile()
        manifest.raise_errors([node.id])
        plan = Planner(manifest, self.session.engine).plan([node.id], full_refresh=full_refresh)
        return plan.nodes[0]

    def _run_ready_tests(self) -> None:
        for test in list(self.waiting):
            blocked = next((p for p in test.parents if p in self.stopped), None)
            if blocked is not None and not (set(test.parents) <= self.done):
                self.waiting.remove(test)
                self._end(NodeResult(test.name, "test", "skipped", reason=self.stopped[blocked]))
            elif all(parent in self.done or parent.startswith("source.") for parent in test.parents):
                self.waiting.remove(test)
                self._start(test.name, "test")
                result = run_test(self.session, test)
                if result.status == "failed":
                    for parent in test.parents:
                        self.stopped.setdefault(parent, f"the test {test.name} failed")
                self._end(result)

    def _parents(self, node: str) -> tuple[str, ...]:
        return self.session.manifest.models[node.removeprefix("model.")].parents if node.startswith("model.") else ()

    def _start(self, name: str, resource_type: str) -> None:
        self.session.listener(Event("start", name, resource_type, len(self.results) + 1, self.total))

    def _end(self, result: NodeResult, node: PlannedNode | None = None) -> None:
        if node is not None:
            result = NodeResult(
                result.name, result.resource_type, result.status, result.rows, result.seconds, result.reason,
                result.error, node.materialized,
            )  # fmt: skip
        self.results.append(result)
        event = Event("end", result.name, result.resource_type, len(self.results), self.total, result.seconds, result)
        self.session.listener(event)
