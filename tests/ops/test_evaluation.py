"""A model judged on every split: what is told of it is what its own predictions say."""

import numpy as np
import pyarrow as pa
import pytest

from sqlfeat.errors import HookError
from sqlfeat.ops.evaluation import Evaluator, Wanted, curves_of, evaluate_fully, sliced_columns
from sqlfeat.ops.metrics import evaluate
from sqlfeat.store.signature import Output, Signature
from sqlfeat.store.training_set import OutputColumn
from sqlfeat.training_data import TrainingData
from tests.made.training_sets import COLUMNS, flights, keep, late_flights

LATE = Output("probability", (False, True))


class Rule:
    """A codec whose model is a function of the input rows."""

    name = "rule"

    def predict(self, model, rows):
        return model(rows)


def late_by_delay(rows):
    delay = np.nan_to_num(rows.numpy()[:, 1])
    return 1 / (1 + np.exp(-delay / 4))


def judged(training_set, model=late_by_delay, output=LATE, **settings):
    data = TrainingData(training_set, **settings)
    return Evaluator(Rule(), model, Signature(data.inputs, output), data), data


@pytest.fixture
def three(tmp_path):
    return late_flights(tmp_path)


def test_every_split_has_its_metrics(three):
    evaluator, data = judged(three)

    split = data.validation
    expected = evaluate(LATE, split.label, late_by_delay(_rows(split)))
    assert evaluator.task == "binary"
    assert list(evaluator.metrics()) == ["train", "validation", "test"]
    assert evaluator.metrics()["validation"] == expected


def _rows(split):
    class Rows:
        def numpy(self):
            return split.numpy()

    return Rows()


def test_calibration_is_told_in_bins_of_equal_width_and_of_equal_weight(three):
    evaluator, _ = judged(three)

    told = evaluator.calibration()["test"]

    assert told["of"] == "probability"
    assert sum(one["rows"] for one in told["bins"]) == sum(one["rows"] for one in told["quantiles"]) == 40
    assert told["error"] == evaluator.metrics()["test"]["calibration_error"]
    assert [one["predicted"] for one in told["quantiles"]] == sorted(one["predicted"] for one in told["quantiles"])


def test_numbers_are_calibrated_by_their_size(tmp_path):
    label = OutputColumn("minutes", "DOUBLE", "label")
    table = flights(60, label="minutes")
    evaluator, _ = judged(
        keep(tmp_path, {"all": table}, (*COLUMNS[:-1], label)),
        lambda rows: np.nan_to_num(rows.numpy()[:, 1]) * 2 + 1,
        Output("value"),
    )

    told = evaluator.calibration()["all"]

    assert (told["of"], set(told)) == ("value", {"of", "error", "quantiles"})
    assert evaluator.metrics()["all"]["r2"] > 0.8


def test_probabilities_of_several_classes_are_calibrated_by_their_confidence(tmp_path):
    label = OutputColumn("why", "VARCHAR", "label")
    evaluator, _ = judged(
        keep(tmp_path, {"all": flights(60, label="why")}, (*COLUMNS[:-1], label)),
        lambda rows: np.c_[1 - late_by_delay(rows), late_by_delay(rows)],
        Output("probabilities", ("none", "weather")),
    )

    assert evaluator.task == "multiclass"
    assert evaluator.calibration()["all"]["of"] == "confidence"


def test_a_slice_is_judged_as_if_its_rows_were_all(three):
    evaluator, data = judged(three)

    told = evaluator.slices(["carrier"])

    assert list(told) == ["validation", "test"]
    values = told["test"]["carrier"]["values"]
    assert [(one["value"], one["rows"]) for one in values] == [("AA", 8), ("B6", 8), ("UA", 8), ("ZZ", 8), (None, 8)]
    mine = np.array(data.test.arrow().column("carrier").to_pylist(), dtype=object) == "UA"
    expected = evaluate(LATE, data.test.label[mine], late_by_delay(_rows(data.test))[mine], task="binary")
    assert values[2]["metrics"] == expected


def test_values_beyond_the_most_frequent_are_together(three, monkeypatch):
    monkeypatch.setattr("sqlfeat.ops.evaluation.SLICED_VALUES", 2)
    evaluator, _ = judged(three)

    told = evaluator.slices(["dep_hour"])["test"]["dep_hour"]

    assert len(told["values"]) == 2
    assert (told["others"]["values"], told["others"]["rows"]) == (22, 36)


def test_small_categories_are_sliced_unless_columns_are_named_or_none_is_wanted(three):
    assert sliced_columns(three, None) == ["carrier"]
    assert sliced_columns(three, ["dep_hour", "carrier", "dep_hour"]) == ["dep_hour", "carrier"]
    assert sliced_columns(three, []) == []


