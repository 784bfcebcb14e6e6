"""A value that is computed from a set of rows is final when every row that belongs to the set is known.

For a row (or a group) ``r`` let the set be rows ``s`` of some relation, and ``v`` an instant that is fixed for the
set: a key of the group, a column of the outer row, the order key that the frame hangs on. If ``known(s) - v <= c`` for
every ``s`` in the set, whatever the data, then at ``v + c`` all of them are known: with all data and with what is known
then the sets are equal, row for row. So the clock of the value is the least of these ``v + c``, a function of ``r``
alone. Without any bound it never comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlfeat.compiler.flows import NOTHING, Cause, Flow, Ledger
from sqlfeat.compiler.zone import ORIGIN, Zone


@dataclass(frozen=True)
class Reach:
    """How far a flow's clock and event lie from what is fixed: upper bounds, and of the event lower ones too."""

    known: Mapping[int, int]
    event: Mapping[int, int]
    before: Mapping[int, int]
    """The bounds of ``v - event``: how far back the set reaches."""


def reach(flow: Flow, zone: Zone, fixed: Iterable[int]) -> Reach:
    """How a flow lies to the fixed instants in a zone of the rows of the set."""
    fixed = {ORIGIN, *fixed}
    known = {v: c for v, c in zone.bounds_of(flow.known).items() if v in fixed}
    if flow.event is None:
        return Reach(known, {}, {})
    event = {v: c for v, c in zone.bounds_of(flow.event).items() if v in fixed}
    before = {v: c for v, c in zone.bounds_from(flow.event).items() if v in fixed}
    return Reach(known, event, before)


def complete(
    ledger: Ledger,
    flow: Flow,
    found: Reach,
    into: Zone,
    cause: Cause,
    *,
    own: Iterable[int] = (),
    zone: Zone | None = None,
    void: frozenset[int] = NOTHING,
) -> int:
    """The flow of a value over a set: a clock of its own, with these bounds, put into the zone of what has the value.

    ``own`` are the instants of the set's rows in ``zone``: whether a bound was lost before, or is lost here, decides
    which construct is named.
    """
    known = ledger.variable()
    event = None if flow.event is None else ledger.variable()
    for v, bound in found.known.items():
        into.require(known, v, bound)
    if event is not None:
        for v, bound in found.event.items():
            into.require(event, v, bound)
        for v, bound in found.before.items():
            into.require(v, event, bound)
    named = flow.cause if zone is not None and not _worse(flow, found, zone, own) else cause
    if flow.cause.settled or flow.cause.kind == "label":
        named = flow.cause
    joined = flow.joined if named is flow.cause else None
    return ledger.enter(replace(flow, known=known, event=event, cause=named, joined=joined, void=void))


def _worse(flow: Flow, found: Reach, zone: Zone, own: Iterable[int]) -> bool:
    """Whether the flow was bounded better in the rows of the set than it is now."""
    before = best(zone.bounds_of(flow.known), {ORIGIN, *own})
    after = min(found.known.values(), default=None)
    if before is None:
        return flow.cause.kind == "scan" and flow.joined is None
    return after is None or after > max(before, 0)


def best(bounds: Mapping[int, int], variables: Iterable[int]) -> int | None:
    """The least of the bounds to these variables."""
    return min((bounds[v] for v in variables if v in bounds), default=None)


def bounded_by(flow: Flow, zone: Zone, others: Iterable[int], cause: Cause) -> Cause | None:
    """What is to be said of a flow that stands beside other rows; None where their instants bound it.

    ``cause`` has the rule for no bound at all. One on the event time alone, on the wrong side, or with slack is told
    as such.
    """
    others = list(others)
    known = best(zone.bounds_of(flow.known), others)
    if known is not None and known <= 0:
        return None
    event = None if flow.event is None else best(zone.bounds_of(flow.event), others)
    in_time = event is not None and event <= 0
    if known is not None:
        return replace(cause, slack="delay-ignored" if in_time else "slack-bound")
    if in_time:
        return replace(cause, rule="event-time-for-available", slack="delay-ignored")
    ends = [end for end in (flow.known, flow.event) if end is not None]
    if any(zone.bound(v, end) is not None for v in others for end in ends):
        return replace(cause, rule="wrong-bound")
    return cause
