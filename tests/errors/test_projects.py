"""Mistakes in a project's folder, in what it reads and in where it writes; and what fails while it runs."""

import subprocess
import sys

import pytest

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError
from tests.errors.conftest import as_read, text
from tests.made.projects import SOURCES, Opened, error_of, result_of, shop

ORDERS = "{{ source('raw', 'orders') }}"
TOTALS = f"select * from {ORDERS}"


# -- files -------------------------------------------------------------------------------------------------------------


def test_two_models_of_one_name(told):
    assert told({"models/a/totals.sql": "select 1 as x", "models/b/totals.sql": "select 1 as x"}) == text("""
        models/b/totals.sql:1:1: [duplicate-model] There are two models named 'totals'; the other is \
models/a/totals.sql.

        Hint: rename one of the files.
    """)


def test_yaml_that_is_none(told):
    files = {
        "models/totals.sql": TOTALS,
        "models/totals.yml": "models:\n  - name: totals\n    columns: [name: customer\n",
    }
    lines = told(files).split("\n")

    # what is wrong is the YAML parser's to say, in words that change with its version
    assert lines[0].startswith("models/totals.yml:3:14: [yaml-syntax] This is not valid YAML: ")
    assert lines[1:3] == ["  3 |     columns: [name: customer", "    |              ^"]


def test_a_key_of_yaml_that_is_given_twice(told):
    files = {"models/totals.sql": TOTALS, "models/totals.yml": "models:\n  - name: totals\n    name: other\n"}

    assert told(files) == text("""
        models/totals.yml:3:5: [yaml-duplicate-key] The key 'name' is given twice; the first is at line 2.
          3 |     name: other
            |     ^^^^

        Hint: keep one of them.
    """)


def test_config_of_yaml_with_a_value_that_cannot_be(told):
    files = {
        "models/totals.sql": TOTALS,
        "models/totals.yml": "models:\n  - name: totals\n    config: {materialized: tabel}\n",
    }

    assert told(files) == text("""
        models/totals.yml:3:28: [bad-config-value] 'materialized' cannot be 'tabel': expected one of view, table, \
ephemeral, incremental, feature_view, training_set.
          3 |     config: {materialized: tabel}
            |                            ^^^^^

        Hint: did you mean 'table'?
    """)


def test_a_description_of_a_model_that_is_not_there(told):
    files = {"models/totals.sql": TOTALS, "models/totals.yml": "models:\n  - name: total\n"}

    assert told(files) == text("""
        models/totals.yml:2:11: [unknown-model] There is no model 'total' to describe.
          2 |   - name: total
            |           ^^^^^

        Hint: did you mean 'totals'?
    """)


def test_a_file_that_a_source_misses(told):
    files = {"models/totals.sql": TOTALS, "models/sources.yml": SOURCES.replace("data/{name}", "data/{name}_2024")}

    assert told(files) == text("""
        models/sources.yml:6:15: [source-unreadable] Source raw.orders: there is no file 'data/orders_2024.parquet'.
          6 |       - name: orders
            |               ^^^^^^

        Hint: the folder data/ holds: orders.parquet.
    """)


def test_a_file_that_is_no_parquet(tmp_path):
    root = shop(tmp_path, {"models/totals.sql": TOTALS, "data/orders.parquet": b"PAR1 not quite"})

    assert as_read(error_of(root), root).startswith("models/sources.yml:6:15: [source-unreadable] Source raw.orders: ")
    assert error_of(root).hint == "is data/orders.parquet a whole parquet file?"


def test_an_event_time_of_a_source_that_is_not_there(told):
    files = {"models/totals.sql": TOTALS, "models/sources.yml": SOURCES.replace("ordered_at", "orderd_at")}

    assert told(files) == text("""
        models/sources.yml:6:15: [missing-column] The source raw.orders has no column 'orderd_at', which its \
event_time names.
          6 |       - name: orders
            |               ^^^^^^

        Hint: did you mean 'ordered_at'?
    """)


def test_a_seed_that_is_described_with_a_wrong_type(told):
    files = {
        "seeds/prices.csv": "product,price\ntea,x\n",
        "seeds/prices.yml": "seeds:\n  - name: prices\n    config: {column_types: {price: integr}}\n",
        "models/totals.sql": "select * from {{ ref('prices') }}",
    }

    assert told(files).startswith("seeds/prices.csv:1:1: [seed-unreadable] seeds/prices.csv: ")


def test_a_folder_without_a_project(tmp_path):
    with pytest.raises(SqlfeatError) as caught:
        Project.load(tmp_path)

    assert as_read(caught.value, tmp_path) == text("""
        [no-project] There is no sqlfeat_project.yml in PROJECT.

        Hint: `sqlfeat init NAME` makes a new project.
    """)


# -- selectors and names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("totls", "[nothing-selected] The selector 'totls' matches nothing.\n\nHint: did you mean 'totals'?"),
        ("tag:daily", "[nothing-selected] The selector 'tag:daily' matches nothing."),
        ("tagg:x", "[bad-selector] There is no selector method 'tagg'.\n\nHint: did you mean 'tag'?"),
        ("state:new", "[bad-selector] There is no state 'new'.\n\nHint: write state:modified."),
    ],
)
def test_selectors_that_mean_nothing(tmp_path, selector, expected):
    root = shop(tmp_path, {"models/totals.sql": TOTALS})

    assert str(error_of(root, selector)) == expected


