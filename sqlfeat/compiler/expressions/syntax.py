"""The text of a scalar expression → a tree, by DuckDB's own grammar (its levels of precedence and nothing else).

sqlglot is not asked here: its trees rename functions, move arguments and make up defaults, and a value hangs on each.
Whatever this grammar does not know is refused at its place; types and meanings are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from sqlfeat.compiler.expressions.refusals import NotCompiled

Span = tuple[int, int]
"""Offset and length in the text."""


@dataclass(frozen=True)
class Name:
    """``column``, ``relation.column``, ``column.field`` …"""

    parts: tuple[str, ...]
    place: Span


@dataclass(frozen=True)
class Literal:
    """A value as it is written: ``kind`` is integer, decimal, double, string, boolean or null."""

    kind: str
    text: str
    place: Span


@dataclass(frozen=True)
class Call:
    """A function or an operator, by DuckDB's name for it."""

    name: str
    arguments: tuple[Tree, ...]
    place: Span


@dataclass(frozen=True)
class Cast:
    value: Tree
    type: str
    tries: bool
    place: Span


@dataclass(frozen=True)
class Case:
    operand: Tree | None
    branches: tuple[tuple[Tree, Tree], ...]
    default: Tree | None
    place: Span


@dataclass(frozen=True)
class Field:
    value: Tree
    name: str
    place: Span


Tree = Name | Literal | Call | Cast | Case | Field


@dataclass(frozen=True)
class Item:
    """One of a list of expressions, with its output name where it has one."""

    tree: Tree
    name: str | None
    place: Span


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


_TOKENS = re.compile(
    r"""
    (?P<space>\s+ | --[^\n]*(?:\n|$) | /\*.*?\*/)
  | (?P<string>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
  | (?P<operator>!~~\*|>>=|<<=|->>|!~~|!~\*|~~\*|~~~|::|\|\||<=|>=|<>|!=|==|<<|>>|//|\*\*|->|~~|!~|~\*|\^@|&&|@>|<@
      |[-+*/%^<>=&|~!.,()\[\]{}:;@?$\#])
    """,
    re.VERBOSE | re.DOTALL,
)
_RUN = re.compile(r"[-+*/<>=~!@#%^&|?]+")
_SPECIAL_SIGN = re.compile(r"[~!@#%^&|?]")
_NUMBER = re.compile(r"(?:\d+(?:_\d+)*)?(?:\.\d*)?(?:[eE][+-]?\d+)?")

