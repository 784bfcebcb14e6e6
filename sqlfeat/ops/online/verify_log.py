"""Whether what was served is what the offline side says: every logged row is computed again, and compared bit for bit.

A row is asked offline at its own instant, on today's tables, by the definition that it was answered by; the prediction
is made again from the values that were logged. What differs is explained (``causes``). Nothing is written.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.base import RowsRequest
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import SqlfeatError, UsageError
from sqlfeat.ops.definition import feature_fingerprints
from sqlfeat.ops.features import features
from sqlfeat.ops.online.agreement import same
from sqlfeat.ops.online.causes import EXPLAINED, MISMATCH, Cause, Explainer, changed_outputs, changed_view, plan_of_view
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.request import RequestPlan, plan_of
from sqlfeat.ops.online.scoring import Scorer
from sqlfeat.ops.online.serving import model_fitted_on
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import make_upstream
from sqlfeat.ops.transforms import to_assemble, with_parameters
from sqlfeat.store import registry
from sqlfeat.store.plain_values import from_arrow, to_json
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.serving_log import LogFile, fits_parquet, is_sampled, log_files

SHOWN = 20
"""So many differences are told of one by one."""
EXAMINED = 200
"""Differing rows of one subject that are looked into one by one."""
_AS_OF = "__sqlfeat_as_of"
_CLOSE = 1e-9
"""Predictions of one row and of many may be added up in another order."""


@dataclass(frozen=True)
class LoggedDifference:
    """A cell that was served otherwise than the offline side has it, and why."""

    subject: str
    request_id: str
    row: int
    column: str
    keys: Mapping[str, Any]
    at: str
    snapshot: int
    served: str
    offline: str
    cause: str
    why: str


@dataclass
class LogVerdict:
    """What became of the rows of a training set, a model or a view: ``causes`` counts the cells that differ."""

    subject: str
    rows: int = 0
    cells: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    not_compared: int = 0
    reason: str = ""

    @property
    def differing(self) -> int:
        return sum(self.causes.values())

    @property
    def unexplained(self) -> int:
        return sum(count for cause, count in self.causes.items() if cause not in EXPLAINED)

    def as_dict(self) -> dict[str, Any]:
        told = {"differing": self.differing, "unexplained": self.unexplained, "causes": dict(self.causes)}
        return {
            "subject": self.subject,
            "rows": self.rows,
            "cells": self.cells,
            **told,
            "not_compared": self.not_compared,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class LogVerification:
    """Every logged row beside its like: the verdict of each subject, and the differences, the unexplained first."""

    log: Path
    verdicts: tuple[LogVerdict, ...]
    differences: tuple[LoggedDifference, ...]
    seconds: float

    @property
    def unexplained(self) -> int:
        return sum(verdict.unexplained for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """The verification in the shape of ``--json``."""
        return {
            "log": str(self.log),
            "subjects": [verdict.as_dict() for verdict in self.verdicts],
            "rows": sum(verdict.rows for verdict in self.verdicts),
            "cells": sum(verdict.cells for verdict in self.verdicts),
            "differing": sum(verdict.differing for verdict in self.verdicts),
            "unexplained": self.unexplained,
            "differences": [asdict(difference) for difference in self.differences],
            "seconds": round(self.seconds, 3),
        }


def verify_log(
    session: Session,
    *,
    log: Path | None = None,
    since: datetime | None = None,
    sample: float | None = None,
    shown: int = SHOWN,
) -> LogVerification:
    """Compare what is logged, from ``since`` on, with the offline side.

    ``log`` is the project's own unless one is given; ``sample`` is a share of the requests (0.1) or a number of them.

    Raises:
        UsageError: ``no-serving-log`` where none is named, or none is there.
        StoreError: ``damaged-log``.
    """
    started = session.clock.monotonic()
    folder = _folder(session, log)
    groups: dict[str, list[pa.Table]] = {}
    about: dict[str, Mapping[str, Any]] = {}
    share = _share(folder, since, sample)
    for file in log_files(folder, since):
        rows = _chosen(file, since, share)
        if rows.num_rows:
            key = json.dumps(file.about, sort_keys=True)
            about[key] = file.about
            groups.setdefault(key, []).append(rows)
    verdicts: dict[str, LogVerdict] = {}
    found: list[LoggedDifference] = []
    engine = Rowwise()
    try:
        for key, tables in groups.items():
            said = about[key]
            subject = _subject(said)
            verdict = verdicts.setdefault(subject, LogVerdict(subject))
            rows = pa.concat_tables(tables, promote_options="default")
            compared = (_Views if "view" in said else _Plans)(session, said, rows, engine)
            found += compared.into(verdict)
    finally:
        engine.close()
    found.sort(key=lambda one: (one.cause in EXPLAINED, one.subject, one.at, one.request_id, one.row))
    seconds = session.clock.monotonic() - started
    return LogVerification(folder, tuple(verdicts[name] for name in sorted(verdicts)), tuple(found[:shown]), seconds)


def _folder(session: Session, log: Path | None) -> Path:
    if log is not None:
        return log
    if session.spec.serving_log is None:
        hint = "name it with --log FOLDER, or as serve: {log: FOLDER} in sqlfeat_project.yml."
        raise UsageError("no-serving-log", "Which log is to be verified?", hint=hint)
    return session.spec.serving_log.path


def _share(folder: Path, since: datetime | None, sample: float | None) -> float:
    """The share of requests that are taken; of a number, about as many."""
    if sample is None or sample <= 0:
        return 1.0
    if sample < 1:
        return sample
    there = sum(pc.count_distinct(_since(file, since)["request_id"]).as_py() for file in log_files(folder, since))
    return sample / there if there else 1.0


def _since(file: LogFile, since: datetime | None) -> pa.Table:
    table = file.read()
    if since is None:
        return table
    return table.filter(pc.greater_equal(table["asked_at"], pa.scalar(since, pa.timestamp("us", "UTC"))))


def _chosen(file: LogFile, since: datetime | None, share: float) -> pa.Table:
    """The rows of a file that are compared; whether a request was logged says nothing of whether it is chosen here."""
    table = _since(file, since)
    if share >= 1:
        return table
    wanted = {one: is_sampled(f"verify {one}", share) for one in set(table["request_id"].to_pylist())}
    return table.filter(pa.array([wanted[one] for one in table["request_id"].to_pylist()], pa.bool_()))


def _subject(said: Mapping[str, Any]) -> str:
    if "view" in said:
        return str(said["view"])
    return f"{said['model']}@v{said['version']}" if said["model"] else str(said["plan"]["training_set"])


# -- rows that were logged ---------------------------------------------------------------------------------------------


class _Rows:
    """Logged rows of one kind: what they were asked, what was served, and the same offline."""

    def __init__(self, said: Mapping[str, Any], rows: pa.Table) -> None:
        self.said = said
        self.rows = rows
        self.count = rows.num_rows
        self.subject = _subject(said)
        self.at: list[int] = rows["at"].combine_chunks().cast(pa.int64()).to_pylist()
        seconds, ended = rows["seconds"].to_pylist(), rows["asked_at"].combine_chunks().cast(pa.int64()).to_pylist()
        self.begun = [end - int(taken * 1_000_000) for end, taken in zip(ended, seconds, strict=True)]
        self.request = _fields(rows, "request")
        self.served = _fields(rows, "features")
        self.views = [PublishedView.from_dict(table, view) for table, view in said["views"].items()]

    def difference(self, number: int, column: str, served: Any, offline: Any, cause: Cause) -> LoggedDifference:
        row = self.rows.slice(number, 1).to_pylist()[0]
        return LoggedDifference(
            subject=self.subject,
            request_id=row["request_id"],
            row=row["row"],
            column=column,
            keys={name: _told(value) for name, value in (row.get("request") or {}).items()},
            at=row["at"].isoformat(),
            snapshot=self.said["snapshot"],
            served=repr(served),
            offline=repr(offline),
            cause=cause.name,
            why=cause.why,
        )

    def plain_rows(self) -> list[dict[str, Any]]:
        values = {name: from_arrow(column) for name, column in self.request.items()}
        return [{name: column[number] for name, column in values.items()} for number in range(self.count)]


def _told(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _fields(rows: pa.Table, name: str) -> dict[str, pa.Array]:
    """The fields of a struct column by name."""
    if name not in rows.column_names:
        return {}
    column = rows[name].combine_chunks()
    return {column.type.field(place).name: column.field(place) for place in range(column.type.num_fields)}


class _Plans:
    """Rows that a training set's plan answered."""

    def __init__(self, session: Session, said: Mapping[str, Any], rows: pa.Table, engine: Rowwise) -> None:
        self._session = session
        self._rows = _Rows(said, rows)
        self._plan = RequestPlan.from_dict(said["plan"])
        self._engine = engine
        self._version: ModelVersion | None = None

    def into(self, verdict: LogVerdict) -> Iterator[LoggedDifference]:
        """Add what is found to a verdict; the differences."""
        rows = self._rows
        verdict.rows += rows.count
        try:
            if rows.said["model"]:
                self._version = registry.resolve(
                    self._session.spec.registry, f"{rows.said['model']}@{rows.said['version']}"
                )
            model = self._model()
        except SqlfeatError as error:
            verdict.not_compared += rows.count
            verdict.reason = error.what
            return
        if self._version is not None:
            yield from self._predictions(verdict)
        marks = feature_fingerprints(model, self._session.manifest)
        today = plan_of(model, marks, fitted_on=self._plan.fitted_on)
        changed = changed_outputs(self._session, self._plan, today, rows.views)
        offline = self._offline(model, [name for name in rows.served if name in today.outputs])
        differing: dict[int, dict[str, Any]] = {}
        for name, column in rows.served.items():
            served = from_arrow(column)
            if name not in offline:
                verdict.not_compared += 1
                continue
            verdict.cells += rows.count
            expected = offline[name]
            for number in range(rows.count):
                if same(expected[number], served[number]):
                    continue
                if name in changed:
                    verdict.causes[changed[name].name] += 1
                    yield rows.difference(number, name, served[number], expected[number], changed[name])
                else:
                    differing.setdefault(number, {})[name] = (served[number], expected[number])
        yield from self._explained(verdict, differing)

    def _model(self) -> CompiledModel:
        """The training set as the project defines it now, with the parameters that the requests were answered by."""
        session, name = self._session, self._plan.training_set
        if self._version is not None:
            return with_parameters(session.training_set(name), self._version.transforms)
        return model_fitted_on(session, name, self._plan.fitted_on)

    def _offline(self, model: CompiledModel, names: Sequence[str]) -> dict[str, list[Any]]:
        """The outputs by the point-in-time join of the training set, plain."""
        rows = self._rows
        as_of, kind = self._plan.as_of
        typed = self._engine.arrow_types([kind])[kind]
        asked = {name: column for name, column in rows.request.items() if name != as_of}
        asked[as_of] = rows.rows["at"].combine_chunks()
        table = pa.table(asked)
        table = table.set_column(table.column_names.index(as_of), as_of, table[as_of].cast(typed, safe=False))
        session = self._session
        make_upstream(session, model)
        assembled = session.engine.assemble(to_assemble(session, model), session.manifest, RowsRequest(rows=table))
        found = session.engine.read(assembled).read_all()
        return {name: from_arrow(found[name]) for name in names}

    def _explained(self, verdict: LogVerdict, differing: dict[int, dict[str, Any]]) -> Iterator[LoggedDifference]:
        if not differing:
            return
        rows, plain = self._rows, self._rows.plain_rows()
        explainer = Explainer(self._session, self._plan, rows.views, self._engine)
        for place, (number, cells) in enumerate(sorted(differing.items())):
            if place < EXAMINED:
                served = {name: value for name, (value, _) in cells.items()}
                times = dict(rows.rows["event_times"][number].as_py() or ())
                causes = explainer.causes(plain[number], rows.at[number], served, times, rows.begun[number])
            else:
                causes = dict.fromkeys(cells, Cause("not examined", f"only {EXAMINED} rows were looked into"))
            for name, (value, expected) in cells.items():
                verdict.causes[causes[name].name] += 1
                yield rows.difference(number, name, value, expected, causes[name])

    def _predictions(self, verdict: LogVerdict) -> Iterator[LoggedDifference]:
        """Predict again from the values that were logged."""
        rows, version = self._rows, self._version
        assert version is not None
        kinds = self._engine.arrow_types([kind for _, kind in self._plan.outputs.values()])
        outputs = {name: Typed(kind, kinds[kind]) for name, (_, kind) in self._plan.outputs.items()}
        values = [from_arrow(rows.served[name]) for name in outputs]
        found = Scorer(version, outputs).predict(list(zip(*values, strict=True)))
        classes = [str(one) for one in version.signature.output.classes or ()]
        for number in range(rows.count):
            row = rows.rows.slice(number, 1)
            verdict.cells += 1
            if found.ndim == 1:
                served: Any = row["prediction"][0].as_py()
                again: Any = float(found[number])
            else:
                served = dict(row["probabilities"][0].as_py() or ())
                again = dict(zip(classes, found[number].tolist(), strict=True))
            is_same = _close(served, again)
            if not is_same:
                cause = Cause(MISMATCH, f"{version.reference} predicts otherwise from the values that were logged")
                verdict.causes[cause.name] += 1
                yield rows.difference(number, "prediction", served, again, cause)


