"""Tell MLflow of a version: a run with all that is known of it, the model, and its place in MLflow's registry.

The registry of sqlfeat stays the one that counts: whatever MLflow does, the version is there. A version is known in
MLflow by the hash of its manifest, so that exporting it again changes nothing but the aliases. Whatever MLflow raises
becomes one error that says how to do it again.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.base.files import canonical_json, sha256
from sqlfeat.errors import RunError, SqlfeatError
from sqlfeat.ops.mlflow_model import save_model
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.spec.mlflow import MlflowSpec, absolute_uri
from sqlfeat.store import registry
from sqlfeat.store.codecs.codec import library
from sqlfeat.store.registry import VERSION, ModelVersion

_MARK = "sqlfeat.version_sha256"
_NUMBER = "sqlfeat.version"
_LONGEST = {"param": 6_000, "tag": 5_000, "key": 250}
_AT_ONCE = 100
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""With settings of its own MLflow waits many minutes for a server that is gone, and tells its makers of each call."""


@dataclass(frozen=True)
class Exported:
    """A version as MLflow has it; ``created`` is whether it was not there before."""

    name: str
    version: int
    tracking_uri: str
    experiment: str
    run_id: str
    model_version: str
    aliases: tuple[str, ...]
    created: bool

    @property
    def model_uri(self) -> str:
        """What ``mlflow.pyfunc.load_model`` takes."""
        return f"models:/{self.name}/{self.model_version}"

    def as_dict(self) -> dict[str, Any]:
        """The export in the shape of ``--json``."""
        return {
            "name": self.name,
            "version": self.version,
            "tracking_uri": self.tracking_uri,
            "experiment": self.experiment,
            "run_id": self.run_id,
            "model_version": self.model_version,
            "model_uri": self.model_uri,
            "aliases": list(self.aliases),
            "created": self.created,
        }


def export_to_mlflow(
    session: Session, reference: str, *, tracking_uri: str | None = None, experiment: str | None = None
) -> Exported:
    """Export a version; what is given wins over ``registry: {mlflow: …}`` of the project file."""
    version = registry.resolve(session.spec.registry, reference)
    known = session.spec.mlflow or MlflowSpec()
    uri = known.tracking_uri if tracking_uri is None else absolute_uri(tracking_uri, Path.cwd())
    return _export(session, version, MlflowSpec(uri, experiment or known.experiment, known.artifact_location))


def export_registered(session: Session, version: ModelVersion) -> None:
    """Export a version that was just registered, where the project wants that; a failure is told, and no more."""
    if session.spec.mlflow is None:
        return
    started = session.clock.monotonic()
    try:
        exported = _export(session, version, session.spec.mlflow)
    except SqlfeatError as error:
        session.listener(Event("log", text=f"warning: {version.reference} is registered, but not in MLflow. {error}"))
        return
    facts = {"experiment": exported.experiment, "model": exported.model_uri}
    session.listener(Event("step", name="MLflow", seconds=session.clock.monotonic() - started, facts=facts))


def mirror_aliases(session: Session, name: str) -> None:
    """Let MLflow know where a registered model's aliases point now, where the project wants that."""
    destination = session.spec.mlflow
    if destination is None:
        return
    aliases = registry.registered_model(session.spec.registry, name).aliases
    try:
        with _talking_to(destination, f"the aliases of {name}", f"{name} --mlflow") as (client, _):
            if _known(client, name):
                _mirror(client, name, aliases)
    except SqlfeatError as error:
        session.listener(Event("log", text=f"warning: the alias is set here, but not in MLflow. {error}"))


def _export(session: Session, version: ModelVersion, destination: MlflowSpec) -> Exported:
    experiment = destination.experiment or session.spec.name
    aliases = registry.registered_model(session.spec.registry, version.name).aliases
    with _talking_to(destination, version.reference, f"{version.reference} --mlflow") as (client, uri):
        there = _experiment(client, experiment, uri, destination.artifact_location)
        present = _present(client, version)
        made = present or _registered(client, version, there)
        mirrored = _mirror(client, version.name, aliases)
    return Exported(
        name=version.name,
        version=version.version,
        tracking_uri=_shown(uri),
        experiment=experiment,
        run_id=str(made.run_id),
        model_version=str(made.version),
        aliases=tuple(sorted(alias for alias, number in mirrored.items() if number == str(made.version))),
        created=present is None,
    )


