"""What monitoring sees and what it does not: false alarms in quiet weeks, power by the kind and size of a drift.

``python -m benchmarks.monitoring`` writes ``results/monitoring.md`` and a dated JSON. Rows are made up by a seed
(``monitoring_data``). A quiet week is one in which nothing was changed; an alarm in it is false. With ``--case FOLDER``
(``ecom_clicks``, events of a web shop with a documented payment incident) sessions are compared, too. Evidently and
frouros answer beside (``monitoring_peers``), each in an environment of its own under ``.data``, unless ``--no-peers``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.machine import facts_of_machine, revision
from benchmarks.monitoring_data import (
    A_DAY,
    BASELINE_DAYS,
    BASELINES,
    DAYS,
    DRIFTS,
    QUIET,
    REPEATED,
    Rows,
    drifted,
    made,
    quiet_week,
)
from sqlfeat.api import Project
from sqlfeat.engine.duckdb import profile as profiling
from sqlfeat.engine.duckdb.connection import Connection
from sqlfeat.engine.profile import Profile, ProfileRequest
from sqlfeat.ops.monitoring.comparison import compare
from sqlfeat.ops.monitoring.results import BREACH, OK, WARN
from sqlfeat.ops.monitoring.wording import findings_of
from sqlfeat.spec.monitor import MonitorSpec

ROOT = Path(__file__).parents[1]
PEERS = {"evidently": ("evidently==0.7.23", "pandas<3"), "frouros": ("frouros==0.9.0",)}
PEERS_REPEATED = 5
"""How often each drift is shown to a peer: Evidently takes a second for each."""


# -- looks -------------------------------------------------------------------------------------------------------------


def profiled(rows: Rows, against: Profile | None = None) -> Profile:
    """The profile of rows, in the bins of another one."""
    columns = {name: pa.array(values) for name, values in rows.items() if name != "at"}
    columns = {
        name: pa.array(np.asarray(rows[name], float), mask=np.isnan(np.asarray(rows[name], float)))
        if pa.types.is_floating(column.type)
        else column
        for name, column in columns.items()
    }
    table = pa.table({**columns, "at": pa.array(rows["at"], pa.timestamp("us", "UTC"))})
    types = {"double": "DOUBLE", "int64": "BIGINT", "string": "VARCHAR", "bool": "BOOLEAN"}
    listed = tuple((name, types[str(column.type)]) for name, column in columns.items() if name != "id")
    request = ProfileRequest(listed, "at", ("id",), shapes=against.shapes if against else {}, duplicates=True)
    connection = Connection(memory_limit="1GB", threads=1)
    try:
        connection.register("rows", table)
        return profiling.profile(connection.arrow, "rows", request)
    finally:
        connection.close()


def alarms(before: Profile, rows: Rows, spec: MonitorSpec) -> tuple[set[str], set[str]]:
    """The columns of which there is an alarm, and those with an alarm or a warning; "" is for all rows together."""
    result = compare(before, profiled(rows, before), spec)
    told = findings_of(result.columns, result.measures)
    return {one.about for one in told if one.level == BREACH}, {one.about for one in told if one.level != OK}


def quiet_weeks(basis: list[Profile], count: int, spec: MonitorSpec) -> dict[str, Any]:
    """How often something is found where nothing is."""
    found: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for number in range(count):
        place = number % len(basis)
        week = quiet_week(number, len(basis))
        result = compare(basis[place], profiled(week, basis[place]), spec)
        told = findings_of(result.columns, result.measures)
        found["weeks"] += 1
        found["with an alarm"] += any(one.level == BREACH for one in told)
        found["with a warning"] += any(one.level == WARN for one in told)
        columns.update({one.about or one.kind for one in told if one.level == BREACH})
    return {**found, "columns": len(result.columns), "alarms": dict(columns)}


def power(basis: list[Profile], repeated: int, spec: MonitorSpec) -> Iterator[dict[str, Any]]:
    """How often each drift is found where it is, and how often another column is blamed."""
    for drift in DRIFTS:
        for size in drift.sizes:
            found = blamed = warned = 0
            for number in range(repeated):
                place = number % len(basis)
                told, also = alarms(basis[place], drifted(drift, size, number), spec)
                found += drift.column in told
                warned += drift.column in also
                blamed += bool(told - {drift.column})
            yield {
                "drift": drift.name,
                "size": size,
                "unit": drift.unit,
                "found": found / repeated,
                "found or warned": warned / repeated,
                "others blamed": blamed / repeated,
            }


def dulled(count: int, repeated: int, spec: MonitorSpec) -> Iterator[dict[str, Any]]:
    """How often another mean is found though the baseline has an incident: a week of its own whose mean was another."""
    basis = []
    for number in range(count):
        rows = made(BASELINE_DAYS, 0, number)
        ill = (np.arange(len(rows["id"])) // A_DAY >= 21) & (np.arange(len(rows["id"])) // A_DAY < 28)
        rows["normal_3"] = np.where(ill, rows["normal_3"] + 2, rows["normal_3"])
        basis.append(profiled(rows))
    drift = DRIFTS[0]
    for size in (0.0, *drift.sizes):
        told = [alarms(basis[number % count], drifted(drift, size, number), spec) for number in range(repeated)]
        yield {
            "size": size,
            "found": sum(drift.column in found for found, _ in told) / repeated,
            "found or warned": sum(drift.column in also for _, also in told) / repeated,
            "others blamed": sum(bool(found - {drift.column}) for found, _ in told) / repeated,
        }


# -- peers -------------------------------------------------------------------------------------------------------------


def peer_python(name: str) -> Path | str:
    """The Python that has a peer, or words that say why there is none."""
    folder, wanted = ROOT / "benchmarks" / ".data" / name, PEERS[name]
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists() and ready.read_text() == " ".join(wanted):
        return python
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        return f"{name} is not measured: this environment has no uv to install it with"
    environment = {**os.environ, "VIRTUAL_ENV": str(folder), "UV_SYSTEM_CERTS": "1"}
    for command in (
        [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [str(uv), "pip", "install", "--quiet", *wanted],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{name} is not measured: {(done.stderr.strip().splitlines() or ['uv failed'])[-1]}"
    ready.write_text(" ".join(wanted))
    return python


def peers(files: Mapping[str, str], share: int) -> dict[str, Any]:
    """What each peer says of the same rows, or why it says nothing."""
    task = ROOT / "benchmarks" / ".data" / "monitoring.json"
    task.parent.mkdir(exist_ok=True)
    wanted = {"quiet": QUIET // share, "repeated": max(PEERS_REPEATED // share, 1), "shop": dict(files)}
    task.write_text(json.dumps(wanted))
    told: dict[str, Any] = {}
    for name in PEERS:
        python = peer_python(name)
        if isinstance(python, Path):
            script = ROOT / "benchmarks" / "monitoring_peers.py"
            subprocess.run([str(python), "-W", "ignore", str(script), name, str(task)], check=True)
            told[name] = json.loads(task.with_suffix(f".{name}.json").read_text())
        else:
            told[name] = {"problem": python}
    return told


# -- the shop ----------------------------------------------------------------------------------------------------------

SESSIONS = """
    select session_id, min(ts) as ts, any_value(platform) as platform, any_value(acquisition_channel) as channel,
        count(*) as events, count(*) filter (where event = 'product_view') as product_views,
        count(*) filter (where event = 'payment_error') as payment_errors,
        count(*) filter (where event = 'support_chat') as support_chats,
        count(*) filter (where event = 'checkout_bug') as checkout_bugs,
        case when count(*) filter (where event = 'payment_details') > 0
            then count(*) filter (where event = 'purchase') > 0 end as conversion
    from events group by session_id
