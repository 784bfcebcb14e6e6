"""``sqlfeat_project.yml``: name, targets, entities, vars and folder-wide config, with the environment filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlfeat.base.names import check_name, did_you_mean
from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.dbt_values import Given
from sqlfeat.spec.mlflow import MlflowSpec, read_mlflow
from sqlfeat.spec.online import read_online
from sqlfeat.spec.openlineage import OpenLineageSpec, read_openlineage
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import EntitySpec, TargetSpec
from sqlfeat.spec.promotion import PromotionSpec, read_promotion
from sqlfeat.spec.properties import read_entities
from sqlfeat.spec.section import Section
from sqlfeat.spec.serve import ServingLogSpec, read_serving_log

ENGINES = ("duckdb", "spark")
IN_MEMORY = ":memory:"
_PATHS = {
    "model-paths": ("models",), "macro-paths": ("macros",), "seed-paths": ("seeds",), "test-paths": ("tests",),
    "hook-paths": ("hooks",), "package-paths": ("packages",),
}  # fmt: skip
_KEYS = (
    "name", "version", "config-version", "description", "default_target", "targets", "entities", "online", "registry",
    "serve", "openlineage", "vars", "models", "seeds", "target-path", *_PATHS,
)  # fmt: skip
_TARGET = ("engine", "type", "path", "schema", "threads", "memory_limit", "settings")
_SPARK_TARGET = ("engine", "type", "remote", "schema", "catalog", "threads", "settings")
_REGISTRY = ("path", "promotion", "mlflow")
_MEMORY = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?B|%)", re.IGNORECASE)


@dataclass(frozen=True)
class ProjectFile:
    """What the project file says. Folders are relative to the root, as written; other paths are absolute.

    ``given`` is what Jinja in the YAML of a dbt project may name.
    """

    name: str
    version: str
    default_target: str
    targets: Mapping[str, TargetSpec]
    entities: Mapping[str, EntitySpec]
    vars: Mapping[str, Any]
    registry: Path
    target_path: Path
    online: Mapping[str, Any]
    model_config: Node | None
    seed_config: Node | None
    promotion: PromotionSpec = field(default_factory=PromotionSpec)
    mlflow: MlflowSpec | None = None
    serving_log: ServingLogSpec | None = None
    openlineage: OpenLineageSpec | None = None
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(_PATHS))
    given: Given = field(default_factory=lambda: Given({}, {}))


def read_project_file(root: Path, node: Node, problems: Problems) -> ProjectFile:
    """Read the project file of the folder ``root``; what is wrong is noted."""
    file = Section(node, "the project file", problems)
    file.only(_KEYS)
    name = file.name("project") or "project"
    target_path = inside(root, file.text("target-path") or "target")
    targets = read_targets(file.section("targets", "the targets"), root, target_path / f"{name}.duckdb")
    return ProjectFile(
        name=name,
        version=file.text("version") or "0.0.0",
        default_target=_default_target(file, targets),
        targets=targets,
        entities={entity.name: entity for entity in read_entities(file)},
        vars=file.mapping("vars"),
        registry=_registry(file, root),
        promotion=_promotion(file),
        mlflow=_mlflow(file, root),
        serving_log=read_serving_log(file, root),
        openlineage=read_openlineage(file, root),
        target_path=target_path,
        online=read_online(file.section("online", "the online store"), root),
        model_config=file.get("models"),
        seed_config=file.get("seeds"),
        paths=read_paths(file),
    )


def read_paths(file: Section) -> dict[str, tuple[str, ...]]:
    """Where models, macros, seeds, tests, hooks and packages lie."""
    paths = {}
    for key, default in _PATHS.items():
        paths[key] = file.texts(key) or default
        if any(Path(path).is_absolute() for path in paths[key]):
            what = f"{key!r} of the project file must be relative to the project's folder."
            file.problems.add(ProjectError("bad-value", what, file.node.entries[key].place))
            paths[key] = default
    return paths


def inside(root: Path, path: str) -> Path:
    """The path, taken from the project's folder where it is relative."""
    return (root / path).absolute()


def _registry(file: Section, root: Path) -> Path:
    given = file.get("registry")
    if given is not None and isinstance(given.value, str):
        return inside(root, given.value)
    section = file.section("registry", "the registry")
    if section is None:
        return inside(root, "registry")
    section.only(_REGISTRY)
    return inside(root, section.text("path") or "registry")


def _promotion(file: Section) -> PromotionSpec:
    registry = file.get("registry")
    if registry is None or not registry.is_mapping:
        return PromotionSpec()
    section = Section(registry, "the registry", file.problems).section("promotion", "the promotion")
    return PromotionSpec() if section is None else read_promotion(section)


def _mlflow(file: Section, root: Path) -> MlflowSpec | None:
    registry = file.get("registry")
    if registry is None or not registry.is_mapping:
        return None
    section = Section(registry, "the registry", file.problems).section("mlflow", "MLflow")
    return None if section is None else read_mlflow(section, root)


def read_targets(section: Section | None, root: Path, default_path: Path) -> dict[str, TargetSpec]:
    """The targets by name; a project without any has one, ``dev``, on DuckDB."""
    targets = {}
    if section is not None:
        for name, entry in section.node.entries.items():
            target = Section(entry, f"the target {name!r}", section.problems)
            with section.problems.collected():
                check_name("target", name, section.place_of(name))
            targets[name] = _target(name, target, root, default_path, section.place_of(name))
    return targets or {"dev": TargetSpec("dev", "duckdb", path=default_path)}


def _target(name: str, section: Section, root: Path, default_path: Path, place: Place) -> TargetSpec:
    engine = section.one_of("engine" if "engine" in section else "type", ENGINES, code="unknown-engine") or "duckdb"
    section.only(_SPARK_TARGET if engine == "spark" else _TARGET)
    settings = dict(section.mapping("settings"))
    settings |= {key: section.node.value[key] for key in ("remote", "catalog") if key in section}
    schema = section.text("schema") or "main"
    if "schema" in section:
        with section.problems.collected():
            check_name("schema", schema, section.place_of("schema"))
    return TargetSpec(
        name=name,
        engine=engine,
        path=_target_path(section, root, default_path) if engine == "duckdb" else None,
        schema=schema,
        threads=section.count("threads"),
        memory_limit=_memory_limit(section),
        settings=settings,
        place=place,
    )


def _target_path(section: Section, root: Path, default: Path) -> Path | None:
    """The database's file; None for one in memory."""
    path = section.text("path")
    if path == IN_MEMORY:
        return None
    return inside(root, path) if path else default


def _memory_limit(section: Section) -> str | None:
    limit = section.text("memory_limit")
    if limit is not None and not _MEMORY.fullmatch(limit.strip()):
        place = section.node.entries["memory_limit"].place
        what = f"'memory_limit' of {section.what} must be a size, not {limit!r}."
        section.problems.add(ProjectError("bad-value", what, place, "write for instance 8GB, 512MB or 50%."))
        return None
    return limit


def _default_target(file: Section, targets: Mapping[str, TargetSpec]) -> str:
    chosen = file.text("default_target")
    if chosen is None:
        return first_target(targets)
    if chosen not in targets:
        place = file.node.entries["default_target"].place
        what = f"There is no target {chosen!r}."
        file.problems.add(ProjectError("unknown-target", what, place, did_you_mean(chosen, targets)))
    return chosen


def first_target(targets: Mapping[str, TargetSpec]) -> str:
    """What is meant where none is chosen: ``dev``, or the first."""
    return "dev" if "dev" in targets else next(iter(targets))
