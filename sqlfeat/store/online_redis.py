"""The online store on a Redis or Valkey server: a snapshot is some hashes that never change; a pointer is moved last.

Readers that hold an older snapshot go on reading it until it is collected: the two newest stay, others for a while.
What lies where, and how it is read, is told in ``store.redis_snapshot``; how it is written, in
``store.redis_publication``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.errors import StoreError
from sqlfeat.spec.online import TIMEOUT
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.artifacts import unsealed
from sqlfeat.store.online import Image, Written
from sqlfeat.store.pushed_redis import RedisPushed, RedisPushes
from sqlfeat.store.redis_publication import MAKE_CURRENT, Publication, PublisherLock, script
from sqlfeat.store.redis_server import RedisServer
from sqlfeat.store.redis_snapshot import OPENING, SNAPSHOT, Home, Keys, RedisSnapshot, layers_of
from sqlfeat.store.redis_wire import Reply, command

KEPT = 2
"""How many snapshots stay for sure; older ones are collected once nobody can be reading them any more."""
MOST_LAYERS = 4
"""How many layers a read may have to look into; then a snapshot is written anew."""
GRACE = 60.0
LEASE = 10.0
_PUSHING = 5.0
"""Seconds that a step of a push may take, which clients wait for."""


class RedisStore:
    """An online store on a server, under a name that no other project there has.

    ``timeout`` is how many seconds a read may take, ``wait`` how many a publisher waits for another one; a publisher
    that is gone is done with after ``lease`` seconds, a snapshot that is no longer current after ``grace``.
    """

    is_remote = True

    def __init__(
        self,
        address: RedisAddress,
        name: str,
        *,
        timeout: float = TIMEOUT,
        wait: float = 0.0,
        lease: float = LEASE,
        grace: float = GRACE,
        clock: Clock | None = None,
    ) -> None:
        self.home = Home(RedisServer(address, timeout=timeout), Keys(name))
        self.server = self.home.server
        self._keys = self.home.keys
        self._clock = clock or SystemClock()
        self._wait = wait
        self._lease = lease
        self._grace = grace

    def __repr__(self) -> str:
        return f"RedisStore({str(self.home)!r})"

    @property
    def problem(self) -> StoreError | None:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        return self.server.problem

    def publish(self, body: Mapping[str, Any], images: Iterable[Image], *, incremental: bool = False) -> Written:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        with PublisherLock(self.home, self._clock, wait=self._wait, lease=self._lease) as lock:
            begun = self._begun()
            self._collect(begun)
            base = self._base() if incremental else None
            number = self._next_number()
            writing = Publication(self.home, lock, number, base)
            try:
                writing.fill(images)
                manifest = writing.manifest(body, self._clock.now().isoformat())
                self._make_current(lock, number, manifest)
            except BaseException:
                writing.abandon()
                raise
            self._collect(begun)
        size = sum(layer.bytes for layer in writing.layers)
        return Written(number, writing.tables, base is not None, size)

    def open(self) -> RedisSnapshot:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        passed_over: list[StoreError] = []
        tried: set[int] = set()
        while True:
            number = max((one for one in self._numbers() if one not in tried), default=None)
            if number is None:
                break
            tried.add(number)
            try:
                return self._snapshot(number, tuple(passed_over))
            except StoreError as error:
                if error.code in ("online-store-down", "cannot-write"):
                    raise
                if number in self._numbers():  # else it was collected meanwhile, and there are newer ones
                    passed_over.append(error)
        if passed_over:
            raise passed_over[0]
        raise StoreError(
            "no-snapshot", f"Nothing is published in {self.home}.", hint="publish the feature views: sqlfeat publish."
        )

    def newest(self) -> int | None:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        (current,) = self.server.ask(command(b"GET", self._keys.current), 1)
        return None if current is None else int(current)

    def taken_up(self) -> dict[str, int]:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        found: dict[str, int] = {}
        numbers = self._numbers()
        for raw in self._asked([command(b"GET", self._keys.snapshot(number)) for number in numbers]):
            with suppress(StoreError):
                for table, last in taken_up_by(unsealed(raw or b"", "a snapshot", SNAPSHOT)).items():
                    found[table] = min(found.get(table, last), last)
        return found

    def pushes(self, folder: Path) -> RedisPushes:
        """What is pushed to the project, with files in a folder of this machine."""
        server = RedisServer(self.server.address, timeout=self.server.timeout, patience=_PUSHING)
        return RedisPushes(Home(server, self._keys), folder, clock=self._clock)

    def close(self) -> None:
        """Hang up."""
        self.server.close()

    # -- snapshots -------------------------------------------------------------------------------------------------

    def _numbers(self) -> list[int]:
        """The snapshots that can be read, up to the current one."""
        current, numbers = self.server.ask(
            command(b"GET", self._keys.current) + command(b"HKEYS", self._keys.snapshots), 2, timeout=OPENING
        )
        return [] if current is None else [int(number) for number in numbers if int(number) <= int(current)]

    def _snapshot(self, number: int, passed_over: tuple[StoreError, ...] = ()) -> RedisSnapshot:
        where = f"snapshot {number} in {self.home}"
        (raw,) = self.server.ask(command(b"GET", self._keys.snapshot(number)), 1, timeout=OPENING)
        if raw is None:
            raise StoreError(SNAPSHOT.damaged, f"{where} has no manifest.", hint=SNAPSHOT.mend)
        manifest = unsealed(raw, where, SNAPSHOT)
        taken_up = taken_up_by(manifest)
        pushed = RedisPushed(self.home, taken_up) if taken_up else None
        snapshot = RedisSnapshot(self.home, number, manifest, passed_over, pushed)
        snapshot.verify()
        return snapshot

    def _base(self) -> RedisSnapshot | None:
        """The snapshot that an incremental one can build upon."""
        try:
            base = self.open()
        except StoreError as error:
            if error.code == "online-store-down":
                raise
            return None
        return base if len(base.layers) < MOST_LAYERS else None

    def _next_number(self) -> int:
        last, current = self.server.ask_patiently(
            command(b"INCR", self._keys.last) + command(b"GET", self._keys.current), 2
        )
        if current is not None and int(current) >= last:
            last = int(current) + 1
            self.server.ask_patiently(command(b"SET", self._keys.last, b"%d" % last), 1)
        return int(last)

    def _make_current(self, lock: PublisherLock, number: int, manifest: bytes) -> None:
        """Move the pointer, with the manifest, in one step, if the lock is still ours."""
        keys = self._keys
        asked = script(
            MAKE_CURRENT,
            [keys.lock, keys.current, keys.snapshots, keys.snapshot(number)],
            [lock.token, b"%d" % number, manifest],
        )
        (done,) = self.server.ask_patiently(asked, 1)
        if not done:
            raise lock.lost()

    # -- collecting ------------------------------------------------------------------------------------------------

    def _begun(self) -> set[bytes]:
        """The hashes that have been begun, whatever became of them."""
        (found,) = self.server.ask_patiently(command(b"SMEMBERS", self._keys.begun), 1)
        return set(found)

    def _collect(self, begun: set[bytes]) -> None:
        """Remove old snapshots, and of what was ``begun`` whatever no snapshot needs."""
        (past, now, current) = self.server.ask_patiently(
            command(b"HGETALL", self._keys.snapshots) + command(b"TIME") + command(b"GET", self._keys.current),
            3,
        )
        superseded = {int(number): int(at) for number, at in zip(past[::2], past[1::2], strict=True)}
        newest = sorted(number for number in superseded if current is not None and number <= int(current))[-KEPT:]
        ends = int(now[0]) - self._grace
        gone = [number for number, at in superseded.items() if number not in newest and (at <= ends)]
        kept = superseded.keys() - set(gone)
        needed: set[bytes] = set()
        for raw in self._asked([command(b"GET", self._keys.snapshot(number)) for number in sorted(kept)]):
            layers = layers_of(raw)
            if layers is None:
                return  # a manifest that cannot be read may need any of them
            needed |= {self._keys.table(layer.id, table) for layer in layers for table in layer.entries}
        self._asked([command(b"HDEL", self._keys.snapshots, b"%d" % number) for number in gone])
        self._asked([command(b"UNLINK", self._keys.snapshot(number)) for number in gone])
        for key in sorted(begun - needed):
            self._asked([command(b"UNLINK", key), command(b"SREM", self._keys.begun, key)])
            begun.discard(key)

    def _asked(self, commands: Sequence[bytes]) -> list[Reply]:
        return self.server.ask_patiently(b"".join(commands), len(commands)) if commands else []


def taken_up_by(manifest: Mapping[str, Any]) -> dict[str, int]:
    """By view, the number of the last pushed event that a snapshot has in itself."""
    views = manifest.get("views", {}).items()
    return {table: said["ranking"]["taken_up"] for table, said in views if "ranking" in said}
