"""The decorators of a project's Python: ``@trainer``, ``@on`` and ``@promotion``.

A file under ``hooks/`` is imported by a child process only, and there each decorated function is noted in a
collection of this module. The parent knows the same hooks from the text alone (``spec.hook``). Each decorator gives
the function back as it is, so that a test of the user's can call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, overload

from sqlfeat.errors import UsageError
from sqlfeat.spec.hook import EVENTS

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Trainer:
    """A function that trains, and its parameters as the decorator has them."""

    name: str
    function: Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Collected:
    """The hooks of the files that this process has imported."""

    trainers: dict[str, Trainer] = field(default_factory=dict)
    events: dict[str, list[Callable[..., Any]]] = field(default_factory=dict)
    promotions: dict[str, Callable[..., Any]] = field(default_factory=dict)


collected = Collected()


def trainer(
    training_set: str,
    params: Mapping[str, Any] | None = None,
    name: str | None = None,
    time_limit: float | str | None = None,
    memory_limit: int | str | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    metric: str | None = None,
    slices: Sequence[str] | Literal[False] | None = None,
    group: str | None = None,
    permutation: int | bool | None = None,
    monitor: Mapping[str, Any] | None = None,
) -> Callable[[Function], Function]:
    """Make a function a trainer hook: ``sqlfeat train NAME`` calls it with the data and the parameters.

    It is called as ``function(data, params)`` (or ``function(data)``) with :class:`sqlfeat.TrainingData` and a dict,
    in a child process, and returns the trained model. ``name`` is the registered model's, the function's own where
    none is given. ``time_limit`` is in seconds or a text like ``'10 minutes'``, ``memory_limit`` in bytes or a text
    like ``'4GB'``. All but ``params`` are read from the file's text and must be literals; ``trainers:`` in a ``.yml``
    beside the file may say the same things, and wins.

    ``sweep`` is the grid of ``sqlfeat train NAME --sweep``, a list of values for each parameter, and ``metric`` is what
    the best is chosen by: ``'auc'``, ``'test.auc'``, ``'min cost'``. ``slices`` are columns whose values are judged one
    by one, ``group`` is the column whose rows are ranked against each other, ``permutation`` is how many rows
    permutation importances are measured on (False: none). ``monitor`` are thresholds for ``sqlfeat monitor NAME``.

    For the same bytes at every training give LightGBM ``deterministic`` and ``force_row_wise`` beside a ``seed``.
    """

    def note(function: Function) -> Function:
        known_as = function.__name__ if name is None else name
        collected.trainers[known_as] = Trainer(known_as, function, dict(params or {}))
        return function

    return note


def on(event: str) -> Callable[[Function], Function]:
    """Make a function an event hook: it is called with a dict of what happened, in a child process."""
    if event not in EVENTS:
        raise UsageError("unknown-event", f"{event!r} is no event.", hint=f"there are {', '.join(EVENTS)}.")

    def note(function: Function) -> Function:
        collected.events.setdefault(event, []).append(function)
        return function

    return note


@overload
def promotion(model: Function) -> Function: ...
@overload
def promotion(model: str | None = None) -> Callable[[Function], Function]: ...
def promotion(model: Function | str | None = None) -> Function | Callable[[Function], Function]:
    """Make a function one that is asked before a version gets an alias that others rely on.

    Written as ``@promotion``, or as ``@promotion("late_lgbm")`` for one registered model. It is called in a child
    process with those facts that it names as parameters, such as ``candidate`` and ``champion``, or with a dict of
    all where it names none. True lets the version pass; False, or a text with the reason, refuses it.
    """

    def note(function: Function) -> Function:
        collected.promotions[function.__name__] = function
        return function

    return note if model is None or isinstance(model, str) else note(model)
