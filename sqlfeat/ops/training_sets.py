"""The training sets of a project that are kept: list them, find one, drop those that nobody needs.

Needed is what a registered version was trained on, and the newest of each name.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.errors import UsageError
from sqlfeat.ops.session import Session
from sqlfeat.store import registry
from sqlfeat.store.training_set import TrainingSet
from sqlfeat.store.training_sets import LATEST, KeptSet, abandoned, drop, find, kept_sets


@dataclass(frozen=True)
class ListedSet:
    """A training set in the list, and the registered versions (``NAME@v3``) that were trained on it."""

    kept: KeptSet
    used_by: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        return "damaged" if self.kept.error else "ok"

    def as_dict(self) -> dict[str, Any]:
        kept, found = self.kept, self.kept.training_set
        shape: dict[str, Any] = {
            "name": kept.name,
            "id": kept.id,
            "path": str(kept.path),
            "state": self.state,
            "bytes": kept.bytes,
            "asked_at": kept.asked_at.isoformat(),
            "used_by": list(self.used_by),
        }
        if found is not None:
            own = found.as_dict()
            told = ("rows", "splits", "created_at", "range", "sample", "outputs", "folds", "open_labels")
            shape |= {name: own[name] for name in told}
        if kept.error is not None:
            shape["error"] = kept.error.as_dict()
        return shape


@dataclass(frozen=True)
class Collected:
    """What was dropped, or would be, and what stays; ``leftovers`` are what dead processes left half written."""

    dropped: tuple[ListedSet, ...]
    kept: tuple[ListedSet, ...]
    leftovers: tuple[Path, ...] = ()
    dry_run: bool = False

    @property
    def bytes(self) -> int:
        return sum(each.kept.bytes for each in self.dropped)

    def as_dict(self) -> dict[str, Any]:
        return {
            "dropped": [each.as_dict() for each in self.dropped],
            "kept": [each.as_dict() for each in self.kept],
            "leftovers": [str(path) for path in self.leftovers],
            "bytes": self.bytes,
            "dry_run": self.dry_run,
        }


def folder_of(session: Session) -> Path:
    """Where a project's training sets are kept."""
    return session.spec.target_path / "training_sets"


def training_sets(session: Session, name: str | None = None, *, verify: bool = True) -> list[ListedSet]:
    """The sets that are kept, the newest of each name first; needs neither sources nor a target."""
    used, _ = _used(session)
    kept = kept_sets(folder_of(session), name, verify=verify)
    return [ListedSet(each, used.get((each.name, each.id), ())) for each in kept]


def training_set(session: Session, name: str, id_: str = LATEST) -> TrainingSet:
    """One set, every byte of it verified; ``name`` may be a whole reference."""
    return find(folder_of(session), name if "@" in name or id_ == LATEST else f"{name}@{id_}")


def collect(session: Session, name: str | None = None, *, keep: int = 1, dry_run: bool = False) -> Collected:
    """Drop what no registered version was trained on and what is none of the ``keep`` newest of its name.

    Damaged sets go too, unless a version refers to them. What is being written has no name yet, and is not touched.

    Raises:
        UsageError: ``bad-keep``; ``cannot-tell-use`` where a damaged version could refer to any of the sets.
    """
    if keep < 0:
        raise UsageError("bad-keep", f"{keep} sets of a name cannot be kept.", hint="--keep 1, or more; 0 for none.")
    used, unread = _used(session)
    if unread:
        raise UsageError(
            "cannot-tell-use",
            f"{unread[0]} is damaged, so which training set it needs cannot be told; nothing was dropped.",
            hint="bring its folder back from a copy, or delete it, and collect again.",
        )
    dropped: list[ListedSet] = []
    stays: list[ListedSet] = []
    sound: dict[str, int] = {}
    for each in kept_sets(folder_of(session), name, verify=False):
        users = used.get((each.name, each.id), ())
        rank = sound.get(each.name, 0)
        if each.error is None:
            sound[each.name] = rank + 1
        is_new = each.error is None and rank < keep
        (stays if users or is_new else dropped).append(ListedSet(each, users))
    leftovers = [path for path in abandoned(folder_of(session)) if name is None or path.parent.name == name]
    if not dry_run:
        for listed in dropped:
            drop(listed.kept)
        for path in leftovers:
            shutil.rmtree(path, ignore_errors=True)
    return Collected(tuple(dropped), tuple(stays), tuple(leftovers), dry_run)


def _used(session: Session) -> tuple[Mapping[tuple[str, str], tuple[str, ...]], list[str]]:
    """(name, id) of a set → the versions that were trained on it; and versions that cannot be read."""
    used: dict[tuple[str, str], tuple[str, ...]] = {}
    unread = []
    for model in registry.registered_models(session.spec.registry):
        for version in model.versions:
            of = (str(version.training_set.get("name")), str(version.training_set.get("id")))
            used[of] = (*used.get(of, ()), version.reference)
        damaged = [error for error in model.damaged if error.code != "unregistered-version"]  # that is no version
        unread += [error.what.split(" is damaged")[0] for error in damaged]
    return used, unread
