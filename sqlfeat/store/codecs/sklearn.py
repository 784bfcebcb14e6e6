"""scikit-learn's estimators and pipelines in the form of skops, held against an allow-list of ours.

Why not ONNX: a conversion computes in single precision and knows a part of scikit-learn, so the model that is kept
would not be the one that was judged. skops keeps the very arrays, so the model that is read predicts the same bits;
what it may make is told by ``sklearn_types``, on the way in and on the way out. The price is scikit-learn's own: its
objects are made for one minor version, so a model is read by the minor version that wrote it and refused by others,
instead of predicting something else. Ids of memory, dates and padding are taken out of the bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sqlfeat.errors import HookError, StoreError
from sqlfeat.store.codecs.archive import pack, unpack
from sqlfeat.store.codecs.codec import Importances, arranged, installed_version, library, never_fitted
from sqlfeat.store.codecs.sklearn_types import foreign_types, named_types, nodes
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, SCORE, VALUE, Floats, Input, InputRows

_SCHEMA = "schema.json"
_VERSIONS = "versions.json"
_PLAIN = ("JsonNode", "TypeNode")
_SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
_OWN = "sqlfeat.SourcePredictor keeps what needs code of your own"


class Sklearn:
    """scikit-learn's estimators and pipelines by skops, with an allow-list of ours."""

    name = "sklearn"
    file = "model.skops"
    keeps = "a scikit-learn estimator or pipeline"
    package = "scikit-learn"

    def matches(self, model: object) -> bool:
        return any(f"{kind.__module__}.{kind.__name__}" == "sklearn.base.BaseEstimator" for kind in type(model).__mro__)

    def encode(self, model: Any) -> bytes:
        model = _fitted(model)
        try:
            files = unpack(library("skops.io").dumps(model), "What skops wrote")
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise HookError(
                "hook-bad-result",
                f"The {type(model).__name__} that the hook returned cannot be kept by skops: {error}",
                hint=f"{_OWN}.",
            ) from error
        schema = json.loads(files[_SCHEMA])
        strange = foreign_types(schema)
        if strange:
            raise HookError(
                "hook-bad-result",
                f"The {type(model).__name__} that the hook returned holds {', '.join(strange[:5])}, "
                "which sqlfeat does not keep.",
                hint=f"models hold scikit-learn's own estimators and plain values; {_OWN}.",
            )
        return _canonical(schema, files)

    def decode(self, data: bytes) -> Any:
        files = unpack(data, "A scikit-learn model")
        try:
            schema = json.loads(files[_SCHEMA])
            written = json.loads(files[_VERSIONS])["scikit-learn"]
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError("unreadable-model", f"A scikit-learn model cannot be read: it lacks {error}.") from error
        sklearn = library("sklearn")
        _check_version(written, sklearn.__version__)
        strange = foreign_types(schema)
        if strange:
            raise StoreError(
                "foreign-type",
                f"A scikit-learn model holds {', '.join(strange[:5])}, which sqlfeat does not make.",
                hint="sqlfeat wrote no such model: find out who did.",
            )
        try:
            model = library("skops.io").loads(data, trusted=named_types(schema))
        except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise StoreError("unreadable-model", f"A scikit-learn model cannot be read: {error}.") from error
        _refuse_broken_trees(model)
        return model

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        names = getattr(model, "feature_names_in_", None)
        count = int(getattr(model, "n_features_in_", len(inputs)))
        return arranged(None if names is None else [str(name) for name in names], count, inputs)

    def output(self, model: Any) -> tuple[str, int]:
        base = library("sklearn.base")
        if base.is_classifier(model):
            return _classifiers_output(model)
        if base.is_outlier_detector(model):
            return SCORE, 0
        if not hasattr(model, "predict"):
            raise HookError(
                "hook-bad-result",
                f"The {type(model).__name__} that the hook returned does not predict.",
                hint="return the estimator, or a pipeline that ends in one.",
            )
        return VALUE, 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        found = getattr(_unwrapped(model), "classes_", None)
        return None if found is None else tuple(np.asarray(found).tolist())

    def predict(self, model: Any, rows: InputRows) -> Floats:
        given = rows.numpy() if getattr(model, "feature_names_in_", None) is None else rows.pandas()
        kind, _ = self.output(model)
        if kind in (PROBABILITY, PROBABILITIES):
            found = np.asarray(model.predict_proba(given), dtype=np.float64)
            return found[:, 1] if kind == PROBABILITY else found
        found = np.asarray((model.decision_function if kind == SCORE else model.predict)(given), dtype=np.float64)
        return found.reshape(len(rows)) if found.size == len(rows) else found

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        return self.predict(_unwrapped(model), rows)

    def importances(self, model: Any) -> Importances:
        """What the estimator itself says of its inputs, where these are the model's; other kinds have none."""
        steps = getattr(model, "steps", None)
        if steps is not None and len(steps) == 1:
            return self.importances(steps[0][1])
        count = getattr(model, "n_features_in_", None)
        found: dict[str, list[float]] = {}
        for kind, attribute in (("impurity", "feature_importances_"), ("coefficient", "coef_")):
            values = np.asarray(getattr(model, attribute, ())) if steps is None else np.empty(0)
            if values.size == count and values.dtype.kind == "f":
                found[kind] = [float(value) for value in values.ravel()]
        return found


