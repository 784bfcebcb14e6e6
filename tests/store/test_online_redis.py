"""The online store on Redis and Valkey: all that a store must do, on real servers, and what becomes of lost data."""

import itertools
import re

import pytest

from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.online_redis import KEPT, MOST_LAYERS, RedisStore
from sqlfeat.store.redis_publication import PublisherLock
from sqlfeat.store.redis_server import RedisServer
from sqlfeat.store.redis_wire import command
from tests.docs.pages import DOCS
from tests.made.redis import KINDS, Proxy, expected_kinds, programs, running
from tests.store.online_conformance import OnlineStoreConformance, entries, image
from tests.store.test_pushed_redis import kept, push, seen

_names = itertools.count()


@pytest.fixture(scope="module", params=KINDS)
def server(request):
    with running(request.param) as server:
        yield server


@pytest.fixture
def make(server):
    """Gives stores of one name that no other test has."""
    name = f"test{next(_names)}"
    address = RedisAddress.parse(server.url)
    return lambda **settings: RedisStore(address, settings.pop("name", name), **{"timeout": 20.0, **settings})


@pytest.fixture
def store(make):
    return make(grace=0.0)


@pytest.fixture
def ask(server):
    """Asks the server itself."""
    client = RedisServer(RedisAddress.parse(server.url), timeout=20.0)
    return lambda *words: client.ask(command(*words), 1)[0]


class TestRedis(OnlineStoreConformance):
    @pytest.fixture
    def store(self, make):
        return make()

    @pytest.fixture
    def again(self, make):
        return make


def test_the_servers_that_the_development_packages_bring_are_tested():
    assert expected_kinds() <= programs().keys()


def keys_of(ask, store):
    """All keys of a store, found without its own lists."""
    prefix = store.home.keys.prefix
    return {key.removeprefix(prefix) for key in ask(b"KEYS", prefix + b"*")}


def code_of(call):
    with pytest.raises(StoreError) as caught:
        call()
    return caught.value.code


# -- old and unfinished snapshots --------------------------------------------------------------------------------------


def test_old_snapshots_are_collected_with_all_that_only_they_need(store, ask):
    for number in range(KEPT + 3):
        store.publish({}, [image("t", {b"\0a": b"%d" % number})])

    found = keys_of(ask, store)
    assert {b"snapshot:%d" % number for number in (KEPT + 2, KEPT + 3)} == {
        key for key in found if key.startswith(b"snapshot:")
    }
    assert len([key for key in found if key.startswith(b"layer:")]) == KEPT
    assert ask(b"SCARD", store.home.keys.begun) == KEPT
    assert b"lock" not in found


def test_a_snapshot_that_was_current_until_now_is_not_collected(make):
    store = make(grace=1000.0)
    store.publish({}, [image("t", {b"\0a": b"first"})])
    with store.open() as first:
        for number in range(KEPT + 3):
            store.publish({}, [image("t", {b"\0a": b"%d" % number})])

        assert first.fetch([("t", b"\0a")]) == [b"first"]


