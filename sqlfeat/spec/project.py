"""What a repo says, before anything is compiled: frozen dataclasses and nothing else.

``spec.load`` makes a :class:`ProjectSpec` of a folder; the compiler makes a manifest of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlfeat.errors import Place
from sqlfeat.spec.duration import Duration
from sqlfeat.spec.mlflow import MlflowSpec
from sqlfeat.spec.openlineage import OpenLineageSpec
from sqlfeat.spec.promotion import PromotionSpec
from sqlfeat.spec.serve import ServingLogSpec


@dataclass(frozen=True)
class EntitySpec:
    """The thing that features describe: a name and one or more key columns."""

    name: str
    keys: tuple[str, ...]
    place: Place
    description: str = ""


@dataclass(frozen=True)
class TestSpec:
    """A data test as YAML declares it: ``unique``, ``not_null``, ``accepted_values`` or ``relationships``.

    ``column`` is None for a test of a whole relation. ``arguments`` are the test's own (``values``, ``to``,
    ``field``, ``column_name`` …); ``severity`` is ``error`` or ``warn``; ``where`` filters the rows first.
    """

    name: str
    column: str | None
    place: Place
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: str = "error"
    where: str | None = None
    tags: tuple[str, ...] = ()
    __test__ = False  # pytest must not collect it


@dataclass(frozen=True)
class WrittenLater:
    """When a column is written into a row that is long known: at the time that a column says, or after a delay.

    Neither: nobody knows when.
    """

    available_at: str | None = None
    available_after: Duration | None = None


@dataclass(frozen=True)
class ColumnSpec:
    """A column as YAML describes it; ``written`` if it is updated in place, which columns of sources may be."""

    name: str
    place: Place
    description: str = ""
    data_type: str | None = None
    tests: tuple[TestSpec, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    written: WrittenLater | None = None


@dataclass(frozen=True)
class SourceTable:
    """A table of a source: where it lies, and its time.

    ``location`` is a file, glob, folder or address with ``{name}`` and ``{source}`` filled in, relative to the
    project; ``format`` is one of ``FORMATS`` in ``spec.source``.
    """

    source: str
    name: str
    location: str
    format: str
    place: Place
    event_time: str | None = None
    available_at: str | None = None
    available_after: Duration | None = None
    keys: tuple[str, ...] = ()
    immutable: bool = False
    columns: tuple[ColumnSpec, ...] = ()
    tests: tuple[TestSpec, ...] = ()
    freshness: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"source.{self.source}.{self.name}"


@dataclass(frozen=True)
class ModelProperties:
    """What a ``.yml`` says of a model: description, columns, tests and raw config with the place of each key."""

    name: str
    place: Place
    description: str = ""
    columns: tuple[ColumnSpec, ...] = ()
    tests: tuple[TestSpec, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    config_places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFile:
    """A ``.sql`` file under ``models/``: the file's name is the model's name.

    ``path`` is relative to the project (with ``/``); ``text`` is the template. ``folder_config`` is what
    ``sqlfeat_project.yml`` says for its folder, merged from the outside in, keys without a leading ``+``. ``unread``
    says of a dbt project's model why sqlfeat does not make it, where that is known without reading it.
    """

    name: str
    path: str
    text: str
    folder_config: Mapping[str, Any] = field(default_factory=dict)
    folder_places: Mapping[str, Place] = field(default_factory=dict)
    properties: ModelProperties | None = None
    unread: str = ""

    @property
    def id(self) -> str:
        return f"model.{self.name}"


@dataclass(frozen=True)
class SqlFile:
    """A macro file or a singular test: its path relative to the project (or ``sqlfeat/macros/…``), and its text."""

    name: str
    path: str
    text: str


@dataclass(frozen=True)
class SeedFile:
    """A CSV file under ``seeds/``; ``properties`` as for models (``config.column_types`` is read)."""

    name: str
    path: str
    properties: ModelProperties | None = None

    @property
    def id(self) -> str:
        return f"seed.{self.name}"


@dataclass(frozen=True)
class TargetSpec:
    """Where things are made: an engine and its settings. ``path`` is absolute for file-backed engines."""

    name: str
    engine: str
    path: Path | None = None
    schema: str = "main"
    threads: int | None = None
    memory_limit: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None


@dataclass(frozen=True)
class ProjectSpec:
    """Everything that a project's folder says. Paths are absolute, texts are as written.

    ``serving_log`` is where requests are logged when the project is served, ``openlineage`` who is told of what was
    made. ``left_out`` says what of a dbt project sqlfeat does not do, in sentences.
    """

    root: Path
    name: str
    version: str
    default_target: str
    targets: Mapping[str, TargetSpec]
    entities: Mapping[str, EntitySpec]
    sources: Mapping[tuple[str, str], SourceTable]
    models: Mapping[str, ModelFile]
    macros: tuple[SqlFile, ...]
    singular_tests: tuple[SqlFile, ...]
    seeds: Mapping[str, SeedFile]
    hooks: tuple[Path, ...]
    vars: Mapping[str, Any]
    registry: Path
    target_path: Path
    promotion: PromotionSpec = field(default_factory=PromotionSpec)
    mlflow: MlflowSpec | None = None
    serving_log: ServingLogSpec | None = None
    openlineage: OpenLineageSpec | None = None
    online: Mapping[str, Any] = field(default_factory=dict)
    project_file: str = "sqlfeat_project.yml"
    left_out: tuple[str, ...] = ()

    @property
    def is_dbt(self) -> bool:
        """Whether this is a dbt project, whose config may have keys of other adapters."""
        return self.project_file == "dbt_project.yml"
