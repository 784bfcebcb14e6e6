"""What a check found, as data: models, columns, and what speaks against them, each at its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlfeat.compiler.findings import SAFE, UNPROVEN, UNSAFE, Finding
from sqlfeat.compiler.lookback import Lookback
from sqlfeat.errors import Place, SqlfeatError


@dataclass(frozen=True)
class Problem:
    """A finding at its place in the template; ``allowed`` is the reason for which a model lets it through."""

    finding: Finding
    place: Place
    allowed: str | None = None
    allowed_by: str = ""

    def as_dict(self) -> dict[str, Any]:
        finding, place = self.finding, self.place
        return {
            "verdict": finding.verdict,
            "rule": finding.rule,
            "message": finding.message,
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "counterexample": finding.example,
            "hint": finding.mend,
            "late_by": finding.distance,
            "model": finding.model,
            "source": finding.source or None,
            "allowed": self.allowed,
        }


@dataclass(frozen=True)
class CheckedColumn:
    """A column with its verdict and what speaks against it, the worst first."""

    name: str
    verdict: str
    problems: tuple[Problem, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether something provably unsafe speaks against it that nobody has allowed."""
        return any(p.finding.verdict == UNSAFE and p.allowed is None for p in self.problems)

    @property
    def open(self) -> bool:
        """Whether anything is left that is neither proved nor allowed."""
        return any(p.allowed is None for p in self.problems)

    def as_dict(self) -> dict[str, Any]:
        first = self.problems[0].as_dict() if self.problems else dict.fromkeys(_PROBLEM_KEYS)
        more = [problem.as_dict() for problem in self.problems[1:]]
        return {"name": self.name, **first, "verdict": self.verdict, **({"also": more} if more else {})}


_PROBLEM_KEYS = (
    "rule", "message", "file", "line", "column", "counterexample", "hint", "late_by", "model", "source", "allowed",
)  # fmt: skip


@dataclass(frozen=True)
class CheckedModel:
    """A model with its verdict (the worst of its columns'), or with the error that it does not compile for."""

    name: str
    path: str
    columns: tuple[CheckedColumn, ...]
    lookback: Lookback
    allowed: str | None = None
    error: SqlfeatError | None = None
    determinism: tuple[tuple[str, Place], ...] = ()
    """What hangs on the order of rows, and where: notes, no verdicts."""
    slow_online: tuple[tuple[str, str], ...] = ()
    """What of a training set that is served DuckDB is asked for at every request, and why: notes too."""

    @property
    def verdict(self) -> str:
        if self.error is not None:
            return "error"
        found = {column.verdict for column in self.columns}
        return next((verdict for verdict in (UNSAFE, UNPROVEN) if verdict in found), SAFE)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "path": self.path,
            "columns": [column.as_dict() for column in self.columns],
            **self.lookback_as_dict(),
            "allowed": self.allowed,
            "determinism": [
                {"message": message, "file": place.file, "line": place.line, "column": place.column}
                for message, place in self.determinism
            ],
            "slow_online": [{"name": name, "reason": reason} for name, reason in self.slow_online],
            **({"error": self.error.as_dict()} if self.error is not None else {}),
        }

    def lookback_as_dict(self) -> dict[str, Any]:
        """How far back it reads; or null, and why nothing bounds it."""
        return {"lookback": self.lookback.as_dict(), "lookback_reason": self.lookback.reason}


@dataclass(frozen=True)
class CheckResult:
    """What a check found, model by model in DAG order."""

    models: tuple[CheckedModel, ...]
    strict: bool = False

    @property
    def failed(self) -> bool:
        """Whether a model does not compile, or a column is unsafe (strict: or unproven) and nobody has allowed it."""
        return any(model.error is not None for model in self.models) or any(
            column.fails or (self.strict and column.open) for model in self.models for column in model.columns
        )

    def model(self, name: str) -> CheckedModel:
        """The model of that name; KeyError if it was not checked."""
        return {model.name: model for model in self.models}[name]

    def as_dict(self) -> dict[str, Any]:
        return {"models": [model.as_dict() for model in self.models]}
