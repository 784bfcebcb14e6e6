"""Somebody who watches the work: one line for each thing that has ended, on stderr.

On a terminal a last line says what is under way; it vanishes when all is done. What is unchanged has no line of its
own: the summary counts it. Knows events and results (``ops.results``), not the commands that cause them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from sqlfeat.cli.failure import error_text
from sqlfeat.cli.render import COLOURS, cell, columns, count, grid, seconds, talk
from sqlfeat.ops.results import Event, Listener, NodeResult, RunResult, silent

_EXAMPLES = 5


@contextmanager
def watching(*, silently: bool) -> Iterator[Listener]:
    """A listener for as long as the work takes."""
    if silently:
        yield silent
        return
    watcher = Watcher(talk())
    try:
        yield watcher
    finally:
        watcher.close()


class Watcher:
    """Prints what happens. Events may come from several threads; a lock keeps their lines apart."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = Lock()
        self._total = 0
        self._ended = 0
        self._running: dict[str, None] = {}
        self._status: Status | None = None

    def __call__(self, event: Event) -> None:
        with self._lock:
            {"plan": self._plan, "start": self._start, "end": self._end, "step": self._step, "log": self._log}.get(
                event.kind, self._log
            )(event)
            self._say_what_runs()

    def close(self) -> None:
        """Take away the line that says what is under way."""
        if self._status:
            self._status.stop()

    def _plan(self, event: Event) -> None:
        self._total, self._ended = event.total, 0

    def _start(self, event: Event) -> None:
        self._running[event.name] = None

    def _end(self, event: Event) -> None:
        self._running.pop(event.name, None)
        self._ended += 1
        if event.result and event.result.status != "unchanged":
            self._console.print(node_line(event.result, self._ended, self._total))

    def _step(self, event: Event) -> None:
        self._console.print(step_line(event.name, event.seconds, event.facts))

    def _log(self, event: Event) -> None:
        if event.text:
            self._console.print(Text("\n").join([Text(f"  {line}", "dim") for line in event.text.splitlines()]))

    def _say_what_runs(self) -> None:
        if not self._console.is_terminal or not self._running:
            return
        names = list(self._running)
        doing = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        if self._status is None:
            self._status = self._console.status(doing)
            self._status.start()
        else:
            self._status.update(doing)


def node_line(result: NodeResult, index: int, total: int) -> Text:
    """``[ 3/12] built   carrier_delays   feature_view   80,123 rows   0.31 s``."""
    width = len(str(total))
    line = Text().append(f"[{index:>{width}}/{total}] ", "dim")
    line.append(f"{result.status:<9} ", COLOURS.get(result.status))
    if result.resource_type == "test":
        what = result.name
    else:
        rows = "" if result.rows is None else count(result.rows, "row")
        what = f"{result.name:<28} {result.materialized or result.resource_type:<13} {rows:>14}"
    line.append(f"{what:<57}   {seconds(result.seconds):>7}")
    if result.reason and result.status != "built":
        line.append(f"   {result.reason}")
    return line


def step_line(name: str, duration: float, known: Mapping[str, Any]) -> Text:
    """``  look up features   0.31 s   rows 80,123``; a list of facts has a line for each."""
    told = _told({key: value for key, value in known.items() if not isinstance(value, (list, tuple))})
    line = Text(f"  {name:<24} {seconds(duration):>7}").append(f"   {', '.join(told)}".rstrip(), "dim")
    for listed in (value for value in known.values() if isinstance(value, (list, tuple))):
        rows = [_told(entry) if isinstance(entry, Mapping) else [cell(entry)] for entry in listed]
        if rows:
            line.append("\n" + "\n".join(columns(rows, indent="    ")), "dim")
    return line


def _told(known: Mapping[str, Any]) -> list[str]:
    """Facts in a few words each: a name and its number, texts as they are."""
    parts: list[str] = []
    for key, value in known.items():
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, Mapping):
            parts += _told(value)
        else:
            parts.append(f"{key} {count(value) if isinstance(value, int) else cell(value)}")
    return parts


def summary(result: RunResult) -> Text:
    """What became of all nodes: failures in full, then one line."""
    told = [failures(result), _counts(result)]
    return Text("\n\n").join([part for part in told if part])


def failures(result: RunResult) -> Text:
    """What failed, in full, and the rows that a test with ``severity: warn`` shows."""
    parts = [_failure(node) for node in result.results if node.status == "failed"]
    parts += [_examples(node) for node in result.results if node.status == "warned" and node.examples]
    return Text("\n\n").join(parts)


def _failure(node: NodeResult) -> Text:
    reason = Text().append(f"{node.name} failed: {node.reason or 'no reason given'}", "bold")
    told = error_text(node.error) if node.error else reason
    return told.append("\n\n").append_text(_examples(node)) if node.examples else told


def _examples(node: NodeResult) -> Text:
    shown = list(node.examples)[:_EXAMPLES]
    names = list(dict.fromkeys(name for row in shown for name in row))
    of = f" of {count(node.rows)}" if node.rows and node.rows > len(shown) else ""
    return Text(f"{node.name}: {len(shown)}{of} rows that break it\n").append_text(grid(names, shown))


def _counts(result: RunResult) -> Text:
    made = [node for node in result.results if node.resource_type != "test"]
    tests = [node for node in result.results if node.resource_type == "test"]
    if not result.results:
        return Text("Nothing is selected.")
    if not tests and all(node.status == "unchanged" for node in made):
        return Text(f"Nothing to do: {_all(len(made))} up to date.", "green")
    told = [f"{result.count(status)} {status}" for status in _statuses(result, bool(made), bool(tests))]
    return Text(f"{', '.join(told)} in {seconds(result.seconds)}", "bold red" if result.failed else "green")


def _all(models: int) -> str:
    return f"all {models} models are" if models > 1 else "the model is"


def _statuses(result: RunResult, made: bool, tests: bool) -> list[str]:
    always = (["built", "unchanged"] if made else []) + (["passed"] if tests else []) + ["failed"]
    order = ["built", "unchanged", "passed", "warned", "skipped", "failed"]
    return [status for status in order if status in always or result.count(status)]
