"""Expressions that feature code really has: those of the first prototype, and some hundreds more."""

import random
from pathlib import Path

import pytest

from sqlfeat.compiler.expressions import Unsupported, compile_expression
from tests.compiler.expressions.comparing import Table, compare
from tests.compiler.expressions.rows import random_rows

_HERE = Path(__file__).parent / "corpus"
_SHOP = {
    "clicks": "BIGINT", "impressions": "BIGINT", "purchases": "INTEGER", "sessions": "INTEGER", "score": "DOUBLE",
    "mean_score": "DOUBLE", "std_score": "DOUBLE", "amount": "DECIMAL(10,2)", "discount": "DECIMAL(10,2)",
    "quantity": "INTEGER", "currency": "VARCHAR", "age": "INTEGER", "width": "SMALLINT", "created_at": "TIMESTAMP",
    "last_seen": "TIMESTAMP", "signup_date": "DATE", "birth_date": "DATE", "seen_tz": "TIMESTAMP WITH TIME ZONE",
    "epoch_seconds": "BIGINT", "session_seconds": "DOUBLE", "lat1": "DOUBLE", "lon1": "DOUBLE", "lat2": "DOUBLE",
    "lon2": "DOUBLE", "email": "VARCHAR", "title": "VARCHAR", "tags": "VARCHAR[]", "points": "INTEGER[]",
    "hash_bucket": "BIGINT", "is_active": "BOOLEAN", "is_banned": "BOOLEAN",
    "profile": "STRUCT(country VARCHAR, visits INTEGER)",
}  # fmt: skip
_PROTOTYPE = {
    "a": "BIGINT", "b": "BIGINT", "x": "DOUBLE", "y": "DOUBLE", "n": "DOUBLE", "s": "VARCHAR", "u": "VARCHAR",
    "ts": "TIMESTAMP", "t2": "TIMESTAMP", "p": "BOOLEAN", "i": "INTEGER", "lat1": "DOUBLE", "lon1": "DOUBLE",
    "lat2": "DOUBLE", "lon2": "DOUBLE",
}  # fmt: skip
_ROW = """7, 2, 4.0, 3.14159, null, 'Héllo 123 ok', null, '2026-03-31 23:30:15', '2026-05-01 00:10:00', true, 50000,
59.33, 18.06, 57.70, 11.97"""


def _lines(name: str) -> list[str]:
    text = (_HERE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("--")]


def feature_code() -> list[str]:
    return _lines("feature_code.sql")


def shop() -> Table:
    """Rows of a shop: ordinary ones, and ones at the edges of their types."""
    rows = random_rows(random.Random(6), 32, _SHOP)
    return Table(_SHOP, rows)


def test_the_expressions_of_the_prototype_are_all_compiled_and_equal() -> None:
    expressions = _lines("prototype.sql")
    rows = random_rows(random.Random(1), 40, _PROTOTYPE)
    outcome = compare(Table(_PROTOTYPE, [[cell.strip() for cell in _ROW.split(",")], *rows]), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert dict(outcome.refused) == {}
    assert len(expressions) == 61


def test_feature_code_is_compiled_and_equal() -> None:
    expressions = feature_code()
    outcome = compare(shop(), expressions)

    assert [str(difference) for difference in outcome.differences] == []
    assert dict(outcome.refused) == {}
    assert len(expressions) >= 300


@pytest.mark.parametrize("expression", _lines("left_to_duckdb.sql"))
def test_what_is_not_proved_is_left_to_duckdb_with_a_reason(expression: str) -> None:
    made = compile_expression(expression, _SHOP)

    assert isinstance(made, Unsupported)
    assert made.reason
    assert 0 <= made.offset < len(expression)
