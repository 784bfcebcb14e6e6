"""The macros that every project has: each is called in a model, built, and its values are compared."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import pytest

from sqlfeat.base.assets import assets
from tests.made.projects import Opened, error_of, shop


def built(root: Path, sql: str) -> list[dict[str, object]]:
    """The rows of a model of this text, beside a source of orders."""
    opened = Opened(shop(root, {"models/made.sql": sql}))
    opened.run("made")
    return opened.rows("made")


def test_safe_divide_gives_null_where_the_denominator_is_zero(tmp_path):
    rows = built(
        tmp_path, "select {{ safe_divide('amount + 5', 'amount - 10') }} as share from {{ source('raw', 'orders') }}"
    )

    assert [row["share"] for row in rows] == [None, 2.5, 1.75, 1.5]


def test_a_surrogate_key_has_the_bytes_of_dbt_utils(tmp_path):
    key = "{{ generate_surrogate_key(['customer', \"nullif(product, 'jam')\"]) }}"
    rows = built(tmp_path, f"select {key} as key from {{{{ source('raw', 'orders') }}}}")

    texts = ["ann-tea", "bob-tea", "ann-_dbt_utils_surrogate_key_null_", "bob-tea"]
    assert [row["key"] for row in rows] == [hashlib.md5(text.encode()).hexdigest() for text in texts]


def test_nulls_of_a_surrogate_key_are_empty_texts_where_the_variable_says_so(tmp_path):
    sql = "select {{ generate_surrogate_key(['null', \"'a'\"]) }} as key"
    opened = Opened(shop(tmp_path, {"models/made.sql": sql}))
    variables = {"surrogate_key_treat_nulls_as_empty_strings": True}
    opened.run("made", vars=variables)

    assert opened.rows("made", vars=variables) == [{"key": hashlib.md5(b"-a").hexdigest()}]


def test_a_surrogate_key_of_one_text_is_refused_at_the_call(tmp_path):
    error = error_of(shop(tmp_path, {"models/made.sql": "select {{ generate_surrogate_key('customer') }} as key"}))

    assert error.code == "compiler-error"
    assert str(error.where) == "models/made.sql:1:8"


def test_deduplicate_keeps_the_first_row_of_each_partition(tmp_path):
    rows = built(tmp_path, "{{ deduplicate(source('raw', 'orders'), 'customer', 'ordered_at desc') }}")

    assert {(row["customer"], row["order_id"]) for row in rows} == {("ann", 3), ("bob", 4)}


def test_pivot_counts_each_value(tmp_path):
    sql = "select customer, {{ pivot('product', ['tea', 'jam']) }} from {{ source('raw', 'orders') }} group by customer"
    rows = built(tmp_path, sql)

    assert {(row["customer"], row["tea"], row["jam"]) for row in rows} == {("ann", 1, 1), ("bob", 2, 0)}


def test_pivot_takes_the_arguments_of_dbt_utils(tmp_path):
    sql = """
        select {{ pivot('product', ['tea', "o'clock"], agg='max', prefix='of ', suffix='!',
                        then_value='amount', else_value='null') }}
        from {{ source('raw', 'orders') }}
    """
    rows = built(tmp_path, sql)

    assert rows == [{"of tea!": 40, "of o'clock!": None}]


def test_a_date_spine_has_a_row_for_each_step_before_its_end(tmp_path):
    rows = built(tmp_path, """{{ date_spine('week', "date '2024-01-01'", "date '2024-01-15'") }}""")

    assert rows == [{"date_week": datetime(2024, 1, 1)}, {"date_week": datetime(2024, 1, 8)}]


def test_a_haversine_distance_is_the_way_over_a_round_earth(tmp_path):
    far = "haversine_distance(40.7128, -74.0060, 51.5074, -0.1278{unit})"
    items = [f"{{{{ {far.format(unit=unit)} }}}} as {name}" for name, unit in (("miles", ""), ("km", ", unit='km'"))]
    opposite = "{{ haversine_distance(0, 0, 0, 180) }} as opposite"
    (row,) = built(tmp_path, f"select {', '.join([*items, opposite])}")

    assert row["miles"] == pytest.approx(3463, abs=1)
    assert row["km"] == pytest.approx(5573, abs=1)
    assert row["opposite"] == pytest.approx(3961 * 3.14159265, abs=0.01)


def test_a_haversine_distance_in_another_unit_is_refused(tmp_path):
    error = error_of(shop(tmp_path, {"models/made.sql": "select {{ haversine_distance(0, 0, 1, 1, 'ells') }} as d"}))

    assert error.what == "haversine_distance() measures in 'mi' or 'km', not in 'ells'."


def test_windows_by_value_makes_a_window_for_each_value_and_length(tmp_path):
    sql = """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select
            customer,
            ordered_at,
            {{ windows_by_value('count(*)', 'product', ['tea', 'jam'], ['2 days', 'unbounded']) }}
        from {{ source('raw', 'orders') }}
    """
    rows = built(tmp_path, sql)

    names = ("tea_2d", "tea_all", "jam_2d", "jam_all")
    found = [tuple(row[name] for name in names) for row in sorted(rows, key=lambda row: row["ordered_at"])]
    assert found == [(1, 1, 0, 0), (1, 1, 0, 0), (0, 1, 1, 1), (1, 2, 0, 0)]


def test_windows_by_value_takes_names_for_values_that_are_none(tmp_path):
    sql = """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select
            customer,
            ordered_at,
            {{ windows_by_value('sum(amount)', "product || '''s'", {'teas': "tea's"}, 'unbounded', prefix='for_') }}
        from {{ source('raw', 'orders') }}
    """
    rows = built(tmp_path, sql)

    assert [row["for_teas_all"] for row in sorted(rows, key=lambda row: row["ordered_at"])] == [10, 20, 10, 60]


def test_cyclical_brings_the_ends_of_a_period_together(tmp_path):
    rows = built(tmp_path, "select {{ cyclical('h', 24, 'hour') }} from (values (0), (6), (24)) as t(h)")

    assert [(round(row["hour_sin"], 9), round(row["hour_cos"], 9)) for row in rows] == [(0, 1), (1, 0), (0, 1)]


def test_a_macro_of_the_project_wins_over_the_packaged_one(tmp_path):
    own = {"macros/own.sql": "{% macro safe_divide(a, b) %}0.0{% endmacro %}"}
    opened = Opened(shop(tmp_path, {**own, "models/made.sql": "select {{ safe_divide(1, 2) }} as share"}))
    opened.run("made")

    assert [float(row["share"]) for row in opened.rows("made")] == [0.0]


def test_every_packaged_macro_is_told_of_in_a_comment():
    for file in sorted(assets("macros").rglob("*.sql")):
        text = file.read_text(encoding="utf-8")
        comments = " ".join(part.split("#}")[0] for part in text.split("{#")[1:])
        for macro in text.split("{% macro ")[1:]:
            name = macro.split("(")[0]

            assert f"{name}(" in comments, f"{file.name}: {name} has no comment"
