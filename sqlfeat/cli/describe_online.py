"""How what is published reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.text import Text

from sqlfeat.cli.render import columns, count, facts, seconds

if TYPE_CHECKING:
    from sqlfeat.ops.online.agreement import Agreement
    from sqlfeat.ops.online.publish import Publication
    from sqlfeat.ops.online.push import Pushed
    from sqlfeat.ops.online.verify_log import LoggedDifference, LogVerdict, LogVerification


def published(
    publication: Publication, checked: Agreement | None, slow: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> Text:
    """A snapshot: its instant, its views, and whether it agrees with the offline side."""
    written = publication.written
    told = [("as of", publication.as_of.isoformat()), ("bytes", count(written.size))]
    for name, table in written.tables.items():
        changed = f", {count(table.written)} written, {count(table.removed)} removed" if written.incremental else ""
        view, _, part = name.partition("/")
        told.append((view.split("@")[0] + (f"/{part}" if part else ""), f"{count(table.rows)}{changed}"))
    for name in publication.carried:
        told.append(("kept for a model", name))
    notes = [
        f"\nNote: DuckDB evaluates {name}.{column} at every request, in a millisecond or two: {why.rstrip('.')}."
        for name, columns in slow.items()
        for column, why in columns.items()
    ]
    head = Text.assemble((f"snapshot {written.number}\n", "bold"), facts(told), ("".join(notes), "dim"))
    if checked is None:
        return head
    if not checked.differing:
        return Text.assemble(head, f"\n{count(checked.cells)} cells are the same offline.")
    lines = [
        f"{one.view}.{one.column} of {one.keys} at {one.at}: offline {one.offline}, online {one.online}"
        for one in checked.differences
    ]
    return Text.assemble(
        head,
        (
            f"\n{count(checked.differing)} of {count(checked.cells)} cells differ from what they are offline:\n",
            "bold red",
        ),
        "\n".join(lines),
    )


_SHOWN_OF_A_CAUSE = 3


def log_verified(found: LogVerification) -> Text:
    """A log beside the offline side: what of it is the same, and for what differs the reason, with examples."""
    if not found.verdicts:
        return Text(f"Nothing is logged in {found.log}.")
    rows = [(one.subject, _log_verdict(one), count(one.rows), count(one.cells), _causes(one)) for one in found.verdicts]
    head, *lines = columns([("served", "verdict", "rows", "cells", ""), *rows], right=[2, 3])
    styled = [Text(line, _log_colour(one)) for line, one in zip(lines, found.verdicts, strict=True)]
    parts = [Text("\n").join([Text(head, "bold"), *styled])]
    by_cause: dict[str, list[LoggedDifference]] = {}
    for one in found.differences:
        by_cause.setdefault(one.cause, []).append(one)
    for cause, examples in by_cause.items():
        parts.append(Text("\n").join([Text(cause, "bold"), *map(_logged, examples[:_SHOWN_OF_A_CAUSE])]))
    parts += [
        Text(f"Note: {count(one.not_compared, 'row')} of {one.subject} not compared: {one.reason}", "dim")
        for one in found.verdicts
        if one.reason
    ]
    differing = sum(one.differing for one in found.verdicts)
    cells = count(sum(one.cells for one in found.verdicts), "cell")
    said = f"{count(differing)} of {cells} differ from what they are offline, {count(found.unexplained)} unexplained"
    text = said if differing else f"{cells} are the same offline"
    style = "bold red" if found.unexplained else "green"
    return Text("\n\n").join([*parts, Text(f"{text}, in {seconds(found.seconds)}", style)])


def _log_verdict(one: LogVerdict) -> str:
    if one.unexplained:
        return "differs"
    if one.differing:
        return "explained"
    return "same" if one.cells else "not compared"


def _log_colour(one: LogVerdict) -> str:
    return {"differs": "bold red", "same": "green"}.get(_log_verdict(one), "yellow")


def _causes(one: LogVerdict) -> str:
    return ", ".join(f"{count(number)} {cause}" for cause, number in sorted(one.causes.items()))


def _logged(one: LoggedDifference) -> Text:
    """One cell: whose it is, both values, and why."""
    named = ", ".join(f"{name} {value}" for name, value in one.keys.items())
    place = f"request {one.request_id}" + (f", row {one.row}" if one.row else "")
    return facts(
        [
            ("column", f"{one.subject}.{one.column} of {named} at {one.at}"),
            ("served", f"{one.served}, by {place}, from snapshot {one.snapshot}"),
            ("offline", one.offline),
            ("why", one.why),
        ]
    )


def pushed(push: Pushed) -> Text:
    """What became of pushed rows, and which views have them."""
    told = [(name, count(rows)) for name, rows in push.views.items()]
    told += [(name, "from the next sqlfeat publish on") for name in push.waiting]
    again = f", {count(push.known)} known already" if push.known else ""
    rows = "row" if push.new == 1 else "rows"
    return Text.assemble((f"{count(push.new)} new {rows} of {push.source}{again}\n", "bold"), facts(told))
