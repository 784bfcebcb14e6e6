"""The extreme of any run of prepared values, in a few looks.

Rows are cut into blocks of sixteen, with the extreme from a block's start up to every row and from every row to its
block's end. A run over several blocks is the end of one, the start of another, and whole blocks between them, for which
there is a table of extremes over powers of two of blocks (Bender and Farach-Colton, "The LCA Problem Revisited", 2000).
A run inside one block is read row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from sqlfeat.engine.duckdb.columns import ColumnFolder, Positions
from sqlfeat.engine.duckdb.effects import BLOCK

Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Looks:
    """Where to look for the extremes of the runs ``low … high``; the same for every column.

    ``apart`` are the numbers of the runs over several blocks. ``whole``: by powers of two, numbers of runs with the
    first whole block and that from which so many reach to the last. ``steps``: numbers of runs inside one block, with
    one more row of each.
    """

    low: Positions
    high: Positions
    apart: Positions
    whole: tuple[tuple[int, Positions, Positions, Positions], ...]
    steps: tuple[tuple[Positions, Positions], ...]
    empty: Positions

    @classmethod
    def of(cls, low: Positions, high: Positions) -> Looks:
        """The looks that some runs take; one of no rows has its ``high`` before its ``low``."""
        low_block, high_block = low // BLOCK, high // BLOCK
        apart = np.flatnonzero(low_block < high_block)
        first, last = low_block[apart] + 1, high_block[apart] - 1
        wide = np.flatnonzero(last >= first)
        powers = np.frexp((last[wide] - first[wide] + 1).astype(np.float64))[1] - 1
        whole = []
        for power in range(int(powers.max()) + 1 if len(wide) else 0):
            rows = wide[powers == power]
            if len(rows):
                whole.append((power, apart[rows], first[rows], last[rows] - (1 << power) + 1))
        more = np.where(low_block == high_block, high - low, 0)
        steps: list[tuple[Positions, Positions]] = []
        rows = np.flatnonzero(more > 0)
        while len(rows):
            steps.append((rows, low[rows] + len(steps) + 1))
            rows = rows[more[rows] > len(steps)]
        return cls(low, high, apart, tuple(whole), tuple(steps), np.flatnonzero(low > high))


class BlockExtremes:
    """The extremes of one prepared column; ``kind`` is ``min`` or ``max``, ``pick`` the function that chooses."""

    def __init__(self, folder: ColumnFolder, name: str, kind: str) -> None:
        self.pick: np.ufunc = np.minimum if kind == "min" else np.maximum
        self._folder = folder
        self._name = name
        self._levels: list[Numbers] = []
        self._making = Lock()

    def prepare(self, longest: int) -> None:
        """Make the table for runs of at most so many rows."""
        with self._making:
            if not self._levels:
                from_start = self._folder.column(f"{self._name}_from_start").data
                self._levels.append(np.ascontiguousarray(from_start[BLOCK - 1 :: BLOCK]))
            while BLOCK << len(self._levels) <= longest:
                level, half = self._levels[-1], 1 << (len(self._levels) - 1)
                if len(level) <= half:
                    break
                self._levels.append(self.pick(level[:-half], level[half:]))

    def at(self, looks: Looks) -> Numbers:
        """The extremes of some runs; of those of no rows what every value is chosen before."""
        data = [self._folder.column(f"{self._name}{part}").data for part in ("", "_from_start", "_to_end")]
        plain, from_start, to_end = data
        extremes: Numbers = plain.take(looks.low, mode="clip")
        for rows, positions in looks.steps:
            extremes[rows] = self.pick(extremes[rows], plain.take(positions))
        low, high = looks.low[looks.apart], looks.high[looks.apart]
        extremes[looks.apart] = self.pick(to_end.take(low), from_start.take(high))
        for power, rows, first, last in looks.whole:
            level = self._levels[power]
            extremes[rows] = self.pick(extremes[rows], self.pick(level.take(first), level.take(last)))
        limits = np.iinfo(plain.dtype)
        extremes[looks.empty] = limits.max if self.pick is np.minimum else limits.min
        return extremes
