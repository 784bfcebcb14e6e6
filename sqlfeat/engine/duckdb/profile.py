"""Profiles of relations in DuckDB: one statement counts all columns at once, after a look at ranges and a sample.

The bins of numbers are quantiles of a sample (the same rows whatever the order and the threads: those whose keys hash
to a multiple of some number), and everything else is counted of every row. Sums are those of whole numbers, so that
they do not depend on the order either. Knows SQL and Arrow; whoever asks says how a query is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import (
    CATEGORICAL,
    NUMERIC,
    OTHER,
    TIME,
    ColumnProfile,
    Counted,
    Profile,
    ProfileRequest,
    Shape,
)

Ask = Callable[[str], pa.Table]
SAMPLED = 50_000
"""About so many rows are looked at for the bins."""
BINS = 40
"""So many bins a column of numbers has, besides those of what lies outside; fewer distinct values have one each."""
MOST_CATEGORIES = 200
_COLUMNS_AT_ONCE = 60
_GROUP_SHARE, _LEAST_GROUP, _CATEGORY_SHARE, _MOST_GROUPS = 0.1, 0.05, 0.01, 20
_BITS, _SQUARE_BITS = 60, 30
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_TEXTS = ("VARCHAR", "ENUM", "UUID")
_TIMES = ("TIMESTAMP", "DATE")
_HELD = "sqlfeat_profiled"
_START, _WINDOW, _ROWS = "__sqlfeat_time", "__sqlfeat_window", "__sqlfeat_rows"


def kind_of(type_: str) -> str:
    """How a column of this type is counted."""
    upper = type_.upper()
    if upper.endswith("]"):
        return OTHER
    if upper.startswith(_NUMBERS):
        return NUMERIC
    if upper.startswith((*_TEXTS, "BOOLEAN")):
        return CATEGORICAL
    return TIME if upper.startswith(_TIMES) else OTHER


def profile(ask: Ask, relation: str, request: ProfileRequest) -> Profile:
    """Count the rows of a relation, as SQL names it."""
    return _Profiling(ask, relation, request).run()


@contextmanager
def held(connection: Connection, relation: str, request: ProfileRequest) -> Iterator[tuple[str, ProfileRequest]]:
    """The rows in a table of their own, for as long as they are counted."""
    names = dict.fromkeys([*(name for name, _ in request.columns), *request.keys, *([request.time or ""])])
    items = [quote(name) for name in names if name] or ["1 as one"]
    connection.execute(f"create or replace temp table {_HELD} as {_rows(relation, request, items)}")
    try:
        yield f"temp.{_HELD}", replace(request, where="true", computed={}, every=1)
    finally:
        connection.execute(f"drop table temp.{_HELD}")


def values_beyond(ask: Ask, relation: str, request: ProfileRequest, shape: Shape, most: int) -> list[str]:
    """The most frequent categories that have no bin of their own."""
    value = _value(shape.name, CATEGORICAL)
    known = ", ".join(literal(one) for one in shape.categories) or "null"
    unknown = f"({request.where}) and {value} is not null and coalesce({value} not in ({known}), true)"
    rows = _rows(relation, replace(request, where=unknown), [f"{value} as value", "count(*) as n"])
    return [
        str(one) for one in ask(f"{rows} group by 1 order by n desc, value limit {int(most)}").column(0).to_pylist()
    ]


class _Profiling:
    """One profile under way."""

    def __init__(self, ask: Ask, relation: str, request: ProfileRequest) -> None:
        self._ask = ask
        self._relation = relation
        self._request = request
        self._given = request.shapes
        self._kinds = {name: kind_of(type_) for name, type_ in request.columns}
        self._bounds: dict[str, _Bounds] = {}
        self._total, self._first, self._last = self._look()
        self._window = request.window or _window_for(self._first, self._last)

    def run(self) -> Profile:
        new = [(name, type_) for name, type_ in self._request.columns if not self._has_shape(name, type_)]
        shapes, sampled = self._found(new) if new else ({}, 0)
        counted: dict[str, tuple[Shape, list[Counted]]] = {}
        windows: list[tuple[datetime | None, int]] = []
        columns = [(name, replace(shapes.get(name) or self._given[name], type=type_))
                   for name, type_ in self._request.columns]  # fmt: skip
        for first in range(0, max(len(columns), 1), _COLUMNS_AT_ONCE):
            some = [shape for _, shape in columns[first : first + _COLUMNS_AT_ONCE]]
            table = self._ask(self._counting(some))
            windows = [(_instant(row[_WINDOW]), row[_ROWS]) for row in table.select([_WINDOW, _ROWS]).to_pylist()]
            for place, shape in enumerate(some):
                counted[shape.name] = (shape, self._counted(table, place, shape))
        timed = [place for place, (start, _) in enumerate(windows) if start is not None]
        return Profile(
            rows=self._total,
            window=self._window,
            start=self._first,
            end=self._last,
            starts=tuple(start for start, _ in windows if start is not None),
            window_rows=tuple(windows[place][1] for place in timed),
            columns=tuple(self._column(shape, parts, timed) for shape, parts in counted.values()),
            duplicates=self._duplicates() if self._request.duplicates else None,
            sampled=sampled,
        )

    def _has_shape(self, name: str, type_: str) -> bool:
        return name in self._given and self._given[name].kind == kind_of(type_)

    # -- what there is ---------------------------------------------------------------------------------------------

    def _look(self) -> tuple[int, datetime | None, datetime | None]:
        """How many rows, from when to when, and of each column between which bounds its values lie."""
        time = self._request.time
        ends = [f"epoch_us({which}({_moment(time)}))" for which in ("min", "max")] if time else ["null", "null"]
        items = ["count(*)", *ends]
        for name, kind in self._kinds.items():
            items += _bounds(name, kind)
        named = [f"{sql} as c{place}" for place, sql in enumerate(items)]
        row = [column[0].as_py() for column in self._ask(_rows(self._relation, self._request, named)).columns]
        for place, name in enumerate(self._kinds):
            low, high, odd = row[3 + 3 * place : 6 + 3 * place]
            self._bounds[name] = _Bounds(low, high, odd or 0)
        return int(row[0]), _instant(row[1]), _instant(row[2])

    def _found(self, columns: Sequence[tuple[str, str]]) -> tuple[dict[str, Shape], int]:
        """Bins for columns that have none yet, from a sample."""
        step = max(1, math.ceil(self._total / SAMPLED))
        request = self._request
        identity = [*request.keys, *([request.time] if request.time else [])] or [name for name, _ in columns]
        kept = f"hash({', '.join(map(quote, identity))}) % {step} = 0" if step > 1 else "true"
        items = [f"{_value(name, self._kinds[name])} as c{place}" for place, (name, _) in enumerate(columns)]
        table = self._ask(
            _rows(self._relation, replace(request, where=f"({request.where}) and {kept}"), items or ["1"])
        )
        shapes = {name: self._shape(name, type_, table.column(place)) for place, (name, type_) in enumerate(columns)}
        return shapes, table.num_rows

    def _shape(self, name: str, type_: str, values: pa.ChunkedArray) -> Shape:
        kind = self._kinds[name]
        if kind == NUMERIC:
            return Shape(name, type_, kind, edges=_edges(values, self._bounds[name]))
        if kind != CATEGORICAL:
            return Shape(name, type_, kind)
        if type_.upper() == "BOOLEAN":
            return Shape(name, type_, kind, categories=("false", "true"))
        found = {one["values"]: one["counts"] for one in values.value_counts().to_pylist()}
        found.pop(None, None)
        first = sorted(found, key=lambda value: (-found[value], value))[:MOST_CATEGORIES]
        return Shape(name, type_, kind, categories=tuple(first))

    def _duplicates(self) -> int:
        request = self._request
        identity = [*request.keys, *([request.time] if request.time else [])]
        if not identity:
            return 0
        listed = ", ".join(map(quote, identity))
        inner = f"{_rows(self._relation, request, ['count(*) as n'])} group by {listed}"
        return int(self._ask(f"select coalesce(sum(n - 1), 0)::bigint as n from ({inner})").column(0)[0].as_py())

    # -- counting --------------------------------------------------------------------------------------------------

    def _counting(self, shapes: Sequence[Shape]) -> str:
        """The one statement: every column, window by window."""
        time = self._request.time
        # of a TIMESTAMP, which in UTC is the same: with a time zone the calendar is asked row by row
        instant = f"make_timestamp(epoch_us({_moment(time)}))" if time else "null::timestamp"
        window = f"date_trunc('{self._window}', {instant})"
        values = [f"{_value(s.name, s.kind)} as c{place}" for place, s in enumerate(shapes)]
        inner = _rows(self._relation, self._request, [f"{window} as {_START}", *values])
        items = [sql for place, shape in enumerate(shapes) for sql in self._items(place, shape)]
        return (
            f"select epoch_us({_START}) as {_WINDOW}, count(*) as {_ROWS}{''.join(f', {sql}' for sql in items)} "
            f"from ({inner}) group by {_START} order by {_START} nulls last"
        )

    def _items(self, place: int, shape: Shape) -> list[str]:
        column = f"c{place}"
        items = [f"count({column}) as n{place}"]
        if shape.kind == NUMERIC:
            middle, scale, coarse = self._scales(shape.name)
            finite = column
            if self._bounds[shape.name].odd:
                finite = f"(case when isfinite({column}) then {column} end)"
                items.append(f"count({finite}) as finite{place}")
            from_middle = f"({finite} - {_double(middle)})"
            part = f"({from_middle} * {_double(coarse)})::bigint"
            edges = ", ".join(_double(edge) for edge in shape.edges)
            items += [
                f"sum(({from_middle} * {_double(scale)})::bigint)::varchar as sum{place}",
                f"sum({part} * {part})::varchar as square{place}",
                f"histogram({finite}, [{edges}]::double[]) as bins{place}",
            ]
        elif shape.kind == CATEGORICAL:
            listed = ", ".join(literal(f"={one}") for one in shape.categories)
            items += [
                f"sum(length({column}))::bigint as sum{place}",
                f"histogram_exact('=' || {column}, [{listed}]::varchar[]) as bins{place}",
            ]
        return items

    def _scales(self, name: str) -> tuple[float, float, float]:
        """The middle of a column's range, and by what distances from it are multiplied to become whole numbers."""
        low, high = self._bounds[name].interval
        middle = low / 2 + high / 2
        most = max(high - middle, middle - low)
        if not most or not math.isfinite(most):
            return middle, 1.0, 1.0
        exponent = math.frexp(most)[1]
        return middle, _power(_BITS - exponent), _power(_SQUARE_BITS - exponent)

    def _counted(self, table: pa.Table, place: int, shape: Shape) -> list[Counted]:
        own = [name for name in table.column_names if name.strip("abcdefghijklmnopqrstuvwxyz") == str(place)]
        rows = table.select([_ROWS, *own]).to_pylist()
        return [self._one(row, place, shape) for row in rows]

    def _one(self, row: Mapping[str, Any], place: int, shape: Shape) -> Counted:
        total, there = row[_ROWS], row[f"n{place}"]
        nulls = total - there
        if not shape.bins:
            return Counted(total, nulls)
        found = dict(row[f"bins{place}"] or ())
        if shape.kind == CATEGORICAL:
            known = [int(found.get(f"={one}", 0)) for one in shape.categories]
            mean = row[f"sum{place}"] / there if there else None
            return Counted(total, nulls, 0, mean, counts=(*known, there - sum(known)))
        count = row.get(f"finite{place}", there)
        bins = [int(found.get(edge, 0)) for edge in shape.edges]
        mean, deviation = self._moments(row, place, shape.name, count)
        return Counted(total, nulls, there - count, mean, deviation, counts=(*bins, count - sum(bins)))

    def _moments(self, row: Mapping[str, Any], place: int, name: str, count: int) -> tuple[float | None, float | None]:
        if not count:
            return None, None
        middle, scale, coarse = self._scales(name)
        away = int(row[f"sum{place}"]) / count / scale
        variance = int(row[f"square{place}"]) / count - (away * coarse) ** 2
        deviation = math.sqrt(max(variance, 0.0)) / coarse
        return _finite_sum([middle, away]), deviation if math.isfinite(deviation) else None

    def _column(self, shape: Shape, parts: Sequence[Counted], timed: Sequence[int]) -> ColumnProfile:
        bounds = self._bounds[shape.name]
        whole = replace(_summed(parts), minimum=bounds.low, maximum=bounds.high)
        if not parts:
            whole = replace(whole, counts=(0,) * shape.bins)
        if shape.kind == CATEGORICAL and not shape.groups:
            shape = replace(shape, complete=not whole.counts[-1])
        if shape.bins and not shape.groups:
            shape = replace(shape, groups=_groups(shape, whole.counts))
        windows: Iterable[Counted] = (parts[place] for place in timed)
        if shape.bins:
            windows = (replace(one, counts=shape.grouped(one.counts)) for one in windows)
        return ColumnProfile(shape, whole, tuple(windows))


