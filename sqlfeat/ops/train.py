"""Train: build the training set, run the hook in a child process, keep what it made as a new version.

What a run gives, and what is wrong with one that gives nothing, is told in ``hook_run``; many of them are a ``sweep``,
of which the best becomes the version. Nothing is registered but what a run has made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlfeat.base.files import canonical_json
from sqlfeat.engine.profile import Profile
from sqlfeat.errors import HookError, ProjectError, RunError, SqlfeatError, UsageError
from sqlfeat.ops.evaluation import sliced_columns
from sqlfeat.ops.events import notify
from sqlfeat.ops.hook_run import Made, Order, run_trainer, work_folder
from sqlfeat.ops.mlflow_export import export_registered
from sqlfeat.ops.monitoring import profiles
from sqlfeat.ops.online.request import plan_of
from sqlfeat.ops.openlineage import telling
from sqlfeat.ops.predict import carried_columns
from sqlfeat.ops.provenance import Beginning, note_beginning, package_versions, provenance
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.sweep import Sweep, SweepRun
from sqlfeat.ops.training_set import build_training_set
from sqlfeat.ops.transforms import with_parameters
from sqlfeat.spec.hook import discover_hooks
from sqlfeat.spec.trainer import TrainerSpec
from sqlfeat.store import registry
from sqlfeat.store.artifacts import verify_files
from sqlfeat.store.registry import LOG, ModelVersion
from sqlfeat.store.training_set import WHOLE, TrainingSet
from sqlfeat.training_data import TrainingData

_PACKAGES = ("sqlfeat", "duckdb", "numpy", "pyarrow")


@telling.told(telling.TRAIN)
def train(
    session: Session,
    hook: str,
    params: Mapping[str, Any] | None = None,
    *,
    sweep: bool | Mapping[str, Sequence[Any]] = False,
    metric: str | None = None,
    jobs: int | None = None,
) -> ModelVersion:
    """Train with a hook of the project; ``params`` win over those of its file and its decorator.

    ``sweep`` trains at every point of a grid, the hook's own with these values over it, and keeps the best by
    ``metric``, ``jobs`` trials at a time.
    """
    spec = discover_hooks(session.spec.hooks, session.spec.root).trainer(hook)
    given = dict(params or {})
    _refuse_strange_params(given)
    asked = _sweep_of(spec, given, sweep, metric, jobs)
    notify(session, "train_start", {"hook": spec.name, "training_set": spec.training_set, "params": given})
    try:
        version = _trained(session, spec, given, asked)
    except SqlfeatError as error:
        notify(session, "train_failed", {"hook": spec.name, "error": error.as_dict()})
        raise
    export_registered(session, version)
    notify(session, "model_registered", version.as_dict())
    return version


def _sweep_of(
    spec: TrainerSpec,
    given: Mapping[str, Any],
    sweep: bool | Mapping[str, Sequence[Any]],
    metric: str | None,
    jobs: int | None,
) -> Sweep | None:
    """What is to be swept over; a parameter that is given stays as it is given."""
    if sweep is False:
        if metric is not None or jobs is not None:
            raise UsageError("bad-sweep", "A metric to choose by and jobs are for a sweep.", hint="add --sweep.")
        return None
    named = {} if sweep is True else {name: tuple(values) for name, values in sweep.items()}
    empty = next((name for name, values in named.items() if not values), None)
    if empty is not None:
        raise UsageError("bad-sweep", f"The parameter {empty!r} has no values to sweep over.")
    grid = {name: values for name, values in {**spec.sweep, **named}.items() if name in named or name not in given}
    _refuse_strange_params({name: list(values) for name, values in grid.items()})
    asked = Sweep(grid, metric, jobs)
    asked.points()
    return asked


def _trained(session: Session, spec: TrainerSpec, given: Mapping[str, Any], sweep: Sweep | None) -> ModelVersion:
    started = session.clock.monotonic()
    training_set = _build(session, spec)
    seconds = session.clock.monotonic() - started
    facts = {"training set": training_set.name, "id": training_set.id, "rows": training_set.rows}
    _tell(session, "build", seconds, facts)
    begun = note_beginning(session, spec)
    with work_folder(session.spec.target_path) as work:
        order = Order(spec, training_set, {**spec.given, **given}, work)
        if sweep is None:
            made = run_trainer(session.spec, order, on_line=_listening(session, spec.name))
        else:
            best, _ = SweepRun(session, sweep, order).best()
            assert best.made is not None
            made, order, given = best.made, best.order, {**given, **best.point}
        _tell(session, "train", made.train_seconds, {"hook": spec.name, "kept as": made.codec})
        _tell(session, "evaluate", made.evaluate_seconds, {"splits": len(made.metrics)})
        started = session.clock.monotonic()
        version = _register(session, spec, training_set, made, order.work, begun, given)
    seconds = session.clock.monotonic() - started
    _tell(session, "register", seconds, {"model": version.name, "version": f"v{version.version}"})
    return version


def _listening(session: Session, hook: str) -> Callable[[str], None]:
    return lambda line: session.listener(Event("log", name=hook, text=line))


def _refuse_strange_params(params: Mapping[str, Any]) -> None:
    try:
        canonical_json(dict(params))
    except (TypeError, ValueError) as error:
        hint = "give texts, finite numbers, booleans, None, and lists and dicts of these."
        raise UsageError("bad-params", f"These parameters cannot be kept: {error}.", hint=hint) from error


def _build(session: Session, spec: TrainerSpec) -> TrainingSet:
    try:
        training_set = build_training_set(session, spec.training_set)
    except UsageError as error:
        if error.code != "unknown-training-set":
            raise
        raise ProjectError(error.code, f"{spec.name}: {error.what}", spec.training_set_place, error.hint) from error
    verify_files(training_set.path, training_set.manifest)
    carried_columns(training_set)
    _check_columns(spec, training_set)
    if training_set.splits.get("train") == 0 or not any(training_set.splits.values()):
        raise RunError(
            "empty-split",
            f"The training set {training_set.name} has no row to train on.",
            spec.training_set_place,
            hint="look at the dates in its config(split={…}), and at the label rows.",
        )
    return training_set


def _check_columns(spec: TrainerSpec, training_set: TrainingSet) -> None:
    """Refuse columns that the hook names and the training set does not have, before anything is trained."""
    try:
        sliced_columns(training_set, spec.slices)
        TrainingData(training_set, group=spec.group)
    except HookError as error:
        place = spec.place_of("slices" if error.code == "bad-slices" else "group")
        raise HookError(error.code, error.what, place, error.hint) from None


def _register(
    session: Session,
    spec: TrainerSpec,
    training_set: TrainingSet,
    made: Made,
    work: Path,
    begun: Beginning,
    given: Mapping[str, Any],
) -> ModelVersion:
    manifest = training_set.manifest

    def fill(folder: Path, number: int) -> Mapping[str, Any]:
        (folder / made.file).write_bytes(made.data)
        log = (work / LOG).read_text(encoding="utf-8", errors="replace")
        (folder / LOG).write_text(begun.code.withheld.hidden(log), encoding="utf-8")
        _keep_baseline(folder, training_set, made)
        return {
            "hook": spec.name,
            "training_set": {
                "name": training_set.name,
                "id": training_set.id,
                "definition": manifest["definition"],
                "splits": [split for split in training_set.splits if split in made.metrics],
                "request": session.training_set_definition(training_set.name).get("request"),
            },
            "features": manifest["features"],
            "compiled": manifest["compiled"],
            "params": begun.code.withheld.hidden_in(made.params),
            "metrics": made.metrics,
            "importances": made.importances,
            "signature": made.signature,
            "carried": carried_columns(training_set),
            "codec": made.codec,
            "file": made.file,
            "versions": package_versions((*_PACKAGES, made.package)),
            "git": begun.code.git,
            "seconds": made.train_seconds,
            "reports": begun.code.withheld.hidden_in(
                {k: v for k, v in made.reports.items() if k != profiles.PREDICTIONS}
            ),
            "transforms": manifest.get("transforms", {}),
            "provenance": provenance(session, begun, training_set, given, made.around, folder),
            "plan": _plan(session, training_set, begun),
        }

    return registry.register(session.spec.registry, spec.name, fill, session.clock)


def _told(reports: Mapping[str, Any]) -> dict[str, Any]:
    """What the version's record has of reports; profiles lie beside it."""
    return {name: report for name, report in reports.items() if name != profiles.PREDICTIONS}


def _keep_baseline(folder: Path, training_set: TrainingSet, made: Made) -> None:
    """Keep what later rows and predictions are compared with: a profile of what was learned from, and of what came."""
    kept = profiles.of_training_set(training_set)
    first = {split: one for split, one in kept.items() if split in ("train", WHOLE)}
    told = {split: Profile.from_dict(one) for split, one in made.reports.get(profiles.PREDICTIONS, {}).items()}
    if first or told:
        content = profiles.written({profiles.INPUTS: first, profiles.PREDICTIONS: told})
        (folder / profiles.BASELINE).write_text(content)


def _plan(session: Session, training_set: TrainingSet, begun: Beginning) -> Mapping[str, Any]:
    """How requests for the version are answered, whatever the project becomes; empty where it would tell a secret."""
    manifest = training_set.manifest
    model = with_parameters(session.training_set(training_set.name), manifest.get("transforms", {}))
    plan = plan_of(model, manifest["features"]).as_dict()
    return plan if begun.code.withheld.hidden_in(plan) == plan else {}


def _tell(session: Session, step: str, seconds: float, facts: Mapping[str, Any]) -> None:
    session.listener(Event("step", name=step, seconds=seconds, facts=facts))
