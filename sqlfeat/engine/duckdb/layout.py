"""How a feature view lies in a DuckDB file, as SQL: the rows that lookups can use, and the events that windows read.

**Lookup layout** (TIME semantics, section 2): of each key's rows, ordered by when they become usable, only those that
are the current row from then on. It rises strictly in ``usable``, so one as-of join finds the row; the ttl is checked
on what it finds.

**Events** (section 3): every row with its normalized times, its place in the one order that aggregates use, and the
instant at which a later version of the same event replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.spec.duration import Duration

USABLE = "__sqlfeat_usable"
EVENT = "__sqlfeat_event"
AVAILABLE = "__sqlfeat_available"
UNTIL = "__sqlfeat_until"
ROW = "__sqlfeat_row"


@dataclass(frozen=True)
class Shape:
    """What a layout must know of a relation: its keys, its time, and its columns in their order."""

    keys: tuple[str, ...]
    time: TimeFacts
    columns: tuple[str, ...]

    @property
    def event(self) -> str:
        """The event time as an instant; a relation without one has always held."""
        name = self.time.event_time
        return instant(name) if name else "timestamptz '-infinity'"

    @property
    def available(self) -> str:
        """When a row was known, as an instant."""
        if self.time.available_at:
            return instant(self.time.available_at)
        if self.time.available_after:
            return after(self.event, self.time.available_after)
        return self.event

    @property
    def delayed(self) -> bool:
        """Whether rows can be known later than they happened."""
        return self.time.available_at not in (None, self.time.event_time) or self.time.available_after is not None

    @property
    def remaining(self) -> tuple[str, ...]:
        """The columns that break ties when everything declared is equal."""
        named = {*self.keys, self.time.event_time, self.time.available_at, *self.time.tie_breaker}
        return tuple(column for column in self.columns if column not in named)

    @property
    def described(self) -> tuple[str, ...]:
        """The columns that say something of the entity: all but keys and times."""
        named = {*self.keys, self.time.event_time, self.time.available_at}
        return tuple(column for column in self.columns if column not in named)

    def ranking(self, *, ties: bool) -> str:
        """ORDER BY of TIME's rule 2, the winner last; ``ties`` adds the remaining columns."""
        times = [self.time.event_time, self.time.available_at]  # as they are: they may be finer than instants
        columns = [*self.time.tie_breaker, *(self.remaining if ties else ())]
        ranked = [quote(column) for column in times if column]
        return ", ".join([*ranked, *(f"{quote(column)} asc nulls first" for column in columns)]) or "1"


def instant(column: str) -> str:
    """A column as TIMESTAMPTZ: a TIMESTAMP is UTC, a DATE its midnight; nanoseconds count as the microsecond after.

    So nothing holds before it happened.
    """
    return _microseconds(column, "+ 999")


def asked_instant(column: str) -> str:
    """An as-of time as TIMESTAMPTZ; nanoseconds count as the microsecond before, so nothing later is found."""
    return _microseconds(column, "")


def _microseconds(column: str, plus: str) -> str:
    """Which branch is taken for a type is decided when the statement is bound.

    A plain cast would round nanoseconds to the nearest, and asks the calendar for each value, at ten times the cost.
    """
    name = quote(column)
    nanoseconds = f"(epoch_ns({name}){plus})"
    whole = f"({nanoseconds} - (({nanoseconds} % 1000 + 1000) % 1000)) // 1000"
    return (
        f"case when typeof({name}) = 'TIMESTAMP WITH TIME ZONE' then cast({name} as timestamptz) "
        f"when typeof({name}) in ('TIMESTAMP_NS', 'TIMESTAMPTZ_NS') then make_timestamptz({whole}) "
        f"when isfinite({name}) then make_timestamptz(epoch_us({name})) else cast({name} as timestamptz) end"
    )


def zoned(sql: str) -> str:
    """The cast of any kind of instant to TIMESTAMPTZ, which for a TIMESTAMP would ask the calendar."""
    return (
        f"case when typeof({sql}) = 'TIMESTAMP' and isfinite({sql}) then make_timestamptz(epoch_us({sql})) "
        f"else cast({sql} as timestamptz) end"
    )


def before(instant: str, span: Duration) -> str:
    """The SQL of the instant that lies so long before another one."""
    return _moved(instant, "-", span)


def after(instant: str, span: Duration) -> str:
    """The SQL of the instant that lies so long after another one."""
    return _moved(instant, "+", span)


def _moved(instant: str, sign: str, span: Duration) -> str:
    """In UTC by arithmetic; a TIMESTAMPTZ plus an INTERVAL asks the calendar, at twenty times the cost."""
    moved = f"epoch_us({instant}) {sign} {span.microseconds}"
    if span.months:
        moved = f"epoch_us(make_timestamp(epoch_us({instant})) {sign} to_months({span.months}))"
    return f"case when isfinite({instant}) then make_timestamptz({moved}) else {instant} end"


