"""The embedded store of pushes: one LMDB file beside the snapshots, and a counter that tells readers of changes.

``pushes/pushed.mdb`` is written by one process at a time and read by any number. The counter is a number in a file that
readers have mapped: odd while a push is under way, another one after it. So a reader that has looked once, and found
nothing, compares two numbers from then on. A writer that is killed leaves it odd, and readers look each time until the
next push. Events that a run takes up become Parquet files beside it, ``pushes/SOURCE.TABLE/FIRST-LAST.parquet``, which
are never changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import FolderLock
from sqlfeat.errors import StoreError
from sqlfeat.store import lmdb_files
from sqlfeat.store.lmdb_files import Counter, Environment, opened_files
from sqlfeat.store.pushed import (
    ELSEWHERE,
    KEY,
    OWN,
    Appended,
    Elsewhere,
    Evaluate,
    Events,
    ViewRow,
    checked,
    opened,
    packed,
    sealed,
    sealed_all,
)
from sqlfeat.store.pushed_segments import FOLDER, HEAD, NUMBER, Segments, damage_of, entity, event_named

_FIXED = ("meta", "log", "ids", "schemas")


class LmdbPushes:
    """The pushes beside an online store in a folder of this machine."""

    def __init__(self, folder: Path, *, clock: Clock | None = None) -> None:
        self.folder = folder / FOLDER
        self.file = self.folder / "pushed.mdb"
        self._segments = Segments(self.folder)
        self._clock = clock or SystemClock()

    @property
    def exists(self) -> bool:
        """Whether anything was ever pushed, or its files are here."""
        return self.file.exists() or self._segments.exists

    def append(self, events: Events, tables: Iterable[str], evaluate: Evaluate, elsewhere: Elsewhere) -> Appended:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        with self._writing() as environment, Counter.of(self.folder).changing():
            if environment.is_full():
                raise self._full()
            databases = environment.made([*_FIXED, *(f"{kind}:{table}" for table in tables for kind in _KINDS)])
            with environment.lmdb.begin(write=True) as transaction:
                known = self._known(transaction, databases, events)
                first = {id_: place for place, id_ in reversed(list(enumerate(events.ids))) if id_ not in known}
                new = sorted(first.values())
                last = _last(transaction, databases)
                if new:
                    chosen = events.only(new) if len(new) < len(events.ids) else events
                    last = max(last, int(self._clock.now().timestamp() * 1e6))  # after all that was ever given
                    last = _Writing(transaction, databases, last + 1, elsewhere).all(chosen, evaluate(new))
        return Appended(len(new), len(events.ids) - len(new), last)

    def _known(self, transaction: Any, databases: Mapping[str, Any], events: Events) -> set[bytes]:
        """What identifies the events that were pushed before; of what was damaged since nothing is left behind."""
        with transaction.cursor(databases["ids"]) as cursor:
            known = {bytes(id_): bytes(number) for id_, number in cursor.getmulti(events.ids)}
        if not known:
            return set()
        with transaction.cursor(databases["log"]) as cursor:
            waiting = {bytes(at): bytes(value) for at, value in cursor.getmulti(list(known.values()))}
        numbers = {id_: int.from_bytes(at, "big") for id_, at in known.items() if at not in waiting}
        kept = dict(zip(numbers, self._segments.has(events.source, numbers.values()), strict=True))
        for id_, at in known.items():
            kept.setdefault(id_, checked(at, waiting.get(at, b"")) is not None)
        lost = {known[id_] for id_, is_there in kept.items() if not is_there}
        if lost:
            _forget_events(transaction, databases, lost)
        return {id_ for id_, is_there in kept.items() if is_there}

    def last(self) -> int:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        if not self.exists:
            return 0
        with self._writing() as environment:
            databases = environment.made(_FIXED)
            with environment.lmdb.begin() as transaction:
                return _last(transaction, databases)

    def drop(self, kept: Mapping[str, int]) -> None:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        if not self.exists:
            return
        with self._writing() as environment, Counter.of(self.folder).changing():
            names = [name for name in environment.names() if name.partition(":")[0] in _KINDS]
            databases = environment.made(names)
            for name in names:
                kind, _, table = name.partition(":")
                with environment.lmdb.begin(write=True) as transaction:
                    if table in kept:
                        _forget(transaction, databases[name], kept[table], _KINDS[kind])
                    else:
                        transaction.drop(databases[name], delete=False)

    def files(self, source: str) -> Sequence[Path]:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        return self._segments.of(source)

    def trim(self, until: int) -> int:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        if not self.exists:
            return 0
        with self._writing() as environment, Counter.of(self.folder).changing():
            databases = environment.made(_FIXED)
            with environment.lmdb.begin(write=True) as transaction:
                waiting = transaction.cursor(databases["log"])
                if waiting.first():  # in no file yet
                    until = min(until, int.from_bytes(waiting.key(), "big") - 1)
                cursor = transaction.cursor(databases["ids"])
                there = cursor.first()
                while there:
                    there = cursor.delete() if int.from_bytes(cursor.value(), "big") <= until else cursor.next()
        return until

    def pull(self) -> None:
        """Nothing: all that was pushed is on this machine."""

    def taken_up(self) -> tuple[int, Mapping[str, Sequence[Path]]]:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        if not self.exists:
            return 0, {}
        with self._writing() as environment, FolderLock(self.folder, wait=60, clock=self._clock):
            return _export(environment, self._segments), self._segments.all()

    def damaged(self) -> list[StoreError]:
        """What of the events that wait for a run is not what was written."""
        if not self.exists:
            return []
        with self._writing() as environment:
            databases = environment.made(_FIXED)
            with environment.lmdb.begin() as transaction:
                found = [damage_of(key, value) for key, value in transaction.cursor(databases["log"])]
        return [error for error in found if error is not None]

    @contextmanager
    def _writing(self) -> Iterator[Environment]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield opened_files.take(self.file)
        except lmdb.MapFullError as error:
            raise self._full() from error
        except (OSError, lmdb.Error) as error:
            raise StoreError(
                "cannot-write",
                f"{self.file} cannot be written: {getattr(error, 'strerror', None) or error}.",
                hint=f"is there room on the disk, and may you write into {self.folder}?",
            ) from error

    def _full(self) -> StoreError:
        return StoreError(
            "push-store-full",
            f"{self.file} has grown to {lmdb_files.MOST_BYTES >> 20:,} MiB, and takes no more.",
            hint="sqlfeat publish takes up what was pushed.",
        )


_KINDS = {"view": 2, "uids": 0}
"""The tables of a view, and how many bytes follow the number in their keys."""


class LmdbPushed:
    """What was pushed after a snapshot: ``taken_up`` is the number up to which each table has it in itself."""

    def __init__(self, folder: Path, taken_up: Mapping[str, int]) -> None:
        self._file = folder / FOLDER / "pushed.mdb"
        self._taken_up = taken_up
        self._counter = Counter.of(folder / FOLDER)
        self._numbers = self._counter.numbers
        self._seen = -1
        self._live: frozenset[str] = frozenset()

    def is_live(self, table: str) -> bool:
        """See :class:`sqlfeat.store.pushed.Pushes`."""
        if self._numbers[0] != self._seen:
            self._look()
        return table in self._live

    def _look(self) -> None:
        """Look which tables have events that the snapshot has not; what is changing now is looked at again."""
        number = self._numbers[0]
        live = set()
        if self._file.exists():
            environment = opened_files.take(self._file)
            meta = environment.found("meta")
            if meta is not None:
                with environment.lmdb.begin() as transaction:
                    for table, taken_up in self._taken_up.items():
                        last = transaction.get(b"last:" + table.encode(), db=meta)
                        if last is not None and int.from_bytes(last, "big") > taken_up:
                            live.add(table)
        self._live = frozenset(live)
        self._seen = number if number % 2 == 0 else -1

    def rows(self, table: str, key: bytes) -> bytes | None:
        """See :class:`sqlfeat.store.pushed.Pushes`."""
        environment = opened_files.take(self._file)
        view = environment.found(f"view:{table}")
        if view is None:
            return None
        own = entity(key)
        found = []
        with environment.lmdb.begin() as transaction, transaction.cursor(view) as cursor:
            there = cursor.set_range(own + NUMBER.pack(self._taken_up.get(table, 0) + 1))
            for place, value in cursor.iternext() if there else ():
                if len(place) != len(own) + 10 or not place.startswith(own):
                    break
                data = checked(place, value)
                if data is None:
                    name, number = table.partition("@")[0], event_named(place[-10:-2])
                    data = opened(place, value, f"The row of {name} that was pushed with {number}")
                found.append((data[0], data[1:]))
        return packed([(KEY, key), *found]) if found else None


def _last(transaction: Any, databases: Mapping[str, Any]) -> int:
    value = transaction.get(b"last", db=databases["meta"])
    return int.from_bytes(value, "big") if value else 0


def _forget(transaction: Any, database: Any, until: int, tail: int) -> None:
    """Delete the entries whose number is not greater."""
    cursor = transaction.cursor(database)
    there = cursor.first()
    while there:
        key = cursor.key()
        end = len(key) - tail
        there = cursor.delete() if int.from_bytes(key[end - 8 : end], "big") <= until else cursor.next()


def _forget_events(transaction: Any, databases: Mapping[str, Any], numbers: Collection[bytes]) -> None:
    """Delete what is left of some events, of views' rows too, so that they can come again."""
    for number in numbers:
        transaction.delete(number, db=databases["log"])
    for name, database in databases.items():
        if name.startswith("view:"):
            with transaction.cursor(database) as cursor:
                there = cursor.first()
                while there:
                    there = cursor.delete() if bytes(cursor.key()[-10:-2]) in numbers else cursor.next()


