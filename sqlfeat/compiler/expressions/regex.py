"""Regular expressions of RE2, as DuckDB has them, as Python's: the part of both that means the same.

What is left out is refused: whatever RE2 has no word for either (look-around, back references), what the two read
differently (empty matches inside loops, case folding beyond ASCII), and loops inside loops, where Python may take
exponential time and RE2 never does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sqlfeat.compiler.expressions.refusals import NotCompiled

_CLASSES = {
    "d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r ",
}  # fmt: skip
_POSIX = {
    "alpha": "A-Za-z", "digit": "0-9", "alnum": "0-9A-Za-z", "upper": "A-Z", "lower": "a-z",
    "space": "\\t\\n\\v\\f\\r ",
    "punct": "!-/:-@\\[-`{-~", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f", "blank": "\\t ",
}  # fmt: skip
_CONTROL = {"t": "\\t", "n": "\\n", "r": "\\r", "f": "\\f", "v": "\\v", "a": "\\a"}
_MOST = 1000
_FOLDED = {"k": "kK\u212a", "s": "sS\u017f"}
"""Letters of ASCII that are the same as one outside of it but for case."""


@dataclass
class _Part:
    """A piece of a pattern: its Python, whether it can match nothing, and whether it loops."""

    text: str
    empty: bool
    loops: bool


@dataclass(frozen=True)
class Pattern:
    """A pattern that both read alike."""

    compiled: re.Pattern[str]
    groups: int


@lru_cache(maxsize=512)
def translate(pattern: str, *, fold: bool = False, dot_all: bool = False, lines: bool = False) -> Pattern:
    """RE2's pattern as Python's, or :class:`NotCompiled`. ``lines``: ``^`` and ``$`` are at lines too."""
    if len(pattern) > _MOST:
        raise NotCompiled("a regular expression that is that long")
    reader = _Reader(pattern, fold, dot_all, lines)
    part = reader.alternatives()
    if reader.index < len(pattern):
        raise NotCompiled("a regular expression with a ) too much")
    return Pattern(re.compile(part.text), reader.groups)


class _Reader:
    def __init__(self, pattern: str, fold: bool, dot_all: bool, lines: bool) -> None:
        self.pattern, self.index, self.groups = pattern, 0, 0
        self.fold, self.dot_all, self.lines = fold, dot_all, lines
        self.depth = 0

    def peek(self) -> str:
        return self.pattern[self.index : self.index + 1]

    def take(self) -> str:
        letter = self.peek()
        self.index += 1
        return letter

    def refuse(self, what: str) -> NotCompiled:
        return NotCompiled(f"{what} in a regular expression")

    def alternatives(self) -> _Part:
        parts = [self.sequence()]
        while self.peek() == "|":
            self.index += 1
            parts.append(self.sequence())
        if len(parts) == 1:
            return parts[0]
        return _Part(
            "|".join(part.text for part in parts),
            any(part.empty for part in parts),
            any(part.loops for part in parts),
        )

    def sequence(self) -> _Part:
        found = _Part("", True, False)
        while self.peek() not in ("", "|", ")"):
            part = self.repeated()
            found = _Part(found.text + part.text, found.empty and part.empty, found.loops or part.loops)
        return found

    def repeated(self) -> _Part:
        part = self.single()
        counted = re.compile(r"\{([0-9]{1,4})(,([0-9]{0,4}))?\}").match(self.pattern, self.index)
        letter = self.peek()
        if letter not in ("*", "+", "?") and counted is None:
            if letter == "{":
                raise self.refuse("a bare {")
            return part
        if counted is not None:
            self.index = counted.end()
            low, high = int(counted[1]), counted[3] if counted[2] else counted[1]
            quantifier, many = counted[0], high == "" or int(high) > 1
            if low > 100 or (high and int(high) > 100):
                raise self.refuse("a count above 100")
            if high and int(high) < low:
                raise self.refuse("a count that cannot be")
        else:
            self.index += 1
            quantifier, low, many = letter, int(letter == "+"), letter != "?"
        if self.peek() == "?":
            self.index += 1
            quantifier += "?"
        if self.peek() and self.peek() in "*+?{":
            raise self.refuse("a loop of a loop")
        if (part.loops and many) or part.empty:
            raise self.refuse("a loop in a loop, or of what may be empty,")
        return _Part(f"{part.text}{quantifier}", low == 0, many or part.loops)

    def single(self) -> _Part:
        letter = self.take()
        if letter == "(":
            return self.group()
        if letter == "[":
            return _Part(self.bracket(), False, False)
        if letter == ".":
            return _Part("(?s:.)" if self.dot_all else "[^\\n]", False, False)
        if letter in "^$":
            return _Part(self.anchor(letter), True, False)
        if letter == "\\":
            return self.escaped()
        if letter in "*+?":
            raise self.refuse("a loop of nothing")
        return _Part(self.letter(letter), False, False)

    def anchor(self, letter: str) -> str:
        if self.lines:
            return "(?m:^)" if letter == "^" else "(?=\\n|\\Z)"
        return "\\A" if letter == "^" else "\\Z"

    def group(self) -> _Part:
        self.depth += 1
        if self.depth > 20:
            raise self.refuse("groups that are nested that deeply")
        opening = "("
        if self.peek() == "?":
            if self.pattern[self.index : self.index + 2] != "?:":
                raise self.refuse("a (? group")
            self.index += 2
            opening = "(?:"
        else:
            self.groups += 1
        inner = self.alternatives()
        if self.take() != ")":
            raise self.refuse("a ( without its )")
        self.depth -= 1
        return _Part(f"{opening}{inner.text})", inner.empty, inner.loops)

    def letter(self, letter: str) -> str:
        if self.fold:
            return f"[{self.folded(letter)}]" if letter.isalpha() else re.escape(letter)
        return re.escape(letter)

    def folded(self, letter: str) -> str:
        if not letter.isascii():
            raise self.refuse("a letter beyond ASCII without regard to case")
        return _FOLDED.get(letter.lower(), letter.lower() + letter.upper())

    def escaped(self) -> _Part:
        letter = self.take()
        if letter in _CLASSES and not (self.fold and letter == "w"):
            return _Part(f"[{_CLASSES[letter]}]", False, False)
        if letter.lower() in _CLASSES and letter.isupper() and not (self.fold and letter == "W"):
            return _Part(f"[^{_CLASSES[letter.lower()]}]", False, False)
        if letter == "b":
            return _Part("(?a:\\b)", True, False)
        if letter == "B":
            raise self.refuse("\\B")
        if letter == "A":
            return _Part("\\A", True, False)
        if letter == "z":
            return _Part("\\Z", True, False)
        return _Part(self.quoted(letter), False, False)

    def quoted(self, letter: str) -> str:
        """A letter after a backslash that stands for itself or a control character."""
        if letter in _CONTROL:
            return _CONTROL[letter]
        if letter and letter.isascii() and not letter.isalnum():
            return re.escape(letter)
        raise self.refuse(f"\\{letter}")

    def bracket(self) -> str:
        negated = self.peek() == "^"
        self.index += int(negated)
        found, first = "", True
        while first or self.peek() != "]":
            if not self.peek():
                raise self.refuse("a [ without its ]")
            found += self.member()
            first = False
        self.index += 1
        return f"[{'^' if negated else ''}{found}]"

    def member(self) -> str:
        """One member of a class, or a range."""
        posix = re.compile(r"\[:([a-z]+):\]").match(self.pattern, self.index)
        if posix is not None:
            if posix[1] not in _POSIX or self.fold:
                raise self.refuse(posix[0])
            self.index = posix.end()
            return _POSIX[posix[1]]
        letter = self.take()
        if letter == "[" and self.peek() == ":":
            raise self.refuse("[:")
        if letter == "\\":
            following = self.take()
            if following in _CLASSES and not self.fold:
                return _CLASSES[following]
            if following.lower() in _CLASSES:
                raise self.refuse(f"[\\{following}")
            if following in _CONTROL:
                return _CONTROL[following]
            if not following or following.isalnum() or not following.isascii():
                raise self.refuse(f"\\{following}")
            letter = following
        if self.peek() == "-" and self.pattern[self.index + 1 : self.index + 2] not in ("]", ""):
            self.index += 1
            end = self.take()
            if end in ("\\", "[") or end < letter:
                raise self.refuse("such a range")
            return self.range(letter, end)
        if self.fold and letter.isalpha():
            return self.folded(letter)
        return re.escape(letter)

    def range(self, first: str, last: str) -> str:
        if not self.fold:
            return f"{re.escape(first)}-{re.escape(last)}"
        if (first.islower() and last.islower()) or (first.isupper() and last.isupper()):
            return "".join(self.folded(chr(code)) for code in range(ord(first), ord(last) + 1))
        if first.isdigit() and last.isdigit():
            return f"{first}-{last}"
        raise self.refuse("such a range without regard to case")
