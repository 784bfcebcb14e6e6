"""What the generator knows of a relation that a model may read, and the pieces of SQL that skeletons are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.check.fuzz.sources import SOURCES
from tests.check.fuzz.tree import Col, Expr, From, Item, Op, Over, Query, Select, SetOperation, Sub, Table

SPANS = ("30 minutes", "1 hour", "1 hour", "2 hours", "1 day", "1 day", "7 days", "1 month")
_TYPES = {"INTEGER": "int", "DATE": "date"}


@dataclass(frozen=True)
class Relation:
    """A source or a model: its columns with their types, and when its rows happen and are known.

    ``unique`` tells rows apart and has no nulls; empty if nothing is known to. ``exact``: a row is known at ``known``
    alone, even where that lies before its event time. ``written`` columns are updated in place.
    """

    name: str
    columns: Mapping[str, str]
    time: str | None = None
    known: str | None = None
    delay: str | None = None
    immutable: bool = False
    unique: tuple[str, ...] = ()
    exact: bool = False
    written: tuple[str, ...] = ()

    def has(self, *names: str) -> bool:
        return all(name in self.columns for name in names)

    @property
    def at_once(self) -> bool:
        return self.time is not None and self.known is None and self.delay is None

    def values(self) -> list[str]:
        fixed = {"id", "k", "g", self.time, self.known, *self.written}
        return [name for name, kind in self.columns.items() if kind == "int" and name not in fixed]


def of_source(name: str) -> Relation:
    """A source as the generator sees it."""
    source = SOURCES[name]
    columns = {column: _TYPES.get(kind, "time") for column, kind in source.columns}
    return Relation(
        name, columns, source.event_time, source.available_at, source.available_after, source.immutable,
        source.unique, exact=True, written=tuple(column for column, _ in source.written),
    )  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A model's SELECT, and what its config is to say of time."""

    query: Query
    time: str | None = "t"
    known: str | None = None
    delay: str | None = None
    unique: tuple[str, ...] = ()

    def relation(self, name: str) -> Relation:
        return Relation(name, output_types(self.query), self.time, self.known, self.delay, unique=self.unique)


def output_types(query: Query) -> dict[str, str]:
    """The names and types of a query's columns."""
    while isinstance(query, SetOperation):
        query = query.left
    return {item.name: item.expr.type for item in query.items}


# -- pieces ------------------------------------------------------------------------------------------------------------


def column(alias: str, relation: Relation, name: str) -> Col:
    return Col(alias, name, relation.columns[name])


def items(alias: str, relation: Relation, names: Sequence[str]) -> tuple[Item, ...]:
    return tuple(Item(column(alias, relation, name), name) for name in names)


def compared(left: Expr, sign: str, right: Expr) -> Op:
    return Op(f"{{0}} {sign} {{1}}", (left, right), "bool")


def later(instant: Expr, span: str) -> Op:
    return Op(f"({{0}} + interval '{span}')", (instant,), "time")


def earlier(instant: Expr, span: str) -> Op:
    return Op(f"({{0}} - interval '{span}')", (instant,), "time")


def present(value: Expr) -> Op:
    return Op("{0} is not null", (value,), "bool")


def aggregate(text: str, *arguments: Expr, kind: str = "int") -> Op:
    return Op(text, arguments, kind, aggregate=True)


def number(value: int) -> Op:
    return Op(str(value))


def usable(alias: str, relation: Relation) -> Expr:
    """From when a row is usable, provided that it is ever known."""
    assert relation.time is not None
    time = column(alias, relation, relation.time)
    if relation.known:
        return Op("greatest({0}, {1})", (time, column(alias, relation, relation.known)), "time")
    return later(time, relation.delay) if relation.delay else time


def known_rows(alias: str, relation: Relation) -> tuple[Expr, ...]:
    """What it takes that a row is ever known, where :func:`usable` does not say so."""
    return (present(column(alias, relation, relation.known)),) if relation.known is not None else ()


def seen(random: Random, alias: str, relation: Relation, at: Expr) -> list[Expr]:
    """Conditions under which a row is known at an instant."""
    assert relation.time is not None
    time = column(alias, relation, relation.time)
    sign = random.choice(["<=", "<=", "<"])
    if relation.known:
        known = compared(column(alias, relation, relation.known), sign, at)
        return [known] if relation.exact and random.random() < 0.5 else [compared(time, "<=", at), known]
    if relation.delay:
        if random.random() < 0.5:
            return [compared(time, sign, earlier(at, relation.delay))]
        return [compared(later(time, relation.delay), sign, at)]
    if random.random() < 0.15:
        return [Op("{0} between {1} - interval '7 days' and {1}", (time, at), "bool")]
    if random.random() < 0.15:
        return [Op("not ({0} > {1})", (time, at), "bool")]
    if random.random() < 0.2:
        text = random.choice([
            "date_diff('day', {0}, {1}) > 0", "epoch_us({0}) <= epoch_us({1})", "{1} - {0} >= interval '0 days'",
            "strftime({0}, '%Y-%m-%d %H') < strftime({1}, '%Y-%m-%d %H')", "{1} - {0} > interval '1 hour'",
            "date_diff('hour', {0}, {1}) >= 1", "({0} < {1} or {0} = {1})",
            "({0} <= {1}) is true", "case when {0} <= {1} then true else false end", "(epoch({1}) - epoch({0})) > 60",
        ])  # fmt: skip
        return [Op(text, (time, at), "bool")]
    return [Op("{1} >= {0}", (time, at), "bool") if random.random() < 0.2 else compared(time, sign, at)]


