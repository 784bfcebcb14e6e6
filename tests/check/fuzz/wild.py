"""SQL that follows no plan: whatever the grammar gives of two relations, with no regard to what is known when."""

from __future__ import annotations

from random import Random

from tests.check.fuzz.relations import (
    SPANS,
    Made,
    Relation,
    aggregate,
    column,
    compared,
    earlier,
    later,
    number,
    same_key,
    scalar,
    some_aggregate,
    some_value,
    table,
)  # fmt: skip
from tests.check.fuzz.tree import Clock, Expr, From, Item, Join, Op, Over, Select, Sort, Sub

_LITERAL = Op("timestamptz '2024-02-01 00:00:00+00'", (), "time")


def instant(random: Random, alias: str, relation: Relation) -> Expr:
    """Some instant of a row."""
    names = [name for name, kind in relation.columns.items() if kind in ("time", "date")]
    base: Expr = column(alias, relation, random.choice(names)) if names else _LITERAL
    other: Expr = column(alias, relation, random.choice(names)) if names else _LITERAL
    kind = random.random()
    if kind < 0.45:
        return base
    if kind < 0.02 + 0.45:
        return Clock()
    return random.choice([
        later(base, random.choice(SPANS)), earlier(base, random.choice(SPANS)),
        Op("date_trunc('day', {0})", (base,), "time"), Op("cast({0} as date)", (base,), "date"),
        Op("(date_trunc('hour', {0}) + interval '1 hour')", (base,), "time"),
        Op("greatest({0}, {1})", (base, other), "time"), Op("least({0}, {1})", (base, other), "time"),
        Op("coalesce({0}, {1})", (base, other), "time"), Op("nullif({0}, {1})", (base, other), "time"),
        Op("case when {2} > 1 then {0} else {1} end", (base, other, some_value(random, alias, relation)), "time"),
        Op("last_day({0})", (base,), "date"), Op("cast({0} as timestamp)", (base,), "time"),
        Op("cast(cast({0} as timestamp) as timestamp_s)", (base,), "time"),
        Op("date_trunc('week', {0})", (base,), "time"), Op("make_timestamp(epoch_us({0}))", (base,), "time"),
    ])  # fmt: skip


def condition(random: Random, sides: list[tuple[str, Relation]], depth: int = 2) -> Expr:
    """Some condition, of comparisons between times more often than of anything else."""
    (alias, relation), (alias2, relation2) = random.choice(sides), random.choice(sides)
    kind = random.random()
    if depth and kind < 0.12:
        both = (condition(random, sides, depth - 1), condition(random, sides, depth - 1))
        return Op(random.choice(["({0} or {1})", "({0} and {1})"]), both, "bool")
    if depth and kind < 0.2:
        return Op("not ({0})", (condition(random, sides, depth - 1),), "bool")
    if kind < 0.7:
        sign = random.choice(["<=", "<=", "<", ">=", ">", "=", "<>", "is not distinct from"])
        return compared(instant(random, alias, relation), sign, instant(random, alias2, relation2))
    if kind < 0.75:
        at = instant(random, alias, relation)
        return Op("{0} between {1} and {2}", (at, earlier(at, "1 day"), instant(random, alias2, relation2)), "bool")
    value = some_value(random, alias, relation)
    return random.choice([
        compared(value, random.choice(["=", "<", ">"]), number(random.randint(0, 3))),
        Op(random.choice(["{0} is null", "{0} is not null"]), (instant(random, alias, relation),), "bool"),
        Op("{0} in (1, 2)", (value,), "bool"),
        Op("{0} = {1}", (value, some_value(random, alias2, relation2)), "bool"),
    ])  # fmt: skip


def window(random: Random, alias: str, relation: Relation) -> Over:
    """Some window function; its order tells all rows apart where that matters."""
    partition = tuple(column(alias, relation, key) for key in ("k", "g") if relation.has(key) and random.random() < 0.5)
    by = Sort(instant(random, alias, relation), random.random() < 0.3, random.choice([None, None, True, False]))
    unique = tuple(Sort(column(alias, relation, name)) for name in relation.unique)
    value = some_value(random, alias, relation)
    kind = random.random()
    if kind < 0.4 or not unique:
        frame = random.choice([
            "", "range between unbounded preceding and current row",
            "range between unbounded preceding and unbounded following",
            "groups between 1 preceding and 1 following", "groups between current row and unbounded following",
            "groups between 2 preceding and 1 preceding", "groups between 1 preceding and current row exclude ties",
            "range between unbounded preceding and current row exclude group",
        ])  # fmt: skip
        order = (by,) if frame or random.random() < 0.7 else ()
        function = some_aggregate(random, alias, relation, bare=True)
        return Over(function, partition, order, frame, function.type)
    if kind < 0.7:
        frame = random.choice([
            "rows between 1 preceding and 1 following", "rows between unbounded preceding and unbounded following",
            "rows between current row and 2 following", "rows between 2 preceding and current row exclude current row",
            "rows between unbounded preceding and 1 preceding", "rows between 1 following and 2 following",
        ])  # fmt: skip
        function = some_aggregate(random, alias, relation, bare=True)
        return Over(function, partition, (by, *unique), frame, function.type)
    name = random.choice([
        "lag({0})", "lead({0})", "lead({0}, -1)", "lag({0}, 2)", "first_value({0})", "last_value({0})", "row_number()",
        "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(2)", "nth_value({0}, 2)",
        "lead({0} ignore nulls)", "lag({0} ignore nulls)", "lead({0}, 2)",
    ])  # fmt: skip
    return Over(Op(name, (value,)), partition, (by, *unique))


