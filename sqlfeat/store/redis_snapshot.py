"""A snapshot on a Redis or Valkey server: which keys there are, and how it is read.

Every publication writes one *layer*: for each table a hash ``sqlfeat:NAME:layer:ID:TABLE`` of its keys and values,
under an ID that no other has. A manifest names the layers that its snapshot consists of. Each hash has an entry with an
empty key, the mark: a reader asks for it together with every key, so a table that is gone (the server came back empty,
or has thrown it out) is never taken for one that lacks an entity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

from sqlfeat.errors import StoreError
from sqlfeat.store.artifacts import Kind, unsealed
from sqlfeat.store.online import FORMAT_VERSION, REMOVED
from sqlfeat.store.pushed import PUSHED
from sqlfeat.store.pushed_segments import entity
from sqlfeat.store.redis_forms import Form, Shape
from sqlfeat.store.redis_server import PATIENCE, RedisServer
from sqlfeat.store.redis_wire import Reply, command

SNAPSHOT = Kind(
    name="online_snapshot",
    title="online snapshot",
    version=FORMAT_VERSION,
    damaged="damaged-snapshot",
    mend="publish again: sqlfeat publish.",
)
MARK = b""
"""The key of the entry that every hash has."""
OPENING = 5.0
"""Seconds that a step of opening a snapshot may take, which readers wait for seldom."""
MOST_ASKED = 4000
"""How many entries are asked for at a time."""
_SCANNED = b"2000"
_MOST_FORMS = 200
"""How many forms are kept of what is asked under one key."""


@dataclass(frozen=True)
class Keys:
    """What lies where on the server, for one project."""

    name: str
    prefix: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", b"sqlfeat:%b:" % self.name.encode())

    @property
    def current(self) -> bytes:
        """The number of the current snapshot."""
        return self.prefix + b"current"

    @property
    def last(self) -> bytes:
        """The last number that was given to a publication."""
        return self.prefix + b"last"

    @property
    def lock(self) -> bytes:
        """Who publishes."""
        return self.prefix + b"lock"

    @property
    def snapshots(self) -> bytes:
        """A hash: the numbers of snapshots, and since when (in seconds of the server's clock) each is not current."""
        return self.prefix + b"snapshots"

    @property
    def begun(self) -> bytes:
        """A set: the hashes of tables that were begun and not removed."""
        return self.prefix + b"begun"

    def snapshot(self, number: int) -> bytes:
        """A snapshot's manifest."""
        return self.prefix + b"snapshot:%d" % number

    def table(self, layer: str, table: str) -> bytes:
        """The hash of a table in a layer."""
        return self.prefix + f"layer:{layer}:{table}".encode()


@dataclass(frozen=True)
class Layer:
    """What one publication wrote: how many entries of each table, and their bytes."""

    id: str
    entries: Mapping[str, int]
    bytes: int


@dataclass(frozen=True)
class Home:
    """Where a project's snapshots are: a server, and the keys there."""

    server: RedisServer
    keys: Keys

    def __str__(self) -> str:
        return f"{self.server.address} ({self.keys.name})"


class Pushed(Protocol):
    """What was pushed since, as it is fetched together with what was published."""

    def is_live(self, table: str) -> bool: ...

    def name(self, table: str, key: bytes) -> bytes:
        """The hash with an entity's rows; it ends in the key as ``pushed_segments.entity`` writes it."""
        ...

    def told(self, table: str, key: bytes, reply: Sequence[bytes]) -> bytes | None:
        """The rows in what was replied."""
        ...


class Exchange(NamedTuple):
    """Commands, how many replies they have, and what makes entries of these, or knows what is to be asked still.

    Where replies come in the ``shape``, that gives the entries, which ``told`` gives back as they are.
    """

    data: bytes
    replies: int
    told: Callable[[Sequence[Reply]], Any]
    shape: Shape | None = None


class _Asked(NamedTuple):
    """Where the entries of each table stand among those wanted, how many layers are asked, and what may be pushed.

    ``pushed`` are places, and the tables of which the rows that were pushed are wanted there.
    """

    places: Mapping[str, Sequence[int]]
    layers: int
    pushed: Sequence[tuple[int, str]]


class RedisSnapshot:
    """One snapshot; ``passed_over`` are the errors of newer ones that are not what was written."""

    def __init__(
        self,
        home: Home,
        number: int,
        manifest: Mapping[str, Any],
        passed_over: tuple[StoreError, ...] = (),
        pushed: Pushed | None = None,
    ) -> None:
        self.pushed = pushed
        self.number = number
        self.manifest = manifest
        self.passed_over = passed_over
        self.is_gone = False
        self.layers = tuple(layer_of(said) for said in manifest["layers"])
        self._home = home
        self.server = home.server
        self._hashes = {
            table: [home.keys.table(layer.id, table) for layer in reversed(self.layers) if table in layer.entries]
            for table in manifest["tables"]
        }
        self._heads = {
            table: [(b"$5\r\nHMGET\r\n$%d\r\n%b\r\n$0\r\n\r\n" % (len(key), key)) for key in keys]
            for table, keys in self._hashes.items()
        }

        self._forms: dict[tuple[int, tuple[str, ...]], tuple[Form, _Asked]] = {}

    def fetch(self, wanted: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """See :class:`sqlfeat.store.online.Snapshot`.

        Raises:
            StoreError: ``snapshot-gone`` where the server does not have it any more.
        """
        found: list[bytes | None] = []
        for start in range(0, len(wanted), MOST_ASKED):
            said: Exchange | list[bytes | None] = self.exchange(wanted[start : start + MOST_ASKED])
            while isinstance(said, Exchange):
                said = said.told(self.server.ask(said.data, said.replies) if said.replies else [])
            found += said
        return found

    def exchange(self, wanted: Sequence[tuple[str, bytes]]) -> Exchange:
        """What is asked for some entries, ``MOST_ASKED`` at most: a table's keys from each of its layers."""
        data, asked = self._asked_of_many(wanted)
        return Exchange(data, asked.layers + bool(asked.pushed), partial(self._come, wanted, asked))

    def exchange_under(self, tables: tuple[str, ...], key: bytes) -> Exchange:
        """The same of entries under one key: what stands around it is the same again and again."""
        own = entity(key)
        known = self._forms.get((len(own), tables))
        if known is None:
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            known = self._forms[len(own), tables] = self._form_of(tables, len(own))
        form, asked = known
        return Exchange(form.asked(key, own), form.replies, partial(self._come_under, tables, key, asked), form.shape)

    def _come_under(
        self, tables: tuple[str, ...], key: bytes, asked: _Asked, replies: Sequence[Reply]
    ) -> Exchange | Sequence[bytes | None]:
        """The entries under one key, which may have been told from their shape."""
        if type(replies) is tuple:
            return replies
        return self._come([(table, key) for table in tables], asked, replies)

    def _come(
        self, wanted: Sequence[tuple[str, bytes]], asked: _Asked, replies: Sequence[Reply]
    ) -> Exchange | Sequence[bytes | None]:
        found = self._told(len(wanted), asked.places, replies)
        if not (asked.pushed and replies[asked.layers]):
            return found
        return self._exchange_of_pushed([(place, own, wanted[place][1]) for place, own in asked.pushed], found)

    def _form_of(self, tables: Sequence[str], length: int) -> tuple[Form, _Asked]:
        """What is said before, between and after keys, and names of hashes that keys end; how the answer may look."""
        asked = self._places([(table, b"") for table in tables])
        around: list[bytes] = []
        for table, some in asked.places.items():
            for head in self._heads[table]:
                around += (b"*%d\r\n%b" % (3 + len(some), head), *[b""] * (len(some) - 1))
        around.append(b"")
        names = [self.pushed.name(table, b"") for _, table in asked.pushed] if self.pushed is not None else []
        begins = [b"$%d\r\n%b" % (len(name) + length, name) for name in names]
        if begins:
            begins[0] = b"*%d\r\n$6\r\nEXISTS\r\n%b" % (1 + len(begins), begins[0])
            begins = [begins[0], *(b"\r\n" + begin for begin in begins[1:]), b"\r\n"]
        count = len(asked.places)
        order = [*(place for some in asked.places.values() for place in some), *(place for place, _ in asked.pushed)]
        shape = None
        if count == asked.layers and sorted(order) == list(range(len(tables))) == list(
            range(count + len(asked.pushed))
        ):
            shape = Shape(count, order, is_pushable=bool(begins))
        return Form(around, begins, asked.layers + bool(begins), shape), asked

    def _asked_of_many(self, wanted: Sequence[tuple[str, bytes]]) -> tuple[bytes, _Asked]:
        asked = self._places(wanted)
        data: list[bytes] = []
        for table, some in asked.places.items():
            keys = b"".join([b"$%d\r\n%b\r\n" % (len(wanted[place][1]), wanted[place][1]) for place in some])
            for head in self._heads[table]:
                data += (b"*%d\r\n" % (3 + len(some)), head, keys)
        if self.pushed is not None and asked.pushed:
            names = [self.pushed.name(table, wanted[place][1]) for place, table in asked.pushed]
            data.append(command(b"EXISTS", *names))
        return b"".join(data), asked

    def _places(self, wanted: Sequence[tuple[str, bytes]]) -> _Asked:
        """Where what is wanted of each table stands."""
        places: dict[str, list[int]] = {}
        pushed: list[tuple[int, str]] = []
        for place, (table, _) in enumerate(wanted):
            if table in self._heads:
                places.setdefault(table, []).append(place)
            elif self.pushed is not None and table.endswith(PUSHED):
                pushed.append((place, table.removesuffix(PUSHED)))
        return _Asked(places, sum(len(self._heads[table]) for table in places), pushed)

    def _told(self, count: int, places: Mapping[str, Sequence[int]], replies: Sequence[Reply]) -> list[bytes | None]:
        """The entries of the snapshot's tables in what was replied."""
        found: list[bytes | None] = [None] * count
        at = 0
        for table, some in places.items():
            if len(self._heads[table]) == 1:
                values = replies[at]
                at += 1
                if values[0] is None:
                    raise self._gone()
                for nth, place in enumerate(some, 1):
                    found[place] = values[nth] or None
                continue
            layers = replies[at : at + len(self._heads[table])]
            at += len(layers)
            for values in layers:
                if values[0] is None:
                    raise self._gone()
            for nth, place in enumerate(some, 1):
                for values in layers:
                    value = values[nth]
                    if value is not None:
                        found[place] = value or None
                        break
        return found

    def _exchange_of_pushed(self, wanted: Sequence[tuple[int, str, bytes]], found: list[bytes | None]) -> Exchange:
        """What is asked where something was pushed for one of some entities, which is seldom."""
        assert self.pushed is not None
        names = [self.pushed.name(table, key) for _, table, key in wanted]

        def told(replies: Sequence[Reply]) -> list[bytes | None]:
            assert self.pushed is not None
            for (place, table, key), reply in zip(wanted, replies, strict=True):
                found[place] = self.pushed.told(table, key, reply)
            return found

        return Exchange(b"".join([command(b"HGETALL", name) for name in names]), len(names), told)

    def items(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`sqlfeat.store.online.Snapshot`; the whole table is read before the first is given."""
        entries: dict[bytes, bytes] = {}
        for key in reversed(self._hashes.get(table, [])):
            entries.update(self._entries(key))
        yield from sorted((key, value) for key, value in entries.items() if value != REMOVED)

    def _entries(self, key: bytes) -> dict[bytes, bytes]:
        """All entries of a hash, but for the mark."""
        entries: dict[bytes, bytes] = {}
        cursor = b"0"
        while True:
            asked = command(b"HSCAN", key, cursor, b"COUNT", _SCANNED)
            ((cursor, some),) = self.server.ask(asked, 1, timeout=PATIENCE)
            entries.update(zip(some[::2], some[1::2], strict=True))
            if cursor == b"0":
                break
        if entries.pop(MARK, None) is None:
            raise self._gone()
        return entries

    def verify(self) -> None:
        """Raise where a table has not the entries that were written."""
        told = [
            (table, count, self._home.keys.table(layer.id, table))
            for layer in self.layers
            for table, count in layer.entries.items()
        ]
        asked = b"".join([command(b"HLEN", key) for _, _, key in told])
        for (table, count, _), length in zip(
            told, self.server.ask(asked, len(told), timeout=OPENING) if told else [], strict=True
        ):
            if length != count + 1:
                what = f"snapshot {self.number} in {self._home} is damaged: {table} has {max(length - 1, 0):,} "
                raise StoreError(SNAPSHOT.damaged, f"{what}entries and had {count:,}.", hint=SNAPSHOT.mend)

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _gone(self) -> StoreError:
        self.is_gone = True
        return StoreError(
            "snapshot-gone",
            f"Snapshot {self.number} is not in {self._home} any more.",
            hint="where a newer one is published it is read instead; where the server was emptied: sqlfeat publish.",
        )


def layer_of(said: Mapping[str, Any]) -> Layer:
    return Layer(said["id"], said["entries"], said["bytes"])


def layers_of(raw: bytes | None) -> list[Layer] | None:
    """The layers that a manifest names; None where it cannot be read."""
    try:
        return [layer_of(said) for said in unsealed(raw or b"", "a snapshot", SNAPSHOT)["layers"]]
    except StoreError:
        return None
