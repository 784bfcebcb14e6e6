"""The same expressions over the same rows, compiled and by DuckDB, and what differs.

Values are compared as the compiled code computes with them: a DECIMAL's units, microseconds, days, intervals as three
numbers, floats by their bits but for the sign of a NaN. Types must be equal too. Where DuckDB raises, an error is due.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from sqlfeat.compiler.expressions import ExpressionError, NotCovered, Unsupported, compile_expression

FOREVER = 2**63 - 1
_LAST_DATE = 2**31 - 1
_AT_ONCE = 30


class Raised:
    """What stands for a value where there is an error."""

    def __repr__(self) -> str:
        return "an error"


class Left:
    """What stands for a value that the compiled expression leaves to DuckDB."""

    def __repr__(self) -> str:
        return "not covered"


RAISED, LEFT = Raised(), Left()


@dataclass
class Difference:
    expression: str
    row: dict[str, Any]
    expected: Any
    actual: Any

    def __str__(self) -> str:
        used = {name: value for name, value in self.row.items() if re.search(rf"\b{name}\b", self.expression)}
        return f"{self.expression}\n  over {used}\n  DuckDB: {self.expected!r}\n  compiled: {self.actual!r}"


@dataclass
class Outcome:
    """What a comparison found; ``spared``: errors that DuckDB's optimizer takes out of the query."""

    expressions: int = 0
    compiled: int = 0
    values: int = 0
    errors: int = 0
    left: int = 0
    spared: int = 0
    invalid: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        for name in ("expressions", "compiled", "values", "errors", "left", "spared", "invalid"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused.update(other.refused)
        self.differences += other.differences


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set threads = 1")
    return connection


class Table:
    """Rows in DuckDB, and as the compiled expressions take them."""

    def __init__(self, types: dict[str, str], rows: Sequence[Sequence[str]]) -> None:
        self.types = types
        self.connection = connect()
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        self.connection.execute(f"create table t (rid integer, {columns})")
        if rows:
            values = ", ".join(f"({rid}, {', '.join(row)})" for rid, row in enumerate(rows))
            self.connection.execute(f"insert into t values {values}")
        self.count = len(rows)
        columns_read = [self._read(name, list(types)) for name in types]
        self.rows = [dict(zip(types, values, strict=True)) for values in zip(*columns_read, strict=True)]

    def _read(self, name: str, names: list[str]) -> list[Any]:
        (values,) = self.values([name])
        return values

    def type_of(self, expression: str) -> str:
        return self._types([expression])[0]

    def types_of(self, expressions: Sequence[str]) -> list[str | duckdb.Error]:
        """The type of each expression, or why it has none."""
        return _halved(expressions, self._types)

    def _types(self, expressions: Sequence[str]) -> list[str]:
        listed = ", ".join(f"{expression}\n as v{index}" for index, expression in enumerate(expressions))
        return [str(row[1]) for row in self.connection.execute(f"describe select {listed} from t").fetchall()]

    def values(self, expressions: Sequence[str], where: str = "") -> list[list[Any]]:
        """The values of each expression, row by row, in the form that compiled expressions have."""
        kinds = self._types(expressions)
        plain = [_plain(f"({expression}\n)", kind) for expression, kind in zip(expressions, kinds, strict=True)]
        rows = self.connection.execute(f"select {', '.join(plain)} from t {where} order by rid").fetchall()
        return [[_canonical(row[index], kind) for row in rows] for index, kind in enumerate(kinds)]

    def all_values(self, expressions: Sequence[str]) -> list[list[Any]]:
        """The same, with an error where a row has one."""
        found = _halved(expressions, self.values)
        return [
            self.careful(expression) if isinstance(values, duckdb.Error) else values
            for expression, values in zip(expressions, found, strict=True)
        ]

    def careful(self, expression: str, optimize: bool = True) -> list[Any]:
        """The values of one expression, row by row where not all rows have one."""
        off = "" if optimize else "expression_rewriter,statistics_propagation"
        self.connection.execute(f"set disabled_optimizers = '{off}'")
        try:
            return self._rows(expression, list(range(self.count)))
        finally:
            self.connection.execute("set disabled_optimizers = ''")

    def _rows(self, expression: str, rids: list[int]) -> list[Any]:
        """The values of some rows; where they raise together, of each half of them."""
        try:
            return self.values([expression], f"where rid between {rids[0]} and {rids[-1]}")[0]
        except duckdb.Error:
            if len(rids) == 1:
                return [RAISED]
            middle = len(rids) // 2
            return self._rows(expression, rids[:middle]) + self._rows(expression, rids[middle:])


def _halved(expressions: Sequence[str], ask: Callable[[Sequence[str]], list[Any]]) -> list[Any]:
    """The answer for each expression, or its error: asked for all at once, and for halves where that fails."""
    if not expressions:
        return []
    try:
        return ask(expressions)
    except duckdb.Error as error:
        if len(expressions) == 1:
            return [error]
        middle = len(expressions) // 2
        return _halved(expressions[:middle], ask) + _halved(expressions[middle:], ask)


def _plain(expression: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return f"case when isfinite({expression}) then epoch_us({expression}) when {expression} > '2000-01-01' then {FOREVER} when {expression} < '2000-01-01' then -{FOREVER} end"  # noqa: E501
    if kind == "DATE":
        return f"case when isfinite({expression}) then {expression} - date '1970-01-01' when {expression} > '2000-01-01' then {_LAST_DATE} when {expression} < '2000-01-01' then -{_LAST_DATE} end"  # noqa: E501
    if kind == "TIME":
        return f"epoch_us({expression})"
    if kind == "INTERVAL":
        parts = (
            f"date_part('year', {expression}) * 12 + date_part('month', {expression}), date_part('day', {expression})"
        )
        clock = f"date_part('hour', {expression}) * 3600000000 + date_part('minute', {expression}) * 60000000"
        rest = f"{clock} + date_part('microsecond', {expression})"
        return f"case when {expression} is not null then [{parts}, {rest}] end"
    if kind.startswith("DECIMAL") and "[" not in kind:
        return f"{expression}::varchar"
    return expression


def _canonical(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind.startswith("DECIMAL") and "[" not in kind:
        return int(value.replace(".", ""))
    if kind == "INTERVAL":
        return tuple(value)
    if kind.startswith("TIMESTAMP") and kind.endswith("[]"):
        return [None if item is None else item for item in value]
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two values are one: of one Python type, floats bit for bit, any NaN as another."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def compare(table: Table, expressions: Sequence[str]) -> Outcome:
    """Both ways, and what differs."""
    outcome = Outcome()
    for start in range(0, len(expressions), _AT_ONCE):
        outcome.add(_compare(table, expressions[start : start + _AT_ONCE]))
    return outcome


def _compare(table: Table, expressions: Sequence[str]) -> Outcome:
    outcome = Outcome(expressions=len(expressions))
    judged: list[tuple[str, list[Any]]] = []
    for expression, kind in zip(expressions, table.types_of(expressions), strict=True):
        if isinstance(kind, duckdb.Error):
            _without_type(outcome, table, expression, kind)
            continue
        made = compile_expression(expression, table.types, plain=True)
        if isinstance(made, Unsupported):
            outcome.refused[made.reason] += 1
            continue
        outcome.compiled += 1
        if made.type != kind:
            outcome.differences.append(Difference(expression, {}, kind, made.type))
            continue
        judged.append((expression, [_run(made.function, row) for row in table.rows]))
    expected = table.all_values([expression for expression, _ in judged])
    for (expression, actual), wanted in zip(judged, expected, strict=True):
        _judge_one(table, expression, actual, wanted, outcome)
    return outcome


def _without_type(outcome: Outcome, table: Table, expression: str, error: duckdb.Error) -> None:
    """DuckDB refuses the expression as a whole; a compiled one may only raise."""
    outcome.invalid += 1
    made = compile_expression(expression, table.types, plain=True)
    if isinstance(made, Unsupported):
        return
    for row in table.rows:
        actual = _run(made.function, row)
        if actual is not RAISED and actual is not LEFT:
            outcome.differences.append(Difference(expression, row, f"{error}".splitlines()[0], actual))
            return


def _run(function: Any, row: dict[str, Any]) -> Any:
    try:
        return function(row)[0]
    except ExpressionError:
        return RAISED
    except NotCovered:
        return LEFT


def _judge_one(table: Table, expression: str, actual: list[Any], wanted: list[Any], outcome: Outcome) -> None:
    unoptimized: list[Any] | None = None
    for index, (own, theirs) in enumerate(zip(actual, wanted, strict=True)):
        if own is LEFT:
            outcome.left += 1
        elif own is theirs is RAISED:
            outcome.errors += 1
        elif same(own, theirs):
            outcome.values += 1
        else:
            if unoptimized is None:
                unoptimized = table.careful(expression, optimize=False)
            avoided = own is unoptimized[index] or same(own, unoptimized[index])
            if RAISED in (own, theirs) and (avoided or _raises_in_company(table, expression, index, wanted)):
                outcome.spared += 1
            else:
                outcome.differences.append(Difference(expression, table.rows[index], theirs, own))
                return


def _raises_in_company(table: Table, expression: str, index: int, wanted: list[Any]) -> bool:
    """Whether DuckDB raises for a row beside another one that is well by itself.

    Of one row it may leave out a part where another part is NULL; of several it computes every part.
    """
    others = [rid for rid, value in enumerate(wanted) if value is not RAISED and rid != index]
    for rid in others:
        try:
            table.values([expression], f"where rid in ({index}, {rid})")
        except duckdb.Error:
            return True
    return not others or (wanted[index] is None and RAISED in wanted)
