"""``make bench-check``: what checking a large project costs, beside compiling it and listing it, in one run.

A project is made of so many models by a seed: staging views over a few sources, joins and day aggregates over those,
feature views with windows, and a training set for every hundred. Each command is a process of its own, the commands
take turns, and what counts is the CPU of the process (user and system).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import facts_of_machine, revision

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
SOURCES = 40
_TARGETS = {"check / compile": 4.0, "check again / ls": 2.0}


# -- the project -------------------------------------------------------------------------------------------------------


def make_project(root: Path, models: int, seed: int = 1) -> list[str]:
    """A project of so many models; gives their names, parents before children."""
    random = Random(seed)
    (root / "models").mkdir(parents=True)
    (root / "data").mkdir()
    _write_sources(root)
    names: list[str] = []
    made: dict[str, list[str]] = {"stg": [], "int": [], "fv": [], "lab": []}
    for number in range(models):
        kind = _kind(random, number, made)
        name = f"{kind}_{number:04d}"
        (root / "models" / f"{name}.sql").write_text(_MAKERS[kind](random, made), "utf-8")
        made.setdefault(kind, []).append(name)
        names.append(name)
    return names


def _kind(random: Random, number: int, made: dict[str, list[str]]) -> str:
    if number < 60:
        return "stg"
    if number < 65:
        return "int"
    if number % 100 == 98:
        return "lab"
    if number % 100 == 99 and made["lab"] and len(made["fv"]) > 3:
        return "ts"
    return random.choice(["stg", "int", "int", "int", "day", "fv", "fv"])


def _write_sources(root: Path) -> None:
    tables = []
    for number in range(SOURCES):
        name = f"s{number:02d}"
        ts = pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
        columns = {"id": pa.array([1]), "k": pa.array([1]), "ts": ts, "booked": ts}
        columns |= {f"n{i}": pa.array([1.0 * i]) for i in range(8)}
        pq.write_table(pa.table(columns), root / "data" / f"{name}.parquet")
        tables.append(f"      - {{name: {name}, config: {{event_time: ts, available_at: booked}}}}")
    sources = [
        "version: 2",
        "sources:",
        "  - name: raw",
        '    config: {location: "data/{name}.parquet"}',
        "    tables:",
    ]
    (root / "models" / "sources.yml").write_text("\n".join([*sources, *tables]) + "\n", "utf-8")
    (root / "sqlfeat_project.yml").write_text("name: large\nentities:\n  k: {keys: [k]}\n", "utf-8")


def _staging(random: Random, made: dict[str, list[str]]) -> str:
    source = f"s{random.randrange(SOURCES):02d}"
    return f"""{{{{ config(materialized='view', event_time='ts', available_at='booked') }}}}

with source as (select * from {{{{ source('raw', '{source}') }}}}),
renamed as (
    select id, k, ts, booked, n0 + n1 as a, coalesce(n2, 0) as b, case when n3 > {random.randrange(9)} then n4 end as c
    from source
    where ts >= timestamptz '2020-01-01 00:00:00+00' and booked is not null
)
select * from renamed
"""


def _joined(random: Random, made: dict[str, list[str]]) -> str:
    left, right = random.choice(made["int"] or made["stg"]), random.choice(made["stg"])
    hours = random.choice([1, 6, 24, 168])
    return f"""{{{{ config(materialized='view', event_time='ts', available_at='booked') }}}}

with ranked as (
    select *, lag(a) over (partition by k order by greatest(ts, booked)) as before
    from {{{{ ref('{left}') }}}}
)
select r.id, r.k, r.ts, r.booked, max(r.a) as a, max(r.b) as b, max(r.before) as c, sum(s.a) as total, count(s.id) as n
from ranked as r
left join {{{{ ref('{right}') }}}} as s
    on s.k = r.k and s.booked <= r.booked and s.ts <= r.ts and s.ts > r.ts - interval '{hours} hours'
group by r.id, r.k, r.ts, r.booked
"""


def _days(random: Random, made: dict[str, list[str]]) -> str:
    parent = random.choice(made["int"])
    return f"""{{{{ config(materialized='table', event_time='day_end') }}}}

select
    k, date_trunc('day', greatest(ts, booked)) + interval '1 day' as day_end,
    sum(a) as a, max(b) as b, count(*) filter (where c > 1) as c
from {{{{ ref('{parent}') }}}}
where ts is not null and booked is not null
group by all
"""


def _view(random: Random, made: dict[str, list[str]]) -> str:
    parent = random.choice(made["int"])
    return f"""{{{{ config(materialized='feature_view', entity='k', event_time='ts', available_at='booked') }}}}

select
    k, ts, booked,
    {{{{ window('sum(a)', '7 days') }}}} as a_7d,
    {{{{ window('count(*)', ['1 day', '30 days'], name='n') }}}},
    {{{{ window('avg(b)', 'unbounded') }}}} as b_all
