"""The training sets under a folder: what a reference means, which is the newest, which are damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sqlfeat.errors import StoreError, UsageError
from sqlfeat.store.training_sets import abandoned, drop, find, kept_sets, mark_asked
from tests.made.training_sets import flights, keep

THEN = datetime(2013, 4, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sets of one name; 0f3a was asked for last, then 0f91, then b2c4."""
    for position, identity in enumerate(("b2c4", "0f91", "0f3a")):
        made = keep(tmp_path, {"all": flights(3 + position)}, identity=identity)
        mark_asked(made.path, THEN + timedelta(days=position))
    return tmp_path


def test_the_newest_of_a_name_comes_first(folder):
    assert [kept.id for kept in kept_sets(folder)] == ["0f3a", "0f91", "b2c4"]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("late_flights", "0f3a"),
        ("late_flights@latest", "0f3a"),
        ("late_flights@previous", "0f91"),
        ("late_flights@0f9", "0f91"),
        ("late_flights@b", "b2c4"),
        ("b2", "b2c4"),
        ("0f3a", "0f3a"),
    ],
)
def test_a_reference_means_one_set(folder, reference, expected):
    assert find(folder, reference).id == expected


@pytest.mark.parametrize(
    ("reference", "error", "code", "hint"),
    [
        ("0f", UsageError, "ambiguous-id", "write more of it: late_flights@0f3a, late_flights@0f91."),
        ("late_flights@0", UsageError, "ambiguous-id", "write more of it: late_flights@0f3a, late_flights@0f91."),
        ("late_flights@77", StoreError, "no-such-training-set", "there is late_flights@0f3a, late_flights@0f91"),
        ("late_flihgts", StoreError, "no-such-training-set", "did you mean 'late_flights'?"),
        ("abc", StoreError, "no-such-training-set", "there is late_flights@0f3a"),
        ("late flights", UsageError, "bad-reference", "write NAME for its newest"),
        ("late_flights@../x", UsageError, "bad-reference", "write NAME for its newest"),
    ],
)
def test_a_reference_that_means_none_or_several_is_refused_with_a_way_on(folder, reference, error, code, hint):
    with pytest.raises(error) as caught:
        find(folder, reference)

    assert caught.value.code == code
    assert caught.value.hint.startswith(hint)


def test_what_is_asked_for_again_is_the_newest(folder):
    mark_asked(folder / "late_flights" / "b2c4", THEN + timedelta(days=9))

    assert find(folder, "late_flights").id == "b2c4"


def test_a_damaged_set_is_listed_and_never_given(folder):
    damaged = folder / "late_flights" / "0f91" / "all.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")

    listed = {kept.id: kept for kept in kept_sets(folder)}
    assert [listed[id_].error is None for id_ in ("0f3a", "0f91", "b2c4")] == [True, False, True]
    assert listed["0f91"].training_set is None
    assert listed["0f91"].error.code == "damaged-training-set"
    with pytest.raises(StoreError, match=r"all\.parquet is damaged"):
        find(folder, "0f91")


def test_a_set_that_lies_where_another_belongs_is_damaged(folder):
    shutil.copytree(folder / "late_flights" / "0f91", folder / "late_flights" / "c111")

    with pytest.raises(StoreError, match="it belongs to late_flights@0f91"):
        find(folder, "c111")


def test_what_is_half_written_is_no_set(folder):
    (folder / "late_flights" / f".d4.{os.getpid()}.00ff00ff.tmp").mkdir()

    assert [kept.id for kept in kept_sets(folder)] == ["0f3a", "0f91", "b2c4"]


def test_only_what_a_dead_process_left_is_abandoned(folder):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    (folder / "late_flights" / f".d4.{os.getpid()}.00ff00ff.tmp").mkdir()
    left = folder / "late_flights" / f".d5.{gone.pid}.00ff00ff.tmp"
    left.mkdir()

    assert abandoned(folder) == [left]


def test_a_dropped_set_leaves_nothing(folder):
    drop(kept_sets(folder)[0])

    assert sorted(place.name for place in (folder / "late_flights").iterdir()) == ["0f91", "b2c4"]


def test_nothing_is_kept_in_a_folder_that_is_not_there(tmp_path):
    assert kept_sets(tmp_path / "nowhere") == []
