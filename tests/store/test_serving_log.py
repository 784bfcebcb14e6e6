"""A log of what was served: nobody waits for it, what is in it is whole, and what it loses is counted."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import SqlfeatError
from sqlfeat.store.plain_values import from_arrow
from sqlfeat.store.serving_log import (
    LoggedRow,
    RowKind,
    ServingLog,
    fits_parquet,
    is_sampled,
    log_files,
)

NOON = datetime(2024, 5, 4, 12, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = ("n", pa.int64())


def kind(*features: tuple[str, pa.DataType], subject: str = "deals", **changes: Any) -> RowKind:
    given = {"training_set": "deals", "model": None, "version": None, "snapshot": 3, "snapshot_as_of": 0}
    return RowKind(subject, keys=(), request=(), features=features or (NUMBER,), about={"x": 1}, **{**given, **changes})


def row(*features: Any, request_id: str = "a", at: datetime = NOON) -> LoggedRow:
    instant = (at - EPOCH) // timedelta(microseconds=1)
    return LoggedRow(request_id, 0, "python", instant, instant, 0.001, (), (), features, {"v": "found"}, {"v": None})


def log(folder: Path, **settings: Any) -> ServingLog:
    return ServingLog(folder, clock=FixedClock(NOON), **settings)


def read(folder: Path) -> list[dict[str, Any]]:
    return [one for file in log_files(folder) for one in file.read().to_pylist()]


def test_rows_are_written_by_subject_and_hour(tmp_path: Path) -> None:
    made = log(tmp_path)
    of_deals, of_view = kind(), kind(subject="views/sales", training_set=None)
    made.offer(of_deals, [row(1), row(2, at=NOON + timedelta(minutes=59)), row(3, at=NOON + timedelta(hours=1))])
    made.offer(of_view, [row(4)])
    made.close()

    folders = {str(file.path.parent.relative_to(tmp_path)) for file in log_files(tmp_path)}
    assert folders == {
        "deals/date=2024-05-04/hour=12",
        "deals/date=2024-05-04/hour=13",
        "views/sales/date=2024-05-04/hour=12",
    }
    assert [one["features"]["n"] for one in read(tmp_path)] == [1, 2, 4, 3]
    assert made.written == 4


def test_a_file_says_what_its_rows_were_answered_from(tmp_path: Path) -> None:
    made = log(tmp_path)
    made.offer(kind(), [row(1)])
    made.close()
    (file,) = log_files(tmp_path)

    assert file.about == {"format_version": 1, "x": 1}


def test_every_flush_makes_another_file_and_none_is_changed(tmp_path: Path) -> None:
    made, one = log(tmp_path), kind()
    made.offer(one, [row(1)])
    made.flush()
    (first,) = log_files(tmp_path)
    before = first.path.read_bytes()
    made.offer(one, [row(2)])
    made.close()

    assert first.path.read_bytes() == before
    assert [one["features"]["n"] for one in read(tmp_path)] == [1, 2]
    assert not list(tmp_path.glob("**/*.tmp"))


def test_what_the_queue_has_no_room_for_is_dropped_and_counted(tmp_path: Path) -> None:
    made = log(tmp_path, waiting=3)
    made._writing.acquire()  # the disk does not answer
    made.offer(kind(), [row(1), row(2)])
    made.offer(kind(), [row(3), row(4)])
    made._writing.release()
    made.close()

    assert (made.written, made.dropped) == (3, 1)


def test_a_disk_that_takes_nothing_costs_rows_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    made = log(tmp_path / "log")
    made.offer(kind(), [row(1)])
    made.close()

    assert (made.written, made.failed) == (0, 1)
    assert made.problem is not None
    assert made.problem.code == "cannot-write"


def test_a_log_that_was_closed_goes_on_when_a_row_comes(tmp_path: Path) -> None:
    made, one = log(tmp_path), kind()
    for number in range(3):
        made.offer(one, [row(number)])
        made.close()

    assert [one["features"]["n"] for one in read(tmp_path)] == [0, 1, 2]


def test_rows_of_many_threads_are_all_there(tmp_path: Path) -> None:
    made, one = log(tmp_path), kind()

    def work(first: int) -> None:
        for number in range(first, first + 200):
            made.offer(one, [row(number)])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 800, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.close()

    assert sorted(one["features"]["n"] for one in read(tmp_path)) == list(range(800))


def test_a_sample_is_a_share_and_the_same_each_time() -> None:
    ids = [f"request-{number}" for number in range(20_000)]
    chosen = {one for one in ids if is_sampled(one, 0.1)}

    assert 0.09 < len(chosen) / len(ids) < 0.11
    assert chosen == {one for one in ids if is_sampled(one, 0.1)}
    assert chosen < {one for one in ids if is_sampled(one, 0.2)}
    assert not any(is_sampled(one, 0.0) for one in ids)
    assert all(is_sampled(one, 1.0) for one in ids)


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        (pa.float64(), [1.5, float("inf"), -0.0, None]),
        (pa.decimal128(38, 0), [2**100, None]),
        (pa.decimal128(18, 2), [12345, -1]),
        (pa.timestamp("us", "UTC"), [1_700_000_000_123_456, None]),
        (pa.date32(), [19_000, None]),
        (pa.time64("us"), [1_000_001]),
        (pa.string(), ["ö\0", "", None]),
        (pa.dictionary(pa.uint8(), pa.string()), ["tea", None, "jam"]),
        (pa.list_(pa.int64()), [[1, None], [], None]),
        (pa.struct([("a", pa.int32()), ("b", pa.string())]), [{"a": 1, "b": None}, None]),
        (pa.map_(pa.string(), pa.float64()), [{"k": 1.0}, {}, None]),
    ],
)
def test_values_come_back_as_they_were(tmp_path: Path, typed: pa.DataType, values: list[Any]) -> None:
    made = log(tmp_path)
    made.offer(kind(("x", typed)), [row(value) for value in values])
    made.close()
    (file,) = log_files(tmp_path)

    found = from_arrow(pa.compute.struct_field(file.read()["features"].combine_chunks(), "x").cast(typed))
    assert list(map(repr, found)) == list(map(repr, values))


def test_what_parquet_has_no_type_for_is_text(tmp_path: Path) -> None:
    made = log(tmp_path)
    made.offer(kind(("x", pa.month_day_nano_interval())), [row((1, 2, 3)), row(None)])
    made.close()

    told = '{"months": 1, "days": 2, "microseconds": 3}'
    assert [one["features"]["x"] for one in read(tmp_path)] == [told, None]
    assert not fits_parquet(pa.list_(pa.month_day_nano_interval()))


@given(ids=st.lists(st.text(max_size=20), max_size=5))
def test_any_id_can_be_asked_for(ids: list[str]) -> None:
    for one in ids:
        assert is_sampled(one, 0.5) in (True, False)


def test_files_are_read_from_an_hour_on(tmp_path: Path) -> None:
    made, one = log(tmp_path), kind()
    made.offer(one, [row(hour, at=NOON + timedelta(hours=hour)) for hour in range(14)])
    made.close()

    found = list(log_files(tmp_path, NOON + timedelta(hours=12, minutes=30)))
    assert [file.read()["features"].to_pylist() for file in found] == [[{"n": 12}], [{"n": 13}]]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all"])
def test_a_file_that_is_none_of_a_log_is_told_of(tmp_path: Path, damage: bytes) -> None:
    made = log(tmp_path)
    made.offer(kind(), [row(1)])
    made.close()
    (file,) = log_files(tmp_path)
    file.path.write_bytes(damage)

    with pytest.raises(SqlfeatError) as caught:
        list(log_files(tmp_path))
    assert (caught.value.code, str(file.path) in caught.value.what) == ("damaged-log", True)


def test_a_strange_parquet_file_is_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "deals" / "date=2024-05-04" / "hour=12"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), folder / "a.parquet")
    with pytest.raises(SqlfeatError) as caught:
        list(log_files(tmp_path))

    assert caught.value.code == "damaged-log"


def test_without_a_folder_there_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(SqlfeatError) as caught:
        list(log_files(tmp_path / "none"))

    assert caught.value.code == "no-serving-log"
