"""Which rows of its partition a window function reads, as they lie to the current row in time.

``keys`` are the order keys that tell rows of one partition apart; the first of them counts, and ``by`` is its value.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlfeat.compiler.algebra import Bound, Constant, Expression, Interval, SortKey, WindowCall
from sqlfeat.compiler.calendar_units import DAY, interval_range
from sqlfeat.compiler.instants import Row
from sqlfeat.compiler.values import Value

RANKS = frozenset({"row_number", "rank", "dense_rank"})
WHOLE = frozenset({"ntile", "percent_rank", "cume_dist", "fill"})
NEIGHBOURS = frozenset({"lag", "lead"})
EARLY, LATE, ALL = "early", "late", "all"


@dataclass(frozen=True)
class Side:
    """Which rows a function reads, in time: up to the current one, from it on, or all; how far ``beyond``, how far
    ``back``.
    """

    where: str
    beyond: int | None = 0
    back: int | None = None
    inexact: bool = False


class Sides:
    """The rows that one window function may hang on."""

    def __init__(self, call: WindowCall, keys: list[SortKey], by: Value | None, row: Row) -> None:
        self.call, self.keys, self.by, self.row = call, keys, by, row
        self.key = keys[0] if keys else None

    def side(self) -> Side:
        """The rows of the partition that the value may hang on, as they lie to the current row in time."""
        function = self.call.function
        if self.key is None or function.name in WHOLE or (function.order and function.name in RANKS | NEIGHBOURS):
            return Side(ALL)
        if function.name in RANKS:
            where = EARLY
        elif function.name in NEIGHBOURS:
            where = self._neighbour()
        else:
            return self._framed()
        if function.name in ("rank", "dense_rank") and len(self.keys) == 1 and self.by is not None:
            return Side(self._in_time(where), -self.row.grain(self.by))  # equal ones do not count
        return Side(self._in_time(where))

    def _neighbour(self) -> str:
        arguments = self.call.function.arguments
        step: object = 1
        if len(arguments) > 1:
            offset = arguments[1]
            step = offset.value if isinstance(offset, Constant) else None
        if not isinstance(step, int) or isinstance(step, bool):
            return ALL
        behind = (step > 0) == (self.call.function.name == "lag")
        return EARLY if behind or not step else LATE

    def _framed(self) -> Side:
        """A frame ends before, at or after the current row; a RANGE says by how much."""
        frame = self.call.frame
        assert self.key is not None
        if (
            self.call.function.name == "first_value"
            and not self.key.descending
            and frame.start.offset is None
            and frame.exclude is None
            and not self.call.function.ignore_nulls
            and not self.call.function.order
            and self.call.function.filter is None
        ):
            return Side(EARLY)  # the first row of all is not after this one, wherever the frame ends
        near, far = (frame.start, frame.end) if self.key.descending else (frame.end, frame.start)
        beyond = self._distance(near.offset, ahead=near.following != self.key.descending)
        back = self._distance(far.offset, ahead=far.following != self.key.descending)
        if near.offset is None and near.following != self.key.descending:
            return Side(ALL)
        if beyond is None:
            return Side(LATE)
        furthest = None if far.offset is None or back is None or frame.unit != "range" else -back[0]
        return Side(EARLY, self._whole_grains(beyond[1], near), furthest, inexact=beyond[0] != beyond[1])

    def _whole_grains(self, beyond: int, near: Bound) -> int:
        """A frame's end among keys of whole days: an hour before a day is the day before; a group before is too."""
        grain = self.row.grain(self.by) if self.by is not None else 0
        if self.call.frame.unit == "groups" and len(self.keys) == 1 and isinstance(near.offset, int):
            return -near.offset * grain  # (the current group, or so many before it)
        return beyond // grain * grain if grain else beyond

    def _distance(self, offset: int | float | Interval | Expression | None, *, ahead: bool) -> tuple[int, int] | None:
        """How far after the current row in time a frame's end is; negative before it; None: no bound."""
        unit = self.call.frame.unit
        if offset is None:
            return None if ahead else (0, 0)
        if not isinstance(offset, Interval | int | float):
            return None if ahead or unit == "range" else (0, 0)
        size: tuple[int, int] | None
        if isinstance(offset, Interval):
            size = interval_range(offset)
        elif unit == "range" and self.by is not None and self.row.grain(self.by) == DAY:
            size = (int(offset * DAY), int(offset * DAY))
        else:
            size = None
        if size is None or unit != "range":
            return (0, 0) if not offset or (not ahead and _positive(offset)) else None
        return size if ahead else (-size[1], -size[0])

    def _in_time(self, where: str) -> str:
        assert self.key is not None
        if where == ALL or not self.key.descending:
            return where
        return LATE if where == EARLY else EARLY


def _positive(offset: int | float | Interval) -> bool:
    if isinstance(offset, Interval):
        return offset.months >= 0 and offset.days >= 0 and offset.microseconds >= 0
    return offset >= 0
