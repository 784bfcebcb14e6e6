"""``python -m benchmarks.pit``: point-in-time lookups and windows, sqlfeat beside its peers in one run.

Methods take turns over the repetitions (A B C A B C …), each time in a new process; answers are compared by checksum.
Ratios are medians of the ratios of the same turn. What was measured goes to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.feast_environment import feast_python
from benchmarks.machine import facts_of_machine, revision
from benchmarks.measure import ROOT, Failed, Measured, measure
from benchmarks.report import lines_of, markdown
from benchmarks.workloads import ALL, Workload, make_dataset, scaled

HERE = ROOT / "benchmarks"


@dataclass(frozen=True)
class Method:
    """A method by its name in the table; ``comparable``: it gives the workload's answer."""

    name: str
    entry: str
    comparable: bool = True
    feast: bool = False


CHAIN = Method("ASOF chain", "benchmarks.peers:AsofChain")
SQLFEAT = Method("sqlfeat", "benchmarks.ours:SqlfeatAssembly")
LOOKUPS = (
    CHAIN,
    SQLFEAT,
    Method("polars join_asof", "benchmarks.peers:PolarsAsof"),
    Method("pandas merge_asof", "benchmarks.peers:PandasAsof"),
    Method("Feast, DuckDB store", "benchmarks.feast_store:FeastDuckDB", feast=True),
)
WINDOWS = (
    Method("range join", "benchmarks.peers:RangeJoin"),
    SQLFEAT,
    Method("RANGE frames", "benchmarks.peers:RangeFrames"),
    Method("polars rolling", "benchmarks.peers:PolarsRolling"),
)
BITEMPORAL = (
    Method("ASOF join, ordinary view", "benchmarks.peers:AsofOrdinary", comparable=False),
    SQLFEAT,
    Method("sqlfeat, ordinary view", "benchmarks.ours:SqlfeatOrdinary", comparable=False),
    Method("newest of all known", "benchmarks.peers:NewestKnown"),
)


def methods_of(workload: Workload) -> tuple[Method, ...]:
    """The methods of a workload; the first is what the others are compared with."""
    if workload.aggregates:
        return WINDOWS
    if workload.known:
        return BITEMPORAL
    return LOOKUPS if workload.memory_limit is None else (CHAIN, SQLFEAT)


class Bench:
    """One run over workloads."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._feast: Path | str = feast_python(HERE / ".peers") if not options.no_feast else "left out"
        self._data = HERE / ".data"

    def measured(self, workload: Workload) -> dict[str, Any]:
        """Everything that was measured of a workload, as JSON has it."""
        folder = make_dataset(workload, self._data)
        task = {"workload": asdict(workload), "folder": str(folder)}
        runs: dict[str, list[Measured]] = {}
        failures: dict[str, str] = {}
        stored = self._stored(task, failures)
        methods = [m for m in methods_of(workload) if not self._options.methods or m.name in self._options.methods]
        for turn in range(self._options.repetitions):
            for method in methods:
                taken = runs.setdefault(method.name, [])
                if method.name in failures or any(one.wall > self._options.patience for one in taken):
                    continue
                try:
                    taken.append(self._run(method, task))
                    say(f"    {turn + 1} {method.name}: {taken[-1].wall:.2f} s, CPU {taken[-1].cpu:.2f} s")
                except Failed as failure:
                    failures[method.name] = str(failure)
                    say(f"    {turn + 1} {method.name}: {failure}")
        return {
            "workload": asdict(workload),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "revision": revision(ROOT),
            "run": asdict(stored) if stored else None,
            "methods": {m.name: self._told(m, methods, runs[m.name], failures) for m in methods},
        }

    def _stored(self, task: Mapping[str, Any], failures: dict[str, str]) -> Measured | None:
        """``sqlfeat run``, before its lookups are measured."""
        try:
            stored = measure(Path(sys.executable), "benchmarks.ours:SqlfeatRun", task, self._options.timeout)
        except Failed as failure:
            failures.update({m.name: f"sqlfeat run: {failure}" for m in BITEMPORAL if "Sqlfeat" in m.entry})
            say(f"    sqlfeat run: {failure}")
            return None
        say(f"    sqlfeat run: {stored.wall:.2f} s, CPU {stored.cpu:.2f} s")
        return stored

    def _run(self, method: Method, task: Mapping[str, Any]) -> Measured:
        python: Path | str = self._feast if method.feast else Path(sys.executable)
        if isinstance(python, str):
            raise Failed(python)
        return measure(python, method.entry, task, self._options.timeout)

    @staticmethod
    def _told(
        method: Method, methods: Sequence[Method], runs: Sequence[Measured], failures: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            "runs": [asdict(run) for run in runs],
            "failure": failures.get(method.name),
            "base": methods[0].name,
            "comparable": method.comparable,
        }


def say(text: str) -> None:
    """A line for whoever waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def chosen(options: argparse.Namespace) -> list[Workload]:
    """The workloads that were asked for, in their sizes."""
    share = 10 if options.quick else 1
    found = []
    for workload in ALL:
        wanted = any(workload.name == name or workload.name.startswith(f"{name}-") for name in options.only)
        if not (wanted if options.only else options.w6 or not workload.name.startswith("W6")):
            continue
        sized = replace(scaled(workload, share), seed=options.seed)
        sizes = {"labels": options.labels, "rows": options.rows}
        found.append(replace(sized, **{name: size for name, size in sizes.items() if size}))
    return found


def main() -> None:
    """Measure, print, and keep."""
    options = _options()
    date = datetime.now(UTC).date().isoformat()
    stem = f"pit-quick-{date}" if options.quick else f"pit-{date}"
    path = options.results / f"{stem}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"results": {}}
    kept |= {"machine": facts_of_machine(), "seed": options.seed}
    bench = Bench(options)
    for workload in chosen(options):
        say(f"{workload.name}: {workload.title}")
        result = bench.measured(workload)
        kept["results"][workload.name] = result
        options.results.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1) + "\n")
        (options.results / ("pit-quick.md" if options.quick else "pit.md")).write_text(markdown(kept))
        sys.stdout.write("\n".join(lines_of(result)) + "\n\n")
        sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pit", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="W1,W5-sums-100,B …")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=[], help="by their names in the table")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--labels", type=int, help="label rows, instead of the workload's")
    parser.add_argument("--rows", type=int, help="feature rows of a view, instead of the workload's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run of one method")
    parser.add_argument("--patience", type=float, default=30, help="what takes longer is run once")
    parser.add_argument("--w6", action="store_true", help="the 100M rows too: 40 GB of disk, most of an hour")
    parser.add_argument("--no-feast", action="store_true", help="make no environment for Feast")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
