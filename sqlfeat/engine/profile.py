"""What is known of the rows of a relation in numbers: counted once, column by column and window by window of time.

A profile is small however many rows there were, the same bytes for the same rows, and it can be compared with another
one that was counted in the same bins: a :class:`Shape` says which they are. An engine makes profiles; what a difference
means is decided in ``ops.monitoring``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

FORMAT = 1
NUMERIC, CATEGORICAL, TIME, OTHER = "numeric", "categorical", "time", "other"
WINDOWS = ("hour", "day", "week", "month")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    """In which bins a column is counted.

    Bins of numbers are ``(edge, next edge]``, with one below the first and one above the last: there are no values of
    the baseline in these two. Bins of categories are the most frequent ones, and one for all others; ``complete``
    says that the baseline had no others. ``groups`` puts neighbouring bins together into few thick ones: after which
    bin each of them ends.
    """

    name: str
    type: str
    kind: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    complete: bool = False
    groups: tuple[int, ...] = ()

    @property
    def bins(self) -> int:
        """How many bins there are."""
        if self.kind == NUMERIC:
            return len(self.edges) + 1
        return len(self.categories) + 1 if self.kind == CATEGORICAL else 0

    def grouped(self, counts: Sequence[int]) -> tuple[int, ...]:
        """Counts of the bins as those of the groups."""
        starts = (0, *self.groups[:-1])
        return tuple(sum(counts[start:end]) for start, end in zip(starts, self.groups, strict=True))


@dataclass(frozen=True)
class Counted:
    """A column over some rows.

    ``nans`` are numbers that are none, or infinite. ``mean``, ``deviation``, ``minimum`` and ``maximum`` are of finite
    numbers, of a text's length, or of instants in seconds since 1970. ``counts`` are those of bins, in one window of
    time of groups.
    """

    rows: int
    nulls: int
    nans: int = 0
    mean: float | None = None
    deviation: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    counts: tuple[int, ...] = ()

    @property
    def missing(self) -> int:
        return self.nulls + self.nans

    def as_list(self) -> list[Any]:
        """The numbers in their order, as a profile's JSON has them."""
        return [
            self.rows, self.nulls, self.nans, self.mean, self.deviation, self.minimum, self.maximum, list(self.counts)
        ]  # fmt: skip

    @classmethod
    def from_list(cls, told: Sequence[Any]) -> Counted:
        rows, nulls, nans, mean, deviation, minimum, maximum, counts = told
        return cls(rows, nulls, nans, mean, deviation, minimum, maximum, tuple(counts))


@dataclass(frozen=True)
class ColumnProfile:
    """A column: its bins, what is in them, and the same window by window, in the order of the profile's windows."""

    shape: Shape
    whole: Counted
    windows: tuple[Counted, ...] = ()

    @property
    def name(self) -> str:
        return self.shape.name

    def quantile(self, share: float) -> float | None:
        """A quantile of the numbers, straight within a bin; None where there is none."""
        total, edges = sum(self.whole.counts), self.shape.edges
        low, high = self.whole.minimum, self.whole.maximum
        if self.shape.kind != NUMERIC or not total or low is None or high is None:
            return None
        wanted, seen = share * total, 0
        for position, count in enumerate(self.whole.counts):
            if count and seen + count >= wanted:
                start = low if position == 0 else max(low, edges[position - 1])
                end = high if position == len(edges) else min(high, edges[position])
                inside = start + (end - start) * (wanted - seen) / count
                return end if not math.isfinite(inside) else inside
            seen += count
        return high


