"""Functions and arithmetic of dates, instants and intervals. The session's zone is UTC, as sqlfeat sets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions.casts import as_double, cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import instants as running
from sqlfeat.compiler.expressions.running import intervals
from sqlfeat.compiler.expressions.running.instants import DAY, FOREVER, HOUR, MINUTE, SECOND
from sqlfeat.compiler.expressions.typed import NULL, Constant, Node, call, is_null, settled
from sqlfeat.compiler.expressions.types import (
    DATE,
    FLOATS,
    INSTANTS,
    INTERVAL,
    SIGNED,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    literal_text,
)  # fmt: skip
from sqlfeat.compiler.resolve import literals

Binder = Callable[[list[Node]], Node]

_UNIT_WORDS = {
    "year": "year years y yr yrs", "month": "month months mon mons", "day": "day days d dayofmonth",
    "hour": "hour hours h", "minute": "minute minutes m min mins", "second": "second seconds s sec secs",
    "millisecond": "millisecond milliseconds ms msec", "microsecond": "microsecond microseconds us usec",
    "week": "week weeks w weekofyear", "quarter": "quarter quarters", "decade": "decade decades dec decs",
    "century": "century centuries cent", "millennium": "millennium millennia mil mils", "isoyear": "isoyear",
    "dow": "dow dayofweek weekday", "isodow": "isodow", "doy": "doy dayofyear", "yearweek": "yearweek", "era": "era",
    "epoch": "epoch",
}  # fmt: skip
_UNITS = {word: unit for unit, words in _UNIT_WORDS.items() for word in words.split()}
_CLOCK = {"hour": HOUR, "minute": MINUTE, "second": SECOND, "millisecond": 1000, "microsecond": 1}
_DATED = (DATE, *INSTANTS)


def _unit(node: Node) -> str:
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        raise NotCompiled("a unit of time that is not written out")
    unit = _UNITS.get(node.value.lower())
    if unit is None:
        raise NotCompiled(f"the unit {node.value!r}")
    return unit


def _instant(node: Node) -> Node:
    """A date as its midnight; instants as they are."""
    if node.type not in _DATED:
        raise NotCompiled(f"{node.type} here")
    return cast(node, TIMESTAMP) if node.type == DATE else settled(node)


def _expect(arguments: list[Node], *counts: int) -> None:
    if len(arguments) not in counts:
        raise NotCompiled(f"{len(arguments)} arguments")
    if any(node.type == NULL for node in arguments):
        raise NotCompiled("a bare NULL as an argument")


# -- parts -------------------------------------------------------------------------------------------------------------

_FINITE = f"-{FOREVER} < {{0}} < {FOREVER}"
_FINITE_TOO = f"-{FOREVER} < {{1}} < {FOREVER}"
_PARTS: dict[str, str | Callable[..., Any]] = {
    "year": running.year_of, "month": running.month_of, "day": running.day_of, "quarter": running.quarter_of,
    "decade": running.decade_of, "century": running.century_of, "millennium": running.millennium_of,
    "week": running.week_of, "isoyear": running.isoyear_of, "yearweek": running.yearweek_of,
    "dow": running.day_of_week, "isodow": running.iso_day_of_week, "doy": running.day_of_year, "era": running.era_of,
    "hour": f"{{0}} // {HOUR} % 24 if {_FINITE} else None", "minute": f"{{0}} // {MINUTE} % 60 if {_FINITE} else None",
    "second": f"{{0}} // {SECOND} % 60 if {_FINITE} else None",
    "millisecond": f"{{0}} % {MINUTE} // 1000 if {_FINITE} else None",
    "microsecond": f"{{0}} % {MINUTE} if {_FINITE} else None",
}  # fmt: skip
_INTERVAL_PARTS: dict[str, Callable[..., Any]] = {
    "year": intervals.years_of, "month": intervals.months_of, "day": intervals.days_of, "hour": intervals.hours_of,
    "minute": intervals.minutes_of, "second": intervals.seconds_of, "millisecond": intervals.milliseconds_of,
    "microsecond": intervals.microseconds_of,
}  # fmt: skip


def _part(unit: str, value: Node) -> Node:
    if value.type == INTERVAL:
        return _interval_part(unit, value)
    if value.type == TIME and unit in _CLOCK:
        return call("BIGINT", _PARTS[unit], value)
    if unit == "epoch":
        function = running.zoned_epoch_of if value.type == TIMESTAMPTZ else running.epoch_of
        return call("DOUBLE", function, _instant(value), total=False)
    return call("BIGINT", _PARTS[unit], _instant(value), total=False)


def _interval_part(unit: str, value: Node) -> Node:
    if unit == "epoch":
        return call("DOUBLE", intervals.epoch_of, value)
    if unit not in _INTERVAL_PARTS:
        raise NotCompiled(f"the {unit} of an interval")
    return call("BIGINT", _INTERVAL_PARTS[unit], value)


def _date_part(arguments: list[Node]) -> Node:
    _expect(arguments, 2)
    return _part(_unit(arguments[0]), _dated(arguments[1]))


def _dated(node: Node) -> Node:
    if literal_text(node) or is_null(node):
        raise NotCompiled("text or NULL as a time")
    return node


def _named_part(unit: str) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 1)
        return _part(unit, _dated(arguments[0]))

    return bind


def _of_instant(result: str, function: Callable[..., Any]) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 1)
        return call(result, function, _instant(arguments[0]), total=False)

    return bind


def _milliseconds(arguments: list[Node]) -> Node:
    """epoch_ms: of an instant a number, of a number an instant."""
    _expect(arguments, 1)
    if arguments[0].type in SIGNED[:4]:
        return call(TIMESTAMP, running.timestamp_of_milliseconds, arguments[0])
    return call("BIGINT", running.milliseconds_of, _instant(arguments[0]), total=False)


def _epoch_in(factor: int) -> Binder:
    """epoch_us, epoch_ns."""

    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 1)
        return call("BIGINT", running.epoch_in, _instant(arguments[0]), _known(factor), total=False)

    return bind


def _known(value: object) -> Constant:
    return Constant("", value)


# -- truncation --------------------------------------------------------------------------------------------------------

_STARTS: dict[str, Callable[..., Any]] = {
    "week": running.start_of_week, "yearweek": running.start_of_week, "month": running.start_of_month,
    "quarter": running.start_of_quarter, "year": running.start_of_year, "isoyear": running.start_of_isoyear,
}  # fmt: skip
_SIZES = {"microsecond": 1, "millisecond": 1000, "second": SECOND, "epoch": SECOND, "minute": MINUTE, "hour": HOUR}
_SIZES |= dict.fromkeys(("day", "dow", "isodow", "doy"), DAY)
_YEARS = {"decade": 10, "century": 100, "millennium": 1000}


def _date_trunc(arguments: list[Node]) -> Node:
    _expect(arguments, 2)
    unit, value = _unit(arguments[0]), _dated(arguments[1])
    kind = TIMESTAMP if value.type == DATE else value.type
    value = _instant(value)
    if unit in _SIZES:
        template = f"{{0}} - {{0}} % {_SIZES[unit]} if {_FINITE} else {{0}}"
        return call(kind, template if _SIZES[unit] > 1 else "{0}", value)
    if unit in _YEARS:
        return call(kind, running.start_of_years, value, _known(_YEARS[unit]))
    if unit not in _STARTS:
        raise NotCompiled(f"date_trunc to the {unit}")
    return call(kind, _STARTS[unit], value)


def _last_day(arguments: list[Node]) -> Node:
    _expect(arguments, 1)
    return call(DATE, running.last_day_of, _instant(arguments[0]), total=False)


# -- differences -------------------------------------------------------------------------------------------------------


def _two_instants(arguments: list[Node]) -> tuple[Node, Node]:
    """Two times as instants of one type."""
    one, other = map(_dated, arguments)
    return _instant(one), _instant(other)


def _date_diff(arguments: list[Node]) -> Node:
    _expect(arguments, 3)
    unit = _unit(arguments[0])
    start, end = _two_instants(arguments[1:])
    if unit in ("month", "quarter"):
        months = _known(1 if unit == "month" else 3)
        return call("BIGINT", running.months_between, start, end, months, total=False)
    if unit in ("year", *_YEARS):
        years = _known(_YEARS.get(unit, 1))
        return call("BIGINT", running.years_between, start, end, years, total=False)
    if unit == "isoyear":
        return call("BIGINT", running.isoyears_between, start, end, total=False)
    if unit == "week":
        return call("BIGINT", running.weeks_between, start, end, total=False)
    if unit not in _SIZES:
        raise NotCompiled(f"date_diff in {unit}")
    if unit == "day" or _SIZES[unit] == DAY:
        unit = "day"
    size = _SIZES[unit]
    quick = f"{{1}} // {size} - {{0}} // {size} if {_FINITE} and {_FINITE_TOO} else None"
    return call("BIGINT", running.units_between, start, end, _known(size), total=False, quick=quick)


def _date_sub(arguments: list[Node]) -> Node:
    _expect(arguments, 3)
    unit = _unit(arguments[0])
    start, end = _settled(*map(_dated, arguments[1:]))
    if start.type == TIMESTAMPTZ and unit != "microsecond":
        start = call(TIMESTAMPTZ, running.forwards, start, end)
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}
    if unit in months:
        return call("BIGINT", running.whole_months, start, end, _known(months[unit]), total=False)
    size = 7 * DAY if unit == "week" else _SIZES.get(unit)
    if size is None:
        raise NotCompiled(f"date_sub in {unit}")
    return call("BIGINT", running.whole_units, start, end, _known(size), total=False)


def _age(arguments: list[Node]) -> Node:
    if len(arguments) != 2:
        raise NotCompiled("age without the instant that it is counted from")
    one, other = _settled(*map(_dated, arguments))
    if one.type == TIMESTAMPTZ:
        return call(INTERVAL, running.zoned_age, one, other)
    return call(INTERVAL, running.age, one, other, total=False)


# -- arithmetic --------------------------------------------------------------------------------------------------------


def is_time(node: Node) -> bool:
    return node.type in (DATE, TIME, INTERVAL, *INSTANTS)


def operate(operator: str, left: Node, right: Node) -> Node:
    """``+ - * /`` where one side is a time or an interval."""
    made = _RULES.get((operator, _family(left), _family(right)))
    if made is None or is_null(left) or is_null(right):
        raise NotCompiled(f"{left.type} {operator} {right.type}")
    return made(left, right)


def _family(node: Node) -> str:
    if node.type in SIGNED[:3] or (node.type in SIGNED[:4] and isinstance(node, Constant) and node.literal):
        return "whole"
    if node.type == "BIGINT":
        return "long"
    return node.type


def _moved(function: Callable[..., Any], zoned: Callable[..., Any]) -> Callable[[Node, Node], Node]:
    def bind(value: Node, interval: Node) -> Node:
        if value.type == TIMESTAMPTZ:
            return call(TIMESTAMPTZ, zoned, value, interval, safe=False)
        return call(TIMESTAMP, function, _instant(value), interval, safe=False)

    return bind


def _swapped(rule: Callable[[Node, Node], Node]) -> Callable[[Node, Node], Node]:
    return lambda left, right: rule(right, left)


def _date_plus(date: Node, count: Node) -> Node:
    return call(DATE, running.plus_days, date, count, safe=False)


def _date_minus(date: Node, count: Node) -> Node:
    return call(DATE, running.plus_days, date, call("BIGINT", "-{0}", count), safe=False)


def _difference(left: Node, right: Node) -> Node:
    if TIMESTAMPTZ in (left.type, right.type) and left.type != right.type:
        raise NotCompiled(f"{left.type} - {right.type}")
    return call(INTERVAL, running.time_since, *_settled(left, right), safe=False)


def _settled(left: Node, right: Node) -> tuple[Node, Node]:
    """Two instants whose difference DuckDB counts rightly."""
    one, other = _instant(left), _instant(right)
    if TIMESTAMPTZ in (one.type, other.type):
        return call(TIMESTAMPTZ, running.settled, one), call(TIMESTAMPTZ, running.settled, other)
    return one, other


def _interval_of(function: Callable[..., Any]) -> Callable[[Node, Node], Node]:
    return lambda left, right: call(INTERVAL, function, left, right, safe=False)


_RULES: dict[tuple[str, str, str], Callable[[Node, Node], Node]] = {
    ("+", DATE, "whole"): _date_plus,
    ("+", "whole", DATE): _swapped(_date_plus),
    ("-", DATE, "whole"): _date_minus,
    ("-", DATE, DATE): lambda left, right: call("BIGINT", running.days_since, left, right, safe=False),
    ("+", INTERVAL, INTERVAL): _interval_of(intervals.plus),
    ("-", INTERVAL, INTERVAL): _interval_of(intervals.minus),
    ("*", INTERVAL, "whole"): _interval_of(intervals.times),
    ("*", "whole", INTERVAL): _swapped(_interval_of(intervals.times)),
    ("*", INTERVAL, "long"): _interval_of(intervals.times),
    ("*", "long", INTERVAL): _swapped(_interval_of(intervals.times)),
    ("+", DATE, TIME): lambda left, right: call(TIMESTAMP, running.at_time, left, right, safe=False),
    ("-", TIMESTAMP, TIMESTAMP): _difference,
    ("-", TIMESTAMPTZ, TIMESTAMPTZ): _difference,
    ("-", TIMESTAMP, DATE): _difference,
    ("-", DATE, TIMESTAMP): _difference,
}
_PLUS = _moved(running.plus_interval, running.zoned_plus_interval)
_MINUS = _moved(running.minus_interval, running.zoned_minus_interval)
for _kind in (DATE, *INSTANTS):
    _RULES["+", _kind, INTERVAL] = _PLUS
    _RULES["+", INTERVAL, _kind] = _swapped(_PLUS)
    _RULES["-", _kind, INTERVAL] = _MINUS


def negative(node: Node) -> Node:
    return call(INTERVAL, intervals.negative, node, safe=False)


def interval(amount: Node, unit: str) -> Node:
    """``INTERVAL '…'``, ``INTERVAL 5 day``, ``INTERVAL (x) day``."""
    if isinstance(amount, Constant) and amount.literal == "string":
        value = literals.interval(amount.value, unit or None, whole=bool(unit))
        if value is None or "." in amount.value:
            raise NotCompiled(f"the interval {amount.value!r}")
        return Constant(INTERVAL, (value.months, value.days, value.microseconds))
    if unit not in _UNITS and unit:
        raise NotCompiled(f"the unit {unit!r}")
    if not unit or amount.type not in SIGNED[:4]:
        raise NotCompiled("an interval of such an amount")
    function, factor = _MADE[_UNITS[unit]]
    if factor != 1:
        amount = call("HUGEINT", f"{{0}} * {factor}", amount)
    return call(INTERVAL, function, amount, safe=False)


_MADE: dict[str, tuple[Callable[..., Any], int]] = {
    "year": (intervals.of_months, 12), "quarter": (intervals.of_months, 3), "month": (intervals.of_months, 1),
    "decade": (intervals.of_months, 120), "century": (intervals.of_months, 1200),
    "millennium": (intervals.of_months, 12000), "week": (intervals.of_days, 7), "day": (intervals.of_days, 1),
    "hour": (intervals.of_microseconds, HOUR), "minute": (intervals.of_microseconds, MINUTE),
    "second": (intervals.of_microseconds, SECOND), "millisecond": (intervals.of_microseconds, 1000),
    "microsecond": (intervals.of_microseconds, 1),
}  # fmt: skip


def _to_units(unit: str) -> Binder:
    """to_days and its like."""

    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 1)
        if unit in ("second", "millisecond") and arguments[0].type not in SIGNED[:4]:
            raise NotCompiled(f"to_{unit}s of {arguments[0].type}")
        return interval(settled(arguments[0]), unit)

    return bind


def _time_bucket(arguments: list[Node]) -> Node:
    _expect(arguments, 2, 3)
    width, value = arguments[:2]
    if width.type != INTERVAL or value.type not in _DATED:
        raise NotCompiled("time_bucket of these")
    kind = TIMESTAMP if value.type == DATE else value.type
    if len(arguments) == 2:
        made = call(kind, running.bucket, width, _instant(value), safe=False)
    elif arguments[2].type == INTERVAL:
        made = call(kind, running.bucket_with_offset, width, _instant(value), arguments[2], safe=False)
    elif arguments[2].type == value.type:
        origin = _instant(arguments[2])
        made = call(kind, running.bucket, width, _instant(value), origin, total=False, safe=False)
    else:
        raise NotCompiled(f"time_bucket from {arguments[2].type}")
    return cast(made, DATE) if value.type == DATE else made


# -- made of numbers ---------------------------------------------------------------------------------------------------


def _make_date(arguments: list[Node]) -> Node:
    _expect(arguments, 3)
    if any(node.type not in SIGNED[:4] for node in arguments):
        raise NotCompiled("make_date of these")
    return call(DATE, running.days_of, *arguments, safe=False)


def _make_timestamp(arguments: list[Node]) -> Node:
    _expect(arguments, 6)
    if any(node.type not in SIGNED[:4] for node in arguments[:5]):
        raise NotCompiled("make_timestamp of these")
    return call(TIMESTAMP, running.timestamp_of_parts, *arguments[:5], as_double(arguments[5]), safe=False)


def _to_timestamp(arguments: list[Node]) -> Node:
    _expect(arguments, 1)
    return call(TIMESTAMPTZ, running.timestamp_of_seconds, as_double(arguments[0]))


def _finite(template: str, of_float: str) -> Binder:
    """isfinite, isinf."""

    def bind(arguments: list[Node]) -> Node:
        _expect(arguments, 1)
        value = arguments[0]
        if value.type in FLOATS:
            return call("BOOLEAN", of_float, value)
        if value.type == DATE:
            return call("BOOLEAN", template.format(value="{0}", forever=running.LAST_DATE), value)
        if value.type in INSTANTS:
            return call("BOOLEAN", template.format(value="{0}", forever=FOREVER), value)
        return call("BOOLEAN", of_float, as_double(value))

    return bind


def _timezone(arguments: list[Node]) -> Node:
    """AT TIME ZONE 'UTC': the same instant, read the other way."""
    _expect(arguments, 2)
    zone, value = arguments
    if not isinstance(zone, Constant) or zone.value not in ("UTC", "utc", "Etc/UTC") or value.type not in INSTANTS:
        raise NotCompiled("another zone than UTC")
    return cast(value, TIMESTAMPTZ if value.type == TIMESTAMP else TIMESTAMP)


_PART_NAMES = {
    "year": "year", "month": "month", "day": "day dayofmonth", "hour": "hour", "minute": "minute", "second": "second",
    "millisecond": "millisecond", "microsecond": "microsecond", "week": "week weekofyear", "quarter": "quarter",
    "decade": "decade", "century": "century", "millennium": "millennium", "dow": "dayofweek weekday",
    "isodow": "isodow", "doy": "dayofyear", "isoyear": "isoyear", "yearweek": "yearweek", "epoch": "epoch",
    "era": "era",
}  # fmt: skip
FUNCTIONS: dict[str, Binder] = {
    "date_part": _date_part, "datepart": _date_part, "date_trunc": _date_trunc, "datetrunc": _date_trunc,
    "date_diff": _date_diff, "datediff": _date_diff, "date_sub": _date_sub, "datesub": _date_sub, "age": _age,
    "last_day": _last_day, "dayname": _of_instant(TEXT, running.name_of_day),
    "monthname": _of_instant(TEXT, running.name_of_month), "epoch_ms": _milliseconds, "epoch_us": _epoch_in(1),
    "epoch_ns": _epoch_in(1000), "time_bucket": _time_bucket, "make_date": _make_date,
    "make_timestamp": _make_timestamp, "to_timestamp": _to_timestamp, "timezone": _timezone,
    "isfinite": _finite("-{forever} < {value} < {forever}", "{0} - {0} == 0"),
    "isinf": _finite("not -{forever} < {value} < {forever}", "({0} == {0} and {0} - {0} != 0)"),
}  # fmt: skip
FUNCTIONS |= {name: _named_part(unit) for unit, names in _PART_NAMES.items() for name in names.split()}
_TO = "year quarter month week day hour minute second millisecond microsecond decade"
FUNCTIONS |= {f"to_{unit}s": _to_units(unit) for unit in _TO.split()}
FUNCTIONS |= {"to_centuries": _to_units("century"), "to_millennia": _to_units("millennium")}
