"""Templates to SQL: what a model's text may call, and what one rendering of it gives.

A :class:`Renderer` holds a project's macros and variables and renders one file after the other. ``ref()``,
``source()``, ``window()`` and ``feature()`` leave tokens in the text and records in the :class:`Rendering`; nothing
here knows what they will become. What the world must answer (``run_query``) comes through a callable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, UndefinedError
from jinja2.runtime import Macro
from jinja2.exceptions import SecurityError

from sqlfeat.base.names import did_you_mean, nearest
from sqlfeat.compiler.environment import Facade, TemplateEnvironment
from sqlfeat.compiler.manifest import FeatureCall, WindowCall
from sqlfeat.compiler.rewriting import ref_token, source_token
from sqlfeat.compiler.source_map import Fragment, SourceMap, place_in
from sqlfeat.errors import Place, ProjectError, SqlfeatError
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.project import SqlFile

TEMPLATE_FAILURES = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What running a template may raise, when the template is at fault."""


@dataclass(frozen=True)
class Answer(Facade):
    """What ``run_query`` gives: ``column_names``, ``rows`` (tuples), ``columns`` with ``values()``, as in dbt."""

    column_names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    allowed = frozenset({"column_names", "rows", "columns"})

    @property
    def columns(self) -> tuple[AnswerColumn, ...]:
        return tuple(AnswerColumn(name, tuple(row[i] for row in self.rows)) for i, name in enumerate(self.column_names))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class AnswerColumn(Facade):
    """A column of an :class:`Answer`."""

    name: str
    content: tuple[Any, ...]
    allowed = frozenset({"name", "values"})

    def values(self) -> tuple[Any, ...]:
        return self.content


@dataclass(frozen=True)
class Relation(Facade):
    """What ``ref()``, ``source()`` and ``this`` give: text in a template, with dbt's attributes."""

    token: str
    identifier: str
    schema: str
    allowed = frozenset({"identifier", "name", "table", "schema", "render"})

    @property
    def name(self) -> str:
        return self.identifier

    @property
    def table(self) -> str:
        return self.identifier

    def render(self) -> str:
        return self.token

    def __str__(self) -> str:
        return self.token


@dataclass
class Rendering:
    """What one rendering of a file gave: the text and everything that was called on the way."""

    path: str
    text: Fragment = field(default_factory=lambda: Fragment(""))
    config: dict[str, Any] = field(default_factory=dict)
    config_place: Place | None = None
    refs: dict[str, Place | None] = field(default_factory=dict)
    sources: dict[tuple[str, str], Place | None] = field(default_factory=dict)
    windows: list[WindowCall] = field(default_factory=list)
    features: list[FeatureCall] = field(default_factory=list)
    asked: bool = False
    """Whether the template asked ``execute`` or ``run_query``: it has to be rendered again with answers."""

    def source_map(self, templates: Mapping[str, str]) -> SourceMap:
        return SourceMap.of(self.text, templates)


class _Returned(Exception):  # not an error: how return() leaves a macro
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Environment(TemplateEnvironment):
    """The sandbox with dbt's ``return()``: it ends the macro that is running and gives any value."""

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(obj, Macro):
            return super().call(context, obj, *args, **kwargs)
        try:
            return super().call(context, obj, *args, **kwargs)
        except _Returned as returned:
            return returned.value


