"""What a project means: compiled models, their order, columns and time facts, as frozen data.

A :class:`Manifest` is made by ``compiler.project`` and read by everything above. It holds no connection, no path of a
target and no secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.graph import Graph
from sqlfeat.compiler.rewriting import Rewritten
from sqlfeat.compiler.source_map import Origin, SourceMap, place_of
from sqlfeat.errors import Place, ProjectError, SqlfeatError, UsageError
from sqlfeat.spec.config import ModelConfig
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import SeedFile, SourceTable, TestSpec, WrittenLater

FORMAT_VERSION = 1


UNKNOWN = "unknown"
"""The type of a column of which only the name is known."""


@dataclass(frozen=True)
class Column:
    """A column of a relation: its name and its DuckDB type; ``UNKNOWN`` where that is not known."""

    name: str
    type: str


@dataclass(frozen=True)
class TimeFacts:
    """When the rows of a relation happened and when they were known.

    ``available_at`` None means: known at ``event_time``, or ``available_after`` that.
    """

    event_time: str | None = None
    available_at: str | None = None
    available_after: Duration | None = None
    tie_breaker: tuple[str, ...] = ()
    unique_key: tuple[str, ...] = ()
    ttl: Duration | None = None
    immutable: bool = False
    written: tuple[tuple[str, WrittenLater], ...] = ()
    """The columns of a source that are written later than their row."""


@dataclass(frozen=True)
class WindowCall:
    """One ``window()`` in a template: an aggregate over ``(t - offset - length, t - offset]``.

    ``length`` None is unbounded. ``token`` stands for it in the rendered SQL.
    """

    token: str
    aggregate: str
    length: Duration | None
    offset: Duration | None = None


@dataclass(frozen=True)
class FeatureCall:
    """One ``feature()`` in a template; ``token`` stands for it in the rendered SQL.

    ``on`` maps entity keys to SQL over the label relation, or to the token of another feature. ``column`` may be
    ``*``; ``prefix`` is put before the names it gives.
    """

    token: str
    view: str
    column: str
    on: tuple[tuple[str, str], ...] = ()
    ttl: Duration | None = None
    strict: bool = False
    prefix: str = ""


@dataclass(frozen=True)
class TransformCall:
    """One transform in a template (``compiler.transforms``); ``token`` stands for it in the rendered SQL.

    ``argument`` names an output or is SQL, in which tokens of features and of other transforms may stand; ``options``
    are all of them, those that were not written too.
    """

    token: str
    kind: str
    argument: str
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class WindowArgument:
    """A value that a window's aggregate reads from every event: its SQL and the column that keeps it."""

    column: str
    sql: str


@dataclass(frozen=True)
class WindowAggregate:
    """A window's aggregate taken apart: what to keep of each event, and what to compute from it.

    ``function`` is the aggregate's name in lower case, ``arguments`` are columns or constants, ``order_by`` the text
    of an ORDER BY inside it over kept columns, ``filter`` the kept condition.
    """

    call: WindowCall
    function: str
    arguments: tuple[str, ...]
    distinct: bool = False
    order_by: str | None = None
    filter: str | None = None
    modifier: str = ""


@dataclass(frozen=True)
class WindowItem:
    """A select item made of windows: ``sql`` over window tokens and constants, and the name it bears."""

    name: str
    sql: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class WindowView:
    """A feature view whose SELECT has ``window()`` in it.

    ``events`` is the SELECT that gives one row an event: plain items and what the windows read. ``plain`` names the
    plain columns, ``items`` the window items, ``order`` all output names in the author's order.
    """

    events: str
    plain: tuple[str, ...]
    arguments: tuple[WindowArgument, ...]
    aggregates: tuple[WindowAggregate, ...]
    items: tuple[WindowItem, ...]
    order: tuple[str, ...]


@dataclass(frozen=True)
class Lookup:
    """A feature view looked up for the label rows: by which keys, how strictly, and which columns.

    ``keys`` are (entity key, SQL over the label relation); SQL may name the columns of an earlier lookup, listed in
    ``after``. ``name`` is the struct column that the assembled relation has for it.
    """

    name: str
    view: str
    keys: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    ttl: Duration | None = None
    strict: bool = False
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """An output column of a training set: name, type, role (see ``store.training_set.OutputColumn``) and origin."""

    name: str
    type: str
    role: str
    kind: str | None = None
    feature: str | None = None


