"""The only door for names: what may be one, how SQL quotes it, and which one was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from sqlfeat.errors import Place, ProjectError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 200
"""A file system takes 255 bytes for a name; ours get suffixes."""


def is_identifier(text: object) -> bool:
    """Whether the text is a name: ASCII letters, digits and underscores, not starting with a digit."""
    return isinstance(text, str) and len(text) <= _LONGEST and _IDENTIFIER.fullmatch(text) is not None


def check_name(kind: str, text: object, place: Place | None) -> str:
    """Give the text back if it is a name; ``kind`` says what it names (``model``, ``entity``, …)."""
    if isinstance(text, str) and is_identifier(text):
        return text
    shown = repr(text) if len(repr(text)) <= 60 else repr(text)[:57] + "…"
    raise ProjectError("bad-name", f"{shown} cannot be the name of {_article(kind)} {kind}.", place, _mend(text))


def _article(kind: str) -> str:
    return "an" if kind[:1] in "aeiou" else "a"


def _mend(text: object) -> str:
    rule = "a name has letters, digits and underscores only, and does not start with a digit"
    if not isinstance(text, str):
        return f"{rule}; write it as text."
    mended = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:_LONGEST]
    if mended[:1].isdigit():
        mended = f"_{mended}"
    return f"{rule}: for instance {mended!r}." if is_identifier(mended) else f"{rule}."


def quote(name: str) -> str:
    """The name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """The text as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Which of the names was probably meant; None where none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(names)}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """A hint that gives the nearest name, or a few of those that there are; None where there are none."""
    known = sorted(set(names))
    found = nearest(name, known)
    if found is not None:
        return f"did you mean {found!r}?"
    if not known:
        return None
    shown = ", ".join(known[:12])
    return f"known are: {shown}." if len(known) <= 12 else f"known are: {shown} and {len(known) - 12} more."
