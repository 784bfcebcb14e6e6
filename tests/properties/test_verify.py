"""Whether a query looks ahead, as ``Tables`` finds it, is what counting rows in Python says, for any facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.engine.comparison import Comparable
from sqlfeat.engine.duckdb.tables import Tables
from sqlfeat.spec.duration import Duration

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 24
KNOWN_AT = TimeFacts("t", "a")


class Fact(NamedTuple):
    """Something that happened at hour ``t`` and was known at hour ``a``, or never."""

    id: int
    k: str
    t: int
    a: int | None
    v: int


class Told(NamedTuple):
    """A row of a result: from which hour on it must stay (None: never compared), and what it says."""

    final: int | None
    says: tuple[object, ...]


Facts = Sequence[Fact]


@dataclass(frozen=True)
class Query:
    """The same question in SQL and in Python."""

    sql: str
    time: TimeFacts
    told: Callable[[Facts], list[Told]]


def final(fact: Fact) -> int | None:
    return None if fact.a is None else max(fact.t, fact.a)


def running(by: str, preceding: int, following: int) -> Query:
    """The sum over a frame of rows, in an order of its own."""

    def order(fact: Fact) -> tuple[int, int]:
        value = fact.t if by == "t" else fact.a
        return (10**6 if value is None else value, fact.id)  # nulls last

    def told(facts: Facts) -> list[Told]:
        rows = []
        for fact in facts:
            mates = sorted((other for other in facts if other.k == fact.k), key=order)
            place = mates.index(fact)
            frame = mates[max(0, place - preceding) : place + following + 1]
            rows.append(Told(final(fact), (fact.id, sum(other.v for other in frame))))
        return rows

    sql = f"""
        select t, a, id, sum(v) over (
            partition by k order by {by}, id rows between {preceding} preceding and {following} following) as s
        from facts"""
    return Query(sql, KNOWN_AT, told)


def by_day(delay: int) -> Query:
    """How many facts a day has, as known so many days after its start."""

    def told(facts: Facts) -> list[Told]:
        counts = Counter((fact.k, fact.t // DAY) for fact in facts)
        return [Told((day + delay) * DAY, (k, day, n)) for (k, day), n in counts.items()]

    sql = "select k, date_trunc('day', t) as day, count(*) as n from facts group by all"
    return Query(sql, TimeFacts("day", None, Duration.parse(f"{delay} days")), told)


def newest(facts: Facts) -> list[Told]:
    return [
        Told(final(fact), (fact.id,))
        for fact in facts
        if (fact.t, fact.id) == max((other.t, other.id) for other in facts if other.k == fact.k)
    ]


def earlier(facts: Facts) -> list[Told]:
    """Of each fact, whether one of its key was known before it happened."""
    return [
        Told(
            fact.t,
            (fact.id, any(o.k == fact.k and o.a is not None and o.a < fact.t for o in facts)),
        )
        for fact in facts
    ]


QUERIES = {
    "trailing by what was known": running("a", 2, 0),
    "trailing by what happened": running("t", 2, 0),
    "the next too": running("a", 0, 1),
    "days at their start": by_day(0),
    "days at their end": by_day(1),
    "days long after": by_day(4),
    "the newest of each": Query(
        "select * from facts qualify row_number() over (partition by k order by t desc, id desc) = 1",
        KNOWN_AT,
        newest,
    ),
    "something known before": Query(
        "select t, id, exists (select 1 from facts as o where o.k = f.k and o.a < f.t) as known from facts as f",
        TimeFacts("t"),
        earlier,
    ),
}


@st.composite
def some_facts(draw: st.DrawFn) -> list[Fact]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from("xy"), st.integers(0, 72), st.sampled_from([0, 0, 1, 30, None]), st.integers(1, 3)
            ),
            min_size=1,
            max_size=8,
        )
    )
    return [Fact(i, k, t, None if delay is None else t + delay, v) for i, (k, t, delay, v) in enumerate(rows)]


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def table(facts: Facts) -> pa.Table:
    instants = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "id": [fact.id for fact in facts],
            "k": [fact.k for fact in facts],
            "t": pa.array([hour(fact.t) for fact in facts], instants),
            "a": pa.array([None if fact.a is None else hour(fact.a) for fact in facts], instants),
            "v": [fact.v for fact in facts],
        }
    )


@pytest.fixture(scope="module")
def tables():
    with Tables(hour(1000)) as made:
        yield made


@pytest.mark.parametrize("name", QUERIES)
@settings(max_examples=25)
@given(facts=some_facts(), cutoff=st.integers(0, 110))
def test_a_query_differs_exactly_where_counting_says_so(tables, name, facts, cutoff):
    query = QUERIES[name]
    known = [fact for fact in facts if fact.a is not None and fact.a <= cutoff]
    full, then = (
        Counter(row for row in query.told(each) if row.final is not None and row.final <= cutoff)
        for each in (facts, known)
    )
    what = Comparable("facts", "", (query.time.event_time, "id", "k"), query.time)

    tables.hold({"facts": table(facts)}, {"facts": KNOWN_AT})
    found = tables.compared(query.sql, what, hour(cutoff))

    assert found.rows == full.total()
    assert found.same == (full == then)
