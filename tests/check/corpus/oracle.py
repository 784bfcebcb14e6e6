"""Whether a model sees the future, found out by hiding it: the definition of TIME.md tried on small data.

Of every source D the rows known at an instant T are shown, D|T, and the model is computed on both by the engine
itself. A column is refuted where the rows usable by T differ in it. Nothing of sqlfeat's own verification is used
here, and nothing of how it computes windows and lookups: those are correlated subqueries.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel, Lookup, Manifest, TimeFacts
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.spec.duration import Duration
from tests.check.corpus.data import SCHEMAS

Rows = list[tuple[Any, ...]]

NOW = "(select moment from known.clock)"
ALWAYS = "timestamptz '2199-01-01 00:00:00+00'"
_CLOCKS = re.compile(r"\bnow\(\)|\bcurrent_timestamp\b|\bcurrent_date\b", re.IGNORECASE)
_FLOATS = ("DOUBLE", "FLOAT")


def _altered(column: str, kind: pa.DataType, seen: str) -> str:
    """SQL of a column whose values are others where they are not seen yet; keys and times stay."""
    name = f"s.{quote(column)}"
    if pa.types.is_floating(kind):
        other = f"17 - 3 * {name}"
    elif pa.types.is_boolean(kind):
        other = f"not {name}"
    elif pa.types.is_string(kind):
        other = f"{name} || '?'"
    else:
        return name
    return f"case when {seen} then {name} else {other} end"


def instant(column: str, alias: str) -> str:
    return f"cast({alias}.{quote(column)} as timestamptz)"


def interval(span: Duration) -> str:
    return f"(interval '{span.months} months' + interval '{span.microseconds} microseconds')"


def known_at(time: TimeFacts, alias: str) -> str:
    """SQL of the instant from which a relation's row is known."""
    if time.available_at:
        return instant(time.available_at, alias)
    event = instant(time.event_time or "", alias)
    return f"{event} + {interval(time.available_after)}" if time.available_after else event


def _written_by(time: TimeFacts, moment: str) -> str:
    """The columns of a row at an instant: what is updated in place is null until it is written."""
    items = []
    for column, written in time.written:
        when = "false"
        if written.available_at:
            when = f"{instant(written.available_at, 's')} <= {moment}"
        elif written.available_after:
            when = f"{instant(time.event_time or '', 's')} + {interval(written.available_after)} <= {moment}"
        items.append(f"case when {when} then {quote(column)} end as {quote(column)}")
    return f"* replace ({', '.join(items)})" if items else "*"


