"""What a verification found, as tests ask for it."""

from __future__ import annotations

from typing import Any

from sqlfeat.ops.verification import Difference, ModelVerdict, Verification
from tests.made.projects import Opened


def verify(opened: Opened, *select: str, **settings: Any) -> Verification:
    """Verify without quantiles and rebuild, unless a test asks for them."""
    asked = {"cutoffs": 0, "rebuild": False, **settings}
    with opened.project() as project:
        return project.verify(select, **asked)


def model_of(verification: Verification, name: str) -> ModelVerdict:
    return next(model for model in verification.models if model.name == name)


def verdicts(verification: Verification) -> dict[str, str]:
    return {model.name: model.verdict for model in verification.models}


def difference_of(verification: Verification, name: str, column: str | None) -> Difference:
    """The first difference in a column of a model, or in its rows."""
    return next(each for each in model_of(verification, name).differences if each.column == column)
