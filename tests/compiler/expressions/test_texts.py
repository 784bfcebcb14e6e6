"""Text: letters, patterns, casts from and to it, against DuckDB."""

import random
import re
import string

import pytest

from sqlfeat.compiler.expressions.refusals import NotCompiled
from sqlfeat.compiler.expressions.regex import translate
from sqlfeat.compiler.expressions.running import texts
from sqlfeat.compiler.expressions.running.errors import NotCovered
from tests.compiler.expressions.comparing import Table, compare, connect


def _strings(values: list[str]) -> Table:
    return Table({"s": "VARCHAR"}, [["'" + value.replace("'", "''") + "'"] for value in values])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_LETTERS = "from range(1, 131072) r(i) where i not between 55296 and 57343"


def test_every_letter_has_the_case_that_duckdb_gives_it() -> None:
    rows = connect().execute(f"select chr(i::int) as c, lower(c), upper(c) {_LETTERS}").fetchall()

    different = []
    for letter, lower, upper in rows:
        try:
            if (texts.lower(letter), texts.upper(letter)) != (lower, upper):
                different.append((hex(ord(letter)), lower, upper))
        except NotCovered:
            continue
    assert different == []


def test_trim_takes_the_blanks_that_duckdb_takes() -> None:
    rows = connect().execute(f"select chr(i::int) as c {_LETTERS} and trim(c) = ''").fetchall()

    assert sorted(texts.BLANKS) == sorted(letter for (letter,) in rows)


_PLAIN_TEXTS_TEXT = """
0 1 -1 +1 42 007 1. .5 5.5 4.5 -4.5 0.5 -0.5 1.49999999 1e3 1E3 1e-3 1e 1_000 1__0 _1 1_ 0x1F 0b1 0o7 - + . -. 1.2.3
12abc abc nan NaN NAN inf -inf +inf Infinity infinit INF 1e308 1e309 1e400 1e-400 -0 -0.0 00 127 128 -128 -129 32767
32768 2147483647 2147483648 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
170141183460469231731687303715884105727 170141183460469231731687303715884105728 99999999.99 99999999.995
99999999.994 0.005 0.004999 -0.005 1234567.891 12345678901234567890.123456789 true TRUE True t T f no yes y n on off
2 tru 1.99 0.95 9.995 9.9949999999 .05 00012.50 1.10 1.010 127.4 127.5 -128.5
"""
_PLAIN_TEXTS = _PLAIN_TEXTS_TEXT.split()
_PADDED = [
    "",
    " ",
    "  42",
    "42  ",
    " 42 ",
    "\t42\n",
    "4 2",
    " 1.5 ",
    "- 1",
    "1 000",
    "\u00a042",
    "４２",
    "١",
    "\v7\f",
    "a\tb",
]


def test_text_becomes_numbers_as_in_duckdb() -> None:
    kinds = [
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "hugeint",
        "utinyint",
        "ubigint",
        "double",
        "float",
        "decimal(10,2)",
        "decimal(18,3)",
        "decimal(4,1)",
        "decimal(38,10)",
        "decimal(5,0)",
        "decimal(3,3)",
        "boolean",
    ]
    outcome = compare(_strings([*_PLAIN_TEXTS, *_PADDED]), [f"try_cast(s as {kind})" for kind in kinds])

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled == len(kinds)
    assert outcome.left < outcome.values / 5


_TIMES_TEXT = """
2020-01-01 2020-1-1 2020-02-29 2021-02-29 2020-13-01 2020-00-10 2020-01-32 20200101 2020/01/01 01/02/2020 2020-01
2020 0000-01-01 -0001-01-01 10000-01-01 9999-12-31 0001-01-01 today epoch infinity -infinity inf abc 12:00 12:00:00
2020-01-01T10:20:30 2020-01-01T10:20:30Z 2020-01-01T10:20:30+02 2020-01-01T10:20:30.5 2020-01-01T10:20:30.1234567
2020-01-01T10:20 2020-01-01T10 2020-01-01T25:00:00 2020-01-01T10:60:00 2020-01-01T10:20:60 2020-01-01T24:00:00
1970-01-01
"""
_TIMES = _TIMES_TEXT.split()
_SPACED_TIMES = [
    "2020-01-01 10:20:30",
    " 2020-01-01 10:20:30 ",
    "2020-01-01  10:20:30",
    "2020-01-01 10:20:30 UTC",
    "2020-01-01 ",
    "2020-01-01 1:2:3",
    "2020-01-01 10:20:30.000001",
    "2020-01-01 10:20:30+00:00",
    "2020-01-01 10:20:30 +00",
    "",
]


