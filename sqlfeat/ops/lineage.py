"""Lineage as it is asked for: a column by name, and the tree of what it comes from or goes to.

A column that is reached twice is written out once; later mentions say ``repeated``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.lineage import ColumnLineage, Lineage, Parent
from sqlfeat.compiler.manifest import Manifest
from sqlfeat.errors import Place, UsageError
from sqlfeat.ops.session import Session


@dataclass(frozen=True)
class LineageStep:
    """A column in a tree: how it hangs on the one above (``via``), and the columns below it.

    ``untraced`` says why a column's parents are not known; ``repeated``: its own steps are shown elsewhere;
    ``undeclared``: nothing says that there is such a column but the SQL that names it.
    """

    node: str
    column: str
    type: str
    via: str = "direct"
    expression: str = ""
    place: Place | None = None
    untraced: str | None = None
    repeated: bool = False
    undeclared: bool = False
    steps: tuple[LineageStep, ...] = ()

    @property
    def name(self) -> str:
        """``model.column``; of a source ``source.table.column``."""
        return f"{self.node.split('.', 1)[1]}.{self.column}"

    def as_dict(self, below: str) -> dict[str, Any]:
        """The step as JSON has it; ``below`` is ``upstream`` or ``downstream``."""
        place = self.place
        return {
            "node": self.node,
            "column": self.column,
            "type": self.type,
            "via": self.via,
            "expression": self.expression or None,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "position": place.column if place else None,
            "untraced": self.untraced,
            "repeated": self.repeated,
            "undeclared": self.undeclared,
            below: [step.as_dict(below) for step in self.steps],
        }


@dataclass(frozen=True)
class LineageTree:
    """The lineage of a column, or of all columns of a node, in one direction."""

    name: str
    downstream: bool
    columns: tuple[LineageStep, ...]

    @property
    def direction(self) -> str:
        return "downstream" if self.downstream else "upstream"

    def as_dict(self) -> dict[str, Any]:
        """The tree as JSON has it."""
        return {"name": self.name, "columns": [step.as_dict(self.direction) for step in self.columns]}

    def edges(self) -> list[tuple[LineageStep, LineageStep]]:
        """Each step with the column above it, both as they are in the tree, every pair once."""
        found: dict[tuple[str, str], tuple[LineageStep, LineageStep]] = {}

        def collect(above: LineageStep) -> None:
            for step in above.steps:
                found.setdefault((above.name, step.name), (above, step))
                collect(step)

        for step in self.columns:
            collect(step)
        return list(found.values())


def lineage(
    session: Session, name: str, *, downstream: bool = False, depth: int | None = None, indirect: bool = False
) -> LineageTree:
    """What ``model.column`` (or every column of a model, seed or source) comes from or goes to.

    ``depth`` is how many steps; ``indirect`` adds the columns that only decide which rows there are.
    """
    manifest = session.manifest
    node, column = _named(manifest, name)
    if node in manifest.assumed and manifest.columns[node]:
        what = getattr(manifest.errors[node], "what", str(manifest.errors[node]))
        session.log(f"{what} Nothing is run with it; columns are traced by their names.")
    elif not downstream:
        manifest.raise_errors([node])
    elif node in manifest.errors:
        raise manifest.errors[node]
    return _Trees(Lineage(manifest), downstream, depth, indirect).tree(name, node, column)


def _named(manifest: Manifest, name: str) -> tuple[str, str | None]:
    """The node and the column that a name means."""
    nodes = {node.split(".", 1)[1]: node for node in [*manifest.sources, *manifest.seeds]}
    nodes |= {name: f"model.{name}" for name in manifest.models}
    owner, _, column = name.rpartition(".")
    if name in nodes:
        return nodes[name], None
    if owner not in nodes:
        raise _unknown(manifest, nodes, owner or name)
    node = nodes[owner]
    known = [own.name for own in manifest.columns.get(node, ())]
    for own in known:
        if own.casefold() == column.casefold():
            return node, own
    manifest.raise_errors([node])
    raise UsageError("unknown-column", f"{owner} has no column {column!r}.", hint=did_you_mean(column, known))


def _unknown(manifest: Manifest, nodes: Mapping[str, str], name: str) -> UsageError:
    first = name.split(".", 1)[0]
    hint = did_you_mean(name, nodes) or did_you_mean(first, nodes)
    return UsageError("unknown-model", f"There is no model, seed or source {name!r}.", hint=hint)


class _Trees:
    """Grows trees; columns that were written out once are not written out again."""

    def __init__(self, lineage: Lineage, downstream: bool, depth: int | None, indirect: bool) -> None:
        self._lineage = lineage
        self._downstream = downstream
        self._depth = depth
        self._indirect = indirect
        self._shown: dict[tuple[str, str], int] = {}

    def tree(self, name: str, node: str, column: str | None) -> LineageTree:
        columns = self._lineage.columns(node)
        chosen: Iterable[ColumnLineage] = columns.values() if column is None else [columns[column]]
        steps = tuple(self._grown(_step(own, "direct"), 0) for own in chosen)
        return LineageTree(name, self._downstream, steps)

    def _grown(self, step: LineageStep, depth: int) -> LineageStep:
        key = (step.node, step.column)
        if self._depth is not None and depth >= self._depth:
            return step
        others = self._others(key)
        if key in self._shown and others:
            return replace(step, repeated=True)
        self._shown[key] = depth
        below = [self._grown(_step(self._column(other), other.via), depth + 1) for other in others]
        return replace(step, steps=tuple(below))

    def _others(self, key: tuple[str, str]) -> Sequence[Parent]:
        found = self._lineage.children(*key) if self._downstream else self._lineage.parents(*key)
        direct = [other for other in found if other.via == "direct"]
        return found if self._indirect or (not direct and not self._downstream) else direct

    def _column(self, other: Parent) -> ColumnLineage:
        return self._lineage.columns(other.node)[other.column]


def _step(own: ColumnLineage, via: str) -> LineageStep:
    return LineageStep(
        own.node, own.column, own.type, via, own.expression, own.place, own.untraced, undeclared=own.undeclared
    )
