"""What a dbt user writes without thinking works, and means what it means there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.made.projects import PROJECT_FILE, Files, Opened, orders, result_of, shop, statuses

RAW = "{{ source('raw', 'orders') }}"


@pytest.fixture
def rows(tmp_path: Path):
    """The rows of the model ``m`` after a run of everything, beside a table ``a`` of orders."""

    def rows(sql: str, files: Files | None = None, **settings):
        a = f"{{{{ config(materialized='table') }}}} select order_id, customer, amount from {RAW}"
        opened = Opened(shop(tmp_path, {"models/a.sql": a, "models/m.sql": sql, **(files or {})}))
        failed = [str(node.error) for node in opened.run(**settings).results if node.status == "failed"]
        assert failed == []
        return [tuple(row.values()) for row in opened.rows("m", **settings)]

    return rows


# -- SELECTs -----------------------------------------------------------------------------------------------------------

FOUR = [(1,), (2,), (3,), (4,)]


@pytest.mark.parametrize(
    "sql",
    [
        "select a.order_id from {{ ref('a') }} order by 1",
        "select {{ ref('a') }}.order_id from {{ ref('a') }} order by 1",
        "select order_id from {{ ref('shop', 'a') }} order by 1",
        "select order_id from {{ ref('a', v=1) }} order by 1",
        "SELECT Order_ID FROM {{ref(\"a\")}} ORDER BY 1",
        "from {{ ref('a') }} select order_id order by 1",
        "with picked as (select * from {{ ref('a') }}),\nlast as (select order_id from picked)\n"
        "select * from last order by 1",
        "select order_id from {{ ref('a') }} where order_id < 3\nunion all\n"
        "select order_id from {{ ref('a') }} where order_id > 2 order by 1",
        "select order_id from {{ ref('a') }} order by 1;",
        "select order_id from {{ ref('a') }} order by 1;\n\n;\n",
        "select order_id from {{ ref('a') }} order by 1 -- the end",
        "select order_id from {{ ref('a') }} order by 1 /* the end */",
        "select order_id from {{ ref('a') }} order by 1; -- the end",
        "(select order_id from {{ ref('a') }}) order by 1",
        "select orders.order_id from {{ source('raw', 'orders') }} order by 1",
        "select o.order_id from {{ source('raw', 'orders') }} as o join {{ ref('a') }} using (order_id) order by 1",
        "select distinct on (order_id) order_id from {{ ref('a') }} order by 1",
        "select * exclude (customer, amount) from {{ ref('a') }} order by 1",
        "select order_id, from {{ ref('a') }} order by 1",
        "select order_id from {{ ref('a') }}\n"
        "qualify row_number() over (partition by order_id order by amount) = 1 order by 1",
    ],
)  # fmt: skip
def test_selects_as_people_write_them(rows, sql):
    assert rows(sql) == FOUR


def test_values_are_a_model_too(rows):
    assert rows("values (1, 'a'), (2, 'b')") == [(1, "a"), (2, "b")]


def test_names_with_blanks_and_reserved_words(rows):
    sql = 'select order_id as "order", customer as "the customer" from {{ ref(\'a\') }} order by 1 limit 1'

    assert rows(sql) == [(1, "ann")]


def test_texts_that_look_like_comments_or_jinja(rows):
    sql = "select '--' as a, '/* */' as b, '{% raw %}{{ x }}{% endraw %}' as c, $$it's; fine$$ as d, 'a;b' as e"

    assert rows(sql) == [("--", "/* */", "{{ x }}", "it's; fine", "a;b")]


# -- Jinja -------------------------------------------------------------------------------------------------------------


def test_a_loop_with_commas_between(rows):
    sql = """
        {%- set products = ['tea', 'jam'] -%}
        select
            {%- for product in products %}
            sum(amount) filter (where product = '{{ product }}') as {{ product }}
            {%- if not loop.last %},{% endif %}
            {%- endfor %}
        from {{ source('raw', 'orders') }}
    """

    assert rows(sql) == [(70, 30)]


def test_a_macro_with_defaults_in_another_file_that_calls_a_third(rows):
    macros = {
        "macros/money.sql": "{% macro cents(column, factor=100) %}{{ times(column, factor) }}{% endmacro %}",
        "macros/deep/down/times.sql": "{% macro times(a, b) -%} ({{ a }}) * {{ b }} {%- endmacro %}",
    }

    assert rows("select {{ cents('2') }}, {{ cents('2', factor=10) }} as b", macros) == [(200, 20)]


def test_a_macro_that_calls_one_of_a_file_that_comes_later(rows):
    macros = {
        "macros/a.sql": "{% macro first() %}{{ second() }}{% endmacro %}",
        "macros/b.sql": "{% macro second() %}7{% endmacro %}",
    }

    assert rows("select {{ first() }} as n", macros) == [(7,)]


def test_a_macro_with_an_underscore_and_one_that_is_called_by_the_project_s_name(rows):
    macros = {"macros/a.sql": "{% macro _hidden() %}7{% endmacro %}{% macro shown() %}{{ _hidden() }}{% endmacro %}"}

    assert rows("select {{ shop.shown() }} as a, {{ _hidden() }} as b", macros) == [(7, 7)]


def test_macros_of_a_package(rows):
    macros = {"packages/money/macros/cents.sql": "{% macro cents(x) %}{{ x }} * 100{% endmacro %}"}

    assert rows("select {{ money.cents(2) }} as a, {{ cents(3) }} as b", macros) == [(200, 300)]


def test_macros_that_dbt_utils_has(rows):
    assert rows("select {{ dbt_utils.safe_divide('1', '0') }} as x") == [(None,)]


def test_a_macro_that_returns_a_list(rows):
    macros = {"macros/a.sql": "{% macro products() %}{{ return(['tea', 'jam']) }}{% endmacro %}"}

    sql = "select {% for p in products() %}'{{ p }}' as {{ p }}{{ ', ' if not loop.last }}{% endfor %}"

    assert rows(sql, macros) == [("tea", "jam")]


def test_a_macro_around_a_call_block(rows):
    macros = {"macros/a.sql": "{% macro wrapped(x) %}( {{ caller() }} + {{ x }} ){% endmacro %}"}

    assert rows("select {% call wrapped(2) %}1{% endcall %} as n", macros) == [(3,)]


def test_dispatch_finds_the_engine_s_macro(rows):
    macros = {
        "macros/a.sql": """
            {% macro today_text() %}{{ return(adapter.dispatch('today_text', 'shop')()) }}{% endmacro %}
            {% macro default__today_text() %}'default'{% endmacro %}
            {% macro duckdb__today_text() %}'duckdb'{% endmacro %}
        """
    }

    assert rows("select {{ today_text() }} as x", macros) == [("duckdb",)]


def test_variables_and_the_environment(rows, monkeypatch):
    monkeypatch.setenv("SHOP_REGION", "north")
    project = PROJECT_FILE + "\n    vars: {limit: 2, names: [a, b]}\n"
    sql = (
        "select {{ var('limit') }} as a, {{ var('missing', 7) }} as b, '{{ var('names') | join('-') }}' as c, "
        "'{{ env_var('SHOP_REGION') }}' as d"
    )

    assert rows(sql, {"sqlfeat_project.yml": project}) == [(2, 7, "a-b", "north")]
    assert rows(sql, {"sqlfeat_project.yml": project}, vars={"limit": 9, "x": 1}) == [(9, 7, "a-b", "north")]


def test_target_and_this(rows):
    sql = (
        "select '{{ target.name }}' as a, '{{ target.schema }}' as b, '{{ target.type }}' as c, '{{ this.name }}' as d"
    )

    assert rows(sql) == [("dev", "main", "duckdb", "m")]


def test_a_ref_that_is_commented_out_is_a_ref_still_as_in_dbt(rows, tmp_path):
    assert rows("-- depends on {{ ref('a') }}\nselect 1 as x /* {{ source('raw', 'orders') }} */") == [(1,)]

    with Opened(tmp_path).project() as project:
        assert next(node.depends_on for node in project.nodes() if node.name == "m") == ("a", "raw.orders")


def test_a_jinja_comment_is_nothing(rows, tmp_path):
    assert rows("{# {{ ref('nowhere') }} #}\nselect 1 as x") == [(1,)]


def test_incremental_is_false_and_this_is_not_read(rows):
    sql = """
        {{ config(materialized='incremental', unique_key='order_id') }}
        select order_id from {{ ref('a') }}
        {% if is_incremental() %} where order_id > (select max(order_id) from {{ this }}) {% endif %}
        order by 1
    """

    assert rows(sql) == FOUR


# -- config ------------------------------------------------------------------------------------------------------------


def kind_of(root: Path, name: str) -> str:
    with Opened(root).project() as project:
        return next(node.materialized for node in project.nodes() if node.name == name)


@pytest.mark.parametrize(
    "sql",
    [
        "{{ config(materialized='table') }} select 1 as x",
        "select 1 as x {{ config(materialized='table') }}",
        "-- first a comment\n\n{{\n  config(\n    materialized = 'table'\n  )\n}}\nselect 1 as x",
        "{{ config({'materialized': 'table'}) }} select 1 as x",
        "{% do config(materialized='table') %} select 1 as x",
        "{{ config(materialized='view') }}{{ config(materialized='table') }} select 1 as x",
    ],
)
def test_config_may_stand_anywhere(tmp_path, sql):
    assert kind_of(shop(tmp_path, {"models/m.sql": sql}), "m") == "table"


def test_the_nearest_config_wins(tmp_path):
    project = (
        PROJECT_FILE + "\n    models:\n      shop:\n        +materialized: table\n        near: {materialized: view}\n"
    )
    yml = "models:\n  - name: {}\n    config: {{materialized: table}}\n"
    root = shop(
        tmp_path,
        {
            "sqlfeat_project.yml": project,
            "models/plain.sql": "select 1 as x",
            "models/near/foldered.sql": "select 1 as x",
            "models/near/described.sql": "select 1 as x",
            "models/near/described.yml": yml.format("described"),
            "models/near/itself.sql": "{{ config(materialized='ephemeral') }} select 1 as x",
            "models/near/itself.yml": yml.format("itself"),
        },
    )

    kinds = {name: kind_of(root, name) for name in ("plain", "foldered", "described", "itself")}
    assert kinds == {"plain": "table", "foldered": "view", "described": "table", "itself": "ephemeral"}


def test_tags_add_up(tmp_path):
    project = PROJECT_FILE + "\n    models: {+tags: [all]}\n"
    root = shop(
        tmp_path, {"sqlfeat_project.yml": project, "models/m.sql": "{{ config(tags=['m', 'all']) }} select 1 as x"}
    )

    with Opened(root).project() as opened:
        assert [node.name for node in opened.nodes(["tag:all,tag:m"])] == ["m"]


def test_config_can_be_asked(rows):
    sql = (
        "{{ config(meta={'days': 3}) }} select {{ config.get('meta')['days'] }} as a, '{{ config.get('x', 'y') }}' as b"
    )

    assert rows(sql) == [(3, "y")]


def test_schema_and_alias_name_what_people_read(rows, tmp_path):
    files = {
        "models/marts/b.sql": "{{ config(schema='marts', alias='shown') }} select count(*) as n from {{ ref('a') }}",
    }

    assert rows("select n from {{ ref('b') }}", files) == [(4,)]
    assert query(tmp_path, "select n from main_marts.shown") == [(4,)]


def query(root: Path, sql: str):
    """What somebody sees who opens the file with DuckDB."""
    import duckdb

    with duckdb.connect(str(root / "target" / "shop.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_an_ephemeral_model_can_be_read_by_models_and_is_shown_to_nobody(rows, tmp_path):
    files = {"models/b.sql": "{{ config(materialized='ephemeral') }} select count(*) as n from {{ ref('a') }}"}

    assert rows("select n from {{ ref('b') }}", files) == [(4,)]
    shown = query(
        tmp_path, "select view_name from duckdb_views() where schema_name = 'main' and not internal order by 1"
    )
    assert shown == [("a",), ("m",)]


def test_a_disabled_model_is_not_there(rows, tmp_path):
    files = {
        "models/old.sql": "{{ config(enabled=false) }} select * from {{ ref('a') }}",
        "models/old.yml": "models:\n  - name: old\n    columns: [{name: x, data_tests: [unique]}]\n",
    }

    assert rows("select 1 as x", files) == [(1,)]
    with Opened(tmp_path).project() as project:
        assert "old" not in {node.name for node in project.nodes()}


def test_a_description_is_the_view_s_comment(rows, tmp_path):
    rows("{{ config(description='Just one.') }} select 1 as x")

    assert query(tmp_path, "select comment from duckdb_views() where schema_name = 'main' and view_name = 'm'") == [
        ("Just one.",)
    ]


# -- hooks of SQL ------------------------------------------------------------------------------------------------------


def test_hooks_run_before_and_after_and_know_this(rows, tmp_path):
    sql = """
        {{ config(
            materialized='table',
            pre_hook=[
                "create table if not exists main.log (what varchar, n bigint)",
                "insert into main.log values ('before', 0)"
            ],
            post_hook="insert into main.log select '{{ this.name }}', count(*) from {{ this }}; "
        ) }}
        select order_id from {{ ref('a') }}
    """

    assert len(rows(sql)) == 4
    assert query(tmp_path, "from main.log") == [("before", 0), ("m", 4)]


# -- run_query ---------------------------------------------------------------------------------------------------------

PIVOT = """
    {{ config(materialized='table') }}
    {%- set found = run_query("select distinct customer from " ~ ref('a') ~ " order by 1") -%}
    {%- set names = found.columns[0].values() if execute else [] %}
    select count(*) as n
    {%- for name in names %}, sum(amount) filter (where customer = '{{ name }}') as {{ name }}{% endfor %}
    from {{ ref('a') }}
