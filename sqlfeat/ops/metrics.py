"""How good predictions are: exact metrics for two classes, several classes, numbers and rankings.

Ties are handled as their definitions say (midranks for the AUC, thresholds at distinct scores for the average
precision, the mean over all orders of equal scores for the NDCG); weights count as repeated rows would; what is not
defined for the rows at hand is None. Knows arrays and nothing of training sets or libraries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, SCORE, Floats, Output

Metrics = dict[str, float | None]
Labels = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BINARY = "binary"
MULTICLASS = "multiclass"
REGRESSION = "regression"
RANKING = "ranking"
FIRST = {BINARY: "auc", MULTICLASS: "log_loss", REGRESSION: "rmse", RANKING: "ndcg_10"}
"""The metric that a model is chosen by, task by task, where nobody says another."""
LESS_IS_BETTER = frozenset({"log_loss", "brier", "calibration_error", "rmse", "mae"})
GREATER_IS_BETTER = frozenset(
    {"auc", "average_precision", "accuracy", "precision", "recall", "f1", "f1_macro", "auc_ovr", "r2"}
    | {"ndcg_5", "ndcg_10", "ndcg", "map"}
)
BINS = 10
_RANKS = (5, 10)
_SMALLEST = float(np.finfo(np.float64).eps)


def task_of(output: Output, labels: Labels, *, grouped: bool = False) -> str | None:
    """What kind of question these labels and this model's output are; None where they do not fit together."""
    numeric = labels.dtype.kind in "biuf"
    if grouped and numeric and output.kind != PROBABILITIES:
        return RANKING
    if output.kind == SCORE and not (numeric and _two_valued(labels)):
        return None
    if output.kind == PROBABILITIES:
        return MULTICLASS
    if output.kind == PROBABILITY and not (numeric and _fractional(labels)):
        return BINARY
    if numeric and _two_valued(labels):
        return BINARY
    return REGRESSION if numeric else None


def evaluate(
    output: Output,
    labels: Labels,
    predictions: Floats,
    weight: Floats | None = None,
    *,
    task: str | None = None,
    groups: Integers | None = None,
) -> Metrics:
    """The metrics of these predictions, chosen by the task: by what the model gives and what the labels are.

    ``groups`` numbers the rows that are ranked against each other.
    """
    if not len(labels):
        return {}
    weight = np.ones(len(labels)) if weight is None else weight
    task = task or task_of(output, labels, grouped=groups is not None)
    if task == MULTICLASS:
        return multiclass_metrics(positions(labels, output.classes or ()), predictions, weight)
    if task == BINARY:
        return binary_metrics(positive(labels, output.classes), predictions, weight)
    if task == RANKING and groups is not None:
        return ranking_metrics(labels.astype(np.float64), predictions, weight, groups)
    return regression_metrics(labels.astype(np.float64), predictions, weight) if task == REGRESSION else {}


def _fractional(labels: Labels) -> bool:
    return bool(np.any(labels != np.round(labels))) if labels.dtype.kind == "f" else False


def _two_valued(labels: Labels) -> bool:
    return labels.dtype.kind == "b" or set(np.unique(labels).tolist()) == {0, 1}


def positive(labels: Labels, classes: Sequence[Any] | None) -> Bools:
    """Which labels are of the second of the two classes."""
    if classes is None or set(classes) == {0, 1}:
        return np.asarray(labels > 0)
    return np.asarray(labels == classes[1])


def positions(labels: Labels, classes: Sequence[Any]) -> Integers:
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
            **_flagged(truth, scores > 0.5, weight),
            "calibration_error": calibration_error(reliability(truth, scores, weight, equal_width(scores))),
        }
    return metrics | {"positive_rate": _mean(truth, weight)}


def _flagged(truth: Bools, flagged: Bools, weight: Floats) -> Metrics:
    """How precise and how complete the rows are that the model flags."""
    found, all_flagged, all_true = (np.sum(weight[which]) for which in (truth & flagged, flagged, truth))
    return {
        "precision": _ratio(found, all_flagged),
        "recall": _ratio(found, all_true),
        "f1": _ratio(2 * found, all_flagged + all_true),
    }


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


def multiclass_metrics(truth: Integers, probabilities: Floats, weight: Floats) -> Metrics:
    """``truth`` is the position of each row's class, -1 for one that the model does not know."""
    own = np.where(truth >= 0, probabilities[np.arange(len(truth)), truth], 0.0)
    likeliest = np.argmax(probabilities, axis=1)
    confidence = np.max(probabilities, axis=1)
    bins = reliability(likeliest == truth, confidence, weight, equal_width(confidence))
    return {
        "log_loss": _mean(-np.log(np.clip(own, _SMALLEST, 1)), weight),
        "accuracy": _mean(likeliest == truth, weight),
        "f1_macro": _macro(
            _flagged(truth == one, likeliest == one, weight)["f1"] for one in np.union1d(truth, likeliest) if one >= 0
        ),
        "auc_ovr": _macro(
            area_under_roc(truth == one, probabilities[:, one], weight) for one in np.unique(truth) if one >= 0
        ),
        "calibration_error": calibration_error(bins),
    }


def _macro(values: Iterable[float | None]) -> float | None:
    """The plain mean, None where one of the values is not defined."""
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


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
        "mean_error": _mean(predictions - truth, weight),
    }


