"""What a condition says of the instants of the rows in which it is true (or false), and what its truth hangs on.

A comparison that is true has no null in it. A condition that is not understood says nothing: it only makes doubtful
whether what is too late without it is too late at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal

from sqlfeat.compiler.algebra import Call, Column, Constant, Expression, Interval, Relation, Span, Subquery
from sqlfeat.compiler.calendar_units import DAY
from sqlfeat.compiler.flows import NOTHING
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.time_functions import as_instant
from sqlfeat.compiler.values import Number, Value
from sqlfeat.compiler.zone import Zone

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "=", "!=": "="}
_STRICT = frozenset({"=", "<>", "!=", "<", "<=", ">", ">=", "like", "ilike", "regexp_matches", "starts_with"})
_MOST_MEMBERS = 20
Doubts = tuple[Span, ...]


def assume(row: Row, condition: Expression, truth: bool = True) -> Doubts:
    """Say that a condition holds (or is false) in this row; gives the parts on times that are not understood."""
    row.value(condition)  # every part of it, once, in the zone that stays
    return _assume(row, condition, truth)


def _assume(row: Row, condition: Expression, truth: bool) -> Doubts:
    if isinstance(condition, Column):
        _present(row, row.value(condition))
        return ()
    if isinstance(condition, Subquery):
        if condition.kind in ("in", "any") and condition.operand is not None and truth:
            _present(row, row.value(condition.operand))  # (of no rows at all anything is true of ALL of them)
        return ()
    if not isinstance(condition, Call):
        return () if isinstance(condition, Constant) else _doubt(row, condition)
    name, arguments = condition.name, condition.arguments
    if name in ("and", "or"):
        if (name == "and") == truth:
            return tuple(doubt for part in arguments for doubt in _assume(row, part, truth))
        return _any(row, arguments, truth)
    if name == "not":
        return _assume(row, arguments[0], not truth)
    if name in _OPPOSITE:
        return _compare(row, condition, name if truth else _OPPOSITE[name])
    if name == "between":
        return _between(row, condition, truth)
    if name in ("is_null", "is_not_null"):
        _nullness(row, row.value(arguments[0]), there=(name == "is_not_null") == truth)
        return ()
    if name in ("is_not_distinct", "is_distinct"):
        return _same(row, condition, (name == "is_not_distinct") == truth)
    if name == "in":
        return _among(row, condition) if truth else _doubt(row, condition)
    if name == "coalesce" and len(arguments) == 2 and _literal(arguments[1]) is (not truth):
        return _assume(row, arguments[0], truth)
    if name in _STRICT:
        for argument in arguments:
            _present(row, row.value(argument))
    return _doubt(row, condition)


def _any(row: Row, parts: Sequence[Expression], truth: bool) -> Doubts:
    """One of the parts holds, whichever: the hull of what each says."""
    zone: Zone | None = None
    doubts: Doubts = ()
    for part in parts:
        branch = row.branch()
        doubts += _assume(branch, part, truth)
        zone = branch.zone if zone is None else zone.hull(branch.zone)
    row.zone = zone or row.zone
    return doubts


def _compare(row: Row, condition: Call, operator: str) -> Doubts:
    one, other = _instants(row, condition)
    _present(row, one)
    _present(row, other)
    if row.is_instant(one) and row.is_instant(other):
        relate(row, one, operator, other)
        return (condition.span,) if row.is_vague(one) or row.is_vague(other) else ()
    if one.number is not None and other.constant:
        return () if _distance(row, one.number, operator, other) else _doubt(row, condition)
    if other.number is not None and one.constant:
        turned = operator.translate(str.maketrans("<>", "><")) if operator != "<>" else operator
        return () if _distance(row, other.number, turned, one) else _doubt(row, condition)
    return _doubt(row, condition)


def _instants(row: Row, condition: Call) -> tuple[Value, Value]:
    one, other = row.values(condition.arguments)
    return as_instant(row, one, [other]), as_instant(row, other, [one])


def relate(row: Row, one: Value, operator: str, other: Value) -> None:
    """``one operator other`` of two instants; what is strictly before whole days is before by a day."""
    x, y = one.variable, other.variable
    assert x is not None
    assert y is not None
    gap = math.gcd(row.grain(one), row.grain(other)) if row.grain(one) and row.grain(other) else 0
    if operator in ("<", "<=", "="):
        row.zone.require(x, y, -gap if operator == "<" else 0)
    if operator in (">", ">=", "="):
        row.zone.require(y, x, -gap if operator == ">" else 0)
    _round(row, x)
    _round(row, y)
    ends = row.ledger.ends
    if x in ends and y in ends and ends[x][0] == ends[y][0]:  # of two different months the earlier one is over
        if operator == "<":
            row.zone.require(ends[x][1], y, 0)
        if operator == ">":
            row.zone.require(ends[y][1], x, 0)


def _round(row: Row, x: int) -> None:
    """Whole days lie whole days apart: a bound between two of them is one of whole days."""
    grain = row.ledger.grains.get(x, 0)
    for table, turned in ((row.zone.bounds_of(x), False), (row.zone.bounds_from(x), True)):
        for other, bound in list(table.items()):
            both = math.gcd(grain, row.ledger.grains.get(other, 0)) if grain and row.ledger.grains.get(other) else 0
            if both > 1 and bound % both:
                row.zone.require(*((other, x) if turned else (x, other)), bound // both * both)


def _distance(row: Row, number: Number, operator: str, other: Value) -> bool:
    """``a distance operator a literal``; both are whole numbers of their unit."""
    limit = _limit(other.literal)
    if limit is None:
        return False
    if operator in ("<", "<=", "="):
        most = math.ceil(limit) - 1 if operator == "<" else math.floor(limit)
        row.zone.require(number.plus, number.minus, most * number.scale - number.low)
    if operator in (">", ">=", "="):
        least = math.floor(limit) + 1 if operator == ">" else math.ceil(limit)
        row.zone.require(number.minus, number.plus, number.high - least * number.scale)
    return True


def _limit(literal: object) -> int | float | Decimal | None:
    if isinstance(literal, Interval):  # DuckDB compares a month as thirty days
        return (literal.months * 30 + literal.days) * DAY + literal.microseconds
    if isinstance(literal, int | float | Decimal) and not isinstance(literal, bool):
        return literal if math.isfinite(literal) else None
    return None


def _between(row: Row, condition: Call, truth: bool) -> Doubts:
    value, low, high = condition.arguments
    if not truth:
        return _doubt(row, condition)
    above = Call(condition.span, ">=", (value, low))
    below = Call(condition.span, "<=", (value, high))
    return _compare(row, above, ">=") + _compare(row, below, "<=")


def _nullness(row: Row, value: Value, *, there: bool) -> None:
    if there:
        _present(row, value)
    elif value.variable is not None:
        row.zone.absent.add(value.variable)
        row.zone.absent |= {x for x, implied in row.zone.implied.items() if value.variable in implied}


def _same(row: Row, condition: Call, truth: bool) -> Doubts:
    """``is not distinct from``: equal, or both null."""
    one, other = _instants(row, condition)
    literal = _literal(condition.arguments[1])
    if literal in (True, False) and isinstance(literal, bool) and truth:
        return _assume(row, condition.arguments[0], literal)
    if truth and row.is_instant(one) and row.is_instant(other):
        relate(row, one, "=", other)
        return ()
    return _doubt(row, condition)


def _among(row: Row, condition: Call) -> Doubts:
    value = row.value(condition.arguments[0])
    _present(row, value)
    members = condition.arguments[1:]
    if not row.is_instant(value) or len(members) > _MOST_MEMBERS:
        return _doubt(row, condition)
    return _any(row, [Call(condition.span, "=", (condition.arguments[0], member)) for member in members], True)


def _present(row: Row, value: Value) -> None:
    there = [value.variable] if value.variable is not None else []
    if value.number is not None:
        there += [value.number.plus, value.number.minus]
    row.zone.assume(there)


def _literal(expression: Expression) -> object:
    return expression.value if isinstance(expression, Constant) else None


def _doubt(row: Row, condition: Expression) -> Doubts:
    """The condition's place, if it sets two times against each other in a way that is not understood."""
    instants = set()
    for column in columns_of(condition):
        value = row.value(column)
        if row.is_instant(value) or value.timely:
            instants.add(value.variable)
    return (condition.span,) if len(instants) > 1 else ()


