"""Windows at request time: what sixteen of them cost over an entity's events, few or many; publications and pushes.

``python -m benchmarks.online_windows`` writes ``results/online-windows.md`` and a dated JSON. ``--beside FOLDER`` names
the sources of another revision (``git archive REVISION | tar -x -C FOLDER``), which is measured in turns with
this one, in processes of their own over the same tables: ratios are medians over the turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
EVENTS = (10, 100, 2_000, 20_000)
"""How many events an entity has, kind by kind."""
FEWEST = 20_000
"""So many events there are of each kind, at least."""
SPANS = ("1 hour", "1 day", "7 days", "30 days")
AGGREGATES = {"n": "count(*)", "cents": "sum(cents)", "price": "avg(price)", "most": "max(price)"}
ITEMS = {f"{name}_{place}": (sql, span) for name, sql in AGGREGATES.items() for place, span in enumerate(SPANS)}
OTHERS = {
    "middle": "median(price)",
    "high": "quantile_cont(price, 0.9)",
    "spread": "stddev_samp(price)",
    "last_word": "max(word)",
    "dearest": "arg_max(cents, price)",
    "any_dear": "bool_or(price > 100)",
}
"""Other aggregates than counts, sums and means, each over thirty days."""
DAYS = 30
DAY = 86_400_000_000
BEGIN = 1_767_225_600_000_000  # 2026-01-01
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PROJECT = """\
name: windows
targets:
  dev: {engine: duckdb, path: target/windows.duckdb}
entities:
  user: {keys: [user_id]}
"""
SOURCES = """\
version: 2
sources:
  - name: raw
    config: {location: 'data/{name}.parquet'}
    tables: [{name: events}, {name: labels}]
