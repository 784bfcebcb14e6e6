"""Correctly rounded sums of floats and means of exact numbers: the same bits whatever the order and the plan.

Sums are Shewchuk's (``math.fsum``); a mean is one division where both sides are whole doubles, else one in fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_WHOLE = 2**53
"""Every integer up to here is a double."""


def rounded_sum(values: Iterable[float]) -> float:
    """The exact sum, rounded once; infinities and NaN as IEEE 754 adds them."""
    numbers = list(values)
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
