"""What is asked over HTTP and what is answered, in sqlfeat's own words and in those of Feast, MLflow and OIP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sqlfeat.ops.online.session import ServeSession
from tests.made.projects import Opened, day
from tests.made.serving import ANN, AT, Client, client, served_shop

INSTANT = day(4, 1)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return served_shop(tmp_path_factory.mktemp("served") / "shop")


@pytest.fixture(scope="module")
def shop(opened: Opened) -> Iterator[Client]:
    with opened.project() as project, client(project, model="buyer") as made:
        yield made


def session(shop: Client) -> ServeSession:
    return shop.served.session


def score(shop: Client, row: dict[str, Any] = ANN) -> float:
    return float(session(shop).predict("buyer", [row], at=INSTANT).predictions[0])


# -- sqlfeat's own -------------------------------------------------------------------------------------------------


def test_one_row_is_an_object_and_so_is_its_answer(shop: Client) -> None:
    found = shop.post("/features/buys", {**ANN, "at": AT})

    assert (found.status, found.body) == (
        200,
        {
            "training_set": "buys",
            "snapshot": 1,
            "features": {"channel": "web", "amount": 30, "spent_3d": "30"},
            "statuses": {"spent": "found"},
        },
    )


def test_many_rows_are_answered_in_their_order(shop: Client) -> None:
    rows = [ANN, {"customer": "nobody", "channel": None}, {"customer": None, "channel": "shop"}]
    found = shop.post("/features/buys", {"rows": rows, "at": AT}).body

    assert [row["amount"] for row in found["features"]] == [30, None, None]
    assert [row["spent"] for row in found["statuses"]] == ["found", "missing", "missing"]


def test_the_instant_stands_in_the_body_the_query_or_the_row(shop: Client) -> None:
    expired = (day(4, 1).replace(day=9)).isoformat()
    asked = [
        shop.post("/features/buys", {**ANN, "at": expired}),
        shop.post(f"/features/buys?at={expired.replace('+', '%2B')}", ANN),
        shop.post("/features/buys", {**ANN, "asked_at": expired}),
        shop.post("/features/buys", ANN),
    ]

    assert [found.body["statuses"] for found in asked] == [{"spent": "expired"}] * 4


def test_a_prediction_says_which_version_and_snapshot_made_it(shop: Client) -> None:
    expected = {
        "model": "buyer",
        "version": 1,
        "snapshot": 1,
        "prediction": score(shop),
        "statuses": {"spent": "found"},
    }

    for path in (
        "/predict/buyer",
        "/predict/buyer@1",
        "/predict/buyer@v1",
        "/predict/buyer@latest",
        "/predict/buyer%401",
    ):
        found = shop.post(path, {**ANN, "at": AT})
        assert (found.status, found.body) == (200, expected), path


def test_many_predictions(shop: Client) -> None:
    found = shop.post("/predict/buyer", {"rows": [ANN, ANN], "at": AT}).body

    assert found["predictions"] == [score(shop)] * 2
    assert shop.post("/predict/buyer", {"rows": []}).body["predictions"] == []


def test_a_model_of_classes_gives_the_likeliest_and_the_probability_of_each(tmp_path: Path) -> None:
    opened = served_shop(tmp_path / "shop", objective="multiclass")
    with opened.project() as project, client(project) as shop:
        one = shop.post("/predict/buyer", {**ANN, "at": AT}).body
        tensors = {"inputs": [tensor("customer", ["ann", "bob"]), tensor("channel", ["web", "web"])]}
        outputs = shop.post("/v2/models/buyer/infer", tensors).body["outputs"]

    assert set(one["probabilities"]) == {"never", "later", "now"}
    assert one["prediction"] == max(one["probabilities"], key=one["probabilities"].get)
    assert [(output["name"], output["datatype"], output["shape"]) for output in outputs] == [
        ("prediction", "BYTES", [2]),
        ("probabilities", "FP64", [2, 3]),
    ]
    assert len(outputs[1]["data"]) == 6


def test_the_metadata_tell_what_can_be_asked(shop: Client) -> None:
    found = shop.get("/").body

    assert (found["snapshot"], found["default_model"]) == (1, "buyer")
    assert found["training_sets"]["buys"] == {
        "request": {"customer": "VARCHAR", "channel": "VARCHAR"},
        "as_of": {"asked_at": "TIMESTAMP WITH TIME ZONE"},
        "features": {"channel": "VARCHAR", "amount": "BIGINT", "spent_3d": "DECIMAL(38,0)"},
        "slow": {},
    }
    assert found["models"]["buyer"] == {"latest": 1, "aliases": {}, "training_set": "buys"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "named"),
    [
        ("/features/bays", ANN, 404, "unknown-training-set", "buys"),
        ("/features/spent", ANN, 404, "unknown-training-set", "feature_view"),
        ("/predict/byer", ANN, 404, "no-such-registered-model", "buyer"),
        ("/predict/buyer@9", ANN, 404, "no-such-version", "v1"),
        ("/predict/buyer@best", ANN, 404, "no-such-version", "best"),
        ("/predict/..%2f..%2fetc", ANN, 404, "bad-reference", "etc"),
        ("/predict/buyer@@", ANN, 404, "bad-reference", "buyer"),
        ("/features/buys/more", ANN, 404, "unknown-route", "openapi"),
        ("/features/buys", {"customer": "ann"}, 422, "missing-request-column", "channel"),
        ("/features/buys", {"customer": 7, "channel": "web"}, 422, "bad-request-value", "customer"),
        ("/features/buys", {**ANN, "at": "noon"}, 422, "bad-request-value", "noon"),
        ("/features/buys", {**ANN, "at": day(3).isoformat()}, 422, "before-snapshot", "2024-01-04"),
        ("/features/buys", b"{", 400, "bad-request", "JSON"),
        ("/features/buys", b"", 400, "bad-request", "JSON"),
        ("/features/buys", b"\xff\xfe", 400, "bad-request", "JSON"),
        ("/features/buys", b"[" * 100_000, 400, "bad-request", "recursion"),
        ("/features/buys", [ANN], 400, "bad-request", "object"),
        ("/features/buys", {"rows": ANN}, 400, "bad-request", "list"),
        ("/features/buys", {"rows": [ANN, 7]}, 400, "bad-request", "Row 2"),
        ("/features/buys", {"rows": [ANN] * 10_001}, 400, "bad-request", "10,001"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_told_by_code_sentence_and_hint(
    shop: Client, path: str, body: Any, status: int, code: str, named: str
) -> None:
    found = shop.post(path, body)

    assert (found.status, found.body["error"]["code"]) == (status, code)
    assert named in f"{found.body['error']['message']} {found.body['error']['hint']}"


def test_a_wrong_method_is_told_which_is_right(shop: Client) -> None:
    found = shop.get("/features/buys")

    assert (found.status, found.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_of_another_type_is_not_read(shop: Client, kind: str) -> None:
    assert shop.post("/features/buys", ANN, content_type=kind).status == 415
    assert shop.post("/features/buys", ANN, content_encoding="gzip").status == 415


def test_the_figures_count_answers_rows_and_errors(opened: Opened) -> None:
    with opened.project() as project, client(project) as shop:
        shop.post("/predict/buyer", {"rows": [ANN, ANN]})
        shop.post("/predict/nobody", ANN)
        text = shop.get("/metrics").body

    for line in (
        'sqlfeat_requests_total{route="/predict/{model}",status="200"} 1.0',
        'sqlfeat_requests_total{route="/predict/{model}",status="404"} 1.0',
        'sqlfeat_errors_total{code="no-such-registered-model"} 1.0',
        'sqlfeat_rows_total{route="/predict/{model}"} 2.0',
        'sqlfeat_request_seconds_count{route="/predict/{model}"} 2.0',
        "sqlfeat_snapshot 1.0",
        "sqlfeat_ready 1.0",
    ):
        assert line in text.splitlines()
    assert "nobody" not in text


# -- Feast ---------------------------------------------------------------------------------------------------------


def test_feast_gets_columns_statuses_and_event_times(shop: Client) -> None:
    """The shape is that of ``feast serve``'s get-online-features."""
    body = {
        "features": ["spent:amount", "spent:spent_3d"],
        "entities": {"customer": ["ann", "bob", "zoe", None]},
        "full_feature_names": True,
        "at": day(4, 13).isoformat(),
    }
    found = shop.post("/get-online-features", body).body
    never = "1970-01-01T00:00:00Z"
    times = ["2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z", never, never]

    assert found["metadata"]["feature_names"] == ["customer", "spent__amount", "spent__spent_3d"]
    assert found["results"] == [
        {"values": ["ann", "bob", "zoe", None], "statuses": ["PRESENT"] * 4, "event_timestamps": [never] * 4},
        {
            "values": [None, 40, None, None],
            "statuses": ["OUTSIDE_MAX_AGE", "PRESENT", "NOT_FOUND", "NOT_FOUND"],
            "event_timestamps": times,
        },
        {
            "values": [30, 60, None, None],
            "statuses": ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND"],
            "event_timestamps": times,
        },
    ]


