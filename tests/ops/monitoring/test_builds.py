"""Profiles of feature views as they were built and published, over time."""

from __future__ import annotations

from shutil import rmtree

import numpy as np
import pytest

from sqlfeat.engine.duckdb import build
from sqlfeat.engine.duckdb import profile as profiling
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import ProfileRequest
from sqlfeat.ops.monitoring import builds
from tests.made.watched import FILES, quiet, table, together, watched_shop


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


def test_a_run_that_was_killed_between_a_view_and_its_profile_gets_it_with_the_next(tmp_path):
    opened = watched_shop(tmp_path, quiet(3, a_day=20))
    opened.run("sold")
    (found,) = kept(opened)
    rmtree(tmp_path / "target" / "profiles")

    result = opened.run("sold")

    assert {node.status for node in result.results} == {"unchanged"}
    assert [(one.fingerprint, one.rows, one.path.name) for one in kept(opened)] == [
        (found.fingerprint, found.rows, found.path.name)
    ]


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


MEDIAN = """
    {{ config(materialized='feature_view', event_time='sold_at') }}
    select order_id, sold_at, {{ window('median(amount)', '2 days') }} as spent from {{ source('raw', 'orders') }}
"""


def windowed(tmp_path, aggregate):
    text = MEDIAN.replace("median(amount)", aggregate)
    opened = watched_shop(tmp_path, quiet(3, a_day=20), {"models/spending.sql": text})
    opened.run("spending")
    return opened


def test_a_build_of_a_view_with_windows_has_their_values_as_of_each_event(tmp_path):
    opened = windowed(tmp_path, "sum(amount)")

    (found,) = kept(opened, "spending")

    (spent,) = (one for one in found.profile().columns if one.shape.name == "spent")
    values = [row["spent"] for row in opened.rows("spending")]
    assert (spent.whole.rows, spent.whole.nulls, spent.whole.maximum) == (60, 0, max(values))


KINDS = """
    {{ config(materialized='feature_view', entity='channel', event_time='sold_at', online=true) }}
    select channel, sold_at, amount as paid, amount > 20 as n, sold_at + interval 1 hour as later,
        {{ window('sum(amount)', '2 days') }} as spent,
        {{ window('count(*)', '2 days') }} as orders,
        {{ window('median(amount)', '2 days') }} as usual,
        {{ window('count(distinct items)', '2 days') }} as sizes,
        {{ window('mode(items)', '5 days') }} as common
    from {{ source('raw', 'orders') }}
"""
FEATURES = ["paid", "n", "later", "spent", "orders", "usual", "sizes", "common"]


@pytest.fixture
def every_kind(tmp_path):
    """A view with features of every kind: plain ones, windows from running totals, windows that need the events."""
    rows = {
        "models/kinds.sql": KINDS,
        "models/entities.yml": "version: 2\nentities: [{name: channel, keys: [channel]}]",
    }
    return watched_shop(tmp_path, quiet(14, a_day=20), rows)


def test_each_kind_of_feature_has_its_profile_after_a_run_and_after_publishing(every_kind):
    with every_kind.project() as project:
        project.run(["kinds"])
        project.publish()

    built, published = kept(every_kind, "kinds")

    for one, kind in ((built, "built"), (published, "published")):
        columns = one.profile().columns
        assert (one.kind, [column.name for column in columns]) == (kind, FEATURES)
        assert [column.whole.rows for column in columns] == [280] * len(FEATURES)


def test_windows_that_need_the_events_are_those_of_the_view_itself(every_kind):
    every_kind.run("kinds")

    (found,) = kept(every_kind, "kinds")

    rows = every_kind.rows("kinds")
    for name in ("usual", "sizes", "common"):
        counted, values = found.profile().column(name).whole, [float(row[name]) for row in rows]
        assert (counted.rows, counted.minimum, counted.maximum) == (280, min(values), max(values))
        assert counted.mean == pytest.approx(sum(values) / len(values))


def test_of_many_events_some_are_looked_up_and_the_profile_says_of_how_many(every_kind, tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "MOST_ROWS", 100)
    every_kind.run("kinds")

    (found,) = kept(every_kind, "kinds")

    profile = found.profile()
    assert (profile.rows, profile.facts, found.rows) == (50, {builds.SAMPLE_OF: 280}, 280)
    assert profile.column("usual").whole.rows == 50


def test_of_entities_with_very_many_events_fewer_are_looked_up(every_kind, monkeypatch):
    monkeypatch.setattr(build, "MOST_READ", 3_000)
    every_kind.run("kinds")

    (found,) = kept(every_kind, "kinds")

    assert 5 < found.profile().rows < 50


def test_the_same_rows_give_the_same_bytes(every_kind, monkeypatch):
    monkeypatch.setattr(builds, "MOST_ROWS", 100)
    every_kind.run("kinds")
    (first,) = kept(every_kind, "kinds")
    before = (first.path / "profile.json").read_bytes()
    rmtree(first.path)
    every_kind.run("kinds", full_refresh=True)

    (second,) = kept(every_kind, "kinds")

    assert (second.path / "profile.json").read_bytes() == before


def test_a_view_without_keys_has_its_windows_profiled_too(tmp_path):
    (found,) = kept(windowed(tmp_path, "median(amount)"), "spending")

    assert (found.rows, found.profile().column("spent").whole.rows) == (60, 60)


def test_a_changed_median_is_found_beside_the_previous_period(tmp_path):
    rows = together(quiet(14, a_day=40), quiet(7, first=14, a_day=40))
    rows["amount"] = np.where(np.arange(21 * 40) >= 14 * 40, np.array(rows["amount"]) * 1.5, rows["amount"])
    opened = watched_shop(tmp_path, rows, {"models/spending.sql": MEDIAN})
    with opened.project() as project:
        found = project.monitor("spending", against="previous")

    assert ("spent", "breach") in [(one.name, one.level) for one in found.columns]


def test_of_many_rows_some_are_counted():
    connection = Connection(memory_limit="500MB", threads=1)
    try:
        connection.register("rows", table(quiet(30)))
        request = ProfileRequest((("amount", "DOUBLE"),), "sold_at", ("order_id",), every=10)
        found = profiling.profile(connection.arrow, "rows", request)
    finally:
        connection.close()

    assert 200 < found.rows < 400
