"""What a trainer hook gets: the splits of a training set in the form that its library wants.

A split reads its Parquet file when it is first asked, and rows without a label never reach a hook. Categories are
those of the training set's manifest in every form: pandas and polars get them as categories, matrices and LightGBM as
positions in the list, null and unknown ones as missing. Knows training sets and signatures, not how hooks are run.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sqlfeat.errors import HookError
from sqlfeat.store.codecs import install_hint, lightgbm_names
from sqlfeat.store.codecs.catboost import pool as catboost_pool
from sqlfeat.store.codecs.lightgbm import arrow_inputs, takes_arrow
from sqlfeat.store.codecs.xgboost import training_matrix
from sqlfeat.store.signature import CATEGORICAL, Floats, Input, InputRows, doubles, encode, inputs_of, pandas_column
from sqlfeat.store.training_set import FOLDS, UNSPLIT, WHOLE, TrainingSet

Columns = Literal["inputs", "all"]
Weight = Literal["own", "balanced"] | npt.ArrayLike | None
LONGEST_CURVE = 100_000


class TrainingData:
    """A training set in the hands of a hook.

    ``train``, ``validation`` and ``test`` are its splits of these names, ``splits`` all of them by name. ``params``
    are the parameters of this training, ``seed`` is a number for whatever is random: ``params["seed"]``, or one that
    follows from the training set's id. ``group`` is the column whose rows are ranked against each other, if there is
    one.
    """

    def __init__(
        self, training_set: TrainingSet, params: Mapping[str, Any] | None = None, group: str | None = None
    ) -> None:
        self.training_set = training_set
        self.group = group
        self.params: Mapping[str, Any] = MappingProxyType(dict(params or {}))
        self.splits: Mapping[str, Split] = MappingProxyType(
            {name: Split(self, name) for name in training_set.splits if name != UNSPLIT}
        )
        self.logged: dict[str, dict[str, float]] = {}
        self.logged_curves: dict[str, dict[str, list[float | None]]] = {}
        if group is not None and all(column.name != group for column in training_set.columns):
            names = ", ".join(column.name for column in training_set.columns)
            raise HookError(
                "no-such-group",
                f"The training set {training_set.name} has no column {group!r}.",
                hint=f"it has {names}.",
            )

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

    def log_curve(self, name: str, values: Iterable[float], split: str = "validation") -> None:
        """Keep how a number went while the model was trained, one value for each round, with the model."""
        curve = [float(value) for value in values]
        if not name or len(curve) > LONGEST_CURVE:
            raise HookError(
                "bad-metric",
                f"The curve {name!r} has {len(curve):,} values under a name; it may have {LONGEST_CURVE:,}.",
            )
        self.logged_curves.setdefault(split, {})[name] = [value if math.isfinite(value) else None for value in curve]

    def log_curves(self, evaluations: Mapping[str, Mapping[str, Iterable[float]]]) -> None:
        """Keep curves as libraries give them: set → metric → values, such as XGBoost's ``evals_result``."""
        for split, by_name in evaluations.items():
            for name, values in by_name.items():
                self.log_curve(name, values, split)

    def curves(self, period: int = 50) -> Curves:
        """A callback for ``lightgbm.train``: keeps what each round measures, prints it every ``period`` rounds."""
        return Curves(self, period)


