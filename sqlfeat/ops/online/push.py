"""Push: events of a source, seen at once by the online views that are made of it row by row, kept for the next run.

What is pushed are rows of the source that a view is made of: then every view, and every later run, makes of them what
it makes of the source's own. An event is known again by all that it says; one that does not say when it became known
became known when it was pushed first.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.row_by_row import RowByRow, row_by_row
from sqlfeat.engine.base import AVAILABLE_AT, EVENT_AT
from sqlfeat.engine.duckdb.pushing import PushEngine
from sqlfeat.engine.duckdb.windows import Bound, bounds_of
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.ops.given_rows import Rows
from sqlfeat.ops.online.calendar import before
from sqlfeat.ops.online.feed import Batch, Feed, given_rows
from sqlfeat.ops.online.made_rows import MadeRows
from sqlfeat.ops.online.merged import TIMES, Merging
from sqlfeat.ops.online.publish import online_store, online_views
from sqlfeat.ops.online.published import ENTITIES, PublishedView
from sqlfeat.ops.online.published import table_of as view_table
from sqlfeat.ops.online.reading import views_of
from sqlfeat.ops.session import Session
from sqlfeat.spec.project import SourceTable
from sqlfeat.store.event_records import EventBlock
from sqlfeat.store.online import Snapshot
from sqlfeat.store.plain_values import to_arrow
from sqlfeat.store.pushed import Events, PushStore, ViewRow
from sqlfeat.store.row_codec import Row, RowCodec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


class _Overtaken(Exception):
    """What is published has changed since a push began."""


class Pusher:
    """Pushes to a project's sources; any thread may push."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pushes: PushStore = session.pushes
        self._store = online_store(session)
        self._engine = PushEngine(session.folders, session.spec.root, session.manifest)
        self._feeds: dict[str, Feed] = {}
        self._snapshot: Snapshot | None = None
        self._looked_at: int | None = None
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
            given = given_rows(rows)
            if not given if isinstance(given, list) else not given.num_rows:
                return Pushed(feed.name, 0, 0, {}, feed.waiting, 0.0)
            batch = feed.batch(given, self._now())
            while True:
                try:
                    new, known, there = self._kept(feed, batch)
                    break
                except _Overtaken:
                    batch.made.clear()
        waiting = tuple(name for name in feed.online if name not in there)
        return Pushed(feed.name, new, known, there, waiting, self._session.clock.monotonic() - started)

    def write(self, view: str, rows: Sequence[Mapping[str, Any]]) -> Pushed:
        """Push rows as a Feast client writes them into a feature view, raises as :meth:`push`."""
        with self._lock:
            feed, model = self._feed(view), self._session.manifest.models.get(view)
        return self.push(view, feed.of_feast(model, rows) if model is not None else rows)

    def _kept(self, feed: Feed, batch: Batch) -> tuple[int, int, dict[str, int]]:
        """How many rows are new, and kept; how many were known; how many of them each view has.

        Raises:
            _Overtaken: what is published has changed meanwhile.
        """
        views = self._views(feed)
        snapshot, looked_at = self._snapshot, self._looked_at
        batch, repeated = self._without_repeated(feed, views, batch)
        gone = self._gone_by(feed, views, batch)
        counts = {one.view.name: 0 for one in views}

        def evaluate(places: Sequence[int]) -> dict[str, list[ViewRow]]:
            if self._store.newest() != looked_at:
                raise _Overtaken
            some = batch.only(places)
            made = {one.view.table: one.rows(some) for one in views}
            counts.update({one.view.name: len(made[one.view.table]) for one in views})
            return made

        def elsewhere(table: str, rows: Sequence[ViewRow]) -> list[Sequence[ViewRow]]:
            one = next(one for one in views if one.view.table == table)
            there = one.versions(snapshot, {row.identity for row in rows if row.identity is not None})
            if not there and not gone:
                return [()] * len(rows)
            before: list[Sequence[ViewRow]] = []
            for row in rows:
                assert row.identity is not None
                published = [version for version in there.get(row.identity, ()) if version.key != row.key]
                before.append([*published, *gone.get((table, row.identity), ())])
            return before

        if not batch.ids:
            return 0, repeated, counts
        events = Events(feed.name, feed.form, batch.ids, batch.rows, batch.said)
        done = self._pushes.append(events, [one.view.table for one in views], evaluate, elsewhere)
        return done.new, done.known + repeated, counts

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

    def _feed(self, name: str) -> Feed:
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
            found = self._feeds[name] = Feed.of(self._session, source, self._engine)
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
        if self._snapshot is None or newest != self._looked_at:
            if self._snapshot is not None:
                self._snapshot.close()
            self._made.clear()
            self._looked_at = newest
            try:
                self._snapshot = self._store.open()
            except StoreError as error:
                if error.code != "no-snapshot":
                    raise
                self._snapshot = None
        return self._snapshot

    def _views(self, feed: Feed) -> tuple[_Published, ...]:
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

    def _without_repeated(self, feed: Feed, views: Sequence[_Published], batch: Batch) -> tuple[Batch, int]:
        """The rows but for those that the source brought before, where a view would count them twice.

        Only where nothing says what an event is, and a snapshot has one that looks the same, is the source asked.
        """
        suspects: set[int] = set()
        for one in views:
            suspects |= one.seen_before(self._snapshot, batch)
        if not suspects:
            return batch, 0
        places = sorted(suspects)
        some = batch.only(places)
        pushed = self._pushes.files(feed.name)
        there = self._engine.already_there(feed.table, self._session.spec.root, some.table(), some.said, pushed)
        repeated = {places[place] for place in there if self._is_published(views, some.only([place]))}
        return batch.only([place for place in range(len(batch.ids)) if place not in repeated]), len(repeated)

    def _is_published(self, views: Sequence[_Published], row: Batch) -> bool:
        """Whether a snapshot has one row: the source may have brought it since."""
        return any(one.seen_before(self._snapshot, row) for one in views)

    def _gone_by(
        self, feed: Feed, views: Sequence[_Published], batch: Batch
    ) -> Mapping[tuple[str, bytes], Sequence[ViewRow]]:
        """By table and identity, the last version of events that a snapshot may not have any more.

        A row that was known before it happened may be an older version of an event whose newer ones, of a time and
        known at a time that no window reaches, were not published. Only for such rows is the source asked.
        """
        found: dict[tuple[str, bytes], Sequence[ViewRow]] = {}
        for one in views:
            early = one.known_early(batch, self._now())
            if early:
                self._pushes.pull()
                for version in one.last_versions(self._pushes.files(feed.name), early):
                    assert version.identity is not None
                    found[one.view.table, version.identity] = [version]
        return found


