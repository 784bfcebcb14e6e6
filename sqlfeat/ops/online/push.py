"""Push: events of a source, seen at once by the online views that are made of it row by row, kept for the next run.

What is pushed are rows of the source that a view is made of: then every view, and every later run, makes of them what
it makes of the source's own. An event is known again by all that it says; one that does not say when it became known
became known when it was pushed first.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.manifest import Column as TypedColumn
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.row_by_row import RowByRow, row_by_row
from sqlfeat.engine.base import AVAILABLE_AT, EVENT_AT
from sqlfeat.engine.duckdb.pushing import PushEngine
from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops.given_rows import Rows, table_of
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.ops.online.given import plain_of
from sqlfeat.ops.online.made_rows import FEW, MadeRows
from sqlfeat.ops.online.merged import TIMES, Merging
from sqlfeat.ops.online.publish import online_store, online_views
from sqlfeat.ops.online.published import ENTITIES, PublishedView
from sqlfeat.ops.online.published import table_of as view_table
from sqlfeat.ops.online.reading import views_of
from sqlfeat.ops.session import Session
from sqlfeat.spec.project import SourceTable
from sqlfeat.store.entity_records import EventBlock
from sqlfeat.store.online import Snapshot
from sqlfeat.store.plain_values import packer_of, to_arrow
from sqlfeat.store.pushed import Events, PushStore, ViewRow, form_of
from sqlfeat.store.row_codec import Row, RowCodec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXTS = (".jsonl", ".ndjson", ".json")
Plain = dict[str, Any]


@dataclass(frozen=True)
class Pushed:
    """What became of a push: how many rows are new and how many were known, and which views have how many of them.

    ``waiting`` are online views that have the source's new rows only from the next publication on.
    """

    source: str
    new: int
    known: int
    views: Mapping[str, int]
    waiting: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The push in the shape of ``--json``."""
        return {
            "source": self.source,
            "new": self.new,
            "known": self.known,
            "views": dict(self.views),
            "waiting": list(self.waiting),
            "seconds": round(self.seconds, 6),
        }


