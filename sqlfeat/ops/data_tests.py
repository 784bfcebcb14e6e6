"""Data tests: a query that must return no row."""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.manifest import CompiledTest, Manifest
from sqlfeat.errors import RunError, SqlfeatError
from sqlfeat.ops.events import notify, told
from sqlfeat.ops.plan import Planner
from sqlfeat.ops.results import Event, NodeResult, RunResult
from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session

EXAMPLES = 5


def test(session: Session, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> RunResult:
    """Run the tests that are selected themselves or by what they read.

    What a test reads must have been built as it is defined now; where it has not, the test fails and says so.
    """
    tests = selected_tests(session, select, exclude)
    return told(session, "test", [test.id for test in tests], lambda: _tested(session, tests))


def _tested(session: Session, tests: Sequence[CompiledTest]) -> RunResult:
    started = session.clock.monotonic()
    session.prepared(())
    planner = Planner(session.manifest, session.engine)
    session.listener(Event("plan", total=len(tests)))
    results = []
    for index, compiled in enumerate(tests, start=1):
        session.listener(Event("start", compiled.name, "test", index, len(tests)))
        result = _run_if_built(session, compiled, planner)
        results.append(result)
        session.listener(Event("end", result.name, "test", index, len(tests), result.seconds, result))
        if result.status == "failed":
            notify(session, "test_failed", result.as_dict())
    return RunResult(tuple(results), session.clock.monotonic() - started)


def selected_tests(session: Session, select: Sequence[str], exclude: Sequence[str]) -> list[CompiledTest]:
    """The tests that selectors mean: those selected themselves, and those that read something selected, as in dbt."""
    chosen = set(selected(session, select, exclude))
    dropped = set(selected(session, exclude)) if exclude else set()
    return [
        test
        for test in session.manifest.tests.values()
        if not {test.id, *test.parents} & dropped and {test.id, *test.parents} & chosen
    ]


def problem_with(test: CompiledTest, manifest: Manifest) -> SqlfeatError | None:
    """What is wrong with a test's own SQL, or with what it reads."""
    return next((manifest.errors[node] for node in (test.id, *test.parents) if node in manifest.errors), None)


def _run_if_built(session: Session, test: CompiledTest, planner: Planner) -> NodeResult:
    if problem_with(test, session.manifest) is None:
        unread = next((parent for parent in test.parents if not _is_relation(parent, planner)), None)
        if unread is not None:
            reason = f"{unread.split('.', 1)[1]} {planner.problem_with(unread)}"
            return NodeResult(test.name, "test", "skipped", reason=reason)
        try:
            planner.version_of_parents(test.id, test.parents)
        except RunError as error:
            return NodeResult(test.name, "test", "failed", None, 0.0, "it could not be run", error)
    return run_test(session, test)


def _is_relation(node: str, planner: Planner) -> bool:
    return node.startswith("source.") or planner.is_built(node)


def run_test(session: Session, test: CompiledTest) -> NodeResult:
    """One test: passed, warned or failed, with the first rows that break it."""
    started = session.clock.monotonic()
    error = problem_with(test, session.manifest)
    if error is not None:
        return NodeResult(test.name, "test", "failed", None, 0.0, "it could not be run", error)
    try:
        count, examples = session.engine.failures(test.sql, EXAMPLES)
    except SqlfeatError as error:
        seconds = session.clock.monotonic() - started
        return NodeResult(test.name, "test", "failed", None, seconds, "it could not be run", error)
    seconds = session.clock.monotonic() - started
    if count == 0:
        return NodeResult(test.name, "test", "passed", 0, seconds)
    status = "warned" if test.severity == "warn" else "failed"
    rows = "row breaks" if count == 1 else "rows break"
    return NodeResult(test.name, "test", status, count, seconds, f"{count:,} {rows} it", examples=examples)
