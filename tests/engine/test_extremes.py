"""The extremes of runs, in a few looks each, are those of the rows in them."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.engine.duckdb.effects import _block_extremes
from sqlfeat.engine.duckdb.extremes import BlockExtremes, Looks


def prepared(values, kind):
    """A prepared column in memory, as ``totals_reader`` writes it."""
    from_start, to_end = _block_extremes(values, kind)
    columns = {"p": values, "p_from_start": from_start, "p_to_end": to_end}
    return BlockExtremes(SimpleNamespace(column=lambda name: SimpleNamespace(data=columns[name])), "p", kind)


@pytest.mark.parametrize(("kind", "extreme"), [("min", min), ("max", max)])
@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 700), seed=st.integers(0, 2**32 - 1), wide=st.booleans())
def test_extremes_of_runs_are_those_of_their_rows(kind, extreme, rows, seed, wide):
    random = np.random.default_rng(seed)
    dtype = np.int64 if wide else np.int32
    values = random.integers(-50, 50, rows).astype(dtype)
    low = random.integers(0, rows, 200)
    high = np.minimum(low + random.integers(-1, rows, 200), rows - 1)
    looked = prepared(values, kind)

    looked.prepare(rows)
    found = looked.at(Looks.of(low, high))

    nothing = np.iinfo(dtype).max if kind == "min" else np.iinfo(dtype).min
    assert [
        extreme(values[a : b + 1].tolist(), default=nothing) for a, b in zip(low, high, strict=True)
    ] == found.tolist()
