"""What monitoring has found before: two ordinary tables in the target, which any tool can read.

``monitor_runs`` has a row for each time that something was looked at, ``monitor_columns`` one for each column then.
Servers, which cannot read a target, are left the numbers of the last look in a file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from sqlfeat.base.files import canonical_json
from sqlfeat.base.names import literal
from sqlfeat.ops.monitoring.results import BREACH, WARN, ColumnResult, Monitoring
from sqlfeat.ops.session import Session
from sqlfeat.store import looks

RUNS, COLUMNS = "monitor_runs", "monitor_columns"
_INSTANT = pa.timestamp("us", "UTC")
_RUN = pa.schema(
    [
        ("checked_at", _INSTANT), ("name", pa.string()), ("kind", pa.string()), ("reference", pa.string()),
        ("since", _INSTANT), ("until", _INSTANT), ("against", pa.string()), ("rows", pa.int64()),
        ("baseline_rows", pa.int64()), ("level", pa.string()), ("sentence", pa.string()), ("findings", pa.int64()),
        ("metric", pa.string()), ("performance", pa.float64()), ("result", pa.string()),
    ]
)  # fmt: skip
_COLUMN = pa.schema(
    [
        ("checked_at", _INSTANT), ("name", pa.string()), ("since", _INSTANT), ("until", _INSTANT),
        ("column_name", pa.string()), ("role", pa.string()), ("level", pa.string()), ("psi", pa.float64()),
        ("jensen_shannon", pa.float64()), ("kolmogorov_smirnov", pa.float64()), ("wasserstein", pa.float64()),
        ("adjusted", pa.float64()), ("missing", pa.float64()), ("missing_before", pa.float64()),
        ("mean", pa.float64()), ("mean_before", pa.float64()), ("first_seen", _INSTANT),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Remembered:
    """One look at something, as the history has it; ``worst`` is the column that had drifted most, with its PSI."""

    checked_at: datetime
    reference: str
    since: datetime | None
    until: datetime | None
    against: str
    rows: int
    level: str
    sentence: str
    metric: str | None
    performance: float | None
    worst: str | None
    psi: float | None

    def as_dict(self) -> dict[str, Any]:
        """The look in the shape of ``--json``."""
        return {
            "checked_at": self.checked_at.isoformat(),
            "reference": self.reference,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "against": self.against,
            "rows": self.rows,
            "level": self.level,
            "sentence": self.sentence,
            "metric": self.metric,
            "performance": self.performance,
            "worst": self.worst,
            "psi": self.psi,
        }


def remember(session: Session, result: Monitoring) -> None:
    """Keep what was found."""
    at = result.checked_at.astimezone(UTC)
    since, until = result.current.start, result.current.end
    performance = result.performance
    run = {
        "checked_at": at,
        "name": result.name,
        "kind": result.kind,
        "reference": result.reference,
        "since": since,
        "until": until,
        "against": result.against,
        "rows": result.current.rows,
        "baseline_rows": result.baseline.rows,
        "level": result.level,
        "sentence": result.sentence,
        "findings": len(result.findings),
        "metric": performance.metric if performance else None,
        "performance": performance.metrics.get(performance.metric) if performance else None,
        "result": canonical_json(_finite(result.as_dict())),
    }
    columns = [
        {
            "checked_at": at,
            "name": result.name,
            "since": since,
            "until": until,
            "column_name": one.name,
            "role": one.role,
            "level": one.level,
            **{name: one.statistics.get(name) for name in _COLUMN.names if name in one.statistics},
            "adjusted": next((m.adjusted for m in one.measures if m.name == "psi"), None),
            "missing": one.current.missing,
            "missing_before": one.baseline.missing,
            "mean": one.current.mean,
            "mean_before": one.baseline.mean,
            "first_seen": one.first_seen,
        }
        for one in result.columns
    ]
    session.engine.keep_monitored(RUNS, pa.Table.from_pylist([run], schema=_RUN))
    if columns:
        session.engine.keep_monitored(COLUMNS, pa.Table.from_pylist(columns, schema=_COLUMN))
    looks.keep(session.spec.target_path / looks.FOLDER, look_of(result))


def look_of(result: Monitoring) -> looks.Look:
    """What a server tells of a look: how many checks broke, and what has moved."""
    checks = {level: Counter(one.kind for one in result.findings if one.level == level) for level in (BREACH, WARN)}
    silence = next((one.value for one in result.measures if one.name == "freshness" and one.value is not None), None)
    end, performance = result.current.end, result.performance
    value = performance.metrics.get(performance.metric) if performance else None
    most = sorted(result.columns, key=_by_psi)[: looks.MOST_COLUMNS]
    return looks.Look(
        name=result.name,
        kind=result.kind,
        reference=result.reference,
        checked_at=result.checked_at.astimezone(UTC),
        level=result.level,
        rows=result.current.rows,
        newest_row=end - timedelta(seconds=silence) if end is not None and silence is not None else None,
        breaches=dict(checks[BREACH]),
        warnings=dict(checks[WARN]),
        psi={one.name: psi for one in most if (psi := one.statistics.get("psi")) is not None},
        missing={one.name: share for one in most if (share := one.current.missing) is not None},
        performance={performance.metric: value} if performance is not None and value is not None else {},
    )


def _by_psi(one: ColumnResult) -> tuple[float, str]:
    return (-(one.statistics.get("psi") or 0.0), one.name)


def remembered(session: Session, name: str, limit: int | None = None) -> list[Remembered]:
    """What was found of something before, oldest first."""
    runs, columns = session.engine.monitored(RUNS), session.engine.monitored(COLUMNS)
    if runs is None:
        return []
    worst = "select checked_at, name, max(psi) as psi, arg_max(column_name, psi) as worst"
    beside = f"left join ({worst} from {columns} group by all) w using (checked_at, name)" if columns else ""
    more = "worst, psi" if columns else "null::varchar as worst, null::double as psi"
    last = "" if limit is None else f" limit {int(limit)}"
    sql = (
        f"select checked_at, reference, since, until, against, rows, level, sentence, metric, performance, {more} "
        f"from {runs} {beside} where name = {literal(name)} order by checked_at desc{last}"
    )
    return [Remembered(**row) for row in reversed(session.engine.arrow(sql).to_pylist())]


def last_result(session: Session, name: str) -> dict[str, Any] | None:
    """The whole of what was found last of something, as ``--json`` gave it."""
    runs = session.engine.monitored(RUNS)
    if runs is None:
        return None
    sql = f"select result from {runs} where name = {literal(name)} order by checked_at desc limit 1"
    found: Sequence[str] = session.engine.arrow(sql).column(0).to_pylist()
    return None if not found else dict(json.loads(found[0]))


def _finite(value: Any) -> Any:
    """The value with what JSON has no number for as nothing."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and value - value != 0 else value
