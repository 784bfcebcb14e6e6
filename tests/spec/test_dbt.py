"""A dbt project is a project."""

from __future__ import annotations

PROJECT = """\
name: jaffle_shop
version: '1.0.0'
config-version: 2
profile: jaffle
model-paths: [models]
macro-paths: [macros]
snapshot-paths: [snapshots]
require-dbt-version: ">=1.5"
vars:
  jaffle_shop: {limit: 7}
  limit: 1
  other: 2
models:
  jaffle_shop:
    +materialized: table
    staging: {+materialized: view, +dist: even}
  some_package: {+enabled: false}
"""

PROFILES = """\
jaffle:
  target: "{{ env_var('DBT_TARGET', 'prod') }}"
  outputs:
    prod: {type: snowflake, password: "{{ env_var('SNOWFLAKE_PASSWORD') }}"}
    local: {type: duckdb, path: shop.duckdb, threads: 4, extensions: [httpfs]}
"""

FILES = {
    "dbt_project.yml": PROJECT,
    "models/staging/stg_orders.sql": "select 1",
    "models/orders.sql": "select 1",
    "models/schema.yml": (
        "version: 2\n"
        "sources:\n"
        "  - name: raw\n"
        "    schema: landing\n"
        "    tables: [{name: orders, identifier: ORDERS}, {name: items, meta: {external_location: items.csv}}]\n"
        "models:\n"
        "  - name: orders\n"
        "    latest_version: 1\n"
        "    config: {dist: even, materialized: table}\n"
        "    some_new_key: x\n"
        "    columns:\n"
        "      - name: id\n"
        "        tests: [unique, dbt_utils.not_constant]\n"
        "unit_tests: []\n"
        "snapshots: [{name: s}]\n"
    ),
    "dbt_packages/dbt_utils/macros/star.sql": "{% macro star() %}{% endmacro %}",
    "dbt_packages/dbt_utils/models/not_ours.sql": "select 1",
}


def test_its_models_config_and_variables_are_read(load):
    project = load(FILES)

    assert (project.name, project.version, project.project_file) == ("jaffle_shop", "1.0.0", "dbt_project.yml")
    assert project.is_dbt
    assert sorted(project.models) == ["orders", "stg_orders"]
    assert project.models["orders"].folder_config == {"materialized": "table"}
    assert project.models["stg_orders"].folder_config == {"materialized": "view", "dist": "even"}
    assert project.vars == {"limit": 7, "other": 2}


def test_its_packages_give_macros(load):
    assert load(FILES).macros[-1].path == "dbt_packages/dbt_utils/macros/star.sql"


def test_its_sources_without_a_location_are_tables_of_the_database(load):
    sources = load(FILES).sources

    assert (sources["raw", "orders"].location, sources["raw", "orders"].format) == ("landing.ORDERS", "duckdb")
    assert (sources["raw", "items"].location, sources["raw", "items"].format) == ("items.csv", "csv")


def test_what_is_not_done_is_left_out_and_said(load):
    project = load(FILES)

    (column,) = project.models["orders"].properties.columns
    assert [test.name for test in column.tests] == ["unique"]
    assert project.left_out == (
        "models/schema.yml:15:1: 'snapshots' are not read by this version of sqlfeat.",
        "models/schema.yml:14:1: 'unit_tests' are not read by this version of sqlfeat.",
        "models/schema.yml:13:25: There is no data test 'dbt_utils.not_constant'.",
    )


def test_without_a_profile_it_is_made_in_duckdb(load, tmp_path):
    project = load(FILES)

    assert project.targets["dev"].path == tmp_path / "target" / "jaffle_shop.duckdb"


def test_the_duckdb_outputs_of_its_own_profile_are_its_targets(load, tmp_path):
    project = load({**FILES, "profiles.yml": PROFILES})

    assert list(project.targets) == ["local"]
    assert project.default_target == "local"
    assert project.targets["local"].path == tmp_path / "shop.duckdb"
    assert project.targets["local"].threads == 4
    assert project.left_out[0] == "profiles.yml:4:5: The output 'prod' is not of DuckDB."


def test_mistakes_in_it_are_mistakes_all_the_same(refused):
    error = refused({**FILES, "models/orders.yml": "models: [{description: nobody}]\n"})

    assert error.code == "missing-key"


