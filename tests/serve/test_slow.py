"""What of a training set no closure computes is said when it is published, before anybody waits for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqlfeat.cli.main import main
from tests.made.projects import Opened, day, shop
from tests.made.scoring import FILES, asked
from tests.made.serving import ANN, SERVED, publish

ASKED = str(SERVED["models/buys.sql"]).replace("a.channel,", "a.channel, strip_accents(a.channel) as plainly,")


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(shop(tmp_path / "shop", {**SERVED, "models/buys.sql": ASKED, "data/asked.parquet": asked(*range(3))}))


def test_publishing_says_what_is_slow_and_nothing_of_its_own_comparison(
    opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--project-dir", str(opened.root), "publish", "--at", "2024-01-04", "--check"]
    assert main(options) == 0
    told = capsys.readouterr()
    assert "DuckDB evaluates buys.plainly at every request" in " ".join(told.out.split())
    assert "look up features" not in told.err
    assert "warning" not in told.err

    assert main([*options, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["slow"]["buys"]) == ["plainly"]


def test_check_says_it_before_anything_is_published(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--project-dir", str(opened.root), "check"]
    assert main(options) == 0
    assert "DuckDB evaluates buys.plainly at every request" in " ".join(capsys.readouterr().out.split())

    assert main([*options, "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert {
        model["name"]: [each["name"] for each in model["slow_online"]] for model in models if model["slow_online"]
    } == {"buys": ["plainly"]}


def test_check_says_nothing_of_what_is_not_served(tmp_path: Path) -> None:
    files = {**FILES, "models/buys.sql": ASKED, "data/asked.parquet": asked(1)}
    with Opened(shop(tmp_path / "shop", files)).project() as project:
        assert project.check().model("buys").slow_online == ()


def test_the_hour_in_another_time_zone_is_computed_without_duckdb(tmp_path: Path) -> None:
    there = "hour(timezone('America/New_York', a.asked_at::timestamptz)) as hour_there,"
    zoned = str(SERVED["models/buys.sql"]).replace("a.channel,", f"a.channel, {there}")
    opened = Opened(
        shop(tmp_path / "shop", {**SERVED, "models/buys.sql": zoned, "data/asked.parquet": asked(*range(3))})
    )
    publish(opened)
    instants = [day(4, hour) for hour in (0, 4, 5, 23)]
    with opened.project() as project, project.serve_session() as serving:
        assert serving.slow("buys") == {}
        found = [serving.features("buys", [ANN], at=at).rows[0]["hour_there"] for at in instants]

    assert found == [19, 23, 0, 18]
