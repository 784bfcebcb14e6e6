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
    error = refused({**FILES, "models/orders.yml": "models: [{name: ordres, config: {materialized: tabel}}]\n"})

    assert [single.code for single in error.errors] == ["unknown-model", "bad-config-value"]


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
