"""What is known of a node when a model reads it: a source as it is declared, a model as it was proved.

A source's declaration is trusted. Of a model counts what was derived from its SQL; its declared time says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlfeat.compiler import purity
from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.calendar_units import months_range
from sqlfeat.compiler.flows import NOTHING, Cause, Field, Flow, Ledger, Root, State
from sqlfeat.compiler.manifest import Column, TimeFacts, WindowView
from sqlfeat.compiler.time_functions import grain_of_type
from sqlfeat.compiler.zone import Zone
from sqlfeat.spec.duration import Duration

NOWHERE = Span(-1, -1)


def is_time(type_name: str) -> bool:
    return type_name.startswith(("TIMESTAMP", "DATE"))


def duration_range(duration: Duration | None) -> tuple[int, int]:
    """The shortest and the longest that a declared span can be."""
    if duration is None:
        return 0, 0
    shortest, longest = months_range(duration.months)
    return shortest + duration.microseconds, longest + duration.microseconds


def blank(ledger: Ledger, columns: Sequence[Column], flows: frozenset[int] = NOTHING) -> tuple[Field, ...]:
    """Columns of which only the types are known."""
    return tuple(
        Field(ledger.variable(grain_of_type(column.type) if is_time(column.type) else None), flows)
        for column in columns
    )


def source_state(ledger: Ledger, node: str, columns: Sequence[Column], time: TimeFacts) -> State:
    """A source: each row is final when it is known, exactly then; what is immutable always was."""
    fields = blank(ledger, columns)
    zone = Zone()
    if time.immutable:
        return _with_updates(ledger, node, State(zone, NOTHING, fields), columns, time)
    by_name = {column.name.casefold(): (own, column) for own, column in zip(fields, columns, strict=True)}
    event = by_name.get((time.event_time or "").casefold())
    available = by_name.get((time.available_at or "").casefold())
    if event is None and available is None:
        return _unknown(ledger, zone, fields, "untimed", Root(node))
    root = Root(node, time.event_time, time.available_at or time.event_time)
    if event is not None and available is None and time.available_after is None and event[1].type == "DATE":
        return _unknown(ledger, zone, fields, "date-event-time", root)
    known = ledger.variable()
    happened = ledger.variable(0) if event is not None else None
    if event is not None and happened is not None:
        zone.equate(happened, event[0].variable)
        zone.imply(happened, [event[0].variable])
    if available is not None:
        zone.equate(known, available[0].variable)
    elif event is not None:
        shortest, longest = duration_range(time.available_after)
        zone.require(known, event[0].variable, longest)
        zone.require(event[0].variable, known, -shortest)
        root = replace(root, delay=longest if time.available_after is not None else None)
    cause = Cause("scan", "dropped-available-at", NOWHERE, "")
    flows = frozenset({ledger.enter(Flow(known, happened, root, cause))})
    state = State(zone, flows, tuple(replace(own, flows=flows) for own in fields))
    return _with_updates(ledger, node, state, columns, time)


def _with_updates(ledger: Ledger, node: str, state: State, columns: Sequence[Column], time: TimeFacts) -> State:
    """The columns that are written later than their row have a clock of their own.

    Of an instant that is written when it comes, whether it has come by ``t`` is known by ``t``: it is an open end.
    """
    fields, places = list(state.fields), {column.name.casefold(): i for i, column in enumerate(columns)}
    for column, written in time.written:
        index, when = places[column.casefold()], written.available_at
        event = places.get((time.event_time or "").casefold())
        message = f"The column {column} of {node.split('.', 1)[1]} is updated in place"
        if when is not None:
            message += f", at {when}: later than its row."
        elif written.available_after is not None:
            message += f", {written.available_after} after its row."
        else:
            message += ", and nothing says when."
        nobody_knows = when is None and written.available_after is None
        cause = Cause(
            "never" if nobody_knows else "written", "in-place-update", NOWHERE, "", slack="in-place-update",
            settled=nobody_knows, message=message,
        )  # fmt: skip
        root = Root(node, time.event_time, when or time.event_time)
        known = ledger.enter(Flow(ledger.variable(), None, root, cause))
        if when is not None:
            own = fields[places[when.casefold()]].variable
            state.zone.equate(known, own)
            if own == fields[index].variable:
                ledger.open_ends[own] = {known: 0}
        elif event is not None and not nobody_knows:
            shortest, longest = duration_range(written.available_after)
            state.zone.require(known, fields[event].variable, longest)
            state.zone.require(fields[event].variable, known, -shortest)
        fields[index] = replace(fields[index], flows=fields[index].flows | {known})
    return replace(state, fields=tuple(fields))


def _unknown(ledger: Ledger, zone: Zone, fields: tuple[Field, ...], rule: str, root: Root) -> State:
    """A relation whose rows are known nobody knows when."""
    cause = Cause("never", rule, NOWHERE, "", unsafe=False, settled=True)
    flows = frozenset({ledger.enter(Flow(ledger.variable(), None, root, cause))})
    return State(zone, flows, tuple(replace(own, flows=flows) for own in fields))


def labelled(
    ledger: Ledger, node: str, state: State, event: int | None, horizon: Duration | None, columns: frozenset[int]
) -> State:
    """A label model as others may read it: nothing of its label columns before its event time and its horizon."""
    root = Root(node)
    zone = state.zone.copy()
    if event is None or horizon is None:
        message = f"{node.split('.', 1)[1]} is a label model without a horizon: nothing says when its rows are known."
        cause = Cause("never", "label-horizon", NOWHERE, "", unsafe=False, settled=True, message=message)
        known = ledger.enter(Flow(ledger.variable(), None, root, cause))
    else:
        cause = Cause("label", "label-horizon", NOWHERE, "", slack="label-horizon")
        known = ledger.enter(Flow(ledger.variable(), None, root, cause))
        shortest, longest = duration_range(horizon)
        zone.require(known, event, longest)
        zone.require(event, known, -shortest)
    flows = frozenset({known})
    fields = tuple(
        replace(own, flows=own.flows | flows) if index in columns else own for index, own in enumerate(state.fields)
    )
    return replace(state, zone=zone, fields=fields)


def placed(ledger: Ledger, state: State, span: Span, model: str) -> State:
    """The flows of a fresh copy, seen from the model that reads it: what is not yet spoilt begins at the reference."""
    for known in state.flows:
        flow = ledger.flows[known]
        if flow.cause.span.start < 0:
            ledger.update(known, cause=replace(flow.cause, span=span, model=model))
    return state


def with_ties(state: State, columns: Sequence[Column], view: WindowView) -> State:
    """A view with its windows: which event is the last of one instant is for the plain columns to decide."""
    ordered = {each.call.token for each in view.aggregates if each.function in purity.ORDERED_AGGREGATES}
    windows = {item.name.casefold(): bool(ordered & set(item.tokens)) for item in view.items}
    named = list(zip(columns, state.fields, strict=True))
    plain = NOTHING.union(*(own.flows for column, own in named if column.name.casefold() not in windows))
    fields = tuple(
        replace(own, flows=own.flows | plain) if windows.get(column.name.casefold()) else own for column, own in named
    )
    return replace(state, fields=fields)


def windows_as_read(
    ledger: Ledger, state: State, windows: frozenset[int], usable: Mapping[int, tuple[int, int]], late: Sequence[int]
) -> tuple[State, dict[int, int]]:
    """A view with its windows as ``ref()`` gives them, as of the instant from which a row is usable.

    ``windows`` are the columns; ``usable`` the instants of which the latest is that one, with the shortest and the
    longest delay. A window has other rows in it too. So the ``late`` flows, which are not in time, have clocks of
    their own in it, as what bounds them in their own row says nothing of the others; given by the first ones.
    """
    zone = state.zone.copy()
    final = set()
    for end, (shortest, longest) in usable.items():
        known, event = ledger.variable(), ledger.variable(0)
        zone.require(known, end, longest)
        zone.require(end, known, -shortest)
        zone.require(event, end, longest)
        final.add(ledger.enter(Flow(known, event, Root(""), Cause("scan", "", NOWHERE, ""))))
    others = {}
    for known in late:
        made = replace(ledger.flows[known], known=ledger.variable(), event=ledger.variable(0))
        others[known] = ledger.enter(made)
    fields = tuple(
        Field(own.variable, frozenset(others[f] for f in own.flows | state.rows if f in others) | final)
        if index in windows else own
        for index, own in enumerate(state.fields)
    )  # fmt: skip
    return replace(state, zone=zone, fields=fields), others
