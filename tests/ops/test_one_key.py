"""Rows that are read together: what each lookup has read by itself, or nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.ops.online.one_key import Form, OneKey
from sqlfeat.ops.online.published import PublishedView
from sqlfeat.ops.online.reading import FOUND, ViewReader
from sqlfeat.spec.duration import Duration
from sqlfeat.store.pushed import PUSHED
from sqlfeat.store.row_codec import Column
from tests.properties.searching import searching

NOW = 1_000
KINDS = {"price": (pa.float64(), "DOUBLE"), "visits": (pa.int64(), "BIGINT"), "member": (pa.bool_(), "BOOLEAN")}
VALUES = {
    "price": st.sampled_from([0.0, -0.0, 1.5, math.inf, 1e-300]),
    "visits": st.sampled_from([0, -1, 2**62]),
    "member": st.booleans(),
    "name": st.sampled_from(["", "ann"]),
}
TIMES = st.sampled_from([NOW - 700, NOW - 500, NOW - 100, NOW - 1, NOW, NOW + 1])


def view(table: str, columns: tuple[str, ...], live: frozenset[str]) -> PublishedView:
    kinds = {**KINDS, "name": (pa.string(), "VARCHAR")}
    return PublishedView(
        name=table, table=table, fingerprint="", as_of=0, keys=(Column("id", pa.int64()),),
        columns=tuple(Column(name, kinds[name][0]) for name in columns),
        types={name: kinds[name][1] for name in columns}, features={}, event_time="ts", ttl=None, windows=None,
        is_live=live.__contains__,
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[tuple[str, ViewReader]], list[bytes | None]]:
    """Lookups of some views, and what a snapshot has of an entity: mostly one row of each, without a null."""
    lookups: list[tuple[str, ViewReader]] = []
    rows: list[bytes | None] = []
    is_usual = draw(st.integers(0, 2)) > 0
    for number in range(draw(st.integers(1, 3))):
        most = ["price", "visits", "member"] if is_usual else ["price", "visits", "name"]
        columns = tuple(draw(st.lists(st.sampled_from(most), min_size=1, max_size=3, unique=True)))
        published = view(f"v{number}", columns, frozenset())
        asked = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=3, unique=True))
        ttl = draw(st.sampled_from([None, None, Duration(0, 500, "us")]))
        engine: Any = None
        strict = draw(st.booleans())
        lookups.append((f"l{number}", ViewReader(published, asked, engine, ttl=ttl, strict=strict)))
        rows.append(draw(records(published, is_usual=is_usual)))
    return lookups, rows


@st.composite
def records(draw: st.DrawFn, of: PublishedView, *, is_usual: bool) -> bytes | None:
    count = 1 if is_usual and draw(st.integers(0, 5)) else draw(st.integers(-1, 2))
    if count < 0:
        return None
    columns: dict[str, Any] = {
        "usable_at": sorted(draw(TIMES) for _ in range(count)),
        "event_at": sorted(draw(TIMES) for _ in range(count)),
    }
    for column in of.columns:
        values = VALUES[column.name] if is_usual else st.one_of(VALUES[column.name], st.none())
        columns[column.name] = [draw(values) for _ in range(count)]
    kinds = {"usable_at": pa.int64(), "event_at": pa.int64(), **{one.name: one.type for one in of.columns}}
    table = pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
    found: bytes = of.state_codec.encode(table, np.array([0, count]))[0].as_py()
    return found


@searching(150)
@given(worlds())
def test_rows_that_are_read_together_are_what_each_lookup_reads_by_itself(world: Any) -> None:
    lookups, fetched = world
    rows = OneKey(lookups)
    form = rows.form()
    together = rows.unpacked(fetched, NOW)
    expected = rows.reads(form, fetched, NOW)

    assert form == Form(tuple(reader.view.table for _, reader in lookups), (None,) * len(lookups))
    if together is not None:
        found = rows.found(together)
        assert dict(found) == expected
        assert [repr(read) for read in found.values()] == [repr(read) for read in expected.values()]  # -0.0 is not 0.0
        assert {read.status for read in expected.values()} == {FOUND}


def test_what_is_pushed_is_fetched_after_the_rows_and_is_not_read_together() -> None:
    live = frozenset({"b"})
    readers = [(name, ViewReader(view(name, ("visits",), live), ["visits"], None)) for name in "ab"]  # type: ignore[arg-type]
    rows = OneKey(readers)
    one = pa.table({"usable_at": [1], "event_at": [1], "visits": [7]})
    (record,) = readers[0][1].view.state_codec.encode(one, np.array([0, 1])).to_pylist()

    assert rows.form() == Form(("a", "b", "b" + PUSHED), (None, 2))
    assert rows.unpacked([record, record, None], NOW) == (1, b"\0", 1, 1, 7) * 2
    assert rows.unpacked([record, record, b"pushed"], NOW) is None
    assert rows.unpacked([record, None, b"pushed"], NOW) is None


def test_a_row_that_is_null_somewhere_or_not_usable_yet_or_expired_is_left_to_its_lookup() -> None:
    of = view("v", ("price", "visits"), frozenset())
    engine: Any = None
    rows = OneKey([("l", ViewReader(of, ["visits"], engine, ttl=Duration(0, 500, "us")))])

    def is_taken(**columns: Any) -> bool:
        usual = {"usable_at": [NOW - 1], "event_at": [NOW - 500], "price": [1.5], "visits": [7]} | columns
        table = pa.table({name: pa.array(values, pa.float64() if name == "price" else pa.int64())
                          for name, values in usual.items()})  # fmt: skip
        records = of.state_codec.encode(table, np.array([0, table.num_rows])).to_pylist()
        return rows.unpacked(records, NOW) is not None

    assert is_taken()
    assert not is_taken(price=[None])
    assert not is_taken(usable_at=[NOW])
    assert not is_taken(event_at=[NOW - 501])
    assert not is_taken(usable_at=[1, 2], event_at=[1, 2], price=[1.0, 2.0], visits=[1, 2])
