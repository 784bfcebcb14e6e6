"""What a process has open of pushes: an LMDB file, once, and a counter that tells readers of changes.

A child process opens both anew: neither LMDB nor a lock on a file may be shared with the parent.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import lmdb

from sqlfeat.base.files import FolderLock, sync_folder
from sqlfeat.errors import StoreError

MOST_BYTES = 16 << 30
"""So much is taken; beyond it there is room to take up and forget what is there."""
WAIT = 60.0
"""How many seconds one who pushes waits for others."""
_MOST_TABLES = 4096
_MOST_READERS = 1000
_LOCK_BYTES = 1 << 16
"""As much as LMDB needs for so many readers."""
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


class Environment:
    """An LMDB file that this process has open, and its tables."""

    def __init__(self, path: Path) -> None:
        self.lmdb = _environment(path)
        self._databases: dict[str, Any] = {}
        self._lock = threading.Lock()

    def is_full(self) -> bool:
        """Whether it takes no more: what is free again is counted as free."""
        page = self.lmdb.stat()["psize"]
        if (self.lmdb.info()["last_pgno"] + 1) * page < MOST_BYTES:
            return False
        self.made(self.names())
        with self.lmdb.begin() as transaction:
            counted = [transaction.stat(database) for database in self._databases.values()]
        used = sum(one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"] for one in counted)
        return bool(used * page >= MOST_BYTES)

    def names(self) -> list[str]:
        """The tables that there are."""
        with self.lmdb.begin() as transaction:
            return [bytes(name).decode() for name, _ in transaction.cursor()]

    def made(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Tables by name, made where they are not there; not inside a transaction."""
        with self._lock:
            for name in names:
                if name not in self._databases:
                    self._databases[name] = self.lmdb.open_db(name.encode())
            return self._databases

    def found(self, name: str) -> Any:
        """A table, if it is there."""
        known = self._databases.get(name)
        if known is None:
            with self._lock:
                try:
                    known = self._databases[name] = self.lmdb.open_db(name.encode(), create=False)
                except lmdb.NotFoundError:
                    return None
        return known


def _environment(path: Path) -> Any:
    settings: dict[str, Any] = {
        "subdir": False,
        "max_dbs": _MOST_TABLES,
        "map_size": MOST_BYTES + MOST_BYTES // 8,
        "max_readers": _MOST_READERS,
    }
    try:
        _make(path)
        _allocate(path.with_name(f"{path.name}-lock"), _LOCK_BYTES)
        environment = lmdb.open(str(path), **settings)
    except (lmdb.InvalidError, lmdb.CorruptedError) as error:
        raise _damaged(path) from error
    except (lmdb.ReadonlyError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NOT_OURS:
            raise
        environment = lmdb.open(str(path), readonly=True, **settings)
    environment.reader_check()
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if path.stat().st_size < needed:
        environment.close()
        raise _damaged(path)
    return environment


def _damaged(path: Path) -> StoreError:
    what = f"{path} is not what was written: it has been cut off, or is no such file."
    return StoreError("damaged-push", what, hint="bring it back from a copy, or delete it.")


def _make(path: Path) -> None:
    """An empty file, whole or not there: half of one would be refused for ever."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with FolderLock(path.parent, wait=WAIT):
        try:
            lmdb.open(str(temporary), subdir=False, lock=False, max_dbs=_MOST_TABLES, map_size=1 << 20).close()
            if not path.exists():  # nobody else was faster
                temporary.replace(path)
                sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _allocate(path: Path, count: int) -> None:
    """Make a file of some bytes that are there: writing into a hole that a full disk cannot fill ends the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if os.fstat(descriptor).st_size == 0:
            os.pwrite(descriptor, bytes(count), 0)
    finally:
        os.close(descriptor)


class _Opened:
    """What this process has open: LMDB opens a file once."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know of none; what a parent process has open stays as it is."""
        self._lock = threading.Lock()
        self._environments: dict[str, tuple[tuple[int, int], Environment]] = {}

    def take(self, path: Path) -> Environment:
        """The environment of a file, made where it is not there."""
        name = str(path)
        known = self._environments.get(name)
        if known is not None and known[0] == _place(path):
            return known[1]
        with self._lock:
            known = self._environments.get(name)
            if known is not None and known[0] == _place(path):
                return known[1]
            if known is not None:
                known[1].lmdb.close()
            environment = Environment(path)
            self._environments[name] = (_place(path), environment)
            return environment


def _place(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


opened_files = _Opened()


class Counter:
    """A number in a file that all readers have mapped, and the lock of those who change it."""

    _known: ClassVar[dict[str, Counter]] = {}
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, folder: Path) -> None:
        path = folder / "counter"
        self._folder = folder
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _allocate(path, 8)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            mapped = mmap.mmap(self._descriptor, 8)
        except PermissionError:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            mapped = mmap.mmap(self._descriptor, 8, prot=mmap.PROT_READ)
        self.numbers = memoryview(mapped).cast("Q")

    @classmethod
    def of(cls, folder: Path) -> Counter:
        """The counter of a folder; made where it is not there."""
        name = str(folder)
        with cls._making:
            if name not in cls._known or not (folder / "counter").exists():
                cls._known[name] = cls(folder)
            return cls._known[name]

    @classmethod
    def forget(cls) -> None:
        """Know of none."""
        cls._known, cls._making = {}, threading.Lock()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change what is counted: one at a time, of all threads and processes.

        Raises:
            StoreError: ``locked`` where others take too long.
        """
        if not self._lock.acquire(timeout=WAIT):
            raise self._refusal()
        try:
            self._wait()
            try:
                odd = self.numbers[0] | 1
                self.numbers[0] = odd
                yield
                self.numbers[0] = odd + 1
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def _wait(self) -> None:
        ends, pause = time.monotonic() + WAIT, 0.0005
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > ends:
                raise self._refusal()
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def _refusal(self) -> StoreError:
        return StoreError(
            "locked",
            f"{self._folder} is being written by another process for more than {WAIT:.0f} seconds.",
            hint="wait until it has ended, or end it; then push again.",
        )


def _forget_all() -> None:
    opened_files.forget()
    Counter.forget()


os.register_at_fork(after_in_child=_forget_all)
