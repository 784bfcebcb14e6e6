"""A few tables in memory, and what one query makes of them as they stood at an instant: verify without a project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.comparison import Comparable, Compared, Vantage
from sqlfeat.engine.duckdb.clock import set_clock
from sqlfeat.engine.duckdb.comparison import compare
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.cutoff import seen

_ASKS_THE_TIME = re.compile(r"now|today|age|current_|localtime|transaction_timestamp", re.IGNORECASE)
_BASE, _FULL, _KNOWN = "sqlfeat_base", "sqlfeat_full", "sqlfeat_known"


class Tables:
    """Tables with their time, one set after another; close it when done.

    Queries name the tables as they are called here; of a reference token the last part counts. ``clock`` is what now()
    says where all rows are seen; where those known at a cutoff are, it says the cutoff. One thread, so that floats are
    added in the same order.
    """

    def __init__(self, clock: datetime) -> None:
        self._clock = clock
        self._times: Mapping[str, TimeFacts] = {}
        self._columns: dict[str, list[str]] = {}
        self._full = ""
        self._connection = Connection(threads=1)
        self._connection.execute(f"create schema {_BASE}")

    def hold(self, tables: Mapping[str, pa.Table], times: Mapping[str, TimeFacts]) -> None:
        """From now on the tables are these."""
        self._times = times
        self._columns = {name: table.column_names for name, table in tables.items()}
        self._full = ""
        for name, table in tables.items():
            with self._connection.registered("sqlfeat_given", table):
                relation = f"{_BASE}.{quote(name)}"
                self._connection.execute(f"create or replace table {relation} as select * from sqlfeat_given")

    def compared(self, sql: str, what: Comparable, cutoff: datetime) -> Compared:
        """What the query makes of all rows (left) and of those known at the cutoff (right), in rows usable by then.

        Raises:
            SqlProblem: the engine does not accept the query, or fails to run it.
        """
        if self._full != sql:
            self._keep(_FULL, sql, Vantage(self._clock))
            self._full = sql
        self._keep(_KNOWN, sql, Vantage(cutoff, cutoff=cutoff))
        return compare(self._connection, f"temp.{_FULL}", f"temp.{_KNOWN}", what, cutoff)

    def _keep(self, name: str, sql: str, vantage: Vantage) -> None:
        if _ASKS_THE_TIME.search(sql):
            set_clock(self._connection, vantage.clock)
        tables = ", ".join(
            f"{quote(table)} as ({seen(f'{_BASE}.{quote(table)}', columns, self._times[table], vantage)})"
            for table, columns in self._columns.items()
        )
        text = with_relations(sql, lambda node: quote(node.rsplit(".", 1)[1])).text
        self._connection.execute(f"create or replace temp table {name} as\nwith {tables}\nselect * from (\n{text}\n)")

    def close(self) -> None:
        """Forget the tables."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
