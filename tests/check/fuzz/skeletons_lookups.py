"""Programs that are safe by construction, over two relations: merged keys, versions, subqueries with joins inside."""

from __future__ import annotations

from random import Random

from tests.check.fuzz.relations import (
    Made,
    Relation,
    carried,
    column,
    compared,
    items,
    known_rows,
    moment,
    number,
    over,
    passed,
    scalar,
    seen,
    some_aggregate,
    some_value,
    table,
    usable,
)
from tests.check.fuzz.skeletons_joins import matched
from tests.check.fuzz.tree import Col, Cte, Derived, Expr, Item, Join, Op, Select, Sort, Sub, Table


def merged(random: Random, rows: Relation, other: Relation) -> Made | None:
    """USING and NATURAL: the key is one column of both, and the bound stands in WHERE."""
    if rows.time is None or other.time is None or not rows.has("k") or not other.has("k"):
        return None
    at, value = usable("s", other), some_value(random, "s", other)
    names = [name for name in carried(random, rows) if name != "k"]
    key = Item(Col("", "k", "int"), "k")
    if random.random() < 0.5:
        where = (*known_rows("s", other), compared(at, random.choice(["<=", "<"]), moment(random, "r", rows)))
        made = (*items("r", rows, names), key, Item(value, "f1"))
        source = Join(table(rows, "r"), table(other, "s"), "join", (), ("k",))
        return passed(rows, Select(made, source, where))
    inner = Select(
        (Item(column("s", other, "k"), "k"), Item(at, "at_"), Item(value, "v_")), table(other, "s"),
        known_rows("s", other),
    )  # fmt: skip
    where = (compared(Col("q", "at_", "time"), "<=", moment(random, "r", rows)),)
    made = (*items("r", rows, names), key, Item(Col("q", "v_", "int"), "f1"))
    return passed(rows, Select(made, Join(table(rows, "r"), Derived(inner, "q"), "natural join"), where))


def in_version(random: Random, rows: Relation, other: Relation) -> Made | None:
    """The version of a key that was in force: each ends where the next one begins."""
    if rows.time is None or not other.at_once or not other.unique or not (rows.has("k") and other.has("k")):
        return None
    time, at = column("s", other, other.time or ""), moment(random, "r", rows)
    order = (Sort(time), *(Sort(column("s", other, name)) for name in other.unique if name != other.time))
    next_ = over("lead({0})", time, kind="time", partition=(column("s", other, "k"),), order=order)
    made = (Item(column("s", other, "k"), "k"), Item(time, "since_"), Item(next_, "until_"),
            Item(some_value(random, "s", other), "v_"))  # fmt: skip
    inner = Select(made, table(other, "s"))
    since, until = Col("q", "since_", "time"), Col("q", "until_", "time")
    valid = random.choice([
        Op("({1} is null or {0} < {1})", (at, until), "bool"),
        Op("({0} < {1} or {1} is null)", (at, until), "bool"),
        Op("{0} < coalesce({1}, timestamptz '9999-12-31 00:00:00+00')", (at, until), "bool"),
    ])  # fmt: skip
    conditions = (compared(Col("q", "k", "int"), "=", column("r", rows, "k")), compared(since, "<=", at), valid)
    outer = (*items("r", rows, carried(random, rows)), Item(Col("q", "v_", "int"), "f1"))
    if random.random() < 0.5:
        source = Join(table(rows, "r"), Table("versions_", "q"), "join", conditions)
        return passed(rows, Select(outer, source, ctes=(Cte("versions_", inner),)))
    return passed(rows, Select(outer, Join(table(rows, "r"), Derived(inner, "q"), "join", conditions)))


def paired_inside(random: Random, rows: Relation, other: Relation) -> Made | None:
    """A correlated subquery over two readings of one relation, both of which were known."""
    if rows.time is None or other.time is None:
        return None
    at = moment(random, "r", rows)
    where = (*seen(random, "s", other, at), *seen(random, "u", other, at))
    if other.has("k"):
        where = (*where, compared(column("s", other, "k"), "=", column("u", other, "k")))
    both = Join(Table("seen_", "s"), Table("seen_", "u"), "cross join")
    cte = Cte("seen_", Select(items("c_", other, list(other.columns)), table(other, "c_")))
    inner = Select((Item(some_aggregate(random, "u", other), "v"),), both, where)
    value: Expr = scalar(inner)
    if random.random() < 0.4:
        value = Sub("exists ({q})", Select((Item(number(1), "v"),), both, where), type="bool")
    made = (*items("r", rows, carried(random, rows)), Item(value, "f1"))
    return passed(rows, Select(made, table(rows, "r"), ctes=(cte,)), rows.unique)


def passed_through(random: Random, rows: Relation, other: Relation) -> Made | None:
    """A left lateral join whose right side hands on a time of the left row."""
    if rows.time is None or other.time is None:
        return None
    at = column("r", rows, rows.time)
    inner = Select((Item(at, "at_"), Item(some_value(random, "s", other), "v_")), table(other, "s"),
                   tuple(matched(random, rows, other)))  # fmt: skip
    made = [*items("r", rows, carried(random, rows)), Item(Col("l", "v_", "int"), "f1")]
    made.append(Item(Op("coalesce({0}, {1})", (Col("l", "at_", "time"), at), "time"), "seen_at"))
    return passed(rows, Select(tuple(made), Join(table(rows, "r"), Derived(inner, "l"), "left join lateral")))


LOOKUPS = (merged, in_version, paired_inside, passed_through)
