"""What is prepared of a feature view when it is built, so that lookups need not sort, join widely or read events.

Beside the database lies a folder for each build of a view: the columns of the rows that can be current (``columns``),
and for windows the running totals of its events (``totals``), apart those that are replaced one day or known much later
than others. Inside the database a table of entities says where each one's rows lie in both.
The folder's name is in the record of the build, written in the transaction that makes the view; folders of earlier
builds go when a later one has been kept.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.base.files import writing_to
from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.columns import ColumnFolder, storable, write_columns
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.current_rows import CurrentRows, first_positions
from sqlfeat.engine.duckdb.effects import (
    PASSING,
    SETTLED,
    Contribution,
    Kept,
    contributions_of,
    delays_sql,
    effects_sql,
    magnitudes_sql,
    part_sql,
    patience_of,
    reach_sql,
    totals_reader,
)
from sqlfeat.engine.duckdb.fixed_point import MOST_ROWS, FixedPoint
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.plans import AS_TEXT
from sqlfeat.engine.duckdb.totals import WindowTotals
from sqlfeat.engine.duckdb.windows import longest_window
from sqlfeat.errors import RunError

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

    def prepare(self, view: CompiledModel, table: str, columns: tuple[str, ...]) -> dict[str, Any]:
        """Prepare a view from its rows, inside the transaction that makes it; gives the facts to record.

        ``table`` keeps them, ``columns`` are those of them that can be looked up.

        Raises:
            RunError: ``duplicate-keys`` where an immutable relation has a key twice.
        """
        shape = Shape(view.keys, view.time, columns)
        rows = CurrentRows(self._connection, shape, table)
        items = self._items(table, columns, dict(self._connection.described(f"from {table}")))
        if not self._storable(f"select {items} from ({rows.all_sql}) limit 0"):
            ties = self._without_duplicates(view, rows.ties())
            kept = physical(view.name, view.fingerprint, "lookup")
            self._connection.execute(f"create or replace table {kept} as\n{rows.picked_sql(ties)}")
            return {"ties": ties} if ties else {}
        name = f"{view.fingerprint}-{secrets.token_hex(4)}"
        ties = self._without_duplicates(view, rows.pick()) if rows.picked else 0
        with _whole_or_none(self._folder / name) as folder:
            totals = self._write_totals(view, folder)
            if not self._write_rows(view, rows, items, folder, totals):
                ties = rows.pick()
                self._write_rows(view, rows, items, folder, totals)
        rows.forget()
        return {**({"ties": ties} if ties else {}), "layout": name, "totals": totals}

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
        totals = facts.get("totals")
        if not totals:
            return Prepared(columns, None)
        passing = ColumnFolder(folder / PASSING) if PASSING in totals["parts"] else None
        kept = [_from_fact(fact) for fact in totals["kept"]]
        return Prepared(columns, WindowTotals(ColumnFolder(folder / SETTLED), passing, kept))

    # -- rows ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _without_duplicates(view: CompiledModel, ties: int) -> int:
        if view.time.immutable and not view.time.event_time and ties:
            keys = ", ".join(view.keys)
            raise RunError("duplicate-keys", f"{view.name} is immutable, and {ties} of its keys ({keys}) occur twice.")
        return ties

    def _write_rows(
        self, view: CompiledModel, rows: CurrentRows, items: str, folder: Path, totals: Mapping[str, Any] | None
    ) -> bool:
        """Write the rows of a view and where each entity's lie; False where they must be picked first."""
        self._write_entities(view, rows, totals)
        starts = first_positions(self._connection, physical(view.name, view.fingerprint, "entities"))
        return rows.write(folder / ROWS, items, starts)

    def _write_entities(self, view: CompiledModel, current: CurrentRows, totals: Mapping[str, Any] | None) -> None:
        """Where each entity's rows lie, and its events; a global view is one entity without keys.

        Where rows can be late, also when the first of them happened: what was asked for then was not known yet.
        """
        rows = f"({_ranges(current.relation, [quote(key) for key in view.keys])})"
        columns, join = "r.*", ""
        events, keys = physical(view.name, view.fingerprint, "events"), [quote(key) for key in view.keys]
        for part in totals["parts"] if totals else ():
            columns += f", {part}.start as {part}_start, {part}.n_rows as {part}_rows"
            conditions = " and ".join(f"r.k{i} = {part}.k{i}" for i in range(len(view.keys))) or "true"
            where = part_sql(view.keys, part, totals["patience"] if totals else None)
            join += f" left join ({_ranges(events, keys, where)}) as {part} on {conditions}"
        if current.shape.delayed:
            columns += ", f.happened"
            conditions = " and ".join(f"r.k{i} = f.k{i}" for i in range(len(view.keys))) or "true"
            join += f" left join ({_first_events(current.shape, current.source)}) as f on {conditions}"
        table = physical(view.name, view.fingerprint, "entities")
        self._connection.execute(f"create or replace table {table} as\nselect {columns} from {rows} as r{join}")

    def _items(self, table: str, columns: tuple[str, ...], types: Mapping[str, str]) -> str:
        items = [USABLE, EVENT]
        for name in columns:
            kept = types[name].startswith(AS_TEXT) and "[" not in types[name]
            kind = "decimal(38, 0)" if kept and self._is_decimal(table, name, types[name]) else "varchar"
            items.append(f"cast({quote(name)} as {kind}) as {quote(name)}" if kept else quote(name))
        return ", ".join(items)

    def _is_decimal(self, table: str, column: str, kind: str) -> bool:
        """Whether huge integers, which sums of integers are, all have 38 digits at most."""
        if kind not in ("HUGEINT", "UHUGEINT"):
            return False
        name, least = quote(column), f"cast('1{'0' * 38}' as {kind})"
        inside = f"max({name}) < {least}" + (f" and min({name}) > -{least}" if kind == "HUGEINT" else "")
        return bool(self._connection.value(f"select coalesce({inside}, true) from {table}"))

    def _storable(self, sql: str) -> bool:
        return all(storable(field.type) for field in self._connection.arrow(sql).schema)

    # -- totals ----------------------------------------------------------------------------------------------------

    def _write_totals(self, view: CompiledModel, folder: Path) -> dict[str, Any] | None:
        """Write the running totals of a view's events; gives the facts of them, None where its windows need the events.

        ``patience`` is how late events may be that are not looked at one by one; None where none are late or replaced.
        """
        if view.window_view is None:
            return None
        events = physical(view.name, view.fingerprint, "events")
        types = dict(self._connection.described(f"from {events}"))
        kept = self._kept(view, events, types)
        late, span, delays = self._connection.execute(delays_sql(view.keys, events))[0]
        patience = patience_of(delays, longest_window(view.window_view, span or 0)) if late else None
        parts = [SETTLED, *([PASSING] if late else [])]
        while kept:
            unfit: set[int] = set()
            for part in parts:
                sql = effects_sql(view.keys, events, kept, types, part, patience)
                reader, too_large = totals_reader(self._connection.batches(sql, _BATCH), kept, part)
                write_columns(folder / part, reader)
                unfit |= too_large
            if not unfit:
                return {"parts": parts, "patience": patience, "kept": [_as_fact(one) for one in kept]}
            kept = [one for number, one in enumerate(kept) if number not in unfit]
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def _kept(self, view: CompiledModel, events: str, types: Mapping[str, str]) -> list[Kept]:
        """How what the windows need can be kept; without sums of floats that would take too many digits."""
        assert view.window_view is not None
        needed = [c for aggregate in view.window_view.aggregates for c in contributions_of(aggregate, types)]
        kept = []
        for contribution in dict.fromkeys(needed):
            rows, brought, narrow = self._connection.execute(reach_sql(view.keys, contribution, types, events))[0]
            if contribution.kind == "count":
                kept.append(Kept(contribution, plain=rows == brought))
            elif contribution.kind == "float":
                smallest, largest, special = self._connection.execute(magnitudes_sql(contribution, types, events))[0]
                form = FixedPoint.covering(smallest, largest, special)
                if form is not None and rows <= MOST_ROWS:
                    kept.append(Kept(contribution, form=form))
            else:
                kept.append(Kept(contribution, narrow=narrow))
        return kept


