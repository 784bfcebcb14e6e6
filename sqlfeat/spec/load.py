"""A folder becomes a :class:`ProjectSpec`: every file is read, every mistake is noted, all are raised at once.

It knows where things lie and what belongs to what; what a file says is read by ``project_file``, ``properties``
and their neighbours. Templates are not rendered and no engine is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlfeat.base.assets import assets
from sqlfeat.base.environment import expand_environment
from sqlfeat.base.names import check_name, did_you_mean
from sqlfeat.base.yaml import Node, read_yaml
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.config import add_up, read_layer
from sqlfeat.spec.dbt import DBT_PROJECT_FILE, PROFILES_FILE, read_dbt_project
from sqlfeat.spec.dbt_values import with_variables
from sqlfeat.spec.folder_config import check_tree, config_for
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import (
    EntitySpec,
    ModelFile,
    ModelProperties,
    ProjectSpec,
    SeedFile,
    SourceTable,
    SqlFile,
)
from sqlfeat.spec.project_file import ProjectFile, read_project_file
from sqlfeat.spec.properties import Properties, check_seed_config, read_properties

PROJECT_FILE = "sqlfeat_project.yml"
_SNAPSHOT = re.compile(r"\{%-?\s*snapshot\s+(\w+)\s*-?%\}(.*?)\{%-?\s*endsnapshot\s*-?%\}", re.DOTALL)


def load_project(folder: Path, *, environment: Mapping[str, str] | None = None) -> ProjectSpec:
    """Read the project in the folder; ``environment`` is what ``${env:…}`` looks into, the process's own if None.

    A folder with a ``dbt_project.yml`` and no project file of sqlfeat's is a project too.
    """
    root = Path(folder).absolute()
    variables = os.environ if environment is None else environment
    if (root / PROJECT_FILE).is_file():
        problems = Problems()
        node = _read_expanded(root, PROJECT_FILE, variables)
        said = read_project_file(root, node or Node({}, Place(PROJECT_FILE)), problems)
        return _Loader(root, said, variables, problems).project(PROJECT_FILE)
    if (root / DBT_PROJECT_FILE).is_file():
        problems = Problems(lenient=True)
        read = _read_leniently(root / DBT_PROJECT_FILE, DBT_PROJECT_FILE, problems) or Node({}, Place(DBT_PROJECT_FILE))
        node = _expanded_but(("models", "seeds"), read, variables)
        has_profiles = (root / PROFILES_FILE).is_file()
        profiles = _read_leniently(root / PROFILES_FILE, PROFILES_FILE, problems) if has_profiles else None
        said = read_dbt_project(root, node, profiles, variables, problems)
        return _Loader(root, said, variables, problems).project(DBT_PROJECT_FILE)
    raise _no_project(root)


def _read_expanded(root: Path, name: str, environment: Mapping[str, str]) -> Node | None:
    node = read_yaml(read_text(root / name, name), name)
    return node if node is None else expand_environment(node, environment)


def _expanded_but(others: Collection[str], node: Node, environment: Mapping[str, str]) -> Node:
    """A mapping expanded but for the ``others``, whose texts may name more than the environment."""
    entries = {
        key: entry if key in others else expand_environment(entry, environment) for key, entry in node.entries.items()
    }
    return replace(node, value={key: entry.value for key, entry in entries.items()}, entries=entries)


def _read_leniently(file: Path, name: str, problems: Problems) -> Node | None:
    """A file as dbt reads it: of a key that is given twice the last one counts, and it is said so."""
    repeated: list[ProjectError] = []
    node = read_yaml(read_text(file, name), name, repeated)
    for error in repeated:
        problems.add_unless_lenient(ProjectError(error.code, f"{error.what} The last one counts.", error.where))
    return node


def _no_project(root: Path) -> ProjectError:
    if not root.is_dir():
        return ProjectError("no-project", f"There is no folder {root}.")
    files = (PROJECT_FILE, DBT_PROJECT_FILE)
    above = next((parent for parent in root.parents if any((parent / file).is_file() for file in files)), None)
    if above is not None:
        hint = f"there is one above: go there, or give --project-dir {above}."
    else:
        hint = "`sqlfeat init NAME` makes a new project."
    return ProjectError("no-project", f"There is no {PROJECT_FILE} in {root}.", hint=hint)


def read_text(path: Path, name: str) -> str:
    """The file's text, which must be UTF-8; ``name`` is what errors call it."""
    try:
        raw = path.read_bytes()
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ProjectError("bad-encoding", "This file is not UTF-8.", Place(name, line), "save it as UTF-8.") from None
    except OSError as error:
        raise ProjectError("cannot-read", f"This file cannot be read: {error.strerror}.", Place(name)) from None


@dataclass(frozen=True)
class _Found:
    """A file of the project: where it is, its path in the project, and the folders and name below its kind's."""

    file: Path
    path: str
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.parts[-1]


