"""The registry as a project works with it: who may have which alias, what has been, what goes.

Each verb changes one thing by one entry of a journal (``store.registry_changes``), asks before whether a version may
have an alias that the project guards, and tells the project's event hooks after. Reading is here too where it takes
more than the store knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlfeat.errors import RunError, StoreError, UsageError
from sqlfeat.ops.comparison import key_metric
from sqlfeat.ops.defaults import KEPT_FOR
from sqlfeat.ops.events import notify
from sqlfeat.ops.mlflow_export import mirror_aliases
from sqlfeat.ops.promotion import Judgement, judge
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.spec.promotion import CHAMPION
from sqlfeat.store import registry, registry_changes
from sqlfeat.store.journal import Entry
from sqlfeat.store.model_state import read_history, read_state
from sqlfeat.store.registry import ModelVersion, RegisteredModel
from sqlfeat.store.registry_changes import AliasChange, CollectedModel, check_alias


@dataclass(frozen=True)
class Moved:
    """An alias that was moved, and the judgement on the version that has it now; None where nobody asked for one."""

    change: AliasChange
    judgement: Judgement | None = None
    forced: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.change.as_dict(),
            "forced": self.forced,
            "reasons": list(self.judgement.reasons) if self.judgement else [],
            "warnings": list(self.judgement.warnings) if self.judgement else [],
            "comparison": self.judgement.as_dict()["comparison"] if self.judgement else None,
        }


def set_alias(
    session: Session,
    name: str,
    alias: str,
    version: int | str,
    *,
    force: bool = False,
    message: str | None = None,
) -> Moved:
    """Let an alias point to a version (a number, ``v3``, ``latest`` or another alias), if it may.

    Raises:
        RunError: ``promotion-refused`` with every reason, unless it is forced.
        UsageError: ``message-needed`` where it is forced and nobody says why.
    """
    if force and not (message or "").strip():
        raise UsageError("message-needed", "A forced change needs a reason.", hint="--message 'why', for the journal.")
    check_alias(alias)
    place = session.spec.registry
    candidate = registry.resolve(place, f"{name}@{version}")
    state = registry.number_of(place, f"{name}@{candidate.version}")[1]
    before = state.aliases.get(alias)
    facts: dict[str, Any] = {}
    judgement = None
    if session.spec.promotion.guards(alias) and before != candidate.version:
        judgement = judge(session, alias, candidate, _champion(session, name, before))
        _tell_warnings(session, judgement)
        if not judgement.allowed and not force:
            notify(session, "promotion_refused", judgement.as_dict())
            raise _refused(judgement)
        told = judgement.as_dict()
        facts = {key: told[key] for key in ("reasons", "warnings", "comparison")} | {"forced": not judgement.allowed}
    change = registry_changes.set_alias(
        place, name, alias, candidate.version, expected=before, message=message, clock=session.clock, **facts
    )
    moved = Moved(change, judgement, forced=facts.get("forced", False))
    _tell_change(session, "alias_set", change, message)
    return moved


def delete_alias(session: Session, name: str, alias: str, *, message: str | None = None) -> AliasChange:
    """Take an alias away."""
    change = registry_changes.delete_alias(session.spec.registry, name, alias, message=message, clock=session.clock)
    _tell_change(session, "alias_deleted", change, message)
    return change


def rollback(session: Session, name: str, alias: str = CHAMPION, *, message: str | None = None) -> AliasChange:
    """Let an alias point to what it pointed to before; that version is verified first, and not judged again."""
    place = session.spec.registry
    registry.check_known(place, name)
    target = registry_changes.before_alias(read_history(place / name, name)[1], alias)
    if target is not None:
        registry.resolve(place, f"{name}@{target}")
    change = registry_changes.rollback(place, name, alias, expected=target, message=message, clock=session.clock)
    _tell_change(session, "rolled_back", change, message)
    return change


def _champion(session: Session, name: str, number: int | None) -> ModelVersion | None:
    """The version that has the alias now; a damaged one is nothing to be compared with."""
    if number is None:
        return None
    try:
        return registry.load_version(session.spec.registry, name, number)
    except StoreError as error:
        session.listener(Event("log", text=f"warning: {error.what} It is not compared with."))
        return None


def _tell_warnings(session: Session, judgement: Judgement) -> None:
    for warning in judgement.warnings:
        session.listener(Event("log", text=f"warning: {warning}."))


def _refused(judgement: Judgement) -> RunError:
    return RunError(
        "promotion-refused",
        f"{judgement.candidate} may not become {judgement.alias}.",
        details=judgement.reasons,
        hint="mend that; or move the alias all the same, and say why: --force --message '…'.",
    )


def _tell_change(session: Session, action: str, change: AliasChange, message: str | None) -> None:
    if change.entry is not None:
        mirror_aliases(session, change.name)
        notify(session, "alias_changed", {"action": action, "message": message, **change.as_dict()})


# -- archive, history, gc ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Archived:
    """A version that is archived now, or is not any more; ``entry`` is None where it was so already."""

    name: str
    version: int
    archived: bool
    entry: Entry | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "archived": self.archived,
            "changed": self.entry is not None,
            "entry": self.entry.as_dict() if self.entry else None,
        }


def archive(session: Session, reference: str, *, undo: bool = False, message: str | None = None) -> Archived:
    """Hide a version from ``latest`` and from lists, or bring it back."""
    name, number, entry = registry_changes.archive(
        session.spec.registry, reference, undo=undo, message=message, clock=session.clock
    )
    return Archived(name, number, not undo, entry)


@dataclass(frozen=True)
class History:
    """A registered model's journal, oldest entry first, found whole; ``head`` is the hash of its last line."""

    name: str
    entries: tuple[Entry, ...]
    head: str

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "entries": [entry.as_dict() for entry in self.entries], "head": self.head}