# -- one push ----------------------------------------------------------------------------------------------------------


class _Writing:
    """One push in its transaction; ``first`` is the number of its first event."""

    def __init__(self, transaction: Any, databases: Mapping[str, Any], first: int, elsewhere: Elsewhere) -> None:
        self._transaction = transaction
        self._databases = databases
        self._first = first
        self._elsewhere = elsewhere

    def all(self, events: Events, views: Mapping[str, Sequence[ViewRow]]) -> int:
        """Write events and what views make of them; gives the number of the last event."""
        first, count = self._first, len(events.ids)
        schema = self._schema(events)
        numbers = [NUMBER.pack(number) for number in range(first, first + count)]
        heads = {said: HEAD.pack(schema, first, said) for said in (False, True)}
        rows = (heads[said] + row for row, said in zip(events.rows, events.said, strict=True))
        self._put("log", sealed_all(numbers, rows))
        self._put("ids", zip(events.ids, numbers, strict=True))
        last = first + count - 1
        counts = [("last", last)]
        for table, made in views.items():
            if made:
                self._rows(table, made, numbers)
                counts.append((f"last:{table}", last))
        self._put("meta", [(name.encode(), NUMBER.pack(number)) for name, number in counts])
        return last

    def _put(self, name: str, entries: Iterable[tuple[bytes, bytes]]) -> None:
        with self._transaction.cursor(self._databases[name]) as cursor:
            cursor.putmulti(entries)

    def _rows(self, table: str, rows: Sequence[ViewRow], numbers: Sequence[bytes]) -> None:
        own = bytes([OWN])
        places = [entity(row.key) + at + b"\0\0" for at, row in zip(numbers, rows, strict=False)]
        self._put(f"view:{table}", sealed_all(places, (own + row.data for row in rows)))
        identified = [(row, at) for row, at in zip(rows, numbers, strict=False) if row.identity is not None]
        if identified:
            self._link(table, identified)

    def _link(self, table: str, rows: Sequence[tuple[ViewRow, bytes]]) -> None:
        """Let every entity that has a version of an event know of those that are other entities'."""
        view, versions = (self._databases[f"{kind}:{table}"] for kind in ("view", "uids"))
        before = self._elsewhere(table, [row for row, _ in rows])
        fresh: dict[bytes, list[tuple[bytes, bytes]]] = {}
        with self._transaction.cursor(versions) as cursor:
            for (row, at), there in zip(rows, before, strict=True):
                event = entity(row.identity or b"")
                pushed = [*_pushed(cursor, event), *fresh.get(event, ())]
                if pushed or there:
                    self._tell_each_other(view, row, at, pushed, there)
                fresh.setdefault(event, []).append((entity(row.key), at))
        self._put(f"uids:{table}", [(event + at, own) for event, made in fresh.items() for own, at in made])

    def _tell_each_other(
        self, view: Any, row: ViewRow, at: bytes, pushed: Sequence[tuple[bytes, bytes]], there: Sequence[ViewRow]
    ) -> None:
        own = entity(row.key)
        others: set[bytes] = set()
        for other, earlier in pushed:
            if other != own:
                others.add(other)
                data = self._transaction.get(other + earlier + b"\0\0", db=view)
                if data is not None:
                    self._tell(view, own + earlier + b"\0\0", bytes(data[5:]))
        for copy, before in enumerate(there, 1):
            others.add(entity(before.key))
            self._tell(view, own + at + copy.to_bytes(2, "big"), before.data)
        for other in others - {own}:
            self._tell(view, other + at + b"\0\0", row.data)

    def _tell(self, view: Any, place: bytes, data: bytes) -> None:
        self._transaction.put(place, sealed(place, bytes([ELSEWHERE]) + data), db=view)

    def _schema(self, events: Events) -> int:
        """The number under which the form of these rows is known."""
        schemas, body = self._databases["schemas"], events.form
        count = 0
        for key, value in self._transaction.cursor(schemas):
            if value == body:
                return int.from_bytes(key, "big")
            count += 1
        self._transaction.put(count.to_bytes(4, "big"), body, db=schemas)
        return count


