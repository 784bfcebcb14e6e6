"""The embedded online store: every snapshot is a folder of immutable LMDB files, and the newest folder is current.

``v7/layer-7.mdb`` has a named database for each table; an incremental snapshot links the layers of the one before it
and adds a layer of what changed, in which an empty value takes a key away. A folder is published whole, by one rename,
with the hash of every file in its manifest, which is verified before a file is mapped: LMDB trusts what it maps. Files
never change, so readers need no lock, and a folder that is collected stays readable for who has it open.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import lmdb
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import FolderLock
from sqlfeat.errors import StoreError
from sqlfeat.store.artifacts import Kind, publish_folder, read_manifest, verify_files
from sqlfeat.store.online import FORMAT_VERSION, REMOVED, Image, TableWritten, Written
from sqlfeat.store.pushed import PUSHED
from sqlfeat.store.pushed_lmdb import LmdbPushed

SNAPSHOT = Kind(
    name="online_snapshot",
    title="online snapshot",
    version=FORMAT_VERSION,
    damaged="damaged-snapshot",
    mend="publish again: sqlfeat publish.",
)
KEPT = 2
"""How many snapshots stay; older ones are collected when a new one is published."""
MOST_LAYERS = 4
"""How many layers a read may have to look into; then a snapshot is written anew."""
LONGEST_KEY = 511
"""LMDB's limit; of a longer key its hash is kept."""
_FOLDER = re.compile(r"v([1-9][0-9]{0,17})")
_MOST_TABLES = 4096
_PAGE = 4096
_ROOM = 1 << 24
_Reader = Callable[[bytes], bytes | None]


class LmdbStore:
    """An online store in a folder of this machine.

    ``wait`` is how many seconds a publisher waits for another one; the default is not at all.
    """

    is_remote = False
    problem = None

    def __init__(self, folder: Path, *, clock: Clock | None = None, wait: float = 0.0) -> None:
        self.folder = folder
        self._clock = clock or SystemClock()
        self._wait = wait

    def publish(self, body: Mapping[str, Any], images: Iterable[Image], *, incremental: bool = False) -> Written:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        with FolderLock(self.folder, wait=self._wait, clock=self._clock):
            number = max(self._numbers(), default=0) + 1
            base = self._base() if incremental else None
            try:
                writing = _Writing(number, base, dict(body), self._clock.now().isoformat())
                published = publish_folder(
                    self.folder / f"v{number}", lambda folder: writing.fill(folder, images), SNAPSHOT
                )
            finally:
                if base is not None:
                    base.close()
            self._collect()
        size = sum(entry["bytes"] for entry in published.manifest["files"].values())
        return Written(number, writing.tables, base is not None, size)

    def open(self) -> LmdbSnapshot:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        passed_over: list[StoreError] = []
        tried: set[int] = set()
        while True:
            number = max((number for number in self._numbers() if number not in tried), default=None)
            if number is None:
                break
            tried.add(number)
            folder = self.folder / f"v{number}"
            try:
                return LmdbSnapshot(folder, number, tuple(passed_over))
            except StoreError as error:
                if folder.is_dir():  # else it was collected meanwhile, and there are newer ones
                    passed_over.append(error)
        if passed_over:
            raise passed_over[0]
        raise StoreError(
            "no-snapshot", f"Nothing is published in {self.folder}.", hint="publish the feature views: sqlfeat publish."
        )

    def newest(self) -> int | None:
        """See :class:`sqlfeat.store.online.OnlineStore`."""
        return max(self._numbers(), default=None)

    def taken_up(self) -> dict[str, int]:
        """By view, the number of the last pushed event that all snapshots which are kept have in themselves."""
        found: dict[str, int] = {}
        for number in self._numbers():
            with suppress(StoreError):
                manifest = read_manifest(self.folder / f"v{number}", SNAPSHOT)
                for table, said in manifest.get("views", {}).items():
                    last = said.get("ranking", {}).get("taken_up", 0)
                    found[table] = min(found.get(table, last), last)
        return found

    def _base(self) -> LmdbSnapshot | None:
        """The snapshot that an incremental one can build upon."""
        try:
            base = self.open()
        except StoreError:
            return None
        if len(base.layers) < MOST_LAYERS:
            return base
        base.close()
        return None

    def _numbers(self) -> list[int]:
        with suppress(FileNotFoundError):
            found = (_FOLDER.fullmatch(name) for name in _names_in(self.folder))
            return [int(match[1]) for match in found if match]
        return []

    def _collect(self) -> None:
        """Remove old snapshots, and what publishers that were killed have left."""
        for number in sorted(self._numbers())[:-KEPT]:
            shutil.rmtree(self.folder / f"v{number}", ignore_errors=True)
        for left in self.folder.glob(".v*.tmp"):
            shutil.rmtree(left, ignore_errors=True)


