"""What goes into a trained model and what comes out of it, and how columns become its numbers.

A model sees a matrix of doubles: numbers and booleans as they are, a category as its position in the list of
categories that the training set's manifest holds, and null, NaN or an unknown category as missing (NaN). This is
the only place that says so: training, evaluation and prediction all come here, and it knows no library's model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sqlfeat.errors import RunError
from sqlfeat.store.training_set import OutputColumn

Floats = npt.NDArray[np.float64]
NUMERIC = "numeric"
CATEGORICAL = "categorical"

PROBABILITY = "probability"
PROBABILITIES = "probabilities"
VALUE = "value"


@dataclass(frozen=True)
class Input:
    """One input of a model; ``kind`` is ``numeric`` or ``categorical``, ``categories`` is set for the latter."""

    name: str
    type: str
    kind: str
    categories: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "kind": self.kind,
            "categories": None if self.categories is None else list(self.categories),
        }


@dataclass(frozen=True)
class Output:
    """What a model gives for a row.

    ``kind`` is ``probability`` (of the second of two ``classes``), ``probabilities`` (one for each of ``classes``)
    or ``value`` (a number, without classes).
    """

    kind: str
    classes: tuple[Any, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "classes": None if self.classes is None else list(self.classes)}


@dataclass(frozen=True)
class Signature:
    """The inputs of a model in the order in which it takes them, and its output."""

    inputs: tuple[Input, ...]
    output: Output

    def as_dict(self) -> dict[str, Any]:
        return {"inputs": [one.as_dict() for one in self.inputs], "output": self.output.as_dict()}

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> Signature:
        output = shape["output"]
        return cls(
            tuple(Input(**{**one, "categories": _tuple_or_none(one["categories"])}) for one in shape["inputs"]),
            Output(output["kind"], _tuple_or_none(output["classes"])),
        )


def _tuple_or_none(values: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def inputs_of(columns: Iterable[OutputColumn]) -> tuple[Input, ...]:
    """The inputs among a training set's columns."""
    return tuple(
        Input(column.name, column.type, column.kind or NUMERIC, column.categories)
        for column in columns
        if column.role == "input"
    )


def matrix(table: pa.Table, inputs: Sequence[Input]) -> Floats:
    """The inputs of a table as a matrix of doubles, one column after the other in memory."""
    numbers = np.empty((table.num_rows, len(inputs)), dtype=np.float64, order="F")
    for position, one in enumerate(inputs):
        if one.name not in table.column_names:
            raise RunError("missing-input", f"The rows lack the column {one.name!r}, which the model takes.")
        numbers[:, position] = encode(table.column(one.name), one)
    return numbers


def encode(column: pa.ChunkedArray, one: Input) -> Floats:
    """One input's values as the doubles that a model sees."""
    if one.kind == CATEGORICAL and _holds_texts(column.type):
        texts = pc.cast(column, pa.large_string())
        known = pa.array(one.categories or (), pa.large_string())
        return doubles(pc.index_in(texts, value_set=known))
    if one.kind == NUMERIC and _holds_numbers(column.type):
        return doubles(column)
    raise RunError(
        "input-type",
        f"The column {one.name!r} is of type {column.type}; the model takes it as {one.kind} ({one.type}).",
    )


def doubles(column: pa.ChunkedArray) -> Floats:
    """Numbers or booleans as doubles, null as NaN."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.uint8())
    values = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(values, np.nan).to_numpy(), dtype=np.float64)


def _holds_numbers(type_: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    return any(test(type_) for test in tests)


def _holds_texts(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _holds_texts(type_.value_type)
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(test(type_) for test in tests)
