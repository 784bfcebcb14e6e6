"""Servers of the online benchmark: started, asked over one kept connection, and asked for more than they can hold.

CPU is that of the server's processes alone, from the system's accounting. Latency is what one client sees that waits
for each answer.
"""

from __future__ import annotations

import http.client
import os
import random
import selectors
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Running:
    """A server that is up, until the ``with`` ends. ``command`` may say ``{port}``."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], ready: str, log: Path, seconds: float = 240
    ) -> None:
        self.port = free_port()
        self._log: IO[bytes] = log.open("wb")
        self._process = subprocess.Popen(
            [part.format(port=self.port) for part in command],
            env={**os.environ, **environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ends = time.monotonic() + seconds
        while not self._answers(ready):
            if self._process.poll() is not None or time.monotonic() > ends:
                self.__exit__()
                raise RuntimeError(f"no server: {' '.join(command)}\n{log.read_text()[-2000:]}")
            time.sleep(0.1)

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def cpu(self) -> float:
        """Seconds of CPU that the server and its children have taken."""
        group = os.getpgid(self._process.pid)
        processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return sum(_cpu_of(pid) for pid in processes if _group_of(pid) == group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for signal in (15, 9):
            try:
                os.killpg(self._process.pid, signal)
                self._process.wait(5)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self._log.close()


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _group_of(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[2]) if stat else -1


def _cpu_of(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[11]) + int(stat[12])) / TICKS if stat else 0.0


def asked(running: Running, path: str, body: Callable[[int], bytes], entities: int, seconds: float) -> dict[str, float]:
    """Microseconds a request over one connection: the server's CPU, and latency."""
    chooser = random.Random(7)
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def once() -> None:
            connection.sendall(_request(path, body(chooser.randrange(entities) * 7 + 3)))
            status = _read_answer(connection)
            if status != 200:
                raise RuntimeError(f"{path} gave {status}")

        for _ in range(100):
            once()
        walls, cpu, ends = [], running.cpu(), time.perf_counter() + seconds
        while time.perf_counter() < ends:
            begin = time.perf_counter_ns()
            once()
            walls.append(time.perf_counter_ns() - begin)
        spent = running.cpu() - cpu
    walls.sort()
    return {
        "cpu_1": spent / len(walls) * 1e6,
        "p50_1": walls[len(walls) // 2] / 1e3,
        "p99_1": walls[int(len(walls) * 0.99)] / 1e3,
    }


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _read_answer(connection: socket.socket) -> int:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            raise RuntimeError("the server hung up")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += connection.recv(65_536)
    return int(head[9:12])


def overloaded(running: Running, path: str, body: bytes, held: float, seconds: float) -> dict[str, Any]:
    """What comes of twice as many requests a second as were held: how many of each status, how long the good took.

    Each has a connection of its own, and its time begins when it is due, whenever this client gets round to it.
    """
    cpu, own, begin = running.cpu(), time.process_time(), time.perf_counter()
    done = _driven(running.port, _closing(path, body), seconds, a_second=held * 2)
    took = time.perf_counter() - begin
    lags = sorted(one.lag for one in done)
    walls = sorted(one.seconds for one in done if one.status == "200")
    lacking = Counter(one.status for one in done if one.status != "200" and not one.says_when)
    return {
        "asked_a_second": len(done) / seconds,
        "statuses": dict(Counter(one.status for one in done)),
        "without_retry_after": dict(lacking),
        "p50_ms": walls[len(walls) // 2] * 1e3 if walls else float("nan"),
        "p99_ms": walls[int(len(walls) * 0.99)] * 1e3 if walls else float("nan"),
        "answered_a_second": len(walls) / seconds,
        "client_cores": (time.process_time() - own) / took,
        "server_cores": (running.cpu() - cpu) / took,
        "lag_p99_ms": lags[int(len(lags) * 0.99)] * 1e3,
    }


def held(running: Running, path: str, body: bytes, seconds: float) -> float:
    """Requests a second that a server answers when 16 connections, one after the other, wait for nothing else."""
    done = _driven(running.port, _closing(path, body), seconds, at_a_time=16)
    return sum(one.status == "200" for one in done) / seconds


class _Done(NamedTuple):
    """What came of a request, after how many seconds, how late it was sent; whether it says when to come again."""

    status: str
    seconds: float
    lag: float
    says_when: bool


def _closing(path: str, body: bytes) -> bytes:
    return _request(path, body).replace(b"\r\nhost", b"\r\nconnection: close\r\nhost", 1)


def _driven(
    port: int, data: bytes, seconds: float, *, a_second: float | None = None, at_a_time: int = 10_000
) -> list[_Done]:
    """Ask over plain sockets, so often a second or as fast as answers come: a client that costs less than a server."""
    found: list[_Done] = []
    selector = selectors.DefaultSelector()
    begin, sent, going = time.perf_counter(), 0, 0
    while True:
        now = time.perf_counter()
        if now - begin < seconds:
            wanted = sent + at_a_time - going if a_second is None else int((now - begin) * a_second)
            while sent < wanted and going < at_a_time:
                due = now if a_second is None else begin + sent / a_second
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", port))
                selector.register(connection, selectors.EVENT_WRITE, [due, b"", now - due])
                sent, going = sent + 1, going + 1
        elif not going:
            return found
        for key, event in selector.select(0.001):
            one = _step(key, event, selector, data)
            if one is not None:
                found.append(one)
                going -= 1


def _step(key: selectors.SelectorKey, event: int, selector: selectors.BaseSelector, data: bytes) -> _Done | None:
    """Go on with one request: send it, or read what comes until the server hangs up."""
    connection: Any = key.fileobj
    problem = None
    try:
        if event & selectors.EVENT_WRITE:
            connection.send(data)
            selector.modify(connection, selectors.EVENT_READ, key.data)
            return None
        came = connection.recv(65_536)
        key.data[1] += came
        if came:
            return None
    except OSError as error:
        problem = type(error).__name__
    selector.unregister(connection)
    connection.close()
    is_whole = b"\r\n\r\n" in key.data[1]  # what a server resets afterwards has been answered all the same
    status = key.data[1][9:12].decode() if is_whole else problem or "hung up"
    return _Done(status, time.perf_counter() - key.data[0], key.data[2], b"retry-after" in key.data[1].lower())
