"""The model that says how likely a flight is to land late: gradient boosting, stopped by the validation split."""

import lightgbm as lgb

from sqlfeat import TrainingData, trainer

PARAMS = {
    "objective": "binary",
    "metric": ["auc", "binary_logloss"],
    "num_iterations": 400,
    "early_stopping_round": 40,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.7,
    "cat_smooth": 100,  # many destinations have few flights
    "verbosity": -1,
    # the same rows give the same model; one thread is enough for so few
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
}


@trainer(training_set="late_flights", params=PARAMS)
def late_lgbm(data: TrainingData, params: dict):
    return lgb.train(params, data.train.lightgbm(), valid_sets=[data.validation.lightgbm()])
