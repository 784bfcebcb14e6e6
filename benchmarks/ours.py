"""sqlfeat on the same tables: a project is written beside them, run once, and its training sets are assembled.

The project reads the Parquet files as sources; ``run`` stores and prepares its feature views, which is measured too.
What is measured as the lookup is ``Engine.assemble``: label rows and prepared views to the assembled relation. Reading
and compiling the project and planning are told apart from it, as facts.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.workloads import AGGREGATES, WINDOWS, Workload
from sqlfeat.api import Project
from sqlfeat.base.files import sha256_text
from sqlfeat.engine.base import Assembled, RowsRequest
from sqlfeat.ops.plan import Planner
from sqlfeat.ops.session import Session
from sqlfeat.spec.load import load_project


def project_files(workload: Workload) -> dict[str, str]:
    """The files of the project that asks what the workload asks."""
    memory = f", memory_limit: {workload.memory_limit}" if workload.memory_limit else ""
    tables = ["labels", *_tables(workload)]
    listed = "".join(f"      - name: {table}\n" for table in tables)
    files = {
        "sqlfeat_project.yml": "name: benchmark\nversion: 1.0.0\ndefault_target: dev\n"
        f"targets:\n  dev: {{engine: duckdb, path: target/benchmark.duckdb{memory}}}\n"
        f"entities:\n  entity: {{keys: [{', '.join(workload.keys)}]}}\n",
        "models/sources.yml": "version: 2\nsources:\n  - name: stored\n"
        f"    config: {{location: '../{{name}}.parquet'}}\n    tables:\n{listed}",
        "models/labels.sql": "{{ config(materialized='table', role='label', event_time='ts', horizon='1 day') }}\n"
        f"select id, {', '.join(workload.keys)}, ts, label from {{{{ source('stored', 'labels') }}}}\n",
    }
    for table in _tables(workload):
        files[f"models/{table}.sql"] = _view_sql(workload, table)
    files["models/asked.sql"] = _training_set_sql(workload, [t for t in tables if t.startswith("view")])
    if workload.known:
        files["models/asked_ordinary.sql"] = _training_set_sql(workload, ["ordinary0"])
    return files


def _tables(workload: Workload) -> list[str]:
    return [*(f"view{i}" for i in range(workload.views)), *(["ordinary0"] if workload.known else [])]


def _view_sql(workload: Workload, table: str) -> str:
    columns = [*workload.keys, "ts"]
    known = workload.known and table.startswith("view")
    columns += ["known"] if known else []
    if workload.aggregates:
        columns += [
            f"{{{{ window('{AGGREGATES[name]}', '{length}') }}}} as {name}_{window}"
            for name in workload.aggregates
            for window, length in WINDOWS.items()
        ]
    else:
        columns += workload.features(int(table[-1]))
    available = ", available_at='known'" if known else ""
    return (
        f"{{{{ config(materialized='feature_view', entity='entity', event_time='ts'{available}) }}}}\n"
        f"select\n    {f',{chr(10)}    '.join(columns)}\nfrom {{{{ source('stored', '{table}') }}}}\n"
    )


def _training_set_sql(workload: Workload, views: list[str]) -> str:
    asked = "".join(f"    {{{{ feature('{view}.*') }}}},\n" for view in views)
    keys = ", ".join(f"l.{key}" for key in workload.keys)
    return (
        "{{ config(materialized='training_set', label='label', keys=['id'], "
        f"passthrough={list(workload.keys)}) }}}}\n"
        f"select\n    l.id, {keys}, l.ts,\n{asked}    l.label\nfrom {{{{ ref('labels') }}}} as l\n"
    )


def project_folder(task: Mapping[str, Any]) -> Path:
    """Where a workload's project lies: workloads that ask the same tables something else have their own."""
    files = project_files(Workload(**task["workload"]))
    return Path(task["folder"]) / f"project-{sha256_text(''.join(files.values()))[:8]}"


class SqlfeatRun:
    """``sqlfeat run`` from nothing: everything stored and prepared."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        workload, self._folder = Workload(**task["workload"]), project_folder(task)
        shutil.rmtree(self._folder, ignore_errors=True)
        for name, text in project_files(workload).items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._failed = ""

    def run(self) -> None:
        with Project.load(self._folder) as project:
            result = project.run()
        wrong = [f"{one.name}: {one.error}" for one in result.results if one.status == "failed"]
        if wrong:
            raise RuntimeError(wrong[0])

    def write(self, path: Path) -> None:
        """Nothing is asked yet."""

    def answer(self) -> list[Any]:
        return []

    def facts(self) -> Mapping[str, Any]:
        return {}


class SqlfeatAssembly:
    """``Engine.assemble`` of a training set whose views are stored."""

    training_set = "asked"

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.workload = Workload(**task["workload"])
        begin = time.perf_counter(), time.process_time()
        self._session = Session(load_project(project_folder(task)))
        self._model = self._session.training_set(self.training_set)
        self._engine = self._session.prepared([self._model.id])
        planner = Planner(self._session.manifest, self._engine)
        plan = planner.plan(planner.upstream([self._model.id]))
        self._before = {"plan_wall": time.perf_counter() - begin[0], "plan_cpu": time.process_time() - begin[1]}
        if plan.to_build:
            raise RuntimeError(f"not built: {plan.to_build[0].name}")
        self._assembled: Assembled

    def run(self) -> None:
        self._assembled = self._engine.assemble(self._model, self._session.manifest, RowsRequest())

    def write(self, path: Path) -> None:
        """As ``build-training-set`` writes a part."""
        reader = self._engine.read(self._assembled)
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)

    def answer(self) -> list[Any]:
        return list(self._engine.scalars(self._assembled, self.workload.checks()))

    def facts(self) -> Mapping[str, Any]:
        return self._before


class SqlfeatOrdinary(SqlfeatAssembly):
    """The same over the ordinary view of a bitemporal workload."""

    training_set = "asked_ordinary"
