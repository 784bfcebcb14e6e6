"""What ``config()`` and YAML may say of a model: one frozen dataclass and one table of its keys.

The same keys are read from ``sqlfeat_project.yml`` (folder-wide), from a ``.yml`` beside the model and from
``{{ config(...) }}`` in its text; the later of these wins, ``tags`` and ``meta`` add up, as in dbt. A key that is
set to null takes its default again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlfeat.base.names import did_you_mean, is_identifier, nearest
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.dbt_values import is_template
from sqlfeat.spec.duration import UNITS, Duration
from sqlfeat.spec.monitor import MonitorSpec
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.split import SplitConfig

MATERIALIZATIONS = ("view", "table", "ephemeral", "incremental", "feature_view", "training_set")


@dataclass(frozen=True)
class ModelConfig:
    """The configuration of one model, after merging; every value is checked and typed."""

    materialized: str = "view"
    entity: str | None = None
    event_time: str | None = None
    available_at: str | None = None
    available_after: Duration | None = None
    tie_breaker: tuple[str, ...] = ()
    ttl: Duration | None = None
    online: bool = False
    role: str | None = None
    horizon: Duration | None = None
    immutable: bool = False
    unique_key: tuple[str, ...] = ()
    deterministic: bool = True
    # training sets
    label: str | None = None
    keys: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    weight: str | None = None
    split: SplitConfig | None = None
    # dbt's
    tags: tuple[str, ...] = ()
    enabled: bool = True
    schema: str | None = None
    alias: str | None = None
    description: str = ""
    owner: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    contract: Mapping[str, Any] = field(default_factory=dict)
    pre_hook: tuple[str, ...] = ()
    post_hook: tuple[str, ...] = ()
    incremental_strategy: str | None = None
    on_schema_change: str = "ignore"
    full_refresh: bool | None = None
    allow_leakage: str | None = None
    monitor: MonitorSpec = field(default_factory=MonitorSpec)


@dataclass(frozen=True)
class Layer:
    """What one place says of a model: raw values, the places of their keys, and a place for all the others."""

    values: Mapping[str, Any]
    places: Mapping[str, Place] = field(default_factory=dict)
    place: Place | None = None

    def place_of(self, key: str) -> Place | None:
        return self.places.get(key, self.place)


def merge_config(layers: Sequence[Layer], *, lenient: bool = False) -> ModelConfig:
    """Check and merge the layers, the outermost first; raise everything that is wrong with them at once.

    ``lenient`` passes over unknown keys: in a dbt project they may be another adapter's.
    """
    problems = Problems()
    merged: dict[str, Any] = {}
    places: dict[str, Place | None] = {}
    for layer in layers:
        with problems.collected():
            read = read_layer(layer, lenient=lenient)
            _lay_over(merged, read)
            places |= {key: layer.place_of(key) for key in read}
    problems.raise_if_any()
    config = ModelConfig(**merged)
    last_place = next((layer.place for layer in reversed(layers) if layer.place), None)
    for error in _missing(config, places.get("materialized") or last_place):
        problems.add(error)
    problems.raise_if_any()
    return config


def read_layer(layer: Layer, *, lenient: bool = False) -> dict[str, Any]:
    """The layer's values, checked and typed, by the names of :class:`ModelConfig`; None is for a key set to null."""
    problems = Problems()
    read: dict[str, Any] = {}
    for raw_key, value in layer.values.items():
        key = _SPELLINGS.get(raw_key, raw_key)
        place = layer.place_of(raw_key)
        if key in _UNUSED or (lenient and is_template(value)):
            continue
        if key not in _KEYS:
            if not lenient:
                problems.add(_unknown(raw_key, place))
            continue
        try:
            read[key] = None if value is None else _KEYS[key](value)
        except ValueError as error:
            problems.add(_bad_value(raw_key, value, place, str(error)))
    if read.get("available_at") is not None and read.get("available_after") is not None:
        problems.add(
            ProjectError(
                "config-conflict",
                "'available_at' and 'available_after' exclude each other.",
                layer.place_of("available_after"),
                "name the column that says when a row was known, or the constant delay, not both.",
            )
        )
    problems.raise_if_any()
    return read


