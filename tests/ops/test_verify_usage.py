"""How ``verify`` is asked, what it refuses, which sources it hides rows of, and that it touches nothing."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from sqlfeat.engine.duckdb import comparison
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops import readings
from tests.made.payments import bank, payments
from tests.made.projects import day
from tests.made.verified import difference_of, model_of, verdicts, verify

PAID = "{{ config(materialized='table', event_time='paid_at', available_at='booked_at') }}\n"
TOTAL = PAID + """
    select payment_id, customer, paid_at, booked_at, sum(amount) over (partition by customer) as total
    from {{ source('raw', 'payments') }}"""  # fmt: skip
NAMED = "{{ config(immutable=true) }} select product, price from {{ source('raw', 'products') }}"


def refused(opened, *select, **settings):
    with pytest.raises(SqlfeatError) as caught:
        verify(opened, *select, **settings)
    return caught.value


# -- cutoffs -----------------------------------------------------------------------------------------------------------


def test_models_above_which_nothing_has_a_time_cannot_be_verified(tmp_path):
    error = refused(bank(tmp_path, {"named": NAMED, "total": TOTAL}), "named", at=[day(3)])

    assert error.code == "no-timed-source"


def test_without_any_cutoff_there_is_nothing_to_do(tmp_path):
    assert refused(bank(tmp_path, {"total": TOTAL})).code == "no-cutoff"


def test_sources_without_rows_give_no_cutoff(tmp_path):
    opened = bank(tmp_path, {"total": TOTAL}, {"data/payments.parquet": payments().slice(0, 0)})

    assert refused(opened, cutoffs=3).code == "no-cutoff"


def test_before_all_data_nothing_is_compared_and_it_is_said(tmp_path):
    found = verify(bank(tmp_path, {"total": TOTAL}), at=[day(1).replace(year=2000)])

    assert verdicts(found) == {"total": "not compared"}
    assert model_of(found, "total").reason == "none of its rows was usable at any cutoff"
    assert found.notes == ("At 2000-01-01 00:00:00Z nothing was known yet: every timed row is hidden.",)
    assert not found.failed


def test_after_all_data_everything_is_the_same_and_it_is_said(tmp_path):
    rows = payments().filter(payments()["booked_at"].is_valid())
    found = verify(bank(tmp_path, {"total": TOTAL}, {"data/payments.parquet": rows}), at=[day(20)])

    assert verdicts(found) == {"total": "same"}
    assert found.notes == ("At 2024-01-20 00:00:00Z everything was known: no row is hidden.",)


def test_a_cutoff_without_a_zone_is_utc(tmp_path):
    found = verify(bank(tmp_path, {"total": TOTAL}), at=[day(3, 18).replace(tzinfo=None)])

    assert [cutoff.at for cutoff in found.cutoffs] == [day(3, 18)]


def test_a_row_known_exactly_at_the_cutoff_is_seen(tmp_path):
    """A payment of the first is booked at noon: at noon it is known, and what it makes is the same later."""
    running = PAID + """
        select payment_id, paid_at, booked_at,
            count(*) over (order by booked_at, payment_id rows unbounded preceding) as n
        from {{ source('raw', 'payments') }} where booked_at is not null"""  # fmt: skip
    found = verify(bank(tmp_path, {"running": running}), at=[day(1, 12)])

    assert found.cutoffs[0].hidden == 10
    assert (model_of(found, "running").verdict, model_of(found, "running").rows) == ("same", 2)


# -- sources -----------------------------------------------------------------------------------------------------------


def test_sources_without_a_time_are_not_hidden_and_it_is_said(tmp_path):
    noted = PAID + """
        select payment_id, paid_at, booked_at, note
        from {{ source('raw', 'payments') }} left join {{ source('raw', 'notes') }} using (customer)"""  # fmt: skip
    found = verify(bank(tmp_path, {"noted": noted}), at=[day(3)])

    assert found.notes == ("raw.notes has no event_time and is not immutable: its rows are never hidden.",)


def test_a_model_without_a_time_is_not_compared_and_says_why(tmp_path):
    counted = "select count(*) as n from {{ source('raw', 'payments') }}"
    found = verify(bank(tmp_path, {"counted": counted}), at=[day(3)])

    why = "it has no event_time and is not immutable: nobody says when its rows are known"
    assert (model_of(found, "counted").verdict, model_of(found, "counted").reason) == ("not compared", why)


def test_a_source_of_csv_is_hidden_from_as_one_of_parquet(tmp_path):
    source = """
        version: 2
        sources:
          - name: raw
            tables:
              - {name: payments, location: data/payments.csv, config: {event_time: paid_at, available_at: booked_at}}
    """
    files = {"models/sources.yml": source, "data/payments.csv": payments()}
    found = verify(bank(tmp_path, {"total": TOTAL}, files), at=[day(3, 18)])

    assert found.cutoffs[0].hidden == 7
    assert difference_of(found, "total", "total").full == 330


def test_a_source_of_json_lines_is_hidden_from_too(tmp_path):
    lines = [{"payment_id": 1, "paid_at": "2024-01-01 00:00:00"}, {"payment_id": 2, "paid_at": "2024-01-05 00:00:00"}]
    source = """
        version: 2
        sources:
          - name: raw
            tables: [{name: payments, location: data/payments.jsonl, config: {event_time: paid_at}}]
    """
    counted = """
        {{ config(materialized='table', event_time='paid_at') }}
        select payment_id, paid_at, count(*) over () as n from {{ source('raw', 'payments') }}"""
    files = {"models/sources.yml": source, "data/payments.jsonl": "\n".join(json.dumps(line) for line in lines)}
    found = verify(bank(tmp_path, {"counted": counted}, files), at=[day(2)])

    assert (difference_of(found, "counted", "n").full, difference_of(found, "counted", "n").known) == (2, 1)


def test_rows_known_after_a_constant_delay_are_hidden_that_long(tmp_path):
    source = """
        version: 2
        sources:
          - name: raw
            tables:
              - {name: payments, location: data/payments.parquet, event_time: paid_at, available_after: 36 hours}
    """
    plain = "{{ config(event_time='paid_at') }} select payment_id, paid_at from {{ source('raw', 'payments') }}"
    stated = plain.replace("event_time='paid_at'", "event_time='paid_at', available_after='1 day'")
    opened = bank(tmp_path, {"plain": plain, "stated": stated}, {"models/sources.yml": source})
    found = verify(opened, at=[day(3)])

    assert found.cutoffs[0].hidden == 10
    assert verdicts(found) == {"plain": "same", "stated": "differs"}
    assert difference_of(found, "stated", None).row["payment_id"] == 3


def test_a_seed_is_hidden_from_where_it_says_its_time(tmp_path):
    models = {
        "timed": "{{ config(materialized='table', event_time='since') }} "
        "select id, since, count(*) over () as n from {{ ref('timed_rows') }}",
        "whole": "{{ config(materialized='table', event_time='since') }} "
        "select id, since, count(*) over () as n from {{ ref('whole_rows') }}",
    }
    rows = "id,since\n1,2024-01-01 00:00:00\n2,2024-01-05 00:00:00\n"
    described = "version: 2\nseeds:\n  - {name: timed_rows, config: {event_time: since}}\n"
    files = {"seeds/timed_rows.csv": rows, "seeds/whole_rows.csv": rows, "seeds/seeds.yml": described}
    found = verify(bank(tmp_path, models, files), at=[day(2)])

    assert verdicts(found) == {"timed": "differs", "whole": "same"}


def test_sql_that_asks_for_the_database_is_given_the_target_s(tmp_path):
    named = PAID + """
        select payment_id, paid_at, booked_at, current_database() as at_home
        from {{ source('raw', 'payments') }}"""  # fmt: skip

    assert verdicts(verify(bank(tmp_path, {"named": named}), at=[day(3)], rebuild=True)) == {"named": "same"}


def test_a_leak_of_less_than_the_distance_of_two_rows_shows_at_a_quantile(tmp_path):
    """Rows at whole hours, each used half an hour before it is known: at no whole hour does that make a difference."""
    hours = [day(1, hour) for hour in range(12)]
    rows = pa.table({"hour": hours, "rain": list(range(12)), "station": ["a"] * 12})
    files = {
        "data/weather.parquet": rows,
        "models/weather.yml": """
            version: 2
            sources:
              - {name: sky, tables: [{name: weather, location: data/weather.parquet, event_time: hour}]}
        """,
    }
    early = """
        {{ config(materialized='table', event_time='at') }}
        select station, hour - interval 30 minutes as at, rain from {{ source('sky', 'weather') }}
    """
    opened = bank(tmp_path, {"early": early}, files)

    assert verdicts(verify(opened, "early", at=[hours[6]])) == {"early": "same"}
    assert verdicts(verify(opened, "early", cutoffs=1)) == {"early": "differs"}


# -- samples -----------------------------------------------------------------------------------------------------------


def test_a_sample_keeps_whole_entities_in_the_timed_sources(tmp_path):
    found = verify(bank(tmp_path, {"total": TOTAL}), at=[day(3, 18)], sample=1)

    assert found.sample.as_dict() == {
        "entity": "customer", "keys": ["customer"], "sampled": ["raw.payments"], "whole": [],
    }  # fmt: skip
    assert found.cutoffs[0].rows == 6
    assert len({found.row["customer"] for found in model_of(found, "total").differences}) == 1


def test_a_share_of_all_is_everything(tmp_path):
    opened = bank(tmp_path, {"total": TOTAL})

    assert verify(opened, at=[day(3)], sample=0.999_999_999).cutoffs[0].rows == 12
    assert verify(opened, at=[day(3)], sample=2).cutoffs[0].rows == 12


def test_where_no_entity_is_in_the_sources_their_own_keys_are_sampled(tmp_path):
    files = {"sqlfeat_project.yml": "name: bank\ntargets: {dev: {engine: duckdb, path: target/bank.duckdb}}\n"}
    found = verify(bank(tmp_path, {"total": TOTAL}, files), at=[day(3)], sample=5)

    assert (found.sample.entity, found.sample.keys) == (None, ("payment_id",))
    assert found.cutoffs[0].rows == 5


def test_a_sample_however_small_has_an_entity_of_every_source(tmp_path):
    found = verify(bank(tmp_path, {"total": TOTAL}), at=[day(9)], sample=0.000_001)

    assert found.cutoffs[0].rows > 0


def test_of_a_model_that_the_sample_leaves_nothing_of_that_is_said(tmp_path):
    rare = TOTAL + " where customer = 'nobody'"
    found = verify(bank(tmp_path, {"rare": rare}), at=[day(9)], sample=1)

    assert model_of(found, "rare").reason == (
        "none of its rows in the sample was usable at any cutoff: take a larger sample"
    )


def test_a_sample_makes_no_difference_where_there_is_none(tmp_path):
    running = PAID + """
        select customer, paid_at, booked_at, count(*) over (order by booked_at, payment_id) as n
        from {{ source('raw', 'payments') }} where booked_at is not null"""  # fmt: skip
    found = verify(bank(tmp_path, {"running": running}), cutoffs=2, sample=1, rebuild=True)

    assert verdicts(found) == {"running": "same"}


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_a_sample_that_is_no_share_and_no_number_is_refused(tmp_path, size):
    assert refused(bank(tmp_path, {"total": TOTAL}), at=[day(3)], sample=size).code == "bad-sample"


def test_where_nothing_has_keys_there_is_nothing_to_sample(tmp_path):
    files = {
        "sqlfeat_project.yml": "name: bank\ntargets: {dev: {engine: duckdb, path: target/bank.duckdb}}\n",
        "models/sources.yml": """
            version: 2
            sources:
              - {name: raw, tables: [{name: payments, location: data/payments.parquet, event_time: paid_at}]}
        """,
    }

    assert refused(bank(tmp_path, {"total": TOTAL}, files), at=[day(3)], sample=5).code == "nothing-to-sample"


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_model_that_cannot_be_made_is_told_and_the_others_are_compared(tmp_path):
    broken = PAID + "select *, error('no more') as why from {{ source('raw', 'payments') }}"
    below = "select * from {{ ref('broken') }}"
    found = verify(bank(tmp_path, {"broken": broken, "below": PAID + below, "total": TOTAL}), at=[day(3)])

    assert verdicts(found) == {"broken": "not compared", "below": "not compared", "total": "differs"}
    assert model_of(found, "broken").reason == "it cannot be made from all rows: no more."
    assert model_of(found, "below").reason == "it reads broken, which could not be made"
    assert [model.name for model in found.models if model.error] == ["broken"]


def test_a_model_that_cannot_be_made_of_what_was_known_fails(tmp_path):
    needy = PAID + """
        select payment_id, paid_at, booked_at,
            case when count(*) over () < 12 then error('too few') else 1 end as n
        from {{ source('raw', 'payments') }}"""  # fmt: skip
    found = verify(bank(tmp_path, {"needy": needy}), at=[day(3)])

    assert model_of(found, "needy").reason == "it cannot be made as known at 2024-01-03 00:00:00Z: too few."
    assert found.failed


def test_a_hook_that_reaches_outside_is_not_run_and_it_is_said(tmp_path):
    copying = TOTAL.replace("event_time", "post_hook=\"copy (select 1) to 'out.parquet'\", event_time")
    inside = f"""
        {PAID.replace("event_time", "post_hook='delete from {{ this }} where payment_id > 5', event_time").strip()}
        select payment_id, paid_at, booked_at from {{{{ source('raw', 'payments') }}}}"""
    found = verify(bank(tmp_path, {"copying": copying, "inside": inside}), at=[day(20)])

    assert verdicts(found) == {"copying": "not compared", "inside": "same"}
    assert model_of(found, "inside").rows == 5
    assert not found.failed
    assert not (tmp_path / "out.parquet").exists()


def test_of_very_many_rows_that_differ_it_is_said_that_there_are_more(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "JUDGED", 2)
    found = difference_of(verify(bank(tmp_path, {"total": TOTAL}), at=[day(3, 18)]), "total", "total")

    assert (found.rows, found.at_least, found.compared) == (2, True, 5)


# -- what is touched ---------------------------------------------------------------------------------------------------


def test_nothing_of_the_target_is_touched_and_nothing_is_left(tmp_path):
    opened = bank(tmp_path, {"total": TOTAL})
    opened.run()
    before = {path: path.read_bytes() for path in sorted((tmp_path / "target").rglob("*")) if path.is_file()}

    verify(opened, at=[day(3)], rebuild=True)

    assert {path: path.read_bytes() for path in sorted((tmp_path / "target").rglob("*")) if path.is_file()} == before


def test_another_process_may_have_the_target_open(tmp_path):
    opened = bank(tmp_path, {"total": TOTAL})
    opened.run()
    with opened.project() as busy:
        busy.run()
        assert verdicts(verify(opened, at=[day(3)])) == {"total": "differs"}


def test_nothing_is_left_after_an_interrupt(tmp_path, monkeypatch):
    opened = bank(tmp_path, {"total": TOTAL})

    def interrupted(*_, **__):
        assert (tmp_path / "target" / "verify" / "full" / "bank.duckdb").is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr(readings.Readings, "compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verify(opened, at=[day(3)])

    assert list((tmp_path / "target").iterdir()) == []


def test_what_a_killed_verification_left_goes(tmp_path):
    opened = bank(tmp_path, {"total": TOTAL})
    left = tmp_path / "target" / "verify"
    for name in ("full", "beside"):
        (left / name / "bank.duckdb.layouts").mkdir(parents=True)
        (left / name / "bank.duckdb").write_text("no database")

    verify(opened, at=[day(3)])

    assert not left.exists()


def test_the_document_has_cutoffs_models_and_cost(tmp_path):
    document = verify(bank(tmp_path, {"total": TOTAL}), at=[day(3, 18)]).as_dict()

    assert {"cutoffs", "models", "notes", "sample", "cost"} == set(document)
    (model,) = document["models"]
    assert (model["name"], model["verdict"]) == ("total", "differs")
    (difference,) = model["differences"]
    assert (difference["column"], difference["file"], difference["line"]) == ("total", "models/total.sql", 3)
    assert (difference["full"], difference["known"]) == (330, 90)
    assert document["cutoffs"][0]["hidden"] == 7
