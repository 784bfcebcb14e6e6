"""Correctly rounded sums of floats and means of exact numbers: the same bits whatever the order and the plan (Shewchuk's sums, ``math.fsum``)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import pyarrow as pa


def rounded_sum(values: Iterable[float]) -> float:
    """The exact sum, rounded once; infinities and NaN as IEEE 754 adds them."""
    numbers = list(values)
    try:
        return math.fsum(numbers)
    except ValueError:  # inf - inf
        return math.nan
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
