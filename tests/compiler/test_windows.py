"""Feature views with windows, taken apart: what is kept of each event, what is computed from it, what is refused."""

import pytest

from sqlfeat.compiler.manifest import WindowCall
from sqlfeat.compiler.parse import UnreadableSql
from sqlfeat.compiler.windows import BadAggregate, describable, take_apart
from sqlfeat.spec.duration import Duration


def call(aggregate, number=0, length="7 days", offset=None):
    ends = Duration.parse(offset) if offset else None
    span = Duration.parse(length) if length else None
    return WindowCall(f"__sqlfeat_window_{number}__", aggregate, span, ends)


def view(items, *aggregates, before="", after=""):
    """A view over t whose list has ``{0}``, ``{1}`` … where the windows stand."""
    calls = [call(aggregate, number) for number, aggregate in enumerate(aggregates)]
    sql = f"{before}select {items.format(*(c.token for c in calls))}\nfrom t{after}"
    return take_apart(sql, calls)


def one(aggregate):
    """The one aggregate of a view, with what it keeps by column."""
    taken = view("k, {0} as a", aggregate)
    kept = {argument.column: argument.sql for argument in taken.arguments}
    return taken.aggregates[0], kept


# -- the text of an aggregate ------------------------------------------------------------------------------------------


def test_an_aggregate_of_a_column():
    aggregate, kept = one("sum(amount)")

    assert (aggregate.function, aggregate.arguments, aggregate.distinct) == ("sum", ("__sqlfeat_arg_0",), False)
    assert (aggregate.filter, aggregate.order_by) == (None, None)
    assert kept == {"__sqlfeat_arg_0": "amount"}


def test_an_aggregate_of_rows():
    for text in ("count(*)", "COUNT( * )", " count(*) "):
        aggregate, kept = one(text)
        assert (aggregate.function, aggregate.arguments, kept) == ("count", ("*",), {})
    assert one("count()")[0].arguments == ()


def test_a_filter_is_kept_as_a_condition_that_is_never_null():
    aggregate, kept = one("count(*) filter (where event = 'purchase' and (a or b))")

    assert kept[aggregate.filter] == "coalesce((event = 'purchase' and (a or b)), false)"


def test_distinct():
    aggregate, kept = one("count(distinct session_id)")

    assert (aggregate.distinct, kept) == (True, {"__sqlfeat_arg_0": "session_id"})


def test_expressions_and_constants_as_arguments():
    aggregate, kept = one("quantile_cont(coalesce(a, f(b, c)), 0.5)")

    assert aggregate.arguments == ("__sqlfeat_arg_0", "0.5")
    assert kept == {"__sqlfeat_arg_0": "coalesce(a, f(b, c))"}


def test_two_columns_as_arguments():
    assert one("arg_max(price, at_time)")[1] == {"__sqlfeat_arg_0": "price", "__sqlfeat_arg_1": "at_time"}


def test_an_order_inside():
    aggregate, kept = one("string_agg(word, ', ' order by length(word) desc nulls last, id)")

    assert aggregate.arguments == ("__sqlfeat_arg_0", "', '")
    assert aggregate.order_by == "__sqlfeat_arg_1 desc nulls last, __sqlfeat_arg_2"
    assert kept == {"__sqlfeat_arg_0": "word", "__sqlfeat_arg_1": "length(word)", "__sqlfeat_arg_2": "id"}


def test_ignore_nulls_is_a_filter():
    aggregate, kept = one("last(price ignore nulls) filter (where ok)")

    assert aggregate.arguments == ("__sqlfeat_arg_0",)
    assert kept[aggregate.filter] == "coalesce((ok) and (price) is not null, false)"
    assert one("last(price respect nulls)")[0].filter is None


def test_equal_texts_are_kept_once():
    taken = view("k, {0} as a, {1} as b, {2} as c", "sum(x)", "avg(x)", "sum(x) filter (where y)")

    assert [argument.sql for argument in taken.arguments] == ["x", "coalesce((y), false)"]


@pytest.mark.parametrize(
    ("aggregate", "why"),
    [
        ("amount", "is not an aggregate"),
        ("", "is not an aggregate"),
        ("sum(amount", "is never closed"),
        ("sum(amount) / 2", "only `filter"),
        ("sum(amount) over ()", "only `filter"),
        ("sum(amount) filter (amount > 0)", "only `filter"),
        ("sum(amount) filter (where)", "only `filter"),
        ("sum('a)", "cannot be read"),
        ("row_number()", "is a window function"),
        ("lag(amount)", "is a window function"),
        ("last_value(amount)", "is a window function"),
        ("percentile_cont(0.5) within group (order by amount)", "only `filter"),
    ],
)
def test_what_is_not_one_aggregate(aggregate, why):
    with pytest.raises(BadAggregate, match=why) as caught:
        one(aggregate)

    assert caught.value.token == "__sqlfeat_window_0__"


# -- the SELECT --------------------------------------------------------------------------------------------------------


