"""The rows with each value of a column, looked at one by one: what has drifted, how good predictions were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlfeat.base.names import did_you_mean, literal, quote
from sqlfeat.engine.profile import Profile
from sqlfeat.errors import UsageError
from sqlfeat.ops.monitoring.comparison import compare
from sqlfeat.ops.monitoring.results import LEVELS, OK, SliceResult
from sqlfeat.ops.monitoring.subjects import Rows
from sqlfeat.ops.monitoring.variation import LEAST_ROWS
from sqlfeat.ops.session import Session
from sqlfeat.spec.monitor import MonitorSpec

MOST_SLICES = 12
Counted = Callable[[Rows, Mapping[str, Any]], Profile]
Baseline = Callable[[str], Profile]


def slices_by(
    session: Session,
    column: str,
    rows: Rows,
    spec: MonitorSpec,
    count: Counted,
    baseline: Baseline,
    metrics: Mapping[str | None, Mapping[str, float | None]],
) -> list[SliceResult]:
    """The most frequent values of a column.

    ``count`` makes a profile of rows in given bins, ``baseline`` one of the baseline's rows of which a condition holds.
    """
    found = []
    values = _values(session, column, rows)
    spec = replace(spec, chance=spec.chance / max(len(values), 1))  # each of them is looked at
    for value, number in values:
        condition = f"cast({quote(column)} as varchar) {'is null' if value is None else f'= {literal(value)}'}"
        before = baseline(condition) if number >= LEAST_ROWS else None
        if before is None or before.rows < LEAST_ROWS:
            continue
        now = count(_without(rows.where(condition), column), before.shapes)
        compared = compare(before, now, spec, rows.roles, whole=False)
        drifted = tuple(
            measure
            for one in compared.columns
            for measure in one.measures
            if measure.level != OK and measure.text  # the others say what one of these says
        )
        found.append(SliceResult(column, value, before.rows, now.rows, compared.level, drifted, metrics.get(value, {})))
    return sorted(found, key=lambda one: (-LEVELS.index(one.level), -one.rows))


def refuse_unknown(column: str, rows: Rows) -> None:
    """Raise :class:`UsageError` for a column that the rows have not."""
    known = [name for name, _ in rows.request.columns]
    if column not in known:
        what = f"There is no column {column!r} to look at."
        raise UsageError("unknown-column", what, hint=did_you_mean(column, known))


def _values(session: Session, column: str, rows: Rows) -> list[tuple[str | None, int]]:
    sql = (
        f"select cast({quote(column)} as varchar) as value, count(*) as n from {rows.source} "
        f"where {rows.request.where} group by 1 order by n desc, value limit {MOST_SLICES}"
    )
    return [(row["value"], row["n"]) for row in session.engine.arrow(sql).to_pylist()]


def _without(rows: Rows, column: str) -> Rows:
    kept = tuple(one for one in rows.request.columns if one[0] != column)
    return replace(rows, request=replace(rows.request, columns=kept, duplicates=False))
