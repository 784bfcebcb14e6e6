"""What is proved of small models: bounds, nulls, sets, clocks; each case is an inequality that holds or does not."""

from __future__ import annotations

import pytest

from sqlfeat.compiler.flows import Ledger
from sqlfeat.compiler.manifest import Column, TimeFacts
from sqlfeat.compiler.nodes import source_state
from tests.compiler.proving import prove

SAFE, UNSAFE, UNPROVEN = "safe", "unsafe", "unproven"


def said(sql: str, **config) -> dict[str, str]:
    """The verdict of each column."""
    return {column.name: column.verdict for column in prove(sql, **config).columns}


def verdict(sql: str, **config) -> str:
    """The worst verdict of a model's columns."""
    return prove(sql, **config).verdict


# -- times -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("at", SAFE),
        ("at + interval '1 hour'", SAFE),
        ("at - interval '1 microsecond'", UNSAFE),
        ("date_trunc('hour', at)", UNSAFE),
        ("date_trunc('hour', at) + interval '1 hour'", SAFE),
        ("date_trunc('hour', at) + interval '59 minutes'", UNSAFE),
        ("at::date", UNSAFE),
        ("at::date + 1", SAFE),
        ("date_trunc('month', at) + interval '1 month'", SAFE),
        ("date_trunc('month', at) + interval '30 days'", UNSAFE),
        ("date_trunc('month', at) + interval '31 days'", SAFE),
        ("date_trunc('year', at) + interval '1 year'", SAFE),
        ("last_day(at)", UNSAFE),
        ("last_day(at) + 1", SAFE),
        ("time_bucket(interval '6 hours', at) + interval '6 hours'", SAFE),
        ("time_bucket(interval '6 hours', at) + interval '5 hours'", UNSAFE),
        ("greatest(at, other)", UNPROVEN),
        ("least(at, other)", UNPROVEN),
        ("coalesce(at, other)", UNPROVEN),
        ("coalesce(other, at)", UNPROVEN),
        ("case when other > at then other else at end", SAFE),
        ("case when other is not null then at else at end", SAFE),
        ("at at time zone 'UTC'", SAFE),
        ("at at time zone 'Europe/Berlin'", UNPROVEN),
        ("at + to_days(1)", SAFE),
        ("at - 2 * interval '1 hour'", UNSAFE),
        ("at + n * interval '1 hour'", UNPROVEN),
        ("strptime('2024-01-01', '%Y-%m-%d')", UNPROVEN),
    ],
)
def test_a_row_stamped_so_is_known_by_then(stamp, expected):
    assert verdict(f"select k, {stamp} as stamp from events", event_time="stamp") == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("e.at <= q.asked", SAFE),
        ("e.at < q.asked", SAFE),
        ("not e.at > q.asked", SAFE),
        ("q.asked >= e.at and e.k = q.k", SAFE),
        ("e.at between q.asked - interval '1 day' and q.asked", SAFE),
        ("e.at <= q.asked or e.at < q.asked - interval '1 day'", SAFE),
        ("e.at <= q.asked or e.k = q.k", UNSAFE),
        ("e.at::date < q.asked::date", SAFE),
        ("e.at::date <= q.asked::date", UNSAFE),
        ("e.at <= q.asked::date", SAFE),
        ("date_trunc('month', e.at) < date_trunc('month', q.asked)", SAFE),
        ("date_diff('day', e.at, q.asked) > 0", SAFE),
        ("date_diff('day', e.at, q.asked) >= 0", UNSAFE),
        ("q.asked - e.at >= interval '0 seconds'", SAFE),
        ("q.asked - e.at > interval '-1 hour'", UNSAFE),
        ("q.asked::date - e.at::date >= 1", SAFE),
        ("e.at >= q.asked", UNSAFE),
        ("strftime(e.at, '%Y') < strftime(q.asked, '%Y')", UNPROVEN),
        ("e.other <= q.asked and e.at <= e.other", SAFE),
        ("coalesce(e.at <= q.asked, false)", SAFE),
        ("(e.at <= q.asked) is true", SAFE),
        ("e.at in (q.asked, q.asked - interval '1 hour')", SAFE),
    ],
)
def test_a_join_is_as_good_as_its_bound(condition, expected):
    sql = f"select q.k, q.asked, e.n from questions as q join events as e on {condition}"

    assert verdict(sql, event_time="asked") == expected


# -- nulls -------------------------------------------------------------------------------------------------------------


def test_a_row_that_is_never_known_is_not_made_usable_by_another_time():
    sql = "select k, at, coalesce(loaded, at) as known from loads"

    assert verdict(sql, event_time="at", available_at="known") == UNPROVEN
    assert verdict(f"{sql} where loaded is not null", event_time="at", available_at="known") == SAFE


def test_the_latest_of_two_times_is_safe_where_the_known_one_is_there():
    sql = "select k, greatest(at, other) as stamp from events"

    assert verdict(sql, event_time="stamp") == UNPROVEN  # rows without `at` are known at no time
    assert verdict(f"{sql} where at is not null", event_time="stamp") == SAFE