class _Loader:
    """Reads everything below the root that the project file points at."""

    def __init__(self, root: Path, said: ProjectFile, environment: Mapping[str, str], problems: Problems) -> None:
        self._root = root
        self._said = said
        self._environment = environment
        self._problems = problems

    def project(self, project_file: str) -> ProjectSpec:
        model_files = list(self._named("model-paths", ".sql", "model"))
        seed_files = list(self._named("seed-paths", ".csv", "seed"))
        self._check_folder_config(model_files, seed_files)
        properties = self._properties()
        models = self._models(model_files, properties)
        seeds = self._seeds(seed_files, models, properties)
        sources = self._sources(properties)
        entities = self._entities(properties)
        macros = tuple(self._macros())
        singular_tests = tuple(self._singular_tests())
        self._problems.raise_if_any()
        return ProjectSpec(
            root=self._root,
            name=self._said.name,
            version=self._said.version,
            default_target=self._said.default_target,
            targets=self._said.targets,
            entities=entities,
            sources=sources,
            models=models,
            macros=macros,
            singular_tests=singular_tests,
            seeds=seeds,
            hooks=tuple(found.file for found in self._found("hook-paths", ".py", ".yml", ".yaml")),
            vars=self._said.vars,
            registry=self._said.registry,
            target_path=self._said.target_path,
            promotion=self._said.promotion,
            mlflow=self._said.mlflow,
            serving_log=self._said.serving_log,
            openlineage=self._said.openlineage,
            online=self._said.online,
            project_file=project_file,
            left_out=tuple(self._problems.left_out),
        )

    def _found(self, kind: str, *endings: str) -> Iterator[_Found]:
        """The files below the folders of that kind, in the order of their paths."""
        for folder in self._said.paths[kind]:
            base = self._root / folder
            for file in _files_below(base, endings):
                ending = next(ending for ending in endings if file.name.endswith(ending))
                below = file.relative_to(base)
                parts = (*below.parts[:-1], below.name.removesuffix(ending))
                yield _Found(file, file.relative_to(self._root).as_posix(), parts)

    def _named(self, kind: str, ending: str, what: str) -> Iterator[_Found]:
        """Files whose name is that of a relation; what cannot be one is noted and left out."""
        for found in self._found(kind, ending):
            with self._problems.collected():
                check_name(what, found.name, Place(found.path))
                yield found

    def _check_folder_config(self, models: list[_Found], seeds: list[_Found]) -> None:
        name = self._said.name
        lenient = self._problems.lenient
        check_model, check_seed = partial(read_layer, lenient=lenient), partial(check_seed_config, lenient=lenient)
        check_tree(self._said.model_config, name, [found.parts for found in models], check_model, self._problems)
        check_tree(self._said.seed_config, name, [found.parts for found in seeds], check_seed, self._problems)

    def _properties(self) -> Properties:
        """What all properties files say together."""
        read: list[Properties] = []
        for kind in ("model-paths", "seed-paths"):
            for found in self._found(kind, ".yml", ".yaml"):
                with self._problems.collected():
                    if self._problems.lenient:
                        node = _read_leniently(found.file, found.path, self._problems)
                        node = node and with_variables(node, self._said.given)
                    else:
                        node = read_yaml(read_text(found.file, found.path), found.path)
                    if node is not None:
                        read.append(read_properties(self._expanded_sources(node), self._problems))
        return Properties(
            models=tuple(each for one in read for each in one.models),
            seeds=tuple(each for one in read for each in one.seeds),
            sources=tuple(each for one in read for each in one.sources),
            entities=tuple(each for one in read for each in one.entities),
        )

    def _expanded_sources(self, node: Node) -> Node:
        """Where sources lie may depend on the environment; what is said of models is rendered with them."""
        if "sources" not in node.entries:
            return node
        sources = expand_environment(node.entries["sources"], self._environment)
        return replace(node, entries={**node.entries, "sources": sources})

    def _models(self, files: list[_Found], properties: Properties) -> dict[str, ModelFile]:
        described = _once("model", ((each.name, each.place, each) for each in properties.models), self._problems)
        models: dict[str, ModelFile] = {}
        for found in files:
            config, places = config_for(self._said.model_config, self._said.name, found.parts)
            if found.name in models and self._problems.lenient and config.get("enabled") is False:
                continue
            if found.name in models and not self._disabled(models[found.name]):
                self._problems.add(_duplicate("models", found, models[found.name].path))
                continue
            with self._problems.collected():
                text = read_text(found.file, found.path)
                properties_of = described.get(found.name)
                models[found.name] = ModelFile(found.name, found.path, text, config, places, properties_of)
        for made in self._unread_models() if self._problems.lenient else ():
            models.setdefault(made.name, replace(made, properties=described.get(made.name)))
        _refuse_unknown("model", described, {*models, *(found.name for found in files)}, self._problems)
        return models

    def _unread_models(self) -> Iterator[ModelFile]:
        """What dbt makes and sqlfeat does not, so that models above it can be told of: Python models, snapshots."""
        for found in self._named("model-paths", ".py", "model"):
            yield ModelFile(found.name, found.path, "", unread="it is a Python model of dbt")
        for found in self._found("snapshot-paths", ".sql"):
            with self._problems.collected():
                text = read_text(found.file, found.path)
                for block in _SNAPSHOT.finditer(text):
                    before = re.sub(r"[^\n]", " ", text[: block.start(2)])
                    yield ModelFile(block[1], found.path, before + block[2], unread="it is a snapshot of dbt")

    def _disabled(self, model: ModelFile) -> bool:
        """Whether a dbt project's folder config says so: another file of its name takes its place then."""
        return self._problems.lenient and model.folder_config.get("enabled") is False

    def _seeds(
        self, files: list[_Found], models: Mapping[str, ModelFile], properties: Properties
    ) -> dict[str, SeedFile]:
        described = _once("seed", ((each.name, each.place, each) for each in properties.seeds), self._problems)
        seeds: dict[str, SeedFile] = {}
        for found in files:
            if found.name in seeds:
                self._problems.add(_duplicate("seeds", found, seeds[found.name].path))
            elif found.name in models:
                self._problems.add(_duplicate("a model and a seed", found, models[found.name].path))
            else:
                config = config_for(self._said.seed_config, self._said.name, found.parts)
                properties_of = _over_folder_config(found, *config, described.get(found.name))
                seeds[found.name] = SeedFile(found.name, found.path, properties_of)
        _refuse_unknown("seed", described, {found.name for found in files}, self._problems)
        return seeds

    def _sources(self, properties: Properties) -> dict[tuple[str, str], SourceTable]:
        tables = ((f"{each.source}.{each.name}", each.place, each) for each in properties.sources)
        once = _once("source table", tables, self._problems)
        return {(table.source, table.name): table for table in once.values()}

    def _entities(self, properties: Properties) -> dict[str, EntitySpec]:
        everywhere = (*self._said.entities.values(), *properties.entities)
        return _once("entity", ((each.name, each.place, each) for each in everywhere), self._problems)

    def _macros(self) -> Iterator[SqlFile]:
        """The packaged macros, those of the project's packages, and its own."""
        packaged = assets("macros")
        for file in _files_below(packaged, (".sql",)):
            path = f"sqlfeat/macros/{file.relative_to(packaged).as_posix()}"
            yield SqlFile(file.stem, path, read_text(file, path))
        for folder in self._said.paths["package-paths"]:
            for package in sorted((self._root / folder).glob("*/macros")):
                for file in _files_below(package, (".sql",)):
                    yield from self._sql_file(file)
        for found in self._found("macro-paths", ".sql"):
            yield from self._sql_file(found.file)

        for found in self._found("test-paths", ".sql"):
            if _is_generic(found):
                yield from self._sql_file(found.file)

    def _singular_tests(self) -> Iterator[SqlFile]:
        for found in self._found("test-paths", ".sql"):
            if not _is_generic(found):
                yield from self._sql_file(found.file)

    def _sql_file(self, file: Path) -> Iterator[SqlFile]:
        path = file.relative_to(self._root).as_posix()
        with self._problems.collected():
            yield SqlFile(file.stem, path, read_text(file, path))


