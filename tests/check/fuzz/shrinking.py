"""A program cut down to what it takes: pieces are taken out or replaced by their parts while it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from tests.check.fuzz.tree import (
    Derived,
    Join,
    Model,
    Node,
    Op,
    Over,
    Pivot,
    Program,
    Select,
    SetOperation,
    Sub,
    Table,
    put,
    recursions,
    walk,
)  # fmt: skip

_LISTS = ("items", "where", "group", "every", "having", "qualify", "order", "on", "ctes", "partition", "windows",
          "features", "plain", "models")  # fmt: skip


def shrunk(program: Program, fails: Callable[[Program], bool], *, most: int = 4000) -> Program:
    """A smaller program that fails too; ``most`` limits how many are tried."""
    tried = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(program):
            tried += 1
            if tried > most:
                return program
            if fails(candidate):
                program, smaller = candidate, True
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    """Every program that is this one with one piece less, the largest pieces first."""
    for path, node in sorted(walk(program), key=lambda place: len(place[0])):
        for new in _pieces(node):
            if path and path[-1] == "function" and not isinstance(new, Op):
                continue
            changed = put(program, path, new)
            if changed != program and recursions(changed) <= recursions(program):
                yield changed


def _pieces(node: Node) -> Iterator[Node]:
    for name in _LISTS:
        value = getattr(node, name, ())
        if isinstance(value, tuple) and (name not in ("items", "models") or len(value) > 1):
            for place in range(len(value)):
                yield replace(node, **{name: (*value[:place], *value[place + 1 :])})
    match node:
        case Model():
            yield replace(node, available_at=None)
            yield replace(node, materialized="view", windows=())
        case SetOperation():
            yield from (node.left, node.right)
        case Select():
            yield from _plainer(node)
            if isinstance(node.source, Derived):
                yield node.source.query
            yield from (cte.query for cte in node.ctes)
        case Join():
            yield from (node.left, node.right)
            yield replace(node, kind="join")
        case Derived():
            if isinstance(node.query, Select) and isinstance(node.query.source, Table):
                yield Table(node.query.source.name, node.alias)
        case Pivot():
            yield Derived(node.query, node.alias)
        case Table():
            yield from (replace(node, name=name) for name in ("events", "ticks", "late") if name < node.name)
        case Over():
            yield from (replace(node, frame=""), Op("1"), node.function)
        case Sub():
            yield Op("true" if node.type == "bool" else "1", (), node.type)
        case Op():
            yield from (argument for argument in node.args if argument.type == node.type)
            if node.args and node.type in ("int", "bool") and not node.aggregate:
                yield Op("true" if node.type == "bool" else "1", (), node.type)
            if node.aggregate and node.text != "count(*)" and node.type == "int":
                yield replace(node, text="count(*)", args=())


def _plainer(node: Select) -> Iterator[Select]:
    defaults = {field.name: field.default for field in fields(node)}
    for name in ("distinct", "limit", "grouping", "first_of", "ctes", "where", "qualify"):
        if getattr(node, name) != defaults[name]:
            yield replace(node, **{name: defaults[name]})
