"""Features for any rows with keys and times: what was known for each of them then, by the plan of a training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.asked import AskedFeatures, compile_asked, view_named
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest
from sqlfeat.compiler.time import is_time
from sqlfeat.engine.base import LookupReport, RowsRequest
from sqlfeat.errors import ProjectError, SqlfeatError, UsageError
from sqlfeat.ops.given_rows import Rows, is_csv, table_of
from sqlfeat.ops.plan import Planner
from sqlfeat.ops.results import Event
from sqlfeat.ops.run import run_planned
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import doubts_about, in_utc

AS_OF_NAMES = ("as_of", "event_timestamp", "event_time", "asked_at", "timestamp", "time", "ts")
"""What a column with the as-of time is called where nothing is said; the second name is Feast's."""


@dataclass(frozen=True)
class FoundFeatures:
    """The rows in their order, each with its features, and how each view's lookup went."""

    table: pa.Table
    reports: tuple[LookupReport, ...]


def features(
    session: Session,
    names: Sequence[str],
    rows: Rows,
    *,
    time: str | None = None,
    at: datetime | None = None,
    on: Mapping[str, str] | None = None,
    full_names: bool = False,
    known_at: datetime | None = None,
    silently: bool = False,
) -> FoundFeatures:
    """Look features (``view.column``, ``view.*``) up for rows, one row in, one row out, in their order.

    ``time`` names the column with the as-of time of each row; ``at`` is one instant for all of them. ``on`` maps keys
    of entities to columns of the rows; ``known_at`` hides what became known later. Nobody is told of what is done
    ``silently``, for a comparison.

    Raises:
        UsageError: a feature, a key or the time is not to be found.
    """
    if not names:
        raise UsageError("no-features", "No feature is asked for.", hint="name some: VIEW.COLUMN or VIEW.*")
    table = table_of(rows)
    as_of = _as_of(table, time, has_instant=at is not None)
    if as_of not in table.column_names:
        table = table.append_column(as_of, pa.nulls(table.num_rows, pa.timestamp("us", "UTC")))
    asked = AskedFeatures(tuple(names), as_of, on or {}, full_names)
    model = _compiled(session, asked, table, is_text=isinstance(rows, str | Path) and is_csv(Path(rows)))
    make_views(session, [f"model.{view}" for view in asked.views])
    request = RowsRequest(rows=table, at=in_utc(at), known_at=in_utc(known_at))
    started = session.clock.monotonic()
    try:
        assembled = session.engine.assemble(model, session.manifest, request)
    except SqlfeatError as error:
        error.where = None if error.where and error.where.file == model.path else error.where
        raise
    for report in () if silently else assembled.reports:
        for doubt in doubts_about(report):
            session.log(f"warning: {doubt}")
    found = session.engine.read(assembled).read_all()
    facts: dict[str, Any] = {"rows": assembled.rows}
    if silently:
        return FoundFeatures(found, assembled.reports)
    session.listener(Event("step", "look up features", seconds=session.clock.monotonic() - started, facts=facts))
    return FoundFeatures(found, assembled.reports)


def _as_of(table: pa.Table, time: str | None, *, has_instant: bool) -> str:
    """The column with each row's as-of time: the one that is named, else the only one that it can be."""
    own: dict[str, str] = {name.casefold(): name for name in table.column_names}
    if time is not None:
        if time.casefold() in own:
            return own[time.casefold()]
        hint = did_you_mean(time, table.column_names)
        raise UsageError("missing-column", f"The rows have no column {time!r}.", hint=hint)
    known = [own[name] for name in AS_OF_NAMES if name in own]
    times: list[str] = [field.name for field in table.schema if _is_time(field.type)]
    if known or len(times) == 1:
        return known[0] if known else times[0]
    if has_instant:
        return AS_OF_NAMES[0]
    listed = ", ".join(times or table.column_names)
    what = "Several columns of the rows are times" if times else "No column of the rows is a time"
    raise UsageError(
        "no-as-of-time",
        f"{what}: which one says when each row asks?",
        hint=f"name it with --time COLUMN (time= in Python), or ask all at one instant with --at: {listed}.",
    )


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _compiled(session: Session, asked: AskedFeatures, table: pa.Table, *, is_text: bool) -> CompiledModel:
    session.manifest.raise_errors([view_named(view, session.manifest).id for view in asked.views])
    with session.catalog() as catalog:
        columns: Sequence[Column] = catalog.table_columns(table)
        if is_text:
            columns = _typed(columns, asked, session.manifest)
        _refuse_untimed(columns, asked.as_of)
        try:
            return compile_asked(asked, columns, session.manifest, catalog)
        except ProjectError as error:  # its place is in a text that nobody wrote
            raise _about_rows(error) from error


def _about_rows(error: ProjectError) -> UsageError:
    if error.code == "missing-key":
        hint = "say which column it is: --on KEY=COLUMN (on={…} in Python)."
        return UsageError(error.code, error.what.replace("the label relation has", "the rows have"), hint=hint)
    return UsageError(error.code, error.what, hint=error.hint)


def _typed(columns: Sequence[Column], asked: AskedFeatures, manifest: Manifest) -> list[Column]:
    """The columns of a CSV, whose values are all texts, as what they are looked up by."""
    types: dict[str, str] = {}
    for name in asked.views:
        view = view_named(name, manifest)
        own = {column.name: column.type for column in view.columns}
        for key in view.keys:
            types[asked.on.get(key, key).casefold()] = own[key]
    types[asked.as_of.casefold()] = "TIMESTAMP WITH TIME ZONE"
    return [replace(column, type=types.get(column.name.casefold(), column.type)) for column in columns]


def _refuse_untimed(columns: Sequence[Column], as_of: str) -> None:
    found = next(column for column in columns if column.name == as_of)
    if not is_time(found.type):
        what = f"The rows' {as_of!r} is {found.type}, not a time."
        raise UsageError("not-a-time", what, hint="cast it, or name another column with --time COLUMN.")


def make_views(session: Session, ids: Sequence[str]) -> None:
    """Make the views and what they need, as far as they are missing or changed."""
    session.check_sources(ids)
    engine = session.prepared(ids)
    wanted = set(ids) | set(session.manifest.graph.ancestors(ids))
    plan = Planner(session.manifest, engine).plan([node for node in session.manifest.graph.order() if node in wanted])
    if not plan.to_build:
        return
    result = run_planned(session, [node.id for node in plan.nodes])
    failed = next((node for node in result.results if node.status == "failed" and node.error), None)
    if failed is not None and failed.error is not None:
        raise failed.error
