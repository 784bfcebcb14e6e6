"""Abstract interpretation of a relation: from which flows its rows and columns come, and by when each is final.

One method for each operator of the algebra; what is hard about one stands in a module of its own (``joins``,
``groups``, ``frames``). Whatever is not understood has a flow that is never final. It knows no manifest: what other
nodes are is asked of ``nodes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import cast

from sqlfeat.compiler import algebra, purity
from sqlfeat.compiler.algebra import (
    Aggregate,
    Call,
    Column,
    Constant,
    Distinct,
    Expression,
    Filter,
    Join,
    Limit,
    Project,
    Recursion,
    Recursive,
    Relation,
    Reshaped,
    Rows,
    Scan,
    SetOperation,
    Subquery,
    TableFunction,
    WindowCall,
    Windows,
)
from sqlfeat.compiler.completion import complete, reach
from sqlfeat.compiler.conditions import assume, truth
from sqlfeat.compiler.determinism import Note, of_aggregate, of_limit, of_window
from sqlfeat.compiler.flows import NOTHING, Cause, Field, Ledger, State
from sqlfeat.compiler.frames import with_windows
from sqlfeat.compiler.groups import Grouping, distinct, limited, noughts
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.joins import Matching, conjuncts, mark_bucketed, outer_instants, subquery_value
from sqlfeat.compiler.set_operations import combined
from sqlfeat.compiler.time_functions import grain_of_type
from sqlfeat.compiler.values import Value, together
from sqlfeat.compiler.zone import Zone

Nodes = Callable[[Scan, Ledger, str], State]
Outer = tuple[Row, ...]


class Interpreter:
    """Reads the relations of one model.

    ``nodes`` gives what is known of the node that a scan names, in new variables; ``as_of`` tells which window
    functions are a ``window()`` of sqlfeat's.
    """

    def __init__(
        self, model: str, ledger: Ledger, nodes: Nodes, as_of: Callable[[WindowCall], bool] = lambda call: False
    ) -> None:
        self.model, self.ledger, self.nodes, self.as_of = model, ledger, nodes, as_of
        self._read: dict[int, tuple[Relation, State]] = {}
        self._reaching: dict[int, bool] = {}
        self._recursions: dict[str, State] = {}
        self._noughts: dict[int, frozenset[int]] = {}
        self.notes: dict[Note, None] = {}

    def state(self, relation: Relation, outer: Outer = ()) -> State:
        """What is known of a relation for each of the rows around it."""
        if outer and not self._reaches_out(relation):
            inner = self.state(relation)
            zone = outer[-1].zone.copy()
            zone.merge(inner.zone)
            return replace(inner, zone=zone)
        if outer:
            return self._made(relation, outer)
        found = self._read.get(id(relation))
        if found is None:
            found = self._read[id(relation)] = (relation, self._made(relation, ()))
            return found[1]
        return self.ledger.again(found[1])

    def _made(self, relation: Relation, outer: Outer) -> State:
        handler = _OPERATORS.get(type(relation), Interpreter._unread)
        state = handler(self, relation, outer)
        kept: set[int] = set()
        for row in outer:
            kept |= {own.variable for own in row.fields} | self.ledger.variables(row.visible | row.outside)
            for own in row.fields:
                kept |= self.ledger.variables(own.flows)
        return self.ledger.pruned(state, kept)

    def row(self, state: State, outer: Outer) -> Row:
        """The row that an operator's expressions see."""
        return Row(self.ledger, state.zone.copy(), state.fields, state.rows, self.model, self, outer)

    def _note(self, *notes: Note | None) -> None:
        self.notes |= dict.fromkeys(note for note in notes if note is not None)

    # -- what expressions ask for ----------------------------------------------------------------------------------

    def subquery(self, row: Row, expression: Subquery) -> Value:
        """A relation inside an expression, for the row that it stands in."""
        inner = self.state(expression.relation, (*row.outer, row))
        return subquery_value(row, expression, inner)

    def assume(self, row: Row, condition: Expression, truth: bool) -> object:
        """A condition of a row."""
        return assume(row, condition, truth)

    def truth(self, row: Row, condition: Expression) -> frozenset[int]:
        """What it hangs on whether a condition is true of a row."""
        return truth(row, condition)

    # -- operators -------------------------------------------------------------------------------------------------

    def _scan(self, relation: Scan, outer: Outer) -> State:
        return self.nodes(relation, self.ledger, self.model)

    def _rows(self, relation: Rows, outer: Outer) -> State:
        row = self._nothing(outer)
        columns = []
        for index, own in enumerate(relation.fields):
            values = [row.value(one[index]) for one in relation.rows]
            made = row.either(values) if len(values) > 1 else (values[0] if values else Value())
            columns.append(self._field(row, made, own))
        return State(row.zone, NOTHING, tuple(columns))

    def _nothing(self, outer: Outer) -> Row:
        zone = outer[-1].zone.copy() if outer else Zone()
        return Row(self.ledger, zone, (), NOTHING, self.model, self, outer)

    def _field(self, row: Row, value: Value, own: algebra.Field) -> Field:
        timely = value.timely or value.number is not None
        if value.variable is not None:
            return Field(value.variable, value.flows, timely)
        timed = own.type is not None and own.type.startswith(("TIMESTAMP", "DATE"))
        return Field(self.ledger.variable(grain_of_type(own.type) if timed else None), value.flows, timely)

    def _function(self, relation: TableFunction, outer: Outer) -> State:
        """``range`` and the like: rows that hang on their arguments alone, between the first two of them."""
        row = self._nothing(outer)
        values = row.values(relation.arguments)
        flows = together(values)
        if relation.name not in purity.PLAIN_TABLES:
            flows |= {row.never("unread", relation.span, f"the table function {relation.name}")}
        made = tuple(self._field(row, Value(flows), own) for own in relation.fields)
        if relation.name in ("range", "generate_series") and made and len(values) > 1:
            ends = [row.is_instant(value) for value in values[:2]]
            if all(ends) and made[0].variable in self.ledger.grains:
                first, last = values[0].variable, values[1].variable
                assert first is not None
                assert last is not None
                row.zone.assume([made[0].variable])
                if _steps_up(values):
                    row.zone.require(first, made[0].variable, 0)
                    row.zone.require(made[0].variable, last, 0)
        return State(row.zone, flows, made)

    def _project(self, relation: Project, outer: Outer) -> State:
        if isinstance(relation.input, Aggregate):
            self._noughts[id(relation.input)] = noughts(relation)
        state = self.state(relation.input, outer)
        row = self.row(state, outer)
        values = row.values(relation.expressions)
        made = tuple(self._field(row, value, own) for value, own in zip(values, relation.fields, strict=True))
        plain = [e.index if isinstance(e, Column) and e.level == 0 else None for e in relation.expressions]
        unique = tuple(frozenset(plain.index(i) for i in key) for key in state.unique if all(i in plain for i in key))
        kept = state.kept and (frozenset(n for n, i in enumerate(plain) if i in state.kept[0]), state.kept[1])
        ranks = tuple(
            (plain.index(rank), frozenset(plain.index(i) for i in of))
            for rank, of in state.ranks
            if rank in plain and all(i in plain for i in of)
        )
        several = [v.flows for e, v in zip(relation.expressions, values, strict=True) if _has_unnest(e)]
        if several:
            unique, kept, ranks = (), None, ()
        return State(row.zone, state.rows.union(*several), made, unique, kept, ranks)

    def _filter(self, relation: Filter, outer: Outer) -> State:
        state = self.state(relation.input, outer)
        row = self.row(state, outer)
        doubts = assume(row, relation.condition)
        flows = row.value(relation.condition).flows
        for known in (state.flows | flows) if doubts else ():
            self.ledger.update(known, doubts=(*self.ledger.flows[known].doubts, *doubts))
        mark_bucketed(row, relation.condition, state.flows)
        firsts = [of for rank, of in state.ranks if _is_first(relation.condition, rank)]
        return State(row.zone, state.rows | flows, state.fields, (*state.unique, *firsts), ranks=state.ranks)

    def _aggregate(self, relation: Aggregate, outer: Outer) -> State:
        state = self.state(relation.input, outer)
        self._note(*(of_aggregate(call, relation.span) for call in relation.aggregates))
        return Grouping(relation, self.row(state, outer), state, self._noughts.get(id(relation), NOTHING)).grouped()

    def _windows(self, relation: Windows, outer: Outer) -> State:
        state = self.state(relation.input, outer)
        self._note(*(of_window(call, state.unique) for call in relation.windows if not self.as_of(call)))
        return with_windows(self.row(state, outer), state, relation.windows, self.as_of)

    def _join(self, relation: Join, outer: Outer) -> State:
        left = self.state(relation.left, outer)
        if relation.kind == "positional" or (
            relation.asof and (relation.lateral or relation.kind not in ("inner", "left"))
        ):
            return self._unread(relation, outer)
        if relation.lateral:
            row = self.row(left, outer)
            right = self.state(relation.right, (*outer, row))
            left = replace(left, zone=row.zone)
        else:
            right = self.state(relation.right, outer)
        if relation.kind in ("left", "right", "full"):
            further_out = {own.variable for row in outer for own in row.fields}
            right = self.ledger.apart(right, further_out | {own.variable for own in left.fields})
            left = self.ledger.apart(left, further_out)
        zone = left.zone.copy()
        zone.merge(right.zone)
        joined = Row(self.ledger, zone, left.fields + right.fields, left.rows | right.rows, self.model, self, outer)
        return Matching(relation, left, right, joined).state()

    def _distinct(self, relation: Distinct, outer: Outer) -> State:
        state = self.state(relation.input, outer)
        return distinct(relation, self.row(state, outer), state)

    def _limit(self, relation: Limit, outer: Outer) -> State:
        state = self.state(relation.input, outer)
        self._note(of_limit(relation))
        return limited(relation, self.row(state, outer), state)

    def _set_operation(self, relation: SetOperation, outer: Outer) -> State:
        left, right = self.state(relation.left, outer), self.state(relation.right, outer)
        return combined(relation, left, right, self.ledger, self._nothing(outer))

    def _recursive(self, relation: Recursive, outer: Outer) -> State:
        """Rows made from rows: understood only where no data flow in."""
        row = self._nothing(outer)
        blank = tuple(self._field(row, Value(), own) for own in relation.fields)
        anchor = self.state(relation.anchor, outer)
        self._recursions[relation.name] = State(row.zone, NOTHING, blank)
        step = self.state(relation.step, outer)
        flows = anchor.flows | step.flows
        if not flows:
            return State(row.zone, NOTHING, blank)
        row.zone.merge(anchor.zone)
        row.zone.merge(step.zone)
        flows |= {row.never("unread", relation.span, "a recursive CTE over data")}
        return State(row.zone, flows, tuple(replace(own, flows=flows) for own in blank))

    def _recursion(self, relation: Recursion, outer: Outer) -> State:
        return self.ledger.again(self._recursions[relation.name])

    def _reshaped(self, relation: Reshaped, outer: Outer) -> State:
        """PIVOT: what is no key is computed over all rows of a group. UNPIVOT: from one row each."""
        state = self.state(relation.input, outer)
        row = self.row(state, outer)
        values = [row.values(source) for source in relation.sources]
        made = []
        keys = {index: _only(values[index]) for index in relation.keys}
        fixed = {v.variable for v in keys.values() if v is not None and row.is_instant(v) and v.variable is not None}
        rows = state.rows.union(*(together(values[index]) for index in (*relation.keys, *relation.dropped)))
        for index, own in enumerate(relation.fields):
            single = _only(values[index])
            flows = together(values[index])
            if index in keys or (not relation.whole and single is not None):
                made.append(self._field(row, single if single is not None else Value(flows), own))
            elif not relation.whole:
                made.append(self._field(row, Value(flows), own))
            else:
                late = self._complete(row, state, rows | flows, fixed, relation)
                made.append(self._field(row, Value(late), own))
        return State(row.zone, rows, tuple(made))

    def _complete(
        self, row: Row, state: State, flows: frozenset[int], fixed: set[int], relation: Relation
    ) -> frozenset[int]:
        cause = Cause("group", "whole-group", relation.span, self.model, slack="bucket-start", subject="PIVOT")
        outside = row.outside
        made = set(flows & outside)
        for known in sorted(flows - outside):
            flow = self.ledger.flows[known]
            found = reach(flow, state.zone, fixed | outer_instants(row))
            own = [f.variable for f in state.fields if f.variable in self.ledger.grains]
            made.add(complete(self.ledger, flow, found, row.zone, cause, own=own, zone=state.zone))
        return frozenset(made)

    def _unread(self, relation: Relation, outer: Outer) -> State:
        """A relation that is not understood: nothing of it is final, whatever it is."""
        row = self._nothing(outer)
        what = f"{type(relation).__name__.lower()} {getattr(relation, 'kind', '')}".strip()
        never = frozenset({row.never("unread", relation.span, what)})
        made = tuple(self._field(row, Value(never), own) for own in relation.fields)
        return State(row.zone, never, made)

    # -- what a relation sees --------------------------------------------------------------------------------------

    def _reaches_out(self, relation: Relation) -> bool:
        """Whether a relation names a row outside of it."""
        found = self._reaching.get(id(relation))
        if found is None:
            found = self._reaching[id(relation)] = _deepest(relation, 0, {}) > 0
        return found


