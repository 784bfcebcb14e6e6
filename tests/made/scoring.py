"""A shop whose customers are asked, and a model of whether they buy: registered by hand, so that no hook has to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.ops.online.request import plan_of
from sqlfeat.store.codecs import LightGBM
from sqlfeat.store.registry import ModelVersion, register
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, Input, Output, Signature
from tests.made.projects import Opened, day, shop

CHANNELS = ("phone", "shop", "web")
INPUTS = (
    Input("channel", "VARCHAR", "categorical", CHANNELS),
    Input("amount", "BIGINT", "numeric"),
    Input("spent_3d", "DECIMAL(38,0)", "numeric"),
)
CLASSES = ("never", "later", "now")
FILES = {
    "models/sources.yml": """
        version: 2
        sources:
          - name: raw
            config: {location: "data/{name}.parquet"}
            tables:
              - {name: orders, config: {event_time: ordered_at}}
              - {name: asked, config: {event_time: asked_at}}
    """,
    "models/spent.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select customer, ordered_at, amount, {{ window('sum(amount)', '3 days') }} as spent_3d
        from {{ source('raw', 'orders') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}
        select * from {{ source('raw', 'asked') }}
    """,
    "models/buys.sql": """
        {{ config(materialized='training_set', label='bought', keys=['asked_id'], passthrough=['shop']) }}
        select
            a.asked_id, a.asked_at, a.shop, a.channel,
            {{ feature('spent.amount') }}, {{ feature('spent.spent_3d') }}, a.bought
        from {{ ref('asked') }} as a
    """,
}


def asked(*numbers: int, channel: str | None = None) -> pa.Table:
    """Label rows of these numbers: each of its own customer and time, one an hour from 2024-01-02 on."""
    return pa.table(
        {
            "asked_id": pa.array(numbers, pa.int64()),
            "customer": pa.array([("ann", "bob", "zoe", None)[number % 4] for number in numbers], pa.string()),
            "asked_at": pa.array([time_of(number) for number in numbers], pa.timestamp("us", "UTC")),
            "shop": pa.array([f"s{number % 3}" for number in numbers], pa.string()),
            "channel": pa.array([channel or ("web", "shop", None)[number % 3] for number in numbers], pa.string()),
            "bought": pa.array([number % 2 == 0 for number in numbers], pa.bool_()),
        }
    )


def time_of(number: int) -> datetime:
    """The as-of time of a label row."""
    return day(2 + number // 24 % 28, number % 24)


def scored_shop(root: Path, rows: pa.Table | None = None) -> Opened:
    """The project, with 30 label rows unless others are given."""
    return Opened(shop(root, {**FILES, "data/asked.parquet": asked(*range(30)) if rows is None else rows}))


@cache
def booster(objective: str = "binary", seed: int = 3) -> Any:
    """A little LightGBM model of the inputs."""
    import lightgbm

    random = np.random.default_rng(seed)
    matrix = np.column_stack([random.integers(0, 3, 400), random.integers(0, 50, 400), random.integers(0, 90, 400)])
    label = (matrix[:, 1] > 24) + (matrix[:, 0] > 1 if objective == "multiclass" else 0)
    params = {"objective": objective, "verbosity": -1, "num_leaves": 6, "deterministic": True, "force_row_wise": True}
    classes = {"num_class": 3} if objective == "multiclass" else {}
    names = [one.name for one in INPUTS]
    dataset = lightgbm.Dataset(matrix.astype(float), label, feature_name=names, categorical_feature=[0])
    return lightgbm.train({**params, **classes}, dataset, 5)


def register_buyer(opened: Opened, *, objective: str = "binary", seed: int = 3, **changes: Any) -> ModelVersion:
    """Register a version of the model ``buyer`` for the project as it is."""
    output = Output(PROBABILITIES, CLASSES) if objective == "multiclass" else Output(PROBABILITY, (False, True))
    with opened.project() as project:
        definition = project._session.training_set_definition("buys")
        plan = plan_of(project._session.training_set("buys"), definition["features"]).as_dict()
        registry = project.spec.registry

    def fill(folder: Path, number: int) -> Mapping[str, Any]:
        (folder / "model.txt").write_bytes(LightGBM().encode(booster(objective, seed)))
        (folder / "log.txt").write_text("trained\n")
        return {
            "hook": "buyer", "features": definition["features"], "compiled": {},
            "training_set": {"name": "buys", "id": "0f3a", "definition": definition["definition"], "splits": ["all"]},
            "params": {}, "metrics": {"all": {}}, "importances": {}, "signature": Signature(INPUTS, output).as_dict(),
            "carried": ["asked_id", "asked_at", "shop"], "codec": "lightgbm", "file": "model.txt",
            "versions": {"lightgbm": version("lightgbm")}, "git": None, "seconds": 0.5, "plan": plan, **changes,
        }  # fmt: skip

    return register(registry, "buyer", fill)


def predicted(opened: Opened, reference: str = "buyer", **how: Any) -> Any:
    """What ``Project.predict`` gives."""
    with opened.project() as project:
        return project.predict(reference, **how)


def matrix_of(rows: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
    """Rows of inputs as the model sees them."""
    codes = {name: float(code) for code, name in enumerate(CHANNELS)}

    def seen(row: Mapping[str, Any]) -> list[float]:
        numbers = [row["amount"], row["spent_3d"]]
        return [codes.get(row["channel"], np.nan), *(np.nan if one is None else float(one) for one in numbers)]

    return np.array([seen(row) for row in rows]).reshape(-1, 3)