def ties_sql(shape: Shape, relation: str) -> str:
    """How many groups of rows that can be used are equal in key, times and tie breakers: the rest decides there."""
    used = f"{_all_known(shape.keys)} and {shape.event} is not null and {shape.available} is not null"
    groups = [*(quote(key) for key in shape.keys), shape.event, shape.available]
    groups += [quote(column) for column in shape.time.tie_breaker]
    by = ", ".join(groups)
    return f"select count(*) from (select 1 from {relation} where {used} group by {by} having count(*) > 1)"


def used_sql(shape: Shape, relation: str) -> str:
    """The rows that are used at all, with their times; of a view where nothing arrives late."""
    return (
        f"select *, {EVENT} as {USABLE} from (select *, {shape.event} as {EVENT} from {relation} "
        f"where {_all_known(shape.keys)}) where {EVENT} is not null"
    )


def current_sql(shape: Shape, table: str, row: str, *, ties: bool) -> str:
    """Of a table's rows those that can be current: their keys and times, and ``row``, which numbers them."""
    times = (shape.time.event_time, shape.time.available_at)
    needed = [*shape.keys, *times, *shape.time.tie_breaker, *(shape.remaining if ties else ())]
    columns = tuple(dict.fromkeys(column for column in needed if column))
    listed = ", ".join([*(quote(column) for column in columns), f"{row} as __sqlfeat_place"])
    keys = "".join(f"{quote(key)}, " for key in shape.keys)
    narrow = Shape(shape.keys, shape.time, columns)
    found = lookup_sql(narrow, f"(select {listed} from {table})", ties=ties, ordered=False)
    return f"select {keys}{EVENT}, {USABLE}, __sqlfeat_place as {ROW} from (\n{found}\n)"


def lookup_sql(shape: Shape, relation: str, *, ties: bool, where: str = "true", ordered: bool = True) -> str:
    """The lookup layout of a relation, sorted by key and usable time; ``where`` keeps some rows only."""
    keys = ", ".join(quote(key) for key in shape.keys)
    partition = f"partition by {keys}" if keys else ""
    known = " and ".join(f"{quote(key)} is not null" for key in shape.keys) or "true"
    within = f"partition by {keys}, {USABLE}" if keys else f"partition by {USABLE}"
    earlier = f"({partition} order by {USABLE} rows between unbounded preceding and 1 preceding)"
    current = f"qualify {ROW} > coalesce(max({ROW}) over {earlier}, 0)" if shape.delayed else ""
    order = f" order by {', '.join(filter(None, [keys, USABLE]))}" if ordered else ""
    # not `row_number() … = 1`: DuckDB makes an arg_max of structs of it, which gives 0.0 for -0.0
    return f"""with timed as (
    select *, {shape.event} as {EVENT}, {shape.available} as {AVAILABLE} from {relation} where {where}
),
usable as (
    select *, greatest({EVENT}, {AVAILABLE}) as {USABLE} from timed
    where {known} and {EVENT} is not null and {AVAILABLE} is not null
),
ranked as (
    select *, row_number() over ({partition} order by {shape.ranking(ties=ties)}) as {ROW} from usable
),
newest as (
    select * from ranked qualify {ROW} = max({ROW}) over ({within})
)
select * exclude ({AVAILABLE}, {ROW}) from (select * from newest {current}){order}"""


def events_sql(shape: Shape, relation: str, arguments: Sequence[str]) -> str:
    """The events of a view with windows, by key and in their order, numbered in it.

    ``arguments`` are the kept columns that aggregates read.
    """
    until, again = "cast(null as timestamptz)", ""
    if shape.time.unique_key:
        until = f"case when {_all_known(shape.time.unique_key)} then {_replaced(shape)} end"
        again = f" order by {ROW}"
    kept = [*shape.remaining, *arguments]
    ranking = ", ".join([shape.ranking(ties=False), *(f"{quote(c)} asc nulls first" for c in kept)])
    order = ", ".join([*(quote(key) for key in shape.keys), ranking])
    return f"""with timed as (
    select *, {shape.event} as {EVENT}, {shape.available} as {AVAILABLE} from {relation}
),
ranked as (
    select *, row_number() over () as {ROW} from (select * from timed order by {order})
)
select *, {until} as {UNTIL} from ranked{again}"""


def _replaced(shape: Shape) -> str:
    """When the next version of a row's event became known; a row that is never used replaces nothing."""
    used = f"{_all_known(shape.keys)} and {EVENT} is not null and {AVAILABLE} is not null"
    by = ", ".join([*(quote(column) for column in shape.time.unique_key), used])
    decided = [*shape.time.tie_breaker, EVENT, *shape.keys]
    order = ", ".join([AVAILABLE, *(f"{quote(column)} asc nulls first" for column in decided), ROW])
    return f"lead({AVAILABLE}) over (partition by {by} order by {order})"


def _all_known(columns: Sequence[str]) -> str:
    return " and ".join(f"{quote(column)} is not null" for column in columns) or "true"
