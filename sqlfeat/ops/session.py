"""One project at work: its spec, its target, and, when they are first needed, its manifest and its engine.

Compiler, engine and stores are imported where they are first needed: ``registry ls`` waits for none of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.names import did_you_mean
from sqlfeat.errors import EngineError, ProjectError, SqlfeatError, StoreError, UsageError
from sqlfeat.ops.results import Event, Listener, silent
from sqlfeat.spec.project import ProjectSpec, SourceTable, TargetSpec

if TYPE_CHECKING:
    from sqlfeat.compiler.facades import Answer
    from sqlfeat.compiler.manifest import CompiledModel, Manifest, TimeFacts
    from sqlfeat.compiler.project import Compilation, World
    from sqlfeat.engine.base import Engine, Scratch
    from sqlfeat.engine.comparison import Vantage
    from sqlfeat.engine.duckdb.catalog import ShadowCatalog
    from sqlfeat.engine.duckdb.engine import DuckDBEngine
    from sqlfeat.engine.duckdb.pushed_rows import PushedFiles
    from sqlfeat.store.online_redis import RedisStore
    from sqlfeat.store.pushed_lmdb import LmdbPushes
    from sqlfeat.store.pushed_redis import RedisPushes


class Session:
    """What an operation works with. Close it when done: the target's file is held open for writing.

    Unless it ``notifies``, the project's event hooks are told nothing of what is done.

    Raises:
        UsageError: ``unknown-target``.
    """

    def __init__(
        self,
        spec: ProjectSpec,
        *,
        target: str | None = None,
        variables: Mapping[str, Any] | None = None,
        threads: int | None = None,
        listener: Listener = silent,
        clock: Clock | None = None,
        notifies: bool = True,
    ) -> None:
        self.spec = spec
        self.target = _target(spec, target)
        self.variables = {**spec.vars, **(variables or {})}
        self.threads = threads
        self.listener = listener
        self.clock: Clock = clock or SystemClock()
        self.notifies = notifies
        self._manifest: Manifest | None = None
        self._outline: Manifest | None = None
        self._compilation: Compilation | None = None
        self._engine: DuckDBEngine | None = None
        self._holding = False
        self._told: set[str] = set()
        self._redis_pushes: RedisPushes | None = None
        self.taken_up = 0

    @property
    def pushes(self) -> LmdbPushes | RedisPushes:
        """What is pushed to the project's sources."""
        said = self.spec.online
        if said.get("store") == "redis":
            if self._redis_pushes is None:
                self._redis_pushes = redis_store(self.spec, self.clock).pushes(self.spec.target_path / "online")
            return self._redis_pushes
        from sqlfeat.store.pushed_lmdb import LmdbPushes

        return LmdbPushes(Path(said.get("path") or self.spec.root / "target" / "online"), clock=self.clock)

    @property
    def folders(self) -> Sequence[Path]:
        """What an engine may read: the project, and where its sources lie."""
        return self._folders()

    @property
    def engine(self) -> Engine:
        """The target, open; raises :class:`EngineError` if it cannot be."""
        return self._opened()

    @property
    def manifest(self) -> Manifest:
        """The project compiled and bound: columns, time facts, plans, fingerprints."""
        if self._manifest is None:
            self._manifest = self._compile()
        return self._manifest

    @property
    def outline(self) -> Manifest:
        """The project compiled as far as text goes: names, order, config. Reads no source and opens no target."""
        if self._manifest is not None:
            return self._manifest
        if self._outline is None:
            self._outline = self._rendered().manifest()
        return self._outline

    def bound(self, nodes: Collection[str]) -> Manifest:
        """The project of which no more than these nodes, and all that they are made from, is bound."""
        if self._manifest is not None:
            return self._manifest
        with self.catalog() as catalog:
            return self._rendered().manifest(catalog, {*nodes, *self.outline.graph.ancestors(nodes)})

    def recompile(self) -> Manifest:
        """Compile again: what ``run_query`` answers may have changed."""
        self._compilation = None
        self._manifest = self._compile()
        if self._engine is not None:
            self._engine.prepare(self._manifest)
        return self._manifest

    def prepared(self, ids: Sequence[str]) -> Engine:
        """The engine, ready for these nodes; raises what is wrong with them or with what they are made from."""
        self.manifest.raise_errors(ids)
        engine = self._opened()
        self._take_up()
        engine.prepare(self.manifest)
        return engine

    def check_sources(self, ids: Sequence[str], *, accept: bool = False) -> None:
        """Raise ``source-changed`` where a source above these nodes has not the columns that it had.

        With ``accept`` those that it has now are what holds. Where there is no target yet nothing is known of before.
        """
        from sqlfeat.ops.source_shapes import check_sources

        broken = any(node in self.manifest.errors for node in ids)
        if broken and (self._engine is None and not (self.target.path and self.target.path.exists())):
            return

        def log_once(text: str) -> None:
            if text not in self._told:
                self._told.add(text)
                self.log(text)

        check_sources(self.manifest, self._opened(), ids, log_once, accept=accept)

    @contextmanager
    def holding_pushes(self) -> Iterator[int]:
        """Take up what is pushed so far, and nothing more while the block runs; gives the last event's number."""
        self._opened()
        self._take_up()
        self._holding = True
        try:
            yield self.taken_up
        finally:
            self._holding = False

    def _take_up(self) -> None:
        """Let sources have what was pushed to them so far."""
        if self._holding or self._engine is None:
            return
        self.taken_up, self._engine.pushed = self._pushed_files()

    def _pushed_files(self) -> tuple[int, PushedFiles]:
        pushes = self.pushes
        try:
            pushes.pull()
        except StoreError as down:
            self.log(f"{down.what} What was pushed, and is not on this machine yet, is left out.")
        if not pushes.exists:
            return 0, {}
        last, files = pushes.taken_up()
        for error in pushes.damaged():
            self.log(f"{error.what} It is left out, and stays where it is.")
        return last, {f"source.{name}": paths for name, paths in files.items()}

    @contextmanager
    def catalog(self) -> Iterator[ShadowCatalog]:
        """The engine as the compiler asks it, for as long as the block runs."""
        from sqlfeat.engine.duckdb.catalog import ShadowCatalog

        catalog = ShadowCatalog(self.spec.root, self._folders(), self._ask)
        try:
            yield catalog
        finally:
            catalog.close()

    def scratch(self, path: Path, vantage: Vantage, times: Mapping[str, TimeFacts], threads: int | None) -> Scratch:
        """A file of its own in which the project is read from a vantage, under the target's limits."""
        from sqlfeat.engine.duckdb.scratch import ScratchEngine

        self._require_duckdb()
        scratch = ScratchEngine(self.target, self.spec.root, self._folders(), path, vantage, times, threads)
        _, scratch.pushed = self._pushed_files()
        try:
            scratch.prepare(self.manifest)
        except BaseException:
            scratch.close()
            raise
        return scratch

    def training_set(self, name: str) -> CompiledModel:
        """A training set's model, without errors in it; raises :class:`UsageError` where the name means none."""
        model = self.outline.models.get(name)
        known = [m.name for m in self.outline.models.values() if m.materialized == "training_set"]
        if model is None or model.name not in known:
            what = "no model" if model is None else f"a {model.materialized}, not a training set"
            hint = did_you_mean(name, known) or "a training set is a model with materialized='training_set'."
            raise UsageError("unknown-training-set", f"{name!r} is {what}.", hint=hint)
        try:
            self.manifest.raise_errors([model.id])
        except SqlfeatError:
            self.check_sources([model.id])  # which says better what is wrong, where that is it
            raise
        return self.manifest.models[name]

    def training_set_definition(self, name: str) -> Mapping[str, Any]:
        """A training set's ``definition`` (a fingerprint of SELECT and features, not of the split) and ``features``.

        ``request`` are the columns that a row to be scored must carry, with their types.
        """
        from sqlfeat.ops.definition import definition_of, feature_fingerprints

        model = self.training_set(name)
        assert model.training_set is not None
        types = {column.name: column.type for column in model.training_set.label_columns}
        return {
            "definition": definition_of(model, self.manifest),
            "features": feature_fingerprints(model, self.manifest),
            "request": [{"name": column, "type": types[column]} for column in model.training_set.needed],
        }

    def log(self, text: str) -> None:
        """A line for whoever watches."""
        self.listener(Event("log", text=text))

    def close(self) -> None:
        """Let go of the target."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    # -- how they come to be ---------------------------------------------------------------------------------------

    def _world(self) -> World:
        from sqlfeat.compiler.project import World

        target = {
            "name": self.target.name,
            "schema": self.target.schema,
            "type": self.target.engine,
            "threads": self.threads or self.target.threads or 1,
            "database": self.target.path.stem if self.target.path else "",
            "profile_name": self.spec.name,
        }
        return World(self.variables, dict(os.environ), target, self.log)

    def _rendered(self) -> Compilation:
        if self._compilation is None:
            from sqlfeat.compiler.project import Compilation

            self._compilation = Compilation(self.spec, self._world())
        return self._compilation

    def _compile(self) -> Manifest:
        with self.catalog() as catalog:
            return self._rendered().manifest(catalog)

    def _opened(self) -> DuckDBEngine:
        if self._engine is None:
            from sqlfeat.engine.duckdb.engine import DuckDBEngine

            self._require_duckdb()
            self._engine = DuckDBEngine(self.target, self.spec.root, self._folders(), self.threads)
        return self._engine

    def _require_duckdb(self) -> None:
        if self.target.engine != "duckdb":
            raise EngineError(
                "engine-missing",
                f"The target {self.target.name!r} has the engine {self.target.engine!r}, "
                "which this sqlfeat does not run on.",
                self.target.place,
                "choose a duckdb target: --target NAME.",
            )

    def _folders(self) -> list[Path]:
        """What DuckDB may touch: the project, and where its sources lie."""
        from sqlfeat.engine.duckdb import sources

        folders = [self.spec.root]
        for table in self.spec.sources.values():
            if "://" not in table.location:
                folders.append(sources.folders_of(table, self.spec.root))
        found = [folder.resolve() for folder in folders if folder.is_dir()]
        found.append(self.pushes.folder.resolve())  # something may be pushed later
        return list(dict.fromkeys(found))

    def _ask(self, sql: str) -> Answer:
        """``run_query``: an answer of the target as it stands, before this run."""
        from sqlfeat.compiler.catalog import SqlProblem
        from sqlfeat.compiler.rewriting import with_relations
        from sqlfeat.engine.duckdb.naming import physical, source_name

        engine = self._opened()
        self._take_up()
        records = engine.records()

        def name_of(node: str) -> str:
            kind, name = node.split(".", 1)
            if kind == "source":
                source, table = name.split(".", 1)
                found = self.spec.sources.get((source, table))
                return f"(from {self._read(found)})" if found else source_name(source, table)
            record = records.get(f"model.{name}") or records.get(f"seed.{name}")
            if record is None:
                raise SqlProblem(f"{name} has not been built yet", "unbuilt", name=name)
            return physical(name, record.fingerprint)

        return engine.ask(with_relations(sql, name_of).text)

    def _read(self, table: SourceTable) -> str:
        """What stands after FROM to read a source with what was pushed to it, as a run does."""
        from sqlfeat.engine.duckdb import sources
        from sqlfeat.engine.duckdb.pushed_rows import source_relation

        pushed = self._engine.pushed if self._engine is not None else {}
        if table.id not in pushed:
            return sources.reader(table, self.spec.root)
        with self.catalog() as catalog:
            return source_relation(table, self.spec.root, catalog.source_columns(table), pushed)


def redis_store(spec: ProjectSpec, clock: Clock) -> RedisStore:
    """The project's online store, where that is a server."""
    from sqlfeat.store.online_redis import RedisStore

    said = spec.online
    return RedisStore(said["url"], said["namespace"] or spec.name, timeout=said["timeout"], clock=clock)


def _target(spec: ProjectSpec, name: str | None) -> TargetSpec:
    wanted = name or spec.default_target
    if wanted not in spec.targets:
        hint = did_you_mean(wanted, spec.targets)
        if name is None:
            raise ProjectError("unknown-target", f"default_target names {wanted!r}, which is no target.", None, hint)
        raise UsageError("unknown-target", f"There is no target {wanted!r}.", hint=hint)
    return spec.targets[wanted]
