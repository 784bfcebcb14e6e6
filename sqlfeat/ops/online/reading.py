"""Features of one entity at an instant, from what a snapshot keeps of it: the offline rule, at one key (TIME, 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from sqlfeat.base.names import did_you_mean
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import UsageError
from sqlfeat.ops.online.calendar import before
from sqlfeat.ops.online.items import WindowItems
from sqlfeat.ops.online.merged import Merging, PushedRows
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.standing import Events
from sqlfeat.spec.duration import Duration
from sqlfeat.store.entity_records import StateCodec
from sqlfeat.store.online import Snapshot
from sqlfeat.store.pushed import PUSHED

FOUND, EXPIRED, MISSING = "found", "expired", "missing"
"""What became of a lookup: a row that holds, only a row older than its ttl, none at all."""


class Read(NamedTuple):
    """The features of an entity, plain and in the order asked, and what became of its row."""

    values: tuple[Any, ...]
    status: str
    event_time: int | None


class ViewReader:
    """Reads some columns of a published view, as one lookup of a training set asks for them.

    Raises:
        UsageError: the view has no such column.
    """

    def __init__(
        self,
        view: PublishedView,
        columns: Sequence[str],
        engine: Rowwise,
        *,
        ttl: Duration | None = None,
        strict: bool = False,
    ) -> None:
        self.view = view
        self.strict = strict
        self.ttl = _shorter(view, ttl)
        self._keys = view.key_codec
        self._states = view.state_codec
        self._events = view.event_codec if view.windows else None
        self._is_live = view.is_live
        self._merging = Merging(view) if view.is_live is not None else None
        plain = {column.name: 2 + place for place, column in enumerate(view.columns)}
        items = [item.name for item in view.windows.items] if view.windows else []
        windowed = [name for name in columns if name in items]
        self._windows = (
            WindowItems(view.windows, self._events.empty, windowed, engine)
            if view.windows and self._events and windowed
            else None
        )
        self._has_windows = bool(windowed)
        self._table = view.table
        self._has_plain = any(name in plain for name in columns)
        unknown = next((name for name in columns if name not in plain and name not in items), None)
        if unknown is not None:
            raise UsageError(
                "unknown-feature",
                f"The published view {view.name} has no column {unknown!r}.",
                hint=did_you_mean(unknown, [*plain, *items]),
            )
        self._nothing = (None,) * len(columns)
        self.places = [plain[name] for name in columns if name in plain]
        """Where its columns stand in a row, but for windows."""
        self.single = None if windowed else self._states.single
        self.plain = None if windowed else self._plain_reading(self.places)
        """Reads what a snapshot's own table has for an entity, where no window is asked for."""
        tables = (view.table,) if self._has_plain or not windowed else ()
        self._tables = (*tables, view.event_table) if windowed else tables
        self._live_tables = (*self._tables, view.table + PUSHED)
        self._picks = [(True, windowed.index(name)) if name in items else (False, plain[name]) for name in columns]

    @property
    def slow(self) -> list[str]:
        """The columns for which an in-memory engine is asked at every request."""
        return self._windows.slow if self._windows else []

    def encode_key(self, keys: Sequence[Any]) -> bytes:
        """The bytes under which an entity is kept: plain values of the view's keys, in their order, none null."""
        return self._keys.encode_one(keys)

    def wanted(self, keys: Sequence[Any]) -> list[tuple[str, bytes]]:
        """What is to be fetched for an entity: plain values of the view's keys, in their order, none null."""
        return self.wanted_by(self._keys.encode_one(keys))

    def wanted_by(self, key: bytes) -> list[tuple[str, bytes]]:
        """The same by the bytes of the key."""
        return [(table, key) for table in self.tables()]

    def tables(self) -> tuple[str, ...]:
        """The tables from which an entity's entries are to be fetched."""
        return self._live_tables if self._is_live is not None and self._is_live(self._table) else self._tables

    def read(self, fetched: Sequence[bytes | None] | None, t: int) -> Read:
        """The features at an instant from what was fetched; None for an entity whose key is null."""
        if self.plain is not None and (fetched is None or len(fetched) == 1 or fetched[1] is None):
            return self.plain(fetched[0] if fetched else None, t)
        given = list(fetched) if fetched is not None else []
        data = given.pop(0) if given and (self._has_plain or not self._has_windows) else None
        events = given.pop(0) if given and self._has_windows else None
        pushed = self._merging.decoded(given[0]) if given and self._merging is not None else None
        row, status = self._row(data, pushed, t)
        windows: Sequence[Any] = ()
        if self._has_windows:
            assert self._windows is not None
            assert self._events is not None
            there = Events(self._events.decode(events)) if events else None
            if pushed is not None:
                assert self._merging is not None
                there = self._merging.events(there.block if there else None, pushed)
            windows = self._windows.at(there, t, strict=self.strict)
            if not self._has_plain and there is not None:
                status = FOUND  # of a view whose windows alone are asked for, the events are what is there
        fresh = row if status == FOUND else None
        values = tuple(
            windows[place] if windowed else (fresh[place] if fresh is not None else None)
            for windowed, place in self._picks
        )
        return Read(values, status, None if row is None else row[1])

    def _plain_reading(self, places: Sequence[int]) -> Callable[[bytes | None, int], Read]:
        """``read`` for columns at some places of a row."""
        take, nothing, no_row = _taker(places), self._nothing, Read(self._nothing, MISSING, None)
        states, strict, ttl = self._states, self.strict, self.ttl
        single = states.single
        size, unpack, no_nulls = single[:3] if single is not None else (-1, tuple[Any, ...], b"")
        take_single = _taker([place + 2 for place in places])
        is_kept = ttl is None

        def read(data: bytes | None, t: int) -> Read:
            if data is not None and len(data) == size:
                one = unpack(data)
                if one[2] < t and one[1] == no_nulls and is_kept:
                    return Read(take_single(one), FOUND, one[3])
            row = _usable(states, data, t, strict=strict)
            if row is None:
                return no_row
            if ttl is not None and row[1] < before(t, ttl):
                return Read(nothing, EXPIRED, row[1])
            return Read(take(row), FOUND, row[1])

        return read

    def _row(self, data: bytes | None, pushed: PushedRows | None, t: int) -> tuple[tuple[Any, ...] | None, str]:
        row = _usable(self._states, data, t, strict=self.strict)
        if pushed is not None:
            assert self._merging is not None
            row = self._merging.latest(row, pushed.own, t, strict=self.strict)
        if row is None:
            return None, MISSING
        if self.ttl is not None and row[1] < before(t, self.ttl):
            return row, EXPIRED
        return row, FOUND


