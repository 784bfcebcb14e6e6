"""``window()`` as of any instant, as SQL over a view's events (TIME semantics, section 3).

What ``totals`` cannot give comes from here, and so does everything where nothing is prepared. Two plans give the same
bits. **Prefix sums**: counts and sums of integers and decimals are differences of running totals, found by two as-of
joins a window; they cost nothing more for long windows. **Range join**: every other aggregate reads the events in its
window.

Prefix sums stay exact with late data. An event of time ``e`` that is known from ``u = greatest(e, available_at)`` on
counts at ``t`` iff ``e > t - W`` and ``u <= t``, so the sum is ``U(t) - E(t - W)``, where ``U`` runs over ``u`` and
``E`` over ``e``: right whenever all events of ``e <= t - W`` are known at ``t``, that is for every event with a delay
of at most ``W``. The few slower ones take the range join, and both parts are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import WindowAggregate, WindowView
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, UNTIL, before
from sqlfeat.spec.duration import Duration

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "BOOLEAN"}
_FLOATS = {"FLOAT", "DOUBLE"}
_ORDER_FREE = {"count", "sum", "avg", "mean", "min", "max", "median", "quantile_cont", "quantile_disc", "bool_and",
               "bool_or", "approx_count_distinct", "bit_and", "bit_or", "bit_xor", "count_if", "countif"}  # fmt: skip
_EQUAL_ZEROS = {"min", "max", "median", "quantile_cont", "quantile_disc", "mode"}
_SHORTEST_MONTH = 28 * 86_400_000_000
_LONGEST_MONTH = 31 * 86_400_000_000
BUCKET = "__sqlfeat_bucket"
ASKED = "__sqlfeat_n"
FSUM = "sqlfeat_fsum"
"""The correctly rounded sum of a list of doubles; the engine registers it."""
FMEAN = "sqlfeat_fmean"
"""The correctly rounded mean of a list of doubles; the engine registers it."""
RATIO = "sqlfeat_ratio"
"""The correctly rounded quotient of two exact numbers, given as texts; the engine registers it."""


@dataclass(frozen=True)
class Asked:
    """The instants at which windows are asked: a relation with a number ``n``, an instant ``t``, and keys ``k0`` …"""

    relation: str
    keys: int


@dataclass(frozen=True)
class WindowsAt:
    """One evaluation: the view's windows, its events, and the instants.

    ``types`` are the DuckDB types of the events' columns; ``wanted`` the output names to compute.
    """

    view: WindowView
    events: str
    keys: tuple[str, ...]
    types: Mapping[str, str]
    asked: Asked
    wanted: tuple[str, ...]
    strict: bool = False

    @property
    def aggregates(self) -> list[WindowAggregate]:
        """The aggregates that the wanted items are made of."""
        tokens = {token for item in self.view.items if item.name in self.wanted for token in item.tokens}
        return [aggregate for aggregate in self.view.aggregates if aggregate.call.token in tokens]

    def additive(self, aggregate: WindowAggregate) -> bool:
        """Whether running totals give this aggregate exactly."""
        if aggregate.distinct or aggregate.order_by or len(aggregate.arguments) > 1:
            return False
        if aggregate.function == "count":
            return True
        kind = self.types.get(aggregate.arguments[0], "") if aggregate.arguments else ""
        return aggregate.function in ("sum", "avg", "mean") and _exact(kind)


def values_sql(windows: WindowsAt, longest_delay: int | None) -> str:
    """The wanted items at every asked instant, and its number as ``ASKED``; see :func:`tokens_sql`."""
    items = [f"{item.sql} as {quote(item.name)}" for item in windows.view.items if item.name in windows.wanted]
    return (
        f"select n as {ASKED}, {', '.join(items)} from (\n{tokens_sql(windows, windows.aggregates, longest_delay)}\n)"
    )


def tokens_sql(windows: WindowsAt, aggregates: Sequence[WindowAggregate], longest_delay: int | None) -> str:
    """Aggregates at every asked instant: columns ``n`` and one a window's token.

    ``longest_delay`` is the greatest ``greatest(e, available_at, until) - e`` of all events in microseconds (None
    where there are no events): it decides whether the range join is needed beside the prefix sums.
    """
    additive = [a for a in aggregates if windows.additive(a)]
    general = [a for a in aggregates if not windows.additive(a)]
    parts: list[str] = []
    joins = [f"from {windows.asked.relation} as q"]
    columns: list[str] = []
    if additive:
        parts += _prefix_parts(windows, additive, longest_delay)
        joins.append("join summed on summed.n = q.n")
        columns += [f"{_from_sums(windows, a, i)} as {quote(a.call.token)}" for i, a in enumerate(additive)]
    if general:
        groups: dict[tuple[Bound | None, Bound | None], list[WindowAggregate]] = {}
        for aggregate in general:
            groups.setdefault(bounds_of(aggregate), []).append(aggregate)
        for number, group in enumerate(groups.values()):
            parts.append(f"ranged_{number} as (\n{_range_join(windows, group)}\n)")
            joins.append(f"join ranged_{number} on ranged_{number}.n = q.n")
            columns += [f"ranged_{number}.{quote(a.call.token)}" for a in group]
    return "with " + ",\n".join(parts) + "\nselect q.n, " + ", ".join(columns) + "\n" + " ".join(joins)


def delay_sql(events: str) -> str:
    """The longest delay of a view's events, in microseconds."""
    latest = f"greatest({EVENT}, {AVAILABLE}, coalesce({UNTIL}, {EVENT}))"
    return f"select max(epoch_us({latest}) - epoch_us({EVENT})) from {events} where isfinite({EVENT})"


