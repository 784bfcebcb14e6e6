"""A training set's logical plan, run on DuckDB: label rows in order, looked up chunk by chunk, one SELECT over all.

Every step gives exactly one row for each label row; they are laid side by side by position, which is asserted. The
author's SELECT runs over the whole as it was written, and its rows are kept in a temporary table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, Lookup, Manifest, TrainingSetPlan
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.base import Assembled, Record, RowsRequest
from sqlfeat.engine.duckdb.asked_rows import AskedRows, ask
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.feature_lookup import FeatureLookup, Found, side_by_side
from sqlfeat.engine.duckdb.layout import asked_instant
from sqlfeat.engine.duckdb.outputs import (
    OUTPUT,
    Division,
    KeptRows,
    divided,
    drop_kept,
    forget_kept,
    gives_outputs_alone,
    rows_within,
    undivided,
)
from sqlfeat.engine.duckdb.plans import CHUNK_ROWS, PIECE_BYTES, WINDOW_CHUNK_ROWS
from sqlfeat.engine.duckdb.prepared import Layouts
from sqlfeat.errors import RunError

ROWS = "__sqlfeat_rows"
CHUNK = "__sqlfeat_chunk"
NUMBER = "__sqlfeat_n"
INSTANT = "__sqlfeat_t"
GIVEN = "__sqlfeat_given_rows"
WITHOUT = "__sqlfeat_without"


@dataclass(frozen=True)
class _Chunk:
    """Some label rows: the number of the first, how many, and the relation that has them with their numbers."""

    first: int
    rows: int
    relation: str


class Assembly:
    """One training set being assembled on a connection, in temporary tables that the next one drops."""

    def __init__(
        self,
        connection: Connection,
        layouts: Layouts,
        records: Mapping[str, Record],
        name_of: Callable[[str], str],
        manifest: Manifest,
        model: CompiledModel,
        request: RowsRequest,
        threads: int,
    ) -> None:
        assert model.training_set is not None
        self._connection = connection
        self._layouts = layouts
        self._records = records
        self._name_of = name_of
        self._manifest = manifest
        self._model = model
        self._plan: TrainingSetPlan = model.training_set
        self._request = request
        self._threads = threads
        self._label_name = self._plan.labels.rsplit(".", 1)[1]
        self._numbered = ""
        self._beside: ThreadPoolExecutor

    def run(self) -> Assembled:
        """The assembled rows; raises :class:`RunError` if they are not one for each label row."""
        total = self._in_order()
        with self._pool("blocks") as workers, self._pool("lookups") as self._beside:
            lookups = [self._feature_lookup(lookup, workers) for lookup in self._plan.lookups]
            return self._piece(lookups, 0, total, total)

    def pieces(self) -> Iterator[Assembled]:
        """The same rows piece by piece in their order, none kept but the one that was given last; at least one.

        What reports say is of all pieces so far.
        """
        total = self._in_order()
        most = rows_within(self._model.columns, PIECE_BYTES)
        with self._pool("blocks") as workers, self._pool("lookups") as self._beside:
            lookups = [self._feature_lookup(lookup, workers) for lookup in self._plan.lookups]
            for first in range(0, max(total, 1), most):
                drop_kept(self._connection)
                yield self._piece(lookups, first, min(total - first, most), total)

    def _pool(self, name: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix=name)

    def _in_order(self) -> int:
        """Number the label rows in their order, under a name of their own; how many they are."""
        self._drop_leftovers()
        given, without = self._request.rows, self._request.without
        with ExitStack() as registered:
            if given is not None and not isinstance(given, str):
                registered.enter_context(self._connection.registered(GIVEN, given))
            if without is not None and not isinstance(without, str):
                registered.enter_context(self._connection.registered(WITHOUT, without))
            return self._label_rows(self._stored_rows() if given is None else self._given_rows(given))

    def _piece(self, lookups: Sequence[FeatureLookup], begin: int, rows: int, total: int) -> Assembled:
        columns = self._model.columns if gives_outputs_alone(self._plan) else None
        kept = KeptRows(self._connection, columns, rows)
        division = self._divided(lookups) if kept.in_memory else undivided(self._plan)
        most = WINDOW_CHUNK_ROWS if any(one.has_windows for one in lookups) else CHUNK_ROWS
        end = begin + rows
        for first in range(begin, max(end, begin + 1), most):
            chunk = self._chunk(first, min(end - first, most), total)
            self._assemble_chunk(lookups, chunk, division, kept)
        found = kept.finish()
        if found != rows:
            raise self._rows_lost(found, rows)
        reports = tuple(one.tally.report(one.lookup, self._ties(one.lookup)) for one in lookups)
        return Assembled(OUTPUT, rows, self._model.columns, reports)

    def _rows_lost(self, found: int, rows: int) -> RunError:
        return RunError(
            "rows-lost",
            f"{self._model.name} has {found} rows for {rows} label rows.",
            self._model.place(),
            "its list must be scalar: an expression of it has dropped or multiplied rows.",
        )

    def _divided(self, lookups: Sequence[FeatureLookup]) -> Division:
        gathered = {one.lookup.name: one.gathered() for one in lookups}
        return divided(self._plan, [column.name for column in self._model.columns], gathered)

    # -- label rows ------------------------------------------------------------------------------------------------

    def _stored_rows(self) -> str:
        request, as_of = self._request, quote(self._plan.as_of)
        conditions = self._between()
        if request.where:
            conditions.append(f"({request.where})")
        where = f" where {' and '.join(conditions)}" if conditions else ""
        replaced = ""
        if request.at:
            kind = next(c.type for c in self._plan.label_columns if c.name == self._plan.as_of)
            replaced = f" replace (cast({_timestamp(request.at)} as {kind}) as {as_of})"
        source = f"select *{replaced} from {self._name_of(self._plan.labels)}{where}"
        return f"select * from ({source}){self._left_out()} order by {self._order()}"

    def _between(self) -> list[str]:
        request, instant = self._request, asked_instant(self._plan.as_of)
        bounds = [(request.start, ">="), (request.end, "<")]
        return [f"{instant} {sign} {_timestamp(value)}" for value, sign in bounds if value]

    def _order(self) -> str:
        """As-of time, keys, and all remaining columns."""
        own = {column.name for column in self._plan.label_columns}
        keys = [name for name in self._model.config.keys if name in own and name != self._plan.as_of]
        rest = [c.name for c in self._plan.label_columns if c.name not in (self._plan.as_of, *keys)]
        return ", ".join(f"{quote(name)} asc nulls first" for name in (self._plan.as_of, *keys, *rest))

    def _given_rows(self, rows: pa.Table | pa.RecordBatchReader | str) -> str:
        """Request rows in the order given, a node's in that of label rows.

        What only outputs use that are no model input may be missing.
        """
        source = self._name_of(rows) if isinstance(rows, str) else GIVEN
        names = self._names_in(f"from {source}") if isinstance(rows, str) else rows.schema.names
        given = {name.casefold(): quote(name) for name in names}
        if self._request.at is not None:
            given[self._plan.as_of.casefold()] = _timestamp(self._request.at)
        needed = list(dict.fromkeys([self._plan.as_of, *self._plan.needed, *self._names_without()]))
        missing = [name for name in needed if name.casefold() not in given]
        if missing:
            raise self._missing(missing, needed)
        items = [
            f"cast({given.get(column.name.casefold(), 'null')} as {column.type}) as {quote(column.name)}"
            for column in self._plan.label_columns
        ]
        text = f"select {', '.join(items)} from {source}"
        conditions = self._between()
        where = f" where {' and '.join(conditions)}" if conditions else ""
        if isinstance(rows, str):
            return f"select * from ({text}){self._left_out()}{where} order by {self._order()}"
        if not where and self._request.without is None:
            return text
        numbered = f"select *, row_number() over () as {NUMBER} from ({text})"
        return f"select * exclude ({NUMBER}) from ({numbered}){self._left_out()}{where} order by {NUMBER}"

    def _missing(self, missing: Sequence[str], needed: Sequence[str]) -> RunError:
        named = ", ".join(repr(name) for name in missing)
        columns = "column" if len(missing) == 1 else "columns"
        one_time = " --at TIME is one as-of time for all." if self._plan.as_of in missing else ""
        return RunError(
            "missing-request-column",
            f"The rows have no {columns} {named}, which {self._model.name} needs.",
            hint=f"needed are: {', '.join(needed)}.{one_time}",
        )

    def _left_out(self) -> str:
        """The join that leaves out the rows that are not asked for."""
        without = self._request.without
        if without is None:
            return ""
        types = {column.name.casefold(): column.type for column in self._plan.label_columns}
        items, equal = [], []
        for place, name in enumerate(self._names_without()):
            is_time = name.casefold() == self._plan.as_of.casefold()
            type_ = "timestamptz" if is_time else types[name.casefold()]
            own = asked_instant(self._plan.as_of) if is_time else quote(name)
            items.append(f"cast({quote(name)} as {type_}) as __sqlfeat_w{place}")
            equal.append(f"__sqlfeat_w{place} is not distinct from {own}")
        source = f"({without})" if isinstance(without, str) else WITHOUT
        return f" anti join (select {', '.join(items)} from {source}) on {' and '.join(equal)}"

    def _names_without(self) -> list[str]:
        """The columns that tell which rows are left out."""
        without = self._request.without
        if without is None:
            return []
        return self._names_in(without) if isinstance(without, str) else list(without.schema.names)

    def _names_in(self, query: str) -> list[str]:
        return [name for name, _ in self._connection.described(query)]

    def _label_rows(self, source: str) -> int:
        """Keep label rows in the order in which they come, and number them; how many they are.

        A row's number is where the table has it, which costs nothing, unless a column has taken that name.
        """
        items = f"{asked_instant(self._plan.as_of)} as {INSTANT}, *"
        self._numbered = f"(select rowid as {NUMBER}, * from temp.{ROWS})"
        if any(column.name.casefold() == "rowid" for column in self._plan.label_columns):
            items = f"(row_number() over ()) - 1 as {NUMBER}, {items}"
            self._numbered = f"temp.{ROWS}"
        self._connection.execute(f"create temp table {ROWS} as\nselect {items} from ({source})")
        return int(self._connection.value(f"select count(*) from temp.{ROWS}"))

    # -- chunks ----------------------------------------------------------------------------------------------------

    def _feature_lookup(self, lookup: Lookup, workers: ThreadPoolExecutor) -> FeatureLookup:
        view = self._manifest.models[lookup.view]
        facts = self._records[view.id].facts if view.id in self._records else {}
        prepared = self._layouts.open(view, facts)
        stored = prepared is None and not facts.get("layout") and view.id in self._records
        known_at = self._request.known_at
        return FeatureLookup(self._connection, lookup, view, prepared, stored, known_at, workers)

    def _chunk(self, first: int, rows: int, total: int) -> _Chunk:
        """Some of the label rows, in a table of their own unless they are all."""
        if rows == total:
            return _Chunk(first, rows, self._numbered)
        self._connection.execute(
            f"create or replace temp table {CHUNK} as select * from {self._numbered} "
            f"where {NUMBER} >= {first} and {NUMBER} < {first + rows} order by {NUMBER}"
        )
        return _Chunk(first, rows, f"temp.{CHUNK}")

    def _assemble_chunk(
        self, lookups: Sequence[FeatureLookup], chunk: _Chunk, division: Division, kept: KeptRows
    ) -> None:
        """Look everything up for some label rows, and keep what the author's SELECT makes of them."""
        done: dict[str, tuple[Lookup, Found]] = {}
        asked: dict[tuple[str, ...], AskedRows] = {}
        with ExitStack() as registered:
            while len(done) < len(lookups):
                for one, found in self._ready(lookups, chunk, division, done, asked):
                    for name, table in found.registered.items():
                        registered.enter_context(self._connection.registered(name, table))
                    done[one.lookup.name] = (one.lookup, found)
            labels = f"r.* exclude ({NUMBER}, {INSTANT})"
            wide = side_by_side(chunk.relation, list(done.values()), labels, division.read)
            self._connection.execute(f"create or replace temp view {quote(self._label_name)} as {wide}")
            text = with_relations(self._plan.select.text, lambda node: f"temp.{quote(self._label_name)}").text
            if kept.in_memory:
                computed = self._connection.arrow(kept.select(division, text))
                if computed.num_rows != chunk.rows:
                    raise self._rows_lost(computed.num_rows, chunk.rows)
                kept.add(computed, {o: done[name][1].columns[c] for o, (name, c) in division.found.items()})
            else:
                kept.add_query(text)
            self._connection.execute(f"drop view temp.{quote(self._label_name)}")

    def _ready(
        self,
        lookups: Sequence[FeatureLookup],
        chunk: _Chunk,
        division: Division,
        done: Mapping[str, tuple[Lookup, Found]],
        asked: dict[tuple[str, ...], AskedRows],
    ) -> list[tuple[FeatureLookup, Found]]:
        """What can be looked up once others are done: side by side, but for what needs the database."""
        started: list[tuple[FeatureLookup, Callable[[], Found]]] = []
        for one in lookups:
            if one.lookup.name in done or not all(name in done for name in one.lookup.after):
                continue
            keys_sql = self._keys_sql(one.lookup, chunk, [done[name] for name in one.lookup.after], division)
            told = self._asked(one, lookups, asked, keys_sql, chunk)
            run = partial(one.run, keys_sql, chunk.first, chunk.rows, told)
            started.append((one, run if one.needs_the_database else self._beside.submit(run).result))
        return [(one, result()) for one, result in started]

    def _asked(
        self,
        one: FeatureLookup,
        lookups: Sequence[FeatureLookup],
        asked: dict[tuple[str, ...], AskedRows],
        keys_sql: str,
        chunk: _Chunk,
    ) -> AskedRows | None:
        """The ranges of the label rows' entities: asked once for all lookups by the same keys."""
        if not one.gathers:
            return None
        keys = tuple(sql for _, sql in one.lookup.keys)
        if keys not in asked:
            alike = [o for o in lookups if o.gathers and tuple(sql for _, sql in o.lookup.keys) == keys]
            asked[keys] = ask(self._connection, [o.asking() for o in alike], keys_sql, chunk.first, chunk.rows)
        return asked[keys]

    def _keys_sql(
        self, lookup: Lookup, chunk: _Chunk, earlier: Sequence[tuple[Lookup, Found]], division: Division
    ) -> str:
        """Number, instant and keys of every label row; keys may come from earlier lookups."""
        alias = quote(self._plan.alias or self._label_name)
        items = "".join(f", {sql} as k{i}" for i, (_, sql) in enumerate(lookup.keys))
        source = side_by_side(chunk.relation, earlier, "r.*", division.read)
        return f"select {alias}.{NUMBER} as n, {alias}.{INSTANT} as t{items} from ({source}) as {alias}"

    def _ties(self, lookup: Lookup) -> int:
        """Groups of rows that only the remaining columns order; of no concern where windows alone are asked for."""
        record = self._records.get(f"model.{lookup.view}")
        windows = self._manifest.models[lookup.view].window_view
        items = {item.name for item in windows.items} if windows else set()
        plain = any(column not in items for column in lookup.columns)
        return int(record.facts.get("ties", 0)) if record and plain else 0

    def _drop_leftovers(self) -> None:
        """Drop what an earlier assembly has left on this connection."""
        forget_kept(self._connection)
        leftovers: list[tuple[Any, ...]] = self._connection.execute(
            "select 'table', table_name from duckdb_tables() where temporary union all "
            "select 'view', view_name from duckdb_views() where temporary and not internal"
        )
        for kind, name in sorted(leftovers, reverse=True):
            self._connection.execute(f"drop {kind} temp.{quote(name)}")


def _timestamp(value: Any) -> str:
    return f"timestamptz {literal(value.isoformat())}"
