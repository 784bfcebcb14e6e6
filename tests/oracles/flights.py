"""What the training set ``late_flights`` of ``project_template/`` must hold, worked out with arrays from its data.

Neither DuckDB nor anything of sqlfeat is used: the Parquet files are read with pyarrow, instants are microseconds
since 1970 as integers, and each feature of a question is a mask over the events of its key and a sum. Means are the
quotient of two exact integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as parquet

HOUR = 3_600_000_000
DAY = 24 * HOUR
LATE_MINUTES = 15
HORIZON = 36 * HOUR
NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Events = dict[str, np.ndarray]


def microseconds(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


SPLITS = [
    ("train", microseconds(2013, 1, 8)),
    ("validation", microseconds(2013, 3, 1)),
    ("test", microseconds(2013, 3, 15)),
]


def expected_rows(data: Path, every: int = 1) -> list[dict[str, Any]]:
    """Each ``every``-th row of the training set in its order, instants in microseconds."""
    flights = {row["flight_id"]: row for row in read(data / "flights.parquet")}
    landed = [{**flights[row["flight_id"]], **row} for row in read(data / "arrivals.parquet")]
    left = [{**flights[row["flight_id"]], **row} for row in read(data / "departures.parquet")]
    weather = read(data / "weather.parquet")

    by_carrier = grouped(landed, ("carrier",), "landed_utc", "arr_delay")
    by_origin = grouped(left, ("origin",), "dep_utc", "dep_delay")
    by_route = grouped(landed, ("origin", "dest"), "landed_utc", "arr_delay")
    by_plane = grouped(landed, ("tailnum",), "landed_utc", "arr_delay")
    observed = {(row["airport"], row["hour_utc"]): row for row in weather}

    questions = sorted(landed, key=lambda row: (row["sched_dep_utc"], row["flight_id"]))
    return [
        {
            **request(flight),
            **carrier_features(by_carrier.get((flight["carrier"],)), asked(flight)),
            **origin_features(by_origin.get((flight["origin"],)), asked(flight)),
            **route_features(by_route.get((flight["origin"], flight["dest"])), asked(flight)),
            **weather_features(observed, flight["origin"], asked(flight)),
            **plane_features(by_plane.get((flight["tailnum"],)), asked(flight)),
            "is_late": flight["arr_delay"] > LATE_MINUTES,
        }
        for flight in questions[::every]
    ]


def split_of(asked_utc: int) -> str | None:
    """The split of a question: one whose answer comes after the next split has begun belongs to none."""
    ends = [start for _, start in SPLITS[1:]]
    for (name, start), end in zip(SPLITS, [*ends, None], strict=True):
        if start <= asked_utc and (end is None or asked_utc < end):
            return name if end is None or asked_utc + HORIZON <= end else None
    return None


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, instants as integers."""
    table = parquet.read_table(path)
    columns = [
        column.cast("int64").to_pylist() if name.endswith("_utc") else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def grouped(rows: list[dict[str, Any]], keys: tuple[str, ...], time: str, value: str) -> dict[tuple[str, ...], Events]:
    """The instants and values of the events of each key."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return {
        key: {"at": np.array([row[time] for row in same]), "delay": np.array([row[value] for row in same])}
        for key, same in groups.items()
    }


def asked(flight: dict[str, Any]) -> int:
    return flight["sched_dep_utc"] - HOUR


def request(flight: dict[str, Any]) -> dict[str, Any]:
    local = (EPOCH + timedelta(microseconds=flight["sched_dep_utc"])).astimezone(NEW_YORK)
    return {
        "flight_id": flight["flight_id"],
        "asked_utc": asked(flight),
        "sched_dep_utc": flight["sched_dep_utc"],
        "carrier": flight["carrier"],
        "origin": flight["origin"],
        "dest": flight["dest"],
        "distance": flight["distance"],
        "sched_minutes": (flight["sched_arr_utc"] - flight["sched_dep_utc"]) // 60_000_000,
        "dep_hour": local.hour,
        "dep_weekday": local.isoweekday(),
    }


def carrier_features(events: Events | None, t: int) -> dict[str, Any]:
    return {
        "carrier_delay_3h": mean(delays(events, t - 3 * HOUR, t)),
        "carrier_delay_1d": mean(delays(events, t - DAY, t)),
        "carrier_delay_7d": mean(delays(events, t - 7 * DAY, t)),
        "carrier_late_7d": mean(late(delays(events, t - 7 * DAY, t))),
        "carrier_flights_1d": len(delays(events, t - DAY, t)),
        "carrier_flights_7d": len(delays(events, t - 7 * DAY, t)),
    }


def origin_features(events: Events | None, t: int) -> dict[str, Any]:
    recent, day = delays(events, t - 3 * HOUR, t), delays(events, t - DAY, t)
    return {
        "origin_delay_3h": mean(recent),
        "origin_delay_1d": mean(day),
        "origin_max_delay_3h": int(recent.max()) if len(recent) else None,
        "origin_departures_3h": len(recent),
        "origin_delay_gap": difference(mean(recent), mean(day)),
    }


def route_features(events: Events | None, t: int) -> dict[str, Any]:
    week, week_before = delays(events, t - 7 * DAY, t), delays(events, t - 14 * DAY, t - 7 * DAY)
    month = delays(events, t - 30 * DAY, t)
    return {
        "route_delay_7d": mean(week),
        "route_delay_30d": mean(month),
        "route_late_30d": mean(late(month)),
        "route_delay_trend": difference(mean(week), mean(week_before)),
    }


def weather_features(observed: dict[tuple[str, int], dict[str, Any]], airport: str, t: int) -> dict[str, Any]:
    """The latest row of an hour that is over at ``t`` and began at most two hours before it."""
    hours = range(t - t % HOUR, t - 2 * HOUR - 1, -HOUR)
    rows = (observed[airport, hour] for hour in hours if hour + HOUR <= t and (airport, hour) in observed)
    row = next(rows, dict.fromkeys(("temp", "humid", "wind_speed", "precip", "visib")))
    wind = row["wind_speed"]
    return {
        "origin_temp": row["temp"],
        "origin_humid": row["humid"],
        "origin_wind_speed": wind if wind is None or wind < 200 else None,
        "origin_precip": row["precip"],
        "origin_visib": row["visib"],
    }


def plane_features(events: Events | None, t: int) -> dict[str, Any]:
    before = np.flatnonzero(events["at"] <= t) if events else []
    if not len(before):
        return {"plane_delay": None, "minutes_since_landing": None}
    last = max(before, key=lambda row: events["at"][row])
    landed = int(events["at"][last])
    return {
        "plane_delay": int(events["delay"][last]),
        "minutes_since_landing": t // 60_000_000 - landed // 60_000_000,
    }


def delays(events: Events | None, start: int, end: int) -> np.ndarray:
    """The delays of the events in ``(start, end]``."""
    if events is None:
        return np.array([], dtype=int)
    return events["delay"][(events["at"] > start) & (events["at"] <= end)]


def late(values: np.ndarray) -> np.ndarray:
    return (values > LATE_MINUTES).astype(int)


def mean(values: np.ndarray) -> float | None:
    return int(values.sum()) / len(values) if len(values) else None


def difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def mismatches(expected: list[dict[str, Any]], actual: dict[int, dict[str, Any]]) -> Iterator[str]:
    """What differs, in words; ``actual`` is by ``flight_id``, instants in microseconds."""
    for row in expected:
        found = actual.get(row["flight_id"])
        if found is None:
            yield f"flight {row['flight_id']} is missing"
            continue
        for name, value in row.items():
            if name not in found:
                yield f"column {name} is missing"
            elif found[name] != value:
                yield f"flight {row['flight_id']}, {name}: expected {value!r}, got {found[name]!r}"
