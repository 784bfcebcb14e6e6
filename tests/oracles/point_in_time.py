"""What TIME.md, sections 2 and 3, says a lookup and a window give: its sentences, in plain Python.

It knows nothing of DuckDB, SQL or sqlfeat. A row is a dict, an instant is an ``int`` of microseconds or an aware
``datetime``, money is a ``Decimal``. Nothing is clever or fast: every question reads every row, so that whoever
doubts a number can follow it by hand. Other tests compare the product with what this says.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
Instant = Any  # int (microseconds) or aware datetime
Span = Any  # int (microseconds), timedelta, or Months


@dataclass(frozen=True)
class Months:
    """A calendar span: ``Months(1)`` before 31 March is 28 February, as in DuckDB."""

    count: int


@dataclass(frozen=True)
class View:
    """A feature view: its rows, and what its config says of their time.

    ``columns`` are the columns of its SELECT in order; where it is left out, those of the first row.
    """

    rows: Sequence[Row]
    keys: tuple[str, ...]
    event_time: str
    available_at: str | None = None
    available_after: Span | None = None
    tie_breaker: tuple[str, ...] = ()
    ttl: Span | None = None
    unique_key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


# ---- section 2: the row that holds at t


def lookup(
    view: View, key: Sequence[Any], t: Instant | None, *, strict: bool = False, ttl: Span | None = None
) -> Row | None:
    """The row that holds for ``key`` at ``t``, or None; a lookup's ``ttl`` is used in place of the view's."""
    span = view.ttl if ttl is None else ttl
    candidates = [
        row
        for row in known(view, t, strict)
        if has_key(view, row, key)
        and not_after(row[view.event_time], t, strict)
        and (span is None or row[view.event_time] >= minus(t, span))
    ]
    return max(candidates, key=lambda row: order(view, row), default=None)


def known(view: View, t: Instant | None, strict: bool = False) -> list[Row]:
    """The rows that were known at ``t``; one without key, event time or available_at is never used."""
    if t is None:
        return []
    return [row for row in view.rows if usable(view, row) and not_after(available(view, row), t, strict)]


def usable(view: View, row: Row) -> bool:
    return None not in [*(row[key] for key in view.keys), row[view.event_time], available(view, row)]


def available(view: View, row: Row) -> Instant | None:
    """When the row became known: its own column, a constant delay, or at once."""
    if view.available_at is not None:
        return row[view.available_at]
    if view.available_after is not None and row[view.event_time] is not None:
        return row[view.event_time] + view.available_after
    return row[view.event_time]


def has_key(view: View, row: Row, key: Sequence[Any]) -> bool:
    """Whether the row is of this entity; null equals nothing."""
    wanted = list(key)
    return None not in wanted and [row[name] for name in view.keys] == wanted


def not_after(instant: Instant, t: Instant, strict: bool) -> bool:
    return instant < t if strict else instant <= t


def order(view: View, row: Row) -> tuple[Any, ...]:
    """What the greatest row is greatest in: event time, available_at, tie breakers, then the remaining columns."""
    first = (row[view.event_time], available(view, row))
    return (*first, *(rank(row[name]) for name in (*view.tie_breaker, *remaining(view, row))))


def remaining(view: View, row: Row) -> list[str]:
    named = {*view.keys, view.event_time, view.available_at, *view.tie_breaker}
    return [name for name in (view.columns or row) if name not in named]


def rank(value: Any) -> tuple[Any, ...]:
    """A value's place in an order with nulls lowest and NaN above every number."""
    if value is None:
        return (0,)
    if isinstance(value, float) and math.isnan(value):
        return (2,)
    return (1, value)


def minus(t: Instant, span: Span) -> Instant:
    """The instant that lies a span before ``t``; calendar months count in UTC and stop at the month's last day."""
    if not isinstance(span, Months):
        return t - span
    month = t.year * 12 + t.month - 1 - span.count
    year, month = month // 12, month % 12 + 1
    return t.replace(year=year, month=month, day=min(t.day, monthrange(year, month)[1]))


# ---- section 3: windows


def window(
    view: View,
    aggregate: str,
    value: str | Callable[[Row], Any] | None,
    span: Span | None,
    key: Sequence[Any],
    t: Instant | None,
    *,
    offset: Span | None = None,
    strict: bool = False,
    where: Callable[[Row], bool] | None = None,
) -> Any:
    """The aggregate at ``t`` over the rows of ``key`` in the window of length ``span`` (None: unbounded).

    ``value`` names a column or computes from a row; None is the star of ``count(*)``. ``where`` is the aggregate's
    ``filter``.
    """
    rows = [row for row in events(view, span, key, t, offset=offset, strict=strict) if where is None or where(row)]
    if value is None:
        return len(rows)
    return AGGREGATES[aggregate]([row[value] if isinstance(value, str) else value(row) for row in rows])


