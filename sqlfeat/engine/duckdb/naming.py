"""What relations are called inside a DuckDB file.

A model of fingerprint F lies in a schema of its own, ``sqlfeat_F``, under its own name: so whatever a template writes
after ``ref()`` (no alias, ``model.column``) means what it seems to mean, two definitions never meet, and to drop one
is to drop a schema. What people read is a view of the model's name in the target's schema.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.errors import EngineError

STATE = "sqlfeat_state"


def schema_of(fingerprint: str) -> str:
    """The schema of one definition."""
    return f"sqlfeat_{fingerprint}"


def source_schema(source: str) -> str:
    """The schema that holds the views over a source's tables."""
    return f"sqlfeat_source_{source}"


def physical(name: str, fingerprint: str, part: str = "") -> str:
    """The quoted name of a model's relation, or of a ``part`` that is kept beside it."""
    return f"{quote(schema_of(fingerprint))}.{quote(name + (f'__{part}' if part else ''))}"


def source_name(source: str, table: str) -> str:
    """The quoted name of a source's view."""
    return f"{quote(source_schema(source))}.{quote(table)}"


def public_name(model: CompiledModel, schema: str) -> tuple[str, str]:
    """The schema and the name that people see: ``schema`` config as in dbt, appended to the target's."""
    custom = model.config.schema
    return (f"{schema}_{custom}" if custom else schema), model.config.alias or model.name


def names_of(manifest: Manifest, seeds: dict[str, str]) -> Callable[[str], str]:
    """The physical name of every node of a manifest, for ``rewriting.with_relations``."""

    def name_of(node: str) -> str:
        kind, name = node.split(".", 1)
        if kind == "source":
            source, table = name.split(".", 1)
            return source_name(source, table)
        if name in manifest.models:
            return physical(name, manifest.models[name].fingerprint)
        if name in seeds:
            return physical(name, seeds[name])
        raise EngineError("unknown-relation", f"Nothing is known of the relation {name!r}.")

    return name_of