def test_a_misspelt_model_to_show(tmp_path):
    opened = Opened(shop(tmp_path, {"models/totals.sql": TOTALS}))

    with pytest.raises(SqlfeatError) as caught:
        opened.show("total")

    assert str(caught.value) == "[unknown-model] There is no model 'total'.\n\nHint: did you mean 'totals'?"


def test_a_misspelt_training_set(tmp_path):
    opened = Opened(shop(tmp_path, {"models/totals.sql": TOTALS}))

    with opened.project() as project, pytest.raises(SqlfeatError) as caught:
        project.build_training_set("totals")

    assert str(caught.value) == text("""
        [unknown-training-set] 'totals' is a view, not a training set.

        Hint: a training set is a model with materialized='training_set'.
    """)


def test_a_misspelt_target(tmp_path):
    root = shop(tmp_path, {"models/totals.sql": TOTALS})

    with pytest.raises(SqlfeatError) as caught:
        Opened(root).run(target="deff")

    assert str(caught.value) == "[unknown-target] There is no target 'deff'.\n\nHint: known are: dev."


# -- while it runs -----------------------------------------------------------------------------------------------------


def test_a_database_that_another_process_has_open(tmp_path):
    root = shop(tmp_path, {"models/totals.sql": TOTALS})
    database = root / "target" / "shop.duckdb"
    database.parent.mkdir()
    holding = f"import duckdb; c = duckdb.connect({str(database)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(SqlfeatError) as caught:
            Opened(root).run()
        process.communicate("\n")

    assert as_read(caught.value, root) == text(f"""
        [database-locked] PROJECT/target/shop.duckdb is in use by process {process.pid} ({program(caught.value)}).

        Hint: wait until it has ended, or end it: while a DuckDB file is written, one process has it for itself.
    """)
    assert caught.value.exit_code == 2


def program(error):
    """What the operating system calls the process that holds the file: an interpreter has several names."""
    return error.what.rsplit("(", 1)[1].removesuffix(").")


def test_a_model_whose_parent_has_not_been_built(tmp_path):
    files = {"models/totals.sql": TOTALS, "models/top.sql": "select * from {{ ref('totals') }}"}

    with pytest.raises(SqlfeatError) as caught:
        Opened(shop(tmp_path, files)).run("top")

    assert str(caught.value) == text("""
        [not-built] top reads totals, which has not been built.

        Hint: select it too: -s +top
    """)
    assert caught.value.exit_code == 1


def test_values_that_cannot_be_cast(told_by_run):
    model = f"{{{{ config(materialized='table') }}}}\nselect cast(customer as integer) as n from {ORDERS}"

    assert told_by_run({"models/totals.sql": model}, "totals") == text("""
        models/totals.sql:1:1: [run-failed] Could not convert string 'ann' to INT32 when casting from source \
column customer.
          1 | {{ config(materialized='table') }}
            | ^
    """)


def test_sql_of_a_hook_that_fails(told_by_run):
    model = "{{ config(materialized='table', post_hook='insert into nowhere values (1)') }}\nselect 1 as x"

    assert told_by_run({"models/totals.sql": model}, "totals") == text("""
        models/totals.sql:1:33: [sql-hook-failed] The post_hook of totals fails: There is no table 'nowhere'.
          1 | {{ config(materialized='table', post_hook='insert into nowhere values (1)') }}
            |                                 ^^^^^^^^^
    """)


def test_a_test_that_fails_tells_the_rows_that_break_it(tmp_path):
    root = shop(
        tmp_path,
        {
            "models/totals.sql": TOTALS,
            "tests/cheap.sql": "select order_id, amount from {{ ref('totals') }} where amount > 15",
        },
    )
    result = result_of(Opened(root).build(), "cheap")

    assert (result.status, result.rows, result.reason) == ("failed", 3, "3 rows break it")
    assert list(result.examples) == [{"order_id": i, "amount": i * 10} for i in (2, 3, 4)]


def test_a_python_hook_that_is_no_python(tmp_path):
    root = shop(tmp_path, {"models/totals.sql": TOTALS, "hooks/late.py": "def train(data:\n    return data\n"})

    with Opened(root).project() as project, pytest.raises(SqlfeatError) as caught:
        project.train("late")

    assert str(caught.value) == text("""
        hooks/late.py:1:10: [hook-syntax] This is not Python: '(' was never closed.
          1 | def train(data:
            |          ^
    """)


def test_a_project_that_is_damaged_can_still_be_debugged(tmp_path):
    root = shop(tmp_path, {"models/totals.sql": "select * from {{ ref('total') }}", "models/tools.sql": TOTALS})

    with Opened(root).project() as project:
        problems = project.debug()["problems"]

    assert [problem.split("]")[0] for problem in problems] == ["models/totals.sql:1:23: [unknown-ref"]


def test_a_source_that_no_selected_model_reads_may_be_missing(tmp_path):
    sources = SOURCES + "          - name: gone\n"
    root = shop(tmp_path, {"models/sources.yml": sources, "models/totals.sql": TOTALS})

    assert result_of(Opened(root).run(), "totals").status == "built"
