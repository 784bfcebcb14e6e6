"""What is known of an expression's value, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlfeat.compiler.flows import NOTHING


@dataclass(frozen=True)
class Number:
    """A distance as a number: ``value * scale`` lies in ``plus - minus + [low, high]`` microseconds."""

    plus: int
    minus: int
    scale: int = 1
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Value:
    """What is known of an expression's value: its flows, its variable if it has one, what number or literal it is."""

    flows: frozenset[int] = NOTHING
    variable: int | None = None
    number: Number | None = None
    literal: object = None
    constant: bool = False
    timely: bool = False
    """Made from times, in a way that is not followed."""


def together(values: Iterable[Value]) -> frozenset[int]:
    """The flows of all of them."""
    return NOTHING.union(*(value.flows for value in values))


def is_null(value: Value) -> bool:
    return value.constant and value.literal is None and value.variable is None
