"""``POST /push``: new rows of a source over HTTP, in sqlfeat's own words and in Feast's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sqlfeat.serve.wire import Request
from tests.made.projects import Opened, day
from tests.made.serving import ANN, Client, client, served_shop


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return served_shop(tmp_path_factory.mktemp("pushed") / "shop")


@pytest.fixture(scope="module")
def shop(opened: Opened) -> Iterator[Client]:
    with opened.project() as project, client(project) as made:
        yield made


def order(number: int, amount: int, hour: int) -> dict[str, Any]:
    at = day(4, hour).isoformat()
    return {"order_id": number, "customer": "ann", "product": "tea", "amount": amount, "ordered_at": at}


def amount(shop: Client, hour: int) -> Any:
    return shop.post("/features/buys", {**ANN, "at": day(4, hour).isoformat()}).body["features"]["amount"]


def test_rows_are_seen_by_the_very_next_request(shop: Client) -> None:
    before = amount(shop, 3)
    told = shop.post("/push", {"view": "spent", "rows": [order(101, 7, 2)]})

    assert (told.status, told.body["status"]) == (200, "pushed")
    assert (told.body["source"], told.body["new"], told.body["known"]) == ("raw.orders", 1, 0)
    assert told.body["views"] == {"spent": 1}
    assert (before, amount(shop, 1), amount(shop, 3)) == (30, 30, 7)


def test_a_client_that_sends_again_what_it_has_sent_changes_nothing(shop: Client) -> None:
    rows = [order(102, 8, 4)]

    assert [shop.post("/push", {"view": "spent", "rows": rows}).body["new"] for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("to", ["online", "offline", "online_and_offline", None])
def test_feasts_push_is_taken_column_by_column(shop: Client, to: str | None) -> None:
    number = 110 + len(to or "")
    row = order(number, number, 5 + len(to or "") // 4)
    body = {"push_source_name": "spent", "df": {name: [value] for name, value in row.items()}}
    told = shop.post("/push", {**body, "to": to} if to else body)

    assert (told.status, told.body["new"]) == (200, 1)


def test_what_a_feast_client_writes_is_a_row_of_the_source(shop: Client) -> None:
    """Its times have Feast's names, and what the view computes is null."""
    written = {**order(140, 55, 15), "spent_3d": None, "created": None}
    written["event_timestamp"] = written.pop("ordered_at").removesuffix("+00:00")
    body = {"feature_view_name": "spent", "df": {name: [value] for name, value in written.items()}}
    told = shop.post("/write-to-online-store", body)

    assert (told.status, told.body) == (200, None)
    assert amount(shop, 16) == 55


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"df": {"customer": ["ann"]}}, 400, "feature_view_name is no text"),
        ({"feature_view_name": "spent"}, 400, "df is no JSON object"),
        ({"feature_view_name": "spend", "df": {"customer": ["ann"]}}, 404, "no feature view or source 'spend'"),
        ({"feature_view_name": "spent", "df": {"customer": ["ann"], "spent_3d": [7]}}, 422, "no column 'spent_3d'"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(shop: Client, body: Any, status: int, said: str) -> None:
    told = shop.post("/write-to-online-store", body)

    assert told.status == status
    assert said in told.body["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad-request"),
        ({"view": "spent"}, 400, "bad-request"),
        ({"view": 7, "rows": []}, 400, "bad-request"),
        ({"view": "spent", "rows": [7]}, 400, "bad-request"),
        ({"view": "spend", "rows": [order(1, 1, 1)]}, 404, "unknown-view"),
        ({"view": "buys", "rows": [order(1, 1, 1)]}, 409, "not-pushable"),
        ({"view": "spent", "rows": [{**order(1, 1, 1), "amount": "much"}]}, 422, "bad-push-row"),
        ({"view": "spent", "rows": [{"customer": "ann"}]}, 422, "bad-push-row"),
        ({"push_source_name": "spent", "df": {"customer": ["ann"], "amount": []}}, 400, "bad-request"),
        ({"push_source_name": "spent", "df": {"customer": "ann"}}, 400, "bad-request"),
        ({"push_source_name": "spent", "df": {"customer": ["ann"]}, "to": "nowhere"}, 400, "bad-request"),
        ({"push_source_name": ["spent"], "df": {"customer": ["ann"]}}, 400, "bad-request"),
    ],
)
def test_what_cannot_be_pushed_is_refused_in_words(shop: Client, body: Any, status: int, code: str) -> None:
    told = shop.post("/push", body)

    assert (told.status, told.body["error"]["code"]) == (status, code)


def test_pushing_needs_the_token_as_all_else_does(opened: Opened) -> None:
    with opened.project() as project, client(project, token="secret") as guarded:
        application = guarded.application
        assert application.refused(Request("POST", "/push", {})) is not None
        assert application.refused(Request("POST", "/push", {"authorization": "Bearer secret"})) is None


def test_it_is_described_for_machines(shop: Client) -> None:
    described = shop.get("/openapi.json").body["paths"]["/push"]["post"]

    assert described["summary"].startswith("``POST /push``")
    assert len(described["requestBody"]["content"]["application/json"]["schema"]["oneOf"]) == 2


def test_the_next_publication_has_it_in_itself(opened: Opened, shop: Client) -> None:
    shop.post("/push", {"view": "spent", "rows": [order(150, 99, 20)]})
    with opened.project() as project:
        number = project.publish(at=day(4, 21)).written.number
    shop.served.session.refresh()

    assert shop.served.session.snapshot == number
    assert amount(shop, 22) == 99
