"""What has happened to one registered model: an entry a line, each bound to the one before it by its hash.

The lines of ``registry/NAME/journal.jsonl`` are canonical JSON: what was done, when, by whom, and the SHA-256 of the
line before (the first bears the model's name instead). A line that was changed, taken out or put in breaks the chain.
This file knows lines and chains; what an entry means for versions and aliases is told in ``store.model_state``.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlfeat.base.files import canonical_json, sha256_text

JOURNAL = "journal.jsonl"
_OWN = ("entry", "at", "user", "host", "action", "message", "previous")


@dataclass(frozen=True)
class Author:
    """Who changes something: the name that the machine has for the user, and the machine's."""

    user: str
    host: str

    @classmethod
    def here(cls) -> Author:
        """Whoever runs this process. It is what the machine says, not a proof."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError, ImportError):  # no such user in the machine's list, as in some containers
            user = f"uid {os.getuid()}"
        return cls(user, socket.gethostname())


@dataclass(frozen=True)
class Entry:
    """One change; ``facts`` are those of its ``action`` (``version``, ``alias``, ``before`` …)."""

    number: int
    at: datetime
    author: Author
    action: str
    previous: str
    message: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The entry as it stands in the journal, with its end."""
        return canonical_json({**self.as_dict(), "previous": self.previous}) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """The entry in the shape of ``--json``."""
        return {
            "entry": self.number,
            "at": self.at.isoformat(),
            "user": self.author.user,
            "host": self.author.host,
            "action": self.action,
            "message": self.message,
            **self.facts,
        }


def beginning(name: str) -> str:
    """What stands in the first entry in place of a hash."""
    return sha256_text(f"sqlfeat registered model {name}")


def read_entries(text: str, name: str) -> list[Entry]:
    """The entries of a journal's text, each found to follow the one before.

    Raises:
        ValueError: which line is not what was written, and why.
    """
    entries: list[Entry] = []
    previous = beginning(name)
    *lines, rest = text.split("\n")
    if rest:
        raise ValueError("its last line has no end")
    for number, line in enumerate((f"{line}\n" for line in lines), start=1):
        try:
            entry = _entry(json.loads(line))
            sound = entry.line() == line
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError(f"line {number} is not what was written") from None
        if not sound or entry.number != number:
            raise ValueError(f"line {number} is not what was written")
        if entry.previous != previous:
            raise ValueError(f"line {number} does not follow the line before it")
        entries.append(entry)
        previous = sha256_text(line)
    return entries


def _entry(told: Mapping[str, Any]) -> Entry:
    texts = [told[name] for name in ("user", "host", "action", "previous")]
    message = told["message"]
    if not all(isinstance(text, str) for text in texts) or not isinstance(message, str | None):
        raise TypeError("an entry's texts are texts")
    return Entry(
        number=told["entry"],
        at=datetime.fromisoformat(told["at"]),
        author=Author(told["user"], told["host"]),
        action=told["action"],
        previous=told["previous"],
        message=message,
        facts={name: value for name, value in told.items() if name not in _OWN},
    )
