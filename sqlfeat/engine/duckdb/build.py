"""Making one node in DuckDB: the statements of each materialization, run inside one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.manifest import CompiledModel, Lookup, WindowView
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.base import OWN_WINDOWS
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.feature_lookup import FeatureLookup
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, Shape
from sqlfeat.engine.duckdb.naming import physical, schema_of
from sqlfeat.engine.duckdb.plans import CHUNK_ROWS
from sqlfeat.engine.duckdb.prepared import Layouts
from sqlfeat.engine.duckdb.publishing import Shown, publish
from sqlfeat.engine.duckdb.windows import ASKED, Asked, WindowsAt, delay_sql, values_sql
from sqlfeat.errors import RunError

OWN = "sqlfeat_own"
USABLE_FROM = f"case when {EVENT} is not null and {AVAILABLE} is not null then greatest({EVENT}, {AVAILABLE}) end"


class Builder:
    """Builds models on a connection; ``name_of`` gives the physical names of what they read."""

    def __init__(
        self, connection: Connection, layouts: Layouts, name_of: Callable[[str], str], schema: str, threads: int
    ) -> None:
        self._connection = connection
        self._layouts = layouts
        self._name_of = name_of
        self._schema = schema
        self._threads = threads

    def build(self, model: CompiledModel) -> tuple[int | None, dict[str, Any]]:
        """Make the model's relations and its public view; gives the rows (None for a view) and facts to record."""
        self._connection.execute(f"create schema if not exists {quote(schema_of(model.fingerprint))}")
        self._hooks(model, "pre_hook", model.config.pre_hook)
        rows, facts = self._relations(model)
        self._hooks(model, "post_hook", model.config.post_hook)
        if model.materialized != "ephemeral":
            publish(self._connection, Shown.model(model, self._schema))
        return rows, facts

    def _hooks(self, model: CompiledModel, key: str, statements: Sequence[str]) -> None:
        for statement in statements:
            try:
                self._connection.execute(self._text(statement))
            except SqlProblem as problem:
                what = f"The {key} of {model.name} fails: {problem.what}."
                raise RunError("sql-hook-failed", what, model.place(key)) from problem

    def _relations(self, model: CompiledModel) -> tuple[int | None, dict[str, Any]]:
        """The model's own relations. Labels lie by time: a training set that orders them has half its work done."""
        name = physical(model.name, model.fingerprint)
        text = self._text(model.sql)
        if model.materialized in ("view", "ephemeral"):
            self._connection.execute(f"create or replace view {name} as\n{text}\n")
            return None, {}
        facts: dict[str, Any] = {}
        if model.window_view is not None:
            facts = self._window_view(model, model.window_view)
            name = physical(model.name, model.fingerprint, "events")
        else:
            if model.config.role == "label" and model.time.event_time:
                text = f"select * from (\n{text}\n) order by {quote(model.time.event_time)}"
            self._connection.execute(f"create or replace table {name} as\n{text}\n")
            if model.materialized == "feature_view" or (model.time.immutable and model.keys):
                facts = self._layouts.prepare(model, name, model.column_names)
        return self._count(name), facts

    def _window_view(self, model: CompiledModel, view: WindowView) -> dict[str, Any]:
        """Events, lookup layout, and the view as ``ref()`` shows it: windows as of each row's own usable time."""
        source = f"(\n{self._text(view.events)}\n)"
        shape = Shape(model.keys, model.time, view.plain)
        events = physical(model.name, model.fingerprint, "events")
        kept = [argument.column for argument in view.arguments]
        self._connection.execute(f"create or replace table {events} as\n{layout.events_sql(shape, source, kept)}")
        facts = self._layouts.prepare(model, events, view.plain)
        return {**facts, OWN_WINDOWS: self._own_windows(model, view, events, facts)}

    def _own_windows(self, model: CompiledModel, view: WindowView, events: str, facts: Mapping[str, Any]) -> bool:
        """The view as ``ref()`` shows it: every event with the windows as of the instant from which it is usable.

        A table where prepared totals give all windows, for that costs next to nothing. Otherwise every event would be
        joined with those before it, perhaps for nobody: then it is a view, and costs whoever reads it. Gives which.
        """
        items = tuple(item.name for item in view.items)
        lookup = Lookup(OWN, model.name, tuple((key, quote(key)) for key in model.keys), items)
        name = physical(model.name, model.fingerprint)
        self._drop(model)
        prepared = self._layouts.open(model, facts)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="windows") as workers:
            one = FeatureLookup(self._connection, lookup, model, prepared, prepared is None, None, workers)
            if one.reads_events():
                self._connection.execute(f"create view {name} as\n{self._own_sql(model, view, events)}")
                return False
            rows = self._count(events)
            for first in range(0, max(rows, 1), CHUNK_ROWS):
                self._own_chunk(model, view, one, first, min(CHUNK_ROWS, rows - first))
        self._connection.execute(f"drop table temp.{OWN}")
        return True

    def _own_chunk(self, model: CompiledModel, view: WindowView, one: FeatureLookup, first: int, count: int) -> None:
        """Append some events with their windows."""
        name, events = physical(model.name, model.fingerprint), physical(model.name, model.fingerprint, "events")
        listed = ", ".join([ROW, EVENT, AVAILABLE, *map(quote, dict.fromkeys((*model.keys, *view.plain)))])
        self._connection.execute(
            f"create or replace temp table {OWN} as select {listed} from {events} "
            f"where {ROW} > {first} and {ROW} <= {first + count}"
        )
        keys = "".join(f", {quote(key)} as k{i}" for i, key in enumerate(model.keys))
        found = one.run(f"select {ROW} - 1 as n, {USABLE_FROM} as t{keys} from temp.{OWN}", first, count)
        fields = {**{column: f"r.{quote(column)}" for column in view.plain}, **found.fields}
        columns = ", ".join(f"{fields[column]} as {quote(column)}" for column in view.order)
        joins = "".join(f" positional join {relation}" for relation in found.relations)
        begin = f"create table {name} as" if first == 0 else f"insert into {name}"
        with ExitStack() as registered:
            for relation, table in found.registered.items():
                registered.enter_context(self._connection.registered(relation, table))
            self._connection.execute(f"{begin}\nselect {columns} from temp.{OWN} as r{joins}")

    def _own_sql(self, model: CompiledModel, view: WindowView, events: str) -> str:
        """The same as one query over the events."""
        keys = "".join(f", {quote(key)} as k{i}" for i, key in enumerate(model.keys))
        windows = WindowsAt(
            view=view,
            events=events,
            keys=model.keys,
            types=dict(self._connection.described(f"from {events}")),
            asked=Asked(f"(select {ROW} as n, {USABLE_FROM} as t{keys} from {events})", len(model.keys)),
            wanted=tuple(item.name for item in view.items),
        )
        plain = set(view.plain)
        columns = ", ".join(f"{'e' if column in plain else 'w'}.{quote(column)}" for column in view.order)
        values = values_sql(windows, self._connection.value(delay_sql(events)))
        return f"select {columns} from {events} as e join (\n{values}\n) as w on w.{ASKED} = e.{ROW} order by e.{ROW}"

    def _drop(self, model: CompiledModel) -> None:
        """Drop the relation of an earlier build, be it a table or a view."""
        kinds = self._connection.execute(
            "select table_type from information_schema.tables where table_schema = ? and table_name = ? "
            "and table_catalog = current_database()",
            [schema_of(model.fingerprint), model.name],
        )
        for (kind,) in kinds:
            word = "view" if kind == "VIEW" else "table"
            self._connection.execute(f"drop {word} {physical(model.name, model.fingerprint)}")

    def _text(self, sql: str) -> str:
        return with_relations(sql, self._name_of).text

    def _count(self, name: str) -> int:
        return int(self._connection.value(f"select count(*) from {name}"))
