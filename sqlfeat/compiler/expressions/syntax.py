"""The text of a scalar expression → a tree, by DuckDB's own grammar (its levels of precedence and nothing else).

sqlglot is not asked here: its trees rename functions, move arguments and make up defaults, and a value hangs on each.
Whatever this grammar does not know is refused at its place; types and meanings are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.tokens import Cursor
from sqlfeat.compiler.expressions.trees import Call, Case, Cast, Field, Item, Literal, Name, Tree
from sqlfeat.compiler.expressions.written_types import TYPE_NAMES, read_type

_NUMBER = re.compile(r"(?:[0-9]+(?:_[0-9]+)*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")

_RESERVED_WORDS = """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
    deferrable desc describe distinct do else end except false fetch for foreign from group having qualify in initially
    intersect into lambda lateral leading limit not null offset on only or order pivot pivot_wider pivot_longer placing
    primary references returning select show some summarize symmetric table then to trailing true union unique unpivot
    using variadic when where window with
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_COMPARISONS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_MATCHES = {
    "~~": "like", "~~*": "ilike", "~~~": "glob", "~": "regexp_matches", "!~~": "!like", "!~~*": "!ilike",
    "!~": "!regexp_matches",
}  # fmt: skip
_DEEPEST = 40


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


class _Parser(Cursor):
    """Walks through the tokens; each method is one level of the grammar, from the loosest to the tightest."""

    # -- lists ---------------------------------------------------------------------------------------------------------

    def item(self) -> Item:
        start = self.token.start
        tree = self.expression()
        place = self.since(start)
        if self.takes("as"):
            return Item(tree, self.name(), place)
        named = self.token.kind == "quoted" or (self.word() and self.word() not in _RESERVED)
        return Item(tree, self.name() if named else None, place)

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
                tree = Cast(tree, read_type(self), False, self.since(start))
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
        kind = read_type(self)
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
        if self.word() not in TYPE_NAMES:
            return None
        try:
            kind = read_type(self)
        except NotCompiled:
            self.index = before
            return None
        if self.token.kind != "string":
            self.index = before
            return None
        return Cast(self.single(), kind, False, self.since(start))


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
