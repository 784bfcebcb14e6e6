"""Aggregates that need every event of a window: distinct counts, what goes by the order, quantiles and deviations.

Each is DuckDB's own to the last bit, over the same events in the same order: a quantile lies between its two neighbours
as DuckDB rounds it, a deviation is Welford's. Whether the DuckDB that is here rounds so is tried first (``agreed``);
where it does not, it is asked itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.compiler.manifest import WindowAggregate, WindowCall
from sqlfeat.engine.base import EVENT_AT, KNOWN_AT, UNTIL_AT
from sqlfeat.engine.duckdb.exact import rounded
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.engine.duckdb.windows import scale_of
from sqlfeat.ops.online.calendar import FOREVER
from sqlfeat.ops.online.standing import Events, PushedEvent, Scope
from sqlfeat.ops.online.tiled_aggregates import FLOATS, Kept
from sqlfeat.store.event_records import EventCodec, EventColumn
from sqlfeat.store.plain_values import from_arrow

Compute = Callable[[Scope], Any]
QUANTILES = ("median", "quantile_cont", "quantile_disc")
DEVIATIONS = ("var_samp", "variance", "var_pop", "stddev_samp", "stddev", "stddev_pop")
_TRIED = ("median", "quantile_cont", *DEVIATIONS)
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_SHARE = re.compile(r"(0?\.\d{1,15}|0|1|0\.|1\.0{0,15})")
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_FEW = 64
"""So many values are sorted by Python."""


# -- what goes by the order --------------------------------------------------------------------------------------------


def in_order(scope: Scope, argument: str, condition: str | None) -> list[Any]:
    """The values of the events in their order, nulls among them."""
    found: list[Any] = []
    for piece in scope.in_order():
        if isinstance(piece, PushedEvent):
            if condition is None or scope.value(condition, piece.row):
                found.append(scope.value(argument, piece.row))
            continue
        values = scope.block.values(argument, *piece)
        found += values if condition is None else compress(values, scope.block.is_true(condition)[slice(*piece)])
    return found


def at_the_end(argument: str, condition: str | None, *, first: bool) -> Compute:
    """``first`` and ``last``: only the one event is read."""

    def found(scope: Scope) -> Any:
        pieces = list(scope.in_order())
        for piece in pieces if first else reversed(pieces):
            if isinstance(piece, PushedEvent):
                if condition is None or scope.value(condition, piece.row):
                    return scope.value(argument, piece.row)
                continue
            begin, end = piece
            if condition is not None:
                passing = [bool(one) for one in scope.block.is_true(condition)[begin:end]]
                if True not in passing:
                    continue
                place = passing.index(True) if first else len(passing) - 1 - passing[::-1].index(True)
                return scope.block.values(argument, begin + place, begin + place + 1)[0]
            if begin < end:
                return scope.block.values(argument, *((begin, begin + 1) if first else (end - 1, end)))[0]
        return None

    return found


def joined(argument: str, condition: str | None, separator: str) -> Compute:
    """``string_agg``."""

    def found(scope: Scope) -> str | None:
        texts = [text for text in in_order(scope, argument, condition) if text is not None]
        return separator.join(texts) if texts else None

    return found


def separator_of(aggregate: WindowAggregate) -> str | None:
    """What ``string_agg`` puts between texts, where that is a constant."""
    if len(aggregate.arguments) == 1:
        return ","
    told = _TEXT.fullmatch(aggregate.arguments[1].strip())
    return told[1].replace("''", "'") if told else None


def at_extreme(argument: str, by: str, condition: str | None, *, greatest: bool) -> Compute:
    """``arg_max`` and ``arg_min``: of several the first."""

    def found(scope: Scope) -> Any:
        best: Any = None
        value = None
        for one, rank in zip(in_order(scope, argument, condition), in_order(scope, by, condition), strict=True):
            if one is None or rank is None:
                continue
            order = _rank(rank) if isinstance(rank, float) else rank
            if best is None or (order > best if greatest else order < best):
                best, value = order, one
        return value

    return found


# -- what does not -----------------------------------------------------------------------------------------------------


def distinct(argument: str, condition: str | None) -> Compute:
    """``count(distinct …)``."""
    kept = Kept(argument, condition, ())

    def count(scope: Scope) -> int:
        return len(set(map(_one_zero, kept.all(scope))))

    return count


def _one_zero(value: Any) -> Any:
    """Equal values as one: -0.0 as 0.0, every NaN as the same."""
    if isinstance(value, float):
        return math.nan if value != value else value + 0.0
    return value


def is_any(argument: str, condition: str | None, *, every: bool) -> Compute:
    """``bool_or`` and ``bool_and``."""
    kept = Kept(argument, condition, ())

    def found(scope: Scope) -> bool | None:
        values = kept.all(scope)
        if not values:
            return None
        return all(values) if every else any(values)

    return found


# -- quantiles ---------------------------------------------------------------------------------------------------------


def quantile(aggregate: WindowAggregate, argument: str, kind: str) -> Compute | None:
    """``median``, ``quantile_cont`` and ``quantile_disc`` of one share; None where only the engine has them."""
    told = "0.5" if aggregate.function == "median" else aggregate.arguments[1].strip()
    if not _SHARE.fullmatch(told):
        return None
    is_float, kept = kind in FLOATS, Kept(argument, aggregate.filter, ())
    if aggregate.function == "quantile_disc":
        return lambda scope: _nearest(kept, scope, Fraction(told), is_float=is_float)
    share = float(told)
    if kind == "DOUBLE" or kind in _INTEGERS:
        return lambda scope: _between(kept, scope, share, _rounded_between)
    if kind == "FLOAT":
        return lambda scope: _between(kept, scope, share, _single_between)
    if kind.startswith("DECIMAL") and int(kind[len("DECIMAL(") :].split(",")[0]) <= 18:
        return lambda scope: _between(kept, scope, share, _units_between)
    return None


def _nearest(kept: Kept, scope: Scope, share: Fraction, *, is_float: bool) -> Any:
    """The value below which such a share of them lies: DuckDB counts in whole numbers."""
    values = kept.array(scope)
    if values is None or len(values) <= _FEW:
        listed = sorted(kept.all(scope), key=_rank if is_float else None)
        return _positive(listed[_place(len(listed), share)]) if listed else None
    place = _place(len(values), share)
    return _positive(np.partition(values, place)[place].item())


def _place(count: int, share: Fraction) -> int:
    return max(1, count - math.floor(count - count * share)) - 1


def _between(kept: Kept, scope: Scope, share: float, interpolated: Callable[[Any, Any, float], Any]) -> Any:
    """Between the two values that lie around a share of them."""
    values = kept.array(scope)
    if values is None or len(values) <= _FEW:
        listed: Any = sorted(map(_positive, kept.all(scope)), key=_rank)
        if not listed:
            return None
        place = (len(listed) - 1) * share
        low, high = listed[math.floor(place)], listed[math.ceil(place)]
    else:
        place = (len(values) - 1) * share
        parted = np.partition(values, (math.floor(place), math.ceil(place)))
        low, high = (_positive(parted[at].item()) for at in (math.floor(place), math.ceil(place)))
    return interpolated(low, high, place - math.floor(place))


def _rounded_between(low: float, high: float, part: float) -> float:
    """``low * (1 - part) + high * part``, the sum rounded once."""
    low, high = float(low), float(high)
    if not part:
        return low
    if not (math.isfinite(low) and math.isfinite(high)):
        return low * (1.0 - part) + high * part
    return _fused(low, 1.0 - part, high * part)


def _single_between(low: float, high: float, part: float) -> float:
    """Of singles: ``low + (high - low) * part`` in doubles, rounded once, and then to a single."""
    if not part:
        return low
    if not (math.isfinite(low) and math.isfinite(high)):
        return low + (high - low) * part
    return float(np.float32(_fused(high - low, part, low)))


def _units_between(low: int, high: int, part: float) -> int:
    """Of decimals, in their smallest units: what is less than one is cut off."""
    return int(_fused(float(high) - float(low), part, float(low))) if part else low


def _fused(left: float, right: float, more: float) -> float:
    """A product and a sum, rounded once."""
    exact = Fraction(left) * Fraction(right) + Fraction(more)
    return rounded(exact) if exact else left * right + more


def _rank(value: Any) -> Any:
    """NaN is the greatest number."""
    return (True, 0.0) if value != value else (False, value)


def _positive(value: Any) -> Any:
    """Zeros of both signs as one."""
    return value + 0.0 if isinstance(value, float) else value


# -- deviations --------------------------------------------------------------------------------------------------------


def deviation(aggregate: WindowAggregate, argument: str, kind: str) -> Compute | None:
    """Variances and standard deviations: Welford's, over the values as doubles in their order."""
    if not (kind in _INTEGERS or kind in FLOATS or kind.startswith("DECIMAL")):
        return None
    unit, name = 10 ** scale_of(kind), aggregate.function
    is_root, is_whole = name.startswith("stddev"), name.endswith("_pop")

    def found(scope: Scope) -> float | None:
        values = [value for value in in_order(scope, argument, aggregate.filter) if value is not None]
        count = len(values)
        if not count or (count == 1 and not is_whole):
            return None
        if count == 1:
            return 0.0
        variance = _squares(values if kind in FLOATS else [value / unit for value in values])
        variance /= count if is_whole else count - 1
        if is_root:
            return math.sqrt(variance) if variance >= 0 else math.nan  # infinities, on the way, have signs
        return variance

    return found


