"""Patches as colleagues send them: a head that says what is wrong with it, then a unified diff.

The head, one line each: ``leak:`` in words, ``caught by:`` check or verify, ``rule:``, ``model:`` and ``columns:`` that
are spoilt (``all``: which rows there are), and ``where:``, the file and line, as patched, that is to be named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@.*")


@dataclass(frozen=True)
class Leak:
    """One patch and what its head says."""

    name: str
    leak: str
    caught_by: str
    rule: str
    model: str
    columns: tuple[str, ...]
    file: str
    line: int
    diff: str


def read_leak(path: Path) -> Leak:
    """The patch in a file."""
    head, diff = path.read_text("utf-8").split("\n\n", 1)
    said = dict(line.split(": ", 1) for line in head.split("\n"))
    file, line = said["where"].rsplit(":", 1)
    columns = () if said["columns"] == "all" else tuple(said["columns"].split(", "))
    return Leak(path.stem, said["leak"], said["caught by"], said["rule"], said["model"], columns, file, int(line), diff)


def apply(diff: str, root: Path) -> None:
    """Apply a unified diff to a folder; every line of context has to be where it says."""
    for part in re.split(r"^(?=--- )", diff, flags=re.MULTILINE)[1:]:
        old, new, *body = part.rstrip("\n").split("\n")
        path = root / new.removeprefix("+++ b/")
        lines = [] if old == "--- /dev/null" else path.read_text("utf-8").split("\n")
        path.write_text("\n".join(_patched(lines, body)) + ("\n" if not lines else ""), "utf-8")


def _patched(lines: list[str], body: list[str]) -> list[str]:
    result: list[str] = []
    position = 0
    for line in body:
        hunk = _HUNK.fullmatch(line)
        if hunk:
            start = max(int(hunk[1]) - 1, 0)
            result += lines[position:start]
            position = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert lines[position] == line[1:], f"the patch does not fit at line {position + 1}: {line!r}"
            if line.startswith(" "):
                result.append(lines[position])
            position += 1
    return result + lines[position:]
