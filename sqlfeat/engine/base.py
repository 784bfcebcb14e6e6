"""What every engine can do: build a node, answer a query, look features up. The only words that ``ops`` uses.

An engine keeps a state beside the data: one :class:`Record` a node, written in the same transaction as what it tells
of, so that they never disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest
from sqlfeat.engine.comparison import Comparable, Compared, SourceView, Vantage
from sqlfeat.engine.explanation import Explained, ExplainRequest, LabelRows
from sqlfeat.engine.profile import Profile, ProfileRequest, Shape
from sqlfeat.spec.project import SeedFile, SourceTable

KEY, USABLE_AT, EVENT_AT = "__sqlfeat_key_", "__sqlfeat_usable_at", "__sqlfeat_event_at"
KNOWN_AT, UNTIL_AT = "__sqlfeat_known_at", "__sqlfeat_until_at"
AVAILABLE_AT = "__sqlfeat_available_at"
RANK = "__sqlfeat_rank"
"""Columns of what :meth:`Engine.states_from` and :meth:`Engine.events_from` give; keys are numbered."""

OWN_WINDOWS = "own_windows"
"""A fact of a build: whether a view with windows has them stored for its own rows, so that reading them is cheap."""

STATE_VERSION = 1
"""The version of what an engine keeps of its state; another one is refused with words."""


@dataclass(frozen=True)
class Record:
    """What is known of a node that was built: of which definition, from which data, and how much came out."""

    node: str
    fingerprint: str
    data_version: str
    rows: int | None
    built_at: datetime
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RowsRequest:
    """Which rows a training set is assembled for.

    ``rows`` are request rows instead of label rows: in the order given, as a table or a stream, or those of a node
    (``ref.NAME``, ``source.NAME.TABLE``); ``at`` replaces every as-of time; ``start`` and ``end`` keep as-of times in
    ``[start, end)``; ``where`` is SQL over the label relation's columns that keeps some of its rows; ``without`` are
    rows (or SQL that gives them) of some of its columns: those that equal one of them are left out; ``known_at``
    hides what became known later from the lookups.
    """

    rows: pa.Table | pa.RecordBatchReader | str | None = None
    at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    known_at: datetime | None = None
    where: str | None = None
    without: pa.RecordBatchReader | str | None = None


@dataclass(frozen=True)
class LookupReport:
    """How a lookup went, in label rows.

    Of ``rows``, ``found`` got a feature row; the others got none because the row that held was older than the ttl
    (``expired``), because what had happened was ``not_yet_known``, or because there was ``no_history`` for the key by
    then. ``ties`` counts groups of rows in the whole view that only the remaining columns could order.
    """

    name: str
    view: str
    rows: int
    found: int
    expired: int
    not_yet_known: int = 0
    no_history: int = 0
    ties: int = 0


@dataclass(frozen=True)
class Assembled:
    """A training set's rows, held by the engine until they are read: ``relation`` names them for :meth:`Engine.read`.

    Row order is (as-of time, keys, remaining label columns); there is one row for each label row, which is asserted.
    """

    relation: str
    rows: int
    columns: tuple[Column, ...]
    reports: tuple[LookupReport, ...] = ()


@dataclass(frozen=True)
class FitRows:
    """The assembled rows that transforms are fitted on, as SQL over outputs that have none.

    ``where`` says which they are; ``label`` is the label, null where it is not known, which leaves a row out (None:
    there is no label). ``shares`` deals rows into folds: for each transform that needs it a number from 0 to 1.
    """

    where: str
    label: str | None = None
    shares: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """The parameters of transforms, by token, and on how many rows they were fitted."""

    parameters: Mapping[str, Mapping[str, Any]]
    rows: int


@dataclass(frozen=True)
class Transformed:
    """Rows with their transforms applied, and the training set that they are of: one without transforms.

    ``names`` are the outputs that were wanted, those of a one_hot one by one; ``fit`` says what was fitted. Where there
    are ``folds``, ``folded`` are the same rows with what each of them gives beside: ``fold_NAME.OUTPUT``.
    """

    assembled: Assembled
    model: CompiledModel
    names: tuple[str, ...]
    fit: Fit
    folds: Mapping[str, Fit] = field(default_factory=dict)
    folded: Assembled | None = None


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source as its files have it; one that is ``required`` cannot hold a null."""

    name: str
    type: str
    required: bool = False


