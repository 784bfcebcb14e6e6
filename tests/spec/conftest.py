"""Projects made of texts, for the tests of reading them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sqlfeat.errors import ProjectError
from sqlfeat.spec.load import load_project
from sqlfeat.spec.project import ProjectSpec

Files = dict[str, str]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Files], Path]:
    """Write texts to files below a folder of the test's own; a project file is there unless one is given."""

    def write(files: Files) -> Path:
        if not any(name.endswith("_project.yml") for name in files):
            files = {"sqlfeat_project.yml": "name: flights\n", **files}
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def load(write: Callable[[Files], Path]) -> Callable[..., ProjectSpec]:
    """The project that these files make."""

    def load(files: Files, **environment: str) -> ProjectSpec:
        return load_project(write(files), environment=environment)

    return load


@pytest.fixture
def refused(load: Callable[..., ProjectSpec]) -> Callable[..., ProjectError]:
    """What is wrong with these files."""

    def refused(files: Files, **environment: str) -> ProjectError:
        with pytest.raises(ProjectError) as caught:
            load(files, **environment)
        return caught.value

    return refused
