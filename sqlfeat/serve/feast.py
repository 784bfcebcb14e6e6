"""Feast's request of online features, as its feature server answers it: ``view:column`` of entities, column by column.

A feature service is a training set here: the columns that it looks up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from sqlfeat.ops.online.entities import AskedColumns, Columns, ViewRead
from sqlfeat.ops.online.fetching import Steps
from sqlfeat.ops.online.session import EXPIRED, MISSING
from sqlfeat.serve.bodies import MOST_ROWS, answer, bad, encoded, instant, listed, mapping, read
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import Request, Response

_EPOCH = datetime(1970, 1, 1)
_NO_TIME = "1970-01-01T00:00:00Z"
_MOST_FEATURES = 1_000
_STATUSES = {MISSING: "NOT_FOUND", EXPIRED: "OUTSIDE_MAX_AGE"}


class _Asked(NamedTuple):
    """Columns that are asked for, the names that they have in the answer, and one that two of them would have."""

    columns: Columns
    names: tuple[str, ...]
    as_set: frozenset[str]
    twice: str | None


class _Result(msgspec.Struct, gc=False):
    """A column of the answer; what all columns of a view have in common is there as JSON already."""

    values: Sequence[Any]
    statuses: Any
    event_timestamps: Any


def get_online_features(served: Served, request: Request) -> Steps[tuple[Response, int]]:
    """``POST /get-online-features``."""
    session = served.session
    body = read(request)
    entities = _entities(body)
    asked = _features(served, body)
    twice = asked.twice or next((name for name in entities if name in asked.as_set), None)
    if twice is not None:
        raise bad(f"Two columns of the answer would be named {twice!r}.", "say full_feature_names: true.")
    at = instant(body.get("at"))
    columns, found = yield from session.look_up_steps(asked.columns, entities, at=at, request_id=request.asking)
    count = len(next(iter(entities.values())))
    present, no_times = _json(["PRESENT"] * count), _json([_NO_TIME] * count)
    results = [_Result(values, present, no_times) for values in entities.values()]
    results += _results(columns, found, present)
    metadata = {"feature_names": [*entities, *asked.names], "snapshot": session.snapshot}
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


def _features(served: Served, body: dict[str, Any]) -> _Asked:
    full = body.get("full_feature_names") is True
    if body.get("feature_service") is not None:
        name = body["feature_service"]
        if not isinstance(name, str):
            raise bad("feature_service is no text.")
        return _asked(tuple(served.session.features_of(name)), full)
    said = listed(body.get("features"), "features")
    if len(said) > _MOST_FEATURES:
        raise bad(f"{len(said):,} features are asked for; {_MOST_FEATURES:,} can be at a time.")
    if set(map(type, said)) - {str}:
        raise _no_feature(next(one for one in said if not isinstance(one, str)))
    return _written(tuple(said), full)


@lru_cache(maxsize=200)
def _written(features: tuple[str, ...], full: bool) -> _Asked:
    """What is asked for in Feast's way; the same list comes again and again."""
    columns = []
    for said in features:
        view, colon, column = said.partition(":")
        if not (view and colon and column):
            raise _no_feature(said)
        columns.append((view, column))
    return _asked(tuple(columns), full)


def _asked(columns: Columns, full: bool) -> _Asked:
    names = tuple(f"{view}__{column}" if full else column for view, column in columns)
    as_set = frozenset(names)
    twice = next((name for name in names if names.count(name) > 1), None) if len(as_set) < len(names) else None
    return _Asked(columns, names, as_set, twice)


def _no_feature(said: Any) -> Exception:
    return bad(f"{said!r:.60} is no feature.", 'write "view:column".')


def _results(asked: AskedColumns, found: Sequence[ViewRead], present: msgspec.Raw) -> list[_Result]:
    """The columns in the order in which they were asked for."""
    times = [_json([_written_time(read.event_time) for read in one.reads]) for one in found]
    columns = [one.values for one in found]
    if all(None not in read.values for one in found for read in one.reads):
        return [_Result(columns[view][place], present, times[view]) for view, place in asked.places]
    results = []
    for view, place in asked.places:
        values, reads = columns[view][place], found[view].reads
        statuses = [_status(value, read.status) for value, read in zip(values, reads, strict=True)]
        results.append(_Result(values, statuses, times[view]))
    return results


def _written_time(microsecond: int | None) -> str:
    """An event time in ISO 8601."""
    if microsecond is None:
        return _NO_TIME
    try:
        return f"{(_EPOCH + timedelta(microseconds=microsecond)).isoformat()}Z"
    except OverflowError:
        return _NO_TIME


def _status(value: Any, status: str) -> str:
    return "PRESENT" if value is not None else _STATUSES.get(status, "NULL_VALUE")


def _json(value: Any) -> msgspec.Raw:
    return msgspec.Raw(encoded(value))
