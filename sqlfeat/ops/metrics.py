"""How good predictions are: exact metrics for two classes, several classes and numbers.

Ties are handled as their definitions say (midranks for the AUC, thresholds at distinct scores for the average
precision); weights count as repeated rows would; what is not defined for the rows at hand is None. Knows arrays and
nothing of training sets or libraries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, Floats, Output

Metrics = dict[str, float | None]
Labels = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
_SMALLEST = float(np.finfo(np.float64).eps)


def evaluate(output: Output, labels: Labels, predictions: Floats, weight: Floats | None = None) -> Metrics:
    """The metrics of these predictions, chosen by what the model gives and what the labels are."""
    if not len(labels):
        return {}
    weight = np.ones(len(labels)) if weight is None else weight
    if output.kind == PROBABILITIES:
        return multiclass_metrics(_positions(labels, output.classes or ()), predictions, weight)
    numeric = labels.dtype.kind in "biuf"
    if output.kind == PROBABILITY and not (numeric and _fractional(labels)):
        return binary_metrics(_positive(labels, output.classes), predictions, weight)
    if numeric and _two_valued(labels):
        return binary_metrics(labels.astype(bool), predictions, weight)
    return regression_metrics(labels.astype(np.float64), predictions, weight) if numeric else {}


def _fractional(labels: Labels) -> bool:
    return bool(np.any(labels != np.round(labels))) if labels.dtype.kind == "f" else False


def _two_valued(labels: Labels) -> bool:
    return labels.dtype.kind == "b" or set(np.unique(labels).tolist()) == {0, 1}


def _positive(labels: Labels, classes: tuple[Any, ...] | None) -> Bools:
    if classes is None or set(classes) == {0, 1}:
        return np.asarray(labels > 0)
    return np.asarray(labels == classes[1])


def _positions(labels: Labels, classes: tuple[Any, ...]) -> npt.NDArray[np.int64]:
    """The position of each label among the classes, -1 for one that the model does not know."""
    known = {label: position for position, label in enumerate(classes)}
    return np.fromiter((known.get(label, -1) for label in labels.tolist()), dtype=np.int64, count=len(labels))


def binary_metrics(truth: Bools, scores: Floats, weight: Floats) -> Metrics:
    """Rank metrics of any score; those of probabilities where all scores lie between 0 and 1."""
    if not np.all(np.isfinite(scores)):
        return {"auc": None, "average_precision": None, "positive_rate": _mean(truth, weight)}
    metrics: Metrics = {
        "auc": area_under_roc(truth, scores, weight),
        "average_precision": average_precision(truth, scores, weight),
    }
    if np.all((scores >= 0) & (scores <= 1)):
        own = np.clip(np.where(truth, scores, 1 - scores), _SMALLEST, 1)
        metrics |= {
            "log_loss": _mean(-np.log(own), weight),
            "brier": _mean((scores - truth) ** 2, weight),
            "accuracy": _mean((scores > 0.5) == truth, weight),
        }
    return metrics | {"positive_rate": _mean(truth, weight)}


def area_under_roc(truth: Bools, scores: Floats, weight: Floats) -> float | None:
    """The chance that a positive row scores higher than a negative one, a tie counting half."""
    positives, negatives = _by_score(truth, scores, weight)
    below = np.cumsum(negatives) - negatives
    return _ratio(np.sum(positives * (below + negatives / 2)), np.sum(positives) * np.sum(negatives))


def average_precision(truth: Bools, scores: Floats, weight: Floats) -> float | None:
    """The mean precision over the steps of recall, from the highest score down."""
    positives, negatives = (counts[::-1] for counts in _by_score(truth, scores, weight))
    found, missed = np.cumsum(positives), np.cumsum(negatives)
    flagged = found + missed
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    return _ratio(np.sum(positives * precision), np.sum(positives))


def _by_score(truth: Bools, scores: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The weight of positive and of negative rows at each distinct score, rising."""
    _, group = np.unique(scores, return_inverse=True)
    counts = (np.bincount(group, weight * share) for share in (truth, ~truth))
    positives, negatives = (np.asarray(count, dtype=np.float64) for count in counts)
    return positives, negatives


def multiclass_metrics(truth: npt.NDArray[np.int64], probabilities: Floats, weight: Floats) -> Metrics:
    """``truth`` is the position of each row's class, -1 for one that the model does not know."""
    own = np.where(truth >= 0, probabilities[np.arange(len(truth)), truth], 0.0)
    return {
        "log_loss": _mean(-np.log(np.clip(own, _SMALLEST, 1)), weight),
        "accuracy": _mean(np.argmax(probabilities, axis=1) == truth, weight),
    }


def regression_metrics(truth: Floats, predictions: Floats, weight: Floats) -> Metrics:
    """Errors in the label's own unit, and the share of its variance that is explained."""
    middle = _mean(truth, weight)
    residual = np.sum(weight * (truth - predictions) ** 2)
    total = np.sum(weight * (truth - (0.0 if middle is None else middle)) ** 2)
    unexplained = _ratio(residual, total)
    square = _mean((truth - predictions) ** 2, weight)
    return {
        "rmse": None if square is None else math.sqrt(square),
        "mae": _mean(np.abs(truth - predictions), weight),
        "r2": None if unexplained is None else 1 - unexplained,
    }


def _mean(values: npt.NDArray[Any], weight: Floats) -> float | None:
    return _ratio(np.sum(values * weight), np.sum(weight))


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole > 0 and np.isfinite(part) else None


def merge(computed: Mapping[str, Metrics], logged: Mapping[str, Mapping[str, float]]) -> dict[str, Metrics]:
    """Metrics by split: ours, and those that the hook gave, which win where both have one."""
    return {split: {**computed.get(split, {}), **logged.get(split, {})} for split in [*computed, *logged]}
