"""What a run makes, what it leaves alone, and what it stops at."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from sqlfeat.errors import SqlfeatError
from tests.made.projects import BRANCHES, PROJECT_FILE, SOURCES, Opened, orders, result_of, shop, statuses


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A project of four models, built once."""
    project = Opened(shop(tmp_path, BRANCHES))
    assert set(statuses(project.run()).values()) == {"built"}
    return project


def built(result) -> set[str]:
    return {node.name for node in result.results if node.status == "built"}


def reasons(result) -> dict[str, str]:
    return {node.name: node.reason for node in result.results}


# -- what is made again ------------------------------------------------------------------------------------------------


def test_a_first_run_makes_everything_parents_first(tmp_path):
    result = Opened(shop(tmp_path, BRANCHES)).run()

    assert statuses(result) == dict.fromkeys(["staged", "counted", "spent", "top"], "built")
    assert {node.name: node.rows for node in result.results} == {"staged": None, "counted": 2, "spent": 2, "top": 1}
    assert set(reasons(result).values()) == {"not built yet"}


def test_a_second_run_without_a_change_makes_nothing(opened):
    result = opened.run()

    assert set(statuses(result).values()) == {"unchanged"}
    assert set(reasons(result).values()) == {"same definition, same data"}
    assert {node.name: node.rows for node in result.results}["spent"] == 2


def test_a_changed_model_is_made_again_with_what_is_below_it(opened):
    opened.change({"models/spent.sql": BRANCHES["models/spent.sql"].replace("sum(amount)", "max(amount)")})
    result = opened.run()

    assert built(result) == {"spent", "top"}
    assert reasons(result)["spent"] == "its definition changed"
    assert opened.rows("top") == [{"customer": "bob", "spent": 40}]


@pytest.mark.parametrize(
    "change",
    [
        {"models/spent.yml": "models:\n  - name: spent\n    description: What each customer spent.\n"},
        {"models/spent.yml": "models:\n  - name: spent\n    config: {tags: [daily], meta: {a: 1}, owner: sales}\n"},
        {"models/spent.yml": "models:\n  - name: spent\n    columns: [{name: spent, data_tests: [not_null]}]\n"},
        {"macros/unused.sql": "{% macro unused() %}1{% endmacro %}"},
        {"models/other.sql": "{{ config(enabled=false) }} select 1 as x"},
    ],
)
def test_what_says_nothing_of_the_data_makes_nothing_again(opened, change):
    opened.change(change)

    assert built(opened.run()) == set()


def test_a_changed_macro_makes_again_what_calls_it(opened):
    opened.change({"macros/spent.sql": "{% macro total() %}sum(amount){% endmacro %}"})
    opened.change({"models/spent.sql": BRANCHES["models/spent.sql"].replace("sum(amount)", "{{ total() }}")})
    assert built(opened.run()) == set()

    opened.change({"macros/spent.sql": "{% macro total() %}min(amount){% endmacro %}"})
    assert built(opened.run()) == {"spent", "top"}


def test_a_changed_variable_makes_again_what_reads_it(opened):
    opened.change({"models/top.sql": BRANCHES["models/top.sql"].replace("limit 1", "limit {{ var('most', 1) }}")})
    assert built(opened.run()) == set()

    assert built(opened.run(vars={"most": 2})) == {"top"}


def test_other_content_of_a_source_makes_again_what_hangs_on_it(opened):
    opened.change(
        {
            "models/sources.yml": SOURCES + "          - name: visits\n",
            "models/visited.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'visits') }}",
            "data/visits.parquet": orders(1),
        }
    )
    opened.run()
    opened.change({"data/orders.parquet": orders(5, 6, 7)})
    result = opened.run()

    assert built(result) == {"staged", "spent", "counted", "top"}
    assert reasons(result)["staged"] == "data changed: raw.orders"
    assert reasons(result)["spent"] == "data changed: staged"
    assert opened.rows("top") == [{"customer": "ann", "spent": 12}]


