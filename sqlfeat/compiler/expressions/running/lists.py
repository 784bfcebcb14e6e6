"""Lists as DuckDB treats them: 1-based, with nulls left out of what is summed up."""

from __future__ import annotations

from typing import Any

from sqlfeat.compiler.expressions.running.errors import NotCovered, overflow


def item(values: list[Any], index: int) -> Any:
    if index > 0:
        return values[index - 1] if index <= len(values) else None
    return values[index] if index and -index <= len(values) else None


def letter_at(text: str, index: int) -> str:
    """One character of a text; empty outside."""
    if index > 0:
        return text[index - 1 : index]
    if index == 0 or -index > len(text):
        raise NotCovered
    return text[index]


def position(values: list[Any], value: Any) -> int | None:
    return values.index(value) + 1 if value in values else None


def has_any(values: list[Any], others: list[Any]) -> bool:
    return any(value in values for value in others if value is not None)


def has_all(values: list[Any], others: list[Any]) -> bool:
    return all(value in values for value in others if value is not None)


def _there(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def total(values: list[Any]) -> int | None:
    found = _there(values)
    if not found:
        return None
    made: int = sum(found)
    if abs(made) >= 10**38:
        raise overflow("a sum")
    return made


def mean(values: list[Any]) -> float | None:
    found = _there(values)
    if not found:
        return None
    made = sum(found)
    if abs(made) > 2**53:
        raise NotCovered
    return float(made) / float(len(found))


def least(values: list[Any]) -> Any:
    return min(_there(values), default=None)


def greatest(values: list[Any]) -> Any:
    return max(_there(values), default=None)


def count(values: list[Any]) -> int:
    return len(_there(values))


def joined(values: list[str | None], separator: str) -> str:
    return separator.join(_there(values))


def ordered(values: list[Any]) -> list[Any]:
    found = _there(values)
    return sorted(found) + [None] * (len(values) - len(found))