def events(
    view: View,
    span: Span | None,
    key: Sequence[Any],
    t: Instant | None,
    *,
    offset: Span | None = None,
    strict: bool = False,
) -> list[Row]:
    """The rows of ``key`` whose event time lies in the window that ends ``offset`` before ``t``, all known at ``t``."""
    if t is None:
        return []
    end = t if offset is None else minus(t, offset)
    start = None if span is None else minus(end, span)
    rows = latest_versions(view, known(view, t, strict)) if view.unique_key else known(view, t, strict)
    inside = [row for row in rows if has_key(view, row, key) and within(row[view.event_time], start, end, strict)]
    return sorted(inside, key=lambda row: order(view, row))


def within(instant: Instant, start: Instant | None, end: Instant, strict: bool) -> bool:
    """``(start, end]``, or ``[start, end)`` where strict."""
    if strict:
        return (start is None or start <= instant) and instant < end
    return (start is None or start < instant) and instant <= end


def latest_versions(view: View, rows: Iterable[Row]) -> list[Row]:
    """Of the rows with one ``unique_key`` the one with the greatest available_at and tie breakers; null equals none."""
    singles: list[Row] = []
    versions: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        identity = tuple(row[name] for name in view.unique_key)
        if None in identity:
            singles.append(row)
        else:
            versions.setdefault(identity, []).append(row)
    return singles + [max(same, key=lambda row: _version(view, row)) for same in versions.values()]


def _version(view: View, row: Row) -> tuple[Any, ...]:
    rest = (*view.tie_breaker, view.event_time, *view.keys, *remaining(view, row))
    return (available(view, row), *(rank(row[name]) for name in rest))


# ---- aggregates: SQL's, over values in the order of the events


def present(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def total(values: Sequence[Any]) -> Any:
    """``sum``: exact; of floats correctly rounded; null of no value."""
    numbers = present(values)
    if not numbers:
        return None
    return _float_total(numbers) if isinstance(numbers[0], float) else sum(numbers[1:], numbers[0])


def average(values: Sequence[Any]) -> float | None:
    """``avg``: the exact mean, correctly rounded; null of no value."""
    numbers = present(values)
    if not numbers:
        return None
    if isinstance(numbers[0], float) and not all(map(math.isfinite, numbers)):
        return _float_total(numbers)
    return float(sum(map(Fraction, numbers)) / len(numbers))


def _float_total(numbers: Sequence[float]) -> float:
    infinite = {number for number in numbers if math.isinf(number)}
    if len(infinite) == 2 or any(map(math.isnan, numbers)):
        return math.nan
    return infinite.pop() if infinite else math.fsum(numbers)


def median(values: Sequence[Any]) -> Any:
    """The middle value, or halfway between the two middle ones: a float, or a decimal cut off at its own scale."""
    numbers = sorted(present(values), key=rank)
    if not numbers:
        return None
    low, high = numbers[(len(numbers) - 1) // 2], numbers[len(numbers) // 2]
    if isinstance(low, Decimal):
        return ((low + high) / 2).quantize(low, rounding=ROUND_DOWN)
    return float(low) + (float(high) - float(low)) * 0.5


def distinct(values: Sequence[Any]) -> list[Any]:
    """The different values that are not null, each where it first stands; NaN equals NaN, and -0.0 equals 0.0."""
    first: dict[Any, Any] = {}
    for value in present(values):
        first.setdefault(rank(value), value)
    return list(first.values())


AGGREGATES: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "count": lambda values: len(present(values)),
    "count distinct": lambda values: len(distinct(values)),
    "sum": total,
    "sum distinct": lambda values: total(distinct(values)),
    "avg": average,
    "min": lambda values: min(present(values), key=rank, default=None),
    "max": lambda values: max(present(values), key=rank, default=None),
    "median": median,
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "any_value": lambda values: next(iter(present(values)), None),
    "list": lambda values: list(values) if values else None,
    "string_agg": lambda values: ",".join(present(values)) if present(values) else None,
    "bool_or": lambda values: any(present(values)) if present(values) else None,
    "bool_and": lambda values: all(present(values)) if present(values) else None,
}

# ---- section 2, rule 4: the rows of a training set


def spine_order(rows: Iterable[Row], as_of: str, keys: Sequence[str]) -> list[Row]:
    """Every label row, duplicates included, by as-of time, keys and all remaining columns; nulls are lowest."""

    def place(row: Row) -> list[tuple[Any, ...]]:
        names = [as_of, *keys, *(name for name in row if name != as_of and name not in keys)]
        return [rank(row[name]) for name in names]

    return sorted(rows, key=place)


def utc(text: str) -> datetime:
    """An instant as tests write it: ``'2013-03-10 07:00'``, in UTC."""
    return datetime.fromisoformat(f"{text}+00:00")


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
