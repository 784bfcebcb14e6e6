"""Look at a project: its compiled SQL, the rows of a model, the state of things; and clean up."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from sqlfeat.base.files import write_atomically
from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.compiler.rewriting import ref_token, with_relations
from sqlfeat.errors import SqlfeatError, UsageError
from sqlfeat.ops.definition import with_calls
from sqlfeat.ops.monitoring.history import COLUMNS, RUNS
from sqlfeat.ops.plan import Planner
from sqlfeat.ops.provenance import package_versions
from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session
from sqlfeat.store import registry

_PACKAGES = ("sqlfeat", "duckdb", "sqlglot", "sqlglotc", "jinja2", "pyarrow", "lightgbm")


@dataclass(frozen=True)
class CompiledFile:
    """A model's compiled SQL and where it was written."""

    name: str
    path: Path
    sql: str


def compile_files(session: Session, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[CompiledFile]:
    """Write the SQL of the selected models under ``target/compiled/``, with references as people read them."""
    ids = [id_ for id_ in selected(session, select, exclude) if id_.startswith("model.")]
    session.manifest.raise_errors(ids)
    files = []
    for id_ in ids:
        model = session.manifest.models[id_.removeprefix("model.")]
        sql = readable_sql(session, model)
        path = session.spec.target_path / "compiled" / model.path
        write_atomically(path, sql)
        files.append(CompiledFile(model.name, path, sql))
    return files


def readable_sql(session: Session, model: CompiledModel) -> str:
    """A model's SQL for people: references by their public names, features and windows as what they stand for."""

    def name_of(node: str) -> str:
        kind, name = node.split(".", 1)
        if kind == "source":
            return ".".join(quote(part) for part in name.split(".", 1))
        other = session.manifest.models.get(name)
        schema = session.target.schema
        if other and other.config.schema:
            schema = f"{schema}_{other.config.schema}"
        return f"{quote(schema)}.{quote(other.config.alias or name if other else name)}"

    text = model.training_set.select.text if model.training_set else model.sql
    if model.transforms and model.training_set:
        text = with_calls(model.training_set.open, model)
    for call in model.windows:
        offset = f", offset {call.offset}" if call.offset else ""
        text = text.replace(call.token, f"{call.aggregate} /* window: {call.length or 'unbounded'}{offset} */")
    if model.training_set:
        notes = []
        for lookup in model.training_set.lookups:
            keys = ", ".join(f"{key} = {sql}" for key, sql in lookup.keys) or "no key"
            ttl = lookup.ttl or session.manifest.models[lookup.view].time.ttl
            rule = "before" if lookup.strict else "at"
            within = f", not older than {ttl}" if ttl else ""
            notes.append(
                f"-- {lookup.name}: the row of {lookup.view} that holds {rule} the as-of time by {keys}{within}"
            )
        notes += ["-- transforms are fitted on the train split when the set is built"] if model.transforms else []
        text = "\n".join([*notes, text])
    return with_relations(text, name_of).text.strip() + "\n"


def show(session: Session, name: str, *, limit: int | None = 10, at: datetime | None = None) -> pa.Table:
    """The rows of a model as it would be built; of a feature view ``at`` an instant one row per entity."""
    predictions = _predictions(session, name)
    if predictions is not None:
        return session.engine.arrow(f"select * from {predictions}" + ("" if limit is None else f" limit {int(limit)}"))
    model = session.outline.model(name)
    if model.materialized == "training_set":
        raise UsageError("not-a-relation", f"{name} is a training set.", hint=f"sqlfeat build-training-set {name}")
    session.prepared([model.id])
    model = session.manifest.models[name]
    planner = Planner(session.manifest, session.engine)
    bound = "" if limit is None else f" limit {int(limit)}"
    if at is None and model.window_view is None:
        planner.version_of_parents(model.id, model.parents)
        return session.engine.arrow(f"select * from (\n{model.sql}\n){bound}")
    planner.require(model.id)
    if at is None:
        return session.engine.arrow(f"select * from {ref_token(name)}{bound}")
    if model.materialized != "feature_view":
        raise UsageError("not-a-feature-view", f"{name} is a {model.materialized}; --at is for feature views.")
    return session.engine.state_at(model, at, limit)


def _predictions(session: Session, name: str) -> str | None:
    """The SQL name of a table that ``predict`` or ``monitor`` has written, where the name means no node."""
    outline, path = session.outline, session.target.path
    if name in outline.models or f"seed.{name}" in outline.seeds or path is None or not path.exists():
        return None
    return session.engine.monitored(name) if name in (RUNS, COLUMNS) else session.engine.predictions(name)


def table(session: Session, name: str) -> pa.Table:
    """All rows of a model or seed as it was built, or of a table of predictions."""
    predictions = _predictions(session, name)
    if predictions is not None:
        return session.engine.arrow(f"from {predictions}")
    node = f"seed.{name}" if name not in session.outline.models else session.outline.model(name).id
    if node.startswith("seed.") and node not in session.outline.seeds:
        session.outline.model(name)
    session.prepared([node])
    Planner(session.manifest, session.engine).require(node)
    return session.engine.arrow(f"from {ref_token(name)}")


def debug(session: Session) -> Mapping[str, Any]:
    """Where everything is, which versions, what of a dbt project is left out, whether the target can be reached."""
    spec, target = session.spec, session.target
    problems: list[str] = []
    built = 0
    try:
        built = len(session.engine.records())
    except SqlfeatError as error:
        problems.append(error.what)
    counts = {"hooks": len(spec.hooks), "registered_models": len(registry.registered_models(spec.registry))}
    try:
        outline = session.outline
        counts |= {
            "models": len(outline.models),
            "sources": len(outline.sources),
            "seeds": len(outline.seeds),
            "tests": len(outline.tests),
        }
        session.manifest.raise_errors(session.manifest.graph.nodes)
    except SqlfeatError as error:
        problems.append(str(error))
    return {
        "project": {"name": spec.name, "version": spec.version, "root": str(spec.root), "file": spec.project_file},
        "target": {
            "name": target.name,
            "engine": target.engine,
            "path": str(target.path) if target.path else None,
            "schema": target.schema,
            "threads": session.threads or target.threads,
            "memory_limit": target.memory_limit,
            "reachable": not any("use by" in text or "opened" in text for text in problems),
            "built": built,
        },
        "paths": {"target": str(spec.target_path), "registry": str(spec.registry)},
        "counts": {"models": 0, "sources": 0, "seeds": 0, "tests": 0} | counts,
        "versions": {**package_versions(_PACKAGES), "platform": platform.platform()},
        "left_out": {str(number): text for number, text in enumerate(spec.left_out, 1)},
        "problems": problems,
    }


def clean(session: Session) -> list[Path]:
    """Delete what is generated under ``target/``, but for the DuckDB file, the registry and the online store."""
    kept = [session.spec.registry]
    kept += [target.path for target in session.spec.targets.values() if target.path]
    online = session.spec.online.get("path")
    if online:
        kept.append(session.spec.root / str(online))
    else:
        kept.append(session.pushes.folder.parent)  # what was pushed is nowhere else
    if not session.spec.target_path.is_dir():
        return []
    deleted = []
    for entry in sorted(session.spec.target_path.iterdir()):
        stays = any(entry == path or entry in path.parents or path.name + "." in entry.name for path in kept)
        if stays:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
        deleted.append(entry)
    return deleted
