"""Rows beside rows: joins, and relations inside expressions.

An inner join's row is final when both of its halves and its condition are. A left row without match, and how many
matches it has, hang on all right rows that might match: they are a set, fixed by the left row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import Call, Column, Constant, Expression, Join, Relation, Subquery
from sqlfeat.compiler.completion import bounded_by, complete, reach
from sqlfeat.compiler.conditions import assume, columns_of
from sqlfeat.compiler.flows import Cause, Ledger, State
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.values import Value
from sqlfeat.compiler.zone import Zone


class Matching:
    """Left rows, right rows, and the condition that pairs them."""

    def __init__(self, join: Join, left: State, right: State, row: Row, *, turned: bool = False) -> None:
        """``row`` sees both halves in one zone, and the outer rows. ``turned``: the right half comes first in it."""
        self.join, self.left, self.right, self.row, self.turned = join, left, right, row, turned
        self.ledger: Ledger = row.ledger
        doubts = assume(row, join.condition) if join.condition is not None else ()
        self.condition = row.value(join.condition).flows if join.condition is not None else frozenset()
        for known in (left.flows | right.flows) if doubts else ():
            self.ledger.update(known, doubts=(*self.ledger.flows[known].doubts, *doubts))
        mark_bucketed(row, join.condition, left.flows | right.flows)
        _name_fitted(self.ledger, right.flows, left.flows)
        _name_fitted(self.ledger, left.flows, right.flows)

    def state(self) -> State:
        kind = self.join.kind
        if kind == "right":
            return Matching(replace(self.join, kind="left"), self.right, self.left, self.row, turned=True).state()
        if self.join.asof:
            return self._nearest(optional=kind == "left")
        if kind in ("inner", "cross"):
            return self._pairs()
        if kind in ("semi", "anti"):
            return self._filtered()
        if kind == "left":
            return self._left()
        return self._full()

    # -- kinds -----------------------------------------------------------------------------------------------------

    def _pairs(self) -> State:
        """Both halves of a pair, and whether it is one."""
        zone = self.row.zone
        rows = self.ledger.present(self.left.rows | self.right.rows | self.condition, zone)
        self._put_beside(self.left, self.right)
        self._put_beside(self.right, self.left)
        fields = self.left.fields + self.right.fields
        unique: list[frozenset[int]] = []
        if self._at_most_one():
            unique += self.left.unique
        return State(zone, rows, fields, tuple(unique))

    def _left(self) -> State:
        """Every left row, with each of its matches or none.

        In a pair the flows are the pair's. Without match, or to count the matches, all possible ones must be known.
        """
        self._put_beside(self.right, self.left)
        of_pairs = self.condition - self.left.flows - self.row.outside  # what the condition reads besides
        pair_variables = self._right_variables() | self.ledger.variables(of_pairs - self.right.flows)
        right = self.right.rows | of_pairs
        zone = self.row.zone.loosened(self.left.zone, pair_variables)
        completed = self._completed(zone, right, "unbounded-join", frozenset(f.variable for f in self.right.fields))
        matched = right | completed | self.condition
        rows = self.left.rows if self._at_most_one() else self.left.rows | matched
        optional = tuple(replace(f, flows=f.flows | matched) for f in self.right.fields)
        start = len(optional) if self.turned else 0
        fields = optional + self.left.fields if self.turned else self.left.fields + optional
        kept = (frozenset(range(start, start + len(self.left.fields))), self.left.rows)
        unique = tuple(frozenset(start + i for i in key) for key in self.left.unique) if self._at_most_one() else ()
        return State(zone, rows, fields, unique, kept)

    def _nearest(self, *, optional: bool) -> State:
        """As-of: one right row for each left one, the nearest of the set that satisfies the condition."""
        outside = self.left.flows | self.row.outside
        zone = self.row.zone.loosened(self.left.zone, self._right_variables()) if optional else self.row.zone
        chosen = self._completed(zone, self.right.rows | (self.condition - outside), "unbounded-join")
        chosen |= self.condition & outside
        fields = []
        for own in self.right.fields:
            late = self._completed(zone, own.flows - self.right.rows - outside, "unbounded-join")
            fields.append(replace(own, flows=chosen | late | (own.flows & outside)))
        rows = self.left.rows if optional else self.left.rows | chosen
        return State(zone, rows, self.left.fields + tuple(fields), self.left.unique)

    def _filtered(self) -> State:
        """Semi and anti: whether there is a match hangs on all right rows that might be one."""
        zone = self.left.zone.copy()
        inside = self.left.flows | self.row.outside
        completed = self._completed(zone, self.right.rows | (self.condition - inside), "future-existence")
        rows = self.left.rows | completed | (self.condition & inside)
        return State(zone, rows, self.left.fields, self.left.unique)

    def _full(self) -> State:
        """Right and full: rows of either side without match; any half may be missing."""
        zone = _both_optional(self.left, self.right, self._variables_of(self.left), self._right_variables())
        completed = self._completed(zone, self.right.rows | self.condition, "unbounded-join")
        other = self._completed(zone, self.left.rows | self.condition, "unbounded-join", side="right")
        rows = self.left.rows | self.right.rows | self.condition | completed | other
        return State(zone, rows, self.left.fields + self.right.fields)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _completed(
        self, into: Zone, flows: frozenset[int], rule: str, void: frozenset[int] = frozenset(), side: str = "left"
    ) -> frozenset[int]:
        """The flows of one side's rows as a set that is fixed by the other side's row."""
        outer = self.left if side == "left" else self.right
        own = self.right if side == "left" else self.left
        final = outer.rows | self.condition | self.row.outside
        others = {f.variable for f in outer.fields if f.variable in self.ledger.grains and f.flows <= final}
        fixed = self.ledger.with_ends(others) | outer_instants(self.row)
        made = set()
        for known in sorted(flows):
            flow = self.ledger.flows[known]
            cause = self._cause(rule)
            named = bounded_by(flow, self.row.zone, fixed, cause) or replace(cause, unsafe=False)
            found = reach(flow, self.row.zone, fixed)
            instants = {f.variable for f in own.fields if f.variable in self.ledger.grains}
            made.add(complete(self.ledger, flow, found, into, named, own=instants, zone=own.zone, void=void))
        return frozenset(made)

    def _put_beside(self, own: State, other: State) -> None:
        """Remember the first join that left a flow without a bound by the rows beside it."""
        others = [f.variable for f in other.fields if f.variable in self.ledger.grains]
        if not other.flows:
            return
        for known in own.flows - other.flows:
            flow = self.ledger.flows[known]
            if flow.joined is None and flow.cause.kind == "scan":
                cause = bounded_by(flow, self.row.zone, others, self._cause("unbounded-join"))
                if cause is not None:
                    self.ledger.update(known, joined=cause)

    def _cause(self, rule: str) -> Cause:
        span = self.join.condition.span if self.join.condition is not None else self.join.right.span
        if span.start < 0:
            span = self.join.right.span
        return Cause("join", rule, span, self.row.model, subject=name_of(self.join.right))

    def _right_variables(self) -> set[int]:
        return self._variables_of(self.right) - self._variables_of(self.left)

    def _variables_of(self, state: State) -> set[int]:
        found = {f.variable for f in state.fields} | self.ledger.variables(state.flows)
        outer = {f.variable for row in self.row.outer for f in row.fields}
        return found - outer - self.ledger.variables(self.row.outside)

    def _at_most_one(self) -> bool:
        """Whether the condition equates a unique key of the right side with something of the left row."""
        start = 0 if self.turned else len(self.left.fields)
        own = range(start, start + len(self.right.fields))
        equated = set()
        for part in conjuncts(self.join.condition):
            if not isinstance(part, Call) or part.name not in ("=", "is_not_distinct"):
                continue
            for one, other in (part.arguments, part.arguments[::-1]):
                outside = _is_plain(other) and all(c.level > 0 or c.index not in own for c in columns_of(other))
                if outside and isinstance(one, Column) and one.level == 0 and one.index in own:
                    equated |= {one.index - start} if _one_to_one(one.type, getattr(other, "type", None)) else set()
        return any(key <= equated for key in self.right.unique)


def _is_plain(expression: Expression) -> bool:
    """Whether a value is the same for every row beside it: no relation inside, which may read that row."""
    if isinstance(expression, Call):
        return expression.name in purity.PLAIN and all(_is_plain(part) for part in expression.arguments)
    return isinstance(expression, Column | Constant)


_WHOLE_NUMBERS = frozenset(f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")) | {
    "INTEGER", "UINTEGER",
}  # fmt: skip
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})


def _one_to_one(one: str | None, other: str | None) -> bool:
    """Whether no two values of one type are equal to the same value of the other: ``'1'`` and ``'01'`` both are 1."""
    if one is None or other is None:
        return False
    return one == other or any({one, other} <= family for family in (_WHOLE_NUMBERS, _TIMES))


def _both_optional(left: State, right: State, left_variables: set[int], right_variables: set[int]) -> Zone:
    """A full join's zone: what either side says of itself, nothing of the two together."""
    result = left.zone.copy()
    result.merge(right.zone)
    result.certain -= left_variables | right_variables
    for variables, own in ((left_variables, left.zone), (right_variables, right.zone)):
        for x in variables:
            implied = (own.implied.get(x, frozenset()) | own.certain) & (variables | {x})
            result.implied[x] = implied - {x}
    return result