@dataclass(frozen=True)
class Transform:
    """A transform in its training set, with what it reads.

    ``sql`` is its argument over label columns, lookups and the tokens of other transforms, ``type`` its type; ``gives``
    is the type of what comes out. ``level`` is 0 where no other transform is read, else one more than theirs.
    ``outputs`` are those that it takes part in.
    """

    call: TransformCall
    sql: str
    type: str
    gives: str
    level: int
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class TrainingSetPlan:
    """A training set as a logical plan: label rows, lookups, and the author's SELECT over both.

    ``select`` is the author's text with features as fields of lookups; its one relation token stands for the
    assembled relation: the label columns and one struct column a lookup. ``needed`` are the label columns that a
    request must carry. Where there are ``transforms``, ``select`` has expressions in their places that read what they
    read, and ``open`` is the same text with their tokens. ``dictionaries`` are lists that ``select`` seeks places in.
    """

    labels: str
    alias: str | None
    as_of: str
    select: Rewritten
    lookups: tuple[Lookup, ...]
    outputs: tuple[Output, ...]
    label_columns: tuple[Column, ...]
    needed: tuple[str, ...]
    transforms: tuple[Transform, ...] = ()
    open: str = ""
    dictionaries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def named(self, role: str) -> tuple[str, ...]:
        return tuple(output.name for output in self.outputs if output.role == role)


@dataclass(frozen=True)
class CompiledModel:
    """One model, compiled. ``sql`` is the rendered text with tokens where references stand."""

    name: str
    path: str
    config: ModelConfig
    places: Mapping[str, Place] = field(repr=False)
    sql: str
    source_map: SourceMap = field(repr=False)
    parents: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    keys: tuple[str, ...] = ()
    time: TimeFacts = field(default_factory=TimeFacts)
    windows: tuple[WindowCall, ...] = ()
    features: tuple[FeatureCall, ...] = ()
    transforms: tuple[TransformCall, ...] = ()
    window_view: WindowView | None = None
    training_set: TrainingSetPlan | None = None
    fingerprint: str = ""
    deferred: bool = False
    sites: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict, repr=False)
    """What called each window, feature and transform, by token, and the first ``ref()`` of each ``ref.NAME``."""

    @property
    def id(self) -> str:
        return f"model.{self.name}"

    @property
    def materialized(self) -> str:
        return self.config.materialized

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def place(self, key: str | None = None) -> Place:
        """The place of a config key, else of the file's first line."""
        if key and key in self.places:
            return self.places[key]
        return Place(self.path, 1, 1, self.source_map.templates.get(self.path, "").split("\n", 1)[0])

    def place_of_call(self, token: str, word: str) -> Place:
        """The place of a ``word`` in the call that left a token, or in the ref() of ``ref.NAME``."""
        sites = self.sites.get(token)
        return place_of(sites, self.source_map.templates, word) if sites else self.place()


@dataclass(frozen=True)
class CompiledTest:
    """A data test as a query whose rows break it."""

    name: str
    sql: str
    parents: tuple[str, ...]
    spec: TestSpec | None
    path: str
    source_map: SourceMap | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return f"test.{self.name}"

    @property
    def severity(self) -> str:
        return self.spec.severity if self.spec else "error"


@dataclass(frozen=True)
class Manifest:
    """A whole project, compiled.

    Nodes have ids: ``model.NAME``, ``source.SOURCE.TABLE``, ``seed.NAME``, ``test.NAME``; ``graph`` orders them.
    ``errors`` are what is wrong with a node's SQL or time facts: they stop whoever needs that node, and nobody else.
    ``assumed`` are the nodes of a dbt project that have an error, and columns nevertheless: as far as files and the
    SQL of others tell. Each with those of its columns that nothing but the SQL of others names.
    """

    project: str
    models: Mapping[str, CompiledModel]
    sources: Mapping[str, SourceTable]
    source_time: Mapping[str, TimeFacts]
    columns: Mapping[str, tuple[Column, ...]]
    seeds: Mapping[str, SeedFile]
    tests: Mapping[str, CompiledTest]
    graph: Graph = field(repr=False)
    templates: Mapping[str, str] = field(repr=False)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, SqlfeatError] = field(default_factory=dict)
    assumed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def model(self, name: str) -> CompiledModel:
        """The model of a name; :class:`UsageError` (``unknown-model``) if there is none."""
        if name in self.models:
            return self.models[name]
        raise UsageError("unknown-model", f"There is no model {name!r}.", hint=did_you_mean(name, self.models))

    def raise_errors(self, ids: Iterable[str]) -> None:
        """Raise what is wrong with any of the nodes or with what they are made from, each thing once."""
        wanted = set(ids)
        concerned = wanted | self.graph.ancestors(wanted)
        problems = Problems()
        for error in {id(error): error for node, error in self.errors.items() if node in concerned}.values():
            if not isinstance(error, ProjectError):
                raise error
            problems.add(error)
        problems.raise_if_any()
