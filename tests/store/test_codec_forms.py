"""What is particular to each form in which models are kept: what it refuses, and what it makes of odd ones."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer

from sqlfeat.errors import HookError, RunError, StoreError
from sqlfeat.store.codecs import (
    LightGBM,
    SourcePredictor,
    codec_for,
    codec_named,
    decode,
    predict,
    refuse_other_predictions,
)
from sqlfeat.store.codecs.archive import pack, unpack
from sqlfeat.store.codecs.source import Source
from sqlfeat.store.codecs.xgboost import training_matrix
from sqlfeat.store.signature import Input, InputRows
from tests.made.trained_models import (
    INPUTS,
    late,
    minutes,
    onnx_columns,
    rows,
    source,
    table,
    xgboost_booster,
    yes_no,
)
from tests.made.versions import booster_text

SKLEARN, ONNX, XGBOOST, CATBOOST = (codec_named(name) for name in ("sklearn", "onnx", "xgboost", "catboost"))


class Mine(ClassifierMixin, BaseEstimator):
    """An estimator of a user's."""

    def fit(self, given, labels):
        self.classes_ = np.unique(labels)
        return self

    def predict(self, given):
        return np.zeros(len(given))


def double(values):
    return values * 2


def regression(*steps):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    given = np.nan_to_num(rows().numpy())
    return make_pipeline(*steps, LinearRegression()).fit(given, minutes())


def schema_of(data):
    return json.loads(unpack(data, "it")["schema.json"])


def with_schema(data, schema):
    """The same archive with another schema."""
    return pack({**unpack(data, "it"), "schema.json": json.dumps(schema).encode()})


