"""Sources and seeds as DuckDB reads them: the reader's SQL, and the version of the data as a hash of its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sqlfeat.base.files import sha256, sha256_text
from sqlfeat.base.names import literal
from sqlfeat.errors import ProjectError, RunError
from sqlfeat.spec.project import SeedFile, SourceTable

_READERS = {"parquet": "read_parquet", "csv": "read_csv", "json": "read_json", "jsonl": "read_json"}
_ENDINGS = {
    "parquet": ("*.parquet",),
    "csv": ("*.csv", "*.csv.gz"),
    "json": ("*.json",),
    "jsonl": ("*.jsonl", "*.ndjson"),
}
_GLOB = "*?["
COMPRESSED = (".gz", ".zst")


@dataclass(frozen=True)
class FileFacts:
    """What a file looked like when it was hashed: as long as it looks so, it is not read again."""

    size: int
    modified: int
    digest: str


class Hashes:
    """Content hashes of files, remembered by size and time of change."""

    def __init__(self, known: Mapping[str, FileFacts] | None = None) -> None:
        self.known: dict[str, FileFacts] = dict(known or {})
        self.changed = False

    def of(self, path: Path) -> str:
        status = path.stat()
        key = str(path)
        facts = self.known.get(key)
        if facts is None or (facts.size, facts.modified) != (status.st_size, status.st_mtime_ns):
            facts = FileFacts(status.st_size, status.st_mtime_ns, sha256(path))
            self.known[key] = facts
            self.changed = True
        return facts.digest


def files_of(table: SourceTable, root: Path) -> list[Path]:
    """The files that a source's location means, sorted; :class:`ProjectError` where there are none."""
    location = table.location
    if "://" in location:
        raise _wrong(
            table, f"{location} is an address, and this target reads files only", "copy the file, or export it."
        )
    if table.format not in _READERS:
        raise _wrong(table, f"the format {table.format!r} is not read here", f"known: {', '.join(_READERS)}.")
    path = root / location
    try:
        found = _found(table, path)
        if not found:
            raise _wrong(table, f"there is no file {location!r}", _nearest_file(path))
    except PermissionError as error:
        closed = Path(error.filename or path)
        what = f"{os.path.relpath(closed, root)} may not be read: {error.strerror}"
        raise _wrong(table, what, f"who owns it, and may you read it and {closed.parent}?") from error
    return found


def _found(table: SourceTable, path: Path) -> list[Path]:
    if any(sign in table.location for sign in _GLOB):
        anchor = _before_glob(path)
        return sorted(file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file())
    if path.is_dir():
        return sorted(file for ending in _ENDINGS[table.format] for file in path.rglob(ending))
    return [path] if path.is_file() else []


def folders_of(table: SourceTable, root: Path) -> Path:
    """The folder that DuckDB has to be allowed to read for a source."""
    before = _before_glob(root / table.location)
    return before if os.path.isdir(before) else before.parent  # noqa: PTH112 (Path.is_dir may raise)


def reader(table: SourceTable, root: Path) -> str:
    """The table function that reads a source."""
    paths = files_of(table, root)
    files = ", ".join(literal(str(path)) for path in paths)
    options = ", format = 'newline_delimited'" if table.format == "jsonl" else ""
    if table.format == "parquet" and len(paths) > 1:
        options = ", union_by_name = true"
    if table.format == "csv":
        types = {c.name: c.data_type for c in table.columns if c.data_type}
        options = ", sample_size = -1" + _types(types)
    return f"{_READERS[table.format]}([{files}]{options})"


def seed_reader(seed: SeedFile, root: Path) -> str:
    """The table function that reads a seed: the whole file is looked at before a type is chosen."""
    config: Mapping[str, Any] = seed.properties.config if seed.properties else {}
    types = dict(config.get("column_types") or {})
    delimiter = f", delim = {literal(str(config['delimiter']))}" if config.get("delimiter") else ""
    return f"read_csv({literal(str(root / seed.path))}, header = true, sample_size = -1{delimiter}{_types(types)})"