class Renderer:
    """A project's macros, variables and target, ready to render its files.

    ``variables`` are ``vars:`` of the project with those of the command line; ``target`` is what templates see of the
    target; ``relations`` maps ``ref`` names to their schema for display. ``log`` gets the lines of ``log()``.
    """

    def __init__(
        self,
        macros: Iterable[SqlFile],
        *,
        variables: Mapping[str, Any],
        environment: Mapping[str, str],
        target: Mapping[str, Any],
        project: str,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._jinja = _Environment()
        self._variables = variables
        self._environ = environment
        self._log = log
        self._current = Rendering("")
        self._query: Callable[[str], Answer] | None = None
        self._namespace: dict[str, Any] = {
            **self._jinja.globals,
            **self._functions(),
            "target": _Record(dict(target)),
            "project_name": project,
        }
        for macro in macros:
            with self._places(macro.path, macro.text):
                exported = self._jinja.module(self._jinja.load(macro.path, macro.text), self._namespace)
            self._namespace.update(exported)

    @property
    def templates(self) -> Mapping[str, str]:
        """Every template's text by its path: what source maps point into."""
        return self._jinja.sources

    def render(
        self, path: str, text: str, *, name: str, query: Callable[[str], Answer] | None = None, schema: str = ""
    ) -> Rendering:
        """Render one file; with ``query`` in the second pass, where ``execute`` is true.

        Raises:
            ProjectError: what is wrong in the template, at its place.
        """
        self._current = Rendering(path)
        self._query = query
        self._namespace["this"] = Relation(ref_token(name), name, schema)
        self._namespace["execute"] = _Execute(self)
        with self._places(path, text):
            template = self._jinja.load(path, text)
            self._current.text = self._jinja.render(template, self._namespace)
        return self._current

    # -- what templates call ---------------------------------------------------------------------------------------

    def _functions(self) -> dict[str, Any]:
        return {
            "config": _Config(self),
            "ref": self._ref,
            "source": self._source,
            "var": _Variables(self),
            "env_var": self._env_var,
            "log": self._log_text,
            "print": lambda text="": self._log_text(text, info=True),
            "return": self._return,
            "exceptions": _Exceptions(self),
            "is_incremental": lambda: False,
            "run_query": self._run_query,
            "adapter": _Adapter(self),
            "window": self._window,
            "feature": self._feature,
            "fromjson": lambda text, default=None: json.loads(text),
            "tojson": lambda value, default=None: json.dumps(value, sort_keys=True),
            "zip": lambda *lists: list(zip(*lists, strict=False)),
            "set": lambda values: sorted(set(values), key=str),
        }

    def _ref(self, *names: str, version: Any = None) -> Relation:
        if not 1 <= len(names) <= 2 or not all(isinstance(name, str) for name in names):
            raise ProjectError("bad-ref", "ref() takes the name of a model, or a package and a name.")
        self._current.refs.setdefault(str(names[-1]), None)
        return Relation(ref_token(names[-1]), str(names[-1]), "")

    def _source(self, *names: str) -> Relation:
        if len(names) != 2 or not all(isinstance(name, str) for name in names):
            raise ProjectError("bad-source", "source() takes two names: the source and its table.")
        self._current.sources.setdefault((str(names[0]), str(names[1])), None)
        return Relation(source_token(*names), str(names[1]), str(names[0]))

    def _variable(self, name: str, default: Any = None, *, required: bool = True) -> Any:
        if name in self._variables:
            return _copied(self._variables[name])
        if required:
            hint = did_you_mean(name, self._variables) or "declare it under `vars:` or give it with --vars."
            raise ProjectError("unknown-var", f"There is no variable {name!r}.", hint=hint)
        return default

    def _env_var(self, name: str, default: str | None = None) -> str:
        value = self._environ.get(name, default)
        if value is None:
            hint = "set it, or give a default: env_var('NAME', 'default')."
            raise ProjectError("unknown-env-var", f"The environment has no {name!r}.", hint=hint)
        return value

    def _log_text(self, text: Any, info: bool = False) -> str:
        self._log(str(text))
        return ""

    def _return(self, value: Any = None) -> NoReturn:
        raise _Returned(value)

    def _run_query(self, sql: str) -> Answer | None:
        self._current.asked = True
        return self._query(str(sql)) if self._query else None

    def _window(
        self, aggregate: str, length: str | Sequence[str], *, name: str | None = None, offset: str | None = None
    ) -> str:
        lengths = [length] if isinstance(length, str) else list(length)
        if not isinstance(length, str) and name is None:
            raise ProjectError(
                "window-needs-name", "A list of windows needs name=.", hint="window('count(*)', [...], name='flights')"
            )
        ends = self._duration("offset=", offset) if offset is not None else None
        items = []
        for text in lengths:
            span = None if str(text).strip() == "unbounded" else self._duration("a window's length", text)
            token = f"__sqlfeat_window_{len(self._current.windows)}__"
            self._current.windows.append(WindowCall(token, str(aggregate), span, ends))
            items.append(token if name is None else f"{token} as {name}_{span.suffix if span else 'all'}")
        return ", ".join(items)

    def _feature(
        self,
        name: str,
        *,
        on: Mapping[str, Any] | None = None,
        ttl: str | None = None,
        strict: bool = False,
        prefix: str = "",
    ) -> str:
        view, dot, column = str(name).partition(".")
        if not (dot and view and column):
            raise ProjectError("bad-feature", f"{name!r} names no feature.", hint="write feature('view.column').")
        token = f"__sqlfeat_feature_{len(self._current.features)}__"
        keys = tuple((str(key), str(value)) for key, value in (on or {}).items())
        shorter = self._duration("ttl=", ttl) if ttl is not None else None
        self._current.features.append(FeatureCall(token, view, column, keys, shorter, bool(strict), str(prefix)))
        self._current.refs.setdefault(view, None)
        return token

    def _duration(self, what: str, text: object) -> Duration:
        try:
            return Duration.parse(text)
        except ValueError as error:
            raise ProjectError("bad-duration", f"{what}: {error}.") from error

    def configure(self, values: Mapping[str, Any]) -> None:
        self._current.config.update(values)

    def configured(self, key: str, default: Any = None) -> Any:
        return self._current.config.get(key, default)

    def dispatch(self, name: str) -> Any:
        for candidate in (f"duckdb__{name}", f"default__{name}"):
            if candidate in self._namespace:
                return self._namespace[candidate]
        raise ProjectError("unknown-macro", f"There is no macro duckdb__{name} or default__{name} to dispatch to.")

    def ask_execute(self) -> bool:
        self._current.asked = True
        return self._query is not None

    # -- what goes wrong -------------------------------------------------------------------------------------------

    @contextmanager
    def _places(self, path: str, text: str) -> Iterator[None]:
        """Give every error of a template its place in it."""
        try:
            yield
        except TemplateSyntaxError as error:
            where = place_in(self._jinja.sources.get(path, text), path, error.lineno)
            raise ProjectError("template-syntax", f"{_sentence(error.message)}", where, _syntax_hint(error)) from error
        except SqlfeatError as error:
            error.where = error.where or self._place_of(error, path)
            raise
        except UndefinedError as error:
            raise self._undefined(error, path) from error
        except SecurityError as error:
            raise ProjectError("template-forbidden", _sentence(str(error)), self._place_of(error, path)) from error
        except TEMPLATE_FAILURES as error:
            what = f"{type(error).__name__}: {error}"
            raise ProjectError("template-failed", _sentence(what), self._place_of(error, path)) from error

    def _place_of(self, error: BaseException, path: str) -> Place | None:
        frames = self._jinja.offset_of(error.__traceback__)
        own = [frame for frame in frames if not frame[0].startswith("sqlfeat/")] or frames
        places = []
        for template, offset in own:
            start, end = self._jinja.expression_at(template, offset)
            place = place_in(self._jinja.sources[template], template, start, end - start)
            places.append(place)
        if not places:
            return Place(path)
        first, *others = places
        return Place(first.file, first.line, first.column, first.text, first.length, tuple(others))

    def _undefined(self, error: UndefinedError, path: str) -> ProjectError:
        message = str(error)
        name = message.split("'")[1] if message.startswith("'") and message.endswith("is undefined") else None
        where = self._place_of(error, path)
        if name is None:
            return ProjectError("template-undefined", _sentence(message), where)
        found = nearest(name, (key for key in self._namespace if not key.startswith("_")))
        hint = f"did you mean {found!r}?" if found else "is it a macro of a package, or a variable: var('…')?"
        return ProjectError("template-undefined", f"{name!r} is not defined in this template.", where, hint)


class _Execute:
    """``execute``: false in the first pass, true in the second; remembers that it was asked."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __bool__(self) -> bool:
        return self._renderer.ask_execute()

    def __str__(self) -> str:
        return str(bool(self))


class _Config(Facade):
    allowed = frozenset({"get", "require"})

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, *positional: Mapping[str, Any], **values: Any) -> str:
        for mapping in positional:
            values = {**mapping, **values}
        self._renderer.configure(values)
        return ""

    def get(self, key: str, default: Any = None) -> Any:
        return _copied(self._renderer.configured(key, default))

    def require(self, key: str) -> Any:
        value = self._renderer.configured(key)
        if value is None:
            raise ProjectError("missing-config", f"This model has no config {key!r}.")
        return _copied(value)


class _Variables(Facade):
    allowed = frozenset({"has_var"})
    _missing = object()

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, name: str, default: Any = _missing) -> Any:
        required = default is self._missing
        return self._renderer._variable(name, None if required else default, required=required)

    def has_var(self, name: str) -> bool:
        return name in self._renderer._variables


class _Exceptions(Facade):
    allowed = frozenset({"raise_compiler_error", "warn"})

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def raise_compiler_error(self, message: str) -> NoReturn:
        raise ProjectError("compiler-error", str(message))

    def warn(self, message: str) -> str:
        return self._renderer._log_text(f"warning: {message}")


class _Adapter(Facade):
    allowed = frozenset({"dispatch"})

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def dispatch(self, name: str, macro_namespace: Any = None) -> Any:
        return self._renderer.dispatch(name)


class _Record(Facade):
    """A mapping whose keys are read as attributes; nothing else of it can be reached."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)
        self.allowed = frozenset(values)

    def __getitem__(self, key: str) -> Any:
        return self.__dict__[key]


def _copied(value: Any) -> Any:
    """A template's own copy of a list or mapping of ours."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return None if isinstance(value, Undefined) else value


def _sentence(text: str | None) -> str:
    text = (text or "this template cannot be read").strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _syntax_hint(error: TemplateSyntaxError) -> str | None:
    message = error.message or ""
    if "Encountered unknown tag" in message:
        return "sqlfeat reads Jinja's own tags: for, if, set, macro, call, filter, raw, do, break, continue."
    return None
