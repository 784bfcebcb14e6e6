"""Versions in a real MLflow with a SQLite store: all that is known is there, and the model predicts the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from sqlfeat.errors import RunError, StoreError
from sqlfeat.ops import mlflow_export
from sqlfeat.ops.mlflow_export import Exported, export_registered, export_to_mlflow, mirror_aliases
from sqlfeat.spec.mlflow import MlflowSpec
from sqlfeat.store import codecs
from sqlfeat.store.exported import ExportedModel
from sqlfeat.store.registry import ModelVersion, read_model, register, resolve
from sqlfeat.store.registry_changes import delete_alias, set_alias
from sqlfeat.store.signature import PROBABILITIES, Output, Signature
from tests.made.sessions import MadeSession, project
from tests.made.trained_models import CASES, INPUTS, Case, table

EXPORTED = {
    case.codec: case
    for case in CASES
    if (case.codec, case.name) in {
        ("lightgbm", "classifier"), ("xgboost", "booster"), ("catboost", "texts"), ("sklearn", "pipeline"),
        ("onnx", "columns"), ("source", "probability"),
    }
}  # fmt: skip


def keep(registry: Path, case: Case) -> ModelVersion:
    """Register the model of a case as one that a hook has made."""
    model = case.make()
    codec = codecs.codec_for(model)
    data = codec.encode(model)
    inputs = codec.arrange(codec.decode(data), INPUTS)
    kind, count = codec.output(codec.decode(data))
    signature = Signature(inputs, Output(kind, (codec.classes(model) or tuple(range(count))) if count else None))

    def fill(folder: Path, number: int) -> dict[str, Any]:
        (folder / codec.file).write_bytes(data)
        (folder / "log.txt").write_text("trained\n")
        return {
            "hook": case.codec, "features": {"carrier_delays.delay_7d": "f1"}, "compiled": {"carrier_delays": "c1"},
            "training_set": {"name": "late_flights", "id": "0f3a", "definition": "d1", "splits": ["train", "test"]},
            "params": {"seed": 7, "tree": {"depth": 3}, "odd name!": [1, 2], "long": "x" * 7_000},
            "metrics": {"train": {"auc": 0.8}, "test": {"auc": 0.7, "log_loss": None}},
            "importances": {"gain": {"delay_7d": 3.0}}, "signature": signature.as_dict(), "carried": ["flight_id"],
            "codec": codec.name, "file": codec.file, "git": {"commit": "abc123", "dirty": True}, "seconds": 2.5,
            "versions": {codec.package: codecs.installed_version(codec.package) or ""},
            "reports": {"curves": {"test": {"loss": [0.9, 0.5, 0.4]}}},
        }  # fmt: skip

    return register(registry, f"late_{case.codec}", fill)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> MadeSession:
    """A session whose versions go to MLflow, with a version of each library."""
    root = tmp_path_factory.mktemp("mlflow")
    spec = project(root / "flights")
    place = MlflowSpec(f"sqlite:///{root / 'store' / 'mlflow.db'}", "late flights")
    made = MadeSession(dataclasses.replace(spec, mlflow=place))
    for case in EXPORTED.values():
        keep(spec.registry, case)
    return made


@pytest.fixture(scope="module")
def exported(session: MadeSession) -> dict[str, Exported]:
    """All of them in MLflow."""
    return {name: export_to_mlflow(session, f"late_{name}") for name in EXPORTED}


@pytest.fixture
def client(session: MadeSession) -> Any:
    mlflow.set_tracking_uri(session.spec.mlflow.tracking_uri)
    mlflow.set_registry_uri(session.spec.mlflow.tracking_uri)
    return mlflow.MlflowClient()


def frame() -> pd.DataFrame:
    return table().to_pandas()


@pytest.mark.parametrize("name", EXPORTED)
def test_a_model_that_is_loaded_from_mlflow_predicts_what_ours_does(name, session, exported, client):
    version = resolve(session.spec.registry, f"late_{name}")
    codec = codecs.codec_named(version.codec)
    ours = codecs.predict(codec, read_model(version), version.signature.inputs, table())

    loaded = mlflow.pyfunc.load_model(exported[name].model_uri)
    found = loaded.predict(frame())

    if version.signature.output.kind == PROBABILITIES:
        assert list(found) == ["probability_early", "probability_late", "probability_ontime", "prediction"]
        assert found["prediction"].tolist() == [version.signature.output.classes[at] for at in np.argmax(ours, axis=1)]
        found = found.iloc[:, :-1].to_numpy()
    np.testing.assert_array_equal(found, ours)
    assert loaded.metadata.signature.inputs.input_names() == [one.name for one in version.signature.inputs]


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.assign(carrier=given["carrier"].astype("category")),
        lambda given: given.assign(carrier=given["carrier"].astype(object).where(given["carrier"].notna(), np.nan)),
        lambda given: given.assign(dep_hour=given["dep_hour"].astype(float), weekend=given["weekend"].astype(object)),
        lambda given: given[list(given)[::-1]].assign(more=1),
        lambda given: given.convert_dtypes(),
    ],
    ids=["categories", "objects", "floats", "order", "nullable"],
)
def test_it_takes_data_frames_as_they_come(change, exported, client):
    loaded = mlflow.pyfunc.load_model(exported["xgboost"].model_uri)

    np.testing.assert_array_equal(loaded.predict(change(frame())), loaded.predict(frame()))


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost", "onnx"])
def test_the_librarys_own_flavour_loads_its_own_model(name, session, exported, client):
    version = resolve(session.spec.registry, f"late_{name}")
    own = getattr(mlflow, name).load_model(exported[name].model_uri)
    codec = codecs.codec_named(name)
    again = codec.decode(own.SerializeToString(deterministic=True)) if name == "onnx" else own

    np.testing.assert_array_equal(
        codecs.predict(codec, again, version.signature.inputs, table()),
        codecs.predict(codec, read_model(version), version.signature.inputs, table()),
    )


def test_all_that_is_known_is_told(session, exported, client):
    version = resolve(session.spec.registry, "late_lightgbm")
    run = client.get_run(exported["lightgbm"].run_id)
    files = {file.path for file in client.list_artifacts(run.info.run_id)}

    assert run.info.run_name == "late_lightgbm v1"
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"train/auc": 0.8, "test/auc": 0.7, "curve/test/loss": 0.4}
    assert [one.value for one in client.get_metric_history(run.info.run_id, "curve/test/loss")] == [0.9, 0.5, 0.4]
    assert {key: value for key, value in run.data.params.items() if key != "long"} == {
        "seed": "7", "tree.depth": "3", "odd name_": "[1, 2]",
    }  # fmt: skip
    assert run.data.params["long"] == "x" * 6_000
    assert run.data.tags["sqlfeat.feature.carrier_delays.delay_7d"] == "f1"
    assert run.data.tags["sqlfeat.training_set_id"] == "0f3a"
    assert run.data.tags["mlflow.source.git.commit"] == "abc123"
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("late_flights", "0f3a")
    assert files == {"model", "importances.json", "features.json", "compiled.json", "reports.json", "version.json"}
    told = client.get_model_version("late_lightgbm", "1")
    assert told.tags["sqlfeat.version"] == "1"
    assert told.tags["sqlfeat.version_sha256"] == run.data.tags["sqlfeat.version_sha256"]
    assert told.description == f"{version.reference} of sqlfeat, trained on late_flights 0f3a."
    assert not list(Path(told.source.removeprefix("file://")).rglob("*.pkl"))
    assert client.get_experiment_by_name("late flights").artifact_location.endswith("/store/mlartifacts/late_flights")


def test_exported_twice_is_once(session, exported, client):
    before = client.search_model_versions("name='late_catboost'")

    again = export_to_mlflow(session, "late_catboost@1")

    assert exported["catboost"].created
    assert again == dataclasses.replace(exported["catboost"], created=False)
    assert client.search_model_versions("name='late_catboost'") == before


def test_aliases_are_those_of_the_registry(session, exported, client):
    registry = session.spec.registry
    keep(registry, EXPORTED["source"])
    set_alias(registry, "late_source", "champion", 1, expected=None)
    export_to_mlflow(session, "late_source@1")
    assert client.get_model_version_by_alias("late_source", "champion").tags["sqlfeat.version"] == "1"

    client.set_registered_model_alias("late_source", "old_one", "1")
    set_alias(registry, "late_source", "champion", 2, expected=1)
    set_alias(registry, "late_source", "challenger", 1, expected=None)
    second = export_to_mlflow(session, "late_source@2")

    assert second.aliases == ("champion",)
    assert aliases_in(client) == {"champion": "2", "challenger": "1"}
    delete_alias(registry, "late_source", "challenger")
    mirror_aliases(session, "late_source")
    assert aliases_in(client) == {"champion": "2"}


def aliases_in(client: Any) -> dict[str, str]:
    return {alias: str(number) for alias, number in client.get_registered_model("late_source").aliases.items()}


def test_what_was_left_half_made_is_made_anew(session, exported, client, monkeypatch):
    keep(session.spec.registry, EXPORTED["onnx"])
    monkeypatch.setattr(mlflow_export, "_register", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(RunError, match="did not take late_onnx@v2: the disk is full") as caught:
        export_to_mlflow(session, "late_onnx@2")
    monkeypatch.undo()

    made = export_to_mlflow(session, "late_onnx@2")

    assert "sqlfeat registry export late_onnx@v2 --mlflow" in caught.value.hint
    experiment = client.get_experiment_by_name("late flights").experiment_id
    runs = client.search_runs([experiment], "tags.`sqlfeat.name` = 'late_onnx'")
    assert sorted(run.info.status for run in runs) == ["FINISHED", "FINISHED"]
    assert made.run_id in [run.info.run_id for run in runs]


def test_a_version_is_never_lost_to_mlflow(session, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = MlflowSpec("http://someone:secret@127.0.0.1:9/", "late")
    asked = MadeSession(dataclasses.replace(session.spec, mlflow=away))
    version = resolve(session.spec.registry, "late_source@1")

    export_registered(asked, version)

    (event,) = asked.events
    assert event.text.startswith("warning: late_source@v1 is registered, but not in MLflow. [mlflow-failed]")
    assert "registry export late_source@v1 --mlflow" in event.text
    assert "secret" not in event.text


def test_a_project_that_names_no_mlflow_exports_nothing(session):
    asked = MadeSession(dataclasses.replace(session.spec, mlflow=None))

    export_registered(asked, resolve(session.spec.registry, "late_source@1"))

    assert asked.events == []


def test_registering_tells_mlflow_in_one_step(session, exported):
    session.events.clear()

    export_registered(session, resolve(session.spec.registry, "late_xgboost"))

    (step,) = session.events
    assert (step.kind, step.name, step.facts["model"]) == ("step", "MLflow", "models:/late_xgboost/1")


def test_without_mlflow_the_extra_is_named(session, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(StoreError, match="The package mlflow is not installed") as caught:
        export_to_mlflow(session, "late_source@1")

    assert caught.value.hint == "pip install 'sqlfeat[mlflow]'."


def test_damage_of_an_exported_model_is_told(session, exported, client, tmp_path):
    folder = Path(mlflow.artifacts.download_artifacts(exported["source"].model_uri, dst_path=str(tmp_path)))
    data = folder / "data" / "sqlfeat"
    (data / "predictor.zip").write_bytes((data / "predictor.zip").read_bytes()[:-1])

    with pytest.raises(StoreError, match="SHA-256 does not match"):
        ExportedModel(data)
    (data / "version.json").write_text(json.dumps({"signature": None}))
    with pytest.raises(StoreError, match="cannot be read"):
        ExportedModel(data)
