"""Which plan a lookup takes: a decision table, with the figures behind it.

Measured on 2 cores with DuckDB 2.0 (``benchmarks/pit.py``; CPU relative to ``ASOF LEFT JOIN`` with all columns in
its payload, 1M label rows, 10M feature rows of 10 doubles):

======================  =====  ==========================================================================
plan                    CPU    what it needs
======================  =====  ==========================================================================
``gather``              0.3    the prepared columns beside the database, of types that they can hold
``asof``                1.3    nothing but SQL; the prepared rows as a table or a subquery
======================  =====  ==========================================================================

``gather`` finds positions by binary search in each entity's own range and reads just the columns asked for. It wins at
every size that was measured, so the table is short: it is taken wherever it can be.
"""

from __future__ import annotations

from dataclasses import dataclass

CHUNK_ROWS = 1_048_576
"""Label rows that are assembled at a time: what bounds the memory of a build."""

AS_TEXT = ("ENUM", "UUID", "HUGEINT", "UHUGEINT")
"""Types that are kept as text in prepared columns, and cast back to exactly what they were."""


@dataclass(frozen=True)
class Situation:
    """What the choice rests on: whether prepared columns are there, and whether later knowledge must be hidden."""

    prepared: bool
    known_at: bool


def choose(situation: Situation) -> str:
    """``gather`` or ``asof``.

    ===========  ==========  =========  ===============================================================
    prepared     known at T  plan       why
    ===========  ==========  =========  ===============================================================
    yes          no          gather     the fastest at every size measured
    yes          yes         asof       other rows were current then: the layout is made anew for T
    no           any         asof       nested types, and views whose columns were deleted
    ===========  ==========  =========  ===============================================================
    """
    return "gather" if situation.prepared and not situation.known_at else "asof"
