"""A sweep: the same hook over every point of a grid, in parallel, and the best of what comes of it.

The points are those of the grid in its order, the last parameter changing fastest; the best is the one with the best
metric, the first of equals. How many run at a time changes neither. A trial that fails is told and lost, the others
go on; an interrupt ends them all. Knows runs of hooks, not what is registered of them.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from sqlfeat.base.names import did_you_mean, nearest
from sqlfeat.errors import HookError, UsageError
from sqlfeat.ops.hook_run import Made, Order, report_on, run_trainer
from sqlfeat.ops.metrics import FIRST, GREATER_IS_BETTER, LESS_IS_BETTER
from sqlfeat.ops.results import Event, NodeResult
from sqlfeat.ops.session import Session
from sqlfeat.ops.surroundings import usable_cpus
from sqlfeat.spec.trainer import Grid, TrainerSpec

MOST_TRIALS = 1_000


@dataclass(frozen=True)
class Choice:
    """What the best is chosen by: a metric of a split, and whether less of it is better.

    ``name`` is None where it follows from the task, ``less`` where it follows from the metric.
    """

    split: str
    name: str | None = None
    less: bool | None = None

    def of(self, task: str | None) -> Choice:
        """The choice with nothing left open, for models of this task."""
        name = self.name or FIRST.get(task or "")
        if name is None:
            raise UsageError("bad-choice", "No metric is computed here to choose by.", hint="give --metric.")
        less = self.less if self.less is not None else name in LESS_IS_BETTER
        if self.less is None and name not in LESS_IS_BETTER | GREATER_IS_BETTER:
            similar = nearest(name, LESS_IS_BETTER | GREATER_IS_BETTER)
            say = f"say it: --metric 'min {self.split}.{name}', or max."
            raise UsageError(
                "bad-choice",
                f"Whether more or less of {name!r} is better is not known.",
                hint=f"did you mean {similar!r}? If not, {say}" if similar else say,
            )
        return Choice(self.split, name, less)

    def __str__(self) -> str:
        return f"{self.split}.{self.name}"


@dataclass(frozen=True)
class Sweep:
    """What is swept: the grid, what the best is chosen by (as text), how many trials run at a time."""

    grid: Grid
    metric: str | None = None
    jobs: int | None = None

    def points(self) -> list[dict[str, Any]]:
        """Every point of the grid, in its order."""
        if not self.grid:
            raise UsageError(
                "bad-sweep",
                "There is nothing to sweep over.",
                hint="give a grid: --grid num_leaves=15,31, or sweep: in the hook's .yml or decorator.",
            )
        count = math.prod(len(values) for values in self.grid.values())
        if count > MOST_TRIALS:
            raise UsageError(
                "bad-sweep", f"The grid has {count:,} points; a sweep has at most {MOST_TRIALS:,}.", hint="thin it out."
            )
        return [dict(zip(self.grid, point, strict=True)) for point in itertools.product(*self.grid.values())]


@dataclass(frozen=True)
class Trial:
    """One point of the grid, and what came of it: a model, or an error."""

    number: int
    point: Mapping[str, Any]
    order: Order
    seconds: float
    made: Made | None = None
    error: HookError | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "trial": self.number,
            "values": dict(self.point),
            "params": dict(self.made.params if self.made else self.order.params),
            "metrics": dict(self.made.metrics) if self.made else {},
            "seconds": round(self.seconds, 3),
            "error": None if self.error is None else self.error.as_dict(),
        }


def choice_of(text: str | None, splits: Sequence[str]) -> Choice:
    """What ``auc``, ``test.auc`` or ``min validation.cost`` mean; without a split it is validation."""
    words = (text or "").split()
    less = {"min": True, "max": False}.get(words[0]) if len(words) == 2 else None
    if len(words) > 2 or (len(words) == 2 and less is None):
        raise UsageError("bad-choice", f"{text!r} is no metric.", hint="write auc, test.auc or 'min validation.cost'.")
    split, dot, name = words[-1].partition(".") if words else ("", "", "")
    if not dot or split not in splits:
        split, name = "validation", words[-1] if words else ""
    if split not in splits:
        raise UsageError(
            "bad-choice",
            f"There is no split {split!r} to choose by; there is {', '.join(splits)}.",
            hint=f"name the split: --metric {splits[-1]}.auc, or give the training set one to choose by.",
        )
    return Choice(split, name or None, less)


class SweepRun:
    """One sweep under way."""

    def __init__(self, session: Session, sweep: Sweep, order: Order) -> None:
        self._session = session
        self._sweep = sweep
        self._order = order
        self._points = sweep.points()
        splits = [split for split, rows in order.training_set.splits.items() if rows]
        self._choice = choice_of(sweep.metric or order.spec.metric, splits)
        if self._choice.name is not None:
            self._choice.of(None)  # refused before anything is trained
        threads = session.threads or usable_cpus()
        self._jobs = min(sweep.jobs or threads, len(self._points))
        self._threads = max(1, threads // self._jobs)
        self._stop = threading.Event()

    def best(self) -> tuple[Trial, Mapping[str, Any]]:
        """The best trial, judged in full, and what is told of the whole sweep."""
        trials = sorted(self._all(), key=lambda trial: trial.number)
        best, choice = self._chosen(trials)
        assert best.made is not None
        reports, importances = report_on(self._session.spec, best.order, best.made, on_line=self._say)
        told = {
            "metric": str(choice),
            "better": "less" if choice.less else "greater",
            "grid": [{"param": name, "values": list(values)} for name, values in self._sweep.grid.items()],
            "best": best.number,
            "trials": [trial.as_dict() for trial in trials],
        }
        made = replace(best.made, reports={**reports, "sweep": told}, importances=importances)
        return replace(best, made=made), told

    def _all(self) -> Iterator[Trial]:
        """The trials as they end; whatever stops this stops them."""
        self._session.listener(Event("plan", total=len(self._points)))
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="trial") as pool:
            try:
                begun = [pool.submit(self._trial, number, point) for number, point in enumerate(self._points, 1)]
                for ended, future in enumerate(as_completed(begun), 1):
                    trial = future.result()
                    self._tell(trial, ended)
                    yield trial
            finally:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _trial(self, number: int, point: Mapping[str, Any]) -> Trial:
        folder = self._order.work / f"trial{number}"
        folder.mkdir()
        order = replace(
            self._order,
            params={**self._order.params, **point},
            work=folder,
            full=False,
            label=f"{self._order.spec.name}.trial{number}",
            threads=self._threads,
        )
        clock = self._session.clock
        started = clock.monotonic()
        self._session.listener(Event("start", name=_named(point)))
        try:
            made = run_trainer(self._session.spec, order, on_line=lambda line: None, stop=self._stop)
        except HookError as error:
            return Trial(number, point, order, clock.monotonic() - started, error=error)
        return Trial(number, point, order, clock.monotonic() - started, made)

    def _tell(self, trial: Trial, ended: int) -> None:
        """One line for each trial that has ended."""
        if trial.made is None:
            reason = trial.error.what if trial.error else ""
        else:
            choice = self._choice.of(trial.made.task)
            value = self._value(trial, choice)
            reason = f"{choice} {'null' if value is None else f'{value:.6g}'}"
        status = "trained" if trial.made else "failed"
        result = NodeResult(_named(trial.point), "trial", status, None, trial.seconds, reason, trial.error)
        self._session.listener(Event("end", result.name, "trial", ended, len(self._points), trial.seconds, result))

    def _value(self, trial: Trial, choice: Choice) -> float | None:
        """The metric of a trial; raises where it has none of that name, None where it is not defined."""
        assert trial.made is not None
        known = trial.made.metrics.get(choice.split, {})
        if choice.name not in known:
            hint = did_you_mean(str(choice.name), known)
            raise UsageError("bad-choice", f"The split {choice.split!r} has no metric {choice.name!r}.", hint=hint)
        value: float | None = known[choice.name]
        return value

    def _chosen(self, trials: Sequence[Trial]) -> tuple[Trial, Choice]:
        made = [trial for trial in trials if trial.made is not None]
        if not made:
            raise _nothing_came(trials, self._order.spec)
        choice = self._choice.of(made[0].made.task if made[0].made else None)
        sign = 1 if choice.less else -1
        ranked = [
            (sign * value, trial.number, trial) for trial in made if (value := self._value(trial, choice)) is not None
        ]
        if not ranked:
            what = f"The metric {choice} is not defined for any of the {len(made)} trials."
            raise UsageError("bad-choice", what, hint="choose by another: --metric.")
        return min(ranked, key=lambda one: one[:2])[2], choice

    def _say(self, line: str) -> None:
        self._session.listener(Event("log", name=self._order.spec.name, text=line))


def _named(point: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in point.items())


def _nothing_came(trials: Sequence[Trial], spec: TrainerSpec) -> HookError:
    errors = [trial.error for trial in trials if trial.error is not None]
    first = errors[0]
    told = [f"{_named(trial.point)}: {trial.error.what}" for trial in trials[:10] if trial.error is not None]
    return HookError(
        "sweep-failed", f"All {len(trials)} trials of {spec.name} failed.", first.where, first.hint, details=told
    )
