"""Random typed expressions over random rows of every type: the compiled ones give what DuckDB gives.

``make fuzz-expressions`` runs thousands; the README beside tells of the last long runs.
"""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlfeat.compiler.expressions import Compiled, Unsupported, compile_expression
from tests.compiler.expressions.comparing import Outcome, Table, compare
from tests.compiler.expressions.fuzz import batch
from tests.compiler.expressions.generating import Expressions
from tests.compiler.expressions.rows import TYPES, random_rows


def test_random_expressions_are_equal() -> None:
    chance, outcome = random.Random(20261122), Outcome()
    for _ in range(5):
        outcome.add(batch(chance, rows=16))

    assert [str(difference) for difference in outcome.differences] == []
    assert outcome.compiled > 0.9 * outcome.expressions
    assert outcome.left < 0.05 * outcome.values


_TABLE = Table(TYPES, random_rows(random.Random(1), 12))


_PIECES = [
    "a",
    "s",
    "x",
    "1",
    "'t'",
    "(",
    ")",
    "+",
    "-",
    "::",
    "int",
    "case",
    "when",
    "then",
    "end",
    "is",
    "not",
    "null",
    ",",
    "[",
    "]",
    ".",
    "in",
    "like",
    "between",
    "and",
    "interval",
    "day",
    "cast",
    "as",
    "extract",
    "from",
    "''",
    "%",
    "9" * 5000,
    "é",
]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join)))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    made = compile_expression(text, TYPES)

    assert isinstance(made, Compiled | Unsupported)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.sampled_from(["whole", "number", "decimal", "truth", "text", "instant"]))
def test_any_random_expression_is_equal(chance: random.Random, kind: str) -> None:
    outcome = compare(_TABLE, [Expressions(chance).write(kind, 2)])

    assert [str(difference) for difference in outcome.differences] == []
