"""Leaks into the flights project, as a colleague would commit them: each is caught, where it is.

Most are told from the SQL, before anything runs. Where an inequality between two columns decides that nothing in the
SQL states, ``check`` leaves it unproven at the same place, and ``verify`` shows the rows that change.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sqlfeat.api import Project
from sqlfeat.base.assets import assets
from tests.check.leaks.patches import Leak, apply, read_leak

LEAKS = [read_leak(path) for path in sorted((Path(__file__).parent / "leaks").glob("*.patch"))]


def caught_by(*ways: str) -> pytest.MarkDecorator:
    """The leaks that are caught in one of these ways: ``check``, ``check --strict`` (unproven), ``verify``."""
    leaks = [leak for leak in LEAKS if leak.caught_by in ways]
    return pytest.mark.parametrize("leak", leaks, ids=lambda leak: leak.name)


def flights(folder: Path, leak: Leak | None = None) -> Path:
    """A copy of the flights project, with a leak in it."""
    root = folder / "flights"
    shutil.copytree(
        assets("project_template"), root, ignore=shutil.ignore_patterns("target", "registry", "__pycache__")
    )
    if leak:
        apply(leak.diff, root)
    return root


def checked(root: Path) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Whether check fails, and what it says of each model, by its name."""
    with Project.load(root) as project:
        result = project.check()
        return result.failed, {model["name"]: model for model in result.as_dict()["models"]}


def spoilt(leak: Leak, model: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The columns of a model that a leak spoils, and the others."""
    concerned = [column for column in model["columns"] if not leak.columns or column["name"] in leak.columns]
    return concerned, [column for column in model["columns"] if column not in concerned]


def test_there_are_at_least_twenty_leaks_and_most_are_told_from_the_sql():
    assert len(LEAKS) >= 20
    assert len([leak for leak in LEAKS if leak.caught_by == "check"]) >= 20


def test_without_a_leak_the_flights_pass_and_little_is_unproven(tmp_path):
    failed, models = checked(flights(tmp_path))
    unproven = {name for name, model in models.items() if model["verdict"] != "safe"}

    assert not failed
    # that every answer is known 36 hours after its question is a fact of the data, which a test of the project keeps
    assert unproven == {"flights_asked"}
    assert "unsafe" not in {model["verdict"] for model in models.values()}


@caught_by("check")
def test_check_fails_and_names_the_leak_and_its_place(leak, tmp_path):
    failed, models = checked(flights(tmp_path, leak))
    columns, others = spoilt(leak, models[leak.model])

    assert failed
    assert {("unsafe", leak.rule, leak.file, leak.line)} == {
        (each["verdict"], each["rule"], each["file"], each["line"]) for each in columns
    }
    assert "unsafe" not in [column["verdict"] for column in others]


@caught_by("check --strict", "verify")
def test_what_check_cannot_prove_it_does_not_pass_and_says_where(leak, tmp_path):
    _, models = checked(flights(tmp_path, leak))
    columns, others = spoilt(leak, models[leak.model])

    assert {("unproven", leak.rule, leak.file, leak.line)} == {
        (each["verdict"], each["rule"], each["file"], each["line"]) for each in columns
    }
    assert "unsafe" not in [column["verdict"] for column in others]


@caught_by("verify")
def test_what_check_cannot_prove_verify_shows(leak, tmp_path):
    with Project.load(flights(tmp_path, leak)) as project:
        is_set = project.manifest.models[leak.model].training_set is not None
        found = project.verify([leak.model], cutoffs=1, sample=0.1 if is_set else None, rebuild=False)
    (model,) = (model for model in found.as_dict()["models"] if model["name"] == leak.model)

    assert found.failed
    assert model["verdict"] == "differs"
    assert set(leak.columns) <= {difference["column"] for difference in model["differences"]}