def test_text_becomes_times_as_in_duckdb() -> None:
    kinds = ["date", "timestamp", "timestamptz", "time"]
    expressions = [f"try_cast(s as {kind})" for kind in kinds] + [
        "try_strptime(s, '%Y-%m-%d')",
        "try_strptime(s, '%Y-%m-%d %H:%M:%S')",
    ]
    outcome = compare(_strings([*_TIMES, *_SPACED_TIMES]), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled == len(expressions)


def test_numbers_become_text_as_in_duckdb() -> None:
    chance = random.Random(8)
    doubles = [chance.uniform(-1, 1) * 10.0 ** chance.randrange(-20, 25) for _ in range(300)]
    doubles += [float(round(number, chance.randrange(0, 8))) for number in doubles]
    table = Table({"x": "DOUBLE", "f": "FLOAT"}, [[f"{value!r}::double", f"{value!r}::float"] for value in doubles])
    outcome = compare(
        table,
        [
            "x::varchar",
            "f::varchar",
            "x::float",
            "f::double",
            "round(x, 2)",
            "round(x, 5)",
            "round(x)",
            "round(f, 1)",
            "floor(x)",
            "x::decimal(18,3)",
            "try_cast(x as bigint)",
            "x::varchar::double",
        ],
    )

    assert [str(difference) for difference in outcome.differences] == []


def test_like_matches_what_duckdb_matches() -> None:
    chance = random.Random(9)
    values = ["".join(chance.choices("ab%_\\", k=chance.randrange(0, 7))) for _ in range(60)]
    patterns = ["".join(chance.choices("ab%%__\\", k=chance.randrange(0, 6))) for _ in range(120)]
    expressions = [f"s like {_quoted(pattern)}" for pattern in patterns]
    expressions += [f"s like {_quoted(pattern)} escape '\\'" for pattern in patterns[:40]]
    expressions += [f"s ilike {_quoted(pattern.upper())}" for pattern in patterns[:40]]
    outcome = compare(_strings(values), expressions)

    assert [str(difference) for difference in outcome.differences] == []


_PIECES = [
    "a",
    "b",
    "ab",
    ".",
    "[ab]",
    "[^a]",
    "\\d",
    "\\w",
    "\\s",
    "\\D",
    "\\W",
    "\\S",
    "x?",
    "a*",
    "b+",
    "(a|b)",
    "(?:ab)+",
    "^",
    "$",
    "\\b",
    "a{2}",
    "b{1,2}",
    "a*?",
    "(a)?",
    "é",
    "[a-c]",
    "[[:digit:]]",
    "\\.",
    "-",
    "(ab|a)(b?)",
    "[é-ü]",
    "k",
    "s",
]
_MIXED_LETTERS = [
    "a",
    "b",
    "ab",
    "c",
    "1",
    " ",
    "é",
    "\n",
    "A",
    "B",
    ".",
    "_",
    "-",
    "x",
    "\u212a",
    "\u017f",
    "\u00a0",
    "\v",
    "ſ",
    "日",
]


def test_regular_expressions_find_what_re2_finds() -> None:
    chance = random.Random(10)
    values = ["".join(chance.choices(_MIXED_LETTERS, k=chance.randrange(0, 7))) for _ in range(80)]
    expressions = []
    for _ in range(160):
        pattern = "".join(chance.choices(_PIECES, k=chance.randrange(1, 5)))
        if chance.random() < 0.2:
            pattern += "|" + chance.choice(_PIECES)
        flag = chance.choice(["", "", ", 'i'", ", 's'"])
        expressions += [
            f"regexp_matches(s, {_quoted(pattern)}{flag})",
            f"regexp_extract(s, {_quoted(pattern)})",
            f"regexp_full_match(s, {_quoted(pattern)}{flag})",
            f"regexp_replace(s, {_quoted(pattern)}, '<\\0>', 'g')",
            f"regexp_extract(s, {_quoted(pattern)}, 1)",
        ]
    outcome = compare(_strings(values), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled > outcome.expressions / 3


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", "(a*)*", "(a|b*)+", "(?P<x>a)", "a**", "\\1", "(?=a)", "[a", "(a", "a)", "\\pL", "a{1001}", "x{,3}"],
)
def test_patterns_that_the_two_may_read_differently_are_refused(pattern: str) -> None:
    with pytest.raises(NotCompiled):
        translate(pattern)


def test_the_pattern_language_is_a_part_of_pythons() -> None:
    for letter in set(string.printable) - set(".^$|"):
        try:
            made = translate(letter)
        except NotCompiled:
            continue
        assert isinstance(made.compiled, re.Pattern)
        assert made.compiled.fullmatch(letter) is not None


def test_substring_agrees_at_every_offset_and_length() -> None:
    counts = range(-5, 6)
    table = Table(
        {"s": "VARCHAR", "o": "BIGINT", "n": "BIGINT"},
        [[_quoted(text), str(one), str(other)] for text in ("", "abc", "hé日") for one in counts for other in counts],
    )
    expressions = [
        "substr(s, o, n)",
        "substr(s, o)",
        "left(s, o)",
        "right(s, o)",
        "s[o]",
        "lpad(s, o::int, 'xy')",
        "repeat(s, o)",
        "rpad(s, o::int, 'é')",
        "split_part(s, 'b', o)",
        "split_part(s, '', o)",
        "string_split(s, 'b')[o]",
    ]
    outcome = compare(table, expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled == len(expressions)
