"""Resolved trees with some of their nodes replaced; what does not change stays the same object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlfeat.compiler.algebra import (
    Bound,
    Column,
    Expression,
    Frame,
    Join,
    Relation,
    SortKey,
    Subquery,
)

Replacement = Callable[[Expression, int], Expression | None]
"""Given a node and how many rows further out the row of interest is: what stands there instead, or None to go on."""


class Rewriter:
    """Replaces nodes of expressions, and of the relations inside them, each shared object once."""

    def __init__(self, instead: Replacement) -> None:
        self._instead = instead
        self._relations: dict[tuple[int, int], Relation] = {}

    def expression(self, node: Expression, level: int = 0) -> Expression:
        found = self._instead(node, level)
        if found is not None:
            return found
        changes: dict[str, Any] = {}
        for name in _slots(node):
            old = getattr(node, name)
            new = self._value(old, level + 1 if isinstance(node, Subquery) and name == "relation" else level)
            if new is not old:
                changes[name] = new
        return replace(node, **changes) if changes else node

    def relation(self, node: Relation, level: int) -> Relation:
        key = (id(node), level)
        if key not in self._relations:
            changes: dict[str, Any] = {}
            for name in _slots(node):
                old = getattr(node, name)
                deeper = isinstance(node, Join) and node.lateral and name == "right"
                new = self._value(old, level + 1 if deeper else level)
                if new is not old:
                    changes[name] = new
            self._relations[key] = replace(node, **changes) if changes else node
        return self._relations[key]

    def _value(self, value: Any, level: int) -> Any:
        if isinstance(value, SortKey):
            new = self.expression(value.expression, level)
            return value if new is value.expression else replace(value, expression=new)
        if isinstance(value, Expression):
            return self.expression(value, level)
        if isinstance(value, Relation):
            return self.relation(value, level)
        if isinstance(value, Frame):
            return self.frame(value, level)
        if isinstance(value, tuple) and value:
            items = tuple(self._value(item, level) for item in value)
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return value

    def frame(self, frame: Frame, level: int) -> Frame:
        start, end = self._bound(frame.start, level), self._bound(frame.end, level)
        return frame if start is frame.start and end is frame.end else replace(frame, start=start, end=end)

    def _bound(self, bound: Bound, level: int) -> Bound:
        if not isinstance(bound.offset, Expression):
            return bound
        new = self.expression(bound.offset, level)
        return bound if new is bound.offset else replace(bound, offset=new)


_SLOTS: dict[type, tuple[str, ...]] = {}
_PLAIN = {"span", "fields", "name", "type", "index", "level", "value", "node", "kind", "clause", "what", "operator"}


def _slots(node: object) -> Sequence[str]:
    kind = type(node)
    if kind not in _SLOTS:
        _SLOTS[kind] = tuple(own.name for own in fields(node) if own.name not in _PLAIN)  # type: ignore[arg-type]
    return _SLOTS[kind]


def inner(node: Expression) -> list[Expression]:
    """The expressions directly inside one; relations are not entered."""
    found: list[Expression] = []

    def collect(value: Any) -> None:
        if isinstance(value, SortKey):
            found.append(value.expression)
        elif isinstance(value, Expression):
            found.append(value)
        elif isinstance(value, Frame):
            found.extend(bound.offset for bound in (value.start, value.end) if isinstance(bound.offset, Expression))
        elif isinstance(value, tuple):
            for item in value:
                collect(item)

    for name in _slots(node):
        collect(getattr(node, name))
    return found


def columns_in(node: Expression) -> list[Column]:
    """The columns that an expression names, but for those inside relations."""
    if isinstance(node, Column):
        return [node]
    return [column for part in inner(node) for column in columns_in(part)]
