"""Questions that are asked of a Redis server again and again, under one key after the other: what is said around the
key, and how the answer looked the last time.

Rows of numbers are as long as they were, so all but their bytes is as it was, lengths and ends of lines included. What
is so to the last byte is taken apart by one unpacking; anything else is read as every reply is (``store.redis_wire``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlfeat.store.redis_wire import Reply

Rows = tuple[bytes | None, ...]
_MOST_LEARNED = 100
"""How often an answer of another length is looked at for how it looks; rows of texts have another one each time."""


class _Layout(NamedTuple):
    """Bytes of an answer: how many, and those between the rows."""

    size: int
    unpack: Callable[[bytes, int], tuple[Any, ...]]
    between: tuple[bytes, ...]


class Shape:
    """How an answer looks in which no row lacks: ``rows`` lists of a mark and a row, then a zero where ``is_pushable``.

    It is given as a tuple: ``order`` has the place there of each row, and after them places where nothing is. To be
    used on one thread.
    """

    def __init__(self, rows: int, order: Sequence[int], *, is_pushable: bool) -> None:
        self._rows = rows
        self._is_pushable = is_pushable
        self._nothing: Rows = (None,) * (len(order) - rows)
        places = sorted(range(len(order)), key=order.__getitem__)
        self._arranged: Callable[[Rows], Rows] | None = itemgetter(*places) if places != sorted(places) else None
        self._layout: _Layout | None = None
        self._learned = 0

    def read(self, data: bytes, at: int) -> tuple[Rows, int] | None:
        """The rows of an answer that begins somewhere, and where it ends; None where it does not look so."""
        layout = self._layout
        if layout is None or len(data) - at < layout.size:
            return None
        found = layout.unpack(data, at)
        if found[::2] != layout.between:
            return None
        rows = found[1::2] + self._nothing
        return rows if self._arranged is None else self._arranged(rows), at + layout.size

    def learn(self, replies: Sequence[Reply]) -> None:
        """See how an answer looks that was read as every other is."""
        if self._learned == _MOST_LEARNED or (self._is_pushable and replies[self._rows]):
            return
        between, sizes, end = [], [], b""
        for mark, row in replies[: self._rows]:
            if not (mark and row):
                return
            between.append(b"%b*2\r\n$%d\r\n%b\r\n$%d\r\n" % (end, len(mark), mark, len(row)))
            sizes.append(len(row))
            end = b"\r\n"
        between.append(end + b":0\r\n" if self._is_pushable else end)
        pairs = zip(between, sizes, strict=False)
        layout = struct.Struct("".join(f"{len(text)}s{size}s" for text, size in pairs) + f"{len(between[-1])}s")
        self._learned += 1
        self._layout = _Layout(layout.size, layout.unpack_from, tuple(between))


class Form(NamedTuple):
    """What is said around a key, and around the names of hashes that it ends; how many replies there are.

    ``shape`` is None where an answer is not one row of each table.
    """

    around: list[bytes]
    around_names: list[bytes]
    replies: int
    shape: Shape | None

    def asked(self, key: bytes, own: bytes) -> bytes:
        """The question under a key; ``own`` is how names of hashes end in it."""
        data = (b"$%d\r\n%b\r\n" % (len(key), key)).join(self.around)
        return data + own.join(self.around_names) if self.around_names else data
