"""A user's Python in the process that it was given: imported, called, and what it raises described.

Whatever the user's code raises becomes :class:`UsersError`, and that a plain description with the place in the user's
file, which the parent makes an error of. Knows nothing of what the code is for.
"""

from __future__ import annotations

import importlib.util
import inspect
import linecache
import sys
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

from sqlfeat.base.packages import install_hint
from sqlfeat.errors import HookError, Place, SqlfeatError


class UsersError(Exception):
    """Something that the user's code raised; the cause is what it raised."""


def import_file(file: Path, root: Path) -> None:
    """Run the user's file; its folder and the project are where it may import from, after what is installed.

    It is a module of another name than the file's: ``hooks/lightgbm.py`` must not stand in for the library.
    """
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


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the user's function with as many of the arguments as it takes."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    count = len(arguments) if takes_all else sum(one.kind in kinds for one in parameters)
    return _guarded(lambda: function(*arguments[:count]))


def call_by_name(function: Callable[..., Any], facts: Mapping[str, Any]) -> Any:
    """Call the user's function with the facts that its parameters name, or with all of them as one dict."""
    wanted = [name for name in inspect.signature(function).parameters if name in facts]
    if not wanted:
        return call(function, dict(facts))
    return _guarded(lambda: function(**{name: facts[name] for name in wanted}))


def _guarded(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except Exception as error:  # the edge: whatever a user's code raises is told, and its traceback is in the log
        traceback.print_exception(error, file=sys.stderr)
        raise UsersError from error


def told(error: BaseException, root: Path) -> dict[str, Any]:
    """What a user's exception says, and the innermost place in a file of the project that it came through."""
    place = _place(error, root)
    if isinstance(error, SqlfeatError):
        return shape(error, place)
    kind = type(error).__qualname__ if type(error).__module__ == "builtins" else _qualified(type(error))
    text = str(error).strip()
    first, *rest = text.splitlines() or [""]
    what = f"The hook raised {kind}: {first}" if first else f"The hook raised {kind}."
    return shape(HookError("hook-failed", what, hint=_remedy(error), details=rest[:20]), place)


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{install_hint(error.name.partition('.')[0])}."
    return "train on less, or give @trainer a greater memory_limit." if isinstance(error, MemoryError) else None


def _qualified(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def shape(error: SqlfeatError, place: Place | None) -> dict[str, Any]:
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
