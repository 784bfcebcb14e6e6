"""CatBoost's models in its own binary form (cbm).

CatBoost hashes the texts of categories itself, so it is given texts where the model says that an input is a category
of its own kind, and ``nan`` where a text is missing or unknown: what ``astype(str)`` makes of a missing one. The only
things in its form that differ between equal models are a random id and the time of training; both are taken out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.errors import HookError, StoreError
from sqlfeat.store.codecs.codec import Importances, arranged, is_kind, library, never_fitted
from sqlfeat.store.signature import CATEGORICAL, PROBABILITIES, PROBABILITY, SCORE, VALUE, Floats, Input, InputRows

MISSING = "nan"
_CHANGING = ("model_guid", "train_finish_time")
_RANKING = ("YetiRank", "PairLogit", "QueryRMSE", "QuerySoftMax", "QueryCrossEntropy", "StochasticRank", "LambdaMart")


class CatBoost:
    """CatBoost's models in cbm, without the id and the date in them."""

    name = "catboost"
    file = "model.cbm"
    keeps = "a CatBoost, CatBoostClassifier, CatBoostRegressor or CatBoostRanker"
    package = "catboost"

    def matches(self, model: object) -> bool:
        return is_kind(model, "catboost", {"CatBoost"})

    def encode(self, model: Any) -> bytes:
        if not model.is_fitted():
            raise never_fitted(model)
        copy = model.copy()
        metadata = copy.get_metadata()
        for key in _CHANGING:
            if key in metadata:
                metadata[key] = ""
        with tempfile.TemporaryDirectory(prefix="sqlfeat-") as folder:
            path = Path(folder, self.file)
            copy.save_model(str(path), format="cbm")
            return path.read_bytes()

    def decode(self, data: bytes) -> Any:
        catboost = library("catboost")
        model = catboost.CatBoost()
        try:
            model.load_model(blob=data)
        except catboost.CatBoostError as error:
            raise StoreError(
                "unreadable-model",
                f"CatBoost {catboost.__version__} cannot read this model: {str(error).strip()}.",
                hint="which version wrote it is in version.json.",
            ) from error
        return model

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        names = list(model.feature_names_)
        found = arranged(names, len(names), inputs, unnamed="{}")
        for position in model.get_cat_feature_indices():
            _check_text(found[position])
        return found

    def output(self, model: Any) -> tuple[str, int]:
        loss = _loss(model)
        if loss in ("Logloss", "CrossEntropy"):
            return PROBABILITY, 2
        if loss.startswith("MultiClass"):
            count = len(model.classes_)
            return (PROBABILITIES, count) if count > 2 else (PROBABILITY, 2)
        return (SCORE if loss.startswith(_RANKING) else VALUE), 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        values = np.asarray(model.classes_).tolist()
        return tuple(values) or None

    def predict(self, model: Any, rows: InputRows) -> Floats:
        return _said(model, rows, self.output(model)[0])

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        return _said(model, rows, self.output(model)[0])

    def contributions(self, model: Any, rows: InputRows) -> Floats:
        """SHAP values: rows, outputs (of two classes the second alone), inputs and the base."""
        kind = library("catboost").EFstrType.ShapValues
        found = np.asarray(model.get_feature_importance(_given(model, rows), type=kind), dtype=np.float64)
        found = found.reshape(len(rows), -1, len(rows.inputs) + 1)
        return found[:, 1:] if found.shape[1] == 2 else found

    def importances(self, model: Any) -> Importances:
        """How much a prediction changes with an input, in percent: what CatBoost tells without the data."""
        kind = library("catboost").EFstrType.PredictionValuesChange
        return {"prediction_values_change": [float(value) for value in model.get_feature_importance(type=kind)]}


def pool(rows: InputRows, categorical: Sequence[int], label: Any = None, weight: Any = None, names: bool = True) -> Any:
    """A ``catboost.Pool`` of rows whose inputs at these positions are categories, as texts."""
    frame = library("pandas").DataFrame(
        {
            position: _texts(rows, one) if position in categorical else rows.numpy()[:, position]
            for position, one in enumerate(rows.inputs)
        }
    )
    frame.columns = [one.name if names else str(position) for position, one in enumerate(rows.inputs)]
    return library("catboost").Pool(frame, label=label, weight=weight, cat_features=list(categorical))


def _said(model: Any, rows: InputRows, kind: str) -> Floats:
    given = _given(model, rows)
    exponent = _loss(model) in ("Poisson", "Tweedie")
    asked = "Probability" if kind in (PROBABILITY, PROBABILITIES) else "Exponent" if exponent else "RawFormulaVal"
    # As every CatBoost model answers; what its estimators call predict may be less.
    found = np.asarray(library("catboost").CatBoost.predict(model, given, prediction_type=asked), dtype=np.float64)
    return found[:, 1] if kind == PROBABILITY else found


def _given(model: Any, rows: InputRows) -> Any:
    """The rows as this model takes them, under the names that it knows."""
    ours = [one.name for one in rows.inputs]
    return pool(rows, model.get_cat_feature_indices(), names=list(model.feature_names_) == ours)


def _loss(model: Any) -> str:
    return str(model.get_all_params().get("loss_function", "")).partition(":")[0]


def _check_text(one: Input) -> None:
    whole = one.type.upper().endswith(("INT", "INTEGER"))
    if one.kind == CATEGORICAL or whole:
        return
    raise HookError(
        "hook-bad-result",
        f"The model takes the input {one.name!r} ({one.type}) as a category.",
        hint=f"cast it in the training set's SELECT: {one.name}::varchar.",
    )


def _texts(rows: InputRows, one: Input) -> Any:
    """Texts as CatBoost hashes them: categories by name, whole numbers as they are written."""
    if one.kind == CATEGORICAL:
        values = rows[one.name]
        return np.where(values == None, MISSING, values)  # noqa: E711 (an array of objects)
    column = pc.cast(rows.column(one.name), pa.large_string())
    return pc.fill_null(column, MISSING).to_numpy(zero_copy_only=False)