# -- prefix sums -------------------------------------------------------------------------------------------------------


def _prefix_parts(windows: WindowsAt, aggregates: Sequence[WindowAggregate], longest_delay: int | None) -> list[str]:
    """CTEs that end in ``summed``: for each aggregate its sum ``s<i>`` and its count ``c<i>`` at every instant."""
    bounds = sorted({bound for a in aggregates for bound in bounds_of(a) if bound}, key=str)
    shortest = min((microseconds_of(bound) for bound in bounds), default=None)
    slow = longest_delay is not None and shortest is not None and longest_delay > shortest
    numbers = {bound: index for index, bound in enumerate(bounds)}
    keys = "".join(f"k{i}, " for i in range(len(windows.keys)))
    partition = f"partition by {keys.rstrip(', ')}" if keys else ""
    totals = ", ".join(f"sum({part}{i}) over w as {part}{i}" for i in range(len(aggregates)) for part in "sc")
    split = f" where effect_us - event_us <= {shortest}" if slow else ""
    parts = [f"effects as (\n{_effects(windows, aggregates)}\n)"]
    for name, by in (("by_effect", "effect"), ("by_event", "event")):
        source = f"select {keys}{by} as x, {totals} from effects{split}"
        parts.append(f"{name} as ({source} window w as ({partition} order by {by} range unbounded preceding))")
    parts.append(f"known_now as ({_as_of(windows, aggregates, 'by_effect', None)})")
    for bound, number in numbers.items():
        parts.append(f"at_{number} as ({_as_of(windows, aggregates, 'by_event', bound)})")
    if slow:
        parts.append(f"slow as (\n{_slow(windows, aggregates, shortest or 0)}\n)")
    joins = " ".join(f"join at_{number} using (n)" for number in numbers.values())
    joins += " join slow using (n)" if slow else ""
    columns = []
    for i, aggregate in enumerate(aggregates):
        for part in "sc":
            upper, lower = bounds_of(aggregate)
            value = f"at_{numbers[upper]}.{part}{i}" if upper else f"known_now.{part}{i}"
            value += f" - at_{numbers[lower]}.{part}{i}" if lower else ""
            columns.append(f"{value}{f' + slow.{part}{i}' if slow else ''} as {part}{i}")
    parts.append(f"summed as (select n, {', '.join(columns)} from known_now {joins})")
    return parts


@dataclass(frozen=True)
class Bound:
    """An edge of a window: so long before the asked instant, as the sum of two spans."""

    spans: tuple[Duration, ...]

    def __str__(self) -> str:
        return " + ".join(str(span) for span in self.spans)

    def before(self, instant: str) -> str:
        """The edge's instant, in SQL."""
        for span in self.spans:
            instant = before(instant, span)
        return instant


def bounds_of(aggregate: WindowAggregate) -> tuple[Bound | None, Bound | None]:
    """The upper and the lower edge; None is the asked instant itself, or the beginning of time."""
    offset, length = aggregate.call.offset, aggregate.call.length
    upper = Bound((offset,)) if offset and (offset.microseconds or offset.months) else None
    lower = Bound(tuple(span for span in (offset, length) if span)) if length else None
    return upper, lower


def microseconds_of(bound: Bound) -> int:
    return sum(span.months * _SHORTEST_MONTH + span.microseconds for span in bound.spans)


def longest_window(view: WindowView, span: int) -> int:
    """The length of a view's longest window in microseconds; ``span`` is that of all its events."""
    lengths = [aggregate.call.length for aggregate in view.aggregates]
    return max(
        (length.microseconds + length.months * _LONGEST_MONTH if length else span for length in lengths), default=0
    )


