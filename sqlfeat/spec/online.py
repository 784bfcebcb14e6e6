"""Where snapshots are published: ``online: {store: lmdb, path: …}`` or ``online: {store: redis, url: …}``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sqlfeat.errors import ProjectError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.spec.section import Section

STORES = ("lmdb", "redis")
TIMEOUT = 0.5
"""Seconds that reading from a server may take, where the project says nothing else."""
_KEYS = {
    "lmdb": ("store", "path", "map_size", "keep_pushes"),
    "redis": ("store", "url", "namespace", "timeout", "keep_pushes"),
}
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_LONGEST = 60.0


def read_online(section: Section | None, root: Path) -> dict[str, Any]:
    """Read ``online:``; what is wrong is noted. A path is absolute, a URL an address, a timeout in seconds.

    ``keep_pushes`` is for how long events that were pushed are known again; None for ever.
    """
    if section is None:
        return {}
    store = section.one_of("store", STORES) if section.need("store") else None
    section.only(_KEYS[store] if store else {key for keys in _KEYS.values() for key in keys})
    online = {key: section.node.value[key] for key in section.keys}
    online["keep_pushes"] = section.duration("keep_pushes")
    if store == "lmdb":
        path = section.text("path") or "target/online"
        online["path"] = str((root / path).absolute())
    if store == "redis":
        section.need("url")
        online |= {"url": _address(section), "namespace": _namespace(section), "timeout": _timeout(section)}
    return online


def _address(section: Section) -> RedisAddress | None:
    url = section.text("url")
    if url is None:
        return None
    try:
        return RedisAddress.parse(url)
    except ValueError as error:
        hint = "write redis://host:6379/0, or rediss:// for TLS."
        _note(section, "url", f"is no address of a Redis server: {error}.", hint)
        return None


def _namespace(section: Section) -> str | None:
    name = section.text("namespace")
    if name is not None and not _NAMESPACE.fullmatch(name):
        _note(section, "namespace", "is 1 to 100 letters, digits, '_', '.' and '-'.")
        return None
    return name


def _timeout(section: Section) -> float:
    said = section.duration("timeout")
    if said is None:
        return TIMEOUT
    seconds = said.microseconds / 1_000_000
    if said.months or not 0 < seconds <= _LONGEST:
        _note(section, "timeout", f"is a span of time of up to {_LONGEST:g} seconds, such as '500 ms'.")
        return TIMEOUT
    return seconds


def _note(section: Section, key: str, what: str, hint: str | None = None) -> None:
    place = section.node.entries[key].place
    section.problems.add(ProjectError("bad-value", f"{key!r} of {section.what} {what}", place, hint))
