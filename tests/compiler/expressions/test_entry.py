"""The door of the compiler: rows and values, errors, what is shared, what is not looked at, and places of refusals."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sqlfeat.compiler.expressions import (
    Compiled,
    ExpressionError,
    NotCovered,
    Unsupported,
    compile_expression,
    compile_expressions,
    compile_items,
)

_TYPES = {"a": "BIGINT", "b": "BIGINT", "s": "VARCHAR", "x": "DOUBLE", "ts": "TIMESTAMP", "d": "DECIMAL(10,2)"}
_ROW = {"a": 7, "b": 0, "s": "Hello", "x": 0.5, "ts": datetime(2024, 2, 29, 12, 30), "d": Decimal("1.50")}


def _compiled(sql: str, columns: Any = None, **more: Any) -> Compiled:
    made = compile_expression(sql, columns or _TYPES, **more)
    assert isinstance(made, Compiled), made
    return made


def _refused(sql: str) -> Unsupported:
    made = compile_expression(sql, _TYPES)
    assert isinstance(made, Unsupported)
    return made


def test_an_expression_is_a_function_of_a_row() -> None:
    made = _compiled("a + 1")

    assert made(_ROW) == 8
    assert made.type == "BIGINT"
    assert made.inputs == ("a",)


def test_a_row_may_be_a_sequence_in_the_order_of_the_columns() -> None:
    made = _compiled("a + length(s)", rows="sequence")

    assert made(tuple(_ROW.values())) == 12


def test_several_expressions_are_one_function_that_shares_their_parts() -> None:
    made = compile_expressions(["lower(s) || 'x'", "length(lower(s) || 'x')"], _TYPES)

    assert isinstance(made, Compiled)
    assert made.function(_ROW) == ("hellox", 6)
    assert made.source.count(".lower()") == 1


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        ("TIMESTAMP", datetime(1969, 12, 31, 23, 59, 59, 999999), -1),
        ("TIMESTAMP WITH TIME ZONE", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000_000),
        ("DATE", date(2000, 2, 29), 11016),
        ("TIME", time(1, 2, 3, 4), 3_723_000_004),
        ("DECIMAL(10,2)", Decimal("-12.34"), -1234),
        ("VARCHAR", "é", "é"),
        ("BIGINT", -5, -5),
        ("DOUBLE", 0.1, 0.1),
        ("BOOLEAN", True, True),
        ("INTEGER[]", [1, None], [1, None]),
    ],
)
def test_values_are_pythons_or_those_that_are_computed_with(kind: str, value: Any, plain: Any) -> None:
    usual = _compiled("coalesce(v, v)", {"v": kind})
    fast = _compiled("coalesce(v, v)", {"v": kind}, plain=True)

    assert usual({"v": value}) == value
    assert fast({"v": plain}) == plain
    assert usual({"v": None}) is None


def test_an_interval_comes_as_a_timedelta() -> None:
    made = _compiled("epoch(v)", {"v": "INTERVAL"})

    assert made({"v": timedelta(days=1, seconds=1)}) == 86401.0


@pytest.mark.parametrize("kind", ["DATE[]", "STRUCT(n TIMESTAMP)", "DECIMAL(4,1)[]", "STRUCT(n STRUCT(m DATE))"])
def test_nested_times_and_decimals_are_only_taken_as_they_are_computed_with(kind: str) -> None:
    assert isinstance(compile_expression("v is null", {"v": kind}), Unsupported)
    assert isinstance(compile_expression("v is null", {"v": kind}, plain=True), Compiled)


def test_a_decimal_is_exact() -> None:
    assert _compiled("d * d + d")(_ROW) == Decimal("3.7500")


def test_names_are_found_in_any_spelling_and_after_the_relation() -> None:
    assert _compiled("f.A + a", relation="F")(_ROW) == 14
    assert isinstance(compile_expression("g.a", _TYPES, relation="f"), Unsupported)


def test_fields_of_lookups_are_leaves_of_their_own() -> None:
    made = compile_expression('__sqlfeat_l0."delay" - a', {("__sqlfeat_l0", "delay"): "DOUBLE", "a": "BIGINT"})

    assert isinstance(made, Compiled)
    assert made({("__sqlfeat_l0", "delay"): 9.5, "a": 7}) == 2.5


def test_a_field_of_a_struct_that_is_null_is_null() -> None:
    made = _compiled("v.n + 1", {"v": "STRUCT(n INTEGER)"})

    assert made({"v": {"n": 1}}) == 2
    assert made({"v": None}) is None


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("a + 9223372036854775807", "out-of-range"),
        ("a // b", "invalid-input"),
        ("a % b", "invalid-input"),
        ("cast(s as int)", "conversion"),
        ("cast(x * 1e300 as int)", "conversion"),
        ("make_date(2023, 2, 29)", "conversion"),
        ("lpad(s, 10, '')", "invalid-input"),
    ],
)
def test_what_fails_in_duckdb_raises_one_error_of_its_kind(sql: str, kind: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        _compiled(sql)(_ROW)
    assert kind == caught.value.kind


def test_a_branch_that_is_not_taken_is_not_computed() -> None:
    assert _compiled("case when b <> 0 then a // b else -1 end")(_ROW) == -1
    assert _compiled("case when b <> 0 and a // b > 1 then 1 else 0 end")(_ROW) == 0
    assert _compiled("case when b = 0 or a // b > 1 then 1 else 0 end")(_ROW) == 1
    assert _compiled("coalesce(a, a // b)")(_ROW) == 7


def test_both_sides_of_and_are_computed_where_it_is_a_value() -> None:
    with pytest.raises(ExpressionError):
        _compiled("b <> 0 and a // b > 1")(_ROW)


def test_a_value_that_is_not_proved_is_left_to_duckdb() -> None:
    made = _compiled("year(ts)", plain=True)

    assert made({**_ROW, "ts": 2**63 - 1}) is None
    with pytest.raises(NotCovered):
        made({**_ROW, "ts": 253402300800000000})


@pytest.mark.parametrize(
    ("sql", "marked"),
    [
        ("a + unknown_function(s)", "unknown_function(s)"),
        ("a + nothing", "nothing"),
        ("1 + now()", "now()"),
        ("a +", ""),
        ("a ! b", "!"),
        ("lower(a)", "lower(a)"),
    ],
)
def test_a_refusal_says_where(sql: str, marked: str) -> None:
    refusal = _refused(sql)

    assert sql[refusal.offset :][: refusal.length] == marked


def test_a_clock_and_dice_are_refused_as_what_they_are() -> None:
    assert "something else each time" in _refused("now()").reason
    assert "something else each time" in _refused("random() < 0.5").reason


@pytest.mark.parametrize(
    "sql", ["+".join(["a"] * 300), "(" * 200 + "a" + ")" * 200, "case when a = 1 then " * 90 + "1" + " end" * 90]
)
def test_expressions_of_any_depth_are_compiled_or_refused(sql: str) -> None:
    made = compile_expression(sql, _TYPES)

    assert isinstance(made, Unsupported) or isinstance(made(_ROW), int | None)


def test_a_long_case_is_compiled() -> None:
    branches = " ".join(f"when a = {number} then {number * 2}" for number in range(200))

    assert _compiled(f"case {branches} else -1 end")(_ROW) == 14


def test_a_select_list_is_compiled_item_by_item() -> None:
    items = compile_items("a + 1 as one, f.x, random() as dice, length(s)", _TYPES, relation="f")

    assert isinstance(items, dict)
    assert list(items) == ["one", "x", "dice", "length(s)"]
    assert [isinstance(made, Compiled) for made in items.values()] == [True, True, False, True]
    dice = items["dice"]
    assert isinstance(dice, Unsupported)
    assert dice.offset == len("a + 1 as one, f.x, ")


def test_a_list_that_cannot_be_read_is_refused_as_a_whole() -> None:
    assert isinstance(compile_items("a + as b", _TYPES), Unsupported)
