"""The command that explains one row of a training set, and how an explanation reads.

From the outside in: the row, its outputs, and then each feature view that was looked up for it, with the source row
that was used among those that could be expected instead. Which row was used, and why, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sqlfeat.cli.options import Call, Command, examples, shared

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.engine.explanation import ExplainedColumn, ExplainedLookup, RowLookup, ViewRow, WindowRead
    from sqlfeat.ops.explain import Explanation

_MOST_VALUES = 5
"""So many columns of a source row are shown beside its times."""


@click.command(
    "explain",
    cls=Command,
    epilog=examples(
        "sqlfeat explain late_flights --row 5000",
        "sqlfeat explain late_flights --row flight_id=5000 --column origin_temp",
    ),
)
@click.argument("name")
@click.option(
    "--row",
    required=True,
    metavar="KEY",
    help="Which row: its keys as k=v,k2=v2; the value alone where there is one key.",
)
@click.option("--column", metavar="OUTPUT", help="Only this output.")
@shared
def explain_command(call: Call, name: str, row: str, column: str | None) -> None:
    """Show where the values of one training row come from.

    For every feature view: the source row that was used, and why no newer one was. For every window:
    its interval and the events in it.
    """
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        explanation = project.explain(name, row, column=column)
    if call.as_json:
        write_json(explanation.as_dict())
    else:
        data().print(explained(explanation))


def explained(explanation: Explanation) -> Text:
    """The whole explanation."""
    from rich.text import Text

    from sqlfeat.cli.render import cell, headed

    outputs = [(output.name, cell(output.value), _flat(output.sql)) for output in explanation.outputs]
    parts = [_which_row(explanation), headed(("output", "value", "from"), outputs)]
    parts += [_lookup(lookup, explanation.as_of) for lookup in explanation.lookups]
    return Text("\n\n").join(parts)


def _which_row(explanation: Explanation) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import count

    text = Text.assemble((f"{explanation.name}   {_pairs(explanation.keys)}", "bold"))
    if explanation.matching > 1:
        others = "; ".join(_pairs(keys) for keys in explanation.others[:2])
        text.append(
            f"\n{count(explanation.matching)} label rows match, and this is the first. Others: {others}", "yellow"
        )
    return text


def _lookup(lookup: ExplainedLookup, as_of: datetime | None) -> Text:
    """A feature view: what was asked of it, what it gave, and from what."""
    from rich.text import Text

    from sqlfeat.cli.render import cell

    asked = "strictly before" if lookup.strict else "at"
    text = Text.assemble((lookup.view, "bold"), f"   {asked} {cell(as_of)}")
    for key, value in lookup.keys.items():
        given = lookup.given.get(key, "")
        text.append(f"   {key} = {cell(value)}").append(f" ({given})" if given.strip('"') != key else "", "dim")
    if lookup.ttl and lookup.row:
        text.append(f"   not older than {lookup.ttl}")
    if lookup.row:
        text.append("\n").append_text(_rows(lookup.row))
    for column in lookup.columns:
        if column.windows:
            text.append("\n").append_text(_windows(column, strict=lookup.strict))
    return text


# -- rows --------------------------------------------------------------------------------------------------------------


def _rows(lookup: RowLookup) -> Text:
    """The row that was used among its neighbours, newest first."""
    from rich.text import Text

    from sqlfeat.cli.render import columns
    from sqlfeat.engine.explanation import OUTCOMES

    rows = [(unused.reason == "after", unused.row, unused.why, False) for unused in lookup.unused]
    if lookup.row:
        rows.append((False, lookup.row, "used", True))
    rows.sort(
        key=lambda row: (row[0], _instant(row[1].event_time), _instant(row[1].available_at), row[3]), reverse=True
    )
    text = Text()
    if lookup.row is None:
        text.append(f"  null: {OUTCOMES[lookup.outcome]}", "yellow")
    if rows:
        shown = list(dict.fromkeys(name for _, row, _, _ in rows for name in row.values))[:_MOST_VALUES]
        head = ("", "event time", "available at", *shown, "")
        lines = columns([head, *(_row(row, shown, why, used=used) for _, row, why, used in rows)])
        styles = ["bold", *("green" if used else "" for _, _, _, used in rows)]
        for line, style in zip(lines, styles, strict=True):
            text.append("\n" if text else "").append(line, style)
    rest = _rest(lookup)
    if rest:
        text.append("\n" if text else "").append(f"  not shown: {rest}", "dim")
    return text


def _row(row: ViewRow, shown: Sequence[str], why: str, *, used: bool) -> tuple[str, ...]:
    from sqlfeat.cli.render import cell

    times = [cell(time) if time else "-" for time in (row.event_time, row.available_at)]
    return ("→" if used else "", *times, *(cell(row.values.get(name)) for name in shown), why)


def _rest(lookup: RowLookup) -> str:
    """What is counted only: ``2,016 happened after the as-of time, 134 older``."""
    from sqlfeat.cli.render import count
    from sqlfeat.engine.explanation import REASONS

    shown = [unused.reason for unused in lookup.unused]
    left = {REASONS[reason]: number - shown.count(reason) for reason, number in lookup.counts.items()}
    return ", ".join(f"{count(number)} {what}" for what, number in {**left, "older": lookup.older}.items() if number)


def _instant(time: datetime | None) -> datetime:
    return time or datetime.min.replace(tzinfo=UTC)


# -- windows -----------------------------------------------------------------------------------------------------------


def _windows(column: ExplainedColumn, *, strict: bool) -> Text:
    """A column made of windows: its value, and what each window read."""
    from rich.text import Text

    from sqlfeat.cli.render import cell, columns

    text = Text().append(f"  {column.name} = {cell(column.value)}", "green")
    for line in columns([_window(window, strict=strict) for window in column.windows], indent="    "):
        text.append(f"\n{line}")
    return text


def _window(window: WindowRead, *, strict: bool) -> tuple[str, ...]:
    from sqlfeat.cli.render import cell, count

    begin = cell(window.start) if window.start else ("-∞" if window.end else "-")
    interval = f"{begin}, {cell(window.end) if window.end else '-'}"
    edges = f"[{interval})" if strict else f"({interval}]"
    left_out = [
        (window.not_yet_known, "not yet known"),
        (window.superseded, "superseded by a correction"),
        (window.filtered_out, "filtered out"),
    ]
    span = "all time" if window.length == "unbounded" else window.length
    span += f", ending {window.offset} before" if window.offset else ""
    events = [count(window.events, "event"), *(f"{count(number)} {why}" for number, why in left_out if number)]
    seen = ""
    if window.first and window.last:
        seen = f"first {cell(window.first.event_time)}, last {cell(window.last.event_time)}"
    return (f"{_flat(window.aggregate)} over {span}", edges, ", ".join(events), seen)


def _pairs(keys: Mapping[str, Any]) -> str:
    from sqlfeat.cli.render import cell

    return ", ".join(f"{name} {cell(value)}" for name, value in keys.items())


def _flat(sql: str) -> str:
    return " ".join(sql.split())
