"""``python -m benchmarks.training``: from a built training set to a LightGBM Dataset, beside the way through pandas.

A million rows of 50 inputs: 30 doubles, 12 whole numbers, 8 categories of 3 to 5,000 values, some of them missing; as
``build-training-set`` writes them. What is measured begins with the folder and ends with ``Dataset.construct()``.
Methods take turns, each in a process of its own; models of ten trees, learned afterwards, are compared byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import facts_of_machine, revision
from benchmarks.measure import ROOT, Failed, Measured, measure
from sqlfeat.store.artifacts import load_training_set, save_training_set
from sqlfeat.store.training_set import OutputColumn
from sqlfeat.training_data import TrainingData

HERE = ROOT / "benchmarks"
ROW_GROUP = 122_880
DOUBLES, WHOLE, CATEGORIES = 30, 12, 8
SETTINGS = {
    "objective": "binary",
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "seed": 7,
}
METHODS = {
    "pandas": "benchmarks.training:Pandas",
    "sqlfeat": "benchmarks.training:Sqlfeat",
    "sqlfeat, a matrix": "benchmarks.training:SqlfeatMatrix",
}
"""The first is what the others are compared with; the last is what LightGBM before 4.7 gets."""


def make_training_set(rows: int, seed: int) -> Path:
    """The folder of the training set; it is made if it is not there."""
    folder = HERE / ".data" / f"training-{rows}-seed{seed}"
    if folder.is_dir():
        return folder
    random = np.random.default_rng(seed)
    columns, table = [], {}
    for number in range(DOUBLES):
        values = random.normal(size=rows) * 10
        values = np.round(values * 4) / 4 if number % 3 == 0 else values
        table[f"f{number}"] = pa.array(values, mask=random.random(rows) < 0.05 if number % 2 else None)
        columns.append(OutputColumn(f"f{number}", "DOUBLE", "input", "numeric"))
    for number in range(WHOLE):
        counts = random.integers(0, (24, 1_000, 1_000_000)[number % 3], rows)
        table[f"i{number}"] = pa.array(counts, mask=random.random(rows) < 0.02 if number % 4 == 0 else None)
        columns.append(OutputColumn(f"i{number}", "BIGINT", "input", "numeric"))
    for number in range(CATEGORIES):
        names = tuple(f"c{value:05d}" for value in range((3, 20, 300, 5_000)[number % 4]))
        texts = np.array(names)[random.integers(0, len(names), rows)]
        table[f"c{number}"] = pa.array(texts, pa.string(), mask=random.random(rows) < 0.01)
        columns.append(OutputColumn(f"c{number}", "VARCHAR", "input", "categorical", names))
    seen = np.nan_to_num(table["f1"].to_numpy(zero_copy_only=False))
    table["label"] = pa.array(seen + random.normal(size=rows) * 5 > 3)
    columns.append(OutputColumn("label", "BOOLEAN", "label"))

    def fill(place: Path) -> Mapping[str, Any]:
        pq.write_table(pa.table(table), place / "train.parquet", compression="zstd", row_group_size=ROW_GROUP)
        rates = {column.name: 0.0 for column in columns}
        return {"id": "0", "name": "measured", "rows": rows, "splits": {"train": rows}, "columns": columns,
                "null_rates": rates}  # fmt: skip

    save_training_set(folder, fill, {"created_at": datetime.now(UTC).isoformat()})
    return folder


class Sqlfeat:
    """``data.train.lightgbm()``."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        import lightgbm

        self._lightgbm = lightgbm
        self._set = load_training_set(Path(task["folder"]))
        self._dataset: Any = None

    def run(self) -> None:
        self._dataset = TrainingData(self._set).train.lightgbm(SETTINGS).construct()

    def write(self, path: Path) -> None:
        """It is no file."""

    def answer(self) -> list[Any]:
        text = self._lightgbm.train(SETTINGS, self._dataset, 10).model_to_string()
        return [hashlib.sha256(text.partition("pandas_categorical")[0].encode()).hexdigest()]

    def facts(self) -> Mapping[str, Any]:
        return {}


