"""Numbers as DuckDB computes them: IEEE floats without errors, whole numbers with them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from sqlfeat.compiler.expressions.running.errors import NotCovered, divided_by_zero, overflow

_SINGLE = struct.Struct("f")
_EXACT = 2**53
_HALF_EXACT = 2.0**52
"""Floats from here on are whole."""


def single(value: float) -> float:
    """The nearest FLOAT, as a Python float."""
    try:
        return float(_SINGLE.unpack(_SINGLE.pack(value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def single_of_integer(value: int) -> float:
    """A whole number as a FLOAT: rounded once."""
    if -_EXACT <= value <= _EXACT:
        return single(value)
    raise NotCovered


def double_of_hugeint(value: int) -> float:
    if -_EXACT <= value <= _EXACT:
        return float(value)
    raise NotCovered


# -- operators ---------------------------------------------------------------------------------------------------------


def divided(left: float, right: float) -> float:
    """``/`` of two floats; by zero there is an infinity or NaN."""
    if right:
        return left / right
    if left and left == left:
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    return math.nan


def divided_strictly(left: float, right: float) -> float:
    """``//`` of two floats: a plain quotient, but by zero an error."""
    if right == 0:
        raise divided_by_zero()
    return left / right


def quotient(left: int, right: int) -> int:
    """``//`` of two whole numbers: cut off towards zero."""
    if right == 0:
        raise divided_by_zero()
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


def remainder(left: int, right: int) -> int:
    """``%`` of two whole numbers: with the sign of the first."""
    if right == 0:
        raise divided_by_zero()
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def modulo(left: float, right: float) -> float:
    """``%`` of two floats."""
    if right == 0 or left - left != 0 or right != right:
        return math.nan
    return math.fmod(left, right)


def too_large(left: object, right: object) -> int:
    raise overflow(f"{left} and {right}")


# -- roundings ---------------------------------------------------------------------------------------------------------


def rounded(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    if value - value != 0 or value >= _EXACT or value <= -_EXACT:
        return value
    whole = math.trunc(value)
    if abs(value - whole) >= 0.5:
        whole += 1 if value > 0 else -1
    return float(whole) or math.copysign(0.0, value)


def rounded_to(value: float, places: int) -> float:
    """``round(value, places)`` for places after the point."""
    return rounded_with(value, math.pow(10.0, places) if places < 309 else math.inf)


def rounded_with(value: float, modifier: float) -> float:
    """The same by the power of ten."""
    scaled = value * modifier
    if -_HALF_EXACT < scaled < _HALF_EXACT:
        whole = int(scaled)
        rest = scaled - whole
        if rest >= 0.5:
            whole += 1
        elif rest <= -0.5:
            whole -= 1
        return whole / modifier if whole else math.copysign(0.0, value)
    made = divided(scaled, modifier)
    return value if made - made != 0 else made


def rounded_before(value: float, places: int) -> float:
    """``round(value, -places)``: places before the point."""
    if value - value != 0:
        return value
    modifier = math.pow(10.0, places) if places < 309 else math.inf
    made = rounded(value / modifier) * modifier
    if made - made != 0:
        raise NotCovered
    return made


def rounded_by(value: float, places: int) -> float:
    return rounded_to(value, places) if places >= 0 else rounded_before(value, -places)


def floored(value: float) -> float:
    if value - value != 0:
        return value
    return float(math.floor(value)) or math.copysign(0.0, value)


def ceiled(value: float) -> float:
    if value - value != 0:
        return value
    return float(math.ceil(value)) or math.copysign(0.0, value)


def truncated(value: float) -> float:
    if value - value != 0:
        return value
    return float(math.trunc(value)) or math.copysign(0.0, value)


def truncated_to(value: float, places: int) -> float:
    if places > 308:
        raise NotCovered
    modifier = math.pow(10.0, places)
    made = truncated(value * modifier) / modifier
    return value if made - made != 0 else made


def half_up(units: int, power: int) -> int:
    """A decimal's units divided by a power of ten, halves away from zero."""
    return (units + power // 2) // power if units >= 0 else -((power // 2 - units) // power)


def cut(units: int, power: int) -> int:
    """A decimal's units divided by a power of ten, cut off."""
    return units // power if units >= 0 else -(-units // power)


# -- functions of floats -----------------------------------------------------------------------------------------------


def _without_errors(function: Callable[[float], float]) -> Callable[[float], float]:
    """A function of Python's that gives NaN where C does and Python raises."""

    def own(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return math.nan

    own.__name__ = function.__name__
    return own


sine = _without_errors(math.sin)
cosine = _without_errors(math.cos)
tangent = _without_errors(math.tan)
arcsine = _without_errors(math.asin)
arccosine = _without_errors(math.acos)


def root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else value if value != value else math.nan


def logarithm(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


def logarithm2(value: float) -> float:
    return math.log2(value) if value > 0 else -math.inf if value == 0 else math.nan


def logarithm10(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf if value == 0 else math.nan


def logarithm_of(base: float, value: float) -> float:
    return divided(logarithm10(value), logarithm10(base))


def exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and math.fmod(exponent, 2) else math.inf
    except ValueError:
        if base == 0:
            odd = exponent - exponent == 0 and abs(math.fmod(exponent, 2)) == 1
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


def cotangent(value: float) -> float:
    return divided(1.0, tangent(value))


def hyperbolic_sine(value: float) -> float:
    try:
        return math.sinh(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def hyperbolic_cosine(value: float) -> float:
    try:
        return math.cosh(value)
    except OverflowError:
        return math.inf


def even(value: float) -> float:
    """The next even number, away from zero."""
    if value - value != 0:
        return value
    whole = math.ceil(abs(value))
    return math.copysign(float(whole + whole % 2), value) if value != 0 or whole else value


# -- functions of whole numbers ----------------------------------------------------------------------------------------


def factorial(value: int) -> int:
    if value > 33:
        raise overflow("factorial")
    return math.factorial(max(value, 0))


def shifted_left(value: int, places: int, bits: int) -> int:
    """``<<`` in a signed type of so many bits."""
    if value < 0:
        raise overflow("left shift of a negative number")
    if places < 0:
        raise overflow("left shift by a negative number")
    if places >= bits:
        if value == 0:
            return 0
        raise overflow("left shift")
    if value >= 1 << (bits - places - 1):
        raise overflow("left shift")
    return value << places


def shifted_right(value: int, places: int, bits: int) -> int:
    return 0 if places < 0 or places >= bits else value >> places


def least(*values: object) -> object:
    """The least value that is not None."""
    found = [value for value in values if value is not None]
    return min(found) if found else None  # type: ignore[type-var]


def greatest(*values: object) -> object:
    found = [value for value in values if value is not None]
    return max(found) if found else None  # type: ignore[type-var]


def least_float(*values: float | None) -> float | None:
    """The least value that is not None; NaN is greater than all."""
    best: float | None = None
    for value in values:
        if value is not None and (best is None or value < best or (best != best and value == value)):
            best = value
    return best


def greatest_float(*values: float | None) -> float | None:
    best: float | None = None
    for value in values:
        if value is not None and (best is None or value > best or (value != value and best == best)):
            best = value
    return best
