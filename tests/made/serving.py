"""The shop of ``made.scoring`` with its views published, and an application that answers from it in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.api import Project
from sqlfeat.serve.application import Application
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import Request, Response
from tests.made.projects import Opened, day, shop
from tests.made.scoring import FILES, asked, register_buyer

ANN = {"customer": "ann", "channel": "web"}
AT = day(4, 1).isoformat()
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
