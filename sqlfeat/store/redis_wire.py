"""One connection to a Redis or Valkey server: commands as bytes, replies as Python's values, and a deadline for both.

This speaks RESP 2, which every version of both understands. A deadline holds for the whole of what is asked, however
slowly the replies drip; after any error a connection is closed, so that no late reply is taken for another's. Which
commands there are is not known here.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlfeat.spec.redis_address import RedisAddress

Reply = Any
"""bytes, int, a list of replies, None, or a :class:`Refusal` (which is given, not raised)."""
_CHUNK = 1 << 18
_LONGEST_LINE = 1 << 16
_LONGEST = 1 << 29
_DEEPEST = 8
_TEXT = ord("$")


class BrokenConnectionError(OSError):
    """What came is no reply, or nothing comes any more."""


class Refusal(Exception):
    """The server's answer that it will not: ``kind`` is its first word."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.kind = text.partition(" ")[0]


def command(*words: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n%b" % (len(words), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))


class _Pair(NamedTuple):
    """A list of two texts that came: all that was before the second one, the first, and the length of the second.

    Rows come so, after the mark of their table: the next list mostly differs in the row alone.
    """

    head: bytes
    first: bytes | None
    length: int


class Replies:
    """The replies in what comes: ``come`` waits for the next bytes, or raises what ends the reading."""

    _pair = _Pair(b"", None, _LONGEST)

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    def come(self, deadline: float) -> bytes:
        raise NotImplementedError

    def receive(self, replies: int, deadline: float) -> list[Reply]:
        """The next replies."""
        found = [self._reply(deadline, 0) for _ in range(replies)]
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        return found

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits to be read, as between two questions."""
        return not self._data

    def _more(self, deadline: float) -> None:
        came = self.come(deadline)
        self._data = self._data[self._at :] + came
        self._at = 0

    def _line(self, deadline: float) -> bytes:
        """The next line, without its end."""
        end = self._data.find(b"\r\n", self._at)
        while end < 0:
            if len(self._data) - self._at > _LONGEST_LINE:
                raise BrokenConnectionError("what answers is no Redis")
            self._more(deadline)
            end = self._data.find(b"\r\n", self._at)
        line = self._data[self._at : end]
        self._at = end + 2
        return line

    def _reply(self, deadline: float, depth: int) -> Reply:
        data, at, pair = self._data, self._at, self._pair
        start = at + len(pair.head)
        end = start + pair.length
        if end + 2 <= len(data) and data.startswith(pair.head, at):
            self._at = end + 2
            return [pair.first, data[start:end]]
        line = self._line(deadline)
        kind = line[:1]
        if kind == b"$":
            return self._text(_length(line), deadline)
        if kind == b"*" and depth < _DEEPEST:
            count = _length(line)
            if count < 0:
                return None
            found = self._list(count, deadline, depth)
            if count == 2 and self._data is data and isinstance(found[0], bytes) and isinstance(found[1], bytes):
                self._pair = _Pair(data[at : self._at - 2 - len(found[1])], found[0], len(found[1]))
            return found
        if kind == b":":
            return _length(line)
        if kind == b"+":
            return line[1:]
        if kind == b"-":
            return Refusal(line[1:].decode("utf-8", "replace"))
        raise BrokenConnectionError("what answers is no Redis")

    def _list(self, count: int, deadline: float, depth: int) -> list[Reply]:
        """A list; texts that have come whole are read here, for there may be thousands, and mostly of one length."""
        found: list[Reply] = []
        data, at, whole = self._data, self._at, len(self._data)
        head, length = b"$-1\r\n", -1
        for _ in range(count):
            if not data.startswith(head, at):
                end = data.find(b"\r\n", at) + 2
                if end > 1 and data[at] == _TEXT:
                    head = data[at:end]
                    length = _length(head)
            if data.startswith(head, at):
                start = at + len(head)
                if length < 0:
                    found.append(None)
                    at = start
                    continue
                if start + length + 2 <= whole:
                    found.append(data[start : start + length])
                    at = start + length + 2
                    continue
            self._at = at
            found.append(self._reply(deadline, depth + 1))
            data, at, whole = self._data, self._at, len(self._data)
        self._at = at
        return found

    def _text(self, length: int, deadline: float) -> bytes | None:
        if length < 0:
            return None
        pieces, left = [self._data[self._at :]], length + 2 - (len(self._data) - self._at)
        if left <= 0:
            text = self._data[self._at : self._at + length]
            self._at += length + 2
            return text
        while left > 0:  # a long text comes in pieces, which are joined once
            came = self.come(deadline)
            pieces.append(came)
            left -= len(came)
        self._data, self._at = b"".join(pieces), length + 2
        return self._data[:length]


class Incomplete(Exception):
    """A reply has not come whole yet."""


class ComingReplies(Replies):
    """The replies in what an event loop brings, piece by piece."""

    def fed(self, data: bytes) -> None:
        """More has come."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def next(self) -> Reply:
        """The next reply.

        Raises:
            Incomplete: it has not come whole; it is still there when more has.
        """
        at = self._at
        try:
            found = self._reply(0.0, 0)
        except Incomplete:
            self._at = at
            raise
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        return found

    def come(self, deadline: float) -> bytes:
        """Nothing more, for now."""
        raise Incomplete


class Connection(Replies):
    """A connection that is logged in and has its database selected.

    Raises:
        OSError: there is none to be had before the deadline.
        Refusal: the server does not let us in.
    """

    def __init__(self, address: RedisAddress, deadline: float, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._socket = _connected(address, deadline - now())
        try:
            self._enter(address, deadline)
        except BaseException:
            self.close()
            raise

    def _enter(self, address: RedisAddress, deadline: float) -> None:
        asked = []
        if address.password or address.user:
            words = [address.user] if address.user else []
            asked.append(
                command(b"AUTH", *(word.encode("utf-8", "surrogateescape") for word in [*words, address.password]))
            )
        if address.database:
            asked.append(command(b"SELECT", b"%d" % address.database))
        for reply in self.ask(b"".join(asked), len(asked), deadline) if asked else ():
            if isinstance(reply, Refusal):
                raise reply if reply.kind in _SPEAKING else Refusal("ERR it does not take this login or database")

    def ask(self, data: bytes | memoryview, replies: int, deadline: float) -> list[Reply]:
        """Send commands and wait for so many replies.

        Raises:
            OSError: (``TimeoutError`` after the deadline) the connection is of no use any more.
        """
        self.send(data, deadline)
        return self.receive(replies, deadline)

    def send(self, data: bytes | memoryview, deadline: float) -> None:
        """Send without waiting for what is replied."""
        self._set_timeout(deadline)
        self._socket.sendall(data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _set_timeout(self, deadline: float) -> None:
        left = deadline - self._now()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._socket.settimeout(left)

    def come(self, deadline: float) -> bytes:
        """The next bytes."""
        self._set_timeout(deadline)
        came = self._socket.recv(_CHUNK)
        if not came:
            raise BrokenConnectionError("the server hung up")
        return came

    def detach(self) -> socket.socket:
        """The socket, for who goes on with it."""
        return self._socket


_SPEAKING = ("LOADING", "BUSY", "MASTERDOWN", "WRONGPASS", "NOPERM", "NOAUTH")


def _length(line: bytes) -> int:
    try:
        length = int(line[1:])
    except ValueError:
        raise BrokenConnectionError("what answers is no Redis") from None
    if length > _LONGEST and line[:1] != b":":
        raise BrokenConnectionError("what answers is no Redis")
    return length


def _connected(address: RedisAddress, seconds: float) -> socket.socket:
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    if address.scheme == "unix":
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            plain.settimeout(seconds)
            plain.connect(address.path)
        except BaseException:
            plain.close()
            raise
        return plain
    try:
        plain = socket.create_connection((address.host, address.port), timeout=seconds)
    except UnicodeError:
        raise OSError(0, "its host is no name") from None
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if address.scheme == "redis":
            return plain
        return _tls(address.tls).wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise


def _tls(options: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    is_checked = options.get("ssl_cert_reqs", "required") == "required"
    context.check_hostname = is_checked and options.get("ssl_check_hostname", "true").lower() == "true"
    if not is_checked:
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
