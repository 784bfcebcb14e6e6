"""The report of one look: a single HTML file that asks nothing of any network, for a screen, a phone or paper.

The same result gives the same bytes. Every text may come from data, so the template escapes all of them; what runs or
styles is known by its hash to the browser, which refuses anything else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sqlfeat.ops.monitoring import charts, report_words
from sqlfeat.ops.monitoring.charts import Bar, Dot, Flag, Level, Track, Words
from sqlfeat.ops.monitoring.figures import percent, short

if TYPE_CHECKING:
    from sqlfeat.ops.monitoring.results import ColumnResult, Measure, Monitoring, Summary

MOST_OPEN = 12
"""So many cards of what is not as it was are open at first."""
MOST_BARS = 14
_ALL_DOTS, _LEAST_DOTS = 3_000, 30
"""So many points of time are drawn on each side of all timelines together, and at least so many on each."""


def html_of(result: Monitoring) -> str:
    """The result as one HTML file."""
    page = _environment().get_template("report.html.j2").render(_view(result))
    return report_words.sane(_trimmed(page))


# -- what the template is given ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """A column as a card: its charts, its sentences, and whether it is open."""

    column: ColumnResult
    key: str
    open: bool
    bars: Markup
    categories: tuple[Bar, ...]
    left_out: int
    timeline: Markup
    flags: str

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.column.measures if one.text]

    @property
    def about(self) -> str:
        psi = f", PSI {self.psi}" if self.psi else ""
        return f"{self.column.type}{psi}"

    @property
    def psi(self) -> str:
        value = self.column.statistics.get("psi")
        return "" if value is None else f"{value:.2f}"

    @property
    def most(self) -> float:
        return max(max(one.before, one.now) for one in self.categories)

    @property
    def spark(self) -> Markup:
        return charts.spark(psi_dots(self.column))

    @property
    def summary(self) -> list[tuple[str, str, str]]:
        return report_words.summary(self.column)

    @property
    def effects(self) -> list[tuple[str, str, str]]:
        return report_words.effects(self.column.statistics)

    def mean(self, side: Summary) -> str:
        return report_words.mean(self.column, side)


@dataclass(frozen=True)
class Trouble:
    """All findings about one thing: a column, or the rows together."""

    level: str
    title: str
    texts: tuple[str, ...]
    first_seen: datetime | None
    card: Card | None


@dataclass(frozen=True)
class Tile:
    """A figure at a glance."""

    value: str
    text: str


def _view(result: Monitoring) -> dict[str, Any]:
    shared: dict[str, str] = {}
    cards = _cards(result, shared)
    troubles = _troubles(result, cards)
    moved = sorted((one for one in cards if one.column.share), key=lambda one: -(one.column.share or 0.0))
    return {
        "result": result,
        "style": _style(),
        "script": _script(),
        "kind": report_words.kind_word(result.kind),
        "tiles": _tiles(result),
        "breaches": [one for one in troubles if one.level == "breach"],
        "warnings": [one for one in troubles if one.level != "breach"],
        "features": [one for one in cards if one.column.role == "feature"],
        "labels": [one for one in cards if one.column.role == "label"],
        "predictions": [one for one in cards if one.column.role == "prediction"],
        "shares": moved[:MOST_BARS],
        "performance_line": _performance_line(result),
        "shared": charts.shared_flags(shared),
        "happened": report_words.happened(result.marks),
        "thresholds": report_words.thresholds(result.thresholds),
        "glossary": report_words.GLOSSARY,
    }


def _cards(result: Monitoring, shared: dict[str, str]) -> list[Card]:
    """The columns as cards; those that are not as they were are open, if they are not too many."""
    dots = min(charts.MOST_DOTS, max(_LEAST_DOTS, _ALL_DOTS // max(len(result.columns), 1)))
    flags = [Flag(one.at, one.kind, one.text) for one in result.marks]
    cards, opened = [], 0
    for place, column in enumerate(result.columns):
        is_open = (column.level != "ok" and opened < MOST_OPEN) or column.role == "prediction"
        opened += is_open
        cards.append(_card(column, f"c{place}", is_open, flags, (dots, shared)))
    return cards


def _card(
    column: ColumnResult, key: str, is_open: bool, flags: Sequence[Flag], drawing: tuple[int, dict[str, str]]
) -> Card:
    all_bars = [Bar(one.label, one.baseline, one.current, one.low, one.high) for one in column.bins]
    numeric = column.kind == "numeric"
    greatest = sorted(range(len(all_bars)), key=lambda place: -max(all_bars[place].before, all_bars[place].now))
    shown = [] if numeric else [all_bars[place] for place in sorted(greatest[:MOST_BARS])]
    kinds = dict.fromkeys(one.kind for one in flags)
    dots, shared = drawing
    return Card(
        column,
        key,
        is_open,
        _bars(column, all_bars, key, told=is_open) if numeric and all_bars else Markup(""),
        tuple(shown),
        len(all_bars) - len(shown),
        charts.timeline(_tracks(column), flags, _words_of_time(column, key), dots, shared),
        ", ".join(f"{kind[:1].upper()} {kind}" for kind in kinds) + _outside_in_words(column, flags),
    )


def _troubles(result: Monitoring, cards: Sequence[Card]) -> list[Trouble]:
    """The findings, those about one column together, in the order of the first of each."""
    by_name = {one.column.name: one for one in cards}
    groups: dict[tuple[str, str], list[Any]] = {}
    for one in result.findings:
        groups.setdefault((one.about, "" if one.about else f"{one.kind} {one.text}"), []).append(one)
    return [
        Trouble(
            some[0].level,
            report_words.title_of(some[0].kind),
            tuple(one.text for one in some),
            min((one.first_seen for one in some if one.first_seen), default=None),
            by_name.get(about),
        )
        for (about, _), some in groups.items()
    ]


def _tiles(result: Monitoring) -> list[Tile]:
    levels = [one.level for one in result.columns]
    found = [
        Tile(f"{levels.count('breach')} of {len(levels)}", "columns have drifted"),
        Tile(str(levels.count("warn")), "columns are worth a look"),
        Tile(f"{result.current.rows:,}", f"rows now, {result.baseline.rows:,} before"),
    ]
    one = result.performance
    if one is not None:
        then = report_words.metric(one.baseline.get(one.metric))
        found.append(Tile(report_words.metric(one.metrics.get(one.metric)), f"{one.metric} now, {then} on {one.split}"))
    return found


# -- charts of columns -------------------------------------------------------------------------------------------------


def psi_dots(column: ColumnResult) -> list[Dot]:
    """The PSI of a column, window by window."""
    return [Dot(one.start, one.psi, one.side == "current", one.rows) for one in column.timeline]


def _tracks(column: ColumnResult) -> list[Track]:
    """What is shown of a column along time: its mean, its missing values where there are some, its PSI."""
    found = []
    points = column.timeline
    if column.kind == "numeric":
        dots = [Dot(one.start, one.mean, one.side == "current", one.rows) for one in points]
        before = column.baseline.mean
        lines = [] if before is None else [Level(before, "before", "usual")]
        shown: Callable[[float], str] = short
        if column.type.upper().startswith(("TIMESTAMP", "DATE")):
            shown = lambda value: f"’{report_words.plain(column, value)[2:7]}"  # noqa: E731
        found.append(Track("Mean", dots, lines, shown, from_zero=False))
    missing = column.measure("missing")
    if any(one.missing for one in points):
        dots = [Dot(one.start, one.missing, one.side == "current", one.rows) for one in points]
        found.append(Track("Missing", dots, _missing_levels(column, missing), _whole_percent))
    psi = column.measure("psi")
    levels = []
    if psi is not None and psi.value is not None:
        levels = [Level(psi.threshold, f"threshold {psi.threshold:g}", "limit")] if psi.threshold is not None else []
        if psi.own is not None:
            levels.append(Level(psi.own, f"usual {psi.own:.2f}", "usual"))
        levels.append(Level(psi.value, f"now {psi.value:.2f}", "whole", only_now=True))
    found.append(Track("PSI", psi_dots(column), levels))
    return found


def _outside_in_words(column: ColumnResult, flags: Sequence[Flag]) -> str:
    """That some of what happened stands at the edge of the time that is drawn."""
    starts = [one.start for one in column.timeline]
    outside = [one for one in flags if starts and not min(starts) <= one.at <= max(starts)]
    return " (at the edge: before or after this time)" if outside else ""


def _missing_levels(column: ColumnResult, measure: Measure | None) -> list[Level]:
    before = column.baseline.missing
    if measure is None or measure.threshold is None or before is None:
        return []
    return [Level(min(before + measure.threshold, 1.0), f"threshold {percent(before + measure.threshold)}", "limit")]


def _whole_percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _bars(column: ColumnResult, all_bars: Sequence[Bar], key: str, *, told: bool) -> Markup:
    listed = "; ".join(f"{one.label}: {percent(one.before)}, {percent(one.now)}" for one in all_bars)
    text = f"Before and now. {listed}"
    words = Words(f"{key}b", f"How {column.name} is distributed, before and now", text)
    return charts.bars(all_bars, words, told=told)


def _words_of_time(column: ColumnResult, key: str) -> Words:
    known = [one for one in column.timeline if one.side == "current" and one.psi is not None]
    told = f"{len(column.timeline)} points of time."
    if known:
        most = max(known, key=lambda one: one.psi or 0.0)
        told += f" The PSI of the period is greatest on {report_words.moment(most.start)}, with {most.psi:.2f}."
    if column.first_seen:
        told += f" The change is first visible on {report_words.moment(column.first_seen)}."
    return Words(f"{key}h", f"{column.name} along time", told)


def _performance_line(result: Monitoring) -> Markup:
    one = result.performance
    if one is None:
        return Markup("")
    then, dots = one.baseline.get(one.metric), [Dot(at, value, True, rows) for at, rows, value in one.timeline]
    levels = [] if then is None else [Level(then, f"on {one.split} {then:.3g}", "usual")]
    flags = [Flag(mark.at, mark.kind, mark.text) for mark in result.marks]
    words = Words("performance", f"The {one.metric} along time", f"{len(dots)} points of time.")
    return charts.timeline([Track(one.metric, dots, levels, short, from_zero=False)], flags, words)


# -- the page ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inline:
    """A text inside the page that the browser takes by its hash alone."""

    text: Markup
    hash: str


@functools.cache
def _style() -> Inline:
    return _inline("report.css")


@functools.cache
def _script() -> Inline:
    return _inline("report.js")


def _inline(name: str) -> Inline:
    loader = _environment().loader
    assert loader is not None
    text = _trimmed(loader.get_source(_environment(), name)[0]).strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Inline(Markup(text), f"sha256-{digest}")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sqlfeat.ops.monitoring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_NAMES)
    return environment


_NAMES: Mapping[str, Callable[..., Any]] = {
    "level_sign": report_words.level_sign,
    "level_word": report_words.level_word,
    "moment": report_words.moment,
    "title_of": lambda measure: report_words.title_of(measure.name),
    "value_of": report_words.measured,
    "judgement": report_words.judgement,
    "metric_value": report_words.metric,
    "percent": percent,
    "meter": charts.meter,
    "name": lambda text: escape(text).replace("_", Markup("_<wbr>")),
}


def _trimmed(text: str) -> str:
    """The text without the indentation and the empty lines of its template."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line) + "\n"
