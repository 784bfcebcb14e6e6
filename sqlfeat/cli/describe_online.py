"""How what is published reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from sqlfeat.cli.render import count, facts

if TYPE_CHECKING:
    from sqlfeat.ops.online.agreement import Agreement
    from sqlfeat.ops.online.publish import Publication


def published(publication: Publication, checked: Agreement | None) -> Text:
    """A snapshot: its instant, its views, and whether it agrees with the offline side."""
    written = publication.written
    told = [("as of", publication.as_of.isoformat()), ("bytes", count(written.size))]
    for name, table in written.tables.items():
        changed = f", {count(table.written)} written, {count(table.removed)} removed" if written.incremental else ""
        told.append(
            (name.split("@")[0] + ("/events" if name.endswith("/events") else ""), f"{count(table.rows)}{changed}")
        )
    for name in publication.carried:
        told.append(("kept for a model", name))
    head = Text.assemble((f"snapshot {written.number}\n", "bold"), facts(told))
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