"""


def test_run_query_asks_what_this_run_has_built(rows):
    assert rows(PIVOT) == [(4, 40, 60)]


def test_what_is_below_a_model_that_asks_is_built_of_what_it_has_become(rows, tmp_path):
    assert rows("select * from {{ ref('b') }}", {"models/b.sql": PIVOT}) == [(4, 40, 60)]

    three = orders(1, 2, 3, 4, 5).set_column(1, "customer", pa.array(["ann", "bob", "cid", "ann", "bob"]))
    opened = Opened(tmp_path)
    opened.change({"data/orders.parquet": three})
    assert statuses(opened.run()) == {"a": "built", "b": "built", "m": "built"}
    assert opened.rows("m") == [{"n": 5, "ann": 5, "bob": 7, "cid": 3}]
    assert statuses(opened.run()) == {"a": "unchanged", "b": "unchanged", "m": "unchanged"}


def test_a_model_that_asks_and_gets_no_answer_fails_alone(tmp_path):
    files = {
        "models/a.sql": f"{{{{ config(materialized='table') }}}} select * from {RAW}",
        "models/b.sql": "{% set n = run_query('select nothing from ' ~ ref('a')) %} select 1 as x",
        "models/c.sql": "select * from {{ ref('b') }}",
        "models/d.sql": "select * from {{ ref('a') }}",
    }
    opened = Opened(shop(tmp_path, files))
    result = opened.run()

    assert statuses(result) == {"a": "built", "b": "failed", "c": "skipped", "d": "built"}
    assert str(result_of(result, "b").error).startswith(
        "models/b.sql:1:12: [run-query-failed] The query of run_query fails: There is no column 'nothing' here."
    )


# -- seeds and sources -------------------------------------------------------------------------------------------------


def test_a_seed_is_read_by_ref(rows):
    files = {
        "seeds/prices.csv": "product,price,code\ntea,2.5,007\njam,4,008\n",
        "seeds/prices.yml": """
            seeds:
              - name: prices
                config: {column_types: {code: varchar, price: "decimal(6,2)"}}
        """,
    }

    assert rows("select product, price::varchar as price, code from {{ ref('prices') }} order by 1", files) == [
        ("jam", "4.00", "008"),
        ("tea", "2.50", "007"),
    ]


ONE, TWO = pa.table({"n": [1]}), pa.table({"n": [2]})


@pytest.mark.parametrize(
    ("location", "files"),
    [
        ("data/visits.csv", {"data/visits.csv": "n\n1\n2\n"}),
        ("data/{name}.csv", {"data/visits.csv": pa.table({"n": [1, 2]})}),
        ("data/visits.json", {"data/visits.json": '[{"n": 1}, {"n": 2}]'}),
        ("data/visits.jsonl", {"data/visits.jsonl": '{"n": 1}\n{"n": 2}\n'}),
        ("data/{source}/*.parquet", {"data/web/a.parquet": ONE, "data/web/b.parquet": TWO}),
        ("data/visits', format: 'parquet", {"data/visits/1.parquet": ONE, "data/visits/x/2.parquet": TWO}),
        ("data/visits_*.csv", {"data/visits_1.csv": "n\n1\n", "data/visits_2.csv": "n\n2\n"}),
    ],
)  # fmt: skip
def test_sources_of_every_kind(rows, location, files):
    declared = f"sources:\n  - name: web\n    config: {{location: '{location}'}}\n    tables: [{{name: visits}}]\n"

    assert rows("select n from {{ source('web', 'visits') }} order by n", {"models/web.yml": declared, **files}) == [
        (1,),
        (2,),
    ]


# -- a folder of dbt's -------------------------------------------------------------------------------------------------


def test_a_folder_of_dbt_s_is_a_project(tmp_path):
    files = {
        "dbt_project.yml": """
            name: jaffle
            version: "1.0"
            profile: jaffle
            model-paths: [models]
            models:
              jaffle: {staging: {+materialized: view}}
            vars: {jaffle: {least: 15}}
        """,
        "models/staging/stg_orders.sql": "select * from {{ ref('raw_orders') }}",
        "models/big.sql": "select * from {{ ref('stg_orders') }} where amount > {{ var('least') }}",
        "seeds/raw_orders.csv": "id,amount\n1,10\n2,20\n",
    }
    opened = Opened(shop(tmp_path, files))
    (tmp_path / "sqlfeat_project.yml").unlink()

    assert statuses(opened.build()) == {"raw_orders": "built", "stg_orders": "built", "big": "built"}
    assert opened.rows("big") == [{"id": 2, "amount": 20}]
