"""Dates and instants on the calendar: DuckDB's proleptic Gregorian one, in UTC.

A DATE is days, a TIMESTAMP microseconds since 1970; both have infinities. Python's calendar is asked for the years 1 to
9999; a year outside of them is not covered. A function for instants that gives None says so for an infinite one.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NoReturn

from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered

FOREVER = 2**63 - 1
"""``infinity`` as a TIMESTAMP; its negative is ``-infinity``."""
LAST_DATE = 2**31 - 1
"""``infinity`` as a DATE."""

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = 1 - _EPOCH, date(9999, 12, 31).toordinal() - _EPOCH

Interval = tuple[int, int, int]

_from_ordinal = date.fromordinal


def civil(instant: int) -> date:
    try:
        return _from_ordinal(instant // DAY + _EPOCH)
    except (ValueError, OverflowError):
        raise NotCovered from None


def is_infinite(instant: int) -> bool:
    return instant in (FOREVER, -FOREVER)


def days_of(year: int, month: int, day: int) -> int:
    """The date, if there is such a day; a year before 1 or after 9999 is not covered."""
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except (ValueError, OverflowError):
        if 1 <= year <= 9999:
            raise ExpressionError("conversion", f"Date out of range: {year}-{month}-{day}.") from None
        raise NotCovered from None


def instant_of(year: int, month: int, day: int) -> int:
    return days_of(year, month, day) * DAY


def _out_of_calendar() -> NoReturn:
    raise NotCovered


# -- casts -------------------------------------------------------------------------------------------------------------


def midnight(days: int) -> int:
    if FIRST_DAY <= days <= LAST_DAY:
        return days * DAY
    if days == LAST_DATE:
        return FOREVER
    if days == -LAST_DATE:
        return -FOREVER
    raise NotCovered


def date_of(instant: int) -> int:
    if is_infinite(instant):
        return LAST_DATE if instant > 0 else -LAST_DATE
    return instant // DAY


def time_of(instant: int) -> int | None:
    return None if is_infinite(instant) else instant % DAY


def _clock(rest: int) -> str:
    seconds, fraction = divmod(rest, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def text_of_date(days: int) -> str:
    if not FIRST_DAY <= days <= LAST_DAY:
        _out_of_calendar()
    return _from_ordinal(days + _EPOCH).isoformat()


def text_of_time(rest: int) -> str:
    return _clock(rest)


def text_of_timestamp(instant: int) -> str:
    if is_infinite(instant):
        return "infinity" if instant > 0 else "-infinity"
    return f"{civil(instant).isoformat()} {_clock(instant % DAY)}"


def text_of_instant(instant: int) -> str:
    text = text_of_timestamp(instant)
    return text if is_infinite(instant) else f"{text}+00"


# -- parts -------------------------------------------------------------------------------------------------------------


def _day(instant: int) -> date | None:
    """None for an infinite instant."""
    try:
        return _from_ordinal(instant // DAY + _EPOCH)
    except (ValueError, OverflowError):
        if is_infinite(instant):
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
    if is_infinite(instant):
        return None
    day = civil(instant)
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
    return None if is_infinite(instant) else (instant // DAY + 4) % 7


def iso_day_of_week(instant: int) -> int | None:
    """1 is Monday, 7 is Sunday."""
    return None if is_infinite(instant) else (instant // DAY + 3) % 7 + 1


def day_of_year(instant: int) -> int | None:
    if is_infinite(instant):
        return None
    day = civil(instant)
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def era_of(instant: int) -> int | None:
    year = year_of(instant)
    return None if year is None else 1


def epoch_of(instant: int) -> float | None:
    """Seconds since 1970."""
    return None if is_infinite(instant) else instant / 1e6


def zoned_epoch_of(instant: int) -> float | None:
    """The same for an instant with a zone: of milliseconds and microseconds, each with its own rounding."""
    if is_infinite(instant):
        return None
    whole, rest = divmod(instant, 1000)
    return whole / 1000.0 + rest / 1e6


def last_day_of(instant: int) -> int | None:
    if is_infinite(instant):
        return None
    day = civil(instant)
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
    return None if is_infinite(instant) else _DAYS[(instant // DAY + 4) % 7]


def name_of_month(instant: int) -> str | None:
    month = month_of(instant)
    return None if month is None else _MONTHS[month - 1]


# -- truncation --------------------------------------------------------------------------------------------------------


def _start(instant: int, months: int) -> int:
    """The start of the run of so many months, counted from January of the year 1, that holds an instant."""
    day = civil(instant)
    count = (day.year - 1) * 12 + day.month - 1
    count -= count % months
    return instant_of(count // 12 + 1, count % 12 + 1, 1)


def start_of_month(instant: int) -> int:
    return instant if is_infinite(instant) else _start(instant, 1)


def start_of_quarter(instant: int) -> int:
    return instant if is_infinite(instant) else _start(instant, 3)


def start_of_year(instant: int) -> int:
    return instant if is_infinite(instant) else _start(instant, 12)


def start_of_years(instant: int, years: int) -> int:
    """The start of the decade, century or millennium: the years that are alike but for their last digits."""
    if is_infinite(instant):
        return instant
    year = civil(instant).year
    return instant_of(year - year % years, 1, 1)


def start_of_week(instant: int) -> int:
    if is_infinite(instant):
        return instant
    days = instant // DAY
    return (days - (days + 3) % 7) * DAY


def start_of_isoyear(instant: int) -> int:
    if is_infinite(instant):
        return instant
    found = _iso(instant)
    assert found is not None
    return (date.fromisocalendar(found[0], 1, 1).toordinal() - _EPOCH) * DAY


def cut(value: int, by: int) -> int:
    """Division that cuts off towards zero."""
    return value // by if value >= 0 else -(-value // by)


# -- numbers of them, and made of numbers ------------------------------------------------------------------------------


def milliseconds_of(instant: int) -> int | None:
    """Since 1970, halves up."""
    return None if is_infinite(instant) else (instant + 500) // 1000


def epoch_in(instant: int, factor: int) -> int | None:
    """Since 1970, in so many units a microsecond."""
    return None if is_infinite(instant) else instant * factor


def timestamp_of_milliseconds(count: int) -> int:
    made = count * 1000
    if not FIRST_DAY * DAY <= made <= LAST_DAY * DAY:
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
