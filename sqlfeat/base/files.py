"""Files that are whole or not there, their hashes, canonical JSON, and a lock on a folder.

A reader of a file that :func:`write_atomically` writes sees the old bytes or the new ones, never a part of them,
whatever happens to the writer.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.errors import StoreError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Replace the file by these bytes: a temporary file beside it, fsync, rename; its folder is made if needed."""
    raw = data.encode() if isinstance(data, str) else data
    temporary = path.parent / f".{path.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_durably(temporary, raw)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """What the machine refuses while the block writes a file or folder: ``cannot-write``, with its reason."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            "cannot-write",
            f"{path} cannot be written: {error.strerror or error}.",
            hint=f"is there room on the disk, and may you write into {path.parent}?",
        ) from error


def _write_durably(path: Path, raw: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(raw)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename durable: the folder's own entries are synced."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_alive(process: str) -> bool:
    """Whether what a process of this number has left may still be written; sure is only that one is gone."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError, ValueError):
        pass
    return True


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class NotAPlainFileError(OSError):
    """What bears a file's name is a link, a folder or a device: it could lead anywhere, or never end."""

    def __str__(self) -> str:
        return "it is not a plain file"


def open_plain(path: Path) -> BufferedReader:
    """A file for reading that is a file itself; raises :class:`NotAPlainFileError` where it is not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise NotAPlainFileError(error.errno, error.strerror, str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAPlainFileError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path) -> bytes:
    """The bytes of a file that is a file itself."""
    with open_plain(path) as stream:
        return stream.read()


def sha256_text(text: str) -> str:
    """The SHA-256 of the text's UTF-8 bytes in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN; equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class FolderLock:
    """One writer at a time for a folder; whoever comes second is told who holds it, and since when.

    The lock is the operating system's: it ends with its holder, however that ends. ``wait`` is how many seconds
    to wait for it; the default is not at all.
    """

    def __init__(self, folder: Path, *, wait: float = 0.0, clock: Clock | None = None) -> None:
        self._folder = folder
        self._wait = wait
        self._clock = clock or SystemClock()
        self._holder = folder / ".lock.holder"
        self._lock = filelock.FileLock(folder / ".lock", thread_local=False)

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=self._wait)
        except filelock.Timeout:
            raise self._refusal() from None
        except OSError as error:
            raise StoreError(
                "cannot-write",
                f"{self._folder} cannot be locked: {error.strerror or error}.",
                hint="may you write into this folder?",
            ) from error
        since = self._clock.now().isoformat(timespec="seconds")
        with contextlib.suppress(OSError):  # who holds it is good to know, no more
            self._holder.write_text(json.dumps({"pid": os.getpid(), "since": since}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.unlink(missing_ok=True)
        self._lock.release()

    def _refusal(self) -> StoreError:
        try:
            holder = json.loads(self._holder.read_text())
            who = f"process {holder['pid']} since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            who = "another process"
        return StoreError(
            "locked",
            f"{self._folder} is being written by {who}.",
            hint="wait until it has ended, or end it.",
        )
