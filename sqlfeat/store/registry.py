"""The registry: trained models as plain files, one immutable folder for each version.

``registry/NAME/v3/`` holds ``version.json`` (its manifest), the model in its library's own form, and ``log.txt``, the
hook's output. A folder is published whole and never changed; its number is given under a lock, and never again. It is
a version once the model's state says so (``store.model_state``), which keeps its manifest's hash: what was put there by
other hands is refused. Whoever asks for a version gets one whose every byte is what was registered, or an error that
names the file. This file knows folders, references and records; what changes over time is told in
``store.model_state`` and ``store.registry_changes``, what a model's bytes mean in ``store.codecs``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import Any

from sqlfeat.base.clock import Clock, SystemClock
from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.base.names import check_name, did_you_mean, is_identifier
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.store import codecs
from sqlfeat.store.artifacts import Kind, damaged, publish_folder, read_file, read_manifest, verify_files
from sqlfeat.store.journal import JOURNAL
from sqlfeat.store.model_state import (
    MANIFEST,
    REGISTERED,
    STATE,
    Recorded,
    State,
    manifest_hash,
    numbers_in,
    read_history,
    read_state,
    writing,
)
from sqlfeat.store.signature import Signature

FORMAT_VERSION = 1
VERSION = Kind(
    name="model_version",
    title="registered model's version",
    version=FORMAT_VERSION,
    damaged="damaged-version",
    mend="bring the folder back from a copy, or train the model again and use the new version.",
    manifest=MANIFEST,
)
LOG = "log.txt"
OPTIONAL = ("transforms", "reports", "provenance", "plan")
LATEST = "latest"
_NUMBER = re.compile(r"v?([1-9][0-9]{0,8})")
_REFERENCE = re.compile(r"(?P<name>[^@]+)(?:@(?P<version>[^@]+))?")


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model: its bytes, and everything that went into them.

    ``training_set`` has ``name``, ``id``, ``definition`` and ``splits`` (in time order); ``features`` maps
    ``view.column`` to its fingerprint and ``compiled`` a SQL model to the SHA-256 of its text. ``metrics`` is split ->
    metric -> value (null where it is not defined), ``importances`` is kind -> input -> value. ``carried`` are the
    columns that identify a row, which predictions carry along: keys, as-of time, passthrough. ``versions`` are those
    of Python, sqlfeat and the packages; ``git`` is ``{"commit", "dirty"}`` or None where the project is in no
    repository. ``seconds`` is how long the hook ran. Of versions written before there were such records the four
    last are empty: ``transforms`` are the fitted parameters (as the training set's manifest has them), ``reports`` what
    training measured besides metrics (report -> split -> data), ``provenance`` what an audit tells,
    ``plan`` how requests for it are answered (``ops.online.request``).
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
    transforms: Mapping[str, Any] = field(default_factory=dict)
    reports: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)

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
            "transforms": dict(self.transforms),
            "reports": dict(self.reports),
            "provenance": dict(self.provenance),
        }


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: its versions, oldest first, and the errors of those that cannot be used.

    ``aliases`` maps an alias to the version's number, ``archived`` a number to since when it is archived.
    """

    name: str
    versions: tuple[ModelVersion, ...]
    damaged: tuple[StoreError, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    archived: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def current(self) -> tuple[ModelVersion, ...]:
        """The versions that are not archived."""
        return tuple(version for version in self.versions if version.version not in self.archived)

    @property
    def latest(self) -> ModelVersion | None:
        return self.current[-1] if self.current else None

    def aliases_of(self, number: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, version in self.aliases.items() if version == number))

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": [
                {
                    **version.as_dict(),
                    "aliases": list(self.aliases_of(version.version)),
                    "archived": version.version in self.archived,
                }
                for version in self.versions
            ],
            "aliases": dict(self.aliases),
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
    with writing(registry, name, clock) as writer:
        number = max(writer.state.next, max(numbers_in(folder), default=0) + 1)  # not that of a killed training either

        def fill_and_number(temporary: Path) -> Mapping[str, Any]:
            body = dict(fill(temporary, number))
            return {**body, "name": name, "version": number, "created_at": clock.now().isoformat()}

        publish_folder(folder / f"v{number}", fill_and_number, VERSION)
        writer.record(REGISTERED, version=number, manifest=manifest_hash(folder / f"v{number}"))
    return load_version(registry, name, number)


