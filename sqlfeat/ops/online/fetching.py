"""What a request waits for, step by step: it names rows of a snapshot, and whoever drives it brings them.

So the same code answers in a thread that waits for the store, and on an event loop that waits for nobody.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeVar

from sqlfeat.store.online import Snapshot

T = TypeVar("T")
Fetched = Sequence[bytes | None]


class Wanted(NamedTuple):
    """Rows of a snapshot that a request cannot go on without, by table and key."""

    snapshot: Snapshot
    keys: Sequence[tuple[str, bytes]]


class WantedOfOne(NamedTuple):
    """The same where all of them are under one key, which a store may know a shorter way for."""

    snapshot: Snapshot
    tables: tuple[str, ...]
    key: bytes

    @property
    def keys(self) -> Sequence[tuple[str, bytes]]:
        return [(table, self.key) for table in self.tables]


Steps = Generator[Wanted | WantedOfOne, Fetched, T]


def at_once(steps: Steps[T]) -> T:
    """What comes of it in the end; the store is waited for."""
    try:
        wanted = next(steps)
        while True:
            try:
                fetched = wanted.snapshot.fetch(wanted.keys)
            except Exception as error:  # noqa: BLE001 (it is raised again where the rows were wanted)
                wanted = steps.throw(error)
            else:
                wanted = steps.send(fetched)
    except StopIteration as end:
        found: T = end.value
        return found
