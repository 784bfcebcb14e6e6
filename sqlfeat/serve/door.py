"""Who comes while too many wait: told to come again before a connection is made of him, which costs more than that.

What is read at the door is answered there only where it is a whole request whose head is known, byte for byte;
everybody else is let in, with what he has said. Knows no route.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from sqlfeat.serve.wire import Connection, Known, Request, known_request

_AT_A_TIME = 16
"""How many newcomers are looked at before an answer."""
_MOST = 256
"""How many may stand there who have said nothing yet."""
_READ = 65_536
_LOOKS = 0.001
"""Seconds between two looks at those who have said nothing."""
PATIENCE = 0.05
"""Seconds in which somebody at the door must have said what he wants, or he is let in to say it."""


class Door:
    """The listening socket beside the loop's own look at it. To be used on the loop alone.

    ``is_refused`` tells whether a request is among those that are told to come again.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        heads: Mapping[bytes, Known],
        made: Callable[[bytes], Connection],
        is_refused: Callable[[Request], bool],
        refusal: bytes,
    ) -> None:
        listening.setblocking(False)
        self._loop = loop
        self._listening = listening
        self._heads = heads
        self._made = made
        self._is_refused = is_refused
        self._refusal = refusal
        self._silent: dict[int, tuple[socket.socket, float]] = {}
        self._speaking = select.poll()
        self._looked = 0.0
        self._entering: set[asyncio.Task[None]] = set()

    def turn_away(self, now: float) -> int:
        """Look who is there, and tell those to come again who can be told; how many were."""
        refused = 0
        if self._silent and now - self._looked >= _LOOKS:
            self._looked = now
            for number, _ in self._speaking.poll(0):
                refused += self._heard(*self._gone_from(number))
            for number, (_, since) in list(self._silent.items()):
                if now - since <= PATIENCE:
                    break
                self._enter(self._gone_from(number)[0], b"")
        for _ in range(_AT_A_TIME):
            if len(self._silent) >= _MOST:
                break
            try:
                client, _ = self._listening.accept()
            except OSError:  # nobody is there, or he has gone again
                break
            client.setblocking(False)
            refused += self._heard(client, now)
        return refused

    def let_in(self) -> None:
        """Let all in who stand there."""
        for number in list(self._silent):
            self._enter(self._gone_from(number)[0], b"")

    def close(self) -> None:
        """Nobody is waited for any more."""
        for task in self._entering:
            task.cancel()
        for number in list(self._silent):
            self._gone_from(number)[0].close()

    def _heard(self, client: socket.socket, since: float) -> bool:
        """Hear what somebody wants; whether he was told to come again."""
        try:
            data = client.recv(_READ)
        except BlockingIOError:
            self._silent[client.fileno()] = client, since
            self._speaking.register(client, select.POLLIN)
            return False
        except OSError:
            data = b""
        if not data:
            client.close()
            return False
        known = known_request(self._heads, data)
        if known is None or not self._is_refused(known[0]):
            self._enter(client, data)
            return False
        with suppress(OSError):  # all was read that he has sent, so what he is told arrives
            client.send(self._refusal)
        client.close()
        return True

    def _gone_from(self, number: int) -> tuple[socket.socket, float]:
        """One of the silent, who is that no more."""
        self._speaking.unregister(number)
        return self._silent.pop(number)

    def _enter(self, client: socket.socket, data: bytes) -> None:
        """Let somebody in, with what was heard of him."""

        async def enter() -> None:
            with suppress(OSError):  # he has gone
                await self._loop.connect_accepted_socket(lambda: self._made(data), client)

        task = self._loop.create_task(enter())
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
