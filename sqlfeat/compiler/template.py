"""Templates to SQL: what a model's text may call, and what one rendering of it gives.

A :class:`Renderer` holds a project's macros and variables and renders one file after the other. ``ref()``,
``source()``, ``window()``, ``feature()`` and transforms leave tokens in the text and records in the
:class:`Rendering`; nothing here knows what they will become. What the world must answer (``run_query``) comes through
a callable.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from jinja2.runtime import Macro

from sqlfeat.base.names import did_you_mean, is_identifier
from sqlfeat.compiler import transforms
from sqlfeat.compiler.environment import TemplateEnvironment
from sqlfeat.compiler.facades import Answer, Record, Relation, copied
from sqlfeat.compiler.manifest import FeatureCall, TransformCall, WindowCall
from sqlfeat.compiler.mistakes import Misplaced, placed, sentence
from sqlfeat.compiler.rewriting import node_named, ref_token, source_token
from sqlfeat.compiler.source_map import PACKAGED, Fragment, Origin, SourceMap, place_in
from sqlfeat.compiler.template_objects import (
    EXPRESSIONS,
    Adapter,
    ColumnTypes,
    Config,
    Exceptions,
    Execute,
    Relations,
    Variables,
)
from sqlfeat.errors import Place, ProjectError, ProjectErrors
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.project import SqlFile

Sites = tuple[Origin, ...]
"""The expression that called something, and those that called the macro which it stands in."""


@dataclass
class Rendering:
    """What one rendering of a file gave: the text and everything that was called on the way.

    ``refs`` and ``sources`` have the sites of the first call of each, ``sites`` those of every token, ``configured``
    those of every config key.
    """

    path: str
    text: Fragment = field(default_factory=lambda: Fragment(""))
    config: dict[str, Any] = field(default_factory=dict)
    configured: dict[str, Sites] = field(default_factory=dict)
    refs: dict[str, Sites] = field(default_factory=dict)
    sources: dict[tuple[str, str], Sites] = field(default_factory=dict)
    windows: list[WindowCall] = field(default_factory=list)
    features: list[FeatureCall] = field(default_factory=list)
    transforms: list[TransformCall] = field(default_factory=list)
    sites: dict[str, Sites] = field(default_factory=dict)
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
    target. ``log`` gets the lines of ``log()``. ``relations`` is what of the project lies under which name in the
    database, in lower case. ``lenient`` is how the templates of a dbt project are read.
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
        lenient: bool = False,
        relations: Mapping[str, Relation] | None = None,
    ) -> None:
        self._jinja = _Environment(lenient=lenient)
        self._relations = relations or {}
        self._variables = variables
        self._environ = environment
        self._log = log
        self._current = Rendering("")
        self._query: Callable[[str], Answer] | None = None
        self._columns: ColumnsOf = _nobody_knows
        self._results: dict[str, Record] = {}
        self._namespace: dict[str, Any] = {
            **self._jinja.globals,
            **self._functions(),
            "target": Record("target", target),
            "project_name": project,
        }
        if lenient:
            self._namespace["modules"] = Record("modules", {"re": Record("modules.re", EXPRESSIONS)})
        self._namespace["builtins"] = Record("builtins", self._functions())
        self.engine = str(target.get("type", "duckdb"))
        self._engines = tuple(dict.fromkeys((self.engine, "duckdb", "default")))
        self._load_macros(macros, project)

    def _load_macros(self, macros: Iterable[SqlFile], project: str) -> None:
        """Make macros known: by their names, and those of a package or of the project also below its name."""
        problems: list[ProjectError] = []
        packages: dict[str, dict[str, Any]] = {}
        written: dict[str, str] = {}
        for file in macros:
            package = _package(file.path, project)
            try:
                with placed(self._jinja, self._namespace, file.path, file.text):
                    found = self._jinja.module(self._jinja.load(file.path, file.text), self._namespace)
            except ProjectError as error:
                problems.append(error)
                continue
            for name in found if package == project else ():
                if name in written:
                    what = f"There are two macros named {name!r}; the other is in {written[name]}."
                    where = self._place_of_macro(file.path, name)
                    problems.append(ProjectError("duplicate-macro", what, where, "rename one of them."))
                written[name] = file.path
            packages.setdefault(package, {}).update(found)
            self._namespace.update(found)
        for name, macro in packages.get("dbt", {}).items():  # what dbt has now was the package's before
            packages.get("dbt_utils", {}).setdefault(name, macro)
        for package, found in packages.items():
            self._namespace.setdefault(package, Record(package, found))
        if problems:
            raise problems[0] if len(problems) == 1 else ProjectErrors(problems)

    def _place_of_macro(self, path: str, name: str) -> Place:
        text = self._jinja.sources[path]
        match = re.search(rf"\bmacro\s+({re.escape(name)})\b", text)
        return place_in(text, path, match.start(1) if match else 0, len(name))

    @property
    def templates(self) -> Mapping[str, str]:
        """Every template's text by its path: what source maps point into."""
        return self._jinja.sources

    @property
    def current(self) -> Rendering:
        """What the last rendering gave, as far as it came."""
        return self._current

    def render(
        self,
        path: str,
        text: str,
        *,
        name: str,
        query: Callable[[str], Answer] | None = None,
        columns: ColumnsOf | None = None,
        schema: str = "",
    ) -> Rendering:
        """Render one file; with ``query`` in the second pass, where ``execute`` is true.

        ``columns`` are those of relations, as far as they are known by then.

        Raises:
            ProjectError: what is wrong in the template, at its place.
        """
        self._current = Rendering(path)
        self._query = query
        self._columns = columns or _nobody_knows
        self._results = {}
        self._namespace["this"] = Relation(ref_token(name), name, schema)
        self._namespace["model"] = self._model(name, path)
        self._namespace["execute"] = Execute(self)
        with placed(self._jinja, self._namespace, path, text):
            template = self._jinja.load(path, text)
            self._current.text = self._jinja.render(template, self._namespace)
        return self._current

    def _model(self, name: str, path: str) -> Record:
        """``model``: what a template may know of its own file."""
        project = str(self._namespace["project_name"])
        return Record("the model", {
            "name": name, "alias": name, "path": path, "original_file_path": path, "resource_type": "model",
            "package_name": project, "unique_id": f"model.{project}.{name}", "schema": "", "database": "",
            "config": Record("the model's config", {"materialized": "", "tags": [], "meta": {}}),
        })  # fmt: skip

    # -- what templates call ---------------------------------------------------------------------------------------

    def _functions(self) -> dict[str, Any]:
        return {
            "config": Config(self),
            "ref": self._ref,
            "source": self._source,
            "var": Variables(self),
            "env_var": self._env_var,
            "log": self.log_text,
            "print": lambda text="": self.log_text(text, info=True),
            "return": self._return,
            "exceptions": Exceptions(self),
            "is_incremental": lambda: False,
            "run_query": self.ask,
            "statement": self._statement,
            "load_result": lambda name: self._results.get(name),
            "adapter": Adapter(self),
            "api": Record("api", {"Column": ColumnTypes(), "Relation": Relations()}),
            "flags": Record("flags", {"FULL_REFRESH": False, "STORE_FAILURES": False, "WHICH": "run"}),
            "dbt_version": "1.10.0",
            "load_relation": lambda relation: self.relation_named(relation.identifier),
            "load_cached_relation": lambda relation: self.relation_named(relation.identifier),
            "window": self._window,
            "feature": self._feature,
            **{name: self._transform(name) for name in transforms.KINDS},
            "fromjson": lambda text, default=None: json.loads(text),
            "tojson": lambda value, default=None, sort_keys=False: json.dumps(value, sort_keys=sort_keys),
            "zip": lambda *lists: list(zip(*lists, strict=False)),
            "set": lambda values: sorted(set(values), key=str),
            "set_strict": lambda values: sorted(set(values), key=str),
            "zip_strict": lambda *lists: list(zip(*lists, strict=True)),
            "local_md5": lambda text: hashlib.md5(str(text).encode(), usedforsecurity=False).hexdigest(),
        }

    def _ref(self, *names: str, version: Any = None, v: Any = None) -> Relation:
        if not 1 <= len(names) <= 2 or not all(isinstance(name, str) for name in names):
            raise Misplaced("bad-ref", "ref() takes the name of a model, or a package and a name.", "ref")
        self._current.refs.setdefault(str(names[-1]), self._jinja.sites())
        return Relation(ref_token(names[-1]), str(names[-1]), "")

    def _source(self, *names: str) -> Relation:
        if len(names) != 2 or not all(isinstance(name, str) for name in names):
            raise Misplaced("bad-source", "source() takes two names: the source and its table.", "source")
        self._current.sources.setdefault((str(names[0]), str(names[1])), self._jinja.sites())
        return Relation(source_token(*names), str(names[1]), str(names[0]))

    def variable(self, name: str, default: Any = None, *, required: bool = True) -> Any:
        """A project variable, as the template's own copy."""
        if name in self._variables:
            return copied(self._variables[name])
        if required:
            hint = did_you_mean(name, self._variables) or "declare it under `vars:` or give it with --vars."
            raise Misplaced("unknown-var", f"There is no variable {name!r}.", str(name), hint)
        return default

    def has_variable(self, name: str) -> bool:
        return name in self._variables

    def _env_var(self, name: str, default: str | None = None) -> str:
        value = self._environ.get(name, default)
        if value is None:
            hint = "set it, or give a default: env_var('NAME', 'default')."
            raise Misplaced("unknown-env-var", f"The environment has no {name!r}.", str(name), hint)
        return value

    def log_text(self, text: Any, info: bool = False) -> str:
        """``log()``: a line for whoever watches, and nothing in the SQL."""
        self._log(str(text))
        return ""

    def _return(self, value: Any = None) -> NoReturn:
        raise _Returned(value)

    def ask(self, sql: str) -> Answer | None:
        """``run_query()``: the answer in the second pass."""
        self._current.asked = True
        return self._query(str(sql)) if self._query else None

    def _statement(
        self, name: str | None = None, *, caller: Callable[[], str], fetch_result: bool = False, **options: Any
    ) -> str:
        """``{% call statement('name', fetch_result=true) %}``: what ``load_result('name')`` gives then."""
        answer = self.ask(caller())
        if name is not None and answer is not None:
            rows = [list(row) for row in answer.tuples]
            self._results[name] = Record("the result", {"table": answer, "data": rows, "response": "OK"})
        return ""

    def _window(
        self, aggregate: str, length: str | Sequence[str], *, name: str | None = None, offset: str | None = None
    ) -> str:
        several = isinstance(length, list | tuple)
        lengths = list(length) if several else [length]
        if several and (name is None or not lengths):
            what = "A list of windows needs name=." if lengths else "This list of windows is empty."
            raise Misplaced("bad-window", what, "window", "window('count(*)', ['1 day', '7 days'], name='flights')")
        if name is not None and not is_identifier(name):
            raise Misplaced("bad-window", f"name={name!r} cannot begin the name of a column.", str(name))
        ends = self._duration("the offset:", offset) if offset is not None else None
        items = []
        for text in lengths:
            span = None if str(text).strip() == "unbounded" else self._duration("the length of a window:", text)
            token = f"__sqlfeat_window_{len(self._current.windows)}__"
            self._current.windows.append(WindowCall(token, str(aggregate), span, ends))
            self._current.sites[token] = self._jinja.sites()
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
            raise Misplaced("bad-feature", f"{name!r} names no feature.", str(name), "write feature('view.column').")
        if on is not None and not isinstance(on, Mapping):
            raise Misplaced("bad-feature", "on= maps the view's keys to SQL.", "on", "on={'airport': 'f.origin'}")
        token = f"__sqlfeat_feature_{len(self._current.features)}__"
        keys = tuple((str(key), str(value)) for key, value in (on or {}).items())
        shorter = self._duration("the ttl:", ttl) if ttl is not None else None
        self._current.features.append(FeatureCall(token, view, column, keys, shorter, bool(strict), str(prefix)))
        self._current.sites[token] = self._jinja.sites()
        self._current.refs.setdefault(view, self._jinja.sites())
        return token

    def _transform(self, kind: str) -> Callable[..., str]:
        def transform(argument: Any = "", *options: Any, **named: Any) -> str:
            if not isinstance(argument, str) or not argument.strip():
                what = f"{kind}() is of an output of this SELECT, or of SQL in quotes."
                raise Misplaced("bad-transform", what, kind, transforms.signature(kind))
            read = transforms.read_options(kind, options, named)
            token = f"__sqlfeat_transform_{len(self._current.transforms)}__"
            self._current.transforms.append(TransformCall(token, kind, str.__str__(argument).strip(), read))
            self._current.sites[token] = self._jinja.sites()
            return token

        return transform

    def _duration(self, what: str, text: object) -> Duration:
        try:
            return Duration.parse(text)
        except ValueError as error:
            raise Misplaced("bad-duration", sentence(f"{what} {error}"), str(text)) from error

    def configure(self, values: Mapping[str, Any]) -> None:
        """``config()``: what the file says of itself."""
        self._current.config.update(values)
        self._current.configured.update(dict.fromkeys(values, self._jinja.sites()))

    def configured(self, key: str, default: Any = None) -> Any:
        return self._current.config.get(key, default)

    def dispatch(self, name: str) -> Any:
        """The macro that stands for a name on this engine."""
        for engine in self._engines:
            if f"{engine}__{name}" in self._namespace:
                return self._namespace[f"{engine}__{name}"]
        what = f"There is no macro duckdb__{name} or default__{name} to dispatch to."
        raise Misplaced("unknown-macro", what, str(name))

    def relation_named(self, name: str) -> Relation | None:
        """The relation of the project under that name, which is as good as read by whoever asks."""
        found = self._relations.get(name.casefold())
        return None if found is None else self._read(found)

    def relations_like(self, schema: str, table: str, exclude: str) -> list[Relation]:
        """The relations of the project whose schemas and names match patterns of LIKE, and not the third one."""
        within, wanted, other = _like(schema), _like(table), _like(exclude)
        own = self._namespace["this"].identifier
        return [
            self._read(each)
            for _, each in sorted(self._relations.items())
            if within.fullmatch(each.schema or str(self._namespace["target"].get("schema")))
            and wanted.fullmatch(each.identifier)
            and not other.fullmatch(each.identifier)
            and each.identifier != own
        ]

    def _read(self, found: Relation) -> Relation:
        """A relation that is handed out without a call that names it."""
        node = node_named(found.token)
        if node.startswith("source."):
            source, table = node.removeprefix("source.").split(".", 1)
            self._current.sources.setdefault((source, table), self._jinja.sites())
        else:
            self._current.refs.setdefault(found.identifier, self._jinja.sites())
        return found

    def columns_of(self, relation: Any) -> Sequence[tuple[str, str]]:
        """Names and types of a relation's columns: as the compiler knows them, else as the target does."""
        self._current.asked = True
        if self._query is None:
            return ()
        node = node_named(str(relation))
        known = self._columns(node) if node else ()
        if known is not None:
            return known
        answer = self._query(f"describe select * from {relation}")
        return [(str(row[0]), str(row[1])) for row in answer.tuples]

    def ask_execute(self) -> bool:
        """``execute``: whether queries are answered in this pass."""
        self._current.asked = True
        return self._query is not None


ColumnsOf = Callable[[str], Sequence[tuple[str, str]] | None]
"""Names and types of a node's columns; None where they are not known."""


def _nobody_knows(node: str) -> None:
    return None


def _like(pattern: str) -> re.Pattern[str]:
    """A pattern of LIKE, whose letters are of either case."""
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _package(path: str, project: str) -> str:
    """Whose macros a file holds: the project's, a package's, or ours."""
    parts = path.split("/")
    if path.startswith(PACKAGED):
        return parts[-1].removesuffix(".sql")
    return parts[parts.index("macros") - 1] if "macros" in parts[1:] else project
