"""Questions to a Redis server from an event loop: one connection, no waiting, the same deadlines and the same circuit.

Questions follow one another without waiting for replies, which come in the same order. A connection that has gone stale
is replaced once, within the deadline of who asks. What is asked is not known here.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlfeat.errors import StoreError
from sqlfeat.store.redis_forms import Shape
from sqlfeat.store.redis_server import RedisServer
from sqlfeat.store.redis_wire import BrokenConnectionError, ComingReplies, Incomplete, Refusal, Reply

Done = Callable[[Sequence[Reply] | StoreError], None]
_LAST_LOOK = 0.001
"""Seconds between the moment a reply is due and giving it up: the loop may have been busy, and it may have come."""


@dataclass(slots=True)
class _Question:
    """What is asked, until when, and how much of the answer has come; ``again``: on a second connection."""

    data: bytes
    replies: int
    done: Done
    deadline: float
    shape: Shape | None = None
    again: bool = False
    found: list[Reply] = field(default_factory=list)


class RedisLink:
    """A server as an event loop asks it; to be used on that loop alone. ``threads`` are for logging in."""

    def __init__(self, server: RedisServer, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        self.server = server
        self._loop = loop
        self._threads = threads
        self._line: _Line | None = None
        self._entering: asyncio.Task[None] | None = None
        self._unsent: deque[_Question] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_last_look = False

    @classmethod
    def is_possible(cls, server: RedisServer) -> bool:
        """Whether an event loop can take over a connection to it: what is encrypted, Python's own sockets read."""
        return server.address.scheme != "rediss"

    def ask(self, data: bytes, replies: int, done: Done, shape: Shape | None = None) -> None:
        """Send commands that may be sent twice; ``done`` is told their replies, or why there are none.

        Replies that come in the ``shape`` are told as that gives them: as a tuple.
        """
        try:
            self.server.admit()
        except StoreError as error:
            done(error)
            return
        self._put(_Question(data, replies, done, self._loop.time() + self.server.timeout, shape))
        if self._timer is None:
            self._watch()

    def close(self) -> None:
        """Hang up; who still waits is told."""
        if self._timer is not None:
            self._timer.cancel()
        if self._entering is not None:
            self._entering.cancel()
        self._drop(ConnectionAbortedError(0, "the server is stopping"))

    def _put(self, question: _Question) -> None:
        if self._line is not None:
            self._line.send(question)
            return
        self._unsent.append(question)
        if self._entering is None:
            self._entering = self._loop.create_task(self._enter())

    async def _enter(self) -> None:
        """Connect, and send what has waited for it."""
        line = _Line(self)
        try:
            connection = await self._loop.run_in_executor(self._threads, self.server.connected)
            await _taken_over(self._loop, line, connection.detach())
        except (OSError, Refusal) as error:
            self._entering = None
            self._give_up(self._unsent, error)
            return
        self._entering, self._line = None, line
        while self._unsent:
            line.send(self._unsent.popleft())

    def answered(self, question: _Question) -> None:
        """All replies to a question have come."""
        self._is_last_look = False
        try:
            found: list[Reply] | StoreError = self.server.judged(question.found)
        except StoreError as error:
            found = error
        question.done(found)

    def told(self, question: _Question, found: Sequence[Reply]) -> None:
        """An answer has come in its shape, in which nothing is refused."""
        self._is_last_look = False
        self.server.succeeded()
        question.done(found)

    def lost(self, line: _Line, error: OSError) -> None:
        """A connection has ended, or what came over it makes no sense: who waited there is asked for again, once."""
        if self._line is line:
            self._line = None
        now = self._loop.time()
        while line.asked:
            question = line.asked.popleft()
            if question.again or not line.has_answered or question.deadline <= now:
                question.done(self.server.failed(error))
            else:
                question.again, question.found = True, []
                self._put(question)

    def _drop(self, error: OSError) -> None:
        """Give up all that is asked."""
        line, self._line = self._line, None
        if line is not None:
            line.hang_up()
            self._give_up(line.asked, error)
        self._give_up(self._unsent, error)

    def _give_up(self, questions: deque[_Question], error: OSError | Refusal) -> None:
        waiting = list(questions)
        questions.clear()
        for question in waiting:
            question.done(self.server.failed(error))

    # -- deadlines -------------------------------------------------------------------------------------------------

    def _oldest(self) -> _Question | None:
        asked = self._line.asked if self._line is not None else None
        return next(iter(asked or self._unsent), None)

    def _watch(self) -> None:
        """Have a look when the oldest question is due."""
        if self._timer is not None:
            return
        oldest = self._oldest()
        if oldest is not None:
            self._timer = self._loop.call_at(oldest.deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        oldest = self._oldest()
        if oldest is None:
            return
        if oldest.deadline > self._loop.time():
            self._watch()
        elif not self._is_last_look:
            self._is_last_look = True
            self._timer = self._loop.call_later(_LAST_LOOK, self._look)
        else:
            self._is_last_look = False
            self._late(TimeoutError())
            self._watch()

    def _late(self, error: TimeoutError) -> None:
        """The oldest question is not answered in time: those after it would not be, over this connection."""
        line = self._line
        if line is not None and line.asked:
            line.hang_up()
            self.lost(line, error)
            return
        now = self._loop.time()
        while self._unsent and self._unsent[0].deadline <= now:
            self._unsent.popleft().done(self.server.failed(error))


class _Line(asyncio.Protocol):
    """One connection, and who waits for replies over it."""

    def __init__(self, link: RedisLink) -> None:
        self.asked: deque[_Question] = deque()
        self.has_answered = False
        self._link = link
        self._coming = ComingReplies()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, question: _Question) -> None:
        self.asked.append(question)
        self._transport.write(question.data)

    def data_received(self, data: bytes) -> None:
        at = self._taken(data) if self._coming.is_quiet else 0
        if at == len(data):
            return
        self._coming.fed(data[at:])
        try:
            while self.asked:
                question = self.asked[0]
                for _ in range(question.replies - len(question.found)):
                    question.found.append(self._coming.next())
                self.has_answered = True
                self.asked.popleft()
                if question.shape is not None:
                    question.shape.learn(question.found)
                self._link.answered(question)
        except Incomplete:
            return
        except BrokenConnectionError as error:
            self._broken(error)
            return
        if not self._coming.is_quiet:
            self._broken(BrokenConnectionError("more came than was asked for"))

    def _taken(self, data: bytes) -> int:
        """Tell the answers that come in their shapes; where they end."""
        at = 0
        while self.asked:
            question = self.asked[0]
            if question.shape is None or question.found:  # of one that has come in part, the rest looks otherwise
                break
            found = question.shape.read(data, at)
            if found is None:
                break
            rows, at = found
            self.has_answered = True
            self.asked.popleft()
            self._link.told(question, rows)
        return at

    def _broken(self, error: OSError) -> None:
        self.hang_up()
        self._link.lost(self, error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.lost(self, exc if isinstance(exc, OSError) else BrokenConnectionError("the server hung up"))

    def hang_up(self) -> None:
        """End it at once."""
        with suppress(RuntimeError):  # it has ended
            self._transport.abort()


async def _taken_over(loop: asyncio.AbstractEventLoop, line: _Line, taken: socket.socket) -> None:
    """Let a loop read and write a socket that is connected."""
    taken.setblocking(False)
    connect = loop.create_unix_connection if taken.family == socket.AF_UNIX else loop.create_connection
    await connect(lambda: line, sock=taken)
