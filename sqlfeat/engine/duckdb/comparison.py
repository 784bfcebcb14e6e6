"""Two readings of a relation compared as multisets of rows, over all columns.

Equal hashes of all rows settle nearly every comparison. Where they differ, the rows that only one side has are paired:
first by what tells rows apart, then by every column that is the same in both, so that what is left of a pair is what
differs. Knows nothing of models and of why two readings should be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlfeat.base.names import quote
from sqlfeat.engine.comparison import (
    TOLERANCE,
    TOLERANCE_OF_COLUMN,
    ColumnDifference,
    Comparable,
    Compared,
    RowDifference,
)
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.cutoff import timestamp, usable_from
from sqlfeat.engine.duckdb.records import records

FINAL = "__sqlfeat_final"
"""A column of a training set's rows: the instant from which each must stay as it is."""
JUDGED = 100_000
"""So many groups of rows that differ are looked at in detail."""
SHOWN = 4
"""So many columns tell of a row that nothing is declared to identify."""
_NET, _JUDGED, _PAIRS = "sqlfeat_net", "sqlfeat_judged", "sqlfeat_pairs"
_FLOATS = ("FLOAT", "DOUBLE")
_TIMES = ("TIMESTAMP", "DATE")


def compare(connection: Connection, left: str, right: str, what: Comparable, cutoff: datetime | None) -> Compared:
    """Compare two relations in the rows that are usable at the cutoff, or in all; ``what`` names the columns."""
    sides = _Sides(connection, left, right, what, cutoff)
    counts = [connection.execute(sides.fingerprint(side))[0] for side in (sides.left, sides.right)]
    if counts[0] == counts[1]:
        return Compared(int(counts[0][0]))
    try:
        return _Differences(connection, sides).told(int(counts[0][0]))
    finally:
        for name in (_NET, _JUDGED, _PAIRS):
            connection.execute(f"drop table if exists temp.{name}")


class _Sides:
    """Both relations with the same columns, called c0, c1, …: a column that one side lacks is null there."""

    def __init__(
        self, connection: Connection, left: str, right: str, what: Comparable, cutoff: datetime | None
    ) -> None:
        types = [dict(connection.described(f"from {relation}")) for relation in (left, right)]
        self.names = [name for name in dict.fromkeys([*types[0], *types[1]]) if _counts(name, what)]
        self.types = [_comparing(types[0].get(name) or types[1][name]) for name in self.names]
        self.columns = [f"c{i}" for i in range(len(self.names))]
        self.what = what
        where = "true"
        if what.time is not None and cutoff is not None:
            final = FINAL if what.of_labels else usable_from(what.time, what.horizon)
            where = f"{final} <= {timestamp(cutoff)}"
        self.left, self.right = (
            f"select {self._items(known)} from {relation} where {where}"
            for relation, known in zip((left, right), types, strict=True)
        )
        casefolded = {name.casefold(): i for i, name in enumerate(self.names)}
        found = (casefolded.get(name.casefold()) for name in what.identity)
        self.identity = list(dict.fromkeys(i for i in found if i is not None))
        self.floats = [i for i, kind in enumerate(self.types) if kind in _FLOATS] if what.approximate else []

    def fingerprint(self, side: str) -> str:
        """The number of rows, and a sum of their hashes that their order does not change."""
        return f"select count(*), sum(cast(hash({', '.join(self.columns)}) as hugeint)) from ({side})"

    def _items(self, known: dict[str, str]) -> str:
        items = []
        for column, name, kind in zip(self.columns, self.names, self.types, strict=True):
            value = (
                quote(name)
                if known.get(name) == kind
                else f"cast({quote(name) if name in known else 'null'} as {kind})"
            )
            items.append(f"{value} as {column}")
        return ", ".join(items)


def _comparing(kind: str) -> str:
    """The type in which values are compared: equal hashes and equal values must mean the same of both."""
    return "VARCHAR" if "INTERVAL" in kind else kind  # DuckDB hashes a month as a day, and calls it 30 days


