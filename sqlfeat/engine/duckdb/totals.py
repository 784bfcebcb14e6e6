"""Windows without reading the events in them: running totals and range extremes over prepared columns.

Every event's contribution to each count and sum is added up once, in the order of event time and in the order in which
events take effect; a window is then the difference of two totals, found by two binary searches (``windows`` tells why
that is exact with late data). Differences are those of 64-bit integers that wrap around, which is exact as long as a
window's own sum fits; where it might not, the view is not prepared like this. For ``min`` and ``max`` of events that
are known as they happen, rows are cut into blocks with the extreme from a block's start and to its end, and a table of
extremes over powers of two of blocks: three looks for any window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.duckdb.columns import ColumnFolder, Positions
from sqlfeat.engine.duckdb.effects import (
    BLOCK,
    BY_EVENT,
    EFFECT,
    INSTANT,
    SPECIAL,
    Contribution,
    Forms,
    Integers,
    contributions_of,
)
from sqlfeat.engine.duckdb.exact import rounded_means
from sqlfeat.engine.duckdb.search import Instants, last_not_after
from sqlfeat.engine.duckdb.windows import Bound, WindowsAt, bounds_of

_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class Ranges:
    """The asked instants, and where the rows of each one's entity lie among the effects."""

    instants: Instants
    start: Positions
    count: Positions
    edges: Mapping[Bound, Instants]
    strict: bool


class WindowTotals:
    """The prepared totals of one view, ready to be asked.

    ``by_effect`` and ``by_event`` are the two orders; they are one folder where nothing is ever late.
    """

    def __init__(
        self, by_effect: ColumnFolder, by_event: ColumnFolder, contributions: Sequence[Contribution], forms: Forms
    ) -> None:
        self._orders = {EFFECT: by_effect, BY_EVENT: by_event}
        self._forms = forms
        self._numbers = {contribution: i for i, contribution in enumerate(contributions)}

    def gives(self, aggregate: WindowAggregate, types: Mapping[str, str]) -> bool:
        """Whether an aggregate can be had from what is prepared."""
        needed = contributions_of(aggregate, types)
        return bool(needed) and all(contribution in self._numbers for contribution in needed)

    def values(
        self, windows: WindowsAt, aggregates: Sequence[WindowAggregate], ranges: Ranges, workers: ThreadPoolExecutor
    ) -> dict[str, tuple[pa.Array, str]]:
        """Token → its values at the asked instants, and the DuckDB type that they have."""
        positions: dict[tuple[str, Bound | None], Positions] = {}

        def at(order: str, bound: Bound | None) -> Positions:
            if (order, bound) not in positions:
                asked = ranges.instants if bound is None else ranges.edges[bound]
                times = self._orders[order].instants(INSTANT)
                found, _ = last_not_after(times, ranges.start, ranges.count, asked, ranges.strict, workers)
                positions[order, bound] = found
            return positions[order, bound]

        def one(aggregate: WindowAggregate) -> tuple[pa.Array, str]:
            upper, lower = bounds_of(aggregate)
            order = BY_EVENT if upper else EFFECT
            last = (order, at(order, upper))
            first = (BY_EVENT, at(BY_EVENT, lower)) if lower else (order, ranges.start - 1)
            return self._value(windows, aggregate, last, first)

        for aggregate in aggregates:  # searches first, each on all threads; then the values, an aggregate a thread
            upper, lower = bounds_of(aggregate)
            at(BY_EVENT if upper else EFFECT, upper)
            if lower:
                at(BY_EVENT, lower)
        made = list(workers.map(one, aggregates))
        return {aggregate.call.token: value for aggregate, value in zip(aggregates, made, strict=True)}

    def _value(
        self,
        windows: WindowsAt,
        aggregate: WindowAggregate,
        last: tuple[str, Positions],
        first: tuple[str, Positions],
    ) -> tuple[pa.Array, str]:
        *main, count = contributions_of(aggregate, windows.types)
        counted = self._difference(count, last, first)
        if aggregate.function == "count":
            return pa.array(counted), "BIGINT"
        present = counted > 0
        kind = windows.types[aggregate.arguments[0]]
        if aggregate.function in ("min", "max"):
            keys = self._extreme(main[0], last[1], first[1] + 1, present)
            return _from_sortable(keys, present, kind), kind
        if main[0].kind == "float":
            total_float = self._float_sum(main[0], last, first)
            if aggregate.function != "sum":
                total_float = total_float / np.maximum(counted, 1)
            return pa.array(total_float, mask=~present), "DOUBLE"
        total = self._difference(main[0], last, first)
        scale = int(kind.rstrip(")").split(",")[1]) if kind.startswith("DECIMAL") else 0
        if aggregate.function == "sum":
            if kind.startswith("DECIMAL"):
                return _decimals(total, present, scale), f"DECIMAL(38,{scale})"
            return pa.array(total, mask=~present), "HUGEINT"
        return pa.array(rounded_means(total, counted, scale), mask=~present), "DOUBLE"

    def _float_sum(
        self, contribution: Contribution, last: tuple[str, Positions], first: tuple[str, Positions]
    ) -> npt.NDArray[np.float64]:
        """A sum of floats, rounded once; infinities and NaN as IEEE 754 adds them."""
        form = self._forms[self._numbers[contribution]]
        digits = [self._difference(contribution, last, first, f"_{digit}") for digit in range(form.digits)]
        total = form.joined(digits)
        if not form.special:
            return total
        nan, up, down = (self._difference(contribution, last, first, f"_{name}") > 0 for name in SPECIAL)
        total = np.where(up, np.inf, np.where(down, -np.inf, total))
        return np.where(nan | (up & down), np.nan, total)

    def _difference(
        self, contribution: Contribution, last: tuple[str, Positions], first: tuple[str, Positions], part: str = ""
    ) -> Integers:
        return self._total(contribution, *last, part) - self._total(contribution, *first, part)

    def _total(self, contribution: Contribution, order: str, positions: Positions, part: str) -> Integers:
        column = self._orders[order].column(f"p{self._numbers[contribution]}{part}").data
        totals: Integers = column.take(positions, mode="clip")
        return np.where(positions < 0, 0, totals)

    def _extreme(self, contribution: Contribution, last: Positions, first: Positions, present: Any) -> Integers:
        """The extreme of the rows ``first … last`` of each asked instant; anything where none is ``present``."""
        pick = np.minimum if contribution.kind == "min" else np.maximum
        folder, number = self._orders[BY_EVENT], self._numbers[contribution]
        from_start = folder.column(f"p{number}_from_start").data
        to_end = folder.column(f"p{number}_to_end").data
        outcome = np.zeros(len(last), np.int64)
        asked = np.flatnonzero(present)
        low, high = first[asked], last[asked]
        low_block, high_block = low // BLOCK, high // BLOCK
        apart = low_block != high_block
        extremes = pick(to_end.take(low, mode="clip"), from_start.take(high, mode="clip"))
        extremes = self._between(extremes, apart, low_block + 1, high_block - 1, from_start, pick)
        together = np.flatnonzero(~apart)
        if len(together):
            plain = folder.column(f"p{number}").data
            extremes[together] = _inside(plain, low[together], high[together], pick)
        outcome[asked] = extremes
        return outcome

    def _between(
        self, extremes: Integers, apart: Any, low: Positions, high: Positions, from_start: Integers, pick: Any
    ) -> Integers:
        """The extreme with those of the whole blocks in between, by a table over powers of two."""
        wide = np.flatnonzero(apart & (high >= low))
        if not len(wide):
            return extremes
        level: Integers = np.ascontiguousarray(from_start[BLOCK - 1 :: BLOCK])
        spans = high[wide] - low[wide] + 1
        powers = np.frexp(spans.astype(np.float64))[1] - 1
        for power in range(int(powers.max()) + 1):
            chosen = np.flatnonzero(powers == power)
            if len(chosen):
                rows = wide[chosen]
                both = pick(level.take(low[rows]), level.take(high[rows] - (1 << power) + 1))
                extremes[rows] = pick(extremes[rows], both)
            if len(level) > 1 << power:
                level = pick(level[: -(1 << power)], level[1 << power :])
        return extremes


