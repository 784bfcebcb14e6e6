"""The command that watches data and models, and how what it finds reads on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sqlfeat.cli.options import Call, Command, examples, instant, shared, words

if TYPE_CHECKING:
    from rich.text import Text

    from sqlfeat.ops.monitoring.history import Remembered
    from sqlfeat.ops.monitoring.results import ColumnResult, Monitoring, Performance, Summary

_COLOURS = {"ok": "green", "warn": "yellow", "breach": "bold red"}
_HTML, _MARKDOWN = (".html", ".htm"), (".md", ".markdown")
_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_COLUMNS, _MOST_FINDINGS, _MOST_WINDOWS = 15, 10, 40
_PLOT_HEIGHT = 8


@click.command(
    "monitor",
    cls=Command,
    epilog=examples(
        "sqlfeat monitor late_lgbm",
        "sqlfeat monitor late_lgbm@champion --since 2013-02-01 --by carrier",
        "sqlfeat monitor airport_weather --since 2013-02-01 --until 2013-02-15 --against previous",
        "sqlfeat monitor late_flights --against 2013-01-08..2013-01-31 --json",
        "sqlfeat monitor late_lgbm --report report.html",
        "sqlfeat monitor late_lgbm --history",
    ),
)
@click.argument("name", metavar="NAME")
@click.option("--since", type=instant, metavar="TIME", help="From TIME on; a week before the newest row by default.")
@click.option(
    "--until", type=instant, metavar="TIME", help="Up to TIME, which is not in it; the newest row by default."
)
@click.option(
    "--against",
    default="baseline",
    metavar="WHAT",
    help="baseline (what was learned from), previous (as long before), or a period: 2024-01-01..2024-02-01.",
)
@click.option(
    "--by", multiple=True, callback=words, metavar="COLUMN", help="Each value of COLUMN, too; may be repeated."
)
@click.option("--window", type=click.Choice(["hour", "day", "week", "month"]), help="How finely time is looked at.")
@click.option(
    "--current",
    metavar="WHAT",
    help="Of a model: log (what was served), predictions or a TABLE, FILE or FOLDER of them, features (computed "
    "anew); the first that there is, but for files.",
)
@click.option("--history", "past", is_flag=True, help="Show what was found before, and look at nothing.")
@click.option("--no-keep", is_flag=True, help="Leave the history as it is.")
@click.option(
    "--report",
    "reports",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="Write a report, too: FILE.html, or FILE.md for a pull request; may be repeated.",
)
@shared
def monitor_command(
    call: Call,
    name: str,
    since: datetime | None,
    until: datetime | None,
    against: str,
    by: Sequence[str],
    window: str | None,
    current: str | None,
    past: bool,
    no_keep: bool,
    reports: Sequence[Path],
) -> int:
    """Compare data and models with what they were.

    NAME is a registered model, a training set or a feature view. Drift, missing values, new categories, volume,
    freshness, and how good predictions were once labels are known. Exit code 1 where a threshold is broken.
    """
    from sqlfeat.cli.render import data, write_json

    _check_reports(reports, past=past)
    if past:
        return _history(call, name)
    with call.project() as project:
        found = project.monitor(
            name,
            since=since,
            until=until,
            against=against,
            by=by,
            window=window,
            current=current,
            remember=not no_keep,
        )
    if call.as_json:
        write_json(found.as_dict())
    else:
        data().print(monitoring_text(found))
    _write(found, reports, call)
    return 1 if found.breached else 0


def _check_reports(reports: Sequence[Path], *, past: bool) -> None:
    from sqlfeat.errors import UsageError

    if reports and past:
        raise UsageError(
            "bad-usage", "--history looks at nothing, so there is no report.", hint="leave out one of both."
        )
    for path in reports:
        if path.suffix not in (*_HTML, *_MARKDOWN):
            raise UsageError(
                "bad-out",
                f"{path.name!r} ends in none of {', '.join((*_HTML, *_MARKDOWN))}.",
                hint="--report report.html, or --report report.md",
            )


def _write(found: Monitoring, reports: Sequence[Path], call: Call) -> None:
    from sqlfeat.base.files import write_atomically
    from sqlfeat.cli.render import place, talk

    for path in reports:
        write_atomically(path.absolute(), found.html() if path.suffix in _HTML else found.markdown())
        if not (call.quiet or call.as_json):
            talk().print(f"written: {place(path)}")


def _history(call: Call, name: str) -> int:
    from sqlfeat.cli.render import data, write_json

    with call.project() as project:
        looks = project.monitor_history(name)
    if call.as_json:
        write_json({"name": name, "history": [one.as_dict() for one in looks]})
    elif not looks:
        data().print(f"{name} has not been looked at: sqlfeat monitor {name}")
    else:
        data().print(history_text(looks))
    return 0


# -- one look ----------------------------------------------------------------------------------------------------------


def monitoring_text(found: Monitoring) -> Text:
    """The verdict, what broke, why, and the columns that have moved most."""
    from rich.text import Text

    from sqlfeat.cli.render import count, facts

    current, baseline = found.current, found.baseline
    head = Text(found.sentence, _COLOURS[found.level])
    source = f"{current.source}, " if current.kind else ""
    sides = facts(
        [
            ("now", f"{source}{_period(current.start, current.end)}, {count(current.rows, 'row')}"),
            ("before", f"{baseline.source}, {_period(baseline.start, baseline.end)}, {count(baseline.rows, 'row')}"),
        ]
    )
    parts = [head, sides]
    if found.findings:
        parts.append(_findings(found))
    if found.performance is not None:
        parts.append(_performance(found.performance))
    if found.columns:
        parts.append(_columns(found))
    reasons = _reasons(found.columns)
    if reasons is not None:
        parts.append(reasons)
    if found.slices:
        parts.append(_slices(found))
    parts += [Text(f"  note: {note}", "dim") for note in found.notes]
    return Text("\n\n").join(parts)


def _period(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return "at any time"
    return f"{_day(start)} to {_day(end)}"


def _day(moment: datetime) -> str:
    whole = moment.hour == moment.minute == moment.second == 0
    return f"{moment:%Y-%m-%d}" if whole else f"{moment:%Y-%m-%d %H:%M}"


def _findings(found: Monitoring) -> Text:
    from rich.text import Text

    lines = []
    for one in found.findings[:_MOST_FINDINGS]:
        since = f"  since {one.first_seen:%Y-%m-%d}" if one.first_seen else ""
        lines.append(Text.assemble(("  ● ", _COLOURS[one.level]), one.text, (since, "dim")))
    if len(found.findings) > _MOST_FINDINGS:
        lines.append(Text(f"  and {len(found.findings) - _MOST_FINDINGS} more (--json has all)", "dim"))
    return Text("\n").join(lines)


def _performance(one: Performance) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import number

    between = f" (between {number(one.low)} and {number(one.high)})" if one.low is not None else ""
    then = one.baseline.get(one.metric)
    return Text.assemble(
        ("  performance  ", "bold"),
        f"{one.metric} {number(one.metrics.get(one.metric))}{between}, {number(then)} on {one.split}; "
        f"{one.labelled:,} of {one.rows:,} labels are known",
    )


def _columns(found: Monitoring) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import headed, share

    shown = found.columns[:_MOST_COLUMNS]
    rows = []
    for one in shown:
        psi = one.measure("psi")
        rows.append(
            (
                f"{_mark(one.level)} {one.name}",
                "" if psi is None or psi.value is None else f"{psi.value:.2f}",
                _mean(one, one.baseline),
                _mean(one, one.current),
                "" if one.baseline.missing is None else share(one.baseline.missing),
                "" if one.current.missing is None else share(one.current.missing),
                sparkline(one),
            )
        )
    head = ("  column", "PSI", "mean before", "now", "missing before", "now", f"PSI by {found.window}")
    table = headed(head, rows, right=(1, 2, 3, 4, 5))
    rest = len(found.columns) - len(shown)
    return Text.assemble(table, (f"\n  and {rest} more that are as they were or less moved", "dim")) if rest else table


def _mean(one: ColumnResult, side: Summary) -> str:
    from sqlfeat.cli.render import number

    return "" if side.mean is None or one.kind != "numeric" else number(float(side.mean))


def _mark(level: str) -> str:
    return {"ok": " ", "warn": "!", "breach": "✗"}[level]


def sparkline(one: ColumnResult) -> str:
    """The PSI of the last windows as bars; a line parts baseline and period."""
    points = one.timeline[-_MOST_WINDOWS:]
    greatest = max((point.psi for point in points if point.psi is not None), default=0.0)
    text, side = "", points[0].side if points else ""
    for point in points:
        text += "│" if point.side != side else ""
        side = point.side
        text += " " if point.psi is None else _bar(point.psi / greatest if greatest else 0.0)
    return text


def _bar(share: float) -> str:
    return _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]


def _reasons(columns: Sequence[ColumnResult]) -> Text | None:
    from rich.text import Text

    lines = []
    for one in columns:
        for cause in one.causes[:3]:
            psi = f"PSI {cause.psi:.2f}" if cause.psi is not None else ""
            since = f", since {cause.first_seen:%Y-%m-%d}" if cause.first_seen else ""
            lines.append(Text.assemble(f"  {one.name} ← {cause.node}.{cause.column}   ", (f"{psi}{since}", "dim")))
    moved = sorted((one for one in columns if one.share), key=lambda one: -(one.share or 0.0))[:5]
    if moved:
        from sqlfeat.cli.render import share

        told = ", ".join(f"{one.name} {share(one.share or 0.0)}" for one in moved)
        lines.append(Text(f"  what has moved the predictions: {told}"))
    return Text.assemble(("  where it comes from\n", "bold"), Text("\n").join(lines)) if lines else None


def _slices(found: Monitoring) -> Text:
    from rich.text import Text

    from sqlfeat.cli.render import headed, number

    metric = found.performance.metric if found.performance else None
    rows = [
        (
            f"{_mark(one.level)} {one.column} = {'null' if one.value is None else one.value}",
            f"{one.baseline_rows:,}",
            f"{one.rows:,}",
            number(one.metrics.get(metric)) if metric and metric in one.metrics else "",
            one.drifted[0].text if one.drifted else "",
        )
        for one in found.slices
    ]
    table = headed(("  slice", "rows before", "now", metric or "", ""), rows, right=(1, 2, 3))
    return Text.assemble(table)


# -- the history -------------------------------------------------------------------------------------------------------


def history_text(looks: Sequence[Remembered]) -> Text:
    """What was found, one look a line, and the greatest PSI of each as a plot."""
    from rich.text import Text

    from sqlfeat.cli.render import headed, number

    rows = [
        (
            f"{one.checked_at:%Y-%m-%d %H:%M}",
            _period(one.since, one.until),
            one.level,
            f"{one.rows:,}",
            "" if one.psi is None else f"{one.psi:.2f}",
            one.worst or "",
            "" if one.performance is None else f"{one.metric} {number(one.performance)}",
        )
        for one in looks
    ]
    table = headed(("checked", "period", "level", "rows", "PSI", "most moved", "performance"), rows, right=(3, 4))
    values = [one.psi for one in looks]
    return Text.assemble(table, "\n\n", plot(values, "the greatest PSI, look by look")) if len(looks) > 1 else table


def plot(values: Sequence[float | None], title: str) -> Text:
    """Values as columns of blocks under a title, the greatest at the side."""
    from rich.text import Text

    shown = list(values)[-80:]
    greatest = max((value for value in shown if value is not None), default=0.0) or 1.0
    lines = [f"  {title}"]
    for row in range(_PLOT_HEIGHT, 0, -1):
        cells = ""
        for value in shown:
            filled = (value or 0.0) / greatest * _PLOT_HEIGHT - (row - 1)
            cells += "█" if filled >= 1 else " " if filled <= 0 else _bar(filled)
        label = f"{greatest:8.2f}" if row == _PLOT_HEIGHT else " " * 8
        lines.append(f"{label} ┤{cells}".rstrip())
    lines.append(f"{0:8.2f} └{'─' * len(shown)}")
    return Text("\n".join(lines))
