"""The server: connections, a queue of bounded length before the answers, and an end that leaves nobody in the middle.

What is quick is answered on the event loop, one request after the other; what is not, or waits for a store outside of
this process, goes to threads, so that the others do not wait for it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlfeat.errors import EngineError, SqlfeatError
from sqlfeat.serve.application import Application
from sqlfeat.serve.bodies import failure
from sqlfeat.serve.wire import Connection, Limits, Request, Response

Reply = Callable[[Response], None]
_THREADS = 2
_WAITING_THREADS = 16
"""How many answers may wait for a store outside of this process at a time."""
_GRACE = 5.0


class Server:
    """A handler of connections (``wire.Handler``) over an application; ``queue`` requests may wait at a time."""

    def __init__(self, application: Application, *, queue: int = 128, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._application = application
        self._most = queue
        self._queue: deque[tuple[Request, Reply]] = deque()
        self._going = False
        self._slow = 0
        self._clients: set[Connection] = set()
        self._threads = ThreadPoolExecutor(
            _WAITING_THREADS if application.served.is_remote else _THREADS, thread_name_prefix="answer"
        )

    # -- wire.Handler ----------------------------------------------------------------------------------------------

    def refused(self, request: Request) -> Response | None:
        return self._application.refused(request)

    def broken(self, status: int, code: str, what: str) -> Response:
        return self._application.broken(status, code, what)

    def submit(self, request: Request, reply: Reply) -> None:
        """Answer a request in its turn, or refuse it where too many are waiting."""
        if self._application.is_urgent(request):
            reply(self._application.handle(request))
        elif len(self._queue) + self._slow >= self._most:
            self._application.metrics.refused("overloaded")
            reply(_OVERLOADED)
        else:
            self._queue.append((request, reply))
            self._go_on()

    def _go_on(self) -> None:
        if self._queue and not self._going:
            self._going = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        """Answer the one that has waited longest; then see who has come meanwhile."""
        self._going = False
        request, reply = self._queue.popleft()
        if self._application.is_quick(request):
            reply(self._application.handle(request))
        else:
            self._slow += 1
            self._threads.submit(self._work, request, reply)
        self._go_on()

    def _work(self, request: Request, reply: Reply) -> None:
        response = self._application.handle(request)
        self._loop.call_soon_threadsafe(self._finished, response, reply)

    def _finished(self, response: Response, reply: Reply) -> None:
        self._slow -= 1
        reply(response)

    # -- life ------------------------------------------------------------------------------------------------------

    async def serve(self, listening: socket.socket, stop: asyncio.Event) -> None:
        """Answer whoever connects, until ``stop``; then finish what has been asked."""
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(
            lambda: Connection(self, self._clients, self._loop.time), sock=listening, backlog=1024
        )
        sweeping = self._loop.create_task(self._sweep())
        try:
            await stop.wait()
        finally:
            sweeping.cancel()
            server.close()
            await self._finish()
            self._threads.shutdown(wait=False, cancel_futures=True)

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
