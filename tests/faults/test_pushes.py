"""Pushes under faults: short runs of ``python -m tests.faults.pushes``; every fault of it, of each store."""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT
from tests.faults.online import LOCAL
from tests.made.redis import KINDS


def run(*words):
    """What a run of the driver says; it fails where anything was lost, torn or given out wrong."""
    command = [sys.executable, "-m", "tests.faults.pushes", "--seed", "7", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("kind", [LOCAL, KINDS[0]])
def test_killed_pushers_full_disks_damages_and_outages_lose_no_push_that_was_acknowledged(kind):
    more = [] if kind == LOCAL else ["--steps", "--every", "17", "--outages", "cut"]
    said = run("--kind", kind, "--kills", "2", "--full", "1", "--damage", "6", *more)

    assert re.search(r"2 kills of .*, [1-9]\d* pushes acknowledged, [1-9]\d* reads: 0 lost, 0 torn", said)
    assert re.search(r"1 limits of the disk, [1-9]\d* refused with words, [1-9]\d* kept: 0 lost", said)
    assert re.search(r"(file|memory) full, [1-9]\d* refused with words, [1-9]\d* pushes kept: 0 lost, goes on", said)
    assert re.search(r"6 damages of what was pushed, all found \([1-9] row, [1-9] event, [1-9] file\)", said)
    if kind != LOCAL:
        assert re.search(r"[2-9] crash points of pushing: 0 lost, 0 torn", said)
        assert "cut: 6 of 6 refused with words, 0 of 8 acknowledged lost" in said


def test_publishers_and_pushers_of_a_project_killed_by_turns_lose_nothing():
    said = run("--publishers", "1")

    assert re.search(r"1 kills of publishers and pushers by turns, [1-9]\d* pushes acknowledged: 0 lost, 0 torn", said)
