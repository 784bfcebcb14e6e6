"""A Redis or Valkey server as one asks it: answers in time, or an error at once.

Every question has a deadline. A connection that has gone stale is replaced once, within that deadline. After some
failures in a row nobody waits any more: the circuit is open and questions are refused at once, but for one from time to
time that tries whether the server is back. What is asked is not known here.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.redis_wire import BrokenConnectionError, Connection, Refusal, Reply

FAILURES = 3
"""How many failures in a row open the circuit."""
SHORTEST_REST, LONGEST_REST = 0.1, 5.0
"""Seconds until the server is tried again; twice as long after every try that fails."""
PATIENCE = 30.0
"""Seconds that a step may take which no request waits for."""
_RESTS = (0.1, 0.2, 0.4, 0.8, 1.6)
_NOT_NOW = {
    "LOADING": "it is loading its data",
    "BUSY": "a script keeps it busy",
    "MASTERDOWN": "it has lost its primary",
    "CLUSTERDOWN": "its cluster is down",
    "MOVED": "it is a cluster, which is not supported",
    "NOAUTH": "it wants a password",
    "WRONGPASS": "it does not take this user and password",
    "NOPERM": "this user may not do that there",
}
_FULL = {
    "OOM": "it has no memory left",
    "READONLY": "it is a replica, which is read only",
    "MISCONF": "it cannot save its data, and so takes no more",
    "NOREPLICAS": "it has too few replicas",
}


class Circuit:
    """Whether a server is worth asking: closed, open, or open with one try under way. Any thread may ask."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._rest = SHORTEST_REST
        self._until = 0.0
        self._trying = False

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def admits(self) -> bool:
        """Whether a question may be asked now. Who is admitted must say how it went."""
        if self._failures < FAILURES:
            return True
        with self._lock:
            if self._failures < FAILURES:
                return True
            if self._trying or self._now() < self._until:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        """The server has answered."""
        if self._failures:
            with self._lock:
                self._failures, self._rest, self._trying = 0, SHORTEST_REST, False

    def failed(self) -> None:
        """It has not."""
        with self._lock:
            was_open = self._failures >= FAILURES
            self._failures += 1
            if self._failures < FAILURES or (was_open and not self._trying):
                return  # those who were still waiting when it opened say nothing new
            self._rest = min(self._rest * 2, LONGEST_REST) if was_open else SHORTEST_REST
            self._until = self._now() + self._rest
            self._trying = False


