"""What the online benchmark looks up: five views of ten doubles, one row an entity, as files and as a project.

Knows NumPy and Arrow, and nothing of who reads it; a peer's environment imports it too.
"""

from __future__ import annotations

import struct
from pathlib import Path

VIEWS, FEATURES = 5, 10
NAMES = [[f"f{view}_{feature}" for feature in range(FEATURES)] for view in range(VIEWS)]
ALL = [name for names in NAMES for name in names]
ROW = struct.Struct(f"<{FEATURES}d")
KEY = struct.Struct(">q")

_PROJECT = """\
name: online
targets:
  dev: {engine: duckdb, path: target/online.duckdb}
entities:
  driver: {keys: [driver_id]}
"""
_VIEW = """\
{{{{ config(materialized='feature_view', entity='driver', event_time='ts', online=true) }}}}
select driver_id, ts, {columns} from {{{{ source('stored', 'view{number}') }}}}
"""
_ASKED = """\
{{{{ config(materialized='training_set', label='label', keys=['id'],
           split={{'train': '2026-01-01', 'test': '2026-11-01'}}) }}}}
select l.id, l.ts, {features}, l.label from {{{{ ref('labels') }}}} as l
"""
_LABELS = """\
{{ config(materialized='table', role='label', event_time='ts', horizon='1 day') }}
select id, driver_id, ts, label from {{ source('stored', 'labels') }}
"""
_HOOK = """\
import lightgbm
from sqlfeat import trainer

SETTINGS = {
    "objective": "regression", "num_iterations": 500, "num_leaves": 31, "min_data_in_leaf": 5, "verbosity": -1,
    "seed": 7, "deterministic": True, "force_row_wise": True, "num_threads": 1,
}


@trainer(training_set="asked", params=SETTINGS)
def forest(data, params):
    return lightgbm.train(params, data.train.lightgbm())
"""


def make_tables(folder: Path, entities: int, seed: int = 1) -> None:
    """``view0.parquet`` and so on: one row an entity; ``labels.parquet``: 2,000 rows to learn from."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    ids = np.arange(entities) * 7 + 3
    day = 86_400_000_000
    begin = 1_767_225_600_000_000  # 2026-01-01
    folder.mkdir(parents=True, exist_ok=True)
    for view, names in enumerate(NAMES):
        columns = {name: random.normal(size=entities) for name in names}
        times = pa.array(begin + random.integers(0, 200 * day, entities), pa.timestamp("us"))
        pq.write_table(
            pa.table({"driver_id": ids, "ts": times, "created": times, **columns}), folder / f"view{view}.parquet"
        )
    count = 2_000
    labels = {
        "id": np.arange(count),
        "driver_id": random.choice(ids, count),
        "ts": pa.array(begin + 205 * day + random.integers(0, 90 * day, count), pa.timestamp("us")),
        "label": random.normal(size=count),
    }
    pq.write_table(pa.table(labels), folder / "labels.parquet")


def make_project(folder: Path, tables: Path, online: str) -> None:
    """The project that publishes these views and learns a model of 500 trees from them; ``online`` is its store."""
    files = {
        "sqlfeat_project.yml": f"{_PROJECT}online: {online}\n",
        "models/sources.yml": "version: 2\nsources:\n  - name: stored\n"
        f"    config: {{location: '{tables}/{{name}}.parquet'}}\n    tables:\n"
        + "".join(f"      - name: view{view}\n" for view in range(VIEWS))
        + "      - name: labels\n",
        "models/labels.sql": _LABELS,
        "models/asked.sql": _ASKED.format(features=", ".join(f"{{{{ feature('view{v}.*') }}}}" for v in range(VIEWS))),
        "hooks/forest.py": _HOOK,
    }
    for view, names in enumerate(NAMES):
        files[f"models/view{view}.sql"] = _VIEW.format(columns=", ".join(names), number=view)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
