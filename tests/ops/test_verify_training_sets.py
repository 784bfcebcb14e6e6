"""``verify`` on training sets: their rows once labels are known, their inputs from the moment they are asked for."""

from __future__ import annotations

import pytest

from tests.made.payments import bank
from tests.made.projects import day
from tests.made.verified import difference_of, model_of, verdicts, verify

FROM = "from {{ source('raw', 'payments') }}"
ALLOWED = "allow_leakage='for a study of leaks'"
VIEW = """
    {{{{ config(materialized='feature_view', entity='customer', event_time='paid_at', available_at='booked_at'
                {more}) }}}}
    select customer, paid_at, booked_at, amount,
        lead(amount) over (partition by customer order by paid_at) as next_amount
    from {{{{ source('raw', 'payments') }}}}"""
ASKED = """
    {{{{ config(materialized='view', event_time='paid_at'{more}) }}}}
    select payment_id, customer, paid_at, amount,
        (select count(*) from {{{{ source('raw', 'payments') }}}} as n
         where n.booked_at between p.paid_at and p.paid_at + interval 3 days) as next_3d
    from {{{{ source('raw', 'payments') }}}} as p where booked_at is not null"""
LABEL = ASKED.format(more=", role='label', horizon='6 days'")
TRAINING = """
    {{{{ config(materialized='training_set', label='next_3d', keys=['payment_id']{more}) }}}}
    select a.payment_id, a.paid_at, {items}, a.next_3d from {{{{ ref('asked') }}}} as a"""
NEXT = "{{ feature('paid.next_amount') }}"


def training(items=NEXT, more=""):
    return TRAINING.format(items=items, more=more)


def test_an_input_that_was_not_known_when_it_was_asked_for_is_caught_though_its_label_came_later(tmp_path):
    """The next payment is known long before the label: what the rows were at the cutoff does not show the leak."""
    opened = bank(tmp_path, {"paid": VIEW.format(more=""), "asked": LABEL, "returning": training()})
    found = verify(opened, "returning", at=[day(3, 18)])

    difference = difference_of(found, "returning", "next_amount")
    assert (difference.kind, difference.full, difference.known) == ("input", 50, 60)
    assert difference.row["payment_id"] == 2
    assert verdicts(found) == {"returning": "differs"}


def test_a_safe_feature_of_a_leaky_view_makes_a_safe_training_set(tmp_path):
    opened = bank(
        tmp_path,
        {"paid": VIEW.format(more=""), "asked": LABEL, "returning": training("{{ feature('paid.amount') }}")},
    )
    found = verify(opened, at=[day(3, 18), day(9)])

    assert verdicts(found) == {"asked": "same", "paid": "differs", "returning": "same"}


def test_the_label_as_an_input_is_caught(tmp_path):
    opened = bank(tmp_path, {"asked": LABEL, "returning": training("a.next_3d + 1 as soon")})
    found = verify(opened, "returning", at=[day(3, 18)])

    difference = difference_of(found, "returning", "soon")
    assert (difference.kind, difference.full, difference.known) == ("input", 7, 6)


def test_now_in_the_list_is_caught(tmp_path):
    opened = bank(tmp_path, {"asked": LABEL, "returning": training("month(now()) as this_month")})
    found = verify(opened, "returning", at=[day(9)])

    difference = difference_of(found, "returning", "this_month")
    assert (difference.full, difference.known, difference.place.line) == (5, 1, 2)


def test_without_a_horizon_the_inputs_are_compared_and_the_label_is_told_not_to_be(tmp_path):
    models = {"asked": ASKED.format(more=", role='label'"), "returning": training("a.amount")}
    found = verify(bank(tmp_path, models), at=[day(3, 18)])

    why = "asked is a label without a horizon: nobody says from when its labels are known"
    assert (model_of(found, "asked").verdict, model_of(found, "asked").reason) == ("not compared", why)
    returning = model_of(found, "returning")
    assert (returning.verdict, returning.rows) == ("same", 6)
    assert returning.reason == f"its inputs are, its label is not compared: {why}"


def test_label_rows_that_are_no_labels_count_from_when_they_are_known(tmp_path):
    models = {"asked": ASKED.format(more=", available_after='6 days'"), "returning": training("a.amount")}
    found = verify(bank(tmp_path, models), at=[day(9)], cutoffs=1)

    assert verdicts(found) == {"asked": "same", "returning": "same"}
    assert model_of(found, "returning").rows == 5


def test_a_source_may_hold_the_label_rows(tmp_path):
    text = """
        {{ config(materialized='training_set', label='amount', keys=['payment_id']) }}
        select s.payment_id, s.paid_at, {{ feature('paid.next_amount') }}, s.amount
        from {{ source('raw', 'payments') }} as s"""
    opened = bank(tmp_path, {"paid": VIEW.format(more=""), "returning": text})
    found = verify(opened, "returning", at=[day(3, 18)])

    assert difference_of(found, "returning", "next_amount").kind == "input"


def test_leakage_that_is_allowed_is_shown_and_fails_nothing(tmp_path):
    models = {"paid": VIEW.format(more=f", {ALLOWED}"), "asked": LABEL, "returning": training()}
    found = verify(bank(tmp_path, models), at=[day(3, 18)])

    assert verdicts(found)["paid"] == "differs"
    assert difference_of(found, "paid", "next_amount").allowed == "for a study of leaks"
    assert difference_of(found, "returning", "next_amount").allowed == "for a study of leaks"
    assert not found.failed


def test_leakage_allowed_to_a_view_is_not_allowed_to_the_rest_of_a_training_set(tmp_path):
    models = {
        "paid": VIEW.format(more=f", {ALLOWED}"),
        "asked": LABEL,
        "returning": training(f"{NEXT}, a.next_3d + 1 as soon"),
    }
    found = verify(bank(tmp_path, models), at=[day(3, 18)])

    assert difference_of(found, "returning", "soon").allowed is None
    assert {model.name for model in found.models if model.failed} == {"returning"}


@pytest.mark.parametrize("more", [ALLOWED])
def test_leakage_allowed_to_a_training_set_is_allowed_in_all_of_it(tmp_path, more):
    models = {"asked": LABEL, "returning": training("a.next_3d + 1 as soon", f", {more}")}
    found = verify(bank(tmp_path, models), at=[day(3, 18)])

    assert not found.failed
    assert verdicts(found)["returning"] == "differs"
