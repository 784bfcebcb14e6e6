"""Tell a project's ``@on`` hooks what has happened.

They run in child processes after the fact: one that fails is shown to whoever watches and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlfeat.base.process import run_in_child
from sqlfeat.errors import HookError, Place
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.spec.hook import EventHookSpec, discover_hooks

_CHILD = "sqlfeat.hook_child:notify"
_TIME_LIMIT = 300.0


def notify(session: Session, event: str, facts: Mapping[str, Any]) -> None:
    """Call every hook of this event with the facts, which must be plain values."""
    hooks = [hook for hook in discover_hooks(session.spec.hooks, session.spec.root).events if hook.event == event]
    for first in {hook.path: hook for hook in reversed(hooks)}.values():  # one child for all hooks of a file
        error = _call(session, first, facts)
        if error is not None:
            session.listener(Event("log", text=f"warning: {error}"))


def _call(session: Session, hook: EventHookSpec, facts: Mapping[str, Any]) -> HookError | None:
    result = run_in_child(
        _CHILD,
        {"root": str(session.spec.root), "file": str(hook.path), "event": hook.event, "facts": dict(facts)},
        folder=session.spec.root,
        timeout=_TIME_LIMIT,
        on_line=lambda line: session.listener(Event("log", name=hook.function, text=line)),
    )
    told = result.value.get("error") if result.ok else None
    if told is not None:
        place = Place(*told["place"]) if told["place"] else hook.place
        return HookError("event-hook-failed", told["what"], place, told["hint"], details=told["details"])
    if not result.ok:
        what = f"The hook {hook.function} of {hook.event} {result.failure}."
        return HookError("event-hook-failed", what, hook.place)
    return None
