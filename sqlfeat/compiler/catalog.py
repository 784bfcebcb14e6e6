"""What the compiler must be told of the world: the schemas of sources, and how the engine reads a query.

The compiler stays pure: whoever has an engine hands in a :class:`Catalog`; its answers go into fingerprints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlfeat.compiler.facades import Answer
from sqlfeat.compiler.manifest import Column
from sqlfeat.spec.project import SeedFile, SourceTable


class SqlProblem(Exception):  # becomes a ProjectError where the place is known
    """The engine does not accept a query.

    ``offset`` and ``length`` underline the trouble in the text that was asked about (None: nowhere in particular).
    ``kind`` is ``syntax``, ``column``, ``table``, ``alias``, ``function``, ``no aggregate``, ``type`` or ``other``, and
    ``unbuilt`` where a query asks for what no run has built; ``name`` is what was not found and ``candidates`` what the
    engine thinks was meant.
    """

    def __init__(
        self,
        what: str,
        kind: str = "other",
        *,
        offset: int | None = None,
        length: int = 1,
        name: str | None = None,
        candidates: Sequence[str] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.kind = kind
        self.offset = offset
        self.length = length
        self.name = name
        self.candidates = tuple(candidates)


class Catalog(Protocol):
    """Answers about schemas, without building anything. Relations are named by tokens (``rewriting``)."""

    def source_columns(self, table: SourceTable) -> tuple[Column, ...]:
        """The columns of a source; raises :class:`ProjectError` at the source's place if it cannot be read."""

    def seed_columns(self, seed: SeedFile) -> tuple[Column, ...]:
        """The columns of a seed."""

    def declare(self, node: str, columns: Sequence[Column]) -> None:
        """Make a node known, empty, under ``ref.NAME`` or ``source.SOURCE.TABLE``."""

    def describe(self, sql: str, instead: Mapping[str, Sequence[Column]] | None = None) -> tuple[Column, ...]:
        """The columns that a query gives; ``instead`` shows nodes with other columns, for this query only.

        Raises:
            SqlProblem: the engine does not accept the query.
        """

    def query(self, sql: str) -> Answer:
        """Ask the target as it stands (``run_query``); raises :class:`SqlProblem`."""
