"""Which plan a lookup takes: a decision table, with the figures behind it.

CPU relative to the chain of ``ASOF LEFT JOIN``s with all columns in its payload, from ``benchmarks/results/pit.md``
(2 cores, DuckDB 2.0, 10 doubles a view):

==========================================  ==========
workload                                    ``gather``
==========================================  ==========
3 views of 1M rows, 100k label rows         0.12
3 views of 1M rows, 1M label rows           0.29
5 views of 1M rows, 1M label rows           0.17
1 view of 10M rows, 1M label rows           0.12
the same of 100M rows under 2 GB            0.04
text keys, 1 view of 2M rows, 200k labels   0.16
keys of two columns, the same               0.17
==========================================  ==========

``gather`` finds positions by binary search in each entity's own range and reads just the columns asked for. It needs
columns of types that can be kept as files, and was ahead in every workload that ran, so it is taken wherever it can
be. ``asof`` is that chain's own join, one view at a time, over the prepared rows; it has not been timed by itself.

Windows: CPU relative to the obvious range join with GROUP BY. The first two from W5 of the same page (10M events, 1M
label times, four windows of each aggregate), the others measured at a tenth of it and less.

==========================================  ======================  ========================
aggregate                                   100 events a key        2,000 events a key
==========================================  ======================  ========================
count, sum, min, max: totals                0.27                    0.02
polars ``rolling``, ``RANGE`` frames        1.2, 6.2                0.11, 0.87
the same, known up to an hour late          0.31                    0.02
median, ``last``: range join by buckets     0.45, 0.47              0.23, 0.22
``count(distinct)``, the same               0.29                    0.26
``list``, ``stddev``, the same              0.78, 0.70              0.50, 0.46
==========================================  ======================  ========================

An aggregate is asked from totals wherever they are kept (``effects.contributions_of``): also of events that are late or
corrected, where those in doubt are looked at one by one (``runs``). They are not kept for sums that might leave 64 bits
and for floats whose magnitudes lie too far apart; these, and all other aggregates, take ``windows``' SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

CHUNK_ROWS = 1_048_576
"""Label rows that are assembled at a time: what bounds the memory of a build."""

WINDOW_CHUNK_ROWS = 524_288
"""The same where windows are looked up. Of W5's million label rows and 16 windows: all at once 3.7 s of CPU and 597 MB,
by so many 3.9 s and 490 MB (as the range join), by a quarter of a million 4.4 s and 378 MB.
"""

BATCH_ROWS = 122_880
"""Rows of a batch that the database gives."""

PIECE_BYTES = 2**26
"""About how many bytes of assembled rows are held at a time where they are read piece by piece."""

KEPT_SHARE = 0.25
"""The share of the database's memory that assembled rows may take as Arrow columns; more are kept in a table."""

IN_ORDER = 2**30
"""Bytes of a file above which it is read from its begin to its end rather than in the order of label rows.

Of 800 MB a million rows at random cost 0.07 s of CPU, in order 0.23 s; but in order only a stretch of the file is in
this process's memory at a time: beside 8 GB the whole lookup's peak was 1.1 GB.
"""

AS_TEXT = ("ENUM", "UUID", "HUGEINT", "UHUGEINT")
"""Types that are kept as text in prepared columns, and cast back to exactly what they were.

Huge integers of 38 digits at most are kept as decimals.
"""


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
    yes          no          gather     ahead of the as-of join in every workload that ran
    yes          yes         asof       other rows were current then: the layout is made anew for T
    no           any         asof       nested types, and views whose columns were deleted
    ===========  ==========  =========  ===============================================================
    """
    return "gather" if situation.prepared and not situation.known_at else "asof"
