"""The whole way for a model of every library: a hook in a project, a version, predictions of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.errors import HookError
from tests.made.projects import Opened, day, shop

pytestmark = pytest.mark.usefixtures("started_anew")

RANDOM = np.random.default_rng(4)
ORDERS = pa.table(
    {
        "order_id": pa.array(range(1, 121), pa.int64()),
        "customer": pa.array([("ann", "bob", "cy")[row % 3] for row in range(120)]),
        "product": pa.array([("tea", "jam", None, "oat")[place] for place in RANDOM.integers(0, 4, 120)]),
        "amount": pa.array(RANDOM.integers(1, 50, 120), pa.int64()),
        "rush": pa.array(RANDOM.integers(0, 2, 120) == 1),
        "ordered_at": pa.array([day(1 + row // 6, row % 6) for row in range(120)], pa.timestamp("us", "UTC")),
    }
)
MODELS = {
    "data/orders.parquet": ORDERS,
    "models/spent.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at') }}
        select customer, ordered_at, {{ window('sum(amount)', '2 days') }} as spent_2d
        from {{ source('raw', 'orders') }}
    """,
    "models/asked.sql": """
        {{ config(event_time='asked_at', role='label') }}
        select order_id, ordered_at as asked_at, customer, product, rush,
               case when amount > 25 then 'large' else 'small' end as size, amount
        from {{ source('raw', 'orders') }}
    """,
    "models/orders_asked.sql": """
        {{ config(materialized='training_set', label='size', keys=['order_id'],
                  split={'train': '2024-01-01', 'test': '2024-01-15'}) }}
        select o.order_id, o.asked_at, o.product, o.rush, hour(o.asked_at) as hour, {{ feature('spent.spent_2d') }},
               o.size
        from {{ ref('asked') }} as o
    """,
}
HOOKS: Mapping[str, str] = {
    "boosted": """
        import xgboost as xgb
        from sqlfeat import TrainingData, trainer

        @trainer(training_set="orders_asked", params={"max_depth": 3, "seed": 7}, permutation=False)
        def boosted(data: TrainingData, params: dict):
            settings = {"objective": "binary:logistic", "nthread": 1, **params}
            watched = [(data.test.xgboost(quantile=True), "test")]
            return xgb.train(settings, data.train.xgboost(quantile=True), 5, evals=watched, verbose_eval=False)
    """,
    "catted": """
        import catboost
        from sqlfeat import TrainingData, trainer

        @trainer(training_set="orders_asked", permutation=False)
        def catted(data: TrainingData):
            model = catboost.CatBoostClassifier(
                iterations=5, depth=3, random_seed=data.seed, thread_count=1, allow_writing_files=False, verbose=False
            )
            return model.fit(data.train.catboost(), eval_set=data.test.catboost())
    """,
    "piped": """
        from sklearn.compose import make_column_transformer
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder
        from sqlfeat import TrainingData, trainer

        @trainer(training_set="orders_asked", permutation=False)
        def piped(data: TrainingData):
            prepared = make_column_transformer(
                (OneHotEncoder(handle_unknown="ignore"), ["product"]), remainder="passthrough"
            )
            model = make_pipeline(prepared, RandomForestClassifier(n_estimators=5, max_depth=3, random_state=data.seed))
            return model.fit(data.train.pandas(), data.train.label)
    """,
    "netted": """
        import numpy as np
        from skl2onnx import to_onnx
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sqlfeat import TrainingData, trainer

        @trainer(training_set="orders_asked", permutation=False)
        def netted(data: TrainingData):
            matrix = data.train.numpy().astype(np.float32)
            model = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=5000)).fit(matrix, data.train.label)
            return to_onnx(model, matrix[:1])
    """,
    "written": """
        from pathlib import Path
        from sqlfeat import SourcePredictor, TrainingData, trainer

        @trainer(training_set="orders_asked", permutation=False)
        def written(data: TrainingData):
            known, large = data.train.arrow()["product"].to_pylist(), data.train.label == "large"
            rates = {name: float(large[[one == name for one in known]].mean()) for name in set(known) if name}
            source = Path(__file__).with_name("rates_by_product.txt")
            return SourcePredictor(
                source, {"rates": rates, "mean": float(large.mean())}, output="probability", classes=["small", "large"]
            )
    """,
}
PREDICTOR = """
def predict(inputs, data):
    return [data["rates"].get(name, data["mean"]) for name in inputs["product"]]
"""
KEPT = {
    "boosted": ("xgboost", "model.ubj"),
    "catted": ("catboost", "model.cbm"),
    "piped": ("sklearn", "model.skops"),
    "netted": ("onnx", "model.onnx"),
    "written": ("source", "predictor.zip"),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A project with one training set and a hook for each library."""
    hooks = {f"hooks/{name}.py": text for name, text in HOOKS.items()}
    files = {**MODELS, **hooks, "hooks/rates_by_product.txt": PREDICTOR}
    project = Opened(shop(tmp_path_factory.mktemp("libraries"), files))
    project.build()
    return project


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_becomes_a_version_that_predicts(opened, hook):
    with opened.project() as project:
        version = project.train(hook)
        prediction = project.predict(hook)
    written = pq.read_table(prediction.path)
    scores = written["prediction"].to_numpy()

    assert (version.codec, version.file) == KEPT[hook]
    assert version.signature.output.as_dict() == {"kind": "probability", "classes": classes_of(hook)}
    assert 0.3 < version.metrics["train"]["auc"] <= 1
    assert written.num_rows == ORDERS.num_rows
    assert np.all((scores >= 0) & (scores <= 1))
    assert len(set(scores)) > 2
    assert auc_of(written) == pytest.approx(version.metrics["train"]["auc"], abs=0.12)


def classes_of(hook: str) -> list[str]:
    return ["small", "large"] if hook == "written" else ["large", "small"]


def auc_of(written: pa.Table) -> float:
    """The share of pairs in the train split whose second class scores higher, as the first half of the month has it."""
    large = ORDERS["amount"].to_numpy() > 25
    known = np.isin(written["order_id"].to_numpy(), np.arange(1, 85))
    scores, truth = written["prediction"].to_numpy()[known], large[written["order_id"].to_numpy() - 1][known]
    pairs = scores[truth][:, None] - scores[~truth][None, :]
    found = float(np.mean((pairs > 0) + (pairs == 0) / 2))
    return max(found, 1 - found)


def test_what_only_pickle_could_keep_is_refused_with_all_that_can(opened):
    opened.change({
        "hooks/odd.py": '''
            from sqlfeat import trainer

            class Mine:
                def predict(self, rows):
                    return rows

            @trainer(training_set="orders_asked")
            def odd(data):
                return Mine()
        '''
    })  # fmt: skip
    with opened.project() as project, pytest.raises(HookError, match=r"hook_odd\.Mine, which cannot be kept") as caught:
        project.train("odd")

    kinds = (
        "lightgbm Booster",
        "XGBClassifier",
        "CatBoostRanker",
        "scikit-learn",
        "onnx ModelProto",
        "SourcePredictor",
    )
    assert [kind for kind in kinds if kind not in str(caught.value.hint)] == []
