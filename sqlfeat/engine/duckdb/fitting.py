"""The parameters of transforms, from the columns that they are fitted on: exact, whatever the order of the rows.

Sums are exact and rounded once; quantiles are order statistics, with a straight line between two neighbours; of equally
frequent values the least is taken. What is null, NaN or infinite is not fitted on; where nothing is left a parameter is
None. Knows columns and numbers, nothing of SQL or of a training set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.compiler.transforms import INTEGERS, text_of_level
from sqlfeat.engine.duckdb.exact import rounded
from sqlfeat.errors import RunError

MOST_LEVELS = 100_000
_BLOCK_BITS = 15
_BLOCK = 2**_BLOCK_BITS
_NEXT = 2.0 ** (_BLOCK_BITS + 2 - 53)
"""What is left after a power of two has been split off is so many times smaller."""
_SAFE_EXPONENT = 400
"""Between 2^-400 and 2^400 neither squares nor what is added to find digits leave the range of doubles."""

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Parameters = dict[str, Any]


# -- exact sums --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """The finite numbers of a column, piece by piece, and the greatest of their magnitudes."""

    pieces: tuple[Doubles, ...]
    largest: float

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Numbers:
        """What of a column is neither null, nor NaN, nor infinite."""
        found = [_finite_of(np.asarray(pc.drop_null(chunk).to_numpy(), np.float64)) for chunk in column.chunks]
        return cls(tuple(piece for piece, _ in found), max((largest for _, largest in found), default=0.0))

    @property
    def count(self) -> int:
        return sum(map(len, self.pieces))

    def scaled(self) -> tuple[Numbers, int]:
        """The numbers times a power of two that keeps what is computed of them in range, and its exponent."""
        exponent = math.frexp(self.largest)[1]
        if abs(exponent) < _SAFE_EXPONENT:
            return self, 0
        pieces = tuple(np.ldexp(piece, -exponent) for piece in self.pieces)
        return Numbers(pieces, math.ldexp(self.largest, -exponent)), exponent

    def sorted(self) -> Doubles:
        together: Doubles = np.concatenate([np.empty(0), *self.pieces]) + 0.0  # -0.0 and 0.0 are equal: let them be one
        together.sort()
        return together


def _finite_of(numbers: Doubles) -> tuple[Doubles, float]:
    largest = max(float(numbers.max(initial=0.0)), -float(numbers.min(initial=0.0)))
    if math.isfinite(largest):
        return numbers, largest
    return _finite_of(numbers[np.isfinite(numbers)])


def exact_total(numbers: Numbers, centre: float | None = None) -> Fraction:
    """The exact sum of numbers of magnitudes from 2^-400 to 2^400, or of squares of their differences from ``centre``.

    Digits are split off from the top by adding and subtracting a power of two, so many that sums of them are exact in
    any order (Rump, Ogita and Oishi, "Accurate Floating-Point Summation", 2008); what is left is split again. It goes
    a block at a time, so that what is split is still in the cache.
    """
    largest = numbers.largest if centre is None else (numbers.largest + abs(centre)) ** 2
    first = math.ldexp(1.0, math.frexp(largest)[1] + _BLOCK_BITS + 1)
    parts: list[float] = []
    split, left = np.empty(_BLOCK), np.empty(_BLOCK)
    for block in (piece[at : at + _BLOCK] for piece in numbers.pieces for at in range(0, len(piece), _BLOCK)):
        rest, power = block, first if largest else 0.0
        top, below = split[: len(rest)], left[: len(rest)]
        if centre is not None:
            rest = np.square(np.subtract(rest, centre, out=below), out=below)
        while power:
            np.add(rest, power, out=top)
            np.subtract(top, power, out=top)
            parts.append(float(top.sum()))
            rest = np.subtract(rest, top, out=below)
            power = power * _NEXT if rest.max() or rest.min() else 0.0
    return sum(map(Fraction, parts), Fraction(0))


def mean(numbers: Numbers) -> float | None:
    """The exact mean, rounded once."""
    if not numbers.count:
        return None
    scaled, exponent = numbers.scaled()
    return rounded(exact_total(scaled) * Fraction(2) ** exponent / numbers.count)


def mean_and_deviation(numbers: Numbers) -> tuple[float | None, float | None]:
    """The mean and the standard deviation of a population: of squares of differences from the mean, added exactly."""
    count = numbers.count
    if not count:
        return None, None
    scaled, exponent = numbers.scaled()
    total = exact_total(scaled)
    centre = rounded(total / count)
    apart = total - count * Fraction(centre)  # what the rounding of the mean has left
    squares = exact_total(scaled, centre)
    variance = max((squares - apart * apart / count) / count, Fraction(0))
    deviation = math.sqrt(rounded(variance))
    return rounded(Fraction(centre) * Fraction(2) ** exponent), _finite(math.ldexp(deviation, exponent))


def _finite(number: float) -> float:
    return min(number, float(np.finfo(np.float64).max))


# -- order statistics --------------------------------------------------------------------------------------------------


def quantiles(numbers: Numbers, shares: Sequence[float]) -> list[float] | None:
    """Quantiles with a straight line between the two nearest values."""
    ordered = numbers.sorted()
    if not len(ordered):
        return None
    positions = [(len(ordered) - 1) * share for share in shares]
    return [_between(float(ordered[math.floor(at)]), float(ordered[math.ceil(at)]), at % 1.0) for at in positions]


def _between(lower: float, upper: float, share: float) -> float:
    apart = upper - lower
    if not math.isfinite(apart):
        return lower * (1 - share) + upper * share
    return lower + apart * share if share < 0.5 else upper - apart * (1 - share)


# -- kinds -------------------------------------------------------------------------------------------------------------


def fit_numbers(kind: str, options: Mapping[str, Any], column: pa.ChunkedArray) -> Parameters:
    """The parameters of a transform that takes numbers."""
    numbers = Numbers.of(column)
    if kind == "standardize":
        centre, deviation = mean_and_deviation(numbers)
        return {"mean": centre, "scale": _divisor(deviation)}
    if kind == "min_max":
        ends = quantiles(numbers, [0.0, 1.0]) or (None, None)
        return {"min": ends[0], "max": ends[1], "span": _divisor(_apart(*ends))}
    if kind == "quantile_bin":
        bins = options["bins"]
        found = quantiles(numbers, [number / bins for number in range(bins + 1)])
        return {"edges": None if found is None else sorted(set(found))[1:-1]}
    shares = [options["low"], options["high"]]
    low, high, middle = quantiles(numbers, [*shares, 0.5]) or (None, None, None)
    if kind == "clip_outliers":
        return {"low": low, "high": high}
    return {"median": middle, "low": low, "high": high, "span": _divisor(_apart(low, high))}


def _apart(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else _finite(high - low)


def _divisor(number: float | None) -> float | None:
    """What to divide by: by 1 where all values are the same."""
    return 1.0 if number == 0.0 else number


def fit_values(options: Mapping[str, Any], gives: str, column: pa.ChunkedArray) -> Parameters:
    """The value that impute puts where there is none."""
    strategy = options["strategy"]
    if strategy == "constant":
        return {"value": options["value"]}
    if strategy == "mean":
        return {"value": mean(Numbers.of(column))}
    if strategy == "median":
        found = quantiles(Numbers.of(column), [0.5])
        return {"value": found[0] if found else None}
    if gives == "DOUBLE":
        values, counts = np.unique(Numbers.of(column).sorted(), return_counts=True)
        return {"value": float(values[np.argmax(counts)]) if len(values) else None}
    counted = _counted(column)
    return {"value": _plain(min(counted, key=lambda value: (-counted[value], value))) if counted else None}


def _counted(column: pa.ChunkedArray) -> dict[Any, int]:
    """How often each value is there; null is none."""
    found = pc.value_counts(pc.drop_null(column)).flatten()
    return dict(zip(found[0].to_pylist(), found[1].to_pylist(), strict=True))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) else value


def levels_of(kind: str, options: Mapping[str, Any], type_: str, column: pa.ChunkedArray, of: str) -> list[str | None]:
    """The levels of a category, given as text, in the order of its own type."""
    if options.get("levels") is not None:
        levels: list[str | None] = [text_of_level(level) for level in options["levels"]]
    else:
        levels = [*_fitted_levels(options, type_, column, of)]
    return [*levels, None] if kind == "one_hot" and options["null"] else levels


def _fitted_levels(options: Mapping[str, Any], type_: str, column: pa.ChunkedArray, of: str) -> list[str]:
    counted = _counted(column)
    most = options.get("max_levels")
    order = _order_of(type_)
    levels = sorted(counted, key=order)
    if most is not None and len(levels) > most:
        levels = sorted(sorted(levels, key=lambda level: -counted[level])[:most], key=order)
    if len(levels) > MOST_LEVELS:
        raise RunError(
            "too-many-levels",
            f"{of} meets {len(levels):,} different values, and can keep {MOST_LEVELS:,}.",
            hint="hash_bucket() needs no list of them.",
        )
    return levels


def _order_of(type_: str) -> Callable[[str], Any]:
    return Decimal if type_.startswith((*INTEGERS, "DECIMAL")) else str


# -- target encoding ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Encoded:
    """What target_encode is fitted to, and the values of the rows themselves, each from the folds that it is not in."""

    parameters: Parameters
    own: Doubles


def fit_target(
    options: Mapping[str, Any], levels: Sequence[str], column: pa.ChunkedArray, label: Doubles, folds: Integers
) -> Encoded:
    """The mean label of each level, drawn towards the mean of all as if that had been met ``smooth`` times more.

    A row whose label is no finite number has no part in it. Null is a level, too.
    """
    smooth, count, size = float(options["smooth"]), int(options["folds"]), len(levels) + 1
    codes = pc.fill_null(pc.index_in(column, value_set=pa.array(levels, pa.string())), len(levels))
    places = np.asarray(codes.to_numpy(), dtype=np.int64)
    known = np.isfinite(label)
    groups = (folds * size + places)[known]
    counts = np.bincount(groups, minlength=count * size).reshape(count, size)
    labels, exponent = Numbers(*_one(label[known])).scaled()
    digits = _digits_by_group(labels.pieces[0], groups, count * size)
    parts = [digit.reshape(count, size) for digit in digits]
    whole, prior = _means(smooth, counts.sum(axis=0), [part.sum(axis=0) for part in parts])
    own = np.full(len(label), math.nan)
    for fold in range(count):
        rows = folds == fold
        others = counts.sum(axis=0) - counts[fold]
        means, _ = _means(smooth, others, [part.sum(axis=0) - part[fold] for part in parts])
        own[rows] = means[places[rows]]
    values = [_or_none(value) for value in np.ldexp(whole, exponent).tolist()]
    told = {
        "levels": list(levels),
        "values": values[:-1],
        "missing": values[-1],
        "prior": None if prior is None else math.ldexp(prior, exponent),
    }
    return Encoded(told, np.ldexp(own, exponent))


def _one(numbers: Doubles) -> tuple[tuple[Doubles], float]:
    piece, largest = _finite_of(numbers)
    return (piece,), largest


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else number


def _digits_by_group(numbers: Doubles, groups: Integers, size: int) -> list[Doubles]:
    """Sums by group as several exact doubles each, which add up to it; see :func:`exact_total`."""
    found: list[Doubles] = []
    rest, bits = numbers, max(len(numbers), 1).bit_length()
    while len(rest) and (largest := float(np.abs(rest).max())) > 0.0:
        power = math.ldexp(1.0, math.frexp(largest)[1] + bits + 1)
        split = (rest + power) - power
        found.append(np.bincount(groups, weights=split, minlength=size).astype(np.float64))
        rest = rest - split
    return found or [np.zeros(size)]


def _means(smooth: float, counts: Integers, parts: Sequence[Doubles]) -> tuple[Doubles, float | None]:
    """The drawn means of levels, and the mean of all: None where there are no rows."""
    total = int(counts.sum())
    if not total:
        return np.full(len(counts), math.nan), None
    prior = rounded(sum((Fraction(float(value)) for part in parts for value in part), Fraction(0)) / total)
    sums = parts[0] if len(parts) == 1 else np.array([math.fsum(values) for values in zip(*parts, strict=True)])
    seen = counts > 0
    with np.errstate(all="ignore"):
        means = (sums + smooth * prior) / (counts + smooth)
    return np.where(seen, means, prior), prior