def _counts(name: str, what: Comparable) -> bool:
    """Whether a column is compared."""
    if what.only is not None and name not in what.only:
        return name.casefold() in {column.casefold() for column in what.identity}
    return name != FINAL and name not in what.leave_out


class _Differences:
    """The rows of which one side has more than the other, paired and told."""

    def __init__(self, connection: Connection, sides: _Sides) -> None:
        self._connection = connection
        self._sides = sides

    def told(self, rows: int) -> Compared:
        """What differs; the first ``JUDGED`` groups of rows are looked at, and more only where these hold nothing."""
        net = self._keep_net()
        for most in (JUDGED, None):
            judged = self._judge(most)
            unstable = self._unstable()
            self._pair(unstable)
            compared = self._compared(rows, unstable)
            if judged == net or not compared.same:
                break
        if judged < net and not compared.same:
            positive, negative = self._connection.execute(
                f"select coalesce(sum(net) filter (where net > 0), 0), coalesce(-sum(net) filter (where net < 0), 0) "
                f"from temp.{_NET}"
            )[0]
            whole = int(max(positive, negative))
            return Compared(rows, whole, compared.differing, compared.columns, compared.only_left, compared.only_right)
        return compared

    def _keep_net(self) -> int:
        """Every different row of which one side has more, and how many more the left has."""
        listed = ", ".join(self._sides.columns)
        self._connection.execute(
            f"create or replace temp table {_NET} as\n"
            f"select {listed}, cast(sum(side) as bigint) as net from (\n"
            f"select *, 1 as side from ({self._sides.left})\nunion all\n"
            f"select *, -1 as side from ({self._sides.right})\n) group by {listed} having sum(side) <> 0"
        )
        return int(self._connection.value(f"select count(*) from temp.{_NET}"))

    def _judge(self, most: int | None) -> int:
        """Those of the first identities, with the balance of each identity: 0 where both sides have as many rows."""
        identity = _listed(self._sides.identity)
        partition = f"partition by {identity}" if identity else ""
        first = f"qualify dense_rank() over (order by {identity or '1'}) <= {most}" if most else ""
        self._connection.execute(
            f"create or replace temp table {_JUDGED} as\n"
            f"select *, sum(net) over ({partition}) as balance from (select * from temp.{_NET} {first})"
        )
        return int(self._connection.value(f"select count(*) from temp.{_JUDGED}"))

    def _unstable(self) -> list[int]:
        """The columns that differ among rows of one identity that both sides have as often."""
        identity = _listed(self._sides.identity)
        unstable = []
        for i in range(len(self._sides.columns)):
            if i in self._sides.identity:
                continue
            by = f"{identity}, c{i}" if identity else f"c{i}"
            if self._connection.value(
                f"select 1 from temp.{_JUDGED} where balance = 0 group by {by} having sum(net) <> 0 limit 1"
            ):
                unstable.append(i)
        return unstable

    def _pair(self, unstable: Sequence[int]) -> None:
        """Rows of both sides beside each other, equal in all columns but the unstable ones; some have no partner."""
        columns = range(len(self._sides.columns))
        stable = [i for i in columns if i not in unstable]
        partition = f"partition by {_listed(stable)}" if stable else ""
        order = ", ".join(self._sortable(i) for i in unstable)
        number = f"row_number() over ({partition}{f' order by {order}' if order else ''}) as place"
        sides = [
            f"(select *, {number} from (select j.* from temp.{_JUDGED} as j, range(abs(j.net)) where j.net {sign} 0))"
            for sign in "><"
        ]
        conditions = ["l.place = r.place", *(f"l.c{i} is not distinct from r.c{i}" for i in stable)]
        items = [f"coalesce(l.c{i}, r.c{i}) as c{i}" for i in stable]
        items += [f"l.c{i} as l{i}, r.c{i} as r{i}, {self._equal(i)} as same{i}" for i in unstable]
        items += ["l.place is not null as on_left", "r.place is not null as on_right"]
        self._connection.execute(
            f"create or replace temp table {_PAIRS} as\n"
            f"select {', '.join(items)} from {sides[0]} as l full join {sides[1]} as r on {' and '.join(conditions)}"
        )

    def _sortable(self, column: int) -> str:
        kind = self._sides.types[column]
        return f"cast(c{column} as varchar)" if kind.startswith(("MAP", "UNION", "VARIANT")) else f"c{column}"

    def _equal(self, column: int) -> str:
        """Whether both values of a pair count as equal."""
        left, right = f"l.c{column}", f"r.c{column}"
        equal = f"{left} is not distinct from {right}"
        if column not in self._sides.floats:
            return equal
        greatest = self._connection.value(f"select max(abs(c{column})) from temp.{_JUDGED} where isfinite(c{column})")
        near = f"{TOLERANCE} * greatest(abs({left}), abs({right})), {TOLERANCE_OF_COLUMN * float(greatest or 0)!r}"
        return f"({equal} or coalesce(abs({left} - {right}) <= greatest({near}), false))"

    # -- what is told ----------------------------------------------------------------------------------------------

    def _compared(self, rows: int, unstable: Sequence[int]) -> Compared:
        unequal = " or ".join(f"not same{i}" for i in unstable) or "false"
        paired = "on_left and on_right"
        asked = [f"count(*) filter (where {paired} and ({unequal}))"]
        asked += [f"count(*) filter (where on_{a} and not on_{b})" for a, b in (("left", "right"), ("right", "left"))]
        asked += [f"count(*) filter (where {paired} and not same{i})" for i in unstable]
        changed, left, right, *counts = self._connection.execute(f"select {', '.join(asked)} from temp.{_PAIRS}")[0]
        columns = [self._column(i, int(count), unstable) for i, count in zip(unstable, counts, strict=True) if count]
        if self._sides.what.values_only:
            return Compared(rows - int(left), int(changed), int(changed), tuple(columns))
        differing = int(changed + left + right)
        return Compared(
            rows=rows,
            differing=differing,
            judged=differing,
            columns=tuple(columns),
            only_left=self._only("left", "right", int(left), unstable) if left else None,
            only_right=self._only("right", "left", int(right), unstable) if right else None,
        )

    def _column(self, column: int, count: int, unstable: Sequence[int]) -> ColumnDifference:
        shown = self._telling(unstable)
        items = [f"c{i} as {quote(self._sides.names[i])}" for i in shown]
        items += [f"l{column} as sqlfeat_left", f"r{column} as sqlfeat_right"]
        where = f"on_left and on_right and not same{column}"
        row = self._first(items, where, [f"c{i}" for i in shown])
        left, right = row.pop("sqlfeat_left"), row.pop("sqlfeat_right")
        return ColumnDifference(self._sides.names[column], count, row, left, right)

    def _only(self, side: str, other: str, count: int, unstable: Sequence[int]) -> RowDifference:
        shown = self._telling(unstable)
        more = [i for i in range(len(self._sides.columns)) if i not in shown][: max(0, SHOWN - len(shown))]
        named = {i: f"{side[0]}{i}" if i in unstable else f"c{i}" for i in (*shown, *more)}
        items = [f"{value} as {quote(self._sides.names[i])}" for i, value in named.items()]
        row = self._first(items, f"on_{side} and not on_{other}", list(named.values()))
        return RowDifference(count, row)

    def _telling(self, unstable: Sequence[int]) -> list[int]:
        """The columns that tell which row it is: the identity, and where that is no more than times, some others."""
        identity = self._sides.identity
        if any(not self._sides.types[i].startswith(_TIMES) for i in identity):
            return identity
        others = [i for i in range(len(self._sides.columns)) if i not in identity and i not in unstable]
        return [*identity, *others[: max(0, SHOWN - len(identity))]]

    def _first(self, items: Iterable[str], where: str, order: Sequence[str]) -> dict[str, Any]:
        by = f" order by {', '.join(order)}" if order else ""
        return records(self._connection, f"select {', '.join(items)} from temp.{_PAIRS} where {where}{by} limit 1")[0]


def _listed(columns: Iterable[int]) -> str:
    return ", ".join(f"c{i}" for i in columns)
