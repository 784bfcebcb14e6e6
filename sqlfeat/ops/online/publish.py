"""Publish: one consistent snapshot of all online feature views, as of one instant, all or nothing.

Definitions that the project has no more, and that a version with an alias was trained on, are carried over from the
snapshot before, as they stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.base.files import sha256_text
from sqlfeat.compiler import fingerprint
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.base import AVAILABLE_AT, EVENT_AT, KEY, KNOWN_AT, UNTIL_AT, USABLE_AT
from sqlfeat.engine.duckdb.layout import Shape
from sqlfeat.errors import SqlfeatError, StoreError, UsageError
from sqlfeat.ops.code_state import withheld_of
from sqlfeat.ops.events import notify
from sqlfeat.ops.features import make_views
from sqlfeat.ops.monitoring import builds
from sqlfeat.ops.online.published import ENTITIES, PublishedView, PublishedWindows, Ranking, table_of
from sqlfeat.ops.online.retention import forget
from sqlfeat.ops.online.serving import plan_of_set
from sqlfeat.ops.online.windows import lanes_of
from sqlfeat.ops.openlineage import telling
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session, redis_store
from sqlfeat.store import registry
from sqlfeat.store.entity_records import first_of_each
from sqlfeat.store.event_records import EventColumn
from sqlfeat.store.online import Image, OnlineStore, Snapshot, Written
from sqlfeat.store.online_lmdb import LmdbStore
from sqlfeat.store.row_codec import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = 500_000
"""Entities that are encoded at a time."""
_MOST_AGAIN = 3
"""So often a publication is repeated for what was pushed while it was under way."""


@dataclass(frozen=True)
class Publication:
    """A snapshot that was published: its instant, and what was written of each view."""

    written: Written
    as_of: datetime
    views: tuple[str, ...]
    carried: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The publication in the shape of ``--json``."""
        return {
            **self.written.as_dict(),
            "as_of": self.as_of.isoformat(),
            "views": list(self.views),
            "carried": list(self.carried),
            "seconds": round(self.seconds, 3),
        }


def online_store(session: Session) -> OnlineStore:
    """The project's online store."""
    said = session.spec.online
    if said.get("store") == "redis":
        return redis_store(session.spec, session.clock)
    return LmdbStore(Path(said.get("path") or session.spec.root / "target" / "online"), clock=session.clock)


def online_views(session: Session) -> list[CompiledModel]:
    """The models that are published, by name."""
    found = [model for model in session.manifest.models.values() if model.config.online and _can_be_read(model)]
    return sorted(found, key=lambda model: model.name)


def _can_be_read(model: CompiledModel) -> bool:
    return model.materialized == "feature_view" or (model.time.immutable and bool(model.keys))


@telling.told(telling.PUBLISH)
def publish(session: Session, *, at: datetime | None = None, incremental: bool = False) -> Publication:
    """Make what is missing of the online views, and publish them as they stand at an instant (now).

    Raises:
        UsageError: ``no-online-views`` where no feature view is online.
        RunError: a model that is needed failed.
        StoreError: the store cannot be written, or not be reached (``online-store-down``).
    """
    started = session.clock.monotonic()
    views = online_views(session)
    if not views:
        raise UsageError(
            "no-online-views", "No feature view is online.", hint="say config(online=true) in those that are served."
        )
    store = online_store(session)
    store.newest()  # a server that is down is better found now than after an hour's work
    done = _published(session, store, views, at, incremental=incremental)
    for _ in range(_MOST_AGAIN):
        if not done.differs or session.pushes.last() <= done.taken_up:
            break
        # what was pushed meanwhile was compared with the rows, and made for the views, of before; now it is with these
        again = _published(session, store, views, at, incremental=True)
        done = replace(again, written=_together(done.written, again.written))
    forget(session)
    for view in views:
        builds.note_published(session, view, done.instant, session.engine.records()[view.id])
    seconds = session.clock.monotonic() - started
    names = tuple(view.name for view in views)
    publication = Publication(done.written, done.instant, names, done.carried, seconds)
    session.listener(Event("step", name="publish", seconds=seconds, facts={"views": len(names)}))
    notify(session, "published", publication.as_dict())
    return publication


@dataclass(frozen=True)
class _Done:
    """A snapshot, the tables that it has from the one before, and the last event that it has.

    ``differs`` tells whether it has other views than the one before, or is made of other source files.
    """

    written: Written
    instant: datetime
    carried: tuple[str, ...]
    differs: bool
    taken_up: int


