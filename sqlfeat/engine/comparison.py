"""From where a project is looked at, and what differs between two readings of it, as frozen data.

A *reading* is a project computed from its sources as they are seen from a :class:`Vantage`. An engine makes readings
and compares them; what a difference means is decided in ``ops.verify``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.spec.duration import Duration

TOLERANCE = 1e-9
"""How far two floats may lie apart, relative to the greater one, where the SQL adds floats in no fixed order."""
TOLERANCE_OF_COLUMN = 1e-12
"""The same for what nearly cancels out, relative to the greatest float of the column among what is compared."""


@dataclass(frozen=True)
class Sample:
    """The entities that are kept: those whose keys hash to ``threshold`` or less.

    ``entity`` is the entity's name, or None where the keys are those of a source's own rows.
    """

    keys: tuple[str, ...]
    threshold: int
    entity: str | None = None


@dataclass(frozen=True)
class Vantage:
    """From where sources are looked at.

    ``clock`` is what now() says. ``cutoff`` hides every source row that was not known then. ``shuffled`` reads the
    rows in an order that has nothing to do with the one they lie in. ``sample`` keeps some entities only.
    """

    clock: datetime
    cutoff: datetime | None = None
    shuffled: bool = False
    sample: Sample | None = None


@dataclass(frozen=True)
class SourceView:
    """How much of a source is seen: its rows, and how many of them a vantage hides."""

    node: str
    rows: int
    hidden: int

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.node.split(".", 1)[1], "rows": self.rows, "hidden": self.hidden}


@dataclass(frozen=True)
class Comparable:
    """What is compared of a model, and from when on its rows must stay as they are.

    That is when a row is usable, by its ``time``, or, where there is a ``horizon``, so long after its event time. All
    rows count where ``time`` is None. A training set's rows (``of_labels``) go by the time of their label rows.
    ``identity`` are the columns that tell rows apart, the event time first. ``approximate`` lets floats differ by
    ``TOLERANCE``; columns to ``leave_out`` are not compared, and where there is an ``only`` no others than these and
    the identity. ``values_only`` passes over rows that one reading has not.
    """

    name: str
    fingerprint: str
    identity: tuple[str, ...]
    time: TimeFacts | None = None
    horizon: Duration | None = None
    of_labels: bool = False
    approximate: bool = False
    leave_out: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    values_only: bool = False


@dataclass(frozen=True)
class ColumnDifference:
    """A column that differs between two readings: in how many rows, and in the first of them both values."""

    column: str
    rows: int
    row: Mapping[str, Any]
    left: Any
    right: Any


@dataclass(frozen=True)
class RowDifference:
    """Rows that only one of two readings has, and the first of them."""

    rows: int
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """Two readings of a model, compared as multisets of rows.

    ``rows`` are those of the left reading that count; ``differing`` those of either that the other has not.
    ``only_left`` and ``only_right`` are rows that have no counterpart; ``columns`` differ in rows that have one. Where
    there are too many, the first ``judged`` of the differing rows have been looked at in detail.
    """

    rows: int
    differing: int = 0
    judged: int = 0
    columns: tuple[ColumnDifference, ...] = ()
    only_left: RowDifference | None = None
    only_right: RowDifference | None = None

    @property
    def same(self) -> bool:
        return not self.differing
