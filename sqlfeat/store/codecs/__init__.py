"""Trained models to bytes and back, without pickle.

Each library has one codec in a module of its own that knows its durable text or binary form; :data:`CODECS` lists
them, and a new library is one more entry. No library sees bytes before their SHA-256 is found right: a damaged model
file ends a process instead of raising. What is read back right after training must predict what the returned object
predicts, to the bit.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.base.packages import install_hint
from sqlfeat.base.process import run_in_child
from sqlfeat.errors import HookError, RunError, SqlfeatError, StoreError
from sqlfeat.store.codecs.catboost import CatBoost
from sqlfeat.store.codecs.codec import Codec, Importances, installed_version, let_waiting_threads_sleep
from sqlfeat.store.codecs.codec import plain_names as lightgbm_names
from sqlfeat.store.codecs.lightgbm import LightGBM
from sqlfeat.store.codecs.onnx import Onnx
from sqlfeat.store.codecs.sklearn import Sklearn
from sqlfeat.store.codecs.source import Source, SourcePredictor
from sqlfeat.store.codecs.xgboost import XGBoost
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, Floats, Input, InputRows

__all__ = [
    "CODECS",
    "ROWS_AT_ONCE",
    "Codec",
    "Importances",
    "LightGBM",
    "SourcePredictor",
    "codec_for",
    "codec_named",
    "decode",
    "install_hint",
    "let_waiting_threads_sleep",
    "lightgbm_names",
    "predict",
    "predict_rows",
    "refuse_other_predictions",
]

ROWS_AT_ONCE = 100_000
_COMPARED_ROWS = 1_000
_PATIENCE = 120.0

CODECS: tuple[Codec, ...] = (LightGBM(), XGBoost(), CatBoost(), Sklearn(), Onnx(), Source())
"""In the order in which they are asked: a library's estimators may be scikit-learn's too."""


def codec_for(model: object) -> Codec:
    """The codec that keeps this object."""
    for codec in CODECS:
        if codec.matches(model):
            return codec
    returned = "nothing (None)" if model is None else f"a {type(model).__module__}.{type(model).__qualname__}"
    raise HookError(
        "hook-bad-result",
        f"The hook returned {returned}, which cannot be kept.",
        hint=f"return {', '.join(codec.keeps for codec in CODECS[:-1])}, or {CODECS[-1].keeps}.",
    )


def codec_named(name: str) -> Codec:
    """The codec that a version names."""
    for codec in CODECS:
        if codec.name == name:
            return codec
    known = ", ".join(codec.name for codec in CODECS)
    raise StoreError(
        "unknown-codec", f"A model is kept as {name!r}; this sqlfeat reads {known}.", hint="update sqlfeat."
    )


def decode(codec: Codec, data: bytes, sha256: str, written_by: str | None = None) -> Any:
    """The model of these bytes, which the library sees only if their SHA-256 is this one.

    Where the library is of another version than the one that wrote them, a child process reads them first: what one
    version wrote may end a process of another.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(
            "damaged-version", f"The bytes of a {codec.name} model are damaged: their SHA-256 does not match."
        )
    installed = installed_version(codec.package)
    if written_by is not None and installed is not None and written_by != installed:
        _read_in_a_child(codec, data, written_by, installed)
    return codec.decode(data)


def predict(codec: Codec, model: Any, inputs: Sequence[Input], table: pa.Table) -> Floats:
    """What a decoded model gives for the rows of a table, a bounded number of them at a time in memory."""
    if not table.num_rows:
        kind, classes = codec.output(model)
        return np.empty((0, classes) if kind == PROBABILITIES else 0)
    starts = range(0, table.num_rows, ROWS_AT_ONCE)
    return np.concatenate([_said(codec, model, inputs, table.slice(start, ROWS_AT_ONCE)) for start in starts])


def refuse_other_predictions(
    codec: Codec, returned: Any, decoded: Any, inputs: Sequence[Input], table: pa.Table
) -> None:
    """Raise where the model that was read back does not give, to the bit, what the returned one gives of these rows.

    Also raised is what no metric could be computed of: numbers of another shape, probabilities that are none.
    """
    if not table.num_rows:
        return
    rows = InputRows(table.slice(0, _COMPARED_ROWS), inputs)
    kept = _said(codec, decoded, inputs, table.slice(0, _COMPARED_ROWS))
    _check_shape(codec, decoded, kept, len(rows))
    own = codec.reference(returned, rows)
    if own is None or np.array_equal(own, kept, equal_nan=True):
        return
    row = int(np.flatnonzero(np.any(np.reshape(own != kept, (len(rows), -1)), axis=1))[0])
    raise HookError(
        "hook-bad-result",
        f"The {type(returned).__name__} predicts otherwise once it is kept as {codec.name}: "
        f"{own[row]} of row {row + 1} becomes {kept[row]}.",
        hint="keep it another way, such as sqlfeat.SourcePredictor, and tell us.",
    )


def _check_shape(codec: Codec, decoded: Any, found: Floats, rows: int) -> None:
    kind, classes = codec.output(decoded)
    wanted = (rows, classes) if kind == PROBABILITIES else (rows,)
    if found.shape != wanted:
        raise HookError(
            "hook-bad-result",
            f"The model gives numbers of the shape {found.shape} for {rows} rows, not {wanted}.",
            hint="a model gives one number a row, or one probability for each class.",
        )
    if kind in (PROBABILITY, PROBABILITIES):
        known = found[np.isfinite(found)]
        whole = kind == PROBABILITY or bool(np.allclose(np.nansum(found, axis=1), 1, atol=1e-3))
        if bool(np.any((known < 0) | (known > 1))) or not whole:
            raise HookError(
                "hook-bad-result",
                f"What the model gives are no probabilities: {np.array2string(found[0], precision=4)} for instance.",
                hint="end it in a softmax or sigmoid, or give one number a row.",
            )


def _said(codec: Codec, model: Any, inputs: Sequence[Input], table: pa.Table) -> Floats:
    return predict_rows(codec, model, InputRows(table, inputs))


def predict_rows(codec: Codec, model: Any, rows: InputRows) -> Floats:
    """What a decoded model gives for some rows, all at once; at least one."""
    try:
        return codec.predict(model, rows)
    except SqlfeatError:
        raise
    except Exception as error:  # the edge to a library: each has errors of its own
        text = (str(error).strip().splitlines() or [""])[0]
        raise RunError(
            "prediction-failed", f"The {codec.name} model cannot predict: {type(error).__name__}: {text}"
        ) from error


def _read_in_a_child(codec: Codec, data: bytes, written_by: str, installed: str) -> None:
    """Raise where reading these bytes would end this process; whatever else is wrong is told when they are read."""
    with tempfile.TemporaryDirectory(prefix="sqlfeat-") as folder:
        path = Path(folder, codec.file)
        path.write_bytes(data)
        argument = {"codec": codec.name, "file": str(path)}
        result = run_in_child(f"{__name__}:read_file", argument, folder=Path(folder), timeout=_PATIENCE)
    if not result.ok and result.error is None:
        raise StoreError(
            "unreadable-model",
            f"{codec.package} {installed} cannot read this model, which {written_by} wrote: it {result.failure}.",
            hint=f"pip install {codec.package}=={written_by}.",
        )


def read_file(argument: Mapping[str, str]) -> bool:
    """In a child process: read a model's bytes from a file."""
    codec_named(argument["codec"]).decode(Path(argument["file"]).read_bytes())
    return True
