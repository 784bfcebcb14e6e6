"""Windows without reading the events in them: running totals and range extremes over prepared columns.

A window is a run of events and a few single ones (``runs``). Sums and counts of a run are differences of running
totals: of 64-bit integers that wrap around, which is exact as long as a window's own sum fits; where it might not, the
view is not prepared like this. Extremes of a run are those of parts of blocks and of whole blocks (``extremes``).
Asked instants are taken in the order of their entities, so that neighbours read the same lines of memory, and some at a
time, so that nothing in between leaves the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.duckdb.columns import ColumnFolder, Flags, Positions
from sqlfeat.engine.duckdb.effects import PASSING, SETTLED, SPECIAL, Contribution, Integers, Kept, contributions_of
from sqlfeat.engine.duckdb.exact import rounded_means
from sqlfeat.engine.duckdb.extremes import BlockExtremes
from sqlfeat.engine.duckdb.fixed_point import Doubles
from sqlfeat.engine.duckdb.runs import Asked, Inside, Parts, Runs
from sqlfeat.engine.duckdb.windows import Bound, WindowsAt, bounds_of, scale_of

_INT64 = np.iinfo(np.int64)
_ROWS = 16_384
"""Asked instants that are taken at a time."""
_MOST_SINGLES = 2_000_000
"""Events that are looked at one by one at a time."""

Numbers = npt.NDArray[Any]
_Counted = tuple[Contribution, tuple[Bound | None, Bound | None]]
"""What is counted, and in which window."""


class WindowTotals:
    """The prepared totals of one view, ready to be asked. ``passing`` is None where there are no such events."""

    def __init__(self, settled: ColumnFolder, passing: ColumnFolder | None, kept: Sequence[Kept]) -> None:
        self._parts: Parts = {SETTLED: settled} if passing is None else {SETTLED: settled, PASSING: passing}
        self._kept = list(kept)
        self._numbers = {one.contribution: i for i, one in enumerate(kept)}
        self._extremes = {
            i: BlockExtremes(settled, f"p{i}", one.contribution.kind)
            for i, one in enumerate(kept)
            if one.contribution.kind in ("min", "max")
        }

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the view's events lie in."""
        return tuple(self._parts)

    def gives(self, aggregate: WindowAggregate, types: Mapping[str, str]) -> bool:
        """Whether an aggregate can be had from what is prepared."""
        needed = contributions_of(aggregate, types)
        return bool(needed) and all(contribution in self._numbers for contribution in needed)

    def values(
        self, windows: WindowsAt, aggregates: Sequence[WindowAggregate], asked: Asked, workers: ThreadPoolExecutor
    ) -> dict[str, tuple[pa.Array, str]]:
        """Token → its values at the asked instants, and the DuckDB type that they have."""
        start, count = asked.ranges[SETTLED]
        longest = int(count.max()) if len(count) else 0
        for contribution in {c for aggregate in aggregates for c in contributions_of(aggregate, windows.types)}:
            if contribution.kind in ("min", "max"):
                self._extremes[self._numbers[contribution]].prepare(longest)
        made = [self._empty(aggregate, windows.types, len(start)) for aggregate in aggregates]
        present = {
            (contributions_of(a, windows.types)[-1], bounds_of(a)): np.empty(len(start), np.bool_) for a in aggregates
        }

        sorted_already = bool((start[1:] >= start[:-1]).all())
        order = np.arange(len(start)) if sorted_already else np.argsort(start)

        def fill(first: int) -> None:
            rows = slice(first, min(first + _ROWS, len(start)))
            block = asked.taken(rows if sorted_already else order[rows])
            self._fill(windows.types, aggregates, block, rows, made, present)

        list(workers.map(fill, range(0, len(start), _ROWS)))
        if not sorted_already:
            places = np.empty_like(order)
            places[order] = np.arange(len(order))
            for i, numbers in enumerate(made):  # one by one, so that there are never two of all of them
                made[i] = numbers.take(places)
            present = {counted: flags.take(places) for counted, flags in present.items()}
        typed = [
            _typed(a, windows.types, numbers, present[contributions_of(a, windows.types)[-1], bounds_of(a)])
            for a, numbers in zip(aggregates, made, strict=True)
        ]
        return {aggregate.call.token: value for aggregate, value in zip(aggregates, typed, strict=True)}

    def _empty(self, aggregate: WindowAggregate, types: Mapping[str, str], rows: int) -> Numbers:
        main = self._kept[self._numbers[contributions_of(aggregate, types)[0]]]
        double = main.form is not None or aggregate.function in ("avg", "mean")
        kind = np.float64 if double else np.int32 if main.narrow else np.int64
        return np.empty(rows, kind)

    def _fill(
        self,
        types: Mapping[str, str],
        aggregates: Sequence[WindowAggregate],
        asked: Asked,
        rows: slice,
        made: Sequence[Numbers],
        present: Mapping[_Counted, Flags],
    ) -> None:
        """The values of all aggregates at some asked instants, into these rows of what is made."""
        runs = Runs(asked, self._parts)
        edges = {bounds_of(aggregate) for aggregate in aggregates}
        half = len(asked.instants) // 2
        if half and max((runs.doubtful(*pair) for pair in edges), default=0) > _MOST_SINGLES:
            middle = rows.start + half
            self._fill(types, aggregates, asked.taken(slice(half)), slice(rows.start, middle), made, present)
            self._fill(types, aggregates, asked.taken(slice(half, None)), slice(middle, rows.stop), made, present)
            return
        counts: dict[_Counted, Integers] = {}
        for aggregate, numbers in zip(aggregates, made, strict=True):
            inside = runs.inside(*bounds_of(aggregate))
            *main, count = contributions_of(aggregate, types)
            counted = (count, bounds_of(aggregate))
            if counted not in counts:
                counts[counted] = self._summed(count, inside)
                present[counted][rows] = counts[counted] > 0
            made_of = counts[counted]
            numbers[rows] = self._value(aggregate, types, main[0], inside, made_of) if main else made_of

    def _value(
        self,
        aggregate: WindowAggregate,
        types: Mapping[str, str],
        main: Contribution,
        inside: Inside,
        counted: Integers,
    ) -> Numbers:
        if main.kind in ("min", "max"):
            return self._extreme(main, inside)
        mean = aggregate.function != "sum"
        if main.kind == "float":
            return self._of_floats(main, inside, counted if mean else None)
        total = self._summed(main, inside)
        return rounded_means(total, counted, scale_of(types[aggregate.arguments[0]])) if mean else total

    def _of_floats(self, main: Contribution, inside: Inside, counted: Integers | None) -> Doubles:
        """A sum of floats, or its mean, rounded once; infinities and NaN as IEEE 754 adds them."""
        form = self._kept[self._numbers[main]].form
        assert form is not None
        digits = [self._summed(main, inside, f"_{digit}") for digit in range(form.digits)]
        total = form.joined(digits) if counted is None else form.means(digits, np.maximum(counted, 1))
        if not form.special:
            return total
        nan, up, down = (self._summed(main, inside, f"_{name}") > 0 for name in SPECIAL)
        total = np.where(up, np.inf, np.where(down, -np.inf, total))
        return np.where(nan | (up & down), np.nan, total)

    def _summed(self, contribution: Contribution, inside: Inside, digit: str = "") -> Integers:
        """The sum of a contribution over what is inside."""
        number = self._numbers[contribution]
        if self._kept[number].plain:
            total = inside.last - inside.first
            for single in inside.singles:
                total += np.bincount(single.owners, minlength=len(total))
            return total
        name = f"p{number}{digit}"
        column = self._parts[SETTLED].column(name).data
        total = _at(column, inside.last) - _at(column, inside.first)
        for single in inside.singles:
            if len(single.owners):
                column = self._parts[single.part].column(name).data
                own = _at(column, single.positions) - _at(column, single.positions - 1)
                owners, sums = _grouped(single.owners, own, np.add)
                total[owners] += sums
        return total

    def _extreme(self, contribution: Contribution, inside: Inside) -> Numbers:
        """The extreme of what is inside; anything where nothing is."""
        number = self._numbers[contribution]
        extremes = self._extremes[number].at(inside.looks)
        pick = self._extremes[number].pick
        for single in inside.singles:
            if len(single.owners):
                own = self._parts[single.part].column(f"p{number}").data.take(single.positions)
                owners, best = _grouped(single.owners, own, pick)
                extremes[owners] = pick(extremes[owners], best)
        return extremes


