"""Serving from a Redis server: what requests are told when it is down, stopped, slow, flapping or came back empty."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from sqlfeat.api import Project
from sqlfeat.serve.application import Application
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import Request, Response
from sqlfeat.store.online_redis import RedisStore
from tests.made.projects import PROJECT_FILE, Opened, day, orders, shop
from tests.made.redis import Proxy, Server
from tests.made.scoring import asked, register_buyer
from tests.made.serving import ANN, AT, SERVED, Line, client, listening, posting, publish

INSTANT = day(4, 1)
FEATURES = "/features/buys"
BODY = {**ANN, "at": AT}
PASSWORD = "canary-of-redis"


def at(url: str, timeout: str = "20 s") -> dict[str, str]:
    """The project file with a server."""
    return {"sqlfeat_project.yml": f"{PROJECT_FILE}\n    online: {{store: redis, url: '{url}', timeout: {timeout}}}\n"}


class OnTheLoop(Application):
    """An application that counts the requests for features which a thread waits for."""

    in_threads = 0

    def handle(self, request: Request, came: float | None = None) -> Response:
        self.in_threads += request.method == "POST"
        return super().handle(request, came)


class Wired:
    """Asks an application that is served in this process, over a connection, as ``Client`` does without one."""

    def __init__(self, application: OnTheLoop, line: Line) -> None:
        self.application = application
        self.served = application.served
        self._line = line

    def get(self, target: str) -> Any:
        return self._told(f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode())

    def post(self, target: str, body: Any) -> Any:
        return self._told(posting(target, body))

    def _told(self, data: bytes) -> Any:
        self._line.send(data)
        return self._line.answer()


@contextmanager
def wired(project: Project) -> Iterator[Wired]:
    """The same as ``client``, by way of the event loop, which waits for no answer of the store."""
    served = Served(project)
    try:
        served.refresh()
        application = OnTheLoop(served)
        application._quick.add(FEATURES)  # as it is from the second request on, on a machine that has little to do
        with patch("sqlfeat.serve.application.QUICK", 60.0), listening(application) as port, Line(port) as line:
            yield Wired(application, line)
    finally:
        served.close()


WAYS = pytest.mark.parametrize("ask", [client, wired], ids=["in a thread", "on the event loop"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with a model, which is published nowhere yet."""
    opened = Opened(
        shop(tmp_path_factory.mktemp("redis") / "shop", {**SERVED, "data/asked.parquet": asked(*range(30))})
    )
    register_buyer(opened)
    return opened.root


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(password=PASSWORD)
    yield server
    server.close()


@pytest.fixture
def opened(made: Path, server: Server) -> Opened:
    """The shop, published to a server of its own as of day 4."""
    opened = Opened(made)
    shutil.rmtree(made / "target" / "online", ignore_errors=True)  # what another test has pushed
    opened.change({**at(server.url), "data/orders.parquet": orders()})
    publish(opened)
    return opened


@pytest.fixture
def proxy(opened: Opened, server: Server) -> Iterator[Proxy]:
    """What stands between the shop and its server."""
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


def test_features_and_predictions_come_from_the_server(opened: Opened) -> None:
    with opened.project() as project, client(project, model="buyer") as asking:
        found = asking.post(FEATURES, BODY)
        assert (found.status, found.body["features"]["amount"], found.body["statuses"]) == (200, 30, {"spent": "found"})
        nobody = asking.post(FEATURES, {**BODY, "customer": "nobody"})
        assert (nobody.status, nobody.body["statuses"]) == (200, {"spent": "missing"})
        assert asking.post("/predict/buyer", BODY).status == 200
        assert asking.get("/health/ready").status == 200


