"""What an online snapshot keeps of a feature view: the rows that hold from an instant on, and the events of windows.

A read at ``t``, at or after the snapshot's instant, finds among them exactly what the offline rule finds at ``t`` (TIME
semantics, section 4): of each entity the row that is current at the instant, those that become usable later, and for
strict lookups the one before; of its events those that some window can still reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.base import AVAILABLE_AT, EVENT_AT, KEY, KNOWN_AT, RANK, UNTIL_AT, USABLE_AT
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.columns import as_int64
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.gathering import gather_all
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, UNTIL, USABLE, Shape
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.prepared import Prepared
from sqlfeat.engine.duckdb.search import last_not_after
from sqlfeat.engine.duckdb.windows import Asked, WindowsAt, bounds_of, tokens_sql

_ROWS = "sqlfeat_snapshot_rows"
_UNORDERED = ("count", "sum", "avg", "mean", "min", "max", "median", "quantile_cont", "quantile_disc", "bool_or",
              "bool_and")  # fmt: skip
"""Aggregates that are the same in whatever order their events come."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def features_of(view: CompiledModel) -> tuple[str, ...]:
    """The plain columns of a view that lookups can ask for, its event time among them."""
    columns = view.window_view.plain if view.window_view else view.column_names
    keys = {key.casefold() for key in view.keys}
    return tuple(name for name in columns if name.casefold() not in keys)


def ranked_columns(view: CompiledModel) -> tuple[str, ...]:
    """The columns of an event that say which of two comes first, where it matters: for those that are pushed later."""
    assert view.window_view is not None
    aggregates = view.window_view.aggregates
    if not view.time.unique_key and all(aggregate.function in _UNORDERED for aggregate in aggregates):
        return ()
    return features_of(view)


def states(
    connection: Connection, view: CompiledModel, prepared: Prepared | None, at: datetime, threads: int
) -> pa.Table:
    """The rows of a view that can hold at an instant or later, by entity and in their order.

    Columns: the keys as ``k0`` …, ``USABLE_AT`` and ``EVENT_AT`` in microseconds since 1970, then :func:`features_of`.
    """
    ending = view.time.ttl if view.time.event_time else None
    keys = ", ".join(f"cast({quote(f'{KEY}{i}')} as {kind}) as {KEY}{i}" for i, kind in enumerate(_key_types(view)))
    types = {column.name: column.type for column in view.columns}
    listed = "".join(f", cast({quote(name)} as {types[name]}) as {quote(name)}" for name in features_of(view))
    times = f"{_microseconds(USABLE)} as {USABLE_AT}, {_microseconds(EVENT)} as {EVENT_AT}"
    instant = _timestamp(at)
    kept = f"where {USABLE} > {instant} or {EVENT} >= {layout.before(instant, ending)}" if ending else ""
    head = f"select {keys}{', ' if keys else ''}{times}{listed}"
    if prepared is None:
        rows = _current_rows(view, at)
        order = ", ".join([*(f"{KEY}{i}" for i in range(len(view.keys))), USABLE_AT])
        return connection.arrow(f"{head} from ({rows}) {kept} order by {order}")
    with connection.registered(_ROWS, _gathered(connection, view, prepared, at, threads)):
        return connection.arrow(f"{head} from {_ROWS} {kept}")


def _current_rows(view: CompiledModel, at: datetime) -> str:
    """The same from the view's table, where nothing is prepared."""
    columns = view.window_view.plain if view.window_view else view.column_names
    relation = physical(view.name, view.fingerprint, "events" if view.window_view else "")
    listed = ", ".join(quote(name) for name in columns)
    rows = layout.lookup_sql(Shape(view.keys, view.time, columns), f"(select {listed} from {relation})", ties=True)
    named = "".join(f"{quote(key)} as {KEY}{i}, " for i, key in enumerate(view.keys))
    partition = f"partition by {', '.join(quote(key) for key in view.keys)} " if view.keys else ""
    following = f"lead({USABLE}) over ({partition}order by {USABLE})"
    return f"select {named}* from ({rows}) qualify coalesce({following} >= {_timestamp(at)}, true)"


