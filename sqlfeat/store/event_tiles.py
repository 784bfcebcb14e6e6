"""Tiles of an entity's events: running totals and extremes of sixteen at a time, so that a window reads few of them.

An entity of at least ``FEWEST`` events has, of each lane (a column, and which events count), at the edge of every tile
what all events before it come to:

**counts**: how many they are. **sums**: one number, or several that are added: the digits of a sum of integers, each of
32 bits and summed on its own; of doubles such digits as doubles, scaled, so that all of them together are the exact sum
(``math.fsum`` of them rounds once). **min** and **max**: the extreme of each tile, of each sixteen tiles, and so on; of
what has no fixed width, or is wider than eight bytes, the place of the event that has it (``NOWHERE``: none counts).

Where an entity's numbers have no such form (infinities, NaN, magnitudes too far apart) it has no tiles in that lane.
Everything is made for all entities at once, and knows nothing of windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TILE = 16
FEWEST = 2 * TILE
"""An entity of fewer events has no tiles."""
MOST_DIGITS = 6
_MOST_EVENTS = 2**21
"""Of so many events a sum of digits is a whole double."""
NOWHERE = 2**32 - 1
_DIGIT = np.int64(32)
_MASK = np.int64(2**32 - 1)

Numbers = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lane:
    """What is kept of a column, or of the events themselves: ``count``, ``sum``, ``min`` or ``max``.

    Only events count where the column is not null, and where the column that is the filter is true.
    """

    kind: str
    argument: str | None
    filter: str | None = None


@dataclass(frozen=True)
class Written:
    """A lane of many entities: how many numbers there are at an edge of each (0: no tiles), and the bytes of each."""

    words: npt.NDArray[np.uint8]
    data: npt.NDArray[np.uint8]
    edges: Integers


class Tiling:
    """The tiles of entities whose events lie together, between ``starts``."""

    def __init__(self, starts: Integers) -> None:
        counts = np.diff(starts)
        self.entities = len(counts)
        self._tiled = np.flatnonzero(counts >= FEWEST)
        self._counts = counts[self._tiled]
        self._tiles = self._counts // TILE
        self._starts = starts[:-1][self._tiled]
        self._inner = np.concatenate([[0], np.cumsum(self._counts)]).astype(np.int64)
        self._chosen = _ranges(self._starts, self._counts)

    @property
    def is_empty(self) -> bool:
        """Whether no entity has tiles."""
        return not len(self._tiled)

    def of(self, lane: Lane, numbers: Numbers | None, kept: Flags | None, neutral: Any) -> Written:
        """A lane over all events; ``kept`` are those that count (None: all), the others count as ``neutral``."""
        if self.is_empty or (lane.kind == "count" and kept is None):
            return self._nothing()
        kept = None if kept is None else kept[self._chosen]
        if lane.kind == "count":
            assert kept is not None
            return self._counted(kept)
        assert numbers is not None
        chosen = numbers[self._chosen]
        if kept is not None and not kept.all():
            chosen = np.where(kept, chosen, neutral) if chosen.dtype.kind != "V" else _without(chosen, kept)
        if lane.kind == "sum":
            return self._summed(chosen)
        return self._extremes(chosen, np.minimum if lane.kind == "min" else np.maximum)

    @property
    def chosen(self) -> Integers:
        """The places of all events of entities that have tiles."""
        return self._chosen

    def places(self, lane: Lane, order: Integers, kept: Flags | None) -> Written:
        """A lane of extremes, as the places of events; ``order`` are the chosen events as they are ordered."""
        if self.is_empty:
            return self._nothing()
        nowhere = len(order) if lane.kind == "min" else -1
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        if kept is not None:
            ranks = np.where(kept[self._chosen], ranks, nowhere)
        written = self._extremes(ranks, np.minimum if lane.kind == "min" else np.maximum)
        found, sizes = written.data.view(np.int64), np.diff(written.edges)[self._tiled] // 8
        places = order[np.where(found == nowhere, 0, found)] - np.repeat(self._inner[:-1], sizes)
        return self._written(
            (sizes > 0).astype(np.int64), np.where(found == nowhere, NOWHERE, places).astype("<u4"), sizes * 4
        )

    def _nothing(self) -> Written:
        none = np.zeros(self.entities, np.uint8)
        return Written(none, np.zeros(0, np.uint8), np.zeros(self.entities + 1, np.int64))

    def _written(self, words: Integers, data: Numbers, sizes: Integers) -> Written:
        """What the entities with tiles have, as that of all."""
        all_words, all_sizes = np.zeros(self.entities, np.uint8), np.zeros(self.entities, np.int64)
        all_words[self._tiled] = words
        all_sizes[self._tiled] = sizes
        edges = np.concatenate([[0], np.cumsum(all_sizes)]).astype(np.int64)
        return Written(all_words, np.ascontiguousarray(data).reshape(-1).view(np.uint8), edges)

    # -- running totals --------------------------------------------------------------------------------------------

    def _at_edges(self, numbers: Numbers) -> Integers:
        """What all events of an entity before each edge come to: whole numbers, which may wrap around on the way."""
        totals = np.concatenate([np.zeros(1, np.int64), np.cumsum(numbers, dtype=np.int64)])
        steps = self._tiles + 1
        places = _ranges(np.zeros(len(steps), np.int64), steps) * TILE
        begins = np.repeat(self._inner[:-1], steps)
        found: Integers = totals[begins + places] - totals[begins]
        return found

    def _joined(self, columns: Sequence[Numbers], words: Integers) -> Written:
        """Some numbers at every edge, of each entity as many as it needs."""
        steps = self._tiles + 1
        matrix = np.stack(columns, axis=1)
        needed = np.repeat(words, steps)[:, None] > np.arange(len(columns))[None, :]
        return self._written(words, matrix if needed.all() else matrix[needed], steps * words * 8)

    def _counted(self, kept: Flags) -> Written:
        found = self._at_edges(kept.astype(np.int64)).astype("<u4")
        return self._written(np.ones(len(self._tiled), np.int64), found, (self._tiles + 1) * 4)

    def _summed(self, numbers: Numbers) -> Written:
        if numbers.dtype.kind == "f":
            return self._summed_doubles(numbers.astype(np.float64, copy=False))
        if numbers.dtype.kind == "V":
            return self._summed_wide(numbers)
        whole = numbers.astype(np.float64)
        most = np.maximum.reduceat(np.abs(whole), self._inner[:-1]) * self._counts
        fits = most < 2.0**62
        if fits.all():
            return self._joined([self._at_edges(numbers)], np.ones(len(fits), np.int64))
        if numbers.dtype == np.uint64:
            low, high = (numbers & np.uint64(_MASK)).astype(np.int64), (numbers >> np.uint64(32)).astype(np.int64)
        else:
            low, high = numbers.astype(np.int64) & _MASK, numbers.astype(np.int64) >> _DIGIT
        return self._joined([self._at_edges(low), self._at_edges(high)], np.full(len(fits), 2))

    def _summed_wide(self, numbers: Numbers) -> Written:
        """The same of numbers of 128 bits."""
        halves = np.ascontiguousarray(numbers).view("<i8").reshape(-1, 2)
        low, high = halves[:, 0], halves[:, 1]
        lowest = low & _MASK
        if (high == low >> np.int64(63)).all():
            return self._joined([self._at_edges(lowest), self._at_edges(low >> _DIGIT)], np.full(len(self._tiled), 2))
        parts = (lowest, (low >> _DIGIT) & _MASK, high & _MASK, high >> _DIGIT)
        return self._joined([self._at_edges(part) for part in parts], np.full(len(self._tiled), 4))

    def _summed_doubles(self, numbers: Numbers) -> Written:
        begins, count = self._inner[:-1], len(self._tiled)
        finite = np.isfinite(numbers)
        whole = np.logical_and.reduceat(finite, begins)
        numbers = numbers if finite.all() else np.where(finite, numbers, 0.0)
        mantissa, lowest, highest = _mantissas(numbers)
        low, high = np.minimum.reduceat(lowest, begins), np.maximum.reduceat(highest, begins)
        low = np.where(low > high, 0, low)  # nothing but zeros
        words = np.maximum(-(-(high - low) // 32), 1)
        wide = high + np.ceil(np.log2(self._counts)).astype(np.int64) >= 1020
        words[~whole | (words > MOST_DIGITS) | wide | (self._counts >= _MOST_EVENTS)] = 0
        most = int(words.max(initial=0))
        if not most:
            return self._joined([np.zeros(int((self._tiles + 1).sum()))], np.zeros(count, np.int64))
        shift = np.where(mantissa == 0, 0, lowest - np.repeat(low, self._counts))
        scale = np.repeat(low, self._tiles + 1)
        edges = []
        for place, digit in enumerate(_digits(mantissa, shift, np.signbit(numbers), most)):
            power = np.where(scale + 32 * place < 990, scale + 32 * place, 0)  # others are of entities without tiles
            edges.append(np.ldexp(self._at_edges(digit).astype(np.float64), power.astype(np.int32)))
        return self._joined(edges, words)

    # -- extremes --------------------------------------------------------------------------------------------------

    def _extremes(self, numbers: Numbers, pick: Any) -> Written:
        words = np.ones(len(self._tiled), np.int64)
        if numbers.dtype.kind == "f":
            words -= np.logical_or.reduceat(np.isnan(numbers), self._inner[:-1])
        tiles, begins = self._tiles * words, self._inner[:-1]
        levels, counts, level = [], [], numbers
        while tiles.any():
            places = np.repeat(begins, tiles) + _ranges(np.zeros(len(tiles), np.int64), tiles) * TILE
            ends = np.stack([places, places + TILE], axis=1).reshape(-1)
            level = pick.reduceat(np.append(level, level[:1]), ends)[::2]
            levels.append(level)
            counts.append(tiles)
            begins = np.concatenate([[0], np.cumsum(tiles)])[:-1]
            tiles = tiles // TILE
        return self._written(words, *_interleaved(levels, counts, len(words), numbers.dtype))


def _interleaved(
    levels: Sequence[Numbers], counts: Sequence[Integers], entities: int, kind: Any
) -> tuple[Numbers, Integers]:
    """The levels of each entity after each other, and how many bytes each entity has."""
    sizes = np.sum(counts, axis=0) if counts else np.zeros(entities, np.int64)
    data = np.zeros(int(sizes.sum()), kind)
    at = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    for level, count in zip(levels, counts, strict=True):
        data[_ranges(at, count)] = level
        at = at + count
    return data, sizes * data.dtype.itemsize


def _ranges(begins: Integers, counts: Integers) -> Integers:
    """The numbers of ranges after each other: so many from each beginning on."""
    ends = np.cumsum(counts)
    found: Integers = np.repeat(begins - (ends - counts), counts) + np.arange(int(ends[-1]) if len(ends) else 0)
    return found


def _without(numbers: Numbers, kept: Flags) -> Numbers:
    """Numbers of 128 bits, zero where they do not count."""
    halves = np.ascontiguousarray(numbers).view("<i8").reshape(-1, 2)
    return np.ascontiguousarray(np.where(kept[:, None], halves, 0)).view("V16").reshape(-1)


def _mantissas(numbers: Numbers) -> tuple[Integers, Integers, Integers]:
    """The odd whole number of each double, the power of two that it is to be taken times, and that above the double."""
    fraction, exponent = np.frexp(np.abs(numbers))
    mantissa = np.ldexp(fraction, 53).astype(np.int64)
    exponent = exponent.astype(np.int64)
    zeros = np.frexp((mantissa & -mantissa).astype(np.float64))[1].astype(np.int64) - 1
    is_zero = mantissa == 0
    zeros = np.where(is_zero, 0, zeros)
    lowest = np.where(is_zero, 2000, exponent - 53 + zeros)
    return mantissa >> zeros, lowest, np.where(is_zero, -2000, exponent)


def _digits(mantissa: Integers, shift: Integers, negative: Flags, most: int) -> list[Integers]:
    """The digits of 32 bits of mantissas that are shifted to the left, with their signs; lowest first."""
    sign = np.where(negative, np.int64(-1), np.int64(1))
    first, rest = shift // 32, shift % 32
    low, high = (mantissa & _MASK) << rest, (mantissa >> _DIGIT) << rest
    middle = (low >> _DIGIT) + (high & _MASK)
    parts = [(low & _MASK) * sign, (middle & _MASK) * sign, ((high >> _DIGIT) + (middle >> _DIGIT)) * sign]
    found = []
    for number in range(most):
        digit = np.zeros(len(mantissa), np.int64)
        for offset, part in enumerate(parts):
            digit += np.where(first == number - offset, part, 0)
        found.append(digit)
    return found
