"""HTTP/1.1 on a connection: bytes become requests, and answers bytes, within limits of size and time.

Parsing is httptools' (the parser of Node); what is here is what to do with too much, too slow and too many. Knows no
route. On an event loop one request costs some 30 µs of CPU this way, a fifth of what a general ASGI server takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

import httptools

from sqlfeat.ops.online.logged import Asking

JSON = "application/json"
_PIPELINED = 16
_MOST_HEADS, _LONGEST_HEAD = 500, 2_048
"""How many heads of requests are remembered, and of how many bytes each."""
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class Limits:
    """What a client may ask for: bytes, and seconds."""

    head: int = 32_768
    body: int = 8_388_608
    connections: int = 1_024
    seconds_head: float = 10.0
    seconds_body: float = 30.0
    seconds_idle: float = 75.0
    seconds_unread: float = 30.0


class Request(NamedTuple):
    """A request that has come whole; ``headers`` have names in small letters. ``asking`` is what a log calls it."""

    method: str
    target: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    asking: Asking | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0] if "?" in self.target else self.target

    @property
    def segments(self) -> tuple[str, ...]:
        """The path between its slashes, without escapes."""
        return tuple(unquote(part, errors="replace") for part in self.path.strip("/").split("/"))

    @property
    def query(self) -> Mapping[str, str]:
        found = self.target.partition("?")[2]
        return dict(parse_qsl(found, keep_blank_values=True, errors="replace", max_num_fields=100)) if found else {}


class Response(NamedTuple):
    """An answer; ``code`` is the error's, where it is one."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    code: str | None = None

    def encoded(self, *, closing: bool, without_body: bool) -> bytes:
        is_usual = not self.headers or self.code is not None
        head_of = _usual_head if is_usual else _head
        head = head_of(self.status, self.content_type, self.headers, closing) % len(self.body)
        return head if without_body else head + self.body


