"""Immutable folders: whole or not there, and refused when a byte is not what was written."""

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.errors import StoreError
from sqlfeat.store.artifacts import (
    TRAINING_SET,
    load_training_set,
    publish_folder,
    read_file,
    read_manifest,
    verify_files,
)
from sqlfeat.store.training_set import FORMAT_VERSION
from tests.made.training_sets import COLUMNS, flights, keep, late_flights


def fill(folder: Path) -> dict[str, object]:
    (folder / "inner").mkdir()
    (folder / "inner" / "rows.txt").write_text("one\ntwo\n")
    (folder / "notes.txt").write_text("hello")
    return {"id": "a1", "rows": 2}


def rewrite(folder: Path, **changes: object) -> None:
    """Write the manifest anew with a right checksum, as another sqlfeat or a forger would."""
    manifest = {**json.loads((folder / "manifest.json").read_text()), **changes}
    manifest.pop("checksum")
    manifest["checksum"] = sha256_text(canonical_json(manifest))
    (folder / "manifest.json").write_text(canonical_json(manifest))


def test_what_is_published_is_read_back(tmp_path):
    published = publish_folder(tmp_path / "a1", fill)

    assert published.created
    assert read_manifest(tmp_path / "a1") == published.manifest
    assert published.manifest["rows"] == 2
    assert published.manifest["kind"] == "training_set"
    assert list(published.manifest["files"]) == ["inner/rows.txt", "notes.txt"]
    verify_files(tmp_path / "a1", published.manifest)
    assert read_file(tmp_path / "a1", published.manifest, "notes.txt") == b"hello"


def test_publishing_twice_keeps_the_first_and_leaves_nothing_behind(tmp_path):
    publish_folder(tmp_path / "a1", fill)

    again = publish_folder(tmp_path / "a1", lambda folder: pytest.fail("it is there already"))

    assert not again.created
    assert again.manifest["id"] == "a1"
    assert [place.name for place in tmp_path.iterdir()] == ["a1"]


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path):
    def broken(folder: Path) -> dict[str, object]:
        fill(folder)
        raise StoreError("no-luck", "It was not to be.")

    with pytest.raises(StoreError, match="It was not to be"):
        publish_folder(tmp_path / "a1", broken)

    assert list(tmp_path.iterdir()) == []


def test_of_writers_that_race_one_wins_and_the_others_are_content(tmp_path):
    started = threading.Barrier(6)
    created = []

    def slow(folder: Path) -> dict[str, object]:
        started.wait(timeout=10)
        return fill(folder)

    def write() -> None:
        created.append(publish_folder(tmp_path / "a1", slow).created)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(created) == [False] * 5 + [True]
    verify_files(tmp_path / "a1", read_manifest(tmp_path / "a1"))
    assert [place.name for place in tmp_path.iterdir() if not place.name.startswith(".lock")] == ["a1"]


def test_a_folder_without_a_manifest_is_no_artifact_and_makes_room(tmp_path):
    (tmp_path / "a1").mkdir()
    (tmp_path / "a1" / "half.parquet").write_text("PAR1")
    with pytest.raises(StoreError, match=r"manifest\.json is damaged: it is missing"):
        read_manifest(tmp_path / "a1")

    assert publish_folder(tmp_path / "a1", fill).created
    assert not (tmp_path / "a1" / "half.parquet").exists()


def test_what_is_not_there_is_said_to_be_not_there(tmp_path):
    with pytest.raises(StoreError, match="There is no training set at") as caught:
        read_manifest(tmp_path / "a1")

    assert caught.value.code == "no-such-artifact"


@pytest.mark.parametrize(
    ("version", "code", "hint"),
    [
        (FORMAT_VERSION + 1, "newer-format", "a newer sqlfeat wrote it: update sqlfeat."),
        (FORMAT_VERSION - 1, "older-format", "an older sqlfeat"),
    ],
)
def test_another_format_is_refused_with_words(tmp_path, version, code, hint):
    publish_folder(tmp_path / "a1", fill)
    rewrite(tmp_path / "a1", format=version)

    with pytest.raises(StoreError, match=f"has format {version} of a training set; this sqlfeat reads") as caught:
        read_manifest(tmp_path / "a1")

    assert caught.value.code == code
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("name", ["../other.txt", "/etc/hostname"])
def test_a_manifest_cannot_name_files_outside_of_its_folder(tmp_path, name):
    publish_folder(tmp_path / "a1", fill)
    rewrite(tmp_path / "a1", files={name: {"bytes": 5, "sha256": "00"}})

    with pytest.raises(StoreError, match="names no file"):
        verify_files(tmp_path / "a1", read_manifest(tmp_path / "a1"))


def test_another_kind_of_artifact_is_refused(tmp_path):
    publish_folder(tmp_path / "a1", fill)
    rewrite(tmp_path / "a1", kind="model_version")

    with pytest.raises(StoreError, match="it describes a 'model_version'"):
        read_manifest(tmp_path / "a1")


def test_a_training_set_comes_back_as_it_was(tmp_path):
    made = late_flights(tmp_path)

    loaded = load_training_set(made.path, verify=True)

    assert made.created
    assert not loaded.created
    assert loaded.columns == COLUMNS
    assert list(loaded.splits.items()) == [("train", 120), ("validation", 40), ("test", 40)]
    assert loaded.rows == 200
    assert loaded.label == "is_late"
    assert list(loaded.null_rates) == [column.name for column in COLUMNS]
    assert loaded.manifest["features"] == {"carrier_delays.delay_7d": "f1"}


def test_every_changed_byte_of_a_training_set_is_found(tmp_path):
    made = keep(tmp_path, {"train": flights(20), "test": flights(10)})
    dice = random.Random(20130101)
    files = sorted(path for path in made.path.rglob("*") if path.is_file())

    for _ in range(200):
        path = dice.choice(files)
        original = path.read_bytes()
        path.write_bytes(mutated(original, dice))
        with pytest.raises(StoreError) as caught:
            load_training_set(made.path, verify=True)
        assert caught.value.code in (TRAINING_SET.damaged, "newer-format", "older-format")
        assert path.name in caught.value.what
        path.write_bytes(original)

    assert load_training_set(made.path, verify=True).rows == 30


def mutated(original: bytes, dice: random.Random) -> bytes:
    """The bytes with one changed, some cut off, some added, or none left."""
    position = dice.randrange(len(original))
    match dice.randrange(8):
        case 0:
            return original[:position]
        case 1:
            return original + bytes([dice.randrange(256)])
        case 2:
            return b""
        case _:
            changed = original[position] ^ dice.randrange(1, 256)
            return original[:position] + bytes([changed]) + original[position + 1 :]


def test_what_dead_processes_left_long_ago_goes_when_something_new_is_made_beside_it(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    long_ago, lately, living = (
        tmp_path / f".b{number}.{process}.00ff00ff.tmp"
        for number, process in enumerate((gone.pid, gone.pid, os.getpid()))
    )
    for folder in (long_ago, lately, living):
        folder.mkdir()
    for folder in (long_ago, living):
        os.utime(folder, (0, 0))

    publish_folder(tmp_path / "a1", fill)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([lately.name, living.name, "a1"])
