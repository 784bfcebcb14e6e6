"""A resolved query as SQL again, in which every column is named by its position: an oracle for the resolver.

What DuckDB answers to this must be what it answers to the query as it was written. Each operator is a subquery of its
own, and nothing is left of the author's names, aliases, stars and orders of clauses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import count

from sqlfeat.compiler.algebra import (
    Aggregate,
    AggregateCall,
    Bound,
    Call,
    Column,
    Constant,
    Distinct,
    Expression,
    Filter,
    Frame,
    Interval,
    Join,
    Limit,
    Project,
    Recursion,
    Recursive,
    Relation,
    Rows,
    Scan,
    SetOperation,
    SortKey,
    Subquery,
    TableFunction,
    WindowCall,
    Windows,
)
from sqlfeat.compiler.resolve.stages import shape

_PARAMETERS = {"element": "", "index": "_i", "accumulated": "_a"}
Row = Callable[[int], str]
_INFIX = {
    "+", "-", "*", "/", "//", "%", "**", "||", "=", "<>", "<", "<=", ">", ">=", "and", "or", "like", "ilike", "glob",
    "&", "|", "<<", ">>", "->", "->>",
}  # fmt: skip
_WORDS = {
    "is_distinct": "is distinct from", "is_not_distinct": "is not distinct from", "similar_to": "similar to"
}  # fmt: skip


COLUMNS: dict[str, Sequence[str]] = {}
"""The columns of each node, which a Scan may have under other names."""


class Unspellable(Exception):
    """An operator that cannot be said again from what the algebra keeps."""


def spelled(relation: Relation) -> str:
    """The SQL of a whole query; its columns are ``c0``, ``c1`` …"""
    return _Spelling().relation(relation, ())


class _Spelling:
    def __init__(self) -> None:
        self._numbers = count()
        self._recursions: dict[str, str] = {}

    # -- relations -----------------------------------------------------------------------------------------------------

    def relation(self, node: Relation, outer: tuple[Row, ...]) -> str:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise Unspellable(type(node).__name__)
        found: str = method(node, outer)
        return found

    def _from(self, node: Relation, outer: tuple[Row, ...]) -> tuple[str, Row, str]:
        """A FROM of a relation, how its columns are named, and its alias."""
        name = f"r{next(self._numbers)}"
        return f"({self.relation(node, outer)}) as {name}", lambda index: f"{name}.c{index}", name

    def _scan(self, node: Scan, outer: tuple[Row, ...]) -> str:
        kind, name = node.node.split(".", 1)
        columns = ", ".join(f'"{own}" as c{index}' for index, own in enumerate(COLUMNS[node.node]))
        return f'select {columns} from {kind}."{name}"'

    def _rows(self, node: Rows, outer: tuple[Row, ...]) -> str:
        if not node.fields:
            return "select 1 as nothing"
        rows = [", ".join(self.value(value, _none, outer) for value in row) for row in node.rows]
        names = ", ".join(f"c{index}" for index in range(len(node.fields)))
        return f"select * from (values {', '.join(f'({row})' for row in rows)}) as v({names})"

    def _tablefunction(self, node: TableFunction, outer: tuple[Row, ...]) -> str:
        arguments = ", ".join(self.value(value, _none, outer) for value in node.arguments)
        name = f"f{next(self._numbers)}"
        ordinality = " with ordinality" if len(node.fields) > 1 else ""
        names = ", ".join(f"c{index}" for index in range(len(node.fields)))
        return f"select * from {node.name}({arguments}){ordinality} as {name}({names})"

    def _project(self, node: Project, outer: tuple[Row, ...]) -> str:
        source, row, _ = self._from(node.input, outer)
        items = [f"{self.value(value, row, outer)} as c{index}" for index, value in enumerate(node.expressions)]
        return f"select {', '.join(items)} from {source}"

    def _filter(self, node: Filter, outer: tuple[Row, ...]) -> str:
        source, row, _ = self._from(node.input, outer)
        return f"select * from {source} where {self.value(node.condition, row, outer)}"

    def _aggregate(self, node: Aggregate, outer: tuple[Row, ...]) -> str:
        source, row, _ = self._from(node.input, outer)
        keys = [self.value(key, row, outer) for key in node.keys]
        keys = [f"cast({key} as integer)" if key.isdigit() else key for key in keys]
        values = [self.value(value, row, outer) for value in node.aggregates]
        items = ", ".join(f"{item} as c{index}" for index, item in enumerate([*keys, *values])) or "1 as nothing"
        if node.sets:
            sets = ", ".join(f"({', '.join(keys[key] for key in one)})" for one in node.sets)
            return f"select {items} from {source} group by grouping sets ({sets})"
        by = f" group by {', '.join(keys)}" if keys else ""
        if not keys and not values:
            return f"select count(*) as nothing from {source}"
        return f"select {items} from {source}{by}"

    def _windows(self, node: Windows, outer: tuple[Row, ...]) -> str:
        source, row, name = self._from(node.input, outer)
        width = len(node.input.fields)
        items = [f"{self.value(w, row, outer)} as c{width + index}" for index, w in enumerate(node.windows)]
        return f"select {name}.*, {', '.join(items)} from {source}"

    def _join(self, node: Join, outer: tuple[Row, ...]) -> str:
        left, left_row, left_name = self._from(node.left, outer)
        width = len(node.left.fields)
        inside = (left_row, *outer) if node.lateral else outer
        right, right_row, right_name = self._from(node.right, inside)
        right = f"lateral {right}" if node.lateral else right
        condition = ""
        if node.condition is not None:

            def both(index: int) -> str:
                return left_row(index) if index < width else right_row(index - width)

            condition = f" on {self.value(node.condition, both, outer)}"
        elif node.kind in ("inner", "left"):
            condition = " on true"
        items = [f"{left_name}.c{index} as c{index}" for index in range(width)]
        if node.kind not in ("semi", "anti"):
            items += [f"{right_name}.c{i} as c{width + i}" for i in range(len(node.right.fields))]
        asof = "asof " if node.asof else ""
        return f"select {', '.join(items)} from {left} {asof}{node.kind} join {right}{condition}"

    def _distinct(self, node: Distinct, outer: tuple[Row, ...]) -> str:
        source, row, _ = self._from(node.input, outer)
        if not node.on:
            return f"select distinct * from {source}"
        on = ", ".join(self.value(value, row, outer) for value in node.on)
        return f"select distinct on ({on}) * from {source}{self._order(node.order, row, outer)}"

    def _limit(self, node: Limit, outer: tuple[Row, ...]) -> str:
        source, row, _ = self._from(node.input, outer)
        if node.sample or (node.count is None and not node.offset):
            raise Unspellable("a share or a sample")
        limit = f" limit {node.count}" if node.count is not None else ""
        offset = f" offset {node.offset}" if node.offset else ""
        return f"select * from {source}{self._order(node.order, row, outer)}{limit}{offset}"

    def _setoperation(self, node: SetOperation, outer: tuple[Row, ...]) -> str:
        word = f"{node.kind}{' all' if node.all else ''}"
        return f"({self.relation(node.left, outer)}) {word} ({self.relation(node.right, outer)})"

    def _recursive(self, node: Recursive, outer: tuple[Row, ...]) -> str:
        name = f"q{next(self._numbers)}"
        self._recursions[node.name] = name
        anchor, step = self.relation(node.anchor, outer), self.relation(node.step, outer)
        names = ", ".join(f"c{index}" for index in range(len(node.fields)))
        word = "union all" if node.all else "union"
        return f"with recursive {name}({names}) as (({anchor}) {word} ({step})) select * from {name}"

    def _recursion(self, node: Recursion, outer: tuple[Row, ...]) -> str:
        return f"select * from {self._recursions[node.name]}"

    # -- expressions ---------------------------------------------------------------------------------------------------

    def value(self, node: Expression, row: Row, outer: tuple[Row, ...]) -> str:
        if isinstance(node, Column):
            return (row, *outer)[node.level](node.index)
        if isinstance(node, Constant):
            return _constant(node)
        if isinstance(node, Call):
            return self._call(node, row, outer)
        if isinstance(node, AggregateCall):
            return self._aggregate_call(node, row, outer)
        if isinstance(node, WindowCall):
            partition = ", ".join(self.value(part, row, outer) for part in node.partition)
            by = f"partition by {partition}" if partition else ""
            function = self._aggregate_call(node.function, row, outer)
            return f"{function} over ({by}{self._order(node.order, row, outer)} {self._frame(node.frame, row, outer)})"
        if isinstance(node, Subquery):
            return self._subquery(node, row, outer)
        raise Unspellable(type(node).__name__)

    def _call(self, node: Call, row: Row, outer: tuple[Row, ...]) -> str:
        name = node.name
        if name.startswith("list_") and any(_mentions(part, node.arguments[0]) for part in node.arguments[1:]):
            return self._with_lambda(node, row, outer)
        parts = [self.value(argument, row, outer) for argument in node.arguments]
        if name in ("and", "or"):
            return f"({f' {name} '.join(parts)})"
        if name in _INFIX or name in _WORDS:
            return f"({parts[0]} {_WORDS.get(name, name)} {parts[1]})"
        if name in ("not", "neg", "~"):
            return f"({ {'not': 'not', 'neg': '-', '~': '~'}[name] } {parts[0]})"
        if name in ("is_null", "is_not_null"):
            return f"({parts[0]} is {'not ' if 'not' in name else ''}null)"
        if name == "between":
            return f"({parts[0]} between {parts[1]} and {parts[2]})"
        if name == "in":
            return f"({parts[0]} in ({', '.join(parts[1:])}))"
        if name == "case":
            branches = " ".join(f"when {c} then {v}" for c, v in zip(parts[:-1:2], parts[1::2], strict=False))
            return f"(case {branches} else {parts[-1]} end)"
        if name in ("cast", "try_cast"):
            if node.type is None:
                raise Unspellable("a cast to an unknown type")
            return f"{name}({parts[0]} as {node.type})"
        if name == "collate":
            raise Unspellable(name)
        if name == "[]":
            return f"({parts[0]})[{parts[1]}]"
        if name == "[:]":
            return f"({parts[0]})[{':'.join('' if part == 'null' else part for part in parts[1:])}]"
        if name.endswith((" any", " all")):
            return f"({parts[0]} {name}({parts[1]}))"
        if name in ("like_escape", "ilike_escape"):
            return f"({parts[0]} {name.removesuffix('_escape')} {parts[1]} escape {parts[2]})"
        if name == "struct_pack":
            pairs = zip(node.arguments[::2], parts[1::2], strict=True)
            return f"struct_pack({', '.join(f'{key.value} := {part}' for key, part in pairs)})"  # type: ignore[attr-defined]
        if name == "{}":
            return f"map([{', '.join(parts[::2])}], [{', '.join(parts[1::2])}])"
        if name in ("current_date", "localtimestamp"):
            return name
        return f"{name}({', '.join(parts)})"

    def _with_lambda(self, node: Call, row: Row, outer: tuple[Row, ...]) -> str:
        """``element(list)`` in an argument is the parameter of a lambda again."""
        source, *rest = node.arguments
        name = f"x{next(self._numbers)}"
        wanted = shape(source)
        inside = _Lambda(self, wanted, name)
        parts = []
        for part in rest:
            if _mentions(part, source):
                before = f"{name}_a, " if node.name == "list_reduce" else ""
                parts.append(f"lambda {before}{name}, {name}_i: {inside.value(part, row, outer)}")
            else:
                parts.append(self.value(part, row, outer))
        return f"{node.name}({', '.join([self.value(source, row, outer), *parts])})"

    def _aggregate_call(self, node: AggregateCall, row: Row, outer: tuple[Row, ...]) -> str:
        parts = [self.value(argument, row, outer) for argument in node.arguments]
        if node.name == "count" and not parts:
            parts = ["*"]
        inside = f"{'distinct ' if node.distinct else ''}{', '.join(parts)}{self._order(node.order, row, outer)}"
        nulls = " ignore nulls" if node.ignore_nulls else ""
        condition = f" filter (where {self.value(node.filter, row, outer)})" if node.filter is not None else ""
        return f"{node.name}({inside}{nulls}){condition}"

    def _subquery(self, node: Subquery, row: Row, outer: tuple[Row, ...]) -> str:
        query = self.relation(node.relation, (row, *outer))
        if node.kind == "scalar":
            return f"({query})"
        if node.kind in ("exists", "array"):
            return f"{node.kind}({query})"
        assert node.operand is not None
        operand = self.value(node.operand, row, outer)
        if node.kind == "in":
            return f"({operand} in ({query}))"
        return f"({operand} {node.operator} {node.kind} ({query}))"

    def _order(self, keys: Sequence[SortKey], row: Row, outer: tuple[Row, ...]) -> str:
        if not keys:
            return ""
        parts = [
            f"{self.value(key.expression, row, outer)}{' desc' if key.descending else ' asc'}"
            f" nulls {'first' if key.nulls_first else 'last'}"
            for key in keys
        ]
        return f" order by {', '.join(parts)}"

    def _frame(self, frame: Frame, row: Row, outer: tuple[Row, ...]) -> str:
        ends = [self._bound(bound, row, outer) for bound in (frame.start, frame.end)]
        exclude = f" exclude {frame.exclude}" if frame.exclude else ""
        return f"{frame.unit} between {ends[0]} and {ends[1]}{exclude}"

    def _bound(self, bound: Bound, row: Row, outer: tuple[Row, ...]) -> str:
        side = "following" if bound.following else "preceding"
        if bound.offset is None:
            return f"unbounded {side}"
        if bound.offset == 0 and not isinstance(bound.offset, Interval):
            return "current row"
        if isinstance(bound.offset, Interval):
            return f"{_interval(bound.offset)} {side}"
        offset = self.value(bound.offset, row, outer) if isinstance(bound.offset, Expression) else str(bound.offset)
        return f"{offset} {side}"


class _Lambda:
    """Spells the body of a lambda."""

    def __init__(self, spelling: _Spelling, source: object, name: str) -> None:
        self._spelling, self._source, self._name = spelling, source, name

    def value(self, node: Expression, row: Row, outer: tuple[Row, ...]) -> str:
        spelling, plain = self._spelling, self._spelling.value
        parameter = isinstance(node, Call) and node.name in _PARAMETERS and shape(node.arguments[0]) == self._source
        if parameter and isinstance(node, Call):
            return f"{self._name}{_PARAMETERS[node.name]}"
        spelling.value = self.value if spelling.value == plain else spelling.value  # type: ignore[method-assign]
        try:
            return _Spelling.value(spelling, node, row, outer)
        finally:
            spelling.value = plain  # type: ignore[method-assign]


def _mentions(node: Expression, source: Expression) -> bool:
    if isinstance(node, Call):
        if node.name in ("element", "index", "accumulated") and shape(node.arguments[0]) == shape(source):
            return True
        return any(_mentions(part, source) for part in node.arguments)
    return False


def _none(index: int) -> str:
    raise AssertionError("a row without fields was read")


def _constant(node: Constant) -> str:
    value = node.value
    if value is None:
        return f"cast(null as {node.type})" if node.type else "null"
    if isinstance(value, Interval):
        return _interval(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date):
        return f"cast('{value.isoformat(sep=' ') if isinstance(value, datetime) else value}' as {node.type})"
    text = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
    if isinstance(value, float):
        text = f"cast('{value!r}' as double)"
    return f"cast({text} as {node.type})" if node.type else text


def _interval(value: Interval) -> str:
    return f"(to_months({value.months}) + to_days({value.days}) + to_microseconds({value.microseconds}))"
