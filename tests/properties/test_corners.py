"""Corners, one at a time: types of keys and times, names, ``known_at``, many label rows, aggregates that are rare."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import fsum, inf, nan

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from sqlfeat import Project
from sqlfeat.errors import SqlfeatError
from tests.oracles.point_in_time import HOUR, MICROSECOND, utc
from tests.properties.workbench import laid_out, same

NOON = utc("2024-01-01 12:00")
NOON_US = int(NOON.timestamp()) * 1_000_000
HEAD = """
name: corners
default_target: dev
targets: {dev: {engine: duckdb, path: target/corners.duckdb}}
entities: {thing: {keys: [%s]}}
"""
SOURCES = """
version: 2
sources: [{name: raw, config: {location: "data/{name}.parquet"}, tables: [{name: facts}, {name: spine}]}]
"""
LABELS = """{{ config(materialized='table', role='label', event_time='asked', horizon='1 hour') }}
select * from {{ source('raw', 'spine') }}"""

TOTAL, MOST, THOSE = (f"{{{{ window('{aggregate}(v)', '1 day') }}}}" for aggregate in ("sum", "max", "list"))
CARDS = """{{ config(materialized='table', entity='thing', immutable=true) }}
select k, v from {{ source('raw', 'facts') }}"""


def project(folder, models, facts, spine, keys="k") -> Project:
    """A project over two tables: what happened, and who asks."""
    files = {"sqlfeat_project.yml": HEAD % keys, "models/sources.yml": SOURCES, "models/labels.sql": LABELS}
    files |= {f"models/{name}.sql": text for name, text in models.items()}
    laid_out(folder, files, {}, {})
    (folder / "data").mkdir()
    parquet.write_table(facts, folder / "data" / "facts.parquet")
    parquet.write_table(spine, folder / "data" / "spine.parquet")
    return Project.load(folder)


def view(columns="k, happened, v", **config) -> str:
    """A feature view over the facts."""
    said = {"materialized": "feature_view", "entity": "thing", "event_time": "happened", **config}
    listed = ", ".join(f"{key}={value!r}" for key, value in said.items() if value is not None)
    return f"{{{{ config({listed}) }}}}\nselect {columns} from {{{{ source('raw', 'facts') }}}}"


def asking(*features, passthrough=()) -> str:
    """A training set of these outputs."""
    listed = ", ".join(["x.id", "x.asked", *features, "x.label"])
    config = f"materialized='training_set', label='label', keys=['id'], passthrough={list(passthrough)}"
    return f"{{{{ config({config}) }}}}\nselect {listed} from {{{{ ref('labels') }}}} as x"


def asked_at(*instants, **columns) -> pa.Table:
    """Label rows in this order, as ``id`` tells; of key 'a' unless said otherwise."""
    count = len(instants)
    made = {"id": list(range(count)), "k": ["a"] * count, "asked": list(instants), "label": [0] * count}
    return pa.table(made | columns)


def rows(project, name="found", **how):
    """The training set's rows, by id."""
    project.build_training_set(name, out=project.spec.root / "out.parquet", **how)
    return sorted(parquet.read_table(project.spec.root / "out.parquet").to_pylist(), key=lambda row: row["id"])


# ---- keys

