"""The project that ``make bench-check`` measures: it compiles, and is what it is said to be."""

from __future__ import annotations

from benchmarks.check import make_project
from sqlfeat.api import Project


def test_the_measured_project_is_made_of_models_that_are_proved(tmp_path):
    names = make_project(tmp_path / "large", 101)

    with Project.load(tmp_path / "large") as project:
        checked = project.check().models

    assert sorted(names) == sorted(model.name for model in checked)
    assert {model.verdict for model in checked if not model.name.startswith("lab")} == {"safe"}
    assert {name.split("_")[0] for name in names} == {"stg", "int", "day", "fv", "lab", "ts"}


def test_it_is_the_same_by_the_same_seed(tmp_path):
    for folder in ("one", "other"):
        make_project(tmp_path / folder, 70, seed=3)

    one, other = ({p.name: p.read_text() for p in (tmp_path / f / "models").iterdir()} for f in ("one", "other"))

    assert one == other
