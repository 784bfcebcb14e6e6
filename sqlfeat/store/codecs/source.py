"""A predictor given as source code: the text of a Python module, and data beside it, without pickle.

This is the one form that runs code which lies in the registry: the user's own, of his own project. Its bytes are
checked against their hash first, reading them runs nothing, and the code runs when rows are predicted, in the process
that predicts. Whoever can write into a registry can write such code, as he can write hooks.
"""

from __future__ import annotations

import io
import json
import linecache
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sqlfeat.base.files import canonical_json
from sqlfeat.errors import HookError, Place, RunError, SqlfeatError, StoreError
from sqlfeat.store.codecs.archive import pack, unpack
from sqlfeat.store.codecs.codec import Importances
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY, SCORE, VALUE, Floats, Input, InputRows

FORMAT_VERSION = 1
_DESCRIPTION = "predictor.json"
_SOURCE = "predictor.py"
_KINDS = (VALUE, SCORE, PROBABILITY, PROBABILITIES)
_FUNCTION = "predict"


class SourcePredictor:
    """A model that is a piece of Python: a trainer hook may return it.

    ``source`` is the text of a module with a function ``predict(inputs, data)`` (or ``predict(inputs)``), or the path
    of its file. ``inputs`` has the forms of ``data.train``: ``.numpy()``, ``.pandas()``, ``.polars()``, ``.arrow()``,
    and ``inputs["name"]`` as an array. ``data`` is what was given here: numpy arrays, values of JSON, bytes; a
    ``pathlib.Path`` is kept as the bytes of its file.

    ``output`` says what the function gives for each row: ``"value"``, ``"score"`` (a number that only orders rows),
    ``"probability"`` (of the second of two ``classes``) or ``"probabilities"`` (one for each of ``classes``). The
    function runs wherever the model predicts, so the module may import what is installed there, and no file of the
    project.
    """

    def __init__(
        self,
        source: str | Path,
        data: Mapping[str, Any] | None = None,
        output: str = VALUE,
        classes: Sequence[Any] | None = None,
        inputs: Sequence[str] | None = None,
    ) -> None:
        self.source = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        self.data = dict(data or {})
        self.output = output
        self.classes = None if classes is None else tuple(classes)
        self.inputs = None if inputs is None else tuple(inputs)
        self._module: types.ModuleType | None = None
        _check(self)

    def predict(self, inputs: Any) -> Any:
        """What the function gives for these inputs."""
        if self._module is None:
            self._module = _run(self.source)
        function = getattr(self._module, _FUNCTION, None)
        if not callable(function):
            raise HookError("hook-bad-result", f"The predictor's source defines no function {_FUNCTION!r}.")
        takes_data = function.__code__.co_argcount > 1 if isinstance(function, types.FunctionType) else True
        return function(inputs, self.data) if takes_data else function(inputs)


class Source:
    """Predictors given as source code, as text and plain data."""

    name = "source"
    file = "predictor.zip"
    keeps = "a sqlfeat.SourcePredictor"
    package = "numpy"

    def matches(self, model: object) -> bool:
        return isinstance(model, SourcePredictor)

    def encode(self, model: Any) -> bytes:
        files: dict[str, bytes] = {}
        told: dict[str, Any] = {}
        for number, (name, value) in enumerate(sorted(model.data.items()), start=1):
            told[name], content = _kept(name, value, number)
            if content is not None:
                files[told[name]["file"]] = content
        description = {
            "format": FORMAT_VERSION,
            "output": model.output,
            "classes": None if model.classes is None else list(model.classes),
            "inputs": None if model.inputs is None else list(model.inputs),
            "data": told,
        }
        text = canonical_json(description)
        return pack({_DESCRIPTION: text.encode(), _SOURCE: model.source.encode(), **files})

    def decode(self, data: bytes) -> Any:
        files = unpack(data, "A predictor given as source")
        try:
            told = json.loads(files[_DESCRIPTION])
            if told["format"] != FORMAT_VERSION:
                raise StoreError(
                    "unreadable-model",
                    f"This predictor is of format {told['format']}; this sqlfeat reads {FORMAT_VERSION}.",
                    hint="update sqlfeat.",
                )
            values = {name: _value(entry, files) for name, entry in told["data"].items()}
            return SourcePredictor(files[_SOURCE].decode(), values, told["output"], told["classes"], told["inputs"])
        except (KeyError, TypeError, ValueError, AttributeError, HookError) as error:
            what = error.what if isinstance(error, SqlfeatError) else f"it lacks {error}"
            raise StoreError("unreadable-model", f"A predictor given as source cannot be read: {what}.") from error

    def arrange(self, model: Any, inputs: Sequence[Input]) -> tuple[Input, ...]:
        if model.inputs is None:
            return tuple(inputs)
        known = {one.name: one for one in inputs}
        strange = [name for name in model.inputs if name not in known]
        if strange:
            raise HookError(
                "hook-bad-result",
                f"The predictor takes {', '.join(strange[:5])}, which is none of the training set's inputs.",
                hint=f"these are {', '.join(known)}.",
            )
        return tuple(known[name] for name in model.inputs)

    def output(self, model: Any) -> tuple[str, int]:
        if model.output == PROBABILITY:
            return PROBABILITY, 2
        return model.output, len(model.classes) if model.output == PROBABILITIES else 0

    def classes(self, model: Any) -> tuple[Any, ...] | None:
        return model.classes  # type: ignore[no-any-return]

    def predict(self, model: Any, rows: InputRows) -> Floats:
        try:
            found = np.asarray(model.predict(rows), dtype=np.float64)
        except SqlfeatError:
            raise
        except Exception as error:  # the user's code may raise whatever it likes
            raise _told(error, model.source) from error
        wanted = (len(rows), len(model.classes)) if model.output == PROBABILITIES else (len(rows),)
        if found.shape != wanted:
            raise RunError(
                "prediction-failed",
                f"The predictor gave numbers of the shape {found.shape} for {len(rows)} rows, not {wanted}.",
            )
        return found

    def reference(self, model: Any, rows: InputRows) -> Floats | None:
        return self.predict(model, rows)

    def importances(self, model: Any) -> Importances:
        return {}


