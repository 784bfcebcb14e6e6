"""What a query means, against DuckDB: its names, types and rows; and where nothing is said rather than something wrong.

``spelled.py`` says a resolved query in SQL again, every column by its position: that must give the same rows.
"""

from __future__ import annotations

import duckdb
import pytest

from sqlfeat.compiler.algebra import (
    Bound,
    Call,
    Column,
    Constant,
    Expression,
    Interval,
    Join,
    Project,
    Relation,
    Scan,
    Subquery,
    Windows,
)
from sqlfeat.compiler.resolve import Unresolved, resolve, type_of
from sqlfeat.compiler.resolve.functions import AGGREGATES
from tests.compiler.resolving import World, queries, with_tokens, world
from tests.compiler.spelled import Unspellable, spelled

the_world = pytest.fixture(scope="module", name="world")(world)


# -- against DuckDB ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", queries())
def test_a_query_has_the_columns_that_duckdb_says(world: World, query):
    expected = world.described(query)
    fields = world.resolved(query).fields

    assert [column.name for column in expected] == [field.name for field in fields]
    claimed = [(field.name, field.type) for field in fields if field.type is not None]
    assert [(c.name, c.type) for c, f in zip(expected, fields, strict=True) if f.type is not None] == claimed


def test_nearly_all_types_are_said(world: World):
    fields = [field for query in queries() for field in world.resolved(query).fields]
    unsaid = [field.name for field in fields if field.type is None]

    assert len(unsaid) <= 10
    assert len(fields) > 1000


def repeatable(query: str) -> bool:
    return not any(word in query for word in ("random()", "now()", "sample", "limit 10%"))


@pytest.mark.parametrize("query", [query for query in queries() if repeatable(query)])
def test_what_is_resolved_gives_the_same_rows(world: World, query):
    relation = world.resolved(query)
    if "pivot" in query or "collate" in query:
        with pytest.raises(Unspellable):  # what these keep is not enough to say them again
            spelled(relation)
    else:
        assert world.rows(query) == world.rows(spelled(relation))


# -- types of functions and operators ----------------------------------------------------------------------------------

TYPES = (
    "TINYINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)",
    "DECIMAL(18,3)", "DECIMAL(38,2)", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
    "INTERVAL", "INTEGER[]",
)  # fmt: skip
LITERALS = ("1", "-1", "100000", "3000000000", "1.5", "0.05", "1e2", "'x'", "null")


def differing(world: World, texts: list[str]) -> list[tuple[str, str, str | None]]:
    """The expressions that DuckDB takes and of which it says another type than we do."""
    wrong = []
    for text in texts:
        try:
            expected = world.described(f"select {text} as x")[0].type
        except duckdb.Error:
            continue  # DuckDB refuses it, so nobody will write it
        try:
            said = resolve(f"select {text} as x", {}).fields[0].type
        except Unresolved:
            said = None  # sqlglot cannot read everything
        if said not in (None, expected):
            wrong.append((text, expected, said))
    return wrong


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "||"])
def test_the_type_of_an_operator_is_duckdbs_where_it_is_said(world: World, operator):
    values = [f"null::{name}" for name in TYPES]
    pairs = [(one, other) for one in values for other in (*values, *LITERALS)]
    pairs += [(literal, value) for literal in LITERALS for value in values]

    assert differing(world, [f"{one} {operator} {other}" for one, other in pairs]) == []


def test_the_type_of_a_choice_is_duckdbs_where_it_is_said(world: World):
    values = [f"null::{name}" for name in TYPES]
    pairs = [(one, other) for one in values for other in (*values, *LITERALS)]
    texts = [f"coalesce({one}, {other})" for one, other in pairs]
    texts += [f"case when true then {other} else {one} end" for one, other in pairs]

    assert differing(world, texts) == []


