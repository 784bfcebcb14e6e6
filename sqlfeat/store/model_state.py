"""How one registered model stands: its versions, aliases and counter, and the journal that led there.

``registry/NAME/state.json`` is the one file that says so, with a checksum of its own. A change is a journal entry, and
what follows from it: both are in the new ``state.json``, whose rename is the step that counts; the entry's line is
appended to ``journal.jsonl`` right after. A crash between the two leaves a journal that lacks the line that the state
holds, which every reader adds and the next writer writes. So aliases and journal agree whatever happens, and one that
was put back from an older copy is found: the other has gone on.

A registered model from before there were journals has neither file: all its versions count, and the first change
adopts them. What the versions hold is told in ``store.registry``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import (
    FolderLock,
    NotAPlainFileError,
    canonical_json,
    read_plain,
    sha256_text,
    sync_folder,
    write_atomically,
    writing_to,
)
from sqlfeat.base.names import is_identifier
from sqlfeat.errors import StoreError
from sqlfeat.store.journal import JOURNAL, Author, Entry, beginning, read_entries

STATE = "state.json"
MANIFEST = "version.json"
KIND = "registered_model"
FORMAT_VERSION = 1
PATIENCE = 60.0
"""How many seconds a writer waits for another."""

ADOPTED, REGISTERED = "adopted", "registered"
ALIAS_SET, ALIAS_DELETED, ROLLED_BACK = "alias_set", "alias_deleted", "rolled_back"
ARCHIVED, RESTORED, DROPPED = "archived", "restored", "dropped"

_FOLDER = re.compile(r"v([1-9][0-9]{0,8})")
_MOST = 1_000_000_000


@dataclass(frozen=True)
class Recorded:
    """What the state says of a version: the SHA-256 of its manifest, and since when it is archived."""

    manifest: str | None
    archived_at: datetime | None = None


@dataclass(frozen=True)
class State:
    """How a registered model stands after its last entry.

    ``next`` is the number that no version has had yet, ``dropped`` are the numbers of versions that are gone.
    ``length`` counts the journal's bytes and ``head`` is the hash of its last line, ``last``. ``is_recorded`` is false
    for a model from before there were journals.
    """

    name: str
    next: int = 1
    versions: Mapping[int, Recorded] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()
    entries: int = 0
    length: int = 0
    head: str = ""
    last: str = ""
    is_recorded: bool = True

    def aliases_of(self, number: int) -> tuple[str, ...]:
        """The aliases that point to a version."""
        return tuple(sorted(alias for alias, version in self.aliases.items() if version == number))

    @property
    def current(self) -> tuple[int, ...]:
        """The versions that are not archived, oldest first."""
        return tuple(sorted(number for number, known in self.versions.items() if known.archived_at is None))

    def standing(self) -> tuple[Any, ...]:
        """What the journal alone determines."""
        kept = (dict(self.versions), dict(self.aliases), self.dropped)
        return (self.next, kept, self.entries, self.length, self.head, self.last)


# -- what an entry does ------------------------------------------------------------------------------------------------


def after(state: State, entry: Entry) -> State:
    """The state once this entry has happened.

    Raises:
        ValueError: it cannot happen in this state.
    """
    try:
        changed = _changed(state, entry)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"entry {entry.number} lacks {error}") from None
    line = entry.line()
    return replace(
        changed,
        entries=entry.number,
        length=state.length + len(line.encode()),
        head=sha256_text(line),
        last=line,
        is_recorded=True,
    )


def _changed(state: State, entry: Entry) -> State:
    facts, versions, aliases = entry.facts, dict(state.versions), dict(state.aliases)
    match entry.action:
        case "adopted":
            _require(not versions, entry)
            found = {int(number): Recorded(hash_) for number, hash_ in facts["versions"].items()}
            return replace(state, versions=found, next=max(found, default=0) + 1)
        case "registered":
            number = facts["version"]
            _require(isinstance(number, int) and state.next <= number < _MOST, entry)
            return replace(state, versions={**versions, number: Recorded(facts["manifest"])}, next=number + 1)
        case "alias_set" | "rolled_back":
            known = versions.get(facts["version"])
            _require(known is not None and known.archived_at is None and is_identifier(facts["alias"]), entry)
            _require(aliases.get(facts["alias"]) == facts["before"], entry)
            return replace(state, aliases={**aliases, facts["alias"]: facts["version"]})
        case "alias_deleted":
            _require(aliases.pop(facts["alias"], None) == facts["before"], entry)
            return replace(state, aliases=aliases)
        case "archived" | "restored":
            number, at = facts["version"], entry.at if entry.action == ARCHIVED else None
            _require(number in versions and number not in aliases.values(), entry)
            return replace(state, versions={**versions, number: replace(versions[number], archived_at=at)})
        case "dropped":
            known = versions.pop(facts["version"], None)
            _require(known is not None and known.archived_at is not None, entry)
            return replace(state, versions=versions, dropped=state.dropped | {facts["version"]})
    raise ValueError(f"entry {entry.number} is of an action {entry.action!r} that this sqlfeat does not know")


def _text(message: str | None) -> str | None:
    """A message as UTF-8 can hold it, whatever bytes a command line gave."""
    return None if message is None else message.encode(errors="backslashreplace").decode()


def _require(holds: object, entry: Entry) -> None:
    if not holds:
        raise ValueError(f"entry {entry.number} ({entry.action}) cannot follow what is before it")


# -- reading -----------------------------------------------------------------------------------------------------------


def read_state(folder: Path, name: str) -> State:
    """How the model in this folder stands; raises ``damaged-registry`` where the file is not what was written."""
    raw = _read(folder / STATE)
    if raw is None and _read(folder / JOURNAL):
        raw = _read(folder / STATE)  # its first entry may have been written while we looked
        if raw is None:
            raise _damaged(folder / STATE, "it is missing, and there is a journal")
    if raw is None:
        numbers = numbers_in(folder)
        found = {number: Recorded(None) for number in numbers}
        return State(name, max(numbers, default=0) + 1, found, is_recorded=False)
    return _parsed(folder / STATE, raw, name)


def read_history(folder: Path, name: str) -> tuple[State, list[Entry]]:
    """How the model stands and the entries that led there, once both are found to say the same."""
    state = read_state(folder, name)
    while True:
        found = _read(folder / JOURNAL) or b""
        before = state.length - len(state.last.encode())
        if found[before:] == state.last.encode()[: len(found) - before] and len(found) >= before:
            return state, _agreed(folder, state, found[:before])
        newer = read_state(folder, name)  # a writer may have gone on between the two files
        if newer == state:
            raise _damaged(folder / JOURNAL, _contradiction(state, found))
        state = newer


def _contradiction(state: State, found: bytes) -> str:
    if len(found) > state.length:
        return f"it goes on after entry {state.entries}, the last that {STATE} knows"
    if len(found) < state.length:
        return f"it has {len(found):,} bytes and had {state.length:,}"
    return f"its last line is not entry {state.entries} of {STATE}"


def _agreed(folder: Path, state: State, before: bytes) -> list[Entry]:
    if not state.is_recorded:
        return []
    try:
        entries = read_entries(before.decode() + state.last, state.name)
        followed = State(state.name)
        for entry in entries:
            followed = after(followed, entry)
    except ValueError as error:
        why = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise _damaged(folder / JOURNAL, why) from None
    if followed.standing() != state.standing():
        raise _damaged(folder / JOURNAL, f"it does not lead to what {STATE} says")
    return entries


def _parsed(path: Path, raw: bytes, name: str) -> State:
    try:
        told = json.loads(raw)
        body = {key: value for key, value in told.items() if key != "checksum"}
        whole = canonical_json(told).encode() == raw and sha256_text(canonical_json(body)) == told["checksum"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        raise _damaged(path, "it is not what was written") from None
    if told.get("kind") == KIND and isinstance(told.get("format"), int) and told["format"] > FORMAT_VERSION:
        what = f"{path} has format {told['format']}; this sqlfeat reads format {FORMAT_VERSION}."
        raise StoreError("newer-format", what, hint="a newer sqlfeat wrote it: update sqlfeat.")
    if not whole or (told.get("kind"), told.get("format")) != (KIND, FORMAT_VERSION):
        raise _damaged(path, "it is not what was written")
    if told.get("name") != name:
        raise _damaged(path, f"it belongs to {told.get('name')!r}")
    try:
        return _state(told)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path, "it is not what was written") from None


def _state(told: Mapping[str, Any]) -> State:
    versions = {
        int(number): Recorded(
            known["manifest"], datetime.fromisoformat(known["archived_at"]) if known["archived_at"] else None
        )
        for number, known in told["versions"].items()
    }
    dropped = frozenset(told["dropped"])
    state = State(told["name"], told["next"], versions, dict(told["aliases"]), dropped, **told["journal"])
    sound = all(0 < number < state.next <= _MOST for number in (*versions, *dropped))
    if not sound or not all(is_identifier(alias) and n in versions for alias, n in state.aliases.items()):
        raise ValueError("a version that cannot be")
    if len(state.last.encode()) > state.length or sha256_text(state.last) != state.head:
        raise ValueError("a journal that cannot be")
    return state


def _written(state: State) -> str:
    body = {
        "kind": KIND,
        "format": FORMAT_VERSION,
        "name": state.name,
        "next": state.next,
        "versions": {
            str(number): {
                "manifest": known.manifest,
                "archived_at": known.archived_at.isoformat() if known.archived_at else None,
            }
            for number, known in state.versions.items()
        },
        "aliases": dict(state.aliases),
        "dropped": sorted(state.dropped),
        "journal": {"entries": state.entries, "length": state.length, "head": state.head, "last": state.last},
    }
    return canonical_json({**body, "checksum": sha256_text(canonical_json(body))})


def _read(path: Path) -> bytes | None:
    try:
        return read_plain(path)
    except FileNotFoundError:
        return None
    except NotAPlainFileError as error:
        raise _damaged(path, str(error)) from None
    except OSError as error:
        raise StoreError("cannot-read", f"{path} cannot be read: {error.strerror or error}.") from error


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        "damaged-registry",
        f"{path} is damaged: {why}.",
        hint=f"bring {STATE} and {JOURNAL} back from a copy, both of the same time; or delete both: "
        "the versions stay, the aliases must be set again.",
    )


def numbers_in(folder: Path) -> list[int]:
    """The numbers of the version folders that lie there, recorded or not."""
    if not folder.is_dir():
        return []
    found = (_FOLDER.fullmatch(place.name) for place in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


# -- writing -----------------------------------------------------------------------------------------------------------


class Writer:
    """The one process that may change a registered model; :func:`writing` gives it."""

    def __init__(self, folder: Path, name: str, clock: Clock, author: Author) -> None:
        self.folder = folder
        self.state, self.history = read_history(folder, name)
        self._clock = clock
        self._author = author

    def record(self, action: str, message: str | None = None, **facts: Any) -> Entry:
        """Let something have happened: journal and state say so from now on, or neither does."""
        if not self.state.is_recorded:
            self._adopt()
        state = self.state
        previous = state.head or beginning(state.name)
        entry = Entry(state.entries + 1, self._clock.now(), self._author, action, previous, _text(message), facts)
        changed = after(state, entry)
        self._catch_up()
        write_atomically(self.folder / STATE, _written(changed))
        self.state = changed
        self.history.append(entry)
        with contextlib.suppress(StoreError):  # it has happened: the state holds the line until it can be written
            self._catch_up()
        return entry

    def _catch_up(self) -> None:
        """Make the journal hold all that the state knows: its last line, and nothing that is half written."""
        state, path = self.state, self.folder / JOURNAL
        before = state.length - len(state.last.encode())
        if not state.entries or (path.exists() and path.stat().st_size == state.length):
            return
        with writing_to(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                os.ftruncate(descriptor, before)
                os.pwrite(descriptor, state.last.encode(), before)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if not before:
                sync_folder(self.folder)

    def _adopt(self) -> None:
        """Take over the versions from before there were journals, as they lie there."""
        found = {str(number): manifest_hash(self.folder / f"v{number}") for number in sorted(self.state.versions)}
        self.state = State(self.state.name)
        if found:
            self.record(ADOPTED, versions=found)


def manifest_hash(folder: Path) -> str | None:
    """The SHA-256 of a version's manifest; None where it cannot be read."""
    try:
        return hashlib.sha256(read_plain(folder / MANIFEST)).hexdigest()
    except OSError:
        return None


@contextmanager
def writing(registry: Path, name: str, clock: Clock | None = None, author: Author | None = None) -> Iterator[Writer]:
    """The right to change a registered model, and how it stands; other writers wait, readers need not."""
    clock = clock or SystemClock()
    folder = registry / name
    with FolderLock(folder, wait=PATIENCE, clock=clock):
        yield Writer(folder, name, clock, author or Author.here())
