"""Where a version comes from: what is noted before a training, and recorded with what it made.

A version has to tell its whole chain when the sources, the repository and ``target/`` are gone. So everything that an
audit tells is in its manifest, under ``provenance``, with the uncommitted changes in a file beside it; what may be
secret is in neither.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sqlfeat.base.files import canonical_json, sha256, sha256_text
from sqlfeat.base.git import git_line
from sqlfeat.compiler.lineage import Lineage
from sqlfeat.ops.code_state import CodeState, code_state
from sqlfeat.ops.session import Session
from sqlfeat.spec.trainer import TrainerSpec
from sqlfeat.store.journal import Author
from sqlfeat.store.training_set import TrainingSet

RECORD_VERSION = 1
PATCH = "changes.patch"
"""The file of a version that holds the uncommitted changes of its project."""
_SHORT = 16
_TOLD_ELSEWHERE = ("compiled", "features", "transforms", "kind", "checksum", "name", "id")
"""What of a training set's manifest a version has anyway, or what only says of which kind it is."""
Manifest = Mapping[str, Any]


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that is checked out, and whether files of this folder differ from it; None outside of git."""
    commit = git_line(folder, "rev-parse", "--verify", "HEAD")
    changes = git_line(folder, "status", "--porcelain", "--", ".") if commit else None
    return None if commit is None or changes is None else {"commit": commit, "dirty": bool(changes)}


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of these packages, as far as they are installed."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True)
class Beginning:
    """What is noted before a training: the code as it is then, since somebody may edit it meanwhile."""

    started_at: datetime
    code: CodeState
    hook: TrainerSpec
    hook_text: bytes


def note_beginning(session: Session, hook: TrainerSpec) -> Beginning:
    """Note the code and the hook as they are now."""
    return Beginning(session.clock.now(), code_state(session.spec), hook, hook.path.read_bytes())


def provenance(
    session: Session,
    begun: Beginning,
    training_set: TrainingSet,
    given: Mapping[str, Any],
    around: Mapping[str, Any],
    folder: Path,
) -> dict[str, Any]:
    """What is recorded of a training; the uncommitted changes are written into ``folder``.

    ``given`` are the parameters over those of the hook, ``around`` is what the child tells of its surroundings.
    """
    if begun.code.patch is not None:
        (folder / PATCH).write_bytes(begun.code.patch)
    author = Author.here()
    told = {
        "record": RECORD_VERSION,
        "started_at": begun.started_at.isoformat(),
        "who": {"user": author.user, "host": author.host},
        "code": begun.code.told,
        "hook": _hook(begun),
        "around": dict(around),
        "run": _run(session, begun, given, training_set.manifest),
        "sources": _sources(session, training_set.manifest),
        "training_set": _training_set(training_set),
        "lineage": _lineage(session, training_set),
    }
    hidden: dict[str, Any] = begun.code.withheld.hidden_in(told)
    return hidden


def _hook(begun: Beginning) -> dict[str, Any]:
    hook = begun.hook
    told = {
        "name": hook.name,
        "function": hook.function,
        "file": hook.file,
        "line": hook.line,
        "sha256": hashlib.sha256(begun.hook_text).hexdigest(),
        "source": begun.hook_text.decode(errors="replace"),
    }
    if not hook.path.is_file() or sha256(hook.path) != told["sha256"]:
        told["changed_meanwhile"] = True
    return told


def _run(session: Session, begun: Beginning, given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """What was asked for: parameters, limits, variables, the target."""
    hook = begun.hook
    environment = {
        name: sha256_text(os.environ[name])[:_SHORT] if name in os.environ else None for name in begun.code.named
    }
    return {
        "params": dict(given),
        "limits": {"time": hook.time_limit, "memory": hook.memory_limit},
        "target": session.target.name,
        "engine": session.target.engine,
        "threads": session.threads or session.target.threads,
        "variables": dict(_variables(session, begun, manifest)),
        "environment": environment,
    }


def _variables(session: Session, begun: Beginning, manifest: Manifest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every variable by a hash of its value; the value too where it is no text, or stands in the SQL anyway.

    A text that no SQL shows may be a password for all that we know.
    """
    sql = "\n".join(str(model.get("sql", "")) for model in manifest.get("models", {}).values())
    for name, value in sorted(session.variables.items()):
        told: dict[str, Any] = {"sha256": variable_hash(value)}
        if name not in session.spec.vars or session.spec.vars[name] != value:
            told["over_project"] = True
        shown = isinstance(value, bool | int | float) or value is None or (isinstance(value, str) and value in sql)
        if shown and not begun.code.withheld.named_in(str(value)):
            told["value"] = value
        yield name, told


