"""A server under requests for long, while snapshots and aliases change beneath it: ``make soak-serve``.

Every request must be answered by 200, memory must not grow once the server is warm, and what was logged on the way must
be what the offline side says. ``--write FILE`` keeps the figures.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.made.projects import Opened, day
from tests.made.scoring import register_buyer
from tests.made.serving import AT, Line, posting, served_shop, serving
from tests.serve.test_verify_log import BASE, table

GROWTH = 0.05
"""So much more memory at the end than after the first fifth is more than chance."""
_CUSTOMERS = ("ann", "bob", "nobody", "ö", "x" * 200)
_LATE = 40
_ENTITIES = {"features": ["spent:amount", "spent:spent_3d"], "entities": {"customer": list(_CUSTOMERS)}}


@dataclass
class Soak:
    """What was seen."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    snapshots: set[int] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)
    changes: int = 0
    logged: int = 0
    unexplained: int = 0

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        return self.requests - self.statuses[200]

    @property
    def warm(self) -> list[int]:
        """Kilobytes of memory once the server has seen everything once."""
        return [size for at, size in self.memory if at >= self.seconds / 5]

    @property
    def growth(self) -> float:
        """The median of the last third of the time over that of the first, once it is warm."""
        third = max(len(self.warm) // 3, 1)
        return statistics.median(self.warm[-third:]) / statistics.median(self.warm[:third]) - 1

    def report(self) -> str:
        """The figures as a page."""
        times = sorted(self.latencies)
        middle, slow = times[len(times) // 2], times[int(len(times) * 0.99)]
        first, last = self._third(0) / 1024, self._third(-1) / 1024
        lines = [
            "# A server for long",
            "",
            f"`make soak-serve`, {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}.",
            "",
            "| | |",
            "| --- | --- |",
            f"| minutes | {self.seconds / 60:.1f} |",
            f"| requests | {self.requests:,} |",
            f"| not answered by 200 | {self.failed:,} |",
            f"| snapshots that answers came from | {len(self.snapshots):,} |",
            f"| changes of an alias | {self.changes:,} |",
            f"| median and 99th percentile | {middle * 1e3:.2f} ms, {slow * 1e3:.2f} ms |",
            f"| memory once warm, first and last third | {first:.1f} MiB, {last:.1f} MiB ({self.growth:+.1%}) |",
            f"| most memory | {max(size for _, size in self.memory) / 1024:.1f} MiB |",
            f"| rows logged, cells of them that nothing explains | {self.logged:,}, {self.unexplained:,} |",
        ]
        return "\n".join(lines) + "\n"

    def _third(self, which: int) -> float:
        third = max(len(self.warm) // 3, 1)
        return statistics.median(self.warm[:third] if which == 0 else self.warm[-third:])


def soak(
    folder: Path,
    *,
    seconds: float,
    rate: float,
    requests: int = 1,
    share: float = 0.02,
    threads: int = 2,
    seed: int = 1,
) -> Soak:
    """Serve a shop at ``rate`` requests a second, and change what it is served from all the time.

    It lasts so many seconds at least, and until so many ``requests`` were answered, from two snapshots or more. A
    ``share`` of them is logged, and verified.
    """
    opened = served_shop(folder / "shop")
    register_buyer(opened, seed=5)
    with opened.project() as project:
        project.set_alias("buyer", "today", "1")
    seen, stop = Soak(), threading.Event()
    log = folder / "log"
    with serving(opened.root, "--log", str(log), "--log-sample", str(share), "--log-flush", "2s") as (process, port):
        began = time.monotonic()
        asking = [
            threading.Thread(target=_ask, args=(port, rate / threads, random.Random(seed + each), seen, stop))
            for each in range(threads)
        ]
        watching = threading.Thread(target=_watch, args=(process.pid, began, seen, stop))
        for thread in (*asking, watching):
            thread.start()
        while time.monotonic() - began < seconds or seen.requests < requests or len(seen.snapshots) < 2:
            _change(opened, seen)
            stop.wait(min(2.0, seconds / 5))
        stop.set()
        for thread in (*asking, watching):
            thread.join()
        seen.seconds = time.monotonic() - began
        process.terminate()
        process.wait(30)
    if log.is_dir():
        with opened.project() as project:
            found = project.verify_log(log)
        seen.logged = sum(one.rows for one in found.verdicts)
        seen.unexplained = found.unexplained
    return seen


def _ask(port: int, rate: float, chance: random.Random, seen: Soak, stop: threading.Event) -> None:
    requests = [
        posting(path, body)
        for customer in _CUSTOMERS
        for path, body in (
            ("/predict/buyer@today", {"customer": customer, "channel": "web", "at": AT}),
            ("/features/buys", {"rows": [{"customer": customer, "channel": None}] * 3, "at": AT}),
            ("/get-online-features", _ENTITIES),
            ("/invocations?model=buyer", {"dataframe_records": [{"customer": customer, "channel": "shop"}]}),
        )
    ]
    due = time.monotonic()
    with Line(port) as line:
        while not stop.is_set():
            began = time.monotonic()
            line.send(chance.choice(requests))
            found = line.answer()
            seen.latencies.append(time.monotonic() - began)
            seen.statuses[found.status if found else 0] += 1
            if found and isinstance(found.body, dict) and "snapshot" in found.body:
                seen.snapshots.add(found.body["snapshot"])
                seen.versions.update([found.body["version"]] if "version" in found.body else [])
            due = max(due + 1 / rate, time.monotonic() - 1)
            stop.wait(max(0.0, due - time.monotonic()))


def _watch(process: int, began: float, seen: Soak, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=False)
        if told.stdout.strip():
            seen.memory.append((time.monotonic() - began, int(told.stdout)))


def _change(opened: Opened, seen: Soak) -> None:
    """An order that comes late, a snapshot that has it, every other one incremental, and another alias."""
    seen.changes += 1
    late = [("ann", number, day(3) + timedelta(seconds=number)) for number in range(1, min(seen.changes, _LATE) + 1)]
    opened.change({"data/orders.parquet": table([*BASE, *late])})
    with opened.project() as project:
        project.publish(at=day(4), incremental=seen.changes % 2 == 0)
        project.set_alias("buyer", "today", str(1 + seen.changes % 2))


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make soak-serve")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second; 200")
    parser.add_argument("--write", type=Path, help="keep the figures in this file")
    asked: Any = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as folder:
        seen = soak(Path(folder), seconds=asked.minutes * 60, rate=asked.rate)
    report = seen.report()
    print(report)
    if asked.write is not None:
        asked.write.write_text(report, encoding="utf-8")
    if seen.failed:
        print(dict(seen.statuses))
    return 0 if not (seen.failed or seen.unexplained) and seen.growth < GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
