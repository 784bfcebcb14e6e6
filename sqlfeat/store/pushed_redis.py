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
from pathlib import Path
from typing import Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import FolderLock, canonical_json, write_atomically, writing_to
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
    Segments,
    damage_of,
    entity,
    event_named,
)
from sqlfeat.store.redis_publication import PublisherLock, script
from sqlfeat.store.redis_snapshot import Home
from sqlfeat.store.redis_wire import Reply, command

LEASE = 5.0
WAIT = 10.0
"""How many seconds a push waits for others."""
_FETCHED = "fetched.json"
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
        self._segments = Segments(self.folder)
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
            known, lost = self._known(events.ids)
            first_of_each = {id_: place for place, id_ in reversed(list(enumerate(events.ids))) if id_ not in known}
            new = sorted(first_of_each.values())
            (last,) = self._ask([command(b"GET", self._keys.last)])
            first = max(int(last or 0) + 1, int(self._clock.now().timestamp() * 1e6))  # after all that was ever given
            if not new:
                return Appended(0, len(events.ids), int(last or 0))
            chosen = events.only(new) if len(new) < len(events.ids) else events
            writing = _Writing(self, chosen, first)
            views = evaluate(new)
            writing.all(views, elsewhere)
            self._commit(lock, [*writing.commands, *self._forgotten(views, lost)])
        return Appended(len(new), len(events.ids) - len(new), writing.last)

    def _known(self, ids: Sequence[bytes]) -> tuple[set[bytes], Mapping[bytes, bytes]]:
        """What identifies the events that were pushed before; of those that are damaged now, by number, the log."""
        found = {id_: int(at) for id_, at in zip(ids, self._found(self._keys.ids, ids), strict=True) if at is not None}
        asked = [command(b"ZRANGEBYSCORE", self._keys.batches, b"%d" % at, b"+inf", b"LIMIT", b"0", b"1")
                 for at in found.values()]  # fmt: skip
        logs = [self._keys.log(batch[0]) if batch else b"" for batch in self._ask(asked)]
        numbers = [NUMBER.pack(at) for at in found.values()]
        values = self._ask([command(b"HGET", log, at) for log, at in zip(logs, numbers, strict=True)])
        known, lost = set(), {}
        for id_, at, log, value in zip(found, numbers, logs, values, strict=True):
            if value is not None and checked(at, value) is not None:
                known.add(id_)
            else:
                lost[at] = log
        return known, lost

    def _forgotten(
        self, views: Mapping[str, Sequence[ViewRow]], lost: Mapping[bytes, bytes]
    ) -> Iterator[Sequence[bytes]]:
        """What forgets the events that come again, and what views had of them."""
        yield from ((b"HDEL", log, at) for at, log in lost.items() if log)
        for table, rows in views.items() if lost else ():
            names = sorted({self._keys.rows(table, entity(row.key)) for row in rows})
            yield from ((b"HDEL", name, *(at + b"\0\0" for at in lost)) for name in names)

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
        return self._segments.of(source)

    def trim(self, until: int) -> int:
        """See :class:`sqlfeat.store.pushed.PushStore`."""
        until = min(until, self._fetched()["until"])
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
            StoreError: ``online-store-down``, ``cannot-write``.
        """
        covered = self._fetched()["until"]
        last, trimmed = self._home.server.ask(command(b"GET", self._keys.last) + command(b"GET", self._keys.trimmed), 2)
        if int(trimmed or 0) > covered:
            raise StoreError(
                "pushes-trimmed",
                "Events that were pushed are no longer on the server, and were never fetched by this machine.",
                hint=f"copy {self.folder} from a machine that has them; online.keep_pushes says how long they stay.",
            )
        if int(last or 0) <= covered:
            return
        with writing_to(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FolderLock(self.folder, wait=60, clock=self._clock):
                self._fetch()

    def _fetch(self) -> None:
        """Write what is in no file yet; how far that goes is written down last, when all of it is there."""
        known = self._fetched()
        self._note_fetched(known)
        asked = command(b"ZRANGEBYSCORE", self._keys.batches, b"(%d" % known["until"], b"+inf", b"WITHSCORES")
        batches, forms = self._ask([asked, command(b"HGETALL", self._keys.forms)])
        if not batches:
            return
        last = int(float(batches[-1]))
        logs = [self._keys.log(batch) for batch in batches[::2]]
        entries = [_pairs(entries) for entries in self._ask([command(b"HGETALL", log) for log in logs])]
        of_number = {int(number): form for form, number in _pairs(forms)}
        damaged = set(self._segments.write((pair for some in entries for pair in some), of_number, last))
        more = {
            str(number): log.decode("latin-1")
            for log, some in zip(logs, entries, strict=True)
            for number in damaged & {int.from_bytes(key, "big") for key, _ in some}
        }
        self._note_fetched({"until": last, "damaged": {**known["damaged"], **more}})

    def _fetched(self) -> dict[str, Any]:
        """Up to which number events are in files here, and which of them were damaged, with where they lie."""
        try:
            said: dict[str, Any] = json.loads((self.folder / _FETCHED).read_text(encoding="utf-8"))
        except FileNotFoundError:  # nothing yet, or files from before this was written down
            return {"until": self._segments.last(), "damaged": {}}
        return said

    def _note_fetched(self, said: Mapping[str, Any]) -> None:
        write_atomically(self.folder / _FETCHED, canonical_json(said))

    def taken_up(self) -> tuple[int, Mapping[str, Sequence[Path]]]:
        """The files that there are, and the number of the last event in them."""
        return self._fetched()["until"], self._segments.all()

    def damaged(self) -> list[StoreError]:
        """What of the events on the server was not what was written when it was fetched, and still is not."""
        waiting = {int(number): log.encode("latin-1") for number, log in self._fetched()["damaged"].items()}
        asked = [command(b"HGET", log, NUMBER.pack(number)) for number, log in waiting.items()]
        try:
            values = self._ask(asked) if asked else []
        except StoreError as down:
            return [down]
        keys = map(NUMBER.pack, waiting)
        found = [damage_of(key, value) for key, value in zip(keys, values, strict=True) if value is not None]
        return [error for error in found if error is not None]

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


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
