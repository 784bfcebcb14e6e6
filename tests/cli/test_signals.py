"""Whoever stops a run gets their prompt back: one sentence, the right exit code, and nothing half done."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sqlfeat.api import Project

PROJECT = "name: endless\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target/endless.duckdb}\n"
FIRST = "{{ config(materialized='table') }}\nselect 1 as n\n"
ENDLESS = """\
{{ config(materialized='table') }}
select count(*) as n
from {{ ref('first') }}, range(100000000) as a(x), range(100000000) as b(y)
where (a.x * b.y) % 7 = 3
"""


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A project of a quick model and one that takes for ever."""
    (tmp_path / "models").mkdir()
    (tmp_path / "sqlfeat_project.yml").write_text(PROJECT)
    (tmp_path / "models" / "first.sql").write_text(FIRST)
    (tmp_path / "models" / "last.sql").write_text(ENDLESS)
    return tmp_path


@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [
        (signal.SIGINT, 130, "[interrupted] Interrupted; what was under way is rolled back."),
        (signal.SIGTERM, 143, "[terminated] Stopped by SIGTERM; what was under way is rolled back."),
    ],
)
def test_a_signal_ends_a_run_with_one_sentence(endless, number, code, sentence):
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfeat.cli.main", "run"], cwd=endless, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "built     first" in process.stderr.readline()

    process.send_signal(number)
    _, rest = process.communicate(timeout=30)

    assert process.returncode == code
    assert rest.split("\n") == ["", sentence, ""]
    with Project.load(endless) as project:
        assert project.table("first").to_pylist() == [{"n": 1}]
        assert project.run(["first"]).count("unchanged") == 1