def _names(sources: Mapping[str, SourceTable]) -> list[str]:
    return [node.removeprefix("source.") for node in sources]


# -- views of a snapshot -----------------------------------------------------------------------------------------------


class _Published:
    """A view of the newest snapshot that is made of a source row by row."""

    def __init__(self, view: PublishedView, way: RowByRow, feed: Feed, engine: PushEngine) -> None:
        if view.identity_problem:
            what = (
                f"Rows cannot be pushed to {view.name}: its unique_key has {view.identity_problem!r}, which is nested."
            )
            raise UsageError("not-pushable", what, way.models[-1].place(), "cast it to text.")
        self.view = view
        self.made = MadeRows(view, way, feed.table, feed.columns, engine)
        self._merging = Merging(view)
        self._events = view.event_codec if view.windows else None
        self._edges = {bounds_of(aggregate)[1] for aggregate in view.windows.aggregates} if view.windows else set()
        self._read = [column.name for column in view.windows.read if column.name not in TIMES] if view.windows else []

    def rows(self, batch: Batch) -> list[ViewRow]:
        """What the view makes of rows."""
        table = self.view.table
        if table not in batch.made:
            batch.made[table] = self.made.rows(batch.table, batch.plain)
        return batch.made[table]

    def seen_before(self, snapshot: Snapshot | None, batch: Batch) -> set[int]:
        """The places of rows that look like an event that the snapshot has, and would count again.

        Those are rows that nothing identifies: each is an event of its own. Where some rows make none, it is not known
        which row made what: then all of them.
        """
        if snapshot is None or self._events is None:
            return set()
        rows = self.rows(batch)
        keys = list({row.key: None for row in rows if row.identity is None})
        records = snapshot.fetch([(self.view.event_table, key) for key in keys])
        blocks = {key: self._events.decode(one) for key, one in zip(keys, records, strict=True) if one}
        last = {key: block.events[-1] for key, block in blocks.items()}
        found, times, decode = set(), self._merging.times, self._merging.codec.decode
        for place, (key, data, identity) in enumerate(rows if last else ()):
            newest = last.get(key)
            if newest is None or identity is not None or times(data)[0] > newest:
                continue
            if self._is_in(blocks[key], decode(data)):
                found.add(place)
        return set(range(len(batch.ids))) if found and len(rows) < len(batch.ids) else found

    def _is_in(self, block: EventBlock, row: Row) -> bool:
        """Whether an event of the same instant has all that windows read of a pushed one."""
        first, last = bisect_left(block.events, row[0]), bisect_right(block.events, row[0])
        if first == last:
            return False
        values = [(block.values(name, first, last), self._merging.value(name, row)) for name in self._read]
        return any(all(_same(column[at], wanted) for column, wanted in values) for at in range(last - first))

    def known_early(self, batch: Batch, now: int) -> list[Row]:
        """The rows of events of which a snapshot may not have the versions that came after them.

        One that is published now may be as of any instant until then.
        """
        windows = self.view.windows
        if windows is None or not self.view.has_identities or None in self._edges:
            return []
        as_of = self.view.as_of
        since, until = (min(edge_at(edge, t) for edge in self._edges) for t in (as_of, max(now, as_of)))
        found = []
        for row in self.rows(batch):
            event, known = self._merging.times(row.data)
            if known < event and known < until and event >= since and row.identity is not None:
                found.append(self._merging.codec.decode(row.data))
        return found

    def last_versions(self, pushed: Sequence[Path], rows: Sequence[Row]) -> list[ViewRow]:
        """Of the events of some rows the last version each that the source has, or that was pushed and published."""
        value, names = self._merging.value, self.view.ranking.unique_key
        last: dict[bytes, tuple[Any, ViewRow]] = {}
        for version in self.made.versions(pushed, [[value(name, row) for name in names] for row in rows]):
            assert version.identity is not None
            rank = self._merging.version(self._merging.codec.decode(version.data))
            if version.identity not in last or rank > last[version.identity][0]:
                last[version.identity] = rank, version
        return [version for _, version in last.values()]

    def versions(self, snapshot: Snapshot | None, identities: Collection[bytes]) -> Mapping[bytes, list[ViewRow]]:
        """The versions of events that the snapshot has, under the keys of their entities."""
        if snapshot is None:
            return {}
        listed = snapshot.fetch([(self.view.identity_table, identity) for identity in identities])
        found: dict[bytes, list[ViewRow]] = {}
        for identity, known in zip(identities, listed, strict=True):
            if not known:
                continue
            (entities,) = ENTITIES.decode(known)
            records = snapshot.fetch([(self.view.event_table, key) for key in entities])
            for key, record in zip(entities, records, strict=True):
                if record:
                    found.setdefault(identity, []).extend(self._versions_of(key, record, identity))
        return found

    def _versions_of(self, key: bytes, record: bytes, identity: bytes) -> list[ViewRow]:
        assert self._events is not None
        view, block = self.view, self._events.decode(record)
        own = RowCodec(view.keys, plain=True).decode(key, 1) if view.keys else ()
        columns: dict[str, list[Any]] = {EVENT_AT: list(block.events), AVAILABLE_AT: block.values(AVAILABLE_AT)}
        columns |= {column.name: [value] * block.count for column, value in zip(view.keys, own, strict=True)}
        packed = self._merging.columns
        for column in packed[2 + len(view.keys) :]:
            columns[column.name] = block.values(column.name)
        table = pa.table([to_arrow(columns[c.name], c.type) for c in packed], names=[c.name for c in packed])
        identities = view.identity_codec.encode(table.select(list(view.ranking.unique_key))).to_pylist()
        data = RowCodec(packed).encode(table).to_pylist()
        return [ViewRow(key, row) for row, other in zip(data, identities, strict=True) if other == identity]


def edge_at(edge: Bound | None, instant: int) -> int:
    """Where a window ends in the past."""
    assert edge is not None
    for span in edge.spans:
        instant = before(instant, span)
    return instant


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) or (left != left and right != right)