@pytest.mark.parametrize(
    ("column", "what"),
    [("origin", "has no column 'origin' to slice by"), ("delay_7d", "has a column of type DOUBLE, 'delay_7d'")],
)
def test_a_column_that_cannot_be_sliced_is_refused_with_those_that_can(three, column, what):
    with pytest.raises(HookError, match=what) as caught:
        sliced_columns(three, [column])

    assert caught.value.code == "bad-slices"
    assert caught.value.hint == "there are flight_id, carrier, dep_hour, is_late."


def test_what_a_model_does_not_look_at_has_no_permutation_importance(three):
    evaluator, _ = judged(three)

    worse = evaluator.permutation(1000)

    assert worse["delay_7d"] > 0.2
    assert (worse["carrier"], worse["dep_hour"]) == (0.0, 0.0)


def test_permutation_importances_are_the_same_each_time_and_bounded(three):
    asked = []

    def watched(rows):
        asked.append(len(rows))
        return late_by_delay(rows)

    first, _ = judged(three, watched)
    asked.clear()
    worse = first.permutation(25)

    assert asked == [25, 25, 25]
    assert judged(three)[0].permutation(25) == worse
    assert judged(three)[0].permutation(0) == {}


def test_less_is_better_for_errors_and_importance_is_still_how_much_worse_it_gets(tmp_path):
    label = OutputColumn("minutes", "DOUBLE", "label")
    evaluator, _ = judged(
        keep(
            tmp_path,
            {"train": flights(20, label="minutes"), "test": flights(60, label="minutes")},
            (*COLUMNS[:-1], label),
        ),
        lambda rows: np.nan_to_num(rows.numpy()[:, 1]) * 2 + 1,
        Output("value"),
    )

    assert evaluator.permutation(1000)["delay_7d"] > 1


def ranked(tmp_path, model=late_by_delay):
    """Sixty rows of seven queries, each of eight or nine."""
    label = OutputColumn("relevance", "BIGINT", "label")
    table = flights(60, label="minutes").drop(["minutes"])
    table = table.append_column("relevance", pa.array([n % 4 for n in range(60)]))
    table = table.append_column("query", pa.array([f"q{n % 7}" for n in range(60)]))
    columns = (*COLUMNS[:-1], OutputColumn("query", "VARCHAR", "passthrough"), label)
    return judged(keep(tmp_path, {"train": table}, columns), model, Output("score"), group="query")


def test_rows_of_a_group_are_ranked_against_each_other(tmp_path):
    evaluator, _ = ranked(tmp_path)

    assert evaluator.task == "ranking"
    assert set(evaluator.metrics()["train"]) == {"ndcg_5", "ndcg_10", "ndcg", "map"}
    assert evaluator.calibration() == {}


def test_whole_groups_are_shuffled_for_a_ranking(tmp_path):
    asked = []

    def watched(rows):
        asked.append(len(rows))
        return late_by_delay(rows)

    evaluator, _ = ranked(tmp_path, watched)
    asked.clear()

    assert evaluator.permutation(20)["delay_7d"] != 0
    assert set(asked) <= {16, 17, 18}


def test_splits_without_rows_or_labels_are_passed_over(tmp_path):
    evaluator, data = judged(keep(tmp_path, {"train": flights(30), "test": flights(0)}))

    assert evaluator.metrics()["test"] == {}
    reports, permutation = evaluate_fully(evaluator, data, Wanted(permutation=10))
    assert list(reports["calibration"]) == ["train"]
    assert list(reports["slices"]) == ["train"]
    assert set(permutation) == {"carrier", "delay_7d", "dep_hour"}


def test_curves_are_those_of_the_hook_and_those_that_an_estimator_kept(three):
    class Fitted:
        def __init__(self):
            self.evals_result_ = {"validation": {"auc": [0.5, 0.6], "cost": [9, 9]}, "train": {"auc": [0.7]}}

    class Catty:
        def get_evals_result(self):
            return {"learn": {"Logloss": [0.6, float("nan")]}}

    data = TrainingData(three)
    data.log_curve("cost", [3, 2.5])

    told = curves_of(Fitted(), data)

    assert told == {"validation": {"cost": [3.0, 2.5], "auc": [0.5, 0.6]}, "train": {"auc": [0.7]}}
    assert curves_of(Catty(), TrainingData(three)) == {"learn": {"Logloss": [0.6, None]}}
    assert curves_of(object(), TrainingData(three)) == {}
