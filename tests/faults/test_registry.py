"""Writers of a registry that are killed, and two at once: short runs of ``make faults-registry``."""

import re
import subprocess
import sys

from tests.docs.pages import ROOT


def run(*words):
    """What a run of the driver says in the end; it fails where anything was found to be wrong."""
    command = [sys.executable, "-m", "tests.faults.registry", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_crash_at_any_durable_step_of_any_change_leaves_the_registry_whole():
    said = run("--steps")

    points = int(re.fullmatch(r"(\d+) crash points: 0 dangling, aliases and journal agree at each\n", said)[1])
    assert points > 40


def test_a_writer_killed_at_any_moment_leaves_the_registry_whole():
    said = run("--seed", "7", "--kills", "10")

    assert said.startswith("seed 7: 10 kills, ")
    assert said.endswith(" reads: 0 dangling, 0 torn, 0 numbers given twice\n")


def test_two_processes_that_write_at_once_lose_nothing_and_readers_see_no_half():
    said = run("--seed", "7", "--writers", "25")

    changes, reads = map(int, re.search(r"2 writers, (\d+) changes, .* (\d+) reads", said).groups())
    assert changes > 25
    assert reads > 0
