"""The whole error tree of sqlfeat.

::

    SqlfeatError
    ├── UsageError        exit 2   a command or call that cannot be meant
    ├── ProjectError      exit 2   what the repo says is wrong: YAML, templates, SQL, references
    │   └── ProjectErrors exit 2   several of them, found in one pass
    ├── EngineError       exit 2   the target cannot be reached or refuses (locked, wrong version)
    ├── StoreError        exit 2   something kept is missing, damaged or of another version
    ├── RunError          exit 1   a model, a training set or a prediction failed while it was made
    └── HookError         exit 1   a Python hook raised, hung, died or returned the wrong thing

Every error has a stable ``code`` (it has an entry in ``docs/errors.md``), one sentence ``what``,
mostly a :class:`Place` in a file of the user's, and a ``hint`` that says how to mend it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """A place in a file of the user's project.

    ``file`` is relative to the project's folder where it lies inside; ``line`` and ``column`` count
    from 1; ``text`` is that line of the file, without its end; ``length`` is how many characters the
    caret underlines. ``via`` are the places that led here, innermost first: where a macro was called.
    """

    file: str
    line: int = 1
    column: int = 1
    text: str = ""
    length: int = 1
    via: tuple[Place, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class SqlfeatError(Exception):
    """The base of everything that sqlfeat raises on purpose."""

    exit_code = 2

    def __init__(
        self,
        code: str,
        what: str,
        where: Place | None = None,
        hint: str | None = None,
        *,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.hint = hint
        self.details = tuple(details)

    def __str__(self) -> str:
        """The error as plain text: place, sentence, the line with a caret, details, hint."""
        head = f"{self.where}: " if self.where else ""
        lines = [f"{head}[{self.code}] {self.what}"]
        if self.where and self.where.text:
            lines += excerpt(self.where)
        lines += [f"  {detail}" for detail in self.details]
        if self.where:
            lines += [f"  called from {place}" for place in self.where.via]
        if self.hint:
            lines += ["", f"Hint: {self.hint}"]
        return "\n".join(lines)

    def as_dict(self) -> Mapping[str, Any]:
        """The error in the shape of ``--json``."""
        place = self.where
        return {
            "code": self.code,
            "message": self.what,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "hint": self.hint,
            **({"details": list(self.details)} if self.details else {}),
        }


LONGEST_LINE = 160
_BEFORE_CARET = 60
_LOGIN = re.compile(r"(?<=://)[^\s@'\"]+(?=@)")


def excerpt(place: Place) -> list[str]:
    """The line of a place and a caret line below it, both indented; tabs and wide letters keep their width.

    Of a very long line only what stands around the place is shown; who logs in at an address is not.
    """
    number, column = str(place.line), place.column - 1
    text = _LOGIN.sub(lambda found: "*" * len(found[0]), place.text)
    if len(text) > LONGEST_LINE:
        first = max(0, column - _BEFORE_CARET)
        last = first + LONGEST_LINE
        head, tail = "…" if first else "", "…" if last < len(text) else ""
        text, column = f"{head}{text[first:last]}{tail}", column - first + len(head)
    before = "".join("\t" if char == "\t" else " " * _cells(char) for char in text[:column])
    carets = "^" * max(1, sum(map(_cells, text[column:][: place.length])))
    return [f"  {number} | {text}", f"  {' ' * len(number)} | {before}{carets}"]


def _cells(char: str) -> int:
    """How many cells of a terminal a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class UsageError(SqlfeatError):
    """A command line or a call that cannot be meant."""


class ProjectError(SqlfeatError):
    """What the repo says is wrong."""


class ProjectErrors(ProjectError):
    """Several errors of a project, collected in one pass; ``errors`` holds them in file order."""

    def __init__(self, errors: Sequence[ProjectError]) -> None:
        self.errors = tuple(sorted(errors, key=_file_order))
        super().__init__("several-errors", f"{len(self.errors)} errors in this project.")

    def __str__(self) -> str:
        return "\n\n".join(str(error) for error in self.errors)

    def as_dict(self) -> Mapping[str, Any]:
        first = self.errors[0].as_dict()
        return {**first, "errors": [error.as_dict() for error in self.errors]}


def _file_order(error: SqlfeatError) -> tuple[str, int, int]:
    return (error.where.file, error.where.line, error.where.column) if error.where else ("", 0, 0)


class EngineError(SqlfeatError):
    """The engine cannot be reached or refuses to serve."""


class StoreError(SqlfeatError):
    """Something that is kept is missing, damaged, or written by another version."""


class RunError(SqlfeatError):
    """Something failed while it was made."""

    exit_code = 1


class HookError(SqlfeatError):
    """A Python hook raised, hung, died, or returned something that cannot be kept."""

    exit_code = 1
