"""Which rows belong to which part of a training set, as SQL over its outputs.

By time: a row belongs to the part whose ``[start, next start)`` holds its as-of time, if its label was known before
the next part begins: ``t + embargo <= next start``. By hash: the first 8 bytes of sha256 of the seed and the row's
values as text, as a share of 2^64; with strata, by rank among those of its stratum. A row of no part stays in the
set, with a null split, and reaches no hook. Folds are several such cuts over the same rows. What the cuts give is
counted elsewhere.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlfeat.base.names import did_you_mean, literal, quote
from sqlfeat.compiler.manifest import CompiledModel, TrainingSetPlan
from sqlfeat.errors import ProjectError, RunError
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.split import FoldsConfig, SplitConfig
from sqlfeat.store.training_set import WHOLE

SEPARATOR = "\x1f"
MOST_STRATA = 1_000
TRAIN, TEST = "train", "test"
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Ask = Callable[[Sequence[str]], tuple[Any, ...]]
"""Aggregates over all rows of the set."""


@dataclass(frozen=True)
class Fold:
    """One cut of several: conditions of what is learned from and what is tested on, and what they were made of."""

    name: str
    train: str
    test: str
    bounds: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """Part → SQL condition, in the order of the parts; without a split one part, ``all``, of everything.

    ``folds`` cut the rows of the part ``all`` further, each in its own way.
    """

    conditions: Mapping[str, str]
    folds: tuple[Fold, ...] = ()

    @property
    def case(self) -> str:
        """The name of a row's part, or null, as one expression."""
        cases = " ".join(f"when {condition} then {literal(name)}" for name, condition in self.conditions.items())
        return f"case {cases} end"


def check_split(model: CompiledModel) -> None:
    """Raise :class:`ProjectError` where the split names what is no output."""
    split, plan = model.config.split, model.training_set
    assert plan is not None
    own = {output.name.casefold() for output in plan.outputs}
    fitted = {name.casefold() for one in plan.transforms for name in one.outputs}
    for name in (*split.on, *split.stratify) if split else ():
        if name.casefold() in fitted:
            what = f"split names {name!r}, which is fitted on the train split itself."
            raise ProjectError("transform-cycle", what, model.place("split"), "split by what the transform is of.")
        if name.casefold() not in own:
            hint = did_you_mean(name, [output.name for output in plan.outputs])
            what = f"split names {name!r}, which is no output of this SELECT."
            raise ProjectError("missing-output", what, model.place("split"), hint or f"add {name} to the list.")


def parts_of(model: CompiledModel, horizon: Duration | None, ask: Ask, known: str = "true") -> Parts:
    """The parts of a training set; ``ask`` is asked where they depend on the rows, ``known`` where labels are known.

    ``horizon`` is that of the labels, which is the embargo where none is given.
    """
    split, plan = model.config.split, model.training_set
    assert plan is not None
    if split is None:
        return Parts({WHOLE: "true"})
    embargo = tuple(span for span in (split.embargo or horizon, split.gap) if span)
    if split.folds is not None and split.folds.by == "time":
        return _rolling(split.folds, plan, embargo, ask, known)
    if split.folds is not None:
        return _drawn_folds(split, split.folds.count, model.config.keys, ask)
    if split.by == "time":
        return Parts(_by_time(split, plan.as_of, embargo))
    return Parts(_by_hash(split, model.config.keys, ask))


# -- by time -----------------------------------------------------------------------------------------------------------


def as_of_instant(as_of: str) -> str:
    """The SQL of a row's as-of time."""
    return f"cast({quote(as_of)} as timestamptz)"


def label_known(as_of: str, horizon: Duration | None) -> str:
    """The SQL of when a row's label is known."""
    return f"{as_of_instant(as_of)} + {horizon.sql()}" if horizon else as_of_instant(as_of)


def open_labels(plan: TrainingSetPlan, horizon: Duration | None, known_at: datetime | None) -> str | None:
    """The condition of rows whose label was not known at an instant; None where all are, or there is no label."""
    if known_at is None or not plan.named("label"):
        return None
    return f"{label_known(plan.as_of, horizon)} > {instant_literal(known_at)}"


