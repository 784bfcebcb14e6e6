"""Columns become the numbers that a model sees, in one way everywhere."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from sqlfeat.errors import RunError
from sqlfeat.store.signature import Input, Output, Signature, encode, matrix

CARRIER = Input("carrier", "VARCHAR", "categorical", ("AA", "B6", "UA"))
DELAY = Input("delay", "DOUBLE", "numeric")
MISSING = np.nan


def numbers(values, one, type_=None):
    return encode(pa.chunked_array([pa.array(values, type_)]), one).tolist()


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_a_category_is_its_position_in_the_list_and_null_or_unknown_is_missing(type_):
    found = numbers(["UA", None, "AA", "ZZ", "B6", "aa", ""], CARRIER, type_)

    np.testing.assert_array_equal(found, [2, MISSING, 0, MISSING, 1, MISSING, MISSING])


def test_without_categories_all_is_missing():
    np.testing.assert_array_equal(numbers(["AA"], Input("carrier", "VARCHAR", "categorical", ())), [MISSING])


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        ([1, None, -3], pa.int64(), [1, MISSING, -3]),
        ([True, None, False], pa.bool_(), [1, MISSING, 0]),
        ([1.5, None, float("nan")], pa.float32(), [1.5, MISSING, MISSING]),
        ([Decimal("1.5"), None], pa.decimal128(38, 1), [1.5, MISSING]),
        ([2**60 + 1], pa.int64(), [2.0**60]),
        ([None], pa.null(), [MISSING]),
        ([], pa.int32(), []),
    ],
)
def test_a_number_is_a_double_and_null_is_missing(values, type_, expected):
    np.testing.assert_array_equal(numbers(values, DELAY, type_), expected)


@pytest.mark.parametrize(("one", "value"), [(DELAY, "1"), (CARRIER, 1), (CARRIER, True), (CARRIER, b"AA")])
def test_a_column_of_another_kind_is_refused(one, value):
    with pytest.raises(RunError, match=f"The column '{one.name}' is of type .* as {one.kind}") as caught:
        numbers([value], one)

    assert caught.value.code == "input-type"


def test_a_table_becomes_a_matrix_in_the_order_of_the_inputs():
    table = pa.table({"delay": [1.0, None], "more": [0, 0], "carrier": ["B6", "AA"]})

    found = matrix(table, (CARRIER, DELAY))

    np.testing.assert_array_equal(found, [[1, 1], [0, MISSING]])
    assert found.flags["F_CONTIGUOUS"]


def test_a_missing_column_is_named():
    with pytest.raises(RunError, match="lack the column 'carrier'"):
        matrix(pa.table({"delay": [1.0]}), (CARRIER, DELAY))


def test_a_signature_survives_json():
    signature = Signature((CARRIER, DELAY), Output("probability", (False, True)))

    assert Signature.from_dict(signature.as_dict()) == signature