KEYS = {
    "huge": ("hugeint", ["-170141183460469231731687303715884105728", "0", "170141183460469231731687303715884105727"]),
    "unsigned": ("ubigint", ["0", "9223372036854775808", "18446744073709551615"]),
    "money": ("decimal(38, 10)", ["0.0000000001", "-0.0000000001", "9999999999999999999999999999.9999999999"]),
    "float": ("double", ["0", "inf", "nan"]),
    "truth": ("boolean", ["true", "false"]),
    "day": ("date", ["1969-12-31", "1970-01-01", "0044-03-15 (BC)"]),
    "moment": ("timestamptz", ["1969-12-31 23:59:59.999999+00", "1970-01-01 00:00:00+00", "infinity"]),
    "clock": ("time", ["00:00:00", "23:59:59.999999"]),
    "uuid": ("uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    "bytes": ("blob", ["", "a", "\\x00"]),
    "kind": ("enum('b', 'a')", ["a", "b"]),
    "text": ("varchar", ["", " ", "A", "a"]),
}


def test_a_key_of_any_type_finds_its_own_rows_and_no_others(tmp_path):
    texts = [text for _, texts in KEYS.values() for text in texts]
    names = [name for name, (_, texts) in KEYS.items() for _ in texts]
    count = len(texts)
    facts = pa.table({"text": texts, "name": names, "happened": [NOON] * count, "v": list(range(count))})
    spine = asked_at(*[NOON] * count, text=texts, name=names)
    models, features = {}, []
    for name, (kind, _) in KEYS.items():
        cast = f"case when name = '{name}' then cast(text as {kind}) end as k"
        models[f"by_{name}"] = view(f"{cast}, happened, v")
        key = f"case when x.name = '{name}' then cast(x.text as {kind}) end"
        features.append(f"{{{{ feature('by_{name}.v', on={{'k': \"{key}\"}}) }}}} as {name}")
    with project(tmp_path / "p", {**models, "found": asking(*features)}, facts, spine) as made:
        found = rows(made)

    for row, own in zip(found, names, strict=True):
        assert {name: row[name] for name in KEYS if row[name] is not None} == {own: row["id"]}


def test_an_integer_key_may_be_narrower_or_wider_on_the_other_side(tmp_path):
    facts = pa.table({"k": pa.array([7, 2**40], pa.int64()), "happened": [NOON] * 2, "v": [1, 2]})
    spine = asked_at(NOON, NOON, k=pa.array([7, 8], pa.int16()))
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        assert [row["v"] for row in rows(made)] == [1, None]


@pytest.mark.parametrize("floats", ["asked", "stored"])
def test_a_float_finds_the_integer_that_it_is_and_no_other(tmp_path, floats):
    """As doubles 2**53 and 2**53 + 1 are one number: a plain comparison would find two entities."""
    integers, doubles = pa.array([2**53, 2**53 + 1, 3], pa.int64()), pa.array([2.0**53, 2.5, nan], pa.float64())
    facts = pa.table({"k": integers if floats == "asked" else doubles, "happened": [NOON] * 3, "v": [1, 2, 3]})
    spine = asked_at(NOON, NOON, NOON, k=doubles if floats == "asked" else integers)
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        assert [row["v"] for row in rows(made)] == [1, None, None]


def test_a_text_that_is_no_uuid_finds_nothing(tmp_path):
    known = "aaaaaaaa-0000-0000-0000-000000000000"
    facts = pa.table({"k": [known], "happened": [NOON], "v": [1]})
    models = {"seen": view("cast(k as uuid) as k, happened, v"), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON, k=[known.upper(), "nonsense"])) as made:
        assert [row["v"] for row in rows(made)] == [1, None]


def test_names_are_found_whatever_their_case(tmp_path):
    facts = pa.table({"K": ["a"], "Happened": [NOON], "Known": [NOON + HOUR], "V": [1]})
    models = {
        "seen": view("K, Happened, Known, V", event_time="happened", available_at="KNOWN"),
        "found": asking("{{ feature('seen.*') }}"),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON + HOUR)) as made:
        found = rows(made)

    assert [{name: row[name] for name in row if name not in ("id", "asked", "label")} for row in found] == [
        {"V": None}, {"V": 1}
    ]  # fmt: skip


def test_a_null_key_of_an_immutable_model_is_no_duplicate(tmp_path):
    facts = pa.table({"k": ["a", "b", None, None], "v": [1, 2, 3, 4]})
    models = {"cards": CARDS, "found": asking("{{ feature('cards.v') }}")}
    with project(tmp_path / "p", models, facts, asked_at(NOON, NOON, k=["b", None])) as made:
        assert [row["v"] for row in rows(made)] == [2, None]


