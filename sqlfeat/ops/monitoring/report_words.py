"""What levels, measures and statistics are called in a report, and what they say in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlfeat.ops.monitoring.figures import number, percent, span, times

if TYPE_CHECKING:
    from sqlfeat.ops.monitoring.results import ColumnResult, Mark, Measure, Summary

_LEVELS = {"ok": ("✓", "As it was"), "warn": ("!", "Worth a look"), "breach": ("✗", "Breach")}
_KINDS = {"model": "registered model", "training_set": "training set", "feature_view": "feature view"}
_TITLES = {
    "psi": "Distribution (PSI)",
    "shift": "Middle (deviations)",
    "spread": "Spread",
    "missing": "Missing values",
    "new_categories": "New categories",
    "range": "Out of range",
    "volume": "Volume",
    "freshness": "Freshness",
    "duplicates": "Duplicates",
    "schema": "Schema",
    "skew": "Skew of what was served",
    "performance": "Performance",
    "lost_categories": "Lost categories",
}
_SHARES = ("missing", "new_categories", "range", "duplicates", "skew")
_NEAR = 0.5
_UNKNOWN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

GLOSSARY = (
    ("Before, now", "The baseline, and the period that is looked at. A period holds its start and not its end; UTC."),
    (
        "PSI",
        "Population stability index: how far two distributions are apart. Up to 0.1 is usually called little, from "
        "0.25 on much.",
    ),
    (
        "Middle",
        "How far the values have moved up or down, in deviations of the baseline and by their ranks; of categories the "
        "greatest change of a share, in the same unit. It shows before a whole distribution looks otherwise.",
    ),
    ("Spread", "By what share the deviation has changed, by ranks."),
    ("Missing", "The change of the share of rows that have no value, or NaN."),
    ("Out of range", "The share of values that are lower or higher than any of the baseline."),
    ("Usual up to", "The greatest effect that periods of the same length within the baseline show against the rest."),
    (
        "Chance",
        "How often rows of one and the same distribution would differ that much: rows of a day resemble each other, "
        "and how many things were tested is allowed for (Benjamini and Hochberg).",
    ),
    ("Breach", "The effect is past its threshold, past what is usual, and more than chance."),
    ("Worth a look", "The same, from half of the threshold on; or something common is not there any more."),
)


def level_sign(level: str) -> str:
    return _LEVELS[level][0]


def level_word(level: str) -> str:
    return _LEVELS[level][1]


def kind_word(kind: str) -> str:
    return _KINDS.get(kind, kind)


def title_of(kind: str) -> str:
    """What a measure or a finding is about."""
    return _TITLES.get(kind, kind.replace("_", " "))


def moment(at: datetime) -> str:
    """An instant: the day alone where nothing but a day is meant."""
    whole = at.hour == at.minute == at.second == 0
    return f"{at:%Y-%m-%d}" if whole else f"{at:%Y-%m-%d %H:%M}"


def measured(measure: Measure, value: float | None) -> str:
    """A value, a threshold or a usual value of this measure."""
    if value is None or measure.name == "schema":
        return ""
    if measure.name == "missing":
        return f"{value * 100:.1f} points"
    if measure.name in _SHARES:
        return percent(value)
    if measure.name == "volume":
        return f"{value * 100:.0f} %" if value < 1e6 else "no end"
    if measure.name == "freshness":
        return span(value)
    if measure.name == "spread":
        return f"{value * 100:.0f} %"
    return f"{value:.2f}" if measure.name in ("psi", "shift") else f"{value:.3g}"


def judgement(measure: Measure) -> str:
    """Why a measure has its level, with what chance says."""
    value, threshold, own = measure.value, measure.threshold, measure.own
    if measure.level == "breach":
        said = "Past its threshold"
        if own is not None:
            said += ", and past what is usual"
        return f"{said}.{_by_chance(measure)}"
    if measure.level == "warn":
        return f"Past half of its threshold.{_by_chance(measure)}"
    if value is None or threshold is None:
        return "Not measured."
    if value < threshold * _NEAR or not value:
        return "Within its threshold."
    past = "Past its threshold" if value >= threshold else "Near its threshold"
    if own is not None and value < own:
        return f"{past}, but no more than is usual."
    if measure.adjusted is not None:
        return f"{past}, but it may be chance: {times(measure.adjusted)}."
    return "Within its threshold."


def _by_chance(measure: Measure) -> str:
    if measure.adjusted is None:
        return ""
    return f" By chance alone {times(measure.adjusted)}."


def effects(statistics: Mapping[str, float | None]) -> list[tuple[str, str, str]]:
    """How far two distributions are apart: name, value, and what that means."""
    found = []
    value = statistics.get("psi")
    if value is not None:
        size = "little" if value < 0.1 else "moderate" if value < 0.25 else "much"
        found.append(("PSI", f"{value:.3f}", f"{size}, as is usually said"))
    value = statistics.get("jensen_shannon")
    if value is not None:
        found.append(("Jensen–Shannon", f"{value:.3f}", "from 0, the same, to 1"))
    value = statistics.get("kolmogorov_smirnov")
    if value is not None:
        found.append(("Kolmogorov–Smirnov", f"{value:.3f}", f"running totals are up to {value * 100:.0f} points apart"))
    value = statistics.get("wasserstein")
    if value is not None:
        found.append(("Wasserstein", f"{value:.3f}", "standard deviations moved on average"))
    value, freedom = statistics.get("chi_squared"), statistics.get("degrees_of_freedom")
    if value is not None and freedom:
        effect = statistics.get("design_effect") or 1.0
        alike = f"; counts as {number(value / effect)}, since rows are alike" if effect > 1.05 else ""
        found.append(("Chi-squared", number(value), f"{freedom:.0f} degrees of freedom{alike}"))
    return found


def summary(column: ColumnResult) -> list[tuple[str, str, str]]:
    """A column on both sides, in numbers."""
    then, now = column.baseline, column.current
    found = [
        ("Rows", f"{then.rows:,}", f"{now.rows:,}"),
        ("Missing", percent(then.missing), percent(now.missing)),
    ]
    if then.nans or now.nans:
        found.append(("of them NaN", f"{then.nans:,}", f"{now.nans:,}"))
    numeric = column.kind == "numeric"
    for title, name in (("Mean", "mean"), ("Deviation", "deviation"), ("Median", "median")):
        if numeric:
            found.append((title, plain(column, getattr(then, name), name), plain(column, getattr(now, name), name)))
    for title, name in (("Least", "minimum"), ("Greatest", "maximum")):
        if getattr(then, name) is not None or getattr(now, name) is not None:
            found.append((title, plain(column, getattr(then, name), name), plain(column, getattr(now, name), name)))
    return found


def plain(column: ColumnResult, value: Any, what: str = "") -> str:
    """A value of a column as people read it; of an instant, the instant."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value if len(value) <= 80 else value[:79] + "…"
    if column.type.upper().startswith(("TIMESTAMP", "DATE")):
        if what == "deviation":
            return span(float(value))
        try:
            return moment(datetime.fromtimestamp(round(float(value)), UTC))
        except (ValueError, OverflowError, OSError):
            return number(float(value))
    return number(float(value))


def mean(column: ColumnResult, side: Summary) -> str:
    """The mean of a number; of anything else nothing."""
    return plain(column, side.mean, "mean") if column.kind == "numeric" else ""


def metric(value: float | None) -> str:
    """A metric to four digits."""
    return "" if value is None else f"{value:.4g}"


def happened(marks: Sequence[Mark]) -> list[str]:
    """What happened when, one line for all of a kind in the same minute."""
    lines: dict[tuple[str, str], list[str]] = {}
    for one in marks:
        lines.setdefault((f"{one.at:%Y-%m-%d %H:%M}", one.kind), []).append(one.text)
    return [f"{at} {kind}: {', '.join(texts)}" for (at, kind), texts in lines.items()]


def thresholds(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The thresholds as they stand in YAML."""
    found = []
    for name, value in said.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{key}", _flat(own)) for key, own in value.items()]
        elif value is not None and value not in ([], ()):
            found.append((name, _flat(value)))
    return found


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_flat(own)}" for key, own in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def sane(text: str) -> str:
    """The text with a sign for what no page knows, and for what turns the order of letters round."""
    return _UNKNOWN.sub("\ufffd", text)
