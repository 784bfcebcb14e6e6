"""Parts of dates and instants, the starts of their units, and times that are made of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions.casts import as_double, cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import instants as running
from sqlfeat.compiler.expressions.running import intervals
from sqlfeat.compiler.expressions.running.instants import FOREVER, HOUR, MINUTE, SECOND
from sqlfeat.compiler.expressions.running.zones import Zone
from sqlfeat.compiler.expressions.time_units import (
    CLOCK,
    FINITE,
    SIZES,
    YEARS,
    dated,
    expect,
    instant,
    known,
    unit_of,
)  # fmt: skip
from sqlfeat.compiler.expressions.typed import Constant, Node, call
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
)  # fmt: skip

Binder = Callable[[list[Node]], Node]
Zones = Callable[[str], Zone | None]
"""Gives a time zone by its name, where there is a table of it."""

# -- parts -------------------------------------------------------------------------------------------------------------

_PARTS: dict[str, str | Callable[..., Any]] = {
    "year": running.year_of, "month": running.month_of, "day": running.day_of, "quarter": running.quarter_of,
    "decade": running.decade_of, "century": running.century_of, "millennium": running.millennium_of,
    "week": running.week_of, "isoyear": running.isoyear_of, "yearweek": running.yearweek_of,
    "dow": running.day_of_week, "isodow": running.iso_day_of_week, "doy": running.day_of_year, "era": running.era_of,
    "hour": f"{{0}} // {HOUR} % 24 if {FINITE} else None", "minute": f"{{0}} // {MINUTE} % 60 if {FINITE} else None",
    "second": f"{{0}} // {SECOND} % 60 if {FINITE} else None",
    "millisecond": f"{{0}} % {MINUTE} // 1000 if {FINITE} else None",
    "microsecond": f"{{0}} % {MINUTE} if {FINITE} else None",
}  # fmt: skip
_INTERVAL_PARTS: dict[str, Callable[..., Any]] = {
    "year": intervals.years_of, "month": intervals.months_of, "day": intervals.days_of, "hour": intervals.hours_of,
    "minute": intervals.minutes_of, "second": intervals.seconds_of, "millisecond": intervals.milliseconds_of,
    "microsecond": intervals.microseconds_of,
}  # fmt: skip


def _part(unit: str, value: Node) -> Node:
    if value.type == INTERVAL:
        return _interval_part(unit, value)
    if value.type == TIME and unit in CLOCK:
        return call("BIGINT", _PARTS[unit], value)
    if unit == "epoch":
        function = running.zoned_epoch_of if value.type == TIMESTAMPTZ else running.epoch_of
        return call("DOUBLE", function, instant(value), total=False)
    return call("BIGINT", _PARTS[unit], instant(value), total=False)


def _interval_part(unit: str, value: Node) -> Node:
    if unit == "epoch":
        return call("DOUBLE", intervals.epoch_of, value)
    if unit not in _INTERVAL_PARTS:
        raise NotCompiled(f"the {unit} of an interval")
    return call("BIGINT", _INTERVAL_PARTS[unit], value)


def _date_part(arguments: list[Node]) -> Node:
    expect(arguments, 2)
    return _part(unit_of(arguments[0]), dated(arguments[1]))


def _named_part(unit: str) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        expect(arguments, 1)
        return _part(unit, dated(arguments[0]))

    return bind


def _of_instant(result: str, function: Callable[..., Any]) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        expect(arguments, 1)
        return call(result, function, instant(arguments[0]), total=False)

    return bind


def _milliseconds(arguments: list[Node]) -> Node:
    """epoch_ms: of an instant a number, of a number an instant."""
    expect(arguments, 1)
    if arguments[0].type in SIGNED[:4]:
        return call(TIMESTAMP, running.timestamp_of_milliseconds, arguments[0])
    return call("BIGINT", running.milliseconds_of, instant(arguments[0]), total=False)


def _epoch_in(factor: int) -> Binder:
    """epoch_us, epoch_ns."""

    def bind(arguments: list[Node]) -> Node:
        expect(arguments, 1)
        return call("BIGINT", running.epoch_in, instant(arguments[0]), known(factor), total=False)

    return bind


# -- truncation --------------------------------------------------------------------------------------------------------

_STARTS: dict[str, Callable[..., Any]] = {
    "week": running.start_of_week, "yearweek": running.start_of_week, "month": running.start_of_month,
    "quarter": running.start_of_quarter, "year": running.start_of_year, "isoyear": running.start_of_isoyear,
}  # fmt: skip


def _date_trunc(arguments: list[Node]) -> Node:
    expect(arguments, 2)
    unit, value = unit_of(arguments[0]), dated(arguments[1])
    kind = TIMESTAMP if value.type == DATE else value.type
    value = instant(value)
    if unit in SIZES:
        template = f"{{0}} - {{0}} % {SIZES[unit]} if {FINITE} else {{0}}"
        return call(kind, template if SIZES[unit] > 1 else "{0}", value)
    if unit in YEARS:
        return call(kind, running.start_of_years, value, known(YEARS[unit]))
    if unit not in _STARTS:
        raise NotCompiled(f"date_trunc to the {unit}")
    return call(kind, _STARTS[unit], value)


def _last_day(arguments: list[Node]) -> Node:
    expect(arguments, 1)
    return call(DATE, running.last_day_of, instant(arguments[0]), total=False)


# -- made of numbers ---------------------------------------------------------------------------------------------------


def _make_date(arguments: list[Node]) -> Node:
    expect(arguments, 3)
    if any(node.type not in SIGNED[:4] for node in arguments):
        raise NotCompiled("make_date of these")
    return call(DATE, running.days_of, *arguments, safe=False)


def _make_timestamp(arguments: list[Node]) -> Node:
    expect(arguments, 6)
    if any(node.type not in SIGNED[:4] for node in arguments[:5]):
        raise NotCompiled("make_timestamp of these")
    return call(TIMESTAMP, running.timestamp_of_parts, *arguments[:5], as_double(arguments[5]), safe=False)


def _to_timestamp(arguments: list[Node]) -> Node:
    expect(arguments, 1)
    return call(TIMESTAMPTZ, running.timestamp_of_seconds, as_double(arguments[0]))


def _finite(template: str, of_float: str) -> Binder:
    """isfinite, isinf."""

    def bind(arguments: list[Node]) -> Node:
        expect(arguments, 1)
        value = arguments[0]
        if value.type in FLOATS:
            return call("BOOLEAN", of_float, value)
        if value.type == DATE:
            return call("BOOLEAN", template.format(value="{0}", forever=running.LAST_DATE), value)
        if value.type in INSTANTS:
            return call("BOOLEAN", template.format(value="{0}", forever=FOREVER), value)
        return call("BOOLEAN", of_float, as_double(value))

    return bind


def timezone(arguments: list[Node], zones: Zones) -> Node:
    """AT TIME ZONE: the local time of an instant, the instant of a local time."""
    expect(arguments, 2)
    zone, value = arguments
    if not isinstance(zone, Constant) or not isinstance(zone.value, str) or value.type not in INSTANTS:
        raise NotCompiled("a time zone that is not written out, or not of an instant")
    if zone.value in ("UTC", "utc", "Etc/UTC"):
        return cast(value, TIMESTAMPTZ if value.type == TIMESTAMP else TIMESTAMP)
    known = zones(zone.value)
    if known is None:
        raise NotCompiled("another zone than UTC")
    if value.type == TIMESTAMP:
        return call(TIMESTAMPTZ, "{h0}({0})", value, held=(known.instant,))
    return call(TIMESTAMP, "{h0}({0})", value, held=(known.local,))


_PART_NAMES = {
    "year": "year", "month": "month", "day": "day dayofmonth", "hour": "hour", "minute": "minute", "second": "second",
    "millisecond": "millisecond", "microsecond": "microsecond", "week": "week weekofyear", "quarter": "quarter",
    "decade": "decade", "century": "century", "millennium": "millennium", "dow": "dayofweek weekday",
    "isodow": "isodow", "doy": "dayofyear", "isoyear": "isoyear", "yearweek": "yearweek", "epoch": "epoch",
    "era": "era",
}  # fmt: skip
FUNCTIONS: dict[str, Binder] = {
    "date_part": _date_part, "datepart": _date_part, "date_trunc": _date_trunc, "datetrunc": _date_trunc,
    "last_day": _last_day, "dayname": _of_instant(TEXT, running.name_of_day),
    "monthname": _of_instant(TEXT, running.name_of_month), "epoch_ms": _milliseconds, "epoch_us": _epoch_in(1),
    "epoch_ns": _epoch_in(1000), "make_date": _make_date,
    "make_timestamp": _make_timestamp, "to_timestamp": _to_timestamp,
    "isfinite": _finite("-{forever} < {value} < {forever}", "{0} - {0} == 0"),
    "isinf": _finite("not -{forever} < {value} < {forever}", "({0} == {0} and {0} - {0} != 0)"),
}  # fmt: skip
FUNCTIONS |= {name: _named_part(unit) for unit, names in _PART_NAMES.items() for name in names.split()}
