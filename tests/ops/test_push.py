"""Pushing rows between publications: who sees them, and that no event counts twice or is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lmdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.online.push import Pusher
from sqlfeat.store import pushed_lmdb
from sqlfeat.store.lmdb_files import Environment, opened_files
from sqlfeat.store.online_lmdb import LmdbStore
from tests.made.projects import NOW, Files, Opened, day, orders, shop

SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
VIEWS: Files = {
    "models/staged.sql": """
        select order_id as id, customer, product, amount * 2 as doubled, ordered_at from {{ source('raw', 'orders') }}
        where amount > 0
    """,
    "models/spending.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
        select customer, ordered_at, doubled as last_doubled, {{ window('sum(doubled)', '3 days') }} as spent_3d,
            {{ window('count(*)', 'unbounded') }} as n
        from {{ ref('staged') }}
    """,
    "models/sales.sql": """
        {{ config(materialized='feature_view', entity='product', event_time='ordered_at', ttl='36h', online=true) }}
        select product, ordered_at, amount as price, customer as buyer from {{ source('raw', 'orders') }}
    """,
    "models/totals.sql": """
        {{ config(materialized='feature_view', entity='product', event_time='ordered_at', online=true) }}
        select product, max(ordered_at) as ordered_at, sum(amount) as total from {{ source('raw', 'orders') }}
        group by product
    """,
    "models/private.sql": """
        {{ config(materialized='feature_view', entity='product', event_time='ordered_at') }}
        select product, ordered_at, amount from {{ source('raw', 'orders') }}
    """,
}  # fmt: skip
LANDING: Files = {
    "models/sources.yml": """
        version: 2
        sources:
          - name: raw
            config: {location: "data/{name}.parquet"}
            tables:
              - name: orders
                config: {event_time: ordered_at, available_at: landed_at}
    """,
    "models/spending.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', available_at='landed_at',
                  unique_key='order_id', online=true) }}
        select customer, order_id, ordered_at, landed_at, amount as last_amount,
            {{ window('sum(amount)', 'unbounded') }} as spent, {{ window('list(amount)', '3 days') }} as amounts
        from {{ source('raw', 'orders') }}
    """,
}


def order(number: int, customer: str, product: str, amount: int, at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "order_id": number,
        "customer": customer,
        "product": product,
        "amount": amount,
        "ordered_at": at,
        **more,
    }


def landed(table: pa.Table) -> pa.Table:
    """The orders, each known an hour after it was made."""
    times = [at + timedelta(hours=1) for at in table["ordered_at"].to_pylist()]
    return table.append_column("landed_at", pa.array(times, pa.timestamp("us", "UTC")))


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Ann orders on days 1 and 3, bob on days 2 and 4: 10, 20, 30, 40; tea, tea, jam, tea."""
    return Opened(shop(tmp_path, VIEWS))


@pytest.fixture
def landing(tmp_path: Path) -> Opened:
    """The same, where it is known when an order landed."""
    return Opened(shop(tmp_path, {**LANDING, "data/orders.parquet": landed(orders())}))


def online(project: Any, view: str, columns: list[str], key: dict[str, Any], at: datetime) -> list[Any]:
    """Columns of a view of one entity, from the online store."""
    with project.serve_session() as serving:
        found = serving.look_up([(view, c) for c in columns], {k: [v] for k, v in key.items()}, at=at)
    return [one.values[0] for one in found]


def offline(project: Any, view: str, columns: list[str], key: dict[str, Any], at: datetime) -> list[Any]:
    """The same from the offline side, as numbers where online gives numbers."""
    rows = pa.table({**{k: [v] for k, v in key.items()}, "t": pa.array([at], pa.timestamp("us", "UTC"))})
    found = project.features([f"{view}.{c}" for c in columns], rows, time="t")
    values = [found[c][0].as_py() for c in columns]
    return [int(value) if type(value).__name__ == "Decimal" else value for value in values]


def both(project: Any, view: str, columns: list[str], key: dict[str, Any], at: datetime) -> list[Any]:
    """A value that is the same online and offline."""
    found = online(project, view, columns, key, at)
    assert found == offline(project, view, columns, key, at)
    return found


