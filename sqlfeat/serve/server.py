"""The server: connections, a queue in which nobody waits long, and an end that leaves nobody in the middle.

What is quick is answered on the event loop, one request after the other; what waits for a store outside of this process
is gone on with when its rows have come. What is not quick goes to threads, so that the others do not wait for it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

from sqlfeat.errors import EngineError, SqlfeatError, StoreError
from sqlfeat.ops.online.fetching import Steps, Wanted, WantedOfOne
from sqlfeat.serve.application import Application, Place
from sqlfeat.serve.bodies import failure
from sqlfeat.serve.door import Door
from sqlfeat.serve.wire import Connection, Known, Limits, Request, Response
from sqlfeat.store.redis_link import RedisLink
from sqlfeat.store.redis_snapshot import MOST_ASKED, Exchange, RedisSnapshot

Reply = Callable[[Response], None]
PATIENCE, SLOW_PATIENCE = 0.05, 1.0
"""Seconds that a request which is quick to answer may wait for its turn, and that another one may."""
FEW = 8
"""So many may always wait: it was a pause of the machine that kept them, not too much to do."""
_THREADS = 2
_WAITING_THREADS = 16
"""How many answers may wait for a store outside of this process at a time."""
_AT_A_TIME = 16
"""How many new connections may be let in before an answer."""
_GRACE = 5.0


class _Waiting(NamedTuple):
    """A request that waits for its turn, where it goes, and since when."""

    request: Request
    place: Place
    reply: Reply
    came: float


@dataclass(slots=True)
class _Work:
    """A request that is being answered while its rows are fetched; ``seconds`` are those that it was worked at."""

    waiting: _Waiting
    steps: Steps[Response]
    seconds: float = 0.0


class Server:
    """A handler of connections (``wire.Handler``) over an application.

    ``queue`` requests may wait at a time, and none of them for long: who would be answered late is told at once to come
    again, so that the others are answered in time.
    """

    def __init__(
        self,
        application: Application,
        *,
        queue: int = 1024,
        limits: Limits | None = None,
        now: Callable[[], float] = perf_counter,
    ) -> None:
        self.limits = limits or Limits()
        self.heads: dict[bytes, Known] = {}
        self._application = application
        self._most = queue
        self._now = now
        self._queue: deque[_Waiting] = deque()
        self._going = False
        self._has_entered = False
        self._passed = 0
        self._slow = 0
        self._door: Door | None = None
        self._is_closed = False
        self._clients: set[Connection] = set()
        self._is_remote = application.served.is_remote
        self._link: RedisLink | None = None
        self._threads = ThreadPoolExecutor(
            _WAITING_THREADS if self._is_remote else _THREADS, thread_name_prefix="answer"
        )

    # -- wire.Handler ----------------------------------------------------------------------------------------------

    def refused(self, request: Request) -> Response | None:
        return self._application.refused(request)

    def broken(self, status: int, code: str, what: str) -> Response:
        return self._application.broken(status, code, what)

    def submit(self, request: Request, reply: Reply) -> None:
        """Answer a request in its turn, or refuse it where too many are waiting."""
        place = self._application.place(request)
        if place.is_urgent:
            reply(self._application.handle(request))
        elif len(self._queue) + self._slow >= self._most:
            self._shed(reply)
        else:
            self._queue.append(_Waiting(request, place, reply, self._now()))
            if not self._going:
                self._going = True
                self._loop.call_soon(self._next)

    def _shed(self, reply: Reply) -> None:
        self._application.metrics.refused("overloaded")
        reply(_OVERLOADED)

    def _go_on(self) -> None:
        if self._queue and not self._going:
            self._going = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        """Answer the one that has waited longest; then see who has come meanwhile.

        The loop takes one new connection a turn: where there was one there may be more, and who is not seen waits
        unseen, for seconds in the end. So they are let in first, some of them before every answer.
        """
        if self._has_entered and self._passed < _AT_A_TIME and not self._is_closed:
            self._has_entered = False
            self._passed += 1
            self._loop.call_soon(self._next)
            return
        self._passed = 0
        self._going = False
        if len(self._queue) > FEW:
            self._send_away()
        if self._door is not None:
            self._mind(self._door)
        one = self._queue.popleft()
        request, place, reply, came = one
        if not self._application.is_quick(request, place):
            self._hand_over(one)
        elif self._is_remote:
            self._slow += 1
            work = _Work(one, self._application.steps(request, place, came))
            self._moved(work, work.steps.send, None)
        else:
            reply(self._application.handle(request, came))
        self._go_on()

    def _mind(self, door: Door) -> None:
        """Turn newcomers away while those who are in have waited for half as long as they may, and others behind."""
        now, queue = self._now(), self._queue
        was_closed, self._is_closed = self._is_closed, len(queue) > FEW and queue[0].came < now - PATIENCE / 2
        if self._is_closed:
            for _ in range(door.turn_away(now)):
                self._application.metrics.refused("overloaded")
        elif was_closed:
            door.let_in()

    def _is_turned_away(self, request: Request) -> bool:
        """Whether a request would wait in vain now: one that is quick to answer, but must not be answered."""
        place = self._application.place(request)
        return not place.is_urgent and self._application.is_quick(request, place)

    def _send_away(self) -> None:
        """Refuse all who have waited too long, at once: a turn of the loop for each is lost to those who still wait."""
        queue, latest = self._queue, self._now() - PATIENCE
        while len(queue) > FEW and queue[0].came < latest and self._application.is_quick(*queue[0][:2]):
            self._shed(queue.popleft().reply)

    # -- in threads ------------------------------------------------------------------------------------------------

    def _hand_over(self, one: _Waiting) -> None:
        self._slow += 1
        self._threads.submit(self._work, one)

    def _work(self, one: _Waiting) -> None:
        """Answer a request, unless it has waited too long for a thread."""
        response = None
        if self._now() - one.came <= SLOW_PATIENCE or self._slow <= FEW:
            response = self._application.handle(one.request, one.came)
        self._loop.call_soon_threadsafe(self._finished, response, one.reply)

    def _finished(self, response: Response | None, reply: Reply) -> None:
        self._slow -= 1
        if response is None:
            self._shed(reply)
        else:
            reply(response)

    # -- with a store outside of this process ----------------------------------------------------------------------

    def _moved(self, work: _Work, move: Callable[[Any], Wanted | WantedOfOne], said: Any) -> None:
        """Go on with an answer until rows are wanted, and with others until they are there."""
        began = self._now()
        try:
            wanted = move(said)
        except StopIteration as end:
            work.seconds += self._now() - began
            _, place, reply, came = work.waiting
            self._application.answered(place, end.value, came, work.seconds)
            self._slow -= 1
            reply(end.value)
        else:
            work.seconds += self._now() - began
            self._fetch(wanted, work)

    def _fetch(self, wanted: Wanted | WantedOfOne, work: _Work) -> None:
        """Ask for rows; where only threads can do that, begin anew in one of them."""
        snapshot, link = wanted.snapshot, self._link
        if not isinstance(snapshot, RedisSnapshot):
            self._begin_anew(work)
            return
        if link is None or link.server is not snapshot.server:
            if not RedisLink.is_possible(snapshot.server):
                self._begin_anew(work)
                return
            self._link = RedisLink(snapshot.server, self._loop, self._threads)
        if type(wanted) is WantedOfOne:
            self._ask(work, snapshot.exchange_under(wanted.tables, wanted.key))
        elif len(wanted.keys) > MOST_ASKED:
            self._begin_anew(work)
        else:
            self._ask(work, snapshot.exchange(wanted.keys))

    def _ask(self, work: _Work, exchange: Exchange) -> None:
        """Ask for what a step wants, and go on when it is there."""
        assert self._link is not None
        data, replies, told, shape = exchange
        if replies:
            self._link.ask(data, replies, partial(self._come, work, told), shape)
        else:
            self._come(work, told, [])

    def _come(self, work: _Work, told: Callable[[Any], Any], replies: Sequence[Any] | StoreError) -> None:
        """Replies have come, or why there are none."""
        try:
            found = replies if isinstance(replies, StoreError) else told(replies)
        except Exception as error:  # noqa: BLE001 (it is raised again where the rows were wanted)
            found = error
        if isinstance(found, Exchange):
            self._ask(work, found)
        elif not isinstance(found, Exception):
            self._moved(work, work.steps.send, found)
        elif isinstance(found, StoreError) and found.code == "snapshot-gone":
            self._begin_anew(work)  # another one may be opened, which takes its time
        else:
            self._moved(work, work.steps.throw, found)

    def _begin_anew(self, work: _Work) -> None:
        work.steps.close()
        self._slow -= 1
        self._hand_over(work.waiting)

    # -- life ------------------------------------------------------------------------------------------------------

    async def serve(self, listening: socket.socket, stop: asyncio.Event) -> None:
        """Answer whoever connects, until ``stop``; then finish what has been asked."""
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(self._enter, sock=listening, backlog=1024)
        refusal = _OVERLOADED.encoded(closing=True, without_body=False)
        self._door = Door(self._loop, listening, self.heads, self._enter, self._is_turned_away, refusal)
        sweeping = self._loop.create_task(self._sweep())
        try:
            await stop.wait()
        finally:
            sweeping.cancel()
            door, self._door = self._door, None
            door.let_in()
            server.close()
            await self._finish()
            door.close()
            if self._link is not None:
                self._link.close()
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _enter(self, heard: bytes = b"") -> Connection:
        self._has_entered = True
        return Connection(self, self._clients, self._loop.time, heard)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.limits.seconds_head))
            now = self._loop.time()
            for client in list(self._clients):
                client.sweep(now)

    async def _finish(self) -> None:
        """Let answers that are on their way arrive."""
        ends = self._loop.time() + _GRACE
        while [client for client in self._clients if not client.close_when_idle()] and self._loop.time() < ends:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)


_OVERLOADED = failure(
    SqlfeatError("overloaded", "Too many requests are waiting.", hint="ask again in a second."), 503, retry_after="1"
)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        EngineError: ``cannot-listen``.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(1024)
        except BaseException:
            listening.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise EngineError(
            "cannot-listen",
            f"Cannot listen on {host}:{port}: {why}.",
            hint="choose another one: --port 0 finds a free one.",
        ) from error
    return listening


def run(
    server: Server, listening: socket.socket, started: Callable[[Callable[[], None]], None] = lambda _: None
) -> int:
    """Serve until a signal comes, and give its number; ``started`` is told how to stop without one."""

    async def main() -> int:
        stop, loop, came = asyncio.Event(), asyncio.get_running_loop(), []

        def end(number: int) -> None:
            came.append(number)
            stop.set()

        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, end, int(number))
        started(partial(_later, loop, end))
        await server.serve(listening, stop)
        return came[0] if came else 0

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


def _later(loop: asyncio.AbstractEventLoop, end: Callable[[int], None]) -> None:
    loop.call_soon_threadsafe(end, 0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
