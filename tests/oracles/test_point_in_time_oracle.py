"""The oracle itself, checked by hand against the sentences of TIME.md, sections 2 and 3."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import inf, nan

import pytest

from tests.oracles.point_in_time import (
    DAY,
    HOUR,
    MICROSECOND,
    Months,
    View,
    lookup,
    minus,
    order,
    spine_order,
    utc,
    window,
)

NOON = utc("2013-03-10 12:00")


def view(*rows, **time):
    """A view of rows ``(key, event time, available_at, value)``; time in hours after noon."""
    names = ("carrier", "event", "known", "value")
    at = [None if row[1] is None else NOON + row[1] * HOUR for row in rows]
    known = [None if row[2] is None else NOON + row[2] * HOUR for row in rows]
    return View(
        [dict(zip(names, (row[0], e, k, *row[3:]), strict=True)) for row, e, k in zip(rows, at, known, strict=True)],
        keys=("carrier",), event_time="event", available_at="known", **time,
    )  # fmt: skip


def value(view, hours, key=("AA",), **how):
    row = lookup(view, key, None if hours is None else NOON + hours * HOUR, **how)
    return row and row["value"]


# ---- section 2


def test_the_greatest_event_time_not_after_t_wins():
    assert value(view(("AA", 0, 0, "old"), ("AA", 1, 1, "new"), ("AA", 3, 3, "future")), 2) == "new"


def test_a_row_at_t_holds_and_strict_leaves_it_out():
    facts = view(("AA", 0, 0, "before"), ("AA", 2, 2, "at"))

    assert value(facts, 2) == "at"
    assert value(facts, 2, strict=True) == "before"


def test_strict_asks_for_availability_before_t_too():
    assert value(view(("AA", 0, 2, "x")), 2) == "x"
    assert value(view(("AA", 0, 2, "x")), 2, strict=True) is None


def test_a_ttl_is_inclusive_to_the_microsecond():
    facts = view(("AA", 0, 0, "x"), ttl=2 * HOUR)

    assert lookup(facts, ["AA"], NOON + 2 * HOUR)["value"] == "x"
    assert lookup(facts, ["AA"], NOON + 2 * HOUR + MICROSECOND) is None


def test_a_ttl_of_zero_means_an_exact_match():
    facts = view(("AA", 0, 0, "x"), ttl=timedelta(0))

    assert value(facts, 0) == "x"
    assert lookup(facts, ["AA"], NOON + MICROSECOND) is None


def test_a_lookup_may_shorten_the_ttl():
    assert value(view(("AA", 0, 0, "x"), ttl=DAY), 5) == "x"
    assert value(view(("AA", 0, 0, "x"), ttl=DAY), 5, ttl=HOUR) is None


def test_ties_go_to_the_tie_breaker_with_nulls_lowest():
    facts = view(("AA", 0, 0, None), ("AA", 0, 0, 7), ("AA", 0, 0, 3), tie_breaker=("value",))

    assert value(facts, 0) == 7


def test_without_a_tie_breaker_the_remaining_columns_decide():
    assert value(view(("AA", 0, 0, None), ("AA", 0, 0, "a"), ("AA", 0, 0, "b")), 0) == "b"


def test_nan_is_the_greatest_number():
    assert str(value(view(("AA", 0, 0, inf), ("AA", 0, 0, nan)), 0)) == "nan"


@pytest.mark.parametrize("row", [(None, 0, 0, "x"), ("AA", None, 0, "x"), ("AA", 0, None, "x")])
def test_a_row_without_key_or_time_is_never_used(row):
    assert value(view(row), 5, key=(row[0],)) is None


def test_a_null_key_and_a_null_as_of_time_match_nothing():
    facts = view(("AA", 0, 0, "x"), (None, 0, 0, "y"))

    assert value(facts, 5, key=(None,)) is None
    assert value(facts, None) is None


def test_a_late_row_counts_from_when_it_is_known():
    facts = view(("AA", 0, 0, "first"), ("AA", 1, 4, "late"))

    assert [value(facts, hours) for hours in (0, 1, 3, 4)] == ["first", "first", "first", "late"]


def test_a_correction_replaces_from_then_on_and_history_stays():
    facts = view(("AA", 0, 0, "wrong"), ("AA", 0, 4, "right"))

    assert [value(facts, hours) for hours in (3, 4)] == ["wrong", "right"]


def test_a_row_that_is_out_of_date_when_it_becomes_known_is_never_used():
    facts = view(("AA", 0, 5, "outdated"), ("AA", 1, 1, "newer"))

    assert {value(facts, hours) for hours in (1, 5, 9)} == {"newer"}


def test_a_constant_delay_stands_for_available_at():
    weather = replace(view(("JFK", 0, 0, 39)), available_at=None, available_after=HOUR)

    assert lookup(weather, ["JFK"], NOON + HOUR - MICROSECOND) is None
    assert lookup(weather, ["JFK"], NOON + HOUR)["value"] == 39


def test_a_view_without_an_entity_is_one_timeline():
    assert lookup(View([{"at": 1, "x": "a"}, {"at": 5, "x": "b"}], (), "at"), [], 4)["x"] == "a"


def test_the_prepared_layout_of_section_2_gives_the_same_as_the_rule():
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for _ in range(200):
        facts = view(*[
            ("AA", chance.randint(0, 6), chance.choice([None, *range(7)]), chance.choice([None, 1, 2]))
            for _ in range(chance.randint(0, 8))
        ])  # fmt: skip
        for hours in range(-1, 8):
            t = NOON + hours * HOUR
            as_of = [row for usable_from, row in prepared(facts) if usable_from <= t]

            assert (as_of[-1] if as_of else None) == lookup(facts, ["AA"], t), f"seed {seed}"


def prepared(facts):
    """Section 2's one plain implementation: rows that exceed every earlier one, one for each ``usable_from``."""
    rows = [(max(row["event"], row["known"]), row) for row in facts.rows if row["known"]]
    rows.sort(key=lambda pair: (pair[0], order(facts, pair[1])))
    last = {usable_from: (usable_from, row) for usable_from, row in rows}
    kept: list = []
    for usable_from, row in last.values():
        if not kept or order(facts, row) > order(facts, kept[-1][1]):
            kept.append((usable_from, row))
    return kept


