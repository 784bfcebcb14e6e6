"""Runs and training sets that are killed, full disks, damaged files: short runs of ``make faults``."""

import re
import subprocess
import sys

from tests.docs.pages import ROOT


def run(program, *words):
    """What a driver says in the end; it fails where anything was found to be wrong."""
    command = [sys.executable, "-m", f"tests.faults.{program}", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_run_killed_at_any_moment_leaves_every_table_old_or_new_and_the_next_goes_on():
    assert run("runs", "--kills", "2", "--seed", "3").endswith(": 0 torn, 0 lost, nothing made twice\n")


def test_a_training_set_killed_at_any_moment_is_whole_or_not_listed():
    assert run("runs", "--sets", "--kills", "2", "--seed", "3").endswith(": nothing listed that is not whole\n")


def test_a_full_disk_ends_every_verb_with_words_and_loses_nothing():
    told = {
        verb: int(count)
        for verb, count in re.findall(r"^(\S+): (\d) of 3 failed", run("full_disk", "--limits", "3"), re.M)
    }

    assert told == {"run": 2, "check": 0, "build-training-set": 2, "publish": 1}


def test_damaged_snapshots_and_sets_are_named_and_a_source_that_was_cut_ends_the_run():
    assert len(re.findall(r": (\d+) damages, all found", run("damage", "--mutations", "12"))) == 3
