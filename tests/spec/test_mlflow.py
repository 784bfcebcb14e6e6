"""``registry: {mlflow: …}`` of the project file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfeat.errors import SqlfeatError
from sqlfeat.spec.load import load_project
from sqlfeat.spec.mlflow import MlflowSpec, absolute_uri
from sqlfeat.spec.project import ProjectSpec
from tests.made.projects import shop


def loaded(root: Path, registry: str) -> ProjectSpec:
    return load_project(shop(root, {"sqlfeat_project.yml": f"name: shop\nregistry: {registry}\n"}))


@pytest.mark.parametrize("registry", ["kept", "{path: kept}"])
def test_it_is_nowhere_unless_it_is_said(tmp_path, registry):
    spec = loaded(tmp_path, registry)

    assert (spec.mlflow, spec.registry) == (None, tmp_path / "kept")


def test_relative_places_are_the_projects(tmp_path):
    spec = loaded(tmp_path, "{mlflow: {tracking_uri: 'sqlite:///m.db', experiment: late, artifact_location: files}}")

    assert spec.mlflow == MlflowSpec(f"sqlite:///{tmp_path}/m.db", "late", str(tmp_path / "files"))
    assert spec.registry == tmp_path / "registry"


def test_the_environment_may_say_where(tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "https://mlflow.example.org")

    assert loaded(tmp_path, "{mlflow: {tracking_uri: '${env:WHERE}'}}").mlflow == MlflowSpec(
        "https://mlflow.example.org"
    )


def test_a_misspelt_key_is_shown_at_its_place(tmp_path):
    with pytest.raises(SqlfeatError, match="tracking_url") as caught:
        loaded(tmp_path, "{mlflow: {tracking_url: 'x'}}")

    assert caught.value.code == "unknown-key"
    assert str(caught.value.where).startswith("sqlfeat_project.yml:2:")
    assert "tracking_uri" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///store/m.db", "sqlite:////flights/store/m.db"),
        ("sqlite:////store/m.db", "sqlite:////store/m.db"),
        ("mlruns", "/flights/mlruns"),
        ("https://mlflow.example.org", "https://mlflow.example.org"),
        ("databricks", "databricks"),
    ],
)
def test_a_uri_with_a_relative_path_is_taken_from_a_folder(uri, expected):
    assert absolute_uri(uri, Path("/flights")) == expected
