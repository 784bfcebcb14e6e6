"""Doubles as integers, so that their sums are exact: running totals of floats without rounding anything but the end.

Every finite double is an integer times a power of two. All values of a column are written over one such power,
``2^low``, as digits of 32 bits; each digit is added up in 64 bits of its own, so a difference of two running totals is
the exact sum of what lies between. One rounding turns it back into a double, to nearest, ties to even: the result that
``math.fsum`` gives (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997, gives the same by other means).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from sqlfeat.engine.duckdb.exact import quotients

DIGIT = 32
MOST_DIGITS = 10
MOST_ROWS = 2**28
_MASK = np.int64(2**DIGIT - 1)

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FixedPoint:
    """How the doubles of one column are written: in units of ``2^low``, with so many ``digits``.

    ``special`` says that there are infinities or NaN among them, which are counted beside the digits.
    """

    low: int
    digits: int
    special: bool

    @classmethod
    def covering(cls, smallest: float | None, largest: float | None, special: bool) -> FixedPoint | None:
        """The form that holds all values between two magnitudes (of what is not zero); None if it takes too many."""
        if smallest is None or largest is None:
            return cls(0, 1, special)
        low = max(math.frexp(smallest)[1] - 53, -1074)
        digits = -(-(math.frexp(largest)[1] - low) // DIGIT) + 1
        return cls(low, digits, special) if digits <= MOST_DIGITS else None

    def split(self, numbers: Doubles) -> list[Integers]:
        """Each number's digits, lowest first, all with the number's sign; nothing for infinities and NaN."""
        finite = np.where(np.isfinite(numbers), numbers, 0.0)
        fraction, exponent = np.frexp(np.abs(finite))
        mantissa = np.ldexp(fraction, 53).astype(np.int64)
        shift = np.where(mantissa == 0, 0, exponent.astype(np.int64) - 53 - self.low)
        below = np.maximum(-shift, 0)  # subnormal numbers have fewer bits: those below 2^low are zero
        mantissa >>= below
        shift = np.maximum(shift, 0)
        first, rest = shift // DIGIT, shift % DIGIT
        low, high = (mantissa & _MASK) << rest, (mantissa >> DIGIT) << rest
        middle = (low >> DIGIT) + (high & _MASK)
        parts = (low & _MASK, middle & _MASK, (high >> DIGIT) + (middle >> DIGIT))
        sign = np.where(np.signbit(finite), np.int64(-1), np.int64(1))
        digits = []
        for number in range(self.digits):
            digit = np.zeros(len(numbers), np.int64)
            for offset, part in enumerate(parts):
                digit += np.where(first == number - offset, part, 0)
            digits.append(digit * sign)
        return digits

    def joined(self, digits: Sequence[Integers]) -> Doubles:
        """The doubles nearest to sums of digits, which may be of either sign and longer than 32 bits."""
        carried = _carried(digits)
        negative = carried[-1] < 0
        if negative.any():
            flipped = _carried([np.where(negative, -digit, digit) for digit in digits])
            carried = flipped
        return np.where(negative, -1.0, 1.0) * self._rounded(np.stack(carried))

    def means(self, digits: Sequence[Integers], counts: Integers) -> Doubles:
        """The doubles nearest to sums of digits over counts."""
        sums = self.joined(digits)
        longer = FixedPoint(self.low, self.digits + 1, self.special)  # what a sum rounds to may be one digit longer
        of_sums = longer.split(sums)
        pieces = [*digits, np.zeros(len(counts), np.int64)]
        rests = longer.joined([digit - rounded for digit, rounded in zip(pieces, of_sums, strict=True)])
        return quotients(sums, rests, counts, lambda row: self._exact(digits, row))

    def _exact(self, digits: Sequence[Integers], row: int) -> Fraction:
        whole = sum(int(digit[row]) << (DIGIT * place) for place, digit in enumerate(digits))
        return whole * Fraction(2) ** self.low

    def _rounded(self, digits: npt.NDArray[np.int64]) -> Doubles:
        """The doubles nearest to numbers given by rows of digits, none of them negative."""
        rows, count = digits.shape
        columns = np.arange(count)
        top = rows - 1 - np.argmax(digits[::-1] != 0, axis=0)
        some = (digits != 0).any(axis=0)

        def digit(below: int) -> npt.NDArray[np.uint64]:
            number = top - below
            return np.where(number >= 0, digits[np.maximum(number, 0), columns], 0).astype(np.uint64)

        leading = digit(0)
        length = np.frexp(leading.astype(np.float64))[1].astype(np.uint64)  # digits are below 2^53: exact
        length = np.where(some, length, np.uint64(1))
        word = leading << (np.uint64(64) - length)
        word |= _shifted(digit(1), np.int64(32) - length.astype(np.int64))
        word |= digit(2) >> length
        rest = (digit(2) & ((np.uint64(1) << length) - np.uint64(1))) != 0
        lower = (np.cumsum(digits != 0, axis=0) > 0)[np.maximum(top - 3, 0), columns] & (top >= 3)
        rest |= lower
        kept, dropped = word >> np.uint64(11), word & np.uint64(0x7FF)
        half = np.uint64(0x400)
        up = (dropped > half) | ((dropped == half) & (rest | ((kept & np.uint64(1)) == 1)))
        kept += up.astype(np.uint64)
        exponent = top * DIGIT + length.astype(np.int64) - 64 + 11 + self.low
        with np.errstate(over="ignore"):
            numbers = np.ldexp(kept.astype(np.float64), exponent.astype(np.int32))
        return np.where(some, numbers, 0.0)


def _carried(digits: Sequence[Integers]) -> list[Integers]:
    """The same numbers with every digit but the last in ``[0, 2^32)``, and enough digits for the carries."""
    carried, carry = [], np.zeros(len(digits[0]), np.int64)
    for digit in [*digits, np.zeros(len(digits[0]), np.int64)]:
        total = digit + carry
        carried.append(total & _MASK)
        carry = total >> DIGIT
    carried[-1] += carry << DIGIT
    return carried


def _shifted(word: npt.NDArray[np.uint64], places: Any) -> npt.NDArray[np.uint64]:
    """The words shifted to the left, by a number of places that is never negative and at most 31."""
    shifted: npt.NDArray[np.uint64] = np.left_shift(word, places.astype(np.uint64))
    return shifted
