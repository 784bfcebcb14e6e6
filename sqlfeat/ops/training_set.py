"""Build a training set: upstream first, then label rows with features, split, written and hashed.

The id is a hash of everything that determines the rows, so the same thing has the same id and the same bytes
everywhere, and what is there already is not built again.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel, Output, TrainingSetPlan
from sqlfeat.engine.base import Assembled, LookupReport, RowsRequest
from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops.definition import compiled_hashes, definition_of, feature_fingerprints, warnings_of
from sqlfeat.ops.events import notify
from sqlfeat.ops.plan import Plan, Planner
from sqlfeat.ops.results import Event
from sqlfeat.ops.run import run_planned
from sqlfeat.ops.session import Session
from sqlfeat.ops.splits import split_case, split_conditions
from sqlfeat.store.artifacts import load_training_set, save_training_set
from sqlfeat.store.training_set import FORMAT_VERSION, UNSPLIT, OutputColumn, TrainingSet

ID_LENGTH = 16
OUT_FORMATS = (".parquet", ".arrow", ".csv")
MOST_CATEGORIES = 100_000
MOST_WITHOUT_HISTORY = 0.5
MOST_EXPIRED = 0.2
MOST_NOT_YET_KNOWN = 0.2
"""Shares of label rows above which a lookup is warned of."""
_PACKAGES = ("sqlfeat", "duckdb", "pyarrow", "sqlglot")


def build_training_set(
    session: Session,
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    known_at: datetime | None = None,
    out: Path | None = None,
    run_upstream: bool = True,
) -> TrainingSet:
    """Build a training set, or give the one that is there.

    ``start`` and ``end`` keep label rows with as-of times in ``[start, end)``; ``known_at`` builds it as it would have
    been built then; ``out`` also writes all rows into one file (``.parquet``, ``.arrow`` or ``.csv``).

    Raises:
        UsageError: there is no such training set.
        RunError: a model above it failed, is not built (without ``run_upstream``), or rows were lost.
    """
    if out is not None and out.suffix not in OUT_FORMATS:
        raise UsageError("bad-out", f"{out.name!r} ends in none of {', '.join(OUT_FORMATS)}.")
    request = RowsRequest(start=in_utc(start), end=in_utc(end), known_at=in_utc(known_at))
    model = session.training_set(name)
    conditions = _conditions(session, model)
    for warning in warnings_of(model, session.manifest):
        session.log(f"warning: {warning}")
    plan = make_upstream(session, model, run_upstream=run_upstream)
    identity = _identity(session, model, plan, request)
    place = session.spec.target_path / "training_sets" / name / identity["id"]
    if (place / "manifest.json").is_file() and out is None:
        return load_training_set(place, verify=True)
    assembled = _assembled(session, model, request)
    build = _Build(session, model, assembled, conditions, identity)
    built = save_training_set(place, build.write)
    if out is not None:
        build.write_whole(out)
    if built.created:
        notify(session, "training_set_built", built.as_dict())
    return built


def assemble(
    session: Session,
    name: str,
    *,
    at: datetime | None = None,
    rows: pa.Table | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pa.Table:
    """A training set's outputs for its label rows, or for request ``rows``, point in time.

    ``at`` replaces every as-of time. Of request rows, columns that no model input needs may be missing: what hangs on
    them is null.
    """
    model = session.training_set(name)
    make_upstream(session, model)
    request = RowsRequest(rows=rows, at=in_utc(at), start=in_utc(start), end=in_utc(end))
    return session.engine.read(_assembled(session, model, request)).read_all()


def make_upstream(session: Session, model: CompiledModel, *, run_upstream: bool = True) -> Plan:
    """Make what is missing above a training set; the plan has the versions of all sources."""
    engine = session.prepared([model.id])
    planner = Planner(session.manifest, engine)
    plan = planner.plan(planner.upstream([model.id]))
    if not plan.to_build:
        return plan
    if not run_upstream:
        listed = ", ".join(node.name for node in plan.to_build[:5])
        raise RunError(
            "upstream-stale", f"{model.name} needs what is not built: {listed}.", model.place(), "sqlfeat run"
        )
    result = run_planned(session, [node.id for node in plan.nodes])
    failed = [node for node in result.results if node.status == "failed"]
    if failed and failed[0].error:
        raise failed[0].error
    return plan


def _identity(session: Session, model: CompiledModel, plan: Plan, request: RowsRequest) -> dict[str, Any]:
    """Everything that determines the rows, and the id that is its hash."""
    manifest = session.manifest
    split = model.config.split
    parts: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "name": model.name,
        "definition": definition_of(model, manifest),
        "sql": model.sql.strip(),
        "compiled": compiled_hashes(model, manifest),
        "features": feature_fingerprints(model, manifest),
        "sources": dict(sorted(plan.sources.items())),
        "data": {node.name: node.data_version for node in plan.nodes},
        "split": split.as_dict() if split else None,
        "roles": {"keys": list(model.config.keys), "passthrough": list(model.config.passthrough)},
        "range": {key: value.isoformat() if value else None for key, value in _range(request).items()},
        "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
    }
    return {**parts, "id": sha256_text(canonical_json(parts))[:ID_LENGTH]}


def _range(request: RowsRequest) -> Mapping[str, datetime | None]:
    return {"from": request.start, "to": request.end, "known_at": request.known_at}


def _assembled(session: Session, model: CompiledModel, request: RowsRequest) -> Assembled:
    started = session.clock.monotonic()
    assembled = session.engine.assemble(model, session.manifest, request)
    for report in assembled.reports:
        for doubt in doubts_about(report):
            session.log(f"warning: {doubt}")
    facts: dict[str, Any] = {"rows": assembled.rows, "lookups": [_reported(r) for r in assembled.reports]}
    session.listener(Event("step", "look up features", seconds=session.clock.monotonic() - started, facts=facts))
    return assembled


def doubts_about(report: LookupReport) -> list[str]:
    """What is odd about how a lookup went, a sentence each."""
    if not report.rows:
        return []
    told = [
        (report.no_history, MOST_WITHOUT_HISTORY, "have no history in it by their as-of time: are the keys the same?"),
        (report.expired, MOST_EXPIRED, "found only rows older than its ttl: is the ttl too short, or the view late?"),
        (report.not_yet_known, MOST_NOT_YET_KNOWN, "asked for what was not known yet: is available_at right?"),
    ]
    doubts = [
        f"{report.view}: {count / report.rows:.0%} of the label rows {why}"
        for count, most, why in told
        if count / report.rows > most
    ]
    if report.ties:
        doubts.append(
            f"{report.view}: {report.ties:,} groups of rows are equal in key and times; declare a tie_breaker."
        )
    return doubts


def _reported(report: LookupReport) -> dict[str, Any]:
    return {key: value for key, value in asdict(report).items() if key != "name"}


def _conditions(session: Session, model: CompiledModel) -> dict[str, str]:
    plan = _plan(model)
    labels = session.manifest.models.get(plan.labels.removeprefix("ref."))
    horizon = labels.config.horizon if labels else None
    return split_conditions(model.config.split, plan.as_of, model.config.keys, horizon, model.place("split"))


class _Build:
    """The files and the manifest of one training set, from its assembled rows."""

    def __init__(
        self,
        session: Session,
        model: CompiledModel,
        assembled: Assembled,
        conditions: dict[str, str],
        identity: dict[str, Any],
    ) -> None:
        self.session = session
        self.model = model
        self.assembled = assembled
        self.conditions = conditions
        self.identity = identity

    def write(self, folder: Path) -> dict[str, Any]:
        """Write one file a split and give the manifest's body."""
        started = self.session.clock.monotonic()
        splits = {}
        for name, condition in self.conditions.items():
            splits[name] = self._write_part(folder / f"{name}.parquet", condition)
        unsplit = self.assembled.rows - sum(splits.values())
        if unsplit:
            nowhere = f"({split_case(self.conditions)}) is null"
            found = self._write_part(folder / f"{UNSPLIT}.parquet", nowhere)
            if found != unsplit:
                raise RunError("rows-lost", f"{self.model.name}: some rows are in several splits, or in none.")
        seconds = self.session.clock.monotonic() - started
        self.session.listener(Event("step", "write splits", seconds=seconds, facts={"splits": splits}))
        return {
            **self.identity,
            "rows": self.assembled.rows,
            "splits": splits,
            "unsplit": unsplit,
            "columns": self._columns(),
            "null_rates": self._null_rates(),
            "lookups": [_reported(report) for report in self.assembled.reports],
            "warnings": warnings_of(self.model, self.session.manifest),
            "created_at": self.session.clock.now().astimezone(UTC).isoformat(),
        }

    def write_whole(self, path: Path) -> None:
        """All rows in one file, with a column ``split`` where there are splits."""
        table = self._read("true")
        if self.model.config.split is not None:
            asked = f"list({split_case(self.conditions)})"
            names = self.session.engine.scalars(self.assembled, [asked])[0] or []
            table = table.append_column("split", pa.array(names, pa.string()))
        write_table(table, path)

    def _write_part(self, path: Path, condition: str) -> int:
        """One split's rows, in their order, in row groups of one size: the same rows give the same bytes."""
        reader = self.session.engine.read(self.assembled, condition)
        rows = 0
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        return rows

    def _read(self, condition: str) -> pa.Table:
        return self.session.engine.read(self.assembled, condition).read_all()

    def _columns(self) -> list[OutputColumn]:
        outputs = _plan(self.model).outputs
        categorical = [output for output in outputs if output.kind == "categorical"]
        first = next(iter(self.conditions.values()))
        found: Iterable[Any] = ()
        if categorical:
            asked = [f"list_sort(list(distinct cast({quote(o.name)} as varchar)))" for o in categorical]
            found = self.session.engine.scalars(self.assembled, asked, first)
        categories = {output.name: _values(output, values) for output, values in zip(categorical, found, strict=True)}
        return [
            OutputColumn(o.name, o.type, o.role, o.kind, categories.get(o.name), o.feature) for o in outputs
        ]  # fmt: skip

    def _null_rates(self) -> dict[str, float]:
        names = [output.name for output in _plan(self.model).outputs]
        if not self.assembled.rows:
            return dict.fromkeys(names, 0.0)
        asked = [f"count(*) filter (where {quote(name)} is null)" for name in names]
        counts = self.session.engine.scalars(self.assembled, asked)
        return {name: count / self.assembled.rows for name, count in zip(names, counts, strict=True)}


def _values(output: Output, values: Any) -> tuple[str, ...]:
    """A category dictionary: the values of the train split in binary order."""
    known = tuple(value for value in values or () if value is not None)
    if len(known) > MOST_CATEGORIES:
        raise RunError(
            "too-many-categories",
            f"The input {output.name!r} has {len(known):,} different texts.",
            hint="pass it through, or make it a number: a text of so many values teaches a model nothing.",
        )
    return known


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as ``.parquet``, ``.arrow`` or ``.csv``, whole or not at all."""
    if path.suffix not in OUT_FORMATS:
        raise UsageError("bad-out", f"{path.name!r} ends in none of {', '.join(OUT_FORMATS)}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    if path.suffix == ".parquet":
        pq.write_table(table, temporary, compression="zstd")
    elif path.suffix == ".arrow":
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        pyarrow.csv.write_csv(table, temporary)
    temporary.replace(path)


def _plan(model: CompiledModel) -> TrainingSetPlan:
    assert model.training_set is not None
    return model.training_set


def in_utc(value: datetime | None) -> datetime | None:
    """An instant in UTC; one without a zone is UTC."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
