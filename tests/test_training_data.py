"""What a hook gets: splits in every form, categories by the manifest's lists, labels where they are meant."""

import lightgbm
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from sqlfeat import training_data
from sqlfeat.errors import HookError
from sqlfeat.store.training_set import OutputColumn
from sqlfeat.training_data import TrainingData
from tests.made.training_sets import CARRIERS, COLUMNS, flights, keep, late_flights

INPUTS = ["carrier", "delay_7d", "dep_hour"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingData(late_flights(tmp_path_factory.mktemp("sets")))


def unsplit(folder, table, columns=COLUMNS):
    return TrainingData(keep(folder, {"all": table}, columns))


def test_splits_have_their_rows_in_order(data):
    assert [(name, len(split)) for name, split in data.splits.items()] == [
        ("train", 120), ("validation", 40), ("test", 40),
    ]  # fmt: skip
    assert data.validation.arrow()["flight_id"].to_pylist() == list(range(120, 160))
    assert repr(data.test) == "<Split test of late_flights: 40 rows>"


def test_arrow_has_every_column_and_the_inputs_are_the_inputs(data):
    assert data.train.arrow().column_names == [column.name for column in COLUMNS]
    assert data.train.inputs().column_names == INPUTS


def test_a_matrix_holds_positions_of_categories_and_missing_as_nan(data):
    matrix = data.train.numpy()

    np.testing.assert_array_equal(matrix[:5, 0], [0, 1, 2, np.nan, np.nan])
    assert np.isnan(matrix[0, 1])
    assert matrix[1, 2] == 1


def test_pandas_gets_the_inputs_with_the_manifests_categories(data):
    frame = data.validation.pandas()

    assert list(frame.columns) == INPUTS
    assert list(frame["carrier"].cat.categories) == list(CARRIERS)
    assert frame["carrier"].cat.codes[:5].tolist() == [0, 1, 2, -1, -1]
    assert frame["dep_hour"].dtype == np.int64
    assert frame["delay_7d"].isna().sum() == 5
    assert list(data.validation.pandas("all").columns) == [column.name for column in COLUMNS]


def test_polars_gets_the_inputs_with_the_manifests_categories(data):
    frame = data.validation.polars()

    assert frame.columns == INPUTS
    assert frame.schema["carrier"] == pl.Enum(CARRIERS)
    assert frame["carrier"][:5].to_list() == ["AA", "B6", "UA", None, None]
    assert data.validation.polars("all").columns == [column.name for column in COLUMNS]


def test_lightgbm_gets_codes_names_categories_and_labels(data):
    dataset = data.train.lightgbm().construct()

    assert dataset.get_feature_name() == INPUTS
    assert dataset.categorical_feature == [0]
    assert dataset.get_label().tolist() == data.train.label.tolist()
    assert dataset.num_data() == 120


def test_another_split_refers_to_the_latest_train_set(tmp_path):
    data = TrainingData(late_flights(tmp_path))

    before = data.validation.lightgbm()
    train = data.train.lightgbm()
    after = data.validation.lightgbm()

    assert before.reference is not train
    assert after.reference is train


def test_every_form_trains_the_same_model(data):
    params = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True, "num_leaves": 6,
              "min_data_per_group": 5, "cat_smooth": 1}  # fmt: skip
    label = (data.train.pandas()["carrier"] == "B6").to_numpy(dtype=float)

    by_dataset = lightgbm.train(params, data.train.lightgbm().set_label(label), 5)
    by_pandas = lightgbm.train(params, lightgbm.Dataset(data.train.pandas(), label), 5)
    by_matrix = lightgbm.train(params, lightgbm.Dataset(data.train.numpy(), label, categorical_feature=[0]), 5)

    expected = by_dataset.predict(data.test.numpy())
    np.testing.assert_array_equal(by_pandas.predict(data.test.pandas()), expected)
    np.testing.assert_array_equal(by_matrix.predict(data.test.numpy()), expected)
    assert by_dataset.feature_importance()[0] > 0