def test_a_pushed_row_is_seen_at_once_by_every_view_that_is_made_of_its_source_row_by_row(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving:
            asked = [("sales", "price"), ("sales", "buyer")]
            before = serving.look_up(asked, {"product": ["jam"]}, at=day(4, 2))
            pushed = project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])
            after = serving.look_up(asked, {"product": ["jam"]}, at=day(4, 2))
            windows = serving.look_up(
                [("spending", "spent_3d"), ("spending", "n")], {"customer": ["bob"]}, at=day(4, 2)
            )

    assert [one.values[0] for one in before] == [30, "ann"]
    assert [one.values[0] for one in after] == [7, "bob"]
    assert [one.values[0] for one in windows] == [134, 3]
    assert (pushed.source, pushed.new, pushed.known) == ("raw.orders", 1, 0)
    assert pushed.views == {"sales": 1, "spending": 1}
    assert pushed.waiting == ("totals",)


def test_the_next_run_has_what_was_pushed_so_that_online_and_offline_never_part(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1)), order(6, "cid", "tea", 9, day(4, 3))])
        assert both(project, "spending", ["spent_3d", "n", "last_doubled"], {"customer": "bob"}, day(4, 2)) == [
            134,
            3,
            14,
        ]
        assert both(project, "spending", ["spent_3d", "n"], {"customer": "cid"}, day(4, 3)) == [18, 1]
        assert both(project, "spending", ["spent_3d", "n"], {"customer": "cid"}, day(4, 3) - MICROSECOND) == [None, 0]
        assert both(project, "spending", ["spent_3d"], {"customer": "cid"}, day(7, 3) - MICROSECOND) == [18]
        assert both(project, "spending", ["spent_3d"], {"customer": "cid"}, day(7, 3)) == [None]
        assert both(project, "sales", ["price"], {"product": "jam"}, day(5, 13)) == [7]
        assert both(project, "sales", ["price"], {"product": "jam"}, day(5, 13) + MICROSECOND) == [None]


def test_a_push_makes_the_source_changed_for_plan_and_run(opened: Opened) -> None:
    with opened.project() as project:
        project.run(["sales"])
        assert project.run(["sales"]).results[0].status == "unchanged"
        project.push("raw.orders", [order(5, "bob", "jam", 7, day(4, 1))])
        ran = project.run(["sales"]).results[0]

    assert (ran.status, ran.rows) == ("built", 5)


def later(opened: Opened, days: int) -> Project:
    """The project, so many days later."""
    return Project.load(opened.root, clock=FixedClock(NOW + timedelta(days=days)))


@pytest.fixture
def keeping(opened: Opened) -> Opened:
    """The shop that keeps for a day what was pushed."""
    text = (opened.root / "sqlfeat_project.yml").read_text()
    online = "online: {store: lmdb, path: target/online, keep_pushes: 1 day}\n"
    opened.change({"sqlfeat_project.yml": text + online})
    return opened


def test_what_is_no_longer_known_again_counts_once_all_the_same(keeping: Opened) -> None:
    row = order(5, "bob", "jam", 7, day(4, 1))
    with keeping.project() as project:
        project.publish(at=day(4))
        project.push("sales", [row])
        project.publish(at=day(4, 2))
        assert project.push("sales", [row]).known == 1
    with later(keeping, 2) as project:
        project.publish(at=day(4, 2))
        project.push("sales", [row])
        assert both(project, "spending", ["n", "spent_3d"], {"customer": "bob"}, day(4, 2)) == [3, 134]
        project.publish(at=day(4, 2))
        assert both(project, "spending", ["n", "spent_3d"], {"customer": "bob"}, day(4, 2)) == [3, 134]


def test_what_is_pushed_to_a_source_of_no_view_is_one_event_though_it_is_not_known_again(keeping: Opened) -> None:
    keeping.change({"models/all.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'orders') }}"})
    row = order(5, "bob", "jam", 7, day(4, 1))
    for days in (0, 2, 4):
        with later(keeping, days) as project:
            pushed = project.push("raw.orders", [row])
            project.publish(at=day(4))
            assert pushed.new == (1 if days == 0 else pushed.new)
    keeping.run("all")

    assert [one["order_id"] for one in keeping.rows("all")].count(5) == 1


def test_the_files_of_runs_are_without_what_the_source_has_itself_by_now(keeping: Opened) -> None:
    brought = orders(10, 20, 30, 40, 50).to_pylist()[-1]
    with keeping.project() as project:
        project.push("raw.orders", [brought, order(6, "cid", "jam", 7, day(4, 1))])
        project.publish(at=day(6))
    keeping.change({"data/orders.parquet": orders(10, 20, 30, 40, 50)})
    with later(keeping, 2) as project:
        project.publish(at=day(6))
        (file,) = keeping.root.glob("target/online/pushes/raw.orders/*.parquet")
        assert pq.read_table(file)["order_id"].to_pylist() == [6]
        assert both(project, "spending", ["n"], {"customer": "ann"}, day(6)) == [3]
        assert both(project, "spending", ["n"], {"customer": "cid"}, day(6)) == [1]