def test_a_touched_file_of_equal_content_makes_nothing_again(opened):
    file = opened.root / "data" / "orders.parquet"
    os.utime(file, ns=(1, 1))

    assert built(opened.run()) == set()


def test_content_counts_even_where_time_and_size_are_as_they_were(tmp_path):
    opened = Opened(shop(tmp_path, {"models/m.sql": "{{ config(materialized='table') }} select * from {{ ref('s') }}"}))
    opened.change({"seeds/s.csv": "x\n1\n"})
    opened.run()
    opened.change({"seeds/s.csv": "x\n2\n"})

    assert built(opened.run()) == {"s", "m"}
    assert opened.rows("m") == [{"x": 2}]


def test_a_file_more_in_a_folder_makes_again_what_reads_it(tmp_path):
    sources = SOURCES.replace("data/{name}.parquet", "data/{name}/*.parquet")
    files = {**BRANCHES, "models/sources.yml": sources, "data/orders/1.parquet": orders(1, 2)}
    opened = Opened(shop(tmp_path, files))
    opened.run()
    opened.change({"data/orders/2.parquet": orders(3, 4)})

    assert built(opened.run()) == {"staged", "spent", "counted", "top"}
    assert {row["customer"]: row["spent"] for row in opened.rows("spent")} == {"ann": 4, "bob": 6}


def test_types_that_a_csv_is_declared_to_have_are_part_of_it(tmp_path):
    def declared(kind: str) -> str:
        return f"""
            sources:
              - name: web
                config: {{location: data/visits.csv}}
                tables: [{{name: visits, columns: [{{name: code, data_type: {kind}}}]}}]
        """

    files = {
        "models/web.yml": declared("varchar"),
        "data/visits.csv": "code\n007\n",
        "models/visited.sql": "{{ config(materialized='table') }} select code from {{ source('web', 'visits') }}",
    }
    opened = Opened(shop(tmp_path, files))
    opened.run()
    assert opened.rows("visited") == [{"code": "007"}]

    opened.change({"models/web.yml": declared("integer")})
    opened.run()
    assert opened.rows("visited") == [{"code": 7}]


def test_a_full_refresh_makes_everything_again(opened):
    result = opened.run("spent+", full_refresh=True)

    assert statuses(result) == {"spent": "built", "top": "built"}
    assert set(reasons(result).values()) == {"full refresh"}


def test_what_was_undone_is_made_again(opened):
    old = BRANCHES["models/spent.sql"]
    opened.change({"models/spent.sql": old.replace("sum(", "max(")})
    opened.run()
    opened.change({"models/spent.sql": old})
    opened.run()

    assert opened.rows("top") == [{"customer": "bob", "spent": 60}]


def test_a_model_that_becomes_another_kind(opened):
    opened.change({"models/spent.sql": BRANCHES["models/spent.sql"].replace("'table'", "'view'")})
    assert built(opened.run()) == {"spent", "top"}

    opened.change({"models/spent.sql": BRANCHES["models/spent.sql"]})
    assert built(opened.run()) == {"spent", "top"}
    assert opened.rows("top") == [{"customer": "bob", "spent": 60}]


# -- selection ---------------------------------------------------------------------------------------------------------


def test_only_what_is_selected_is_made(tmp_path):
    opened = Opened(shop(tmp_path, BRANCHES))

    assert statuses(opened.run("+spent")) == {"staged": "built", "spent": "built"}
    assert statuses(opened.run("counted")) == {"counted": "built"}
    assert statuses(opened.run(exclude=["top", "staged"])) == {"counted": "unchanged", "spent": "unchanged"}


def test_what_was_modified_can_be_selected(opened):
    changed = BRANCHES["models/spent.sql"].replace("sum(amount)", "max(amount)")
    opened.change({"models/spent.sql": changed, "models/new.sql": "select 1 as x"})

    assert statuses(opened.run("state:modified", exclude=["top"])) == {"new": "built", "spent": "built"}
    assert statuses(opened.run("state:modified")) == {"top": "built"}
    assert statuses(opened.run("state:modified")) == {}


