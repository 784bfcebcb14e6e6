"""What is printed: data go to stdout, talk goes to stderr, and both mean the same without colour.

Everything is laid out here as plain text first and coloured after, so that a pipe reads what a terminal shows. Text of
the user's is never read as markup, and control characters in data are shown, not sent.
"""

from __future__ import annotations

import base64
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sqlfeat.cli.failure import error_text
from sqlfeat.errors import SqlfeatError

COLOURS = {
    "built": "green",
    "passed": "green",
    "unchanged": "dim",
    "skipped": "yellow",
    "warned": "yellow",
    "failed": "bold red",
}
"""The colour of each status of a node."""


def data() -> Console:
    """Where data go: stdout."""
    return _console(sys.stdout)


def talk() -> Console:
    """Where talk goes: stderr."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=file,
        color_system=None if plain else "auto",
        soft_wrap=True,
        markup=False,
        emoji=False,
        highlight=False,
    )


def write_json(document: Mapping[str, Any]) -> None:
    """The one document of ``--json``."""
    sys.stdout.write(json.dumps(json_value(document), indent=2, ensure_ascii=False) + "\n")


def write_error(error: SqlfeatError) -> None:
    """An error, to stderr."""
    talk().print(error_text(error))


def json_value(value: Any) -> Any:
    """A value as JSON has it: instants in ISO 8601, what is no number of JSON's by its name (``NaN``)."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity"}.get(str(value), "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): json_value(content) for key, content in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_value(content) for content in value]
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return cell(value).replace(" ", "T") if isinstance(value, datetime) else cell(value)


def cell(value: Any) -> str:
    """A value as a person reads it, on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, bytes):
        return base64.b16encode(value).decode()
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(json_value(value), ensure_ascii=False)
    return _visible(str(value))


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(sep=" ")
    return value.astimezone(UTC).isoformat(sep=" ").replace("+00:00", "Z")


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def count(number: int, noun: str = "") -> str:
    """``80,123 rows``; the noun bears an s unless there is one of it."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}" if noun else f"{number:,}"


def seconds(duration: float) -> str:
    """``0.31 s``, ``2.3 s``, ``41 s``, ``3 min 20 s``."""
    if duration < 1:
        return f"{duration:.2f} s"
    if duration < 10:
        return f"{duration:.1f} s"
    whole = round(duration)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60} s"


def share(part: float) -> str:
    """``1.2 %``; never 0 for what is more than nothing."""
    return "<0.1 %" if 0 < part < 0.001 else f"{part * 100:.1f} %"


def number(value: Any) -> str:
    """A metric: four decimals, or whole if it is."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else cell(value)


def place(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.absolute().relative_to(Path.cwd())) or "."
    except ValueError:
        return str(path)


def columns(rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """Rows of text in aligned columns; the columns numbered in ``right`` are aligned to the right."""
    table = [tuple(row) for row in rows]
    longest = max((len(row) for row in table), default=0)
    table = [(*row, *[""] * (longest - len(row))) for row in table]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    return [indent + "   ".join(_padded(row, widths, right)).rstrip() for row in table]


def _padded(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    blanks = [" " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)]
    return [
        blank + text if position in right else text + blank
        for position, (text, blank) in enumerate(zip(row, blanks, strict=True))
    ]


def headed(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> Text:
    """An aligned table under a heading that is bold on a terminal."""
    first, *rest = columns([head, *rows], right=right)
    return Text("\n").join([Text(first, "bold"), *(Text(line) for line in rest)])


def facts(pairs: Iterable[tuple[str, str]]) -> Text:
    """What is known of something: a name and a value a line."""
    known = list(pairs)
    width = max((len(name) for name, _ in known), default=0)
    return Text("\n").join([Text().append(f"  {name:<{width}}   ", "dim").append(value) for name, value in known])


def bars(values: Mapping[str, float], *, most: int, width: int = 30) -> Text:
    """Shares of a whole as bars, greatest first."""
    total = sum(values.values()) or 1.0
    first = sorted(values.items(), key=lambda entry: (-entry[1], entry[0]))[:most]
    greatest = max((value for _, value in first), default=0.0) or 1.0
    rows = [
        (name, share(value / total), "█" * max(1, round(width * value / greatest)) if value > 0 else "")
        for name, value in first
    ]
    return Text("\n".join(columns(rows, right=[1])))


def grid(names: Sequence[str], rows: Sequence[Mapping[str, Any]], *, room: int | None = None) -> Text:
    """Rows of data as a table of Markdown, or one block a row where ``room`` is not enough for that."""
    cells = [[cell(row.get(name)).replace("|", "\\|") for name in names] for row in rows]
    numeric = [
        position
        for position, name in enumerate(names)
        if any(isinstance(row.get(name), (int, float, Decimal)) for row in rows)
    ]
    widths = [max(3, *(cell_len(row[position]) for row in [names, *cells])) for position in range(len(names))]
    if room is not None and sum(widths) + 3 * len(widths) + 1 > room:
        return _blocks(names, rows)
    rule = ["-" * (width - 1) + ":" if position in numeric else "-" * width for position, width in enumerate(widths)]
    lines = [f"| {' | '.join(_padded(row, widths, numeric))} |" for row in [names, rule, *cells]]
    return Text("\n").join([Text(lines[0], "bold"), Text(lines[1], "dim"), *(Text(line) for line in lines[2:])])


def _blocks(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Text:
    blocks = [facts((name, cell(row.get(name))) for name in names) for row in rows]
    return Text("\n").join(
        Text.assemble((f"row {position}", "bold"), "\n", block) for position, block in enumerate(blocks, 1)
    )
