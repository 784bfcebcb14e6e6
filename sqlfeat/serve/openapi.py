"""The OpenAPI document of a server: every route, typed by the request plans of what is served now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol

from sqlfeat.errors import SqlfeatError
from sqlfeat.serve.native import described
from sqlfeat.serve.served import Served

Schema = dict[str, Any]
_INTEGERS = {
    "TINYINT": (-(2**7), 2**7 - 1), "SMALLINT": (-(2**15), 2**15 - 1), "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1), "UTINYINT": (0, 2**8 - 1), "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1), "UBIGINT": (0, 2**64 - 1),
}  # fmt: skip
_ERRORS = {
    "400": "a request that cannot be read", "401": "the token is missing or wrong", "404": "no such thing",
    "405": "another method", "408": "the request came too slowly", "409": "what is published does not serve it",
    "413": "the body is too long", "415": "the body is no JSON", "421": "the server is called otherwise",
    "422": "values that are none of their column",
    "431": "the head is too long", "503": "too much to do, or nothing to answer from; ask again",
}  # fmt: skip
_STATUSES: Schema = {
    "type": "object",
    "description": "what became of each lookup, by its view",
    "additionalProperties": {"enum": ["found", "expired", "missing"]},
}
_OBJECT: Schema = {"type": "object"}
_AT: Schema = {"type": ["string", "null"], "description": "as of this instant instead of now, in ISO 8601"}


class Routed(Protocol):
    """What must be known of a route."""

    @property
    def method(self) -> str: ...
    @property
    def template(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def answer(self) -> Any: ...


def document(served: Served, routes: Sequence[Routed], *, has_token: bool) -> Schema:
    """The document, of OpenAPI 3.1."""
    there = described(served)
    known = {"training_set": list(there["training_sets"])[:1], "model": list(there["models"])[:1], "version": ["1"]}
    paths: dict[str, Any] = {}
    for route in routes:
        operation = _operation(route, has_token, known)
        paths.setdefault(route.template, {})[route.method.lower()] = operation
    for name, one in there["training_sets"].items():
        if "problem" not in one:
            paths[f"/features/{name}"] = {"post": _features(name, one, has_token)}
    for name, model in there["models"].items():
        for reference in (name, *(f"{name}@{alias}" for alias in model.get("aliases", ()))):
            try:
                plan = served.session.plan_of(reference)
            except SqlfeatError:
                continue  # what is wrong with it stands in the metadata
            one = {"request": plan.columns, "as_of": [plan.as_of[0]]}
            paths[f"/predict/{reference}"] = {"post": _predict(reference, one, has_token)}
    schemes = {"token": {"type": "http", "scheme": "bearer"}} if has_token else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{there['project']} (sqlfeat)", "version": version("sqlfeat")},
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}, "securitySchemes": schemes},
    }


_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "hint": {"type": ["string", "null"]},
            },
        }
    },
}
_FAILURES: Mapping[str, Schema] = {
    "sqlfeat": {"$ref": "#/components/schemas/Error"},
    "oip": {"type": "object", "properties": {"error": {}}, "required": ["error"]},
    "mlflow": {"type": "object"},
}


def _operation(route: Routed, has_token: bool, known: Mapping[str, Sequence[str]]) -> Schema:
    words = re.findall(r"{(\w+)}", route.template)
    made: Schema = {
        "summary": _summary(route),
        "parameters": [_in_path(word, known[word]) for word in words],
        "responses": {"200": {"description": "the answer", **_content(route)}, **_failures(route.protocol)},
    }
    if route.template == "/invocations":
        made["parameters"].append({"name": "model", "in": "query", "schema": {"type": "string"}})
    if route.method == "POST":
        made["requestBody"] = _body(_BODIES.get(route.template, _OBJECT))
    if has_token and not route.is_open:
        made["security"] = [{"token": []}]
    return made


def _in_path(word: str, known: Sequence[str]) -> Schema:
    made: Schema = {"name": word, "in": "path", "required": True, "schema": {"type": "string"}}
    return {**made, "example": known[0]} if known else made


def _summary(route: Routed) -> str:
    told = {"/metrics": "Figures for Prometheus.", "/openapi.json": "This document."}
    line = (route.answer.__doc__ or "").strip().splitlines()
    return told.get(route.template) or (line[0] if line else route.template)


def _content(route: Routed) -> Schema:
    if route.template in ("/metrics", "/version", "/ping"):
        return {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"content": {"application/json": {"schema": _OBJECT}}}


def _failures(protocol: str) -> Schema:
    content = {"application/json": {"schema": _FAILURES[protocol]}}
    return {status: {"description": why, "content": content} for status, why in _ERRORS.items()}


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


_VALUES: Schema = {"type": "array", "items": {}}
_INFER: Schema = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": _OBJECT,
        "inputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"type": "string"},
                    "data": _VALUES,
                },
            },
        },
        "outputs": {"type": "array", "items": _OBJECT},
    },
}
_PUSH: Schema = {
    "oneOf": [
        {
            "type": "object",
            "required": ["view", "rows"],
            "properties": {
                "view": {"type": "string", "description": "a feature view, or its source: SOURCE.TABLE"},
                "rows": {"type": "array", "items": _OBJECT, "description": "rows of the source that it is made of"},
            },
        },
        {
            "type": "object",
            "required": ["push_source_name", "df"],
            "properties": {
                "push_source_name": {"type": "string"},
                "df": {"type": "object", "additionalProperties": _VALUES},
                "to": {"enum": ["online", "offline", "online_and_offline"]},
            },
        },
    ]
}
_BODIES: Mapping[str, Schema] = {
    "/push": _PUSH,
    "/write-to-online-store": {
        "type": "object",
        "required": ["feature_view_name", "df"],
        "properties": {
            "feature_view_name": {"type": "string"},
            "df": {"type": "object", "additionalProperties": _VALUES},
        },
    },
    "/get-online-features": {
        "type": "object",
        "required": ["entities"],
        "properties": {
            "features": {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:.+$"}},
            "feature_service": {"type": ["string", "null"]},
            "entities": {"type": "object", "additionalProperties": _VALUES, "minProperties": 1},
            "full_feature_names": {"type": "boolean"},
            "at": _AT,
        },
    },
    "/invocations": {
        "type": "object",
        "properties": {
            "dataframe_split": {
                "type": "object",
                "required": ["columns", "data"],
                "properties": {
                    "columns": {"type": "array", "items": {"type": "string"}},
                    "data": {"type": "array", "items": _VALUES},
                },
            },
            "dataframe_records": {"type": "array", "items": _OBJECT},
            "inputs": {"type": ["array", "object"]},
            "instances": {"type": ["array", "object"]},
            "params": _OBJECT,
        },
    },
    "/v2/models/{model}/infer": _INFER,
    "/v2/models/{model}/versions/{version}/infer": _INFER,
}


def _features(name: str, one: Mapping[str, Any], has_token: bool) -> Schema:
    values = _record(one["features"])
    answered = {
        "training_set": {"const": name},
        "snapshot": {"type": "integer"},
        "features": {"oneOf": [values, {"type": "array", "items": values}]},
        "statuses": {"oneOf": [_STATUSES, {"type": "array", "items": _STATUSES}]},
    }
    needed = list(answered)
    if "fitted_on" in one:
        answered["fitted_on"] = {"type": "string", "description": "The training set that transforms were fitted on."}
    return _typed(f"The model inputs of {name}.", one, answered, needed, has_token)


def _predict(reference: str, one: Mapping[str, Any], has_token: bool) -> Schema:
    probabilities: Schema = {"type": "object", "additionalProperties": {"type": "number"}}
    answered = {
        "model": {"type": "string"},
        "version": {"type": "integer"},
        "snapshot": {"type": "integer"},
        "prediction": {},
        "predictions": {"type": "array"},
        "probabilities": {"oneOf": [probabilities, {"type": "array", "items": probabilities}]},
        "statuses": {"oneOf": [_STATUSES, {"type": "array", "items": _STATUSES}]},
    }
    needed = ["model", "version", "snapshot", "statuses"]
    return _typed(f"Predictions of {reference}.", one, answered, needed, has_token)


def _typed(summary: str, one: Mapping[str, Any], answered: Schema, needed: Iterable[str], has_token: bool) -> Schema:
    row = _record({**one["request"]}, required=True)
    row["properties"] |= {name: {**_AT} for name in one["as_of"]}
    many = {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": row}, "at": _AT},
    }
    single = {**row, "properties": {"at": _AT, **row["properties"]}, "not": {"required": ["rows"]}}
    schema = {"type": "object", "required": list(needed), "properties": answered}
    made: Schema = {
        "summary": summary,
        "parameters": [{"name": "at", "in": "query", "schema": {"type": "string"}, "description": _AT["description"]}],
        "requestBody": _body({"anyOf": [single, many]}),
        "responses": {
            "200": {"description": "the answer", "content": {"application/json": {"schema": schema}}},
            **_failures("sqlfeat"),
        },
    }
    if has_token:
        made["security"] = [{"token": []}]
    return made


def _record(columns: Mapping[str, str], *, required: bool = False) -> Schema:
    made: Schema = {"type": "object", "properties": {name: schema_of(kind) for name, kind in columns.items()}}
    return {**made, "required": list(columns)} if required else made


def schema_of(kind: str) -> Schema:
    """A value of a DuckDB type, or null, as requests and answers have it."""
    if kind in _INTEGERS:
        least, most = _INTEGERS[kind]
        return {"type": ["integer", "null"], "minimum": least, "maximum": most}
    if kind in ("FLOAT", "DOUBLE"):
        return {"anyOf": [{"type": ["number", "null"]}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    if kind == "BOOLEAN":
        return {"type": ["boolean", "null"]}
    if kind.endswith("]"):
        return {"type": ["array", "null"], "description": kind}
    if kind.startswith(("STRUCT", "MAP")):
        return {"type": ["object", "null"], "description": kind}
    if kind.startswith(("DECIMAL", "HUGEINT", "UHUGEINT")):
        return {"type": ["number", "string", "null"], "description": kind}
    if kind == "VARCHAR":
        return {"type": ["string", "null"]}
    return {"type": ["string", "object", "null"], "description": kind}
