"""The store of pushes on a Redis server, beside the snapshots there, and their events in files of this machine.

One process pushes at a time, under a lock with a lease; what a push writes is written by one script, all or nothing,
and only for who still has the lock. Events stay on the server; each machine has files of those that it has fetched
(:meth:`RedisPushes.pull`), and runs read these.

==========================  ====================================================================================
``push:last``               the number of the last event; ``push:last:TABLE`` that of a view's
``push:batches``            a sorted set: the first number of each push, by its last one
``push:log:FIRST``          a hash: the events of a push by their numbers, sealed
``push:trimmed``            the number up to which events are on the server no more
``push:ids``                a hash: the number of every event, by what identifies it
``push:forms``              a hash: the forms of rows, and the number of each
``push:row:TABLE:ENTITY``   a hash: what a view made of an entity's events, by number and copy, sealed
``push:uid:TABLE:EVENT``    a hash: the entity of each version of an event, by number
``push:keys:TABLE``         a set: all keys of the last two kinds
==========================  ====================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import FolderLock
from sqlfeat.errors import StoreError
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
)
from sqlfeat.store.pushed_segments import (
    FOLDER,
    HEAD,
    NUMBER,
    entity,
    event_named,
    segments_in,
    table_of_events,
    write_segment,
)
from sqlfeat.store.redis_publication import PublisherLock, script
from sqlfeat.store.redis_snapshot import Home
from sqlfeat.store.redis_wire import Reply, command

LEASE = 5.0
WAIT = 10.0
"""How many seconds a push waits for others."""
_WORDS = 1000
_AT_ONCE = 1000
_ALL = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local i = 2
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  redis.call(unpack(ARGV, i + 1, i + n))
  i = i + n + 1
end
return 1
"""
"""Does some commands, each after the count of its words, if the lock is still ours."""


class PushKeys:
    """What of pushes lies where."""

    def __init__(self, home: Home) -> None:
        self._prefix = home.keys.prefix + b"push:"
        self.last, self.batches, self.ids, self.forms, self.lock, self.trimmed = (
            self._prefix + name for name in (b"last", b"batches", b"ids", b"forms", b"lock", b"trimmed")
        )

    def last_of(self, table: str) -> bytes:
        return self.last + b":" + table.encode()

    def log(self, first: bytes) -> bytes:
        return self._prefix + b"log:" + first

    def rows(self, table: str, own: bytes) -> bytes:
        return self._prefix + b"row:%b:%b" % (table.encode(), own)

    def versions(self, table: str, event: bytes) -> bytes:
        return self._prefix + b"uid:%b:%b" % (table.encode(), event)

    def of(self, table: str) -> bytes:
        return self._prefix + b"keys:" + table.encode()

    @property
    def tables(self) -> bytes:
        """A set: the tables that have rows."""
        return self._prefix + b"tables"


