"""Signals in the middle of queries of several shapes: how long the process takes to end, and what it leaves.

``python -m tests.faults.signals --seed 1 --signals 10``: SIGINT and SIGTERM in turn, each at a moment that the seed
chooses, while a model is made whose query goes on for ever. The exit code is 130 or 143, the model before is there, the
one under way is not, and the next run goes on.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlfeat.api import Project
from tests.made.projects import shop, write

SHAPES = {
    "joined": "select count(*) as n from range(100000000) as a(x), range(100000000) as b(y) where (a.x * b.y) % 7 = 3",
    "sorted": "select x, row_number() over (order by hash(x)) as n from range(40000000000) as a(x)",
    "grouped": "select hash(x) % 1000000007 as k, count(*) as n from range(40000000000) as a(x) group by k",
    "repeated": "with recursive r(n) as (select 0 union all select n + 1 from r where n < 100000000000) from r",
    "texts": "select sum(length(regexp_replace(repeat('ab' || x, 1000), '(a+b?)+', 'c', 'g'))) as n "
             "from range(40000000000) as a(x)",
}  # fmt: skip
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_LATEST = 0.6
_LONGEST = 10.0


def stopped(root: Path, shape: str, number: signal.Signals, after: float) -> float:
    """Run, and stop it; gives how many seconds it took to end."""
    write(
        root, {"models/last.sql": f"{{{{ config(materialized='table') }}}}\n{SHAPES[shape]} -- {{{{ ref('first') }}}}"}
    )
    command = [sys.executable, "-m", "sqlfeat.cli.main", "run", "--full-refresh"]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "built     first" in process.stderr.readline()
        time.sleep(after)
        began = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=_LONGEST)
        seconds = time.monotonic() - began
    assert process.returncode == CODES[number], f"{shape}, {number.name}: {process.returncode}"
    with Project.load(root) as project:
        assert project.table("first").to_pylist() == [{"n": 1}]
        (last,) = [one.status for one in project.run(["first"]).results]
        assert last == "unchanged"
    assert not list(root.glob("target/*.tmp/*")), "what spilled is still there"
    return seconds


def main(words: list[str]) -> int:
    """Send signals, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signals", type=int, default=10)
    asked = parser.parse_args(words)
    dice, numbers, shapes = random.Random(asked.seed), list(CODES), list(SHAPES)
    with tempfile.TemporaryDirectory() as folder:
        root = shop(Path(folder), {"models/first.sql": "{{ config(materialized='table') }} select 1 as n"})
        seconds = [
            stopped(root, shapes[count % len(shapes)], numbers[count // len(shapes) % 2], dice.uniform(0, _LATEST))
            for count in range(asked.signals)
        ]
    print(
        f"seed {asked.seed}: {asked.signals} signals in {min(len(shapes), asked.signals)} shapes of query: "
        f"{max(seconds):.2f} s at most from signal to end; nothing half made"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
