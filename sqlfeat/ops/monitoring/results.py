"""What ``monitor`` finds, as one tree of frozen data: everything that a page, a table or an alert needs.

Nothing here computes. Shares are of rows, from 0 to 1; instants are in UTC; periods hold their start and not their end.
A ``level`` is ``ok``, ``warn`` (worth a look) or ``breach`` (past its threshold, and more than chance).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlfeat.ops.monitoring.report import html_of
from sqlfeat.ops.monitoring.report_markdown import markdown_of

OK, WARN, BREACH = "ok", "warn", "breach"
LEVELS = (OK, WARN, BREACH)
_LEAST_BOUND = {"new_categories": 0.2, "range": 0.2, "missing": 0.1}
FEATURE, PREDICTION, LABEL = "feature", "prediction", "label"


def worst(levels: Sequence[str]) -> str:
    """The gravest of these levels."""
    return max(levels, key=LEVELS.index, default=OK)


@dataclass(frozen=True)
class Side:
    """One of the two sets of rows that are compared: what it is in words, its period, and how many rows it has.

    ``kind`` says of a model's current rows whether they are of the ``log``, of a table of ``predictions``, or computed
    from ``features``.
    """

    source: str
    start: datetime | None
    end: datetime | None
    rows: int
    kind: str = ""

    def as_dict(self) -> dict[str, Any]:
        told = {"source": self.source, "start": _text(self.start), "end": _text(self.end), "rows": self.rows}
        return {**told, "kind": self.kind} if self.kind else told


@dataclass(frozen=True)
class Measure:
    """One thing that was measured against its threshold.

    ``value`` is the effect. ``own`` is the greatest that windows of the same length within the baseline show against
    the rest of it: what is not beyond that is no news. ``p_value`` says how likely chance alone gives such a value,
    ``adjusted`` the same with regard to how much was tested; None where nothing is left to chance.
    """

    name: str
    value: float | None
    threshold: float | None
    level: str = OK
    own: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    text: str = ""

    @property
    def weight(self) -> float:
        """How many times its threshold the value is: what findings are ordered by.

        Few rows with something new are worth an alarm, and still less than many that have moved.
        """
        bound = max(self.threshold or 0.0, self.own or 0.0, _LEAST_BOUND.get(self.name, 0.0))
        return abs(self.value or 0.0) / bound if bound else abs(self.value or 0.0)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "threshold": self.threshold,
            "level": self.level,
            "own": self.own,
            "p_value": self.p_value,
            "adjusted": self.adjusted,
            "text": self.text,
        }


@dataclass(frozen=True)
class Summary:
    """A column on one side, in numbers; what its type has not is None. ``mean`` of a text is that of its length."""

    rows: int
    nulls: int
    nans: int
    mean: float | None = None
    deviation: float | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    median: float | None = None

    @property
    def missing(self) -> float | None:
        """The share of rows that have no value, or NaN."""
        return (self.nulls + self.nans) / self.rows if self.rows else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "nulls": self.nulls,
            "nans": self.nans,
            "missing": self.missing,
            "mean": self.mean,
            "deviation": self.deviation,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "median": self.median,
        }


@dataclass(frozen=True)
class Bin:
    """A bar of the two histograms: shares of the rows that have a value.

    A bin of numbers holds ``(low, high]``, None for no bound; one of categories has only its ``label``.
    """

    label: str
    baseline: float
    current: float
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "low": self.low,
            "high": self.high,
            "baseline": self.baseline,
            "current": self.current,
        }


@dataclass(frozen=True)
class Point:
    """A column in one window of time; ``side`` is ``baseline`` or ``current``, ``psi`` is against the baseline."""

    start: datetime
    side: str
    rows: int
    missing: float | None = None
    mean: float | None = None
    psi: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "start": _text(self.start),
            "side": self.side,
            "rows": self.rows,
            "missing": self.missing,
            "mean": self.mean,
            "psi": self.psi,
        }


@dataclass(frozen=True)
class Cause:
    """A column further up that has drifted in the same period, ``steps`` above the one that is explained."""

    column: str
    node: str
    steps: int
    psi: float | None
    missing_change: float
    level: str
    text: str = ""
    first_seen: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "node": self.node,
            "steps": self.steps,
            "psi": self.psi,
            "missing_change": self.missing_change,
            "level": self.level,
            "text": self.text,
            "first_seen": _text(self.first_seen),
        }


@dataclass(frozen=True)
class ColumnResult:
    """One column: both sides, what was measured, how it went day by day, and where it comes from.

    ``statistics`` has ``psi``, ``jensen_shannon`` and, of numbers, ``kolmogorov_smirnov`` and ``wasserstein`` (in
    deviations of the baseline), with ``chi_squared`` and ``design_effect``. ``share`` is how much of the change of the
    raw predictions comes with this input, ``shift`` by how much it moved them on average.
    """

    name: str
    role: str
    type: str
    kind: str
    level: str
    baseline: Summary
    current: Summary
    measures: tuple[Measure, ...]
    statistics: Mapping[str, float | None]
    bins: tuple[Bin, ...]
    timeline: tuple[Point, ...]
    new_categories: tuple[str, ...] = ()
    lost_categories: tuple[str, ...] = ()
    first_seen: datetime | None = None
    causes: tuple[Cause, ...] = ()
    share: float | None = None
    shift: float | None = None

    def measure(self, name: str) -> Measure | None:
        """The measure of this name."""
        return next((one for one in self.measures if one.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "type": self.type,
            "kind": self.kind,
            "level": self.level,
            "baseline": self.baseline.as_dict(),
            "current": self.current.as_dict(),
            "measures": [one.as_dict() for one in self.measures],
            "statistics": dict(self.statistics),
            "bins": [one.as_dict() for one in self.bins],
            "timeline": [one.as_dict() for one in self.timeline],
            "new_categories": list(self.new_categories),
            "lost_categories": list(self.lost_categories),
            "first_seen": _text(self.first_seen),
            "causes": [one.as_dict() for one in self.causes],
            "share": self.share,
            "shift": self.shift,
        }


@dataclass(frozen=True)
class Finding:
    """One thing to tell, gravest first: a sentence, what it is about (a column, or nothing), and since when."""

    level: str
    kind: str
    about: str
    text: str
    weight: float
    first_seen: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "kind": self.kind,
            "about": self.about,
            "text": self.text,
            "weight": self.weight,
            "first_seen": _text(self.first_seen),
        }


@dataclass(frozen=True)
class SliceResult:
    """The rows with one value of a column: how many there are, what drifted among them, how good predictions are."""

    column: str
    value: str | None
    baseline_rows: int
    rows: int
    level: str
    drifted: tuple[Measure, ...] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "value": self.value,
            "baseline_rows": self.baseline_rows,
            "rows": self.rows,
            "level": self.level,
            "drifted": [one.as_dict() for one in self.drifted],
            "metrics": dict(self.metrics),
        }


@dataclass(frozen=True)
class Performance:
    """How good the predictions were, of the rows whose labels are known by now.

    ``labelled`` of ``rows`` have a known label. ``metric`` is what counts: its value then (on ``split``), now, and the
    interval in which it lies with a chance of 95 % (days drawn anew). ``metrics`` and ``baseline`` are all of them,
    ``timeline`` the one that counts, window by window.
    """

    rows: int
    labelled: int
    split: str
    metric: str
    measure: Measure
    low: float | None
    high: float | None
    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    timeline: tuple[tuple[datetime, int, float | None], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "labelled": self.labelled,
            "split": self.split,
            "metric": self.metric,
            "measure": self.measure.as_dict(),
            "low": self.low,
            "high": self.high,
            "metrics": dict(self.metrics),
            "baseline": dict(self.baseline),
            "timeline": [{"start": _text(start), "rows": rows, "value": value} for start, rows, value in self.timeline],
        }


@dataclass(frozen=True)
class Mark:
    """Something that happened, to be shown on a timeline: ``built``, ``trained`` or ``published``."""

    at: datetime
    kind: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        return {"at": _text(self.at), "kind": self.kind, "text": self.text}


@dataclass(frozen=True)
class Monitoring:
    """All that one call of ``monitor`` has found.

    ``kind`` is ``model``, ``training_set`` or ``feature_view``; ``reference`` says which exactly. ``measures`` are
    those of all rows together (volume, freshness, duplicates, schema). ``columns`` are ordered gravest first.
    """

    name: str
    kind: str
    reference: str
    checked_at: datetime
    against: str
    window: str
    baseline: Side
    current: Side
    level: str
    sentence: str
    findings: tuple[Finding, ...]
    measures: tuple[Measure, ...]
    columns: tuple[ColumnResult, ...]
    performance: Performance | None = None
    slices: tuple[SliceResult, ...] = ()
    marks: tuple[Mark, ...] = ()
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def breached(self) -> bool:
        return self.level == BREACH

    def column(self, name: str) -> ColumnResult:
        """The column of this name."""
        return next(one for one in self.columns if one.name == name)

    def html(self) -> str:
        """The report as one HTML file that needs nothing else."""
        return html_of(self)

    def markdown(self) -> str:
        """The report as Markdown, for the comment of a pull request."""
        return markdown_of(self)

    def as_dict(self) -> dict[str, Any]:
        """The result in the shape of ``--json``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "reference": self.reference,
            "checked_at": _text(self.checked_at),
            "against": self.against,
            "window": self.window,
            "baseline": self.baseline.as_dict(),
            "current": self.current.as_dict(),
            "level": self.level,
            "sentence": self.sentence,
            "findings": [one.as_dict() for one in self.findings],
            "measures": [one.as_dict() for one in self.measures],
            "columns": [one.as_dict() for one in self.columns],
            "performance": self.performance.as_dict() if self.performance else None,
            "slices": [one.as_dict() for one in self.slices],
            "marks": [one.as_dict() for one in self.marks],
            "thresholds": dict(self.thresholds),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
