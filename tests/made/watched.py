"""Rows of a shop over many quiet days, and what may go wrong with them: for tests of what monitoring sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.engine.duckdb import profile as profiling
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import Profile, ProfileRequest
from tests.made.projects import Opened, shop

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
CHANNELS = ("web", "shop", "phone")
COLUMNS = (("amount", "DOUBLE"), ("items", "BIGINT"), ("channel", "VARCHAR"), ("came_back", "BOOLEAN"))
Rows = dict[str, Any]
Change = Callable[[Rows, Any], None]


def quiet(days: int, *, first: int = 0, seed: int = 0, a_day: int = 100) -> Rows:
    """So many orders a day, from a day on; days differ a little, as days do."""
    random = np.random.default_rng([seed, first])
    mood = np.repeat(random.normal(0, 0.05, days), a_day)
    count = days * a_day
    hours = np.sort(random.uniform(0, 24, (days, a_day)), axis=1).ravel()
    day = np.repeat(np.arange(first, first + days), a_day)
    return {
        "order_id": np.arange(count) + first * a_day,
        "sold_at": [FIRST + timedelta(days=int(d), hours=float(h)) for d, h in zip(day, hours, strict=True)],
        "amount": np.exp(random.normal(3 + mood, 0.5, count)),
        "items": random.poisson(2, count),
        "channel": random.choice(CHANNELS, count, p=[0.6, 0.3, 0.1]).astype(object),
        "came_back": random.random(count) < 0.3,
    }


def table(rows: Rows) -> pa.Table:
    columns = {name: values for name, values in rows.items() if name != "sold_at"}
    return pa.table({**columns, "sold_at": pa.array(rows["sold_at"], pa.timestamp("us", "UTC"))})


def profiled(rows: Rows, against: Profile | None = None, window: str = "day") -> Profile:
    """The profile of rows, in the bins of another one."""
    connection = Connection(memory_limit="500MB", threads=1)
    try:
        connection.register("rows", table(rows))
        shapes = against.shapes if against else {}
        request = ProfileRequest(COLUMNS, "sold_at", ("order_id",), shapes=shapes, duplicates=True, window=window)
        return profiling.profile(connection.arrow, "rows", request)
    finally:
        connection.close()


FILES: Mapping[str, str] = {
    "models/sources.yml": """
        version: 2
        sources:
          - name: raw
            config: {location: "data/{name}.parquet"}
            tables:
              - {name: orders, config: {event_time: sold_at, available_at: sold_at}}
    """,
    "models/sold.sql": """
        {{ config(materialized='feature_view', event_time='sold_at') }}
        select order_id, sold_at, amount * 1.2 as gross, channel from {{ source('raw', 'orders') }}
    """,
    "models/asked.sql": """
        {{ config(materialized='table', role='label', event_time='sold_at', horizon='2 days') }}
        select order_id, sold_at, amount, items, channel, came_back from {{ source('raw', 'orders') }}
    """,
    "models/returns.sql": """
        {{ config(materialized='training_set', label='came_back', keys=['order_id'],
                  split={'train': '2024-01-01', 'test': '2024-02-05'}) }}
        select a.order_id, a.sold_at, a.amount * 2 as doubled, a.items, a.channel, a.came_back
        from {{ ref('asked') }} as a
    """,
}


def watched_shop(root: Path, rows: Rows, files: Mapping[str, str] | None = None) -> Opened:
    """A project over these orders: a feature view, label rows, a training set."""
    return Opened(shop(root, {**FILES, **(files or {}), "data/orders.parquet": table(rows)}))


def together(*parts: Rows) -> Rows:
    """Rows one after the other."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}
