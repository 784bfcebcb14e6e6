"""Feast's historical retrieval from its DuckDB store, over the same Parquet files. Runs in Feast's own environment."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String

from benchmarks.workloads import Workload


class FeastDuckDB:
    """``get_historical_features`` of all features of all views."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.workload = Workload(**task["workload"])
        self._folder = Path(task["folder"])
        self._repo = tempfile.TemporaryDirectory()
        self._store = FeatureStore(config=self._config(Path(self._repo.name)))
        types = {"k": Int64 if self.workload.key == "integer" else String, "k_group": String, "k_number": Int64}
        values = {Int64: ValueType.INT64, String: ValueType.STRING}
        entities = [Entity(name=key, join_keys=[key], value_type=values[types[key]]) for key in self.workload.keys]
        views = [self._view(number, entities, types) for number in range(self.workload.views)]
        self._store.apply([*entities, *views])
        labels = pd.read_parquet(self._folder / "labels.parquet").rename(columns={"ts": "event_timestamp"})
        self._labels = labels.assign(event_timestamp=labels["event_timestamp"].dt.tz_localize("UTC"))
        self._asked = [f"view{i}:{name}" for i in range(self.workload.views) for name in self.workload.features(i)]
        self._found: Any = None

    def run(self) -> None:
        self._found = self._store.get_historical_features(entity_df=self._labels, features=self._asked).to_arrow()

    def write(self, path: Path) -> None:
        pq.write_table(self._found, path, compression="zstd")

    def answer(self) -> list[Any]:
        with duckdb.connect() as connection:
            connection.register("assembled", self._found)
            row = connection.execute(f"select {', '.join(self.workload.checks())} from assembled").fetchone()
        return list(row or ())

    def facts(self) -> Mapping[str, Any]:
        return {}

    def _config(self, repo: Path) -> RepoConfig:
        return RepoConfig(
            project="benchmark",
            registry=str(repo / "registry.db"),
            provider="local",
            online_store={"type": "sqlite", "path": str(repo / "online.db")},
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
        )

    def _view(self, number: int, entities: list[Entity], types: Mapping[str, Any]) -> FeatureView:
        source = FileSource(path=str(self._folder / f"view{number}.parquet"), timestamp_field="ts")
        keys = [Field(name=key, dtype=types[key]) for key in self.workload.keys]
        fields = [Field(name=name, dtype=Float64) for name in self.workload.features(number)]
        return FeatureView(
            name=f"view{number}", entities=entities, ttl=timedelta(0), source=source, schema=[*keys, *fields]
        )
