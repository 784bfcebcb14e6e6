"""Asking a Redis server from an event loop: in order, without a thread, in time or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop

from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.redis_link import RedisLink
from sqlfeat.store.redis_server import FAILURES, RedisServer
from sqlfeat.store.redis_wire import command
from tests.made.redis import Server, free_port, running

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


class Asking:
    """A link, and a way of waiting for what it tells."""

    def __init__(self, url: str, threads: ThreadPoolExecutor, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        self.link = RedisLink(RedisServer(RedisAddress.parse(url), timeout=timeout), loop, threads)

    async def told(self, *asked: bytes) -> list[Any]:
        """What is told to each of some questions that are asked at once."""
        waiting = [asyncio.get_running_loop().create_future() for _ in asked]
        for data, future in zip(asked, waiting, strict=True):
            self.link.ask(data, 1, future.set_result)
        return list(await asyncio.gather(*waiting))


def run(loop: Callable[[], Any], url: str, ask: Callable[[Asking], Any], timeout: float = 20.0) -> Any:
    async def main() -> Any:
        asking = Asking(url, threads, timeout)
        try:
            return await ask(asking)
        finally:
            asking.link.close()
            await asyncio.sleep(0)

    with ThreadPoolExecutor(1) as threads, asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


def echoes(numbers: range) -> list[bytes]:
    return [command(b"ECHO", b"%d" % number * number) for number in numbers]


@LOOPS
@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_many_are_asked_at_once_and_each_is_told_its_own_reply(server: Server, loop: Any, way: str) -> None:
    url = server.url if way == "tcp" else f"unix://{server.socket}"
    found = run(loop, url, lambda asking: asking.told(*echoes(range(300))))

    assert found == [[b"%d" % number * number] for number in range(300)]


@LOOPS
def test_a_connection_that_has_gone_stale_is_replaced(server: Server, loop: Any) -> None:
    async def ask(asking: Asking) -> Any:
        found = await asking.told(*echoes(range(3)))
        server.drop_connections()
        return found + await asking.told(*echoes(range(3, 6)))

    assert run(loop, server.url, ask) == [[b"%d" % number * number] for number in range(6)]


@LOOPS
def test_a_reply_that_refuses_is_told_to_who_asked_alone(server: Server, loop: Any) -> None:
    asked = [command(b"PING"), command(b"GET"), command(b"PING")]
    first, refused, last = run(loop, server.url, lambda asking: asking.told(*asked))

    assert (first, last) == ([b"PONG"], [b"PONG"])
    assert isinstance(refused, StoreError)
    assert refused.code == "cannot-write"


@LOOPS
def test_a_server_that_is_not_there_is_down_and_soon_not_asked(loop: Any) -> None:
    async def ask(asking: Asking) -> Any:
        found = [(await asking.told(command(b"PING")))[0] for _ in range(FAILURES + 1)]
        return found, asking.link.server.problem

    found, problem = run(loop, f"redis://127.0.0.1:{free_port()}/0", ask)

    assert [error.code for error in found] == ["online-store-down"] * (FAILURES + 1)
    assert problem is not None


@LOOPS
def test_a_server_that_stands_still_is_waited_for_no_longer_than_allowed(server: Server, loop: Any) -> None:
    async def ask(asking: Asking) -> Any:
        await asking.told(command(b"PING"))
        server.freeze()
        try:
            return await asking.told(*[command(b"PING")] * 2)
        finally:
            server.thaw()

    found = run(loop, server.url, ask, timeout=1.0)

    assert [error.code for error in found] == ["online-store-down"] * 2


@LOOPS
def test_who_still_waits_when_it_ends_is_told(server: Server, loop: Any) -> None:
    told: list[Any] = []

    async def ask(asking: Asking) -> None:
        await asking.told(command(b"PING"))
        server.freeze()
        asking.link.ask(command(b"PING"), 1, told.append)

    try:
        run(loop, server.url, ask)
    finally:
        server.thaw()
    assert [error.code for error in told] == ["online-store-down"]
