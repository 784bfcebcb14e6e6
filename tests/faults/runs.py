"""``sqlfeat run`` killed at any moment: every table is the old one or the new one, and the next run goes on from there.

``python -m tests.faults.runs --seed 1 --kills 60``: each run makes a generation of tables of its own and is killed
somewhere. Then every table that can be read must be whole, be what the target's state says that it is, and be of this
generation or of the one that it was of before. A run that is not killed makes what is missing, nothing twice.
``--sets`` instead kills the building of training sets, of which nothing may be listed that is not whole.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlfeat.api import Project
from sqlfeat.ops.session import Session
from sqlfeat.spec.load import load_project
from tests.faults.forks import ended, forked, killed, warm
from tests.made.projects import Files, day, shop

ROWS = 30_000
TABLES = ("spent", "counted", "top", "recent")
FILES: Files = {
    "data/orders.parquet": pa.table(
        {
            "order_id": pa.array(range(ROWS), pa.int64()),
            "customer": pa.array(f"c{number % 997}" for number in range(ROWS)),
            "product": pa.array(("tea", "jam", "salt")[number % 3] for number in range(ROWS)),
            "amount": pa.array((number * 7919 % 100 for number in range(ROWS)), pa.int64()),
            "ordered_at": pa.array(
                (day(1 + number % 27, number % 24) for number in range(ROWS)), pa.timestamp("us", "UTC")
            ),
        }
    ),
    "models/staged.sql": "select *, {{ var('generation') }} as generation from {{ source('raw', 'orders') }}",
    "models/spent.sql": """
        {{ config(materialized='table') }}
        select customer, generation, sum(amount) as spent from {{ ref('staged') }} group by all
    """,
    "models/counted.sql": """
        {{ config(materialized='table') }}
        select product, generation, count(*) as n from {{ ref('staged') }} group by all
    """,
    "models/top.sql": "{{ config(materialized='table') }} select * from {{ ref('spent') }} order by all limit 500",
    "models/recent.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', tie_breaker=['order_id']) }}
        select customer, ordered_at, order_id, generation, amount,
            {{ window('sum(amount)', ['7 days'], name='spent') }}
        from {{ ref('staged') }}
    """,
    "models/asked.sql": """
        {{ config(role='label', event_time='asked_at', horizon='1 day') }}
        select customer, ordered_at as asked_at, amount > 50 as often from {{ ref('staged') }}
    """,
    "models/often.sql": """
        {{ config(materialized='training_set', label='often', keys=['customer']) }}
        select q.customer, q.asked_at, {{ feature('recent.spent_7d') }}, {{ feature('recent.generation') }}, q.often
        from {{ ref('asked') }} as q
    """,
}  # fmt: skip
"""A project whose every row says of which generation it is."""
_NEW = 10
"""An exit code from here on tells how many tables were new."""


def opened(root: Path, generation: int) -> Project:
    return Project.load(root, vars={"generation": generation})


def run(root: Path, generation: int) -> int:
    """Make a generation; gives how many tables were not there yet."""
    with opened(root, generation) as project:
        result = project.run()
        assert not result.failed, result.as_dict()
        return sum(node.status == "built" and node.name in TABLES for node in result.results)


def state(root: Path, generation: int) -> dict[str, int]:
    """Of which generation each table is; fails where one is not whole, or is not what the state says."""
    found: dict[str, int] = {}
    session = Session(load_project(root), variables={"generation": generation})
    try:
        for name in TABLES:
            record = session.engine.records().get(f"model.{name}")
            if record is None:
                continue
            table = session.engine.ask(f'select generation, count(*) as n from "{name}" group by generation')
            ((there, rows),) = table.rows
            found[name] = there
            assert rows == record.rows, f"{name}: {rows} rows, and {record.rows} in the state"
            assert record.fingerprint == _fingerprints(root, there)[f"model.{name}"], (
                f"{name} is not what the state says"
            )
    finally:
        session.close()
    return found


@cache
def _fingerprints(root: Path, generation: int) -> Mapping[str, str]:
    with opened(root, generation) as project:
        return project.manifest.fingerprints


def in_child(work: Callable[[], int]) -> None:
    assert ended(forked(work)) == 0


def timed(work: Callable[[], int]) -> float:
    """Do it in a child; gives how many seconds that took."""
    began = time.monotonic()
    in_child(work)
    return time.monotonic() - began


def checked(root: Path, before: int, generation: int) -> int:
    """After a kill: everything is old or new; what is new is not made again, and then all is new."""
    found = state(root, generation)
    assert set(found.values()) <= {before, generation}, f"{found}, but {before} was whole and {generation} under way"
    new = sum(one == generation for one in found.values())
    made = run(root, generation)
    assert made == len(TABLES) - new, f"{made} tables were made, {len(TABLES) - new} were missing"
    assert set(state(root, generation).values()) == {generation}
    return _NEW + new


def kills(root: Path, seed: int, count: int) -> str:
    """Kill so many runs, each at a moment of the time that one takes; tells where they were."""
    dice, longest = random.Random(seed), timed(partial(_quietly, run, root, 0))
    too_late, halfway = 0, 0
    for generation in range(1, count + 1):
        too_late += not killed(forked(partial(_quietly, run, root, generation)), dice.uniform(0.0, longest))
        new = ended(forked(partial(checked, root, generation - 1, generation))) - _NEW
        assert new >= 0
        halfway += 0 < new < len(TABLES)
    return f"{count - too_late} runs killed, {halfway} of them with some tables made, {too_late} had ended"


def _quietly(work: Callable[[Path, int], Any], root: Path, generation: int) -> int:
    work(root, generation)
    return 0


# -- training sets -----------------------------------------------------------------------------------------------------


def build(root: Path, generation: int) -> None:
    with opened(root, generation) as project:
        project.build_training_set("often")


def listed(root: Path, generation: int) -> int:
    """Every training set that is listed is whole and of one generation."""
    with opened(root, generation) as project:
        for kept in (one.kept for one in project.training_sets()):
            assert kept.error is None, kept.error
            made = project.training_set("often", kept.id)
            generations = [pq.read_table(made.file(split))["generation"] for split in made.splits]
            assert pc.count_distinct(pa.chunked_array(generations).combine_chunks()).as_py() == 1, f"{kept.id} is mixed"
    return 0


def set_kills(root: Path, seed: int, count: int) -> str:
    """Kill the building of so many training sets; tells how many had ended before."""
    dice, longest = random.Random(seed), timed(partial(_quietly, build, root, 0))
    too_late = 0
    for generation in range(1, count + 1):
        too_late += not killed(forked(partial(_quietly, build, root, generation)), dice.uniform(0.0, longest))
        in_child(partial(listed, root, generation))
    return f"{count - too_late} builds of a training set killed, {too_late} had ended"


def main(words: list[str]) -> int:
    """Kill, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--sets", action="store_true")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        root = shop(Path(folder), FILES)
        warm(root)
        told = (set_kills if asked.sets else kills)(root, asked.seed, asked.kills)
    then = "nothing listed that is not whole" if asked.sets else "0 torn, 0 lost, nothing made twice"
    print(f"seed {asked.seed}: {told}: {then}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
