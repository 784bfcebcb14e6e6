"""Features of one entity at an instant, from what a snapshot keeps of it: the offline rule, at one key (TIME, 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.errors import UsageError
from sqlfeat.ops.online.calendar import before
from sqlfeat.ops.online.items import WindowItems
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.spec.duration import Duration
from sqlfeat.store.online import Snapshot

FOUND, EXPIRED, MISSING = "found", "expired", "missing"
"""What became of a lookup: a row that holds, only a row older than its ttl, none at all."""


@dataclass(frozen=True)
class Read:
    """The features of an entity, plain and in the order asked, and what became of its row."""

    values: tuple[Any, ...]
    status: str
    event_time: int | None


class ViewReader:
    """Reads some columns of a published view, as one lookup of a training set asks for them.

    Raises:
        UsageError: the view has no such column.
    """

    def __init__(
        self,
        view: PublishedView,
        columns: Sequence[str],
        engine: Rowwise,
        *,
        ttl: Duration | None = None,
        strict: bool = False,
    ) -> None:
        self.view = view
        self.strict = strict
        self._ttl = _shorter(view, ttl)
        self._keys = view.key_codec
        self._states = view.state_codec
        self._events = view.event_codec
        plain = {column.name: 2 + place for place, column in enumerate(view.columns)}
        items = [item.name for item in view.windows.items] if view.windows else []
        windowed = [name for name in columns if name in items]
        self._windows = WindowItems(view.windows, windowed, engine) if view.windows and windowed else None
        self._has_windows = bool(windowed)
        self._has_plain = any(name in plain for name in columns)
        unknown = next((name for name in columns if name not in plain and name not in items), None)
        if unknown is not None:
            raise UsageError(
                "unknown-feature",
                f"The published view {view.name} has no column {unknown!r}.",
                hint=did_you_mean(unknown, [*plain, *items]),
            )
        self._picks = [(True, windowed.index(name)) if name in items else (False, plain[name]) for name in columns]

    @property
    def slow(self) -> list[str]:
        """The columns for which an in-memory engine is asked at every request."""
        return self._windows.slow if self._windows else []

    def wanted(self, keys: Sequence[Any]) -> list[tuple[str, bytes]]:
        """What is to be fetched for an entity: plain values of the view's keys, in their order, none null."""
        key = self._keys.encode_one(keys)
        wanted = [(self.view.table, key)] if self._has_plain or not self._has_windows else []
        return [*wanted, *([(self.view.event_table, key)] if self._has_windows else [])]

    def read(self, fetched: Sequence[bytes | None] | None, t: int) -> Read:
        """The features at an instant from what was fetched; None for an entity whose key is null."""
        given = list(fetched) if fetched is not None else []
        data = given.pop(0) if given and (self._has_plain or not self._has_windows) else None
        row, status = self._row(data, t)
        windows: Sequence[Any] = ()
        if self._has_windows:
            assert self._windows is not None
            events = given[0] if given else None
            windows = self._windows.at(self._events.decode(events) if events else None, t, strict=self.strict)
            if not self._has_plain and events:
                status = FOUND  # of a view whose windows alone are asked for, the events are what is there
        fresh = row if status == FOUND else None
        values = tuple(
            windows[place] if windowed else (fresh[place] if fresh is not None else None)
            for windowed, place in self._picks
        )
        return Read(values, status, None if row is None else row[1])

    def _row(self, data: bytes | None, t: int) -> tuple[tuple[Any, ...] | None, str]:
        if not data:
            return None, MISSING
        rows = self._states.decode(data)
        for row in reversed(rows):
            if row[0] < t or (row[0] == t and not self.strict):
                if self._ttl is not None and row[1] < before(t, self._ttl):
                    return row, EXPIRED
                return row, FOUND
        return None, MISSING


def _shorter(view: PublishedView, ttl: Duration | None) -> Duration | None:
    """A lookup's ttl, or the view's, where the view has a time."""
    return (ttl or view.ttl) if view.event_time else None


def check_instant(view: PublishedView, t: int) -> None:
    """Refuse to read before the instant as of which the view was published."""
    if t < view.as_of:
        as_of = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=view.as_of)
        raise UsageError(
            "before-snapshot",
            f"{view.name} is published as of {as_of.isoformat()}, and is asked for an earlier instant.",
            hint="ask for now, or offline: sqlfeat features.",
        )


def views_of(snapshot: Snapshot) -> dict[str, PublishedView]:
    """The definitions that a snapshot has, by the names of their tables."""
    return {table: PublishedView.from_dict(table, said) for table, said in snapshot.manifest["views"].items()}