def _head(status: int, content_type: str, headers: tuple[tuple[str, str], ...], closing: bool) -> bytes:
    """What stands before a body, whose length is still to be put in."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}", f"content-type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace").replace(b"%", b"%%")
    return text + b"content-length: %d\r\n" + (b"connection: close\r\n\r\n" if closing else b"\r\n")


_usual_head = lru_cache(maxsize=100)(_head)


class Known(NamedTuple):
    """A head that has been parsed: its request, without a body, how long this is, and whether others may follow."""

    request: Request
    length: int
    stays: bool


def known_request(heads: Mapping[bytes, Known], data: bytes) -> tuple[Request, bool] | None:
    """A whole request whose head has been parsed before, byte for byte: it means what it meant; may others follow?"""
    end = data.find(b"\r\n\r\n") + 4
    known = heads.get(data[:end])
    if known is None:
        return None
    request, length, stays = known
    if len(data) != end + length:
        return None
    return (Request(request.method, request.target, request.headers, data[end:]) if length else request), stays


class Handler(Protocol):
    """Who answers. ``heads`` are those that came and were not refused: a client sends the same again and again."""

    limits: Limits
    heads: dict[bytes, Known]

    def refused(self, request: Request) -> Response | None:
        """What to answer when no more than the head of a request is known; None to go on."""
        ...

    def submit(self, request: Request, reply: Callable[[Response], None]) -> None:
        """Answer a request, now or later, on the event loop."""
        ...

    def broken(self, status: int, code: str, what: str) -> Response:
        """The answer to what is no request."""
        ...


_NOT_PLAIN = frozenset({"transfer-encoding", "upgrade", "expect"})


class Connection(asyncio.Protocol):
    """One client. Requests that follow at once wait until those before them are answered.

    ``heard`` is what he has said before he was let in.
    """

    def __init__(
        self, handler: Handler, clients: set[Connection], now: Callable[[], float], heard: bytes = b""
    ) -> None:
        self._heard = heard
        self._handler = handler
        self._clients = clients
        self._now = now
        self._limits = handler.limits
        self._heads = handler.heads
        self._between = True
        self._begun = self._ended = 0
        self._parser: Any = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._busy = False
        self._pumping = False
        self._paused = False
        self._at_end = False
        self._done = False
        self._reading = False
        self._in_head = False
        self._head_bytes = 0
        self._unread = False
        self._continuing = False
        self.deadline = 0.0

    # -- the transport's side --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self.deadline = self._now() + self._limits.seconds_head
        self._clients.add(self)
        if len(self._clients) > self._limits.connections:
            self._refuse(self._handler.broken(503, "overloaded", "Too many connections."))
        elif self._heard:
            self.data_received(self._heard)

    def data_received(self, data: bytes) -> None:
        if self._done:
            return
        is_next = self._between
        if is_next and self._has_known(data):
            return
        self._begun = self._ended = 0
        self._head_bytes = self._head_bytes + len(data) if self._in_head else len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(self._handler.broken(400, "bad-request", "This is no HTTP request."))
        if self._in_head and self._head_bytes > self._limits.head:
            self._refuse(self._long_head())
        if is_next and self._begun == self._ended == 1 and not self._reading:
            self._remember(data)

    def _has_known(self, data: bytes) -> bool:
        """Take a whole request whose head has been parsed before."""
        known = known_request(self._heads, data)
        if known is None:
            return False
        request, self._between = known
        self._came(request, self._between)
        return True

    def _remember(self, data: bytes) -> None:
        """Remember the head of a request that came by itself and whole, its length said at the beginning."""
        end = data.find(b"\r\n\r\n") + 4
        headers = self._request.headers
        length = headers.get("content-length", "0")
        is_plain = length.isdecimal() and not headers.keys() & _NOT_PLAIN
        if is_plain and end <= _LONGEST_HEAD and len(data) == end + int(length):
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[data[:end]] = Known(self._request, int(length), self._between)

    def _feed(self, data: bytes) -> None:
        """Parse; who would rather speak another protocol (HTTP/2, as Java's client) is answered in this one.

        The parser takes what follows such a head for the other protocol: another parser reads it, as the body it is.
        """
        if self._parser is None:  # a client whose heads are known needs none
            self._parser = httptools.HttpRequestParser(self)
        while not self._done:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as wish:
                data = data[wish.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                if self._continuing:
                    self._parser.feed_data(b"POST / HTTP/1.1\r\n" + self._framing() + b"\r\n\r\n")
            else:
                return

    def _framing(self) -> bytes:
        """The header that says how long the body is."""
        name = "transfer-encoding" if "transfer-encoding" in self._headers else "content-length"
        return f"{name}: {self._headers[name]}".encode("latin-1")

    def pause_writing(self) -> None:
        self._unread = True
        self.deadline = self._now() + self._limits.seconds_unread

    def resume_writing(self) -> None:
        self._unread = False
        self.deadline = self._now() + self._limits.seconds_idle
        self._next()

    def eof_received(self) -> bool:
        self._at_end = True
        return self._busy or bool(self._waiting)  # what has been asked is answered still

    def connection_lost(self, _: Exception | None) -> None:
        self._done = True
        self._waiting.clear()
        self._clients.discard(self)

    # -- the parser's side -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._between = False
        self._begun += 1
        if self._continuing:
            return
        self._url = b""
        self._named = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._in_head = self._reading = True
        self.deadline = self._now() + self._limits.seconds_head

    def on_url(self, url: bytes) -> None:
        if not self._continuing:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._continuing:
            return
        self._named += len(name) + len(value) + 4
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._continuing:
            return
        self._in_head = False
        self.deadline = self._now() + self._limits.seconds_body
        self._request = Request(self._parser.get_method().decode("latin-1"), self._url.decode("latin-1"), self._headers)
        refused = self._handler.refused(self._request)
        if refused is None and self._named + len(self._url) > self._limits.head:
            refused = self._long_head()
        if refused is None and int(self._headers.get("content-length") or 0) > self._limits.body:
            refused = self._too_large()
        if refused is not None:
            self._refuse(refused)
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.body:
            self._refuse(self._too_large())
        elif not self._done:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and not self._continuing and not self._done:
            length = self._headers.get("content-length", "0").strip()
            self._continuing = "transfer-encoding" in self._headers or length != "0"
            if self._continuing:
                return  # the body is still to come
        self._continuing = self._reading = False
        if self._done:
            return
        self._ended += 1
        self._between = stays = self._parser.should_keep_alive()
        self._came(self._request._replace(body=b"".join(self._parts)), stays)

    def _came(self, request: Request, stays: bool) -> None:
        """A request has come whole; ``stays``: others may follow it."""
        self._waiting.append((request, stays))
        if len(self._waiting) > _PIPELINED and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._next()

    # -- answers ---------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._pumping:  # an answer came at once: the loop below goes on
            return
        self._pumping = True
        while self._waiting and not (self._busy or self._unread or self._done):
            self._busy = True
            request, stays = self._waiting.popleft()
            self._handler.submit(request, partial(self._reply, request, stays))
        self._pumping = False
        if self._paused and not self._waiting and not self._done:
            self._paused = False
            self._transport.resume_reading()

    def _reply(self, request: Request, stays: bool, response: Response) -> None:
        self._busy = False
        if self._done:
            return
        stays = stays and not (self._at_end and not self._waiting)
        self._transport.write(response.encoded(closing=not stays, without_body=request.method == "HEAD"))
        if not stays:
            self._end()
            return
        if not self._reading and not self._unread:
            self.deadline = self._now() + self._limits.seconds_idle
        self._next()

    def _refuse(self, response: Response) -> None:
        """Answer what cannot go on, and close; what was asked before and is not answered yet goes with it."""
        if not self._done:
            self._transport.write(response.encoded(closing=True, without_body=False))
            self._end()

    def _end(self) -> None:
        self._done = True
        self._waiting.clear()
        self._transport.close()

    def _long_head(self) -> Response:
        return self._handler.broken(431, "request-too-large", "The head of the request is too long.")

    def _too_large(self) -> Response:
        most = f"{self._limits.body:,}"
        return self._handler.broken(413, "request-too-large", f"The body is longer than {most} bytes.")

    def sweep(self, now: float) -> None:
        """End what takes too long: a request that does not come, an answer that is not read, a silence."""
        if now < self.deadline or (self._busy and not self._unread):
            return
        if self._unread or self._done:
            self._transport.abort()
        elif self._reading:
            self._refuse(self._handler.broken(408, "request-too-slow", "The request did not come in time."))
        else:
            self._end()

    def close_when_idle(self) -> bool:
        """Close unless an answer is on its way; whether it is closed."""
        if self._busy or self._waiting:
            return False
        self._end()
        return True
