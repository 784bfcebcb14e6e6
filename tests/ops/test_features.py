"""Features for any rows: what a notebook asks for, with the values that a training set would have."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.errors import SqlfeatError
from tests.made.projects import Files, Opened, day, orders, shop

VIEWS: Files = {
    "models/spending.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select customer, ordered_at, amount, {{ window('sum(amount)', '2 days') }} as spent_2d
        from {{ source('raw', 'orders') }}
    """,
    "models/sales.sql": """
        {{ config(materialized='feature_view', entity='product', event_time='ordered_at') }}
        select product, ordered_at, amount from {{ source('raw', 'orders') }}
    """,
}


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Ann orders on days 1 and 3, bob on days 2 and 4: 10, 20, 30, 40; tea, tea, jam, tea."""
    return Opened(shop(tmp_path, VIEWS))


def asked(*rows: tuple[str | None, datetime | None]) -> pa.Table:
    customers, times = zip(*rows, strict=True)
    return pa.table({"customer": pa.array(customers), "t": pa.array(times, pa.timestamp("us", "UTC"))})


def test_every_row_gets_what_was_known_at_its_time_in_the_order_of_the_rows(opened):
    rows = asked(("ann", day(3)), ("ann", day(2)), ("bob", day(1)), (None, day(4)), ("ann", None), ("ann", day(3)))
    with opened.project() as project:
        found = project.features(["spending.amount", "spending.spent_2d"], rows)

    assert found.column_names == ["customer", "t", "amount", "spent_2d"]
    assert found.column("t").to_pylist() == rows.column("t").to_pylist()
    assert found.column("amount").to_pylist() == [30, 10, None, None, None, 30]
    assert found.column("spent_2d").to_pylist() == [30, 10, None, None, None, 30]


def test_the_values_are_those_of_a_training_set_over_the_same_rows(opened):
    pq.write_table(asked(("ann", day(3)), ("bob", day(4, 1))), opened.root / "data/asked.parquet")
    opened.change(
        {
            "models/sources.yml": """
                version: 2
                sources:
                  - name: raw
                    config: {location: "data/{name}.parquet"}
                    tables:
                      - name: orders
                        config: {event_time: ordered_at}
                      - name: asked
                        config: {event_time: t}
            """,
            "models/learned.sql": """
                {{ config(materialized='training_set', keys=['customer']) }}
                select a.customer, a.t, {{ feature('spending.*') }} from {{ source('raw', 'asked') }} as a
            """,
        }
    )
    with opened.project() as project:
        built = project.build_training_set("learned", out=opened.root / "learned.parquet")
        found = project.features(["spending.*"], opened.root / "data/asked.parquet")

    assert built.rows == 2
    assert pq.read_table(opened.root / "learned.parquet").to_pylist() == found.to_pylist()


def test_rows_come_as_a_pandas_or_polars_frame_as_arrow_or_as_a_file(opened):
    rows = asked(("ann", day(3)), ("bob", day(2)))
    pq.write_table(rows, opened.root / "rows.parquet")
    (opened.root / "rows.csv").write_text("customer,t\nann,2024-01-03\nbob,2024-01-02T00:00:00Z\n")
    forms = [
        rows,
        rows.to_pandas(),
        pd.DataFrame({"customer": ["ann", "bob"], "t": pd.to_datetime(["2024-01-03", "2024-01-02"])}, index=[7, 9]),
        pl.DataFrame({"customer": ["ann", "bob"], "t": [day(3), day(2)]}),
        opened.root / "rows.parquet",
        str(opened.root / "rows.csv"),
    ]
    with opened.project() as project:
        found = [project.features(["spending.amount"], form, time="t").to_pylist() for form in forms]

    assert (
        found == [[{"customer": "ann", "t": day(3), "amount": 30}, {"customer": "bob", "t": day(2), "amount": 20}]] * 6
    )


def test_one_instant_for_all_needs_no_time_in_the_rows(opened):
    rows = pa.table({"customer": ["ann", "bob"]})
    with opened.project() as project:
        found = project.features(["spending.amount"], rows, at=day(2))

    assert found.to_pylist() == [
        {"customer": "ann", "as_of": day(2), "amount": 10},
        {"customer": "bob", "as_of": day(2), "amount": 20},
    ]


def test_what_became_known_later_can_be_hidden(opened):
    with opened.project() as project:
        found = project.features(["spending.amount"], asked(("ann", day(9))), known_at=day(2))

    assert found.column("amount").to_pylist() == [10]


def test_a_key_may_have_another_name_in_the_rows(opened):
    rows = pa.table({"buyer": ["bob"], "t": [day(5)]})
    with opened.project() as project:
        found = project.features(["spending.amount"], rows, on={"customer": "buyer"})

    assert found.column("amount").to_pylist() == [40]


def test_features_of_one_name_bear_their_views_too(opened):
    rows = pa.table({"customer": ["ann"], "product": ["tea"], "t": [day(5)], "spent_2d": [0]})
    with opened.project() as project:
        found = project.features(["spending.*", "sales.amount"], rows, time="t")
        full = project.features(["sales.amount"], rows, time="t", full_names=True)

    assert found.column_names[4:] == ["spending__amount", "spending__spent_2d", "sales__amount"]
    assert found.slice(0, 1).to_pylist()[0]["sales__amount"] == 40
    assert full.column_names[4:] == ["sales__amount"]


def test_views_are_made_anew_where_their_data_changed(opened):
    with opened.project() as project:
        before = project.features(["spending.amount"], asked(("ann", day(3))))
    pq.write_table(orders(10, 20, 33, 40), opened.root / "data/orders.parquet")
    with opened.project() as project:
        after = project.features(["spending.amount"], asked(("ann", day(3))))

    assert (before.column("amount").to_pylist(), after.column("amount").to_pylist()) == ([30], [33])


def test_no_rows_give_no_rows(opened):
    with opened.project() as project:
        found = project.features(["spending.*"], asked(("ann", day(3))).slice(0, 0))

    assert (found.num_rows, found.column_names) == (0, ["customer", "t", "amount", "spent_2d"])


TWO_TIMES = pa.table({"customer": ["ann"], "born": [day(1)], "seen": [day(2)]})
ROW = asked(("ann", day(3)))


@pytest.mark.parametrize(
    ("names", "rows", "settings", "code", "hint"),
    [
        ([], ROW, {}, "no-features", "VIEW.COLUMN"),
        (["spending"], ROW, {}, "bad-feature", None),
        (["spendings.amount"], ROW, {}, "unknown-feature-view", "'spending'"),
        (["spending.amont"], ROW, {}, "unknown-feature", "'amount'"),
        (["spending.amount"], ROW, {"time": "tt"}, "missing-column", None),
        (["spending.amount"], TWO_TIMES, {}, "no-as-of-time", "born, seen"),
        (["spending.amount"], TWO_TIMES, {"time": "customer"}, "not-a-time", "--time"),
        (["sales.amount"], ROW, {}, "missing-key", "--on KEY=COLUMN"),
        (["spending.amount"], ROW, {"on": {"costumer": "customer"}}, "unknown-key", "'customer'"),
        (["spending.amount"], ROW, {"on": {"customer": "custmer"}}, "missing-column", "'customer'"),
        (["spending.amount"], [1, 2], {}, "bad-rows", "data frame"),
        (["spending.amount"], "nowhere.parquet", {}, "no-such-file", None),
        (["spending.amount"], pa.table({"customer": [1], "t": [day(1)]}), {}, "key-type", "cast"),
    ],
)
def test_what_cannot_be_looked_up_is_said_with_its_mend(opened, names, rows, settings, code, hint):
    with opened.project() as project, pytest.raises(SqlfeatError) as raised:
        project.features(names, rows, **settings)

    assert (raised.value.code, raised.value.where) == (code, None)
    assert hint is None or hint in (raised.value.hint or "")


def test_as_many_features_are_found_as_are_asked_for(tmp_path: Path) -> None:
    many = ", ".join(f"amount + {number} as f{number}" for number in range(25))
    view = f"""
        {{{{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}}}
        select customer, ordered_at, {many} from {{{{ source('raw', 'orders') }}}}
    """
    with Opened(shop(tmp_path, {"models/wide.sql": view})).project() as project:
        found = project.features(["wide.*"], asked(("ann", day(3))))

    assert found.to_pylist()[0].items() >= {f"f{number}": 30 + number for number in range(25)}.items()