def label_of(plan: TrainingSetPlan, still_open: str | None) -> str | None:
    """The SQL of the label as it is given: null where it is ``still_open``."""
    name = next(iter(plan.named("label")), None)
    if name is None or still_open is None:
        return quote(name) if name else None
    return f"(case when {still_open} then null else {quote(name)} end)"


def learned_from(parts: Parts) -> str:
    """The condition of the rows that models learn from: those of ``train``, or of the first part."""
    return parts.conditions.get(TRAIN) or next(iter(parts.conditions.values()))


def instant_literal(value: datetime) -> str:
    return f"timestamptz {literal(value.isoformat())}"


def _after(as_of: str, embargo: Sequence[Duration]) -> str:
    """The SQL of when a row is far enough behind to be learned from."""
    return " + ".join([as_of_instant(as_of), *(span.sql() for span in embargo)])


def _by_time(split: SplitConfig, as_of: str, embargo: Sequence[Duration]) -> dict[str, str]:
    instant, known = as_of_instant(as_of), _after(as_of, embargo)
    conditions = {}
    for index, (name, start) in enumerate(split.starts):
        condition = f"{instant} >= {instant_literal(start)}"
        if index + 1 < len(split.starts):
            after = instant_literal(split.starts[index + 1][1])
            condition += f" and {instant} < {after} and {known} <= {after}"
        conditions[name] = condition
    return conditions


def _rolling(folds: FoldsConfig, plan: TrainingSetPlan, embargo: Sequence[Duration], ask: Ask, known: str) -> Parts:
    """Tests one after the other, the last one up to the end; each learns from what was known when it begins."""
    assert folds.test is not None
    assert folds.step is not None
    instant = as_of_instant(plan.as_of)
    end = folds.end or _end_of_labels(plan, ask, known)
    if end is None:
        return Parts({WHOLE: "false"})
    made, first = [], None
    for index in range(folds.count):
        closes = before(end, folds.step, folds.count - 1 - index)
        opens = before(closes, folds.test)
        begins = before(opens, folds.train) if folds.train else None
        opening = instant_literal(opens)
        train = f"{instant} < {opening} and {_after(plan.as_of, embargo)} <= {opening}"
        if begins is not None:
            train = f"{instant} >= {instant_literal(begins)} and {train}"
        test = f"{instant} >= {opening} and {instant} < {instant_literal(closes)}"
        told = {"train_from": begins, "test_from": opens, "test_to": closes}
        bounds = {name: value.isoformat() if value else None for name, value in told.items()}
        made.append(Fold(str(index + 1), train, test, bounds))
        first = first or begins
    whole = f"{instant} < {instant_literal(end)}"
    if first is not None:
        whole = f"{instant} >= {instant_literal(first)} and {whole}"
    return Parts({WHOLE: whole}, tuple(made))


def _end_of_labels(plan: TrainingSetPlan, ask: Ask, known: str) -> datetime | None:
    """Right after the last row whose label is there."""
    label = next(iter(plan.named("label")), None)
    there = f"({known}) and {quote(label)} is not null" if label else f"({known})"
    last = ask([f"max(epoch_us({as_of_instant(plan.as_of)})) filter (where {there})"])[0]
    return None if last is None else _EPOCH + timedelta(microseconds=int(last)) + _MICROSECOND


def before(instant: datetime, span: Duration, times: int = 1) -> datetime:
    """The instant that lies so many spans earlier; months keep the day of the month as far as there is one."""
    try:
        year, month = divmod(instant.year * 12 + instant.month - 1 - span.months * times, 12)
        day = min(instant.day, calendar.monthrange(year, month + 1)[1])
        return instant.replace(year=year, month=month + 1, day=day) - timedelta(microseconds=span.microseconds * times)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)  # before all that anybody knows of


# -- by hash -----------------------------------------------------------------------------------------------------------


