"""Sums of floats by digits give the bits of ``math.fsum``, whatever the floats."""

import math
import struct
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.engine.duckdb.exact import rounded_mean
from sqlfeat.engine.duckdb.fixed_point import MOST_DIGITS, FixedPoint

everyday = st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: round(number, 2))
wild = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e60, max_value=1e60)
tiny = st.floats(-1e-290, 1e-290, allow_subnormal=True)
cancelling = st.sampled_from([1e16, 1.0, -1e16, 0.1, -0.1, 2.0**-30, -(2.0**53), 2.0**53 + 2])


def form_of(numbers: list[float]) -> FixedPoint | None:
    magnitudes = [abs(number) for number in numbers if number]
    return FixedPoint.covering(min(magnitudes, default=None), max(magnitudes, default=None), special=False)


def bits(number: float) -> bytes:
    return struct.pack("<d", number + 0.0)  # a sum of nothing but -0.0 is told as 0.0


@settings(max_examples=300, deadline=None)
@given(st.one_of(*(st.lists(kind, min_size=1, max_size=40) for kind in (everyday, wild, tiny, cancelling))), st.data())
def test_the_difference_of_two_totals_is_the_rounded_sum_of_what_lies_between(numbers, data):
    form = form_of(numbers)
    if form is None:
        return
    totals = [np.concatenate([[0], np.cumsum(digit)]) for digit in form.split(np.array(numbers))]
    start = data.draw(st.integers(0, len(numbers)))
    end = data.draw(st.integers(start, len(numbers)))

    summed = form.joined([total[end : end + 1] - total[start : start + 1] for total in totals])

    assert bits(summed[0]) == bits(math.fsum(numbers[start:end]))


huge = st.sampled_from([1.7976931348623157e308, -1.7976931348623157e308, 1e308, 9.9e307])
near_ties = st.integers(2**52, 2**52 + 8).map(float)


@settings(max_examples=300, deadline=None)
@given(st.one_of(*(st.lists(k, min_size=1, max_size=40) for k in (everyday, wild, tiny, cancelling, huge, near_ties))))
def test_a_mean_is_the_exact_one_rounded_once_whatever_the_plan(numbers):
    expected = bits(float(sum(map(Fraction, numbers)) / len(numbers)))
    form = form_of(numbers)

    assert expected == bits(rounded_mean(numbers))
    if form is not None:
        digits = [digit.sum(keepdims=True) for digit in form.split(np.array(numbers))]
        assert expected == bits(form.means(digits, np.array([len(numbers)]))[0])


def test_a_mean_is_not_the_rounded_sum_over_the_count():
    numbers = [0.2, 1.0, 0.9]
    exact = float(sum(map(Fraction, numbers)) / 3)

    assert exact == rounded_mean(numbers)
    assert exact != math.fsum(numbers) / 3


def test_what_an_outlier_would_have_swallowed_is_still_there():
    form = form_of([1e16, 1.0])
    assert form is not None

    digits = form.split(np.array([1e16, 1.0, -1e16]))

    assert form.joined([digit.sum(keepdims=True) for digit in digits])[0] == 1.0


def test_a_tie_is_rounded_to_even():
    form = form_of([2.0**53, 1.0])
    assert form is not None

    digits = form.split(np.array([2.0**53, 1.0]))

    assert form.joined([digit.sum(keepdims=True) for digit in digits])[0] == 2.0**53


def test_magnitudes_too_far_apart_are_refused():
    assert FixedPoint.covering(5e-324, 1e300, special=False) is None


def test_ordinary_prices_take_few_digits():
    form = FixedPoint.covering(0.01, 100_000.0, special=False)

    assert form is not None
    assert form.digits <= 4 < MOST_DIGITS
