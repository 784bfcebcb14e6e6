"""How good a version's predictions were, once labels have arrived; and which inputs have moved its predictions.

A label counts once it is known: its horizon after the as-of time. What chance does is found by drawing whole windows of
time anew, since rows of one day resemble each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlfeat.ops import metrics as measures
from sqlfeat.ops.metrics import FIRST, LESS_IS_BETTER
from sqlfeat.ops.monitoring.results import OK, WARN, Measure, Performance
from sqlfeat.ops.monitoring.subjects import Rows
from sqlfeat.ops.monitoring.variation import LEAST_ROWS, judged
from sqlfeat.spec.monitor import MonitorSpec
from sqlfeat.store import codecs, registry
from sqlfeat.store.codecs.codec import Explaining
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import PROBABILITIES, Floats, InputRows, doubles

DRAWS = 200
MOST_DRAWN = 20_000
EXPLAINED = 1_000
"""Of so many rows on each side it is asked what every input contributes."""


class Labelled:
    """The rows of a period whose labels are known, as arrays."""

    def __init__(self, version: ModelVersion, rows: Rows, label: str, window: str) -> None:
        assert rows.file is not None
        output = version.signature.output
        names = [f"probability_{one}" for one in output.classes or ()] if output.kind == PROBABILITIES else []
        names = names or ["prediction"]
        time = rows.request.time
        assert time is not None
        schema = pq.read_schema(rows.file)
        kept = [name for name in dict.fromkeys([label, *names, time]) if name in schema.names]
        table = pq.read_table(rows.file, columns=kept)
        self.output = output
        self.rows = table.num_rows
        self.known = _known(table, rows, label)
        table = table.filter(self.known)
        column = table.column(label)
        self.labels: npt.NDArray[Any] = doubles(column) if pa.types.is_decimal(column.type) else column.to_numpy()
        found = [np.asarray(table.column(name).to_numpy(), dtype=np.float64) for name in names]
        self.predictions: Floats = np.column_stack(found) if len(names) > 1 or output.classes else found[0]
        if output.kind != PROBABILITIES:
            self.predictions = found[0]
        starts = pc.floor_temporal(table.column(time), unit=window)
        codes = pc.dictionary_encode(starts).combine_chunks()
        self.windows: list[datetime] = codes.dictionary.to_pylist() if len(codes) else []
        self.codes = np.asarray(codes.indices.to_numpy(zero_copy_only=False)) if len(codes) else np.array([], int)
        self.task = measures.task_of(output, self.labels) if len(self.labels) else None

    def metrics(self, rows: npt.NDArray[Any] | None = None) -> dict[str, float | None]:
        """The metrics of these rows."""
        chosen = slice(None) if rows is None else rows
        return measures.evaluate(self.output, self.labels[chosen], self.predictions[chosen], task=self.task)

    def first(self, metric: str, rows: npt.NDArray[Any]) -> float | None:
        return self.metrics(rows).get(metric)

    def drawn(self, metric: str) -> Floats:
        """The metric of windows drawn anew, with a seed, as often as :data:`DRAWS`."""
        random = np.random.default_rng(0)
        places = [np.flatnonzero(self.codes == code) for code in range(len(self.windows))]
        share = min(1.0, MOST_DRAWN / max(len(self.labels), 1))
        places = [one[: max(1, int(len(one) * share))] for one in places if len(one)]
        found = []
        for _ in range(DRAWS):
            chosen = random.integers(0, len(places), len(places))
            rows = np.concatenate([random.choice(places[place], len(places[place])) for place in chosen])
            value = self.first(metric, rows)
            if value is not None:
                found.append(value)
        return np.array(found)


def performance_of(
    version: ModelVersion, rows: Rows, label: str, split: str, spec: MonitorSpec, window: str
) -> Performance | None:
    """The metrics of a period beside those of training; None where too few labels are known."""
    known = Labelled(version, rows, label, window)
    baseline = version.metrics.get(split, {})
    if len(known.labels) < LEAST_ROWS or known.task is None:
        return None
    metric, found = FIRST[known.task], known.metrics()
    then, now = baseline.get(metric), found.get(metric)
    draws = known.drawn(metric) if now is not None else np.array([])
    measure = _measure(metric, then, now, draws, spec)
    low, high = (float(one) for one in np.quantile(draws, [0.025, 0.975])) if len(draws) else (None, None)
    timeline = []
    for code, start in sorted(enumerate(known.windows), key=lambda one: one[1]):
        own = np.flatnonzero(known.codes == code)
        timeline.append((start, len(own), known.first(metric, own)))
    return Performance(
        rows=known.rows,
        labelled=len(known.labels),
        split=split,
        metric=metric,
        measure=measure,
        low=low,
        high=high,
        metrics=found,
        baseline=baseline,
        timeline=tuple(timeline),
    )


def metrics_of(version: ModelVersion, rows: Rows, label: str, window: str, column: str) -> dict[Any, dict[str, Any]]:
    """The metrics of the rows with each value of a column."""
    assert rows.file is not None
    known = Labelled(version, rows, label, window)
    values = pq.read_table(rows.file, columns=[column]).column(column).filter(known.known).to_pylist()
    places: dict[Any, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(None if value is None else str(value), []).append(place)
    return {value: known.metrics(np.array(own)) for value, own in places.items() if len(own) >= LEAST_ROWS}


def _known(table: pa.Table, rows: Rows, label: str) -> pa.Array:
    """Which rows have a label that is known: those of a horizon that is still open have none."""
    known = pc.is_valid(table.column(label))
    until = rows.known_until
    if until is None:
        return known
    assert rows.request.time is not None
    time = pc.cast(table.column(rows.request.time), pa.timestamp("us", "UTC"))
    return pc.and_(known, pc.less_equal(time, pa.scalar(until, pa.timestamp("us", "UTC"))))


def _measure(metric: str, then: float | None, now: float | None, draws: Floats, spec: MonitorSpec) -> Measure:
    """How much worse the metric is: its difference, of errors as a share of what it was."""
    if then is None or now is None or not len(draws):
        return Measure("performance", None, spec.performance)
    less = metric in LESS_IS_BETTER
    scale = abs(then) if less and then else 1.0
    worse = ((now - then) if less else (then - now)) / scale
    unlikely = float((np.count_nonzero(draws <= then if less else draws >= then) + 1) / (len(draws) + 1))
    text = f"The {metric} is {now:.4g}, and was {then:.4g}."
    measure = Measure("performance", max(worse, 0.0), spec.performance, OK, None, unlikely, unlikely, text)
    found = judged(measure, max(spec.chance, 0.01))
    return found if found.level in (OK, WARN) or worse >= spec.performance else measure


# -- contributions -----------------------------------------------------------------------------------------------------


def shifts_of(version: ModelVersion, before: Path, now: Path) -> dict[str, float]:
    """By how much each input moves the raw score more, or less, than it did: empty where the library does not say."""
    codec = codecs.codec_named(version.codec)
    if not isinstance(codec, Explaining):
        return {}
    model = registry.read_model(version)
    means = []
    for file in (before, now):
        table = _some(file, [one.name for one in version.signature.inputs])
        if not table.num_rows:
            return {}
        added = codec.contributions(model, InputRows(table, version.signature.inputs))
        means.append(added.mean(axis=(0, 1))[:-1])
    names = (one.name for one in version.signature.inputs)
    return {name: float(after - first) for name, first, after in zip(names, *means, strict=True)}


def shares_of(shifts: Mapping[str, float]) -> dict[str, float]:
    """Each input's part in all that has been moved, whichever way."""
    total = sum(abs(shift) for shift in shifts.values())
    return {name: abs(shift) / total for name, shift in shifts.items()} if total else {}


def _some(file: Path, columns: list[str]) -> pa.Table:
    """Rows at even distances, no more than are explained."""
    table = pq.read_table(file, columns=columns)
    step = max(1, -(-table.num_rows // EXPLAINED))
    return table.take(pa.array(np.arange(0, table.num_rows, step)))
