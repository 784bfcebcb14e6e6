"""One program on one small data set: the author's SQL itself, run on what is known in the end and at an instant.

Whatever the batch of ``oracle`` finds counts only once it is shown here. The data are then cut down to the rows that
it takes. What is not shown here must have been a choice among ties, and that has to be shown too: see
:meth:`Bench.hangs_on_ties`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

import duckdb

from tests.check.fuzz.meaning import definition, events_of
from tests.check.fuzz.oracle import LIMITS, Refuted, Timing
from tests.check.fuzz.sources import FAR, SOURCES, Dataset, truncated
from tests.check.fuzz.tree import Expr, From, Join, Op, Over, Program, Select, Sort, is_global
from tests.check.fuzz.writing import Writer


@dataclass(frozen=True)
class Witness:
    """Data on which a column of a model is not what it was: rows that were there once, and those of today."""

    program: Program
    model: str
    column: str
    data: Dataset
    at: datetime
    then: tuple[Any, ...]
    today: tuple[Any, ...]

    def told(self) -> str:
        """The whole story, for a person."""
        lines = [f"column {self.column} of {self.model} at T = {self.at}"]
        for name, rows in self.data.items():
            if rows:
                lines.append(f"{name} ({', '.join(column for column, _ in SOURCES[name].columns)})")
                lines += [f"  {_row(row)}   known from {SOURCES[name].known_from(row)}" for row in rows]
        lines.append(f"(event time, {self.column}) of what was usable, as computed at T: {_rows(self.then)}")
        lines.append(f"(event time, {self.column}) of the same rows, as computed today: {_rows(self.today)}")
        return "\n".join(lines)


def _row(row: tuple[Any, ...]) -> str:
    return ", ".join(str(value) for value in row)


def _rows(rows: tuple[Any, ...]) -> str:
    return "; ".join(_row(row) for row in rows) or "none"


class Bench:
    """A DuckDB in memory that runs programs on one data set after the other."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config=LIMITS)
        self.connection.execute("set timezone = 'UTC'")
        for source in SOURCES.values():
            columns = ", ".join(f"{column} {kind}" for column, kind in source.columns)
            self.connection.execute(f"create table {source.name} ({columns})")

    def put(self, data: Dataset) -> None:
        for name, source in SOURCES.items():
            self.connection.execute(f"delete from {name}")
            for row in data.get(name, ()):
                values = list(row[: len(source.columns)])
                self.connection.execute(f"insert into {name} values ({', '.join('?' * len(values))})", values)

    def define(self, program: Program, clock: datetime, lots: Random | None = None) -> None:
        """Make the models; with ``lots`` ties fall by them, and the rows of each model lie in any order."""
        now = f"timestamptz '{clock}'"
        order = "" if lots is None else " order by random()"
        writer = Writer(clock=now) if lots is None else TiesByLot(now, lots)
        for model in program.models:
            if model.windows:
                assert model.query is not None
                self.connection.execute(
                    f"create or replace temp table {events_of(model)} as {writer.query(model.query)}"
                )
            sql = f"select * from ({writer.query(definition(model, program))}){order}"
            self.connection.execute(f"create or replace temp table {model.name} as {sql}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def compare(
        self, program: Program, refuted: Refuted, data: Dataset, timings: Mapping[str, Timing] | None = None
    ) -> Witness | None:
        """The column's rows that differ between then and today, if any do.

        A program whose rows hang on the order in which a source has its own (a choice among ties) says nothing.
        """
        model = next(each for each in program.models if each.name == refuted.model)
        sql = _usable_rows(program, refuted, timings)
        seen = []
        for rows, clock in ((truncated(data, refuted.at), refuted.at), (data, FAR)):
            self.put(rows)
            self.define(program, clock)
            seen.append(self.rows(sql))
        if Counter(seen[1]) != Counter(self._backwards(program, data, sql)):
            return None
        both = {row[0] for row in seen[0]} & {row[0] for row in seen[1]}
        if model.labels is None:
            both = {0}
        then, today = (Counter(row[1:] for row in rows if row[0] in both) for rows in seen)
        if then == today:
            return None
        return Witness(
            program, model.name, refuted.column, data, refuted.at,
            tuple((then - today).elements()), tuple((today - then).elements()),
        )  # fmt: skip

    def _backwards(self, program: Program, data: Dataset, sql: str) -> list[tuple[Any, ...]]:
        """The rows of today, where every source has its rows in the opposite order."""
        self.put({name: rows[::-1] for name, rows in data.items()})
        self.define(program, FAR)
        return self.rows(sql)

    def hangs_on_ties(
        self, program: Program, refuted: Refuted, timings: Mapping[str, Timing] | None = None, tries: int = 200
    ) -> bool:
        """Whether the same rows of today come out otherwise when ties fall otherwise, with nothing hidden at all.

        Every source and model has its rows in a random order, and so has whatever a window or a LIMIT numbers. A
        window sorts the few rows here as the one before it did, and so never shows that it need not.
        """
        random, sql = Random(refuted.column), _usable_rows(program, refuted, timings)
        seen = set()
        for _ in range(tries):
            self.put({name: random.sample(list(rows), len(rows)) for name, rows in refuted.data.items()})
            self.define(program, FAR, random)
            seen.add(frozenset(Counter(self.rows(sql)).items()))
            if len(seen) > 1:
                return True
        return False

    def witness(
        self, program: Program, refuted: Refuted, timings: Mapping[str, Timing] | None = None
    ) -> Witness | None:
        """The refutation shown by the author's SQL on as few rows as it takes; None if that does not show it."""
        found = self.compare(program, refuted, refuted.data, timings)
        data = {name: list(rows) for name, rows in refuted.data.items()}
        smaller = found is not None
        while smaller:
            smaller = False
            for name in data:
                for position in reversed(range(len(data[name]))):
                    fewer = {**data, name: [*data[name][:position], *data[name][position + 1 :]]}
                    less = self.compare(program, refuted, fewer, timings)
                    if less is not None:
                        data, found, smaller = fewer, less, True
        return found

    def close(self) -> None:
        self.connection.close()


