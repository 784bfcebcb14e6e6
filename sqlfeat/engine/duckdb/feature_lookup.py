"""One feature view looked up for one chunk of label rows, by the plan that ``plans`` chooses.

Whatever the plan, the outcome is the same: for every label row of the chunk, in their order, the columns of the row
that holds at its instant (TIME semantics, section 2), and the windows as of it (section 3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, Lookup, WindowAggregate
from sqlfeat.engine.base import LookupReport
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.asked_rows import NEVER, AskedRows, Asking, ask
from sqlfeat.engine.duckdb.columns import Flags
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.gathering import gather_all
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, UNTIL, USABLE, Shape
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.outputs import given_as
from sqlfeat.engine.duckdb.plans import Situation, choose
from sqlfeat.engine.duckdb.prepared import Prepared
from sqlfeat.engine.duckdb.runs import Asked as AskedInstants
from sqlfeat.engine.duckdb.search import Instants, last_not_after
from sqlfeat.engine.duckdb.windows import (
    Asked,
    Bound,
    WindowsAt,
    bounds_of,
    delay_sql,
    tokens_sql,
)
from sqlfeat.errors import RunError

AFTER_ALL = 2**63 - 1


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
    """A lookup's outcome for a chunk: relations to be joined by position, and the SQL and type of every column.

    ``columns`` are those that can be given as they were gathered.
    """

    relations: tuple[str, ...]
    fields: Mapping[str, str]
    types: Mapping[str, str] = field(default_factory=dict)
    registered: Mapping[str, pa.Table] = field(default_factory=dict)
    columns: Mapping[str, pa.ChunkedArray | pa.Array] = field(default_factory=dict)


class FeatureLookup:
    """One lookup of a training set; the same object serves every chunk.

    ``prepared`` is what is prepared of the view; ``stored`` says that its current rows are a table instead.
    """

    def __init__(
        self,
        connection: Connection,
        lookup: Lookup,
        view: CompiledModel,
        prepared: Prepared | None,
        stored: bool,
        known_at: datetime | None,
        workers: ThreadPoolExecutor,
    ) -> None:
        self.lookup = lookup
        self.tally = Tally()
        self._connection = connection
        self._view = view
        self._prepared = prepared
        self._stored = stored
        self._delayed = Shape(view.keys, view.time, ()).delayed
        self._known_at = known_at
        self._event_types: dict[str, str] | None = None
        self._workers = workers
        self._plan = choose(Situation(prepared is not None, known_at is not None))
        self._types = {column.name: column.type for column in view.columns}
        items = {item.name for item in view.window_view.items} if view.window_view else set()
        self._plain = [name for name in lookup.columns if name not in items]
        self._windowed = [name for name in lookup.columns if name in items]
        self._ttl = (lookup.ttl or view.time.ttl) if view.time.event_time else None

    @property
    def gathers(self) -> bool:
        """Whether columns are found by their positions, for which the ranges of entities are asked."""
        return self._plan == "gather"

    @property
    def needs_the_database(self) -> bool:
        """Whether more is asked of it than ranges."""
        return not self.gathers or self.reads_events()

    def gathered(self) -> Collection[str]:
        """The columns that are given as they are found."""
        if self._plan != "gather" or self._prepared is None:
            return ()
        schema = self._prepared.columns.schema
        return {name for name in self._plain if given_as(schema.field(name).type, self._types[name])}

    def run(self, keys_sql: str, first: int, rows: int, asked: AskedRows | None = None) -> Found:
        """Look up for the ``rows`` label rows from number ``first`` on; ``keys_sql`` gives n, t, k0, k1, …

        ``asked`` is what :func:`ask` has told of them, where it was asked for several lookups at once.
        """
        self.tally.rows += rows
        fast = self._from_totals()
        slow = [aggregate for aggregate in self._aggregates() if aggregate not in fast]
        if self._plan == "asof" or slow:
            self._connection.execute(f"create or replace temp table {self.lookup.name}_keys as {keys_sql}")
            keys_sql = f"select * from temp.{self.lookup.name}_keys"
        if self._plan == "gather":
            found, tokens = self._gathered(
                asked or ask(self._connection, [self.asking()], keys_sql, first, rows), rows, fast
            )
        else:
            found, tokens = self._joined(first, rows), {}
        relations = list(found.relations)
        if slow:
            relation = f"{self.lookup.name}_ranged"
            self._connection.execute(
                f"create or replace temp table {relation} as\nselect * from (\n{self._tokens_sql(slow)}\n) order by n"
            )
            self._assert_aligned(f"temp.{relation}", first, rows)
            relations.append(relation)
            tokens |= {a.call.token: f"{relation}.{quote(a.call.token)}" for a in slow}
        fields = {**found.fields, **self._window_fields(tokens)}
        return replace(found, relations=tuple(relations), fields=fields, types=self._types)

    @property
    def has_windows(self) -> bool:
        """Whether windows are asked for."""
        return bool(self._windowed)

    def reads_events(self) -> bool:
        """Whether some of the windows asked for are computed from the events in them."""
        return len(self._from_totals()) < len(self._aggregates())

    # -- gather ----------------------------------------------------------------------------------------------------

    def _gathered(self, asked: AskedRows, rows: int, fast: Sequence[WindowAggregate]) -> tuple[Found, dict[str, str]]:
        """The plain columns and, from prepared totals, the windows: the Arrow table, and the SQL of each token."""
        assert self._prepared is not None
        columns = self._prepared.columns
        instants = asked.integers("t", NEVER)
        start, count = asked.integers(self._own("start"), 0), asked.integers(self._own("n_rows"), 0)
        usable = columns.instants(USABLE)
        positions, there = last_not_after(usable, start, count, instants, self.lookup.strict, self._workers)
        there &= instants != NEVER
        fresh = there
        if self._ttl is not None:
            edge = asked.integers(self._own("edge"), NEVER)
            fresh = there & (columns.instants(EVENT).take(positions, mode="clip") >= edge)
        self._count(asked, instants, there, fresh)
        made: dict[str, pa.ChunkedArray | pa.Array] = {"c": pa.nulls(rows, pa.int8())}
        gathered = gather_all(columns, self._plain, positions, fresh, self._workers)
        name = f"{self.lookup.name}_found"
        fields, tokens = {}, {}
        for i, (column, values) in enumerate(zip(self._plain, gathered, strict=True)):
            made[f"c{i}"] = values
            fields[column] = f"cast({name}.c{i} as {self._types[column]})"
        for token, (values, kind) in self._sums(asked, fast, instants).items():
            made[token] = values
            tokens[token] = f"cast({name}.{quote(token)} as {kind})"
        columns_of = dict(zip(self._plain, gathered, strict=True))
        return Found((name,), fields, {}, {name: pa.table(made)}, columns_of), tokens

    def _sums(
        self, asked: AskedRows, fast: Sequence[WindowAggregate], instants: Instants
    ) -> dict[str, tuple[pa.Array, str]]:
        if not fast:
            return {}
        assert self._prepared is not None
        assert self._prepared.totals is not None
        edges = {bound: asked.integers(self._own(f"edge_{i}"), NEVER) for i, bound in enumerate(_edges(fast))}
        totals = self._prepared.totals
        ranges = {
            part: (asked.integers(self._own(f"{part}_start"), 0), asked.integers(self._own(f"{part}_rows"), 0))
            for part in totals.parts
        }
        return totals.values(
            self._windows(), fast, AskedInstants(instants, edges, ranges, self.lookup.strict), self._workers
        )

    def asking(self) -> Asking:
        """What must be known of each label row: where its entity's rows lie, how far back ttl and windows reach."""
        rows = {"edge": layout.before("q.t", self._ttl)} if self._ttl else {}
        fast = self._from_totals()
        rows |= {f"edge_{i}": bound.before("q.t") for i, bound in enumerate(_edges(fast))}
        named = ["start", "n_rows", *(["happened"] if self._delayed else [])]
        if fast and self._prepared is not None and self._prepared.totals is not None:
            named += [f"{part}_{what}" for part in self._prepared.totals.parts for what in ("start", "rows")]
        return Asking(
            view=self._view.name,
            keys=len(self.lookup.keys),
            rows={self._own(name): sql for name, sql in rows.items()},
            entities=physical(self._view.name, self._view.fingerprint, "entities"),
            ranges={self._own(name): name for name in named},
        )

    def _own(self, name: str) -> str:
        """The name of something that is asked for this lookup alone."""
        return f"{self.lookup.name}_{name}"

    def _count(self, asked: AskedRows, instants: Instants, there: Flags, fresh: Flags) -> None:
        self.tally.found += int(fresh.sum())
        self.tally.expired += int(there.sum() - fresh.sum())
        if self._delayed:
            happened = asked.integers(self._own("happened"), AFTER_ALL)
            before = happened < instants if self.lookup.strict else happened <= instants
            self.tally.not_yet_known += int((before & ~there).sum())

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
        fresh = f"v.{EVENT} >= {layout.before('q.t', self._ttl)}" if self._ttl else "true"
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

    def _windows(self) -> WindowsAt:
        view = self._view
        assert view.window_view is not None
        table = physical(view.name, view.fingerprint, "events")
        if self._event_types is None:
            self._event_types = dict(self._connection.described(f"from {table}"))
        events = table
        if self._known_at is not None:
            at = _timestamp(self._known_at)
            until = f"case when {UNTIL} <= {at} then {UNTIL} end as {UNTIL}"
            events = f"(select * replace ({until}) from {table} where {AVAILABLE} <= {at})"
        return WindowsAt(
            view=view.window_view,
            events=events,
            keys=view.keys,
            types=self._event_types,
            asked=Asked(f"temp.{self.lookup.name}_keys", len(self.lookup.keys)),
            wanted=tuple(self._windowed),
            strict=self.lookup.strict,
        )

    def _aggregates(self) -> Sequence[WindowAggregate]:
        return self._windows().aggregates if self._windowed else ()

    def _from_totals(self) -> Sequence[WindowAggregate]:
        """The aggregates that prepared totals give."""
        if self._plan != "gather" or self._prepared is None or self._prepared.totals is None:
            return ()
        types = self._windows().types if self._windowed else {}
        return [a for a in self._aggregates() if self._prepared.totals.gives(a, types)]

    def _tokens_sql(self, aggregates: Sequence[WindowAggregate]) -> str:
        windows = self._windows()
        return tokens_sql(windows, aggregates, self._connection.value(delay_sql(windows.events)))

    def _window_fields(self, tokens: Mapping[str, str]) -> dict[str, str]:
        """The SQL of every window item: its text with the tokens' columns in their places."""
        if not self._windowed or self._view.window_view is None:
            return {}
        fields = {}
        for item in self._view.window_view.items:
            if item.name in self._windowed:
                sql = item.sql
                for token in item.tokens:
                    sql = sql.replace(token, tokens[token])
                fields[item.name] = f"({sql})"
        return fields

    def _assert_aligned(self, relation: str, first: int, rows: int) -> None:
        """One row in, one row out: the relation holds the chunk's rows in their order."""
        wrong, found = self._connection.execute(
            f"select count(*) filter (where n is distinct from position), count(*) from "
            f"(select n, {first} + (row_number() over ()) - 1 as position from {relation})"
        )[0]
        if wrong or found != rows:
            raise RunError("rows-lost", f"{self._view.name}: label rows were lost or doubled in a lookup.")


def _edges(aggregates: Sequence[WindowAggregate]) -> list[Bound]:
    """The edges of some windows other than the asked instant, each once."""
    return list(dict.fromkeys(bound for a in aggregates for bound in bounds_of(a) if bound))


def side_by_side(
    chunk: str,
    found: Sequence[tuple[Lookup, Found]],
    items: str,
    read: Mapping[str, Collection[str]],
) -> str:
    """The SELECT that lays label rows and lookups beside each other, each lookup as one struct.

    Columns that nobody reads, by lookup, are there as nulls.
    """
    columns, joins = [items], []
    for lookup, outcome in found:
        wanted = read[lookup.name]
        packed = ", ".join(
            f"{quote(name)} := {outcome.fields[name] if name in wanted else f'cast(null as {outcome.types[name]})'}"
            for name in lookup.columns
        )
        columns.append(f"struct_pack({packed}) as {lookup.name}")
        if wanted:
            joins += [f" positional join {relation}" for relation in outcome.relations]
    return f"select {', '.join(columns)} from {chunk} as r{''.join(joins)}"


def _timestamp(value: datetime | None) -> str:
    assert value is not None
    return f"timestamptz {literal(value.isoformat())}"
