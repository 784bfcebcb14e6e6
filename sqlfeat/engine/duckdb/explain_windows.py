"""What a window read at one instant: its interval, and what became of every event in it (TIME semantics, section 3).

It counts plainly, from the rows of one key; the value itself comes from where all values come from.
"""

from __future__ import annotations

from sqlfeat.base.names import quote
from sqlfeat.compiler.manifest import WindowAggregate, WindowItem, WindowView
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.duckdb.layout import AVAILABLE, EVENT, ROW, UNTIL
from sqlfeat.engine.duckdb.records import finite, records
from sqlfeat.engine.explanation import ViewRow, WindowRead

_FATE = "__sqlfeat_fate"
_FATES = ("counted", "not-yet-known", "superseded", "filtered-out")


def read_windows(
    connection: Connection, view: WindowView, item: WindowItem, history: str, time: str, *, strict: bool
) -> tuple[WindowRead, ...]:
    """Every window of a select item as of ``time`` (SQL), over the events of one key that ``history`` holds."""
    aggregates = {aggregate.call.token: aggregate for aggregate in view.aggregates}
    return tuple(
        _read(connection, view, aggregates[token], history, time, strict=strict) for token in dict.fromkeys(item.tokens)
    )


def _read(
    connection: Connection, view: WindowView, aggregate: WindowAggregate, history: str, time: str, *, strict: bool
) -> WindowRead:
    call = aggregate.call
    end = f"{time} - {call.offset.sql()}" if call.offset else time
    start = f"{end} - {call.length.sql()}" if call.length else None
    fates = f"(select *, {_fate(aggregate, time, start, end, strict=strict)} as {_FATE} from {history})"
    counted = ", ".join(f"count(*) filter (where {_FATE} = '{fate}') as {quote(fate)}" for fate in _FATES)
    edges = f"{finite(f'({start})') if start else 'null::timestamptz'} as start_at, {finite(f'({end})')} as end_at"
    (told,) = records(connection, f"select {edges}, {counted} from {fates}")
    return WindowRead(
        aggregate=call.aggregate.strip(),
        length=str(call.length) if call.length else "unbounded",
        offset=str(call.offset) if call.offset else None,
        start=told["start_at"],
        end=told["end_at"],
        events=told["counted"],
        not_yet_known=told["not-yet-known"],
        superseded=told["superseded"],
        filtered_out=told["filtered-out"],
        first=_event(connection, view, aggregate, fates, "asc"),
        last=_event(connection, view, aggregate, fates, "desc"),
    )


def _fate(aggregate: WindowAggregate, time: str, start: str | None, end: str, *, strict: bool) -> str:
    """What became of an event: null outside the interval ``(start, end]``, or ``[start, end)`` where strict."""
    before, since = ("<", ">=") if strict else ("<=", ">")
    outside = f"not ({EVENT} {before} {end}" + (f" and {EVENT} {since} {start})" if start else ")")
    return (
        f"case when {EVENT} is null or {AVAILABLE} is null or {time} is null or {outside} then null "
        f"when not ({AVAILABLE} {before} {time}) then 'not-yet-known' "
        f"when {UNTIL} {before} {time} then 'superseded' "
        f"when not {aggregate.filter or 'true'} then 'filtered-out' else 'counted' end"
    )


def _event(
    connection: Connection, view: WindowView, aggregate: WindowAggregate, fates: str, direction: str
) -> ViewRow | None:
    """The first or the last event that was aggregated, with what the aggregate reads of it."""
    kept = {argument.column: argument.sql for argument in view.arguments}
    read = [column for column in dict.fromkeys(aggregate.arguments) if column in kept]
    values = "".join(f", {quote(column)}" for column in read)
    found = records(
        connection,
        f"select {finite(EVENT)} as event, {finite(AVAILABLE)} as available{values} from {fates} "
        f"where {_FATE} = 'counted' order by {EVENT} {direction}, {AVAILABLE} {direction}, {ROW} {direction} limit 1",
    )
    return next((ViewRow(row["event"], row["available"], {kept[c]: row[c] for c in read}) for row in found), None)
