"""Child processes that work, die, or are killed at a moment that a seed chooses."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from sqlfeat.api import Project

NEEDED = (
    "pyarrow.parquet", "sqlfeat.compiler.project", "sqlfeat.engine.duckdb.catalog", "sqlfeat.engine.duckdb.engine",
    "sqlfeat.ops.check", "sqlfeat.ops.online.publish", "sqlfeat.ops.online.session", "sqlfeat.ops.run",
    "sqlfeat.ops.source_shapes", "sqlfeat.ops.training_set", "sqlfeat.ops.training_sets", "sqlfeat.store.pushed_lmdb",
)  # fmt: skip


def warm(root: Path) -> None:
    """What every process of a project needs is imported, and its macros are compiled, before anything is forked."""
    for module in NEEDED:
        importlib.import_module(module)
    with Project.load(root, vars={"generation": 0}) as project:
        project.nodes()


def forked(work: Callable[[], int]) -> int:
    """A process that works and ends."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        except BaseException:  # noqa: BLE001 (the process's edge)
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def ended(process: int) -> int:
    """The exit code; of a process that was killed the signal, negative."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed(process: int, seconds: float) -> bool:
    """Kill a process after a while; False where it had come to its end by then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        gone, status = os.waitpid(process, os.WNOHANG)
        if gone:
            assert os.waitstatus_to_exitcode(status) == 0, "what was to be killed had failed before"
            return False
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    return ended(process) == -signal.SIGKILL
