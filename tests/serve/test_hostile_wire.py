"""Bytes that no client of good will sends, over a connection: each is answered at once, by the status that it earns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlfeat.serve.application import Application
from sqlfeat.serve.served import Served
from tests.made.projects import Opened
from tests.made.serving import ANN, AT, Line, Told, client, listening, posting, publish, served_shop

HOSTS = ("localhost", "127.0.0.1", "[::1]", "::1", "shop.example")
PATH = f"/features/buys?at={AT.replace('+', '%2B')}"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return served_shop(tmp_path_factory.mktemp("served") / "shop")


@pytest.fixture(scope="module")
def port(opened: Opened) -> Iterator[int]:
    unexpected: list[str] = []
    with opened.project() as project:
        served = Served(project, model="buyer")
        served.refresh()
        with listening(Application(served, hosts=HOSTS, log=unexpected.append)) as made:
            yield made
        served.close()
    assert unexpected == []


def told(port: int, *data: bytes) -> Told:
    with Line(port) as line:
        for piece in data:
            line.send(piece)
        found = line.answer()
    assert found is not None
    return found


def row(customer: str, channel: str = '"web"') -> bytes:
    return f'{{"customer": {customer}, "channel": {channel}}}'.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (row("NaN"), 400),
        (row("1e999"), 400),
        (row("-Infinity"), 400),
        (row("9" * 5_000), 400),
        (row("1.5"), 422),
        (row("true"), 422),
        (row('"\\ud800"'), 400),
        (row('"\ud800"'), 400),
        (row('"\\u0000"'), 200),
        (row('"\0"'), 400),
        (row('"\\r\\nset-cookie: a=b"'), 200),
        (row('"\'; drop table orders; --"'), 200),
        (row('"../../etc/passwd"'), 200),
        (row('{"a": "b"}'), 422),
        (row("[" * 2_000 + "]" * 2_000), 400),
        (row('"ann"', '{"a":' * 900 + "1" + "}" * 900), 422),
        (b'{"customer": "bob", "customer": "ann", "channel": "web"}', 200),
        (b'{"customer": "ann", "channel": "web"} and more', 400),
        (b'\xef\xbb\xbf{"customer": "ann", "channel": "web"}', 400),
        ('{"customer": "ann", "channel": "web"}'.encode("utf-16"), 400),
        (b'{"rows": [' + b"{}," * 10_001 + b"{}]}", 400),
        (b'{"rows": [[]]}', 400),
        (b'"text"', 400),
        (b"null", 400),
    ],
)
def test_a_body_is_read_or_refused(port: int, body: bytes, status: int) -> None:
    found = told(port, posting(PATH, body))

    assert found.status == status, found
    assert "set-cookie" not in found.headers
    assert "Traceback" not in str(found.body)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("content-type: text/csv",), 415),
        (("content-type: application/x-www-form-urlencoded",), 415),
        (("content-type: multipart/form-data; boundary=x",), 415),
        (("content-encoding: gzip",), 415),
        (("content-type: application/json; charset=latin-1",), 200),
        (("transfer-encoding: chunked",), 400),
        (("content-length: 5",), 400),
        (("x: " + "y" * 40_000,), 431),
        (tuple(f"x{number}: y" for number in range(5_000)), 431),
        (("x-request-id: a\x7f\x01",), 400),
        (("expect: the unexpected",), 200),
        (("upgrade: websocket", "connection: upgrade"), 200),
        (("range: bytes=0-1",), 200),
        (("accept: text/html",), 200),
    ],
)
def test_headers_are_heeded_or_refused(port: int, headers: tuple[str, ...], status: int) -> None:
    assert told(port, posting(PATH, ANN, *headers)).status == status


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n{}\r\n",
        b"2\r\n{}x\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_are_none_are_refused(port: int, chunks: bytes) -> None:
    head = b"POST /features/buys HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"

    assert told(port, head, chunks).status == 400


@pytest.mark.parametrize(
    "target",
    [
        "/features/../../etc/passwd",
        "/features/..%2f..%2fetc%2fpasswd",
        "/features/%00",
        "/features/buys%0d%0aset-cookie:a=b",
        "/predict/....//....//etc",
        "/v2/models/%2e%2e/infer",
        "/features/buys;x=y",
        "http://elsewhere.example/features/nobody",
        "/" + "a/" * 3_000,
    ],
)
def test_a_path_leads_to_what_is_served_or_nowhere(port: int, opened: Opened, target: str) -> None:
    found = told(port, posting(target, ANN))

    assert found.status in (400, 404), found
    assert "set-cookie" not in found.headers
    assert str(opened.root) not in str(found.body)


@pytest.mark.parametrize("name", ["/predict/nobody", "/v2/models/nobody/infer", "/invocations?model=nobody"])
def test_what_is_not_there_is_told_without_the_folder_where_it_is_not(port: int, opened: Opened, name: str) -> None:
    found = told(port, posting(name, {"inputs": [ANN]}))

    assert found.status == 404
    assert "registry" in str(found.body)
    assert str(opened.root.parent) not in str(found.body)


def test_the_health_of_a_server_tells_no_folder(tmp_path: Path) -> None:
    opened = served_shop(tmp_path / "shop")
    number = publish(opened)
    (layer,) = (opened.root / "target" / "online" / f"v{number}").glob("*.mdb")
    layer.write_bytes(layer.read_bytes()[:-1] + b"?")
    with opened.project() as project, client(project) as shop:
        (problem,) = shop.get("/health/ready").body["problems"]

    assert problem["code"] == "damaged-snapshot"
    assert str(tmp_path) not in str(problem)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:6566", "127.0.0.1:80", "[::1]:6566", "shop.example"])
def test_a_server_answers_to_its_names(port: int, host: str) -> None:
    data = posting(PATH, ANN).replace(b"host: localhost", f"host: {host}".encode())

    assert told(port, data).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:6566", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", "0.0.0.0"],
)
@pytest.mark.parametrize("path", ["/features/buys", "/health/live", "/openapi.json"])
def test_a_page_that_calls_the_server_by_its_own_name_is_not_answered(port: int, host: str, path: str) -> None:
    found = told(port, posting(path, ANN).replace(b"host: localhost", f"host: {host}".encode()))

    assert (found.status, found.body["error"]["code"]) == (421, "unknown-host")


def test_who_leaves_in_the_middle_costs_nobody_anything(port: int) -> None:
    for size in (1, 20, 60, 100):
        with Line(port) as line:
            line.send(posting(PATH, ANN)[:size])
    assert told(port, posting(PATH, ANN)).status == 200
