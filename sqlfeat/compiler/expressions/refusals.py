"""What is said of an expression that is not compiled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unsupported:
    """An expression that no closure gives exactly; DuckDB itself evaluates it.

    ``offset`` and ``length`` say where in its text the first thing stands that is not covered.
    """

    reason: str
    offset: int = 0
    length: int = 1


class NotCompiled(Exception):  # becomes an Unsupported at the door
    """Something in an expression whose value is not proved to be DuckDB's."""

    def __init__(self, reason: str, place: tuple[int, int] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place

    def at(self, place: tuple[int, int]) -> NotCompiled:
        """The same with a place, where it has none yet."""
        self.place = self.place or place
        return self
