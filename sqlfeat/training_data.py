"""What a trainer hook gets: the splits of a training set in the form that its library wants.

A split reads its Parquet file when it is first asked, and rows without a label never reach a hook. Categories are
those of the training set's manifest in every form: pandas and polars get them as categories, matrices and LightGBM as
positions in the list, null and unknown ones as missing. Knows training sets and signatures, not how hooks are run.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlfeat.errors import HookError
from sqlfeat.store.codecs import lightgbm_names
from sqlfeat.store.signature import CATEGORICAL, Floats, Input, doubles, encode, inputs_of, matrix
from sqlfeat.store.training_set import FOLDS, UNSPLIT, WHOLE, TrainingSet

Columns = Literal["inputs", "all"]


class TrainingData:
    """A training set in the hands of a hook.

    ``train``, ``validation`` and ``test`` are its splits of these names, ``splits`` all of them by name. ``params``
    are the parameters of this training, ``seed`` is a number for whatever is random: ``params["seed"]``, or one that
    follows from the training set's id.
    """

    def __init__(self, training_set: TrainingSet, params: Mapping[str, Any] | None = None) -> None:
        self.training_set = training_set
        self.params: Mapping[str, Any] = MappingProxyType(dict(params or {}))
        self.splits: Mapping[str, Split] = MappingProxyType(
            {name: Split(self, name) for name in training_set.splits if name != UNSPLIT}
        )
        self.logged: dict[str, dict[str, float]] = {}

    @property
    def train(self) -> Split:
        """The rows to learn from: the split ``train``, or all rows where there are no splits."""
        return self.splits[WHOLE] if set(self.splits) == {WHOLE} else self._split("train")

    @property
    def validation(self) -> Split:
        """The rows to choose by."""
        return self._split("validation")

    @property
    def test(self) -> Split:
        """The rows to judge by in the end."""
        return self._split("test")

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """The folds of ``split={'by': 'folds', …}`` in order, each with ``train`` and ``test``."""
        if not self.training_set.folds:
            raise HookError(
                "no-such-split",
                f"The training set {self.training_set.name} has no folds.",
                hint="give it some: config(split={'by': 'folds', 'folds': 5, 'test': '14 days'}).",
            )
        return tuple(Fold(self, str(told["name"])) for told in self.training_set.folds)

    def _split(self, name: str) -> Split:
        if name in self.splits:
            return self.splits[name]
        there = ", ".join(self.splits)
        raise HookError(
            "no-such-split",
            f"The training set {self.training_set.name} has no split {name!r}; it has {there or 'none'}.",
            hint=f"give it one in config(split={{…}}) of {self.training_set.name}, or do not ask for it.",
        )

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The columns that a model may see, in order."""
        return inputs_of(self.training_set.columns)

    @cached_property
    def classes(self) -> tuple[Any, ...] | None:
        """The distinct labels over all splits in rising order; None where the label is a fractional number."""
        label = self.training_set.label
        if label is None:
            return None
        files = [split.file for split in self.splits.values()]
        columns = [pq.read_table(file, columns=[label]).column(label) for file in files]
        values = pa.chunked_array([chunk for column in columns for chunk in _plain(column).chunks])
        if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
            return None
        return tuple(sorted(value for value in pc.unique(values).to_pylist() if value is not None))

    @property
    def seed(self) -> int:
        """A number for whatever is random; the same training set and parameters give the same one."""
        given = self.params.get("seed", self.params.get("random_state"))
        if isinstance(given, int) and not isinstance(given, bool):
            return given
        return int.from_bytes(hashlib.sha256(self.training_set.id.encode()).digest()[:4], "big") >> 1

    def log_metric(self, name: str, value: float, split: str | None = None) -> None:
        """Keep a metric of the hook's own with the model; of the validation split unless another is named."""
        if split is None:
            split = next((name for name in ("validation", "train") if name in self.splits), WHOLE)
        self._split(split)
        number = float(value)
        if not name or not math.isfinite(number):
            raise HookError("bad-metric", f"The metric {name!r} is {value!r}, which is no finite number under a name.")
        self.logged.setdefault(split, {})[name] = number