def test_what_is_pushed_is_seen_at_once_and_taken_up_by_the_next_publication(opened: Opened) -> None:
    order = {"order_id": 9, "customer": "ann", "product": "tea", "amount": 7, "ordered_at": day(4).isoformat()}
    with opened.project() as project, client(project) as asking:
        assert asking.post(FEATURES, BODY).body["features"]["amount"] == 30
        assert (
            asking.post("/push", {"push_source_name": "spent", "df": {name: [order[name]] for name in order}}).status
            == 200
        )
        assert asking.post(FEATURES, BODY).body["features"]["amount"] == 7
        publish(opened)
        asking.served.refresh()
        found = asking.post(FEATURES, BODY).body
        assert (found["snapshot"], found["features"]["amount"]) == (2, 7)


@WAYS
def test_a_server_that_is_down_is_503_and_not_ready_until_it_is_back(opened: Opened, server: Server, ask: Any) -> None:
    with opened.project() as project, ask(project) as asking:
        assert asking.post(FEATURES, BODY).status == 200
        server.stop()
        for _ in range(6):
            found = asking.post(FEATURES, BODY)
            assert (found.status, found.body["error"]["code"]) == (503, "online-store-down")
            assert int(found.headers["retry-after"]) >= 1
        ready = asking.get("/health/ready")
        assert (ready.status, ready.body["status"]) == (503, "not ready")
        assert ready.body["problems"][0]["code"] == "online-store-down"
        assert asking.get("/health/live").status == 200
        assert "sqlfeat_ready 0.0" in asking.get("/metrics").body
        assert PASSWORD not in f"{found} {ready}"


@WAYS
def test_a_server_that_came_back_empty_knows_nobody_and_is_not_believed(
    opened: Opened, server: Server, ask: Any
) -> None:
    with opened.project() as project, ask(project) as asking:
        assert asking.post(FEATURES, BODY).status == 200
        server.stop()
        server.start()
        for name in ("ann", "nobody"):
            found = asking.post(FEATURES, {**BODY, "customer": name})
            assert (found.status, found.body["error"]["code"]) == (503, "snapshot-gone")
        asking.served.refresh()
        ready = asking.get("/health/ready")
        assert (ready.status, ready.body["problems"][0]["code"]) == (503, "no-snapshot")

        opened.change({"data/orders.parquet": orders(1, 2, 33)})
        assert publish(opened) == 1  # the same number, and other data
        found = asking.post(FEATURES, BODY)
        assert (found.status, found.body["features"]["amount"]) == (200, 33)
        assert asking.get("/health/ready").status == 200