# ---- section 3


def test_a_window_excludes_its_start_and_includes_its_end():
    facts = view(("AA", 0, 0, 1), ("AA", 1, 1, 10), ("AA", 3, 3, 100), ("AA", 4, 4, 1000))

    assert window(facts, "sum", "value", 3 * HOUR, ["AA"], NOON + 3 * HOUR) == 110
    assert window(facts, "sum", "value", 3 * HOUR, ["AA"], NOON + 3 * HOUR, strict=True) == 11


def test_a_window_holds_what_was_known_at_t():
    facts = view(("AA", 0, 0, 1), ("AA", 1, 5, 10))

    assert window(facts, "sum", "value", DAY, ["AA"], NOON + 4 * HOUR) == 1
    assert window(facts, "sum", "value", DAY, ["AA"], NOON + 5 * HOUR) == 11


def test_an_offset_ends_the_window_earlier_but_knows_as_much():
    facts = view(("AA", 0, 0, 1), ("AA", 1, 5, 10), ("AA", 2, 2, 100), ("AA", 5, 5, 1000))

    assert window(facts, "sum", "value", 2 * HOUR, ["AA"], NOON + 5 * HOUR, offset=3 * HOUR) == 110


def test_an_unbounded_window_reaches_the_beginning():
    assert window(view(("AA", -9999, 0, 1), ("AA", 0, 0, 1)), "sum", "value", None, ["AA"], NOON) == 2


@pytest.mark.parametrize("key", ["ZZ", None])
def test_no_rows_give_what_sql_gives(key):
    facts = view(("AA", 0, 0, 1))

    assert window(facts, "count", None, DAY, [key], NOON) == 0
    assert window(facts, "sum", "value", DAY, [key], NOON) is None
    assert window(facts, "list", "value", DAY, [key], NOON) is None


def test_rows_of_equal_time_are_events_of_their_own():
    assert window(view(("AA", 0, 0, 5), ("AA", 0, 0, 5)), "count", None, DAY, ["AA"], NOON) == 2


