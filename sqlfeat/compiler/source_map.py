"""From every position of rendered SQL back to the template and the macro that it came from.

A rendered text is a :class:`Fragment`: a ``str`` that knows which stretch of it came from where. It knows nothing of
SQL and nothing of what the templates mean.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlfeat.errors import Place

PACKAGED = "sqlfeat/"
"""How the paths of the macros begin that sqlfeat ships."""


@dataclass(frozen=True)
class Origin:
    """Where a stretch of rendered text comes from.

    ``verbatim``: the text stands in the template as it is, from ``offset`` on; otherwise an expression that reaches
    from ``offset`` to ``end`` made it. ``via`` are the expressions that called the macro, innermost first.
    """

    template: str
    offset: int
    end: int
    verbatim: bool
    via: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Span:
    """A stretch ``[start, end)`` of rendered text and its origin."""

    start: int
    end: int
    origin: Origin


class Fragment(str):
    """Rendered text that remembers its origins; an ordinary string to everything else."""

    spans: tuple[Span, ...]

    def __new__(cls, text: str, spans: tuple[Span, ...] = ()) -> Fragment:
        fragment = super().__new__(cls, text)
        fragment.spans = spans
        return fragment

    def __str__(self) -> Fragment:  # what Jinja's output does to every value must not lose the origins
        return self


def concatenate(pieces: Iterable[str]) -> Fragment:
    """Join pieces of rendered text; the origins move along."""
    texts, spans, position = [], [], 0
    for piece in pieces:
        if isinstance(piece, Fragment):
            spans += [Span(span.start + position, span.end + position, span.origin) for span in piece.spans]
        texts.append(piece)
        position += len(piece)
    return Fragment("".join(texts), tuple(spans))


def called_from(value: Fragment, site: Origin) -> Fragment:
    """What a macro rendered, as seen from the expression that called it."""
    spans = []
    for span in value.spans:
        old = span.origin
        origin = Origin(old.template, old.offset, old.end, old.verbatim, (*old.via, site))
        spans.append(Span(span.start, span.end, origin))
    return Fragment(str.__str__(value), tuple(spans))


@dataclass(frozen=True)
class SourceMap:
    """The origins of one rendered text, and the texts of the templates that it came from."""

    rendered: str
    spans: tuple[Span, ...]
    templates: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, fragment: str, templates: Mapping[str, str]) -> SourceMap:
        spans = fragment.spans if isinstance(fragment, Fragment) else ()
        return cls(str.__str__(fragment), spans, templates)

    def place(self, offset: int, length: int = 1, word: str | None = None) -> Place | None:
        """The template's place of a rendered position; inside an expression the very ``word``, where it stands there.

        What comes from a macro that sqlfeat ships is placed at the call in the user's own file, and so is a word that
        a macro was given there.
        """
        index = bisect.bisect_right([span.start for span in self.spans], offset) - 1
        if index < 0:
            return None
        span = self.spans[index]
        if offset >= span.end:
            offset = max(span.start, span.end - 1)
        word = word or self.rendered[offset : offset + length]
        return place_of((span.origin, *span.origin.via), self.templates, word, offset - span.start)


def place_of(sites: Sequence[Origin], templates: Mapping[str, str], word: str = "", into: int = 0) -> Place:
    """The place of a ``word`` in the innermost site that has it, else the innermost of the user's own files.

    ``sites`` lead from the inside out; ``into`` is how far the position lies inside the first of them.
    """
    own = [i for i, site in enumerate(sites) if not site.template.startswith(PACKAGED)] or [0]
    if sites[own[0]].verbatim:
        first = own[0]
    else:
        holding = (i for i in own if not sites[i].verbatim and _found(sites[i], templates, word) is not None)
        first = next(holding, own[0])
    places = [_place(site, templates, word, into if i == 0 else 0) for i, site in enumerate(sites)][first:]
    return replace(places[0], via=tuple(places[1:]))


def _place(site: Origin, templates: Mapping[str, str], word: str, into: int) -> Place:
    text = templates[site.template]
    if site.verbatim:
        return place_in(text, site.template, site.offset + into, len(word))
    found = _found(site, templates, word)
    if found is not None:
        return place_in(text, site.template, found, len(word))
    return place_in(text, site.template, site.offset, site.end - site.offset)


def _found(site: Origin, templates: Mapping[str, str], word: str) -> int | None:
    """Where a word stands in an expression: as a whole text in quotes, else as a word, else anywhere."""
    text = templates[site.template][site.offset : site.end]
    escaped = re.escape(word)
    for pattern in (f"(?<=['\"]){escaped}(?=['\"])", rf"(?<!\w){escaped}(?!\w)", escaped):
        match = re.search(pattern, text) if word.strip() else None
        if match:
            return site.offset + match.start()
    return None


def place_in(text: str, file: str, offset: int, length: int = 1) -> Place:
    """The place of an offset in a file's text."""
    offset = max(0, min(offset, len(text)))
    start = text.rfind("\n", 0, offset) + 1
    stop = text.find("\n", offset)
    line = text[start : stop if stop >= 0 else len(text)]
    return Place(file, text.count("\n", 0, offset) + 1, offset - start + 1, line, max(1, length))
