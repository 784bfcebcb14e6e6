"""Where the values of one training row come from, as frozen data: which source rows were used, and why no newer ones.

An engine fills these in; what the reasons mean is TIME semantics, sections 2 and 3. Nothing here knows how a value is
found or how an explanation is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

REASONS: Mapping[str, str] = {
    "after": "happened after the as-of time",
    "not-yet-known": "not yet known",
    "expired": "expired",
    "tie-breaker": "replaced by a tie breaker",
    "tie": "a tie that no tie breaker decides: its other columns are lower",
    "superseded": "superseded by a correction",
    "out-of-date": "out of date on arrival",
    "no-time": "has no event time or no available_at",
}
"""Why a row was not used, by code."""

OUTCOMES: Mapping[str, str] = {
    "found": "a row holds",
    "null-key": "the key is null, and null matches nothing",
    "null-time": "the as-of time is null, and null matches nothing",
    "no-history": "no history for this key",
    "too-early": "nothing had happened yet for this key",
    "not-yet-known": "nothing was known yet of this key",
    "expired": "expired: the newest known row is older than the ttl",
}
"""How a lookup of a row ended, by code."""


@dataclass(frozen=True)
class ExplainRequest:
    """One label row, as the engine gave it, and the columns to explain of each lookup, by the lookup's name."""

    row: pa.Table
    columns: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class LabelRows:
    """The label rows that bear the keys asked for.

    ``rows`` holds the first of ``count`` in the training set's order, whole; ``keys`` what identifies each of them.
    Where there are none, ``examples`` are keys that there are.
    """

    count: int
    rows: pa.Table
    keys: Sequence[Mapping[str, Any]]
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ViewRow:
    """A row of a feature view: its times, and the values that are asked for or that decide ties.

    A time is None where there is none: of a row that has always held, or of one that can never be used.
    """

    event_time: datetime | None
    available_at: datetime | None
    values: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"event_time": self.event_time, "available_at": self.available_at, "values": dict(self.values)}


@dataclass(frozen=True)
class UnusedRow:
    """A row that could have been expected instead, and the code of why it was not used (see ``REASONS``)."""

    row: ViewRow
    reason: str

    @property
    def why(self) -> str:
        """The reason in words; of a row that was not known yet, since when it is."""
        if self.reason == "not-yet-known" and self.row.available_at is not None:
            known = self.row.available_at.isoformat(sep=" ").replace("+00:00", "Z")
            return f"{REASONS[self.reason]} (available at {known})"
        return REASONS[self.reason]

    def as_dict(self) -> dict[str, Any]:
        return {**self.row.as_dict(), "reason": self.reason, "why": self.why}


@dataclass(frozen=True)
class RowLookup:
    """The row of a view that holds at the as-of time, or why there is none (``outcome``, see ``OUTCOMES``).

    ``unused`` are a few of the rows that are as new or newer, newest first; ``counts`` has the number of all of them
    by reason. ``older`` counts the rows that came before and were replaced in their time.
    """

    outcome: str
    row: ViewRow | None
    unused: tuple[UnusedRow, ...]
    counts: Mapping[str, int]
    older: int

    @property
    def not_shown(self) -> int:
        """How many of the rows that were not used are counted only."""
        return sum(self.counts.values()) - len(self.unused)

    def as_dict(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "why": OUTCOMES[self.outcome],
            "row": self.row.as_dict() if self.row else None,
            "unused": [unused.as_dict() for unused in self.unused],
            "counts": dict(self.counts),
            "older": self.older,
        }


@dataclass(frozen=True)
class WindowRead:
    """One window at the as-of time: its interval, and what became of the events in it.

    ``start`` None is the beginning of time (and both are None where the as-of time is null). Of the events whose time
    is inside, ``events`` were aggregated; the others were not yet known, superseded by a newer version, or filtered
    out by the aggregate's own condition.
    """

    aggregate: str
    length: str
    offset: str | None
    start: datetime | None
    end: datetime | None
    events: int
    not_yet_known: int
    superseded: int
    filtered_out: int
    first: ViewRow | None
    last: ViewRow | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "aggregate": self.aggregate,
            "length": self.length,
            "offset": self.offset,
            "start": self.start,
            "end": self.end,
            "events": self.events,
            "not_yet_known": self.not_yet_known,
            "superseded": self.superseded,
            "filtered_out": self.filtered_out,
            "first": self.first.as_dict() if self.first else None,
            "last": self.last.as_dict() if self.last else None,
        }


@dataclass(frozen=True)
class ExplainedColumn:
    """A column of a lookup: its value, and of a column made of windows what each of them read.

    ``outputs`` are those of the training set that it is used in; one that only other lookups' keys need has none.
    """

    name: str
    value: Any
    windows: tuple[WindowRead, ...] = ()
    outputs: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"name": self.name, "value": self.value, "outputs": list(self.outputs)}
        if self.windows:
            shape["windows"] = [window.as_dict() for window in self.windows]
        return shape


@dataclass(frozen=True)
class ExplainedLookup:
    """One feature view looked up for the row: by which keys, how strictly, and what came of it.

    ``given`` says in SQL where each key comes from. ``row`` is None where windows alone are asked for.
    """

    name: str
    view: str
    keys: Mapping[str, Any]
    given: Mapping[str, str]
    strict: bool
    ttl: str | None
    columns: tuple[ExplainedColumn, ...]
    row: RowLookup | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "view": self.view,
            "keys": dict(self.keys),
            "given": dict(self.given),
            "strict": self.strict,
            "ttl": self.ttl,
            "columns": [column.as_dict() for column in self.columns],
            "row": self.row.as_dict() if self.row else None,
        }


@dataclass(frozen=True)
class Explained:
    """What an engine tells of one row: its as-of time, all its outputs, and every lookup that was asked about."""

    as_of: datetime | None
    outputs: Mapping[str, Any]
    lookups: tuple[ExplainedLookup, ...]
