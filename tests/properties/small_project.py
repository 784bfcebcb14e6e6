"""A project over two tables, for tests of one thing: what happened (``facts``), and who asks (``spine``)."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as parquet

from sqlfeat import Project
from tests.oracles.point_in_time import utc
from tests.properties.workbench import laid_out

NOON = utc("2024-01-01 12:00")
NOON_US = int(NOON.timestamp()) * 1_000_000
HEAD = """
name: corners
default_target: dev
targets: {dev: {engine: duckdb, path: target/corners.duckdb}}
entities: {thing: {keys: [%s]}}
"""
SOURCES = """
version: 2
sources: [{name: raw, config: {location: "data/{name}.parquet"}, tables: [{name: facts}, {name: spine}]}]
"""
LABELS = """{{ config(materialized='table', role='label', event_time='asked', horizon='1 hour') }}
select * from {{ source('raw', 'spine') }}"""

TOTAL, MOST, THOSE = (f"{{{{ window('{aggregate}(v)', '1 day') }}}}" for aggregate in ("sum", "max", "list"))
CARDS = """{{ config(materialized='table', entity='thing', immutable=true) }}
select k, v from {{ source('raw', 'facts') }}"""


def project(folder, models, facts, spine, keys="k") -> Project:
    """A project over two tables: what happened, and who asks."""
    files = {"sqlfeat_project.yml": HEAD % keys, "models/sources.yml": SOURCES, "models/labels.sql": LABELS}
    files |= {f"models/{name}.sql": text for name, text in models.items()}
    laid_out(folder, files, {}, {})
    (folder / "data").mkdir()
    parquet.write_table(facts, folder / "data" / "facts.parquet")
    parquet.write_table(spine, folder / "data" / "spine.parquet")
    return Project.load(folder)


def view(columns="k, happened, v", **config) -> str:
    """A feature view over the facts."""
    said = {"materialized": "feature_view", "entity": "thing", "event_time": "happened", **config}
    listed = ", ".join(f"{key}={value!r}" for key, value in said.items() if value is not None)
    return f"{{{{ config({listed}) }}}}\nselect {columns} from {{{{ source('raw', 'facts') }}}}"


def asking(*features, passthrough=()) -> str:
    """A training set of these outputs."""
    listed = ", ".join(["x.id", "x.asked", *features, "x.label"])
    config = f"materialized='training_set', label='label', keys=['id'], passthrough={list(passthrough)}"
    return f"{{{{ config({config}) }}}}\nselect {listed} from {{{{ ref('labels') }}}} as x"


def asked_at(*instants, **columns) -> pa.Table:
    """Label rows in this order, as ``id`` tells; of key 'a' unless said otherwise."""
    count = len(instants)
    made = {"id": list(range(count)), "k": ["a"] * count, "asked": list(instants), "label": [0] * count}
    return pa.table(made | columns)


def rows(project, name="found", **how):
    """The training set's rows, by id."""
    project.build_training_set(name, out=project.spec.root / "out.parquet", **how)
    return sorted(parquet.read_table(project.spec.root / "out.parquet").to_pylist(), key=lambda row: row["id"])
