"""Window functions: which rows of its partition a row's value is computed from.

Every row of a partition agrees in the partition keys; and a frame that does not pass the current row in an ascending
order has rows ``s`` with ``s.o <= r.o`` only, ties included. So what bounds a clock by the order key bounds the whole
frame. Nulls that come first are in every such frame, and of those nothing is known; and where ``r.o`` is null itself
nothing is said. Of several order keys the first one counts, as it holds for ties of it too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import Column, Expression, SortKey, WindowCall
from sqlfeat.compiler.completion import Reach, complete, reach
from sqlfeat.compiler.conditions import assume, truth
from sqlfeat.compiler.flows import Cause, Field, Flow, State
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.joins import member, outer_instants
from sqlfeat.compiler.sides import ALL, EARLY, LATE, NEIGHBOURS, RANKS, WHOLE, Side, Sides
from sqlfeat.compiler.values import Value, together
from sqlfeat.compiler.zone import Zone

_MEMBERS = frozenset({
    "lag", "lead", "first_value", "last_value", "nth_value", "min", "max", "any_value", "first", "last", "arg_min",
    "arg_max", "arg_min_null", "arg_max_null", "mode", "quantile_disc",
})  # fmt: skip
"""Functions that give one of the values that they read, as a median between two does not."""


class Over:
    """One window function over the rows of a relation."""

    def __init__(
        self, call: WindowCall, row: Row, state: State, others: dict[tuple[object, ...], int] | None = None
    ) -> None:
        """``others`` are the instants of other rows that the functions of one list share."""
        self.call, self.row, self.state = call, row, state
        self.others: dict[tuple[object, ...], int] = {} if others is None else others
        self.ledger = row.ledger
        self.partition = row.values(call.partition)
        self.keys = [key for key in call.order if not _among(key.expression, call.partition)]
        self.order = row.values(key.expression for key in call.order)
        self.key: SortKey | None = self.keys[0] if self.keys else None
        self.by: Value | None = row.value(self.key.expression) if self.key is not None else None
        self.doubts = ()
        function = call.function
        self.arguments = row.values((*function.arguments, *(key.expression for key in function.order)))

    def field(self) -> Field:
        """The function's column: its flows complete over the frame, and if it is an instant its bounds."""
        function = self.call.function
        members, zone = self._members()
        offsets = [b.offset for b in (self.call.frame.start, self.call.frame.end) if isinstance(b.offset, Expression)]
        here = together((*self.partition, *self.order, *self.row.values(offsets)))
        inputs = together(self.arguments) | here | self.state.rows | members
        side = Sides(self.call, self.keys, self.by, self.row).side()
        outside = self.row.outside
        inside = self.ledger.present(inputs - outside, zone)
        next_ = self._next(side, zone)
        made = {known: self._completed(known, side, zone, next_) for known in sorted(inside)}
        flows = set(made.values()) | (inputs & outside)
        if function.name not in purity.PLAIN_AGGREGATES | RANKS | WHOLE | NEIGHBOURS | _MEMBERS:
            flows.add(self.row.never("unread", self.call.span, f"the function {function.name}"))
        variable = self._value(side, zone, next_)
        if variable == next_:
            self._open_end(variable, made, zone)
        timely = variable not in self.ledger.grains and self.row.of_time((*self.arguments, *self.order))
        return Field(variable, frozenset(flows) | here, timely)

    def _next(self, side: Side, zone: Zone) -> int | None:
        """The instant on which a value hangs that is not bounded by its row: the next row's key, or the least one.

        Both are final like the least instant of a group: once it is there, no row that is known later comes before
        it. The least one is not after the row's own.
        """
        function, by = self.call.function, self.by
        if function.name == "min" and self._whole() and len(function.arguments) == 1 and not function.filter:
            own = self.arguments[0].variable
            if own is not None and self.row.is_instant(self.arguments[0]):
                made = self._another(own, ("least", _shape(function.arguments)), zone)
                self.row.zone.imply(own, [made])
                self.row.zone.require(made, own, 0)
                return made
        if side.where != LATE or function.name not in NEIGHBOURS or by is None or by.variable is None:
            return None
        if not self.row.is_instant(by) or not self._nulls_outside(zone) or len(function.arguments) > 2:
            return None
        assert self.key is not None
        step = function.arguments[1].value if len(function.arguments) > 1 else 1  # type: ignore[attr-defined]
        found = _shape(function.arguments[:1]) if function.ignore_nulls else ()  # which row that is, hangs on its nulls
        made = self._another(by.variable, ("next", abs(step), *found, _shape(self.call.order)), zone)
        self.row.zone.imply(made, [by.variable])  # rows without a key have none with one after them
        self.row.zone.require(by.variable, made, 0)
        return made

    def _whole(self) -> bool:
        """Whether the frame is the whole partition, whatever the order."""
        start, end = self.call.frame.start, self.call.frame.end
        open_ = start.offset is None and end.offset is None and not start.following and end.following
        return open_ and self.call.frame.exclude is None

    def _another(self, own: int, what: tuple[object, ...], zone: Zone) -> int:
        """The variable of that instant of another row; two functions over the same rows have the same."""
        mark = (own, what, _shape(self.call.partition))
        if mark not in self.others:
            fixed = {v.variable for v in self.partition if v.variable is not None} | outer_instants(self.row)
            self.others[mark] = member(self.row, zone, own, fixed)
        return self.others[mark]

    def _open_end(self, next_: int, made: dict[int, int], zone: Zone) -> None:
        """Whether the next row is at ``t`` or before is known by ``t``, as far as the rows are known by their key."""
        if self.by is None or self.by.variable is None or self.call.function.name not in NEIGHBOURS:
            return
        there = zone.copy()
        there.assume([self.by.variable])
        late = {made[known]: there.bound(known, self.by.variable) for known in made}
        if all(bound is not None for bound in late.values()):
            self.ledger.open_ends[next_] = {k: bound for k, bound in late.items() if bound is not None}

    def _members(self) -> tuple[frozenset[int], Zone]:
        """The flows of the FILTER, and what is known of the rows that pass it."""
        condition = self.call.function.filter
        if condition is None:
            return frozenset(), self.row.zone.copy()
        self.row.value(condition)
        branch = self.row.branch()
        doubts = assume(branch, condition)
        flows = branch.value(condition).flows
        for known in (self.state.flows | flows) if doubts else ():
            self.ledger.update(known, doubts=(*self.ledger.flows[known].doubts, *doubts))
        return flows, branch.zone

    def _nulls_outside(self, zone: Zone) -> bool:
        """Whether no row with a null order key is read for a row that has one."""
        assert self.key is not None
        assert self.by is not None
        if self.by.variable in zone.certain:
            return True
        return self.key.nulls_first if self.key.descending else not self.key.nulls_first

    # -- clocks ----------------------------------------------------------------------------------------------------

    def _completed(self, known: int, side: Side, zone: Zone, next_: int | None) -> int:
        flow = self.ledger.flows[known]
        fixed = {value.variable for value in self.partition if self.row.is_instant(value)}
        keys = self.ledger.with_ends({v for v in fixed if v is not None})
        found = reach(flow, zone, keys | outer_instants(self.row))
        ordered = self._ordered(flow, side, zone)
        both = Reach(
            {**ordered.known, **found.known},
            {**ordered.event, **found.event},
            {**ordered.before, **found.before},
        )
        own = [f.variable for f in self.state.fields if f.variable in self.ledger.grains]
        cause = self._cause(side, flow, both)
        made = complete(self.ledger, flow, both, self.row.zone, cause, own=own, zone=zone)
        for instant, bound in self._by_next(flow, next_, zone).items():
            self.row.zone.require(made, instant, bound)
        if side.inexact:
            self.ledger.update(made, inexact=True)
        if flow.cause.rule == "lead" and not self.call.frame.end.following and self.call.frame.end.offset:
            self.ledger.update(made, cause=replace(self.ledger.flows[made].cause, unsafe=False))
        return made

    def _by_next(self, flow: Flow, next_: int | None, zone: Zone) -> dict[int, int]:
        """The bound by the instant on which the value hangs: that of a row's clock by its own."""
        least = self.call.function.name == "min"
        own = self.arguments[0].variable if least and self.arguments else (self.by.variable if self.by else None)
        if next_ is None or own is None:
            return {}
        there = zone.copy()
        there.assume([own])
        bound = there.bound(flow.known, own)
        return {} if bound is None else {next_: bound}

    def _ordered(self, flow: Flow, side: Side, zone: Zone) -> Reach:
        """What bounds the rows of the frame by the current row's order key."""
        by = self.by.variable if self.by is not None else None
        if side.where != EARLY or by is None or not self.row.is_instant(Value(variable=by)):
            return Reach({}, {}, {})
        if not self._nulls_outside(zone):
            return Reach({}, {}, {})
        there = zone.copy()
        there.assume([by])
        found = reach(flow, there, {by})
        beyond = side.beyond or 0
        back = side.back
        return Reach(
            {by: found.known[by] + beyond} if by in found.known else {},
            {by: found.event[by] + beyond} if by in found.event else {},
            {by: found.before[by] + back} if by in found.before and back is not None else {},
        )

    def _value(self, side: Side, zone: Zone, next_: int | None) -> int:
        """The variable of the column; an instant that is taken from a row of the frame is bounded as that one is."""
        if next_ is not None and self.arguments:
            decides = self.arguments[0].variable if self.call.function.name == "min" or self.by is None else None
            if decides is not None or (self.by is not None and self.arguments[0].variable == self.by.variable):
                return next_
        name, first = self.call.function.name, self.arguments[0] if self.arguments else None
        taken = name in _MEMBERS and first is not None and self.row.is_instant(first)
        if not taken or first is None or first.variable is None or len(self.call.function.arguments) > 2:
            variable = self.ledger.variable()
            if name in RANKS or name.startswith("count"):
                self.row.zone.assume([variable])
            return variable
        fixed = {v.variable for v in self.partition if v.variable is not None} | outer_instants(self.row)
        made = member(self.row, zone, first.variable, fixed)
        self._by_order(made, first.variable, side, zone)
        return made

    def _by_order(self, made: int, own: int, side: Side, zone: Zone) -> None:
        by = self.by.variable if self.by is not None else None
        if by is None or not self.row.is_instant(Value(variable=by)):
            return
        if side.where == LATE and self.call.function.name in NEIGHBOURS:
            sure = own == by or by in zone.certain or by in zone.implied.get(own, ())
            least = zone.bound(by, own)
            if sure and least is not None:
                self.row.zone.require(by, made, least)
        if side.where != EARLY or not self._nulls_outside(zone):
            return
        there = zone.copy()
        there.assume([by])
        after, before = there.bound(own, by), there.bound(by, own)
        if after is not None:
            self.row.zone.require(made, by, after + (side.beyond or 0))
        if before is not None and side.back is not None:
            self.row.zone.require(by, made, before + side.back)

    # -- words -----------------------------------------------------------------------------------------------------

    def _cause(self, side: Side, flow: Flow, found: Reach) -> Cause:
        rule, unsafe = self._rule(side, flow), True
        slack = "whole-partition" if self.key is None else "following-frame"
        if flow.event is not None and not found.known and min(found.event.values(), default=1) <= 0:
            rule = "event-time-for-available"
        elif min(found.event.values(), default=1) <= 0:
            slack = "delay-ignored"
        if rule == "nullable-time" and not (self.key and self.key.nulls_first):
            unsafe = False
        if self.by is not None and self.row.is_vague(self.by):  # ordered by a time after all, as a number or a text
            unsafe = False
        return Cause(
            "frame", rule, self.call.span, self.row.model, slack=slack, unsafe=unsafe, subject=self.call.function.name
        )

    def _rule(self, side: Side, flow: Flow) -> str:
        name = self.call.function.name
        timed = self.by is not None and self.row.is_instant(self.by)
        if name in WHOLE or self.key is None:
            return "whole-partition"
        if name in RANKS:
            if not timed:
                return "rank-partition"
            if side.where == EARLY:
                return "nullable-time" if not self._nulls_outside(self.row.zone) else "whole-partition"
            return "latest-row"
        if not timed:
            return "lead" if name == "lead" else "whole-partition"
        if side.where == EARLY:
            return "nullable-time" if not self._nulls_outside(self.row.zone) else "whole-partition"
        if name in NEIGHBOURS:
            return "lead"
        if side.where == ALL and not (self.key.descending and self._starts_here()):
            return "whole-partition"
        return "following-frame"

    def _starts_here(self) -> bool:
        """Whether the frame's other end is the current row or near it: a frame that looks ahead, not a whole one."""
        frame = self.call.frame
        ends = (frame.start, frame.end)
        return any(bound.offset is not None for bound in ends)


