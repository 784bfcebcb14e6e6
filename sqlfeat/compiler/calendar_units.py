"""How long the units of the calendar are, in microseconds: months and years between their shortest and longest.

Only arithmetic; it knows no SQL.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime

from sqlfeat.compiler.algebra import Interval

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

_SIZES = {
    "microsecond": 1, "millisecond": 1_000, "second": SECOND, "minute": 60 * SECOND, "hour": HOUR, "day": DAY,
    "week": 7 * DAY,
}  # fmt: skip
_MONTHS = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}
_NAMES = {
    "us": "microsecond", "usec": "microsecond", "ms": "millisecond", "msec": "millisecond", "s": "second",
    "sec": "second", "m": "minute", "min": "minute", "h": "hour", "hr": "hour", "d": "day", "w": "week",
    "weekofyear": "week", "mon": "month", "mons": "month", "q": "quarter", "y": "year", "yr": "year", "dec": "decade",
    "c": "century", "centuries": "century", "mil": "millennium", "millennia": "millennium",
}  # fmt: skip
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unit_named(text: str) -> str | None:
    """A unit by any of DuckDB's names for it."""
    word = text.strip().lower()
    for candidate in (word, word.removesuffix("s")):
        unit = _NAMES.get(candidate, candidate)
        if unit in _SIZES or unit in _MONTHS:
            return unit
    return None


def fixed_size(unit: str) -> int | None:
    """The length of a unit that is always the same."""
    return _SIZES.get(unit)


def months_of(unit: str) -> int | None:
    """How many months a unit of the calendar has."""
    return _MONTHS.get(unit)


def longest(unit: str) -> int:
    """The most that a unit can be long."""
    return _SIZES.get(unit) or months_range(_MONTHS[unit])[1]


def grain_of(unit: str) -> int:
    """What every start of a unit is a multiple of, counted from the epoch."""
    size = _SIZES.get(unit, DAY)
    return DAY if size > DAY else size


@functools.lru_cache(maxsize=256)
def months_range(months: int) -> tuple[int, int]:
    """The shortest and the longest that so many months can be, added to or taken from any instant.

    DuckDB keeps the day of the month and takes the last one where there is none: so the span is the sum of the months
    between, less up to three days where the end is cut. The Gregorian calendar repeats after 400 years, and within
    them a leap year is left out at most three times.
    """
    if months < 0:
        shortest, longest_ = months_range(-months)
        return -longest_, -shortest
    years, rest = divmod(months, 12)
    if rest == 0 and years == 0:
        return 0, 0
    sums = [sum(_LENGTHS[(start + i) % 12] for i in range(rest)) for start in range(12)]
    least_leaps = max(0, years * 97 // 400 - 2)
    most_leaps = years // 4 + 1
    ends_cut = 3 if rest else 1
    shortest_days = 365 * years + min(sums) + least_leaps - ends_cut
    longest_days = 365 * years + max(sums) + most_leaps + (1 if rest else 0)
    if years == 0:
        shortest_days, longest_days = _within_a_year(rest)
    return shortest_days * DAY, longest_days * DAY


@functools.cache
def _within_a_year(months: int) -> tuple[int, int]:
    """The exact extremes for up to eleven months, from every day of a leap year and of the ones around it."""
    found = []
    for ordinal in range(date(2023, 1, 1).toordinal(), date(2026, 1, 1).toordinal()):
        start = date.fromordinal(ordinal)
        for sign in (1, -1):
            found.append(abs((plus_months(start, sign * months) - start).days))
    return min(found), max(found)


def plus_months(start: date, months: int) -> date:
    """A day so many months later, as DuckDB has it."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 29 if leap and month == 1 else _LENGTHS[month]
    return date(year, month + 1, min(start.day, last))


def interval_range(interval: Interval) -> tuple[int, int]:
    """The shortest and the longest that an interval can be."""
    shortest, longest_ = months_range(interval.months)
    fixed = interval.days * DAY + interval.microseconds
    return shortest + fixed, longest_ + fixed


def microseconds(value: date) -> int:
    """A date's or an instant's distance to the epoch; without a zone it is UTC."""
    if not isinstance(value, datetime):
        return (value - _EPOCH.date()).days * DAY
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    delta = aware - _EPOCH
    return delta.days * DAY + delta.seconds * SECOND + delta.microseconds


def spelled(distance: int) -> str:
    """A distance in words: ``24 hours`` where a clock shows it, ``7 days``, ``1 day and 30 minutes``."""
    if distance == 1:
        return "1 microsecond"
    rest = distance + 1 if (distance + 1) % SECOND == 0 else distance  # the last microsecond of a bucket
    parts = []
    for size, word in ((DAY, "day"), (HOUR, "hour"), (60 * SECOND, "minute"), (SECOND, "second"), (1, "microsecond")):
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number:,} {word}{'' if number == 1 else 's'}")
    if parts == ["1 day"]:
        return "24 hours"
    return " and ".join(parts[:2]) or "nothing"