def history(session: Session, name: str) -> History:
    """What has happened to a registered model.

    Raises:
        StoreError: ``damaged-registry`` where the chain is broken.
    """
    place = session.spec.registry
    registry.check_known(place, name)
    state, entries = read_history(place / name, name)
    return History(name, tuple(entries), state.head)


@dataclass(frozen=True)
class CollectedVersions:
    """What gc dropped, model by model, or would."""

    models: tuple[CollectedModel, ...]
    dry_run: bool = False
    damaged: tuple[StoreError, ...] = field(default=())

    @property
    def bytes(self) -> int:
        return sum(model.bytes for model in self.models)

    def as_dict(self) -> dict[str, Any]:
        return {
            "dropped": [each.as_dict() for model in self.models for each in model.dropped],
            "kept": [each.as_dict() for model in self.models for each in model.kept],
            "leftovers": [str(path) for model in self.models for path in model.leftovers],
            "bytes": self.bytes,
            "dry_run": self.dry_run,
            "damaged": [error.as_dict() for error in self.damaged],
        }


def collect(
    session: Session,
    name: str | None = None,
    *,
    older_than: timedelta = KEPT_FOR,
    dry_run: bool = False,
    message: str | None = None,
) -> CollectedVersions:
    """Drop versions that have been archived for so long, and what killed processes have left.

    A registered model whose state or journal is damaged is passed over, and told of.
    """
    place = session.spec.registry
    found, damaged = [], []
    for each in [name] if name is not None else registry.model_names(place):
        try:
            found.append(
                registry_changes.collect(
                    place, each, older_than=older_than, dry_run=dry_run, message=message, clock=session.clock
                )
            )
        except StoreError as error:
            if name is not None:
                raise
            damaged.append(error)
    return CollectedVersions(tuple(found), dry_run, tuple(damaged))


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """A version and how it stands: its aliases, whether it is archived, and the metric that it is known by."""

    version: ModelVersion
    aliases: tuple[str, ...] = ()
    archived: bool = False
    key: tuple[str, str] | None = None

    @property
    def value(self) -> float | None:
        return self.version.metrics[self.key[0]].get(self.key[1]) if self.key else None


def standing(session: Session, version: ModelVersion) -> Standing:
    """A version as it stands."""
    state = read_state(session.spec.registry / version.name, version.name)
    known = state.versions.get(version.version)
    archived = known is not None and known.archived_at is not None
    return _standing(session, version, state.aliases_of(version.version), archived)


def standings(session: Session, model: RegisteredModel) -> list[Standing]:
    """The versions of a registered model, each as it stands."""
    return [
        _standing(session, version, model.aliases_of(version.version), version.version in model.archived)
        for version in model.versions
    ]


def _standing(session: Session, version: ModelVersion, aliases: tuple[str, ...], archived: bool) -> Standing:
    rules = session.spec.promotion.rules_for(version.name)
    key = key_metric(version, rules.metric, rules.split)
    return Standing(version, aliases, archived, key if key is not None and key[0] in version.metrics else None)
