"""The proof of a whole project: a verdict for each column of each model, parents first.

The statement (see docs/concepts/proof.md): a column is safe if, whatever the data and whatever the instant T, the
rows that are usable at T have the same values in it when only what was known at T is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlfeat.compiler import windows
from sqlfeat.compiler.algebra import (
    Relation,
    Scan,
    Span,
)
from sqlfeat.compiler.availability import Interpreter
from sqlfeat.compiler.determinism import Note
from sqlfeat.compiler.findings import (
    ColumnVerdict,
    Finding,
    Target,
    column_verdict,
    diagnose,
    lateness,
    verdict_of,
    without_horizon,
    without_time,
    worst,
)
from sqlfeat.compiler.flows import Cause, Field, Flow, Ledger, Root, State
from sqlfeat.compiler.instants import HERE
from sqlfeat.compiler.lookback import Lookback, lookback_of, of_windows
from sqlfeat.compiler.manifest import Column, CompiledModel, Manifest, TimeFacts
from sqlfeat.compiler.nodes import (
    NOWHERE,
    blank,
    duration_range,
    labelled,
    placed,
    source_state,
    windows_as_read,
    with_ties,
)
from sqlfeat.compiler.passing import written_at
from sqlfeat.compiler.resolve import Unresolved, resolve
from sqlfeat.compiler.rewriting import Rewritten
from sqlfeat.compiler.rules import RULES
from sqlfeat.compiler.time import facts_of_seed
from sqlfeat.compiler.training_proof import TrainingProof, of_feature
from sqlfeat.compiler.zone import Zone
from sqlfeat.errors import Place


@dataclass(frozen=True)
class ModelVerdict:
    """A model's verdict (the worst of its columns'), its lookback, and the reason for which it may leak."""

    name: str
    columns: tuple[ColumnVerdict, ...]
    lookback: Lookback
    allowed: str | None = None
    notes: tuple[Note, ...] = ()
    """What hangs on the order of rows; none where the model says deterministic: false."""

    @property
    def verdict(self) -> str:
        return worst([column.verdict for column in self.columns])

    def column(self, name: str) -> ColumnVerdict:
        return next(column for column in self.columns if column.name.casefold() == name.casefold())


@dataclass(frozen=True)
class _Proved:
    """A model that has been read: its state as others see it, and where each flow of it stands."""

    state: State
    verdict: ModelVerdict
    event: int | None


@dataclass
class Verdicts:
    """The verdicts of a manifest's models; each is made when it is first asked for, after its parents'."""

    manifest: Manifest
    ledger: Ledger = field(default_factory=Ledger)
    _proved: dict[str, _Proved] = field(default_factory=dict)
    _sources: dict[str, State] = field(default_factory=dict)
    _texts: dict[str, Rewritten] = field(default_factory=dict)
    _notes: dict[str, tuple[Note, ...]] = field(default_factory=dict)
    _positions: dict[str, int] = field(default_factory=dict)
    _stamps: dict[str, Span] = field(default_factory=dict)
    """Where each model's event time is written."""

    def of(self, name: str) -> ModelVerdict:
        """The verdict of a model.

        Raises:
            ProjectError: the model, or what it is made from, does not compile.
        """
        if name not in self._proved:
            self.manifest.raise_errors([f"model.{name}"])
            for node in self._parents_first(name):
                self._prove(node.removeprefix("model."))
        return self._prove(name).verdict

    def _parents_first(self, name: str) -> list[str]:
        """The models above one that are still to be proved, so that no proof has to wait for a long row of others."""
        if not self._positions:
            self._positions = {node: position for position, node in enumerate(self.manifest.graph.order())}
        above = self.manifest.graph.ancestors({f"model.{name}"})
        waiting = [
            node for node in above if node.startswith("model.") and node.removeprefix("model.") not in self._proved
        ]
        return sorted(waiting, key=self._positions.__getitem__)

    def of_training_set(self, name: str) -> ModelVerdict:
        """The verdict of a training set: of each output, as of the label rows' time."""
        self.manifest.raise_errors([f"model.{name}"])
        model = self.manifest.models[name]
        self._texts[name] = model.training_set.select if model.training_set else Rewritten(model.sql)
        try:
            proof = TrainingProof(model, self.manifest, self._labels_of(model), self.ledger)
            views = {(view, column): self._of_feature(view, column) for view, column in sorted(proof.features())}
            columns = tuple(verdict_of(output.name, found) for output, found in proof.findings(views))
        except Unresolved as error:
            state = self._unread(model, Span(error.offset, error.offset + error.length), error.what)
            found = {
                known: diagnose(self.ledger, self.ledger.flows[known], state.zone, Target(0), NOWHERE)
                for known in state.rows
            }
            columns = tuple(column_verdict(column.name, state.rows, found) for column in model.columns)
        return ModelVerdict(name, columns, Lookback(None, None, "a training set"), model.config.allow_leakage)

    def _of_feature(self, view: str, column: str) -> tuple[Finding, ...]:
        said = {each.name: each.findings for each in self.of(view).columns}
        return of_feature(self.manifest.models[view], said, self._prove(view).state.unique, column)

    def _labels_of(self, model: CompiledModel) -> State:
        """The label relation as its own model gives it, not as others read it: it is the request's."""
        assert model.training_set is not None
        kind, name = model.training_set.labels.split(".", 1)
        if kind == "ref" and name in self.manifest.models:
            self.of(name)
            return self._prove(name).state
        scan = Scan(NOWHERE, (), model.training_set.labels)
        return self._node(scan, self.ledger, model.name)

    def place(self, finding: Finding) -> Place:
        """Where a finding stands in its model's template."""
        return self.place_of(finding.model, finding.span)

    def place_of(self, name: str, span: Span) -> Place:
        """Where a stretch of a model's SQL stands in its template."""
        model = self.manifest.models[name]
        text = self._texts.get(name)
        if span.start < 0:
            return model.place()
        start = text.before(span.start) if text is not None else span.start
        end = text.before(span.end) if text is not None else span.end
        place = model.source_map.place(start, max(1, end - start)) or model.place()
        inside = max(1, len(place.text) - place.column + 1)
        return replace(place, length=min(place.length, inside))

    # -- one model -------------------------------------------------------------------------------------------------

    def _prove(self, name: str) -> _Proved:
        if name not in self._proved:
            model = self.manifest.models[name]
            self._proved[name] = self._relation(model)
        return self._proved[name]

    def _relation(self, model: CompiledModel) -> _Proved:
        state = self._state(model)
        by_name = {column.name.casefold(): own for column, own in zip(model.columns, state.fields, strict=True)}
        target = _target(model, by_name)
        if target is None:
            return self._timeless(model, state)
        zone = state.zone.copy()
        zone.assume([target.event] if target.available is None else [target.event, target.available])
        if target.available is not None:
            target = replace(target, later=self.ledger.later_of(target.event, target.available))
        found = {
            known: diagnose(self.ledger, self.ledger.flows[known], zone, target, self._stamps.get(model.name, NOWHERE))
            for known in sorted(state.flows)
        }
        found = {known: finding and self._here(finding, model) for known, finding in found.items()}
        if target.label and model.config.horizon is None:
            found = {known: finding and without_horizon(finding) for known, finding in found.items()}
        common = state.rows.union(*(by_name[name].flows for name in _always_compared(model) if name in by_name))
        columns = tuple(
            self._written_later(column_verdict(column.name, common | own.flows, found), own)
            for column, own in zip(model.columns, state.fields, strict=True)
        )
        lookback = lookback_of(self.ledger, state, zone, target.event)
        if model.window_view is not None:
            lookback = of_windows(model.windows, lookback)
        notes = self._notes.get(model.name, ())
        verdict = ModelVerdict(model.name, columns, lookback, model.config.allow_leakage, notes)
        return _Proved(self._published(model, state, found, target), verdict, target.event)

    def _written_later(self, column: ColumnVerdict, own: Field) -> ColumnVerdict:
        """The next row's time as a column: the end of a version, which is written when the next one comes."""
        if own.variable not in self.ledger.open_ends:
            return column
        about = RULES["in-place-update"]
        message = f"{column.name} is the time of the next row: it is written when that comes, later than its own row."
        return replace(
            column,
            findings=tuple(
                replace(f, rule=about.id, message=message, example=about.example.format(time="12:00"), mend=about.mend)
                if f.rule == "lead" else f
                for f in column.findings
            ),
        )  # fmt: skip

    def _timeless(self, model: CompiledModel, state: State) -> _Proved:
        """A model without an event time: safe where nothing flows in; an immutable one must be of such things only."""
        found: dict[int, Finding | None] = {}
        nowhere = Target(self.ledger.variable(0))
        for known in sorted(state.flows):
            flow = self.ledger.flows[known]
            finding = diagnose(self.ledger, flow, state.zone, nowhere, NOWHERE)
            settled = flow.cause.settled or flow.cause.kind == "inherited"
            if finding is not None and not settled:
                finding = without_time(finding, flow, model.name, immutable=model.time.immutable)
            found[known] = finding and self._here(finding, model)
        columns = tuple(
            column_verdict(column.name, state.rows | own.flows, found)
            for column, own in zip(model.columns, state.fields, strict=True)
        )
        lookback = Lookback(0, 0) if not state.flows else Lookback(None, None, "it has no event_time to count from")
        notes = self._notes.get(model.name, ())
        verdict = ModelVerdict(model.name, columns, lookback, model.config.allow_leakage, notes)
        return _Proved(state, verdict, None)

    def _here(self, finding: Finding, model: CompiledModel) -> Finding:
        return finding if finding.model else replace(finding, model=model.name)

    # -- what is read ----------------------------------------------------------------------------------------------

    def _state(self, model: CompiledModel) -> State:
        text = windows.describable(model.sql, model.windows) if model.windows else Rewritten(model.sql)
        self._texts[model.name] = text
        hidden = _hidden(model)
        if hidden is not None:
            return self._unread(model, NOWHERE, hidden)
        try:
            relation = self._resolved(text, model)
        except Unresolved as error:
            span = Span(error.offset, error.offset + error.length)
            return self._unread(model, span, error.what)
        if len(relation.fields) != len(model.columns):
            return self._unread(model, NOWHERE, "which columns this gives")
        names = [column.name.casefold() for column in model.columns]
        if model.time.event_time is not None and model.time.event_time.casefold() in names:
            self._stamps[model.name] = written_at(relation, names.index(model.time.event_time.casefold()))
        interpreter = Interpreter(
            model.name, self.ledger, self._node, lambda call: text.replaced(call.function.span.start)
        )  # a window() is written where one was put in
        state = interpreter.state(relation)
        if model.window_view is not None:
            state = with_ties(state, model.columns, model.window_view)
        self._notes[model.name] = tuple(interpreter.notes) if model.config.deterministic else ()
        return state

    def _resolved(self, text: Rewritten, model: CompiledModel) -> Relation:
        columns: dict[str, tuple[Column, ...]] = {}
        for parent in model.parents:
            kind, name = parent.split(".", 1)
            columns[parent if kind == "source" else f"ref.{name}"] = self.manifest.columns[parent]
        return resolve(text.text, columns)

    def _unread(self, model: CompiledModel, span: Span, what: str) -> State:
        cause = Cause("never", "unread", span, model.name, unsafe=False, subject=what, settled=True)
        flows = frozenset({self.ledger.enter(Flow(self.ledger.variable(), None, HERE, cause))})
        return State(Zone(), flows, blank(self.ledger, model.columns, flows))

    def _node(self, scan: Scan, ledger: Ledger, model: str) -> State:
        kind, name = scan.node.split(".", 1)
        if kind == "ref" and name in self.manifest.models:
            return placed(ledger, ledger.again(self._model_as_read(name)), scan.span, model)
        if scan.node not in self._sources:
            node = scan.node if kind == "source" else f"seed.{name}"
            time = self.manifest.source_time.get(node) or self._seed_time(node)
            self._sources[scan.node] = source_state(ledger, scan.node, self.manifest.columns[node], time)
        return placed(ledger, ledger.again(self._sources[scan.node]), scan.span, model)

    def _model_as_read(self, name: str) -> State:
        proved, config = self._prove(name), self.manifest.models[name].config
        if config.role != "label":
            return proved.state
        if f"label.{name}" not in self._sources:
            columns = self._label_columns(name, proved)
            self._sources[f"label.{name}"] = labelled(
                self.ledger, f"ref.{name}", proved.state, proved.event, config.horizon, columns
            )
        return self._sources[f"label.{name}"]

    def _label_columns(self, name: str, proved: _Proved) -> frozenset[int]:
        """What of a label model is the label: what a training set says is, and what is later than its event time.

        Where nothing is, it came so from the source: then it may be any column that does not identify its row.
        """
        model = self.manifest.models[name]
        found: set[int] = set()
        for other in self.manifest.models.values():
            plan = other.training_set
            if plan is not None and plan.labels == f"ref.{name}" and other.id not in self.manifest.errors:
                try:
                    found |= TrainingProof(other, self.manifest, proved.state, self.ledger).label_columns
                except Unresolved:
                    continue
        if proved.event is not None:
            zone = proved.state.zone.copy()
            zone.assume([proved.event])
            target = Target(proved.event)
            late = {
                known
                for known in proved.state.flows
                if (by := lateness(self.ledger.flows[known], zone, target)) is None or by > 0
            }
            found |= {index for index, own in enumerate(proved.state.fields) if own.flows & late}
        if found:
            return frozenset(found)
        named = {*_always_compared(model), *(key.casefold() for key in model.keys)}
        return frozenset(i for i, column in enumerate(model.columns) if column.name.casefold() not in named)

    # -- what others see -------------------------------------------------------------------------------------------

    def _published(
        self, model: CompiledModel, state: State, found: Mapping[int, Finding | None], target: Target
    ) -> State:
        """The model's state for those who read it.

        A flow that is in time begins anew at whoever reads it; one that is not keeps its finding. Windows are those
        as of the row's own time, so they are final then, if all that they read is in time.
        """
        time = model.time
        if model.window_view is not None:
            names = {item.name.casefold() for item in model.window_view.items}
            columns = frozenset(i for i, column in enumerate(model.columns) if column.name.casefold() in names)
            late = [known for known in sorted(state.flows) if found.get(known) is not None]
            usable = {target.event: duration_range(time.available_after)}
            usable |= {target.available: (0, 0)} if target.available is not None else {}
            state, others = windows_as_read(self.ledger, state, columns, usable, late)
            found = {**found, **{made: found[known] for known, made in others.items()}}
        root = Root(f"ref.{model.name}", time.event_time, time.available_at or time.event_time)
        if time.available_after is not None:
            root = replace(root, delay=duration_range(time.available_after)[1])
        for known in state.flows:
            finding = found.get(known)
            if finding is None:
                cause = Cause("scan", "dropped-available-at", NOWHERE, "")
                self.ledger.update(known, cause=cause, joined=None, doubts=(), inexact=False, root=root)
            else:
                cause = Cause(
                    "inherited", finding.rule, finding.span, finding.model, slack=finding.rule,
                    unsafe=finding.verdict == "unsafe", message=finding.message,
                )  # fmt: skip
                self.ledger.update(known, cause=cause, joined=None)
        return state

    def _seed_time(self, node: str) -> TimeFacts:
        """A seed's own declaration; it is read where nothing else needs it."""
        return facts_of_seed(self.manifest.seeds[node])


def _hidden(model: CompiledModel) -> str | None:
    """What else than its text makes a model: SQL that is run before and after it, answers that the text is made of."""
    for key in ("pre_hook", "post_hook"):
        if getattr(model.config, key):
            return f"what its {key} does"
    return "the answers of run_query that its text is made of" if model.deferred else None


def _target(model: CompiledModel, by_name: Mapping[str, Field]) -> Target | None:
    event = by_name.get((model.time.event_time or "").casefold())
    available = by_name.get((model.time.available_at or "").casefold())
    if event is None:
        return None
    label = model.config.role == "label"
    grace = duration_range(model.config.horizon if label else model.time.available_after)[0]
    declared = model.config.available_at is not None or model.config.available_after is not None
    return Target(event.variable, available.variable if available else None, grace, label=label, declared=declared)


def _always_compared(model: CompiledModel) -> list[str]:
    """The columns that say which row is meant and when: they belong to every column's comparison."""
    time = model.time
    named = [time.event_time, time.available_at, *model.keys]
    if model.materialized == "feature_view":
        named += [*time.tie_breaker, *time.unique_key]
    return [name.casefold() for name in named if name]
