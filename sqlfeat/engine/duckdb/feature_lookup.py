"""One feature view looked up for one chunk of label rows, by the plan that ``plans`` chooses.

Whatever the plan, the outcome is the same: for every label row of the chunk, in their order, the columns of the row
that holds at its instant (TIME semantics, section 2), and the windows as of it (section 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, Lookup
from sqlfeat.engine.base import LookupReport
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.columns import ColumnFolder, as_int64, gather_all
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, USABLE, Shape
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.plans import Situation, choose
from sqlfeat.engine.duckdb.search import last_not_after
from sqlfeat.engine.duckdb.windows import Asked, WindowsAt, delay_sql, values_sql
from sqlfeat.errors import RunError

NEVER = -(2**63)
"""Before every instant: what a null as-of time is searched for, and never found."""


@dataclass
class Tally:
    """How a lookup went, added up over the chunks."""

    rows: int = 0
    found: int = 0
    expired: int = 0
    not_yet_known: int = 0

    def report(self, lookup: Lookup, ties: int) -> LookupReport:
        """The tally as it is told."""
        missing = self.rows - self.found - self.expired - self.not_yet_known
        return LookupReport(
            lookup.name, lookup.view, self.rows, self.found, self.expired, self.not_yet_known, missing, ties
        )


@dataclass(frozen=True)
class Found:
    """A lookup's outcome for a chunk: relations to be joined by position, and the SQL of every column."""

    relations: tuple[str, ...]
    fields: Mapping[str, str]
    registered: Mapping[str, pa.Table] = field(default_factory=dict)


