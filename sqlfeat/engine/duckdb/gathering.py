"""Columns gathered from a folder at the positions that a search has found, as Arrow arrays without a copy.

It goes a stripe of rows a thread and inside it a block at a time, so that what is gathered is turned into columns while
it is still in the cache. Knows columns and positions, and nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlfeat.engine.duckdb.columns import BLOCK, ColumnFolder, Flags, Positions, dtype_of, strided

STRIPE = 131_072
"""Rows that a thread gathers at a time."""


class _Gathering:
    """Columns of one folder being gathered at the same positions into whole arrays, a stripe of rows at a time."""

    def __init__(self, folder: ColumnFolder, names: Sequence[str], positions: Positions, found: Flags) -> None:
        self.columns = [folder.column(name) for name in names]
        self.positions = positions
        self.found = found
        rows = len(positions)
        self.made = [None if c.text is not None else np.empty(rows, dtype_of(c.kind)) for c in self.columns]
        self.flags = [None if c.valid is None else np.empty(rows, np.bool_) for c in self.columns]
        self.texts: dict[int, dict[int, pa.Array]] = {i: {} for i, c in enumerate(self.columns) if c.text is not None}
        self.alone = [i for i, c in enumerate(self.columns) if c.text is None and c.place is None]
        self.packs = []
        for number in sorted({c.place[0] for c in self.columns if c.place is not None}):
            pack = folder.pack(number)
            taken = pack.in_order(positions) if pack.is_large else None
            inside = [i for i, c in enumerate(self.columns) if c.place is not None and c.place[0] == number]
            self.packs.append((pack, taken, inside))

    def gather(self, first: int) -> None:
        """Everything of the stripe that begins at a row."""
        stripe = slice(first, first + STRIPE)
        for begin in range(first, min(first + STRIPE, len(self.positions)), BLOCK):
            self._gather_fixed(slice(begin, min(begin + BLOCK, first + STRIPE)))
        for i, column in enumerate(self.columns):
            flags = self.flags[i]
            if column.valid is not None and flags is not None:
                known = column.valid.take(self.positions[stripe], mode="clip").view(np.bool_)
                np.logical_and(self.found[stripe], known, out=flags[stripe])
            if column.text is not None:
                indices = _nullable(pa.int64(), self.positions[stripe], self._flags(i)[stripe])
                self.texts[i][first] = column.text.take(indices)

    def _gather_fixed(self, block: slice) -> None:
        positions = self.positions[block]
        for pack, rows, inside in self.packs:
            taken = pack.take(positions) if rows is None else rows[block]
            width = taken.dtype.itemsize
            for i in inside:
                column, made = self.columns[i], self.made[i]
                assert column.place is not None and made is not None
                made[block] = strided(taken, len(taken), made.dtype.str, column.place[1], width)
        for i in self.alone:
            made = self.made[i]
            assert made is not None
            self.columns[i].data.take(positions, mode="clip", out=made[block])

    def arrays(self) -> list[pa.ChunkedArray | pa.Array]:
        """The columns, when all stripes are gathered; what only depends on ``found`` is shared by all of them."""
        shared = _validity_bits(self.found)
        arrays: list[pa.ChunkedArray | pa.Array] = []
        for i, column in enumerate(self.columns):
            made = self.made[i]
            if made is None:
                pieces = [piece for _, piece in sorted(self.texts[i].items())]
                arrays.append(pa.chunked_array(pieces, pa.large_string()))
                continue
            flags = self.flags[i]
            nulls = shared if flags is None else _validity_bits(flags)
            data = np.packbits(made, bitorder="little") if pa.types.is_boolean(column.kind) else made
            arrays.append(pa.Array.from_buffers(column.kind, len(made), [nulls, pa.py_buffer(data)]))
        return arrays

    def _flags(self, number: int) -> Flags:
        flags = self.flags[number]
        return self.found if flags is None else flags


def gather_all(
    folder: ColumnFolder, names: Sequence[str], positions: Positions, found: Flags, workers: ThreadPoolExecutor
) -> list[pa.ChunkedArray | pa.Array]:
    """Several columns at the same positions; null where not ``found``."""
    gathering = _Gathering(folder, names, positions, found)
    list(workers.map(gathering.gather, range(0, len(positions), STRIPE)))
    return gathering.arrays()


def _validity_bits(flags: Flags) -> pa.Buffer | None:
    """The bits that say what is not null; None where nothing is."""
    return None if flags.all() else pa.py_buffer(np.packbits(flags, bitorder="little"))


def _nullable(kind: pa.DataType, numbers: npt.NDArray[Any], flags: Flags) -> pa.Array:
    """An Arrow array over numbers. (``pa.array`` of them imports pandas where it is installed.)"""
    data = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(kind, len(numbers), [_validity_bits(flags), data])
