"""A training set's logical plan, run on DuckDB: label rows in order, one lookup after the other, one wide relation.

Every step gives exactly one row for each label row, numbered ``n``; they are laid side by side by position, which is
asserted. The author's SELECT then runs over the whole as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, Lookup, Manifest, TrainingSetPlan
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.base import Assembled, LookupReport, RowsRequest
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, USABLE, Shape, instant
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.windows import Asked, WindowsAt, delay_sql, values_sql
from sqlfeat.errors import RunError

ROWS = "sqlfeat_rows"
OUTPUT = "sqlfeat_output"
NUMBER = "__sqlfeat_n"
INSTANT = "__sqlfeat_t"
GIVEN = "sqlfeat_given_rows"


class Assembly:
    """One training set being assembled on a connection, in temporary tables that it drops at the end."""

    def __init__(
        self,
        connection: Connection,
        name_of: Callable[[str], str],
        manifest: Manifest,
        model: CompiledModel,
        request: RowsRequest,
    ) -> None:
        assert model.training_set is not None
        self._connection = connection
        self._name_of = name_of
        self._manifest = manifest
        self._model = model
        self._plan: TrainingSetPlan = model.training_set
        self._request = request
        self._label_name = self._plan.labels.rsplit(".", 1)[1]
        self._made: list[str] = []

    def run(self) -> Assembled:
        """The assembled rows; raises :class:`RunError` if they are not one for each label row."""
        self._drop_leftovers()
        if self._request.rows is not None:
            with self._connection.registered(GIVEN, self._request.rows):
                rows = self._label_rows(self._given_rows())
        else:
            rows = self._label_rows(self._stored_rows())
        reports = tuple(self._look_up(lookup, rows) for lookup in self._plan.lookups)
        self._assert_positions(rows)
        self._connection.execute(
            f"create temp view {quote(self._label_name)} as select {self._side_by_side(self._plan.lookups)}"
        )
        text = with_relations(self._plan.select.text, lambda node: f"temp.{quote(self._label_name)}").text
        self._connection.execute(f"create temp table {OUTPUT} as\n{text}\n")
        found = int(self._connection.value(f"select count(*) from temp.{OUTPUT}"))
        if found != rows:
            raise RunError(
                "rows-lost",
                f"{self._model.name} has {found} rows for {rows} label rows.",
                self._model.place(),
                "its list must be scalar: an expression of it has dropped or multiplied rows.",
            )
        return Assembled(OUTPUT, rows, self._model.columns, reports)

    # -- label rows ------------------------------------------------------------------------------------------------

    def _stored_rows(self) -> str:
        request, as_of = self._request, quote(self._plan.as_of)
        conditions = []
        if request.start:
            conditions.append(f"{instant(self._plan.as_of)} >= {_timestamp(request.start)}")
        if request.end:
            conditions.append(f"{instant(self._plan.as_of)} < {_timestamp(request.end)}")
        where = f" where {' and '.join(conditions)}" if conditions else ""
        replaced = ""
        if request.at:
            kind = next(c.type for c in self._plan.label_columns if c.name == self._plan.as_of)
            replaced = f" replace (cast({_timestamp(request.at)} as {kind}) as {as_of})"
        source = f"select *{replaced} from {self._name_of(self._plan.labels)}{where}"
        own = {column.name for column in self._plan.label_columns}
        keys = [name for name in self._model.config.keys if name in own and name != self._plan.as_of]
        rest = [c.name for c in self._plan.label_columns if c.name not in (self._plan.as_of, *keys)]
        order = ", ".join(f"{quote(name)} asc nulls first" for name in (self._plan.as_of, *keys, *rest))
        return f"select * from ({source}) order by {order}"

    def _given_rows(self) -> str:
        """Request rows in the order given: what only outputs use that are no model input may be missing."""
        assert self._request.rows is not None
        given = {name.casefold(): name for name in self._request.rows.column_names}
        items = []
        for column in self._plan.label_columns:
            name = given.get(column.name.casefold())
            if column.name == self._plan.as_of and self._request.at is not None:
                value = _timestamp(self._request.at)
            elif name is not None:
                value = quote(name)
            elif column.name in self._plan.needed or column.name == self._plan.as_of:
                raise RunError(
                    "missing-request-column",
                    f"The rows have no column {column.name!r}, which {self._model.name} needs.",
                    hint=f"needed are: {', '.join([self._plan.as_of, *self._plan.needed])}.",
                )
            else:
                value = "null"
            items.append(f"cast({value} as {column.type}) as {quote(column.name)}")
        return f"select {', '.join(items)} from {GIVEN}"

    def _label_rows(self, source: str) -> int:
        time = instant(self._plan.as_of)
        self._create(ROWS, f"select (row_number() over ()) - 1 as {NUMBER}, {time} as {INSTANT}, * from ({source})")
        return int(self._connection.value(f"select count(*) from temp.{ROWS}"))

    # -- lookups ---------------------------------------------------------------------------------------------------

    def _look_up(self, lookup: Lookup, rows: int) -> LookupReport:
        view = self._manifest.models[lookup.view]
        keys = f"{lookup.name}_keys"
        self._create(keys, self._keys_sql(lookup))
        plain, windowed = self._kinds(view, lookup)
        values = f"{lookup.name}_values"
        self._create(values, self._found_sql(lookup, view, keys, plain))
        fields = {name: f"v.{quote(name)}" for name in plain}
        joined = f"temp.{values} as v"
        if windowed:
            window_values = f"{lookup.name}_windows"
            self._create(window_values, self._windows_sql(lookup, view, keys, windowed) + " order by n")
            fields |= {name: f"w.{quote(name)}" for name in windowed}
            joined += f" positional join temp.{window_values} as w"
            self._assert_aligned(values, window_values)
        packed = ", ".join(f"{quote(name)} := {fields[name]}" for name in lookup.columns)
        self._create(lookup.name, f"select v.n, struct_pack({packed}) as s, v.found, v.expired from {joined}")
        found, expired = self._connection.execute(
            f"select count(*) filter (where found), count(*) filter (where expired) from temp.{lookup.name}"
        )[0]
        return LookupReport(lookup.name, lookup.view, rows, int(found), int(expired))

    def _keys_sql(self, lookup: Lookup) -> str:
        """Number, instant and keys of every label row; keys may come from earlier lookups."""
        alias = quote(self._plan.alias or self._label_name)
        earlier = [other for other in self._plan.lookups if other.name in lookup.after]
        items = "".join(f", {sql} as k{i}" for i, (_, sql) in enumerate(lookup.keys))
        source = f"(select {self._side_by_side(earlier, numbers=True)})"
        return f"select {alias}.{NUMBER} as n, {alias}.{INSTANT} as t{items} from {source} as {alias}"

    def _found_sql(self, lookup: Lookup, view: CompiledModel, keys: str, plain: Sequence[str]) -> str:
        """The row that holds at each instant, as TIME's rule 2 has it: one as-of join, then the ttl."""
        comparison = ">" if lookup.strict else ">="
        conditions = [f"q.k{i} = v.{quote(key)}" for i, (key, _) in enumerate(lookup.keys)]
        conditions.append(f"q.t {comparison} v.{USABLE}")
        there = f"v.{USABLE} is not null"
        ttl = lookup.ttl or view.time.ttl
        fresh = f"v.{EVENT} >= q.t - {ttl.sql()}" if ttl and view.time.event_time else "true"
        columns = [f"case when {fresh} then v.{quote(name)} end as {quote(name)}" for name in plain]
        columns += [f"({there} and {fresh}) as found", f"({there} and not ({fresh})) as expired"]
        return (
            f"select q.n, {', '.join(columns)} from temp.{keys} as q "
            f"asof left join {self._layout(view)} as v on {' and '.join(conditions)} order by q.n"
        )

    def _windows_sql(self, lookup: Lookup, view: CompiledModel, keys: str, wanted: Sequence[str]) -> str:
        assert view.window_view is not None
        events = physical(view.name, view.fingerprint, "events")
        if self._request.known_at is not None:
            events = f"(select * from {events} where {AVAILABLE} <= {_timestamp(self._request.known_at)})"
        windows = WindowsAt(
            view=view.window_view,
            events=events,
            keys=view.keys,
            types=dict(self._connection.described(f"from {physical(view.name, view.fingerprint, 'events')}")),
            asked=Asked(f"temp.{keys}", len(lookup.keys)),
            wanted=tuple(wanted),
            strict=lookup.strict,
        )
        return values_sql(windows, self._connection.value(delay_sql(events)))

    def _kinds(self, view: CompiledModel, lookup: Lookup) -> tuple[list[str], list[str]]:
        items = {item.name for item in view.window_view.items} if view.window_view else set()
        plain = [name for name in lookup.columns if name not in items]
        return plain, [name for name in lookup.columns if name in items]

    def _layout(self, view: CompiledModel) -> str:
        """The prepared layout; under ``known_at`` one made anew from the rows that were known then."""
        if self._request.known_at is None:
            return physical(view.name, view.fingerprint, "lookup")
        part = "events" if view.window_view else ""
        relation = physical(view.name, view.fingerprint, part)
        columns = view.window_view.plain if view.window_view else view.column_names
        shape = Shape(view.keys, view.time, columns)
        where = f"{shape.available} <= {_timestamp(self._request.known_at)}"
        if view.window_view:
            listed = ", ".join(quote(name) for name in columns)
            relation = f"(select {listed} from {relation})"
        return f"({layout.lookup_sql(shape, relation, ties=True, where=where)})"

    # -- side by side ----------------------------------------------------------------------------------------------

    def _side_by_side(self, lookups: Sequence[Lookup], *, numbers: bool = False) -> str:
        """The items and the FROM of the label rows with the structs of the given lookups."""
        labels = f"r.* exclude ({NUMBER}, {INSTANT})" if not numbers else "r.*"
        items = [labels, *(f"{lookup.name}.s as {lookup.name}" for lookup in lookups)]
        joins = "".join(f" positional join temp.{lookup.name}" for lookup in lookups)
        return f"{', '.join(items)} from temp.{ROWS} as r{joins}"

    def _assert_positions(self, rows: int) -> None:
        for lookup in self._plan.lookups:
            self._assert_aligned(ROWS, lookup.name, f"a.{NUMBER}")

    def _assert_aligned(self, one: str, other: str, number: str = "a.n") -> None:
        """One row in, one row out: both tables hold the same rows in the same order."""
        wrong = self._connection.value(
            f"select count(*) from temp.{one} as a positional join temp.{other} as b where {number} is distinct from b.n"
        )
        if wrong:
            raise RunError("rows-lost", f"{self._model.name}: {wrong} label rows were lost or doubled in a lookup.")

    def _create(self, name: str, sql: str) -> None:
        self._connection.execute(f"create temp table {name} as\n{sql}")
        self._made.append(name)

    def _drop_leftovers(self) -> None:
        """Drop what an earlier assembly has left on this connection."""
        leftovers: list[tuple[Any, ...]] = self._connection.execute(
            "select 'table', table_name from duckdb_tables() where temporary union all "
            "select 'view', view_name from duckdb_views() where temporary and not internal"
        )
        for kind, name in sorted(leftovers, reverse=True):
            self._connection.execute(f"drop {kind} temp.{quote(name)}")


def _timestamp(value: Any) -> str:
    return f"timestamptz {literal(value.isoformat())}"
