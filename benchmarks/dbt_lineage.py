"""``python -m benchmarks.dbt_lineage FOLDER…``: how many output columns of real dbt projects are traced.

Each folder is a dbt project with its packages under ``dbt_packages/``. It is read as ``sqlfeat lineage`` reads it, and
nothing is run; no database is there. Every output column of every model that is not disabled is counted: a column is
traced if ``sqlfeat lineage`` shows what it is made from. Of a model that cannot be read all columns count as not
traced: those that its YAML describes or other models name of it, at the least as many as its last SELECT has items.

``FOLDER:snowflake``: a project written for another engine. Its macros are told that it is that one, and what comes of
them is written anew in DuckDB's SQL by sqlglot before it is read.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from sqlfeat.compiler.catalog import SqlProblem
from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.lineage import Lineage
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.compiler.parse import UnreadableSql, parse_query
from sqlfeat.compiler.project import World, compile_project
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.engine.duckdb.catalog import ShadowCatalog
from sqlfeat.errors import SqlfeatError
from sqlfeat.spec.load import load_project


@dataclass
class Found:
    """What was counted of one project: models, columns, and why what is missing is missing."""

    name: str
    models: int = 0
    bound: int = 0
    unread: int = 0
    columns: int = 0
    traced: int = 0
    constant: int = 0
    undeclared: int = 0
    wrong: int = 0
    missed: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        for name in ("models", "bound", "unread", "columns", "traced", "constant", "undeclared", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def row(self) -> str:
        share = f"{100 * self.traced / self.columns:.1f} %" if self.columns else "–"
        by_names = self.models - self.bound - self.unread
        numbers = (
            self.models, self.bound, by_names, self.unread, self.columns, self.traced, share, self.constant,
            self.undeclared, self.wrong,
        )  # fmt: skip
        return f"| {self.name} | {' | '.join(map(str, numbers))} |"


def in_duckdb(dialect: str) -> Callable[[str], str]:
    """SQL of another engine in DuckDB's words; as it is where sqlglot cannot read it."""

    def translated(sql: str) -> str:
        try:
            return ";".join(sqlglot.transpile(sql, read=dialect, write="duckdb", unsupported_level=ErrorLevel.IGNORE))
        except SqlglotError:
            return sql

    return translated


def measure(folder: Path, dialect: str | None = None) -> Found:
    """Count the columns of one project."""
    spec = load_project(folder)
    target = {"name": "dev", "type": dialect or "duckdb", "schema": "main", "database": spec.name}
    world = World(variables=spec.vars, environment=dict(os.environ), target=target)
    if dialect is not None:
        world = World(world.variables, world.environment, target, translated=in_duckdb(dialect))
    catalog = ShadowCatalog(folder.absolute(), [folder.absolute().parent], _nothing_is_built)
    try:
        manifest = compile_project(spec, world, catalog)
    finally:
        catalog.close()
    found = Found(spec.name, models=len(manifest.models))
    lineage = Lineage(manifest)
    for model in manifest.models.values():
        _count(model, manifest, lineage, found)
    return found


def _nothing_is_built(sql: str) -> Answer:
    raise SqlProblem("nothing is built", "unbuilt")


def _count(model: CompiledModel, manifest: Manifest, lineage: Lineage, found: Found) -> None:
    columns = lineage.columns(model.id).values()
    traced = [column for column in columns if column.untraced is None]
    found.bound += model.id not in manifest.errors
    found.constant += sum(not column.parents for column in traced)
    found.undeclared += sum(
        any(parent.column in manifest.assumed.get(parent.node, ()) for parent in column.parents) for column in traced
    )
    found.traced += len(traced)
    if columns and len(traced) == len(columns):
        found.columns += len(columns)
        found.wrong += _wrong_types(model, manifest)
        return
    number = max(len(columns), len(traced) + 1, _items(model.sql))
    found.unread += 1
    found.columns += number
    why = next((column.untraced for column in columns if column.untraced), None)
    found.missed.append(f"  {model.name}: {number}: {_reason(manifest.errors.get(model.id), why)}")


def _reason(error: SqlfeatError | None, why: str | None) -> str:
    return " / ".join(each for each in (why, error.what if error else None) if each)


def _items(sql: str) -> int:
    """How many items the last SELECT of a text has, or of the first side of its set operation."""
    try:
        tree = parse_query(sql)
    except UnreadableSql:
        return 0
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    return len(tree.expressions) if isinstance(tree, exp.Select) else 0


def _wrong_types(model: CompiledModel, manifest: Manifest) -> int:
    """How many types the analysis says otherwise than DuckDB, where DuckDB has been asked."""
    if model.id in manifest.errors:
        return 0
    known = {
        (node if node.startswith("source.") else f"ref.{node.split('.', 1)[1]}"): columns
        for node, columns in manifest.columns.items()
    }
    try:
        fields = resolve(model.sql, known).fields
    except Unresolved:
        return 0
    pairs = zip(fields, model.columns, strict=True)
    return sum(own.type not in (None, column.type) for own, column in pairs)


def told(results: Mapping[str, Found]) -> str:
    """The share of all, the table, and below it what is missing and why."""
    whole = Found("all")
    for found in results.values():
        whole.add(found)
    share = 100 * whole.traced / max(1, whole.columns)
    lines = [
        f"{whole.traced:,} of {whole.columns:,} output columns of {whole.models:,} models are traced: {share:.2f} %.",
        "",
        "| project | models | bound | by names | not read | columns | traced | | constant | undeclared | wrong types |",
        f"| --- |{' ---: |' * 10}",
    ]
    lines += [found.row() for found in (*results.values(), whole)]
    for name, found in results.items():
        if found.missed:
            reasons = Counter(line.rsplit(" / ", 1)[-1] for line in found.missed)
            lines += [f"\n{name}: {found.unread} models not read:", *found.missed]
            lines += [f"  ({number} times: {reason})" for reason, number in reasons.most_common() if number > 2]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How many output columns of dbt projects are traced.")
    parser.add_argument("folders", nargs="+", metavar="FOLDER[:DIALECT]")
    given = parser.parse_args()
    measured = {}
    for each in given.folders:
        path, _, spoken = each.partition(":")
        measured[each] = measure(Path(path), spoken or None)
    print(told(measured))