def _usable(states: StateCodec, data: bytes | None, t: int, *, strict: bool) -> tuple[Any, ...] | None:
    """The last row of an entity that can be used at an instant; ``strict``: before it."""
    for row in reversed(states.decode(data)) if data else ():
        if row[0] < t or (row[0] == t and not strict):
            return row
    return None


def _taker(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes some places of a row, in the order asked."""
    if len(places) > 1 and list(places) != list(range(places[0], places[0] + len(places))):
        return itemgetter(*places)
    first = places[0] if places else 0
    return itemgetter(slice(first, first + len(places)))


def _shorter(view: PublishedView, ttl: Duration | None) -> Duration | None:
    """A lookup's ttl, or the view's, where the view has a time."""
    return (ttl or view.ttl) if view.event_time else None


def check_instant(view: PublishedView, t: int) -> None:
    """Refuse to read before the instant as of which the view was published."""
    if t < view.as_of:
        as_of = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=view.as_of)
        raise UsageError(
            "before-snapshot",
            f"{view.name} is published as of {as_of.isoformat()}, and is asked for an earlier instant.",
            hint="ask for now, or offline: sqlfeat features.",
        )


def views_of(snapshot: Snapshot) -> dict[str, PublishedView]:
    """The definitions that a snapshot has, by the names of their tables."""
    pushed = getattr(snapshot, "pushed", None)  # a store that takes no pushes has none
    is_live = pushed.is_live if pushed is not None else None
    views = snapshot.manifest["views"].items()
    return {table: replace(PublishedView.from_dict(table, said), is_live=is_live) for table, said in views}