def test_an_immutable_model_has_each_key_once(tmp_path):
    facts = pa.table({"k": ["a", "a"], "v": [1, 2]})
    models = {"cards": CARDS, "found": asking("{{ feature('cards.v') }}")}
    with project(tmp_path / "p", models, facts, asked_at(NOON)) as made, pytest.raises(SqlfeatError) as refused:
        rows(made)

    assert refused.value.code == "duplicate-keys"


# ---- times


def test_nanoseconds_are_never_seen_before_they_happened(tmp_path):
    nanoseconds = [-1_000, -999, -1, 0, 1, 2, 999, 1_000]
    facts = pa.table({"k": ["a"] * 8, "happened": pa.array(nanoseconds, pa.timestamp("ns")), "v": nanoseconds})
    asked = [-1_001, -1_000, -1, 0, 999, 1_000, 1_999]
    spine = asked_at(*asked, asked=pa.array(asked, pa.timestamp("ns")))
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        found = [row["v"] for row in rows(made)]

    assert found == [None, -1_000, -1_000, 0, 0, 1_000, 1_000]


def test_of_two_rows_within_a_microsecond_the_later_wins(tmp_path):
    facts = pa.table({"k": ["a"] * 2, "happened": pa.array([2, 1], pa.timestamp("ns")), "v": [1, 9]})
    spine = asked_at(datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    models = {"seen": view(), "found": asking("{{ feature('seen.v') }}")}
    with project(tmp_path / "p", models, facts, spine) as made:
        assert [row["v"] for row in rows(made)] == [1]


def test_the_ends_of_the_calendar_are_times_like_others(tmp_path):
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    facts = pa.table({"k": ["a", "a"], "happened": [first, last], "v": [1, 2]})
    models = {
        "seen": view(
            f"k, happened, v, {TOTAL} as total, {MOST} as most".replace("1 day", "9000 years"), ttl="100 years"
        ),
        "found": asking("{{ feature('seen.v') }}", "{{ feature('seen.total') }}", "{{ feature('seen.most') }}"),
    }
    asked = [first, first + MICROSECOND, datetime(5000, 1, 1, tzinfo=UTC), last - MICROSECOND, last]
    with project(tmp_path / "p", models, facts, asked_at(*asked)) as made:
        found = [(row["v"], row["total"], row["most"]) for row in rows(made)]

    assert found == [(1, 1, 1), (1, 1, 1), (None, 1, 1), (None, None, None), (2, 2, 2)]


def test_time_without_end_is_a_time_like_others(tmp_path):
    facts = pa.table({"k": ["a"] * 3, "moment": ["-infinity", "2024-01-01 12:00:00", "infinity"], "v": [1, 20, 300]})
    moments = ["-infinity", "2024-01-01 11:00:00", "2024-01-01 12:30:00", "infinity"]
    spine = pa.table({"id": [0, 1, 2, 3], "k": ["a"] * 4, "moment": moments, "label": [0] * 4})
    windows = [
        f"{{{{ window('{text}', ['1 hour', 'unbounded'], name='{text[:3]}') }}}}" for text in ("sum(v)", "max(v)")
    ]
    models = {
        "labels": LABELS.replace("*", "id, k, cast(moment as timestamptz) as asked, label"),
        "seen": view(", ".join(["k", "cast(moment as timestamptz) as happened", "v", *windows])),
        "found": asking("{{ feature('seen.*') }}"),
    }
    with project(tmp_path / "p", models, facts, spine) as made:
        made.build_training_set("found", out=tmp_path / "out.parquet")
    names = ["v", "sum_1h", "sum_all", "max_1h", "max_all"]
    found = parquet.read_table(tmp_path / "out.parquet", columns=names).to_pylist()

    assert [tuple(row[name] for name in names) for row in found] == [
        (1, None, 1, None, 1), (1, None, 1, None, 1), (20, 20, 21, 20, 20), (300, None, 321, None, 300)
    ]  # fmt: skip


def test_days_are_midnights_in_windows_too(tmp_path):
    days = [date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 11)]
    facts = pa.table({"k": ["a"] * 3, "happened": days, "v": [1, 10, 100]})
    midnight = datetime(2024, 3, 11, tzinfo=UTC)
    models = {
        "seen": view(f"k, happened, {{{{ window('sum(v)', '2 days') }}}} as total, {THOSE} as those"),
        "found": asking("{{ feature('seen.total') }}", "{{ feature('seen.those') }}", passthrough=["those"]),
    }
    spine = asked_at(midnight - MICROSECOND, midnight, midnight + 24 * HOUR)
    with project(tmp_path / "p", models, facts, spine) as made:
        found = [(row["total"], row["those"]) for row in rows(made)]

    assert found == [(11, [10]), (110, [100]), (100, None)]


