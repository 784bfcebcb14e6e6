"""Run and build: make what is missing or changed, in DAG order, each node all or nothing.

A node that fails leaves what was there, and what is below it is skipped; the others go on. So it is with a node whose
SQL is wrong: it fails before it is begun. ``build`` runs a data test as soon as what it reads is there, and a failed
test stops what is below all that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.manifest import CompiledTest
from sqlfeat.engine.base import Record
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.data_tests import problem_with, run_test, selected_tests
from sqlfeat.ops.events import notify, told
from sqlfeat.ops.monitoring import builds
from sqlfeat.ops.openlineage import telling
from sqlfeat.ops.plan import PlannedNode, Planner
from sqlfeat.ops.results import Event, NodeResult, RunResult
from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session
from sqlfeat.ops.source_shapes import sources_read


@telling.told(telling.RUN)
def run(
    session: Session, select: Sequence[str] = (), exclude: Sequence[str] = (), *, full_refresh: bool = False
) -> RunResult:
    """Make the selected models, and the seeds that they read.

    Raises:
        ProjectError, UsageError: nothing was run. What fails while it runs is told in the result.
        RunError: ``source-changed``; nothing was run either.
    """
    graph = session.manifest.graph  # asked before the outline, so that templates are rendered once
    models = {node for node in selected(session, select, exclude) if node.startswith("model.")}
    seeds = {node for node in graph.ancestors(models) if node.startswith("seed.")}
    chosen = [node for node in graph.order() if node in seeds or node in models]
    return told(session, "run", chosen, lambda: _Run(session, chosen, ()).all(full_refresh=full_refresh))


@telling.told(telling.BUILD)
def build(
    session: Session, select: Sequence[str] = (), exclude: Sequence[str] = (), *, full_refresh: bool = False
) -> RunResult:
    """Make the selected seeds and models and run their tests, stopping below a failure."""
    tests = selected_tests(session, select, exclude)
    chosen = [node for node in selected(session, select, exclude) if node.startswith(("model.", "seed."))]
    nodes = [*chosen, *(test.id for test in tests)]
    return told(session, "build", nodes, lambda: _Run(session, chosen, tests).all(full_refresh=full_refresh))


def run_planned(session: Session, ids: Sequence[str]) -> RunResult:
    """Make these nodes, given in DAG order."""
    return _Run(session, ids, ()).all(full_refresh=False)


class _Run:
    """One run under way: what has ended, and what must not be begun."""

    def __init__(self, session: Session, ids: Sequence[str], tests: Sequence[CompiledTest]) -> None:
        self.session = session
        self.ids = ids
        self.made = frozenset(ids)
        self.waiting = [test.name for test in tests]
        self.results: list[NodeResult] = []
        self.planned: dict[str, PlannedNode] = {}
        self.records: dict[str, Record] = {}
        self.stopped: dict[str, str] = {}
        self.done: set[str] = set()
        self.failed_tests: list[CompiledTest] = []
        self.total = 0

    def all(self, *, full_refresh: bool) -> RunResult:
        session = self.session
        started = session.clock.monotonic()
        session.check_sources(self.ids, accept=full_refresh)
        sound = [node for node in self.ids if node not in session.manifest.errors]
        if sound or self.waiting:
            engine = session.prepared(sound)
            self._plan(sound, full_refresh)
            engine.publish(session.manifest, [node for node in sound if self._stays(node)])
        shown = [node for node in self.ids if node in self.planned or node in session.manifest.errors]
        self.total = len(shown) + len(self.waiting)
        session.listener(Event("plan", total=self.total))
        self._take_for_granted()
        self._run_ready_tests()
        for node in shown:
            self._one(node, full_refresh)
            self._run_ready_tests()
        return RunResult(tuple(self.results), session.clock.monotonic() - started)

    def _plan(self, ids: Sequence[str], full_refresh: bool) -> None:
        planner = Planner(self.session.manifest, self.session.engine)
        plan = planner.plan(ids, full_refresh=full_refresh)
        self.planned |= {node.id: node for node in plan.nodes}
        self.records |= planner.records

    def _stays(self, id_: str) -> bool:
        return id_ in self.planned and self.planned[id_].action == "unchanged" and not self._is_deferred(id_)

    def _take_for_granted(self) -> None:
        """What tests read and this run does not make: it is there as it is defined now, or the test is skipped."""
        planner = Planner(self.session.manifest, self.session.engine) if self.waiting else None
        for name in self.waiting:
            for parent in self.session.manifest.tests[name].parents:
                if planner is None or parent in self.done or (parent in self.made and planner.is_built(parent)):
                    continue
                problem = planner.problem_with(parent)
                if problem is None:
                    self.done.add(parent)
                else:
                    self.stopped[parent] = f"{parent.split('.', 1)[1]} {problem}"

    def _one(self, id_: str, full_refresh: bool) -> None:
        own = self._own_error(id_)
        if own is not None:
            self._fail(id_, own)
            return
        reason = self._blocked(id_)
        if reason is not None:
            self.stopped[id_] = reason
            self._end(self._result(id_, "skipped", reason=reason))
            return
        if self._is_deferred(id_):
            self._ask_again(id_, full_refresh)
        asked = self._own_error(id_)
        if asked is not None:
            self._fail(id_, asked)
        elif self.planned[id_].action == "unchanged":
            self._note(id_, self.records[id_])  # whoever built it may have been killed before it was
            self._end(self._result(id_, "unchanged", self.records[id_].rows, reason=self.planned[id_].reason))
        else:
            self._build(self.planned[id_])

    def _build(self, node: PlannedNode) -> None:
        session = self.session
        self._start(node.name, node.resource_type)
        started = session.clock.monotonic()
        record = Record(node.id, node.fingerprint, node.data_version, None, session.clock.now(), 0.0)
        try:
            if node.resource_type == "seed":
                record = session.engine.build_seed(session.manifest.seeds[node.id], record)
            else:
                reads = sources_read(session.manifest, node.id)
                record = session.engine.build_model(session.manifest.models[node.name], record, reads)
        except SqlfeatError as error:
            self._fail(node.id, error, session.clock.monotonic() - started)
            return
        self._note(node.id, record)
        self._end(self._result(node.id, "built", record.rows, record.seconds, node.reason))

    def _note(self, id_: str, record: Record) -> None:
        """A node stands as it is defined now."""
        self.done.add(id_)
        if id_.startswith("model."):
            builds.note_built(self.session, self.session.manifest.models[id_.removeprefix("model.")], record)

    def _fail(self, id_: str, error: SqlfeatError, seconds: float = 0.0) -> None:
        self.stopped[id_] = f"{id_.split('.', 1)[1]} failed"
        reason = self.planned[id_].reason if id_ in self.planned else ""
        self._end(self._result(id_, "failed", None, seconds, reason, error))

    def _own_error(self, id_: str) -> SqlfeatError | None:
        """What is wrong with a node itself, or with what it reads and this run does not make."""
        errors = self.session.manifest.errors
        error = errors.get(id_)
        if error is None or not id_.startswith("model."):
            return error
        parents = self.session.manifest.models[id_.removeprefix("model.")].parents
        return None if any(errors.get(parent) is error and parent in self.made for parent in parents) else error

    # -- what stops what -------------------------------------------------------------------------------------------

    def _blocked(self, id_: str) -> str | None:
        """Why a node must not be begun: something that it reads has not come about, or has not passed its tests."""
        if not self.stopped and not self.failed_tests:
            return None
        above = self.session.manifest.graph.ancestors([id_])
        for parent, reason in self.stopped.items():
            if parent in above and parent in self.made:
                return reason
        for test in self.failed_tests:
            if set(test.parents) <= above:
                return f"the test {test.name} failed"
        return None

    def _is_deferred(self, id_: str) -> bool:
        model = self.session.manifest.models.get(id_.removeprefix("model."))
        return id_.startswith("model.") and model is not None and model.deferred

    def _ask_again(self, id_: str, full_refresh: bool) -> None:
        """A model that asks ``run_query`` is compiled again once its parents stand as this run leaves them.

        It may have become another model by that, and so may all that is below it.
        """
        manifest = self.session.recompile()
        below = [node for node in self.ids[self.ids.index(id_) :] if node in self.planned]
        able = [node for node in below if node not in manifest.errors and self._blocked(node) is None]
        self._plan(able, full_refresh)

    # -- tests -----------------------------------------------------------------------------------------------------

    def _run_ready_tests(self) -> None:
        for name in list(self.waiting):
            test = self.session.manifest.tests.get(name)
            if test is None:  # a model that asked again no longer has it
                self.waiting.remove(name)
                continue
            blocked = next((self.stopped[parent] for parent in test.parents if parent in self.stopped), None)
            error = problem_with(test, self.session.manifest) if blocked is None else None
            if blocked is not None:
                self.waiting.remove(name)
                self._end(NodeResult(name, "test", "skipped", reason=blocked))
            elif error is not None or all(parent in self.done for parent in test.parents):
                self.waiting.remove(name)
                self._start(name, "test")
                result = run_test(self.session, test)
                if result.status == "failed":
                    self.failed_tests.append(test)
                self._end(result)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _result(
        self,
        id_: str,
        status: str,
        rows: int | None = None,
        seconds: float = 0.0,
        reason: str = "",
        error: SqlfeatError | None = None,
    ) -> NodeResult:
        kind, name = id_.split(".", 1)
        materialized = self.session.manifest.models[name].materialized if kind == "model" else kind
        resource_type = "training_set" if materialized == "training_set" else kind
        return NodeResult(name, resource_type, status, rows, seconds, reason, error, materialized)

    def _start(self, name: str, resource_type: str) -> None:
        self.session.listener(Event("start", name, resource_type, len(self.results) + 1, self.total))

    def _end(self, result: NodeResult) -> None:
        self.results.append(result)
        kind = "test" if result.resource_type == "test" else "model"
        if result.status in ("built", "failed") and (kind, result.status) != ("test", "built"):
            notify(self.session, f"{kind}_{result.status}", result.as_dict())
        event = Event("end", result.name, result.resource_type, len(self.results), self.total, result.seconds, result)
        self.session.listener(event)
