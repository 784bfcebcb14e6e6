"""Templates rendered without a project around them, and manifests of small projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.manifest import Manifest
from sqlfeat.compiler.template import Renderer, Rendering
from sqlfeat.errors import ProjectError
from sqlfeat.spec.project import SqlFile
from tests.made.projects import Files, Opened, shop

TARGET = {"name": "dev", "schema": "main", "type": "duckdb", "threads": 1}


@dataclass
class Templates:
    """A renderer with these macros, variables and answers."""

    macros: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)

    def renderer(self) -> Renderer:
        files = [SqlFile(Path(path).stem, path, dedent(text)) for path, text in self.macros.items()]
        return Renderer(
            files, variables=self.variables, environment=self.environment, target=TARGET, project="shop",
            log=self.logged.append,
        )  # fmt: skip

    def rendering(self, text: str, query: Callable[[str], Answer] | None = None) -> Rendering:
        return self.renderer().render("models/m.sql", text, name="m", query=query)

    def __call__(self, text: str, query: Callable[[str], Answer] | None = None) -> str:
        """The rendered SQL."""
        return str.__str__(self.rendering(text, query).text)

    def refused(self, text: str) -> ProjectError:
        """What is wrong with a template."""
        with pytest.raises(ProjectError) as caught:
            self(text)
        return caught.value


@pytest.fixture
def render() -> Templates:
    """Templates without macros of their own."""
    return Templates()


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[Files], Manifest]:
    """The manifest of a project with these files beside a source of orders."""

    def manifest(files: Files) -> Manifest:
        with Opened(shop(tmp_path, files)).project() as project:
            return project.manifest

    return manifest