def test_a_null_that_was_published_is_told_from_nothing(opened: Opened, tmp_path: Path) -> None:
    made = served_shop(tmp_path / "shop")
    path = "models/spent.sql"
    text = (made.root / path).read_text().replace("ordered_at, amount,", "ordered_at, nullif(amount, 30) as amount,")
    made.change({path: text})
    with made.project() as project:
        project.publish(at=day(4))
        with client(project) as shop:
            body = {"features": ["spent:amount"], "entities": {"customer": ["ann", "bob"]}, "at": AT}
            (_, found) = shop.post("/get-online-features", body).body["results"]

    assert (found["values"], found["statuses"]) == ([None, 40], ["NULL_VALUE", "PRESENT"])


def test_a_feature_service_is_a_training_set(shop: Client) -> None:
    body = {"feature_service": "buys", "entities": {"customer": ["ann"]}, "at": AT}
    found = shop.post("/get-online-features", body, content_type="application/json").body

    assert found["metadata"]["feature_names"] == ["customer", "amount", "spent_3d"]
    assert [result["values"] for result in found["results"]] == [["ann"], [30], [30]]


def test_feasts_clients_send_no_content_type(shop: Client) -> None:
    from sqlfeat.serve.wire import Request

    body = b'{"features": ["spent:amount"], "entities": {"customer": ["ann"]}}'

    assert shop.application.handle(Request("POST", "/get-online-features", {}, body)).status == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"features": ["amount"]}, 400, "bad-request"),
        ({"features": [7]}, 400, "bad-request"),
        ({"features": ["spent:amount", "spent:amount"]}, 400, "bad-request"),
        ({"features": ["spend:amount"]}, 409, "not-published"),
        ({"features": ["spent:amounts"]}, 404, "unknown-feature"),
        ({"features": None}, 400, "bad-request"),
        ({"feature_service": "nothing"}, 404, "unknown-training-set"),
        ({"entities": {}}, 400, "bad-request"),
        ({"entities": {"customer": "ann"}}, 400, "bad-request"),
        ({"entities": {"customer": ["ann"], "product": []}}, 400, "bad-request"),
        ({"entities": {"product": ["tea"]}}, 422, "missing-request-column"),
        ({"entities": {"customer": [1]}}, 422, "bad-request-value"),
    ],
)
def test_feast_requests_that_cannot_be_meant(shop: Client, change: dict[str, Any], status: int, code: str) -> None:
    body = {"features": ["spent:amount"], "entities": {"customer": ["ann"]}, **change}
    found = shop.post("/get-online-features", body)

    assert (found.status, found.body["error"]["code"]) == (status, code)


