"""The report of one look as Markdown, short enough for the comment of a pull request.

What data and names hold is shown as it is: it makes no markup, mentions nobody and links nowhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlfeat.ops.document import escaped
from sqlfeat.ops.monitoring import charts, report_words
from sqlfeat.ops.monitoring.charts import Dot
from sqlfeat.ops.monitoring.figures import percent

if TYPE_CHECKING:
    from sqlfeat.ops.monitoring.results import ColumnResult, Monitoring, Performance, SliceResult

MOST_BYTES = 60_000
"""A comment of GitHub's holds 65,536 characters."""
_MOST_LETTERS = 60
_MOST_TOLD = 300
_SIGNS = {"ok": "✅", "warn": "⚠️", "breach": "❌"}


def markdown_of(result: Monitoring) -> str:
    """The result as Markdown: the verdict, what was found, the features, and the rest folded away."""
    text = ""
    for most in (100, 50, 25, 10, 5):
        text = "\n\n".join(part for part in _parts(result, most) if part) + "\n"
        if len(text.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    return text


def _parts(result: Monitoring, most: int) -> list[str]:
    now, before = result.current, result.baseline
    period = f"{_told(now.source)}, {_period(result)}" if now.kind else _period(result)
    return [
        f"## {_SIGNS[result.level]} {_code(result.reference)}: {report_words.level_word(result.level).lower()}",
        _told(result.sentence),
        f"{period}, {now.rows:,} rows; before: {_told(before.source)}, {before.rows:,} rows.",
        _findings(result, most),
        _performance(result.performance) if result.performance else "",
        _features(result, most),
        _folded("Where it comes from", _causes(result.columns, most)),
        _folded("All rows together", _rows(result)),
        _folded("Slices", _slices(result.slices, result.performance, most)),
        _folded("What has moved the predictions", _shares(result.columns)),
        _folded("Measured", _measures(result.columns, most)),
        "\n".join(f"- {_told(note)}" for note in result.notes[:10]),
    ]


def _period(result: Monitoring) -> str:
    start, end = result.current.start, result.current.end
    if start is None or end is None:
        return "At any time"
    return f"{report_words.moment(start)} to {report_words.moment(end)}"


def _findings(result: Monitoring, most: int) -> str:
    if not result.findings:
        return "Nothing is past its threshold."
    rows = [
        (
            _SIGNS[one.level],
            _code(one.about) if one.about else report_words.title_of(one.kind).lower(),
            _told(one.text),
            report_words.moment(one.first_seen) if one.first_seen else "",
        )
        for one in result.findings[:most]
    ]
    return _table(("", "about", "what", "first visible"), rows, len(result.findings) - most)


def _performance(one: Performance) -> str:
    now, then = one.metrics.get(one.metric), one.baseline.get(one.metric)
    between = f" (between {one.low:.4g} and {one.high:.4g})" if one.low is not None and one.high is not None else ""
    return (
        f"{_SIGNS[one.measure.level]} **{_escaped(one.metric)}** {_metric(now)}{between}, {_metric(then)} on "
        f"{_escaped(one.split)}; {one.labelled:,} of {one.rows:,} labels are known."
    )


def _features(result: Monitoring, most: int) -> str:
    rows = [
        (
            _SIGNS[one.level],
            _code(one.name),
            f"{one.statistics['psi']:.2f}" if one.statistics.get("psi") is not None else "",
            _change(percent(one.baseline.missing), percent(one.current.missing)),
            _change(report_words.mean(one, one.baseline), report_words.mean(one, one.current)),
            charts.blocks([Dot(at.start, at.psi, at.side == "current", at.rows) for at in one.timeline]),
        )
        for one in result.columns[:most]
    ]
    head = ("", "column", "PSI", "missing", "mean", f"PSI by {result.window}")
    return _table(head, rows, len(result.columns) - most, right=(2, 3, 4)) if rows else ""


def _change(before: str, now: str) -> str:
    return before if before == now else f"{before} → {now}"


def _causes(columns: Sequence[ColumnResult], most: int) -> str:
    lines = [
        f"- {_code(one.name)} ← {_code(f'{cause.node}.{cause.column}')}, {cause.steps} up: {_told(cause.text)}"
        for one in columns
        for cause in one.causes[:3]
    ]
    return "\n".join(lines[:most])


def _rows(result: Monitoring) -> str:
    rows = [
        (
            _SIGNS[one.level],
            report_words.title_of(one.name),
            report_words.measured(one, one.value),
            report_words.measured(one, one.threshold),
            _told(one.text or report_words.judgement(one)),
        )
        for one in result.measures[:20]
    ]
    return _table(("", "what", "now", "threshold", "in words"), rows, right=(2, 3)) if rows else ""


def _slices(slices: Sequence[SliceResult], performance: Performance | None, most: int) -> str:
    metric = performance.metric if performance else ""
    rows = [
        (
            _SIGNS[one.level],
            f"{_code(one.column)} = {_code('null' if one.value is None else one.value)}",
            f"{one.baseline_rows:,} → {one.rows:,}",
            _metric(one.metrics.get(metric)),
            _told(one.drifted[0].text) if one.drifted else "",
        )
        for one in slices[:most]
    ]
    head = ("", "slice", "rows", _escaped(metric), "what has drifted most")
    return _table(head, rows, len(slices) - most, right=(2, 3)) if rows else ""


def _shares(columns: Sequence[ColumnResult]) -> str:
    moved = sorted((one for one in columns if one.share), key=lambda one: -(one.share or 0.0))[:10]
    rows = [(_code(one.name), percent(one.share), "" if one.shift is None else f"{one.shift:+.3g}") for one in moved]
    return _table(("input", "part", "moved by"), rows, right=(1, 2)) if rows else ""


def _measures(columns: Sequence[ColumnResult], most: int) -> str:
    rows = [
        (
            _code(one.name),
            report_words.title_of(each.name),
            report_words.measured(each, each.value),
            report_words.measured(each, each.threshold),
            report_words.measured(each, each.own),
            report_words.judgement(each),
        )
        for one in columns
        if one.level != "ok"
        for each in one.measures
    ]
    head = ("column", "measured", "effect", "threshold", "usual up to", "in words")
    return _table(head, rows[:most], len(rows) - most, right=(2, 3, 4)) if rows else ""


# -- parts -------------------------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], more: int = 0, right: Sequence[int] = ()) -> str:
    rule = ["---:" if place in right else "---" for place in range(len(head))]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
    return "\n".join([*lines, *(["", f"and {more} more"] if more > 0 else [])])


def _folded(title: str, text: str) -> str:
    return f"<details>\n<summary>{html.escape(title)}</summary>\n\n{text}\n\n</details>" if text else ""


def _metric(value: float | None) -> str:
    return report_words.metric(value) or "–"


def _told(text: str) -> str:
    return _escaped(_cut(text, _MOST_TOLD))


def _escaped(text: str) -> str:
    """Text that stays text: an empty comment parts what would become a mention, a reference or a link."""
    return re.sub(r"((?<![A-Za-z0-9])@|://|\\#|(?i:www)(?=\.))", r"\1<!-- -->", escaped(_sane(text)))


def _code(text: str) -> str:
    """A name as code: in it nothing has a meaning but backticks and, in a table, bars."""
    line = _sane(_cut(text, _MOST_LETTERS)).replace("`", "ˋ").replace("|", "∣")
    return f"`{line}`" if line.strip() else "` `"


def _cut(text: str, most: int) -> str:
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def _sane(text: str) -> str:
    return report_words.sane(text).replace("\n", " ")
