"""What a view's events bring to its windows, and the running totals of it: how windows are prepared at build time.

Every aggregate that can be had from totals is made of *contributions*: counts, sums of integers and decimals, sums of
floats as exact digits (``fixed_point``), and the values that ``min`` and ``max`` choose from. The events lie in the
order of key and event time, in two parts. **Settled** ones are never replaced and known soon; most of a window is a run
of them, all known. **Passing** ones are replaced one day, or known much later than the others; they are looked at one
by one. ``effects_sql`` gives a part's contributions, ``totals_reader`` adds them up; asking is ``totals``.
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
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, UNTIL

BLOCK = 16
BATCH = 122_880
SETTLED, PASSING = "settled", "passing"
INSTANT, KNOWN, ALL_KNOWN, ENDS, ALL_ENDED = "x", "known", "all_known", "ends", "all_ended"
"""Of an event: when it happened, is known, is replaced; and when it and all of its entity before it are."""
SPECIAL = ("nan", "up", "down")
"""What is counted of floats beside their digits: NaN, and infinities of either sign."""
NO_END = 2**63 - 1
"""The end of what is never replaced: after every instant, also after the infinite one."""

_INT64 = np.iinfo(np.int64)
_SUMMED = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN"}
_FLOATS = {"FLOAT", "DOUBLE"}
_ORDERED = {*_SUMMED, *_FLOATS, "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"} - {"BOOLEAN"}

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Contribution:
    """What an event brings to an aggregate: ``kind`` is ``count``, ``sum``, ``float`` (a sum), ``min`` or ``max``."""

    kind: str
    argument: str
    filter: str | None

    @property
    def condition(self) -> str:
        """Which events bring something, in SQL."""
        conditions = [self.filter] if self.filter else []
        if self.argument != "*":
            conditions.append(f"{self.argument} is not null")
        return " and ".join(conditions) or "true"

    def sql(self, types: Mapping[str, str]) -> str:
        """The contribution of one event; null for an extreme to which it brings nothing."""
        if self.kind == "count":
            return f"cast(case when {self.condition} then 1 else 0 end as bigint)"
        if self.kind in ("min", "max"):
            return f"case when {self.condition} then {self.argument} end"
        if self.kind == "float":
            return f"case when {self.condition} then cast({self.argument} as double) else 0 end"
        kind = types[self.argument]
        decimal = kind.startswith("DECIMAL")
        value = self.argument if decimal else f"cast({self.argument} as bigint)"
        return f"case when {self.condition} then {value} else {f'cast(0 as {kind})' if decimal else '0'} end"


@dataclass(frozen=True)
class Kept:
    """A contribution whose totals are kept, and how they are written.

    ``form``: of a sum of floats, its digits. ``plain``: every event brings one to this count, so it is kept by the
    events' positions alone. ``narrow``: the values of an extreme fit into 32 bits.
    """

    contribution: Contribution
    form: FixedPoint | None = None
    plain: bool = False
    narrow: bool = False

    def columns(self, number: int, part: str) -> list[tuple[str, pa.DataType]]:
        """The columns that keep it."""
        name, integer = f"p{number}", pa.int32() if self.narrow else pa.int64()
        if self.plain:
            return []
        if self.contribution.kind in ("min", "max"):
            names = [name, f"{name}_from_start", f"{name}_to_end"] if part == SETTLED else [name]
            return [(name, integer) for name in names]
        if self.form is None:
            return [(name, integer)]
        special = SPECIAL if self.form.special else ()
        return [(f"{name}_{digit}", integer) for digit in (*range(self.form.digits), *special)]


def contributions_of(aggregate: WindowAggregate, types: Mapping[str, str]) -> tuple[Contribution, ...]:
    """What has to be prepared for an aggregate, its count last; nothing where it cannot be had from totals."""
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


# -- the events, in SQL ------------------------------------------------------------------------------------------------


def used_sql(keys: Sequence[str]) -> str:
    """Which events can be inside a window at all."""
    return " and ".join(f"{name} is not null" for name in (*map(quote, keys), EVENT, AVAILABLE))


def part_sql(keys: Sequence[str], part: str, patience: int | None) -> str:
    """Which events are of a part; ``patience`` in microseconds, None where nothing is late or replaced."""
    if patience is None:
        return used_sql(keys)
    finite = f"isfinite({EVENT}) and isfinite({AVAILABLE})"
    soon = f"(case when {finite} then {_delay()} <= {patience} else {AVAILABLE} <= {EVENT} end)"
    settled = f"{UNTIL} is null and {soon}"
    return f"{used_sql(keys)} and {settled if part == SETTLED else f'not ({settled})'}"


def effects_sql(
    keys: Sequence[str], events: str, kept: Sequence[Kept], types: Mapping[str, str], part: str, patience: int | None
) -> str:
    """The events of a part, by key and event time: what each brings, and where any is late since when it is known."""
    items = [f"{EVENT} as {INSTANT}"]
    if patience is not None:
        entity = f"partition by {', '.join(map(quote, keys))} " if keys else ""
        upto = f"over ({entity}order by {ROW} rows unbounded preceding)"
        items += [f"{AVAILABLE} as {KNOWN}", f"max({AVAILABLE}) {upto} as {ALL_KNOWN}"]
        if part == PASSING:
            items += [f"{_ends()} as {ENDS}", f"max({_ends()}) {upto} as {ALL_ENDED}"]
    items += [f"{one.contribution.sql(types)} as p{i}" for i, one in enumerate(kept) if not one.plain]
    order = f" order by {ROW}" if patience is not None else ""  # else they are read as they lie: by key and time
    return f"select {', '.join(items)} from {events} where {part_sql(keys, part, patience)}{order}"


def _ends() -> str:
    """When an event is replaced, in microseconds; see ``NO_END``."""
    return (
        f"case when {UNTIL} is null then {NO_END} when isfinite({UNTIL}) then epoch_us({UNTIL}) "
        f"when {UNTIL} > {EVENT} then {NO_END - 1} else {-NO_END} end"
    )


def _delay() -> str:
    return f"greatest(epoch_us({AVAILABLE}) - epoch_us({EVENT}), 0)"


def delays_sql(keys: Sequence[str], events: str) -> str:
    """Whether anything is late or replaced; the span of the events; quantiles of the delays of what is not replaced.

    The quantiles are those of :data:`SHARES`, in microseconds.
    """
    late = f"({AVAILABLE} > {EVENT} or {UNTIL} is not null)"
    delay = f"case when isfinite({EVENT}) and isfinite({AVAILABLE}) then {_delay()} end"
    listed = ", ".join(map(str, SHARES))
    return (
        f"select coalesce(bool_or({late}), false), max(epoch_us({EVENT})) - min(epoch_us({EVENT})), "
        f"quantile_disc({delay}, [{listed}]) filter (where {UNTIL} is null) "
        f"from {events} where {used_sql(keys)}"
    )


SHARES = (0.5, 0.9, 0.99, 0.999, 1.0)


def patience_of(delays: Sequence[int] | None, longest: int) -> int:
    """How late an event may be and still be settled: what leaves the fewest events to be looked at one by one.

    A window reads those of its last ``patience``, and the share that is later than that of its whole length.
    """
    if delays is None:
        return 0
    costs = [delay + (1 - share) * longest for delay, share in zip(delays, SHARES, strict=True)]
    return int(delays[costs.index(min(costs))])


def reach_sql(keys: Sequence[str], contribution: Contribution, types: Mapping[str, str], events: str) -> str:
    """How many events there are, how many bring something, and whether it fits into 32 bits."""
    narrow = "false"
    kind = types.get(contribution.argument, "")
    if contribution.kind in ("min", "max"):
        value = contribution.sql(types)
        if kind == "DATE":
            narrow = "true"
        elif kind in _SUMMED:
            narrow = f"coalesce(min({value}) > -2147483648 and max({value}) < 2147483647, true)"
        elif kind.startswith("DECIMAL"):
            most = 2**31 // 10 ** int(kind.rstrip(")").split(",")[1]) - 1
            narrow = f"coalesce(min({value}) >= {-most} and max({value}) <= {most}, true)" if most > 0 else "false"
    return (
        f"select count(*), count(*) filter (where {contribution.condition}), {narrow} "
        f"from {events} where {used_sql(keys)}"
    )


def magnitudes_sql(contribution: Contribution, types: Mapping[str, str], events: str) -> str:
    """Of a sum of floats: the smallest and the largest magnitude, and whether there are infinities or NaN."""
    value = contribution.sql(types)
    return (
        "select min(abs(x)) filter (where isfinite(x) and x <> 0), max(abs(x)) filter (where isfinite(x) and x <> 0), "
        f"coalesce(bool_or(not isfinite(x)), false) from (select {value} as x from {events})"
    )


# -- their running totals ----------------------------------------------------------------------------------------------


def totals_reader(
    reader: pa.RecordBatchReader, kept: Sequence[Kept], part: str
) -> tuple[pa.RecordBatchReader, set[int]]:
    """The effects of a part as running totals and, of settled ones, block extremes, batch by batch.

    The second part tells, once the reader is at its end, the numbers of those whose sums might not fit into 64 bits.
    """
    times = [name for name in reader.schema.names if name in (INSTANT, KNOWN, ALL_KNOWN, ENDS, ALL_ENDED)]
    fields = [pa.field(name, pa.int64()) for name in times]
    fields += [pa.field(*column) for i, one in enumerate(kept) for column in one.columns(i, part)]
    schema = pa.schema(fields)
    sums = _RunningSums()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _rebatched(reader):
            made = [values(batch.column(name), "i8") for name in times]
            for i, one in enumerate(kept):
                if not one.plain:
                    made += _made(one, batch.column(f"p{i}"), part, sums, i)
            arrays = [as_arrow(numbers) for numbers in made]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches()), sums.unfit


def _made(one: Kept, column: pa.Array, part: str, sums: _RunningSums, number: int) -> list[npt.NDArray[np.integer]]:
    """The next rows of a contribution's columns."""
    kind = one.contribution.kind
    if kind in ("min", "max"):
        keys = _sortable(column, kind, np.dtype(np.int32 if one.narrow else np.int64))
        return [keys, *_block_extremes(keys, kind)] if part == SETTLED else [keys]
    if one.form is not None:
        pieces = _digits(values(column, "f8"), one.form)
        return [sums.added(number, digit, piece) for digit, piece in enumerate(pieces)]
    return [sums.added(number, 0, integers_of(column))]