class Split:
    """The rows of one split, in the training set's order.

    ``label`` and ``weight`` are arrays beside them; ``arrow()`` gives every column, the other forms give the inputs
    alone unless all columns are asked for.
    """

    def __init__(self, data: TrainingData, name: str) -> None:
        self.name = name
        self._data = data
        self._set = data.training_set
        self._dataset: Any = None

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"<Split {self.name} of {self._set.name}: {self._set.splits[self.name]:,} rows>"

    @property
    def file(self) -> Any:
        """The path of its Parquet file."""
        return self._set.file(self.name)

    @property
    def _learned_from(self) -> Split:
        """The split whose bins and categories LightGBM takes for this one."""
        return self._data.train

    def _read(self) -> pa.Table:
        return pq.read_table(self.file)

    @cached_property
    def _table(self) -> pa.Table:
        table = self._read()
        label = self._set.label
        if label is not None and table.column(label).null_count:
            return table.filter(pc.is_valid(table.column(label)))
        return table

    def arrow(self) -> pa.Table:
        """All columns: keys, as-of time, passthrough, inputs, weight and label."""
        return self._table

    def inputs(self) -> pa.Table:
        """The inputs alone, as Arrow."""
        return self._table.select([one.name for one in self._data.inputs])

    @cached_property
    def label(self) -> npt.NDArray[Any]:
        """The labels as a numpy array of their own type (decimals as doubles, text as objects)."""
        if self._set.label is None:
            raise HookError(
                "no-label",
                f"The training set {self._set.name} has no label.",
                hint="name one: config(label='COLUMN').",
            )
        column = _plain(self._table.column(self._set.label))
        if pa.types.is_decimal(column.type):
            return doubles(column)
        return np.asarray(column.to_numpy(zero_copy_only=False))

    @cached_property
    def weight(self) -> Floats | None:
        """The rows' weights, None where the training set has none."""
        name = next(iter(self._set.named("weight")), None)
        return None if name is None else doubles(self._table.column(name))

    def numpy(self) -> Floats:
        """The inputs as a matrix of doubles: categories as positions in their list, missing as NaN."""
        return matrix(self._table, self._data.inputs)

    def pandas(self, columns: Columns = "inputs") -> Any:
        """A DataFrame of the inputs (or of all columns), categories as pandas categories."""
        pandas = _library("pandas")
        inputs = {one.name: one for one in self._data.inputs}
        return pandas.DataFrame(
            {
                name: _pandas_input(self._table.column(name), inputs[name])
                if name in inputs
                else self._table.column(name).to_pandas()
                for name in self._names(columns)
            },
            copy=False,
        )

    def polars(self, columns: Columns = "inputs") -> Any:
        """A polars DataFrame of the inputs (or of all columns), categories as Enum."""
        polars = _library("polars")
        frame = polars.from_arrow(self._table.select(self._names(columns)))
        enums = [
            polars.col(one.name).cast(polars.String).cast(polars.Enum(list(one.categories or ())), strict=False)
            for one in self._data.inputs
            if one.kind == CATEGORICAL
        ]
        return frame.with_columns(enums)

    def lightgbm(self, params: Mapping[str, Any] | None = None) -> Any:
        """A ``lightgbm.Dataset`` with names, categories, label and weight.

        Those of other splits refer to the train split's latest, as LightGBM wants it.
        """
        library = _library("lightgbm")
        train = self._learned_from
        is_train = self is train
        if not is_train and train._dataset is None:
            train.lightgbm(params)
        inputs = self._data.inputs
        dataset = library.Dataset(
            matrix(self._table, inputs),
            label=self._numeric_label(),
            weight=self.weight,
            reference=None if is_train else train._dataset,
            feature_name=lightgbm_names([one.name for one in inputs]),
            categorical_feature=[position for position, one in enumerate(inputs) if one.kind == CATEGORICAL],
            params=dict(params or {}),
        )
        if is_train:
            self._dataset = dataset
        return dataset

    def _numeric_label(self) -> Floats:
        """The labels as numbers; text as its position among the classes."""
        if self.label.dtype.kind in "biuf":
            return self.label.astype(np.float64)
        codes = {value: float(code) for code, value in enumerate(self._data.classes or ())}
        return np.array([codes[value] for value in self.label.tolist()], dtype=np.float64)

    def _names(self, columns: Columns) -> list[str]:
        return [one.name for one in self._data.inputs] if columns == "inputs" else self._table.column_names


class Fold:
    """One fold: ``train`` to learn from and ``test`` to judge by, each as a split."""

    def __init__(self, data: TrainingData, name: str) -> None:
        self.name = name
        self.train: Split = _FoldPart(data, self, "train")
        self.test: Split = _FoldPart(data, self, "test")

    def __repr__(self) -> str:
        return f"<Fold {self.name}>"


class _FoldPart(Split):
    """The rows of one side of a fold: those of the whole that its column marks."""

    def __init__(self, data: TrainingData, fold: Fold, side: str) -> None:
        super().__init__(data, WHOLE)
        self.name = f"fold {fold.name} {side}"
        self._fold = fold
        self._side = side

    def __repr__(self) -> str:
        return f"<Split {self.name} of {self._set.name}>"

    @property
    def file(self) -> Any:
        """The path of the Parquet file that has its rows, among others."""
        return self._set.file(WHOLE)

    @property
    def _learned_from(self) -> Split:
        return self._fold.train

    def _read(self) -> pa.Table:
        column = f"fold_{self._fold.name}"
        sides = pq.read_table(self._set.file(FOLDS), columns=[column]).column(column)
        return pq.read_table(self.file).filter(pc.fill_null(pc.equal(sides, self._side), False))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without a dictionary."""
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _pandas_input(column: pa.ChunkedArray, one: Input) -> Any:
    if one.kind == CATEGORICAL:
        codes = np.nan_to_num(encode(column, one), nan=-1).astype(np.int32)
        return _library("pandas").Categorical.from_codes(codes, categories=list(one.categories or ()))
    whole = pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
    return column.to_numpy() if whole and not column.null_count else encode(column, one)


def _library(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        extra = "'sqlfeat[lightgbm]'" if package == "lightgbm" else package
        raise HookError(
            "missing-package", f"The package {package} is not installed.", hint=f"pip install {extra}."
        ) from error
