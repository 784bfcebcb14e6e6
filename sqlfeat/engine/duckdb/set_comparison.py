"""Two training sets' files compared row by row, in a database in memory.

Rows are the same by what identifies them, as-of time and keys; several with equal ones are told apart by their place
among these in the order of all other columns. Which columns those are, and what a difference means, is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.records import records
from sqlfeat.errors import RunError

_PART, _PLACE = "__sqlfeat_part", "__sqlfeat_place"


@dataclass(frozen=True)
class Side:
    """The files of one set, by the part that each holds."""

    folder: Path
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Cells:
    """How a column differs in rows of both sets: ``identity`` of each example, and both values."""

    rows: int
    became_null: int
    was_null: int
    examples: Sequence[tuple[Mapping[str, Any], Any, Any]]


@dataclass(frozen=True)
class ComparedSets:
    """What was found; ``early`` counts rows of both sets that differ and were asked for by ``until``."""

    in_both: int
    added: int
    gone: int
    added_examples: Sequence[Mapping[str, Any]]
    gone_examples: Sequence[Mapping[str, Any]]
    cells: Mapping[str, Cells]
    moved: Sequence[Mapping[str, Any]]
    early: int


def compare_sets(
    old: Side,
    new: Side,
    identity: Sequence[str],
    columns: Sequence[str],
    *,
    as_of: str,
    until: str | None,
    examples: int,
) -> ComparedSets:
    """Compare two sets that both have these columns; ``identity`` begins with the as-of time."""
    connection = Connection(None, folders=[old.folder, new.folder])
    try:
        return _Comparison(connection, identity, columns, examples).done(old, new, as_of, until)
    except SqlProblem as problem:
        raise RunError("run-failed", f"The sets cannot be compared: {problem.what}.") from problem
    finally:
        connection.close()


class _Comparison:
    def __init__(self, connection: Connection, identity: Sequence[str], columns: Sequence[str], examples: int) -> None:
        self._connection = connection
        self._identity = identity
        self._columns = columns
        self._examples = examples

    def done(self, old: Side, new: Side, as_of: str, until: str | None) -> ComparedSets:
        types = [self._load(name, side) for name, side in (("o", old), ("n", new))]
        self._alike = {name for name in (*self._identity, *self._columns) if types[0][name] == types[1][name]}
        on = [self._same(name, "is not distinct from") for name in self._identity]
        conditions = " and ".join([*on, f"o.{_PLACE} = n.{_PLACE}"])
        self._pairs = f"temp.o as o join temp.n as n on {conditions}"
        in_both = self._number(f"select count(*) from {self._pairs}")
        counts = [self._number(f"select count(*) from temp.{side}") - in_both for side in ("o", "n")]
        lonely = [self._lonely(*sides, conditions) for sides in (("o", "n"), ("n", "o"))]
        return ComparedSets(
            in_both=in_both,
            gone=counts[0],
            added=counts[1],
            gone_examples=lonely[0] if counts[0] else (),
            added_examples=lonely[1] if counts[1] else (),
            cells=self._cells(),
            moved=self._moved(),
            early=self._early(as_of, until),
        )

    def _load(self, name: str, side: Side) -> dict[str, str]:
        """One side as a table, and the types of its columns."""
        listed = ", ".join(quote(column) for column in (*self._identity, *self._columns))
        parts = [
            f"select {listed}, {literal(part)} as {_PART} from read_parquet({literal(str(path))})"
            for part, path in side.files.items()
        ]
        rest = ", ".join(f"{quote(column)} nulls first" for column in self._columns) or "1"
        keys = ", ".join(quote(column) for column in self._identity)
        self._connection.execute(
            f"create temp table {name} as select *, "
            f"row_number() over (partition by {keys} order by {rest}) as {_PLACE} from ({' union all '.join(parts)})"
        )
        return dict(self._connection.described(f"from temp.{name}"))

    def _same(self, column: str, comparison: str) -> str:
        one, other = f"o.{quote(column)}", f"n.{quote(column)}"
        if column not in self._alike:
            one, other = f"cast({one} as varchar)", f"cast({other} as varchar)"
        return f"{one} {comparison} {other}"

    def _number(self, sql: str) -> int:
        return int(self._connection.value(sql) or 0)

    def _named(self, side: str) -> str:
        return ", ".join(f"{side}.{quote(column)} as {quote(column)}" for column in self._identity)

    def _order(self, side: str) -> str:
        return ", ".join([*(f"{side}.{quote(column)} nulls first" for column in self._identity), f"{side}.{_PLACE}"])

    def _lonely(self, side: str, other: str, conditions: str) -> Sequence[Mapping[str, Any]]:
        """The first rows that only one side has."""
        return records(
            self._connection,
            f"select {self._named(side)} from temp.{side} as {side} anti join temp.{other} as {other} "
            f"on {conditions} order by {self._order(side)} limit {self._examples}",
        )

    def _cells(self) -> dict[str, Cells]:
        counted = []
        for column in self._columns:
            differs = self._same(column, "is distinct from")
            old, new = f"o.{quote(column)} is null", f"n.{quote(column)} is null"
            counted += [
                f"count(*) filter (where {condition})"
                for condition in (differs, f"{differs} and {new}", f"{differs} and {old}")
            ]
        if not counted:
            return {}
        found = iter(self._connection.execute(f"select {', '.join(counted)} from {self._pairs}")[0])
        cells = {}
        for column in self._columns:
            rows, became_null, was_null = (int(next(found)) for _ in range(3))
            if rows:
                cells[column] = Cells(rows, became_null, was_null, self._examples_of(column))
        return cells

    def _examples_of(self, column: str) -> list[tuple[Mapping[str, Any], Any, Any]]:
        shown = records(
            self._connection,
            f"select {self._named('o')}, o.{quote(column)} as __sqlfeat_old, n.{quote(column)} as __sqlfeat_new "
            f"from {self._pairs} where {self._same(column, 'is distinct from')} "
            f"order by {self._order('o')} limit {self._examples}",
        )
        return [
            ({name: row[name] for name in self._identity}, row["__sqlfeat_old"], row["__sqlfeat_new"]) for row in shown
        ]

    def _moved(self) -> Sequence[Mapping[str, Any]]:
        """How many rows went from which part to which."""
        return records(
            self._connection,
            f"select o.{_PART} as old, n.{_PART} as new, count(*) as n_rows from {self._pairs} "
            f"where o.{_PART} <> n.{_PART} group by all order by all",
        )

    def _early(self, as_of: str, until: str | None) -> int:
        if until is None or not self._columns:
            return 0
        differs = " or ".join(self._same(column, "is distinct from") for column in self._columns)
        early = f"cast(o.{quote(as_of)} as timestamptz) <= timestamptz {literal(until)}"
        return self._number(f"select count(*) from {self._pairs} where ({differs}) and {early}")
