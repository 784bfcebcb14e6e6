"""Mistakes in templates: the caret stands at the very word, in the file where it was written."""

from tests.errors.conftest import text

ORDERS = "{{ source('raw', 'orders') }}"


def test_a_misspelt_ref(told):
    files = {"models/paid_orders.sql": "select 1 as x", "models/totals.sql": "select *\nfrom {{ ref('paid_order') }}"}

    assert told(files) == text("""
        models/totals.sql:2:14: [unknown-ref] There is no model 'paid_order'.
          2 | from {{ ref('paid_order') }}
            |              ^^^^^^^^^^

        Hint: did you mean 'paid_orders'?
    """)


def test_a_misspelt_ref_that_leaves_nothing_in_the_sql(told):
    files = {"models/totals.sql": "{% set unused = ref('totl') %}\nselect 1 as x", "models/total.sql": "select 1 as x"}

    assert told(files) == text("""
        models/totals.sql:1:22: [unknown-ref] There is no model 'totl'.
          1 | {% set unused = ref('totl') %}
            |                      ^^^^

        Hint: did you mean 'total'?
    """)


def test_a_ref_to_a_disabled_model(told):
    files = {
        "models/old.sql": "{{ config(enabled=false) }} select 1 as x",
        "models/totals.sql": "select * from {{ ref('old') }}",
    }

    assert told(files) == text("""
        models/totals.sql:1:23: [disabled-ref] The model 'old' is disabled.
          1 | select * from {{ ref('old') }}
            |                       ^^^

        Hint: enable it, or ask another.
    """)


def test_a_misspelt_table_of_a_source(told):
    assert told({"models/totals.sql": "select * from {{ source('raw', 'order') }}"}) == text("""
        models/totals.sql:1:33: [unknown-source] The source 'raw' has no table 'order'.
          1 | select * from {{ source('raw', 'order') }}
            |                                 ^^^^^

        Hint: did you mean 'orders'?
    """)


def test_a_misspelt_source(told):
    assert told({"models/totals.sql": "select * from {{ source('row', 'orders') }}"}) == text("""
        models/totals.sql:1:26: [unknown-source] There is no source 'row'.
          1 | select * from {{ source('row', 'orders') }}
            |                          ^^^

        Hint: did you mean 'raw'?
    """)


def test_models_in_a_circle(told):
    files = {
        "models/a.sql": "select * from {{ ref('b') }}",
        "models/b.sql": "select *\nfrom {{ ref('c') }}",
        "models/c.sql": "select * from {{ ref('a') }}",
    }

    assert told(files) == text("""
        models/a.sql:1:23: [cyclic-refs] These models refer to each other in a circle: a → b → c → a.
          1 | select * from {{ ref('b') }}
            |                       ^
    """)


def test_a_model_that_refers_to_itself(told):
    assert told({"models/a.sql": "select * from {{ ref('a') }}"}) == text("""
        models/a.sql:1:23: [cyclic-refs] These models refer to each other in a circle: a → a.
          1 | select * from {{ ref('a') }}
            |                       ^
    """)


def test_a_misspelt_macro(told):
    files = {
        "macros/money.sql": "{% macro cents(column) %}{{ column }} * 100{% endmacro %}",
        "models/totals.sql": "select\n    {{ cent('amount') }} as cents",
    }

    assert told(files) == text("""
        models/totals.sql:2:8: [template-undefined] 'cent' is not defined in this template.
          2 |     {{ cent('amount') }} as cents
            |        ^^^^

        Hint: did you mean 'cents'?
    """)


def test_a_name_that_is_misspelt_inside_a_macro(told):
    files = {
        "macros/money.sql": "{% macro cents(column) %}\n  {{ colum }} * 100\n{% endmacro %}",
        "models/totals.sql": "select\n    {{ cents('amount') }} as cents",
    }

    assert told(files) == text("""
        macros/money.sql:2:6: [template-undefined] 'colum' is not defined in this template.
          2 |   {{ colum }} * 100
            |      ^^^^^
          called from models/totals.sql:2:5

        Hint: is it a macro of a package, or a variable: var('…')?
    """)


def test_a_misspelt_attribute_of_the_target(told):
    assert told({"models/totals.sql": "select '{{ target.nam }}' as x"}) == text("""
        models/totals.sql:1:19: [template-undefined] There is no 'nam' in target.
          1 | select '{{ target.nam }}' as x
            |                   ^^^

        Hint: did you mean 'name'?
    """)


def test_an_unknown_variable(told):
    assert told({"models/totals.sql": "select {{ var('horizn') }} as x"}) == text("""
        models/totals.sql:1:16: [unknown-var] There is no variable 'horizn'.
          1 | select {{ var('horizn') }} as x
            |                ^^^^^^

        Hint: declare it under `vars:` or give it with --vars.
    """)


