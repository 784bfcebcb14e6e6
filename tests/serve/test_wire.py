"""Clients that ask too much, too slowly, too often, or not in HTTP; a server that has too much to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sqlfeat.serve.application import Application
from sqlfeat.serve.wire import Limits, Request, Response
from tests.made.projects import Opened
from tests.made.serving import ANN, AT, Client, Line, Told, client, listening, posting, served_shop

ASKED = posting("/features/buys", {**ANN, "at": AT})
LIVE = b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return served_shop(tmp_path_factory.mktemp("served") / "shop")


@pytest.fixture(scope="module")
def shop(opened: Opened) -> Iterator[Client]:
    with opened.project() as project, client(project) as made:
        yield made


@pytest.fixture(scope="module")
def port(shop: Client) -> Iterator[int]:
    with listening(shop.application) as made:
        yield made


def told(port: int, data: bytes) -> Told | None:
    with Line(port) as line:
        line.send(data)
        return line.answer()


def test_one_connection_serves_many_requests_one_after_the_other(port: int) -> None:
    with Line(port) as line:
        for _ in range(3):
            line.send(ASKED)
            found = line.answer()
            assert found is not None
            assert (found.status, found.body["features"]["amount"]) == (200, 30)


def test_requests_that_come_at_once_are_answered_in_their_order(port: int) -> None:
    with Line(port) as line:
        line.send(b"".join([ASKED, LIVE, b"GET /nothing HTTP/1.1\r\nhost: here\r\n\r\n"] * 100))
        statuses = [answer.status for _ in range(300) if (answer := line.answer())]

    assert statuses == [200, 200, 404] * 100


def test_a_request_may_come_byte_by_byte_or_in_chunks(port: int) -> None:
    with Line(port) as line:
        for byte in ASKED:
            line.send(bytes([byte]))
        assert line.answer().status == 200  # type: ignore[union-attr]
        line.send(
            b"POST /features/buys HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        )
        assert line.answer().status == 422  # type: ignore[union-attr]


def test_who_says_close_or_ends_gets_the_answer_and_then_the_end(port: int) -> None:
    with Line(port) as line:
        line.send(LIVE.replace(b"host: here", b"connection: close"))
        assert line.answer().headers["connection"] == "close"  # type: ignore[union-attr]
        assert line.answer() is None
    with Line(port) as line:
        line.send(ASKED)
        line.end()
        assert line.answer().status == 200  # type: ignore[union-attr]
        assert line.answer() is None


def test_a_head_is_answered_without_a_body(port: int) -> None:
    with Line(port) as line:
        line.send(b"HEAD /health/live HTTP/1.1\r\nhost: here\r\n\r\n" + LIVE)
        line._file.readline()
        head = b"".join(iter(line._file.readline, b"\r\n"))
        assert b"content-length: 17" in head
        assert line.answer().body == {"status": "live"}  # type: ignore[union-attr]


def test_a_client_may_wait_for_leave_to_send_its_body(port: int) -> None:
    head, body = posting("/features/buys", {**ANN, "at": AT}, "expect: 100-continue").split(b"\r\n\r\n", 1)
    with Line(port) as line:
        line.send(head + b"\r\n\r\n")
        assert line.answer().status == 100  # type: ignore[union-attr]
        line.send(body)
        assert line.answer().status == 200  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /" + b"a" * 40_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 8_000, 431),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ncontent-length: 9999999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"BREW /features/buys HTTP/1.1\r\n\r\n", 400),
        (b"DELETE /features/buys HTTP/1.1\r\n\r\n", 405),
        (b"GET /%ff%00%ed%a0%80 HTTP/1.1\r\n\r\n", 404),
    ],
)
def test_what_is_no_request_is_refused(port: int, data: bytes, status: int) -> None:
    found = told(port, data)

    assert found is not None
    assert found.status == status
    assert found.body["error"]["code"]


def test_a_body_that_grows_too_long_is_refused_while_it_comes(shop: Client) -> None:
    with listening(shop.application, limits=Limits(body=1_000)) as port, Line(port) as line:
        line.send(b"POST /features/buys HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n")
        line.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        assert line.answer().status == 413  # type: ignore[union-attr]
        assert line.answer() is None


@pytest.mark.parametrize("begun", [LIVE[:20], ASKED[:-5]])
def test_a_request_that_does_not_come_is_not_waited_for(shop: Client, begun: bytes) -> None:
    limits = Limits(seconds_head=0.05, seconds_body=0.05)
    with listening(shop.application, limits=limits) as port, Line(port) as line:
        line.send(begun)
        found = line.answer()

    assert found is not None
    assert (found.status, found.body["error"]["code"]) == (408, "request-too-slow")


def test_a_connection_without_a_word_is_ended(shop: Client) -> None:
    limits = Limits(seconds_head=0.05, seconds_idle=0.05)
    with listening(shop.application, limits=limits) as port, Line(port) as silent, Line(port) as idle:
        idle.send(LIVE)
        assert idle.answer().status == 200  # type: ignore[union-attr]
        assert idle.answer() is None
        assert silent.answer() is None


def test_there_are_so_many_connections_and_no_more(shop: Client) -> None:
    with listening(shop.application, limits=Limits(connections=1)) as port, Line(port) as first:
        first.send(LIVE)
        assert first.answer().status == 200  # type: ignore[union-attr]
        with Line(port) as second:
            found = second.answer()

    assert found is not None
    assert (found.status, found.headers["retry-after"]) == (503, "1")


class Held(Application):
    """An application that answers nothing until it may."""

    def __init__(self, shop: Client) -> None:
        super().__init__(shop.served)
        self.go_on = threading.Event()
        self.entered = threading.Semaphore(0)

    def handle(self, request: Request, came: float | None = None) -> Response:
        if request.method == "POST":
            self.entered.release()
            self.go_on.wait(30)
        return super().handle(request, came)


def test_who_comes_when_too_many_wait_is_sent_away_and_health_is_not(shop: Client) -> None:
    application = Held(shop)
    with listening(application, queue=2) as port, Line(port) as one, Line(port) as two, Line(port) as three:
        for line in (one, two):
            line.send(ASKED)
            application.entered.acquire(timeout=30)
        three.send(ASKED)
        refused = three.answer()
        three.send(LIVE)
        live = three.answer()
        application.go_on.set()
        answers = [line.answer() for line in (one, two)]

    assert refused is not None
    assert (refused.status, refused.body["error"]["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert live is not None
    assert [answer.status for answer in (live, *answers) if answer] == [200] * 3
    assert 'sqlfeat_refused_total{reason="overloaded"} 1.0' in application.metrics.text().decode()


def test_a_server_that_is_stopped_answers_what_it_was_asked(shop: Client) -> None:
    application = Held(shop)
    with ExitStack() as open_lines:
        with listening(application) as port:
            line = open_lines.enter_context(Line(port))
            line.send(ASKED)
            application.entered.acquire(timeout=30)
            threading.Timer(0.05, application.go_on.set).start()
        found = line.answer()

    assert found is not None
    assert found.status == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("authorization: Bearer open sesame", 200),
        ("authorization: Bearer open sesam", 401),
        ("authorization: bearer", 401),
        ("authorization: Basic b3BlbjpzZXNhbWU=", 401),
        ("authorization: Bearer \xff", 401),
        ("x-token: open sesame", 401),
    ],
)
def test_with_a_token_only_who_has_it_is_answered(opened: Opened, header: str, status: int) -> None:
    with (
        opened.project() as project,
        client(project, token="open sesame") as closed,
        listening(closed.application) as port,
        Line(port) as line,
        Line(port) as other,
    ):
        line.send(posting("/features/buys", {**ANN, "at": AT}, header))
        found = line.answer()
        other.send(LIVE)
        live = other.answer()

    assert found is not None
    assert live is not None
    assert (found.status, live.status) == (status, 200)
    assert "sesame" not in str(found)
    if status == 401:
        assert found.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("chunked", [False, True])
def test_who_would_rather_speak_http_2_is_answered_in_this_one(port: int, chunked: bool) -> None:
    wish = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAABAAMAAABk")
    request = posting("/features/buys", {**ANN, "at": AT}, *wish)
    if chunked:
        head, body = request.split(b"\r\n\r\n", 1)
        size = f"{len(body):x}".encode()
        head = head.replace(f"content-length: {len(body)}".encode(), b"transfer-encoding: chunked")
        request = head + b"\r\n\r\n" + size + b"\r\n" + body + b"\r\n0\r\n\r\n"
    get = LIVE.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    with Line(port) as line:
        line.send(request + get + ASKED)
        told = [line.answer() for _ in range(3)]
        for byte in request:
            line.send(bytes([byte]))
        told.append(line.answer())

    assert [one.status for one in told if one] == [200] * 4
    assert told[0].body == told[2].body == told[3].body  # type: ignore[union-attr]
