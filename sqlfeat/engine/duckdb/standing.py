"""A feature view as it stands at one instant: one row per entity that is known by then."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape, lookup_sql
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.windows import Asked, WindowsAt, delay_sql, values_sql

ENTITIES = "sqlfeat_entities"


def state_at(connection: Connection, view: CompiledModel, at: datetime, limit: int | None) -> pa.Table:
    """The rows that hold at an instant, by key; an entity whose row has expired is left out.

    A view with windows gives every entity that has been seen, with its windows as of the instant.
    """
    instant = f"timestamptz {literal(at.isoformat())}"
    stored = view.window_view.plain if view.window_view else view.column_names
    listed = ", ".join(quote(name) for name in stored)
    relation = physical(view.name, view.fingerprint, "events" if view.window_view else "")
    shape = Shape(view.keys, view.time, stored)
    layout = f"({lookup_sql(shape, f'(select {listed} from {relation})', ties=True)})"
    keys = [quote(key) for key in view.keys]
    current = f"select * from {layout} where {USABLE} <= {instant} qualify row_number() over ("
    current += f"partition by {', '.join(keys)} " if keys else ""
    current += f"order by {USABLE} desc) = 1"
    fresh = f"where {EVENT} >= {instant} - {view.time.ttl.sql()}" if view.time.ttl and not view.window_view else ""
    order = ", ".join(keys) or "1"
    number = f"(row_number() over (order by {order})) - 1 as n" if keys else "0 as n"
    named = "".join(f", {key} as k{i}" for i, key in enumerate(keys))
    connection.execute(
        f"create or replace temp table {ENTITIES} as "
        f"select {number}, {instant} as t{named}, * exclude ({USABLE}, {EVENT}) from ({current}) {fresh}"
    )
    source = f"temp.{ENTITIES} as e"
    columns = [f"e.{quote(name)}" for name in view.column_names]
    if view.window_view is not None:
        events = physical(view.name, view.fingerprint, "events")
        items = {item.name for item in view.window_view.items}
        windows = WindowsAt(
            view=view.window_view,
            events=events,
            keys=view.keys,
            types=dict(connection.described(f"from {events}")),
            asked=Asked(f"temp.{ENTITIES}", len(view.keys)),
            wanted=tuple(item.name for item in view.window_view.items),
        )
        source += f" join (\n{values_sql(windows, connection.value(delay_sql(events)))}\n) as w on w.n = e.n"
        columns = [f"{'w' if name in items else 'e'}.{quote(name)}" for name in view.column_names]
    bound = "" if limit is None else f" limit {int(limit)}"
    return connection.arrow(f"select {', '.join(columns)} from {source} order by e.n{bound}")
