"""The command that proves without running that nothing looks ahead, and how its findings read.

First every model and its verdict, then each finding once, with the columns that bear it: the template's line, what is
wrong, a counterexample, how to mend it. What is found, and what it means, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlfeat.cli.options import Call, Selecting, examples, selection, shared

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.ops.check_result import CheckedModel, CheckResult, Problem

_MOST_LISTED = 40
"""Up to so many models are listed one by one; of more only those that are not safe."""
_COLOURS = {"safe": "green", "unsafe": "bold red", "unproven": "yellow", "error": "bold red"}


@click.command(
    "check",
    cls=Selecting,
    epilog=examples(
        "sqlfeat check",
        "sqlfeat check -s +late_flights --strict",
        "sqlfeat check --sarif target/check.sarif --json",
    ),
)
@selection
@click.option("--strict", is_flag=True, help="What is not proved counts as failed, too.")
@click.option(
    "--sarif", type=click.Path(path_type=Path), metavar="FILE", help="Also write the findings as SARIF 2.1.0."
)
@shared
def check_command(call: Call, select: Sequence[str], exclude: Sequence[str], strict: bool, sarif: Path | None) -> int:
    """Check everything that can be known without running it.

    References, columns, types and contracts; and a proof, column by column, that nothing looks into the future: safe,
    unsafe, or unproven. Exit code 1 where a model does not compile, or a column is unsafe and its model does not say
    allow_leakage.
    """
    from sqlfeat.cli.render import data, write_json
    from sqlfeat.ops.sarif import write_sarif

    with call.project() as project:
        result = project.check(select, exclude, strict=strict)
    if sarif is not None:
        write_sarif(result, sarif)
    if call.as_json:
        write_json(result.as_dict())
    elif not call.quiet or result.failed:
        data().print(checked(result))
    return 1 if result.failed else 0


def checked(result: CheckResult) -> Text:
    """The whole report."""
    from rich.text import Text

    if not result.models:
        return Text("Nothing is selected.")
    parts = [_models(result.models), *_errors(result.models), *_findings(result.models)]
    notes = sum(len(model.determinism) for model in result.models)
    if notes:
        told = "1 value hangs" if notes == 1 else f"{notes:,} values hang"
        parts.append(Text(f"Note: {told} on the order of rows (--json lists them under determinism).", "dim"))
    parts += [_slow(model) for model in result.models if model.slow_online]
    parts.append(_summary(result))
    return Text("\n\n").join(parts)


def _slow(model: CheckedModel) -> Text:
    """What DuckDB is asked for at every request for a training set's features, as ``publish`` says it too."""
    from rich.text import Text

    return Text("\n").join(
        Text(f"Note: DuckDB evaluates {model.name}.{name} at every request, in a millisecond or two: {reason}.", "dim")
        for name, reason in model.slow_online
    )


def _models(models: Sequence[CheckedModel]) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import columns

    shown = models if len(models) <= _MOST_LISTED else [model for model in models if model.verdict != "safe"]
    rows = [(model.name, _verdict(model), _bearing(model)) for model in shown]
    head, *lines = columns([("model", "verdict", ""), *rows])
    styled = [Text(line, _COLOURS[model.verdict]) for line, model in zip(lines, shown, strict=True)]
    return Text("\n").join([Text(head, "bold"), *styled])


def _verdict(model: CheckedModel) -> str:
    open_ = any(column.open for column in model.columns)
    return f"{model.verdict}, allowed" if model.verdict in ("unsafe", "unproven") and not open_ else model.verdict


def _bearing(model: CheckedModel) -> str:
    """How many columns have the model's verdict, where it is not all of them."""
    bearing = [column for column in model.columns if column.verdict == model.verdict]
    if model.verdict in ("safe", "error") or len(bearing) == len(model.columns):
        return ""
    return f"{len(bearing)} of {len(model.columns)} columns"


def _errors(models: Sequence[CheckedModel]) -> list[Text]:
    from sqlfeat.cli.failure import error_text

    errors = {id(model.error): model.error for model in models if model.error is not None}
    return [error_text(error) for error in errors.values()]


def _findings(models: Sequence[CheckedModel]) -> list[Text]:
    """Each finding once, in the order of the models; unsafe ones of a model first."""
    bearers: dict[tuple[object, ...], list[str]] = {}
    problems: dict[tuple[object, ...], Problem] = {}
    for model in models:
        for column in model.columns:
            for problem in column.problems:
                finding = problem.finding
                mark = (finding.rule, finding.model, finding.span, finding.verdict, finding.message)
                problems.setdefault(mark, problem)
                bearers.setdefault(mark, []).append(f"{model.name}.{column.name}")
    ordered = sorted(problems, key=lambda mark: mark[3] != "unsafe")
    return [_finding(problems[mark], bearers[mark]) for mark in ordered]


def _finding(problem: Problem, bearers: Sequence[str]) -> Text:
    from rich.text import Text

    from sqlfeat.errors import excerpt

    finding, place = problem.finding, problem.place
    colour = _COLOURS[finding.verdict]
    text = Text(f"{place}: ", "bold")
    text.append(f"[{finding.rule}]", colour).append(f" {finding.verdict}: {finding.message}", "bold")
    if place.text:
        line, caret = excerpt(place)
        text.append(f"\n{line}").append(f"\n{caret}", colour)
    text.append(f"\n  {_listed(bearers)}")
    if finding.verdict == "unsafe":
        text.append(f"\n  for example: {finding.example}")
    if problem.allowed is not None:
        text.append(f"\n  allowed: {problem.allowed}")
    text.append("\n\nHint: ", "cyan").append(f"{finding.mend}.")
    text.append(f"\nSee docs/rules/{finding.rule}.md", "dim")
    return text


def _listed(bearers: Sequence[str]) -> str:
    """The columns by model: ``spent.total, n`` and how many more there are."""
    found: dict[str, list[str]] = {}
    for bearer in bearers:
        model, column = bearer.split(".", 1)
        found.setdefault(model, []).append(column)
    parts = []
    for model, names in list(found.items())[:4]:
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        parts.append(f"{model}: {', '.join(names[:6])}{more}")
    rest = f"; and {len(found) - 4} more models" if len(found) > 4 else ""
    return "; ".join(parts) + rest


def _summary(result: CheckResult) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import count

    verdicts = [model.verdict for model in result.models]
    told = [f"{verdicts.count(v):,} {v}" for v in ("safe", "unproven", "unsafe") if v in verdicts]
    if "error" in verdicts:
        told.append(f"{verdicts.count('error'):,} with errors")
    words = f"{count(len(verdicts), 'model')}: {', '.join(told)}"
    return Text(words, "bold red" if result.failed else "bold green")
