"""Text as DuckDB treats it: counted in code points, compared by them, folded letter by letter."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from sqlfeat.compiler.expressions.running.errors import NotCovered, invalid

_LONGEST = 1_000_000
"""Longer texts are not made here."""
_FAR = 2**31


BLANKS = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What ``trim`` takes away: the spaces of Unicode, but no tabs and no ends of lines."""
_NEW_LETTERS = re.compile("[\u1c89\u1c8a\ua7cb-\ua7dc\U00010d50-\U00010d85]")
"""Letters that only newer versions of Unicode know."""


def _lowered(letter: str) -> str:
    made = letter.lower()
    return made if len(made) == 1 else made[0]


def _uppered(letter: str) -> str:
    """One letter for one: the capital sharp s, the title case of Greek letters with iota, or no change."""
    made = letter.upper()
    if len(made) == 1:
        return made
    if letter == "ß":
        return "ẞ"
    title = letter.title()
    return title if len(title) == 1 else letter


def _folded(text: str, fold: Callable[[str], str]) -> str:
    if _NEW_LETTERS.search(text):
        raise NotCovered
    return "".join(map(fold, text))


def lower(text: str) -> str:
    return text.lower() if text.isascii() else _folded(text, _lowered)


def upper(text: str) -> str:
    return text.upper() if text.isascii() else _folded(text, _uppered)