def test_a_row_stays_that_the_source_learned_of_later_than_it_was_pushed(landing: Opened) -> None:
    """Without it the row would be known later than it was."""
    text = (landing.root / "sqlfeat_project.yml").read_text()
    online = "online: {store: lmdb, path: target/online, keep_pushes: 1 day}\n"
    landing.change({"sqlfeat_project.yml": text + online})
    with landing.project() as project:
        project.push("raw.orders", [order(5, "ann", "jam", 50, NOW - timedelta(hours=1))])
        project.publish(at=NOW)
    five = pa.concat_tables(
        [
            landed(orders()),
            pa.Table.from_pylist([order(5, "ann", "jam", 50, NOW - timedelta(hours=1), landed_at=NOW + SECOND)]),
        ],
        promote_options="permissive",
    )
    landing.change({"data/orders.parquet": five})
    with later(landing, 2) as project:
        project.publish(at=NOW + timedelta(days=2))
        (file,) = landing.root.glob("target/online/pushes/raw.orders/*.parquet")

    assert pq.read_table(file)["order_id"].to_pylist() == [5]


def test_run_query_sees_of_a_source_what_a_run_sees(opened: Opened) -> None:
    asks = """
        {{ config(materialized='table') }}
        {%- set found = run_query("select sum(amount) from " ~ source('raw', 'orders')) %}
        select {{ found.columns[0].values()[0] if execute else 0 }} as total
    """
    opened.change({"models/asks.sql": asks})
    with opened.project() as project:
        project.push("raw.orders", [order(5, "bob", "jam", 7, day(4, 1))])
    opened.run("asks")

    assert opened.rows("asks") == [{"total": 107}]


def test_the_same_rows_again_change_nothing(opened: Opened) -> None:
    rows = [order(5, "bob", "jam", 7, day(4, 1)), order(5, "bob", "jam", 7, day(4, 1))]
    with opened.project() as project:
        project.publish(at=day(4))
        first = project.push("sales", rows)
        again = project.push("spending", rows[:1])

        assert ((first.new, first.known), (again.new, again.known)) == ((1, 1), (0, 1))
        assert both(project, "spending", ["n"], {"customer": "bob"}, day(4, 2)) == [3]


def test_a_row_that_the_source_had_when_it_was_published_is_no_new_one(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        pushed = project.push("spending", [order(4, "bob", "tea", 40, day(4)), order(5, "bob", "tea", 40, day(4))])

        assert (pushed.new, pushed.known) == (1, 1)
        assert both(project, "spending", ["n"], {"customer": "bob"}, day(4, 1)) == [3]


def test_the_very_same_row_from_the_source_counts_once(opened: Opened) -> None:
    brought = orders(10, 20, 30, 40, 50).to_pylist()[-1]
    with opened.project() as project:
        project.publish(at=day(4))
        project.push("spending", [brought])
        opened.change({"data/orders.parquet": orders(10, 20, 30, 40, 50)})

        assert both(project, "spending", ["n", "spent_3d"], {"customer": "ann"}, day(5)) == [3, 160]
        project.publish(at=day(5))
        assert both(project, "spending", ["n", "spent_3d"], {"customer": "ann"}, day(5)) == [3, 160]


def test_a_publication_takes_up_what_was_pushed_and_never_counts_it_twice(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])
        assert _pushed_rows(project) == {"sales": 1, "spending": 1}
        with project.serve_session() as old:
            project.publish(at=day(4, 1))
            asked = [("spending", "n")]
            assert old.look_up(asked, {"customer": ["bob"]}, at=day(4, 2))[0].values == (3,)
            assert old.refresh()
            assert old.look_up(asked, {"customer": ["bob"]}, at=day(4, 2))[0].values == (3,)
        project.push("sales", [order(6, "bob", "jam", 8, day(4, 2))])
        assert both(project, "spending", ["n"], {"customer": "bob"}, day(4, 2)) == [4]
        project.publish(at=day(4, 3))
        project.publish(at=day(4, 4))  # now no snapshot that is kept needs them

        assert _pushed_rows(project) == {"sales": 0, "spending": 0}
        assert both(project, "spending", ["n"], {"customer": "bob"}, day(4, 5)) == [4]
        assert project.check_published().differing == 0