def _pushed(cursor: Any, event: bytes) -> list[tuple[bytes, bytes]]:
    """The entities that have pushed versions of an event, and the numbers of these."""
    found: list[tuple[bytes, bytes]] = []
    there = cursor.set_range(event)
    while there:
        key = cursor.key()
        if not key.startswith(event):
            break
        if len(key) == len(event) + 8:
            found.append((bytes(cursor.value()), bytes(key[-8:])))
        there = cursor.next()
    return found


# -- for runs ----------------------------------------------------------------------------------------------------------


def _export(environment: Environment, segments: Segments) -> int:
    """Write the events that are in no file yet, and forget them here; gives the number of the last event of all.

    What is damaged stays where it is, for :meth:`LmdbPushes.damaged` to tell of.
    """
    databases = environment.made(_FIXED)
    with environment.lmdb.begin() as transaction:
        last = _last(transaction, databases)
        forms = {int.from_bytes(key, "big"): bytes(form) for key, form in transaction.cursor(databases["schemas"])}
        waiting = [(bytes(key), bytes(value)) for key, value in transaction.cursor(databases["log"])]
    damaged = set(segments.write(waiting, forms, last))
    whole = [key for key, _ in waiting if int.from_bytes(key, "big") not in damaged]
    if whole:
        with environment.lmdb.begin(write=True) as transaction:
            for key in whole:
                transaction.delete(key, db=databases["log"])
    return last
