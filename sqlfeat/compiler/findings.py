"""Why a column is not safe: the flow that is too late, the construct that made it so, and the sentence for it.

A verdict compares a flow's clock with the time from which its row is used. Here is only told what came of that; a
rule never makes a column safe or unsafe by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.calendar_units import spelled
from sqlfeat.compiler.flows import Cause, Flow, Ledger
from sqlfeat.compiler.rules import RULES
from sqlfeat.compiler.zone import Zone

UNSAFE, UNPROVEN, SAFE = "unsafe", "unproven", "safe"
_WORST = (UNSAFE, UNPROVEN, SAFE)


_OF_THE_STAMP = ("bucket-start", "slack-bound", "nullable-time")
"""Rules that are about the event time, where nothing else was done to the rows."""


@dataclass(frozen=True)
class Target:
    """From when a row is used: its event time and available_at, as variables; ``grace`` is what may be added to the
    event time (a declared delay, a label's horizon); ``later`` is the later one of both, where the SQL has that.
    ``declared``: the model says its own available_at or delay.
    """

    event: int
    available: int | None = None
    grace: int = 0
    later: int | None = None
    label: bool = False
    declared: bool = False
    time: str = "its event time"


@dataclass(frozen=True)
class Finding:
    """One reason why a column is not safe. ``span`` is in the text of ``model``; ``distance`` in microseconds."""

    rule: str
    verdict: str
    message: str
    example: str
    mend: str
    model: str
    span: Span
    distance: int | None = None
    source: str = ""


@dataclass(frozen=True)
class ColumnVerdict:
    """A column's verdict and what speaks against it, the worst first."""

    name: str
    verdict: str
    findings: tuple[Finding, ...] = ()


def worst(verdicts: list[str]) -> str:
    """The worst of several verdicts; none is safe."""
    return min(verdicts, key=_WORST.index, default=SAFE)


def lateness(flow: Flow, zone: Zone, target: Target) -> int | None:
    """By how much a flow may be too late at most; at most zero is in time, None without bound."""
    found = []
    by_event = zone.bound(flow.known, target.event)
    if by_event is not None:
        found.append(by_event - target.grace)
    if target.available is not None:
        by_available = zone.bound(flow.known, target.available)
        if by_available is not None:
            found.append(by_available)
    if target.later is not None:
        by_later = zone.bound(flow.known, target.later)
        if by_later is not None:
            found.append(by_later)
    return min(found, default=None)


def diagnose(ledger: Ledger, flow: Flow, zone: Zone, target: Target, fallback: Span) -> Finding | None:
    """What is to be said of a flow, if it is not proved to be in time; ``fallback`` is where its event time stands."""
    distance = lateness(flow, zone, target)
    if distance is not None and distance <= 0:
        return None
    cause = flow.joined if flow.joined is not None and flow.cause.kind == "scan" else flow.cause
    rule, unsafe = _rule(ledger, flow, cause, zone, target, distance)
    span = cause.span
    if rule == "unknown-condition" and flow.doubts:
        span = flow.doubts[0]
    if span.start < 0 or (cause.kind == "scan" and rule in _OF_THE_STAMP):
        span = fallback if fallback.start >= 0 else span
    finding = _told(rule, UNSAFE if unsafe else UNPROVEN, flow, replace(cause, span=span), distance)
    if target.label and not cause.settled and cause.kind != "inherited":
        return _beyond_horizon(finding, distance, flow, ledger, target)
    return finding


def _rule(
    ledger: Ledger, flow: Flow, cause: Cause, zone: Zone, target: Target, distance: int | None
) -> tuple[str, bool]:
    """The rule, and whether it is provably unsafe."""
    if cause.settled or cause.kind == "inherited":
        return cause.rule, cause.unsafe
    exact = not flow.inexact and target.event not in ledger.estimates and target.available not in ledger.estimates
    in_time = _event_in_time(flow, zone, target)
    if distance is not None:
        if cause.kind != "scan":
            rule = "bucket-start" if target.event in ledger.buckets and cause.kind == "group" else cause.slack
            rule = "bucket-start" if rule == "slack-bound" and flow.bucketed else rule
            return ("delay-ignored" if in_time and flow.root.delay else rule), exact and cause.unsafe
        if in_time:
            late = "delay-ignored" if flow.root.delay else "dropped-available-at"
            return late, exact
        return ("bucket-start" if target.event in ledger.buckets else "slack-bound"), exact
    if flow.doubts:
        return "unknown-condition", False
    if _only_nulls(ledger, flow, zone, target):
        return "nullable-time", False
    if cause.kind == "scan":
        return "dropped-available-at", in_time and not target.declared
    if in_time and flow.root.known != flow.root.event_time:
        return "event-time-for-available", cause.unsafe
    return cause.rule, cause.unsafe


def _event_in_time(flow: Flow, zone: Zone, target: Target) -> bool:
    if flow.event is None:
        return False
    ends = [target.event] + ([target.available] if target.available is not None else [])
    bounds = [zone.bound(flow.event, end) for end in ends]
    return any(bound is not None and bound <= 0 for bound in bounds)


def _only_nulls(ledger: Ledger, flow: Flow, zone: Zone, target: Target) -> bool:
    """Whether the flow would be in time if no time were null."""
    there = zone.copy()
    there.assume(sorted(set(there.bounds_of(flow.known)) | set(ledger.grains) & _mentioned(there)))
    found = lateness(flow, there, target)
    return found is not None and found <= 0


def _mentioned(zone: Zone) -> set[int]:
    return {y for x in list(zone.certain) for y in zone.bounds_of(x)} | set(zone.implied)


def _told(rule: str, verdict: str, flow: Flow, cause: Cause, distance: int | None) -> Finding:
    about = RULES[rule]
    words = {
        "subject": cause.subject or "this",
        "subject_or_this": cause.subject or "This",
        "source": short(flow.root.node) or "this",
        "event_time": flow.root.event_time or "the event time",
        "known": flow.root.known or flow.root.event_time or "its time",
        "distance": spelled(distance) if distance is not None else "without bound",
        "time": "00:00" if rule == "bucket-start" else "12:00",
        "label_says": "It derives from a label before that label's horizon is over.",
    }
    message = cause.message or about.says.format(**words)
    message = message[:1].upper() + message[1:]
    return Finding(
        rule, verdict, message, about.example.format(**words), about.mend.format(**words), cause.model, cause.span,
        distance, flow.root.node,
    )  # fmt: skip


def _beyond_horizon(finding: Finding, distance: int | None, flow: Flow, ledger: Ledger, target: Target) -> Finding:
    """A label may look ahead, as far as its horizon: past it, it is provably wrong; without a bound, not proved."""
    about = RULES["label-horizon"]
    source = short(flow.root.node) or "its sources"
    exact = not flow.inexact and target.event not in ledger.estimates
    if distance is not None and exact:
        message = f"The label reads rows of {source} of up to {spelled(distance)} after its horizon is over."
        example = f"a label is said to be known {spelled(distance)} before it is"
        return replace(finding, rule=about.id, verdict=UNSAFE, message=message, example=example, mend=about.mend)
    message = f"Nothing bounds {flow.root.known or 'when'} of {source} by the label's event time and horizon."
    mend = "bound it by the event time plus the horizon; or keep a data test that the answer was known by then"
    return replace(
        finding, rule=about.id, verdict=UNPROVEN, message=message, mend=mend,
        example="a label may be known later than its horizon says",
    )  # fmt: skip


def short(node: str) -> str:
    """A node as its author calls it: ``raw.orders``, ``stg_orders``."""
    return node.split(".", 1)[1] if "." in node else node


def column_verdict(name: str, flows: frozenset[int], found: Mapping[int, Finding | None]) -> ColumnVerdict:
    """A column's verdict, of what is found of its flows."""
    return verdict_of(name, [finding for known in sorted(flows) if (finding := found[known]) is not None])


def verdict_of(name: str, found: Sequence[Finding]) -> ColumnVerdict:
    """A column's verdict, of all that speaks against it; what is said twice is said once."""
    findings: dict[tuple[object, ...], Finding] = {}
    for finding in found:
        where = None if finding.rule == "bucket-start" else finding.span  # it is the event time that is wrong
        findings.setdefault((finding.rule, finding.model, where), finding)
    ordered = sorted(findings.values(), key=lambda f: (f.verdict != "unsafe", _VAGUEST.get(f.rule, 0)))
    return ColumnVerdict(name, worst([f.verdict for f in ordered]) if ordered else SAFE, tuple(ordered))


_VAGUEST = {"label-horizon": -1, "dropped-available-at": 1, "slack-bound": 1, "unbounded-join": 2, "untimed": 2}
"""Of several findings the one that says most comes first."""


def without_horizon(finding: Finding) -> Finding:
    """What is found of a label model that does not say its horizon: nothing is provably wrong."""
    message = "The label model has no horizon: nothing says by when its labels are known."
    return replace(finding, verdict="unproven", message=message, mend="declare horizon='…' in the label model")


def without_time(finding: Finding, flow: Flow, model: str, *, immutable: bool) -> Finding:
    """What is found of a model that has no event time: a word on that."""
    source = flow.root.node.split(".", 1)[-1]
    if immutable:
        message = f"The model is declared immutable, and it reads {source}, whose rows become known over time."
        mend = "give it an event_time (and available_at) instead of immutable: true"
        return replace(finding, rule="dropped-available-at", verdict="unsafe", message=message, mend=mend)
    message = f"The model has no event_time, so nothing says from when its rows (of {source}) count."
    mend = "declare event_time, or leave it: models that read it are judged by what is derived here"
    return replace(
        finding, rule="untimed", verdict="unproven", message=message, mend=mend, span=Span(-1, -1), model=model
    )
