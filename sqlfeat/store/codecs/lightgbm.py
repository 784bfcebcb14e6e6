"""LightGBM's boosters in their text form; its scikit-learn estimators by the booster in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.errors import StoreError
from sqlfeat.store.codecs.codec import Importances, arranged, is_kind, library, never_fitted, plain_names
from sqlfeat.store.signature import (
    CATEGORICAL,
    NUMERIC,
    PROBABILITIES,
    PROBABILITY,
    SCORE,
    VALUE,
    Floats,
    Input,
    InputRows,
    encode,
    holds_texts,
    positions,
)

_SCORES = ("lambdarank", "rank_xendcg")


class LightGBM:
    """LightGBM's boosters in their text form; its scikit-learn estimators by the booster in them."""

    name = "lightgbm"
    file = "model.txt"
    keeps = "a lightgbm Booster, LGBMClassifier, LGBMRegressor or LGBMRanker"
    package = "lightgbm"

    def matches(self, model: object) -> bool:
        return is_kind(model, "lightgbm", {"Booster", "LGBMModel"})

    def encode(self, model: Any) -> bytes:
        return str(_booster(model).model_to_string()).encode()

    def decode(self, data: bytes) -> Any:
        lightgbm = library("lightgbm")
        try:
            return lightgbm.Booster(model_str=data.decode())
        except lightgbm.basic.LightGBMError as error:
            raise StoreError(
                "unreadable-model",
                f"LightGBM {lightgbm.__version__} cannot read this model: {error}.",
                hint="which version wrote it is in version.json.",
            ) from error

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        names = model.feature_name()
        return arranged(names, len(names), inputs, plain_names, "Column_{}")

    def output(self, model: Any) -> tuple[str, int]:
        header = dict(re.findall(r"^(objective|num_class)=(\S+)", model.model_to_string(num_iteration=1), re.MULTILINE))
        objective = header.get("objective", "")
        if objective in ("binary", "cross_entropy"):
            return PROBABILITY, 2
        if objective in ("multiclass", "multiclassova"):
            return PROBABILITIES, int(header["num_class"])
        return (SCORE if objective in _SCORES else VALUE), 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        found = getattr(model, "classes_", None)
        return None if found is None else tuple(np.asarray(found).tolist())

    def predict(self, model: Any, rows: InputRows) -> Floats:
        found = np.asarray(model.predict(rows.numpy()), dtype=np.float64)
        classes = model.num_model_per_iteration()
        return found.reshape(len(rows), classes) if classes > 1 else found.reshape(len(rows))

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        return self.predict(_booster(model), rows)

    def contributions(self, model: Any, rows: InputRows) -> Floats:
        """SHAP values: rows, outputs, inputs and the base."""
        found = np.asarray(model.predict(rows.numpy(), pred_contrib=True), dtype=np.float64)
        return found.reshape(len(rows), -1, len(rows.inputs) + 1)

    def importances(self, model: Any) -> Importances:
        return {
            kind: [float(value) for value in model.feature_importance(importance_type=kind)]
            for kind in ("gain", "split")
        }


def takes_arrow() -> bool:
    """Whether this LightGBM reads Arrow by itself, which needs packages that older ones do not bring."""
    major, minor = library("lightgbm").__version__.split(".")[:2]
    return (int(major), int(minor)) >= (4, 7)


def arrow_inputs(columns: Iterable[tuple[Input, pa.ChunkedArray]]) -> pa.Table:
    """Inputs for LightGBM to learn from: the doubles that ``signature.encode`` gives, in small types where they fit."""
    given = {}
    for one, column in columns:
        if one.kind == CATEGORICAL and holds_texts(column.type):
            column = positions(column, one)
        elif one.kind != NUMERIC or not (pa.types.is_integer(column.type) or pa.types.is_float64(column.type)):
            column = pa.chunked_array([pa.array(encode(column, one))])
        given[one.name] = _narrowed(column) if pa.types.is_integer(column.type) else column
    return pa.table(given)


def _narrowed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers in the smallest type that holds all of them."""
    least, greatest = pc.min_max(column).as_py().values()
    for type_ in (pa.int8(), pa.int16(), pa.int32()):
        half = 1 << (type_.bit_width - 1)
        if least is None or (-half <= least and greatest < half):
            return column.cast(type_)
    return column


def _booster(model: Any) -> Any:
    booster = model if hasattr(model, "model_to_string") else getattr(model, "booster_", None)
    if booster is None:
        raise never_fitted(model)
    return booster
