"""From every position of rendered SQL back to the template and the macro that it came from.

A rendered text is a :class:`Fragment`: a ``str`` that knows which stretch of it came from where. It knows nothing of
SQL and nothing of what the templates mean.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlfeat.errors import Place


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
    spans = (Span(s.start, s.end, replace(s.origin, via=(*s.origin.via, site))) for s in value.spans)
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

        What comes from a macro that sqlfeat ships is placed at the call in the user's own file.
        """
        index = bisect.bisect_right([span.start for span in self.spans], offset) - 1
        if index < 0:
            return None
        span = self.spans[index]
        if offset >= span.end:
            offset = max(span.start, span.end - 1)
        origin, into = span.origin, offset - span.start
        chain = (origin, *origin.via)
        own = next((i for i, link in enumerate(chain) if not link.template.startswith("sqlfeat/")), 0)
        word = word or self.rendered[offset : offset + length]
        places = [self._place(link, into if i == 0 else 0, word) for i, link in enumerate(chain)][own:]
        return replace(places[0], via=tuple(places[1:]))

    def _place(self, origin: Origin, into: int, word: str) -> Place:
        text = self.templates[origin.template]
        if origin.verbatim:
            return place_in(text, origin.template, origin.offset + into, len(word))
        found = text.find(word, origin.offset, origin.end) if word.strip() else -1
        if found >= 0:
            return place_in(text, origin.template, found, len(word))
        return place_in(text, origin.template, origin.offset, origin.end - origin.offset)


def place_in(text: str, file: str, offset: int, length: int = 1) -> Place:
    """The place of an offset in a file's text."""
    offset = max(0, min(offset, len(text)))
    start = text.rfind("\n", 0, offset) + 1
    stop = text.find("\n", offset)
    line = text[start : stop if stop >= 0 else len(text)]
    return Place(file, text.count("\n", 0, offset) + 1, offset - start + 1, line, max(1, length))