def test_a_missing_split_is_named_with_those_that_are_there(tmp_path):
    data = TrainingData(keep(tmp_path, {"train": flights(3), "test": flights(3), "unsplit": flights(2)}))

    with pytest.raises(HookError, match="no split 'validation'; it has train, test") as caught:
        _ = data.validation

    assert caught.value.code == "no-such-split"
    assert "unsplit" not in data.splits


def test_without_splits_all_rows_are_there_to_train_on(tmp_path):
    data = unsplit(tmp_path, flights(6))

    assert len(data.train) == 6
    with pytest.raises(HookError, match="no split 'test'; it has all"):
        _ = data.test


def test_rows_without_a_label_reach_no_hook(tmp_path):
    table = flights(4).set_column(6, "is_late", pa.array([True, None, False, None]))
    split = unsplit(tmp_path, table).train

    assert split.label.tolist() == [True, False]
    assert split.arrow()["flight_id"].to_pylist() == [0, 2]
    assert split.numpy().shape == (2, 3)


def test_weights_go_along(tmp_path):
    weight = OutputColumn("importance", "DOUBLE", "weight")
    table = flights(3).append_column("importance", pa.array([1, 2, 3]))
    split = unsplit(tmp_path, table, (*COLUMNS, weight)).train

    assert split.weight.tolist() == [1.0, 2.0, 3.0]
    assert split.lightgbm().get_weight().tolist() == [1.0, 2.0, 3.0]


def test_without_a_weight_there_is_none(data):
    assert data.train.weight is None


def test_labels_of_text_are_classes_of_their_own_names(tmp_path):
    label = OutputColumn("why", "VARCHAR", "label")
    data = unsplit(tmp_path, flights(30, label="why"), (*COLUMNS[:-1], label))

    assert data.classes == ("none", "weather")
    assert set(data.train.label.tolist()) == {"none", "weather"}
    codes = data.train.lightgbm().construct().get_label()
    assert codes.tolist() == [float(label == "weather") for label in data.train.label]


def test_a_fractional_label_has_no_classes(tmp_path):
    label = OutputColumn("minutes", "DOUBLE", "label")
    assert unsplit(tmp_path, flights(5, label="minutes"), (*COLUMNS[:-1], label)).classes is None


def test_a_set_without_a_label_says_so(tmp_path):
    data = unsplit(tmp_path, flights(5).drop_columns("is_late"), COLUMNS[:-1])

    assert data.classes is None
    with pytest.raises(HookError, match="has no label") as caught:
        _ = data.train.label
    assert caught.value.code == "no-label"


def test_booleans_and_decimals_are_numbers_in_every_form(tmp_path):
    extra = (
        OutputColumn("holiday", "BOOLEAN", "input", "numeric"),
        OutputColumn("fare", "DECIMAL(38,0)", "input", "numeric"),
    )
    table = flights(3).append_column("holiday", pa.array([True, None, False]))
    table = table.append_column("fare", pa.array([10, None, 30], pa.decimal128(38, 0)))
    split = unsplit(tmp_path, table, (*COLUMNS, *extra)).train

    np.testing.assert_array_equal(split.numpy()[:, 3:], [[1, 10], [np.nan, np.nan], [0, 30]])
    assert split.pandas()[["holiday", "fare"]].dtypes.tolist() == [np.float64, np.float64]


def test_metrics_are_logged_for_a_split(tmp_path):
    data = TrainingData(late_flights(tmp_path))

    data.log_metric("lift", 2)
    data.log_metric("lift", 1.5, split="test")

    assert data.logged == {"validation": {"lift": 2.0}, "test": {"lift": 1.5}}
    with pytest.raises(HookError, match="no split 'tset'"):
        data.log_metric("lift", 1, split="tset")
    with pytest.raises(HookError, match="no finite number"):
        data.log_metric("lift", float("inf"))


def test_the_seed_is_the_parameters_or_follows_from_the_set(tmp_path):
    training_set = late_flights(tmp_path)

    assert TrainingData(training_set, {"seed": 11}).seed == 11
    assert TrainingData(training_set, {"random_state": 12}).seed == 12
    assert TrainingData(training_set).seed == TrainingData(training_set).seed
    assert 0 <= TrainingData(training_set).seed < 2**31