def _inside(plain: Integers, low: Positions, high: Positions, pick: Any) -> Integers:
    """The extreme of runs of rows that lie inside one block each."""
    extremes: Integers = plain.take(low)
    for step in range(1, BLOCK):
        extremes = pick(extremes, plain.take(np.minimum(low + step, high)))
    return extremes


def _from_sortable(keys: Integers, present: Any, kind: str) -> pa.Array:
    """Values of a DuckDB type from the integers that ordered them."""
    if kind in ("FLOAT", "DOUBLE"):
        bits = np.where(keys >= 0, keys, keys ^ _INT64.max)
        return pa.array(bits.view(np.float64), mask=~present)
    if kind == "DATE":
        return pa.array(keys.astype(np.int32), pa.int32(), mask=~present).view(pa.date32())
    if kind.startswith("TIMESTAMP"):
        zone = "UTC" if kind.endswith("ZONE") else None
        return pa.array(keys, mask=~present).view(pa.timestamp("us", zone))
    if kind.startswith("DECIMAL"):
        return _decimals(keys, present, int(kind.rstrip(")").split(",")[1]))
    return pa.array(keys, mask=~present)


def _decimals(unscaled: Integers, present: Any, scale: int) -> pa.Array:
    """Decimals of 38 digits from unscaled 64-bit integers."""
    words = np.empty((len(unscaled), 2), np.int64)
    words[:, 0] = unscaled
    words[:, 1] = unscaled >> 63
    bits = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(pa.decimal128(38, scale), len(unscaled), [bits, pa.py_buffer(words)])
