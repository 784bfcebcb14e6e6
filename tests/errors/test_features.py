"""Mistakes in feature views and training sets."""

import pytest

from tests.errors.conftest import text

VIEW = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select customer, ordered_at, amount, PUT_HERE
    from {{ source('raw', 'orders') }}
"""
ASKED = """
    {{ config(materialized='table', role='label', event_time='asked') }}
    select order_id, customer, product, ordered_at as asked, amount > 15 as big from {{ source('raw', 'orders') }}
"""
TRAINING_SET = """
    {{ config(materialized='training_set', keys=['order_id'], label='big') }}
    select f.order_id, f.asked, f.big,
        PUT_HERE
    from {{ ref('asked') }} as f
"""


@pytest.fixture
def of_view(told):
    """What is told of a feature view with this in its list."""

    def of_view(item: str, view: str = VIEW) -> str:
        return told({"models/spent.sql": view.replace("PUT_HERE", item)})

    return of_view


@pytest.fixture
def of_set(told):
    """What is told of a training set with this in its list."""

    def of_set(item: str, training_set: str = TRAINING_SET, asked: str = ASKED) -> str:
        view = VIEW.replace("PUT_HERE", "{{ window('sum(amount)', '2 days') }} as spent_2d")
        return told(
            {
                "models/spent.sql": view,
                "models/asked.sql": asked,
                "models/wanted.sql": training_set.replace("PUT_HERE", item),
            }
        )

    return of_set


# -- windows -----------------------------------------------------------------------------------------------------------


def test_a_window_outside_a_feature_view(told):
    assert told({"models/spent.sql": "select {{ window('count(*)', '7 days') }} as n"}) == text("""
        models/spent.sql:1:11: [window-outside] window() is for feature views only.
          1 | select {{ window('count(*)', '7 days') }} as n
            |           ^^^^^^

        Hint: give the model materialized='feature_view' with entity and event_time.
    """)


def test_a_missing_column_in_a_window(of_view):
    assert of_view("{{ window('sum(amuont)', '2 days') }} as s") == text("""
        models/spent.sql:2:53: [missing-column] There is no column 'amuont' here.
          2 | select customer, ordered_at, amount, {{ window('sum(amuont)', '2 days') }} as s
            |                                                     ^^^^^^

        Hint: did you mean 'amount'?
    """)


def test_a_length_that_is_no_span_of_time(of_view):
    assert of_view("{{ window('sum(amount)', '2 dys') }} as s") == text("""
        models/spent.sql:2:64: [bad-duration] The length of a window: '2 dys' is no span of time: write '<n> <unit>' \
with one of seconds, minutes, hours, days, weeks, months, years.
          2 | select customer, ordered_at, amount, {{ window('sum(amount)', '2 dys') }} as s
            |                                                                ^^^^^
    """)


def test_a_list_of_windows_without_a_name(of_view):
    assert of_view("{{ window('sum(amount)', ['2 days', '3 days']) }}") == text("""
        models/spent.sql:2:41: [bad-window] A list of windows needs name=.
          2 | select customer, ordered_at, amount, {{ window('sum(amount)', ['2 days', '3 days']) }}
            |                                         ^^^^^^

        Hint: window('count(*)', ['1 day', '7 days'], name='flights')
    """)


def test_a_window_without_an_alias(of_view):
    assert of_view("{{ window('sum(amount)', '2 days') }}") == text("""
        models/spent.sql:2:38: [sql-grammar] This window has no name.
          2 | select customer, ordered_at, amount, {{ window('sum(amount)', '2 days') }}
            |                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        Hint: write `… as name` after it.
    """)


def test_a_window_of_what_is_no_aggregate(of_view):
    assert of_view("{{ window('lower(customer)', '2 days') }} as s") == text("""
        models/spent.sql:2:49: [sql-function] 'lower' is no aggregate.
          2 | select customer, ordered_at, amount, {{ window('lower(customer)', '2 days') }} as s
            |                                                 ^^^^^
    """)


def test_a_window_of_a_window_function(of_view):
    assert of_view("{{ window('first_value(amount)', '2 days') }} as s") == text("""
        models/spent.sql:2:49: [bad-window] 'first_value' is a window function of SQL's, not an aggregate.
          2 | select customer, ordered_at, amount, {{ window('first_value(amount)', '2 days') }} as s
            |                                                 ^^^^^^^^^^^

        Hint: first(x) and last(x) are aggregates.
    """)


def test_an_expression_inside_a_window(of_view):
    assert of_view("{{ window('sum(amount) / 2', '2 days') }} as s") == text("""
        models/spent.sql:2:61: [bad-window] After the aggregate only `filter (where …)` may follow, not '/ 2'.
          2 | select customer, ordered_at, amount, {{ window('sum(amount) / 2', '2 days') }} as s
            |                                                             ^^^

        Hint: expressions go around window(), not into it.
    """)


def test_a_parenthesis_that_a_window_never_closes(of_view):
    assert of_view("{{ window('sum(amount', '2 days') }} as s") == text("""
        models/spent.sql:2:49: [bad-window] A parenthesis of this aggregate is never closed.
          2 | select customer, ordered_at, amount, {{ window('sum(amount', '2 days') }} as s
            |                                                 ^^^^^^^^^^
    """)


def test_a_column_beside_a_window(of_view):
    assert of_view("{{ window('sum(amount)', '2 days') }} / amount as s") == text("""
        models/spent.sql:2:78: [sql-grammar] Besides windows an expression may use constants only, and 'amount' is a \
