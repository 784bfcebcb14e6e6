"""A trained model judged on every split of its training set: metrics, calibration, slices, importances, curves.

Everything is found from the model as it was kept, by the predictions that it gives; only the curves are what training
told of itself. Runs in the hook's child process, on what is there to be had: a bounded number of slices, of values in
each, of rows that permutation importances are measured on. Knows codecs and splits, not how hooks are run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.engine.profile import ProfileRequest, Shape
from sqlfeat.errors import HookError
from sqlfeat.ops import metrics as measures
from sqlfeat.ops.metrics import BINARY, FIRST, LESS_IS_BETTER, MULTICLASS, REGRESSION, Labels, Metrics
from sqlfeat.ops.monitoring import profiles
from sqlfeat.spec.trainer import PERMUTED_ROWS
from sqlfeat.store import codecs
from sqlfeat.store.codecs import Codec
from sqlfeat.store.signature import PROBABILITIES, Floats, Output, Signature
from sqlfeat.store.training_set import TrainingSet
from sqlfeat.training_data import Split, TrainingData

SLICED_COLUMNS = 8
SLICED_VALUES = 20
"""So many columns are sliced where none are named, each of at most so many categories; values beyond are together."""
_PREDICTIONS = 2_000_000
"""What permutation importances may cost at most, in rows that are predicted."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of an evaluation beside metrics; ``slices`` is None where the training set decides."""

    slices: Sequence[str] | None = None
    permutation: int = PERMUTED_ROWS


@dataclass(frozen=True)
class _Judged:
    """The rows of a split that a model has predicted."""

    split: Split
    labels: Labels
    predictions: Floats
    weight: Floats
    groups: Any

    def some(self, rows: Any) -> _Judged:
        """Some of these rows."""
        groups = None if self.groups is None else self.groups[rows]
        return _Judged(self.split, self.labels[rows], self.predictions[rows], self.weight[rows], groups)


