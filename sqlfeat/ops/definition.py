"""What a training set is, as fingerprints: of the whole, of each feature, and of every SQL text above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlfeat.base.files import sha256_text
from sqlfeat.compiler import fingerprint, transforms
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.spec.config import config_identity


def definition_of(model: CompiledModel, manifest: Manifest) -> str:
    """The fingerprint of a training set's SELECT, its label rows, its features and their ancestry.

    The split is no part of it, and neither are columns of feature views that it does not use.
    """
    assert model.training_set is not None
    views = {f"model.{lookup.view}" for lookup in model.training_set.lookups}
    labels = model.training_set.labels.replace("ref.", "model.", 1)
    parents = {id_: manifest.fingerprints[id_] for id_ in model.parents if id_ not in views or id_ == labels}
    return fingerprint.of_training_set(model, {**parents, **feature_fingerprints(model, manifest)})


def feature_fingerprints(model: CompiledModel, manifest: Manifest) -> dict[str, str]:
    """``view.column`` → fingerprint, for every column that is looked up."""
    assert model.training_set is not None
    features: dict[str, str] = {}
    for lookup in model.training_set.lookups:
        view = manifest.models[lookup.view]
        for column in lookup.columns:
            features[f"{view.name}.{column}"] = fingerprint.of_feature(view, column, manifest.fingerprints)
    return dict(sorted(features.items()))


def compiled_hashes(model: CompiledModel, manifest: Manifest) -> dict[str, str]:
    """Model → sha256 of its rendered SQL, for the training set and all models above it."""
    names = [node.removeprefix("model.") for node in manifest.graph.ancestors([model.id]) if node.startswith("model.")]
    return {name: sha256_text(written_sql(manifest.models[name])) for name in sorted([*names, model.name])}


def written_sql(model: CompiledModel) -> str:
    """A model's rendered SQL with the calls that it was written with, not their tokens."""
    return with_calls(model.sql.strip(), model)


def with_calls(text: str, model: CompiledModel) -> str:
    """A text of a model with its calls in the place of tokens."""
    for made in reversed(model.transforms):  # what it is of may be another one, made before it
        text = text.replace(made.token, transforms.written(made.kind, made.argument, made.options))
    for call in model.windows:
        said = [repr(call.aggregate), repr(str(call.length)) if call.length else "'unbounded'"]
        said += [f"offset={str(call.offset)!r}"] if call.offset else []
        text = text.replace(call.token, f"window({', '.join(said)})")
    for wanted in model.features:
        said = [repr(f"{wanted.view}.{wanted.column}")]
        said += [f"on={dict(wanted.on)!r}"] if wanted.on else []
        said += [f"ttl={str(wanted.ttl)!r}"] if wanted.ttl else []
        said += ["strict=true"] if wanted.strict else []
        said += [f"prefix={wanted.prefix!r}"] if wanted.prefix else []
        text = text.replace(wanted.token, f"feature({', '.join(said)})")
    return text


def models_of(model: CompiledModel, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Model → what it says (``sql``, ``config``, ``fingerprint``), for the training set and all models above it."""
    said = {}
    for name in compiled_hashes(model, manifest):
        one = manifest.models[name]
        said[name] = {
            "sql": written_sql(one),
            "config": plain(config_identity(one.config)),
            "keys": list(one.keys),
            "fingerprint": one.fingerprint,
        }
    return said


def plain(value: Any) -> Any:
    """A value of a config as canonical JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
