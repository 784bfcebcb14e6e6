"""How a command line fails: one shape, one exit code per kind, the nearest name."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from sqlfeat.cli.failure import Terminated, error_text
from sqlfeat.errors import (
    EngineError,
    HookError,
    Place,
    ProjectError,
    ProjectErrors,
    RunError,
    StoreError,
)

MACRO = Place("macros/recent.sql", 2, 8, "from {{ ref(name) }}", 3)
UNKNOWN_REF = ProjectError(
    "unknown-ref",
    "There is no model 'stg_flight'.",
    Place("models/delays.sql", 12, 13, "\tselect * from {{ ref('stg_flight') }}", 5, (MACRO,)),
    "did you mean 'stg_flights'?",
    details=["It is asked for by the model delays."],
)
UNKNOWN_REF_TEXT = """\
models/delays.sql:12:13: [unknown-ref] There is no model 'stg_flight'.
  12 | \tselect * from {{ ref('stg_flight') }}
     | \t           ^^^^^
  It is asked for by the model delays.
  called from macros/recent.sql:2:8

Hint: did you mean 'stg_flights'?
""".expandtabs(8)


def test_an_error_has_its_place_the_line_a_caret_and_a_hint(typing, project):
    project.answers["run"] = UNKNOWN_REF

    ended = typing("run")

    assert ended.err == UNKNOWN_REF_TEXT
    assert ended.out == ""
    assert ended.code == 2


def test_an_error_says_the_same_with_and_without_colour(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(force_terminal=True, color_system="standard", soft_wrap=True, markup=False, highlight=False)

    with console.capture() as captured:
        console.print(error_text(UNKNOWN_REF))
    coloured = captured.get()

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == UNKNOWN_REF_TEXT
    assert error_text(UNKNOWN_REF).plain == str(UNKNOWN_REF)


def test_no_color_is_heeded_even_on_a_terminal(typing, project, monkeypatch):
    project.answers["run"] = UNKNOWN_REF
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b" not in typing("run").err


def test_all_errors_of_a_project_are_shown_in_the_order_of_its_files(typing, project):
    bad_yaml = ProjectError("yaml-syntax", "This is no YAML.", Place("models/a.yml", 3, 1))
    project.answers["run"] = ProjectErrors([UNKNOWN_REF, bad_yaml])

    shown = typing("run").err

    assert shown == f"models/a.yml:3:1: [yaml-syntax] This is no YAML.\n\n{UNKNOWN_REF_TEXT}"


def test_errors_are_one_json_document(typing, project):
    project.answers["run"] = ProjectErrors([UNKNOWN_REF, UNKNOWN_REF])

    ended = typing("run", "--json")

    assert ended.err == ""
    error = ended.document["error"]
    assert error["code"] == "unknown-ref"
    assert (error["file"], error["line"], error["column"]) == ("models/delays.sql", 12, 13)
    assert error["hint"] == "did you mean 'stg_flights'?"
    assert len(error["errors"]) == 2


@pytest.mark.parametrize(
    ("kind", "code"), [(ProjectError, 2), (EngineError, 2), (StoreError, 2), (RunError, 1), (HookError, 1)]
)
def test_each_kind_of_error_has_its_exit_code(typing, project, kind, code):
    project.answers["train"] = kind("some-code", "Something is wrong.")

    assert typing("train", "late_lgbm").code == code


def test_a_bug_is_one_sentence_and_a_way_to_its_traceback(typing, project):
    project.answers["run"] = ValueError("no such thing\nsecond line")

    ended = typing("run")

    assert ended.code == 2
    assert ended.err == (
        "[internal-error] Something in sqlfeat went wrong that should not have: ValueError: no such thing\n\n"
        "Hint: the same command with --debug prints the traceback; please report it with that.\n"
    )


def test_debug_prints_the_traceback_too(typing, project):
    project.answers["run"] = UNKNOWN_REF

    shown = typing("run", "--debug").err

    assert shown.startswith("Traceback (most recent call last):")
    assert shown.endswith(UNKNOWN_REF_TEXT)


@pytest.mark.parametrize(
    ("stop", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "[interrupted] Interrupted; what was under way is rolled back.\n"),
        (Terminated(), 143, "[terminated] Stopped by SIGTERM; what was under way is rolled back.\n"),
    ],
)
def test_whoever_stops_the_work_reads_one_sentence(typing, project, stop, code, sentence):
    project.answers["run"] = stop

    ended = typing("run")

    assert ended.code == code
    assert ended.err.strip("\n") + "\n" == sentence
    assert "close" in project.calls


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("bulid", "[unknown-command] sqlfeat has no command 'bulid'.", "did you mean 'build'?"),
        ("registry shw", "[unknown-command] sqlfeat registry has no command 'shw'.", "did you mean 'show'?"),
        ("run --selct a", "[unknown-option] sqlfeat run has no option '--selct'.", "did you mean '--select'?"),
        ("show", "[missing-argument] sqlfeat show needs MODEL.", "`sqlfeat show --help` says what there is."),
        ("run a", "[bad-usage] sqlfeat run takes no argument 'a'.", "to choose: sqlfeat run --select a"),
        (
            "show a --at noon",
            "[bad-argument] --at: 'noon' is no time; write 2013-03-01, '2013-03-01 06:30' or 2013-03-01T06:30-05:00.",
            "`sqlfeat show --help` says what there is.",
        ),
    ],
)
def test_a_line_that_cannot_be_meant_names_what_was_probably_meant(typing, line, what, hint):
    ended = typing(*line.split())

    assert ended.code == 2
    assert ended.err == f"{what}\n\nHint: {hint}\n"
    assert ended.out == ""


def test_usage_errors_are_json_too(typing):
    ended = typing("run", "--json", "--selct", "a")

    assert ended.document["error"]["code"] == "unknown-option"
    assert ended.code == 2


def test_a_reader_who_has_seen_enough_reads_no_complaint():
    reading, writing = os.pipe()
    os.close(reading)

    ended = subprocess.run(
        [sys.executable, "-m", "sqlfeat.cli.main", "--help"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)

    assert ended.stderr == b""
    assert ended.returncode == 141