def _gathered(connection: Connection, view: CompiledModel, prepared: Prepared, at: datetime, threads: int) -> pa.Table:
    """The same from prepared columns, by a search in each entity's rows."""
    table = physical(view.name, view.fingerprint, "entities")
    entities = connection.arrow(f"select * from {table} where n_rows > 0 order by start")
    start, count = as_int64(entities["start"], 0), as_int64(entities["n_rows"], 0)
    asked = np.full(len(start), (at - _EPOCH) // timedelta(microseconds=1), np.int64)
    usable = prepared.columns.instants(USABLE)
    with ThreadPoolExecutor(threads, thread_name_prefix="publish") as workers:
        # strictly before: so the row that is current now, and the one before it where that begins at this very instant
        first, there = last_not_after(usable, start, count, asked, True, workers)
        first = np.where(there, first, start)
        lengths = start + count - first
        ends = np.cumsum(lengths)
        owners = np.repeat(np.arange(len(first)), lengths)
        positions = np.arange(len(owners)) - np.repeat(ends - lengths - first, lengths)
        found = np.ones(len(positions), np.bool_)
        names = [USABLE, EVENT, *features_of(view)]
        arrays = gather_all(prepared.columns, names, positions, found, workers)
    owned = pa.array(owners, pa.int64())
    keys = [entities[f"k{i}"].take(owned) for i in range(len(view.keys))]
    return pa.table([*keys, *arrays], names=[*(f"{KEY}{i}" for i in range(len(view.keys))), *names])


def events(connection: Connection, view: CompiledModel, at: datetime) -> pa.Table:
    """The events of a view that a window can reach at an instant or later, by entity and in the order of aggregates.

    Where a ``unique_key`` says what an event is, versions of it are among them that no window reaches, and that were
    known no longer ago than one does: they replace what may come later, and was known before.

    Columns: the keys as ``k0`` …, ``EVENT_AT``, ``KNOWN_AT`` and ``UNTIL_AT`` (the greatest number for never) in
    microseconds since 1970, then what the aggregates read; where there are :func:`ranked_columns`, ``AVAILABLE_AT`` and
    these.
    """
    assert view.window_view is not None
    instant = _timestamp(at)
    conditions = [f"({UNTIL} is null or {UNTIL} >= {instant})"]
    edges = {bounds_of(aggregate)[1] for aggregate in view.window_view.aggregates}
    if None not in edges:
        # an older version of an event may still be pushed: what was known since has replaced it, of whatever time it is
        times = [EVENT, AVAILABLE] if view.time.unique_key else [EVENT]
        reach = " or ".join(f"{time} >= {edge.before(instant)}" for edge in edges if edge for time in times)
        conditions.append(f"({reach})")
    return connection.arrow(_events_sql(view, physical(view.name, view.fingerprint, "events"), conditions))


def _events_sql(view: CompiledModel, relation: str, conditions: Sequence[str]) -> str:
    assert view.window_view is not None
    keys = "".join(f"{quote(key)} as {KEY}{i}, " for i, key in enumerate(view.keys))
    times = (
        f"{_microseconds(EVENT)} as {EVENT_AT}, {_microseconds(f'greatest({EVENT}, {AVAILABLE})')} as {KNOWN_AT}, "
        f"coalesce({_microseconds(UNTIL)}, 9223372036854775807) as {UNTIL_AT}"
    )
    read = "".join(f", {quote(argument.column)}" for argument in view.window_view.arguments)
    if ranked := ranked_columns(view):
        read += f", {_microseconds(AVAILABLE)} as {AVAILABLE_AT}" + "".join(f", {quote(name)}" for name in ranked)
    known = [*(f"{quote(key)} is not null" for key in view.keys), f"{EVENT} is not null", f"{AVAILABLE} is not null"]
    order = ", ".join([*(f"{KEY}{i}" for i in range(len(view.keys))), ROW])
    return f"select {keys}{times}{read} from {relation} where {' and '.join([*known, *conditions])} order by {order}"


def history(connection: Connection, view: CompiledModel, keys: pa.Table) -> pa.Table:
    """Every row of some entities that lookups can use, by entity and by when it becomes usable; ``keys`` names them.

    Columns: those of :func:`states`, and ``RANK``, which is the greater of two rows of one entity that would win.
    """
    columns = view.window_view.plain if view.window_view else view.column_names
    shape = Shape(view.keys, view.time, columns)
    types = {column.name: column.type for column in view.columns}
    relation = physical(view.name, view.fingerprint, "events" if view.window_view else "")
    listed = ", ".join(f"t.{quote(name)}" for name in columns)
    named = "".join(f"cast({quote(key)} as {types[key]}) as {KEY}{i}, " for i, key in enumerate(view.keys))
    partition = f"partition by {', '.join(quote(key) for key in view.keys)} " if view.keys else ""
    rank = f"row_number() over ({partition}order by {shape.ranking(ties=True)})"
    shown = "".join(f", cast({quote(name)} as {types[name]}) as {quote(name)}" for name in features_of(view))
    usable = f"greatest({shape.event}, {shape.available})"
    known = " and ".join([f"{shape.event} is not null", f"{shape.available} is not null"])
    order = ", ".join([*(f"{KEY}{i}" for i in range(len(view.keys))), USABLE_AT, RANK])
    with connection.registered(_ROWS, keys):
        return connection.arrow(
            f"select {named}{_microseconds(usable)} as {USABLE_AT}, {_microseconds(shape.event)} as {EVENT_AT}{shown}, "
            f"{rank} as {RANK} from (select {listed} from {relation} as t {_semi(view)}) where {known} order by {order}"
        )


def events_of(connection: Connection, view: CompiledModel, keys: pa.Table) -> pa.Table:
    """Every event of some entities, in the order and with the columns of :func:`events`."""
    relation = physical(view.name, view.fingerprint, "events")
    with connection.registered(_ROWS, keys):
        return connection.arrow(_events_sql(view, f"(select t.* from {relation} as t {_semi(view)})", ["true"]))


def _semi(view: CompiledModel) -> str:
    return f"semi join {_ROWS} using ({', '.join(quote(key) for key in view.keys)})" if view.keys else ""


def window_types(connection: Connection, view: CompiledModel) -> tuple[dict[str, str], pa.Schema]:
    """The types of what a view's windows read of an event and of their tokens; those of tokens and items as Arrow."""
    assert view.window_view is not None
    table = physical(view.name, view.fingerprint, "events")
    types = dict(connection.described(f"from {table}"))
    keys = "".join(f", {quote(key)} as k{i}" for i, key in enumerate(view.keys))
    asked = Asked(f"(select {ROW} as n, {EVENT} as t{keys} from {table})", len(view.keys))
    wanted = tuple(item.name for item in view.window_view.items)
    windows = WindowsAt(view.window_view, table, view.keys, types, asked, wanted)
    sql = tokens_sql(windows, windows.aggregates, None)
    tokens = dict(connection.described(sql))
    read = {argument.column: types[argument.column] for argument in view.window_view.arguments}
    named = {**read, **{call.call.token: tokens[call.call.token] for call in windows.aggregates}}
    own = connection.arrow(f"select * exclude (n) from ({sql}) limit 0").schema
    items = ", ".join(quote(name) for name in wanted)
    shown = connection.arrow(f"select {items} from {physical(view.name, view.fingerprint)} limit 0").schema
    return named, pa.schema([*own, *shown])


def _key_types(view: CompiledModel) -> list[str]:
    types = {column.name: column.type for column in view.columns}
    return [types[key] for key in view.keys]


def _microseconds(instant: str) -> str:
    """An instant as microseconds since 1970; the infinite ones as the greatest and the least number."""
    return (
        f"case when isfinite({instant}) then epoch_us({instant}) when {instant} > timestamptz '1970-01-01' "
        f"then 9223372036854775807 when {instant} is not null then -9223372036854775807 end"
    )


def _timestamp(value: datetime) -> str:
    return f"timestamptz {literal(value.isoformat())}"
