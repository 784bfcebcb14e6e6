"""Sources as they are seen from a vantage: as they stood at a cutoff, of a sample of entities, in another order.

A row is known from its ``available_at`` on, else from ``available_after`` after its event time, else from its event
time; one whose known time is null never is. What is immutable, or has no time at all, is always seen whole. A column
that is updated in place is null until it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlfeat.base.names import literal, quote
from sqlfeat.compiler.manifest import TimeFacts
from sqlfeat.engine.comparison import Sample, Vantage
from sqlfeat.engine.duckdb.layout import Shape, after, instant
from sqlfeat.spec.duration import Duration

_SHUFFLE = 20_130_310
"""The seed of the one order in which shuffled rows are read."""


def known_time(time: TimeFacts) -> str | None:
    """The SQL of the instant from which a source's row is known; None where all rows always are."""
    if time.immutable or time.event_time is None:
        return None
    if time.available_at:
        return instant(time.available_at)
    event = instant(time.event_time)
    return after(event, time.available_after) if time.available_after else event


def usable_from(time: TimeFacts, horizon: Duration | None = None) -> str:
    """The SQL of the instant from which a model's row must stay as it is; null where it is never used.

    A row is usable once it has happened and is known; a label is known its horizon after it was asked for.
    """
    shape = Shape((), time, ())
    if horizon is not None:
        return after(shape.event, horizon)
    happened, known = shape.event, shape.available
    return f"case when {happened} is not null and {known} is not null then greatest({happened}, {known}) end"


def seen(rows: str, columns: Sequence[str], time: TimeFacts, vantage: Vantage) -> str:
    """The SELECT of a source's rows that are seen; ``rows`` is what stands after FROM."""
    conditions = []
    known = known_time(time)
    if known is not None and vantage.cutoff is not None:
        conditions.append(f"{known} <= {timestamp(vantage.cutoff)}")
    if vantage.sample is not None and is_sampled(columns, time, vantage.sample):
        conditions.append(f"{key_hash(vantage.sample.keys)} <= {vantage.sample.threshold}")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    order = f" order by hash({', '.join(quote(name) for name in columns)}, {_SHUFFLE})" if vantage.shuffled else ""
    return f"select {_items(time, vantage)} from {rows}{where}{order}"


def _items(time: TimeFacts, vantage: Vantage) -> str:
    """All columns; what was written into a row after the cutoff is not there yet."""
    if vantage.cutoff is None or not time.written:
        return "*"
    cutoff, hidden = timestamp(vantage.cutoff), []
    for column, written in time.written:
        name, when = quote(column), "false"
        if written.available_at is not None:
            when = f"{instant(written.available_at)} <= {cutoff}"
        elif written.available_after is not None and time.event_time is not None:
            when = f"{after(instant(time.event_time), written.available_after)} <= {cutoff}"
        hidden.append(f"case when {when} then {name} end as {name}")
    return f"* replace ({', '.join(hidden)})"


def is_sampled(columns: Sequence[str], time: TimeFacts, sample: Sample) -> bool:
    """Whether a sample of entities takes rows from a source: from timed ones that have all of the entity's keys."""
    return known_time(time) is not None and has_columns(columns, sample.keys)


def has_columns(columns: Sequence[str], keys: Sequence[str]) -> bool:
    return {key.casefold() for key in keys} <= {column.casefold() for column in columns}


def key_hash(keys: Sequence[str]) -> str:
    """An entity's number: equal for equal keys, whatever their types are in different sources."""
    return "hash(" + ", ".join(f"cast({quote(key)} as varchar)" for key in keys) + ")"


def timestamp(value: datetime) -> str:
    """An instant in SQL."""
    return f"timestamptz {literal(value.isoformat())}"
