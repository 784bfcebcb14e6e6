"""A feature view as a snapshot describes it: all that a reader must know of it, as plain values.

A reader has no project beside it: what is written here, with what an entity's key leads to, is enough to give every
feature at any instant that the snapshot covers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from sqlfeat.compiler.manifest import CompiledModel, WindowAggregate, WindowCall, WindowItem
from sqlfeat.spec.duration import Duration
from sqlfeat.store.entity_records import KeyCodec, StateCodec
from sqlfeat.store.event_records import EventCodec, EventColumn
from sqlfeat.store.event_tiles import Lane
from sqlfeat.store.row_codec import Column, RowCodec

EVENTS = "/events"
"""What the name of the table of a view's events ends in."""
ENTITIES = RowCodec([Column("entities", pa.list_(pa.binary()))])
"""The keys of entities that have versions of an event, as they lie under its identity."""
IDENTITIES = "/identities"
"""The same of the table in which an event's unique key leads to the keys of entities that have versions of it."""


@dataclass(frozen=True)
class Ranking:
    """What decides between rows: when they were known, and the columns that break ties, those not declared too.

    ``unique_key`` are the columns that identify an event. ``taken_up`` is the number of the last pushed event that the
    snapshot has in itself.
    """

    available_at: str | None = None
    available_after: Duration | None = None
    ties: tuple[str, ...] = ()
    declared_ties: int = 0
    unique_key: tuple[str, ...] = ()
    taken_up: int = 0


@dataclass(frozen=True)
class PublishedWindows:
    """The windows of a view: what they read of an event, their aggregates, and the columns made of them.

    ``types`` are the DuckDB types of what is read and of every token, ``made`` the Arrow types of tokens and items.
    ``ranked`` are columns of an event beside those: what says which of two comes first. ``lanes`` are the tiles.
    """

    read: tuple[EventColumn, ...]
    aggregates: tuple[WindowAggregate, ...]
    items: tuple[WindowItem, ...]
    types: Mapping[str, str]
    made: Mapping[str, pa.DataType]
    ranked: tuple[EventColumn, ...] = ()
    lanes: tuple[Lane, ...] = ()