def _at(totals: Integers, positions: Positions) -> Integers:
    """The running totals up to some positions; nothing before the first."""
    found: Integers = totals.take(positions, mode="clip")
    if len(positions) and positions.min() < 0:
        found[positions < 0] = 0
    return found


def _grouped(owners: Positions, numbers: Numbers, pick: np.ufunc) -> tuple[Positions, Numbers]:
    """The numbers of each owner made one; owners rise."""
    starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    return owners[starts], pick.reduceat(numbers, starts)


# -- as DuckDB's types -------------------------------------------------------------------------------------------------


def _typed(
    aggregate: WindowAggregate, types: Mapping[str, str], numbers: Numbers, present: Flags
) -> tuple[pa.Array, str]:
    """The numbers of an aggregate as values of the type that DuckDB gives it, and that type."""
    if aggregate.function == "count":
        return _nullable(pa.int64(), numbers, None), "BIGINT"
    kind = types[aggregate.arguments[0]]
    if aggregate.function in ("min", "max"):
        return _from_sortable(numbers, present, kind), kind
    if numbers.dtype == np.float64:
        return _nullable(pa.float64(), numbers, present), "DOUBLE"
    if kind.startswith("DECIMAL"):
        return _decimals(numbers, present, scale_of(kind)), f"DECIMAL(38,{scale_of(kind)})"
    return _nullable(pa.int64(), numbers, present), "HUGEINT"


def _from_sortable(keys: Numbers, present: Flags, kind: str) -> pa.Array:
    """Values of a DuckDB type from the integers that ordered them."""
    if kind in ("FLOAT", "DOUBLE"):
        bits = np.where(keys >= 0, keys, keys ^ _INT64.max)
        return _nullable(pa.float64(), bits.view(np.float64), present)
    if kind == "DATE":
        return _nullable(pa.date32(), keys.astype(np.int32, copy=False), present)
    if kind.startswith("TIMESTAMP"):
        return _nullable(pa.timestamp("us", "UTC" if kind.endswith("ZONE") else None), keys, present)
    if kind.startswith("DECIMAL"):
        return _decimals(keys, present, scale_of(kind))
    return _nullable(pa.int32() if keys.dtype == np.int32 else pa.int64(), keys, present)


def _decimals(unscaled: Numbers, present: Flags, scale: int) -> pa.Array:
    """Decimals of 38 digits from unscaled integers."""
    words = np.empty((len(unscaled), 2), np.int64)
    words[:, 0] = unscaled
    words[:, 1] = words[:, 0] >> 63
    return _nullable(pa.decimal128(38, scale), words, present)


def _nullable(kind: pa.DataType, numbers: Numbers, present: Flags | None) -> pa.Array:
    """An Arrow array over numbers. (``pa.array`` of them imports pandas where it is installed.)"""
    bits = None
    if present is not None and not present.all():
        bits = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(kind, len(numbers), [bits, pa.py_buffer(np.ascontiguousarray(numbers))])
