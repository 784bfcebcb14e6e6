"""Counts, sums, means and extremes of a window's events: from the tiles between its edges, and the events beside them.

Integers and decimals exactly, sums and means of floats correctly rounded, as offline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any

import numpy as np

from sqlfeat.engine.duckdb.exact import rounded_mean, rounded_sum
from sqlfeat.engine.duckdb.windows import scale_of
from sqlfeat.ops.online.standing import Scope
from sqlfeat.store.event_records import EventBlock
from sqlfeat.store.event_tiles import TILE, Lane

FLOATS = {"FLOAT", "DOUBLE"}
_LAST = TILE - 1
_SHIFT = TILE.bit_length() - 1


class Kept:
    """The events of a scope that an aggregate takes: where its argument is not null, and its filter is true."""

    def __init__(self, argument: str | None, condition: str | None, lanes: Sequence[Lane]) -> None:
        self._argument = argument
        self._filter = condition
        self._lanes = {lane.kind: n for n, lane in enumerate(lanes) if lane == Lane(lane.kind, argument, condition)}
        self._counts = self._lanes.get("count")

    def values(self, block: EventBlock, first: int, end: int) -> Iterable[Any]:
        """The values at some places that are taken."""
        assert self._argument is not None
        numbers = block.numbers(self._argument)
        if numbers is None:
            found = block.values(self._argument, first, end)
            if self._filter is not None:
                found = list(compress(found, block.is_true(self._filter)[first:end]))
            return [value for value in found if value is not None] if block.has_nulls(self._argument) else found
        there = block.is_there(self._argument)
        if there is None:
            if self._filter is None:
                return numbers[first:end]
            return compress(numbers[first:end], block.is_true(self._filter)[first:end])
        if self._filter is None:
            return compress(numbers[first:end], there[first:end])
        passing = block.is_true(self._filter)[first:end]
        return compress(compress(numbers[first:end], passing), compress(there[first:end], passing))

    def count(self, block: EventBlock, first: int, end: int) -> int:
        """How many they are."""
        there = block.is_there(self._argument) if self._argument is not None else None
        if there is None and self._filter is None:
            return end - first
        words, edges = block.lane(self._counts)
        low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
        if not words or low >= high:
            return self._counted(block, there, first, end)
        beside = self._counted(block, there, first, low << _SHIFT) + self._counted(block, there, high << _SHIFT, end)
        found: int = edges[high] - edges[low] + beside
        return found

    def _counted(self, block: EventBlock, there: Any, first: int, end: int) -> int:
        if self._filter is None:
            return sum(there[first:end])
        passing = block.is_true(self._filter)[first:end]
        return sum(passing if there is None else compress(there[first:end], passing))

    def pushed(self, scope: Scope) -> list[Any]:
        """The values of pushed events that are taken; those of no column as True."""
        found = [one.row for one in scope.pushed]
        if self._filter is not None:
            found = [row for row in found if scope.value(self._filter, row)]
        if self._argument is None:
            return [True] * len(found)
        values = (scope.value(self._argument, row) for row in found)
        return [value for value in values if value is not None]

    def all(self, scope: Scope) -> list[Any]:
        """The values that are taken of a scope, in no order."""
        found: list[Any] = []
        for first, end in scope.runs:
            found += self.values(scope.block, first, end)
        return found + self.pushed(scope) if scope.pushed else found

    def array(self, scope: Scope) -> Any:
        """The same as an array; None where they are no numbers as they lie."""
        block = scope.block
        assert self._argument is not None
        numbers = block.numbers(self._argument)
        if numbers is None:
            return None
        whole = np.asarray(numbers)
        there = block.is_there(self._argument)
        parts = [whole[:0]]
        for first, end in scope.runs:
            part = whole[first:end]
            if there is not None or self._filter is not None:
                taken = np.ones(end - first, np.bool_)
                if there is not None:
                    taken &= np.asarray(there[first:end], np.bool_)
                if self._filter is not None:
                    taken &= np.asarray(block.is_true(self._filter)[first:end], np.bool_)
                part = part[taken]
            parts.append(part)
        if scope.pushed:
            parts.append(np.array(self.pushed(scope), whole.dtype))
        return np.concatenate(parts)


class Counted(Kept):
    """``count``."""

    def __call__(self, scope: Scope) -> int:
        block, found = scope.block, 0
        for first, end in scope.runs:
            found += self.count(block, first, end)
        return found + len(self.pushed(scope)) if scope.pushed else found


class Sum(Kept):
    """``sum`` and ``avg``: of exact numbers exactly, of doubles with one rounding."""

    def __init__(
        self, argument: str, condition: str | None, lanes: Sequence[Lane], kind: str, *, is_mean: bool
    ) -> None:
        super().__init__(argument, condition, lanes)
        self._sums = self._lanes.get("sum")
        self._is_float = kind in FLOATS
        self._is_mean = is_mean
        self._unit = 10 ** scale_of(kind) if is_mean and not self._is_float else 1

    def __call__(self, scope: Scope) -> Any:
        block, count = scope.block, 0
        parts: list[Any] = []
        for first, end in scope.runs:
            count += self.count(block, first, end)
            self._add(parts, block, first, end)
        if scope.pushed:
            found = self.pushed(scope)
            count += len(found)
            parts += found
        if not count:
            return None
        if self._is_float:
            return rounded_mean(parts, count) if self._is_mean else rounded_sum(parts)
        return sum(parts) / (count * self._unit) if self._is_mean else sum(parts)

    def _add(self, parts: list[Any], block: EventBlock, first: int, end: int) -> None:
        """Numbers that add up to what the events at some places do."""
        words, edges = block.lane(self._sums)
        low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
        if not words or low >= high:
            parts += self.values(block, first, end)
            return
        parts += self.values(block, first, low << _SHIFT)
        parts += self.values(block, high << _SHIFT, end)
        if words == 1:
            parts += (edges[high], -edges[low])
        elif self._is_float:
            parts += edges[high * words : (high + 1) * words]
            parts += [-number for number in edges[low * words : (low + 1) * words]]
        else:
            for place in range(words):
                parts.append((edges[high * words + place] - edges[low * words + place]) << (32 * place))


class Extreme(Kept):
    """``min`` and ``max``; NaN is the greatest number."""

    def __init__(
        self, argument: str, condition: str | None, lanes: Sequence[Lane], name: str, *, is_float: bool
    ) -> None:
        super().__init__(argument, condition, lanes)
        self._levels = self._lanes.get(name)
        self._is_float = is_float
        self._is_least = name == "min"

    def __call__(self, scope: Scope) -> Any:
        block, count = scope.block, 0
        found: list[Any] = []
        for first, end in scope.runs:
            count += self.count(block, first, end)
            self._add(found, block, first, end)
        if scope.pushed:
            pushed = self.pushed(scope)
            count += len(pushed)
            found += pushed
        if not count:
            return None
        if self._is_float:
            return _least(found) if self._is_least else _greatest(found)
        return min(found) if self._is_least else max(found)

    def _add(self, found: list[Any], block: EventBlock, first: int, end: int) -> None:
        """The extreme of the events at some places is among what is added."""
        words, levels = block.lane(self._levels)
        low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
        if not words or low >= high:
            found += self.values(block, first, end)
            return
        assert self._argument is not None
        found += self.values(block, first, low << _SHIFT)
        found += self.values(block, high << _SHIFT, end)
        extremes: Any = block.at_places(self._argument) or (lambda numbers: numbers)
        begin, size = 0, block.count >> _SHIFT
        while True:
            first, end = low, high
            low, high = (first + _LAST) >> _SHIFT, end >> _SHIFT
            if low >= high:
                found += extremes(levels[begin + first : begin + end])
                return
            found += extremes(levels[begin + first : begin + (low << _SHIFT)])
            found += extremes(levels[begin + (high << _SHIFT) : begin + end])
            begin, size = begin + size, size >> _SHIFT


def _least(values: list[float]) -> float | None:
    if _has_nan(values):
        values = [value for value in values if value == value] or [math.nan]
    return min(values) + 0.0 if values else None


def _greatest(values: list[float]) -> float | None:
    if not values:
        return None
    return math.nan if _has_nan(values) else max(values) + 0.0


def _has_nan(values: list[float]) -> bool:
    total = sum(values)
    return total != total and any(map(math.isnan, values))  # infinities of both signs add up to NaN too
