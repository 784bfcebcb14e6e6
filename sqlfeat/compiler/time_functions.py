"""Functions and operators on times: how the value of each lies to its arguments.

Every rule is a bound that holds for all rows in which both ends are not null. A function that is not known gives an
instant of which nothing is known; one that may hide a clock or a table gives a flow that is never final.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import Call, Interval, Span
from sqlfeat.compiler.calendar_units import (
    DAY,
    SECOND,
    fixed_size,
    grain_of,
    interval_range,
    longest,
    microseconds,
    months_of,
    months_range,
    unit_named,
)
from sqlfeat.compiler.values import Number, Value, is_null, together

if TYPE_CHECKING:
    from sqlfeat.compiler.instants import Row


def call_value(row: Row, call: Call) -> Value:
    name, arguments = call.name, call.arguments
    if name in purity.CLOCKS or (name == "age" and len(arguments) == 1):
        timed = _is_time(call.type) or not arguments
        now = row.instant(row.values(arguments)) if timed else Value()
        return Value(
            together(row.values(arguments)) | {row.never("clock", call.span, f"{name}()", unsafe=True)}, now.variable
        )
    if name in purity.DICE:
        return Value(together(row.values(arguments)) | {row.never("random", call.span, f"{name}()", unsafe=True)})
    handler = _HANDLERS.get(name)
    values = row.values(arguments)
    if name not in purity.PLAIN and handler is None:
        return Value(together(values) | {row.never("unread", call.span, f"the function {name}")})
    made = handler(row, call, values) if handler is not None else None
    if made is not None:
        return made
    if _is_time(call.type):
        return row.instant(values)
    timely = row.of_time(values)
    if timely and name in _OVER_LISTS:
        for known in together(values):
            row.ledger.update(known, doubts=(*row.ledger.flows[known].doubts, call.span))
    return Value(together(values), timely=timely)


_OVER_LISTS = frozenset({"list_filter", "list_transform", "list_reduce", "list_where", "list_select", "list_aggregate"})
"""Functions that may keep of a list what was known: which that is, is not followed."""


def _or(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``x is null or t < x``, where ``x`` is the next row's instant: whether that is by ``t``, is known by ``t``."""
    nulls = [a.arguments[0] for a in call.arguments if isinstance(a, Call) and a.name == "is_null"]
    compared = [a for a in call.arguments if isinstance(a, Call) and a.name in ("<", "<=", ">", ">=")]
    if len(call.arguments) != 2 or len(nulls) != 1 or len(compared) != 1:
        return None
    one, other = compared[0].arguments
    later, earlier = (other, one) if compared[0].name in ("<", "<=") else (one, other)
    if row.value(later).variable != row.value(nulls[0]).variable:
        return None
    return row.not_yet(later, earlier)


