"""From a request to its answer: which route it takes, whether it may, and how an error is told in its protocol."""

from __future__ import annotations

import hmac
import re
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from sqlfeat.errors import SqlfeatError, UsageError
from sqlfeat.ops.online.fetching import Steps, at_once
from sqlfeat.ops.online.logged import Asking
from sqlfeat.serve import feast, inference, mlflow, native, openapi, pushing
from sqlfeat.serve.bodies import answer, failure, status_of
from sqlfeat.serve.metrics import CONTENT_TYPE, Metrics
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import JSON, Request, Response
from sqlfeat.store.looks import FOLDER, Looks
from sqlfeat.store.serving_log import ServingLog

Answered = tuple[Response, int]
"""An answer, and how many rows it has."""
Answer = Callable[..., Answered | Steps[Answered]]
OURS, OIP, MLFLOW = "sqlfeat", "oip", "mlflow"
QUICK = 0.005
"""What took no longer the last time is answered at once, on the event loop."""
_LONGEST_QUICK = 16_384
_MOST_PATHS = 1_000
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked: how, where, who answers, and in which protocol errors are told.

    ``is_open`` is asked without a token; ``is_urgent`` is answered also by a server that has too much to do.
    """

    method: str
    template: str
    answer: Answer
    protocol: str = OURS
    is_open: bool = False
    is_urgent: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.template.strip("/").split("/"))


class Place(NamedTuple):
    """Where a request goes: its route, or the refusal; the words in its path; the path, and what metrics call it."""

    route: Route | Response
    words: tuple[str, ...]
    path: str
    name: str
    is_urgent: bool


def live(served: Served, request: Request) -> Answered:
    """``GET /health/live``."""
    return answer({"status": "live"}), 0


def ready(served: Served, request: Request) -> Answered:
    """``GET /health/ready``: 503 without a snapshot to answer from."""
    return answer(served.status(), 200 if served.ready else 503), 0


ROUTES: tuple[Route, ...] = (
    Route("GET", "/", native.metadata),
    Route("POST", "/features/{training_set}", native.features),
    Route("POST", "/predict/{model}", native.predict),
    Route("GET", "/health/live", live, is_open=True, is_urgent=True),
    Route("GET", "/health/ready", ready, is_open=True, is_urgent=True),
    Route("GET", "/metrics", lambda *_: (Response(404), 0), is_urgent=True),
    Route("GET", "/openapi.json", lambda *_: (Response(404), 0)),
    Route("POST", "/push", pushing.push),
    Route("POST", "/write-to-online-store", pushing.write_to_online_store),
    Route("POST", "/get-online-features", feast.get_online_features),
    Route("GET", "/health", live, is_open=True, is_urgent=True),
    Route("GET", "/ping", mlflow.ping, MLFLOW, is_open=True, is_urgent=True),
    Route("GET", "/version", mlflow.mlflow_version, MLFLOW),
    Route("POST", "/invocations", mlflow.invocations, MLFLOW),
    Route("GET", "/v2", inference.server, OIP),
    Route("GET", "/v2/health/live", inference.live, OIP, is_open=True, is_urgent=True),
    Route("GET", "/v2/health/ready", inference.ready, OIP, is_open=True, is_urgent=True),
    Route("GET", "/v2/models/{model}", inference.model, OIP),
    Route("GET", "/v2/models/{model}/ready", inference.model_ready, OIP),
    Route("POST", "/v2/models/{model}/infer", inference.infer, OIP),
    Route("GET", "/v2/models/{model}/versions/{version}", inference.model, OIP),
    Route("GET", "/v2/models/{model}/versions/{version}/ready", inference.model_ready, OIP),
    Route("POST", "/v2/models/{model}/versions/{version}/infer", inference.infer, OIP),
)


class Application:
    """Answers requests from what is served. Any thread may ask; it knows no connection.

    With ``hosts`` only who calls the server by one of these names is answered.
    """

    def __init__(
        self,
        served: Served,
        *,
        token: str | None = None,
        hosts: Collection[str] | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.served = served
        self.metrics = Metrics(snapshot=served.snapshot, age=served.age, ready=lambda: float(served.ready))
        self._serving_log = served.serving_log
        if self._serving_log is not None:
            self.metrics.watch(self._serving_log)
        self.metrics.look_at(Looks(served.project.spec.target_path / FOLDER))
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._log = log
        self._quick: set[str] = set()
        self._known: dict[tuple[Any, ...], Place] = {}

    def refused(self, request: Request) -> Response | None:
        """The refusal of a request whose head alone is known."""
        if self._hosts is not None and not self._is_meant(request):
            self.metrics.refused("unknown-host")
            what = "This server does not go by the name that the request calls it."
            hint = "ask it as localhost, or name what it is called: --allow-host NAME."
            return failure(UsageError("unknown-host", what, hint=hint), 421)
        if self._authorization is None:
            return None
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if hmac.compare_digest(given, self._authorization):
            return None
        route = self.place(request).route
        if isinstance(route, Route) and route.is_open:
            return None
        self.metrics.refused("unauthorized")
        error = UsageError("unauthorized", "A token is needed here.", hint="send authorization: Bearer TOKEN.")
        return failure(error, 401, www_authenticate="Bearer")

    def _is_meant(self, request: Request) -> bool:
        """Whether a request calls this server by its name.

        A page of anybody's, in a browser of this machine, can have its own name lead here; then it is called by that.
        """
        assert self._hosts is not None
        name = _name_of(request.headers.get("host", ""))
        return not name or name in self._hosts

    def is_quick(self, request: Request, place: Place) -> bool:
        """Whether an answer is a matter of a millisecond or so of work, as it was the last time."""
        return len(request.body) <= _LONGEST_QUICK and place.path in self._quick

    def broken(self, status: int, code: str, what: str) -> Response:
        """The answer to what is no request that can be answered."""
        self.metrics.refused(code)
        return failure(SqlfeatError(code, what), status)

    def handle(self, request: Request, came: float | None = None) -> Response:
        """The answer to a request, which has come some time ago; the store is waited for. Nothing is raised."""
        began, place = perf_counter(), self.place(request)
        response = at_once(self.steps(request, place, came or began))
        self.answered(place, response, came or began, perf_counter() - began)
        return response

    def answered(self, place: Place, response: Response, came: float, worked: float) -> None:
        """Count an answer: when its request came, and for how many seconds it was worked at."""
        if response.code is not None:
            self.metrics.failed(response.code)
        self.metrics.answered(place.name, response.status, perf_counter() - came)
        if worked > QUICK:
            self._quick.discard(place.path)
        elif response.status == 200 and place.path not in self._quick and len(self._quick) < _MOST_PATHS:
            self._quick.add(place.path)

    def steps(self, request: Request, place: Place, came: float) -> Steps[Response]:
        """The answer, step by step. Nothing is raised."""
        route = place.route
        if self._serving_log is None or not isinstance(route, Route) or route.method != "POST":
            return self._answer(route, request, place.words)
        return self._logged(self._serving_log, route, request, place.words, came)

    def _logged(
        self, log: ServingLog, route: Route, request: Request, words: tuple[str, ...], came: float
    ) -> Steps[Response]:
        """The answer, under the name that the log has for its request."""
        given = request.headers.get("x-request-id", "")
        asking = Asking(given if _REQUEST_ID.fullmatch(given) else log.new_id(), route.template, came)
        found = yield from self._answer(route, request._replace(asking=asking), words)
        return found._replace(headers=(*found.headers, ("x-request-id", asking.request_id)))

    def _answer(self, route: Route | Response, request: Request, words: tuple[str, ...]) -> Steps[Response]:
        if isinstance(route, Response):
            return route
        try:
            if route.template == "/metrics":
                return Response(200, self.metrics.text(), CONTENT_TYPE)
            if route.template == "/openapi.json":
                return answer(openapi.document(self.served, ROUTES, has_token=self._authorization is not None))
            found = route.answer(self.served, request, *words)
            response, rows = found if isinstance(found, tuple) else (yield from found)
        except SqlfeatError as error:
            return told_in(route.protocol, self.served.shown(error))
        except Exception as error:  # noqa: BLE001 (the process's edge: a stranger sees no traceback)
            self._log("".join(traceback.format_exception(error)))
            return told_in(route.protocol, SqlfeatError("internal-error", "Something in the server went wrong."), 500)
        if rows:
            self.metrics.gave(route.template, rows)
        return response

    def place(self, request: Request) -> Place:
        """Where a request goes."""
        known = self._known.get(request[:2])
        if known is None:
            route, words = self._searched(request)
            if not isinstance(route, Route):
                return Place(route, words, request.path, "none", is_urgent=True)
            known = Place(route, words, request.path, route.template, route.is_urgent)
            if len(self._known) < _MOST_PATHS:
                self._known[request[:2]] = known
        return known

    def _searched(self, request: Request) -> tuple[Route | Response, tuple[str, ...]]:
        """The route of a request and the words in it; or the refusal."""
        method = "GET" if request.method == "HEAD" else request.method
        path = request.segments
        allowed = []
        for route, parts in _PARTS:
            if len(parts) == len(path) and all(a == b or b[:1] == "{" for a, b in zip(path, parts, strict=True)):
                if route.method == method:
                    return route, tuple(a for a, b in zip(path, parts, strict=True) if b[:1] == "{")
                allowed.append(route.method)
        if allowed:
            error = UsageError(
                "wrong-method", f"{request.method[:20]} is not for this path.", hint=f"it is {allowed[0]}."
            )
            return failure(error, allow=", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)), ()
        error = UsageError(
            "unknown-route", "There is nothing at this path.", hint="GET /openapi.json lists what there is."
        )
        return failure(error), ()


@lru_cache(maxsize=100)
def _name_of(host: str) -> str:
    """The name in a ``host`` header, without a port."""
    host = host.lower()
    return host.partition("]")[0] + "]" if host[:1] == "[" else host.partition(":")[0]


_PARTS = [(route, route.parts) for route in ROUTES]


def told_in(protocol: str, error: SqlfeatError, status: int | None = None) -> Response:
    """An error as the clients of a protocol expect it."""
    status = status or status_of(error)
    ours = failure(error, status)
    text = f"{error.what} {error.hint or ''}".strip()
    body: dict[str, Any]
    if protocol == OIP:
        body = {"error": f"[{error.code}] {text}"}
    elif protocol == MLFLOW:
        body = {"error_code": _MLFLOW_CODES.get(status, "BAD_REQUEST"), "message": f"[{error.code}] {text}"}
    else:
        return ours
    return Response(status, msgspec.json.encode(body), JSON, ours.headers, error.code)


_MLFLOW_CODES = {404: "RESOURCE_DOES_NOT_EXIST", 500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE"}
