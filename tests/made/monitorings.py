"""What ``monitor`` may have found, made by hand: a model of twelve inputs of which two have drifted, and worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlfeat.ops.monitoring.results import (
    BREACH,
    FEATURE,
    LABEL,
    OK,
    PREDICTION,
    WARN,
    Bin,
    Cause,
    ColumnResult,
    Finding,
    Mark,
    Measure,
    Monitoring,
    Performance,
    Point,
    Side,
    SliceResult,
    Summary,
)

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
NOW = FIRST + timedelta(days=56)
NAMES = (
    "origin_temp", "carrier", "carrier_delay_7d", "origin_delay_3h", "route_delay_30d", "dep_hour", "distance",
    "origin_wind_speed", "minutes_since_landing", "plane_delay", "dest", "sched_minutes",
)  # fmt: skip
SPAN_DAYS = 70


def numeric(name: str, level: str = OK, *, role: str = FEATURE, days: int = SPAN_DAYS, bins: int = 10) -> ColumnResult:
    """A number that has moved as much as its level says."""
    moved = {OK: 0.01, WARN: 0.04, BREACH: 0.12}[level]
    edges = [round(10 + 5.5 * place, 2) for place in range(bins + 1)]
    bars = [
        Bin(f"{low:g} to {high:g}", 1 / bins, max(0.0, 1 / bins + moved * math.cos(place)), low, high)
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    value = {OK: 0.03, WARN: 0.15, BREACH: 1.47}[level]
    text = (
        "" if level == OK else f"{name} is distributed otherwise: the mean went from 35.37 to 10.22 (PSI {value:.2f})."
    )
    return ColumnResult(
        name=name,
        role=role,
        type="DOUBLE",
        kind="numeric",
        level=level,
        baseline=Summary(42_341, 24, 0, 35.37, 9.3, 10.94, 64.4, 34.9),
        current=Summary(12_885, 180, 0, 10.22, 11.2, -2.8, 46.9, 6.1),
        measures=(
            Measure("psi", value, 0.2, level, 0.06, 0.0001, 0.002, text),
            Measure("shift", value / 2, 0.2, level, 0.11, 0.0001, 0.002),
            Measure("spread", 12.25, 0.15, OK, 10.08, 0.3, 1.0),
            Measure("missing", 0.013, 0.05, OK, 0.002, 0.4, 1.0),
            Measure("range", 0.3, 0.05, OK, None, 0.3, 0.6),
        ),
        statistics={
            "psi": value, "jensen_shannon": 0.21, "chi_squared": 404.5, "degrees_of_freedom": 9.0,
            "design_effect": 8.0, "kolmogorov_smirnov": 0.14, "wasserstein": 0.4,
        },
        bins=tuple(bars),
        timeline=points(days, value),
        first_seen=None if level == OK else NOW + timedelta(days=2),
        causes=() if level != BREACH else causes(name),
        share=0.4 if level == BREACH else 0.05 if role == FEATURE else None,
        shift=-0.0213 if role == FEATURE else None,
    )  # fmt: skip


def category(
    name: str, level: str = OK, values: Sequence[str] = ("UA", "B6", "EV"), *, role: str = FEATURE
) -> ColumnResult:
    """Some categories, of which the first has moved most."""
    share = 1 / (len(values) + 1)
    bars = [Bin(one, share, share / 2 if place == 0 else share) for place, one in enumerate(values)]
    text = "" if level == OK else f"{name}: 11.2 % of the values are of categories that were not there before: ZZ."
    value = 0.02 if level == OK else 1.04
    return replace(
        numeric(name, role=role),
        type="VARCHAR",
        kind="categorical",
        level=level,
        baseline=Summary(42_341, 0, 0, 2.0, 0.0, "9E", "WN"),
        current=Summary(12_885, 0, 0, 2.0, 0.0, "9E", "ZZ"),
        measures=(
            Measure("psi", value, 0.2, level, 0.01, 1e-9, 1e-8),
            Measure("new_categories", 0.112 if text else 0.0, 0.01, level, None, 1e-9, 1e-8, text),
        ),
        statistics={"psi": value, "jensen_shannon": 0.1},
        bins=(*bars, Bin("others", share, share * 1.5)),
        new_categories=("ZZ",) if text else (),
        lost_categories=("HA",) if text else (),
        causes=causes(name) if level == BREACH else (),
        first_seen=None if level == OK else NOW + timedelta(days=3),
    )


def instant(name: str) -> ColumnResult:
    """A column of instants, which are counted in seconds since 1970."""
    one = numeric(name)
    then, now = (FIRST.timestamp() + 86_400.0 * day for day in (20, 62))
    timeline = tuple(replace(at, mean=at.start.timestamp()) for at in one.timeline)
    baseline = replace(one.baseline, mean=then, median=then, minimum=then - 1e6, maximum=then + 1e6, deviation=5e5)
    current = replace(one.current, mean=now, median=now, minimum=now - 1e6, maximum=now + 1e6, deviation=4e5)
    return replace(one, type="TIMESTAMP WITH TIME ZONE", baseline=baseline, current=current, timeline=timeline)


def points(days: int, value: float) -> tuple[Point, ...]:
    """Days of a baseline, then a fortnight in which something moves."""
    quiet = [
        Point(FIRST + timedelta(days=day), "baseline", 900, 0.001, 35 + 4 * math.sin(day), 0.05)
        for day in range(days - 14)
    ]
    moved = [
        Point(NOW + timedelta(days=day), "current", 860, 0.01, 35 - 2 * day, value * min(day / 5, 1))
        for day in range(14)
    ]
    return (*quiet, *moved)


def causes(name: str) -> tuple[Cause, ...]:
    text = f"{name} is distributed otherwise: the mean went from 34.61 to 9.615 (PSI 8.66)."
    seen = NOW + timedelta(days=2)
    return (
        Cause(name, "airport_weather", 1, 8.66, 0.0, BREACH, text, seen),
        Cause(name, "raw.weather", 3, 8.66, 0.0, BREACH, text, seen - timedelta(days=1)),
    )


def performance(level: str = WARN) -> Performance:
    measure = Measure("performance", 0.03, 0.05, level, None, 0.005, 0.005, "The auc is 0.7214, and was 0.7505.")
    days = tuple((NOW + timedelta(days=day), 860, 0.75 - day / 200) for day in range(13))
    now, then = {"auc": 0.7214, "log_loss": 0.4582, "brier": None}, {"auc": 0.7505, "log_loss": 0.45, "brier": 0.14}
    return Performance(12_885, 11_950, "test", "auc", measure, 0.7018, 0.7475, now, then, (*days, (NOW, 0, None)))


def slices() -> tuple[SliceResult, ...]:
    drifted = numeric("origin_temp", BREACH).measures[:1]
    return (
        SliceResult("carrier", "9E", 2_407, 629, BREACH, drifted * 6, {"auc": 0.69}),
        SliceResult("carrier", None, 200, 90, OK, (), {}),
    )


def monitoring(columns: Sequence[ColumnResult] | None = None) -> Monitoring:
    """A registered model that is not as it was, with everything that a result can have."""
    if columns is None:
        columns = (
            numeric(NAMES[0], BREACH),
            category(NAMES[1], BREACH),
            numeric(NAMES[2], WARN),
            instant(NAMES[3]),
            *(numeric(name) for name in NAMES[4:]),
            numeric("prediction", WARN, role=PREDICTION),
            category("is_late", values=("false", "true"), role=LABEL),
        )
    found = [
        Finding(one.level, measure.name, one.name, measure.text, measure.weight, one.first_seen)
        for one in columns
        for measure in one.measures
        if measure.text
    ]
    volume = Measure("volume", 3.2, 1.0, BREACH, 0.4, text="There are 860 rows a day, and 3,612 before.")
    schema = Measure("schema", 1.0, 0.0, BREACH, text="The column gate is gone.")
    found += [Finding(BREACH, one.name, "", one.text, one.weight) for one in (volume, schema)]
    found += [Finding(WARN, "lost_categories", "carrier", "carrier is nowhere HA any more.", 0.0)]
    drifted = [one for one in columns if one.level == BREACH]
    return Monitoring(
        name="late_lgbm",
        kind="model",
        reference="late_lgbm@v3",
        checked_at=NOW + timedelta(days=15, hours=7, minutes=30),
        against="baseline",
        window="day",
        baseline=Side("training set late_flights@1e6073067f17, split train", FIRST, NOW, 42_341),
        current=Side("rows of late_lgbm@v3", NOW, NOW + timedelta(days=14), 12_885),
        level=BREACH if drifted else OK,
        sentence=f"late_lgbm@v3 is not as it was: {len(drifted)} of {len(columns)} columns have drifted.",
        findings=tuple(found),
        measures=(volume, schema, Measure("freshness", 75_600.0, 172_800.0), Measure("duplicates", 0.0, 0.001)),
        columns=tuple(columns),
        performance=performance(),
        slices=slices(),
        marks=(
            Mark(NOW - timedelta(days=9), "trained", "late_lgbm@v3"),
            Mark(NOW - timedelta(days=4, hours=2), "published", "snapshot 7"),
            Mark(NOW + timedelta(days=1), "built", "airport_weather"),
            Mark(NOW + timedelta(days=1, seconds=2), "built", "carrier_delays"),
        ),
        thresholds={"psi": 0.2, "missing": 0.05, "window": "day", "by": ["carrier"], "freshness": None,
                    "columns": {"distance": {"psi": 0.5}}, "profile": True},
        notes=("The period reaches into what the model was made from, which hides what has changed.",),
        seconds=3.2,
    )  # fmt: skip


def quiet_view() -> Monitoring:
    """A feature view of which there is nothing to tell."""
    whole = monitoring([numeric("temp"), category("sky")])
    return replace(
        whole,
        kind="feature_view",
        reference="airport_weather",
        level=OK,
        sentence="airport_weather is as it was: none of 2 columns has drifted.",
        findings=(),
        measures=(),
        performance=None,
        slices=(),
        marks=(),
        notes=(),
    )


def nothing() -> Monitoring:
    """A period without a row, of a view without a column."""
    gone = Measure("volume", None, None, BREACH, text="There is no row in this period.")
    return replace(
        quiet_view(),
        level=BREACH,
        columns=(),
        measures=(gone,),
        findings=(Finding(BREACH, "volume", "", gone.text, 0.0),),
        baseline=Side("rows before 2024-02-26", None, None, 0),
        current=Side("rows of airport_weather", None, None, 0),
        thresholds={},
    )
