"""What a version really predicted: rows of the serving log, and of tables and files that batch scoring has written.

The log has features and predictions as they were served; a table has predictions, beside which the features are put
that the definition gives for its rows. Labels come from the label rows of the same keys that are nearest in time, no
farther than their horizon, once they are known: so a prediction that was made when its label was known already, or of
something else, has none. Knows rows and files, not what is found in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlfeat.base.names import did_you_mean, literal, quote
from sqlfeat.compiler.manifest import TrainingSetPlan
from sqlfeat.errors import UsageError
from sqlfeat.ops.monitoring.predicted_files import PredictedFiles, files_of, means_files
from sqlfeat.ops.predictions import PREDICTED_AT
from sqlfeat.ops.session import Session
from sqlfeat.spec.duration import Duration
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.serving_log import LogFile, log_files
from sqlfeat.store.signature import PROBABILITIES

LOG, PREDICTIONS, FEATURES = "log", "predictions", "features"
CURRENT = (LOG, PREDICTIONS, FEATURES)
LEAST_PREDICTED = 30
"""With fewer predictions in a period it is as if there were none, unless they are asked for."""
FOUND = "__sqlfeat_found"
"""The column that says whether a prediction is of a row that the definition gives."""
_INSTANT = pa.timestamp("us", "UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Predicted(Protocol):
    """Predictions of one version that were really made."""

    @property
    def kind(self) -> str:
        """``log`` or ``predictions``."""
        ...

    @property
    def told(self) -> str:
        """What they are, in words."""
        ...

    def last(self) -> datetime | None:
        """The as-of time of the newest one."""
        ...

    def count(self, start: datetime | None, end: datetime | None) -> int:
        """How many there are in a period."""
        ...

    def write(self, file: Path, start: datetime | None, end: datetime | None) -> Sequence[str]:
        """Write those of a period as Parquet: keys, as-of time, predictions; which inputs are beside them."""
        ...


def prediction_names(version: ModelVersion) -> tuple[str, ...]:
    """The columns of a version's predictions that are watched: a number, or the probability of each class."""
    output = version.signature.output
    if output.kind != PROBABILITIES:
        return ("prediction",)
    return tuple(f"probability_{one}" for one in output.classes or ())


def chosen(
    session: Session,
    version: ModelVersion,
    plan: TrainingSetPlan,
    current: str | None,
    start: datetime | None,
    end: datetime | None,
) -> Predicted | None:
    """What was really predicted, as ``current`` says; None for what the version gives for the definition's rows.

    Unless it says, that is the log, else the newest table of predictions: the first that has enough in the period. It
    may name a table, a file, or a folder of files.

    Raises:
        UsageError: ``bad-current`` where there is nothing of what is asked for.
    """
    if current is None:
        for look in (logged, scored):
            found = look(session, version, plan)
            if found is not None and found.count(start, end) >= LEAST_PREDICTED:
                return found
        return None
    if current == FEATURES:
        return None
    if current not in (*CURRENT, *session.engine.prediction_tables()) and means_files(current):
        return filed(version, plan, Path(current))
    table = None if current in CURRENT else current
    found = logged(session, version, plan) if current == LOG else scored(session, version, plan, table)
    if found is None:
        raise _nothing_predicted(session, version, current)
    return found


def _nothing_predicted(session: Session, version: ModelVersion, current: str) -> UsageError:
    if current != LOG:
        where = "The target" if current == PREDICTIONS else f"The table {current}"
        what = f"{where} has no predictions of {version.reference}."
        hint = f"sqlfeat predict {version.name} --table NAME"
    elif session.spec.serving_log is None:
        what, hint = "The project keeps no log of what it serves.", "serve: {log: FOLDER} in sqlfeat_project.yml."
    else:
        what, hint = f"The log has nothing of {version.reference}.", f"--current {FEATURES}, or another version."
    return UsageError("bad-current", what, hint=hint)


def logged(session: Session, version: ModelVersion, plan: TrainingSetPlan) -> Predicted | None:
    """What the project's serving log has of a version; None where it has nothing."""
    log = session.spec.serving_log
    folder = log.path / version.training_set["name"] if log is not None else None
    if folder is None or not folder.is_dir():
        return None
    files = [
        one
        for one in log_files(folder)
        if one.about.get("model") == version.name and one.about.get("version") == version.version
    ]
    return _Logged(version, plan, [_LogPart.of(one) for one in files]) if files else None


def filed(version: ModelVersion, plan: TrainingSetPlan, place: Path) -> Predicted:
    """What a file, or a folder of files, has of a version.

    Raises:
        UsageError: ``bad-current`` where there is nothing.
    """
    found = PredictedFiles(version, plan, prediction_names(version), place, files_of(place), PREDICTIONS)
    if found.last() is None:
        what = f"{place} has no predictions of {version.reference}."
        raise UsageError("bad-current", what, hint=f"sqlfeat predict {version.reference} --out FILE.parquet")
    return found


