"""Profiles in DuckDB: held against numpy, the same whatever the order and the threads, and back from JSON unchanged."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sqlfeat.base.files import canonical_json
from sqlfeat.engine.duckdb import profile as profiling
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import Profile, ProfileRequest, in_windows

START = datetime(2024, 1, 1, tzinfo=UTC)
numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-3, 3).map(float)


def profile_of(table: pa.Table, request: ProfileRequest, threads: int = 1) -> Profile:
    connection = Connection(threads=threads, memory_limit="500MB")
    try:
        connection.register("rows", table)
        return profiling.profile(connection.arrow, "rows", request)
    finally:
        connection.close()


def rows(values: list, kind: pa.DataType, hours: int = 7) -> pa.Table:
    times = [START + timedelta(hours=hours * place) for place in range(len(values))]
    return pa.table({"x": pa.array(values, kind), "at": pa.array(times, pa.timestamp("us", "UTC"))})


def requested(kind: str, **settings) -> ProfileRequest:
    return ProfileRequest((("x", kind),), "at", **settings)


@settings(max_examples=60)
@given(st.lists(numbers, max_size=60))
@example([1.7271919996829696e16] * 5)
def test_numbers_are_counted_as_numpy_counts_them(values):
    found = profile_of(rows(values, pa.float64()), requested("DOUBLE")).columns[0]

    there = np.array([value for value in values if value is not None], float)
    finite = there[np.isfinite(there)]
    edges = [-math.inf, *found.shape.edges, math.inf]
    counts = tuple(int(np.count_nonzero((finite > low) & (finite <= high))) for low, high in pairwise(edges))
    whole = found.whole
    assert (whole.rows, whole.nulls, whole.nans) == (len(values), len(values) - len(there), len(there) - len(finite))
    assert whole.counts == counts
    assert (whole.minimum, whole.maximum) == ((finite.min(), finite.max()) if len(finite) else (None, None))
    if len(finite):
        spread = float(finite.max() - finite.min())
        assert whole.mean == pytest.approx(finite.mean(), abs=1e-9 * max(abs(finite).max(), 1e-30))
        assert whole.deviation == pytest.approx(finite.std(), rel=1e-6, abs=1e-7 * spread)


@settings(max_examples=40)
@given(st.lists(st.none() | st.sampled_from(["", "=", "tea", "jam", "it's", "…"]), max_size=40))
def test_categories_are_counted_one_by_one(values):
    found = profile_of(rows(values, pa.string()), requested("VARCHAR")).columns[0]

    counted = Counter(value for value in values if value is not None)
    assert dict(zip(found.shape.categories, found.whole.counts, strict=False)) == dict(counted)
    assert (found.whole.counts[-1], found.shape.complete) == (0, True)


def test_the_most_frequent_categories_have_a_bin_and_all_others_one_together():
    values = [f"v{place}" for place in range(300) for _ in range(2 if place < 200 else 1)]

    found = profile_of(rows(values, pa.string()), requested("VARCHAR")).columns[0]

    assert (len(found.shape.categories), found.whole.counts[-1], found.shape.complete) == (200, 100, False)


def test_windows_add_up_to_the_whole():
    values = list(np.random.default_rng(3).normal(size=500))

    found = profile_of(rows(values, pa.float64()), requested("DOUBLE"))

    column = found.columns[0]
    by_window = np.sum([one.counts for one in column.windows], axis=0).tolist()
    assert (sum(found.window_rows), by_window) == (500, list(column.shape.grouped(column.whole.counts)))
    assert found.starts == tuple(
        sorted({time.replace(hour=0) for time in rows(values, pa.float64())["at"].to_pylist()})
    )


def test_longer_windows_are_those_that_would_have_been_counted():
    values = [None, *np.random.default_rng(3).normal(size=500)]
    table = rows(values, pa.float64())
    by_day = profile_of(table, requested("DOUBLE"))

    by_week = profile_of(table, requested("DOUBLE", window="week", shapes=by_day.shapes))

    found = in_windows(by_day, "week")
    assert (found.starts, found.window_rows) == (by_week.starts, by_week.window_rows)
    pairs = list(zip(found.columns[0].windows, by_week.columns[0].windows, strict=True))
    assert [one.counts for one, _ in pairs] == [other.counts for _, other in pairs]
    assert [one.mean for one, _ in pairs] == pytest.approx([other.mean for _, other in pairs])


def test_the_order_of_rows_and_the_threads_change_no_byte():
    random = np.random.default_rng(5)
    table = pa.table(
        {
            "id": pa.array(range(130_000), pa.int64()),
            "x": pa.array(random.lognormal(0, 9, 130_000)),
            "s": pa.array(random.choice(["a", "b", "c"], 130_000)),
            "at": pa.array([START + timedelta(minutes=place) for place in range(130_000)], pa.timestamp("us", "UTC")),
        }
    )
    request = ProfileRequest((("x", "DOUBLE"), ("s", "VARCHAR")), "at", ("id",), duplicates=True)

    told = {
        canonical_json(profile_of(some, request, threads).as_dict())
        for some in (table, table.take(pa.array(random.permutation(130_000))))
        for threads in (1, 3)
    }

    assert len(told) == 1


def test_a_profile_comes_back_from_json_unchanged():
    found = profile_of(rows([1.5, None, math.nan, 2.0], pa.float64()), requested("DOUBLE", duplicates=True))

    assert Profile.from_dict(json.loads(canonical_json(found.as_dict()))) == found


def test_a_profile_of_another_format_is_refused():
    told = profile_of(rows([1.5], pa.float64()), requested("DOUBLE")).as_dict()

    with pytest.raises(ValueError, match="format 99"):
        Profile.from_dict({**told, "format": 99})


def test_rows_are_counted_in_the_bins_of_the_profile_that_they_are_compared_with():
    before = profile_of(rows([1.0, 2, 3], pa.float64()), requested("DOUBLE"))

    now = profile_of(rows([0.0, 2, 2, 9], pa.float64()), requested("DOUBLE", shapes=before.shapes)).columns[0]

    assert (now.shape.edges, now.whole.counts) == (before.columns[0].shape.edges, (1, 0, 2, 0, 1))


def test_a_column_that_has_become_text_gets_bins_of_its_own():
    before = profile_of(rows([1.0, 2, 3], pa.float64()), requested("DOUBLE"))

    now = profile_of(rows(["1", "2"], pa.string()), requested("VARCHAR", shapes=before.shapes)).columns[0]

    assert (now.shape.kind, now.shape.categories) == ("categorical", ("1", "2"))


def test_truth_times_and_lists_are_counted_as_what_they_are():
    at = pa.array([START, START, START], pa.timestamp("us", "UTC"))
    table = pa.table(
        {"b": [True, None, True], "d": pa.array([START.date(), None, None]), "l": [[1], None, [2]], "at": at}
    )
    request = ProfileRequest((("b", "BOOLEAN"), ("d", "DATE"), ("l", "BIGINT[]")), "at", duplicates=True)

    found = profile_of(table, request)

    truth, day, listed = found.columns
    assert (truth.shape.categories, truth.whole.counts) == (("false", "true"), (0, 2, 0))
    assert (day.shape.kind, day.whole.nulls, day.whole.minimum) == ("time", 2, START.timestamp())
    assert (listed.shape.kind, listed.whole.nulls, found.duplicates) == ("other", 1, 2)


def test_nothing_is_counted_of_no_rows():
    found = profile_of(rows([], pa.float64()), requested("DOUBLE"))

    assert (found.rows, found.starts, sum(found.columns[0].whole.counts)) == (0, (), 0)


def test_a_median_is_near_that_of_the_rows():
    values = np.random.default_rng(1).normal(10, 2, 5_000)

    found = profile_of(rows(list(values), pa.float64(), hours=1), requested("DOUBLE")).columns[0]

    assert found.quantile(0.5) == pytest.approx(np.median(values), abs=0.1)


def test_categories_without_a_bin_are_named_the_most_frequent_first():
    connection = Connection(memory_limit="500MB")
    try:
        connection.register("rows", rows(["a", "new", "b", "new", "newer", None], pa.string()))
        shape = profile_of(rows(["a", "b"], pa.string()), requested("VARCHAR")).columns[0].shape
        found = profiling.values_beyond(connection.arrow, "rows", requested("VARCHAR"), shape, 5)
    finally:
        connection.close()

    assert found == ["new", "newer"]


@pytest.mark.parametrize(
    "values", [[1.7e308, 1.7e308, 1.0], [1.7e308, -1.7e308, 2.0], [5e307, -1.6e308, 1e308, 1.7e308], [5e-324, 1e308]]
)
def test_numbers_at_the_limits_of_doubles_give_a_profile_that_json_can_hold(values):
    found = profile_of(rows(values, pa.float64(), hours=30), requested("DOUBLE"))

    whole = found.columns[0].whole
    assert (whole.minimum, whole.maximum, sum(whole.counts)) == (min(values), max(values), len(values))
    assert Profile.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False))) == found
