"""Transforms of a training set: fitted on the train split when it is built, replayed when a model predicts.

What was fitted is kept in the set's manifest, and with each version that learned from it, by the call that is written
in the SELECT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlfeat.compiler.fitted_select import Fitted, assembled_model, fitted_model
from sqlfeat.compiler.manifest import CompiledModel, Transform
from sqlfeat.compiler.transforms import Named, expression
from sqlfeat.engine.base import Assembled, Engine, Fit, FitRows
from sqlfeat.errors import RunError
from sqlfeat.ops.definition import with_calls
from sqlfeat.ops.narrowing import Narrowed, narrowed
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.splits import digest_of, label_of, learned_from, open_labels, parts_of, share_of
from sqlfeat.spec.duration import Duration

_FOLDS = "sqlfeat target_encode"
"""What the hash begins with by which target_encode deals rows into folds."""


@dataclass(frozen=True)
class Rows:
    """The rows of a training set as they are given, the set without transforms, and what was fitted.

    ``folds`` says what was fitted in each fold, and ``folded`` has what that gives.
    """

    assembled: Assembled
    model: CompiledModel
    transforms: Mapping[str, Any]
    folds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    folded: Assembled | None = None


def to_assemble(session: Session, model: CompiledModel) -> CompiledModel:
    """What of a training set is assembled before its transforms are fitted: all of it, where it has none."""
    return assembled_model(model, session.manifest) if model.transforms else model


def transformed(
    session: Session,
    engine: Engine,
    model: CompiledModel,
    assembled: Assembled,
    asked: Narrowed,
    horizon: Duration | None,
) -> Rows:
    """Fit the transforms of what is asked for, and apply them to the rows of :func:`to_assemble`."""
    if not model.transforms:
        return Rows(narrowed(assembled, asked.outputs), model, {})
    plan = model.training_set
    assert plan is not None
    started = session.clock.monotonic()
    before = assembled_model(model, session.manifest)
    still_open = open_labels(plan, horizon, asked.known_at)
    known = f"not ({still_open})" if still_open else "true"
    parts = parts_of(before, horizon, lambda wanted: engine.scalars(assembled, wanted), known)
    label, shares = label_of(plan, still_open), _shares(model)
    rows = FitRows(learned_from(parts), label, shares)
    folds = {fold.name: FitRows(f"({learned_from(parts)}) and ({fold.train})", label, shares) for fold in parts.folds}
    wanted = asked.outputs if asked.outputs is not None else [output.name for output in plan.outputs]
    made = engine.transform(assembled, model, session.manifest, rows, wanted, folds)
    facts = {"transforms": len(made.fit.parameters), "rows": made.fit.rows}
    session.listener(Event("step", "fit transforms", seconds=session.clock.monotonic() - started, facts=facts))
    told = {name: _told(model, fit) for name, fit in made.folds.items()}
    return Rows(narrowed(made.assembled, made.names), made.model, _told(model, made.fit), told, made.folded)


def _shares(model: CompiledModel) -> dict[str, str]:
    """How target_encode deals rows into folds: rows of the same keys into the same."""
    return {
        call.token: share_of(digest_of(model.config.keys, f"{_FOLDS} {dict(call.options)['seed']}"))
        for call in model.transforms
        if call.kind == "target_encode"
    }


def _written(one: Transform, model: CompiledModel) -> str:
    return with_calls(one.call.token, model)


def _told(model: CompiledModel, fit: Fit) -> dict[str, Any]:
    """What a manifest says of transforms: each call, what was fitted, and the SQL over its argument ``x``."""
    plan = model.training_set
    assert plan is not None
    told: dict[str, dict[str, Any]] = {}
    for one in plan.transforms:
        if one.call.token in fit.parameters:
            said = told.setdefault(_written(one, model), _said(one, model, fit.parameters[one.call.token], fit.rows))
            said["outputs"] += [name for name in one.outputs if name not in said["outputs"]]
    return told


def _said(one: Transform, model: CompiledModel, parameters: Mapping[str, Any], rows: int) -> dict[str, Any]:
    options = dict(one.call.options)
    shown = {"level": "level"} if one.call.kind == "one_hot" else parameters
    return {
        "kind": one.call.kind,
        "argument": with_calls(one.call.argument, model),
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
        "outputs": list(one.outputs),
        "type": one.gives,
        "parameters": dict(parameters),
        "rows": rows,
        "sql": expression(one.call.kind, options, one.gives, shown, Named()),
    }


def with_parameters(model: CompiledModel, transforms: Mapping[str, Any]) -> CompiledModel:
    """The training set with what was fitted in the place of its transforms; those that were not are null.

    Raises:
        RunError: ``not-fitted`` where it has transforms and nothing was.
    """
    plan = model.training_set
    assert plan is not None
    if not model.transforms:
        return model
    if not transforms:
        raise RunError(
            "not-fitted",
            f"{model.name} has transforms, and no parameters of them are given.",
            model.place(),
            "they are kept with the model that learned from it: sqlfeat predict NAME.",
        )
    found = {one.call.token: transforms.get(_written(one, model)) for one in plan.transforms}
    parameters = {token: None if told is None else told["parameters"] for token, told in found.items()}
    return fitted_model(model, Fitted(parameters))