def test_an_environment_variable_that_is_not_set(told):
    assert told({"models/totals.sql": "select '{{ env_var('SHOP_REGION_NOT_SET') }}' as x"}) == text("""
        models/totals.sql:1:21: [unknown-env-var] The environment has no 'SHOP_REGION_NOT_SET'.
          1 | select '{{ env_var('SHOP_REGION_NOT_SET') }}' as x
            |                     ^^^^^^^^^^^^^^^^^^^

        Hint: set it, or give a default: env_var('NAME', 'default').
    """)


def test_what_a_template_itself_refuses(told):
    files = {
        "macros/guard.sql": """
            {% macro only_daily(span) %}
              {% if span != 'day' %}
                {{ exceptions.raise_compiler_error('only days, not ' ~ span) }}
              {% endif %}
            {% endmacro %}
        """,
        "models/totals.sql": "select 1 as x\n{{ only_daily('week') }}",
    }

    assert told(files) == text("""
        macros/guard.sql:3:5: [compiler-error] only days, not week
          3 |     {{ exceptions.raise_compiler_error('only days, not ' ~ span) }}
            |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          called from models/totals.sql:2:1
    """)


def test_an_argument_that_a_function_of_ours_does_not_have(told):
    assert told({"models/totals.sql": "select {{ window('sum(amount)', over='7 days') }}\nfrom x"}) == text("""
        models/totals.sql:1:33: [template-failed] window() has no argument 'over'.
          1 | select {{ window('sum(amount)', over='7 days') }}
            |                                 ^^^^

        Hint: window(aggregate, length, name=…, offset=…)
    """)


def test_an_argument_that_a_function_of_ours_needs(told):
    assert told({"models/totals.sql": "select {{ window('sum(amount)') }}\nfrom x"}) == text("""
        models/totals.sql:1:11: [template-failed] window() is missing its argument 'length'.
          1 | select {{ window('sum(amount)') }}
            |           ^^^^^^

        Hint: window(aggregate, length, name=…, offset=…)
    """)


def test_too_many_arguments_for_a_function_of_ours(told):
    assert told({"models/totals.sql": "select {{ window('sum(amount)', '7 days', '1 day') }}"}) == text("""
        models/totals.sql:1:11: [template-failed] window() is given too many arguments.
          1 | select {{ window('sum(amount)', '7 days', '1 day') }}
            |           ^^^^^^

        Hint: window(aggregate, length, name=…, offset=…)
    """)


def test_a_block_that_is_never_closed(told):
    files = {"models/totals.sql": "select\n{% for c in ['a', 'b'] %}\n  {{ c }},\n{% if c %}x{% endif %}\n1 as y"}

    assert told(files) == text("""
        models/totals.sql:2:1: [template-syntax] This {% for %} is never closed.
          2 | {% for c in ['a', 'b'] %}
            | ^^^^^^^^^^^^^^^^^^^^^^^^^

        Hint: add {% endfor %}.
    """)


def test_a_quote_that_is_missing_in_an_expression(told):
    assert told({"models/totals.sql": "select 1 as x\nfrom {{ ref('a }}"}) == text("""
        models/totals.sql:2:13: [template-syntax] Unexpected char "'".
          2 | from {{ ref('a }}
            |             ^
    """)


def test_two_expressions_in_one(told):
    assert told({"models/totals.sql": "select {{ target.name target }} as x"}) == text("""
        models/totals.sql:1:23: [template-syntax] Expected token 'end of print statement', got 'target'.
          1 | select {{ target.name target }} as x
            |                       ^

        Hint: one expression stands between {{ and }}: is a comma, an operator or a quote missing?
    """)


def test_a_tag_that_jinja_does_not_have(told):
    assert told({"models/totals.sql": "{% fr x in [] %}{% endfr %}select 1 as x"}) == text("""
        models/totals.sql:1:4: [template-syntax] Encountered unknown tag 'fr'.
          1 | {% fr x in [] %}{% endfr %}select 1 as x
            |    ^

        Hint: sqlfeat reads Jinja's own tags: for, if, set, macro, call, filter, raw, do, break, continue.
    """)


def test_a_template_that_divides_by_zero(told):
    assert told({"models/totals.sql": "select 1 as x,\n\n  {{ 1 // 0 }} as y"}) == text("""
        models/totals.sql:3:3: [template-failed] This template fails: integer division or modulo by zero.
          3 |   {{ 1 // 0 }} as y
            |   ^^^^^^^^^^^^
    """)