class Engine(Protocol):
    """One target, open. Every method may raise ``EngineError`` and ``RunError``; after one nothing is half done."""

    def records(self) -> Mapping[str, Record]:
        """What has been built and is still there, by node id."""

    def source_version(self, table: SourceTable) -> str:
        """The version of a source's data: a hash of its content, equal for equal content wherever it lies."""

    def source_files(self, table: SourceTable) -> Sequence[tuple[Path, int, str]]:
        """The files that a source's data are in, in the order in which they are read: path, bytes, SHA-256."""

    def columns_now(self, table: SourceTable, columns: Sequence[Column]) -> tuple[SourceColumn, ...]:
        """These columns of a source, with what its files say of nulls in them."""

    def doubts_about(self, table: SourceTable) -> Sequence[str]:
        """What is odd about the files of a source, a sentence each; nothing that is sure to be wrong."""

    def check_still(self, tables: Iterable[SourceTable]) -> None:
        """Raise ``source-changing`` where a file of a source changed since its version was asked for."""

    def source_columns(self) -> Mapping[str, tuple[SourceColumn, ...]]:
        """The columns of sources as they were kept last, by whatever they were kept under."""

    def keep_source_columns(self, found: Mapping[str, Sequence[SourceColumn]]) -> None:
        """Keep the columns of some sources over those that were kept before."""

    def seed_version(self, seed: SeedFile) -> str:
        """The version of a seed's data."""

    def prepare(self, manifest: Manifest) -> None:
        """Say which definitions the names of a manifest mean, and make its sources readable."""

    def build_model(self, model: CompiledModel, record: Record, reads: Sequence[SourceTable] = ()) -> Record:
        """Make a model and its record, all or nothing; gives the record with the rows that came out.

        ``reads`` are the sources that it reads itself, or through views: they must be still meanwhile.
        """

    def build_seed(self, seed: SeedFile, record: Record) -> Record:
        """Load a seed and keep its record, all or nothing."""

    def publish(self, manifest: Manifest, ids: Sequence[str]) -> None:
        """Show nodes that are built under their public names, where they are not shown so."""

    def failures(self, sql: str, limit: int) -> tuple[int, Sequence[Mapping[str, Any]]]:
        """How many rows a test's query gives, and the first of them."""

    def arrow(self, sql: str) -> pa.Table:
        """The rows of a query whose references are tokens."""

    def ask(self, sql: str) -> Answer:
        """The answer of a query for ``run_query``."""

    def assemble(self, model: CompiledModel, manifest: Manifest, request: RowsRequest) -> Assembled:
        """Look the features up for the label rows and run the training set's SELECT over both."""

    def assemble_in_pieces(self, model: CompiledModel, manifest: Manifest, request: RowsRequest) -> Iterator[Assembled]:
        """The same rows, a bounded number at a time in their order, each to be read before the next; at least one.

        What a piece's reports say is of all pieces so far.
        """

    def transform(
        self,
        assembled: Assembled,
        model: CompiledModel,
        manifest: Manifest,
        rows: FitRows,
        wanted: Collection[str],
        folds: Mapping[str, FitRows],
    ) -> Transformed:
        """Fit the transforms of a training set that take part in the outputs ``wanted``, and apply them.

        ``assembled`` are the rows of ``fitted_select.assembled_model``. In each of the ``folds`` they are fitted once
        more, on its own rows; a one_hot has the same levels in all of them.
        """

    def read(
        self, assembled: Assembled, where: str = "true", computed: Mapping[str, str] | None = None
    ) -> pa.RecordBatchReader:
        """The assembled rows in their order, as batches of Arrow; ``computed`` columns stand instead or come last."""

    def scalars(self, assembled: Assembled, expressions: Sequence[str], where: str = "true") -> tuple[Any, ...]:
        """Aggregates over the assembled rows."""

    def label_rows(self, model: CompiledModel, manifest: Manifest, where: Mapping[str, str | None]) -> LabelRows:
        """The label rows of a training set whose outputs have these values, given as text."""

    def explain(self, model: CompiledModel, manifest: Manifest, request: ExplainRequest) -> Explained:
        """Which source rows one label row's values come from, and why no newer ones."""

    def state_at(self, model: CompiledModel, at: datetime, limit: int | None) -> pa.Table:
        """A feature view as it stands at an instant: one row per entity."""

    def states_from(self, model: CompiledModel, at: datetime) -> pa.Table:
        """The rows of a feature view that can hold at an instant or later, by entity and in their order.

        Columns: the keys, ``USABLE_AT`` and ``EVENT_AT`` in microseconds since 1970, the plain columns.
        """

    def window_types(self, model: CompiledModel) -> tuple[Mapping[str, str], pa.Schema]:
        """The types of what windows read of an event and of their tokens; those of tokens and items as Arrow."""

    def events_from(self, model: CompiledModel, at: datetime) -> pa.Table:
        """The events that a view's windows can reach at an instant or later, by entity and in the order of aggregates.

        Columns: the keys, ``EVENT_AT``, ``KNOWN_AT`` and ``UNTIL_AT`` in microseconds since 1970 (the greatest number
        for never), then what the aggregates read.
        """

    def history_of(self, model: CompiledModel, keys: pa.Table) -> pa.Table:
        """Every row of some entities that lookups can use: the columns of :meth:`states_from`, and ``RANK``."""

    def events_of(self, model: CompiledModel, keys: pa.Table) -> pa.Table:
        """Every event of some entities, as :meth:`events_from` has them."""

    def predictions(self, name: str) -> str | None:
        """The SQL name of a table of predictions, None where there is none.

        Raises:
            RunError: ``relation-in-the-way`` where something else has the name.
        """

    def prediction_tables(self) -> Sequence[str]:
        """The names of the tables of predictions, in their order."""

    def write_predictions(self, name: str, rows: pa.RecordBatchReader, *, append: bool) -> None:
        """Make or replace a table of predictions, or add to it, all or nothing."""

    def monitored(self, name: str) -> str | None:
        """The SQL name of a table of what monitoring found, None where there is none."""

    def keep_monitored(self, name: str, rows: pa.Table) -> None:
        """Add rows to such a table, all or nothing."""

    def profile(self, rows: Assembled | str, request: ProfileRequest) -> Profile:
        """Count rows: those assembled, or those of a relation as SQL with tokens names it."""

    def profile_of_view(self, model: CompiledModel, request: ProfileRequest, most: int) -> Profile:
        """Count some of a feature view's rows, about so many at the most, windows as of the instant of each one's use.

        Where these have to be read from events, half as many. Which they are depends on their keys and times alone.
        """

    def values_beyond(self, rows: Assembled | str, request: ProfileRequest, shape: Shape, most: int) -> Sequence[str]:
        """The most frequent categories of a column that its shape has no bin for."""

    def interrupt(self) -> None:
        """Stop what is running; it ends with an error."""

    def close(self) -> None:
        """Let go of the target."""


