"""SQL text to what the compiler must know of it: statements, the last SELECT and the stretches of its items.

sqlglot reads; nothing is ever written back from its trees. Offsets are those of the text that was given.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from sqlfeat.base.names import nearest
from sqlfeat.compiler.rewriting import REF, SOURCE

_BEGINNINGS = frozenset({"SELECT", "WITH", "FROM", "VALUES", "(", "PIVOT", "PIVOT_WIDER", "UNPIVOT", "TABLE"})
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_LIST_ENDS = {
    TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.QUALIFY, TokenType.ORDER_BY,
    TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT,
    TokenType.WINDOW, TokenType.SEMICOLON, TokenType.TABLE_SAMPLE,
}  # fmt: skip


class UnreadableSql(Exception):  # becomes a ProjectError where the place is known
    """The text is not the SELECT that it should be; ``offset`` says where it stops being one."""

    def __init__(
        self, what: str, offset: int, length: int = 1, hint: str | None = None, *, code: str = "sql-grammar"
    ) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset
        self.length = length
        self.hint = hint
        self.code = code


class UnreadableText(UnreadableSql):
    """The text cannot even be cut into words: something in it does not end."""


class UnparsableSql(UnreadableSql):
    """sqlglot cannot read it: the engine may, or can say better why not."""


@dataclass(frozen=True)
class Item:
    """One item of a SELECT list: its stretch of the text, its tree, and the name it gives (empty if none is sure)."""

    start: int
    end: int
    text: str
    tree: exp.Expr
    name: str

    @property
    def aliased(self) -> bool:
        return isinstance(self.tree, exp.Alias)

    @property
    def expression(self) -> str:
        """The item's text without its alias."""
        if not self.aliased:
            return self.text
        tokens = tokenize(self.text)
        end = tokens[-1].start
        if len(tokens) > 1 and tokens[-2].token_type == TokenType.ALIAS:
            end = tokens[-2].start
        return self.text[:end].rstrip()


@dataclass(frozen=True)
class LastSelect:
    """The SELECT that a text ends with: its tree (CTEs included) and its list, cut out of the text.

    ``clauses`` are the words at its top level after SELECT, with their stretches: where each clause begins.
    """

    tree: exp.Select
    start: int
    end: int
    items: tuple[Item, ...]
    clauses: tuple[tuple[str, int, int], ...] = ()

    def clause(self, spelled: str) -> tuple[int, int]:
        """Offset and length of a clause's first word (``GROUP BY``, ``JOIN`` …), else of the list."""
        words = spelled.casefold().split()
        for text, start, end in self.clauses:
            if text.casefold().split()[0] in words:
                return start, end - start
        return self.start, self.items[0].end - self.items[0].start


def tokenize(text: str) -> Sequence[Token]:
    """sqlglot's tokens of a text in the DuckDB dialect."""
    try:
        tokens: Sequence[Token] = DuckDB().tokenize(text)
    except TokenError as error:
        raise UnreadableText("a string, a quoted name or a comment does not end", max(0, len(text) - 1)) from error
    return tokens


def one_statement(text: str) -> str:
    """The text without a closing semicolon; raises :class:`UnreadableSql` for none or several statements."""
    tokens = list(tokenize(text))
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        end = tokens.pop()
        text = f"{text[: end.start]} {text[end.end + 1 :]}"
    if not tokens:
        raise UnreadableSql("there is no SELECT in this file", 0)
    first = tokens[0]
    if first.text.upper() not in _BEGINNINGS:
        what = f"a model is one SELECT, and this begins with {first.text!r}"
        near = nearest(first.text, _BEGINNINGS)
        hint = f"did you mean {near}?" if near else None
        raise UnreadableSql(what, first.start, first.end - first.start + 1, hint)
    semicolon = next((i for i, token in enumerate(tokens) if token.token_type == TokenType.SEMICOLON), None)
    if semicolon is not None:
        after = tokens[semicolon + 1]
        what = "a model is one SELECT, and here a second statement begins"
        raise UnreadableSql(what, after.start, after.end - after.start + 1)
    return text


def unbalanced(text: str) -> UnreadableSql | None:
    """A bracket without its other half, which parsers notice only where the text ends."""
    pairs = {TokenType.R_PAREN: TokenType.L_PAREN, TokenType.R_BRACKET: TokenType.L_BRACKET}
    waiting: list[Token] = []
    for token in tokenize(text):
        if token.token_type in pairs.values():
            waiting.append(token)
        elif token.token_type in pairs:
            if not waiting or waiting[-1].token_type != pairs[token.token_type]:
                return UnreadableSql(f"this {token.text!r} closes nothing", token.start, code="sql-syntax")
            waiting.pop()
    if waiting:
        return UnreadableSql(f"this {waiting[-1].text!r} is never closed", waiting[-1].start, code="sql-syntax")
    return None


