"""What lies between two instants, and what lies an interval away: DuckDB's rules, with and without a zone.

DuckDB computes with instants that have a zone by another calendar's code, which rounds to milliseconds in places. Where
the two part, and the answer hangs on it, the value is not covered.
"""

from __future__ import annotations

from datetime import date

from sqlfeat.compiler.expressions.running.errors import NotCovered, invalid
from sqlfeat.compiler.expressions.running.instants import (
    DAY,
    FIRST_DAY,
    LAST_DATE,
    LAST_DAY,
    Interval,
    civil,
    cut,
    instant_of,
    is_infinite,
    isoyear_of,
)  # fmt: skip

_MONDAY = 10959
"""2000-01-03, from which buckets of weeks, days and hours are counted."""


def forwards(start: int, end: int) -> int:
    """The start of a difference of instants with a zone, where DuckDB counts as it does without one: it counts whole
    milliseconds, and backwards from the ends of months.
    """
    if is_infinite(start) or is_infinite(end):
        return start
    if start > end or start % 1000 or end % 1000:
        raise NotCovered
    return start


def months_between(start: int, end: int, size: int) -> int | None:
    """How many starts of runs of so many months (1, 3) lie between two instants."""
    if is_infinite(start) or is_infinite(end):
        return None
    first, last = civil(start), civil(end)
    return (last.year * 12 + last.month - 1) // size - (first.year * 12 + first.month - 1) // size


def years_between(start: int, end: int, size: int) -> int | None:
    if is_infinite(start) or is_infinite(end):
        return None
    return civil(end).year // size - civil(start).year // size


def isoyears_between(start: int, end: int) -> int | None:
    first, last = isoyear_of(start), isoyear_of(end)
    return None if first is None or last is None else last - first


