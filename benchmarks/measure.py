"""One measurement: a method run once, in a process of its own, its wall time, CPU and memory taken over that run alone.

The child prepares (imports, opens, loads what it may have in memory), says so, and waits; the parent lets it go and
watches its memory until it answers. Run as ``python -m benchmarks.measure TASK`` this file is the child. It imports a
method's module by name, so that a peer's environment needs no more than the peer.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).resolve().parent.parent
MARK = "@@ "
_LOOK_EVERY = 0.02


class Run(Protocol):
    """A method over one workload's tables, before it has run."""

    def run(self) -> None:
        """What is measured: from stored tables to the assembled relation in memory."""

    def write(self, path: Path) -> None:
        """The relation as a Parquet file, zstd; measured beside."""

    def answer(self) -> list[Any]:
        """The checks of the workload, over the relation."""

    def facts(self) -> Mapping[str, Any]:
        """What else is worth telling."""


@dataclass(frozen=True)
class Measured:
    """What one run took. Memory in MB above what the process had before; ``anonymous`` leaves mapped files out."""

    wall: float
    cpu: float
    peak: float
    anonymous: float
    before: float
    write_wall: float = 0.0
    write_cpu: float = 0.0
    answer: list[Any] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Failed(Exception):
    """A method that gave no measurement, with its words."""


def measure(python: Path, method: str, task: Mapping[str, Any], timeout: float) -> Measured:
    """Run ``module:callable`` in a child; the callable takes the task and gives a :class:`Run`.

    Raises:
        Failed: it failed, or took longer than ``timeout`` seconds.
    """
    command = [str(python), "-W", "ignore", "-m", "benchmarks.measure", json.dumps({"method": method, **task})]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as child,
    ):
        try:
            ready, _ = _told(child, timeout)
            if ready is None:
                raise Failed(_last_words(errors))
            assert child.stdin is not None
            child.stdin.write(b"go\n")
            child.stdin.flush()
            before = _anonymous(child.pid)
            told, highest = _told(child, timeout)
            if told is None:
                raise Failed(_last_words(errors))
            rest, _ = _told(child, timeout)
        finally:
            child.kill()
    return Measured(**{**told, **(rest or {}), "anonymous": max(0.0, highest - before)})


def _last_words(errors: IO[str]) -> str:
    errors.seek(0)
    return (errors.read().strip().splitlines() or ["no word"])[-1][:300]


def _told(child: subprocess.Popen[bytes], timeout: float) -> tuple[dict[str, Any] | None, float]:
    """The child's next message (None: it has ended), and its highest anonymous memory until then."""
    assert child.stdout is not None
    highest, deadline = 0.0, time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            highest = max(highest, _anonymous(child.pid))
            if not selector.select(_LOOK_EVERY):
                continue
            line = child.stdout.readline().decode()
            if not line:
                return None, highest
            if line.startswith(MARK):
                return json.loads(line[len(MARK) :]), highest
    raise Failed(f"more than {timeout:.0f} s")


def _anonymous(pid: int) -> float:
    return _status(f"/proc/{pid}/status", "RssAnon")


def _status(path: str, key: str) -> float:
    """A line of a process's status in MB; 0 where the system has none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(key)), 0.0)


def _forget_peak() -> None:
    """Let the high-water mark of this process's memory start anew, where the system can."""
    marks = Path("/proc/self/clear_refs")
    if marks.exists():
        marks.write_text("5")


def _tell(message: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(message)}\n")
    sys.stdout.flush()


def _child(task: dict[str, Any]) -> None:
    module, name = task.pop("method").split(":")
    method: Run = getattr(importlib.import_module(module), name)(task)
    gc.collect()
    _tell({"ready": True})
    sys.stdin.readline()
    _forget_peak()
    before, wall, cpu = _status("/proc/self/status", "VmRSS"), time.perf_counter(), time.process_time()
    method.run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _status("/proc/self/status", "VmHWM") - before
    _tell({**asdict(Measured(wall, cpu, peak, 0.0, before)), "facts": dict(method.facts())})
    with tempfile.TemporaryDirectory(dir=task["folder"]) as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        method.write(Path(folder) / "written.parquet")
        _tell(
            {
                "write_wall": time.perf_counter() - wall,
                "write_cpu": time.process_time() - cpu,
                "answer": method.answer(),
            }
        )
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _child(json.loads(sys.argv[1]))