def test_the_events_keep_the_plain_items_as_they_are_written():
    taken = view(
        "k, -- the key\n  upper(v) as v, {0} as a", "sum(x + 1)", before="with t as (select 1)\n", after=" as u where y"
    )

    assert taken.events == (
        "with t as (select 1)\nselect k,\n    upper(v) as v,\n    x + 1 as __sqlfeat_arg_0\nfrom t as u where y"
    )
    assert [(item.name, item.sql) for item in taken.items] == [("a", "__sqlfeat_window_0__")]


def test_expressions_over_windows():
    taken = view("k, coalesce({0} / nullif({1}, 0), 0) as rate, {0} as again", "sum(x)", "count(*)")

    assert [(item.name, item.tokens) for item in taken.items] == [
        ("rate", ("__sqlfeat_window_0__", "__sqlfeat_window_1__")),
        ("again", ("__sqlfeat_window_0__",)),
    ]
    assert taken.items[0].sql == "coalesce(__sqlfeat_window_0__ / nullif(__sqlfeat_window_1__, 0), 0)"


def test_a_star_is_a_plain_item():
    assert view("*, {0} as a", "sum(x)").events.startswith("select *,\n    x as __sqlfeat_arg_0")


@pytest.mark.parametrize(
    ("after", "clause"),
    [
        (" group by all", "GROUP BY"), (" group by k having true", "GROUP BY"), (" order by k", "ORDER BY"),
        (" limit 1", "LIMIT"), (" offset 1", "OFFSET"), (" qualify true", "QUALIFY"), (" using sample 3", "a SAMPLE"),
    ],
)  # fmt: skip
def test_clauses_that_are_refused(after, clause):
    with pytest.raises(UnreadableSql, match=f"has no {clause}"):
        view("k, {0} as a", "sum(x)", after=after)


def test_distinct_rows_are_refused():
    with pytest.raises(UnreadableSql, match="has no DISTINCT"):
        view("distinct k, {0} as a", "sum(x)")


def test_clauses_in_a_cte_are_fine():
    before = "with u as (select distinct k from v group by all having true qualify true order by 1 limit 1)\n"

    assert view("k, {0} as a", "sum(x)", before=before).items[0].name == "a"


def test_windows_stand_in_the_last_list_only():
    token = call("sum(x)").token
    for sql in (f"select k from t where {token} > 1", f"with u as (select {token} as a from t) select a from u"):
        with pytest.raises(UnreadableSql, match="belongs into the list of the last SELECT") as caught:
            take_apart(sql, [call("sum(x)")])
        assert caught.value.offset == sql.index(token)


def test_a_set_operation_is_refused():
    with pytest.raises(UnreadableSql, match="without a set operation"):
        view("k, {0} as a", "sum(x)", after=" union all select 1, 2")


def test_a_window_needs_a_name():
    with pytest.raises(UnreadableSql, match="no name"):
        view("k, {0} + 1", "sum(x)")


def test_a_column_beside_a_window_is_refused_at_its_place():
    with pytest.raises(UnreadableSql, match="'price' is a column") as caught:
        view("k, {0} * price as a", "sum(x)")

    assert caught.value.length == len("price")


def test_an_item_that_reads_a_window_s_name_is_refused():
    with pytest.raises(UnreadableSql, match="'a' is a window"):
        view("k, {0} as a, a + 1 as b", "sum(x)")


# -- for the engine's eyes ---------------------------------------------------------------------------------------------


def test_the_engine_is_shown_the_aggregate_in_its_place():
    sql = "select k, __sqlfeat_window_0__ / __sqlfeat_window_0__ as a, __sqlfeat_window_1__ as b from t"
    shown = describable(sql, [call("sum(x)"), call("count(*)", 1)])

    assert shown.text == "select k, sum(x) over () / sum(x) over () as a, count(*) over () as b from t"
    assert shown.before(shown.text.index("from")) == sql.index("from")


@pytest.mark.parametrize(
    "files",
    [
        {"item": "{{ window('sum(amount)', '2 days') }} as s", "type": "HUGEINT"},
        {"item": "{{ window('avg(amount)', '2 days') }} as s", "type": "DOUBLE"},
        {"item": "{{ window('count(*)', 'unbounded') }} as s", "type": "BIGINT"},
        {"item": "{{ window('max(product)', '2 days', offset='1 day') }} as s", "type": "VARCHAR"},
        {"item": "{{ window('list(distinct product)', '2 days') }} as s", "type": "VARCHAR[]"},
        {"item": "{{ window('sum(amount)', '2 days') }} > 3 as s", "type": "BOOLEAN"},
        {"item": "{{ window('last(amount ignore nulls)', '2 days') }} as s", "type": "BIGINT"},
    ],
)
def test_a_view_has_the_types_that_the_engine_says(manifest, files):
    view = (
        "{{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}"
        f"select customer, {files['item']}, ordered_at from {{{{ source('raw', 'orders') }}}}"
    )
    compiled = manifest({"models/v.sql": view}).model("v")

    assert [(column.name, column.type) for column in compiled.columns][1] == ("s", files["type"])
    assert compiled.window_view.order == ("customer", "s", "ordered_at")
    assert compiled.window_view.plain == ("customer", "ordered_at")