def required_columns(table: SourceTable, root: Path) -> frozenset[str]:
    """The columns of which every file says that they hold no null, as Parquet files can; mostly there are none."""
    if table.format != "parquet":
        return frozenset()
    required: frozenset[str] | None = None
    for path in files_of(table, root):
        own = frozenset(field.name for field in pq.read_schema(path) if not field.nullable)
        required = own if required is None else required & own
        if not required:
            break
    return required or frozenset()


def doubts_about(table: SourceTable, root: Path, hashes: Hashes) -> list[str]:
    """What is odd about the files of a source, a sentence each: texts that may have been cut, or are being written."""
    if table.format not in ("csv", "jsonl"):
        return []
    doubts = []
    for path in files_of(table, root):
        size, shown, before = path.stat().st_size, os.path.relpath(path, root), hashes.known.get(str(path))
        if path.suffix not in COMPRESSED and size and not _ends_with_a_line(path):
            doubts.append(f"{shown} has no newline at its end: it may be cut, or still be written.")
        if before is not None and size < before.size:
            doubts.append(f"{shown} is shorter than when it was last read: {size:,} bytes, and {before.size:,} before.")
    return doubts


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) in b"\r\n"


def check_still(table: SourceTable, root: Path, hashes: Hashes) -> None:
    """Raise ``source-changing`` where a file of a source is not what it was when it was hashed, before it was read."""
    for path in files_of(table, root):
        known = hashes.known.get(str(path))
        try:
            status = path.stat()
        except FileNotFoundError:
            status = None
        if known is not None and (
            status is None or (known.size, known.modified) != (status.st_size, status.st_mtime_ns)
        ):
            raise RunError(
                "source-changing",
                f"Source {table.source}.{table.name}: {os.path.relpath(path, root)} changed while it was read.",
                table.place,
                "what was read of it is not kept. Let whoever writes it write another file and rename that when it is "
                "whole; then run again.",
            )


def version_of(table: SourceTable, root: Path, hashes: Hashes) -> str:
    """A hash of the content of all files of a source, in the order in which they are read."""
    return _combined(files_of(table, root), hashes.of)


def with_pushed(version: str, pushed: Sequence[Path], hashes: Hashes) -> str:
    """The version of a source with files that were pushed to it."""
    return version if not pushed else sha256_text(" ".join([version, *map(hashes.of, pushed)]))[:32]


def seed_version(seed: SeedFile, root: Path, hashes: Hashes) -> str:
    """A hash of a seed's content."""
    return _combined([root / seed.path], hashes.of)


def _combined(files: list[Path], digest: Callable[[Path], str]) -> str:
    if len(files) == 1:
        return digest(files[0])[:32]
    together = hashlib.sha256("\n".join(f"{file.name} {digest(file)}" for file in files).encode())
    return together.hexdigest()[:32]


def _types(types: Mapping[str, Any]) -> str:
    if not types:
        return ""
    return ", types = {" + ", ".join(f"{literal(str(k))}: {literal(str(v))}" for k, v in types.items()) + "}"


def _before_glob(path: Path) -> Path:
    parts = []
    for part in path.parts:
        if any(sign in part for sign in _GLOB):
            break
        parts.append(part)
    return Path(*parts)


def _nearest_file(path: Path) -> str:
    if path.parent.is_dir():
        names = sorted(file.name for file in path.parent.iterdir() if file.is_file())
        if names:
            return f"the folder {path.parent.name}/ holds: {', '.join(names[:8])}."
        return f"the folder {path.parent.name}/ is empty."
    return f"there is no folder {path.parent.name}/ either; locations are relative to the project's folder."


def _wrong(table: SourceTable, what: str, hint: str) -> ProjectError:
    return ProjectError("source-unreadable", f"Source {table.source}.{table.name}: {what}.", table.place, hint)
