"""Answers that are known by how they looked the last time: they tell what every other reader of them tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.pushed import PUSHED
from sqlfeat.store.redis_forms import Shape
from sqlfeat.store.redis_link import RedisLink, _Line
from sqlfeat.store.redis_server import RedisServer
from sqlfeat.store.redis_snapshot import Exchange
from sqlfeat.store.redis_wire import command
from tests.properties.searching import searching
from tests.store.test_redis_exchange import snapshot

ONE_LAYER = [{"id": "1-x", "entries": {"a": 1, "b@2": 1, "b@2/events": 1}, "bytes": 1}]
ASKED = [("a", "b@2"), ("b@2", "b@2" + PUSHED, "a", "a" + PUSHED), ("a", "a"), ("b@2/events",)]
"""Tables that are asked for under a key; no row comes of the same table twice in a list of its own."""
ROWS = st.sampled_from([b"rowA", b"rowB", b"\r\n$4", b"a longer row", b"", None])
USUAL = st.sampled_from([b"rowA", b"rowB", b"\r\n$4"])
BROKEN = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 300), st.binary(max_size=2)))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[tuple[tuple[str, ...], bytes]], list[bytes]]:
    """What is asked for, with what is replied to it, and how all of that comes: in which pieces, whole or damaged."""
    tables = draw(st.sampled_from(ASKED))
    asked = []
    for _ in range(draw(st.integers(1, 6))):
        mine = draw(st.one_of(st.just(tables), st.just(tables), st.sampled_from(ASKED)))
        asked.append((mine, reply_to(mine, draw)))
    stream = b"".join(reply for _, reply in asked)
    broken = draw(BROKEN)
    if broken is not None:
        at, instead = broken
        stream = stream[:at] + instead + stream[at + len(instead) :]
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return asked, [piece for piece in pieces if piece]


def reply_to(tables: tuple[str, ...], draw: st.DrawFn) -> bytes:
    rows = USUAL if draw(st.integers(0, 3)) else ROWS
    own = list(dict.fromkeys(table for table in tables if not table.endswith(PUSHED)))
    data = b"".join(
        listed([draw(st.sampled_from([b"1-x"] * 9 + [None])), *(draw(rows) for _ in range(tables.count(table)))])
        for table in own
    )
    is_pushable = any(table.endswith(PUSHED) for table in tables)
    return data + (b":%d\r\n" % draw(st.sampled_from([0, 0, 0, 1])) if is_pushable else b"")


def listed(values: list[bytes | None]) -> bytes:
    texts = (b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value) for value in values)
    return b"*%d\r\n%b" % (len(values), b"".join(texts))


def told(asked: list[tuple[tuple[str, ...], bytes]], pieces: list[bytes], *, with_shapes: bool) -> list[Any]:
    """What becomes of some questions when replies come in pieces."""
    found: list[Any] = []
    one = snapshot(is_pushable=True, layers=ONE_LAYER)
    loop: Any = SimpleNamespace(time=lambda: 0.0, call_at=lambda *_: None, create_task=lambda task: task.close())
    link = RedisLink(RedisServer(RedisAddress.parse("redis://127.0.0.1:1"), timeout=1.0), loop, SimpleNamespace())  # type: ignore[arg-type]
    line = link._line = _Line(link)
    line.connection_made(SimpleNamespace(write=lambda _: None, abort=lambda: found.append("hung up")))  # type: ignore[arg-type]
    for tables, _ in asked:
        exchange = one.exchange_under(tables, b"k")
        link.ask(exchange.data, exchange.replies, keeper(exchange, found), exchange.shape if with_shapes else None)
    for piece in pieces:
        line.data_received(piece)
        found.append(len(line.asked))
        if "hung up" in found:
            break
    return found


def keeper(exchange: Exchange, found: list[Any]) -> Any:
    def done(replies: Any) -> None:
        try:
            entries = replies if isinstance(replies, StoreError) else exchange.told(replies)
        except StoreError as error:
            entries = error
        if isinstance(entries, StoreError):
            found.append(entries.code)
        else:
            found.append(entries.data if isinstance(entries, Exchange) else list(entries))

    return done


@searching(150)
@given(conversations())
def test_an_answer_that_looks_as_the_last_one_tells_what_it_tells_without_that(conversation: Any) -> None:
    asked, pieces = conversation

    assert told(asked, pieces, with_shapes=True) == told(asked, pieces, with_shapes=False)


def test_the_rest_of_an_answer_and_the_next_one_are_never_taken_for_one_answer() -> None:
    rows = [listed([b"1-x", b"row%d" % number]) for number in range(8)]
    pieces = [rows[0] + rows[1], rows[2], b"".join(rows[3:])]  # the second answer comes in two pieces

    found = told([(("a", "b@2"), b"")] * 4, pieces, with_shapes=True)

    assert [entries for entries in found if isinstance(entries, list)] == [
        [b"row0", b"row1"], [b"row2", b"row3"], [b"row4", b"row5"], [b"row6", b"row7"],
    ]  # fmt: skip


def test_rows_of_the_same_lengths_are_taken_at_once_in_the_order_asked_and_others_are_not() -> None:
    tables = ("b@2", "b@2" + PUSHED, "a", "a" + PUSHED)
    shape = snapshot(is_pushable=True, layers=ONE_LAYER).exchange_under(tables, b"k").shape
    assert shape is not None
    answer = listed([b"1-x", b"rowB"]) + listed([b"1-x", b"rowA"]) + b":0\r\n"

    assert shape.read(answer, 0) is None
    shape.learn([[b"1-x", b"0000"], [b"1-x", b"1111"], 0])
    assert shape.read(answer, 0) == ((b"rowB", None, b"rowA", None), len(answer))
    assert shape.read(b"+OK\r\n" + answer, 5) == ((b"rowB", None, b"rowA", None), len(answer) + 5)
    for other in (answer.replace(b":0", b":1"), answer.replace(b"1-x", b"2-x"), answer[:-1], answer[2:] + b"xx"):
        assert shape.read(other, 0) is None


def test_only_an_answer_with_one_row_of_each_table_has_a_shape() -> None:
    one, layered = snapshot(is_pushable=True, layers=ONE_LAYER), snapshot(is_pushable=True)

    assert isinstance(one.exchange_under(("a", "b@2"), b"k").shape, Shape)
    assert [one.exchange_under(tables, b"k").shape for tables in (("a", "a"), ("a", "nothing"))] == [None, None]
    assert layered.exchange_under(("a", "b@2"), b"k").shape is None
    assert command(b"HMGET", b"sqlfeat:shop:layer:1-x:a", b"", b"k") in one.exchange_under(("a",), b"k").data
