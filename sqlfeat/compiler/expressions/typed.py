"""Expressions with types: what the binder makes of a tree, and the code is generated from.

A :class:`Call` is a piece of Python with holes, or a function of ``running``; it knows whether it may raise and
whether it may give NULL for arguments that are not, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Key = str | tuple[str, str]
"""A column by its name, or a field of a struct by both names."""


_PLAIN = (bool, int, float, str, bytes, tuple, list, frozenset, type(None))


@dataclass(frozen=True)
class Column:
    type: str
    key: Key


@dataclass(frozen=True, eq=False)
class Constant:
    """A value; ``literal`` says that it is written out and takes the type that stands beside it."""

    type: str
    value: Any
    literal: str = ""

    @property
    def _identity(self) -> tuple[str, str, str]:
        """1, 1.0 and True are equal in Python, and 0.0 and -0.0, and no two NaN; not so here."""
        value = repr(self.value) if isinstance(self.value, _PLAIN) else f"{id(self.value)}"
        return (self.type, value, self.literal)

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._identity == other._identity


@dataclass(frozen=True)
class Call:
    """``python`` is a function, or a template with ``{0}`` … for the arguments, ``{t}`` for the variable that it is
    assigned to, and ``{h0}`` … for what is ``held``.

    ``strict``: NULL if an argument is. ``total``: NULL only then. ``safe``: never raises. ``quick`` gives the same
    faster or raises one of Python's arithmetic errors; then all is computed again without it.
    """

    type: str
    python: str | Callable[..., Any]
    arguments: tuple[Node, ...]
    strict: bool = True
    total: bool = True
    safe: bool = True
    held: tuple[Any, ...] = ()
    quick: str | Callable[..., Any] | None = None
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        own = hash((self.type, self.python, self.arguments, tuple(map(repr, self.held))))
        object.__setattr__(self, "_hash", own)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True)
class Choice:
    """CASE: the value of the first condition that is true; conditions and values are not looked at before."""

    type: str
    branches: tuple[tuple[Node, Node], ...]
    default: Node


@dataclass(frozen=True)
class First:
    """COALESCE: the first value that is not NULL; those after it are not looked at."""

    type: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Junction:
    """AND, OR: of three values. ``word`` is ``and`` or ``or``."""

    type: str
    word: str
    arguments: tuple[Node, ...]


Node = Column | Constant | Call | Choice | First | Junction

NULL = '"NULL"'
"""The type of a bare NULL."""


def constant(type_name: str, value: Any) -> Constant:
    return Constant(type_name, value)


def is_null(node: Node) -> bool:
    return isinstance(node, Constant) and node.value is None


def settled(node: Node) -> Node:
    """A literal as an ordinary constant: it does not take another type any more."""
    return replace(node, literal="") if isinstance(node, Constant) and node.literal else node


def call(
    type_name: str,
    python: str | Callable[..., Any],
    *arguments: Node,
    total: bool = True,
    safe: bool = True,
    held: Sequence[Any] = (),
    quick: str | Callable[..., Any] | None = None,
) -> Node:
    """A call that is NULL where an argument is."""
    given = tuple(map(settled, arguments))
    if any(map(is_null, given)):
        return Constant(type_name, None)
    return Call(type_name, python, given, True, total, safe, tuple(held), quick)
