"""Bounds between instants: no derived bound is ever violated by rows that satisfy what was said, nulls included."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.compiler.zone import ORIGIN, Zone

VARIABLES = (1, 2, 3, 4)
VALUES = (None, 0, 1, 3)
Row = dict[int, int | None]

ROWS: list[Row] = [{ORIGIN: 0, **dict(zip(VARIABLES, row, strict=True))} for row in product(VALUES, repeat=4)]

variables = st.sampled_from((ORIGIN, *VARIABLES))
facts = st.one_of(
    st.tuples(st.just("bound"), variables, variables, st.integers(-3, 3)),
    st.tuples(st.just("there"), st.sampled_from(VARIABLES)),
    st.tuples(st.just("implied"), st.sampled_from(VARIABLES), st.sampled_from(VARIABLES)),
)
Fact = tuple


def holds(fact: Fact, row: Row) -> bool:
    """What a fact says of a row, read plainly."""
    if fact[0] == "bound":
        x, y = row[fact[1]], row[fact[2]]
        return x is None or y is None or fact[1] == fact[2] or x - y <= fact[3]
    if fact[0] == "there":
        return row[fact[1]] is not None
    return row[fact[1]] is None or row[fact[2]] is not None


def say(zone: Zone, fact: Fact) -> None:
    if fact[0] == "bound":
        zone.require(*fact[1:])
    elif fact[0] == "there":
        zone.assume([fact[1]])
    else:
        zone.imply(fact[1], [fact[2]])


def told(said: list[Fact]) -> Zone:
    zone = Zone()
    for fact in said:
        say(zone, fact)
    return zone


def refuted(zone: Zone, rows: list[Row]) -> list[str]:
    """What the zone claims and a row denies."""
    found = []
    for row in rows:
        found += [f"{v} is there: {row}" for v in zone.certain if row.get(v, 0) is None]
        found += [f"{v} is null: {row}" for v in zone.absent if row[v] is not None]
        for x in (ORIGIN, *VARIABLES):
            if row[x] is None:
                continue
            found += [f"{x} implies {y}: {row}" for y in zone.implied.get(x, ()) if row[y] is None]
            for y, bound in zone.bounds_of(x).items():
                if row[y] is not None and row[x] - row[y] > bound:
                    found.append(f"{x} - {y} <= {bound}: {row}")
    return found


def satisfying(said: list[Fact]) -> list[Row]:
    return [row for row in ROWS if all(holds(fact, row) for fact in said)]


@given(st.lists(facts, max_size=9))
@settings(max_examples=150, deadline=None)
def test_no_row_that_satisfies_what_was_said_refutes_what_follows(said):
    assert refuted(told(said), satisfying(said)) == []


@given(st.lists(facts, max_size=6), st.lists(facts, max_size=6), st.sets(st.sampled_from(VARIABLES), max_size=2))
@settings(max_examples=100, deadline=None)
def test_the_hull_holds_in_the_rows_of_either(one, other, nulls):
    first, second = told(one), told(other)
    second.absent |= nulls - second.certain
    rows = [row for row in satisfying(other) if all(row[v] is None for v in second.absent)]

    assert refuted(first.hull(second), satisfying(one) + rows) == []
    assert refuted(second.hull(first), satisfying(one) + rows) == []


@given(st.lists(facts, max_size=6), st.lists(facts, max_size=6))
@settings(max_examples=100, deadline=None)
def test_two_halves_of_a_row_together_hold_where_both_do(one, other):
    zone = told(one)
    zone.merge(told(other))

    assert refuted(zone, satisfying(one + other)) == []


@given(st.lists(facts, max_size=8), st.sets(st.sampled_from(VARIABLES)))
@settings(max_examples=60, deadline=None)
def test_what_is_kept_stays_true(said, kept):
    zone = told(said)
    zone.keep(set(kept))

    assert refuted(zone, satisfying(said)) == []
    assert set(zone.bounds_of(1)) <= kept | {ORIGIN}


@given(st.lists(st.tuples(st.just("bound"), variables, variables, st.integers(0, 3)), max_size=8))
@settings(max_examples=60, deadline=None)
def test_without_nulls_every_bound_is_the_shortest_path(said):
    zone = told([("there", variable) for variable in VARIABLES] + said)
    names = (ORIGIN, *VARIABLES)
    shortest = {(x, y): 0 if x == y else None for x in names for y in names}
    for _, x, y, bound in said:
        known = shortest[x, y]
        shortest[x, y] = bound if known is None else min(known, bound)
    for z, x, y in product(names, repeat=3):
        if shortest[x, z] is not None and shortest[z, y] is not None:
            known = shortest[x, y]
            way = shortest[x, z] + shortest[z, y]
            shortest[x, y] = way if known is None else min(known, way)

    assert {(x, y): zone.bound(x, y) for x in names for y in names} == shortest


def test_nothing_follows_by_way_of_what_may_be_null():
    zone = told([("bound", 1, 2, 5), ("bound", 2, 3, 5)])

    assert zone.bound(1, 3) is None
    zone.assume([2])
    assert zone.bound(1, 3) == 10


def test_it_follows_by_way_of_what_an_end_implies():
    assert told([("implied", 3, 2), ("bound", 1, 2, 5), ("bound", 2, 3, 5)]).bound(1, 3) == 10
    assert told([("bound", 1, 2, 5), ("bound", 2, 3, 5), ("implied", 1, 2)]).bound(1, 3) == 10


def test_other_names_make_another_row():
    zone = told([("there", 2), ("bound", 1, 2, 5), ("implied", 3, 1)])
    other = zone.renamed({1: 11, 2: 12})

    assert (other.bound(11, 12), other.certain, other.implied) == (5, {ORIGIN, 12}, {3: frozenset({11})})


def test_contradictions_come_to_an_end():
    zone = told([("bound", 1, 2, -1), ("bound", 2, 1, 0), ("implied", 3, 1), ("implied", 3, 2), ("bound", 1, 3, 0)])
    zone.require(2, 3, 0)

    assert zone.bound(1, 2) == -1


@given(st.lists(facts, max_size=4), st.lists(facts, max_size=5))
@settings(max_examples=100, deadline=None)
def test_where_one_half_may_be_missing_the_other_is_not_bounded_by_it(always, matched):
    left = told([fact for fact in always if not {3, 4} & set(fact[1:3])])
    joint = told([fact for fact in always if not {3, 4} & set(fact[1:3])] + matched)
    rows = satisfying([fact for fact in always if not {3, 4} & set(fact[1:3])])
    there = [row for row in rows if all(holds(fact, row) for fact in matched)]
    missing = [row for row in rows if row[3] is None and row[4] is None]

    assert refuted(joint.loosened(left, {3, 4}), there + missing) == []
