"""Rows on their way into a source, in an in-memory DuckDB: what they are as its types, and what models make of them.

The authors' SQL runs as written, over the new rows alone. Source files are read for one question: whether they have
such rows already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.manifest import Column, Manifest
from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.compiler.row_by_row import RowByRow
from sqlfeat.engine.duckdb import sources
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.naming import source_name, source_schema
from sqlfeat.engine.duckdb.pushed_rows import SAID, source_relation
from sqlfeat.errors import UsageError
from sqlfeat.spec.project import SourceTable

_ROWS = "sqlfeat_pushed"
_REFS = "sqlfeat_ref"
_PLACE = "__sqlfeat_place"
_MEMORY = "1GB"


class PushEngine:
    """One connection for all pushes of a process; calls wait for each other.

    ``whole`` is what stands after FROM to read all of a source, where not only new rows are asked about.
    """

    def __init__(self, folders: Sequence[Path], root: Path, manifest: Manifest, whole: str | None = None) -> None:
        self._folders = folders
        self._root = root
        self._manifest = manifest
        self._whole = whole
        self._connection = Connection(folders=folders, threads=1, memory_limit=_MEMORY)
        self._connection.execute(f"create schema {_REFS}")
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def typed(self, rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
        """Rows with the columns of a source, each of its type.

        Raises:
            UsageError: ``bad-push-row`` where a value is none of its column's type.
        """
        numbered = rows.append_column(_PLACE, pa.array(range(1, rows.num_rows + 1), pa.int64()))
        cast = {column.name: f"try_cast({quote(column.name)} as {column.type})" for column in columns}
        wrong = {}
        for name, tried in cast.items():
            lost = "" if pa.types.is_string(rows.schema.field(name).type) else f" or {tried} <> {quote(name)}"
            wrong[name] = f"({quote(name)} is not null and ({tried} is null{lost}))"
        with self._lock, self._connection.registered(_ROWS, numbered):
            try:
                anywhere = " or ".join(wrong.values())
                if not self._connection.value(f"select count(*) from {_ROWS} where {anywhere}"):
                    listed = ", ".join(f"{tried} as {quote(name)}" for name, tried in cast.items())
                    return self._connection.arrow(f"select {listed} from {_ROWS}")
                for column in columns:
                    shown = f"select {_PLACE}, cast({quote(column.name)} as varchar) from {_ROWS}"
                    found = self._connection.execute(f"{shown} where {wrong[column.name]} order by {_PLACE} limit 1")
                    if found:
                        place, value = found[0]
                        raise bad_row(place, value, column)
            except SqlProblem as problem:
                raise UsageError("bad-push-row", f"The rows are not the source's: {problem.what}.") from problem
        raise AssertionError("a value is wrong, and in no column")

    def made(self, way: RowByRow, table: SourceTable, columns: Sequence[Column], rows: pa.Table) -> pa.Table:
        """What the models on a way make of a source's rows.

        Raises:
            SqlProblem: an expression has no value for a row.
        """
        with self._lock, self._connection.registered(_ROWS, rows):
            self._prepare(way, table, columns)
            return self._connection.arrow(with_relations(way.texts[-1], self._names()).text)

    def versions(
        self,
        way: RowByRow,
        table: SourceTable,
        columns: Sequence[Column],
        pushed: Sequence[Path],
        wanted: pa.Table,
        types: Mapping[str, str],
    ) -> pa.Table:
        """What the models on a way make of a whole source and the files of what was pushed to it, of some events alone.

        ``wanted`` are the unique keys of the events, ``types`` DuckDB's types of their columns. The source is read, so
        this is asked where nothing else knows.
        """
        relation = source_relation(table, self._root, columns, {table.id: pushed})
        whole = PushEngine(self._folders, self._root, self._manifest, whole=relation)
        try:
            with whole._connection.registered(_ROWS, wanted):
                whole._prepare(way, table, columns)
                made = with_relations(way.texts[-1], whole._names()).text
                equal = " and ".join(f"m.{quote(n)} = cast(w.{quote(n)} as {types[n]})" for n in wanted.column_names)
                return whole._connection.arrow(f"select m.* from (\n{made}\n) as m semi join {_ROWS} as w on {equal}")
        finally:
            whole.close()

    def _prepare(self, way: RowByRow, table: SourceTable, columns: Sequence[Column]) -> None:
        """The source and the models before the last one as views, made once."""
        name_of = self._names()
        if table.id not in self._known:
            listed = ", ".join(f"cast({quote(c.name)} as {c.type}) as {quote(c.name)}" for c in columns)
            self._connection.execute(f"create schema if not exists {quote(source_schema(table.source))}")
            self._connection.execute(f"create view {name_of(table.id)} as select {listed} from {self._whole or _ROWS}")
            self._known.add(table.id)
        for node in way.beside:
            if node not in self._known:
                self._connection.execute(f"create schema if not exists {_schema_of(node)}")
                self._connection.execute(f"create view {name_of(_spelled(node))} as\n{self._read(node)}\n")
                self._known.add(node)
        for model, text in zip(way.models[:-1], way.texts[:-1], strict=True):
            if model.id not in self._known:
                made = with_relations(text, name_of).text
                self._connection.execute(f"create view {_REFS}.{quote(model.name)} as\n{made}\n")
                self._known.add(model.id)

    def _read(self, node: str) -> str:
        """The SELECT of what never changes."""
        kind, name = node.split(".", 1)
        if kind == "source":
            return f"select * from {sources.reader(self._manifest.sources[node], self._root)}"
        if kind == "seed":
            return f"select * from {sources.seed_reader(self._manifest.seeds[node], self._root)}"
        return with_relations(self._manifest.models[name].sql, self._names()).text

    def _names(self) -> Callable[[str], str]:
        def name_of(node: str) -> str:
            kind, name = node.split(".", 1)
            if kind == "source":
                return source_name(*name.split(".", 1))
            return f"{_REFS}.{quote(name)}"

        return name_of

    def arrow_types(self, types: Sequence[str]) -> dict[str, pa.DataType]:
        """The Arrow types of DuckDB's."""
        distinct = list(dict.fromkeys(types))
        listed = ", ".join(f"cast(null as {kind})" for kind in distinct)
        with self._lock:
            schema = self._connection.arrow(f"select {listed}").schema
        return {kind: field.type for kind, field in zip(distinct, schema, strict=True)}

    def already_there(
        self, table: SourceTable, root: Path, rows: pa.Table, said: Sequence[bool], pushed: Sequence[Path]
    ) -> list[int]:
        """The places of rows that the source's files have already, whenever they say that they became known.

        ``pushed`` are the files with what was pushed to it.

        A row that says itself when it was known is another one than those that were known before.
        """
        return self._found_in(table, root, rows, said, "not p.__sqlfeat_said or s.{at} >= p.{at}", pushed)

    def brought(self, table: SourceTable, root: Path, rows: pa.Table, said: Sequence[bool]) -> list[int]:
        """The places of pushed rows without which a run would read the same, for the source has them itself."""
        return self._found_in(table, root, rows, said, "s.{at} = p.{at} or (not p.__sqlfeat_said and s.{at} < p.{at})")

    def _found_in(
        self,
        table: SourceTable,
        root: Path,
        rows: pa.Table,
        said: Sequence[bool],
        when: str,
        pushed: Sequence[Path] = (),
    ) -> list[int]:
        """The places of rows of which a source has one with the same content, known when it is asked to be."""
        names = [name for name in rows.column_names if name != table.available_at]
        equal = " and ".join(f"s.{quote(name)} is not distinct from p.{quote(name)}" for name in names) or "true"
        if table.available_at:
            equal += f" and ({when.format(at=quote(table.available_at))})"
        given = rows.append_column(_PLACE, pa.array(range(rows.num_rows), pa.int64()))
        given = given.append_column("__sqlfeat_said", pa.array(list(said), pa.bool_()))
        there = f"from {sources.reader(table, root)}"
        if pushed:
            listed = ", ".join(literal(str(file)) for file in pushed)
            files = f"read_parquet([{listed}], union_by_name = true)"
            there += f" union all by name (select * exclude ({SAID}) from {files})"
        sql = f"select {_PLACE} from {_ROWS} as p semi join ({there}) as s on ({equal})"
        with self._lock, self._connection.registered(_ROWS, given):
            return sorted(self._connection.arrow(sql).column(0).to_pylist())

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


def _schema_of(node: str) -> str:
    return quote(source_schema(node.split(".")[1])) if node.startswith("source.") else _REFS


def _spelled(node: str) -> str:
    """A node as it is spelled in texts."""
    return node if node.startswith("source.") else f"ref.{node.split('.', 1)[1]}"


def bad_row(place: int, value: object, column: Column) -> UsageError:
    """A row with a value that is none of its column's type."""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
    return UsageError("bad-push-row", f"Row {place}: {column.name} is {shown}, which is no {column.type}.")
