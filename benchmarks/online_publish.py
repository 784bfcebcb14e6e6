"""How fast a snapshot is published: a million entities of ten features, from tables that are made already.

``python -m benchmarks.online_publish`` measures whole publications (rows read from DuckDB, encoded, sorted, written and
hashed, their profile kept), and beside them what LMDB alone takes for the same rows, packed and in order. CPU is that
of all threads of the process; a publication to Redis does not count the server's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import facts_of_machine, revision
from sqlfeat.api import Project

HERE = Path(__file__).parent
FEATURES = 10
_DAY = 86_400_000_000
_BEGIN = 1_767_225_600_000_000  # 2026-01-01
_VIEW = """\
{{{{ config(materialized='feature_view', entity='driver', event_time='ts', online=true) }}}}
select driver_id, ts, {columns} from {{{{ source('stored', 'rows') }}}}
"""
_SETTINGS = """\
name: publishing
targets:
  dev: {{engine: duckdb, path: target/publishing.duckdb}}
entities:
  driver: {{keys: [driver_id]}}
online: {online}
"""
_SOURCES = (
    "version: 2\nsources:\n  - name: stored\n    config: {location: '{name}.parquet'}\n    tables: [{name: rows}]\n"
)


def make_project(folder: Path, entities: int, online: str) -> None:
    """One feature view of ten doubles, one row an entity, in no order."""
    random = np.random.default_rng(1)
    names = [f"f{number}" for number in range(FEATURES)]
    (folder / "models").mkdir(parents=True)
    rows = {
        "driver_id": random.permutation(entities) * 7 + 3,
        "ts": pa.array(_BEGIN + random.integers(0, 200 * _DAY, entities), pa.timestamp("us")),
        **{name: random.normal(size=entities) for name in names},
    }
    pq.write_table(pa.table(rows), folder / "rows.parquet")
    (folder / "sqlfeat_project.yml").write_text(_SETTINGS.format(online=online))
    (folder / "models" / "sources.yml").write_text(_SOURCES)
    (folder / "models" / "drivers.sql").write_text(_VIEW.format(columns=", ".join(names)))


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of CPU and of the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return {"cpu": time.process_time() - cpu, "clock": time.perf_counter() - clock}


def published(folder: Path, entities: int, online: str) -> dict[str, float]:
    """A whole publication; the view is made before, and the process has published a hundred rows of another project."""
    for name, count in (("small", 100), ("large", entities)):
        make_project(folder / name, count, online)
        with Project.load(folder / name) as project:
            project.run()
            told = timed(project.publish)
    return told


def written_raw(folder: Path, entities: int) -> dict[str, float]:
    """The same number of rows of the same size put into one LMDB file, in the order of their keys, and synced."""
    import lmdb

    keys = [number.to_bytes(8, "big") for number in range(entities)]
    values = np.random.default_rng(1).bytes(entities * FEATURES * 8)
    size = FEATURES * 8
    rows = [(key, values[place * size : (place + 1) * size]) for place, key in enumerate(keys)]
    environment = lmdb.open(str(folder / "raw.mdb"), subdir=False, map_size=1 << 31, sync=False)

    def write() -> None:
        with environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(rows, append=True)
        environment.sync(True)

    return timed(write)


def measure(method: str, entities: int, redis: str) -> dict[str, float]:
    """One method, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        if method == "raw LMDB":
            return written_raw(Path(folder), entities)
        to_redis, to_lmdb = f"{{store: redis, url: '{redis}'}}", "{store: lmdb, path: target/online}"
        return published(Path(folder), entities, to_redis if method.endswith("Redis") else to_lmdb)


def table(turns: Mapping[str, Sequence[Mapping[str, float]]], entities: int) -> list[str]:
    """Rows a second, of CPU and of the clock: medians."""
    lines = ["| method | rows a second of CPU | rows a second | CPU, s |", "| --- | --- | --- | --- |"]
    for name, told in turns.items():
        cpu, clock = median(one["cpu"] for one in told), median(one["clock"] for one in told)
        lines.append(f"| {name} | {entities / cpu:,.0f} | {entities / clock:,.0f} | {cpu:.2f} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--redis", default="", help="the URL of a server whose database is written to")
    parser.add_argument("--method", default="", help="measure this one here, and print it as JSON")
    options = parser.parse_args(arguments)
    if options.method:
        print(json.dumps(measure(options.method, options.entities, options.redis)))
        return 0
    machine = facts_of_machine()
    methods = ["raw LMDB", "publish to LMDB", *(["publish to Redis"] if options.redis else [])]
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    for _ in range(options.repetitions):
        for name in methods:
            command = [sys.executable, "-m", "benchmarks.online_publish", "--method", name]
            command += ["--entities", str(options.entities), "--redis", options.redis]
            done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
            turns[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
    report = "\n".join(
        [
            "# Publishing, measured",
            "",
            f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, load {machine['load']} at "
            f"the start; {datetime.now(UTC):%Y-%m-%d}, revision {revision(HERE.parent)}. {options.entities:,} entities "
            f"of {FEATURES} doubles in one view; medians of {options.repetitions} turns, each in a new process. A "
            "publication is all of it, from `Project.publish()` to the snapshot that others see; the view was made "
            "before.",
            "",
            *table(turns, options.entities),
            "",
        ]
    )
    print(report)
    results = HERE / "results"
    (results / "online-publish.md").write_text(report)
    (results / "online-publish.json").write_text(json.dumps({"machine": machine, **turns}, indent=1) + os.linesep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
