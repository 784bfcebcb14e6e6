"""Metrics against their definitions, by hand and by brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from sqlfeat.ops.metrics import (
    area_under_roc,
    average_precision,
    calibration_error,
    equal_weight,
    equal_width,
    evaluate,
    merge,
    ranking_metrics,
    reliability,
    task_of,
)
from sqlfeat.store.signature import Output

BINARY = Output("probability", (False, True))
VALUE = Output("value")

rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.5000001, 0.9]), st.integers(0, 3)), min_size=1
)


def arrays(rows):
    truth, scores, weight = zip(*rows, strict=True)
    return np.array(truth), np.array(scores), np.array(weight, dtype=float)


@given(rows)
def test_the_auc_is_the_share_of_pairs_in_the_right_order_a_tie_counting_half(rows):
    truth, scores, weight = arrays(rows)
    pairs = [
        (weight[p] * weight[n], (scores[p] > scores[n]) + (scores[p] == scores[n]) / 2)
        for p, n in itertools.product(np.flatnonzero(truth), np.flatnonzero(~truth))
    ]
    total = sum(weight for weight, _ in pairs)

    expected = sum(weight * right for weight, right in pairs) / total if total else None

    assert area_under_roc(truth, scores, weight) == (pytest.approx(expected) if total else None)


@given(rows)
def test_the_average_precision_is_summed_over_the_thresholds(rows):
    truth, scores, weight = arrays(rows)
    positives = sum(weight[truth])
    expected, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = sum(weight[truth & (scores >= threshold)])
        flagged = sum(weight[scores >= threshold])
        if positives and flagged:
            expected += (found / positives - recall) * found / flagged
            recall = found / positives

    assert average_precision(truth, scores, weight) == (pytest.approx(expected) if positives else None)


def test_two_classes_by_hand():
    labels, scores = np.array([False, True, True, False]), np.array([0.1, 0.8, 0.4, 0.6])

    metrics = evaluate(BINARY, labels, scores)

    assert metrics["auc"] == 0.75
    assert metrics["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["log_loss"] == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.4)) / 4)
    assert metrics["brier"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.36) / 4)
    assert metrics["accuracy"] == 0.5
    assert metrics["positive_rate"] == 0.5


def test_weights_count_as_repeated_rows():
    labels, scores = np.array([False, True, True, False]), np.array([0.1, 0.8, 0.4, 0.4])
    weight = np.array([3, 1, 2, 5])

    weighted = evaluate(BINARY, labels, scores, weight.astype(float))

    assert weighted == pytest.approx(evaluate(BINARY, np.repeat(labels, weight), np.repeat(scores, weight)))


def test_one_class_alone_has_no_auc():
    metrics = evaluate(BINARY, np.array([True, True]), np.array([0.5, 0.9]))

    assert metrics["auc"] is None
    assert metrics["average_precision"] == 1.0


def test_certain_and_wrong_is_bad_but_finite():
    assert evaluate(BINARY, np.array([True, False]), np.array([0.0, 0.0]))["log_loss"] == pytest.approx(18.02, abs=0.01)


def test_scores_that_are_no_probabilities_are_only_ranked():
    metrics = evaluate(VALUE, np.array([0, 1, 1]), np.array([-2.0, 3.0, 9.0]))

    assert metrics == {"auc": 1.0, "average_precision": 1.0, "positive_rate": pytest.approx(2 / 3)}
    assert evaluate(BINARY, np.array([0, 1]), np.array([math.nan, 0.5]))["auc"] is None


def test_the_positive_class_is_the_second_whatever_its_name():
    labels, scores = np.array(["yes", "no", "yes"], dtype=object), np.array([0.9, 0.2, 0.6])

    assert evaluate(Output("probability", ("no", "yes")), labels, scores)["accuracy"] == 1.0
    assert evaluate(Output("probability", (-1, 1)), np.array([1, -1, 1]), scores)["accuracy"] == 1.0


def test_numbers_by_hand():
    metrics = evaluate(VALUE, np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0]))

    assert metrics == {
        "rmse": pytest.approx(math.sqrt(5 / 3)), "mae": pytest.approx(1.0), "r2": pytest.approx(1 - 5 / 14),
        "mean_error": pytest.approx(-1 / 3),
    }  # fmt: skip
    assert evaluate(VALUE, np.array([2.0, 2.0]), np.array([1.0, 2.0]))["r2"] is None


def test_fractions_as_labels_are_judged_as_numbers_though_the_model_gives_probabilities():
    metrics = evaluate(BINARY, np.array([0.25, 1.0]), np.array([0.5, 0.5]))

    assert set(metrics) == {"rmse", "mae", "r2", "mean_error"}


def test_several_classes_by_hand():
    output = Output("probabilities", ("a", "b", "c"))
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])

    metrics = evaluate(output, np.array(["a", "b", "c"], dtype=object), probabilities)

    assert metrics["log_loss"] == pytest.approx(math.log(8) / 3)
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    unknown = evaluate(output, np.array(["z"], dtype=object), probabilities[:1])
    assert unknown["log_loss"] == pytest.approx(36.04, abs=0.01)
    assert unknown["accuracy"] == 0.0
    assert unknown["auc_ovr"] is None


@st.composite
def judged(draw, classes=2):
    """Labels of every class, probabilities with ties, and weights."""
    count = draw(st.integers(classes, 40))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    labels = np.r_[np.arange(classes), random.integers(0, classes, count - classes)]
    scores = random.integers(1, 9, (count, classes)).astype(float)
    return labels, scores / scores.sum(axis=1, keepdims=True), random.integers(1, 5, count).astype(float)


@given(judged())
def test_two_classes_are_judged_as_scikit_learn_does(case):
    labels, probabilities, weight = case
    scores = probabilities[:, 1]
    told = {"sample_weight": weight}

    metrics = evaluate(Output("probability", (0, 1)), labels, scores, weight)

    flagged = scores > 0.5
    expected = {
        "auc": reference.roc_auc_score(labels, scores, **told),
        "average_precision": reference.average_precision_score(labels, scores, **told),
        "log_loss": reference.log_loss(labels, scores, **told),
        "brier": reference.brier_score_loss(labels, scores, **told),
        "accuracy": reference.accuracy_score(labels, flagged, **told),
        "recall": reference.recall_score(labels, flagged, **told),
        "f1": reference.f1_score(labels, flagged, **told),
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    if flagged.any():
        assert metrics["precision"] == pytest.approx(reference.precision_score(labels, flagged, **told))


@given(judged(classes=3))
def test_several_classes_are_judged_as_scikit_learn_does(case):
    labels, probabilities, weight = case
    told = {"sample_weight": weight}

    metrics = evaluate(Output("probabilities", (0, 1, 2)), labels, probabilities, weight)

    likeliest = np.argmax(probabilities, axis=1)
    expected = {
        "log_loss": reference.log_loss(labels, probabilities, **told),
        "accuracy": reference.accuracy_score(labels, likeliest, **told),
        "f1_macro": reference.f1_score(labels, likeliest, average="macro", **told),
        "auc_ovr": reference.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro", **told),
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_numbers_are_judged_as_scikit_learn_does(seed, count):
    random = np.random.default_rng(seed)
    truth, found = random.normal(size=count), random.normal(size=count)
    told = {"sample_weight": random.integers(1, 5, count).astype(float)}

    metrics = evaluate(VALUE, truth, found, told["sample_weight"])

    assert metrics["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, found, **told))
    assert metrics["mae"] == pytest.approx(reference.mean_absolute_error(truth, found, **told))
    assert metrics["r2"] == pytest.approx(reference.r2_score(truth, found, **told))


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_rankings_are_judged_group_by_group_as_scikit_learn_does(seed, count):
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), random.integers(2, 15, count))
    relevance = random.integers(0, 4, len(groups)).astype(float)
    scores = random.integers(0, 6, len(groups)).astype(float)  # many ties
    relevance[np.unique(groups, return_index=True)[1]] = 1.0  # one that is relevant in each
    mixed = random.permutation(len(groups))

    metrics = ranking_metrics(relevance[mixed], scores[mixed], np.ones(len(groups)), groups[mixed])

    own = [(2 ** relevance[groups == group] - 1, scores[groups == group]) for group in range(count)]
    for name, rank in (("ndcg_5", 5), ("ndcg_10", 10), ("ndcg", None)):
        expected = [reference.ndcg_score([gain], [score], k=rank) for gain, score in own]
        assert metrics[name] == pytest.approx(np.mean(expected))
    expected = [reference.average_precision_score(gain > 0, score) for gain, score in own]
    assert metrics["map"] == pytest.approx(np.mean(expected))


def test_a_group_without_a_relevant_row_says_nothing_and_one_with_heavy_rows_says_more():
    groups = np.array([0, 0, 1, 1, 2, 2])
    relevance, scores = np.array([1.0, 0, 0, 1, 0, 0]), np.array([2.0, 1, 2, 1, 1, 2])
    weight = np.array([3.0, 3, 1, 1, 9, 9])

    metrics = ranking_metrics(relevance, scores, weight, groups)

    assert metrics["ndcg"] == pytest.approx((3 * 1 + 1 / math.log2(3)) / 4)
    assert metrics["map"] == pytest.approx((3 * 1 + 0.5) / 4)


def test_nothing_relevant_has_no_rank_metrics():
    metrics = ranking_metrics(np.zeros(3), np.arange(3.0), np.ones(3), np.array([0, 0, 1]))

    assert metrics == {"ndcg_5": None, "ndcg_10": None, "ndcg": None, "map": None}


@given(judged())
def test_the_reliability_curve_is_that_of_scikit_learn(case):
    labels, probabilities, _ = case
    scores = probabilities[:, 1]
    actual, predicted = calibration_curve(labels, scores, n_bins=10)

    bins = reliability(labels, scores, np.ones(len(labels)), equal_width(scores))

    assert [one["actual"] for one in bins] == pytest.approx(actual.tolist())
    assert [one["predicted"] for one in bins] == pytest.approx(predicted.tolist())
    assert sum(one["rows"] for one in bins) == len(labels)


@given(judged())
def test_bins_of_equal_weight_keep_equal_scores_together_and_are_in_order(case):
    _, probabilities, weight = case
    scores = probabilities[:, 1]

    bins = equal_weight(scores, weight)

    by_score = sorted(zip(scores.tolist(), bins.tolist(), strict=True))
    assert [one for _, one in by_score] == sorted(bins.tolist())
    assert len(set(by_score)) == len(set(scores.tolist()))
    assert set(equal_weight(np.arange(100.0), np.ones(100)).tolist()) == set(range(10))


def test_the_calibration_error_by_hand():
    truth, scores = np.array([1.0, 0, 1, 1]), np.array([0.12, 0.14, 0.9, 0.8])
    weight = np.array([1.0, 1, 2, 4])

    bins = reliability(truth, scores, weight, equal_width(scores))

    assert [(one["rows"], one["weight"]) for one in bins] == [(2, 2.0), (1, 4.0), (1, 2.0)]
    assert calibration_error(bins) == pytest.approx((2 * (0.5 - 0.13) + 4 * 0.2 + 2 * 0.1) / 8)
    assert calibration_error([]) is None


def test_what_is_asked_follows_from_labels_and_output():
    numbers, truth, texts = np.array([0.5, 2.0]), np.array([True, False]), np.array(["a", "b"], dtype=object)

    assert task_of(BINARY, truth) == "binary"
    assert task_of(VALUE, truth) == "binary"
    assert task_of(VALUE, numbers) == "regression"
    assert task_of(Output("probabilities", ("a", "b", "c")), texts) == "multiclass"
    assert task_of(VALUE, texts) is None
    assert task_of(Output("score"), numbers, grouped=True) == "ranking"
    assert task_of(Output("score"), truth) == "binary"
    assert task_of(Output("score"), numbers) is None


def test_no_rows_have_no_metrics():
    assert evaluate(BINARY, np.array([], dtype=bool), np.array([])) == {}


def test_what_the_hook_logged_is_merged_and_wins():
    merged = merge({"train": {"auc": 0.9}, "test": {"auc": 0.8}}, {"test": {"auc": 0.7, "lift": 2.0}})

    assert merged == {"train": {"auc": 0.9}, "test": {"auc": 0.7, "lift": 2.0}}
