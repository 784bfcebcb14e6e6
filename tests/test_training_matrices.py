"""The forms of a split that XGBoost and CatBoost learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sqlfeat.errors import HookError
from sqlfeat.store.training_set import OutputColumn
from sqlfeat.training_data import TrainingData
from tests.made.training_sets import COLUMNS, flights, keep


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Flights whose label is a text, with a weight, asked for by carrier."""
    columns = (*COLUMNS[:-1], OutputColumn("weight", "DOUBLE", "weight"), OutputColumn("why", "VARCHAR", "label"))
    splits = {name: weighted(flights(rows, first=rows, label="why")) for name, rows in (("train", 60), ("test", 20))}
    return TrainingData(keep(tmp_path_factory.mktemp("sets"), splits, columns))


def weighted(table: pa.Table) -> pa.Table:
    return table.append_column("weight", pa.array(np.arange(table.num_rows) + 1.0))


def ranked(folder: Path) -> TrainingData:
    return TrainingData(keep(folder, {"train": flights(30)}), group="dep_hour")


def test_xgboost_gets_names_kinds_positions_of_labels_and_weights(data):
    matrix = data.train.xgboost()

    assert matrix.feature_names == ["carrier", "delay_7d", "dep_hour"]
    assert matrix.feature_types == ["c", "q", "q"]
    assert matrix.get_label().tolist() == [float(why == "weather") for why in data.train.label]
    np.testing.assert_array_equal(matrix.get_weight(), data.train.weight)
    dense = matrix.get_data().toarray()
    np.testing.assert_allclose(dense, np.nan_to_num(data.train.numpy()), rtol=1e-6)
    assert data.train.xgboost(weight=None).get_weight().tolist() == []


def test_other_splits_take_the_quantiles_of_the_train_split(data):
    import xgboost

    watched = data.test.xgboost(quantile=True)
    learned = data.train.xgboost(quantile=True)

    assert isinstance(watched, xgboost.QuantileDMatrix)
    told: dict[str, dict[str, list[float]]] = {}
    settings = {"objective": "binary:logistic", "nthread": 1}
    xgboost.train(settings, learned, 3, evals=[(watched, "test")], evals_result=told, verbose_eval=False)
    assert told["test"]["logloss"][-1] < told["test"]["logloss"][0]


def test_catboost_gets_texts_and_the_labels_themselves(data):
    pool = data.train.catboost()

    assert pool.get_feature_names() == ["carrier", "delay_7d", "dep_hour"]
    assert pool.get_cat_feature_indices() == [0]
    assert list(pool.get_label()) == data.train.label.tolist()
    np.testing.assert_allclose(pool.get_weight(), data.train.weight)


def test_rows_of_a_group_are_put_together(tmp_path):
    split = ranked(tmp_path).train
    by_hour = np.argsort(split.groups, kind="stable")

    matrix, pool = split.xgboost(), split.catboost()

    bounds = np.concatenate([[0], np.cumsum(np.bincount(split.groups))])
    assert matrix.get_uint_info("group_ptr").tolist() == bounds.tolist()
    assert matrix.get_label().tolist() == split.label[by_hour].astype(float).tolist()
    assert [str(one) for one in pool.get_group_id_hash()] != []
    assert [label == "True" for label in map(str, pool.get_label())] == split.label[by_hour].tolist()


def test_a_weight_that_is_none_is_refused(data):
    with pytest.raises(HookError, match="is no weight"):
        data.train.xgboost(weight="heavy")
