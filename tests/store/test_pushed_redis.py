"""The store of pushes on a server: whole or not there, seen at once, kept for runs in files of each machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.online_redis import RedisStore
from sqlfeat.store.pushed import ELSEWHERE, OWN, PUSHED, Events, ViewRow, form_of, unpacked
from sqlfeat.store.pushed_redis import PushKeys, RedisPushed, RedisPushes
from sqlfeat.store.redis_wire import command
from sqlfeat.store.row_codec import RowCodec
from tests.made.projects import NOW
from tests.made.redis import KINDS, Server, running
from tests.store.online_conformance import image

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])
VIEW = "view@1"
FIRST = int(NOW.timestamp() * 1e6)
_names = itertools.count()
Make = Callable[..., RedisPushes]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param) as server:
        yield server


@pytest.fixture
def store(server: Server) -> RedisStore:
    return RedisStore(RedisAddress.parse(server.url), f"pushed{next(_names)}", timeout=20.0, clock=FixedClock(NOW))


@pytest.fixture
def pushes(store: RedisStore, tmp_path: Path) -> RedisPushes:
    return store.pushes(tmp_path)


def push(
    pushes: RedisPushes, numbers: Sequence[int], key: bytes = b"\0k", event: Any = None, elsewhere: Any = ()
) -> tuple[int, int, int]:
    """Push rows with these ids, which a view has under one key, as versions of an event where one is named."""
    table = pa.table([numbers, [f"n{number}" for number in numbers]], schema=SCHEMA)
    rows = RowCodec.of(SCHEMA).encode(table).to_pylist()
    ids = [number.to_bytes(16, "big") for number in numbers]
    events = Events("raw.rows", form_of("raw.rows", SCHEMA), ids, rows, [True] * len(rows))
    done = pushes.append(
        events,
        [VIEW],
        lambda places: {VIEW: [ViewRow(key, b"%d" % numbers[place], event) for place in places]},
        lambda table, rows: [elsewhere] * len(rows),
    )
    return done.new, done.known, done.last


def seen(pushes: RedisPushes, taken_up: int = 0, key: bytes = b"\0k", flag: int = OWN) -> list[int]:
    """What a view has of a key."""
    found = RedisPushed(pushes._home, {VIEW: taken_up}).rows(VIEW, key)
    return [int(data) for kind, data in unpacked(found or b"") if kind == flag]


def kept(pushes: RedisPushes) -> list[int]:
    """The ids that a run gets."""
    pushes.pull()
    _, files = pushes.taken_up()
    return [number for file in files.get("raw.rows", ()) for number in pq.read_table(file)["id"].to_pylist()]


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(StoreError) as caught:
        call()
    return caught.value.code


def test_events_are_numbered_as_they_come_and_known_again(pushes: RedisPushes) -> None:
    assert push(pushes, [1, 2]) == (2, 0, FIRST + 1)
    assert push(pushes, [2, 3, 3]) == (1, 2, FIRST + 2)
    assert push(pushes, [1]) == (0, 1, FIRST + 2)
    assert seen(pushes) == kept(pushes) == [1, 2, 3]


def test_every_machine_fetches_what_it_has_not(pushes: RedisPushes, store: RedisStore, tmp_path: Path) -> None:
    other = store.pushes(tmp_path / "other")
    push(pushes, [1, 2])
    assert kept(pushes) == [1, 2]
    push(other, [3])
    assert kept(other) == [1, 2, 3]
    push(pushes, [4])
    assert kept(pushes) == [1, 2, 3, 4]
    assert kept(other) == [1, 2, 3, 4]
    assert pushes.taken_up()[0] == other.taken_up()[0] == FIRST + 3


def test_a_snapshot_is_read_with_what_was_pushed_after_it(pushes: RedisPushes, store: RedisStore) -> None:
    push(pushes, [1, 2, 3])
    said = {"views": {VIEW: {"ranking": {"taken_up": FIRST}}}}
    store.publish(said, [image(VIEW, {b"\0k": b"base", b"\0other": b"base"})])
    with store.open() as snapshot:
        asked = [(VIEW, b"\0k"), (VIEW + PUSHED, b"\0k"), (VIEW + PUSHED, b"\0other"), (VIEW, b"\0other")]
        base, found, nothing, other = snapshot.fetch(asked)

    assert (base, nothing, other) == (b"base", None, b"base")
    assert [int(data) for flag, data in unpacked(found or b"") if flag == OWN] == [2, 3]
    assert seen(pushes, FIRST + 2) == []


def test_versions_of_an_event_that_moved_are_known_to_both_entities(pushes: RedisPushes) -> None:
    push(pushes, [1], b"\0ann", b"event", [ViewRow(b"\0zoe", b"100")])
    push(pushes, [2], b"\0bob", b"event")
    push(pushes, [3], b"\0ann", b"other event")

    assert (seen(pushes, key=b"\0ann"), seen(pushes, key=b"\0ann", flag=ELSEWHERE)) == ([1, 3], [100, 2])
    assert (seen(pushes, key=b"\0bob"), seen(pushes, key=b"\0bob", flag=ELSEWHERE)) == ([2], [1])
    assert (seen(pushes, key=b"\0zoe"), seen(pushes, key=b"\0zoe", flag=ELSEWHERE)) == ([], [1])


def test_what_no_snapshot_needs_is_forgotten_and_the_events_stay(pushes: RedisPushes, store: RedisStore) -> None:
    push(pushes, [1, 2], event=b"event")
    push(pushes, [3])
    pushes.drop({VIEW: FIRST + 1})
    assert (seen(pushes), kept(pushes)) == ([3], [1, 2, 3])
    pushes.drop({})
    assert (seen(pushes), kept(pushes)) == ([], [1, 2, 3])
    (left,) = store.server.ask(command(b"KEYS", store.home.keys.prefix + b"push:row:*"), 1)
    assert left == []
    assert push(pushes, [1]) == (0, 1, FIRST + 2)


def test_what_is_trimmed_has_been_fetched_by_who_trims_and_is_missed_by_who_has_not(
    pushes: RedisPushes, store: RedisStore, tmp_path: Path
) -> None:
    push(pushes, [1, 2])
    pushes.trim(2**62)
    assert push(pushes, [2])[1] == 1, "what no file of this machine has stays"

    pushes.pull()
    pushes.trim(2**62)
    assert push(pushes, [2])[:2] == (1, 0)
    pushes.pull()
    assert kept(pushes) == [1, 2, 2]
    elsewhere = store.pushes(tmp_path / "elsewhere")
    with pytest.raises(StoreError) as refused:
        elsewhere.pull()
    assert refused.value.code == "pushes-trimmed"


def test_a_row_that_is_not_what_was_written_is_not_given_out(pushes: RedisPushes, store: RedisStore) -> None:
    push(pushes, [1])
    key = PushKeys(store.home).rows(VIEW, b"\0k")
    ((at, value),) = [store.server.ask(command(b"HGETALL", key), 1)[0]]
    store.server.ask(command(b"HSET", key, at, value[:-1] + b"7"), 1)

    assert code_of(lambda: seen(pushes)) == "damaged-push"


def test_a_push_that_was_away_for_too_long_writes_nothing(pushes: RedisPushes, store: RedisStore) -> None:
    def overtaken(places: Sequence[int]) -> Any:
        store.server.ask(command(b"DEL", PushKeys(store.home).lock), 1)  # as when its lease ran out
        push(pushes, [2])
        return {}

    events = Events("raw.rows", form_of("raw.rows", SCHEMA), [b"1"], [b""], [True])
    assert code_of(lambda: pushes.append(events, [VIEW], overtaken, lambda *_: ())) == "locked"
    assert kept(pushes) == [2]


def test_numbers_go_on_where_the_server_was_emptied(server: Server, tmp_path: Path) -> None:
    early = RedisStore(RedisAddress.parse(server.url), "emptied", timeout=20.0, clock=FixedClock(NOW))
    pushes = early.pushes(tmp_path)
    push(pushes, [1, 2])
    assert kept(pushes) == [1, 2]
    (keys,) = early.server.ask(command(b"KEYS", early.home.keys.prefix + b"*"), 1)
    early.server.ask(command(b"DEL", *keys), 1)
    later = RedisStore(RedisAddress.parse(server.url), "emptied", timeout=20.0)
    push(later.pushes(tmp_path), [3])

    assert kept(later.pushes(tmp_path)) == [1, 2, 3]


def test_many_rows_are_pushed_at_once(pushes: RedisPushes) -> None:
    numbers = list(range(5000))

    assert push(pushes, numbers)[:2] == (5000, 0)
    assert push(pushes, numbers)[:2] == (0, 5000)
    assert seen(pushes) == kept(pushes) == numbers
    pushes.drop({})
    assert seen(pushes) == []