@dataclass(frozen=True)
class _Bounds:
    """The least and the greatest of a column's finite numbers (lengths, instants), and how many others it has."""

    low: float | None
    high: float | None
    odd: int

    @property
    def interval(self) -> tuple[float, float]:
        return (self.low or 0.0, self.high or 0.0)


def _bounds(name: str, kind: str) -> list[str]:
    """The least value of a column, its greatest, and how many are no finite numbers."""
    value = _value(name, kind)
    if kind == CATEGORICAL:
        return [f"min(length({value}))", f"max(length({value}))", "null"]
    if kind == NUMERIC:
        finite = f"case when isfinite({value}) then {value} end"
        return [f"min({finite})", f"max({finite})", f"count({value}) - count({finite})"]
    return [f"min({value})", f"max({value})", "null"] if kind == TIME else ["null", "null", "null"]


def _rows(relation: str, request: ProfileRequest, items: Sequence[str]) -> str:
    """A query for expressions over the rows."""
    source = relation
    if request.computed:
        instead = ", ".join(f"{sql} as {quote(name)}" for name, sql in request.computed.items())
        source = f"(select * replace ({instead}) from {relation})"
    where = request.where
    identity = [*request.keys, *([request.time] if request.time else [])]
    if request.every > 1 and identity:
        where = f"({where}) and hash({', '.join(map(quote, identity))}) % {request.every} = 0"
    return f"select {', '.join(items)} from {source} where {where}"