class RedisPushes:
    """The pushes of a project on a server; ``folder`` is where their files are put on this machine."""

    def __init__(self, home: Home, folder: Path, *, clock: Clock | None = None) -> None:
        self.folder = folder / FOLDER
        self._home = home
        self._keys = PushKeys(home)
        self._clock = clock or SystemClock()

    @property
    def exists(self) -> bool:
        """Whether there are files of anything that was pushed."""
        return self.folder.is_dir()

    def append(self, events: Events, tables: Iterable[str], evaluate: Evaluate, elsewhere: Elsewhere) -> Appended:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        with self._locked() as lock:
            known = self._found(self._keys.ids, events.ids)
            new, seen = [], set()
            for place, (id_, number) in enumerate(zip(events.ids, known, strict=True)):
                if number is None and id_ not in seen:
                    new.append(place)
                    seen.add(id_)
            (last,) = self._ask([command(b"GET", self._keys.last)])
            first = max(int(last or 0) + 1, int(self._clock.now().timestamp() * 1e6))  # after all that was ever given
            if not new:
                return Appended(0, len(events.ids), int(last or 0))
            chosen = events.only(new) if len(new) < len(events.ids) else events
            writing = _Writing(self, chosen, first)
            writing.all(evaluate(new), elsewhere)
            self._commit(lock, writing.commands)
        return Appended(len(new), len(events.ids) - len(new), writing.last)

    def last(self) -> int:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        (last,) = self._ask([command(b"GET", self._keys.last)])
        return int(last or 0)

    def drop(self, kept: Mapping[str, int]) -> None:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        with self._locked() as lock:
            (tables,) = self._ask([command(b"SMEMBERS", self._keys.tables)])
            for name in tables:
                until = kept.get(name.decode())
                (keys,) = self._ask([command(b"SMEMBERS", self._keys.of(name.decode()))])
                done: list[tuple[bytes, ...]] = []
                for key, numbers in zip(keys, self._ask([command(b"HKEYS", key) for key in keys]), strict=True):
                    old = [number for number in numbers if until is None or int.from_bytes(number[:8], "big") <= until]
                    done += [(b"HDEL", key, *old[at : at + _AT_ONCE]) for at in range(0, len(old), _AT_ONCE)]
                    if len(old) == len(numbers):
                        done.append((b"SREM", self._keys.of(name.decode()), key))
                if until is None:
                    done += [(b"SREM", self._keys.tables, name), (b"DEL", self._keys.last_of(name.decode()))]
                self._commit(lock, done)

    def files(self, source: str) -> Sequence[Path]:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        return segments_in(self.folder / source)

    def trim(self, until: int) -> int:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        covered, _ = self.taken_up()
        until = min(until, covered)
        with self._locked() as lock:
            asked = command(b"ZRANGEBYSCORE", self._keys.batches, b"-inf", b"%d" % until)
            (batches,) = self._ask([asked])
            if not batches:
                return until
            done: list[tuple[bytes, ...]] = [(b"DEL", self._keys.log(batch)) for batch in batches]
            done += [
                (b"ZREM", self._keys.batches, *batches[at : at + _AT_ONCE]) for at in range(0, len(batches), _AT_ONCE)
            ]
            (entries,) = self._ask([command(b"HGETALL", self._keys.ids)])
            old = [id_ for id_, number in _pairs(entries) if int(number) <= until]
            done += [(b"HDEL", self._keys.ids, *old[at : at + _AT_ONCE]) for at in range(0, len(old), _AT_ONCE)]
            self._commit(lock, [*done, (b"SET", self._keys.trimmed, b"%d" % until)])
        return until

    def pull(self) -> None:
        """Fetch the events that are in no file of this machine yet.

        Raises:
            StoreError: ``online-store-down``, ``damaged-push``, ``cannot-write``.
        """
        covered, _ = self.taken_up()
        last, trimmed = self._home.server.ask(command(b"GET", self._keys.last) + command(b"GET", self._keys.trimmed), 2)
        if int(trimmed or 0) > covered:
            raise StoreError(
                "pushes-trimmed",
                "Events that were pushed are no longer on the server, and were never fetched by this machine.",
                hint=f"copy {self.folder} from a machine that has them; online.keep_pushes says how long they stay.",
            )
        if int(last or 0) <= covered:
            return
        with cannot_write(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FolderLock(self.folder, wait=60, clock=self._clock):
                covered, _ = self.taken_up()
                asked = command(b"ZRANGEBYSCORE", self._keys.batches, b"(%d" % covered, b"+inf", b"WITHSCORES")
                batches, forms = self._ask([asked, command(b"HGETALL", self._keys.forms)])
                if batches:
                    known = {int(number): json.loads(form) for form, number in _pairs(forms)}
                    self._write(batches[::2], known, int(float(batches[-1])))

    def _write(self, batches: Sequence[bytes], forms: Mapping[int, Any], last: int) -> None:
        groups: dict[int, list[tuple[int, bool, bytes]]] = {}
        for entries in self._ask([command(b"HGETALL", self._keys.log(batch)) for batch in batches]):
            for key, value in sorted(_pairs(entries)):
                data = opened(key, value, event_named(key))
                schema, _, said = HEAD.unpack_from(data)
                groups.setdefault(schema, []).append((int.from_bytes(key, "big"), said, data[HEAD.size :]))
        written: dict[str, list[pa.Table]] = {}
        for number, rows in groups.items():
            source, form = forms[number]
            schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(form)))
            written.setdefault(source, []).append(table_of_events(schema, rows))
        for source, tables in written.items():
            write_segment(self.folder / source, pa.concat_tables(tables, promote_options="permissive"), last)

    def taken_up(self) -> tuple[int, Mapping[str, Sequence[Path]]]:
        """The files that there are, and the number of the last event in them."""
        if not self.exists:
            return 0, {}
        found = {inner.name: segments_in(inner) for inner in sorted(self.folder.iterdir()) if inner.is_dir()}
        numbers = [int(path.stem.partition("-")[2]) for files in found.values() for path in files]
        return max(numbers, default=0), {source: files for source, files in found.items() if files}

    def damaged(self) -> list[StoreError]:
        """Nothing: what is damaged is found when it is fetched."""
        return []

    # -- asking ----------------------------------------------------------------------------------------------------

    def _locked(self) -> PublisherLock:
        return PublisherLock(self._home, self._clock, wait=WAIT, lease=LEASE, key=self._keys.lock)

    def _ask(self, commands: Sequence[bytes]) -> list[Reply]:
        found: list[Reply] = []
        for at in range(0, len(commands), _AT_ONCE):
            some = commands[at : at + _AT_ONCE]
            found += self._home.server.ask_patiently(b"".join(some), len(some))
        return found

    def _found(self, key: bytes, fields: Sequence[bytes]) -> list[bytes | None]:
        """The values of some fields of a hash."""
        parts = [fields[at : at + _AT_ONCE] for at in range(0, len(fields), _AT_ONCE)]
        return [value for part in self._ask([command(b"HMGET", key, *part) for part in parts]) for value in part]

    def _commit(self, lock: PublisherLock, commands: Iterable[Sequence[bytes]]) -> None:
        words = [word for one in commands for word in (b"%d" % len(one), *one)]
        if not words:
            return
        (done,) = self._ask([script(_ALL, [self._keys.lock], [lock.token, *words])])
        if not done:
            raise lock.lost()


