"""Who comes while too many wait: he is told to come again, or let in with what he has said; nobody is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from sqlfeat.serve.door import PATIENCE, Door
from sqlfeat.serve.server import listen
from sqlfeat.serve.wire import Connection, Known, Limits, Request, Response

HEAD = b"POST /quick HTTP/1.1\r\ncontent-length: 2\r\n\r\n"
OTHER = b"GET /health/live HTTP/1.1\r\n\r\n"
HEADS = {
    HEAD: Known(Request("POST", "/quick", {"content-length": "2"}), 2, True),
    OTHER: Known(Request("GET", "/health/live"), 0, True),
}
REFUSAL = b"HTTP/1.1 503 come again"
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class Echo:
    """A handler that answers with what it was asked."""

    limits = Limits()

    def __init__(self) -> None:
        self.heads = dict(HEADS)

    def refused(self, request: Request) -> Response | None:
        return None

    def submit(self, request: Request, reply: Callable[[Response], None]) -> None:
        reply(Response(200, request.target.encode() + b" " + request.body))

    def broken(self, status: int, code: str, what: str) -> Response:
        return Response(status, code.encode())


class Doorway:
    """A door with clients before it, some of whom are let in."""

    def __init__(self) -> None:
        self._listening = listen("127.0.0.1", 0)
        self._echo, self._inside = Echo(), set[Connection]()
        self._loop = asyncio.get_running_loop()
        self.door = Door(
            self._loop, self._listening, HEADS, self._made, lambda request: request.target == "/quick", REFUSAL
        )

    def _made(self, heard: bytes) -> Connection:
        return Connection(self._echo, self._inside, self._loop.time, heard)

    def client(self, *said: bytes) -> socket.socket:
        made = socket.create_connection(self._listening.getsockname(), timeout=30)
        for data in said:
            made.sendall(data)
        return made

    async def answer(self, client: socket.socket) -> bytes:
        found: bytes = await self._loop.run_in_executor(None, client.recv, 65_536)
        return found.partition(b"\r\n\r\n")[2] or found

    def close(self) -> None:
        self.door.close()
        for one in list(self._inside):
            one.close_when_idle()
        self._listening.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    yield made
    for one in made:
        one.close()


def run(loop: Callable[[], Any], play: Callable[[Doorway], Any]) -> Any:
    async def main() -> Any:
        doorway = Doorway()
        try:
            return await play(doorway)
        finally:
            doorway.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


@LOOPS
def test_only_whole_requests_that_are_known_and_can_wait_are_turned_away(
    loop: Any, clients: list[socket.socket]
) -> None:
    said = [HEAD + b"{}", OTHER, HEAD + b"{", HEAD + b"{}" + OTHER, b"GET /new HTTP/1.1\r\n\r\n"]

    async def play(at: Doorway) -> Any:
        clients.extend(at.client(data) for data in said)
        turned_away = at.door.turn_away(0.0)
        answers = [await at.answer(clients[number]) for number in (0, 1, 3, 4)]
        clients[2].sendall(b"}")
        return turned_away, answers, await at.answer(clients[2]), await at.answer(clients[0])

    turned_away, answers, late, after = run(loop, play)

    assert turned_away == 1
    assert answers[0] == REFUSAL
    assert answers[1].strip() == b"/health/live"
    assert answers[2].startswith(b"/quick {}")
    assert answers[3].strip() == b"/new"
    assert late == b"/quick {}"
    assert after == b""


@LOOPS
def test_who_says_nothing_is_waited_for_and_then_let_in_to_say_it(loop: Any, clients: list[socket.socket]) -> None:
    async def play(at: Doorway) -> Any:
        clients.extend([at.client(), at.client(), at.client()])
        at.door.turn_away(0.0)
        clients[0].sendall(HEAD + b"{}")
        turned_away = at.door.turn_away(PATIENCE / 2)
        clients[1].close()
        at.door.turn_away(PATIENCE * 2)
        clients[2].sendall(HEAD + b"[]")
        return turned_away, await at.answer(clients[0]), await at.answer(clients[2])

    assert run(loop, play) == (1, REFUSAL, b"/quick []")


@LOOPS
def test_when_there_is_room_again_all_who_stand_there_are_let_in(loop: Any, clients: list[socket.socket]) -> None:
    async def play(at: Doorway) -> Any:
        clients.extend([at.client(), at.client()])
        at.door.turn_away(0.0)
        at.door.let_in()
        for one in clients:
            one.sendall(HEAD + b"{}")
        return [await at.answer(one) for one in clients]

    assert run(loop, play) == [b"/quick {}"] * 2
