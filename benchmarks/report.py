"""Measurements as a table: ratios to the base of the same turn, medians of them, and whether the answers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

_HEAD = ("method", "wall ×", "CPU ×", "wall s", "CPU s", "peak MB", "anonymous MB", "Parquet s", "runs", "answer")


def lines_of(result: Mapping[str, Any]) -> list[str]:
    """One workload's table in Markdown."""
    methods = result["methods"]
    lines = [
        f"### {result['workload']['name']}: {result['workload']['title']}",
        "",
        _row(_HEAD),
        _row(["---"] * len(_HEAD)),
    ]
    for name, told in methods.items():
        base = methods[told["base"]]["runs"]
        lines.append(_row([name, *_figures(told, base, methods)]))
    return [*lines, *_beside(result)]


def markdown(kept: Mapping[str, Any]) -> str:
    """The whole page."""
    machine = kept["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    first = next(iter(kept["results"].values()), {"at": ""})
    head = [
        "# Point in time, measured",
        "",
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gb']} GB, {machine['system']}; Python "
        f"{machine['python']}, {versions}. Seed {kept['seed']}, {first['at'][:10]}, load "
        f"{machine['load']} at the start: only ratios mean something. Methods took turns, `runs` times. `×` is how "
        "many times faster than the first line of its table (its time by theirs, the median over the turns). Memory is "
        "what the run added; `anonymous` leaves out mapped files. `Parquet` is the write, not in the other figures.",
        "",
    ]
    tables = ["\n".join(lines_of(result)) for result in kept["results"].values()]
    return "\n".join(head) + "\n" + "\n\n".join(tables) + "\n"


def _figures(told: Mapping[str, Any], base: Sequence[Mapping[str, Any]], methods: Mapping[str, Any]) -> list[str]:
    runs = told["runs"]
    if not runs:
        return [told["failure"] or "not run", *[""] * (len(_HEAD) - 2)]
    return [
        _ratio(base, runs, "wall"),
        _ratio(base, runs, "cpu"),
        f"{_median(runs, 'wall'):.2f}",
        f"{_median(runs, 'cpu'):.2f}",
        f"{_median(runs, 'peak'):.0f}",
        f"{_median(runs, 'anonymous'):.0f}",
        f"{_median(runs, 'write_wall'):.2f}",
        f"{len(runs)}" + (f", then {told['failure']}" if told["failure"] else ""),
        _agreement(told, methods),
    ]


def _beside(result: Mapping[str, Any]) -> list[str]:
    """What sqlfeat does before: ``run`` once, and reading, compiling and planning each time."""
    lines = []
    if result["run"]:
        run = result["run"]
        lines.append(f"`sqlfeat run` before: {run['wall']:.1f} s, CPU {run['cpu']:.1f} s, {run['peak']:.0f} MB.")
    runs = result["methods"].get("sqlfeat", {}).get("runs", [])
    facts = [run["facts"] for run in runs if run["facts"]]
    if facts:
        wall, cpu = _median(facts, "plan_wall"), _median(facts, "plan_cpu")
        lines.append(f"Reading, compiling, planning: {wall:.2f} s, CPU {cpu:.2f} s.")
    lines.append(f"At revision {result['revision']}.")
    return ["", " ".join(lines)]


def _agreement(told: Mapping[str, Any], methods: Mapping[str, Any]) -> str:
    """Whether the checksum is the one that the others give."""
    if not told["comparable"]:
        return "another view"
    answers = [other["runs"][0]["answer"] for other in methods.values() if other["comparable"] and other["runs"]]
    own = {str(run["answer"]) for run in told["runs"]}
    if own != {str(answers[0])}:
        return "DIFFERS"
    return "same" if len(answers) > 1 else "alone"


def _ratio(base: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], key: str) -> str:
    pairs = [theirs[key] / own[key] for theirs, own in zip(base, runs, strict=False)]
    return f"{median(pairs):.2f}" if pairs else ""


def _median(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(median(run[key] for run in runs))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
