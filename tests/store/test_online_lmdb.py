"""The embedded online store: all that a store must do, and what becomes of damaged files and killed publishers."""

import os
import random
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from sqlfeat.errors import StoreError
from sqlfeat.store.online import Image
from sqlfeat.store.online_lmdb import KEPT, MOST_LAYERS, LmdbStore
from tests.made.damage import damaged
from tests.store.online_conformance import OnlineStoreConformance, entries, image


class TestLmdb(OnlineStoreConformance):
    @pytest.fixture
    def store(self, tmp_path):
        return LmdbStore(tmp_path / "online")

    @pytest.fixture
    def again(self, tmp_path):
        return lambda: LmdbStore(tmp_path / "online")


@pytest.fixture
def store(tmp_path):
    return LmdbStore(tmp_path / "online")


def test_old_snapshots_and_what_killed_publishers_left_are_collected(store):
    (store.folder / ".v1.99.abcd.tmp").mkdir(parents=True)
    for number in range(KEPT + 2):
        store.publish({}, [image("t", {b"\0a": b"%d" % number})])

    assert sorted(path.name for path in store.folder.glob("*v*")) == [f"v{KEPT + 1}", f"v{KEPT + 2}"]


def test_layers_are_shared_and_never_too_many(store):
    for number in range(10):
        store.publish({}, [image("t", entries(50) | {b"\0x": b"%d" % number})], incremental=True)
        with store.open() as snapshot:
            assert len(snapshot.layers) <= MOST_LAYERS
            assert snapshot.fetch([("t", b"\0x")]) == [b"%d" % number]


def test_a_damaged_snapshot_is_passed_over_and_named(store):
    generator = random.Random(6)
    for _ in range(40):
        store.publish({}, [image("t", {b"\0a": b"good"})])
        latest = store.publish({}, [image("t", {b"\0a": b"better", **entries(300)})]).number
        folder = store.folder / f"v{latest}"
        damaged(generator.choice(sorted(path for path in folder.iterdir() if path.is_file())), generator)

        with store.open() as snapshot:
            assert snapshot.fetch([("t", b"\0a")]) == [b"good"]
            assert snapshot.number == latest - 1
            assert [error.code for error in snapshot.passed_over] == ["damaged-snapshot"]
            assert f"v{latest}" in snapshot.passed_over[0].what


def test_where_nothing_is_whole_the_error_says_what_is_damaged(store):
    number = store.publish({}, [image("t", {b"\0a": b"1"})]).number
    (store.folder / f"v{number}" / f"layer-{number}.mdb").write_bytes(b"nothing of the kind")

    with pytest.raises(StoreError) as caught:
        store.open()
    assert caught.value.code == "damaged-snapshot"
    assert "sqlfeat publish" in (caught.value.hint or "")


def test_an_incremental_publication_over_a_damaged_one_builds_on_the_last_good_one(store):
    store.publish({}, [image("t", {b"\0a": b"1", b"\0b": b"1"})])
    number = store.publish({}, [image("t", {b"\0a": b"2", b"\0c": b"2"})]).number
    (store.folder / f"v{number}" / "manifest.json").write_bytes(b"{}")
    store.publish({}, [image("t", {b"\0a": b"3", b"\0b": b"3"})], incremental=True)

    with store.open() as snapshot:
        assert list(snapshot.items("t")) == [(b"\0a", b"3"), (b"\0b", b"3")]


PUBLISHER = """
import sys
from pathlib import Path
from sqlfeat.store.online_lmdb import LmdbStore
from tests.store.test_online_lmdb import generation
store = LmdbStore(Path(sys.argv[1]), wait=60)
number = int(sys.argv[2])
print("ready", flush=True)
while True:
    store.publish({"generation": number}, generation(number), incremental=number % 3 == 0)
    number += 1
"""


def generation(number):
    """Tables in which every value says of which publication it is."""
    mark = b"%d" % number
    return [image(name, dict.fromkeys(entries(400), mark)) for name in ("one", "two", "three")]


def whole(snapshot):
    """Whether everything in a snapshot is of one publication."""
    keys = [(name, key) for key in list(entries(400))[::37] for name in ("one", "two", "three")]
    return set(snapshot.fetch(keys)) == {b"%d" % snapshot.manifest["generation"]}


def test_readers_see_the_old_or_the_new_snapshot_whole_however_publishers_are_killed(store):
    generator = random.Random(int(os.environ.get("SQLFEAT_SEED", "1")))
    kills = int(os.environ.get("SQLFEAT_KILLS", "4"))
    store.publish({"generation": 0}, generation(0))
    reads = 0
    for kill in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, str(store.folder), str(1 + kill * 1000)], stdout=subprocess.PIPE
        ) as publisher:
            assert publisher.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + generator.uniform(0.0, 0.25)
            while time.monotonic() < deadline:
                with store.open() as snapshot:
                    assert whole(snapshot)
                    reads += 1
            publisher.send_signal(signal.SIGKILL)
        with store.open() as snapshot:
            assert whole(snapshot)
            assert snapshot.passed_over == ()
    assert reads > kills


def test_a_million_rows_need_no_more_than_their_arrow_form_to_be_written(store):
    keys = pa.array([b"\0%08d" % number for number in range(20_000)], pa.binary())
    values = pa.array([b"x" * 1000] * 20_000, pa.binary())
    written = store.publish({}, [Image("t", [(keys, values)])])

    assert written.tables["t"].rows == 20_000
    assert 20_000_000 < written.size < 40_000_000