class _RunningSums:
    """Sums carried from batch to batch, by a contribution's number and its digit."""

    def __init__(self) -> None:
        self.unfit: set[int] = set()
        self._carried: dict[tuple[int, int], int] = {}
        self._largest: dict[tuple[int, int], float] = {}

    def added(self, number: int, digit: int, numbers: Integers) -> Integers:
        """The running totals up to each row of the next batch; it has rows."""
        name = (number, digit)
        largest = float(max(abs(int(numbers.min())), abs(int(numbers.max())))) * len(numbers)
        if largest >= 2.0**40:
            largest = float(np.abs(numbers.astype(np.float64)).sum())
        self._largest[name] = self._largest.get(name, 0.0) + largest
        if self._largest[name] >= 2.0**62:
            self.unfit.add(number)
            return numbers
        totals: Integers = np.cumsum(numbers)
        totals += np.int64(self._carried.get(name, 0))
        self._carried[name] = int(totals[-1])
        return totals


def as_arrow(numbers: npt.NDArray[np.integer]) -> pa.Array:
    """An Arrow array over integers. (``pa.array`` of them imports pandas where it is installed.)"""
    kind = pa.int32() if numbers.dtype == np.int32 else pa.int64()
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


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


def _sortable(column: pa.Array, kind: str, dtype: np.dtype[np.integer]) -> npt.NDArray[np.integer]:
    """A column as integers of the same order; of null what changes nothing."""
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
    if column.null_count:
        limits = np.iinfo(dtype)
        keys = np.where(validity(column).view(np.bool_), keys, limits.max if kind == "min" else limits.min)
    return keys.astype(dtype, copy=False)


def _block_extremes(
    keys: npt.NDArray[np.integer], kind: str
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
    """Of every row, the extreme from its block's start up to it, and from it to its block's end."""
    pick = np.minimum if kind == "min" else np.maximum
    limits = np.iinfo(keys.dtype)
    padded = np.full(-(-len(keys) // BLOCK) * BLOCK, limits.max if kind == "min" else limits.min, keys.dtype)
    padded[: len(keys)] = keys
    columns = np.ascontiguousarray(padded.reshape(-1, BLOCK).T)  # a block's rows one below the other: whole lanes
    from_start, to_end = columns.copy(), columns
    for row in range(1, BLOCK):
        pick(from_start[row], from_start[row - 1], out=from_start[row])
        pick(to_end[-row - 1], to_end[-row], out=to_end[-row - 1])
    return from_start.T.reshape(-1)[: len(keys)], to_end.T.reshape(-1)[: len(keys)]
