"""Two readings of a relation: equal as multisets, or the first row, the column and both values of what differs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.engine.comparison import Comparable
from sqlfeat.engine.duckdb import comparison
from sqlfeat.engine.duckdb.comparison import compare
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.spec.duration import Duration

DAY = datetime(2024, 1, 1, tzinfo=UTC)
EVENTS = Comparable("events", "", ("t", "k"), TimeFacts("t"))
WHOLE = Comparable("events", "", ("k",))
TYPED = {
    "boolean": ("true", "false"),
    "hugeint": ("170141183460469231731687303715884105727", "-1"),
    "decimal(38, 10)": ("0.0000000001", "0.0000000002"),
    "double": ("'nan'", "'inf'"),
    "varchar": ("''", "null"),
    "blob": ("'a'", "'b'"),
    "date": ("'0044-03-15 (BC)'", "'infinity'"),
    "timestamp_ns": ("'2024-01-01 00:00:00.000000001'", "'2024-01-01 00:00:00.000000002'"),
    "interval": ("'1 month'", "'30 days'"),
    "interval[]": ("['1 month']", "['1 day']"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    "enum('a', 'b')": ("'a'", "'b'"),
    "integer[]": ("[1, null]", "[1]"),
    "struct(a integer, b varchar)": ("{'a': 1, 'b': 'x'}", "{'a': 1, 'b': 'y'}"),
    "map(varchar, integer)": ("map {'a': 1}", "map {'a': 2}"),
    "json": ("'{\"a\": 1}'", "'{\"a\": 2}'"),
}


@pytest.fixture(scope="module")
def connection():
    made = Connection(threads=1)
    yield made
    made.close()


def compared(connection, left, right, what=WHOLE, cutoff=None):
    return compare(connection, f"({left})", f"({right})", what, cutoff)


def rows(*values):
    """``(k, t, v)`` rows as SQL; ``t`` is so many hours into the day."""
    listed = ", ".join(f"({k!r}, timestamptz '2024-01-01 00:00+00' + to_hours({t}), {v})" for k, t, v in values)
    return f"select k, t, v from (values {listed}) as x(k, t, v)"


def test_the_same_rows_in_another_order_are_the_same(connection):
    one, other = rows(("a", 1, 10), ("b", 2, 20), ("b", 2, 20)), rows(("b", 2, 20), ("a", 1, 10), ("b", 2, 20))

    found = compared(connection, one, other)

    assert (found.same, found.rows) == (True, 3)


def test_a_row_that_is_there_once_more_is_a_difference(connection):
    found = compared(connection, rows(("a", 1, 10), ("a", 1, 10)), rows(("a", 1, 10)))

    assert (found.differing, found.only_left.rows, found.only_right) == (1, 1, None)
    assert found.only_left.row["k"] == "a"


def test_a_changed_value_is_told_with_its_row_and_both_values(connection):
    found = compared(connection, rows(("a", 1, 10), ("b", 2, 20)), rows(("a", 1, 10), ("b", 2, 21)), EVENTS)

    (column,) = found.columns
    assert (column.column, column.rows, column.left, column.right) == ("v", 1, 20, 21)
    assert column.row == {"t": DAY + timedelta(hours=2), "k": "b"}
    assert (found.only_left, found.only_right) == (None, None)


def test_the_first_row_is_the_earliest(connection):
    one = rows(*((k, t, 1) for k in "ba" for t in (7, 3, 5)))
    other = rows(*((k, t, 2) for k in "ba" for t in (3, 5, 7)))

    (column,) = compared(connection, one, other, EVENTS).columns

    assert column.row == {"t": DAY + timedelta(hours=3), "k": "a"}
    assert column.rows == 6


def test_rows_after_the_cutoff_do_not_count(connection):
    one, other = rows(("a", 1, 10), ("a", 5, 1)), rows(("a", 1, 10), ("a", 5, 2), ("a", 6, 3))

    assert compared(connection, one, other, EVENTS, DAY + timedelta(hours=4)).same
    assert not compared(connection, one, other, EVENTS, DAY + timedelta(hours=5)).same


def test_a_label_counts_its_horizon_later(connection):
    label = Comparable("labels", "", ("t", "k"), TimeFacts("t"), Duration.parse("3 hours"))
    one, other = rows(("a", 1, 10)), rows(("a", 1, 11))

    assert compared(connection, one, other, label, DAY + timedelta(hours=3)).same
    assert not compared(connection, one, other, label, DAY + timedelta(hours=4)).same


def test_a_row_counts_from_when_it_is_known_and_never_without_its_times(connection):
    facts = Comparable("facts", "", ("t", "known"), TimeFacts("t", "known"))
    row = "select timestamp '2024-01-01 01:00' as t, {} as known, {} as v"
    late, never = "timestamp '2024-01-01 09:00'", "cast(null as timestamp)"

    assert compared(connection, row.format(late, 1), row.format(late, 2), facts, DAY + timedelta(hours=8)).same
    assert not compared(connection, row.format(late, 1), row.format(late, 2), facts, DAY + timedelta(hours=9)).same
    assert compared(connection, row.format(never, 1), row.format(never, 2), facts, DAY + timedelta(days=9)).same


def test_rows_without_declared_keys_are_paired_by_what_is_the_same_in_both(connection):
    what = Comparable("events", "", ("t",), TimeFacts("t"))
    one = rows(("a", 1, 10), ("b", 1, 20), ("c", 1, 30))
    other = rows(("a", 1, 10), ("b", 1, 25), ("c", 1, 31))

    (column,) = compared(connection, one, other, what).columns

    assert (column.rows, column.row["k"], column.left, column.right) == (2, "b", 20, 25)


def test_a_column_that_only_one_side_has_is_null_on_the_other(connection):
    (column,) = compared(connection, "select 1 as k, 2 as paid", "select 1 as k").columns

    assert (column.column, column.left, column.right) == ("paid", 2, None)


def test_columns_that_are_left_out_are_not_compared(connection):
    what = Comparable("events", "", ("k",), leave_out=frozenset({"v"}))

    assert compared(connection, rows(("a", 1, 10)), rows(("a", 1, 11)), what).same


@pytest.mark.parametrize("kind", TYPED)
def test_values_of_every_type_are_told_apart(connection, kind):
    one, other = (f"select 1 as k, cast({value} as {kind}) as v" for value in TYPED[kind])

    assert compared(connection, one, one).same
    (column,) = compared(connection, one, other).columns
    assert column.column == "v"


def test_last_bits_of_floats_count_unless_they_are_sums(connection):
    one, other = "select 1 as k, 0.1e0 + 0.2e0 as v", "select 1 as k, 0.3e0 as v"
    approximate = Comparable("sums", "", ("k",), approximate=True)

    assert not compared(connection, one, other).same
    assert compared(connection, one, other, approximate).same
    assert not compared(connection, one, "select 1 as k, 0.3000001e0 as v", approximate).same


def test_sums_that_cancel_out_are_measured_by_their_column(connection):
    approximate = Comparable("sums", "", ("k",), approximate=True)
    one = "select * from (values (1, 1e6), (2, 1e-11)) as x(k, v)"
    other = "select * from (values (1, 1000000.0000001e0), (2, 0e0)) as x(k, v)"

    assert compared(connection, one, other, approximate).same


def test_what_is_within_the_tolerance_is_not_told_beside_what_is_not(connection):
    approximate = Comparable("sums", "", ("k",), approximate=True)
    one, other = "select 1 as k, 0.1e0 + 0.2e0 as v, 1 as n", "select 1 as k, 0.3e0 as v, 2 as n"

    assert [column.column for column in compared(connection, one, other, approximate).columns] == ["n"]


def test_of_very_many_rows_the_first_are_looked_at(connection, monkeypatch):
    monkeypatch.setattr(comparison, "JUDGED", 10)
    one, other = "select i as k, 0 as v from range(1000) as x(i)", "select i as k, 1 as v from range(1000) as x(i)"

    found = compared(connection, one, other)

    assert (found.differing, found.judged, found.columns[0].rows) == (1000, 10, 10)
    assert found.columns[0].row == {"k": 0}


def test_a_difference_beyond_many_last_bits_is_found(connection, monkeypatch):
    monkeypatch.setattr(comparison, "JUDGED", 10)
    approximate = Comparable("sums", "", ("k",), approximate=True)
    one = "select i as k, 0.3e0 as v from range(100) as x(i)"
    other = "select i as k, case when i = 99 then 1e0 else 0.1e0 + 0.2e0 end as v from range(100) as x(i)"

    found = compared(connection, one, other, approximate)

    assert (found.differing, found.columns[0].row) == (1, {"k": 99})


ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.sampled_from([0, 1, None])), max_size=6)


@settings(max_examples=60)
@given(ROWS, ROWS, st.integers(0, 3))
def test_multisets_are_equal_exactly_where_counting_says_so(connection, one, other, hour):
    kept = [[row for row in side if row[1] <= hour] for side in (one, other)]
    counts = [Counter(side) for side in kept]
    sides = [f"{rows(*((k, t, 'null' if v is None else v) for k, t, v in side), ('a', 9, 9))}" for side in (one, other)]

    found = compared(connection, *sides, EVENTS, DAY + timedelta(hours=hour))

    assert found.same == (counts[0] == counts[1])
    assert found.rows == len(kept[0])
    unpaired = (found.only_left.rows if found.only_left else 0) - (found.only_right.rows if found.only_right else 0)
    assert unpaired == len(kept[0]) - len(kept[1])
    lost = max((counts[0] - counts[1]).total(), (counts[1] - counts[0]).total())
    assert lost <= found.differing <= (counts[0] - counts[1]).total() + (counts[1] - counts[0]).total()
