"""Where a drift comes from: the columns that a feature is made of, each held against itself in the same two periods.

The lineage is walked up to the sources; a column further up that has drifted itself is a cause, and the one that has
drifted most comes first. Relations without an event time have no periods and are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.lineage import Lineage
from sqlfeat.compiler.rewriting import ref_token, source_token
from sqlfeat.engine.profile import CATEGORICAL, ProfileRequest
from sqlfeat.ops.monitoring.comparison import compare
from sqlfeat.ops.monitoring.results import OK, WARN, Cause, ColumnResult
from sqlfeat.ops.session import Session
from sqlfeat.spec.monitor import MonitorSpec

MOST_NODES = 16
MOST_CAUSES = 5
_RELATIONS = ("view", "table", "incremental", "feature_view")


@dataclass(frozen=True)
class Periods:
    """The two periods that are compared."""

    baseline: tuple[datetime | None, datetime | None]
    current: tuple[datetime | None, datetime | None]


def causes_of(
    session: Session, node: str, columns: Sequence[str], periods: Periods, spec: MonitorSpec
) -> dict[str, tuple[Cause, ...]]:
    """For columns of a node, what has drifted further up, worst first."""
    walk = _Walk(Lineage(session.manifest))
    above = {name: walk.above(node, name) for name in columns}
    wanted: dict[str, list[str]] = {}
    for found in above.values():
        for owner, column in found:
            if column not in wanted.setdefault(owner, []):
                wanted[owner].append(column)
    drifted: dict[tuple[str, str], ColumnResult] = {}
    for owner in list(wanted)[:MOST_NODES]:
        for result in _compared(session, owner, wanted[owner], periods, spec):
            drifted[owner, result.name] = result
    return {name: _ranked(found, drifted) for name, found in above.items()}


class _Walk:
    """The way up from a column: every column that it is made of (or, of a count, that decides what counts)."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage

    def above(self, node: str, column: str) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        edge = [(node, column)]
        steps = 0
        while edge:
            steps += 1
            following = []
            for owner, name in edge:
                own = self._lineage.columns(owner).get(name)
                parents = own.parents if own is not None else ()
                direct = [parent for parent in parents if parent.via == "direct"]
                for parent in direct or parents:
                    key = (parent.node, parent.column)
                    if key not in found:
                        found[key] = steps
                        following.append(key)
            edge = following
        return found


def _compared(
    session: Session, node: str, columns: Sequence[str], periods: Periods, spec: MonitorSpec
) -> tuple[ColumnResult, ...]:
    """How the columns of a node have drifted; nothing where it has no time, or cannot be read."""
    manifest = session.manifest
    time, token = None, ""
    if node.startswith("source."):
        table = manifest.sources[node]
        facts = manifest.source_time.get(node)
        time, token = facts.event_time if facts else None, source_token(table.source, table.name)
    elif node.startswith("model."):
        model = manifest.models[node.removeprefix("model.")]
        if model.materialized in _RELATIONS and model.window_view is None:
            time, token = model.time.event_time, ref_token(model.name)
    if time is None:
        return ()
    types = {one.name: one.type for one in manifest.columns.get(node, ())}
    if node.startswith("model."):
        types |= {one.name: one.type for one in manifest.models[node.removeprefix("model.")].columns}
    listed = tuple((name, types[name]) for name in columns if name in types and name != time)
    if not listed:
        return ()
    before = session.engine.profile(token, ProfileRequest(listed, time, where=_within(time, periods.baseline)))
    request = ProfileRequest(listed, time, where=_within(time, periods.current), shapes=before.shapes)
    now = session.engine.profile(token, request)
    told = [one for one in before.columns if one.shape.kind != CATEGORICAL or one.shape.complete]  # ids cause nothing
    return compare(replace(before, columns=tuple(told)), now, spec, whole=False).columns


def _within(time: str, period: tuple[datetime | None, datetime | None]) -> str:
    moment = f"cast({quote(time)} as timestamptz)"
    start, end = period
    bounds = [f"{moment} >= timestamptz {literal(start.isoformat())}"] if start else []
    bounds += [f"{moment} < timestamptz {literal(end.isoformat())}"] if end else []
    return " and ".join(bounds) or "true"


def _ranked(above: Mapping[tuple[str, str], int], drifted: Mapping[tuple[str, str], ColumnResult]) -> tuple[Cause, ...]:
    found = [_cause(drifted[key], key, steps) for key, steps in above.items() if key in drifted]
    moved = [one for one in found if one.level != OK]
    moved.sort(key=lambda one: (one.level == WARN, -max(one.psi or 0.0, one.missing_change), one.steps, one.column))
    return tuple(moved[:MOST_CAUSES])


def _cause(result: ColumnResult, key: tuple[str, str], steps: int) -> Cause:
    psi, missing = result.measure("psi"), result.measure("missing")
    grave = next((one.text for one in result.measures if one.level == result.level and one.text), "")
    return Cause(
        column=result.name,
        node=key[0].split(".", 1)[1],
        steps=steps,
        psi=psi.value if psi else None,
        missing_change=(missing.value or 0.0) if missing else 0.0,
        level=result.level,
        text=grave,
        first_seen=result.first_seen,
    )
