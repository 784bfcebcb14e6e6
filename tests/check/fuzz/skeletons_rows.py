"""Programs that are safe by construction, over one relation: filters, trailing windows, closed buckets, firsts.

Each skeleton takes a relation whose columns are safe and makes a SELECT whose columns are safe, or None where the
relation does not suit it. Every choice in it keeps to that; what is wrong is for ``mutations`` to bring in.
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
    number,
    over,
    passed,
    present,
    some_aggregate,
    some_value,
    table,
    usable,
)
from tests.check.fuzz.tree import (
    Col,
    Cte,
    Derived,
    Expr,
    Item,
    Op,
    Over,
    Pivot,
    Select,
    SetOperation,
    Sort,
    Table,
    Unpivot,
)


def row_condition(random: Random, alias: str, relation: Relation) -> Expr:
    """A condition on one row alone."""
    value = some_value(random, alias, relation)
    kinds = [
        compared(value, random.choice(["<", ">", "=", "<>"]), number(random.randint(0, 3))),
        Op("{0} in (1, 2, 5)", (value,), "bool"),
        Op("not ({0} = 1)", (value,), "bool"),
        present(value),
        Op("({0} > 2 or {1} is null)", (value, some_value(random, alias, relation)), "bool"),
        Op("coalesce({0}, 1) between 1 and 5", (value,), "bool"),
    ]
    if relation.time:
        time = column(alias, relation, relation.time)
        kinds += [present(time), compared(time, ">=", Op("timestamptz '2024-02-01 00:00:00+00'", (), "time"))]
    if relation.time and relation.known:
        both = column(alias, relation, relation.time), column(alias, relation, relation.known)
        kinds += [compared(*_signed(both, "<=")), Op("{1} - {0} <= interval '1 hour'", both, "bool")]
    return random.choice(kinds)


def _signed(both: tuple[Expr, Expr], sign: str) -> tuple[Expr, str, Expr]:
    return both[0], sign, both[1]


def some_conditions(random: Random, alias: str, relation: Relation) -> tuple[Expr, ...]:
    return tuple(row_condition(random, alias, relation) for _ in range(random.choice([0, 0, 0, 1, 1, 2])))


def of_row(random: Random, alias: str, relation: Relation) -> Expr:
    """A number computed from one row."""
    value = some_value(random, alias, relation)
    kinds = [value, Op("({0} * 2)", (value,)), Op("case when {0} is null then 0 else 1 end", (value,))]
    if relation.time:
        time = column(alias, relation, relation.time)
        kinds += [Op("extract(hour from {0})", (time,)), Op("date_diff('hour', date_trunc('day', {0}), {0})", (time,))]
        kinds += [
            Op("dayofweek({0})", (time,)),
            Op("case when {0} < {1} then 1 else 2 end", (time, usable(alias, relation))),
        ]
    return random.choice(kinds)


def projected(random: Random, relation: Relation) -> Made | None:
    """Rows chosen and computed one by one; sometimes stamped anew with a later time."""
    if relation.time is None:
        return None
    names = carried(random, relation)
    made = [*items("r", relation, names), Item(of_row(random, "r", relation), "f1")]
    where = some_conditions(random, "r", relation)
    unique = relation.unique
    kind = random.random()
    if kind < 0.6 or relation.time != "t":
        return passed(relation, Select(tuple(made), table(relation, "r"), where), unique)
    stamp = _stamp(random, relation)
    kept = [item for item in made if item.name not in (relation.time, relation.known)]
    where = (*where, *known_rows("r", relation))
    unique = () if "t" in unique else unique
    return Made(Select((*kept, Item(stamp, "t")), table(relation, "r"), where), unique=unique)


def _stamp(random: Random, relation: Relation) -> Expr:
    """An instant at which a row that is ever known is known."""
    at = usable("r", relation)
    return random.choice([
        at,
        later(at, random.choice(SPANS)),
        Op("(date_trunc('day', {0}) + interval '1 day')", (at,), "time"),
        Op("(cast({0} as date) + 1)", (at,), "date"),
        Op("greatest({0}, {1})", (at, later(at, "1 hour")), "time"),
        Op("coalesce({0}, {1})", (at, column("r", relation, relation.time or "")), "time"),
    ])  # fmt: skip


def _order(relation: Relation, alias: str) -> tuple[Expr, tuple[Expr, ...]]:
    """What rows become known by, and the conditions for that."""
    if relation.known and relation.exact:
        return column(alias, relation, relation.known), ()
    if relation.known:
        return usable(alias, relation), known_rows(alias, relation)
    assert relation.time is not None
    return column(alias, relation, relation.time), ()


def trailing(random: Random, relation: Relation) -> Made | None:
    """Window functions that look back from each row."""
    if relation.time is None:
        return None
    by, where = _order(relation, "r")
    partition = tuple(column("r", relation, key) for key in ("k", "g") if relation.has(key) and random.random() < 0.6)
    unique = [column("r", relation, name) for name in relation.unique if name != relation.time]
    made = list(items("r", relation, carried(random, relation)))
    for number_ in range(random.choice([1, 1, 2])):
        window = _trailing(random, relation, by, partition, unique)
        made.append(Item(window, f"f{number_ + 1}"))
    if random.random() < 0.6:
        where = (*where, *some_conditions(random, "r", relation))
    return passed(relation, Select(tuple(made), table(relation, "r"), where), relation.unique)


def _trailing(random: Random, relation: Relation, by: Expr, partition: tuple[Expr, ...], unique: list[Col]) -> Over:
    order = (Sort(by),)
    value = some_value(random, "r", relation)
    kind = random.random()
    if kind < 0.3 or (kind < 0.75 and not relation.unique):
        frame = random.choice([
            "", "range between unbounded preceding and current row",
            f"range between interval '{random.choice(SPANS)}' preceding and current row",
            "range between interval '7 days' preceding and interval '1 hour' preceding",
            "groups between 2 preceding and current row", "groups between unbounded preceding and 1 preceding",
        ])  # fmt: skip
        function = some_aggregate(random, "r", relation, bare=True)
        return Over(function, partition, order, frame, function.type)
    exact = (*order, *(Sort(each) for each in unique))
    if kind < 0.55:
        frame = random.choice([
            "rows between unbounded preceding and current row", "rows between 2 preceding and current row",
            "rows between unbounded preceding and 1 preceding", "rows between 3 preceding and 1 preceding",
            "rows between unbounded preceding and current row exclude current row", "rows 2 preceding",
        ])  # fmt: skip
        function = some_aggregate(random, "r", relation, bare=True)
        return Over(function, partition, exact, frame, function.type)
    if kind < 0.75:
        name = random.choice([
            "lag({0})", "lag({0}, 2)", "lag({0}, 1, 0)", "row_number()", "first_value({0})", "last_value({0})",
            "nth_value({0}, 1)",
        ])  # fmt: skip
        return over(name, value, partition=partition, order=exact)
    return over(random.choice(["rank()", "dense_rank()"]), partition=partition, order=order)


def sessions(random: Random, relation: Relation) -> Made | None:
    """Sessions: a row opens one if its entity was silent; the number of them so far."""
    if not relation.at_once or not relation.unique or not relation.has("k"):
        return None
    time = column("r", relation, relation.time or "")
    order = (Sort(time), *(Sort(column("r", relation, name)) for name in relation.unique if name != relation.time))
    names = carried(random, relation)
    before = over("lag({0})", time, kind="time", partition=(column("r", relation, "k"),), order=order)
    inner = Select((*items("r", relation, names), Item(before, "before")), table(relation, "r"))
    types = {**relation.columns, "before": "time"}
    outer = [Item(Col("q", name, types[name]), name) for name in names]
    silent = Op("case when {0} - {1} > interval '1 hour' or {1} is null then 1 else 0 end",
                (Col("q", relation.time or "", "time"), Col("q", "before", "time")))  # fmt: skip
    if random.random() < 0.4:
        outer += [Item(silent, "opens"), Item(Op("date_diff('minute', {0}, {1})", (Col("q", "before", "time"),
                  Col("q", relation.time or "", "time"))), "silence")]  # fmt: skip
    else:
        order = tuple(Sort(Col("q", sort.key.name, sort.key.type)) for sort in order if isinstance(sort.key, Col))
        counted = Over(aggregate("sum({0})", silent), (Col("q", "k", "int"),), order, "rows unbounded preceding")
        outer.append(Item(counted, "session"))
    if random.random() < 0.5:
        query = Select(tuple(outer), Table("c", "q"), ctes=(Cte("c", inner),))
    else:
        query = Select(tuple(outer), Derived(inner, "q"))
    return passed(relation, query, relation.unique)


def closed_buckets(random: Random, relation: Relation) -> Made | None:
    """Groups by whole hours or days, stamped when they have ended."""
    if relation.time is None:
        return None
    at, where = usable("r", relation), known_rows("r", relation)
    if relation.known and relation.exact and random.random() < 0.5:
        at, where = column("r", relation, relation.known), ()
    unit = random.choice(["day", "day", "day", "hour", "hour", "week", "month", "quarter"])
    bucket = random.choice([
        Op(f"date_trunc('{unit}', {{0}})", (at,), "time"),
        Op("cast({0} as date)", (at,), "date"),
        Op("time_bucket(interval '1 day', {0})", (at,), "time"),
    ])  # fmt: skip
    width = unit if "date_trunc" in bucket.text else "day"
    keys = [column("r", relation, key) for key in ("k", "g") if relation.has(key) and random.random() < 0.6]
    made = [Item(key, key.name) for key in keys]
    values = [Item(some_aggregate(random, "r", relation), f"f{n}") for n in range(1, random.choice([2, 3]))]
    if relation.unique and relation.has("id") and random.random() < 0.15:
        newest = aggregate("arg_max({0}, {1})", some_value(random, "r", relation), column("r", relation, "id"))
        values.append(Item(newest, "newest"))
    if random.random() < 0.15:
        running = Op("sum({0})", (aggregate("count(*)"),))
        values.append(Item(Over(running, tuple(keys), (Sort(bucket),)), "running"))
    where = (*where, *some_conditions(random, "r", relation))
    having = (compared(aggregate("count(*)"), ">", number(1)),) if random.random() < 0.15 else ()
    group, grouping, every = (bucket, *keys), "", ()
    if keys and random.random() < 0.2:
        group, grouping, every = tuple(keys), random.choice(["rollup", "cube"]), (bucket,)
    end = later(bucket, "3 months" if width == "quarter" else f"1 {width}")
    delay, time = None, end
    if random.random() < 0.3 and width in ("day", "hour"):
        delay, time = f"1 {width}", bucket
    select = Select(
        (*made, Item(time, "t"), *values), table(relation, "r"), where, group, grouping, every, having
    )  # fmt: skip
    unique = () if keys or grouping else ("t",)
    return Made(select, "t", delay=delay, unique=unique)


def pivoted(random: Random, relation: Relation) -> Made | None:
    """One column for each kind, of days that have ended."""
    if not relation.at_once or not relation.has("k", "g"):
        return None
    time = column("r", relation, relation.time or "")
    end = Op("(date_trunc('day', {0}) + interval '1 day')", (time,), "time")
    kind = Op("case when {0} = 1 then 'a' else 'b' end", (column("r", relation, "g"),), "text")
    inner = Select(
        (Item(column("r", relation, "k"), "k"), Item(end, "t"), Item(kind, "kind"),
         Item(some_value(random, "r", relation), "x")), table(relation, "r"),
    )  # fmt: skip
    pivot = Pivot(inner, "kind", ("a", "b"), random.choice(["sum(x)", "max(x)", "count(*)"]), ("k", "t"), "p")
    outer = (Item(Col("p", "k", "int"), "k"), Item(Col("p", "t", "time"), "t"),
             Item(Col("p", "a", "int"), "fa"), Item(Col("p", "b", "int"), "fb"))  # fmt: skip
    return Made(Select(outer, pivot))


def firsts(random: Random, relation: Relation) -> Made | None:
    """The first row of each key, known for ever once it is there."""
    if not relation.at_once or not relation.has("k"):
        return None
    key, time = column("r", relation, "k"), column("r", relation, relation.time or "")
    where = some_conditions(random, "r", relation)
    if random.random() < 0.35 or not relation.unique:
        first = aggregate("min({0})", time, kind="time")
        return Made(Select((Item(key, "k"), Item(first, "t")), table(relation, "r"), where, (key,)))
    order = (Sort(time), *(Sort(column("r", relation, name)) for name in relation.unique if name != relation.time))
    names = carried(random, relation)
    where = (*where, present(time))
    if random.random() < 0.5:
        place = over("row_number()", partition=(key,), order=order)
        query = Select(
            items("r", relation, names), table(relation, "r"), where, qualify=(compared(place, "=", number(1)),)
        )
    else:
        query = Select(items("r", relation, names), table(relation, "r"), where, first_of=(key,), order=order)
    return passed(relation, query, relation.unique)


def each_once(random: Random, relation: Relation) -> Made | None:
    """Rows without duplicates, or grouped by their time."""
    if relation.time is None:
        return None
    names = [name for name in ("k", "g", relation.time, relation.known) if name and relation.has(name)]
    if random.random() < 0.5:
        return passed(relation, Select(items("r", relation, names), table(relation, "r"), distinct=True))
    keys = tuple(column("r", relation, name) for name in names)
    made = (*items("r", relation, names), Item(some_aggregate(random, "r", relation), "f1"))
    having = (compared(aggregate("count(*)"), "<", number(3)),) if random.random() < 0.3 else ()
    where = some_conditions(random, "r", relation)
    return passed(relation, Select(made, table(relation, "r"), where, keys, having=having))


def spread(random: Random, relation: Relation) -> Made | None:
    """Several rows of one: a number each, or an hour later each."""
    if relation.time != "t" or not relation.at_once:
        return None
    names = [name for name in carried(random, relation) if name != "t"]
    time = column("r", relation, "t")
    if random.random() < 0.5:
        made = (*items("r", relation, [*names, "t"]), Item(Op("unnest([1, 2, 3])"), "n"))
    else:
        hours = Op("unnest(generate_series(cast({0} as timestamp), cast({0} as timestamp) + interval '2 hours', "
                   "interval '1 hour'))", (time,), "time")  # fmt: skip
        made = (*items("r", relation, names), Item(hours, "t"))
    return Made(Select(made, table(relation, "r"), some_conditions(random, "r", relation)))


def unpivoted(random: Random, relation: Relation) -> Made | None:
    """A row for each of two values, without those that are null."""
    if relation.time is None or not relation.has("k", "id"):
        return None
    names = [name for name in ("id", "k", relation.time, relation.known) if name]
    values = [Item(some_value(random, "r", relation), name) for name in ("a_", "b_")]
    inner = Select(
        (*items("r", relation, names), *values), table(relation, "r"), some_conditions(random, "r", relation)
    )
    outer = [Item(Col("p", name, relation.columns[name]), name) for name in names]
    outer += [Item(Col("p", "n", "text"), "n"), Item(Col("p", "v", "int"), "f1")]
    return passed(relation, Select(tuple(outer), Unpivot(inner, ("a_", "b_"), "p", random.random() < 0.3)))


def stepped(random: Random, relation: Relation) -> Made | None:
    """A recursive CTE: each row, and the same some hours later."""
    if relation.time != "t" or not relation.at_once:
        return None
    names = [name for name in ("id", "k") if relation.has(name)]
    kinds = {**{name: relation.columns[name] for name in names}, "t": "time", "n": "int"}
    anchor = (*items("r", relation, names), Item(column("r", relation, "t"), "t"), Item(number(1), "n"))
    step = [Item(Col("c", name, kinds[name]), name) for name in names]
    step += [Item(later(Col("c", "t", "time"), "1 hour"), "t"), Item(Op("({0} + 1)", (Col("c", "n", "int"),)), "n")]
    again = Select(tuple(step), Table("steps_", "c"), (compared(Col("c", "n", "int"), "<", number(3)),))
    both = SetOperation("union all", Select(anchor, table(relation, "r")), again)
    outer = tuple(Item(Col("q", name, kind), name) for name, kind in kinds.items())
    return Made(Select(outer, Table("steps_", "q"), ctes=(Cte("steps_", both, recursive=True),)))


ROWS = (
    projected,
    trailing,
    trailing,
    trailing,
    sessions,
    closed_buckets,
    closed_buckets,
    pivoted,
    firsts,
    each_once,
    spread,
    unpivoted,
    stepped,
)