def _published(
    session: Session, store: OnlineStore, views: Sequence[CompiledModel], at: datetime | None, *, incremental: bool
) -> _Done:
    """Publish once."""
    session.pushes.pull()
    with session.holding_pushes() as taken_up:
        make_views(session, [view.id for view in views])
        sources = _sources(session, views)
    instant = (at or session.clock.now()).astimezone(UTC)
    described = {view.name: _Described(session, view, instant, taken_up) for view in views}
    carried = _carried(session, store, {table_of(view) for view in views})
    body = {
        "project": session.spec.name,
        "as_of": _microseconds(instant),
        "views": {
            **{table_of(view): described[view.name].view.as_dict() for view in views},
            **{view.table: {**view.as_dict(), "current": False} for view in carried.views},
        },
        "plans": _plans(session),
        "sources": sources,
    }
    try:
        images = _images(described, carried)
        written = store.publish(body, images, incremental=incremental)
    finally:
        carried.close()
    session.pushes.drop(store.taken_up())  # and who pushes is waited for: others see this snapshot
    differs = sources != carried.sources or any(table_of(view) not in carried.before for view in views)
    return _Done(written, instant, tuple(view.table for view in carried.views), differs, taken_up)


def _sources(session: Session, views: Sequence[CompiledModel]) -> str:
    """A hash of the files of the sources that views are made of, but for those of pushes."""
    manifest, pushed = session.manifest, session.pushes.folder
    nodes = sorted(node for node in manifest.graph.ancestors([view.id for view in views]) if node in manifest.sources)
    files = [
        (node, digest)
        for node in nodes
        for file, _, digest in session.engine.source_files(manifest.sources[node])
        if not file.is_relative_to(pushed)
    ]
    return sha256_text(json.dumps(files))


def _plans(session: Session) -> dict[str, Any]:
    """The serving plans of the training sets, for servers that cannot read the sources; none that tells a secret."""
    withheld, plans = withheld_of(session.spec), {}
    for model in session.manifest.models.values():
        if model.materialized == "training_set":
            with suppress(SqlfeatError):
                plan = plan_of_set(session, model.name).as_dict()
                if withheld.hidden_in(plan) == plan:
                    plans[model.name] = plan
    return plans


def _together(first: Written, again: Written) -> Written:
    """Two snapshots that were written one after the other, as one."""
    tables = {
        name: replace(
            table,
            written=table.written + first.tables[name].written,
            removed=table.removed + first.tables[name].removed,
        )
        if name in first.tables
        else table
        for name, table in again.tables.items()
    }
    return replace(again, tables=tables, incremental=first.incremental)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


# -- images ------------------------------------------------------------------------------------------------------------


class _Described:
    """One view with its rows: the description that goes into the manifest, and the images of its tables."""

    def __init__(self, session: Session, view: CompiledModel, at: datetime, taken_up: int) -> None:
        self._states = session.engine.states_from(view, at)
        self._events = session.engine.events_from(view, at) if view.window_view else None
        keys = len(view.keys)
        types = {column.name: column.type for column in view.columns}
        schema = self._states.schema
        self.view = PublishedView(
            name=view.name,
            table=table_of(view),
            fingerprint=view.fingerprint,
            as_of=_microseconds(at),
            keys=tuple(Column(key, schema.field(place).type) for place, key in enumerate(view.keys)),
            columns=tuple(Column(field.name, field.type) for field in list(schema)[keys + 2 :]),
            types=types,
            features={
                column: fingerprint.of_feature(view, column, session.manifest.fingerprints)
                for column in view.column_names
                if column not in view.keys
            },
            event_time=view.time.event_time,
            ttl=view.time.ttl if view.time.event_time else None,
            windows=_windows(session, view, self._events) if self._events is not None else None,
            ranking=ranking_of(view, taken_up),
        )

    def images(self) -> Iterator[Image]:
        """The tables of the view."""
        view, keys = self.view, len(self.view.keys)
        assert self._states.column_names[keys : keys + 2] == [USABLE_AT, EVENT_AT]
        states = view.state_codec
        yield Image(view.table, _encoded(view, self._states, keys, states.encode))
        if self._events is not None:
            yield Image(
                view.event_table, _encoded(view, self._events, keys, partial(view.event_codec.encode, as_of=view.as_of))
            )
            if view.has_identities:
                yield Image(view.identity_table, [_identities(view, self._events)])


def _encoded(view: PublishedView, table: pa.Table, keys: int, encode: Any) -> Iterator[tuple[pa.Array, pa.Array]]:
    """The keys of a view's entities and their records, some entities at a time; ``table`` has the keys first."""
    encoded = view.key_codec.encode(table)
    starts = first_of_each(encoded)
    columns = table.select(list(range(keys, table.num_columns)))
    for first in range(0, max(len(starts) - 1, 0), _AT_ONCE):
        some = starts[first : first + _AT_ONCE + 1]
        begin, length = int(some[0]), int(some[-1] - some[0])
        yield encoded.take(pa.array(some[:-1])), encode(columns.slice(begin, length), some - begin)


