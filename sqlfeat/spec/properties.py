"""The ``version: 2`` files beside the models: what they say of models, seeds, sources and entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlfeat.base.names import check_name
from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.columns import read_columns, read_tests
from sqlfeat.spec.config import CONFIG_KEYS, Layer, read_layer
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import EntitySpec, ModelProperties, SourceTable
from sqlfeat.spec.section import Section
from sqlfeat.spec.source import read_sources

_READ = ("version", "models", "seeds", "sources", "entities")
_LEFT_ALONE = (
    "exposures", "macros", "groups", "analyses", "metrics", "semantic_models", "saved_queries", "data_tests",
)  # fmt: skip
"""dbt's parts that describe, and change nothing about what is made or tested."""
_NOT_READ = ("snapshots", "unit_tests", "functions")
"""dbt's parts that would, and that sqlfeat does not read."""
_CONFIG_BESIDE = ("tags", "meta", "owner", "description")
"""Config that may also stand directly under a model."""
_MODEL = (
    *_CONFIG_BESIDE, "name", "columns", "data_tests", "tests", "config", "docs", "access", "group", "constraints",
    "latest_version", "deprecation_date",
)  # fmt: skip
_SEED_CONFIG = ("column_types", "delimiter", "quote_columns")


@dataclass(frozen=True)
class Properties:
    """What one file says."""

    models: tuple[ModelProperties, ...] = ()
    seeds: tuple[ModelProperties, ...] = ()
    sources: tuple[SourceTable, ...] = ()
    entities: tuple[EntitySpec, ...] = ()


def read_properties(node: Node, problems: Problems) -> Properties:
    """Read one file; what is wrong is noted."""
    file = Section(node, "a properties file", problems)
    file.only((*_READ, *_LEFT_ALONE, *_NOT_READ))
    for key in _NOT_READ:
        if key in file:
            what = f"{key!r} are not read by this version of sqlfeat."
            problems.add_unless_lenient(ProjectError("not-supported", what, file.place_of(key), "take them out."))
    version = file.get("version")
    if version is not None and str(version.value) not in ("1", "2"):
        problems.add(ProjectError("bad-value", "'version' of a properties file is 2.", version.place))
    return Properties(
        models=tuple(_described(file, "models", "a model", partial(read_layer, lenient=problems.lenient))),
        seeds=tuple(_described(file, "seeds", "a seed", partial(check_seed_config, lenient=problems.lenient))),
        sources=tuple(read_sources(file)),
        entities=tuple(read_entities(file)),
    )


def _described(file: Section, key: str, what: str, check: Callable[[Layer], object]) -> Iterator[ModelProperties]:
    for section in file.sections(key, what):
        section.only(_MODEL, hint=_misplaced(section))
        name = section.name(key.removesuffix("s"))
        config, places = _config(section)
        if not file.problems.lenient:  # of a dbt project's config only what is used is judged, model by model
            with file.problems.collected():
                check(Layer(config, places, section.place))
        if name is not None:
            yield ModelProperties(
                name=name,
                place=section.named_place,
                description=section.text("description") or "",
                columns=read_columns(section),
                tests=read_tests(section, None),
                config=config,
                config_places=places,
            )


def _misplaced(section: Section) -> str | None:
    """A hint for config that stands beside ``config:`` instead of under it."""
    found = next((key for key in section.keys if key in CONFIG_KEYS and key not in _MODEL), None)
    return f"put it under 'config:', as in `config: {{{found}: …}}`." if found else None


def _config(section: Section) -> tuple[dict[str, Any], dict[str, Place]]:
    """The raw config with the place of every value; what stands beside ``config:`` counts first."""
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    under = section.section("config", f"the config of {section.what}")
    beside = {key: section.node.entries[key] for key in _CONFIG_BESIDE if key in section}
    for entries in (beside, under.node.entries if under else {}):
        for key, entry in entries.items():
            values[key.removeprefix("+")] = entry.value
            places[key.removeprefix("+")] = entry.place
    return values, places


def check_seed_config(layer: Layer, *, lenient: bool = False) -> None:
    """Raise what is wrong with a seed's own keys, and with those that it shares with models."""
    types = layer.values.get("column_types")
    if types is not None and not (isinstance(types, dict) and all(isinstance(each, str) for each in types.values())):
        raise ProjectError(
            "bad-config-value",
            "'column_types' must be a mapping of columns to SQL types.",
            layer.place_of("column_types"),
            "write for instance column_types: {zip: varchar}.",
        )
    shared = {key: value for key, value in layer.values.items() if key not in _SEED_CONFIG}
    read_layer(Layer(shared, layer.places, layer.place), lenient=lenient)


def read_entities(file: Section) -> Iterator[EntitySpec]:
    """The entities: a mapping by name, as in the project file, or a list with names, as in dbt's shapes."""
    entities = file.get("entities")
    if entities is None:
        return
    if not entities.is_mapping:
        for section in file.sections("entities", "an entity"):
            section.only(("name", "keys", "description"))
            yield from _entity(section, section.name("entity"))
        return
    for name, entry in entities.entries.items():
        section = Section(replace(entry, place=entities.keys[name]), f"the entity {name!r}", file.problems)
        section.only(("keys", "description"))
        with file.problems.collected():
            yield from _entity(section, check_name("entity", name, section.place))


def _entity(section: Section, name: str | None) -> Iterator[EntitySpec]:
    given = section.need("keys")
    keys = section.texts("keys")
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if given is not None and given.value == []:
        section.problems.add(ProjectError("bad-entity", "An entity needs at least one key column.", given.place))
    elif given is not None and twice is not None:
        what = f"The key column {twice!r} is named twice."
        section.problems.add(ProjectError("bad-entity", what, given.place, "keep one of them."))
    elif name is not None and keys:
        yield EntitySpec(name, keys, section.named_place, section.text("description") or "")
