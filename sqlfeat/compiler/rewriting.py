"""Names that stand for relations until it is known what they are called, and texts with pieces replaced.

``ref()`` and ``source()`` render to a two-part name in a schema that no database has. The text stays SQL that every
parser reads, the same for every target; whoever runs it replaces the schema. :class:`Rewritten` keeps the way back
from the positions of the text that ran to those of the text that was rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlfeat.base.names import quote

REF = "sqlfeat:ref"
SOURCE = "sqlfeat:source"
_RELATION = re.compile(r'"sqlfeat:(ref|source:(?:[^"]|"")*)"\."((?:[^"]|"")*)"')


def ref_token(name: str) -> str:
    """The text that ``ref(name)`` renders to."""
    return f"{quote(REF)}.{quote(name)}"


def source_token(source: str, table: str) -> str:
    """The text that ``source(source, table)`` renders to."""
    return f"{quote(f'{SOURCE}:{source}')}.{quote(table)}"


def token_of(node: str) -> str:
    """The text that stands for ``ref.NAME`` or ``source.SOURCE.TABLE``."""
    kind, name = node.split(".", 1)
    return source_token(*name.split(".", 1)) if kind == "source" else ref_token(name)


def node_named(token: str) -> str:
    """The node that a text stands for; nothing where it is no reference and nothing else."""
    found = _RELATION.fullmatch(token.strip())
    if found is None:
        return ""
    schema, name = found[1].replace('""', '"'), found[2].replace('""', '"')
    return f"ref.{name}" if schema == "ref" else f"source.{schema.removeprefix('source:')}.{name}"


@dataclass(frozen=True)
class Edit:
    """Replace ``[start, end)`` of a text."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True)
class Rewritten:
    """A text after edits, with the way back to the positions before."""

    text: str
    edits: tuple[Edit, ...] = ()

    @classmethod
    def apply(cls, text: str, edits: Iterable[Edit]) -> Rewritten:
        ordered = tuple(sorted(edits, key=lambda edit: edit.start))
        pieces, position = [], 0
        for edit in ordered:
            pieces += [text[position : edit.start], edit.replacement]
            position = edit.end
        return cls("".join([*pieces, text[position:]]), ordered)

    def before(self, offset: int) -> int:
        """The position in the original text; inside a replacement, where the replaced piece began."""
        shift = 0
        for edit in self.edits:
            begin = edit.start + shift
            if offset < begin:
                break
            if offset < begin + len(edit.replacement):
                return edit.start
            shift += len(edit.replacement) - (edit.end - edit.start)
        return offset - shift

    def replaced(self, offset: int) -> bool:
        """Whether a position of the text lies in a replacement."""
        shift = 0
        for edit in self.edits:
            begin = edit.start + shift
            if begin <= offset < begin + len(edit.replacement):
                return True
            shift += len(edit.replacement) - (edit.end - edit.start)
        return False


def relation_edits(text: str, name_of: Callable[[str], str]) -> list[Edit]:
    """Edits that put real names where ``ref()`` and ``source()`` stand; ``name_of`` gets a node's id."""
    edits = []
    for match in _RELATION.finditer(text):
        table = match[2].replace('""', '"')
        if match[1] == "ref":
            node = f"ref.{table}"
        else:
            source = match[1].removeprefix("source:").replace('""', '"')
            node = f"source.{source}.{table}"
        edits.append(Edit(match.start(), match.end(), name_of(node)))
    return edits


def with_relations(text: str, name_of: Callable[[str], str]) -> Rewritten:
    """A text that can run: every reference replaced by the name that ``name_of`` gives its node.

    A node is named ``ref.NAME`` or ``source.SOURCE.TABLE``.
    """
    return Rewritten.apply(text, relation_edits(text, name_of))
