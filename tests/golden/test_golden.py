"""What projects compile to, kept as files and reviewed like code: the project template, and a shop that uses more.

``expected/PROJECT/`` holds every model's compiled SQL under its own path, and ``plan.json``: order, columns, time
facts, lookups, outputs, windows, tests and fingerprints. To write them anew after a change that was meant::

    SQLFEAT_WRITE_GOLDEN=1 python -m pytest tests/golden
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from sqlfeat.api import Project
from sqlfeat.base.assets import assets
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.spec.duration import Duration

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"
PROJECTS = {"shop": HERE / "shop", "template": assets("project_template")}
WRITE = os.environ.get("SQLFEAT_WRITE_GOLDEN") == "1"


def plain(value: Any) -> Any:
    """A value as JSON knows it: data as mappings without what is empty, spans of time as text."""
    if isinstance(value, Duration):
        return str(value)
    if is_dataclass(value):
        listed = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {name: item for name, item in listed.items() if item not in (None, "", [], {}, False)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def said_of(model: CompiledModel) -> dict[str, Any]:
    """What is known of a model."""
    said: dict[str, Any] = {
        "materialized": model.materialized,
        "reads": list(model.parents),
        "keys": list(model.keys),
        "columns": {column.name: column.type for column in model.columns},
        "time": plain(model.time),
        "tags": list(model.config.tags),
        "fingerprint": model.fingerprint,
    }
    if model.window_view is not None:
        said["windows"] = plain(model.window_view)
    if model.training_set is not None:
        said["training_set"] = plain(model.training_set) | {"select": model.training_set.select.text}
    return {name: value for name, value in said.items() if value not in (None, [], {})}


def compiled(source: Path, folder: Path) -> dict[str, str]:
    """Every file that a project compiles to, by its path."""
    root = folder / "project"
    shutil.copytree(source, root, ignore=shutil.ignore_patterns("target", "registry", "__pycache__"))
    with Project.load(root) as project:
        files = {file.path.relative_to(root / "target" / "compiled").as_posix(): file.sql for file in project.compile()}
        manifest = project.manifest
        tests = {
            test.name: {"reads": list(test.parents), "severity": test.severity, "sql": test.sql.strip().split("\n")}
            for test in manifest.tests.values()
        }
        plan = {
            "order": list(manifest.graph.order()),
            "models": {model.name: said_of(model) for model in manifest.models.values()},
            "tests": dict(sorted(tests.items())),
        }
    return {**files, "plan.json": json.dumps(plan, indent=2, ensure_ascii=False) + "\n"}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_compiles_to_what_is_kept(name, tmp_path):
    found = compiled(PROJECTS[name], tmp_path)
    folder = EXPECTED / name
    if WRITE:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in found.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")

    kept = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.*") if path.is_file()
    }
    assert sorted(found) == sorted(kept)
    for path, text in found.items():
        assert text == kept[path], f"{path}: if this is meant, SQLFEAT_WRITE_GOLDEN=1 writes it anew"


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    assert compiled(PROJECTS["shop"], tmp_path / "a") == compiled(PROJECTS["shop"], tmp_path / "b")