class FeatureLookup:
    """One lookup of a training set; the same object serves every chunk.

    ``columns`` are the view's prepared columns; ``stored`` says that its prepared rows are a table instead.
    """

    def __init__(
        self,
        connection: Connection,
        lookup: Lookup,
        view: CompiledModel,
        columns: ColumnFolder | None,
        stored: bool,
        known_at: datetime | None,
        workers: ThreadPoolExecutor,
    ) -> None:
        self.lookup = lookup
        self.tally = Tally()
        self._connection = connection
        self._view = view
        self._columns = columns
        self._stored = stored
        self._known_at = known_at
        self._workers = workers
        self._plan = choose(Situation(columns is not None, known_at is not None))
        self._types = {column.name: column.type for column in view.columns}
        items = {item.name for item in view.window_view.items} if view.window_view else set()
        self._plain = [name for name in lookup.columns if name not in items]
        self._windowed = [name for name in lookup.columns if name in items]
        self._ttl = (lookup.ttl or view.time.ttl) if view.time.event_time else None

    def run(self, keys_sql: str, first: int, rows: int) -> Found:
        """Look up for the ``rows`` label rows from number ``first`` on; ``keys_sql`` gives n, t, k0, k1, …"""
        if self._plan == "asof" or self._windowed:
            self._connection.execute(f"create or replace temp table {self.lookup.name}_keys as {keys_sql}")
            keys_sql = f"select * from temp.{self.lookup.name}_keys"
        found = self._gathered(keys_sql, first, rows) if self._plan == "gather" else self._joined(first, rows)
        self.tally.rows += rows
        if not self._windowed:
            return found
        windows = f"{self.lookup.name}_windows"
        sql = f"{self._windows_sql()} order by n"
        self._connection.execute(f"create or replace temp table {windows} as\n{sql}")
        self._assert_aligned(f"temp.{windows}", first, rows)
        fields = {**found.fields, **{name: f"{windows}.{quote(name)}" for name in self._windowed}}
        return Found((*found.relations, windows), fields, found.registered)

    # -- gather ----------------------------------------------------------------------------------------------------

    def _gathered(self, keys_sql: str, first: int, rows: int) -> Found:
        assert self._columns is not None
        asked = self._connection.arrow(self._ranges_sql(keys_sql))
        numbers = as_int64(asked["n"], NEVER)
        if len(numbers) != rows:
            raise RunError("rows-lost", f"{self._view.name}: {len(numbers)} rows came back for {rows} label rows.")
        if rows and (numbers[0] != first or not np.array_equal(numbers, np.arange(first, first + rows))):
            order = np.argsort(numbers, kind="stable")
            if not np.array_equal(numbers[order], np.arange(first, first + rows)):
                raise RunError("rows-lost", f"{self._view.name}: label rows were lost or doubled in a lookup.")
            asked = asked.take(pa.array(order))
        instants = as_int64(asked["t"], NEVER)
        start, count = as_int64(asked["start"], 0), as_int64(asked["n_rows"], 0)
        usable = self._columns.instants(USABLE)
        positions, there = last_not_after(usable, start, count, instants, self.lookup.strict, self._workers)
        there &= instants != NEVER
        fresh = there
        if self._ttl is not None:
            edge = as_int64(asked["edge"], NEVER)
            fresh = there & (self._columns.instants(EVENT).take(positions, mode="clip") >= edge)
        self._count(keys_sql, there, fresh, first)
        gathered = gather_all(self._columns, self._plain, positions, fresh, self._workers)
        names = [f"c{i}" for i in range(len(self._plain))]
        table = pa.table(gathered, names=names) if names else pa.table({"c": pa.nulls(rows, pa.int8())})
        fields = {}
        for name, column in zip(self._plain, names, strict=True):
            fields[name] = f"cast({self.lookup.name}_found.{column} as {self._types[name]})"
        return Found((f"{self.lookup.name}_found",), fields, {f"{self.lookup.name}_found": table})

    def _ranges_sql(self, keys_sql: str) -> str:
        """Every label row with its instant and the range of positions that its entity's rows have."""
        entities = physical(self._view.name, self._view.fingerprint, "entities")
        conditions = [f"q.k{i} = e.{quote(key)}" for i, (key, _) in enumerate(self.lookup.keys)] or ["true"]
        edge = f", q.t - {self._ttl.sql()} as edge" if self._ttl else ""
        return (
            f"select q.n, q.t{edge}, e.start, e.n_rows from ({keys_sql}) as q "
            f"left join {entities} as e on {' and '.join(conditions)}"
        )

    def _count(self, keys_sql: str, there: Any, fresh: Any, first: int) -> None:
        self.tally.found += int(fresh.sum())
        self.tally.expired += int(there.sum() - fresh.sum())
        missing = np.flatnonzero(~there)
        if len(missing) and Shape(self._view.keys, self._view.time, ()).delayed:
            numbers = pa.table({"n": pa.array(missing + first)})
            with self._connection.registered("sqlfeat_missing", numbers):
                self.tally.not_yet_known += int(self._connection.value(self._not_yet_known_sql(keys_sql)))

    def _not_yet_known_sql(self, keys_sql: str) -> str:
        """Of the rows for which nothing was found, those whose entity had a row that was not known yet."""
        before = "<" if self.lookup.strict else "<="
        shape = Shape(self._view.keys, self._view.time, ())
        keys = "".join(f"{quote(key)}, " for key in self._view.keys)
        part = "events" if self._view.window_view else ""
        relation = physical(self._view.name, self._view.fingerprint, part)
        grouped = f"group by {keys[:-2]}" if keys else ""
        first = (
            f"select {keys}min({shape.event}) as happened from {relation} where {shape.available} is not null {grouped}"
        )
        conditions = [f"q.k{i} = e.{quote(key)}" for i, key in enumerate(self._view.keys)]
        return (
            f"select count(*) from ({keys_sql}) as q join sqlfeat_missing as m on m.n = q.n "
            f"join ({first}) as e on {' and '.join([*conditions, f'e.happened {before} q.t'])}"
        )

    # -- as-of join ------------------------------------------------------------------------------------------------

    def _joined(self, first: int, rows: int) -> Found:
        name = f"{self.lookup.name}_found"
        self._connection.execute(f"create or replace temp table {name} as\n{self._as_of_sql()}")
        self._assert_aligned(f"temp.{name}", first, rows)
        found, expired = self._connection.execute(
            f"select count(*) filter (where found), count(*) filter (where expired) from temp.{name}"
        )[0]
        self.tally.found += int(found)
        self.tally.expired += int(expired)
        return Found((name,), {column: f"{name}.{quote(column)}" for column in self._plain})

    def _as_of_sql(self) -> str:
        """One as-of join on the prepared rows, then the ttl on what it found."""
        comparison = ">" if self.lookup.strict else ">="
        conditions = [f"q.k{i} = v.{quote(key)}" for i, (key, _) in enumerate(self.lookup.keys)]
        conditions.append(f"q.t {comparison} v.{USABLE}")
        there = f"v.{USABLE} is not null"
        fresh = f"v.{EVENT} >= q.t - {self._ttl.sql()}" if self._ttl else "true"
        columns = [f"case when {fresh} then v.{quote(name)} end as {quote(name)}" for name in self._plain]
        columns += [f"({there} and {fresh}) as found", f"({there} and not ({fresh})) as expired"]
        return (
            f"select q.n, {', '.join(columns)} from temp.{self.lookup.name}_keys as q "
            f"asof left join {self._rows()} as v on {' and '.join(conditions)} order by q.n"
        )

    def _rows(self) -> str:
        """The rows that can be current, prepared or made anew: under ``known_at`` from what was known then."""
        view = self._view
        if self._stored and self._known_at is None:
            return physical(view.name, view.fingerprint, "lookup")
        relation = physical(view.name, view.fingerprint, "events" if view.window_view else "")
        columns = view.window_view.plain if view.window_view else view.column_names
        shape = Shape(view.keys, view.time, columns)
        where = f"{shape.available} <= {_timestamp(self._known_at)}" if self._known_at else "true"
        listed = ", ".join(quote(name) for name in columns)
        return f"({layout.lookup_sql(shape, f'(select {listed} from {relation})', ties=True, where=where)})"

    # -- windows ---------------------------------------------------------------------------------------------------

    def _windows_sql(self) -> str:
        view = self._view
        assert view.window_view is not None
        table = physical(view.name, view.fingerprint, "events")
        events = table
        if self._known_at is not None:
            events = f"(select * from {table} where {AVAILABLE} <= {_timestamp(self._known_at)})"
        windows = WindowsAt(
            view=view.window_view,
            events=events,
            keys=view.keys,
            types=dict(self._connection.described(f"from {table}")),
            asked=Asked(f"temp.{self.lookup.name}_keys", len(self.lookup.keys)),
            wanted=tuple(self._windowed),
            strict=self.lookup.strict,
        )
        return values_sql(windows, self._connection.value(delay_sql(events)))

    def _assert_aligned(self, relation: str, first: int, rows: int) -> None:
        """One row in, one row out: the relation holds the chunk's rows in their order."""
        wrong, found = self._connection.execute(
            f"select count(*) filter (where n is distinct from position), count(*) from "
            f"(select n, {first} + (row_number() over ()) - 1 as position from {relation})"
        )[0]
        if wrong or found != rows:
            raise RunError("rows-lost", f"{self._view.name}: label rows were lost or doubled in a lookup.")


def side_by_side(chunk: str, found: Sequence[tuple[Lookup, Found]], items: str) -> str:
    """The SELECT that lays label rows and lookups beside each other, each lookup as one struct."""
    columns, joins = [items], []
    for lookup, outcome in found:
        packed = ", ".join(f"{quote(name)} := {outcome.fields[name]}" for name in lookup.columns)
        columns.append(f"struct_pack({packed}) as {lookup.name}")
        joins += [f" positional join {relation}" for relation in outcome.relations]
    return f"select {', '.join(columns)} from {chunk} as r{''.join(joins)}"


def _timestamp(value: datetime | None) -> str:
    assert value is not None
    return f"timestamptz {literal(value.isoformat())}"