def calls(world: World) -> list[tuple[str, str, str]]:
    """Every function of DuckDB with arguments of its types: name, kind and text."""
    plain = {"ANY": "INTEGER", "T": "INTEGER", "T[]": "INTEGER[]", "ANY[]": "INTEGER[]", "DECIMAL": "DECIMAL(9,3)"}
    rows = world.connection.execute(
        "select distinct function_name, function_type, parameter_types from duckdb_functions() "
        "where function_type in ('scalar', 'aggregate') and function_name ~ '^[a-z_][a-z0-9_]*$' order by all"
    ).fetchall()
    return [(n, kind, f"{n}({', '.join(f'null::{plain.get(p, p)}' for p in given)})") for n, kind, given in rows]


def test_the_type_of_a_function_is_duckdbs_where_it_is_said(world: World):
    said_otherwise = differing(world, [text for _, _, text in calls(world) if "nextval" not in text])

    assert said_otherwise == []


def test_every_aggregate_of_duckdb_is_known_as_one(world: World):
    aggregates = {name for name, kind, _ in calls(world) if kind == "aggregate"}

    assert aggregates - AGGREGATES == set()


# -- the shape of the algebra ------------------------------------------------------------------------------------------


def listed(relation: Relation) -> tuple[Expression, ...]:
    assert isinstance(relation, Project)
    return relation.expressions


def first(relation: Relation) -> Expression:
    return listed(relation)[0]


def test_a_cte_that_is_used_twice_is_one_object(world: World):
    relation = world.resolved("with c as (select k from ref.t) select x.k, y.k as z from c x join c y on x.k = y.k")

    assert isinstance(relation, Project)
    assert isinstance(relation.input, Join)
    assert relation.input.left is relation.input.right


def test_a_scan_names_its_node(world: World):
    relation = world.resolved("from ref.v")

    assert isinstance(relation, Project)
    assert isinstance(relation.input, Scan)
    assert relation.input.node == "ref.v"


def test_a_correlated_column_says_how_far_out_its_row_is(world: World):
    value = first(world.resolved("select (select (select t.a from ref.v limit 1) from ref.u limit 1) as x from ref.t"))
    levels = []
    while isinstance(value, Subquery):
        relation = value.relation
        while not isinstance(relation, Project):
            relation = relation.input  # type: ignore[attr-defined]
        value = relation.expressions[0]
        levels.append(value)

    assert [column.level for column in levels if isinstance(column, Column)] == [2]


def test_a_lateral_side_sees_the_left_row_one_level_out(world: World):
    relation = world.resolved("select z.d from ref.v, lateral (select v.k * 2 as d) z")

    assert isinstance(relation, Project)
    join = relation.input
    assert isinstance(join, Join)
    assert join.lateral
    value = first(join.right)
    assert isinstance(value, Call)
    assert isinstance(value.arguments[0], Column)
    assert value.arguments[0].level == 1


def test_a_subquery_that_reads_nothing_to_its_left_is_not_lateral(world: World):
    relation = world.resolved("select z.k from ref.v, (select k from ref.u) z")

    assert isinstance(relation, Project)
    assert isinstance(relation.input, Join)
    assert not relation.input.lateral


FRAMES = {
    "order by ts": ("range", Bound(False, None), Bound(False, 0)),
    "partition by k": ("range", Bound(False, None), Bound(True, None)),
    "order by ts rows 3 preceding": ("rows", Bound(False, 3), Bound(False, 0)),
    "order by ts rows between 1 preceding and 2 following": ("rows", Bound(False, 1), Bound(True, 2)),
    "order by ts range between interval 7 days preceding and interval '1 second' preceding": (
        "range", Bound(False, Interval(days=7)), Bound(False, Interval(microseconds=1_000_000)),
    ),
    "order by ts groups between unbounded preceding and current row": ("groups", Bound(False, None), Bound(False, 0)),
}  # fmt: skip