def _pushed_rows(project: Any) -> dict[str, int]:
    """How many rows lie in the store of pushes, by view."""
    environment = opened_files.take(project._session.pushes.file)
    found = {}
    for name in environment.names():
        kind, _, table = name.partition(":")
        if kind == "view":
            with environment.lmdb.begin() as transaction:
                found[table.split("@")[0]] = transaction.stat(environment.found(name))["entries"]
    return found


def test_a_correction_replaces_and_a_late_row_counts_from_when_it_was_pushed(landing: Opened) -> None:
    with landing.project() as project:
        project.publish(at=day(5))
        project.push("spending", [order(3, "ann", "jam", 31, day(3))])  # known now: at the clock's instant
        before, after = NOW - MICROSECOND, NOW

        assert both(project, "spending", ["spent", "last_amount"], {"customer": "ann"}, before) == [40, 30]
        assert both(project, "spending", ["spent", "last_amount"], {"customer": "ann"}, after) == [41, 31]


def test_a_row_may_say_itself_when_it_was_known(landing: Opened) -> None:
    with landing.project() as project:
        project.publish(at=day(5))
        project.push("spending", [order(3, "ann", "jam", 31, day(3), landed_at=day(6))])
        project.push("spending", [order(3, "ann", "jam", 30, day(3), landed_at=day(7))])  # it was right after all

        for at, spent in ((day(6) - MICROSECOND, 40), (day(6), 41), (day(7) - MICROSECOND, 41), (day(7), 40)):
            assert both(project, "spending", ["spent"], {"customer": "ann"}, at) == [spent]


def test_an_older_version_counts_for_nothing_though_the_newer_one_has_left_every_window(tmp_path: Path) -> None:
    """The newer version says that the event was long ago; only that it exists is still of use."""
    corrected = orders(10, 20).append_column("landed_at", pa.array([day(9, 12)] * 2, pa.timestamp("us", "UTC")))
    view = """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', available_at='landed_at',
                  unique_key='order_id', online=true) }}
        select customer, order_id, ordered_at, landed_at, {{ window('count(*)', '3 days') }} as n
        from {{ source('raw', 'orders') }}
    """
    files = {**LANDING, "models/spending.sql": view, "data/orders.parquet": corrected}
    with Opened(shop(tmp_path, files)).project() as project:
        project.publish(at=day(10))
        late = [
            order(1, "ann", "tea", 10, day(9), landed_at=day(9, 6)),
            order(2, "ann", "tea", 20, day(9), landed_at=day(9, 6)),  # was another entity's
            order(3, "ann", "tea", 30, day(9), landed_at=day(9, 6)),
        ]
        project.push("raw.orders", late)

        assert both(project, "spending", ["n"], {"customer": "ann"}, day(10, 2)) == [1]


WINDOWED = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', available_at='landed_at',
              unique_key='order_id', online=true) }}
    select customer, order_id, ordered_at, landed_at, {{ window('count(*)', '3 days') }} as n
    from {{ source('raw', 'orders') }}
