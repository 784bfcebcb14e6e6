"""What the text of an expression is read as: names, literals, calls, without types or meanings."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[int, int]
"""Offset and length in the text."""


@dataclass(frozen=True)
class Name:
    """``column``, ``relation.column``, ``column.field`` …"""

    parts: tuple[str, ...]
    place: Span


@dataclass(frozen=True)
class Literal:
    """A value as it is written: ``kind`` is integer, decimal, double, string, boolean or null."""

    kind: str
    text: str
    place: Span


@dataclass(frozen=True)
class Call:
    """A function or an operator, by DuckDB's name for it."""

    name: str
    arguments: tuple[Tree, ...]
    place: Span


@dataclass(frozen=True)
class Cast:
    value: Tree
    type: str
    tries: bool
    place: Span


@dataclass(frozen=True)
class Case:
    operand: Tree | None
    branches: tuple[tuple[Tree, Tree], ...]
    default: Tree | None
    place: Span


@dataclass(frozen=True)
class Field:
    value: Tree
    name: str
    place: Span


Tree = Name | Literal | Call | Cast | Case | Field


@dataclass(frozen=True)
class Item:
    """One of a list of expressions, with its output name where it has one."""

    tree: Tree
    name: str | None
    place: Span
