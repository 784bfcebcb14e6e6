"""Feast's request of online features, as its feature server answers it: ``view:column`` of entities, column by column.

A feature service is a training set here: the columns that it looks up.
"""

from __future__ import annotations

from typing import Any

from sqlfeat.ops.online.session import EXPIRED, MISSING, EntityFeatures
from sqlfeat.serve.bodies import MOST_ROWS, answer, bad, instant, listed, mapping, read
from sqlfeat.serve.served import Served, written
from sqlfeat.serve.wire import Request, Response

_NO_TIME = "1970-01-01T00:00:00Z"
_MOST_FEATURES = 1_000


def get_online_features(served: Served, request: Request) -> tuple[Response, int]:
    """``POST /get-online-features``."""
    session = served.session
    body = read(request)
    entities = _entities(body)
    asked = _features(served, body)
    full = body.get("full_feature_names") is True
    names = [f"{view}__{column}" if full else column for view, column in asked]
    twice = next((name for name in names if names.count(name) > 1 or name in entities), None)
    if twice is not None:
        raise bad(f"Two columns of the answer would be named {twice!r}.", "say full_feature_names: true.")
    found = session.look_up(asked, entities, at=instant(body.get("at")), request_id=request.asking)
    count = len(next(iter(entities.values())))
    results: list[dict[str, Any]] = [
        {"values": values, "statuses": ["PRESENT"] * count, "event_timestamps": [_NO_TIME] * count}
        for values in entities.values()
    ]
    results += [_result(one) for one in found]
    metadata = {"feature_names": [*entities, *names], "snapshot": session.snapshot}
    return answer({"metadata": metadata, "results": results}), count


def _entities(body: dict[str, Any]) -> dict[str, list[Any]]:
    """Entities column by column; Feast's clients send ``{"val": [...]}`` too."""
    said = mapping(body.get("entities"), "entities")
    found = {}
    for name, values in said.items():
        inside = values.get("val") if isinstance(values, dict) else values
        found[name] = listed(inside, f"entities.{name:.60}")
    lengths = {len(values) for values in found.values()}
    if len(lengths) != 1:
        raise bad(
            "The entities are none, or of different lengths.", 'write {"entities": {"customer": ["ann", "bob"]}}.'
        )
    if max(lengths) > MOST_ROWS:
        raise bad(f"{max(lengths):,} entities are asked for; {MOST_ROWS:,} can be at a time.")
    return found


def _features(served: Served, body: dict[str, Any]) -> list[tuple[str, str]]:
    if body.get("feature_service") is not None:
        name = body["feature_service"]
        if not isinstance(name, str):
            raise bad("feature_service is no text.")
        return served.session.features_of(name)
    asked = []
    for said in listed(body.get("features"), "features"):
        view, colon, column = said.partition(":") if isinstance(said, str) else ("", "", "")
        if not (view and colon and column):
            raise bad(f"{said!r:.60} is no feature.", 'write "view:column".')
        asked.append((view, column))
    if len(asked) > _MOST_FEATURES:
        raise bad(f"{len(asked):,} features are asked for; {_MOST_FEATURES:,} can be at a time.")
    return asked


def _result(one: EntityFeatures) -> dict[str, Any]:
    statuses = [_status(value, status) for value, status in zip(one.values, one.statuses, strict=True)]
    times = [_NO_TIME if time is None else written(time) for time in one.event_times]
    return {"values": one.values, "statuses": statuses, "event_timestamps": times}


def _status(value: Any, status: str) -> str:
    if value is not None:
        return "PRESENT"
    return {MISSING: "NOT_FOUND", EXPIRED: "OUTSIDE_MAX_AGE"}.get(status, "NULL_VALUE")
