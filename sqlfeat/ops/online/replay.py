"""A request once more, over today's rows: what it would be answered, and what if some of them had not been there.

The plan is the one that the request was answered by, and so is the code; only the rows are those of the offline tables,
of the asked entities alone. Knows nothing of logs, or of which answer is the right one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.engine.base import EVENT_AT, KEY, KNOWN_AT, RANK, UNTIL_AT, USABLE_AT
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.online.calendar import FOREVER
from sqlfeat.ops.online.published import EVENTS, PublishedView
from sqlfeat.ops.online.request import BoundPlan, RequestPlan
from sqlfeat.ops.session import Session
from sqlfeat.store.plain_values import to_arrow
from sqlfeat.store.row_codec import RowCodec


@dataclass(frozen=True)
class Fact:
    """The rows of one entity that happened, and became known, at the same instants (microseconds since 1970)."""

    view: str
    table: str
    key: bytes
    event_time: int
    known_at: int


class Replay:
    """A plan over today's rows; its views must be defined as they were."""

    def __init__(self, session: Session, plan: RequestPlan, views: Sequence[PublishedView], engine: Rowwise) -> None:
        self._today = _Today(session, views)
        self._bound = BoundPlan(plan, self._today, views, engine)
        self._names = list(plan.outputs)

    def answer(self, row: Mapping[str, Any], at: int, hidden: Collection[Fact] = ()) -> dict[str, Any]:
        """The outputs by name, plain, as if what is ``hidden`` were not there."""
        self._today.hidden = frozenset(hidden)
        try:
            (found,) = self._bound.answer([row], [at])
        finally:
            self._today.hidden = frozenset()
        return dict(zip(self._names, found.values, strict=True))

    def facts(self, row: Mapping[str, Any], at: int) -> list[Fact]:
        """What was known at an instant of the entities that a row asks of, the latest first."""
        self._today.touched.clear()
        self.answer(row, at)
        found = {fact for place in self._today.touched for fact in self._today.facts_of(*place) if fact.known_at <= at}
        return sorted(found, key=lambda fact: (fact.event_time, fact.known_at), reverse=True)


@dataclass(frozen=True)
class _Entity:
    """Today's rows of an entity in one view, and its events where the view has windows."""

    rows: pa.Table
    events: pa.Table | None


class _Today:
    """A snapshot (``store.online``) made of today's rows as they are asked for."""

    number = 0
    is_gone = False

    def __init__(self, session: Session, views: Sequence[PublishedView]) -> None:
        self.manifest: Mapping[str, Any] = {}
        self.hidden: frozenset[Fact] = frozenset()
        self.touched: set[tuple[str, bytes]] = set()
        self._session = session
        self._views = {view.table: view for view in views}
        self._known: dict[tuple[str, bytes], _Entity] = {}

    def fetch(self, wanted: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        return [self._encoded(table, key) for table, key in wanted]

    def facts_of(self, table: str, key: bytes) -> Iterator[Fact]:
        """All that is known of an entity today."""
        view, entity = self._views[table], self._entity(table, key)
        for event, known in _times(entity.rows, EVENT_AT, USABLE_AT):
            yield Fact(view.name, table, key, event, known)
        if entity.events is not None:
            for event, known in _times(entity.events, EVENT_AT, KNOWN_AT):
                yield Fact(view.name, table, key, event, known)

    def items(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        raise NotImplementedError(table)

    def close(self) -> None:
        """There is nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _encoded(self, name: str, key: bytes) -> bytes | None:
        table = name.removesuffix(EVENTS)
        self.touched.add((table, key))
        view, entity = self._views[table], self._entity(table, key)
        gone = {(fact.event_time, fact.known_at) for fact in self.hidden if (fact.table, fact.key) == (table, key)}
        if name != table:
            assert entity.events is not None
            events = _without(entity.events, KNOWN_AT, gone)
            return _record(events.select([one.name for one in view.event_codec.columns]), view.event_codec)
        return _record(_current(_without(entity.rows, USABLE_AT, gone)), view.state_codec)

    def _entity(self, table: str, key: bytes) -> _Entity:
        known = self._known.get((table, key))
        if known is None:
            known = self._known[table, key] = self._read(self._views[table], key)
        return known

    def _read(self, view: PublishedView, key: bytes) -> _Entity:
        model = self._session.manifest.models[view.name]
        values = RowCodec(list(view.keys), plain=True).decode(key, 1) if view.keys else ()
        columns = [to_arrow([value], column.type) for value, column in zip(values, view.keys, strict=True)]
        keys = pa.table(columns, names=[column.name for column in view.keys]) if columns else pa.table({"": [0]})
        engine = self._session.engine
        events = engine.events_of(model, keys) if view.windows is not None else None
        return _Entity(_own(engine.history_of(model, keys)), None if events is None else _own(events))


def _own(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if not name.startswith(KEY)])


def _times(table: pa.Table, event: str, known: str) -> Iterator[tuple[int, int]]:
    yield from zip(table[event].to_pylist(), table[known].to_pylist(), strict=True)


def _without(table: pa.Table, known: str, gone: set[tuple[int, int]]) -> pa.Table:
    """The rows but for those of some times; what these had taken the place of is there again."""
    if not gone:
        return table
    stays = pa.array([pair not in gone for pair in _times(table, EVENT_AT, known)], pa.bool_())
    left = table.filter(stays)
    if UNTIL_AT in left.column_names:
        ended = pc.is_in(left[UNTIL_AT], pa.array([at for _, at in gone], pa.int64()))
        place = left.column_names.index(UNTIL_AT)
        left = left.set_column(place, UNTIL_AT, pc.if_else(ended, pa.scalar(FOREVER, pa.int64()), left[UNTIL_AT]))
    return left


def _current(rows: pa.Table) -> pa.Table:
    """Of an entity's rows those that are the current one from some instant on (TIME semantics, section 2)."""
    usable, rank = rows[USABLE_AT].to_pylist(), rows[RANK].to_pylist()
    kept: list[int] = []
    for place in range(len(usable)):
        is_last = place + 1 == len(usable) or usable[place + 1] != usable[place]
        if is_last and (not kept or rank[place] > rank[kept[-1]]):
            kept.append(place)
    return rows.take(pa.array(kept, pa.int64())).drop_columns([RANK])


def _record(table: pa.Table, codec: Any) -> bytes | None:
    if not table.num_rows:
        return None
    found: bytes = codec.encode(table, np.array([0, table.num_rows], np.int64))[0].as_py()
    return found
