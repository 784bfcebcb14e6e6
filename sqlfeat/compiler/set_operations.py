"""UNION, INTERSECT and EXCEPT: rows of two relations, field by field."""

from __future__ import annotations

from dataclasses import replace

from sqlfeat.compiler.algebra import SetOperation
from sqlfeat.compiler.completion import bounded_by, complete, reach
from sqlfeat.compiler.flows import Cause, Field, Ledger, State
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.joins import outer_instants


def combined(relation: SetOperation, left: State, right: State, ledger: Ledger, row: Row) -> State:
    """UNION: rows of either; a clock of the one branch is not there in rows of the other. EXCEPT and INTERSECT hang
    on the other side's equal rows, a set that is fixed by the row's own values.
    """
    if relation.kind == "union":
        both = _union(left, right, ledger, row.outside)
        if relation.all:
            return both
        flows = both.rows.union(*(own.flows for own in both.fields))
        return replace(both, rows=flows, unique=(frozenset(range(len(both.fields))),))
    names = dict(zip((f.variable for f in right.fields), (f.variable for f in left.fields), strict=True))
    other = right.zone.renamed(names)
    fixed = {f.variable for f in left.fields if f.variable in ledger.grains} | outer_instants(row)
    zone = left.zone.copy()
    rows = set(left.rows.union(*(own.flows for own in left.fields)))
    outside = row.outside
    for known in sorted(right.flows - outside):
        flow = ledger.flows[known]
        cause = Cause("join", "future-existence", relation.right.span, row.model, subject=relation.kind)
        found = reach(flow, other, fixed)
        named = bounded_by(flow, other, fixed, cause) or cause
        own = [f.variable for f in left.fields if f.variable in ledger.grains]
        rows.add(complete(ledger, flow, found, zone, named, own=own, zone=other))
    unique = () if relation.all else (frozenset(range(len(left.fields))),)
    return State(zone, frozenset(rows | (right.flows & outside)), left.fields, unique)


def _union(left: State, right: State, ledger: Ledger, outside: frozenset[int]) -> State:
    """The hull of both halves, column by column; the clocks of one half are absent in the other."""
    variables: list[int] = []
    for one, other in zip(left.fields, right.fields, strict=True):
        grains = [ledger.grains.get(own.variable) for own in (one, other)]
        instant = all(grain is not None for grain in grains)
        lowest = min(g for g in grains if g is not None) if instant else None
        shared = (
            lowest if lowest and all(g is not None and g % lowest == 0 for g in grains) else (0 if 0 in grains else 1)
        )
        variables.append(ledger.variable(shared if instant else None))
    spread = []
    for state in (left, right):
        made = state.zone.copy()
        for own, variable in zip(state.fields, variables, strict=True):
            ledger.alias(made, own.variable, variable)
        spread.append(made)
    spread[0].absent |= ledger.variables(right.flows - left.flows - outside)
    spread[1].absent |= ledger.variables(left.flows - right.flows - outside)
    zone = spread[0].hull(spread[1])
    fields = tuple(
        Field(variable, one.flows | other.flows, one.timely or other.timely)
        for variable, one, other in zip(variables, left.fields, right.fields, strict=True)
    )
    return State(zone, left.rows | right.rows, fields)
