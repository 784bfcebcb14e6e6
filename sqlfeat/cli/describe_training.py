"""How the reports of a training read: calibration, slices, curves, and the trials of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sqlfeat.cli.render import cell, count, headed, number, seconds

if TYPE_CHECKING:
    from sqlfeat.store.registry import ModelVersion

_METRICS = 4
_TOP = 8


def reports(version: ModelVersion) -> Text | None:
    """All that a version's reports say, and its permutation importances, a few lines each; None where there is none."""
    readers = {"calibration": _calibration, "slices": _slices, "curves": _curves, "sweep": sweep}
    parts = [read(version.reports[name]) for name, read in readers.items() if version.reports.get(name)]
    shuffled = permutation(version)
    parts = ([shuffled] if shuffled else []) + parts
    return Text("\n\n").join(parts) if parts else None


def permutation(version: ModelVersion) -> Text | None:
    """What matters most to a model by its own predictions."""
    values = version.importances.get("permutation", {})
    if not values:
        return None
    first = sorted(values.items(), key=lambda entry: (-entry[1], entry[0]))[:_TOP]
    rows = [(name, f"{value:+.4f}") for name, value in first]
    title = "importance (permutation): how much worse the metric gets without it"
    return _titled(title, headed(("input", "worse by"), rows, right=[1]))


def sweep(told: Mapping[str, Any]) -> Text:
    """The trials of a sweep, one a line."""
    split, _, metric = told["metric"].partition(".")
    names = [one["param"] for one in told["grid"]]
    rows = []
    for trial in told["trials"]:
        values = [cell(trial["values"].get(name)) for name in names]
        value = "" if trial["error"] else number(trial["metrics"].get(split, {}).get(metric))
        became = f"failed: {trial['error']['message']}" if trial["error"] else ""
        became = "the best" if trial["trial"] == told["best"] else became
        rows.append((str(trial["trial"]), *values, seconds(trial["seconds"]), value, became))
    title = f"sweep over {count(len(rows), 'trial')}; {told['better']} {told['metric']} is better"
    places = range(len(names) + 1, len(names) + 3)
    return _titled(title, headed(("trial", *names, "time", told["metric"], ""), rows, right=[0, *places]))


def _calibration(told: Mapping[str, Any]) -> Text:
    split = _shown_split(told)
    of = told[split]["of"]
    bins = [(number(one["predicted"]), number(one["actual"]), count(one["rows"])) for one in told[split]["quantiles"]]
    errors = ", ".join(f"{name} {number(one['error'])}" for name, one in told.items())
    title = f"calibration of the {of} on {split}; expected error: {errors}"
    return _titled(title, headed(("predicted", "actual", "rows"), bins, right=range(3)))


def _slices(told: Mapping[str, Any]) -> Text:
    split = _shown_split(told)
    rows: list[tuple[str, ...]] = []
    metrics = list(next((one["metrics"] for by in told[split].values() for one in by["values"]), {}))[:_METRICS]
    for column, by in told[split].items():
        for one in by["values"][:_TOP]:
            values = [number(one["metrics"].get(metric)) for metric in metrics]
            rows.append((column, cell(one["value"]), count(one["rows"]), *values))
        more = len(by["values"][_TOP:]) + (by["others"]["values"] if by["others"] else 0)
        if more:
            rows.append((column, f"({more} more)", ""))
    head = ("column", "value", "rows", *metrics)
    return _titled(f"slices of {split}", headed(head, rows, right=range(2, len(head))))


def _curves(told: Mapping[str, Any]) -> Text:
    rows = []
    for split, by_name in told.items():
        for name, values in by_name.items():
            known = [value for value in values if value is not None]
            if known:
                least, most = min(known), max(known)
                rows.append(
                    (split, name, count(len(values)), *(number(one) for one in (known[0], least, most, known[-1])))
                )
    head = ("set", "metric", "rounds", "first", "least", "most", "last")
    return _titled("curves", headed(head, rows, right=range(2, 7)))


def _shown_split(told: Mapping[str, Any]) -> str:
    return "validation" if "validation" in told else list(told)[-1]


def _titled(title: str, body: Text) -> Text:
    return Text.assemble((f"  {title}\n", "bold"), body)
