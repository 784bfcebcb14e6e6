"""A clock in a database: what now() and its kin say there, whatever the time is.

DuckDB looks a function up in the schema before it looks among its own, and reads words like ``current_date`` as calls
of functions; so macros of these names are what every query of that database calls.
"""

from __future__ import annotations

from datetime import datetime

from sqlfeat.base.names import literal, quote
from sqlfeat.engine.duckdb.connection import Connection

CLOCKS = {
    "now": "timestamptz",
    "get_current_timestamp": "timestamptz",
    "transaction_timestamp": "timestamptz",
    "current_localtimestamp": "timestamp",
    "current_date": "date",
    "today": "date",
    "get_current_time": "timetz",
    "current_localtime": "time",
}
"""What tells the time, and as which type; ``current_timestamp``, ``localtimestamp`` … are read as calls of these."""


def set_clock(connection: Connection, now: datetime) -> None:
    """Let every query of this database believe that it is ``now``."""
    instant = f"timestamptz {literal(now.isoformat())}"
    for name, kind in CLOCKS.items():
        value = instant if kind == "timestamptz" else f"cast(timezone('UTC', {instant}) as {kind})"
        connection.execute(f"create or replace macro {quote(name)}() as ({value})")
    midnight = f"cast(cast(timezone('UTC', {instant}) as date) as timestamp)"
    connection.execute(
        f"create or replace macro age(since) as system.main.age({midnight}, since), "
        "(until, since) as system.main.age(until, since)"
    )