def test_a_missing_library_says_how_to_get_it(data, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)

    with pytest.raises(HookError, match="The package lightgbm is not installed") as caught:
        data.train.lightgbm()

    assert caught.value.hint == "pip install 'sqlfeat[lightgbm]'."


def test_balanced_weights_are_those_of_scikit_learn(data):
    from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

    labels = data.train.label
    weights = compute_class_weight("balanced", classes=np.array([False, True]), y=labels)

    assert data.train.class_weights == pytest.approx(dict(zip([False, True], weights, strict=True)))
    assert data.train.balanced_weight() == pytest.approx(compute_sample_weight("balanced", labels))
    assert data.train.lightgbm(weight="balanced").get_weight() == pytest.approx(data.train.balanced_weight())


def test_balanced_weights_are_over_the_rows_own(tmp_path):
    weight = OutputColumn("importance", "DOUBLE", "weight")
    table = flights(40).append_column("importance", pa.array([1 + row % 3 for row in range(40)]))
    split = unsplit(tmp_path, table, (*COLUMNS, weight)).train

    balanced = split.balanced_weight()

    assert balanced[split.label].sum() == pytest.approx(balanced[~split.label].sum())
    assert balanced.sum() == pytest.approx(split.weight.sum())
    assert (balanced / split.weight)[split.label].std() == pytest.approx(0)


def test_weights_may_be_ones_own_or_none(tmp_path):
    weight = OutputColumn("importance", "DOUBLE", "weight")
    table = flights(3).append_column("importance", pa.array([1, 2, 3]))
    split = unsplit(tmp_path, table, (*COLUMNS, weight)).train

    assert split.lightgbm(weight=[3, 2, 1]).get_weight().tolist() == [3.0, 2.0, 1.0]
    assert split.lightgbm(weight=None).construct().get_weight() is None
    with pytest.raises(HookError, match="'balancd' is no weight"):
        split.lightgbm(weight="balancd")


def queries(folder):
    label = OutputColumn("relevance", "BIGINT", "label")
    table = flights(6).drop(["is_late"]).append_column("relevance", pa.array([0, 1, 2, 3, 0, 1]))
    table = table.append_column("query", pa.array(["b", "a", "b", "c", "a", "b"]))
    columns = (*COLUMNS[:-1], OutputColumn("query", "VARCHAR", "passthrough"), label)
    return keep(folder, {"train": table}, columns)


def test_groups_are_numbered_as_they_appear_and_lightgbm_gets_their_rows_together(tmp_path):
    split = TrainingData(queries(tmp_path), group="query").train

    dataset = split.lightgbm()

    assert split.groups.tolist() == [0, 1, 0, 2, 1, 0]
    assert dataset.construct().get_group().tolist() == [3, 2, 1]
    assert dataset.get_label().tolist() == [0, 2, 1, 1, 0, 3]


def test_a_group_that_is_no_column_is_refused(tmp_path):
    with pytest.raises(HookError) as caught:
        TrainingData(queries(tmp_path), group="session")

    assert (caught.value.code, caught.value.what) == (
        "no-such-group", "The training set late_flights has no column 'session'.",
    )  # fmt: skip


def test_curves_are_kept_as_they_are_told(data, capsys):
    told = TrainingData(data.training_set)
    told.log_curve("loss", [0.5, float("inf")])
    told.log_curves({"train": {"loss": [1]}, "validation": {"auc": [0.6]}})

    assert told.logged_curves == {"validation": {"loss": [0.5, None], "auc": [0.6]}, "train": {"loss": [1.0]}}
    with pytest.raises(HookError, match="has 100,001 values"):
        told.log_curve("long", range(100_001))


