"""Immutable folders: files, then a manifest that names and hashes them, then one rename.

An artifact is written into a temporary folder beside its final place, every file is synced, the manifest is
written last, and the folder gets its name in one step. So a folder that has its name and a manifest is whole, and
one without a manifest is not an artifact. The manifest is canonical JSON with the kind and version of its format,
the size and SHA-256 of every file, and a checksum of itself: a changed byte anywhere is found before it is used.
What differs from one making of the same thing to the next (when, where) lies beside the manifest, with a checksum of
its own. This file knows folders and training sets; what registered models hold is told in ``store.registry``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sqlfeat.base.files import (
    FolderLock,
    NotAPlainFileError,
    canonical_json,
    is_alive,
    open_plain,
    read_plain,
    sha256,
    sha256_text,
    writing_to,
)
from sqlfeat.errors import StoreError
from sqlfeat.store.training_set import FORMAT_VERSION, OutputColumn, TrainingSet

Manifest = dict[str, Any]
Fill = Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Kind:
    """A kind of artifact: its name in manifests and among people, and the format that this sqlfeat reads and writes.

    ``damaged`` is the error's code where one does not hold what its manifest says; ``mend`` says what to do then.
    """

    name: str
    title: str
    version: int
    damaged: str
    mend: str
    manifest: str = "manifest.json"


TRAINING_SET = Kind(
    name="training_set",
    title="training set",
    version=FORMAT_VERSION,
    damaged="damaged-training-set",
    mend="delete this folder and build the training set again.",
)


@dataclass(frozen=True)
class Published:
    """What became of a publication: the manifest as it lies there, and whether this call made it."""

    manifest: Manifest
    created: bool


BUILT = "built.json"
"""When and where an artifact was made: in no file's hash, and in no other manifest."""
_BEGUN = re.compile(r"\..+\.(?P<process>[0-9]+)\.[0-9a-f]+\.tmp")
_LONG_AGO = 3600.0
"""Seconds after which what a process has left may go. One of another machine cannot be seen from here."""


def publish_folder(
    final: Path, fill: Fill, kind: Kind = TRAINING_SET, built: Mapping[str, Any] | None = None
) -> Published:
    """Make the artifact at ``final`` unless it is there: ``fill`` writes files into the folder given to it.

    What ``fill`` returns becomes the manifest; ``built`` is kept beside it. Whoever finds that another writer was
    first is content with that.
    """
    if _is_artifact(final, kind):
        return Published(read_manifest(final, kind), created=False)
    temporary = final.parent / f".{final.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    with writing_to(final):
        try:
            temporary.mkdir(parents=True)
            _sweep(temporary)
            body = fill(temporary)
            _write_manifest(temporary, body, kind)
            if built is not None:
                _write_json(temporary / BUILT, built)
                _sync(temporary)
            created = _give_name(temporary, final, kind)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return Published(read_manifest(final, kind), created)


def abandoned(folder: Path) -> list[Path]:
    """What processes that are gone have left half written or half deleted in this folder."""
    return sorted(place for place in folder.glob(".*.tmp") if place.is_dir() and not _is_written(place))


def _is_written(place: Path) -> bool:
    match = _BEGUN.fullmatch(place.name)
    return match is None or is_alive(match["process"])


def _sweep(temporary: Path) -> None:
    """Delete what was left beside this new folder long ago; its own time tells how late it is where they lie."""
    now = temporary.stat().st_mtime
    for place in abandoned(temporary.parent):
        if now - place.stat().st_mtime > _LONG_AGO:
            shutil.rmtree(place, ignore_errors=True)


def _write_manifest(folder: Path, body: Mapping[str, Any], kind: Kind) -> None:
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        _sync(path)
        files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    manifest = {**body, "kind": kind.name, "format": kind.version, "files": files}
    _write_json(folder / kind.manifest, manifest)
    for written in (*(inner for inner in folder.rglob("*") if inner.is_dir()), folder):
        _sync(written)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_bytes(canonical_json({**content, "checksum": _checksum(content)}).encode())
    _sync(path)


