"""The registry: trained models as plain files, one immutable folder for each version.

``registry/NAME/v3/`` holds ``version.json`` (its manifest), the model in its library's own form, and ``log.txt``, the
hook's output. A folder is published whole and never changed; its number is given under a lock. Whoever asks for a
version gets one whose every byte is what was written, or an error that names the file. This file knows folders,
references and records; what a model's bytes mean is told in ``store.codecs``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import FolderLock
from sqlfeat.base.names import check_name, did_you_mean, is_identifier
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.store import codecs
from sqlfeat.store.artifacts import Kind, damaged, publish_folder, read_file, read_manifest, verify_files
from sqlfeat.store.signature import Signature

FORMAT_VERSION = 1
VERSION = Kind(
    name="model_version",
    title="registered model's version",
    version=FORMAT_VERSION,
    damaged="damaged-version",
    mend="bring the folder back from a copy, or train the model again and use the new version.",
    manifest="version.json",
)
LOG = "log.txt"
_FOLDER = re.compile(r"v([1-9][0-9]{0,8})")
_REFERENCE = re.compile(r"(?P<name>[^@]+)(?:@(?P<version>[^@]+))?")


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model: its bytes, and everything that went into them.

    ``training_set`` has ``name``, ``id``, ``definition`` and ``splits`` (in time order); ``features`` maps
    ``view.column`` to its fingerprint and ``compiled`` a SQL model to the SHA-256 of its text. ``metrics`` is split ->
    metric -> value (null where it is not defined), ``importances`` is kind -> input -> value. ``carried`` are the
    columns that identify a row, which predictions carry along: keys, as-of time, passthrough. ``versions`` are those
    of Python, sqlfeat and the packages; ``git`` is ``{"commit", "dirty"}`` or None where the project is in no
    repository. ``seconds`` is how long the hook ran.
    """

    name: str
    version: int
    path: Path
    created_at: datetime
    hook: str
    training_set: Mapping[str, Any]
    features: Mapping[str, str]
    compiled: Mapping[str, str]
    params: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float | None]]
    importances: Mapping[str, Mapping[str, float]]
    signature: Signature
    carried: tuple[str, ...]
    codec: str
    file: str
    sha256: str
    versions: Mapping[str, str]
    git: Mapping[str, Any] | None
    seconds: float
    manifest: Mapping[str, Any]

    @property
    def reference(self) -> str:
        return f"{self.name}@v{self.version}"

    @property
    def log(self) -> Path:
        return self.path / LOG

    def as_dict(self) -> dict[str, Any]:
        """The version in the shape of ``--json``."""
        return {
            "name": self.name,
            "version": self.version,
            "path": str(self.path),
            "created_at": self.created_at.isoformat(),
            "hook": self.hook,
            "training_set": dict(self.training_set),
            "features": dict(self.features),
            "compiled": dict(self.compiled),
            "params": dict(self.params),
            "metrics": {split: dict(values) for split, values in self.metrics.items()},
            "importances": {kind: dict(values) for kind, values in self.importances.items()},
            "signature": self.signature.as_dict(),
            "carried": list(self.carried),
            "codec": self.codec,
            "file": self.file,
            "sha256": self.sha256,
            "versions": dict(self.versions),
            "git": None if self.git is None else dict(self.git),
            "seconds": round(self.seconds, 3),
            "log": str(self.log),
        }


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: its versions, oldest first, and the errors of those that cannot be used."""

    name: str
    versions: tuple[ModelVersion, ...]
    damaged: tuple[StoreError, ...] = ()

    @property
    def latest(self) -> ModelVersion | None:
        return self.versions[-1] if self.versions else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": [version.as_dict() for version in self.versions],
            "damaged": [error.as_dict() for error in self.damaged],
        }


def register(
    registry: Path, name: str, fill: Callable[[Path, int], Mapping[str, Any]], clock: Clock | None = None
) -> ModelVersion:
    """Keep a new version: ``fill`` gets a folder and the version's number, writes files, returns what is to be kept.

    What it returns has the fields of :class:`ModelVersion` but ``name``, ``version``, ``path``, ``created_at`` and
    ``sha256``, with ``signature`` as a dict; ``file`` names the file of the model among those it wrote.
    """
    clock = clock or SystemClock()
    folder = registry / check_name("registered model", name, None)
    with FolderLock(folder, wait=60, clock=clock):
        number = max(_numbers(folder), default=0) + 1

        def fill_and_number(temporary: Path) -> Mapping[str, Any]:
            body = dict(fill(temporary, number))
            return {**body, "name": name, "version": number, "created_at": clock.now().isoformat()}

        publish_folder(folder / f"v{number}", fill_and_number, VERSION)
    return load_version(registry, name, number)


def registered_models(registry: Path) -> list[RegisteredModel]:
    """All registered models by name."""
    return [registered_model(registry, name) for name in _names(registry)]


def registered_model(registry: Path, name: str) -> RegisteredModel:
    """One registered model with all its versions; a damaged one does not hide the others."""
    _check_known(registry, name)
    versions, errors = [], []
    for number in _numbers(registry / name):
        try:
            versions.append(load_version(registry, name, number))
        except StoreError as error:
            errors.append(error)
    return RegisteredModel(name, tuple(versions), tuple(errors))


def resolve(registry: Path, reference: str) -> ModelVersion:
    """The version that ``NAME``, ``NAME@3``, ``NAME@v3`` or ``NAME@alias`` means, with all its bytes verified."""
    name, wanted = parse_reference(reference)
    _check_known(registry, name)
    numbers = _numbers(registry / name)
    there = ", ".join(f"v{number}" for number in numbers)
    if wanted is None or wanted == "latest":
        return load_version(registry, name, numbers[-1])
    if isinstance(wanted, str):
        raise StoreError(
            "no-such-version",
            f"The registered model {name} has no alias {wanted!r}.",
            hint=f"there is {there}: for instance {name}@v{numbers[-1]}.",
        )
    if wanted not in numbers:
        raise StoreError(
            "no-such-version", f"The registered model {name} has no version {wanted}.", hint=f"there is {there}."
        )
    return load_version(registry, name, wanted)


def parse_reference(reference: str) -> tuple[str, int | str | None]:
    """The name and the version number, alias, or None of a reference."""
    match = _REFERENCE.fullmatch(reference)
    name, version = (match["name"], match["version"]) if match else (reference, None)
    number = _FOLDER.fullmatch(f"v{version.removeprefix('v')}") if version else None
    if not is_identifier(name) or (version and not number and not is_identifier(version)):
        raise UsageError(
            "bad-reference",
            f"{reference!r} cannot mean a registered model.",
            hint="write NAME for its latest version, NAME@3, or NAME@alias.",
        )
    return name, int(number[1]) if number else version


def load_version(registry: Path, name: str, number: int) -> ModelVersion:
    """One version, once every one of its files is found to be what was written."""
    folder = registry / name / f"v{number}"
    manifest = read_manifest(folder, VERSION)
    if manifest.get("name") != name or manifest.get("version") != number:
        found = f"{manifest.get('name')}@v{manifest.get('version')}"
        raise damaged(folder / VERSION.manifest, VERSION, f"it belongs to {found}")
    verify_files(folder, manifest, VERSION)
    return _version(folder, manifest)


def read_model(version: ModelVersion) -> Any:
    """The trained model itself, of bytes that are verified at this moment."""
    data = read_file(version.path, version.manifest, version.file, VERSION)
    return codecs.decode(codecs.codec_named(version.codec), data, version.sha256)


def _version(folder: Path, manifest: Mapping[str, Any]) -> ModelVersion:
    try:
        return ModelVersion(
            name=manifest["name"],
            version=manifest["version"],
            path=folder,
            created_at=datetime.fromisoformat(manifest["created_at"]),
            hook=manifest["hook"],
            training_set=manifest["training_set"],
            features=manifest["features"],
            compiled=manifest["compiled"],
            params=manifest["params"],
            metrics={split: manifest["metrics"][split] for split in manifest["training_set"]["splits"]},
            importances=manifest["importances"],
            signature=Signature.from_dict(manifest["signature"]),
            carried=tuple(manifest["carried"]),
            codec=manifest["codec"],
            file=manifest["file"],
            sha256=manifest["files"][manifest["file"]]["sha256"],
            versions=manifest["versions"],
            git=manifest["git"],
            seconds=manifest["seconds"],
            manifest=manifest,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder / VERSION.manifest, VERSION, f"it lacks {error}") from error


def _check_known(registry: Path, name: str) -> None:
    if is_identifier(name) and _numbers(registry / name):
        return
    known = _names(registry)
    hint = did_you_mean(name, known) or "the registry is empty: sqlfeat train HOOK registers a model."
    raise StoreError("no-such-registered-model", f"There is no registered model {name!r} in {registry}.", hint=hint)


def _names(registry: Path) -> list[str]:
    if not registry.is_dir():
        return []
    return sorted(folder.name for folder in registry.iterdir() if is_identifier(folder.name) and _numbers(folder))


def _numbers(folder: Path) -> list[int]:
    """The numbers that are taken, in order: a folder that was damaged keeps its number."""
    if not folder.is_dir():
        return []
    found = (_FOLDER.fullmatch(place.name) for place in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)
