"""What a snapshot has of an entity, together with what was pushed since: by the same rules as offline.

A pushed row is packed as its event time and the instant from which it is known, the view's keys, its plain columns, and
what its windows read. Those of other entities are there as versions of an event that was theirs before, or is theirs
now (TIME semantics, section 3): they count for nobody here, and end what was valid.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pyarrow as pa

from sqlfeat.engine.base import AVAILABLE_AT, EVENT_AT, KNOWN_AT, UNTIL_AT
from sqlfeat.ops.online.calendar import FOREVER
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.standing import Events, PushedEvent
from sqlfeat.store.event_records import EventBlock
from sqlfeat.store.pushed import ELSEWHERE, OWN, unpacked
from sqlfeat.store.row_codec import Column, Row, RowCodec

TIMES = (EVENT_AT, KNOWN_AT, UNTIL_AT, AVAILABLE_AT)
Rank = tuple[Any, ...]
_NULL: Rank = (0,)


@dataclass(frozen=True)
class PushedRows:
    """What was pushed of an entity: its own rows, versions of its events that are other entities', and its key."""

    own: tuple[Row, ...]
    elsewhere: tuple[Row, ...]
    key: Row | None


def pushed_columns(view: PublishedView) -> tuple[Column, ...]:
    """The columns of a view's pushed rows."""
    read = view.windows.read if view.windows else ()
    return (
        Column(EVENT_AT, pa.int64()),
        Column(AVAILABLE_AT, pa.int64()),
        *view.keys,
        *view.columns,
        *(Column(column.name, column.type) for column in read if column.name not in TIMES),
    )