@contextmanager
def _talking_to(destination: MlflowSpec, what: str, again: str) -> Iterator[tuple[Any, str]]:
    """A client and where it leads; MLflow's chatter is kept from the terminal, and its errors become one of ours."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    uri = destination.tracking_uri or ""
    with _settings(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow = library("mlflow")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            uri = uri or absolute_uri(str(mlflow.get_tracking_uri()), Path.cwd())
            if uri.startswith("sqlite:///"):
                Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri), uri
        except SqlfeatError:
            raise
        except Exception as error:  # the edge to MLflow: its own errors, those of databases, of HTTP, of files
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RunError(
                "mlflow-failed",
                f"MLflow at {_shown(uri)} did not take {what}: {_shown(said)[:300]}",
                hint=f"nothing is lost here; this tries again: sqlfeat registry export {again}.",
            ) from error
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _settings() -> Iterator[None]:
    """MLflow's settings for as long as we talk to it, where the user has none of his own."""
    own = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def _shown(text: str) -> str:
    """A text without the user and the password of a URI in it."""
    return re.sub(r"://[^/\s@]*@", "://***@", text)


def _experiment(client: Any, name: str, uri: str, location: str | None) -> str:
    """The id of the experiment of this name, which is made where there is none.

    Without a server MLflow would put a new experiment's files below the working folder; here they lie beside the
    database.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    if location is None and uri.startswith("sqlite:///"):
        location = (
            Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts" / re.sub(r"[^\w.-]", "_", name)
        ).as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _present(client: Any, version: ModelVersion) -> Any:
    """The version as MLflow's registry has it, None where it has not."""
    return next((one for one in _known(client, version.name) if one.tags.get(_MARK) == _hash(version)), None)


def _known(client: Any, name: str) -> list[Any]:
    """The versions of ours that MLflow knows of a registered model."""
    found = client.search_model_versions(f"name='{name}'")
    return [one for one in found if _MARK in one.tags]


def _hash(version: ModelVersion) -> str:
    return str(sha256(version.path / VERSION.manifest))


def _registered(client: Any, version: ModelVersion, experiment: str) -> Any:
    """A run with all that is known, its model, and a version in MLflow's registry."""
    half_made = client.search_runs([experiment], f"tags.`{_MARK}` = '{_hash(version)}'")
    for run in half_made:
        client.delete_run(run.info.run_id)
    begun = int(version.created_at.timestamp() * 1000)
    named = f"{version.name} v{version.version}"
    tags = {key: str(value)[: _LONGEST["tag"]] for key, value in _tags(version).items()}
    run_id = client.create_run(experiment, start_time=begun, tags=tags, run_name=named).info.run_id
    try:
        _log(client, run_id, version)
        source = _log_model(client, run_id, version)
        made = _register(client, version, source, run_id)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED", end_time=begun + int(version.seconds * 1000))
    return made


def _tags(version: ModelVersion) -> dict[str, Any]:
    """What leads back to us: the version, its training set, its code, the fingerprint of each feature."""
    git = version.git or {}
    commit = {"sqlfeat.git.commit": git["commit"], "mlflow.source.git.commit": git["commit"]} if git else {}
    dirty = {"sqlfeat.git.dirty": json.dumps(bool(git.get("dirty")))} if git else {}
    return {
        _MARK: _hash(version),
        _NUMBER: version.version,
        "sqlfeat.name": version.name,
        "sqlfeat.hook": version.hook,
        "sqlfeat.codec": version.codec,
        "sqlfeat.model_sha256": version.sha256,
        "sqlfeat.training_set": version.training_set["name"],
        "sqlfeat.training_set_id": version.training_set["id"],
        "sqlfeat.definition": version.training_set["definition"],
        **commit,
        **dirty,
    }


