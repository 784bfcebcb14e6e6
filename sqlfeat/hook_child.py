"""What runs in the child process that a hook is given: the only place that imports and calls a user's Python.

``base.process`` starts the child at :func:`train` or :func:`notify` and brings back what they return. Whatever the
user's code raises becomes a plain description with the place in the user's file; whatever else goes wrong here (an
exit, a signal, no memory) leaves no result, and the parent says so. Nothing here writes into the registry.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import linecache
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from typing import Any

from sqlfeat.errors import HookError, Place, SqlfeatError
from sqlfeat.hooks import collected
from sqlfeat.ops.metrics import Metrics, evaluate, merge
from sqlfeat.store import codecs
from sqlfeat.store.artifacts import load_training_set
from sqlfeat.store.signature import VALUE, Output, Signature
from sqlfeat.training_data import TrainingData


class _UsersError(Exception):
    """Something that the user's code raised."""


def train(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Call the trainer ``hook`` in ``file`` on ``training_set``; leave the model's bytes in ``folder``.

    Gives what is known of the model, or ``{"error": …}``.
    """
    root = Path(argument["root"])
    try:
        _import(Path(argument["file"]), root)
        hook = collected.trainers.get(argument["hook"])
        if hook is None:
            raise HookError(
                "hook-no-result", f"{argument['file']} was imported and defined no hook {argument['hook']!r}."
            )
        params = {**hook.params, **argument["params"]}
        data = TrainingData(load_training_set(Path(argument["training_set"])), params)
        started = time.monotonic()
        model = _call(hook.function, data, dict(params))
        trained = time.monotonic()
        result = _describe(model, data, Path(argument["folder"]))
        return {
            **result,
            "params": plain(params),
            "train_seconds": trained - started,
            "evaluate_seconds": time.monotonic() - trained,
        }
    except _UsersError as error:
        return {"error": _told(error.__cause__ or error, root)}
    except SqlfeatError as error:
        return {"error": _shape(error, None)}


def notify(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Call every hook of ``event`` in ``file`` with ``facts``."""
    root = Path(argument["root"])
    try:
        _import(Path(argument["file"]), root)
        for function in collected.events.get(argument["event"], ()):
            _call(function, dict(argument["facts"]))
    except _UsersError as error:
        return {"error": _told(error.__cause__ or error, root)}
    except SqlfeatError as error:
        return {"error": _shape(error, None)}
    return {}


def _import(file: Path, root: Path) -> None:
    """Run the user's file; its folder and the project are where it may import from, after what is installed.

    It is a module of another name than the file's: ``hooks/lightgbm.py`` must not stand in for the library.
    """
    codecs.let_waiting_threads_sleep()
    sys.path_hooks.insert(0, _finder_below(root))
    sys.path += [str(file.parent), str(root)]
    sys.path_importer_cache.clear()
    name = f"hook_{file.stem}"
    loader = _Uncached(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None:
        raise HookError("hook-failed", f"{file} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _guarded(lambda: loader.exec_module(module))


class _Uncached(SourceFileLoader):
    """Imports source without leaving ``__pycache__`` in the user's project, which training must not change."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write nothing."""


def _finder_below(root: Path) -> Callable[[str], FileFinder]:
    def finder(folder: str) -> FileFinder:
        if not _is_users(folder, root) or not Path(folder).is_dir():
            raise ImportError(f"{folder} is not the project's")
        return FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Uncached, SOURCE_SUFFIXES))

    return finder


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the user's function with as many of the arguments as it takes."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    count = len(arguments) if takes_all else sum(one.kind in kinds for one in parameters)
    return _guarded(lambda: function(*arguments[:count]))


def _guarded(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except Exception as error:  # the edge: whatever a user's code raises is told, and its traceback is in the log
        traceback.print_exception(error, file=sys.stderr)
        raise _UsersError from error


def _describe(model: Any, data: TrainingData, folder: Path) -> dict[str, Any]:
    """Keep the model's bytes, read them back, and judge what was read: that is what will predict."""
    codec = codecs.codec_for(model)
    encoded = codec.encode(model)
    sha256 = hashlib.sha256(encoded).hexdigest()
    (folder / codec.file).write_bytes(encoded)
    decoded = codecs.decode(codec, encoded, sha256)
    inputs = codec.arrange(decoded, data.inputs)
    signature = Signature(inputs, _output(codec, model, decoded, data))
    importances = {
        kind: dict(zip((one.name for one in inputs), values, strict=True))
        for kind, values in codec.importances(decoded).items()
    }
    return {
        "codec": codec.name,
        "package": codec.package,
        "file": codec.file,
        "sha256": sha256,
        "signature": signature.as_dict(),
        "importances": importances,
        "metrics": merge(_metrics(codec, decoded, signature, data), data.logged),
    }


def _output(codec: codecs.Codec, model: Any, decoded: Any, data: TrainingData) -> Output:
    kind, count = codec.output(decoded)
    if kind == VALUE:
        return Output(kind)
    classes = codec.classes(model) or _label_classes(data) or tuple(range(count))
    if len(classes) != count:
        raise HookError("hook-bad-result", f"The model tells {count} classes apart; the labels have {len(classes)}.")
    return Output(kind, classes)


def _label_classes(data: TrainingData) -> tuple[Any, ...] | None:
    """The labels' own names for their classes, where they are text or truth; numbers are classes as they are."""
    named = data.classes and isinstance(data.classes[0], str)
    truth = data.classes and isinstance(data.classes[0], bool)
    return data.classes if named else (False, True) if truth else None


def _metrics(codec: codecs.Codec, decoded: Any, signature: Signature, data: TrainingData) -> dict[str, Metrics]:
    metrics: dict[str, Metrics] = {}
    for name, split in data.splits.items():
        if data.training_set.label is None or not len(split):
            metrics[name] = {}
            continue
        predictions = codecs.predict(codec, decoded, signature.inputs, split.arrow())
        metrics[name] = evaluate(signature.output, split.label, predictions, split.weight)
    return metrics


def _told(error: BaseException, root: Path) -> dict[str, Any]:
    """What a user's exception says, and the innermost place in a file of the project that it came through."""
    place = _place(error, root)
    if isinstance(error, SqlfeatError):
        return _shape(error, place)
    kind = type(error).__qualname__ if type(error).__module__ == "builtins" else _qualified(type(error))
    text = str(error).strip()
    first, *rest = text.splitlines() or [""]
    what = f"The hook raised {kind}: {first}" if first else f"The hook raised {kind}."
    return _shape(HookError("hook-failed", what, hint=_remedy(error), details=rest[:20]), place)


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        wanted = "'sqlfeat[lightgbm]'" if error.name == "lightgbm" else error.name.partition(".")[0]
        return f"pip install {wanted}."
    return "train on less, or give @trainer a greater memory_limit." if isinstance(error, MemoryError) else None


def _qualified(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _shape(error: SqlfeatError, place: Place | None) -> dict[str, Any]:
    found = place or error.where
    return {
        "code": error.code,
        "what": error.what,
        "hint": error.hint,
        "details": list(error.details),
        "place": None if found is None else [found.file, found.line, found.column, found.text, found.length],
    }


def _place(error: BaseException, root: Path) -> Place | None:
    if isinstance(error, SyntaxError) and error.filename and _is_users(error.filename, root):
        text = (error.text or "").rstrip("\n")
        return Place(_relative(error.filename, root), error.lineno or 1, max(error.offset or 1, 1), text)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename, root)]
    if not frames:
        return None
    frame = frames[-1]
    text = linecache.getline(frame.filename, frame.lineno or 1).rstrip("\n")
    raw = text.encode()
    start = len(raw[: frame.colno or 0].decode(errors="replace"))
    ends_here = frame.end_lineno == frame.lineno and frame.end_colno is not None
    end = len(raw[: frame.end_colno].decode(errors="replace")) if ends_here else len(text)
    return Place(_relative(frame.filename, root), frame.lineno or 1, start + 1, text, max(end - start, 1))


def _is_users(place: str, root: Path) -> bool:
    """Whether a file or folder is the project's own, not of a Python that is installed inside the project."""
    path = Path(place)
    installed = "site-packages" in path.parts or any(
        path.is_relative_to(prefix) and not root.is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix)
    )
    return path.is_relative_to(root) and not installed


def _relative(filename: str, root: Path) -> str:
    return Path(filename).relative_to(root).as_posix()


def plain(value: Any) -> Any:
    """A value as JSON keeps it; what JSON has no form for as its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
