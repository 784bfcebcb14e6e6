"""Intervals: months, days and microseconds, kept apart."""

from __future__ import annotations

import math

from sqlfeat.compiler.expressions.running.errors import NotCovered
from sqlfeat.compiler.expressions.running.instants import DAY, HOUR, MINUTE, SECOND, Interval

_MOST = 2**31 - 1


def normalized(interval: Interval) -> Interval:
    """As intervals are compared: a month is 30 days, a day 24 hours."""
    carried, rest = divmod(interval[2], DAY)
    more, days = divmod(interval[1] + carried, 30)
    return (interval[0] + more, days, rest)


def checked(interval: Interval) -> Interval:
    months, days, rest = interval
    if abs(months) > _MOST or abs(days) > _MOST or abs(rest) >= 2**63:
        raise NotCovered
    return interval


def plus(one: Interval, other: Interval) -> Interval:
    return checked((one[0] + other[0], one[1] + other[1], one[2] + other[2]))


def minus(one: Interval, other: Interval) -> Interval:
    return checked((one[0] - other[0], one[1] - other[1], one[2] - other[2]))


def negative(interval: Interval) -> Interval:
    return checked((-interval[0], -interval[1], -interval[2]))


def times(interval: Interval, factor: int) -> Interval:
    return checked((interval[0] * factor, interval[1] * factor, interval[2] * factor))


def of_months(count: int) -> Interval:
    return checked((count, 0, 0))


def of_days(count: int) -> Interval:
    return checked((0, count, 0))


def of_microseconds(count: int) -> Interval:
    return checked((0, 0, count))


def of_seconds(count: float) -> Interval:
    if count - count != 0 or abs(count) > 2**52 / SECOND:
        raise NotCovered
    made = count * SECOND
    return (0, 0, _nearest(made))


def _nearest(value: float) -> int:
    """To the nearest whole number; which way a half goes is not covered."""
    if abs(value - math.trunc(value)) == 0.5:
        raise NotCovered
    return round(value)


# -- parts -------------------------------------------------------------------------------------------------------------


def _cut(value: int, by: int) -> int:
    return value // by if value >= 0 else -(-value // by)


def _rest(value: int, by: int) -> int:
    return value - _cut(value, by) * by


def years_of(interval: Interval) -> int:
    return _cut(interval[0], 12)


def months_of(interval: Interval) -> int:
    return _rest(interval[0], 12)


def days_of(interval: Interval) -> int:
    return interval[1]


def hours_of(interval: Interval) -> int:
    return _cut(interval[2], HOUR)


def minutes_of(interval: Interval) -> int:
    return _rest(_cut(interval[2], MINUTE), 60)


def seconds_of(interval: Interval) -> int:
    return _rest(_cut(interval[2], SECOND), 60)


def milliseconds_of(interval: Interval) -> int:
    return _cut(_rest(interval[2], MINUTE), 1000)


def microseconds_of(interval: Interval) -> int:
    return _rest(interval[2], MINUTE)


def epoch_of(interval: Interval) -> float:
    """Seconds: a year is 365.25 days, a month 30."""
    months, days, rest = interval
    years, months = _cut(months, 12), _rest(months, 12)
    return float(years * 31557600 + (months * 30 + days) * 86400) + rest / 1e6
