"""Tables of predictions, and of what monitoring found, in a target: written whole or not at all, where people look.

A comment says that a table is one. What bears the name without it is somebody else's and is left alone.
"""

from __future__ import annotations

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.errors import EngineError, RunError

MARK = "predictions, written by sqlfeat predict"
MONITORED = "results, written by sqlfeat monitor"
_GIVEN = "__sqlfeat_predictions"


def find(connection: Connection, schema: str, name: str, mark: str = MARK) -> str | None:
    """The quoted name of a table of predictions, None where nothing has the name.

    Raises:
        RunError: ``relation-in-the-way`` where something else has it.
    """
    there = connection.execute(
        "select comment from duckdb_tables() where database_name = current_database() and schema_name = ? "
        "and lower(table_name) = lower(?) union all "
        "select 'a view' from duckdb_views() where database_name = current_database() and schema_name = ? "
        "and lower(view_name) = lower(?)",
        [schema, name, schema, name],
    )
    if not there:
        return None
    if there[0][0] != mark:
        raise RunError(
            "relation-in-the-way",
            f"{schema}.{name} is there and was not written by {mark.rsplit(' ', 1)[1]}, "
            f"so {mark.split(',')[0]} cannot take its name.",
            hint="name another table, or drop that one.",
        )
    return f"{quote(schema)}.{quote(name)}"


def tables(connection: Connection, schema: str) -> list[str]:
    """The names of the tables of predictions, in their order."""
    found = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database() and schema_name = ? "
        "and comment = ? order by 1",
        [schema, MARK],
    )
    return [row[0] for row in found]


def write(
    connection: Connection, schema: str, name: str, rows: pa.RecordBatchReader, *, append: bool, mark: str = MARK
) -> None:
    """Make or replace a table of predictions, or add rows to it, in one transaction."""
    table = f"{quote(schema)}.{quote(name)}"
    grows = find(connection, schema, name, mark) is not None and append
    before = int(connection.value(f"select count(*) from {table}")) if grows else 0
    with connection.transaction():
        connection.execute(f"create schema if not exists {quote(schema)}")
        with connection.registered(_GIVEN, rows):
            begin = f"insert into {table} by name" if grows else f"create or replace table {table} as"
            written = connection.execute(f"{begin} select * from {_GIVEN}")[0][0]
        connection.execute(f"comment on table {table} is {literal(mark)}")
    if connection.value(f"select count(*) from {table}") != before + written:
        raise EngineError("commit-lost", f"{schema}.{name} was written, and the database has not kept it.")
