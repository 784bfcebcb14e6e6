"""Pushes under faults: what was acknowledged is never lost, what was not is wholly there or wholly not.

``python -m tests.faults.pushes --kind lmdb --kills 60``: two processes push, one takes up for runs what there is, one
reads; each time one of them is killed. ``--steps`` kills a pusher around each of its steps instead, ``--full 40`` lets
the disk, the file or the server's memory be full, ``--damage 200`` changes bytes of what lies there, ``--outages``
fails the server under a pusher. After each of these what is seen online is what a run gets, every push is whole, and
pushing all of it again makes it complete.

A push here is three rows of one source under one key; pushes go to two sources in turn.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from textwrap import dedent
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.errors import StoreError
from sqlfeat.store import lmdb_files, pushed_redis
from sqlfeat.store.pushed import Events, PushStore, ViewRow, form_of, unpacked
from sqlfeat.store.pushed_lmdb import LmdbPushed, LmdbPushes
from sqlfeat.store.pushed_redis import PushKeys, RedisPushed
from sqlfeat.store.redis_wire import command
from sqlfeat.store.row_codec import RowCodec
from tests.faults.forks import ended, forked
from tests.faults.online import LOCAL, OUTAGES, die_at, store_at
from tests.faults.steps import again_with_shim, contents, is_shimmed, stopping, stops
from tests.made.projects import PROJECT_FILE, Files, Opened, day, orders, shop
from tests.made.redis import KINDS, Proxy, Server, running

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])
VIEW, KEY = "view@1", b"\0k"
SOURCES = ("raw.rows", "raw.others")
ROWS = 3
_EACH = 100_000
"""Each pusher's numbers begin a multiple of this."""
_LONGEST = 0.25
_TEXT = "text" * 30


@dataclass(frozen=True)
class Place:
    """Where pushes are kept: in a folder alone, or on a server and in a folder."""

    folder: Path
    url: str | None = None

    def pushes(self) -> Any:
        if self.url is None:
            return LmdbPushes(self.folder)
        return store_at(self.url, timeout=2.0).pushes(self.folder)

    def online(self, taken_up: int = 0) -> list[int]:
        """The ids that a reader sees."""
        if self.url is None:
            found = LmdbPushed(self.folder, {VIEW: taken_up}).rows(VIEW, KEY)
        else:
            found = RedisPushed(store_at(self.url).home, {VIEW: taken_up}).rows(VIEW, KEY)
        return [int(data) for flag, data in unpacked(found or b"") if flag == 0]

    def offline(self) -> list[int]:
        """The ids that a run gets."""
        pushes = self.pushes()
        pushes.pull()
        _, files = pushes.taken_up()
        return sorted(
            number for some in files.values() for file in some for number in pq.read_table(file)["id"].to_pylist()
        )


def push(pushes: PushStore, numbers: Iterable[int]) -> int:
    """Push one by one; gives how many rows were new."""
    return sum(push_one(pushes, number) for number in numbers)


def push_one(pushes: PushStore, number: int) -> int:
    ids = list(range(number * ROWS, (number + 1) * ROWS))
    table = pa.table([ids, [_TEXT] * ROWS], schema=SCHEMA)
    rows = RowCodec.of(SCHEMA).encode(table).to_pylist()
    source = SOURCES[number % 2]
    events = Events(source, form_of(source, SCHEMA), [b"%016d" % id_ for id_ in ids], rows, [True] * ROWS)
    views = partial(_view_rows, ids)
    return pushes.append(events, [VIEW], views, lambda _, rows: [()] * len(rows)).new


def _view_rows(ids: Sequence[int], places: Sequence[int]) -> dict[str, list[ViewRow]]:
    return {VIEW: [ViewRow(KEY, b"%d" % ids[place]) for place in places]}