def _effects(windows: WindowsAt, aggregates: Sequence[WindowAggregate]) -> str:
    """Every event as what it adds and from when on; a replaced version takes back what it added."""
    keys = "".join(f"{quote(key)} as k{i}, " for i, key in enumerate(windows.keys))
    known = " and ".join([*(f"{quote(key)} is not null" for key in windows.keys), f"{EVENT} is not null"])
    pieces = []
    for sign, since, condition in (("", AVAILABLE, ""), ("-", UNTIL, f" and {UNTIL} is not null")):
        values = []
        for i, aggregate in enumerate(aggregates):
            added, counted = _contribution(windows, aggregate)
            values += [f"{sign}({added}) as s{i}", f"{sign}({counted}) as c{i}"]
        effect = f"greatest({EVENT}, {since})"
        pieces.append(
            f"    select {keys}{EVENT} as event, {effect} as effect, epoch_us({EVENT}) as event_us, "
            f"epoch_us({effect}) as effect_us, {', '.join(values)}\n"
            f"    from {windows.events} where {known} and {AVAILABLE} is not null{condition}"
        )
    return "\n    union all\n".join(pieces)


def _contribution(windows: WindowsAt, aggregate: WindowAggregate) -> tuple[str, str]:
    """What one event adds to the sum and to the count."""
    argument = aggregate.arguments[0] if aggregate.arguments else "*"
    passes = [aggregate.filter] if aggregate.filter else []
    if argument != "*":
        passes.append(f"{argument} is not null")
    condition = " and ".join(passes) or "true"
    counted = f"case when {condition} then 1 else 0 end"
    if aggregate.function == "count":
        return "0", counted
    kind = windows.types[argument]
    value = argument if kind.startswith("DECIMAL") else f"cast({argument} as hugeint)"
    return f"case when {condition} then {value} else 0 end", counted


def _as_of(windows: WindowsAt, aggregates: Sequence[WindowAggregate], totals: str, bound: Bound | None) -> str:
    """The running totals at an edge, for every asked instant."""
    comparison = ">" if windows.strict else ">="
    edge = bound.before("q.t") if bound else "q.t"
    conditions = [f"q.k{i} = v.k{i}" for i in range(len(windows.keys))] + [f"q.t {comparison} v.x"]
    keys = "".join(f"q.k{i}, " for i in range(len(windows.keys)))
    values = ", ".join(f"coalesce(v.{part}{i}, 0) as {part}{i}" for i in range(len(aggregates)) for part in "sc")
    instants = f"(select q.n, {keys}{edge} as t from {windows.asked.relation} as q)"
    return f"select q.n, {values} from {instants} as q asof left join {totals} as v on {' and '.join(conditions)}"


def _slow(windows: WindowsAt, aggregates: Sequence[WindowAggregate], shortest: int) -> str:
    """The part of the events that became known too late for prefix sums, by a range join."""
    before, since = ("<", ">=") if windows.strict else ("<=", ">")
    values = []
    for i, aggregate in enumerate(aggregates):
        upper, lower = bounds_of(aggregate)
        inside = f"v.event {before} {upper.before('q.t') if upper else 'q.t'}"
        inside += f" and v.event {since} {lower.before('q.t')}" if lower else ""
        values += [f"coalesce(sum(v.{part}{i}) filter (where {inside}), 0) as {part}{i}" for part in "sc"]
    conditions = [f"q.k{i} = v.k{i}" for i in range(len(windows.keys))]
    conditions.append(f"v.effect {before} q.t")
    late = f"(select * from effects where effect_us - event_us > {shortest})"
    return (
        f"    select q.n, {', '.join(values)}\n    from {windows.asked.relation} as q "
        f"left join {late} as v on {' and '.join(conditions)}\n    group by q.n"
    )


def _from_sums(windows: WindowsAt, aggregate: WindowAggregate, index: int) -> str:
    """The aggregate's value from its sum and its count: no rows give what SQL gives for none."""
    total, count = f"summed.s{index}", f"summed.c{index}"
    if aggregate.function == "count":
        return f"cast({count} as bigint)"
    if aggregate.function == "sum":
        return f"case when {count} > 0 then {_exact_sum(windows, aggregate, total)} end"
    return f"case when {count} > 0 then {_average(windows.types[aggregate.arguments[0]], total, count)} end"


def _average(kind: str, total: str, count: str) -> str:
    """The exact mean, rounded once: one division where both sides are whole doubles, else in fractions."""
    scale = scale_of(kind)
    whole = f"round(cast({total} as double) * 1e{scale})" if scale else f"cast({total} as double)"
    small = f"abs({total}) < {2**50 // 10**scale} and {count} < {2**53 // 10**scale}"
    quotient = f"{whole} / cast({count} * {10**scale} as double)"
    return f"case when {small} then {quotient} else {RATIO}([cast({total} as varchar), cast({count} as varchar)]) end"