def test_versions_of_one_event_count_once_and_the_latest_says_when_it_was():
    orders = View(
        [
            {"carrier": "AA", "event": NOON, "known": NOON, "order": 1, "value": 50},
            {"carrier": "AA", "event": NOON - 30 * HOUR, "known": NOON + 3 * HOUR, "order": 1, "value": 70},
        ],
        keys=("carrier",), event_time="event", available_at="known", unique_key=("order",),
    )  # fmt: skip

    assert window(orders, "sum", "value", DAY, ["AA"], NOON + 2 * HOUR) == 50
    assert window(orders, "sum", "value", DAY, ["AA"], NOON + 3 * HOUR) is None
    assert window(orders, "sum", "value", 2 * DAY, ["AA"], NOON + 3 * HOUR) == 70


def test_the_ttl_does_not_touch_windows():
    assert window(view(("AA", -5, -5, 1), ttl=HOUR), "sum", "value", DAY, ["AA"], NOON) == 1


def test_order_is_by_event_time_then_availability_then_tie_breaker():
    facts = view(("AA", 2, 2, "d"), ("AA", 1, 3, "c"), ("AA", 1, 1, "b"), ("AA", 1, 1, None), tie_breaker=("value",))
    at = NOON + 9 * HOUR

    assert window(facts, "list", "value", DAY, ["AA"], at) == [None, "b", "c", "d"]
    assert window(facts, "first", "value", DAY, ["AA"], at) is None
    assert window(facts, "last", "value", DAY, ["AA"], at) == "d"
    assert window(facts, "string_agg", "value", DAY, ["AA"], at) == "b,c,d"


@pytest.mark.parametrize(
    ("aggregate", "values", "expected"),
    [
        ("count", [1, None, 1], 2),
        ("count distinct", [1, None, 1, 2], 2),
        ("count distinct", [0.0, -0.0, nan, nan], 2),
        ("sum", [2**62, 2**62, None], 2**63),
        ("sum", [Decimal("0.10"), Decimal("0.20")], Decimal("0.30")),
        ("sum", [1e16, 1.0, -1e16], 1.0),
        ("sum", [inf, 1.0], inf),
        ("avg", [1, 2, None], 1.5),
        ("avg", [2**53, 2**53 + 2], 2.0**53 + 1),
        ("avg", [0.1] * 10, 0.1),
        ("min", [3, None, 1], 1),
        ("max", [1.0, nan], "nan"),
        ("median", [5, 1, 2, 4], 3.0),
        ("median", [Decimal("0.10"), Decimal("0.25")], Decimal("0.17")),
        ("median", [None], None),
        ("max", [None], None),
    ],
)
def test_aggregates_are_exact_and_skip_nulls(aggregate, values, expected):
    facts = view(*[("AA", 0, 0, value) for value in values])
    result = window(facts, aggregate, "value", HOUR, ["AA"], NOON)

    assert (str(result) if expected == "nan" else result) == expected


def test_a_filter_is_part_of_the_aggregate():
    facts = view(("AA", 0, 0, 20), ("AA", 0, 0, 3))

    assert window(facts, "count", None, HOUR, ["AA"], NOON, where=lambda row: row["value"] > 15) == 1


def test_a_day_is_24_hours_and_a_month_is_a_calendar_month():
    assert minus(utc("2013-03-11 12:00"), DAY) == utc("2013-03-10 12:00")
    assert minus(utc("2013-03-31 12:00"), Months(1)) == utc("2013-02-28 12:00")
    assert minus(utc("2013-01-15 00:00"), Months(13)) == utc("2011-12-15 00:00")


def test_label_rows_come_by_time_then_keys_then_the_rest_and_duplicates_stay():
    rows = [{"x": x, "id": i, "at": at} for x, i, at in [(1, 2, 5), (0, 2, 5), (9, 1, 5), (9, 1, 5), (0, 9, 4)]]
    ordered = [(row["at"], row["id"], row["x"]) for row in spine_order(rows, "at", ["id"])]

    assert ordered == [(4, 9, 0), (5, 1, 9), (5, 1, 9), (5, 2, 0), (5, 2, 1)]