def _among(expression: Expression, others: tuple[Expression, ...]) -> bool:
    """Whether a column is one of these: what is the same for a whole partition orders nothing in it."""
    if not isinstance(expression, Column):
        return False
    return any(
        isinstance(other, Column) and (other.index, other.level) == (expression.index, expression.level)
        for other in others
    )


def with_windows(row: Row, state: State, calls: tuple[WindowCall, ...], as_of: Callable[[WindowCall], bool]) -> State:
    """The relation with a column for each window function.

    ``as_of`` tells which ones are a ``window()`` of sqlfeat's: it reads, at any time, rows that are usable by then. So
    it is as good as what it reads of each single row.
    """
    made: list[Field] = []
    others: dict[tuple[object, ...], int] = {}
    ranks = []
    for call in calls:
        over = Over(call, row, state, others)
        columns = [e.index for e in call.partition if isinstance(e, Column) and e.level == 0]
        if call.function.name == "row_number" and len(columns) == len(call.partition):
            ranks.append((len(state.fields) + len(made), frozenset(columns)))
        if as_of(call):
            made.append(Field(row.ledger.variable(), _of_one_event(over)))
        else:
            made.append(over.field())
    fields = (*state.fields, *made)
    return replace(state, zone=row.zone, fields=fields, ranks=(*state.ranks, *ranks))


def _of_one_event(over: Over) -> frozenset[int]:
    """What an event gives to a window: its values, where it passes the FILTER."""
    row, condition = over.row, over.call.function.filter
    if condition is None:
        return together(over.arguments)
    branch = row.branch()
    assume(branch, condition)
    return row.within(together(over.arguments), branch.zone) | truth(row, condition)


def _shape(expressions: tuple[object, ...]) -> tuple[object, ...]:
    """What tells lists of expressions apart: columns by their place, all else by itself."""
    found: list[object] = []
    for expression in expressions:
        if isinstance(expression, SortKey):
            found += [*_shape((expression.expression,)), expression.descending, expression.nulls_first]
        elif isinstance(expression, Column):
            found.append((expression.index, expression.level))
        else:
            found.append(id(expression))
    return tuple(found)
