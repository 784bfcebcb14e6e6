"""Any ONNX model: kept as its own bytes, run by onnxruntime on one thread, so that rows never depend on their company.

A model takes all inputs as one matrix, or one input a column under the inputs' own names. A category goes in as its
text where the model takes texts (the empty text where it is missing or unknown), otherwise as its position (NaN, or
-1 among whole numbers). What comes out is read by its shape: a column of numbers, or one probability a class, as a
tensor or as the maps that ZipMap makes. Weights in files of their own and operators of strangers are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from sqlfeat.errors import HookError, RunError, SqlfeatError, StoreError
from sqlfeat.store.codecs.codec import Importances, arranged, library
from sqlfeat.store.signature import CATEGORICAL, PROBABILITIES, PROBABILITY, VALUE, Floats, Input, InputRows

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
_LABELS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


@dataclass(frozen=True)
class Network:
    """A model that can be run: what it takes, the output that is read, and the classes that it names."""

    session: Any
    takes: tuple[Any, ...]
    gives: Any
    columns: int
    classes: tuple[Any, ...] | None


class Onnx:
    """Any ONNX model as its own bytes."""

    name = "onnx"
    file = "model.onnx"
    keeps = "an onnx ModelProto or the pathlib.Path of an .onnx file"
    package = "onnxruntime"

    def matches(self, model: object) -> bool:
        if isinstance(model, PurePath):
            return model.suffix == ".onnx"
        kind = type(model)
        return kind.__name__ == "ModelProto" and kind.__module__.partition(".")[0] == "onnx"

    def encode(self, model: Any) -> bytes:
        try:
            if isinstance(model, PurePath):
                data = Path(model).read_bytes()
                _read(data)
            else:
                _refuse_foreign(model)
                data = model.SerializeToString(deterministic=True)
            _network(data)
        except (StoreError, OSError) as error:
            what = error.what if isinstance(error, SqlfeatError) else str(error)
            hint = error.hint if isinstance(error, SqlfeatError) else None
            raise HookError("hook-bad-result", f"The ONNX model cannot be kept: {what}", hint=hint) from error
        return bytes(data)

    def decode(self, data: bytes) -> Any:
        return _network(data)

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        if len(model.takes) == 1 and _width(model.takes[0]) != 1:
            return arranged(None, _width(model.takes[0]) or len(inputs), inputs)
        names = [one.name for one in model.takes]
        if len(names) == len(inputs) == 1:
            return tuple(inputs)
        return arranged(names, len(names), inputs)

    def output(self, model: Any) -> tuple[str, int]:
        if model.columns > 1:
            return (PROBABILITIES, model.columns) if model.columns > 2 else (PROBABILITY, 2)
        return VALUE, 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        data = Path(model).read_bytes() if isinstance(model, PurePath) else model.SerializeToString()
        return _network(data).classes

    def predict(self, model: Any, rows: InputRows) -> Floats:
        found = model.session.run([model.gives.name], _fed(model, rows))[0]
        if isinstance(found, list):
            found = [[row[label] for label in model.classes or sorted(row)] for row in found]
        numbers = np.asarray(found, dtype=np.float64).reshape(len(rows), -1)
        if numbers.shape[1] == 1:
            return numbers[:, 0]
        return numbers[:, 1] if numbers.shape[1] == 2 else numbers

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        return None

    def importances(self, model: Any) -> Importances:
        return {}


def _network(data: bytes) -> Network:
    proto = _read(data)
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class in common but this one
        raise StoreError("unreadable-model", f"onnxruntime cannot run this model: {_said(error)}") from error
    takes = tuple(session.get_inputs())
    for one in takes:
        if one.type not in _TYPES:
            raise StoreError("unreadable-model", f"The ONNX model's input {one.name!r} is a {one.type}.")
    gives = _chosen(session.get_outputs())
    classes = _classes(proto)
    return Network(session, takes, gives, _columns(session, takes, gives, classes), classes)


def _read(data: bytes) -> Any:
    """The model's graph, once nothing in it leads elsewhere."""
    onnx = library("onnx")
    try:
        proto = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's error has another home in each of its versions
        raise StoreError("unreadable-model", f"This is no ONNX model: {_said(error)}") from error
    _refuse_foreign(proto)
    return proto


def _refuse_foreign(proto: Any) -> None:
    strange = sorted({node.domain for node in _nodes(proto.graph)} - set(_DOMAINS))
    local = {function.domain for function in proto.functions}
    if set(strange) - local:
        raise StoreError("unreadable-model", f"The ONNX model uses operators of {', '.join(strange)}.")
    external = [tensor.name for tensor in _tensors(proto.graph) if tensor.data_location == tensor.EXTERNAL]
    if external:
        raise StoreError(
            "unreadable-model",
            f"The ONNX model's weights {', '.join(external[:3])} lie in a file of their own.",
            hint="save it in one file: onnx.save_model(model, path, save_as_external_data=False).",
        )


