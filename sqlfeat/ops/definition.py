"""What a training set is, as fingerprints: of the whole, of each feature, and of every SQL text above it."""

from __future__ import annotations

from sqlfeat.base.files import sha256_text
from sqlfeat.compiler import fingerprint
from sqlfeat.compiler.manifest import CompiledModel, Manifest


def definition_of(model: CompiledModel, manifest: Manifest) -> str:
    """The fingerprint of a training set's SELECT, its features and their ancestry; the split is no part of it."""
    parents = {parent: manifest.fingerprints[parent] for parent in model.parents}
    return fingerprint.of_training_set(model, parents)


def feature_fingerprints(model: CompiledModel, manifest: Manifest) -> dict[str, str]:
    """``view.column`` → fingerprint, for every column that is looked up."""
    assert model.training_set is not None
    features: dict[str, str] = {}
    for lookup in model.training_set.lookups:
        view = manifest.models[lookup.view]
        features |= {f"{view.name}.{column}": fingerprint.of_feature(view, column) for column in lookup.columns}
    return dict(sorted(features.items()))


def compiled_hashes(model: CompiledModel, manifest: Manifest) -> dict[str, str]:
    """Model → sha256 of its rendered SQL, for the training set and all models above it."""
    names = [node.removeprefix("model.") for node in manifest.graph.ancestors([model.id]) if node.startswith("model.")]
    return {name: sha256_text(manifest.models[name].sql.strip()) for name in sorted([*names, model.name])}


def warnings_of(model: CompiledModel, manifest: Manifest) -> list[str]:
    """What the compiler could not prove of a training set's ancestry."""
    above = manifest.graph.ancestors([model.id])
    return [text for node, text in sorted(manifest.warnings.items()) if node in above]