class SqlfeatMatrix(Sqlfeat):
    """The same by a matrix of doubles."""

    def run(self) -> None:
        data = TrainingData(self._set)
        names = [one.name for one in data.inputs]
        categories = [place for place, one in enumerate(data.inputs) if one.kind == "categorical"]
        label = data.train.label.astype(float)
        self._dataset = self._lightgbm.Dataset(
            data.train.numpy(), label, feature_name=names, categorical_feature=categories, params=SETTINGS
        ).construct()


class Pandas(Sqlfeat):
    """``read_parquet``, categories, ``Dataset``: what people write."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        import pandas

        super().__init__(task)
        self._pandas = pandas

    def run(self) -> None:
        frame = self._pandas.read_parquet(self._set.file("train"))
        label = frame.pop("label")
        for column in self._set.columns:
            if column.kind == "categorical":
                frame[column.name] = frame[column.name].astype("category")
        self._dataset = self._lightgbm.Dataset(frame, label, params=SETTINGS).construct()


def measured(folder: Path, options: argparse.Namespace) -> dict[str, list[Measured]]:
    """Every method's runs, in turns."""
    runs: dict[str, list[Measured]] = {name: [] for name in METHODS}
    for turn in range(options.repetitions):
        for name, entry in METHODS.items():
            try:
                runs[name].append(measure(Path(sys.executable), entry, {"folder": str(folder)}, options.timeout))
            except Failed as failure:
                sys.stderr.write(f"    {turn + 1} {name}: {failure}\n")
                continue
            last = runs[name][-1]
            sys.stderr.write(f"    {turn + 1} {name}: {last.wall:.2f} s, CPU {last.cpu:.2f} s, {last.peak:,.0f} MB\n")
    return runs


def lines_of(runs: Mapping[str, Sequence[Measured]]) -> list[str]:
    """The table: times of the first by theirs, memory of theirs by the first's, medians over the turns."""
    lines = ["| method | wall × | CPU × | memory × | wall s | CPU s | peak MB | model |", f"|{' --- |' * 8}"]
    base = next(iter(runs.values()))
    for name, taken in runs.items():
        if not taken or not base:
            lines.append(f"| {name} | not run |{' |' * 6}")
            continue
        pairs = list(zip(base, taken, strict=False))
        ratios = [median(b.wall / t.wall for b, t in pairs), median(b.cpu / t.cpu for b, t in pairs)]
        memory = median(t.peak / b.peak for b, t in pairs)
        figures = [f"{ratio:.2f}" for ratio in (*ratios, memory)]
        figures += [f"{median(t.wall for t in taken):.2f}", f"{median(t.cpu for t in taken):.2f}"]
        figures += [f"{median(t.peak for t in taken):,.0f}", taken[0].answer[0][:12]]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return lines


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one run of one method")
    parser.add_argument("--fresh", action="store_true", help="make the training set anew")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    if options.fresh:
        shutil.rmtree(HERE / ".data" / f"training-{options.rows}-seed{options.seed}", ignore_errors=True)
    runs = measured(make_training_set(options.rows, options.seed), options)
    at, machine = datetime.now(UTC), facts_of_machine()
    kept = {"machine": machine, "revision": revision(ROOT), "at": at.isoformat(timespec="seconds"),
            "rows": options.rows, "seed": options.seed,
            "methods": {name: [asdict(run) for run in taken] for name, taken in runs.items()}}  # fmt: skip
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"training-{at.date()}.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = [
        "# From a training set to LightGBM, measured",
        "",
        f"{options.rows:,} rows of {DOUBLES} doubles, {WHOLE} whole numbers and {CATEGORIES} categories; "
        f"{machine['cores']} cores ({machine['processor']}), load {machine['load']}; seed {options.seed}, {at.date()}.",
        "`wall ×` and `CPU ×` are how many times faster than pandas, `memory ×` what share of its memory is needed:",
        "medians over the turns. `model` is the beginning of the SHA-256 of ten trees.",
        "",
        *lines_of(runs),
    ]
    (options.results / "training.md").write_text("\n".join(text) + "\n")
    sys.stdout.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