class _Writing:
    """One push, as the commands that write it; ``first`` is the number of its first event."""

    def __init__(self, pushes: RedisPushes, events: Events, first: int) -> None:
        self._pushes = pushes
        self._keys = pushes._keys
        self._events = events
        self._first = first
        self.last = first + len(events.ids) - 1
        self._hashes: dict[bytes, dict[bytes, bytes]] = {}
        self._sets: dict[bytes, set[bytes]] = {}
        self._strings: dict[bytes, int] = {}

    @property
    def commands(self) -> Iterable[Sequence[bytes]]:
        """What is to be done, all of it or nothing."""
        for key, fields in self._hashes.items():
            flat = [word for pair in fields.items() for word in pair]
            yield from ((b"HSET", key, *flat[at : at + _WORDS]) for at in range(0, len(flat), _WORDS))
        for key, members in self._sets.items():
            some = sorted(members)
            yield from ((b"SADD", key, *some[at : at + _WORDS]) for at in range(0, len(some), _WORDS))
        yield (b"ZADD", self._keys.batches, b"%d" % self.last, b"%d" % self._first)
        yield from ((b"SET", key, b"%d" % number) for key, number in self._strings.items())

    def all(self, views: Mapping[str, Sequence[ViewRow]], elsewhere: Elsewhere) -> None:
        """Events, and what views make of them."""
        events, form = self._events, self._form()
        log = self._hashes.setdefault(self._keys.log(b"%d" % self._first), {})
        ids = self._hashes.setdefault(self._keys.ids, {})
        for number, (id_, row, said) in enumerate(zip(events.ids, events.rows, events.said, strict=True), self._first):
            at = NUMBER.pack(number)
            log[at] = sealed(at, HEAD.pack(form, self._first, said) + row)
            ids[id_] = b"%d" % number
        self._strings[self._keys.last] = self.last
        for table, rows in views.items():
            if rows:
                self._rows(table, rows, elsewhere)
                self._strings[self._keys.last_of(table)] = self.last
                self._sets.setdefault(self._keys.tables, set()).add(table.encode())

    def _form(self) -> int:
        """The number under which the form of these rows is known."""
        number, count = self._pushes._ask(
            [command(b"HGET", self._keys.forms, self._events.form), command(b"HLEN", self._keys.forms)]
        )
        if number is None:
            self._hashes.setdefault(self._keys.forms, {})[self._events.form] = b"%d" % count
        return int(count if number is None else number)

    def _rows(self, table: str, rows: Sequence[ViewRow], elsewhere: Elsewhere) -> None:
        for number, row in enumerate(rows, self._first):
            self._put(table, entity(row.key), NUMBER.pack(number) + b"\0\0", OWN, row.data)
        if any(row.identity is not None for row in rows):
            earlier = self._earlier(table, rows)
            identified = [(row, number) for number, row in enumerate(rows, self._first) if row.identity is not None]
            before = elsewhere(table, [row for row, _ in identified])
            for (row, number), there in zip(identified, before, strict=True):
                self._link(table, row, number, earlier[entity(row.identity or b"")], there)

    def _earlier(self, table: str, rows: Sequence[ViewRow]) -> dict[bytes, dict[bytes, tuple[bytes, bytes | None]]]:
        """The pushed versions of the events: by number the entity of each, and its row where it is there."""
        names = sorted({entity(row.identity) for row in rows if row.identity is not None})
        asked = self._pushes._ask([command(b"HGETALL", self._keys.versions(table, name)) for name in names])
        found = {name: dict(_pairs(fields)) for name, fields in zip(names, asked, strict=True)}
        places = [(name, at, own) for name, versions in found.items() for at, own in versions.items()]
        wanted = [command(b"HGET", self._keys.rows(table, own), at + b"\0\0") for _, at, own in places]
        earlier: dict[bytes, dict[bytes, tuple[bytes, bytes | None]]] = {name: {} for name in names}
        for (name, at, own), data in zip(places, self._pushes._ask(wanted), strict=True):
            earlier[name][at] = (own, None if data is None else data[5:])
        return earlier

    def _link(
        self,
        table: str,
        row: ViewRow,
        number: int,
        earlier: dict[bytes, tuple[bytes, bytes | None]],
        before: Sequence[ViewRow],
    ) -> None:
        """Let every entity that has a version of the event know of those that are other entities'."""
        assert row.identity is not None
        own, at = entity(row.key), NUMBER.pack(number)
        others: set[bytes] = set()
        for when, (other, data) in earlier.items():
            if other != own:
                others.add(other)
                if data is not None:
                    self._put(table, own, when + b"\0\0", ELSEWHERE, data)
        for copy, version in enumerate(before, 1):
            others.add(entity(version.key))
            self._put(table, own, at + copy.to_bytes(2, "big"), ELSEWHERE, version.data)
        for other in others - {own}:
            self._put(table, other, at + b"\0\0", ELSEWHERE, row.data)
        earlier[at] = (own, row.data)
        event = self._keys.versions(table, entity(row.identity))
        self._hashes.setdefault(event, {})[at] = own
        self._sets.setdefault(self._keys.of(table), set()).add(event)

    def _put(self, table: str, own: bytes, at: bytes, flag: int, data: bytes) -> None:
        key = self._keys.rows(table, own)
        self._hashes.setdefault(key, {})[at] = sealed(own + at, bytes([flag]) + data)
        self._sets.setdefault(self._keys.of(table), set()).add(key)


