"""Dates and times out of text: the plain forms. Whatever else has a digit in it is left to DuckDB."""

from __future__ import annotations

import re

from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered, unconvertible
from sqlfeat.compiler.expressions.running.instants import DAY, SECOND, days_of

_SPACE = "[ \\t\\n\\v\\f\\r]*"
_DAY = "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
_CLOCK = "([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\\.([0-9]{1,6}))?)?"
_DATE = re.compile(f"{_SPACE}{_DAY}{_SPACE}")
_INSTANT = re.compile(f"{_DAY}(?:[ T]{_CLOCK}(?:Z|\\+00(?::00)?)?)?")
_TIME = re.compile(f"{_CLOCK}")
_SPECIAL = re.compile(f"{_SPACE}[-+]?(?:inf|epoch)", re.IGNORECASE)


def _refuse(text: str, name: str) -> None:
    """An error where no date can be meant; otherwise it is DuckDB's to say."""
    if re.search("[0-9]", text) or _SPECIAL.match(text):
        raise NotCovered
    raise unconvertible(text, name)


def date_of_text(text: str) -> int:
    match = _DATE.fullmatch(text)
    if match is None:
        _refuse(text, "DATE")
        raise NotCovered
    return _days(text, match)


def _days(text: str, match: re.Match[str]) -> int:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not year:
        raise NotCovered
    try:
        return days_of(year, month, day)
    except ExpressionError:
        raise unconvertible(text, "DATE") from None


def timestamp_of_text(text: str) -> int:
    match = _INSTANT.fullmatch(text)
    if match is None:
        _refuse(text, "TIMESTAMP")
        raise NotCovered
    days = _days(text, match)
    return days * DAY + (_clock(match, 4) if match[4] else 0)


def instant_of_text(text: str) -> int:
    """A TIMESTAMP WITH TIME ZONE, where the text has no zone or UTC."""
    return timestamp_of_text(text)


def time_of_text(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        _refuse(text, "TIME")
        raise NotCovered
    return _clock(match, 1)


def _clock(match: re.Match[str], first: int) -> int:
    hour, minute, second = int(match[first]), int(match[first + 1]), int(match[first + 2] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise NotCovered
    fraction = int((match[first + 3] or "").ljust(6, "0"))
    return (hour * 3600 + minute * 60 + second) * SECOND + fraction
