"""``Project``: the whole of sqlfeat as Python, the same verbs that the command line has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlfeat.ops.defaults import CUTOFFS, KEPT_FOR
from sqlfeat.ops.results import silent
from sqlfeat.ops.session import Session
from sqlfeat.spec.load import load_project
from sqlfeat.spec.promotion import CHAMPION

if TYPE_CHECKING:
    import pyarrow as pa

    from sqlfeat.base.clock import Clock
    from sqlfeat.compiler.manifest import Manifest
    from sqlfeat.ops.audit import Audit
    from sqlfeat.ops.check_result import CheckResult
    from sqlfeat.ops.explain import Explanation
    from sqlfeat.ops.given_rows import Rows
    from sqlfeat.ops.inspect import CompiledFile
    from sqlfeat.ops.lineage import LineageTree
    from sqlfeat.ops.listing import NodeInfo
    from sqlfeat.ops.mlflow_export import Exported
    from sqlfeat.ops.monitoring.history import Remembered
    from sqlfeat.ops.monitoring.results import Monitoring
    from sqlfeat.ops.online.agreement import Agreement
    from sqlfeat.ops.online.publish import Publication
    from sqlfeat.ops.online.push import Pushed, Pusher
    from sqlfeat.ops.online.session import ServeSession
    from sqlfeat.ops.online.verify_log import LogVerification
    from sqlfeat.ops.predict import Prediction
    from sqlfeat.ops.registry import Archived, CollectedVersions, History, Moved, Standing
    from sqlfeat.ops.reproduction import Reproduction
    from sqlfeat.ops.results import Listener, RunResult
    from sqlfeat.ops.set_difference import SetDifference
    from sqlfeat.ops.training_sets import Collected, ListedSet
    from sqlfeat.ops.verification import Verification
    from sqlfeat.ops.version_difference import VersionDifference
    from sqlfeat.spec.project import ProjectSpec, TargetSpec
    from sqlfeat.store.registry import ModelVersion, RegisteredModel
    from sqlfeat.store.registry_changes import AliasChange
    from sqlfeat.store.serving_log import ServingLog
    from sqlfeat.store.training_set import TrainingSet


class Project:
    """A project's folder, ready to work with; close it, or use it as a context manager.

    Every method raises :class:`sqlfeat.SqlfeatError`; what fails inside a run or a test is in its result.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pusher: Pusher | None = None

    @classmethod
    def load(
        cls,
        path: str | Path = ".",
        *,
        target: str | None = None,
        vars: Mapping[str, Any] | None = None,
        threads: int | None = None,
        listener: Listener = silent,
        clock: Clock | None = None,
    ) -> Project:
        """Read the project in a folder.

        ``target`` is a name under ``targets:``; ``vars`` override those of the project, ``threads`` those of the
        target; ``listener`` is told what happens while it happens.
        """
        spec = load_project(Path(path))
        return cls(Session(spec, target=target, variables=vars, threads=threads, listener=listener, clock=clock))

    @property
    def spec(self) -> ProjectSpec:
        """What the repo says."""
        return self._session.spec

    @property
    def manifest(self) -> Manifest:
        """What it means: compiled models with columns, time facts and fingerprints."""
        return self._session.manifest

    @property
    def target(self) -> TargetSpec:
        """Where things are made."""
        return self._session.target

    def nodes(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[NodeInfo]:
        """The selected nodes, parents first."""
        from sqlfeat.ops import listing

        return listing.nodes(self._session, select, exclude)

    def compile(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[CompiledFile]:
        """Write the compiled SQL of the selected models under ``target/compiled``."""
        from sqlfeat.ops import inspect

        return inspect.compile_files(self._session, select, exclude)

    def run(self, select: Sequence[str] = (), exclude: Sequence[str] = (), *, full_refresh: bool = False) -> RunResult:
        """Make the selected models, as far as they are missing or changed."""
        from sqlfeat.ops import run

        return run.run(self._session, select, exclude, full_refresh=full_refresh)

    def test(self, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> RunResult:
        """Run data tests."""
        from sqlfeat.ops import data_tests

        return data_tests.test(self._session, select, exclude)

    def build(
        self, select: Sequence[str] = (), exclude: Sequence[str] = (), *, full_refresh: bool = False
    ) -> RunResult:
        """Make seeds and models and run their tests, stopping below a failure."""
        from sqlfeat.ops import run

        return run.build(self._session, select, exclude, full_refresh=full_refresh)

    def check(self, select: Sequence[str] = (), exclude: Sequence[str] = (), *, strict: bool = False) -> CheckResult:
        """Prove of the selected models that no column sees the future, or say which does and where.

        Nothing is run. With ``strict`` what is unproven counts as failed too.
        """
        from sqlfeat.ops import check as checking

        return checking.check(self._session, select, exclude, strict=strict)

    def verify(
        self,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        *,
        at: Sequence[datetime] = (),
        cutoffs: int = CUTOFFS,
        sample: float | None = None,
        rebuild: bool = True,
    ) -> Verification:
        """Compute the selected models from all rows and from those known at cutoffs, and compare.

        Cutoffs are ``cutoffs`` quantiles of the event times of the timed sources, and the instants in ``at``.
        ``sample`` is a share of all entities (0.1) or a number of them (500). ``rebuild`` computes everything once more
        from rows in another order.
        """
        from sqlfeat.ops import verify as verifying

        return verifying.verify(self._session, select, exclude, at=at, cutoffs=cutoffs, sample=sample, rebuild=rebuild)

    def verify_log(
        self, log: Path | str | None = None, *, since: datetime | None = None, sample: float | None = None
    ) -> LogVerification:
        """Compute what was served and logged again offline, compare bit for bit, and explain what differs.

        ``log`` is the folder of the log, the project's own by default; ``since`` is the instant from which requests
        are taken, ``sample`` a share of them (0.1) or a number (500).
        """
        from sqlfeat.ops import training_set
        from sqlfeat.ops.online import verify_log

        folder = None if log is None else Path(log)
        return verify_log.verify_log(self._session, log=folder, since=training_set.in_utc(since), sample=sample)

    def show(
        self, model: str, *, limit: int | None = 10, at: datetime | None = None, out: Path | None = None
    ) -> pa.Table:
        """Rows of a model; of a feature view ``at`` an instant (zone-less is UTC) one row per entity."""
        from sqlfeat.ops import inspect, training_files, training_set

        table = inspect.show(self._session, model, limit=limit, at=training_set.in_utc(at))
        if out is not None:
            training_files.write_table(table, out)
        return table

    def table(self, name: str) -> pa.Table:
        """All rows of a model or seed as it was built."""
        from sqlfeat.ops import inspect

        return inspect.table(self._session, name)

    def build_training_set(
        self,
        name: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        known_at: datetime | None = None,
        sample: float | None = None,
        stratify: Sequence[str] = (),
        features: Sequence[str] = (),
        out: Path | None = None,
        run_upstream: bool = True,
        strict: bool = False,
    ) -> TrainingSet:
        """Build a training set and what is missing above it; the same thing twice is built once.

        ``start`` and ``end`` keep as-of times in ``[start, end)``; ``known_at`` builds it as it would have been built
        then; ``sample`` is a share of the rows (0.1) or a number of them (500), by a hash of their keys, ``stratify``
        are columns of whose values each keeps its share in it; ``features`` are the only inputs to keep: outputs,
        ``view.column``, ``view.*``. An output that provably sees the future is refused; with ``strict`` one that is not
        proved not to, as well.
        """
        from sqlfeat.ops import training_set

        return training_set.build_training_set(
            self._session,
            name,
            start=start,
            end=end,
            known_at=known_at,
            sample=sample,
            stratify=stratify,
            features=features,
            out=out,
            run_upstream=run_upstream,
            strict=strict,
        )

    def training_sets(self, name: str | None = None, *, verify: bool = True) -> list[ListedSet]:
        """The training sets that are kept, the newest of each name first, damaged ones with their error.

        ``verify`` reads every file and compares its hash.
        """
        from sqlfeat.ops import training_sets

        return training_sets.training_sets(self._session, name, verify=verify)

    def training_set(self, name: str, id: str = "latest") -> TrainingSet:
        """One that is kept, every byte verified; ``id`` is the beginning of its id, ``latest`` or ``previous``."""
        from sqlfeat.ops import training_sets

        return training_sets.training_set(self._session, name, id)

    def diff_training_sets(self, old: str, new: str | None = None) -> SetDifference:
        """What differs between two, and why: rows, columns, cells.

        Each is ``NAME``, ``NAME@ID`` or ``ID``; one NAME alone compares its newest with the one before.
        """
        from sqlfeat.ops import training_set_diff

        return training_set_diff.diff(self._session, old, new)

    def gc_training_sets(self, name: str | None = None, *, keep: int = 1, dry_run: bool = False) -> Collected:
        """Drop the sets that no registered version was trained on, but for the ``keep`` newest of each name."""
        from sqlfeat.ops import training_sets

        return training_sets.collect(self._session, name, keep=keep, dry_run=dry_run)

    def features(
        self,
        names: Sequence[str],
        rows: Rows,
        *,
        time: str | None = None,
        at: datetime | None = None,
        on: Mapping[str, str] | None = None,
        full_names: bool = False,
        known_at: datetime | None = None,
    ) -> pa.Table:
        """Features (``view.column``, ``view.*``) for any rows, as known at each row's time, without a training set.

        ``rows`` is a data frame, a ``pyarrow.Table`` or a path; its columns come first, in their order, and every row
        is there once. ``time`` names the column with the as-of time (found by itself where only one can be meant),
        ``at`` is one instant for all rows. ``on`` maps keys of entities to columns of the rows. A feature bears its
        column's name, or ``view__column`` where that is taken or ``full_names`` asks for it.
        """
        from sqlfeat.ops import features

        return features.features(
            self._session, names, rows, time=time, at=at, on=on, full_names=full_names, known_at=known_at
        ).table

    def explain(self, name: str, row: str | Mapping[str, Any], *, column: str | None = None) -> Explanation:
        """Explain a row of a training set: which source rows its values come from, and why not newer ones.

        ``row`` are its keys, as a mapping or as ``'k=v,k2=v2'``; ``column`` is the one output to explain.
        """
        from sqlfeat.ops import explain

        return explain.explain(self._session, name, row, column)

    def lineage(
        self, name: str, *, downstream: bool = False, depth: int | None = None, indirect: bool = False
    ) -> LineageTree:
        """Which columns ``model.column``, or every column of a model, seed or source, is made from, step by step.

        ``downstream``: what is made from it instead. ``depth`` is how many steps; ``indirect`` adds the columns that
        only decide which rows there are (conditions, keys, order).
        """
        from sqlfeat.ops import lineage as lineages

        return lineages.lineage(self._session, name, downstream=downstream, depth=depth, indirect=indirect)

    def train(
        self,
        hook: str,
        *,
        params: Mapping[str, Any] | None = None,
        sweep: bool | Mapping[str, Sequence[Any]] = False,
        metric: str | None = None,
        jobs: int | None = None,
    ) -> ModelVersion:
        """Run a trainer hook on its training set and register what it returns.

        ``sweep`` runs it at every point of a grid, ``{"num_leaves": [15, 31]}`` over that of the hook, ``jobs`` at a
        time, and registers the best by ``metric`` (``'auc'``, ``'test.auc'``, ``'min validation.cost'``).
        """
        from sqlfeat.ops import train

        return train.train(self._session, hook, params, sweep=sweep, metric=metric, jobs=jobs)

    def predict(
        self,
        reference: str,
        *,
        at: datetime | None = None,
        rows: Rows | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        out: Path | None = None,
        table: str | None = None,
        incremental: bool = False,
        contributions: bool = False,
    ) -> Prediction:
        """Score label rows, or given rows, with a registered version (``name``, ``name@3``, ``name@alias``).

        ``rows`` is a data frame, a ``pyarrow.Table``, a path, or the name of a model, seed or source. Predictions go
        into a file (``out``) or a ``table`` of the target, which is replaced; with ``incremental`` rows that this
        version has not scored yet are added to a table or to a folder (``out``). ``contributions`` adds what each input
        adds to the raw score.
        """
        from sqlfeat.ops import predict as prediction

        return prediction.predict(
            self._session,
            reference,
            at=at,
            rows=rows,
            start=start,
            end=end,
            out=out,
            table=table,
            incremental=incremental,
            contributions=contributions,
        )

    def publish(self, *, at: datetime | None = None, incremental: bool = False) -> Publication:
        """Publish the online feature views as one snapshot, all or nothing, as of an instant (now).

        ``incremental`` writes only what differs from the snapshot before.
        """
        from sqlfeat.ops import training_set
        from sqlfeat.ops.online import publish as publishing

        return publishing.publish(self._session, at=training_set.in_utc(at), incremental=incremental)

    def push(self, view: str, rows: Rows | Sequence[Mapping[str, Any]]) -> Pushed:
        """Push new rows of the source that a view is made of; online views see them at once, and so will the next run.

        ``view`` is an online feature view that is made of one source row by row, or that source (``raw.orders``).
        ``rows`` have the source's columns: mappings, a data frame, a ``pyarrow.Table`` or a path. A row that was pushed
        before is known again, and one that does not say when it became known did so now.
        """
        from sqlfeat.ops.online.push import Pusher

        if self._pusher is None:
            self._pusher = Pusher(self._session)
        return self._pusher.push(view, rows)

    def slow_at_requests(self) -> dict[str, dict[str, str]]:
        """What of each training set's SELECT an in-memory DuckDB is asked for at every request, and why.

        Of those that the newest snapshot serves.
        """
        with self.serve_session() as serving:
            found = serving.slow_of_all()
        return {name: slow for name, slow in found.items() if slow}

    def check_published(self) -> Agreement:
        """Compare some entities of the newest snapshot with what the same features are offline."""
        from sqlfeat.ops.online import agreement

        return agreement.check_published(self._session)

    def serve_session(self, *, log: ServingLog | Path | str | None = None, log_sample: float = 1.0) -> ServeSession:
        """Features and predictions of single requests, from the newest snapshot, in this process.

        With ``log``, a folder, what is asked and answered is logged there, of a share of all requests: ``log_sample``.

        >>> with project.serve_session() as serving:  # doctest: +SKIP
        ...     serving.predict("late_lgbm@champion", [{"flight_id": 7, "carrier": "UA"}]).predictions
        """
        from sqlfeat.ops.online.session import ServeSession
        from sqlfeat.store.serving_log import ServingLog

        if isinstance(log, Path | str):
            log = ServingLog(Path(log), sample=log_sample, clock=self._session.clock)
        return ServeSession(self._session, log)

    def monitor(
        self,
        reference: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        against: str = "baseline",
        by: Sequence[str] = (),
        window: str | None = None,
        current: str | None = None,
        remember: bool = True,
    ) -> Monitoring:
        """Compare a registered model, a training set or a feature view with what it was.

        ``since`` and ``until`` are a period (by default the last days up to the newest row), ``against`` is
        ``baseline``, ``previous`` or a period such as ``2024-01-01..2024-02-01``; ``by`` are columns whose values are
        looked at one by one; ``window`` is ``hour``, ``day``, ``week`` or ``month``; ``current`` says what of a model
        is looked at: ``log``, ``predictions`` (or the name of such a table) or ``features``. The result is kept in
        tables of the target unless it is not to be remembered.
        """
        from sqlfeat.ops.monitoring import monitor as monitoring
        from sqlfeat.ops.monitoring.monitor import Question

        return monitoring.monitor(
            self._session,
            reference,
            Question(since, until, against, tuple(by), window, remember=remember, current=current),
        )

    def monitor_history(self, name: str, limit: int | None = None) -> list[Remembered]:
        """What :meth:`monitor` has found of something before, oldest first."""
        from sqlfeat.ops.monitoring.history import remembered

        return remembered(self._session, name, limit)

    def registered_models(self) -> list[RegisteredModel]:
        """The registered models with their versions."""
        from sqlfeat.store import registry

        return registry.registered_models(self.spec.registry)

    def registered_model(self, reference: str) -> ModelVersion:
        """One version of a registered model."""
        from sqlfeat.store import registry

        return registry.resolve(self.spec.registry, reference)

    def registered_versions(self, name: str) -> RegisteredModel:
        """All versions of one registered model, the archived ones too, with its aliases."""
        from sqlfeat.store import registry

        return registry.registered_model(self.spec.registry, name)

    def standings(self, model: RegisteredModel) -> list[Standing]:
        """The versions of a registered model as they stand: aliases, archived or not, the metric that counts."""
        from sqlfeat.ops import registry as registered

        return registered.standings(self._session, model)

    def standing(self, version: ModelVersion) -> Standing:
        """A version as it stands: its aliases, archived or not, the metric that counts."""
        from sqlfeat.ops import registry as registered

        return registered.standing(self._session, version)

    def set_alias(
        self, name: str, alias: str, version: int | str, *, force: bool = False, message: str | None = None
    ) -> Moved:
        """Let an alias of a registered model point to a version: a number, ``'v3'``, ``'latest'``, another alias.

        An alias that the project guards (``champion``) is moved only if nothing speaks against it; ``force`` moves it
        all the same and needs a ``message``, which the journal keeps.
        """
        from sqlfeat.ops import registry as registered

        return registered.set_alias(self._session, name, alias, version, force=force, message=message)

    def delete_alias(self, name: str, alias: str, *, message: str | None = None) -> AliasChange:
        """Take an alias away."""
        from sqlfeat.ops import registry as registered

        return registered.delete_alias(self._session, name, alias, message=message)

    def rollback(self, name: str, alias: str = CHAMPION, *, message: str | None = None) -> AliasChange:
        """Let an alias point to what it pointed to before; again, and it goes back further."""
        from sqlfeat.ops import registry as registered

        return registered.rollback(self._session, name, alias, message=message)

    def archive(self, reference: str, *, undo: bool = False, message: str | None = None) -> Archived:
        """Hide a version (``name@3``) from ``latest`` and from lists, or bring it back."""
        from sqlfeat.ops import registry as registered

        return registered.archive(self._session, reference, undo=undo, message=message)

    def gc_registry(
        self,
        name: str | None = None,
        *,
        older_than: timedelta = KEPT_FOR,
        dry_run: bool = False,
        message: str | None = None,
    ) -> CollectedVersions:
        """Drop the versions that have been archived for so long; what an alias needs stays."""
        from sqlfeat.ops import registry as registered

        return registered.collect(self._session, name, older_than=older_than, dry_run=dry_run, message=message)

    def history(self, name: str) -> History:
        """What has happened to a registered model: who did what, when and why."""
        from sqlfeat.ops import registry as registered

        return registered.history(self._session, name)

    def diff_versions(self, old: str, new: str | None = None) -> VersionDifference:
        """What differs between two registered versions, and why; one alone is compared with the one before it."""
        from sqlfeat.ops.version_difference import diff as diff_versions

        return diff_versions(self._session, old, new)

    def audit(self, reference: str) -> Audit:
        """The whole chain of a version as it was recorded, with ``html()`` and a model ``card()`` of it."""
        from sqlfeat.ops import audit as auditing

        return auditing.audit(self._session, reference)

    def reproduce(self, reference: str, *, only_look: bool = False) -> Reproduction:
        """Rebuild a version's training set and model in a temporary folder, and compare them with what is kept.

        With ``only_look`` nothing is built: the result says what is missing, and what is otherwise now.
        """
        from sqlfeat.ops import reproduce as reproducing

        return reproducing.reproduce(self._session, reference, only_look=only_look)

    def export_to_mlflow(
        self, reference: str, *, tracking_uri: str | None = None, experiment: str | None = None
    ) -> Exported:
        """Tell MLflow of a version and register its model there; what it knows already stays as it is."""
        from sqlfeat.ops.mlflow_export import export_to_mlflow

        return export_to_mlflow(self._session, reference, tracking_uri=tracking_uri, experiment=experiment)

    def debug(self) -> Mapping[str, Any]:
        """Where everything is, which versions, and whether the target can be reached."""
        from sqlfeat.ops import inspect

        return inspect.debug(self._session)

    def clean(self) -> list[Path]:
        """Delete what is generated, but for data, registered models and the online store; gives what was deleted."""
        from sqlfeat.ops import inspect

        return inspect.clean(self._session)

    def close(self) -> None:
        """Let go of the target."""
        if self._pusher is not None:
            self._pusher.close()
            self._pusher = None
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
