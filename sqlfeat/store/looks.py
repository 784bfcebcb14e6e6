"""The last look at each thing that is monitored, as a small file beside the target: what a server may tell of it.

A target is closed to others while it is written, so a server does not read its history. ``monitor`` leaves
``monitoring/NAME.json`` instead, replaced whole; whoever reads it asks for no more than the files' times where nothing
has changed. What cannot be read is as if it were not there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlfeat.base.files import canonical_json, write_atomically

FORMAT = 1
FOLDER = "monitoring"
MOST_LOOKS = 100
"""So many things are told of, by their names."""
MOST_COLUMNS = 200
"""So many columns of each, those that have moved most."""


@dataclass(frozen=True)
class Look:
    """What one look has found, in numbers: ``breaches`` and ``warnings`` by check, PSI and missing share by column.

    ``newest_row`` is the time of the newest row that was looked at; ``performance`` the metric that counts.
    """

    name: str
    kind: str
    reference: str
    checked_at: datetime
    level: str
    rows: int
    newest_row: datetime | None
    breaches: Mapping[str, int]
    warnings: Mapping[str, int]
    psi: Mapping[str, float]
    missing: Mapping[str, float]
    performance: Mapping[str, float] = field(default_factory=dict)


def keep(folder: Path, look: Look) -> None:
    """Replace what is told of one thing."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {**asdict(look), "format": FORMAT, "checked_at": look.checked_at.isoformat()}
    told["newest_row"] = look.newest_row.isoformat() if look.newest_row else None
    write_atomically(folder / f"{look.name}.json", canonical_json(told))


class Looks:
    """The last looks, read again where a file has changed; any thread may ask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[int, int, int], Look | None]] = {}
        self._lock = threading.Lock()

    def all(self) -> list[Look]:
        """What there is, by name."""
        with self._lock:
            found = {}
            for name, state in self._there():
                known = self._read.get(name)
                found[name] = known if known is not None and known[0] == state else (state, _read(self.folder / name))
            self._read = found
        return [look for _, look in found.values() if look is not None]

    def _there(self) -> list[tuple[str, tuple[int, int, int]]]:
        try:
            with os.scandir(self.folder) as entries:
                names = sorted(one.name for one in entries if one.name.endswith(".json"))[:MOST_LOOKS]
            states = [(name, (self.folder / name).stat()) for name in names]
        except OSError:
            return []
        return [(name, (one.st_mtime_ns, one.st_size, one.st_ino)) for name, one in states]


def _read(file: Path) -> Look | None:
    try:
        told: dict[str, Any] = json.loads(file.read_bytes())
        if told.pop("format") != FORMAT:
            return None
        newest = told["newest_row"]
        told["newest_row"] = datetime.fromisoformat(newest) if newest is not None else None
        return Look(**{**told, "checked_at": datetime.fromisoformat(told["checked_at"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
