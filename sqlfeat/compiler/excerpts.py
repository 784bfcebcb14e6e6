"""The whole text of an expression of which only some words are known.

sqlglot says where names, literals and functions stand, but nothing of brackets and keywords around them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.parse import UnreadableSql, tokenize

_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_BEFORE = {
    TokenType.SELECT, TokenType.DISTINCT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING,
    TokenType.QUALIFY, TokenType.ORDER_BY, TokenType.ON, TokenType.COMMA, TokenType.SEMICOLON, TokenType.ALL,
    TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.ALIAS, TokenType.VALUES,
}  # fmt: skip
_AFTER = (_BEFORE - {TokenType.DISTINCT, TokenType.ALL}) | {
    TokenType.LIMIT, TokenType.OFFSET, TokenType.JOIN, TokenType.WINDOW, TokenType.LEFT, TokenType.RIGHT,
    TokenType.INNER, TokenType.CROSS, TokenType.FULL, TokenType.ASOF, TokenType.TABLE_SAMPLE,
}  # fmt: skip
_NAMES = {TokenType.VAR, TokenType.IDENTIFIER}
_ENDS = _NAMES | _CLOSING | {TokenType.STRING, TokenType.NUMBER, TokenType.END}


class Excerpts:
    """Cuts expressions out of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            self._tokens: Sequence[Token] = tokenize(text)
        except UnreadableSql:
            self._tokens = ()

    def around(self, span: Span) -> Span:
        """The stretch of the whole expression that some words belong to, without its alias."""
        inside = [i for i, token in enumerate(self._tokens) if token.end >= span.start and token.start < span.end]
        if not inside:
            return span
        first, last = self._start(inside[0]), self._end(inside[0])
        return Span(self._tokens[first].start, self._tokens[max(last, inside[-1])].end + 1)

    def text(self, span: Span) -> str:
        """An expression on one line."""
        return " ".join(self._text[span.start : span.end].split())

    def _start(self, index: int) -> int:
        depth = 0
        while index > 0:
            before = self._tokens[index - 1].token_type
            depth += (before in _CLOSING) - (before in _OPENING)
            if depth < 0 or (depth == 0 and before in _BEFORE):
                break
            index -= 1
        return index

    def _end(self, index: int) -> int:
        depth, tokens = 0, self._tokens
        own = tokens[index].token_type
        depth += (own in _OPENING) - (own in _CLOSING)
        while index + 1 < len(tokens):
            after = tokens[index + 1].token_type
            if depth == 0 and (after in _AFTER or after in _CLOSING or self._is_alias(index + 1)):
                break
            depth += (after in _OPENING) - (after in _CLOSING)
            index += 1
        return index

    def _is_alias(self, index: int) -> bool:
        """A name after something that is whole: an alias without AS."""
        return self._tokens[index].token_type in _NAMES and self._tokens[index - 1].token_type in _ENDS