"""


@pytest.mark.parametrize("when", ["published", "pushed", "published again"])
def test_an_older_version_counts_for_nothing_though_no_window_knows_of_the_newer_one_any_more(
    tmp_path: Path, when: str
) -> None:
    """It was known before it happened, and the newer one is of a time, and known at a time, that was long ago."""
    newer = [order(1, "ann", "tea", 10, day(1), landed_at=day(2)), order(2, "bob", "tea", 20, day(1), landed_at=day(2))]
    other = order(9, "eve", "tea", 20, day(1), landed_at=day(1))
    schema = landed(orders()).schema
    at_first = pa.Table.from_pylist([other] if when == "pushed" else newer, schema=schema)
    files = {**LANDING, "models/spending.sql": WINDOWED, "data/orders.parquet": at_first}
    with Opened(shop(tmp_path, files)).project() as project, Pusher(project._session) as pusher:
        if when == "pushed":
            project.publish(at=day(2))
            pusher.push("raw.orders", newer)
        project.publish(at=day(3) if when == "published again" else day(10))
        late = [
            order(1, "ann", "tea", 10, day(9), landed_at=day(1, 6)),
            order(2, "ann", "tea", 20, day(9), landed_at=day(1, 6)),  # was another entity's
            order(3, "ann", "tea", 30, day(9), landed_at=day(1, 6)),
        ]
        pusher.push("raw.orders", late)
        pusher.push("raw.orders", [order(1, "ann", "tea", 11, day(9), landed_at=day(1, 7))])
        with project.serve_session() as serving:
            serving.look_up([("spending", "n")], {"customer": ["ann"]}, at=day(10, 2))
            if when == "published again":
                project.publish(at=day(10))

        assert both(project, "spending", ["n"], {"customer": "ann"}, day(10, 2)) == [1]
        assert both(project, "spending", ["n"], {"customer": "bob"}, day(10, 2)) == [0]


def test_an_event_that_moves_to_another_entity_leaves_the_one_that_had_it(landing: Opened) -> None:
    with landing.project() as project:
        project.publish(at=day(5))
        project.push("spending", [order(3, "bob", "jam", 30, day(3), landed_at=day(6))])
        project.push("spending", [order(3, "cid", "jam", 30, day(3), landed_at=day(7))])

        for at, spent in ((day(6) - MICROSECOND, (40, 60, None)), (day(6), (10, 90, None)), (day(7), (10, 60, 30))):
            found = [both(project, "spending", ["spent"], {"customer": who}, at)[0] for who in ("ann", "bob", "cid")]
            assert tuple(found) == spent


def test_pushed_events_stand_in_the_order_of_aggregates(landing: Opened) -> None:
    rows = [order(9, "ann", "tea", 9, day(3), landed_at=day(3)), order(8, "ann", "tea", 8, day(3), landed_at=day(5))]
    with landing.project() as project:
        project.publish(at=day(5))
        project.push("spending", rows)

        # of one instant the one that was known later comes last
        assert both(project, "spending", ["amounts"], {"customer": "ann"}, day(5)) == [[9, 30, 8]]


def test_another_process_sees_what_is_pushed_and_pushes_itself(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving:
            done = subprocess.run(
                [sys.executable, "-m", "sqlfeat.cli.main", "push", "sales", "--rows", "new.jsonl", "--json"],
                cwd=_with_rows(opened.root, [order(5, "bob", "jam", 7, day(4, 1))]),
                capture_output=True,
                text=True,
                check=True,
            )
            price = serving.look_up([("sales", "price")], {"product": ["jam"]}, at=day(4, 2))[0].values

    assert json.loads(done.stdout)["views"] == {"sales": 1, "spending": 1}
    assert price == (7,)


def _with_rows(folder: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [json.dumps({**row, "ordered_at": row["ordered_at"].isoformat()}) for row in rows]
    (folder / "new.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("form", ["rows", "table", "new.parquet", "new.csv", "new.jsonl"])
def test_rows_come_in_whatever_form(opened: Opened, form: str) -> None:
    given: Any = [order(number, "bob", "jam", number, day(4, 1)) for number in (7, 8)]
    table = pa.Table.from_pylist(given, schema=orders().schema)
    if form == "table":
        given = table
    elif form == "new.jsonl":
        given = _with_rows(opened.root, given) / form
    elif form.startswith("new"):
        opened.change({form: table})
        given = opened.root / form
    with opened.project() as project:
        project.publish(at=day(4))
        assert project.push("spending", given).new == 2
        assert project.push("spending", [order(8, "bob", "jam", 8, day(4, 1))]).known == 1
        assert both(project, "spending", ["n", "spent_3d"], {"customer": "bob"}, day(4, 2)) == [4, 150]


def test_few_rows_and_many_become_the_same(opened: Opened) -> None:
    given = [order(number, "bob", "jam", number - 20, day(4, 1) + number * SECOND) for number in range(10, 60)]
    with opened.project() as project:
        project.publish(at=day(4))
        with Pusher(project._session) as pusher:
            pusher.push("spending", given[:1])
            (one,) = pusher._made["source.raw.orders"][1:]
            feed = pusher._feed("spending")
            few = [one.made.rows(lambda: None, feed.batch([row], 0).plain) for row in given]
            many = one.made.rows(feed.batch(given, 0).table, None)
            assert one.made.is_compiled
            assert [row for rows in few for row in rows] == many
            assert [feed.batch([row], 0).ids[0] for row in given] == list(feed.batch(given, 0).ids)


def test_many_rows_of_which_a_view_makes_nothing_are_kept_for_others(opened: Opened) -> None:
    given = [order(number, "bob", "jam", -1, day(4, 1) + number * SECOND) for number in range(300)]
    with opened.project() as project:
        project.publish(at=day(4))

        assert project.push("spending", given).views == {"sales": 300, "spending": 0}


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"order_id": 5}, "'customer', 'product', 'amount', 'ordered_at' are missing"),
        ({"amount": "much"}, "amount is 'much', which is no BIGINT"),
        ({"amount": 2**70}, "amount"),
        ({"custmer": "bob"}, "raw.orders has no column 'custmer'"),
        ({"ordered_at": "yesterday"}, "ordered_at"),
    ],
)
def test_a_wrong_row_is_refused_by_name_and_none_of_its_push_is_kept(
    opened: Opened, row: dict[str, Any], named: str
) -> None:
    good = order(5, "bob", "jam", 7, day(4, 1))
    with opened.project() as project:
        project.publish(at=day(4))
        with pytest.raises(SqlfeatError) as caught:
            project.push("sales", [good, row if len(row) == 1 and "order_id" in row else {**good, **row}])
        assert caught.value.code == "bad-push-row"
        assert f"Row 2: {named}" in caught.value.what or named in caught.value.what
        assert both(project, "sales", ["price"], {"product": "jam"}, day(4, 2)) == [30]


def test_a_wrong_value_in_a_file_is_named_with_its_row(opened: Opened) -> None:
    opened.change(
        {"new.csv": "order_id,customer,product,amount,ordered_at\n5,bob,jam,7,2024-01-04\n6,bob,jam,much,2024-01-04\n"}
    )
    with opened.project() as project, pytest.raises(SqlfeatError) as caught:
        project.push("sales", opened.root / "new.csv")

    assert (caught.value.code, caught.value.what) == ("bad-push-row", "Row 2: amount is 'much', which is no BIGINT.")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("totals", "not-pushable", "it aggregates rows"),
        ("private", "not-pushable", "no online feature view"),
        ("saels", "unknown-view", "saels"),
    ],
)
def test_what_cannot_be_made_equal_is_refused_with_what_can(opened: Opened, name: str, code: str, said: str) -> None:
    with opened.project() as project, pytest.raises(SqlfeatError) as caught:
        project.push(name, [order(5, "bob", "jam", 7, day(4, 1))])

    assert caught.value.code == code
    assert said in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("select", "why"),
    [
        (
            "select o.* from {{ source('raw', 'orders') }} o join {{ source('raw', 'orders') }} p using (order_id)",
            "joins",
        ),
        ("select * from {{ source('raw', 'orders') }} qualify row_number() over (order by order_id) > 1", "window"),
        ("select * from {{ source('raw', 'orders') }} where ordered_at < now()", "now()"),
        ("select distinct * from {{ source('raw', 'orders') }}", "DISTINCT"),
        ("select * from {{ source('raw', 'orders') }} where amount > (select 1)", "subquery"),
        ("select * from {{ source('raw', 'orders') }} union all select * from {{ source('raw', 'orders') }}", "set op"),
        ("select * from {{ source('raw', 'orders') }} order by order_id limit 3", "LIMIT"),
    ],
)
def test_the_error_names_the_model_on_the_way_that_mixes_rows(opened: Opened, select: str, why: str) -> None:
    opened.change({
        "models/staged.sql": select,
        "models/spending.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
            select customer, ordered_at, amount from {{ ref('staged') }}
        """,
    })  # fmt: skip
    with opened.project() as project, pytest.raises(SqlfeatError) as caught:
        project.push("spending", [])

    assert caught.value.code == "not-pushable"
    assert "staged, which spending is made of" in caught.value.what
    assert why in caught.value.what


