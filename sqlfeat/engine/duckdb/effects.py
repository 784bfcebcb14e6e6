"""What a view's events add to running totals, and those totals: how windows are prepared when a view is built.

Every aggregate that can be had from totals is made of *contributions*: counts, sums of integers and decimals, sums of
floats as exact digits (``fixed_point``), and the values that ``min`` and ``max`` choose from. ``effects_sql`` gives the
events' contributions in an order, ``totals_reader`` adds them up; asking is ``totals``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import WindowAggregate
from sqlfeat.engine.duckdb.columns import validity, values
from sqlfeat.engine.duckdb.fixed_point import FixedPoint
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, UNTIL

BLOCK = 16
BATCH = 122_880
INSTANT = "x"
EFFECT, BY_EVENT = "effect", "event"
SPECIAL = ("nan", "up", "down")
"""What is counted of floats beside their digits: NaN, and infinities of either sign."""

_INT64 = np.iinfo(np.int64)
_SUMMED = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN"}
_FLOATS = {"FLOAT", "DOUBLE"}
_ORDERED = {*_SUMMED, *_FLOATS, "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"} - {"BOOLEAN"}

Integers = npt.NDArray[np.int64]
Forms = Mapping[int, FixedPoint]
"""How the floats of a contribution are written, by its number."""


@dataclass(frozen=True)
class Contribution:
    """What an event brings to an aggregate: ``kind`` is ``count``, ``sum``, ``float`` (a sum), ``min`` or ``max``."""

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
        if self.kind == "float":
            return f"case when {condition} then cast({self.argument} as double) else 0 end"
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
    if aggregate.function in ("sum", "avg", "mean") and kind in _FLOATS:
        return (Contribution("float", argument, aggregate.filter), count)
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


def magnitudes_sql(contribution: Contribution, types: Mapping[str, str], events: str) -> str:
    """Of a sum of floats: the smallest and the largest magnitude, and whether there are infinities or NaN."""
    value = contribution.sql(types)
    return (
        "select min(abs(x)) filter (where isfinite(x) and x <> 0), max(abs(x)) filter (where isfinite(x) and x <> 0), "
        f"coalesce(bool_or(not isfinite(x)), false) from (select {value} as x from {events})"
    )


def _signed(contribution: Contribution) -> bool:
    return contribution.kind in ("sum", "count", "float")


def _names(number: int, contribution: Contribution, forms: Forms) -> list[str]:
    """The columns that keep a contribution."""
    if contribution.kind in ("min", "max"):
        return [f"p{number}", f"p{number}_from_start", f"p{number}_to_end"]
    if contribution.kind != "float":
        return [f"p{number}"]
    form = forms[number]
    special = [f"p{number}_{name}" for name in SPECIAL] if form.special else []
    return [*(f"p{number}_{digit}" for digit in range(form.digits)), *special]


def totals_reader(
    reader: pa.RecordBatchReader, contributions: Sequence[Contribution], forms: Forms
) -> tuple[pa.RecordBatchReader, list[bool]]:
    """The effects as running totals and block extremes, batch by batch.

    The second part holds one flag, which tells once the reader is at its end whether all sums fit into 64 bits.
    """
    fields = [pa.field(INSTANT, pa.timestamp("us", "UTC"))]
    for i, contribution in enumerate(contributions):
        fields += [pa.field(name, pa.int64()) for name in _names(i, contribution, forms)]
    schema = pa.schema(fields)
    sums = _RunningSums()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _rebatched(reader):
            arrays = [batch.column(INSTANT).cast(pa.timestamp("us", "UTC"))]
            for i, contribution in enumerate(contributions):
                column = batch.column(f"p{i}")
                if not _signed(contribution):
                    keys = _sortable(column, contribution.kind)
                    arrays += [pa.array(a) for a in (keys, *_block_extremes(keys, contribution.kind))]
                elif contribution.kind == "float":
                    pieces = _digits(values(column, "f8"), forms[i])
                    arrays += [sums.added(f"{i}.{number}", piece) for number, piece in enumerate(pieces)]
                else:
                    arrays.append(sums.added(str(i), integers_of(column)))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches()), sums.fits


class _RunningSums:
    """Sums carried from batch to batch; ``fits`` becomes false where one could leave 64 bits."""

    def __init__(self) -> None:
        self.fits = [True]
        self._carried: dict[str, int] = {}
        self._largest: dict[str, float] = {}

    def added(self, name: str, numbers: Integers) -> pa.Array:
        """The running totals up to each row of the next batch."""
        self._largest[name] = self._largest.get(name, 0.0) + float(np.abs(numbers.astype(np.float64)).sum())
        if self._largest[name] >= 2.0**62:
            self.fits[0] = False
            return pa.array(numbers)
        totals = np.cumsum(numbers) + np.int64(self._carried.get(name, 0))
        if len(totals):
            self._carried[name] = int(totals[-1])
        return pa.array(totals)


def _digits(numbers: npt.NDArray[np.float64], form: FixedPoint) -> list[Integers]:
    """The digits of floats, and flags for those that have none."""
    special = (np.isnan(numbers), numbers == np.inf, numbers == -np.inf) if form.special else ()
    return [*form.split(numbers), *(flags.astype(np.int64) for flags in special)]


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


def integers_of(column: pa.Array) -> Integers:
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
        keys = integers_of(column)
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
