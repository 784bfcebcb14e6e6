"""Where versions are also told of in MLflow: ``registry: {mlflow: …}``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlfeat.spec.section import Section

_SQLITE = re.compile(r"sqlite:///(?!/)(?P<path>.+)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True)
class MlflowSpec:
    """An MLflow server or store; None leaves the choice to MLflow's own settings, the experiment to the project's name.

    ``artifact_location`` is where a new experiment keeps its files.
    """

    tracking_uri: str | None = None
    experiment: str | None = None
    artifact_location: str | None = None


def read_mlflow(section: Section, root: Path) -> MlflowSpec:
    """Read ``mlflow:``; what is wrong is noted. Relative places are the project's."""
    section.only(("tracking_uri", "experiment", "artifact_location"))
    given = section.text("tracking_uri")
    place = section.text("artifact_location")
    return MlflowSpec(
        tracking_uri=None if given is None else absolute_uri(given, root),
        experiment=section.text("experiment"),
        artifact_location=None if place is None else absolute_uri(place, root),
    )


def absolute_uri(uri: str, folder: Path) -> str:
    """The URI with a relative path in it taken from the folder."""
    sqlite = _SQLITE.fullmatch(uri)
    if sqlite is not None:
        return f"sqlite:///{(folder / sqlite['path']).absolute()}"
    if _SCHEME.match(uri) or uri == "databricks":
        return uri
    return str((folder / uri).absolute())