def test_a_join_to_what_never_changes_is_made_for_the_new_rows(opened: Opened) -> None:
    opened.change({
        "seeds/kinds.csv": "product,kind\ntea,drink\njam,spread\n",
        "models/sources.yml": """
            version: 2
            sources:
              - name: raw
                config: {location: "data/{name}.parquet"}
                tables:
                  - name: orders
                    config: {event_time: ordered_at}
                  - name: origins
                    config: {immutable: true}
        """,
        "data/origins.parquet": pa.table({"product": ["tea", "jam"], "origin": ["Assam", "Provence"]}),
        "models/spending.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
            select customer, ordered_at, kind, origin, {{ window('sum(amount)', '3 days') }} as spent
            from {{ source('raw', 'orders') }} left join {{ ref('kinds') }} using (product)
                join {{ source('raw', 'origins') }} as o using (product)
        """,
    })  # fmt: skip
    with opened.project() as project:
        project.publish(at=day(4))
        rows = [order(5, "cid", "jam", 7, day(4, 1)), order(6, "cid", "ham", 8, day(4, 1))]
        assert project.push("spending", rows).views["spending"] == 1
        assert both(project, "spending", ["kind", "origin", "spent"], {"customer": "cid"}, day(4, 2)) == [
            "spread",
            "Provence",
            7,
        ]
        with pytest.raises(SqlfeatError) as caught:
            project.push("raw.origins", [{"product": "ham", "origin": "Parma"}])

    assert caught.value.code == "not-pushable"


def test_a_join_that_makes_several_rows_of_one_is_refused(opened: Opened) -> None:
    opened.change({
        "seeds/kinds.csv": "product,kind\njam,spread\njam,sweet\n",
        "models/spending.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
            select customer, ordered_at, kind from {{ source('raw', 'orders') }} join {{ ref('kinds') }} using (product)
        """,
    })  # fmt: skip
    with opened.project() as project:
        project.run(["+spending"])
        project.publish(at=day(4))
        with pytest.raises(SqlfeatError) as caught:
            project.push("spending", [order(5, "cid", "jam", 7, day(4, 1))])

        assert (caught.value.code, project.push("sales", []).new) == ("not-pushable", 0)


