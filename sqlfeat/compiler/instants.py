"""What an expression's value is in time: from which flows it comes, and how an instant lies to the others of its row.

Every rule here is a bound that holds for all rows in which both ends are not null. What is not understood gives an
instant without bounds, or, where it might hide a clock or a table, a flow that is never final.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from sqlfeat.compiler.algebra import (
    AggregateCall,
    Call,
    Column,
    Constant,
    Expression,
    Span,
    Subquery,
    Unknown,
    WindowCall,
)
from sqlfeat.compiler.calendar_units import (
    DAY,
    microseconds,
)
from sqlfeat.compiler.flows import NOTHING, Cause, Field, Flow, Ledger, Root
from sqlfeat.compiler.time_functions import call_value
from sqlfeat.compiler.values import Value, is_null, together
from sqlfeat.compiler.zone import ORIGIN, Zone

HERE = Root("")
"""The root of what comes from no source: clocks, dice, SQL that is not understood."""


class Reader(Protocol):
    """Whoever reads what an expression has inside it: relations and conditions."""

    def subquery(self, row: Row, expression: Subquery) -> Value:
        """The value of a relation inside an expression."""

    def assume(self, row: Row, condition: Expression, truth: bool) -> object:
        """Say that a condition is true, or false, of a row."""

    def truth(self, row: Row, condition: Expression) -> frozenset[int]:
        """The flows on which it hangs whether a condition is true of a row, or not: false or null."""


@dataclass
class Row:
    """The row that expressions are evaluated over, and what is known of it; ``outer`` rows are those further out.

    Evaluating adds variables and flows to its zone.
    """

    ledger: Ledger
    zone: Zone
    fields: tuple[Field, ...]
    rows: frozenset[int]
    model: str
    reader: Reader
    outer: tuple[Row, ...] = ()
    known: dict[int, tuple[Expression, Value]] = field(default_factory=dict)

    def value(self, expression: Expression) -> Value:
        """The value of an expression over this row; evaluated once."""
        found = self.known.get(id(expression))
        if found is None:
            found = self.known[id(expression)] = (expression, self._value(expression))
        return found[1]

    def values(self, expressions: Iterable[Expression]) -> list[Value]:
        return [self.value(expression) for expression in expressions]

    def branch(self) -> Row:
        """The same row, of which more may be assumed without this one knowing."""
        return Row(
            self.ledger, self.zone.copy(), self.fields, self.rows, self.model, self.reader, self.outer,
            dict(self.known),
        )  # fmt: skip

    def is_instant(self, value: Value) -> bool:
        return value.variable is not None and value.variable in self.ledger.grains

    def grain(self, value: Value) -> int:
        return self.ledger.grains.get(value.variable, 0) if value.variable is not None else 0

    @property
    def visible(self) -> frozenset[int]:
        """The flows of this row's existence and of the rows further out."""
        return self.rows.union(*(row.rows for row in self.outer))

    @property
    def outside(self) -> frozenset[int]:
        """The flows of the rows further out: for whatever happens in here they are what they are."""
        return NOTHING.union(*(row.rows.union(*(f.flows for f in row.fields)) for row in self.outer))

    def _value(self, expression: Expression) -> Value:
        if isinstance(expression, Column):
            return self._column(expression)
        if isinstance(expression, Constant):
            return self._constant(expression)
        if isinstance(expression, Call):
            return call_value(self, expression)
        if isinstance(expression, Subquery):
            return self.reader.subquery(self, expression)
        if isinstance(expression, Unknown):
            inputs = self.values(expression.inputs)
            return Value(together(inputs) | {self.never("unread", expression.span, expression.what)})
        assert isinstance(expression, AggregateCall | WindowCall)
        return Value(frozenset({self.never("unread", expression.span, "an aggregate where none is expected")}))

    def _column(self, column: Column) -> Value:
        row = self if column.level == 0 else self.outer[-column.level]
        own = row.fields[column.index]
        return Value(own.flows, own.variable, timely=own.timely)

    def _constant(self, constant: Constant) -> Value:
        value = constant.value
        instant = isinstance(value, date) or (
            isinstance(value, str) and (constant.type or "").startswith(("TIMESTAMP", "DATE"))
        )
        if not instant:
            return Value(literal=value, constant=True)
        variable = self.ledger.variable(0)
        self.zone.assume([variable])
        if isinstance(value, date):
            self.place(variable, value)
        return Value(variable=variable, literal=value, constant=True)

    def place(self, variable: int, value: date) -> None:
        """Say that a variable is this date or instant."""
        distance = microseconds(value)
        self.ledger.grains[variable] = abs(distance) or DAY
        self.zone.equate(variable, ORIGIN, distance)

    def never(self, rule: str, span: Span, subject: str, *, unsafe: bool = False, message: str | None = None) -> int:
        """A flow that is not final at any time."""
        cause = Cause("never", rule, span, self.model, unsafe=unsafe, subject=subject, settled=True, message=message)
        return self.ledger.enter(Flow(self.ledger.variable(), None, HERE, cause))

    # -- new instants ----------------------------------------------------------------------------------------------

    def instant(self, inputs: Sequence[Value] = (), grain: int = 0, *, constant: bool = False) -> Value:
        """An instant of which nothing is known but where it comes from."""
        made = self.ledger.variable(grain)
        if self.of_time(inputs):
            self.ledger.vague.add(made)
        return Value(together(inputs), made, constant=constant)

    def of_time(self, inputs: Iterable[Value]) -> bool:
        """Whether any of these is an instant, or made from one."""
        return any(value.timely or value.number is not None or self.is_instant(value) for value in inputs)

    def is_vague(self, value: Value) -> bool:
        """Whether a value is made from times in a way that is not followed."""
        return value.timely or value.variable in self.ledger.vague

    def shifted(self, value: Value, low: int, high: int, grain: int) -> Value:
        """An instant ``y`` with ``low <= y - x <= high``, that is null exactly where ``x`` is."""
        x = value.variable
        assert x is not None
        y = self.ledger.variable(grain)
        self.zone.imply(y, [x])
        self.zone.imply(x, [y])
        if x in self.zone.certain:
            self.zone.assume([y])
        self.zone.require(y, x, high)
        self.zone.require(x, y, -low)
        if x in self.ledger.vague:
            self.ledger.vague.add(y)
        return Value(value.flows, y)

    def cut(self, value: Value, length: int, grain: int, months: int = 0) -> Value:
        """The start of the bucket that an instant lies in; of any instant it is not later, and by less than a bucket.

        An instant that is a multiple of the grain is the start itself, or a whole grain after it at least. ``months``
        tells buckets of the calendar from those of as many days: the same cut of one instant is the same instant.
        """
        own = self.grain(value)
        if own and grain and own % grain == 0 and length == grain:
            return value
        known = self.ledger.cuts.get(value.variable or 0, {}).get((length, grain, months))
        if known is not None and self.zone.bound(known, value.variable or 0) is not None:
            return Value(value.flows, known)
        made = self.start(value, length, grain)
        assert made.variable is not None
        self.ledger.cuts.setdefault(value.variable or 0, {})[length, grain, months] = made.variable
        return made

    def start(self, value: Value, length: int, grain: int) -> Value:
        """The start of some bucket of this length, wherever the buckets are said to begin."""
        own = self.grain(value)
        step = own if own and grain and grain % own == 0 else (1 if own else 0)
        made = self.shifted(value, -(length - step), 0, grain)
        assert made.variable is not None
        self.ledger.buckets.add(made.variable)
        return made

    def either(self, values: Sequence[Value], *, zones: Sequence[Zone] | None = None) -> Value:
        """An instant that is one of these, whichever: every bound that all of them have.

        ``zones`` are what is known where each of them is it.
        """
        flows = together(values)
        given = [(v, z) for v, z in zip(values, zones or [self.zone] * len(values), strict=True) if not is_null(v)]
        if not given or not all(self.is_instant(value) for value, _ in given):
            return Value(flows)
        made = self.ledger.variable(_common_grain([self.grain(value) for value, _ in given]))
        first, rest = given[0], given[1:]
        above, below, implied = _around(*first)
        for value, zone in rest:
            more_above, more_below, more_implied = _around(value, zone)
            above = {y: max(above[y], more_above[y]) for y in above.keys() & more_above.keys()}
            below = {y: max(below[y], more_below[y]) for y in below.keys() & more_below.keys()}
            implied &= more_implied
        self._put(made, above, below, implied)
        if len(given) == len(values) and all(v.variable in z.certain for v, z in given):
            self.zone.assume([made])
        for value, _ in given:
            if value.variable in self.ledger.estimates:
                self.ledger.estimates.add(made)
        return Value(flows, made)

    def not_yet(self, later: Expression, earlier: Expression) -> Value | None:
        """Whether the next row in time is after an instant, or there is none.

        Every row by ``t`` is known by ``t`` and so much: whether one of them is the next is sure from then on, though
        which one is the next after ``t`` is not.
        """
        x, t = self.value(later), self.value(earlier)
        ends = self.ledger.open_ends.get(x.variable or 0, {})
        if t.variable is None or not self.is_instant(t) or not ends:
            return None
        flows = set(t.flows)
        for known in x.flows:
            if known not in ends:
                flows.add(known)
                continue
            made = self.ledger.variable()
            self.zone.require(made, t.variable, ends[known])
            flow = self.ledger.flows[known]
            event = None if flow.event is None else self.ledger.variable()
            cause = replace(flow.cause, rule="unbounded-join") if not flow.cause.settled else flow.cause
            flows.add(self.ledger.enter(replace(flow, known=made, event=event, cause=cause)))
        return Value(frozenset(flows))

    def within(self, flows: frozenset[int], zone: Zone) -> frozenset[int]:
        """The flows of a value that is read only where more is known of the row, as in a branch of a CASE.

        In the other rows it is not read, so there is nothing to wait for: what bounds it here, bounds it in all.
        """
        ends = {ORIGIN, *(own.variable for row in (self, *self.outer) for own in row.fields)}
        found = set()
        for known in flows:
            here = {v: c for v, c in zone.bounds_of(known).items() if v in ends}
            if here == {v: c for v, c in self.zone.bounds_of(known).items() if v in ends}:
                found.add(known)
                continue
            flow = self.ledger.flows[known]
            made = replace(flow, known=self.ledger.variable(), event=flow.event and self.ledger.variable())
            self._put(made.known, here, {}, NOTHING)
            if flow.event is not None and made.event is not None:
                above = {v: c for v, c in zone.bounds_of(flow.event).items() if v in ends}
                below = {v: c for v, c in zone.bounds_from(flow.event).items() if v in ends}
                self._put(made.event, above, below, NOTHING)
            found.add(self.ledger.enter(made))
        return frozenset(found)

    def _put(self, made: int, above: dict[int, int], below: dict[int, int], implied: frozenset[int]) -> None:
        self.zone.imply(made, implied)
        for y, bound in above.items():
            self.zone.require(made, y, bound)
        for y, bound in below.items():
            self.zone.require(y, made, bound)


def _around(value: Value, zone: Zone) -> tuple[dict[int, int], dict[int, int], frozenset[int]]:
    x = value.variable
    assert x is not None
    above, below = dict(zone.bounds_of(x)), dict(zone.bounds_from(x))
    above[x] = below[x] = 0
    return above, below, zone.implied.get(x, NOTHING) | zone.certain | {x}


def _common_grain(grains: Sequence[int]) -> int:
    smallest = min(grains)
    return smallest if smallest and all(grain % smallest == 0 for grain in grains) else min(smallest, 1)