def _before_open_end(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``t < coalesce(x, far away)``: the same."""
    one, other = call.arguments
    later, earlier = (other, one) if call.name in ("<", "<=") else (one, other)
    if not isinstance(later, Call) or later.name != "coalesce" or len(later.arguments) != 2:
        return None
    far = row.value(later.arguments[1]).literal
    if not isinstance(far, date) or far.year < _END_OF_TIME:
        return None
    return row.not_yet(later.arguments[0], earlier)


_END_OF_TIME = 9000
"""The year from which on a date stands for ever: no data are that late."""


def _is_time(type_name: str | None) -> bool:
    return type_name is not None and type_name.startswith(("TIMESTAMP", "DATE"))


def grain_of_type(type_name: str | None) -> int:
    """What every value of a type is a multiple of."""
    return 0 if (type_name or "").endswith("_NS") else _GRAINS.get(type_name or "", 1)


_GRAINS = {"DATE": DAY, "TIMESTAMP_S": SECOND, "TIMESTAMP_MS": 1000}


def _add(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``x + interval``, ``interval + x``, ``date + days``."""
    one, other = values
    for x, y in ((one, other), (other, one)):
        if row.is_instant(x):
            span = _range_of(row, call, x, y)
            if span is None:
                return row.instant(values) if not row.is_instant(y) else None
            return _moved(row, x, y, span)
    return None


def _subtract(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``x - interval``, ``date - days``; the distance of two instants."""
    one, other = values
    if len(values) != 2 or not row.is_instant(one):
        return None
    if row.is_instant(other):
        assert one.variable is not None
        assert other.variable is not None
        days = call.type in ("BIGINT", "INTEGER")
        if not days and call.type != "INTERVAL":
            return None
        finer = 0 if row.grain(one) and row.grain(other) else 1
        number = Number(one.variable, other.variable, DAY if days else 1, -finer, finer)
        return Value(together(values), number=number)
    span = _range_of(row, call, one, other)
    return row.instant(values) if span is None else _moved(row, one, other, (-span[1], -span[0]))


def _range_of(row: Row, call: Call, x: Value, y: Value) -> tuple[int, int] | None:
    """The shortest and the longest that a literal can be that is added to an instant."""
    if not y.constant:
        return None
    if isinstance(y.literal, Interval):
        return interval_range(y.literal)
    if isinstance(y.literal, int) and not isinstance(y.literal, bool) and row.grain(x) == DAY and call.type == "DATE":
        return y.literal * DAY, y.literal * DAY
    return None


def _moved(row: Row, x: Value, y: Value, span: tuple[int, int]) -> Value:
    months, end = row.ledger.ends.get(x.variable or 0, (0, 0))
    if end and y.literal == Interval(months) and span[0] > 0:
        return Value(together((x, y)), end)
    grain = row.grain(x)
    if grain and (span[0] != span[1] or span[0] % grain):
        exact = isinstance(y.literal, Interval) and not y.literal.microseconds and grain == DAY
        grain = DAY if exact else min(grain, 1)
    made = row.shifted(x, *span, grain)
    assert made.variable is not None
    if span[0] != span[1] or x.variable in row.ledger.estimates:
        row.ledger.estimates.add(made.variable)
    if x.variable in row.ledger.buckets:
        row.ledger.buckets.add(made.variable)
    return Value(together((x, y)), made.variable, constant=x.constant)


def _to_interval(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``to_days(3)`` is a literal interval."""
    unit = unit_named(call.name.removeprefix("to_"))
    count = values[0].literal if values and values[0].constant else None
    if unit is None or not isinstance(count, int) or isinstance(count, bool):
        return None
    size = fixed_size(unit)
    if size is not None:
        days, rest = (count * size // DAY, 0) if size % DAY == 0 else (0, count * size)
        return Value(together(values), literal=Interval(0, days, rest), constant=True)
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}[unit]
    return Value(together(values), literal=Interval(count * months), constant=True)


def _scaled(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``3 * interval '1 day'``."""
    for one, other in (values, values[::-1]):
        if one.constant and other.constant and isinstance(one.literal, int) and isinstance(other.literal, Interval):
            n, i = one.literal, other.literal
            return Value(literal=Interval(n * i.months, n * i.days, n * i.microseconds), constant=True)
    return None


def _negated(row: Row, call: Call, values: list[Value]) -> Value | None:
    literal = values[0].literal
    if values[0].constant and isinstance(literal, Interval):
        turned = Interval(-literal.months, -literal.days, -literal.microseconds)
        return Value(literal=turned, constant=True)
    return None


def _date_trunc(row: Row, call: Call, values: list[Value]) -> Value | None:
    if len(values) != 2:
        return None
    unit = unit_named(values[0].literal) if isinstance(values[0].literal, str) else None
    if unit is None or not row.is_instant(values[1]):
        return row.instant(values) if row.is_instant(values[1]) else None
    made = row.cut(values[1], longest(unit), grain_of(unit), months_of(unit) or 0)
    _end_of(row, values[1], made, months_of(unit))
    return made


def _end_of(row: Row, value: Value, start: Value, months: int | None) -> None:
    """The end of a month that an instant lies in: the instant is before it, and that is exact."""
    x, y = value.variable, start.variable
    if months is None or months > 12 or x is None or y is None or x == y:
        return
    end = row.shifted(start, *months_range(months), DAY).variable
    assert end is not None
    row.ledger.ends[y] = (months, end)
    row.zone.require(x, end, -(row.grain(value) and math.gcd(row.grain(value), DAY)))


def _time_bucket(row: Row, call: Call, values: list[Value]) -> Value | None:
    """The start of the bucket that an instant lies in.

    Where buckets begin elsewhere, by a literal, they are as long. A month's offset is not everywhere as long, a zone
    neither; an origin may be null or infinite.
    """
    if len(values) < 2 or not row.is_instant(values[1]):
        return None
    width, x = values[0].literal, values[1]
    if not isinstance(width, Interval) or not values[0].constant or len(values) > 3:
        return row.instant(values)
    length = interval_range(width)[1]
    if row.grain(x) == DAY and (length % DAY or len(values) > 2):  # of a date it is a date again
        return row.instant(values)
    if len(values) == 2:
        months = width.months if width.months <= 12 else -width.months  # those of a date_trunc begin elsewhere
        made = row.cut(x, length, DAY if length % DAY == 0 else (1 if row.grain(x) else 0), months)
        if width.months and not width.days and not width.microseconds:
            _end_of(row, x, made, width.months)
        return Value(together(values), made.variable)
    begin = values[2].literal
    if not isinstance(begin, date | Interval) or (isinstance(begin, Interval) and begin.months):
        return row.instant(values)
    return Value(together(values), row.start(x, length, 1 if row.grain(x) else 0).variable)


def _cast(row: Row, call: Call, values: list[Value]) -> Value | None:
    """Between dates and instants, all of them in UTC; from anything else an instant without bounds."""
    if not _is_time(call.type):
        return None
    x = values[0]
    if not row.is_instant(x):
        return _literal_instant(row, call, x) or row.instant(values, grain_of_type(call.type), constant=x.constant)
    if call.type == "DATE":
        return row.cut(x, DAY, DAY)
    if call.type in ("TIMESTAMP_S", "TIMESTAMP_MS"):
        size = grain_of_type(call.type)
        return x if row.grain(x) and row.grain(x) % size == 0 else row.shifted(x, -size, size, size)
    if not row.grain(x) and getattr(call.arguments[0], "type", None) in (None, "TIMESTAMP_NS") and not x.constant:
        return _without_nanoseconds(row, call, x)
    return x


def _without_nanoseconds(row: Row, call: Call, x: Value) -> Value:
    """An instant in nanoseconds counts as the microsecond after it (TIME, section 1), and a cast cuts it off."""
    if call.type == "TIMESTAMP_NS":
        return x
    made = row.shifted(x, -1, 0, 1)
    assert made.variable is not None
    row.ledger.estimates.add(made.variable)  # whether there are any in the data nobody knows
    return made


def _literal_instant(row: Row, call: Call, x: Value) -> Value | None:
    if not isinstance(x.literal, str):
        return None
    try:
        found = datetime.fromisoformat(x.literal.strip())
    except ValueError:
        return None
    if found.utcoffset() and call.type != "TIMESTAMP WITH TIME ZONE":
        return None  # without a zone DuckDB drops the offset
    if call.type in ("TIMESTAMP_S", "TIMESTAMP_MS") and microseconds(found) % grain_of_type(call.type):
        return None
    value = row.instant((x,), constant=True)
    assert value.variable is not None
    row.zone.assume([value.variable])
    row.place(value.variable, found.date() if call.type == "DATE" else found)
    return Value(x.flows, value.variable, literal=found, constant=True)


def _timezone(row: Row, call: Call, values: list[Value]) -> Value | None:
    """``x at time zone 'UTC'`` changes the type only; another zone shifts by what is not worked out here."""
    if len(values) == 2 and row.is_instant(values[1]):
        zone = values[0].literal
        if isinstance(zone, str) and zone.upper() in ("UTC", "ETC/UTC", "GMT", "Z"):
            return values[1]
        return row.instant(values)
    return None


def _greatest(row: Row, call: Call, values: list[Value]) -> Value | None:
    """The latest of those that are not null: each of them is not later, and one of them is it."""
    return _extreme(row, values, sign=1)


def _least(row: Row, call: Call, values: list[Value]) -> Value | None:
    """The earliest of those that are not null."""
    return _extreme(row, values, sign=-1)


def _extreme(row: Row, values: list[Value], sign: int) -> Value | None:
    given = [as_instant(row, value, values) for value in values if not is_null(value)]
    if not given or not any(row.is_instant(value) for value in given):
        return None
    both = sorted(value.variable or 0 for value in given) if sign > 0 and len(given) == 2 else []
    known = row.ledger.later_of(*both) if both else None
    if known is not None and row.zone.bound(both[0], known) is not None:
        return Value(together(values), known)
    made = row.either(given)
    if made.variable is None:
        return row.instant(values)
    if known is not None:  # the same instant, of which this zone has forgotten what it is
        row.zone.imply(known, [made.variable])
        row.zone.imply(made.variable, [known])
        row.zone.equate(known, made.variable)
    elif both and both[0] != both[1]:
        row.ledger.latest.setdefault(both[0], {})[both[1]] = made.variable
    for value in given:
        if value.variable is None:
            continue
        row.zone.imply(value.variable, [made.variable])
        if value.variable in row.zone.certain:
            row.zone.assume([made.variable])
        pair = (value.variable, made.variable) if sign > 0 else (made.variable, value.variable)
        row.zone.require(*pair, 0)
    return Value(together(values), made.variable)


def as_instant(row: Row, value: Value, beside: Iterable[Value]) -> Value:
    """A text beside an instant is one too: DuckDB casts it to the other's type, and a date to a day.

    Where the others are whole days (or seconds) and the text is none, it is cut, if their type says so; so nothing is
    known of it.
    """
    if value.variable is None and isinstance(value.literal, str):
        made = _literal_instant(row, Call(Span(-1, -1), "cast", (), "TIMESTAMP"), value)
        if made is None:
            return value
        assert isinstance(made.literal, date)
        grains = [row.grain(other) for other in beside if row.is_instant(other)]
        cut = any(grain and grain % 1000 == 0 and microseconds(made.literal) % grain for grain in grains)
        return row.instant((value,), constant=True) if cut else made
    return value


def _coalesce(row: Row, call: Call, values: list[Value]) -> Value | None:
    """The first that is not null: after one that never is, the others do not count."""
    if len(call.arguments) == 2 and values[1].constant and values[1].literal is False:
        return Value(row.reader.truth(row, call.arguments[0]), timely=row.of_time(values))
    if not any(row.is_instant(value) for value in values):
        return None
    given = []
    for value in values:
        own = as_instant(row, value, values)
        given.append(own)
        if own.variable in row.zone.certain:
            break
    chosen, zones, seen = [], [], row.zone
    for own in given:
        if own.variable in seen.absent:
            continue  # it is null where those before it are
        chosen.append(own)
        zones.append(seen)
        if own.variable is not None:
            seen = seen.copy()
            seen.absent |= {own.variable, *(x for x, implied in seen.implied.items() if own.variable in implied)}
    made = row.either(chosen, zones=zones)
    if made.variable is None:
        return row.instant(values)
    for own in given:
        if own.variable is not None:
            row.zone.imply(own.variable, [made.variable])
            if own.variable in row.zone.certain:
                row.zone.assume([made.variable])
    return Value(together(values), made.variable)


def _case(row: Row, call: Call, values: list[Value]) -> Value | None:
    """One of the results; what is known of each is what its condition says, and it is read nowhere else."""
    chosen = (*values[1::2][: len(values) // 2], values[-1])
    results = [as_instant(row, value, chosen) for value in chosen]
    zones, flows = [], values[-1].flows
    for condition, result in zip(call.arguments[:-1:2], chosen, strict=False):
        branch = row.branch()
        row.reader.assume(branch, condition, True)
        zones.append(branch.zone)
        flows |= row.within(result.flows, branch.zone) | row.reader.truth(row, condition)
    if not any(row.is_instant(value) for value in results):
        return Value(flows, timely=row.of_time(values))
    made = row.either(results, zones=[*zones, row.zone])
    return Value(flows, made.variable if made.variable is not None else row.instant(values).variable)


def _nullif(row: Row, call: Call, values: list[Value]) -> Value | None:
    if not values or not row.is_instant(values[0]):
        return None
    made = row.either([values[0], Value(constant=True)])
    return Value(together(values), made.variable)


def _last_day(row: Row, call: Call, values: list[Value]) -> Value | None:
    """Midnight of the last day of the month: at most a day before, and thirty days after."""
    if not row.is_instant(values[0]):
        return None
    return row.shifted(values[0], -(DAY - (1 if row.grain(values[0]) else 0)), 30 * DAY, DAY)


def _date_diff(row: Row, call: Call, values: list[Value]) -> Value | None:
    """The distance in units, whole or begun: off by less than one unit whichever way they are counted.

    Whole units of instants with a zone are off by more than that in DuckDB, before 1970; so they say nothing.
    """
    if len(values) != 3:
        return None
    unit = unit_named(values[0].literal) if isinstance(values[0].literal, str) else None
    start, end = (as_instant(row, value, values) for value in values[1:])
    size = fixed_size(unit) if unit else None
    if size is None or not row.is_instant(start) or not row.is_instant(end):
        return None
    if call.name == "date_sub" and any(getattr(each, "type", None) not in _UNZONED for each in call.arguments[1:]):
        return None
    assert start.variable is not None
    assert end.variable is not None
    less = size - 1 if row.grain(start) and row.grain(end) else size
    if all(value_grain and value_grain % size == 0 for value_grain in (row.grain(start), row.grain(end))):
        less = 0 if unit != "week" else less
    return Value(together(values), number=Number(end.variable, start.variable, size, -less, less))


_UNZONED = ("TIMESTAMP", "DATE")

Handler = Callable[["Row", Call, list[Value]], Value | None]
_HANDLERS: dict[str, Handler] = {
    "+": _add, "add": _add, "date_add": _add, "-": _subtract, "subtract": _subtract, "*": _scaled, "neg": _negated,
    "date_trunc": _date_trunc, "time_bucket": _time_bucket, "cast": _cast, "try_cast": _cast, "timezone": _timezone,
    "greatest": _greatest, "least": _least, "coalesce": _coalesce, "case": _case, "if": _case, "nullif": _nullif,
    "or": _or, "<": _before_open_end, "<=": _before_open_end, ">": _before_open_end, ">=": _before_open_end,
    "last_day": _last_day, "date_diff": _date_diff, "date_sub": _date_diff,
    **{f"to_{unit}": _to_interval for unit in (
        "microseconds", "milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years",
        "decades", "centuries", "millennia")},
}  # fmt: skip
