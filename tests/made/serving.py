"""The shop of ``made.scoring`` with its views published, and an application that answers from it in this process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.api import Project
from sqlfeat.serve.application import Application
from sqlfeat.serve.served import Served
from sqlfeat.serve.server import Server, listen, run
from sqlfeat.serve.wire import Limits, Request, Response
from tests.made.projects import Opened, day, shop
from tests.made.scoring import FILES, asked, register_buyer

ANN = {"customer": "ann", "channel": "web"}
AT = day(4, 1).isoformat()
READY = b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n"
VIEW = "event_time='ordered_at', ttl='36 hours', online=true"
SERVED = {**FILES, "models/spent.sql": FILES["models/spent.sql"].replace("event_time='ordered_at'", VIEW)}


def served_shop(root: Path, *, objective: str = "binary") -> Opened:
    """The shop, published as of day 4, with a model ``buyer``."""
    opened = Opened(shop(root, {**SERVED, "data/asked.parquet": asked(*range(30))}))
    register_buyer(opened, objective=objective)
    publish(opened)
    return opened


def publish(opened: Opened) -> int:
    """Publish again, and give the number."""
    with opened.project() as project:
        return project.publish(at=day(4)).written.number


@dataclass(frozen=True)
class Told:
    """An answer, read."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Client:
    """Asks an application without a connection between them."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.served = application.served

    def get(self, target: str, **headers: str) -> Told:
        return told(self.application.handle(Request("GET", target, headers)))

    def post(self, target: str, body: Any, **headers: str) -> Told:
        given = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return told(self.application.handle(Request("POST", target, named, given)))


def told(response: Response) -> Told:
    is_json = response.content_type == "application/json" and response.body.strip()
    body = json.loads(response.body) if is_json else response.body.decode()
    return Told(response.status, body, dict(response.headers))


@contextmanager
def client(project: Project, *, model: str | None = None, token: str | None = None) -> Iterator[Client]:
    """A client of a project that is served in this process."""
    unexpected: list[str] = []
    served = Served(project, model=model)
    try:
        served.refresh()
        yield Client(Application(served, token=token, log=unexpected.append))
    finally:
        served.close()
    assert unexpected == []


class Line:
    """A bare connection: bytes are sent as they are, answers are read one by one."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def end(self) -> None:
        """Send no more."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Told | None:
        """The next answer; None where the connection has ended."""
        try:
            first = self._file.readline()
        except ConnectionResetError:
            return None
        if not first:
            return None
        headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        status = int(first.split()[1])
        body = self._file.read(int(headers.get("content-length", 0)))
        is_json = headers.get("content-type") == "application/json" and body.strip()
        return Told(status, json.loads(body) if is_json else body.decode(), headers)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def listening(application: Application, *, queue: int = 128, limits: Limits | None = None) -> Iterator[int]:
    """The port of an application that is served in a thread of this process."""
    stops: list[Callable[[], None]] = []
    has_started = threading.Event()

    def started(stop: Callable[[], None]) -> None:
        stops.append(stop)
        has_started.set()

    place = listen("127.0.0.1", 0)
    server = Server(application, queue=queue, limits=limits)
    thread = threading.Thread(target=run, args=(server, place, started))
    thread.start()
    has_started.wait(30)
    try:
        yield place.getsockname()[1]
    finally:
        stops[0]()
        thread.join(30)
    assert not thread.is_alive()


def posting(path: str, body: Any, *headers: str) -> bytes:
    """A POST as bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(data)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + data


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server of a project's folder that is ready, and its port."""
    command = [
        sys.executable,
        "-m",
        "sqlfeat.cli.main",
        "serve",
        "--json",
        "--port",
        "0",
        "--refresh",
        "50ms",
        *options,
    ]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("SQLFEAT", "COV_"))}
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        told = ""
        while not told.endswith("}\n") and (line := process.stdout.readline()):
            told += line
        assert told.endswith("}\n"), process.communicate()
        port = int(json.loads(told)["address"].rpartition(":")[2])
        with Line(port) as asking:
            until(asking, READY, lambda status, _: status == 200)
        yield process, port
    finally:
        process.kill()
        process.communicate()


def until(line: Line, asked: bytes, wanted: Any) -> Any:
    """Ask again and again until the answer is as it shall be."""
    while True:
        line.send(asked)
        found = line.answer()
        assert found is not None
        if wanted(found.status, found.body):
            return found.body
