"""How a training set is cut into parts: by time, by a hash, or into folds.

::

    {'train': '2013-01-01', 'validation': '2013-03-01', 'test': '2013-03-15', 'embargo': '1 day'}
    {'by': 'hash', 'on': 'customer_id', 'seed': 7, 'train': 0.8, 'test': 0.2}
    {'by': 'folds', 'folds': 5, 'train': '90 days', 'test': '14 days', 'end': '2013-04-01', 'embargo': '1 day'}
    {'by': 'hash', 'folds': 5, 'on': 'customer_id', 'seed': 7}

An embargo is a span, or ``'horizon + 7 days'``.

What the columns are that it names, and which rows are where, is known elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sqlfeat.base.names import did_you_mean, is_identifier
from sqlfeat.spec.duration import Duration

_NAMED = ("train", "validation", "test")
_SETTINGS = ("by", "on", "seed", "stratify", "embargo", "folds", "step", "end")
UNBOUNDED = "unbounded"
HORIZON = "horizon"
MOST_FOLDS = 100


@dataclass(frozen=True)
class FoldsConfig:
    """Several cuts into what is learned from and what is tested on, one after the other.

    ``by`` is ``time`` (a rolling origin) or ``hash`` (each unit is tested on once). By time each fold tests on a
    stretch of length ``test``, which begins ``step`` after the one before; the last one ends at ``end`` (None: with
    the last label), and each learns from the ``train`` before its test (None: from the beginning).
    """

    by: str
    count: int
    test: Duration | None = None
    train: Duration | None = None
    step: Duration | None = None
    end: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        shape: dict[str, Any] = {"by": self.by, "count": self.count}
        if self.by == "time":
            spans = {"test": self.test, "train": self.train, "step": self.step}
            shape |= {name: str(span) if span else None for name, span in spans.items()}
            shape["end"] = self.end.isoformat() if self.end else None
        return shape


@dataclass(frozen=True)
class SplitConfig:
    """One way to cut; ``by`` is ``time``, ``hash`` or ``folds``, and only its own fields are set.

    By time: ``starts`` are the parts in rising order, each with its start (aware, UTC); ``embargo`` is None where
    none is given, which means the label model's horizon; ``gap`` is what comes on top of that. By hash: rows with equal
    ``on`` columns stay together (none: the training set's keys), ``fractions`` are the parts' shares in the order
    given; ``stratify`` are columns within whose values the shares hold. ``folds`` has several cuts, by either.
    """

    by: str
    starts: tuple[tuple[str, datetime], ...] = ()
    embargo: Duration | None = None
    gap: Duration | None = None
    on: tuple[str, ...] = ()
    seed: int = 0
    fractions: tuple[tuple[str, float], ...] = ()
    stratify: tuple[str, ...] = ()
    folds: FoldsConfig | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in order."""
        return tuple(name for name, _ in self.starts or self.fractions)

    def as_dict(self) -> dict[str, Any]:
        """The split as canonical JSON-able values; equal splits give equal dicts, however they were written."""
        embargo = f"{HORIZON} + {self.gap}" if self.gap else str(self.embargo) if self.embargo else None
        drawn: dict[str, Any] = {"on": list(self.on), "seed": self.seed}
        if self.stratify:
            drawn["stratify"] = list(self.stratify)
        if self.folds is not None:
            return {"by": "folds", "folds": self.folds.as_dict()} | (
                {"embargo": embargo} if self.folds.by == "time" else drawn
            )
        if self.by == "time":
            starts: list[Any] = [[name, start.isoformat()] for name, start in self.starts]
            return {"by": "time", "starts": starts, "embargo": embargo}
        fractions = [[name, share] for name, share in self.fractions]
        return {"by": "hash", **drawn, "fractions": fractions}

    @classmethod
    def parse(cls, value: object) -> SplitConfig:
        """Read what ``split`` holds; raise :class:`ValueError` with a sentence that says what is wrong."""
        if not isinstance(value, Mapping) or not value:
            raise ValueError("expected the start of each part, {'by': 'hash', …} or {'by': 'folds', …}")
        by = value.get("by", "folds" if "folds" in value else "time")
        if by not in ("time", "hash", "folds"):
            raise ValueError(f"'by' is 'time', 'hash' or 'folds', not {by!r}")
        if by == "folds" or "folds" in value:
            return _folds(value, by)
        return _by_hash(value) if by == "hash" else _by_time(value)


def _by_time(value: Mapping[str, Any]) -> SplitConfig:
    starts = tuple((_part(name, start), _instant(name, start)) for name, start in _parts(value, "by", "embargo"))
    if not starts:
        raise ValueError("no part is given: write for instance 'train': '2013-01-01'")
    for (earlier, start), (later, next_start) in pairwise(starts):
        if next_start <= start:
            raise ValueError(f"the parts' starts must rise, and {later!r} does not start after {earlier!r}")
    embargo, gap = _embargo(value)
    return SplitConfig("time", starts=starts, embargo=embargo, gap=gap)


def _by_hash(value: Mapping[str, Any]) -> SplitConfig:
    given = _parts(value, "by", "on", "seed", "stratify")
    fractions = tuple((_part(name, share), _share(name, share)) for name, share in given)
    if not fractions:
        raise ValueError("no part is given: write for instance 'train': 0.8, 'test': 0.2")
    if sum(share for _, share in fractions) > 1 + 1e-9:
        raise ValueError(f"the shares add up to {sum(share for _, share in fractions):g}, which is more than 1")
    return SplitConfig("hash", **_drawn(value), fractions=fractions)


def _drawn(value: Mapping[str, Any]) -> dict[str, Any]:
    """What says by which hash: ``on``, ``seed`` and ``stratify``."""
    seed = value.get("seed", 0)
    if type(seed) is not int:  # a bool is none
        raise ValueError(f"'seed' is a whole number, not {seed!r}")
    on, stratify = _columns(value, "on"), _columns(value, "stratify")
    if on and stratify:
        raise ValueError("'on' keeps rows together and 'stratify' draws them apart: give one of them")
    return {"on": on, "seed": seed, "stratify": stratify}


def _columns(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = value.get(name, ())
    columns = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else (None,)
    if not all(isinstance(column, str) and column for column in columns):
        raise ValueError(f"{name!r} is a column or a list of columns, not {given!r}")
    return tuple(str(column) for column in columns)


def _folds(value: Mapping[str, Any], by: str) -> SplitConfig:
    count = value.get("folds")
    if type(count) is not int or not 2 <= count <= MOST_FOLDS:
        raise ValueError(f"'folds' says how many there are, from 2 to {MOST_FOLDS}, not {count!r}")
    if by == "hash" or (by == "folds" and "test" not in value and "on" in value):
        _refuse_others(value, "by", "folds", "on", "seed", "stratify")
        return SplitConfig("folds", **_drawn(value), folds=FoldsConfig("hash", count))
    if "test" not in value:
        raise ValueError("folds need the length of each test, 'test': '14 days', or 'by': 'hash'")
    _refuse_others(value, "by", "folds", "train", "test", "step", "end", "embargo")
    test, step = _span(value, "test"), _span(value, "step")
    train = None if value.get("train") == UNBOUNDED else _span(value, "train")
    for name, span in (("test", test), ("step", step), ("train", train)):
        if span is not None and not (span.months or span.microseconds):
            raise ValueError(f"{name!r} is longer than nothing")
    end = _instant("end", value["end"]) if value.get("end") is not None else None
    folds = FoldsConfig("time", count, test=test, train=train, step=step or test, end=end)
    embargo, gap = _embargo(value)
    return SplitConfig("folds", embargo=embargo, gap=gap, folds=folds)


def _refuse_others(value: Mapping[str, Any], *known: str) -> None:
    for name in value:
        if name not in known:
            hint = did_you_mean(str(name), known) or f"there are {', '.join(known[1:])}"
            raise ValueError(f"{name!r} cannot be given here; {hint.rstrip('?.')}")


def _span(value: Mapping[str, Any], name: str) -> Duration | None:
    return Duration.parse(value[name]) if value.get(name) is not None else None


def _embargo(value: Mapping[str, Any]) -> tuple[Duration | None, Duration | None]:
    """What is waited for instead of the horizon (``'2 days'``), and on top of it (``'horizon + 7 days'``)."""
    given = value.get("embargo")
    word, plus, more = str(given).partition("+")
    if word.strip().lower() != HORIZON:
        return _span(value, "embargo"), None
    return None, Duration.parse(more.strip()) if plus else None


def _parts(value: Mapping[str, Any], *settings: str) -> list[tuple[Any, Any]]:
    return [(name, given) for name, given in value.items() if name not in settings]


def _part(name: object, given: object) -> str:
    """A part's name; a setting that is misspelt, or not one of this kind of split, looks like a part."""
    if isinstance(name, str) and is_identifier(name) and name not in _SETTINGS:
        return name
    known = did_you_mean(str(name), (*_NAMED, *_SETTINGS))
    raise ValueError(f"{name!r} cannot be given here, {known}" if known else f"{name!r} cannot name a part")


def _instant(name: str, text: object) -> datetime:
    try:
        instant = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).strip())
    except ValueError:
        settings = did_you_mean(str(name), ("embargo", *_NAMED))
        what = "is" if name == "end" else "starts at"
        raise ValueError(
            f"{name!r} {what} a date or timestamp such as '2013-01-01' or '2013-01-01 12:00', not {text!r}"
            + (f"; {settings}" if settings and name not in _NAMED else "")
        ) from None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _share(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1:
        raise ValueError(f"{name!r} takes a share between 0 and 1, not {given!r}")
    return float(given)
