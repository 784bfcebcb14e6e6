"""What goes into a trained model and what comes out of it, and how columns become its numbers.

A model sees a matrix of doubles: numbers and booleans as they are, a category as its position in the list of
categories that the training set's manifest holds, and null, NaN or an unknown category as missing (NaN). This is
the only place that says so: training, evaluation and prediction all come here, and it knows no library's model. Those
that take a data frame get the same values by name (:class:`InputRows`): a category stays a text there.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
SCORE = "score"


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

    ``kind`` is ``probability`` (of the second of two ``classes``), ``probabilities`` (one for each of ``classes``),
    ``value`` (a number in the label's unit, without classes) or ``score`` (a number that only orders rows: what
    rankers and margins give).
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
    if one.kind == CATEGORICAL and holds_texts(column.type):
        return doubles(positions(column, one))
    if one.kind == NUMERIC and _holds_numbers(column.type):
        return doubles(column)
    raise RunError(
        "input-type",
        f"The column {one.name!r} is of type {column.type}; the model takes it as {one.kind} ({one.type}).",
    )


def positions(column: pa.ChunkedArray, one: Input) -> pa.ChunkedArray:
    """A category's values as their positions in its list, null where they are missing or none of its categories."""
    known = pa.array(one.categories or (), pa.large_string())
    if not pa.types.is_dictionary(column.type):
        return pc.index_in(pc.cast(column, pa.large_string()), value_set=known)
    found = []
    for chunk in column.chunks:
        own = pc.index_in(pc.cast(chunk.dictionary, pa.large_string()), value_set=known)
        found.append(own.take(chunk.indices))
    return pa.chunked_array(found, pa.int32())


def texts(column: pa.ChunkedArray, one: Input) -> pa.Array:
    """A category's values as texts: null where they are missing or none of its categories."""
    known = pa.array(one.categories or (), pa.large_string())
    codes = encode(column, one)
    return known.take(pa.array(codes, mask=np.isnan(codes)).cast(pa.int64()))


class InputRows:
    """The inputs of some rows in each form that a model may take: the forms of a split of the training data.

    ``rows["delay_7d"]`` is one input as an array: doubles, missing as NaN, or an array of texts, missing as None.
    """

    def __init__(self, table: pa.Table, inputs: Sequence[Input]) -> None:
        self.inputs = tuple(inputs)
        self._table = table
        self._places = {one.name: one for one in self.inputs}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        one = self._places[name]
        column = self.column(name)
        if one.kind == CATEGORICAL:
            return np.asarray(texts(column, one).to_numpy(zero_copy_only=False), dtype=object)
        return encode(column, one)

    def column(self, name: str) -> pa.ChunkedArray:
        """One input as it came."""
        if name not in self._table.column_names:
            raise RunError("missing-input", f"The rows lack the column {name!r}, which the model takes.")
        return self._table.column(name)

    @cached_property
    def _matrix(self) -> Floats:
        return matrix(self._table, self.inputs)

    def numpy(self) -> Floats:
        """The inputs as a matrix of doubles: categories as positions in their list, missing as NaN."""
        return self._matrix

    def arrow(self) -> pa.Table:
        """The inputs as Arrow: categories as texts, missing and unknown ones as null."""
        columns = {
            one.name: texts(self.column(one.name), one) if one.kind == CATEGORICAL else self.column(one.name)
            for one in self.inputs
        }
        return pa.table(columns)

    def pandas(self) -> Any:
        """A DataFrame of the inputs, categories as pandas categories."""
        pandas = _library("pandas")
        frame = {one.name: pandas_column(self.column(one.name), one) for one in self.inputs}
        return pandas.DataFrame(frame, index=pandas.RangeIndex(len(self)), copy=False)

    def polars(self) -> Any:
        """A polars DataFrame of the inputs, categories as Enum."""
        polars = _library("polars")
        enums = [
            polars.col(one.name).cast(polars.String).cast(polars.Enum(list(one.categories or ())))
            for one in self.inputs
            if one.kind == CATEGORICAL
        ]
        return polars.from_arrow(self.arrow()).with_columns(enums)


def pandas_column(column: pa.ChunkedArray, one: Input) -> Any:
    """One input as a column of a pandas DataFrame: a Categorical, whole numbers or booleans as they are, or doubles."""
    if one.kind == CATEGORICAL:
        codes = np.nan_to_num(encode(column, one), nan=-1).astype(np.int32)
        return _library("pandas").Categorical.from_codes(codes, categories=list(one.categories or ()))
    whole = pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
    return column.to_numpy() if whole and not column.null_count else encode(column, one)


def _library(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise RunError(
            "missing-package", f"The package {package} is not installed.", hint=f"pip install {package}."
        ) from error


def doubles(column: pa.ChunkedArray) -> Floats:
    """Numbers or booleans as doubles, null as NaN."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.uint8())
    values = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(values, np.nan).to_numpy(), dtype=np.float64)


def _holds_numbers(type_: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    return any(test(type_) for test in tests)


def holds_texts(type_: pa.DataType) -> bool:
    """Whether the values are texts, also as a dictionary."""
    if pa.types.is_dictionary(type_):
        return holds_texts(type_.value_type)
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(test(type_) for test in tests)
