"""What is found, in words: sentences, numbers as people read them, and findings in the order of their gravity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sqlfeat.engine.profile import CATEGORICAL, ColumnProfile, Counted
from sqlfeat.ops.monitoring.figures import number, percent
from sqlfeat.ops.monitoring.results import BREACH, LABEL, OK, PREDICTION, WARN, ColumnResult, Finding, Measure
from sqlfeat.ops.monitoring.statistics import shares


def sentence_of(measure: Measure, role: str, then: ColumnProfile, current: ColumnProfile) -> str:
    """What a measure says, as a sentence."""
    name, now, before = then.name, current.whole, then.whole
    if measure.name == "missing":
        return f"{name} is missing in {percent(_missing(now))} of the rows, in {percent(_missing(before))} before."
    if measure.name == "range":
        return (
            f"{name}: {percent(measure.value)} of the values lie outside of {number(before.minimum)} to "
            f"{number(before.maximum)}, where all of them were."
        )
    if measure.name == "new_categories":
        return f"{name}: {percent(measure.value)} of the values are of categories that were not there before."
    kind = {PREDICTION: "The predictions", LABEL: f"The label {name}"}.get(role, name)
    several = role == PREDICTION
    moved = _most_moved(then, current) if then.shape.kind == CATEGORICAL else ""
    if measure.name == "shift":
        how = f": {moved}" if moved else f" by {measure.value:.2f} deviations: {_middle(then, current)}"
        return f"{kind} {'have' if several else 'has'} moved{how}."
    if measure.name == "spread":
        inner = f"80 % lie between {_inner(current)}, and lay between {_inner(then)}"
        return f"{kind} {'vary' if several else 'varies'} otherwise: {inner}."
    if not moved:
        moved = f"the mean went from {number(before.mean)} to {number(now.mean)}"
    return f"{kind} {'are' if several else 'is'} distributed otherwise: {moved} (PSI {measure.value:.2f})."


def findings_of(columns: Sequence[ColumnResult], measures: Sequence[Measure]) -> list[Finding]:
    """Everything that is not as it was, gravest first."""
    found = [
        Finding(measure.level, measure.name, column.name, measure.text, measure.weight, column.first_seen)
        for column in columns
        for measure in column.measures
        if measure.level != OK and measure.text
    ]
    found += [
        Finding(WARN, "lost_categories", column.name, _lost(column), 0.0, column.first_seen)
        for column in columns
        if column.lost_categories
    ]
    found += [Finding(one.level, one.name, "", one.text, one.weight) for one in measures if one.level != OK]
    return sorted(found, key=lambda one: (-(OK, WARN, BREACH).index(one.level), -one.weight, one.about))


def sentence_of_all(reference: str, columns: Sequence[ColumnResult], findings: Sequence[Finding]) -> str:
    """The verdict: what has changed most, and how much of the whole."""
    drifted = [one for one in columns if one.level == BREACH]
    about_rows = [one for one in findings if one.level == BREACH and not one.about]
    if not drifted and not about_rows:
        watched = [one.name for one in columns if one.level == WARN]
        more = ""
        if watched:
            more = f"; worth a look: {', '.join(watched[:3])}{' …' if len(watched) > 3 else ''}"
        return f"{reference} is as it was: none of {len(columns)} columns has drifted{more}."
    parts = []
    if drifted:
        names = ", ".join(one.name for one in drifted[:3])
        more = f" and {len(drifted) - 3} more" if len(drifted) > 3 else ""
        have = "have" if len(drifted) > 1 else "has"
        parts.append(f"{len(drifted)} of {len(columns)} columns {have} drifted, {names}{more}")
        seen = min((one.first_seen for one in drifted if one.first_seen), default=None)
        if seen is not None:
            parts[-1] += f", first seen on {seen:%Y-%m-%d}"
    parts += [one.text.removesuffix(".")[:1].lower() + one.text.removesuffix(".")[1:] for one in about_rows[:2]]
    return f"{reference} is not as it was: {'; '.join(parts)}."


def _lost(column: ColumnResult) -> str:
    listed = ", ".join(column.lost_categories[:3])
    more = f" and {len(column.lost_categories) - 3} more" if len(column.lost_categories) > 3 else ""
    return f"{column.name} is nowhere {listed}{more} any more."


def _most_moved(before: ColumnProfile, now: ColumnProfile) -> str:
    """The category whose share has changed most, in words."""
    then, there = (shares(np.array(one.whole.counts, float)) for one in (before, now))
    place = int(np.argmax(np.abs(there - then)))
    names = (*before.shape.categories, "others")
    return f"{names[place]} went from {percent(float(then[place]))} to {percent(float(there[place]))}"


def _middle(before: ColumnProfile, now: ColumnProfile) -> str:
    """The median on both sides, or the mean where the median stays."""
    then, there = (number(one.quantile(0.5)) for one in (before, now))
    if then != there:
        return f"the median went from {then} to {there}"
    return f"the mean went from {number(before.whole.mean)} to {number(now.whole.mean)}"


def _inner(one: ColumnProfile) -> str:
    """Between what the values lie but for a tenth on each side."""
    return f"{number(one.quantile(0.1))} and {number(one.quantile(0.9))}"


def _missing(one: Counted) -> float:
    return one.missing / one.rows if one.rows else 0.0