def test_what_describes_no_model_is_left_out_and_said(load):
    project = load({**FILES, "models/others.yml": "models: [{name: ordres, config: {materialized: tabel}}]\n"})

    assert project.left_out[-1] == "models/others.yml:1:17: There is no model 'ordres' to describe."


def test_of_a_key_that_is_given_twice_the_last_counts_and_it_is_said(load):
    twice = "models:\n  - name: orders\n    description: first\n    description: last\n"
    project = load({**FILES, "models/schema.yml": twice})

    assert project.models["orders"].properties.description == "last"
    assert project.left_out == (
        "models/schema.yml:4:5: The key 'description' is given twice; the first is at line 3. The last one counts.",
    )


def test_statements_and_the_target_in_yaml_are_worked_out(load):
    yaml = (
        "models:\n"
        "  - name: orders\n"
        "    config:\n"
        "      schema: \"{%- if var('other') > 1 -%}big_{{ target.type }}{%- else -%}small{%- endif -%}\"\n"
        "      alias: \"{%- if var('absent', none) -%}x{%- endif -%}\"\n"
        "      tags: [\"{{ ref('unknown_here') }}\"]\n"
    )
    config = load({**FILES, "models/schema.yml": yaml}).models["orders"].properties.config

    assert config == {"schema": "big_duckdb", "alias": None, "tags": ["{{ ref('unknown_here') }}"]}


def test_two_models_of_a_name_are_one_where_the_folder_of_the_other_is_disabled(load):
    by_target = PROJECT.replace(
        "    staging: {+materialized: view, +dist: even}",
        "    spark: {+enabled: \"{{ target.type == 'spark' }}\"}\n"
        "    duckdb: {+enabled: \"{{ target.type == 'duckdb' }}\"}",
    )
    both = {"models/spark/days.sql": "select 'spark'", "models/duckdb/days.sql": "select 'duckdb'"}

    assert load({**FILES, "dbt_project.yml": by_target, **both}).models["days"].path == "models/duckdb/days.sql"


def test_python_models_and_snapshots_are_known_by_name(load):
    others = {
        "models/elo.py": "def model(dbt, session): ...",
        "snapshots/past.sql": "{% snapshot orders_past %}\nselect 1 as id\n{% endsnapshot %}",
    }
    models = load({**FILES, **others}).models

    assert {name: models[name].unread for name in ("elo", "orders_past")} == {
        "elo": "it is a Python model of dbt",
        "orders_past": "it is a snapshot of dbt",
    }
    assert models["orders_past"].text.strip() == "select 1 as id"


def test_a_project_file_of_sqlfeat_comes_first(load):
    assert load({**FILES, "sqlfeat_project.yml": "name: mine\n", "models/schema.yml": ""}).name == "mine"


def test_what_variables_decide_in_yaml_is_worked_out(load):
    decided = {
        "dbt_project.yml": PROJECT.replace(
            "    staging: {+materialized: view, +dist: even}",
            "    staging:\n      +enabled: \"{{ var('other') == 2 and not var('absent', false) | as_bool }}\"\n"
            "      +pre-hook: \"{{ var('other') }}\"",
        ),
        "models/schema.yml": (
            "version: 2\nsources:\n  - name: raw\n    config: {enabled: \"{{ env_var('RAW', 'true') | as_bool }}\"}\n"
            "    tables:\n      - {name: orders}\n"
            "      - name: items\n        config: {enabled: \"{{ 'a' in var('kinds', ['b']) }}\"}\n"
        ),
    }
    project = load({**FILES, **decided})

    config = project.models["stg_orders"].folder_config
    assert (config["enabled"], config["pre-hook"]) == (True, "{{ var('other') }}")
    assert list(project.sources) == [("raw", "orders")]


def test_a_column_that_is_described_twice_is_left_out_once(load):
    twice = "version: 2\nmodels: [{name: orders, columns: [{name: id}, {name: id, description: again}]}]\n"
    project = load({**FILES, "models/schema.yml": twice})

    assert [column.name for column in project.models["orders"].properties.columns] == ["id"]
    assert "described twice" in project.left_out[0]