class RedisServer:
    """A server, and the connections to it that are idle. ``timeout`` is how many seconds a question may take.

    ``patience`` is how many one may that no request waits for.
    """

    def __init__(
        self, address: RedisAddress, *, timeout: float, patience: float = PATIENCE, clock: Clock | None = None
    ) -> None:
        self.address = address
        self.timeout = timeout
        self._patience = patience
        self._now = (clock or SystemClock()).monotonic
        self._circuit = Circuit(self._now)
        self._idle: list[Connection] = []
        weakref.finalize(self, _hang_up, self._idle)
        self._owner = os.getpid()
        self._problem: StoreError | None = None
        self._pause = time.sleep

    @property
    def problem(self) -> StoreError | None:
        """Why the server is not asked at present; None where it is."""
        return self._problem if self._circuit.is_open else None

    def ask(self, data: bytes, replies: int, *, timeout: float | None = None) -> list[Reply]:
        """Send commands that may be sent twice, and give their replies.

        Raises:
            StoreError: ``online-store-down`` where they do not come in time; ``cannot-write`` where the server takes
                nothing.
        """
        return self.talk(lambda connection, deadline: connection.ask(data, replies, deadline), timeout=timeout)

    def ask_patiently(self, data: bytes, replies: int) -> list[Reply]:
        """The same where no request waits for it: a server that is away for a moment is asked again, for a while."""
        ends = self._now() + self._patience
        for rest in (*_RESTS, None):
            try:
                return self.ask(data, replies, timeout=max(ends - self._now(), self.timeout))
            except StoreError as error:
                if error.code != "online-store-down" or rest is None or self._now() + rest > ends:
                    raise
                self._pause(rest)
        raise AssertionError("unreachable")

    def talk(
        self, exchange: Callable[[Connection, float], list[Reply]], *, timeout: float | None = None
    ) -> list[Reply]:
        """The same of an exchange that a function has with a connection."""
        self.admit()
        try:
            found = self._talked(exchange, self._now() + (timeout or self.timeout))
        except (Refusal, OSError) as error:
            raise self.failed(error) from None
        except BaseException:  # a signal: nothing is known of the server
            self._circuit.failed()
            raise
        return self.judged(found)

    def admit(self) -> None:
        """Raise where nobody is to ask now; who may ask must say how it went (``judged``, ``failed``)."""
        if not self._circuit.admits():
            known = self._problem
            raise self._down(str(known.what) if known else "", repeated=True)

    def judged(self, found: list[Reply]) -> list[Reply]:
        """Replies that came, unless the server refuses in them."""
        refused = next(reply for reply in found if isinstance(reply, Refusal)) if Refusal in map(type, found) else None
        if refused is not None and refused.kind in _NOT_NOW:
            raise self.failed(refused)
        self._circuit.succeeded()
        if refused is not None:
            raise self._refused(refused)
        return found

    def succeeded(self) -> None:
        """The server has answered, and refused nothing."""
        self._circuit.succeeded()

    def failed(self, error: Refusal | OSError) -> StoreError:
        """What is told of a question that was not answered."""
        if isinstance(error, Refusal):
            return self._failed(_NOT_NOW.get(error.kind, str(error)[:100]))
        return self._failed(_reason(error))

    def connected(self) -> Connection:
        """A new connection, for who asks on its own.

        Raises:
            OSError: there is none to be had in time.
            Refusal: the server does not let us in.
        """
        return Connection(self.address, self._now() + self.timeout, self._now)

    def close(self) -> None:
        """Hang up."""
        _hang_up(self._idle)

    def _talked(self, exchange: Callable[[Connection, float], list[Reply]], deadline: float) -> list[Reply]:
        connection = self._waiting()
        if connection is not None:
            try:
                return self._used(connection, exchange, deadline)
            except TimeoutError:
                raise
            except OSError:  # it has gone stale, and so have the others
                self.close()
        return self._used(Connection(self.address, deadline, self._now), exchange, deadline)

    def _used(
        self, connection: Connection, exchange: Callable[[Connection, float], list[Reply]], deadline: float
    ) -> list[Reply]:
        try:
            found = exchange(connection, deadline)
        except BaseException:
            connection.close()
            raise
        if connection.is_quiet:
            self._idle.append(connection)
            return found
        connection.close()
        raise BrokenConnectionError("more came than was asked for")

    def _waiting(self) -> Connection | None:
        """An idle connection. After a fork the parent's are not ours: two processes would read each other's replies."""
        if self._owner != os.getpid():
            self._owner = os.getpid()
            self.close()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _failed(self, why: str) -> StoreError:
        self._circuit.failed()
        self._problem = self._down(f"{self.address} does not answer: {why}.")
        return self._problem

    def _down(self, what: str, *, repeated: bool = False) -> StoreError:
        hint = "it is asked again in a moment." if repeated else "is the server running, and is this its address?"
        return StoreError("online-store-down", what or f"{self.address} does not answer.", hint=hint)

    def _refused(self, refusal: Refusal) -> StoreError:
        why = next((why for kind, why in _FULL.items() if kind in str(refusal)), str(refusal)[:100].rstrip("."))
        return StoreError("cannot-write", f"{self.address} refuses: {why}.", hint="see what the server's log says.")


def _hang_up(connections: list[Connection]) -> None:
    while connections:
        with suppress(IndexError):  # another thread takes them too
            connections.pop().close()


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    return (error.strerror or str(error)).rstrip(".") or type(error).__name__
