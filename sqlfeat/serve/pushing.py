"""New rows of a source: as rows, or column by column as Feast's push server takes them."""

from __future__ import annotations

from typing import Any

from sqlfeat.serve.bodies import Rows, answer, bad, from_columns, listed, mapping, read, rows_of
from sqlfeat.serve.served import Served
from sqlfeat.serve.wire import Request, Response

_PLACES = ("online", "offline", "online_and_offline")


def push(served: Served, request: Request) -> tuple[Response, int]:
    """``POST /push``: new rows of a view's source, seen at once, and kept for the next run."""
    name, rows = _asked(read(request))
    pushed = served.session.push(name, rows)
    return answer({"status": "pushed", **pushed.as_dict()}), len(rows)


def write_to_online_store(served: Served, request: Request) -> tuple[Response, int]:
    """``POST /write-to-online-store``: what a Feast client sends where it pushes: rows, column by column, of a view."""
    body = read(request)
    rows = from_columns(_columns(body), "df")
    served.session.push(_text(body.get("feature_view_name"), "feature_view_name"), rows, as_feast=True)
    return answer(None), len(rows)


def _columns(body: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: listed(values, f"df.{name:.60}") for name, values in mapping(body.get("df"), "df").items()}


def _asked(body: dict[str, Any]) -> tuple[str, Rows]:
    """Whose rows, and which. Wherever Feast's ``to`` says: what is online and what is offline never part here."""
    if "push_source_name" not in body and "df" not in body:
        return _text(body.get("view"), "view"), rows_of(body.get("rows"), "rows")
    if body.get("to", "online") not in _PLACES:
        raise bad(f"to is {body['to']!r:.60}.", f"it is one of {', '.join(_PLACES)}.")
    return _text(body.get("push_source_name"), "push_source_name"), from_columns(_columns(body), "df")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise bad(f"{name} is no text.", 'write {"view": "spending", "rows": [{"customer": "ann", …}]}.')
    return value
