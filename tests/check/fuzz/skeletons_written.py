"""Programs that are safe by construction, over a source whose columns are updated in place.

What is written later may be asked for from then on: whether it has come by an instant, and what it is if so.
"""

from __future__ import annotations

from random import Random

from tests.check.fuzz.relations import (
    Made,
    Relation,
    column,
    compared,
    items,
    later,
    over,
    same_key,
    scalar,
    table,
)
from tests.check.fuzz.tree import Expr, Item, Join, Op, Select, Sort

_TELLING = (
    "case when {c} <= {at} then {o} end", "case when {c} <= {at} then {o} else {x} end",
    "case when {o} > 1 and {c} <= {at} then 1 else 0 end", "coalesce({c} <= {at}, false)",
    "coalesce({o} > 1 and {c} < {at}, false)", "coalesce({c} between {t} and {at}, false)",
    "case when not ({c} > {at}) then {o} end", "({c} is null or {c} > {at})",
    "{at} < coalesce({c}, timestamptz '9999-12-31 00:00:00+00')", "if({c} <= {at}, {o}, 7)",
    "case when {x} = 1 then {x} when {c} <= {at} then {o} end", "case when {c} <= {at} then 1 when {x} > 1 then 2 end",
)  # fmt: skip
_ADDED = (
    "sum({o}) filter (where {c} <= {at})", "sum(case when {c} <= {at} then {o} end)",
    "count(*) filter (where {c} <= {at})", "sum(case when {c} <= {at} then 1 else 0 end)",
    "max({o}) filter (where {c} <= {at})", "count(*) filter (where {c} is null or {c} > {at})",
    "coalesce(sum(case when {c} <= {at} then {o} else 0 end), 0)",
)  # fmt: skip


def _told(text: str, relation: Relation, at: Expr, *, added: bool = False) -> Op:
    """The text with the columns of the relation ``r`` in it, and the instant that is asked about."""
    names = [name for name in ("c", "o", "x", "t") if f"{{{name}}}" in text]
    for number, name in enumerate([*names, "at"]):
        text = text.replace(f"{{{name}}}", f"{{{number}}}")
    kind = "bool" if text.startswith(("coalesce(", "(", "{")) and not added and "sum" not in text else "int"
    return Op(text, (*(column("r", relation, name) for name in names), at), kind, aggregate=added)


def asked(random: Random, relation: Relation, other: Relation) -> Made:
    """Rows some time later: what had been written by then, and what."""
    span = random.choice(["0 days", "1 hour", "1 day", "1 day"])
    at = later(column("r", relation, "t"), span)
    made = [*items("r", relation, ["id", "k", "g", "x"]), Item(at, "t")]
    made += [Item(_told(text, relation, at), f"f{n}") for n, text in enumerate(random.sample(_TELLING, 2), 1)]
    if span == "1 day":
        made.append(Item(column("r", relation, "p"), "f3"))
    where: tuple[Expr, ...] = ()
    if random.random() < 0.4:
        where = (_told(random.choice(["{c} <= {at}", "({c} is null or {c} > {at})", "{c} < {at}"]), relation, at),)
        if len(where[0].text) < 20:  # of a row that is there it is known
            made.append(Item(column("r", relation, "o"), "f4"))
    return Made(Select(tuple(made), table(relation, "r"), where), unique=("id",))


def added(random: Random, relation: Relation, other: Relation) -> Made:
    """Days, stamped at their end: what of them was written by then, or by an instant within."""
    end = Op("(date_trunc('day', {0}) + interval '1 day')", (column("r", relation, "t"),), "time")
    at = random.choice([end, column("r", relation, "t")])
    made = [Item(column("r", relation, "k"), "k"), Item(end, "t")]
    made += [Item(_told(text, relation, at, added=True), f"f{n}") for n, text in enumerate(random.sample(_ADDED, 2), 1)]
    return Made(Select(tuple(made), table(relation, "r"), (), (column("r", relation, "k"), end)), unique=())


def counted(random: Random, relation: Relation, other: Relation) -> Made | None:
    """For each row of another relation: what had been written by then into those of a key."""
    if not other.at_once or other.columns.get(other.time or "") != "time":
        return None
    at = column("q", other, other.time or "")
    where = (*same_key(random, "q", "r", other, relation), compared(column("r", relation, "t"), "<=", at))
    named = [name for name in ("id", "k", "g") if other.has(name)]
    made = [*items("q", other, named), Item(at, other.time or "t")]
    for number, text in enumerate(random.sample(_ADDED, 2), 1):
        value = Item(_told(text, relation, at, added=True), "v")
        made.append(Item(scalar(Select((value,), table(relation, "r"), where)), f"f{number}"))
    return Made(Select(tuple(made), table(other, "q")), other.time, unique=())


def beside(random: Random, relation: Relation, other: Relation) -> Made | None:
    """The rows of a key beside each row of another relation, with what was written by then."""
    if not other.at_once or other.columns.get(other.time or "") != "time":
        return None
    at = column("q", other, other.time or "")
    on = (*same_key(random, "q", "r", other, relation), compared(column("r", relation, "t"), "<=", at))
    kind = random.choice(["join", "left join"])
    named = [name for name in ("id", "k", "g") if other.has(name)]
    made = [*items("q", other, named), Item(at, other.time or "t")]
    sound = [text for text in _TELLING if "{t}" not in text]
    made += [Item(_told(text, relation, at), f"f{n}") for n, text in enumerate(random.sample(sound, 2), 1)]
    return Made(Select(tuple(made), Join(table(other, "q"), table(relation, "r"), kind, on)), other.time)


def closing(random: Random, relation: Relation, other: Relation) -> Made:
    """Rows from their closing on, where that does not come before them."""
    closed, start = column("r", relation, "c"), column("r", relation, "t")
    made = [*items("r", relation, ["id", "k", "g", "o", "x"]), Item(closed, "t")]
    order = (Sort(closed), Sort(column("r", relation, "id")))
    window = {"partition": (column("r", relation, "k"),), "order": order}
    function = random.choice(["sum({0})", "lag({0})", "count({0})", "max({0})"])
    value = over(
        function, column("r", relation, "o"), frame="" if function == "lag({0})" else "rows 2 preceding", **window
    )
    made.append(Item(value, "f1"))
    return Made(Select(tuple(made), table(relation, "r"), (compared(closed, ">=", start),)), unique=("id",))


WRITTEN = (asked, asked, added, counted, beside, closing)
