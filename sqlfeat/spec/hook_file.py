"""One Python file under ``hooks/``, read without running it.

Only a child process imports what a user wrote there. Here the syntax tree is read: functions at the top of the file
under a decorator that was imported from sqlfeat. So what names a hook must be written as a literal; ``params`` may be
any expression, and is known before training only if it is a literal too.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfeat.base.names import check_name, did_you_mean
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.trainer import SETTINGS, TrainerSpec, read_setting

EVENTS = (
    "run_start",
    "model_built",
    "model_failed",
    "test_failed",
    "run_end",
    "check_end",
    "verify_end",
    "training_set_built",
    "train_start",
    "train_failed",
    "model_registered",
    "alias_changed",
    "promotion_refused",
    "predictions_written",
    "published",
    "monitor_breached",
)
"""What an event hook may listen to, in the order in which a project lives through it."""
_MODULES = ("sqlfeat", "sqlfeat.hooks")
_DECORATORS = ("trainer", "on", "promotion")
_TRAINER_ARGUMENTS = ("training_set", "params", "name", *SETTINGS)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class EventHookSpec:
    """A function under ``@on(event)``."""

    event: str
    function: str
    path: Path
    place: Place


@dataclass(frozen=True)
class PromotionHookSpec:
    """A function under ``@promotion``: asked about every registered model, or about ``model`` alone."""

    path: Path
    function: str
    place: Place
    model: str | None = None


HookSpec = TrainerSpec | EventHookSpec | PromotionHookSpec


def read_hook_file(path: Path, root: Path, problems: Problems) -> Iterator[HookSpec]:
    """The hooks of one file in the order of its lines; what is wrong with one of them is noted."""
    source = _Source.read(path, root)
    decorators = _Decorators(source.tree)
    for function in _functions(source.tree.body):
        for decorator in function.decorator_list:
            read = _READERS.get(decorators.kind(decorator) or "")
            if read is not None:
                with problems.collected():
                    yield read(source, function, decorator)


@dataclass(frozen=True)
class _Source:
    """The text of one file and its syntax tree."""

    path: Path
    file: str
    lines: Sequence[str]
    tree: ast.Module

    @classmethod
    def read(cls, path: Path, root: Path) -> _Source:
        file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ProjectError("cannot-read", f"{file} cannot be read: {error.strerror}.", Place(file)) from error
        lines = raw.decode("utf-8", errors="replace").splitlines() or [""]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the child that imports the file shows them
                tree = ast.parse(raw, file)
        except SyntaxError as error:
            raise _syntax_error(error, file, lines) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise ProjectError("hook-syntax", f"{file} is no Python that can be read: {error}.", Place(file)) from None
        return cls(path, file, lines, tree)

    def place(self, node: ast.expr) -> Place:
        text = self.lines[node.lineno - 1]
        raw = text.encode()  # the tree counts bytes
        start = len(raw[: node.col_offset].decode(errors="replace"))
        ends_here = node.end_lineno == node.lineno
        end = len(raw[: node.end_col_offset].decode(errors="replace")) if ends_here else len(text)
        return Place(self.file, node.lineno, start + 1, text, max(end - start, 1))

    def function_place(self, function: Function) -> Place:
        """Where the function's name stands, not its first decorator."""
        text = self.lines[function.lineno - 1]
        column = text.find(function.name, len("def")) + 1
        return Place(self.file, function.lineno, max(column, 1), text, len(function.name))


def _syntax_error(error: SyntaxError, file: str, lines: Sequence[str]) -> ProjectError:
    line = min(max(error.lineno or 1, 1), len(lines))
    column = max(error.offset or 1, 1)
    ends_here = error.end_lineno == error.lineno and error.end_offset
    length = max((error.end_offset or 0) - column, 1) if ends_here else 1
    place = Place(file, line, column, lines[line - 1], length)
    return ProjectError("hook-syntax", f"This is not Python: {error.msg}.", place)