def _graphs(graph: Any) -> list[Any]:
    found = [graph]
    for node in graph.node:
        for attribute in node.attribute:
            found += [inner for each in (attribute.g, *attribute.graphs) if each.node for inner in _graphs(each)]
    return found


def _nodes(graph: Any) -> list[Any]:
    return [node for each in _graphs(graph) for node in each.node]


def _tensors(graph: Any) -> list[Any]:
    kept = [tensor for each in _graphs(graph) for tensor in each.initializer]
    held = [tensor for node in _nodes(graph) for one in node.attribute for tensor in (one.t, *one.tensors)]
    return kept + held


def _classes(proto: Any) -> tuple[Any, ...] | None:
    """The labels that the last operator which has some gives to its columns."""
    for node in reversed(proto.graph.node):
        for attribute in node.attribute:
            if attribute.name in _LABELS and (attribute.strings or attribute.ints):
                return tuple(text.decode() for text in attribute.strings) or tuple(attribute.ints)
    return None


def _chosen(outputs: Sequence[Any]) -> Any:
    """The output that is read: probabilities before labels and numbers."""
    by_rank = sorted(outputs, key=_rank)
    if not by_rank or _rank(by_rank[0]) > 3:
        raise StoreError("unreadable-model", "The ONNX model gives neither numbers nor probabilities.")
    return by_rank[0]


def _rank(output: Any) -> int:
    if "map(" in output.type:
        return 0
    if output.type not in ("tensor(float)", "tensor(double)", "tensor(float16)"):
        return 4 if output.type == "tensor(string)" else 3
    return 1 if "prob" in output.name.lower() else 2


def _width(taken: Any) -> int | None:
    """How many columns an input has, None where any number fits."""
    if len(taken.shape) < 2:
        return 1
    return taken.shape[1] if isinstance(taken.shape[1], int) else None


def _columns(session: Any, takes: Sequence[Any], gives: Any, classes: tuple[Any, ...] | None) -> int:
    """How many numbers the model gives a row: as it says, or as it does where it says nothing."""
    if "map(" in gives.type:
        return len(classes or ())
    shape = list(gives.shape)
    if len(shape) > 2:
        raise StoreError("unreadable-model", f"The ONNX model's output {gives.name!r} has {len(shape)} dimensions.")
    if shape and isinstance(shape[0], int) and len(shape) == 2 and shape[0] != 0:
        raise StoreError(
            "unreadable-model",
            f"The ONNX model takes {shape[0]} rows at a time.",
            hint="export it with a first dimension of any size.",
        )
    if len(shape) == 2 and isinstance(shape[1], int):
        return shape[1]
    if len(shape) == 1 or classes is None:
        return 1
    return len(classes)


def _fed(model: Network, rows: InputRows) -> dict[str, npt.NDArray[Any]]:
    """The rows as the model takes them."""
    if len(model.takes) == 1 and _width(model.takes[0]) != 1:
        (taken,) = model.takes
        if _TYPES[taken.type] is np.object_:
            return {taken.name: np.column_stack([_column(rows, one, taken.type) for one in rows.inputs])}
        return {taken.name: _whole(rows.numpy(), taken.type, "inputs")}
    fed = {}
    for taken, one in zip(model.takes, rows.inputs, strict=True):
        values = _column(rows, one, taken.type)
        fed[taken.name] = values.reshape(-1, 1) if len(taken.shape) > 1 else values
    return fed


def _column(rows: InputRows, one: Input, type_: str) -> npt.NDArray[Any]:
    if _TYPES[type_] is not np.object_:
        position = rows.inputs.index(one)
        numbers = rows.numpy()[:, position]
        whole = np.issubdtype(_TYPES[type_], np.integer)
        codes = np.nan_to_num(numbers, nan=-1) if one.kind == CATEGORICAL and whole else numbers
        return _whole(codes, type_, one.name)
    if one.kind != CATEGORICAL:
        raise RunError("input-type", f"The ONNX model takes {one.name!r} as text, and it is a number ({one.type}).")
    texts = rows[one.name]
    return np.where(texts == None, "", texts)  # noqa: E711 (an array of objects)


def _whole(numbers: Floats, type_: str, name: str) -> npt.NDArray[Any]:
    """The numbers in the model's type, which may have no room for what is missing."""
    kind = _TYPES[type_]
    if not np.issubdtype(kind, np.floating) and bool(np.isnan(numbers).any()):
        raise RunError(
            "input-type",
            f"The ONNX model takes {name!r} as {type_}, which cannot be missing, and it is missing in some rows.",
            hint="fill it in the training set's SELECT: coalesce(…), or impute.",
        )
    return np.ascontiguousarray(numbers.astype(kind))


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
