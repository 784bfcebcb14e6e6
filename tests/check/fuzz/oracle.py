"""What data say of a program: the definition of *safe*, tried out on thousands of small data sets at once.

A column is refuted by data ``D`` and an instant ``T`` where the rows that are usable by ``T`` differ between the model
computed on ``D`` and the same computed on what of ``D`` was known at ``T``: compared as multisets of event time,
available time and the column. Nothing of sqlfeat takes part: the semantics of windows and lookups are written anew in
``meaning``, from TIME.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import duckdb
import numpy as np
import pyarrow as pa

from tests.check.fuzz.meaning import definition, events_of
from tests.check.fuzz.sources import DELAYS, FAR, MICROSECOND, SOURCES, Contents, Dataset, Source, cutoffs
from tests.check.fuzz.tree import Model, Program
from tests.check.fuzz.writing import WORLD, WorldsWriter

LIMITS = {"threads": 1, "memory_limit": "2GB", "temp_directory": ""}
"""Of every DuckDB that runs a program: what it multiplies beyond that is an error, and nothing goes to disk."""
LARGEST = 14
"""So many rows a world has a model on average, at most; a program that makes more is passed over."""


class Unusable(Exception):
    """A program that says nothing: DuckDB refuses it, or its rows multiply."""


@dataclass(frozen=True)
class Timing:
    """What is known of a model's time: its event time, and its available time or the delay until then."""

    event_time: str | None
    available_at: str | None = None
    delay: str | None = None
    immutable: bool = False

    @classmethod
    def declared(cls, model: Model) -> Timing:
        delay = (model.horizon or None) if model.label else model.available_after
        if model.labels is not None:
            return cls(model.event_time)
        return cls(model.event_time, None if model.label else model.available_at, delay, model.immutable)

    def usable(self) -> str:
        """From when a row is usable, null for never: SQL over the row."""
        if self.event_time is None:
            return "timestamptz '1970-01-01 00:00:00+00'"
        event = f"cast({self.event_time} as timestamptz)"
        if self.available_at:
            known = f"cast({self.available_at} as timestamptz)"
            return f"case when {event} is not null and {known} is not null then greatest({event}, {known}) end"
        return f"({event} + interval '{self.delay}')" if self.delay else event

    @property
    def compared(self) -> bool:
        """Whether the model has rows that the definition speaks of."""
        return self.event_time is not None or self.immutable


@dataclass(frozen=True)
class Refuted:
    """A column that differs between what is known in the end and what was known at ``at``."""

    model: str
    column: str
    data: Dataset
    at: datetime


