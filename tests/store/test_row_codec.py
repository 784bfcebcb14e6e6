"""Rows of an online store: what goes in comes out, for every type that DuckDB has, to the last bit."""

import datetime as dt
import math
import struct
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.errors import RunError
from sqlfeat.store.row_codec import FOREVER, Column, Interval, RowCodec
from tests.properties.searching import searching

UTC = dt.UTC
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
INSTANTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
TYPES = {
    "BOOLEAN": (pa.bool_(), st.booleans()),
    "TINYINT": (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    "UTINYINT": (pa.uint8(), st.integers(0, 2**8 - 1)),
    "SMALLINT": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "USMALLINT": (pa.uint16(), st.integers(0, 2**16 - 1)),
    "INTEGER": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "UINTEGER": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "BIGINT": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "UBIGINT": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "HUGEINT": (pa.decimal128(38, 0), st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal)),
    "FLOAT": (pa.float32(), st.floats(width=32)),
    "DOUBLE": (pa.float64(), st.floats()),
    "DECIMAL(4,1)": (pa.decimal128(4, 1), st.decimals(-999, 999, places=1)),
    "DECIMAL(18,4)": (pa.decimal128(18, 4), st.decimals(-(10**13), 10**13, places=4)),
    "DECIMAL(38,10)": (pa.decimal128(38, 10), st.decimals(-(10**17), 10**17, places=10)),
    "DATE": (pa.date32(), st.dates()),
    "TIME": (pa.time64("us"), st.times()),
    "TIMESTAMP": (pa.timestamp("us"), INSTANTS),
    "TIMESTAMP_S": (pa.timestamp("s"), INSTANTS.map(lambda t: t.replace(microsecond=0))),
    "TIMESTAMP_MS": (pa.timestamp("ms"), INSTANTS.map(lambda t: t.replace(microsecond=1000))),
    "TIMESTAMPTZ": (pa.timestamp("us", "UTC"), INSTANTS.map(lambda t: t.replace(tzinfo=UTC))),
    "VARCHAR": (pa.string(), TEXTS),
    "BLOB": (pa.binary(), st.binary(max_size=8)),
    "ENUM('a', 'é', '')": (pa.dictionary(pa.uint8(), pa.string()), st.sampled_from(["a", "é", ""])),
    "INTEGER[]": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-5, 5), max_size=4)),
    "VARCHAR[][]": (pa.list_(pa.list_(pa.string())), st.lists(st.none() | st.lists(st.none() | TEXTS, max_size=3))),
    "STRUCT(a INTEGER, b VARCHAR[])": (
        pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"a": st.none() | st.integers(-5, 5), "b": st.none() | st.lists(TEXTS, max_size=3)}),
    ),
    "STRUCT(x DOUBLE)[]": (
        pa.list_(pa.struct([("x", pa.float64())])),
        st.lists(st.none() | st.fixed_dictionaries({"x": st.none() | st.floats()}), max_size=3),
    ),
    "MAP(VARCHAR, INTEGER)": (
        pa.map_(pa.string(), pa.int32()),
        st.dictionaries(TEXTS, st.none() | st.integers(0, 9), max_size=3),
    ),
}  # fmt: skip


def bits(value):
    """A value in which equal means the same: floats by their bits, but for the many forms of NaN."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, list | tuple):
        return [bits(one) for one in value]
    return {key: bits(one) for key, one in value.items()} if isinstance(value, dict) else value


@st.composite
def tables(draw):
    """Some columns of any types, and rows of them."""
    names = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=10))
    rows = draw(st.lists(st.tuples(*(st.none() | TYPES[name][1] for name in names)), max_size=6))
    return names, rows


def arrow(names, rows):
    arrays = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        kind = TYPES[name][0]
        if pa.types.is_map(kind):
            values = [None if value is None else list(value.items()) for value in values]
        arrays.append(pa.array(values, kind))
    return pa.table(arrays, names=[f"c{place}" for place in range(len(names))])


@searching(200)
@given(tables())
def test_what_is_encoded_is_decoded(drawn):
    names, rows = drawn
    table = arrow(names, rows)
    codec = RowCodec.of(table.schema)
    encoded = codec.encode(table).to_pylist()

    assert [bits(row) for row in rows] == [bits(codec.decode(data)) for data in encoded]
    assert [len(data) for data in encoded] == [codec.size(data) for data in encoded]


@searching(60)
@given(tables(), st.integers(0, 3), st.integers(0, 3))
def test_a_part_of_a_table_in_several_chunks_gives_the_same_rows(drawn, first, second):
    names, rows = drawn
    table = arrow(names, rows)
    codec = RowCodec.of(table.schema)
    whole = codec.encode(table).to_pylist()
    parts = [table.slice(0, first), table.slice(first, second), table.slice(first + second)]

    assert whole == codec.encode(pa.concat_tables(parts)).to_pylist()
    assert whole[first:] == codec.encode(table.slice(first)).to_pylist()


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_that_duckdb_gives_has_a_place(name):
    with duckdb.connect() as connection:
        table = connection.sql(f"select cast(null as {name}) as c0").to_arrow_table()

    codec = RowCodec.of(table.schema)
    assert codec.decode(codec.encode(table).to_pylist()[0]) == (None,)


def test_what_has_no_python_value_comes_as_its_number():
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        table = connection.sql(
            "select 'infinity'::timestamp as a, '-infinity'::timestamptz as b, 'infinity'::date as c, "
            "timestamp_ns '2024-01-01 00:00:00.000000001' as d, time '24:00:00' as e, "
            "interval '1 month -2 days 3.000004 seconds' as f, '101'::bit as g, null as h"
        ).to_arrow_table()
    codec = RowCodec.of(table.schema)

    expected = (
        FOREVER, -FOREVER, 2**31 - 1, 1_704_067_200_000_000_001, dt.timedelta(days=1), Interval(1, -2, 3_000_004),
    )  # fmt: skip
    assert expected == codec.decode(codec.encode(table).to_pylist()[0])[:6]


def test_a_float_keeps_its_very_bits():
    numbers = [0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 1]
    table = pa.table({"x": pa.array(numbers, pa.uint64()).view(pa.float64())})
    encoded = RowCodec.of(table.schema).encode(table).to_pylist()

    assert numbers == [int.from_bytes(data[1:], "little") for data in encoded]


def test_the_bytes_of_format_1_stay_what_they_are():
    table = pa.table({"n": pa.array([7, None], pa.int32()), "s": ["é", "x"], "l": pa.array([[1, None], None])})
    encoded = RowCodec.of(table.schema).encode(table).to_pylist()

    first = "00 07000000 02000000 16000000 c3a9 02000000 00 0100000000000000 01 0000000000000000"
    second = "05 00000000 01000000 04000000 78 00000000"
    assert [bytes.fromhex(first), bytes.fromhex(second)] == encoded


def test_rows_lie_one_after_the_other():
    table = pa.table({"s": ["one", None, "three"], "n": [1, 2, 3]})
    codec = RowCodec.of(table.schema)
    data, found, start = b"".join(codec.encode(table).to_pylist()), [], 0
    while start < len(data):
        found.append(codec.decode(data, start))
        start += codec.size(data, start)

    assert found == [("one", 1), (None, 2), ("three", 3)]


def test_a_type_that_cannot_be_kept_is_named():
    with pytest.raises(RunError) as caught:
        RowCodec([Column("either", pa.sparse_union([pa.field("k", pa.int32())]))])

    assert caught.value.code == "no-row-form"
    assert "'either'" in caught.value.what
