"""Python's values for those that expressions compute with, and back: datetimes, dates, decimals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running.errors import NotCovered
from sqlfeat.compiler.expressions.running.instants import DAY, SECOND, Interval
from sqlfeat.compiler.expressions.typed import NULL, Call, Choice, Column, First, Junction, Node, call
from sqlfeat.compiler.expressions.types import (
    BOOLEAN,
    DATE,
    FLOATS,
    INTEGERS,
    INTERVAL,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    decimal,
    element,
)  # fmt: skip

_EPOCH = datetime(1970, 1, 1)
_AWARE = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)


def is_result(type_name: str) -> bool:
    return type_name != NULL


def microseconds(value: datetime) -> int:
    """An instant: one without a zone is UTC."""
    if value.tzinfo is not None:
        return (value - _AWARE) // _MICROSECOND
    whole = ((value.toordinal() - _FIRST) * 86400 + value.hour * 3600 + value.minute * 60 + value.second) * SECOND
    return whole + value.microsecond


def naive(value: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        raise NotCovered from None


def aware(value: int) -> datetime:
    try:
        return _AWARE + timedelta(microseconds=value)
    except OverflowError:
        raise NotCovered from None


def days(value: date) -> int:
    return value.toordinal() - _FIRST


def day(value: int) -> date:
    try:
        return date.fromordinal(value + _FIRST)
    except (ValueError, OverflowError):
        raise NotCovered from None


def since_midnight(value: time) -> int:
    return (value.hour * 3600 + value.minute * 60 + value.second) * SECOND + value.microsecond


def clock(value: int) -> time:
    if value >= DAY:
        raise NotCovered
    seconds, fraction = divmod(value, SECOND)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, fraction)


def units(value: Decimal, scale: int) -> int:
    """A decimal's smallest units; it has no more places than its type."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise NotCovered
    whole = int("".join(map(str, digits)) or "0")
    shift = exponent + scale
    whole = whole * int(10**shift) if shift >= 0 else whole // int(10**-shift)
    return -whole if sign else whole


def number(value: int, scale: int) -> Decimal:
    return Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -scale))


def interval(value: timedelta) -> Interval:
    return (0, value.days, value.seconds * SECOND + value.microseconds)


_IN: dict[str, Callable[..., Any]] = {
    TIMESTAMP: microseconds, TIMESTAMPTZ: microseconds, DATE: days, TIME: since_midnight, INTERVAL: interval,
}  # fmt: skip
_OUT: dict[str, Callable[..., Any]] = {TIMESTAMP: naive, TIMESTAMPTZ: aware, DATE: day, TIME: clock}
_HELD_OTHERWISE = re.compile(r"DATE|TIME|INTERVAL|DECIMAL")
"""What in the name of a nested type says that its values are kept in another form than Python's."""
_SAME = (TEXT, BOOLEAN, *INTEGERS, *FLOATS)


def inward(node: Node) -> Node:
    """The same expression over columns of Python's values."""
    if isinstance(node, Column):
        return _converted(node)
    if isinstance(node, Call):
        return replace(node, arguments=tuple(map(inward, node.arguments)))
    if isinstance(node, First | Junction):
        return replace(node, arguments=tuple(map(inward, node.arguments)))
    if isinstance(node, Choice):
        branches = tuple((inward(test), inward(value)) for test, value in node.branches)
        return Choice(node.type, branches, inward(node.default))
    return node


def _converted(node: Column) -> Node:
    function = _IN.get(node.type)
    if function is not None:
        return call(node.type, function, node)
    if node.type.endswith(("]", ")")) and decimal(node.type) is None and _HELD_OTHERWISE.search(node.type):
        raise NotCompiled(f"{node.type} as a column of Python's values")
    shape = decimal(node.type)
    if shape is not None:
        return call(node.type, f"{{h0}}({{0}}, {shape[1]})", node, held=(units,))
    return node


def outward(node: Node) -> Node:
    """The same expression with a Python value at its end."""
    function = _OUT.get(node.type)
    if function is not None:
        return call(node.type, function, node)
    shape = decimal(node.type)
    if shape is not None:
        return call(node.type, f"{{h0}}({{0}}, {shape[1]})", node, held=(number,))
    if element(node.type) and element(node.type) not in _SAME:
        raise NotCompiled(f"{node.type} as a result")
    return node
