"""What callers give for a request's columns, as plain values of their types: Python's values and JSON's.

A value is taken where it is one of the type without loss: a whole number for an integer, a text in ISO 8601 for a date
or an instant. Anything else is refused by name: what is looked up by a wrong value would be found missing, in silence.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

import pyarrow as pa

from sqlfeat.errors import UsageError
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.store.plain_values import from_arrow

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_SIGNED = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])
_ISO = "write it in ISO 8601: 2024-05-01T12:00:00Z"


def plain_of(name: str, value: Any, typed: Typed) -> Any:
    """A given value, plain; raises as what ``taking`` gives."""
    return taking(name, typed)(value)


def taking(name: str, typed: Typed) -> Callable[[Any], Any]:
    """What makes a given value of a column plain.

    It raises ``UsageError`` (``bad-request-value``) where the value is none of the column's type.
    """
    kind = typed.sql.split("(")[0]
    convert = _CONVERSIONS.get(kind) if "[" not in typed.sql else None
    least, most = _bounds(kind) if convert is _integer else (0, -1)

    def take(value: Any) -> Any:
        if (type(value) is int and least <= value <= most) or value is None:
            return value
        try:
            if convert is not None:
                return convert(value, typed)
            return from_arrow(pa.array([value], typed.arrow))[0]
        except (ValueError, TypeError, OverflowError, InvalidOperation, Inexact, pa.ArrowException):
            shown = repr(value)
            shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
            hint = _ISO if kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DATE") else None
            raise UsageError("bad-request-value", f"{name} is {shown}, which is no {typed.sql}.", hint=hint) from None

    return take


def microseconds(value: Any) -> int:
    """An instant in microseconds since 1970: a datetime (without a zone it is UTC), or a text in ISO 8601."""
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    if not isinstance(value, dt.datetime):
        raise TypeError(value)
    instant = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
    return (instant - _EPOCH) // _MICROSECOND


def _integer(value: Any, typed: Typed) -> int:
    if isinstance(value, bool):
        raise TypeError(value)
    whole = int(value)
    if whole != value:
        raise ValueError(value)
    least, most = _bounds(typed.sql)
    if not least <= whole <= most:
        raise OverflowError(value)
    return whole


def _bounds(kind: str) -> tuple[int, int]:
    """The least and the greatest integer of a type."""
    if kind in _SIGNED:
        return -(2 ** (_SIGNED[kind] - 1)), 2 ** (_SIGNED[kind] - 1) - 1
    return 0, 2 ** _SIGNED[kind.removeprefix("U")] - 1


def _float(value: Any, typed: Typed) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, str):
        return _WORDS[value] if value in _WORDS else _refuse(value)
    number = float(value)
    return number if typed.sql == "DOUBLE" else float(pa.scalar(number, pa.float32()).as_py())


def _refuse(value: Any) -> float:
    raise TypeError(value)


def _text(value: Any, _: Typed) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    value.encode()  # half a character is none
    return value


def _boolean(value: Any, _: Typed) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _decimal(value: Any, typed: Typed) -> int:
    if isinstance(value, bool):
        raise TypeError(value)
    number = Decimal(repr(value) if isinstance(value, float) else value)
    unscaled = _EXACT.scaleb(number, typed.arrow.scale)
    whole = int(unscaled)
    if whole != unscaled:
        raise ValueError(value)
    if abs(whole) >= 10**typed.arrow.precision:
        raise OverflowError(value)
    return whole


def _date(value: Any, _: Typed) -> int:
    if isinstance(value, str):
        value = dt.date.fromisoformat(value)
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise TypeError(value)
    return value.toordinal() - _EPOCH.toordinal()


def _instant(value: Any, _: Typed) -> int:
    return microseconds(value)


_CONVERSIONS: dict[str, Callable[[Any, Typed], Any]] = {
    **dict.fromkeys([*_SIGNED, *(f"U{name}" for name in _SIGNED)], _integer),
    "FLOAT": _float,
    "DOUBLE": _float,
    "VARCHAR": _text,
    "ENUM": _text,
    "UUID": _text,
    "JSON": _text,
    "BOOLEAN": _boolean,
    "DECIMAL": _decimal,
    "DATE": _date,
    "TIMESTAMP": _instant,
    "TIMESTAMP WITH TIME ZONE": _instant,
}
