"""Look at something: its rows of a period beside its baseline, what has drifted, how good predictions were, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.engine.profile import Profile, in_windows
from sqlfeat.errors import SqlfeatError, UsageError
from sqlfeat.ops.events import notify
from sqlfeat.ops.monitoring import builds, history
from sqlfeat.ops.monitoring.causes import Periods, causes_of
from sqlfeat.ops.monitoring.comparison import Compared, compare
from sqlfeat.ops.monitoring.performance import metrics_of, performance_of, shares_of, shifts_of
from sqlfeat.ops.monitoring.results import (
    BREACH,
    OK,
    PREDICTION,
    ColumnResult,
    Finding,
    Mark,
    Measure,
    Monitoring,
    Performance,
    Side,
    SliceResult,
    worst,
)
from sqlfeat.ops.monitoring.skew import skew_of
from sqlfeat.ops.monitoring.slices import refuse_unknown, slices_by
from sqlfeat.ops.monitoring.subjects import Baseline, Rows, Subject, subject_of, with_current
from sqlfeat.ops.monitoring.variation import LEAST_ROWS, schema_measures
from sqlfeat.ops.monitoring.wording import findings_of, sentence_of_all
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import in_utc
from sqlfeat.spec.monitor import MonitorSpec

BASELINE, PREVIOUS = "baseline", "previous"
MOST_EXPLAINED = 8
"""So many drifted columns are traced up to their causes."""
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class Question:
    """What is asked: a period, what it is compared with, how finely, by which columns; what of a model is current."""

    since: datetime | None = None
    until: datetime | None = None
    against: str = BASELINE
    by: tuple[str, ...] = ()
    window: str | None = None
    explain: bool = True
    remember: bool = True
    current: str | None = None


def monitor(session: Session, reference: str, question: Question) -> Monitoring:
    """Compare a registered model, a training set or a feature view with what it was.

    Raises:
        UsageError: the name, the period or a column cannot be meant.
        RunError: ``no-baseline``, or what its rows are made from failed.
    """
    started = session.clock.monotonic()
    now = session.clock.now().astimezone(UTC)
    subject = subject_of(session, reference, now)
    subject = with_current(subject, question.current, in_utc(question.since), in_utc(question.until))
    result = _Look(subject, question, now).result()
    result = replace(result, seconds=session.clock.monotonic() - started)
    if question.remember:
        history.remember(session, result)
    facts = {"rows": result.current.rows, "columns": len(result.columns)}
    session.listener(Event("step", name="monitor", seconds=result.seconds, facts=facts))
    if result.breached:
        notify(session, "monitor_breached", told_to_hooks(result))
    return result


def told_to_hooks(result: Monitoring) -> dict[str, Any]:
    """What an event hook hears of a breach: all but histograms and timelines."""
    told = {key: value for key, value in result.as_dict().items() if key not in ("columns", "slices", "marks")}
    drifted = [one.name for one in result.columns if one.level == BREACH]
    return {**told, "drifted": drifted}


class _Look:
    """One look under way."""

    def __init__(self, subject: Subject, question: Question, now: datetime) -> None:
        self.subject, self.question, self.now = subject, question, now
        self.session = subject.session
        self.spec: MonitorSpec = subject.spec
        self.window = question.window or self.spec.window
        self.since, self.until = self._period()
        self.notes: list[str] = []

    def result(self) -> Monitoring:
        subject = self.subject
        baseline = self._baseline()
        self._overlaps(baseline)
        with subject.rows(self.since, self.until) as rows:
            self._doubt_names(rows)
            current = self._profile(_but_predictions(rows), baseline.profile.shapes)
            compared = self._compared(baseline, current, rows)
            columns = self._named(compared.columns, rows, baseline.profile)
            measures = [*compared.measures, *self._schema(baseline.profile, current)]
            if not current.rows:
                measures = [Measure("volume", None, None, BREACH, text="There is no row in this period.")]
            measures += self._skew()
            performance = self._performance(baseline, rows)
            slices = self._slices(baseline, rows, performance)
            if worst([one.level for one in columns]) != OK and self.question.explain:
                columns = self._contributed(columns, baseline, rows)
                columns = self._explained(columns, baseline)
        return self._told(baseline, current, columns, measures, performance, slices)

    # -- periods ---------------------------------------------------------------------------------------------------

    def _period(self) -> tuple[datetime, datetime]:
        """From when to when is looked: by default the last days up to the newest row, in whole windows."""
        until, since = in_utc(self.question.until), in_utc(self.question.since)
        if until is None:
            last = self.subject.last() or self.now
            until = _after(last, self.window)
        if since is None:
            since = until - timedelta(microseconds=self.spec.period.microseconds)
        if since >= until:
            what = f"A period must end after it begins: {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}."
            raise UsageError("bad-period", what, hint="--since 2024-05-01 --until 2024-06-01; the end is not in it.")
        return since, until

    def _baseline(self) -> Baseline:
        """What is compared with: what was kept, or the rows of another period."""
        against = self.question.against
        if against == BASELINE:
            found = self.subject.baseline()
            if found is not None:
                return replace(found, profile=in_windows(found.profile, self.window))
            return self._of_period(None, self.since)
        if against == PREVIOUS:
            return self._of_period(self.since - (self.until - self.since), self.since)
        start, end = period_of(against)
        return self._of_period(start, end)

    def _of_period(self, start: datetime | None, end: datetime) -> Baseline:
        with self.subject.rows(start, end) as rows:
            profile = self._profile(rows, None)
            source = f"rows before {end:%Y-%m-%d}" if start is None else f"rows of {start:%Y-%m-%d} to {end:%Y-%m-%d}"
            if not profile.rows:
                what = f"There are no {source} to compare with."
                raise UsageError("empty-period", what, hint="--against PERIOD, as in --against 2024-01-01..2024-02-01.")
            predicted = tuple(one for one in profile.columns if rows.roles.get(one.name) == PREDICTION)
            inputs = tuple(one for one in profile.columns if rows.roles.get(one.name) != PREDICTION)
            predictions = replace(profile, columns=predicted) if predicted else None
            return Baseline(source, replace(profile, columns=inputs), None, predictions)

    def _overlaps(self, baseline: Baseline) -> None:
        ends = [one.end for one in (baseline.profile, baseline.predictions) if one is not None and one.end is not None]
        end = max(ends, default=None)
        if self.question.against == BASELINE and end is not None and self.since <= end:
            self.notes.append("The period reaches into what the model was made from, which hides what has changed.")

    def _doubt_names(self, rows: Rows) -> None:
        """Say which columns the thresholds name that are not there."""
        known = [*rows.roles, *rows.request.keys, *([rows.request.time] if rows.request.time else [])]
        for name in dict.fromkeys((*self.spec.ignore, *self.spec.columns)):
            if name not in known:
                hint = did_you_mean(name, known)
                more = f"; {hint}" if hint else "."
                self.notes.append(f"monitor: names a column {name!r} that is not there{more}")

    # -- comparing -------------------------------------------------------------------------------------------------

    def _profile(self, rows: Rows, shapes: Mapping[str, Any] | None) -> Profile:
        request = replace(rows.request, window=self.window, shapes=shapes or {})
        return self.session.engine.profile(rows.source, request)

    def _compared(self, baseline: Baseline, current: Profile, rows: Rows) -> Compared:
        found = compare(baseline.profile, current, self.spec, rows.roles, until=self.until)
        untold = rows.untold if self.question.against == BASELINE else ()
        found = replace(found, measures=tuple(one for one in found.measures if one.name not in untold))
        if baseline.predictions is None:
            return found
        predicted = self._profile(_only(rows, PREDICTION), baseline.predictions.shapes)
        before = in_windows(baseline.predictions, self.window)
        own = compare(before, predicted, self.spec, rows.roles, whole=False)
        return Compared((*found.columns, *own.columns), found.measures)

    def _skew(self) -> list[Measure]:
        """Whether what was served in the period is what the tables say."""
        subject = self.subject
        asked = {subject.name} if subject.version is None else {subject.reference, subject.model.name}
        try:
            found = skew_of(self.session, asked, self.since)
        except SqlfeatError as error:
            self.notes.append(f"What was served could not be compared: {error.what}")
            return []
        return [found] if found is not None else []

    def _schema(self, baseline: Profile, current: Profile) -> list[Measure]:
        return [one for one in schema_measures(baseline, current) if not _names(one, self.spec.ignore)]

    def _named(self, columns: Sequence[ColumnResult], rows: Rows, baseline: Profile) -> list[ColumnResult]:
        """The columns in their order, with the names of categories that were not there before."""
        found = []
        for one in sorted(columns, key=_order):
            measure = one.measure("new_categories")
            if measure is not None and measure.value:
                shape = baseline.shapes[one.name]
                names = self.session.engine.values_beyond(rows.source, rows.request, shape, 5)
                found.append(replace(one, new_categories=tuple(names), measures=_with_names(one.measures, names)))
            else:
                found.append(one)
        return found

    # -- what is beside --------------------------------------------------------------------------------------------

    def _performance(self, baseline: Baseline, rows: Rows) -> Performance | None:
        version, label = self.subject.version, self._label
        if version is None or label is None or rows.file is None:
            return None
        split = baseline.split or next((name for name in ("test", "validation") if name in version.metrics), "train")
        found = performance_of(version, rows, label, split, self.spec, self.window)
        if found is None:
            self.notes.append(f"Fewer than {LEAST_ROWS} labels are known, so nothing is said of how good it is.")
        return found

    @property
    def _label(self) -> str | None:
        plan = self.subject.model.training_set
        return next(iter(plan.named("label")), None) if plan else None

    def _slices(self, baseline: Baseline, rows: Rows, performance: Performance | None) -> list[SliceResult]:
        by = self.question.by or self.spec.by
        if not by:
            return []
        for column in by:
            refuse_unknown(column, rows)
        if baseline.rows is None and self.question.against == BASELINE and self.subject.kind != "feature_view":
            raise UsageError(
                "no-baseline",
                "The rows of the baseline are not kept any more, so it cannot be cut into slices.",
                hint="--against previous, or leave out --by.",
            )
        version, label = self.subject.version, self._label
        found: list[SliceResult] = []
        with self._rows_before(baseline) as before:
            for column in by:
                metrics: Mapping[Any, Any] = {}
                if performance is not None and version is not None and label is not None:
                    metrics = metrics_of(version, rows, label, self.window, column)
                count = partial(self._count_before, before)
                found += slices_by(self.session, column, rows, self.spec, self._profile, count, metrics)
        return found

    def _count_before(self, before: Rows, condition: str) -> Profile:
        return self._profile(before.where(condition), None)

    @contextmanager
    def _rows_before(self, baseline: Baseline) -> Iterator[Rows]:
        """The rows of the baseline: those that are kept, or those of its period."""
        if baseline.rows is not None:
            yield baseline.rows
            return
        with self.subject.rows(*self._baseline_period()) as rows:
            yield rows

    def _baseline_period(self) -> tuple[datetime | None, datetime]:
        against = self.question.against
        if against == BASELINE:
            return None, self.since
        return (self.since - (self.until - self.since), self.since) if against == PREVIOUS else period_of(against)

    # -- why -------------------------------------------------------------------------------------------------------

    def _contributed(self, columns: list[ColumnResult], baseline: Baseline, rows: Rows) -> list[ColumnResult]:
        """The inputs with their part in what has moved the predictions."""
        before = baseline.rows.file if baseline.rows else None
        if self.subject.version is None or before is None or rows.file is None:
            return columns
        shifts = shifts_of(self.subject.version, before, rows.file)
        shares = shares_of(shifts)
        return [replace(one, share=shares.get(one.name), shift=shifts.get(one.name)) for one in columns]

    def _explained(self, columns: list[ColumnResult], baseline: Baseline) -> list[ColumnResult]:
        drifted = [one.name for one in columns if one.level != OK and one.role != PREDICTION][:MOST_EXPLAINED]
        if not drifted:
            return columns
        profile = baseline.profile
        end = profile.end + timedelta(microseconds=1) if profile.end else None
        periods = Periods((profile.start, end), (self.since, self.until))
        try:
            causes = causes_of(self.session, self.subject.model.id, drifted, periods, self.spec)
        except SqlfeatError as error:
            self.notes.append(f"What it comes from could not be looked at: {error.what}")
            return columns
        return [replace(one, causes=causes.get(one.name, ())) for one in columns]

    def _marks(self) -> list[Mark]:
        """When what is looked at was made."""
        found = [
            Mark(record.built_at.astimezone(UTC), "built", record.node.split(".", 1)[1])
            for node, record in self.session.engine.records().items()
            if node == self.subject.model.id or node in self.session.manifest.graph.ancestors([self.subject.model.id])
        ]
        for one in builds.kept(self.session, self.subject.name):
            found.append(Mark(one.at.astimezone(UTC), one.kind, self.subject.name))
        if self.subject.version is not None:
            found.append(Mark(self.subject.version.created_at.astimezone(UTC), "trained", self.subject.reference))
        return sorted(set(found), key=lambda one: (one.at, one.text))

    # -- in the end ------------------------------------------------------------------------------------------------

    def _told(
        self,
        baseline: Baseline,
        current: Profile,
        columns: Sequence[ColumnResult],
        measures: Sequence[Measure],
        performance: Performance | None,
        slices: Sequence[SliceResult],
    ) -> Monitoring:
        subject = self.subject
        findings = findings_of(columns, measures)
        if performance is not None and performance.measure.level != OK:
            one = performance.measure
            findings = [Finding(one.level, one.name, "", one.text, one.weight), *findings]
            findings.sort(key=lambda finding: -(OK, "warn", BREACH).index(finding.level))
        level = worst([one.level for one in findings])
        period = baseline.profile
        return Monitoring(
            name=subject.name,
            kind=subject.kind,
            reference=subject.reference,
            checked_at=self.now,
            against=self.question.against,
            window=self.window,
            baseline=Side(baseline.source, period.start, period.end, period.rows),
            current=Side(subject.current_told, self.since, self.until, current.rows, subject.current),
            level=level,
            sentence=sentence_of_all(subject.reference, columns, findings),
            findings=tuple(findings),
            measures=tuple(measures),
            columns=tuple(columns),
            performance=performance,
            slices=tuple(slices),
            marks=tuple(self._marks()),
            thresholds=self.spec.as_dict(),
            notes=tuple(dict.fromkeys([*subject.notes, *self.notes])),
        )


def period_of(text: str) -> tuple[datetime, datetime]:
    """What ``2024-01-01..2024-02-01`` means; the end is not in it."""
    first, dots, last = text.partition("..")
    try:
        start, end = in_utc(datetime.fromisoformat(first)), in_utc(datetime.fromisoformat(last))
    except ValueError:
        start = end = None
    if not dots or start is None or end is None or start >= end:
        raise UsageError(
            "bad-period",
            f"{text!r} is nothing to compare with.",
            hint="--against baseline, --against previous, or a period: --against 2024-01-01..2024-02-01.",
        )
    return start, end


def _after(last: datetime, window: str) -> datetime:
    """The end of the window in which the last row is."""
    day = last.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "hour":
        return last.replace(minute=0, second=0, microsecond=0) + _LENGTHS["hour"]
    return day + _LENGTHS["day"]


def _only(rows: Rows, role: str) -> Rows:
    kept = tuple(one for one in rows.request.columns if rows.roles.get(one[0]) == role)
    return replace(rows, request=replace(rows.request, columns=kept, duplicates=False))


def _but_predictions(rows: Rows) -> Rows:
    kept = tuple(one for one in rows.request.columns if rows.roles.get(one[0]) != PREDICTION)
    some = rows.where(rows.inputs_where)
    return replace(some, request=replace(some.request, columns=kept))


def _order(one: ColumnResult) -> tuple[int, float, str]:
    weight = max((measure.weight for measure in one.measures if measure.level == one.level), default=0.0)
    return (-(OK, "warn", BREACH).index(one.level), -weight, one.name)


def _names(measure: Measure, ignored: Sequence[str]) -> bool:
    return any(f"column {name} " in measure.text for name in ignored)


def _with_names(measures: Sequence[Measure], names: Sequence[str]) -> tuple[Measure, ...]:
    listed = ", ".join(names)
    return tuple(
        replace(one, text=one.text.removesuffix(".") + f": {listed}.")
        if one.name == "new_categories" and one.text and names
        else one
        for one in measures
    )
