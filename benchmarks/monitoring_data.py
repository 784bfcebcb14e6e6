"""The rows that monitoring is measured on: a shop's quiet weeks, made up by a seed, and what may go wrong with them.

Eight weeks of a baseline and a week after it, 200 rows a day of 20 columns, where days differ a little among
themselves. Knows NumPy alone, so that peers make the same rows in environments of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
BASELINE_DAYS, DAYS, A_DAY = 56, 7, 200
BASELINES, QUIET, REPEATED = 20, 200, 10
Rows = dict[str, Any]
Change = Callable[[Rows, np.random.Generator, float], None]
CITIES = [f"city {number}" for number in range(20)]


def made(days: int, first: int, seed: int) -> Rows:
    """So many days of rows from a day on."""
    random = np.random.default_rng([seed, first])
    count = days * A_DAY
    day = np.repeat(np.arange(first, first + days), A_DAY)
    hour = np.clip(random.normal(14, 4, count), 0, 23.99)

    def mood(size: float) -> Any:
        """What the rows of a day have in common."""
        return np.repeat(random.normal(0, size, days), A_DAY)

    rows: Rows = {
        "id": np.arange(count) + first * A_DAY,
        "at": [FIRST + timedelta(days=int(d), hours=float(h)) for d, h in zip(day, hour, strict=True)],
        "hour": hour.astype(np.int64),
    }
    for number in range(8):
        rows[f"normal_{number}"] = random.normal(mood(0.03 * number), 1, count)
    for number in range(4):
        rows[f"amount_{number}"] = np.exp(random.normal(3 + mood(0.05), 0.3 + 0.3 * number, count))
    for number in range(4):
        rows[f"count_{number}"] = random.poisson(np.exp(mood(0.05)) * (0.2 + number), count)
    rows["channel"] = random.choice(["web", "shop", "phone"], count, p=[0.6, 0.3, 0.1]).astype(object)
    rows["city"] = random.choice(CITIES, count, p=_falling(len(CITIES))).astype(object)
    rows["flag"] = random.random(count) < 0.2
    return rows


def _falling(count: int) -> Any:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


# -- drifts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """A kind of mishap: the column that it is in, the sizes at which it is tried, and how it is done."""

    name: str
    column: str
    sizes: tuple[float, ...]
    unit: str
    change: Change


def _shift(rows: Rows, _: np.random.Generator, size: float) -> None:
    rows["normal_3"] = rows["normal_3"] + size


def _spread(rows: Rows, _: np.random.Generator, size: float) -> None:
    rows["normal_3"] = rows["normal_3"] * size


def _swap(rows: Rows, random: np.random.Generator, size: float) -> None:
    other = np.array([{"web": "shop", "shop": "web"}.get(one, one) for one in rows["channel"]], object)
    rows["channel"] = np.where(random.random(len(other)) < size, other, rows["channel"])


def _lose(rows: Rows, random: np.random.Generator, size: float) -> None:
    rows["amount_1"] = np.where(random.random(len(rows["amount_1"])) < size, np.nan, rows["amount_1"])


def _multiply(rows: Rows, random: np.random.Generator, size: float) -> None:
    again = np.flatnonzero(random.random(len(rows["id"])) < size)
    for name, values in rows.items():
        rows[name] = [*values, *(values[place] for place in again)]


def _unmatched(rows: Rows, random: np.random.Generator, size: float) -> None:
    rows["city"] = np.where(random.random(len(rows["city"])) < size, None, rows["city"])


def _unit(rows: Rows, _: np.random.Generator, size: float) -> None:
    rows["amount_0"] = rows["amount_0"] * size


def _zone(rows: Rows, _: np.random.Generator, size: float) -> None:
    rows["hour"] = (rows["hour"] + int(size)) % 24


DRIFTS = (
    Drift("another mean", "normal_3", (0.1, 0.25, 0.5, 1.0), "deviations", _shift),
    Drift("another variance", "normal_3", (1.1, 1.25, 1.5, 2.0), "times the deviation", _spread),
    Drift("categories swapped", "channel", (0.1, 0.25, 0.5, 1.0), "of the rows", _swap),
    Drift("burst of nulls", "amount_1", (0.02, 0.05, 0.1, 0.2), "of the rows", _lose),
    Drift("join that multiplies rows", "", (0.001, 0.01, 0.05, 0.2), "of the rows", _multiply),
    Drift("join that finds nothing", "city", (0.02, 0.05, 0.1, 0.2), "of the rows", _unmatched),
    Drift("another unit", "amount_0", (1.1, 1.609, 2.205, 100.0), "times", _unit),
    Drift("another time zone", "hour", (1.0, 2.0, 5.0, 12.0), "hours", _zone),
)


def drifted(drift: Drift, size: float, number: int) -> Rows:
    """The week after a baseline, with this gone wrong."""
    week = made(DAYS, BASELINE_DAYS, number % BASELINES)
    drift.change(week, np.random.default_rng(number), size)
    return week


def quiet_week(number: int, baselines: int = BASELINES) -> Rows:
    """A week in which nothing was changed, after the baseline of that number (by turns)."""
    return made(DAYS, BASELINE_DAYS + 7 * (number // baselines), number % baselines)