def _give_name(temporary: Path, final: Path, kind: Kind) -> bool:
    """Rename the folder; False if another writer's artifact has the name already."""
    try:
        temporary.rename(final)
    except OSError:
        if _is_artifact(final, kind):
            return False
        with FolderLock(final.parent, wait=60):  # what has the name is no artifact: it makes room, for one writer
            if _is_artifact(final, kind):
                return False
            shutil.rmtree(final)
            temporary.rename(final)
    _sync(final.parent)
    return True


def read_manifest(folder: Path, kind: Kind = TRAINING_SET) -> Manifest:
    """The artifact's manifest, once its checksum, kind and format are found right; files are not looked at."""
    if not folder.is_dir():
        raise StoreError("no-such-artifact", f"There is no {kind.title} at {folder}.")
    path = folder / kind.manifest
    if folder.is_symlink():
        raise damaged(folder, kind, "it is a link to another folder")
    with _reading(path, kind):
        raw = read_plain(path)
    manifest = unsealed(raw, path, kind)
    if not isinstance(manifest.get("files"), dict):
        raise damaged(path, kind, "it is not what was written")
    return manifest


def sealed(body: Mapping[str, Any], kind: Kind) -> bytes:
    """A manifest as it is kept: canonical JSON with its kind, its format and a checksum of itself."""
    manifest = {**body, "kind": kind.name, "format": kind.version}
    return canonical_json({**manifest, "checksum": _checksum(manifest)}).encode()


def unsealed(raw: bytes, where: Path | str, kind: Kind) -> Manifest:
    """The manifest that was sealed, once its checksum, kind and format are found right."""
    manifest = _parsed(raw)
    if manifest is None:
        raise damaged(where, kind, "it is not what was written")
    if manifest.get("kind") != kind.name:
        raise damaged(where, kind, f"it describes a {manifest.get('kind')!r}")
    _check_format(where, manifest.get("format"), kind)
    if not _is_as_written(manifest, raw):
        raise damaged(where, kind, "its checksum does not match")
    return manifest


def _is_as_written(content: Mapping[str, Any], raw: bytes) -> bool:
    """Whether the bytes are those that we would write for this content, its checksum included."""
    try:
        return _checksum(content) == content.get("checksum") and canonical_json(content).encode() == raw
    except (ValueError, RecursionError):  # NaN, half a character, too deep: nothing that we write
        return False


def _parsed(raw: bytes) -> Manifest | None:
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) else None


def read_built(folder: Path, kind: Kind = TRAINING_SET) -> Manifest:
    """When and where an artifact was made, once that is found to be what was written."""
    path = folder / BUILT
    with _reading(path, kind):
        raw = read_plain(path)
    built = _parsed(raw)
    if built is None or not _is_as_written(built, raw):
        raise damaged(path, kind, "it is not what was written")
    return {key: value for key, value in built.items() if key != "checksum"}


def _check_format(path: Path | str, version: object, kind: Kind) -> None:
    if version == kind.version and not isinstance(version, bool):
        return
    if not isinstance(version, int):
        raise damaged(path, kind, "it has no format version")
    what = f"{path} has format {version} of a {kind.title}; this sqlfeat reads format {kind.version}."
    if version > kind.version:
        raise StoreError("newer-format", what, hint="a newer sqlfeat wrote it: update sqlfeat.")
    raise StoreError("older-format", what, hint=f"an older sqlfeat wrote it: {kind.mend}")


