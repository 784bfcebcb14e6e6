"""Tell a project's ``@on`` hooks what happens.

They run in child processes after the fact: one that fails is shown to whoever watches and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlfeat.base.process import run_in_child
from sqlfeat.errors import HookError, Place, ProjectError, SqlfeatError
from sqlfeat.ops.results import Event, RunResult
from sqlfeat.ops.session import Session
from sqlfeat.spec.hook import EventHookSpec, discover_hooks

_CHILD = "sqlfeat.hook_child:notify"
_TIME_LIMIT = 300.0


def notify(session: Session, event: str, facts: Mapping[str, Any]) -> None:
    """Call every hook of this event with the facts, which must be plain values; raises nothing on their account."""
    if not session.notifies:
        return
    try:
        hooks = [hook for hook in _event_hooks(session) if hook.event == event]
    except ProjectError as error:
        _warn(session, error)
        return
    for first in {hook.path: hook for hook in reversed(hooks)}.values():  # one child for all hooks of a file
        for failed in _call(session, first, facts):
            _warn(session, failed)


def told(session: Session, command: str, nodes: Sequence[str], work: Callable[[], RunResult]) -> RunResult:
    """Do the work on these nodes; the hooks hear that it begins, and how it went."""
    notify(session, "run_start", {"command": command, "nodes": list(nodes)})
    result = work()
    ended = [{"name": node.name, "status": node.status, "reason": node.reason} for node in result.results]
    facts = {"command": command, "failed": result.failed, "seconds": round(result.seconds, 3), "results": ended}
    notify(session, "run_end", facts)
    return result


def _event_hooks(session: Session) -> tuple[EventHookSpec, ...]:
    files = tuple((path, _mark(path)) for path in session.spec.hooks)
    return _read(files, session.spec.root)


def _mark(path: Path) -> tuple[int, int]:
    """What changes when the file does; nothing for one that is gone."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _read(files: tuple[tuple[Path, tuple[int, int]], ...], root: Path) -> tuple[EventHookSpec, ...]:
    """The event hooks of files that have not changed since they were read: a run asks once for each of its nodes."""
    return discover_hooks([path for path, _ in files], root).events


def _warn(session: Session, error: SqlfeatError) -> None:
    session.listener(Event("log", text=f"warning: {error}"))


def _call(session: Session, hook: EventHookSpec, facts: Mapping[str, Any]) -> list[HookError]:
    """What was wrong with the hooks of one file, called one after the other."""
    result = run_in_child(
        _CHILD,
        {"root": str(session.spec.root), "file": str(hook.path), "event": hook.event, "facts": _plain(facts)},
        folder=session.spec.root,
        timeout=_TIME_LIMIT,
        on_line=lambda line: session.listener(Event("log", name=hook.function, text=line)),
    )
    if not result.ok:
        return [_failed(f"The hook {hook.function} of {hook.event} {result.failure}.", hook.place)]
    return [
        _failed(told["what"], Place(*told["place"]) if told["place"] else hook.place, told["hint"], told["details"])
        for told in result.value["errors"]
    ]


def _plain(facts: Mapping[str, Any]) -> Any:
    """The facts as JSON has them: instants and paths as texts."""
    return json.loads(json.dumps(dict(facts), default=str))


def _failed(what: str, place: Place, hint: str | None = None, details: Sequence[str] = ()) -> HookError:
    return HookError("event-hook-failed", what, place, hint, details=details)
