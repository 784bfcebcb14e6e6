"""Folder-wide config: what ``models:`` (or ``seeds:``) of a project file says for one file.

The tree is matched by the file's folders and its own name, as in dbt, optionally with the project's name as the
outermost level. A key with a leading ``+``, or one whose value is no mapping, is config; the others are folders.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlfeat.base.names import nearest
from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.config import CONFIG_KEYS, Layer, add_up
from sqlfeat.spec.problems import Problems

_MAPPINGS = ("meta", "split", "contract", "docs", "grants", "persist_docs", "column_types")
"""Config whose value is a mapping: without a ``+`` it is taken for a folder only where there is such a folder."""


def config_for(tree: Node | None, project: str, parts: Sequence[str]) -> tuple[dict[str, Any], dict[str, Place]]:
    """The raw config and its places for the file whose folders and name are ``parts``, from the outside in."""
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for level in _levels(tree, project, parts):
        own, own_places = _own_config(level, frozenset(parts))
        values = add_up(values, own)
        places |= own_places
    return values, places


def _levels(tree: Node | None, project: str, parts: Sequence[str]) -> Iterator[Node]:
    """The tree's nodes on the way to the file: first by folders alone, then below the project's name."""
    if tree is None or not tree.is_mapping:
        return
    yield tree
    roots = [tree]
    if project in tree.entries and tree.entries[project].is_mapping:
        if parts[:1] != [project]:
            yield tree.entries[project]
        roots.append(tree.entries[project])
    for root in roots:
        level = root
        for part in parts:
            found = level.entries.get(part)
            if found is None or not found.is_mapping:
                break
            yield found
            level = found


def _own_config(level: Node, folders: Collection[str]) -> tuple[dict[str, Any], dict[str, Place]]:
    values = {}
    places = {}
    for key, entry in level.entries.items():
        if _is_config(key, entry, folders):
            values[key.removeprefix("+")] = entry.value
            places[key.removeprefix("+")] = entry.place
    return values, places


def _is_config(key: str, entry: Node, folders: Collection[str]) -> bool:
    return key.startswith("+") or not entry.is_mapping or (key in _MAPPINGS and key not in folders)


_Check = Callable[[Layer], object]
_Files = Collection[Sequence[str]]


def check_tree(tree: Node | None, project: str, files: _Files, check: _Check, problems: Problems) -> None:
    """Note levels that are no folder, and what ``check`` raises of a level's config; ``files`` are all files' parts."""
    if tree is None:
        return
    if not tree.is_mapping:
        problems.add(ProjectError("bad-value", "Folder-wide config must be a mapping.", tree.place))
        return
    _check_level(tree, files, {project}, check, problems)


def _check_level(level: Node, files: _Files, also: Collection[str], check: _Check, problems: Problems) -> None:
    below = {parts[0] for parts in files if parts}
    values, places = _own_config(level, below)
    if not problems.lenient:  # of a dbt project's config only what is used is judged, model by model
        with problems.collected():
            check(Layer(values, places, level.place))
    for key, entry in level.entries.items():
        if _is_config(key, entry, below):
            continue
        if key in below:
            inner = [parts[1:] for parts in files if parts and parts[0] == key]
            _check_level(entry, inner, (), check, problems)
        elif key in also:
            _check_level(entry, files, (), check, problems)
        elif not problems.lenient:  # dbt's may be about a package
            problems.add(_no_folder(key, level.keys, {*below, *also}))


def _no_folder(key: str, places: Mapping[str, Place], folders: Collection[str]) -> ProjectError:
    similar = nearest(key, {*folders, *CONFIG_KEYS})
    return ProjectError(
        "unknown-folder",
        f"There is no folder or model {key!r} for this config.",
        places[key],
        f"did you mean {similar!r}?" if similar else "config keys take a leading '+' where their value is a mapping.",
    )
