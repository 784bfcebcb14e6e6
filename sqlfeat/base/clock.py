"""Where time comes from: the system's clock, or a fixed one in tests.

Nothing else in sqlfeat asks the machine what time it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """The instant, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; only differences mean anything, and they are never negative."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The instant, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still at an aware instant."""

    instant: datetime

    def __post_init__(self) -> None:
        if self.instant.tzinfo is None:
            raise ValueError(f"a clock needs an aware instant, not {self.instant!r}")

    def now(self) -> datetime:
        """The fixed instant, in UTC."""
        return self.instant.astimezone(UTC)

    def monotonic(self) -> float:
        """Always zero: nothing takes any time."""
        return 0.0
