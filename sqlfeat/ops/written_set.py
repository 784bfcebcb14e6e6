"""One training set being written: its parts from assembled rows, and the manifest that tells of them.

Labels that were not known at ``known_at`` are null wherever they are written or counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import Output, TrainingSetPlan
from sqlfeat.compiler.rewriting import source_token
from sqlfeat.engine.base import Engine, LookupReport
from sqlfeat.engine.duckdb.cutoff import known_time
from sqlfeat.engine.duckdb.layout import instant
from sqlfeat.errors import RunError
from sqlfeat.ops.code_state import withheld_of
from sqlfeat.ops.definition import models_of
from sqlfeat.ops.monitoring import profiles
from sqlfeat.ops.narrowing import Narrowed
from sqlfeat.ops.results import Event
from sqlfeat.ops.session import Session
from sqlfeat.ops.source_shapes import sources_read
from sqlfeat.ops.split_report import SplitReport
from sqlfeat.ops.splits import TEST, TRAIN, Fold, label_of, learned_from, open_labels, parts_of
from sqlfeat.ops.time_safety import TimeSafety
from sqlfeat.ops.training_files import Footer, write_part, write_whole
from sqlfeat.ops.transforms import Rows
from sqlfeat.spec.duration import Duration
from sqlfeat.store.training_set import FOLDS, UNSPLIT, OutputColumn

MOST_CATEGORIES = 100_000


class WrittenSet:
    """The files and the manifest of one training set, from its assembled rows."""

    def __init__(
        self,
        session: Session,
        engine: Engine,
        rows: Rows,
        identity: Mapping[str, Any],
        horizon: Duration | None,
        asked: Narrowed,
        safety: TimeSafety,
    ) -> None:
        model, assembled = rows.model, rows.assembled
        assert model.training_set is not None
        self._session = session
        self._engine = engine
        self._model = model
        self._plan: TrainingSetPlan = model.training_set
        self._assembled = assembled
        self._rows = rows
        self._identity = identity
        self._safety = safety
        self._open = open_labels(self._plan, horizon, asked.known_at)
        self._label = label_of(self._plan, self._open)
        known = f"not ({self._open})" if self._open else "true"
        self._parts = parts_of(model, horizon, lambda asked: engine.scalars(assembled, asked), known)
        self._report = SplitReport(engine, assembled, model, self._parts, self._label, horizon)
        self._columns: tuple[OutputColumn, ...] | None = None

    @property
    def _computed(self) -> dict[str, str]:
        """Columns that are not given as they were assembled."""
        names = self._plan.named("label")
        return {names[0]: self._label} if names and self._open and self._label else {}

    # -- files -----------------------------------------------------------------------------------------------------

    def write(self, folder: Path) -> dict[str, Any]:
        """Write one file a split and give the manifest's body."""
        started = self._session.clock.monotonic()
        self._report.check_weights()
        splits = {name: self._write_part(folder, name, where) for name, where in self._parts.conditions.items()}
        unsplit = self._assembled.rows - sum(splits.values())
        if unsplit and self._write_part(folder, UNSPLIT, f"({self._parts.case}) is null") != unsplit:
            raise RunError("rows-lost", f"{self._model.name}: some rows are in several splits, or in none.")
        folds = self._write_folds(folder)
        self._write_profile(folder)
        self._engine.check_still(sources_read(self._session.manifest, self._model.id))
        seconds = self._session.clock.monotonic() - started
        self._session.listener(Event("step", "write splits", seconds=seconds, facts={"splits": splits}))
        return {
            **self._identity,
            "rows": self._assembled.rows,
            "splits": splits,
            "unsplit": unsplit,
            "folds": folds,
            "columns": self._outputs(),
            "transforms": self._rows.transforms,
            "null_rates": self._null_rates(),
            "open_labels": self._scalar(f"count(*) filter (where {self._open})") if self._open else 0,
            "balance": self._report.balance(),
            "notes": [*self._warned(), *self._report.notes(self._session.spec.entities)],
            "lookups": [reported(report) for report in self._assembled.reports],
            "models": withheld_of(self._session.spec).hidden_in(models_of(self._model, self._session.manifest)),
            "seen": self._seen_sources(),
            "warnings": self._safety.warnings,
            "time_safety": self._safety.as_dict(),
        }

    def write_whole(self, path: Path) -> None:
        """All rows in one file, with a column ``split`` where there are splits, and one for each fold."""
        beside = {}
        if self._parts.folds:
            beside = {f"fold_{fold.name}": _side(fold) for fold in self._parts.folds}
        elif self._model.config.split is not None:
            beside = {"split": self._parts.case}
        footer = self._footer()
        write_whole(path, self._engine.read(self._assembled, "true", {**self._computed, **beside}), footer)

    def _write_part(self, folder: Path, name: str, condition: str) -> int:
        footer = self._footer()  # asks the engine, which answers nothing while it is being read
        reader = self._engine.read(self._assembled, condition, self._computed)
        return write_part(folder / f"{name}.parquet", reader, footer, name)

    def _write_folds(self, folder: Path) -> list[dict[str, Any]]:
        """A column for each fold beside the rows of the whole, what transforms give in it, and what is told of it."""
        if not self._parts.folds:
            return []
        (whole,) = self._parts.conditions.values()
        sides = {f"fold_{fold.name}": _side(fold) for fold in self._parts.folds}
        alone = self._rows.folded or replace(self._assembled, columns=())
        footer = self._footer()
        write_part(folder / f"{FOLDS}.parquet", self._engine.read(alone, whole, sides), footer, FOLDS)
        told = []
        for fold in self._parts.folds:
            asked = [f"count(*) filter (where {condition})" for condition in (fold.train, fold.test)]
            train, test = self._engine.scalars(self._assembled, asked, whole)
            fitted = {"transforms": self._rows.folds[fold.name]} if self._rows.folds else {}
            told.append({"name": fold.name, TRAIN: train, TEST: test, **fold.bounds, **fitted})
        return told

    def _write_profile(self, folder: Path) -> None:
        """What later rows are compared with: a profile of each part, in the bins of the first."""
        if not self._model.config.monitor.profile:
            return
        request, found = profiles.request_of(self._outputs(), self._computed), {}
        for name, where in self._parts.conditions.items():
            found[name] = self._engine.profile(self._assembled, replace(request, where=where))
            request = replace(request, shapes=next(iter(found.values())).shapes)
        (folder / profiles.PROFILE).write_text(profiles.written({profiles.INPUTS: found}))

    def _footer(self) -> Footer:
        versions = self._identity["versions"]
        return Footer(self._identity["id"], self._model.name, versions["sqlfeat"], self._outputs())

    # -- what is told ----------------------------------------------------------------------------------------------

    def _outputs(self) -> tuple[OutputColumn, ...]:
        if self._columns is None:
            self._columns = tuple(self._described())
        return self._columns

    def _described(self) -> list[OutputColumn]:
        given = {column.name for column in self._assembled.columns}
        outputs = [output for output in self._plan.outputs if output.name in given]
        categorical = [output for output in outputs if output.kind == "categorical"]
        first = learned_from(self._parts)
        found: Iterable[Any] = ()
        if categorical:
            asked = [f"list_sort(list(distinct cast({quote(o.name)} as varchar)))" for o in categorical]
            found = self._engine.scalars(self._assembled, asked, first)
        categories = {output.name: _values(output, values) for output, values in zip(categorical, found, strict=True)}
        return [OutputColumn(o.name, o.type, o.role, o.kind, categories.get(o.name), o.feature) for o in outputs]

    def _null_rates(self) -> dict[str, float]:
        names = [column.name for column in self._assembled.columns]
        if not self._assembled.rows:
            return dict.fromkeys(names, 0.0)
        asked = [f"count(*) filter (where {self._computed.get(name, quote(name))} is null)" for name in names]
        counts = self._engine.scalars(self._assembled, asked)
        return {name: count / self._assembled.rows for name, count in zip(names, counts, strict=True)}

    def _warned(self) -> list[str]:
        warnings = self._report.warnings()
        for warning in warnings:
            self._session.log(f"warning: {warning}")
        return warnings

    def _seen_sources(self) -> dict[str, dict[str, Any]]:
        """How many rows each source has, and between which instants they happened and became known."""
        manifest, seen = self._session.manifest, {}
        for id_ in self._identity["sources"]:
            table, time = manifest.sources[id_], manifest.source_time[id_]
            asked = {"rows": "count(*)"}
            known = known_time(time)
            if known is not None and time.event_time:
                event = instant(time.event_time)
                asked |= {"first": _text(f"min({event})"), "last": _text(f"max({event})")}
                asked |= {"known": _text(f"max({known})")}
            items = ", ".join(f"{sql} as {name}" for name, sql in asked.items())
            seen[id_] = self._engine.arrow(f"select {items} from {source_token(table.source, table.name)}").to_pylist()[
                0
            ]
        return seen

    def _scalar(self, expression: str) -> int:
        return int(self._engine.scalars(self._assembled, [expression])[0])


def _text(sql: str) -> str:
    return f"cast({sql} as varchar)"


def _side(fold: Fold) -> str:
    """On which side of a fold a row is, as one expression."""
    return f"case when {fold.test} then {literal(TEST)} when {fold.train} then {literal(TRAIN)} end"


def reported(report: LookupReport) -> dict[str, Any]:
    """How a lookup went, as it is told and kept."""
    return {key: value for key, value in asdict(report).items() if key != "name"}


def _values(output: Output, values: Sequence[Any] | None) -> tuple[str, ...]:
    """A category dictionary: the values of the train split in binary order."""
    known = tuple(value for value in values or () if value is not None)
    if len(known) > MOST_CATEGORIES:
        raise RunError(
            "too-many-categories",
            f"The input {output.name!r} has {len(known):,} different texts.",
            hint="pass it through, or make it a number: a text of so many values teaches a model nothing.",
        )
    return known
