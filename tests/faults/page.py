"""What may happen, what must follow, and what was seen: runs every fault test at length and writes the table.

``python -m tests.faults.page --seed 1`` (``make faults SEED=1``) writes ``docs/reference/faults.md``; with ``--share
0.1`` everything is a tenth as long, and the page is printed instead.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.machine import facts_of_machine, revision
from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "reference" / "faults.md"


@dataclass(frozen=True)
class Fault:
    """Something that may happen, what must follow, and the programs and tests that show that it does.

    ``programs`` are modules of this folder with what they are told; a number in braces is how often something is done.
    """

    happens: str
    follows: str
    programs: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


FAULTS = (
    Fault("`kill -9` during `run`", "every table is the old one or the new one, as the state says; the next run goes "
          "on from there and makes nothing twice", ("runs --kills {60}",)),
    Fault("`kill -9` during `publish`", "readers in other processes see the old or the new snapshot, whole",
          ("online --kind lmdb --kills {40}", "online --kind redis --kills {40}", "online --kind valkey --kills {40}")),
    Fault("`kill -9` during `build-training-set`, while versions and aliases change",
          "nothing is listed that is not whole; numbers and aliases never mean something else",
          ("runs --sets --kills {40}", "registry --kills {60}")),
    Fault("a crash at every durable step of a registry's change, of a publication, of a push",
          "what was promised is there, what was not is not", ("registry --steps", "online --steps --kind valkey"),
          ("tests/store/test_pushed_lmdb.py -k killed",)),
    Fault("a damaged snapshot, training set, registry, model", "refused by its hash and named; the last good one is "
          "served", ("damage --mutations {200}",),
          ("tests/store/test_registry_damage.py", "tests/store/test_codec_conformance.py -k damage",
           "tests/serve/test_going_over.py -k damaged")),
    Fault("a source that was cut (in Parquet; the last line of the damages)", "the run fails with words, the tables "
          "of before stay"),
    Fault("a full disk", "every verb ends with words, what was there before is served, with room it goes on",
          ("full_disk --limits {40}",)),
    Fault("two writers", "they wait for each other, or the second says at once who is first; nothing is lost",
          ("registry --writers {60}",), ("tests/errors/test_projects.py -k another_process",
                                         "tests/base/test_files.py -k lock")),
    Fault("the clock steps back; another zone, folder, hash seed, number of threads", "order by counters; the same "
          "ids and bytes", (), ("tests/store/test_registry_changes.py -k clock", "tests/docs/test_claims.py",
                                "tests/ops/test_reproduce.py -k another_folder")),
    Fault("SIGINT and SIGTERM in the middle of a query", "stopped, rolled back, exit 130 or 143", (),
          ("tests/cli/test_signals.py",)),
    Fault("the online store is stopped, frozen, emptied, late, dripping, cut off", "a right answer or an error within "
          "the deadline (250 ms here); nobody is called unknown; 503, a breaker, not ready",
          ("online --outages {200} --kind redis",), ("tests/serve/test_redis.py",)),
    Fault("a hook raises, crashes, hangs, forks, eats memory, leaves early", "nothing is registered, no process "
          "is left", (), ("tests/ops/test_train_hooks_that_fail.py", "tests/base/test_process.py")),
    Fault("a hostile template", "nothing but what is given to it is reachable, nothing goes on without end", (),
          ("tests/compiler/test_environment.py",)),
    Fault("hostile requests: huge, deep, slow, broken, with any value and any name", "413, 400, 408 or an answer; "
          "never a 500", (), ("tests/serve/test_hostile_wire.py", "tests/serve/test_hostile.py")),
    Fault("strangers on the network", "the loopback alone, or a token", (),
          ("tests/cli/test_serve.py -k token", "tests/serve/test_wire.py -k token",
           "tests/serve/test_push.py -k token")),
    Fault("secrets", "in no artifact, log or error", (),
          ("tests/ops/test_audit.py -k secret", "tests/serve/test_log.py -k token", "tests/base/test_withheld.py")),
)  # fmt: skip
OPEN = (
    "a crash at every durable step of `run` and `build-training-set` (kills at random moments are shown)",
    "a read-only folder, a machine out of memory",
    "a source whose schema changes between two runs",
)
"""What is not shown yet."""


def seen(fault: Fault, seed: int, share: float) -> list[str]:
    """What became of a fault, a line for each program and one for the tests; ends where one fails."""
    lines = []
    for program in fault.programs:
        words = re.sub(r"\{(\d+)\}", lambda count: str(max(2, round(int(count[1]) * share))), program).split()
        lines += _ran([sys.executable, "-m", f"tests.faults.{words[0]}", "--seed", str(seed), *words[1:]])
    passed = 0
    for test in fault.tests:
        told = _ran([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *test.split()])
        (count,) = re.findall(r"(\d+) passed", told[-1])
        passed += int(count)
    return [*lines, *([f"{passed} tests passed"] if passed else [])]


def _ran(command: Sequence[str]) -> list[str]:
    environment = {**os.environ, "SQLFEAT_EXAMPLES": os.environ.get("SQLFEAT_EXAMPLES", "0")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout.strip().splitlines()


def page(rows: Sequence[tuple[Fault, Sequence[str]]], seed: int, seconds: float) -> str:
    """The table as a page."""
    facts = facts_of_machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines = [
        "# Faults",
        "",
        "What may happen, what must follow, and what was seen. This page is written by `make faults SEED="
        f"{seed}`: {datetime.now(UTC):%Y-%m-%d}, revision {revision(ROOT)}, {facts['system']}, {facts['cores']} cores, "
        f"Python {facts['python']}, {versions}; {seconds / 60:.0f} minutes. Shorter runs of the same are part of "
        "`make test`.",
        "",
        "| what happens | what must follow | what was seen |",
        "| --- | --- | --- |",
    ]
    for fault, told in rows:
        lines.append(f"| {fault.happens} | {fault.follows} | {'<br>'.join(told) or 'see above'} |")
    return "\n".join([*lines, "", "Not shown yet:", "", *(f"- {one}" for one in OPEN), ""])


def main(words: list[str]) -> int:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="so much of everything; the page is printed then")
    asked = parser.parse_args(words)
    began, rows = time.monotonic(), []
    for fault in FAULTS:
        told = seen(fault, asked.seed, asked.share)
        print(f"{fault.happens}: {'; '.join(told)}", file=sys.stderr, flush=True)
        rows.append((fault, told))
    text = page(rows, asked.seed, time.monotonic() - began)
    if asked.share < 1:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
