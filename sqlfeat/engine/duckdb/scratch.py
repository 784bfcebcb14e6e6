"""A reading of a project: its sources as seen from a vantage, and what its models make of them, in a file of its own.

It is the engine of a target in every respect but what it reads: nothing of the user's target is opened or touched, and
whoever made the file deletes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import CompiledModel, Manifest, TimeFacts
from sqlfeat.engine.base import Record, RowsRequest
from sqlfeat.engine.comparison import Comparable, Compared, SourceView, Vantage
from sqlfeat.engine.duckdb import sources
from sqlfeat.engine.duckdb.clock import set_clock
from sqlfeat.engine.duckdb.comparison import FINAL, compare
from sqlfeat.engine.duckdb.cutoff import key_hash, known_time, seen, timestamp, usable_from
from sqlfeat.engine.duckdb.engine import DuckDBEngine
from sqlfeat.engine.duckdb.layout import instant
from sqlfeat.engine.duckdb.lookup import ROWS
from sqlfeat.engine.duckdb.naming import physical, schema_of, source_name, source_schema
from sqlfeat.engine.duckdb.pushed_rows import source_relation
from sqlfeat.errors import RunError
from sqlfeat.spec.project import SeedFile, SourceTable, TargetSpec

OTHER = "sqlfeat_other"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSIDE = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "ALTER", "DROP", "ANALYZE"}
"""The kinds of statements that a hook may consist of here: others could reach outside the scratch database."""


class ScratchEngine(DuckDBEngine):
    """One reading under way; ``times`` are the time facts of sources and seeds by node."""

    def __init__(
        self,
        target: TargetSpec,
        root: Path,
        folders: Sequence[Path],
        path: Path,
        vantage: Vantage,
        times: Mapping[str, TimeFacts],
        threads: int | None,
    ) -> None:
        super().__init__(replace(target, path=path), root, folders, threads)
        self.path = path
        self._vantage = vantage
        self._times = times
        set_clock(self._connection, vantage.clock)

    # -- sources ---------------------------------------------------------------------------------------------------

    def prepare(self, manifest: Manifest) -> None:
        self._manifest = manifest
        super().prepare(manifest)

    def look_from(self, vantage: Vantage) -> None:
        """See the sources from another vantage, before anything has been built."""
        self._vantage = vantage
        set_clock(self._connection, vantage.clock)
        super().prepare(self._manifest)

    def _prepare_source(
        self, table: SourceTable, manifest: Manifest, known: Mapping[tuple[str, str], str | None]
    ) -> None:
        name = source_name(table.source, table.name)
        columns = [column.name for column in self._manifest.columns[table.id]]
        rows = source_relation(table, self._root, self._manifest.columns[table.id], self.pushed)
        text = seen(rows, columns, self._times[table.id], self._vantage)
        kind = "table" if self._vantage.shuffled else "view"  # a view's order may be forgotten where it is read
        self._connection.execute(f"create schema if not exists {quote(source_schema(table.source))}")
        self._connection.execute(f"create or replace {kind} {name} as {text}")

    def read_seed(self, seed: SeedFile) -> None:
        """Load a seed as it is seen."""
        fingerprint = self._manifest.fingerprints[seed.id]
        columns = [column.name for column in self._manifest.columns[seed.id]]
        text = seen(sources.seed_reader(seed, self._root), columns, self._times[seed.id], self._vantage)
        self._connection.execute(f"create schema if not exists {quote(schema_of(fingerprint))}")
        self._connection.execute(f"create or replace table {physical(seed.name, fingerprint)} as {text}")

    def cutoffs(self, nodes: Iterable[str], count: int) -> list[datetime]:
        """So many quantiles of the event times of these sources and seeds, earliest first, each once.

        Each is put off until just before something more becomes known: what is used too early is usable by then.
        """
        parts, known = [], []
        for node in nodes:
            time = self._times[node]
            known_at = known_time(time)
            if known_at is not None and time.event_time:
                parts.append(f"select {instant(time.event_time)} as t from {self._rows_of(node)}")
                known.append(f"select {known_at} as k from {self._rows_of(node)}")
        if not parts or not count:
            return []
        shares = ", ".join(str((i + 1) / (count + 1)) for i in range(count))
        found = self._guarded(
            lambda: self._connection.value(
                f"select quantile_disc(epoch_us(t), [{shares}]) from ({' union all '.join(parts)}) where isfinite(t)"
            )
        )
        return sorted({self._before_more(_EPOCH + timedelta(microseconds=value), known) for value in found or ()})

    def _before_more(self, at: datetime, known: Sequence[str]) -> datetime:
        """The last microsecond from an instant on in which no more is known than at it."""
        rows = f"({' union all '.join(known)})"
        sql = f"select epoch_us(min(k)) from {rows} where k > {timestamp(at)} and isfinite(k)"
        next_ = self._guarded(lambda: self._connection.value(sql))
        return at if next_ is None else _EPOCH + timedelta(microseconds=next_ - 1)

    def seen_at(self, nodes: Iterable[str], at: datetime) -> list[SourceView]:
        """How many rows of these timed sources and seeds there are, and how many are hidden at an instant."""
        views = []
        for node in nodes:
            known = known_time(self._times[node])
            if known is not None:
                hidden = f"count(*) filter (where ({known} <= {timestamp(at)}) is not true)"
                views.append(
                    SourceView(node, self.rows(node), self._number(f"select {hidden} from {self._rows_of(node)}"))
                )
        return views

    def threshold(self, nodes: Sequence[str], keys: Sequence[str], share: float | None, count: int | None) -> int:
        """Up to which hash keys belong to a sample: of a share of all entities, or of so many of them.

        It is raised where a source would have none of them.
        """
        hashes = [f"select {key_hash(keys)} as h from {self._rows_of(node)}" for node in nodes]
        least = " union all ".join(f"select min(h) as h from ({each})" for each in hashes)
        least_of_all = self._number(f"select coalesce(max(h), 0) from ({least})")
        if share is not None:
            return max(least_of_all, int(share * (2**64 - 1)))
        every = " union all ".join(hashes)
        most = self._number(f"select max(h) from (select distinct h from ({every}) order by h limit {count})")
        return max(least_of_all, most)

    def rows(self, node: str) -> int:
        """How many rows of a source are seen."""
        return self._number(f"select count(*) from {self._rows_of(node)}")

    def _number(self, sql: str) -> int:
        return int(self._guarded(lambda: self._connection.value(sql)) or 0)

    def _rows_of(self, node: str) -> str:
        kind, name = node.split(".", 1)
        if kind == "source":
            return source_name(*name.split(".", 1))
        seed = self._manifest.seeds[node]
        return f"({seen(sources.seed_reader(seed, self._root), (), TimeFacts(), Vantage(_EPOCH))})"

    # -- models ----------------------------------------------------------------------------------------------------

    def compute(self, model: CompiledModel, what: Comparable | None, *, keep: bool) -> None:
        """Make a model; one to ``keep`` is a table even where it is a view, so that every reader finds the same.

        Raises:
            RunError: it cannot be made from what is seen.
        """
        if model.training_set is not None:
            if what is not None:
                self._guarded(lambda: self._keep_training_set(model, what))
            return
        _refuse_outside(model)
        made = model
        if keep and model.materialized in ("view", "ephemeral"):
            time = replace(model.time, immutable=False)  # a view has no prepared layout, and so this has none
            made = replace(model, config=replace(model.config, materialized="table"), keys=(), time=time)
        self.build_model(made, Record(model.id, model.fingerprint, "scratch", None, self._vantage.clock, 0.0))
        if keep and model.window_view is not None:
            self._guarded(lambda: self._keep_rows(model))

    def _keep_rows(self, model: CompiledModel) -> None:
        """A view over events becomes a table: it is read for every comparison."""
        name = physical(model.name, model.fingerprint)
        kind = self._connection.value(
            "select table_type from information_schema.tables where table_schema = ? and table_name = ? "
            "and table_catalog = current_database()",
            [schema_of(model.fingerprint), model.name],
        )
        if kind == "VIEW":
            kept = physical(model.name, model.fingerprint, "kept")
            with self._connection.transaction():
                self._connection.execute(f"create table {kept} as select * from {name}")
                self._connection.execute(f"drop view {name}")
                self._connection.execute(f"alter table {kept} rename to {quote(model.name)}")

    def _keep_training_set(self, model: CompiledModel, what: Comparable) -> None:
        """A training set's rows as a table, each with the instant from which it must stay as it is."""
        assembled = self.assemble(model, self._manifest, RowsRequest())
        final = usable_from(what.time or TimeFacts(), what.horizon)
        self._connection.execute(f"create schema if not exists {quote(schema_of(model.fingerprint))}")
        self._connection.execute(
            f"create or replace table {physical(model.name, model.fingerprint)} as\n"
            f"select o.*, r.{FINAL} from temp.{assembled.relation} as o "
            f"positional join (select {final} as {FINAL} from temp.{ROWS}) as r"
        )

    # -- comparison ------------------------------------------------------------------------------------------------

    def beside(self, other: Path) -> None:
        """Open another reading's file, to be compared with; nobody may have it open for writing."""
        self._guarded(lambda: self._connection.execute(f"attach {literal(str(other))} as {OTHER} (read_only)"))

    def compare(self, what: Comparable, cutoff: datetime | None) -> Compared:
        """What differs between the other reading (on the left) and this one, in rows that are usable at the cutoff."""
        own = physical(what.name, what.fingerprint)
        return self._guarded(lambda: compare(self._connection, f"{OTHER}.{own}", own, what, cutoff))

    def compare_inputs(self, model: CompiledModel, what: Comparable, cutoff: datetime) -> Compared:
        """What differs in inputs that were asked for by the cutoff, looked up here for the other's label rows.

        Requests come whether or not their label is ever known: which label rows there are must not decide.
        """
        assert model.training_set is not None
        names, labels = self._names, model.training_set.labels
        try:
            self._names = lambda node: f"{OTHER}.{names(node)}" if node == labels else names(node)
            assembled = self.assemble(model, self._manifest, RowsRequest(end=cutoff + timedelta(microseconds=1)))
        finally:
            self._names = names
        left, right = f"{OTHER}.{physical(what.name, what.fingerprint)}", f"temp.{assembled.relation}"
        return self._guarded(lambda: compare(self._connection, left, right, what, cutoff))


def _refuse_outside(model: CompiledModel) -> None:
    """Raise :class:`RunError` where a hook could reach outside the database, and touch what is the user's."""
    for key in ("pre_hook", "post_hook"):
        for text in getattr(model.config, key):
            try:
                kinds = {statement.type.name for statement in duckdb.extract_statements(text)}
            except duckdb.Error:
                continue  # what DuckDB cannot read it will refuse with words
            if kinds - _INSIDE:
                what = f"The {key} of {model.name} reaches outside the database, so it is not run in a scratch one."
                raise RunError("hook-outside", what, model.place(key))
