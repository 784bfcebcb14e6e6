"""Random histories of pushes, online held against offline at random instants of each.

``python -m tests.properties.push_campaign --seeds 1000-1099``: each seed makes a world of one kind, of late, corrected,
moved and tied rows, and lets things happen to it: publications, whole and incremental, pushes of new rows and of old
ones, rows that the source brings, corrects and loses, a clock that steps forth and back. What is answered online must
be what a run makes, whenever the source has not changed behind the last publication. (Seeds 1 to 7 found two
differences, which were mended; 1000 to 1136 found none: 680 pushes, 267 publications, 405 comparisons.)
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlfeat.engine.duckdb.rowwise import Rowwise
from sqlfeat.ops.online.publish import publish
from sqlfeat.ops.online.push import Pusher
from tests.properties import lookup_project, window_project
from tests.properties.test_online import MICROSECOND, agree_now, online
from tests.properties.timelines import DAY, HOUR, MOMENTS, QUARTER
from tests.properties.workbench import Workbench

Rows = list[dict[str, Any]]
STAMPED = ("{name: events}", "{name: events, config: {event_time: happened_utc, available_at: known}}")
"""What makes of a source one whose rows say when they were known, or are known when they are pushed."""


@dataclass
class SteppingClock:
    """A clock that stands still until it is moved."""

    instant: datetime
    moved: float = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.moved


@dataclass(frozen=True)
class Kind:
    """A kind of world: its project, the table that is pushed to, and the views of windows, if it has them."""

    name: str
    files: Mapping[str, str]
    schemas: Mapping[str, Any]
    table: str
    view: str
    views: tuple[str, ...] = ()

    def world(self, seed: int) -> Any:
        if not self.views:
            return lookup_project.World.made(seed, 1 + seed % 12, 10 + seed % 90, 30)
        return window_project.World.made(seed, 1 + seed % 5, 10 + seed % 60, 12, calm=seed % 3 == 0)

    def asked(self, world: Any) -> dict[str, tuple[str, Any]]:
        """What is asked, by its training set."""
        if not self.views:
            return {"found_at_asked_utc": ("asked_utc", world.asked)}
        named = window_project.ASKED
        return {f"of_{name}": ("asked", world.asked) for name in named if name.split("_strict")[0] in self.views}


def windows(name: str, views: Sequence[str], *, stamped: bool = False) -> Kind:
    files = online(window_project.files(views))
    if stamped:
        files["models/sources.yml"] = files["models/sources.yml"].replace(*STAMPED)
    return Kind(name, files, window_project.SCHEMAS, "events", views[0], tuple(views))


def kinds() -> dict[str, Kind]:
    """All of them, by name."""
    lookups = Kind("lookups", online(lookup_project.files()), lookup_project.SCHEMAS, "facts", "plain")
    made = [
        lookups,
        windows("counted", ("at_once", "everywhere")),
        windows("late", ("late", "soon")),
        windows("corrected", ("corrected",)),
        windows("moved", ("moved",)),
        windows("totals", ("at_once_totals", "corrected_totals", "moved_totals", "everywhere_totals")),
        windows("stamped", ("late_totals", "moved"), stamped=True),
    ]
    return {kind.name: kind for kind in made}


@dataclass
class History:
    """What happens to one world, step by step."""

    bench: Workbench
    engine: Rowwise
    kind: Kind
    random: Random
    clock: SteppingClock
    waiting: Rows = field(default_factory=list)
    there: Rows = field(default_factory=list)
    pushed: Rows = field(default_factory=list)
    is_behind: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def begin(self, world: Any) -> None:
        """Forget what was before; some of the rows are there, and published."""
        shutil.rmtree(self.bench.folder / "target" / "online", ignore_errors=True)
        names = self.bench.schemas[self.kind.table].names
        rows = [{name: row[name] for name in names} for row in world.tables()[self.kind.table]]
        cut = self.random.randrange(len(rows) + 1)
        self.there, self.waiting = rows[:cut], rows[cut:]
        self.bench.put({**world.tables(), self.kind.table: self.there})
        self.clock.instant = self.moment()
        self.publish()

    def moment(self) -> datetime:
        """An instant at which things happen, or is beside one."""
        return self.random.choice(MOMENTS) + self.random.choice([-1, 0, 0, 1, 3_600_000_000]) * MICROSECOND

    def publish(self) -> None:
        """Publish all, or what changed."""
        as_of = self.clock.instant if self.random.random() < 0.5 else self.moment()
        publish(self.bench.project._session, at=as_of, incremental=self.random.random() < 0.6)
        self.is_behind = False

    def push(self) -> None:
        """Push rows that are new and rows that were there or pushed, through a pusher that may have been there."""
        count = min(len(self.waiting), self.random.randrange(1, 12))
        fresh, self.waiting = self.waiting[:count], self.waiting[count:]
        again = self.again(self.there if not self.is_behind else []) + self.again(self.pushed)
        rows = fresh + again
        self.random.shuffle(rows)
        if self.random.random() < 0.2:
            rows = rows + rows[:2]
        with Pusher(self.bench.project._session) as pusher:
            for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                if part:
                    pusher.push(self.kind.view, part)
        self.pushed += fresh

    def again(self, rows: Rows) -> Rows:
        return self.random.sample(rows, min(len(rows), self.random.randrange(4)))

    def bring(self) -> None:
        """The source brings rows that were pushed: nothing is other than before."""
        brought = [row for row in self.again(self.pushed) if row not in self.there]
        self.change([*self.there, *brought], behind=self.is_behind)

    def bring_new(self) -> None:
        """The source brings rows that nobody has seen, which corrections and late versions are among."""
        count = min(len(self.waiting), self.random.randrange(1, 8))
        new, self.waiting = self.waiting[:count], self.waiting[count:]
        self.change([*self.there, *new], behind=True)

    def lose(self) -> None:
        """The source has some rows no more, as after a deletion."""
        gone = self.again(self.there)
        self.change([row for row in self.there if not any(row is one for one in gone)], behind=True)

    def change(self, rows: Rows, *, behind: bool) -> None:
        self.there = list(rows)
        self.random.shuffle(self.there)
        self.bench.put({self.kind.table: self.there})
        self.is_behind = behind

    def move(self) -> None:
        """The clock goes on, or is set back."""
        step = self.random.choice([MICROSECOND, QUARTER, HOUR, DAY, 400 * DAY, timedelta(0)])
        self.clock.instant += self.random.choice([1, 1, -1]) * step
        self.clock.moved += 1.0

    def compare(self, asked: Mapping[str, Any]) -> None:
        """What is answered is what a run makes."""
        if not self.is_behind:
            agree_now(self.bench, self.engine, asked)
            self.counts["comparisons"] += 1

    def happen(self, asked: Mapping[str, Any], steps: int) -> None:
        """Some steps, each of any kind."""
        verbs = [self.push] * 5 + [self.publish] * 2 + [self.bring, self.bring_new, self.lose, self.move, self.move]
        for _ in range(steps):
            verb = self.random.choice(verbs)
            verb()
            self.counts[verb.__name__] += 1
            if self.random.random() < 0.3:
                self.compare(asked)
        if self.is_behind:
            self.publish()
        self.compare(asked)


class Campaign:
    """Projects that are compiled once, for as many seeds as one likes."""

    def __init__(self, folder: Path, chosen: Sequence[Kind]) -> None:
        self._stack = ExitStack()
        self._engine = Rowwise()
        self._stack.callback(self._engine.close)
        self._clock = SteppingClock(MOMENTS[0])
        self._benches = {}
        for kind in chosen:
            bench = Workbench(folder / kind.name, kind.files, kind.schemas, clock=self._clock)
            self._stack.callback(bench.close)
            self._benches[kind.name] = bench

    def run(self, kind: Kind, seed: int, steps: int) -> Counter[str]:
        """The history of a seed; gives what happened how often."""
        history = History(self._benches[kind.name], self._engine, kind, Random(seed), self._clock)
        world = kind.world(seed)
        history.begin(world)
        history.happen(kind.asked(world), steps)
        return history.counts

    def close(self) -> None:
        self._stack.close()


def main(words: list[str]) -> int:
    """Run seeds and say what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="1-20", metavar="A-B")
    parser.add_argument("--kind", choices=tuple(kinds()), action="append", help="of all, these")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--minutes", type=float, help="begin no other seed after so long")
    asked = parser.parse_args(words)
    first, _, last = asked.seeds.partition("-")
    chosen = [kind for name, kind in kinds().items() if asked.kind is None or name in asked.kind]
    began, total, differ, done = time.monotonic(), Counter[str](), [], 0
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), chosen)
        for seed in range(int(first), int(last or first) + 1):
            if asked.minutes is not None and time.monotonic() - began > asked.minutes * 60:
                break
            kind = chosen[seed % len(chosen)]
            try:
                total += campaign.run(kind, seed, asked.steps)
            except AssertionError as error:
                differ.append(seed)
                print(f"seed {seed}, {kind.name}: {error}", flush=True)
            done = seed
        campaign.close()
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(total.items()))
    seconds = time.monotonic() - began
    what = f"seeds {first}-{done} of {', '.join(kind.name for kind in chosen)}"
    print(f"{what}: {told}; {len(differ)} differ; {seconds:.0f} s")
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
