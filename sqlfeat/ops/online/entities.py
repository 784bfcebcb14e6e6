"""Columns of published views for entities, as Feast asks for them: which they are is worked out once, read many times.

Knows views and keys; a training set's SELECT is another module's (``ops.online.request``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlfeat.base.names import did_you_mean
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import RunError, UsageError
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.ops.online.fetching import Steps, Wanted, WantedOfOne
from sqlfeat.ops.online.given import taking
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.reading import Read, ViewReader, check_instant
from sqlfeat.ops.online.shown import Shown, number_of
from sqlfeat.store.online import Snapshot

Columns = tuple[tuple[str, str], ...]
"""Columns by view and name, in the order in which they are asked for."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class EntityFeatures:
    """A column of a view for some entities: values as JSON has them, what became of each row, and its event time."""

    view: str
    column: str
    values: tuple[Any, ...]
    statuses: tuple[str, ...]
    event_times: tuple[datetime | None, ...]


@dataclass(frozen=True)
class EntityReader:
    """Some columns of a view, read by its keys; ``takes`` make plain what is given for each of them."""

    reader: ViewReader
    columns: tuple[str, ...]
    keys: Mapping[str, Typed]
    takes: Sequence[tuple[str, Callable[[Any], Any]]]
    shown: Shown

    @property
    def view(self) -> str:
        return self.reader.view.name


class ViewRead(NamedTuple):
    """What was read of a view: by which keys, and what of each entity; ``values`` are as JSON has them, by column."""

    of: EntityReader
    keys: Sequence[tuple[Any, ...]]
    reads: Sequence[Read]
    values: Sequence[tuple[Any, ...]]

    def event_times(self) -> tuple[datetime | None, ...]:
        """Of what time each entity's row is."""
        return tuple(None if read.event_time is None else _at(read.event_time) for read in self.reads)


@dataclass(frozen=True)
class AskedColumns:
    """Some columns: who reads them, a reader for each view, and of each column its reader and its place there.

    ``alike`` is of each reader the first one that has the same keys.
    """

    readers: tuple[EntityReader, ...]
    places: tuple[tuple[int, int], ...]
    alike: tuple[int, ...]

    @classmethod
    def of(cls, columns: Columns, views: Sequence[PublishedView], engine: Rowwise) -> AskedColumns:
        """Columns of views as the project defines them now.

        Raises:
            UsageError: ``not-published``, ``unknown-feature``.
        """
        by_view: dict[str, dict[str, int]] = {}
        for view, column in columns:
            known = by_view.setdefault(view, {})
            known.setdefault(column, len(known))
        numbers = {view: number for number, view in enumerate(by_view)}
        readers = tuple(_reader(view, tuple(known), views, engine) for view, known in by_view.items())
        keys = [list(one.keys.items()) for one in readers]
        places = tuple((numbers[view], by_view[view][column]) for view, column in columns)
        return cls(readers, places, tuple(keys.index(one) for one in keys))

    def reading(self, snapshot: Snapshot, entities: Mapping[str, Sequence[Any]], t: int) -> Steps[list[ViewRead]]:
        """What is read for all entities, fetched together; their keys are given column by column.

        Raises:
            UsageError: ``bad-request-value``, ``before-snapshot``.
            RunError: ``missing-request-column`` where a view's key is not given.
        """
        wanted: list[tuple[str, bytes]] = []
        ends: list[int] = []
        told: list[list[tuple[tuple[Any, ...], bytes | None]]] = []
        for number, (one, alike) in enumerate(zip(self.readers, self.alike, strict=True)):
            check_instant(one.reader.view, t)
            told.append(_keys(one, entities) if alike == number else told[alike])
            tables = one.reader.tables()
            for _, key in told[number]:
                if key is not None:
                    for table in tables:
                        wanted.append((table, key))
                ends.append(len(wanted))
        under = {key for _, key in wanted}
        if len(under) == 1:
            fetched = yield WantedOfOne(snapshot, tuple([table for table, _ in wanted]), under.pop())
        else:
            fetched = yield Wanted(snapshot, wanted)
        found, begin, at = [], 0, iter(ends)
        for one, keys in zip(self.readers, told, strict=True):
            reads = []
            for _ in keys:
                end = next(at)
                if one.reader.plain is not None and end == begin + 1:
                    reads.append(one.reader.plain(fetched[begin], t))
                else:
                    reads.append(one.reader.read(fetched[begin:end] if end > begin else None, t))
                begin = end
            found.append(ViewRead(one, [values for values, _ in keys], reads, _shown(one, reads)))
        return found

    def listed(self, found: Sequence[ViewRead]) -> list[EntityFeatures]:
        """What was read, column by column as they were asked for."""
        statuses = [tuple(read.status for read in one.reads) for one in found]
        times = [one.event_times() for one in found]
        made = []
        for view, place in self.places:
            one = found[view]
            values = tuple(one.values[place])
            made.append(EntityFeatures(one.of.view, one.of.columns[place], values, statuses[view], times[view]))
        return made


def _reader(name: str, columns: tuple[str, ...], views: Sequence[PublishedView], engine: Rowwise) -> EntityReader:
    current = {view.name: view for view in views if view.current}
    if name not in current:
        hint = did_you_mean(name, current) or "sqlfeat publish publishes the views that say online=true."
        raise UsageError("not-published", f"No feature view {name!r} is published.", hint=hint)
    view = current[name]
    reader = ViewReader(view, columns, engine)
    kinds = engine.arrow_types([view.types[column] for column in columns])
    keys = {column.name: Typed(view.types[column.name], column.type) for column in view.keys}
    takes = [(name, taking(name, typed)) for name, typed in keys.items()]
    shown = Shown([kinds[view.types[column]] for column in columns], number_of)
    return EntityReader(reader, columns, keys, takes, shown)


def _keys(one: EntityReader, entities: Mapping[str, Sequence[Any]]) -> list[tuple[tuple[Any, ...], bytes | None]]:
    """The keys of each entity, plain, and as bytes; None where one is null, by which nothing is found."""
    lacking = [name for name in one.keys if name not in entities]
    if lacking:
        what = f"The request has no entity {', '.join(map(repr, lacking))}, by which {one.view} is looked up."
        raise RunError("missing-request-column", what, hint=f"needed are: {', '.join(one.keys)}.")
    columns = [list(map(take, entities[name])) for name, take in one.takes]
    count = len(next(iter(entities.values()), ()))
    rows: list[tuple[Any, ...]] = list(zip(*columns, strict=True)) if columns else [()] * count
    return [(row, None if None in row else one.reader.encode_key(row)) for row in rows]


def _shown(one: EntityReader, reads: Sequence[Read]) -> Sequence[tuple[Any, ...]]:
    """The values column by column."""
    if not reads:
        return [()] * len(one.columns)
    return list(zip(*(one.shown(read.values) for read in reads), strict=True))


def _at(microsecond: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=microsecond)
    except OverflowError:
        return None
