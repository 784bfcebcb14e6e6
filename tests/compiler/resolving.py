"""A small world to resolve queries in: tables in a schema ``ref``, which DuckDB reads as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from sqlfeat.compiler.algebra import Relation
from sqlfeat.compiler.manifest import Column
from sqlfeat.compiler.resolve import resolve
from sqlfeat.compiler.rewriting import ref_token
from tests.compiler import spelled

QUERIES = Path(__file__).resolve().parent / "queries"
_TABLES = """
create schema ref;
create table ref.t (
    a integer, b varchar, k integer, l integer[], s struct(x integer, y varchar, z struct(q integer)), ts timestamp,
    d date, f double, "dec" decimal(10,2), m map(varchar, integer), j json
);
create table ref.u (a integer, c double, k integer);
create table ref.v (k integer, w integer);
create table ref.e (k integer, ts timestamp, v double);
create table ref.q (id integer, jan integer, feb integer, mar integer);
"""
_ROWS = """
insert into ref.t
select
    a, b, k, [i, i % 3, null], {'x': k, 'y': b, 'z': {'q': a}}, timestamp '2020-01-01' + to_hours(i::integer * 7),
    date '2020-01-01' + i::integer, i / 3.0, i / 2, map {'k': a}, '{"x": 1, "y": "p"}'
from (
    select
        i,
        ((i * 7) % 5 + i // 5)::integer as a,
        case when i % 4 = 0 then null else 'x' || (i % 3) end as b,
        case when i = 7 then null else (i % 4)::integer end as k
    from range(12) r(i)
);
insert into ref.u select (i % 6)::integer, i * 1.25, (i % 4)::integer from range(9) r(i);
insert into ref.u values (null, 3, null);
insert into ref.v select (i % 5)::integer, (i + 2)::integer from range(7) r(i);
insert into ref.e select (i % 4)::integer, timestamp '2020-01-01' + to_hours(i::integer * 5), i from range(15) r(i);
insert into ref.q values (1, 1, 2, 3), (2, null, 5, 6);
"""


def queries() -> list[str]:
    """The corpus: what is asked, from simple to strange."""
    texts = [path.read_text() for path in sorted(QUERIES.glob("*.sql"))]
    found = [query.strip() for text in texts for query in re.sub(r"--.*", "", text).split(";\n")]
    return [query for query in found if query]


class World:
    """The tables in DuckDB, and queries over them resolved."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute(_TABLES + _ROWS)
        self.columns = {f"ref.{name}": self.described(f"from ref.{name}") for name in "tuveq"}
        spelled.COLUMNS.update({node: [own.name for own in columns] for node, columns in self.columns.items()})

    def described(self, query: str) -> list[Column]:
        """The columns that DuckDB says a query gives."""
        rows = self.connection.execute(f"describe {query}").fetchall()
        return [Column(str(row[0]), str(row[1])) for row in rows]

    def resolved(self, query: str) -> Relation:
        return resolve(with_tokens(query), self.columns)

    def rows(self, query: str) -> list[str]:
        """What a query gives, as sorted text."""
        names = [f"x{index}" for index in range(len(self.described(query)))]
        texts = ", ".join(f"{name}::varchar" for name in names)
        asked = f"select concat_ws('|', {texts}) from ({query}) as q({', '.join(names)})"
        return sorted(str(row[0]) for row in self.connection.execute(asked).fetchall())


def with_tokens(query: str) -> str:
    """A query as a template renders it: ``ref.t`` is what ``ref('t')`` leaves."""
    return re.sub(r"\bref\.(\w+)", lambda match: ref_token(match[1]), query)


def world() -> Iterator[World]:
    """One world; used as a fixture."""
    made = World()
    yield made
    made.connection.close()
