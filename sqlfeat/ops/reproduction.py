"""What came of rebuilding a version, as data: what is missing for it, what is otherwise now, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlfeat.errors import SqlfeatError

REPRODUCED, DIFFERS, IMPOSSIBLE, POSSIBLE = "reproduced", "differs", "not possible", "possible"
"""What can come of it; ``possible`` is said where only what is missing was asked for."""


@dataclass(frozen=True)
class Finding:
    """Something that is missing or otherwise than it was: about what, and a sentence.

    ``stops``: without it the same bytes cannot be made.
    """

    about: str
    text: str
    stops: bool = False


@dataclass(frozen=True)
class FileComparison:
    """A file of the training set, as it was and as it is made now; ``columns`` are those whose bytes differ."""

    file: str
    same: bool
    columns: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class SetComparison:
    """The training set as it was and as it is made now."""

    then: str
    now: str
    rows_then: int
    rows_now: int
    files: tuple[FileComparison, ...]
    reasons: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether it has the same id and the same bytes."""
        return self.then == self.now and all(file.same for file in self.files)


@dataclass(frozen=True)
class MetricComparison:
    """A metric that came out otherwise."""

    split: str
    metric: str
    then: float | None
    now: float | None


@dataclass(frozen=True)
class ModelComparison:
    """The model's bytes as they were and as they are made now; ``differences`` say what of them differs."""

    file: str
    then: str
    now: str
    differences: tuple[str, ...] = ()
    params: Mapping[str, Sequence[Any]] | None = None
    metrics: tuple[MetricComparison, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether bytes, parameters and metrics are the same."""
        return self.then == self.now and not self.params and not self.metrics


@dataclass(frozen=True)
class Reproduction:
    """A version rebuilt, or why it cannot be.

    ``findings`` are what is missing or otherwise now, ``error`` is what stopped the rebuilding, where something did.
    """

    reference: str
    findings: tuple[Finding, ...]
    training_set: SetComparison | None = None
    model: ModelComparison | None = None
    error: SqlfeatError | None = None
    seconds: float = 0.0
    only_looked: bool = False

    @property
    def missing(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.stops)

    @property
    def notes(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.stops)

    @property
    def outcome(self) -> str:
        if self.missing or self.error is not None:
            return IMPOSSIBLE
        if self.only_looked:
            return POSSIBLE
        same = self.training_set is not None and self.training_set.same and self.model is not None and self.model.same
        return REPRODUCED if same else DIFFERS

    @property
    def reproduced(self) -> bool:
        return self.outcome == REPRODUCED

    def as_dict(self) -> dict[str, Any]:
        """The reproduction in the shape of ``--json``."""
        built, model = self.training_set, self.model
        return {
            "reference": self.reference,
            "outcome": self.outcome,
            "reproduced": self.reproduced,
            "missing": [asdict(finding) for finding in self.missing],
            "notes": [asdict(finding) for finding in self.notes],
            "training_set": None if built is None else {**asdict(built), "same": built.same},
            "model": None if model is None else {**asdict(model), "same": model.same},
            "error": None if self.error is None else dict(self.error.as_dict()),
            "seconds": round(self.seconds, 3),
        }
