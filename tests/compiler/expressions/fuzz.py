"""``make fuzz-expressions``: random expressions over random rows, compiled and by DuckDB; differences must be none.

python -m tests.compiler.expressions.fuzz --seed 1 --batches 100
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.compiler.expressions.comparing import Outcome, Table, compare
from tests.compiler.expressions.generating import Expressions
from tests.compiler.expressions.rows import TYPES, random_rows

_ROWS, _EACH = 24, 40


def batch(chance: random.Random, *, rows: int = _ROWS, each: int = _EACH, depth: int = 2) -> Outcome:
    """One table of random rows, and random expressions over it."""
    table = Table(TYPES, random_rows(chance, rows))
    writer = Expressions(chance)
    return compare(table, [writer.write("any", chance.choice([1, depth])) for _ in range(each)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--depth", type=int, default=2)
    given = parser.parse_args()
    chance, outcome, start = random.Random(given.seed), Outcome(), time.process_time()
    for _ in range(given.batches):
        outcome.add(batch(chance, depth=given.depth))
    report(given.seed, outcome, time.process_time() - start)
    return 1 if outcome.differences else 0


def report(seed: int, outcome: Outcome, seconds: float) -> None:
    print(f"seed {seed}: {outcome.expressions} expressions, {outcome.compiled} compiled, {seconds:.0f} CPU s")
    print(f"{outcome.values} values equal, {outcome.errors} errors in both, {outcome.left} left to DuckDB,")
    print(f"{outcome.spared} errors that DuckDB raises in one plan and not in another, {outcome.invalid} not valid")
    for reason, count in outcome.refused.most_common(15):
        print(f"  {count:5} × {reason}")
    print(f"{len(outcome.differences)} differences")
    for difference in sorted(outcome.differences, key=lambda found: len(found.expression))[:30]:
        print(difference)


if __name__ == "__main__":
    sys.exit(main())
