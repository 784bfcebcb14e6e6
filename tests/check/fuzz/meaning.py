"""What window() and feature() mean, in plain SQL: the sentences of TIME, sections 2 and 3, and nothing cleverer.

It owes nothing to sqlfeat's own code, and need not be fast.
"""

from __future__ import annotations

from tests.check.fuzz.tree import (
    Col,
    Cte,
    Expr,
    Feature,
    Item,
    Model,
    Op,
    Program,
    Query,
    Select,
    Sort,
    Sub,
    Table,
    Window,
)


def events_of(view: Model) -> str:
    """How the events of a view with windows are called."""
    return f"events_of_{view.name}"


def definition(model: Model, program: Program) -> Query:
    """The query whose rows are the model's, windows and lookups written out.

    That of a training set reads the events of the views that it looks up, under the names of :func:`events_of`.
    """
    if model.labels is not None:
        return _assembled(model, program)
    assert model.query is not None
    return _windowed(model, model.query) if model.windows else model.query


def _windowed(model: Model, query: Query) -> Select:
    """One row for each event, with the windows as of the instant from which it is usable (section 3.6)."""
    items = [Item(Col("r_", name, "int"), name) for name in output_names(query)]
    event, known = _times(model, "r_")
    usable = Op("greatest({0}, {1})", (event, known), "time")
    for window in model.windows:
        items.append(Item(_window(window, model, "events_", Col("r_", "k", "int"), usable), window.name))
    return Select(tuple(items), Table("events_", "r_"), ctes=(Cte("events_", query),))


def _assembled(model: Model, program: Program) -> Select:
    """One row for each label row, with what each feature is at its as-of time."""
    views = {each.name: each for each in program.models}
    as_of, key = Col("l_", model.event_time or "", "time"), Col("l_", "k", "int")
    items = list(model.plain)
    for feature in model.features:
        view = views[feature.view]
        window = next((each for each in view.windows if each.name == feature.column), None)
        if window is not None:
            value = _window(window, view, events_of(view), key, as_of)
        else:
            value = _row(view, feature, key, as_of)
        items.append(Item(value, feature.name))
    return Select(tuple(items), Table(model.labels or "", "l_"))


def _window(window: Window, view: Model, events: str, key: Expr, at: Expr) -> Sub:
    """The aggregate over a key's events with event time in ``(t - offset - length, t - offset]``, known at t."""
    event, known = _times(view, "e_")
    end = f"({{1}} - interval '{window.offset}')" if window.offset else "{1}"
    where = [
        Op("{0} = {1}", (Col("e_", "k", "int"), key), "bool"),
        Op(f"{{0}} <= {end}", (event, at), "bool"),
        Op("{0} <= {1}", (known, at), "bool"),
    ]
    if window.length != "unbounded":
        where.append(Op(f"{{0}} > {end} - interval '{window.length}'", (event, at), "bool"))
    item = Item(Op(window.aggregate, (), "int", True), "v")
    return Sub("({q})", Select((item,), Table(events, "e_"), tuple(where)))


def _row(view: Model, feature: Feature, key: Expr, at: Expr) -> Sub:
    """The feature of the row with the greatest (event time, available time, remaining columns) that holds at t."""
    assert view.query is not None
    event, known = _times(view, "v_")
    less = "<" if feature.strict else "<="
    where = [
        Op("{0} = {1}", (Col("v_", "k", "int"), key), "bool"),
        Op(f"{{0}} {less} {{1}}", (event, at), "bool"),
        Op(f"{{0}} {less} {{1}}", (known, at), "bool"),
    ]
    if feature.ttl:
        where.append(Op(f"{{0}} >= {{1}} - interval '{feature.ttl}'", (event, at), "bool"))
    order = [Sort(event, True), Sort(known, True)]
    order += [Sort(Col("v_", name, "int"), True, False) for name in output_names(view.query)]
    item = Item(Col("v_", feature.column, "int"), "v")
    return Sub("({q})", Select((item,), Table(view.name, "v_"), tuple(where), order=tuple(order), limit=1))


def _times(view: Model, alias: str) -> tuple[Expr, Expr]:
    """A row's event time and the instant from which it is known; null for never."""
    event = Col(alias, view.event_time or "", "time")
    if view.available_at:
        return event, Col(alias, view.available_at, "time")
    return event, Op(
        f"({{0}} + interval '{view.available_after}')", (event,), "time"
    ) if view.available_after else event


def output_names(query: Query) -> list[str]:
    """The names of a query's columns."""
    while not isinstance(query, Select):
        query = query.left
    return [item.name for item in query.items]
