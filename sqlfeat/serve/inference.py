"""The Open Inference Protocol, version 2, over REST: tensors of one column each in, a tensor of predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.online.fetching import Steps
from sqlfeat.serve.bodies import answer, bad, from_columns, instant, listed, mapping, read
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import Request, Response
from sqlfeat.store.registry import ModelVersion, registered_model
from sqlfeat.store.signature import PROBABILITIES

DATATYPES = {
    "BOOLEAN": "BOOL", "TINYINT": "INT8", "SMALLINT": "INT16", "INTEGER": "INT32", "BIGINT": "INT64",
    "UTINYINT": "UINT8", "USMALLINT": "UINT16", "UINTEGER": "UINT32", "UBIGINT": "UINT64", "FLOAT": "FP32",
    "DOUBLE": "FP64",
}  # fmt: skip
"""DuckDB's types and the protocol's; whatever else there is goes as text (BYTES)."""
_KNOWN = {*DATATYPES.values(), "BYTES", "FP16", "BF16"}


def server(served: Served, request: Request) -> tuple[Response, int]:
    """``GET /v2``."""
    return answer({"name": "sqlfeat", "version": version("sqlfeat"), "extensions": []}), 0


def live(served: Served, request: Request) -> tuple[Response, int]:
    """``GET /v2/health/live``."""
    return answer({"live": True}), 0


def ready(served: Served, request: Request) -> tuple[Response, int]:
    """``GET /v2/health/ready``."""
    return answer({"ready": served.ready}, 200 if served.ready else 503), 0


def model(served: Served, request: Request, name: str, wanted: str | None = None) -> tuple[Response, int]:
    """``GET /v2/models/{name}`` and ``/v2/models/{name}/versions/{version}``."""
    session = served.session
    reference = _reference(name, wanted)
    found, columns = session.model(reference), session.plan_of(reference).columns
    versions = registered_model(served.project.spec.registry, found.name).current
    return answer(
        {
            "name": found.name,
            "versions": [str(one.version) for one in versions],
            "platform": f"sqlfeat_{found.codec}",
            "inputs": [_tensor(name, DATATYPES.get(kind, "BYTES")) for name, kind in columns.items()],
            "outputs": _outputs(found),
        }
    ), 0


def model_ready(served: Served, request: Request, name: str, wanted: str | None = None) -> tuple[Response, int]:
    """``GET /v2/models/{name}/ready``."""
    reference = _reference(name, wanted)
    try:
        served.session.model(reference)
    except SqlfeatError as error:
        if error.code in ("no-such-registered-model", "no-such-version", "bad-reference"):
            raise
        return answer({"name": name, "ready": False}, 503), 0
    return answer({"name": name, "ready": True}), 0


def infer(served: Served, request: Request, name: str, wanted: str | None = None) -> Steps[tuple[Response, int]]:
    """``POST /v2/models/{name}/infer``."""
    session = served.session
    reference = _reference(name, wanted)
    of = session.model(reference)
    if "inference-header-content-length" in request.headers:
        raise bad("Tensors are read as JSON; the binary extension is not known here.")
    body = read(request)
    columns = {}
    for number, given in enumerate(listed(body.get("inputs"), "inputs"), 1):
        tensor = mapping(given, f"Input {number}")
        if not isinstance(tensor.get("name"), str) or tensor["name"] in columns:
            raise bad(f"Input {number} has no name, or one that another has.")
        columns[tensor["name"]] = _values(tensor)
    if not columns:
        raise bad("There are no inputs.", "give a tensor for each column that GET /v2/models/NAME names.")
    asked = _asked_outputs(body, of)
    rows = from_columns(columns, "inputs")
    at = mapping(body.get("parameters") or {}, "parameters").get("at")
    found = yield from session.predict_steps(reference, rows, at=instant(at), request_id=request.asking)
    said = {"model_name": found.name, "model_version": str(found.version)}
    if isinstance(body.get("id"), str):
        said["id"] = body["id"]
    outputs = []
    for tensor in asked:
        if tensor["name"] == "prediction":
            outputs.append({**tensor, "shape": [len(rows)], "data": found.predictions})
        else:
            numbers = [number for row in found.probabilities or () for number in row.values()]
            outputs.append({**tensor, "shape": [len(rows), tensor["shape"][1]], "data": numbers})
    return answer({**said, "outputs": outputs}), len(rows)


def _reference(name: str, wanted: str | None) -> str:
    return name if wanted is None else f"{name}@{wanted}"


def _tensor(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1]}


def _outputs(found: ModelVersion) -> list[dict[str, Any]]:
    classes = found.signature.output.classes or ()
    if found.signature.output.kind != PROBABILITIES:
        return [_tensor("prediction", "FP64")]
    kinds = {type(one) for one in classes}
    datatype = {bool: "BOOL", int: "INT64", float: "FP64"}.get(kinds.pop(), "BYTES") if len(kinds) == 1 else "BYTES"
    return [_tensor("prediction", datatype), {**_tensor("probabilities", "FP64"), "shape": [-1, len(classes)]}]


def _asked_outputs(body: dict[str, Any], of: ModelVersion) -> list[dict[str, Any]]:
    there = {one["name"]: one for one in _outputs(of)}
    if not body.get("outputs"):
        return list(there.values())
    asked = []
    for said in listed(body["outputs"], "outputs"):
        name = mapping(said, "An output").get("name")
        if not isinstance(name, str) or name not in there:
            raise bad(f"There is no output {name!r:.60}.", f"there is {', '.join(there)}.")
        asked.append(there[name])
    return asked


def _values(tensor: dict[str, Any]) -> Sequence[Any]:
    """The values of a column: a tensor of the shape [n] or [n, 1]."""
    name, shape = tensor["name"], tensor.get("shape")
    if not isinstance(tensor.get("datatype"), str) or tensor["datatype"] not in _KNOWN:
        raise bad(f"The datatype of {name!r:.60} is none of {', '.join(sorted(_KNOWN))}.")
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise bad(f"The shape of {name!r:.60} is no list of whole numbers.")
    data = listed(tensor.get("data"), f"The data of {name!r:.60}")
    if len(shape) == 2 and shape[1] == 1 and data and all(isinstance(one, list) and len(one) == 1 for one in data):
        data = [one[0] for one in data]
    if shape not in ([len(data)], [len(data), 1]):
        raise bad(f"The shape of {name!r:.60} is not that of its data, [{len(data)}] or [{len(data)}, 1].")
    return data
