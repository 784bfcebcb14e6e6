"""``sqlfeat serve`` as a process: it says where it listens, goes on while things change, ends when it is told to."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.made.projects import Opened
from tests.made.scoring import register_buyer
from tests.made.serving import ANN, AT, READY, Line, posting, publish, served_shop, serving, until

PREDICT = posting("/predict/buyer@today", {**ANN, "at": AT})


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    made = served_shop(tmp_path / "shop")
    register_buyer(made, seed=5)
    with made.project() as project:
        project.set_alias("buyer", "today", "1")
    return made


def test_snapshots_and_aliases_change_while_requests_run_and_none_fails(opened: Opened) -> None:
    statuses: list[int] = []
    seen: set[tuple[int, int]] = set()
    stop = threading.Event()

    def ask(port: int) -> None:
        with Line(port) as line:
            while not stop.is_set():
                line.send(PREDICT)
                found = line.answer()
                statuses.append(found.status if found else 0)
                if found and found.status == 200:
                    seen.add((found.body["snapshot"], found.body["version"]))

    with serving(opened.root) as (process, port), Line(port) as line:
        asking = [threading.Thread(target=ask, args=(port,)) for _ in range(3)]
        for thread in asking:
            thread.start()
        first = until(line, PREDICT, lambda status, _: status == 200)
        publish(opened)
        until(line, PREDICT, lambda _, body: body["snapshot"] == 2)
        with opened.project() as project:
            project.set_alias("buyer", "today", "2")
        until(line, PREDICT, lambda _, body: body["version"] == 2)
        newest = opened.root / "target" / "online" / f"v{publish(opened)}"
        until(line, PREDICT, lambda _, body: body["snapshot"] == 3)
        broken = newest.with_name("v4")
        broken.mkdir()
        (broken / "manifest.json").write_text("{}")
        told = until(line, READY, lambda _, body: body["problems"])
        until(line, PREDICT, lambda *_: (3, 2) in seen)
        stop.set()
        for thread in asking:
            thread.join(30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)

    assert (process.returncode, said) == (130, "")
    assert set(statuses) == {200}
    assert (first["snapshot"], first["version"]) == (1, 1)
    assert (3, 2) in seen
    assert (told["snapshot"], told["problems"][0]["code"]) == (3, "damaged-snapshot")


def test_a_server_that_was_killed_starts_again_where_it_was(opened: Opened) -> None:
    for _ in range(2):
        with serving(opened.root, "--model", "buyer@today") as (process, port), Line(port) as line:
            line.send(posting("/invocations", {"inputs": [ANN], "params": {"at": AT}}))
            found = line.answer()
            assert found is not None
            assert found.status == 200
            process.kill()
            assert line.answer() is None
