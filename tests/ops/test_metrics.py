"""Metrics against their definitions, by hand and by brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.ops.metrics import area_under_roc, average_precision, evaluate, merge
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
    }  # fmt: skip
    assert evaluate(VALUE, np.array([2.0, 2.0]), np.array([1.0, 2.0]))["r2"] is None


def test_fractions_as_labels_are_judged_as_numbers_though_the_model_gives_probabilities():
    assert set(evaluate(BINARY, np.array([0.25, 1.0]), np.array([0.5, 0.5]))) == {"rmse", "mae", "r2"}


def test_several_classes_by_hand():
    output = Output("probabilities", ("a", "b", "c"))
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])

    metrics = evaluate(output, np.array(["a", "b", "c"], dtype=object), probabilities)

    assert metrics == {"log_loss": pytest.approx(math.log(8) / 3), "accuracy": pytest.approx(2 / 3)}
    unknown = evaluate(output, np.array(["z"], dtype=object), probabilities[:1])
    assert unknown == {"log_loss": pytest.approx(36.04, abs=0.01), "accuracy": 0.0}


def test_no_rows_have_no_metrics():
    assert evaluate(BINARY, np.array([], dtype=bool), np.array([])) == {}


def test_what_the_hook_logged_is_merged_and_wins():
    merged = merge({"train": {"auc": 0.9}, "test": {"auc": 0.8}}, {"test": {"auc": 0.7, "lift": 2.0}})

    assert merged == {"train": {"auc": 0.9}, "test": {"auc": 0.7, "lift": 2.0}}
