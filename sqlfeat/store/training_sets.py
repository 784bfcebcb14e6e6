"""The training sets that are kept under one folder: which there are, what a reference means, and how one goes.

``target/training_sets/NAME/ID/``. A damaged one is in the list with its error, and is never given to anybody. Which of
them are still wanted is decided elsewhere.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlfeat.base.names import did_you_mean, is_identifier
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.store import artifacts
from sqlfeat.store.artifacts import TRAINING_SET, damaged, load_training_set
from sqlfeat.store.training_set import TrainingSet

LATEST, PREVIOUS = "latest", "previous"
_ID = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True)
class KeptSet:
    """One folder that bears a training set's name and id: the set, or what is wrong with it.

    ``asked_at`` is when it was last built or asked for.
    """

    name: str
    id: str
    path: Path
    asked_at: datetime
    bytes: int
    training_set: TrainingSet | None = None
    error: StoreError | None = None


def kept_sets(folder: Path, name: str | None = None, *, verify: bool = True) -> list[KeptSet]:
    """What is kept, by name, the newest of each first; ``verify`` reads every file."""
    names = [name] if name is not None else _names(folder)
    found = [_kept(place, verify) for each in names for place in _places(folder / each)]
    return sorted(found, key=lambda kept: (kept.name, -kept.asked_at.timestamp(), kept.id))


def find(folder: Path, reference: str) -> TrainingSet:
    """What ``NAME`` (its newest), ``NAME@ID``, ``NAME@latest``, ``NAME@previous`` or ``ID`` means, with all its bytes
    verified; the beginning of an id is enough.

    Raises:
        UsageError: ``bad-reference``, ``ambiguous-id``.
        StoreError: there is none, or it is damaged.
    """
    name, at, wanted = reference.partition("@")
    if not at and not (is_identifier(name) and _places(folder / name)):
        if _ID.fullmatch(reference):
            return _load(
                _one(folder, [place for each in _names(folder) for place in _places(folder / each)], reference)
            )
        wanted = LATEST
    if not is_identifier(name) or (wanted not in ("", LATEST, PREVIOUS) and not _ID.fullmatch(wanted)):
        raise UsageError(
            "bad-reference",
            f"{reference!r} cannot mean a training set.",
            hint="write NAME for its newest, NAME@ID or ID, where the beginning of the id is enough, or NAME@previous.",
        )
    places = _places(folder / name)
    if not places:
        hint = did_you_mean(name, _names(folder)) or f"sqlfeat build-training-set {name}"
        raise StoreError("no-such-training-set", f"No training set {name!r} is kept in {folder}.", hint=hint)
    if wanted in ("", LATEST, PREVIOUS):
        newest = sorted(places, key=lambda place: (-_asked_at(place).timestamp(), place.name))
        if wanted == PREVIOUS and len(newest) < 2:
            raise StoreError("no-such-training-set", f"There is one training set {name}, and none before it.")
        return _load(newest[1 if wanted == PREVIOUS else 0])
    return _load(_one(folder, places, wanted))


def mark_asked(path: Path, at: datetime) -> None:
    """Note that a training set was built or asked for: the newest of a name is the one for which that was last."""
    os.utime(path / TRAINING_SET.manifest, (at.timestamp(), at.timestamp()))


def drop(kept: KeptSet) -> None:
    """Delete a training set: it loses its name first, so nobody sees half of it."""
    aside = kept.path.with_name(f".{kept.path.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        kept.path.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise StoreError(
            "cannot-write",
            f"{kept.path} cannot be deleted: {error.strerror or error}.",
            hint=f"may you write into {kept.path.parent}?",
        ) from error


def abandoned(folder: Path) -> list[Path]:
    """What a process that is gone has left half written or half deleted."""
    return sorted(place for name in _names(folder) for place in artifacts.abandoned(folder / name))


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(place.name for place in folder.iterdir() if place.is_dir() and is_identifier(place.name))


def _places(folder: Path) -> list[Path]:
    """The folders of a name that are training sets, or were."""
    if not folder.is_dir():
        return []
    return sorted(place for place in folder.iterdir() if place.is_dir() and _ID.fullmatch(place.name))


def _one(folder: Path, places: Sequence[Path], prefix: str) -> Path:
    """The one place whose id begins so."""
    found = [place for place in places if place.name.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(f"{place.parent.name}@{place.name[:12]}" for place in (found or places)[:5])
    if found:
        what = f"{len(found)} training sets have an id that begins with {prefix}."
        raise UsageError("ambiguous-id", what, hint=f"write more of it: {shown}.")
    hint = f"there is {shown}." if shown else "sqlfeat training-sets ls"
    what = f"No training set in {folder} has an id that begins with {prefix}."
    raise StoreError("no-such-training-set", what, hint=hint)


def _load(place: Path, *, verify: bool = True) -> TrainingSet:
    found = load_training_set(place, verify=verify)
    if (found.name, found.id) != (place.parent.name, place.name):
        why = f"it belongs to {found.name}@{found.id}"
        raise damaged(place / TRAINING_SET.manifest, TRAINING_SET, why)
    return found


def _kept(place: Path, verify: bool) -> KeptSet:
    training_set, error = None, None
    try:
        training_set = _load(place, verify=verify)
    except StoreError as raised:
        error = raised
    size = sum(path.stat().st_size for path in _files(place))
    return KeptSet(place.parent.name, place.name, place, _asked_at(place), size, training_set, error)


def _files(place: Path) -> Iterator[Path]:
    return (path for path in place.rglob("*") if path.is_file())


def _asked_at(place: Path) -> datetime:
    manifest = place / TRAINING_SET.manifest
    return datetime.fromtimestamp((manifest if manifest.is_file() else place).stat().st_mtime, UTC)
