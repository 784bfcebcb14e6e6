"""The command that proves by computing that nothing looks ahead, and how its verdicts read.

First every model and its verdict, then every difference in full: the template's line, the first row, both values. What
is compared with what, and what counts as a difference, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlfeat.cli.options import Call, Selecting, examples, instant, selection, shared

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.ops.verification import Difference, ModelVerdict, SampleView, Verification

_MOST_SHOWN = 3
"""So many differences of one model are shown in full."""
_COLOURS = {"same": "green", "differs": "bold red", "not compared": "yellow"}


def size(text: str) -> float:
    """``500`` entities, or ``0.1`` or ``10%`` of them."""
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no sample; write 500, 0.1 or 10%.") from None
    return number / 100 if share else number


@click.command(
    "verify",
    cls=Selecting,
    epilog=examples(
        "sqlfeat verify",
        "sqlfeat verify -s +carrier_delays --at 2013-02-01 --cutoffs 5",
        "sqlfeat verify --sample 10% --json",
        "sqlfeat verify --online --since 2013-03-15",
    ),
)
@selection
@click.option("--at", type=instant, multiple=True, metavar="TIME", help="A cutoff at TIME too; may be repeated.")
@click.option(
    "--cutoffs",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    metavar="N",
    help="How many cutoffs to take from the event times of the sources: their quantiles.",
)
@click.option(
    "--sample", type=size, metavar="N|SHARE", help="Only so many entities (500), or such a share of them (0.1, 10%)."
)
@click.option("--no-rebuild", is_flag=True, help="Do not compute everything once more from rows in another order.")
@click.option("--online", is_flag=True, help="Verify what was served instead: the log of sqlfeat serve.")
@click.option("--log", type=click.Path(path_type=Path), metavar="FOLDER", help="With --online: the log; the project's.")
@click.option("--since", type=instant, metavar="TIME", help="With --online: requests from TIME on.")
@shared
def verify_command(
    call: Call,
    select: Sequence[str],
    exclude: Sequence[str],
    at: Sequence[datetime],
    cutoffs: int,
    sample: float | None,
    no_rebuild: bool,
    online: bool,
    log: Path | None,
    since: datetime | None,
) -> int:
    """Prove by computing that no model looks into the future.

    Hides what was not known at some cutoffs, computes everything from what is left, and compares the rows that were
    usable by then. Also computes everything from source rows in another order. Nothing of the target is touched. Exit
    code 1 where something differs.

    With --online every logged request is computed again offline, at its own instant, and compared bit for bit. What
    differs is explained: late data, a snapshot that was older, another definition. Exit code 1 where something is not.
    """
    from sqlfeat.cli.render import data, write_json
    from sqlfeat.errors import UsageError

    if online:
        if select or exclude or at or no_rebuild:
            raise UsageError("bad-usage", "--online takes --log, --since and --sample, and no others of verify.")
        return _online(call, log, since, sample)
    if log is not None or since is not None:
        raise UsageError("bad-usage", "--log and --since are for a log.", hint="add --online.")
    with call.project() as project:
        verification = project.verify(select, exclude, at=at, cutoffs=cutoffs, sample=sample, rebuild=not no_rebuild)
    if call.as_json:
        write_json(verification.as_dict())
    else:
        data().print(verified(verification))
    return 1 if verification.failed else 0


def _online(call: Call, log: Path | None, since: datetime | None, sample: float | None) -> int:
    from sqlfeat.cli.describe_online import log_verified
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        found = project.verify_log(log, since=since, sample=sample)
    if call.as_json:
        write_json(found.as_dict())
    else:
        data().print(log_verified(found))
    return 1 if found.unexplained else 0


def verified(verification: Verification) -> Text:
    """The whole report."""
    from rich.text import Text

    if not verification.models:
        return Text("Nothing is selected.")
    parts = [_verdicts(verification.models)]
    parts += [_model(model) for model in verification.models if model.differences]
    notes = [*_sampled(verification.sample), *_approximate(verification.models), *verification.notes]
    if notes:
        parts.append(Text("\n").join([Text(f"Note: {note}", "dim") for note in notes]))
    parts.append(_cost(verification))
    return Text("\n\n").join(parts)


def _verdicts(models: Sequence[ModelVerdict]) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import columns, count

    rows = [(model.name, _verdict(model), count(model.rows) if model.rows else "", model.reason) for model in models]
    head, *lines = columns([("model", "verdict", "rows compared", ""), *rows], right=[2])
    styled = [Text(line, _colour(model)) for line, model in zip(lines, models, strict=True)]
    return Text("\n").join([Text(head, "bold"), *styled])


def _verdict(model: ModelVerdict) -> str:
    return "differs, allowed" if model.differences and not model.failed else model.verdict


def _colour(model: ModelVerdict) -> str:
    if model.failed:
        return "bold red"
    return "yellow" if model.differences else _COLOURS[model.verdict]


# -- differences -------------------------------------------------------------------------------------------------------


def _model(model: ModelVerdict) -> Text:
    """What differs in one model: the first of each column in full, or only the names if another model is to blame."""
    from rich.text import Text

    head = Text(f"{model.name} differs", "bold" if not model.failed else "bold red")
    first: dict[tuple[str, str, str | None], list[Difference]] = {}
    for difference in model.differences:
        first.setdefault((difference.check, difference.kind, difference.column), []).append(difference)
    groups = list(first.values())
    if model.blamed:
        names = ", ".join(dict.fromkeys(group[0].column or "which rows it has" for group in groups))
        return head.append(f" too, below {' and '.join(model.blamed)}, to be mended first: {names}")
    shown = [_difference(group) for group in groups[:_MOST_SHOWN]]
    if len(groups) > _MOST_SHOWN:
        names = ", ".join(dict.fromkeys(group[0].column or "which rows it has" for group in groups[_MOST_SHOWN:]))
        shown.append(Text(f"  also differs: {names}"))
    return Text("\n\n").join([head.append("\n").append_text(shown[0]), *shown[1:]])


def _difference(group: Sequence[Difference]) -> Text:
    """One column at the first cutoff at which it differs."""
    from rich.text import Text

    from sqlfeat.cli.render import cell, facts
    from sqlfeat.errors import excerpt

    difference = group[0]
    text = Text(f"{difference.place}: " if difference.place else "", "bold")
    text.append(f"[{difference.check}]", "yellow" if difference.allowed else "bold red")
    text.append(f" {_sentence(difference)}{_elsewhere(group)}", "bold")
    if difference.place and difference.column:
        text.append("\n" + "\n".join(excerpt(difference.place)))
    told = [("first row", ", ".join(f"{name} {cell(value)}" for name, value in difference.row.items()))]
    if difference.column:
        names = _readings(difference)
        told += [(names[0], cell(difference.full)), (names[1], cell(difference.known))]
    told.append(("made from", ", ".join(difference.lineage)))
    if difference.allowed:
        told.append(("allowed", difference.allowed))
    return text.append("\n").append_text(facts(told))


def _sentence(difference: Difference) -> str:
    from sqlfeat.cli.render import cell, count

    column, at = difference.column, cell(difference.at)
    least = "at least " if difference.at_least else ""
    some = f"{least}{count(difference.rows, 'row')}"
    of = f"{least}{count(difference.rows)} of {count(difference.compared, 'row')}"
    return {
        ("cutoff", "value"): f"{column} changes once later rows are known, in {of} usable by {at}.",
        ("cutoff", "input"): f"{column} was not known when it was asked for, in {of} asked for by {at}.",
        ("cutoff", "added"): f"{some} of before {at} came later: not known then, though usable by then.",
        ("cutoff", "removed"): f"{some} usable by {at} went away once later rows were known.",
        ("order", "value"): f"{column} changes with the order of the source rows, in {of}.",
        ("rebuild", "value"): f"{column} changes each time it is computed, in {of}.",
        ("order", "added"): f"{some} come only with one order of the source rows.",
        ("order", "removed"): f"{some} come only with another order of the source rows.",
        ("rebuild", "added"): f"{some} came only the first time that it was computed.",
        ("rebuild", "removed"): f"{some} came only the second time that it was computed.",
    }[difference.check, difference.kind]


def _elsewhere(group: Sequence[Difference]) -> str:
    from sqlfeat.cli.render import count

    return f" Also at {count(len(group) - 1, 'later cutoff')}." if len(group) > 1 else ""


def _readings(difference: Difference) -> tuple[str, str]:
    from sqlfeat.cli.render import cell

    if difference.check == "cutoff":
        return "from all rows", f"known at {cell(difference.at)}"
    return ("in one order", "in another") if difference.check == "order" else ("the first time", "the second")


# -- notes -------------------------------------------------------------------------------------------------------------


def _sampled(sample: SampleView | None) -> list[str]:
    if sample is None:
        return []
    of = f"of {sample.entity} ({', '.join(sample.keys)})" if sample.entity else f"by {', '.join(sample.keys)}"
    whole = f"; whole are {', '.join(sample.whole)}, and all that has no time" if sample.whole else ""
    return [f"A sample {of} was taken from {', '.join(sample.sampled)}{whole}."]


def _approximate(models: Sequence[ModelVerdict]) -> list[str]:
    from sqlfeat.engine.comparison import TOLERANCE

    names = [model.name for model in models if model.approximate]
    if not names:
        return []
    within = f"Floats of {', '.join(names)} count as equal within {TOLERANCE:g} of their value"
    return [f"{within}: sums of them have other last bits when they are added in another order."]


def _cost(verification: Verification) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import count, seconds

    counts = {each: verification.count(each) for each in _COLOURS}
    told = [f"{number} {each if number == 1 else each.replace('differs', 'differ')}" for each, number in counts.items()]
    cost = seconds(verification.seconds)
    if verification.times is not None:
        cost += f", {verification.times:.1f} × one full computation"
    text = f"{', '.join(told)} at {count(len(verification.cutoffs), 'cutoff')} in {cost}"
    return Text(text, "bold red" if verification.failed else "green")
