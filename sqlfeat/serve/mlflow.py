"""The protocol of MLflow's scoring server: data frames in, predictions out."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from sqlfeat.errors import UsageError
from sqlfeat.ops.online.fetching import Steps
from sqlfeat.serve.bodies import Rows, answer, bad, from_columns, instant, listed, mapping, read, rows_of
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import Request, Response

_FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")


def invocations(served: Served, request: Request) -> Steps[tuple[Response, int]]:
    """``POST /invocations``, of ``?model=`` or the default model."""
    session = served.session
    reference = request.query.get("model") or served.default_model
    if reference is None:
        raise UsageError(
            "bad-request", "Which model is meant?", hint="ask /invocations?model=NAME, or serve --model NAME."
        )
    body = read(request)
    rows = _rows(body)
    at = mapping(body.get("params") or {}, "params").get("at")
    found = yield from session.predict_steps(reference, rows, at=instant(at), request_id=request.asking)
    values: Any = found.predictions
    return answer({"predictions": values}), len(rows)


def _rows(body: dict[str, Any]) -> Rows:
    said = [form for form in _FORMS if form in body]
    if len(said) != 1:
        raise bad("The body has none of the forms that are known, or several.", f"send one of {', '.join(_FORMS)}.")
    value = body[said[0]]
    if said[0] == "dataframe_split":
        return _split(mapping(value, said[0]))
    if isinstance(value, dict):
        return from_columns({name: listed(values, f"inputs.{name:.60}") for name, values in value.items()}, said[0])
    return rows_of(value, said[0])


def _split(value: dict[str, Any]) -> Rows:
    columns = listed(value.get("columns"), "dataframe_split.columns")
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) != len(columns):
        raise bad("dataframe_split.columns are not names, each once.")
    rows = [listed(row, "A row of dataframe_split.data") for row in listed(value.get("data"), "dataframe_split.data")]
    if any(len(row) != len(columns) for row in rows):
        raise bad(f"A row of dataframe_split.data has not {len(columns)} values.")
    return rows_of([dict(zip(columns, row, strict=True)) for row in rows], "dataframe_split.data")


def ping(served: Served, request: Request) -> tuple[Response, int]:
    """``GET /ping``."""
    served.session  # noqa: B018 (raises where there is none)
    return Response(200, b"\n", "text/plain; charset=utf-8"), 0


def mlflow_version(served: Served, request: Request) -> tuple[Response, int]:
    """``GET /version``."""
    return Response(200, version("sqlfeat").encode(), "text/plain; charset=utf-8"), 0