# ---- what was known


def test_known_at_hides_what_came_later_and_what_it_replaced_is_back(tmp_path):
    facts = pa.table({
        "k": ["a"] * 3, "number": [1, 1, 2], "happened": [NOON, NOON, NOON + HOUR],
        "known": [NOON, NOON + 2 * HOUR, NOON + 3 * HOUR], "v": [1, 20, 300],
    })  # fmt: skip
    columns = f"k, number, happened, known, v, {TOTAL} as total, {MOST} as most"
    models = {
        "seen": view(columns, available_at="known", unique_key=["number"]),
        "found": asking("{{ feature('seen.v') }}", "{{ feature('seen.total') }}", "{{ feature('seen.most') }}"),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON + 5 * HOUR)) as made:
        found = {
            hours: [(row["v"], row["total"], row["most"]) for row in rows(made, known_at=NOON + hours * HOUR)]
            for hours in (-1, 1, 2, 3)
        }
        now = [(row["v"], row["total"], row["most"]) for row in rows(made)]

    assert found == {-1: [(None, None, None)], 1: [(1, 1, 1)], 2: [(20, 20, 20)], 3: [(300, 320, 300)]}
    assert now == [(300, 320, 300)]


def test_a_row_without_a_time_or_a_key_replaces_nothing(tmp_path):
    facts = pa.table({
        "k": ["a", "a", None, "a"], "number": [1, 1, 1, 1],
        "happened": [NOON, None, NOON, NOON], "known": [NOON, NOON, NOON, None], "v": [1, 20, 300, 4000],
    })  # fmt: skip
    columns = f"k, number, happened, known, {TOTAL} as total, {THOSE} as those"
    models = {
        "seen": view(columns, available_at="known", unique_key=["number"]),
        "found": asking("{{ feature('seen.total') }}", "{{ feature('seen.those') }}", passthrough=["those"]),
    }
    with project(tmp_path / "p", models, facts, asked_at(NOON + HOUR)) as made:
        assert [(row["total"], row["those"]) for row in rows(made)] == [(1, [1])]


def test_a_view_at_an_instant_has_no_plain_value_of_an_expired_row(tmp_path):
    facts = pa.table({"k": ["a", "b"], "happened": [NOON, NOON + HOUR], "v": [1, 2]})
    models = {"seen": view(f"k, happened, v, {TOTAL} as total", ttl="1 hour"), "plain": view(ttl="1 hour")}
    with project(tmp_path / "p", models, facts, asked_at()) as made:
        made.run()
        at = NOON + HOUR + MICROSECOND
        shown = [(row["k"], row["v"], row["total"]) for row in made.show("seen", at=at).to_pylist()]
        plain = [(row["k"], row["v"]) for row in made.show("plain", at=at).to_pylist()]

    assert shown == [("a", None, 1), ("b", 2, 2)]
    assert plain == [("b", 2)]


# ---- many rows


