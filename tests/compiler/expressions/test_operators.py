"""Operators over every pair of number types, and without brackets: types, values and errors are DuckDB's."""

import itertools
import random

from tests.compiler.expressions.comparing import Table, compare
from tests.compiler.expressions.rows import random_rows

_NUMBERS = {
    "ti": "TINYINT",
    "si": "SMALLINT",
    "i": "INTEGER",
    "a": "BIGINT",
    "h": "HUGEINT",
    "ui": "UINTEGER",
    "x": "DOUBLE",
    "f": "FLOAT",
    "d": "DECIMAL(10,2)",
    "m": "DECIMAL(18,3)",
    "w": "DECIMAL(38,4)",
}
_LITERALS = ["1", "1000", "3000000000", "1.5", "1e0", "-1"]
_OPERATORS = ["+", "-", "*", "/", "//", "%", "=", "<", ">="]
_MIXED = {"a": "BIGINT", "b": "BIGINT", "i": "INTEGER", "p": "BOOLEAN", "q": "BOOLEAN", "s": "VARCHAR", "x": "DOUBLE"}


def _numbers(seed: int) -> Table:
    return Table(_NUMBERS, random_rows(random.Random(seed), 12, _NUMBERS))


def test_every_pair_of_numbers_has_the_type_and_the_value_of_duckdb() -> None:
    operands = [*_NUMBERS, *_LITERALS]
    pairs = list(itertools.product(operands, operands, _OPERATORS))
    chosen = random.Random(2).sample(pairs, 320)
    outcome = compare(_numbers(3), [f"{one} {operator} {other}" for one, other, operator in chosen])

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled > 0.8 * outcome.expressions


def test_what_two_or_three_numbers_become_together() -> None:
    operands = [*_NUMBERS, *_LITERALS]
    pairs = list(itertools.product(operands, operands))
    chance = random.Random(4)
    expressions = [f"{chance.choice(['coalesce', 'greatest', 'least'])}({one}, {other})" for one, other in pairs]
    expressions += [f"case when {one} > 0 then {one} else {other} end" for one, other in pairs]
    expressions += [f"{chance.choice(operands)} between {one} and {other}" for one, other in pairs]
    expressions += [f"coalesce({one}, {chance.choice(operands)}, {other})" for one, other in pairs]
    outcome = compare(_numbers(5), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled > 0.7 * outcome.expressions


def test_operators_without_brackets_bind_as_in_duckdb() -> None:
    table = Table(_MIXED, random_rows(random.Random(6), 6, _MIXED))
    numeric = ["+", "-", "*", "/", "//", "%", "**", "&", "|", "<<", ">>"]
    words = ["=", "<>", "<", "is distinct from", "||", "and", "or"]
    expressions = [f"a {one} b {other} i" for one in numeric for other in [*numeric, "=", "<", "||"]]
    expressions += [f"a {one} b {other} i" for one in ["=", "<", "||"] for other in numeric]
    expressions += [f"p {one} q {other} p" for one in words for other in words]
    expressions += [
        f"not {one} {word} {two}" for one, word, two in [("p", "=", "q"), ("p", "and", "q"), ("a", "<", "b")]
    ]
    expressions += [f"-{one} {operator} b" for one in ("a", "2") for operator in numeric]
    expressions += [f"a {operator} -2" for operator in numeric]
    expressions += [
        "not p is null",
        "p is null = q",
        "p = q is null",
        "a + b is null",
        "a between i and b and p",
        "a between i + 1 and b * 2 or q",
        "not a between i and b",
        "a not between i and b = p",
        "a in (1, 2) = p",
        "not a in (i, b)",
        "s || a like '%1'",
        "s like 'a' || 'b'",
        "s not like s || 'x' and p",
        "-a::double",
        "- 2::double ** 2",
        "a::double / b::double",
        "a + b::double",
        "case when p then a end + b",
        "-a % 3",
        "a is not null and b is null or p",
        "a = b is distinct from p",
        "2 ** 3 ** 2",
        "10 - 2 - 3",
        "100 // 7 // 2",
        "100 / 7 * 2",
        "p is true is false",
        "a < b = (b < a)",
    ]
    outcome = compare(table, expressions)

    assert [str(difference) for difference in outcome.differences] == []


def test_glued_signs_are_one_operator_or_two_as_in_duckdb() -> None:
    table = Table(_MIXED, random_rows(random.Random(7), 4, _MIXED))
    signs = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "=", "<>", "!=", "||", "&", "|", "<<"]
    expressions = [f"a {sign}{prefix}2" for sign in signs for prefix in "-+" if sign + prefix != "--"]
    expressions += ["a /* b */ + 1", "a -- b\n + 1", "a+-+2", "a*-+-2"]
    outcome = compare(table, expressions)

    assert [str(difference) for difference in outcome.differences] == []
