"""The DAG of a project: its order, its cycles, and dbt's selectors over it."""

from __future__ import annotations

import fnmatch
import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from sqlfeat.base.names import did_you_mean
from sqlfeat.errors import UsageError

_SELECTOR = re.compile(r"(?P<at>@)?(?P<up>(?P<updepth>\d*)\+)?(?P<body>.+?)(?P<down>\+(?P<downdepth>\d*))?")
METHODS = ("tag", "path", "file", "source", "config.materialized", "resource_type", "entity", "state")


@dataclass(frozen=True)
class Node:
    """What selectors and orders know of a node. ``parents`` are ids; ``unique`` ids are ``model.NAME`` and so on."""

    id: str
    name: str
    resource_type: str
    parents: tuple[str, ...]
    path: str = ""
    tags: tuple[str, ...] = ()
    materialized: str = ""
    entity: str = ""


class Graph:
    """The nodes of a project with their edges; immutable once made."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes: Mapping[str, Node] = {node.id: node for node in nodes}
        self._above = {id: [one for one in node.parents if one in self.nodes] for id, node in self.nodes.items()}
        self._below: dict[str, list[str]] = {id: [] for id in self.nodes}
        for id, parents in self._above.items():
            for parent in parents:
                self._below[parent].append(id)

    def cycle(self) -> list[str]:
        """The ids along one cycle, in the order of reference, or nothing."""
        try:
            TopologicalSorter(self._above).prepare()
        except CycleError as found:
            ids = list(reversed(found.args[1][1:]))  # from a parent to what is made of it, and so back
            first = ids.index(min(ids))
            return ids[first:] + ids[:first]
        return []

    def order(self) -> tuple[str, ...]:
        """All ids, parents first; among equals by id, so that it never changes."""
        sorter = TopologicalSorter(self._above)
        sorter.prepare()
        ordered: list[str] = []
        ready = list(sorter.get_ready())
        heapq.heapify(ready)
        while ready:
            ordered.append(heapq.heappop(ready))
            sorter.done(ordered[-1])
            for id in sorter.get_ready():
                heapq.heappush(ready, id)
        return tuple(ordered)

    def ancestors(self, ids: Iterable[str], depth: int | None = None) -> set[str]:
        """The nodes above, up to ``depth`` steps, without the given ones themselves unless they are above others."""
        return self._reach(ids, depth, self._above)

    def descendants(self, ids: Iterable[str], depth: int | None = None) -> set[str]:
        """The nodes below, up to ``depth`` steps."""
        return self._reach(ids, depth, self._below)

    def select(
        self, select: Sequence[str] = (), exclude: Sequence[str] = (), *, modified: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """The ids that dbt's selectors mean, in DAG order; no selector means everything.

        ``modified`` are the ids that ``state:modified`` stands for.

        Raises:
            UsageError: a selector matches nothing or cannot be read.
        """
        chosen = set(self.nodes) if not _split(select) else self._union(select, modified)
        dropped = self._union(exclude, modified) if _split(exclude) else set()
        return tuple(node for node in self.order() if node in chosen and node not in dropped)

    def _reach(self, ids: Iterable[str], depth: int | None, steps: Mapping[str, Iterable[str]]) -> set[str]:
        seen: set[str] = set()
        frontier = set(ids)
        while frontier and (depth is None or depth > 0):
            frontier = {after for node in frontier for after in steps.get(node, ())} - seen
            seen |= frontier
            depth = None if depth is None else depth - 1
        return seen

    def _union(self, selectors: Sequence[str], modified: frozenset[str]) -> set[str]:
        union: set[str] = set()
        for selector in _split(selectors):
            parts = [self._one(part, modified) for part in selector.split(",") if part]
            union |= set.intersection(*parts) if parts else set()
        return union

    def _one(self, text: str, modified: frozenset[str]) -> set[str]:
        match = _SELECTOR.fullmatch(text)
        if match is None or not match["body"]:
            raise UsageError("bad-selector", f"{text!r} is no selector.", hint="for instance: my_model+, tag:daily")
        found = self._matching(match["body"], modified)
        chosen = set(found)
        if match["at"]:
            below = self.descendants(found)
            return chosen | below | self.ancestors(found | below)
        if match["up"]:
            chosen |= self.ancestors(found, int(match["updepth"]) if match["updepth"] else None)
        if match["down"]:
            chosen |= self.descendants(found, int(match["downdepth"]) if match["downdepth"] else None)
        return chosen

    def _matching(self, body: str, modified: frozenset[str]) -> set[str]:
        method, colon, value = body.partition(":")
        if not colon:
            found = {node.id for node in self.nodes.values() if _named(node, body)}
            hint = did_you_mean(body, {node.name for node in self.nodes.values()})
            return self._some(found, body, hint)
        if method not in METHODS:
            hint = did_you_mean(method, METHODS)
            raise UsageError("bad-selector", f"There is no selector method {method!r}.", hint=hint)
        if method == "state":
            if value != "modified":
                raise UsageError("bad-selector", f"There is no state {value!r}.", hint="write state:modified.")
            return set(modified)
        found = {node.id for node in self.nodes.values() if _has(node, method, value)}
        return self._some(found, body, None)

    def _some(self, found: set[str], body: str, hint: str | None) -> set[str]:
        if not found:
            raise UsageError("nothing-selected", f"The selector {body!r} matches nothing.", hint=hint)
        return found


def _split(selectors: Sequence[str]) -> list[str]:
    given = [selectors] if isinstance(selectors, str) else selectors  # a text is a sequence of texts, too
    return [part for selector in given for part in selector.split()]


def _named(node: Node, pattern: str) -> bool:
    if fnmatch.fnmatchcase(node.name, pattern):
        return True
    folders = node.path.split("/")[1:-1]
    return pattern in folders or fnmatch.fnmatchcase(".".join([*folders, node.name]), pattern)


def _has(node: Node, method: str, value: str) -> bool:
    match method:
        case "tag":
            return any(fnmatch.fnmatchcase(tag, value) for tag in node.tags)
        case "file":
            return fnmatch.fnmatchcase(node.path.rsplit("/", 1)[-1], value)
        case "path":
            value = value.removeprefix("./")
            value = value.rstrip("/")
            return node.path == value or node.path.startswith(f"{value}/") or fnmatch.fnmatchcase(node.path, value)
        case "source":
            named = node.id.removeprefix("source.")
            return node.resource_type == "source" and (
                fnmatch.fnmatchcase(named, value) or fnmatch.fnmatchcase(named.split(".")[0], value)
            )
        case "config.materialized":
            return fnmatch.fnmatchcase(node.materialized, value)
        case "entity":
            return fnmatch.fnmatchcase(node.entity, value)
        case _:
            return fnmatch.fnmatchcase(node.resource_type, value)