def _squares(values: Iterable[float]) -> float:
    """What the squares of the distances from the mean add up to (Welford 1962)."""
    mean = squares = 0.0
    for count, value in enumerate(values, 1):
        before = value - mean
        mean += before / count
        squares += (value - mean) * before
    return squares


# -- whether the engine rounds alike -----------------------------------------------------------------------------------


_VALUES = [((n * 7919) % 997) / 7.0 * (-1) ** n + n / 3 for n in range(57)]
_SHARES = ("0.05", "0.1", "0.333", "0.9", "0.99")


_agreed: list[frozenset[str]] = []


def agreed_of(aggregates: Iterable[WindowAggregate], engine: Rowwise) -> frozenset[str]:
    """:func:`agreed`, tried once in a process, and only where one of some aggregates is a quantile or a deviation."""
    if not any(aggregate.function in (*QUANTILES, *DEVIATIONS) for aggregate in aggregates):
        return frozenset()
    if not _agreed:
        _agreed.append(agreed(engine))
    return _agreed[0]


def agreed(engine: Rowwise) -> frozenset[str]:
    """The aggregates that the DuckDB that is here computes as they are computed here: some values are tried."""
    columns = [EventColumn(name, pa.int64(), nullable=False) for name in (EVENT_AT, KNOWN_AT, UNTIL_AT)]
    columns += [EventColumn("x", pa.float64()), EventColumn("single", pa.float32())]
    columns += [EventColumn("units", pa.decimal128(18, 2))]
    types = {"x": "DOUBLE", "single": "FLOAT", "units": "DECIMAL(18,2)"}
    count = len(_VALUES)
    units = pa.array([int(value * 100) for value in _VALUES], pa.int64()).cast(pa.decimal128(20, 0))
    table = pa.table(
        [
            pa.array(range(count), pa.int64()),
            pa.array(range(count), pa.int64()),
            pa.array([FOREVER] * count, pa.int64()),
            pa.array(_VALUES, pa.float64()),
            pa.array(_VALUES, pa.float32()),
            pa.Array.from_buffers(pa.decimal128(18, 2), count, units.buffers()),
        ],
        names=[column.name for column in columns],
    )
    codec = EventCodec(columns)
    (record,) = codec.encode(table, np.array([0, count])).to_pylist()
    scope = Scope(Events(codec.decode(record)), [(0, count)], [])
    tried = [_tried(name, argument, share) for name in _TRIED for argument in types for share in _shares_of(name)]
    given = engine.windows(tried, types, table, count, strict=False)
    found = set(_TRIED)
    for aggregate in tried:
        compute = computed(aggregate, aggregate.arguments[0], types[aggregate.arguments[0]])
        assert compute is not None
        if from_arrow(given[aggregate.call.token])[0] != compute(scope):
            found.discard(aggregate.function)
    return frozenset([*found, "quantile_disc"])


def _shares_of(name: str) -> Sequence[str]:
    return _SHARES if name.startswith("quantile") else ("",)


def _tried(name: str, argument: str, share: str) -> WindowAggregate:
    call = WindowCall(f"{name} {argument} {share}", "", None, None)
    return WindowAggregate(call, name, (argument, share) if share else (argument,))


def computed(aggregate: WindowAggregate, argument: str, kind: str) -> Compute | None:
    """What computes a quantile or a deviation; None where only the engine does."""
    if aggregate.function in QUANTILES:
        return quantile(aggregate, argument, kind)
    return deviation(aggregate, argument, kind)
