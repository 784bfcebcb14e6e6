"""What is prepared of a feature view when it is built, so that lookups need not sort, join widely or read events.

Beside the database lies a folder for each build of a view: the columns of the rows that can be current (``columns``),
and for windows the running totals of its events (``totals``), in the order in which they take effect and, where some
are late, in the order of event time. Inside the database a table of entities says where each one's rows lie in both.
The folder's name is in the record of the build, written in the transaction that makes the view; folders of earlier
builds go when a later one has been kept.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.columns import ColumnFolder, storable, write_columns
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.effects import (
    BY_EVENT,
    EFFECT,
    Contribution,
    Forms,
    contributions_of,
    effects_sql,
    magnitudes_sql,
    totals_reader,
)
from sqlfeat.engine.duckdb.fixed_point import MOST_ROWS, FixedPoint
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.plans import AS_TEXT
from sqlfeat.engine.duckdb.totals import WindowTotals
from sqlfeat.errors import RunError

_SORTED = "sqlfeat_sorted"
_EFFECTS = "sqlfeat_effects"
_BATCH = 122_880
ROWS = "rows"


@dataclass(frozen=True)
class Prepared:
    """What is prepared of one build of a view; ``totals`` is None where its windows need its events."""

    columns: ColumnFolder
    totals: WindowTotals | None


class Layouts:
    """The prepared folders that belong to one database."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._open: dict[str, Prepared] = {}

    def prepare(
        self, view: CompiledModel, relation: str, columns: tuple[str, ...], *, delay: int | None = None
    ) -> dict[str, Any]:
        """Prepare a view from its rows, inside the transaction that makes it; gives the facts to record.

        ``delay`` is the longest delay of a view's events in microseconds, where it has windows.

        Raises:
            RunError: ``duplicate-keys`` where an immutable relation has a key twice.
        """
        shape = Shape(view.keys, view.time, columns)
        ties = int(self._connection.value(layout.ties_sql(shape, relation)) or 0)
        if view.time.immutable and not view.time.event_time and ties:
            keys = ", ".join(view.keys)
            raise RunError("duplicate-keys", f"{view.name} is immutable, and {ties} of its keys ({keys}) occur twice.")
        sql = layout.lookup_sql(shape, relation, ties=ties > 0)
        items = self._items(columns, dict(self._connection.described(f"select * from {relation}")))
        facts: dict[str, Any] = {"ties": ties} if ties else {}
        if view.window_view is not None:
            facts["longest_delay"] = delay
        if not self._storable(f"select {items} from ({sql}) limit 0"):
            table = physical(view.name, view.fingerprint, "lookup")
            self._connection.execute(f"create or replace table {table} as\n{sql}")
            return facts
        name = f"{view.fingerprint}-{secrets.token_hex(4)}"
        totals = self._write_totals(view, self._folder / name, late=bool(delay))
        self._connection.execute(f"create or replace temp table {_SORTED} as\n{sql}")
        self._write_entities(view, shape, relation, with_effects=totals is not None)
        rows = self._connection.batches(f"select {items} from temp.{_SORTED}", _BATCH)
        write_columns(self._folder / name / ROWS, rows)
        self._connection.execute(f"drop table temp.{_SORTED}")
        return {**facts, "layout": name, "totals": totals}

    def open(self, view: CompiledModel, facts: Mapping[str, Any]) -> Prepared | None:
        """What is prepared of a recorded build; None where nothing is, or it is not whole any more."""
        name = facts.get("layout")
        if not isinstance(name, str):
            return None
        if name not in self._open:
            try:
                self._open[name] = self._opened(view, self._folder / name, facts)
            except (FileNotFoundError, ValueError, KeyError):
                return None
        return self._open[name]

    def forget_earlier(self, fingerprint: str, facts: Mapping[str, Any]) -> None:
        """Delete the folders of earlier builds of a definition, once a later build has been kept."""
        kept = facts.get("layout")
        for folder in self._folder.glob(f"{fingerprint}-*"):
            if folder.name != kept:
                self._open.pop(folder.name, None)
                shutil.rmtree(folder, ignore_errors=True)

    def _opened(self, view: CompiledModel, folder: Path, facts: Mapping[str, Any]) -> Prepared:
        columns = ColumnFolder(folder / ROWS)
        if not facts.get("totals"):
            return Prepared(columns, None)
        by_effect = ColumnFolder(folder / EFFECT)
        by_event = ColumnFolder(folder / BY_EVENT) if facts.get("longest_delay") else by_effect
        kept = [_Kept.from_fact(fact) for fact in facts["totals"]]
        forms = {i: one.form for i, one in enumerate(kept) if one.form is not None}
        return Prepared(columns, WindowTotals(by_effect, by_event, [one.contribution for one in kept], forms))

    # -- rows ------------------------------------------------------------------------------------------------------

    def _write_entities(self, view: CompiledModel, shape: Shape, relation: str, *, with_effects: bool) -> None:
        """Where each entity's rows lie, and its effects; a global view is one entity without keys.

        Where rows can be late, also when the first of them happened: what was asked for then was not known yet.
        """
        rows = f"({_ranges(f'temp.{_SORTED}', [quote(key) for key in view.keys])})"
        columns, join = "r.*", ""
        if with_effects:
            columns += ", e.start as effect_start, e.n_rows as effect_rows"
            conditions = " and ".join(f"r.k{i} = e.k{i}" for i in range(len(view.keys))) or "true"
            effects = _ranges(f"temp.{_EFFECTS}", [f"k{i}" for i in range(len(view.keys))])
            join = f" left join ({effects}) as e on {conditions}"
        if shape.delayed:
            columns += ", f.happened"
            conditions = " and ".join(f"r.k{i} = f.k{i}" for i in range(len(view.keys))) or "true"
            join += f" left join ({_first_events(shape, relation)}) as f on {conditions}"
        table = physical(view.name, view.fingerprint, "entities")
        self._connection.execute(f"create or replace table {table} as\nselect {columns} from {rows} as r{join}")
        if with_effects:
            self._connection.execute(f"drop table temp.{_EFFECTS}")

    def _items(self, columns: tuple[str, ...], types: Mapping[str, str]) -> str:
        items = [USABLE, EVENT]
        for name in columns:
            kept = types[name].startswith(AS_TEXT) and "[" not in types[name]
            items.append(f"cast({quote(name)} as varchar) as {quote(name)}" if kept else quote(name))
        return ", ".join(items)

    def _storable(self, sql: str) -> bool:
        return all(storable(field.type) for field in self._connection.arrow(sql).schema)

    # -- totals ----------------------------------------------------------------------------------------------------

    def _write_totals(self, view: CompiledModel, folder: Path, *, late: bool) -> list[Any] | None:
        """Write the running totals of a view's events; gives what is kept, None where its windows need the events."""
        if view.window_view is None:
            return None
        events = physical(view.name, view.fingerprint, "events")
        types = dict(self._connection.described(f"from {events}"))
        kept = self._kept(view, events, types, late=late)
        if not kept:
            return None
        contributions = [one.contribution for one in kept]
        forms = {i: one.form for i, one in enumerate(kept) if one.form is not None}
        sql = effects_sql(view.keys, events, contributions, types, EFFECT)
        self._connection.execute(f"create or replace temp table {_EFFECTS} as\n{sql}")
        fits = self._write_order(folder / EFFECT, f"select * from temp.{_EFFECTS}", contributions, forms)
        if fits and late:
            by_event = effects_sql(view.keys, events, contributions, types, BY_EVENT)
            fits = self._write_order(folder / BY_EVENT, by_event, contributions, forms)
        if not fits:
            shutil.rmtree(folder, ignore_errors=True)
            self._connection.execute(f"drop table temp.{_EFFECTS}")
        return [one.as_fact() for one in kept] if fits else None

    def _write_order(self, folder: Path, sql: str, contributions: Sequence[Contribution], forms: Forms) -> bool:
        reader, fits = totals_reader(self._connection.batches(sql, _BATCH), contributions, forms)
        write_columns(folder, reader)
        return fits[0]

    def _kept(self, view: CompiledModel, events: str, types: Mapping[str, str], *, late: bool) -> list[_Kept]:
        """What can be kept of what the windows need: extremes only where nothing is late or replaced."""
        assert view.window_view is not None
        needed = [c for aggregate in view.window_view.aggregates for c in contributions_of(aggregate, types)]
        kept = []
        for contribution in dict.fromkeys(needed):
            if contribution.kind in ("min", "max") and (late or view.time.unique_key):
                continue
            form = None
            if contribution.kind == "float":
                smallest, largest, special = self._connection.execute(magnitudes_sql(contribution, types, events))[0]
                form = FixedPoint.covering(smallest, largest, special)
                rows = int(self._connection.value(f"select count(*) from {events}"))
                if form is None or rows > MOST_ROWS or (special and view.time.unique_key):
                    continue
            kept.append(_Kept(contribution, form))
        return kept


