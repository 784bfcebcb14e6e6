"""The oracle itself: it refutes every kind of leak, leaves alone what is safe, and its two hands write the same."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from tests.check.fuzz.generator import generate
from tests.check.fuzz.oracle import Refuted, Unusable, Worlds
from tests.check.fuzz.relations import aggregate, column, compared, items, later, number, of_source, over, scalar, table
from tests.check.fuzz.skeletons_joins import JOINS
from tests.check.fuzz.skeletons_lookups import LOOKUPS
from tests.check.fuzz.skeletons_rows import ROWS
from tests.check.fuzz.sources import SOURCES, truncated
from tests.check.fuzz.tree import (
    Clock,
    Col,
    Derived,
    Feature,
    Item,
    Join,
    Model,
    Op,
    Over,
    Program,
    Select,
    Sort,
    Sub,
    Table,
    Window,
    walk,
)  # fmt: skip
from tests.check.fuzz.witness import Bench
from tests.check.fuzz.writing import WORLD

EVENTS, TICKS, LATE, DELAYED, DIMS = (of_source(name) for name in ("events", "ticks", "late", "delayed", "dims"))
R, S, LATE_S, DELAYED_S = table(EVENTS, "r"), table(TICKS, "s"), table(LATE, "s"), table(DELAYED, "s")
ROW = items("r", EVENTS, ["id", "k", "t"])
SAME = compared(Col("s", "k", "int"), "=", Col("r", "k", "int"))
X, T, ID, K = (column("r", EVENTS, name) for name in ("x", "t", "id", "k"))
SX, ST, SA = (column("s", LATE, name) for name in ("x", "t", "a"))
DAY = Op("date_trunc('day', {0})", (T,), "time")
BY = (Sort(T), Sort(ID))


def with_value(value, source=R, **clauses):
    """Events with a feature."""
    return Select((*ROW, Item(value, "f")), source, **clauses)


def total(source, *where, text="sum({0})"):
    return scalar(Select((Item(aggregate(text, SX), "v"),), source, where))


def window(text="sum({0})", order=BY, frame="", partition=(K,)):
    return Over(Op(text, (X,), aggregate=True), partition, order, frame)


def newest(relation=TICKS):
    """The newest row of each key, whenever that was."""
    order = (Sort(column("s", relation, "t"), True), Sort(column("s", relation, "id"), True))
    place = over("row_number()", partition=(column("s", relation, "k"),), order=order)
    made = items("s", relation, ["k", "x"])
    return Derived(Select(made, table(relation, "s"), qualify=(compared(place, "=", number(1)),)), "s")


def joined(source, *on, kind="left join"):
    return Join(R, source, kind, on)


LEAKS = {
    "following-frame": with_value(window(frame="rows between current row and 1 following")),
    "lead": with_value(over("lead({0})", X, partition=(K,), order=BY)),
    "whole-partition": with_value(window(order=())),
    "percent-rank": with_value(over("percent_rank()", partition=(K,), order=BY)),
    "rank-partition": with_value(over("rank()", partition=(K,), order=(Sort(X, True),))),
    "descending-frame": with_value(window(order=(Sort(T, True), Sort(ID)))),
    "nulls-first": with_value(window(order=(Sort(T, nulls_first=True), Sort(ID)))),
    "latest-row": with_value(SX, joined(newest(), SAME)),
    "arg-max": with_value(scalar(Select((Item(aggregate("arg_max({0}, {1})", SX, ST), "v"),), S, (SAME,)))),
    "whole-group": Select((Item(K, "k"), Item(aggregate("max({0})", T, kind="time"), "t"),
                           Item(aggregate("count(*)"), "f")), R, group=(K,)),
    "group-of-firsts": Select((Item(K, "k"), Item(aggregate("min({0})", T, kind="time"), "t"),
                               Item(aggregate("count(*)"), "f")), R, group=(K,)),
    "whole-relation": with_value(total(S)),
    "limit": Select(ROW, R, order=(Sort(T, True), Sort(ID, True)), limit=2),
    "unbounded-join": with_value(SX, joined(S, SAME)),
    "wrong-bound": with_value(total(S, SAME, compared(ST, ">=", T))),
    "slack-bound": with_value(total(S, SAME, compared(ST, "<=", later(T, "1 hour")))),
    "by-a-microsecond": with_value(total(S, SAME, compared(ST, "<=", later(T, "1 microsecond")))),
    "event-time-for-available": with_value(total(LATE_S, SAME, compared(ST, "<=", T))),
    "never-known": with_value(total(LATE_S, SAME, compared(Op("coalesce({0}, {1})", (SA, ST), "time"), "<=", T))),
    "delay-ignored": with_value(total(DELAYED_S, SAME, compared(ST, "<=", T))),
    "bucket-start": Select((Item(K, "k"), Item(DAY, "t"), Item(aggregate("count(*)"), "f")), R, group=(K, DAY)),
    "open-bucket": with_value(total(S, SAME, compared(Op("date_trunc('day', {0})", (ST,), "time"), "<=", T))),
    "clock": with_value(Op("date_diff('hour', {0}, {1})", (T, Clock()))),
    "future-existence": Select(ROW, joined(S, SAME, kind="semi join")),
    "future-absence": Select(ROW, joined(S, SAME, kind="anti join")),
    "in-the-future": Select(ROW, R, (Sub("{0} in ({q})", Select((Item(SX, "v"),), S), (X,), "bool"),)),
    "fit-outside-train": with_value(
        SX, Join(R, Derived(Select((Item(aggregate("avg({0})", SX), "x"),), S), "s"), "cross join")
    ),
    "intersect": Select(ROW, joined(S, SAME, compared(ST, ">", T), kind="semi join")),
    "full-join": Select((Item(Op("coalesce({0}, {1})", (T, ST), "time"), "t"), Item(SX, "f")),
                        joined(S, SAME, compared(ST, ">=", T), kind="full join")),
    "greatest-of-nulls": Select((Item(Op("greatest({0}, {1})", (ST, SA), "time"), "t"), Item(SX, "f")), LATE_S),
    "untimed": with_value(total(Table("untimed", "s"), SAME)),
}  # fmt: skip


@pytest.fixture(scope="module")
def worlds():
    made = Worlds(7, datasets=60)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bench():
    made = Bench()
    yield made
    made.close()


def one(query, **config):
    return Program((Model("m", query, **{"event_time": "t", **config}),))


@pytest.mark.parametrize("name", LEAKS)
def test_every_kind_of_leak_is_refuted_and_the_author_s_sql_shows_it(name, worlds, bench):
    program = one(LEAKS[name])

    found = worlds.refuted(program)

    assert found
    refuted = next(iter(found.values()))
    witness = bench.compare(program, refuted, refuted.data)
    assert witness is not None
    assert witness.then != witness.today


def test_a_witness_has_no_row_too_many(worlds, bench):
    program = one(LEAKS["by-a-microsecond"])

    witness = bench.witness(program, worlds.refuted(program)["m", "f"])

    assert witness is not None
    assert {name: len(rows) for name, rows in witness.data.items() if rows} == {"events": 1, "ticks": 1}


NO_ORDER = {
    "rows of a window": with_value(window(frame="rows unbounded preceding", order=(Sort(T),))),
    "the last of some rows": with_value(over("lag({0})", X, partition=(K,), order=(Sort(T),))),
    "the first of some rows": Select(ROW, R, order=(Sort(K),), limit=1),
}


@pytest.mark.parametrize("name", NO_ORDER)
def test_a_choice_among_ties_is_told_from_a_leak(name, worlds, bench):
    """Two rows of one instant may fall either way; what is told apart by its id may not."""
    program, sure = one(NO_ORDER[name]), one(with_value(window(frame="rows between current row and 1 following")))
    leak = worlds.refuted(sure)["m", "f"]
    twice = (1, 1, 1, leak.at, 1, 1), (2, 1, 1, leak.at, 2, 2)
    ties = Refuted("m", "f" if name != "the first of some rows" else "id", {"events": twice}, leak.at)

    assert bench.hangs_on_ties(program, ties)
    assert not bench.hangs_on_ties(sure, leak, tries=20)


def test_a_program_that_multiplies_its_rows_says_nothing(worlds):
    source = R
    for number_ in range(8):
        source = Join(source, table(EVENTS, f"s{number_}"), "cross join")

    with pytest.raises(Unusable):
        worlds.compute(one(with_value(X, source)))


def test_dropping_available_at_is_refuted_and_keeping_it_is_not(worlds):
    query = Select(items("r", LATE, ["k", "t", "a", "x"]), table(LATE, "r"))

    assert not worlds.refuted(one(query, available_at="a"))
    assert ("m", "x") in worlds.refuted(one(query))


def test_a_delay_must_be_long_enough(worlds):
    query = Select((Item(K, "k"), Item(DAY, "t"), Item(aggregate("count(*)"), "f")), R, group=(K, DAY))

    assert not worlds.refuted(one(query, available_after="1 day"))
    assert ("m", "f") in worlds.refuted(one(query, available_after="23 hours"))


def test_a_label_is_known_at_its_horizon_and_not_before(worlds):
    query = with_value(total(S, SAME, compared(ST, ">", T), compared(ST, "<=", later(T, "1 day"))))

    assert not worlds.refuted(one(query, label=True, horizon="1 day"))
    assert ("m", "f") in worlds.refuted(one(query, label=True, horizon="23 hours"))


def test_only_the_column_that_leaks_is_refuted(worlds):
    query = Select((*ROW, Item(window(), "past"), Item(over("lead({0})", X, order=BY), "next")), R)

    assert {("m", "next")} == set(worlds.refuted(one(query)))


def test_windows_look_back_from_when_a_row_is_usable(worlds):
    view = Model(
        "m", Select(items("r", LATE, ["id", "k", "t", "a", "x"]), table(LATE, "r")), "t", "a",
        materialized="feature_view", windows=(Window("sum(x)", "1 day", "s"),),
    )  # fmt: skip

    assert not worlds.refuted(Program((view,)))
    assert ("m", "s") in worlds.refuted(Program((Model(**{**view.__dict__, "available_at": None}),)))


def test_features_are_as_of_the_label_row_and_an_input_made_of_the_label_is_refuted(worlds):
    view = Model("v", Select(items("r", TICKS, ["k", "t", "x"]), table(TICKS, "r")), "t", materialized="feature_view")
    label = total(S, SAME, compared(ST, ">", T), compared(ST, "<=", later(T, "1 day")))
    labels = Model("labels", Select((*ROW, Item(label, "label")), R), "t", label=True, horizon="1 day")
    plain = tuple(Item(Col("l_", name, "int"), name) for name in ("id", "k", "t", "label"))
    hint = Item(Op("({0} + 1)", (Col("l_", "label", "int"),)), "hint")
    training = Model(
        "training", None, "t", labels="labels", plain=(*plain, hint), features=(Feature("v", "x", "f"),),
        materialized="training_set",
    )  # fmt: skip

    assert {("training", "hint")} == set(worlds.refuted(Program((view, labels, training))))


@pytest.mark.parametrize(
    "skeleton", [*dict.fromkeys(ROWS), *dict.fromkeys((*JOINS, *LOOKUPS))], ids=lambda each: each.__name__
)
def test_a_safe_skeleton_survives_two_thousand_data_sets(skeleton, worlds):
    random = Random(skeleton.__name__)
    survived = 0
    while survived < 2000:
        rows, other = (of_source(random.choice([*SOURCES][:7])) for _ in range(2))
        made = skeleton(random, rows) if skeleton in ROWS else skeleton(random, rows, other)
        if made is None or "untimed" in (rows.name, other.name):
            continue
        model = Model("m", made.query, made.time, made.known, made.delay)
        try:
            assert worlds.refuted(Program((model,))) == {}
        except Unusable:
            continue
        survived += len(worlds.datasets)


def _has_grand_total(program):
    """A ROLLUP makes a row of an empty world, which the other hand leaves out: its keys are null, nobody uses it."""
    return any(isinstance(node, Select) and node.grouping and not node.every for _, node in walk(program))


def test_a_program_for_many_worlds_gives_in_each_what_the_author_s_gives(worlds, bench):
    compared_rows = 0
    for seed in range(150):
        program = generate(seed).program
        try:
            columns = worlds.compute(program)
        except Unusable:
            continue
        if "random()" in repr(program) or _has_grand_total(program):
            continue
        number_, world, at = Random(seed).choice(worlds.worlds)
        if seed % 3 == 0:
            world = Random(seed).randrange(len(worlds.worlds))
            number_, _, at = worlds.worlds[world]
        else:
            at = None
        data = worlds.datasets[number_]
        bench.put(data if at is None else truncated(data, at))
        bench.define(program, at or worlds.end)
        for name, described in columns.items():
            listed = ", ".join(f"cast({column_} as varchar)" for column_, _ in described)
            many = worlds.connection.execute(f"select {listed} from {name} where {WORLD} = {world}").fetchall()

            assert Counter(bench.rows(f"select {listed} from {name}")) == Counter(many), f"seed {seed}, {name}"
            compared_rows += len(many)
    assert compared_rows > 300
