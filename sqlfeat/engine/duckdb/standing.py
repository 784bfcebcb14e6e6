"""A feature view as it stands at one instant: one row per entity that is known by then."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape, before, lookup_sql
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.windows import ASKED, Asked, WindowsAt, delay_sql, values_sql

ENTITIES = "sqlfeat_entities"


def state_at(connection: Connection, view: CompiledModel, at: datetime, limit: int | None) -> pa.Table:
    """The rows that hold at an instant, by key; an entity whose row has expired is left out.

    A view with windows gives every entity that has been seen, with its windows as of the instant; plain columns of an
    expired row are null there.
    """
    instant = f"timestamptz {literal(at.isoformat())}"
    keys = ", ".join(quote(key) for key in view.keys)
    number = f"(row_number() over (order by {keys})) - 1" if keys else "0"
    fresh = f"{EVENT} >= {before(instant, view.time.ttl)}" if view.time.ttl and view.time.event_time else "true"
    kept = "true" if view.window_view else fresh
    connection.execute(
        f"create or replace temp table {ENTITIES} as\n"
        f"select {number} as {ASKED}, {fresh} as __sqlfeat_fresh, * from ({_current(view, instant)}) where {kept}"
    )
    source = f"temp.{ENTITIES} as e"
    items = {item.name for item in view.window_view.items} if view.window_view else set()
    if view.window_view is not None:
        source += f" join (\n{_windows(connection, view, instant)}\n) as w on w.{ASKED} = e.{ASKED}"
    entity = {key.casefold() for key in view.keys}
    columns = []
    for name in view.column_names:
        if name in items:
            columns.append(f"w.{quote(name)}")
        elif name.casefold() in entity:
            columns.append(f"e.{quote(name)}")
        else:
            columns.append(f"case when e.__sqlfeat_fresh then e.{quote(name)} end as {quote(name)}")
    bound = "" if limit is None else f" limit {int(limit)}"
    return connection.arrow(f"select {', '.join(columns)} from {source} order by e.{ASKED}{bound}")


def _current(view: CompiledModel, instant: str) -> str:
    """Of every entity the row that is current at the instant, however old it is."""
    stored = view.window_view.plain if view.window_view else view.column_names
    listed = ", ".join(quote(name) for name in stored)
    relation = physical(view.name, view.fingerprint, "events" if view.window_view else "")
    layout = lookup_sql(Shape(view.keys, view.time, stored), f"(select {listed} from {relation})", ties=True)
    keys = ", ".join(quote(key) for key in view.keys)
    partition = f"partition by {keys}" if keys else ""
    return f"select * from ({layout}) where {USABLE} <= {instant} qualify {USABLE} = max({USABLE}) over ({partition})"


def _windows(connection: Connection, view: CompiledModel, instant: str) -> str:
    assert view.window_view is not None
    events = physical(view.name, view.fingerprint, "events")
    keys = "".join(f", {quote(key)} as k{i}" for i, key in enumerate(view.keys))
    windows = WindowsAt(
        view=view.window_view,
        events=events,
        keys=view.keys,
        types=dict(connection.described(f"from {events}")),
        asked=Asked(f"(select {ASKED} as n, {instant} as t{keys} from temp.{ENTITIES})", len(view.keys)),
        wanted=tuple(item.name for item in view.window_view.items),
    )
    return values_sql(windows, connection.value(delay_sql(events)))
