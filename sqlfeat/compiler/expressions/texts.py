"""Functions of text: their arguments, their types and their code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlfeat.compiler.expressions import regex
from sqlfeat.compiler.expressions.casts import as_text, cast
from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.running import formats, matches
from sqlfeat.compiler.expressions.running import texts as running
from sqlfeat.compiler.expressions.typed import NULL, Call, Constant, Node, call, is_null, settled
from sqlfeat.compiler.expressions.types import BOOLEAN, DATE, INSTANTS, SIGNED, TEXT, TIMESTAMP, bits

Binder = Callable[[list[Node]], Node]

_WHOLE = SIGNED[:4]


def _function(
    shape: str, result: str, python: str | Callable[..., Any], *, safe: bool = True, quick: str | None = None
) -> Binder:
    """A function whose arguments are text (``t``), whole numbers up to BIGINT (``b``) or up to INTEGER (``i``)."""

    def bind(arguments: list[Node]) -> Node:
        if len(arguments) != len(shape):
            raise NotCompiled(f"{len(arguments)} arguments")
        return call(result, python, *map(_taken, arguments, shape), safe=safe, held=(python,), quick=quick)

    return bind


def _taken(node: Node, shape: str) -> Node:
    if shape == "t" and node.type == TEXT:
        return settled(node)
    if shape == "b" and node.type in _WHOLE:
        return settled(node)
    if shape == "i" and node.type in _WHOLE[:3]:
        return settled(node)
    raise NotCompiled(f"{node.type} as an argument here")


def _of_counts(*binders: Binder) -> Binder:
    """One function with several numbers of arguments: the first binder that takes them."""

    def bind(arguments: list[Node]) -> Node:
        refusal: NotCompiled | None = None
        for binder in binders:
            try:
                return binder(arguments)
            except NotCompiled as error:
                refusal = error
        assert refusal is not None
        raise refusal

    return bind


# -- together ----------------------------------------------------------------------------------------------------------


def joined(left: Node, right: Node) -> Node:
    """``||``: NULL where one is."""
    if NULL in (left.type, right.type) or left.type.endswith("]") or right.type.endswith("]"):
        raise NotCompiled(f"{left.type} || {right.type}")
    return call(TEXT, "{0} + {1}", as_text(left), as_text(right))


def _concat(arguments: list[Node]) -> Node:
    """``concat``: NULL is empty."""
    if any(node.type.endswith("]") for node in arguments) or not arguments:
        raise NotCompiled("concat of lists")
    parts = [as_text(settled(node)) for node in arguments if not is_null(node)]
    template = " + ".join(f"({{{index}}} or '')" for index in range(len(parts))) or "''"
    return Call(TEXT, template, tuple(map(settled, parts)), strict=False)


def _concat_ws(arguments: list[Node]) -> Node:
    if len(arguments) < 2 or arguments[0].type != TEXT or any(node.type.endswith("]") for node in arguments):
        raise NotCompiled("concat_ws of these")
    parts = [as_text(settled(node)) for node in arguments[1:] if not is_null(node)]
    return Call(TEXT, running.concatenated, (settled(arguments[0]), *map(settled, parts)), strict=False, total=False)


def _split_part(arguments: list[Node]) -> Node:
    if len(arguments) != 3:
        raise NotCompiled("split_part of these")
    text, index = _taken(arguments[0], "t"), _taken(arguments[2], "b")
    return call(TEXT, running.split_part, text, _separator(arguments[1]), index)


def _split(arguments: list[Node]) -> Node:
    if len(arguments) != 2:
        raise NotCompiled("string_split of these")
    return call("VARCHAR[]", running.split, _taken(arguments[0], "t"), _separator(arguments[1]))


def _separator(node: Node) -> Node:
    """Text is not split by NULL, so it must be known."""
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        raise NotCompiled("a separator that is not written out")
    return settled(node)


def _trim(bare: Callable[[str], str], method: str) -> Binder:
    """``trim(text)`` takes spaces, ``trim(text, letters)`` any of these letters."""
    return _of_counts(_function("t", TEXT, bare), _function("tt", TEXT, f"{{0}}.{method}({{1}})"))


# -- LIKE --------------------------------------------------------------------------------------------------------------


def like(text: Node, pattern: Node) -> Node:
    text, pattern = _taken(text, "t"), _taken(pattern, "t")
    if isinstance(pattern, Constant) and isinstance(pattern.value, str):
        known = _simple_like(text, pattern.value)
        if known is not None:
            return known
    return call(BOOLEAN, running.like, text, pattern)


def _simple_like(text: Node, pattern: str) -> Node | None:
    """Patterns with % at their ends alone."""
    body = pattern.strip("%")
    if "%" in body or "_" in body:
        return None
    word = Constant(TEXT, body)
    before, after = pattern.startswith("%"), pattern.endswith("%")
    if not body:
        return None
    if before and after:
        return call(BOOLEAN, "{1} in {0}", text, word)
    if before:
        return call(BOOLEAN, "{0}.endswith({1})", text, word)
    return call(BOOLEAN, "{0}.startswith({1})" if after else "{0} == {1}", text, word)


def _like_escape(arguments: list[Node]) -> Node:
    text, pattern, escape = (_taken(node, "t") for node in arguments)
    if not isinstance(escape, Constant) or len(str(escape.value)) != 1:
        raise NotCompiled("ESCAPE with anything but one character")
    return call(BOOLEAN, running.like, text, pattern, escape, safe=False)


def _ilike(arguments: list[Node]) -> Node:
    return call(BOOLEAN, running.ilike, *(_taken(node, "t") for node in arguments))


# -- regular expressions -----------------------------------------------------------------------------------------------


def _pattern(node: Node, options: Node | None = None) -> tuple[regex.Pattern, bool]:
    """A pattern that is written out, and whether the options ask for all matches."""
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        raise NotCompiled("a regular expression that is not written out")
    letters = ""
    if options is not None:
        if not isinstance(options, Constant) or not isinstance(options.value, str):
            raise NotCompiled("options of a regular expression that are not written out")
        letters = options.value
    if set(letters) - set("icgs"):
        raise NotCompiled(f"the options {letters!r} of a regular expression")
    made = regex.translate(node.value, fold="i" in letters, dot_all="s" in letters)
    return made, "g" in letters


def _matching(function: Callable[..., bool]) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        if len(arguments) not in (2, 3):
            raise NotCompiled(f"{len(arguments)} arguments")
        pattern, everywhere = _pattern(*arguments[1:])
        if everywhere:
            raise NotCompiled("the option g here")
        method = pattern.compiled.search if function is matches.matches else pattern.compiled.fullmatch
        quick = f"{{h0}}({{0}}) is not None if len({{0}}) < {matches.LONGEST} else {{h1}}({{0}}, {{1}})"
        text = _taken(arguments[0], "t")
        return call(BOOLEAN, function, text, Constant("", pattern.compiled), held=(method, function), quick=quick)

    return bind


def _extract(arguments: list[Node]) -> Node:
    if len(arguments) not in (2, 3, 4):
        raise NotCompiled(f"{len(arguments)} arguments")
    pattern, everywhere = _pattern(arguments[1], arguments[3] if len(arguments) == 4 else None)
    group = arguments[2] if len(arguments) > 2 else Constant("INTEGER", 0)
    if not isinstance(group, Constant) or not isinstance(group.value, int) or not 0 <= group.value <= pattern.groups:
        raise NotCompiled("such a group of a regular expression")
    if everywhere:
        raise NotCompiled("the option g here")
    given = (Constant("", pattern.compiled), Constant("", group.value))
    return call(TEXT, matches.extracted, _taken(arguments[0], "t"), *given)


def _replace(arguments: list[Node]) -> Node:
    if len(arguments) not in (3, 4):
        raise NotCompiled(f"{len(arguments)} arguments")
    pattern, everywhere = _pattern(arguments[1], arguments[3] if len(arguments) == 4 else None)
    rewrite = arguments[2]
    if not isinstance(rewrite, Constant) or not isinstance(rewrite.value, str):
        raise NotCompiled("a replacement that is not written out")
    if pattern.compiled.match("") or pattern.compiled.search("") or _may_be_empty(pattern.compiled):
        raise NotCompiled("a replacement of what may be empty")
    parts = _rewriting(rewrite.value, pattern.groups)
    function = matches.replaced_all if everywhere else matches.replaced
    return call(TEXT, function, _taken(arguments[0], "t"), Constant("", pattern.compiled), Constant("", parts))


def _may_be_empty(pattern: re.Pattern[str]) -> bool:
    """Whether a pattern may match nothing somewhere: at a word's edge or at an end."""
    return any(match.group() == "" for match in pattern.finditer("a b 1,Z-_"))


