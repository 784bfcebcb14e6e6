"""``python -m benchmarks.scoring``: batch scoring of 1M and of 10M label rows under ``memory_limit`` 1 GB.

Two feature views of a million rows and ten doubles each, a LightGBM model of 100 trees over all twenty, and
``sqlfeat predict`` from the label rows to a Parquet file. Beside it the same rows assembled whole, scored and written,
which is what a notebook does. Each run is a process of its own; the files' bytes are compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import facts_of_machine, revision
from benchmarks.measure import ROOT, Failed, Measured, measure
from benchmarks.ours import project_folder
from benchmarks.workloads import Workload, make_dataset
from sqlfeat.api import Project
from sqlfeat.base.files import sha256
from sqlfeat.ops.training_set import assemble
from sqlfeat.store import codecs
from sqlfeat.store.registry import read_model, register, resolve
from sqlfeat.store.signature import PROBABILITY, Input, Output, Signature

HERE = ROOT / "benchmarks"
NAME = "scorer"
SIZE = Workload("S", "batch scoring", labels=1_000_000, rows=1_000_000, views=2, memory_limit="1GB")
METHODS = {"sqlfeat predict": "benchmarks.scoring:Predict", "all at once": "benchmarks.scoring:AllAtOnce"}


def register_model(folder: Path, workload: Workload) -> None:
    """A model that was learned from random numbers: what it says is of no concern, what it costs is."""
    import lightgbm

    inputs = tuple(
        Input(name, "DOUBLE", "numeric") for view in range(workload.views) for name in workload.features(view)
    )
    random = np.random.default_rng(workload.seed)
    matrix = random.integers(0, 64 * 100, (50_000, len(inputs))) / 64
    label = matrix[:, 0] + matrix[:, 1] > 100
    names = [one.name for one in inputs]
    settings = {"objective": "binary", "verbosity": -1, "num_leaves": 31}
    booster = lightgbm.train(settings, lightgbm.Dataset(matrix, label, feature_name=names), 100)
    with Project.load(folder) as project:
        definition = project._session.training_set_definition("asked")

    def fill(place: Path, number: int) -> Mapping[str, Any]:
        (place / "model.txt").write_bytes(codecs.LightGBM().encode(booster))
        (place / "log.txt").write_text("")
        return {
            "hook": NAME, "features": definition["features"], "compiled": {},
            "training_set": {"name": "asked", "id": "0", "definition": definition["definition"], "splits": ["all"]},
            "params": {}, "metrics": {"all": {}}, "importances": {},
            "signature": Signature(inputs, Output(PROBABILITY, (False, True))).as_dict(),
            "carried": ["id", *workload.keys, "ts"], "codec": "lightgbm", "file": "model.txt", "versions": {},
            "git": None, "seconds": 0.0,
        }  # fmt: skip

    register(folder / "registry", NAME, fill)


class Predict:
    """``sqlfeat predict``."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        import lightgbm  # noqa: F401 (its import is not what is measured)

        self._folder = project_folder(task)
        self._out = self._folder / "scores.parquet"

    def run(self) -> None:
        with Project.load(self._folder) as project:
            self._rows = project.predict(NAME, out=self._out).rows

    def write(self, path: Path) -> None:
        """It is written already."""

    def answer(self) -> list[Any]:
        return [self._rows, sha256(self._out)]

    def facts(self) -> Mapping[str, Any]:
        return {"bytes": self._out.stat().st_size}


class AllAtOnce(Predict):
    """The assembled rows as one table, scored and written."""

    def run(self) -> None:
        with Project.load(self._folder) as project:
            version = resolve(project.spec.registry, NAME)
            model = read_model(version)
            table = assemble(project._session, "asked")
        found = codecs.predict(codecs.codec_named(version.codec), model, version.signature.inputs, table)
        own = {
            "prediction": pa.array(found),
            "model": pa.repeat(NAME, table.num_rows),
            "version": pa.repeat(pa.scalar(version.version, pa.int32()), table.num_rows),
        }
        scored = pa.table({**{name: table.column(name) for name in version.carried}, **own})
        pq.write_table(scored.combine_chunks(), self._out, row_group_size=codecs.ROWS_AT_ONCE)
        self._rows = table.num_rows


def measured(workload: Workload, options: argparse.Namespace) -> dict[str, Any]:
    """Every method's runs over one size."""
    folder = make_dataset(workload, HERE / ".data")
    task = {"workload": asdict(workload), "folder": str(folder)}
    python = Path(sys.executable)
    measure(python, "benchmarks.ours:SqlfeatRun", task, options.timeout)
    register_model(project_folder(task), workload)
    runs: dict[str, list[Measured]] = {name: [] for name in METHODS}
    failures: dict[str, str] = {}
    for _ in range(options.repetitions):
        for name, entry in METHODS.items():
            try:
                runs[name].append(measure(python, entry, task, options.timeout))
            except Failed as failure:
                failures[name] = str(failure)
    return {
        "workload": asdict(workload),
        "methods": {n: [asdict(r) for r in runs[n]] for n in METHODS},
        "failed": failures,
    }


def lines_of(result: Mapping[str, Any]) -> list[str]:
    """One size as lines of a table."""
    lines = []
    for name, runs in result["methods"].items():
        if not runs:
            lines.append(
                f"| {result['workload']['labels']:,} | {name} | {result['failed'].get(name, 'not run')} | | | | |"
            )
            continue
        best = min(runs, key=lambda run: run["cpu"])
        peak, anonymous = (max(run["before"] + run[kind] for run in runs) for kind in ("peak", "anonymous"))
        said = [f"{result['workload']['labels']:,}", name, f"{best['wall']:.1f}", f"{best['cpu']:.1f}"]
        said += [f"{peak:,.0f}", f"{anonymous:,.0f}", best["answer"][1][:12]]
        lines.append(f"| {' | '.join(said)} |")
    return lines


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__)
    parser.add_argument("--labels", type=lambda text: [int(one) for one in text.split(",")], default=[10**6, 10**7])
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=1_800, help="seconds for one run of one method")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    head = ["| label rows | method | wall s | CPU s | peak MB | anonymous MB | bytes |", f"|{' --- |' * 7}"]
    results = []
    for labels in options.labels:
        results.append(measured(replace(SIZE, name=f"S{labels}", labels=labels), options))
        sys.stderr.write("\n".join(lines_of(results[-1])) + "\n")
    at = datetime.now(UTC)
    kept = {"machine": facts_of_machine(), "revision": revision(ROOT), "at": at.isoformat(), "results": results}
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"scoring-{at.date()}.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = [
        "# Batch scoring, measured",
        "",
        "Two views of 1M rows and ten doubles, 100 trees, DuckDB's `memory_limit` 1 GB. The highest memory of the",
        "whole process; `anonymous` leaves out mapped files. `bytes` is the beginning of the file's SHA-256.",
        "",
        *head,
        *(line for result in results for line in lines_of(result)),
    ]
    (options.results / "scoring.md").write_text("\n".join(text) + "\n")
    sys.stdout.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
