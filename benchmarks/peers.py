"""The peers: what people write by hand for the same question, each reading the same tables.

DuckDB reads its stored tables. polars and pandas are given their inputs in memory, which is a favour; what they have to
sort is counted. Every class is a :class:`benchmarks.measure.Run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl

from benchmarks.workloads import AGGREGATES, WINDOW_SECONDS, WINDOWS, Workload


class _DuckDB:
    """A statement over the stored tables whose rows are kept in a temporary table."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.workload = Workload(**task["workload"])
        self._connection = duckdb.connect(f"{task['folder']}/stored.duckdb", read_only=True)
        settings = ["enable_progress_bar = false", f"temp_directory = '{task['folder']}/spilled'"]
        if self.workload.memory_limit:
            settings.append(f"memory_limit = '{self.workload.memory_limit}'")
        for setting in settings:
            self._connection.execute(f"set {setting}")

    def sql(self) -> str:
        """The statement."""
        raise NotImplementedError

    def run(self) -> None:
        self._connection.execute(f"create temp table assembled as {self.sql()}")

    def write(self, path: Path) -> None:
        self._connection.execute(f"copy assembled to '{path}' (format parquet, compression zstd)")

    def answer(self) -> list[Any]:
        row = self._connection.execute(f"select {', '.join(self.workload.checks())} from assembled").fetchone()
        return list(row or ())

    def facts(self) -> Mapping[str, Any]:
        return {}

    def same_key(self, left: str, right: str) -> str:
        """The equality of keys."""
        return " and ".join(f"{left}.{key} = {right}.{key}" for key in self.workload.keys)


class AsofChain(_DuckDB):
    """The obvious chain of ``ASOF LEFT JOIN``, one a view, with all columns."""

    table = "view"

    def sql(self) -> str:
        joins = [
            f"asof left join {self.table}{i} as v{i} on {self.same_key('l', f'v{i}')} and l.ts >= v{i}.ts"
            for i in range(self.workload.views)
        ]
        return f"select l.*, {', '.join(self.workload.outputs)} from labels as l {' '.join(joins)}"


class AsofOrdinary(AsofChain):
    """The same over the ordinary view of a bitemporal workload."""

    table = "ordinary"


class NewestKnown(_DuckDB):
    """The plain bitemporal SQL: every row known in time, numbered, the newest kept."""

    def sql(self) -> str:
        columns = ", ".join(self.workload.outputs)
        return (
            f"select l.*, {columns} from labels as l left join (select l.id, {columns}, row_number() over "
            f"(partition by l.id order by v.ts desc, v.known desc) as place from labels as l join view0 as v on "
            f"{self.same_key('l', 'v')} and v.ts <= l.ts and v.known <= l.ts) as v on v.id = l.id and v.place = 1"
        )


class RangeJoin(_DuckDB):
    """Windows as most write them: join each label row with its events of the longest window, and group."""

    def sql(self) -> str:
        items = []
        for name in self.workload.aggregates:
            aggregate = AGGREGATES[name].replace("(*)", "(v.ts)").replace("(amount)", "(v.amount)")
            items += [
                f"{aggregate} filter (where v.ts > l.ts - interval '{length}') as {name}_{window}"
                for window, length in WINDOWS.items()
            ]
        longest = list(WINDOWS.values())[-1]
        return (
            f"select l.id, {', '.join(items)} from labels as l left join view0 as v on {self.same_key('l', 'v')} "
            f"and v.ts <= l.ts and v.ts > l.ts - interval '{longest}' group by l.id"
        )


class RangeFrames(_DuckDB):
    """Windows as ``RANGE`` frames over the union of events and label rows."""

    def sql(self) -> str:
        keys, items = ", ".join(self.workload.keys), []
        for name in self.workload.aggregates:
            aggregate = AGGREGATES[name].replace("(*)", "(happened)")
            items += [f"{aggregate} over w_{window} as {name}_{window}" for window in WINDOWS]
        frames = [
            f"w_{window} as (partition by {keys} order by ts range between "
            f"interval '{seconds * 1_000_000 - 1} microseconds' preceding and current row)"
            for window, seconds in WINDOW_SECONDS.items()
        ]
        return (
            f"select * exclude (amount, happened) from (select id, amount, happened, {', '.join(items)} from "
            f"(select {keys}, ts, amount, 1 as happened, null as id from view0 union all "
            f"select {keys}, ts, null, null, id from labels) window {', '.join(frames)}) where id is not null"
        )


class _InMemory:
    """Tables that are in memory before the clock starts."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.workload = Workload(**task["workload"])
        self.keys = list(self.workload.keys)
        self.sorted = self.workload.order == "time"
        folder = Path(task["folder"])
        self.labels = self.load(folder / "labels.parquet")
        self.views = [self.load(folder / f"view{i}.parquet") for i in range(self.workload.views)]
        self.result: Any = None

    def load(self, path: Path) -> Any:
        """A table."""
        raise NotImplementedError

    def answer(self) -> list[Any]:
        assembled = self.result.to_arrow() if isinstance(self.result, pl.DataFrame) else self.result
        with duckdb.connect() as connection:
            connection.register("assembled", assembled)
            row = connection.execute(f"select {', '.join(self.workload.checks())} from assembled").fetchone()
        return list(row or ())

    def facts(self) -> Mapping[str, Any]:
        return {}


class _Polars(_InMemory):
    def load(self, path: Path) -> pl.DataFrame:
        return pl.read_parquet(path)

    def write(self, path: Path) -> None:
        self.result.write_parquet(path, compression="zstd")


class PolarsAsof(_Polars):
    """``join_asof``, one a view."""

    def run(self) -> None:
        found = self.labels.sort("ts")
        for view in self.views:
            rows = view if self.sorted else view.sort("ts")
            found = found.join_asof(rows, on="ts", by=self.keys, check_sortedness=False)
        self.result = found


class PolarsRolling(_Polars):
    """``rolling`` over the union of events and label rows, a window at a time."""

    def run(self) -> None:
        events = self.views[0].with_columns(happened=pl.lit(1, pl.Int64), id=pl.lit(None, pl.Int64))
        asked = self.labels.select(
            *self.keys, "ts", amount=pl.lit(None, pl.Int64), happened=pl.lit(None, pl.Int64), id="id"
        )
        both = pl.concat([events.select(asked.columns), asked]).sort(*self.keys, "ts")
        calls = {
            "count": pl.col("happened").count(),
            "sum": pl.col("amount").sum(),
            "min": pl.col("amount").min(),
            "max": pl.col("amount").max(),
        }
        parts = [both.select("id")]
        for window in WINDOWS:
            named = [calls[name].alias(f"{name}_{window}") for name in self.workload.aggregates]
            rolled = both.rolling("ts", period=window, group_by=self.keys, closed="right").agg(named)
            parts.append(rolled.drop(*self.keys, "ts"))
        self.result = pl.concat(parts, how="horizontal").filter(pl.col("id").is_not_null())


class PandasAsof(_InMemory):
    """``merge_asof``, one a view."""

    def load(self, path: Path) -> pd.DataFrame:
        return pd.read_parquet(path)

    def run(self) -> None:
        found = self.labels.sort_values("ts")
        for view in self.views:
            rows = view if self.sorted else view.sort_values("ts")
            found = pd.merge_asof(found, rows, on="ts", by=self.keys)
        self.result = found

    def write(self, path: Path) -> None:
        self.result.to_parquet(path, compression="zstd", index=False)