def _rewriting(text: str, groups: int) -> tuple[str | int, ...]:
    """RE2's replacement: a backslash with a digit is a group, 0 all of the match."""
    found: list[str | int] = []
    for piece in re.findall(r"\\.|[^\\]+|\\", text, re.DOTALL):
        if not piece.startswith("\\"):
            found.append(piece)
        elif piece[1:].isdigit() and int(piece[1:]) <= groups:
            found.append(int(piece[1:]))
        elif piece == "\\\\":
            found.append("\\")
        else:
            raise NotCompiled(f"{piece} in a replacement")
    return tuple(found)


# -- times as text -----------------------------------------------------------------------------------------------------


def _strftime(arguments: list[Node]) -> Node:
    if len(arguments) != 2:
        raise NotCompiled(f"{len(arguments)} arguments")
    value, shape = arguments
    if value.type == TEXT:
        value, shape = shape, value
    if value.type not in (DATE, *INSTANTS) or not isinstance(shape, Constant) or not isinstance(shape.value, str):
        raise NotCompiled("strftime of these")
    pieces = formats.pieces_of(shape.value)
    if pieces is None:
        raise NotCompiled(f"the format {shape.value!r}")
    return call(TEXT, formats.written, cast(value, TIMESTAMP), Constant("", pieces))


