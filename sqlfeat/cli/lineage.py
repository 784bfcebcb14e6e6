"""The command that shows where columns come from and go to, and how such a tree reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlfeat.cli.options import Call, Command, examples, shared

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.ops.lineage import LineageStep, LineageTree

_LONGEST = 60
"""So much of an expression is shown beside its column."""


@click.command(
    "lineage",
    cls=Command,
    epilog=examples(
        "sqlfeat lineage late_flights.origin_delay_gap",
        "sqlfeat lineage stg_arrivals.arr_delay --downstream --depth 2",
        "sqlfeat lineage raw.arrivals --downstream --mermaid",
    ),
)
@click.argument("name", metavar="MODEL[.COLUMN]")
@click.option("--downstream", is_flag=True, help="What is made from it, instead of what it is made from.")
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="Only so many steps.")
@click.option("--indirect", is_flag=True, help="Also the columns that only decide which rows there are.")
@click.option("--mermaid", is_flag=True, help="As a Mermaid flowchart.")
@shared
def lineage_command(call: Call, name: str, downstream: bool, depth: int | None, indirect: bool, mermaid: bool) -> None:
    """Show which columns a column comes from, down to the sources.

    A name without a column stands for all columns of a model, a seed or a source (SOURCE.TABLE).
    """
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        tree = project.lineage(name, downstream=downstream, depth=depth, indirect=indirect)
    if call.as_json:
        write_json(tree.as_dict())
    elif mermaid:
        data().print(flowchart(tree))
    else:
        data().print(drawn(tree))


# -- on a terminal -----------------------------------------------------------------------------------------------------


def drawn(tree: LineageTree) -> Text:
    """Every column with what hangs on it, one a line."""
    from rich.text import Text

    lines: list[tuple[str, LineageStep]] = []
    for step in tree.columns:
        lines += _lines(step, "", "")
    width = max((len(lead) + len(step.name) for lead, step in lines), default=0)
    return Text("\n").join([_line(lead, step, width) for lead, step in lines])


def _lines(step: LineageStep, lead: str, below: str) -> list[tuple[str, LineageStep]]:
    found = [(lead, step)]
    for index, part in enumerate(step.steps):
        last = index == len(step.steps) - 1
        found += _lines(part, f"{below}{'└─ ' if last else '├─ '}", f"{below}{'   ' if last else '│  '}")
    return found


def _line(lead: str, step: LineageStep, width: int) -> Text:
    from rich.text import Text

    text = Text().append(lead, "dim").append(step.name, "bold" if not lead else "")
    text.append(" " * (width - len(lead) - len(step.name)))
    notes = [(step.type, "cyan")]
    if step.via == "indirect":
        notes.append(("decides rows", "yellow"))
    if step.undeclared:
        notes.append(("not declared", "yellow"))
    if step.untraced:
        notes.append((f"not traced: {step.untraced}", "red"))
    elif step.repeated:
        notes.append(("see above", "dim"))
    elif step.expression and not _only_the_name(step):
        notes.append((_shortened(step.expression), "dim"))
    for note, style in notes:
        text.append("   ").append(note, style)
    return text


def _only_the_name(step: LineageStep) -> bool:
    """Whether the expression is but the column's own name, with or without its relation's."""
    written = step.expression.replace('"', "").casefold()
    return written == step.column.casefold() or (
        written.endswith(f".{step.column.casefold()}") and written.replace(".", "").replace("_", "").isalnum()
    )


def _shortened(expression: str) -> str:
    return expression if len(expression) <= _LONGEST else f"{expression[: _LONGEST - 1]}…"


# -- as a flowchart ----------------------------------------------------------------------------------------------------


def flowchart(tree: LineageTree) -> Text:
    """A Mermaid flowchart: a box for each node, its columns inside, an arrow from each column to what is made of it."""
    from rich.text import Text

    edges = tree.edges()
    steps = {step.name: step for pair in edges for step in pair} | {step.name: step for step in tree.columns}
    ids = {name: f"c{index}" for index, name in enumerate(sorted(steps))}
    nodes: dict[str, list[LineageStep]] = {}
    for name in sorted(steps):
        nodes.setdefault(steps[name].node, []).append(steps[name])
    lines = ["flowchart LR"]
    for index, node in enumerate(sorted(nodes)):
        lines.append(f'    subgraph n{index}["{_escaped(node)}"]')
        lines += [f'        {ids[step.name]}["{_escaped(step.column)}"]' for step in nodes[node]]
        lines.append("    end")
    for above, below in edges:
        source, made = (above, below) if tree.downstream else (below, above)
        arrow = "-.->" if below.via == "indirect" else "-->"
        lines.append(f"    {ids[source.name]} {arrow} {ids[made.name]}")
    return Text("\n".join(lines))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