def mark_bucketed(row: Row, condition: Expression | None, flows: frozenset[int]) -> None:
    """Remember that rows were set against the start of a day, so that what is too late for it is told as such; and
    that they were at a distance of months, which is not exact.
    """
    compared = {value.variable for value in _compared(row, condition)}
    for known in flows:
        flow = row.ledger.flows[known]
        row.ledger.update(
            known,
            bucketed=flow.bucketed or bool(compared & row.ledger.buckets),
            inexact=flow.inexact or bool(compared & row.ledger.estimates),
        )


def _compared(row: Row, condition: Expression | None) -> Iterator[Value]:
    for part in conjuncts(condition):
        if isinstance(part, Call) and part.name in ("<", "<=", ">", ">=", "=", "between"):
            yield from row.values(part.arguments)


def conjuncts(condition: Expression | None) -> Iterator[Expression]:
    """The parts of a condition that must all be true."""
    if isinstance(condition, Call) and condition.name == "and":
        for part in condition.arguments:
            yield from conjuncts(part)
    elif condition is not None:
        yield condition


def outer_instants(row: Row) -> set[int]:
    """The instants of the rows further out: for every row in here they are the same."""
    found = set()
    for outer in row.outer:
        found |= {f.variable for f in outer.fields if f.variable in row.ledger.grains and f.flows <= outer.visible}
    return row.ledger.with_ends(found)


