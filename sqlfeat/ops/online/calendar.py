"""Instants so long before others, in microseconds since 1970, as the engine counts them."""

from __future__ import annotations

from calendar import monthrange
from datetime import date

from sqlfeat.spec.duration import Duration

DAY = 86_400_000_000
FOREVER = 2**63 - 1
_EPOCH = date(1970, 1, 1).toordinal()


def before(instant: int, span: Duration) -> int:
    """The instant that lies so long before another one; months keep the day, or end where their month ends."""
    if not span.months:
        return instant - span.microseconds
    days, rest = divmod(instant, DAY)
    day = date.fromordinal(days + _EPOCH)
    year, month = divmod(day.year * 12 + day.month - 1 - span.months, 12)
    if year < 1:
        return -FOREVER
    earlier = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return (earlier.toordinal() - _EPOCH) * DAY + rest - span.microseconds


def after(instant: int, span: Duration) -> int:
    """The instant that lies so long after another one; what is infinite stays so."""
    if abs(instant) >= FOREVER:
        return instant
    return before(instant, Duration(-span.months, -span.microseconds, span.suffix))