def scored(session: Session, version: ModelVersion, plan: TrainingSetPlan, name: str | None = None) -> Predicted | None:
    """The table of a version's predictions, of several the one that was written last; None where there is none.

    Raises:
        UsageError: ``bad-current`` where a table is named that is none of predictions.
    """
    known = session.engine.prediction_tables()
    if name is not None and name not in known:
        what = f"{name!r} is no table of predictions, no file, and neither {', '.join(CURRENT[:-1])} nor {CURRENT[-1]}."
        hint = did_you_mean(name, [*known, *CURRENT]) or "sqlfeat predict NAME --table TABLE writes one."
        raise UsageError("bad-current", what, hint=hint)
    needed = {*plan.named("key"), plan.as_of, *prediction_names(version), "model", "version", PREDICTED_AT}
    found = []
    for table in known if name is None else [name]:
        there = session.engine.predictions(table)
        assert there is not None
        if not needed <= set(session.engine.arrow(f"from {there} limit 0").column_names):
            continue
        own = f"model = {literal(version.name)} and version = {version.version}"
        written = session.engine.arrow(f"select epoch_us(max({PREDICTED_AT})) from {there} where {own}").column(0)[0]
        if written.is_valid:
            found.append((written.as_py(), table, there))
    return _Scored(session, version, plan, *max(found)[1:]) if found else None


# -- the log -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _LogPart:
    """A file of the log, between which instants its rows lie, and how many it has."""

    file: LogFile
    first: datetime | None
    last: datetime | None
    rows: int

    @classmethod
    def of(cls, file: LogFile) -> _LogPart:
        footer = pq.read_metadata(file.path)
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        columns = [group.column(place) for group in groups for place in range(group.num_columns)]
        known = [one.statistics for one in columns if one.path_in_schema == "at"]
        first, last = min((one.min for one in known), default=None), max((one.max for one in known), default=None)
        return cls(file, first, last, footer.num_rows)

    def lies_within(self, start: datetime | None, end: datetime | None) -> bool | None:
        """Whether all of its rows are in a period; None where some of them may be."""
        if self.first is None or self.last is None:
            return False
        if (start is not None and self.last < start) or (end is not None and self.first >= end):
            return False
        return True if (start is None or self.first >= start) and (end is None or self.last < end) else None


class _Logged:
    """Rows of the log: features and predictions as they were served."""

    kind = LOG

    def __init__(self, version: ModelVersion, plan: TrainingSetPlan, parts: Sequence[_LogPart]) -> None:
        self._version, self._plan, self._parts = version, plan, parts

    @property
    def told(self) -> str:
        return f"what {self._version.reference} served (log)"

    def last(self) -> datetime | None:
        return max((one.last for one in self._parts if one.last is not None), default=None)

    def count(self, start: datetime | None, end: datetime | None) -> int:
        total = 0
        for part in self._parts:
            inside = part.lies_within(start, end)
            if inside is None:
                times = pq.ParquetFile(part.file.path).read(columns=["at"])
                total += int(pc.sum(_within(times["at"], start, end)).as_py() or 0)
            else:
                total += part.rows if inside else 0
        return total

    def write(self, file: Path, start: datetime | None, end: datetime | None) -> Sequence[str]:
        inputs = [one.name for one in self._version.signature.inputs]
        schema, writer = None, None
        try:
            for table in self._tables(start, end, inputs):
                if writer is None:
                    schema, writer = table.schema, pq.ParquetWriter(file, table.schema)
                writer.write_table(table.cast(schema))
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            pq.write_table(next(self._tables(None, None, inputs)).slice(0, 0), file)
        return inputs

    def _tables(self, start: datetime | None, end: datetime | None, inputs: Sequence[str]) -> Iterator[pa.Table]:
        for part in self._parts:
            if part.lies_within(start, end) is not False:
                table = part.file.read()
                yield self._told(table.filter(_within(table["at"], start, end)), inputs)

    def _told(self, table: pa.Table, inputs: Sequence[str]) -> pa.Table:
        nothing = pa.nulls(table.num_rows, pa.string())
        features, asked, keys = (_fields(table, name) for name in ("features", "request", "keys"))
        columns: dict[str, Any] = {}
        for name in self._plan.named("key"):
            columns[name] = keys.get(name, features.get(name, asked.get(name, nothing)))
        columns[self._plan.as_of] = table["at"].cast(_INSTANT)
        columns |= {name: features.get(name, nothing) for name in inputs if name not in columns}
        for name in prediction_names(self._version):
            columns[name] = (
                table["prediction"]
                if name == "prediction"
                else pc.map_lookup(table["probabilities"], name.removeprefix("probability_"), "first")
            )
        return pa.table(columns)


def _fields(table: pa.Table, name: str) -> dict[str, Any]:
    if name not in table.column_names:
        return {}
    column = table[name].combine_chunks()
    return dict(zip([field.name for field in column.type], column.flatten(), strict=True))


def _within(times: pa.ChunkedArray, start: datetime | None, end: datetime | None) -> Any:
    """Which instants are in a period."""
    inside = pc.is_valid(times)
    if start is not None:
        inside = pc.and_(inside, pc.greater_equal(times, pa.scalar(start, _INSTANT)))
    return inside if end is None else pc.and_(inside, pc.less(times, pa.scalar(end, _INSTANT)))


