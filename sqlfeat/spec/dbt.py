"""A dbt project, read as one of sqlfeat's: what ``dbt_project.yml`` and a ``profiles.yml`` beside it say.

Everything else of such a folder has the same shapes as in a project of sqlfeat, and is read by the same code,
leniently: keys of other adapters are passed over. Only DuckDB outputs of the profile are targets, and only a
profile inside the project is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlfeat.base.environment import expand_environment
from sqlfeat.base.yaml import Node
from sqlfeat.spec.dbt_values import Given, with_variables
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import TargetSpec
from sqlfeat.spec.project_file import ProjectFile, first_target, inside, read_paths, read_targets
from sqlfeat.spec.section import Section

DBT_PROJECT_FILE = "dbt_project.yml"
PROFILES_FILE = "profiles.yml"
_PACKAGES = ("packages", "dbt_packages")


def read_dbt_project(
    root: Path, node: Node, profiles: Node | None, environment: Mapping[str, str], problems: Problems
) -> ProjectFile:
    """Read the project file of a dbt project in the folder ``root``; what is wrong is noted.

    ``profiles`` is as written: what outputs that are left out take from the environment need not be there.
    """
    file = Section(node, "the project file", problems)
    name = file.name("project") or "project"
    target_path = inside(root, file.text("target-path") or "target")
    profile = _profile(profiles, file.text("profile") or name, environment, problems)
    outputs = profile.section("outputs", "the outputs") if profile else None
    targets = read_targets(outputs, root, target_path / f"{name}.duckdb")
    variables = _vars(file, name)
    chosen = profile.text("target") if profile else None  # it may be one of those that are left out
    default = chosen if chosen is not None and chosen in targets else first_target(targets)
    given = Given(variables, environment, _as_named(targets[default]))
    return ProjectFile(
        name=name,
        version=file.text("version") or "0.0.0",
        default_target=default,
        targets=targets,
        entities={},
        vars=variables,
        registry=inside(root, "registry"),
        target_path=target_path,
        online={},
        model_config=_said(file.get("models"), given),
        seed_config=_said(file.get("seeds"), given),
        given=given,
        paths={
            **read_paths(file),
            "package-paths": (*_PACKAGES, *file.texts("packages-install-path")),
            "snapshot-paths": file.texts("snapshot-paths") or ("snapshots",),
        },
    )


def _said(config: Node | None, given: Given) -> Node | None:
    return None if config is None else with_variables(config, given)


def _as_named(target: TargetSpec) -> Mapping[str, Any]:
    """A target as Jinja in YAML names it."""
    database = target.path.stem if target.path else ""
    return {"name": target.name, "type": target.engine, "schema": target.schema, "database": database}


def _vars(file: Section, name: str) -> Mapping[str, Any]:
    """The variables, those under the project's own name over the global ones."""
    given = dict(file.mapping("vars"))
    own = given.pop(name, {})
    return {**given, **own} if isinstance(own, dict) else file.mapping("vars")


def _profile(profiles: Node | None, name: str, environment: Mapping[str, str], problems: Problems) -> Section | None:
    """The profile of that name, with those outputs only that sqlfeat can be asked to make."""
    profile = profiles.entries.get(name) if profiles is not None else None
    if profile is None or not profile.is_mapping:
        return None
    entries = dict(profile.entries)
    if "outputs" in entries:
        entries["outputs"] = _duckdb_outputs(entries["outputs"], problems)
    expanded: dict[str, Node] = {
        key: expand_environment(entries[key], environment) for key in ("target", "outputs") if key in entries
    }
    return Section(replace(profile, entries=expanded), f"the profile {name!r}", problems)


def _duckdb_outputs(outputs: Node, problems: Problems) -> Node:
    kept = {}
    for name, entry in outputs.entries.items():
        if entry.is_mapping and entry.value.get("type") == "duckdb":
            kept[name] = entry
        else:
            problems.left_out.append(f"{outputs.keys[name]}: The output {name!r} is not of DuckDB.")
    return replace(outputs, entries=kept)
