"""The nodes of a project as ``ls`` lists them: from its text alone, so that nothing else is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session


@dataclass(frozen=True)
class NodeInfo:
    """What ``ls`` tells of a node."""

    name: str
    resource_type: str
    materialized: str
    depends_on: tuple[str, ...]
    tags: tuple[str, ...]
    path: str
    description: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "resource_type": self.resource_type,
            "materialized": self.materialized,
            "depends_on": list(self.depends_on),
            "tags": list(self.tags),
            "path": self.path,
            "description": self.description,
        }


def nodes(session: Session, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[NodeInfo]:
    """The selected nodes in DAG order; needs neither sources nor a target."""
    outline = session.outline
    found = []
    for id_ in selected(session, select, exclude):
        node = outline.graph.nodes[id_]
        model = outline.models.get(node.name) if id_.startswith("model.") else None
        description = model.config.description if model else ""
        materialized = node.materialized or ("seed" if node.resource_type == "seed" else "")
        parents = tuple(parent.split(".", 1)[1] for parent in node.parents)
        found.append(NodeInfo(node.name, node.resource_type, materialized, parents, node.tags, node.path, description))
    return found