class Worlds:
    """Many data sets in one DuckDB in memory, each whole and as it was known at each of its cutoffs."""

    def __init__(self, seed: int, *, datasets: int = 48, size: int = 5, instants: int = 12) -> None:
        random = Random(seed)
        self.datasets = [Contents(random).dataset(size) for _ in range(datasets)]
        self.connection = duckdb.connect(config=LIMITS)
        self.connection.execute("set timezone = 'UTC'")
        self.worlds: list[tuple[int, int, datetime | None]] = []
        for number, dataset in enumerate(self.datasets):
            at = [None, *cutoffs(dataset, instants, random)]
            first = len(self.worlds)
            self.worlds += [(number, first, instant) for instant in at]
        self.is_whole = np.array([at is None for _, _, at in self.worlds])
        firsts = np.array([first for _, first, _ in self.worlds])
        self.cutoffs_of = np.bincount(firsts, minlength=len(self.worlds))[firsts] - 1
        self.instants = np.array([_microseconds(at) for _, _, at in self.worlds])
        self._tell_worlds()
        for name in SOURCES:
            self._tell_source(name)
        self.end = FAR

    def _tell_worlds(self) -> None:
        numbers, firsts, instants = zip(*self.worlds, strict=True)
        told = pa.table({
            WORLD: pa.array(range(len(self.worlds)), pa.int32()),
            "number_": pa.array(numbers, pa.int32()),
            "whole_": pa.array(firsts, pa.int32()),
            "at_": pa.array(instants, pa.timestamp("us", "UTC")),
        })  # fmt: skip
        self.connection.register("told", told)
        self.connection.execute("create table worlds as from told")
        self.connection.unregister("told")
        self.connection.execute(
            f"set variable clocks = (select list(coalesce(at_, timestamptz '{FAR}') order by {WORLD}) from worlds)"
        )

    def _tell_source(self, name: str) -> None:
        source = SOURCES[name]
        columns = ", ".join(f"{column} {kind}" for column, kind in source.columns)
        rows = [
            (number, source.known_from(row), *row[: len(source.columns)])
            for number, dataset in enumerate(self.datasets)
            for row in dataset[name]
        ]
        self.connection.execute(f"create temp table rows_ (number_ integer, known_ timestamptz, {columns})")
        types = self.connection.sql("from rows_").to_arrow_table().schema
        values = zip(*rows, strict=True) if rows else [[] for _ in types]
        told = pa.table([pa.array(each, kind.type) for each, kind in zip(values, types, strict=True)], schema=types)
        self.connection.register("told", told)
        hidden = [
            f"case when w.at_ is null or {_written_at(source, when)} <= w.at_ then r.{column} end as {column}"
            for column, when in source.written
        ]
        columns = "r.* exclude (number_, known_)" + (f" replace ({', '.join(hidden)})" if hidden else "")
        self.connection.execute(
            f"create table {name} as select w.{WORLD}, {columns} from told as r join worlds as w "
            "on r.number_ = w.number_ and (w.at_ is null or r.known_ <= w.at_)"
        )
        self.connection.unregister("told")
        self.connection.execute("drop table rows_")

    # -- programs ------------------------------------------------------------------------------------------------------

    def compute(self, program: Program, prefix: str = "") -> dict[str, list[tuple[str, str]]]:
        """Compute the program's models everywhere, as tables with this prefix; the names and types of their columns.

        Raises:
            Unusable: DuckDB does not take the program, or it makes too many rows.
        """
        own = {model.name for model in program.models} | {events_of(model) for model in program.models}
        writer = WorldsWriter(lambda name: f"{prefix}{name}" if name in own else name)
        found = {}
        for model in program.models:
            if model.windows and model.query is not None:
                self._make(f"{prefix}{events_of(model)}", writer.query(model.query))
            self._make(f"{prefix}{model.name}", writer.query(definition(model, program)))
            described = self.connection.execute(f"describe {prefix}{model.name}").fetchall()
            found[model.name] = [(name, kind) for name, kind, *_ in described if name != WORLD]
        return found

    def _make(self, name: str, sql: str) -> None:
        try:
            count = self.connection.execute(f"create or replace temp table {name} as {sql}").fetchall()[0][0]
        except duckdb.Error as error:
            raise Unusable(f"{error}\n{sql}") from error
        if count > LARGEST * len(self.worlds):
            raise Unusable(f"{name} has {count} rows")

    def refuted(self, program: Program, timings: Mapping[str, Timing] | None = None) -> dict[tuple[str, str], Refuted]:
        """The first refutation of each column that data refute, by model and column.

        Raises:
            Unusable: DuckDB does not take the program, or it makes too many rows.
        """
        return self.compare(program, self.compute(program), timings)

    def compare(
        self,
        program: Program,
        computed: Mapping[str, list[tuple[str, str]]],
        timings: Mapping[str, Timing] | None = None,
        prefix: str = "",
    ) -> dict[tuple[str, str], Refuted]:
        """The same of a program that has been computed."""
        found: dict[tuple[str, str], Refuted] = {}
        for model in program.models:
            timing = (timings or {}).get(model.name) or Timing.declared(model)
            names = [name for name, _ in computed[model.name] if model.labels is None or name != "label"]
            if timing.compared:
                differing = self._differing(f"{prefix}{model.name}", names, timing, model.labels is not None)
                for column, world in differing.items():
                    number, _, at = self.worlds[world]
                    assert at is not None
                    found[model.name, column] = Refuted(model.name, column, self.datasets[number], at)
        return found

    def forget(self, program: Program, prefix: str) -> None:
        """Drop what was computed under a prefix."""
        for model in program.models:
            for name in (model.name, events_of(model)):
                self.connection.execute(f"drop table if exists {prefix}{name}")

    def _differing(self, model: str, columns: list[str], timing: Timing, paired: bool) -> dict[str, int]:
        """The first world in which each column differs from the whole one."""
        if not columns or self._first_worlds(model, [", ".join(columns)], timing, paired) == [None]:
            return {}  # the rows are equal as they are, and so is each column
        worlds = self._first_worlds(model, columns, timing, paired)
        return {column: world for column, world in zip(columns, worlds, strict=True) if world is not None}

    def _first_worlds(self, model: str, told: list[str], timing: Timing, paired: bool) -> list[int | None]:
        """For each of some lists of columns the first world whose usable rows differ in them from the whole one's.

        Multisets are compared by sums of hashes: what is equal has equal sums, and what differs is shown to differ by
        the author's SQL later on.
        """
        times = [each for each in (timing.event_time, timing.available_at) if each]
        hashes = [f"hash({', '.join([*times, each])})" for each in told]
        listed = ", ".join([WORLD, "id" if paired else "0", f"epoch_us({timing.usable()})", *hashes])
        try:
            rows = self.connection.execute(f"select {listed} from {model} where {timing.usable()} is not null")
            fetched = [np.asarray(each) for each in rows.fetchnumpy().values()]
        except duckdb.Error as error:
            raise Unusable(f"{error}\n{listed}") from error
        world, identity, usable, values = fetched[0], fetched[1], fetched[2], fetched[3:]
        then = np.flatnonzero(~self.is_whole[world])
        whole = np.flatnonzero(self.is_whole[world])
        times_each = self.cutoffs_of[world[whole]]
        today = np.repeat(whole, times_each)
        ends = np.cumsum(times_each)
        nth = np.arange(len(today)) - np.repeat(ends - times_each, times_each)
        target = np.concatenate([world[then], world[today] + 1 + nth])
        row = np.concatenate([then, today])
        kept = usable[row] <= self.instants[target]
        if paired:  # only of label rows that are usable both then and today
            key = target.astype(np.int64) * 100_000 + identity[row]
            of_then, of_today = kept[: len(then)], kept[len(then) :]
            kept &= np.isin(key, key[: len(then)][of_then]) & np.isin(key, key[len(then) :][of_today])
        first: list[int | None] = []
        for value in values:
            sums = np.zeros((2, len(self.worlds)), np.uint64)
            for sign, part in ((0, slice(0, len(then))), (1, slice(len(then), None))):
                np.add.at(sums[sign], target[part][kept[part]], value[row[part]][kept[part]])
            differing = np.flatnonzero(sums[0] != sums[1])
            first.append(int(differing[0]) if len(differing) else None)
        return first

    def close(self) -> None:
        self.connection.close()


def _written_at(source: Source, when: str) -> str:
    return f"r.{source.event_time} + interval '{when}'" if when in DELAYS else f"r.{when}"


def _microseconds(at: datetime | None) -> int:
    return 0 if at is None else (at - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND
