"""What Evidently and frouros say of the rows that monitoring is measured on: run in an environment of the peer's own.

``python benchmarks/monitoring_peers.py evidently TASK.json`` writes what was found beside the task. Each is used as its
documentation shows: Evidently by ``ValueDrift`` of every column, which is what its drift preset does, with its own
choice of method and threshold (pictures are not drawn, since nobody looks); frouros by the Kolmogorov-Smirnov test of
numbers and chi-squared of categories at its readme's 0.001. What is missing is left out, as both do or ask for.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.monitoring_data import BASELINE_DAYS, BASELINES, DRIFTS, Rows, drifted, made, quiet_week

ALPHA = 0.001
ASIDE = ("id", "at")
Compare = Callable[[Mapping[str, Any]], set[str]]
Peer = Callable[[Mapping[str, Any]], Compare]


def is_number(values: Any) -> bool:
    return np.asarray(values).dtype.kind in "if"


def evidently(before: Mapping[str, Any]) -> Compare:
    """The columns that Evidently says have drifted."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.metrics.column_statistics import ValueDriftCalculation

    ValueDriftCalculation._render = lambda *_, **__: []
    numbers = [name for name, values in before.items() if is_number(values)]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in before if name not in numbers]
    )

    def dataset(rows: Mapping[str, Any]) -> Any:
        return Dataset.from_pandas(pd.DataFrame(dict(rows)), data_definition=definition)

    reference = dataset(before)

    def compare(rows: Mapping[str, Any]) -> set[str]:
        report = Report([ValueDrift(column=name) for name in before], include_tests=True)
        told = report.run(dataset(rows), reference).dict()["tests"]
        failed = [one for one in told if one["status"].value == "FAIL"]
        return {one["metric_config"]["params"]["column"] for one in failed}

    return compare


def frouros(before: Mapping[str, Any]) -> Compare:
    """The columns whose test frouros finds below the bound."""
    from frouros.detectors.data_drift import ChiSquareTest, KSTest

    fitted = {}
    for name, values in before.items():
        fitted[name] = KSTest() if is_number(values) else ChiSquareTest()
        fitted[name].fit(X=_known(values))

    def compare(rows: Mapping[str, Any]) -> set[str]:
        found = {name: fitted[name].compare(X=_known(values))[0].p_value for name, values in rows.items()}
        return {name for name, chance in found.items() if chance <= ALPHA}

    return compare


def _known(values: Any) -> Any:
    """The values that are there; categories as texts."""
    array = np.asarray(values)
    if is_number(array):
        return array[~np.isnan(array)] if array.dtype.kind == "f" else array
    return np.array([str(one) for one in array if one is not None and one == one])


PEERS: Mapping[str, Peer] = {"evidently": evidently, "frouros": frouros}


def columns(rows: Rows) -> dict[str, Any]:
    return {name: np.asarray(values) for name, values in rows.items() if name not in ASIDE}


def of_baseline(place: int, name: str, quiet: int, repeated: int) -> tuple[list[set[str]], list[list[set[str]]]]:
    """Everything about the baseline of this number: what is said of its quiet weeks, and of each of its drifts."""
    warnings.simplefilter("ignore")
    compare = PEERS[name](columns(made(BASELINE_DAYS, 0, place)))
    weeks = [compare(columns(quiet_week(number))) for number in range(place, quiet, BASELINES)]
    numbers = range(place, repeated, BASELINES)
    drifts = [
        [compare(columns(drifted(drift, size, number))) for number in numbers]
        for drift in DRIFTS
        for size in drift.sizes
    ]
    return weeks, drifts


def measured(name: str, quiet: int, repeated: int) -> dict[str, Any]:
    """False alarms in quiet weeks, and how often each drift is found, and another column blamed."""
    places = range(min(BASELINES, max(quiet, repeated)))
    alarmed: list[set[str]] = []
    drifts: list[list[set[str]]] = []
    work = partial(of_baseline, name=name, quiet=quiet, repeated=repeated)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for count, (weeks, some) in enumerate(pool.imap(work, places), 1):
            alarmed += weeks
            drifts = [[*before, *now] for before, now in zip(drifts or [[] for _ in some], some, strict=True)]
            print(f"{name}: {count} of {len(places)}", file=sys.stderr, flush=True)
    listed = [(drift, size) for drift in DRIFTS for size in drift.sizes]
    found = [
        {
            "drift": drift.name, "size": size,
            "found": sum(drift.column in one for one in told) / len(told),
            "others blamed": sum(bool(one - {drift.column}) for one in told) / len(told),
        }
        for (drift, size), told in zip(listed, drifts, strict=True)
    ]  # fmt: skip
    blamed = Counter(name for one in alarmed for name in one)
    return {"weeks": len(alarmed), "with an alarm": sum(map(bool, alarmed)), "alarms": dict(blamed), "power": found}


def shop(peer: Peer, files: Mapping[str, str]) -> dict[str, Any]:
    """The documented incident, and the quiet weeks against each other; sessions lie in files."""

    def read(name: str) -> dict[str, Any]:
        listed = json.loads(Path(files[name]).read_text())
        return {name: _array(values) for name, values in listed.items()}

    weeks = [name for name in files if name.startswith("week")]
    quiet = {name: sorted(peer(read(f"rest {name}"))(read(name))) for name in weeks}
    return {"incident": sorted(peer(read("calm"))(read("incident"))), "weeks": quiet}


def _array(values: list[Any]) -> Any:
    """Values of JSON: numbers where they are, null as NaN; else as they are."""
    if all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in values):
        return np.array(values, float)
    return np.array(values, object)


def main() -> None:
    warnings.simplefilter("ignore")
    name, place = sys.argv[1], Path(sys.argv[2])
    task = json.loads(place.read_text())
    peer = PEERS[name]
    told = measured(name, task["quiet"], task["repeated"]) if task["quiet"] else {}
    if task["shop"]:
        told["shop"] = shop(peer, task["shop"])
    place.with_suffix(f".{name}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