column.
          2 | select customer, ordered_at, amount, {{ window('sum(amount)', '2 days') }} / amount as s
            |                                                                              ^^^^^^

        Hint: put the column into the aggregate, or into an item of its own.
    """)


@pytest.mark.parametrize("clause", ["group by all", "order by amount", "limit 3", "qualify true"])
def test_clauses_that_windows_exclude(of_view, clause):
    words = " ".join(word for word in clause.upper().split() if word in ("GROUP", "ORDER", "BY", "LIMIT", "QUALIFY"))
    told = of_view("{{ window('sum(amount)', '2 days') }} as s", VIEW.rstrip() + f"\n    {clause}\n")

    assert told == (
        f"models/spent.sql:4:1: [sql-grammar] A SELECT with window() has no {words}.\n"
        f"  4 | {clause}\n    | {'^' * len(words)}\n\nHint: do that in a CTE before it."
    )


def test_a_window_in_a_cte(told):
    files = {
        "models/spent.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
            with counted as (
                select *, {{ window('count(*)', '2 days') }} as n from {{ source('raw', 'orders') }}
            )
            select customer, ordered_at, n from counted
        """
    }

    assert told(files) == text("""
        models/spent.sql:3:15: [sql-grammar] Window() belongs into the list of the last SELECT.
          3 |     select *, {{ window('count(*)', '2 days') }} as n from {{ source('raw', 'orders') }}
            |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    """)


def test_a_feature_view_without_its_entity_s_key(of_view):
    assert of_view("1 as x", VIEW.replace("select customer,", "select")) == text("""
        models/spent.sql:1:40: [missing-column] The entity 'customer' has the key 'customer', and spent has no such \
column.
          1 | {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
            |                                        ^^^^^^

        Hint: known are: amount, ordered_at, x.
    """)


def test_an_event_time_that_is_no_column(of_view):
    assert of_view("1 as x", VIEW.replace("event_time='ordered_at'", "event_time='orderd_at'")) == text("""
        models/spent.sql:1:59: [missing-column] The model spent has no column 'orderd_at', which its event_time names.
          1 | {{ config(materialized='feature_view', entity='customer', event_time='orderd_at') }}
            |                                                           ^^^^^^^^^^

        Hint: did you mean 'ordered_at'?
    """)


def test_an_event_time_that_is_no_time(of_view):
    assert of_view("1 as x", VIEW.replace("event_time='ordered_at'", "event_time='amount'")) == text("""
        models/spent.sql:1:59: [not-a-time] The model spent has 'amount' as its event_time, and that is BIGINT, not a \
time.
          1 | {{ config(materialized='feature_view', entity='customer', event_time='amount') }}
            |                                                           ^^^^^^^^^^

        Hint: cast it to TIMESTAMPTZ, TIMESTAMP or DATE in the model.
    """)


# -- training sets -----------------------------------------------------------------------------------------------------


