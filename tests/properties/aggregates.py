"""What an aggregate gives over the events of a window, in plain Python: exact where TIME semantics, 3.7, says exact."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.oracles.point_in_time import rank

Events = Sequence[Mapping[str, Any]]


def present(rows: Events, name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]


def float_sum(values: Sequence[float]) -> float | None:
    """Correctly rounded: exact while it can be, then rounded once, to infinity where it is too large."""
    if not values:
        return None
    if not all(map(math.isfinite, values)):
        infinite = {value for value in values if not math.isfinite(value)}
        return infinite.pop() if len(infinite) == 1 else math.nan
    exact = sum(map(Fraction, values))
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def exact_sum(values: Sequence[Any]) -> Decimal | None:
    return Decimal(sum(map(Fraction, values)).numerator) if values else None


def decimal_sum(values: Sequence[Decimal]) -> Decimal | None:
    if not values:
        return None
    places = -int(values[0].as_tuple().exponent)
    whole = sum(int(value.scaleb(places)) for value in values)
    return Decimal(whole).scaleb(-places)


def exact_average(values: Sequence[Any]) -> float | None:
    """The exact mean of integers and decimals, rounded once."""
    return float(sum(map(Fraction, values)) / len(values)) if values else None


def float_average(values: Sequence[float]) -> float | None:
    """Correctly rounded: the exact sum over the count, rounded once."""
    if not values or not all(map(math.isfinite, values)):
        return float_sum(values)
    return float(sum(map(Fraction, values)) / len(values))


def least(values: Sequence[Any]) -> Any:
    return unsigned(min(values, key=rank, default=None))


def greatest(values: Sequence[Any]) -> Any:
    return unsigned(max(values, key=rank, default=None))


def unsigned(value: Any) -> Any:
    """Zeros of both signs are equal, so no order tells them apart: what orders values gives the positive one."""
    return 0.0 if isinstance(value, float) and value == 0 else value


def quantile(values: Sequence[Any], share: float) -> float | None:
    """Between the two nearest values, linearly."""
    if not values:
        return None
    ordered = sorted((float(unsigned(value)) for value in values), key=rank)
    place = (len(ordered) - 1) * share
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if math.floor(place) == math.ceil(place):
        return low
    share = place - math.floor(place)
    return low * (1 - share) + high * share


def deviation(values: Sequence[Any]) -> float | None:
    """Welford's algorithm over the values in their order."""
    count, mean, squares = 0, 0.0, 0.0
    for value in map(float, values):
        count += 1
        before = mean
        mean += (value - mean) / count
        squares += (value - mean) * (value - before)
    return None if count < 2 else math.sqrt(squares / (count - 1))


def joined(texts: Sequence[str]) -> str | None:
    return "|".join(texts) if texts else None


def first_at_greatest(rows: Events, wanted: str, by: str) -> Any:
    """``arg_max``: where several are greatest, the first of them in the events' order."""
    best: Mapping[str, Any] | None = None
    for row in rows:
        if None in (row[wanted], row[by]):
            continue
        if best is None or rank(row[by]) > rank(best[by]):
            best = row
    return best and best[wanted]
