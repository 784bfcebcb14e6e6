"""What a project says of a trainer: in its decorator, and over that under ``trainers:`` in a ``.yml`` of ``hooks/``.

Both know the same keys with the same values, told apart only by how they are written; :data:`SETTINGS` reads them.
Parameters and sweeps of both are added up key by key, of everything else the file's value wins. Knows plain values
and their places, not syntax trees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlfeat.base.yaml import Node
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.monitor import MonitorSpec
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.section import Section

Grid = Mapping[str, tuple[Any, ...]]
PERMUTED_ROWS = 3_000
"""How many rows the permutation importances are measured on, where nothing else is said."""
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B\s*", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclass(frozen=True)
class TrainerSpec:
    """A function under ``@trainer(...)``, with what the project's files say of it besides.

    ``name`` is the hook's and its registered model's. ``params`` are the decorator's, None where they are no literal;
    ``given`` are those of a file, which win. ``time_limit`` is in seconds, ``memory_limit`` in bytes. ``sweep`` is the
    grid, parameter by parameter; ``metric`` is what the best is chosen by. ``slices`` are the columns whose values
    are judged one by one (None: the small categories); ``group`` is the column whose rows are ranked against each
    other; ``permutation`` is how many rows permutation importances are measured on, 0 for none of them. ``monitor`` is
    what the registered model is watched for. ``path`` is absolute, ``place`` is where the function's name stands,
    ``places`` are those of the settings.
    """

    name: str
    training_set: str
    function: str
    path: Path
    place: Place
    training_set_place: Place
    params: Mapping[str, Any] | None = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    time_limit: float | None = None
    memory_limit: int | None = None
    sweep: Grid = field(default_factory=dict)
    metric: str | None = None
    slices: tuple[str, ...] | None = None
    group: str | None = None
    permutation: int = PERMUTED_ROWS
    monitor: MonitorSpec = field(default_factory=MonitorSpec)
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line

    def place_of(self, setting: str) -> Place:
        """Where a setting was said; the function's own place where it was not."""
        return self.places.get(setting, self.place)

    def overridden(self, said: TrainerSettings) -> TrainerSpec:
        """This trainer with what a file says of it."""
        values = {**said.values, "sweep": {**self.sweep, **said.values.get("sweep", {})}}
        return replace(self, given=said.params, places={**self.places, **said.places}, **values)


@dataclass(frozen=True)
class TrainerSettings:
    """What a file says of a trainer: its parameters, and the values of its settings by name."""

    name: str
    place: Place
    params: Mapping[str, Any]
    values: Mapping[str, Any]
    places: Mapping[str, Place]


def read_trainers(node: Node, problems: Problems) -> Iterator[TrainerSettings]:
    """What a ``.yml`` of ``hooks/`` says under ``trainers:``; what is wrong is noted."""
    file = Section(node, "a hooks file", problems)
    file.only(("version", "trainers"))
    for section in file.sections("trainers", "a trainer"):
        section.only(("name", "description", "params", *SETTINGS))
        name = section.name("hook")
        values: dict[str, Any] = {}
        for key in SETTINGS:
            found = section.get(key)
            if found is not None:
                with problems.collected():
                    values[key] = read_setting(key, _numbers(found.value), found.place, "bad-value")
        if name is not None:
            params = _numbers(section.mapping("params"))
            places = {key: found.place for key in values if (found := section.get(key)) is not None}
            yield TrainerSettings(name, section.named_place, params, values, places)


def _numbers(value: Any) -> Any:
    """The value with ``1e-3`` as the number that everybody means; YAML 1.1 reads it as text."""
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value


def read_setting(name: str, value: object, place: Place, code: str) -> Any:
    """The value of a setting, or an error at its place."""
    try:
        return SETTINGS[name](value)
    except ValueError as error:
        raise ProjectError(code, f"{name}: {error}.", place) from None


def _seconds(value: object) -> float:
    if isinstance(value, str):
        duration = Duration.parse(value)
        if duration.months or not duration.microseconds:
            raise ValueError(f"{value!r} is no time limit")
        return duration.microseconds / 1_000_000
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{value!r} is no number of seconds, nor a text like '10 minutes'")
    return float(value)


def _bytes(value: object) -> int:
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match:
        base = 1024 if match[3] else 1000
        return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{value!r} is no number of bytes, nor a text like '2GB'")
    return value


def _grid(value: object) -> Grid:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError("write each parameter with a list of its values, as in {'num_leaves': [15, 31]}")
    for key, values in value.items():
        if not isinstance(values, list | tuple) or not values:
            raise ValueError(f"{key} needs a list of values, as in {{{key!r}: [1, 2]}}")
    return {key: tuple(values) for key, values in value.items()}


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no text")
    return value.strip()


def _columns(value: object) -> tuple[str, ...]:
    if value is False:
        return ()
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) and each for each in given):
        raise ValueError(f"{value!r} is no list of columns, nor False")
    return tuple(given)


def _rows(value: object) -> int:
    if isinstance(value, bool):
        return PERMUTED_ROWS if value else 0
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no number of rows, nor False")
    return value


SETTINGS: Mapping[str, Callable[[object], Any]] = {
    "time_limit": _seconds,
    "memory_limit": _bytes,
    "sweep": _grid,
    "metric": _text,
    "slices": _columns,
    "group": _text,
    "permutation": _rows,
    "monitor": MonitorSpec.parse,
}
"""Everything that may be said of a trainer beside its name, its training set and its parameters."""