class LmdbSnapshot:
    """One snapshot, mapped into memory; ``passed_over`` are the errors of newer ones that are not what was written."""

    def __init__(self, folder: Path, number: int, passed_over: tuple[StoreError, ...] = ()) -> None:
        self.number = number
        self.passed_over = passed_over
        self.folder = folder
        self.manifest: Mapping[str, Any] = read_manifest(folder, SNAPSHOT)
        verify_files(folder, self.manifest, SNAPSHOT)
        self.layers: tuple[str, ...] = tuple(self.manifest["layers"])
        self._tables = frozenset(self.manifest["tables"])
        self._environments = [_opened.take(folder / layer) for layer in self.layers]
        self._databases = [_databases(environment) for environment in self._environments]
        self._local = threading.local()
        self._transactions: list[Any] = []
        self._closing = threading.Lock()
        self.pushed = _pushed_after(folder.parent, self.manifest)

    def fetch(self, wanted: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """See :class:`sqlfeat.store.online.Snapshot`."""
        readers = self._reading()
        return [readers[table](key if len(key) <= LONGEST_KEY else _hashed(key)) for table, key in wanted]

    def items(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`sqlfeat.store.online.Snapshot`; of a key longer than LMDB takes it is the hash."""
        if table not in self._tables:
            return
        with self._cursors(table) as cursors:
            streams = [_ranked(rank, cursor) for rank, cursor in enumerate(cursors)]
            for key, entries in groupby(merge(*streams), key=lambda entry: entry[0]):
                value = next(entries)[2]
                if value != REMOVED:
                    yield key, value

    @contextmanager
    def _cursors(self, table: str) -> Iterator[list[Any]]:
        """A cursor of each layer that has the table, the newest layer first."""
        transactions = [environment.begin() for environment in reversed(self._environments)]
        try:
            pairs = zip(transactions, reversed(self._databases), strict=True)
            yield [transaction.cursor(databases[table]) for transaction, databases in pairs if table in databases]
        finally:
            for transaction in transactions:
                transaction.abort()

    def _reading(self) -> Mapping[str, _Reader]:
        """How this thread reads each table, for ever: files never change."""
        known: Mapping[str, _Reader] | None = getattr(self._local, "readers", None)
        if known is not None:
            return known
        opened = [environment.begin() for environment in self._environments]
        with self._closing:
            self._transactions += opened
        layers = list(zip(opened, self._databases, strict=True))[::-1]
        readers = _Readers()
        for table in self._tables:
            readers[table] = _in_layers([partial(one.get, db=found[table]) for one, found in layers if table in found])
            if self.pushed is not None:
                readers[table + PUSHED] = partial(self.pushed.rows, table)
        self._local.readers = readers
        return readers

    def close(self) -> None:
        """Unmap it."""
        with self._closing:
            for transaction in self._transactions:
                transaction.abort()
            self._transactions.clear()
            self._local = threading.local()
            for environment in self._environments:
                _opened.give_back(environment)
            self._environments = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pushed_after(folder: Path, manifest: Mapping[str, Any]) -> LmdbPushed | None:
    """What was pushed to the views of a snapshot after it."""
    views = manifest.get("views", {})
    taken_up = {table: said["ranking"]["taken_up"] for table, said in views.items() if "ranking" in said}
    return LmdbPushed(folder, taken_up) if taken_up else None


class _Readers(dict[str, _Reader]):
    """Readers of tables; in one that is not there nothing is found."""

    def __missing__(self, table: str) -> _Reader:
        return _nothing


def _nothing(_: bytes) -> None:
    return None


def _in_layers(layers: Sequence[_Reader]) -> _Reader:
    """Reads the newest layer that has a key; an empty value in it says that the key went."""
    if len(layers) == 1:
        return layers[0]

    def read(key: bytes) -> bytes | None:
        for layer in layers:
            value = layer(key)
            if value is not None:
                return value or None
        return None

    return read


def _names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _ranked(rank: int, cursor: Any) -> Iterator[tuple[bytes, int, bytes]]:
    return ((key, rank, value) for key, value in cursor)


def _databases(environment: Any) -> dict[str, Any]:
    """The tables of a layer."""
    with environment.begin() as transaction:
        names = [bytes(name) for name, _ in transaction.cursor()]
    return {name.decode(): environment.open_db(name, create=False) for name in names}


def _hashed(key: bytes) -> bytes:
    return b"\xff" + hashlib.sha256(key).digest()  # no row of keys begins so: its first byte is a bitmap of no nulls


class _Opened:
    """The files that this process has mapped: LMDB maps a file once, and snapshots share layers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int], tuple[Any, int]] = {}

    def take(self, path: Path) -> Any:
        """The environment of a file that has been verified."""
        with self._lock:
            known = path.stat()
            place = (known.st_dev, known.st_ino)
            environment, users = self._held.get(place, (None, 0))
            if environment is None:
                environment = lmdb.open(
                    str(path), subdir=False, readonly=True, lock=False, max_dbs=_MOST_TABLES, readahead=False
                )
            self._held[place] = (environment, users + 1)
            return environment

    def give_back(self, environment: Any) -> None:
        """Unmap it when nobody else has it."""
        with self._lock:
            place = next(place for place, (held, _) in self._held.items() if held is environment)
            _, users = self._held[place]
            if users > 1:
                self._held[place] = (environment, users - 1)
                return
            del self._held[place]
            environment.close()


