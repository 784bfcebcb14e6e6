"""Profiles of feature views as they were built and published, over time."""

from __future__ import annotations

from sqlfeat.engine.duckdb import profile as profiling
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import ProfileRequest
from sqlfeat.ops.monitoring import builds
from tests.made.watched import FILES, quiet, table, watched_shop


def kept(opened, view="sold"):
    with opened.project() as project:
        return builds.kept(project._session, view)


def test_every_build_of_a_view_keeps_a_profile(tmp_path):
    opened = watched_shop(tmp_path, quiet(3, a_day=20))
    opened.run("sold")
    opened.change({"data/orders.parquet": table(quiet(4, a_day=20))})
    opened.run("sold")

    found = kept(opened)

    assert [(one.kind, one.rows) for one in found] == [("built", 60), ("built", 80)]
    assert [column.name for column in found[-1].profile().columns] == ["order_id", "gross", "channel"]


def test_the_same_data_are_kept_once(tmp_path):
    opened = watched_shop(tmp_path, quiet(3, a_day=20))
    opened.run("sold")
    opened.run("sold", full_refresh=True)

    assert len(kept(opened)) == 1


def test_other_models_keep_none(tmp_path):
    opened = watched_shop(tmp_path, quiet(3, a_day=20))
    opened.run()

    assert sorted(place.name for place in (tmp_path / "target/profiles").iterdir()) == ["sold"]


def test_a_view_can_do_without(tmp_path):
    text = FILES["models/sold.sql"].replace("event_time='sold_at'", "event_time='sold_at', monitor=false")
    opened = watched_shop(tmp_path, quiet(3, a_day=20), {"models/sold.sql": text})
    opened.run("sold")

    assert kept(opened) == []


def test_every_publication_keeps_one_too(tmp_path):
    text = FILES["models/sold.sql"].replace("event_time='sold_at'", "event_time='sold_at', online=true")
    opened = watched_shop(tmp_path, quiet(3, a_day=20), {"models/sold.sql": text})
    with opened.project() as project:
        project.publish()

    assert {(one.kind, one.rows) for one in kept(opened)} == {("built", 60), ("published", 60)}


def windowed(tmp_path, aggregate):
    text = f"""
        {{{{ config(materialized='feature_view', event_time='sold_at') }}}}
        select order_id, sold_at, {{{{ window('{aggregate}', '2 days') }}}} as spent
        from {{{{ source('raw', 'orders') }}}}
    """
    opened = watched_shop(tmp_path, quiet(3, a_day=20), {"models/spending.sql": text})
    opened.run("spending")
    return opened


def test_a_build_of_a_view_with_windows_has_their_values_as_of_each_event(tmp_path):
    opened = windowed(tmp_path, "sum(amount)")

    (found,) = kept(opened, "spending")

    (spent,) = (one for one in found.profile().columns if one.shape.name == "spent")
    values = [row["spent"] for row in opened.rows("spending")]
    assert (spent.whole.rows, spent.whole.nulls, spent.whole.maximum) == (60, 0, max(values))


def test_windows_that_would_have_to_be_computed_are_not(tmp_path):
    (found,) = kept(windowed(tmp_path, "median(amount)"), "spending")

    assert (found.rows, found.profile().columns) == (60, ())


def test_of_many_rows_some_are_counted():
    connection = Connection(memory_limit="500MB", threads=1)
    try:
        connection.register("rows", table(quiet(30)))
        request = ProfileRequest((("amount", "DOUBLE"),), "sold_at", ("order_id",), every=10)
        found = profiling.profile(connection.arrow, "rows", request)
    finally:
        connection.close()

    assert 200 < found.rows < 400