def _is_generic(test: _Found) -> bool:
    """Whether it is under dbt's ``tests/generic/``, where macros that make tests are kept."""
    return test.parts[0] == "generic"


def _files_below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files below the folder with one of the endings, in the order of their paths; hidden ones are left out."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.endswith(endings)
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


_Described = TypeVar("_Described")


def _once(kind: str, described: Iterable[tuple[str, Place, _Described]], problems: Problems) -> dict[str, _Described]:
    """What is described by name; a second description is noted."""
    once: dict[str, _Described] = {}
    places: dict[str, Place] = {}
    for name, place, value in described:
        if name in once:
            what = f"The {kind} {name!r} is described twice; the first is at {places[name]}."
            problems.add(ProjectError(f"duplicate-{kind.split()[0]}", what, place, "keep one of them."))
        else:
            once[name], places[name] = value, place
    return once


def _refuse_unknown(
    kind: str, described: Mapping[str, ModelProperties], known: Collection[str], problems: Problems
) -> None:
    """Note every description of a file that does not exist."""
    for name, properties in described.items():
        if name not in known:
            what = f"There is no {kind} {name!r} to describe."
            hint = did_you_mean(name, known)
            problems.add_unless_lenient(ProjectError(f"unknown-{kind}", what, properties.place, hint))


def _duplicate(what: str, found: _Found, first: str) -> ProjectError:
    of = what if what.startswith("a ") else f"two {what}"
    sentence = f"There are {of} named {found.name!r}; the other is {first}."
    return ProjectError("duplicate-model", sentence, Place(found.path), "rename one of the files.")


def _over_folder_config(
    found: _Found, config: Mapping[str, Any], places: Mapping[str, Place], own: ModelProperties | None
) -> ModelProperties | None:
    """A seed's properties with its folder's config below its own."""
    if not config:
        return own
    base = own or ModelProperties(found.name, Place(found.path))
    return replace(base, config=add_up(config, base.config), config_places={**places, **base.config_places})