def _unwrapped(model: Any) -> Any:
    """A search stands for the best estimator that it found."""
    return model.best_estimator_ if type(model).__name__ in _SEARCHES and hasattr(model, "best_estimator_") else model


def _fitted(model: Any) -> Any:
    model = _unwrapped(model)
    try:
        library("sklearn.utils.validation").check_is_fitted(model)
    except library("sklearn.exceptions").NotFittedError as error:
        raise never_fitted(model) from error
    except TypeError as error:
        raise HookError("hook-bad-result", f"The hook returned no estimator: {error}") from error
    return model


def _classifiers_output(model: Any) -> tuple[str, int]:
    count = len(model.classes_)
    if count < 2:
        raise HookError("hook-bad-result", f"The {type(model).__name__} saw one class alone: {model.classes_[0]!r}.")
    if hasattr(model, "predict_proba"):
        return (PROBABILITIES, count) if count > 2 else (PROBABILITY, 2)
    if count == 2 and hasattr(model, "decision_function"):
        return SCORE, 0
    raise HookError(
        "hook-bad-result",
        f"The {type(model).__name__} that the hook returned gives no probabilities.",
        hint="wrap it: sklearn.calibration.CalibratedClassifierCV(estimator).",
    )


def _canonical(schema: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """The archive with ids that count from 1 in the order of the schema, arrays without what lies between fields."""
    numbers: dict[Any, int] = {}
    arrays: dict[str, bytes] = {}
    for node in nodes(schema):
        identity = node.pop("__id__", None)
        if node["__loader__"] not in _PLAIN and identity is not None:
            node["__id__"] = numbers.setdefault(identity, len(numbers) + 1)
        if node["__loader__"] == "NdArrayNode" and node["type"] == "numpy":
            number = numbers.setdefault(int(node["file"].removesuffix(".npy")), len(numbers) + 1)
            arrays[f"{number}.npy"] = _without_padding(files[node["file"]])
            node["file"] = f"{number}.npy"
    versions = {"scikit-learn": installed_version("scikit-learn"), "skops": installed_version("skops")}
    texts = {_SCHEMA: schema, _VERSIONS: versions}
    return pack({**arrays, **{name: json.dumps(value, sort_keys=False).encode() for name, value in texts.items()}})


def _without_padding(data: bytes) -> bytes:
    """An array's file where the bytes between the fields of a record are zero: memory leaves there what it had."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    stream = io.BytesIO()
    np.save(stream, clean, allow_pickle=False)
    return stream.getvalue()


def _check_version(written: str, installed: str) -> None:
    if written.split(".")[:2] == installed.split(".")[:2]:
        return
    minor = ".".join(written.split(".")[:2])
    raise StoreError(
        "unreadable-model",
        f"This model was kept by scikit-learn {written}; installed is {installed}, which may predict otherwise.",
        hint=f"pip install 'scikit-learn=={minor}.*', or train it again.",
    )


def _refuse_broken_trees(model: Any) -> None:
    """Refuse trees whose nodes lead outside of themselves: scikit-learn follows them without looking."""
    for part in _parts(model):
        name = type(part).__name__
        if name == "TreePredictor":
            nodes_, leaf = part.nodes, part.nodes["is_leaf"].astype(bool)
            sound = _leads_down(nodes_["left"][~leaf], nodes_["right"][~leaf], np.flatnonzero(~leaf), len(nodes_))
        elif hasattr(part, "tree_"):
            tree = part.tree_
            inner = tree.children_left != -1
            children = tree.children_left[inner], tree.children_right[inner]
            features = tree.feature[inner]
            sound = (
                _leads_down(*children, np.flatnonzero(inner), tree.node_count)
                and bool(np.all((features >= 0) & (features < part.n_features_in_)))
                and tree.n_features == part.n_features_in_
            )
        else:
            sound = True
        if not sound:
            raise StoreError("unreadable-model", "A scikit-learn model cannot be read: a tree of it leads nowhere.")


def _leads_down(left: Any, right: Any, own: Any, count: int) -> bool:
    """Whether every inner node's children come after it and are there: so each way down ends."""
    return all(bool(np.all((side > own) & (side < count))) for side in (left, right))


def _parts(model: Any) -> Iterator[Any]:
    """The model and every object in it, each once."""
    waiting, seen = [model], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
        elif isinstance(part, np.ndarray) and part.dtype == object:
            waiting.extend(part.ravel().tolist())
        elif type(part).__module__.startswith("sklearn."):
            yield part
            waiting.extend(getattr(part, "__dict__", {}).values())
