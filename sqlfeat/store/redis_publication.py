"""A snapshot being written to a Redis or Valkey server: by one publisher at a time, whole or not at all.

What is begun is written down before, so that the next publisher finds what a killed one left. Entries are packed a
column at a time, without a loop over rows. The pointer is moved last, by a script that does it only for who still has
the lock.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.base.clock import Clock
from sqlfeat.base.files import canonical_json
from sqlfeat.errors import StoreError
from sqlfeat.store.artifacts import sealed
from sqlfeat.store.online import REMOVED, Image, TableWritten
from sqlfeat.store.redis_snapshot import MARK, SNAPSHOT, Home, Layer, RedisSnapshot
from sqlfeat.store.redis_wire import Reply, command

_ENTRIES = 500
_WINDOW = 16
MAKE_CURRENT = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local before = redis.call('GET', KEYS[2])
if before and before ~= ARGV[2] then
  redis.call('HSET', KEYS[3], before, redis.call('TIME')[1])
end
redis.call('SET', KEYS[4], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[2], '0')
redis.call('SET', KEYS[2], ARGV[2])
return 1
"""
"""Moves the pointer, if the lock is still ours; the snapshot before is not current from now on."""
_RENEW = b"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_ABANDON = b"""
if redis.call('GET', KEYS[2]) == ARGV[2] then return 0 end
if tonumber(redis.call('GET', KEYS[3]) or '0') > tonumber(ARGV[2]) then return 0 end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
"""Gives up the lock, so that a last step that is still on its way will not be done. Whoever came later knows better."""
_RELEASE = b"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


