"""A training set as it is kept: immutable Parquet files, one a split, under a manifest.

``target/training_sets/NAME/ID/`` holds ``manifest.json`` and one ``<split>.parquet`` for each split (``all.parquet``
where there are no splits; rows of no split are in ``unsplit.parquet`` and reach no hook). Where there are folds,
``folds.parquet`` has a column for each, beside the rows of ``all.parquet``. The manifest is written last, so a folder
without one is not a training set. All of this is the same wherever it is built; ``built.json`` says when and where it
was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

FORMAT_VERSION = 2
UNSPLIT = "unsplit"
WHOLE = "all"
FOLDS = "folds"


@dataclass(frozen=True)
class OutputColumn:
    """One column of a training set.

    ``role`` is ``key``, ``as_of``, ``label``, ``weight``, ``passthrough`` or ``input``. An input's ``kind`` is
    ``numeric`` or ``categorical``; ``categories`` are the values that the train split holds, in binary order: a
    model sees the position in that list, and null or any other value as missing. ``feature`` is ``view.column``
    where the column is exactly that feature.
    """

    name: str
    type: str
    role: str
    kind: str | None = None
    categories: tuple[str, ...] | None = None
    feature: str | None = None


@dataclass(frozen=True)
class TrainingSet:
    """A built training set: where it lies and what it is.

    ``splits`` counts the rows of each split in time order; ``files`` are relative to ``path``; ``rows`` counts all
    rows, those of no split included; ``null_rates`` are the shares of nulls by column over all rows. ``manifest``
    is the whole of ``manifest.json``: with ``definition`` (fingerprint), ``compiled`` (model → sha256 of its SQL),
    ``models`` (model → SQL and config), ``features`` (``view.column`` → fingerprint), ``sources`` (id → version),
    ``sql``, ``split``, ``range``, ``sample``, ``versions``. ``built`` says when it was made, and by which code.
    """

    id: str
    name: str
    path: Path
    rows: int
    splits: Mapping[str, int]
    files: tuple[str, ...]
    columns: tuple[OutputColumn, ...]
    null_rates: Mapping[str, float]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    created: bool = True
    built: Mapping[str, Any] = field(default_factory=dict)

    def named(self, role: str) -> tuple[str, ...]:
        """The names of the columns of a role, in order."""
        return tuple(column.name for column in self.columns if column.role == role)

    @property
    def inputs(self) -> tuple[OutputColumn, ...]:
        return tuple(column for column in self.columns if column.role == "input")

    @property
    def label(self) -> str | None:
        return next(iter(self.named("label")), None)

    @property
    def as_of(self) -> str:
        return self.named("as_of")[0]

    def file(self, split: str) -> Path:
        return self.path / f"{split}.parquet"

    @property
    def created_at(self) -> datetime | None:
        """When it was first built; None where nothing says so."""
        said = self.built.get("created_at")
        return datetime.fromisoformat(said) if said else None

    @property
    def folds(self) -> tuple[Mapping[str, Any], ...]:
        """The folds in order: ``name``, rows of ``train`` and ``test``, and their bounds."""
        return tuple(self.manifest.get("folds", ()))

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "path": str(self.path),
            "rows": self.rows,
            "splits": dict(self.splits),
            "files": [str(self.path / file) for file in self.files],
            "null_rates": dict(self.null_rates),
            "created": self.created,
            "created_at": self.built.get("created_at"),
            **{name: self.manifest.get(name) for name in TOLD},
        }


TOLD = ("folds", "balance", "range", "sample", "outputs", "open_labels", "notes")
"""What of a manifest is told in ``--json`` besides."""