def variable_hash(value: Any) -> str:
    """The hash by which a variable is known again."""
    try:
        return sha256_text(canonical_json(value))[:_SHORT]
    except (TypeError, ValueError):
        return sha256_text(canonical_json(str(value)))[:_SHORT]


def _sources(session: Session, manifest: Manifest) -> dict[str, Any]:
    """Every source above the training set: where it lies, its files with hashes, rows, and between which instants."""
    seen = manifest.get("seen", {})
    told = {}
    for id_, version in manifest.get("sources", {}).items():
        _, source, name = id_.split(".", 2)
        table = session.spec.sources[source, name]
        files = [
            {"path": shown_path(file, session.spec.root), "bytes": size, "sha256": digest}
            for file, size, digest in session.engine.source_files(table)
        ]
        told[id_] = {
            "location": table.location,
            "format": table.format,
            "version": version,
            "files": files,
            "changed_meanwhile": session.engine.source_version(table) != version,
            **dict(seen.get(id_, {})),
        }
    return told


def shown_path(path: Path, root: Path) -> str:
    """A path relative to the project where it lies inside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _training_set(training_set: TrainingSet) -> dict[str, Any]:
    """What the training set's own manifest says, so that nobody needs it; long category lists by their hash."""
    told = {name: value for name, value in training_set.manifest.items() if name not in _TOLD_ELSEWHERE}
    told["columns"] = [
        {**column, "categories": None if column["categories"] is None else _listed(column["categories"])}
        for column in training_set.manifest.get("columns", ())
    ]
    parts = [file for file in training_set.files if file.endswith(".parquet")]
    digests = {file: column_digests(training_set.path / file) for file in parts}
    return {**told, "built": dict(training_set.built), "column_digests": digests}


def _listed(categories: Sequence[str]) -> dict[str, Any]:
    return {"count": len(categories), "sha256": sha256_text(canonical_json(list(categories)))[:_SHORT]}


def column_digests(path: Path) -> dict[str, str]:
    """Column → a hash of its bytes in a Parquet file: which columns differ can be told without the other file."""
    digests: dict[str, Any] = {}
    with path.open("rb") as stream, pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        for group in range(file.metadata.num_row_groups):
            row_group = file.metadata.row_group(group)
            flat = row_group.num_columns == len(names)
            for position in range(row_group.num_columns):
                chunk = row_group.column(position)
                first = chunk.data_page_offset
                if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
                    first = min(first, chunk.dictionary_page_offset)
                stream.seek(first)
                name = names[position] if flat else chunk.path_in_schema.split(".")[0]
                digests.setdefault(name, hashlib.sha256()).update(stream.read(chunk.total_compressed_size))
    return {name: digests[name].hexdigest()[:_SHORT] if name in digests else "empty" for name in names}


def _lineage(session: Session, training_set: TrainingSet) -> dict[str, Any]:
    """Input → the source and seed columns that it is made from, and why where that is not known."""
    if not training_set.manifest.get("models"):
        return {}
    lineage = Lineage(session.manifest)
    told: dict[str, Any] = {}
    own = lineage.columns(f"model.{training_set.name}")
    for column in training_set.inputs:
        found = own.get(column.name)
        if found is None:
            continue
        roots, untraced = _roots(lineage, f"model.{training_set.name}", column.name)
        told[column.name] = {"expression": found.expression, "from": roots}
        if untraced:
            told[column.name]["untraced"] = untraced
    return told


def _roots(lineage: Lineage, node: str, column: str) -> tuple[list[str], list[str]]:
    """The columns of sources and seeds that a column goes back to, and where the trace is lost."""
    waiting, seen = [(node, column)], {(node, column)}
    roots: set[str] = set()
    untraced: set[str] = set()
    while waiting:
        at, name = waiting.pop()
        if not at.startswith("model."):
            roots.add(f"{at.split('.', 1)[1]}.{name}")
            continue
        known = lineage.columns(at).get(name)
        if known is None or known.untraced:
            untraced.add(f"{at.split('.', 1)[1]}.{name}")
            continue
        direct = [parent for parent in known.parents if parent.via == "direct"]
        for parent in direct or known.parents:  # a count is made from no column, and from those that decide the rows
            if (parent.node, parent.column) not in seen:
                seen.add((parent.node, parent.column))
                waiting.append((parent.node, parent.column))
    return sorted(roots), sorted(untraced)
