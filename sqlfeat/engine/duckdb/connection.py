"""A DuckDB connection that is hardened, speaks UTC, can be interrupted, and commits all or nothing.

Queries run in a worker thread: the main thread stays free for signals and turns them into ``interrupt()``. Nothing
outside the given folders can be read or written, no extension is loaded by itself, and the settings are locked.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from sqlfeat.base.files import is_alive
from sqlfeat.base.names import literal
from sqlfeat.engine.duckdb.problems import facts_of, message_of, problem_of
from sqlfeat.errors import EngineError, SqlfeatError, StoreError

Result = TypeVar("Result")
_ARROW: Any = "arrow"


class Connection:
    """One open DuckDB database; ``path`` None is one in memory.

    Raises:
        EngineError: ``database-locked`` (who holds it), ``database-unreadable``.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        folders: Sequence[Path] = (),
        threads: int | None = None,
        memory_limit: str | None = None,
        temporary: Path | None = None,
    ) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="duckdb")
        self._tables: dict[str, pa.Table | pa.RecordBatchReader] = {}
        self._stream: weakref.ref[pa.RecordBatchReader] | None = None
        try:
            if path is not None and not path.exists():
                _create(path)
            self._connection = duckdb.connect(str(path) if path else ":memory:")
        except duckdb.Error as error:
            self._worker.shutdown()
            raise _cannot_open(error, path) from error
        if path is not None and not self._is_file():
            self.close()
            raise EngineError(
                "database-unreadable",
                f"{path} is no DuckDB database: DuckDB would show it in memory and keep nothing.",
                hint="name the target's file otherwise, for instance target/NAME.duckdb.",
            )
        self._harden(folders, threads, memory_limit, temporary)

    def _is_file(self) -> bool:
        """Whether what is open is a database file: DuckDB shows files of rows as databases in memory."""
        found = self._connection.execute(
            "select path from duckdb_databases() where database_name = current_database()"
        ).fetchone()
        return found is not None and found[0] is not None

    def _harden(
        self, folders: Sequence[Path], threads: int | None, memory_limit: str | None, temporary: Path | None
    ) -> None:
        allowed = ", ".join(literal(f"{folder.resolve()}/") for folder in folders)
        statements = [
            "set TimeZone = 'UTC'",
            "set errors_as_json = true",
            "set preserve_insertion_order = true",
            "set autoinstall_known_extensions = false",
            "set autoload_known_extensions = false",
            "set python_enable_replacements = false",
            "set enable_progress_bar = false",
            f"set allowed_directories = [{allowed}]",
        ]
        if threads:
            statements.append(f"set threads = {int(threads)}")
        if memory_limit:
            statements.append(f"set memory_limit = {literal(memory_limit)}")
        if temporary:
            statements.append(f"set temp_directory = {literal(str(temporary))}")
        statements += ["set enable_external_access = false", "set lock_configuration = true"]
        for statement in statements:
            try:
                self._connection.execute(statement)
            except duckdb.Error as error:
                self.close()
                raise EngineError("bad-target", f"DuckDB refuses `{statement}`: {message_of(error)}") from error

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and give all its rows, which hold no instants; raises :class:`SqlProblem`."""
        return self._run(lambda: self._connection.execute(sql, list(parameters)).fetchall(), sql)

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first value of the first row."""
        rows = self.execute(sql, parameters)
        return rows[0][0] if rows else None

    def described(self, sql: str, shift: int = 0) -> list[tuple[str, str]]:
        """Names and types of the columns that a query gives."""
        asked = f"describe {sql}\n"
        rows = self._run(lambda: self._connection.execute(asked).fetchall(), asked, len("describe ") + shift)
        return [(row[0], row[1]) for row in rows]

    def answer(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows as Python values; by way of Arrow, which knows instants without another package."""
        table = self.arrow(sql)
        columns = [column.to_pylist() for column in table.columns]
        return list(table.column_names), list(zip(*columns, strict=True))

    def arrow(self, sql: str) -> pa.Table:
        """The rows as an Arrow table."""
        return self._run(lambda: self._connection.sql(sql).to_arrow_table(), sql)

    def batches(self, sql: str, rows: int) -> pa.RecordBatchReader:
        """The rows as a stream of Arrow batches; read it to its end before the next statement."""
        stream = self._run(lambda: self._connection.sql(sql).to_arrow_reader(rows), sql)
        self._stream = weakref.ref(stream)
        return stream

    def function(self, name: str, call: Callable[..., Any], takes: str | Sequence[str], gives: str) -> None:
        """Make a function over Arrow arrays known to SQL."""
        types: list[Any] = [takes] if isinstance(takes, str) else list(takes)
        self._run(
            lambda: self._connection.create_function(name, call, types, gives, type=_ARROW, side_effects=False), name
        )

    def register(self, name: str, table: pa.Table | pa.RecordBatchReader) -> None:
        """Make an Arrow table known under a name, or a stream, which can be read once."""
        self._run(lambda: self._connection.register(name, table), name)
        self._tables[name] = table

    def unregister(self, name: str) -> None:
        """Let go of the Arrow table of a name, if there is one."""
        self._run(lambda: self._connection.unregister(name), name)
        self._tables.pop(name, None)

    def table(self, name: str) -> pa.Table | None:
        """The Arrow table that a name was given to, if there is one."""
        found = self._tables.get(name)
        return found if isinstance(found, pa.Table) else None

    @contextmanager
    def registered(self, name: str, table: pa.Table | pa.RecordBatchReader) -> Iterator[None]:
        """An Arrow table or stream under a name, for as long as the block runs."""
        self.register(name, table)
        try:
            yield
        finally:
            self.unregister(name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: after any exception inside, nothing of the block is kept.

        DuckDB's COMMIT reports success after a failed statement and keeps nothing, so every exception rolls back.
        """
        self.execute("begin transaction")
        try:
            yield
        except BaseException:
            self._rollback()
            raise
        self.execute("commit")

    def interrupt(self) -> None:
        """Stop the statement that is running."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the database and end the worker."""
        self._worker.shutdown(wait=True)
        self._connection.close()

    def _rollback(self) -> None:
        stream = self._stream() if self._stream is not None else None
        if stream is not None:  # it may have failed in the middle, and an open result lets nothing else pass
            stream.close()
        with suppress(duckdb.Error):  # the transaction may have ended with the statement that failed
            self._worker.submit(self._connection.rollback).result()

    def _run(self, work: Callable[[], Result], sql: str, shift: int = 0) -> Result:
        future: Future[Result] = self._worker.submit(work)
        try:
            return future.result()
        except duckdb.Error as error:
            raise problem_of(error, sql, shift) from error
        except BaseException:
            if not future.done():
                self._connection.interrupt()
                future.exception()
            raise


def _create(path: Path) -> None:
    """Make an empty database that has its name once it is whole.

    DuckDB writes a new file under its name piece by piece, and whoever is killed meanwhile leaves what nobody can open.
    """
    for left in path.parent.glob(f".{path.name}.*.new*"):
        if not is_alive(left.name.removeprefix(f".{path.name}.").split(".")[0]):
            left.unlink(missing_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        duckdb.connect(str(new)).close()
        try:
            os.link(new, path)
        except FileExistsError:
            pass  # another process was first, and its own is as good
        except OSError:  # a file system without links
            new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def _cannot_open(error: duckdb.Error, path: Path | None) -> SqlfeatError:
    text = str(facts_of(error).get("exception_message") or error)
    holder = re.search(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)(?: by user (?P<user>\w+))?", text)
    if holder:
        return EngineError(
            "database-locked",
            f"{path} is in use by process {holder['pid']} ({Path(holder['program']).name}).",
            hint="wait until it has ended, or end it: while a DuckDB file is written, one process has it for itself.",
        )
    if "lock" in text:
        return EngineError("database-locked", f"{path} is in use by another process.", hint="wait until it has ended.")
    if "Permission denied" in text or "Read-only file system" in text:
        reason = "Permission denied" if "Permission denied" in text else "Read-only file system"
        return StoreError(
            "cannot-write",
            f"{path} cannot be opened for writing: {reason}.",
            hint=f"who owns it, and may you write it and {path.parent if path else 'its folder'}?",
        )
    return EngineError(
        "database-unreadable",
        f"{path} cannot be opened: {text.split(chr(10))[0]}",
        hint="is it a DuckDB file, of a version that this DuckDB reads, in a folder that you may write to?",
    )
