"""A feature view as a snapshot describes it: all that a reader must know of it, as plain values.

A reader has no project beside it: what is written here, with what an entity's key leads to, is enough to give every
feature at any instant that the snapshot covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from sqlfeat.compiler.manifest import CompiledModel, WindowAggregate, WindowCall, WindowItem
from sqlfeat.spec.duration import Duration
from sqlfeat.store.entity_records import EventCodec, EventColumn, KeyCodec, StateCodec
from sqlfeat.store.row_codec import Column

EVENTS = "/events"
"""What the name of the table of a view's events ends in."""


@dataclass(frozen=True)
class PublishedWindows:
    """The windows of a view: what they read of an event, their aggregates, and the columns made of them.

    ``types`` are the DuckDB types of what is read and of every token, ``made`` the Arrow types of tokens and items.
    """

    read: tuple[EventColumn, ...]
    aggregates: tuple[WindowAggregate, ...]
    items: tuple[WindowItem, ...]
    types: Mapping[str, str]
    made: Mapping[str, pa.DataType]


@dataclass(frozen=True)
class PublishedView:
    """One definition of a feature view in a snapshot.

    ``as_of`` is the instant from which it can be read, in microseconds since 1970. ``keys`` and ``columns`` have their
    Arrow types, ``types`` maps all of them, windows included, to DuckDB's. ``features`` maps a column to its
    fingerprint. ``current`` is False for a definition that the project has no more, and some alias still needs.
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

    @property
    def event_table(self) -> str:
        return self.table + EVENTS

    @property
    def key_codec(self) -> KeyCodec:
        return KeyCodec(self.keys)

    @property
    def state_codec(self) -> StateCodec:
        return StateCodec(self.columns)

    @property
    def event_codec(self) -> EventCodec:
        return EventCodec(self.windows.read if self.windows else ())

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
            "windows": None
            if windows is None
            else {
                "read": [{**_column(column), "nullable": column.nullable} for column in windows.read],
                "aggregates": [_aggregate(aggregate) for aggregate in windows.aggregates],
                "items": [{**asdict(item), "tokens": list(item.tokens)} for item in windows.items],
                "types": dict(windows.types),
                "made": {name: _type(kind) for name, kind in windows.made.items()},
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
            windows=None
            if windows is None
            else PublishedWindows(
                tuple(EventColumn(c["name"], _type_of(c["type"]), c["nullable"]) for c in windows["read"]),
                tuple(_aggregate_of(aggregate) for aggregate in windows["aggregates"]),
                tuple(WindowItem(i["name"], i["sql"], tuple(i["tokens"])) for i in windows["items"]),
                windows["types"],
                {name: _type_of(text) for name, text in windows["made"].items()},
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
