"""What the checker says of expressions over times, tried on random ones: every bound has to hold for every row.

The proof rests on bounds of distances between the instants of a row, on which are never null, and on what they are
multiples of. Here expressions and conditions are drawn, DuckDB computes them on rows full of month ends, leap days,
microseconds and nulls, and each claim is compared with the most that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from random import Random
from typing import Any

import duckdb
import pyarrow as pa

from sqlfeat.compiler.availability import Interpreter
from sqlfeat.compiler.flows import Ledger, State
from sqlfeat.compiler.manifest import Column, TimeFacts
from sqlfeat.compiler.nodes import source_state
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.compiler.rewriting import ref_token
from tests.check.fuzz.oracle import LIMITS

_TYPES = {
    "a": pa.timestamp("us", "UTC"), "b": pa.timestamp("us", "UTC"), "c": pa.timestamp("us"), "d": pa.date32(),
    "e": pa.date32(), "s": pa.timestamp("s"), "m": pa.timestamp("ms"), "n": pa.timestamp("ns"), "i": pa.int32(),
}  # fmt: skip
_SHOWN = ("a", "b", "c", "d")
_DAYS = (
    datetime(2024, 1, 31), datetime(2024, 2, 29), datetime(2023, 2, 28), datetime(2024, 3, 31), datetime(2023, 12, 31),
    datetime(1969, 12, 31), datetime(2000, 1, 3), datetime(2100, 2, 28), datetime(2024, 10, 15),
)  # fmt: skip
_INTERVALS = (
    "interval '1 hour'", "interval '1 day'", "interval '1 month'", "interval '-1 month'", "interval '1 year'",
    "interval 30 minutes", "interval '1 day -1 hour'", "interval '1.5 hours'", "interval '1 month -1 day'",
    "interval (2) days", "to_days(3)", "to_months(2)", "interval '-1:30'", "-interval '2 days'",
    "2 * interval '1 day'", "interval '7 days'", "interval '31 days'", "interval 1.5 day", "interval '1.7' hour",
    "interval (1.7) hour", "interval 2.5 second", "interval '2 days ago'", "interval '1 day -1:30'",
)  # fmt: skip
_UNITS = (
    "microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade",
    "century", "mon", "h", "us",
)  # fmt: skip
_LITERALS = (
    "timestamp '2024-02-01'", "timestamptz '2024-03-01 00:00:00+00'", "date '2024-02-29'", "'2024-02-29'",
    "'2024-02-15 12:00:00'", "timestamp '1969-12-31 23:00:00'", "timestamptz '2024-01-31 01:00:00+02'",
)  # fmt: skip
_CASTS = ("date", "timestamp", "timestamptz", "timestamp_s", "timestamp_ms", "timestamp_ns")


class Drawn:
    """Random SQL over times."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def time(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0 or self.random.random() < 0.15:
            return pick("abcdesmnabcd")
        x, y, span = self.time(depth - 1), self.time(depth - 1), pick(_INTERVALS)
        return pick([
            f"({x} + {span})", f"({x} - {span})", f"date_trunc('{pick(_UNITS)}', {x})", f"cast({x} as {pick(_CASTS)})",
            f"greatest({x}, {y})", f"least({x}, {y})", f"coalesce({x}, {y})", f"nullif({x}, {y})", f"last_day({x})",
            f"time_bucket({span}, {x})", f"time_bucket({span}, {x}, {pick(_INTERVALS + _LITERALS)})",
            f"case when {self.condition(depth - 1)} then {x} else {y} end", f"coalesce({x}, {pick(_LITERALS)})",
            f"greatest({x}, {pick(_LITERALS)})", f"(cast({x} as date) + {pick(['1', '-1', 'i'])})",
            f"if({self.condition(depth - 1)}, {x}, {y})", f"timezone('UTC', {x})", f"({span} + {x})",
        ])  # fmt: skip

    def condition(self, depth: int) -> str:
        pick = self.random.choice
        x, y, operator = self.time(depth - 1), self.time(depth - 1), pick(["<", "<=", ">", ">=", "=", "<>"])
        plain = f"{x} {operator} {y}"
        inner = self.condition(depth - 1) if depth > 0 else plain
        return pick([
            plain, plain, f"({plain} or {inner})", f"({plain} and {inner})", f"not ({inner})", f"{x} is null",
            f"{x} is not null", f"{x} between {y} and {self.time(depth - 1)}", f"{x} is not distinct from {y}",
            f"date_diff('{pick(_UNITS)}', {x}, {y}) {operator} {pick(['0', '1', '-1', '0.5'])}",
            f"date_sub('{pick(_UNITS)}', {x}, {y}) {operator} {pick(['0', '1'])}", f"{x} in ({y}, {self.time(0)})",
            f"({x} - {y}) {operator} {pick([*_INTERVALS, '1'])}", f"{x} {operator} {pick(_LITERALS)}",
            f"coalesce({plain}, {pick(['true', 'false'])})", f"({plain}) is {pick(['true', 'not true', 'false'])}",
        ])  # fmt: skip


