"""The code of a project as it stands: commit, what differs from it, and the files that sqlfeat reads, by hash.

Enough is noted to put the same files together again elsewhere (``ops.code_again``). What is kept of texts is bounded,
and nothing is kept that holds a value of the environment or looks like a key: then only its hash and the reason are.
Nothing is written into the repository.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.base.git import git, git_line, git_paths
from sqlfeat.base.withheld import Withheld, has_key_material, variables_named_in, without_password
from sqlfeat.engine.duckdb.sources import files_of
from sqlfeat.errors import ProjectError
from sqlfeat.spec.project import ProjectSpec

MOST_PATCH = 1 << 20
"""So many bytes of uncommitted changes are kept."""
MOST_FILE = 1 << 20
"""A changed file that is greater is named, and no part of the patch."""
MOST_TEXT = 64 << 10
"""A new file that git does not know is kept up to this size."""
MOST_NAMED = 500
"""So many changed and new files are named."""
_GREATEST_READ = 16 << 20
_PASSED_BY = frozenset({"__pycache__", "node_modules", "dbt_packages"})
_FOLDERS = ("models", "macros", "hooks", "seeds", "tests", "packages")


@dataclass(frozen=True)
class CodeState:
    """A project's code at one moment.

    ``git`` is what versions keep of it; ``told`` is all that is recorded, with ``patch`` beside it as bytes, where
    there are changes and they may be kept. ``withheld`` are the values that must not be.
    """

    git: Mapping[str, Any] | None
    told: Mapping[str, Any]
    patch: bytes | None
    withheld: Withheld
    named: tuple[str, ...] = ()


def code_state(spec: ProjectSpec) -> CodeState:
    """The code of a project, as its folder has it now."""
    files, named = _files(spec)
    withheld = Withheld.of(os.environ, named)
    told: dict[str, Any] = {"files": files}
    commit = git_line(spec.root, "rev-parse", "--verify", "HEAD")
    changes = _Changes.of(spec) if commit else None
    if commit is None or changes is None:
        return CodeState(None, told, None, withheld, tuple(sorted(named)))
    patch, why = changes.patch(withheld)
    told |= {
        "commit": commit,
        "dirty": bool(changes.paths),
        "folder": changes.prefix,
        "branch": git_line(spec.root, "symbolic-ref", "--short", "--quiet", "HEAD"),
        "remote": _remote(spec.root),
        "changes": [{"path": path, "status": status} for path, status in changes.paths[:MOST_NAMED]],
        "more_changes": max(len(changes.paths) - MOST_NAMED, 0),
        "patch": None if patch is None else {"bytes": len(patch), "sha256": hashlib.sha256(patch).hexdigest()},
        "patch_left_out": why,
        "untracked": [changes.untracked(path, withheld) for path in changes.new[:MOST_NAMED]],
    }
    state = {"commit": commit, "dirty": bool(changes.paths)}
    return CodeState(state, withheld.hidden_in(told), patch, withheld, tuple(sorted(named)))


def withheld_of(spec: ProjectSpec) -> Withheld:
    """What must not be kept of anything that this project's texts may have brought in from the environment."""
    return Withheld.of(os.environ, _files(spec)[1])


def _remote(root: Path) -> str | None:
    address = git_line(root, "remote", "get-url", "origin")
    return without_password(address) if address and "://" in address else address


