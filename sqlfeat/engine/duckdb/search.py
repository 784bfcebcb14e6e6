"""The search at the heart of a lookup: of each label row's entity, the last position not after an instant.

Every entity's rows lie together, rising in time, so the search is a binary one inside a known range. It runs over
blocks of label rows that fit into the cache, a block a thread.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from sqlfeat.engine.duckdb.columns import Flags, Positions

Instants = npt.NDArray[np.int64]
_BLOCK = 32_768


def last_not_after(
    times: Instants, start: Positions, count: Positions, asked: Instants, strict: bool, workers: ThreadPoolExecutor
) -> tuple[Positions, Flags]:
    """Positions of the last ``times`` at or before ``asked`` (``strict``: before), and whether there is one.

    ``times`` rise within each range ``[start, start + count)``. Where there is none, the position is meaningless.
    """
    positions = np.empty(len(asked), np.int64)

    def search(block: slice) -> None:
        positions[block] = last_in_range(times, start[block], count[block], asked[block], strict)

    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, len(asked), _BLOCK)]
    list(workers.map(search, blocks))
    return positions, positions >= start


def last_in_range(times: Instants, start: Positions, count: Positions, asked: Instants, strict: bool) -> Positions:
    """The same for one block, the position before the range where there is none.

    Stride by halving powers of two; a stride is taken where it stays inside and does not pass the instant.
    """
    base = start - 1
    end = start + count
    longest = int(count.max()) if len(count) else 0
    step = 1 << (longest.bit_length() - 1) if longest else 0
    while step:
        candidate = base + step
        values = times.take(candidate, mode="clip")
        taken = values < asked if strict else values <= asked
        taken &= candidate < end
        base += taken * np.int64(step)
        step >>= 1
    return base
