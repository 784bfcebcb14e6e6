"""How long a request waits for its turn: not long, and who would be answered late is told at once to come again."""

from __future__ import annotations

import json
import queue
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sqlfeat.serve.application import Application
from sqlfeat.serve.server import FEW, PATIENCE, SLOW_PATIENCE, Server
from sqlfeat.serve.wire import Request, Response
from tests.made.serving import ANN, AT, Client, client, served_shop

FEATURES = "/features/buys"
ASKED = Request("POST", FEATURES, {}, json.dumps({**ANN, "at": AT}).encode())


class Turns:
    """An event loop and a clock that stand still until they are told to go on."""

    def __init__(self) -> None:
        self.time = 0.0
        self._waiting: queue.Queue[Callable[[], Any]] = queue.Queue()

    def call_soon(self, call: Callable[..., Any], *args: Any) -> None:
        self._waiting.put(lambda: call(*args))

    call_soon_threadsafe = call_soon

    def go_on(self) -> None:
        """The next turn, which a thread may have to bring."""
        self._waiting.get(timeout=30)()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with served_shop(tmp_path_factory.mktemp("shop") / "shop").project() as project, client(project) as made:
        yield made


def served(application: Application, turns: Turns) -> Server:
    server = Server(application, now=lambda: turns.time)
    server._loop = turns  # type: ignore[assignment]
    return server


def test_who_has_waited_too_long_is_sent_away_while_many_wait_behind(
    shop: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sqlfeat.serve.application.QUICK", 60.0)
    turns, told = Turns(), list[Response]()
    server = served(shop.application, turns)
    shop.application._quick.add(FEATURES)
    for _ in range(4 + FEW):
        server.submit(ASKED, told.append)
    turns.go_on()
    turns.time = PATIENCE
    turns.go_on()
    turns.time = PATIENCE * 1.01
    turns.go_on()
    after_a_turn = [one.status for one in told]
    for _ in range(FEW - 1):
        turns.go_on()

    assert after_a_turn == [200, 200, 503, 503, 200]
    assert [one.status for one in told] == [200, 200, 503, 503, *[200] * FEW]
    assert {one.headers for one in told if one.status == 503} == {(("retry-after", "1"),)}


def test_who_waits_for_a_thread_waits_longer_but_not_for_ever(shop: Client) -> None:
    class Slow(Application):
        def handle(self, request: Request, came: float | None = None) -> Response:
            begun.put(None)
            go_on.get(timeout=30)
            return super().handle(request, came)

    begun: queue.Queue[None] = queue.Queue()
    go_on: queue.Queue[None] = queue.Queue()
    turns, told = Turns(), list[Response]()
    server = served(Slow(shop.served), turns)
    for _ in range(5 + FEW):
        server.submit(ASKED, told.append)
    for _ in range(5 + FEW):
        turns.go_on()
    for _ in range(2):  # as many as there are threads
        begun.get(timeout=30)
    turns.time = SLOW_PATIENCE
    go_on.put(None)
    turns.go_on()
    begun.get(timeout=30)
    turns.time = SLOW_PATIENCE * 1.01
    for _ in range(2 + FEW):
        go_on.put(None)
    for _ in range(4 + FEW):
        turns.go_on()
    server._threads.shutdown()

    statuses = Counter(one.status for one in told)
    assert statuses[503] > 0  # how many of them depends on which thread is sooner
    assert statuses[200] >= 3
    assert statuses.total() == 5 + FEW


def test_newcomers_are_turned_away_while_those_who_are_in_wait_long_and_let_in_again_after_that(
    shop: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen:
        """A door that notes what it is told, and at which nobody stands."""

        def __init__(self) -> None:
            self.told: list[str] = []

        def turn_away(self, now: float) -> int:
            self.told.append("turn away")
            return 1

        def let_in(self) -> None:
            self.told.append("let in")

    monkeypatch.setattr("sqlfeat.serve.application.QUICK", 60.0)
    turns, told, door = Turns(), list[Response](), Seen()
    server = served(shop.application, turns)
    server._door = door  # type: ignore[assignment]
    shop.application._quick.add(FEATURES)
    for _ in range(2 + FEW):
        server.submit(ASKED, told.append)
    turns.go_on()
    turns.time = PATIENCE * 0.6
    for _ in range(1 + FEW):
        turns.go_on()

    assert door.told == ["turn away", "let in"]
    assert [one.status for one in told] == [200] * (2 + FEW)
    assert server._is_turned_away(ASKED)
    assert not server._is_turned_away(Request("GET", "/health/live"))
