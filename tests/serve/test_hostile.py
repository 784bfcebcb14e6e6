"""Whatever stands in a request, it is answered by a sentence: no 500, no traceback, no folder of somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.serve.application import ROUTES
from tests.made.serving import ANN, AT, Client, client, served_shop

HOSTILE = (
    "", " ", ".", "..", "../../etc/passwd", "a/b", "\\", "\0", "\n", "\u202e", "💣" * 200, "x" * 5_000,
    "'; drop table x; --", '"', "${env:HOME}", "{{ 7 * 7 }}", "%s%n", "null", "__class__", "buyer@", "@", "buyer@v1@v1",
    "buyer@0", "buyer@v" + "9" * 30,
)  # fmt: skip
told = st.text(max_size=20) | st.sampled_from([*HOSTILE, AT])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([2**70, 1e308]) | told
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(
    ["customer", "channel", "asked_at", "at", "rows", "features", "entities", "feature_service", "full_feature_names",
     "inputs", "outputs", "parameters", "params", "id", "name", "shape", "datatype", "data", "dataframe_split",
     "columns", "dataframe_records", "instances"]
)  # fmt: skip
objects = st.dictionaries(names, values | st.lists(st.dictionaries(names, values, max_size=4), max_size=3), max_size=5)
POSTS = [route.template for route in ROUTES if route.method == "POST"]
WORDS = {"training_set": "buys", "model": "buyer", "version": "1"}
targets = st.sampled_from([f"{template.format(**WORDS)}?model=buyer" for template in POSTS])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    opened = served_shop(tmp_path_factory.mktemp("served") / "shop")
    with opened.project() as project, client(project) as made:
        yield made


@settings(max_examples=60)
@given(target=targets, body=objects)
def test_no_body_is_too_much(shop: Client, target: str, body: Any) -> None:
    found = shop.post(target, body)

    assert found.status in (200, 400, 404, 409, 422), found


@given(target=targets, row=st.fixed_dictionaries({"customer": values, "channel": values}), at=values)
def test_no_value_is_too_much(shop: Client, target: str, row: dict[str, Any], at: Any) -> None:
    bodies: list[Any] = [
        {**row, "at": at},
        {"rows": [row, ANN], "at": AT},
        {"features": ["spent:amount"], "entities": {"customer": [row["customer"]]}, "at": at},
        {"dataframe_records": [row], "params": {"at": at}},
        {"inputs": [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in row.items()]},
    ]
    for body in bodies:
        assert shop.post(target, body).status in (200, 400, 404, 409, 422), body


@pytest.mark.parametrize("datatype", [{}, [], None, 7, "BYTE", "\ud800"])
def test_no_datatype_is_too_much(shop: Client, datatype: Any) -> None:
    body = {"inputs": [{"name": "customer", "shape": [], "datatype": datatype, "data": []}]}
    found = shop.post("/v2/models/buyer/infer", body)

    assert (found.status, found.body["error"][:13]) == (400, "[bad-request]")


@given(data=st.binary(max_size=200))
def test_no_bytes_are_too_much(shop: Client, data: bytes) -> None:
    for target in ("/features/buys", "/get-online-features"):
        assert shop.post(target, data).status in (400, 422)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_too_much(shop: Client, name: str) -> None:
    in_path = quote(name, safe="")
    for route in ROUTES:
        if "{" not in route.template:
            continue
        target = route.template.replace("{training_set}", in_path).replace("{model}", in_path)
        target = target.replace("{version}", in_path)
        found = shop.get(target) if route.method == "GET" else shop.post(target, {**ANN, "inputs": []})
        assert found.status in (400, 404, 405), (target, found)
    for body in (
        {"features": [f"{name}:amount"], "entities": {"customer": ["ann"]}},
        {"features": [f"spent:{name}"], "entities": {"customer": ["ann"]}},
        {"features": ["spent:amount"], "entities": {name: ["ann"]}},
        {"feature_service": name, "entities": {"customer": ["ann"]}},
    ):
        assert shop.post("/get-online-features", body).status in (400, 404, 409, 422)
    assert shop.post(f"/invocations?model={in_path}", {"inputs": [ANN]}).status in (400, 404)


def test_a_key_of_any_length_is_no_more_than_unknown(shop: Client) -> None:
    found = shop.post("/features/buys", {"customer": "x" * 1_000_000, "channel": "\0", "at": AT})

    assert (found.status, found.body["statuses"]) == (200, {"spent": "missing"})