def window_since(random: Random, alias: str, relation: Relation, at: Expr) -> list[Expr]:
    """Perhaps a lower bound of a row's event time."""
    assert relation.time is not None
    if random.random() < 0.4:
        return []
    return [compared(column(alias, relation, relation.time), ">", earlier(at, random.choice(SPANS)))]


def moment(random: Random, alias: str, relation: Relation) -> Expr:
    """An instant that is never after the one from which the row is usable."""
    assert relation.time is not None
    time: Expr = column(alias, relation, relation.time)
    kind = random.random()
    if kind < 0.15:
        return earlier(time, random.choice(SPANS))
    if kind < 0.25:
        return Op("date_trunc('day', {0})", (time,), "time")
    if relation.known and kind < 0.6:
        return column(alias, relation, relation.known)
    if (relation.known or relation.delay) and kind < 0.8:
        return usable(alias, relation)
    return time


def same_key(random: Random, left: str, right: str, first: Relation, second: Relation) -> list[Expr]:
    """Perhaps an equality of keys that both have."""
    keys = [name for name in ("k", "g") if first.has(name) and second.has(name)]
    random.shuffle(keys)
    wanted = keys[: random.choice([0, 1, 1, 1, 1, 2])]
    return [compared(column(right, second, name), "=", column(left, first, name)) for name in wanted]


def carried(random: Random, relation: Relation) -> list[str]:
    """The columns that a model passes on: keys, times, what tells rows apart, and some values."""
    fixed = [name for name in relation.columns if name in ("id", "k", "g", relation.time, relation.known)]
    values = [name for name in relation.values() if random.random() < 0.6]
    extra = [name for name in relation.unique if name not in fixed and name not in values]
    return [*fixed, *extra, *values[:3]]


def passed(relation: Relation, query: Query, unique: tuple[str, ...] = ()) -> Made:
    """A model that has its parent's time."""
    return Made(query, relation.time, relation.known, relation.delay, unique)


def some_value(random: Random, alias: str, relation: Relation) -> Expr:
    """A number of a row."""
    values = relation.values() or [name for name in ("g", "k", "id") if relation.has(name)]
    if not values:
        return number(1)
    value: Expr = column(alias, relation, random.choice(values))
    kind = random.random()
    if kind < 0.1:
        return Op("coalesce({0}, 0)", (value,))
    if kind < 0.17:
        return Op("case when {0} > 1 then {0} else 7 end", (value,))
    if kind < 0.2:
        return Op("(cast({0} as double) / 4)", (value,))
    return Op("({0} + 1)", (value,)) if kind < 0.25 else value


def some_aggregate(random: Random, alias: str, relation: Relation, *, bare: bool = False) -> Op:
    """An aggregate that owes nothing to the order of rows; ``bare`` is nothing else around it."""
    value = some_value(random, alias, relation)
    text = random.choice([
        "sum({0})", "sum({0})", "count({0})", "count(*)", "max({0})", "min({0})", "count(distinct {0})",
        "sum({0}) filter (where {0} > 1)", "list({0} order by {0})", "bool_or({0} > 1)", "coalesce(sum({0}), 0)",
    ])  # fmt: skip
    text = "sum({0})" if bare and text.startswith("coalesce") else text
    if relation.has("id") and random.random() < 0.12:
        text = random.choice([
            "first({0} order by {1})", "last({0} order by {1})", "arg_max({0}, {1})", "arg_min({0}, {1})",
            "max_by({0}, {1})",
        ])  # fmt: skip
        if relation.unique == ("id",):
            return aggregate(text, value, column(alias, relation, "id"))
        text = "sum({0})"
    kind = "list" if text.startswith("list") else "bool" if text.startswith("bool") else "int"
    return aggregate(text, value, kind=kind)


def over(function: str, *arguments: Expr, kind: str = "int", **window: object) -> Over:
    return Over(Op(function, arguments, kind), type=kind, **window)


def scalar(query: Select) -> Sub:
    return Sub("({q})", query, type=query.items[0].expr.type)


def table(relation: Relation, alias: str) -> From:
    return Table(relation.name, alias)
