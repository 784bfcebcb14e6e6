"""Runs and training sets that are killed, stopped at every step, or lack room, rights or memory; damaged files.

Short runs of ``make faults``, in one process that imports what they need once.
"""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT

PROGRAMS = (
    "runs --kills 2 --seed 3",
    "runs --sets --kills 2 --seed 3",
    "full_disk --limits 3",
    "permissions --paths target target/online data",
    "memory --limits 1",
    "steps --python --each 16",
    "damage --mutations 8",
)


@pytest.fixture(scope="module")
def said():
    """What each program says in the end, or how it failed."""
    command = [sys.executable, "-m", "tests.faults.several", *PROGRAMS]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    parts = re.split(r"^== \w+\n", ended.stdout, flags=re.MULTILINE)
    assert len(parts) == len(PROGRAMS) + 1, ended.stdout
    return dict(zip(PROGRAMS, parts[1:], strict=True))


def test_a_run_killed_at_any_moment_leaves_every_table_old_or_new_and_the_next_goes_on(said):
    assert said["runs --kills 2 --seed 3"].endswith(": 0 torn, 0 lost, nothing made twice\n")


def test_a_training_set_killed_at_any_moment_is_whole_or_not_listed(said):
    assert said["runs --sets --kills 2 --seed 3"].endswith(": nothing listed that is not whole\n")


def test_a_crash_at_a_step_of_a_run_or_a_training_set_leaves_old_or_new_and_the_next_makes_the_same_bytes(said):
    told = said["steps --python --each 16"]

    steps, states = map(int, re.search(r"^(\d+) steps .*, (\d+) different states of the disk: ", told).groups())
    assert steps > 200
    assert states >= 6
    assert told.endswith(": 0 torn, 0 lost, nothing left, the same bytes\n")


def test_a_full_disk_ends_every_verb_with_words_and_loses_nothing(said):
    told = {
        verb: int(count)
        for verb, count in re.findall(r"^(\S+): (\d) of 3 failed", said["full_disk --limits 3"], re.MULTILINE)
    }

    assert told == {"run": 2, "check": 0, "build-training-set": 2, "publish": 1}


def test_a_path_that_is_closed_is_named_by_every_verb_that_needs_it_and_serving_goes_on(said):
    told = said["permissions --paths target target/online data"]

    refused = re.findall(r"^(\S+): (\d) of \d refused with the path", told, re.MULTILINE)
    assert [verb for verb, count in refused if int(count) > 0][:3] == ["run", "build-training-set", "publish"]
    assert told.endswith("served all the while; with the right to write all is made\n")


def test_too_little_memory_is_told_with_what_to_raise_and_more_makes_all(said):
    told = said["memory --limits 1"]

    assert re.findall(r": (\d) of 1 failed with words", told) == ["1", "1", "1"]
    assert told.endswith("with 400 MB all is made\n")


def test_damaged_snapshots_and_sets_are_named_and_a_source_that_was_cut_is_told_of(said):
    assert len(re.findall(r": (\d+) damages, all found", said["damage --mutations 8"])) == 4
