"""Plain values held against the JSON schemas that OpenLineage publishes: as much of JSON Schema as these use.

A keyword that is not known here fails, so nothing goes unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

FOLDER = Path(__file__).parent / "schemas"
_SAYS_NOTHING = {
    "$schema", "$id", "$defs", "description", "example", "examples", "title", "deprecated", "default", "version",
}  # fmt: skip
_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}


@cache
def documents() -> Mapping[str, Any]:
    """The schemas by their ids."""
    found = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    return {one["$id"]: one for one in found}


def problems_of(event: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event, facets by the schemas that they name included."""
    found = list(_against(event, event["schemaURL"], "event"))
    for where, facet in facets_of(event):
        found += _against(facet, facet["_schemaURL"], where)
    return found


def facets_of(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The facets of an event with their places."""
    holders = [("run", event["run"]), ("job", event["job"])]
    for side in ("inputs", "outputs"):
        holders += [(f"{side}[{place}]", one) for place, one in enumerate(event[side])]
    for where, holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from ((f"{where}.{kind}.{name}", facet) for name, facet in holder.get(kind, {}).items())


def _against(value: Any, reference: str, where: str, base: str = "") -> Iterator[str]:
    address, _, pointer = reference.partition("#")
    document = schema = documents()[address or base]
    for part in pointer.strip("/").split("/"):
        schema = schema[part] if part else schema
    yield from _checked(value, schema, where, document["$id"])


def _checked(value: Any, schema: Mapping[str, Any], where: str, base: str) -> Iterator[str]:
    for keyword, said in schema.items():
        if keyword not in _SAYS_NOTHING:
            yield from _KEYWORDS[keyword](value, said, schema, where, base)


def _type(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    if not isinstance(value, _TYPES[said]) or (said in ("integer", "number") and isinstance(value, bool)):
        yield f"{where} is no {said}"


def _required(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    yield from (f"{where} lacks {name}" for name in said if isinstance(value, dict) and name not in value)


def _properties(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    for name, own in said.items():
        if isinstance(value, dict) and name in value:
            yield from _checked(value[name], own, f"{where}.{name}", base)


def _additional(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    more = [name for name in value if name not in schema.get("properties", {})] if isinstance(value, dict) else []
    if said is False:
        yield from (f"{where} must not have {name}" for name in more)
    elif said is not True:
        for name in more:
            yield from _checked(value[name], said, f"{where}.{name}", base)


def _items(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    for place, one in enumerate(value if isinstance(value, list) else []):
        yield from _checked(one, said, f"{where}[{place}]", base)


def _all(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    for one in said:
        yield from _checked(value, one, where, base)


def _any(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    tried = [list(_checked(value, one, where, base)) for one in said]
    if all(tried):
        yield from tried[0]


def _enum(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    if value not in said:
        yield f"{where} is none of {said}"


def _reference(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    yield from _against(value, said, where, base)


def _format(value: Any, said: Any, schema: Any, where: str, base: str) -> Iterator[str]:
    try:
        fits = _FORMATS[said](value)
    except ValueError:
        fits = False
    if not fits:
        yield f"{where} is no {said}: {value!r}"


_FORMATS: Mapping[str, Callable[[str], object]] = {
    "uuid": UUID,
    "date-time": lambda value: datetime.fromisoformat(value).tzinfo,
    "uri": lambda value: urlsplit(value).scheme,
}
_KEYWORDS = {
    "type": _type, "required": _required, "properties": _properties, "additionalProperties": _additional,
    "items": _items, "allOf": _all, "anyOf": _any, "enum": _enum, "$ref": _reference, "format": _format,
}  # fmt: skip
