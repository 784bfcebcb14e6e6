"""Registered models made by hand, without a hook."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sqlfeat.base.clock import FixedClock
from sqlfeat.store.codecs import LightGBM
from sqlfeat.store.registry import ModelVersion, register
from sqlfeat.store.signature import PROBABILITY, Input, Output, Signature
from tests.made.sessions import NOW
from tests.made.training_sets import CARRIERS

INPUTS = (
    Input("carrier", "VARCHAR", "categorical", CARRIERS),
    Input("delay_7d", "DOUBLE", "numeric"),
    Input("dep_hour", "BIGINT", "numeric"),
)


@cache
def booster_text(objective: str = "binary") -> bytes:
    """A little LightGBM model of the inputs: late is who was late before."""
    import lightgbm

    random = np.random.default_rng(3)
    matrix = np.column_stack([random.integers(0, 3, 300), random.normal(0, 10, 300), random.integers(0, 24, 300)])
    label = (matrix[:, 1] > 3).astype(float) + (matrix[:, 0] if objective == "multiclass" else 0)
    params = {"objective": objective, "verbosity": -1, "num_leaves": 4, "deterministic": True, "force_row_wise": True}
    names = [one.name for one in INPUTS]
    dataset = lightgbm.Dataset(matrix, label, feature_name=names, categorical_feature=[0])
    classes = {"num_class": 4} if objective == "multiclass" else {}
    return LightGBM().encode(lightgbm.train(params | classes, dataset, 3))


def register_version(
    registry: Path, name: str = "late_lgbm", output: Output | None = None, **changes: Any
) -> ModelVersion:
    """Register a version of a model; ``changes`` win over what it says."""
    data = booster_text("multiclass" if output and output.classes and len(output.classes) > 2 else "binary")
    signature = Signature(INPUTS, output or Output(PROBABILITY, (False, True)))

    def fill(folder: Path, number: int) -> Mapping[str, Any]:
        (folder / "model.txt").write_bytes(data)
        (folder / "log.txt").write_text("trained\n")
        return {
            "hook": name, "features": {"carrier_delays.delay_7d": "f1"}, "compiled": {"carrier_delays": "c1"},
            "training_set": {"name": "late_flights", "id": "0f3a", "definition": "d1", "splits": ["train", "test"]},
            "params": {"seed": 7}, "metrics": {"test": {"auc": 0.7}, "train": {"auc": 0.8}},
            "importances": {"gain": {"delay_7d": 3.0}}, "signature": signature.as_dict(),
            "carried": ["flight_id", "asked_utc", "sched_dep_utc"], "codec": "lightgbm", "file": "model.txt",
            "versions": {"lightgbm": version("lightgbm")}, "git": None, "seconds": 0.5, **changes,
        }  # fmt: skip

    return register(registry, name, fill, FixedClock(NOW))
