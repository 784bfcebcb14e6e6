"""Build: seeds, models and tests in one go, and what a failed test stops."""

from __future__ import annotations

from tests.made.projects import BRANCHES, SOURCES, Files, Opened, orders, result_of, shop, statuses, write


def with_tests(test: str) -> Files:
    return {
        **BRANCHES,
        "models/tests.yml": f"models:\n  - name: staged\n    columns: [{{name: customer, data_tests: [{test}]}}]\n",
    }


def test_build_stops_below_a_test_that_fails(tmp_path):
    opened = Opened(shop(tmp_path, with_tests("unique")))
    result = opened.build()

    assert statuses(result) == {
        "staged": "built", "unique_staged_customer": "failed",
        "counted": "skipped", "spent": "skipped", "top": "skipped",
    }  # fmt: skip
    assert result_of(result, "top").reason == "the test unique_staged_customer failed"
    assert list(result_of(result, "unique_staged_customer").examples) == [
        {"customer": "ann", "n_rows": 2},
        {"customer": "bob", "n_rows": 2},
    ]


def test_build_goes_on_below_a_test_that_warns(tmp_path):
    result = Opened(shop(tmp_path, with_tests("{unique: {severity: warn}}"))).build()

    assert set(statuses(result).values()) == {"built", "warned"}
    assert not result.failed


def test_build_stops_below_a_failed_test_though_the_model_is_unchanged(tmp_path):
    opened = Opened(shop(tmp_path, with_tests("unique")))
    opened.run()

    assert statuses(opened.build())["spent"] == "skipped"


def test_a_test_over_two_models_stops_what_reads_both(tmp_path):
    files = {
        **BRANCHES,
        "models/both.sql": "select * from {{ ref('spent') }} cross join {{ ref('counted') }}",
        "tests/more_spent_than_counted.sql": "select * from {{ ref('spent') }}, {{ ref('counted') }} where spent > n",
    }
    result = Opened(shop(tmp_path, files)).build()

    assert {name: status for name, status in statuses(result).items() if status != "built"} == {
        "more_spent_than_counted": "failed",
        "both": "skipped",
    }


def test_a_failed_test_of_a_source_stops_everything_above_it(tmp_path):
    sources = SOURCES + "            columns: [{name: customer, data_tests: [unique]}]\n"
    result = Opened(shop(tmp_path, {**BRANCHES, "models/sources.yml": sources})).build()

    assert statuses(result) == {
        "unique_raw_orders_customer": "failed", "staged": "skipped", "counted": "skipped", "spent": "skipped",
        "top": "skipped",
    }  # fmt: skip


def test_tests_of_what_is_not_built_are_skipped_by_build_and_fail_by_themselves(tmp_path):
    tests = {"tests/t.sql": "select * from {{ ref('spent') }}, {{ ref('counted') }} where false"}
    opened = Opened(shop(tmp_path, {**BRANCHES, **tests}))
    result = opened.build("+spent")
    assert (statuses(result)["t"], result_of(result, "t").reason) == ("skipped", "counted has not been built")

    alone = opened.test("t")
    assert (statuses(alone), result_of(alone, "t").error.code) == ({"t": "failed"}, "not-built")

    opened.run()
    assert statuses(opened.test("t")) == {"t": "passed"}


def test_tests_are_selected_with_what_they_read(tmp_path):
    files = {**with_tests("not_null"), "tests/t.sql": "select * from {{ ref('spent') }} where false"}
    opened = Opened(shop(tmp_path, files))
    opened.run()

    assert set(statuses(opened.test())) == {"not_null_staged_customer", "t"}
    assert set(statuses(opened.test("staged"))) == {"not_null_staged_customer"}
    assert set(statuses(opened.test("spent"))) == {"t"}


def test_a_test_tells_its_first_rows(tmp_path):
    write(tmp_path, {"tests/t.sql": "select order_id from {{ ref('staged') }} order by 1"})
    opened = Opened(shop(tmp_path, {**BRANCHES, "data/orders.parquet": orders(*range(9))}))
    opened.run()
    result = result_of(opened.test(), "t")

    assert (result.status, result.rows, result.reason) == ("failed", 9, "9 rows break it")
    assert list(result.examples) == [{"order_id": n} for n in range(1, 6)]
