"""Mistakes in SQL: what the engine refuses is shown at its place in the template, whatever Jinja stands before it."""

from tests.errors.conftest import as_read, text
from tests.made.projects import Opened, error_of, result_of, shop

ORDERS = "{{ source('raw', 'orders') }}"


def test_a_missing_column(told):
    assert told({"models/totals.sql": f"select\n    customer,\n    amuont\nfrom {ORDERS}"}) == text("""
        models/totals.sql:3:5: [missing-column] There is no column 'amuont' here.
          3 |     amuont
            |     ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_of_a_table_with_an_alias(told):
    assert told({"models/totals.sql": f"select o.customer, o.amuont\nfrom {ORDERS} as o"}) == text("""
        models/totals.sql:1:22: [missing-column] There is no column 'amuont' here.
          1 | select o.customer, o.amuont
            |                      ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_after_jinja_of_many_lines(told):
    files = {
        "models/totals.sql": f"""
            {{{{ config(
                materialized='table',
                tags=['daily']
            ) }}}}
            {{# a comment
               of two lines #}}
            {{%- set names = [
                'customer',
                'product'
            ] -%}}
            select
                {{% for name in names %}}
                {{{{ name }}}},
                {{% endfor %}}
                {{{{ 'order_id'
                   | upper }}}}, amuont
            from {ORDERS}
        """
    }

    assert told(files) == text("""
        models/totals.sql:16:20: [missing-column] There is no column 'amuont' here.
          16 |        | upper }}, amuont
             |                    ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_after_letters_of_several_bytes(told):
    assert told({"models/totals.sql": f"-- Größe 🙂\nselect 'é🙂日本' as word, amuont from {ORDERS}"}) == text("""
        models/totals.sql:2:24: [missing-column] There is no column 'amuont' here.
          2 | select 'é🙂日本' as word, amuont from {{ source('raw', 'orders') }}
            |                           ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_in_a_file_from_windows_with_tabs(told):
    files = {"models/totals.sql": b"{{ config(\r\n\tmaterialized='table') }}\r\nselect\r\n\t\tamuont\r\n" + (
        b"from {{ source('raw', 'orders') }}\r\n"
    )}  # fmt: skip

    assert told(files) == text("""
        models/totals.sql:4:3: [missing-column] There is no column 'amuont' here.
          4 | \t\tamuont
            | \t\t^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_that_a_macro_writes(told):
    files = {
        "macros/money.sql": "{% macro cents() -%}\n  amuont * 100\n{%- endmacro %}",
        "macros/outer.sql": "{% macro outer() %}coalesce({{ cents() }}, 0){% endmacro %}",
        "models/totals.sql": f"select\n    {{{{ outer() }}}} as cents\nfrom {ORDERS}",
    }

    assert told(files) == text("""
        macros/money.sql:2:3: [missing-column] There is no column 'amuont' here.
          2 |   amuont * 100
            |   ^^^^^^
          called from macros/outer.sql:1:29
          called from models/totals.sql:2:5

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_that_a_macro_is_given(told):
    files = {
        "macros/money.sql": "{% macro cents(column) %}{{ column }} * 100{% endmacro %}",
        "models/totals.sql": f"select\n    {{{{ cents('amuont') }}}} as cents\nfrom {ORDERS}",
    }

    assert told(files) == text("""
        models/totals.sql:2:15: [missing-column] There is no column 'amuont' here.
          2 |     {{ cents('amuont') }} as cents
            |               ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_missing_column_that_a_loop_writes(told):
    files = {"models/totals.sql": f"select\n{{% for c in ['customer', 'amuont'] %}}\n  {{{{ c }}}},\n{{% endfor %}}\n"
             f"1 as n from {ORDERS}"}  # fmt: skip

    assert told(files) == text("""
        models/totals.sql:3:3: [missing-column] There is no column 'amuont' here.
          3 |   {{ c }},
            |   ^^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_table_that_is_named_without_ref(told):
    files = {"models/paid.sql": "select 1 as x", "models/totals.sql": "select *\nfrom paid"}

    assert told(files) == text("""
        models/totals.sql:2:6: [missing-table] There is no table 'paid'.
          2 | from paid
            |      ^^^^

        Hint: write {{ ref('paid') }}.
    """)


def test_a_source_that_is_named_without_source(told):
    assert told({"models/totals.sql": "select *\nfrom orders"}) == text("""
        models/totals.sql:2:6: [missing-table] There is no table 'orders'.
          2 | from orders
            |      ^^^^^^

        Hint: write {{ source('raw', 'orders') }}.
    """)


def test_an_alias_that_is_not_there(told):
    assert told({"models/totals.sql": f"select ordrs.amount\nfrom {ORDERS}"}) == text("""
        models/totals.sql:1:8: [missing-table] There is no table 'ordrs' in this SELECT.
          1 | select ordrs.amount
            |        ^^^^^

        Hint: did you mean 'orders'?
    """)


def test_a_misspelt_function(told):
    assert told({"models/totals.sql": f"select summ(amount) as total from {ORDERS}"}) == text("""
        models/totals.sql:1:8: [sql-function] There is no function 'summ'.
          1 | select summ(amount) as total from {{ source('raw', 'orders') }}
            |        ^^^^

        Hint: did you mean 'sum'?
    """)


def test_types_that_do_not_go_together(told):
    assert told({"models/totals.sql": f"select amount + [1] as total from {ORDERS}"}) == text("""
        models/totals.sql:1:15: [sql-type] No function matches the given name and argument types \
'+(BIGINT, INTEGER[])'.
          1 | select amount + [1] as total from {{ source('raw', 'orders') }}
            |               ^
    """)


def test_sql_that_stops_being_sql(told):
    assert told({"models/totals.sql": f"select customer,, amount\nfrom {ORDERS}"}) == text("""
        models/totals.sql:1:17: [sql-syntax] Syntax error at or near ",".
          1 | select customer,, amount
            |                 ^
    """)


def test_a_parenthesis_that_is_never_closed(told):
    assert told({"models/totals.sql": f"select\n  coalesce(amount, (0)\nfrom {ORDERS}"}) == text("""
        models/totals.sql:2:11: [sql-syntax] This '(' is never closed.
          2 |   coalesce(amount, (0)
            |           ^
    """)


def test_a_text_that_never_ends(told):
    assert told({"models/totals.sql": f"select customer,\n  'open as word\nfrom {ORDERS}"}) == text("""
        models/totals.sql:2:3: [sql-syntax] Unterminated string literal.
          2 |   'open as word
            |   ^
    """)


def test_two_statements_in_one_model(told):
    assert told({"models/totals.sql": "select 1 as x;\ndrop table y"}) == text("""
        models/totals.sql:2:1: [sql-grammar] A model is one SELECT, and here a second statement begins.
          2 | drop table y
            | ^^^^
    """)


def test_a_statement_that_is_no_select(told):
    assert told({"models/totals.sql": "-- now\ninsert into y values (1)"}) == text("""
        models/totals.sql:2:1: [sql-grammar] A model is one SELECT, and this begins with 'insert'.
          2 | insert into y values (1)
            | ^^^^^^
    """)


def test_a_misspelt_select(told):
    assert told({"models/totals.sql": "selct 1 as x"}) == text("""
        models/totals.sql:1:1: [sql-grammar] A model is one SELECT, and this begins with 'selct'.
          1 | selct 1 as x
            | ^^^^^

        Hint: did you mean SELECT?
    """)


def test_of_a_very_long_line_what_stands_around_the_mistake_is_shown(told):
    columns = ", ".join(f"amount as amount_{number:03d}" for number in range(20))
    line, carets = told({"models/totals.sql": f"select {columns}, amuont, {columns} from {ORDERS}"}).split("\n")[1:3]

    assert (line[:7], line[-1], len(line)) == ("  1 | …", "…", 168)
    assert line[carets.index("^") :].startswith("amuont, amount as amount_000,")


def test_a_model_without_a_select(told):
    assert told({"models/totals.sql": "-- to be written\n"}) == text("""
        models/totals.sql:1:1: [sql-grammar] There is no SELECT in this file.
          1 | -- to be written
            | ^
    """)


def test_two_columns_of_one_name(told):
    assert told({"models/totals.sql": f"select\n  amount,\n  amount\nfrom {ORDERS}"}) == text("""
        models/totals.sql:3:3: [duplicate-column] Two columns are called 'amount'.
          3 |   amount
            |   ^^^^^^

        Hint: give one of them another alias, or leave it out.
    """)


def test_a_singular_test_with_a_missing_column(tmp_path):
    root = shop(
        tmp_path,
        {
            "models/totals.sql": f"select * from {ORDERS}",
            "tests/no_losses.sql": "-- none\nselect *\nfrom {{ ref('totals') }}\nwhere amuont < 0",
        },
    )
    error = result_of(Opened(root).build(), "no_losses").error

    assert as_read(error, root) == text("""
        tests/no_losses.sql:4:7: [missing-column] There is no column 'amuont' here.
          4 | where amuont < 0
            |       ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_where_of_a_generic_test_that_is_no_sql(tmp_path):
    root = shop(
        tmp_path,
        {
            "models/totals.sql": f"select * from {ORDERS}",
            "models/totals.yml": """
                version: 2
                models:
                  - name: totals
                    columns:
                      - name: amount
                        data_tests:
                          - not_null: {where: "custmer = 'ann'"}
            """,
        },
    )
    error = result_of(Opened(root).build(), "not_null_totals_amount").error

    assert as_read(error, root) == text("""
        models/totals.yml:7:13: [missing-column] There is no column 'custmer' here.
          7 |           - not_null: {where: "custmer = 'ann'"}
            |             ^^^^^^^^

        Hint: did you mean 'customer'?
    """)


def test_a_column_that_is_tested_and_not_there(told):
    files = {
        "models/totals.sql": f"select * from {ORDERS}",
        "models/totals.yml": """
            version: 2
            models:
              - name: totals
                columns:
                  - {name: amuont, data_tests: [not_null]}
        """,
    }

    assert told(files) == text("""
        models/totals.yml:5:16: [missing-column] totals has no column 'amuont'.
          5 |       - {name: amuont, data_tests: [not_null]}
            |                ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_run_query_that_fails(told):
    files = {"models/totals.sql": "{% set found = run_query('select amuont from range(3)') %}\nselect 1 as x"}

    assert told(files) == text("""
        models/totals.sql:1:16: [run-query-failed] The query of run_query fails: There is no column 'amuont' here.
          1 | {% set found = run_query('select amuont from range(3)') %}
            |                ^^^^^^^^^
    """)


def test_the_errors_of_several_models_are_all_told_and_each_once(tmp_path):
    root = shop(
        tmp_path,
        {
            "models/a.sql": f"select amuont from {ORDERS}",
            "models/b.sql": "select * from {{ ref('a') }}",
            "models/c.sql": f"select custmer from {ORDERS}",
            "models/d.sql": f"select customer from {ORDERS}",
        },
    )

    assert [str(error.where) for error in error_of(root).errors] == ["models/a.sql:1:8", "models/c.sql:1:8"]


def test_an_error_in_one_model_stops_no_other(tmp_path):
    root = shop(
        tmp_path,
        {"models/bad.sql": f"select amuont from {ORDERS}", "models/good.sql": f"select amount from {ORDERS}"},
    )

    with Opened(root).project() as project:
        assert [file.name for file in project.compile(["good"])] == ["good"]