@dataclass(frozen=True)
class _Changes:
    """What of a project's folder differs from the commit: paths below the folder, each with git's two letters."""

    root: Path
    prefix: str
    paths: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, spec: ProjectSpec) -> _Changes | None:
        prefix = git_line(spec.root, "rev-parse", "--show-prefix")
        apart = [f":(exclude,literal){path}" for path in _generated(spec)]
        options = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
        found = git_paths(spec.root, "status", *options, "--", ".", *apart)
        if prefix is None or found is None:
            return None
        data = _source_files(spec)
        entries = ((entry[3:].removeprefix(prefix), entry[:2]) for entry in found)
        return cls(spec.root, prefix, tuple(sorted(entry for entry in entries if entry[0] not in data)))

    @property
    def new(self) -> list[str]:
        return [path for path, status in self.paths if status == "??"]

    @property
    def tracked(self) -> list[str]:
        return [path for path, status in self.paths if status != "??"]

    def patch(self, withheld: Withheld) -> tuple[bytes | None, str | None]:
        """What turns the commit's files into these, and why there is none, or not all of it."""
        if not self.tracked:
            return None, None
        if len(self.tracked) > MOST_NAMED:
            return None, f"{len(self.tracked):,} files differ, and up to {MOST_NAMED} are kept"
        great = [path for path in self.tracked if _size(self.root / path) > MOST_FILE]
        kept = [f":(literal){path}" for path in self.tracked if path not in great]
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/", "--relative", "--submodule=short")
        plain = ("--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
        made = git(self.root, "diff", *plain, *prefixes, "HEAD", "--", *kept) if kept else b""
        if made is None:
            return None, "git does not say what differs"
        if len(made) > MOST_PATCH:
            return None, f"it has {len(made):,} bytes, and up to {MOST_PATCH:,} are kept"
        why = _secret_in(made, withheld)
        if why is not None:
            return None, why
        return made or None, f"without {', '.join(great[:5])}, which are too large" if great else None

    def untracked(self, path: str, withheld: Withheld) -> dict[str, Any]:
        """A new file by name and hash, and its text if it is small and no secret."""
        size = _size(self.root / path)
        told: dict[str, Any] = {"path": path, "bytes": size}
        if size > _GREATEST_READ:
            return {**told, "left_out": "too large"}
        try:
            raw = (self.root / path).read_bytes()
            told["sha256"] = hashlib.sha256(raw).hexdigest()
            text = raw.decode()
        except OSError as error:
            return {**told, "left_out": f"it cannot be read: {error.strerror}"}
        except UnicodeDecodeError:
            return {**told, "left_out": "no text"}
        if any(part.startswith(".") for part in Path(path).parts):
            return {**told, "left_out": "hidden"}
        why = "too large" if size > MOST_TEXT else _secret_in(raw, withheld)
        return {**told, "left_out": why} if why else {**told, "text": text}


def _secret_in(raw: bytes, withheld: Withheld) -> str | None:
    """Why a text may not be kept; None where it may."""
    names = withheld.named_in(raw)
    if names:
        return f"it holds the value of {' and '.join(names)}"
    return "it holds what looks like a key" if has_key_material(raw) else None


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


# -- files -------------------------------------------------------------------------------------------------------------


def _files(spec: ProjectSpec) -> tuple[dict[str, str], set[str]]:
    """The files below the folders that sqlfeat reads, by hash, and the environment variables that they name."""
    apart, data = set(_generated(spec)), _source_files(spec)
    seeds = {seed.path for seed in spec.seeds.values()}
    found: dict[str, str] = {}
    named: set[str] = set()
    for path in _below(spec, apart):
        name = path.relative_to(spec.root).as_posix()
        if name in data or (_size(path) > _GREATEST_READ and name not in seeds):
            continue
        try:
            raw = path.read_bytes()
        except OSError:
            continue
        found[name] = hashlib.sha256(raw).hexdigest()
        if path.suffix != ".csv":
            named |= variables_named_in(raw.decode(errors="replace"))
    return dict(sorted(found.items())), named


def _below(spec: ProjectSpec, apart: set[str]) -> Iterator[Path]:
    known = [spec.project_file, *(model.path for model in spec.models.values())]
    known += [seed.path for seed in spec.seeds.values()]
    known += [file.path for file in (*spec.macros, *spec.singular_tests) if (spec.root / file.path).is_file()]
    known += [hook.relative_to(spec.root).as_posix() for hook in spec.hooks if hook.is_relative_to(spec.root)]
    yield from (path for path in sorted(spec.root.glob("*.y*ml")) if path.is_file())
    for folder in sorted({*_FOLDERS, *(path.split("/")[0] for path in known if "/" in path)}):
        for place, folders, names in os.walk(spec.root / folder):
            inside = Path(place).relative_to(spec.root)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and name not in _PASSED_BY and (inside / name).as_posix() not in apart
            )
            yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _generated(spec: ProjectSpec) -> list[str]:
    """What sqlfeat itself writes below the project's folder."""
    places = [spec.target_path, spec.registry]
    for file in (target.path for target in spec.targets.values() if target.path):
        places += [file, file.with_suffix(".tmp"), *(file.with_name(file.name + end) for end in (".wal", ".layouts"))]
    places += [spec.root / str(spec.online["path"])] if spec.online.get("path") else []
    inside = [place for place in places if place != spec.root and place.is_relative_to(spec.root)]
    return sorted({place.relative_to(spec.root).as_posix() for place in inside})


def _source_files(spec: ProjectSpec) -> set[str]:
    """The files of sources below the project's folder: data, which are told apart from code."""
    found: set[str] = set()
    for table in spec.sources.values():
        try:
            files: Sequence[Path] = files_of(table, spec.root)
        except ProjectError:
            continue
        found |= {file.relative_to(spec.root).as_posix() for file in files if file.is_relative_to(spec.root)}
    return found
