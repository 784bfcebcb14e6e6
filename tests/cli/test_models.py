"""The commands about SQL models: what they pass on, what they print, how they end."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from sqlfeat.cli.progress import Watcher
from sqlfeat.compiler.lookback import Lookback
from sqlfeat.errors import Place, RunError
from sqlfeat.ops.check_result import CheckedModel, CheckResult
from sqlfeat.ops.results import Event, NodeResult, RunResult


@dataclass(frozen=True)
class Node:
    name: str
    resource_type: str = "model"
    materialized: str = "view"
    description: str = ""

    def as_dict(self):
        return {"name": self.name, "resource_type": self.resource_type, "materialized": self.materialized}


@dataclass(frozen=True)
class Compiled:
    name: str
    path: Path
    sql: str


def built(name, rows=80_123, status="built", **more):
    return NodeResult(name, "model", status, rows, 0.31, materialized="feature_view", **more)


SYNTAX = RunError("sql-failed", "Conversion failed.", Place("models/weather.sql", 3, 5, "    cast(temp as int)", 4))
BUILD = RunResult(
    (
        built("carrier_delays"),
        built("weather", None, "failed", error=SYNTAX, reason="sql-failed"),
        built("late_flights", None, "skipped", reason="weather failed"),
        NodeResult(
            "unique_flight_id",
            "test",
            "failed",
            12,
            0.02,
            "12 rows",
            examples=[{"flight_id": 7, "n": 2}, {"flight_id": 8, "n": 2}],
        ),
    ),
    2.34,
)


def test_a_run_tells_each_node_as_it_ends_and_sums_up(typing, project):
    project.events = [
        Event("plan", total=12),
        Event("start", "carrier_delays"),
        Event("end", "carrier_delays", result=built("carrier_delays")),
        Event("end", "routes", result=built("routes", status="unchanged")),
        Event("log", text="hello from a template"),
        Event("end", "weather", result=built("weather", 1)),
        Event("end", "unique_flight_id", result=NodeResult("unique_flight_id", "test", "passed", 0, 0.02)),
    ]
    project.answers["run"] = RunResult(
        (built("carrier_delays"), built("routes", status="unchanged"), built("weather")), 2.34
    )

    ended = typing("run")

    assert ended.out == ""
    assert ended.err == (
        "[ 1/12] built     carrier_delays               feature_view     80,123 rows    0.31 s\n"
        "  hello from a template\n"
        "[ 3/12] built     weather                      feature_view           1 row    0.31 s\n"
        "[ 4/12] passed    unique_flight_id                                             0.02 s\n"
        "2 built, 1 unchanged, 0 failed in 2.3 s\n"
    )
    assert ended.code == 0


def test_failures_are_shown_in_full_after_the_list(typing, project):
    project.answers["build"] = BUILD

    ended = typing("build")

    assert ended.code == 1
    assert ended.err == (
        "models/weather.sql:3:5: [sql-failed] Conversion failed.\n"
        "  3 |     cast(temp as int)\n"
        "    |     ^^^^\n"
        "\n"
        "unique_flight_id failed: 12 rows\n"
        "\n"
        "unique_flight_id: 2 of 12 rows that break it\n"
        "| flight_id |   n |\n"
        "| --------: | --: |\n"
        "|         7 |   2 |\n"
        "|         8 |   2 |\n"
        "\n"
        "1 built, 0 unchanged, 0 passed, 1 skipped, 2 failed in 2.3 s\n"
    )


@pytest.mark.parametrize(("models", "told"), [(12, "all 12 models are"), (1, "the model is")])
def test_a_run_that_has_nothing_to_do_says_so(typing, project, models, told):
    project.answers["run"] = RunResult(tuple(built(f"m{n}", status="unchanged") for n in range(models)))

    assert typing("run").err == f"Nothing to do: {told} up to date.\n"


def test_a_selection_of_nothing_says_so(typing, project):
    project.answers["run"] = RunResult(())

    assert typing("run", "-s", "tag:none").err == "Nothing is selected.\n"


def test_quiet_leaves_errors_only(typing, project):
    project.events = [Event("end", "carrier_delays", result=built("carrier_delays"))]
    project.answers["build"] = BUILD

    shown = typing("build", "--quiet").err

    assert shown.startswith("models/weather.sql:3:5")
    assert "built" not in shown


@pytest.mark.parametrize("command", ["run", "test", "build"])
def test_results_are_one_json_document(typing, project, command):
    project.events = [Event("log", text="talk")]
    project.answers[command] = BUILD

    ended = typing(command, "--json")

    assert ended.err == ""
    assert ended.code == 1
    results = ended.document["results"]
    assert [(result["name"], result["status"], result["rows"]) for result in results] == [
        ("carrier_delays", "built", 80123),
        ("weather", "failed", None),
        ("late_flights", "skipped", None),
        ("unique_flight_id", "failed", 12),
    ]
    assert results[1]["error"]["line"] == 3
    assert {"seconds", "reason"} <= set(results[0])


def test_selectors_may_be_repeated_or_stand_side_by_side(typing, project):
    project.answers["run"] = RunResult(())

    typing("run", "-s", "a", "+b", "--exclude", "tag:slow d", "--select", "c+ e,f", "--full-refresh")

    assert project.calls["run"] == ((("a", "+b", "c+", "e,f"), ("tag:slow", "d")), {"full_refresh": True})


def test_shared_options_hold_before_and_after_the_command(typing, project):
    project.answers["run"] = RunResult(())

    typing("--project-dir", "x", "--target", "prod", "run", "--target", "dev", "--threads", "2",
           "--vars", "{horizon: 15, carriers: [AA]}", "--vars", "rate=1e-3")  # fmt: skip
    (folder,), settings = project.calls["load"]

    assert folder == Path("x")
    assert (settings["target"], settings["threads"]) == ("dev", 2)
    assert settings["vars"] == {"horizon": 15, "carriers": ["AA"], "rate": 0.001}


@pytest.mark.parametrize("text", ["[1, 2]", "{a: 1, a: 2}", "{a: "])
def test_variables_that_are_no_mapping_are_refused(typing, project, text):
    ended = typing("run", "--vars", text)

    assert ended.code == 2
    assert "--vars" in ended.err


def test_ls_gives_one_name_a_line_to_a_pipe(typing, project):
    project.answers["nodes"] = [Node("stg_flights"), Node("raw.flights", "source")]

    assert typing("ls").out == "stg_flights\nraw.flights\n"
    assert typing("ls", "--resource-type", "source").out == "raw.flights\n"


def test_ls_gives_a_table_to_a_terminal(typing, project, monkeypatch):
    project.answers["nodes"] = [Node("stg_flights", description="One row\n per flight.")]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")

    assert typing("ls").out == (
        "  name          kind   what it is\n"
        "  stg_flights   view   One row per flight.\n"
    )  # fmt: skip


def test_ls_json_has_the_nodes(typing, project):
    project.answers["nodes"] = [Node("stg_flights")]

    nodes = typing("ls", "--json").document["nodes"]
    assert nodes == [{"name": "stg_flights", "resource_type": "model", "materialized": "view"}]


TABLE = pa.table(
    {
        "carrier": ["AA", None],
        "asked": pa.array([datetime(2013, 1, 1, 10, 0, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        "delay": [1.5, float("nan")],
        "note": ["a|b", "two\nlines\x1b[31m"],
    }
)


def test_show_prints_a_table_that_reads_in_a_pipe(typing, project):
    project.answers["show"] = TABLE

    assert typing("show", "delays").out == (
        "| carrier | asked                | delay | note               |\n"
        "| ------- | -------------------- | ----: | ------------------ |\n"
        "| AA      | 2013-01-01 10:00:00Z |   1.5 | a\\|b               |\n"
        "| null    | null                 |   nan | two\\nlines\\x1b[31m |\n"
    )


def test_show_prints_a_block_a_row_where_a_terminal_is_too_narrow(typing, project, monkeypatch):
    project.answers["show"] = TABLE.slice(0, 1)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")

    assert typing("show", "delays").out == (
        "row 1\n  carrier   AA\n  asked     2013-01-01 10:00:00Z\n  delay     1.5\n  note      a|b\n"
    )


def test_show_json_has_columns_and_rows(typing, project):
    project.answers["show"] = TABLE

    document = typing("show", "delays", "--json", "--at", "2013-02-01T12:00-05:00").document

    assert document["columns"] == ["carrier", "asked", "delay", "note"]
    assert document["rows"][0] == {"carrier": "AA", "asked": "2013-01-01T10:00:00Z", "delay": 1.5, "note": "a|b"}
    assert document["rows"][1]["delay"] == "NaN"
    assert project.calls["show"] == (
        ("delays",),
        {"limit": 10, "at": datetime(2013, 2, 1, 17, 0, tzinfo=UTC), "out": None},
    )


def test_show_writes_all_rows_to_a_file_unless_told_how_many(typing, project):
    project.answers["show"] = TABLE

    written = typing("show", "delays", "--out", "delays.csv")

    assert written.out == ""
    assert written.err == "2 rows in delays.csv\n"
    assert project.calls["show"][1]["limit"] is None

    typing("show", "delays", "--out", "delays.csv", "--limit", "5")

    assert project.calls["show"][1]["limit"] == 5


def test_compile_prints_the_sql_of_a_single_model(typing, project):
    project.answers["compile"] = [Compiled("a", Path("target/compiled/a.sql"), "\nselect 1\n")]

    shown = typing("compile", "-s", "a")

    assert shown.out == "select 1\n"
    assert shown.err == "written to target/compiled/a.sql\n"


def test_compile_lists_the_files_of_many(typing, project):
    files = [Compiled(name, Path(f"target/compiled/{name}.sql"), "select 1") for name in ("a", "b")]
    project.answers["compile"] = files

    shown = typing("compile")

    assert shown.out == "target/compiled/a.sql\ntarget/compiled/b.sql\n"
    assert shown.err == "2 models compiled\n"
    project.answers["check"] = CheckResult(
        tuple(CheckedModel(file.name, str(file.path), (), Lookback(None, None, "all of it")) for file in files)
    )
    assert typing("compile", "--json").document["compiled"][1] == {
        "name": "b", "path": "target/compiled/b.sql", "sql": "select 1", "lookback": None,
        "lookback_reason": "all of it",
    }  # fmt: skip


def test_a_terminal_shows_what_is_under_way_and_takes_it_away():
    screen = io.StringIO()
    watcher = Watcher(Console(file=screen, force_terminal=True, width=100, color_system=None))

    for name in ("a", "b", "c", "d"):
        watcher(Event("start", name))
    watcher(Event("end", "a", result=built("a")))
    watcher.close()

    shown = screen.getvalue()
    assert "a, b, c and 1 more" in shown
    assert "built     a " in shown
    assert shown.endswith("\x1b[?25h\r\x1b[1A\x1b[2K") or shown.rstrip().endswith("\x1b[2K")
