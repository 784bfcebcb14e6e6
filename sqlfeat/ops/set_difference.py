"""What differs between two training sets, as data: rows, columns, cells, and the reasons for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlfeat.store.training_set import TrainingSet

CODE, DATA, LATE, ASKED, SPLIT, VERSIONS = "code", "data", "late rows", "asked for", "split", "versions"
"""The kinds of reasons."""


@dataclass(frozen=True)
class Reason:
    """Why two sets differ: of which kind, about what (a model, a source, an option), and a sentence."""

    kind: str
    about: str
    text: str


@dataclass(frozen=True)
class CellExample:
    """A cell that differs: the row's keys and as-of time, and both values."""

    keys: Mapping[str, Any]
    old: Any
    new: Any


@dataclass(frozen=True)
class CellDifference:
    """A column that differs in rows that both sets have; ``before`` counts those asked before the old data end."""

    column: str
    rows: int
    examples: tuple[CellExample, ...]
    became_null: int = 0
    was_null: int = 0


@dataclass(frozen=True)
class ColumnChange:
    """A column that is of another type, role or feature."""

    column: str
    what: str
    old: Any
    new: Any


@dataclass(frozen=True)
class RowDifference:
    """Rows that one set has and the other has not."""

    rows: int = 0
    examples: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class SetDifference:
    """Two training sets compared by as-of time and keys; rows with equal ones are told apart by their order."""

    old: TrainingSet
    new: TrainingSet
    in_both: int
    added: RowDifference
    gone: RowDifference
    added_columns: tuple[str, ...]
    gone_columns: tuple[str, ...]
    changed_columns: tuple[ColumnChange, ...]
    cells: tuple[CellDifference, ...]
    moved: Sequence[Mapping[str, Any]]
    reasons: tuple[Reason, ...]

    @property
    def same(self) -> bool:
        """Whether both hold the same rows, cut the same way."""
        rows = self.added.rows or self.gone.rows
        columns = self.added_columns or self.gone_columns or self.changed_columns
        return not (rows or columns or self.cells or self.moved)

    def as_dict(self) -> dict[str, Any]:
        sides = {"old": self.old, "new": self.new}
        return {
            **{
                side: {"name": one.name, "id": one.id, "path": str(one.path), "rows": one.rows}
                for side, one in sides.items()
            },
            "same": self.same,
            "rows": {"in_both": self.in_both, "added": asdict(self.added), "gone": asdict(self.gone)},
            "columns": {
                "added": list(self.added_columns),
                "gone": list(self.gone_columns),
                "changed": [asdict(change) for change in self.changed_columns],
            },
            "cells": [asdict(cell) for cell in self.cells],
            "moved": [dict(move) for move in self.moved],
            "reasons": [asdict(reason) for reason in self.reasons],
        }
