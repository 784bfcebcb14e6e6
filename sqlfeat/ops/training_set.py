"""Build a training set: upstream first, then label rows with features, split, written and hashed.

The id is a hash of everything that determines the rows, so the same thing has the same id and the same bytes
everywhere, and what is there already is not built again.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.base import Assembled, Engine, LookupReport, RowsRequest
from sqlfeat.errors import RunError
from sqlfeat.ops.code_state import withheld_of
from sqlfeat.ops.definition import compiled_hashes, definition_of, feature_fingerprints, written_sql
from sqlfeat.ops.events import notify
from sqlfeat.ops.hindsight import as_known_at, known_rows
from sqlfeat.ops.narrowing import Narrowed, check_sample, check_sample_keys, chosen_outputs, sampled
from sqlfeat.ops.openlineage import telling
from sqlfeat.ops.plan import Plan, Planner
from sqlfeat.ops.provenance import git_state
from sqlfeat.ops.results import Event
from sqlfeat.ops.run import run_planned
from sqlfeat.ops.session import Session
from sqlfeat.ops.splits import check_split
from sqlfeat.ops.time_safety import time_safety
from sqlfeat.ops.training_files import check_out
from sqlfeat.ops.transforms import to_assemble, transformed, with_parameters
from sqlfeat.ops.written_set import WrittenSet, reported
from sqlfeat.spec.duration import Duration
from sqlfeat.store.artifacts import load_training_set, save_training_set
from sqlfeat.store.training_set import FORMAT_VERSION, TrainingSet
from sqlfeat.store.training_sets import mark_asked

ID_LENGTH = 16
MOST_WITHOUT_HISTORY = 0.5
MOST_EXPIRED = 0.2
MOST_NOT_YET_KNOWN = 0.2
"""Shares of label rows above which a lookup is warned of."""
_PACKAGES = ("sqlfeat", "duckdb", "numpy", "pyarrow", "sqlglot")
"""What computes and writes the rows."""


@telling.told(telling.TRAINING_SET)
def build_training_set(
    session: Session,
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    known_at: datetime | None = None,
    sample: float | None = None,
    stratify: Sequence[str] = (),
    features: Sequence[str] = (),
    out: Path | None = None,
    run_upstream: bool = True,
    strict: bool = False,
) -> TrainingSet:
    """Build a training set, or give the one that is there.

    ``start`` and ``end`` keep label rows with as-of times in ``[start, end)``; ``known_at`` builds it as it would have
    been built then; ``sample`` is a share of its rows or a number of them, by a hash of the keys; ``stratify`` are
    columns of whose values each keeps its share in it; ``features`` are the only inputs to keep (outputs,
    ``view.column``, ``view.*``); ``out`` also writes all rows into one file (``.parquet``, ``.arrow`` or ``.csv``).
    With ``strict`` an output that is not proved to be safe is refused, too.

    Raises:
        UsageError: there is no such training set, sample or feature.
        RunError: an output is unsafe, a model above it failed or is not built (without ``run_upstream``), or rows
            were lost.
    """
    check_out(out)
    check_sample(sample)
    model = session.training_set(name)
    check_split(model)
    check_sample_keys(model, sample, stratify)
    outputs = chosen_outputs(model, features)
    asked = Narrowed(in_utc(start), in_utc(end), in_utc(known_at), sample, outputs, tuple(stratify))
    safety = time_safety(session, model, asked.outputs, strict=strict)
    for warning in safety.warnings:
        session.log(f"warning: {warning}")
    plan = make_upstream(session, model, run_upstream=run_upstream) if known_at is None else _planned(session, model)
    identity = _identity(session, model, plan, asked)
    place = session.spec.target_path / "training_sets" / name / identity["id"]
    if (place / "manifest.json").is_file() and out is None:
        found = load_training_set(place, verify=True)
        mark_asked(place, session.clock.now())
        return found
    with _standing(session, model, asked) as engine:
        request, horizon = _request(session, engine, model, asked), horizon_of(session, model)
        assembled = _assembled(session, engine, to_assemble(session, model), request)
        rows = transformed(session, engine, model, assembled, asked, horizon)
        writing = WrittenSet(session, engine, rows, identity, horizon, asked, safety)
        built = save_training_set(place, writing.write, _built(session))
        mark_asked(place, session.clock.now())
        if out is not None:
            writing.write_whole(out)
    if built.created:
        notify(session, "training_set_built", built.as_dict())
    return built


@contextmanager
def _standing(session: Session, model: CompiledModel, asked: Narrowed) -> Iterator[Engine]:
    """The engine in which what the training set reads stands: the target, or as it would have been then."""
    if asked.known_at is None:
        yield session.engine
        return
    with as_known_at(session, model, asked.known_at) as engine:
        yield engine


def _request(session: Session, engine: Engine, model: CompiledModel, asked: Narrowed) -> RowsRequest:
    known = known_rows(session, model, asked.known_at) if asked.known_at else None
    request = RowsRequest(start=asked.start, end=asked.end, known_at=asked.known_at, where=known)
    return sampled(engine, model, request, asked, horizon_of(session, model))


def _built(session: Session) -> dict[str, Any]:
    """When and where: what differs from one making of the same set to the next."""
    return {
        "created_at": session.clock.now().astimezone(UTC).isoformat(),
        "git": git_state(session.spec.root),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "target": session.target.name,
    }


def assemble(
    session: Session,
    name: str,
    *,
    at: datetime | None = None,
    rows: pa.Table | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    known_at: datetime | None = None,
    transforms: Mapping[str, Any] | None = None,
) -> pa.Table:
    """A training set's outputs for its label rows, or for request ``rows``, point in time.

    ``at`` replaces every as-of time; ``known_at`` hides what became known later from the lookups; ``transforms`` are
    those that were fitted, as its manifest has them. Of request rows, columns that no model input needs may be
    missing: what hangs on them is null.
    """
    model = with_parameters(session.training_set(name), transforms or {})
    make_upstream(session, model)
    request = RowsRequest(rows=rows, at=in_utc(at), start=in_utc(start), end=in_utc(end), known_at=in_utc(known_at))
    return session.engine.read(_assembled(session, session.engine, model, request)).read_all()


def assemble_in_pieces(
    session: Session,
    name: str,
    request: RowsRequest,
    also: Sequence[str] = (),
    transforms: Mapping[str, Any] | None = None,
) -> Iterator[pa.RecordBatchReader]:
    """The same, a bounded number of rows at a time in their order, each to be read before the next; at least one.

    The instants of the request are in UTC; ``also`` are nodes that it needs, which are made first, too.
    """
    model = with_parameters(session.training_set(name), transforms or {})
    make_upstream(session, model, also)
    started, seconds, rows = session.clock.monotonic(), 0.0, 0
    for piece in session.engine.assemble_in_pieces(model, session.manifest, request):
        rows += piece.rows
        whole = replace(piece, rows=rows)
        seconds += session.clock.monotonic() - started
        yield session.engine.read(piece)
        started = session.clock.monotonic()
    _tell(session, whole, seconds)


def _planned(session: Session, model: CompiledModel, also: Sequence[str] = ()) -> Plan:
    """What would be made above a training set; the plan has the versions of all sources."""
    session.check_sources([model.id, *also])
    engine = session.prepared([model.id, *also])
    planner = Planner(session.manifest, engine)
    wanted = {*planner.upstream([model.id, *also]), *also}
    return planner.plan([node for node in session.manifest.graph.order() if node in wanted])


def make_upstream(
    session: Session, model: CompiledModel, also: Sequence[str] = (), *, run_upstream: bool = True
) -> Plan:
    """Make what is missing above a training set, and other nodes; the plan has the versions of all sources."""
    plan = _planned(session, model, also)
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


def _identity(session: Session, model: CompiledModel, plan: Plan, asked: Narrowed) -> dict[str, Any]:
    """Everything that determines the rows and how they are cut, and the id that is its hash."""
    manifest, config = session.manifest, model.config
    horizon = horizon_of(session, model)
    parts: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "name": model.name,
        "definition": definition_of(model, manifest),
        "sql": withheld_of(session.spec).hidden(written_sql(model)),
        "compiled": compiled_hashes(model, manifest),
        "features": feature_fingerprints(model, manifest),
        "sources": dict(sorted(plan.sources.items())),
        "data": {node.name: node.data_version for node in plan.nodes},
        "split": config.split.as_dict() if config.split else None,
        "horizon": str(horizon) if horizon else None,
        "roles": {
            "keys": list(config.keys),
            "passthrough": list(config.passthrough),
            "label": config.label,
            "weight": config.weight,
        },
        **asked.as_dict(),
        "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
    }
    return {**parts, "id": sha256_text(canonical_json(parts))[:ID_LENGTH]}


def horizon_of(session: Session, model: CompiledModel) -> Duration | None:
    """How long after its as-of time a label row's label is known, as the label model says."""
    assert model.training_set is not None
    labels = session.manifest.models.get(model.training_set.labels.removeprefix("ref."))
    return labels.config.horizon if labels else None


def _assembled(session: Session, engine: Engine, model: CompiledModel, request: RowsRequest) -> Assembled:
    started = session.clock.monotonic()
    assembled = engine.assemble(model, session.manifest, request)
    _tell(session, assembled, session.clock.monotonic() - started)
    return assembled


def _tell(session: Session, assembled: Assembled, seconds: float) -> None:
    """Say how the lookups went, and what is odd about it."""
    for report in assembled.reports:
        for doubt in doubts_about(report):
            session.log(f"warning: {doubt}")
    facts: dict[str, Any] = {"rows": assembled.rows, "lookups": [reported(r) for r in assembled.reports]}
    session.listener(Event("step", "look up features", seconds=seconds, facts=facts))


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


def in_utc(value: datetime | None) -> datetime | None:
    """An instant in UTC; one without a zone is UTC."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
