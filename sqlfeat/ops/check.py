"""Check a project without running it: references, columns, types and contracts as it compiles, then time safety.

The proof itself is the compiler's (``compiler.verdicts``); here its verdicts are chosen, placed and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlfeat.compiler.findings import SAFE, UNPROVEN, UNSAFE, Finding
from sqlfeat.compiler.lookback import Lookback
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.compiler.verdicts import ModelVerdict, Verdicts
from sqlfeat.errors import Place, SqlfeatError
from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session


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
            "lookback": self.lookback.as_dict(),
            "lookback_reason": self.lookback.reason,
            "allowed": self.allowed,
            "determinism": [
                {"message": message, "file": place.file, "line": place.line, "column": place.column}
                for message, place in self.determinism
            ],
            **({"error": self.error.as_dict()} if self.error is not None else {}),
        }


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


def check(
    session: Session, select: Sequence[str] = (), exclude: Sequence[str] = (), *, strict: bool = False
) -> CheckResult:
    """Check the selected models; what does not compile is told with its error, all else with its verdicts."""
    ids = [id_ for id_ in selected(session, select, exclude) if id_.startswith("model.")]
    manifest = session.manifest
    verdicts = Verdicts(manifest)
    return CheckResult(tuple(_checked(verdicts, manifest, id_) for id_ in ids), strict)


def _checked(verdicts: Verdicts, manifest: Manifest, id_: str) -> CheckedModel:
    model = manifest.models[id_.removeprefix("model.")]
    error = next(
        (manifest.errors[node] for node in (id_, *manifest.graph.ancestors({id_})) if node in manifest.errors), None
    )
    if error is not None:
        return CheckedModel(model.name, model.path, (), Lookback(None, None, "it does not compile"), None, error)
    verdict = verdict_of(verdicts, model)
    columns = tuple(
        CheckedColumn(
            column.name, column.verdict, tuple(_problem(verdicts, manifest, model, f) for f in column.findings)
        )
        for column in verdict.columns
    )
    notes = tuple((note.message, verdicts.place_of(model.name, note.span)) for note in verdict.notes)
    return CheckedModel(model.name, model.path, columns, verdict.lookback, verdict.allowed, None, notes)


def check_model(manifest: Manifest, model: CompiledModel) -> CheckedModel:
    """One model that compiles, with all that it is made from."""
    return _checked(Verdicts(manifest), manifest, model.id)


def verdict_of(verdicts: Verdicts, model: CompiledModel) -> ModelVerdict:
    """A model's verdict, a training set's too."""
    if model.materialized == "training_set":
        return verdicts.of_training_set(model.name)
    return verdicts.of(model.name)


def _problem(verdicts: Verdicts, manifest: Manifest, model: CompiledModel, finding: Finding) -> Problem:
    """The finding at its place; it is allowed by the model that has it, or by the one in which it began."""
    for owner in (model, manifest.models[finding.model]):
        if owner.config.allow_leakage:
            return Problem(finding, verdicts.place(finding), owner.config.allow_leakage, owner.name)
    return Problem(finding, verdicts.place(finding))