_RESERVED_WORDS = """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from group having qualify in initially
    intersect into lambda lateral leading limit not null offset on only or order pivot pivot_wider pivot_longer placing
    primary references returning select show some summarize symmetric table then to trailing true union unique unpivot
    using variadic when where window with
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_TYPES = {
    "BOOLEAN": "bool boolean logical", "TINYINT": "tinyint int1", "SMALLINT": "smallint int2 short int16",
    "INTEGER": "int integer int4 signed int32", "BIGINT": "bigint int8 long int64 oid", "HUGEINT": "hugeint int128",
    "UTINYINT": "utinyint uint8", "USMALLINT": "usmallint uint16", "UINTEGER": "uinteger uint32",
    "UBIGINT": "ubigint uint64", "FLOAT": "float real float4", "DOUBLE": "double float8",
    "VARCHAR": "varchar text string char bpchar nvarchar", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "timestamp datetime timestamp_us", "TIMESTAMP WITH TIME ZONE": "timestamptz", "INTERVAL": "interval",
    "DECIMAL": "decimal numeric dec", "BLOB": "blob bytea binary varbinary",
}  # fmt: skip
_TYPE_NAMES = {word: name for name, words in _TYPES.items() for word in words.split()}
_COMPARISONS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_MATCHES = {
    "~~": "like", "~~*": "ilike", "~~~": "glob", "~": "regexp_matches", "!~~": "!like", "!~~*": "!ilike",
    "!~": "!regexp_matches",
}  # fmt: skip
_DEEPEST = 100


def tokens(text: str) -> list[_Token]:
    found, position = [], 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise NotCompiled(f"{text[position]!r} is not understood", (position, 1))
        kind = str(match.lastgroup)
        if kind == "operator":
            _refuse_glued(text, match)
        if kind != "space":
            found.append(_Token(kind, match.group(), match.start(), match.end()))
        position = match.end()
    return [*found, _Token("end", "", len(text), len(text))]


def _refuse_glued(text: str, operator: re.Match[str]) -> None:
    """Signs without a space between them are one operator to DuckDB if one of them is special: ``5 %-3`` is ``%-``."""
    run = _RUN.match(text, operator.start())
    signs = re.split(r"--|/\*", run.group())[0] if run else ""
    if len(signs) > len(operator.group()) and _SPECIAL_SIGN.search(signs):
        raise NotCompiled(f"the operator {signs}", (operator.start(), len(signs)))


def parse(text: str) -> Tree:
    """One expression."""
    parser = _Parser(text)
    tree = parser.expression()
    parser.finish()
    return tree


def parse_items(text: str) -> list[Item]:
    """A list of expressions with output names, as between SELECT and FROM."""
    parser = _Parser(text)
    items = [parser.item()]
    while parser.takes(","):
        items.append(parser.item())
    parser.finish()
    return items


class _Parser:
    """Walks through the tokens; each method is one level of the grammar, from the loosest to the tightest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.index = 0
        self.depth = 0

    # -- tokens --------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> _Token:
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

    # -- lists ---------------------------------------------------------------------------------------------------------

    def item(self) -> Item:
        start = self.token.start
        tree = self.expression()
        place = self.since(start)
        if self.takes("as"):
            return Item(tree, self.name(), place)
        named = self.token.kind == "quoted" or (self.word() and self.word() not in _RESERVED)
        return Item(tree, self.name() if named else None, place)

    def name(self) -> str:
        token = self.token
        if token.kind not in ("word", "quoted"):
            self.refuse()
        self.index += 1
        return token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text

    def listed(self, closing: str) -> tuple[Tree, ...]:
        """Expressions between commas, up to a closing bracket."""
        if self.takes(closing):
            return ()
        found = [self.expression()]
        while self.takes(","):
            found.append(self.expression())
        self.expect(closing)
        return tuple(found)

    # -- levels --------------------------------------------------------------------------------------------------------

    def expression(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotCompiled("an expression that is nested too deeply", (self.token.start, 1))
        tree = self.chain(self.conjunction, {"or": "or"})
        self.depth -= 1
        return tree

    def chain(self, inner: Callable[[], Tree], operators: dict[str, str]) -> Tree:
        """Operators of one level, from left to right."""
        start = self.token.start
        tree = inner()
        while self.token.kind in ("word", "operator") and self.token.text.lower() in operators:
            name = operators[self.token.text.lower()]
            self.index += 1
            tree = Call(name, (tree, inner()), self.since(start))
        return tree

    def conjunction(self) -> Tree:
        return self.chain(self.negation, {"and": "and"})

    def negation(self) -> Tree:
        start, count = self.token.start, 0
        while self.takes("not"):
            count += 1
        tree = self.tested()
        for _ in range(count):
            tree = Call("not", (tree,), self.since(start))
        return tree

    def tested(self) -> Tree:
        """IS NULL, IS TRUE and their like, after a value."""
        start = self.token.start
        tree = self.distinguished()
        while True:
            if self.takes("isnull"):
                tree = Call("is_null", (tree,), self.since(start))
            elif self.takes("notnull") or self.takes("not", "null"):
                tree = Call("is_not_null", (tree,), self.since(start))
            elif self.takes("is"):
                negated = self.takes("not")
                word = self.word()
                if word not in ("null", "true", "false", "unknown"):
                    self.refuse()
                self.index += 1
                kind = "null" if word == "unknown" else word
                tree = Call(f"is_{'not_' if negated else ''}{kind}", (tree,), self.since(start))
            else:
                return tree

    def distinguished(self) -> Tree:
        start = self.token.start
        tree = self.compared()
        if not self.distinguishes():
            return tree
        negated = self.sees("is", "not")
        self.index += 4 if negated else 3
        made = Call("is_not_distinct" if negated else "is_distinct", (tree, self.compared()), self.since(start))
        if self.distinguishes() or (isinstance(tree, Call) and tree.name in _COMPARISONS):
            self.refuse()
        return made

    def distinguishes(self) -> bool:
        return self.sees("is", "distinct", "from") or self.sees("is", "not", "distinct", "from")

    def compared(self) -> Tree:
        start = self.token.start
        tree = self.matched()
        if self.token.kind == "operator" and self.token.text in _COMPARISONS:
            name = _COMPARISONS[self.token.text]
            self.index += 1
            if self.sees("not"):
                self.refuse()
            tree = Call(name, (tree, self.matched()), self.since(start))
            if self.token.kind == "operator" and self.token.text in _COMPARISONS:
                self.refuse()
        return tree

    def matched(self) -> Tree:
        """BETWEEN, IN, LIKE and their like."""
        start = self.token.start
        tree = self.other()
        negated = self.word() == "not" and self.word(1) in ("between", "in", "like", "ilike", "glob", "similar")
        if negated:
            self.index += 1
        name, made = "", None
        if self.takes("between"):
            if self.word() in ("symmetric", "asymmetric"):
                self.refuse()
            low = self.other()
            self.expect("and")
            made = Call("between", (tree, low, self.other()), self.since(start))
        elif self.takes("in"):
            self.expect("(")
            made = Call("in", (tree, *self.listed(")")), self.since(start))
        elif self.word() in ("like", "ilike", "glob"):
            name = self.word()
            self.index += 1
        elif self.takes("similar", "to"):
            name = "regexp_full_match"
        elif self.token.kind == "operator" and self.token.text in _MATCHES:
            name = _MATCHES[self.token.text]
            self.index += 1
        if name:
            arguments: tuple[Tree, ...] = (tree, self.other())
            negated = negated != name.startswith("!")
            name = name.lstrip("!")
            if self.takes("escape"):
                arguments = (*arguments, self.compared())
                name = f"{name}_escape"
            made = Call(name, arguments, self.since(start))
        if made is None:
            return tree
        return Call("not", (made,), made.place) if negated else made

    def other(self) -> Tree:
        return self.chain(self.bits, {"||": "||", "^@": "starts_with"})

    def bits(self) -> Tree:
        return self.chain(self.sum, {"&": "&", "|": "|", "<<": "<<", ">>": ">>"})

    def sum(self) -> Tree:
        return self.chain(self.product, {"+": "+", "-": "-"})

    def product(self) -> Tree:
        return self.chain(self.power, {"*": "*", "/": "/", "//": "//", "%": "%"})

    def power(self) -> Tree:
        return self.chain(self.zoned, {"^": "**", "**": "**"})

    def zoned(self) -> Tree:
        start = self.token.start
        tree = self.prefixed()
        while self.takes("at", "time", "zone"):
            zone = self.prefixed()
            tree = Call("timezone", (zone, tree), self.since(start))
        return tree

    def prefixed(self) -> Tree:
        start = self.token.start
        for sign in ("-", "+"):  # ~ binds as loosely as || does in some places; nobody needs it
            if self.takes(sign):
                return Call(f"{sign}x", (self.prefixed(),), self.since(start))
        return self.base()

    def base(self) -> Tree:
        """One thing and what hangs on it: casts, fields, subscripts."""
        start = self.token.start
        tree = self.single()
        while True:
            if self.takes("::"):
                tree = Cast(tree, self.type(), False, self.since(start))
            elif self.takes("["):
                index = self.expression()
                self.expect("]")
                tree = Call("[]", (tree, index), self.since(start))
            elif self.sees(".") and not isinstance(tree, Literal):
                self.index += 1
                name = self.name()
                if self.sees("("):
                    self.refuse()
                tree = Field(tree, name, self.since(start))
            else:
                return tree

    # -- single things -------------------------------------------------------------------------------------------------

    def single(self) -> Tree:
        token = self.token
        if token.kind == "string":
            self.index += 1
            return Literal("string", token.text[1:-1].replace("''", "'"), self.since(token.start))
        if token.kind == "number":
            return self.number()
        if self.takes("("):
            tree = self.expression()
            self.expect(")")
            return tree
        if self.takes("["):
            return Call("list_value", self.listed("]"), self.since(token.start))
        if token.kind == "quoted":
            return self.named()
        if token.kind != "word":
            self.refuse()
        return self.worded()

    def number(self) -> Literal:
        token = self.token
        self.index += 1
        place = self.since(token.start)
        after = self.token
        glued = after.kind in ("word", "number") and after.start == token.end
        if not _NUMBER.fullmatch(token.text) or glued:
            raise NotCompiled(f"the number {token.text!r}", place)
        text = token.text.replace("_", "")
        kind = "double" if "e" in text.lower() else "decimal" if "." in text else "integer"
        return Literal(kind, text, place)

    def worded(self) -> Tree:
        """What begins with a word: a literal, a special form, a function, a name."""
        token, word = self.token, self.word()
        if word in ("null", "true", "false"):
            self.index += 1
            return Literal("null" if word == "null" else "boolean", word, self.since(token.start))
        if word == "case":
            return self.case()
        special = _SPECIAL.get(word)
        if special is not None and self.tokens[self.index + 1].text == "(":
            self.index += 2
            return special(self, token.start)
        if word == "interval":
            return self.interval()
        literal = self.typed_literal()
        if literal is not None:
            return literal
        if word in _RESERVED:
            self.refuse()
        if self.tokens[self.index + 1].text == "(" and self.tokens[self.index + 1].kind == "operator":
            return self.function()
        return self.named()

    def named(self) -> Tree:
        start = self.token.start
        parts = [self.name()]
        while self.sees(".") and self.tokens[self.index + 1].kind in ("word", "quoted"):
            if self.tokens[self.index + 2].text == "(":
                self.refuse()
            self.index += 1
            parts.append(self.name())
        return Name(tuple(parts), self.since(start))

    def function(self) -> Tree:
        start, name = self.token.start, self.word()
        self.index += 2
        if self.word() in ("distinct", "all") or self.sees("*"):
            self.refuse()
        arguments = self.listed(")")
        if self.word() in ("over", "filter", "within"):
            self.refuse()
        return Call(name, arguments, self.since(start))

    def case(self) -> Tree:
        start = self.token.start
        self.index += 1
        operand = None if self.sees("when") else self.expression()
        branches = []
        while self.takes("when"):
            condition = self.expression()
            self.expect("then")
            branches.append((condition, self.expression()))
        default = self.expression() if self.takes("else") else None
        self.expect("end")
        if not branches:
            self.refuse()
        return Case(operand, tuple(branches), default, self.since(start))

    def cast(self, start: int, *, tries: bool) -> Tree:
        value = self.expression()
        self.expect("as")
        kind = self.type()
        self.expect(")")
        return Cast(value, kind, tries, self.since(start))

    def extract(self, start: int) -> Tree:
        token = self.token
        if token.kind not in ("word", "string", "quoted"):
            self.refuse()
        self.index += 1
        part = Literal("string", token.text.strip("'\""), self.since(token.start))
        self.expect("from")
        value = self.expression()
        self.expect(")")
        return Call("date_part", (part, value), self.since(start))

    def position(self, start: int) -> Tree:
        needle = self.other()
        self.expect("in")
        text = self.expression()
        self.expect(")")
        return Call("strpos", (text, needle), self.since(start))

    def substring(self, start: int) -> Tree:
        parts = [self.expression()]
        if self.takes("from"):
            parts.append(self.expression())
            if self.takes("for"):
                parts.append(self.expression())
        elif self.sees("for"):
            self.refuse()
        while self.takes(","):
            parts.append(self.expression())
        self.expect(")")
        return Call("substring", tuple(parts), self.since(start))

    def trim(self, start: int) -> Tree:
        names = {"both": "trim", "leading": "ltrim", "trailing": "rtrim"}
        name = names.get(self.word(), "")
        self.index += 1 if name else 0
        if self.takes("from"):
            parts = [self.expression()]
        else:
            parts = [self.expression()]
            if self.takes("from"):
                parts = [self.expression(), *parts]
            while self.takes(","):
                parts.append(self.expression())
        self.expect(")")
        return Call(name or "trim", tuple(parts), self.since(start))

    def interval(self) -> Tree:
        start = self.token.start
        self.index += 1
        token = self.token
        if token.kind == "string":
            amount = self.single()
        elif token.kind == "number":
            amount = self.number()
        elif self.takes("("):
            amount = self.expression()
            self.expect(")")
        else:
            self.index -= 1
            return self.named()
        unit = ""
        if self.word() in _UNITS:
            unit = self.word()
            self.index += 1
            if self.sees("to"):
                self.refuse()
        return Call("interval", (amount, Literal("string", unit, self.since(start))), self.since(start))

    def typed_literal(self) -> Tree | None:
        """``DATE '…'`` and its like; None where a name stands here."""
        start, before = self.token.start, self.index
        if self.word() not in _TYPE_NAMES:
            return None
        try:
            kind = self.type()
        except NotCompiled:
            self.index = before
            return None
        if self.token.kind != "string":
            self.index = before
            return None
        return Cast(self.single(), kind, False, self.since(start))

    def type(self) -> str:
        """A type as DuckDB spells it."""
        token, word = self.token, self.word()
        name = _TYPE_NAMES.get(word)
        if name is None:
            self.refuse()
        self.index += 1
        if word == "double":
            self.takes("precision")
        if word in ("timestamp", "time") and self.takes("with", "time", "zone"):
            if word == "time":
                raise NotCompiled("TIME WITH TIME ZONE", (token.start, 4))
            name = "TIMESTAMP WITH TIME ZONE"
        elif word == "timestamp":
            self.takes("without", "time", "zone")
        name = self.modified(name)
        if self.takes("["):
            self.expect("]")
            name = f"{name}[]"
        if self.sees("["):
            self.refuse()
        return name

    def modified(self, name: str) -> str:
        """A type with its numbers in brackets."""
        numbers = []
        if name in ("DECIMAL", "VARCHAR") and self.takes("("):
            while self.token.kind == "number":
                numbers.append(int(self.number().text))
                if not self.takes(","):
                    break
            self.expect(")")
        if name != "DECIMAL":
            return name
        width, scale = (*numbers, 0)[:2] if numbers else (18, 3)
        if not (1 <= width <= 38 and scale <= width and len(numbers) <= 2):
            self.refuse()
        return f"DECIMAL({width},{scale})"


_UNIT_WORDS = """
    year years month months day days hour hours minute minutes second seconds millisecond milliseconds microsecond
    microseconds week weeks quarter quarters decade decades century centuries millennium millennia
"""
_UNITS = frozenset(_UNIT_WORDS.split())
_SPECIAL: dict[str, Callable[[_Parser, int], Tree]] = {
    "cast": lambda parser, start: parser.cast(start, tries=False),
    "try_cast": lambda parser, start: parser.cast(start, tries=True),
    "extract": _Parser.extract,
    "position": _Parser.position,
    "substring": _Parser.substring,
    "trim": _Parser.trim,
}
