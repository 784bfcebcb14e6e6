"""Small changes to a program, most of which a tired author could make: a bound turned round, a time column mistaken.

A change may leave the program safe, make it leak, or make it no program at all; that is for others to find out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.check.fuzz.tree import (
    Clock,
    Col,
    Feature,
    Join,
    Model,
    Node,
    Op,
    Over,
    Path,
    Program,
    Select,
    Sort,
    Table,
    Window,
    put,
    recursions,
    walk,
)  # fmt: skip

_SPAN = re.compile(r"interval '[^']*'")
_SPANS = ("30 minutes", "1 hour", "2 hours", "1 day", "7 days", "1 month", "0 days", "1 microsecond")
_SIGNS = {
    "<=": ("<", ">=", ">", "="), "<": ("<=", ">", ">="), ">=": ("<=", ">", "<"), ">": (">=", "<", "<="),
    "=": ("<=", ">=", "<>"), "<>": ("=",),
}  # fmt: skip
_FRAMES = (
    "", "rows between unbounded preceding and current row", "rows between unbounded preceding and unbounded following",
    "rows between 1 preceding and 1 following", "rows between current row and unbounded following",
    "rows between unbounded preceding and 1 preceding", "groups between unbounded preceding and 1 following",
    "range between unbounded preceding and unbounded following", "rows between 2 following and 3 following",
    "range between interval '1 hour' preceding and interval '1 hour' following",
    "range between interval '1 day' preceding and interval '0 hours' following",
)  # fmt: skip
_KINDS = {
    "join": ("left join", "right join", "full join", "semi join", "anti join"),
    "left join": ("join", "full join", "right join"),
    "right join": ("join", "left join"),
    "full join": ("left join", "right join"),
    "semi join": ("anti join", "join"),
    "anti join": ("semi join", "left join"),
    "asof join": ("asof left join", "join"),
    "asof left join": ("asof join", "left join"),
    "natural join": ("natural left join", "natural full join"),
    "join lateral": ("left join lateral",),
}
_READ = ("events", "ticks", "late", "late", "delayed", "delayed", "terms", "days", "closed", "untimed", "slips")
_AGGREGATES = ("sum({0})", "count(*)", "max({0})", "min({0})", "count({0})")


def mutated(random: Random, program: Program) -> Program:
    """The program with one random change; unchanged where nothing could be changed."""
    places = list(walk(program))
    for _ in range(30):
        path, node = random.choice(places)
        if isinstance(node, Col) and node.type == "int" and random.random() < 0.85:
            continue  # which number it is makes no difference to time
        changes = _changes(random, node, places)
        if changes:
            new = random.choice(changes)()
            if path and path[-1] == "function" and not isinstance(new, Op):
                continue
            changed = put(program, path, new)
            if changed != program and recursions(changed) <= recursions(program):
                return changed
    return program


def _changes(random: Random, node: Node, places: list[tuple[Path, Node]]) -> list[Callable[[], Node]]:
    """The ways in which a node could be changed."""
    match node:
        case Op():
            return _of_operator(random, node)
        case Col():
            return _of_column(random, node, places)
        case Over():
            return _of_window(random, node)
        case Sort():
            return [
                lambda: replace(node, descending=not node.descending),
                lambda: replace(node, nulls_first=random.choice([True, False])),
            ]
        case Select():
            return _of_select(random, node)
        case Join():
            return _of_join(random, node)
        case Model():
            return _of_model(random, node)
        case Window():
            return [lambda: replace(node, length=random.choice(_SPANS[:6]), offset=random.choice([None, "1 hour"]))]
        case Table():
            return [lambda: replace(node, name=random.choice(_READ))]
        case Feature():
            return [lambda: replace(node, ttl=random.choice([None, "1 hour"]), strict=not node.strict)]
    return []


def _of_operator(random: Random, node: Op) -> list[Callable[[], Node]]:
    changes: list[Callable[[], Node]] = []
    words = node.text.split(" ")
    signs = [place for place, word in enumerate(words) if word in _SIGNS]
    if signs:
        place = random.choice(signs)
        turned = [*words[:place], random.choice(_SIGNS[words[place]]), *words[place + 1 :]]
        changes += [lambda: replace(node, text=" ".join(turned))] * 3
    if _SPAN.search(node.text):
        changes += [
            lambda: replace(node, text=_SPAN.sub(f"interval '{random.choice(_SPANS)}'", node.text, count=1))
        ] * 2
        changes.append(lambda: replace(node, text=node.text.translate(str.maketrans("+-", "-+"))))
    if node.text.startswith("sum(case") and "else" not in node.text:
        changes.append(lambda: replace(node, text=node.text.replace(" end)", " else 0 end)")))
    if node.aggregate and node.args and node.type == "int":
        changes.append(lambda: replace(node, text=random.choice(_AGGREGATES)))
    if node.args and node.args[0].type == node.type and not node.aggregate:
        changes += [lambda: node.args[0]] * 2
    if node.type == "time" and not node.aggregate:
        changes.append(lambda: random.choice([
            Op("date_trunc('day', {0})", (node,), "time"), Op("({0} + interval '1 hour')", (node,), "time"),
            Op("({0} - interval '1 day')", (node,), "time"),
        ]))  # fmt: skip
    if "{0}" in node.text and "{1}" in node.text and node.args[0].type == node.args[1].type:
        changes.append(lambda: replace(node, args=(node.args[1], node.args[0], *node.args[2:])))
    return changes


def _of_column(random: Random, node: Col, places: list[tuple[Path, Node]]) -> list[Callable[[], Node]]:
    """Another column of the same kind, from somewhere in the program, or the same moved in time."""
    others = [each for _, each in places if isinstance(each, Col) and each.type == node.type and each != node]
    changes: list[Callable[[], Node]] = []
    if others and node.type == "time":
        both = (node, random.choice(others))
        for text in (
            "greatest({0}, {1})",
            "least({0}, {1})",
            "coalesce({0}, {1})",
            "coalesce({1}, {0})",
            "nullif({0}, {1})",
        ):
            changes.append(lambda text=text: Op(text, both, "time"))
    if others:
        changes += [lambda: replace(node, name=random.choice(others).name), lambda: random.choice(others)]
    if node.type == "time":
        changes += [
            lambda: Op("({0} + interval '1 hour')", (node,), "time"),
            lambda: Op("({0} - interval '1 hour')", (node,), "time"),
            lambda: Op("date_trunc('day', {0})", (node,), "time"),
            lambda: Op("cast(cast({0} as timestamp) as timestamp_s)", (node,), "time"),
            lambda: Op("coalesce({0}, timestamptz '2024-01-01 00:00:00+00')", (node,), "time"),
            lambda: replace(node, name=random.choice(["t", "a", "until", "at", "since"])),
        ]
        if random.random() < 0.1:
            changes.append(Clock)
    return changes


def _of_window(random: Random, node: Over) -> list[Callable[[], Node]]:
    changes: list[Callable[[], Node]] = [lambda: replace(node, frame=random.choice(_FRAMES))] * 2
    if node.partition:
        changes.append(lambda: replace(node, partition=node.partition[1:]))
    if len(node.order) > 1:
        changes.append(lambda: replace(node, order=node.order[1:]))
    changes.append(lambda: replace(node, order=tuple(replace(sort, descending=True) for sort in node.order)))
    if "lag" in node.function.text:
        changes += [
            lambda: replace(node, function=replace(node.function, text=node.function.text.replace("lag", "lead")))
        ] * 2
    if not node.function.aggregate and not node.frame:
        changes.append(lambda: replace(node, function=replace(node.function, text=random.choice(
            ["percent_rank()", "cume_dist()", "ntile(2)", "row_number()", "rank()", "count(*)"]))))  # fmt: skip
    if node.function.text.startswith(("first_value", "last_value")):
        inside = node.function.text.replace(")", " order by {0} desc)")
        changes.append(lambda: replace(node, function=replace(node.function, text=inside)))
    return changes


def _of_select(random: Random, node: Select) -> list[Callable[[], Node]]:
    changes: list[Callable[[], Node]] = []
    for name in ("where", "qualify", "group", "having", "order", "first_of"):
        value = getattr(node, name)
        if value:
            place = random.randrange(len(value))
            kept = (*value[:place], *value[place + 1 :])
            changes += [lambda name=name, kept=kept: replace(node, **{name: kept})] * 2
    if node.where and len(node.where) > 1:
        either = Op("({0} or {1})", node.where[:2], "bool")
        changes.append(lambda: replace(node, where=(either, *node.where[2:])))
    if node.limit is not None:
        changes.append(lambda: replace(node, order=tuple(replace(s, descending=not s.descending) for s in node.order)))
    if node.group and len(node.group) > 1 and not node.grouping:
        changes.append(lambda: replace(node, grouping="rollup"))
    changes.append(lambda: replace(node, distinct=not node.distinct))
    return changes


def _of_join(random: Random, node: Join) -> list[Callable[[], Node]]:
    changes: list[Callable[[], Node]] = []
    if node.on:
        place = random.randrange(len(node.on))
        changes += [lambda: replace(node, on=(*node.on[:place], *node.on[place + 1 :]))] * 2
    if len(node.on) > 1:
        changes.append(lambda: replace(node, on=(Op("({0} or {1})", node.on[:2], "bool"), *node.on[2:])))
    if node.kind in _KINDS:
        changes += [lambda: replace(node, kind=random.choice(_KINDS[node.kind]))] * 2
    return changes


def _of_model(random: Random, node: Model) -> list[Callable[[], Node]]:
    """Another declaration of time; a training set and a label model keep theirs."""
    if node.labels is not None or node.label or node.query is None:
        return []
    changes: list[Callable[[], Node]] = []
    times = [name for name, kind in _types(node).items() if kind in ("time", "date")]
    if times:
        changes.append(lambda: replace(node, event_time=random.choice(times)))
        changes.append(lambda: replace(node, available_at=random.choice(times), available_after=None))
    if node.available_at:
        changes += [lambda: replace(node, available_at=None)] * 2
    if node.materialized != "feature_view" and random.random() < 0.1:
        changes.append(lambda: replace(node, event_time=None, available_at=None, available_after=None, immutable=True))
    if node.available_after:
        changes += [lambda: replace(node, available_after=None), lambda: replace(node, available_after="30 minutes")]
    return changes


def _types(node: Model) -> dict[str, str]:
    query = node.query
    while query is not None and not isinstance(query, Select):
        query = query.left
    return {item.name: item.expr.type for item in query.items} if query is not None else {}