def weeks_between(start: int, end: int) -> int | None:
    if is_infinite(start) or is_infinite(end):
        return None
    return cut(end // DAY - start // DAY, 7)


def units_between(start: int, end: int, size: int) -> int | None:
    """How many starts of units of so many microseconds lie between two instants."""
    if is_infinite(start) or is_infinite(end):
        return None
    return end // size - start // size


def whole_units(start: int, end: int, size: int) -> int | None:
    """How many whole units of so many microseconds fit between two instants."""
    if is_infinite(start) or is_infinite(end):
        return None
    return cut(end - start, size)


def whole_months(start: int, end: int, size: int) -> int | None:
    """How many whole runs of so many months fit between two instants."""
    if is_infinite(start) or is_infinite(end):
        return None
    months = -_whole_months(end, start) if start > end else _whole_months(start, end)
    return cut(months, size)


def _whole_months(start: int, end: int) -> int:
    """Between two instants in their order; the last day of a short month counts as the day that it has not."""
    last = civil(end)
    if (last.year, last.month) == (9999, 12):
        raise NotCovered
    month_end = _days_of_month(last.year, last.month)
    if month_end == last.day:
        first = civil(start)
        if first.day > month_end or (first.day == month_end and start % DAY < end % DAY):
            start = instant_of(first.year, first.month, month_end) + start % DAY
    months, _, _ = _age(end, start)
    return months


def _days_of_month(year: int, month: int) -> int:
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return date(*following, 1).toordinal() - date(year, month, 1).toordinal()


def age(one: int, other: int) -> Interval | None:
    """``age(one, other)``: months, days and the rest, each counted on the calendar."""
    if is_infinite(one) or is_infinite(other):
        return None
    return _age(one, other)


def zoned_age(one: int, other: int) -> Interval:
    """The same for instants with a zone; of infinite ones DuckDB counts something."""
    if is_infinite(one) or is_infinite(other):
        raise NotCovered
    return _age(one, other)


def _age(one: int, other: int) -> Interval:
    negative = one < other
    if negative:
        first, second = other, one
    else:
        first, second = one, other
    upper, lower = civil(first), civil(second)
    months = (upper.year - lower.year) * 12 + upper.month - lower.month
    days = upper.day - lower.day
    rest = first % DAY - second % DAY
    if rest < 0:
        rest += DAY
        days -= 1
    while days < 0:
        days += _days_of_month(lower.year, lower.month)
        months -= 1
    return (-months, -days, -rest) if negative else (months, days, rest)


# -- arithmetic --------------------------------------------------------------------------------------------------------


def plus_days(days: int, count: int) -> int:
    made = days + count
    if abs(days) == LAST_DATE or not FIRST_DAY <= made <= LAST_DAY:
        raise NotCovered
    return made


def days_since(days: int, other: int) -> int:
    if abs(days) == LAST_DATE or abs(other) == LAST_DATE:
        raise NotCovered
    return days - other


def plus_interval(instant: int, interval: Interval) -> int:
    """Months first, then days, then the rest."""
    if is_infinite(instant):
        return instant
    months, days, rest = interval
    return _inside(_plus_months(instant, months) + days * DAY + rest)


def zoned_plus_interval(instant: int, interval: Interval) -> int:
    """The same for an instant with a zone: what is below a millisecond comes first, all of the rest does so if
    anything is negative.
    """
    if is_infinite(instant):
        return instant
    months, days, rest = interval
    below = rest - cut(rest, 1000) * 1000
    instant, rest = instant + below, rest - below
    if months < 0 or days < 0 or interval[2] < 0:
        return _inside(_plus_months(instant + rest, months) + days * DAY)
    return _inside(_plus_months(instant, months) + days * DAY + rest)


def _plus_months(instant: int, months: int) -> int:
    """On the same day of the month, or its last one."""
    if not months:
        return instant
    day = civil(instant)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year < 9999:
        raise NotCovered
    own = min(day.day, _days_of_month(year, month + 1))
    return instant_of(year, month + 1, own) + instant % DAY


def _inside(instant: int) -> int:
    if not FIRST_DAY * DAY <= instant <= LAST_DAY * DAY:
        raise NotCovered
    return instant


def minus_interval(instant: int, interval: Interval) -> int:
    return plus_interval(instant, (-interval[0], -interval[1], -interval[2]))


def zoned_minus_interval(instant: int, interval: Interval) -> int:
    return zoned_plus_interval(instant, (-interval[0], -interval[1], -interval[2]))


def time_since(instant: int, other: int) -> Interval:
    """The difference of two instants as days and the rest."""
    if is_infinite(instant) or is_infinite(other):
        raise invalid("Cannot subtract infinite timestamps.")
    difference = instant - other
    days = cut(difference, DAY)
    return (0, days, difference - days * DAY)


def settled(instant: int) -> int:
    """An instant with a zone, where DuckDB counts rightly: before 1970 it is off by a millisecond at times."""
    if instant < 0 and instant % 1000 and not is_infinite(instant):
        raise NotCovered
    return instant


def at_time(days: int, time: int) -> int:
    """A date and a time of day."""
    if not FIRST_DAY <= days <= LAST_DAY:
        raise NotCovered
    return days * DAY + time


def bucket(width: Interval, instant: int, origin: int | None = None) -> int | None:
    """The start of the bucket that holds an instant; None for an origin that is infinite."""
    if origin is not None and is_infinite(origin):
        return None
    months, days, rest = width
    if months and (months < 0 or days or rest):
        raise invalid("A bucket is months, or days and less, and more than nothing.")
    if not months and days * DAY + rest <= 0:
        raise invalid("A bucket is more than nothing.")
    if is_infinite(instant):
        return instant
    if months:
        return _bucket_of_months(months, instant, origin)
    size = days * DAY + rest
    start = (_MONDAY * DAY if origin is None else origin) % size
    made = instant - (instant - start) % size
    if not made >= FIRST_DAY * DAY:
        raise NotCovered
    return made


def bucket_with_offset(width: Interval, instant: int, offset: Interval) -> int:
    moved = bucket(width, minus_interval(instant, offset))
    assert moved is not None
    return plus_interval(moved, offset)


def _bucket_of_months(months: int, instant: int, origin: int | None) -> int:
    day = civil(instant)
    start = 2000 * 12
    if origin is not None:
        first = civil(origin)
        start = first.year * 12 + first.month - 1
    count = day.year * 12 + day.month - 1
    count -= (count - start) % months
    if count < 12:
        raise NotCovered
    return instant_of(count // 12, count % 12 + 1, 1)
