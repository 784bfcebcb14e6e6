"""Making one node in DuckDB: the statements of each materialization, run inside one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, WindowView
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, Shape
from sqlfeat.engine.duckdb.naming import physical, public_name, schema_of
from sqlfeat.engine.duckdb.prepared import Layouts
from sqlfeat.engine.duckdb.windows import Asked, WindowsAt, delay_sql, values_sql
from sqlfeat.errors import RunError

ASKED_BY_ROWS = "sqlfeat_asked_by_rows"


class Builder:
    """Builds models on a connection; ``name_of`` gives the physical names of what they read."""

    def __init__(self, connection: Connection, layouts: Layouts, name_of: Callable[[str], str], schema: str) -> None:
        self._connection = connection
        self._layouts = layouts
        self._name_of = name_of
        self._schema = schema

    def build(self, model: CompiledModel) -> tuple[int | None, dict[str, Any]]:
        """Make the model's relations and its public view; gives the rows (None for a view) and facts to record."""
        self._connection.execute(f"create schema if not exists {quote(schema_of(model.fingerprint))}")
        for statement in model.config.pre_hook:
            self._connection.execute(statement)
        rows, facts = self._relations(model)
        for statement in model.config.post_hook:
            self._connection.execute(statement)
        if model.materialized != "ephemeral":
            self._publish(model)
        return rows, facts

    def _relations(self, model: CompiledModel) -> tuple[int | None, dict[str, Any]]:
        name = physical(model.name, model.fingerprint)
        text = self._text(model.sql)
        if model.materialized in ("view", "ephemeral"):
            self._connection.execute(f"create or replace view {name} as\n{text}\n")
            return None, {}
        facts: dict[str, Any] = {}
        if model.window_view is not None:
            facts = self._window_view(model, model.window_view)
        else:
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
        listed = ", ".join(quote(name) for name in view.plain)
        facts = self._layouts.prepare(model, f"(select {listed} from {events})", view.plain)
        delay = self._connection.value(delay_sql(events))
        facts["longest_delay"] = delay
        asked = f"select {ROW} as n, greatest({EVENT}, {AVAILABLE}) as t"
        asked += "".join(f", {quote(key)} as k{i}" for i, key in enumerate(model.keys))
        self._connection.execute(f"create or replace temp table {ASKED_BY_ROWS} as {asked} from {events}")
        windows = WindowsAt(
            view=view,
            events=events,
            keys=model.keys,
            types=dict(self._connection.described(f"from {events}")),
            asked=Asked(f"temp.{ASKED_BY_ROWS}", len(model.keys)),
            wanted=tuple(item.name for item in view.items),
        )
        plain = set(view.plain)
        columns = ", ".join(f"{'e' if name in plain else 'w'}.{quote(name)}" for name in view.order)
        self._connection.execute(
            f"create or replace table {physical(model.name, model.fingerprint)} as\n"
            f"select {columns} from {events} as e left join (\n{values_sql(windows, delay)}\n) as w on w.n = e.{ROW}\n"
            f"order by e.{ROW}"
        )
        self._connection.execute(f"drop table temp.{ASKED_BY_ROWS}")
        return facts

    def _publish(self, model: CompiledModel) -> None:
        schema, name = public_name(model, self._schema)
        self._connection.execute(f"create schema if not exists {quote(schema)}")
        kind = self._connection.value(
            "select table_type from information_schema.tables where table_schema = ? and table_name = ? "
            "and table_catalog = current_database()",
            [schema, name],
        )
        if kind == "BASE TABLE":
            raise RunError(
                "relation-in-the-way",
                f"{schema}.{name} is a table that sqlfeat has not made, so the model {model.name} cannot take its name.",
                model.place(),
                "rename the table, or give the model an alias or a schema.",
            )
        source = physical(model.name, model.fingerprint)
        self._connection.execute(f"create or replace view {quote(schema)}.{quote(name)} as select * from {source}")
        comment = model.config.description.strip()
        if comment:
            self._connection.execute(f"comment on view {quote(schema)}.{quote(name)} is {literal(comment)}")

    def _text(self, sql: str) -> str:
        return with_relations(sql, self._name_of).text

    def _count(self, name: str) -> int:
        return int(self._connection.value(f"select count(*) from {name}"))
