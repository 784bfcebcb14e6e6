"""Events on their way out: to a receiver over HTTP or into a file, by a thread that nobody waits for.

A receiver that does not answer is given up on after one event: what is left is dropped, and whoever sent it is told in
one sentence at the end. The end waits no longer than the receiver's ``timeout``, whatever it does.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sqlfeat.base.withheld import without_password
from sqlfeat.spec.openlineage import OpenLineageSpec

MOST_WAITING = 10_000


class _NoRedirect(HTTPRedirectHandler):
    """A receiver that moves is none: a key must not follow it elsewhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Delivery:
    """Events in the order in which they were sent, as long as the receiver takes them."""

    def __init__(self, spec: OpenLineageSpec) -> None:
        self._spec = spec
        self._queue: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._problem: str | None = None
        self._thread: threading.Thread | None = None

    def send(self, event: Mapping[str, Any]) -> None:
        """Hand an event over; it is dropped where the receiver was given up on, or is too slow."""
        if self._problem is not None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="openlineage", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(json.dumps(event, allow_nan=False).encode())
        except queue.Full:
            self._problem = f"{self._place} is too slow: {MOST_WAITING:,} events wait"

    def close(self) -> str | None:
        """Wait for what was sent, no longer than the receiver may take; what went wrong, in words."""
        thread, self._thread = self._thread, None
        if thread is None:
            return self._problem
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return self._problem
        thread.join(self._spec.timeout)
        if thread.is_alive() and self._problem is None:
            self._problem = f"{self._place} did not answer within {self._spec.timeout:g} s"
        return self._problem

    @property
    def _place(self) -> str:
        return str(self._spec.file) if self._spec.url is None else without_password(self._spec.url)

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            if self._problem is not None:
                continue
            try:
                self._deliver(event)
            except HTTPError as error:
                self._problem = f"{self._place} answered {error.code} {error.reason}"
            except (OSError, URLError, http.client.HTTPException, ValueError) as error:
                why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
                self._problem = f"{self._place} cannot be reached: {getattr(why, 'strerror', None) or why}"

    def _deliver(self, event: bytes) -> None:
        spec = self._spec
        if spec.url is None:
            assert spec.file is not None
            spec.file.parent.mkdir(parents=True, exist_ok=True)
            with spec.file.open("ab") as stream:
                stream.write(event + b"\n")
            return
        headers = {"content-type": "application/json"}
        if spec.api_key:
            headers["authorization"] = f"Bearer {spec.api_key}"
        address = f"{spec.url.rstrip('/')}/{spec.endpoint.lstrip('/')}"
        with build_opener(_NoRedirect).open(Request(address, event, headers), timeout=spec.timeout) as answer:
            answer.read(1)
