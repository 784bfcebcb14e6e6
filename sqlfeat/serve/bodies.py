"""What stands in requests and answers, whatever protocol they speak: JSON, rows, instants, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sqlfeat.errors import ProjectError, RunError, SqlfeatError, StoreError, UsageError
from sqlfeat.serve.served import told
from sqlfeat.serve.wire import JSON, Request, Response

MOST_ROWS = 10_000
Rows = Sequence[Mapping[str, Any]]

_STATUS = {
    "bad-request": 400,
    "bad-reference": 404,
    "unknown-route": 404,
    "unknown-training-set": 404,
    "unknown-feature": 404,
    "no-such-registered-model": 404,
    "no-such-version": 404,
    "wrong-method": 405,
    "wrong-content-type": 415,
    "not-published": 409,
    "not-pushable": 409,
    "unknown-view": 404,
    "missing-input": 409,
}
_decode = msgspec.json.Decoder().decode
encoded = msgspec.json.Encoder().encode


def status_of(error: SqlfeatError) -> int:
    """The HTTP status of an error of ours."""
    if error.code in _STATUS:
        return _STATUS[error.code]
    if isinstance(error, StoreError):
        return 503
    if isinstance(error, ProjectError):
        return 409
    return 422 if isinstance(error, (UsageError, RunError)) else 503


def failure(error: SqlfeatError, status: int | None = None, **headers: str) -> Response:
    """An error as an answer."""
    status = status or status_of(error)
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    retry = (("retry-after", "1"),) if status == 503 and "retry_after" not in headers else ()
    return Response(status, encoded({"error": told(error)}), headers=(*named, *retry), code=error.code)


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(status, encoded(value))


def bad(what: str, hint: str | None = None) -> UsageError:
    return UsageError("bad-request", what, hint=hint)


def read(request: Request) -> dict[str, Any]:
    """The object in a request's body."""
    said = request.headers.get("content-type", JSON)
    kind = said if said == JSON else said.partition(";")[0].strip().lower()
    if kind != JSON:
        what = f"The body is {kind[:60]!r}, and is read as JSON."
        raise UsageError("wrong-content-type", what, hint="send the header content-type: application/json.")
    if "content-encoding" in request.headers:
        raise UsageError("wrong-content-type", "The body is encoded.", hint="send it as it is.")
    try:
        body = _decode(request.body)
    except (ValueError, RecursionError) as error:
        text = str(error).partition(" while ")[0]
        raise bad(f"The body is no JSON: {text.rstrip('.')}.") from None
    return mapping(body, "The body")


def mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(f"{what} is no JSON object.")
    return value


def listed(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad(f"{what} is no list.")
    return value


def rows_of(value: Any, what: str) -> Rows:
    """A list of objects."""
    rows = listed(value, what)
    if len(rows) > MOST_ROWS:
        raise bad(f"{what} has {len(rows):,} rows; {MOST_ROWS:,} can be asked for at a time.")
    return [mapping(row, f"Row {number} of {what}") for number, row in enumerate(rows, 1)]


def from_columns(columns: Mapping[str, Sequence[Any]], what: str) -> Rows:
    """Columns of equal length as rows."""
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise bad(f"The columns of {what} are of different lengths.")
    names = list(columns)
    made = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows_of(made, what)


def instant(value: Any) -> datetime | None:
    """``at`` of a request."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        what = f"at is {value!r:.60}, which is no instant."
        raise UsageError("bad-request-value", what, hint="write it in ISO 8601: 2024-05-01T12:00:00Z") from None
