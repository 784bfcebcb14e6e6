"""What a model is, as a hash: its text, its config, its time facts and its ancestry.

Target, environment and paths are left out, so the same definition is the same thing everywhere. What the data are is
another hash (``ops.plan``), made of this one and the versions of the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.compiler.feature_text import text_of_feature
from sqlfeat.compiler.manifest import CompiledModel, TimeFacts
from sqlfeat.spec.config import config_identity
from sqlfeat.spec.project import SeedFile, SourceTable

LENGTH = 16
DEFINITION_VERSION = 1
"""Raised when the same text comes to mean other data."""


def of_source(table: SourceTable, time: TimeFacts) -> str:
    """A source's definition: its name, its time and how its file is read; where it lies is no part of it."""
    said: dict[str, Any] = {"source": table.id, "time": _time(time), "format": table.format}
    types = {column.name: column.data_type for column in table.columns if column.data_type}
    if types and table.format == "csv":  # other formats say of themselves what their types are
        said["types"] = types
    return _hash(said)


def of_seed(seed: SeedFile) -> str:
    """A seed's definition: its name and declared types."""
    config = seed.properties.config if seed.properties else {}
    read = {key: _plain(config[key]) for key in ("column_types", "delimiter", "quote_columns") if config.get(key)}
    return _hash({"seed": seed.name, "config": read})


def of_model(model: CompiledModel, parents: Mapping[str, str], entity_keys: tuple[str, ...]) -> str:
    """A model's definition; ``parents`` are the fingerprints of what it reads, by id."""
    return _hash(
        {
            "sql": model.sql.strip(),
            "config": _plain(config_identity(model.config)),
            "keys": list(entity_keys),
            "time": _time(model.time),
            "windows": [_plain(asdict(call)) for call in model.windows],
            "features": [_plain(asdict(call)) for call in model.features],
            "parents": dict(sorted(parents.items())),
            **_transforms(model),
        }
    )


def of_feature(view: CompiledModel, column: str, parents: Mapping[str, str]) -> str:
    """A feature's definition: its own text and what decides its view's rows, the view's time facts, its ancestry.

    Where the text does not tell its columns apart it is the view's definition, and the column.
    """
    own = text_of_feature(view, column)
    if own is None:
        return _hash({"view": view.fingerprint, "column": column})
    return _hash(
        {
            "column": column,
            "items": dict(own.items),
            "rest": own.rest,
            "config": _plain(config_identity(view.config)),
            "keys": list(view.keys),
            "time": _time(view.time),
            "parents": {parent: parents[parent] for parent in sorted(view.parents)},
        }
    )


def of_training_set(model: CompiledModel, parents: Mapping[str, str]) -> str:
    """What a training set's rows are, however they are split: the SELECT, its lookups and the ancestry of both."""
    roles = {"keys": list(model.config.keys), "label": model.config.label, "weight": model.config.weight}
    features = [_plain(asdict(call)) for call in model.features]
    said = {"sql": model.sql.strip(), "features": features, "roles": roles, "parents": dict(parents)}
    return _hash({**said, **_transforms(model)})


def _time(time: TimeFacts) -> dict[str, Any]:
    """The time facts; columns that are written later, where there are any."""
    said: dict[str, Any] = _plain(asdict(time))
    if not time.written:
        del said["written"]
    return said


def _transforms(model: CompiledModel) -> dict[str, Any]:
    """What is said of transforms, where there are any."""
    return {"transforms": [_plain(asdict(call)) for call in model.transforms]} if model.transforms else {}


def _hash(value: Mapping[str, Any]) -> str:
    return sha256_text(canonical_json({"version": DEFINITION_VERSION, **value}))[:LENGTH]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
