"""Spans of time as a project writes them: ``'7 days'``, ``'90 minutes'``, ``'1 month'``, ``'unbounded'``.

A day is 24 hours; months and years are calendar units in UTC (TIME semantics, section 1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MICROSECONDS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_ALIASES = {
    "us": "microsecond", "ms": "millisecond", "s": "second", "sec": "second", "m": "minute", "min": "minute",
    "h": "hour", "hr": "hour", "d": "day", "w": "week", "mo": "month", "mon": "month", "y": "year", "yr": "year",
}  # fmt: skip
_SUFFIXES = {
    "second": "s", "minute": "min", "hour": "h", "day": "d", "week": "w", "month": "mo", "year": "y",
    "millisecond": "ms", "microsecond": "us", "quarter": "q",
}  # fmt: skip
UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")
_TEXT = re.compile(r"\s*(\d+)\s*([a-z]+)\s*", re.IGNORECASE | re.ASCII)
_LONGEST_MONTHS = 120_000


@dataclass(frozen=True)
class Duration:
    """A length of time that is never negative: whole calendar months, or microseconds, never both.

    ``suffix`` is what names of windows end in: ``7d``, ``90min``, ``1mo``.
    """

    months: int
    microseconds: int
    suffix: str

    @classmethod
    def parse(cls, text: object) -> Duration:
        """Read ``'<n> <unit>'``; raise :class:`ValueError` with a sentence that says what is expected."""
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        unit = _unit(match[2].lower()) if match else None
        if not match or unit is None:
            raise ValueError(f"{text!r} is no span of time: write '<n> <unit>' with one of {', '.join(UNITS)}")
        count = int(match[1][:20])  # more digits are too long in any unit
        suffix = f"{count}{_SUFFIXES[unit]}"
        if count * _MONTHS.get(unit, 0) > _LONGEST_MONTHS or count * _MICROSECONDS.get(unit, 0) >= 2**62:
            raise ValueError(f"{text!r} is longer than time itself: write 'unbounded' or leave it out")
        if unit in _MONTHS:
            return cls(count * _MONTHS[unit], 0, suffix)
        return cls(0, count * _MICROSECONDS[unit], suffix)

    def sql(self) -> str:
        """A DuckDB ``INTERVAL`` expression."""
        if self.months:
            return f"to_months({self.months})"
        return f"to_microseconds({self.microseconds})"

    def __str__(self) -> str:
        if self.months:
            return _spelled(self.months // 12, "year") if self.months % 12 == 0 else _spelled(self.months, "month")
        for unit in ("day", "hour", "minute", "second", "millisecond"):
            if self.microseconds % _MICROSECONDS[unit] == 0:
                return _spelled(self.microseconds // _MICROSECONDS[unit], unit)
        return _spelled(self.microseconds, "microsecond")


def _unit(word: str) -> str | None:
    """The unit's own name: ``min``, ``mins``, ``minute`` and ``minutes`` are all ``minute``; ``ms`` is not."""
    for candidate in (word, word.removesuffix("s")):
        unit = _ALIASES.get(candidate, candidate)
        if unit in _MICROSECONDS or unit in _MONTHS:
            return unit
    return None


def _spelled(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"
