"""What of a training set no closure computes is said when it is published, before anybody waits for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqlfeat.cli.main import main
from tests.made.projects import Opened, shop
from tests.made.scoring import asked
from tests.made.serving import SERVED

ZONED = str(SERVED["models/buys.sql"]).replace(
    "a.channel,", "a.channel, hour(a.asked_at at time zone 'America/New_York') as hour_there,"
)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(shop(tmp_path / "shop", {**SERVED, "models/buys.sql": ZONED, "data/asked.parquet": asked(*range(3))}))


def test_publishing_says_what_is_slow_and_nothing_of_its_own_comparison(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--project-dir", str(opened.root), "publish", "--at", "2024-01-04", "--check"]
    assert main(options) == 0
    told = capsys.readouterr()
    assert "DuckDB evaluates buys.hour_there at every request" in " ".join(told.out.split())
    assert "look up features" not in told.err
    assert "warning" not in told.err

    assert main([*options, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["slow"]["buys"]) == ["hour_there"]
