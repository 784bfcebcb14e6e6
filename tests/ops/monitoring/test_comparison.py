"""What is seen when rows are compared with quiet ones: each kind of mishap, and nothing where nothing happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pytest

from sqlfeat.ops.monitoring.comparison import compare
from sqlfeat.ops.monitoring.wording import findings_of, sentence_of_all
from sqlfeat.spec.monitor import MonitorSpec
from tests.made.watched import FIRST, Rows, profiled, quiet, together

SPEC = MonitorSpec()


@cache
def usual():
    return profiled(quiet(42))


def compared(rows: Rows, spec: MonitorSpec = SPEC, **settings):
    return compare(usual(), profiled(rows, usual()), spec, **settings)


def found_in(rows: Rows, spec: MonitorSpec = SPEC):
    """Level, kind and column of what is found, gravest first."""
    result = compared(rows, spec)
    return [(one.level, one.kind, one.about) for one in findings_of(result.columns, result.measures)]


def changed(change) -> Rows:
    """The week after, with something changed in it."""
    rows = quiet(7, first=42)
    change(rows, np.random.default_rng(1))
    return rows


@pytest.mark.parametrize("seed", range(8))
def test_a_quiet_week_stays_quiet(seed):
    result = compared(quiet(7, first=42, seed=seed))

    assert findings_of(result.columns, result.measures) == []


def test_another_mean_is_drift():
    assert found_in(changed(lambda rows, _: rows.update(amount=rows["amount"] * 1.6)))[0] == (
        "breach", "psi", "amount"
    )  # fmt: skip


def test_a_lost_tail_is_drift_though_the_mean_stays():
    def clip(rows, _):
        rows["amount"] = np.clip(rows["amount"], 14, 32)

    assert ("breach", "psi", "amount") in found_in(changed(clip))


def test_a_changed_unit_is_drift_and_out_of_range():
    found = found_in(changed(lambda rows, _: rows.update(amount=rows["amount"] * 100)))

    assert found == [("breach", "psi", "amount"), ("breach", "range", "amount")]


def test_a_burst_of_nulls_is_seen():
    def lose(rows, random):
        rows["channel"] = np.where(random.random(len(rows["channel"])) < 0.2, None, rows["channel"])

    assert found_in(changed(lose)) == [("breach", "missing", "channel")]


def test_a_burst_of_nans_is_seen_as_missing():
    def lose(rows, random):
        rows["amount"] = np.where(random.random(len(rows["amount"])) < 0.2, np.nan, rows["amount"])

    assert found_in(changed(lose)) == [("breach", "missing", "amount")]


def test_categories_that_swap_their_places_are_drift():
    def swap(rows, _):
        rows["channel"] = np.array([{"web": "shop", "shop": "web"}.get(one, one) for one in rows["channel"]], object)

    assert found_in(changed(swap)) == [("breach", "psi", "channel")]


def test_a_new_category_is_seen_though_it_is_rare():
    def invent(rows, random):
        rows["channel"] = np.where(random.random(len(rows["channel"])) < 0.03, "app", rows["channel"])

    assert ("breach", "new_categories", "channel") in found_in(changed(invent))


def test_a_category_that_is_gone_is_named():
    result = compared(
        changed(lambda rows, _: rows.update(channel=np.where(rows["channel"] == "phone", "web", rows["channel"])))
    )

    channel = next(one for one in result.columns if one.name == "channel")
    assert channel.lost_categories == ("phone",)


def test_truth_that_turns_is_drift():
    assert found_in(changed(lambda rows, _: rows.update(came_back=~rows["came_back"]))) == [
        ("breach", "psi", "came_back")
    ]


def test_fewer_rows_are_seen():
    found = found_in({name: values[::3] for name, values in quiet(7, first=42).items()})

    assert ("breach", "volume", "") in found


def test_rows_that_are_there_twice_are_seen():
    week = quiet(7, first=42)

    assert ("breach", "duplicates", "") in found_in(
        together(week, {name: list(values[:70]) for name, values in week.items()})
    )


def test_a_silence_at_the_end_is_seen():
    until = FIRST + timedelta(days=49)

    result = compared(quiet(3, first=42), until=until)

    assert [one.name for one in result.measures if one.level == "breach"] == ["freshness"]


def test_a_steady_growth_is_no_news():
    before = together(*(quiet(1, first=day, a_day=40 + day) for day in range(40)))
    after = together(*(quiet(1, first=day, a_day=40 + day) for day in range(40, 47)))
    basis = profiled(before)

    result = compare(basis, profiled(after, basis), SPEC)

    assert findings_of(result.columns, result.measures) == []


def test_the_first_day_is_the_one_on_which_it_began():
    after = together(quiet(4, first=42), changed_from(46))

    result = compared(after)

    amount = next(one for one in result.columns if one.name == "amount")
    assert (amount.level, amount.first_seen) == ("breach", day(46))


def changed_from(first: int) -> Rows:
    rows = quiet(4, first=first)
    rows["amount"] = rows["amount"] * 2
    return rows


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


def test_what_the_baseline_does_itself_is_no_drift():
    """Every other week prices are halved: a week of them is nothing new."""
    weeks = [quiet(7, first=7 * number) for number in range(6)]
    for rows in weeks[::2]:
        rows["amount"] = rows["amount"] / 2
    basis = profiled(together(*weeks))
    sale = quiet(7, first=42)
    sale["amount"] = sale["amount"] / 2

    result = compare(basis, profiled(sale, basis), SPEC)

    amount = next(one for one in result.columns if one.name == "amount")
    psi = amount.measure("psi")
    assert (amount.level, psi.value > SPEC.psi, psi.own > psi.value) == ("ok", True, True)


def test_a_number_that_only_grows_tells_the_time_and_not_a_drift():
    def numbered(rows):
        return {**rows, "items": rows["order_id"]}

    basis = profiled(numbered(quiet(42)))
    result = compare(basis, profiled(numbered(quiet(7, first=42)), basis), SPEC)

    assert findings_of(result.columns, result.measures) == []


def test_a_week_may_be_looked_at_hour_by_hour():
    rows = profiled(quiet(7, first=42), usual(), window="hour")

    result = compare(usual(), rows, SPEC)

    assert (len(rows.starts) > 150, findings_of(result.columns, result.measures)) == (True, [])


def test_of_a_few_rows_nothing_is_said():
    few = {name: values[:20] for name, values in quiet(1, first=42).items()}
    few["amount"] = few["amount"] * 100

    result = compared(few)

    assert [one.level for one in result.columns] == ["ok"] * 4


def test_a_threshold_of_one_column_wins():
    week = changed(lambda rows, _: rows.update(amount=rows["amount"] * 1.6))

    assert found_in(week, MonitorSpec.parse({"columns": {"amount": {"psi": 5, "shift": 2, "spread": 1}}})) == []


def test_an_ignored_column_is_not_looked_at():
    names = [one.name for one in compared(quiet(7, first=42), MonitorSpec(ignore=("amount",))).columns]

    assert sorted(names) == ["came_back", "channel", "items"]


def test_the_histograms_have_shares_that_add_up():
    result = compared(quiet(7, first=42))

    sums = [(sum(b.baseline for b in one.bins), sum(b.current for b in one.bins)) for one in result.columns]
    assert sums == [(pytest.approx(1), pytest.approx(1))] * 4


def test_the_timeline_has_every_day_of_both_sides():
    amount = next(one for one in compared(quiet(7, first=42)).columns if one.name == "amount")

    assert [(point.start, point.side) for point in amount.timeline] == [
        (day(number), "baseline" if number < 42 else "current") for number in range(49)
    ]


def test_a_sentence_says_what_has_moved():
    result = compared(changed(lambda rows, _: rows.update(came_back=~rows["came_back"])))

    findings = findings_of(result.columns, result.measures)
    assert findings[0].text.startswith("came_back is distributed otherwise: false went from 7")
    assert sentence_of_all("sold", result.columns, findings) == (
        "sold is not as it was: 1 of 4 columns has drifted, came_back, first seen on 2024-02-12."
    )


def test_a_quiet_sentence_says_so():
    result = compared(quiet(7, first=42))

    assert sentence_of_all("sold", result.columns, []) == "sold is as it was: none of 4 columns has drifted."