class TestSklearn:
    def test_code_of_a_user_is_refused_by_name(self):
        model = Mine().fit(rows().numpy(), late())

        with pytest.raises(HookError, match=r"The Mine that the hook returned holds .*\.Mine, which") as caught:
            codec_for(model).encode(model)

        assert caught.value.hint.endswith("sqlfeat.SourcePredictor keeps what needs code of your own.")

    @pytest.mark.parametrize("function", [double, lambda values: values, functools.partial(double), os.path.basename])
    def test_functions_but_those_of_numpy_are_refused(self, function):
        with pytest.raises(HookError):
            SKLEARN.encode(regression(FunctionTransformer(double)).set_params(functiontransformer__func=function))

    def test_an_estimator_that_was_never_fitted_is_told(self):
        from sklearn.linear_model import LinearRegression

        with pytest.raises(HookError, match="LinearRegression that the hook returned was never fitted"):
            SKLEARN.encode(LinearRegression())

    @pytest.mark.parametrize(
        "node",
        [
            {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"},
            {"__class__": "system", "__module__": "posix", "__loader__": "TypeNode"},
            {"__class__": "Mine", "__module__": __name__, "__loader__": "ObjectNode"},
            {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ConstructorFromReduceNode"},
            {"__class__": "LinearRegression", "__module__": "sklearn.linear_model._base", "__loader__": "MethodNode"},
            {"__class__": "LinearRegression", "__module__": "sklearn.linear_model.evil", "__loader__": "ObjectNode"},
            {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode"},
            {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "/x"},
            {"__class__": ["os"], "__module__": "builtins", "__loader__": "JsonNode"},
            {"__loader__": "JsonNode"},
        ],
    )
    def test_what_stands_outside_the_list_is_never_made_wherever_it_hides(self, node, monkeypatch):
        data = SKLEARN.encode(regression())
        monkeypatch.setattr("skops.io.loads", lambda *_, **__: pytest.fail("skops saw it"))
        hidden = schema_of(data)
        hidden["content"]["content"]["more"] = [{"deep": [node]}]

        with pytest.raises(StoreError) as caught:
            SKLEARN.decode(with_schema(data, hidden))

        assert caught.value.code == "foreign-type"

    def test_a_generator_of_another_name_is_none(self):
        from sklearn.ensemble import HistGradientBoostingRegressor

        model = HistGradientBoostingRegressor(max_iter=2, random_state=1).fit(rows().numpy(), minutes())
        data = SKLEARN.encode(model)
        text = json.dumps(schema_of(data)).replace('\\"PCG64\\"', '\\"seed\\"')

        with pytest.raises(StoreError, match=r"numpy\.random\._generator\.Generator"):
            SKLEARN.decode(with_schema(data, json.loads(text)))

    def test_a_tree_that_leads_out_of_itself_is_refused_before_it_is_asked(self):
        from sklearn.tree import DecisionTreeRegressor

        data = SKLEARN.encode(DecisionTreeRegressor(max_depth=3).fit(rows().numpy(), minutes()))
        files = unpack(data, "it")
        name, content = next((name, content) for name, content in files.items() if b"left_child" in content)
        array = np.load(io.BytesIO(content))
        array["left_child"][0] = 1_000_000
        stream = io.BytesIO()
        np.save(stream, array)

        with pytest.raises(StoreError, match=r"leads nowhere"):
            SKLEARN.decode(pack({**files, name: stream.getvalue()}))

    def test_another_minor_version_is_refused_with_the_one_to_install(self):
        files = unpack(SKLEARN.encode(regression()), "it")
        versions = json.dumps({"scikit-learn": "1.2.3", "skops": "0.9"}).encode()

        with pytest.raises(StoreError, match=r"kept by scikit-learn 1\.2\.3; installed is") as caught:
            SKLEARN.decode(pack({**files, "versions.json": versions}))

        assert caught.value.hint == "pip install 'scikit-learn==1.2.*', or train it again."

    def test_several_classes_without_probabilities_are_refused_with_a_way_out(self):
        from sklearn.svm import LinearSVC

        labels = np.searchsorted([10, 15], minutes())
        model = LinearSVC().fit(np.nan_to_num(rows().numpy()), labels)

        with pytest.raises(HookError, match="gives no probabilities") as caught:
            SKLEARN.output(model)

        assert "CalibratedClassifierCV" in caught.value.hint

    def test_what_only_transforms_is_refused(self):
        from sklearn.preprocessing import StandardScaler

        with pytest.raises(HookError, match="StandardScaler that the hook returned does not predict"):
            SKLEARN.output(StandardScaler().fit(np.ones((3, 4))))

    def test_what_it_cannot_predict_is_told_in_a_sentence(self):
        model = regression()
        again = SKLEARN.decode(SKLEARN.encode(model))

        with pytest.raises(RunError, match="The sklearn model cannot predict: ValueError: Input X contains NaN"):
            predict(SKLEARN, again, INPUTS, table())

    @pytest.mark.parametrize("name", ["KNeighbors", "MLP", "SVC", "Stacking", "Gaussian", "Calibrated", "Boosting"])
    def test_estimators_of_every_family_keep_their_bits(self, name):
        model = families()[name].fit(np.nan_to_num(rows().numpy()), yes_no())
        plain = pa.table({one.name: np.nan_to_num(rows().numpy()[:, place]) for place, one in enumerate(INPUTS)})
        inputs = tuple(Input(one.name, "DOUBLE", "numeric") for one in INPUTS)
        again = SKLEARN.decode(SKLEARN.encode(model))

        refuse_other_predictions(SKLEARN, model, again, inputs, plain)

        assert SKLEARN.classes(model) == ("no", "yes")


def families():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import GradientBoostingClassifier, StackingClassifier
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, LinearSVC

    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    return {
        "KNeighbors": KNeighborsClassifier(3),
        "MLP": make_pipeline(StandardScaler(), MLPClassifier((4,), solver="lbfgs", max_iter=300, random_state=1)),
        "SVC": CalibratedClassifierCV(SVC(), cv=2),
        "Stacking": StackingClassifier([("a", GaussianNB()), ("b", scaled)], cv=2),
        "Gaussian": GaussianProcessClassifier(),
        "Calibrated": CalibratedClassifierCV(LinearSVC(random_state=1), cv=2, method="isotonic"),
        "Boosting": GradientBoostingClassifier(n_estimators=3, random_state=1),
    }


class TestOnnx:
    def test_a_file_is_kept_as_its_own_bytes(self, tmp_path):
        path = tmp_path / "sum.onnx"
        path.write_bytes(onnx_columns().SerializeToString())

        assert codec_for(path).encode(path) == path.read_bytes()
        with pytest.raises(HookError, match="cannot be kept"):
            ONNX.encode(Path("nowhere.onnx"))
        with pytest.raises(HookError, match="which cannot be kept"):
            codec_for(tmp_path / "model.pkl")

    def test_weights_in_another_file_are_refused(self):
        model = linear()
        (weights,) = model.graph.initializer
        weights.data_location = weights.EXTERNAL
        weights.external_data.add(key="location", value="../../etc/passwd")

        with pytest.raises(HookError, match=r"weights weights lie in a file of their own") as caught:
            ONNX.encode(model)

        assert "save_as_external_data=False" in caught.value.hint

    def test_operators_of_strangers_are_refused(self):
        model = linear()
        model.graph.node[0].domain = "com.stranger"

        with pytest.raises(HookError, match=r"uses operators of com\.stranger"):
            ONNX.encode(model)

    @pytest.mark.parametrize("bytes_", [b"", b"not onnx at all", b"\x08\x08"])
    def test_what_is_no_model_is_told(self, bytes_):
        with pytest.raises(StoreError) as caught:
            ONNX.decode(bytes_)

        assert caught.value.code == "unreadable-model"

    def test_a_batch_of_a_fixed_size_is_refused(self):
        with pytest.raises(HookError, match="takes 1 rows at a time"):
            ONNX.encode(linear(batch=1))

    def test_raw_scores_of_classes_are_no_probabilities(self):
        model = linear(columns=3)
        again = ONNX.decode(ONNX.encode(model))

        with pytest.raises(HookError, match="What the model gives are no probabilities") as caught:
            refuse_other_predictions(ONNX, model, again, INPUTS, table())

        assert caught.value.hint.startswith("end it in a softmax")

    def test_a_number_that_may_be_missing_does_not_go_into_a_whole_one(self):
        from onnx import TensorProto

        again = ONNX.decode(ONNX.encode(linear(kind=TensorProto.INT64)))

        with pytest.raises(RunError, match="cannot be missing, and it is missing in some rows"):
            predict(ONNX, again, INPUTS, table())

    def test_a_matrix_of_another_width_is_refused(self):
        again = ONNX.decode(ONNX.encode(linear()))

        with pytest.raises(HookError, match="The model takes 4 inputs of 3"):
            ONNX.arrange(again, INPUTS[:3])


def linear(columns=1, batch="rows", kind=None):
    """A weighted sum of all four inputs, as so many columns."""
    from onnx import TensorProto, helper

    kind = kind or TensorProto.FLOAT
    weights = helper.make_tensor("weights", kind, [4, columns], [number + 1 for number in range(4 * columns)])
    node = helper.make_node("MatMul", ["inputs", "weights"], ["sum"])
    given = helper.make_tensor_value_info("inputs", kind, [batch, 4])
    output = helper.make_tensor_value_info("sum", kind, [batch, columns])
    graph = helper.make_graph([node], "linear", [given], [output], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class TestSource:
    def test_reading_runs_nothing(self, tmp_path):
        mark = tmp_path / "ran"
        text = f"open({str(mark)!r}, 'w').close()\ndef predict(inputs):\n    return [0.0] * len(inputs)\n"
        data = Source().encode(SourcePredictor(text))

        again = Source().decode(data)
        assert not mark.exists()

        predict(Source(), again, INPUTS, table())
        assert mark.exists()

    def test_inputs_come_in_every_form(self):
        text = """
def predict(inputs):
    import numpy as np
    assert list(inputs) == ["carrier", "delay_7d", "dep_hour", "weekend"]
    frame, lazy = inputs.pandas(), inputs.polars()
    assert list(frame["carrier"].cat.categories) == ["AA", "B6", "UA"] == lazy["carrier"].dtype.categories.to_list()
    codes = frame["carrier"].cat.codes.to_numpy().astype(float)
    assert np.array_equal(np.where(codes < 0, np.nan, codes), inputs.numpy()[:, 0], equal_nan=True)
    assert inputs.arrow()["carrier"].to_pylist() == list(inputs["carrier"]) == lazy["carrier"].to_list()
    return inputs["dep_hour"]
"""
        found = predict(Source(), SourcePredictor(text), INPUTS, table())

        assert found.tolist() == table()["dep_hour"].to_pylist()

    def test_data_of_every_form_comes_back(self, tmp_path):
        (tmp_path / "names.txt").write_bytes(b"AA\nUA\n")
        data = {
            "array": np.arange(6).reshape(2, 3),
            "texts": np.array(["a", "bc"]),
            "nested": {"a": [1, 2.5, None, True]},
            "bytes": b"\x00\xff",
            "file": tmp_path / "names.txt",
        }
        again = Source().decode(Source().encode(SourcePredictor("def predict(inputs): pass", data)))

        assert again.data["array"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert again.data["texts"].tolist() == ["a", "bc"]
        assert (again.data["nested"], again.data["bytes"], again.data["file"]) == (
            {"a": [1, 2.5, None, True]}, b"\x00\xff", b"AA\nUA\n",
        )  # fmt: skip

    def test_a_path_is_the_file_with_the_source(self, tmp_path):
        (tmp_path / "mine.py").write_text("def predict(inputs):\n    return inputs['dep_hour']\n")

        assert SourcePredictor(tmp_path / "mine.py").source.startswith("def predict")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"source": "def predict(:"}, r"is no Python: .* \(line 1\)"),
            ({"output": "number"}, "gives value, score, probability, probabilities, not 'number'"),
            ({"output": "probabilities"}, "must name its classes"),
            ({"output": "probability", "classes": ["a", "b", "c"]}, "one of two classes, not of 3"),
        ],
    )
    def test_what_is_no_predictor_is_refused_where_it_is_made(self, arguments, told):
        with pytest.raises(HookError, match=told):
            SourcePredictor(**{"source": "def predict(inputs): pass", **arguments})

    @pytest.mark.parametrize("value", [object(), np.array([object()]), {1, 2}, double, float("nan")])
    def test_data_that_only_pickle_could_keep_is_refused_by_name(self, value):
        with pytest.raises(HookError, match="The predictor's data 'odd'"):
            Source().encode(SourcePredictor("def predict(inputs): pass", {"odd": value}))

    def test_what_it_raises_is_shown_at_its_line(self):
        text = "def predict(inputs):\n    delay = inputs['delay_7d']\n    return delay / None\n"

        with pytest.raises(RunError, match="The predictor raised TypeError: unsupported operand") as caught:
            predict(Source(), SourcePredictor(text), INPUTS, table())

        assert str(caught.value.where) == "predictor.py:3:5"
        assert caught.value.where.text == "    return delay / None"

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ("return [1.0]", r"of the shape \(1,\) for 160 rows"),
            ("return inputs.numpy()", r"of the shape \(160, 4\) for 160 rows"),
            ("return ['a'] * len(inputs)", "could not convert"),
        ],
    )
    def test_another_shape_is_refused(self, body, told):
        with pytest.raises(RunError, match=told):
            predict(Source(), SourcePredictor(f"def predict(inputs):\n    {body}\n"), INPUTS, table())

    def test_a_source_without_the_function_is_told(self):
        with pytest.raises(HookError, match="defines no function 'predict'"):
            predict(Source(), SourcePredictor("x = 1"), INPUTS, table())

    def test_inputs_that_are_none_are_named(self):
        with pytest.raises(HookError, match="takes wind, which is none of the training set's inputs") as caught:
            Source().arrange(SourcePredictor("def predict(inputs): pass", inputs=["wind"]), INPUTS)

        assert caught.value.hint == "these are carrier, delay_7d, dep_hour, weekend."

    def test_a_predictor_that_changes_its_mind_is_not_kept(self):
        text = "import random\ndef predict(inputs):\n    return [random.random() for _ in range(len(inputs))]\n"
        model = SourcePredictor(text)
        again = Source().decode(Source().encode(model))

        with pytest.raises(HookError, match="predicts otherwise once it is kept as source"):
            refuse_other_predictions(Source(), model, again, INPUTS, table())

    def test_the_name_of_the_order_does_not_change_the_bytes(self):
        model = source()
        turned = SourcePredictor(
            model.source, dict(reversed(model.data.items())), model.output, model.classes, model.inputs
        )

        assert Source().encode(turned) == Source().encode(model)


