"""Programs that are safe by construction, over two relations: bounded joins, lookups, bounded sets.

As in ``skeletons_rows``: from safe relations each skeleton makes a SELECT of safe columns, or None.
"""

from __future__ import annotations

from random import Random

from tests.check.fuzz.relations import (
    SPANS,
    Made,
    Relation,
    aggregate,
    carried,
    column,
    compared,
    items,
    known_rows,
    later,
    moment,
    number,
    of_source,
    output_types,
    passed,
    present,
    same_key,
    scalar,
    seen,
    some_aggregate,
    some_value,
    table,
    usable,
    window_since,
)
from tests.check.fuzz.skeletons_rows import row_condition, some_conditions
from tests.check.fuzz.tree import Col, Cte, Derived, Expr, Item, Join, Op, Query, Select, SetOperation, Sort, Sub, Table


def range_joined(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Aggregates over the other's rows that were known, in a join with GROUP BY."""
    if rows.time is None or other.time is None or not rows.unique:
        return None
    names = [name for name in rows.columns if name in ("id", "k", "g", rows.time, rows.known, *rows.unique)]
    conditions = matched(random, rows, other)
    kind = random.choice(["left join", "left join", "join"])
    made = (*items("r", rows, names), Item(some_aggregate(random, "s", other), "f1"))
    if random.random() < 0.4:
        made = (*made, Item(aggregate("count({0})", column("s", other, other.time)), "f2"))
    if random.random() < 0.3:
        made = (*made, Item(aggregate("max({0})", column("s", other, other.time), kind="time"), "last_seen"))
    group = tuple(column("r", rows, name) for name in names)
    source = Join(table(rows, "r"), table(other, "s"), kind, tuple(conditions))
    return passed(rows, Select(made, source, some_conditions(random, "r", rows), group), rows.unique)


def matched(random: Random, rows: Relation, other: Relation) -> list[Expr]:
    """Conditions under which a row of the other is known when the row is."""
    at = moment(random, "r", rows)
    conditions = [*same_key(random, "r", "s", rows, other), *seen(random, "s", other, at)]
    conditions += window_since(random, "s", other, at)
    if random.random() < 0.2:
        conditions.append(row_condition(random, "s", other))
    if random.random() < 0.1:
        conditions.append(_deeper(random, other))
    random.shuffle(conditions)
    return conditions


def _deeper(random: Random, other: Relation) -> Expr:
    """A condition on a row of the other that has a bounded subquery of its own."""
    third = of_source(random.choice(["events", "ticks", "late"]))
    where = (*same_key(random, "s", "u", other, third), *seen(random, "u", third, moment(random, "s", other)))
    inner = Select((Item(number(1), "v"),), table(third, "u"), where)
    return Sub(random.choice(["exists ({q})", "not exists ({q})"]), inner, type="bool")


def filtered(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Aggregates that bound the other's rows by themselves, in a left join that does not."""
    if rows.time is None or other.time is None or not rows.unique:
        return None
    bounds = seen(random, "s", other, moment(random, "r", rows))
    bound = Op("({0} and {1})", tuple(bounds), "bool") if len(bounds) == 2 else bounds[0]
    value = some_value(random, "s", other)
    text = random.choice([
        "sum({0}) filter (where {1})", "count({0}) filter (where {1})", "count(*) filter (where {1})",
        "sum(case when {1} then {0} end)",
        "sum(case when {1} then coalesce({0}, 0) else 0 end)",
        "max(case when {1} then {0} end)", "count(case when {1} then 1 end)",
    ])  # fmt: skip
    names = [name for name in rows.columns if name in ("id", "k", "g", rows.time, rows.known, *rows.unique)]
    made = (*items("r", rows, names), Item(aggregate(text, value, bound), "f1"))
    group = tuple(column("r", rows, name) for name in names)
    source = Join(table(rows, "r"), table(other, "s"), "left join", tuple(same_key(random, "r", "s", rows, other)))
    return passed(rows, Select(made, source, group=group), rows.unique)


def joined(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Every pair of a row and one that was known."""
    if rows.time is None or other.time is None:
        return None
    kind = random.choice(["join", "left join"])
    conditions = matched(random, rows, other)
    made = [*items("r", rows, carried(random, rows)), Item(some_value(random, "s", other), "f1")]
    if random.random() < 0.4:
        made.append(Item(column("s", other, other.time), "since"))
    if kind == "join" and random.random() < 0.3:
        source = Join(table(rows, "r"), table(other, "s"), "cross join")
        return passed(rows, Select(tuple(made), source, tuple(conditions)))
    if random.random() < 0.15:
        source = Join(table(other, "s"), table(rows, "r"), kind.replace("left", "right"), tuple(conditions))
    else:
        source = Join(table(rows, "r"), table(other, "s"), kind, tuple(conditions))
    return passed(rows, Select(tuple(made), source, some_conditions(random, "r", rows)))


def as_of(random: Random, rows: Relation, other: Relation) -> Made | None:
    """ASOF JOIN to one row for each instant at which the other became known."""
    if rows.time is None or other.time is None or not other.has("k") or not rows.has("k"):
        return None
    by, where = usable("s", other), known_rows("s", other)
    if other.known and other.exact and random.random() < 0.5:
        by, where = column("s", other, other.known), ()
    key = column("s", other, "k")
    largest = aggregate("max({0})", some_value(random, "s", other))
    if other.unique == ("k", other.time) and other.at_once:
        right: Table | Derived = Table(other.name, "s")
        at, value = Col("s", other.time or "", "time"), some_value(random, "s", other)
    else:
        inner = Select((Item(key, "k"), Item(by, "at"), Item(largest, "v")), table(other, "s"), where, (key, by))
        right, at, value = Derived(inner, "s"), Col("s", "at", "time"), Col("s", "v", "int")
    conditions = (
        compared(Col("r", "k", "int"), "=", Col("s", "k", "int")),
        compared(moment(random, "r", rows), random.choice([">=", ">=", ">"]), at),
    )
    kind = random.choice(["asof join", "asof left join", "asof left join"])
    made = [*items("r", rows, carried(random, rows)), Item(value, "f1")]
    if random.random() < 0.4:
        made.append(Item(at, "since"))
    query = Select(tuple(made), Join(table(rows, "r"), right, kind, conditions))
    return passed(rows, query, rows.unique)


def looked_up(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Correlated subqueries in the list: aggregates, EXISTS, IN, or the newest row of those that were known."""
    if rows.time is None or other.time is None:
        return None
    where = tuple(matched(random, rows, other))
    source = table(other, "s")
    kind = random.random()
    if kind < 0.4:
        value: Expr = scalar(Select((Item(some_aggregate(random, "s", other), "v"),), source, where))
    elif kind < 0.6:
        value = Sub(random.choice(["exists ({q})", "not exists ({q})"]),
                    Select((Item(number(1), "v"),), source, where), type="bool")  # fmt: skip
    elif kind < 0.75:
        inner = Select((Item(some_value(random, "s", other), "v"),), source, where)
        value = Sub(
            random.choice(["{0} in ({q})", "{0} not in ({q})"]), inner, (some_value(random, "r", rows),), "bool"
        )
    elif other.unique:
        inner = Select((Item(some_value(random, "s", other), "v"),), source, where, order=_newest(other), limit=1)
        value = scalar(inner)
    else:
        return None
    made = (*items("r", rows, carried(random, rows)), Item(value, "f1"))
    return passed(rows, Select(made, table(rows, "r"), some_conditions(random, "r", rows)), rows.unique)


def _newest(relation: Relation) -> tuple[Sort, ...]:
    names = [relation.time or "", *(name for name in relation.unique if name != relation.time)]
    return tuple(Sort(column("s", relation, name), True) for name in names)


def lateral(random: Random, rows: Relation, other: Relation) -> Made | None:
    """A lateral join to the newest known row, or to aggregates of all known ones."""
    if rows.time is None or other.time is None:
        return None
    where = tuple(matched(random, rows, other))
    if other.unique and random.random() < 0.6:
        inner = Select((Item(some_value(random, "s", other), "v"),), table(other, "s"), where,
                       order=_newest(other), limit=random.choice([1, 1, 2]))  # fmt: skip
    else:
        inner = Select((Item(some_aggregate(random, "s", other), "v"),), table(other, "s"), where)
    unique = rows.unique if inner.limit != 2 else ()
    made = (*items("r", rows, carried(random, rows)), Item(Col("l", "v", inner.items[0].expr.type), "f1"))
    kind = random.choice(["join lateral", "left join lateral"])
    return passed(rows, Select(made, Join(table(rows, "r"), Derived(inner, "l"), kind)), unique)


def existing(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Rows chosen by whether something was known: semi-join, anti-join, EXISTS, IN."""
    if rows.time is None or other.time is None:
        return None
    conditions = tuple(matched(random, rows, other))
    names = carried(random, rows)
    if random.random() < 0.5:
        source = Join(table(rows, "r"), table(other, "s"), random.choice(["semi join", "anti join"]), conditions)
        return passed(rows, Select(items("r", rows, names), source), rows.unique)
    if random.random() < 0.6:
        inner = Select((Item(number(1), "v"),), table(other, "s"), conditions)
        found = Sub(random.choice(["exists ({q})", "not exists ({q})"]), inner, type="bool")
    else:
        inner = Select((Item(some_value(random, "s", other), "v"),), table(other, "s"), conditions)
        found = Sub(
            random.choice(["{0} in ({q})", "{0} not in ({q})"]), inner, (some_value(random, "r", rows),), "bool"
        )
    return passed(rows, Select(items("r", rows, names), table(rows, "r"), (found,)), rows.unique)


def in_force(random: Random, rows: Relation, other: Relation) -> Made | None:
    """The terms that were in force: a validity range whose end may be open."""
    if rows.time is None or not other.has("until", "k") or not rows.has("k"):
        return None
    at = moment(random, "r", rows)
    start, until = column("s", other, other.time or ""), column("s", other, "until")
    valid = random.choice([
        Op("({1} is null or {0} < {1})", (at, until), "bool"),
        Op("{0} < coalesce({1}, timestamptz '9999-12-31 00:00:00+00')", (at, until), "bool"),
    ])  # fmt: skip
    conditions = (compared(Col("s", "k", "int"), "=", Col("r", "k", "int")), compared(start, "<=", at), valid)
    made = (*items("r", rows, carried(random, rows)), Item(some_value(random, "s", other), "f1"))
    kind = random.choice(["join", "left join"])
    return passed(rows, Select(made, Join(table(rows, "r"), table(other, "s"), kind, conditions)))


def described(random: Random, rows: Relation, other: Relation) -> Made | None:
    """What never changes joined to rows, or a statistic of it beside them."""
    if rows.time is None or not other.immutable:
        return None
    names = carried(random, rows)
    if random.random() < 0.3:
        total = scalar(Select((Item(some_aggregate(random, "s", other), "v"),), table(other, "s")))
        made = (*items("r", rows, names), Item(total, "f1"))
        return passed(rows, Select(made, table(rows, "r")), rows.unique)
    made = (*items("r", rows, names), Item(some_value(random, "s", other), "f1"))
    kind = random.choice(["join", "left join", "left join"])
    conditions = tuple(same_key(random, "r", "s", rows, other))
    if random.random() < 0.3 and conditions:
        source = Join(table(rows, "r"), table(other, "s"), random.choice(["semi join", "anti join"]), conditions)
        return passed(rows, Select(items("r", rows, names), source), rows.unique)
    return passed(rows, Select(made, Join(table(rows, "r"), table(other, "s"), kind, conditions)))


def together(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Set operations of two relations that are known at once."""
    if not (rows.at_once and other.at_once) or rows.time != "t" or other.time != "t":
        return None
    names = [name for name in ("k", "g") if rows.has(name) and other.has(name)]

    def side(alias: str, relation: Relation) -> Query:
        made = [*items(alias, relation, [*names, "t"])]
        if kind == "union all":
            made.append(Item(some_value(random, alias, relation), "x"))
        return Select(tuple(made), table(relation, alias), some_conditions(random, alias, relation))

    kind = random.choice(["union all", "union all", "union", "intersect", "except", "except all"])
    return Made(SetOperation(kind, side("r", rows), side("s", other)))


def met(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Pairs without a bound, stamped when both are known."""
    if rows.time is None or other.time is None:
        return None
    both = Op("greatest({0}, {1})", (usable("r", rows), usable("s", other)), "time")
    if random.random() < 0.3:
        both = later(both, random.choice(SPANS))
    made = [*items("r", rows, [name for name in ("k", "g") if rows.has(name)]), Item(both, "t")]
    made.append(Item(some_value(random, "s", other), "f1"))
    where = [*known_rows("r", rows), *known_rows("s", other)]
    where += [present(column(alias, each, each.time or "")) for alias, each in (("r", rows), ("s", other))]
    source = Join(table(rows, "r"), table(other, "s"), "join", tuple(same_key(random, "r", "s", rows, other)))
    return Made(Select(tuple(made), source, tuple(where)))


def day_before(random: Random, rows: Relation, other: Relation) -> Made | None:
    """Buckets of days that had ended, joined to rows by day."""
    if rows.time is None or not other.at_once or not rows.unique:
        return None
    day = Op("cast({0} as date)", (column("s", other, other.time or ""),), "date")
    keys = [name for name in ("k", "g") if other.has(name) and rows.has(name) and random.random() < 0.7]
    value = some_aggregate(random, "s", other)
    inner = Select(
        (*items("s", other, keys), Item(day, "day"), Item(value, "v")),
        table(other, "s"), group=(*(column("s", other, key) for key in keys), day),
    )  # fmt: skip
    at = moment(random, "r", rows)
    bound = random.choice([
        compared(Col("q", "day", "date"), "<", Op("cast({0} as date)", (at,), "date")),
        compared(Op("({0} + interval '1 day')", (Col("q", "day", "date"),), "time"), "<=", at),
        compared(Col("q", "day", "date"), "=", Op("(cast({0} as date) - 1)", (at,), "date")),
    ])  # fmt: skip
    conditions = [*(compared(Col("q", key, "int"), "=", Col("r", key, "int")) for key in keys), bound]
    names = [name for name in rows.columns if name in ("id", "k", "g", rows.time, rows.known, *rows.unique)]
    made = (*items("r", rows, names), Item(aggregate("count({0})", Col("q", "day", "date")), "f1"),
            Item(aggregate("max({0})", Col("q", "v", value.type), kind=value.type), "f2"))  # fmt: skip
    group = tuple(column("r", rows, name) for name in names)
    if random.random() < 0.5:
        source = Join(table(rows, "r"), Table("c", "q"), "left join", tuple(conditions))
        return passed(rows, Select(made, source, group=group, ctes=(Cte("c", inner),)), rows.unique)
    source = Join(table(rows, "r"), Derived(inner, "q"), "left join", tuple(conditions))
    return passed(rows, Select(made, source, group=group), rows.unique)


def both_closed(random: Random, rows: Relation, other: Relation) -> Made | None:
    """A full join of the days of two relations, stamped at their ends."""
    if not (rows.at_once and other.at_once):
        return None

    def side(alias: str, relation: Relation) -> Derived:
        end = Op("(date_trunc('day', {0}) + interval '1 day')", (column(alias, relation, relation.time or ""),), "time")
        inner = Select((Item(end, "t"), Item(some_aggregate(random, alias, relation), "v")),
                       table(relation, alias), group=(end,))  # fmt: skip
        return Derived(inner, alias)

    left, right = Col("r", "t", "time"), Col("s", "t", "time")
    kind = random.choice(["full join", "full join", "join", "left join"])
    sides = side("r", rows), side("s", other)
    made = [Item(Op("coalesce({0}, {1})", (left, right), "time"), "t")]
    made += [Item(Col(each.alias, "v", output_types(each.query)["v"]), f"f{n}") for n, each in enumerate(sides, 1)]
    return Made(Select(tuple(made), Join(*sides, kind, (compared(left, "=", right),))), unique=("t",))


JOINS = (
    range_joined, range_joined, joined, joined, as_of, as_of, looked_up, looked_up, lateral, existing, existing,
    filtered, in_force, described, together, met, day_before, both_closed,
)  # fmt: skip
