"""What lookups must know of a chunk's label rows: instants, how far back they reach, where their entities' rows lie.

Lookups by the same keys ask together: their keys are numbered once, and what hangs on a key alone is told once for
each key and not for each label row. A query gives one row for each label row, in any order; that is asserted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from sqlfeat.engine.duckdb.columns import Positions, as_int64
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.search import Instants
from sqlfeat.errors import RunError

KEYS = "__sqlfeat_keys"
NEVER = -(2**63)
"""Before every instant: what a null as-of time is searched for, and never found."""


@dataclass(frozen=True)
class Asking:
    """What one lookup asks: SQL over a label row ``q`` by name, and columns of its view's ``entities`` by name."""

    view: str
    keys: int
    rows: Mapping[str, str]
    entities: str
    ranges: Mapping[str, str]

    def same_keys(self, left: str, right: str) -> str:
        """The condition that two relations have equal keys."""
        return " and ".join(f"{left}.k{i} = {right}.k{i}" for i in range(self.keys)) or "true"

    def of_rows(self) -> list[str]:
        """What is asked of each label row."""
        return [f"{sql} as {name}" for name, sql in self.rows.items()]

    def of_keys(self, alias: str) -> list[str]:
        """What is asked of each key, of the entities under an alias."""
        return [f"{alias}.{column} as {name}" for name, column in self.ranges.items()]

    def joined(self, left: str, alias: str) -> str:
        """The join that finds a key's entity."""
        return f"left join {self.entities} as {alias} on {self.same_keys(left, alias)}"


@dataclass(frozen=True)
class AskedRows:
    """What was told of a chunk's label rows, which may have come in another order: ``places`` says which.

    Where several lookups asked, ``keys`` has what hangs on a key alone, and ``key`` is the number of a label row's.
    """

    table: pa.Table
    places: Positions | None = None
    keys: pa.Table | None = None
    key: Positions | None = None

    def integers(self, name: str, missing: int) -> Instants:
        """A column of instants or integers in the label rows' order, with ``missing`` for null."""
        if self.keys is None or self.key is None or name not in self.keys.column_names:
            return self.ordered(as_int64(self.table[name], missing))
        by_key = np.full(len(self.keys) + 1, missing, np.int64)
        by_key[as_int64(self.keys["key"], 0)] = as_int64(self.keys[name], missing)
        return by_key.take(self.key)

    def ordered(self, numbers: Instants) -> Instants:
        """Numbers of the table's rows in the label rows' order."""
        if self.places is None:
            return numbers
        ordered = np.empty_like(numbers)
        ordered[self.places] = numbers
        return ordered


def ask(connection: Connection, askings: Sequence[Asking], keys_sql: str, first: int, rows: int) -> AskedRows:
    """The label rows from number ``first`` on, for lookups by the same keys; ``keys_sql`` gives n, t, k0, k1, …

    Raises:
        RunError: ``rows-lost`` where there is not one row for each.
    """
    one = askings[0]
    of_rows = ["q.n", "q.t", *(item for asking in askings for item in asking.of_rows())]
    if len(askings) == 1:
        items = ", ".join([*of_rows, *one.of_keys("e")])
        return _placed(
            connection.arrow(f"select {items} from ({keys_sql}) as q {one.joined('q', 'e')}"), one, first, rows
        )
    columns = ", ".join(["0 as key", *(f"k{i}" for i in range(one.keys))])
    connection.execute(
        f"create or replace temp table {KEYS} as select * replace ((row_number() over ()) - 1 as key) "
        f"from (select distinct {columns} from ({keys_sql}))"
    )
    of_keys = ["d.key", *(item for i, asking in enumerate(askings) for item in asking.of_keys(f"e{i}"))]
    joins = " ".join(asking.joined("d", f"e{i}") for i, asking in enumerate(askings))
    keys = connection.arrow(f"select {', '.join(of_keys)} from temp.{KEYS} as d {joins}")
    told = connection.arrow(
        f"select {', '.join([*of_rows, 'd.key'])} from ({keys_sql}) as q "
        f"left join temp.{KEYS} as d on {one.same_keys('q', 'd')}"
    )
    asked = _placed(told, one, first, rows)
    return replace(asked, keys=keys, key=asked.ordered(as_int64(told["key"], len(keys))))


def _placed(told: pa.Table, asking: Asking, first: int, rows: int) -> AskedRows:
    """The label rows with their places: they are all there, each once."""
    places = as_int64(told["n"], NEVER) - first
    if len(places) == rows and bool((places == np.arange(rows)).all()):
        return AskedRows(told)
    there = np.zeros(rows, np.bool_)
    if len(places) == rows and rows and int(places.min()) >= 0 and int(places.max()) < rows:
        there[places] = True
    if len(places) != rows or not there.all():
        raise RunError("rows-lost", f"{asking.view}: label rows were lost or doubled in a lookup.")
    return AskedRows(told, places)