def test_a_feature_outside_a_training_set(told):
    files = {
        "models/spent.sql": VIEW.replace("PUT_HERE", "1 as x"),
        "models/totals.sql": "select {{ feature('spent.amount') }}",
    }

    assert told(files) == text("""
        models/totals.sql:1:11: [feature-outside] feature() is for training sets only.
          1 | select {{ feature('spent.amount') }}
            |           ^^^^^^^
    """)


def test_a_misspelt_feature_view(of_set):
    assert of_set("{{ feature('spnt.spent_2d') }}") == text("""
        models/wanted.sql:3:17: [unknown-feature-view] There is no feature view 'spnt'.
          3 |     {{ feature('spnt.spent_2d') }}
            |                 ^^^^

        Hint: did you mean 'spent'?
    """)


def test_a_misspelt_feature(of_set):
    assert of_set("{{ feature('spent.spend_2d') }}") == text("""
        models/wanted.sql:3:23: [unknown-feature] The feature view 'spent' has no column 'spend_2d'.
          3 |     {{ feature('spent.spend_2d') }}
            |                       ^^^^^^^^

        Hint: did you mean 'spent_2d'?
    """)


def test_a_feature_of_what_is_no_feature_view(of_set):
    assert of_set("{{ feature('asked.product') }}") == text("""
        models/wanted.sql:3:17: [not-a-feature-view] 'asked' is a table, and feature() reads feature views.
          3 |     {{ feature('asked.product') }}
            |                 ^^^^^

        Hint: give it materialized='feature_view' with entity and event_time.
    """)


def test_a_feature_without_a_column(of_set):
    assert of_set("{{ feature('spent') }}") == text("""
        models/wanted.sql:3:17: [bad-feature] 'spent' names no feature.
          3 |     {{ feature('spent') }}
            |                 ^^^^^

        Hint: write feature('view.column').
    """)


def test_a_key_that_the_label_rows_lack(of_set):
    assert of_set("{{ feature('spent.amount') }}", asked=ASKED.replace("customer, ", "")) == text("""
        models/wanted.sql:3:17: [missing-key] 'spent' is looked up by 'customer', and the label relation has no such \
column.
          3 |     {{ feature('spent.amount') }}
            |                 ^^^^^

        Hint: say where it comes from: feature('spent.amount', on={'customer': '…'}).
    """)


def test_a_key_of_another_type(of_set):
    assert of_set("{{ feature('spent.amount', on={'customer': 'f.order_id'}) }}") == text("""
        models/wanted.sql:3:17: [key-type] The key 'customer' of spent is VARCHAR, and what it is looked up by is \
BIGINT.
          3 |     {{ feature('spent.amount', on={'customer': 'f.order_id'}) }}
            |                 ^^^^^

        Hint: cast one of them in its model, or in on={…}.
    """)


def test_a_key_that_the_view_does_not_have(of_set):
    assert of_set("{{ feature('spent.amount', on={'custmer': 'f.customer'}) }}") == text("""
        models/wanted.sql:3:37: [unknown-key] 'custmer' is no key of 'spent'.
          3 |     {{ feature('spent.amount', on={'custmer': 'f.customer'}) }}
            |                                     ^^^^^^^

        Hint: did you mean 'customer'?
    """)


def test_a_key_from_a_column_that_is_not_there(of_set):
    assert of_set("{{ feature('spent.amount', on={'customer': 'f.client'}) }}") == text("""
        models/wanted.sql:3:51: [missing-column] There is no column 'client' here.
          3 |     {{ feature('spent.amount', on={'customer': 'f.client'}) }}
            |                                                   ^^^^^^
    """)


def test_the_second_of_two_lookups_is_the_one_that_is_shown(of_set):
    told = of_set(
        "{{ feature('spent.amount') }},\n        {{ feature('spent.spent_2d', on={'customer': 'f.order_id'}) }}"
    )

    assert told.startswith("models/wanted.sql:4:17: [key-type]")


def test_a_ttl_that_is_longer_than_the_view_s(of_set, told):
    view = VIEW.replace("PUT_HERE", "1 as x").replace("event_time='ordered_at'", "event_time='ordered_at', ttl='1 day'")
    files = {
        "models/spent.sql": view,
        "models/asked.sql": ASKED,
        "models/wanted.sql": TRAINING_SET.replace("PUT_HERE", "{{ feature('spent.amount', ttl='2 days') }}"),
    }

    assert told(files) == text("""
        models/wanted.sql:3:37: [longer-ttl] ttl='2 days' is longer than the view's own (1 day).
          3 |     {{ feature('spent.amount', ttl='2 days') }}
            |                                     ^^^^^^

        Hint: a lookup can only shorten the ttl.
    """)


