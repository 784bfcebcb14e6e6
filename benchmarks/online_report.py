"""What the online benchmark tells: tables of what was measured, and where they are kept.

Remarks by hand are in ``results/online-remarks.md``, which no run writes to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import revision
from benchmarks.measure import ROOT

REMARKS = "online-remarks.md"
Turn = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Measured:
    """Figures of a run: by turn and method in a process and over HTTP, what predictions add, and at too much load."""

    machine: Mapping[str, Any]
    entities: int
    repetitions: int
    embedded: Sequence[Turn]
    added: Sequence[Mapping[str, float]]
    http: Sequence[Turn]
    overload: Mapping[str, Any]
    notes: Sequence[str] = ()


def report(measured: Measured) -> str:
    """The page."""
    machine = measured.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [
        "# Online, measured",
        "",
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, {versions}; "
        f"{datetime.now(UTC):%Y-%m-%d}, load {machine['load']} at the start, revision {revision(ROOT)}. "
        f"Five views of ten doubles, {measured.entities:,} entities. Methods took turns, "
        f"{measured.repetitions} times, each in a new process. `CPU ×` is the median ratio of CPU for one entity "
        "to the first line of the table in the same turn (less is better); the others are medians, in microseconds.",
        "",
        f"Remarks by hand: [{REMARKS}]({REMARKS}).",
        "",
        "## In a process",
        "",
        *table(
            measured.embedded,
            {"cpu_1": "CPU, 1 entity", "p50_1": "p50", "p99_1": "p99", "cpu_100": "CPU, 100", "p99_100": "p99, 100"},
            "raw LMDB gets",
        ),
        "",
        *_added(measured.added),
    ]
    for note in dict.fromkeys(measured.notes):
        lines += [note, ""]
    if measured.http and measured.http[0]:
        lines += [
            "## Over HTTP, one entity a request, one connection",
            "",
            *table(
                measured.http,
                {"cpu_1": "CPU of the server", "p50_1": "p50", "p99_1": "p99"},
                next(iter(measured.http[0])),
            ),
            "",
            *_on_the_same_store(measured.http),
        ]
    return "\n".join([*lines, *_overload(measured.overload)])


def table(turns: Sequence[Turn], keys: Mapping[str, str], against: str) -> list[str]:
    """Medians, and how many times the CPU of the method ``against`` each takes."""
    lines = [f"| method | CPU × | {' | '.join(keys.values())} |", "| --- " * (2 + len(keys)) + "|"]
    for name in turns[0]:
        known = [turn for turn in turns if name in turn]
        figures = [median(turn[name][key] for turn in known) if key in known[0][name] else None for key in keys]
        shown = " | ".join("" if figure is None else f"{figure:,.1f}" for figure in figures)
        lines.append(f"| {name} | {_times(known, name, against):.2f} | {shown} |")
    return lines


def _times(turns: Sequence[Turn], name: str, against: str) -> float:
    shares = [turn[name]["cpu_1"] / turn[against]["cpu_1"] for turn in turns if name in turn and against in turn]
    return median(shares) if shares else float("nan")


def _on_the_same_store(turns: Sequence[Turn]) -> list[str]:
    """Our servers beside the naive one that reads from the same store, and beside Feast's."""
    told = []
    for name in turns[0]:
        _, *words = name.split(", ")
        if name.startswith("sqlfeat serve, ") and f"naive FastAPI, {words[0]}" in turns[0]:
            told.append(f"{', '.join(words)} {_times(turns, name, f'naive FastAPI, {words[0]}'):.2f}")
    return [f"CPU × of naive FastAPI's **on the same store**: {'; '.join(told)}.", ""] if told else []


def _added(turns: Sequence[Mapping[str, float]]) -> list[str]:
    """What a prediction adds to features, beside LightGBM's own call for one row."""
    if not turns:
        return []
    at = {name: median(turn[name] for turn in turns) for name in turns[0]}
    there, alone = at["added_to_call_there"] <= 1.3, at["added_to_call_alone"] <= 1.3
    judged = {
        (True, True): "Both are at most 1.3.",
        (True, False): "The first is at most 1.3, the second is not.",
        (False, True): "The second is at most 1.3, the first is not.",
        (False, False): "Neither is at most 1.3.",
    }[there, alone]
    return [
        "### What a prediction adds",
        "",
        f"In one process, blocks of 20 calls in turns, each of other entities and rows, CPU in microseconds: (a) "
        f"features {at['features']:.1f}; (b) features, then LightGBM's own fast call for a row that lies ready "
        f"{at['features_then_call']:.1f}; (c) predict {at['predict']:.1f}; (d) that call alone, in a hot loop, where "
        f"nothing else uses the caches, {at['call']:.1f}. Medians over the turns: (c − a) / (b − a) is "
        f"{at['added_to_call_there']:.2f}, (c − a) / d is {at['added_to_call_alone']:.2f}. {judged}",
        "",
    ]


def _overload(load: Mapping[str, Any]) -> list[str]:
    if not load:
        return []
    statuses = ", ".join(f"{count:,} × {status}" for status, count in sorted(load["statuses"].items()))
    return [
        "## At twice the load that it holds",
        "",
        f"Predictions of 500 trees, a connection each: {load['held_a_second']:,.0f} a second are held; of "
        f"{load['asked_a_second']:,.0f} a second came: {statuses}; {load['answered_a_second']:,.0f} a second were "
        f"answered ({load['answered_a_second'] / load['held_a_second']:.0%} of what is held), p50 "
        f"{load['p50_ms']:.0f} ms, p99 {load['p99_ms']:.0f} ms. Meanwhile the client that asks took "
        f"{load['client_cores']:.2f} of the machine's cores and the server {load['server_cores']:.2f}; it began to "
        f"ask {load['lag_p99_ms']:.0f} ms late (p99), which is in these times.",
        "",
    ]


def keep(results: Path, measured: Measured) -> None:
    """Write the page, and every single figure beside it."""
    (results / "online.md").write_text(report(measured))
    told = {
        "machine": measured.machine,
        "revision": revision(ROOT),
        "embedded": measured.embedded,
        "added": measured.added,
        "http": measured.http,
        "overload": measured.overload,
    }
    (results / f"online-{datetime.now(UTC):%Y-%m-%d}.json").write_text(json.dumps(told, indent=1) + os.linesep)