def test_nothing_follows_by_way_of_a_time_that_may_be_null():
    sql = "select q.k, q.asked, e.n from questions q join events e on e.k = q.k and (e.at <= e.other or e.at is null)"

    assert verdict(f"{sql} and e.other <= q.asked", event_time="asked") == UNPROVEN


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("at", SAFE),
        ("at nulls last", SAFE),
        ("at nulls first", UNSAFE),
        ("at desc", UNSAFE),
        ("at desc nulls first", UNSAFE),
    ],
)
def test_nulls_that_come_first_are_in_every_frame(order, expected):
    sql = f"select k, at, sum(n) over (partition by k order by {order}) as total from events"

    assert said(sql, event_time="at")["total"] == expected


def test_the_frame_to_the_end_of_a_descending_order_has_the_rows_without_time():
    over = "over (partition by k order by at desc rows between current row and unbounded following)"

    assert said(f"select k, at, sum(n) {over} as total from events", event_time="at")["total"] == UNPROVEN
    kept = f"select k, at, sum(n) {over} as total from events where at is not null"
    assert said(kept, event_time="at")["total"] == SAFE


# -- sets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ("rows between 3 preceding and current row", SAFE),
        ("rows between 3 preceding and 1 following", UNSAFE),
        ("range between interval '7 days' preceding and interval '1 day' preceding", SAFE),
        ("range between interval '7 days' preceding and interval '1 day' following", UNSAFE),
        ("groups between 1 preceding and current row", SAFE),
        ("rows between unbounded preceding and unbounded following", UNSAFE),
        ("rows between unbounded preceding and current row exclude current row", SAFE),
    ],
)
def test_a_frame_reads_what_is_not_after_its_row(frame, expected):
    assert said(f"select k, at, sum(n) over (order by at {frame}) as x from events", event_time="at")["x"] == expected


@pytest.mark.parametrize(("wait", "late"), [("1 hour", set()), ("59 minutes", {60_000_000})])
def test_a_delay_has_to_be_waited_for(wait, late):
    sql = f"""
        select q.k, q.asked, d.n
        from questions as q asof join delayed as d on d.k = q.k and q.asked - interval '{wait}' >= d.at
    """
    proved = prove(sql, event_time="asked")

    assert {finding.distance for finding in proved.findings} == late
    assert {finding.rule for finding in proved.findings} <= {"delay-ignored"}


def test_a_group_is_complete_as_its_keys_say():
    day = "select k, at::date + 1 as day_end, sum(n) as total from events group by all"

    assert verdict(day, event_time="day_end") == SAFE
    assert verdict("select k, max(at) as last, sum(n) as total from events group by k", event_time="last") == UNSAFE


def test_the_first_of_a_group_is_final_at_once_and_the_rest_is_not():
    sql = """
        select k, min(at) as first_at, arg_min_null(n, at) as first_n, arg_min(n, at) as first_known_n, sum(n) as total
        from events group by k
    """

    assert said(sql, event_time="first_at") == {
        "k": SAFE, "first_at": SAFE, "first_n": SAFE, "first_known_n": UNSAFE, "total": UNSAFE,
    }  # fmt: skip


def test_a_conditional_sum_is_a_filtered_one():
    sql = """
        select q.k, q.asked, sum(e.n) as whole,
            sum(case when e.at <= q.asked then coalesce(e.n, 0) else 0 end) as before,
            sum(case when e.at <= q.asked then 1 else 0 end) as number,
            sum(case when e.at <= q.asked then e.n end) as or_null,
            sum(case when e.at <= q.asked then e.n else 0 end) as null_at_first,
        from questions as q left join events as e on e.k = q.k
        group by q.k, q.asked
    """

    assert said(sql, event_time="asked") == {
        "k": SAFE, "asked": SAFE, "whole": UNSAFE, "before": SAFE, "number": SAFE, "or_null": SAFE,
        "null_at_first": UNPROVEN,
    }  # fmt: skip


def test_an_inner_join_without_bound_makes_the_row_itself_hang_on_what_comes():
    sql = """
        select q.k, q.asked, sum(e.n) filter (where e.at <= q.asked) as before
        from questions as q join events as e on e.k = q.k
        group by q.k, q.asked
    """

    assert set(said(sql, event_time="asked").values()) == {UNSAFE}