class RedisPushed:
    """What was pushed after a snapshot: ``taken_up`` is the number up to which each table has it in itself.

    It is fetched together with the snapshot's own rows (``store.redis_snapshot``), so every table is live.
    """

    def __init__(self, home: Home, taken_up: Mapping[str, int]) -> None:
        self._home = home
        self._keys = PushKeys(home)
        self._taken_up = taken_up

    def is_live(self, table: str) -> bool:
        """See :class:`sqlfeat.store.pushed.Pushes`."""
        return table in self._taken_up

    def name(self, table: str, key: bytes) -> bytes:
        """The hash with an entity's rows."""
        return self._keys.rows(table, entity(key))

    def told(self, table: str, key: bytes, reply: Sequence[bytes]) -> bytes | None:
        """The rows in what was replied."""
        if not reply:
            return None
        own, after = entity(key), NUMBER.pack(self._taken_up.get(table, 0) + 1)
        name, _, _ = table.partition("@")
        found = []
        for at, value in sorted(_pairs(reply)):
            if at[:8] >= after:
                data = checked(own + at, value)
                if data is None:
                    what = f"The row of {name} that was pushed with {event_named(at[:8])}"
                    data = opened(own + at, value, what)
                found.append((data[0], data[1:]))
        return packed([(KEY, key), *found]) if found else None

    def rows(self, table: str, key: bytes) -> bytes | None:
        """See :class:`sqlfeat.store.pushed.Pushes`."""
        return self.told(table, key, self._home.server.ask(command(b"HGETALL", self.name(table, key)), 1)[0])


@contextmanager
def cannot_write(folder: Path) -> Iterator[None]:
    """Tell of what the machine refuses."""
    try:
        yield
    except OSError as error:
        what = f"{folder} cannot be written: {error.strerror or error}."
        raise StoreError("cannot-write", what, hint="is there room on the disk, and may you write there?") from error


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
