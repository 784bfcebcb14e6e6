"""What people read: views of the models' names in the target's schema, each over the relation of one definition.

Several targets may lie in one file, each with a schema of its own; a model keeps its definition when its alias or its
description changes. So what is built need not be shown, and it can be shown without being built again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.naming import physical, public_name, schema_of
from sqlfeat.errors import Place, RunError
from sqlfeat.spec.project import SeedFile


@dataclass(frozen=True)
class Shown:
    """A public view: where it stands, whose definition it shows, and what its comment says."""

    schema: str
    name: str
    of: str
    fingerprint: str
    comment: str = ""
    place: Place | None = None

    @classmethod
    def model(cls, model: CompiledModel, schema: str) -> Shown:
        schema, name = public_name(model, schema)
        return cls(schema, name, model.name, model.fingerprint, model.config.description.strip(), model.place())

    @classmethod
    def seed(cls, seed: SeedFile, fingerprint: str, schema: str) -> Shown:
        comment = seed.properties.description.strip() if seed.properties else ""
        return cls(schema, seed.name, seed.name, fingerprint, comment, Place(seed.path))


def publish(connection: Connection, shown: Shown) -> None:
    """Make the view; call it inside a transaction.

    Raises:
        RunError: ``relation-in-the-way`` where something that is not ours has the name.
    """
    connection.execute(f"create schema if not exists {quote(shown.schema)}")
    kind = connection.value(
        "select table_type from information_schema.tables where table_schema = ? and table_name = ? "
        "and table_catalog = current_database()",
        [shown.schema, shown.name],
    )
    if kind == "BASE TABLE":
        raise RunError(
            "relation-in-the-way",
            f"{shown.schema}.{shown.name} is a table that sqlfeat has not made, so {shown.of} cannot take its name.",
            shown.place,
            "rename the table, or give the model an alias or a schema.",
        )
    view = f"{quote(shown.schema)}.{quote(shown.name)}"
    connection.execute(f"create or replace view {view} as select * from {physical(shown.of, shown.fingerprint)}")
    if shown.comment:
        connection.execute(f"comment on view {view} is {literal(shown.comment)}")


def not_shown(connection: Connection, wanted: Iterable[Shown]) -> list[Shown]:
    """Those that are missing, show another definition or bear another comment."""
    there = {
        (schema, name): (sql, comment or "")
        for schema, name, sql, comment in connection.execute(
            "select schema_name, view_name, sql, comment from duckdb_views() "
            "where not internal and database_name = current_database() and schema_name not like 'sqlfeat_%'"
        )
    }
    missing = []
    for shown in wanted:
        sql, comment = there.get((shown.schema, shown.name), ("", ""))
        if schema_of(shown.fingerprint) not in sql or comment != shown.comment:
            missing.append(shown)
    return missing