class World:
    """A project's models over one dataset after another, in a DuckDB in memory; an instant hides what comes later."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.engine = duckdb.connect(config={"threads": 1, "memory_limit": "2GB"})
        self.engine.execute("set TimeZone = 'UTC'")
        for schema in ("whole", "known", "altered", "model", "asked"):
            self.engine.execute(f"create schema {schema}")
        self.engine.execute("create table known.clock (cutoff timestamptz, moment timestamptz)")
        for name, columns in SCHEMAS.items():
            self.engine.register("incoming", pa.schema(list(columns.items())).empty_table())
            for schema in ("whole", "known", "altered"):
                self.engine.execute(f"create table {schema}.{name} as from incoming")
            self.engine.unregister("incoming")
        self.prepared: set[str] = set()
        asked = {f"model.{name}" for name in self._label_models()}
        self.for_requests = manifest.graph.ancestors(asked) | asked
        self.make_views()

    def _label_models(self) -> set[str]:
        """The models whose rows training sets are built for."""
        plans = [model.training_set for model in self.manifest.models.values() if model.training_set]
        return {plan.labels.split(".", 1)[1] for plan in plans}

    def load(self, tables: dict[str, pa.Table]) -> None:
        """Put a dataset in the place of the one before."""
        for name, rows in tables.items():
            self.engine.register("incoming", rows)
            self.engine.execute(f"truncate whole.{name}; insert into whole.{name} from incoming")
            self.engine.unregister("incoming")

    def show(self, cutoff: int | None) -> None:
        """Show what was known at an instant, or everything; the clock stands at that instant, or far ahead."""
        moment = "null::timestamptz" if cutoff is None else f"make_timestamptz({cutoff})"
        script = [f"truncate known.clock; insert into known.clock select {moment}, coalesce({moment}, {ALWAYS})"]
        for source in self.manifest.sources.values():
            name, time = source.name, self.manifest.source_time[source.id]
            timed = time.event_time is not None and not time.immutable and cutoff is not None
            seen = f"{known_at(time, 's')} <= {moment}" if timed else "true"
            columns = _written_by(time, moment) if cutoff is not None else "*"
            rows = f"select {columns} from whole.{name} as s where {seen}"
            script.append(f"truncate known.{name}; insert into known.{name} {rows}")
            if source.id in self.for_requests:
                columns = ", ".join(_altered(column, kind, seen) for column, kind in SCHEMAS[name].items())
                script.append(
                    f"truncate altered.{name}; insert into altered.{name} select {columns} from whole.{name} as s"
                )
        self.engine.execute(";\n".join(["begin", *script, "commit"]))

    def make_views(self) -> None:
        """Every model as a view over the known rows, parents first; made once, they follow the data."""
        for node in self.manifest.graph.order():
            if node.startswith("model."):
                model = self.manifest.models[node.removeprefix("model.")]
                sql = self.sql_of(model)
                self.engine.execute(f"create view model.{quote(model.name)} as {sql}")
                if node in self.for_requests:
                    altered = sql.replace("known.", "altered.").replace("model.", "asked.")
                    self.engine.execute(f"create view asked.{quote(model.name)} as {altered}")

    def sql_of(self, model: CompiledModel) -> str:
        if model.training_set is not None:
            return self._training_set(model)
        if model.window_view is not None:
            return self._window_view(model)
        return self._named(model.sql)

    def _named(self, sql: str) -> str:
        sql = _CLOCKS.sub(lambda found: f"cast({NOW} as {'date' if 'date' in found[0] else 'timestamptz'})", sql)
        return with_relations(sql, self._name).text

    def _name(self, node: str) -> str:
        kind, name = node.split(".", 1)
        return f"known.{quote(name.split('.', 1)[1])}" if kind == "source" else f"model.{quote(name)}"

    # -- windows and lookups by their plain rule -------------------------------------------------------------------

    def _window_view(self, model: CompiledModel) -> str:
        """A view with windows: one row an event, its windows as of the instant from which it is usable."""
        view = model.window_view
        assert view is not None
        asked = f"greatest({instant(model.time.event_time or '', 'q')}, {known_at(model.time, 'q')})"
        return self._with_windows(model, "events as q", asked, "q", [quote(name) for name in view.plain])

    def _with_windows(self, model: CompiledModel, asked_of: str, asked: str, alias: str, plain: list[str]) -> str:
        view = model.window_view
        assert view is not None
        items = {name: f"{alias}.{name} as {name}" for name in plain}
        for item in view.items:
            sql = item.sql
            for aggregate in view.aggregates:
                call = aggregate.call
                distinct = "distinct " if aggregate.distinct else ""
                ordering = f" order by {aggregate.order_by}" if aggregate.order_by else ""
                chosen = f" filter (where {aggregate.filter})" if aggregate.filter else ""
                value = f"{aggregate.function}({distinct}{', '.join(aggregate.arguments)}{ordering}){chosen}"
                end = f"{asked} - {interval(call.offset)}" if call.offset else asked
                event = instant(model.time.event_time or "", "w")
                bounds = [f"w.{quote(key)} = {alias}.{quote(key)}" for key in model.keys]
                bounds += [f"{event} <= {end}", f"{known_at(model.time, 'w')} <= {asked}"]
                bounds += [f"{event} > {end} - {interval(call.length)}"] if call.length else []
                subquery = f"(select {value} from events as w where {' and '.join(bounds)})"
                sql = sql.replace(call.token, subquery)
            items[quote(item.name)] = f"{sql} as {quote(item.name)}"
        listed = ", ".join(items[quote(name)] for name in view.order)
        return f"with events as materialized ({self._named(view.events)}) select {listed} from {asked_of}"

    def _training_set(self, model: CompiledModel) -> str:
        """The author's SELECT over label rows, each with the rows that the point-in-time rule gives it."""
        plan = model.training_set
        assert plan is not None
        labels, asked = plan.labels.split(".", 1)[1], plan.alias or "q"
        looked_up = "".join(f", {self._lookup(lookup, plan.as_of, asked)}" for lookup in plan.lookups)
        rows = f"(select {asked}.*{looked_up} from {self._labels(labels, model)} as {asked})"
        return with_relations(_CLOCKS.sub(f"cast({NOW} as timestamptz)", plan.select.text), lambda _: rows).text

    def _lookup(self, lookup: Lookup, as_of: str, alias: str) -> str:
        view = self.manifest.models[lookup.view]
        asked = instant(as_of, alias)
        event, known = instant(view.time.event_time or "", "v"), known_at(view.time, "v")
        less = "<" if lookup.strict else "<="
        given = [(key, f"{alias}.{sql}" if sql.startswith('"') else sql) for key, sql in lookup.keys]
        bounds = [f"v.{quote(key)} = {sql}" for key, sql in given]
        bounds += [f"{event} {less} {asked}", f"{known} {less} {asked}"]
        ttl = lookup.ttl or view.time.ttl
        bounds += [f"{event} >= {asked} - {interval(ttl)}"] if ttl else []
        order = [
            f"{event} desc",
            f"{known} desc",
            *(f"v.{quote(name)} desc nulls last" for name in view.time.tie_breaker),
        ]
        order += [f"v.{quote(name)} desc nulls last" for name in view.column_names]
        candidates = f"from model.{quote(view.name)} as v where {' and '.join(bounds)}"
        return f"(select v {candidates} order by {', '.join(order)} limit 1) as {lookup.name}"

    def _labels(self, labels: str, model: CompiledModel) -> str:
        """Label rows as somebody could ask with them at the cutoff: the label is null until it is known.

        That a row is there is the request's own business. Its columns are those of the rows known at the cutoff; of
        a row that is made later (of an outcome, say) those of data in which everything not yet known is another.
        """
        label = self.manifest.models[labels]
        column, as_of = quote(model.config.label or ""), label.time.event_time or ""
        horizon = interval(label.config.horizon) if label.config.horizon else "interval '0 days'"
        keys = ", ".join(quote(key) for key in (*model.config.keys, as_of))
        later = f"{instant(as_of, 'a')} + {horizon} > (select cutoff from known.clock)"
        return (
            f"(select a.* replace (case when {later} then null else a.{column} end as {column}) from ("
            f"from model.{quote(labels)} union all "
            f"from asked.{quote(labels)} as made anti join model.{quote(labels)} using ({keys})) as a)"
        )

    # -- asking ----------------------------------------------------------------------------------------------------

    def rows(self, name: str) -> Rows:
        """A model's rows on what is shown: the instant from which each counts, then its columns."""
        if name not in self.prepared:
            self.engine.execute(f"prepare {quote(name)} as {self._query(name)}")
            self.prepared.add(name)
        return self.engine.execute(f"execute {quote(name)}").fetchall()

    def _query(self, name: str) -> str:
        model = self.manifest.models[name]
        columns = ", ".join(
            f"round(m.{quote(c.name)}, 9)::varchar" if c.type in _FLOATS else f"m.{quote(c.name)}::varchar"
            for c in model.columns
        )
        return f"select epoch_us({self._counts_from(model)}), {columns} from model.{quote(name)} as m"

    def _counts_from(self, model: CompiledModel) -> str:
        """The instant from which a row is compared: when it is usable, of a label when it is known."""
        event = instant(model.time.event_time or "", "m")
        if model.training_set is not None:
            return event
        if model.config.role == "label":
            return f"{event} + {interval(model.config.horizon)}" if model.config.horizon else event
        known = known_at(model.time, "m")
        return f"case when {event} is not null and {known} is not null then greatest({event}, {known}) end"

    def cutoffs(self, seed: int, many: int) -> list[int]:
        """Some instants at which something becomes known, and the microseconds before them.

        Those of rows that are written over are left out: they lie among the others, and cases name theirs by number.
        """
        found: set[int] = set()
        for source in self.manifest.sources.values():
            time = self.manifest.source_time[source.id]
            if time.event_time and not time.immutable and not time.written:
                query = f"select distinct epoch_us({known_at(time, 's')}) from whole.{quote(source.name)} as s"
                found |= {value for (value,) in self.engine.execute(query).fetchall() if value is not None}
        drawn = random.Random(seed).sample(sorted(found), min(many, len(found)))
        return [value - number % 2 for number, value in enumerate(drawn)]


