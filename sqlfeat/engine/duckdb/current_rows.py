"""The rows of a view that can be current, in the order of keys and time: found, counted by key, and written.

Where nothing arrives late and no two rows of a key share an instant, every row is current from its own instant on, and
one sort is all. That is tried first and seen while the rows pass by. Otherwise the rows that can be current are picked
from keys, times and what breaks ties alone, and only then joined with what they describe.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.columns import as_int64, values, write_columns
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape

_CURRENT = "sqlfeat_current"
_BATCH = 122_880
_PLAINLY_ORDERED = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "VARCHAR", "DATE", "TIMESTAMP",
)  # fmt: skip
"""Types of keys that compare as they are sorted."""


class NotRising(Exception):  # never leaves this module
    """Two rows of one key become usable at the same instant."""


class CurrentRows:
    """The rows of one view that can be current, read from the table that keeps all of them."""

    def __init__(self, connection: Connection, shape: Shape, table: str) -> None:
        self._connection = connection
        self.shape = shape
        self._table = table
        self.source = f"(select {', '.join(quote(column) for column in shape.columns)} from {table})"
        self.picked = shape.delayed or not shape.time.event_time
        """Whether some rows are left out."""

    @property
    def relation(self) -> str:
        """A relation with the keys of every row that can be current, in any order."""
        return f"temp.{_CURRENT}" if self.picked else f"({self.all_sql})"

    @property
    def all_sql(self) -> str:
        """All rows that are used."""
        return layout.used_sql(self.shape, self.source)

    def ties(self) -> int:
        """How many groups of rows only the remaining columns order."""
        return int(self._connection.value(layout.ties_sql(self.shape, self.source)) or 0)

    def picked_sql(self, ties: int) -> str:
        """The rows that can be current, in their order."""
        return layout.lookup_sql(self.shape, self.source, ties=ties > 0)

    def pick(self) -> int:
        """Leave out what is never current; gives the :meth:`ties`."""
        ties, row = self.ties(), self._row
        sql = layout.current_sql(self.shape, self._table, row, ties=ties > 0) if row else self.picked_sql(ties)
        self._connection.execute(f"create or replace temp table {_CURRENT} as\n{sql}")
        self.picked = True
        return ties

    def write(self, folder: Path, items: str, starts: npt.NDArray[np.int64]) -> bool:
        """Write the rows as columns; ``starts`` are the first positions of the keys. False: they must be picked."""
        row = self._row
        if not self.picked:
            sql = self.all_sql
        elif row is None:
            sql = f"select * from temp.{_CURRENT}"
        else:
            columns = ", ".join(f"v.{quote(column)}" for column in self.shape.columns)
            sql = (
                f"select {columns}, c.{EVENT}, c.{USABLE} from {self._table} as v "
                f"join temp.{_CURRENT} as c on v.{row} = c.{layout.ROW}"
            )
        if self.picked or not self._is_in_order():
            order = ", ".join([*(quote(key) for key in self.shape.keys), USABLE])
            sql = f"select * from ({sql}) order by {order}"  # by keys as they are: some items are the text of one
        rows = self._connection.batches(f"select {items} from ({sql})", _BATCH)
        try:
            rising = pa.RecordBatchReader.from_batches(rows.schema, _rising(rows, starts))
            write_columns(folder, rising, self.shape.described)
        except NotRising:
            rows.close()  # an open result lets no other statement pass
            return False
        return True

    def _is_in_order(self) -> bool:
        """Whether the rows that are used lie by key and time already, for a look at some, then at all of them."""
        types = dict(self._connection.described(f"from {self._table}"))
        if any(not types[key].startswith(_PLAINLY_ORDERED) for key in self.shape.keys):
            return False
        columns = [*(quote(key) for key in self.shape.keys), USABLE]
        falls = f"{USABLE} <= b{len(columns) - 1}"
        for number, key in reversed(list(enumerate(columns[:-1]))):
            falls = f"({key} < b{number} or ({key} = b{number} and {falls}))"
        before = ", ".join(f"lag({column}) over () as b{i}" for i, column in enumerate(columns))
        for some in (f" limit {_BATCH}", ""):
            rows = f"select {', '.join(columns)} from ({self.all_sql}){some}"
            asked = (
                f"select coalesce(bool_or({falls}), false) from (select {', '.join(columns)}, {before} from ({rows}))"
            )
            if self._connection.value(asked):
                return False
        return True

    def forget(self) -> None:
        """Drop what was made on the way."""
        self._connection.execute(f"drop table if exists temp.{_CURRENT}")

    @property
    def _row(self) -> str | None:
        """What numbers the rows of the table; None where a column has taken the name."""
        taken = {name.casefold() for name, _ in self._connection.described(f"from {self._table}")}
        return None if "rowid" in taken else "rowid"


def first_positions(connection: Connection, entities: str) -> npt.NDArray[np.int64]:
    """The position of each key's first row."""
    return as_int64(connection.arrow(f"select start from {entities} where n_rows > 0 order by start")["start"], 0)


def _rising(rows: pa.RecordBatchReader, starts: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """The same batches, as long as every row becomes usable after the one before it of its key."""
    before, last = 0, np.zeros(0, np.int64)
    number = rows.schema.get_field_index(USABLE)
    for batch in rows:
        usable = np.concatenate([last, values(batch.column(number), "i8")])
        first = before - len(last)
        falls = np.flatnonzero(usable[1:] <= usable[:-1]) + first + 1
        places = np.minimum(np.searchsorted(starts, falls), max(len(starts) - 1, 0))
        if len(falls) and not (len(starts) and bool((starts[places] == falls).all())):
            raise NotRising
        before, last = before + batch.num_rows, usable[-1:].copy()
        yield batch
