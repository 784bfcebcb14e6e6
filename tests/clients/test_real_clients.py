"""Clients as people have them, against a server as people start it: Feast's, Triton's and MLflow's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sqlfeat.ops.online.session import ServeSession
from sqlfeat.store.serving_log import log_files
from tests.clients.environment import answer
from tests.made.projects import Opened, shop
from tests.made.scoring import FILES, asked, register_buyer
from tests.made.serving import publish, serving

ROWS = [{"customer": "ann", "channel": "web"}, {"customer": "bob", "channel": "shop"}]
LASTING = str(FILES["models/spent.sql"]).replace("'3 days'", "'unbounded'").replace(
    "event_time='ordered_at'", "event_time='ordered_at', online=true"
)  # fmt: skip
PRESENT, NULL, NOT_FOUND = 1, 2, 4


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A shop whose features hold for ever, so that a client which cannot say as of when gets them today."""
    root = tmp_path_factory.mktemp("clients") / "shop"
    made = Opened(shop(root, {**FILES, "models/spent.sql": LASTING, "data/asked.parquet": asked(*range(9))}))
    register_buyer(made)
    publish(made)
    return made


@pytest.fixture(scope="module")
def port(opened: Opened) -> Iterator[int]:
    with serving(opened.root, "--model", "buyer", "--log", str(opened.root / "log"), "--log-flush", "1s") as (_, port):
        yield port


@pytest.fixture(scope="module")
def ours(opened: Opened) -> Iterator[ServeSession]:
    with opened.project() as project, project.serve_session() as made:
        yield made


def predicted(ours: ServeSession) -> list[Any]:
    return list(ours.predict("buyer", ROWS, at=datetime.now(UTC)).predictions)


@pytest.fixture(scope="module")
def feast(port: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("feast")
    return answer("feast_client.py", str(folder), f"http://127.0.0.1:{port}")  # type: ignore[no-any-return]


def test_a_stock_feast_client_gets_what_we_give(feast: dict[str, Any], ours: ServeSession) -> None:
    keys = {"customer": ["ann", "bob", "nobody"]}
    amount, spent = ours.look_up([("spent", "amount"), ("spent", "spent_3d")], keys, at=datetime.now(UTC))
    found = feast["features"]["values"]

    assert found == {**keys, "amount": list(amount.values), "spent_3d": list(spent.values)}
    assert found["amount"] == [30, 40, None]
    assert found["spent_3d"] == [40, 60, None]


def test_feast_is_told_what_is_there_and_what_is_not(feast: dict[str, Any]) -> None:
    found_status, unknown = feast["features"]["statuses"][1][:2], feast["features"]["statuses"][1][2]

    assert set(found_status) == {feast["features"]["statuses"][0][0]}
    assert unknown not in found_status


def test_feast_may_ask_for_full_names_and_for_a_service(feast: dict[str, Any]) -> None:
    assert feast["full"]["values"] == {"customer": ["ann", "bob", "nobody"], "spent__amount": [30, 40, None]}
    assert feast["service"]["values"] == {"customer": ["ann"], "amount": [30], "spent_3d": [40]}


def test_what_is_pushed_in_feasts_way_is_there_at_once(feast: dict[str, Any]) -> None:
    assert feast["push"][0] == 200, feast["push"]
    assert feast["pushed"]["values"] == {"customer": ["zoe"], "amount": [8], "spent_3d": [15]}


def test_what_a_feast_client_pushes_is_there_at_once(feast: dict[str, Any]) -> None:
    assert feast["written"]["values"] == {"customer": ["zoe"], "amount": [9]}


@pytest.fixture(scope="module")
def triton(port: int) -> dict[str, Any]:
    return answer("oip_client.py", f"127.0.0.1:{port}", "buyer")  # type: ignore[no-any-return]


def test_tritons_client_predicts_what_we_predict(triton: dict[str, Any], ours: ServeSession) -> None:
    assert triton["predictions"] == predicted(ours)
    assert triton["versioned"] == predicted(ours)
    assert triton["id"] == "seven"


def test_tritons_client_reads_what_is_there(triton: dict[str, Any]) -> None:
    assert (triton["live"], triton["ready"], triton["model_ready"], triton["unknown_ready"]) == (
        True,
        True,
        True,
        False,
    )
    assert triton["server"]["name"] == "sqlfeat"
    assert triton["metadata"]["versions"] == ["1"]
    assert [one["name"] for one in triton["metadata"]["inputs"]] == ["customer", "channel"]


def test_tritons_client_is_told_what_is_wrong(triton: dict[str, Any]) -> None:
    status, message = triton["refused"]

    assert status == "422"
    assert "[missing-request-column]" in message


@pytest.fixture(scope="module")
def mlflow(port: int) -> dict[str, Any]:
    return answer("mlflow_client.py", str(port), json.dumps(ROWS), python=Path(sys.executable))  # type: ignore[no-any-return]


def test_mlflows_client_predicts_what_we_predict(mlflow: dict[str, Any], ours: ServeSession) -> None:
    assert mlflow["version"]
    assert mlflow["predictions"] == {"frame": predicted(ours), "list": predicted(ours)}


def test_what_they_asked_is_in_the_log_and_the_same_offline(
    opened: Opened, feast: dict[str, Any], triton: dict[str, Any], mlflow: dict[str, Any]
) -> None:
    wanted = {"/get-online-features", "/v2/models/{model}/infer", "/invocations"}
    while not wanted <= routes(opened.root / "log"):
        pass
    with opened.project() as project:
        found = project.verify_log(opened.root / "log")

    assert {(one.keys["customer"], one.served, one.offline, one.cause) for one in found.differences} == {
        ("zoe", "8", "9", "pushed since"),
        ("zoe", "15", "24", "pushed since"),
    }  # who was asked of between two pushes
    assert found.unexplained == 0
    assert {one.subject for one in found.verdicts} == {"spent", "buyer@v1"}


def routes(folder: Path) -> set[str]:
    if not folder.exists():
        return set()
    return {route for file in log_files(folder) for route in file.read()["route"].to_pylist()}
