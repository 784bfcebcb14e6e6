"""The window columns of a view: aggregates at an instant, and the expressions over them that the author wrote.

What is computed here costs microseconds; what only the engine is sure of is asked of an in-memory one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sqlfeat.compiler.manifest import WindowItem
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.online.expressions import Expressions, Key, Typed
from sqlfeat.ops.online.published import PublishedWindows
from sqlfeat.ops.online.standing import Events
from sqlfeat.ops.online.whole_aggregates import agreed_of
from sqlfeat.ops.online.windows import OnlineWindows
from sqlfeat.store.event_records import EventBlock
from sqlfeat.store.plain_values import from_arrow, to_arrow


class WindowItems:
    """Some window columns of a view, in the order of ``names``; ``engine`` computes what nothing faster does."""

    def __init__(self, windows: PublishedWindows, empty: EventBlock, names: Sequence[str], engine: Rowwise) -> None:
        items = {item.name: item for item in windows.items}
        self._wanted: list[WindowItem] = [items[name] for name in names]
        self._windows = windows
        self._engine = engine
        self._online = OnlineWindows(windows, empty, agreed_of(windows.aggregates, engine))
        self._nothing = Events(empty)
        tokens = list(dict.fromkeys(token for item in self._wanted for token in item.tokens))
        self._left = [aggregate for aggregate in self._online.left if aggregate.call.token in tokens]
        left = {aggregate.call.token for aggregate in self._left}
        self._own = [token for token in tokens if token not in left]
        composed = {item.name: item.sql for item in self._wanted if item.sql.strip() not in item.tokens}
        typed: dict[Key, Typed] = {token: Typed(windows.types[token], windows.made[token]) for token in tokens}
        self._composed = Expressions(composed, typed, None, engine) if composed else None
        slow = set(self._composed.slow) if self._composed else set()
        self.slow = [item.name for item in self._wanted if item.name in slow or left & set(item.tokens)]

    def at(self, events: Events | None, t: int, *, strict: bool) -> list[Any]:
        """The columns at an instant over the events of an entity (None: it has none), plain."""
        values = self._online.values(events, t, self._own, strict=strict)
        if self._left:
            values |= self._asked(events or self._nothing, t, strict=strict)
        composed = self._composed.values({**values}) if self._composed else {}
        return [composed[item.name] if item.name in composed else values[item.sql.strip()] for item in self._wanted]

    def _asked(self, events: Events, t: int, *, strict: bool) -> dict[str, Any]:
        """The aggregates that only the engine gives."""
        columns = {column.name: to_arrow(events.column(column.name), column.type) for column in self._windows.read}
        found = self._engine.windows(self._left, self._windows.types, pa.table(columns), t, strict=strict)
        return {name: from_arrow(found[name])[0] for name in found.column_names}
