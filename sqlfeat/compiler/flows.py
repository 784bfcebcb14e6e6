"""What is known of a relation's rows and columns: from which source each came, and when it is final.

A *flow* is one way by which rows of one source reach a row. Its clock ``known`` is a variable of the zone, with this
meaning (the invariant of everything that is built on it):

    Run the relation once on all data and once on what was known at T. The rows all of whose clocks are not after T
    can be matched one to one, and a column all of whose clocks are not after T is equal in matched rows.

A clock that never comes is infinitely late, so a relation may have flows without any bound. Nothing here knows SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.zone import Zone

NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Root:
    """The source at the beginning of a flow, and how its rows become known.

    ``known`` is the column that says when, or the event time's; ``delay`` is a declared one in microseconds.
    """

    node: str
    event_time: str | None = None
    known: str | None = None
    delay: int | None = None
    """None: none is declared."""


@dataclass(frozen=True)
class Cause:
    """What made a flow as late as it is: a construct of the SQL, and what to say if it turns out to be too late.

    ``rule`` names the finding where there is no bound at all, ``slack`` where there is one. ``kind`` is ``scan`` for
    a flow that nothing has touched yet; a ``settled`` one is too late whatever comes after. ``subject`` is a word or
    two of the SQL for the sentence.
    """

    kind: str
    rule: str
    span: Span
    model: str
    slack: str = "slack-bound"
    unsafe: bool = True
    subject: str = ""
    settled: bool = False
    message: str | None = None
    category: bool = False
    """Statistics by a text: joined back, an encoding of it."""


@dataclass(frozen=True)
class Flow:
    """One way by which rows of a source reach a row of the relation.

    ``known`` is its clock and ``event`` the event time of the source's rows (any of them), both variables of the
    zone. ``joined`` is the first join that put it beside rows that do not bound it. ``doubts`` are conditions on
    times that were not understood. The flow is not there in a row in which one of ``void`` is not null.
    """

    known: int
    event: int | None
    root: Root
    cause: Cause
    joined: Cause | None = None
    doubts: tuple[Span, ...] = ()
    void: frozenset[int] = NOTHING
    inexact: bool = False
    bucketed: bool = False
    """A condition set its rows against the start of a bucket."""

    @property
    def variables(self) -> set[int]:
        return {self.known} if self.event is None else {self.known, self.event}


@dataclass(frozen=True)
class Field:
    """A column: its variable (also of one that is no instant: whether it is null), and the flows of its values.

    ``timely``: it is made from times, in a way that is not followed; so what is compared with it, or grouped by it,
    may be bounded by it after all.
    """

    variable: int
    flows: frozenset[int] = NOTHING
    timely: bool = False


@dataclass
class State:
    """A relation: its zone, the flows that a row's existence hangs on, its columns and its unique keys.

    ``kept`` are columns of which every combination of values that some earlier relation has is still there, whatever
    flowed in since, and the flows of that relation's rows.
    """

    zone: Zone
    rows: frozenset[int]
    fields: tuple[Field, ...]
    unique: tuple[frozenset[int], ...] = ()
    kept: tuple[frozenset[int], frozenset[int]] | None = None
    ranks: tuple[tuple[int, frozenset[int]], ...] = ()
    """The columns that number the rows of a partition, and the columns that it is of."""

    @property
    def flows(self) -> frozenset[int]:
        """Every flow of the relation."""
        return self.rows.union(*(own.flows for own in self.fields))

    def flows_of(self, index: int) -> frozenset[int]:
        """What must be final for a column of a row to be: the row's flows and its own."""
        return self.rows | self.fields[index].flows