class Pusher:
    """Pushes to a project's sources; any thread may push."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pushes: PushStore = session.pushes
        self._store = online_store(session)
        self._engine = PushEngine(session.folders, session.spec.root, session.manifest)
        self._feeds: dict[str, _Feed] = {}
        self._snapshot: Snapshot | None = None
        self._made: dict[str, tuple[_Published, ...]] = {}
        self._lock = threading.Lock()

    def push(self, name: str, rows: Rows | Sequence[Mapping[str, Any]]) -> Pushed:
        """Push rows of the source that a view (or a source: ``SOURCE.TABLE``) is named for.

        ``rows`` are mappings, a table or data frame, or a file: Parquet, Arrow, CSV or JSON lines.

        Raises:
            UsageError: ``not-pushable``, ``unknown-view``, ``bad-push-row``.
            StoreError: they could not be kept.
        """
        started = self._session.clock.monotonic()
        with self._lock:
            feed = self._feed(name)
            given = _given(rows)
            if not given if isinstance(given, list) else not given.num_rows:
                return Pushed(feed.name, 0, 0, {}, feed.waiting, 0.0)
            batch = feed.batch(given, self._now())
            views = self._views(feed)
            batch, repeated = self._without_repeated(feed, views, batch)
            counts: dict[str, int] = {}

            def evaluate(places: Sequence[int]) -> dict[str, list[ViewRow]]:
                some = batch.only(places)
                made = {one.view.table: one.rows(some) for one in views}
                counts.update({one.view.name: len(made[one.view.table]) for one in views})
                return made

            def elsewhere(table: str, identity: bytes) -> list[ViewRow]:
                one = next(one for one in views if one.view.table == table)
                return one.versions(self._open(), identity)

            new = known = 0
            if batch.ids:
                events = Events(feed.name, feed.form, batch.ids, batch.rows, batch.said)
                done = self._pushes.append(events, [one.view.table for one in views], evaluate, elsewhere)
                new, known = done.new, done.known
        there = {one.view.name: counts.get(one.view.name, 0) for one in views}
        waiting = tuple(name for name in feed.online if name not in there)
        return Pushed(feed.name, new, known + repeated, there, waiting, self._session.clock.monotonic() - started)

    def close(self) -> None:
        """Let go of the snapshot that new rows are compared with."""
        self._engine.close()
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _now(self) -> int:
        return (self._session.clock.now().astimezone(UTC) - _EPOCH) // _MICROSECOND

    # -- what a name means -----------------------------------------------------------------------------------------

    def _feed(self, name: str) -> _Feed:
        """The source that is meant by a view's name or its own."""
        found = self._feeds.get(name)
        if found is None:
            manifest = self._session.manifest
            if name in manifest.models:
                source = self._source_of(manifest.models[name])
            else:
                source = f"source.{name}"
                if source not in manifest.sources:
                    known = [*(view.name for view in online_views(self._session)), *_names(manifest.sources)]
                    hint = did_you_mean(name, known) or "rows are pushed to an online feature view, or to a source."
                    raise UsageError("unknown-view", f"There is no feature view or source {name!r}.", hint=hint)
            found = self._feeds[name] = _Feed.of(self._session, source, self._engine)
        return found

    def _source_of(self, view: CompiledModel) -> str:
        if view not in online_views(self._session) or view.time.event_time is None:
            what = f"{view.name} is no online feature view, so nobody would see what is pushed to it."
            raise UsageError("not-pushable", what, view.place(), "say config(online=true), and sqlfeat publish.")
        self._session.manifest.raise_errors([view.id])
        way = row_by_row(self._session.manifest, view)
        if isinstance(way, RowByRow):
            return way.source
        own = "" if way.model == view.name else f"{way.model}, which {view.name} is made of, "
        what = f"Rows cannot be pushed to {view.name}: {own or 'it '}{way.why}."
        hint = (
            "what is pushed is seen at once where a view is made of its source row by row: plain expressions, WHERE, "
            "and window(). For others, push to the source (SOURCE.TABLE), and publish."
        )
        place = self._session.manifest.models[way.model].place() if way.model in self._session.manifest.models else None
        raise UsageError("not-pushable", what, place, hint)

    # -- what is published -----------------------------------------------------------------------------------------

    def _open(self) -> Snapshot | None:
        """The newest snapshot, if there is one."""
        newest = self._store.newest()
        if self._snapshot is None or newest != self._snapshot.number:
            if self._snapshot is not None:
                self._snapshot.close()
            self._made.clear()
            try:
                self._snapshot = self._store.open()
            except StoreError as error:
                if error.code != "no-snapshot":
                    raise
                self._snapshot = None
        return self._snapshot

    def _views(self, feed: _Feed) -> tuple[_Published, ...]:
        """The views of the newest snapshot that are made of a source row by row, as they are defined now."""
        snapshot = self._open()
        if snapshot is None:
            return ()
        if feed.source not in self._made:
            published = views_of(snapshot)
            self._made[feed.source] = tuple(
                _Published(published[view_table(view)], way, feed, self._engine)
                for view, way in feed.ways
                if view_table(view) in published
            )
        return self._made[feed.source]

    def _without_repeated(self, feed: _Feed, views: Sequence[_Published], batch: _Batch) -> tuple[_Batch, int]:
        """The rows but for those that the source brought before, where a view would count them twice.

        Only where nothing says what an event is, and a snapshot has one that looks the same, is the source asked.
        """
        suspects: set[int] = set()
        for one in views:
            if one.counts_rows:
                suspects |= one.seen_before(self._open(), batch)
        if not suspects:
            return batch, 0
        places = sorted(suspects)
        some = batch.only(places)
        there = self._engine.already_there(feed.table, self._session.spec.root, some.table(), some.said)
        repeated = {places[place] for place in there}
        return batch.only([place for place in range(len(batch.ids)) if place not in repeated]), len(repeated)


def _names(sources: Mapping[str, SourceTable]) -> list[str]:
    return [node.removeprefix("source.") for node in sources]


# -- rows of a source --------------------------------------------------------------------------------------------------


