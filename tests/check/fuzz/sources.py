"""The sources that all programs read, and random small contents that are built to hurt.

Each source has one way of being known. Contents cling to a few anchors: times lie on them, a microsecond beside them
and a whole hour or day away, so that every bound that a program can have is met exactly, just missed, and just kept.
Nulls, equal times and rows that arrive late or never are common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, TypeAlias

INSTANT = "TIMESTAMP WITH TIME ZONE"
Row: TypeAlias = tuple[Any, ...]
Dataset: TypeAlias = Mapping[str, Sequence[Row]]
"""The rows of every source, by its name."""

ORIGIN = datetime(2024, 1, 31, tzinfo=UTC)  # a day before a month's end, and a month before a leap day's
MICROSECOND, MINUTE, HOUR, DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(1)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Source:
    """A source's columns and time; ``unique`` tells rows apart, and never has nulls.

    ``written`` are columns that are updated in place: null until the instant in a column, or until a delay is over. A
    source that is neither immutable nor timed is known from a hidden instant, its last value, which no program sees.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    event_time: str | None = None
    available_at: str | None = None
    available_after: str | None = None
    immutable: bool = False
    unique: tuple[str, ...] = ("id",)
    written: tuple[tuple[str, str], ...] = ()

    def position(self, column: str) -> int:
        return [name for name, _ in self.columns].index(column)

    def known_from(self, row: Row) -> datetime | None:
        """From when a row is known; None is never, and an immutable row is known before all time."""
        if self.immutable:
            return datetime.min.replace(tzinfo=UTC)
        if self.available_at is not None:
            return _instant(row[self.position(self.available_at)])
        if self.event_time is None:
            return _instant(row[len(self.columns)])
        event = _instant(row[self.position(self.event_time)])
        return event and event + DELAYS.get(self.available_after or "", timedelta(0))

    def written_from(self, row: Row) -> list[tuple[int, datetime | None]]:
        """The places of the columns that are written later, and from when each is."""
        found = []
        for column, when in self.written:
            start = row[self.position(when if when not in DELAYS else self.event_time or "")]
            instant = _instant(start)
            found.append((self.position(column), instant and instant + DELAYS.get(when, timedelta(0))))
        return found

    def seen_at(self, row: Row, at: datetime) -> Row | None:
        """What of a row was known at an instant."""
        known = self.known_from(row)
        if known is None or known > at:
            return None
        hidden = {place for place, when in self.written_from(row) if when is None or when > at}
        return tuple(None if place in hidden else value for place, value in enumerate(row))


def _instant(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


DELAYS = {"1 hour": HOUR, "1 day": DAY, "30 minutes": 30 * MINUTE}
_KEYS = (("k", "INTEGER"), ("g", "INTEGER"))
_VALUES = (("x", "INTEGER"), ("y", "INTEGER"))
_ID = ("id", "INTEGER")

SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source("events", (_ID, *_KEYS, ("t", INSTANT), *_VALUES), "t"),
        Source("ticks", (_ID, *_KEYS, ("t", INSTANT), *_VALUES), "t", unique=("k", "t")),
        Source("late", (_ID, *_KEYS, ("t", "TIMESTAMP"), ("a", "TIMESTAMP"), *_VALUES), "t", "a"),
        Source("delayed", (_ID, *_KEYS, ("t", INSTANT), *_VALUES), "t", available_after="1 hour"),
        Source("dims", (_ID, *_KEYS, *_VALUES), immutable=True),
        Source("terms", (_ID, *_KEYS, ("t", "TIMESTAMP"), ("until", "TIMESTAMP"), *_VALUES), "t"),
        Source("days", (_ID, *_KEYS, ("t", "DATE"), *_VALUES), "t"),
        Source("closed", (_ID, *_KEYS, ("t", "DATE"), *_VALUES), "t", available_after="1 day"),
        Source("untimed", (_ID, *_KEYS, *_VALUES)),
        Source(
            "slips",
            (_ID, *_KEYS, ("t", INSTANT), ("c", INSTANT), ("o", "INTEGER"), ("p", "INTEGER"), *_VALUES),
            "t",
            written=(("c", "c"), ("o", "c"), ("p", "1 day")),
        ),
    )
}


