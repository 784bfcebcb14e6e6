"""sqlfeat's own requests: features of a training set, predictions of a model, and what there is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.online.fetching import Steps
from sqlfeat.ops.online.session import ServedPredictions
from sqlfeat.serve.bodies import Rows, answer, instant, read, rows_of
from sqlfeat.serve.served import Served, written
from sqlfeat.serve.wire import Request, Response


def features(served: Served, request: Request, training_set: str) -> Steps[tuple[Response, int]]:
    """``POST /features/{training_set}``."""
    session = served.session
    rows, one, at = _asked(read(request), request, session.request_columns(training_set))
    snapshot, planned, answers = yield from session.features_steps(training_set, rows, at, request.asking)
    shown: Any = planned.shown(answers[0]) if one else list(map(planned.shown, answers))
    statuses: Any = planned.statuses(answers[0]) if one else list(map(planned.statuses, answers))
    body = {"training_set": training_set, "snapshot": snapshot, "features": shown, "statuses": statuses}
    if planned.plan.fitted_on is not None:
        body["fitted_on"] = planned.plan.fitted_on
    return answer(body), len(rows)


def predict(served: Served, request: Request, reference: str) -> Steps[tuple[Response, int]]:
    """``POST /predict/{model}``."""
    session = served.session
    rows, one, at = _asked(read(request), request, session.plan_of(reference).columns)
    found = yield from session.predict_steps(reference, rows, at=at, request_id=request.asking)
    body: dict[str, Any] = {"model": found.name, "version": found.version, "snapshot": found.snapshot}
    if one:
        body["prediction"] = found.predictions[0]
        if found.probabilities is not None:
            body["probabilities"] = found.probabilities[0]
        body["statuses"] = found.statuses[0]
    else:
        body |= {"predictions": found.predictions, **_probabilities(found), "statuses": found.statuses}
    return answer(body), len(rows)


def _probabilities(found: ServedPredictions) -> dict[str, Any]:
    return {} if found.probabilities is None else {"probabilities": found.probabilities}


def _asked(body: dict[str, Any], request: Request, columns: Mapping[str, str]) -> tuple[Rows, bool, datetime | None]:
    """The rows that a body asks for, whether it is one that stands by itself, and as of when."""
    at = body.get("at") if "at" not in columns else None
    if at is None and "?" in request.target:
        at = request.query.get("at")
    one = "rows" not in body or "rows" in columns
    return [body] if one else rows_of(body["rows"], "rows"), one, None if at is None else instant(at)


def metadata(served: Served, request: Request) -> tuple[Response, int]:
    """``GET /``: what can be asked for."""
    return answer(described(served)), 0


def described(served: Served) -> dict[str, Any]:
    """The training sets with what they ask for and give, the models, the snapshot."""
    session = served.session
    sets: dict[str, Any] = {}
    for name in served.training_sets():
        try:
            column, kind = session.as_of_column(name)
            sets[name] = {
                "request": session.request_columns(name),
                "as_of": {column: kind},
                "features": session.outputs(name),
                "slow": session.slow(name),
            }
            fitted_on = session.fitted_on(name)
            sets[name] |= {} if fitted_on is None else {"fitted_on": fitted_on}
        except SqlfeatError as error:
            sets[name] = {"problem": served.told(error)}
    models = served.models()
    for name, model in models.items():
        try:
            model["training_set"] = session.plan_of(name).training_set
        except SqlfeatError as error:
            model["problem"] = served.told(error)
    return {
        "project": served.project.spec.name,
        "sqlfeat": version("sqlfeat"),
        "snapshot": session.snapshot,
        "as_of": written(session.as_of),
        "default_model": served.default_model,
        "training_sets": sets,
        "models": models,
    }