def add_up(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Raw config of two levels as one mapping: the inner wins, tags and mappings by name add up."""
    together = {**outer, **inner}
    if inner.get("tags") is not None and outer.get("tags") is not None:
        together["tags"] = [*_texts_or_nothing(outer["tags"]), *_texts_or_nothing(inner["tags"])]
    for key in ("meta", "column_types"):
        if isinstance(outer.get(key), Mapping) and isinstance(inner.get(key), Mapping):
            together[key] = {**outer[key], **inner[key]}
    return together


def config_identity(config: ModelConfig) -> dict[str, Any]:
    """What of a model's config determines its data and their time, as canonical JSON-able values.

    A key at its default is left out, so that a key that sqlfeat learns later changes no fingerprint of today.
    """
    default = ModelConfig()
    identity = {}
    for item in fields(ModelConfig):
        value = getattr(config, item.name)
        if item.name not in _NOT_IDENTITY and value != getattr(default, item.name):
            identity[item.name] = _plain(value)
    return identity


_NAMING = {"schema", "alias", "enabled", "tags", "meta", "description", "owner"}
_NOT_IDENTITY = frozenset({*_NAMING, "contract", "online", "on_schema_change", "full_refresh", "monitor"})


def _plain(value: Any) -> Any:
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, SplitConfig):
        return value.as_dict()
    return list(value) if isinstance(value, tuple) else value


def _lay_over(merged: dict[str, Any], read: Mapping[str, Any]) -> None:
    """The inner layer's values over the outer ones."""
    exclusive = {"available_at": "available_after", "available_after": "available_at"}
    for key, value in read.items():
        if value is None:
            merged.pop(key, None)
            continue
        if key == "tags":
            value = tuple(dict.fromkeys((*merged.get("tags", ()), *value)))
        elif key == "meta":
            value = {**merged.get("meta", {}), **value}
        merged.pop(exclusive.get(key, ""), None)
        merged[key] = value


def _missing(config: ModelConfig, place: Place | None) -> list[ProjectError]:
    missing = []
    if config.materialized == "feature_view" and config.event_time is None and not config.immutable:
        missing.append(
            ProjectError(
                "config-missing",
                "A feature view needs 'event_time'.",
                place,
                "name the column that says when a row's fact holds from, or say immutable: true.",
            )
        )
    if config.materialized == "training_set" and not config.keys:
        missing.append(
            ProjectError(
                "config-missing", "A training set needs 'keys'.", place, "name the columns that identify a row."
            )
        )
    return missing


def _unknown(key: str, place: Place | None) -> ProjectError:
    similar = nearest(key, _KEYS)
    hint = f"did you mean {similar!r}?" if similar else "keys of your own belong under 'meta'."
    return ProjectError("unknown-config", f"There is no config {key!r}.", place, hint)


def _bad_value(key: str, value: Any, place: Place | None, expected: str) -> ProjectError:
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:79] + "…"
    hint = did_you_mean(value, MATERIALIZATIONS) if key == "materialized" and isinstance(value, str) else None
    return ProjectError("bad-config-value", f"{key!r} cannot be {shown}: {expected}.", place, hint)


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError("expected a text")


def _any_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("expected a text")


def _column(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError("expected the name of a column")


def _name(value: object) -> str:
    if isinstance(value, str) and is_identifier(value):
        return value
    raise ValueError("expected a name: letters, digits and underscores, not starting with a digit")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _duration(value: object) -> Duration:
    try:
        return Duration.parse(value)
    except ValueError:
        raise ValueError(f"expected a span of time, '<n> <unit>' with one of {', '.join(UNITS)}") from None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip():
        return (value,)
    if isinstance(value, list | tuple) and all(isinstance(each, str) and each.strip() for each in value):
        return tuple(value)
    raise ValueError("expected a text or a list of texts")


def _texts_or_nothing(value: object) -> tuple[str, ...]:
    try:
        return _texts(value)
    except ValueError:
        return ()


def _columns(value: object) -> tuple[str, ...]:
    try:
        columns = _texts(value)
    except ValueError:
        raise ValueError("expected a column or a list of columns") from None
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise ValueError(f"the column {twice!r} is named twice")
    return columns


def _hooks(value: object) -> tuple[str, ...]:
    """SQL texts; dbt's ``{sql: …}`` is one too."""
    given = value if isinstance(value, list | tuple) else (value,)
    return _texts([each.get("sql") if isinstance(each, Mapping) else each for each in given])


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        known = ", ".join(choices)
        raise ValueError(f"expected one of {known}" if len(choices) > 1 else f"only {known!r} is known")

    return read


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("expected a mapping")
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise ValueError("expected texts, numbers, lists and mappings only") from None
    return dict(value)


def _contract(value: object) -> Mapping[str, Any]:
    return {"enforced": value} if isinstance(value, bool) else _mapping(value)


_KEYS: Mapping[str, Callable[[object], Any]] = {
    "materialized": _one_of(*MATERIALIZATIONS),
    "entity": _name,
    "event_time": _column,
    "available_at": _column,
    "available_after": _duration,
    "tie_breaker": _columns,
    "ttl": _duration,
    "online": _flag,
    "role": _one_of("label"),
    "horizon": _duration,
    "immutable": _flag,
    "unique_key": _columns,
    "deterministic": _flag,
    "label": _column,
    "keys": _columns,
    "passthrough": _columns,
    "weight": _column,
    "split": SplitConfig.parse,
    "tags": _texts,
    "enabled": _flag,
    "schema": _name,
    "alias": _name,
    "description": _any_text,
    "owner": _text,
    "meta": _mapping,
    "contract": _contract,
    "pre_hook": _hooks,
    "post_hook": _hooks,
    "incremental_strategy": _one_of("append", "delete+insert", "merge"),
    "on_schema_change": _one_of("ignore", "fail", "append_new_columns", "sync_all_columns"),
    "full_refresh": _flag,
    "allow_leakage": _text,
    "monitor": MonitorSpec.parse,
}
CONFIG_KEYS = tuple(_KEYS)
_SPELLINGS = {"pre-hook": "pre_hook", "post-hook": "post_hook"}
_UNUSED = frozenset({"docs", "group", "access", "grants", "persist_docs"})
"""dbt's keys that change nothing about the data: read, and left alone."""
