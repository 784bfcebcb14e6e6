"""Literals of SQL as values: numbers, dates, instants, intervals."""

from __future__ import annotations

import functools
import re
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlfeat.compiler.algebra import Interval

_SECOND = 1_000_000
_UNITS = {
    "microsecond": (0, 0, 1), "us": (0, 0, 1), "usec": (0, 0, 1), "millisecond": (0, 0, 1000), "ms": (0, 0, 1000),
    "msec": (0, 0, 1000), "second": (0, 0, _SECOND), "sec": (0, 0, _SECOND), "s": (0, 0, _SECOND),
    "minute": (0, 0, 60 * _SECOND), "min": (0, 0, 60 * _SECOND), "m": (0, 0, 60 * _SECOND),
    "hour": (0, 0, 3600 * _SECOND), "hr": (0, 0, 3600 * _SECOND), "h": (0, 0, 3600 * _SECOND), "day": (0, 1, 0),
    "d": (0, 1, 0), "dayofmonth": (0, 1, 0), "week": (0, 7, 0), "w": (0, 7, 0), "month": (1, 0, 0), "mon": (1, 0, 0),
    "quarter": (3, 0, 0), "year": (12, 0, 0), "yr": (12, 0, 0), "y": (12, 0, 0), "decade": (120, 0, 0),
    "century": (1200, 0, 0), "centurie": (1200, 0, 0), "millennium": (12000, 0, 0), "millennia": (12000, 0, 0),
}  # fmt: skip
_FRACTIONAL = frozenset({"second", "seconds", "millisecond", "milliseconds"})
"""The units that keep a fraction of a number that stands before them."""
_ODD_INTERVAL = re.compile(r"\binterval\b(?:\s|/\*.*?\*/|--[^\n]*\n)*(?:[eE]?'([^']*)'|\$)", re.IGNORECASE | re.DOTALL)
_ONE_PIECE = re.compile(r"\s*-?\d+(?:\.\d+)?\s*[a-z]+\s*", re.IGNORECASE)
_PIECE = re.compile(r"\s*(?P<sign>[-+]?)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)", re.IGNORECASE)
_CLOCK = re.compile(r"\s*(?P<sign>[-+]?)(?P<h>\d+):(?P<m>\d+)(?::(?P<s>\d+)(?:\.(?P<f>\d{1,6}))?)?\s*$")
_DATE = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})\s*$")
_INSTANT = re.compile(
    r"\s*(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?\s*(Z|UTC|\+00(?::?00)?)?)?\s*$"
)


def number(text: str) -> int | float | Decimal:
    """A number as it is written: whole, with a point (a decimal), or with an exponent."""
    text = text.replace("_", "")
    if "e" in text.lower():
        return float(text)
    return Decimal(text) if "." in text else int(text)


def interval(text: str, unit: str | None = None, *, whole: bool = False) -> Interval | None:
    """``INTERVAL 'text' unit``; None where it is not plain enough to be sure.

    ``whole``: the unit stands outside of the text, so a fraction of a minute and more is cut off.
    """
    if unit is not None:
        try:
            amount = Decimal(text.strip())
        except ArithmeticError:
            return None
        if whole and amount != int(amount) and unit.lower() not in _FRACTIONAL:
            amount = Decimal(int(amount))
        return _times(amount, unit)
    total, position = Interval(), 0
    while position < len(text) and text[position:].strip():
        piece = _PIECE.match(text, position)
        if piece:
            amount = Decimal(piece["number"]) * (-1 if piece["sign"] == "-" else 1)
            part = _times(amount, piece["unit"])
            position = piece.end()
        else:
            part = _clock(text[position:])
            position = len(text)
        if part is None:
            return None
        total = plus(total, part)
    return total


@functools.lru_cache(maxsize=64)
def has_odd_interval(sql: str) -> bool:
    """Whether a text has an ``INTERVAL '…'`` of one number, one unit and something more: ``'3 days ago'``.

    sqlglot leaves out the rest, and does not say where the literal stands.
    """
    found = (match[1] for match in _ODD_INTERVAL.finditer(sql))
    return any(text is None or (len(_PIECE.findall(text)) == 1 and not _ONE_PIECE.fullmatch(text)) for text in found)


def plus(one: Interval, other: Interval) -> Interval:
    return Interval(one.months + other.months, one.days + other.days, one.microseconds + other.microseconds)


def negative(value: Interval) -> Interval:
    return Interval(-value.months, -value.days, -value.microseconds)


def _times(amount: Decimal, unit: str) -> Interval | None:
    unit = unit.lower()
    size = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if size is None:
        return None
    if amount != int(amount):
        return _fraction(amount, size)
    count = int(amount)
    return Interval(size[0] * count, size[1] * count, size[2] * count)


def _fraction(amount: Decimal, size: tuple[int, int, int]) -> Interval | None:
    """A fraction of a day or less; of a month or more it depends on more than this."""
    months, days, microseconds = size
    if months:
        return None
    if days == 1:
        rest = (amount - int(amount)) * 86400 * _SECOND
        return Interval(0, int(amount), int(rest)) if rest == int(rest) else None
    exact = amount * microseconds
    return Interval(0, 0, int(exact)) if not days and exact == int(exact) else None


def _clock(text: str) -> Interval | None:
    match = _CLOCK.match(text)
    if match is None:
        return None
    seconds = int(match["h"]) * 3600 + int(match["m"]) * 60 + int(match["s"] or 0)
    total = seconds * _SECOND + int((match["f"] or "").ljust(6, "0"))
    return Interval(0, 0, -total if match["sign"] == "-" else total)


def instant(text: str, *, aware: bool) -> datetime | None:
    """``TIMESTAMP 'text'``, with the session's zone (UTC) if ``aware``; None for another zone or another form."""
    match = _INSTANT.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction = int((match[7] or "").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, fraction, tzinfo=UTC if aware else None)
    except ValueError:
        return None


def day(text: str) -> date | None:
    """``DATE 'text'``."""
    match = _DATE.match(text)
    try:
        return date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        return None


def cast(value: object, type_name: str) -> tuple[bool, object]:
    """A literal cast to a type, where that is simple: whether it is, and the value."""
    if value is None:
        return True, None
    made: object = None
    if isinstance(value, str):
        if type_name == "DATE":
            made = day(value)
        elif type_name == "INTERVAL":
            made = interval(value)
        elif type_name == "VARCHAR":
            made = value
        elif type_name.startswith("TIMESTAMP"):
            made = instant(value, aware=type_name == "TIMESTAMP WITH TIME ZONE")
            if made is not None and made.microsecond % {"TIMESTAMP_S": _SECOND, "TIMESTAMP_MS": 1000}.get(type_name, 1):
                made = None  # it is rounded
    elif isinstance(value, bool):
        return False, None
    elif isinstance(value, int) and type_name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"):
        made = value
    elif isinstance(value, int | float | Decimal) and type_name in ("DOUBLE", "FLOAT"):
        made = float(value)
    return made is not None, made
