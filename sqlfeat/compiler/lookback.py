"""How far into the past a model reads, counted from its rows' event time: the dual of the proof.

What an incremental run has to read again. It bounds the distance from a row's event time back to the earliest event
of any source that flows into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfeat.compiler.findings import short
from sqlfeat.compiler.flows import Ledger, State
from sqlfeat.compiler.manifest import WindowCall
from sqlfeat.compiler.zone import Zone


@dataclass(frozen=True)
class Lookback:
    """Months and microseconds; both None is unbounded, for a reason."""

    months: int | None
    microseconds: int | None
    reason: str | None = None

    def as_dict(self) -> dict[str, int] | None:
        """The shape in ``--json``: null is unbounded."""
        if self.months is None or self.microseconds is None:
            return None
        return {"months": self.months, "microseconds": self.microseconds}


def lookback_of(ledger: Ledger, state: State, zone: Zone, event: int) -> Lookback:
    """The most that any flow of a relation reaches back from the row's event time."""
    furthest = 0
    for known in sorted(state.flows):
        flow = ledger.flows[known]
        if flow.event is None:
            if flow.cause.settled and flow.root.node:
                return Lookback(None, None, f"{short(flow.root.node)} has no event time that can be counted from")
            continue
        bound = zone.bound(event, flow.event)
        if bound is None:
            return Lookback(None, None, f"nothing bounds how old rows of {short(flow.root.node) or 'a parent'} may be")
        furthest = max(furthest, bound)
    return Lookback(0, furthest)


def of_windows(calls: Sequence[WindowCall], events: Lookback) -> Lookback:
    """A view of windows reads as far back as the longest of them, offset included."""
    if events.months is None or events.microseconds is None:
        return events
    months, microseconds = 0, 0
    for call in calls:
        if call.length is None:
            return Lookback(None, None, "a window is unbounded")
        spans = [call.length] + ([call.offset] if call.offset is not None else [])
        months = max(months, sum(span.months for span in spans))
        microseconds = max(microseconds, sum(span.microseconds for span in spans))
    return Lookback(events.months + months, events.microseconds + microseconds)
