"""What a server logs of its requests: which, what stands in it, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sqlfeat.api import Project
from sqlfeat.serve.application import Application
from sqlfeat.serve.served import Served
from sqlfeat.store.serving_log import ServingLog, log_files
from tests.made.projects import Opened, day
from tests.made.serving import ANN, AT, Client, served_shop

INSTANT = day(4, 1)
TOKEN = "open sesame"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return served_shop(tmp_path_factory.mktemp("served") / "shop")


@contextmanager
def logging(project: Project, folder: Path, **settings: Any) -> Iterator[Client]:
    """A client of a server that keeps a log, which is written when this ends."""
    served = Served(project, model="buyer", serving_log=ServingLog(folder, **settings))
    try:
        served.refresh()
        yield Client(Application(served, token=TOKEN))
    finally:
        served.close()


def read(folder: Path) -> list[dict[str, Any]]:
    return [row for file in log_files(folder) for row in file.read().to_pylist()]


def test_a_prediction_is_logged_with_what_made_it(opened: Opened, tmp_path: Path) -> None:
    with opened.project() as project, logging(project, tmp_path) as shop:
        found = shop.post("/predict/buyer", {**ANN, "at": AT, "asked_id": 7, "note": "x"}, x_request_id="one")
    (row,) = read(tmp_path)

    assert found.headers["x-request-id"] == "one"
    seconds, asked_at = row.pop("seconds"), row.pop("asked_at")
    assert 0 < seconds < 60
    assert asked_at.year > 2000
    assert row == {
        "request_id": "one",
        "row": 0,
        "route": "/predict/{model}",
        "at": INSTANT,
        "training_set": "buys",
        "model": "buyer",
        "version": 1,
        "snapshot": 1,
        "snapshot_as_of": day(4),
        "statuses": [("spent", "found")],
        "event_times": [("spent", day(3))],
        "prediction": found.body["prediction"],
        "class": None,
        "probabilities": None,
        "keys": {"asked_id": 7},
        "request": {"customer": "ann", "channel": "web"},
        "features": {"channel": "web", "amount": 30, "spent_3d": 30},
    }


def test_every_way_to_ask_is_logged(opened: Opened, tmp_path: Path) -> None:
    tensors = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in ANN.items()]
    with opened.project() as project, logging(project, tmp_path) as shop:
        shop.post("/features/buys", {"rows": [ANN, ANN], "at": AT})
        shop.post("/invocations", {"inputs": [ANN]})
        shop.post("/v2/models/buyer/infer", {"inputs": tensors})
        shop.post("/get-online-features", {"features": ["spent:amount"], "entities": {"customer": ["ann", None]}})
        shop.get("/")
        assert shop.post("/features/buys", {"customer": "ann"}).status == 422
    rows = read(tmp_path)

    assert sorted((row["route"], row["row"], row["model"]) for row in rows if row["model"] is None) == [
        ("/features/{training_set}", 0, None),
        ("/features/{training_set}", 1, None),
        ("/get-online-features", 0, None),
        ("/get-online-features", 1, None),
    ]
    assert {row["route"] for row in rows if row["model"]} == {"/invocations", "/v2/models/{model}/infer"}
    looked_up = [row for row in rows if row["route"] == "/get-online-features"]
    assert [(row["request"]["customer"], row["asked"]) for row in looked_up] == [
        ("ann", ["amount"]),
        (None, ["amount"]),
    ]


def test_a_model_of_classes_is_logged_with_all_of_them(tmp_path: Path) -> None:
    opened = served_shop(tmp_path / "shop", objective="multiclass")
    with opened.project() as project, logging(project, tmp_path / "log") as shop:
        body = shop.post("/predict/buyer", {**ANN, "at": AT}).body
    (row,) = read(tmp_path / "log")

    assert (row["prediction"], row["class"]) == (None, body["prediction"])
    assert dict(row["probabilities"]) == body["probabilities"]


def test_a_sample_is_chosen_by_the_requests_id(opened: Opened, tmp_path: Path) -> None:
    with opened.project() as project, logging(project, tmp_path, sample=0.2) as shop:
        wanted = {str(number) for number in range(50) if shop.served.serving_log.wants(str(number))}
        for number in range(50):
            shop.post("/features/buys", {**ANN, "at": AT}, x_request_id=str(number))

    assert {row["request_id"] for row in read(tmp_path)} == wanted
    assert 0 < len(wanted) < 30


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ö", "a\r\nset-cookie: b"])
def test_an_id_that_is_none_is_replaced(opened: Opened, tmp_path: Path, given: str) -> None:
    with opened.project() as project, logging(project, tmp_path) as shop:
        told = [shop.post("/features/buys", ANN, x_request_id=given).headers["x-request-id"] for _ in range(2)]

    assert given not in told
    assert len(set(told)) == 2
    assert [row["request_id"] for row in read(tmp_path)] == told


def test_a_key_of_another_type_is_left_out_of_the_log_and_the_request_answered(opened: Opened, tmp_path: Path) -> None:
    with opened.project() as project, logging(project, tmp_path) as shop:
        assert shop.post("/features/buys", {**ANN, "at": AT, "asked_id": "seven"}).status == 200

    assert read(tmp_path)[0]["keys"] == {"asked_id": None}


def test_no_token_and_no_header_is_ever_in_it(opened: Opened, tmp_path: Path) -> None:
    with opened.project() as project, logging(project, tmp_path) as shop:
        shop.post("/predict/buyer", {**ANN, "at": AT}, authorization=f"Bearer {TOKEN}", cookie="canary", x_key="canary")
    told = "".join(str(file.read().to_pylist()) + str(file.about) + str(file.path) for file in log_files(tmp_path))

    assert "sesame" not in told
    assert "canary" not in told
    for file in log_files(tmp_path):
        assert b"sesame" not in file.path.read_bytes()


def test_metrics_tell_of_what_is_written_and_lost(opened: Opened, tmp_path: Path) -> None:
    with opened.project() as project, logging(project, tmp_path, waiting=1) as shop:
        shop.post("/features/buys", {"rows": [ANN, ANN], "at": AT})
        shop.served.serving_log.flush()
        told = shop.get("/metrics").body

    assert "sqlfeat_log_rows_total 1.0" in told
    assert 'sqlfeat_log_dropped_total{reason="queue-full"} 1.0' in told


def test_without_a_log_no_id_is_made_up(opened: Opened) -> None:
    with opened.project() as project:
        served = Served(project)
        served.refresh()
        found = Client(Application(served)).post("/features/buys", ANN)
        served.close()

    assert "x-request-id" not in found.headers


def test_a_session_in_process_logs_when_it_is_asked_to(opened: Opened, tmp_path: Path) -> None:
    with opened.project() as project:
        with project.serve_session(log=tmp_path) as serving:
            serving.predict("buyer", [ANN], at=INSTANT, request_id="mine")
            serving.features("buys", [ANN], at=INSTANT)
            serving.look_up([("spent", "amount"), ("spent", "spent_3d")], {"customer": ["ann"]}, at=INSTANT)
        with project.serve_session() as serving:
            serving.features("buys", [ANN], at=INSTANT)
    rows = read(tmp_path)

    assert len(rows) == 3
    assert [row["request_id"] for row in rows if row["model"]] == ["mine"]
    assert {row["route"] for row in rows} == {"python"}


def test_people_can_query_a_log_as_it_lies(opened: Opened, tmp_path: Path) -> None:
    import duckdb

    with opened.project() as project, project.serve_session(log=tmp_path) as serving:
        serving.predict("buyer", [ANN, ANN], at=INSTANT)
        serving.features("buys", [ANN], at=INSTANT)
    sql = f"select model, count(*), max(features.amount) from '{tmp_path}/buys/**/*.parquet' group by all order by all"

    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        assert connection.execute(sql).fetchall() == [("buyer", 2, 30), (None, 1, 30)]
    assert all(pq.ParquetFile(file.path).metadata.num_rows for file in log_files(tmp_path))
