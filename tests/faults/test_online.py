"""Publishers to a Redis server that are killed, and servers that fail: short runs of ``make faults-online``."""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT
from tests.made.redis import KINDS


def run(*words):
    """What a run of the driver says in the end; it fails where anything was found to be wrong."""
    command = [sys.executable, "-m", "tests.faults.online", *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_publisher_killed_at_any_moment_leaves_a_whole_snapshot_and_no_rubbish():
    said = run("--seed", "7", "--kills", "5")

    assert int(re.search(r"5 publishers killed, (\d+) reads: 0 mixed, nothing left\n", said)[1]) > 5


@pytest.mark.parametrize("kind", KINDS[:1])
def test_a_crash_before_or_after_any_step_of_a_publication_leaves_a_whole_snapshot(kind):
    said = run("--steps", "--kind", kind)

    assert int(re.search(r"(\d+) crash points: 0 mixed, 0 damaged, nothing left\n", said)[1]) > 20


def test_a_server_that_fails_gives_right_answers_or_errors_and_calls_nobody_unknown():
    told = dict(re.findall(r"^\w+ (\w+): ([^;]*);", run("--outages", "20"), re.MULTILINE))

    assert told == {
        "stopped": "20 online-store-down",
        "frozen": "20 online-store-down",
        "empty": "20 snapshot-gone",
        "late": "20 online-store-down",
        "dripping": "20 online-store-down",
        "cut": "20 online-store-down",
    }