def _check(model: SourcePredictor) -> None:
    """Refuse what cannot be a predictor, where the hook makes it."""
    if model.output not in _KINDS:
        raise HookError("hook-bad-result", f"A predictor gives {', '.join(_KINDS)}, not {model.output!r}.")
    if model.output == PROBABILITIES and len(model.classes or ()) < 2:
        raise HookError("hook-bad-result", "A predictor of probabilities must name its classes.", hint="classes=[…].")
    if model.output == PROBABILITY and model.classes is not None and len(model.classes) != 2:
        raise HookError("hook-bad-result", f"A probability is of one of two classes, not of {len(model.classes)}.")
    try:
        compile(model.source, _SOURCE, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise HookError("hook-bad-result", f"The predictor's source is no Python: {error} (line {line}).") from error


def _kept(name: str, value: Any, number: int) -> tuple[dict[str, Any], bytes | None]:
    """How one piece of data is kept: what the description says of it, and its file."""
    if isinstance(value, Path):
        value = value.read_bytes()
    if isinstance(value, bytes | bytearray):
        return {"form": "bytes", "file": f"data{number}.bin"}, bytes(value)
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject:
            what = f"The predictor's data {name!r} is an array of Python objects."
            raise HookError("hook-bad-result", what, hint="give it a type: .astype(str), .astype(float).")
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        return {"form": "array", "file": f"data{number}.npy"}, stream.getvalue()
    try:
        canonical_json(value)
    except (TypeError, ValueError) as error:
        raise HookError(
            "hook-bad-result",
            f"The predictor's data {name!r} is a {type(value).__name__}, which cannot be kept without pickle.",
            hint="give numpy arrays, texts, numbers, lists and dicts of these, bytes, or the pathlib.Path of a file.",
        ) from error
    return {"form": "json", "value": value}, None


def _value(entry: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
    if entry["form"] == "json":
        return entry["value"]
    content = files[entry["file"]]
    return np.load(io.BytesIO(content), allow_pickle=False) if entry["form"] == "array" else content


def _run(source: str) -> types.ModuleType:
    """The module of this source, of which tracebacks show the lines."""
    module = types.ModuleType("predictor")
    module.__file__ = _SOURCE
    linecache.cache[_SOURCE] = (len(source), None, source.splitlines(keepends=True), _SOURCE)
    exec(compile(source, _SOURCE, "exec"), module.__dict__)
    return module


def _told(error: Exception, source: str) -> RunError:
    """The error of the user's code, at its line in the predictor."""
    trace, line = error.__traceback__, None
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == _SOURCE else line
        trace = trace.tb_next
    lines = source.splitlines()
    text = lines[line - 1] if line is not None and line <= len(lines) else ""
    indent = len(text) - len(text.lstrip())
    place = None if line is None else Place(_SOURCE, line, indent + 1, text, max(len(text.strip()), 1))
    return RunError("prediction-failed", f"The predictor raised {type(error).__name__}: {error}.", place)