"""


def shop(folder: Path, spec: MonitorSpec, into: Path | None = None) -> dict[str, Any]:
    """The documented incident, and the quiet weeks before it against each other; the rows go ``into`` files, too."""
    connection = Connection(folders=[folder], memory_limit="1GB", threads=1)
    try:
        events = folder / "data" / "events.parquet"
        connection.execute(f"create temp table events as from read_parquet('{events}')")
        connection.execute(f"create temp table sessions as {SESSIONS}")
        columns = tuple((n, t) for n, t in connection.described("from sessions") if n not in ("session_id", "ts"))

        def counted(where: str, against: Profile | None = None) -> Profile:
            shapes = against.shapes if against else {}
            request = ProfileRequest(columns, "ts", ("session_id",), where, shapes=shapes, duplicates=True)
            return profiling.profile(connection.arrow, "sessions", request)

        calm = _within(*CALM)
        if into is not None:
            for name, where in _periods(calm).items():
                listed = ", ".join(one for one, _ in columns)
                table = connection.arrow(f"select {listed} from sessions where {where} order by ts, session_id")
                (into / f"sessions {name}.json").write_text(json.dumps(table.to_pydict()))
        before = counted(calm)
        incident = compare(before, counted(_within(*INCIDENT), before), spec)
        weeks = []
        for start, week in _weeks():
            rest = counted(f"{calm} and not ({week})")
            found = compare(rest, counted(week, rest), spec)
            told = [one.text for one in findings_of(found.columns, found.measures) if one.level == BREACH]
            weeks.append({"week": f"{start:%Y-%m-%d}", "alarms": told})
    finally:
        connection.close()
    listed = findings_of(incident.columns, incident.measures)
    return {
        "incident": [
            {"level": one.level, "about": one.about or "all rows", "text": one.text,
             "first_seen": one.first_seen.isoformat()[:10] if one.first_seen else None}
            for one in listed
        ],
        "weeks": weeks,
    }  # fmt: skip


CALM, INCIDENT = ("2024-01-10", "2024-02-29"), ("2024-05-19", "2024-06-08")


def _weeks() -> Iterator[tuple[datetime, str]]:
    """The quiet weeks: when they begin, and the condition of their rows."""
    for number in range(7):
        start = datetime(2024, 1, 10, tzinfo=UTC) + timedelta(days=7 * number)
        yield start, _within(f"{start:%Y-%m-%d}", f"{start + timedelta(days=7):%Y-%m-%d}")


def _periods(calm: str) -> dict[str, str]:
    """The periods that peers compare, by name."""
    weeks = {f"week {start:%Y-%m-%d}": week for start, week in _weeks()}
    rests = {f"rest {name}": f"{calm} and not ({week})" for name, week in weeks.items()}
    return {"calm": calm, "incident": _within(*INCIDENT), **weeks, **rests}


def _within(start: str, end: str) -> str:
    return f"(ts >= timestamptz '{start} 00:00:00+00' and ts < timestamptz '{end} 00:00:00+00')"


def speed() -> dict[str, Any]:
    """A profile of a million rows of fifty columns, window by window, and of a thousand."""
    told = {}
    for rows in (1_000_000, 1_000):
        connection = Connection(memory_limit="2GB")
        try:
            numbers = ", ".join(f"random() * {place + 1} as x{place}" for place in range(45))
            texts = ", ".join(f"'v' || (random() * 20)::int as s{place}" for place in range(5))
            connection.execute(
                "create temp table many as select i as id, timestamptz '2024-01-01' + to_seconds(i * 5) as at, "
                f"{numbers}, {texts} from range({rows}) r(i)"
            )
            columns = (
                *((f"x{place}", "DOUBLE") for place in range(45)),
                *((f"s{place}", "VARCHAR") for place in range(5)),
            )
            wall, used = time.monotonic(), time.process_time()
            profiling.profile(connection.arrow, "many", ProfileRequest(columns, "at", ("id",)))
            told[f"{rows:,} rows"] = {
                "seconds": round(time.monotonic() - wall, 2), "cpu": round(time.process_time() - used, 2)
            }  # fmt: skip
        finally:
            connection.close()
    told["A run of a feature view of a million rows × 10 columns with its profile"] = {"ratio": run_ratio()}
    return told


def run_ratio() -> float:
    """How much CPU time the profile of a view adds to its run: the least of three with it by the least without."""
    columns = ", ".join(f"(i * {place + 7919} % 1009) / {place + 1.0} as x{place}" for place in range(10))
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(6):
        kept = turn % 2 == 0
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            (root / "models").mkdir()
            (root / "sqlfeat_project.yml").write_text(
                "name: one\ntargets:\n  dev: {engine: duckdb, path: target/one.duckdb}\n"
                "entities:\n  thing: {keys: [thing]}\n"
            )
            config = f"materialized='feature_view', entity='thing', event_time='at', monitor={str(kept).lower()}"
            (root / "models" / "many.sql").write_text(
                f"{{{{ config({config}) }}}} select i % 10000 as thing, "
                f"timestamptz '2024-01-01 00:00:00+00' + to_seconds(i * 5) as at, {columns} from range(1000000) r(i)"
            )
            with Project.load(root) as project:
                project.manifest  # noqa: B018 (compiled before the clock runs)
                used = time.process_time()
                project.run()
                taken[kept].append(time.process_time() - used)
    return round(min(taken[True]) / min(taken[False]), 2)


# -- what is written ---------------------------------------------------------------------------------------------------


def page(told: dict[str, Any]) -> str:
    """The results as Markdown."""
    machine, quiet = told["machine"], told["quiet"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# Monitoring, measured",
        "",
        f"`python -m benchmarks.monitoring` with seeds 0 to {BASELINES - 1}: {BASELINE_DAYS} days of baseline, a week "
        f"of {DAYS * A_DAY:,} rows beside it, {quiet['columns']} columns, default thresholds. Days differ among "
        f"themselves. {machine['cores']} cores, Python {machine['python']}, {versions}. "
        f"Revision {told['revision']}, {told['date']}.",
        "",
        *_of_peers(told["peers"]),
        "## Quiet weeks",
        "",
        f"Of {quiet['weeks']} weeks in which nothing was changed, {quiet['with an alarm']} had an alarm and "
        f"{quiet['with a warning']} a warning.",
        *(
            f"{name.capitalize()} alarmed in {one['with an alarm']} of {one['weeks']}."
            for name, one in _answers(told["peers"]).items()
        ),
        "",
        *_drifts(told),
        *_dulled(told),
        *_incident(told),
        "## Speed",
        "",
        f"The load of the machine was {machine['load']} when it began.",
        "",
        "| rows × 50 columns | seconds | CPU s |",
        "| --- | --- | --- |",
    ]
    runs = {rows: one for rows, one in told["speed"].items() if "ratio" not in one}
    lines += [f"| {rows} | {one['seconds']} | {one['cpu']} |" for rows, one in runs.items()]
    lines += [f"\n{what}: {one['ratio']} × the CPU time." for what, one in told["speed"].items() if "ratio" in one]
    return "\n".join(lines) + "\n"


def _answers(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in found.items() if "problem" not in one}


def _of_peers(found: Mapping[str, Any]) -> list[str]:
    """What peers were asked."""
    if not found:
        return []
    asked = {
        "evidently": "Evidently 0.7.23 by `ValueDrift` of each column, its own method and threshold (its drift preset)",
        "frouros": "frouros 0.9.0 by Kolmogorov-Smirnov and chi-squared, each column at 0.001, as its readme does",
    }
    told = [asked[name] for name in _answers(found)] + [one["problem"] for one in found.values() if "problem" in one]
    return [
        f"The same rows beside: {'; '.join(told)}. Neither is asked here of missing values, duplicates or volume; "
        "Evidently's summary tests ask (`DataSummaryPreset`), and fail in every quiet week, by the number of rows and "
        "by extremes that are not within a tenth.",
        "",
    ]


def _drifts(told: Mapping[str, Any]) -> list[str]:
    """The power, drift by drift, with peers' beside."""
    answers = _answers(told["peers"])
    names = "".join(f" | {name} | others" for name in answers)
    repeated = f" (peers {PEERS_REPEATED} times)" if answers else ""
    lines = [
        "## Drifts",
        "",
        f"Each tried {told['repeated']} times{repeated}. *Found*: an alarm on the column that was changed. *Others*: "
        "an alarm on any other.",
        "",
        f"| drift | size | found | found or warned | others{names} |",
        f"| --- | --- | --- | --- | ---{' | --- | ---' * len(answers)} |",
    ]
    for place, one in enumerate(told["power"]):
        shares = [f"{one[key]:.0%}" for key in ("found", "found or warned", "others blamed")]
        for answer in answers.values():
            shares += [f"{answer['power'][place][key]:.0%}" for key in ("found", "others blamed")]
        lines.append(f"| {one['drift']} | {one['size']:g} {one['unit']} | {' | '.join(shares)} |")
    return [*lines, ""]


