"""A small project in a git repository whose model can be made again: orders, what was spent of late, a hook."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.made.projects import Files, day, shop

SOURCES = """
    version: 2
    sources:
      - name: raw
        config: {location: "data/{name}.parquet"}
        tables:
          - name: orders
            config: {event_time: ordered_at}
          - name: visits
            config: {event_time: visited_at}
"""
SPENT = """
    {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
    select customer, ordered_at, {{ window('sum(amount)', '3 days') }} as spent_3d from {{ source('raw', 'orders') }}
"""
ASKED = """
    {{ config(materialized='table', event_time='visited_at', role='label') }}
    select visit_id, customer, visited_at, pages, bought from {{ source('raw', 'visits') }}
"""
WANTED = """
    {{ config(materialized='training_set', label='bought', keys=['visit_id'],
              split={'train': '2024-01-01', 'test': '2024-01-08'}) }}
    select a.visit_id, a.visited_at, a.pages, {{ feature('spent.spent_3d') }}, a.bought from {{ ref('asked') }} as a
"""
HOOK = """
    from sqlfeat import SourcePredictor, trainer

    CODE = "def predict(inputs, data):\\n    return 1 / (1 + 2.0 ** (data['middle'] - inputs['pages']))"

    @trainer(training_set="wanted", params={"shift": 0.0, "seed": 7})
    def buyers(data, params):
        middle = float(data.train.arrow()["pages"].to_numpy().mean()) + params["shift"]
        return SourcePredictor(CODE, {"middle": middle}, output="probability", classes=(False, True))
"""
"""Cheap to train: a library for boosting takes seconds to import."""
LIGHTGBM = """
    import lightgbm as lgb
    from sqlfeat import trainer

    FIXED = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True}

    @trainer(training_set="wanted", params={"num_leaves": 4, "seed": 7, "min_data_in_leaf": 3})
    def buyers(data, params):
        return lgb.train(FIXED | params, data.train.lightgbm(), 4)
"""
IDENTITY = ("-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")


def orders(count: int = 60, *, seed: int = 3) -> pa.Table:
    """Orders of six customers over ten days."""
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "order_id": pa.array(range(count), pa.int64()),
            "customer": pa.array([f"c{number}" for number in random.integers(0, 6, count)]),
            "amount": pa.array(random.integers(1, 50, count), pa.int64()),
            "ordered_at": pa.array(
                [day(1) + timedelta(minutes=int(at)) for at in np.sort(random.integers(0, 14_400, count))],
                pa.timestamp("us", "UTC"),
            ),
        }
    )


def visits(count: int = 120) -> pa.Table:
    """Visits of the same customers: whoever looks at many pages buys."""
    random = np.random.default_rng(5)
    pages = random.integers(1, 20, count)
    return pa.table(
        {
            "visit_id": pa.array(range(count), pa.int64()),
            "customer": pa.array([f"c{number}" for number in random.integers(0, 6, count)]),
            "pages": pa.array(pages, pa.int64()),
            "bought": pa.array(pages + random.normal(0, 3, count) > 10),
            "visited_at": pa.array(
                [day(1) + timedelta(minutes=int(at)) for at in np.sort(random.integers(0, 14_400, count))],
                pa.timestamp("us", "UTC"),
            ),
        }
    )


def buyers(root: Path, files: Files | None = None) -> Path:
    """The project, in a folder that is no repository yet."""
    basis: Files = {
        "models/sources.yml": SOURCES,
        "models/spent.sql": SPENT,
        "models/asked.sql": ASKED,
        "models/wanted.sql": WANTED,
        "hooks/buyers.py": HOOK,
        "data/orders.parquet": orders(),
        "data/visits.parquet": visits(),
        ".gitignore": "target/\nregistry/\ndata/\n",
    }
    return shop(root, {**basis, **(files or {})})


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    command = ["git", *IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def committed(root: Path) -> Path:
    """The folder as a repository with one commit."""
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "as it is")
    return root