def test_a_server_that_came_back_with_an_older_snapshot_is_followed(opened: Opened, server: Server) -> None:
    with opened.project() as project:
        store = RedisStore(project.spec.online["url"], "shop", timeout=20.0)
        current = store.home.keys.current
        opened.change({"data/orders.parquet": orders(1, 2, 33)})
        publish(opened)
        with client(project) as asking:
            assert asking.post(FEATURES, BODY).body["features"]["amount"] == 33
            store.server.ask(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1\r\n1\r\n" % (len(current), current), 1)
            asking.served.refresh()
            found = asking.post(FEATURES, BODY)
            assert (found.body["snapshot"], found.body["features"]["amount"]) == (1, 30)


def test_a_snapshot_that_is_collected_under_a_reader_is_replaced(opened: Opened, monkeypatch: Any) -> None:
    monkeypatch.setattr("sqlfeat.store.online_redis.RedisStore", partial(RedisStore, grace=0.0))
    with opened.project() as project, project.serve_session() as serving:
        assert serving.features("buys", [ANN], at=INSTANT).snapshot == 1
        for amount in (31, 32, 33):
            opened.change({"data/orders.parquet": orders(1, 2, amount)})
            publish(opened)

        found = serving.features("buys", [ANN], at=INSTANT)
        assert (found.snapshot, found.rows[0]["amount"]) == (4, 33)
        entity = serving.look_up([("spent", "amount")], {"customer": ["ann"]}, at=INSTANT)
        assert [column.values for column in entity] == [(33,)]
        assert serving.problems == ()


def test_what_is_asked_at_once_is_answered_on_the_event_loop_without_a_thread(opened: Opened, server: Server) -> None:
    with opened.project() as project, wired(project) as asking, client(project) as waiting:
        names = [name for _ in range(40) for name in ("ann", "bob", "nobody")]
        bodies = [{**BODY, "customer": name} for name in names]
        expected = [waiting.post(FEATURES, body).body for body in bodies]
        asking._line.send(b"".join(posting(FEATURES, body) for body in bodies[:16]))
        found = [asking._line.answer() for _ in bodies[:16]]
        server.drop_connections()
        found += [asking.post(FEATURES, body) for body in bodies[16:]]
        asking.post("/get-online-features", {"features": ["spent:amount"], "entities": {"customer": ["ann"]}})
    assert [(one.status, one.body) for one in found] == [(200, body) for body in expected]
    assert asking.application.in_threads == 1  # of the path that was new


def test_who_waits_for_a_stopped_server_holds_up_nobody_else(opened: Opened, server: Server) -> None:
    with opened.project() as project:
        served = Served(project)
        try:
            served.refresh()
            with listening(Application(served)) as port, Line(port) as waiting, Line(port) as asking:
                server.freeze()
                waiting.send(posting(FEATURES, BODY))
                for target in ("/health/live", "/health/ready", "/metrics"):
                    asking.send(f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
                    live = asking.answer()
                    assert live is not None
                    assert live.status == 200
                server.thaw()
                found = waiting.answer()
                assert found is not None
                assert (found.status, found.body["features"]["amount"]) == (200, 30)
        finally:
            served.close()


@WAYS
@pytest.mark.parametrize(("delay", "piece"), [(20.0, 0), (0.01, 1)], ids=["late", "dripping"])
def test_a_server_that_is_too_slow_is_503(opened: Opened, proxy: Proxy, delay: float, piece: int, ask: Any) -> None:
    url = proxy.url.replace("redis://", f"redis://:{PASSWORD}@")
    opened.change(at(url, "400 ms"))
    with opened.project() as project, ask(project) as asking:
        while not asking.served.ready:  # on a machine with much to do, 400 ms may be short for a server that is quick
            asking.served.refresh()
        proxy.delay, proxy.piece = delay, piece
        for _ in range(5):
            found = asking.post(FEATURES, BODY)
            assert (found.status, found.body["error"]["code"]) == (503, "online-store-down")
        assert asking.get("/health/ready").status == 503


@WAYS
def test_a_server_that_flaps_gives_right_answers_or_503(opened: Opened, proxy: Proxy, ask: Any) -> None:
    opened.change(at(proxy.url.replace("redis://", f"redis://:{PASSWORD}@")))
    with opened.project() as project, ask(project) as asking:
        statuses = set()
        for turn in range(60):
            proxy.is_cut = turn % 7 in (2, 3, 4)
            found = asking.post(FEATURES, BODY)
            statuses.add(found.status)
            if found.status == 200:
                assert found.body["features"]["amount"] == 30
            else:
                assert (found.status, found.body["error"]["code"]) == (503, "online-store-down")
        proxy.is_cut = False
        while asking.post(FEATURES, BODY).status != 200:
            statuses.add(503)
    assert statuses == {200, 503}


def test_no_password_is_written_anywhere(opened: Opened, server: Server, monkeypatch: Any) -> None:
    monkeypatch.setenv("REDIS_URL", server.url)
    opened.change(at("${env:REDIS_URL}"))
    with opened.project() as project, client(project, model="buyer") as asking:
        store = RedisStore(project.spec.online["url"], "shop")
        told = [repr(project.spec), repr(store), repr(store.server.address), str(store.home)]
        told += [str(asking.get(target).body) for target in ("/", "/health/ready", "/metrics", "/openapi.json")]
        project.build_training_set("buys")
        server.stop()
        told += [str(asking.post(FEATURES, BODY)), str(asking.get("/health/ready"))]
        with pytest.raises(Exception, match="does not answer") as caught:
            project.publish()
        told += [str(caught.value), repr(caught.value), str(caught.value.__context__)]
    assert [text for text in told if PASSWORD in text] == []
    written = [path for path in opened.root.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []
