"""Small training sets made by hand, as ``build-training-set`` would keep them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sqlfeat.store.artifacts import save_training_set
from sqlfeat.store.training_set import OutputColumn, TrainingSet

START = datetime(2013, 1, 1, tzinfo=UTC)
CARRIERS = ("AA", "B6", "UA")
COLUMNS = (
    OutputColumn("flight_id", "BIGINT", "key"),
    OutputColumn("asked_utc", "TIMESTAMP WITH TIME ZONE", "as_of"),
    OutputColumn("sched_dep_utc", "TIMESTAMP WITH TIME ZONE", "passthrough"),
    OutputColumn("carrier", "VARCHAR", "input", "categorical", CARRIERS),
    OutputColumn("delay_7d", "DOUBLE", "input", "numeric", feature="carrier_delays.delay_7d"),
    OutputColumn("dep_hour", "BIGINT", "input", "numeric"),
    OutputColumn("is_late", "BOOLEAN", "label"),
)


def flights(rows: int, *, first: int = 0, label: str = "is_late") -> pa.Table:
    """Rows of late flights: late is who was late before; the last carrier and every ninth delay are unknown."""
    random = np.random.default_rng([7, first])
    delay = random.normal(0, 10, rows)
    asked = [START + timedelta(hours=first + row) for row in range(rows)]
    late = delay + random.normal(0, 2, rows) > 3
    labels = {"is_late": late, "minutes": delay * 2 + 1, "why": np.where(late, "weather", "none")}
    return pa.table(
        {
            "flight_id": pa.array(range(first, first + rows), pa.int64()),
            "asked_utc": pa.array(asked, pa.timestamp("us", "UTC")),
            "sched_dep_utc": pa.array([at + timedelta(hours=1) for at in asked], pa.timestamp("us", "UTC")),
            "carrier": pa.array([(*CARRIERS, None, "ZZ")[row % 5] for row in range(rows)], pa.string()),
            "delay_7d": pa.array([None if row % 9 == 0 else value for row, value in enumerate(delay)], pa.float64()),
            "dep_hour": pa.array([row % 24 for row in range(rows)], pa.int64()),
            label: labels[label],
        }
    )


def keep(
    folder: Path,
    splits: dict[str, pa.Table],
    columns: tuple[OutputColumn, ...] = COLUMNS,
    *,
    identity: str = "0f3a",
    definition: str = "d1",
) -> TrainingSet:
    """Keep these splits as a training set ``late_flights``."""

    def fill(temporary: Path) -> dict[str, object]:
        for name, table in splits.items():
            pq.write_table(table, temporary / f"{name}.parquet")
        return {
            "id": identity,
            "name": "late_flights",
            "rows": sum(table.num_rows for table in splits.values()),
            "splits": {name: table.num_rows for name, table in splits.items()},
            "columns": columns,
            "null_rates": {column.name: 0.0 for column in columns},
            "definition": definition,
            "features": {"carrier_delays.delay_7d": "f1"},
            "compiled": {"carrier_delays": "c1", "late_flights": "c2"},
        }

    return save_training_set(folder / "late_flights" / identity, fill, {"created_at": START.isoformat()})


def late_flights(folder: Path) -> TrainingSet:
    """A training set of 120 + 40 + 40 rows."""
    return keep(
        folder,
        {"train": flights(120), "validation": flights(40, first=120), "test": flights(40, first=160)},
    )
