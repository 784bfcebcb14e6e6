"""Many rows made one: GROUP BY, DISTINCT, LIMIT, and set operations.

A group is there as soon as the first of its rows is. What is computed over all of them is complete when the last one
is known, as far as the keys bound that. The least instant of a group is final earlier: once a row is known whose
instant is ``m``, a row with a lesser one would have to be known by ``m`` plus its delay, so after that ``m`` stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import (
    Aggregate,
    AggregateCall,
    Call,
    Column,
    Constant,
    Distinct,
    Expression,
    Frame,
    Limit,
    Project,
    SortKey,
    Span,
    Subquery,
    WindowCall,
)
from sqlfeat.compiler.algebra import Bound as Edge
from sqlfeat.compiler.completion import Reach, bounded_by, complete, reach
from sqlfeat.compiler.conditions import assume
from sqlfeat.compiler.flows import NOTHING, Cause, Field, Flow, Ledger, State
from sqlfeat.compiler.frames import Over
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.joins import member, outer_instants
from sqlfeat.compiler.resolve.rewrite import inner
from sqlfeat.compiler.values import Value, together
from sqlfeat.compiler.zone import ORIGIN, Zone

_NEUTRAL_OF_SUM = (0, 0.0)
_IGNORES_NULLS = frozenset(
    [
        "sum",
        "avg",
        "min",
        "max",
        "count",
        "favg",
        "fsum",
        "product",
        "stddev_samp",
        "stddev_pop",
        "var_samp",
        "var_pop",
        "any_value",
        "bool_and",
        "bool_or",
        "bit_and",
        "bit_or",
        "bit_xor",
        "string_agg",
        "median",
        "quantile_cont",
        "quantile_disc",
        "mode",
        "approx_count_distinct",
    ]
)
_MEMBERS = frozenset({
    "min", "max", "any_value", "first", "last", "arg_min", "arg_max", "arg_min_null", "arg_max_null", "mode",
    "quantile_disc",
})  # fmt: skip
"""Aggregates that give one of the values that they read, as a median between two does not."""
_NEWEST = frozenset({"arg_max", "arg_max_null", "last", "max"})


class Grouping:
    """One GROUP BY over the rows of a relation."""

    def __init__(self, aggregate: Aggregate, row: Row, state: State, noughts: frozenset[int] = NOTHING) -> None:
        """``noughts`` are the aggregates of which null and nought come to the same for whoever reads them."""
        self.aggregate, self.row, self.state, self.noughts = aggregate, row, state, noughts
        self.ledger: Ledger = row.ledger
        self.keys = row.values(aggregate.keys)
        self.rows = state.rows | together(self.keys)
        self.instants = {v.variable for v in self.keys if row.is_instant(v) and v.variable is not None}
        self.least: dict[int, int] = {}
        self.since: list[tuple[int, int]] = []
        self.some: list[tuple[int, int]] = []

    @property
    def fixed(self) -> set[int]:
        """The instants that all rows of a group agree in; what is made of the keys, in the aggregates too."""
        return self.ledger.with_ends(self.instants) | outer_instants(self.row)

    def grouped(self) -> State:
        """The groups: keys first, then the aggregates."""
        sets = self.aggregate.sets
        partial = sets and any(len(set(one)) < len(self.keys) for one in sets)
        fields = [Field(self._key(v), v.flows, v.timely) for v in self.keys]
        aggregates = [self._aggregate(call, n in self.noughts) for n, call in enumerate(self.aggregate.aggregates)]
        zone = self.row.zone
        for instant, least in self.some:
            if instant in self.least:
                zone.require(self.least[instant], least, 0)
                zone.imply(least, [self.least[instant]])
        for instant, least in self.since:  # from here on the row's clocks are those of the group's first row
            self._exists_since(instant, least)
        rows = self._existence() if self.keys else frozenset()
        if partial:  # a key is null in the groups that are not made by it
            fields = [replace(own, variable=self._sometimes(own.variable)) for own in fields]
        unique = (frozenset(range(len(self.keys))),) if len(sets) < 2 and not partial else ()
        return State(zone, rows, (*fields, *aggregates), unique)

    def _key(self, value: Value) -> int:
        if value.variable is not None:
            return value.variable
        return self.ledger.variable()

    def _sometimes(self, variable: int) -> int:
        """A variable that is the other one or null."""
        zone = self.row.zone
        made = self.ledger.variable(self.ledger.grains.get(variable))
        zone.imply(made, [variable])
        zone.equate(made, variable)
        for marks in (self.ledger.buckets, self.ledger.estimates, self.ledger.vague):
            if variable in marks:
                marks.add(made)
        return made

    def _existence(self) -> frozenset[int]:
        """The first row of a group makes it; where every row of an earlier relation is still there, that does."""
        kept = self.state.kept
        columns = {getattr(key, "index", None) for key in self.aggregate.keys if getattr(key, "level", 1) == 0}
        if kept is not None and len(columns) == len(self.aggregate.keys) and None not in columns and columns <= kept[0]:
            return kept[1] | together(self.keys)
        return self.ledger.present(self.rows, self.row.zone)

    # -- aggregates ------------------------------------------------------------------------------------------------

    def _aggregate(self, call: AggregateCall, nought: bool) -> Field:
        arguments, conditions, turning = _as_filter(call, self.row, self._never_empty(), nought)
        inputs = self.row.values((*call.arguments, *(key.expression for key in call.order)))
        branch = self.row
        for condition in conditions:
            self.row.value(condition)
        if conditions:
            branch = self.row.branch()
            for condition in conditions:
                doubts = assume(branch, condition)
                for known in self.state.flows if doubts else ():
                    self.ledger.update(known, doubts=(*self.ledger.flows[known].doubts, *doubts))
        zone = branch.zone
        flows = self.rows | together(inputs) | together(self.row.values(conditions))
        outside = self.row.outside
        inside = self.ledger.present(flows - outside, zone)
        first = self._first(call, arguments, branch, conditions)
        if first is not None:
            instant, least = first
            ordered = call.name in ("first", "any_value")
            made = {self._since_first(known, instant, least, zone, ordered) for known in sorted(inside)}
            variable = least if call.name == "min" else self._value(call, inputs, zone)
        else:
            made = {self._whole(known, call, zone) for known in sorted(inside)}
            variable = self._value(call, inputs, zone)
        for known in made if turning else ():
            cause = replace(self.ledger.flows[known].cause, unsafe=False, message=_NULL_OR_NOUGHT)
            self.ledger.update(known, cause=cause)
        if call.name not in purity.PLAIN_AGGREGATES:
            made.add(self.row.never("unread", call.span, f"the aggregate {call.name}"))
        timely = variable not in self.ledger.grains and self.row.of_time(inputs)
        return Field(variable, frozenset(made) | (flows & outside), timely)

    def _never_empty(self) -> bool:
        """Whether every group has a row: without keys there is one of no rows at all."""
        sets = self.aggregate.sets or (tuple(range(len(self.keys))),)
        return all(sets) and bool(self.keys)

    def _whole(self, known: int, call: AggregateCall, zone: Zone) -> int:
        """All rows of the group: complete as far as the keys say."""
        flow = self.ledger.flows[known]
        found = reach(flow, zone, self.fixed)
        own = [f.variable for f in self.state.fields if f.variable in self.ledger.grains]
        return complete(
            self.ledger, flow, found, self.row.zone, self._cause(call, flow, found, zone), own=own, zone=zone
        )

    def _first(
        self, call: AggregateCall, arguments: Sequence[Expression], branch: Row, conditions: Sequence[Expression]
    ) -> tuple[int, int] | None:
        """The instant whose least value decides, and the variable of that; None where it is not of this kind."""
        name = call.name
        by: Expression | None = None
        if name == "min" and len(arguments) == 1:
            by = arguments[0]
        elif name in ("arg_min", "arg_min_null") and len(arguments) == 2:
            by = arguments[1]
        elif name in ("first", "any_value") and call.order and not call.order[0].descending:
            by = call.order[0].expression if not call.order[0].nulls_first else None
        if by is None:
            return None
        value = branch.value(by)
        if not branch.is_instant(value) or value.variable is None:
            return None
        filtered = any(not _asks_presence(condition, value, branch) for condition in conditions)
        whole = (name in ("min", "first", "arg_min_null") and not call.ignore_nulls) or (
            bool(arguments) and branch.value(arguments[0]).variable in branch.zone.certain
        )
        if whole and not filtered and value.variable in self.least:
            return value.variable, self.least[value.variable]
        there = branch.zone.copy()
        there.assume([value.variable])
        made = member(self.row, there, value.variable, self.fixed)
        for key in self.instants:
            if key == value.variable:
                self.row.zone.equate(made, key)
        if whole and not filtered:
            self.least[value.variable] = made
            if value.variable in self.row.zone.certain:
                self.row.zone.assume([made])
            self.since.append((value.variable, made))
        else:
            self.some.append((value.variable, made))
        return value.variable, made

    def _exists_since(self, instant: int, least: int) -> None:
        """The group is there when the row with the least instant is known."""
        there = self.row.zone.copy()
        there.assume([instant])
        bounds = [there.bound(known, instant) for known in self.ledger.present(self.rows, there)]
        if bounds and all(bound is not None for bound in bounds):
            latest = max(bound for bound in bounds if bound is not None)
            for known in self.rows:
                self.row.zone.require(known, least, latest)

    def _since_first(self, known: int, instant: int, least: int, zone: Zone, ordered: bool) -> int:
        """A clock that is bounded by the least instant, as the rows' clocks are by theirs; by the keys too.

        Rows without that instant are not read, but by an ORDER BY where no row of the group has one.
        """
        flow = self.ledger.flows[known]
        there = zone.copy()
        there.assume([instant])
        found = reach(flow, zone if ordered else there, self.fixed)
        by_first = reach(flow, there, {instant})
        own = [f.variable for f in self.state.fields if f.variable in self.ledger.grains]
        cause = Cause("group", "whole-group", self.aggregate.span, self.row.model, slack="bucket-start")
        made = complete(self.ledger, flow, found, self.row.zone, cause, own=own, zone=zone)
        if instant in by_first.known:
            self.row.zone.require(made, least, by_first.known[instant])
        return made

    def _value(self, call: AggregateCall, inputs: Sequence[Value], zone: Zone) -> int:
        first = inputs[0] if inputs else None
        if call.name not in _MEMBERS or first is None or not self.row.is_instant(first) or first.variable is None:
            made = self.ledger.variable()
            if call.name.startswith("count"):
                self.row.zone.assume([made])
            return made
        made = member(self.row, zone, first.variable, self.fixed)
        if call.name == "max" and call.filter is None and first.variable in self.least:
            self.row.zone.require(self.least[first.variable], made, 0)
        return made

    # -- words -----------------------------------------------------------------------------------------------------

    def _cause(self, call: AggregateCall, flow: Flow, found: Reach, zone: Zone) -> Cause:
        span = call.span if call.span.start >= 0 else self.aggregate.span
        bucketed = bool(self.instants & self.ledger.buckets)
        cause = Cause(
            "group", self._rule(call), span, self.row.model, slack="bucket-start" if bucketed else "slack-bound",
            unsafe=not any(self.row.is_vague(key) for key in self.keys), subject=call.name,
            category=any(getattr(key, "type", None) in ("VARCHAR", None) for key in self.aggregate.keys),
        )  # fmt: skip
        if flow.joined is not None and flow.cause.kind == "scan" and self.instants:
            return flow.joined
        correlated = outer_instants(self.row)
        if correlated:
            named = bounded_by(flow, zone, correlated, replace(cause, rule="unbounded-join"))
            return named if named is not None else cause
        in_time = min((c for v, c in found.event.items() if v != ORIGIN), default=1)
        if in_time <= 0 and not any(v != ORIGIN for v in found.known):
            return replace(cause, rule="event-time-for-available")
        if in_time <= 0:
            return replace(cause, slack="delay-ignored")
        return cause

    def _rule(self, call: AggregateCall) -> str:
        if not self.keys:
            return "whole-relation"
        by: Expression | None = None
        if call.name in _NEWEST:
            by = call.arguments[1] if len(call.arguments) > 1 else None
            by = call.order[0].expression if call.order else by
            if by is not None and self.row.is_instant(self.row.value(by)):
                return "latest-row"
        if call.order and self.row.is_instant(self.row.value(call.order[0].expression)) and call.order[0].descending:
            return "latest-row" if call.name in ("first", "any_value") else "whole-group"
        return "whole-group"


def _asks_presence(condition: Expression, value: Value, row: Row) -> bool:
    """``x is not null``: what decides by ``x`` does not read other rows anyway."""
    if not isinstance(condition, Call) or condition.name != "is_not_null":
        return False
    return row.value(condition.arguments[0]).variable == value.variable


_NULL_OR_NOUGHT = (
    "Where there is nothing to add yet, the sum is null until a row of ELSE 0 comes, and nought from then on: "
    "add coalesce(…, 0), or use FILTER"
)


def _as_filter(
    call: AggregateCall, row: Row, never_empty: bool, masked: bool
) -> tuple[Sequence[Expression], list[Expression], bool]:
    """The arguments, the conditions without which a row adds nothing, and whether null may turn to nought.

    ``sum(case when c then x end)`` is ``sum(x) filter (where c)``; so is ``else 0`` of a sum, if the group has a row
    and ``x`` is never null: else a row of ``else 0`` makes a null sum nought. ``masked``: nobody can tell the two.
    """
    conditions = [call.filter] if call.filter is not None else []
    if call.name not in _IGNORES_NULLS or not call.arguments:
        return call.arguments, conditions, False
    case = call.arguments[0]
    if not isinstance(case, Call) or case.name not in ("case", "if") or len(case.arguments) < 3:
        return call.arguments, conditions, False
    default = case.arguments[-1]
    otherwise = default.value if isinstance(default, Constant) else ...
    nought = call.name == "sum" and not call.distinct and otherwise in _NEUTRAL_OF_SUM
    there = masked or (never_empty and all(_is_there(value, row) for value in case.arguments[1::2]))
    if otherwise is not None and not (nought and there):
        return call.arguments, conditions, nought
    tests = case.arguments[:-1:2]
    either = tests[0] if len(tests) == 1 else Call(case.span, "or", tuple(tests))
    value = case.arguments[1] if len(tests) == 1 else case
    return (value, *call.arguments[1:]), [*conditions, either], False


def noughts(project: Project) -> frozenset[int]:
    """The aggregates below a list that it reads as ``coalesce(…, 0)`` only: null and nought are the same there."""
    assert isinstance(project.input, Aggregate)
    masked: set[int] = set()
    seen: set[int] = set()
    waiting = list(project.expressions)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Subquery):
            return NOTHING  # it may read them too
        if isinstance(node, Column):
            seen.add(node.index)
        elif _or_nought(node) is not None:
            masked.add(_or_nought(node) or 0)
        else:
            waiting += inner(node)
    width = len(project.input.keys)
    return frozenset(index - width for index in masked - seen if index >= width)


def _or_nought(node: Expression) -> int | None:
    """The column of ``coalesce(column, 0)``."""
    if not isinstance(node, Call) or node.name != "coalesce" or len(node.arguments) != 2:
        return None
    one, other = node.arguments
    plain = isinstance(one, Column) and isinstance(other, Constant) and other.value in _NEUTRAL_OF_SUM
    return one.index if plain and isinstance(one, Column) else None


def _is_there(expression: Expression, row: Row) -> bool:
    """Whether a value is never null."""
    if isinstance(expression, Constant):
        return expression.value is not None
    if isinstance(expression, Column):
        return row.value(expression).variable in row.zone.certain
    if isinstance(expression, Call) and expression.name == "coalesce":
        return any(_is_there(part, row) for part in expression.arguments)
    return (
        isinstance(expression, Call)
        and expression.name in ("+", "-", "*", "neg", "abs", "cast")
        and all(_is_there(part, row) for part in expression.arguments)
    )


# -- some of the rows --------------------------------------------------------------------------------------------------


def distinct(relation: Distinct, row: Row, state: State) -> State:
    """Each row once: there when the first of them is. With ON the first by an order: a rank that is one."""
    if not relation.on:
        flows = state.rows.union(*(own.flows for own in state.fields))
        return replace(state, rows=flows, unique=(frozenset(range(len(state.fields))),), kept=None)
    rank = _rank(relation.span, relation.on, relation.order)
    made = Over(rank, row, state).field()
    rule = "latest-row" if relation.order else "whole-group"
    _rename(row.ledger, made.flows, rule, relation.span, row)
    indices = [part.index if isinstance(part, Column) and part.level == 0 else None for part in relation.on]
    unique = (frozenset(i for i in indices if i is not None),) if None not in indices else ()
    return State(row.zone, state.rows | made.flows, state.fields, unique)


def limited(relation: Limit, row: Row, state: State) -> State:
    """The first rows by an order: those of a low rank. Without one, of a sample or of a share of all: any of them."""
    if relation.sample or relation.share or not relation.order:
        rank = _rank(relation.span, (), ())
    else:
        rank = _rank(relation.span, (), relation.order)
    made = Over(rank, row, state).field()
    newest = not relation.sample and relation.order and relation.count == 1
    timed = newest and row.is_instant(row.value(relation.order[0].expression))
    rule = "random" if relation.sample else ("latest-row" if timed else "whole-relation")
    _rename(row.ledger, made.flows, rule, relation.span, row)
    one: tuple[frozenset[int], ...] = (frozenset(),) if relation.count == 1 and not relation.sample else ()
    return State(row.zone, state.rows | made.flows, state.fields, (*state.unique, *one))


def _rank(span: Span, partition: Sequence[Expression], order: Sequence[SortKey]) -> WindowCall:
    function = AggregateCall(span, "row_number", ())
    frame = Frame("range", Edge(False, None), Edge(False, 0))
    return WindowCall(span, function, tuple(partition), tuple(order), frame)


def _rename(ledger: Ledger, flows: Iterable[int], rule: str, span: Span, row: Row) -> None:
    """The finding of a rank that nobody wrote bears the name of what was written."""
    for known in flows:
        flow = ledger.flows[known]
        named = ("whole-partition", "rank-partition", "latest-row", "nullable-time")
        if flow.cause.kind == "frame" and flow.cause.rule in named and flow.cause.span == span:
            new = flow.cause.rule if flow.cause.rule == "nullable-time" else rule
            correlated = outer_instants(row)
            cause = replace(flow.cause, rule=new, subject="")
            if correlated:
                named_by = bounded_by(flow, row.zone, correlated, replace(cause, rule="unbounded-join"))
                if named_by is not None and (named_by.rule != "unbounded-join" or new != "latest-row"):
                    cause = named_by
            ledger.update(known, cause=cause)