def test_a_template_that_reaches_for_python(told):
    assert told({"models/totals.sql": "select '{{ ''.__class__ }}' as x"}) == text("""
        models/totals.sql:1:9: [template-forbidden] Access to attribute '__class__' of 'str' object is unsafe.
          1 | select '{{ ''.__class__ }}' as x
            |         ^^^^^^^^^^^^^^^^^^

        Hint: templates reach what is given to them, and no more: no Python, no files, nothing without bounds.
    """)


def test_config_with_a_misspelt_key(told):
    assert told({"models/totals.sql": "{{ config(materialised='table') }}\nselect 1 as x"}) == text("""
        models/totals.sql:1:11: [unknown-config] There is no config 'materialised'.
          1 | {{ config(materialised='table') }}
            |           ^^^^^^^^^^^^

        Hint: did you mean 'materialized'?
    """)


def test_config_with_a_value_that_cannot_be(told):
    files = {"models/totals.sql": "{{ config(\n    tags=['x'],\n    materialized='tabel'\n) }}\nselect 1 as x"}

    assert told(files) == text("""
        models/totals.sql:3:5: [bad-config-value] 'materialized' cannot be 'tabel': expected one of view, table, \
ephemeral, incremental, feature_view, training_set.
          3 |     materialized='tabel'
            |     ^^^^^^^^^^^^

        Hint: did you mean 'table'?
    """)


def test_config_that_a_macro_says(told):
    files = {
        "macros/kept.sql": "{% macro kept() %}{{ config(materialized='tabel') }}{% endmacro %}",
        "models/totals.sql": "{{ kept() }}\nselect 1 as x",
    }

    assert told(files) == text("""
        macros/kept.sql:1:29: [bad-config-value] 'materialized' cannot be 'tabel': expected one of view, table, \
ephemeral, incremental, feature_view, training_set.
          1 | {% macro kept() %}{{ config(materialized='tabel') }}{% endmacro %}
            |                             ^^^^^^^^^^^^
          called from models/totals.sql:1:1

        Hint: did you mean 'table'?
    """)


def test_an_entity_that_is_nowhere_declared(told):
    files = {
        "models/totals.sql": "{{ config(materialized='feature_view', entity='custmer', event_time='t') }} select 1 as x"
    }

    assert told(files) == text("""
        models/totals.sql:1:40: [unknown-entity] There is no entity 'custmer'.
          1 | {{ config(materialized='feature_view', entity='custmer', event_time='t') }} select 1 as x
            |                                        ^^^^^^

        Hint: did you mean 'customer'?
    """)


def test_two_macros_of_one_name(told):
    files = {
        "macros/a.sql": "{% macro cents() %}1{% endmacro %}",
        "macros/b.sql": "{% macro other() %}1{% endmacro %}\n{% macro cents() %}2{% endmacro %}",
    }

    assert told(files) == text("""
        macros/b.sql:2:10: [duplicate-macro] There are two macros named 'cents'; the other is in macros/a.sql.
          2 | {% macro cents() %}2{% endmacro %}
            |          ^^^^^

        Hint: rename one of them.
    """)


def test_two_models_that_would_be_read_under_one_name(told):
    files = {
        "models/a.sql": "{{ config(alias='shown') }} select 1 as x",
        "models/b.sql": "{{ config(alias='shown') }} select 1 as x",
    }

    assert told(files) == text("""
        models/b.sql:1:11: [duplicate-alias] b and a would both be called 'shown' in the target.
          1 | {{ config(alias='shown') }} select 1 as x
            |           ^^^^^

        Hint: give one of them another alias or schema.
    """)


def test_a_hook_of_sql_that_is_no_template(told):
    files = {"models/totals.sql": "{{ config(post_hook='analyze {{ thiss }}') }}\nselect 1 as x"}

    assert told(files) == text("""
        models/totals.sql:1:11: [template-undefined] 'thiss' is not defined in this template.
          1 | {{ config(post_hook='analyze {{ thiss }}') }}
            |           ^^^^^^^^^

        Hint: did you mean 'this'?
    """)


def test_everything_that_is_wrong_is_told_at_once(told):
    files = {
        "models/a.sql": "select {{ nothing }}",
        "models/b.sql": "select * from {{ ref('nowhere') }}, {{ ref('a') }}, {{ source('raw', 'nothing') }}",
        "models/c.sql": "{{ config(tag='x') }} select 1 as x",
        "tests/d.sql": "select * from {{ ref('elsewhere') }}",
    }

    heads = [paragraph.split("]")[0] for paragraph in told(files).split("\n\n") if paragraph.startswith(("m", "t"))]
    assert heads == [
        "models/a.sql:1:11: [template-undefined",
        "models/b.sql:1:23: [unknown-ref",
        "models/b.sql:1:71: [unknown-source",
        "models/c.sql:1:11: [unknown-config",
        "tests/d.sql:1:23: [unknown-ref",
    ]
