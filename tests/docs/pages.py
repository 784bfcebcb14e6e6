"""The pages of the docs, taken apart into what can be run.

A fenced block with a title is a file (```` ```sql title="models/x.sql" ````); one that is tagged ``console`` is a
session: lines that begin with ``$`` are typed, what follows them is what is printed. A line ``…`` stands for lines that
are left out. Everything else in a page is prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
LEFT_OUT = "…"

_FENCE = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\s*$")
_HEADING = re.compile(r"^(?P<level>#+) (?P<text>.+)$")


@dataclass(frozen=True)
class Step:
    """A command of a session, and what the page says that it prints."""

    command: str
    printed: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Block:
    """A fenced block: its heading, its line in the page, and its text."""

    heading: str
    line: int
    language: str
    title: str | None
    text: str

    @property
    def steps(self) -> tuple[Step, ...]:
        """The commands of a session."""
        steps: list[Step] = []
        for number, line in enumerate(self.text.splitlines(), start=self.line + 1):
            if line.startswith("$ "):
                steps.append(Step(line.removeprefix("$ "), (), number))
            elif steps:
                last = steps[-1]
                steps[-1] = Step(last.command, (*last.printed, line), last.line)
        return tuple(steps)


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path, path.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    def blocks(self) -> list[Block]:
        """The fenced blocks in order."""
        return list(_blocks(self.text.splitlines()))

    def headings(self, level: int) -> list[str]:
        """The texts of the headings of a level."""
        prose = (line for line, fenced in _fenced(self.text.splitlines()) if not fenced)
        matches = (_HEADING.match(line) for line in prose)
        return [match["text"] for match in matches if match and len(match["level"]) == level]

    def coded(self) -> set[str]:
        """Everything that stands in backticks in the prose."""
        prose = "\n".join(line for line, fenced in _fenced(self.text.splitlines()) if not fenced)
        return set(re.findall(r"`([^`\n]+)`", prose))


def pages() -> list[Page]:
    """The README and every page of the docs."""
    return [Page.read(path) for path in (README, *sorted(DOCS.rglob("*.md")))]


def _fenced(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    inside = False
    for line in lines:
        if line.startswith("```"):
            inside = not inside
            yield line, True
        else:
            yield line, inside


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    heading, opened, begun, kept = "", None, 0, list[str]()
    for number, line in enumerate(lines, start=1):
        if opened is None:
            found = _HEADING.match(line)
            heading = found["text"] if found else heading
            opened, begun, kept = _FENCE.match(line), number, []
        elif line.startswith("```"):
            yield Block(heading, begun, opened["language"], opened["title"], "".join(f"{each}\n" for each in kept))
            opened = None
        else:
            kept.append(line)
