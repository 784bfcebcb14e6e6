"""A version that was exported to MLflow, read again: what ``mlflow.pyfunc.load_model`` calls.

The exported folder holds the version's ``version.json`` and the model's file as they are in the registry. So the same
codec reads the same bytes, once their hash is found right, and the same encoding makes numbers of a data frame:
the predictions are those of ``sqlfeat predict``. Knows nothing of MLflow; MLflow knows this module's name, which must
not change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.errors import RunError, StoreError
from sqlfeat.store import codecs
from sqlfeat.store.codecs.codec import library
from sqlfeat.store.signature import PROBABILITIES, Input, Signature

MANIFEST = "version.json"


class ExportedModel:
    """A model with its signature, as MLflow wants one: ``predict(data_frame)``."""

    def __init__(self, folder: Path) -> None:
        try:
            told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            self.signature = Signature.from_dict(told["signature"])
            self._codec = codecs.codec_named(told["codec"])
            data, sha256 = (folder / told["file"]).read_bytes(), told["files"][told["file"]]["sha256"]
            written_by = told["versions"].get(self._codec.package)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                "damaged-version",
                f"The exported model in {folder} cannot be read: {error}.",
                hint="export it again: sqlfeat registry export NAME@VERSION --mlflow.",
            ) from error
        self.model = codecs.decode(self._codec, data, sha256, written_by)

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """A number for each row; with several classes a frame of their probabilities and the likeliest."""
        table = _table(model_input, self.signature.inputs)
        found = codecs.predict(self._codec, self.model, self.signature.inputs, table)
        output = self.signature.output
        if output.kind != PROBABILITIES:
            return found
        classes = list(output.classes or ())
        columns = {f"probability_{one}": found[:, place] for place, one in enumerate(classes)}
        likeliest = [classes[place] for place in np.argmax(found, axis=1)]
        return library("pandas").DataFrame({**columns, "prediction": likeliest})


def _table(frame: Any, inputs: tuple[Input, ...]) -> pa.Table:
    """The inputs among a data frame's columns; a column without any value is of any type."""
    missing = [one.name for one in inputs if one.name not in frame]
    if missing:
        raise RunError("missing-input", f"The rows lack the column {missing[0]!r}, which the model takes.")
    columns = {}
    for one in inputs:
        column = pa.array(frame[one.name], from_pandas=True)
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        columns[one.name] = pa.nulls(len(column)) if column.null_count == len(column) else column
    return pa.table(columns)


def _load_pyfunc(path: str) -> ExportedModel:
    """MLflow's door."""
    return ExportedModel(Path(path))