class Trial:
    """One dataset: models' rows on all of it, and what a cutoff refutes."""

    def __init__(self, world: World, tables: dict[str, pa.Table], names: Iterable[str]) -> None:
        self.world = world
        world.load(tables)
        world.show(None)
        self.whole = {name: world.rows(name) for name in names}

    def refuted(self, cutoff: int, names: Iterable[str]) -> dict[str, set[str]]:
        """The columns of each model that differ between the whole data and what was known at a cutoff.

        How often a label row is there is not compared: an answer that comes twice does not make two questions.
        """
        self.world.show(cutoff)
        return {name: self._differing(name, cutoff) for name in names}

    def _differing(self, name: str, cutoff: int) -> set[str]:
        model = self.world.manifest.models[name]
        plan = model.training_set
        own = plan.named("label") if plan else ()
        keys = model.config.keys if plan else model.keys
        time = {model.time.event_time, model.time.available_at, plan.as_of if plan else None}
        fixed = [index for index, column in enumerate(model.column_names, 1) if column in keys or column in time]
        whole, known = (_usable(rows, cutoff) for rows in (self.whole[name], self.world.rows(name)))
        if Counter(whole) == Counter(known):
            return set()
        return {
            column
            for index, column in enumerate(model.column_names, 1)
            if column not in own and _differ(whole, known, [*fixed, index], counted=plan is None)
        }


def _usable(rows: Rows, cutoff: int) -> Rows:
    return [row for row in rows if row[0] is not None and row[0] <= cutoff]


def _differ(whole: Rows, known: Rows, picked: list[int], *, counted: bool) -> bool:
    """Whether rows differ in some columns; how often each is there counts, or does not."""
    one, other = (Counter(tuple(row[i] for i in picked) for row in rows) for rows in (whole, known))
    return one != other if counted else set(one) != set(other)
