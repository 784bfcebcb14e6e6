"""The ``Engine`` of a DuckDB file: a connection, its state, and the builders over both."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest
from sqlfeat.compiler.rewriting import ref_token, with_relations
from sqlfeat.engine.base import OWN_WINDOWS, Assembled, FitRows, Record, RowsRequest, SourceColumn, Transformed
from sqlfeat.engine.duckdb import explain, label_rows, predictions, profile, snapshots, sources, standing
from sqlfeat.engine.duckdb.build import Builder
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.exact import rounded_float_means, rounded_ratios, rounded_sums
from sqlfeat.engine.duckdb.lookup import Assembly
from sqlfeat.engine.duckdb.naming import names_of, physical, schema_of, source_name, source_schema
from sqlfeat.engine.duckdb.plans import BATCH_ROWS
from sqlfeat.engine.duckdb.prepared import Layouts
from sqlfeat.engine.duckdb.publishing import Shown, not_shown, publish
from sqlfeat.engine.duckdb.pushed_rows import PushedFiles, source_relation
from sqlfeat.engine.duckdb.state import State
from sqlfeat.engine.duckdb.transformed import Dictionaries, Transforming
from sqlfeat.engine.duckdb.windows import FMEAN, FSUM, RATIO
from sqlfeat.engine.explanation import Explained, ExplainRequest, LabelRows
from sqlfeat.engine.profile import Profile, ProfileRequest, Shape
from sqlfeat.errors import EngineError, ProjectError, RunError, SqlfeatError, StoreError
from sqlfeat.spec.project import SeedFile, SourceTable, TargetSpec

Result = TypeVar("Result")
_REFUSED = (
    "Permission denied", "Read-only file system", "Operation not permitted", "No space left", "File too large",
    "Disk quota exceeded",
)  # fmt: skip
_PATH = re.compile(r"\"(?P<path>[^\"]+)\"")


class DuckDBEngine:
    """One DuckDB file, open for writing.

    Raises:
        EngineError: the file is locked by another process, unreadable, or of another state version.
    """

    def __init__(self, target: TargetSpec, root: Path, folders: Sequence[Path], threads: int | None = None) -> None:
        if target.path is None:
            what = f"The target {target.name!r} is in memory, and what a run makes has to outlast it."
            raise EngineError("bad-target", what, target.place, "give it a file: path: target/NAME.duckdb.")
        target.path.parent.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._schema = target.schema
        self._connection = Connection(
            target.path,
            folders=[*folders, target.path.parent],
            threads=threads or target.threads,
            memory_limit=target.memory_limit,
            temporary=target.path.with_suffix(".tmp"),
        )
        try:
            self._state = State(self._connection, target.path)
            self._connection.function(FSUM, rounded_sums, "DOUBLE[]", "DOUBLE")
            self._connection.function(FMEAN, rounded_float_means, "DOUBLE[]", "DOUBLE")
            self._connection.function(RATIO, rounded_ratios, "VARCHAR[]", "DOUBLE")
            self._dictionaries = Dictionaries(self._connection)
            self._hashes = sources.Hashes(self._state.file_facts())
        except BaseException:
            self._connection.close()
            raise
        self._layouts = Layouts(self._connection, target.path.with_name(f"{target.path.name}.layouts"))
        self._threads = threads or target.threads or os.cpu_count() or 1
        self.pushed: PushedFiles = {}
        self._names: Callable[[str], str] = _unprepared
        self._seeds: dict[str, str] = {}

    def records(self) -> Mapping[str, Record]:
        return self._state.records()

    def source_version(self, table: SourceTable) -> str:
        version = sources.version_of(table, self._root, self._hashes)
        return sources.with_pushed(version, self.pushed.get(table.id, ()), self._hashes)

    def source_files(self, table: SourceTable) -> Sequence[tuple[Path, int, str]]:
        files = [*sources.files_of(table, self._root), *self.pushed.get(table.id, ())]
        return [(file, file.stat().st_size, self._hashes.of(file)) for file in files]

    def columns_now(self, table: SourceTable, columns: Sequence[Column]) -> tuple[SourceColumn, ...]:
        required = sources.required_columns(table, self._root)
        return tuple(SourceColumn(column.name, column.type, column.name in required) for column in columns)

    def doubts_about(self, table: SourceTable) -> Sequence[str]:
        return sources.doubts_about(table, self._root, self._hashes)

    def check_still(self, tables: Iterable[SourceTable]) -> None:
        for table in tables:
            sources.check_still(table, self._root, self._hashes)

    def source_columns(self) -> Mapping[str, tuple[SourceColumn, ...]]:
        return self._state.source_columns()

    def keep_source_columns(self, found: Mapping[str, Sequence[SourceColumn]]) -> None:
        self._guarded(lambda: self._state.keep_source_columns(found))

    def seed_version(self, seed: SeedFile) -> str:
        return sources.seed_version(seed, self._root, self._hashes)

    def prepare(self, manifest: Manifest) -> None:
        self._seeds = {
            seed.name: mark for seed in manifest.seeds.values() if (mark := manifest.fingerprints.get(seed.id))
        }
        self._names = names_of(manifest, self._seeds)
        self._guarded(self._keep_hashes)
        known = {
            (schema, name): sql
            for schema, name, sql in self._connection.execute(
                "select schema_name, view_name, comment from duckdb_views() where schema_name like 'sqlfeat_source_%'"
            )
        }
        for table in manifest.sources.values():
            with suppress(ProjectError):  # a source that nothing selected reads may be missing
                self._guarded(partial(self._prepare_source, table, manifest, known))

    def _prepare_source(
        self, table: SourceTable, manifest: Manifest, known: Mapping[tuple[str, str], str | None]
    ) -> None:
        text = source_relation(table, self._root, manifest.columns.get(table.id, ()), self.pushed)
        if known.get((source_schema(table.source), table.name)) == text:
            return
        name = source_name(table.source, table.name)
        with self._connection.transaction():
            self._connection.execute(f"create schema if not exists {quote(source_schema(table.source))}")
            self._connection.execute(f"create or replace view {name} as select * from {text}")
            escaped = text.replace("'", "''")
            self._connection.execute(f"comment on view {name} is '{escaped}'")

    def build_model(self, model: CompiledModel, record: Record, reads: Sequence[SourceTable] = ()) -> Record:
        builder = Builder(self._connection, self._layouts, self._names, self._schema, self._threads)

        def build() -> tuple[int | None, dict[str, Any]]:
            made = builder.build(model)
            self.check_still(reads)
            return made

        return self._commit(record, build, model)

    def build_seed(self, seed: SeedFile, record: Record) -> Record:
        name = physical(seed.name, record.fingerprint)

        def build() -> tuple[int | None, dict[str, Any]]:
            self._connection.execute(f"create schema if not exists {quote(schema_of(record.fingerprint))}")
            reader = sources.seed_reader(seed, self._root)
            self._connection.execute(f"create or replace table {name} as select * from {reader}")
            publish(self._connection, Shown.seed(seed, record.fingerprint, self._schema))
            return int(self._connection.value(f"select count(*) from {name}")), {}

        return self._commit(record, build, None)

    def publish(self, manifest: Manifest, ids: Sequence[str]) -> None:
        wanted = []
        for node in ids:
            model = manifest.models.get(node.removeprefix("model."))
            if node.startswith("seed."):
                wanted.append(Shown.seed(manifest.seeds[node], manifest.fingerprints[node], self._schema))
            elif model is not None and model.materialized != "ephemeral":
                wanted.append(Shown.model(model, self._schema))
        missing = not_shown(self._connection, wanted)
        if missing:
            with self._connection.transaction():
                for shown in missing:
                    publish(self._connection, shown)

    def _commit(
        self, record: Record, build: Callable[[], tuple[int | None, dict[str, Any]]], model: CompiledModel | None
    ) -> Record:
        started = time.monotonic()
        try:
            with self._connection.transaction():
                rows, facts = build()
                record = replace(record, rows=rows, facts=facts, seconds=time.monotonic() - started)
                self._state.keep(record)
        except SqlProblem as problem:
            raise _failed(problem, model) from problem
        self._state.check_kept(record)
        self._layouts.forget_earlier(record.fingerprint, record.facts)
        return record

    def failures(self, sql: str, limit: int) -> tuple[int, Sequence[Mapping[str, Any]]]:
        text = with_relations(sql, self._names).text
        count = int(self._guarded(lambda: self._connection.value(f"select count(*) from (\n{text}\n)")))
        if not count:
            return 0, ()
        names, rows = self._guarded(lambda: self._connection.answer(f"select * from (\n{text}\n) limit {int(limit)}"))
        return count, [dict(zip(names, row, strict=True)) for row in rows]

    def arrow(self, sql: str) -> pa.Table:
        return self._guarded(lambda: self._connection.arrow(with_relations(sql, self._names).text))

    def ask(self, sql: str) -> Answer:
        text = with_relations(sql, self._names).text
        self._connection.described(text)  # says better than running it what is wrong with it
        names, rows = self._connection.answer(text)
        return Answer(tuple(names), tuple(rows))

    def assemble(self, model: CompiledModel, manifest: Manifest, request: RowsRequest) -> Assembled:
        try:
            return self._assembly(model, manifest, request).run()
        except SqlProblem as problem:
            raise _failed(problem, model) from problem

    def assemble_in_pieces(self, model: CompiledModel, manifest: Manifest, request: RowsRequest) -> Iterator[Assembled]:
        try:
            yield from self._assembly(model, manifest, request).pieces()
        except SqlProblem as problem:
            raise _failed(problem, model) from problem

    def _assembly(self, model: CompiledModel, manifest: Manifest, request: RowsRequest) -> Assembly:
        records = self._state.records()
        if model.training_set is not None:
            self._dictionaries.know(model.training_set.dictionaries)
        return Assembly(self._connection, self._layouts, records, self._names, manifest, model, request, self._threads)

    def transform(
        self,
        assembled: Assembled,
        model: CompiledModel,
        manifest: Manifest,
        rows: FitRows,
        wanted: Collection[str],
        folds: Mapping[str, FitRows],
    ) -> Transformed:
        work = Transforming(self._connection, self._dictionaries, manifest, model, assembled, self._threads)
        try:
            return work.run(rows, wanted, folds)
        except SqlProblem as problem:
            raise _failed(problem, model) from problem

    def read(
        self, assembled: Assembled, where: str = "true", computed: Mapping[str, str] | None = None
    ) -> pa.RecordBatchReader:
        given = dict(computed or {})
        own = [(c.name, f"cast({given.pop(c.name, quote(c.name))} as {c.type})") for c in assembled.columns]
        items = ", ".join(f"{sql} as {quote(name)}" for name, sql in [*own, *given.items()])
        sql = f"select {items} from temp.{assembled.relation} where {where}"
        return self._guarded(lambda: self._connection.batches(sql, BATCH_ROWS))

    def scalars(self, assembled: Assembled, expressions: Sequence[str], where: str = "true") -> tuple[Any, ...]:
        sql = f"select {', '.join(expressions)} from temp.{assembled.relation} where {where}"
        return self._guarded(lambda: self._connection.execute(sql))[0]

    def label_rows(self, model: CompiledModel, manifest: Manifest, where: Mapping[str, str | None]) -> LabelRows:
        return self._guarded(lambda: label_rows.label_rows(self._connection, self._names, manifest, model, where))

    def explain(self, model: CompiledModel, manifest: Manifest, request: ExplainRequest) -> Explained:
        def assemble(widened: CompiledModel, rows: RowsRequest) -> Assembled:
            return self.assemble(widened, manifest, rows)

        row = explain.ExplainedRow(self._connection, manifest, model, request, assemble)
        return self._guarded(row.explained)

    def state_at(self, model: CompiledModel, at: datetime, limit: int | None) -> pa.Table:
        return self._guarded(lambda: standing.state_at(self._connection, model, at, limit))

    def states_from(self, model: CompiledModel, at: datetime) -> pa.Table:
        def states() -> pa.Table:
            record = self.records().get(model.id)
            prepared = self._layouts.open(model, record.facts) if record else None
            return snapshots.states(self._connection, model, prepared, at, self._threads)

        return self._guarded(states)

    def window_types(self, model: CompiledModel) -> tuple[Mapping[str, str], pa.Schema]:
        return self._guarded(lambda: snapshots.window_types(self._connection, model))

    def events_from(self, model: CompiledModel, at: datetime) -> pa.Table:
        return self._guarded(lambda: snapshots.events(self._connection, model, at))

    def history_of(self, model: CompiledModel, keys: pa.Table) -> pa.Table:
        return self._guarded(lambda: snapshots.history(self._connection, model, keys))

    def events_of(self, model: CompiledModel, keys: pa.Table) -> pa.Table:
        return self._guarded(lambda: snapshots.events_of(self._connection, model, keys))

    def predictions(self, name: str) -> str | None:
        return self._guarded(lambda: predictions.find(self._connection, self._schema, name))

    def prediction_tables(self) -> Sequence[str]:
        return self._guarded(lambda: predictions.tables(self._connection, self._schema))

    def write_predictions(self, name: str, rows: pa.RecordBatchReader, *, append: bool) -> None:
        self._guarded(lambda: predictions.write(self._connection, self._schema, name, rows, append=append))

    def monitored(self, name: str) -> str | None:
        return self._guarded(lambda: predictions.find(self._connection, self._schema, name, predictions.MONITORED))

    def keep_monitored(self, name: str, rows: pa.Table) -> None:
        def keep() -> None:
            mark, reader = predictions.MONITORED, rows.to_reader()
            predictions.write(self._connection, self._schema, name, reader, append=True, mark=mark)

        self._guarded(keep)

    def profile(self, rows: Assembled | str, request: ProfileRequest) -> Profile:
        def profiled() -> Profile:
            if not request.hold:
                return profile.profile(self._connection.arrow, self._relation(rows), request)
            with profile.held(self._connection, self._relation(rows), request) as (held, rest):
                return profile.profile(self._connection.arrow, held, rest)

        return self._guarded(profiled)

    def profile_of_view(self, model: CompiledModel, request: ProfileRequest, most: int) -> Profile:
        record = self._state.records()[model.id]
        view = model.window_view
        if view is None or record.facts.get(OWN_WINDOWS):
            every = max(-(-(record.rows or 0) // most), 1)
            return self.profile(ref_token(model.name), replace(request, every=every, hold=every > 1))
        builder = Builder(self._connection, self._layouts, self._names, self._schema, self._threads)

        def profiled() -> Profile:
            with builder.sampled(model, view, record.facts, most // 2) as sampled:
                return profile.profile(self._connection.arrow, sampled, request)

        return self._guarded(profiled)

    def values_beyond(self, rows: Assembled | str, request: ProfileRequest, shape: Shape, most: int) -> Sequence[str]:
        def found() -> Sequence[str]:
            return profile.values_beyond(self._connection.arrow, self._relation(rows), request, shape, most)

        return self._guarded(found)

    def _relation(self, rows: Assembled | str) -> str:
        return f"temp.{rows.relation}" if isinstance(rows, Assembled) else with_relations(rows, self._names).text

    def interrupt(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        with suppress(SqlProblem):  # they are known again at the price of reading the files again
            self._keep_hashes()
        self._connection.close()

    def _keep_hashes(self) -> None:
        if self._hashes.changed:
            self._state.keep_files(self._hashes.known.items())
            self._hashes.changed = False

    def _guarded(self, ask: Callable[[], Result]) -> Result:
        try:
            return ask()
        except SqlProblem as problem:
            raise _failed(problem, None) from problem


def _unprepared(node: str) -> str:
    raise EngineError("unknown-relation", f"{node} was asked for before the engine knew the project.")


def _failed(problem: SqlProblem, model: CompiledModel | None) -> SqlfeatError:
    """What went wrong while a statement ran; conversion errors and the like have no place in the author's text."""
    what, hint = problem.what if problem.what.endswith(".") else f"{problem.what}.", None
    place = model.place() if model else None
    if any(reason in what for reason in _REFUSED):
        found = _PATH.search(what)
        where = Path(found["path"]).parent if found else "the target's folder"
        hint = f"is there room on the disk, and may you write into {where}? What was there before is whole."
        return StoreError("cannot-write", what, place, hint)
    if problem.kind == "memory":
        what = f"There is not memory enough: {what}"
        hint = "raise memory_limit of the target (targets: in sqlfeat_project.yml), or lower its threads."
    return RunError("run-failed", what, place, hint)
