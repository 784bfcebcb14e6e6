"""sqlfeat's static check as the campaign asks it: many programs as one project in memory."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping

from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.compiler.verdicts import ColumnVerdict, Verdicts
from sqlfeat.spec.duration import Duration
from tests.check.fuzz.campaign import Checked, Judgement
from tests.check.fuzz.oracle import Timing
from tests.check.fuzz.project import Catalog, compiled, templates
from tests.check.fuzz.tree import Model, Program

_PATIENCE = 10
"""So many seconds of CPU may a verdict take: a program that takes longer has found something too."""
Judge = Callable[[Manifest], Mapping[str, Mapping[str, Judgement]]]
"""From a project to what is said of each model's columns."""


class StaticCheck:
    """The checker behind ``verdicts``; ``lies`` is what it is told falsely of sources, to see whether anybody minds."""

    def __init__(self, verdicts: Judge, lies: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self.verdicts = verdicts
        self.lies = lies or {}
        self.catalog = Catalog()

    def __call__(self, programs: Mapping[str, Program]) -> dict[str, Checked]:
        manifest = compiled(templates(programs), self.catalog, self.lies)
        said = self.verdicts(manifest)
        checked = {}
        for prefix, program in programs.items():
            names = {model.name: f"{prefix}_{model.name}" for model in program.models}
            if any(f"model.{name}" in manifest.errors for name in names.values()):
                continue
            if any(_inherits(model, manifest.models[names[model.name]]) for model in program.models):
                continue
            columns = {
                (model, column): judgement
                for model, name in names.items()
                for column, judgement in said.get(name, {}).items()
            }
            timings = {model: timing_of(manifest.models[name]) for model, name in names.items() if model != "training"}
            checked[prefix] = Checked(columns, timings)
        return checked

    def close(self) -> None:
        self.catalog.close()


def verdicts_of(manifest: Manifest) -> dict[str, dict[str, Judgement]]:
    """What ``check`` says of every model that compiles; where it fails itself, that is its verdict."""
    verdicts = Verdicts(manifest)
    signal.signal(signal.SIGVTALRM, _too_long)
    said: dict[str, dict[str, Judgement]] = {}
    for name, model in manifest.models.items():
        if f"model.{name}" in manifest.errors:
            continue
        training = model.materialized == "training_set"
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE)
            proved = verdicts.of_training_set(name) if training else verdicts.of(name)
            said[name] = {column.name: _judgement(column) for column in proved.columns}
        except Exception as error:  # noqa: BLE001  # to be reported with its program, not to end the campaign
            said[name] = {
                column.name: Judgement("failed", type(error).__name__, str(error)) for column in model.columns
            }
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return said


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"{_PATIENCE} s of this process's time, and no verdict")


def _judgement(column: ColumnVerdict) -> Judgement:
    if not column.findings:
        return Judgement(column.verdict)
    return Judgement(column.verdict, column.findings[0].rule, column.findings[0].message)


def static_check(lies: Mapping[str, Mapping[str, object]] | None = None) -> StaticCheck:
    """sqlfeat's own check."""
    return StaticCheck(verdicts_of, lies)


def _inherits(model: Model, made: CompiledModel) -> bool:
    """Whether a feature view knows its rows otherwise than it says: then ``meaning`` would read it wrongly."""
    said, found = Timing.declared(model), timing_of(made)
    views = model.materialized == "feature_view"
    return views and (said.available_at, said.delay is None) != (found.available_at, found.delay is None)


def timing_of(model: CompiledModel) -> Timing:
    """A model's time as the project has it: declared or inherited."""
    facts = model.time
    if model.config.role == "label":
        return Timing(facts.event_time, None, _interval(model.config.horizon))
    return Timing(facts.event_time, facts.available_at, _interval(facts.available_after), facts.immutable)


def _interval(duration: Duration | None) -> str | None:
    if duration is None:
        return None
    return f"{duration.months} months" if duration.months else f"{duration.microseconds} microseconds"
