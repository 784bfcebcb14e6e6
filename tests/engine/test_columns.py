"""Prepared columns give back what was written, at any positions, and say when they are not whole."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier

import numpy as np
import pyarrow as pa
import pytest

from sqlfeat.engine.duckdb.columns import ColumnFolder, storable, write_columns
from sqlfeat.engine.duckdb.gathering import gather_all

TABLE = pa.table(
    {
        "whole": pa.array([1, None, -(2**63), 2**63 - 1], pa.int64()),
        "small": pa.array([1, 2, 3, 4], pa.int8()),
        "float": pa.array([0.1, float("nan"), None, -0.0]),
        "text": pa.array(["", "Ünïcode \U0001f600", None, "x" * 300]),
        "flag": pa.array([True, False, None, True]),
        "money": pa.array([Decimal("1.10"), None, Decimal("-0.01"), Decimal("99.99")], pa.decimal128(12, 2)),
        "day": pa.array([date(2013, 3, 10), None, date(1969, 12, 31), date(1, 1, 1)]),
        "instant": pa.array([datetime(2013, 1, 1, tzinfo=UTC), None, None, None], pa.timestamp("us", "UTC")),
    }
)


def written(folder, table, batch_rows=3, together=()):
    batches = table.combine_chunks().to_batches(batch_rows)
    write_columns(folder, pa.RecordBatchReader.from_batches(table.schema, batches), together)
    return ColumnFolder(folder)


def test_every_type_is_gathered_as_it_was_written(tmp_path):
    folder = written(tmp_path / "kept", TABLE)
    positions = np.array([3, 0, 0, 2, 1, 1])
    found = np.array([True, True, False, True, True, True])

    with ThreadPoolExecutor(2) as workers:
        gathered = gather_all(folder, TABLE.column_names, positions, found, workers)

    for name, column in zip(TABLE.column_names, gathered, strict=True):
        values = TABLE[name].to_pylist()
        expected = [values[p] if flag else None for p, flag in zip(positions, found, strict=True)]
        assert str(column.to_pylist()) == str(expected)


def test_a_folder_without_rows_gives_nulls(tmp_path):
    folder = written(tmp_path / "kept", TABLE.slice(0, 0))

    with ThreadPoolExecutor(1) as workers:
        gathered = gather_all(folder, ["whole", "float"], np.array([-1]), np.array([False]), workers)

    assert [column.to_pylist() for column in gathered] == [[None], [None]]


@pytest.mark.parametrize("harm", ["truncated", "missing", "without its manifest"])
def test_a_folder_that_is_not_whole_is_refused(tmp_path, harm):
    written(tmp_path / "kept", TABLE)
    if harm == "truncated":
        (tmp_path / "kept" / "c0.data").write_bytes(b"1234")
    elif harm == "missing":
        (tmp_path / "kept" / "c0.data").unlink()
    else:
        (tmp_path / "kept" / "columns.json").unlink()

    with pytest.raises((ValueError, FileNotFoundError)):
        ColumnFolder(tmp_path / "kept")


def test_nested_types_are_left_to_the_database():
    assert not storable(pa.list_(pa.int64()))
    assert not storable(pa.struct([("a", pa.int64())]))


@pytest.mark.parametrize("together", [("small", "float", "money", "flag", "whole", "text"), ("flag",)])
@pytest.mark.parametrize("large", [False, True])
def test_columns_that_lie_together_are_gathered_as_those_that_do_not(tmp_path, monkeypatch, together, large):
    table = pa.concat_tables([TABLE] * 5)
    alone, packed = written(tmp_path / "alone", table), written(tmp_path / "packed", table, together=together)
    positions = np.array([19, 0, 4, 4, 12, -1, 7, 3])
    found = positions >= 0
    if large:
        monkeypatch.setattr("sqlfeat.engine.duckdb.columns.IN_ORDER", 0)

    with ThreadPoolExecutor(2) as workers:
        expected = gather_all(alone, table.column_names, positions, found, workers)
        gathered = gather_all(packed, table.column_names, positions, found, workers)
        packed.release()
        again = gather_all(packed, table.column_names, positions, found, workers)

    assert [str(column.to_pylist()) for column in gathered] == [str(column.to_pylist()) for column in expected]
    assert [str(column.to_pylist()) for column in again] == [str(column.to_pylist()) for column in expected]


def test_threads_that_open_columns_at_once_get_their_own(tmp_path):
    """Each of them is held up when its file has been mapped, until all have mapped theirs."""
    names = [f"c{i}" for i in range(4)]
    folder = written(tmp_path / "t", pa.table({name: [i] * 10 for i, name in enumerate(names)}))
    all_mapped = Barrier(len(names))

    class HeldUp(list):
        def append(self, mapped):
            super().append(mapped)
            all_mapped.wait(5)

    folder._maps = HeldUp()
    with ThreadPoolExecutor(len(names)) as workers:
        opened = list(workers.map(lambda name: int(folder.column(name).data[0]), names))

    assert opened == [0, 1, 2, 3]
