"""Windows without reading the events in them: running totals and range extremes over prepared columns.

Every event's contribution to each count and sum is added up once, in the order of event time and in the order in which
events take effect; a window is then the difference of two totals, found by two binary searches (``windows`` tells why
that is exact with late data). Differences are those of 64-bit integers that wrap around, which is exact as long as a
window's own sum fits; where it might not, the view is not prepared like this. For ``min`` and ``max`` of events that
are known as they happen, rows are cut into blocks with the extreme from a block's start and to its end, and a table of
extremes over powers of two of blocks: three looks for any window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.duckdb.columns import ColumnFolder, Positions, validity, values
from sqlfeat.engine.duckdb.exact import rounded_means
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, UNTIL
from sqlfeat.engine.duckdb.search import Instants, last_not_after
from sqlfeat.engine.duckdb.windows import Bound, WindowsAt, bounds_of

BLOCK = 16
BATCH = 122_880
INSTANT = "x"
EFFECT, BY_EVENT = "effect", "event"
_INT64 = np.iinfo(np.int64)
_SUMMED = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN"}
_ORDERED = {*_SUMMED, "FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"} - {"BOOLEAN"}

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Contribution:
    """What an event brings to an aggregate: ``kind`` is ``sum``, ``count``, ``min`` or ``max``."""

    kind: str
    argument: str
    filter: str | None

    def sql(self, types: Mapping[str, str]) -> str:
        """The contribution of one event; null for an extreme to which it brings nothing."""
        conditions = [self.filter] if self.filter else []
        if self.argument != "*":
            conditions.append(f"{self.argument} is not null")
        condition = " and ".join(conditions) or "true"
        if self.kind == "count":
            return f"cast(case when {condition} then 1 else 0 end as bigint)"
        if self.kind in ("min", "max"):
            return f"case when {condition} then {self.argument} end"
        kind = types[self.argument]
        lowest = -(2**63) + 1  # a total that could hold a lower one does not fit anyway, and this one can be taken back
        value = self.argument if kind.startswith("DECIMAL") else f"greatest(cast({self.argument} as bigint), {lowest})"
        zero = f"cast(0 as {kind})" if kind.startswith("DECIMAL") else "0"
        return f"case when {condition} then {value} else {zero} end"


def contributions_of(aggregate: WindowAggregate, types: Mapping[str, str]) -> tuple[Contribution, ...]:
    """What has to be prepared for an aggregate; nothing where it cannot be had from totals."""
    plain = not (aggregate.distinct or aggregate.order_by) and len(aggregate.arguments) <= 1
    if not plain:
        return ()
    argument = aggregate.arguments[0] if aggregate.arguments else "*"
    count = Contribution("count", argument, aggregate.filter)
    kind = types.get(argument, "")
    if aggregate.function == "count" and (argument == "*" or kind):
        return (count,)
    if aggregate.function in ("sum", "avg", "mean") and (kind in _SUMMED or _small_decimal(kind)):
        return (Contribution("sum", argument, aggregate.filter), count)
    if aggregate.function in ("min", "max") and (kind in _ORDERED or _small_decimal(kind)):
        return (Contribution(aggregate.function, argument, aggregate.filter), count)
    return ()


def _small_decimal(kind: str) -> bool:
    return kind.startswith("DECIMAL(") and int(kind[len("DECIMAL(") :].split(",")[0]) <= 18


def effects_sql(
    keys: Sequence[str], events: str, contributions: Sequence[Contribution], types: Mapping[str, str], order: str
) -> str:
    """The rows of one order, by key and instant: what each event adds, and what a replaced version takes back."""
    named = "".join(f"{quote(key)} as k{i}, " for i, key in enumerate(keys))
    sorting = "".join(f"k{i}, " for i in range(len(keys)))
    known = " and ".join([*(f"{quote(key)} is not null" for key in keys), f"{EVENT} is not null"])
    pieces = []
    for sign, since, condition in (("", AVAILABLE, ""), ("-", UNTIL, f" and {UNTIL} is not null")):
        instant = EVENT if order == BY_EVENT else f"greatest({EVENT}, {since})"
        values = []
        for i, contribution in enumerate(contributions):
            taken_back = "null" if sign and not _signed(contribution) else f"{sign}({contribution.sql(types)})"
            values.append(f"{taken_back} as p{i}")
        pieces.append(
            f"select {named}{instant} as {INSTANT}, {', '.join(values)} "
            f"from {events} where {known} and {AVAILABLE} is not null{condition}"
        )
    return f"select * from ({' union all '.join(pieces)}) order by {sorting}{INSTANT}"


def _signed(contribution: Contribution) -> bool:
    return contribution.kind in ("sum", "count")


def totals_reader(
    reader: pa.RecordBatchReader, contributions: Sequence[Contribution]
) -> tuple[pa.RecordBatchReader, list[bool]]:
    """The effects as running totals and block extremes, batch by batch.

    The second part holds one flag, which tells once the reader is at its end whether all sums fit into 64 bits.
    """
    fields = [pa.field(INSTANT, pa.timestamp("us", "UTC"))]
    for i, contribution in enumerate(contributions):
        names = (f"p{i}",) if _signed(contribution) else (f"p{i}", f"p{i}_from_start", f"p{i}_to_end")
        fields += [pa.field(name, pa.int64()) for name in names]
    schema = pa.schema(fields)
    fits = [True]

    def batches() -> Iterator[pa.RecordBatch]:
        carried = [0] * len(contributions)
        largest = [0] * len(contributions)
        for batch in _rebatched(reader):
            arrays = [batch.column(INSTANT).cast(pa.timestamp("us", "UTC"))]
            for i, contribution in enumerate(contributions):
                column = batch.column(f"p{i}")
                if not _signed(contribution):
                    keys = _sortable(column, contribution.kind)
                    arrays += [pa.array(keys), *(pa.array(a) for a in _block_extremes(keys, contribution.kind))]
                    continue
                numbers = _integers(column)
                largest[i] += int(np.abs(numbers.astype(np.float64)).sum())
                fits[0] = fits[0] and largest[i] < 2**62
                totals = np.cumsum(numbers) + np.int64(carried[i] if fits[0] else 0)
                carried[i] = int(totals[-1]) if len(totals) else carried[i]
                arrays.append(pa.array(totals))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches()), fits


def _rebatched(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly ``BATCH``: blocks of rows must not be cut."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= BATCH:
            table = pa.Table.from_batches(waiting).combine_chunks()
            yield table.slice(0, BATCH).to_batches()[0]
            rest = table.slice(BATCH)
            waiting, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pa.Table.from_batches(waiting).combine_chunks().to_batches()[0]


def _integers(column: pa.Array) -> Integers:
    """A column of integers or small decimals as 64-bit integers; decimals unscaled."""
    if pa.types.is_decimal(column.type):
        words = np.frombuffer(column.buffers()[1], np.int64)
        return words[2 * column.offset : 2 * (column.offset + len(column)) : 2].copy()
    return values(column.cast(pa.int64()), "i8")


def _sortable(column: pa.Array, kind: str) -> Integers:
    """A column as integers of the same order; null where it changes nothing."""
    absent = _INT64.max if kind == "min" else _INT64.min
    present = validity(column).view(np.bool_)
    if pa.types.is_floating(column.type):
        numbers = values(column.cast(pa.float64()), "f8") + 0.0  # -0.0 equals 0.0
        bits = np.where(np.isnan(numbers), np.nan, numbers).view(np.int64)
        keys = np.where(bits >= 0, bits, bits ^ _INT64.max)
    elif pa.types.is_decimal(column.type):
        keys = _integers(column)
    else:
        plain = column.view(pa.int32()) if pa.types.is_date(column.type) else column
        plain = plain.view(pa.int64()) if pa.types.is_timestamp(plain.type) else plain
        keys = values(plain.cast(pa.int64()), "i8")
    return np.where(present, keys, absent)


def _block_extremes(keys: Integers, kind: str) -> tuple[Integers, Integers]:
    """Of every row, the extreme from its block's start up to it, and from it to its block's end."""
    pick = np.minimum if kind == "min" else np.maximum
    absent = _INT64.max if kind == "min" else _INT64.min
    padded = np.full(-(-len(keys) // BLOCK) * BLOCK, absent)
    padded[: len(keys)] = keys
    blocks = padded.reshape(-1, BLOCK)
    from_start = pick.accumulate(blocks, axis=1).reshape(-1)[: len(keys)]
    to_end = pick.accumulate(blocks[:, ::-1], axis=1)[:, ::-1].reshape(-1)[: len(keys)]
    return from_start, to_end


# -- asking ------------------------------------------------------------------------------------------------------------


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

    def __init__(self, by_effect: ColumnFolder, by_event: ColumnFolder, contributions: Sequence[Contribution]) -> None:
        self._orders = {EFFECT: by_effect, BY_EVENT: by_event}
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
        total = self._difference(main[0], last, first)
        scale = int(kind.rstrip(")").split(",")[1]) if kind.startswith("DECIMAL") else 0
        if aggregate.function == "sum":
            if kind.startswith("DECIMAL"):
                return _decimals(total, present, scale), f"DECIMAL(38,{scale})"
            return pa.array(total, mask=~present), "HUGEINT"
        return pa.array(rounded_means(total, counted, scale), mask=~present), "DOUBLE"

    def _difference(
        self, contribution: Contribution, last: tuple[str, Positions], first: tuple[str, Positions]
    ) -> Integers:
        return self._total(contribution, *last) - self._total(contribution, *first)

    def _total(self, contribution: Contribution, order: str, positions: Positions) -> Integers:
        column = self._orders[order].column(f"p{self._numbers[contribution]}").data
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