def _functions(body: Sequence[ast.stmt]) -> Iterator[Function]:
    """The functions that importing a file defines: at its top, or under an ``if`` or ``try`` there."""
    for statement in body:
        if isinstance(statement, Function):
            yield statement
        elif isinstance(statement, ast.If):
            yield from _functions([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from _functions([*statement.body, *statement.orelse, *statement.finalbody])


class _Decorators:
    """What the file's imports call our decorators."""

    def __init__(self, tree: ast.Module) -> None:
        self._modules: set[str] = set()
        self._names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._modules |= {alias.asname or alias.name for alias in node.names if alias.name in _MODULES}
            elif isinstance(node, ast.ImportFrom) and node.module in _MODULES:
                imported = {alias.asname or alias.name: alias.name for alias in node.names}
                imported |= {name: name for name in _DECORATORS} if "*" in imported else {}
                self._names |= {mine: name for mine, name in imported.items() if name in _DECORATORS}

    def kind(self, decorator: ast.expr) -> str | None:
        """``trainer``, ``on``, ``promotion``, or None for somebody else's decorator."""
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Name):
            return self._names.get(called.id)
        if isinstance(called, ast.Attribute) and called.attr in _DECORATORS:
            return called.attr if ast.unparse(called.value) in self._modules else None
        return None


def _trainer(source: _Source, function: Function, decorator: ast.expr) -> TrainerSpec:
    arguments = _arguments(source, decorator, _TRAINER_ARGUMENTS)
    if "training_set" not in arguments:
        raise ProjectError(
            "hook-without-training-set",
            f"The hook {function.name!r} does not say which training set it wants.",
            source.place(decorator),
            "write @trainer(training_set='NAME').",
        )
    named = arguments.get("name")
    name = function.name if named is None else _literal(source, named, "name")
    place = source.function_place(function) if named is None else source.place(named)
    training_set = _literal(source, arguments["training_set"], "training_set")
    training_set_place = source.place(arguments["training_set"])
    return TrainerSpec(
        name=check_name("hook", name, place),
        training_set=check_name("training set", training_set, training_set_place),
        function=function.name,
        path=source.path,
        place=source.function_place(function),
        training_set_place=training_set_place,
        params=_params(source, arguments.get("params")),
        places={key: source.place(arguments[key]) for key in SETTINGS if key in arguments},
        **_settings(source, arguments),
    )


def _settings(source: _Source, arguments: Mapping[str, ast.expr]) -> dict[str, Any]:
    """The values of the settings that the decorator has; one that is None is not said."""
    said = {key: _literal(source, arguments[key], key) for key in SETTINGS if key in arguments}
    return {
        key: read_setting(key, value, source.place(arguments[key]), "bad-hook")
        for key, value in said.items()
        if value is not None
    }


def _event_hook(source: _Source, function: Function, decorator: ast.expr) -> EventHookSpec:
    arguments = _arguments(source, decorator, ("event",))
    event = _literal(source, arguments["event"], "event") if "event" in arguments else None
    if event not in EVENTS:
        raise ProjectError(
            "unknown-event",
            f"{event!r} is no event." if event is not None else "@on needs the name of an event.",
            source.place(arguments.get("event", decorator)),
            did_you_mean(str(event), EVENTS),
        )
    return EventHookSpec(event, function.name, source.path, source.function_place(function))


def _promotion_hook(source: _Source, function: Function, decorator: ast.expr) -> PromotionHookSpec:
    arguments = _arguments(source, decorator, ("model",))
    model = _literal(source, arguments["model"], "model") if "model" in arguments else None
    if model is not None:
        check_name("registered model", model, source.place(arguments["model"]))
    return PromotionHookSpec(source.path, function.name, source.function_place(function), model)


def _arguments(source: _Source, decorator: ast.expr, names: Sequence[str]) -> dict[str, ast.expr]:
    """The decorator's arguments by name; positional ones are in the order of ``names``."""
    if not isinstance(decorator, ast.Call):
        return {}
    arguments = dict(zip(names, decorator.args, strict=False))
    for keyword in decorator.keywords:
        if keyword.arg is None or keyword.arg not in names:
            raise ProjectError(
                "bad-hook",
                f"{keyword.arg or '**'} is no argument of this decorator.",
                source.place(keyword.value),
                did_you_mean(keyword.arg or "", names),
            )
        arguments[keyword.arg] = keyword.value
    return arguments


def _literal(source: _Source, node: ast.expr, what: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ProjectError(
            "bad-hook",
            f"{what} must be written as a plain value here.",
            source.place(node),
            "sqlfeat reads it without running the file.",
        ) from None


def _params(source: _Source, node: ast.expr | None) -> Mapping[str, Any] | None:
    if node is None:
        return {}
    try:
        params = _literal(source, node, "params")
    except ProjectError:
        return None
    if not isinstance(params, dict) or not all(isinstance(key, str) for key in params):
        raise ProjectError("bad-hook", "params must be a dict with text keys.", source.place(node))
    return params


_READERS: Mapping[str, Callable[[_Source, Function, ast.expr], HookSpec]] = {
    "trainer": _trainer,
    "on": _event_hook,
    "promotion": _promotion_hook,
}