def name_of(relation: Relation) -> str:
    """The node that a relation reads, if it is a plain one."""
    while hasattr(relation, "input"):
        relation = relation.input
    node = getattr(relation, "node", None)
    return str(node).split(".", 1)[1] if node else ""


def _name_fitted(ledger: Ledger, flows: frozenset[int], others: frozenset[int]) -> None:
    """Statistics by category over all rows of what they are put back beside: fitted where the test rows are too."""
    roots = {ledger.flows[known].root.node for known in others} - {""}
    for known in flows:
        flow = ledger.flows[known]
        if flow.cause.rule == "whole-group" and flow.cause.category and flow.root.node in roots:
            ledger.update(known, cause=replace(flow.cause, rule="fit-outside-train"))


def subquery_value(row: Row, expression: Subquery, inner: State) -> Value:
    """The value of a relation inside an expression: its rows are a set that is fixed by the rows around it.

    What of it already stands outside (the clocks of the outer rows) stays what it is.
    """
    ledger = row.ledger
    outside = row.outside.union(row.rows, *(f.flows for f in row.fields))
    inputs = row.value(expression.operand).flows if expression.operand is not None else frozenset()
    everything = inner.rows if expression.kind == "exists" else inner.flows
    fixed = {f.variable for f in row.fields if f.variable in ledger.grains and f.flows <= row.rows | everything}
    fixed = ledger.with_ends(fixed) | outer_instants(row)
    rule = "unbounded-join" if expression.kind in ("scalar", "array") else "future-existence"
    span = expression.span if expression.span.start >= 0 else expression.relation.span
    cause = Cause("join", rule, span, row.model, subject=name_of(expression.relation))
    if expression.kind in ("scalar", "array"):
        _name_fitted(ledger, everything - outside, row.rows.union(*(f.flows for f in row.fields)))
    flows = set(everything & outside) | inputs
    own = [f.variable for f in inner.fields if f.variable in ledger.grains]
    timely = expression.operand is not None and row.of_time([row.value(expression.operand)])
    completed = {}
    for known in sorted(everything - outside):
        flow = ledger.flows[known]
        named = bounded_by(flow, inner.zone, fixed, cause) or cause
        found = reach(flow, inner.zone, fixed)
        completed[known] = complete(ledger, flow, found, row.zone, named, own=own, zone=inner.zone)
        if timely:  # that the two are equal may bound one by the other
            ledger.update(completed[known], doubts=(*flow.doubts, span))
    flows |= set(completed.values())
    value = Value(frozenset(flows), timely=any(f.timely for f in inner.fields[:1]))
    if expression.kind != "scalar" or not inner.fields or inner.fields[0].variable not in ledger.grains:
        return value
    single = inner.fields[0].variable
    made = member(row, inner.zone, single, fixed)
    if frozenset() in inner.unique:  # what is final at the value's own instant, as the least one is
        for known, late in completed.items():
            bound = inner.zone.bound(known, single)
            if bound is not None:
                row.zone.require(late, made, bound)
    return Value(value.flows, made)


def member(row: Row, zone: Zone, variable: int, fixed: set[int], into: Zone | None = None) -> int:
    """An instant that is one of a set's, whichever: what all of them keep to the fixed ones."""
    ledger = row.ledger
    target = row.zone if into is None else into
    made = ledger.variable(ledger.grains[variable])
    for y, bound in zone.bounds_of(variable).items():
        if y in fixed or y == 0:
            target.require(made, y, bound)
    for y, bound in zone.bounds_from(variable).items():
        if y in fixed or y == 0:
            target.require(y, made, bound)
    if variable in ledger.estimates:
        ledger.estimates.add(made)
    return made
