"""Heads of requests that are remembered: whatever comes, a server that remembers them does what one does that never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.serve.wire import Connection, Known, Limits, Request, Response
from tests.properties.searching import searching

BODY = b'{"a": 1}'
POST = b"POST /features/buys HTTP/1.1\r\nhost: here\r\n"
MESSAGES = [
    POST + b"content-length: 8\r\n\r\n" + BODY,
    POST + b"content-length: 8\r\n\r\n" + b"\r\n\r\n\r\n\r\n",
    POST + b"content-length: 8 \r\ncontent-type: application/json\r\n\r\n" + BODY,
    POST + b"Content-Length: 8\r\nConnection: keep-alive\r\n\r\n" + BODY,
    POST + b"content-length: 8\r\nconnection: close\r\n\r\n" + BODY,
    POST + b"content-length: 0\r\n\r\n",
    POST + b"content-length: 8\r\ncontent-length: 9\r\n\r\n" + BODY,
    POST + b"transfer-encoding: chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    POST + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"expect: 100-continue\r\ncontent-length: 8\r\n\r\n" + BODY,
    POST
    + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\ncontent-length: 8\r\n\r\n"
    + BODY,
    POST + b"authorization: Bearer wrong\r\ncontent-length: 8\r\n\r\n" + BODY,
    POST + b"content-length: 99999\r\n\r\n" + BODY,
    POST + b"x: " + b"y" * 300 + b"\r\ncontent-length: 8\r\n\r\n" + BODY,
    b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n",
    b"GET /health/live HTTP/1.0\r\nhost: here\r\n\r\n",
    b"HEAD /health/live HTTP/1.1\r\n\r\n",
    b"GET /x HTTP/1.1\nhost: here\n\n",
    b"\r\nGET /health/live HTTP/1.1\r\nhost: here\r\n\r\n",
    b"hello\r\n\r\n",
]
CHUNKS = st.lists(
    st.one_of(
        st.sampled_from(MESSAGES),
        st.lists(st.sampled_from(MESSAGES), min_size=2, max_size=3).map(b"".join),
        st.tuples(st.sampled_from(MESSAGES), st.integers(1, 90)).map(lambda cut: cut[0][: cut[1]]),
        st.tuples(st.sampled_from(MESSAGES), st.integers(1, 90)).map(lambda cut: cut[0][cut[1] :]),
    ),
    max_size=5,
)


class Forgetful(dict[bytes, Known]):
    """Remembers nothing."""

    def __setitem__(self, head: bytes, known: Known) -> None:
        pass


class Echo:
    """A handler that answers with what it was asked, and a transport that keeps what was written."""

    limits = Limits(head=250, body=1_000)

    def __init__(self, heads: dict[bytes, Known]) -> None:
        self.heads = heads
        self.seen: list[Any] = []

    def refused(self, request: Request) -> Response | None:
        return Response(401) if request.headers.get("authorization") else None

    def submit(self, request: Request, reply: Callable[[Response], None]) -> None:
        self.seen.append((*request[:2], dict(request.headers), request.body))
        reply(Response(200, request.body))

    def broken(self, status: int, code: str, what: str) -> Response:
        return Response(status, code.encode())

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append("closed")

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def seen(chunks: list[bytes], heads: dict[bytes, Known]) -> list[Any]:
    """What becomes of some bytes that come over one connection."""
    echo = Echo(heads)
    connection = Connection(echo, set(), lambda: 0.0)
    connection.connection_made(echo)  # type: ignore[arg-type]
    for chunk in chunks:
        connection.data_received(chunk)
    return echo.seen


REMEMBERED: dict[bytes, Known] = {}


@searching(200)
@given(CHUNKS)
def test_a_head_that_is_remembered_means_what_it_meant(chunks: list[bytes]) -> None:
    expected = seen(chunks, Forgetful())

    assert seen(chunks, REMEMBERED) == expected
    assert seen(chunks, REMEMBERED) == expected


def test_plain_heads_are_remembered_and_neither_refused_ones_nor_those_that_say_no_length_of_their_body() -> None:
    def remembered(message: bytes) -> bool:
        heads: dict[bytes, Known] = {}
        seen([message], heads)
        return bool(heads)

    assert [place for place, message in enumerate(MESSAGES) if remembered(message)] == [0, 1, 3, 4, 5, 14, 15, 16, 18]