def test_before_anything_is_published_rows_wait_for_the_first_publication(opened: Opened) -> None:
    with opened.project() as project:
        pushed = project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])
        project.publish(at=day(4, 1))

        assert pushed.views == {}
        assert both(project, "sales", ["price"], {"product": "jam"}, day(4, 2)) == [7]


@pytest.mark.parametrize("incremental", [False, True])
def test_what_is_pushed_while_a_view_is_published_first_is_seen_when_that_is_done(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, incremental: bool
) -> None:
    """A publication has taken up what was pushed, and has not moved on to the new snapshot yet."""
    publish, others = LmdbStore.publish, [order(5, "bob", "jam", 7, day(4, 1)), order(6, "cid", "tea", 9, day(4, 1))]

    def pushed_meanwhile(store: LmdbStore, *arguments: Any, **more: Any) -> Any:
        if others:
            with opened.project() as other:
                other.push("sales", [others.pop()])
        return publish(store, *arguments, **more)

    monkeypatch.setattr(LmdbStore, "publish", pushed_meanwhile)
    with opened.project() as project:
        project.publish(at=day(4), incremental=incremental)
        assert both(project, "spending", ["n"], {"customer": "cid"}, day(4, 2)) == [1]
        assert both(project, "sales", ["price"], {"product": "tea"}, day(4, 2)) == [9]


@pytest.mark.parametrize("incremental", [False, True])
def test_what_is_pushed_while_the_source_brings_it_too_counts_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, incremental: bool
) -> None:
    """The publication has read the row from the source; the push was compared with the snapshot of before."""
    publish, given = LmdbStore.publish, order(5, "bob", "jam", 7, day(4, 1))
    others = [given]

    def pushed_meanwhile(store: LmdbStore, *arguments: Any, **more: Any) -> Any:
        if others:
            with opened.project() as other:
                other.push("sales", [others.pop()])
        return publish(store, *arguments, **more)

    with opened.project() as project:
        project.publish(at=day(4))
    opened.change({"data/orders.parquet": pa.Table.from_pylist([*orders().to_pylist(), given], orders().schema)})
    monkeypatch.setattr(LmdbStore, "publish", pushed_meanwhile)
    with opened.project() as project:
        project.publish(at=day(4), incremental=incremental)

        assert both(project, "spending", ["n"], {"customer": "bob"}, day(4, 2)) == [3]