def test_xgboost_that_gives_the_number_of_a_class_is_refused_with_what_to_ask_for():
    with pytest.raises(HookError, match="multi:softmax gives the number of a class") as caught:
        XGBOOST.output(xgboost_booster("multi:softmax", num_class=2))

    assert caught.value.hint == "train with multi:softprob."


def test_xgboost_names_are_made_fit_and_found_again():
    import xgboost

    odd = (Input("temp [C]", "DOUBLE", "numeric"), Input("a<b", "DOUBLE", "numeric"))
    given = InputRows(pa.table({"temp [C]": [1.0, 2.0], "a<b": [0.0, 1.0]}), odd)
    booster = xgboost.train({"nthread": 1}, training_matrix(given, [0, 1], None, None, quantile=False), 1)

    assert booster.feature_names == ["temp _C_", "a_b"]
    assert XGBOOST.arrange(booster, odd[::-1]) == odd


def test_a_number_as_a_category_of_catboosts_own_is_refused():
    import catboost
    import pandas

    frame = pandas.DataFrame({"delay_7d": ["1", "2", "3", "4"]})
    model = catboost.CatBoostRegressor(iterations=1, allow_writing_files=False, verbose=False, cat_features=[0])
    model.fit(frame, [1, 2, 3, 4])

    with pytest.raises(HookError, match=r"takes the input 'delay_7d' \(DOUBLE\) as a category") as caught:
        CATBOOST.arrange(model, INPUTS)

    assert caught.value.hint == "cast it in the training set's SELECT: delay_7d::varchar."


@pytest.mark.parametrize("codec", [XGBOOST, CATBOOST], ids=lambda codec: codec.name)
def test_a_model_that_was_never_fitted_is_told(codec):
    import catboost
    import xgboost

    model = {"xgboost": xgboost.XGBRegressor, "catboost": catboost.CatBoostRegressor}[codec.name]()

    with pytest.raises(HookError, match="was never fitted"):
        codec.encode(model)


def test_a_library_of_another_version_reads_in_a_child_first_and_takes_nobody_with_it(monkeypatch):
    broken = booster_text().replace(b"tree_sizes=", b"tree_sizes=99999999999 ")  # of this LightGBM dies
    sha256 = hashlib.sha256(broken).hexdigest()
    monkeypatch.setattr(LightGBM, "decode", lambda self, data: pytest.fail("this process saw them"))

    with pytest.raises(StoreError, match=r"this model, which 3\.3\.5 wrote: it was killed by SIG") as caught:
        decode(LightGBM(), broken, sha256, "3.3.5")

    assert caught.value.hint == "pip install lightgbm==3.3.5."