def columns_of(expression: object) -> Iterator[Column]:
    """Every column that an expression names, but for those inside its subqueries."""
    if isinstance(expression, Column):
        yield expression
    elif isinstance(expression, tuple):
        for part in expression:
            yield from columns_of(part)
    elif is_dataclass(expression) and not isinstance(expression, Relation):
        for each in fields(expression):
            yield from columns_of(getattr(expression, each.name))


def truth(row: Row, condition: Expression) -> frozenset[int]:
    """The flows on which it hangs whether a condition is true, or not: false or null.

    Of several that must all be true, the others are asked only where those are that are sure by some time.
    """
    parts = condition.arguments if isinstance(condition, Call) and condition.name == "and" else (condition,)
    sure = {part: value.flows for part in parts if (value := _ended(row, part)) is not None}
    if not sure:
        return row.value(condition).flows
    branch = row.branch()
    for part in sure:
        _assume(branch, part, True)
    others = NOTHING.union(*(row.value(part).flows for part in parts if part not in sure))
    return NOTHING.union(*sure.values()) | row.within(others, branch.zone)


def _ended(row: Row, condition: Expression) -> Value | None:
    """``x <= t`` of an ``x`` that is written when it comes: it is true of what is written by ``t`` and of nothing else.

    (Else ``x`` is after ``t`` or null, and it is not known which.)
    """
    if not isinstance(condition, Call):
        return None
    name, arguments = condition.name, condition.arguments
    if name == "not" and isinstance(arguments[0], Call):
        name, arguments = _OPPOSITE.get(arguments[0].name, ""), arguments[0].arguments
    if name not in ("<", "<=", ">", ">=", "between"):
        return None
    one, *others = arguments
    if name == "between":
        found = row.not_yet(one, others[1])
        return found and Value(found.flows | row.value(others[0]).flows)
    earlier, later = (one, others[0]) if name in ("<", "<=") else (others[0], one)
    return row.not_yet(earlier, later)