@dataclass(frozen=True)
class _Kept:
    """A contribution whose totals are kept, and for sums of floats how these are written."""

    contribution: Contribution
    form: FixedPoint | None

    def as_fact(self) -> list[Any]:
        """The same as plain values, for the record of a build."""
        form = [self.form.low, self.form.digits, self.form.special] if self.form else None
        return [self.contribution.kind, self.contribution.argument, self.contribution.filter, form]

    @classmethod
    def from_fact(cls, fact: Sequence[Any]) -> _Kept:
        kind, argument, condition, form = fact
        return cls(Contribution(kind, argument, condition), FixedPoint(*form) if form else None)


def _first_events(shape: Shape, relation: str) -> str:
    """When the first row of each key happened, known or not."""
    keys = "".join(f"{quote(key)} as k{i}, " for i, key in enumerate(shape.keys))
    grouped = "group by " + ", ".join(quote(key) for key in shape.keys) if shape.keys else ""
    return f"select {keys}min({shape.event}) as happened from {relation} where {shape.available} is not null {grouped}"


def _ranges(relation: str, keys: Sequence[str]) -> str:
    """Where the rows of each key lie in a sorted relation: its keys as k0, k1, …, first position and number of rows."""
    if not keys:
        return f"select 0::bigint as start, count(*)::bigint as n_rows from {relation}"
    named = ", ".join(f"{key} as k{i}" for i, key in enumerate(keys))
    listed = ", ".join(keys)
    return (
        f"select {named}, (sum(count(*)) over (order by {listed}) - count(*))::bigint as start, "
        f"count(*)::bigint as n_rows from {relation} group by {listed} order by {listed}"
    )
