"""The text of an expression as words, names, numbers, texts and signs, as DuckDB cuts it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.trees import Span


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


_TOKENS = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]*(?:\n|$) | /\*.*?\*/)
  | (?P<string>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
  | (?P<operator>!~~\*|>>=|<<=|->>|!~~|!~\*|~~\*|~~~|::|\|\||<=|>=|<>|!=|==|<<|>>|//|\*\*|->|~~|!~|~\*|\^@|&&|@>|<@
      |[-+*/%^<>=&|~!.,()\[\]{}:;@?$\#])
    """,
    re.VERBOSE | re.DOTALL,
)
_RUN = re.compile(r"[-+*/<>=~!@#%^&|?]+")
_SPECIAL_SIGN = re.compile(r"[~!@#%^&|?]")


def tokens(text: str) -> list[Token]:
    found, position = [], 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise NotCompiled(f"{text[position]!r} is not understood", (position, 1))
        kind = str(match.lastgroup)
        if kind == "operator":
            _refuse_glued(text, match)
        if kind != "space":
            found.append(Token(kind, match.group(), match.start(), match.end()))
        position = match.end()
    return [*found, Token("end", "", len(text), len(text))]


def _refuse_glued(text: str, operator: re.Match[str]) -> None:
    """Signs without a space between them are one operator to DuckDB if one of them is special: ``5 %-3`` is ``%-``."""
    run = _RUN.match(text, operator.start())
    signs = re.split(r"--|/\*", run.group())[0] if run else ""
    if len(signs) > len(operator.group()) and _SPECIAL_SIGN.search(signs):
        raise NotCompiled(f"the operator {signs}", (operator.start(), len(signs)))


class Cursor:
    """A place among the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.index = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def word(self, ahead: int = 0) -> str:
        """The keyword or bare name here, in lower case; empty for anything else."""
        token = self.tokens[min(self.index + ahead, len(self.tokens) - 1)]
        return token.text.lower() if token.kind == "word" else ""

    def sees(self, *texts: str) -> bool:
        """Whether these words or signs come next."""
        for ahead, text in enumerate(texts):
            token = self.tokens[min(self.index + ahead, len(self.tokens) - 1)]
            if token.kind not in ("word", "operator") or token.text.lower() != text:
                return False
        return True

    def takes(self, *texts: str) -> bool:
        if not self.sees(*texts):
            return False
        self.index += len(texts)
        return True

    def expect(self, text: str) -> None:
        if not self.takes(text):
            self.refuse()

    def refuse(self) -> NoReturn:
        token = self.token
        what = f"{token.text!r} here" if token.text else "an expression that ends early"
        raise NotCompiled(what, (token.start, max(1, token.end - token.start)))

    def finish(self) -> None:
        if self.token.kind != "end":
            self.refuse()

    def since(self, start: int) -> Span:
        """The place from an offset to the last token that was taken."""
        return (start, max(1, self.tokens[self.index - 1].end - start))

    def name(self) -> str:
        token = self.token
        if token.kind not in ("word", "quoted"):
            self.refuse()
        self.index += 1
        return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text