def _exact_sum(windows: WindowsAt, aggregate: WindowAggregate, total: str) -> str:
    kind = windows.types[aggregate.arguments[0]]
    return (
        f"cast({total} as decimal(38, {scale_of(kind)}))" if kind.startswith("DECIMAL") else f"cast({total} as hugeint)"
    )


def scale_of(kind: str) -> int:
    """The digits after the point of a DuckDB type: those of a decimal, or none."""
    return int(kind.rstrip(")").split(",")[1]) if kind.startswith("DECIMAL") else 0


def _exact(kind: str) -> bool:
    if kind.startswith("DECIMAL"):
        return int(kind[len("DECIMAL(") :].split(",")[0]) <= 18
    return kind in _INTEGERS


# -- range join --------------------------------------------------------------------------------------------------------


def _range_join(windows: WindowsAt, aggregates: Sequence[WindowAggregate]) -> str:
    """Aggregates of one window over the events inside it that exist at the asked instant.

    Time is cut into buckets as long as the window, so a window lies in two of them and the join is one of equality.
    """
    before, since = ("<", ">=") if windows.strict else ("<=", ">")
    upper, lower = bounds_of(aggregates[0])
    above, below = upper.before("q.t") if upper else "q.t", lower.before("q.t") if lower else None
    conditions = [f"q.k{i} = v.{quote(key)}" for i, key in enumerate(windows.keys)]
    conditions += [f"v.{AVAILABLE} {before} q.t", f"v.{EVENT} {before} {above}"]
    conditions.append(f"(v.{UNTIL} is null or v.{UNTIL} {since} q.t)")
    asked, events = windows.asked.relation, windows.events
    if lower and below:
        conditions += [f"v.{EVENT} {since} {below}", f"q.{BUCKET} = v.{BUCKET}"]
        width = max(1, sum(span.months * _LONGEST_MONTH + span.microseconds for span in lower.spans[-1:]))
        buckets = f"range({_bucket(below, width)}, {_bucket(above, width)} + 1)"
        asked = f"(select q.*, unnest(coalesce({buckets}, [null])) as {BUCKET} from {asked} as q)"
        events = f"(select *, {_bucket(EVENT, width)} as {BUCKET} from {events} where isfinite({EVENT}))"
    columns = []
    for aggregate in aggregates:
        inside = f"v.{ROW} is not null" + (f" and v.{aggregate.filter}" if aggregate.filter else "")
        columns.append(f"{aggregate_call(windows.types, aggregate, inside)} as {quote(aggregate.call.token)}")
    return (
        f"    select q.n, {', '.join(columns)}\n    from {asked} as q\n"
        f"    left join {events} as v on {' and '.join(conditions)}\n    group by q.n"
    )


def _bucket(instant: str, width: int) -> str:
    return f"cast(floor(epoch_us({instant}) / {width}) as bigint)"


def aggregate_call(types: Mapping[str, str], aggregate: WindowAggregate, inside: str) -> str:
    """The aggregate's call over rows ``v``; in their order where the order matters, and with exact sums of floats."""
    arguments = [f"v.{a}" if a.startswith("__sqlfeat_arg_") else a for a in aggregate.arguments]
    kind = types.get(aggregate.arguments[0], "") if aggregate.arguments else ""
    distinct = "distinct " if aggregate.distinct else ""
    where = f"filter (where {inside})"
    if aggregate.function in ("sum", "avg", "mean") and kind in _FLOATS:
        values = (
            f"list({distinct}cast({arguments[0]} as double)) filter (where {inside} and {arguments[0]} is not null)"
        )
        return f"{FSUM if aggregate.function == 'sum' else FMEAN}({values})"
    if aggregate.function in ("avg", "mean") and (kind in (*_INTEGERS, "HUGEINT") or kind.startswith("DECIMAL")):
        total, count = (f"{part}({distinct}{arguments[0]}) {where}" for part in ("sum", "count"))
        return f"case when {count} > 0 then {RATIO}([cast({total} as varchar), cast({count} as varchar)]) end"
    if aggregate.function in _EQUAL_ZEROS and kind in _FLOATS:
        arguments[0] = f"({arguments[0]} + cast(0 as {kind}))"  # -0.0 equals 0.0: which one came would be chance
    order = aggregate.order_by and ", ".join(f"v.{part.strip()}" for part in aggregate.order_by.split(","))
    if order is None and aggregate.function not in _ORDER_FREE and not aggregate.distinct:
        order = f"v.{ROW}"
    elif order is None and aggregate.function not in _ORDER_FREE:
        order = arguments[0]
    elif order and not aggregate.distinct:
        order = f"{order}, v.{ROW}"
    ordering = f" order by {order}" if order else ""
    return f"{aggregate.function}({distinct}{', '.join(arguments)}{ordering}) {where}"
