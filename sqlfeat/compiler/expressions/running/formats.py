"""strftime and strptime for the specifiers that mean the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered, invalid
from sqlfeat.compiler.expressions.running.instants import DAY, FOREVER, SECOND, days_of

_EPOCH = date(1970, 1, 1).toordinal()
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_SPECIFIER = re.compile("%(-?[A-Za-z%])")

Part = Callable[[date, int], str]
"""Writes one part of a day and the microseconds since its midnight."""

_WRITTEN: dict[str, Part] = {
    "Y": lambda day, rest: str(day.year),
    "y": lambda day, rest: f"{day.year % 100:02}",
    "m": lambda day, rest: f"{day.month:02}",
    "-m": lambda day, rest: str(day.month),
    "d": lambda day, rest: f"{day.day:02}",
    "-d": lambda day, rest: str(day.day),
    "H": lambda day, rest: f"{rest // (3600 * SECOND):02}",
    "-H": lambda day, rest: str(rest // (3600 * SECOND)),
    "I": lambda day, rest: f"{(rest // (3600 * SECOND) + 11) % 12 + 1:02}",
    "-I": lambda day, rest: str((rest // (3600 * SECOND) + 11) % 12 + 1),
    "M": lambda day, rest: f"{rest // (60 * SECOND) % 60:02}",
    "-M": lambda day, rest: str(rest // (60 * SECOND) % 60),
    "S": lambda day, rest: f"{rest // SECOND % 60:02}",
    "-S": lambda day, rest: str(rest // SECOND % 60),
    "f": lambda day, rest: f"{rest % SECOND:06}",
    "p": lambda day, rest: "AM" if rest < DAY // 2 else "PM",
    "j": lambda day, rest: f"{day.timetuple().tm_yday:03}",
    "-j": lambda day, rest: str(day.timetuple().tm_yday),
    "a": lambda day, rest: _WEEKDAYS[day.weekday()][:3],
    "A": lambda day, rest: _WEEKDAYS[day.weekday()],
    "b": lambda day, rest: _MONTHS[day.month - 1][:3],
    "B": lambda day, rest: _MONTHS[day.month - 1],
    "w": lambda day, rest: str(day.isoweekday() % 7),
    "u": lambda day, rest: str(day.isoweekday()),
    "V": lambda day, rest: f"{day.isocalendar()[1]:02}",
    "G": lambda day, rest: str(day.isocalendar()[0]),
    "%": lambda day, rest: "%",
}
_READ = {
    "Y": "([0-9]{4})", "m": "([0-9]{2})", "d": "([0-9]{2})", "H": "([0-9]{2})", "M": "([0-9]{2})", "S": "([0-9]{2})",
    "f": "([0-9]{6})", "%": "%",
}  # fmt: skip
_ORDER = "YmdHMSf"


def pieces_of(shape: str) -> tuple[str | Part, ...] | None:
    """A format as literal text and writers; None where a specifier is not covered."""
    found: list[str | Part] = []
    end = 0
    for match in _SPECIFIER.finditer(shape):
        writer = _WRITTEN.get(match[1])
        if writer is None:
            return None
        found += [shape[end : match.start()], writer]
        end = match.end()
    rest = shape[end:]
    if "%" in "".join(piece for piece in [*found, rest] if isinstance(piece, str)):
        return None
    return (*found, rest)


def written(instant: int, pieces: tuple[str | Part, ...]) -> str | None:
    """``strftime``."""
    if instant in (FOREVER, -FOREVER):
        raise NotCovered
    try:
        day = date.fromordinal(instant // DAY + _EPOCH)
    except (ValueError, OverflowError):
        raise NotCovered from None
    if day.year < 1000:
        raise NotCovered
    rest = instant % DAY
    return "".join(piece if isinstance(piece, str) else piece(day, rest) for piece in pieces)


class Shape:
    """A format of strptime whose parts all have their full length, and the order of its numbers."""

    def __init__(self, shape: str) -> None:
        pattern, letters, end = "", "", 0
        for match in _SPECIFIER.finditer(shape):
            read = _READ.get(match[1])
            if read is None:
                raise ValueError(match[0])
            pattern += re.escape(shape[end : match.start()]) + read
            letters += match[1].replace("%", "")
            end = match.end()
        rest = shape[end:]
        if "%" in rest or len(set(letters)) < len(letters) or not set("Ymd") <= set(letters):
            raise ValueError(shape)
        self.pattern = re.compile(pattern + re.escape(rest))
        self.letters = letters


def read(text: str, shape: Shape) -> int:
    """``strptime``: exactly this form; another one with digits is DuckDB's to judge."""
    match = shape.pattern.fullmatch(text)
    if match is None:
        if re.search("[0-9]|inf|epoch", text, re.IGNORECASE):
            raise NotCovered
        raise invalid(f"Could not parse string {text!r} according to the format specifier.")
    parts = dict.fromkeys(_ORDER, 0) | dict(zip(shape.letters, map(int, match.groups()), strict=True))
    if parts["H"] > 23 or parts["M"] > 59 or parts["S"] > 59 or not parts["Y"]:
        raise NotCovered
    try:
        days = days_of(parts["Y"], parts["m"], parts["d"])
    except ExpressionError:
        raise NotCovered from None
    return days * DAY + (parts["H"] * 3600 + parts["M"] * 60 + parts["S"]) * SECOND + parts["f"]


def tried(text: str, shape: Shape) -> int | None:
    """``try_strptime``."""
    try:
        return read(text, shape)
    except ExpressionError:
        return None