def words(text: str) -> frozenset[str]:
    """Every word of a text that is code: no comment and no string."""
    return frozenset(token.text for token in tokenize(text) if token.token_type != TokenType.STRING)


def references(text: str) -> list[tuple[str, int, int]]:
    """The ids (``ref.NAME``, ``source.SOURCE.TABLE``) of the references in the code of a text, with their stretches."""
    found = []
    tokens = tokenize(text)
    for schema, dot, table in zip(tokens, tokens[1:], tokens[2:], strict=False):
        node = _node(schema.text, table.text)
        if dot.token_type == TokenType.DOT and node is not None:
            found.append((node, schema.start, table.end + 1))
    return found


def node_of(table: exp.Table) -> str | None:
    """The id of what a FROM names, where it is a reference."""
    return _node(table.db, table.name)


def _node(schema: str, table: str) -> str | None:
    if schema == REF:
        return f"ref.{table}"
    return f"source.{schema.removeprefix(f'{SOURCE}:')}.{table}" if schema.startswith(f"{SOURCE}:") else None


def parse_query(text: str) -> exp.Expr:
    """sqlglot's tree of a single query."""
    try:
        trees = sqlglot.parse(text, dialect="duckdb")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        offset = _offset(
            text, int(first.get("line") or 1), int(first.get("col") or 1), str(first.get("highlight") or "")
        )
        what = str(first.get("description") or "this SQL cannot be read")
        raise UnparsableSql(what[:1].lower() + what[1:], offset, len(str(first.get("highlight") or " "))) from error
    except TokenError as error:
        raise UnreadableText("a string, a quoted name or a comment does not end", max(0, len(text) - 1)) from error
    if len(trees) != 1 or trees[0] is None:
        raise UnreadableSql("a model is one SELECT", 0)
    return trees[0]


@functools.lru_cache(maxsize=512)
def last_select(text: str) -> LastSelect:
    """Cut the list of the last SELECT out of a text; raises :class:`UnreadableSql` if it does not end with one."""
    tree = parse_query(text)
    if not isinstance(tree, exp.Select):
        raise UnreadableSql("the last SELECT must stand alone here, without a set operation around it", 0)
    tokens = tokenize(text)
    depth, begin = 0, None
    for index, token in enumerate(tokens):
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth == 0 and token.token_type == TokenType.SELECT:
            begin = index
    if begin is None or any(_at_top(tokens, i) for i in range(begin) if tokens[i].token_type == TokenType.FROM):
        raise UnreadableSql("write SELECT before FROM here", 0, hint="`from x select y` is read as `select y from x`.")
    stretches, end = _stretches(tokens, begin)
    trees = tree.expressions
    if len(stretches) != len(trees):
        raise UnreadableSql("the items of this SELECT cannot be told apart", tokens[begin].start)
    items = []
    for (start, stop), item in zip(stretches, trees, strict=True):
        named = isinstance(item, exp.Alias | exp.Column)
        items.append(Item(start, stop, text[start:stop], item, item.alias_or_name if named else ""))
    return LastSelect(tree, items[0].start, end, tuple(items), _clauses(tokens[begin:]))


def _clauses(tokens: Sequence[Token]) -> tuple[tuple[str, int, int], ...]:
    """The words at the top level."""
    depth, found = 0, []
    for token in tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth == 0 and token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING):
            found.append((token.text, token.start, token.end + 1))
    return tuple(found)


def _at_top(tokens: Sequence[Token], index: int) -> bool:
    depth = 0
    for token in tokens[:index]:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
    return depth == 0


def _stretches(tokens: Sequence[Token], begin: int) -> tuple[list[tuple[int, int]], int]:
    """The [start, end) of each item after the SELECT at ``begin``, and where the list ends."""
    depth, stretches, start = 0, [], None
    last = tokens[begin].end + 1
    for token in tokens[begin + 1 :]:
        if depth == 0 and token.token_type in _LIST_ENDS:
            break
        if depth == 0 and token.token_type == TokenType.COMMA:
            if start is not None:
                stretches.append((start, last))
            start = None
            continue
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        start = token.start if start is None else start
        last = token.end + 1
    if start is not None:
        stretches.append((start, last))
    return stretches, last


def split_arguments(tokens: Sequence[Token], text: str) -> list[str]:
    """The texts between the top-level commas of a run of tokens."""
    if not tokens:
        return []
    pieces, depth, start = [], 0, tokens[0].start
    for token in tokens:
        if depth == 0 and token.token_type == TokenType.COMMA:
            pieces.append(text[start : token.start].strip())
            start = token.end + 1
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
    return [*pieces, text[start : tokens[-1].end + 1].strip()]


def _offset(text: str, line: int, column: int, highlight: str) -> int:
    """sqlglot's line and column (the end of what it highlights) as an offset."""
    lines = text.split("\n")
    start = sum(len(before) + 1 for before in lines[: line - 1])
    return max(0, min(len(text) - 1, start + column - max(1, len(highlight))))
