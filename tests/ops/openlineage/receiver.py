"""A receiver of OpenLineage events on this machine, and ones that misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What came in: events with the path and the headers of their requests."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.events: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""
        self.released = threading.Event()

    def of(self, job: str) -> list[dict[str, Any]]:
        """The events of a job, in their order."""
        return [one for one in self.events if one["job"]["name"] == job]


@contextmanager
def receiver(status: int = 201, *, hangs: bool = False) -> Iterator[Receiver]:
    """A receiver that answers with this status; one that hangs answers nothing until it is over."""
    there = Receiver(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            there.asked.append((self.path, dict(self.headers.items())))
            there.events.append(json.loads(body))
            if hangs:
                there.released.wait(60)
                return
            self.send_response(there.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        there.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