def registered_models(registry: Path) -> list[RegisteredModel]:
    """All registered models by name."""
    return [registered_model(registry, name) for name in model_names(registry)]


def registered_model(registry: Path, name: str) -> RegisteredModel:
    """One registered model with all its versions; a damaged one does not hide the others."""
    check_known(registry, name)
    folder = registry / name
    there = numbers_in(folder)  # before the state is read: what is registered meanwhile is none of these
    try:
        state, _ = read_history(folder, name)
    except StoreError as error:
        return RegisteredModel(name, (), (error,))
    versions, errors = [], []
    for number, recorded in sorted(state.versions.items()):
        try:
            versions.append(_loaded(registry, name, number, recorded))
        except StoreError as error:
            errors.append(error)
    known = {*state.versions, *state.dropped}
    errors += [_unrecorded(folder / f"v{each}") for each in there if each < state.next and each not in known]
    archived = {number: one.archived_at for number, one in state.versions.items() if one.archived_at}
    return RegisteredModel(name, tuple(versions), tuple(errors), state.aliases, archived)


def resolve(registry: Path, reference: str) -> ModelVersion:
    """The version that ``NAME``, ``NAME@3``, ``NAME@v3`` or ``NAME@alias`` means, with all its bytes verified.

    ``NAME`` and ``NAME@latest`` are the latest version that is not archived.
    """
    name, _ = parse_reference(reference)
    number, state = number_of(registry, reference)
    return _loaded(registry, name, number, state.versions[number])


def number_of(registry: Path, reference: str) -> tuple[int, State]:
    """The number that a reference means, and the state that says so; an alias must agree with the journal."""
    name, wanted = parse_reference(reference)
    check_known(registry, name)
    folder = registry / name
    if isinstance(wanted, str) and wanted != LATEST:
        state, _ = read_history(folder, name)
        if wanted not in state.aliases:
            hint = did_you_mean(wanted, state.aliases) or f"sqlfeat registry alias {name} {wanted} VERSION sets it."
            what = f"The registered model {name} has no alias {wanted!r}."
            raise StoreError("no-such-version", what, hint=f"{hint.rstrip('.')}; {_there(state)}")
        return state.aliases[wanted], state
    state = read_state(folder, name)
    if not isinstance(wanted, int):
        if not state.current:
            what = f"Every version of the registered model {name} is archived or dropped."
            raise StoreError("no-such-version", what, hint=f"sqlfeat train {name} makes a new one; {_there(state)}")
        return state.current[-1], state
    if wanted not in state.versions:
        if wanted not in state.dropped and wanted in numbers_in(folder):
            raise _unrecorded(folder / f"v{wanted}")
        was = "has had a version {}, which was dropped" if wanted in state.dropped else "has no version {}"
        what = f"The registered model {name} {was.format(wanted)}."
        raise StoreError("no-such-version", what, hint=_there(state))
    return wanted, state


def _there(state: State) -> str:
    aliased = {number: ", ".join(state.aliases_of(number)) for number in state.versions}
    shown = [f"v{number} ({names})" if names else f"v{number}" for number, names in sorted(aliased.items())]
    return f"there is {', '.join(shown)}." if shown else "there is none."


def parse_reference(reference: str) -> tuple[str, int | str | None]:
    """The name and the version number, alias, or None of a reference."""
    name, at, wanted = reference.partition("@")
    version = parse_version(wanted) if at else None
    if not is_identifier(name) or (at and version is None):
        raise UsageError(
            "bad-reference",
            f"{reference!r} cannot mean a registered model.",
            hint="write NAME for its latest version, NAME@3, or NAME@alias.",
        )
    return name, version


