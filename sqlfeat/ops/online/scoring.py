"""A registered version at work on request rows: plain values become the doubles that it takes, and it predicts.

The doubles are those of ``store.signature.encode``, to the last bit, without an Arrow table for each row; a type of
which that is not known goes through Arrow all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from sqlfeat.errors import RunError
from sqlfeat.ops.online.expressions import Typed
from sqlfeat.store import codecs, registry
from sqlfeat.store.codecs.single_row import single_row
from sqlfeat.store.plain_values import to_arrow
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import CATEGORICAL, NUMERIC, Floats, Input, InputRows, doubles, holds_texts

FEW = 32
"""Up to so many rows are predicted one by one where a library has a call for one row."""
_Values = Sequence[Sequence[Any]]


class Scorer:
    """A version that is served; ``outputs`` are the model inputs that its plan gives, in their order, typed."""

    def __init__(self, version: ModelVersion, outputs: Mapping[str, Typed]) -> None:
        places = {name: place for place, name in enumerate(outputs)}
        lacking = next((one.name for one in version.signature.inputs if one.name not in places), None)
        if lacking is not None:
            raise RunError(
                "missing-input",
                f"{version.reference} takes {lacking!r}, which {version.training_set['name']} has no more.",
                hint="train it again.",
            )
        self.version = version
        self._codec = codecs.codec_named(version.codec)
        self._model = registry.read_model(version)
        self._single = single_row(self._codec.name, self._model)
        self._inputs = version.signature.inputs
        self._taken = [(places[one.name], outputs[one.name].arrow) for one in self._inputs]
        made = [double_of(outputs[one.name].arrow, one) for one in self._inputs]
        self._doubles = [(at, one) for at, one in enumerate(made) if one is not None and one is not as_it_is]
        """The inputs whose doubles are not their values as numpy takes them, None as NaN."""
        self._is_known = None not in made
        self._order = [places[one.name] for one in self._inputs]
        self._is_in_order = self._order == list(range(len(outputs)))
        self._takes_rows = self._is_known and self._is_in_order and not self._doubles
        """Whether a row that is answered is what the model takes, as it stands."""

    def predict(self, rows: _Values) -> Floats:
        """A number for each row, or a row of probabilities for each; ``rows`` have the plan's outputs, plain."""
        if self._single is not None and self._is_known and 0 < len(rows) <= FEW:
            return np.array(self._one_by_one(self._single, rows))
        numbers = self._matrix(rows) if self._is_known else None
        return codecs.predict_rows(self._codec, self._model, _PlainRows(self._inputs, rows, self._taken, numbers))

    def listed(self, rows: _Values) -> list[Any]:
        """The same as Python's numbers: a number for each row, or a list of them."""
        if self._single is not None and self._takes_rows and len(rows) == 1:
            made = self._single(rows[0])
            return made if len(made) == 1 else [made]
        if self._single is not None and self._is_known and 0 < len(rows) <= FEW:
            return self._one_by_one(self._single, rows)
        found: list[Any] = self.predict(rows).tolist() if rows else []
        return found

    def _one_by_one(self, single: Callable[[Sequence[float | None]], list[float]], rows: _Values) -> list[Any]:
        found = [single(self._numbers(row)) for row in rows]
        return [made[0] for made in found] if len(found[0]) == 1 else found

    def _matrix(self, rows: _Values) -> Floats:
        numbers = [self._numbers(row) for row in rows]
        return np.array(numbers, dtype=np.float64).reshape(len(rows), len(self._inputs))

    def _numbers(self, row: Sequence[Any]) -> Sequence[float | None]:
        """What the model takes of a row, in its order; None where it sees NaN."""
        numbers = row if self._is_in_order else [row[place] for place in self._order]
        if self._doubles:
            numbers = list(numbers)
            for at, double in self._doubles:
                numbers[at] = double(numbers[at])
        return numbers


class _PlainRows(InputRows):
    """Rows of plain values: as a matrix at once, in every other form by way of Arrow."""

    def __init__(
        self,
        inputs: Sequence[Input],
        rows: _Values,
        taken: Sequence[tuple[int, pa.DataType]],
        numbers: Floats | None,
    ) -> None:
        self.inputs = tuple(inputs)
        self._places = {one.name: one for one in self.inputs}
        self._rows = rows
        self._taken = taken
        if numbers is not None:
            self.__dict__["_matrix"] = numbers

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def _table(self) -> pa.Table:
        columns = {
            one.name: to_arrow([row[place] for row in self._rows], kind)
            for one, (place, kind) in zip(self.inputs, self._taken, strict=True)
        }
        return pa.table(columns)


def as_it_is(value: Any) -> float:
    """The double of a value that is a number."""
    return math.nan if value is None else float(value)


def double_of(kind: pa.DataType, one: Input) -> Callable[[Any], float] | None:
    """What makes a plain value of a type the double that a model sees; None where only Arrow is known to."""
    if one.kind == CATEGORICAL and holds_texts(kind):
        codes = {text: float(code) for code, text in reversed(list(enumerate(one.categories or ())))}
        return lambda value: codes.get(value, math.nan)
    if one.kind != NUMERIC:
        return None
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_float64(kind):
        return as_it_is
    if pa.types.is_float32(kind):
        return lambda value: math.nan if value is None else float(np.float32(value))
    if pa.types.is_decimal128(kind):
        return _decimal(kind)
    return None


def _decimal(kind: pa.DataType) -> Callable[[Any], float]:
    """Arrow rounds what is no whole number, or a very great one, in a way of its own."""

    def double(value: Any) -> float:
        if value is None:
            return math.nan
        if not kind.scale and -(2**53) <= value <= 2**53:
            return float(value)
        return float(doubles(pa.chunked_array([to_arrow([value], kind)]))[0])

    return double
