"""What changes of a registered model once its versions are made: aliases, what is archived, what is dropped.

Each change is one entry of the model's journal (``store.model_state``), with who, when and why. Whether a version may
have an alias is asked elsewhere; here is only what can be.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.names import did_you_mean, is_identifier
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.spec.promotion import CHAMPION
from sqlfeat.store.journal import Entry
from sqlfeat.store.model_state import (
    ALIAS_DELETED,
    ALIAS_SET,
    ARCHIVED,
    DROPPED,
    RESTORED,
    ROLLED_BACK,
    State,
    Writer,
    numbers_in,
    read_history,
    writing,
)
from sqlfeat.store.registry import LATEST, check_known, parse_reference, parse_version


@dataclass(frozen=True)
class AliasChange:
    """What became of an alias: the number that it points to now, and the one before; None is no version.

    ``entry`` is None where it pointed there already.
    """

    name: str
    alias: str
    before: int | None
    version: int | None
    entry: Entry | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "alias": self.alias,
            "before": self.before,
            "version": self.version,
            "changed": self.entry is not None,
            "entry": self.entry.as_dict() if self.entry else None,
        }


def check_alias(alias: str) -> str:
    """The alias, if it can be one: a name that means neither a number nor the latest version."""
    if not is_identifier(alias) or alias.casefold() == LATEST or isinstance(parse_version(alias.lower()), int):
        raise UsageError(
            "bad-alias",
            f"{alias!r} cannot be an alias.",
            hint="an alias is a name such as champion, challenger or eu_prod; latest and v3 mean versions already.",
        )
    return alias


def set_alias(
    registry: Path,
    name: str,
    alias: str,
    number: int,
    *,
    expected: int | None,
    message: str | None = None,
    clock: Clock | None = None,
    **facts: Any,
) -> AliasChange:
    """Let an alias point to a version; ``expected`` is where it pointed when that was decided.

    Raises:
        StoreError: ``alias-moved`` where somebody else has moved it meanwhile; ``no-such-version``;
            ``archived-version``.
    """
    check_alias(alias)
    check_known(registry, name)
    with writing(registry, name, clock) as writer:
        state = writer.state
        before = state.aliases.get(alias)
        if before != expected:
            raise _moved(name, alias, expected, before)
        _require_current(state, number)
        if before == number:
            return AliasChange(name, alias, before, number, None)
        entry = writer.record(ALIAS_SET, message, alias=alias, version=number, before=before, **facts)
    return AliasChange(name, alias, before, number, entry)


def delete_alias(
    registry: Path, name: str, alias: str, *, message: str | None = None, clock: Clock | None = None
) -> AliasChange:
    """Take an alias away."""
    check_known(registry, name)
    with writing(registry, name, clock) as writer:
        before = _require_alias(writer.state, alias)
        entry = writer.record(ALIAS_DELETED, message, alias=alias, before=before)
    return AliasChange(name, alias, before, None, entry)


def rollback(
    registry: Path,
    name: str,
    alias: str = CHAMPION,
    *,
    expected: int | None = None,
    message: str | None = None,
    clock: Clock | None = None,
) -> AliasChange:
    """Let an alias point to what it pointed to before, by the journal; again, and it goes back further.

    Raises:
        UsageError: ``nothing-before``.
        StoreError: ``no-such-version`` or ``archived-version`` where that is no more to be had; ``alias-moved`` where
            it is not the one that was ``expected``.
    """
    check_known(registry, name)
    with writing(registry, name, clock) as writer:
        target = before_alias(writer.history, alias)
        now = writer.state.aliases.get(alias)
        if target is None:
            what = f"{name}@{alias} is v{now}, and was nothing before" if now else f"{name} has had no alias {alias!r}"
            hint = f"sqlfeat registry history {name} shows what has been."
            raise UsageError("nothing-before", f"{what}: there is nothing to go back to.", hint=hint)
        if expected is not None and target != expected:
            raise _moved(name, alias, expected, target)
        _require_current(writer.state, target)
        entry = writer.record(ROLLED_BACK, message, alias=alias, version=target, before=now)
    return AliasChange(name, alias, now, target, entry)


def before_alias(history: Iterable[Entry], alias: str) -> int | None:
    """What an alias pointed to before it pointed to what it does: a rollback takes back what was set last."""
    past: list[int | None] = [None]
    for entry in history:
        if entry.facts.get("alias") != alias:
            continue
        if entry.action == ALIAS_SET:
            past.append(entry.facts["version"])
        elif entry.action == ALIAS_DELETED:
            past.append(None)
        elif entry.action == ROLLED_BACK:
            past.pop()
    return past[-2] if len(past) > 1 else None


def archive(
    registry: Path, reference: str, *, undo: bool = False, message: str | None = None, clock: Clock | None = None
) -> tuple[str, int, Entry | None]:
    """Hide a version from ``latest`` and from lists, or take that back; its name, its number, and the change.

    Raises:
        UsageError: ``aliased-version`` where an alias points to it; ``bad-reference`` where no version is named.
    """
    name, wanted = parse_reference(reference)
    check_known(registry, name)
    with writing(registry, name, clock) as writer:
        state = writer.state
        number = _named(state, reference, wanted)
        known = state.versions[number]
        if undo == (known.archived_at is None):
            return name, number, None
        aliases = state.aliases_of(number)
        if aliases:
            raise UsageError(
                "aliased-version",
                f"{name}@v{number} is {' and '.join(aliases)}: it cannot be archived.",
                hint=f"move the alias first: sqlfeat registry alias {name} {aliases[0]} VERSION, or --delete.",
            )
        return name, number, writer.record(RESTORED if undo else ARCHIVED, message, version=number)


def _named(state: State, reference: str, wanted: int | str | None) -> int:
    if isinstance(wanted, str) and wanted in state.aliases:
        return state.aliases[wanted]
    if not isinstance(wanted, int):
        hint = f"write the number: {state.name}@{state.current[-1] if state.current else 1}."
        raise UsageError("bad-reference", f"{reference!r} does not say which version.", hint=hint)
    _require_version(state, wanted)
    return wanted


def _require_alias(state: State, alias: str) -> int:
    if alias not in state.aliases:
        hint = did_you_mean(alias, state.aliases) or "it has no alias at all."
        raise StoreError("no-such-version", f"The registered model {state.name} has no alias {alias!r}.", hint=hint)
    return state.aliases[alias]


def _require_version(state: State, number: int) -> None:
    if number not in state.versions:
        there = ", ".join(f"v{each}" for each in sorted(state.versions)) or "none"
        was = f"{state.name}@v{number} was dropped" if number in state.dropped else None
        what = was or f"The registered model {state.name} has no version {number}"
        raise StoreError("no-such-version", f"{what}.", hint=f"there is {there}.")


def _require_current(state: State, number: int) -> None:
    _require_version(state, number)
    if state.versions[number].archived_at is not None:
        hint = f"bring it back first: sqlfeat registry archive {state.name}@{number} --undo."
        raise StoreError("archived-version", f"{state.name}@v{number} is archived.", hint=hint)


def _moved(name: str, alias: str, expected: int | None, found: int | None) -> StoreError:
    then, now = (f"v{number}" if number else "nothing" for number in (expected, found))
    return StoreError(
        "alias-moved",
        f"{name}@{alias} pointed to {then} when this was decided, and points to {now} now.",
        hint=f"somebody else has moved it: look at sqlfeat registry history {name}, and decide again.",
    )


# -- what is dropped ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Droppable:
    """An archived version, its bytes, and why it stays; None where it goes."""

    name: str
    version: int
    bytes: int
    archived_at: datetime
    kept_for: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "bytes": self.bytes,
            "archived_at": self.archived_at.isoformat(),
            "kept_for": self.kept_for,
        }


@dataclass(frozen=True)
class CollectedModel:
    """What gc dropped of one registered model, or would; ``leftovers`` are folders that no entry speaks of."""

    name: str
    versions: tuple[Droppable, ...]
    leftovers: tuple[Path, ...] = ()
    leftover_bytes: int = 0

    @property
    def dropped(self) -> tuple[Droppable, ...]:
        return tuple(each for each in self.versions if each.kept_for is None)

    @property
    def kept(self) -> tuple[Droppable, ...]:
        return tuple(each for each in self.versions if each.kept_for is not None)

    @property
    def bytes(self) -> int:
        return self.leftover_bytes + sum(each.bytes for each in self.dropped)


def collect(
    registry: Path,
    name: str,
    *,
    older_than: timedelta,
    dry_run: bool = False,
    message: str | None = None,
    clock: Clock | None = None,
) -> CollectedModel:
    """Drop the versions that have been archived for so long, and what a killed process has left.

    What an alias points to, or would after a rollback, stays. A version's number is never given again.
    """
    check_known(registry, name)
    clock = clock or SystemClock()
    folder = registry / name
    until = clock.now() - older_than
    if dry_run:
        there = numbers_in(folder)
        state, history = read_history(folder, name)
        return _collected(folder, state, history, until, [number for number in there if number < state.next])
    with writing(registry, name, clock) as writer:
        found = _collected(folder, writer.state, writer.history, until, numbers_in(folder))
        for each in found.dropped:
            _drop(writer, each.version, message)
        for path in found.leftovers:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return found


def _collected(
    folder: Path, state: State, history: Sequence[Entry], until: datetime, there: Sequence[int]
) -> CollectedModel:
    aliases = {entry.facts["alias"] for entry in history if "alias" in entry.facts}
    fallback = {before_alias(history, alias): alias for alias in sorted(aliases)}
    versions = []
    for number, known in sorted(state.versions.items()):
        if known.archived_at is None:
            continue
        kept_for = "archived too lately" if known.archived_at > until else None
        if number in fallback:
            kept_for = f"a rollback of {fallback[number]} goes back to it"
        size = _bytes(folder / f"v{number}")
        versions.append(Droppable(state.name, number, size, known.archived_at, kept_for))
    unrecorded = [folder / f"v{number}" for number in there if number not in state.versions]
    leftovers = (*unrecorded, *sorted(folder.glob(".*.tmp")))  # with the lock held nobody is writing one
    return CollectedModel(state.name, tuple(versions), leftovers, sum(map(_bytes, leftovers)))


def _drop(writer: Writer, number: int, message: str | None) -> None:
    """The entry first: from then on nobody is given the version; then its folder loses its name, then its files."""
    writer.record(DROPPED, message, version=number)
    folder = writer.folder / f"v{number}"
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        if folder.exists():
            folder.rename(aside)
            shutil.rmtree(aside)
    except OSError as error:
        raise StoreError(
            "cannot-write",
            f"{folder} cannot be deleted: {error.strerror or error}.",
            hint=f"may you write into {folder.parent}? It is dropped: the next gc deletes what is left of it.",
        ) from error


def _bytes(place: Path) -> int:
    """The bytes of a file, or of all files below a folder; a link leads nowhere."""
    files = [place, *place.rglob("*")] if not place.is_symlink() else []
    return sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