def test_a_push_that_a_publication_overtakes_is_made_anew_for_its_snapshot(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It found nothing published when it began; when it was about to be kept, there was a snapshot."""
    append, overtaken = pushed_lmdb.LmdbPushes.append, []

    def published_meanwhile(store: Any, *arguments: Any) -> Any:
        if not overtaken:
            overtaken.append(True)
            with opened.project() as other:
                other.publish(at=day(4))
        return append(store, *arguments)

    monkeypatch.setattr(pushed_lmdb.LmdbPushes, "append", published_meanwhile)
    with opened.project() as project:
        pushed = project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])

        assert pushed.views == {"sales": 1, "spending": 1}
        assert both(project, "sales", ["price"], {"product": "jam"}, day(4, 2)) == [7]


def test_a_row_that_nothing_identifies_is_no_other_event_when_it_is_pushed_again(tmp_path: Path) -> None:
    nameless = order(None, "bob", "jam", 7, day(3, 1))  # type: ignore[arg-type]
    told = {
        "models/told.sql": """
            {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', unique_key='order_id',
                      online=true) }}
            select customer, order_id, ordered_at, {{ window('count(*)', 'unbounded') }} as n
            from {{ source('raw', 'orders') }}
        """,
        "data/orders.parquet": pa.Table.from_pylist([*orders().to_pylist(), nameless], orders().schema),
    }
    with Opened(shop(tmp_path, told)).project() as project:
        project.publish(at=day(4))

        assert project.push("told", [nameless]).new == 0
        before = both(project, "told", ["n"], {"customer": "bob"}, day(4, 1))
        assert project.push("told", [{**nameless, "amount": 8}]).new == 1
        assert both(project, "told", ["n"], {"customer": "bob"}, day(4, 1)) == [before[0] + 1]


def test_a_row_that_the_source_has_brought_since_is_seen_when_it_is_pushed_with_one_of_before(opened: Opened) -> None:
    """Beside a row that the view leaves out, it is not known at once which row makes what."""
    brought, left_out = order(5, "bob", "jam", 7, day(4, 1)), order(6, "bob", "jam", -1, day(4, 1))
    with opened.project() as project:
        project.publish(at=day(4))
    opened.change({"data/orders.parquet": pa.Table.from_pylist([*orders().to_pylist(), brought], orders().schema)})
    with opened.project() as project:
        project.push("spending", [orders().to_pylist()[0], brought, left_out])

        assert both(project, "spending", ["n"], {"customer": "bob"}, day(4, 2)) == [3]


def test_a_damaged_row_is_refused_with_words_and_others_are_served(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1)), order(6, "bob", "tea", 8, day(4, 1))])
        _damage(project, "view:sales", b"jam")
        with pytest.raises(SqlfeatError) as caught:
            online(project, "sales", ["price"], {"product": "jam"}, day(4, 2))

        assert caught.value.code == "damaged-push"
        assert "sales" in caught.value.what
        assert online(project, "sales", ["price"], {"product": "tea"}, day(4, 2)) == [8]


def test_a_damaged_event_is_told_of_and_a_run_has_all_others(opened: Opened) -> None:
    with opened.project() as project:
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1)), order(6, "bob", "tea", 8, day(4, 1))])
        _damage(project, "log", b"jam")
        project.run(["sales"])

        assert sorted(row["price"] for row in project.table("sales").to_pylist()) == [8, 10, 20, 30, 40]
    assert any("checksum" in event.text for event in opened.events if event.kind == "log")


def _damage(project: Any, table: str, holding: bytes) -> None:
    """Change a byte of a row that holds some text."""
    environment = opened_files.take(project._session.pushes.file)
    name = next(name for name in environment.names() if name.startswith(table))
    database = environment.made([name])[name]
    with environment.lmdb.begin(write=True) as transaction:
        for key, value in list(transaction.cursor(database)):
            if holding in value:
                transaction.put(key, value.replace(holding, holding[::-1]), db=database)


def test_a_server_that_is_down_takes_no_pushes_and_says_so(tmp_path: Path) -> None:
    redis = {"sqlfeat_project.yml": f"{_PROJECT}online: {{store: redis, url: redis://127.0.0.1:1/0}}\n"}
    with Opened(shop(tmp_path, {**VIEWS, **redis})).project() as project, pytest.raises(SqlfeatError) as caught:
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])

    assert caught.value.code == "online-store-down"


_PROJECT = """name: shop
targets:
  dev: {engine: duckdb, path: target/shop.duckdb, threads: 1}
entities:
  customer: {keys: [customer]}
  product: {keys: [product]}
"""


def test_clean_keeps_what_was_pushed(opened: Opened) -> None:
    with opened.project() as project:
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])
        project.clean()
        project.run(["sales"])

        assert project.table("sales").num_rows == 5


def test_a_file_of_pushes_that_was_cut_off_is_refused(opened: Opened) -> None:
    with opened.project() as project:
        project.push("sales", [order(5, "bob", "jam", 7, day(4, 1))])
        file = project._session.pushes.file
    cut = file.with_name("cut.mdb")
    cut.write_bytes(file.read_bytes()[: 3 * 4096])
    with pytest.raises((SqlfeatError, lmdb.Error)) as caught:
        Environment(cut)

    assert getattr(caught.value, "code", "damaged-push") == "damaged-push"
