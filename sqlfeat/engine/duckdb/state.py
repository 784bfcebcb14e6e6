"""What DuckDB keeps beside the data: one record a node, written in the transaction that makes the node."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlfeat.engine.base import STATE_VERSION, Record, SourceColumn
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.naming import STATE
from sqlfeat.engine.duckdb.sources import FileFacts
from sqlfeat.errors import EngineError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = f"""
create schema if not exists {STATE};
create table if not exists {STATE}.version (version integer);
create table if not exists {STATE}.nodes (
    node varchar, fingerprint varchar, data_version varchar, n_rows bigint, built_at bigint, seconds double,
    facts varchar
);
create table if not exists {STATE}.files (path varchar, size bigint, modified bigint, digest varchar);
"""


class State:
    """The state of one DuckDB file.

    Raises:
        EngineError: ``state-version`` where another version of sqlfeat has written it.
    """

    def __init__(self, connection: Connection, path: Path | None) -> None:
        self._connection = connection
        present = connection.value(
            "select count(*) from duckdb_tables() where schema_name = ? and table_name = 'version'", [STATE]
        )
        if not present:
            with connection.transaction():
                connection.execute(_TABLES)
                connection.execute(f"insert into {STATE}.version values ({STATE_VERSION})")
        version = connection.value(f"select version from {STATE}.version")
        if version != STATE_VERSION:
            raise EngineError(
                "state-version",
                f"{path} was written by another version of sqlfeat (state {version}, this one reads {STATE_VERSION}).",
                hint="use that version, or build into another file: targets.<name>.path.",
            )

    def records(self) -> dict[str, Record]:
        """All records whose relation is still there."""
        rows = self._connection.execute(
            f"select node, fingerprint, data_version, n_rows, built_at, seconds, facts from {STATE}.nodes order by node"
        )
        there = {
            (schema, name)
            for schema, name in self._connection.execute(
                "select schema_name, table_name from duckdb_tables() where schema_name like 'sqlfeat_%' union all "
                "select schema_name, view_name from duckdb_views() where schema_name like 'sqlfeat_%'"
            )
        }
        records = {}
        for node, fingerprint, version, n_rows, built_at, seconds, facts in rows:
            if (f"sqlfeat_{fingerprint}", node.split(".", 1)[1]) in there:
                records[node] = Record(
                    node,
                    fingerprint,
                    version,
                    n_rows,
                    _EPOCH + timedelta(microseconds=built_at),
                    seconds,
                    json.loads(facts),
                )
        return records

    def keep(self, record: Record) -> None:
        """Write a record over the node's earlier one; call it inside the transaction that makes the node."""
        self._connection.execute(f"delete from {STATE}.nodes where node = ?", [record.node])
        self._connection.execute(
            f"insert into {STATE}.nodes values (?, ?, ?, ?, ?, ?, ?)",
            [
                record.node,
                record.fingerprint,
                record.data_version,
                record.rows,
                (record.built_at - _EPOCH) // timedelta(microseconds=1),
                record.seconds,
                json.dumps(record.facts, sort_keys=True),
            ],
        )

    def check_kept(self, record: Record) -> None:
        """Read back what was committed: DuckDB's COMMIT has been seen to succeed and keep nothing."""
        found = self._connection.value(
            f"select data_version from {STATE}.nodes where node = ? and fingerprint = ?",
            [record.node, record.fingerprint],
        )
        if found != record.data_version:
            raise EngineError("commit-lost", f"{record.node} was built, and the database has not kept it.")

    def source_columns(self) -> dict[str, tuple[SourceColumn, ...]]:
        """The columns of sources as they were kept last."""
        present = self._connection.value(
            "select count(*) from duckdb_tables() where schema_name = ? and table_name = 'sources'", [STATE]
        )
        if not present:
            return {}
        rows = self._connection.execute(f"select node, columns from {STATE}.sources")
        return {node: tuple(SourceColumn(*column) for column in json.loads(columns)) for node, columns in rows}

    def keep_source_columns(self, found: Mapping[str, Sequence[SourceColumn]]) -> None:
        """Keep the columns of some sources over those that were kept before."""
        with self._connection.transaction():
            self._connection.execute(f"create table if not exists {STATE}.sources (node varchar, columns varchar)")
            for node, columns in found.items():
                self._connection.execute(f"delete from {STATE}.sources where node = ?", [node])
                listed = json.dumps([[column.name, column.type, column.required] for column in columns])
                self._connection.execute(f"insert into {STATE}.sources values (?, ?)", [node, listed])

    def file_facts(self) -> Mapping[str, FileFacts]:
        rows = self._connection.execute(f"select path, size, modified, digest from {STATE}.files")
        return {path: FileFacts(size, modified, digest) for path, size, modified, digest in rows}

    def keep_files(self, facts: Iterable[tuple[str, FileFacts]]) -> None:
        """Remember hashes of files, so that what has not changed is not read again."""
        with self._connection.transaction():
            self._connection.execute(f"delete from {STATE}.files")
            for path, fact in facts:
                values = [path, fact.size, fact.modified, fact.digest]
                self._connection.execute(f"insert into {STATE}.files values (?, ?, ?, ?)", values)
