"""XGBoost's boosters in its binary JSON (UBJ); its scikit-learn estimators by the booster in them.

UBJ holds every number as it is in memory, and the same booster gives the same bytes whatever the threads. A booster
that stopped early keeps the trees that the returned object predicts with: all of them for a ``Booster``, as XGBoost
has it, those up to the best iteration for an estimator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from sqlfeat.errors import HookError, StoreError
from sqlfeat.store.codecs.codec import (
    Importances,
    arranged,
    installed_version,
    is_kind,
    library,
    never_fitted,
    plain_names,
)
from sqlfeat.store.signature import CATEGORICAL, PROBABILITIES, PROBABILITY, SCORE, VALUE, Floats, Input, InputRows

_FORBIDDEN = r"[\[\]<]"


class XGBoost:
    """XGBoost's boosters in UBJ; its scikit-learn estimators by the booster in them."""

    name = "xgboost"
    file = "model.ubj"
    keeps = "an xgboost Booster, XGBClassifier, XGBRegressor or XGBRanker"

    @property
    def package(self) -> str:
        return "xgboost" if installed_version("xgboost-cpu") is None else "xgboost-cpu"

    def matches(self, model: object) -> bool:
        return is_kind(model, "xgboost", {"Booster", "XGBModel"})

    def encode(self, model: Any) -> bytes:
        return bytes(_booster(model).save_raw(raw_format="ubj"))

    def decode(self, data: bytes) -> Any:
        xgboost = library("xgboost")
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(data))
        except xgboost.core.XGBoostError as error:
            raise StoreError(
                "unreadable-model",
                f"XGBoost {xgboost.__version__} cannot read this model: {str(error).strip().splitlines()[-1]}.",
                hint="which version wrote it is in version.json.",
            ) from error
        return booster

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        return arranged(model.feature_names, model.num_features(), inputs, xgboost_names)

    def output(self, model: Any) -> tuple[str, int]:
        learner = json.loads(model.save_config())["learner"]
        objective = str(learner["objective"]["name"])
        classes = int(learner["learner_model_param"]["num_class"])
        if int(learner["learner_model_param"].get("num_target", 1)) > 1:
            raise HookError("hook-bad-result", "The XGBoost model gives several numbers a row; a model gives one.")
        if objective == "multi:softmax":
            raise HookError(
                "hook-bad-result",
                "The objective multi:softmax gives the number of a class, without probabilities.",
                hint="train with multi:softprob.",
            )
        if objective == "multi:softprob":
            return (PROBABILITIES, classes) if classes > 2 else (PROBABILITY, 2)
        if objective == "binary:logistic":
            return PROBABILITY, 2
        return (SCORE if objective.startswith("rank:") or objective == "binary:logitraw" else VALUE), 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        """None where they are mere positions, as XGBoost wants them: then the labels' own names count."""
        found = getattr(model, "classes_", None) if not hasattr(model, "save_raw") else None
        values = None if found is None else np.asarray(found).tolist()
        return None if values is None or values == list(range(len(values))) else tuple(values)

    def predict(self, model: Any, rows: InputRows) -> Floats:
        return _flat(model.predict(_matrix(rows, model.feature_names, model.feature_types)))

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        if hasattr(model, "save_raw"):
            return _flat(model.predict(_matrix(rows, model.feature_names, model.feature_types)))
        names = model.get_booster().feature_names
        given = rows.pandas() if names == [one.name for one in rows.inputs] else rows.numpy()
        return _flat(model.predict_proba(given) if hasattr(model, "predict_proba") else model.predict(given))

    def contributions(self, model: Any, rows: InputRows) -> Floats:
        """SHAP values: rows, outputs (of two classes the second alone), inputs and the base."""
        given = _matrix(rows, model.feature_names, model.feature_types)
        found = np.asarray(model.predict(given, pred_contribs=True, strict_shape=True), dtype=np.float64)
        return found[:, 1:] if found.shape[1] == 2 else found

    def importances(self, model: Any) -> Importances:
        """The total gain and the number of splits, as LightGBM counts them; coefficients of a linear booster."""
        booster = json.loads(model.save_config())["learner"]["learner_train_param"]["booster"]
        kinds = {"coefficient": "weight"} if booster == "gblinear" else {"gain": "total_gain", "split": "weight"}
        names = model.feature_names or [f"f{position}" for position in range(model.num_features())]
        return {kind: _scores(model.get_score(importance_type=asked), names) for kind, asked in kinds.items()}


def xgboost_names(names: Sequence[str]) -> list[str]:
    """The names as XGBoost takes them: without brackets and the sign of less, and unique still."""
    return plain_names(names, _FORBIDDEN)


def feature_types(inputs: Sequence[Input]) -> list[str]:
    """Which inputs are categories, in XGBoost's letters."""
    return ["c" if one.kind == CATEGORICAL else "q" for one in inputs]


def _matrix(rows: InputRows, names: Sequence[str] | None, types: Sequence[str] | None) -> Any:
    return library("xgboost").DMatrix(
        rows.numpy(), feature_names=names, feature_types=types, enable_categorical=bool(types and "c" in types)
    )


def _flat(found: Any) -> Floats:
    """Two columns of probabilities are one: that of the second class."""
    numbers = np.asarray(found, dtype=np.float64)
    return numbers[:, 1] if numbers.ndim == 2 and numbers.shape[1] == 2 else numbers


def _scores(by_name: dict[str, Any], names: Sequence[str]) -> list[float]:
    """A number for each input; an input that no tree uses has none in XGBoost's answer."""
    return [float(np.sum(by_name.get(name, 0.0))) for name in names]


def _booster(model: Any) -> Any:
    if hasattr(model, "save_raw"):
        return model
    try:
        booster = model.get_booster()
    except Exception as error:
        if type(error).__name__ == "NotFittedError":
            raise never_fitted(model) from error
        raise
    best = getattr(model, "best_iteration", None) if model.early_stopping_rounds is not None else None
    return booster if best is None or best + 1 >= booster.num_boosted_rounds() else booster[: best + 1]


def training_matrix(rows: InputRows, label: Any, weight: Any, groups: Any, *, quantile: bool, like: Any = None) -> Any:
    """A ``DMatrix`` to learn from, or a ``QuantileDMatrix`` with the bins of ``like``; rows of a group lie together."""
    xgboost = library("xgboost")
    given = {
        "label": label,
        "weight": weight,
        "qid": groups,
        "feature_names": xgboost_names([one.name for one in rows.inputs]),
        "feature_types": feature_types(rows.inputs),
        "enable_categorical": True,
    }
    return (
        xgboost.QuantileDMatrix(rows.numpy(), ref=like, **given) if quantile else xgboost.DMatrix(rows.numpy(), **given)
    )