class Scratch(Engine, Protocol):
    """A reading of a project in a file of its own: its sources as seen from a vantage, and its models made from them.

    Nodes are computed parents first. Nothing of a target is read or written.
    """

    def prepare(self, manifest: Manifest) -> None:
        """Say which project is read."""

    def look_from(self, vantage: Vantage) -> None:
        """See the sources from another vantage, before anything has been computed."""

    def rows(self, node: str) -> int:
        """How many rows of a source or seed are seen."""

    def cutoffs(self, nodes: Sequence[str], count: int) -> list[datetime]:
        """So many quantiles of the event times of timed sources and seeds, each just before more becomes known."""

    def seen_at(self, nodes: Sequence[str], at: datetime) -> list[SourceView]:
        """How much of the timed ones among sources and seeds is hidden at an instant."""

    def threshold(self, nodes: Sequence[str], keys: Sequence[str], share: float | None, count: int | None) -> int:
        """Up to which hash keys belong to a sample: of a share of all entities, or of so many of them."""

    def read_seed(self, seed: SeedFile) -> None:
        """Load a seed as it is seen."""

    def compute(self, model: CompiledModel, what: Comparable | None, *, keep: bool) -> None:
        """Make a model; ``what`` is compared of a training set. Rows to ``keep`` are stored, also those of a view.

        Raises:
            RunError: it cannot be made from what is seen.
        """

    def beside(self, other: Path) -> None:
        """Open another reading's file, which is closed by now, to be compared with."""

    def compare(self, what: Comparable, cutoff: datetime | None) -> Compared:
        """What differs between the other reading (left) and this one (right) in rows that are usable at the cutoff."""

    def compare_inputs(self, model: CompiledModel, what: Comparable, cutoff: datetime) -> Compared:
        """The same for a training set's inputs, looked up here for the other reading's label rows up to the cutoff."""

    def close(self) -> None:
        """Let go of the file."""
