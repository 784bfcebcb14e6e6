"""SQL for a few rows at a time, in an in-memory DuckDB: what a request asks that nothing faster is proved to give.

The same text as offline runs over the same values, so the answer is the same; it costs a millisecond or two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sqlfeat.base.names import quote
from sqlfeat.compiler.expressions.running.zones import Zone
from sqlfeat.compiler.manifest import WindowAggregate, WindowView
from sqlfeat.engine.base import EVENT_AT, KNOWN_AT, UNTIL_AT
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.exact import rounded_float_means, rounded_ratios, rounded_sums
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, UNTIL
from sqlfeat.engine.duckdb.transformed import Dictionaries
from sqlfeat.engine.duckdb.windows import FMEAN, FSUM, RATIO, Asked, WindowsAt, tokens_sql
from sqlfeat.engine.duckdb.zones import zone_of

_ROWS = "sqlfeat_rows"
_EVENTS = "sqlfeat_events"
_FOREVER = 2**63 - 1


class _Places:
    """Where each category of a list stands, the first at 1; 0 for one that is not in it."""

    def __init__(self, levels: Sequence[str]) -> None:
        self._places = {level: place for place, level in enumerate(levels, 1)}

    def __call__(self, level: str) -> int:
        return self._places.get(level, 0)


class Rowwise:
    """An in-memory DuckDB on one thread; calls wait for each other."""

    def __init__(self) -> None:
        self._connection = Connection(threads=1)
        self._connection.function(FSUM, rounded_sums, "DOUBLE[]", "DOUBLE")
        self._connection.function(FMEAN, rounded_float_means, "DOUBLE[]", "DOUBLE")
        self._connection.function(RATIO, rounded_ratios, "VARCHAR[]", "DOUBLE")
        self._dictionaries = Dictionaries(self._connection)
        self._lock = threading.Lock()
        self._zones: dict[str, Zone | None] = {}
        self._places: dict[str, Callable[[str], int]] = {}

    def know(self, dictionaries: Mapping[str, Sequence[str]]) -> None:
        """Have the lists that expressions of transforms seek places in."""
        self._dictionaries.know(dictionaries)
        for mark, levels in dictionaries.items():
            if mark not in self._places:
                self._places[mark] = _Places(levels)

    def places(self, mark: str) -> Callable[[str], int] | None:
        """What finds the place of a category in a list that is known, the first being 1; 0 where it is not in it."""
        return self._places.get(mark)

    def zone(self, name: str) -> Zone | None:
        """A time zone as it is here; looked for once, which takes half a second."""
        with self._lock:
            if name not in self._zones:
                self._zones[name] = zone_of(self._connection, name)
            return self._zones[name]

    def arrow_types(self, types: Sequence[str]) -> dict[str, pa.DataType]:
        """The Arrow types of DuckDB's."""
        distinct = list(dict.fromkeys(types))
        if not distinct:
            return {}
        listed = ", ".join(f"cast(null as {kind})" for kind in distinct)
        with self._lock:
            schema = self._connection.arrow(f"select {listed}").schema
        return {kind: field.type for kind, field in zip(distinct, schema, strict=True)}

    def types_of(self, items: Mapping[str, str], relation: str, columns: Mapping[Any, str]) -> dict[str, str]:
        """The DuckDB types of expressions over columns of these types; a pair is a field of a struct."""
        plain = {name: f"cast(null as {kind})" for name, kind in columns.items() if isinstance(name, str)}
        for lookup in dict.fromkeys(key[0] for key in columns if isinstance(key, tuple)):
            fields = [
                f"{quote(key[1])} {kind}" for key, kind in columns.items() if key[0] == lookup and key not in plain
            ]
            plain[lookup] = f"cast(null as struct({', '.join(fields)}))"
        rows = ", ".join(f"{sql} as {quote(name)}" for name, sql in plain.items()) or "1"
        listed = ", ".join(f"{sql} as {quote(name)}" for name, sql in items.items())
        with self._lock:
            return dict(self._connection.described(f"select {listed} from (select {rows}) as {quote(relation)}"))

    def evaluate(self, items: Sequence[str], relation: str, rows: pa.Table, types: Mapping[str, str]) -> pa.Table:
        """Expressions over the columns of some rows, which ``relation`` names in them; columns are named 0, 1, ….

        ``types`` are the DuckDB types of those columns that Arrow does not tell.

        Raises:
            SqlProblem: an expression fails for a row.
        """
        cast = ", ".join(f"cast({quote(name)} as {types[name]}) as {quote(name)}" for name in rows.column_names)
        listed = ", ".join(f"{item} as {quote(str(place))}" for place, item in enumerate(items))
        with self._lock, self._connection.registered(_ROWS, rows):
            return self._connection.arrow(f"select {listed} from (select {cast} from {_ROWS}) as {quote(relation)}")

    def windows(
        self, aggregates: Sequence[WindowAggregate], types: Mapping[str, str], events: pa.Table, t: int, *, strict: bool
    ) -> pa.Table:
        """The aggregates at an instant over some events of one entity, in their order; a column for each token."""
        instants = f"make_timestamptz({EVENT_AT}) as {EVENT}, make_timestamptz({KNOWN_AT}) as {AVAILABLE}"
        until = f"case when {UNTIL_AT} < {_FOREVER} then make_timestamptz({UNTIL_AT}) end as {UNTIL}"
        read = "".join(
            f", cast({quote(name)} as {types[name]}) as {quote(name)}"
            for name in events.column_names
            if name not in (EVENT_AT, KNOWN_AT, UNTIL_AT)
        )
        source = f"(select {instants}, {until}, row_number() over () as {ROW}{read} from {_EVENTS})"
        asked = Asked(f"(select 0 as n, make_timestamptz({t}) as t)", 0)
        view = WindowView("", (), (), tuple(aggregates), (), ())
        at = WindowsAt(view, source, (), types, asked, (), strict)
        with self._lock, self._connection.registered(_EVENTS, events):
            return self._connection.arrow(f"select * exclude (n) from ({tokens_sql(at, aggregates, 0)})")

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