# -- tables ------------------------------------------------------------------------------------------------------------


class _Scored:
    """Rows of a table of predictions."""

    kind = PREDICTIONS

    def __init__(
        self, session: Session, version: ModelVersion, plan: TrainingSetPlan, name: str, relation: str
    ) -> None:
        self._session, self._version, self._plan = session, version, plan
        self._name, self._relation = name, relation
        self._time = f"cast({quote(plan.as_of)} as timestamptz)"

    @property
    def told(self) -> str:
        return f"what {self._version.reference} predicted (table {self._name})"

    def last(self) -> datetime | None:
        found = self._ask(f"select epoch_us(max({self._time})) from {self._rows(None, None)}")
        return None if found is None else _EPOCH + timedelta(microseconds=found)

    def count(self, start: datetime | None, end: datetime | None) -> int:
        return int(self._ask(f"select count(*) from {self._rows(start, end)}"))

    def write(self, file: Path, start: datetime | None, end: datetime | None) -> Sequence[str]:
        names = [*self._plan.named("key"), self._plan.as_of]
        items = [quote(name) for name in names]
        items += [f"cast({quote(name)} as double) as {quote(name)}" for name in prediction_names(self._version)]
        copy_rows(self._session, f"select {', '.join(items)} from {self._rows(start, end)}", file)
        return []

    def _rows(self, start: datetime | None, end: datetime | None) -> str:
        bounds = [f"model = {literal(self._version.name)}", f"version = {self._version.version}"]
        bounds += [f"{self._time} >= timestamptz {literal(start.isoformat())}"] if start else []
        bounds += [f"{self._time} < timestamptz {literal(end.isoformat())}"] if end else []
        return f"(select * from {self._relation} where {' and '.join(bounds)})"

    def _ask(self, sql: str) -> Any:
        return self._session.engine.arrow(sql).column(0)[0].as_py()


# -- with what the definition gives ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Completed:
    """Predictions with what the definition gives for them: how many there are, and how many of them it has rows for."""

    rows: int
    found: int


def complete(
    session: Session,
    plan: TrainingSetPlan,
    made: Path,
    given: Path,
    inputs: Sequence[str],
    into: Path,
    *,
    horizon: Duration | None,
    known_at: datetime | None,
) -> Completed:
    """Put labels beside predictions, and the ``inputs`` that they have not.

    ``made`` are predictions, ``given`` the definition's rows of the same time and a horizon more; labels that were not
    known at ``known_at`` are null. Inputs are those of the row of the same keys and as-of time.
    """
    keys, label = [quote(name) for name in plan.named("key")], next(iter(plan.named("label")), None)
    span = horizon.sql() if horizon else "interval 0 seconds"
    moment = f"cast({quote(plan.as_of)} as timestamptz)"
    known = f"{moment} + {span} <= timestamptz {literal(known_at.isoformat())}" if known_at else "true"
    told = f"case when {known} then {quote(label)} end" if label else "null"
    same = " and ".join(f"p.{key} = g.{key}" for key in keys)
    order = [quote(plan.as_of), *keys, *(quote(one) for one in pq.read_schema(made).names)]
    rows = f"read_parquet({literal(str(given))})"
    items = [f"min({told}) as __label", *(f"min({quote(one)}) as {quote(one)}" for one in inputs)]
    sql = f"""
        with p as (select *, {moment} as __at from read_parquet({literal(str(made))})),
        g as (select {", ".join(keys)}, {moment} as __at, {", ".join(items)} from {rows} group by all),
        sides as (
            select p.*, b.__at as __before, b.__label as __label_before, a.__at as __after, a.__label as __label_after
                {"".join(f", case when b.__at = p.__at then b.{quote(one)} end as {quote(one)}" for one in inputs)}
            from p
            asof left join g b on {same.replace("g.", "b.")} and p.__at >= b.__at
            asof left join g a on {same.replace("g.", "a.")} and p.__at < a.__at
        ),
        near as (
            select *,
                __before is not null and (__before = __at or __at < __before + {span}) as __early,
                __after is not null and __after <= __at + {span} as __late
            from sides
        )
        select * exclude (__at, __before, __label_before, __after, __label_after, __early, __late),
            coalesce(__before = __at, false) as {FOUND}
            {
        f''', case
                when __early and (not __late or __at - __before <= __after - __at) then __label_before
                when __late then __label_after
            end as {quote(label)}'''
        if label
        else ""
    }
        from near order by {", ".join(order)}
    """
    copy_rows(session, sql, into)
    row = session.engine.arrow(f"select count(*), count(*) filter ({FOUND}) from read_parquet({literal(str(into))})")
    return Completed(int(row.column(0)[0].as_py()), int(row.column(1)[0].as_py()))


def copy_rows(session: Session, sql: str, file: Path) -> None:
    """Write the rows of a query to a Parquet file."""
    session.engine.arrow(f"copy ({sql}) to {literal(str(file))} (format parquet)")