class Merging:
    """Puts pushed rows of a view beside those of a snapshot; what it compares is compared as DuckDB orders it."""

    def __init__(self, view: PublishedView) -> None:
        ranking = view.ranking
        columns = pushed_columns(view)
        self.columns = columns
        self.codec = RowCodec(columns, plain=True)
        self._first = struct.Struct(f"<{(len(columns) + 7) // 8}xqq")
        self._places = {column.name: place for place, column in enumerate(columns)}
        self._orders = {column.name: ordered(column.type) for column in columns}
        self._keys = 2 + len(view.keys)
        self._plain = len(view.columns)
        self._is_identified = bool(ranking.unique_key) and view.windows is not None
        self._times = [name for name in (view.event_time, ranking.available_at) if name]
        self._ties = ranking.ties
        self._declared = ranking.ties[: ranking.declared_ties]
        self._key_codec = RowCodec(view.keys, plain=True)
        self._read = [column.name for column in columns[self._keys + self._plain :]]
        self._has_ranks = view.windows is not None and bool(view.windows.ranked)
        self._unique_key = ranking.unique_key
        self._key_names = [column.name for column in view.keys]
        self._empty = view.event_codec.empty if view.windows else None

    def decoded(self, packed: bytes | None) -> PushedRows | None:
        """The pushed rows of an entity, if there are any."""
        if not packed:
            return None
        decode, own, elsewhere, key = self.codec.decode, [], [], None
        for flag, data in unpacked(packed):
            if flag == OWN:
                own.append(decode(data))
            elif flag == ELSEWHERE:
                elsewhere.append(decode(data))
            elif data[:1] == b"\0":  # else it was too long to be kept
                key = self._key_codec.decode(data, 1)
        return PushedRows(tuple(own), tuple(elsewhere), key)

    def times(self, data: bytes) -> tuple[int, int]:
        """When a packed row happened, and since when it is known; neither is null."""
        event, known = self._first.unpack_from(data)
        return event, known

    # -- the row that holds ----------------------------------------------------------------------------------------

    def latest(self, row: Row | None, pushed: Iterable[Row], t: int, *, strict: bool) -> Row | None:
        """The row that holds at an instant: the snapshot's (usable from, event time, columns), or a pushed one."""
        last = t - 1 if strict else t
        there = [one for one in pushed if one[0] <= last and one[1] <= last]
        newest = max([one[0] for one in there], default=-FOREVER)
        if not there or (row is not None and row[1] > newest):
            return row  # a later one is the greater, whatever breaks ties
        best, best_rank = row, None if row is None else self._rank_of_state(row)
        for one in there:
            if one[0] < newest:
                continue
            found = (max(one[0], one[1]), one[0], *one[self._keys : self._keys + self._plain])
            rank = self._rank_of_state(found)
            if best_rank is None or rank > best_rank:
                best, best_rank = found, rank
        return best

    def _rank_of_state(self, row: Row) -> Rank:
        places, shift = self._places, 2 - self._keys
        return tuple(
            self._orders[name](row[places[name] + shift])
            for name in (*self._times, *self._ties)
            if places[name] >= self._keys
        )

    # -- the events of windows -------------------------------------------------------------------------------------

    def events(self, block: EventBlock | None, pushed: PushedRows) -> Events | None:
        """The events of an entity, those that were pushed among them."""
        until = [FOREVER] * len(pushed.own)
        replaced: dict[int, int] = {}
        if self._is_identified:
            replaced, until = self._replaced(block, pushed)
        if block is None and not pushed.own:
            return None
        block = block or self._empty
        assert block is not None
        rank = self._rank if self._has_ranks else itemgetter(0)  # else no aggregate hangs on the order
        order = sorted(range(len(pushed.own)), key=lambda place: rank(pushed.own[place]))
        found = []
        for place in order:
            row = pushed.own[place]
            found.append(PushedEvent(row[0], max(row[0], row[1]), until[place], self.place_in(block, row), row))
        return Events(block, found, replaced, self.value)

    def place_in(self, block: EventBlock, row: Row) -> int:
        """Before which event of a snapshot a pushed one comes."""
        last = bisect_right(block.events, row[0])
        if not self._has_ranks:
            return last
        first = bisect_left(block.events, row[0])
        rank = self._rank(row)
        while first < last and self._base_rank(block, first) <= rank:
            first += 1
        return first

    def value(self, name: str, row: Row) -> Any:
        """What a pushed event has in a column."""
        return row[self._places[name]]

    def _rank(self, row: Row) -> Rank:
        """The place of a pushed event in the order of aggregates."""
        names = (*self._times, *self._ties, *self._read)
        return (row[0], *(self._orders[name](row[self._places[name]]) for name in names))

    def _base_rank(self, block: EventBlock, place: int) -> Rank:
        names = (*self._times, *self._ties, *self._read)
        ranks = ((0,) if name in self._key_names else self._order_at(block, name, place) for name in names)
        return (block.events[place], *ranks)

    def _order_at(self, block: EventBlock, name: str, place: int) -> Rank:
        """What an event of a snapshot has in a column, as it is compared."""
        return self._orders[name](block.values(name, place, place + 1)[0])

    # -- versions --------------------------------------------------------------------------------------------------

    def _replaced(self, block: EventBlock | None, pushed: PushedRows) -> tuple[dict[int, int], list[int]]:
        """Until when the snapshot's events, by place, and the pushed ones are valid: until a later version is known."""
        versions: dict[Rank, list[tuple[Rank, int]]] = {}
        for place, row in enumerate((*pushed.own, *pushed.elsewhere)):
            identity = self._identity(row)
            if identity is not None:
                versions.setdefault(identity, []).append(((*self.version(row), place), row[1]))
        replaced = self._base_replaced(block, versions, pushed) if block is not None and versions else {}
        until = []
        for place, row in enumerate(pushed.own):
            identity = self._identity(row)
            rank = (*self.version(row), place)
            later = versions[identity] if identity is not None else []
            until.append(min((known for other, known in later if other > rank), default=FOREVER))
        return replaced, until

    def _base_replaced(
        self, block: EventBlock, versions: dict[Rank, list[tuple[Rank, int]]], pushed: PushedRows
    ) -> dict[int, int]:
        """The same of the snapshot's events, which are added to the versions; the later of two equal ones is here."""
        key = pushed.key or (pushed.own[0][2 : self._keys] if pushed.own else (None,) * (self._keys - 2))
        own = {name: self._orders[name](value) for name, value in zip(self._key_names, key, strict=True)}

        def rank_at(name: str, place: int) -> Rank:
            return own[name] if name in own else self._order_at(block, name, place)

        until = dict(zip(block.in_doubt[0], block.in_doubt[2], strict=True))
        available = block.numbers(AVAILABLE_AT)
        assert available is not None
        replaced: dict[int, int] = {}
        base: list[tuple[Rank, tuple[Rank, int]]] = []
        for place in self._candidates(block, versions, own):
            identity = tuple(rank_at(name, place) for name in self._unique_key)
            if identity not in versions:
                continue
            declared = (rank_at(name, place) for name in self._declared)
            decided = (rank_at(name, place) for name in (*self._key_names, *self._times, *self._ties, *self._read))
            rank = (available[place], *declared, block.events[place], *decided, len(pushed.own) * 2)
            later = (known for other, known in versions[identity] if other[:-1] > rank[:-1])
            replaced[place] = min([until.get(place, FOREVER), *later])
            base.append((identity, (rank, available[place])))
        for identity, version in base:
            versions[identity].append(version)
        return replaced

    def _candidates(self, block: EventBlock, versions: Iterable[Rank], own: Container[str]) -> Iterable[int]:
        """The places of events that may be versions of some: one column of what identifies them is looked at."""
        for number, name in enumerate(self._unique_key):
            if name not in own:
                order, wanted = self._orders[name], {identity[number] for identity in versions}
                return [place for place, value in enumerate(block.values(name)) if order(value) in wanted]
        return range(block.count)

    def _identity(self, row: Row) -> Rank | None:
        found = tuple(self._orders[name](row[self._places[name]]) for name in self._unique_key)
        return None if _NULL in found else found

    def version(self, row: Row) -> Rank:
        """Which of two versions of an event is the later one."""
        names = (*self._key_names, *self._times, *self._ties, *self._read)
        declared = (self._orders[name](row[self._places[name]]) for name in self._declared)
        return (row[1], *declared, row[0], *(self._orders[name](row[self._places[name]]) for name in names))


# -- how DuckDB orders values ------------------------------------------------------------------------------------------


def ordered(kind: pa.DataType) -> Callable[[Any], Rank]:
    """What makes a plain value one that compares as DuckDB orders it: nulls lowest, NaN greatest."""
    inner = _inner(kind)
    return lambda value: _NULL if value is None else (1, inner(value))


def _inner(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_floating(kind):
        return lambda value: (1, 0.0) if math.isnan(value) else (0, value)
    if pa.types.is_interval(kind):
        return lambda value: (value[0] * 30 + value[1]) * 86_400_000_000 + value[2]
    if pa.types.is_struct(kind):
        fields = [(kind.field(i).name, _nested(kind.field(i).type)) for i in range(kind.num_fields)]
        return lambda value: tuple(order(value[name]) for name, order in fields)
    if pa.types.is_map(kind):
        key, item = _nested(kind.key_type), _nested(kind.item_type)
        return lambda value: tuple((key(one), item(other)) for one, other in value.items())
    if pa.types.is_nested(kind):
        element = _nested(kind.value_type)
        return lambda value: tuple(element(one) for one in value)
    return lambda value: value


def _nested(kind: pa.DataType) -> Callable[[Any], Rank]:
    """The same inside lists and structs, where null is the greatest."""
    inner = _inner(kind)
    return lambda value: (2,) if value is None else (1, inner(value))
