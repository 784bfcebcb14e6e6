"""What an online store is: whole images of tables under a number, read by key while the next one is written.

A snapshot holds some tables, each of keys and values that are bytes. It is published whole or not at all; whoever has
one open goes on reading it, whoever opens the store gets the newest one that is what was written. This file says what
stores promise (``tests/store/online_conformance.py`` holds them to it); what the bytes mean is told in
``store.row_codec`` and by whoever publishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import pyarrow as pa

from sqlfeat.errors import StoreError

FORMAT_VERSION = 3
REMOVED = b""
"""The value of a key that an incremental snapshot takes away; no entry has it."""


@dataclass(frozen=True)
class Image:
    """A table to be published, complete: batches of keys and values, both arrays of binaries, every key once."""

    name: str
    batches: Iterable[tuple[pa.Array, pa.Array]]


@dataclass(frozen=True)
class TableWritten:
    """What became of one table: how many entries it has now, how many were written and how many taken away."""

    rows: int
    written: int
    removed: int = 0


@dataclass(frozen=True)
class Written:
    """A snapshot that was published."""

    number: int
    tables: Mapping[str, TableWritten]
    incremental: bool
    size: int

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as ``--json`` tells of it."""
        tables = {name: vars(table) for name, table in self.tables.items()}
        return {"snapshot": self.number, "incremental": self.incremental, "bytes": self.size, "tables": tables}


class Snapshot(Protocol):
    """An open snapshot. It stays readable, by any thread, until it is closed."""

    number: int
    manifest: Mapping[str, Any]
    """What was published with it, and ``tables``: name -> ``rows``."""

    def fetch(self, wanted: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """The values of some (table, key), in order; None where there is none.

        Raises:
            StoreError: ``online-store-down`` where the store cannot be reached in time, ``snapshot-gone`` where it
                does not have the snapshot any more.
        """
        ...

    def items(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """All entries of a table by rising key."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class OnlineStore(Protocol):
    """Where snapshots are kept. ``is_remote`` says that reading waits for a network."""

    is_remote: bool

    @property
    def problem(self) -> StoreError | None:
        """Why it cannot be read at present, where that is known; costs nothing."""
        ...

    def publish(self, body: Mapping[str, Any], images: Iterable[Image], *, incremental: bool = False) -> Written:
        """Publish a snapshot with these tables and no others; ``body`` is kept in its manifest.

        With ``incremental`` only entries that differ from the current snapshot's are written, where that is possible.

        Raises:
            StoreError: ``locked`` while another process publishes; ``cannot-write``, ``online-store-down``.
        """
        ...

    def open(self) -> Snapshot:
        """The newest snapshot that is what was written.

        Raises:
            StoreError: ``no-snapshot`` where there is none, ``damaged-snapshot`` where none is whole.
        """
        ...

    def taken_up(self) -> dict[str, int]:
        """By view, the number of the last pushed event that all snapshots which are kept have in themselves."""
        ...

    def newest(self) -> int | None:
        """The number of the newest snapshot; cheap enough to be asked often."""
        ...
