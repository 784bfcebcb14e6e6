"""What a model is to be watched for: ``monitor:`` beside a feature view, a training set or a trainer.

Every key has a default, so nothing need be said. Knows plain values; what they mean is decided in ``ops.monitoring``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.spec.duration import Duration

WINDOWS = ("hour", "day", "week", "month")
THRESHOLDS = ("psi", "shift", "spread", "missing", "new_categories", "range")
"""The thresholds that a column may have for itself."""


@dataclass(frozen=True)
class MonitorSpec:
    """Thresholds and habits of one monitor.

    ``psi`` is how far a distribution may move, ``shift`` how far its middle, or the share of a category, in deviations,
    ``spread`` by what share its deviation may change, ``missing`` by how much the share of rows without a value,
    ``new_categories`` and ``range`` are the shares of rows with a category or a number that the baseline has not,
    ``volume`` is by what share the rows per window may become more (1: twice
    as many), or were more before, ``duplicates`` the share of rows that are there twice,
    ``freshness`` how old the newest row may be, ``performance`` how much worse the first metric may become.
    ``chance`` is the share of false alarms among alarms that is put up with. ``window`` and ``period`` are how finely,
    and how far back from the newest row, is looked; ``by`` are columns whose values are looked at one by one,
    ``ignore`` columns that are not looked at. ``columns`` are thresholds of single columns. Without ``profile`` no
    profile is kept when the view is built.
    """

    psi: float = 0.2
    shift: float = 0.2
    spread: float = 0.15
    missing: float = 0.03
    new_categories: float = 0.01
    range: float = 0.05
    volume: float = 1.0
    duplicates: float = 0.001
    freshness: Duration | None = None
    performance: float = 0.05
    chance: float = 0.01
    window: str = "day"
    period: Duration = field(default_factory=lambda: Duration.parse("7 days"))
    by: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    profile: bool = True

    @classmethod
    def parse(cls, value: object) -> MonitorSpec:
        """What ``monitor:`` says, or ValueError; ``false`` says that no profiles are wanted."""
        if isinstance(value, bool):
            return cls(profile=value)
        read: dict[str, Any] = {}
        for key, given in _mapping(value).items():
            if key not in _KEYS:
                hint = did_you_mean(str(key), _KEYS) or f"there are {', '.join(_KEYS)}"
                raise ValueError(f"there is no key {key!r} ({hint})")
            read[key] = _KEYS[key](key, given)
        return cls(**read)

    def threshold(self, name: str, column: str | None = None) -> float:
        """A threshold, as the column has it or as all have it."""
        own = self.columns.get(column or "", {})
        found: float = own.get(name, getattr(self, name))
        return found

    def over(self, other: MonitorSpec) -> MonitorSpec:
        """This one where it says something, else the other."""
        default = MonitorSpec()
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(other, **{name: own for name, own in said.items() if own != getattr(default, name)})

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            **told,
            "freshness": None if self.freshness is None else str(self.freshness),
            "period": str(self.period),
            "by": list(self.by),
            "ignore": list(self.ignore),
            "columns": {name: dict(own) for name, own in self.columns.items()},
        }


def _mapping(value: object) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    raise ValueError("expected a mapping of thresholds, such as {psi: 0.2}")


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{key} must be a number from 0, not {value!r}")
    return float(value)


def _chance(key: str, value: object) -> float:
    found = _number(key, value)
    if not 0 < found < 1:
        raise ValueError(f"{key} must be between 0 and 1, not {value!r}")
    return found


def _duration(key: str, value: object) -> Duration:
    try:
        found = Duration.parse(value)
    except ValueError:
        raise ValueError(f"{key} must be a span of time such as '7 days', not {value!r}") from None
    if found.months or not found.microseconds:
        raise ValueError(f"{key} must be a number of days or hours, not {value!r}")
    return found


def _window(key: str, value: object) -> str:
    if value not in WINDOWS:
        raise ValueError(f"{key} must be one of {', '.join(WINDOWS)}, not {value!r}")
    return str(value)


def _texts(key: str, value: object) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) and each for each in given):
        raise ValueError(f"{key} must be a column or a list of columns, not {value!r}")
    return tuple(given)


def _columns(key: str, value: object) -> Mapping[str, Mapping[str, float]]:
    if not isinstance(value, Mapping) or not all(isinstance(own, Mapping) for own in value.values()):
        raise ValueError(f"{key} must have a mapping for each column, such as {{delay: {{psi: 0.5}}}}")
    for name, own in value.items():
        strange = next((each for each in own if each not in THRESHOLDS), None)
        if strange is not None:
            hint = did_you_mean(str(strange), THRESHOLDS) or f"there are {', '.join(THRESHOLDS)}"
            raise ValueError(f"{key}: {name} has no threshold {strange!r} ({hint})")
    return {str(name): {each: _number(f"{name}.{each}", own[each]) for each in own} for name, own in value.items()}


def _flag(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{key} must be true or false, not {value!r}")


_KEYS: Mapping[str, Callable[[str, object], Any]] = {
    **dict.fromkeys((*THRESHOLDS, "volume", "duplicates", "performance"), _number),
    "chance": _chance,
    "freshness": _duration,
    "period": _duration,
    "window": _window,
    "by": _texts,
    "ignore": _texts,
    "columns": _columns,
    "profile": _flag,
}
