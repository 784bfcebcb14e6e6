"""Servers of the online benchmark: started, asked over one kept connection, and asked for more than they can hold.

CPU is that of the server's processes alone, from the system's accounting. Latency is what one client sees that waits
for each answer.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

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
    """What comes of twice as many requests a second as were held: how many of each status, how long the good took."""

    async def main() -> dict[str, Any]:
        statuses: Counter[str] = Counter()
        walls: list[float] = []
        lacking: Counter[str] = Counter()

        async def one() -> None:
            begin = time.perf_counter()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(_request(path, body).replace(b"\r\nhost", b"\r\nconnection: close\r\nhost", 1))
                data = await asyncio.wait_for(reader.read(), 10)
                writer.close()
                status = data[9:12].decode() or "hung up"
                statuses[status] += 1
                if status == "200":
                    walls.append(time.perf_counter() - begin)
                elif b"retry-after" not in data.lower():
                    lacking[status] += 1
            except (OSError, TimeoutError) as error:
                statuses[type(error).__name__] += 1

        going: set[asyncio.Task[None]] = set()
        begin, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - begin) < seconds:
            while sent < now * held * 2:
                task = asyncio.create_task(one())
                going.add(task)
                task.add_done_callback(going.discard)
                sent += 1
            await asyncio.sleep(0.002)
        took = time.perf_counter() - begin
        await asyncio.gather(*going)
        walls.sort()
        return {
            "asked_a_second": sent / took,
            "statuses": dict(statuses),
            "without_retry_after": dict(lacking),
            "p99_ms": walls[int(len(walls) * 0.99)] * 1e3 if walls else None,
        }

    return asyncio.run(main())


def held(running: Running, path: str, body: bytes, seconds: float) -> float:
    """Requests a second that a server answers when 16 connections, one after the other, wait for nothing else."""

    async def main() -> float:
        done = 0
        ends = time.perf_counter() + seconds

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < ends:
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(_request(path, body).replace(b"\r\nhost", b"\r\nconnection: close\r\nhost", 1))
                data = await reader.read()
                writer.close()
                done += data.startswith(b"HTTP/1.1 200")

        await asyncio.gather(*(client() for _ in range(16)))
        return done / seconds

    return asyncio.run(main())
