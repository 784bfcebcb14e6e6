"""Leaks into the flights project, as a colleague would commit them: each is caught, where it is, before any run.

Most can be told from the SQL; for the others, ``verify`` shows the rows that change.
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
BY_CHECK = [leak for leak in LEAKS if leak.caught_by == "check"]
BY_VERIFY = [leak for leak in LEAKS if leak.caught_by == "verify"]


def flights(folder: Path, leak: Leak | None = None) -> Path:
    """A copy of the flights project, with a leak in it."""
    root = folder / "flights"
    shutil.copytree(
        assets("project_template"), root, ignore=shutil.ignore_patterns("target", "registry", "__pycache__")
    )
    if leak:
        apply(leak.diff, root)
    return root


def checked(root: Path) -> dict[str, dict[str, Any]]:
    """What check says of each model, by its name."""
    with Project.load(root) as project:
        if not hasattr(project, "check"):
            pytest.skip("there is no Project.check() yet")
        return {model["name"]: model for model in project.check().as_dict()["models"]}


def test_there_are_at_least_twenty_leaks():
    assert len(LEAKS) >= 20


def test_without_a_leak_the_flights_pass(tmp_path):
    models = checked(flights(tmp_path))
    verdicts = {
        f"{name}.{column['name']}": column["verdict"] for name, model in models.items() for column in model["columns"]
    }

    assert [name for name, verdict in verdicts.items() if verdict == "unsafe"] == []
    unproven = [name for name, verdict in verdicts.items() if verdict == "unproven"]
    assert len(unproven) <= len(verdicts) / 10, unproven


@pytest.mark.parametrize("leak", BY_CHECK, ids=lambda leak: leak.name)
def test_check_names_the_leak_and_its_place(leak, tmp_path):
    model = checked(flights(tmp_path, leak))[leak.model]
    columns = {column["name"]: column for column in model["columns"]}
    spoilt = [columns[name] for name in leak.columns or columns]

    assert model["verdict"] == "unsafe"
    assert ["unsafe"] * len(spoilt) == [column["verdict"] for column in spoilt]
    assert {(leak.rule, leak.file, leak.line)} == {(each["rule"], each["file"], each["line"]) for each in spoilt}
    others = [column for column in columns.values() if column not in spoilt]
    assert "unsafe" not in [column["verdict"] for column in others]


@pytest.mark.parametrize("leak", BY_VERIFY, ids=lambda leak: leak.name)
def test_what_check_cannot_prove_verify_shows(leak, tmp_path):
    root = flights(tmp_path, leak)
    columns = {column["name"]: column for column in checked(root)[leak.model]["columns"]}
    with Project.load(root) as project:
        verification = project.verify([leak.model], cutoffs=2, rebuild=False).as_dict()
    (found,) = (model for model in verification["models"] if model["name"] == leak.model)

    assert "safe" not in [columns[name]["verdict"] for name in leak.columns or columns]
    assert found["verdict"] == "differs"
    assert set(leak.columns) <= {difference["column"] for difference in found["differences"]}