def test_a_model_whose_parent_is_not_built_is_not_begun(tmp_path):
    with pytest.raises(SqlfeatError) as caught:
        Opened(shop(tmp_path, BRANCHES)).run("spent")

    assert (caught.value.code, caught.value.hint) == ("not-built", "select it too: -s +spent")


def test_a_model_whose_parent_has_changed_is_not_begun(opened):
    opened.change({"models/staged.sql": "select *, 1 as one from {{ source('raw', 'orders') }}"})

    with pytest.raises(SqlfeatError) as caught:
        opened.run("spent")

    assert caught.value.what == "spent reads staged, which has changed since it was built."


def test_seeds_that_a_model_reads_are_loaded_by_run(tmp_path):
    files = {"seeds/prices.csv": "product,price\ntea,1\n", "models/m.sql": "select * from {{ ref('prices') }}"}
    opened = Opened(shop(tmp_path, files))

    assert statuses(opened.run()) == {"prices": "built", "m": "built"}
    opened.change({"seeds/prices.csv": "product,price\ntea,2\n"})
    result = opened.run("m")
    assert (statuses(result), reasons(result)["prices"]) == ({"prices": "built", "m": "built"}, "its file changed")


# -- failures ----------------------------------------------------------------------------------------------------------

FAILING = """
    {{ config(materialized='table') }}
    select customer, cast(product as integer) as spent from {{ ref('staged') }}
"""


