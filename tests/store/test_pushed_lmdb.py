"""The embedded store of pushes: whole or not there, whoever is killed; seen at once, and free where it is quiet."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sqlfeat.base.clock import FixedClock
from sqlfeat.store.lmdb_files import opened_files
from sqlfeat.store.pushed import Events, unpacked
from sqlfeat.store.pushed_lmdb import LmdbPushed, LmdbPushes
from tests.made.projects import NOW
from tests.store.pushing import VIEW, push

FIRST = int(NOW.timestamp() * 1e6) + 1
"""The number of the first event of a store that is made now."""


def seen(folder: Path, taken_up: int = 0, key: bytes = b"\0k") -> list[int]:
    """What a view has of a key."""
    found = LmdbPushed(folder, {VIEW: taken_up}).rows(VIEW, key)
    return [int(data) for flag, data in unpacked(found or b"") if flag == 0]


def kept(pushes: LmdbPushes) -> list[int]:
    """The ids that a run gets."""
    _, files = pushes.taken_up()
    return [number for file in files.get("raw.rows", ()) for number in pq.read_table(file)["id"].to_pylist()]


def test_events_are_numbered_as_they_come_and_known_again(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))

    assert push(pushes, [1, 2]) == (2, 0, FIRST + 1)
    assert push(pushes, [2, 3, 3]) == (1, 2, FIRST + 2)
    assert push(pushes, [1]) == (0, 1, FIRST + 2)
    assert seen(tmp_path) == kept(pushes) == [1, 2, 3]


def test_a_reader_adds_what_comes_after_its_snapshot(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    push(pushes, [1, 2, 3])

    assert seen(tmp_path, FIRST) == [2, 3]
    assert seen(tmp_path, FIRST + 2) == []
    assert seen(tmp_path, 0, b"\0other") == []
    assert not LmdbPushed(tmp_path, {VIEW: FIRST + 2}).is_live(VIEW)


def test_a_reader_that_is_there_before_anything_is_pushed_sees_it_at_once(tmp_path: Path) -> None:
    pushed, pushes = LmdbPushed(tmp_path, {VIEW: 0}), LmdbPushes(tmp_path)

    assert not pushed.is_live(VIEW)
    push(pushes, [1])
    assert pushed.is_live(VIEW)
    assert not pushed.is_live("other@1")


def test_what_is_quiet_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(LmdbPushes(tmp_path), [1])
    pushed = LmdbPushed(tmp_path, {VIEW: 2**62})
    assert not pushed.is_live(VIEW)
    monkeypatch.setattr(opened_files, "take", None)

    assert not pushed.is_live(VIEW)


def test_keys_that_begin_alike_are_told_apart_and_long_ones_are_kept(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    keys = [b"\0a", b"\0a" + b"\0" * 10, b"\0" + b"x" * 600, b"\0" + b"x" * 601]
    for number, key in enumerate(keys):
        push(pushes, [number], key)

    assert [seen(tmp_path, 0, key) for key in keys] == [[0], [1], [2], [3]]


def test_what_no_snapshot_needs_is_dropped(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    push(pushes, [1, 2, 3])
    pushes.drop({VIEW: FIRST + 1})
    assert seen(tmp_path) == [3]
    pushes.drop({})

    assert seen(tmp_path) == []
    assert push(pushes, [3])[1] == 1, "it is known again all the same"
    assert kept(pushes) == [1, 2, 3]


def test_files_for_runs_are_never_changed(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    push(pushes, [1])
    last, files = pushes.taken_up()
    before = files["raw.rows"][0].read_bytes()
    push(pushes, [2])

    assert pushes.taken_up()[0] == last + 1
    assert files["raw.rows"][0].read_bytes() == before
    assert len(pushes.taken_up()[1]["raw.rows"]) == 2


def test_what_is_trimmed_is_not_known_again_and_stays_in_the_files_of_runs(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    push(pushes, [1, 2])
    kept(pushes)
    push(pushes, [3])

    assert pushes.trim(FIRST) == FIRST
    assert [push(pushes, [number])[1] for number in (2, 3)] == [1, 1]
    assert pushes.trim(FIRST + 100) == FIRST + 1, "what is in no file yet is known again"
    assert push(pushes, [1])[0] == 1
    assert kept(pushes) == [1, 2, 3, 1]


def test_a_push_that_fails_leaves_nothing(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    push(pushes, [1])
    with pytest.raises(ZeroDivisionError):
        pushes.append(Events("raw.rows", b"", [b"x" * 16], [b""], [True]), [VIEW], lambda _: 1 // 0, lambda *_: ())  # type: ignore[arg-type, return-value]

    assert push(pushes, [2])[0] == 1
    assert seen(tmp_path) == kept(pushes) == [1, 2]


def test_threads_push_one_after_the_other(tmp_path: Path) -> None:
    pushes = LmdbPushes(tmp_path, clock=FixedClock(NOW))
    threads = [threading.Thread(target=lambda n=n: [push(pushes, [n * 100 + i]) for i in range(20)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen(tmp_path)) == sorted(kept(pushes)) == [n * 100 + i for n in range(4) for i in range(20)]


# -- whoever is killed -------------------------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from sqlfeat.store import pushed_lmdb, pushed_segments
from tests.store.pushing import push

folder, first, point = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
write = pushed_segments.write_segment


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def changing(counter):
    counter.numbers[0] |= 1
    yield
    die()


pushes = pushed_lmdb.LmdbPushes(folder)
for start in range(first, first + 30_000, 3):
    if start == first + 30:
        if point == "before it is committed":
            pushed_lmdb._Writing._schema = die
        elif point == "when it is committed":
            pushed_lmdb.Counter.changing = changing
        elif point == "when a file is written":
            pushed_segments.write_segment = lambda *given: (write(*given), die())
            pushes.taken_up()
    push(pushes, [start, start + 1, start + 2])
    print(start, flush=True)
"""


def killed(folder: Path, first: int, point: str) -> list[int]:
    """Push three rows at a time in another process until it is killed; gives what it was told to be kept."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(first), point], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    told = [int(line) for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return told


def check(folder: Path, told: Sequence[int]) -> None:
    """What was told to be kept is there, three by three, and the same online and for runs."""
    pushes = LmdbPushes(folder)
    online, offline = seen(folder), kept(pushes)
    assert online == offline
    assert set(told) <= set(online)
    starts = [number for number in online if number % 3 == 0]
    assert online == [start + place for start in starts for place in range(3)]
    push(pushes, [10**9 - 1, 10**9, 10**9 + 1])
    assert seen(folder)[-1] == kept(pushes)[-1] == 10**9 + 1


@pytest.mark.parametrize("point", ["before it is committed", "when it is committed", "when a file is written"])
def test_whoever_is_killed_at_a_durable_step_leaves_all_or_nothing(tmp_path: Path, point: str) -> None:
    told = killed(tmp_path, 3, point)

    assert len(told) == 10
    check(tmp_path, told)


def test_a_reader_that_is_left_with_an_odd_counter_still_sees_what_is_there(tmp_path: Path) -> None:
    told = killed(tmp_path, 3, "when it is committed")
    pushed = LmdbPushed(tmp_path, {VIEW: 0})

    assert pushed._numbers[0] % 2 == 1
    assert pushed.is_live(VIEW)
    assert [int(data) for flag, data in unpacked(pushed.rows(VIEW, b"\0k") or b"") if flag == 0][-3:] == [
        told[-1] + 3,
        told[-1] + 4,
        told[-1] + 5,
    ]
