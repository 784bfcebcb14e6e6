"""Whole small projects, written as texts and tables: what a user's folder holds.

A project has a target ``dev`` on one thread and, unless a test says otherwise, a source ``raw`` that reads
``data/{name}.parquet``. Texts are dedented, so they can stand indented in a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.results import Event, NodeResult, RunResult

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROJECT_FILE = """
    name: shop
    targets:
      dev: {engine: duckdb, path: target/shop.duckdb, threads: 1}
    entities:
      customer: {keys: [customer]}
      product: {keys: [product]}
"""
SOURCES = """
    version: 2
    sources:
      - name: raw
        config: {location: "data/{name}.parquet"}
        tables:
          - name: orders
            config: {event_time: ordered_at}
"""

Files = Mapping[str, str | bytes | pa.Table]

# orders ─ staged ┬ spent ─ top
#                 └ counted
BRANCHES: Files = {
    "models/staged.sql": "select * from {{ source('raw', 'orders') }}",
    "models/spent.sql": """
        {{ config(materialized='table') }}
        select customer, sum(amount) as spent from {{ ref('staged') }} group by customer
    """,
    "models/counted.sql": """
        {{ config(materialized='table') }}
        select product, count(*) as n from {{ ref('staged') }} group by product
    """,
    "models/top.sql": "{{ config(materialized='table') }} select * from {{ ref('spent') }} order by spent desc limit 1",
}


def day(number: int, hour: int = 0) -> datetime:
    """An instant in January 2024."""
    return datetime(2024, 1, number, hour, tzinfo=UTC)


def orders(*amounts: int) -> pa.Table:
    """Orders of two customers in turn, one a day, with these amounts."""
    amounts = amounts or (10, 20, 30, 40)
    return pa.table(
        {
            "order_id": pa.array(range(1, len(amounts) + 1), pa.int64()),
            "customer": pa.array(["ann", "bob"][i % 2] for i in range(len(amounts))),
            "product": pa.array(["tea", "tea", "jam"][i % 3] for i in range(len(amounts))),
            "amount": pa.array(amounts, pa.int64()),
            "ordered_at": pa.array([day(i + 1) for i in range(len(amounts))], pa.timestamp("us", "UTC")),
        }
    )


def write(root: Path, files: Files) -> Path:
    """Write files below a folder: texts dedented, bytes as they are, tables as Parquet or CSV."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(dedent(content).lstrip("\n"), encoding="utf-8", newline="")
        elif path.suffix == ".csv":
            pyarrow.csv.write_csv(content, path)
        else:
            pq.write_table(content, path)
    return root


def shop(root: Path, files: Files | None = None) -> Path:
    """A project folder with a source of orders, and these files."""
    basis: Files = {
        "sqlfeat_project.yml": PROJECT_FILE,
        "models/sources.yml": SOURCES,
        "data/orders.parquet": orders(),
    }
    return write(root, {**basis, **(files or {})})


class Opened:
    """A project folder that is loaded anew for each question, as commands do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[Event] = []

    def project(self, **settings: Any) -> Project:
        return Project.load(self.root, clock=FixedClock(NOW), listener=self.events.append, **settings)

    def change(self, files: Files) -> None:
        write(self.root, files)

    def run(self, *select: str, **settings: Any) -> RunResult:
        options = {key: settings.pop(key) for key in ("full_refresh", "exclude") if key in settings}
        with self.project(**settings) as project:
            return project.run(select, **options)

    def build(self, *select: str, **settings: Any) -> RunResult:
        options = {key: settings.pop(key) for key in ("full_refresh", "exclude") if key in settings}
        with self.project(**settings) as project:
            return project.build(select, **options)

    def test(self, *select: str, **settings: Any) -> RunResult:
        with self.project(**settings) as project:
            return project.test(select)

    def table(self, name: str, **settings: Any) -> pa.Table:
        with self.project(**settings) as project:
            return project.table(name)

    def rows(self, name: str, **settings: Any) -> list[dict[str, Any]]:
        return self.table(name, **settings).to_pylist()  # type: ignore[no-any-return]

    def show(self, name: str, **settings: Any) -> list[dict[str, Any]]:
        with self.project(**settings) as project:
            return project.show(name).to_pylist()  # type: ignore[no-any-return]

    def sql(self, name: str, **settings: Any) -> str:
        """The compiled SQL of a model."""
        with self.project(**settings) as project:
            return next(file.sql for file in project.compile([name]) if file.name == name)


def error_of(root: Path, *select: str, **settings: Any) -> SqlfeatError:
    """What is wrong with a project, as compiling it tells."""
    try:
        with Project.load(root, **settings) as project:
            project.compile(select)
    except SqlfeatError as error:
        return error
    raise AssertionError("nothing is wrong with this project")


def statuses(result: RunResult) -> dict[str, str]:
    """What became of each node, in the order in which they ended."""
    return {node.name: node.status for node in result.results}


def result_of(result: RunResult, name: str) -> NodeResult:
    """What became of one node."""
    return next(node for node in result.results if node.name == name)