"""
VIEW = """\
{{{{ config(materialized='feature_view', entity='user', event_time='happened', online=true) }}}}
select user_id, happened, {items} from {{{{ source('raw', 'events') }}}}
"""
ASKED = """\
{{{{ config(materialized='training_set', label='label', keys=['id'], split={{'train': '2026-06-01'}}) }}}}
select l.id, l.happened, {features}, l.label from {{{{ ref('labels') }}}} as l
"""
LABELS = """\
{{ config(materialized='table', role='label', event_time='happened', horizon='1 day') }}
select id, user_id, happened, label from {{ source('raw', 'labels') }}
"""


def main() -> int:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="the sources of another revision")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(Path(arguments.child))))
        return 0
    codes = {"this": ROOT, **({"beside": arguments.beside.resolve()} if arguments.beside else {})}
    with tempfile.TemporaryDirectory(prefix="sqlfeat-windows-") as folder:
        made = Path(folder) / "made"
        write_project(made)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in codes}
        for turn in range(arguments.turns):
            for name, code in codes.items():
                found[name].append(in_child(code, made, Path(folder) / f"{name}{turn}"))
    keep(found)
    return 0


# -- the load ----------------------------------------------------------------------------------------------------------


def write_project(folder: Path) -> None:
    """A project with one view of sixteen windows, over entities that have few events and entities that have many."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(1)
    users, owners = [], []
    for kind, count in enumerate(EVENTS):
        some = np.arange(max(FEWEST // count, 3)) + kind * 1_000_000
        users.append(some)
        owners.append(np.repeat(some, count))
    owner = np.concatenate(owners)
    events = {
        "user_id": owner,
        "happened": pa.array(BEGIN + random.integers(0, DAYS * DAY, len(owner)), pa.timestamp("us")),
        "cents": random.integers(-500, 100_000, len(owner)),
        "price": np.round(random.lognormal(3, 1, len(owner)), 2),
        "word": pa.array(np.char.add("word ", random.integers(0, 10_000, len(owner)).astype(str))),
    }
    labels = {
        "id": np.arange(100),
        "user_id": random.choice(users[1], 100),
        "happened": pa.array(BEGIN + random.integers(0, DAYS * DAY, 100), pa.timestamp("us")),
        "label": random.integers(0, 2, 100),
    }
    items = ", ".join(f"{{{{ window('{sql}', '{span}') }}}} as {name}" for name, (sql, span) in ITEMS.items())
    others = ", ".join(f"{{{{ window('{sql}', '30 days') }}}} as {name}" for name, sql in OTHERS.items())
    two = ["cents_2", "most_3"]
    files = {
        "sqlfeat_project.yml": PROJECT,
        "models/sources.yml": SOURCES,
        "models/lately.sql": VIEW.format(items=items),
        "models/others.sql": VIEW.format(items=others),
        "models/labels.sql": LABELS,
        "models/all.sql": ASKED.format(features=", ".join(f"{{{{ feature('lately.{name}') }}}}" for name in ITEMS)),
        "models/two.sql": ASKED.format(features=", ".join(f"{{{{ feature('lately.{name}') }}}}" for name in two)),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "data").mkdir()
    pq.write_table(pa.table(events), folder / "data/events.parquet")
    pq.write_table(pa.table(labels), folder / "data/labels.parquet")


def in_child(code: Path, made: Path, folder: Path) -> dict[str, Any]:
    """What one revision takes, measured in a process of its own over a copy of the project."""
    subprocess.run(["cp", "-r", str(made), str(folder)], check=True)
    environment = {**os.environ, "PYTHONPATH": f"{code}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", __file__, "--child", str(folder)]  # this measure, of whatever revision
    told = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    measured = found.pop("code")  # to be sure of; where it lies is nobody's business
    assert Path(measured).is_relative_to(code), f"{measured} was measured, not {code}"
    return found


# -- in the child ------------------------------------------------------------------------------------------------------


def measured(folder: Path) -> dict[str, Any]:
    """Publish, and read entities of every kind: seconds, bytes, and a digest of the answers."""
    import sqlfeat
    from sqlfeat.api import Project
    from sqlfeat.ops.online.reading import ViewReader, views_of

    project = Project.load(folder)
    project.run()
    at = datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6 + DAYS * DAY
    started = time.perf_counter()
    project.publish(at=datetime.fromtimestamp(at / 1e6, UTC))
    published = time.perf_counter() - started
    session = project.serve_session()
    snapshot = session._serving.snapshot
    views = {one.name: one for one in views_of(snapshot).values()}
    view = views["lately"]
    sizes: dict[int, list[int]] = {kind: [] for kind in range(len(EVENTS))}
    for key, record in snapshot.items(view.event_table):
        sizes[int.from_bytes(key[-8:], "little") // 1_000_000].append(len(record))
    readers = {
        "sixteen": ViewReader(view, list(ITEMS), session._serving._engine),
        "two": ViewReader(view, ["cents_2", "most_3"], session._serving._engine),
        **{name: ViewReader(views["others"], [name], session._serving._engine) for name in OTHERS},
    }
    t = int(at) + 3_600_000_000
    found: dict[str, Any] = {"code": sqlfeat.__file__, "publish": published, "kinds": {}, "answers": {}}
    for kind, count in enumerate(EVENTS):
        ids = [kind * 1_000_000 + place for place in range(3)]
        told = {"bytes": sum(sizes[kind]) / len(sizes[kind]) / count}
        for name, reader in readers.items():
            read = reading(snapshot, reader, t)
            told[f"read {name}"] = seconds_of(read, ids)
            found["answers"][f"{count} {name}"] = repr([read(one).values for one in ids])
        for name in ("all", "two"):
            told[f"features {name}"] = seconds_of(asking(session, name, t), ids)
        found["kinds"][str(count)] = told
    found["push"] = pushing(project, session, int(at))
    return found


def pushing(project: Any, session: Any, at: int) -> dict[str, Any]:
    """Seconds of CPU and of the clock of pushes of some rows, and how long it takes until a pushed row is seen."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(2)
    entities, now = 1_000_000, [at]
    users = max(FEWEST // EVENTS[1], 3)

    def rows(count: int) -> list[dict[str, Any]]:
        happened = [EPOCH + timedelta(microseconds=now[0] + place) for place in range(count)]
        now[0] += count
        owners = random.integers(0, users, count) + entities
        cents, prices = random.integers(-500, 100_000, count), np.round(random.lognormal(3, 1, count), 2)
        names = ("user_id", "happened", "cents", "price", "word")
        made = zip(owners.tolist(), happened, cents.tolist(), prices.tolist(), ["word"] * count, strict=True)
        return [dict(zip(names, row, strict=True)) for row in made]

    project.push("lately", rows(1))
    taken: dict[str, Any] = {}
    for name, count, times in (("1", 1, 60), ("100", 100, 30), ("10,000", 10_000, 5), ("10,000, a table", 10_000, 5)):
        seconds = []
        for _ in range(times):
            some: Any = rows(count)
            some = pa.Table.from_pylist(some) if "table" in name else some
            cpu, wall = time.process_time(), time.perf_counter()
            project.push("lately", some)
            seconds.append((time.process_time() - cpu, time.perf_counter() - wall))
        taken[name] = {
            "rows": count,
            "cpu": median(one for one, _ in seconds),
            "wall": median(one for _, one in seconds),
        }
    until_seen = []
    for _ in range(300):
        (row,) = rows(1)
        asked, key = EPOCH + timedelta(microseconds=now[0]), {"user_id": [row["user_id"]]}
        before = session.look_up([("lately", "happened")], key, at=asked)[0].values[0]
        started, seen = time.perf_counter(), before
        project.push("lately", [row])
        while seen == before:
            seen = session.look_up([("lately", "happened")], key, at=asked)[0].values[0]
        until_seen.append(time.perf_counter() - started)
    until_seen.sort()
    return {"sizes": taken, "seen": [until_seen[len(until_seen) // 2], until_seen[len(until_seen) * 99 // 100]]}


def reading(snapshot: Any, reader: Any, t: int) -> Callable[[int], Any]:
    """Reads an entity of a view from the store, at an instant."""
    return lambda one: reader.read(snapshot.fetch(reader.wanted((one,))), t)


def asking(session: Any, name: str, t: int) -> Callable[[int], Any]:
    """Asks for the features of a training set."""
    at = datetime.fromtimestamp(t / 1e6, UTC)
    return lambda one: session.features(name, [{"user_id": one}], at=at)


def seconds_of(call: Callable[[int], Any], ids: Sequence[int]) -> float:
    """The median time of a call."""
    taken = []
    end = time.perf_counter() + 0.4
    while time.perf_counter() < end:
        for one in ids:
            started = time.perf_counter()
            call(one)
            taken.append(time.perf_counter() - started)
    return median(taken)


# -- what is kept ------------------------------------------------------------------------------------------------------


def keep(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write the results, and show them."""
    from benchmarks.machine import facts_of_machine, revision

    kept = {"machine": facts_of_machine(), "revision": revision(ROOT), "at": _today(), "found": found}
    (RESULTS / f"online-windows-{_today()}.json").write_text(json.dumps(kept, indent=1) + "\n")
    text = "\n".join(page(kept)) + "\n"
    (RESULTS / "online-windows.md").write_text(text)
    print(text)


def page(kept: Mapping[str, Any]) -> list[str]:
    """The results in Markdown."""
    machine, found = kept["machine"], kept["found"]
    turns = found["this"]
    others = found.get("beside")
    same = others is None or all(a["answers"] == b["answers"] for a, b in zip(turns, others, strict=True))
    lines = [
        "# Windows at request time, measured",
        "",
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, load {machine['load']} at the "
        f"start; {kept['at']}, revision {kept['revision']}, {len(turns)} turns. One view, sixteen windows: "
        f"{', '.join(AGGREGATES.values())} over {', '.join(SPANS)}, of entities whose events lie in {DAYS} days. "
        "`read` is one entity from the LMDB file to the values, `features` is `ServeSession.features`; medians in "
        "microseconds" + (", in brackets those of the other revision." if others else "."),
        "",
        "| events of the entity | bytes an event | read 16 | read 2 | features 16 | features 2 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for count in map(str, EVENTS):
        cells = [
            _figure(turns, others, count, name, 1e6)
            for name in ("read sixteen", "read two", "features all", "features two")
        ]
        lines.append(f"| {int(count):,} | {_figure(turns, others, count, 'bytes', 1)} | {' | '.join(cells)} |")
    lines += ["", f"One window of {DAYS} days of another aggregate, `read`:", ""]
    lines += [f"| events | {' | '.join(f'`{sql}`' for sql in OTHERS.values())} |", f"| --- |{' --- |' * len(OTHERS)}"]
    for count in map(str, EVENTS):
        cells = [_figure(turns, others, count, f"read {name}", 1e6) for name in OTHERS]
        lines.append(f"| {int(count):,} | {' | '.join(cells)} |")
    rows = sum(max(FEWEST // count, 3) * count for count in EVENTS)
    rates = [f"{rows / median(turn['publish'] for turn in some):,.0f}" for some in (turns, others) if some]
    lines += [
        "",
        f"A publication of these {rows:,} events, in two views: {' beside '.join(rates)} events a second, all of it.",
    ]
    if others:
        lines.append("The answers are the same." if same else "**The answers differ.**")
    return [*lines, *_pushes(turns, others)]


def _pushes(turns: Sequence[Any], others: Sequence[Any] | None) -> list[str]:
    """What pushes cost."""
    lines = [
        "",
        "## Pushes",
        "",
        "`Project.push` of new events to that view, mappings or an Arrow table, until they are on the disk.",
        "",
        "| rows | CPU, ms | clock, ms | rows a second of CPU |",
        "| --- | --- | --- | --- |",
    ]
    for size, one in turns[0]["push"]["sizes"].items():
        here = [
            [turn["push"]["sizes"][size][name] for turn in some]
            for some in (turns, others or [])
            for name in ("cpu", "wall")
        ]
        cpu, wall, *there = (median(some) if some else None for some in here)
        beside = [f" ({value * 1e3:,.2f})" if value else "" for value in there]
        rate = f"{one['rows'] / cpu:,.0f}" + (f" ({one['rows'] / there[0]:,.0f})" if there[0] else "")
        lines.append(f"| {size} | {cpu * 1e3:,.2f}{beside[0]} | {wall * 1e3:,.2f}{beside[1]} | {rate} |")
    seen = [
        [median(turn["push"]["seen"][place] for turn in some) * 1e3 for place in (0, 1)]
        for some in (turns, others)
        if some
    ]
    told = " beside ".join(f"{half:.1f} ms (p50) and {most:.1f} ms (p99)" for half, most in seen)
    return [*lines, "", f"From the call of a push of one row until a session answers with it: {told}."]


def _figure(turns: Sequence[Any], others: Sequence[Any] | None, count: str, name: str, scale: float) -> str:
    here = median(turn["kinds"][count][name] for turn in turns) * scale
    if others is None:
        return f"{here:,.0f}"
    there = median(turn["kinds"][count][name] for turn in others) * scale
    ratio = median(a["kinds"][count][name] / b["kinds"][count][name] for a, b in zip(turns, others, strict=True))
    return f"{here:,.0f} ({there:,.0f}, {ratio:.2f}×)"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main())
