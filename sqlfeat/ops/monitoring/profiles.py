"""Profiles as they are kept: beside a training set's files, and with a registered version.

A training set has ``profile.json``: a profile of each split in the bins of the first, of inputs and label. A version
has ``baseline.json``: that of the rows that it learned from, and one of its predictions on every split. Both are
canonical JSON in an immutable folder whose manifest has their hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sqlfeat.base.files import canonical_json
from sqlfeat.engine.duckdb import profile as profiling
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import Profile, ProfileRequest
from sqlfeat.errors import StoreError
from sqlfeat.store.artifacts import read_file
from sqlfeat.store.registry import VERSION, ModelVersion
from sqlfeat.store.training_set import TrainingSet

PROFILE, BASELINE = "profile.json", "baseline.json"
INPUTS, PREDICTIONS = "inputs", "predictions"
_MEMORY = "1GB"


class _Output(Protocol):
    """A column of a training set."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def role(self) -> str: ...


def request_of(outputs: Iterable[_Output], computed: Mapping[str, str] | None = None) -> ProfileRequest:
    """What of a training set's rows is profiled: inputs and label."""
    listed = list(outputs)
    return ProfileRequest(
        columns=tuple((one.name, one.type) for one in listed if one.role in ("input", "label")),
        time=next(one.name for one in listed if one.role == "as_of"),
        keys=tuple(one.name for one in listed if one.role == "key"),
        computed=computed or {},
        window=None,
        duplicates=True,
    )


def of_table(table: pa.Table, request: ProfileRequest) -> Profile:
    """The profile of rows in memory."""
    connection = Connection(memory_limit=_MEMORY, threads=1)
    try:
        connection.register("rows", table)
        return profiling.profile(connection.arrow, "rows", request)
    finally:
        connection.close()


def of_training_set(training_set: TrainingSet) -> dict[str, Profile]:
    """The profiles of a training set's splits; none where none were kept."""
    if PROFILE not in training_set.manifest["files"]:
        return {}
    raw = read_file(training_set.path, training_set.manifest, PROFILE)
    return read(raw, training_set.path / PROFILE).get(INPUTS, {})


def of_version(version: ModelVersion) -> dict[str, dict[str, Profile]]:
    """The profiles of a version: ``inputs`` and ``predictions``, by split; none where none were kept."""
    if BASELINE not in version.manifest["files"]:
        return {}
    raw = read_file(version.path, version.manifest, BASELINE, VERSION)
    return read(raw, version.path / BASELINE)


def written(profiles: Mapping[str, Mapping[str, Profile]]) -> str:
    """Profiles by kind and split, as they are kept."""
    told = {kind: {split: one.as_dict() for split, one in some.items()} for kind, some in profiles.items()}
    return canonical_json(told)


def read(raw: bytes, path: Path) -> dict[str, dict[str, Profile]]:
    """What :func:`written` has given."""
    try:
        told: Mapping[str, Mapping[str, Any]] = json.loads(raw)
        return {kind: {split: Profile.from_dict(one) for split, one in some.items()} for kind, some in told.items()}
    except ValueError as error:
        hint = "build the training set, or train the model again."
        raise StoreError("damaged-profile", f"{path} cannot be read: {error}.", hint=hint) from error
