"""``verify`` computes everything once more from rows in another order: what hangs on it, or on chance, is told."""

from __future__ import annotations

import pytest

from tests.made.payments import bank
from tests.made.projects import day
from tests.made.verified import difference_of, model_of, verdicts, verify

PAID = "{{ config(materialized='table', event_time='paid_at', available_at='booked_at') }}\n"
LOOSE = PAID.replace("event_time", "deterministic=false, event_time")
FROM = "from {{ source('raw', 'payments') }}"
BY_CHANCE = f"select payment_id, paid_at, booked_at, random() as noise, amount {FROM}"
BY_ORDER = f"""
    select payment_id, paid_at, booked_at, row_number() over () as place,
        any_value(payment_id) over (partition by customer) as one_of_them
    {FROM}"""
SAMPLED = f"select payment_id, paid_at, booked_at {FROM} where random() < 0.5"
LEAKY = f"select payment_id, paid_at, booked_at, random() as noise, max(amount) over () as most {FROM}"
MODELS = {
    "noisy": PAID + BY_CHANCE,
    "ordered": PAID + BY_ORDER,
    "sampled": PAID + SAMPLED,
    "said_noisy": LOOSE + BY_CHANCE,
    "said_ordered": LOOSE + BY_ORDER,
    "said_and_leaky": LOOSE + LEAKY,
    "below_said": PAID + "select * from {{ ref('said_noisy') }}",
    "steady": PAID + f"""
        select payment_id, paid_at, booked_at,
            sum(amount / 3) over (partition by customer order by booked_at, payment_id) as total
        {FROM} where booked_at is not null""",
    "undated": f"select customer, any_value(payment_id) as some_payment {FROM} group by all",
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return verify(bank(tmp_path_factory.mktemp("chance"), MODELS), at=[day(3, 18)], rebuild=True)


def test_a_value_left_to_chance_differs_when_it_is_computed_twice(found):
    noise = difference_of(found, "noisy", "noise")

    assert (noise.check, noise.rows, noise.compared) == ("rebuild", 12, 12)
    assert noise.full != noise.known


def test_a_value_that_hangs_on_the_order_of_rows_differs_in_another_order(found):
    place = difference_of(found, "ordered", "place")

    assert (place.check, place.kind) == ("order", "value")
    assert difference_of(found, "ordered", "one_of_them").check == "order"


def test_rows_left_to_chance_are_told_and_no_cutoff_judges_them(found):
    rows = difference_of(found, "sampled", None)

    assert rows.check == "rebuild"
    assert {difference.check for difference in model_of(found, "sampled").differences} <= {"rebuild"}


def test_what_is_left_to_chance_is_not_taken_for_a_leak(found):
    assert {difference.check for difference in model_of(found, "noisy").differences} == {"rebuild"}


@pytest.mark.parametrize("name", ["said_noisy", "said_ordered", "below_said"])
def test_a_model_that_says_so_or_reads_one_may_hang_on_chance_and_order(found, name):
    verdict = model_of(found, name)

    assert verdict.differences
    assert {difference.allowed for difference in verdict.differences} == {"deterministic: false"}
    assert not verdict.failed


def test_a_leak_beside_what_may_be_chance_is_caught(found):
    most = difference_of(found, "said_and_leaky", "most")

    assert (most.check, most.allowed, most.full, most.known) == ("cutoff", None, 120, 60)
    assert difference_of(found, "said_and_leaky", "noise").check == "rebuild"


def test_sums_of_floats_in_another_order_are_the_same_to_within_the_tolerance(found):
    steady = model_of(found, "steady")

    assert (steady.verdict, steady.approximate) == ("same", True)


def test_what_cannot_be_compared_in_time_is_compared_in_order(found):
    undated = model_of(found, "undated")

    assert {difference.check for difference in undated.differences} == {"order"}
    assert undated.failed


def test_without_the_rebuild_order_is_not_looked_at(tmp_path):
    models = {name: MODELS[name] for name in ("steady", "undated")}

    assert verdicts(verify(bank(tmp_path, models), at=[day(9)])) == {"steady": "same", "undated": "not compared"}