@dataclass(frozen=True)
class PublishedView:
    """One definition of a feature view in a snapshot.

    ``as_of`` is the instant from which it can be read, in microseconds since 1970. ``keys`` and ``columns`` have their
    Arrow types, ``types`` maps all of them, windows included, to DuckDB's. ``features`` maps a column to its
    fingerprint. ``current`` is False for a definition that the project has no more, and some alias still needs.
    ``is_live`` tells whether events were pushed that the snapshot has not.
    """

    name: str
    table: str
    fingerprint: str
    as_of: int
    keys: tuple[Column, ...]
    columns: tuple[Column, ...]
    types: Mapping[str, str]
    features: Mapping[str, str]
    event_time: str | None
    ttl: Duration | None
    windows: PublishedWindows | None
    current: bool = True
    ranking: Ranking = Ranking()
    is_live: Callable[[str], bool] | None = field(default=None, compare=False, repr=False)

    @property
    def event_table(self) -> str:
        return self.table + EVENTS

    @property
    def identity_table(self) -> str:
        return self.table + IDENTITIES

    @property
    def has_identities(self) -> bool:
        """Whether events can be told by a unique key."""
        return self.windows is not None and bool(self.ranking.unique_key) and not self.identity_problem

    @property
    def identity_problem(self) -> str | None:
        """The column of the unique key that cannot be looked up by, if there is one."""
        columns = self._identity_columns
        wrong = (c.name for c in columns if pa.types.is_nested(c.type) or pa.types.is_interval(c.type))
        return next(wrong, None)

    @property
    def identity_codec(self) -> KeyCodec:
        return KeyCodec(self._identity_columns)

    @property
    def _identity_columns(self) -> list[Column]:
        types = {column.name: column.type for column in (*self.keys, *self.columns)}
        return [Column(name, types[name]) for name in self.ranking.unique_key]

    @property
    def key_codec(self) -> KeyCodec:
        return KeyCodec(self.keys)

    @property
    def state_codec(self) -> StateCodec:
        return StateCodec(self.columns)

    @property
    def event_codec(self) -> EventCodec:
        windows = self.windows
        assert windows is not None
        return EventCodec((*windows.read, *windows.ranked), windows.lanes)

    def as_dict(self) -> dict[str, Any]:
        """The view as plain values."""
        windows = self.windows
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "as_of": self.as_of,
            "keys": [_column(column) for column in self.keys],
            "columns": [_column(column) for column in self.columns],
            "types": dict(self.types),
            "features": dict(self.features),
            "event_time": self.event_time,
            "ttl": _duration(self.ttl),
            "current": self.current,
            "ranking": {**asdict(self.ranking), "available_after": _duration(self.ranking.available_after)},
            "windows": None
            if windows is None
            else {
                "read": [{**_column(column), "nullable": column.nullable} for column in windows.read],
                "aggregates": [_aggregate(aggregate) for aggregate in windows.aggregates],
                "items": [{**asdict(item), "tokens": list(item.tokens)} for item in windows.items],
                "types": dict(windows.types),
                "made": {name: _type(kind) for name, kind in windows.made.items()},
                "ranked": [{**_column(column), "nullable": column.nullable} for column in windows.ranked],
                "lanes": [[lane.kind, lane.argument, lane.filter] for lane in windows.lanes],
            },
        }

    @classmethod
    def from_dict(cls, table: str, said: Mapping[str, Any]) -> PublishedView:
        """The view that a manifest describes."""
        windows = said["windows"]
        return cls(
            name=said["name"],
            table=table,
            fingerprint=said["fingerprint"],
            as_of=said["as_of"],
            keys=tuple(_column_of(column) for column in said["keys"]),
            columns=tuple(_column_of(column) for column in said["columns"]),
            types=said["types"],
            features=said["features"],
            event_time=said["event_time"],
            ttl=_duration_of(said["ttl"]),
            current=said["current"],
            ranking=_ranking_of(said.get("ranking", {})),
            windows=None
            if windows is None
            else PublishedWindows(
                tuple(EventColumn(c["name"], _type_of(c["type"]), c["nullable"]) for c in windows["read"]),
                tuple(_aggregate_of(aggregate) for aggregate in windows["aggregates"]),
                tuple(WindowItem(i["name"], i["sql"], tuple(i["tokens"])) for i in windows["items"]),
                windows["types"],
                {name: _type_of(text) for name, text in windows["made"].items()},
                tuple(EventColumn(c["name"], _type_of(c["type"]), c["nullable"]) for c in windows["ranked"]),
                tuple(Lane(*lane) for lane in windows["lanes"]),
            ),
        )


def table_of(view: CompiledModel) -> str:
    """The name of a definition's table in a snapshot."""
    return f"{view.name}@{view.fingerprint}"


def _column(column: Column | EventColumn) -> dict[str, Any]:
    return {"name": column.name, "type": _type(column.type)}


def _type(kind: pa.DataType) -> str:
    text: str = pa.schema([("", kind)]).serialize().to_pybytes().hex()
    return text


def _column_of(said: Mapping[str, Any]) -> Column:
    return Column(said["name"], _type_of(said["type"]))


def _type_of(text: str) -> pa.DataType:
    return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(text))).field(0).type


def _duration(span: Duration | None) -> dict[str, Any] | None:
    return None if span is None else asdict(span)


def _duration_of(said: Mapping[str, Any] | None) -> Duration | None:
    return None if said is None else Duration(**said)


def _ranking_of(said: Mapping[str, Any]) -> Ranking:
    return Ranking(
        said.get("available_at"),
        _duration_of(said.get("available_after")),
        tuple(said.get("ties", ())),
        said.get("declared_ties", 0),
        tuple(said.get("unique_key", ())),
        said.get("taken_up", 0),
    )


def _aggregate(aggregate: WindowAggregate) -> dict[str, Any]:
    call = aggregate.call
    return {
        **{key: value for key, value in vars(aggregate).items() if key != "call"},
        "arguments": list(aggregate.arguments),
        "token": call.token,
        "text": call.aggregate,
        "length": _duration(call.length),
        "offset": _duration(call.offset),
    }


def _aggregate_of(said: Mapping[str, Any]) -> WindowAggregate:
    call = WindowCall(said["token"], said["text"], _duration_of(said["length"]), _duration_of(said["offset"]))
    return WindowAggregate(
        call,
        said["function"],
        tuple(said["arguments"]),
        said["distinct"],
        said["order_by"],
        said["filter"],
        said["modifier"],
    )
