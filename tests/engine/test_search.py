"""The binary search inside entities' ranges, against a plain scan."""

from bisect import bisect_left, bisect_right
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.engine.duckdb.search import last_not_after

ENTITIES = st.lists(st.lists(st.integers(-50, 50), max_size=40).map(sorted), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def workers():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@settings(max_examples=200, deadline=None)
@given(ENTITIES, st.lists(st.tuples(st.integers(0, 7), st.integers(-55, 55)), max_size=60), st.booleans())
def test_it_finds_the_last_row_of_the_entity_that_is_not_after_the_instant(workers, entities, asked, strict):
    times = np.array([time for rows in entities for time in rows] or [0], np.int64)
    starts = np.cumsum([0, *(len(rows) for rows in entities)])
    who = [number % len(entities) for number, _ in asked]
    start = np.array([starts[number] for number in who], np.int64)
    count = np.array([len(entities[number]) for number in who], np.int64)
    instants = np.array([instant for _, instant in asked], np.int64)

    positions, found = last_not_after(times, start, count, instants, strict, workers)

    bisect = bisect_left if strict else bisect_right
    before = [bisect(entities[number], instant) for number, (_, instant) in zip(who, asked, strict=True)]
    assert [bool(flag) for flag in found] == [number > 0 for number in before]
    assert [int(p - s) for p, s, flag in zip(positions, start, found, strict=True) if flag] == [
        number - 1 for number in before if number
    ]