def test_half_a_million_label_rows_find_what_a_hundred_do(tmp_path):
    count, times = 100, 5_500
    facts = pa.table({
        "k": [f"k{i % 7}" for i in range(300)], "happened": [NOON + i * HOUR for i in range(300)],
        "known": [NOON + (i + i % 5) * HOUR for i in range(300)], "v": list(range(300)),
    })  # fmt: skip
    columns = f"k, happened, known, v, {TOTAL} as total, {THOSE} as those"
    models = {
        "seen": view(columns, available_at="known"),
        "found": asking(
            "{{ feature('seen.v') }}", "{{ feature('seen.total') }}", "{{ feature('seen.those') }}", "x.number",
            passthrough=["those", "number"],
        ),
    }  # fmt: skip
    asked = [NOON + i * 3 * HOUR for i in range(count)]
    keys = [f"k{i % 8}" for i in range(count)]
    few = asked_at(*asked, k=keys, number=list(range(count)))
    many = pa.concat_tables([few] * times)
    with project(tmp_path / "few", models, facts, few) as made:
        expected = {row["number"]: row for row in rows(made)}
    with project(tmp_path / "many", models, facts, many) as made:
        made.build_training_set("found", out=tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    distinct = found.group_by(["number", "id", "asked", "v", "total"]).aggregate([([], "count_all")]).to_pylist()

    assert found.num_rows == count * times
    assert sorted(row["number"] for row in distinct) == list(range(count))
    assert all(row["count_all"] == times for row in distinct)
    assert all(expected[row["number"]][name] == row[name] for row in distinct for name in ("asked", "v", "total"))
    assert [expected[row["number"]]["those"] for row in found.slice(524_280, 20).to_pylist()] == [
        row["those"] for row in found.slice(524_280, 20).to_pylist()
    ]


MANY_WINDOWS = ["1 hour", "3 days", "unbounded"]
HOURS = {"1 hour": 1, "3 days": 72, "unbounded": 10**6}


@pytest.mark.parametrize("available_at", ["known", "happened"])
def test_windows_over_many_events_are_what_numpy_counts(tmp_path, available_at):
    """So many that everything that is cut into blocks, batches and chunks is cut, within keys and between them."""
    random = np.random.default_rng(7)
    events, asks, keys = 300_000, 400, 23
    second = 1_000_000
    happened = NOON_US + random.integers(0, 30 * 86_400, events) * second
    made = {
        "k": random.integers(0, keys, events), "happened": happened,
        "known": happened + random.integers(0, 600, events) * second, "v": random.integers(-1000, 1000, events),
        "x": random.normal(size=events) * 10.0 ** random.integers(-9, 9, events),
    }  # fmt: skip
    times = pa.timestamp("us", "UTC")
    facts = pa.table({n: pa.array(a, times if n in ("happened", "known") else None) for n, a in made.items()})
    asked_keys = random.integers(0, keys + 1, asks)
    asked = NOON_US + random.integers(-3600, 31 * 86_400, asks) * second
    spine = asked_at(*[NOON] * asks, k=pa.array(asked_keys), asked=pa.array(asked, times))
    items = [
        f"{{{{ window('{text}', {MANY_WINDOWS!r}, name='{name}') }}}}"
        for name, text in {"n": "count(*)", "v": "sum(v)", "least": "min(v)", "most": "max(x)", "x": "sum(x)"}.items()
    ]
    models = {
        "seen": view(", ".join(["k", *dict.fromkeys(["happened", available_at]), *items]), available_at=available_at),
        "found": asking("{{ feature('seen.*') }}"),
    }
    with project(tmp_path / "p", models, facts, spine) as opened:
        found = rows(opened)

    wrong = []
    for row, key, t in zip(found, asked_keys, asked, strict=True):
        mine = (made["k"] == key) & (made[available_at] <= t) & (happened <= t)
        for window, suffix in zip(MANY_WINDOWS, ("1h", "3d", "all"), strict=True):
            inside = mine & (happened > t - HOURS[window] * 3600 * second)
            v, x = made["v"][inside], made["x"][inside]
            expected = (len(v), int(v.sum()), int(v.min()), float(x.max()), fsum(x)) if len(v) else (0, *[None] * 4)
            given = tuple(row[f"{name}_{suffix}"] for name in ("n", "v", "least", "most", "x"))
            if expected != given:
                wrong.append((row["id"], window, expected, given))
    assert wrong[:3] == []


# ---- aggregates that the other tests have not

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
