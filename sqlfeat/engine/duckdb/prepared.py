"""The prepared layout of a feature view: which rows can be current, where each entity's lie, and their columns.

Beside the database lies a folder of column files for each build of a view (``columns``), and inside it a table of
entities: the view's keys with the first position and the number of their rows. So a lookup is a join of label rows
with entities, a binary search, and a gather. The folder's name is in the record of the build, written in the
transaction that makes the view; folders of earlier builds go when a later one has been kept.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb import layout
from sqlfeat.engine.duckdb.columns import ColumnFolder, storable, write_columns
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import EVENT, USABLE, Shape
from sqlfeat.engine.duckdb.naming import physical
from sqlfeat.engine.duckdb.plans import AS_TEXT
from sqlfeat.errors import RunError

_SORTED = "sqlfeat_sorted"
_BATCH = 122_880


class Layouts:
    """The folders of prepared columns that belong to one database."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._open: dict[str, ColumnFolder] = {}

    def prepare(self, view: CompiledModel, relation: str, columns: tuple[str, ...]) -> dict[str, Any]:
        """Prepare a view from its rows, inside the transaction that makes it; gives the facts to record.

        Raises:
            RunError: ``duplicate-keys`` where an immutable relation has a key twice.
        """
        shape = Shape(view.keys, view.time, columns)
        ties = int(self._connection.value(layout.ties_sql(shape, relation)) or 0)
        if view.time.immutable and not view.time.event_time and ties:
            keys = ", ".join(view.keys)
            raise RunError("duplicate-keys", f"{view.name} is immutable, and {ties} of its keys ({keys}) occur twice.")
        sql = layout.lookup_sql(shape, relation, ties=ties > 0)
        items = self._items(columns, dict(self._connection.described(f"select * from {relation}")))
        facts: dict[str, Any] = {"ties": ties} if ties else {}
        if not self._storable(f"select {items} from ({sql}) limit 0"):
            table = physical(view.name, view.fingerprint, "lookup")
            self._connection.execute(f"create or replace table {table} as\n{sql}")
            return facts
        self._connection.execute(f"create or replace temp table {_SORTED} as\n{sql}")
        self._entities(view)
        name = f"{view.fingerprint}-{secrets.token_hex(4)}"
        write_columns(self._folder / name, self._connection.batches(f"select {items} from temp.{_SORTED}", _BATCH))
        self._connection.execute(f"drop table temp.{_SORTED}")
        return {**facts, "layout": name}

    def open(self, facts: Mapping[str, Any]) -> ColumnFolder | None:
        """The prepared columns of a recorded build; None where it has none, or they are not whole any more."""
        name = facts.get("layout")
        if not isinstance(name, str):
            return None
        if name not in self._open:
            try:
                self._open[name] = ColumnFolder(self._folder / name)
            except (FileNotFoundError, ValueError, KeyError):
                return None
        return self._open[name]

    def forget_earlier(self, fingerprint: str, facts: Mapping[str, Any]) -> None:
        """Delete the folders of earlier builds of a definition, once a later build has been kept."""
        kept = facts.get("layout")
        for folder in self._folder.glob(f"{fingerprint}-*"):
            if folder.name != kept:
                self._open.pop(folder.name, None)
                shutil.rmtree(folder, ignore_errors=True)

    def _entities(self, view: CompiledModel) -> None:
        """Where each entity's rows lie; keys of a global view are none, and its rows are all."""
        keys = ", ".join(quote(key) for key in view.keys)
        table = physical(view.name, view.fingerprint, "entities")
        if not keys:
            sql = f"select 0::bigint as start, count(*)::bigint as n_rows from temp.{_SORTED}"
        else:
            sql = (
                f"select {keys}, (sum(count(*)) over (order by {keys}) - count(*))::bigint as start, "
                f"count(*)::bigint as n_rows from temp.{_SORTED} group by {keys} order by {keys}"
            )
        self._connection.execute(f"create or replace table {table} as\n{sql}")

    def _items(self, columns: tuple[str, ...], types: Mapping[str, str]) -> str:
        items = [USABLE, EVENT]
        for name in columns:
            kept = types[name].startswith(AS_TEXT) and "[" not in types[name]
            items.append(f"cast({quote(name)} as varchar) as {quote(name)}" if kept else quote(name))
        return ", ".join(items)

    def _storable(self, sql: str) -> bool:
        return all(storable(field.type) for field in self._connection.arrow(sql).schema)
