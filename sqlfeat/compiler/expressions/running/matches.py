"""What regular expressions find."""

from __future__ import annotations

import re

from sqlfeat.compiler.expressions.running.errors import NotCovered

LONGEST = 10_000
"""Python's matcher may take time that grows faster than the text; longer texts are left to DuckDB."""


def matches(text: str, pattern: re.Pattern[str]) -> bool:
    if len(text) > LONGEST:
        raise NotCovered
    return pattern.search(text) is not None


def matches_all(text: str, pattern: re.Pattern[str]) -> bool:
    if len(text) > LONGEST:
        raise NotCovered
    return pattern.fullmatch(text) is not None


def extracted(text: str, pattern: re.Pattern[str], group: int) -> str:
    """A group of the first match; empty where there is none."""
    if len(text) > LONGEST:
        raise NotCovered
    match = pattern.search(text)
    return (match[group] or "") if match else ""


def replaced(text: str, pattern: re.Pattern[str], parts: tuple[str | int, ...]) -> str:
    """The first match replaced by text and groups."""
    if len(text) > LONGEST:
        raise NotCovered
    match = pattern.search(text)
    if match is None:
        return text
    return text[: match.start()] + _filled(match, parts) + text[match.end() :]


def replaced_all(text: str, pattern: re.Pattern[str], parts: tuple[str | int, ...]) -> str:
    """Every match replaced; the pattern matches no empty text."""
    if len(text) > LONGEST:
        raise NotCovered
    return pattern.sub(lambda match: _filled(match, parts), text)


def _filled(match: re.Match[str], parts: tuple[str | int, ...]) -> str:
    return "".join(part if isinstance(part, str) else (match[part] or "") for part in parts)
