"""What a check said of each model, kept for as long as nothing has changed that it was said of.

A model's mark is a hash of everything that its verdict hangs on: its own text, as it is written and as it renders, its
config and what its .yml says; the same of every model above it; the declaration of every source and seed above it,
with name, size and time of its files (a source's columns are read from them); the training sets that say which column
of a label model above it is the label; every macro; and the checker itself, by the hash of its source. Of a model
for which something of this cannot be told without asking for it, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlfeat
from sqlfeat.base.files import canonical_json, sha256_text, write_atomically
from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.findings import Finding
from sqlfeat.compiler.lookback import Lookback
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.sources import files_of
from sqlfeat.errors import Place, SqlfeatError, StoreError
from sqlfeat.ops.check_result import CheckedColumn, CheckedModel, Problem
from sqlfeat.ops.session import Session

_FORMAT = 3
_FILE = "check.json"
_PACKAGES = ("sqlfeat", "duckdb", "sqlglot")


class Marks:
    """The mark of every model of a project as it stands; None where it cannot be told."""

    def __init__(self, session: Session) -> None:
        self.outline, self.spec = session.outline, session.spec
        self._of: dict[str, str | None] = {}
        self._labels: dict[str, frozenset[str]] = {}
        self._sets: dict[str, list[str]] = {}
        for model in self.outline.models.values():
            if model.materialized == "training_set":
                for parent in model.parents:
                    self._sets.setdefault(parent, []).append(model.id)
        everybody = (_FORMAT, checker(), self._macros())
        for node in self.outline.graph.order():
            if node.startswith(("source.", "seed.")):
                self._of[node] = self._input(node)
            elif node.startswith("model."):
                self._of[node] = self._model(self.outline.models[node.removeprefix("model.")], everybody)

    def mark(self, node: str) -> str | None:
        """The mark of a model."""
        named = [self._of[node], *(self._of[other] for other in sorted(self.naming_labels([node])))]
        return None if None in named else sha256_text(repr(named))

    def naming_labels(self, nodes: Iterable[str]) -> set[str]:
        """The training sets that say what is the label of the label models that these are made from."""
        return {other for node in nodes for label in self._labels.get(node, ()) for other in self._sets.get(label, ())}

    def _model(self, model: CompiledModel, everybody: object) -> str | None:
        own = frozenset([model.id]) if model.config.role == "label" else frozenset()
        self._labels[model.id] = own.union(*(self._labels.get(parent, frozenset()) for parent in model.parents))
        above = [self._of.get(parent) for parent in model.parents]
        if None in above or model.deferred:
            return None  # a template that asks the target for data may be told something else each time
        file = self.spec.models[model.name]
        rendered = (model.sql, model.config, model.keys, model.windows, model.features, model.transforms)
        read = (everybody, model.path, file.text, file.properties, rendered, model.parents, above)
        return sha256_text(repr(read))

    def _input(self, node: str) -> str | None:
        try:
            if node.startswith("seed."):
                seed = self.outline.seeds[node]
                return sha256_text(repr((seed, _stamp(self.spec.root / seed.path))))
            table = self.outline.sources[node]
            if "://" in table.location:
                return None
            return sha256_text(repr((table, sorted(map(_stamp, files_of(table, self.spec.root))))))
        except (OSError, SqlfeatError):
            return None

    def _macros(self) -> str:
        """All templates but those of single models and tests: any model may call them."""
        single = {file.path for file in self.spec.models.values()} | {file.path for file in self.spec.singular_tests}
        shared = {path: text for path, text in self.outline.templates.items() if path.split(" (")[0] not in single}
        return sha256_text(repr(sorted(shared.items())))


def checker() -> str:
    """What tells this checker from another: its own source, and the versions of what it rests on."""
    found = hashlib.sha256(repr((sys.version_info[:2], [version(package) for package in _PACKAGES])).encode())
    for folder in sqlfeat.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _stamp(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns


def recall(session: Session, marks: Marks, nodes: Iterable[str]) -> dict[str, CheckedModel]:
    """What was said of those of these models whose mark is still the same."""
    kept, found = _read(session), {}
    for node in nodes:
        one = kept.get(node)
        try:
            if one is not None and one["mark"] == marks.mark(node):
                found[node] = _model(one["checked"])
        except (KeyError, TypeError, AttributeError):
            continue  # what is damaged was never said
    return found


def remember(session: Session, marks: Marks, checked: Mapping[str, CheckedModel]) -> None:
    """Keep what is said of these models, unless they do not compile; and what still holds of the others."""
    kept = {}
    for node, one in _read(session).items():
        if node in marks.outline.graph.nodes and isinstance(one, dict) and one.get("mark") == marks.mark(node):
            kept[node] = one
    for node, model in checked.items():
        mark = marks.mark(node)
        if mark is not None and model.error is None:
            kept[node] = {"mark": mark, "checked": asdict(model)}
    document = {"format": _FORMAT, "models": kept}
    try:
        write_atomically(session.spec.target_path / _FILE, canonical_json(document))
    except StoreError as error:  # it is a memory, no result: the next check reads everything again
        session.log(f"{error.what} The next check starts anew.")


def _read(session: Session) -> dict[str, Any]:
    try:
        kept = json.loads((session.spec.target_path / _FILE).read_text("utf-8"))
        return dict(kept["models"]) if kept["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _model(kept: Mapping[str, Any]) -> CheckedModel:
    return CheckedModel(
        name=kept["name"],
        path=kept["path"],
        columns=tuple(
            CheckedColumn(column["name"], column["verdict"], tuple(_problem(each) for each in column["problems"]))
            for column in kept["columns"]
        ),
        lookback=Lookback(**kept["lookback"]),
        allowed=kept["allowed"],
        determinism=tuple((message, _place(place)) for message, place in kept["determinism"]),
        slow_online=tuple((name, reason) for name, reason in kept["slow_online"]),
    )


def _problem(kept: Mapping[str, Any]) -> Problem:
    finding = Finding(**{**kept["finding"], "span": Span(**kept["finding"]["span"])})
    return Problem(finding, _place(kept["place"]), kept["allowed"], kept["allowed_by"])


def _place(kept: Mapping[str, Any]) -> Place:
    return Place(**{**kept, "via": tuple(_place(each) for each in kept["via"])})
