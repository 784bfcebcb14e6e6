"""What may happen, what must follow, and what was seen: runs every fault test at length and writes the table.

``python -m tests.faults.page --seed 1`` (``make faults SEED=1``) writes ``docs/reference/faults.md``; with ``--share
0.1`` everything is a tenth as long, and the page is printed instead.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
    Fault("a crash at every durable step of `run` and `build-training-set`: each write, sync, rename and commit, of "
          "DuckDB and Arrow too, and the middle of each long write",
          "every table old or new, as the state says; what is listed is whole; the next run makes what is missing, "
          "the same bytes as if nothing had been, and nothing is left over", ("steps",)),
    Fault("a crash at every durable step of a registry's change, of a publication, of a push",
          "what was promised is there, what was not is not", ("registry --steps", "online --steps --kind valkey"),
          ("tests/store/test_pushed_lmdb.py -k killed",)),
    Fault("pushers are killed, at any moment and at every durable step; publishers and pushers by turns",
          "what was acknowledged is kept, online and for the next run; any other push is wholly there or wholly not, "
          "and comes right when it is pushed again",
          ("pushes --kind lmdb --kills {60}", "pushes --kind redis --kills {60}", "pushes --kind valkey --kills {60}",
           "pushes --kind lmdb --steps", "pushes --kind redis --steps", "pushes --kind lmdb --publishers {20}",
           "pushes --kind redis --publishers {20}")),
    Fault("no room for a push: a full disk, a full file, a server without memory",
          "a push is refused with words and wholly; with room the same process goes on",
          ("pushes --kind lmdb --full {40}", "pushes --kind redis --full {10}", "pushes --kind valkey --full {10}")),
    Fault("a damaged row, event or file of what was pushed", "it is told of, all others are served and come to runs, "
          "pushing again mends it", ("pushes --kind lmdb --damage {200}", "pushes --kind redis --damage {200}")),
    Fault("the server is stopped, frozen, emptied, late, dripping, cut off, time and again, during pushes",
          "a push is acknowledged or refused; what was acknowledged is kept (of an emptied server: what came after)",
          ("pushes --kind redis --outages", "pushes --kind valkey --outages")),
    Fault("a damaged snapshot, training set, registry, model", "refused by its hash and named; the last good one is "
          "served", ("damage --no-sources --mutations {200}",),
          ("tests/store/test_registry_damage.py", "tests/store/test_codec_conformance.py -k damage",
           "tests/serve/test_going_over.py -k damaged")),
    Fault("a source that was cut, or changes while it is read", "the run fails with words and the tables of before "
          "stay; where a text ends within a line, or is shorter than when it was last read, the run warns. A CSV that "
          "was cut at a line's end and never read before cannot be told from a whole one, nor one in the middle of a "
          "quoted text of several lines", ("damage --sources --mutations {200}",),
          ("tests/ops/test_source_changes.py -k cut", "tests/ops/test_source_changes.py -k while")),
    Fault("a source's columns change between two runs: one is gone, renamed, of another type; a new one, other order, "
          "nulls that may come", "the first three stop a run before anything is made; the others are noted",
          (), ("tests/ops/test_source_changes.py",)),
    Fault("a folder that may not be written, or belongs to somebody else; a source that may not be read",
          "the path and what to do; what was published is served", ("permissions",)),
    Fault("too little memory; no room for what spills", "what failed says what to raise, nothing is half made, the "
          "connection answers; with more memory all is made", ("memory --limits {12}",)),
    Fault("a full disk", "every verb ends with words, what was there before is served, with room it goes on",
          ("full_disk --limits {40}",)),
    Fault("two writers", "they wait for each other, or the second says at once who is first; nothing is lost",
          ("registry --writers {60}",), ("tests/errors/test_projects.py -k another_process",
                                         "tests/base/test_files.py -k lock")),
    Fault("the clock steps back; another zone, folder, hash seed, number of threads", "order by counters; the same "
          "ids and bytes", (), ("tests/store/test_registry_changes.py -k clock", "tests/docs/test_claims.py",
                                "tests/ops/test_reproduce.py -k another_folder")),
    Fault("SIGINT and SIGTERM in the middle of a query", "stopped, rolled back, exit 130 or 143",
          ("signals --signals {10}",), ("tests/cli/test_signals.py",)),
    Fault("the online store is stopped, frozen, emptied, late, dripping, cut off", "a right answer or an error within "
          "the deadline (250 ms here); nobody is called unknown; 503, a breaker, not ready",
          ("online --outages {200} --kind redis",), ("tests/serve/test_redis.py",)),
    Fault("a hook raises, crashes, hangs, forks, eats memory, leaves early", "nothing is registered, no process "
          "is left", (), ("tests/ops/test_train_hooks_that_fail.py", "tests/base/test_process.py")),
    Fault("a hostile template", "nothing but what is given to it is reachable, nothing goes on without end", (),
          ("tests/compiler/test_environment.py",)),
    Fault("texts that end a statement, leave a folder or mean something to somebody: as selectors, names, keys, rows, "
          "references, variables", "a value, or a name that is refused; one statement only; nothing comes or goes", (),
          ("tests/ops/test_hostile_texts.py", "tests/base/test_names.py", "tests/store/test_registry.py -k reference",
           "tests/store/test_registry_changes.py -k alias", "tests/store/test_training_sets.py")),
    Fault("hostile requests: huge, deep, slow, broken, with any value and any name", "413, 400, 408 or an answer; "
          "never a 500", (), ("tests/serve/test_hostile_wire.py", "tests/serve/test_hostile.py")),
    Fault("strangers on the network", "the loopback alone, or a token", (),
          ("tests/cli/test_serve.py -k token", "tests/serve/test_wire.py -k token",
           "tests/serve/test_push.py -k token")),
    Fault("secrets", "in no artifact, log or error", (),
          ("tests/ops/test_audit.py -k secret", "tests/serve/test_log.py -k token", "tests/base/test_withheld.py")),
)  # fmt: skip


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
    return "\n".join([*lines, ""])


def main(words: list[str]) -> int:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="so much of everything; the page is printed then")
    parser.add_argument("--jobs", type=int, default=1, help="so many faults at a time")
    parser.add_argument("--kept", type=Path, help="a file of what was seen: what is in it is not done again")
    asked = parser.parse_args(words)
    kept: dict[str, list[str]] = json.loads(asked.kept.read_text()) if asked.kept and asked.kept.exists() else {}

    def done(fault: Fault) -> list[str]:
        if fault.happens not in kept:
            kept[fault.happens] = seen(fault, asked.seed, asked.share)
            print(f"{fault.happens}: {'; '.join(kept[fault.happens])}", file=sys.stderr, flush=True)
            if asked.kept:
                asked.kept.write_text(json.dumps(kept))
        return kept[fault.happens]

    began = time.monotonic()
    with ThreadPoolExecutor(asked.jobs) as workers:
        rows = list(zip(FAULTS, workers.map(done, FAULTS), strict=True))
    text = page(rows, asked.seed, time.monotonic() - began)
    if asked.share < 1:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