def digest_of(columns: Sequence[str], seed: str) -> str:
    """The SQL of 16 hexadecimal digits, equal for rows that are equal in these columns' texts."""
    values = f" || {literal(SEPARATOR)} || ".join(f"coalesce(cast({quote(name)} as varchar), '')" for name in columns)
    return f"substr(sha256({literal(seed)} || {literal(SEPARATOR)} || {values}), 1, 16)"


def share_of(digest: str) -> str:
    """The SQL of a digest as a share of one."""
    return f"(cast('0x' || {digest} as ubigint) / 18446744073709551616.0)"


def _by_hash(split: SplitConfig, keys: tuple[str, ...], ask: Ask) -> dict[str, str]:
    digest = digest_of(split.on or keys, str(split.seed))
    ends = _running([share for _, share in split.fractions])
    ranges = _ranges(digest, ends, split.stratify, ask)
    return {name: condition for (name, _), condition in zip(split.fractions, ranges, strict=True)}


def _drawn_folds(split: SplitConfig, count: int, keys: tuple[str, ...], ask: Ask) -> Parts:
    """Each unit is tested on in one fold, and learned from in all others."""
    digest = digest_of(split.on or keys, str(split.seed))
    ends: list[float | None] = [(index + 1) / count for index in range(count - 1)]
    tests = _ranges(digest, [*ends, None], split.stratify, ask)
    folds = (Fold(str(index + 1), f"not ({test})", test) for index, test in enumerate(tests))
    return Parts({WHOLE: "true"}, tuple(folds))


def _running(shares: Sequence[float]) -> list[float | None]:
    """Where each share ends; None for one that ends with everything, however its floats add up."""
    ends: list[float | None] = []
    total = 0.0
    for share in shares:
        total += share
        ends.append(None if total > 1 - 1e-9 else total)
    return ends


def _ranges(digest: str, ends: Sequence[float | None], strata: Sequence[str], ask: Ask) -> list[str]:
    """A condition for each stretch between the ends of shares, the first from 0 on."""
    if strata:
        return _ranges_of_strata(digest, ends, strata, ask)
    share, conditions, start = share_of(digest), [], 0.0
    for end in ends:
        condition = f"{share} >= {start!r}"
        conditions.append(condition if end is None else f"{condition} and {share} < {end!r}")
        start = 1.0 if end is None else end
    return conditions


def refuse_many_strata(strata: Sequence[str], count: int) -> None:
    """Raise :class:`RunError` where columns have more values than can be strata."""
    if count > MOST_STRATA:
        raise RunError(
            "too-many-strata",
            f"{', '.join(strata)} has {count:,} different values, and at most {MOST_STRATA:,} can be strata.",
            hint="stratify by what has few values: the label, a country, a kind.",
        )


def _ranges_of_strata(digest: str, ends: Sequence[float | None], strata: Sequence[str], ask: Ask) -> list[str]:
    """The same by rank: of the units of each stratum those with the lowest digests come first."""
    stratum = f" || {literal(SEPARATOR)} || ".join(f"coalesce(cast({quote(name)} as varchar), '')" for name in strata)
    values = sorted(ask([f"list(distinct {stratum})"])[0] or ())
    refuse_many_strata(strata, len(values))
    bounded = [end for end in ends if end is not None]
    asked = []
    for value in values:
        own = f"filter (where {stratum} = {literal(value)})"
        units = f"list_sort(list(distinct {digest}) {own})"
        asked += [f"({units})[cast(round({end!r} * count(distinct {digest}) {own}) as bigint) + 1]" for end in bounded]
    found = iter(ask(asked) if asked else ())
    edges = {value: ["", *(next(found) for _ in bounded)] for value in values}
    conditions = []
    for index, end in enumerate(ends):
        cases = []
        for value in values:
            low = edges[value][index] if index < len(edges[value]) else None
            high = None if end is None else edges[value][index + 1]
            inside = "false" if low is None else f"{digest} >= {literal(low)}"
            inside += "" if high is None else f" and {digest} < {literal(high)}"
            cases.append(f"when {literal(value)} then {inside}")
        conditions.append(f"(case {stratum} {' '.join(cases)} end)" if cases else "false")
    return conditions