def _usable_rows(program: Program, refuted: Refuted, timings: Mapping[str, Timing] | None) -> str:
    """SQL of the times and the column of the rows that were usable then."""
    model = next(each for each in program.models if each.name == refuted.model)
    timing = (timings or {}).get(model.name) or Timing.declared(model)
    columns = [each for each in (timing.event_time, timing.available_at, refuted.column) if each]
    identity = "id" if model.labels is not None else "0"
    return (
        f"select {identity}, {', '.join(f'cast({each} as varchar)' for each in columns)} from {model.name} "
        f"where {timing.usable()} <= timestamptz '{refuted.at}'"
    )


_BY_PLACE = ("row_number", "lag", "lead", "ntile")


class TiesByLot(Writer):
    """The author's SQL with every choice among ties made by lot; what counts peers as one is left as it is."""

    def __init__(self, clock: str, random: Random) -> None:
        super().__init__(clock=clock)
        self.random = random
        self.read: list[list[str]] = [[]]
        self.rows: list[list[str]] = [[]]

    def expr(self, node: Expr, world: str | None) -> str:
        if isinstance(node, Op) and node.aggregate and self.rows[-1]:
            node = replace(node, text=_INNER_ORDER.sub(rf"\1, {self.lot(self.rows[-1])}", node.text))
        return super().expr(node, world)

    def lot(self, aliases: list[str]) -> str:
        return f"hash({', '.join(aliases)}, {self.random.randrange(1 << 30)})"

    def select(self, node: Select, link: str | None) -> str:
        one_each = not (node.group or node.every or is_global(node))
        self.rows.append(_aliases(node.source))
        self.read.append(self.rows[-1] if one_each else [])
        chosen = node.limit is not None or bool(node.first_of)
        written = super().select(replace(node, order=(*node.order, _LOT)) if chosen else node, link)
        self.read.pop()
        self.rows.pop()
        return written

    def window(self, node: Over, world: str | None) -> str:
        placed = node.frame.startswith("rows") or node.function.text.startswith(_BY_PLACE)
        if placed and self.read[-1]:
            node = replace(node, order=(*node.order, Sort(Op(self.lot(self.read[-1])))))
        return super().window(node, world)


_INNER_ORDER = re.compile(r"(order by \{\d\}(?: desc)?)")
_LOT = Sort(Op("random()"))


def _aliases(source: From) -> list[str]:
    return [*_aliases(source.left), *_aliases(source.right)] if isinstance(source, Join) else [source.alias]