def _summed(parts: Sequence[Counted]) -> Counted:
    """The windows of a column as one, the deviation of all rows found from theirs."""
    if not parts:
        return Counted(0, 0)
    weighed = [(one, one.rows - one.missing) for one in parts if one.mean is not None]
    weight = sum(rows for _, rows in weighed)
    mean = _mean([(one.mean or 0.0, rows / weight) for one, rows in weighed]) if weight else None
    deviation = None
    if mean is not None and all(one.deviation is not None for one, _ in weighed):
        distances = [(one.deviation or 0.0, (one.mean or 0.0) - mean, rows / weight) for one, rows in weighed]
        square = _finite_sum([share * (within * within + between * between) for within, between, share in distances])
        deviation = math.sqrt(square) if square is not None else None
    return Counted(
        rows=sum(one.rows for one in parts),
        nulls=sum(one.nulls for one in parts),
        nans=sum(one.nans for one in parts),
        mean=mean,
        deviation=deviation,
        counts=tuple(sum(counts) for counts in zip(*(one.counts for one in parts), strict=True)),
    )


def _mean(parts: Sequence[tuple[float, float]]) -> float | None:
    """The mean of means by their shares, from the first of them on: of equal ones it is the same to the last bit."""
    first = parts[0][0]
    away = [mean * share - first * share for mean, share in parts]
    return _finite_sum([first, *away])


def _finite_sum(numbers: Sequence[float]) -> float | None:
    """The sum, None where it is beyond what a double holds."""
    try:
        total = math.fsum(numbers)
    except (OverflowError, ValueError):  # on the way, or of infinities of both signs
        return None
    return total if math.isfinite(total) else None


# -- bins --------------------------------------------------------------------------------------------------------------


def _edges(values: pa.ChunkedArray, bounds: _Bounds) -> tuple[float, ...]:
    """Quantiles of the values, or the values themselves where they are few; first what lies just below all of them."""
    found: npt.NDArray[np.float64] = np.asarray(values.drop_null().to_numpy(), dtype=np.float64)
    found = np.sort(found[np.isfinite(found)])
    low, high = bounds.interval
    distinct = np.unique(np.concatenate([[low], found, [high]])) if len(found) else np.unique([low, high])
    if len(distinct) > BINS:
        places = np.ceil(np.arange(1, BINS) / BINS * len(found)).astype(np.int64) - 1
        distinct = np.unique(np.concatenate([[low], found[places], [high]]))
        if np.count_nonzero(found == low) * BINS < len(found):
            distinct = distinct[1:]  # the least value is no bin of its own
    below = math.nextafter(low, -math.inf)
    return (below, *(float(one) for one in distinct))


