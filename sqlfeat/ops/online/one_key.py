"""Lookups that all go by one key, for one request row: what most requests are.

Where every row is there, made of numbers without a null, and holds, all of them are read by one unpacking. Whatever
else there is, is left to ``ops.online.reading``, lookup by lookup, which says what is right.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlfeat.ops.online.calendar import before
from sqlfeat.ops.online.reading import FOUND, Read, ViewReader
from sqlfeat.store.pushed import PUSHED

Unpacked = tuple[Any, ...]
"""The rows of all lookups, one after the other: of each the count, the bitmap, both times, and its columns."""


class Form(NamedTuple):
    """What is fetched: the lookups' own tables, then those of pushes; ``pushed`` says where each lookup's stands."""

    tables: tuple[str, ...]
    pushed: tuple[int | None, ...]


class OneKey:
    """The lookups, by name, with their readers, none of which asks for a window."""

    def __init__(self, lookups: Sequence[tuple[str, ViewReader]]) -> None:
        self._lookups = list(lookups)
        self._count = len(self._lookups)
        self._own = tuple(reader.view.table for _, reader in self._lookups)
        self._live = [(reader.view.table, reader.view.is_live) for _, reader in self._lookups]
        self._is_pushable = any(is_live is not None for _, is_live in self._live)
        self._at_rest = Form(self._own, (None,) * self._count)
        self._forms: dict[tuple[str, ...], Form] = {(): self._at_rest}
        self._unpack: Callable[[bytes], Unpacked] | None = None
        self.width = 0
        self._lay_out()

    def _lay_out(self) -> None:
        """Where what stands in the rows, one after the other, when all of them are as they mostly are."""
        self.places: dict[str, list[int]] = {}
        self._event_at: dict[str, int] = {}
        formats, heads, firsts, usable = ["<"], list[Any](), list[int](), list[int]()
        self._ttls = []
        for name, reader in self._lookups:
            single = reader.single
            if single is None:
                return
            firsts += (self.width, self.width + 1)
            heads += (1, single.no_nulls)
            usable.append(self.width + 2)
            self._event_at[name] = self.width + 3
            if reader.ttl is not None:
                self._ttls.append((self.width + 3, reader.ttl))
            self.places[name] = [self.width + 2 + place for place in reader.places]
            formats.append(single.format)
            self.width += single.values
        layout = struct.Struct("".join(formats))
        self._size, self._unpack = layout.size, layout.unpack
        self._heads, self._heads_of, self._usable_of = tuple(heads), picking(firsts), picking(usable)

    @property
    def is_laid_out(self) -> bool:
        """Whether ``unpacked`` can ever give anything."""
        return self._unpack is not None

    def form(self) -> Form:
        """What is to be fetched now."""
        if not self._is_pushable:
            return self._at_rest
        live = tuple([table for table, is_live in self._live if is_live is not None and is_live(table)])
        found = self._forms.get(live)
        if found is None:
            numbers = {table: self._count + number for number, table in enumerate(live)}
            tables = (*self._own, *(table + PUSHED for table in live))
            pushed = tuple(numbers.get(table) for table in self._own)
            found = self._forms[live] = Form(tables, pushed)
        return found

    def unpacked(self, fetched: Sequence[bytes | None], t: int) -> Unpacked | None:
        """The rows at an instant; None where one of them is not as they mostly are."""
        count, unpack = self._count, self._unpack
        if unpack is None or fetched.count(None) != len(fetched) - count or None in fetched[:count]:
            return None  # a row lacks, or some are pushed
        data = b"".join(fetched[:count])  # type: ignore[arg-type]  # none of them is None
        if len(data) != self._size:
            return None
        found = unpack(data)
        # A count of one says how long that row is, so the next one begins where it is looked for.
        if self._heads_of(found) != self._heads or max(self._usable_of(found)) >= t:
            return None
        for place, ttl in self._ttls:
            if found[place] < before(t, ttl):
                return None
        return found

    def reads(self, form: Form, fetched: Sequence[bytes | None] | None, t: int) -> dict[str, Read]:
        """What each lookup reads, whatever there is; None for a key that is null."""
        found = {}
        for number, (name, reader) in enumerate(self._lookups):
            own = None
            if fetched is not None:
                pushed = form.pushed[number]
                own = (fetched[number],) if pushed is None else (fetched[number], fetched[pushed])
            found[name] = reader.read(own, t)
        return found

    def found(self, unpacked: Unpacked) -> FoundReads:
        """The same of rows that are unpacked."""
        return FoundReads(self, unpacked)

    def read(self, name: str, unpacked: Unpacked) -> Read:
        """What one lookup has read."""
        return Read(tuple([unpacked[place] for place in self.places[name]]), FOUND, unpacked[self._event_at[name]])


class FoundReads(Mapping[str, Read]):
    """What the lookups have read, where all rows are there; made when it is looked at."""

    __slots__ = ("_of", "_unpacked")

    def __init__(self, of: OneKey, unpacked: Unpacked) -> None:
        self._of = of
        self._unpacked = unpacked

    def __getitem__(self, name: str) -> Read:
        return self._of.read(name, self._unpacked)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.places)

    def __len__(self) -> int:
        return len(self._of.places)


def picking(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes some places of a row, in that order."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple([row[place] for place in places])
