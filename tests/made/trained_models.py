"""Small trained models of every library that sqlfeat keeps, and rows with all that makes keeping them hard.

The rows have categories (some missing, some unknown), doubles (some missing), whole numbers and booleans. Each model
is made by a function, so that a test can make it twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.store.codecs import SourcePredictor
from sqlfeat.store.codecs.catboost import pool
from sqlfeat.store.codecs.xgboost import feature_types, xgboost_names
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, SCORE, VALUE, Input, InputRows

INPUTS = (
    Input("carrier", "VARCHAR", "categorical", ("AA", "B6", "UA")),
    Input("delay_7d", "DOUBLE", "numeric"),
    Input("dep_hour", "BIGINT", "numeric"),
    Input("weekend", "BOOLEAN", "numeric"),
)
THREE = ("early", "late", "ontime")


@cache
def table(rows: int = 160, unknown: bool = True) -> pa.Table:
    """Rows of these inputs."""
    random = np.random.default_rng([5, rows])
    carriers = ("AA", "B6", "UA", "ZZ" if unknown else "AA", None)
    delay = random.normal(0, 10, rows)
    return pa.table(
        {
            "carrier": pa.array([carriers[place] for place in random.integers(0, 5, rows)], pa.string()),
            "delay_7d": pa.array([None if row % 9 == 0 else value for row, value in enumerate(delay)], pa.float64()),
            "dep_hour": pa.array(random.integers(0, 24, rows), pa.int64()),
            "weekend": pa.array(random.integers(0, 2, rows) == 1, pa.bool_()),
        }
    )


def rows() -> InputRows:
    """The rows that models learn from."""
    return InputRows(table(), INPUTS)


def late() -> Any:
    """The truth: who was late before, and late in the day."""
    known = rows()
    return np.nan_to_num(known["delay_7d"]) + known["dep_hour"] > 12


def three() -> Any:
    return np.array(THREE)[np.clip(np.nan_to_num(rows()["delay_7d"]) // 6 + 1, 0, 2).astype(int)]


def minutes() -> Any:
    return np.nan_to_num(rows()["delay_7d"]) * 2 + rows()["dep_hour"]


def yes_no() -> Any:
    return np.where(late(), "yes", "no")


@dataclass(frozen=True)
class Case:
    """A model, and what must be known of it when it was kept and read again."""

    name: str
    codec: str
    make: Callable[[], Any]
    output: str
    classes: tuple[Any, ...] | None = None
    importances: tuple[str, ...] = ()
    takes: tuple[str, ...] = tuple(one.name for one in INPUTS)


def lightgbm_booster() -> Any:
    import lightgbm

    given = lightgbm.Dataset(rows().numpy(), late(), categorical_feature=[0], feature_name=list(rows()))
    return lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 4}, given, 5)


def lightgbm_estimator(kind: str, labels: Callable[[], Any], **fit: Any) -> Any:
    import lightgbm

    estimator = getattr(lightgbm, kind)(n_estimators=4, num_leaves=4, verbosity=-1, n_jobs=1, random_state=1)
    return estimator.fit(rows().pandas(), labels(), **fit)


def xgboost_matrix() -> Any:
    import xgboost

    names = xgboost_names([one.name for one in INPUTS])
    types = feature_types(INPUTS)
    return xgboost.DMatrix(
        rows().numpy(), late(), feature_names=names, feature_types=types, enable_categorical=True, nthread=1
    )


def xgboost_booster(objective: str = "binary:logistic", **params: Any) -> Any:
    import xgboost

    return xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1, **params}, xgboost_matrix(), 4)


def xgboost_linear() -> Any:
    import xgboost

    given = xgboost.DMatrix(np.nan_to_num(rows().numpy()), late(), nthread=1)
    params = {"booster": "gblinear", "updater": "coord_descent", "objective": "binary:logistic", "nthread": 1}
    return xgboost.train(params, given, 4)


def xgboost_estimator(kind: str, labels: Callable[[], Any], frame: bool = True, stop: bool = False, **fit: Any) -> Any:
    import xgboost

    early = {"early_stopping_rounds": 1} if stop else {}
    estimator = getattr(xgboost, kind)(n_estimators=12, max_depth=2, n_jobs=1, enable_categorical=True, **early)
    given = rows().pandas() if frame else rows().numpy()
    if stop:
        fit["eval_set"] = [(given[:40], labels()[:40][::-1])]
    return estimator.fit(given, labels(), verbose=False, **fit)


def catboost_model(kind: str, labels: Callable[[], Any], **settings: Any) -> Any:
    import catboost

    fixed = {"iterations": 5, "depth": 3, "random_seed": 1, "thread_count": 1, "allow_writing_files": False}
    given = pool(rows(), [0], label=labels())
    if "Ranker" in kind:
        given.set_group_id(np.repeat(np.arange(8), 20))
    return getattr(catboost, kind)(**fixed, verbose=False, **settings).fit(given)


def pipeline() -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    prepared = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["delay_7d", "dep_hour"]),
        (FunctionTransformer(np.sqrt), ["weekend"]),
    )
    return make_pipeline(prepared, LogisticRegression()).fit(rows().pandas(), yes_no())


def histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=5, max_depth=3, random_state=1, categorical_features="from_dtype")
    return model.fit(rows().pandas(), late())


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=4, max_depth=4, random_state=1)
    return model.fit(rows().numpy(), np.array([10, 20, 30])[np.searchsorted(THREE, three())])


def searched() -> Any:
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeRegressor

    search = GridSearchCV(DecisionTreeRegressor(random_state=1), {"max_depth": [2, 3]}, cv=2)
    return search.fit(rows().numpy(), minutes())


def margin() -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(SimpleImputer(), LinearSVC(random_state=1)).fit(rows().numpy(), late())


def outliers() -> Any:
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=3, random_state=1).fit(rows().numpy())


def onnx_forest(labels: Callable[[], Any], **options: Any) -> Any:
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    given = np.nan_to_num(rows().numpy()).astype(np.float32)
    model = RandomForestClassifier(n_estimators=3, max_depth=3, random_state=1).fit(given, labels())
    return to_onnx(model, given[:1], options={id(model): options}, name="forest")


def onnx_columns() -> Any:
    """Texts as they are, whole numbers and doubles, one input each: the score is a weighted sum."""
    from onnx import TensorProto, helper

    kinds = {"delay_7d": TensorProto.DOUBLE, "carrier": TensorProto.STRING, "weekend": TensorProto.BOOL}
    inputs = [helper.make_tensor_value_info(name, kind, ["rows", 1]) for name, kind in kinds.items()]
    strings = [text.encode() for text in ("AA", "B6", "UA")]
    nodes = [
        helper.make_node(
            "LabelEncoder", ["carrier"], ["code"], domain="ai.onnx.ml", keys_strings=strings,
            values_floats=[1.0, 2.0, 3.0], default_float=-5.0,
        ),
        helper.make_node("Cast", ["delay_7d"], ["delay"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["weekend"], ["free"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["code", "delay", "free"], ["minutes"]),
    ]  # fmt: skip
    output = helper.make_tensor_value_info("minutes", TensorProto.FLOAT, ["rows", 1])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(helper.make_graph(nodes, "sum", inputs, [output]), opset_imports=opsets, ir_version=8)


SOURCE = '''
"""Late is who was late before."""
import numpy as np


def predict(inputs, data):
    delay = np.nan_to_num(inputs["delay_7d"])
    known = np.array([data["rates"].get(name, 0.5) for name in inputs["carrier"]])
    return 1 / (1 + np.exp(-(data["weights"] @ np.stack([delay, known]) + data["bias"])))
'''


def source() -> SourcePredictor:
    data = {"weights": np.array([0.3, 1.5]), "rates": {"AA": 0.1, "UA": 0.9}, "bias": -0.25}
    return SourcePredictor(SOURCE, data, output=PROBABILITY, classes=[False, True], inputs=["carrier", "delay_7d"])


def source_of_classes() -> SourcePredictor:
    text = "import numpy as np\ndef predict(inputs):\n    return np.tile([0.2, 0.3, 0.5], (len(inputs), 1))\n"
    return SourcePredictor(text, output=PROBABILITIES, classes=THREE)


GAIN = ("gain", "split")
CHANGE = ("prediction_values_change",)
CASES = (
    Case("booster", "lightgbm", lightgbm_booster, PROBABILITY, None, GAIN),
    Case("classifier", "lightgbm", lambda: lightgbm_estimator("LGBMClassifier", three), PROBABILITIES, THREE, GAIN),
    Case(
        "ranker", "lightgbm", lambda: lightgbm_estimator("LGBMRanker", lambda: late().astype(int), group=[100, 60]),
        SCORE, None, GAIN,
    ),
    Case("booster", "xgboost", xgboost_booster, PROBABILITY, None, GAIN),
    Case("linear", "xgboost", xgboost_linear, PROBABILITY, None, ("coefficient",)),
    Case(
        "stopped", "xgboost", lambda: xgboost_estimator("XGBClassifier", lambda: late().astype(int), stop=True),
        PROBABILITY, None, GAIN,
    ),
    Case(
        "classes", "xgboost", lambda: xgboost_estimator("XGBClassifier", lambda: np.searchsorted(THREE, three())),
        PROBABILITIES, None, GAIN,
    ),
    Case(
        "numbers", "xgboost", lambda: xgboost_estimator("XGBRegressor", minutes, frame=False), VALUE, None, GAIN,
    ),
    Case(
        "ranker", "xgboost",
        lambda: xgboost_estimator("XGBRanker", lambda: late().astype(int), qid=np.repeat(np.arange(8), 20)),
        SCORE, None, GAIN,
    ),
    Case("texts", "catboost", lambda: catboost_model("CatBoostClassifier", yes_no), PROBABILITY, ("no", "yes"), CHANGE),
    Case("truth", "catboost", lambda: catboost_model("CatBoostClassifier", late), PROBABILITY, (False, True), CHANGE),
    Case("classes", "catboost", lambda: catboost_model("CatBoostClassifier", three), PROBABILITIES, THREE, CHANGE),
    Case(
        "numbers", "catboost", lambda: catboost_model("CatBoostRegressor", lambda: abs(minutes()),
        loss_function="Poisson"), VALUE, None, CHANGE,
    ),
    Case("ranker", "catboost", lambda: catboost_model("CatBoostRanker", lambda: late().astype(int),
         loss_function="QueryRMSE"), SCORE, None, CHANGE),
    Case("pipeline", "sklearn", pipeline, PROBABILITY, ("no", "yes")),
    Case("histogram", "sklearn", histogram, PROBABILITY, (False, True)),
    Case("forest", "sklearn", forest, PROBABILITIES, (10, 20, 30), ("impurity",)),
    Case("searched", "sklearn", searched, VALUE, None, ("impurity",)),
    Case("margin", "sklearn", margin, SCORE, (False, True)),
    Case("outliers", "sklearn", outliers, SCORE),
    Case("maps", "onnx", lambda: onnx_forest(three), PROBABILITIES, THREE),
    Case("tensor", "onnx", lambda: onnx_forest(yes_no, zipmap=False), PROBABILITY, ("no", "yes")),
    Case("columns", "onnx", onnx_columns, VALUE, takes=("delay_7d", "carrier", "weekend")),
    Case("probability", "source", source, PROBABILITY, (False, True), takes=("carrier", "delay_7d")),
    Case("classes", "source", source_of_classes, PROBABILITIES, THREE),
)  # fmt: skip