def ranking_metrics(relevance: Floats, scores: Floats, weight: Floats, groups: Integers) -> Metrics:
    """How well the rows of each group are ordered, as the mean over groups that have a relevant row.

    A group weighs as much as its rows do on average. The gain of a row is ``2 ** relevance - 1``, and one is relevant
    where its label is more than 0.
    """
    if not len(scores) or not np.all(np.isfinite(scores)):
        return dict.fromkeys((*(f"ndcg_{rank}" for rank in _RANKS), "ndcg", "map"))
    _, group = np.unique(groups, return_inverse=True)
    rows = np.bincount(group)
    importance = np.bincount(group, weight) / rows
    gain = np.exp2(np.maximum(relevance, 0)) - 1
    relevant = np.bincount(group, gain) > 0
    order, runs = _runs(group, scores)
    ideal, ideal_runs = _runs(group, gain)
    metrics: Metrics = {}
    for rank in (*_RANKS, None):
        found = _discounted(gain[order], runs, rows, rank)
        best = _discounted(gain[ideal], ideal_runs, rows, rank)
        share = np.divide(found, best, out=np.zeros_like(found), where=relevant)
        metrics["ndcg" if rank is None else f"ndcg_{rank}"] = _mean(share[relevant], importance[relevant])
    precision = _precision_of_groups(relevance[order] > 0, runs, rows)
    return metrics | {"map": _mean(precision[relevant], importance[relevant])}


def _runs(group: Integers, scores: Floats) -> tuple[Integers, Integers]:
    """The rows by group and falling score, and where each run of equal scores starts among them."""
    order = np.lexsort((-scores, group))
    ordered, own = scores[order], group[order]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]) | (own[1:] != own[:-1])])
    return order, starts


def _discounted(gain: Floats, runs: Integers, rows: Integers, rank: int | None) -> Floats:
    """The discounted gain of each group: the rows of a run share the discounts of its places."""
    deepest = int(rows.max())
    discount = 1 / np.log2(np.arange(deepest) + 2)
    if rank is not None:
        discount[rank:] = 0
    up_to = np.r_[0.0, np.cumsum(discount)]
    starts, ends, group = _places(runs, rows)
    each = np.add.reduceat(gain, runs) / (ends - starts) * (up_to[ends] - up_to[starts])
    return np.asarray(np.bincount(group, each, minlength=len(rows)), dtype=np.float64)


def _precision_of_groups(relevant: Bools, runs: Integers, rows: Integers) -> Floats:
    """The average precision of each group, 0 where nothing is relevant; a run is one threshold."""
    _, ends, group = _places(runs, rows)
    found = np.add.reduceat(relevant.astype(np.float64), runs)
    total = np.bincount(group, found, minlength=len(rows))
    before = (np.cumsum(total) - total)[group]
    precision = (np.cumsum(found) - before) / ends
    return np.divide(np.bincount(group, found * precision, minlength=len(rows)), np.maximum(total, 1))


def _places(runs: Integers, rows: Integers) -> tuple[Integers, Integers, Integers]:
    """Of each run: its first place in its group, the place after its last one, and its group."""
    first = np.cumsum(rows) - rows
    group = np.searchsorted(first, runs, side="right") - 1
    ends = np.r_[runs[1:], np.sum(rows)]
    return runs - first[group], ends - first[group], group


def equal_width(scores: Floats) -> Integers:
    """The bin of each probability, of :data:`BINS` that are equally wide; the first holds 0, each its upper edge."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], scores, side="left").astype(np.int64)


def equal_weight(scores: Floats, weight: Floats) -> Integers:
    """The bin of each score, of :data:`BINS` that weigh about the same; equal scores are in one."""
    _, place = np.unique(scores, return_inverse=True)
    own = np.bincount(place, weight)
    middle = (np.cumsum(own) - own / 2) / max(float(np.sum(own)), _SMALLEST)
    return np.asarray(np.clip(middle * BINS, 0, BINS - 1).astype(np.int64)[place])


def reliability(truth: npt.NDArray[Any], scores: Floats, weight: Floats, bins: Integers) -> list[dict[str, Any]]:
    """What was predicted and what came, bin by bin; bins that weigh nothing are left out."""
    rows = np.bincount(bins, minlength=BINS)
    total, predicted, actual = (
        np.bincount(bins, weight * share, minlength=BINS) for share in (np.ones(len(scores)), scores, truth)
    )
    return [
        {
            "from": float(np.min(scores[bins == one])),
            "to": float(np.max(scores[bins == one])),
            "rows": int(rows[one]),
            "weight": float(total[one]),
            "predicted": float(predicted[one] / total[one]),
            "actual": float(actual[one] / total[one]),
        }
        for one in range(BINS)
        if total[one] > 0
    ]


def calibration_error(bins: Sequence[Mapping[str, Any]]) -> float | None:
    """The mean distance between what was predicted and what came: the expected calibration error."""
    distance = sum(one["weight"] * abs(one["predicted"] - one["actual"]) for one in bins)
    return _ratio(distance, sum(one["weight"] for one in bins))


def _mean(values: npt.NDArray[Any], weight: Floats) -> float | None:
    return _ratio(np.sum(values * weight), np.sum(weight))


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole > 0 and np.isfinite(part) else None


def merge(computed: Mapping[str, Metrics], logged: Mapping[str, Mapping[str, float]]) -> dict[str, Metrics]:
    """Metrics by split: ours, and those that the hook gave, which win where both have one."""
    return {split: {**computed.get(split, {}), **logged.get(split, {})} for split in [*computed, *logged]}
