"""What was pushed between publications: events on their way to the next run, and what they mean to online views.

An event is a row of a source. It is kept twice, in one transaction: as it was given, for the next run, and as the rows
that online views make of it, under the keys of their entities. Events are numbered as they come; a push is all or
nothing, and its numbers follow each other. A snapshot says of each view up to which number it has events in itself;
a reader adds those after it. Every row bears a checksum of itself and of its place.

This file says what stores of pushes promise; ``pushed_lmdb`` is the embedded one. What a view's row consists of is told
in ``ops.online.merged``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from zlib import crc32

import pyarrow as pa

from sqlfeat.errors import StoreError

PUSHED = "/pushed"
"""What the name of a view's table is followed by where its pushed rows are asked for."""
OWN, ELSEWHERE, KEY = 0, 1, 2
"""Flags of rows: the entity's own, a version of an event of its that is another entity's, and the entity's key."""
_CHECK = struct.Struct("<I")
_PIECE = struct.Struct("<BI")


class ViewRow(NamedTuple):
    """What a view makes of an event: the entity's key, the packed row, and what identifies the event in it, if any."""

    key: bytes
    data: bytes
    identity: bytes | None = None


@dataclass(frozen=True)
class Events:
    """Rows of one source that are pushed together: what identifies each of them, and the rows as they were given.

    ``form`` is what is to be known of the rows to read them (:func:`form_of`); ``said`` tells of each whether it says
    itself when it became known.
    """

    source: str
    form: bytes
    ids: Sequence[bytes]
    rows: Sequence[bytes]
    said: Sequence[bool]

    def only(self, places: Sequence[int]) -> Events:
        """Some of them."""
        return Events(
            self.source,
            self.form,
            [self.ids[place] for place in places],
            [self.rows[place] for place in places],
            [self.said[place] for place in places],
        )


@dataclass(frozen=True)
class Appended:
    """What became of a push: how many events are new, how many were there already, and the number of the last one."""

    new: int
    known: int
    last: int


def form_of(source: str, schema: pa.Schema) -> bytes:
    """The columns of a source's rows, as bytes."""
    return json.dumps([source, schema.serialize().to_pybytes().hex()]).encode()


ViewRows = Mapping[str, Sequence[ViewRow]]
"""By the name of a view's table: no more rows than there are events."""
Evaluate = Callable[[Sequence[int]], ViewRows]
"""Gives what views make of the events at some places, which are those that are new."""
Elsewhere = Callable[[str, Sequence[ViewRow]], Sequence[Sequence[ViewRow]]]
"""Gives, by table, the versions of each row's event that were there before; its own entity's of a snapshot are not."""


class Pushes(Protocol):
    """What a snapshot's reader needs of pushes."""

    def is_live(self, table: str) -> bool:
        """Whether a view has events that the snapshot has not; cheap enough to be asked at every read."""
        ...

    def rows(self, table: str, key: bytes) -> bytes | None:
        """The rows of an entity that the snapshot has not, packed (:func:`unpacked`).

        Raises:
            StoreError: ``damaged-push`` where one is not what was written.
        """
        ...


class PushStore(Protocol):
    """Where pushes are kept."""

    def append(self, events: Events, tables: Iterable[str], evaluate: Evaluate, elsewhere: Elsewhere) -> Appended:
        """Keep the events that are not known yet, all or none; once it returns they are not lost.

        ``tables`` are those of the views that are evaluated.

        Raises:
            StoreError: ``cannot-write``, ``push-store-full``.
        """
        ...

    def taken_up(self) -> tuple[int, Mapping[str, Sequence[Path]]]:
        """The files with all events so far by source, and the number of the last event in them."""
        ...

    def pull(self) -> None:
        """Have the events so far in files of this machine, where they are kept on another one."""
        ...

    def last(self) -> int:
        """The number of the last event of all, 0 if there never was one."""
        ...

    def files(self, source: str) -> Sequence[Path]:
        """The files with events of a source that there are already."""
        ...

    def trim(self, until: int) -> int:
        """Know no more again the events up to a number, and keep them no longer where nothing needs them.

        Only what runs have in files stays behind them. Numbers are instants, in microseconds since 1970, at which an
        event was pushed, or shortly after. Gives the number up to which it was done.
        """
        ...

    def drop(self, kept: Mapping[str, int]) -> None:
        """Forget what no snapshot needs: of each view the rows up to a number, and all of those not named."""
        ...


def sealed(place: bytes, data: bytes) -> bytes:
    """Bytes with the checksum of themselves and of the place where they will lie."""
    return _CHECK.pack(crc32(data, crc32(place))) + data


def sealed_all(places: Sequence[bytes], rows: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Many of them, each after its place."""
    seal = _CHECK.pack
    return ((place, seal(crc32(data, crc32(place))) + data) for place, data in zip(places, rows, strict=True))


def checked(place: bytes, sealed: bytes) -> bytes | None:
    """What was sealed; None where it is something else."""
    data = bytes(sealed[4:])
    is_whole = len(sealed) >= 4 and _CHECK.unpack_from(sealed)[0] == crc32(data, crc32(place))
    return data if is_whole else None


def opened(place: bytes, sealed: bytes, what: str) -> bytes:
    """What was sealed; raises :class:`StoreError` (``damaged-push``) where it is something else."""
    data = checked(place, sealed)
    if data is None:
        raise StoreError(
            "damaged-push",
            f"{what} is not what was written: its checksum does not match.",
            hint="what lies under it is not given out; sqlfeat publish takes up all that is whole.",
        )
    return data


def packed(rows: Iterable[tuple[int, bytes]]) -> bytes:
    """Rows and the flag of each as one text of bytes."""
    return b"".join([_PIECE.pack(flag, len(data)) + data for flag, data in rows])


def unpacked(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The rows that were packed."""
    at = 0
    while at < len(data):
        flag, length = _PIECE.unpack_from(data, at)
        at += _PIECE.size
        yield flag, data[at : at + length]
        at += length
