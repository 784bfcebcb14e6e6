"""How two registered versions compare on one metric, as fairly as can be had.

Metrics of different rows say little about each other. So where the two were not measured on the same rows, the
champion is asked for predictions of the candidate's rows, if those are kept and mean to it what they meant when it
learned; where they do not, what was recorded is compared, and it is said that this is no fair comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow.parquet as pq

from sqlfeat.errors import SqlfeatError, StoreError
from sqlfeat.ops import metrics as measures
from sqlfeat.ops.metrics import BINARY, FIRST, LESS_IS_BETTER, MULTICLASS, RANKING, REGRESSION
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_sets import folder_of
from sqlfeat.store import codecs, registry
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, SCORE
from sqlfeat.store.training_set import TrainingSet
from sqlfeat.store.training_sets import find
from sqlfeat.training_data import TrainingData

RECORDED, PREDICTED, APART = "recorded", "predicted", "apart"
"""On the same rows, as both recorded it; on the candidate's rows, predicted now; on different rows."""
_JUDGED_BY = ("test", "validation", "all", "train")


@dataclass(frozen=True)
class Comparison:
    """One metric of both versions; ``how`` says on which rows. A value is None where it is not defined."""

    metric: str
    split: str
    candidate: float | None
    champion: float | None
    how: str = RECORDED
    greater_is_better: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def worse_by(self) -> float | None:
        """By how much the candidate is worse than the champion; less than 0 where it is better."""
        if self.candidate is None or self.champion is None:
            return None
        difference = self.champion - self.candidate
        return difference if self.greater_is_better else -difference

    def as_dict(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "split": self.split,
            "candidate": self.candidate,
            "champion": self.champion,
            "how": self.how,
            "greater_is_better": self.greater_is_better,
        }


def key_metric(version: ModelVersion, named: str | None = None, split: str | None = None) -> tuple[str, str] | None:
    """The split and the metric that a version is known by; None where it has none.

    ``named`` may be ``auc`` or ``test.auc``. Unless it is said the metric is the first of its task, on the split that
    was kept for judging.
    """
    if named is not None and "." in named and named.partition(".")[0] in version.metrics:
        split, _, named = named.partition(".")
    splits = [split] if split else [one for one in _JUDGED_BY if version.metrics.get(one)] or list(version.metrics)
    if not splits:
        return None
    there = version.metrics.get(splits[0], {})
    known = [named] if named else [one for one in _firsts(version) if there.get(one) is not None]
    if known:
        return splits[0], known[0]
    return (splits[0], next(iter(there))) if there else None


def _firsts(version: ModelVersion) -> tuple[str, ...]:
    kind = version.signature.output.kind
    own = {PROBABILITY: BINARY, PROBABILITIES: MULTICLASS, SCORE: BINARY}.get(kind, REGRESSION)
    return (FIRST[own], FIRST[RANKING], *FIRST.values())


def compared(
    session: Session,
    candidate: ModelVersion,
    champion: ModelVersion,
    key: tuple[str, str],
    greater_is_better: bool | None = None,
) -> Comparison:
    """Both on one metric; ``greater_is_better`` is for a metric of the hook's own."""
    split, metric = key
    greater = metric not in LESS_IS_BETTER if greater_is_better is None else greater_is_better
    recorded = Comparison(
        metric, split, _value(candidate, key), _value(champion, key), RECORDED, greater_is_better=greater
    )
    if candidate.training_set.get("id") == champion.training_set.get("id"):
        return recorded
    try:
        training_set = find(folder_of(session), f"{candidate.training_set['name']}@{candidate.training_set['id']}")
        value = _predicted(training_set, split, metric, candidate, champion)
    except _NotFairError as error:
        why = str(error)
    except SqlfeatError as error:
        why = error.what.rstrip(".")
    else:
        overlap = _overlap(session, training_set, split, champion)
        return replace(recorded, champion=value, how=PREDICTED, warnings=(overlap,) if overlap else ())
    warning = (
        f"{metric} on {split} was measured on different rows ({_set(candidate)}; {_set(champion)}), so the two values "
        f"say little about each other: {why}"
    )
    return replace(recorded, how=APART, warnings=(warning,))


class _NotFairError(Exception):
    """Why the champion cannot be asked about the candidate's rows."""


def _predicted(
    training_set: TrainingSet, split: str, metric: str, candidate: ModelVersion, champion: ModelVersion
) -> float | None:
    """The champion's metric on the candidate's rows."""
    if candidate.training_set.get("definition") != champion.training_set.get("definition"):
        raise _NotFairError("the champion was trained on another definition of the training set")
    if candidate.transforms != champion.transforms:
        raise _NotFairError("transforms were fitted on other rows for the champion, so its inputs have other values")
    data = TrainingData(training_set)
    if split not in data.splits:
        raise _NotFairError(f"the candidate's training set has no split {split}")
    rows = data.splits[split]
    codec, model = codecs.codec_named(champion.codec), registry.read_model(champion)
    found = codecs.predict(codec, model, champion.signature.inputs, rows.arrow())
    values = measures.evaluate(champion.signature.output, rows.label, found, rows.weight)
    if metric not in values:
        raise _NotFairError(f"{metric} is not one that sqlfeat computes of these rows")
    return values[metric]


def _overlap(session: Session, rows: TrainingSet, split: str, champion: ModelVersion) -> str | None:
    """A warning where the champion has learned from rows that it is now judged by, or may have."""
    learned = f"{champion.training_set['name']}@{champion.training_set['id']}"
    try:
        other = find(folder_of(session), learned)
    except StoreError:
        return f"whether {champion.reference} learned from some of these rows is not known: {learned} is not kept"
    part = next((name for name in ("train", "all") if name in other.splits), None)
    identity = [rows.as_of, *rows.named("key")]
    if part is None or not {*identity} <= {column.name for column in other.columns}:
        return None
    mine, theirs = (pq.read_table(one.file(name), columns=identity) for one, name in ((rows, split), (other, part)))
    shared = mine.join(theirs, identity, join_type="left semi", use_threads=False).num_rows
    if not shared:
        return None
    return f"{champion.reference} learned from {shared:,} of these {mine.num_rows:,} rows, which favours it"


def _value(version: ModelVersion, key: tuple[str, str]) -> float | None:
    split, metric = key
    return version.metrics.get(split, {}).get(metric)


def _set(version: ModelVersion) -> str:
    return f"{version.reference} on {version.training_set.get('name')} {version.training_set.get('id')}"
