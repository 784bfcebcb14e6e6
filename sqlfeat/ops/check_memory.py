"""What a check of the whole project said, kept for as long as nothing that it was said of has changed.

The mark is a hash of everything that a check reads: the project's texts as they are and as they render, its config and
variables, the versions of what analyses them, and name, size and time of every data file (a source's columns are read
from it). Where something of this cannot be told without asking for it, nothing is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlfeat.base.files import canonical_json, sha256_text, write_atomically
from sqlfeat.compiler.algebra import Span
from sqlfeat.compiler.findings import Finding
from sqlfeat.compiler.lookback import Lookback
from sqlfeat.engine.duckdb.sources import files_of
from sqlfeat.errors import Place, SqlfeatError
from sqlfeat.ops.check_result import CheckedColumn, CheckedModel, Problem
from sqlfeat.ops.session import Session

ANALYSIS = 1
"""Raised when the same project comes to be judged otherwise by the same version."""
_FILE = "check.json"
_PACKAGES = ("sqlfeat", "duckdb", "sqlglot")


def mark_of(session: Session) -> str | None:
    """The mark of the project as it stands; None where it cannot be told."""
    outline, spec = session.outline, session.spec
    if any(model.deferred for model in outline.models.values()):
        return None  # a template asked the target for data
    files: list[tuple[str, int, int]] = []
    try:
        for table in spec.sources.values():
            if "://" in table.location:
                return None
            files += [_stamp(path) for path in files_of(table, spec.root)]
        files += [_stamp(spec.root / seed.path) for seed in spec.seeds.values()]
    except (OSError, SqlfeatError):
        return None
    rendered = [(model.name, model.sql, repr(model.config), model.parents) for model in outline.models.values()]
    versions = {package: version(package) for package in _PACKAGES}
    read = (ANALYSIS, versions, repr(spec), rendered, sorted(session.variables.items(), key=str), sorted(files))
    return sha256_text(repr(read))


def _stamp(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns


def recall(session: Session, mark: str) -> dict[str, CheckedModel] | None:
    """What was said of each model under this mark."""
    try:
        kept = json.loads((session.spec.target_path / _FILE).read_text("utf-8"))
        if kept.get("mark") != mark:
            return None
        return {model["name"]: _model(model) for model in kept["models"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(session: Session, mark: str, models: tuple[CheckedModel, ...]) -> None:
    """Keep what was said of all models, unless some do not compile."""
    if any(model.error is not None for model in models):
        return
    session.spec.target_path.mkdir(parents=True, exist_ok=True)
    document = {"mark": mark, "models": [asdict(model) for model in models]}
    write_atomically(session.spec.target_path / _FILE, canonical_json(document))


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
    )


def _problem(kept: Mapping[str, Any]) -> Problem:
    finding = Finding(**{**kept["finding"], "span": Span(**kept["finding"]["span"])})
    return Problem(finding, _place(kept["place"]), kept["allowed"], kept["allowed_by"])


def _place(kept: Mapping[str, Any]) -> Place:
    return Place(**{**kept, "via": tuple(_place(each) for each in kept["via"])})