class Contents:
    """Random rows for every source, from one seed."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.anchors = self._anchors()

    def _anchors(self) -> list[datetime]:
        days = [ORIGIN + self.random.choice([0, 1, 1, 2, 7, 8, 29, 30]) * DAY for _ in range(2)]
        return [day + self.random.choice([timedelta(0), timedelta(0), HOUR, 12 * HOUR, 23 * HOUR]) for day in days]

    def instant(self) -> datetime:
        far = self.random.choice([0, 0, 0, 1, -1, 2]) * self.random.choice([HOUR, HOUR, DAY, 30 * MINUTE])
        near = self.random.choice([0, 0, 0, 0, 1, -1]) * MICROSECOND
        return self.random.choice(self.anchors) + far + near

    def dataset(self, size: int) -> dict[str, list[Row]]:
        makers: dict[str, Callable[[], Row]] = {
            "events": lambda: (self._maybe(self.instant, 0.07), *self._values()),
            "ticks": lambda: (self.instant(), *self._values()),
            "late": self._late,
            "delayed": lambda: (self._maybe(self.instant, 0.05), *self._values()),
            "dims": self._values,
            "terms": self._term,
            "days": lambda: (self._maybe(self._day, 0.05), *self._values()),
            "closed": lambda: (self._maybe(self._day, 0.05), *self._values()),
            "untimed": lambda: (*self._values(), self._maybe(self.instant, 0.1)),
            "slips": self._slip,
        }
        return {name: self._rows(make, size, SOURCES[name].unique) for name, make in makers.items()}

    def _rows(self, make: Callable[[], Row], size: int, unique: tuple[str, ...]) -> list[Row]:
        rows, seen = [], set()
        for number in range(self.random.randint(0, size)):
            key = (number + 1, self._key(), self.random.choice([1, 1, 2]))
            row = (*key, *make())
            if unique == ("k", "t"):
                if (row[1], row[3]) in seen or row[1] is None:
                    continue
                seen.add((row[1], row[3]))
            rows.append(row)
        self.random.shuffle(rows)
        return rows

    def _key(self) -> int | None:
        return self.random.choice([1, 1, 1, 1, 2, 2, None] if self.random.random() < 0.5 else [1, 2])

    def _values(self) -> Row:
        return (self._maybe(lambda: self.random.randint(0, 3), 0.12), self.random.randint(0, 9))

    def _maybe(self, make: Callable[[], Any], nulls: float) -> Any:
        return None if self.random.random() < nulls else make()

    def _day(self) -> date:
        return self.instant().date()

    def _late(self) -> Row:
        event = self.instant().replace(tzinfo=None)
        delay = self.random.choice([0 * HOUR, 0 * HOUR, MICROSECOND, 30 * MINUTE, HOUR, HOUR, 2 * HOUR, DAY, -HOUR])
        known = self._maybe(lambda: event + delay, 0.1)
        return (None if self.random.random() < 0.04 else event, known, *self._values())

    def _term(self) -> Row:
        start = self.instant().replace(tzinfo=None)
        length = self.random.choice([HOUR, DAY, DAY, 7 * DAY])
        return (start, self._maybe(lambda: start + length, 0.4), *self._values())

    def _slip(self) -> Row:
        start = self._maybe(self.instant, 0.05)
        length = self.random.choice([0 * HOUR, MICROSECOND, HOUR, HOUR, DAY, 2 * DAY, -HOUR])
        closed = None if start is None else self._maybe(lambda: start + length, 0.3)
        outcome, points = (self._maybe(lambda: self.random.randint(0, 3), 0.1) for _ in "op")
        return (start, closed, outcome if closed else None, points if start else None, *self._values())


def cutoffs(dataset: Dataset, most: int, random: Random) -> list[datetime]:
    """The instants that tell most: just before a row becomes known, and the end of time.

    What is known changes nowhere else, and of the instants with one state of knowledge the last one has the most rows
    to compare. So all of these together are complete; where there are more than ``most``, some are left out.
    """
    rows_of = [(SOURCES[name], row) for name, rows in dataset.items() for row in rows]
    known = {source.known_from(row) for source, row in rows_of}
    known |= {when for source, row in rows_of for _, when in source.written_from(row)}
    instants = sorted(at - MICROSECOND for at in known if at is not None and at.year > 1)
    if len(instants) > most - 1:
        instants = sorted(random.sample(instants, most - 1))
    return [*instants, FAR]


def truncated(dataset: Dataset, at: datetime) -> dict[str, list[Row]]:
    """What of the data was known at an instant."""
    return {
        name: [seen for row in rows if (seen := SOURCES[name].seen_at(row, at)) is not None]
        for name, rows in dataset.items()
    }