def _groups(shape: Shape, counts: Sequence[int]) -> tuple[int, ...]:
    """Bins put together until each has about a tenth of the rows; what lies outside of the baseline stays alone."""
    total = sum(counts)
    if shape.kind == CATEGORICAL:
        own = sum(count >= _CATEGORY_SHARE * total for count in counts[:-1]) if total else 0
        own = max(min(own, _MOST_GROUPS), min(len(counts) - 1, 2))
        ends = [*range(1, own + 1), *([len(counts) - 1] if own < len(counts) - 1 else [])]
        if not shape.complete and ends and ends[-1] > own:
            return (*ends[:-1], len(counts))
        return (*ends, len(counts))
    ends, seen = [1], 0
    for position in range(1, len(counts) - 1):
        seen += counts[position]
        if seen >= _GROUP_SHARE * total:
            ends.append(position + 1)
            seen = 0
    last = len(counts) - 1
    if ends[-1] != last:
        if len(ends) > 1 and seen < _LEAST_GROUP * total:
            ends.pop()
        ends.append(last)
    return (*ends, len(counts))


def _value(name: str, kind: str) -> str:
    column = quote(name)
    if kind == NUMERIC:
        return f"cast({column} as double)"
    if kind == CATEGORICAL:
        return f"cast({column} as varchar)"
    return f"epoch_us({_moment(name)}) / 1e6" if kind == TIME else column


def _moment(column: str) -> str:
    """A column as TIMESTAMPTZ: sessions speak UTC, so a TIMESTAMP is UTC and a DATE its midnight."""
    return f"cast({quote(column)} as timestamptz)"


def _double(value: float) -> str:
    """A number as SQL reads it as a DOUBLE, to the last bit."""
    return f"({value:.17e})"


def _power(exponent: int) -> float:
    return math.ldexp(1.0, max(min(exponent, 1000), -1000))


def _window_for(first: datetime | None, last: datetime | None) -> str:
    """Days, or longer windows where these would be too many."""
    if first is None or last is None:
        return "day"
    days = (last - first).days
    return "day" if days <= 400 else "week" if days <= 2_800 else "month"


def _instant(micros: int | None) -> datetime | None:
    return (
        None
        if micros is None
        else datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    )