from {{{{ ref('{parent}') }}}}
"""


def _labels(random: Random, made: dict[str, list[str]]) -> str:
    parent, later = random.choice(made["stg"]), random.choice(made["stg"])
    return f"""{{{{ config(materialized='view', role='label', event_time='ts', horizon='7 days') }}}}

select r.id, r.k, r.ts, r.a, exists (
    select 1 from {{{{ ref('{later}') }}}} as s where s.k = r.k and s.ts > r.ts and s.booked <= r.ts + interval '7 days'
) as happened
from {{{{ ref('{parent}') }}}} as r
"""


def _training(random: Random, made: dict[str, list[str]]) -> str:
    views = random.sample(made["fv"], 3)
    features = ",\n    ".join(f"{{{{ feature('{view}.a_7d') }}}} as f{n}" for n, view in enumerate(views))
    return f"""{{{{ config(materialized='training_set', label='happened', keys=['id']) }}}}

select
    l.id, l.ts, l.a,
    {features},
    l.happened
from {{{{ ref('{made["lab"][-1]}') }}}} as l
"""


_MAKERS: dict[str, Callable[[Random, dict[str, list[str]]], str]] = {
    "stg": _staging, "int": _joined, "day": _days, "fv": _view, "lab": _labels, "ts": _training,
}  # fmt: skip


# -- the measurement ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One command: what is done before it, and what it is told beside."""

    name: str
    arguments: tuple[str, ...]
    before: Callable[[Path, list[str]], None] = lambda root, names: None


def _forget(root: Path, names: list[str]) -> None:
    shutil.rmtree(root / "target", ignore_errors=True)


def _touch(root: Path, name: str) -> None:
    path = root / "models" / f"{name}.sql"
    path.write_text(path.read_text("utf-8") + f"-- changed again {os.urandom(4).hex()}\n", "utf-8")


STEPS = (
    Step("compile", ("compile",), _forget),
    Step("check", ("check",), _forget),
    Step("ls", ("ls",)),
    Step("check again", ("check",)),
    Step("check, last model changed", ("check",), lambda root, names: _touch(root, names[-1])),
    Step("check, a model in the middle changed", ("check",), lambda root, names: _touch(root, names[len(names) // 2])),
)


def cpu_of(command: list[str], folder: Path) -> tuple[float, int]:
    """The CPU seconds of a process and its children, and how it ended."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, child.returncode


def turns(root: Path, names: list[str], repetitions: int) -> Iterator[tuple[str, float]]:
    """Each command's CPU, turn by turn."""
    program = [str(Path(sys.executable).parent / "sqlfeat")]
    cpu_of([*program, "ls"], root)  # so that Python's own caches are there
    for _ in range(repetitions):
        for step in STEPS:
            step.before(root, names)
            cpu, code = cpu_of([*program, *step.arguments, "--quiet"], root)
            if code not in (0, 1):  # 1: something is unsafe, which is no failure of the measurement
                raise SystemExit(f"`sqlfeat {' '.join(step.arguments)}` ended with {code}")
            yield step.name, cpu


def report(taken: dict[str, list[float]], models: int, seed: int) -> str:
    """The page: CPU of each command, ratios of one turn, and the targets."""
    machine = facts_of_machine()
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "numpy")
    lines = [
        "# Checking a large project, measured", "",
        f"{models} models by seed {seed} (`make bench-check`). {machine['cores']} cores ({machine['processor']}), "
        f"{machine['system']}; Python {machine['python']}, {versions}. Revision {revision(ROOT)}, "
        f"{datetime.now(UTC):%Y-%m-%d}, load {machine['load']} at the end: only ratios mean something. Every command "
        f"is a process of its own; they took turns, {len(taken['ls'])} times. Medians of CPU (user and system), and of "
        "the ratios of one turn.", "",
        "| command | CPU s | × of compile | × of ls |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, cpus in taken.items():
        ratios = [median(c / b for c, b in zip(cpus, taken[base], strict=True)) for base in ("compile", "ls")]
        lines.append(f"| {name} | {median(cpus):.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    lines.append("")
    for target, most in _TARGETS.items():
        one, other = target.split(" / ")
        ratio = median(a / b for a, b in zip(taken[one], taken[other], strict=True))
        lines.append(f"{target}: {ratio:.2f}, at most {most:.0f} {'kept' if ratio <= most else 'MISSED'}.")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, and keep the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sqlfeat-bench-") as folder:
        root = Path(folder) / "large"
        names = make_project(root, given.models, given.seed)
        taken: dict[str, list[float]] = {step.name: [] for step in STEPS}
        with suppress(KeyboardInterrupt):
            for name, cpu in turns(root, names, given.repetitions):
                taken[name].append(cpu)
                print(f"{name}: {cpu:.2f} s of CPU", file=sys.stderr, flush=True)
    whole = min(map(len, taken.values()))  # an interrupted turn does not count
    if not whole:
        return 1
    told = report({name: cpus[:whole] for name, cpus in taken.items()}, given.models, given.seed)
    print(told)
    if given.models >= 1000:
        (RESULTS / "check.md").write_text(told, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
