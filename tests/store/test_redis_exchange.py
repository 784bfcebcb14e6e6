"""What is asked of a Redis server for some entries: by a form that is kept, the same as without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from sqlfeat.store.online import FORMAT_VERSION
from sqlfeat.store.pushed import PUSHED
from sqlfeat.store.pushed_segments import LONGEST, entity
from sqlfeat.store.redis_snapshot import Exchange, Home, Keys, RedisSnapshot
from sqlfeat.store.redis_wire import ComingReplies
from tests.properties.searching import searching

TABLES = ["a", "b@2", "b@2/events"]
LAYERS = [
    {"id": "1-x", "entries": {"a": 1, "b@2": 1, "b@2/events": 1}, "bytes": 1},
    {"id": "2-yy", "entries": {"a": 1}, "bytes": 1},
]
KEYS = st.sampled_from([b"", b"\0\0k", b"\r\n$3\r\n", b"x" * LONGEST, b"x" * (LONGEST + 1)])
NAMES = st.sampled_from([*TABLES, "nothing", "a" + PUSHED, "b@2" + PUSHED])


class PushedNames:
    """Names of hashes with pushed rows."""

    def is_live(self, table: str) -> bool:
        return True

    def name(self, table: str, key: bytes) -> bytes:
        return b"pushed:%b:%b" % (table.encode(), entity(key))

    def told(self, table: str, key: bytes, reply: Any) -> bytes | None:
        return b"".join(reply) or None


def snapshot(*, is_pushable: bool, layers: Any = LAYERS) -> RedisSnapshot:
    manifest = {"layers": layers, "tables": TABLES, "format": FORMAT_VERSION}
    home: Any = SimpleNamespace(server=None, keys=Keys("shop"))
    assert Home.__annotations__.keys() == vars(home).keys()
    return RedisSnapshot(home, 1, manifest, pushed=PushedNames() if is_pushable else None)


def commands(data: bytes) -> list[list[bytes]]:
    """The commands in what is sent."""
    coming = ComingReplies()
    coming.fed(data)
    found = []
    while not coming.is_quiet:
        found.append(coming.next())
    return found


@searching(200)
@given(st.lists(NAMES, min_size=1, max_size=8), KEYS, st.booleans())
@example(["a", "a", "a" + PUSHED, "b@2"], b"k", True)
def test_entries_under_one_key_are_asked_for_as_any_others(names: list[str], key: bytes, is_pushable: bool) -> None:
    one = snapshot(is_pushable=is_pushable)
    expected, _ = one._asked_of_many([(name, key) for name in names])

    for _ in range(2):
        exchange = one.exchange_under(tuple(names), key)
        assert commands(exchange.data) == commands(expected)
        assert exchange.replies == len(commands(expected))


def test_every_entry_is_told_from_its_own_reply_and_what_was_pushed_is_asked_for() -> None:
    one = snapshot(is_pushable=True)
    tables = ("a", "a" + PUSHED, "b@2", "a", "nothing")
    replies = [[b"mark", None, None], [b"mark", b"old", b"old"], [b"mark", b""], 1]
    for exchange in (one.exchange([(table, b"k") for table in tables]), one.exchange_under(tables, b"k")):
        then = exchange.told(replies)

        assert isinstance(then, Exchange)
        assert commands(then.data) == [[b"HGETALL", b"pushed:a:k"]]
        assert then.told([[b"1", b"row"]]) == [b"old", b"1row", None, b"old", None]
