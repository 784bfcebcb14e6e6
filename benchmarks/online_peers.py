"""What the online benchmark compares with: raw LMDB and Redis reads, naive FastAPI, Feast's SDK and its server.

Runs in the peers' environment too: outside of functions it imports the standard library alone.

``python -m benchmarks.online_peers METHOD TASK`` is one method measured in its process: microseconds of CPU and of
wall time a call, for one entity and for a hundred. ``uvicorn --factory benchmarks.online_peers:naive`` is the naive
server.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.online_data import ALL, FEATURES, KEY, NAMES, ROW, VIEWS

Lookup = Callable[[Sequence[int]], Any]


def write_lmdb(path: Path, tables: Path) -> None:
    """The views as packed rows in one LMDB file, a named database each."""
    import lmdb
    import pyarrow.parquet as pq

    path.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(path), map_size=1 << 30, max_dbs=VIEWS) as environment:
        for view, names in enumerate(NAMES):
            columns = pq.read_table(tables / f"view{view}.parquet").to_pydict()
            database = environment.open_db(b"view%d" % view)
            rows = zip(columns["driver_id"], *(columns[name] for name in names), strict=True)
            with environment.begin(db=database, write=True) as transaction:
                for key, *values in sorted(rows):
                    transaction.put(KEY.pack(key), ROW.pack(*values), append=True)


class RawLmdb:
    """Every row got by its key in one read transaction; bytes, nothing else."""

    def __init__(self, task: dict[str, Any]) -> None:
        import lmdb

        self._environment = lmdb.open(task["raw"], max_dbs=VIEWS, readonly=True, lock=False, readahead=False)
        self._databases = [self._environment.open_db(b"view%d" % view, create=False) for view in range(VIEWS)]

    def __call__(self, entities: Sequence[int]) -> list[list[bytes]]:
        with self._environment.begin() as transaction:
            get = transaction.get
            keys = [KEY.pack(entity) for entity in entities]
            return [[get(key, None, database) for database in self._databases] for key in keys]


class RawRedis:
    """One MGET by redis-py; bytes, nothing else."""

    def __init__(self, task: dict[str, Any]) -> None:
        import pyarrow.parquet as pq
        import redis

        self._client = redis.Redis.from_url(task["redis"])
        tables = Path(task["tables"])
        pipeline = self._client.pipeline(transaction=False)
        for view, names in enumerate(NAMES):
            columns = pq.read_table(tables / f"view{view}.parquet").to_pydict()
            for key, *values in zip(columns["driver_id"], *(columns[name] for name in names), strict=True):
                pipeline.set(b"raw:%d:" % view + KEY.pack(key), ROW.pack(*values))
            pipeline.execute()

    def __call__(self, entities: Sequence[int]) -> list[bytes]:
        return self._client.mget([b"raw:%d:" % v + KEY.pack(e) for e in entities for v in range(VIEWS)])


class FeastSdk:
    """``FeatureStore.get_online_features(…).to_dict()``."""

    def __init__(self, task: dict[str, Any]) -> None:
        import logging
        import warnings

        warnings.filterwarnings("ignore")
        logging.disable(logging.WARNING)
        from feast import FeatureStore

        self._store = FeatureStore(repo_path=task["feast"])

    def __call__(self, entities: Sequence[int]) -> dict[str, Any]:
        rows = [{"driver_id": entity} for entity in entities]
        return self._store.get_online_features(features=references(), entity_rows=rows).to_dict()


def references() -> list[str]:
    """All features as Feast calls them."""
    return [f"view{view}:{name}" for view, names in enumerate(NAMES) for name in names]


def write_feast(folder: Path, tables: Path, online: str) -> None:
    """Feast's repository of the same views; ``online`` is the online store's part of its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nregistry: registry.db\nprovider: local\nonline_store:\n{online}\n"
        "offline_store:\n  type: duckdb\nentity_key_serialization_version: 3\n"
    )
    (folder / "defs.py").write_text(
        "import datetime as dt\nfrom feast import Entity, FeatureView, Field, FileSource, ValueType\n"
        "from feast.types import Float64, Int64\n"
        "driver = Entity(name='driver', join_keys=['driver_id'], value_type=ValueType.INT64)\n"
        + "".join(
            f"view{view} = FeatureView(name='view{view}', entities=[driver], ttl=dt.timedelta(0), "
            f"source=FileSource(name='s{view}', path={str(tables / f'view{view}.parquet')!r}, timestamp_field='ts', "
            f"created_timestamp_column='created'), schema=[Field(name='driver_id', dtype=Int64)] + "
            f"[Field(name=n, dtype=Float64) for n in {names!r}])\n"
            for view, names in enumerate(NAMES)
        )
    )


METHODS: dict[str, Callable[[dict[str, Any]], Lookup]] = {
    "raw LMDB gets": RawLmdb,
    "raw Redis MGET": RawRedis,
    "Feast SDK": FeastSdk,
}


def measured(lookup: Lookup, task: dict[str, Any], seconds: float = 1.0) -> dict[str, float]:
    """Microseconds a call: CPU of all threads, the median and the 99th percentile of wall time."""
    chooser = random.Random(5)
    told: dict[str, float] = {}
    for count in (1, 100):
        asked = [[chooser.randrange(task["entities"]) * 7 + 3 for _ in range(count)] for _ in range(500)]
        for entities in asked[:20]:
            lookup(entities)
        walls, cpu, ends = [], time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < ends:
            for entities in asked[:50]:
                begin = time.perf_counter_ns()
                lookup(entities)
                walls.append(time.perf_counter_ns() - begin)
        told[f"cpu_{count}"] = (time.process_time() - cpu) / len(walls) * 1e6
        walls.sort()
        told[f"p50_{count}"] = walls[len(walls) // 2] / 1e3
        told[f"p99_{count}"] = walls[int(len(walls) * 0.99)] / 1e3
    return told


def naive() -> Any:
    """What a team writes in an afternoon: a ``def`` endpoint with models for request and answer, over raw rows."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    read = _rows_of(os.environ)
    app = FastAPI()
    answer = type("Answer", (BaseModel,), {"__annotations__": dict.fromkeys(ALL, float | None)})

    class Request(BaseModel):
        driver_id: int

    def features(request: Request) -> Any:
        rows = read(request.driver_id)
        values = [value for row in rows for value in (ROW.unpack(row) if row is not None else (None,) * FEATURES)]
        return answer(**dict(zip(ALL, values, strict=True)))

    features.__annotations__ = {"request": Request, "return": answer}
    app.post("/features", response_model=answer)(features)
    return app


def _rows_of(settings: Mapping[str, str]) -> Callable[[int], Sequence[bytes | None]]:
    """What gives the rows of an entity: from LMDB, or from Redis, where ``RawRedis`` has put them."""
    if "BENCH_RAW" in settings:
        lmdb = RawLmdb({"raw": settings["BENCH_RAW"]})
        return lambda entity: lmdb([entity])[0]
    redis = RawRedis({"redis": settings["BENCH_REDIS"], "tables": settings["BENCH_TABLES"]})
    return lambda entity: redis([entity])


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    print(json.dumps(measured(METHODS[sys.argv[1]](settings), settings)))
