"""Aggregates that the other properties have not."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from math import inf, nan

import duckdb
import pyarrow as pa

from tests.oracles.point_in_time import HOUR
from tests.properties.small_project import (
    NOON,
    THOSE,
    asked_at,
    asking,
    project,
    rows,
    view,
)
from tests.properties.workbench import same

AGGREGATES = [
    "avg(distinct v)", "sum(distinct x)", "list(distinct v order by v desc)", "string_agg(distinct w, ',' order by w)",
    "count_if(v > 1)", "any_value(w)", "arg_min(w, x)", "max(x, 2)", "variance(x)", "var_pop(v)", "stddev(distinct v)",
    "quantile_cont(x, [0.25, 0.75])", "quantile_disc(v, 0.5)", "bit_or(v)", "bool_and(v > 0)", "product(v)", "mode(v)",
    "skewness(x)", "corr(x, v)", "first(w order by x)", "list(struct_pack(a := v, b := w))", "histogram(v)", "count(1)",
    "sum(v + 1)", "sum(case when w = 'a' then v end)", "max(happened)", "min(w)", "list({'v': v}) filter (where v > 1)",
    "approx_count_distinct(w)", "sum(1)", "sum(0.1)",
]  # fmt: skip


def test_any_aggregate_is_what_duckdb_gives_for_the_events_in_their_order(tmp_path):
    values = [3, 1, None, 2, 3, 1, 7, 2, 2, 5]
    floats = [0.5, 0.25, 0.75, None, 4.0, 1.0, -4.0, 0.5, 0.75, 2.5]
    words = ["b", "a", "c", "a", None, "b", "a", "d", "c", "a"]
    happened = [NOON + i * HOUR for i in range(10)]
    facts = pa.table({"k": ["a"] * 10, "happened": happened, "v": values, "x": floats, "w": words})
    items = [f"{{{{ window(\"{text}\", '5 hours') }}}} as a{i}" for i, text in enumerate(AGGREGATES)]
    names = [f"a{i}" for i in range(len(AGGREGATES))]
    features = [f"{{{{ feature('seen.{name}') }}}}" for name in names]
    models = {
        "seen": view(", ".join(["k", "happened", *items])),
        "found": asking(*features, passthrough=names),
    }
    asked = [NOON - HOUR, NOON, NOON + 4 * HOUR, NOON + 9 * HOUR]
    with project(tmp_path / "p", models, facts, asked_at(*asked)) as made:
        found = rows(made)

    with duckdb.connect() as plain:
        plain.execute("set TimeZone = 'UTC'")
        plain.execute("set threads = 1")
        plain.register("facts", facts)
        for row in found:
            t = row["asked"].isoformat()
            inside = f"happened <= timestamptz '{t}' and happened > timestamptz '{t}' - interval 5 hours"
            sql = f"select {', '.join(AGGREGATES)} from (select * from facts where {inside} order by happened)"
            expected = plain.sql(sql).to_arrow_table().to_pylist()[0].values()
            wrong = [
                (text, one, row[name])
                for text, name, one in zip(AGGREGATES, names, expected, strict=True)
                if not (one == row[name] or same(one, row[name]))
            ]
            assert wrong == []


def test_extremes_are_those_of_their_type(tmp_path):
    facts = pa.table({
        "k": ["a"] * 3, "happened": [NOON, NOON + HOUR, NOON + 2 * HOUR],
        "d": [date(1969, 1, 1), None, date(2024, 1, 1)], "t": [NOON, None, NOON - HOUR], "b": [True, None, False],
        "f": pa.array([-1.5, -0.0, nan], pa.float32()), "u": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "m": pa.array([None, Decimal("1.5"), Decimal("-1.5")], pa.decimal128(10, 2)),
    })  # fmt: skip
    names = "dtbfum"
    items = [f"{{{{ window('{of}({name})', '1 day') }}}} as {of}_{name}" for name in names for of in ("min", "max")]
    features = "{{ feature('seen.*') }}"
    models = {
        "seen": view(", ".join(["k", "happened", *items])),
        "found": asking(features, passthrough=["min_d", "max_d", "min_t", "max_t"]),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON + HOUR, NOON + 2 * HOUR)) as made:
        found = [[(row[f"min_{name}"], row[f"max_{name}"]) for name in names] for row in rows(made)]

    first, second, third = found
    old, new, most = date(1969, 1, 1), date(2024, 1, 1), 2**64 - 1
    assert first == [(old, old), (NOON, NOON), (True, True), (-1.5, -1.5), (most, most), (None, None)]
    assert second == [*first[:3], (-1.5, 0.0), (most, most), (Decimal("1.50"), Decimal("1.50"))]
    assert str(second[3][1]) == "0.0"
    assert third[:3] == [(old, new), (NOON - HOUR, NOON), (False, True)]
    assert same(list(third[3]), [-1.5, nan])
    assert third[4:] == [(0, most), (Decimal("-1.50"), Decimal("1.50"))]


def test_float_sums_are_rounded_once_even_where_a_part_of_them_overflows(tmp_path):
    values = [1.7976931348623157e308, 1.7976931348623157e308, -1.7976931348623157e308, 1.0]
    instants = [NOON + timedelta(minutes=i) for i in range(4)]
    facts = pa.table({"k": ["a"] * 4, "happened": instants, "v": values})
    columns = "k, happened, {{ window('sum(v)', '1 day') }} as total"
    models = {"seen": view(columns), "found": asking("{{ feature('seen.total') }}")}
    with project(tmp_path / "p", models, facts, asked_at(*instants)) as made:
        assert [row["total"] for row in rows(made)] == [values[0], inf, values[0], values[0]]


def test_a_window_may_be_a_list_of_times_and_its_last_items(tmp_path):
    facts = pa.table({"k": ["a"] * 3, "happened": [NOON, NOON + HOUR, NOON + 2 * HOUR], "v": [1, 2, 3]})
    columns = f"k, happened, {{{{ window('list(happened)', '1 day') }}}} as times, {THOSE}[-2:] as two"
    models = {
        "seen": view(columns),
        "found": asking("{{ feature('seen.times') }}", "{{ feature('seen.two') }}", passthrough=["times", "two"]),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON + HOUR, NOON + 2 * HOUR)) as made:
        found = rows(made)

    assert [row["two"] for row in found] == [[1, 2], [2, 3]]
    assert [row["times"] for row in found] == [[NOON, NOON + HOUR], [NOON, NOON + HOUR, NOON + 2 * HOUR]]
