"""``verify`` catches every leak that was put into a project, at its column and row, and lets what is safe pass."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.made.payments import bank
from tests.made.projects import day
from tests.made.verified import difference_of, model_of, verdicts, verify

CUTOFF = day(3, 18)
MICROSECOND = timedelta(microseconds=1)
PAID = "{{ config(materialized='table', event_time='paid_at', available_at='booked_at') }}\n"
FROM = "from {{ source('raw', 'payments') }}"

LEAKY = {
    "leading": PAID + f"""
        select payment_id, paid_at, booked_at,
            lead(amount) over (partition by customer order by paid_at) as next_amount
        {FROM}""",
    "averaged": PAID + f"""
        select customer, paid_at, booked_at,
            avg(amount) over (partition by customer) as mean_amount
        {FROM}""",
    "ranked": PAID + f"select payment_id, paid_at, booked_at, rank() over (order by amount desc) as place {FROM}",
    "shared": PAID + f"select *, amount / (select sum(amount) {FROM}) as share {FROM}",
    "framed": PAID + f"""
        select payment_id, paid_at, booked_at,
            sum(amount) over (partition by customer order by paid_at range interval 7 days preceding) as total_7d
        {FROM}""",
    "bucketed": f"""
        {{{{ config(materialized='table', event_time='day') }}}}
        select customer, date_trunc('day', paid_at) as day, count(*) as n {FROM} group by all""",
    "joined": PAID + """
        select p.payment_id, p.paid_at, p.booked_at, s.status
        from {{ source('raw', 'payments') }} as p
        join (select customer, arg_max(status, since) as status from {{ source('raw', 'statuses') }} group by 1) as s
            using (customer)""",
    "timed": PAID + f"""
        select payment_id, paid_at, booked_at, age(paid_at)::varchar as old, current_date > paid_at as past {FROM}""",
    "forgetful": f"{{{{ config(event_time='paid_at', available_at='paid_at') }}}} select payment_id, paid_at {FROM}",
    "existing": PAID + f"""
        select payment_id, paid_at, booked_at {FROM} as p
        where exists (select 1 {FROM} as later where later.customer = p.customer and later.paid_at > p.paid_at)""",
    "newest": PAID + f"select * {FROM} qualify row_number() over (partition by customer order by paid_at desc) = 1",
    "fixed": f"{{{{ config(immutable=true) }}}} select customer, max(amount) as most {FROM} group by customer",
    "hasty": f"""
        {{{{ config(materialized='table', role='label', event_time='paid_at', horizon='1 day') }}}}
        select payment_id, paid_at,
            (select count(*) {FROM} as n where n.paid_at between p.paid_at and p.paid_at + interval 3 days) as next_3d
        {FROM} as p where booked_at = paid_at""",
    "following": PAID + "select payment_id, paid_at, booked_at, next_amount * 2 as twice from {{ ref('leading') }}",
}  # fmt: skip


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    return verify(bank(tmp_path_factory.mktemp("leaky"), LEAKY), at=[CUTOFF])


CAUGHT = {
    # model: column, first row, from all rows, known then, how many rows
    ("leading", "next_amount"): ({"paid_at": day(1, 12), "booked_at": day(1, 12)}, 50, 60, 3),
    ("averaged", "mean_amount"): ({"paid_at": day(1)}, 55.0, 30.0, 5),
    ("ranked", "place"): ({"paid_at": day(1)}, 12, 5, 5),
    ("shared", "share"): ({"paid_at": day(1)}, 10 / 780, 10 / 160, 5),
    ("framed", "total_7d"): ({"paid_at": day(3, 12)}, 140, 90, 1),
    ("bucketed", "n"): ({"day": day(3), "customer": "ann"}, 2, 1, 1),
    ("joined", "status"): ({"paid_at": day(1)}, "gold", "new", 3),
    ("timed", "past"): ({"paid_at": day(3, 12)}, True, False, 1),
    ("fixed", "most"): ({"customer": "ann"}, 100, 60, 2),
    ("hasty", "next_3d"): ({"paid_at": day(1)}, 7, 5, 3),
    ("following", "twice"): ({"paid_at": day(1, 12)}, 100, 120, 3),
}


@pytest.mark.parametrize(("name", "column"), CAUGHT)
def test_a_leak_is_caught_at_its_column_and_first_row(leaky, name, column):
    row, full, known, rows = CAUGHT[name, column]
    found = difference_of(leaky, name, column)

    assert (found.full, found.known, found.rows) == (full, known, rows)
    assert row.items() <= found.row.items()
    assert (found.check, found.kind, found.at) == ("cutoff", "value", CUTOFF)


@pytest.mark.parametrize(
    ("name", "kind", "rows"), [("forgetful", "added", 1), ("existing", "added", 2), ("newest", "removed", 2)]
)
def test_rows_that_hang_on_later_rows_are_caught(leaky, name, kind, rows):
    found = difference_of(leaky, name, None)

    assert (found.kind, found.rows) == (kind, rows)
    assert found.row["payment_id"]


def test_every_leaky_model_differs_and_fails(leaky):
    assert {model.name for model in leaky.models if not model.failed} == set()
    assert leaky.failed


def test_a_leak_is_shown_at_its_place_in_the_template(leaky):
    place = difference_of(leaky, "leading", "next_amount").place

    assert (place.file, place.line) == ("models/leading.sql", 4)
    assert place.text[place.column - 1 :].startswith("lead(amount) over")


def test_a_model_that_only_follows_another_says_so(leaky):
    assert model_of(leaky, "following").blamed == ("leading",)
    assert model_of(leaky, "leading").blamed == ()


def test_a_leak_is_told_with_the_source_columns_that_it_is_made_from(leaky):
    assert difference_of(leaky, "following", "twice").lineage == ("leading.next_amount ← raw.payments.amount",)
    assert "raw.statuses.status" in difference_of(leaky, "joined", "status").lineage


def test_where_rows_come_later_the_sources_are_told(leaky):
    assert difference_of(leaky, "forgetful", None).lineage == ("raw.payments",)


SAFE = {
    "stg_payments": PAID + f"select * {FROM}",
    "trailing": PAID + """
        select payment_id, customer, paid_at, booked_at,
            sum(amount) over (partition by customer order by booked_at range interval 2 days preceding) as total_2d,
            count(*) over (partition by customer order by booked_at, payment_id rows unbounded preceding) as n
        from {{ ref('stg_payments') }} where booked_at is not null""",
    "as_of": PAID + """
        select p.payment_id, p.paid_at, p.booked_at, s.status
        from {{ ref('stg_payments') }} as p
        asof left join {{ source('raw', 'statuses') }} as s on s.customer = p.customer and s.since <= p.paid_at""",
    "priced": PAID + """
        select payment_id, paid_at, booked_at, amount * price as worth
        from {{ ref('stg_payments') }} join {{ source('raw', 'products') }} using (product)""",
    "by_day": """
        {{ config(materialized='table', event_time='day', available_after='4 days') }}
        select customer, date_trunc('day', paid_at) as day, count(*) as n
        from {{ ref('stg_payments') }} where booked_at is not null group by all""",
    "spending": """
        {{ config(materialized='feature_view', entity='customer', event_time='paid_at', available_at='booked_at') }}
        select customer, paid_at, booked_at, amount,
            {{ window('sum(amount * 0.1e0)', '2 days') }} as spent_2d,
            {{ window('max(amount)', 'unbounded') }} as most
        from {{ ref('stg_payments') }}""",
    "doubled": PAID + "select customer, paid_at, booked_at, spent_2d * 2 as twice from {{ ref('spending') }}",
    "standing": """
        {{ config(materialized='feature_view', entity='customer', event_time='since') }}
        select customer, since, status from {{ source('raw', 'statuses') }}""",
    "priciest": "{{ config(immutable=true) }} select max(price) as most from {{ source('raw', 'products') }}",
    "asked": """
        {{ config(materialized='table', role='label', event_time='paid_at', horizon='6 days') }}
        select payment_id, customer, paid_at,
            (select count(*) from {{ ref('stg_payments') }} as n
             where n.booked_at between p.paid_at and p.paid_at + interval 3 days) as next_3d
        from {{ ref('stg_payments') }} as p where booked_at is not null""",
    "returning": """
        {{ config(materialized='training_set', label='next_3d', keys=['payment_id']) }}
        select a.payment_id, a.paid_at, {{ feature('spending.*') }}, {{ feature('standing.status') }},
            a.next_3d
        from {{ ref('asked') }} as a""",
}  # fmt: skip


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    opened = bank(tmp_path_factory.mktemp("safe"), SAFE)
    return verify(opened, at=[CUTOFF, day(9)], cutoffs=2, rebuild=True)


@pytest.mark.parametrize("name", SAFE)
def test_what_is_safe_passes(safe, name):
    found = model_of(safe, name)

    assert found.differences == ()
    assert (found.verdict, found.error) == ("same", None)
    assert found.rows > 0


def test_cutoffs_are_quantiles_of_the_event_times_just_before_more_is_known_and_those_asked_for(safe):
    just_before = [day(2, 12) - MICROSECOND, day(5) - MICROSECOND]

    assert [cutoff.at for cutoff in safe.cutoffs] == [just_before[0], CUTOFF, just_before[1], day(9)]


def test_cutoffs_tell_how_much_they_hide(safe):
    told = {source.node: (source.rows, source.hidden) for source in safe.cutoffs[1].sources}

    assert told == {"source.raw.payments": (12, 7), "source.raw.statuses": (4, 1)}


def test_a_row_that_is_never_known_is_hidden_always(safe):
    """One payment has no booked_at: no cutoff sees it."""
    assert safe.cutoffs[-1].sources[0].hidden == 1


def test_the_cost_is_told(safe):
    assert set(safe.as_dict()["cost"]) == {"seconds", "full_seconds", "times"}
    assert verdicts(safe)["asked"] == "same"