def wild(random: Random, first: Relation, second: Relation) -> Made:
    """A SELECT over one or two relations."""
    sides = [("r", first)]
    source: From = table(first, "r")
    if random.random() < 0.6:
        sides.append(("s", second))
        kind = random.choice(
            ["join", "join", "left join", "right join", "full join", "semi join", "anti join", "cross join"]
        )
        on = [*same_key(random, "r", "s", first, second)]
        on += [condition(random, sides) for _ in range(random.choice([0, 1, 1, 2]))]
        source = Join(source, table(second, "s"), kind, () if kind == "cross join" else tuple(on))
        if kind in ("semi join", "anti join"):
            sides.pop()
    where = tuple(condition(random, sides) for _ in range(random.choice([0, 0, 1, 1, 2])))
    if random.random() < 0.35:
        return _grouped(random, sides, source, where)
    alias, relation = random.choice(sides)
    made = [Item(instant(random, alias, relation), "t")]
    known = None
    if random.random() < 0.3:
        known = "a"
        made.append(Item(instant(random, *random.choice(sides)), "a"))
    made += [Item(column("r", first, name), name) for name in ("id", "k", "g") if first.has(name)]
    for position in range(random.choice([1, 2])):
        made.append(Item(_value(random, sides, second), f"f{position + 1}"))
    select = Select(tuple(made), source, where, distinct=random.random() < 0.1)
    unique = ("id",) if len(sides) == 1 and first.unique == ("id",) else ()
    if unique and random.random() < 0.1:
        key = Sort(instant(random, "r", first), random.random() < 0.5)
        order = (key, Sort(column("r", first, "id")))
        place = Over(Op("row_number()"), (column("r", first, "k"),) if first.has("k") else (), order)
        select = Select(select.items, source, where, qualify=(compared(place, "=", number(1)),))
    if unique and random.random() < 0.08:
        order = (Sort(instant(random, "r", first), random.random() < 0.5), Sort(column("r", first, "id")))
        select = Select(select.items, source, where, order=order, limit=random.choice([1, 2, 3]))
    return Made(select, "t", known, unique=() if select.distinct else unique)


def _value(random: Random, sides: list[tuple[str, Relation]], other: Relation) -> Expr:
    alias, relation = random.choice(sides)
    kind = random.random()
    if kind < 0.3:
        return some_value(random, alias, relation)
    if kind < 0.6:
        return window(random, alias, relation) if len(sides) == 1 else some_value(random, alias, relation)
    if kind < 0.63:
        return Op("cast(floor(random() * 100) as integer)")
    inner, source = [*sides, ("u", other)], table(other, "u")
    if random.random() < 0.3:
        inner, source = [*inner, ("v", other)], Join(source, table(other, "v"), "cross join")
    where = tuple(condition(random, inner) for _ in range(random.choice([0, 1, 2])))
    if kind < 0.85:
        return scalar(Select((Item(some_aggregate(random, "u", other), "v"),), source, where))
    text = random.choice(["exists ({q})", "not exists ({q})", "{0} in ({q})", "{0} not in ({q})", "{0} >= all ({q})"])
    value = some_value(random, "u", other) if "{0}" in text else number(1)
    arguments = (some_value(random, alias, relation),) if "{0}" in text else ()
    return Sub(text, Select((Item(value, "v"),), source, where), arguments, "bool")


def _grouped(random: Random, sides: list[tuple[str, Relation]], source: From, where: tuple[Expr, ...]) -> Made:
    """Groups by a key and some instant, stamped with that, or with an aggregate of the instants in the group."""
    alias, relation = random.choice(sides)
    at = instant(random, alias, relation)
    keys = [column(alias, relation, key) for key in ("k", "g") if relation.has(key) and random.random() < 0.7]
    values = [Item(some_aggregate(random, *random.choice(sides)), f"f{n}") for n in range(1, random.choice([2, 3]))]
    made = [Item(key, key.name) for key in keys]
    if random.random() < 0.3 and keys:
        stamp = aggregate(random.choice(["min({0})", "max({0})", "median({0})", "any_value({0})"]), at, kind="time")
        return Made(Select((*made, Item(stamp, "t"), *values), source, where, tuple(keys)))
    return Made(Select((*made, Item(at, "t"), *values), source, where, (*keys, at)))