def _deepest(node: object, depth: int, seen: dict[tuple[int, int], int]) -> int:
    """How many rows further out than the relation itself is the furthest that is named in it."""
    if isinstance(node, Column):
        return node.level - depth
    if isinstance(node, tuple):
        return max((_deepest(part, depth, seen) for part in node), default=0)
    if not is_dataclass(node) or isinstance(node, type | algebra.Span | algebra.Field):
        return 0
    key = (id(node), depth)
    if key in seen:
        return seen[key]
    seen[key] = 0
    found = 0
    for each in fields(node):
        part = getattr(node, each.name)
        inner = (isinstance(node, Subquery) and each.name == "relation") or (
            isinstance(node, Join) and node.lateral and each.name == "right"
        )
        found = max(found, _deepest(part, depth + 1 if inner else depth, seen))
    seen[key] = found
    return found


def _is_first(condition: Expression, rank: int) -> bool:
    """Whether a condition keeps the rows of number one only."""
    for part in conjuncts(condition):
        if not isinstance(part, Call) or len(part.arguments) != 2:
            continue
        one, other = part.arguments
        if isinstance(one, Constant):
            one, other = other, one
        if isinstance(one, Column) and (one.index, one.level) == (rank, 0) and isinstance(other, Constant):
            if (part.name, other.value) in (("=", 1), ("<=", 1), ("<", 2)) and part.arguments[0] is one:
                return True
            if part.name == "=" and other.value == 1:
                return True
    return False


