"""What has been found of one model, difference by difference, until it is told as a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlfeat.compiler.lineage import Lineage
from sqlfeat.compiler.manifest import CompiledModel, Manifest
from sqlfeat.engine.comparison import Compared
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.comparable import Subject, allowed_leak, is_chancy, place_of_column
from sqlfeat.ops.verification import Difference, ModelVerdict

_REFUSED = ("hook-outside",)
"""Errors that are no fault of a model: we do not run it here."""


_MOST_WAYS = 5
"""So many ways to source columns are told of a difference."""


@dataclass
class Findings:
    """One subject under way. ``by_chance`` are columns that no cutoff can judge, ``rows_by_chance`` that none can."""

    subject: Subject
    manifest: Manifest
    lineage: Lineage
    timed: Sequence[str]
    rows: int = 0
    differences: list[Difference] = field(default_factory=list)
    by_chance: frozenset[str] = frozenset()
    rows_by_chance: bool = False
    stopped: str = ""
    error: SqlfeatError | None = None

    @property
    def model(self) -> CompiledModel:
        return self.subject.model

    def compares(self, *, at_cutoff: bool) -> bool:
        """Whether it is worth comparing further."""
        if self.stopped:
            return False
        return (self.subject.judged and not self.rows_by_chance) if at_cutoff else True

    @property
    def chancy(self) -> bool:
        """Whether it may hang on chance and order: it says so, or a model above it does."""
        return is_chancy(self.model, self.manifest)

    def stop(self, why: SqlfeatError | str, when: str) -> None:
        """It could not be made or compared: from then on it is not."""
        if self.stopped:
            return
        self.stopped = why if isinstance(why, str) else f"it cannot be made {when}: {why.what}"
        if isinstance(why, SqlfeatError) and why.code not in _REFUSED:
            self.error = why

    def keep(self, check: str, compared: Compared, at: datetime | None = None, kind: str = "value") -> None:
        """Keep what differs: a difference for each column, and for rows that only one reading has."""
        chance = "deterministic: false" if self.chancy else None

        def one(kind: str, column: str | None, rows: int, row: Mapping[str, Any], full: Any, known: Any) -> Difference:
            return Difference(
                check=check,
                kind=kind,
                column=column,
                rows=rows,
                compared=compared.rows,
                row=row,
                full=full,
                known=known,
                at=at,
                place=place_of_column(self.model, column) if column else self.model.place(),
                lineage=self._columns_above(column) or self._relations_above(),
                allowed=allowed_leak(self.model, column, self.manifest) if check == "cutoff" else chance,
                at_least=compared.judged < compared.differing,
            )

        for each in compared.columns:
            self.differences.append(one(kind, each.column, each.rows, each.row, each.left, each.right))
        for kind_of_rows, rows in (("added", compared.only_left), ("removed", compared.only_right)):
            if rows:
                self.differences.append(one(kind_of_rows, None, rows.rows, rows.row, None, None))

    def _columns_above(self, column: str | None) -> tuple[str, ...]:
        """The ways down from the source columns that a column's values come from, where they can be traced."""
        if column is None or column not in self.lineage.columns(self.model.id):
            return ()
        ways: list[tuple[str, ...]] = []
        waiting: list[tuple[tuple[str, ...], tuple[str, str]]] = [
            ((), parent) for parent in self._direct(self.model.id, column)
        ]
        while waiting and len(ways) < _MOST_WAYS:
            way, (node, name) = waiting.pop(0)
            way = (*way, f"{node.split('.', 1)[1]}.{name}")
            above = self._direct(node, name)
            waiting += [(way, parent) for parent in above]
            if not above:
                ways.append(way)
        return tuple(" ← ".join(way) for way in dict.fromkeys(ways))

    def _direct(self, node: str, column: str) -> list[tuple[str, str]]:
        return [(p.node, p.column) for p in self.lineage.parents(node, column) if p.via == "direct"]

    def _relations_above(self) -> tuple[str, ...]:
        """What the model is made from: its parents, and the timed sources above it."""
        above = self.manifest.graph.ancestors([self.model.id])
        parents = [node for node in self.model.parents if node not in self.timed]
        return tuple(node.split(".", 1)[1] for node in (*parents, *(each for each in self.timed if each in above)))

    def verdict(self, blamed: tuple[str, ...], *, sampled: bool = False) -> ModelVerdict:
        """What is told of it; ``sampled``: of some entities only."""
        verdict, reason = "same", ""
        if self.differences:
            verdict, reason = "differs", self.stopped
        elif self.stopped or not self.subject.judged:
            verdict, reason = "not compared", self.stopped or self.subject.reason
        elif not self.rows:
            verdict, reason = "not compared", "none of its rows was usable at any cutoff"
            if sampled:
                reason = "none of its rows in the sample was usable at any cutoff: take a larger sample"
        elif self.subject.what is None:
            reason = f"its inputs are, its label is not compared: {self.subject.reason}"
        return ModelVerdict(
            name=self.model.name,
            verdict=verdict,
            reason=reason,
            rows=self.rows,
            differences=tuple(self.differences),
            blamed=blamed,
            approximate=self.subject.whole.approximate,
            error=self.error,
        )
