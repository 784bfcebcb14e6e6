"""A few rows of a query as Python values, to be told to somebody.

What Python has no value for (infinite dates, years beyond 9999, nanoseconds without pandas) is DuckDB's text of it.
"""

from __future__ import annotations

from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.engine.duckdb.connection import Connection


def records(connection: Connection, sql: str) -> list[dict[str, Any]]:
    """The rows of a query by column name; its text must give the same order when it is asked again."""
    table = connection.arrow(sql)
    columns: dict[str, list[Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except (OverflowError, ValueError):
            texts = connection.arrow(f"select cast({quote(name)} as varchar) as told from (\n{sql}\n)")
            columns[name] = texts.column("told").to_pylist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def finite(instant: str) -> str:
    """SQL of an instant that Python can hold: null for infinity and for years that it has not."""
    return f"case when {instant} between timestamptz '0001-01-02' and timestamptz '9999-12-30' then {instant} end"
