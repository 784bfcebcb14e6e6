"""What monitoring sees and what it does not: false alarms in quiet weeks, power by the kind and size of a drift.

``python -m benchmarks.monitoring`` writes ``results/monitoring.md`` and a dated JSON, whole and by itself. Rows are
made up by a seed (``monitoring_data``). A quiet week is one in which nothing was changed; an alarm in it is false.
Sessions of ``ecom_clicks``, events of a web shop with a documented payment incident, are compared, too, where that
folder lies beside the repository or is named by ``--case``. Evidently and frouros answer beside (``monitoring_peers``),
as often and to the same rows, each in an environment of its own under ``.data``, unless ``--no-peers``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
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
from sqlfeat.ops.monitoring.results import BREACH, OK
from sqlfeat.ops.monitoring.wording import findings_of
from sqlfeat.spec.monitor import MonitorSpec

ROOT = Path(__file__).parents[1]
PEERS = {"evidently": ("evidently==0.7.23", "pandas<3"), "frouros": ("frouros==0.9.0",)}
CASE = ROOT.parent / "shared" / "cases" / "ecom_clicks"
"""Where the documented case lies, if somebody put it there: beside the repository, as for the tests."""


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


@dataclass(frozen=True)
class Told:
    """What was found in one week: the columns with an alarm, those with an alarm or a warning, how many there are."""

    alarms: frozenset[str]
    warned: frozenset[str]
    columns: int


def looked_at(before: Profile, rows: Rows) -> Told:
    """A week beside its baseline, by default thresholds; "" is for all rows together."""
    result = compare(before, profiled(rows, before), MonitorSpec())
    told = findings_of(result.columns, result.measures)
    alarms = frozenset(one.about for one in told if one.level == BREACH)
    return Told(alarms, frozenset(one.about for one in told if one.level != OK), len(result.columns))


def of_baseline(place: int, quiet: int, repeated: int) -> tuple[list[Told], dict[tuple[int, float], list[Told]]]:
    """Everything about the baseline of this number: its quiet weeks, and its drifts by number of kind and size."""
    before = profiled(made(BASELINE_DAYS, 0, place))
    weeks = [looked_at(before, quiet_week(number)) for number in range(place, quiet, BASELINES)]
    drifts = {
        (kind, size): [looked_at(before, drifted(drift, size, number)) for number in range(place, repeated, BASELINES)]
        for kind, drift in enumerate(DRIFTS)
        for size in drift.sizes
    }
    return weeks, drifts


def after_incident(number: int) -> list[Told]:
    """Another mean, by its sizes, though a week of the baseline had another one, too."""
    rows = made(BASELINE_DAYS, 0, number)
    ill = (np.arange(len(rows["id"])) // A_DAY >= 21) & (np.arange(len(rows["id"])) // A_DAY < 28)
    rows["normal_3"] = np.where(ill, rows["normal_3"] + 2, rows["normal_3"])
    before = profiled(rows)
    return [looked_at(before, drifted(DRIFTS[0], size, number)) for size in (0.0, *DRIFTS[0].sizes)]


def in_turns(what: str, work: Callable[[Any], Any], places: Sequence[Any]) -> list[Any]:
    """The work of every place, as many at once as there are cores; how far it is, is said."""
    found = []
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for count, one in enumerate(pool.imap(work, places), 1):
            found.append(one)
            say(f"{what}: {count} of {len(places)}")
    return found


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def quiet_weeks(weeks: Sequence[Told]) -> dict[str, Any]:
    """How often something is found where nothing is."""
    return {
        "weeks": len(weeks),
        "with an alarm": sum(bool(one.alarms) for one in weeks),
        "with a warning": sum(bool(one.warned - one.alarms) for one in weeks),
        "columns": weeks[0].columns,
        "alarms": dict(Counter(name for one in weeks for name in one.alarms)),
    }


def power(drifts: Mapping[tuple[int, float], Sequence[Told]]) -> list[dict[str, Any]]:
    """How often each drift is found where it is, and how often another column is blamed."""
    return [
        {"drift": DRIFTS[kind].name, "size": size, "unit": DRIFTS[kind].unit, **_shares(DRIFTS[kind].column, told)}
        for (kind, size), told in drifts.items()
    ]


def _shares(column: str, told: Sequence[Told]) -> dict[str, float]:
    return {
        "found": sum(column in one.alarms for one in told) / len(told),
        "found or warned": sum(column in one.warned for one in told) / len(told),
        "others blamed": sum(bool(one.alarms - {column}) for one in told) / len(told),
    }


def ours(share: int) -> dict[str, Any]:
    """Quiet weeks, drifts, and drifts after an incident."""
    quiet, repeated = QUIET // share, REPEATED // share
    work = partial(of_baseline, quiet=quiet, repeated=repeated)
    found = in_turns("sqlfeat", work, range(min(BASELINES, max(quiet, repeated))))
    drifts: dict[tuple[int, float], list[Told]] = {}
    for _, some in found:
        for key, told in some.items():
            drifts.setdefault(key, []).extend(told)
    ill = in_turns("sqlfeat after an incident", after_incident, range(repeated))
    sizes = (0.0, *DRIFTS[0].sizes)
    return {
        "repeated": repeated,
        "quiet": quiet_weeks([week for weeks, _ in found for week in weeks]),
        "power": power(drifts),
        "dulled": [
            {"size": size, **_shares(DRIFTS[0].column, [told[place] for told in ill])}
            for place, size in enumerate(sizes)
        ],
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
    wanted = {"quiet": QUIET // share, "repeated": REPEATED // share, "shop": dict(files)}
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
    for name, view in VIEWS.items():
        told[f"A run of {name} with its profile"] = {"ratio": run_ratio(view)}
    return told


VIEWS = {
    "a feature view of a million rows × 10 columns": ", ".join(
        f"(i * {place + 7919} % 1009) / {place + 1.0} as x{place}" for place in range(10)
    ),
    "one of a million events with 8 windows and 2 medians": ", ".join([
        *(f"{{{{ window('sum(i % {place + 97})', '{place + 1} days') }}}} as x{place}" for place in range(8)),
        "{{ window('median(i % 1009)', '7 days') }} as x8",
        "{{ window('median(i % 997)', '30 days') }} as x9",
    ]),
}  # fmt: skip


def run_ratio(columns: str) -> float:
    """How much CPU time the profile of a view adds to its run: the least of five with it by the least without."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(10):
        kept = turn % 2 == 0
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            (root / "models").mkdir()
            (root / "sqlfeat_project.yml").write_text(
                "name: one\ntargets:\n  dev: {engine: duckdb, path: target/one.duckdb}\n"
                "entities:\n  thing: {keys: [thing]}\n"
            )
            config = (
                f"materialized='feature_view', entity='thing', event_time='happened_at', monitor={str(kept).lower()}"
            )
            rows = (
                "select i, i % 10000 as thing, timestamptz '2024-01-01 00:00:00+00' + to_seconds(i * 5) as happened_at"
            )
            (root / "models" / "many.sql").write_text(
                f"{{{{ config({config}) }}}} "
                f"select thing, happened_at, {columns} from ({rows} from range(1000000) r(i))"
            )
            with Project.load(root) as project:
                project.manifest  # noqa: B018 (compiled before the clock runs)
                used = time.process_time()
                result = project.run()
                taken[kept].append(time.process_time() - used)
            if result.failed:
                raise SystemExit(f"the view cannot be made: {result}")
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
        f"Revision {told['revision']}, {told['date']}; all of this took {told['minutes']:.0f} minutes.",
        "",
        *_of_peers(told["peers"]),
        "## Quiet weeks",
        "",
        f"Of {quiet['weeks']} weeks in which nothing was changed, {quiet['with an alarm']} had an alarm of ours and "
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
        f"Measured before the rest; the load of the machine was {machine['load']} when it began.",
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
    lines = [
        "## Drifts",
        "",
        f"Each tried {told['repeated']} times{' by all' if answers else ''}. *Found*: an alarm on the column that was "
        "changed. *Others*: an alarm on any other.",
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
    parser.add_argument("--case", type=Path, default=CASE if CASE.is_dir() else None, help="the folder of ecom_clicks")
    parser.add_argument("--no-peers", action="store_true", help="leave out Evidently and frouros")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; nothing is written")
    options = parser.parse_args()
    share, started = 10 if options.quick else 1, time.monotonic()
    machine = facts_of_machine()
    say("speed, before anything else runs")
    fast = speed()
    data = ROOT / "benchmarks" / ".data"
    data.mkdir(exist_ok=True)
    found = shop(options.case, MonitorSpec(), data) if options.case else None
    files = {name: str(data / f"sessions {name}.json") for name in _periods(_within(*CALM))} if found else {}
    told = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "revision": revision(ROOT),
        "machine": machine,
        **ours(share),
        "shop": found,
        "peers": {} if options.no_peers else peers(files, share),
        "speed": fast,
        "minutes": (time.monotonic() - started) / 60,
    }
    text = page(told)
    print(text)
    if not options.quick:
        results = ROOT / "benchmarks" / "results"
        (results / "monitoring.md").write_text(text)
        (results / f"monitoring-{told['date']}.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