@dataclass
class Ledger:
    """Every variable and flow of one analysis, by number; numbers are never used twice."""

    flows: dict[int, Flow] = field(default_factory=dict)
    grains: dict[int, int] = field(default_factory=dict)
    """The variables that are instants, and of how many microseconds each is a multiple; zero is finer than one."""
    buckets: set[int] = field(default_factory=set)
    """The instants that were cut to the start of something."""
    estimates: set[int] = field(default_factory=set)
    """The instants at a distance that is not exact: calendar months."""
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of the starts of months, quarters and years: how many months they have, and the instant at which they end."""
    cuts: dict[int, dict[tuple[int, int, int], int]] = field(default_factory=dict)
    """Of an instant: the starts that were cut from it, by length, grain and months."""
    latest: dict[int, dict[int, int]] = field(default_factory=dict)
    """The later one of two instants, by the lesser of their numbers and the other."""
    vague: set[int] = field(default_factory=set)
    """The instants that are made from others in a way that is not followed."""
    open_ends: dict[int, dict[int, int]] = field(default_factory=dict)
    """Of the instants of the next row in time: by how much later than any ``t`` it is sure, for each of their flows,
    whether the next row is at ``t`` or before."""
    numbers: count[int] = field(default_factory=lambda: count(1))

    def variable(self, grain: int | None = None) -> int:
        """A new variable; an instant if it has a grain."""
        number = next(self.numbers)
        if grain is not None:
            self.grains[number] = grain
        return number

    def enter(self, flow: Flow) -> int:
        self.flows[flow.known] = flow
        return flow.known

    def update(self, known: int, **changes: object) -> None:
        self.flows[known] = replace(self.flows[known], **changes)  # type: ignore[arg-type]

    def variables(self, flows: Iterable[int]) -> set[int]:
        """The variables of these flows, what makes them void included."""
        found: set[int] = set()
        for known in flows:
            found |= self.flows[known].variables
        return found

    def with_ends(self, variables: Iterable[int]) -> set[int]:
        """These, what was cut from them, and the ends of what are starts: all are fixed where these are."""
        found = set(variables)
        for variable in list(found):
            found |= set(self.cuts.get(variable, {}).values())
            found |= {made for other, made in self.latest.get(variable, {}).items() if other in found}
        return found | {self.ends[variable][1] for variable in found if variable in self.ends}

    def later_of(self, one: int, other: int) -> int | None:
        """The variable of ``greatest(one, other)``, if somebody has asked for it."""
        first, second = sorted((one, other))
        return self.latest.get(first, {}).get(second)

    def present(self, flows: frozenset[int], zone: Zone) -> frozenset[int]:
        """The flows without those that are void where the zone's certain variables are there."""
        return frozenset(known for known in flows if not self.flows[known].void & zone.certain)

    def pruned(self, state: State, kept: Iterable[int] = ()) -> State:
        """The relation without variables, flows and doubles that nothing names any more; ``kept`` ones stay."""
        present = {known: self.flows[known] for known in self.present(state.flows, state.zone)}
        same: dict[object, int] = {}
        names: dict[int, int] = {}
        stay = {own.variable for own in state.fields}.union({0}, kept, *(flow.void for flow in present.values()))
        named = self.with_ends(stay)
        for known in sorted(present):
            flow = present[known]
            bounds = [sorted((v, c) for v, c in state.zone.bounds_of(known).items() if v in named)]
            if flow.event is not None:
                for table in (state.zone.bounds_of(flow.event), state.zone.bounds_from(flow.event)):
                    bounds.append(sorted((v, c) for v, c in table.items() if v in named))
            if any(known in ends for ends in self._open(state)):
                names[known] = known
                continue
            mark = (flow.root, flow.cause, flow.joined, flow.doubts, flow.void, flow.inexact, str(bounds))
            names[known] = known if known in kept else same.setdefault(mark, known)
        rows = frozenset(names[known] for known in state.rows if known in names)
        fields = tuple(
            replace(own, flows=frozenset(names[known] for known in own.flows if known in names)) for own in state.fields
        )
        result = replace(state, rows=rows, fields=fields)
        result.zone.keep(named | self.with_ends(self.variables(result.flows)))
        return result

    def _open(self, state: State) -> list[dict[int, int]]:
        return [self.open_ends[own.variable] for own in state.fields if own.variable in self.open_ends]

    def again(self, state: State, fixed: frozenset[int] = NOTHING) -> State:
        """The same relation read once more: other variables, but for the fixed ones, which are of an outer row."""
        names = self._names(state, fixed)
        for known in state.flows:
            if known in names:
                flow = self.flows[known]
                self.enter(
                    replace(
                        flow,
                        known=names[known],
                        event=None if flow.event is None else names.get(flow.event, flow.event),
                        void=_renamed(flow.void, names),
                    )
                )
        fields = tuple(
            replace(f, variable=names.get(f.variable, f.variable), flows=_renamed(f.flows, names)) for f in state.fields
        )
        kept = state.kept and (state.kept[0], _renamed(state.kept[1], names))
        zone, rows = state.zone.renamed(names), _renamed(state.rows, names)
        return replace(state, zone=zone, rows=rows, fields=fields, kept=kept)

    def apart(self, state: State, others: set[int]) -> State:
        """The relation with variables of its own for what it has from the row outside, as where it may be missing."""
        shared = [own.variable for own in state.fields if own.variable in others]
        if not shared:
            return state
        zone = state.zone.copy()
        names = {variable: self.alias(zone, variable) for variable in shared}
        fields = tuple(replace(own, variable=names.get(own.variable, own.variable)) for own in state.fields)
        return replace(state, zone=zone, fields=fields)

    def alias(self, zone: Zone, variable: int, name: int | None = None) -> int:
        """Another name for a variable of this row: one relation may give one column twice."""
        name = self.variable(self.grains.get(variable)) if name is None else name
        if variable in zone.absent:
            zone.absent.add(name)
        zone.imply(name, [variable])
        zone.imply(variable, [name])
        if variable in zone.certain:
            zone.assume([name])
        zone.equate(name, variable)
        for marks in (self.buckets, self.estimates, self.vague):
            if variable in marks:
                marks.add(name)
        return name

    def _names(self, state: State, fixed: frozenset[int]) -> dict[int, int]:
        old = {own.variable for own in state.fields} | self.variables(state.flows)
        for known in state.flows:
            old |= self.flows[known].void
        old = self.with_ends(old)
        names: dict[int, int] = {}
        for variable in sorted(old - fixed):
            names[variable] = self.variable(self.grains.get(variable))
            for marks in (self.buckets, self.estimates, self.vague):
                if variable in marks:
                    marks.add(names[variable])
        for variable, name in list(names.items()):
            if variable in self.ends:
                months, end = self.ends[variable]
                self.ends[name] = (months, names.get(end, end))
            if variable in self.cuts:
                self.cuts[name] = {cut: names.get(start, start) for cut, start in self.cuts[variable].items()}
            if variable in self.latest:
                for other, made in self.latest[variable].items():
                    if made in names:
                        first, second = sorted((name, names.get(other, other)))
                        self.latest.setdefault(first, {})[second] = names[made]
            if variable in self.open_ends:
                self.open_ends[name] = {names.get(k, k): late for k, late in self.open_ends[variable].items()}
        return names


def _renamed(variables: frozenset[int], names: Mapping[int, int]) -> frozenset[int]:
    return frozenset(names.get(variable, variable) for variable in variables)