class Evaluator:
    """One model on one training set; each split is predicted once."""

    def __init__(self, codec: Codec, model: Any, signature: Signature, data: TrainingData) -> None:
        self._codec = codec
        self._model = model
        self._signature = signature
        self._data = data
        self._judged = dict(self._all_judged())
        labels = [judged.labels for judged in self._judged.values()]
        grouped = data.group is not None
        self.task = measures.task_of(signature.output, np.concatenate(labels), grouped=grouped) if labels else None

    def metrics(self) -> dict[str, Metrics]:
        """The metrics of every split, none for one without rows."""
        return {name: self._measured(self._judged[name]) if name in self._judged else {} for name in self._data.splits}

    def calibration(self) -> dict[str, Any]:
        """What was predicted and what came, split by split."""
        told = {name: self._calibration_of(judged) for name, judged in self._judged.items()}
        return {name: one for name, one in told.items() if one}

    def slices(self, columns: Sequence[str]) -> dict[str, Any]:
        """The metrics of each value of these columns, on the splits that the model did not learn from."""
        judged = {name: one for name, one in self._judged.items() if name != "train"} or self._judged
        if not columns:
            return {}
        return {name: {column: self._sliced(one, column) for column in columns} for name, one in judged.items()}

    def predictions(self) -> dict[str, Any]:
        """A profile of what was predicted, split by split: what later predictions are compared with."""
        as_of, found = self._data.training_set.as_of, {}
        shapes: Mapping[str, Shape] = {}
        for name, judged in self._judged.items():
            columns = predicted_columns(self._signature.output, judged.predictions)
            table = pa.table({**columns, "as_of": judged.split.arrow().column(as_of)})
            kinds = tuple((column, "DOUBLE") for column in columns)
            found[name] = profiles.of_table(table, ProfileRequest(kinds, "as_of", window=None, shapes=shapes))
            shapes = shapes or found[name].shapes
        return {name: one.as_dict() for name, one in found.items()}

    def permutation(self, most: int) -> dict[str, float]:
        """How much worse the first metric becomes when the values of an input are shuffled among the rows."""
        judged = self._unseen()
        inputs = self._signature.inputs
        if judged is None or not most or self.task is None or not inputs:
            return {}
        rows = self._sample(judged, min(most, _PREDICTIONS // len(inputs)))
        some = judged.some(rows)
        table = judged.split.inputs().take(pa.array(rows))
        before = self._first(some)
        if before is None:
            return {}
        worse: dict[str, float] = {}
        for position, one in enumerate(inputs):
            after = self._first(self._shuffled(some, table, one.name, position))
            if after is not None:
                worse[one.name] = after - before if FIRST[self.task] in LESS_IS_BETTER else before - after
        return worse

    def _all_judged(self) -> Iterator[tuple[str, _Judged]]:
        for name, split in self._data.splits.items():
            if self._data.training_set.label is None or not len(split):
                continue
            found = self._predict(split.arrow())
            weight = np.ones(len(split)) if split.weight is None else split.weight
            yield name, _Judged(split, split.label, found, weight, split.groups)

    def _predict(self, table: pa.Table) -> Floats:
        return codecs.predict(self._codec, self._model, self._signature.inputs, table)

    def _measured(self, judged: _Judged) -> Metrics:
        output = self._signature.output
        return measures.evaluate(
            output, judged.labels, judged.predictions, judged.weight, task=self.task, groups=judged.groups
        )

    def _first(self, judged: _Judged) -> float | None:
        return self._measured(judged).get(FIRST[self.task or REGRESSION])

    def _calibration_of(self, judged: _Judged) -> dict[str, Any]:
        classes, scores = self._signature.output.classes or (), judged.predictions
        if not len(scores) or not np.all(np.isfinite(scores)):
            return {}
        if self.task == BINARY and np.all((scores >= 0) & (scores <= 1)):
            return _calibrated(measures.positive(judged.labels, classes or None), scores, judged.weight, "probability")
        if self.task == MULTICLASS:
            right = np.argmax(scores, axis=1) == measures.positions(judged.labels, classes)
            return _calibrated(right, np.max(scores, axis=1), judged.weight, "confidence")
        if self.task == REGRESSION:
            return _calibrated(judged.labels.astype(np.float64), scores, judged.weight, "value")
        return {}

    def _sliced(self, judged: _Judged, column: str) -> dict[str, Any]:
        """The values with most rows, one by one, and all others together."""
        values = pc.dictionary_encode(_combined(judged.split.arrow().column(column)), null_encoding="encode")
        codes = values.indices.to_numpy(zero_copy_only=False)
        names = values.dictionary.to_pylist()
        rows = np.bincount(codes, minlength=len(names))
        order = sorted(range(len(names)), key=lambda code: (-rows[code], names[code] is None, str(names[code])))
        first, rest = order[:SLICED_VALUES], order[SLICED_VALUES:]
        told = [{"value": _plain(names[code]), **self._slice(judged, codes == code)} for code in first]
        others = {"values": len(rest), **self._slice(judged, np.isin(codes, rest))} if rest else None
        return {"values": told, "others": others}

    def _slice(self, judged: _Judged, rows: Any) -> dict[str, Any]:
        return {"rows": int(np.count_nonzero(rows)), "metrics": self._measured(judged.some(rows))}

    def _unseen(self) -> _Judged | None:
        """The split that is nearest to what the model will meet: never test while there is another."""
        for name in ("validation", "test", *reversed(self._judged)):
            if name in self._judged:
                return self._judged[name]
        return None

    def _sample(self, judged: _Judged, most: int) -> Any:
        """So many of the rows, in their order; rows that are ranked against each other stay together."""
        rows = len(judged.labels)
        if rows <= most:
            return np.arange(rows)
        random = np.random.default_rng(self._data.seed)
        if judged.groups is None:
            return np.sort(random.choice(rows, size=max(most, 1), replace=False))
        _, group, sizes = np.unique(judged.groups, return_inverse=True, return_counts=True)
        drawn = random.permutation(len(sizes))
        return np.flatnonzero(np.isin(group, drawn[: max(int(np.sum(np.cumsum(sizes[drawn]) <= most)), 1)]))

    def _shuffled(self, judged: _Judged, table: pa.Table, name: str, position: int) -> _Judged:
        """The same rows, predicted with one input's values in another order."""
        order = np.random.default_rng([self._data.seed, position]).permutation(table.num_rows)
        place = table.column_names.index(name)
        found = self._predict(table.set_column(place, name, table.column(name).take(pa.array(order))))
        return replace(judged, predictions=found)


def predicted_columns(output: Output, found: Floats) -> dict[str, Floats]:
    """What a model gives as columns that are watched: a number, or the probability of each class."""
    if output.kind != PROBABILITIES:
        return {"prediction": found}
    return {f"probability_{one}": found[:, place] for place, one in enumerate(output.classes or ())}


def evaluate_fully(evaluator: Evaluator, data: TrainingData, wanted: Wanted) -> tuple[dict[str, Any], dict[str, float]]:
    """The reports on a model, and its permutation importances."""
    slices = sliced_columns(data.training_set, wanted.slices)
    reports = {
        "calibration": evaluator.calibration(),
        "slices": evaluator.slices(slices),
        "predictions": evaluator.predictions(),
    }
    return {name: report for name, report in reports.items() if report}, evaluator.permutation(wanted.permutation)


def curves_of(model: Any, data: TrainingData) -> dict[str, Any]:
    """How training went, round by round: what the hook kept, and what the model itself remembers."""
    remembered = getattr(model, "evals_result_", None)
    if remembered is None and hasattr(model, "get_evals_result"):
        remembered = model.get_evals_result()
    if isinstance(remembered, Mapping):
        for split, by_name in remembered.items():
            logged = data.logged_curves.get(split, {})
            data.log_curves({split: {name: values for name, values in by_name.items() if name not in logged}})
    return dict(data.logged_curves)


def sliced_columns(training_set: TrainingSet, named: Sequence[str] | None) -> list[str]:
    """The columns to slice by: those that are named, or the first inputs that have few categories."""
    if named is None:
        few = [one.name for one in training_set.inputs if one.categories and len(one.categories) <= SLICED_VALUES]
        return few[:SLICED_COLUMNS]
    columns = {column.name: column for column in training_set.columns}
    for name in named:
        kind = columns[name].type if name in columns else None
        if kind is None or not _can_be_sliced(kind):
            what = "has no column" if kind is None else f"has a column of type {kind},"
            able = ", ".join(column.name for column in columns.values() if _can_be_sliced(column.type))
            raise HookError(
                "bad-slices",
                f"The training set {training_set.name} {what} {name!r} to slice by.",
                hint=f"there are {able}.",
            )
    return list(dict.fromkeys(named))


_SLICEABLE = ("VARCHAR", "BOOLEAN", "DATE", "ENUM", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT")


def _can_be_sliced(kind: str) -> bool:
    return kind.upper().startswith(_SLICEABLE)


def _calibrated(truth: Any, scores: Floats, weight: Floats, of: str) -> dict[str, Any]:
    """Bins of equal weight, and for probabilities those of equal width, from which the error is found."""
    quantiles = measures.reliability(truth, scores, weight, measures.equal_weight(scores, weight))
    if of == "value":
        return {"of": of, "error": measures.calibration_error(quantiles), "quantiles": quantiles}
    bins = measures.reliability(truth, scores, weight, measures.equal_width(scores))
    return {"of": of, "error": measures.calibration_error(bins), "bins": bins, "quantiles": quantiles}


def _combined(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole.cast(whole.type.value_type) if pa.types.is_dictionary(whole.type) else whole


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
