"""The commands from label rows to predictions: what they pass on, and how the answers read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlfeat.ops.predict import Prediction
from sqlfeat.ops.results import Event
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import Output, Signature
from sqlfeat.store.training_set import OutputColumn, TrainingSet

LATE = TrainingSet(
    id="5f2c9a",
    name="late_flights",
    path=Path("target/training_sets/late_flights/5f2c9a"),
    rows=1_100,
    splits={"train": 900, "test": 100},
    files=("train.parquet", "test.parquet", "unsplit.parquet"),
    columns=(
        OutputColumn("flight_id", "BIGINT", "key"),
        OutputColumn("delay_7d", "DOUBLE", "input", "numeric", feature="carrier_delays.delay_7d"),
        OutputColumn("carrier", "VARCHAR", "input", "categorical", ("AA",)),
        OutputColumn("is_late", "BOOLEAN", "label"),
    ),
    null_rates={"flight_id": 0.0, "delay_7d": 0.0123, "carrier": 0.5},
    manifest={"features": {"carrier_delays.delay_7d": "ab", "carrier_delays.flights_1d": "cd", "weather.temp": "ef"}},
)


def version(number: int = 3, **changes: object) -> ModelVersion:
    known = {
        "name": "late_lgbm",
        "version": number,
        "path": Path(f"registry/late_lgbm/v{number}"),
        "created_at": datetime(2013, 4, 1, 12, 30, 5, 123456, tzinfo=UTC),
        "hook": "hooks/late_flights.py:late_lgbm",
        "training_set": {"name": "late_flights", "id": "5f2c9a", "definition": "ab"},
        "features": {},
        "compiled": {},
        "params": {"num_leaves": 31, "objective": "binary"},
        "metrics": {"train": {"auc": 0.81234, "log_loss": 0.4}, "test": {"auc": 0.7, "log_loss": None}},
        "carried": (),
        "importances": {"split": {"x": 1.0}, "gain": {"delay_7d": 75.0, "carrier": 25.0, "idle": 0.0}},
        "signature": Signature((), Output("value")),
        "codec": "lightgbm",
        "file": "model.txt",
        "sha256": "0f" * 32,
        "versions": {"python": "3.11.7", "lightgbm": "4.7.0"},
        "git": {"commit": "abc123", "dirty": True},
        "seconds": 2.0,
        "manifest": {},
    }
    return ModelVersion(**{**known, **changes})


def test_a_training_set_reads_as_a_person_wants_it(typing, project):
    project.answers["build_training_set"] = LATE

    assert (
        typing("build-training-set", "late_flights").out
        == """\
training set late_flights
  id         5f2c9a
  path       target/training_sets/late_flights/5f2c9a
  rows       1,100
  columns    4: 2 inputs (1 numeric, 1 categorical), label is_late
  features   3 from 2 feature views

  split      rows    share
  train       900   81.8 %
  test        100    9.1 %
  no split    100    9.1 %

  column      nulls
  carrier    50.0 %
  delay_7d    1.2 %
"""
    )


def test_steps_are_told_as_they_end(typing, project):
    lookups = [{"view": "carrier_delays", "found": 1_000}, {"view": "weather", "found": 7}]
    project.events = [
        Event("step", "look up features", seconds=5.6, facts={"rows": 1_100, "lookups": lookups}),
        Event("step", "write splits", seconds=0.4, facts={"splits": {"train": 900}, "name": "late_flights"}),
    ]
    project.answers["build_training_set"] = LATE

    assert (
        typing("build-training-set", "late_flights").err
        == """\
  look up features           5.6 s   rows 1,100
    carrier_delays   found 1,000
    weather          found 7
  write splits              0.40 s   train 900, late_flights
