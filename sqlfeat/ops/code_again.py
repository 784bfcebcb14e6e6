"""The files of a recorded project put together again, in a folder of their own.

They are known by their hashes, so it does not matter where they come from: the recorded commit with the kept changes
upon it, or the checkout as it is now. Neither the checkout nor its repository is written to: the index that git needs
is one of ours.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sqlfeat.base.files import sha256
from sqlfeat.base.git import git, git_line
from sqlfeat.engine.duckdb.sources import Hashes, version_of, with_pushed
from sqlfeat.errors import ProjectError
from sqlfeat.ops.provenance import PATCH
from sqlfeat.ops.reproduction import Finding
from sqlfeat.spec.project import ProjectSpec, SourceTable
from sqlfeat.store.artifacts import read_file
from sqlfeat.store.pushed_segments import FOLDER
from sqlfeat.store.registry import VERSION, ModelVersion

_PATIENCE = 600.0
_SHOWN = 3


class CodeAgain:
    """Puts the code of a version together below ``folder``; ``checkout`` is the project's folder as it is now.

    ``root`` is then the project; ``findings`` say what is missing of it.
    """

    def __init__(self, version: ModelVersion, checkout: Path, folder: Path) -> None:
        self._version = version
        self._code: Mapping[str, Any] = version.provenance.get("code", {})
        self._around: Mapping[str, Any] = version.provenance.get("around", {})
        self._checkout = checkout
        self._tree = folder / "tree"
        self._index = folder / "index"
        self._ceiling = folder
        self.root = self._tree / (self._code.get("folder") or "")
        self.findings: list[Finding] = []

    def make(self) -> None:
        """Bring everything together; ``findings`` say what could not be."""
        self.root.mkdir(parents=True)
        why = self._from_commit() if self._code.get("commit") else "it was in no repository"
        self._from_record()
        lacking = self._from_checkout()
        if self._code.get("dirty"):
            self._without_strays()
        if lacking:
            self.findings.append(Finding("code", self._lacking(lacking, why), stops=True))
        elif why is not None and self._code.get("commit"):
            self.findings.append(Finding("code", f"{why}; the files as they are now are those of then"))
        self._changes_not_kept()

    # -- where files come from -------------------------------------------------------------------------------------

    def _from_commit(self) -> str | None:
        """Write the commit's files and the kept changes; why not, where that cannot be."""
        commit = self._code["commit"]
        top = git_line(self._checkout, "rev-parse", "--show-toplevel")
        if top is None:
            return f"the commit {commit[:12]} is in no repository here"
        if git(self._checkout, "cat-file", "-e", f"{commit}^{{commit}}") is None:
            return f"the commit {commit[:12]} is not in the repository"
        ours = {"GIT_INDEX_FILE": str(self._index)}
        prefix = self._code.get("folder") or ""
        read = git(Path(top), "read-tree", commit, environment=ours, patience=_PATIENCE)
        inside = [f":(top,literal){prefix.rstrip('/')}"] if prefix else []
        names = git(Path(top), "ls-files", "-z", "--", *inside, environment=ours, patience=_PATIENCE)
        if read is None or names is None:
            return f"git cannot read the commit {commit[:12]}"
        write = ("checkout-index", "-f", "-q", "-z", "--stdin", f"--prefix={self._tree}/")
        if git(Path(top), *write, stdin=names, environment=ours, patience=_PATIENCE) is None:
            return f"git cannot write the files of the commit {commit[:12]}"
        return self._patched()

    def _patched(self) -> str | None:
        if self._code.get("patch") is None:
            return None
        patch = read_file(self._version.path, self._version.manifest, PATCH, VERSION)
        apart = {"GIT_CEILING_DIRECTORIES": str(self._ceiling.parent)}
        options = ("apply", "--whitespace=nowarn", "-p1", "-")
        done = git(self.root, *options, stdin=patch, environment=apart, patience=_PATIENCE)
        return "the kept changes do not fit the commit" if done is None else None

    def _from_record(self) -> None:
        """Write the new files whose texts were kept."""
        for entry in self._code.get("untracked", ()):
            text = entry.get("text")
            if text is not None and _is_inside(entry["path"]) and _digest(text.encode()) == entry["sha256"]:
                place = self.root / entry["path"]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text.encode())

    def _from_checkout(self) -> list[str]:
        """Take what is not right yet from the checkout, where it is; the files that are right nowhere."""
        lacking = []
        for name, digest in self._wanted():
            place, present = self.root / name, self._checkout / name
            if _has(place, digest):
                continue
            if _has(present, digest):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)
                shutil.copyfile(present, place)
            else:
                lacking.append(name)
        return lacking

    def _wanted(self) -> Iterator[tuple[str, str]]:
        files = {**self._code.get("files", {}), **self._around.get("modules", {})}
        named = ((expanded(name), digest) for name, digest in sorted(files.items()) if digest)
        yield from ((name, digest) for name, digest in named if _is_inside(name))

    def _without_strays(self) -> None:
        """Remove files of the commit that were deleted before the training."""
        deleted = (entry["path"] for entry in self._code.get("changes", ()) if "D" in entry["status"])
        for name in deleted:
            if _is_inside(name) and name not in self._code.get("files", {}):
                (self.root / name).unlink(missing_ok=True)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _lacking(self, names: Sequence[str], why: str | None) -> str:
        gone = all(not (self._checkout / name).is_file() for name in names)
        told = f"{_shown(names)} {'is' if len(names) == 1 else 'are'} {'gone' if gone else 'not as recorded'}"
        reason = self._code.get("patch_left_out") or why
        return f"{told}; {reason}" if reason else told

    def _changes_not_kept(self) -> None:
        """Note changes whose content is known nowhere, of files that sqlfeat itself does not read."""
        files = self._code.get("files", {})
        kept = self._code.get("patch") is not None and not self._code.get("patch_left_out")
        texts = {entry["path"] for entry in self._code.get("untracked", ()) if "text" in entry}
        unknown = [
            entry["path"]
            for entry in self._code.get("changes", ())
            if entry["path"] not in files and (entry["path"] not in texts if entry["status"] == "??" else not kept)
        ]
        if unknown:
            self.findings.append(Finding("code", f"{_shown(unknown)} differed from the commit, and how is not kept"))