def parse_version(text: str) -> int | str | None:
    """The number that ``3`` or ``v3`` means, the alias that another name means, or None where it can mean nothing."""
    number = _NUMBER.fullmatch(text)
    if number:
        return int(number[1])
    return text if is_identifier(text) else None


def load_version(registry: Path, name: str, number: int) -> ModelVersion:
    """One version, once every one of its files is found to be what was registered."""
    return _loaded(registry, name, number, read_state(registry / name, name).versions.get(number))


def _loaded(registry: Path, name: str, number: int, recorded: Recorded | None) -> ModelVersion:
    folder = registry / name / f"v{number}"
    if recorded is not None and not folder.is_dir():
        hint = f"bring the folder back from a copy, or let it go: sqlfeat registry archive {name}@{number}."
        raise StoreError(VERSION.damaged, f"{folder} is damaged: it is missing.", hint=hint)
    manifest = read_manifest(folder, VERSION)
    if manifest.get("name") != name or manifest.get("version") != number:
        found = f"{manifest.get('name')}@v{manifest.get('version')}"
        raise damaged(folder / VERSION.manifest, VERSION, f"it belongs to {found}")
    if recorded is None:
        raise _unrecorded(folder)
    if recorded.manifest is not None and sha256_text(canonical_json(manifest)) != recorded.manifest:
        raise damaged(folder / VERSION.manifest, VERSION, "it is not the one that was registered")
    verify_files(folder, manifest, VERSION)
    return _version(folder, manifest)


def _unrecorded(folder: Path) -> StoreError:
    name = folder.parent.name
    return StoreError(
        "unregistered-version",
        f"{folder} was never registered: the journal of {name} does not speak of it.",
        hint=f"a training that was killed can leave it; sqlfeat registry gc {name} deletes it.",
    )


def read_model(version: ModelVersion) -> Any:
    """The trained model itself, of bytes that are verified at this moment."""
    data = read_file(version.path, version.manifest, version.file, VERSION)
    codec = codecs.codec_named(version.codec)
    return codecs.decode(codec, data, version.sha256, version.versions.get(codec.package))


_SHAPE: Mapping[str, Any] = {
    "hook": str, "training_set": dict, "features": dict, "compiled": dict, "params": dict, "metrics": dict,
    "importances": dict, "signature": dict, "carried": list, "codec": str, "file": str, "versions": dict,
    "git": (dict, NoneType), "seconds": (int, float),
}  # fmt: skip


def _version(folder: Path, manifest: Mapping[str, Any]) -> ModelVersion:
    strange = [name for name, kind in _SHAPE.items() if not isinstance(manifest.get(name), kind)]
    tables = [*manifest.get("metrics", {}).values(), *manifest.get("importances", {}).values()] if not strange else []
    if strange or not all(isinstance(table, dict) for table in tables):
        what = f"it says nothing of {strange[0]!r}" if strange else "its metrics are none"
        raise damaged(folder / VERSION.manifest, VERSION, what)
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
            **{name: _optional(manifest, name) for name in OPTIONAL},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(folder / VERSION.manifest, VERSION, f"it lacks {error}") from error


def _optional(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = manifest.get(name, {})
    if not isinstance(value, Mapping):
        raise TypeError(name)
    return value


def check_known(registry: Path, name: str) -> None:
    """Raise unless the registry has a model of this name."""
    if is_identifier(name) and _is_model(registry / name):
        return
    known = model_names(registry)
    hint = did_you_mean(name, known) or "the registry is empty: sqlfeat train HOOK registers a model."
    raise StoreError("no-such-registered-model", f"There is no registered model {name!r} in {registry}.", hint=hint)


def model_names(registry: Path) -> list[str]:
    """The names of the registered models."""
    if not registry.is_dir():
        return []
    return sorted(folder.name for folder in registry.iterdir() if is_identifier(folder.name) and _is_model(folder))


def _is_model(folder: Path) -> bool:
    return folder.is_dir() and ((folder / STATE).exists() or (folder / JOURNAL).exists() or bool(numbers_in(folder)))
