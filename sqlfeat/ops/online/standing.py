"""What there is of an entity's events at an instant: a snapshot's and pushed ones, which exist, which a window has.

Knows times and places, and nothing of aggregates.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlfeat.engine.base import EVENT_AT, KNOWN_AT, UNTIL_AT
from sqlfeat.ops.online.calendar import FOREVER, before
from sqlfeat.store.event_records import EventBlock
from sqlfeat.store.row_codec import Row

Run = tuple[int, int]
"""Places of a snapshot's events, from the first to before the last."""


class PushedEvent(NamedTuple):
    """A pushed event: its time, from and until when it counts, before which event of the snapshot it comes."""

    event: int
    known: int
    until: int
    place: int
    row: Row


@dataclass(frozen=True)
class Events:
    """The events of an entity: those of a snapshot, and pushed ones in the order of aggregates.

    ``replaced`` tells of events of the snapshot until when they count, where a pushed version ends that; ``value``
    gives a column of a pushed row.
    """

    block: EventBlock
    pushed: Sequence[PushedEvent] = ()
    replaced: Mapping[int, int] = field(default_factory=dict)
    value: Callable[[str, Row], Any] = lambda name, row: None

    def column(self, name: str) -> list[Any]:
        """The values of a column, plain, of all events in their order."""
        if name == KNOWN_AT:
            own: list[Any] = [one.known for one in self.pushed]
        elif name == UNTIL_AT:
            own = [one.until for one in self.pushed]
        else:
            own = [self.value(name, one.row) for one in self.pushed]
        base, found, begin = self._base(name), [], 0
        for one, value in zip(self.pushed, own, strict=True):
            found += base[begin : one.place]
            found.append(value)
            begin = one.place
        return found + base[begin:]

    def _base(self, name: str) -> list[Any]:
        block = self.block
        if name not in (EVENT_AT, KNOWN_AT, UNTIL_AT):
            return block.values(name)
        found = [FOREVER] * block.count if name == UNTIL_AT else list(block.events)  # what is sure was known by then
        if name == EVENT_AT:
            return found
        for place, known, until in zip(*block.in_doubt, strict=True):
            found[place] = known if name == KNOWN_AT else until
        if name == UNTIL_AT:
            for place, until in self.replaced.items():
                found[place] = until
        return found


class Scope:
    """The events in one window at one instant: runs of a snapshot's events, and pushed ones."""

    __slots__ = ("block", "pushed", "runs", "value")

    def __init__(self, events: Events, runs: Sequence[Run], pushed: Sequence[PushedEvent]) -> None:
        self.block = events.block
        self.runs = runs
        self.pushed = pushed
        self.value = events.value

    def in_order(self) -> Iterator[Run | PushedEvent]:
        """The runs with the pushed events between them."""
        at, pushed = 0, self.pushed
        for first, end in self.runs:
            while at < len(pushed) and pushed[at].place < end:
                place = max(pushed[at].place, first)
                if place > first:
                    yield first, place
                yield pushed[at]
                first, at = place, at + 1
            yield first, end
        yield from pushed[at:]


class Standing:
    """Which of an entity's events exist at an instant."""

    def __init__(self, events: Events, t: int, *, strict: bool) -> None:
        self._events = events
        self._t = t
        self._times = events.block.events
        self._find = bisect_left if strict else bisect_right
        self._gaps: Sequence[int] = ()
        last = t - 1 if strict else t
        if events.block.doubts or events.replaced:
            self._gaps = _gaps(events, last)
        self._pushed = [
            one for one in events.pushed if one.known <= last and (last < one.until or one.until == FOREVER)
        ]
        self._pushed_times = [one.event for one in self._pushed]

    def inside(self, upper: Any, lower: Any) -> Scope:
        """The events in a window."""
        end, find, pushed = self._t, self._find, self._pushed
        for span in upper or ():
            end = before(end, span)
        last, first = find(self._times, end), 0
        begin = self._t
        if lower is not None:
            for span in lower:
                begin = before(begin, span)
            first = find(self._times, begin)
        if pushed:
            some = find(self._pushed_times, begin) if lower is not None else 0
            pushed = pushed[some : find(self._pushed_times, end)]
        runs = [(first, last)] if first < last else []
        return Scope(self._events, _without(runs, self._gaps) if self._gaps and runs else runs, pushed)


def _gaps(events: Events, last: int) -> list[int]:
    """The places of a snapshot's events that do not exist where ``last`` is the last instant that counts."""
    places, known, until = events.block.in_doubt
    found = {
        place
        for place, start, end in zip(places, known, until, strict=True)
        if start > last or (end <= last and end != FOREVER)
    }
    found |= {place for place, end in events.replaced.items() if end <= last and end != FOREVER}
    return sorted(found)


def _without(runs: Sequence[Run], gaps: Sequence[int]) -> Sequence[Run]:
    """A run but for some places."""
    ((first, end),) = runs
    found = []
    for gap in gaps[bisect_left(gaps, first) : bisect_left(gaps, end)]:
        if gap > first:
            found.append((first, gap))
        first = gap + 1
    return [*found, (first, end)] if first < end else found
