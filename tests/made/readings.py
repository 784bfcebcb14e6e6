"""A project of sensors whose readings come late, are corrected and tie, said twice: as files and for the oracle.

Times are hours after noon. A reading is ``(sensor, happened, known, seq, number, value)``: ``number`` says which
reading it is (versions of one share it), ``seq`` breaks ties.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.made.projects import write
from tests.oracles.point_in_time import HOUR, View, utc

NOON = utc("2024-05-01 12:00")
UTC_TIME = pa.timestamp("us", "UTC")
COLUMNS = ("sensor", "happened", "known", "seq", "number", "value")
ASKED = ("row_id", "sensor", "asked_at")

Reading = tuple[Any, ...]


def hours(number: float | None) -> datetime | None:
    return None if number is None else NOON + number * HOUR


def readings(rows: Iterable[Reading]) -> list[dict[str, Any]]:
    """Readings as the oracle reads them."""
    return [dict(zip(COLUMNS, (row[0], hours(row[1]), hours(row[2]), *row[3:]), strict=True)) for row in rows]


def view(rows: Iterable[Reading], **time: Any) -> View:
    """What ``models/readings.sql`` says, for the oracle."""
    declared = {"tie_breaker": ("seq",), "ttl": 6 * HOUR, **time}
    return View(
        readings(rows), keys=("sensor",), event_time="happened", available_at="known", columns=COLUMNS, **declared
    )


def project(folder: Path, rows: Sequence[Reading], asked: Sequence[tuple[Any, ...]]) -> Path:
    """The project on these readings; ``asked`` are the label rows ``(row_id, sensor, hours after noon)``."""
    table = pa.Table.from_pylist(
        readings(rows),
        pa.schema({"sensor": pa.string(), "happened": UTC_TIME, "known": UTC_TIME, "seq": pa.int64(),
                   "number": pa.int64(), "value": pa.float64()}),
    )  # fmt: skip
    questions = [dict(zip(ASKED, (row_id, sensor, hours(at)), strict=True)) for row_id, sensor, at in asked]
    spine = pa.Table.from_pylist(
        questions, pa.schema({"row_id": pa.int64(), "sensor": pa.string(), "asked_at": UTC_TIME})
    )
    places = pa.table({"sensor": ["calm", "late"], "site": ["roof", "cellar"]})
    sites = pa.table({"site": ["roof", "roof"], "happened": pa.array([hours(-3), hours(2)], UTC_TIME), "wind": [3, 9]})
    tables = {"readings": table, "asked": spine, "places": places, "sites": sites}
    return write(folder, {**MODELS, **{f"data/{name}.parquet": content for name, content in tables.items()}})


MODELS = {
    "sqlfeat_project.yml": """
        name: sensors
        targets: {dev: {engine: duckdb, path: target/sensors.duckdb, threads: 1}}
        entities: {sensor: {keys: [sensor]}, site: {keys: [site]}}
    """,
    "models/sources.yml": """
        version: 2
        sources:
          - name: raw
            config: {location: "data/{name}.parquet"}
            tables:
              - {name: readings}
              - {name: asked, config: {event_time: asked_at}}
              - {name: places}
              - {name: sites}
    """,
    "models/readings.sql": """
        {{ config(materialized='feature_view', entity='sensor', event_time='happened', available_at='known',
                  tie_breaker=['seq'], ttl='6 hours') }}
        select sensor, happened, known, seq, number, value from {{ source('raw', 'readings') }}
    """,
    "models/counted.sql": """
        {{ config(materialized='feature_view', entity='sensor', event_time='happened', available_at='known',
                  tie_breaker=['seq'], unique_key=['number']) }}
        select
            sensor, happened, known, seq, number,
            {{ window('count(*)', '6 hours') }} as n_6h,
            {{ window('sum(seq) filter (where value > 1)', '6 hours') }} as high_6h,
            {{ window('max(value)', '6 hours', offset='1 hour') }} - {{ window('min(value)', 'unbounded') }} as spread
        from {{ source('raw', 'readings') }}
    """,
    "models/everywhere.sql": """
        {{ config(materialized='feature_view', event_time='happened', available_at='known') }}
        select happened, known, seq, number, value as latest from {{ source('raw', 'readings') }}
    """,
    "models/places.sql": """
        {{ config(materialized='table', entity='sensor', immutable=true) }}
        select sensor, site from {{ source('raw', 'places') }}
    """,
    "models/sites.sql": """
        {{ config(materialized='feature_view', entity='site', event_time='happened', available_at='happened') }}
        select site, happened, wind from {{ source('raw', 'sites') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='asked_at', horizon='1 hour') }}
        select row_id, sensor, asked_at, 1 as label from {{ source('raw', 'asked') }}
    """,
    "models/held.sql": """
        {{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['sensor']) }}
        select
            f.row_id, f.asked_at, f.sensor,
            {{ feature('readings.value') }},
            {{ feature('readings.seq', strict=true) }} as seq_before,
            {{ feature('readings.seq') }} * 2 as double_seq,
            {{ feature('everywhere.latest') }},
            f.label
        from {{ ref('asked') }} as f
    """,
    "models/direct.sql": """
        {{ config(materialized='training_set', keys=['row_id']) }}
        select asked.row_id, asked_at, {{ feature('readings.value', on={'sensor': 'asked.sensor'}) }}
        from {{ source('raw', 'asked') }}
    """,
    "models/summed.sql": """
        {{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['sensor']) }}
        select
            f.row_id, f.asked_at, f.sensor,
            {{ feature('counted.n_6h') }},
            {{ feature('counted.high_6h') }},
            {{ feature('counted.spread') }},
            {{ feature('counted.n_6h', strict=true) }} as n_before,
            f.label
        from {{ ref('asked') }} as f
    """,
    "models/sited.sql": """
        {{ config(materialized='training_set', label='label', keys=['sensor', 'row_id']) }}
        select
            f.row_id, f.asked_at, f.sensor,
            {{ feature('sites.wind', on={'site': feature('places.site')}) }},
            f.label
        from {{ ref('asked') }}  as f
    """,
}