class DataAgain:
    """Finds the data that a version was made from, for a project that is put together again."""

    def __init__(self, version: ModelVersion, present: ProjectSpec, root: Path) -> None:
        self._recorded: Mapping[str, Mapping[str, Any]] = version.provenance.get("sources", {})
        self._now = present.sources
        self._checkout = present.root
        self._root = root
        self._hashes = Hashes()
        self._pushed: dict[str, Sequence[Path]] = {}
        self.findings: list[Finding] = []

    def placed(self, spec: ProjectSpec) -> ProjectSpec:
        """The project with its sources where the recorded data lie; ``findings`` say which are nowhere."""
        tables = dict(spec.sources)
        for key, table in spec.sources.items():
            recorded = self._recorded.get(table.id)
            if recorded is None:
                tables[key] = self._present(table)
                continue
            tables[key] = self._found(table, recorded)
        return replace(spec, sources=tables)

    def _present(self, table: SourceTable) -> SourceTable:
        """A source that the version was not made from, where it is now: the project must compile."""
        return table if self._version(table, self._root) else self._moved(table)

    def _moved(self, table: SourceTable) -> SourceTable:
        if "://" in table.location:
            return table
        return replace(table, location=os.path.normpath(self._checkout / table.location))

    def _found(self, table: SourceTable, recorded: Mapping[str, Any]) -> SourceTable:
        """The source as it lies in the commit, in the checkout, or with its files gathered from both."""
        wanted = recorded["version"]
        pushed = [entry for entry in recorded["files"] if _is_pushed(entry["path"], table)]
        if pushed and not self._placed_pushes(table, pushed):
            return self._moved(table)
        moved = self._moved(table)
        now = self._now.get((table.source, table.name), table)
        for place in (table, moved, replace(table, location=self._moved(now).location)):
            if self._version(place, self._root) == wanted:
                return place
        own = [entry for entry in recorded["files"] if entry not in pushed]
        lacking = [text for entry in own if (text := self._gathered(entry)) is not None]
        if not lacking and self._version(table, self._root) == wanted:
            return table
        name = table.id.removeprefix("source.")
        what = "; ".join(lacking[:_SHOWN]) or f"other files lie at {table.location} now than did then"
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        self.findings.append(Finding("source", f"{name}: {what}{more}", stops=True))
        return moved

    def _placed_pushes(self, table: SourceTable, recorded: Sequence[Mapping[str, Any]]) -> bool:
        """Bring the files of what was pushed to where the project of then looks for them; whether all are there."""
        name, placed = table.id.removeprefix("source."), []
        for entry in recorded:
            shown = expanded(entry["path"])
            present = self._checkout / shown
            if not _has(present, entry["sha256"]):
                why = "has changed since" if present.is_file() else "is gone"
                what = f"{name}: what was pushed is not whole: {entry['path']} {why}"
                self.findings.append(Finding("source", what, stops=True))
                return False
            place = self._root / "target" / "online" / FOLDER / name / present.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(present, place)
            placed.append(place)
        self._pushed[table.id] = placed
        return True

    def _gathered(self, entry: Mapping[str, Any]) -> str | None:
        """Bring a recorded file into the project's folder; what is wrong where it is not there as it was."""
        name = expanded(entry["path"])
        present = self._checkout / name
        if not present.is_file():
            return f"{entry['path']} is gone"
        if self._hashes.of(present) != entry["sha256"]:
            return f"{entry['path']} has changed since"
        if not _is_inside(name):
            return None
        place = self._root / name
        if not _has(place, entry["sha256"]):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            shutil.copyfile(present, place)
        return None

    def _version(self, table: SourceTable, root: Path) -> str | None:
        try:
            version = version_of(table, root, self._hashes)
            return with_pushed(version, self._pushed.get(table.id, ()), self._hashes)
        except (ProjectError, OSError):
            return None


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def expanded(value: Any) -> Any:
    """A recorded value with the values of the environment that were withheld in its texts."""
    if isinstance(value, Mapping):
        return {expanded(key): expanded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner) for inner in value]
    return _expanded(value) if isinstance(value, str) else value


def _expanded(text: str) -> str:
    return re.sub(r"\$\{env:(\w+)\}", lambda match: os.environ.get(match[1], match[0]), text)


def _is_pushed(path: str, table: SourceTable) -> bool:
    """Whether a recorded file of a source is one of what was pushed to it."""
    return PurePosixPath(path).parts[-3:-1] == (FOLDER, table.id.removeprefix("source."))


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name not in ("", ".")


def _has(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