class _Batch:
    """Rows of a source: packed, each with what identifies it, plain where they are few, and as a table.

    ``said`` tells of each whether it says itself when it became known. ``made`` is what views make of them.
    """

    def __init__(
        self,
        rows: Sequence[bytes],
        ids: Sequence[bytes],
        said: Sequence[bool],
        plain: Sequence[Plain] | None,
        table: Callable[[], pa.Table],
    ) -> None:
        self.rows = rows
        self.ids = ids
        self.said = said
        self.plain = plain
        self.table = cache(table)
        self.made: dict[str, list[ViewRow]] = {}

    def only(self, places: Sequence[int]) -> _Batch:
        """Some of them."""
        if len(places) == len(self.ids):
            return self
        return _Batch(
            [self.rows[place] for place in places],
            [self.ids[place] for place in places],
            [self.said[place] for place in places],
            None if self.plain is None else [self.plain[place] for place in places],
            lambda: self.table().take(pa.array(places, pa.int64())),
        )


class _Feed:
    """A source that rows are pushed to, and the online views that are made of it row by row."""

    def __init__(
        self,
        table: SourceTable,
        columns: Sequence[TypedColumn],
        ways: Sequence[tuple[CompiledModel, RowByRow]],
        online: Sequence[str],
        engine: PushEngine,
    ) -> None:
        self.table = table
        self.source = table.id
        self.name = table.id.removeprefix("source.")
        self.columns = columns
        self.ways = ways
        self.online = online
        self._engine = engine
        kinds = engine.arrow_types([column.type for column in columns])
        self._typed = {column.name: Typed(column.type, kinds[column.type]) for column in columns}
        self._schema = pa.schema([(name, typed.arrow) for name, typed in self._typed.items()])
        self._names = self._schema.names
        self._codec = RowCodec.of(self._schema)
        self._pack = packer_of(self._codec.columns)
        self._mark = blake2b(self.name.encode(), digest_size=16).digest()
        self.form = form_of(self.name, self._schema)
        names = {column.name.casefold(): column.name for column in columns}
        self._known_at = names.get((table.available_at or "").casefold())

    @classmethod
    def of(cls, session: Session, source: str, engine: PushEngine) -> _Feed:
        manifest = session.manifest
        manifest.raise_errors([source])
        table = manifest.sources[source]
        below = [view for view in online_views(session) if source in manifest.graph.ancestors([view.id])]
        ways = []
        for view in below:
            way = row_by_row(manifest, view) if view.time.event_time is not None else None
            if not isinstance(way, RowByRow):
                continue
            if way.source == source:
                ways.append((view, way))
            elif source in way.beside:
                what = f"{source.removeprefix('source.')} is read by {view.name} as what never changes."
                raise UsageError("not-pushable", what, hint="let the source bring it, and sqlfeat publish.")
        return cls(table, manifest.columns[source], ways, [view.name for view in below], engine)

    @property
    def waiting(self) -> tuple[str, ...]:
        named = {view.name for view, _ in self.ways}
        return tuple(name for name in self.online if name not in named)

    def batch(self, given: list[Mapping[str, Any]] | pa.Table, now: int) -> _Batch:
        """Given rows as rows of the source; those that do not say when they were known were known ``now``."""
        if not isinstance(given, list):
            return self._of_table(given, now)
        plain = self._plain(given)
        if len(plain) > FEW or self._pack is None:
            return self._of_typed(self._table(plain), now)
        rows = [self._pack([row[name] for name in self._names]) for row in plain]
        ids, said, known = [self._id(row) for row in rows], [True] * len(rows), self._known_at
        if known is not None:
            for place, row in enumerate(plain):
                if row[known] is None:
                    said[place] = False
                    plain[place] = stamped = {**row, known: self._stamp(now)}
                    rows[place] = self._pack([stamped[name] for name in self._names])
        return _Batch(rows, ids, said, plain, lambda: self._table(plain))

    def _of_table(self, given: pa.Table, now: int) -> _Batch:
        self._check_names(given.column_names)
        known = self._known_at
        if known is not None and known not in given.column_names:
            given = given.append_column(known, pa.nulls(given.num_rows))
        typed = self._engine.typed(given.select(self._names), self.columns)
        arrays = [column.cast(field.type) for column, field in zip(typed.columns, self._schema, strict=True)]
        return self._of_typed(pa.table(arrays, schema=self._schema), now)

    def _of_typed(self, unstamped: pa.Table, now: int) -> _Batch:
        """Rows of the source's types; a null says nothing of when a row was known."""
        known, table, said = self._known_at, unstamped, [True] * unstamped.num_rows
        if known is not None and unstamped[known].null_count:
            said = unstamped[known].is_valid().to_pylist()
            place = self._schema.get_field_index(known)
            stamp = to_arrow([self._stamp(now)], self._typed[known].arrow)[0]
            table = unstamped.set_column(place, self._schema.field(place), unstamped[known].fill_null(stamp))
        rows = self._codec.encode(table).to_pylist()
        named = rows if table is unstamped else self._codec.encode(unstamped).to_pylist()
        return _Batch(rows, [self._id(row) for row in named], said, None, lambda: table)

    def _id(self, row: bytes) -> bytes:
        """What identifies an event: all that it says."""
        return blake2b(row, digest_size=16, key=self._mark).digest()

    def _plain(self, rows: Sequence[Mapping[str, Any]]) -> list[Plain]:
        made = []
        for number, row in enumerate(rows, 1):
            if row.keys() != self._typed.keys():
                self._check_names(row, number)
            try:
                made.append({name: plain_of(name, row.get(name), typed) for name, typed in self._typed.items()})
            except UsageError as error:
                raise UsageError("bad-push-row", f"Row {number}: {error.what}", hint=error.hint) from None
        return made

    def _check_names(self, given: Any, number: int | None = None) -> None:
        """Refuse what is no column of the source, and what lacks one."""
        at = f"Row {number}: " if number is not None else ""
        for name in given:
            if name not in self._typed:
                hint = did_you_mean(name, self._typed) or f"its columns: {', '.join(self._typed)}."
                raise UsageError("bad-push-row", f"{at}{self.name} has no column {name!r}.", hint=hint)
        lacking = [name for name in self._typed if name not in given and name != self._known_at]
        if lacking:
            what = f"{at}{', '.join(map(repr, lacking))} {'is' if len(lacking) == 1 else 'are'} missing."
            raise UsageError(
                "bad-push-row", what, hint=f"a row has all columns of {self.name}; null is for what is not known."
            )

    def _table(self, plain: Sequence[Plain]) -> pa.Table:
        arrays = [to_arrow([row[field.name] for row in plain], field.type) for field in self._schema]
        return pa.table(arrays, schema=self._schema)

    def _stamp(self, now: int) -> int:
        """An instant as a plain value of the column that says when a row was known."""
        assert self._known_at is not None
        kind = self._typed[self._known_at].arrow
        if pa.types.is_date32(kind):
            return now // 86_400_000_000
        if not pa.types.is_timestamp(kind):
            what = f"{self.name} says when a row was known as {kind}, in which no instant can be written."
            raise RunError("bad-push-row", what, hint=f"give {self._known_at} in every row.")
        return {"ns": now * 1000, "us": now, "ms": now // 1000, "s": now // 1_000_000}[kind.unit]


# -- views of a snapshot -----------------------------------------------------------------------------------------------


class _Published:
    """A view of the newest snapshot that is made of a source row by row."""

    def __init__(self, view: PublishedView, way: RowByRow, feed: _Feed, engine: PushEngine) -> None:
        if view.identity_problem:
            what = (
                f"Rows cannot be pushed to {view.name}: its unique_key has {view.identity_problem!r}, which is nested."
            )
            raise UsageError("not-pushable", what, way.models[-1].place(), "cast it to text.")
        self.view = view
        self.made = MadeRows(view, way, feed.table, feed.columns, engine)
        self._merging = Merging(view)
        self._events = view.event_codec
        self._read = [column.name for column in view.windows.read if column.name not in TIMES] if view.windows else []

    def rows(self, batch: _Batch) -> list[ViewRow]:
        """What the view makes of rows."""
        table = self.view.table
        if table not in batch.made:
            batch.made[table] = self.made.rows(batch.table, batch.plain)
        return batch.made[table]

    @property
    def counts_rows(self) -> bool:
        """Whether each row is an event of its own, so that the same row again would count again."""
        return self.view.windows is not None and not self.view.ranking.unique_key

    def seen_before(self, snapshot: Snapshot | None, batch: _Batch) -> set[int]:
        """The places of rows that look like an event that the snapshot has.

        Where some rows make none, it is not known which row made what: then all of them.
        """
        rows = self.rows(batch)
        if snapshot is None or not rows:
            return set()
        fetched = snapshot.fetch([(self.view.event_table, row.key) for row in rows])
        found = set()
        for place, (row, record) in enumerate(zip(rows, fetched, strict=True)):
            if not record:
                continue
            block = self._events.decode(record)
            one = self._merging.codec.decode(row.data)
            if self._is_in(block, one):
                found.add(place)
        return set(range(len(batch.ids))) if found and len(rows) < len(batch.ids) else found

    def _is_in(self, block: EventBlock, row: Row) -> bool:
        """Whether an event of the same instant has all that windows read of a pushed one."""
        events = block.integers(EVENT_AT)
        first, last = bisect_left(events, row[0]), bisect_right(events, row[0])
        values = [(block.values(name), self._merging.value(name, row)) for name in self._read] if first < last else []
        return any(all(_same(column[at], wanted) for column, wanted in values) for at in range(first, last))

    def versions(self, snapshot: Snapshot | None, identity: bytes) -> list[ViewRow]:
        """The versions of an event that the snapshot has, under the keys of their entities."""
        if snapshot is None:
            return []
        (listed,) = snapshot.fetch([(self.view.identity_table, identity)])
        if not listed:
            return []
        (entities,) = ENTITIES.decode(listed)
        found = []
        for key, record in zip(
            entities, snapshot.fetch([(self.view.event_table, key) for key in entities]), strict=True
        ):
            if record:
                found += self._versions_of(key, record, identity)
        return found

    def _versions_of(self, key: bytes, record: bytes, identity: bytes) -> list[ViewRow]:
        view, block = self.view, self._events.decode(record)
        own = RowCodec(view.keys, plain=True).decode(key, 1) if view.keys else ()
        columns: dict[str, list[Any]] = {EVENT_AT: list(block.integers(EVENT_AT))}
        columns[AVAILABLE_AT] = list(block.integers(AVAILABLE_AT))
        columns |= {column.name: [value] * block.count for column, value in zip(view.keys, own, strict=True)}
        packed = self._merging.columns
        for column in packed[2 + len(view.keys) :]:
            columns[column.name] = block.values(column.name)
        table = pa.table([to_arrow(columns[c.name], c.type) for c in packed], names=[c.name for c in packed])
        identities = view.identity_codec.encode(table.select(list(view.ranking.unique_key))).to_pylist()
        data = RowCodec(packed).encode(table).to_pylist()
        return [ViewRow(key, row) for row, other in zip(data, identities, strict=True) if other == identity]


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) or (left != left and right != right)


# -- what is handed over -----------------------------------------------------------------------------------------------


def _given(rows: Any) -> list[Mapping[str, Any]] | pa.Table:
    """Rows as mappings, where they are that or JSON, else as a table."""
    if isinstance(rows, str | Path) and Path(rows).name.endswith(_TEXTS):
        return _json_rows(Path(rows))
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        if not all(isinstance(row, Mapping) for row in rows):
            raise UsageError("bad-rows", "Each row is a mapping of columns to values.")
        return list(rows)
    return table_of(rows)


def _json_rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError("no-such-file", f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("cannot-read", f"{path} cannot be read.", details=[str(error)]) from error
    found: list[Mapping[str, Any]] = []
    if text.lstrip()[:1] == "[":
        return _objects(path, text)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            found += _objects(path, f"[{line}]", number)
    return found


def _objects(path: Path, text: str, number: int | None = None) -> list[Mapping[str, Any]]:
    at = "" if number is None else f", line {number},"
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("cannot-read", f"{path}{at} is no JSON.", details=[str(error)]) from None
    if not all(isinstance(row, dict) for row in rows):
        raise UsageError("bad-rows", f"{path}{at} has a row that is no object.")
    return list(rows)
