"""A text for people as data: sections of facts, tables, bars and listings, written as Markdown or as one HTML file.

The terminal's form is the command's. Every text may come from a user, a source or another machine: what Markdown or
HTML would read as its own is escaped, and the HTML asks nothing of any network.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_BARS = 30
_ANCHOR = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Facts:
    """Names and values, a line each."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows under a heading; the columns numbered in ``right`` hold numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Bars:
    """Values by name, the greatest first, as shares of the greatest."""

    title: str
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Listing:
    """A text as it was written: SQL, Python, a patch."""

    title: str
    language: str
    text: str


@dataclass(frozen=True)
class Notes:
    """Sentences, one a line."""

    lines: tuple[str, ...]


Block = Facts | Table | Bars | Listing | Notes


@dataclass(frozen=True)
class Section:
    """A part of a document; without blocks it says ``nothing``."""

    title: str
    blocks: tuple[Block, ...]
    nothing: str = "nothing is recorded"


@dataclass(frozen=True)
class Document:
    """A title, a sentence below it, and sections."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]


# -- Markdown ----------------------------------------------------------------------------------------------------------


def markdown(document: Document) -> str:
    """The document as Markdown."""
    parts = [f"# {escaped(document.title)}", escaped(document.subtitle)]
    for section in document.sections:
        parts.append(f"## {escaped(section.title)}")
        parts += [_MARKDOWN[type(block)](block) for block in section.blocks] or [f"*{escaped(section.nothing)}*"]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    plain = re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", _one_line(text))
    return re.sub(r"^(\s*)([-+]|\d+\.)(\s)", r"\1\\\2\3", plain)


def _cell(text: str) -> str:
    """A value in a table; what looks like code is shown as code."""
    line = _one_line(text)
    return (
        f"`{line}`"
        if re.fullmatch(r"(?=[^A-Za-z]*[A-Za-z])[\w.@:/-]*[_./@][\w.@:/-]*|[0-9a-f]{12,64}", line)
        else escaped(line)
    )


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _markdown_facts(block: Facts) -> str:
    return "\n".join(f"- **{escaped(name)}**: {_cell(value)}" for name, value in block.pairs)


def _markdown_table(block: Table) -> str:
    rule = ["---:" if position in block.right else "---" for position in range(len(block.head))]
    rows = [[escaped(name) for name in block.head], rule, *([_cell(value) for value in row] for row in block.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*([f"**{escaped(block.title)}**", ""] if block.title else []), *lines])


def _markdown_bars(block: Bars) -> str:
    rows = tuple((name, f"{value:.4g}", "█" * _length(value, block, _BARS)) for name, value in block.values)
    return _markdown_table(Table(("", "value", ""), rows, (1,), block.title))


def _markdown_listing(block: Listing) -> str:
    longest = max((len(run) for run in re.findall(r"`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"**{escaped(block.title)}**\n\n{fence}{block.language}\n{block.text.rstrip()}\n{fence}"


def _markdown_notes(block: Notes) -> str:
    return "\n".join(f"- {escaped(line)}" for line in block.lines)


_MARKDOWN: dict[type, Callable[..., str]] = {
    Facts: _markdown_facts,
    Table: _markdown_table,
    Bars: _markdown_bars,
    Listing: _markdown_listing,
    Notes: _markdown_notes,
}


# -- HTML --------------------------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff; --code: #f6f8fa; --bar: #4a78c2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117; --code: #151b23; --bar: #6f9fe8; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem; border-bottom: 1px solid var(--line); }
h1 + p, caption, dt, .nothing { color: var(--soft); } nav a { margin-right: 1rem; color: inherit; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.5rem; margin: .5rem 0; }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .6rem 0; font-size: .93em; }
caption { text-align: left; padding: .2rem 0; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
.right { text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: block; height: .8em; min-width: 1px; background: var(--bar); } .bars td:last-child { width: 20rem; }
pre { margin: .4rem 0; padding: .8rem; overflow-x: auto; background: var(--code); border: 1px solid var(--line);
  font: 13px/1.45 ui-monospace, monospace; }
details { margin: .5rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
@media print {
  body { max-width: none; padding: 0; font-size: 11px; } nav { display: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; } h2, caption, summary { break-after: avoid; } tr { break-inside: avoid; }
}
"""  # noqa: E501


def html_page(document: Document) -> str:
    """The document as one HTML file that needs nothing else."""
    sections = [(f"s{number}-{_anchor(one.title)}", one) for number, one in enumerate(document.sections, 1)]
    links = "".join(f'<a href="#{anchor}">{_text(section.title)}</a>' for anchor, section in sections)
    body = "\n".join(_html_section(anchor, section) for anchor, section in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="referrer" content="no-referrer"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>{_text(document.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{_text(document.title)}</h1>
<p>{_text(document.subtitle)}</p>
<nav>{links}</nav>
{body}
</body>
</html>
"""


def _anchor(title: str) -> str:
    return _ANCHOR.sub("-", title.lower()).strip("-")


def _text(text: str) -> str:
    """Text as HTML and XML show it: escaped, and without characters that they do not know."""
    return html.escape("".join(char for char in text if char in "\n\t" or _is_known(char)), quote=True)


def _is_known(char: str) -> bool:
    code = ord(char)
    return code >= 0x20 and not 0x7F <= code < 0xA0 and not 0xD800 <= code < 0xE000 and code & 0xFFFE != 0xFFFE


def _html_section(anchor: str, section: Section) -> str:
    blocks = [_HTML[type(block)](block) for block in section.blocks]
    inside = "\n".join(blocks or [f'<p class="nothing">{_text(section.nothing)}</p>'])
    return f'<section id="{anchor}">\n<h2>{_text(section.title)}</h2>\n{inside}\n</section>'


def _html_facts(block: Facts) -> str:
    return "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in block.pairs) + "</dl>"


def _html_table(block: Table) -> str:
    caption = f"<caption>{_text(block.title)}</caption>" if block.title else ""
    head = _html_row("th", block.head, block.right)
    rows = "".join(_html_row("td", row, block.right) for row in block.rows)
    return f'<div class="wide"><table>{caption}<thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _html_row(kind: str, cells: Sequence[str], right: Sequence[int]) -> str:
    marked = (' class="right"' if position in right else "" for position in range(len(cells)))
    inside = "".join(f"<{kind}{mark}>{_text(cell)}</{kind}>" for cell, mark in zip(cells, marked, strict=True))
    return f"<tr>{inside}</tr>"


def _html_bars(block: Bars) -> str:
    rows = "".join(
        f'<tr><td>{_text(name)}</td><td class="right">{value:.4g}</td>'
        f'<td><span class="bar" style="width: {_length(value, block, 100)}%"></span></td></tr>'
        for name, value in block.values
    )
    return f'<table class="bars"><caption>{_text(block.title)}</caption><tbody>{rows}</tbody></table>'


def _html_listing(block: Listing) -> str:
    return f'<details open="open"><summary>{_text(block.title)}</summary><pre>{_text(block.text)}</pre></details>'


def _html_notes(block: Notes) -> str:
    return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in block.lines) + "</ul>"


_HTML: dict[type, Callable[..., str]] = {
    Facts: _html_facts,
    Table: _html_table,
    Bars: _html_bars,
    Listing: _html_listing,
    Notes: _html_notes,
}


def _length(value: float, block: Bars, whole: int) -> int:
    greatest = max((value for _, value in block.values), default=0.0)
    return max(0, round(whole * value / greatest)) if greatest > 0 and value > 0 else 0
