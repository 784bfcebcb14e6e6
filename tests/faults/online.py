"""Publishers to a Redis server that are killed, and servers that fail under readers: what readers are told.

``python -m tests.faults.online --seed 1 --kills 40``: processes publish as fast as they can and are killed, while
others read; no reader may ever find two publications mixed, and nothing may be left of what was killed.

``--steps`` instead kills a publisher before and after each of its steps; ``--outages`` stops, freezes, empties and
slows the server under readers: an answer is right or an error, within the deadline, and nobody is called unknown.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.online_lmdb import LmdbStore
from sqlfeat.store.online_redis import KEPT, RedisStore
from sqlfeat.store.redis_server import RedisServer
from sqlfeat.store.redis_wire import command
from tests.faults.forks import ended, forked
from tests.made.redis import KINDS, Proxy, Server, running
from tests.store.online_conformance import entries, image

TABLES = ("one", "two", "three")
ENTITIES = 1200
DEADLINE = 0.25
LOCAL = "lmdb"
_LONGEST = 0.4


def store_at(url: str, **settings: Any) -> RedisStore:
    return RedisStore(RedisAddress.parse(url), "shop", **{"timeout": 20.0, "wait": 60.0, "grace": 5.0, **settings})


def generation(number: int) -> list[Any]:
    """Tables in which every value says of which publication it is."""
    return [image(name, dict.fromkeys(entries(ENTITIES), b"%d" % number)) for name in TABLES]


def wanted() -> list[tuple[str, bytes]]:
    return [(name, key) for key in list(entries(ENTITIES))[::97] for name in TABLES]


def is_whole(snapshot: Any) -> bool:
    """Whether everything in a snapshot is of one publication."""
    return set(snapshot.fetch(wanted())) == {b"%d" % snapshot.manifest["generation"]}


# -- killed publishers -------------------------------------------------------------------------------------------------


def publish_for_ever(url: str, number: int) -> int:
    store = store_at(url, lease=0.3)
    while True:
        store.publish({"generation": number}, generation(number), incremental=number % 3 == 0)
        number += 1


def read_until_told(url: str, write: int) -> int:
    """Read until the server says that it is enough; tells how often, and gives 1 where something was mixed."""
    store, reads, mixed = store_at(url), 0, 0
    while store.server.ask(command(b"EXISTS", b"end"), 1) == [0]:
        with store.open() as snapshot:
            for _ in range(5):
                mixed += not is_whole(snapshot)
                reads += 1
    os.write(write, b"%d\n" % reads)
    return int(mixed > 0)


def kills(server: Server, seed: int, count: int) -> int:
    """Kill publishers while two processes read; gives how often these have read."""
    generator = random.Random(seed)
    store = store_at(server.url, grace=0.0)
    store.publish({"generation": 0}, generation(0))
    read, write = os.pipe()
    readers = [forked(partial(read_until_told, server.url, write)) for _ in range(2)]
    for kill in range(count):
        publisher = forked(partial(publish_for_ever, server.url, 1 + kill * 1000))
        time.sleep(generator.uniform(0.0, _LONGEST))
        os.kill(publisher, signal.SIGKILL)
        ended(publisher)
        with store.open() as snapshot:
            assert is_whole(snapshot), "a snapshot is mixed"
            assert snapshot.passed_over == (), "a snapshot is damaged"
    store.server.ask(command(b"SET", b"end", b"1"), 1)
    assert [ended(reader) for reader in readers] == [0, 0], "a reader found a snapshot mixed"
    told = os.read(read, 100).split()
    os.close(read)
    os.close(write)
    nothing_is_left(store)
    return sum(map(int, told))


def local_kills(folder: Path, seed: int, count: int) -> int:
    """Kill publishers to the embedded store while two processes read; gives how often these have read."""
    dice = random.Random(seed)
    store, end = LmdbStore(folder / "online", wait=60), folder / "end"
    store.publish({"generation": 0}, generation(0))
    read, write = os.pipe()
    readers = [forked(partial(_read_locally, store, end, write)) for _ in range(2)]
    for kill in range(count):
        publisher = forked(partial(_publish_locally, store, 1 + kill * 1000))
        time.sleep(dice.uniform(0.0, _LONGEST))
        os.kill(publisher, signal.SIGKILL)
        ended(publisher)
        with store.open() as snapshot:
            assert is_whole(snapshot), "a snapshot is mixed"
            assert snapshot.passed_over == (), "a snapshot is damaged"
    end.touch()
    assert [ended(reader) for reader in readers] == [0, 0], "a reader found a snapshot mixed"
    store.publish({"generation": -1}, generation(-1))
    left = [path.name for path in store.folder.iterdir() if path.name.endswith(".tmp")]
    assert left == [], left
    return sum(map(int, os.read(read, 100).split()))


def _publish_locally(store: LmdbStore, number: int) -> int:
    while True:
        store.publish({"generation": number}, generation(number), incremental=number % 3 == 0)
        number += 1


def _read_locally(store: LmdbStore, end: Path, write: int) -> int:
    reads = mixed = 0
    while not end.exists():
        with store.open() as snapshot:
            mixed += not is_whole(snapshot)
            reads += 1
    os.write(write, b"%d\n" % reads)
    return int(mixed > 0)


def nothing_is_left(store: RedisStore) -> None:
    """After some more publications, nothing but they lie on the server."""
    for number in range(KEPT):
        store.publish({"generation": -number}, generation(-number))
    (keys,) = store.server.ask(command(b"KEYS", store.home.keys.prefix + b"*"), 1)
    layers = [key for key in keys if b":layer:" in key]
    assert len(layers) == KEPT * len(TABLES), f"{len(layers)} tables are left"


def steps(server: Server) -> int:
    """Kill a publisher before and after each time that it asks the server; gives how many such points there are."""
    store = store_at(server.url, grace=0.0)
    store.publish({"generation": 0}, generation(0))
    for point in range(1, 10_000):
        child = forked(partial(_dying, server.url, point))
        if ended(child) == 0:  # it came to its end before that point
            nothing_is_left(store)
            return point - 1
        with store.open() as snapshot:
            assert is_whole(snapshot), f"mixed after point {point}"
            assert snapshot.manifest["generation"] in (point, point - 1), f"wrong after point {point}"
            assert snapshot.passed_over == (), f"damaged after point {point}"
        store.publish({"generation": point}, generation(point), incremental=point % 2 == 0)
    raise AssertionError("a publication never ends")


def die_at(point: int) -> None:
    """From now on this process dies at a point: odd ones are before an exchange with the server, even ones after it."""
    talk, at = RedisServer.talk, 0

    def counted(self: RedisServer, *arguments: Any, **named: Any) -> Any:
        nonlocal at
        at += 1
        if at == point:
            os._exit(9)
        found = talk(self, *arguments, **named)
        at += 1
        if at == point:
            os._exit(9)
        return found

    RedisServer.talk = counted  # type: ignore[method-assign]


def _dying(url: str, point: int) -> int:
    """Publish, and die at a point."""
    die_at(point)
    store = store_at(url, lease=0.3, grace=0.0)
    store.publish({"generation": point}, generation(point), incremental=point % 4 < 2)
    return 0


# -- servers that fail -------------------------------------------------------------------------------------------------


@contextmanager
def stopped(server: Server, proxy: Proxy) -> Iterator[None]:
    server.stop()
    yield


@contextmanager
def frozen(server: Server, proxy: Proxy) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


@contextmanager
def empty(server: Server, proxy: Proxy) -> Iterator[None]:
    server.stop()
    server.start()
    yield


@contextmanager
def late(server: Server, proxy: Proxy) -> Iterator[None]:
    proxy.delay = 10.0
    yield
    proxy.delay = 0.0


@contextmanager
def dripping(server: Server, proxy: Proxy) -> Iterator[None]:
    proxy.delay, proxy.piece = 0.001, 1
    yield
    proxy.delay, proxy.piece = 0.0, 0


@contextmanager
def cut(server: Server, proxy: Proxy) -> Iterator[None]:
    proxy.is_cut = True
    yield
    proxy.is_cut = False


OUTAGES = {one.__name__: one for one in (stopped, frozen, empty, late, dripping, cut)}


def outage(kind: str, server: Server, reads: int) -> tuple[Counter[str], list[float]]:
    """Read under an outage; gives what was answered how often, and how long each answer took, in seconds."""
    store_at(server.url).publish({"generation": 1}, generation(1))
    proxy = Proxy(server.port)
    answers: Counter[str] = Counter()
    seconds = []
    asked = [*wanted(), ("one", b"\0nobody")]
    right = [b"1"] * (len(asked) - 1) + [None]
    store = store_at(proxy.url, timeout=DEADLINE)
    try:
        with store_at(proxy.url).open() as patient:
            snapshot = type(patient)(store.home, patient.number, patient.manifest)
            with OUTAGES[kind](server, proxy):
                for _ in range(reads):
                    began = time.monotonic()
                    try:
                        answer = "right" if snapshot.fetch(asked) == right else "WRONG"
                    except StoreError as error:
                        answer = error.code
                    seconds.append(time.monotonic() - began)
                    answers[answer] += 1
    finally:
        store.close()
        proxy.close()
        server.stop()
        server.start()
    assert not answers["WRONG"], f"{kind}: {answers}"
    return answers, seconds


def main(words: list[str]) -> int:
    """Kill, or fail, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--kind", choices=(*KINDS, LOCAL), default=KINDS[0])
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--outages", type=int, metavar="READS", help="so many reads under each outage")
    asked = parser.parse_args(words)
    if asked.kind == LOCAL:
        with tempfile.TemporaryDirectory() as folder:
            reads = local_kills(Path(folder), asked.seed, asked.kills)
        print(f"{LOCAL}, seed {asked.seed}: {asked.kills} publishers killed, {reads} reads: 0 mixed, nothing left")
        return 0
    with running(asked.kind) as server:
        if asked.steps:
            print(f"{asked.kind}: {steps(server)} crash points: 0 mixed, 0 damaged, nothing left")
        elif asked.outages:
            for kind in OUTAGES:
                answers, seconds = outage(kind, server, asked.outages)
                p99 = sorted(seconds)[int(len(seconds) * 0.99)]
                told = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
                print(f"{asked.kind} {kind}: {told}; p99 {p99 * 1000:.1f} ms, longest {max(seconds) * 1000:.1f} ms")
        else:
            reads = kills(server, asked.seed, asked.kills)
            what = f"{asked.kind}, seed {asked.seed}: {asked.kills} publishers killed"
            print(f"{what}, {reads} reads: 0 mixed, nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
