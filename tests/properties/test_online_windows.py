"""Windows over packed events: what tiles give is what the events themselves give, one by one.

No engine is asked: entities of up to some hundred events, late and replaced ones among them, are packed as a
publication packs them, and every window is asked a microsecond before, at and after every instant at which something
changes. That the rule itself is right is held elsewhere (``test_windows``, ``test_online``).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.compiler.manifest import WindowAggregate, WindowCall
from sqlfeat.engine.base import EVENT_AT, KNOWN_AT, UNTIL_AT
from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.online.calendar import FOREVER
from sqlfeat.ops.online.published import PublishedWindows
from sqlfeat.ops.online.standing import Events, PushedEvent
from sqlfeat.ops.online.whole_aggregates import DEVIATIONS, agreed
from sqlfeat.ops.online.windows import OnlineWindows, lanes_of
from sqlfeat.spec.duration import Duration
from sqlfeat.store.event_records import EventCodec, EventColumn
from sqlfeat.store.event_tiles import Lane
from sqlfeat.store.plain_values import from_arrow, to_arrow
from tests.properties.searching import searching
from tests.properties.workbench import same

AS_OF = 1_000
SPANS = {"short": 7, "long": 300, "longer": 900, "all": None}
KINDS: dict[str, tuple[str, pa.DataType, Callable[[Random], Any]]] = {
    "tiny": ("TINYINT", pa.int8(), lambda r: r.randrange(-128, 128)),
    "whole": ("BIGINT", pa.int64(), lambda r: r.choice([0, 1, -7, 10_000, r.randrange(-(2**20), 2**20)])),
    "large": ("BIGINT", pa.int64(), lambda r: r.choice([2**63 - 1, -(2**63), 2**62, -5, 0])),
    "unsigned": ("UBIGINT", pa.uint64(), lambda r: r.choice([2**64 - 1, 2**63, 1, 0])),
    "money": ("DECIMAL(18,2)", pa.decimal128(18, 2), lambda r: Decimal(r.randrange(-9999, 99999)) / 100),
    "wide": ("DECIMAL(38,4)", pa.decimal128(38, 4),
             lambda r: Decimal(r.choice([10**37, -(10**37), 7, r.randrange(2**70)])).scaleb(-4)),
    "slim": ("DECIMAL(20,0)", pa.decimal128(20, 0), lambda r: Decimal(r.randrange(-(2**40), 2**40))),
    "price": ("DOUBLE", pa.float64(), lambda r: round(r.lognormvariate(3, 1), 2)),
    "signed": ("DOUBLE", pa.float64(), lambda r: r.choice([0.1, -0.3, 1e9, -1e-9, -0.0, 5.0, 2.0**40])),
    "extreme": ("DOUBLE", pa.float64(), lambda r: r.choice([1e308, -1e308, 1.7e308, 5e-324, 0.1])),
    "huge": ("DOUBLE", pa.float64(), lambda r: r.choice([1.7e308, 1.5e308, -1.1e308])),
    "faint": ("DOUBLE", pa.float64(), lambda r: r.choice([5e-324, 1e-320, -3e-323, 0.0, 2.3e-308])),
    "wild": ("DOUBLE", pa.float64(), lambda r: r.choice([1.0, 0.1, 0.2, 3.0, 0.7, math.inf, -math.inf, math.nan])),
    "single": ("FLOAT", pa.float32(), lambda r: float(np.float32(r.choice([0.1, 0.3, -7.7, 1e30])))),
    "day": ("DATE", pa.date32(), lambda r: r.randrange(0, 30_000)),
    "flag": ("BOOLEAN", pa.bool_(), lambda r: r.random() < 0.5),
    "word": ("VARCHAR", pa.string(), lambda r: r.choice(["", "a", "b", "zoë", "long " * 5])),
}  # fmt: skip
FUNCTIONS = ("count", "sum", "avg", "min", "max", "first", "last", "list", "count distinct")
"""Asked of every kind that has them."""


def aggregates() -> list[WindowAggregate]:
    """Every function of every kind, some with a filter, over every span; and counts of rows, one with an offset."""
    made = [("count", (), None), ("count", (), "flag")]
    for name, (kind, _, _) in KINDS.items():
        for function in FUNCTIONS:
            if function in ("sum", "avg") and kind in ("DATE", "VARCHAR"):
                continue
            made.append((function, (name,), None))
            if name in ("whole", "price", "wild", "word", "flag", "wide"):
                made.append((function, (name,), "flag"))
    found = []
    for function, arguments, condition in made:
        for span, length in SPANS.items():
            token = f"{function} {arguments} {condition} {span}"
            offset = Duration(0, 5, "5") if span == "longer" else None
            call = WindowCall(token, token, Duration(0, length, str(length)) if length else None, offset)
            name, _, distinct = function.partition(" ")
            found.append(WindowAggregate(call, name, arguments, bool(distinct), "", condition, ""))
    return found


AGGREGATES = aggregates()
TIMES = [EventColumn(name, pa.int64(), nullable=False) for name in (EVENT_AT, KNOWN_AT, UNTIL_AT)]
COLUMNS = [*TIMES, *(EventColumn(name, kind) for name, (_, kind, _) in KINDS.items())]
TYPES = {name: kind for name, (kind, _, _) in KINDS.items()}
LANES = lanes_of(COLUMNS, AGGREGATES, TYPES)
CODEC = EventCodec(COLUMNS, LANES)
ONLINE = OnlineWindows(PublishedWindows(tuple(COLUMNS), tuple(AGGREGATES), (), TYPES, {}, (), LANES), CODEC.empty)
PLACES = {name: place for place, name in enumerate([*KINDS, EVENT_AT])}


def event(random: Random, nulls: float, doubts: float) -> dict[str, Any]:
    """An event; of those in doubt some are known later than the snapshot, some are replaced, some both."""
    at = random.randrange(AS_OF - 950, AS_OF + (60 if random.random() < doubts else 0))
    known, until = at, FOREVER
    if random.random() < doubts:
        known = random.choice([at, AS_OF - 1, AS_OF, AS_OF + random.randrange(60)])
    if random.random() < doubts:
        until = max(known, AS_OF) + random.randrange(60)
    values = {name: None if random.random() < nulls else draw(random) for name, (_, _, draw) in KINDS.items()}
    return {EVENT_AT: at, KNOWN_AT: max(known, at), UNTIL_AT: until, **values}


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({c.name: pa.array([row[c.name] for row in rows], c.type) for c in COLUMNS})


@given(seed=st.integers(0, 2**32 - 1))
@searching(6)
def test_every_window_is_what_its_events_give_one_by_one(seed):
    random = Random(seed)
    nulls, doubts = random.choice([0, 0, 0.2]), random.choice([0, 0, 0.02, 0.3])
    entities = [
        sorted((event(random, nulls, doubts) for _ in range(random.choice([1, 31, 32, 33, 300, 600]))), key=_order)
        for _ in range(4)
    ]
    starts = np.cumsum([0, *map(len, entities)])
    records = CODEC.encode(table([row for rows in entities for row in rows]), starts, AS_OF).to_pylist()
    for rows, record in zip(entities, records, strict=True):
        pushed = sorted((event(random, nulls, 0.5) for _ in range(random.choice([0, 0, 3]))), key=_order)
        ask(random, CODEC.decode(record), rows, pushed)


def test_no_events_are_as_offline_has_them():
    found = ONLINE.values(None, AS_OF, [one.call.token for one in AGGREGATES], strict=False)

    for aggregate in AGGREGATES:
        assert found[aggregate.call.token] == (0 if aggregate.function == "count" else None)


def test_extremes_of_very_many_events_are_those_of_tiles_of_tiles():
    random = Random(1)
    columns = [*TIMES, EventColumn("n", pa.int64(), nullable=False)]
    numbers = [random.randrange(2**40) for _ in range(9_000)]
    aggregates = [
        WindowAggregate(
            WindowCall(f"{name} {span}", "", Duration(0, span, ""), None), name, ("n",), False, "", None, ""
        )
        for name in ("min", "max", "sum")
        for span in random.sample(range(1, 9_000), 40)
    ]
    lanes = lanes_of(columns, aggregates, {"n": "BIGINT"})
    codec = EventCodec(columns, lanes)
    made = pa.table({EVENT_AT: range(9_000), KNOWN_AT: range(9_000), UNTIL_AT: [FOREVER] * 9_000, "n": numbers})
    (record,) = codec.encode(made, np.array([0, 9_000]), 9_000).to_pylist()
    windows = PublishedWindows(tuple(columns), tuple(aggregates), (), {"n": "BIGINT"}, {}, (), lanes)
    online = OnlineWindows(windows, codec.empty)

    for t in (9_000, 12_000):
        found = online.values(Events(codec.decode(record)), t, [a.call.token for a in aggregates], strict=False)
        for aggregate in aggregates:
            inside = numbers[max(t - aggregate.call.length.microseconds + 1, 0) :]
            expected = {"min": min, "max": max, "sum": sum}[aggregate.function](inside) if inside else None
            assert expected == found[aggregate.call.token]


@pytest.mark.parametrize("name", ["whole", "price"])
def test_an_entity_of_many_events_has_tiles_and_one_of_few_has_none(name):
    random = Random(1)
    few, many = ([event(random, 0, 0) for _ in range(count)] for count in (31, 300))
    records = CODEC.encode(table([*few, *many]), np.array([0, 31, 331]), AS_OF).to_pylist()
    lane = LANES.index(Lane("sum", name))

    words = [CODEC.decode(record).lane(lane)[0] for record in records]

    assert words[0] == 0
    assert words[1] > 0


def _order(row: dict[str, Any]) -> int:
    return int(row[EVENT_AT])


def plain(name: str, value: Any) -> Any:
    """A value as compiled expressions take it: decimals as whole numbers."""
    return int(value.scaleb(KINDS[name][1].scale)) if isinstance(value, Decimal) else value


def beside(rows: list[dict[str, Any]], pushed: list[dict[str, Any]]) -> list[PushedEvent]:
    """Pushed events beside those of a snapshot."""
    times = [row[EVENT_AT] for row in rows]
    return [
        PushedEvent(
            row[EVENT_AT], row[KNOWN_AT], row[UNTIL_AT], bisect_left(times, row[EVENT_AT] + 1),
            (*(plain(name, row[name]) for name in KINDS), row[EVENT_AT]),
        )
        for row in pushed
    ]  # fmt: skip


def ask(random: Random, block: Any, rows: list[dict[str, Any]], pushed: list[dict[str, Any]]) -> None:
    """Compare all windows at some instants at which something changes, and a microsecond around them."""
    times = [row[EVENT_AT] for row in rows]
    packed = beside(rows, pushed)
    replaced = {}
    if pushed and rows:
        place = random.randrange(len(rows))
        replaced[place] = min(AS_OF + 3, rows[place][UNTIL_AT])
    merged = sorted(
        [*((row[EVENT_AT], 0, {**row, UNTIL_AT: replaced.get(n, row[UNTIL_AT])}) for n, row in enumerate(rows)),
         *((row[EVENT_AT], 1, row) for row in pushed)],
        key=lambda one: one[:2],
    )  # fmt: skip
    events = Events(block, packed, replaced, lambda name, row: row[PLACES[name]])
    changes = {at + (length or 0) for at in times[-9:] + times[:9] for length in SPANS.values()}
    changes |= {row[name] for _, _, row in merged for name in (KNOWN_AT, UNTIL_AT) if row[name] < AS_OF + 100}
    asked = {at + step for at in random.sample(sorted(changes), min(3, len(changes))) for step in (-1, 0, 1)}
    for t in sorted(at for at in {*asked, AS_OF, AS_OF + 1} if at >= AS_OF):
        strict = random.random() < 0.3
        some = random.sample(AGGREGATES, 60)
        found = ONLINE.values(events, t, [one.call.token for one in some], strict=strict)
        for aggregate in some:
            expected = by_hand(aggregate, [row for _, _, row in merged], t, strict=strict)
            told = f"{aggregate.call.token} at {t}, strict={strict}, {len(rows)} events, {len(pushed)} pushed"
            assert same(expected, found[aggregate.call.token]), (told, expected, found[aggregate.call.token])


def by_hand(aggregate: WindowAggregate, rows: list[dict[str, Any]], t: int, *, strict: bool) -> Any:
    """An aggregate over the events of a window, looked at one by one."""
    last = t - 1 if strict else t
    end = last - (aggregate.call.offset.microseconds if aggregate.call.offset else 0)
    begin = end - aggregate.call.length.microseconds if aggregate.call.length else -FOREVER
    inside = [r for r in rows if begin < r[EVENT_AT] <= end and r[KNOWN_AT] <= last < r[UNTIL_AT]]
    if aggregate.filter:
        inside = [row for row in inside if row[aggregate.filter]]
    if not aggregate.arguments:
        return len(inside)
    (name,) = aggregate.arguments
    values = [None if row[name] is None else plain(name, row[name]) for row in inside]
    if aggregate.function in ("first", "last"):
        return values[0 if aggregate.function == "first" else -1] if values else None
    if aggregate.function == "list":
        return values or None
    return reduced(aggregate, [value for value in values if value is not None], KINDS[name][1])


def reduced(aggregate: WindowAggregate, values: list[Any], kind: pa.DataType) -> Any:
    """An aggregate that does not hang on the order."""
    if aggregate.function == "count":
        return len({"nan" if v != v else v for v in values}) if aggregate.distinct else len(values)
    if not values:
        return None
    if aggregate.function in ("min", "max"):
        pick = min if aggregate.function == "min" else max
        found = pick(values, key=lambda value: (value != value, 0 if value != value else value))
        return found + 0.0 if isinstance(found, float) else found
    is_float = isinstance(values[0], float)
    if is_float and not all(map(math.isfinite, values)):
        return sum(value for value in values if not math.isfinite(value))
    exact = sum(map(Fraction, values), Fraction(0))
    if aggregate.function == "sum" and not is_float:
        return int(exact)
    if aggregate.function == "avg":
        exact /= len(values) * (10**kind.scale if pa.types.is_decimal(kind) else 1)
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


# -- what is DuckDB's own ----------------------------------------------------------------------------------------------

SHARES = ("0.5", "0.25", "0.1", "0.9", "0.999", "0", "1")
NUMBERS = ("tiny", "whole", "large", "unsigned", "money", "price", "signed", "extreme", "huge", "faint", "wild")


def of_the_engine() -> list[WindowAggregate]:
    """Quantiles, deviations and others that are computed as DuckDB computes them, of every kind that has them."""
    texts = [(name, (kind,)) for name in ("median", *DEVIATIONS) for kind in (*NUMBERS, "single")]
    texts += [("quantile_cont", (kind, share)) for kind in (*NUMBERS, "single") for share in SHARES]
    texts += [("quantile_disc", (kind, share)) for kind in KINDS for share in SHARES]
    texts += [(name, ("flag",)) for name in ("bool_or", "bool_and")]
    texts += [
        (name, ("word", by)) for name in ("arg_max", "arg_min") for by in ("wild", "tiny", "word", "wide", "flag")
    ]
    texts += [("string_agg", ("word", "'; '")), ("string_agg", ("word",)), ("string_agg", ("word", "'it''s'"))]
    made = []
    for number, (function, arguments) in enumerate(texts):
        span, condition = list(SPANS.values())[number % len(SPANS)], (None, "flag")[number % 3 == 0]
        length = Duration(0, span, str(span)) if span else None
        call = WindowCall(f"{function} {arguments} {condition} {span}", "", length, None)
        made.append(WindowAggregate(call, function, arguments, False, None, condition, ""))
    return made


@pytest.fixture(scope="module")
def engine():
    engine = Rowwise()
    yield engine
    engine.close()


@given(seed=st.integers(0, 2**32 - 1))
@searching(3)
def test_quantiles_and_deviations_are_those_of_the_engine_to_the_last_bit(engine, seed):
    random = Random(seed)
    asked, types = random.sample(of_the_engine(), 40), {name: kind for name, (kind, _, _) in KINDS.items()}
    read = tuple(COLUMNS)
    windows = PublishedWindows(read, tuple(asked), (), types, {}, (), ())
    codec = EventCodec(read)
    online = OnlineWindows(windows, codec.empty, agreed(engine))
    rows = sorted((event(random, 0.2, 0.1) for _ in range(random.choice([1, 40, 400]))), key=_order)
    (record,) = codec.encode(table(rows), np.array([0, len(rows)]), AS_OF).to_pylist()
    pushed = sorted((event(random, 0.2, 0.5) for _ in range(random.choice([0, 3]))), key=_order)
    events = Events(codec.decode(record), beside(rows, pushed), {}, lambda name, row: row[PLACES[name]])

    left = {aggregate.call.token for aggregate in online.left}
    for t in [AS_OF + random.choice([0, random.randrange(200)])]:
        strict = random.random() < 0.3
        given = {c.name: to_arrow(events.column(c.name), c.type) for c in read}
        expected = engine.windows(asked, types, pa.table(given), t, strict=strict)
        tokens = [one.call.token for one in asked if one.call.token not in left]
        found = online.values(events, t, tokens, strict=strict)
        for token in tokens:
            wanted = from_arrow(expected[token])[0]
            assert same(wanted, found[token]), (token, t, wanted, found[token])
    assert left == set()