def test_two_outputs_of_one_name(of_set):
    assert of_set("{{ feature('spent.amount') }}, f.product as amount") == text("""
        models/wanted.sql:3:36: [duplicate-output] Two outputs are called 'amount'.
          3 |     {{ feature('spent.amount') }}, f.product as amount
            |                                    ^^^^^^^^^^^^^^^^^^^

        Hint: give one of them another alias, or a prefix= to what comes from a view.
    """)


def test_an_input_of_a_type_that_no_model_takes(of_set):
    assert of_set("{{ feature('spent.ordered_at') }} as last_order") == text("""
        models/wanted.sql:3:5: [input-type] The output 'last_order' is TIMESTAMP WITH TIME ZONE, which is no model \
input.
          3 |     {{ feature('spent.ordered_at') }} as last_order
            |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        Hint: cast it to a number or to text, or list it under passthrough=[…].
    """)


def test_a_label_that_is_no_output(of_set):
    assert of_set("f.product", TRAINING_SET.replace("label='big'", "label='bigg'")) == text("""
        models/wanted.sql:1:59: [missing-output] label names 'bigg', which is no output of this SELECT.
          1 | {{ config(materialized='training_set', keys=['order_id'], label='bigg') }}
            |                                                           ^^^^^

        Hint: did you mean 'big'?
    """)


@pytest.mark.parametrize(
    ("tail", "spelled"),
    [
        ("where f.big", "WHERE"),
        ("join {{ ref('spent') }} as s using (customer)", "JOIN"),
        ("group by all", "GROUP BY"),
        ("order by f.asked", "ORDER BY"),
        ("limit 10", "LIMIT"),
    ],
)
def test_clauses_that_a_training_set_does_not_have(of_set, tail, spelled):
    told = of_set("f.product", TRAINING_SET.rstrip() + f"\n    {tail}\n")

    assert told == (
        f"models/wanted.sql:5:1: [sql-grammar] A training set has no {spelled}.\n"
        f"  5 | {tail}\n    | {'^' * len(spelled)}\n\n"
        "Hint: filter and join in the label model; the list here is scalar."
    )


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ("count(f.product) as n", "aggregate"),
        ("lag(f.product) over () as n", "window function"),
        ("(select 1) as n", "subquery"),
        ("unnest([1, 2]) as n", "unnest"),
        ("f.*", "`*`: name the columns; feature('view.*') is for a feature view"),
    ],
)
def test_what_the_list_of_a_training_set_may_not_hold(of_set, item, named):
    assert of_set(item).split("\n")[0] == f"models/wanted.sql:3:5: [sql-grammar] A training set's list has no {named}."


def test_a_model_that_reads_a_training_set(told):
    files = {
        "models/asked.sql": ASKED,
        "models/wanted.sql": TRAINING_SET.replace("PUT_HERE", "f.product"),
        "models/m.sql": "select * from {{ ref('wanted') }}",
    }

    assert told(files) == text("""
        models/m.sql:1:23: [training-set-ref] 'wanted' is a training set, whose rows lie in files of their own and \
not in the target.
          1 | select * from {{ ref('wanted') }}
            |                       ^^^^^^

        Hint: read the models that it reads.
    """)


def test_label_rows_without_a_time(of_set):
    assert of_set("f.product", asked=ASKED.replace(", event_time='asked'", "")) == text("""
        models/wanted.sql:4:6: [no-as-of-time] The label relation 'asked' has no event_time.
          4 | from {{ ref('asked') }} as f
            |      ^^^^^^^^^^^^^^^^^^

        Hint: say config(event_time='…') in the label model: the time at which a row asks for features.
    """)


def test_label_rows_that_are_no_reference(of_set):
    assert of_set("f.product", TRAINING_SET.replace("{{ ref('asked') }}", "asked")) == text("""
        models/wanted.sql:4:1: [sql-grammar] A training set selects from one ref() or source(), its label rows, and \
from nothing else.
          4 | from asked as f
            | ^^^^
    """)
