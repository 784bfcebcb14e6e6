"""``--known-at``: the training set as it would have been built then, and not a row more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.made.projects import Opened, day, shop
from tests.ops.test_training_set import asked

SOURCES = """
    version: 2
    sources:
      - name: raw
        config: {location: "data/{name}.parquet"}
        tables:
          - {name: orders, config: {event_time: ordered_at, available_at: loaded_at}}
          - {name: asked, config: {event_time: asked_at}}
"""
FILES = {
    "models/sources.yml": SOURCES,
    "models/spent.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', available_at='loaded_at') }}
        select customer, ordered_at, loaded_at, amount as last_amount, {{ window('sum(amount)', '3 days') }} as spent_3d
        from {{ source('raw', 'orders') }}
    """,
    # bought: whether something was ordered in the two days after; the count is of all orders ever: it changes
    "models/labels.sql": """
        {{ config(materialized='table', role='label', event_time='asked_at', horizon='2 days') }}
        select
            a.asked_id, a.asked_at, a.customer,
            (select count(*) from {{ source('raw', 'orders') }}) as ever,
            exists (
                select 1 from {{ source('raw', 'orders') }} as o where o.customer = a.customer
                and o.ordered_at > a.asked_at and o.ordered_at <= a.asked_at + interval '2 days'
            ) as bought
        from {{ source('raw', 'asked') }} as a
    """,
    "models/wanted.sql": """
        {{ config(materialized='training_set', label='bought', keys=['asked_id'], passthrough=['ever']) }}
        select
            a.asked_id, a.asked_at, a.ever,
            {{ feature('spent.spent_3d') }}, {{ feature('spent.last_amount') }}, a.bought
        from {{ ref('labels') }} as a
    """,
}


def orders(rows) -> pa.Table:
    customer, ordered, loaded, amount = zip(*rows, strict=True) if rows else ((), (), (), ())
    instants = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "customer": pa.array(customer, pa.string()),
            "ordered_at": pa.array(ordered, instants),
            "loaded_at": pa.array(loaded, instants),
            "amount": pa.array(amount, pa.int64()),
        }
    )


ORDERS = orders(
    [
        ("ann", day(1), day(1), 10),
        ("ann", day(2), day(6), 20),  # late
        ("bob", day(3), day(3), 30),
        ("bob", day(5), day(5), 40),
    ]
)
ASKED = asked(
    (1, "ann", day(1, 12), "web", True),
    (2, "bob", day(2), "web", True),
    (3, "bob", day(4), "web", True),
    (4, "bob", day(6), "web", True),
)


def project(root: Path, **files) -> Opened:
    return Opened(shop(root, {**FILES, "data/orders.parquet": ORDERS, "data/asked.parquet": ASKED, **files}))


def rows(opened: Opened, **how) -> list[dict]:
    with opened.project() as loaded:
        training_set = loaded.build_training_set("wanted", **how)
    return pq.read_table(training_set.file("all")).to_pylist()


def test_label_rows_and_sources_that_were_not_known_then_are_not_there(tmp_path):
    found = rows(project(tmp_path), known_at=day(4))

    assert [row["asked_id"] for row in found] == [1, 2, 3]
    assert {row["ever"] for row in found} == {2}
    assert [row["spent_3d"] for row in found] == [10, None, 30]


def test_labels_that_were_open_then_are_null_and_counted_and_reach_no_hook(tmp_path):
    opened = project(tmp_path)
    with opened.project() as loaded:
        then = loaded.build_training_set("wanted", known_at=day(4))
        found = pq.read_table(then.file("all"))

    assert found["bought"].to_pylist() == [False, True, None]
    assert then.manifest["open_labels"] == 1
    assert then.manifest["balance"]["parts"]["all"] == {"rows": 3, "nulls": 1, "classes": {"false": 1, "true": 1}}
    assert then.null_rates["bought"] == pytest.approx(1 / 3)


def test_a_label_is_open_until_its_horizon_has_passed_and_not_longer(tmp_path):
    opened = project(tmp_path)

    before = rows(opened, known_at=day(4) - timedelta(microseconds=1))
    after = rows(opened, known_at=day(4))

    assert {row["asked_id"]: row["bought"] for row in before}[2] is None
    assert {row["asked_id"]: row["bought"] for row in after}[2] is True


def test_out_has_no_open_label_either(tmp_path):
    rows(project(tmp_path / "project"), known_at=day(4), out=tmp_path / "out.parquet")

    assert pq.read_table(tmp_path / "out.parquet")["bought"].to_pylist() == [False, True, None]


def test_nothing_of_the_target_is_made_or_touched(tmp_path):
    opened = project(tmp_path)
    rows(opened, known_at=day(4), run_upstream=False)

    with opened.project() as loaded:
        assert loaded.debug()["target"]["built"] == 0
    assert list((tmp_path / "target" / "work").iterdir()) == []


def test_another_instant_is_another_set(tmp_path):
    opened = project(tmp_path)
    with opened.project() as loaded:
        ids = {loaded.build_training_set("wanted", known_at=at).id for at in (None, day(4), day(5), day(4))}

    assert len(ids) == 3


instants = st.integers(0, 20).map(lambda half_days: day(1) + timedelta(hours=12 * half_days))
made_orders = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), instants, st.integers(0, 10), st.integers(1, 9)).map(
        lambda row: (row[0], row[1], row[1] + timedelta(hours=12 * row[2]), row[3])
    ),
    max_size=12,
)
made_asked = st.lists(st.tuples(st.sampled_from(["ann", "bob", "zoe"]), instants), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("known_at")


@given(orders_made=made_orders, asked_made=made_asked, then=instants)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_what_the_project_gives_whose_sources_end_then(folder, orders_made, asked_made, then):
    """The oracle: source files cut by hand, built without the option, labels nulled by hand."""
    questions = asked(*((i, customer, at, "web", True) for i, (customer, at) in enumerate(asked_made)))
    whole = project(folder / "whole", **{"data/orders.parquet": orders(orders_made), "data/asked.parquet": questions})
    cut = project(
        folder / "cut",
        **{
            "data/orders.parquet": orders([row for row in orders_made if row[2] <= then]),
            "data/asked.parquet": questions.filter(pc.less_equal(questions["asked_at"], pa.scalar(then))),
        },
    )

    expected = rows(cut)
    for row in expected:
        row["bought"] = None if row["asked_at"] + timedelta(days=2) > then else row["bought"]
    assert rows(whole, known_at=then) == expected


def test_a_model_s_now_is_the_instant(tmp_path):
    labels = FILES["models/labels.sql"].replace("(select count(*) from {{ source('raw', 'orders') }})", "now()")
    opened = project(tmp_path, **{"models/labels.sql": labels})

    assert {row["ever"] for row in rows(opened, known_at=day(4))} == {day(4)}
