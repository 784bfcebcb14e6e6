"""``make fuzz-check``: a long campaign of the static check against data.

``ARGS="--seed 7 --programs 20000"``; exit code 1 if a column was called safe and data refute it
(or seem to).
"""

from __future__ import annotations

import argparse
import sys

from tests.check.fuzz.campaign import Campaign, Report
from tests.check.fuzz.checking import static_check
from tests.check.fuzz.project import text_of

_PART = 120


def main() -> int:
    """Run the programs of consecutive seeds, tell what was found on the way."""
    parser = argparse.ArgumentParser(prog="python -m tests.check.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first program; the others follow")
    parser.add_argument("--programs", type=int, default=6000)
    parser.add_argument("--datasets", type=int, default=96, help="data sets that each program is run on")
    parser.add_argument("--strict", action="store_true", help="also tell programs made to be safe and called unsafe")
    given = parser.parse_args()
    checker = static_check()
    campaign = Campaign(checker, datasets=given.datasets)
    told = 0
    for start in range(given.seed, given.seed + given.programs, _PART):
        report = campaign.run(range(start, min(start + _PART, given.seed + given.programs)))
        for missed in report.missed[told:]:
            print(f"\n{missed.told()}\n", flush=True)
        told = len(report.missed)
        print(f"up to seed {start + _PART - 1}: {told} refuted", file=sys.stderr, flush=True)
    print(campaign.report.told())
    if given.strict:
        _tell_strict(campaign.report)
    checker.close()
    return 1 if campaign.report.missed or campaign.report.unexplained else 0


def _tell_strict(report: Report) -> None:
    """One example for each rule that calls a program unsafe which was made to be safe and which no data refute."""
    seen = set()
    for seed, model, column, said, program in report.too_strict:
        if said.rule not in seen:
            seen.add(said.rule)
            print(f"\nseed {seed}: {model}.{column} is called unsafe ({said.rule}: {said.message})\n{text_of(program)}")


if __name__ == "__main__":
    sys.exit(main())
