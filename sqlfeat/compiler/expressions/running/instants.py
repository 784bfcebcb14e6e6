"""Dates and instants on the calendar: DuckDB's proleptic Gregorian one, in UTC.

A DATE is days, a TIMESTAMP microseconds since 1970; both have infinities. Python's calendar is asked for the years 1 to
9999; a year outside of them is not covered. A function for instants that gives None says so for an infinite one.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NoReturn

from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered, invalid, overflow

FOREVER = 2**63 - 1
"""``infinity`` as a TIMESTAMP; its negative is ``-infinity``."""
LAST_DATE = 2**31 - 1
"""``infinity`` as a DATE."""

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = 1 - _EPOCH, date(9999, 12, 31).toordinal() - _EPOCH
_MONDAY = 10959
"""2000-01-03, from which buckets of weeks, days and hours are counted."""

Interval = tuple[int, int, int]

_from_ordinal = date.fromordinal


def _civil(instant: int) -> date:
    try:
        return _from_ordinal(instant // DAY + _EPOCH)
    except (ValueError, OverflowError):
        raise NotCovered from None


def _is_infinite(instant: int) -> bool:
    return instant in (FOREVER, -FOREVER)


def days_of(year: int, month: int, day: int) -> int:
    """The date, if there is such a day; a year before 1 or after 9999 is not covered."""
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except (ValueError, OverflowError):
        if 1 <= year <= 9999:
            raise ExpressionError("conversion", f"Date out of range: {year}-{month}-{day}.") from None
        raise NotCovered from None


def _instant_of(year: int, month: int, day: int) -> int:
    return days_of(year, month, day) * DAY


def _out_of_calendar() -> NoReturn:
    raise NotCovered


# -- casts -------------------------------------------------------------------------------------------------------------


def midnight(days: int) -> int:
    if _FIRST_DAY <= days <= _LAST_DAY:
        return days * DAY
    if days == LAST_DATE:
        return FOREVER
    if days == -LAST_DATE:
        return -FOREVER
    raise NotCovered


def date_of(instant: int) -> int:
    if _is_infinite(instant):
        return LAST_DATE if instant > 0 else -LAST_DATE
    return instant // DAY


def time_of(instant: int) -> int | None:
    return None if _is_infinite(instant) else instant % DAY


def _clock(rest: int) -> str:
    seconds, fraction = divmod(rest, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def text_of_date(days: int) -> str:
    if not _FIRST_DAY <= days <= _LAST_DAY:
        _out_of_calendar()
    return _from_ordinal(days + _EPOCH).isoformat()


def text_of_time(rest: int) -> str:
    return _clock(rest)


def text_of_timestamp(instant: int) -> str:
    if _is_infinite(instant):
        return "infinity" if instant > 0 else "-infinity"
    return f"{_civil(instant).isoformat()} {_clock(instant % DAY)}"


def text_of_instant(instant: int) -> str:
    text = text_of_timestamp(instant)
    return text if _is_infinite(instant) else f"{text}+00"


# -- parts -------------------------------------------------------------------------------------------------------------


def _day(instant: int) -> date | None:
    """None for an infinite instant."""
    try:
        return _from_ordinal(instant // DAY + _EPOCH)
    except (ValueError, OverflowError):
        if _is_infinite(instant):
            return None
        raise NotCovered from None


def year_of(instant: int) -> int | None:
    day = _day(instant)
    return None if day is None else day.year


def month_of(instant: int) -> int | None:
    day = _day(instant)
    return None if day is None else day.month


def day_of(instant: int) -> int | None:
    day = _day(instant)
    return None if day is None else day.day


def quarter_of(instant: int) -> int | None:
    month = month_of(instant)
    return None if month is None else (month + 2) // 3


def decade_of(instant: int) -> int | None:
    year = year_of(instant)
    return None if year is None else year // 10


def century_of(instant: int) -> int | None:
    year = year_of(instant)
    return None if year is None else (year - 1) // 100 + 1


def millennium_of(instant: int) -> int | None:
    year = year_of(instant)
    return None if year is None else (year - 1) // 1000 + 1


def _iso(instant: int) -> tuple[int, int] | None:
    """The year and the week of ISO 8601."""
    if _is_infinite(instant):
        return None
    day = _civil(instant)
    if day.year in (1, 9999):
        raise NotCovered
    year, week, _ = day.isocalendar()
    return year, week


def week_of(instant: int) -> int | None:
    found = _iso(instant)
    return found and found[1]


def isoyear_of(instant: int) -> int | None:
    found = _iso(instant)
    return found and found[0]


def yearweek_of(instant: int) -> int | None:
    found = _iso(instant)
    return found and found[0] * 100 + found[1]


def day_of_week(instant: int) -> int | None:
    """0 is Sunday."""
    return None if _is_infinite(instant) else (instant // DAY + 4) % 7


def iso_day_of_week(instant: int) -> int | None:
    """1 is Monday, 7 is Sunday."""
    return None if _is_infinite(instant) else (instant // DAY + 3) % 7 + 1


def day_of_year(instant: int) -> int | None:
    if _is_infinite(instant):
        return None
    day = _civil(instant)
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def era_of(instant: int) -> int | None:
    year = year_of(instant)
    return None if year is None else 1


def epoch_of(instant: int) -> float | None:
    """Seconds since 1970."""
    return None if _is_infinite(instant) else instant / 1e6


def zoned_epoch_of(instant: int) -> float | None:
    """The same for an instant with a zone: of milliseconds and microseconds, each with its own rounding."""
    if _is_infinite(instant):
        return None
    whole, rest = divmod(instant, 1000)
    return whole / 1000.0 + rest / 1e6


def last_day_of(instant: int) -> int | None:
    if _is_infinite(instant):
        return None
    day = _civil(instant)
    if (day.year, day.month) == (9999, 12):
        raise NotCovered
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, 1).toordinal() - 1 - _EPOCH


_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def name_of_day(instant: int) -> str | None:
    return None if _is_infinite(instant) else _DAYS[(instant // DAY + 4) % 7]


def name_of_month(instant: int) -> str | None:
    month = month_of(instant)
    return None if month is None else _MONTHS[month - 1]


# -- truncation --------------------------------------------------------------------------------------------------------


def _start(instant: int, months: int) -> int:
    """The start of the run of so many months, counted from January of the year 1, that holds an instant."""
    day = _civil(instant)
    count = (day.year - 1) * 12 + day.month - 1
    count -= count % months
    return _instant_of(count // 12 + 1, count % 12 + 1, 1)


def start_of_month(instant: int) -> int:
    return instant if _is_infinite(instant) else _start(instant, 1)


def start_of_quarter(instant: int) -> int:
    return instant if _is_infinite(instant) else _start(instant, 3)


def start_of_year(instant: int) -> int:
    return instant if _is_infinite(instant) else _start(instant, 12)


def start_of_years(instant: int, years: int) -> int:
    """The start of the decade, century or millennium: the years that are alike but for their last digits."""
    if _is_infinite(instant):
        return instant
    year = _civil(instant).year
    return _instant_of(year - year % years, 1, 1)


def start_of_week(instant: int) -> int:
    if _is_infinite(instant):
        return instant
    days = instant // DAY
    return (days - (days + 3) % 7) * DAY


def start_of_isoyear(instant: int) -> int:
    if _is_infinite(instant):
        return instant
    found = _iso(instant)
    assert found is not None
    return (date.fromisocalendar(found[0], 1, 1).toordinal() - _EPOCH) * DAY


# -- differences -------------------------------------------------------------------------------------------------------


def _cut(value: int, by: int) -> int:
    """Division that cuts off towards zero."""
    return value // by if value >= 0 else -(-value // by)


def forwards(start: int, end: int) -> int:
    """The start of a difference of instants with a zone, where DuckDB counts as it does without one: it counts whole
    milliseconds, and backwards from the ends of months.
    """
    if _is_infinite(start) or _is_infinite(end):
        return start
    if start > end or start % 1000 or end % 1000:
        raise NotCovered
    return start


def months_between(start: int, end: int, size: int) -> int | None:
    """How many starts of runs of so many months (1, 3) lie between two instants."""
    if _is_infinite(start) or _is_infinite(end):
        return None
    first, last = _civil(start), _civil(end)
    return (last.year * 12 + last.month - 1) // size - (first.year * 12 + first.month - 1) // size


def years_between(start: int, end: int, size: int) -> int | None:
    if _is_infinite(start) or _is_infinite(end):
        return None
    return _civil(end).year // size - _civil(start).year // size


def isoyears_between(start: int, end: int) -> int | None:
    first, last = isoyear_of(start), isoyear_of(end)
    return None if first is None or last is None else last - first


def weeks_between(start: int, end: int) -> int | None:
    if _is_infinite(start) or _is_infinite(end):
        return None
    return _cut(end // DAY - start // DAY, 7)


def units_between(start: int, end: int, size: int) -> int | None:
    """How many starts of units of so many microseconds lie between two instants."""
    if _is_infinite(start) or _is_infinite(end):
        return None
    return end // size - start // size


def whole_units(start: int, end: int, size: int) -> int | None:
    """How many whole units of so many microseconds fit between two instants."""
    if _is_infinite(start) or _is_infinite(end):
        return None
    return _cut(end - start, size)


def whole_months(start: int, end: int, size: int) -> int | None:
    """How many whole runs of so many months fit between two instants."""
    if _is_infinite(start) or _is_infinite(end):
        return None
    months = -_whole_months(end, start) if start > end else _whole_months(start, end)
    return _cut(months, size)


def _whole_months(start: int, end: int) -> int:
    """Between two instants in their order; the last day of a short month counts as the day that it has not."""
    last = _civil(end)
    if (last.year, last.month) == (9999, 12):
        raise NotCovered
    month_end = _days_of_month(last.year, last.month)
    if month_end == last.day:
        first = _civil(start)
        if first.day > month_end or (first.day == month_end and start % DAY < end % DAY):
            start = _instant_of(first.year, first.month, month_end) + start % DAY
    months, _, _ = _age(end, start)
    return months


def _days_of_month(year: int, month: int) -> int:
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return date(*following, 1).toordinal() - date(year, month, 1).toordinal()


def age(one: int, other: int) -> Interval | None:
    """``age(one, other)``: months, days and the rest, each counted on the calendar."""
    if _is_infinite(one) or _is_infinite(other):
        return None
    return _age(one, other)


def zoned_age(one: int, other: int) -> Interval:
    """The same for instants with a zone; of infinite ones DuckDB counts something."""
    if _is_infinite(one) or _is_infinite(other):
        raise NotCovered
    return _age(one, other)


def _age(one: int, other: int) -> Interval:
    negative = one < other
    if negative:
        first, second = other, one
    else:
        first, second = one, other
    upper, lower = _civil(first), _civil(second)
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
    if abs(days) == LAST_DATE or not _FIRST_DAY <= made <= _LAST_DAY:
        raise NotCovered
    return made


def days_since(days: int, other: int) -> int:
    if abs(days) == LAST_DATE or abs(other) == LAST_DATE:
        raise NotCovered
    return days - other


def plus_interval(instant: int, interval: Interval) -> int:
    """Months first, then days, then the rest."""
    if _is_infinite(instant):
        return instant
    months, days, rest = interval
    return _inside(_plus_months(instant, months) + days * DAY + rest)


def zoned_plus_interval(instant: int, interval: Interval) -> int:
    """The same for an instant with a zone: what is below a millisecond comes first, all of the rest does so if
    anything is negative.
    """
    if _is_infinite(instant):
        return instant
    months, days, rest = interval
    below = rest - _cut(rest, 1000) * 1000
    instant, rest = instant + below, rest - below
    if months < 0 or days < 0 or interval[2] < 0:
        return _inside(_plus_months(instant + rest, months) + days * DAY)
    return _inside(_plus_months(instant, months) + days * DAY + rest)


def _plus_months(instant: int, months: int) -> int:
    """On the same day of the month, or its last one."""
    if not months:
        return instant
    day = _civil(instant)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year < 9999:
        raise NotCovered
    own = min(day.day, _days_of_month(year, month + 1))
    return _instant_of(year, month + 1, own) + instant % DAY


def _inside(instant: int) -> int:
    if not _FIRST_DAY * DAY <= instant <= _LAST_DAY * DAY:
        raise NotCovered
    return instant


def minus_interval(instant: int, interval: Interval) -> int:
    return plus_interval(instant, (-interval[0], -interval[1], -interval[2]))


def zoned_minus_interval(instant: int, interval: Interval) -> int:
    return zoned_plus_interval(instant, (-interval[0], -interval[1], -interval[2]))


def time_since(instant: int, other: int) -> Interval:
    """The difference of two instants as days and the rest."""
    if _is_infinite(instant) or _is_infinite(other):
        raise invalid("Cannot subtract infinite timestamps.")
    difference = instant - other
    days = _cut(difference, DAY)
    return (0, days, difference - days * DAY)


def settled(instant: int) -> int:
    """An instant with a zone, where DuckDB counts rightly: before 1970 it is off by a millisecond at times."""
    if instant < 0 and instant % 1000 and not _is_infinite(instant):
        raise NotCovered
    return instant


def at_time(days: int, time: int) -> int:
    """A date and a time of day."""
    if not _FIRST_DAY <= days <= _LAST_DAY:
        raise NotCovered
    return days * DAY + time


def bucket(width: Interval, instant: int, origin: int | None = None) -> int | None:
    """The start of the bucket that holds an instant; None for an origin that is infinite."""
    if origin is not None and _is_infinite(origin):
        return None
    months, days, rest = width
    if months and (months < 0 or days or rest):
        raise invalid("A bucket is months, or days and less, and more than nothing.")
    if not months and days * DAY + rest <= 0:
        raise invalid("A bucket is more than nothing.")
    if _is_infinite(instant):
        return instant
    if months:
        return _bucket_of_months(months, instant, origin)
    size = days * DAY + rest
    start = (_MONDAY * DAY if origin is None else origin) % size
    made = instant - (instant - start) % size
    if not made >= _FIRST_DAY * DAY:
        raise NotCovered
    return made


def bucket_with_offset(width: Interval, instant: int, offset: Interval) -> int:
    moved = bucket(width, minus_interval(instant, offset))
    assert moved is not None
    return plus_interval(moved, offset)


def _bucket_of_months(months: int, instant: int, origin: int | None) -> int:
    day = _civil(instant)
    start = 2000 * 12
    if origin is not None:
        first = _civil(origin)
        start = first.year * 12 + first.month - 1
    count = day.year * 12 + day.month - 1
    count -= (count - start) % months
    if count < 12:
        raise NotCovered
    return _instant_of(count // 12, count % 12 + 1, 1)


# -- numbers of them, and made of numbers ------------------------------------------------------------------------------


def milliseconds_of(instant: int) -> int | None:
    """Since 1970, halves up."""
    return None if _is_infinite(instant) else (instant + 500) // 1000


def epoch_in(instant: int, factor: int) -> int | None:
    """Since 1970, in so many units a microsecond."""
    return None if _is_infinite(instant) else instant * factor


def timestamp_of_milliseconds(count: int) -> int:
    made = count * 1000
    if not _FIRST_DAY * DAY <= made <= _LAST_DAY * DAY:
        raise NotCovered
    return made


def timestamp_of_seconds(seconds: float) -> int:
    """``to_timestamp``."""
    if seconds - seconds != 0 or abs(seconds) > 2e11:
        raise NotCovered
    return round(seconds * 1e6)


def timestamp_of_parts(year: int, month: int, day: int, hour: int, minute: int, seconds: float) -> int:
    days = days_of(year, month, day)
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= seconds < 60):
        if hour == 24 or seconds == 60 or seconds != seconds or -1 < seconds < 0:
            raise NotCovered
        raise ExpressionError("conversion", f"Time out of range: {hour}:{minute}:{seconds}.")
    whole = math.floor(seconds)
    fraction = round((seconds - whole) * 1e6)
    return days * DAY + (hour * 3600 + minute * 60 + whole) * SECOND + fraction


def date_of_days(days: int) -> int:
    if not _FIRST_DAY <= days <= _LAST_DAY:
        raise overflow("a date")
    return days
