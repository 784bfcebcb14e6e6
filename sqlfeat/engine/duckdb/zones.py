"""The offsets of a time zone as DuckDB has them: looked for in what it gives, for its data and rules are its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlfeat.base.names import literal
from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.expressions.running.zones import Offsets, Zone
from sqlfeat.engine.duckdb.connection import Connection

FIRST, LAST = -2_208_988_800_000_000, 4_102_444_800_000_000
"""From 1900 until 2100 a zone is known; before there is hardly a feature, and hardly a rule after."""
_STEP = 43_200_000_000
"""No zone has ever changed its clocks and changed them back in half a day."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")


def zone_of(connection: Connection, name: str) -> Zone | None:
    """A zone's tables; None where there is none of this name."""
    if not _NAME.fullmatch(name):
        return None
    zone = literal(name)
    try:
        there = _offsets(connection, f"epoch_us(make_timestamptz(x) at time zone {zone}) - x")
        back = _offsets(connection, f"epoch_us(make_timestamp(x) at time zone {zone}) - x")
    except SqlProblem:
        return None
    return Zone(name, there, back)


def _offsets(connection: Connection, offset: str) -> Offsets:
    """Where an expression over ``x`` changes: first between which steps, then at which microsecond."""
    steps = f"select x, {offset} as now from (select unnest(range({FIRST}, {LAST}, {_STEP})) as x)"
    last_before = "lag(now) over (order by x)"
    found = connection.execute(
        f"select x, now, before from (select *, {last_before} as before from ({steps})) "
        "where before is distinct from now order by x"
    )
    starts, offsets = [found[0][0]], [found[0][1]]
    low, high = [x - _STEP for x, _, _ in found[1:]], [x for x, _, _ in found[1:]]
    before = [known for _, _, known in found[1:]]
    while any(high[place] - low[place] > 1 for place in range(len(low))):
        middle = [(a + b) // 2 for a, b in zip(low, high, strict=True)]
        for place, (x, now) in enumerate(zip(middle, _at(connection, offset, middle), strict=True)):
            if now == before[place]:
                low[place] = x
            else:
                high[place] = x
    return Offsets((*starts, *high), (*offsets, *(now for _, now, _ in found[1:])), LAST)


def _at(connection: Connection, offset: str, places: Sequence[int]) -> list[int]:
    found = connection.execute(
        f"select {offset} from (select unnest(?::bigint[]) as x, generate_subscripts(?::bigint[], 1) as n) order by n",
        [list(places), list(places)],
    )
    return [now for (now,) in found]