def _dulled(told: Mapping[str, Any]) -> list[str]:
    """The power after a baseline with an incident."""
    lines = [
        "### After an incident in the baseline",
        "",
        "The mean of one week of the baseline was two deviations higher; what happened once is not how a baseline "
        "varies. Then another mean:",
        "",
        "| size | found | found or warned | others |",
        "| --- | --- | --- | --- |",
    ]
    for one in told["dulled"]:
        shares = [f"{one[key]:.0%}" for key in ("found", "found or warned", "others blamed")]
        lines.append(f"| {one['size']:g} deviations | {' | '.join(shares)} |")
    return [*lines, ""]


def _incident(told: Mapping[str, Any]) -> list[str]:
    """The documented incident, as we and peers see it."""
    if not told["shop"]:
        return []
    lines = [
        "## A documented incident",
        "",
        "Sessions of `ecom_clicks`, May 19 to June 7 against January 10 to February 28, gravest first:",
        "",
        "| level | about | since | |",
        "| --- | --- | --- | --- |",
    ]
    for one in told["shop"]["incident"]:
        lines.append(f"| {one['level']} | {one['about']} | {one['first_seen'] or ''} | {one['text']} |")
    alarmed = [one for one in told["shop"]["weeks"] if one["alarms"]]
    lines += ["", f"Each of the seven quiet weeks against the other six: {len(alarmed)} with an alarm."]
    lines += [f"- {one['week']}: {' '.join(one['alarms'])}" for one in alarmed]
    for name, one in _answers(told["peers"]).items():
        if "shop" in one:
            weeks = [week for week, columns in one["shop"]["weeks"].items() if columns]
            listed = ", ".join(one["shop"]["incident"])
            lines.append(f"\n{name.capitalize()}: {listed} in the incident; {len(weeks)} quiet weeks with an alarm.")
    return [*lines, ""]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, help="the folder of ecom_clicks")
    parser.add_argument("--no-peers", action="store_true", help="leave out Evidently and frouros")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; nothing is written")
    options = parser.parse_args()
    spec, share = MonitorSpec(), 10 if options.quick else 1
    basis = [profiled(made(BASELINE_DAYS, 0, number)) for number in range(BASELINES // share)]
    data = ROOT / "benchmarks" / ".data"
    data.mkdir(exist_ok=True)
    found = shop(options.case, spec, data) if options.case else None
    files = {name: str(data / f"sessions {name}.json") for name in _periods(_within(*CALM))} if found else {}
    told = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "revision": revision(ROOT),
        "machine": facts_of_machine(),
        "repeated": REPEATED // share,
        "quiet": quiet_weeks(basis, QUIET // share, spec),
        "power": list(power(basis, REPEATED // share, spec)),
        "dulled": list(dulled(max(BASELINES // 2 // share, 1), REPEATED // share, spec)),
        "shop": found,
        "peers": {} if options.no_peers else peers(files, share),
        "speed": speed(),
    }
    text = page(told)
    print(text)
    if not options.quick:
        results = ROOT / "benchmarks" / "results"
        (results / "monitoring.md").write_text(text)
        (results / f"monitoring-{told['date']}.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
