"""The whole chain of a version, as it was recorded: sources, SQL, verdicts, code, packages, who and when.

Everything is read from the version's own folder, so it is there when sources, repository and ``target/`` are gone. What
is not known is said in its own section: of an old version, of a dirty project whose changes could not be kept, of an
input that nothing proves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlfeat.errors import StoreError
from sqlfeat.ops import version_sections as told_of
from sqlfeat.ops.document import Document, Facts, Notes, Section, html_page, markdown
from sqlfeat.ops.model_card import model_card
from sqlfeat.ops.provenance import PATCH
from sqlfeat.ops.session import Session
from sqlfeat.store import registry
from sqlfeat.store.artifacts import read_file
from sqlfeat.store.model_state import read_history
from sqlfeat.store.registry import VERSION, ModelVersion

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Audit:
    """A version, the uncommitted changes that are kept with it, and what is not known of it."""

    version: ModelVersion
    patch: str | None
    unknown: tuple[str, ...]
    history: tuple[Record, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The audit in the shape of ``--json``."""
        told = self.version.as_dict()
        record = dict(told.pop("provenance"))
        return {
            "reference": self.version.reference,
            "model": told,
            "sources": record.pop("sources", {}),
            "sql": told_of.sql_of(self.version),
            "verdicts": told_of.set_record(self.version).get("time_safety", {}),
            "provenance": record,
            "patch": self.patch,
            "history": [dict(entry) for entry in self.history],
            "unknown": list(self.unknown),
        }

    def html(self) -> str:
        """The audit as one HTML file that needs nothing else."""
        return html_page(self.document)

    def card(self) -> str:
        """The version's model card, as Markdown."""
        return markdown(model_card(self.version, self.unknown))

    @property
    def document(self) -> Document:
        """The audit for people."""
        version = self.version
        made = version.created_at.isoformat(sep=" ", timespec="seconds")
        return Document(
            f"Audit of {version.reference}",
            f"What is recorded of this version, which was made at {made}.",
            (
                Section("Model", (Facts(tuple(told_of.model_facts(version))),)),
                Section("Sources", tuple(told_of.source_blocks(version))),
                Section("Training set", tuple(told_of.set_blocks(version))),
                Section("Inputs", tuple(told_of.input_blocks(version))),
                Section("Transforms", tuple(told_of.transform_blocks(version)), "the training set fits none"),
                Section("SQL", tuple(told_of.sql_blocks(version))),
                Section("Code", tuple(told_of.code_blocks(version, self.patch))),
                Section("Run", tuple(told_of.run_blocks(version))),
                Section("Packages and machine", tuple(told_of.surrounding_blocks(version))),
                Section("Results", (*told_of.metric_blocks(version), *told_of.importance_blocks(version))),
                Section("History", tuple(told_of.history_blocks(self.history)), "no alias or promotion is recorded"),
                Section("Not known", (Notes(self.unknown),) if self.unknown else (), "nothing is missing"),
            ),
        )


def audit(session: Session, reference: str) -> Audit:
    """What is recorded of a version, once every one of its bytes is found to be what was written."""
    version = registry.resolve(session.spec.registry, reference)
    raw = read_file(version.path, version.manifest, PATCH, VERSION) if PATCH in version.manifest["files"] else None
    patch = None if raw is None else raw.decode(errors="replace")
    try:
        history, damaged = tuple(_history(session, version)), []
    except StoreError as error:
        history, damaged = (), [f"What was done with it since: {error.what}"]
    return Audit(version, patch, (*_unknown(version), *damaged), history)


def _history(session: Session, version: ModelVersion) -> Iterator[Record]:
    """What the journal says of this version."""
    _, entries = read_history(session.spec.registry / version.name, version.name)
    for entry in entries:
        if version.version in (entry.facts.get("version"), entry.facts.get("before")):
            yield entry.as_dict()


# -- what is not known -------------------------------------------------------------------------------------------------


def _unknown(version: ModelVersion) -> Iterator[str]:
    record = version.provenance
    if not record:
        yield "Sources, SQL texts, verdicts, code, machine, and who made it: an older sqlfeat made this version."
        return
    yield from _unknown_code(version)
    for id_, one in record["sources"].items():
        if one.get("changed_meanwhile"):
            name = told_of.plain_id(id_)
            yield f"The source {name} changed while the model was trained: its files are those of afterwards."
    if record["sources"]:
        yield "The rows of the sources: they are known by hash, not kept."
    safety = told_of.set_record(version).get("time_safety", {}).get("verdicts", {})
    unproven = [one.name for one in version.signature.inputs if safety.get(one.name) == "unproven"]
    if unproven:
        yield f"Whether {', '.join(unproven)} is from the past alone: nothing proves it."
    untraced = sorted({name for one in record["lineage"].values() for name in one.get("untraced", ())})
    if untraced:
        yield f"What {', '.join(untraced)} is made from: its SQL could not be traced."
    hidden = [name for name, one in record["run"]["variables"].items() if "value" not in one]
    if hidden:
        yield f"The value of the variable {', '.join(hidden)}: it may be a secret, and only its hash is kept."


def _unknown_code(version: ModelVersion) -> Iterator[str]:
    code, around = version.provenance["code"], version.provenance["around"]
    if not code.get("commit"):
        yield f"The code's history: the project was in no repository; {len(code['files'])} files are known by hash."
    if code.get("patch_left_out"):
        yield f"The uncommitted changes, or a part of them: {code['patch_left_out']}."
    for one in code.get("untracked", ()):
        if "text" not in one:
            yield f"The content of the new file {one['path']}: {one.get('left_out')}."
    if version.provenance["hook"].get("changed_meanwhile"):
        yield "The hook's file, exactly: it was edited while it was running."
    for one in around["elsewhere"]:
        yield f"The module {one['module']}: it is of no package and not of the project, and known by hash alone."
