"""``python -m benchmarks.dbt_lineage FOLDER…``: how many output columns of real dbt projects are traced.

Each folder is a dbt project with its packages under ``dbt_packages/``. Its models are read as sqlfeat reads them: by
its own templates, macros and compiler, bound by DuckDB. Nothing is run. A source has the columns that the project's
YAML describes (or describes of a model of its name), else those of a CSV file of its name, else those that SELECTs over
it alone name; they are text where no type is said. What cannot be read is counted with the reason.

``--dialect snowflake``: projects written for another engine. Their macros are told that it is that one, and what comes
of them is written anew in DuckDB's SQL by sqlglot before it is read, by names alone where DuckDB does not bind it.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from sqlfeat.base.names import literal
from sqlfeat.compiler.dependencies import Tracer
from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest
from sqlfeat.compiler.parse import UnreadableSql, node_of, parse_query
from sqlfeat.compiler.project import World, compile_project
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.engine.duckdb.catalog import ShadowCatalog
from sqlfeat.errors import ProjectError, ProjectErrors, SqlfeatError
from sqlfeat.spec.load import load_project
from sqlfeat.spec.project import ColumnSpec, ProjectSpec, SourceTable

_DESCRIBE = re.compile(r"describe (select \* from .*)", re.DOTALL)
_FILE = re.compile(r"([^:]+\.sql)")


@dataclass
class Found:
    """What was counted of one project: models, columns, and why what is missing is missing."""

    name: str
    models: int = 0
    read: int = 0
    unbound: int = 0
    columns: int = 0
    traced: int = 0
    constant: int = 0
    wrong: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def row(self) -> str:
        share = f"{100 * self.traced / self.columns:.1f} %" if self.columns else "–"
        numbers = (self.models, self.read, self.unbound, self.columns, self.traced, share, self.constant, self.wrong)
        return f"| {self.name} | {' | '.join(map(str, numbers))} |"


class DescribedSources(ShadowCatalog):
    """A shadow whose sources have the columns that are known of them, and that answers what columns there are."""

    def __init__(self, root: Path, dialect: str | None = None) -> None:
        super().__init__(root, [root], self._columns_asked)
        self.folder, self.dialect = root, dialect
        self.named: dict[str, dict[str, None]] = {}
        """The columns that models name of a source, by its node."""
        self.described: Mapping[str, tuple[ColumnSpec, ...]] = {}
        """The columns of models, by their names: a table is often passed on under its own name."""

    def source_columns(self, table: SourceTable) -> tuple[Column, ...]:
        columns = table.columns or self.described.get(table.name)
        if columns:
            return _once([Column(column.name, _type(column.data_type)) for column in columns])
        beside = next(self.folder.rglob(f"{table.name}*.csv"), None)
        if beside is not None:
            described = self._connection.described(f"from read_csv({literal(str(beside))})")
            return tuple(Column(name, kind) for name, kind in described)
        if not self.named.get(table.id):
            raise ProjectError("source-unreadable", "nothing says which columns its source has", table.place)
        return _once([Column(name, "VARCHAR") for name in self.named[table.id]])

    def describe(self, sql: str, instead: Mapping[str, Sequence[Column]] | None = None) -> tuple[Column, ...]:
        return super().describe(in_duckdb(sql, self.dialect), instead)

    def _columns_asked(self, sql: str) -> Answer:
        asked = _DESCRIBE.fullmatch(sql)
        if asked is None:
            raise ProjectError("run-query-failed", "it asks the target for data")
        columns = self.describe(asked[1])
        return Answer(("column_name", "column_type"), tuple((column.name, column.type) for column in columns))


def _once(columns: list[Column]) -> tuple[Column, ...]:
    """Each name once, however it is spelled."""
    return tuple({column.name.casefold(): column for column in reversed(columns)}.values())[::-1]


def _type(said: str | None) -> str:
    """A type of another engine by DuckDB's name for it."""
    name = re.sub(r"^(CHAR|VARCHAR|TEXT|CHARACTER VARYING)\b.*", "VARCHAR", (said or "varchar").upper())
    return {"STRING": "VARCHAR", "NUMBER": "DOUBLE", "INT64": "BIGINT", "FLOAT64": "DOUBLE", "BOOL": "BOOLEAN",
            "TIMESTAMP_NTZ": "TIMESTAMP", "TIMESTAMP_TZ": "TIMESTAMPTZ"}.get(name, name)  # fmt: skip


def in_duckdb(sql: str, dialect: str | None) -> str:
    """SQL of another engine in DuckDB's words; as it is where sqlglot cannot read it."""
    if dialect is None:
        return sql
    try:
        return ";".join(sqlglot.transpile(sql, read=dialect, write="duckdb", unsupported_level=ErrorLevel.IGNORE))
    except SqlglotError:
        return sql


def columns_named(sql: str) -> dict[str, set[str]]:
    """The columns that SELECTs over one source alone name, by its node."""
    found: dict[str, set[str]] = {}
    try:
        tree = parse_query(sql)
    except (UnreadableSql, SqlglotError):
        return found
    whole: dict[str, str] = {}
    for select in sorted(tree.find_all(exp.Select), key=lambda each: not isinstance(each.parent, exp.CTE)):
        source = select.args.get("from_")
        table = source.this if source is not None and isinstance(source.this, exp.Table) else None
        node = table and (node_of(table) or whole.get(table.name))
        if not node or not node.startswith("source.") or select.args.get("joins"):
            continue
        if isinstance(select.parent, exp.CTE) and any(isinstance(each, exp.Star) for each in select.expressions):
            whole[select.parent.alias] = node
        columns = {column.name for column in select.find_all(exp.Column) if not isinstance(column.this, exp.Star)}
        found.setdefault(node, set()).update(columns)
    return found


