"""Making one node in DuckDB: the statements of each materialization, run inside one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.manifest import CompiledModel, Lookup, WindowView
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.base import OWN_WINDOWS
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.feature_lookup import FeatureLookup
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, Shape
from sqlfeat.engine.duckdb.naming import physical, schema_of
from sqlfeat.engine.duckdb.plans import CHUNK_ROWS
from sqlfeat.engine.duckdb.prepared import Layouts
from sqlfeat.engine.duckdb.publishing import Shown, publish
from sqlfeat.engine.duckdb.windows import ASKED, Asked, WindowsAt, delay_sql, longest_window, values_sql
from sqlfeat.errors import RunError

OWN, SAMPLED, LOT = "sqlfeat_own", "sqlfeat_sampled", "__sqlfeat_lot"
MOST_READ = 20_000_000
"""So many pairs of a sampled event and one of its windows' are looked at; of more, fewer are sampled."""
USABLE_FROM = f"case when {EVENT} is not null and {AVAILABLE} is not null then greatest({EVENT}, {AVAILABLE}) end"


class Builder:
    """Builds models on a connection; ``name_of`` gives the physical names of what they read."""

    def __init__(
        self, connection: Connection, layouts: Layouts, name_of: Callable[[str], str], schema: str, threads: int
    ) -> None:
        self._connection = connection
        self._layouts = layouts
        self._name_of = name_of
        self._schema = schema
        self._threads = threads

    def build(self, model: CompiledModel) -> tuple[int | None, dict[str, Any]]:
        """Make the model's relations and its public view; gives the rows (None for a view) and facts to record."""
        self._connection.execute(f"create schema if not exists {quote(schema_of(model.fingerprint))}")
        self._hooks(model, "pre_hook", model.config.pre_hook)
        rows, facts = self._relations(model)
        self._hooks(model, "post_hook", model.config.post_hook)
        if model.materialized != "ephemeral":
            publish(self._connection, Shown.model(model, self._schema))
        return rows, facts

    def _hooks(self, model: CompiledModel, key: str, statements: Sequence[str]) -> None:
        for statement in statements:
            try:
                self._connection.execute(self._text(statement))
            except SqlProblem as problem:
                what = f"The {key} of {model.name} fails: {problem.what}."
                raise RunError("sql-hook-failed", what, model.place(key)) from problem

    def _relations(self, model: CompiledModel) -> tuple[int | None, dict[str, Any]]:
        """The model's own relations. Labels lie by time: a training set that orders them has half its work done."""
        name = physical(model.name, model.fingerprint)
        text = self._text(model.sql)
        if model.materialized in ("view", "ephemeral"):
            self._connection.execute(f"create or replace view {name} as\n{text}\n")
            return None, {}
        facts: dict[str, Any] = {}
        if model.window_view is not None:
            facts = self._window_view(model, model.window_view)
            name = physical(model.name, model.fingerprint, "events")
        else:
            if model.config.role == "label" and model.time.event_time:
                text = f"select * from (\n{text}\n) order by {quote(model.time.event_time)}"
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
        facts = self._layouts.prepare(model, events, view.plain)
        return {**facts, OWN_WINDOWS: self._own_windows(model, view, events, facts)}

    def _own_windows(self, model: CompiledModel, view: WindowView, events: str, facts: Mapping[str, Any]) -> bool:
        """The view as ``ref()`` shows it: every event with the windows as of the instant from which it is usable.

        A table where prepared totals give all windows, for that costs next to nothing. Otherwise every event would be
        joined with those before it, perhaps for nobody: then it is a view, and costs whoever reads it. Gives which.
        """
        name = physical(model.name, model.fingerprint)
        self._drop(model)
        with self._own_lookup(model, view, facts) as one:
            if one.reads_events():
                self._connection.execute(f"create view {name} as\n{self._own_sql(model, view, events)}")
                return False
            rows = self._count(events)
            for first in range(0, max(rows, 1), CHUNK_ROWS):
                self._own_chunk(model, view, one, first, min(CHUNK_ROWS, rows - first))
        self._connection.execute(f"drop table temp.{OWN}")
        return True

    @contextmanager
    def _own_lookup(self, model: CompiledModel, view: WindowView, facts: Mapping[str, Any]) -> Iterator[FeatureLookup]:
        """The lookup of all of a view's windows, as a training set would have it."""
        items = tuple(item.name for item in view.items)
        lookup = Lookup(OWN, model.name, tuple((key, quote(key)) for key in model.keys), items)
        prepared = self._layouts.open(model, facts)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="windows") as workers:
            yield FeatureLookup(self._connection, lookup, model, prepared, prepared is None, None, workers)

    def _own_chunk(self, model: CompiledModel, view: WindowView, one: FeatureLookup, first: int, count: int) -> None:
        """Append some events with their windows."""
        name, events = physical(model.name, model.fingerprint), physical(model.name, model.fingerprint, "events")
        self._connection.execute(
            f"create or replace temp table {OWN} as select {ROW} - 1 as {ASKED}, {_listed(model, view)} from {events} "
            f"where {ROW} > {first} and {ROW} <= {first + count}"
        )
        self._with_windows(
            model, view, one, (first, count), f"create table {name} as" if not first else f"insert into {name}"
        )

    def _with_windows(
        self, model: CompiledModel, view: WindowView, one: FeatureLookup, numbers: tuple[int, int], begin: str
    ) -> None:
        """The events in ``OWN`` with their windows; ``numbers`` are the first of them and how many they are."""
        keys = "".join(f", {quote(key)} as k{i}" for i, key in enumerate(model.keys))
        found = one.run(f"select {ASKED} as n, {USABLE_FROM} as t{keys} from temp.{OWN}", *numbers)
        fields = {**{column: f"r.{quote(column)}" for column in view.plain}, **found.fields}
        columns = ", ".join(f"{fields[column]} as {quote(column)}" for column in view.order)
        joins = "".join(f" positional join {relation}" for relation in found.relations)
        with ExitStack() as registered:
            for relation, table in found.registered.items():
                registered.enter_context(self._connection.registered(relation, table))
            self._connection.execute(f"{begin}\nselect {columns} from temp.{OWN} as r{joins}")

    @contextmanager
    def sampled(self, model: CompiledModel, view: WindowView, facts: Mapping[str, Any], most: int) -> Iterator[str]:
        """A relation of at most so many of a view's events, each with its windows as of the instant of its use.

        Those with the lowest hashes of keys and time: so a later build has many of the same. They are fewer where
        entities have so many events that too many would have to be read.
        """
        try:
            self._sample(model, view, most)
            with self._own_lookup(model, view, facts) as one:
                count = self._count(f"temp.{OWN}")
                self._with_windows(model, view, one, (0, count), f"create or replace temp table {SAMPLED} as")
            yield f"temp.{SAMPLED}"
        finally:
            self._connection.execute(f"drop table if exists temp.{OWN}")
            self._connection.execute(f"drop table if exists temp.{SAMPLED}")

    def _sample(self, model: CompiledModel, view: WindowView, most: int) -> None:
        """Put events with the lowest hashes into ``OWN``, numbered in their order."""
        events = physical(model.name, model.fingerprint, "events")
        lot = f"hash({', '.join([*map(quote, model.keys), EVENT])})" if model.keys else f"hash({ROW})"
        drawn = (
            f"create or replace temp table {OWN} as select {lot} as {LOT}, {ROW}, {_listed(model, view)} from {events}"
        )
        rows = max(self._count(events), 1)
        most = min(most, rows)
        # first as many as they should be and some more: that many are sorted fast
        self._connection.execute(f"{drawn} where {lot} <= {min(2**64 - 1, 2**64 * most * 5 // (rows * 4))}")
        if self._count(f"temp.{OWN}") < most:
            self._connection.execute(drawn)
        read = self._pairs(model, view, events) * most / rows
        kept = most if read <= MOST_READ else max(int(most * MOST_READ / read), 1)
        kept_sql = f"select * exclude ({LOT}) from temp.{OWN} order by {LOT}, {ROW} limit {kept}"
        numbered = f"select row_number() over (order by {ROW}) - 1 as {ASKED}, * from ({kept_sql}) order by {ROW}"
        self._connection.execute(f"create or replace temp table {OWN} as {numbered}")

    def _pairs(self, model: CompiledModel, view: WindowView, events: str) -> float:
        """About how many pairs there are of an event and one that its windows make read: some of the same entity."""
        keys = f" group by {', '.join(map(quote, model.keys))}" if model.keys else ""
        counted = f"select count(*)::hugeint as n from {events}{keys}"
        pairs = float(self._connection.value(f"select coalesce(sum(n * n), 0)::double from ({counted})"))
        ends = f"epoch_us(max({EVENT})) - epoch_us(min({EVENT}))"
        span = self._connection.value(f"select {ends} from {events} where isfinite({EVENT})") or 0
        # a window lies in two pieces of time that are as long as it is
        return pairs * min(1.0, 2 * longest_window(view, span) / span) if span else pairs

    def _own_sql(self, model: CompiledModel, view: WindowView, events: str) -> str:
        """The same as one query over the events."""
        keys = "".join(f", {quote(key)} as k{i}" for i, key in enumerate(model.keys))
        windows = WindowsAt(
            view=view,
            events=events,
            keys=model.keys,
            types=dict(self._connection.described(f"from {events}")),
            asked=Asked(f"(select {ROW} as n, {USABLE_FROM} as t{keys} from {events})", len(model.keys)),
            wanted=tuple(item.name for item in view.items),
        )
        plain = set(view.plain)
        columns = ", ".join(f"{'e' if column in plain else 'w'}.{quote(column)}" for column in view.order)
        values = values_sql(windows, self._connection.value(delay_sql(events)))
        return f"select {columns} from {events} as e join (\n{values}\n) as w on w.{ASKED} = e.{ROW} order by e.{ROW}"

    def _drop(self, model: CompiledModel) -> None:
        """Drop the relation of an earlier build, be it a table or a view."""
        kinds = self._connection.execute(
            "select table_type from information_schema.tables where table_schema = ? and table_name = ? "
            "and table_catalog = current_database()",
            [schema_of(model.fingerprint), model.name],
        )
        for (kind,) in kinds:
            word = "view" if kind == "VIEW" else "table"
            self._connection.execute(f"drop {word} {physical(model.name, model.fingerprint)}")

    def _text(self, sql: str) -> str:
        return with_relations(sql, self._name_of).text

    def _count(self, name: str) -> int:
        return int(self._connection.value(f"select count(*) from {name}"))


def _listed(model: CompiledModel, view: WindowView) -> str:
    """What is read of events beside their number."""
    return ", ".join([EVENT, AVAILABLE, *map(quote, dict.fromkeys((*model.keys, *view.plain)))])
