"""Publishing a project's feature views, and asking what was published."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from sqlfeat.compiler.fingerprint import of_feature
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.definition import feature_fingerprints
from sqlfeat.ops.online import publish as publishing
from sqlfeat.ops.online.given import microseconds, plain_of
from sqlfeat.ops.online.publish import online_store
from sqlfeat.ops.online.reading import views_of
from sqlfeat.ops.online.request import BoundPlan, plan_of
from sqlfeat.ops.training_set import assemble
from sqlfeat.ops.transforms import with_parameters
from tests.made.projects import NOW, Files, Opened, day, orders, shop

VIEWS: Files = {
    "models/spending.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
        select customer, ordered_at, amount, {{ window('sum(amount)', '3 days') }} as spent_3d,
            coalesce({{ window('count(*)', '1 day') }}, 0) + 1 as rank_1d
        from {{ source('raw', 'orders') }}
    """,
    "models/sales.sql": """
        {{ config(materialized='feature_view', entity='product', event_time='ordered_at', ttl='36h', online=true) }}
        select product, ordered_at, amount as price, customer as buyer from {{ source('raw', 'orders') }}
    """,
    "models/offline_only.sql": """
        {{ config(materialized='feature_view', entity='product', event_time='ordered_at') }}
        select product, ordered_at, amount from {{ source('raw', 'orders') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', event_time='ordered_at') }}
        select product, ordered_at, amount as offered, amount > 15 as large from {{ source('raw', 'orders') }}
    """,
    "models/deals.sql": """
        {{ config(materialized='training_set', label='large', keys=['product']) }}
        select a.product, a.ordered_at, {{ feature('sales.price') }} as last_price,
            {{ feature('spending.spent_3d', on={'customer': feature('sales.buyer')}) }} as buyer_spent,
            a.offered / {{ feature('sales.price') }} as ratio, a.large
        from {{ ref('asked') }} as a
    """,
}  # fmt: skip
LATER = day(4) + timedelta(hours=1)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Ann orders on days 1 and 3, bob on days 2 and 4: 10, 20, 30, 40; tea, tea, jam, tea."""
    return Opened(shop(tmp_path, VIEWS))


def test_what_is_online_is_published_and_nothing_else(opened: Opened) -> None:
    with opened.project() as project:
        publication = project.publish(at=day(4))

    assert publication.views == ("sales", "spending")
    assert publication.as_of == day(4)
    assert publication.written.number == 1
    assert not any("offline_only" in name for name in publication.written.tables)


def test_without_an_online_view_the_error_says_how_there_is_one(tmp_path: Path) -> None:
    offline = {name: text for name, text in VIEWS.items() if name == "models/offline_only.sql"}
    with Opened(shop(tmp_path, offline)).project() as project, pytest.raises(SqlfeatError) as caught:
        project.publish()

    assert caught.value.code == "no-online-views"
    assert "online=true" in (caught.value.hint or "")


def test_a_request_gets_what_its_training_row_would_have(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(3))
        with project.serve_session() as serving:
            rows = [
                {"product": "tea", "offered": 5},
                {"product": "jam", "offered": 60},
                {"product": "gone", "offered": 1},
            ]
            found = serving.features("deals", rows, at=LATER)

            assert found.names == ("last_price", "buyer_spent", "ratio")
            assert [list(row.values()) for row in found.rows] == [
                [40, "60", 0.125],
                [30, "30", 2.0],
                [None, None, None],
            ]
            assert [next(iter(statuses.values())) for statuses in found.statuses] == ["found", "found", "missing"]


def test_a_value_goes_when_its_ttl_has_run_out_and_a_window_moves_on(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving:
            asked = [{"product": "tea", "offered": 4}]

            def values(at: datetime) -> list[object]:
                return list(serving.features("deals", asked, at=at).rows[0].values())

            assert values(day(4)) == [40, "60", 0.1]
            assert values(day(4) + timedelta(hours=36)) == [40, "40", 0.1]
            assert values(day(4) + timedelta(hours=36, microseconds=1)) == [None, None, None]


def test_nothing_is_read_from_before_the_snapshot(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving, pytest.raises(SqlfeatError) as caught:
            serving.features("deals", [{"product": "tea", "offered": 5}], at=day(3))

    assert caught.value.code == "before-snapshot"


@pytest.mark.parametrize(
    ("row", "code", "named"),
    [
        ({"product": "tea"}, "missing-request-column", "offered"),
        ({"product": 7, "offered": 5}, "bad-request-value", "product"),
        ({"product": "tea", "offered": "much"}, "bad-request-value", "offered"),
        ({"product": "tea", "offered": 2**70}, "bad-request-value", "offered"),
        ({"product": "tea", "offered": True}, "bad-request-value", "offered"),
        ({"product": "tea", "offered": 5, "ordered_at": "yesterday"}, "bad-request-value", "ordered_at"),
    ],
)
def test_a_wrong_request_is_refused_by_name(opened: Opened, row: dict[str, object], code: str, named: str) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving, pytest.raises(SqlfeatError) as caught:
            serving.features("deals", [row])

    assert caught.value.code == code
    assert named in caught.value.what


def test_a_row_may_bring_its_own_time_and_what_is_more_is_ignored(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(1))
        with project.serve_session() as serving:
            rows = [
                {"product": "tea", "offered": 5, "ordered_at": at, "colour": "green"}
                for at in (day(1), day(2).isoformat(), day(3), day(2, 1).replace(tzinfo=None))
            ]
            found = serving.features("deals", rows)

    assert [row["last_price"] for row in found.rows] == [10, 20, 20, 20]


def test_a_session_goes_over_to_a_newer_snapshot_when_it_is_told_to(opened: Opened) -> None:
    asked = [{"product": "tea", "offered": 5}]
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving:
            assert serving.refresh() is False
            opened.change({"data/orders.parquet": orders(1, 2, 3, 44)})
            project.publish(at=day(4))
            assert serving.features("deals", asked, at=LATER).rows[0]["last_price"] == 40
            assert serving.refresh() is True
            assert serving.features("deals", asked, at=LATER).rows[0]["last_price"] == 44
            assert serving.snapshot == 2


def test_incremental_publication_writes_what_changed(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        again = project.publish(at=day(4), incremental=True)

        assert {table.written + table.removed for table in again.written.tables.values()} == {0}
        assert project.check_published().differing == 0


def test_what_has_expired_is_not_published(opened: Opened) -> None:
    with opened.project() as project:
        now = project.publish(at=day(5, 1))

        sales = next(table for name, table in now.written.tables.items() if name.startswith("sales@"))
        assert sales.rows == 1  # jam was sold on day 3


def test_a_check_finds_what_is_not_the_same_offline(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        same = project.check_published()
        opened.change({"data/orders.parquet": orders(1, 2, 3, 44)})
        other = project.check_published()

    assert (same.differing, same.cells > 0) == (0, True)
    assert other.differing > 0
    assert {one.view for one in other.differences} == {"sales", "spending"}
    assert other.differences[0].offline != other.differences[0].online


def test_a_training_set_over_what_is_not_published_is_refused_with_the_view(opened: Opened) -> None:
    opened.change({
        "models/other.sql": """
            {{ config(materialized='training_set', label='large', keys=['product']) }}
            select a.product, a.ordered_at, {{ feature('offline_only.amount') }} as amount, a.large
            from {{ ref('asked') }} as a
        """
    })  # fmt: skip
    with opened.project() as project:
        project.publish(at=day(4))
        with project.serve_session() as serving, pytest.raises(SqlfeatError) as caught:
            serving.features("other", [{"product": "tea"}])

    assert caught.value.code == "not-published"
    assert "offline_only" in caught.value.what


def test_a_view_that_is_defined_otherwise_since_is_refused_until_it_is_published(opened: Opened) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
    opened.change({"models/sales.sql": VIEWS["models/sales.sql"].replace("amount as price", "amount + 1 as price")})  # type: ignore[union-attr, arg-type]
    with opened.project() as project:
        with project.serve_session() as serving, pytest.raises(SqlfeatError) as caught:
            serving.features("deals", [{"product": "tea", "offered": 5}])
        assert caught.value.code == "not-published"
        project.publish(at=day(4))
        with project.serve_session() as serving:
            assert serving.features("deals", [{"product": "tea", "offered": 5}], at=LATER).rows[0]["last_price"] == 41


def test_the_clock_gives_the_instant_where_nobody_does(opened: Opened) -> None:
    with opened.project() as project:
        assert project.publish().as_of == NOW
        with project.serve_session() as serving:
            assert serving.features("deals", [{"product": "tea", "offered": 5}]).rows[0]["last_price"] is None


TRANSFORMED: Files = {
    **VIEWS,
    "models/deals.sql": """
        {{ config(materialized='training_set', label='large', keys=['product'], split={'train': '2020-01-01'}) }}
        select a.product, a.ordered_at,
            {{ standardize(impute(feature('sales.price'), 'median')) }} as price_z,
            {{ ordinal(feature('sales.buyer')) }} as buyer_place,
            {{ target_encode('a.product', smooth=1) }} as product_rate,
            {{ one_hot(feature('sales.buyer')) }} as buyer,
            {{ hash_bucket('a.product', 8) }} as bucket,
            {{ min_max('a.offered', clip=True) }} as offered_share,
            {{ robust_scale('a.offered') }} as offered_robust,
            {{ quantile_bin('a.offered', 3) }} as offered_bin,
            {{ clip_outliers('a.offered') }} as offered_clipped,
            {{ impute(feature('sales.buyer'), 'most_frequent') }} as buyer_known,
            a.offered - {{ fitted('avg(a.offered)') }} as above,
            a.large
        from {{ ref('asked') }} as a
    """,
}


def test_transforms_are_replayed_with_the_parameters_that_were_fitted(tmp_path: Path) -> None:
    with Opened(shop(tmp_path, TRANSFORMED)).project() as project:
        built = project.build_training_set("deals")
        project.publish(at=day(1))
        session = project._session
        model = with_parameters(session.training_set("deals"), built.manifest["transforms"])
        plan = plan_of(model, feature_fingerprints(model, session.manifest))
        asked = project.table("asked").to_pylist()
        offline = assemble(
            session, "deals", rows=project.table("asked"), transforms=built.manifest["transforms"]
        ).to_pylist()
        engine = Rowwise()
        with online_store(session).open() as snapshot:
            bound = BoundPlan(plan, snapshot, list(views_of(snapshot).values()), engine)
            rows = [{name: plain_of(name, row[name], bound.typed[name]) for name in plan.columns} for row in asked]
            answers = bound.answer(rows, [microseconds(row["ordered_at"]) for row in asked])
        engine.close()

    assert set(plan.outputs) >= {"price_z", "buyer_place", "product_rate", "buyer_ann", "buyer_bob", "bucket", "above"}
    for row, answer in zip(offline, answers, strict=True):
        assert {name: row[name] for name in plan.outputs} == dict(zip(plan.outputs, answer.values, strict=True))


def test_inputs_made_by_transforms_are_served_by_what_the_newest_kept_set_was_fitted_on(tmp_path: Path) -> None:
    opened, log = Opened(shop(tmp_path, TRANSFORMED)), tmp_path / "log"
    with opened.project() as project:
        project.run()
        project.publish(at=day(1))
        asked = project.table("asked").to_pylist()[0]
        with project.serve_session(log=log) as serving:
            unfitted = serving.features("deals", [asked], at=LATER)
            built = project.build_training_set("deals")
            project.publish(at=day(1))
            assert serving.refresh()
            fitted = serving.features("deals", [asked], at=LATER)
            assert serving.slow("deals") == {}
        offline = assemble(
            project._session,
            "deals",
            rows=pa.Table.from_pylist([asked | {"ordered_at": LATER}], project.table("asked").schema),
            transforms=built.manifest["transforms"],
        ).to_pylist()[0]
        verified = project.verify_log(log)

    assert (unfitted.fitted_on, unfitted.rows[0]) == (None, {})
    assert fitted.fitted_on == built.id
    assert set(fitted.rows[0]) == {column.name for column in built.inputs}
    assert fitted.rows[0] == {name: offline[name] for name in fitted.rows[0]}
    assert (verified.verdicts[0].cells, verified.differences) == (len(fitted.rows[0]), ())


def test_parameters_of_a_set_of_another_definition_are_not_served(tmp_path: Path) -> None:
    opened = Opened(shop(tmp_path, TRANSFORMED))
    with opened.project() as project:
        project.build_training_set("deals")
        project.publish(at=day(1))
    opened.change({"models/deals.sql": str(TRANSFORMED["models/deals.sql"]).replace("'median'", "'mean'")})
    with opened.project() as project, project.serve_session() as serving:
        assert serving.fitted_on("deals") is None
        assert serving.outputs("deals") == {}


def test_what_a_model_with_an_alias_learned_from_stays_published(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened.project() as project:
        project.publish(at=day(4))
        model = project._session.manifest.models["sales"]
        mark = of_feature(model, "price", project._session.manifest.fingerprints)
    changed = str(VIEWS["models/sales.sql"]).replace("amount as price", "amount + 1 as price")
    opened.change({"models/sales.sql": changed})
    version = SimpleNamespace(version=3, features={"sales.price": mark})
    for aliases, carried in (({"champion": 3}, 1), ({"champion": 2}, 0)):
        made = SimpleNamespace(versions=(version,), aliases=aliases)
        monkeypatch.setattr(publishing.registry, "registered_models", lambda folder, made=made: [made])
        with opened.project() as project:
            publication = project.publish(at=day(4))
            assert len(publication.carried) == carried
            with online_store(project._session).open() as snapshot:
                views = views_of(snapshot)
                assert sorted(view.current for view in views.values() if view.name == "sales") == [False] * carried + [
                    True
                ]
