"""Correctly rounded sums of floats: the same bits whatever the order and the plan (Shewchuk's sums, ``math.fsum``)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pyarrow as pa


def rounded_sum(values: Iterable[float]) -> float:
    """The exact sum, rounded once; infinities and NaN as IEEE 754 adds them."""
    numbers = list(values)
    try:
        return math.fsum(numbers)
    except ValueError:  # inf - inf
        return math.nan
    except OverflowError:  # an intermediate sum left the range: halve, sum, double
        half = math.fsum(number / 2 for number in numbers)
        return half * 2


def rounded_sums(lists: pa.ChunkedArray) -> pa.Array:
    """The sum of each list of a column of lists; null for null."""
    return pa.array([None if item is None else rounded_sum(item) for item in lists.to_pylist()], pa.float64())
