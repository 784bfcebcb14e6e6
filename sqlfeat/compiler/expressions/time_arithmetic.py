"""Differences of times, intervals, and times that an interval moves. The session's zone is UTC, as sqlfeat sets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions.casts import cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import durations, intervals
from sqlfeat.compiler.expressions.running.instants import DAY, HOUR, MINUTE, SECOND
from sqlfeat.compiler.expressions.time_units import (
    DATED,
    FINITE,
    FINITE_TOO,
    SIZES,
    UNITS,
    YEARS,
    dated,
    expect,
    instant,
    known,
    unit_of,
)  # fmt: skip
from sqlfeat.compiler.expressions.typed import Constant, Node, call, is_null, settled
from sqlfeat.compiler.expressions.types import DATE, INSTANTS, INTERVAL, SIGNED, TIME, TIMESTAMP, TIMESTAMPTZ
from sqlfeat.compiler.resolve import literals

Binder = Callable[[list[Node]], Node]


# -- differences -------------------------------------------------------------------------------------------------------


def _two_instants(arguments: list[Node]) -> tuple[Node, Node]:
    """Two times as instants of one type."""
    one, other = map(dated, arguments)
    return instant(one), instant(other)


def _date_diff(arguments: list[Node]) -> Node:
    expect(arguments, 3)
    unit = unit_of(arguments[0])
    start, end = _two_instants(arguments[1:])
    if unit in ("month", "quarter"):
        months = known(1 if unit == "month" else 3)
        return call("BIGINT", durations.months_between, start, end, months, total=False)
    if unit in ("year", *YEARS):
        years = known(YEARS.get(unit, 1))
        return call("BIGINT", durations.years_between, start, end, years, total=False)
    if unit == "isoyear":
        return call("BIGINT", durations.isoyears_between, start, end, total=False)
    if unit == "week":
        return call("BIGINT", durations.weeks_between, start, end, total=False)
    if unit not in SIZES:
        raise NotCompiled(f"date_diff in {unit}")
    if unit == "day" or SIZES[unit] == DAY:
        unit = "day"
    size = SIZES[unit]
    quick = f"{{1}} // {size} - {{0}} // {size} if {FINITE} and {FINITE_TOO} else None"
    return call("BIGINT", durations.units_between, start, end, known(size), total=False, quick=quick)


def _date_sub(arguments: list[Node]) -> Node:
    expect(arguments, 3)
    unit = unit_of(arguments[0])
    start, end = _settled(*map(dated, arguments[1:]))
    if start.type == TIMESTAMPTZ and unit != "microsecond":
        start = call(TIMESTAMPTZ, durations.forwards, start, end)
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}
    if unit in months:
        return call("BIGINT", durations.whole_months, start, end, known(months[unit]), total=False)
    size = 7 * DAY if unit == "week" else SIZES.get(unit)
    if size is None:
        raise NotCompiled(f"date_sub in {unit}")
    return call("BIGINT", durations.whole_units, start, end, known(size), total=False)


def _age(arguments: list[Node]) -> Node:
    if len(arguments) != 2:
        raise NotCompiled("age without the instant that it is counted from")
    one, other = _settled(*map(dated, arguments))
    if one.type == TIMESTAMPTZ:
        return call(INTERVAL, durations.zoned_age, one, other)
    return call(INTERVAL, durations.age, one, other, total=False)


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
        return call(TIMESTAMP, function, instant(value), interval, safe=False)

    return bind


def _swapped(rule: Callable[[Node, Node], Node]) -> Callable[[Node, Node], Node]:
    return lambda left, right: rule(right, left)


def _date_plus(date: Node, count: Node) -> Node:
    return call(DATE, durations.plus_days, date, count, safe=False)


def _date_minus(date: Node, count: Node) -> Node:
    return call(DATE, durations.plus_days, date, call("BIGINT", "-{0}", count), safe=False)


def _difference(left: Node, right: Node) -> Node:
    if TIMESTAMPTZ in (left.type, right.type) and left.type != right.type:
        raise NotCompiled(f"{left.type} - {right.type}")
    return call(INTERVAL, durations.time_since, *_settled(left, right), safe=False)


def _settled(left: Node, right: Node) -> tuple[Node, Node]:
    """Two instants whose difference DuckDB counts rightly."""
    one, other = instant(left), instant(right)
    if TIMESTAMPTZ in (one.type, other.type):
        return call(TIMESTAMPTZ, durations.settled, one), call(TIMESTAMPTZ, durations.settled, other)
    return one, other


def _interval_of(function: Callable[..., Any]) -> Callable[[Node, Node], Node]:
    return lambda left, right: call(INTERVAL, function, left, right, safe=False)


_RULES: dict[tuple[str, str, str], Callable[[Node, Node], Node]] = {
    ("+", DATE, "whole"): _date_plus,
    ("+", "whole", DATE): _swapped(_date_plus),
    ("-", DATE, "whole"): _date_minus,
    ("-", DATE, DATE): lambda left, right: call("BIGINT", durations.days_since, left, right, safe=False),
    ("+", INTERVAL, INTERVAL): _interval_of(intervals.plus),
    ("-", INTERVAL, INTERVAL): _interval_of(intervals.minus),
    ("*", INTERVAL, "whole"): _interval_of(intervals.times),
    ("*", "whole", INTERVAL): _swapped(_interval_of(intervals.times)),
    ("*", INTERVAL, "long"): _interval_of(intervals.times),
    ("*", "long", INTERVAL): _swapped(_interval_of(intervals.times)),
    ("+", DATE, TIME): lambda left, right: call(TIMESTAMP, durations.at_time, left, right, safe=False),
    ("-", TIMESTAMP, TIMESTAMP): _difference,
    ("-", TIMESTAMPTZ, TIMESTAMPTZ): _difference,
    ("-", TIMESTAMP, DATE): _difference,
    ("-", DATE, TIMESTAMP): _difference,
}
_PLUS = _moved(durations.plus_interval, durations.zoned_plus_interval)
_MINUS = _moved(durations.minus_interval, durations.zoned_minus_interval)
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
    if unit not in UNITS and unit:
        raise NotCompiled(f"the unit {unit!r}")
    if not unit or amount.type not in SIGNED[:4]:
        raise NotCompiled("an interval of such an amount")
    function, factor = _MADE[UNITS[unit]]
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
        expect(arguments, 1)
        if unit in ("second", "millisecond") and arguments[0].type not in SIGNED[:4]:
            raise NotCompiled(f"to_{unit}s of {arguments[0].type}")
        return interval(settled(arguments[0]), unit)

    return bind


def _time_bucket(arguments: list[Node]) -> Node:
    expect(arguments, 2, 3)
    width, value = arguments[:2]
    if width.type != INTERVAL or value.type not in DATED:
        raise NotCompiled("time_bucket of these")
    kind = TIMESTAMP if value.type == DATE else value.type
    if len(arguments) == 2:
        made = call(kind, durations.bucket, width, instant(value), safe=False)
    elif arguments[2].type == INTERVAL:
        made = call(kind, durations.bucket_with_offset, width, instant(value), arguments[2], safe=False)
    elif arguments[2].type == value.type:
        origin = instant(arguments[2])
        made = call(kind, durations.bucket, width, instant(value), origin, total=False, safe=False)
    else:
        raise NotCompiled(f"time_bucket from {arguments[2].type}")
    return cast(made, DATE) if value.type == DATE else made


FUNCTIONS: dict[str, Binder] = {
    "date_diff": _date_diff, "datediff": _date_diff, "date_sub": _date_sub, "datesub": _date_sub, "age": _age,
    "time_bucket": _time_bucket,
}  # fmt: skip
_TO = "year quarter month week day hour minute second millisecond microsecond decade"
FUNCTIONS |= {f"to_{unit}s": _to_units(unit) for unit in _TO.split()}
FUNCTIONS |= {"to_centuries": _to_units("century"), "to_millennia": _to_units("millennium")}