# -- MLflow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"index": [0], "columns": ["customer", "channel"], "data": [["ann", "web"]]}},
        {"dataframe_records": [ANN]},
        {"inputs": {"customer": ["ann"], "channel": ["web"]}},
        {"inputs": [ANN]},
        {"instances": [ANN]},
    ],
)
@pytest.mark.parametrize("target", ["/invocations", "/invocations?model=buyer@1"])
def test_mlflows_forms_give_predictions(shop: Client, body: dict[str, Any], target: str) -> None:
    found = shop.post(target, {**body, "params": {"at": AT}})

    assert (found.status, found.body) == (200, {"predictions": [score(shop)]})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"inputs": [ANN], "instances": [ANN]}, 400),
        ({"inputs": [[1, 2]]}, 400),
        ({"dataframe_split": {"columns": ["customer"], "data": [["ann", "web"]]}}, 400),
        ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, 400),
        ({"dataframe_split": {"columns": [["a"]], "data": [[1]]}}, 400),
        ({"dataframe_records": [{"customer": "ann"}]}, 422),
        ({"inputs": {"customer": ["ann"], "channel": []}}, 400),
        ({"inputs": [ANN], "params": 7}, 400),
    ],
)
def test_mlflow_errors_have_its_shape(shop: Client, body: dict[str, Any], status: int) -> None:
    found = shop.post("/invocations", body)

    assert (found.status, set(found.body)) == (status, {"error_code", "message"})