def verify_files(folder: Path, manifest: Mapping[str, Any], kind: Kind = TRAINING_SET) -> None:
    """Raise unless every file that the manifest names is there with its size and hash."""
    for name in manifest["files"]:
        path, expected = _file_entry(folder, manifest, name, kind)
        with _reading(path, kind), open_plain(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            found = hashlib.file_digest(stream, "sha256").hexdigest() if size == expected["bytes"] else ""
        _compare(path, size, found, expected, kind)


def read_file(folder: Path, manifest: Mapping[str, Any], name: str, kind: Kind = TRAINING_SET) -> bytes:
    """The bytes of one file of an artifact, once they are found to be those that were written."""
    path, expected = _file_entry(folder, manifest, name, kind)
    with _reading(path, kind):
        raw = read_plain(path)
    _compare(path, len(raw), hashlib.sha256(raw).hexdigest(), expected, kind)
    return raw


def _file_entry(folder: Path, manifest: Mapping[str, Any], name: str, kind: Kind) -> tuple[Path, Mapping[str, Any]]:
    expected = manifest["files"].get(name)
    if not isinstance(expected, dict) or not {"bytes", "sha256"} <= expected.keys() or not _is_inside(folder, name):
        raise damaged(folder / kind.manifest, kind, f"it names no file {name!r} of this folder")
    return folder / PurePosixPath(name), expected


def _is_inside(folder: Path, name: str) -> bool:
    """Whether the name leads to a place in the folder, through no link."""
    relative = PurePosixPath(name)
    if "\0" in name or relative.is_absolute() or not relative.parts or ".." in relative.parts:
        return False
    return not any((folder / above).is_symlink() for above in relative.parents)


def _compare(path: Path, size: int, found: str, expected: Mapping[str, Any], kind: Kind) -> None:
    if size != expected["bytes"]:
        raise damaged(path, kind, f"it has {size:,} bytes and had {expected['bytes']:,}")
    if found != expected["sha256"]:
        raise damaged(path, kind, "its SHA-256 does not match")


@contextmanager
def _reading(path: Path, kind: Kind) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise damaged(path, kind, "it is missing") from None
    except NotAPlainFileError as error:
        raise damaged(path, kind, str(error)) from None
    except OSError as error:
        raise StoreError("cannot-read", f"{path} cannot be read: {error.strerror or error}.") from error


def damaged(path: Path | str, kind: Kind, why: str) -> StoreError:
    """The error of an artifact that is not what was written."""
    return StoreError(kind.damaged, f"{path} is damaged: {why}.", hint=kind.mend)


def save_training_set(final: Path, fill: Fill, built: Mapping[str, Any]) -> TrainingSet:
    """Keep a training set: ``fill`` writes its Parquet files into a folder and returns its manifest.

    That needs ``id``, ``name``, ``rows``, ``splits`` (rows of each, in time order), ``columns``
    (:class:`OutputColumn`) and ``null_rates``; whatever else it holds is kept with them. ``built`` has ``created_at``.
    """

    def fill_and_describe(folder: Path) -> Manifest:
        body = dict(fill(folder))
        body["columns"] = [asdict(column) for column in body["columns"]]
        body["split_order"] = list(body["splits"])  # canonical JSON sorts keys, and this order has a meaning
        return body

    published = publish_folder(final, fill_and_describe, TRAINING_SET, built)
    return _training_set(final, published.manifest, created=published.created)


def load_training_set(path: Path, *, verify: bool = False) -> TrainingSet:
    """The training set in this folder; with ``verify`` every file is read and its hash compared."""
    manifest = read_manifest(path, TRAINING_SET)
    if verify:
        verify_files(path, manifest, TRAINING_SET)
    return _training_set(path, manifest, created=False)


def _training_set(path: Path, manifest: Manifest, *, created: bool) -> TrainingSet:
    try:
        columns = tuple(_column(shape) for shape in manifest["columns"])
        return TrainingSet(
            id=manifest["id"],
            name=manifest["name"],
            path=path,
            rows=manifest["rows"],
            splits={split: manifest["splits"][split] for split in manifest["split_order"]},
            files=tuple(name for name in manifest["files"] if name.endswith(".parquet")),
            columns=columns,
            null_rates={c.name: manifest["null_rates"][c.name] for c in columns if c.name in manifest["null_rates"]},
            manifest=manifest,
            created=created,
            built=read_built(path, TRAINING_SET),
        )
    except (KeyError, TypeError) as error:
        raise damaged(path / TRAINING_SET.manifest, TRAINING_SET, f"it lacks {error}") from error


def _column(shape: Mapping[str, Any]) -> OutputColumn:
    categories = shape["categories"]
    return OutputColumn(**{**shape, "categories": None if categories is None else tuple(categories)})


def _is_artifact(folder: Path, kind: Kind) -> bool:
    return (folder / kind.manifest).is_file()


def _checksum(manifest: Mapping[str, Any]) -> str:
    return sha256_text(canonical_json({key: value for key, value in manifest.items() if key != "checksum"}))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
