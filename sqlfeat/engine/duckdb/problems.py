"""DuckDB's errors in our words: what was wrong, where in the text, and what was probably meant."""

from __future__ import annotations

import json
import re
from typing import Any

import duckdb

from sqlfeat.compiler.catalog import SqlProblem

_KINDS = {"Parser": "syntax", "Catalog": "table", "Conversion": "type", "Out of Memory": "memory"}
_SUBTYPES = {
    "SYNTAX_ERROR": "syntax", "COLUMN_NOT_FOUND": "column", "MISSING_ENTRY": "table", "NO_MATCHING_FUNCTION": "type",
}  # fmt: skip


def problem_of(error: duckdb.Error, sql: str, shift: int = 0) -> SqlProblem:
    """The error as a :class:`SqlProblem`; ``shift`` is where the asked text begins inside ``sql``.

    Connections are opened with ``errors_as_json``; DuckDB counts positions in bytes.
    """
    facts = facts_of(error)
    message = str(facts.get("exception_message") or error)
    kind = _SUBTYPES.get(str(facts.get("error_subtype")), _KINDS.get(str(facts.get("exception_type")), "other"))
    if kind == "table" and str(facts.get("type", "")).endswith("Function"):
        kind = "function"
    offset, length = _location(facts)
    if offset is not None:
        encoded = sql.encode()
        start = len(encoded[:offset].decode(errors="ignore"))
        length = max(1, len(encoded[offset : offset + length].decode(errors="ignore")))
        offset = start - shift if start >= shift else None
    candidates = _names(str(facts.get("candidates") or ""))
    name = str(facts["name"]) if facts.get("name") else None
    for pattern, found_kind in ((_COLUMN_OF, "column"), (_ALIAS, "alias"), (_NO_AGGREGATE, "no aggregate")):
        match = pattern.match(message)
        if match:
            kind, name = found_kind, match["name"]
            candidates = _names(match.groupdict().get("candidates") or "")
    if kind == "table" and not name:
        kind = "other"
    if kind == "column" and name and offset is not None and sql[offset + shift :][:length].endswith(name):
        offset, length = offset + length - len(name), len(name)
    return SqlProblem(
        _sentence(message, kind, name), kind, offset=offset, length=length, name=name, candidates=candidates
    )


_COLUMN_OF = re.compile(
    r'Table "[^"]*" does not have a column named "(?P<name>[^"]*)"(?:\s+Candidate bindings: :?(?P<candidates>.*))?',
    re.S,
)
_NO_AGGREGATE = re.compile(r"(?P<name>\w+) is not an aggregate function")
_CSV = re.compile(
    r"CSV Error on Line: (?P<line>\d+)\n(?:Original Line:.*?\n)?(?P<why>"
    r"(?:Error when |Expected |Value |Maximum |Invalid |The )[^\n]*).*?\n\s*file = (?P<file>[^\n]*)",
    re.S,
)
_ALIAS = re.compile(r'Referenced table "(?P<name>[^"]*)" not found!(?:\s+Candidate tables: (?P<candidates>.*))?', re.S)


def _names(listed: str) -> list[str]:
    return [name.strip().strip('"') for name in listed.split(",") if name.strip()]


def facts_of(error: duckdb.Error) -> dict[str, Any]:
    """The error's JSON, or nothing where DuckDB gave plain text."""
    text = str(error)
    start = text.find("{")
    if start < 0:
        return {}
    try:
        facts = json.loads(text[start:])
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def message_of(error: duckdb.Error) -> str:
    """The error's first sentence, without JSON."""
    return str(facts_of(error).get("exception_message") or error).split("\n")[0]


def _location(facts: dict[str, Any]) -> tuple[int | None, int]:
    try:
        offset, length = json.loads(str(facts.get("location")))
        return int(offset), int(length)
    except (ValueError, TypeError):
        pass
    position = facts.get("position")
    return (int(position), 1) if position is not None and str(position).isdigit() else (None, 1)


def _sentence(message: str, kind: str, name: str | None) -> str:
    """The first line says it; candidates are told in the hint."""
    if kind == "column" and name:
        return f"There is no column {name!r} here"
    if kind in ("table", "function") and name:
        return f"There is no {kind} {name!r}"
    if kind == "no aggregate":
        return f"{name!r} is no aggregate"
    if kind == "alias" and name:
        return f"There is no table {name!r} in this SELECT"
    found = _CSV.match(message)
    if found:
        return f"Line {found['line']} of {found['file'].strip()}: {found['why'].strip().rstrip('.')}"
    first = message.split("\n")[0].split("You might need")[0].strip()
    return first.rstrip(".")
