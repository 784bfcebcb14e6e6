"""Verify: prove by computing that nothing looks into the future, is left to chance, or hangs on the order of rows.

The selected models and all above them are computed in scratch databases under ``target/verify``: from all rows; from
the rows that were known at each cutoff, at a time when it was that late; and once more from rows in another order.
What was usable at a cutoff must be the same in the first two, and everything in the first and the last. Nothing of the
target is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlfeat.compiler.lineage import Lineage
from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.compiler.time import facts_of_seed
from sqlfeat.engine.comparison import Compared, Vantage
from sqlfeat.errors import UsageError
from sqlfeat.ops.comparable import subject_of
from sqlfeat.ops.defaults import CUTOFFS
from sqlfeat.ops.events import notify
from sqlfeat.ops.findings import Findings
from sqlfeat.ops.readings import FULL, Reading, Readings, scratch_folder
from sqlfeat.ops.results import Event
from sqlfeat.ops.sampling import sample_of
from sqlfeat.ops.selection import selected
from sqlfeat.ops.session import Session
from sqlfeat.ops.training_set import in_utc
from sqlfeat.ops.verification import CutoffView, SampleView, Verification

"""So many quantiles of the event times are cutoffs where nobody says otherwise."""
_LATER = timedelta(days=1)
"""So long after the last cutoff it is at least when everything is known."""


def verify(
    session: Session,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    *,
    at: Sequence[datetime] = (),
    cutoffs: int = CUTOFFS,
    sample: float | None = None,
    rebuild: bool = True,
) -> Verification:
    """Compare what the selected models are with what they were at cutoffs.

    ``cutoffs`` quantiles of the event times of the timed sources are taken, and the instants in ``at``. ``sample`` is
    a share of all entities, or how many of them. ``rebuild`` computes everything once more, in another order.

    Raises:
        ProjectError: something is wrong with the selected models.
        UsageError: ``no-timed-source``, ``no-cutoff``; or the sample cannot be taken.
    """
    manifest = session.manifest
    chosen = [node for node in selected(session, select, exclude) if node.startswith("model.")]
    manifest.raise_errors(chosen)
    if not chosen:
        return Verification((), ())
    with scratch_folder(session) as folder:
        work = _Verification(session, chosen, folder)
        result = work.done([in_utc(each) or each for each in at], cutoffs, sample, rebuild=rebuild)
    notify(session, "verify_end", {"failed": result.failed, **result.as_dict()})
    return result


class _Verification:
    """One verification under way: its readings, and what has been found of each of its subjects."""

    def __init__(self, session: Session, chosen: Sequence[str], folder: Path) -> None:
        self.session = session
        self.manifest = manifest = session.manifest
        above = manifest.graph.ancestors(chosen) | set(chosen)
        self.nodes = [node for node in manifest.graph.order() if node in above]
        self.times = {**manifest.source_time, **{node: facts_of_seed(seed) for node, seed in manifest.seeds.items()}}
        self.timed = [node for node in self.nodes if node in self.times and _is_timed(self.times[node])]
        models = {node: manifest.models[node.removeprefix("model.")] for node in self.nodes if node in chosen}
        subjects = {node: subject_of(model, manifest) for node, model in models.items()}
        self.readings = Readings(session, self.nodes, subjects, self.times, folder)
        lineage = Lineage(manifest)
        self.found = {node: Findings(subject, manifest, lineage, self.timed) for node, subject in subjects.items()}
        self.full_seconds = 0.0

    def done(self, at: Sequence[datetime], count: int, size: float | None, *, rebuild: bool) -> Verification:
        """All readings and comparisons, in order."""
        if not self.timed:
            raise UsageError(
                "no-timed-source",
                "No source above these models has an event_time, so there is nothing to hide from them.",
                hint="declare event_time (and available_at) under the config of the sources that grow with time.",
            )
        started = self.session.clock.monotonic()
        cutoffs, vantage, sampled = self._read_whole(at, count, size)
        if rebuild:
            self._read_again(vantage)
        for cutoff in cutoffs:
            self._read_at(cutoff, vantage)
        return Verification(
            cutoffs=tuple(cutoffs),
            models=tuple(
                found.verdict(self._blamed(node), sampled=sampled is not None) for node, found in self.found.items()
            ),
            notes=tuple(self._notes(cutoffs)),
            sample=sampled,
            seconds=self.session.clock.monotonic() - started,
            full_seconds=self.full_seconds,
        )

    # -- readings --------------------------------------------------------------------------------------------------

    def _read_whole(
        self, at: Sequence[datetime], count: int, size: float | None
    ) -> tuple[list[CutoffView], Vantage, SampleView | None]:
        """Compute everything from all rows; gives the cutoffs, the vantage, and what is sampled."""
        vantage, sampled = Vantage(self.session.clock.now()), None
        with self.readings.opened(FULL, vantage, self._threads) as scratch:
            if size is not None:
                entities = list(self.session.spec.entities.values())
                sample, sampled = sample_of(scratch, self.manifest, entities, self.timed, size)
                vantage = replace(vantage, sample=sample)
                scratch.look_from(vantage)
            instants = sorted({*at, *scratch.cutoffs(self.timed, count)})
            if not instants:
                what = "There is no cutoff: none is given, and the timed sources have no event time to take one from."
                raise UsageError("no-cutoff", what, hint="name instants: --at 2013-02-01. Are the sources empty?")
            vantage = replace(vantage, clock=max(vantage.clock, instants[-1] + _LATER))
            scratch.look_from(vantage)
            cutoffs = [CutoffView(instant, tuple(scratch.seen_at(self.timed, instant))) for instant in instants]
            started = self.session.clock.monotonic()
            stopped = self.readings.compute(scratch)
        self.full_seconds = self.session.clock.monotonic() - started
        self._tell("from all rows", self.full_seconds)
        for node, why in stopped.items():
            if node in self.found:
                self.found[node].stop(why, "from all rows")
        return cutoffs, vantage, sampled

    def _read_again(self, vantage: Vantage) -> None:
        """Compute everything from shuffled rows; and what differs then once more as it was, to tell order from chance.

        On as many threads as a run has: what hangs on their number hangs on chance.
        """
        threads = self.session.threads or self.session.target.threads
        shuffled = self._beside_full(replace(vantage, shuffled=True), None, threads, "in another order")
        suspects = [node for node, compared in shuffled.compared.items() if not compared.same]
        if not suspects:
            return
        again = self._beside_full(vantage, None, threads, "once more", suspects)
        for node in suspects:
            if node in again.compared:
                self._judge(self.found[node], shuffled.compared[node], again.compared[node])

    def _judge(self, found: Findings, shuffled: Compared, again: Compared) -> None:
        """Tell what hangs on chance, for that differs in the same order too, from what hangs on the order."""
        chance = {column.column for column in again.columns}
        rows_by_chance = bool(again.only_left or again.only_right)
        of_order = tuple(column for column in shuffled.columns if column.column not in chance)
        ordered = replace(shuffled, columns=of_order)
        if rows_by_chance:
            ordered = replace(ordered, only_left=None, only_right=None)
        found.keep("rebuild", again)
        found.keep("order", ordered)
        if found.chancy:  # then no cutoff can tell what hangs on the order from what looks ahead
            chance |= {column.column for column in of_order}
            rows_by_chance = rows_by_chance or bool(ordered.only_left or ordered.only_right)
        found.by_chance, found.rows_by_chance = frozenset(chance), rows_by_chance

    def _read_at(self, cutoff: CutoffView, vantage: Vantage) -> None:
        """Compute everything from what was known at a cutoff, and keep what differs."""
        seen = replace(vantage, cutoff=cutoff.at, clock=cutoff.at)
        reading = self._beside_full(seen, cutoff.at, self._threads, f"as known at {_told(cutoff.at)}")
        for node, found in self.found.items():
            told: set[str] = set()
            for inputs in reading.inputs.get(node, ()):
                new = tuple(column for column in inputs.columns if column.column not in told)
                told |= {column.column for column in new}
                found.keep("cutoff", replace(inputs, columns=new), cutoff.at, kind="input")
            compared = reading.compared.get(node)
            if compared is not None:
                found.rows += compared.rows
                rest = tuple(column for column in compared.columns if column.column not in told)
                found.keep("cutoff", replace(compared, columns=rest), cutoff.at)
            elif node in reading.inputs:
                found.rows += reading.inputs[node][0].rows

    def _beside_full(
        self, vantage: Vantage, cutoff: datetime | None, threads: int | None, name: str, among: Sequence[str] = ()
    ) -> Reading:
        """A reading beside the one of all rows, told to whoever watches."""
        started = self.session.clock.monotonic()
        compared = [node for node in among or self.found if self.found[node].compares(at_cutoff=cutoff is not None)]
        leave_out = {node: found.by_chance for node, found in self.found.items()}
        reading = self.readings.beside_full(vantage, cutoff, threads, compared, leave_out)
        for node in compared:
            if node in reading.stopped:
                self.found[node].stop(reading.stopped[node], name)
        self._tell(name, self.session.clock.monotonic() - started, reading.differing)
        return reading

    @property
    def _threads(self) -> int:
        """One thread, unless more are asked for: so floats are added in the same order, whatever is hidden."""
        return self.session.threads or 1

    # -- what is told ----------------------------------------------------------------------------------------------

    def _blamed(self, node: str) -> tuple[str, ...]:
        """The models above one that differ in the same check, if it does, without those that only follow others."""
        checks = {difference.check for difference in self.found[node].differences}
        above = self.manifest.graph.ancestors([node])
        differing = [
            other
            for other, found in self.found.items()
            if other in above and any(difference.check in checks for difference in found.differences)
        ]
        followers = {other for other in differing if self.manifest.graph.ancestors([other]) & set(differing)}
        return tuple(other.split(".", 1)[1] for other in differing if other not in followers)

    def _notes(self, cutoffs: Sequence[CutoffView]) -> list[str]:
        """What whoever reads the verdicts has to know."""
        notes = []
        for cutoff in cutoffs:
            if cutoff.hidden == cutoff.rows:
                notes.append(f"At {_told(cutoff.at)} nothing was known yet: every timed row is hidden.")
            elif cutoff.hidden == 0:
                notes.append(f"At {_told(cutoff.at)} everything was known: no row is hidden.")
        for node in self.nodes:
            if node.startswith("source.") and node not in self.timed and not self.times[node].immutable:
                name = node.split(".", 1)[1]
                notes.append(f"{name} has no event_time and is not immutable: its rows are never hidden.")
        for found in self.found.values():
            if found.model.deferred:
                notes.append(f"{found.model.name} asks run_query: its SQL is made of the target as it stands.")
        return notes

    def _tell(self, name: str, seconds: float, differing: int | None = None) -> None:
        facts = {} if differing is None else {"models that differ": differing}
        self.session.listener(Event("step", name, seconds=seconds, facts=facts))


def _is_timed(time: TimeFacts) -> bool:
    return time.event_time is not None and not time.immutable


def _told(instant: datetime) -> str:
    return instant.isoformat(sep=" ").replace("+00:00", "Z")
