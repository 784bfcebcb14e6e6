"""What the resolver says when it does not know."""

from __future__ import annotations

from sqlfeat.compiler.algebra import Span

NOWHERE = Span(-1, -1)
"""The span of what sqlglot has no position of."""


class Unresolved(Exception):  # caught by whoever asked: the model is then not understood, never misunderstood
    """A query whose meaning is not known for sure; ``offset`` and ``length`` say where in its text."""

    def __init__(self, what: str, span: Span = NOWHERE) -> None:
        super().__init__(what)
        self.what = what
        self.offset = max(0, span.start)
        self.length = max(1, span.end - span.start)


def hull(*spans: Span) -> Span:
    """The smallest stretch that holds all of these."""
    start, end = -1, -1
    for span in spans:
        if span.start >= 0:
            start = span.start if start < 0 or span.start < start else start
            end = span.end if span.end > end else end
    return Span(start, end) if start >= 0 else NOWHERE
