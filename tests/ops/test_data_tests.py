"""Data tests as dbt users write them: both spellings, arguments in both places, config, and singular ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.made.projects import Opened, error_of, shop, statuses


def outcomes(root: Path, tests: str, key: str = "data_tests") -> dict[str, str]:
    """What becomes of the tests of a model ``m`` with a column ``amount`` of 10, 20, 20, null."""
    sql = "select * from (values (1, 10, 'a'), (2, 20, 'b'), (3, 20, 'a'), (4, null, null)) as t(id, amount, word)"
    yml = f"models:\n  - name: m\n    columns:\n      - name: amount\n        {key}:\n{tests}"
    opened = Opened(
        shop(root, {"models/m.sql": sql, "models/m.yml": yml, "models/ids.sql": "select 1 as id, 10 as amount"})
    )
    return {name: status for name, status in statuses(opened.build()).items() if name not in ("m", "ids")}


@pytest.mark.parametrize("key", ["tests", "data_tests"])
@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("- unique", {"unique_m_amount": "failed"}),
        ("- not_null", {"not_null_m_amount": "failed"}),
        ("- unique: {where: 'id < 3'}", {"unique_m_amount": "passed"}),
        ("- unique: {config: {where: 'id < 3'}}", {"unique_m_amount": "passed"}),
        ("- not_null: {severity: warn}", {"not_null_m_amount": "warned"}),
        ("- not_null: {config: {severity: warn}}", {"not_null_m_amount": "warned"}),
        ("- not_null: {config: {enabled: false}}", {}),
        ("- accepted_values: {values: [10, 20]}", {"accepted_values_m_amount_10_20": "passed"}),
        ("- accepted_values: {values: [10]}", {"accepted_values_m_amount_10": "failed"}),
        ("- accepted_values: {arguments: {values: [10, 20]}}", {"accepted_values_m_amount_10_20": "passed"}),
        (
            "- accepted_values: {arguments: {values: ['10', '20'], quote: false}}",
            {"accepted_values_m_amount_10_20": "passed"},
        ),
        ("- relationships: {to: ref('ids'), field: amount}", {"relationships_m_amount_amount_ids": "failed"}),
        (
            "- relationships: {arguments: {to: \"ref('m')\", field: amount}}",
            {"relationships_m_amount_amount_m": "passed"},
        ),
        ("- relationships: {to: \"{{ ref('m') }}\", field: amount}", {"relationships_m_amount_amount_m": "passed"}),
        ("- {test_name: unique, where: id < 3}", {"unique_m_amount": "passed"}),
        ("- unique\n          - unique: {where: id < 3}", {"unique_m_amount": "failed", "unique_m_amount_": "passed"}),
    ],
)  # fmt: skip
def test_generic_tests_as_dbt_writes_them(tmp_path, test, expected, key):
    found = outcomes(tmp_path, f"          {test}\n", key)

    # of two tests alike but for their conditions the second has a hash in its name
    assert {
        name if name in expected else name[: name.rindex("_") + 1]: status for name, status in found.items()
    } == expected


def test_a_test_of_a_whole_model(tmp_path):
    yml = """
        models:
          - name: m
            data_tests:
              - unique: {column_name: "id, word"}
              - unique: {column_name: "word || '-' || id"}
              - not_null: {arguments: {column_name: word}}
    """
    sql = "select * from (values (1, 'a'), (1, 'a'), (2, null)) as t(id, word)"
    found = statuses(Opened(shop(tmp_path, {"models/m.sql": sql, "models/m.yml": yml})).build("m"))

    assert found == {
        "m": "built",
        "unique_m_id_word": "failed",
        "unique_m_word_id": "failed",
        "not_null_m_word": "failed",
    }


def test_tests_of_sources_and_seeds(tmp_path):
    files = {
        "models/sources.yml": """
            sources:
              - name: raw
                config: {location: "data/{name}.parquet"}
                tables:
                  - name: orders
                    columns: [{name: order_id, data_tests: [unique]}, {name: product, data_tests: [unique]}]
        """,
        "seeds/prices.csv": "product,price\ntea,1\ntea,2\n",
        "seeds/prices.yml": "seeds:\n  - name: prices\n    columns: [{name: product, data_tests: [unique]}]\n",
    }

    assert statuses(Opened(shop(tmp_path, files)).build()) == {
        "unique_raw_orders_order_id": "passed",
        "unique_raw_orders_product": "failed",
        "prices": "built",
        "unique_prices_product": "failed",
    }


def test_a_singular_test_with_config_and_a_semicolon(tmp_path):
    files = {
        "models/m.sql": "select 1 as x",
        "tests/warns.sql": "{{ config(severity='warn', tags=['slow']) }}\nselect * from {{ ref('m') }};",
        "tests/fails.sql": "select * from {{ ref('m') }} where x = 1",
        "tests/passes.sql": "-- none\nselect * from {{ ref('m') }} where x = 2",
        "tests/is_off.sql": "{{ config(enabled=false) }} select * from {{ ref('m') }}",
    }
    opened = Opened(shop(tmp_path, files))

    assert statuses(opened.build()) == {"m": "built", "fails": "failed", "passes": "passed", "warns": "warned"}
    assert statuses(opened.test("tag:slow")) == {"warns": "warned"}
    assert statuses(opened.test("passes")) == {"passes": "passed"}


def test_two_singular_tests_of_one_name_are_refused(tmp_path):
    files = {"models/m.sql": "select 1 as x", "tests/a/t.sql": "select 1 as x", "tests/b/t.sql": "select 1 as x"}

    assert str(error_of(shop(tmp_path, files))).startswith(
        "tests/b/t.sql:1:1: [duplicate-test] There are two tests named 't'; the other is tests/a/t.sql."
    )
