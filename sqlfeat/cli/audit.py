"""The commands that tell where a version comes from, and rebuild it; and how both read.

What is recorded and how it is compared is decided elsewhere; here documents become text for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlfeat.cli.options import Call, Command, examples, shared

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.ops.document import Block, Document, Section
    from sqlfeat.ops.reproduction import ModelComparison, Reproduction, SetComparison

_COLOURS = {"reproduced": "green", "possible": "green", "differs": "bold red", "not possible": "bold red"}
_MOST_COLUMNS = 8
_MOST_METRICS = 8


@click.command(
    "audit",
    cls=Command,
    epilog=examples(
        "sqlfeat registry audit late_lgbm",
        "sqlfeat registry audit late_lgbm@2 --html audit.html --card card.md",
        "sqlfeat registry audit late_lgbm --json",
    ),
)
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write it as one HTML file instead.")
@click.option(
    "--card", type=click.Path(path_type=Path), metavar="FILE", help="Write a model card, as Markdown, instead."
)
@shared
def registry_audit(call: Call, reference: str, html: Path | None, card: Path | None) -> None:
    """Tell where a version comes from, down to the sources.

    Sources, SQL texts, verdicts, code, packages, machine, who and when, as they were recorded when it was trained; and
    what is not known.
    """
    from sqlfeat.base.files import write_atomically
    from sqlfeat.cli.render import data, place, talk, write_json

    with call.project() as project:
        found = project.audit(reference)
    written = [(path, text()) for path, text in ((html, found.html), (card, found.card)) if path is not None]
    for path, text in written:
        write_atomically(path.absolute(), text)
        if not (call.quiet or call.as_json):
            talk().print(f"written: {place(path)}")
    if call.as_json:
        write_json(found.as_dict())
    elif not written:
        data().print(document_text(found.document))


@click.command(
    "reproduce",
    cls=Command,
    epilog=examples(
        "sqlfeat registry reproduce late_lgbm",
        "sqlfeat registry reproduce late_lgbm@2 --dry-run",
        "sqlfeat registry reproduce late_lgbm --json",
    ),
)
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--dry-run", is_flag=True, help="Only say what is missing, or otherwise now.")
@shared
def registry_reproduce(call: Call, reference: str, dry_run: bool) -> int:
    """Rebuild a version from its commit and data, and compare.

    The training set and the model are made once more in a temporary folder; nothing of the project is touched. Exit
    code 1 where the bytes differ, or where it cannot be rebuilt.
    """
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        result = project.reproduce(reference, only_look=dry_run)
    if call.as_json:
        write_json(result.as_dict())
    else:
        data().print(reproduction_text(result))
    return 0 if result.outcome in ("reproduced", "possible") else 1


# -- documents ---------------------------------------------------------------------------------------------------------


def document_text(document: Document) -> Text:
    """A document for a terminal."""
    from rich.text import Text

    head = Text.assemble((document.title, "bold"), "\n", (document.subtitle, "dim"))
    return Text("\n\n").join([head, *(_section(section) for section in document.sections)])


def _section(section: Section) -> Text:
    from rich.text import Text

    blocks = [_block(block) for block in section.blocks] or [Text(f"  {section.nothing}", "dim")]
    return Text.assemble((section.title, "bold underline"), "\n", Text("\n\n").join(blocks))


def _block(block: Block) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import bars, cell, facts, headed
    from sqlfeat.ops.document import Bars, Facts, Listing, Table

    if isinstance(block, Facts):
        return facts((name, cell(value)) for name, value in block.pairs)
    if isinstance(block, Table):
        table = headed(block.head, [[cell(value) for value in row] for row in block.rows], right=block.right)
        return Text.assemble((f"  {block.title}\n", "bold"), table) if block.title else table
    if isinstance(block, Bars):
        return Text.assemble((f"  {block.title}\n", "bold"), bars(dict(block.values), most=len(block.values)))
    if isinstance(block, Listing):
        lines = "\n".join(f"    {_visible(line)}".rstrip() for line in block.text.strip("\n").splitlines())
        return Text.assemble((f"  {cell(block.title)}\n", "bold"), lines)
    return Text("\n".join(f"  - {cell(line)}" for line in block.lines))


def _visible(line: str) -> str:
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in line
    )


# -- reproductions -----------------------------------------------------------------------------------------------------


def reproduction_text(result: Reproduction) -> Text:
    """What came of rebuilding a version: what is missing first, then what was compared, and the outcome last."""
    from rich.text import Text

    from sqlfeat.cli.failure import error_text
    from sqlfeat.cli.render import columns

    parts = [Text(f"reproduce {result.reference}", "bold")]
    for title, findings in (("missing", result.missing), ("otherwise now", result.notes)):
        if findings:
            lines = columns([(finding.about, finding.text) for finding in findings])
            parts.append(Text.assemble((f"  {title}\n", "bold"), "\n".join(lines)))
    if result.error is not None:
        parts.append(Text.assemble(("  it could not be rebuilt\n", "bold"), error_text(result.error)))
    if result.training_set is not None:
        parts.append(_set_text(result.training_set))
    if result.model is not None:
        parts.append(_model_text(result.model))
    parts.append(Text(_OUTCOMES[result.outcome](result), _COLOURS[result.outcome]))
    return Text("\n\n").join(parts)


_OUTCOMES: dict[str, Callable[[Reproduction], str]] = {
    "reproduced": lambda result: f"reproduced: {result.reference} is the same, byte for byte.",
    "differs": lambda result: f"differs: {result.reference} was rebuilt, and is not the same.",
    "not possible": lambda result: f"not possible: {result.reference} cannot be rebuilt here and now.",
    "possible": lambda result: f"possible: nothing that {result.reference} was made from is missing.",
}


def _set_text(built: SetComparison) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import columns

    rows = [("id", built.then if built.then == built.now else f"{built.then} then, {built.now} now")]
    rows += [("rows", f"{built.rows_then:,}" if built.rows_then == built.rows_now else
              f"{built.rows_then:,} then, {built.rows_now:,} now")]  # fmt: skip
    for file in built.files:
        names = ", ".join(file.columns[:_MOST_COLUMNS])
        more = f" and {len(file.columns) - _MOST_COLUMNS} more" if len(file.columns) > _MOST_COLUMNS else ""
        rows.append((file.file, "the same" if file.same else f"differs: {file.note or f'in {names}{more}'}"))
    rows += [("because", reason) for reason in built.reasons]
    return Text.assemble(("  training set\n", "bold"), "\n".join(columns(rows)))


def _model_text(model: ModelComparison) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import columns, number

    same = model.then == model.now
    rows = [(model.file, f"the same, sha256 {model.then}" if same else f"differs: sha256 {model.then} then")]
    rows += [] if same else [("", f"         sha256 {model.now} now")]
    rows += [("", difference) for difference in model.differences]
    rows += [(name, f"{then} then, {now} now") for name, (then, now) in (model.params or {}).items()]
    rows += [
        (f"{one.metric} on {one.split}", f"{number(one.then)} then, {number(one.now)} now")
        for one in model.metrics[:_MOST_METRICS]
    ]
    if len(model.metrics) > _MOST_METRICS:
        rows.append(("", f"and {len(model.metrics) - _MOST_METRICS} more metrics"))
    if not model.metrics:
        rows.append(("metrics", "the same"))
    rows += [("perhaps", advice) for advice in model.advice]
    return Text.assemble(("  model\n", "bold"), "\n".join(columns(rows)))
