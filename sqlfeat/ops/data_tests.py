"""Data tests: a query that must return no row."""

from __future__ import annotations

from collections.abc import Sequence

from sqlfeat.compiler.manifest import CompiledTest
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.plan import Planner
from sqlfeat.ops.results import Event, NodeResult, RunResult
from sqlfeat.ops.session import Session

EXAMPLES = 5


def test(session: Session, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> RunResult:
    """Run the tests that are selected themselves or by what they test.

    Raises:
        RunError: ``not-built`` where something that a test reads has not been built as it is defined now.
    """
    started = session.clock.monotonic()
    tests = selected_tests(session, select, exclude)
    session.prepared([test.id for test in tests])
    planner = Planner(session.manifest, session.engine)
    for compiled in tests:
        planner.version_of_parents(compiled.id, compiled.parents)
    session.listener(Event("plan", total=len(tests)))
    results = []
    for index, compiled in enumerate(tests, start=1):
        session.listener(Event("start", compiled.name, "test", index, len(tests)))
        result = run_test(session, compiled)
        results.append(result)
        session.listener(Event("end", result.name, "test", index, len(tests), result.seconds, result))
    return RunResult(tuple(results), session.clock.monotonic() - started)


def selected_tests(session: Session, select: Sequence[str], exclude: Sequence[str]) -> list[CompiledTest]:
    """The tests that selectors mean: those selected themselves, and those whose first parent is."""
    graph = session.outline.graph
    chosen = set(graph.select(select, exclude))
    dropped = set(graph.select(exclude)) if exclude else set()
    return [
        test
        for test in session.manifest.tests.values()
        if not {test.id, *test.parents[:1]} & dropped and {test.id, *test.parents[:1]} & chosen
    ]


def run_test(session: Session, test: CompiledTest) -> NodeResult:
    """One test: passed, warned or failed, with the first rows that break it."""
    started = session.clock.monotonic()
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
