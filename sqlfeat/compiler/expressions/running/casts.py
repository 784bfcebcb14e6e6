"""Casts that can fail or need more than a word of Python."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions.running.errors import ExpressionError, NotCovered, unconvertible
from sqlfeat.compiler.expressions.running.numbers import rounded, single

_SPACE = "[ \\t\\n\\v\\f\\r]*"
_INTEGER = re.compile(rf"{_SPACE}([+-]?[0-9]+(?:_[0-9]+)*)(?:\.([0-9]*))?{_SPACE}")
_FRACTION = re.compile(rf"{_SPACE}([+-]?)\.([0-9]+){_SPACE}")
_OTHER_INTEGER = re.compile(rf"{_SPACE}([+-]?[0-9_.]+[eE]|[+-]?0[xXbB])")
_FLOAT = re.compile(rf"{_SPACE}([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?){_SPACE}")
_DECIMAL = re.compile(rf"{_SPACE}([+-]?)([0-9]*)(?:\.([0-9]*))?{_SPACE}")
_WORDS = {"inf": math.inf, "-inf": -math.inf, "infinity": math.inf, "-infinity": -math.inf, "nan": math.nan}
_TRUE = frozenset({"true", "t", "1", "yes", "y"})
_FALSE = frozenset({"false", "f", "0", "no", "n"})


def tried(function: Callable[..., Any]) -> Callable[..., Any]:
    """The cast that gives None where this one fails."""

    def own(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ExpressionError:
            return None

    own.__name__ = f"tried_{function.__name__}"
    return own


def checked(value: int, low: int, high: int, name: str) -> int:
    """A whole number in a narrower type."""
    if low <= value <= high:
        return value
    raise unconvertible(value, name)


def integer_of_float(value: float, low: int, high: int, name: str) -> int:
    """The nearest whole number, halves to the even one."""
    if value - value != 0:
        raise unconvertible(value, name)
    whole = round(value)
    if not low <= whole <= high:
        raise unconvertible(value, name)
    return whole


def integer_of_units(units: int, power: int, low: int, high: int, name: str) -> int:
    """A decimal as a whole number, halves away from zero."""
    whole = (units + power // 2) // power if units >= 0 else -((power // 2 - units) // power)
    if not low <= whole <= high:
        raise unconvertible(units, name)
    return whole


def integer_of_text(text: str, low: int, high: int, name: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        return _unusual_integer(text, low, high, name)
    whole = int(match[1])
    fraction = match[2]
    if not low and match[1].startswith("-"):
        raise NotCovered
    if fraction is not None:
        if high > 2**63 or low < -(2**63):
            raise NotCovered
        if not low <= whole <= high:
            raise unconvertible(text, name)
        if fraction[:1] >= "5":
            whole += -1 if match[1].startswith("-") else 1
    if not low <= whole <= high:
        raise unconvertible(text, name)
    return whole


def _unusual_integer(text: str, low: int, high: int, name: str) -> int:
    if _FRACTION.fullmatch(text) or _OTHER_INTEGER.match(text):
        raise NotCovered
    raise unconvertible(text, name)


def double_of_text(text: str) -> float:
    match = _FLOAT.fullmatch(text)
    if match is not None:
        return float(match[1])
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    if "_" in text or "inf" in text.lower() or "nan" in text.lower():
        raise NotCovered
    raise unconvertible(text, "DOUBLE")


def float_of_text(text: str) -> float:
    """A FLOAT: rounded once, so that only few digits are sure."""
    value = double_of_text(text)
    if len(text) > 9 or value - value != 0:
        raise NotCovered
    return single(value)


def boolean_of_text(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise unconvertible(text, "BOOLEAN")


def units_of_text(text: str, width: int, scale: int) -> int:
    """A decimal's units, halves away from zero."""
    match = _DECIMAL.fullmatch(text)
    name = f"DECIMAL({width},{scale})"
    if match is None or not (match[2] or match[3]):
        if "_" in text or re.search("[0-9.][eE]", text):
            raise NotCovered
        raise unconvertible(text, name)
    fraction = match[3] or ""
    if len(match[2].lstrip("0")) > width - scale:
        raise unconvertible(text, name)
    if len(fraction) > 30:
        raise NotCovered
    units = int(match[2] + fraction[:scale].ljust(scale, "0") or "0")
    if fraction[scale : scale + 1] >= "5":
        units += 1
        if units >= 10**width:
            raise unconvertible(text, name)
    return -units if match[1] == "-" else units


def units_of_integer(value: int, power: int, limit: int, name: str) -> int:
    if -limit < value < limit:
        return value * power
    raise unconvertible(value, name)


def units_of_float(value: float, power: float, limit: float, name: str) -> int:
    made = rounded(value * power)
    if made - made != 0 or made <= -limit or made >= limit:
        raise unconvertible(value, name)
    return int(made)


def rescaled(units: int, power: int, limit: int, name: str) -> int:
    """A decimal with fewer places, halves away from zero, if it fits."""
    made = (units + power // 2) // power if units >= 0 else -((power // 2 - units) // power)
    if -limit < made < limit:
        return made
    raise unconvertible(units, name)


def widened(units: int, power: int, limit: int, name: str) -> int:
    """A decimal with more places, if it fits."""
    made = units * power
    if -limit < made < limit:
        return made
    raise unconvertible(units, name)


def float_of_units(units: int, scale: int) -> float:
    """The DOUBLE that is nearest to a decimal."""
    return float(units / 10**scale)


def single_of_units(units: int, scale: int) -> float:
    """A FLOAT of a decimal; both whole numbers must be floats exactly, or it is rounded twice."""
    if scale <= 10 and -(2**24) <= units <= 2**24:
        return single(units / 10**scale)
    raise NotCovered


def single_of_double(value: float) -> float:
    made = single(value)
    if made - made != 0 and value - value == 0:
        raise unconvertible(value, "FLOAT")
    return made


# -- as text -----------------------------------------------------------------------------------------------------------


def text_of_double(value: float) -> str:
    if value != value:
        raise NotCovered  # the sign of a NaN shows in DuckDB's text, and it is the processor's
    return repr(value)


def text_of_single(value: float) -> str:
    """The shortest text that is this FLOAT again; of the longest ones DuckDB chooses another at times."""
    if value - value != 0:
        return text_of_double(value)
    for digits in range(1, 7) if -1e6 < value < 1e6 else ():
        text = f"{value:.{digits}g}"
        if single(float(text)) == value:
            return repr(float(text))
    raise NotCovered


def text_of_units(units: int, scale: int, bare: bool) -> str:
    """A decimal; ``bare``: all its digits are after the point, and no zero stands before it."""
    digits = str(abs(units)).rjust(scale + 1, "0")
    whole, fraction = digits[:-scale], digits[-scale:]
    if bare and whole == "0":
        whole = ""
    return f"{'-' if units < 0 else ''}{whole}.{fraction}"