class Curves:
    """Hears what LightGBM measures in each round, keeps it as curves, and prints some of it."""

    order = 20  # after the callbacks that change parameters, before early stopping, which ends the round

    def __init__(self, data: TrainingData, period: int) -> None:
        self._data = data
        self._period = period

    def __call__(self, environment: Any) -> None:
        measured = [(entry[0], entry[1], float(entry[2])) for entry in environment.evaluation_result_list or ()]
        for split, name, value in measured:
            curve = self._data.logged_curves.setdefault(split, {}).setdefault(name, [])
            if len(curve) < LONGEST_CURVE:
                curve.append(value if math.isfinite(value) else None)
        done = environment.iteration + 1
        if measured and self._period and done % self._period == 0:
            print(f"round {done}: {', '.join(f'{split} {name} {value:.6g}' for split, name, value in measured)}")


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
        self._quantiles: Any = None

    def __len__(self) -> int:
        return self._kept[0]

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

    def _stored(self, names: Sequence[str]) -> Iterator[tuple[str, pa.ChunkedArray]]:
        """Columns of the file one after the other, those of categories as dictionaries."""
        categories = [one.name for one in self._data.inputs if one.kind == CATEGORICAL]
        with pq.ParquetFile(self.file, read_dictionary=categories) as file:
            for name in names:
                yield name, file.read(columns=[name]).column(name)

    @cached_property
    def _kept(self) -> tuple[int, pa.ChunkedArray | None]:
        """How many rows have a label, and which; None where all have."""
        name = self._set.label or self._set.columns[0].name
        ((_, column),) = self._stored([name])
        if self._set.label is None or not column.null_count:
            return len(column), None
        return len(column) - column.null_count, pc.is_valid(column)

    def _columns(self, names: Sequence[str]) -> Iterator[tuple[str, pa.ChunkedArray]]:
        """Columns one after the other, of the rows that have a label: never all of them are in memory for it."""
        if "_table" in self.__dict__:
            yield from ((name, self._table.column(name)) for name in names)
            return
        for name, column in self._stored(names):
            yield name, column if self._kept[1] is None else column.filter(self._kept[1])

    def _column(self, name: str) -> pa.ChunkedArray:
        ((_, column),) = self._columns([name])
        return column

    def _inputs(self) -> Iterator[tuple[Input, pa.ChunkedArray]]:
        columns = self._columns([one.name for one in self._data.inputs])
        return ((one, column) for one, (_, column) in zip(self._data.inputs, columns, strict=True))

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
        column = _plain(self._column(self._set.label))
        if pa.types.is_decimal(column.type):
            return doubles(column)
        return np.asarray(column.to_numpy(zero_copy_only=False))

    @cached_property
    def weight(self) -> Floats | None:
        """The rows' weights, None where the training set has none."""
        name = next(iter(self._set.named("weight")), None)
        return None if name is None else doubles(self._column(name))

    @cached_property
    def class_weights(self) -> Mapping[Any, float]:
        """A weight for each class of the label with which all classes weigh the same, and a row 1 on average."""
        return dict(zip(*self._balance[:2], strict=True))

    def balanced_weight(self) -> Floats:
        """The rows' weights, or 1, times the weight of their class."""
        _, weights, codes = self._balance
        own = np.ones(len(self)) if self.weight is None else self.weight
        return np.asarray(own * np.array(weights)[codes])

    @cached_property
    def _balance(self) -> tuple[list[Any], list[float], npt.NDArray[np.int64]]:
        """The classes, their weights, and the position of each row's class."""
        classes, codes = np.unique(self.label, return_inverse=True)
        own = np.bincount(codes, np.ones(len(self)) if self.weight is None else self.weight, minlength=len(classes))
        total = float(np.sum(own))
        return classes.tolist(), [total / (len(classes) * one) if one else 0.0 for one in own.tolist()], codes

    @cached_property
    def groups(self) -> npt.NDArray[np.int64] | None:
        """For each row the number of its group, in the order in which groups appear; None without ``group=``."""
        if self._data.group is None:
            return None
        column = _plain(self._column(self._data.group)).combine_chunks()
        codes = pc.dictionary_encode(column, null_encoding="encode").indices
        return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)

    def numpy(self) -> Floats:
        """The inputs as a matrix of doubles: categories as positions in their list, missing as NaN."""
        numbers = np.empty((len(self), len(self._data.inputs)), dtype=np.float64, order="F")
        for position, (one, column) in enumerate(self._inputs()):
            numbers[:, position] = encode(column, one)
        return numbers

    def pandas(self, columns: Columns = "inputs") -> Any:
        """A DataFrame of the inputs (or of all columns), categories as pandas categories."""
        pandas = _library("pandas")
        inputs = {one.name: one for one in self._data.inputs}
        return pandas.DataFrame(
            {
                name: pandas_column(column, inputs[name]) if name in inputs else column.to_pandas()
                for name, column in self._columns(self._names(columns))
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

    def lightgbm(self, params: Mapping[str, Any] | None = None, *, weight: Weight = "own") -> Any:
        """A ``lightgbm.Dataset`` with names, categories, label and weight.

        Those of other splits refer to the train split's latest, as LightGBM wants it. ``weight`` is ``'own'``, the
        training set's, ``'balanced'``, or an array. Where there are groups, their rows are put together.
        """
        library = _library("lightgbm")
        train = self._learned_from
        is_train = self is train
        if not is_train and train._dataset is None:
            train.lightgbm(params, weight=weight)
        inputs = self._data.inputs
        rows = slice(None) if self.groups is None else np.argsort(self.groups, kind="stable")
        weights = self._weights(weight)
        dataset = library.Dataset(
            self._lightgbm_rows(rows),
            label=self._numeric_label()[rows],
            weight=None if weights is None else weights[rows],
            group=None if self.groups is None else np.bincount(self.groups),
            reference=None if is_train else train._dataset,
            feature_name=lightgbm_names([one.name for one in inputs]),
            categorical_feature=[position for position, one in enumerate(inputs) if one.kind == CATEGORICAL],
            params=dict(params or {}),
        )
        if is_train:
            self._dataset = dataset
        return dataset

    def _lightgbm_rows(self, order: Any) -> Any:
        """The inputs as LightGBM learns the same from with the least memory: Arrow where it takes that."""
        if not takes_arrow():
            return self.numpy()[order]
        table = arrow_inputs(self._inputs())
        return table if self.groups is None else table.take(pa.array(order))

    def xgboost(self, *, quantile: bool = False, weight: Weight = "own") -> Any:
        """An ``xgboost.DMatrix`` with names, categories, label and weight; or a ``QuantileDMatrix``, for ``hist``.

        The quantiles of other splits are the train split's. Where there are groups, their rows are put together.
        """
        train = self._learned_from
        if quantile and self is not train and train._quantiles is None:
            train.xgboost(quantile=True)
        if quantile and self is train and self._quantiles is not None and isinstance(weight, str) and weight == "own":
            return self._quantiles  # XGBoost wants other splits to refer to the very object that it learns from
        rows, label, weights, groups = self._by_group(weight)
        like = None if self is train else train._quantiles
        matrix_ = training_matrix(rows, label, weights, groups, quantile=quantile, like=like)
        if quantile and self is train:
            self._quantiles = matrix_
        return matrix_

    def catboost(self, *, weight: Weight = "own") -> Any:
        """A ``catboost.Pool`` with names, categories as texts (missing: ``'nan'``), label and weight.

        Where there are groups, their rows are put together.
        """
        rows, _, weights, groups = self._by_group(weight)
        order = self._group_order
        categories = [position for position, one in enumerate(self._data.inputs) if one.kind == CATEGORICAL]
        found = catboost_pool(rows, categories, None if self._set.label is None else self.label[order], weights)
        if groups is not None:
            found.set_group_id(groups)
        return found

    @property
    def _group_order(self) -> Any:
        return slice(None) if self.groups is None else np.argsort(self.groups, kind="stable")

    def _by_group(self, weight: Weight) -> tuple[InputRows, Any, Floats | None, Any]:
        """The inputs, numeric labels, weights and groups of the rows, those of a group together."""
        order, weights = self._group_order, self._weights(weight)
        table = self._table if self.groups is None else self._table.take(pa.array(order))
        label = None if self._set.label is None else self._numeric_label()[order]
        groups = None if self.groups is None else self.groups[order]
        return InputRows(table, self._data.inputs), label, None if weights is None else weights[order], groups

    def _weights(self, weight: Weight) -> Floats | None:
        """The weights of the rows that are asked for."""
        if isinstance(weight, str):
            if weight not in ("own", "balanced"):
                raise HookError(
                    "unknown-weight", f"{weight!r} is no weight.", hint="write 'own' or 'balanced', or give an array."
                )
            return self.balanced_weight() if weight == "balanced" else self.weight
        return None if weight is None else np.asarray(weight, dtype=np.float64)

    def _numeric_label(self) -> Floats:
        """The labels as numbers; text as its position among the classes."""
        if self.label.dtype.kind in "biuf":
            return self.label.astype(np.float64)
        codes = {value: float(code) for code, value in enumerate(self._data.classes or ())}
        return np.array([codes[value] for value in self.label.tolist()], dtype=np.float64)

    def _names(self, columns: Columns) -> list[str]:
        own = self._data.inputs if columns == "inputs" else self._set.columns
        return [one.name for one in own]


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

    def _stored(self, names: Sequence[str]) -> Iterator[tuple[str, pa.ChunkedArray]]:
        with pq.ParquetFile(self._set.file(FOLDS)) as beside:
            side = f"fold_{self._fold.name}"
            kept = pc.fill_null(pc.equal(beside.read(columns=[side]).column(side), self._side), False)
            for name, column in super()._stored(names):
                own = f"{side}.{name}"
                fitted = beside.read(columns=[own]).column(own) if own in beside.schema_arrow.names else column
                yield name, fitted.filter(kept)

    def _read(self) -> pa.Table:
        column = f"fold_{self._fold.name}"
        names = pq.read_schema(self._set.file(FOLDS)).names
        own = [name for name in names if name.startswith(f"{column}.")]  # what transforms give that are fitted in it
        beside, table = pq.read_table(self._set.file(FOLDS), columns=[column, *own]), pq.read_table(self.file)
        for name in own:
            output = name.removeprefix(f"{column}.")
            table = table.set_column(table.column_names.index(output), output, beside.column(name))
        return table.filter(pc.fill_null(pc.equal(beside.column(column), self._side), False))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without a dictionary."""
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _library(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise HookError(
            "missing-package", f"The package {package} is not installed.", hint=f"{install_hint(package)}."
        ) from error
