"""What a feature view was like each time that it was built or published: a small profile, kept beside the others.

``target/profiles/VIEW/ID/`` has one for each definition and state of the data; the same rows give the same bytes. Every
feature is in it, windows as of the instant from which a row can be used. What is many is sampled by a hash of keys and
time, so that a run takes little longer. Without ``monitor: false`` in its config a view has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.base import Record
from sqlfeat.engine.profile import Profile, ProfileRequest
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.monitoring import profiles
from sqlfeat.ops.session import Session
from sqlfeat.store.artifacts import Kind, publish_folder, read_built, read_file, read_manifest

BUILT, PUBLISHED = "built", "published"
MOST_ROWS = 20_000
"""Of more rows only about so many are counted, and half as many where windows have to be read from events."""
SAMPLE_OF = "sample_of"
"""The fact of a profile that says of how many rows those that it counts are a sample."""
VIEW_PROFILE = Kind(
    name="view_profile",
    title="feature view's profile",
    version=1,
    damaged="damaged-profile",
    mend="delete this folder: nothing but the history of the view is lost.",
)
_ID_LENGTH = 16


@dataclass(frozen=True)
class KeptProfile:
    """A profile of a view: when it was built or published, of which definition, how many rows it had then."""

    at: datetime
    kind: str
    fingerprint: str
    rows: int
    path: Path

    def profile(self) -> Profile:
        """The profile itself, every byte verified."""
        raw = read_file(self.path, read_manifest(self.path, VIEW_PROFILE), profiles.PROFILE, VIEW_PROFILE)
        return profiles.read(raw, self.path)[profiles.INPUTS][BUILT]


def note_built(session: Session, model: CompiledModel, record: Record) -> None:
    """Keep a profile of a view that was built; what goes wrong with it is told and stops nothing."""
    _note(session, model, _state_of(record), record)


def note_published(session: Session, model: CompiledModel, at: datetime, record: Record) -> None:
    """Keep one of a view that was published as of an instant: that of its rows, as they were built."""
    _note(session, model, {"kind": PUBLISHED, "as_of": at.isoformat()}, record)


def _state_of(record: Record) -> dict[str, Any]:
    return {"kind": BUILT, "data_version": record.data_version}


def _note(session: Session, model: CompiledModel, state: Mapping[str, Any], record: Record) -> None:
    if model.materialized != "feature_view" or not model.config.monitor.profile:
        return
    try:
        _keep(session, model, state, record)
    except SqlfeatError as error:
        session.log(f"warning: no profile of {model.name} could be kept: {error.what}")


def kept(session: Session, view: str) -> list[KeptProfile]:
    """The profiles of a view, oldest first; what cannot be read is left out."""
    folder = session.spec.target_path / "profiles" / view
    found = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            manifest, built = read_manifest(place, VIEW_PROFILE), read_built(place, VIEW_PROFILE)
        except SqlfeatError:
            continue
        at = datetime.fromisoformat(built["created_at"])
        found.append(KeptProfile(at, manifest["state"]["kind"], manifest["fingerprint"], manifest["rows"], place))
    return sorted(found, key=lambda one: (one.at, one.kind))


def _keep(session: Session, model: CompiledModel, state: Mapping[str, Any], record: Record) -> None:
    """Keep a profile of a view's rows; the same state is kept once, and the same rows are counted once."""
    place = _place(session, model, state)
    if place.is_dir():
        return
    rows = record.rows or 0

    def fill(folder: Path) -> dict[str, Any]:
        known = _place(session, model, _state_of(record))
        if known.is_dir():
            content = read_file(known, read_manifest(known, VIEW_PROFILE), profiles.PROFILE, VIEW_PROFILE)
        else:
            counted = session.engine.profile_of_view(model, _request(model), MOST_ROWS)
            if counted.rows < rows:
                counted = replace(counted, facts={SAMPLE_OF: rows})
            content = profiles.written({profiles.INPUTS: {BUILT: counted}}).encode()
        (folder / profiles.PROFILE).write_bytes(content)
        return {"view": model.name, "fingerprint": model.fingerprint, "rows": rows, "state": state}

    publish_folder(place, fill, VIEW_PROFILE, {"created_at": session.clock.now().astimezone(UTC).isoformat()})


def _place(session: Session, model: CompiledModel, state: Mapping[str, Any]) -> Path:
    identity = sha256_text(canonical_json({"fingerprint": model.fingerprint, **state}))[:_ID_LENGTH]
    return session.spec.target_path / "profiles" / model.name / identity


def _request(model: CompiledModel) -> ProfileRequest:
    """What of a view is counted: all but keys and times. Rows without keys are told apart by all that they have."""
    time = model.time
    aside = {*model.keys, time.event_time, time.available_at, *time.tie_breaker, *time.unique_key}
    listed = tuple((one.name, one.type) for one in model.columns if one.name not in aside)
    return ProfileRequest(listed, time.event_time, model.keys or tuple(name for name, _ in listed), window=None)