def _has_unnest(expression: object) -> bool:
    if isinstance(expression, Call) and expression.name == "unnest":
        return True
    if isinstance(expression, tuple):
        return any(_has_unnest(part) for part in expression)
    if not is_dataclass(expression) or isinstance(expression, type | Relation):
        return False
    return any(_has_unnest(getattr(expression, each.name)) for each in fields(expression))


def _only(values: Iterable[Value]) -> Value | None:
    found = list(values)
    return found[0] if len(found) == 1 else None


def _steps_up(values: list[Value]) -> bool:
    """Whether a series counts upwards: its step is left out, or a literal that is not negative."""
    if len(values) < 3:
        return True
    step = values[2].literal
    if isinstance(step, algebra.Interval):
        return step.months >= 0 and step.days >= 0 and step.microseconds >= 0
    return False


_Operator = Callable[[Interpreter, Relation, Outer], State]
_OPERATORS: dict[type[Relation], _Operator] = {
    kind: cast(_Operator, handler)
    for kind, handler in (
        (Scan, Interpreter._scan), (Rows, Interpreter._rows), (TableFunction, Interpreter._function),
        (Project, Interpreter._project), (Filter, Interpreter._filter), (Aggregate, Interpreter._aggregate),
        (Windows, Interpreter._windows), (Join, Interpreter._join), (Distinct, Interpreter._distinct),
        (Limit, Interpreter._limit), (SetOperation, Interpreter._set_operation), (Recursive, Interpreter._recursive),
        (Recursion, Interpreter._recursion), (Reshaped, Interpreter._reshaped),
    )
}  # fmt: skip