def whole(ids: Sequence[int]) -> set[int]:
    """The pushes that are there; fails where one is torn or there twice."""
    there = {number // ROWS for number in ids}
    assert sorted(ids) == [number * ROWS + place for number in sorted(there) for place in range(ROWS)], "a push is torn"
    return there


def check(place: Place, told: set[int]) -> set[int]:
    """What was acknowledged is there, whole, online and offline alike."""
    online, offline = whole(place.online()), whole(place.offline())
    assert online == offline, f"{len(online)} pushes online, {len(offline)} for runs"
    assert told <= online, f"{len(told - online)} pushes are lost"
    return online


def _expect(error: StoreError, code: str, word: str = "") -> None:
    assert (error.code, word in error.what) == (code, True), error


def complete(place: Place, told: set[int], begun: set[int]) -> None:
    """All that was begun is pushed again: then it is all there, once."""
    there = check(place, told)
    assert push(place.pushes(), sorted(begun)) == ROWS * len(begun - there)
    assert check(place, begun) == begun


# -- killed at any moment ----------------------------------------------------------------------------------------------


def push_for_ever(place: Place, first: int, write: int) -> int:
    pushes = place.pushes()
    for number in range(first, first + _EACH):
        push_one(pushes, number)
        os.write(write, b"%d\n" % number)
    return 0


def take_up_for_ever(place: Place) -> int:
    while True:
        pushes = place.pushes()
        pushes.pull()
        pushes.taken_up()


def read_until(place: Place, end: Path, write: int) -> int:
    """Read until it is enough; tells how often, and gives 1 where a push was torn or had gone again."""
    reads, before = 0, set[int]()
    while not end.exists():
        now = whole(place.online())
        assert before <= now, "a push has gone again"
        before, reads = now, reads + 1
    os.write(write, b"%d\n" % reads)
    return 0


def kills(place: Place, seed: int, count: int) -> tuple[int, int]:
    """Kill one of two pushers, or who takes up; gives how many pushes were told to be kept, and how often was read."""
    dice, end = Random(seed), place.folder / "end"
    told_read, told_write = os.pipe()
    reads_read, reads_write = os.pipe()
    os.set_blocking(told_read, False)
    place.folder.mkdir(parents=True)
    works = [
        lambda first: push_for_ever(place, first, told_write),
        lambda first: push_for_ever(place, first, told_write),
        lambda first: take_up_for_ever(place),
    ]
    reader = forked(partial(read_until, place, end, reads_write))
    starts = iter(range(0, 10**9, _EACH))
    running_now = [forked(partial(work, next(starts))) for work in works]
    told, heard = set[int](), b""
    for _ in range(count):
        time.sleep(dice.uniform(0.02, _LONGEST))
        one = dice.randrange(len(works))
        os.kill(running_now[one], signal.SIGKILL)
        assert ended(running_now[one]) == -signal.SIGKILL, "a process had failed before it was killed"
        heard += _all_of(told_read)
        running_now[one] = forked(partial(works[one], next(starts)))
    for process in running_now:
        os.kill(process, signal.SIGKILL)
        assert ended(process) == -signal.SIGKILL, "a process had failed before it was killed"
    heard += _all_of(told_read)
    told = {int(line) for line in heard.splitlines()}
    end.touch()
    assert ended(reader) == 0, "a reader saw a push that was torn, or that went again"
    begun = told | {max(one for one in told if one // _EACH == of) + 1 for of in {one // _EACH for one in told}}
    complete(place, told, begun | check(place, told))
    return len(told), int(os.read(reads_read, 100))


def _all_of(pipe: int) -> bytes:
    heard = b""
    with suppress(BlockingIOError):
        while piece := os.read(pipe, 1 << 16):
            heard += piece
    return heard


# -- killed around every step ------------------------------------------------------------------------------------------


def work(place: Place, first: int, write: int) -> int:
    """Some pushes to two sources, what a run and a publication do with them, and pushes after that."""
    for numbers in (range(first, first + 2), range(first + 2, first + 4)):
        pushes = place.pushes()
        for number in numbers:
            push_one(pushes, number)
            os.write(write, b"%d\n" % number)
        pushes.pull()
        pushes.taken_up()
    os.write(write, b"end\n")
    return 0


def local_steps(folder: Path) -> tuple[int, int]:
    """Copy the disk at each step of a pusher; gives how many there are, and how many of the copies differ."""
    for module in ("lmdb", "pyarrow.parquet", "filelock"):
        importlib.import_module(module)
    place, (read, write) = Place(folder / "work"), os.pipe()
    os.set_blocking(read, False)

    def stopped() -> int:
        stopping(place.folder)
        return work(place, 0, write)

    points, heard, states = 0, b"", dict[str, tuple[Path, set[int]]]()
    for _ in stops(stopped):
        points += 1
        heard += _all_of(read)
        told = {int(line) for line in heard.split() if line != b"end"}
        seen = repr(contents(place.folder))
        copy = folder / f"state-{points}"
        if seen not in states and place.folder.exists():
            shutil.copytree(place.folder, copy)
            states[seen] = copy, told
        elif seen in states:
            states[seen][1].update(told)
    for copy, told in states.values():
        if ended(forked(partial(_completed, Place(copy), told))) != 0:
            raise AssertionError(f"{copy.name} is not what it must be")
    return points, len(states)


def _completed(place: Place, told: set[int]) -> int:
    complete(place, told, set(range(4)))
    return 0


def remote_steps(place: Place, every: int) -> int:
    """Kill a pusher before and after each time that it asks the server; gives how many of such points were tried."""
    told = set[int]()
    begun = set[int]()
    for point in range(1, 10_000, every):
        first = point * 10
        read, write = os.pipe()
        code = ended(forked(partial(_dying, place, point, first, write)))
        os.close(write)
        heard = os.read(read, 1000).split()
        os.close(read)
        told |= {int(line) for line in heard if line != b"end"}
        begun |= set(range(first, first + 4))
        if code == 0:
            complete(place, told, begun)
            return point // every
        store_at(str(place.url)).server.ask(command(b"DEL", PushKeys(store_at(str(place.url)).home).lock), 1)
        check(place, told)
    raise AssertionError("a push never ends")


def _dying(place: Place, point: int, first: int, write: int) -> int:
    """Push, and die at a point (``online.die_at``)."""
    die_at(point)
    return work(place, first, write)


# -- full --------------------------------------------------------------------------------------------------------------


def full_disk(place: Place, limits: int) -> tuple[int, int]:
    """Push while no file may grow beyond a limit, then with room, in one process; gives how many were refused."""
    refused = pushed = 0
    for number in range(limits):
        here = Place(place.folder / f"limit-{number}", place.url)
        read, write = os.pipe()
        greatest = 400_000 if place.url is None else 8_000  # beside a server only files for runs
        limit = round(greatest * ((number + 0.5) / limits) ** 2)
        code = ended(forked(partial(_limited, here, limit, number * 1000, write)))
        os.close(write)
        assert code == 0, f"at {limit} bytes a file"
        some, more = map(int, os.read(read, 100).split())
        os.close(read)
        refused, pushed = refused + some, pushed + more
    return refused, pushed


def _limited(place: Place, limit: int, first: int, write: int) -> int:
    told, refused, begun = set[int](), 0, set(range(first, first + 60))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    pushes = place.pushes()
    for number in sorted(begun):
        try:
            push_one(pushes, number)
            told.add(number)
            if number % 20 == 19:
                pushes.pull()
                pushes.taken_up()
        except StoreError as error:
            _expect(error, "cannot-write")
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    push(pushes, sorted(begun))  # this very process goes on
    assert begun <= check(place, told)
    os.write(write, b"%d %d" % (refused, len(told)))
    return 0


def full_file(place: Place) -> tuple[int, int]:
    """Push until the file takes no more, three times; what a publication does makes room each time."""
    lmdb_files.MOST_BYTES = 1 << 18
    pushes, number, since, full = place.pushes(), 0, 0, 0
    while full < 3:
        try:
            push_one(pushes, number)
            number += 1
        except StoreError as error:
            _expect(error, "push-store-full")
            full += 1
            assert whole(place.online()) == set(range(since, number))
            assert whole(place.offline()) == set(range(number))
            last, _ = pushes.taken_up()
            pushes.drop({VIEW: last})
            pushes.trim(last)
            since = number
            assert place.online() == []
    return full, number


def full_memory(place: Place) -> tuple[int, int]:
    """Push until the server has no memory left, then give it some; gives how many were refused and taken."""
    server, told, refused = store_at(str(place.url)).server, set[int](), 0
    (said,) = server.ask(command(b"INFO", b"memory"), 1)
    used = int(said.split(b"used_memory:")[1].split()[0])
    server.ask(command(b"CONFIG", b"SET", b"maxmemory", b"%d" % (used + 200_000)), 1)
    pushes = place.pushes()
    for number in range(1500):
        try:
            push_one(pushes, number)
            told.add(number)
        except StoreError as error:
            _expect(error, "cannot-write", "memory")
            refused += 1
            if refused == 20:
                break
    server.ask(command(b"CONFIG", b"SET", b"maxmemory", b"0"), 1)
    assert check(place, told) == told, "what was refused is there"
    complete(place, told, told | set(range(len(told), len(told) + 20)))
    return refused, len(told)


# -- damaged -----------------------------------------------------------------------------------------------------------


def damages(place: Place, seed: int, count: int) -> dict[str, int]:
    """Change bytes of a row, of an event, of a file; each is found, others are there, and pushing again mends it."""
    dice, counts = Random(seed), dict.fromkeys(("row", "event", "file"), 0)
    pushes, number = place.pushes(), 0
    for _ in range(count):
        kind = dice.choice(tuple(counts))
        counts[kind] += 1
        begun = set(range(number))
        assert check(place, begun) == begun
        push(pushes, range(number, number + 2))
        begun |= {number, number + 1}
        {"row": _damage_row, "event": _damage_event, "file": _damage_file}[kind](place, dice)
        assert push(pushes, range(number, number + 2)) == int(kind == "event")
        assert check(place, begun) == begun
        assert pushes.damaged() == []
        number += 2
    return counts


def _flipped(data: bytes, dice: Random, first: int = 0) -> bytes:
    place = dice.randrange(first, len(data))
    return data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]


def _damage_row(place: Place, dice: Random) -> None:
    """One that a view made: who asks for it is told, and not when it is whole again."""
    _, value, put = _some(place, dice, "view")
    put(_flipped(value, dice))
    _refused(place.online)
    put(value)


def _damage_event(place: Place, dice: Random) -> None:
    """One that waits for a run: the others come to the run, and it is told of."""
    at, value, put = _some(place, dice, "log")
    put(_flipped(value, dice))
    missing = set(place.online()) - set(place.offline())
    assert len(missing) == 1
    (told,) = place.pushes().damaged()
    assert str(int.from_bytes(at, "big")) in told.what


def _damage_file(place: Place, dice: Random) -> None:
    """One with events for runs: it is named, and nothing is made of it."""
    place.offline()
    file = dice.choice(sorted(place.folder.glob("pushes/*/*.parquet")))
    value = file.read_bytes()
    file.write_bytes(_flipped(value, dice))
    os.utime(file, ns=(dice.randrange(2**60), dice.randrange(2**60)))
    _refused(place.offline)
    file.write_bytes(value)


def _refused(ask: Any) -> None:
    try:
        ask()
    except StoreError as error:
        _expect(error, "damaged-push")
        return
    raise AssertionError("what is damaged is given out")


def _some(place: Place, dice: Random, table: str) -> tuple[bytes, bytes, Any]:
    """A row of a table: where it is, what it is, and what puts another one there."""
    if place.url is not None:
        return _some_remote(place, dice, table)
    environment = lmdb_files.opened_files.take(place.pushes().file)
    name = next(name for name in environment.names() if name.startswith(table))
    database = environment.made([name])[name]
    with environment.lmdb.begin() as transaction:
        at, value = dice.choice([(bytes(key), bytes(one)) for key, one in transaction.cursor(database)])

    def put(other: bytes) -> None:
        with environment.lmdb.begin(write=True) as transaction:
            transaction.put(at, other, db=database)

    return at, value, put


def _some_remote(place: Place, dice: Random, table: str) -> tuple[bytes, bytes, Any]:
    store = store_at(str(place.url))
    keys = PushKeys(store.home)
    if table == "view":
        name = keys.rows(VIEW, KEY)
    else:
        (batches,) = store.server.ask(command(b"ZRANGE", keys.batches, b"-1", b"-1"), 1)
        name = keys.log(batches[0])
    (flat,) = store.server.ask(command(b"HGETALL", name), 1)
    at, value = dice.choice(list(zip(flat[::2], flat[1::2], strict=True)))
    return at, value, lambda other: store.server.ask(command(b"HSET", name, at, other), 1)


# -- a server that fails -----------------------------------------------------------------------------------------------


def outage(kind: str, server: Server, folder: Path) -> tuple[int, int]:
    """Push through an outage that begins and ends in the middle; gives how many were kept and refused."""
    proxy = Proxy(server.port)
    there = Place(folder / kind, server.url)
    through = store_at(proxy.url, timeout=0.3)
    pushes, told, refused = through.pushes(there.folder), set[int](), 0
    pushes._home.server._patience, pushed_redis.LEASE = 0.5, 0.5
    try:
        push(pushes, range(5))
        told |= set(range(5))
        for turn in range(3):  # it flaps
            with OUTAGES[kind](server, proxy):
                for number in range(10 + turn * 10, 12 + turn * 10):
                    refused += not _tried(pushes, number, told)
            if kind in ("stopped", "empty"):
                told = set()
            if kind == "stopped":
                server.start()
            _until(pushes, 15 + turn * 10)
            told.add(15 + turn * 10)
        begun = told | {10 + turn * 10 + place for turn in range(3) for place in range(2)}
        shutil.rmtree(there.folder, ignore_errors=True)
        complete(there, told, begun)
    finally:
        through.close()
        proxy.close()
        server.empty()
    return len(told), refused


def _tried(pushes: Any, number: int, told: set[int]) -> bool:
    try:
        push_one(pushes, number)
    except StoreError as error:
        _expect(error, *(["locked"] if error.code == "locked" else ["online-store-down"]))
        return False
    told.add(number)
    return True


def _until(pushes: Any, number: int) -> None:
    """Push as soon as the server is there again."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(StoreError):
            push_one(pushes, number)
            return
        time.sleep(0.05)
    raise AssertionError("the server is there, and takes no pushes")


# -- publishers and pushers of a project -------------------------------------------------------------------------------

CUSTOMERS = ("ann", "bob", "eve")
PUBLISHED: Files = {
    "data/orders.parquet": orders().slice(0, 0),
    "models/counted.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', online=true) }}
        select customer, ordered_at, {{ window('count(*)', 'unbounded') }} as n from {{ source('raw', 'orders') }}
    """,
    "models/told.sql": """
        {{ config(materialized='feature_view', entity='customer', event_time='ordered_at', unique_key='order_id',
                  online=true) }}
        select customer, order_id, ordered_at, {{ window('count(*)', 'unbounded') }} as n
        from {{ source('raw', 'orders') }}
    """,
}


def project(folder: Path, url: str | None) -> Path:
    """A project with two views over one source, published."""
    online = f"online: {{store: redis, url: {url}}}\n" if url else ""
    root = shop(folder, {**PUBLISHED, "sqlfeat_project.yml": f"{dedent(PROJECT_FILE)}{online}"})
    assert ended(forked(partial(_publish, root))) == 0
    return root


def _publish(root: Path) -> int:
    with Opened(root).project() as project:
        project.publish()
    return 0


def publish_for_ever(root: Path) -> int:
    with Opened(root).project() as project:
        while True:
            with suppress(StoreError):  # another publisher may not be done with yet
                project.publish(incremental=True)


def push_rows_for_ever(root: Path, first: int, write: int) -> int:
    with Opened(root).project() as project:
        for number in range(first, first + _EACH):
            project.push("counted", _orders(number))
            os.write(write, b"%d\n" % number)
    return 0


def _orders(number: int) -> list[dict[str, Any]]:
    """A push: one row of each customer."""
    return [
        {"order_id": number * 10 + place, "customer": customer, "product": "tea", "amount": 1, "ordered_at": day(1)}
        for place, customer in enumerate(CUSTOMERS)
    ]


def flips(root: Path, seed: int, count: int) -> int:
    """Kill publishers and pushers of a project by turns; gives how many pushes were told to be kept."""
    dice, (read, write) = Random(seed), os.pipe()
    os.set_blocking(read, False)
    told, heard, first = set[int](), b"", 0
    publisher = forked(partial(publish_for_ever, root))
    pusher = forked(partial(push_rows_for_ever, root, first, write))
    for kill in range(count):
        select.select([read], [], [], 60)  # something was acknowledged since
        time.sleep(dice.uniform(0.0, 1.0))
        if kill % 2:
            os.kill(publisher, signal.SIGKILL)
            assert ended(publisher) == -signal.SIGKILL, "a publisher had failed before it was killed"
            publisher = forked(partial(publish_for_ever, root))
        else:
            os.kill(pusher, signal.SIGKILL)
            assert ended(pusher) == -signal.SIGKILL, "a pusher had failed before it was killed"
            heard += _all_of(read)
            assert ended(forked(partial(_seen, root, {int(line) for line in heard.splitlines()}))) == 0
            first += _EACH
            pusher = forked(partial(push_rows_for_ever, root, first, write))
    for process in (publisher, pusher):
        os.kill(process, signal.SIGKILL)
        ended(process)
    told = {int(line) for line in (heard + _all_of(read)).splitlines()}
    assert ended(forked(partial(_agreed, root, told))) == 0
    return len(told)


def _served(project: Any) -> list[tuple[Any, ...]]:
    """How many events each of both views has of the customers."""
    with project.serve_session() as session:
        found = session.look_up([("counted", "n"), ("told", "n")], {"customer": list(CUSTOMERS)})
    return [tuple(row.values) for row in found]


def _seen(root: Path, told: set[int]) -> int:
    """While a publisher goes on: every push that was acknowledged is seen."""
    with Opened(root).project() as project:
        assert min(min(counts) for counts in _served(project)) >= len(told), "an acknowledged push is not seen"
    return 0


def _agreed(root: Path, told: set[int]) -> int:
    """What is online is what a run makes, before a publication and after it, and when all is pushed again."""
    with Opened(root).project() as project:
        for again in (False, True):
            if again:
                project.push("counted", [row for number in sorted(told) for row in _orders(number)])
            assert not project.run().failed
            rows = project.table("counted").to_pylist()
            here = [sum(row["customer"] == customer for row in rows) for customer in CUSTOMERS]
            assert len(set(here)) == 1, "a push is torn"
            assert here[0] >= len(told), "a push is lost"
            assert _served(project) == [tuple(here)] * 2, (again, here, _served(project))
            project.publish(incremental=again)
            assert _served(project) == [tuple(here)] * 2, (again, here, _served(project))
    return 0


# -- all of it ---------------------------------------------------------------------------------------------------------


@contextmanager
def place_of(kind: str) -> Iterator[Place]:
    """An empty place of a kind."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == LOCAL:
            yield Place(Path(folder) / "online")
            return
        with running(kind) as server:
            yield Place(Path(folder) / "online", server.url)


def main(words: list[str]) -> int:
    """Do one of these, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=(LOCAL, *KINDS), default=LOCAL)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="of the steps with a server, every so many")
    parser.add_argument("--full", type=int, metavar="LIMITS")
    parser.add_argument("--damage", type=int)
    parser.add_argument("--publishers", type=int, metavar="KILLS", help="of publishers and pushers of a project")
    parser.add_argument("--outages", nargs="*", choices=tuple(OUTAGES), help="all, or these")
    asked = parser.parse_args(words)
    if asked.steps and asked.kind == LOCAL and not is_shimmed():
        return again_with_shim("tests.faults.pushes", words)
    of = f"{asked.kind}, seed {asked.seed}:"
    if asked.kills:
        with place_of(asked.kind) as place:
            told, reads = kills(place, asked.seed, asked.kills)
        what = f"{asked.kills} kills of pushers and of who takes up, {told} pushes acknowledged, {reads} reads"
        print(f"{of} {what}: 0 lost, 0 torn, online and runs agree")
    if asked.steps:
        with place_of(asked.kind) as place:
            if asked.kind == LOCAL:
                points, states = local_steps(place.folder)
                what = f"{points} steps of pushing, {states} different states of the disk"
            else:
                what = f"{remote_steps(place, asked.every)} crash points of pushing"
        print(f"{asked.kind}: {what}: 0 lost, 0 torn")
    if asked.full:
        with place_of(asked.kind) as place:
            refused, taken = full_disk(place, asked.full)
        print(f"{asked.kind}: {asked.full} limits of the disk, {refused} refused with words, {taken} kept: 0 lost")
        with place_of(asked.kind) as place:
            refused, taken = (full_file if asked.kind == LOCAL else full_memory)(place)
        what = "file" if asked.kind == LOCAL else "memory"
        print(f"{asked.kind}: {what} full, {refused} refused with words, {taken} pushes kept: 0 lost, goes on")
    if asked.damage:
        with place_of(asked.kind) as place:
            counts = damages(place, asked.seed, asked.damage)
        told_of = ", ".join(f"{count} {name}" for name, count in counts.items())
        what = f"{asked.damage} damages of what was pushed, all found ({told_of})"
        print(f"{of} {what}, the others served, mended by pushing again")
    if asked.publishers:
        with place_of(asked.kind) as place:
            told = flips(project(place.folder.parent / "project", place.url), asked.seed, asked.publishers)
        what = f"{asked.publishers} kills of publishers and pushers by turns, {told} pushes acknowledged"
        print(f"{of} {what}: 0 lost, 0 torn, online and runs agree")
    if asked.outages is not None:
        with running(asked.kind) as server, tempfile.TemporaryDirectory() as folder:
            for kind in asked.outages or OUTAGES:
                kept, refused = outage(kind, server, Path(folder))
                print(f"{asked.kind} {kind}: {refused} of {6} refused with words, 0 of {kept} acknowledged lost")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