def test_what_a_killed_publisher_left_is_removed_by_the_next(make, store, ask):
    class Killed(BaseException):
        pass

    def half():
        yield image("t", entries(1200))
        raise Killed

    def killed(_):
        raise Killed  # before anything of it could be removed

    other = make(lease=0.05, grace=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sqlfeat.store.redis_publication.Publication.abandon", killed)
        patch.setattr(PublisherLock, "__exit__", lambda lock, *_: lock._end.set())
        with pytest.raises(Killed):
            other.publish({}, half())
    left = {key for key in keys_of(ask, store) if key.startswith(b"layer:")}
    make(wait=20.0, grace=0.0).publish({}, [image("t", {b"\0a": b"1"})])

    assert len(left) == 1
    assert not left & keys_of(ask, store)
    assert store.newest() is not None


def test_layers_are_shared_and_never_too_many(store, ask):
    for number in range(10):
        store.publish({}, [image("t", entries(50) | {b"\0x": b"%d" % number})], incremental=True)
        with store.open() as snapshot:
            assert len(snapshot.layers) <= MOST_LAYERS
            assert snapshot.fetch([("t", b"\0x")]) == [b"%d" % number]
    assert len([key for key in keys_of(ask, store) if key.startswith(b"layer:")]) <= MOST_LAYERS + 1


def test_projects_of_other_names_do_not_meet(make):
    one, other = make(name="one"), make(name="one:two")
    one.publish({}, [image("t", {b"\0a": b"1"})])
    other.publish({}, [image("t", {b"\0a": b"2"})])
    other.publish({}, [image("t", {b"\0a": b"3"})])

    with one.open() as first, other.open() as second:
        assert [first.fetch([("t", b"\0a")]), second.fetch([("t", b"\0a")])] == [[b"1"], [b"3"]]


def test_the_commands_that_the_guide_names_are_enough(server, make, ask, tmp_path):
    told = (DOCS / "guides" / "online.md").read_text()
    commands = re.search(r"The user needs the commands `([A-Z \n]+)`", told)[1].split()
    reading = re.search(r"readers `([A-Z \n]+)` alone", told)[1].split()
    made = {}
    for user, allowed in (("publisher", commands), ("reader", reading)):
        rules = [b"on", b">secret", b"~sqlfeat:*", *(b"+" + one.lower().encode() for one in allowed)]
        ask(b"ACL", b"SETUSER", user.encode(), *rules)
        address = RedisAddress.parse(server.url.replace("redis://", f"redis://{user}:secret@"))
        made[user] = RedisStore(address, make().home.keys.name, timeout=20.0, grace=0.0)
    for number in range(KEPT + 2):
        made["publisher"].publish({}, [image("t", {b"\0a": b"%d" % number, b"\0%d" % number: b""})], incremental=True)
    with made["reader"].open() as snapshot:
        assert snapshot.fetch([("t", b"\0a")]) == [b"%d" % (KEPT + 1)]
        assert len(list(snapshot.items("t"))) == 1
    assert made["reader"].newest() == KEPT + 2
    pushes = made["publisher"].pushes(tmp_path)
    push(pushes, [1, 2], event=b"event")
    assert kept(pushes) == [1, 2]
    assert seen(made["reader"].pushes(tmp_path)) == [1, 2]
    pushes.drop({})
    assert seen(pushes) == []
    assert code_of(lambda: made["reader"].publish({}, [])) == "online-store-down"


# -- one publisher at a time -------------------------------------------------------------------------------------------


def test_a_publisher_that_was_away_for_too_long_changes_nothing(make, ask):
    late, quick = make(), make()

    def overtaken():
        yield image("t", {b"\0a": b"late"})
        ask(b"DEL", late.home.keys.lock)  # as when its lease ran out
        quick.publish({}, [image("t", {b"\0a": b"quick"})])

    assert code_of(lambda: late.publish({}, overtaken())) == "locked"
    with quick.open() as snapshot:
        assert snapshot.fetch([("t", b"\0a")]) == [b"quick"]
    assert len([key for key in keys_of(ask, late) if key.startswith(b"layer:")]) == 1


def test_a_last_step_whose_answer_is_lost_is_not_undone(store):
    make_current = store._make_current

    def lost(*arguments):
        make_current(*arguments)
        raise StoreError("online-store-down", "The answer was lost.")

    store._make_current = lost
    assert code_of(lambda: store.publish({}, [image("t", {b"\0a": b"1"})])) == "online-store-down"
    with store.open() as snapshot:
        assert snapshot.fetch([("t", b"\0a")]) == [b"1"]


def test_a_publisher_whose_answers_are_lost_takes_nothing_from_those_who_built_upon_it(make, ask):
    late, quick = make(), make()
    make_current = late._make_current

    def overtaken(*arguments):
        make_current(*arguments)
        ask(b"DEL", late.home.keys.lock)  # as when its lease ran out before it was told
        quick.publish({}, [image("t", {b"\0a": b"1", b"\0b": b"2"})], incremental=True)
        make_current(*arguments)

    late._make_current = overtaken
    assert code_of(lambda: late.publish({}, [image("t", {b"\0a": b"1"})])) == "locked"
    with quick.open() as snapshot:
        assert len(snapshot.layers) == 2
        assert snapshot.fetch([("t", b"\0a"), ("t", b"\0b")]) == [b"1", b"2"]


def test_a_publication_outlives_a_server_that_is_away_for_a_moment(make):
    with running() as target:
        proxy = Proxy(target.port)
        store = RedisStore(RedisAddress.parse(proxy.url), "flapping", timeout=20.0)
        pauses = []

        def pause(rest):
            pauses.append(rest)
            proxy.is_cut = len(pauses) < 2

        def flapping():
            for name in ("one", "two", "three"):
                proxy.is_cut = True
                pauses.clear()
                yield image(name, entries(10))
                assert len(pauses) == 2

        store.server._pause = pause
        store.publish({}, flapping())
        with store.open() as snapshot:
            assert snapshot.fetch([("three", key) for key in entries(10)]) == list(entries(10).values())
        store.close()
        proxy.close()


def test_a_last_step_that_comes_after_it_was_given_up_does_nothing(store, ask):
    given_up = []

    def delayed(lock, number, manifest):
        given_up.append((lock, number, manifest))
        raise StoreError("online-store-down", "It hangs somewhere on its way.")

    make_current, store._make_current = store._make_current, delayed
    assert code_of(lambda: store.publish({}, [image("t", {b"\0a": b"1"})])) == "online-store-down"
    assert code_of(lambda: make_current(*given_up[0])) == "locked"
    assert code_of(store.open) == "no-snapshot"
    assert not [key for key in keys_of(ask, store) if key.startswith(b"layer:")]


# -- a server that has lost something ----------------------------------------------------------------------------------


def test_a_server_that_was_emptied_knows_of_no_entity_and_says_so(make, ask):
    store = make()
    store.publish({}, [image("t", entries(10)), image("u", {})])
    with store.open() as snapshot:
        ask(b"FLUSHALL")

        assert code_of(lambda: snapshot.fetch([("t", b"\0nobody")])) == "snapshot-gone"
        assert code_of(lambda: snapshot.fetch([("u", b"\0nobody")])) == "snapshot-gone"
        assert code_of(lambda: list(snapshot.items("t"))) == "snapshot-gone"
        assert snapshot.is_gone
    assert store.newest() is None
    assert code_of(store.open) == "no-snapshot"


def test_a_table_that_was_thrown_out_is_not_an_empty_one(store, ask):
    store.publish({}, [image("t", entries(10)), image("u", entries(10))])
    with store.open() as snapshot:
        ask(b"DEL", store.home.keys.table(snapshot.layers[0].id, "t"))

        assert snapshot.fetch([("u", next(iter(entries(1))))]) == [b"v0"]
        assert code_of(lambda: snapshot.fetch([("u", b"\0x"), ("t", b"\0x")])) == "snapshot-gone"


def test_numbers_that_begin_anew_are_never_taken_for_the_old_ones(make, ask):
    store = make()
    store.publish({}, [image("t", {b"\0a": b"old"})])
    with store.open() as old:
        ask(b"FLUSHALL")
        assert store.publish({}, [image("t", {b"\0a": b"new"})]).number == old.number

        assert code_of(lambda: old.fetch([("t", b"\0a")])) == "snapshot-gone"


DAMAGES = {
    "an entry is gone": lambda keys, layer: (b"HDEL", keys.table(layer, "t"), b"\0a"),
    "a table is gone": lambda keys, layer: (b"DEL", keys.table(layer, "t")),
    "an entry is too many": lambda keys, layer: (b"HSET", keys.table(layer, "t"), b"\0z", b"1"),
    "the manifest is cut": lambda keys, _: (b"SETRANGE", keys.snapshot(2), b"30", b"\0\0\0"),
    "the manifest is longer": lambda keys, _: (b"APPEND", keys.snapshot(2), b" "),
    "the manifest is gone": lambda keys, _: (b"DEL", keys.snapshot(2)),
    "the manifest is something else": lambda keys, _: (b"SET", keys.snapshot(2), b"{}"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_snapshot_is_passed_over_and_named(make, ask, damage):
    store = make()
    store.publish({}, [image("t", {b"\0a": b"good"})])
    store.publish({}, [image("t", {b"\0a": b"better"})])
    with store.open() as whole:
        ask(*damage(store.home.keys, whole.layers[0].id))

    with store.open() as snapshot:
        assert snapshot.fetch([("t", b"\0a")]) == [b"good"]
        assert [error.code for error in snapshot.passed_over] == ["damaged-snapshot"]
        assert "snapshot 2 in redis://127.0.0.1" in snapshot.passed_over[0].what
    store.publish({}, [image("t", {b"\0a": b"3"})], incremental=True)
    with store.open() as snapshot:
        assert (snapshot.number, snapshot.fetch([("t", b"\0a")])) == (3, [b"3"])


def test_a_publication_that_the_server_lost_half_of_is_not_published(store, ask):
    def losing():
        yield image("t", entries(10))
        ask(b"FLUSHALL")
        yield image("u", entries(10))

    assert code_of(lambda: store.publish({}, losing())) in ("online-store-down", "locked")
    assert store.newest() is None
