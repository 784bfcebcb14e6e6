"""The compiler's ``Catalog`` on DuckDB: an empty shadow of the project in memory, where every SELECT is bound.

Nothing is built and no data are read but the headers of source files. What DuckDB's binder says here, of names, types
and mistakes, is what it will say when the model runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.manifest import Column
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.engine.duckdb import sources
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.project import SeedFile, SourceTable


class ShadowCatalog:
    """A catalog over an in-memory DuckDB; ``ask`` answers ``run_query`` from the real target."""

    def __init__(self, root: Path, folders: Sequence[Path], ask: Callable[[str], Answer]) -> None:
        self._root = root
        self._connection = Connection(folders=folders, threads=1)
        self._connection.execute("create schema shadow_ref")
        self._connection.execute("create schema shadow_instead")
        self._schemas = {"shadow_ref"}
        self._ask = ask

    def source_columns(self, table: SourceTable) -> tuple[Column, ...]:
        try:
            found = self._connection.described(f"from {sources.reader(table, self._root)}")
        except SqlProblem as problem:
            closed = "Permission denied" in problem.what
            raise ProjectError(
                "source-unreadable",
                f"Source {table.source}.{table.name}: {problem.what}.",
                table.place,
                "who owns it, and may you read it?" if closed else f"is {table.location} a whole {table.format} file?",
            ) from problem
        return _columns(found)

    def seed_columns(self, seed: SeedFile) -> tuple[Column, ...]:
        try:
            return _columns(self._connection.described(f"from {sources.seed_reader(seed, self._root)}"))
        except SqlProblem as problem:
            hint = "a seed is a CSV file with a header; config.column_types says what is not obvious."
            raise ProjectError("seed-unreadable", f"{seed.path}: {problem.what}.", Place(seed.path), hint) from problem

    def table_columns(self, table: pa.Table) -> tuple[Column, ...]:
        """The columns of rows that were handed over."""
        with self._connection.registered("sqlfeat_given", table):
            return _columns(self._connection.described("from sqlfeat_given"))

    def declare(self, node: str, columns: Sequence[Column]) -> None:
        schema, name = _shadow(node)
        if schema not in self._schemas:
            self._connection.execute(f"create schema {quote(schema)}")
            self._schemas.add(schema)
        self._create(f"{quote(schema)}.{quote(name)}", columns)

    def describe(self, sql: str, instead: Mapping[str, Sequence[Column]] | None = None) -> tuple[Column, ...]:
        replaced = {}
        for node, columns in (instead or {}).items():
            name = f"shadow_instead.{quote(node.rsplit('.', 1)[1])}"
            self._create(name, columns)
            replaced[node] = name

        def name_of(node: str) -> str:
            if node in replaced:
                return replaced[node]
            schema, table = _shadow(node)
            return f"{quote(schema)}.{quote(table)}"

        rewritten = with_relations(sql, name_of)
        try:
            return _columns(self._connection.described(rewritten.text))
        except SqlProblem as problem:
            if problem.offset is not None:
                problem.offset = rewritten.before(problem.offset)
            raise

    def query(self, sql: str) -> Answer:
        return self._ask(sql)

    def close(self) -> None:
        """Forget the shadow."""
        self._connection.close()

    def _create(self, name: str, columns: Sequence[Column]) -> None:
        listed = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
        self._connection.execute(f"create or replace table {name} ({listed})")


def _shadow(node: str) -> tuple[str, str]:
    kind, name = node.split(".", 1)
    if kind == "source":
        source, table = name.split(".", 1)
        return f"shadow_source_{source}", table
    return "shadow_ref", name


def _columns(described: Sequence[tuple[str, str]]) -> tuple[Column, ...]:
    return tuple(Column(name, type_name) for name, type_name in described)