_opened = _Opened()


class _Writing:
    """One snapshot being written: a whole one, or what differs from the one before it."""

    def __init__(self, number: int, base: LmdbSnapshot | None, body: dict[str, Any], created_at: str) -> None:
        self.tables: dict[str, TableWritten] = {}
        self._number = number
        self._base = base
        self._body = body
        self._created_at = created_at

    def fill(self, folder: Path, images: Iterable[Image]) -> dict[str, Any]:
        """Write the files and give the manifest."""
        below = list(self._base.layers) if self._base is not None else []
        for layer in below:
            assert self._base is not None
            os.link(self._base.folder / layer, folder / layer)
        own = f"layer-{self._number}.mdb"
        try:
            self._write(folder / own, images)
        except lmdb.Error as error:  # what the machine refuses, in Python's own words
            raise OSError(str(error).rpartition(": ")[2]) from error
        return {
            **self._body,
            "number": self._number,
            "created_at": self._created_at,
            "layers": [*below, own],
            "tables": {name: {"rows": table.rows} for name, table in self.tables.items()},
        }

    def _write(self, path: Path, images: Iterable[Image]) -> None:
        environment = lmdb.open(
            str(path), subdir=False, lock=False, sync=False, max_dbs=_MOST_TABLES, map_size=_ROOM, map_async=False
        )
        try:
            for image in images:
                if image.name in self.tables:
                    raise ValueError(f"there are two images of {image.name}")
                database = environment.open_db(image.name.encode())
                if self._base is not None and image.name in self._base.manifest["tables"]:
                    self.tables[image.name] = _write_changes(environment, database, image, self._base)
                else:
                    self.tables[image.name] = _write_all(environment, database, image)
            environment.sync(True)
        finally:
            environment.close()


def _write_all(environment: Any, database: Any, image: Image) -> TableWritten:
    rows = 0
    for keys, values in image.batches:
        rows += _put(environment, database, *_in_order(keys, values), append=rows == 0)
    return TableWritten(rows, rows)


def _write_changes(environment: Any, database: Any, image: Image, base: LmdbSnapshot) -> TableWritten:
    """Write the entries that are new or other than those of the snapshot before, and an empty value where one went."""
    batches = [_in_order(keys, values) for keys, values in image.batches]
    rows = sum(len(keys) for keys, _ in batches)
    before, now = base.items(image.name), merge(*(zip(*batch, strict=True) for batch in batches))
    changed: list[tuple[bytes, bytes]] = []
    removed = 0
    old = next(before, None)
    for key, value in now:
        while old is not None and old[0] < key:
            changed.append((old[0], REMOVED))
            removed += 1
            old = next(before, None)
        if old is not None and old[0] == key:
            if old[1] != value:
                changed.append((key, value))
            old = next(before, None)
        else:
            changed.append((key, value))
    while old is not None:
        changed.append((old[0], REMOVED))
        removed += 1
        old = next(before, None)
    _put(environment, database, [key for key, _ in changed], [value for _, value in changed], append=True)
    return TableWritten(rows, len(changed) - removed, removed)


def _in_order(keys: pa.Array, values: pa.Array) -> tuple[list[bytes], list[bytes]]:
    """Keys that LMDB takes, rising, and their values."""
    if len(keys) and pc.max(pc.binary_length(keys)).as_py() > LONGEST_KEY:
        keys = pa.array([key if len(key) <= LONGEST_KEY else _hashed(key) for key in keys.to_pylist()], pa.binary())
    order = pc.sort_indices(keys)
    return keys.take(order).to_pylist(), values.take(order).to_pylist()


def _put(environment: Any, database: Any, keys: Sequence[bytes], values: Sequence[bytes], *, append: bool) -> int:
    """Write entries in the order of their keys, after everything that is there where ``append`` says so."""
    needed = sum(map(len, keys)) + sum(map(len, values)) + 64 * len(keys)
    used = (environment.info()["last_pgno"] + 1) * _PAGE
    environment.set_mapsize(used + 3 * needed + _ROOM)
    with environment.begin(db=database, write=True) as transaction:
        taken, _ = transaction.cursor().putmulti(zip(keys, values, strict=True), append=append)
    return int(taken)
