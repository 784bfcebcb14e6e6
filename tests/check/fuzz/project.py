"""Programs as a sqlfeat project that lies in no folder: templates as an author writes them, sources without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from sqlfeat.compiler.manifest import Column, Manifest
from sqlfeat.compiler.project import World, compile_project
from sqlfeat.engine.duckdb.catalog import ShadowCatalog
from sqlfeat.errors import Place
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.project import ColumnSpec, EntitySpec, ModelFile, ProjectSpec, SourceTable, WrittenLater
from tests.check.fuzz.sources import DELAYS, SOURCES
from tests.check.fuzz.tree import Feature, Item, Model, Op, Program, Select, Window
from tests.check.fuzz.writing import Writer

_PLACE = Place("models/sources.yml", 1, 1)
_NOWHERE = Path("/nowhere")


class Catalog(ShadowCatalog):
    """A shadow in which the sources have the columns that they are said to have, and no files."""

    def __init__(self) -> None:
        super().__init__(_NOWHERE, [], _refuse)

    def source_columns(self, table: SourceTable) -> tuple[Column, ...]:
        return tuple(Column(name, kind) for name, kind in SOURCES[table.name].columns)


def _refuse(sql: str) -> NoReturn:
    raise AssertionError(f"nobody asks for data: {sql}")


def templates(programs: Mapping[str, Program]) -> dict[str, str]:
    """The templates of many programs: model ``m`` of program ``p`` is called ``p_m``."""
    return {
        f"{prefix}_{model.name}": template(model, program, f"{prefix}_")
        for prefix, program in programs.items()
        for model in program.models
    }


def compiled(
    texts: Mapping[str, str], catalog: Catalog, lies: Mapping[str, Mapping[str, object]] | None = None
) -> Manifest:
    """One project of these templates; ``lies`` declares other facts of a source than the true ones."""
    files = {name: ModelFile(name, f"models/{name}.sql", text) for name, text in texts.items()}
    spec = ProjectSpec(
        root=_NOWHERE, name="fuzz", version="1.0.0", default_target="dev", targets={},
        entities={"k": EntitySpec("k", ("k",), _PLACE)}, sources=_sources(lies or {}), models=files, macros=(),
        singular_tests=(), seeds={}, hooks=(), vars={}, registry=_NOWHERE, target_path=_NOWHERE,
    )  # fmt: skip
    return compile_project(spec, World(), catalog)


def _sources(lies: Mapping[str, Mapping[str, object]]) -> dict[tuple[str, str], SourceTable]:
    declared = {
        ("raw", source.name): SourceTable(
            "raw", source.name, f"data/{source.name}.parquet", "parquet", _PLACE, source.event_time,
            source.available_at, Duration.parse(source.available_after) if source.available_after else None,
            immutable=source.immutable, columns=tuple(_written(*each) for each in source.written),
        )
        for source in SOURCES.values()
    }  # fmt: skip
    return {key: replace(table, **lies.get(table.name, {})) for key, table in declared.items()}


def _written(column: str, when: str) -> ColumnSpec:
    delay = Duration.parse(when) if when in DELAYS else None
    return ColumnSpec(column, _PLACE, written=WrittenLater(None if delay else when, delay))


def template(model: Model, program: Program, prefix: str = "") -> str:
    """A model as its author would write it."""
    own = {each.name for each in program.models}

    def name_of(name: str) -> str:
        if name in own:
            return f"{{{{ ref('{prefix}{name}') }}}}"
        return f"{{{{ source('raw', '{name}') }}}}" if name in SOURCES else name

    writer = Writer(name_of)
    return f"{{{{ config({', '.join(_config(model))}) }}}}\n{_text(model, writer, prefix)}\n"


def _config(model: Model) -> list[str]:
    said = {
        "materialized": model.materialized,
        "event_time": model.event_time,
        "available_at": model.available_at,
        "available_after": model.available_after,
        "role": "label" if model.label else None,
        "horizon": model.horizon,
    }
    if model.labels is not None:
        said = {"materialized": "training_set", "label": "label"}
    listed = [f"{key}='{value}'" for key, value in said.items() if value is not None]
    if model.materialized == "feature_view":
        listed.append("entity='k'")
    if model.immutable:
        listed.append("immutable=true")
    return [*listed, "keys=['id']"] if model.labels is not None else listed


def _text(model: Model, writer: Writer, prefix: str) -> str:
    if model.labels is not None:
        plain = [writer.item(item, None) for item in model.plain]
        features = [_feature(feature, prefix) for feature in model.features]
        return f"select {', '.join([*plain, *features])} from {writer.name_of(model.labels)} as l_"
    assert model.query is not None
    if not model.windows:
        return writer.query(model.query)
    assert isinstance(model.query, Select)
    return writer.query(replace(model.query, items=(*model.query.items, *map(_window, model.windows))))


def _window(window: Window) -> Item:
    offset = f", offset='{window.offset}'" if window.offset else ""
    return Item(Op(f"{{{{{{{{ window('{window.aggregate}', '{window.length}'{offset}) }}}}}}}}"), window.name)


def _feature(feature: Feature, prefix: str) -> str:
    said = f"'{prefix}{feature.view}.{feature.column}'"
    said += f", ttl='{feature.ttl}'" if feature.ttl else ""
    said += ", strict=true" if feature.strict else ""
    return f"{{{{ feature({said}) }}}} as {feature.name}"


def text_of(program: Program) -> str:
    """The whole program for a person to read."""
    return "\n".join(f"-- {model.name}\n{template(model, program)}" for model in program.models)