def test_without_a_default_model_one_must_be_named(opened: Opened) -> None:
    with opened.project() as project, client(project) as shop:
        found = shop.post("/invocations", {"inputs": [ANN]})

    assert found.status == 400
    assert "?model=NAME" in found.body["message"]


def test_mlflows_probes(shop: Client) -> None:
    assert [shop.get(path).status for path in ("/ping", "/health", "/version")] == [200, 200, 200]


# -- Open Inference Protocol ---------------------------------------------------------------------------------------


def tensor(name: str, data: list[Any], /, **changes: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": data, **changes}


def test_the_server_and_its_models_describe_themselves(shop: Client) -> None:
    expected = {
        "name": "buyer",
        "versions": ["1"],
        "platform": "sqlfeat_lightgbm",
        "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in ("customer", "channel")],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    }

    assert set(shop.get("/v2").body) == {"name", "version", "extensions"}
    assert shop.get("/v2/health/live").body == {"live": True}
    assert shop.get("/v2/health/ready").body == {"ready": True}
    assert shop.get("/v2/models/buyer").body == shop.get("/v2/models/buyer/versions/1").body == expected
    assert shop.get("/v2/models/buyer/ready").body == {"name": "buyer", "ready": True}


def test_tensors_are_columns(shop: Client) -> None:
    inputs = [tensor("customer", ["ann", "ann"]), tensor("channel", [["web"], ["web"]], shape=[2, 1])]
    body = {"id": "42", "inputs": inputs, "parameters": {"at": AT}, "outputs": [{"name": "prediction"}]}
    outputs = [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": [score(shop)] * 2}]

    for path in ("/v2/models/buyer/infer", "/v2/models/buyer/versions/1/infer"):
        assert shop.post(path, body).body == {
            "model_name": "buyer", "model_version": "1", "id": "42", "outputs": outputs,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        (None, 400),
        ([], 400),
        ([7], 400),
        ([tensor("customer", ["ann"], shape=[2])], 400),
        ([tensor("customer", ["ann"], shape=[True])], 400),
        ([tensor("customer", ["ann"], shape="x")], 400),
        ([tensor("customer", ["ann"], datatype="STRING")], 400),
        ([tensor("customer", ["ann"], name=None)], 400),
        ([tensor("customer", ["ann"]), tensor("customer", ["ann"])], 400),
        ([tensor("customer", ["ann"]), tensor("channel", [])], 400),
        ([tensor("customer", ["ann"])], 422),
    ],
)
def test_oip_errors_are_texts(shop: Client, inputs: Any, status: int) -> None:
    found = shop.post("/v2/models/buyer/infer", {"inputs": inputs, "parameters": {"at": AT}})

    assert found.status == status
    assert isinstance(found.body["error"], str)


def test_unknown_models_and_outputs_are_not_found(shop: Client) -> None:
    body = {"inputs": [tensor("customer", ["ann"]), tensor("channel", ["web"])], "outputs": [{"name": "more"}]}

    assert shop.get("/v2/models/byer").status == shop.get("/v2/models/byer/ready").status == 404
    assert shop.post("/v2/models/buyer/versions/7/infer", body).status == 404
    assert shop.post("/v2/models/buyer/infer", body).status == 400