def _windows(session: Session, view: CompiledModel, events: pa.Table) -> PublishedWindows:
    assert view.window_view is not None
    own = [field for field in events.schema if not field.name.startswith(KEY)]
    times = {EVENT_AT, KNOWN_AT, UNTIL_AT, AVAILABLE_AT}
    columns = [EventColumn(field.name, field.type, field.name not in times) for field in own]
    ranks = events.column_names.index(AVAILABLE_AT) - len(view.keys) if AVAILABLE_AT in events.column_names else None
    read, ranked = tuple(columns[:ranks]), tuple(columns[ranks:]) if ranks is not None else ()
    windows = view.window_view
    types, made = session.engine.window_types(view)
    kinds = {field.name: field.type for field in made}
    lanes = lanes_of(read, windows.aggregates, types)
    return PublishedWindows(read, windows.aggregates, windows.items, types, kinds, ranked, lanes)


def _identities(view: PublishedView, events: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The unique keys of a view's events, and the keys of the entities that have versions of each."""
    named = {column.name: events.column(place) for place, column in enumerate(view.keys)}
    columns = [named[name] if name in named else events[name] for name in view.ranking.unique_key]
    whole = np.ones(events.num_rows, np.bool_)
    for column in columns:
        whole &= column.is_valid().to_numpy()
    found = pa.table(columns, names=list(view.ranking.unique_key))
    made = pa.table([view.identity_codec.encode(found), view.key_codec.encode(events)], names=["identity", "entity"])
    grouped = made.filter(pa.array(whole)).group_by("identity").aggregate([("entity", "distinct")])
    entities = pa.table([grouped["entity_distinct"].cast(ENTITIES.columns[0].type)], names=["entities"])
    return grouped["identity"].combine_chunks(), ENTITIES.encode(entities)


def ranking_of(view: CompiledModel, taken_up: int) -> Ranking:
    """What decides between rows of a view."""
    columns = view.window_view.plain if view.window_view else view.column_names
    names = {name.casefold(): name for name in columns}
    shape = Shape(view.keys, view.time, columns)
    return Ranking(
        available_at=names.get((view.time.available_at or "").casefold()),
        available_after=view.time.available_after,
        ties=tuple(names[name.casefold()] for name in (*view.time.tie_breaker, *shape.remaining)),
        declared_ties=len(view.time.tie_breaker),
        unique_key=tuple(names[name.casefold()] for name in view.time.unique_key),
        taken_up=taken_up,
    )


def _images(described: Mapping[str, _Described], carried: _Carried) -> Iterator[Image]:
    for one in described.values():
        yield from one.images()
    yield from carried.images()


# -- definitions that are only needed by models ------------------------------------------------------------------------


class _Carried:
    """Definitions of the snapshot before that stay published because models with an alias need them."""

    def __init__(self, snapshot: Snapshot | None, views: tuple[PublishedView, ...], before: frozenset[str]) -> None:
        self._snapshot = snapshot
        self.sources = snapshot.manifest.get("sources") if snapshot is not None else None
        self.views = views
        self.before = before

    def images(self) -> Iterator[Image]:
        for view in self.views:
            assert self._snapshot is not None
            tables = [view.table, *([view.event_table] if view.windows else [])]
            tables += [view.identity_table] if view.has_identities else []
            for name in tables:
                keys, values = [], []
                for key, value in self._snapshot.items(name):
                    keys.append(key)
                    values.append(value)
                yield Image(name, [(pa.array(keys, pa.binary()), pa.array(values, pa.binary()))])

    def close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()


def _carried(session: Session, store: OnlineStore, current: set[str]) -> _Carried:
    wanted = _features_of_aliases(session)
    try:
        snapshot = store.open()
    except StoreError as error:
        if error.code == "online-store-down":  # what it has is not known, and must not be lost
            raise
        return _Carried(None, (), frozenset())
    views = [PublishedView.from_dict(table, said) for table, said in snapshot.manifest["views"].items()]
    kept = tuple(
        view
        for view in views
        if view.table not in current
        and any(wanted.get(f"{view.name}.{column}", set()) & {mark} for column, mark in view.features.items())
    )
    return _Carried(snapshot, kept, frozenset(view.table for view in views))


def _features_of_aliases(session: Session) -> dict[str, set[str]]:
    """``view.column`` -> the fingerprints on which versions with an alias were trained."""
    wanted: dict[str, set[str]] = {}
    for model in registry.registered_models(session.spec.registry):
        for version in model.versions:
            for feature, mark in version.features.items() if version.version in model.aliases.values() else ():
                wanted.setdefault(feature, set()).add(mark)
    return wanted
