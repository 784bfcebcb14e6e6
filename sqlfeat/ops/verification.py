"""What ``verify`` finds: cutoffs, a verdict for each model, and every difference with its row, column and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlfeat.engine.comparison import SourceView
from sqlfeat.errors import Place, SqlfeatError

CHECKS: Mapping[str, str] = {
    "cutoff": "rows hidden that were not known at a cutoff",
    "order": "source rows read in another order",
    "rebuild": "computed twice from the same rows",
}
"""Which two readings were compared, by code."""

KINDS: Mapping[str, str] = {
    "value": "the value differs",
    "input": "an input of a training row differs, which was asked for before",
    "added": "the row is there only once later rows are known",
    "removed": "the row is gone once later rows are known",
}
"""What differs, by code; for ``order`` and ``rebuild`` the first reading has an ``added`` row, the second a removed."""


@dataclass(frozen=True)
class Difference:
    """One column (or the rows themselves, with ``column`` None) that two readings do not agree on.

    ``rows`` is in how many of the ``compared`` rows; ``row`` tells the first of them by its times and keys. ``full`` is
    the value made from all rows, ``known`` the one made from what was known at ``at``. ``lineage`` is what it was made
    from, way by way up to source columns. ``allowed`` is the reason for which it does not count. Of very many rows only
    the first are looked at: then there are ``at_least`` so many.
    """

    check: str
    kind: str
    column: str | None
    rows: int
    compared: int
    row: Mapping[str, Any]
    full: Any = None
    known: Any = None
    at: datetime | None = None
    place: Place | None = None
    lineage: tuple[str, ...] = ()
    allowed: str | None = None
    at_least: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "kind": self.kind,
            "column": self.column,
            "at": self.at,
            "rows": self.rows,
            "at_least": self.at_least,
            "compared": self.compared,
            "row": dict(self.row),
            "full": self.full,
            "known": self.known,
            "file": self.place.file if self.place else None,
            "line": self.place.line if self.place else None,
            "place_column": self.place.column if self.place else None,
            "lineage": list(self.lineage),
            "allowed": self.allowed,
        }


@dataclass(frozen=True)
class ModelVerdict:
    """What became of a model: ``same``, ``differs``, or ``not compared`` and why.

    ``rows`` is how many rows were compared over all cutoffs. ``error`` is set where it could not be made.
    ``blamed`` are the models above it that differ too. ``approximate`` says that floats were compared to within the
    tolerance.
    """

    name: str
    verdict: str
    reason: str = ""
    rows: int = 0
    differences: tuple[Difference, ...] = ()
    blamed: tuple[str, ...] = ()
    approximate: bool = False
    error: SqlfeatError | None = None

    @property
    def failed(self) -> bool:
        """Whether it could not be made, or differs in what is not allowed."""
        return self.error is not None or any(not difference.allowed for difference in self.differences)

    def as_dict(self) -> dict[str, Any]:
        shape: dict[str, Any] = {
            "name": self.name,
            "verdict": self.verdict,
            "reason": self.reason,
            "rows": self.rows,
            "failed": self.failed,
            "approximate": self.approximate,
            "blamed": list(self.blamed),
            "differences": [difference.as_dict() for difference in self.differences],
        }
        if self.error:
            shape["error"] = self.error.as_dict()
        return shape


@dataclass(frozen=True)
class CutoffView:
    """An instant, and how much of every timed source it hides."""

    at: datetime
    sources: tuple[SourceView, ...]

    @property
    def hidden(self) -> int:
        return sum(source.hidden for source in self.sources)

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)

    def as_dict(self) -> dict[str, Any]:
        sources = [source.as_dict() for source in self.sources]
        return {"at": self.at, "rows": self.rows, "hidden": self.hidden, "sources": sources}


@dataclass(frozen=True)
class SampleView:
    """Which entities a sample keeps: by which keys, and in which of the timed sources."""

    entity: str | None
    keys: tuple[str, ...]
    sampled: tuple[str, ...]
    whole: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "entity": self.entity,
            "keys": list(self.keys),
            "sampled": list(self.sampled),
            "whole": list(self.whole),
        }


@dataclass(frozen=True)
class Verification:
    """All of it. ``full_seconds`` is what one full computation took, of ``seconds`` in all."""

    cutoffs: tuple[CutoffView, ...]
    models: tuple[ModelVerdict, ...]
    notes: tuple[str, ...] = ()
    sample: SampleView | None = None
    seconds: float = 0.0
    full_seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return any(model.failed for model in self.models)

    @property
    def times(self) -> float | None:
        """The cost as a multiple of one full computation."""
        return self.seconds / self.full_seconds if self.full_seconds else None

    def count(self, verdict: str) -> int:
        return sum(model.verdict == verdict for model in self.models)

    def as_dict(self) -> dict[str, Any]:
        times = self.times
        return {
            "cutoffs": [cutoff.as_dict() for cutoff in self.cutoffs],
            "models": [model.as_dict() for model in self.models],
            "notes": list(self.notes),
            "sample": self.sample.as_dict() if self.sample else None,
            "cost": {
                "seconds": round(self.seconds, 3),
                "full_seconds": round(self.full_seconds, 3),
                "times": round(times, 2) if times is not None else None,
            },
        }
