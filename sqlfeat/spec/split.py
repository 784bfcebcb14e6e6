"""How a training set is cut into parts: by time, by a hash, or into folds.

::

    {'train': '2013-01-01', 'validation': '2013-03-01', 'test': '2013-03-15', 'embargo': '1 day'}
    {'by': 'hash', 'on': 'customer_id', 'seed': 7, 'train': 0.8, 'test': 0.2}
    {'folds': ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sqlfeat.base.names import did_you_mean, is_identifier
from sqlfeat.spec.duration import Duration

_NAMED = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitConfig:
    """One way to cut; ``by`` is ``time``, ``hash`` or ``folds``, and only its own fields are set.

    By time: ``starts`` are the parts in rising order, each with its start (aware, UTC); ``embargo`` is None where
    none is given, which means the label model's horizon. By hash: rows with equal ``on`` columns stay together
    (none: the training set's keys), ``fractions`` are the parts' shares in the order given. ``folds`` is as written.
    """

    by: str
    starts: tuple[tuple[str, datetime], ...] = ()
    embargo: Duration | None = None
    on: tuple[str, ...] = ()
    seed: int = 0
    fractions: tuple[tuple[str, float], ...] = ()
    folds: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in order."""
        return tuple(name for name, _ in self.starts or self.fractions)

    def as_dict(self) -> dict[str, Any]:
        """The split as canonical JSON-able values; equal splits give equal dicts, however they were written."""
        if self.by == "time":
            starts: list[Any] = [[name, start.isoformat()] for name, start in self.starts]
            return {"by": "time", "starts": starts, "embargo": str(self.embargo) if self.embargo else None}
        if self.by == "hash":
            fractions = [[name, share] for name, share in self.fractions]
            return {"by": "hash", "on": list(self.on), "seed": self.seed, "fractions": fractions}
        return {"by": "folds", "folds": dict(self.folds)}

    @classmethod
    def parse(cls, value: object) -> SplitConfig:
        """Read what ``split`` holds; raise :class:`ValueError` with a sentence that says what is wrong."""
        if not isinstance(value, Mapping) or not value:
            raise ValueError("expected the start of each part, {'by': 'hash', …} or {'folds': …}")
        if "folds" in value:
            return cls("folds", folds=dict(value))
        by = value.get("by", "time")
        if by == "hash":
            return _by_hash(value)
        if by == "time":
            return _by_time(value)
        raise ValueError(f"'by' is 'time' or 'hash', not {by!r}")


def _by_time(value: Mapping[str, Any]) -> SplitConfig:
    embargo = Duration.parse(value["embargo"]) if value.get("embargo") is not None else None
    starts = tuple((_part(name, start), _instant(name, start)) for name, start in _parts(value, "by", "embargo"))
    if not starts:
        raise ValueError("no part is given: write for instance 'train': '2013-01-01'")
    for (earlier, start), (later, next_start) in pairwise(starts):
        if next_start <= start:
            raise ValueError(f"the parts' starts must rise, and {later!r} does not start after {earlier!r}")
    return SplitConfig("time", starts=starts, embargo=embargo)


def _by_hash(value: Mapping[str, Any]) -> SplitConfig:
    on = value.get("on", ())
    columns = (on,) if isinstance(on, str) else tuple(on) if isinstance(on, list | tuple) else (None,)
    if not all(isinstance(column, str) and column for column in columns):
        raise ValueError(f"'on' is a column or a list of columns, not {on!r}")
    seed = value.get("seed", 0)
    if type(seed) is not int:  # a bool is none
        raise ValueError(f"'seed' is a whole number, not {seed!r}")
    fractions = tuple((_part(name, share), _share(name, share)) for name, share in _parts(value, "by", "on", "seed"))
    if not fractions:
        raise ValueError("no part is given: write for instance 'train': 0.8, 'test': 0.2")
    if sum(share for _, share in fractions) > 1 + 1e-9:
        raise ValueError(f"the shares add up to {sum(share for _, share in fractions):g}, which is more than 1")
    return SplitConfig("hash", on=tuple(str(column) for column in columns), seed=seed, fractions=fractions)


def _parts(value: Mapping[str, Any], *settings: str) -> list[tuple[Any, Any]]:
    return [(name, given) for name, given in value.items() if name not in settings]


def _part(name: object, given: object) -> str:
    """A part's name; a setting that is misspelt, or not one of this kind of split, looks like a part."""
    if isinstance(name, str) and is_identifier(name) and name not in ("on", "seed", "embargo", "by"):
        return name
    known = did_you_mean(str(name), (*_NAMED, "by", "on", "seed", "embargo"))
    raise ValueError(f"{name!r} cannot be given here, {known}" if known else f"{name!r} cannot name a part")


def _instant(name: str, text: object) -> datetime:
    try:
        instant = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).strip())
    except ValueError:
        settings = did_you_mean(str(name), ("embargo", *_NAMED))
        raise ValueError(
            f"{name!r} starts at a date or timestamp such as '2013-01-01' or '2013-01-01 12:00', not {text!r}"
            + (f"; {settings}" if settings and name not in _NAMED else "")
        ) from None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _share(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
        raise ValueError(f"{name!r} takes a share between 0 and 1, not {given!r}")
    return float(given)
