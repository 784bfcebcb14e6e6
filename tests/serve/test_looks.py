"""What monitoring has found last, as a server tells Prometheus."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sqlfeat.serve.application import Application
from sqlfeat.serve.served import Served
from sqlfeat.store.looks import FOLDER, MOST_LOOKS, Look, Looks, keep
from tests.made.projects import Opened, shop
from tests.made.serving import Line, listening

LOOK = Look(
    name="buyer", kind="model", reference="buyer@v3", checked_at=datetime(2024, 5, 4, 3, 2, 1, tzinfo=UTC),
    level="breach", rows=1200, newest_row=datetime(2024, 5, 4, tzinfo=UTC), breaches={"psi": 2, "skew": 1},
    warnings={"missing": 1}, psi={"amount": 0.5, "channel": 0.25}, missing={"amount": 0.125},
    performance={"auc": 0.75},
)  # fmt: skip
SCRAPE = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server of a project that nobody has looked at, and the folder of its looks."""
    opened = Opened(shop(tmp_path_factory.mktemp("looks")))
    with opened.project() as project, listening(Application(Served(project))) as port, Line(port) as line:
        yield line, project.spec.target_path / FOLDER


def told(line: Line) -> dict[str, float]:
    """The gauges of monitoring by name and labels."""
    line.send(SCRAPE)
    answer = line.answer()
    assert answer is not None
    assert answer.status == 200
    lines = [one.rpartition(" ") for one in answer.body.splitlines() if one.startswith("sqlfeat_monitor_")]
    return {name: float(value) for name, _, value in lines}


def test_a_scrape_tells_of_the_last_look_and_of_the_next_one(served):
    line, folder = served
    nothing = told(line)

    keep(folder, LOOK)
    first = told(line)
    keep(folder, replace(LOOK, breaches={}, psi={"amount": 0.01}))
    second = told(line)

    assert nothing == {}
    assert first['sqlfeat_monitor_breaches{check="psi",subject="buyer"}'] == 2
    assert first['sqlfeat_monitor_breaches{check="volume",subject="buyer"}'] == 0
    assert first['sqlfeat_monitor_warnings{check="missing",subject="buyer"}'] == 1
    assert first['sqlfeat_monitor_psi{column="amount",subject="buyer"}'] == 0.5
    assert first['sqlfeat_monitor_missing_ratio{column="amount",subject="buyer"}'] == 0.125
    assert first['sqlfeat_monitor_performance{metric="auc",subject="buyer"}'] == 0.75
    assert first['sqlfeat_monitor_rows{subject="buyer"}'] == 1200
    assert first['sqlfeat_monitor_newest_row_timestamp_seconds{subject="buyer"}'] == 1714780800
    assert first['sqlfeat_monitor_last_run_timestamp_seconds{subject="buyer"}'] == 1714791721
    assert first['sqlfeat_monitor_age_seconds{subject="buyer"}'] > 86400
    assert second['sqlfeat_monitor_breaches{check="psi",subject="buyer"}'] == 0
    assert 'sqlfeat_monitor_psi{column="channel",subject="buyer"}' not in second


def test_what_cannot_be_read_is_left_out(served):
    line, folder = served
    keep(folder, LOOK)
    (folder / "damaged.json").write_text('{"format": 1, "name"')
    (folder / "later.json").write_text('{"format": 2}')
    (folder / "list.json").write_text("[]")

    assert {name for name in told(line) if name.startswith("sqlfeat_monitor_rows")} == {
        'sqlfeat_monitor_rows{subject="buyer"}'
    }


def test_a_file_is_read_again_only_where_it_has_changed(tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr("sqlfeat.store.looks._read", lambda file: reads.append(file.name) or LOOK)
    looks = Looks(tmp_path)
    keep(tmp_path, LOOK)

    looks.all(), looks.all()
    keep(tmp_path, replace(LOOK, rows=1))
    looks.all()

    assert reads == ["buyer.json", "buyer.json"]


def test_of_many_only_some_are_told(tmp_path):
    for number in range(MOST_LOOKS + 5):
        keep(tmp_path, replace(LOOK, name=f"model_{number:03}"))

    assert len(Looks(tmp_path).all()) == MOST_LOOKS
