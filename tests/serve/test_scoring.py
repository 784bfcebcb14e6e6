"""What a model sees of one request row is, to the last bit, what it sees of a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sqlfeat.ops.online.scoring import double_of
from sqlfeat.store import codecs
from sqlfeat.store.codecs.single_row import single_row
from sqlfeat.store.plain_values import to_arrow
from sqlfeat.store.signature import Input, encode
from tests.made.versions import booster_text

NUMERIC = Input("x", "", "numeric")
CARRIER = Input("x", "VARCHAR", "categorical", ("AA", "B6", "UA", "AA"))
wide = st.integers(-(10**38) + 1, 10**38 - 1)
VALUES: dict[Any, tuple[Input, st.SearchStrategy[Any]]] = {
    pa.int8(): (NUMERIC, st.integers(-(2**7), 2**7 - 1)),
    pa.int64(): (NUMERIC, st.integers(-(2**63), 2**63 - 1)),
    pa.uint64(): (NUMERIC, st.integers(0, 2**64 - 1)),
    pa.float32(): (NUMERIC, st.floats(width=32)),
    pa.float64(): (NUMERIC, st.floats()),
    pa.bool_(): (NUMERIC, st.booleans()),
    pa.decimal128(38, 0): (NUMERIC, wide | st.integers(-(2**54), 2**54)),
    pa.decimal128(18, 2): (NUMERIC, st.integers(-(10**18) + 1, 10**18 - 1)),
    pa.decimal128(38, 10): (NUMERIC, wide),
    pa.string(): (CARRIER, st.sampled_from(["AA", "UA", "ZZ", "", "aa"])),
}
typed = st.sampled_from(list(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), st.none() | VALUES[kind][1]))


@given(typed=typed)
@example(typed=(pa.decimal128(38, 0), 2**53 + 1))
@example(typed=(pa.int64(), 2**63 - 1))
@example(typed=(pa.float64(), -0.0))
def test_a_plain_value_becomes_the_double_that_its_column_does(typed: tuple[pa.DataType, Any]) -> None:
    kind, value = typed
    double = double_of(kind, VALUES[kind][0])
    assert double is not None
    expected = encode(pa.chunked_array([to_arrow([value], kind)]), VALUES[kind][0])[0]
    found = double(value)

    assert (float(expected).hex(), math.copysign(1, expected)) == (found.hex(), math.copysign(1, found))


def test_what_is_neither_number_nor_text_has_no_way_of_its_own() -> None:
    assert double_of(pa.date32(), NUMERIC) is None
    assert double_of(pa.int64(), CARRIER) is None


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_lightgbms_call_for_one_row_gives_what_predict_gives(objective: str) -> None:
    codec = codecs.codec_named("lightgbm")
    model = codec.decode(booster_text(objective))
    call = single_row("lightgbm", model)
    assert call is not None
    random = np.random.default_rng(11)
    rows = random.normal(0, 8, (500, 3)).round(1)
    rows[:, 0] = random.integers(-1, 4, 500)
    rows[random.random(rows.shape) < 0.1] = np.nan

    assert np.array_equal(model.predict(rows).reshape(500, -1), np.array([call(row) for row in rows]))


def test_a_library_without_such_a_call_is_asked_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    model = codecs.codec_named("lightgbm").decode(booster_text())
    assert single_row("xgboost", object()) is None
    monkeypatch.setattr("lightgbm.basic._LIB", object())
    assert single_row("lightgbm", model) is None


def test_a_call_that_gives_anything_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    model = codecs.codec_named("lightgbm").decode(booster_text())
    monkeypatch.setattr(type(model), "predict", lambda self, rows: np.full(len(rows), 0.5))

    assert single_row("lightgbm", model) is None
