"""What an operation tells while it works, and what it gives in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlfeat.errors import SqlfeatError


@dataclass(frozen=True)
class NodeResult:
    """What became of one node.

    ``status`` is ``built``, ``unchanged``, ``skipped`` or ``failed`` for what is made and ``passed``, ``warned``,
    ``failed`` or ``skipped`` for tests; ``rows`` counts rows made (for tests: rows that break them); ``reason``
    is why, in a few words; ``error`` is set where it failed.
    """

    name: str
    resource_type: str
    status: str
    rows: int | None = None
    seconds: float = 0.0
    reason: str = ""
    error: SqlfeatError | None = None
    materialized: str = ""
    examples: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        shape: dict[str, Any] = {
            "name": self.name,
            "resource_type": self.resource_type,
            "status": self.status,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
        }
        if self.materialized:
            shape["materialized"] = self.materialized
        if self.error:
            shape["error"] = self.error.as_dict()
        if self.examples:
            shape["examples"] = list(self.examples)
        return shape


@dataclass(frozen=True)
class RunResult:
    """The results of a run, a test or a build, in the order in which the nodes ended."""

    results: tuple[NodeResult, ...]
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return any(result.status == "failed" for result in self.results)

    def count(self, status: str) -> int:
        return sum(result.status == status for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        return {"results": [result.as_dict() for result in self.results], "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Event:
    """One thing that happened, for whoever watches.

    ``kind``: ``plan`` (``total`` nodes follow), ``start`` and ``end`` of a node (``result`` at the end),
    ``step`` (a named part of one operation has ended: ``name``, ``seconds``, ``facts``), ``log`` (a line of text
    from a template's ``log()`` or a hook's output).
    """

    kind: str
    name: str = ""
    resource_type: str = ""
    index: int = 0
    total: int = 0
    seconds: float = 0.0
    result: NodeResult | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """The listener of whoever does not watch."""
