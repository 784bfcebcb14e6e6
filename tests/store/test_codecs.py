"""Models to bytes and back: LightGBM as text, and a clear word for everything else."""

import hashlib

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from sqlfeat.errors import HookError, StoreError
from sqlfeat.store import codecs
from sqlfeat.store.codecs import LightGBM, codec_for, codec_named, decode, lightgbm_names, predict
from sqlfeat.store.signature import Input
from tests.made.versions import INPUTS, booster_text

BINARY = lightgbm.Booster(model_str=booster_text().decode())


class Estimator(lightgbm.LGBMModel):
    """A scikit-learn estimator of LightGBM's as it is after fitting, without scikit-learn."""

    def __init__(self, booster=None, classes=None):
        self._kept, self._classes_found = booster, classes

    @property
    def booster_(self):
        if self._kept is None:
            raise AttributeError("not fitted")
        return self._kept

    @property
    def classes_(self):
        return self._classes_found


def flights(rows=4):
    return pa.table(
        {
            "dep_hour": list(range(rows)),
            "delay_7d": [float(row) if row % 3 else None for row in range(rows)],
            "carrier": [("AA", None, "ZZ", "UA")[row % 4] for row in range(rows)],
        }
    )


def test_a_booster_comes_back_and_predicts_the_same():
    codec = codec_for(BINARY)
    data = codec.encode(BINARY)

    again = decode(codec, data, hashlib.sha256(data).hexdigest())

    np.testing.assert_array_equal(predict(codec, again, INPUTS, flights()), predict(codec, BINARY, INPUTS, flights()))
    assert codec.encode(again) == data


def test_an_estimator_is_kept_by_the_booster_in_it():
    codec = codec_for(Estimator(BINARY, np.array(["no", "yes"])))

    assert codec.encode(Estimator(BINARY)) == codec.encode(BINARY)
    assert codec.classes(Estimator(BINARY, np.array(["no", "yes"]))) == ("no", "yes")
    with pytest.raises(HookError, match="never fitted"):
        codec.encode(Estimator())


def test_no_byte_reaches_the_library_before_its_hash_is_right(monkeypatch):
    monkeypatch.setattr(LightGBM, "decode", lambda self, data: pytest.fail("the library saw them"))

    with pytest.raises(StoreError, match="SHA-256 does not match"):
        decode(LightGBM(), b"tree\n", hashlib.sha256(b"tree").hexdigest())


def test_unknown_and_null_categories_are_what_lightgbm_calls_missing():
    table = pa.table({"carrier": ["ZZ", None], "delay_7d": [5.0, 5.0], "dep_hour": [3, 3]})

    unknown, null = predict(LightGBM(), BINARY, INPUTS, table)

    assert unknown == null
    assert null == BINARY.predict(np.array([[np.nan, 5.0, 3.0]]))[0]


def test_predicting_in_parts_is_predicting_at_once(monkeypatch):
    whole = predict(LightGBM(), BINARY, INPUTS, flights(10))

    monkeypatch.setattr(codecs, "ROWS_AT_ONCE", 3)

    np.testing.assert_array_equal(predict(LightGBM(), BINARY, INPUTS, flights(10)), whole)
    assert predict(LightGBM(), BINARY, INPUTS, flights(0)).shape == (0,)


def test_several_classes_give_a_row_of_probabilities():
    model = lightgbm.Booster(model_str=booster_text("multiclass").decode())

    assert LightGBM().output(model) == ("probabilities", 4)
    assert predict(LightGBM(), model, INPUTS, flights(2)).shape == (2, 4)
    assert predict(LightGBM(), model, INPUTS, flights(0)).shape == (0, 4)


def test_inputs_are_found_by_the_names_in_the_booster():
    shuffled = (INPUTS[2], Input("other", "DOUBLE", "numeric"), INPUTS[1], INPUTS[0])

    assert LightGBM().arrange(BINARY, shuffled) == INPUTS


def test_importances_are_in_the_order_of_the_inputs():
    importances = LightGBM().importances(BINARY)

    assert set(importances) == {"gain", "split"}
    assert np.argmax(importances["gain"]) == 1


def test_names_are_made_fit_for_lightgbm_and_stay_apart():
    names = ["a b", "a_b", "temp [C]", "ü:x", "plain"]

    fit = lightgbm_names(names)

    assert fit == ["a_b", "a_b_2", "temp__C_", "ü_x", "plain"]
    matrix = np.random.default_rng(0).normal(size=(60, 5))
    dataset = lightgbm.Dataset(matrix, matrix[:, 0], feature_name=fit)
    assert lightgbm.train({"verbosity": -1}, dataset, 1).feature_name() == fit


def test_what_is_not_known_is_refused_with_what_is():
    with pytest.raises(HookError, match=r"returned a builtins\.dict, which cannot be kept"):
        codec_for({})
    with pytest.raises(StoreError, match="kept as 'joblib'; this sqlfeat reads lightgbm"):
        codec_named("joblib")


def test_a_missing_library_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)

    with pytest.raises(StoreError, match="The package lightgbm is not installed") as caught:
        LightGBM().decode(b"tree")

    assert caught.value.hint == "pip install 'sqlfeat[lightgbm]'."
