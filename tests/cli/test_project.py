"""The commands about a project as a whole: a new one, where everything is, and cleaning up."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlfeat.base.assets import assets


def test_init_makes_a_project_of_that_name(typing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    ended = typing("init", "my_flights")

    assert ended.code == 0
    assert ended.out.startswith("The project my_flights is in my_flights.\nNext:  cd my_flights\n")
    project = (tmp_path / "my_flights" / "sqlfeat_project.yml").read_text()
    template = (assets("project_template") / "sqlfeat_project.yml").read_text()
    assert "\nname: my_flights" in f"\n{project}"
    assert len(project.splitlines()) == len(template.splitlines())


def test_init_leaves_behind_what_is_no_part_of_the_template(typing, tmp_path, monkeypatch):
    template = tmp_path / "template"
    for name in ("target/flights.duckdb", "registry/late/v1/version.json", "hooks/__pycache__/a.pyc", "models/.keep"):
        (template / name).parent.mkdir(parents=True, exist_ok=True)
        (template / name).write_text("x")
    (template / "sqlfeat_project.yml").write_text("name: flights   # what it is called\nversion: 1.0.0\n")
    monkeypatch.setattr("sqlfeat.base.assets.assets", lambda _: template)

    assert typing("init", str(tmp_path / "mine"), "--quiet").code == 0
    left = sorted(str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*") if path.is_file())

    assert left == ["sqlfeat_project.yml"]
    told = (tmp_path / "mine" / "sqlfeat_project.yml").read_text()
    assert told == "name: mine   # what it is called\nversion: 1.0.0\n"


def test_init_refuses_a_folder_that_is_not_empty(typing, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")

    ended = typing("init", str(tmp_path / "mine"))

    assert ended.code == 2
    assert ended.err.startswith(f"[folder-not-empty] {tmp_path}/mine is a folder that is not empty.")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_init_fills_an_empty_folder(typing, tmp_path):
    (tmp_path / "mine").mkdir()

    assert typing("init", str(tmp_path / "mine"), "--json").document == {"name": "mine", "path": f"{tmp_path}/mine"}


def test_init_refuses_a_name_that_is_none(typing, tmp_path):
    ended = typing("init", str(tmp_path / "my-flights"))

    assert ended.code == 2
    assert "my_flights" in ended.err
    assert not (tmp_path / "my-flights").exists()


KNOWN = {
    "project": "flights",
    "reachable": True,
    "target": {"name": "dev", "path": "target/flights.duckdb"},
    "versions": {"sqlfeat": "0.1.0", "duckdb": "2.0.0"},
    "problems": [],
}


def test_debug_says_where_everything_is(typing, project):
    project.answers["debug"] = KNOWN

    ended = typing("debug")

    assert ended.code == 0
    assert (
        ended.out
        == """\
  project     flights
  reachable   true

target
  name   dev
  path   target/flights.duckdb

versions
  sqlfeat   0.1.0
  duckdb    2.0.0

All is well.
"""
    )


def test_debug_ends_with_1_where_something_is_wrong(typing, project):
    project.answers["debug"] = {**KNOWN, "problems": ["The database is locked."]}

    ended = typing("debug")

    assert ended.code == 1
    assert ended.out.endswith("\nproblem: The database is locked.\n")
    assert typing("debug", "--json").document["problems"] == ["The database is locked."]


@pytest.mark.parametrize(
    ("deleted", "told"), [([], "Nothing to delete.\n"), ([Path("target/compiled")], "1 deleted.\n")]
)
def test_clean_says_what_it_deleted(typing, project, deleted, told):
    project.answers["clean"] = deleted

    ended = typing("clean")

    assert ended.out == "".join(f"{path}\n" for path in deleted)
    assert ended.err == told
    assert typing("clean", "--json").document == {"deleted": [str(path) for path in deleted]}
