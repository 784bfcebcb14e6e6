"""How many output columns of given queries are traced to their sources, and how many of their types are said right.

    python benchmarks/lineage_coverage.py SCHEMA.sql FOLDER

``SCHEMA.sql`` makes the tables; every ``*.sql`` in the folder is one query over them. DuckDB says what the names and
types of the outputs are. A column is traced if its query is resolved, with the names that DuckDB gives, and it depends
on a column of a table, directly or by which rows there are; or if it is made of constants alone.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sqlfeat.compiler.dependencies import Tracer
from sqlfeat.compiler.manifest import Column
from sqlfeat.compiler.parse import tokenize
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.compiler.rewriting import ref_token


@dataclass
class Coverage:
    """What was counted, and what is not traced, with the reason."""

    queries: int = 0
    columns: int = 0
    traced: int = 0
    typed: int = 0
    wrong: int = 0
    seconds: float = 0.0
    missed: list[str] = field(default_factory=list)

    def told(self) -> str:
        share = 100 * self.traced / max(1, self.columns)
        types = 100 * self.typed / max(1, self.columns)
        lines = [
            f"{self.queries} queries, {self.columns} output columns, {self.traced} traced ({share:.1f} %),",
            f"{self.typed} types said ({types:.1f} %), {self.wrong} of them wrong;",
            f"{1000 * self.seconds / max(1, self.queries):.2f} ms a query to parse and resolve.",
        ]
        return "\n".join([*lines, *self.missed])


def measure(schema: str, queries: Mapping[str, str]) -> Coverage:
    """Trace every query over empty tables."""
    found = Coverage()
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        connection.execute(schema)
        tables = [row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()]
        columns = {f"ref.{table}": _described(connection, f'from "{table}"') for table in tables}
        for name, text in queries.items():
            expected = _described(connection, text)
            found.queries += 1
            found.columns += len(expected)
            _trace(name, _with_references(text, tables), columns, expected, found)
    return found


def _trace(
    name: str, text: str, columns: Mapping[str, Sequence[Column]], expected: Sequence[Column], found: Coverage
) -> None:
    began = time.perf_counter()
    try:
        relation = resolve(text, columns)
    except Unresolved as error:
        found.missed.append(f"  {name}: {error.what}")
        return
    finally:
        found.seconds += time.perf_counter() - began
    traced = Tracer().relation(relation)
    if [own.name.casefold() for own in relation.fields] != [own.name.casefold() for own in expected]:
        got = [own.name for own in relation.fields]
        found.missed.append(f"  {name}: it has the columns {[own.name for own in expected]}, and not {got}")
    for own, wanted, uses in zip(relation.fields, expected, traced.fields, strict=False):
        if uses.all | traced.rows:
            found.traced += 1
        else:
            found.missed.append(f"  {name}.{wanted.name}: depends on nothing")
        found.typed += own.type is not None
        if own.type not in (None, wanted.type):
            found.wrong += 1
            found.missed.append(f"  {name}.{wanted.name}: {wanted.type} and not {own.type}")


def _described(connection: duckdb.DuckDBPyConnection, query: str) -> list[Column]:
    rows = connection.execute(f"describe {query}").fetchall()
    return [Column(str(row[0]), str(row[1])) for row in rows]


def _with_references(text: str, tables: Sequence[str]) -> str:
    """The query where the tables that it names are CTEs over ``ref()``."""
    words = {token.text.casefold() for token in tokenize(text)}
    ctes = [f"{table} as (from {ref_token(table)})" for table in tables if table.casefold() in words]
    first = re.match(r"\s*with\s+(recursive\s+)?", text, re.IGNORECASE)
    if first is None:
        return f"with {', '.join(ctes)} {text}"
    return f"with {first[1] or ''}{', '.join(ctes)}, {text[first.end() :]}"


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    texts = {path.stem: path.read_text().strip().rstrip(";") for path in sorted(folder.glob("*.sql"))}
    print(measure(Path(sys.argv[1]).read_text(), texts).told())
