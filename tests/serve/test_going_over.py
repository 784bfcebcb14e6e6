"""A session goes over to what is new between two requests, and stays where it is when what is new will not do."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

from sqlfeat.errors import SqlfeatError
from sqlfeat.serve.served import Served
from sqlfeat.store.online_lmdb import LmdbSnapshot
from tests.made.projects import Opened, day, orders
from tests.made.scoring import register_buyer
from tests.made.serving import ANN, AT, client, publish, served_shop

INSTANT = day(4, 1)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return served_shop(tmp_path / "shop")


def newest_file(opened: Opened, number: int) -> Path:
    (layer,) = (opened.root / "target" / "online" / f"v{number}").glob("*.mdb")
    return layer


def test_a_new_snapshot_is_taken_and_the_old_one_let_go(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    close = LmdbSnapshot.close
    monkeypatch.setattr(LmdbSnapshot, "close", lambda self: (closed.append(self.number), close(self))[0])
    with opened.project() as project, project.serve_session() as serving:
        assert serving.predict("buyer", [ANN], at=INSTANT).snapshot == 1
        opened.change({"data/orders.parquet": orders(1, 2, 33)})
        publish(opened)
        closed.clear()

        assert serving.refresh() is True
        gc.collect()

        assert closed == [1]
        assert serving.features("buys", [ANN], at=INSTANT).rows[0]["amount"] == 33
        assert serving.predict("buyer", [ANN], at=INSTANT).snapshot == 2
    assert closed == [1, 2]


def test_whoever_started_the_server_is_told_once_what_is_wrong_and_when_it_is_over(opened: Opened) -> None:
    heard: list[str] = []
    (opened.root / "target" / "online" / "v1").rename(opened.root / "v1")
    with opened.project() as project:
        served = Served(project, noticed=heard.append)
        served.look()
        served.look()
        (opened.root / "v1").rename(opened.root / "target" / "online" / "v1")
        served.look()
        served.look()
        served.close()

    assert [told.partition("]")[0] for told in heard] == ["[no-snapshot", "Ready: snapshot 1 is served."]


def test_who_is_being_answered_ends_on_the_snapshot_that_they_began_with(opened: Opened) -> None:
    entered, go_on = threading.Event(), threading.Event()
    found = []
    with opened.project() as project, project.serve_session() as serving:
        snapshot = serving._serving.snapshot
        fetch = snapshot.fetch

        def slowly(wanted):  # type: ignore[no-untyped-def]
            entered.set()
            go_on.wait(30)
            return fetch(wanted)

        snapshot.fetch = slowly  # type: ignore[method-assign]
        del snapshot
        asking = threading.Thread(target=lambda: found.append(serving.features("buys", [ANN], at=INSTANT)))
        asking.start()
        entered.wait(30)
        opened.change({"data/orders.parquet": orders(1, 2, 33)})
        publish(opened)
        assert serving.refresh() is True
        go_on.set()
        asking.join(30)

    assert (found[0].snapshot, found[0].rows[0]["amount"]) == (1, 30)


def test_an_alias_that_moves_is_followed_at_the_next_refresh(opened: Opened) -> None:
    register_buyer(opened, seed=5)
    with opened.project() as project, project.serve_session() as serving:
        project.set_alias("buyer", "today", "1")
        first = serving.predict("buyer@today", [ANN], at=INSTANT)
        project.set_alias("buyer", "today", "2")
        between = serving.predict("buyer@today", [ANN], at=INSTANT)
        moved = serving.refresh()
        then = serving.predict("buyer@today", [ANN], at=INSTANT)
        project.delete_alias("buyer", "today")
        serving.refresh()
        with pytest.raises(SqlfeatError) as caught:
            serving.predict("buyer@today", [ANN], at=INSTANT)

    assert (first.version, between.version, moved, then.version) == (1, 1, True, 2)
    assert first.predictions == between.predictions != then.predictions
    assert caught.value.code == "no-such-version"


def test_a_version_that_is_damaged_does_not_take_the_place_of_a_good_one(opened: Opened) -> None:
    with opened.project() as project, project.serve_session() as serving:
        assert serving.predict("buyer", [ANN], at=INSTANT).version == 1
        (register_buyer(opened, seed=5).path / "model.txt").write_text("tree")
        serving.refresh()

        assert serving.predict("buyer", [ANN], at=INSTANT).version == 1
        assert [error.code for error in serving.problems] == ["damaged-version"]


def test_a_damaged_snapshot_is_passed_over_and_told_of_until_a_good_one_comes(opened: Opened) -> None:
    with opened.project() as project, client(project) as shop:
        publish(opened)
        layer = newest_file(opened, 2)
        layer.write_bytes(layer.read_bytes()[:-1] + b"?")
        shop.served.refresh()
        told = shop.get("/health/ready")
        assert (told.status, told.body["snapshot"]) == (200, 1)
        assert told.body["problems"][0]["code"] == "damaged-snapshot"
        assert shop.post("/predict/buyer", {**ANN, "at": AT}).body["snapshot"] == 1

        publish(opened)
        shop.served.refresh()
        assert shop.get("/health/ready").body == {
            "status": "ready", "snapshot": 3, "as_of": "2024-01-04T00:00:00Z", "problems": [],
        }  # fmt: skip


def test_a_snapshot_of_other_definitions_is_left_where_it_is(opened: Opened) -> None:
    spent = (opened.root / "models" / "spent.sql").read_text()
    with opened.project() as project, project.serve_session() as serving:
        assert serving.features("buys", [ANN], at=INSTANT).snapshot == 1
        opened.change({"models/spent.sql": spent.replace("ordered_at, amount,", "ordered_at, amount + 1 as amount,")})
        publish(opened)

        assert serving.refresh() is False
        assert serving.features("buys", [ANN], at=INSTANT).snapshot == 1
        assert [error.code for error in serving.problems] == ["not-published"]


def test_without_a_snapshot_the_server_waits_for_one(tmp_path: Path) -> None:
    opened = served_shop(tmp_path / "shop")
    (opened.root / "target" / "online").rename(tmp_path / "aside")
    with opened.project() as project, client(project) as shop:
        before = [shop.get("/health/ready"), shop.get("/v2/health/ready"), shop.post("/predict/buyer", ANN)]
        assert [found.status for found in before] == [503, 503, 503]
        assert before[2].body["error"]["code"] == "no-snapshot"
        assert before[2].headers["retry-after"] == "1"
        assert shop.get("/health/live").status == 200

        (tmp_path / "aside").rename(opened.root / "target" / "online")
        shop.served.refresh()
        assert shop.get("/health/ready").status == 200


def test_a_default_model_that_is_not_there_keeps_the_server_from_being_ready(opened: Opened) -> None:
    with opened.project() as project, client(project, model="byer") as shop:
        found = shop.get("/health/ready")

    assert (found.status, found.body["problems"][0]["code"]) == (503, "no-such-registered-model")