def script(text: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
    """A script that the server runs in one step."""
    return command(b"EVAL", text, b"%d" % len(keys), *keys, *arguments)


class PublisherLock:
    """One publisher at a time: held with a lease, which a thread renews. What is moved last asks for it once more."""

    def __init__(self, home: Home, clock: Clock, *, wait: float, lease: float, key: bytes | None = None) -> None:
        self._home = home
        self._key = key or home.keys.lock
        self._wait = wait
        self._lease = lease
        self._milliseconds = b"%d" % round(lease * 1000)
        since = clock.now().isoformat(timespec="seconds")
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": since, "nonce": secrets.token_hex(16)}
        self.token = canonical_json(holder).encode()
        self._is_lost = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        waited, pause = 0.0, 0.002
        while not self._taken():
            if waited >= self._wait:
                raise self._refusal()
            self._end.wait(pause)
            waited, pause = waited + pause, min(pause * 2, 0.05)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        with suppress(StoreError):  # else it ends by itself
            self._ask(_RELEASE)

    def check(self) -> None:
        """Raise where another publisher has come in between."""
        if self._is_lost:
            raise self.lost()

    def lost(self) -> StoreError:
        """The error of who was away for longer than the lease."""
        return StoreError(
            "locked", f"{self._home} was taken over by another publisher.", hint="publish again when it is done."
        )

    def _taken(self) -> bool:
        asked = command(b"SET", self._key, self.token, b"NX", b"PX", self._milliseconds)
        mine = command(b"GET", self._key)  # asked again after a broken connection, the first may have done
        return bool(self._home.server.ask_patiently(asked + mine, 2)[1] == self.token)

    def _renew(self) -> None:
        while not self._end.wait(self._lease / 3):
            with suppress(StoreError):
                self._is_lost = self._is_lost or not self._ask(_RENEW, self._milliseconds)

    def _ask(self, text: bytes, *arguments: bytes) -> Reply:
        asked = script(text, [self._key], [self.token, *arguments])
        return self._home.server.ask(asked, 1, timeout=self._lease)[0]

    def _refusal(self) -> StoreError:
        asked = command(b"GET", self._key) + command(b"PTTL", self._key)
        holder, left = self._home.server.ask_patiently(asked, 2)
        try:
            told = json.loads(holder)
            who = f"process {told['pid']} on {told['host']} since {told['since']}"
        except (ValueError, KeyError, TypeError):
            who = "another process"
        seconds = max(1, -(-max(left, 0) // 1000))
        return StoreError(
            "locked",
            f"{self._home} is being written by {who}.",
            hint=f"wait until it has ended; if it was killed, it is done with in {seconds} s.",
        )


class Publication:
    """One snapshot being written: a whole one, or what differs from the one before it."""

    def __init__(self, home: Home, lock: PublisherLock, number: int, base: RedisSnapshot | None) -> None:
        self.tables: dict[str, TableWritten] = {}
        self._home = home
        self._lock = lock
        self._number = number
        self._base = base
        self._id = f"{number}-{secrets.token_hex(8)}"
        self._entries: dict[str, int] = {}
        self._bytes = 0

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the snapshot, the newest last."""
        below = self._base.layers if self._base is not None else ()
        return (*below, Layer(self._id, self._entries, self._bytes))

    def fill(self, images: Iterable[Image]) -> None:
        """Write the tables, and look whether they are there."""
        for image in images:
            if image.name in self.tables:
                raise ValueError(f"there are two images of {image.name}")
            self._begin(image.name)
            if self._base is not None and image.name in self._base.manifest["tables"]:
                self.tables[image.name] = self._write_changes(image, self._base)
            else:
                rows = sum(self._put(image.name, keys, values) for keys, values in image.batches)
                self.tables[image.name] = TableWritten(rows, rows)
        self._check()

    def manifest(self, body: Mapping[str, Any], created_at: str) -> bytes:
        """The manifest as it is kept."""
        said = {
            **body,
            "number": self._number,
            "created_at": created_at,
            "layers": [asdict(layer) for layer in self.layers],
            "tables": {name: {"rows": table.rows} for name, table in self.tables.items()},
        }
        return sealed(said, SNAPSHOT)

    def abandon(self) -> None:
        """Remove what was written, unless it is current after all: the last step's answer may have been lost."""
        keys, written = self._home.keys, [self._home.keys.table(self._id, name) for name in self._entries]
        asked = script(_ABANDON, [keys.lock, keys.current, keys.last], [self._lock.token, b"%d" % self._number])
        with suppress(StoreError):  # else the next publisher removes it
            if self._home.server.ask(asked, 1)[0]:
                for key in written:
                    self._home.server.ask(command(b"UNLINK", key) + command(b"SREM", keys.begun, key), 2)

    def _begin(self, table: str) -> None:
        """Write down that there will be a hash, then begin it with its mark."""
        key = self._home.keys.table(self._id, table)
        self._entries[table] = 0
        asked = command(b"SADD", self._home.keys.begun, key) + command(b"HSET", key, MARK, self._id.encode())
        self._home.server.ask_patiently(asked, 2)

    def _put(self, table: str, keys: pa.Array, values: pa.Array) -> int:
        """Write entries, some hundreds with a command and some thousands at a time."""
        if len(keys) and (pc.min(pc.binary_length(keys)).as_py() or 0) == 0:
            raise ValueError(f"an entry of {table} has no key")
        hash_key = self._home.keys.table(self._id, table)
        head = b"$4\r\nHSET\r\n$%d\r\n%b\r\n" % (len(hash_key), hash_key)
        packed = _packed(keys, values)
        ends = np.frombuffer(packed.buffers()[1], np.int64, len(packed) + 1, packed.offset * 8)
        data = memoryview(packed.buffers()[2] or b"")
        for first in range(0, len(keys), _ENTRIES * _WINDOW):
            last = min(first + _ENTRIES * _WINDOW, len(keys))
            asked: list[bytes | memoryview] = []
            for start in range(first, last, _ENTRIES):
                end = min(start + _ENTRIES, last)
                asked += (b"*%d\r\n" % (2 + 2 * (end - start)), head, data[ends[start] : ends[end]])
            self._lock.check()
            self._home.server.ask_patiently(b"".join(asked), len(asked) // 3)
        self._entries[table] += len(keys)
        self._bytes += int(pc.sum(pc.binary_length(keys)).as_py() or 0) + int(
            pc.sum(pc.binary_length(values)).as_py() or 0
        )
        return len(keys)

    def _write_changes(self, image: Image, base: RedisSnapshot) -> TableWritten:
        """Write entries that are new or other than those of the snapshot before, and an empty value where one went."""
        before = base.manifest["tables"][image.name]["rows"]
        rows = written = known = 0
        seen: list[pa.Array] = []
        for keys, values in image.batches:
            old = pa.array(base.fetch([(image.name, key) for key in keys.to_pylist()]), pa.binary())
            is_same = pc.fill_null(pc.equal(old, values), False)
            written += self._put(image.name, keys.filter(pc.invert(is_same)), values.filter(pc.invert(is_same)))
            rows += len(keys)
            known += len(keys) - old.null_count
            seen.append(keys)
        if known == before:
            return TableWritten(rows, written)
        there = {key for keys in seen for key in keys.to_pylist()}
        gone = pa.array([key for key, _ in base.items(image.name) if key not in there], pa.binary())
        removed = self._put(image.name, gone, pa.array([REMOVED] * len(gone), pa.binary()))
        return TableWritten(rows, written, removed)

    def _check(self) -> None:
        """Raise unless the server has all that was sent."""
        asked = [command(b"HLEN", self._home.keys.table(self._id, name)) for name in self._entries]
        asked.append(command(b"GET", self._home.keys.last))
        *lengths, last = self._home.server.ask_patiently(b"".join(asked), len(asked))
        if last is not None and int(last) > self._number:
            raise self._lock.lost()
        if lengths != [count + 1 for count in self._entries.values()]:
            what = f"{self._home} has lost some of what was written to it just now."
            raise StoreError("online-store-down", what, hint="was it restarted, or is its memory full? Publish again.")


def _packed(keys: pa.Array, values: pa.Array) -> pa.LargeBinaryArray:
    """Each key and its value as two words of a command."""

    def word(array: pa.Array) -> list[Any]:
        length = pc.cast(pc.cast(pc.binary_length(array), pa.string()), pa.large_binary())
        return [_scalar(b"$"), length, _scalar(b"\r\n"), array.cast(pa.large_binary()), _scalar(b"\r\n")]

    return pc.binary_join_element_wise(*word(keys), *word(values), _scalar(b""))


def _scalar(text: bytes) -> pa.Scalar:
    return pa.scalar(text, pa.large_binary())
