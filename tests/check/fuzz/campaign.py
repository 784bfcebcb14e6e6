"""Static check against data: many programs, what the checker says of each column, and what data say.

The one thing that must not be: a column that is called safe and refuted. Everything else is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.check.fuzz.generator import Generated, generate
from tests.check.fuzz.oracle import Refuted, Timing, Unusable, Worlds
from tests.check.fuzz.project import text_of
from tests.check.fuzz.shrinking import shrunk
from tests.check.fuzz.tree import Program
from tests.check.fuzz.witness import Bench, Witness


@dataclass(frozen=True)
class Judgement:
    """What the checker says of one column, and by which rule."""

    verdict: str
    rule: str = ""
    message: str = ""


@dataclass(frozen=True)
class Checked:
    """What the checker says of a program: its columns by model and name, and the time of its models as compiled."""

    columns: Mapping[tuple[str, str], Judgement]
    timings: Mapping[str, Timing] = field(default_factory=dict)


Checker = Callable[[Mapping[str, Program]], Mapping[str, Checked]]
"""From programs by name to what is said of each; a program that does not compile is left out."""


@dataclass(frozen=True)
class FalseSafe:
    """A column that is called safe, and data that show it is not."""

    seed: int
    program: Program
    witness: Witness

    def told(self) -> str:
        lines = [f"seed {self.seed}: called safe, and refuted", text_of(self.program), self.witness.told()]
        return "\n".join(lines)


@dataclass
class Report:
    """What a campaign found."""

    programs: int = 0
    passed_over: int = 0
    columns: Counter[tuple[str, str]] = field(default_factory=Counter)
    confirmed: Counter[str] = field(default_factory=Counter)
    all_safe: int = 0
    missed: list[FalseSafe] = field(default_factory=list)
    failed: list[tuple[int, str, Judgement, Program]] = field(default_factory=list)
    ties: list[int] = field(default_factory=list)
    unexplained: list[int] = field(default_factory=list)
    """The seeds whose refutation the author's SQL does not show, nor any choice among ties explain."""
    too_strict: list[tuple[int, str, str, Judgement, Program]] = field(default_factory=list)

    def told(self) -> str:
        verdicts: Counter[str] = Counter()
        for (_, verdict), number in self.columns.items():
            verdicts[verdict] += number
        total = max(1, sum(verdicts.values()))
        lines = [
            f"{self.programs} programs ({self.passed_over} more that DuckDB or the compiler refuses), {total} columns"
        ]
        for verdict, number in sorted(verdicts.items()):
            refuted = self.confirmed[verdict]
            lines.append(f"{verdict}: {number} columns, {number / total:.0%}; of these data refute {refuted}")
        lines.append(
            f"programs whose every column is safe: {self.all_safe}, {self.all_safe / max(1, self.programs):.0%}"
        )
        lines.append(f"called safe and refuted: {len(self.missed)}")
        for seed, model, said, program in self.failed:
            lines.append(f"check itself fails: seed {seed}, {model}: {said.rule}: {said.message}\n{text_of(program)}")
        if self.ties:
            lines.append(f"the same, but by a choice among ties only: seeds {self.ties}")
        if self.unexplained:
            lines.append(f"the same in many worlds at once, and nobody knows why: seeds {self.unexplained}")
        return "\n".join(lines)