def test_lightgbm_is_heard_round_by_round(data, capsys):
    told = TrainingData(data.training_set)
    params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbosity": -1, "num_threads": 1}
    recorded = {}

    lightgbm.train(
        params,
        told.train.lightgbm(),
        5,
        valid_sets=[told.validation.lightgbm()],
        callbacks=[told.curves(period=2), lightgbm.record_evaluation(recorded)],
    )

    assert told.logged_curves == recorded
    assert len(recorded["valid_0"]["auc"]) == 5
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["round 2", "round 4"]
    assert lines[0] == (
        f"round 2: valid_0 auc {recorded['valid_0']['auc'][1]:.6g}, "
        f"valid_0 binary_logloss {recorded['valid_0']['binary_logloss'][1]:.6g}"
    )


EVERY_TYPE = {
    "flag": pa.array([True, None, False, True, False, True] * 100),
    "tiny": pa.array([-128, 127, None, 0, 5, 9] * 100, pa.int8()),
    "wide": pa.array([-(2**62), 2**62, None, 0, 2**40, 3] * 100, pa.int64()),
    "unsigned": pa.array([0, 2**64 - 1, None, 1, 2**60, 3] * 100, pa.uint64()),
    "single": pa.array([0.1, None, float("nan"), -3.5, 1e30, 0.0] * 100, pa.float32()),
    "double": pa.array([0.1, None, float("nan"), -1e300, 0.0, -0.0] * 100),
    "exact": pa.array([1, None, 3, 4, 5, 6] * 100, pa.int64()).cast(pa.decimal128(38, 2)),
    "nothing": pa.array([None] * 600, pa.float64()),
    "nobody": pa.array([None] * 600, pa.int32()),
    "few": pa.array(["a", None, "unknown", "b", "", "a"] * 100),
    "many": pa.array([f"v{number:03d}" for number in range(600)]),
}


def every_type(folder, **more):
    """A training set whose inputs are of every type, with a fold, and labels that are not all known."""
    noise = np.random.default_rng(1).random(600) < 0.3
    label = pa.array([None if row % 50 == 7 else bool(row % 3 == 0) ^ bool(noise[row]) for row in range(600)])
    lists = {"few": ("", "a", "b"), "many": tuple(f"v{number:03d}" for number in range(0, 600, 2))}
    inputs = [
        OutputColumn(name, "ANY", "input", "categorical" if name in lists else "numeric", lists.get(name))
        for name in EVERY_TYPE
    ]
    columns = (OutputColumn("group", "BIGINT", "key"), *inputs, OutputColumn("good", "BOOLEAN", "label"))
    groups = pa.array([row * 7 % 5 for row in range(600)], pa.int64())
    return TrainingData(
        keep(folder, {"all": pa.table({"group": groups, **EVERY_TYPE, "good": label})}, columns), **more
    )


@pytest.mark.parametrize("group", [None, "group"])
def test_the_model_learned_from_arrow_is_the_one_learned_from_the_matrix(tmp_path, monkeypatch, group):
    params = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_row_wise": True, "num_threads": 1,
              "num_leaves": 15, "min_data_in_leaf": 3, "min_data_per_group": 2, "cat_smooth": 1}  # fmt: skip

    def learned():
        data = every_type(tmp_path, group=group)
        booster = lightgbm.train(params, data.train.lightgbm(params), 8)
        return booster.model_to_string(), data.train.numpy(), data.train.label.tolist()

    by_arrow, matrix, label = learned()
    monkeypatch.setattr(training_data, "takes_arrow", lambda: False)
    by_matrix, again, _ = learned()

    assert by_arrow == by_matrix
    assert by_arrow.count("Tree=") == 8
    np.testing.assert_array_equal(matrix, again)
    assert (len(label), set(label)) == (588, {True, False})


def test_columns_read_one_by_one_are_those_of_the_whole(tmp_path):
    one_by_one, whole = every_type(tmp_path).train, every_type(tmp_path).train

    table = whole.arrow()

    assert len(one_by_one) == len(whole) == table.num_rows == 588
    np.testing.assert_array_equal(one_by_one.numpy(), whole.numpy())
    assert one_by_one.pandas("all").equals(whole.pandas("all"))
    assert one_by_one.label.tolist() == whole.label.tolist() == table["good"].to_pylist()
    assert "_table" not in one_by_one.__dict__
