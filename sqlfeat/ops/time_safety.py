"""Whether a training set may be built: no feature of it is provably from the future, unless somebody says why it may.

What is unproven is warned of. All of it goes into the training set's manifest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlfeat.compiler.findings import UNSAFE
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.errors import RunError
from sqlfeat.ops.check import check_model
from sqlfeat.ops.check_result import CheckedColumn, Problem
from sqlfeat.ops.session import Session


@dataclass(frozen=True)
class TimeSafety:
    """The verdicts of a training set's outputs; ``allowed`` are the reasons, by the model that gives them."""

    outputs: tuple[CheckedColumn, ...]
    allowed: dict[str, str]

    @property
    def warnings(self) -> list[str]:
        """A sentence for each cause that is not allowed, with what settles it, and one for each reason given."""
        bearers: dict[tuple[str, str, str], dict[str, None]] = {}
        places: dict[tuple[str, str, str], dict[str, None]] = {}
        for output in self.outputs:
            for problem in output.problems:
                if problem.allowed is None:
                    cause = (problem.finding.rule, problem.finding.message, problem.finding.mend)
                    bearers.setdefault(cause, {})[output.name] = None
                    places.setdefault(cause, {})[str(problem.place)] = None
        told = [_told(cause, list(names), list(places[cause])) for cause, names in bearers.items()]
        return [*told, *(f"{model} may leak: {reason}" for model, reason in self.allowed.items())]

    def as_dict(self) -> dict[str, Any]:
        """What the manifest keeps."""
        verdicts = {output.name: output.verdict for output in self.outputs}
        rules = {
            output.name: sorted({problem.finding.rule for problem in output.problems})
            for output in self.outputs
            if output.problems
        }
        return {"verdicts": verdicts, "rules": rules, "allowed": self.allowed}


def _told(cause: tuple[str, str, str], names: list[str], places: list[str]) -> str:
    rule, message, mend = cause
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    where = f"{', '.join(places[:2])}{', …' if len(places) > 2 else ''}"
    return (
        f"{', '.join(names[:3])}{more} unproven: {message.rstrip('.')} ({where}). To settle it: {mend}. "
        f"See docs/rules/{rule}.md"
    )


def time_safety(
    session: Session, model: CompiledModel, outputs: Collection[str] | None = None, *, strict: bool = False
) -> TimeSafety:
    """The verdicts of a training set, or of some of its outputs.

    Raises:
        RunError: ``unsafe-feature``, or with ``strict`` also ``unproven-feature``.
    """
    checked = check_model(session.manifest, model)
    chosen = tuple(column for column in checked.columns if outputs is None or column.name in outputs)
    allowed: dict[str, str] = {}
    for column in chosen:
        for problem in column.problems:
            if problem.allowed is None and (problem.finding.verdict == UNSAFE or strict):
                raise _refused(column, problem)
            if problem.allowed is not None:
                allowed[problem.allowed_by] = problem.allowed
    return TimeSafety(chosen, allowed)


def _refused(column: CheckedColumn, problem: Problem) -> RunError:
    finding = problem.finding
    unsafe = finding.verdict == UNSAFE
    what = f"The output {column.name!r} is {finding.verdict}: {finding.message}"
    details = [f"for example: {finding.example}", f"see docs/rules/{finding.rule}.md"]
    hint = f"{finding.mend}; or say allow_leakage with the reason in {problem.finding.model}."
    if unsafe:
        return RunError("unsafe-feature", what, problem.place, hint, details=details)
    return RunError("unproven-feature", what, problem.place, hint, details=details)