def _strptime(function: Callable[..., Any]) -> Binder:
    def bind(arguments: list[Node]) -> Node:
        if len(arguments) != 2 or not isinstance(arguments[1], Constant) or not isinstance(arguments[1].value, str):
            raise NotCompiled("strptime of these")
        try:
            shape = formats.Shape(arguments[1].value)
        except ValueError:
            raise NotCompiled(f"the format {arguments[1].value!r}") from None
        tries = function is formats.tried
        return call(TIMESTAMP, function, _taken(arguments[0], "t"), Constant("", shape), total=not tries, safe=tries)

    return bind


def _digits(base: Callable[..., str], of_text: Callable[[str], str] | None) -> Binder:
    """hex, bin: of whole numbers in two's complement."""

    def bind(arguments: list[Node]) -> Node:
        if len(arguments) != 1:
            raise NotCompiled(f"{len(arguments)} arguments")
        node = arguments[0]
        if node.type == TEXT and of_text is not None:
            return call(TEXT, of_text, node)
        if node.type not in _WHOLE:
            raise NotCompiled(f"{node.type} here")
        return call(TEXT, base, node, Constant("", 2 ** bits("BIGINT") - 1))

    return bind


FUNCTIONS: dict[str, Binder] = {
    "lower": _function("t", TEXT, running.lower, quick="{0}.lower() if {0}.isascii() else {h0}({0})"),
    "upper": _function("t", TEXT, running.upper, quick="{0}.upper() if {0}.isascii() else {h0}({0})"),
    "length": _function("t", "BIGINT", "len({0})"), "strlen": _function("t", "BIGINT", running.bytes_in),
    "bit_length": _function("t", "BIGINT", running.bits_in),
    "substring": _of_counts(_function("tb", TEXT, running.substring), _function("tbb", TEXT, running.substring_of)),
    "left": _function("tb", TEXT, running.left), "right": _function("tb", TEXT, running.right),
    "split_part": _split_part, "string_split": _split,
    "strpos": _function("tt", "BIGINT", running.position), "replace": _function("ttt", TEXT, running.replace),
    "trim": _trim(running.trim, "strip"), "ltrim": _trim(running.trim_left, "lstrip"),
    "rtrim": _trim(running.trim_right, "rstrip"),
    "lpad": _function("tit", TEXT, running.pad_left, safe=False),
    "rpad": _function("tit", TEXT, running.pad_right, safe=False),
    "repeat": _function("tb", TEXT, running.repeat), "reverse": _function("t", TEXT, running.reverse),
    "translate": _function("ttt", TEXT, running.translated),
    "starts_with": _function("tt", BOOLEAN, "{0}.startswith({1})"),
    "ends_with": _function("tt", BOOLEAN, "{0}.endswith({1})"), "contains": _function("tt", BOOLEAN, "{1} in {0}"),
    "ascii": _function("t", "INTEGER", running.code_point), "unicode": _function("t", "INTEGER", running.unicode_of),
    "chr": _function("i", TEXT, running.letter_of, safe=False),
    "levenshtein": _function("tt", "BIGINT", running.levenshtein),
    "hamming": _function("tt", "BIGINT", running.hamming, safe=False),
    "jaccard": _function("tt", "DOUBLE", running.jaccard, safe=False),
    "md5": _function("t", TEXT, running.md5), "sha1": _function("t", TEXT, running.sha1),
    "sha256": _function("t", TEXT, running.sha256), "hex": _digits(running.hexadecimal_of, running.hexadecimal),
    "bin": _digits(running.binary_of, None), "concat": _concat, "concat_ws": _concat_ws, "like_escape": _like_escape,
    "ilike": _ilike, "regexp_matches": _matching(matches.matches), "regexp_full_match": _matching(matches.matches_all),
    "regexp_extract": _extract, "regexp_replace": _replace, "strftime": _strftime, "strptime": _strptime(formats.read),
    "try_strptime": _strptime(formats.tried),
}  # fmt: skip
_ALIASES = {
    "lcase": "lower", "ucase": "upper", "char_length": "length", "character_length": "length", "substr": "substring",
    "string_to_array": "string_split", "str_split": "string_split", "split": "string_split", "instr": "strpos",
    "prefix": "starts_with", "suffix": "ends_with", "ord": "unicode", "editdist3": "levenshtein",
    "mismatches": "hamming", "to_hex": "hex", "to_binary": "bin",
}  # fmt: skip
FUNCTIONS |= {name: FUNCTIONS[other] for name, other in _ALIASES.items()}