class Campaign:
    """Programs run against one checker; data sets change every ``fresh`` programs."""

    def __init__(self, checker: Checker, *, datasets: int = 96, fresh: int = 120, batch: int = 40) -> None:
        self.checker = checker
        self.datasets = datasets
        self.fresh = fresh
        self.batch = batch
        self.report = Report()
        self.most: int | None = None

    def run(self, seeds: Iterable[int], *, stop_at: int | None = None, shrink: bool = True) -> Report:
        """Judge the programs of these seeds; with ``stop_at`` only until so many false safes are found."""
        listed = list(seeds)
        self.most = stop_at
        for start in range(0, len(listed), self.fresh):
            if self._enough():
                break
            part = listed[start : start + self.fresh]
            worlds = Worlds(part[0], datasets=self.datasets)
            for first in range(0, len(part), self.batch):
                if not self._enough():
                    self._batch(part[first : first + self.batch], worlds, shrink)
            worlds.close()
        return self.report

    def _enough(self) -> bool:
        return self.most is not None and len(self.report.missed) >= self.most

    def _batch(self, seeds: Sequence[int], worlds: Worlds, shrink: bool) -> None:
        usable: dict[str, Generated] = {}
        computed: dict[str, dict[str, list[tuple[str, str]]]] = {}
        for seed in seeds:
            generated = generate(seed)
            name = f"p{seed}"
            try:
                computed[name] = worlds.compute(generated.program, f"{name}_")
            except Unusable:
                worlds.forget(generated.program, f"{name}_")
                self.report.passed_over += 1
            else:
                usable[name] = generated
        said = self.checker({name: generated.program for name, generated in usable.items()})
        for name, generated in usable.items():
            if self._enough():
                return
            try:
                refuted = worlds.compare(generated.program, computed[name], said[name].timings, f"{name}_")
                self._judge(generated, said[name], refuted, worlds, shrink)
            except (KeyError, Unusable):  # sqlfeat refuses it, or takes for a time what is none
                self.report.passed_over += 1
            worlds.forget(generated.program, f"{name}_")

    def _judge(
        self,
        generated: Generated,
        checked: Checked,
        refuted: Mapping[tuple[str, str], Refuted],
        worlds: Worlds,
        shrink: bool,
    ) -> None:
        self.report.programs += 1
        self.report.all_safe += all(said.verdict == "safe" for said in checked.columns.values())
        for (model, _), said in checked.columns.items():
            if said.verdict == "failed":
                self.report.failed.append((generated.seed, model, said, generated.program))
                break
        for (model, column), said in checked.columns.items():
            self.report.columns[generated.kind, said.verdict] += 1
            self.report.confirmed[said.verdict] += (model, column) in refuted
            if said.verdict == "unsafe" and generated.kind == "sound" and (model, column) not in refuted:
                self.report.too_strict.append((generated.seed, model, column, said, generated.program))
        for place, found in refuted.items():
            if _claimed(generated.program, checked, place):
                self._missed(generated, found, checked, worlds, shrink)
                break

    def _missed(self, generated: Generated, found: Refuted, checked: Checked, worlds: Worlds, shrink: bool) -> None:
        """Shown by the author's SQL, cut down, and kept."""
        bench = Bench()
        try:
            witness = bench.witness(generated.program, found, checked.timings)
            if witness is None:
                explained = bench.hangs_on_ties(generated.program, found, checked.timings)
                (self.report.ties if explained else self.report.unexplained).append(generated.seed)
                return
            if shrink:
                small = shrunk(generated.program, lambda program: self._fails(program, worlds) is not None, most=1500)
                again = self._fails(small, worlds)
                assert again is not None
                timings = self.checker({"p": small})["p"].timings
                witness = bench.witness(small, again, timings) or witness
        finally:
            bench.close()
        self.report.missed.append(FalseSafe(generated.seed, witness.program, witness))

    def _fails(self, program: Program, worlds: Worlds) -> Refuted | None:
        """A refutation of a column that the checker calls safe."""
        try:
            computed = worlds.compute(program)
            said = self.checker({"p": program}).get("p")
            if said is None:
                return None
            refuted = worlds.compare(program, computed, said.timings)
        except (Unusable, AttributeError, KeyError):
            return None
        safe = [found for place, found in refuted.items() if _claimed(program, said, place)]
        return safe[0] if safe else None


def _claimed(program: Program, said: Checked, place: tuple[str, str]) -> bool:
    """Whether a column is called safe, of rows that are the same ones tomorrow.

    Rows of a training set are told apart by its key; where that itself is not called safe, no row can be found again.
    """
    model, _ = place
    has_key = any(one.name == model and one.labels is not None for one in program.models)
    asked = [place, (model, "id")] if has_key else [place]
    return all(said.columns.get(one, Judgement("")).verdict == "safe" for one in asked)