def _close(served: Any, again: Any) -> bool:
    """Whether two predictions are one but for the order of sums; of classes, each of them."""
    if isinstance(served, Mapping):
        return served.keys() == again.keys() and all(_close(served[name], again[name]) for name in again)
    return served is not None and math.isclose(served, again, rel_tol=_CLOSE, abs_tol=_CLOSE)


class _Views:
    """Rows of a view that were looked up without a training set."""

    def __init__(self, session: Session, said: Mapping[str, Any], rows: pa.Table, engine: Rowwise) -> None:
        self._session = session
        self._rows = _Rows(said, rows)
        self._engine = engine
        self._explainers: dict[str, Explainer] = {}
        (self._view,) = self._rows.views

    def into(self, verdict: LogVerdict) -> Iterator[LoggedDifference]:
        """Add what is found to a verdict; the differences."""
        rows, view = self._rows, self._view
        verdict.rows += rows.count
        model = self._session.manifest.models.get(view.name)
        if model is None:
            verdict.not_compared += rows.count
            verdict.reason = f"There is no feature view {view.name!r} any more."
            return
        names = [name for name in rows.served if name in model.column_names]
        asked = rows.rows["asked"].to_pylist()
        offline = self._offline(names)
        for name in names:
            served = from_arrow(rows.served[name])
            cause = changed_view(self._session, view, name)
            for number in range(rows.count):
                if name not in asked[number]:
                    continue
                verdict.cells += 1
                if same(offline[name][number], served[number]):
                    continue
                told = cause or self._why(number, name, served[number])
                verdict.causes[told.name] += 1
                yield rows.difference(number, name, served[number], offline[name][number], told)

    def _offline(self, names: Sequence[str]) -> dict[str, list[Any]]:
        rows, view = self._rows, self._view
        asked = pa.table({**rows.request, _AS_OF: rows.rows["at"].combine_chunks()})
        wanted = [f"{view.name}.{name}" for name in names]
        table = features(self._session, wanted, asked, time=_AS_OF, full_names=True, silently=True).table
        found = {}
        for place, name in enumerate(names, table.num_columns - len(names)):
            column = table.column(place)
            values = from_arrow(column)
            if not fits_parquet(column.type):
                values = [None if one is None else json.dumps(to_json(one, column.type)) for one in values]
            found[name] = values
        return found

    def _why(self, number: int, name: str, served: Any) -> Cause:
        plan = plan_of_view(self._view, name)
        explainer = self._explainers.setdefault(name, Explainer(self._session, plan, self._rows.views, self._engine))
        times = dict(self._rows.rows["event_times"][number].as_py() or ())
        rows = self._rows
        causes = explainer.causes(rows.plain_rows()[number], rows.at[number], {name: served}, times, rows.begun[number])
        return causes[name]