class Claims:
    """A table of rows built to hurt, and what the checker claims of queries over it."""

    def __init__(self, seed: int, rows: int = 2000) -> None:
        self.random = Random(seed)
        self.drawn = Drawn(self.random)
        self.connection = duckdb.connect(config=LIMITS)
        self.connection.execute("set timezone = 'UTC'")
        made = [self._row() for _ in range(rows)]
        table = pa.table({name: pa.array([row[name] for row in made], kind) for name, kind in _TYPES.items()})
        self.connection.register("given", table)
        self.connection.execute("create table t as from given")
        described = self.connection.execute("describe t").fetchall()
        self.columns = tuple(Column(name, kind) for name, kind, *_ in described)

    def _row(self) -> dict[str, Any]:
        near = self._instant()
        row = {name: self._near(near) for name in _TYPES}
        row |= {name: date(row[name].year, row[name].month, row[name].day) for name in "de"}
        row |= {"s": row["s"].replace(microsecond=0), "i": self.random.randint(-3, 3)}
        row["m"] = row["m"].replace(microsecond=row["m"].microsecond // 1000 * 1000)
        nanoseconds = (row["n"] - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000
        row["n"] = nanoseconds + self.random.choice([0, 1, -1, 999, 500])
        row |= {name: row[name].replace(tzinfo=UTC) for name in "ab"}
        return {name: None if self.random.random() < 0.12 else value for name, value in row.items()}

    def _instant(self) -> datetime:
        pick = self.random.choice
        return self._near(pick(_DAYS) + timedelta(days=pick([0, 0, 1, -1, 30])))

    def _near(self, instant: datetime) -> datetime:
        pick = self.random.choice
        around = timedelta(days=pick([0, 0, 0, 1, -1, 7]), hours=pick([0, 0, 1, 12, 23, -1]), minutes=pick([0, 30]))
        return instant + around + timedelta(microseconds=pick([0, 0, 0, 1, -1, 999_999]))

    def wrong(self, depth: int = 3) -> list[str] | None:
        """What is claimed of one query and does not hold; None where DuckDB or the resolver does not take it."""
        items = [self.drawn.time(self.random.randint(1, depth)) for _ in range(3)]
        where = " and ".join(self.drawn.condition(self.random.randint(0, 2)) for _ in range(self.random.randint(0, 2)))
        listed = ", ".join([*_SHOWN, *(f"{item} as x{number}" for number, item in enumerate(items))])
        sql = f"select {listed} from {{}} where {where or 'true'}"
        try:
            self.connection.execute(f"create or replace temp table made as {sql.format('t')}")
            if "TIMESTAMPTZ_NS" in str(self.connection.execute("describe made").fetchall()):
                return None  # nothing casts that any further
            relation = resolve(sql.format(ref_token("t")), {"ref.t": self.columns})
        except (duckdb.Error, Unresolved):
            return None
        ledger = Ledger()
        base = source_state(ledger, "ref.t", self.columns, TimeFacts("a"))
        state = Interpreter("m", ledger, lambda *_: ledger.again(base)).state(relation)
        names = [*_SHOWN, *(f"x{number}" for number in range(len(items)))]
        return [f"{claim}: {sql}" for claim in self._broken(ledger, state, names)]

    def _broken(self, ledger: Ledger, state: State, names: list[str]) -> Iterator[str]:
        by_name = dict(zip(names, (own.variable for own in state.fields), strict=True))
        for name, variable in by_name.items():
            if variable in state.zone.certain and self._one(f"count(*) filter ({name} is null)"):
                yield f"{name} is never null"
            grain = ledger.grains.get(variable, 0)
            if grain > 1 and self._one(f"count(*) filter ({_micros(name)} % {grain} <> 0)"):
                yield f"{name} is a multiple of {grain}"
        for (one, x), (other, y) in permutations(by_name.items(), 2):
            if y in state.zone.implied.get(x, ()) and self._one(
                f"count(*) filter ({one} is not null and {other} is null)"
            ):
                yield f"{other} is there where {one} is"
            bound = state.zone.bound(x, y)
            most = None if bound is None else self._one(f"max({_micros(one)} - {_micros(other)})")
            if most is not None and most > bound:
                yield f"{one} - {other} <= {bound} (and {most} is there)"

    def _one(self, what: str) -> Any:
        return self.connection.execute(f"select {what} from made").fetchall()[0][0]

    def close(self) -> None:
        self.connection.close()


def _micros(name: str) -> str:
    """The instant in microseconds; nanoseconds count as the microsecond after (TIME, section 1)."""
    nanoseconds = f"epoch_ns(cast({name} as timestamp_ns))"
    return f"(({nanoseconds} + if({nanoseconds} > 0, 999, 0)) // 1000)"
