"""The built-in test of every feature view: no two rows are equal in all that the point-in-time rule goes by."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sqlfeat.cli.progress import summary
from tests.made.projects import Opened, day, result_of, shop, statuses

NAME = "unique_rows_latest"
UTC_TIME = pa.timestamp("us", "UTC")


def orders(*rows):
    """Orders ``(customer, day, known day, order_id, amount)``."""
    columns = list(zip(*rows, strict=True))
    at, known = ([None if number is None else day(number) for number in column] for column in columns[1:3])
    return pa.table(
        {
            "customer": pa.array(columns[0], pa.string()),
            "ordered_at": pa.array(at, UTC_TIME),
            "known_at": pa.array(known, UTC_TIME),
            "order_id": pa.array(columns[3], pa.int64()),
            "amount": pa.array(columns[4], pa.int64()),
        }
    )


def view(select="customer, ordered_at, known_at, order_id, amount", **config):
    said = {"materialized": "feature_view", "entity": "customer", "event_time": "ordered_at", **config}
    listed = ", ".join(f"{key}={value!r}" for key, value in said.items())
    return f"{{{{ config({listed}) }}}}\nselect {select}\nfrom {{{{ source('raw', 'orders') }}}}\n"


TIES = orders(
    ("ann", 1, 1, 1, 10), ("ann", 1, 1, 2, 20), ("bob", 1, 1, 3, 30), ("ann", 2, 2, 4, 40), ("ann", 1, 1, 5, 5)
)


@pytest.fixture
def project(tmp_path):
    def project(data, model, **files):
        root = shop(tmp_path, {"data/orders.parquet": data, "models/latest.sql": model, **files})
        return Opened(root)

    return project


def test_rows_of_one_key_and_time_are_told_with_examples_as_a_warning(project):
    result = project(TIES, view()).build()
    test = result_of(result, NAME)

    assert (test.status, test.rows, result.failed) == ("warned", 1, False)
    assert test.examples == [{"customer": "ann", "ordered_at": day(1), "n_rows": 3}]


def test_the_command_line_shows_the_examples(project):
    told = summary(project(TIES, view()).build()).plain

    assert "| ann      | 2024-01-01 00:00:00Z |      3 |" in told


def test_a_tie_breaker_that_decides_is_enough(project):
    assert statuses(project(TIES, view(tie_breaker=["order_id"])).build())[NAME] == "passed"


def test_a_tie_breaker_that_does_not_decide_is_not(project):
    result = project(TIES, view("*, 1 as one", tie_breaker=["one"])).build()

    assert result_of(result, NAME).examples == [{"customer": "ann", "ordered_at": day(1), "one": 1, "n_rows": 3}]


def test_a_correction_is_no_tie(project):
    corrected = orders(("ann", 1, 1, 1, 10), ("ann", 1, 2, 1, 11))

    assert statuses(project(corrected, view(available_at="known_at")).build())[NAME] == "passed"


def test_rows_without_a_key_or_a_time_do_not_count(project):
    unusable = orders((None, 1, 1, 1, 10), (None, 1, 1, 2, 20), ("ann", None, 1, 3, 30), ("ann", None, 1, 4, 40),
                      ("ann", 1, None, 5, 50), ("ann", 1, None, 6, 60))  # fmt: skip

    assert statuses(project(unusable, view(available_at="known_at")).build())[NAME] == "passed"


def test_a_view_without_an_entity_is_tested_by_its_times(project):
    test = result_of(project(TIES, view(entity=None)).build(), NAME)

    assert test.examples == [{"ordered_at": day(1), "n_rows": 4}]


WINDOWS = "customer, ordered_at, {{ window('sum(amount)', '7 days') }} as spent"


def test_a_view_of_windows_alone_has_no_such_test(project):
    assert NAME not in statuses(project(TIES, view(WINDOWS)).build())


def test_a_view_of_windows_alone_is_tested_by_its_unique_key_where_it_has_one(project):
    versions = orders(("ann", 1, 1, 1, 10), ("ann", 2, 1, 1, 20), ("ann", 2, 2, 1, 30), ("bob", 1, 1, None, 1))
    columns = f"order_id, known_at, {WINDOWS}"
    result = project(versions, view(columns, unique_key=["order_id"], available_at="known_at")).build()

    assert result_of(result, NAME).examples == [{"order_id": 1, "known_at": day(1), "n_rows": 2}]


def test_a_view_of_windows_and_plain_features_is_tested_as_others_are(project):
    result = project(TIES, view(f"amount, {WINDOWS}")).build()

    assert result_of(result, NAME).examples == [{"customer": "ann", "ordered_at": day(1), "n_rows": 3}]


def test_a_time_that_is_inherited_is_no_feature(project):
    staged = """
        {{ config(materialized='table', event_time='ordered_at', available_at='known_at') }}
        select * from {{ source('raw', 'orders') }}
    """
    model = view(f"known_at, {WINDOWS}").replace("source('raw', 'orders')", "ref('staged')")

    assert NAME not in statuses(project(TIES, model, **{"models/staged.sql": staged}).build())


def test_other_models_have_no_such_test(project):
    assert NAME not in statuses(project(TIES, "select * from {{ source('raw', 'orders') }}").build())


def test_it_is_chosen_and_left_out_as_other_tests_are(project):
    opened = project(TIES, view())
    opened.run()

    assert statuses(opened.test(NAME)) == {NAME: "warned"}
    assert statuses(opened.test("latest")) == {NAME: "warned"}
    assert statuses(opened.test("unique_rows_*")) == {NAME: "warned"}
    assert NAME not in statuses(opened.build("latest", exclude=[NAME]))
    with opened.project() as loaded:
        assert NAME in [node.name for node in loaded.nodes(["resource_type:test"])]


def test_a_file_of_the_same_name_stands_in_its_place(project):
    own = {f"tests/{NAME}.sql": "select * from {{ ref('latest') }} where amount > 1000"}

    assert statuses(project(TIES, view(), **own).build())[NAME] == "passed"
