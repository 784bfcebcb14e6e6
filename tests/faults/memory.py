"""Not enough memory: a run, a training set, and a full place for what spills; words, nothing half done, and on it goes.

``python -m tests.faults.memory --limits 6``: a project of windows, sorts and lookups under limits of memory from too
little for anything to enough for all. Whatever has failed said what to raise and is as it was before; the connection
answers afterwards, and with more memory everything is made. ``--limits`` also says under how many limits of a file
what DuckDB spills breaks off.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlfeat.api import Project
from sqlfeat.errors import SqlfeatError
from tests.faults.forks import ended, forked, warm
from tests.made.projects import PROJECT_FILE, Files, shop, write

ROWS = 50_000
LEAST, MOST = 5, 16
"""Megabytes: too few for anything, and so many that some of it can be made, and some cannot."""
ENOUGH = 400
FILES: Files = {
    "models/paid.sql": f"""
        {{{{ config(materialized='table', event_time='paid_at') }}}}
        select n as order_id, 'customer ' || (hash(n) % 50000) as customer, (n * 7919 % 100) as amount,
            timestamptz '2024-01-01' + to_seconds(n * 20 % 2000000) as paid_at
        from range({ROWS}) as r(n)
    """,
    "models/gathered.sql": """
        {{ config(materialized='table') }}
        select customer, list(order_id order by hash(order_id)) as orders from {{ ref('paid') }} group by customer
    """,
    "models/spending.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='paid_at', tie_breaker=['order_id']) }}
        select customer, paid_at, order_id, {{ window('sum(amount)', '7 days', name='spent') }} from {{ ref('paid') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}
        select order_id, customer, paid_at + interval 1 hour as asked_at, amount > 50 as much from {{ ref('paid') }}
    """,
    "models/much.sql": """
        {{ config(materialized='training_set', label='much', keys=['order_id']) }}
        select a.order_id, a.asked_at, {{ feature('spending.spent_7d') }}, a.much from {{ ref('asked') }} as a
    """,
}  # fmt: skip
TABLES = ("paid", "gathered", "spending", "asked")
_DONE, _TOLD = 0, 3


def limited(root: Path, megabytes: int) -> None:
    """Give the target so much memory."""
    write(root, {"sqlfeat_project.yml": PROJECT_FILE.replace("threads: 1", f"threads: 1, memory_limit: {megabytes}MB")})


def told(error: SqlfeatError) -> None:
    """The error says what there is too little of, and what to do."""
    spilling = "File too large" in error.what or "No space left" in error.what
    said = "memory_limit" in (error.hint or "")
    assert (said and "not memory enough" in error.what) or spilling, error
    assert error.hint, error


def counted_in(project: Project, name: str) -> int:
    """How many rows are in a table, asked of the same connection."""
    ((count,),) = project._session.engine.ask(f'select count(*) from "{name}"').rows
    return int(count)


def run(root: Path) -> int:
    """Run; whatever is not made failed for want of memory, or waits for what did."""
    with Project.load(root) as project:
        result = project.run()
        failed = [node.error for node in result.results if node.error is not None]
        for error in failed:
            told(error)
        for node in result.results:
            if node.status in ("built", "unchanged") and node.name in TABLES:
                assert counted_in(project, node.name) == (node.rows or ROWS), "what was made is not what the state says"
    return _TOLD if failed else _DONE


def build(root: Path) -> int:
    """Build the training set, and be told why not; what is listed is whole, and the connection answers."""
    with Project.load(root) as project:
        try:
            project.build_training_set("much")
        except SqlfeatError as error:
            told(error)
            assert project.training_sets() == []
            assert counted_in(project, "asked") == ROWS
            return _TOLD
    return _DONE


def spilling(root: Path, kilobytes: int) -> int:
    """Run while no file, what spills among them, may grow beyond so much."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))
    try:
        return run(root)
    except SqlfeatError as error:
        told(error)
        return _TOLD


def everything(root: Path) -> int:
    """With enough memory all is made, and nothing that spilled is left."""
    assert run(root) == build(root) == _DONE
    with Project.load(root) as project:
        assert counted_in(project, "paid") == counted_in(project, "spending") == ROWS
    assert not list(root.glob("target/*.tmp")) + list(root.glob("target/training_sets/*/.*"))
    return _DONE


def rounds(folder: Path, limits: int) -> dict[str, Counter[str]]:
    """Everything under so many limits; how often it was told, and how often it was done all the same."""
    found = {what: Counter[str]() for what in ("run", "build-training-set", "run, and no room to spill")}

    def counted(what: str, work: Callable[[], int]) -> None:
        code = ended(forked(work))
        assert code in (_DONE, _TOLD), f"{what}: {code}"
        found[what]["told" if code == _TOLD else "done"] += 1

    root = shop(folder / "run", FILES)
    warm(root)
    for number in range(limits):
        limited(root, LEAST + round((MOST - LEAST) * number / max(limits - 1, 1)))
        counted("run", partial(run, root))
    full = shop(folder / "full", FILES)
    limited(full, MOST)
    for number in range(limits):
        counted("run, and no room to spill", partial(spilling, full, 4096 * (number + 1) // limits))
    for there in (root, full):
        limited(there, ENOUGH)
        assert ended(forked(partial(run, there))) == _DONE
    for number in range(limits):
        limited(root, LEAST + round((MOST - LEAST) * number / max(limits - 1, 1)))
        counted("build-training-set", partial(build, root))
    for there in (root, full):
        limited(there, ENOUGH)
        assert ended(forked(partial(everything, there))) == _DONE
    return found


def main(words: list[str]) -> int:
    """Take memory away, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="makes no difference here")
    parser.add_argument("--limits", type=int, default=6)
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(Path(folder), asked.limits)
    for what, counts in found.items():
        print(f"{what}: {counts['told']} of {counts.total()} failed with words, {counts['done']} had enough")
    print(f"{ROWS} rows, {LEAST} to {MOST} MB; with {ENOUGH} MB all is made")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