def test_a_model_that_fails_leaves_what_was_there_and_stops_what_is_below(opened):
    opened.change({"models/spent.sql": FAILING, "models/counted.sql": BRANCHES["models/counted.sql"] + " limit 1"})
    result = opened.run()

    assert statuses(result) == {"staged": "unchanged", "counted": "built", "spent": "failed", "top": "skipped"}
    assert result.failed
    assert result_of(result, "top").reason == "spent failed"
    assert result_of(result, "spent").error.code == "run-failed"
    with duckdb.connect(str(opened.root / "target" / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select * from top").fetchall() == [("bob", 60)]
        assert connection.execute("select sum(spent) from spent").fetchall() == [(100,)]


def test_a_model_that_failed_is_made_when_it_is_mended(opened):
    opened.change({"models/spent.sql": FAILING})
    opened.run()
    opened.change({"models/spent.sql": BRANCHES["models/spent.sql"].replace("sum(", "max(")})

    assert built(opened.run()) == {"spent", "top"}


def test_a_model_whose_sql_is_wrong_fails_before_it_is_begun_and_alone(opened):
    opened.change(
        {
            "models/spent.sql": "select custmer from {{ ref('staged') }}",
            "models/counted.sql": BRANCHES["models/counted.sql"] + " limit 1",
        }
    )
    result = opened.run()

    assert statuses(result) == {"staged": "unchanged", "counted": "built", "spent": "failed", "top": "skipped"}
    assert str(result_of(result, "spent").error.where) == "models/spent.sql:1:8"


def test_a_source_that_cannot_be_read_fails_what_reads_it_and_nothing_else(opened):
    (opened.root / "data" / "orders.parquet").unlink()
    opened.change({"models/alone.sql": "select 1 as x"})
    result = opened.run()

    assert statuses(result) == {
        "alone": "built", "staged": "failed", "counted": "skipped", "spent": "skipped", "top": "skipped"
    }  # fmt: skip
    assert result_of(result, "staged").error.code == "source-unreadable"
    assert result_of(result, "top").reason == "staged failed"


def test_a_hook_of_sql_that_fails_undoes_the_model(opened):
    broken = BRANCHES["models/spent.sql"].replace("'table'", "'table', post_hook='insert into nowhere values (1)'")
    opened.change({"models/spent.sql": broken.replace("sum(", "max(")})

    assert result_of(opened.run(), "spent").error.code == "sql-hook-failed"
    with duckdb.connect(str(opened.root / "target" / "shop.duckdb"), read_only=True) as connection:
        assert connection.execute("select sum(spent) from spent").fetchall() == [(100,)]


# -- what people read --------------------------------------------------------------------------------------------------


def read(opened: Opened, sql: str):
    with duckdb.connect(str(opened.root / "target" / "shop.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_new_alias_is_shown_without_making_anything_again(opened):
    opened.change({"models/spent.sql": BRANCHES["models/spent.sql"].replace("'table'", "'table', alias='expenses'")})

    assert built(opened.run()) == set()
    assert read(opened, "select sum(spent) from expenses") == [(100,)]


def test_a_new_description_is_shown_without_making_anything_again(opened):
    opened.change({"models/spent.yml": "models:\n  - name: spent\n    description: What each customer spent.\n"})
    opened.run()

    assert read(opened, "select comment from duckdb_views() where view_name = 'spent' and schema_name = 'main'") == [
        ("What each customer spent.",)
    ]


def test_a_table_of_somebody_else_s_is_not_overwritten(tmp_path):
    root = shop(tmp_path, BRANCHES)
    (root / "target").mkdir()
    with duckdb.connect(str(root / "target" / "shop.duckdb")) as connection:
        connection.execute("create table spent as select 1 as mine")
    result = Opened(root).run()

    assert result_of(result, "spent").error.code == "relation-in-the-way"
    assert read(Opened(root), "from spent") == [(1,)]


TARGETS = PROJECT_FILE.replace(
    "    entities:",
    "      prod: {engine: duckdb, path: target/prod.duckdb, threads: 1}\n"
    "      beside: {engine: duckdb, path: target/shop.duckdb, schema: beside, threads: 1}\n"
    "    entities:",
)


def test_targets_of_their_own_file_know_nothing_of_each_other(tmp_path):
    opened = Opened(shop(tmp_path, {"sqlfeat_project.yml": TARGETS, **BRANCHES}))
    opened.run()

    assert len(built(opened.run(target="prod"))) == 4
    assert built(opened.run(target="prod")) == set()


def test_two_targets_in_one_file_share_what_is_built_and_show_it_each_for_itself(tmp_path):
    opened = Opened(shop(tmp_path, {"sqlfeat_project.yml": TARGETS, **BRANCHES}))
    opened.run()

    assert built(opened.run(target="beside")) == set()
    assert read(opened, "select sum(spent) from beside.spent") == [(100,)]


# -- what is told ------------------------------------------------------------------------------------------------------


def test_who_watches_hears_of_each_node_as_it_begins_and_ends(tmp_path):
    opened = Opened(shop(tmp_path, {**BRANCHES, "models/broken.sql": "select x"}))
    opened.run()
    heard = [(event.kind, event.name, event.index, event.total) for event in opened.events]

    assert heard == [
        ("plan", "", 0, 5),
        ("end", "broken", 1, 5),
        ("start", "staged", 2, 5), ("end", "staged", 2, 5),
        ("start", "counted", 3, 5), ("end", "counted", 3, 5),
        ("start", "spent", 4, 5), ("end", "spent", 4, 5),
        ("start", "top", 5, 5), ("end", "top", 5, 5),
    ]  # fmt: skip


def test_the_hooks_of_a_run_hear_how_it_went(tmp_path):
    hook = """
        import json
        from pathlib import Path
        from sqlfeat.hooks import on

        @on("run_end")
        def note(facts):
            Path("heard.json").write_text(json.dumps(facts["results"]))
    """
    opened = Opened(shop(tmp_path, {"models/m.sql": "select 1 as x", "hooks/note.py": hook}))
    opened.run()

    assert (opened.root / "heard.json").read_text() == '[{"name": "m", "status": "built", "reason": "not built yet"}]'
