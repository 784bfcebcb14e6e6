"""Correctly rounded sums and means: the same bits whatever the order and the plan.

Sums of floats are Shewchuk's (``math.fsum``). A mean of exact numbers is one division where both sides are whole
doubles, else one in fractions. A mean of floats is divided in twice the precision (Dekker, "A Floating-Point Technique
for Extending the Available Precision", 1971), and in fractions where that comes too near to a tie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_WHOLE = 2**53
"""Every integer up to here is a double."""


def rounded_sum(values: Iterable[float]) -> float:
    """The exact sum, rounded once; infinities and NaN as IEEE 754 adds them."""
    numbers = list(values)
    try:
        total = math.fsum(numbers)
        if math.isfinite(total):
            return total
    except (OverflowError, ValueError):  # left the range on the way, or has both infinities
        pass
    special = [number for number in numbers if not math.isfinite(number)]
    if special:
        return sum(special)
    try:
        return math.fsum(numbers)
    except OverflowError:  # an intermediate sum left the range: once more, in fractions
        return rounded(sum(map(Fraction, numbers)))


def rounded_sums(lists: pa.ChunkedArray) -> pa.Array:
    """The sum of each list of a column of lists; null for null."""
    return pa.array([None if item is None else rounded_sum(item) for item in lists.to_pylist()], pa.float64())


def rounded_mean(values: Sequence[float], counted: int | None = None) -> float:
    """The exact mean, rounded once; infinities and NaN as IEEE 754 adds them.

    ``counted`` is how many values there are, where those that are given only add up to them.
    """
    total = rounded_sum(values)
    if not math.isfinite(total):
        if not all(map(math.isfinite, values)):
            return total
        return rounded(sum(map(Fraction, values), Fraction(0)) / (counted or len(values)))
    if total == 0:
        return 0.0
    count = float(counted or len(values))
    rest = rounded_sum([*values, -total])
    first = total / count
    product = first * count
    (left_high, left_low), (right_high, right_low) = _split(first), _split(count)
    error = left_low * right_low - (
        ((product - left_high * right_high) - left_low * right_high) - left_high * right_low
    )
    second = (((total - product) - error) + rest) / count
    mean = first + second
    left = second - (mean - first)
    neighbour = math.nextafter(mean, -math.inf if left < 0 else math.inf)
    sure = abs(left) < abs(neighbour - mean) / 2 * (1 - 2.0**-30)
    if sure and abs(mean) > 2.0**-900 and abs(total) < 2.0**960:
        return mean
    return rounded(sum(map(Fraction, values), Fraction(0)) / (counted or len(values)))


def _split(number: float) -> tuple[float, float]:
    """A double as a sum of two of half its digits."""
    scaled = number * 134_217_729.0
    high = scaled - (scaled - number)
    return high, number - high


def rounded_float_means(lists: pa.ChunkedArray) -> pa.Array:
    """The mean of each list of a column of lists; null for null."""
    items = lists.to_pylist()
    means = iter(_means([item for item in items if item is not None]))
    return pa.array([None if item is None else float(next(means)) for item in items], pa.float64())


def _means(lists: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    sums = [rounded_sum(values) for values in lists]
    rests = [
        rounded_sum([*values, -total]) if math.isfinite(total) else 0.0
        for values, total in zip(lists, sums, strict=True)
    ]
    counts = np.array([len(values) for values in lists], np.int64)
    special = np.array([not all(map(math.isfinite, values)) for values in lists], np.bool_)
    finite = np.where(special, 0.0, sums)
    means = quotients(finite, np.array(rests), counts, lambda row: sum(map(Fraction, lists[row]), Fraction(0)))
    return np.where(special, sums, means)


def quotients(
    sums: npt.NDArray[np.float64],
    rests: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    exact: Callable[[int], Fraction],
) -> npt.NDArray[np.float64]:
    """Sums over counts, rounded once: each sum is a double and what its rounding left; ``exact`` gives one of them."""
    with np.errstate(all="ignore"):
        divisors = counts.astype(np.float64)
        first = sums / divisors
        product, error = _product(first, divisors)
        second = (((sums - product) - error) + rests) / divisors
        means = first + second
        left = second - (means - first)
        neighbour = np.nextafter(means, np.where(left < 0, -np.inf, np.inf))
        sure = np.abs(left) < np.abs(neighbour - means) / 2 * (1 - 2.0**-30)
        sure &= (np.abs(means) > 2.0**-900) & (np.abs(sums) < 2.0**960)
    sure |= (sums == 0) | (counts == 0)
    for row in np.flatnonzero(~sure):
        means[row] = rounded(exact(int(row)) / int(counts[row]))
    return np.where(sums == 0, 0.0, means)


def _product(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Products, and what their rounding left."""
    product = left * right
    (left_high, left_low), (right_high, right_low) = _halves(left), _halves(right)
    error = left_low * right_low - (
        ((product - left_high * right_high) - left_low * right_high) - left_high * right_low
    )
    return product, error


def _halves(numbers: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Each double as a sum of two of half its digits."""
    scaled = numbers * 134_217_729.0
    high = scaled - (scaled - numbers)
    return high, numbers - high


def rounded(exact: Fraction | int) -> float:
    """The nearest double, infinity where there is none."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def rounded_ratios(pairs: pa.ChunkedArray) -> pa.Array:
    """The quotient of each pair of numbers written as texts, rounded once; null for null."""
    quotients = [None if pair is None else rounded(Fraction(pair[0]) / Fraction(pair[1])) for pair in pairs.to_pylist()]
    return pa.array(quotients, pa.float64())


def rounded_means(totals: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], scale: int) -> npt.NDArray[np.float64]:
    """The mean of each total over its count, rounded once; totals are unscaled; anything where the count is 0."""
    unit = 10**scale
    counted = np.maximum(counts, 1)
    whole = (np.abs(totals) <= _WHOLE) & (totals != np.iinfo(np.int64).min) & (counted <= _WHOLE // unit)
    means = totals.astype(np.float64) / (counted.astype(np.float64) * float(unit))
    for index in np.flatnonzero(~whole):
        means[index] = rounded(Fraction(int(totals[index]), int(counted[index]) * unit))
    return means