def test_a_left_join_to_one_row_at_most_leaves_the_left_side_alone():
    one = "(select k, sum(n) as n from events group by k)"
    sql = f"select q.k, q.asked, e.n from questions as q left join {one} as e on e.k = q.k"

    assert said(sql, event_time="asked") == {"k": SAFE, "asked": SAFE, "n": UNSAFE}
    assert set(said(sql.replace(one, "events"), event_time="asked").values()) == {UNSAFE}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select k, at, (select count(*) from events e where e.at < q.at) as x from events q", SAFE),
        ("select k, at, (select count(*) from events e where e.k = q.k) as x from events q", UNSAFE),
        ("select k, at, exists (select 1 from events e where e.at = q.at - interval 1 day) as x from events q", SAFE),
        ("select k, at, (select max(n) from events) as x from events", UNSAFE),
        ("select k, at, (select max(n) from fixed) as x from events", SAFE),
        ("select k, at, now() as x from events", UNSAFE),
        ("select k, at, random() as x from events", UNSAFE),
        ("select k, at, no_such_function(n) as x from events", UNPROVEN),
        ("select * from events qualify row_number() over (partition by k order by at) = 1", SAFE),
        ("select * from events qualify row_number() over (partition by k order by at desc) = 1", UNSAFE),
        ("select distinct k, at from events", SAFE),
        ("select distinct on (k) k, at, n from events order by at", SAFE),
        ("select distinct on (k) k, at, n from events order by at desc", UNSAFE),
        ("select * from events order by at limit 10", SAFE),
        ("select * from events limit 10", UNSAFE),
        ("select * from events using sample 10 rows", UNSAFE),
        ("select k, at, n from events union all select k, at + interval 1 day, n from events", SAFE),
        ("select k, at, n from events union all select k, at - interval 1 day, n from events", UNSAFE),
        ("select k, at, n from events except select k, at, n from events where n > 1", SAFE),
        ("select k, at from events intersect select k, other from events", UNSAFE),
        ("select k, at, n from untimed", UNPROVEN),
    ],
)  # fmt: skip
def test_constructs_that_read_other_rows(sql, expected):
    assert verdict(sql, event_time="at") == expected


def test_a_cte_that_is_used_twice_is_two_relations():
    sql = """
        with e as (select k, at, n from events)
        select a.k, a.at, b.n from e as a join e as b on b.k = a.k and b.at {} a.at
    """

    assert verdict(sql.format("<="), event_time="at") == SAFE
    assert verdict(sql.format(">="), event_time="at") == UNSAFE


def test_the_end_of_a_version_may_be_asked_for_but_not_told():
    versions = "(select *, lead(at) over (partition by k order by at) as until from events)"
    asked = f"select q.k, q.asked, v.n from questions q join {versions} v on v.k = q.k and v.at <= q.asked"

    assert verdict(f"{asked} and (q.asked < v.until or v.until is null)", event_time="asked") == SAFE
    assert verdict(f"{asked} and q.asked < coalesce(v.until, timestamptz '9999-12-31')", event_time="asked") == SAFE
    assert verdict(f"{asked} and q.asked < v.until", event_time="asked") == UNSAFE
    assert verdict(f"select k, at, until from {versions}", event_time="at") == UNSAFE


# -- what is said of it ------------------------------------------------------------------------------------------------


def test_how_much_too_late_is_told():
    found = prove("select k, at - interval '90 minutes' as stamp from events", event_time="stamp").findings

    assert {finding.distance for finding in found} == {90 * 60 * 1_000_000}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select k, at, n from events", {"months": 0, "microseconds": 0}),
        ("select k, at + interval '1 hour' as at, n from events", {"months": 0, "microseconds": 3_600_000_000}),
        (
            "select k, at, sum(n) over (order by at range interval '7 days' preceding) as x from events",
            {"months": 0, "microseconds": 7 * 86_400_000_000},
        ),
        ("select k, at, sum(n) over (order by at) as x from events", None),
    ],
)
def test_the_lookback_is_the_dual(sql, expected):
    assert prove(sql, event_time="at").lookback.as_dict() == expected


@pytest.mark.parametrize(
    ("sql", "notes"),
    [
        ("select k, at, sum(price) as x from events group by all", 1),
        ("select k, at, sum(n) as x, avg(n) as y, count(*) as z from events group by all", 0),
        ("select k, at, first(n) as x, list(n) as y from events group by all", 2),
        ("select k, at, first(n order by at) as x from events group by all", 0),
        ("select k, at, row_number() over (partition by k order by at) as x from events", 1),
        ("select k, at, count(*) over (partition by k order by at) as x from events", 0),
        (
            "with e as (select distinct k, at from events) "
            "select k, at, row_number() over (partition by k order by at) as x from e",
            0,
        ),
        ("select * from events limit 3", 1),
    ],
)
def test_what_hangs_on_the_order_of_rows_is_noted(sql, notes):
    assert len(prove(sql, event_time="at").notes) == notes
    assert prove(sql, event_time="at", deterministic=False).notes == ()


def test_a_source_that_never_changes_has_no_clock():
    state = source_state(Ledger(), "source.raw.fixed", [Column("k", "BIGINT")], TimeFacts(immutable=True))

    assert state.flows == frozenset()


def test_a_row_is_used_from_the_later_one_of_its_two_times():
    sql = """
        select l.k, l.at, l.loaded, (select count(*) from events as e where e.at <= greatest(l.at, l.loaded)) as x
        from loads as l
    """

    assert verdict(sql, event_time="at", available_at="loaded") == SAFE
    assert verdict(sql.replace("greatest", "least"), event_time="at", available_at="loaded") == SAFE
    assert said(sql, event_time="loaded") == {"k": SAFE, "at": SAFE, "loaded": SAFE, "x": UNSAFE}