def _log(client: Any, run_id: str, version: ModelVersion) -> None:
    entities = library("mlflow.entities")
    features = {f"sqlfeat.feature.{name}": print_ for name, print_ in version.features.items()}
    tags = [entities.RunTag(_key(key), str(value)) for key, value in features.items()]
    params = [
        entities.Param(_key(key), _text(value)[: _LONGEST["param"]]) for key, value in _flat(version.params).items()
    ]
    for start in range(0, len(tags), _AT_ONCE):
        client.log_batch(run_id, tags=tags[start : start + _AT_ONCE])
    for start in range(0, len(params), _AT_ONCE):
        client.log_batch(run_id, params=params[start : start + _AT_ONCE])
    metrics = [entities.Metric(_key(key), value, int(version.created_at.timestamp() * 1000), step)
               for key, value, step in _metrics(version)]  # fmt: skip
    for start in range(0, len(metrics), 10 * _AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + 10 * _AT_ONCE])
    client.log_inputs(run_id, datasets=[_dataset(version)])
    told = {
        "importances.json": version.importances,
        "features.json": version.features,
        "compiled.json": version.compiled,
        "reports.json": version.reports,
    }
    for file, value in told.items():
        if value:
            client.log_text(run_id, canonical_json(dict(value)), file)
    client.log_artifact(run_id, str(version.path / VERSION.manifest))


def _metrics(version: ModelVersion) -> Iterator[tuple[str, float, int]]:
    """``test/auc`` and its value; of a training curve ``curve/test/auc``, step by step."""
    for split, values in version.metrics.items():
        yield from ((f"{split}/{name}", value, 0) for name, value in values.items() if value is not None)
    for split, curves in version.reports.get("curves", {}).items():
        for name, values in curves.items() if isinstance(curves, Mapping) else ():
            steps = enumerate(values) if isinstance(values, list) else ()
            yield from ((f"curve/{split}/{name}", value, step) for step, value in steps if isinstance(value, float))


def _dataset(version: ModelVersion) -> Any:
    entities = library("mlflow.entities")
    training_set = version.training_set
    place = f"target/training_sets/{training_set['name']}/{training_set['id']}"
    schema = {"mlflow_colspec": [{"name": one.name, "type": one.type} for one in version.signature.inputs]}
    dataset = entities.Dataset(
        name=training_set["name"],
        digest=str(training_set["id"])[:36],
        source_type="local",
        source=json.dumps({"uri": place}),
        schema=json.dumps(schema),
        profile=json.dumps({"definition": training_set["definition"], "splits": list(training_set["splits"])}),
    )
    return entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", "training")])


def _log_model(client: Any, run_id: str, version: ModelVersion) -> str:
    """Where the model lies in MLflow."""
    with tempfile.TemporaryDirectory(prefix="sqlfeat-") as folder:
        path = Path(folder, "model")
        save_model(version, path, run_id)
        client.log_artifacts(run_id, str(path), "model")
        shutil.rmtree(path)
    return f"{client.get_run(run_id).info.artifact_uri}/model"


def _register(client: Any, version: ModelVersion, source: str, run_id: str) -> Any:
    if not client.search_registered_models(f"name='{version.name}'"):
        client.create_registered_model(version.name, tags={"sqlfeat.name": version.name})
    training_set = f"{version.training_set['name']} {version.training_set['id']}"
    return client.create_model_version(
        version.name,
        source,
        run_id,
        tags={_MARK: _hash(version), _NUMBER: str(version.version)},
        description=f"{version.reference} of sqlfeat, trained on {training_set}.",
    )


def _mirror(client: Any, name: str, aliases: Mapping[str, int]) -> dict[str, str]:
    """Give MLflow's versions of ours the aliases that they have here, and take those away that they have not."""
    known = {one.tags[_NUMBER]: str(one.version) for one in _known(client, name)}
    wanted = {alias: known[str(number)] for alias, number in aliases.items() if str(number) in known}
    present = {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    for alias, number in present.items():
        if number in known.values() and alias not in wanted:
            client.delete_registered_model_alias(name, alias)
    for alias, number in wanted.items():
        if present.get(alias) != number:
            client.set_registered_model_alias(name, alias, number)
    return wanted


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping) and value
        flat |= _flat(value, f"{before}{key}.") if nested else {f"{before}{key}": value}
    return flat


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _key(name: str) -> str:
    """A name as MLflow takes it."""
    return re.sub(r"[^\w.\-/ :]", "_", name, flags=re.ASCII)[: _LONGEST["key"]]
