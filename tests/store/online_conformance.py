"""What every online store must do.

A store's own test subclasses :class:`OnlineStoreConformance`, with a fixture ``store`` that gives a new empty store,
and ``again`` that opens the same one anew, as another process would.
"""

import threading

import pyarrow as pa
import pytest

from sqlfeat.errors import StoreError
from sqlfeat.store.online import Image, TableWritten


def image(name, entries, batches=1):
    """A table of these entries, in some batches."""
    items = list(entries.items())
    size = max(1, -(-len(items) // batches))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    return Image(name, [tuple(pa.array(side, pa.binary()) for side in zip(*part, strict=True)) for part in parts])


def entries(count, mark=b"v"):
    return {b"\0%06d" % (number * 7919 % 1_000_003): b"%s%d" % (mark, number) for number in range(count)}


class OnlineStoreConformance:
    def test_an_empty_store_says_that_nothing_is_published(self, store):
        with pytest.raises(StoreError) as caught:
            store.open()

        assert caught.value.code == "no-snapshot"
        assert store.newest() is None

    def test_what_is_published_is_read(self, store, again):
        flights, weather = entries(1000), entries(10, b"w")
        written = store.publish({"as_of": "2024-01-01"}, [image("flights", flights, 3), image("weather", weather)])

        assert written.tables == {"flights": TableWritten(1000, 1000), "weather": TableWritten(10, 10)}
        with again().open() as snapshot:
            keys = [*flights, *weather]
            assert snapshot.fetch([("flights", key) for key in keys]) == [flights.get(key) for key in keys]
            assert snapshot.fetch([("weather", key) for key in weather]) == list(weather.values())
            assert snapshot.manifest["as_of"] == "2024-01-01"
            assert {name: told["rows"] for name, told in snapshot.manifest["tables"].items()} == {
                "flights": 1000, "weather": 10,
            }  # fmt: skip

    def test_one_request_reads_several_tables_in_the_order_asked(self, store):
        store.publish({}, [image("a", {b"\0k": b"1"}), image("b", {b"\0k": b"2"}), image("none", {})])

        with store.open() as snapshot:
            asked = [
                ("b", b"\0k"),
                ("a", b"\0k"),
                ("b", b"\0other"),
                ("none", b"\0k"),
                ("unknown", b"\0k"),
                ("a", b"\0k"),
            ]
            assert snapshot.fetch(asked) == [b"2", b"1", None, None, None, b"1"]
            assert snapshot.fetch([]) == []

    def test_any_bytes_are_keys_and_values(self, store):
        odd = {bytes([byte]) * length: bytes([255 - byte]) * 3 for byte in range(256) for length in (1, 2)}
        odd |= {b"\0" + b"k" * 600: b"long", b"\0" + b"k" * 599: b"less long", b"\0\0\r\n {}": b"\0"}
        store.publish({}, [image("odd", odd)])

        with store.open() as snapshot:
            assert snapshot.fetch([("odd", key) for key in odd]) == list(odd.values())

    def test_all_entries_come_by_rising_key(self, store):
        some = entries(500)
        store.publish({}, [image("t", some, 2)])

        with store.open() as snapshot:
            assert list(snapshot.items("t")) == sorted(some.items())
            assert list(snapshot.items("unknown")) == []

    def test_a_new_snapshot_has_nothing_of_the_old_one(self, store, again):
        store.publish({}, [image("t", {b"\0a": b"1", b"\0b": b"2"}), image("gone", {b"\0a": b"1"})])
        store.publish({}, [image("t", {b"\0b": b"3"})])

        with again().open() as snapshot:
            assert snapshot.fetch([("t", b"\0a"), ("t", b"\0b"), ("gone", b"\0a")]) == [None, b"3", None]

    def test_whoever_has_a_snapshot_open_goes_on_reading_it(self, store):
        store.publish({}, [image("t", entries(100, b"old"))])
        with store.open() as old:
            first = old.number
            for mark in (b"new", b"newer", b"newest"):
                store.publish({}, [image("t", entries(100, mark))])

            assert old.fetch([("t", key) for key in entries(100)]) == list(entries(100, b"old").values())
            with store.open() as new:
                assert new.fetch([("t", key) for key in entries(100)]) == list(entries(100, b"newest").values())
                assert new.number > first
                assert store.newest() == new.number

    def test_an_incremental_snapshot_writes_what_changed_and_reads_like_a_whole_one(self, store, again):
        state = entries(200)
        store.publish({}, [image("t", state), image("same", {b"\0a": b"1"})])
        for step in range(7):
            keys = list(state)
            gone, changed = keys[step], keys[step + 20]
            state = {key: value for key, value in state.items() if key != gone}
            state |= {changed: b"changed%d" % step, b"\0new%d" % step: b"new"}
            written = store.publish({}, [image("t", state, 2), image("same", {b"\0a": b"1"})], incremental=True)

            if written.incremental:
                assert written.tables == {"t": TableWritten(200, 2, 1), "same": TableWritten(1, 0)}
            with again().open() as snapshot:
                assert list(snapshot.items("t")) == sorted(state.items())
                assert snapshot.fetch([("t", key) for key in [*keys, changed]]) == [
                    state.get(key) for key in [*keys, changed]
                ]
                assert snapshot.fetch([("same", b"\0a")]) == [b"1"]

    def test_a_key_that_came_back_is_there_again(self, store):
        for there in ({b"\0a": b"1"}, {}, {b"\0a": b"2"}, {}):
            store.publish({}, [image("t", there)], incremental=True)
            with store.open() as snapshot:
                assert snapshot.fetch([("t", b"\0a")]) == [there.get(b"\0a")]
                assert list(snapshot.items("t")) == list(there.items())

    def test_a_publication_that_fails_leaves_the_last_one(self, store, again):
        store.publish({}, [image("t", {b"\0a": b"1"})])

        def broken():
            yield image("t", {b"\0a": b"2"})
            raise KeyboardInterrupt

        for incremental in (False, True):
            with pytest.raises(KeyboardInterrupt):
                store.publish({}, broken(), incremental=incremental)
        with again().open() as snapshot:
            assert snapshot.fetch([("t", b"\0a")]) == [b"1"]

    def test_many_threads_read_one_snapshot(self, store):
        some = entries(300)
        store.publish({}, [image("t", some)])
        wrong = []
        with store.open() as snapshot:

            def read():
                for key, value in some.items():
                    if snapshot.fetch([("t", key)]) != [value]:
                        wrong.append(key)

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert wrong == []

    def test_a_second_publisher_is_told_of_the_first(self, store, again):
        def second():
            with pytest.raises(StoreError) as caught:
                again().publish({}, [image("t", {b"\0a": b"2"})])
            assert caught.value.code == "locked"
            yield image("t", {b"\0a": b"1"})

        store.publish({}, second())
        with store.open() as snapshot:
            assert snapshot.fetch([("t", b"\0a")]) == [b"1"]
