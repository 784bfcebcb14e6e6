"""The commands about a project as a whole: make one, look where everything is, delete what was generated."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sqlfeat.cli.options import Call, Command, examples, shared
from sqlfeat.errors import StoreError, UsageError

PROJECT_FILE = "sqlfeat_project.yml"
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.pyc", ".keep", ".DS_Store", "target", "registry")
"""What is not part of a template, though it may lie in one that somebody has tried."""


@click.command("init", cls=Command, epilog=examples("sqlfeat init flights"))
@click.argument("name")
@shared
def init_command(call: Call, name: str) -> None:
    """Make a new project that runs at once.

    The project is a copy of the flights example: real departures, feature views, labels, a training set and a
    LightGBM hook. NAME is the new folder; its last part becomes the project's name.
    """
    from sqlfeat.base.assets import assets
    from sqlfeat.base.names import check_name
    from sqlfeat.cli.render import data, place, write_json

    folder = (call.project_dir / name).resolve()
    project = check_name("project", folder.name, None)
    _refuse_what_is_there(folder)
    try:
        shutil.copytree(assets("project_template"), folder, ignore=LEFT_BEHIND, dirs_exist_ok=True)
        _set_name(folder / PROJECT_FILE, project)
    except OSError as error:
        raise StoreError("cannot-write", f"{folder} cannot be written: {error.strerror}.") from None
    if call.as_json:
        write_json({"name": project, "path": str(folder)})
        return
    data().print(f"The project {project} is in {place(folder)}.")
    if not call.quiet:
        data().print(
            f"Next:  cd {place(folder)}\n"
            "       sqlfeat build                              the models and their tests\n"
            "       sqlfeat build-training-set late_flights    label rows with the features of their time\n"
            "       sqlfeat train late_lgbm                    a model of them, kept in the registry\n"
            "       sqlfeat predict late_lgbm                  what it says"
        )


def _refuse_what_is_there(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        kind = "is a folder that is not empty" if folder.is_dir() else "is a file"
        raise UsageError("folder-not-empty", f"{folder} {kind}.", hint="choose another name, or an empty folder.")


def _set_name(file: Path, name: str) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"^name:[^\n#]*?(?=\s*(#|$))", f"name: {name}", text, count=1, flags=re.M), encoding="utf-8")


@click.command("debug", cls=Command)
@shared
def debug_command(call: Call) -> int:
    """Say where everything is and whether the target answers.

    Versions, folders, the target, the registry; exit code 1 where something is wrong.
    """
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        known = project.debug()
    if call.as_json:
        write_json(known)
    else:
        data().print(_described(known))
    return 1 if known.get("problems") else 0


def _described(known: Mapping[str, Any]) -> Any:
    from rich.text import Text

    from sqlfeat.cli.render import cell, facts

    plain = {key: value for key, value in known.items() if not isinstance(value, Mapping) and key != "problems"}
    parts = [facts((key, cell(value)) for key, value in plain.items())] if plain else []
    for key, value in known.items():
        if isinstance(value, Mapping) and value:
            listed = facts((str(name), cell(content)) for name, content in value.items())
            parts.append(Text.assemble((f"{key}\n", "bold"), listed))
    problems = known.get("problems") or ()
    parts.append(Text("\n").join([Text(f"problem: {cell(problem)}", "red") for problem in problems] or [_all_well()]))
    return Text("\n\n").join(parts)


def _all_well() -> Any:
    from rich.text import Text

    return Text("All is well.", "green")


@click.command("clean", cls=Command)
@shared
def clean_command(call: Call) -> None:
    """Delete what was generated, and say what.

    What lies under target/ goes; the database, the registry and the online store stay.
    """
    from sqlfeat.cli.render import data, place, talk, write_json

    with call.project() as project:
        deleted = project.clean()
    if call.as_json:
        write_json({"deleted": [str(path) for path in deleted]})
        return
    for path in deleted:
        data().print(place(path))
    if not call.quiet:
        talk().print(f"{len(deleted)} deleted." if deleted else "Nothing to delete.")