def measure(folder: Path, dialect: str | None = None) -> Found:
    """Count the columns of one project."""
    read = load_project(folder)
    spec = _without_tests(read)
    found = Found(spec.name, models=len(spec.models))
    catalog = DescribedSources(folder.absolute(), dialect)
    catalog.described = {name: file.properties.columns for name, file in read.models.items() if file.properties}
    try:
        manifest = _compiled(spec, catalog, found, dialect)
    finally:
        catalog.close()
    columns = dict(manifest.columns)
    for node in manifest.graph.order():
        model = manifest.models.get(node.removeprefix("model.")) if node.startswith("model.") else None
        if model is None:
            continue
        error = manifest.errors.get(model.id)
        found.read += error is None
        sql = in_duckdb(model.sql, dialect)
        if not _trace(model, sql, columns, found, error is None):
            assert error is not None
            found.unread[_reason(error)] += 1
            found.missed.append(f"  {model.name}: {error.what if isinstance(error, SqlfeatError) else error}")
    return found


def _without_tests(spec: ProjectSpec) -> ProjectSpec:
    models = {
        name: replace(file, properties=file.properties and replace(file.properties, columns=(), tests=()))
        for name, file in spec.models.items()
    }
    seeds = {
        name: replace(seed, properties=seed.properties and replace(seed.properties, columns=(), tests=()))
        for name, seed in spec.seeds.items()
    }
    sources = {
        key: replace(table, tests=(), columns=tuple(replace(column, tests=()) for column in table.columns))
        for key, table in spec.sources.items()
    }
    return replace(spec, models=models, seeds=seeds, sources=sources, singular_tests=())


def _compiled(spec: ProjectSpec, catalog: DescribedSources, found: Found, dialect: str | None) -> Manifest:
    """The project without the models whose templates cannot be rendered, and without those that refer to them."""
    while True:
        try:
            world = World(target={"name": "dev", "type": dialect or "duckdb", "schema": "main"}, variables=spec.vars)
            for model in compile_project(spec, world, None).models.values():
                for node, columns in columns_named(in_duckdb(model.sql, dialect)).items():
                    catalog.named.setdefault(node, {}).update(dict.fromkeys(sorted(columns)))
            return compile_project(spec, world, catalog)
        except ProjectError as error:
            errors = error.errors if isinstance(error, ProjectErrors) else (error,)
            broken = {_file_of(each): each for each in errors}
            models = {name: file for name, file in spec.models.items() if file.path not in broken}
            if len(models) == len(spec.models):
                raise
            for name, file in spec.models.items():
                if file.path in broken:
                    each = broken[file.path]
                    found.unread[_reason(each)] += 1
                    found.missed.append(f"  {name}: {each.what}")
            spec = replace(spec, models=models)


def _file_of(error: ProjectError) -> str:
    """The model that an error is about: the outermost template that called where it stands."""
    place = error.where
    if place is None:
        return ""
    via = place.via[-1] if place.via else place
    return via.file


def _reason(error: Exception) -> str:
    return error.code if isinstance(error, SqlfeatError) else type(error).__name__


def _trace(model: CompiledModel, sql: str, columns: dict[str, tuple[Column, ...]], found: Found, bound: bool) -> bool:
    """Trace a model's columns; one that DuckDB does not bind, for want of the sources' types, by its names alone."""
    if not all(parent in columns for parent in model.parents):
        return False
    known = {
        (parent if parent.startswith("source.") else f"ref.{parent.split('.', 1)[1]}"): columns[parent]
        for parent in model.parents
    }
    try:
        relation = resolve(sql, known)
    except Unresolved as error:
        if bound:
            found.columns += len(model.columns)
            found.missed.append(f"  {model.name}: {len(model.columns)} columns not traced: {error.what}")
        return bound
    listed = model.columns if bound else tuple(Column(own.name, own.type or "VARCHAR") for own in relation.fields)
    columns[model.id] = listed
    found.columns += len(listed)
    found.unbound += not bound
    traced = Tracer().relation(relation)
    for own, wanted, uses in zip(relation.fields, listed, traced.fields, strict=False):
        found.traced += 1
        found.constant += not uses.all | traced.rows
        if bound and own.type not in (None, wanted.type):
            found.wrong += 1
            found.missed.append(f"  {model.name}.{wanted.name}: {wanted.type} and not {own.type}")
    return True


def told(results: Mapping[str, Found]) -> str:
    """The table, and below it what is missing and why."""
    lines = ["| project | models | bound | by names alone | output columns | traced | | constants | wrong types |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    lines += [found.row() for found in results.values()]
    for found in results.values():
        if found.unread:
            reasons = ", ".join(f"{code} {number}" for code, number in found.unread.most_common())
            lines.append(f"\n{found.name}: models not read: {reasons}")
        lines += found.missed
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How many output columns of dbt projects are traced.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--dialect", help="what the projects are written for, if not DuckDB")
    given = parser.parse_args()
    print(told({str(folder): measure(folder, given.dialect) for folder in given.folders}))