@pytest.mark.parametrize("over", FRAMES)
def test_a_frame_is_always_said(world: World, over):
    relation = world.resolved(f"select sum(a) over ({over}) as x from ref.t")

    assert isinstance(relation, Project)
    assert isinstance(relation.input, Windows)
    frame = relation.input.windows[0].frame
    assert FRAMES[over] == (frame.unit, frame.start, frame.end)


INTERVALS = {
    "interval 7 days": Interval(days=7),
    "interval '7' day": Interval(days=7),
    "interval '1 day 2 hours'": Interval(days=1, microseconds=7_200_000_000),
    "interval '1 year 3 months'": Interval(months=15),
    "interval '-90 minutes'": Interval(microseconds=-5_400_000_000),
    "- interval 2 weeks": Interval(days=-14),
    "interval '00:05:00'": Interval(microseconds=300_000_000),
    "interval 1.5 day": Interval(days=1),
    "interval '1.5 days'": Interval(days=1, microseconds=43_200_000_000),
    "'1 quarter'::interval": Interval(months=3),
}


@pytest.mark.parametrize("text", INTERVALS)
def test_an_interval_is_what_duckdb_has_it(world: World, text):
    value = first(resolve(f"select {text} as x", {}))
    expected = INTERVALS[text]

    assert isinstance(value, Constant)
    assert expected == value.value
    parts = f"to_months({expected.months}) + to_days({expected.days}) + to_microseconds({expected.microseconds})"
    assert world.rows(f"select {text} as x") == world.rows(f"select {parts} as x")


def test_an_expression_stands_where_its_words_stand(world: World):
    text = with_tokens("select lower(b) || 'x' as y from ref.t")
    value = first(world.resolved("select lower(b) || 'x' as y from ref.t"))

    assert text[value.span.start : value.span.end] == "lower(b) || 'x'"


def test_a_cast_of_a_literal_is_a_literal(world: World):
    value = first(resolve("select timestamp '2020-01-02 03:04:05' as x", {}))

    assert isinstance(value, Constant)
    assert type_of(value) == "TIMESTAMP"
    assert str(value.value) == "2020-01-02 03:04:05"


# -- what is not known is not said -------------------------------------------------------------------------------------

UNKNOWN = {
    "select nothing from ref.v": "nothing",
    "select x.k from ref.v": "x.k",
    "select * from elsewhere": "elsewhere",
    "select * from ref.absent": "ref",
    "select * from 'file.parquet'": "'file.parquet'",
    "select * from read_csv('file.csv')": "read_csv",
    "pivot ref.v on k using sum(w)": "k",
    "select k from ref.v, ref.u": "k",
    "select 0x1F": "0x1F",
    "select $1 as x": "",
    "select (select sum(t.a)) as x from ref.t": "sum",
    "select k, a from ref.t group by k": "a",
    "select lead(col := a, default := 1) over () from ref.t": "col",
    "select a from ref.t order by a limit (select 3)": "",
    "select s.nothing from ref.t": "s.nothing",
    "select * from ref.t join ref.u on t.a = u.a nearest 1 by distance t.a": "",
    "with recursive c(k, n) using key (k) as (select 1, 2 union select k, n from c) select * from c": "c",
    "select k as z, (select z) as y from ref.v": "z",
    "select (approx_quantile(a, 0.5) export_state) as x from ref.t": "",
    "select unnest(s, max_depth := 2) from ref.t": "unnest",
    "pivot ref.v using sum(w)": "ref",
    "delete from ref.t": "",
    "select (": "",
}


@pytest.mark.parametrize("query", UNKNOWN)
def test_what_is_not_known_is_refused_at_its_place(world: World, query):
    with pytest.raises(Unresolved) as caught:
        world.resolved(query)

    at = with_tokens(query)[caught.value.offset :].replace('"sqlfeat:', "")
    assert at.startswith(UNKNOWN[query].removeprefix("ref.") if UNKNOWN[query] != "ref" else "ref")
