"""The OpenAPI document says what is: every route is in it, and what it says of requests and answers holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sqlfeat.serve.application import ROUTES
from sqlfeat.serve.openapi import schema_of
from tests.made.serving import ANN, AT, Client, client, served_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    opened = served_shop(tmp_path_factory.mktemp("served") / "shop")
    with opened.project() as project, client(project) as made:
        yield made


@pytest.fixture(scope="module")
def document(shop: Client) -> dict[str, Any]:
    return shop.get("/openapi.json").body  # type: ignore[no-any-return]


def test_every_route_is_told_of(document: dict[str, Any]) -> None:
    there = {(method.upper(), path) for path, item in document["paths"].items() for method in item}

    assert {(route.method, route.template) for route in ROUTES} <= there
    assert there - {(route.method, route.template) for route in ROUTES} == {
        ("POST", "/features/buys"),
        ("POST", "/predict/buyer"),
    }


def test_rows_and_features_are_typed_by_the_plan(document: dict[str, Any]) -> None:
    operation = document["paths"]["/features/buys"]["post"]
    single, many = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    answered = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]

    assert single["required"] == ["customer", "channel"]
    assert many["properties"]["rows"]["items"]["properties"]["customer"] == {"type": ["string", "null"]}
    assert answered["features"]["oneOf"][0]["properties"]["amount"] == schema_of("BIGINT")


def test_every_status_that_comes_is_told_of(shop: Client, document: dict[str, Any]) -> None:
    bodies: list[Any] = [{**ANN, "at": AT}, {"rows": []}, {"customer": 1}, b"{", {**ANN, "at": 7}]
    for path in ("/features/buys", "/predict/buyer", "/get-online-features", "/invocations"):
        told = document["paths"][path]["post"]["responses"]
        assert {str(shop.post(path, body).status) for body in bodies} <= set(told)


def test_a_token_is_told_of_where_it_is_needed(shop: Client) -> None:
    with client(shop.served.project, token="secret") as closed:
        paths = closed.get("/openapi.json").body["paths"]

    assert paths["/features/buys"]["post"]["security"] == [{"token": []}]
    assert "security" not in paths["/health/live"]["get"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("TINYINT", {"type": ["integer", "null"], "minimum": -128, "maximum": 127}),
        ("VARCHAR", {"type": ["string", "null"]}),
        ("BOOLEAN", {"type": ["boolean", "null"]}),
        ("DOUBLE[]", {"type": ["array", "null"], "description": "DOUBLE[]"}),
        ("DECIMAL(18,2)", {"type": ["number", "string", "null"], "description": "DECIMAL(18,2)"}),
    ],
)
def test_types_of_duckdb_as_json_has_them(kind: str, expected: dict[str, Any]) -> None:
    assert schema_of(kind) == expected
