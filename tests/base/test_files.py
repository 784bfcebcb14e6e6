"""Files are whole or not there; a folder has one writer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sqlfeat.base.assets import assets
from sqlfeat.base.clock import FixedClock, SystemClock
from sqlfeat.base.files import FolderLock, canonical_json, sha256, sha256_text, write_atomically
from sqlfeat.errors import StoreError

NOON = FixedClock(datetime(2013, 1, 1, 12, tzinfo=UTC))


def test_a_file_is_written_whole_and_its_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"

    write_atomically(path, "grüße")
    write_atomically(path, b"newer")

    assert path.read_bytes() == b"newer"
    assert [entry.name for entry in path.parent.iterdir()] == ["c.txt"]


def test_a_written_file_has_the_usual_rights(tmp_path):
    write_atomically(tmp_path / "ours", "x")
    (tmp_path / "usual").write_text("x")

    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    write_atomically(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        write_atomically(path, "new")

    assert caught.value.code == "cannot-write"
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


def test_hashes_are_those_of_the_bytes(tmp_path):
    (tmp_path / "x").write_text("abc")

    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "x") == expected
    assert sha256_text("abc") == expected


def test_canonical_json_is_one_text_for_equal_values():
    assert canonical_json({"b": [1, 2.5], "a": "ü"}) == canonical_json({"a": "ü", "b": (1, 2.5)})
    assert canonical_json({"b": 1, "a": None}) == '{"a":null,"b":1}'
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))


def test_the_second_writer_is_told_who_is_first_and_since_when(tmp_path):
    with FolderLock(tmp_path, clock=NOON), pytest.raises(StoreError) as caught, FolderLock(tmp_path):
        pass

    assert caught.value.code == "locked"
    assert f"is being written by process {os.getpid()} since 2013-01-01T12:00:00+00:00." in caught.value.what


def test_a_lock_ends_with_its_block(tmp_path):
    for _ in range(2):
        with FolderLock(tmp_path / "new"):
            assert json.loads((tmp_path / "new" / ".lock.holder").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "new" / ".lock.holder").exists()


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    program = (
        "import os, sys, pathlib; from sqlfeat.base.files import FolderLock;"
        "FolderLock(pathlib.Path(sys.argv[1])).__enter__(); os._exit(9)"
    )
    checkout = str(Path(__file__).resolve().parents[2])
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env={**os.environ, "PYTHONPATH": checkout}, check=False
    )

    assert (tmp_path / ".lock.holder").exists()
    with FolderLock(tmp_path):
        pass


def test_clocks_tell_aware_instants():
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().monotonic() <= SystemClock().monotonic()
    assert NOON.now() == datetime(2013, 1, 1, 12, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        FixedClock(datetime(2013, 1, 1))


@pytest.mark.parametrize("name", ["macros", "project_template"])
def test_the_packaged_folders_are_found(name):
    assert assets(name).is_dir()


def test_a_packaged_folder_that_is_missing_is_told():
    with pytest.raises(StoreError, match="has no folder 'nothing'"):
        assets("nothing")
