"""One row at a time without what a library does around many: LightGBM's own single-row call.

Where the call is missing, or gives anything else than ``Booster.predict`` for a few rows that are tried, there is none,
and the caller asks the library as always.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sqlfeat.store.signature import Floats

_NORMAL = 0
_FLOAT64 = 1
_TRIED = 48


def single_row(codec: str, model: Any) -> Callable[[Sequence[float | None]], list[float]] | None:
    """What gives the outputs of a decoded model for one row of numbers; None where nothing is faster and the same."""
    if codec != "lightgbm":
        return None
    try:
        call = _LightGBMRow(model)
        rows = _rows(int(model.num_feature()))
        said = np.asarray(model.predict(rows), dtype=np.float64).reshape(len(rows), -1)
        own = np.array([call([None if number != number else number for number in row.tolist()]) for row in rows])
    except (AttributeError, OSError, ctypes.ArgumentError, ValueError):  # a LightGBM whose insides are others
        return None
    return call if np.array_equal(said, own, equal_nan=True) else None


def _rows(width: int) -> Floats:
    """Rows to compare two ways of predicting: numbers of every size, zeros, missing ones."""
    random = np.random.default_rng(7)
    rows: Floats = random.normal(0, 1, (_TRIED, width)) * 10.0 ** random.integers(-2, 5, (_TRIED, width))
    rows[::2] = np.round(rows[::2])
    rows[random.random(rows.shape) < 0.1] = np.nan
    rows[random.random(rows.shape) < 0.1] = 0.0
    rows[0], rows[1] = 0.0, np.nan
    return rows


class _LightGBMRow:
    """``LGBM_BoosterPredictForMatSingleRowFast``: settings are read once, and a row is all that goes over."""

    def __init__(self, booster: Any) -> None:
        basic: Any = importlib.import_module("lightgbm.basic")
        self._library = basic._LIB
        self._booster = booster  # its handle must live as long
        self._width = int(booster.num_feature())
        self._given: Any = np.zeros(self._width)
        self._put = struct.Struct(f"={self._width}d").pack_into
        self._made: Floats = np.zeros(max(1, int(booster.num_model_per_iteration())))
        self._outputs = len(self._made)
        self._length = ctypes.c_int64(0)
        self._config = ctypes.c_void_p()
        self._lock = threading.Lock()
        best = int(booster.best_iteration)
        failed = self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,
            ctypes.c_int(_NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(best if best > 0 else -1),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(self._width),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(self._config),
        )
        if failed:
            raise ValueError(failed)
        self._call = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            self._config,
            ctypes.c_void_p(self._given.ctypes.data),
            ctypes.byref(self._length),
            ctypes.c_void_p(self._made.ctypes.data),
        )

    def __call__(self, row: Sequence[float | None]) -> list[float]:
        with self._lock:
            try:
                self._put(self._given, 0, *row)
            except struct.error:  # None is no number
                self._put(self._given, 0, *(math.nan if number is None else number for number in row))
            if self._call(*self._arguments) or self._length.value != self._outputs:
                raise ValueError("LightGBM cannot predict this row")
            made: list[float] = self._made.tolist()
            return made

    def __del__(self) -> None:
        if getattr(self, "_config", None):
            self._library.LGBM_FastConfigFree(self._config)