"""
    )


def test_a_training_set_is_built_as_the_options_say(typing, project):
    project.answers["build_training_set"] = LATE

    typing("build-training-set", "late_flights", "--from", "2013-01-01", "--to", "2013-03-01 06:30",
           "--known-at", "2013-03-02T00:00:00+01:00", "--no-run", "--out", "late.parquet",
           "--sample", "10%", "--stratify", "is_late",
           "--features", "carrier_delays.*", "dep_hour,dep_day")  # fmt: skip

    arguments, options = project.calls["build_training_set"]
    assert arguments == ("late_flights",)
    assert {**options, "strict": None} == {
        "start": datetime(2013, 1, 1, tzinfo=UTC),
        "end": datetime(2013, 3, 1, 6, 30, tzinfo=UTC),
        "known_at": datetime(2013, 3, 1, 23, tzinfo=UTC),
        "sample": 0.1,
        "stratify": ("is_late",),
        "features": ("carrier_delays.*", "dep_hour", "dep_day"),
        "out": Path("late.parquet"),
        "run_upstream": False,
        "strict": None,
    }


def test_a_training_set_is_one_json_document(typing, project):
    project.answers["build_training_set"] = LATE

    ended = typing("build-training-set", "late_flights", "--json")

    assert ended.err == ""
    document = ended.document
    assert (document["id"], document["rows"]) == ("5f2c9a", 1100)
    assert document["splits"] == {"train": 900, "test": 100}
    assert document["path"] == "target/training_sets/late_flights/5f2c9a"
    assert document["files"][0] == "target/training_sets/late_flights/5f2c9a/train.parquet"


TRAINED = """\
late_lgbm version 3
  training set   late_flights 5f2c9a
  path           registry/late_lgbm/v3
  log            registry/late_lgbm/v3/log.txt

  metric      train     test
  auc        0.8123   0.7000
  log_loss   0.4000     null

  importance (gain)
  delay_7d   75.0 %   ██████████████████████████████
  carrier    25.0 %   ██████████
  idle        0.0 %
"""


def test_a_training_shows_metrics_by_split_and_what_matters(typing, project):
    project.answers["train"] = version()

    assert typing("train", "late_lgbm").out == TRAINED


def test_parameters_are_typed_as_they_look(typing, project):
    project.answers["train"] = version()

    typing("train", "late_lgbm", "--param", "num_leaves=63", "-p", "learning_rate=5e-2", "-p", "boosting=gbdt",
           "-p", "verbose=false", "-p", "seed=null", "-p", "metric=[\"auc\"]", "-p", "tag=a=b")  # fmt: skip

    assert project.calls["train"] == (
        ("late_lgbm",),
        {
            "params": {
                "num_leaves": 63,
                "learning_rate": 0.05,
                "boosting": "gbdt",
                "verbose": False,
                "seed": None,
                "metric": ["auc"],
                "tag": "a=b",
            },
            "sweep": False,
            "metric": None,
            "jobs": None,
        },
    )


def test_a_parameter_without_a_value_is_refused(typing, project):
    ended = typing("train", "late_lgbm", "-p", "num_leaves")

    assert ended.code == 2
    assert ended.err.startswith("[bad-argument] --param: 'num_leaves' is no key=value.")


def test_a_training_is_one_json_document(typing, project):
    project.answers["train"] = version()

    document = typing("train", "late_lgbm", "--json").document

    assert (document["name"], document["version"]) == ("late_lgbm", 3)
    assert document["metrics"]["test"] == {"auc": 0.7, "log_loss": None}


def test_a_prediction_says_how_many_and_where(typing, project):
    project.answers["predict"] = Prediction(
        1_100, Path("target/predictions/late.parquet"), "late_lgbm", 3, 0.5, ("flight_id", "prediction")
    )

    ended = typing("predict", "late_lgbm@3", "--at", "2013-03-15", "--rows", "asked.parquet")

    assert (
        ended.out
        == """\
predictions of late_lgbm version 3
  rows      1,100
  path      target/predictions/late.parquet
  columns   flight_id, prediction
"""
    )
    assert project.calls["predict"] == (
        ("late_lgbm@3",),
        {
            "at": datetime(2013, 3, 15, tzinfo=UTC),
            "rows": Path("asked.parquet"),
            "start": None,
            "end": None,
            "out": None,
            "table": None,
            "incremental": False,
            "contributions": False,
        },
    )
    document = typing("predict", "late_lgbm", "--json").document
    assert (document["rows"], document["path"], document["version"]) == (1100, "target/predictions/late.parquet", 3)
    assert document["table"] is None


def test_a_prediction_into_a_table_names_it(typing, project):
    project.answers["predict"] = Prediction(7, Path("target/dev.duckdb"), "late_lgbm", 3, 0.5, ("flight_id",), "scores")

    ended = typing("predict", "late_lgbm", "--table", "scores", "--incremental", "--contributions", "--rows", "asked")

    assert "  path      target/dev.duckdb\n  table     scores\n" in ended.out
    _, options = project.calls["predict"]
    assert (options["table"], options["incremental"], options["contributions"]) == ("scores", True, True)
    assert options["rows"] == Path("asked")
