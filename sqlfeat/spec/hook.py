"""The hooks of a project, read without running them.

The files under ``hooks/`` are Python that a user wrote, and only a child process imports them. What everybody else
must know (which hooks there are, which training set they want, which limits they have) is read from the syntax tree
here: functions at the top of a file under a decorator that was imported from sqlfeat. So what names a hook must be
written as a literal; ``params`` may be any expression, and is known before training only if it is a literal too.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlfeat.base.names import check_name, did_you_mean
from sqlfeat.errors import Place, ProjectError, UsageError
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.problems import Problems

EVENTS = ("run_end", "training_set_built", "model_registered", "predictions_written")
_MODULES = ("sqlfeat", "sqlfeat.hooks")
_DECORATORS = ("trainer", "on")
_TRAINER_ARGUMENTS = ("training_set", "params", "name", "time_limit", "memory_limit")
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B\s*", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class TrainerSpec:
    """A function under ``@trainer(...)``.

    ``name`` is the hook's and its registered model's. ``params`` is None where they are no literal; ``time_limit``
    is in seconds, ``memory_limit`` in bytes. ``path`` is absolute, ``place`` is where the function's name stands.
    """

    name: str
    training_set: str
    function: str
    path: Path
    place: Place
    training_set_place: Place
    params: Mapping[str, Any] | None = field(default_factory=dict)
    time_limit: float | None = None
    memory_limit: int | None = None

    @property
    def file(self) -> str:
        return self.place.file

    @property
    def line(self) -> int:
        return self.place.line


@dataclass(frozen=True)
class EventHookSpec:
    """A function under ``@on(event)``."""

    event: str
    function: str
    path: Path
    place: Place


@dataclass(frozen=True)
class Hooks:
    """All hooks of a project; trainers by name, event hooks in the order of files and lines."""

    trainers: Mapping[str, TrainerSpec]
    events: tuple[EventHookSpec, ...] = ()

    def trainer(self, name: str) -> TrainerSpec:
        """The trainer of this name."""
        if name in self.trainers:
            return self.trainers[name]
        hint = did_you_mean(name, self.trainers) or "write one in hooks/: a function under @trainer(training_set=…)."
        raise UsageError("unknown-hook", f"There is no hook {name!r} in this project.", hint=hint)


def discover_hooks(files: Iterable[Path], root: Path) -> Hooks:
    """Read the hooks of these files; all errors are collected and raised together."""
    problems = Problems()
    trainers: dict[str, TrainerSpec] = {}
    events: list[EventHookSpec] = []
    for path in sorted(files):
        with problems.collected():
            source = _Source.read(path, root)
            for spec in _hooks_of(source, problems):
                if isinstance(spec, EventHookSpec):
                    events.append(spec)
                elif spec.name in trainers:
                    problems.add(_duplicate(spec, trainers[spec.name]))
                else:
                    trainers[spec.name] = spec
    problems.raise_if_any()
    return Hooks(trainers, tuple(events))


def _duplicate(spec: TrainerSpec, first: TrainerSpec) -> ProjectError:
    return ProjectError(
        "duplicate-hook",
        f"There are two hooks named {spec.name!r}.",
        spec.place,
        f"the other is at {first.place}; give one of them another name=.",
    )


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


def _hooks_of(source: _Source, problems: Problems) -> Iterator[TrainerSpec | EventHookSpec]:
    decorators = _Decorators(source.tree)
    for function in _functions(source.tree.body):
        for decorator in function.decorator_list:
            spec: TrainerSpec | EventHookSpec | None = None
            with problems.collected():
                match decorators.kind(decorator):
                    case "trainer":
                        spec = _trainer(source, function, decorator)
                    case "on":
                        spec = _event_hook(source, function, decorator)
            if spec is not None:
                yield spec


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
        """``trainer``, ``on``, or None for somebody else's decorator."""
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
        time_limit=_limit(source, arguments, "time_limit", _seconds),
        memory_limit=_limit(source, arguments, "memory_limit", _bytes),
    )


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


def _limit(source: _Source, arguments: Mapping[str, ast.expr], name: str, read: Any) -> Any:
    node = arguments.get(name)
    value = None if node is None else _literal(source, node, name)
    if node is None or value is None:
        return None
    try:
        limit = read(value)
    except ValueError as error:
        raise ProjectError("bad-hook", f"{name}: {error}.", source.place(node)) from None
    return limit


def _seconds(value: object) -> float:
    if isinstance(value, str):
        duration = Duration.parse(value)
        if duration.months or not duration.microseconds:
            raise ValueError(f"{value!r} is no time limit")
        return duration.microseconds / 1_000_000
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{value!r} is no number of seconds, nor a text like '10 minutes'")
    return float(value)


def _bytes(value: object) -> int:
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match:
        base = 1024 if match[3] else 1000
        return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{value!r} is no number of bytes, nor a text like '2GB'")
    return value