@dataclass(frozen=True)
class Profile:
    """The rows of a relation, counted.

    ``starts`` are the windows of time in which there are rows, each ``window`` long; ``window_rows`` says how many.
    ``duplicates`` are the rows that another one has the same keys and time as; None where nobody asked. Bins were
    found from ``sampled`` of the rows.
    """

    rows: int
    window: str
    start: datetime | None
    end: datetime | None
    starts: tuple[datetime, ...]
    window_rows: tuple[int, ...]
    columns: tuple[ColumnProfile, ...]
    duplicates: int | None = None
    sampled: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> ColumnProfile | None:
        """The column of this name."""
        return next((one for one in self.columns if one.name == name), None)

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return {one.name: one.shape for one in self.columns}

    def as_dict(self) -> dict[str, Any]:
        """The profile as JSON keeps it."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "window": self.window,
            "start": _micros(self.start),
            "end": _micros(self.end),
            "starts": [_micros(start) for start in self.starts],
            "window_rows": list(self.window_rows),
            "duplicates": self.duplicates,
            "sampled": self.sampled,
            "facts": dict(self.facts),
            "columns": [_column_dict(one) for one in self.columns],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Profile:
        """A profile as it was kept.

        Raises:
            ValueError: it is none, or of another format.
        """
        if told.get("format") != FORMAT:
            raise ValueError(f"it has format {told.get('format')!r}; this sqlfeat reads format {FORMAT}")
        try:
            return cls(
                rows=told["rows"],
                window=told["window"],
                start=_instant(told["start"]),
                end=_instant(told["end"]),
                starts=tuple(_EPOCH + timedelta(microseconds=start) for start in told["starts"]),
                window_rows=tuple(told["window_rows"]),
                columns=tuple(_column(one) for one in told["columns"]),
                duplicates=told["duplicates"],
                sampled=told["sampled"],
                facts=told["facts"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks {error}") from error


@dataclass(frozen=True)
class ProfileRequest:
    """What of a relation is counted: columns with their types, and window by window of its ``time``.

    ``keys`` with the time identify a row. ``where`` keeps some of the rows, ``computed`` are columns that stand instead
    of those of the same name. ``shapes`` are the bins of the profile that it is to be compared with; a column without
    one gets its own, and so does one that has become another kind. Without a ``window`` it is a day, or as much longer
    as is needed for there to be few enough of them. ``duplicates`` are counted where that is asked for. What is
    dear to compute is computed once where it is said to ``hold`` it. Only one of ``every`` so many rows is counted, by
    a hash of what identifies it.
    """

    columns: tuple[tuple[str, str], ...]
    time: str | None = None
    keys: tuple[str, ...] = ()
    where: str = "true"
    computed: Mapping[str, str] = field(default_factory=dict)
    window: str | None = "day"
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    duplicates: bool = False
    hold: bool = False
    every: int = 1


def in_windows(profile: Profile, window: str) -> Profile:
    """The profile with longer windows of time; shorter ones cannot be had from it."""
    if WINDOWS.index(window) <= WINDOWS.index(profile.window):
        return profile
    places: dict[datetime, list[int]] = {}
    for place, start in enumerate(profile.starts):
        places.setdefault(_start_of(start, window), []).append(place)
    columns = tuple(
        replace(one, windows=tuple(_together([one.windows[place] for place in some]) for some in places.values()))
        for one in profile.columns
    )
    rows = tuple(sum(profile.window_rows[place] for place in some) for some in places.values())
    return replace(profile, window=window, starts=tuple(places), window_rows=rows, columns=columns)


def _start_of(instant: datetime, window: str) -> datetime:
    day = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if window == "month" else day


def _together(parts: Sequence[Counted]) -> Counted:
    """Several windows of a column as one; the deviation within it is not told."""
    there = [(one, one.rows - one.missing) for one in parts if one.mean is not None]
    weight = sum(rows for _, rows in there)
    lows = [one.minimum for one in parts if one.minimum is not None]
    highs = [one.maximum for one in parts if one.maximum is not None]
    return Counted(
        rows=sum(one.rows for one in parts),
        nulls=sum(one.nulls for one in parts),
        nans=sum(one.nans for one in parts),
        mean=sum((one.mean or 0.0) * rows for one, rows in there) / weight if weight else None,
        minimum=min(lows, default=None),
        maximum=max(highs, default=None),
        counts=tuple(sum(counts) for counts in zip(*(one.counts for one in parts), strict=True)),
    )


def _column_dict(one: ColumnProfile) -> dict[str, Any]:
    shape = one.shape
    return {
        "name": shape.name,
        "type": shape.type,
        "kind": shape.kind,
        "edges": list(shape.edges),
        "categories": list(shape.categories),
        "complete": shape.complete,
        "groups": list(shape.groups),
        "whole": one.whole.as_list(),
        "windows": [window.as_list() for window in one.windows],
    }


def _column(told: Mapping[str, Any]) -> ColumnProfile:
    shape = Shape(
        name=told["name"],
        type=told["type"],
        kind=told["kind"],
        edges=tuple(told["edges"]),
        categories=tuple(told["categories"]),
        complete=told["complete"],
        groups=tuple(told["groups"]),
    )
    windows = tuple(Counted.from_list(window) for window in told["windows"])
    return ColumnProfile(shape, Counted.from_list(told["whole"]), windows)


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // timedelta(microseconds=1)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
