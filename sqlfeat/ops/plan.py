"""What a run would do and why: every node's definition and data against what has been built.

A node's *data version* is a hash of its definition and of the versions of what it reads, down to the content of the
source files. If it equals the recorded one, the node is unchanged, whoever built it and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlfeat.base.files import sha256_text
from sqlfeat.compiler.manifest import Manifest
from sqlfeat.engine.base import Engine, Record
from sqlfeat.errors import RunError

_LENGTH = 32


@dataclass(frozen=True)
class PlannedNode:
    """One node of a plan: ``action`` is ``build`` or ``unchanged``; ``reason`` says why."""

    id: str
    name: str
    resource_type: str
    materialized: str
    action: str
    reason: str
    fingerprint: str
    data_version: str


@dataclass(frozen=True)
class Plan:
    """What to do, in DAG order; ``sources`` are the versions of the sources that the nodes go back to."""

    nodes: tuple[PlannedNode, ...]
    sources: Mapping[str, str]

    @property
    def to_build(self) -> tuple[PlannedNode, ...]:
        return tuple(node for node in self.nodes if node.action == "build")


class Planner:
    """Data versions of a manifest's nodes against an engine's records."""

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self.manifest = manifest
        self.engine = engine
        self.records: dict[str, Record] = dict(engine.records())
        self.sources: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    def plan(self, ids: Sequence[str], *, full_refresh: bool = False) -> Plan:
        """The plan for the nodes that can be built among ``ids``, which are in DAG order."""
        chosen = {node for node in ids if self.is_built(node)}
        nodes = [self._planned(node, chosen, full_refresh) for node in ids if node in chosen]
        return Plan(tuple(nodes), dict(self.sources))

    def is_built(self, node: str) -> bool:
        """Whether a run makes something of a node."""
        kind, name = node.split(".", 1)
        return kind == "seed" or (kind == "model" and self.manifest.models[name].materialized != "training_set")

    def upstream(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Everything above the nodes, in DAG order."""
        above = self.manifest.graph.ancestors(ids)
        return tuple(node for node in self.manifest.graph.order() if node in above)

    def version(self, node: str, chosen: set[str] | frozenset[str]) -> str:
        """The data version that a node will have; one that is not chosen keeps the one it has.

        Raises:
            RunError: ``not-built`` where a parent is neither chosen nor there as it is defined now.
        """
        if node not in self._versions:
            self._versions[node] = self._version(node, chosen)
        return self._versions[node]

    def require(self, node: str) -> None:
        """Raise ``not-built`` unless a node stands as it is defined now."""
        why = self.problem_with(node)
        if why is not None:
            name = node.split(".", 1)[1]
            raise RunError("not-built", f"{name} {why}.", hint=f"sqlfeat run -s +{name}")

    def version_of_parents(self, node: str, parents: Sequence[str]) -> None:
        """Raise ``not-built`` unless everything that a node reads stands as it is defined now."""
        for parent in parents:
            self._parent_version(parent, node, frozenset())

    def problem_with(self, node: str) -> str | None:
        """Why a node cannot be read as it stands: what is defined now has not been built; None where it can."""
        if node.startswith("source."):
            return None
        if not self.is_built(node):
            return "is a training set, whose rows are made by build-training-set"
        record = self.records.get(node)
        if record is None:
            return "has not been built"
        return None if record.fingerprint == self.manifest.fingerprints.get(node) else "has changed since it was built"

    def _version(self, node: str, chosen: set[str] | frozenset[str]) -> str:
        if node.startswith("source."):
            self.sources[node] = self.engine.source_version(self.manifest.sources[node])
            return self.sources[node]
        mark = self.manifest.fingerprints[node]
        if node.startswith("seed."):
            content = self.engine.seed_version(self.manifest.seeds[node])
            return sha256_text(f"{mark} {content}")[:_LENGTH]
        parents = self.manifest.models[node.removeprefix("model.")].parents
        versions = [self._parent_version(parent, node, chosen) for parent in parents]
        return sha256_text(" ".join([mark, *versions]))[:_LENGTH]

    def _parent_version(self, parent: str, node: str, chosen: set[str] | frozenset[str]) -> str:
        if parent.startswith("source.") or parent in chosen:
            return self.version(parent, chosen)
        why = self.problem_with(parent)
        if why is not None:
            name, child = parent.split(".", 1)[1], node.split(".", 1)[1]
            raise RunError("not-built", f"{child} reads {name}, which {why}.", hint=f"select it too: -s +{child}")
        return self.records[parent].data_version

    def _planned(self, node: str, chosen: set[str], full_refresh: bool) -> PlannedNode:
        kind, name = node.split(".", 1)
        materialized = "seed" if kind == "seed" else self.manifest.models[name].materialized
        mark = self.manifest.fingerprints[node]
        version = self.version(node, chosen)
        record = self.records.get(node)
        if full_refresh:
            action, reason = "build", "full refresh"
        elif record is None:
            action, reason = "build", "not built yet"
        elif record.fingerprint != mark:
            action, reason = "build", "its definition changed"
        elif record.data_version != version:
            action, reason = "build", self._why(node)
        else:
            action, reason = "unchanged", "same definition, same data"
        return PlannedNode(node, name, kind, materialized, action, reason, mark, version)

    def _why(self, node: str) -> str:
        """Which of a node's parents brings other data."""
        if node.startswith("seed."):
            return "its file changed"
        changed = []
        for parent in self.manifest.models[node.removeprefix("model.")].parents:
            record = self.records.get(parent)
            if parent.startswith("source.") or record is None or record.data_version != self._versions.get(parent):
                changed.append(parent.split(".", 1)[1])
        return f"data changed: {', '.join(changed)}" if changed else "data changed"