def _as_fact(kept: Kept) -> list[Any]:
    """A contribution that is kept as plain values, for the record of a build."""
    form = [kept.form.low, kept.form.digits, kept.form.special] if kept.form else None
    one = kept.contribution
    return [one.kind, one.argument, one.filter, form, kept.plain, kept.narrow]


def _from_fact(fact: Sequence[Any]) -> Kept:
    kind, argument, condition, form, plain, narrow = fact
    return Kept(Contribution(kind, argument, condition), FixedPoint(*form) if form else None, plain, narrow)


@contextmanager
def _whole_or_none(folder: Path) -> Iterator[Path]:
    """A folder that the block writes; nothing of it stays where the block fails."""
    try:
        with writing_to(folder):
            yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _first_events(shape: Shape, relation: str) -> str:
    """When the first row of each key happened, known or not."""
    keys = "".join(f"{quote(key)} as k{i}, " for i, key in enumerate(shape.keys))
    grouped = "group by " + ", ".join(quote(key) for key in shape.keys) if shape.keys else ""
    return f"select {keys}min({shape.event}) as happened from {relation} where {shape.available} is not null {grouped}"


def _ranges(relation: str, keys: Sequence[str], where: str = "true") -> str:
    """Where the rows of each key lie in a sorted relation: its keys as k0, k1, …, first position and number of rows."""
    if not keys:
        return f"select 0::bigint as start, count(*)::bigint as n_rows from {relation} where {where}"
    named = ", ".join(f"{key} as k{i}" for i, key in enumerate(keys))
    listed = ", ".join(keys)
    return (
        f"select {named}, (sum(count(*)) over (order by {listed}) - count(*))::bigint as start, "
        f"count(*)::bigint as n_rows from {relation} where {where} group by {listed} order by {listed}"
    )