def bytes_in(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def bits_in(text: str) -> int:
    return 8 * bytes_in(text)


# -- parts -------------------------------------------------------------------------------------------------------------


def substring(text: str, offset: int) -> str:
    """From the 1-based offset on; a negative one counts from the end."""
    if abs(offset) > _FAR:
        raise NotCovered
    if offset > 0:
        return text[offset - 1 :]
    return text[max(len(text) + offset, 0) :] if offset else text


def substring_of(text: str, offset: int, length: int) -> str:
    """So many characters from the 1-based offset on, or before it where the length is negative.

    Where the offset lies outside of the text DuckDB has two answers: one for text that it knows to be ASCII.
    """
    if abs(offset) > _FAR or abs(length) > _FAR:
        raise NotCovered
    if offset == 0:
        return text[: length - 1] if length > 1 else ""
    size = len(text)
    start = offset - 1 if offset > 0 else size + offset
    if start < 0 or (start > size and length < 0):
        if length > 0 or start > size:
            raise NotCovered
        return ""
    return text[start : start + length] if length >= 0 else text[max(start + length, 0) : start]


def left(text: str, count: int) -> str:
    return text[:count] if count >= 0 else text[: max(len(text) + count, 0)]


def right(text: str, count: int) -> str:
    if count >= 0:
        return text[max(len(text) - count, 0) :] if count else ""
    return text[-count:]


def split_part(text: str, separator: str, index: int) -> str:
    """The part before the index-th separator; empty for one that is not there."""
    parts = split(text, separator)
    if index > 0:
        return parts[index - 1] if index <= len(parts) else ""
    return parts[index] if index and -index <= len(parts) else ""


def split(text: str, separator: str) -> list[str]:
    if separator:
        return text.split(separator)
    return list(text) or [""]


def trim(text: str) -> str:
    return text.strip(BLANKS)


def trim_left(text: str) -> str:
    return text.lstrip(BLANKS)


def trim_right(text: str) -> str:
    return text.rstrip(BLANKS)


def position(text: str, needle: str) -> int:
    """1-based; 0 where it is not."""
    return text.find(needle) + 1


def replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def pad_left(text: str, size: int, padding: str) -> str:
    return _padding(size - len(text), padding, "LPAD") + text[: max(size, 0)]


def pad_right(text: str, size: int, padding: str) -> str:
    return text[: max(size, 0)] + _padding(size - len(text), padding, "RPAD")


def _padding(missing: int, padding: str, name: str) -> str:
    if missing <= 0:
        return ""
    if not padding:
        raise invalid(f"Insufficient padding in {name}.")
    if missing > _LONGEST:
        raise NotCovered
    return (padding * (missing // len(padding) + 1))[:missing]


def repeat(text: str, count: int) -> str:
    if count * len(text) > _LONGEST:
        raise NotCovered
    return text * max(count, 0)


def reverse(text: str) -> str:
    """Back to front; with joined characters only DuckDB knows what stays together."""
    if text.isascii():
        if "\r\n" in text:
            raise NotCovered
        return text[::-1]
    if any(letter > "\u024f" for letter in text):
        raise NotCovered
    return text[::-1] if "\r\n" not in text else _uncovered()


def _uncovered() -> str:
    raise NotCovered


def translated(text: str, old: str, new: str) -> str:
    """Letters of ``old`` become those of ``new`` in their place, or go."""
    table: dict[int, str | None] = {}
    for index, letter in enumerate(old):
        table.setdefault(ord(letter), new[index] if index < len(new) else None)
    return text.translate(table)


# -- as numbers --------------------------------------------------------------------------------------------------------


def code_point(text: str) -> int:
    return ord(text[0]) if text else 0


def unicode_of(text: str) -> int:
    return ord(text[0]) if text else -1


def letter_of(number: int) -> str:
    if not 0 <= number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        if number < 0 or number > 0x10FFFF:
            raise invalid(f"Invalid UTF8 Codepoint {number}.")
        raise NotCovered
    return chr(number)


def hexadecimal(text: str) -> str:
    return text.encode().hex().upper()


def hexadecimal_of(value: int, mask: int) -> str:
    return f"{value & mask:X}"


def binary_of(value: int, mask: int) -> str:
    return f"{value & mask:b}"


def levenshtein(one: str, other: str) -> int:
    """How many bytes must be put in, taken out or changed."""
    first, second = one.encode(), other.encode()
    if len(first) * len(second) > _LONGEST:
        raise NotCovered
    row = list(range(len(second) + 1))
    for index, byte in enumerate(first, 1):
        before, row[0] = row[0], index
        for place, against in enumerate(second, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (byte != against))
    return row[-1]


def hamming(one: str, other: str) -> int:
    first, second = one.encode(), other.encode()
    if len(first) != len(second) or not first:
        raise invalid("Mismatch Function: Strings must be of equal length!")
    return sum(byte != against for byte, against in zip(first, second, strict=True))


def jaccard(one: str, other: str) -> float:
    """Of the bytes that occur in either, the share of those that occur in both."""
    first, second = set(one.encode()), set(other.encode())
    if not first or not second:
        raise invalid("Jaccard Function: An argument too short!")
    return len(first & second) / len(first | second)


# -- hashes ------------------------------------------------------------------------------------------------------------


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# -- LIKE --------------------------------------------------------------------------------------------------------------


def like(text: str, pattern: str, escape: str = "") -> bool:
    """``%`` is any text, ``_`` one character; in time that grows with the product of the lengths at most."""
    place, index, star, retry = 0, 0, -1, 0
    size, length = len(text), len(pattern)
    while place < size:
        letter = pattern[index] if index < length else ""
        if letter == "%" and letter != escape:
            star, retry = index, place
            index += 1
            continue
        step = 1
        if letter and letter == escape:
            if index + 1 >= length:
                raise invalid("Like pattern must not end with escape character!")
            letter, step = pattern[index + 1], 2
            matched = letter == text[place]
        else:
            matched = letter in ("_", text[place]) and letter != ""
        if matched:
            index += step
            place += 1
        elif star >= 0:
            index, retry = star + 1, retry + 1
            place = retry
        else:
            return False
    while index < length and pattern[index] == "%" and escape != "%":
        index += 1
    return index == length


def ilike(text: str, pattern: str) -> bool:
    return like(lower(text), lower(pattern))


def concatenated(separator: str | None, *parts: str | None) -> str | None:
    """``concat_ws``: what is None is left out; no separator is no text."""
    return None if separator is None else separator.join(part for part in parts if part is not None)
